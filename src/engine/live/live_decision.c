/* SPDX-License-Identifier: Apache-2.0 */
/* A decision in the asking thread, and its answer. live_settle.c has what the applier does. */
#include "engine/live/live_decision.h"

#include "base/hash.h"
#include "base/memory.h"
#include "engine/answer/pool.h"
#include "engine/live/live_internal.h"

/* ---- what is answered ---- */

static void count(struct live_pending *pending) {
    struct live *live = pending->engine->live;
    bool is_recorded = pending->batch.event_count > 0;
    if (pending->is_again)
        atomic_fetch_add(&live->again, 1);
    else if (is_recorded)
        atomic_fetch_add(&live->decisions, 1);
    else
        atomic_fetch_add(&live->dry_runs, 1);
    if (is_recorded && pending->waits) atomic_fetch_add(&live->waited, 1);
}

static void answer(struct live_pending *pending, enum status status, const struct error *error) {
    if (pending->is_answered) return;
    pending->is_answered = true;
    pending->ask.answered(pending->ask.caller, status, error);
}

/* ---- who ---- */

static enum status check_identifiers(const struct engine_view *view, const struct live_ask *ask,
                                     struct error *error) {
    if (ask->identifier_count > EVENT_IDENTIFIERS_MAX)
        return error_set(error, STATUS_LIMIT, "%u identifiers are given, and at most %d count",
                         ask->identifier_count, EVENT_IDENTIFIERS_MAX);
    for (uint32_t i = 0; i < ask->identifier_count; i++) {
        const struct live_identifier *given = &ask->identifiers[i];
        if (!text_is_utf8(given->value) || given->value.length > IDENTIFIER_BYTES_MAX)
            return error_set(error, STATUS_INVALID,
                             "identifier %u is not UTF-8, or has more than %d bytes", i + 1,
                             IDENTIFIER_BYTES_MAX);
        uint32_t type;
        if (in_force_identifier_type(view->in_force, given->type, &type, error) != STATUS_OK)
            return STATUS_INVALID;
    }
    return STATUS_OK;
}

bool live_bears_rows(const struct engine *engine, struct customer_id customer, struct as_of as_of) {
    as_of.t_ms = INT64_MAX;
    return identity_persona_any(engine->identity, customer, as_of).value != ID_NONE;
}

static enum status find_named(struct engine_view *view, struct text name, struct as_of as_of,
                              struct customer_id *out, struct error *error) {
    enum status status = in_force_find_customer(view->in_force, name, as_of, out, error);
    if (status != STATUS_OK || live_bears_rows(view->engine, *out, as_of)) return status;
    *out = (struct customer_id){ID_NONE};
    return error_set(error, STATUS_NOT_FOUND, "%.*s has no events by then", TEXT_ARG(name));
}

enum status live_find_customer(struct engine_view *view, const struct live_ask *ask,
                               struct customer_id *out, struct error *error) {
    struct engine *engine = view->engine;
    struct as_of as_of = {ask->t_ms != 0 ? ask->t_ms : INT64_MAX,
                          view->reader->source->ops->position(view->reader)};
    *out = (struct customer_id){ID_NONE};
    if (ask->customer.length > 0) return find_named(view, ask->customer, as_of, out, error);
    enum status status = check_identifiers(view, ask, error);
    for (uint32_t i = 0; status == STATUS_OK && i < ask->identifier_count; i++) {
        const struct live_identifier *given = &ask->identifiers[i];
        uint32_t type = symbol_find(engine->symbols, SYMBOL_IDENTIFIER, given->type);
        enum status found =
            identity_find_customer(engine->identity, type, given->value, as_of, out);
        if (found == STATUS_OK && live_bears_rows(engine, *out, as_of)) break;
        if (found == STATUS_NO_MEMORY) status = error_set(error, found, "no memory to decide");
        *out = (struct customer_id){ID_NONE};
    }
    return status;
}

/* ---- deciding ---- */

static void fill_slots(const struct engine_view *view, struct live_answer *answer) {
    const struct decision *decision = view->decision;
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++) {
        struct treatment_trace trace = decision_ranked(decision, rank);
        answer->slots[answer->slot_count++] = (struct live_slot){
            .key = trace.treatment->key,
            .treatment = trace.treatment,
            .channel = symbol_text(view->data->symbols, SYMBOL_CHANNEL, trace.treatment->channel),
            .placement = decision->ranked_at[rank],
            .probability = decision->probability[rank],
            .propensity = trace.propensity,
            .priority = trace.priority,
            .send_after_ms = trace.send_after_ms,
            .withheld = decision_withholds(decision, rank),
        };
    }
}

