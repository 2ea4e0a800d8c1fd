/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum status answering_open(struct answering *answering, struct engine *engine, int64_t t_ms,
                           struct error *error) {
    struct timeline_source *source = engine_world(engine)->source;
    *answering = (struct answering){.engine = engine, .t_ms = t_ms};
    buffer_init(&answering->model_names);
    enum status status = profiler_create(&answering->profiler, engine_world(engine));
    return status == STATUS_OK ? source->ops->reader_open(source, &answering->reader, error)
                               : status;
}

void answering_close(struct answering *answering) {
    if (answering->reader != NULL) answering->reader->source->ops->reader_close(answering->reader);
    decider_destroy(answering->decider);
    profiler_destroy(answering->profiler);
    memory_free(answering->decision);
    buffer_release(&answering->model_names);
    *answering = (struct answering){0};
}

static struct timeline_request request_of(struct answering *answering) {
    struct as_of as_of = {answering->t_ms,
                          answering->reader->source->ops->position(answering->reader)};
    return profiler_request(answering->profiler, as_of, false);
}

static enum status read_customer(struct answering *answering, const char *customer, uint32_t needs,
                                 struct error *error) {
    struct customer_id id;
    struct timeline_request request = request_of(answering);
    request.needs |= needs;
    enum status status =
        engine_find_customer(answering->engine, text_from(customer), request.as_of, &id, error);
    if (status != STATUS_OK) return status;
    status = answering->reader->source->ops->read(answering->reader, id, &request,
                                                  &answering->timeline, error);
    if (status == STATUS_NOT_FOUND)
        return error_set(error, status, "%s has no events by then", customer);
    return status;
}

/* What an answer will be made of is asked for once before: it is whole, or there is none. */
static enum status check_all_read(struct answering *answering, uint32_t needs,
                                  struct error *error) {
    const struct timeline *timeline = &answering->timeline;
    enum status status = STATUS_OK;
    (void)profile_at(answering->profiler, timeline, answering->t_ms);
    for (uint32_t row = 0;
         status == STATUS_OK && (needs & TIMELINE_PACKED) != 0 && row < timeline->count; row++) {
        struct text packed;
        status = timeline->ops->packed(timeline, row, &packed);
    }
    if (status == STATUS_NO_MEMORY) return error_set(error, status, "no memory to read a timeline");
    return timeline_source_check(answering->reader->source, error);
}

enum status answering_read(struct answering *answering, const char *customer, uint32_t needs,
                           struct error *error) {
    enum status status = read_customer(answering, customer, needs, error);
    return status == STATUS_OK ? check_all_read(answering, needs, error) : status;
}

/* A model that has learnt from what came after t is marked wherever its decisions go. */
static enum status name_models(struct answering *answering) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < engine_playbook(answering->engine)->model_count && status == STATUS_OK;
         i++) {
        struct model_entry entry;
        char until[32];
        if (engine_model(answering->engine, i, &entry) == NULL) continue;
        time_format(entry.until_ms, until);
        status = buffer_format(&answering->model_names, "%s%.*s@%u",
                               answering->model_names.length > 0 ? ", " : "", TEXT_ARG(entry.name),
                               entry.version);
        if (status == STATUS_OK && entry.until_ms > answering->t_ms) {
            status = buffer_format(&answering->model_names, " (hindsight: learnt until %s)", until);
        }
    }
    decider_name_models(answering->decider, buffer_text(&answering->model_names));
    return status;
}

/* Rows in quarantine may hold a customer. Where they can't be read nobody knows whom, and a
 * decision that held everybody would look like an answer: so it is an error. */
static enum status need_decider(struct answering *answering, struct error *error) {
    const struct goal_base *bases;
    uint64_t holding_rows;
    if (answering->decider != NULL) return STATUS_OK;
    /* Who is held stands in the quarantine: where it can't be read, no decision is safe. */
    enum status held = engine_hold_count(answering->engine, &holding_rows, error);
    if (held != STATUS_OK) return held;
    answering->decision = memory_calloc(1, sizeof *answering->decision);
    if (answering->decision == NULL) return STATUS_NO_MEMORY;
    enum status status = engine_hold_count(answering->engine, &holding_rows, error);
    if (status == STATUS_OK)
        status = engine_goal_bases(answering->engine, answering->t_ms, &bases, error);
    if (status != STATUS_OK) return status;
    status = decider_create(&answering->decider, engine_world(answering->engine),
                            answering->profiler, engine_models(answering->engine), bases);
    if (status == STATUS_OK)
        decider_name_directory(answering->decider, engine_directory_id(answering->engine));
    return status == STATUS_OK ? name_models(answering) : status;
}

static enum status decide(struct answering *answering, struct error *error) {
    enum status status = decide_customer(answering->decider, &answering->timeline, answering->t_ms,
                                         answering->decision, error);
    return status == STATUS_OK ? timeline_source_check(answering->reader->source, error) : status;
}

enum status answering_decide(struct answering *answering, const char *customer,
                             struct error *error) {
    enum status status = need_decider(answering, error);
    if (status == STATUS_OK) status = read_customer(answering, customer, 0, error);
    return status == STATUS_OK ? decide(answering, error) : status;
}

