/* SPDX-License-Identifier: Apache-2.0 */
/* One customer: found, taken apart, forgotten; and what was decided for many, written down. */
#include <stdio.h>

#include "base/memory.h"
#include "engine/private.h"

#define RECORD_BATCH 2000

/* A bare value is looked for under every identifier type of the playbook. */
static enum status find_bare(struct engine *engine, struct text name, struct as_of as_of, struct customer_id *out,
                             struct error *error) {
    uint32_t found = 0;
    struct customer_id first = {ID_NONE};
    for (uint32_t i = 0; engine->playbook != NULL && i < engine->playbook->identifier_count; i++) {
        struct customer_id customer;
        if (identity_find_customer(engine->identity, engine->playbook->identifiers[i].symbol, name, as_of, &customer) != STATUS_OK) continue;
        if (found == 0 || customer.value != first.value) found++;
        first = customer;
    }
    if (found > 1) return error_set(error, STATUS_INVALID, "%.*s names several customers; say its type, as in TYPE:%.*s", TEXT_ARG(name), TEXT_ARG(name));
    if (found == 0) return error_set(error, STATUS_NOT_FOUND, "nobody is known as %.*s; try C123, or TYPE:VALUE such as email:a@b.example", TEXT_ARG(name));
    *out = first;
    return STATUS_OK;
}

enum status engine_find_customer(struct engine *engine, struct text name, struct as_of as_of,
                                 struct customer_id *out, struct error *error) {
    struct error first = {0};
    enum status status = identity_parse_customer(engine->identity, engine->symbols, name, as_of, out, &first);
    if (status == STATUS_OK) return status;
    if (memchr(name.at, ':', name.length) != NULL) {
        if (error != NULL) *error = first;
        return status;
    }
    return find_bare(engine, name, as_of, out, error);
}

static enum status find_identifier(struct engine *engine, struct text name, struct identifier_id *out,
                                   struct error *error) {
    const char *colon = memchr(name.at, ':', name.length);
    struct as_of now = {INT64_MAX, POSITION_NOW};
    if (colon == NULL) return error_set(error, STATUS_INVALID, "say an identifier as TYPE:VALUE, for example cookie:%.*s", TEXT_ARG(name));
    struct text type = {name.at, (uint32_t)(colon - name.at)};
    struct text value = {colon + 1, name.length - type.length - 1};
    uint32_t symbol = symbol_find(engine->symbols, SYMBOL_IDENTIFIER, type);
    enum status status = symbol == SYMBOL_NONE ? STATUS_NOT_FOUND : identity_find(engine->identity, symbol, value, now, out);
    if (status == STATUS_NOT_FOUND) return error_set(error, status, "no such identifier: %.*s", TEXT_ARG(name));
    return status;
}

enum status engine_unmerge(struct engine *engine, struct text identifier_a, struct text identifier_b,
                           struct engine_unmerged *out, struct error *error) {
    struct identifier_id a, b = {ID_NONE};
    struct identity_result result;
    enum status status = find_identifier(engine, identifier_a, &a, error);
    if (status == STATUS_OK && identifier_b.length > 0) status = find_identifier(engine, identifier_b, &b, error);
    if (status != STATUS_OK) return status;
    status = identity_withdraw(engine->identity, a, b, false, engine_now_ms(engine), store_position(engine->store), &result, error);
    if (status != STATUS_OK) return status;
    struct event_batch batch;
    event_batch_init(&batch);
    status = engine_append_change(engine, &batch, &result, true, error);
    if (status == STATUS_OK) identity_commit(engine->identity);
    else identity_undo(engine->identity);
    struct as_of now = {INT64_MAX, POSITION_NOW};
    *out = (struct engine_unmerged){identity_customer_of(engine->identity, a, now), {ID_NONE}};
    if (b.value != ID_NONE) out->other = identity_customer_of(engine->identity, b, now);
    event_batch_release(&batch);
    return status;
}

/* ---- erasure ---- */

/* A quarantined row is theirs where one of their identifiers' values stands in it, whole, between characters that no value has. The row is
 * as it came, the value folded by its rule: case says nothing. */
static bool holds_value(struct text raw, struct text value) {
    static const char separators[] = ",;\t|\"'{}[]: \r\n";
    if (value.length == 0 || value.length > raw.length) return false;
    const char *end = raw.at + raw.length;
    for (const char *at = raw.at; at + value.length <= end; at++) {
        if ((*at | 0x20) != (value.at[0] | 0x20)) continue; /* case apart, and a few more */
        if (!text_equal_ignoring_case((struct text){at, value.length}, value)) continue;
        bool starts = at == raw.at || strchr(separators, at[-1]) != NULL;
        bool ends = at + value.length == end || strchr(separators, at[value.length]) != NULL;
        if (starts && ends) return true;
    }
    return false;
}

static bool row_is_theirs(void *context, const struct stored_row *row) {
    const struct identity_erasure *erasure = context;
    for (size_t i = 0; i < erasure->identifier_count; i++) {
        uint32_t type;
        if (holds_value(row->raw, identity_identifier(erasure->identity, erasure->identifiers[i], &type))) return true;
    }
    return false;
}

static bool rewrite_record(void *context, enum record_kind kind, struct text bytes, struct buffer *out) {
    return identity_rewrite(context, (int)kind, bytes, out);
}

