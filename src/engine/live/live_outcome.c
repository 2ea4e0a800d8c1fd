/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/live/live_outcome.h"

#include "base/hash.h"
#include "base/memory.h"
#include "engine/live/live_internal.h"
#include "engine/rows/rows.h"

#define RECORD_BYTES_MAX ((size_t)1 << 20) /* of a timeline's row that is read */

static const struct {
    const char *name;
    uint16_t type;
} outcomes[LIVE_OUTCOME_COUNT] = {
    [LIVE_SHOWN] = {"shown", EVENT_TREATMENT_SHOWN},
    [LIVE_DELIVERED] = {"delivered", EVENT_TREATMENT_DELIVERED},
    [LIVE_FAILED] = {"failed", EVENT_TREATMENT_FAILED},
    [LIVE_CLICKED] = {"clicked", EVENT_TREATMENT_CLICKED},
    [LIVE_ACCEPTED] = {"accepted", EVENT_TREATMENT_ACCEPTED},
    [LIVE_REJECTED] = {"rejected", EVENT_TREATMENT_REJECTED},
};

enum live_outcome_kind live_outcome_named(struct text name) {
    int kind = 0;
    while (kind < LIVE_OUTCOME_COUNT && !text_equal(name, text_from(outcomes[kind].name))) kind++;
    return (enum live_outcome_kind)kind;
}

/* An outcome on its way. */
struct telling {
    struct change change; /* first */
    struct event_batch batch;
    struct engine *engine;
    struct live_outcome outcome;
    struct text treatment; /* in `bytes` */
    struct buffer bytes;
    uint64_t id;
    bool has_token;
    struct live_record record;
    uint8_t token[LIVE_TOKEN_BYTES];
    struct live_told told;
};

static void destroy(struct telling *telling) {
    event_batch_release(&telling->batch);
    buffer_release(&telling->bytes);
    memory_free(telling);
}

static enum status unknown(struct error *error) {
    return error_set(
        error, STATUS_NOT_FOUND,
        "no decision is known by this: send the id or the token as decide answered it; "
        "where its customer was erased, it is gone with all that was known of them");
}

/* Sets the id, by whichever of both was given. */
static enum status read_name(struct telling *telling, struct error *error) {
    struct text name = telling->outcome.decision;
    telling->id = decision_id_read(name);
    if (telling->id != 0) return STATUS_OK;
    telling->has_token =
        live_token_open(telling->engine, name, telling->token, &telling->record) == STATUS_OK;
    struct value id = packed_find(telling->record.packed, PROPERTY_DECISION);
    if (telling->has_token && id.type == VALUE_TEXT) telling->id = decision_id_read(id.text);
    return telling->id != 0 ? STATUS_OK : unknown(error);
}

