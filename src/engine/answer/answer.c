/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

static enum status pin(struct answering *answering, struct error *error) {
    struct timeline_source *source = answering->data->source;
    return source->ops->reader_open(source, &answering->reader, error);
}

static void unpin(struct answering *answering) {
    if (answering->reader != NULL) answering->reader->source->ops->reader_close(answering->reader);
    answering->reader = NULL;
}

static enum status hold(struct answering *answering, struct error *error) {
    answering->in_force = in_force_hold(answering->engine);
    answering->data = answering->kind == ANSWERING_DECIDING ? &answering->in_force->decider_data
                                                            : &answering->in_force->data;
    if (answering->data->playbook == NULL)
        return error_set(error, STATUS_INVALID, "no playbook is in force");
    return profile_create(&answering->profile, answering->data);
}

/* All that belongs to the snapshot. */
static void let_go(struct answering *answering) {
    decider_destroy(answering->decider);
    profile_destroy(answering->profile);
    rates_version_drop(answering->rates);
    in_force_drop(answering->in_force);
    answering->decider = NULL;
    answering->profile = NULL;
    answering->rates = NULL;
    answering->in_force = NULL;
}

enum status answering_open_as(struct answering *answering, struct engine *engine,
                              enum answering_kind kind, int64_t t_ms, struct error *error) {
    *answering = (struct answering){.engine = engine, .kind = kind, .t_ms = t_ms};
    buffer_init(&answering->model_names);
    enum status status = hold(answering, error);
    return status == STATUS_OK ? pin(answering, error) : status;
}

enum status answering_open(struct answering *answering, struct engine *engine, int64_t t_ms,
                           struct error *error) {
    return answering_open_as(answering, engine, ANSWERING_ONCE, t_ms, error);
}

enum status answering_renew(struct answering *answering, int64_t t_ms, struct error *error) {
    enum status status = STATUS_OK;
    answering->t_ms = t_ms;
    answering->has_asked = false;
    unpin(answering);
    if (!in_force_is_current(answering->in_force)) {
        let_go(answering);
        status = hold(answering, error);
    }
    return status == STATUS_OK ? pin(answering, error) : status;
}

void answering_rest(struct answering *answering) {
    unpin(answering);
    if (answering->profile != NULL) profile_rest(answering->profile);
}

void answering_close(struct answering *answering) {
    unpin(answering);
    let_go(answering);
    memory_free(answering->decision);
    buffer_release(&answering->model_names);
    *answering = (struct answering){0};
}

static struct timeline_request request_of(struct answering *answering) {
    struct as_of as_of = {answering->t_ms,
                          answering->reader->source->ops->position(answering->reader)};
    return profile_request(answering->profile, as_of, false);
}

static enum status read_customer(struct answering *answering, const char *customer, uint32_t needs,
                                 struct error *error) {
    struct customer_id id;
    struct timeline_request request = request_of(answering);
    request.needs |= needs;
    enum status status =
        in_force_find_customer(answering->in_force, text_from(customer), request.as_of, &id, error);
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
    (void)profile_at(answering->profile, timeline, answering->t_ms);
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
    buffer_clear(&answering->model_names);
    for (uint32_t i = 0; i < answering->data->playbook->model_count && status == STATUS_OK; i++) {
        const struct model_entry *entry = &answering->in_force->model_entries[i];
        char until[32];
        if (entry->model == NULL) continue;
        time_format(entry->until_ms, until);
        status = buffer_format(&answering->model_names, "%s%.*s@%u",
                               answering->model_names.length > 0 ? ", " : "", TEXT_ARG(entry->name),
                               entry->version);
        if (status == STATUS_OK && entry->until_ms > answering->t_ms) {
            status = buffer_format(&answering->model_names, " (hindsight: learnt until %s)", until);
        }
    }
    answering->names_hindsight = in_force_hindsight(answering->in_force, answering->t_ms, NULL);
    decider_name_models(answering->decider, buffer_text(&answering->model_names));
    return status;
}