/* Can a token bring the decision back? Only where its persona is durable. */
static bool make_token(struct live_pending *pending, int64_t t_ms, struct text packed,
                       uint32_t channel) {
    const struct engine *engine = pending->engine;
    const struct customer_directory *directory = identity_directory(engine->identity);
    uint64_t durable = store_durable_position(engine->store);
    const struct live_record record = {.t_ms = t_ms,
                                       .expires_ms = t_ms + LIVE_TOKEN_VALID_MS,
                                       .persona = pending->persona,
                                       .channel = channel,
                                       .packed = packed};
    pending->token[0] = '\0';
    return pending->persona.value != ID_NONE &&
           pending->persona.value < directory->ops->persona_count(directory, durable) &&
           live_token_make(engine, &record, pending->token);
}

/* The event is made also where nothing is recorded: a token may record it later. */
static enum status make_event(struct live_pending *pending, struct engine_view *view,
                              bool *records) {
    enum status status = decision_add(pending->engine, view->decider, view->decision,
                                      &pending->writer, &pending->batch);
    *records = false;
    if (status != STATUS_OK || pending->batch.event_count == 0) return status;
    const struct event *event = &pending->batch.events[0];
    struct text packed =
        event_batch_text(&pending->batch, event->properties, event->properties_length);
    pending->persona = event->persona;
    *records = pending->ask.records;
    bool restorable = make_token(pending, event->time_ms, packed, event->channel);
    pending->waits = *records && (!restorable || pending->ask.waits_until_durable);
    if (!*records) event_batch_clear(&pending->batch);
    return STATUS_OK;
}

/* Nobody knows the customer, and nothing is recorded: a token may make both later. */
static enum status make_visitors_token(struct live_pending *pending, struct engine_view *view,
                                       struct text identifiers) {
    const struct decision *decision = view->decision;
    struct buffer packed;
    buffer_init(&packed);
    enum status status = decision_pack(view->decider, decision, &pending->writer, &packed);
    const struct live_record record = {
        .t_ms = view->t_ms,
        .expires_ms = view->t_ms + LIVE_TOKEN_VALID_MS,
        .persona = {ID_NONE},
        .channel = decision->ranked_count > 0
                       ? decision_treatment(decision, decision->ranked[0])->channel
                       : pending->engine->live->channel,
        .identifiers = identifiers,
        .packed = buffer_text(&packed)};
    if (status == STATUS_OK) (void)live_token_make(pending->engine, &record, pending->token);
    buffer_release(&packed);
    return status;
}

/* Are treatments and channels of both the same? */
static bool same_messages(struct text packed, struct text other, uint32_t messages) {
    struct list_reader a, b;
    struct value x, y;
    if (list_reader_init(&a, packed_find(packed, messages)) != STATUS_OK ||
        list_reader_init(&b, packed_find(other, messages)) != STATUS_OK)
        return false;
    for (;;) {
        enum status more = list_next(&a, &x), others = list_next(&b, &y);
        if (more != STATUS_OK || others != STATUS_OK) return more == others;
        if (!value_equal(list_field(&a, PROPERTY_TREATMENT), list_field(&b, PROPERTY_TREATMENT)) ||
            !value_equal(list_field(&a, PROPERTY_CHANNEL), list_field(&b, PROPERTY_CHANNEL)))
            return false;
    }
}

/* The treatments and channels of a record's messages; where something was drawn, with which
 * probability. */
static enum status list_messages(struct text packed, const struct message_symbols *named,
                                 struct packed_list *list, struct value *out) {
    static const uint32_t symbols[] = {PROPERTY_TREATMENT, PROPERTY_CHANNEL, PROPERTY_PROBABILITY};
    struct list_reader reader, chances;
    struct value ignored, chance = value_unknown();
    bool drew = value_is_known(packed_find(packed, named->choice)) &&
                list_reader_init(&chances, packed_find(packed, PROPERTY_PROBABILITY)) == STATUS_OK;
    enum status status = list_reader_init(&reader, packed_find(packed, named->messages));
    packed_list_begin(list);
    while (status == STATUS_OK && list_next(&reader, &ignored) == STATUS_OK) {
        if (drew && list_next(&chances, &chance) != STATUS_OK) chance = value_unknown();
        const struct value values[] = {list_field(&reader, PROPERTY_TREATMENT),
                                       list_field(&reader, PROPERTY_CHANNEL), chance};
        status = packed_list_add_record(list, symbols, values, drew ? 3 : 2);
    }
    return status == STATUS_OK ? packed_list_end(list, out) : status;
}