static enum status create(struct telling **out, struct engine *engine,
                          const struct live_outcome *outcome, struct error *error) {
    struct telling *telling = memory_calloc(1, sizeof *telling);
    *out = telling;
    if (telling == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for an outcome");
    telling->change.batch = &telling->batch;
    telling->change.has_personas = true;
    telling->engine = engine;
    telling->outcome = *outcome;
    event_batch_init(&telling->batch);
    buffer_init(&telling->bytes);
    enum status status = outcome->kind < LIVE_OUTCOME_COUNT && text_is_utf8(outcome->treatment)
                             ? STATUS_OK
                             : error_set(error, STATUS_INVALID, "it is no outcome");
    if (status == STATUS_OK) status = read_name(telling, error);
    if (status == STATUS_OK) status = buffer_append_text(&telling->bytes, outcome->treatment);
    telling->treatment = buffer_text(&telling->bytes);
    if (status == STATUS_OK) return STATUS_OK;
    destroy(telling);
    *out = NULL;
    return status;
}

/* ---- the applier ---- */

/* Who has one of the visitor's identifiers by now: ID_NONE where nobody has. */
static struct customer_id visitor_now(const struct engine *engine, struct text identifiers) {
    struct as_of now = {INT64_MAX, store_position(engine->store)};
    struct customer_id customer;
    struct text value;
    uint32_t type;
    while (live_next_identifier(&identifiers, &type, &value))
        if (identity_find_customer(engine->identity, type, value, now, &customer) == STATUS_OK &&
            live_bears_rows(engine, customer, now))
            return customer;
    return (struct customer_id){ID_NONE};
}

/* Nobody was known when it was decided. The newest persona is none of those that were there then,
 * so that a replay finds nobody either. */
static enum status begin_visitor(struct telling *telling, struct error *error) {
    struct engine *engine = telling->engine;
    struct live_record *record = &telling->record;
    const struct customer_directory *directory = identity_directory(engine->identity);
    struct customer_id customer = visitor_now(engine, record->identifiers);
    enum status status = STATUS_OK;
    if (customer.value == ID_NONE) {
        status = live_begin_customer(engine, record->identifiers, engine_now_ms(engine), error);
        customer = visitor_now(engine, record->identifiers);
    }
    if (status != STATUS_OK) return status;
    struct persona_id personas[EVENT_IDENTIFIERS_MAX];
    struct as_of now = {INT64_MAX, store_position(engine->store)};
    uint32_t count = 0;
    if (customer.value != ID_NONE)
        count =
            directory->ops->personas_of(directory, customer, now, personas, EVENT_IDENTIFIERS_MAX);
    if (count == 0) return unknown(error);
    for (uint32_t i = 0; i < count && i < EVENT_IDENTIFIERS_MAX; i++)
        if (i == 0 || personas[i].value > record->persona.value) record->persona = personas[i];
    return STATUS_OK;
}

/* Records the decision that the token holds. */
static enum status restore(struct telling *telling, struct error *error) {
    static const struct rows_back none;
    struct engine *engine = telling->engine;
    const struct live_record *record = &telling->record;
    struct apply_result did = {0};
    const struct frame_member member = {.did = &did, .has_personas = true};
    bool written;
    struct event_batch batch;
    enum status status = STATUS_OK;
    if (record->persona.value == ID_NONE) status = begin_visitor(telling, error);
    if (status != STATUS_OK) return status;
    event_batch_init(&batch);
    status = buffer_append_text(&batch.bytes, record->packed);
    struct event *event = status == STATUS_OK ? event_batch_add(&batch) : NULL;
    if (event == NULL) {
        event_batch_release(&batch);
        return STATUS_NO_MEMORY;
    }
    event->time_ms = event->known_ms = record->t_ms;
    event->key = decision_row_key(telling->id);
    event->persona = record->persona;
    event->type = EVENT_DECISION_MADE;
    event->channel = (uint8_t)record->channel;
    event->source = (uint16_t)engine->live->source;
    event->properties_length = record->packed.length;
    status = apply_frame(engine, &batch, &member, &none, false, &written, error);
    event_batch_release(&batch);
    if (status != STATUS_OK) return status;
    telling->told.is_restored = did.events > 0;
    atomic_fetch_add(&engine->live->restored, did.events);
    return STATUS_OK;
}

static enum status find_row(struct telling *telling, struct stored_key *out, struct error *error) {
    struct engine *engine = telling->engine;
    bool found;
    enum status status =
        store_key_find(engine->store, decision_row_key(telling->id), out, &found, error);
    if (status != STATUS_OK) return status;
    if (!found && telling->has_token && engine_now_ms(engine) <= telling->record.expires_ms) {
        status = restore(telling, error);
        if (status == STATUS_OK)
            status =
                store_key_find(engine->store, decision_row_key(telling->id), out, &found, error);
        if (status != STATUS_OK) return status;
    }
    return found && !out->retracted ? STATUS_OK : unknown(error);
}

/* The channel by which the decision offered the treatment, which is the first one where none is
 * named. */
static enum status find_message(struct telling *telling, struct text packed, struct text *treatment,
                                uint32_t *channel, struct error *error) {
    struct symbols *symbols = telling->engine->symbols;
    uint32_t messages = symbol_find(symbols, SYMBOL_PROPERTY, TEXT("messages"));
    struct list_reader reader;
    struct value ignored;
    *channel = SYMBOL_NONE;
    if (list_reader_init(&reader, packed_find(packed, messages)) != STATUS_OK)
        return unknown(error);
    while (*channel == SYMBOL_NONE && list_next(&reader, &ignored) == STATUS_OK) {
        struct value key = list_field(&reader, PROPERTY_TREATMENT),
                     name = list_field(&reader, PROPERTY_CHANNEL);
        if (key.type != VALUE_TEXT || name.type != VALUE_TEXT) continue;
        if (telling->treatment.length > 0 && !text_equal(key.text, telling->treatment)) continue;
        *treatment = key.text;
        *channel = symbol_find(symbols, SYMBOL_CHANNEL, name.text);
    }
    if (*channel != SYMBOL_NONE) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "the decision did not offer this treatment: name one of those it answered");
}

static struct row_key key_of(const struct telling *telling, struct text treatment) {
    uint64_t what = hash_u64(telling->id ^ hash_u64(telling->outcome.kind));
    uint64_t low = hash_text(treatment, what), high = hash_text(treatment, ~what);
    return (struct row_key){low | 1, (uint32_t)(high >> 32)};
}