void answering_reason(const struct answering *answering, char out[DECISION_REASON_BYTES_MAX]) {
    decision_reason(answering->decider, &answering->timeline, answering->decision, out);
}

enum status answering_walk(struct answering *answering, struct error *error) {
    struct timeline_request request = request_of(answering);
    return answering->reader->source->ops->walk(answering->reader, &request, 0, 1, error);
}

static enum status next_customer(struct answering *answering, struct error *error) {
    return answering->reader->source->ops->next(answering->reader, &answering->timeline, error);
}

enum status answering_next_read(struct answering *answering, struct error *error) {
    enum status status = next_customer(answering, error);
    return status == STATUS_OK ? check_all_read(answering, 0, error) : status;
}

enum status answering_next(struct answering *answering, struct error *error) {
    enum status status = need_decider(answering, error);
    if (status == STATUS_OK) status = next_customer(answering, error);
    return status == STATUS_OK ? decide(answering, error) : status;
}

enum status answering_record(struct answering *answering, bool *known, struct error *error) {
    struct decision_recorder *recorder = NULL;
    enum status status = decision_recorder_create(&recorder, answering->engine);
    if (status == STATUS_OK)
        status = decision_recorder_add(recorder, answering->decider, answering->decision, error);
    if (status == STATUS_OK) status = decision_recorder_flush(recorder, error);
    if (status == STATUS_OK && known != NULL) *known = decision_recorder_known(recorder) > 0;
    decision_recorder_destroy(recorder);
    return status;
}

/* ---- names ---- */

#define NAMED_IDENTIFIERS_MAX 256

struct strongest {
    uint32_t rank, id;
};

/* The lowest id of the strongest type: the same whatever the order in which they are told. */
static void take_strongest(const struct playbook *playbook, struct strongest *strongest,
                           uint32_t type, uint32_t id) {
    for (uint32_t i = 0; i < playbook->identifier_count; i++) {
        const struct identifier_rule *rule = &playbook->identifiers[i];
        if (rule->symbol != type || rule->priority > strongest->rank) continue;
        if (rule->priority == strongest->rank && id > strongest->id) continue;
        *strongest = (struct strongest){rule->priority, id};
    }
}

/* Without the identity's lock: names are asked for a million customers beside a load. */
void customer_name(struct engine *engine, struct customer_id customer,
                   char out[CUSTOMER_NAME_BYTES]) {
    const struct identity *identity = engine_identity(engine);
    const struct playbook *playbook = engine_playbook(engine);
    struct identifier_id ids[NAMED_IDENTIFIERS_MAX];
    struct as_of now = {INT64_MAX, POSITION_NOW};
    struct strongest strongest = {UINT32_MAX, UINT32_MAX};
    uint32_t count = identity_identifiers_of(identity, customer, now, ids, NAMED_IDENTIFIERS_MAX),
             type;
    if (count > NAMED_IDENTIFIERS_MAX) count = NAMED_IDENTIFIERS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (identity_identifier(identity, ids[i], &type).length == 0) continue; /* erased */
        take_strongest(playbook, &strongest, type, ids[i].value);
    }
    struct text value = {0};
    if (strongest.id != UINT32_MAX)
        value = identity_identifier(identity, (struct identifier_id){strongest.id}, &type);
    if (value.length == 0) {
        snprintf(out, CUSTOMER_NAME_BYTES, "C%u", customer.value);
        return;
    }
    struct text name = symbol_text(engine_symbols(engine), SYMBOL_IDENTIFIER, type);
    snprintf(out, CUSTOMER_NAME_BYTES, "%.*s:%.*s", TEXT_ARG(name), TEXT_ARG(value));
}

static int newest_first(const void *a, const void *b) {
    const struct identifier_id *x = a, *y = b;
    return (x->value < y->value) - (x->value > y->value);
}

struct text answering_address(const struct answering *answering, const struct treatment *treatment,
                              uint32_t type) {
    struct engine *engine = answering->engine;
    const struct playbook *playbook = engine_playbook(engine);
    struct messaging messaging =
        playbook_messaging(playbook, engine_symbols(engine), treatment->channel);
    bool asks = treatment_needs_opt_in(playbook, treatment) && messaging.address != UINT32_MAX &&
                playbook->identifiers[messaging.address].symbol == type;
    struct identifier_id ids[NAMED_IDENTIFIERS_MAX];
    struct as_of as_of = {answering->t_ms, POSITION_NOW};
    uint32_t count = identity_identifiers_of(engine_identity(engine), answering->decision->customer,
                                             as_of, ids, NAMED_IDENTIFIERS_MAX);
    if (count > NAMED_IDENTIFIERS_MAX) count = NAMED_IDENTIFIERS_MAX;
    qsort(ids, count, sizeof *ids, newest_first);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t its_type;
        struct text value = identity_identifier(engine_identity(engine), ids[i], &its_type);
        if (value.length == 0 || its_type != type) continue;
        if (!asks) return value;
        struct value may =
            profile_opt_in(answering->profiler, &answering->timeline, answering->t_ms,
                           treatment->channel, treatment->action->programme, value);
        if (may.type == VALUE_YES_NO && may.yes) return value;
    }
    return (struct text){0};
}