/* Something else was proposed: it is kept beside what is realised. */
static enum status keep_proposed(struct live_pending *pending, struct engine_view *view,
                                 struct text proposed, bool *records) {
    struct engine *engine = pending->engine;
    struct message_symbols named;
    struct packed_list list;
    struct value value;
    if (proposed.length == 0 || pending->batch.event_count == 0) return STATUS_OK;
    const struct event *event = &pending->batch.events[0];
    struct text realised =
        event_batch_text(&pending->batch, event->properties, event->properties_length);
    enum status status = message_symbols_add(engine->symbols, &named);
    if (status != STATUS_OK || same_messages(proposed, realised, named.messages)) return status;
    atomic_fetch_add(&engine->live->changed, 1);
    packed_list_init(&list);
    status = list_messages(proposed, &named, &list, &value);
    if (status == STATUS_OK) {
        decider_name_proposed(view->decider, value);
        event_batch_clear(&pending->batch);
        status = make_event(pending, view, records);
        decider_name_proposed(view->decider, value_unknown());
    }
    packed_list_release(&list);
    return status;
}

static enum status render(struct live_pending *pending, const struct engine_view *view,
                          struct live_answer *answer) {
    answer->view = view;
    answer->customer = pending->customer;
    answer->is_new_customer = pending->is_new_customer;
    answer->token = text_from(pending->token);
    return pending->ask.render(pending->ask.caller, answer);
}

/* The visit has had its decision. False: it has not, or nothing is left of it. */
static bool give_again(struct live_pending *pending, struct engine_view *view,
                       struct live_answer *answer) {
    struct text packed;
    struct live_rejected rejected;
    int64_t t_ms;
    if (!live_sticky_find(view, pending->ask.placement, &packed, &t_ms, &rejected)) return false;
    live_slots_of_record(view, packed, &rejected, answer);
    if (answer->slot_count == 0 && answer->refused_count > 0) return false;
    struct value id = packed_find(packed, PROPERTY_DECISION);
    struct as_of now = {INT64_MAX, view->reader->source->ops->position(view->reader)};
    decision_id_text(id.type == VALUE_TEXT ? decision_id_read(id.text) : 0, answer->id);
    pending->persona =
        identity_persona_any(pending->engine->identity, view->timeline.customer, now);
    uint32_t channel = answer->slot_count > 0 && answer->slots[0].treatment != NULL
                           ? answer->slots[0].treatment->channel
                           : pending->engine->live->channel;
    (void)make_token(pending, t_ms, packed, channel);
    answer->t_ms = t_ms;
    answer->is_again = answer->is_recorded = pending->is_again = true;
    return true;
}

/* The request may say how long it waits, and so may the placement: the shorter time counts. */
static bool is_late(void *context) {
    const struct live_pending *pending = context;
    const struct live_ask *ask = &pending->ask;
    if (ask->is_late != NULL && ask->is_late(ask->caller)) return true;
    return pending->late_seconds > 0 && clock_monotonic_seconds() > pending->late_seconds;
}

/* After the view has decided: the event, the token and the answer. */
static enum status conclude(struct live_pending *pending, struct engine_view *view,
                            struct text identifiers, struct text proposed) {
    struct live_answer answer = {.t_ms = view->t_ms};
    enum status status = STATUS_OK;
    bool records = false;
    if (view->decision->late) {
        answer.is_late = true;
        return render(pending, view, &answer);
    }
    if (give_again(pending, view, &answer)) return render(pending, view, &answer);
    if (pending->customer.value != ID_NONE)
        status = make_event(pending, view, &records);
    else if (identifiers.length > 0)
        status = make_visitors_token(pending, view, identifiers);
    if (status == STATUS_OK) status = keep_proposed(pending, view, proposed, &records);
    if (status != STATUS_OK) return status;
    if (records) budgets_takes_of(view, &pending->takes);
    answer = (struct live_answer){.t_ms = view->t_ms, .is_recorded = records};
    decision_id_text(view->decision->id, answer.id);
    fill_slots(view, &answer);
    return render(pending, view, &answer);
}