/* It followed its decision, and has happened. */
static int64_t time_of(const struct telling *telling, int64_t decided_ms) {
    int64_t now_ms = engine_now_ms(telling->engine), t_ms = telling->outcome.time_ms;
    if (t_ms == 0 || t_ms > now_ms) t_ms = now_ms;
    return t_ms > decided_ms ? t_ms : decided_ms;
}

static enum status add_event(struct telling *telling, const struct stored_row_request *decision,
                             struct persona_id persona, struct error *error) {
    struct engine *engine = telling->engine;
    struct event_batch *batch = &telling->batch;
    struct packed_writer writer;
    char id[DECISION_ID_BYTES];
    struct text treatment = {0};
    uint32_t channel;
    enum status status = find_message(telling, decision->packed, &treatment, &channel, error);
    if (status != STATUS_OK) return status;
    decision_id_text(telling->id, id);
    event_batch_clear(batch);
    packed_writer_init(&writer);
    packed_begin(&writer);
    status = packed_add(&writer, PROPERTY_DECISION, value_text(text_from(id)));
    if (status == STATUS_OK)
        status = packed_add(&writer, PROPERTY_TREATMENT, value_text(treatment));
    if (status == STATUS_OK) status = packed_end(&writer, &batch->bytes);
    packed_writer_release(&writer);
    struct event *event = status == STATUS_OK ? event_batch_add(batch) : NULL;
    if (event == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for an outcome");
    event->time_ms = time_of(telling, decision->time_ms);
    event->known_ms =
        event->time_ms > engine_now_ms(engine) ? event->time_ms : engine_now_ms(engine);
    event->key = key_of(telling, treatment);
    event->persona = persona;
    event->type = outcomes[telling->outcome.kind].type;
    event->channel = (uint8_t)channel;
    event->source = (uint16_t)engine->live->source;
    event->properties_length = (uint32_t)batch->bytes.length;
    return STATUS_OK;
}

static enum status settle(struct engine *engine, struct change *change,
                          const struct settled *settled, struct error *error) {
    struct telling *telling = (struct telling *)(void *)change;
    const struct customer_directory *directory = identity_directory(engine->identity);
    struct stored_key row;
    struct arena arena;
    enum status status = find_row(telling, &row, error);
    if (status != STATUS_OK) return status;
    struct as_of now = {INT64_MAX, store_position(engine->store)};
    change->about = directory->ops->customer_of(directory, row.persona, now);
    if (change->about.value == ID_NONE) return unknown(error);
    if (settled_has(settled, change->about)) return STATUS_EXISTS;
    struct stored_row_request request = {.persona = row.persona, .position = row.position};
    arena_init(&arena, RECORD_BYTES_MAX);
    status = stored_rows_read(engine, &request, 1, &arena, error);
    if (status == STATUS_OK && (!request.found || request.type != EVENT_DECISION_MADE))
        status = unknown(error);
    if (status == STATUS_OK) status = add_event(telling, &request, row.persona, error);
    arena_release(&arena);
    return status;
}

/* ---- answering ---- */

static void conclude(struct telling *telling) {
    if (telling->change.status != STATUS_OK) return;
    telling->told.is_repeat = telling->change.did.repeats > 0;
    if (!telling->told.is_repeat) atomic_fetch_add(&telling->engine->live->outcomes, 1);
}

static void note_durable(struct change *change) {
    struct telling *telling = (struct telling *)(void *)change;
    const struct live_outcome *outcome = &telling->outcome;
    conclude(telling);
    outcome->answered(outcome->context, change->status, &telling->told, &change->error);
    destroy(telling);
}

enum status live_outcome_tell(struct engine *engine, const struct live_outcome *outcome,
                              struct error *error) {
    struct telling *telling;
    enum status status = live_prepare(engine, error);
    if (status == STATUS_OK) status = create(&telling, engine, outcome, error);
    if (status != STATUS_OK) return status;
    telling->change.settle = settle;
    telling->change.completed = note_durable;
    status = applier_submit(engine->applier, &telling->change, 0, error);
    if (status != STATUS_OK) destroy(telling);
    return status;
}

enum status live_outcome_tell_and_wait(struct engine *engine, const struct live_outcome *outcome,
                                       struct live_told *told, struct error *error) {
    struct telling *telling;
    enum status status = live_prepare(engine, error);
    if (status == STATUS_OK) status = create(&telling, engine, outcome, error);
    if (status != STATUS_OK) return status;
    telling->change.settle = settle;
    status = applier_apply(engine->applier, &telling->change, APPLIER_PATIENCE_MS, error);
    conclude(telling);
    if (told != NULL) *told = telling->told;
    destroy(telling);
    return status;
}