/* Are they those of t, and has the log not grown so far beyond them that others are due? A request
 * keeps those that it was given. */
static bool rates_stand(const struct answering *answering) {
    const struct rates_version *rates = answering->rates;
    if (rates == NULL || answering->t_ms < rates->at_ms ||
        answering->t_ms >= answering->rates_until_ms)
        return false;
    return answering->has_asked ||
           !rates_are_due(rates, answering->reader->source->ops->position(answering->reader));
}

static enum status need_rates(struct answering *answering, struct error *error) {
    enum rates_wanted wanted = answering->kind == ANSWERING_ONCE ? RATES_FRESH : RATES_LATEST;
    if (rates_stand(answering)) return STATUS_OK;
    rates_version_drop(answering->rates);
    answering->rates = NULL;
    answering->has_asked = true;
    return rates_for(answering->in_force, answering->t_ms, wanted, answering->work,
                     &answering->rates, &answering->rates_until_ms, error);
}

static enum status make_decider(struct answering *answering) {
    if (answering->decision == NULL)
        answering->decision = memory_calloc(1, sizeof *answering->decision);
    if (answering->decision == NULL) return STATUS_NO_MEMORY;
    enum status status = decider_create(&answering->decider, answering->data, answering->profile,
                                        answering->in_force->models, answering->rates->bases);
    if (status != STATUS_OK) return status;
    decider_name_directory(answering->decider, engine_directory_id(answering->engine));
    answering->names_at_ms = answering->t_ms;
    return name_models(answering);
}

/* Rows in quarantine may hold a customer. Where they can't be read nobody knows whom, and a
 * decision that held everybody would look like an answer: so it is an error. */
static enum status need_decider(struct answering *answering, struct error *error) {
    uint64_t holding_rows;
    enum status status = need_rates(answering, error);
    if (status == STATUS_OK) status = engine_hold_count(answering->engine, &holding_rows, error);
    if (status == STATUS_OK && answering->decider == NULL) status = make_decider(answering);
    if (status != STATUS_OK) return status;
    decider_use_bases(answering->decider, answering->rates->bases);
    if (answering->names_at_ms == answering->t_ms) return STATUS_OK;
    answering->names_at_ms = answering->t_ms;
    return in_force_hindsight(answering->in_force, answering->t_ms, NULL) ||
                   answering->names_hindsight
               ? name_models(answering)
               : STATUS_OK;
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
    enum status status = decision_recorder_create(&recorder, answering->in_force);
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
static struct strongest strongest_of(struct engine *engine, struct customer_id customer) {
    const struct identity *identity = engine_identity(engine);
    struct in_force *in_force = in_force_hold(engine);
    struct identifier_id ids[NAMED_IDENTIFIERS_MAX];
    struct as_of now = {INT64_MAX, POSITION_NOW};
    struct strongest strongest = {UINT32_MAX, UINT32_MAX};
    uint32_t count = identity_identifiers_of(identity, customer, now, ids, NAMED_IDENTIFIERS_MAX),
             type;
    if (count > NAMED_IDENTIFIERS_MAX) count = NAMED_IDENTIFIERS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (identity_identifier(identity, ids[i], &type).length == 0) continue; /* erased */
        take_strongest(in_force->data.playbook, &strongest, type, ids[i].value);
    }
    in_force_drop(in_force);
    return strongest;
}

void customer_name(struct engine *engine, struct customer_id customer,
                   char out[CUSTOMER_NAME_BYTES]) {
    const struct identity *identity = engine_identity(engine);
    struct strongest strongest = strongest_of(engine, customer);
    struct text value = {0};
    uint32_t type;
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
    const struct playbook *playbook = answering->data->playbook;
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
        struct value may = profile_opt_in(answering->profile, &answering->timeline, answering->t_ms,
                                          treatment->channel, treatment->action->programme, value);
        if (may.type == VALUE_YES_NO && may.yes) return value;
    }
    return (struct text){0};
}