enum status live_decide_by(struct live_pending *pending, struct engine_view *view,
                           struct customer_id customer, struct text proposed, struct error *error) {
    struct decision_ask what = {.placement = pending->ask.placement,
                                .context = pending->ask.context,
                                .count = pending->ask.count,
                                .is_late = is_late,
                                .late_context = pending};
    struct buffer identifiers;
    enum status status = STATUS_OK;
    buffer_init(&identifiers);
    pending->holds = atomic_load(&pending->engine->holds.changes);
    pending->in_force = view->in_force->hash;
    pending->position = view->reader->source->ops->position(view->reader);
    pending->is_again = pending->waits = false;
    pending->takes.playbook = 0;
    pending->token[0] = '\0';
    event_batch_clear(&pending->batch);
    if (customer.value == ID_NONE)
        status = live_write_identifiers(view, &pending->ask, &identifiers);
    if (identifiers.length > 0) what.visitor = hash_text(buffer_text(&identifiers), 1) | 1;
    if (status == STATUS_OK) status = engine_view_ask(view, &what, error);
    if (view->timeout_ms > 0)
        pending->late_seconds = pending->began_seconds + (double)view->timeout_ms / 1000;
    if (status == STATUS_OK) status = engine_view_decide_for(view, customer, error);
    if (status == STATUS_OK) {
        pending->customer = view->timeline.customer;
        status = conclude(pending, view, buffer_text(&identifiers), proposed);
    }
    buffer_release(&identifiers);
    return status;
}

/* ---- the asking thread ---- */

/* A decision of now takes its time after it has pinned what it looks at: whatever was decided below
 * that position was decided earlier. */
static enum status propose(struct live_pending *pending, struct error *error) {
    struct engine *engine = pending->engine;
    const struct live_ask *ask = &pending->ask;
    struct engine_view *view;
    enum status status = live_prepare(engine, error);
    if (status != STATUS_OK) return status;
    int64_t t_ms = ask->t_ms != 0 ? ask->t_ms : live_now_ms(engine);
    status = engine_view_take(engine, ENGINE_VIEW_DECIDING, t_ms, &view, error);
    if (status != STATUS_OK) return status;
    if (ask->t_ms == 0) view->t_ms = live_now_ms(engine);
    struct customer_id customer;
    status = live_find_customer(view, ask, &customer, error);
    pending->is_new = status == STATUS_OK && customer.value == ID_NONE && ask->records &&
                      ask->identifier_count > 0;
    if (status == STATUS_OK && pending->is_new) status = engine_view_prepare(view, error);
    if (status == STATUS_OK && !pending->is_new)
        status = live_decide_by(pending, view, customer, (struct text){0}, error);
    engine_view_give(view);
    return status;
}

static void note_written(struct change *change) {
    struct live_pending *pending = (struct live_pending *)(void *)change;
    if (change->status == STATUS_OK && pending->waits) return;
    change->lingers = true;
    if (change->status == STATUS_OK) count(pending);
    answer(pending, change->status, &change->error);
}

static void note_durable(struct change *change) {
    struct live_pending *pending = (struct live_pending *)(void *)change;
    if (!pending->is_answered && change->status == STATUS_OK) count(pending);
    answer(pending, change->status, &change->error);
    live_pending_give(pending);
}

static bool has_to_be_written(const struct live_pending *pending) {
    return pending->is_new || pending->batch.event_count > 0;
}

enum status live_decide(struct engine *engine, const struct live_ask *ask, struct error *error) {
    struct live_pending *pending;
    static const struct error no_error;
    enum status status = live_pending_take(&pending, engine, ask);
    if (status != STATUS_OK) return error_set(error, status, "no memory to decide");
    status = propose(pending, error);
    if (status == STATUS_OK && has_to_be_written(pending)) {
        pending->change.settle = live_settle;
        pending->change.is_short = !pending->is_new;
        pending->change.written = note_written;
        pending->change.completed = note_durable;
        status = applier_submit(engine->applier, &pending->change, 0, error);
        if (status == STATUS_OK) return STATUS_OK;
    } else if (status == STATUS_OK) {
        count(pending);
        answer(pending, STATUS_OK, &no_error);
    }
    live_pending_give(pending);
    return status;
}

enum status live_decide_and_wait(struct engine *engine, const struct live_ask *ask,
                                 struct error *error) {
    struct live_pending *pending;
    enum status status = live_pending_take(&pending, engine, ask);
    if (status != STATUS_OK) return error_set(error, status, "no memory to decide");
    pending->is_answered = true;
    status = propose(pending, error);
    if (status == STATUS_OK && has_to_be_written(pending)) {
        pending->change.settle = live_settle;
        status = applier_apply(engine->applier, &pending->change, APPLIER_PATIENCE_MS, error);
    }
    if (status == STATUS_OK) count(pending);
    live_pending_give(pending);
    return status;
}