static enum status suppress(struct engine *engine, const struct identity_erasure *erasure, struct error *error) {
    struct identity_result result;
    enum status status = identity_suppress(engine->identity, erasure, store_position(engine->store), &result, error);
    if (status != STATUS_OK) return status;
    struct store_record record = {RECORD_IDENTITY, result.record};
    struct store_frame frame = {.records = &record, .record_count = result.record.length > 0 ? 1 : 0};
    uint64_t position;
    status = store_append(engine->store, &frame, true, &position, error);
    if (status == STATUS_OK) identity_commit(engine->identity);
    else identity_undo(engine->identity);
    return status;
}

enum status engine_erase(struct engine *engine, struct customer_id customer, struct erased_summary *out,
                         struct error *error) {
    struct identity_erasure *erasure = NULL;
    struct store_erased erased = {0};
    enum status status = identity_erasure_create(&erasure, engine->identity, customer, error);
    if (status == STATUS_OK) status = suppress(engine, erasure, error);
    if (status == STATUS_OK) {
        struct store_erasure store = {
            .personas = erasure->personas,
            .persona_count = erasure->persona_count,
            .row_is_theirs = row_is_theirs,
            .rewrite = rewrite_record,
            .context = erasure,
        };
        status = store_erase(engine->store, &store, &erased, error);
        if (status == STATUS_OK && erasure->status != STATUS_OK) {
            status = error_set(error, erasure->status, "some links of C%u could not be rewritten (%s): nothing of it is proved erased; erase it again",
                               customer.value, status_name(erasure->status));
        }
    }
    if (status == STATUS_OK) {
        *out = (struct erased_summary){erased.event_count, erased.row_count, erased.record_count,
                                       erasure->identifier_count, erased.files_rewritten};
        identity_erase(engine->identity, erasure);
    }
    identity_erasure_destroy(erasure);
    return status;
}

/* ---- decisions are events ---- */

static enum status add_decision(struct engine *engine, struct decider *decider, const struct decision *decision,
                                struct packed_writer *writer, struct event_batch *batch, uint32_t source) {
    struct as_of as_of = {decision->t_ms, POSITION_NOW};
    struct persona_id persona = identity_persona_any(engine->identity, decision->customer, as_of);
    if (persona.value == ID_NONE) persona = identity_persona_any(engine->identity, decision->customer, (struct as_of){INT64_MAX, POSITION_NOW});
    if (persona.value == ID_NONE) return STATUS_OK;
    uint32_t channel, properties = (uint32_t)batch->bytes.length;
    enum status status = symbol_add(engine->symbols, SYMBOL_CHANNEL, TEXT("system"), &channel);
    if (status == STATUS_OK) status = decision_pack(decider, decision, writer, &batch->bytes);
    if (status != STATUS_OK) return status;
    struct event *event = event_batch_add(batch);
    if (event == NULL) return STATUS_NO_MEMORY;
    if (decision->ranked_count > 0) channel = decision->trace[decision->ranked[0]].treatment->channel;
    event->time_ms = event->known_ms = decision->t_ms;
    event->persona = persona;
    event->type = EVENT_DECISION_MADE;
    event->channel = (uint8_t)channel;
    event->source = (uint16_t)source;
    event->properties = properties;
    event->properties_length = (uint32_t)batch->bytes.length - properties;
    return STATUS_OK;
}

struct decision_recorder {
    struct engine *engine;
    struct event_batch batch;
    struct packed_writer writer;
    uint32_t source;
    int64_t earliest_ms; /* of the decisions in the batch */
};

enum status decision_recorder_create(struct decision_recorder **out, struct engine *engine) {
    struct decision_recorder *recorder = memory_calloc(1, sizeof *recorder);
    if (recorder == NULL) return STATUS_NO_MEMORY;
    recorder->engine = engine;
    packed_writer_init(&recorder->writer);
    event_batch_init(&recorder->batch);
    enum status status = symbol_add(engine->symbols, SYMBOL_SOURCE, TEXT("decide"), &recorder->source);
    if (status == STATUS_OK) *out = recorder;
    else decision_recorder_destroy(recorder);
    return status;
}

void decision_recorder_destroy(struct decision_recorder *recorder) {
    if (recorder == NULL) return;
    event_batch_release(&recorder->batch);
    packed_writer_release(&recorder->writer);
    memory_free(recorder);
}

enum status decision_recorder_flush(struct decision_recorder *recorder, struct error *error) {
    struct engine *engine = recorder->engine;
    struct store_frame frame = {.batch = &recorder->batch};
    uint64_t position;
    if (recorder->batch.event_count == 0) return STATUS_OK;
    bool bases_stand = engine->bases_position == store_position(engine->store) && recorder->earliest_ms >= engine->bases_at_ms;
    enum status status = store_append(engine->store, &frame, true, &position, error);
    if (status == STATUS_OK && bases_stand) engine->bases_position = store_position(engine->store);
    event_batch_clear(&recorder->batch);
    return status;
}

enum status decision_recorder_add(struct decision_recorder *recorder, struct decider *decider,
                                  const struct decision *decision, struct error *error) {
    if (recorder->batch.event_count == 0 || decision->t_ms < recorder->earliest_ms) recorder->earliest_ms = decision->t_ms;
    enum status status = add_decision(recorder->engine, decider, decision, &recorder->writer, &recorder->batch,
                                      recorder->source);
    if (status == STATUS_OK && recorder->batch.event_count >= RECORD_BATCH) status = decision_recorder_flush(recorder, error);
    return status;
}
