/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/answer.h"
#include "engine/lifetimes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

static enum status pin(struct engine_view *view, struct error *error) {
    struct timeline_source *source = view->data->source;
    return source->ops->reader_open(source, &view->reader, error);
}

static void unpin(struct engine_view *view) {
    if (view->reader != NULL) view->reader->source->ops->reader_close(view->reader);
    view->reader = NULL;
}

static enum status hold(struct engine_view *view, struct error *error) {
    view->in_force = in_force_hold(view->engine);
    view->data =
        view->kind == ENGINE_VIEW_DECIDING ? &view->in_force->decider_data : &view->in_force->data;
    if (view->data->playbook == NULL)
        return error_set(error, STATUS_INVALID,
                         "no playbook is in force; give one when the directory is opened");
    return profile_create(&view->profile, view->data);
}

/* All that belongs to the snapshot. */
static void let_go(struct engine_view *view) {
    view->is_past = false;
    decider_destroy(view->decider);
    profile_destroy(view->profile);
    rates_version_drop(view->rates);
    in_force_drop(view->in_force);
    view->decider = NULL;
    view->profile = NULL;
    view->rates = NULL;
    view->in_force = NULL;
}

enum status engine_view_open_as(struct engine_view *view, struct engine *engine,
                                enum engine_view_kind kind, int64_t t_ms, struct error *error) {
    *view = (struct engine_view){
        .engine = engine, .kind = kind, .t_ms = t_ms, .at_position = POSITION_NOW};
    buffer_init(&view->model_names);
    buffer_init(&view->kept);
    buffer_init(&view->left_out);
    enum status status = hold(view, error);
    return status == STATUS_OK ? pin(view, error) : status;
}

enum status engine_view_open(struct engine_view *view, struct engine *engine, int64_t t_ms,
                             struct error *error) {
    return engine_view_open_as(view, engine, ENGINE_VIEW_ONCE, t_ms, error);
}

enum status engine_view_renew(struct engine_view *view, int64_t t_ms, struct error *error) {
    enum status status = STATUS_OK;
    view->t_ms = t_ms;
    view->at_position = POSITION_NOW;
    view->has_asked = view->budgets.ready = false;
    unpin(view);
    if (view->is_past || !in_force_is_current(view->in_force)) {
        let_go(view);
        status = hold(view, error);
    }
    return status == STATUS_OK ? pin(view, error) : status;
}

void engine_view_rest(struct engine_view *view) {
    unpin(view);
    view->ask = (struct decision_ask){0};
    if (view->profile != NULL) profile_rest(view->profile);
}

void engine_view_close(struct engine_view *view) {
    unpin(view);
    let_go(view);
    memory_free(view->decision);
    buffer_release(&view->model_names);
    buffer_release(&view->kept);
    buffer_release(&view->left_out);
    *view = (struct engine_view){0};
}

uint64_t engine_view_position(const struct engine_view *view) {
    uint64_t pinned = view->reader->source->ops->position(view->reader);
    return view->at_position < pinned ? view->at_position : pinned;
}

void engine_view_at_position(struct engine_view *view, uint64_t position) {
    view->at_position = position;
}

static struct timeline_request request_of(struct engine_view *view) {
    struct as_of as_of = {view->t_ms, engine_view_position(view)};
    return profile_request(view->profile, as_of, false);
}

static enum status read_customer(struct engine_view *view, const char *customer, uint32_t needs,
                                 struct error *error) {
    struct customer_id id;
    struct timeline_request request = request_of(view);
    request.needs |= needs;
    /* An answer with events says of each what it is believed, which its persona tells. */
    if ((needs & TIMELINE_PACKED) != 0) request.needs |= TIMELINE_PERSONA;
    enum status status =
        in_force_find_customer(view->in_force, text_from(customer), request.as_of, &id, error);
    if (status != STATUS_OK) return status;
    status = view->reader->source->ops->read(view->reader, id, &request, &view->timeline, error);
    if (status == STATUS_NOT_FOUND)
        return error_set(error, status, "%s has no events by then", customer);
    return status;
}

/* What an answer will be made of is asked for once before: it is whole, or there is none. */
static enum status check_all_read(struct engine_view *view, uint32_t needs, struct error *error) {
    const struct timeline *timeline = &view->timeline;
    enum status status = STATUS_OK;
    (void)profile_at(view->profile, timeline, view->t_ms);
    for (uint32_t row = 0;
         status == STATUS_OK && (needs & TIMELINE_PACKED) != 0 && row < timeline->count; row++) {
        struct text packed;
        status = timeline->ops->packed(timeline, row, &packed);
    }
    if (status == STATUS_NO_MEMORY) return error_set(error, status, "no memory to read a timeline");
    return timeline_source_check(view->reader->source, error);
}

enum status engine_view_read(struct engine_view *view, const char *customer, uint32_t needs,
                             struct error *error) {
    enum status status = read_customer(view, customer, needs, error);
    return status == STATUS_OK ? check_all_read(view, needs, error) : status;
}

/* A model that has learnt from what came after t is marked wherever its decisions go. */
static enum status name_models(struct engine_view *view) {
    enum status status = STATUS_OK;
    buffer_clear(&view->model_names);
    for (uint32_t i = 0; i < view->data->playbook->model_count && status == STATUS_OK; i++) {
        const struct model_entry *entry = &view->in_force->model_entries[i];
        char until[32];
        if (entry->model == NULL) continue;
        time_format(entry->until_ms, until);
        status =
            buffer_format(&view->model_names, "%s%.*s@%u", view->model_names.length > 0 ? ", " : "",
                          TEXT_ARG(entry->name), entry->version);
        if (status == STATUS_OK && entry->until_ms > view->t_ms) {
            status = buffer_format(&view->model_names, " (hindsight: learnt until %s)", until);
        }
    }
    for (uint32_t i = 0; i < view->data->playbook->lifetime_count && status == STATUS_OK; i++) {
        struct lifetime_entry entry = in_force_lifetime(view->in_force, i);
        if (entry.series == NULL) continue;
        status =
            buffer_format(&view->model_names, "%s%.*s@%u", view->model_names.length > 0 ? ", " : "",
                          TEXT_ARG(entry.name), entry.version);
    }
    view->names_hindsight = in_force_hindsight(view->in_force, view->t_ms, NULL);
    decider_name_models(view->decider, buffer_text(&view->model_names));
    return status;
}

/* Are they those of t, and has the log not grown so far beyond them that others are due? A request
 * keeps those that it was given. */
static bool rates_stand(const struct engine_view *view) {
    const struct rates_version *rates = view->rates;
    if (rates == NULL || view->t_ms < rates->at_ms || view->t_ms >= view->rates_until_ms)
        return false;
    return view->has_asked ||
           !rates_are_due(rates, view->reader->source->ops->position(view->reader));
}

static enum status need_rates(struct engine_view *view, struct error *error) {
    enum rates_wanted wanted = view->kind == ENGINE_VIEW_ONCE ? RATES_FRESH : RATES_LATEST;
    if (rates_stand(view)) return STATUS_OK;
    rates_version_drop(view->rates);
    view->rates = NULL;
    view->has_asked = true;
    return rates_for(view->in_force, view->t_ms, wanted, view->work, &view->rates,
                     &view->rates_until_ms, error);
}

static enum status make_decider(struct engine_view *view) {
    if (view->decision == NULL) view->decision = memory_calloc(1, sizeof *view->decision);
    if (view->decision == NULL) return STATUS_NO_MEMORY;
    enum status status = decider_create(&view->decider, view->data, view->profile,
                                        view->in_force->models, view->rates->bases);
    if (status != STATUS_OK) return status;
    decider_name_directory(view->decider, engine_directory_id(view->engine));
    view->names_at_ms = view->t_ms;
    return name_models(view);
}

/* What the next decision is made from. */
static enum status name_basis(struct engine_view *view, struct error *error) {
    const struct decision_basis basis = {
        .in_force = view->in_force->hash,
        .position = view->reader->source->ops->position(view->reader),
        .rates_id = view->rates->id,
        .rates_position = view->rates->position,
        .rates_at_ms = view->rates->at_ms,
        .placement = view->ask.placement,
        .context = view->ask.context,
        .count = view->ask.count,
        .visitor = view->ask.visitor,
    };
    decider_watch(view->decider, view->ask.is_late, view->ask.late_context);
    return decider_name_basis(view->decider, &basis, error);
}

/* Rows in quarantine may hold a customer. Where they can't be read nobody knows whom, and a
 * decision that held everybody would look like an answer: so it is an error. */
static enum status need_decider(struct engine_view *view, struct error *error) {
    uint64_t holding_rows;
    enum status status = need_rates(view, error);
    if (status == STATUS_OK) status = engine_hold_count(view->engine, &holding_rows, error);
    if (status == STATUS_OK && view->decider == NULL) status = make_decider(view);
    if (status != STATUS_OK) return status;
    decider_use_bases(view->decider, view->rates->bases);
    status = name_basis(view, error);
    if (status != STATUS_OK) return status;
    if (view->names_at_ms == view->t_ms) return STATUS_OK;
    view->names_at_ms = view->t_ms;
    return in_force_hindsight(view->in_force, view->t_ms, NULL) || view->names_hindsight
               ? name_models(view)
               : STATUS_OK;
}

enum status engine_view_ask(struct engine_view *view, const struct decision_ask *ask,
                            struct error *error) {
    const struct playbook *playbook = view->data->playbook;
    uint32_t placements[DECISION_PLACEMENTS_MAX], count;
    if (ask->placement.length > DECISION_PLACEMENT_BYTES_MAX)
        return error_set(error, STATUS_LIMIT,
                         "the placement has %u bytes: a decision keeps at most %u of them",
                         ask->placement.length, DECISION_PLACEMENT_BYTES_MAX);
    if (!text_is_utf8(ask->placement) || !text_is_utf8(ask->context))
        return error_set(error, STATUS_INVALID, "the %s is not UTF-8",
                         text_is_utf8(ask->placement) ? "context" : "placement");
    enum status status =
        decision_placements_read(playbook, ask->placement, placements, &count, error);
    if (status == STATUS_OK)
        status = decision_context_keep(playbook, ask->context, &view->kept, &view->left_out, error);
    if (status != STATUS_OK) return status;
    view->timeout_ms = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t own_ms = playbook->placements[placements[i]].timeout_ms;
        if (own_ms > 0 && (view->timeout_ms == 0 || own_ms < view->timeout_ms))
            view->timeout_ms = own_ms;
    }
    view->ask = *ask;
    view->ask.context = buffer_text(&view->kept);
    return STATUS_OK;
}

static enum status decide(struct engine_view *view, struct error *error) {
    enum status status = budgets_decide(view, error);
    return status == STATUS_OK ? timeline_source_check(view->reader->source, error) : status;
}

enum status engine_view_decide(struct engine_view *view, const char *customer,
                               struct error *error) {
    enum status status = need_decider(view, error);
    if (status == STATUS_OK) status = read_customer(view, customer, 0, error);
    return status == STATUS_OK ? decide(view, error) : status;
}

static enum status no_packed(const struct timeline *timeline, uint32_t row, struct text *packed) {
    (void)timeline, (void)row;
    *packed = (struct text){0};
    return STATUS_NOT_FOUND;
}

/* The timeline of a customer of whom nothing is known. */
static struct timeline empty_timeline(const struct engine_view *view, struct customer_id customer) {
    static const struct timeline_ops ops = {.packed = no_packed};
    static const struct timeline_column columns[TIMELINE_COLUMNS_MAX];
    static const int64_t no_time;
    static const uint16_t no_type;
    static const uint8_t no_channel;
    return (struct timeline){.customer = customer,
                             .time_ms = &no_time,
                             .type = &no_type,
                             .channel = &no_channel,
                             .columns = columns,
                             .column_count = TIMELINE_COLUMNS_MAX,
                             .ops = &ops,
                             .reader = view->reader};
}

static enum status read_or_empty(struct engine_view *view, struct customer_id customer,
                                 const struct timeline_request *request, struct error *error) {
    enum status status = STATUS_NOT_FOUND;
    if (customer.value != ID_NONE)
        status = view->reader->source->ops->read(view->reader, customer, request, &view->timeline,
                                                 error);
    if (status != STATUS_NOT_FOUND) return status;
    view->timeline = empty_timeline(view, customer);
    return STATUS_OK;
}

enum status engine_view_prepare(struct engine_view *view, struct error *error) {
    return need_decider(view, error);
}

enum status engine_view_decide_for(struct engine_view *view, struct customer_id customer,
                                   struct error *error) {
    enum status status = need_decider(view, error);
    if (status != STATUS_OK) return status;
    struct timeline_request request = request_of(view);
    status = read_or_empty(view, customer, &request, error);
    return status == STATUS_OK ? decide(view, error) : status;
}

/* ---- a decision of before ---- */

static enum status hold_past(struct engine_view *view, const struct engine_view_past *past,
                             struct error *error) {
    unpin(view);
    let_go(view);
    view->in_force = past->in_force;
    view->rates = past->rates;
    view->data = &past->in_force->data;
    enum status status = profile_create(&view->profile, view->data);
    if (status == STATUS_OK) status = pin(view, error);
    return status == STATUS_OK ? make_decider(view) : status;
}

enum status engine_view_go_back(struct engine_view *view, const struct engine_view_past *past,
                                struct error *error) {
    enum status status = STATUS_OK;
    view->t_ms = past->t_ms;
    view->past_held = past->held;
    if (view->in_force == past->in_force && view->decider != NULL) {
        rates_version_drop(view->rates);
        view->rates = past->rates;
        in_force_drop(past->in_force);
    } else {
        status = hold_past(view, past, error);
    }
    view->is_past = true;
    if (status != STATUS_OK) return status;
    decider_use_bases(view->decider, view->rates->bases);
    decider_name_models(view->decider, past->models);
    decider_hold_as(view->decider, &view->past_held);
    decider_use_prices(view->decider, &past->prices);
    decider_watch(view->decider, NULL, NULL);
    return decider_name_basis(view->decider, &past->basis, error);
}

enum status engine_view_decide_past(struct engine_view *view, const struct engine_view_past *past,
                                    struct customer_id customer, struct error *error) {
    struct as_of as_of = {past->t_ms, past->basis.position};
    struct timeline_request request = profile_request(view->profile, as_of, false);
    enum status status = read_or_empty(view, customer, &request, error);
    return status == STATUS_OK ? decide(view, error) : status;
}

void engine_view_reason(const struct engine_view *view, char out[DECISION_REASON_BYTES_MAX]) {
    decision_reason(view->decider, &view->timeline, view->decision, out);
}

enum status engine_view_walk(struct engine_view *view, struct error *error) {
    struct timeline_request request = request_of(view);
    return view->reader->source->ops->walk(view->reader, &request, 0, 1, error);
}

static enum status next_customer(struct engine_view *view, struct error *error) {
    return view->reader->source->ops->next(view->reader, &view->timeline, error);
}

enum status engine_view_next_read(struct engine_view *view, struct error *error) {
    enum status status = next_customer(view, error);
    return status == STATUS_OK ? check_all_read(view, 0, error) : status;
}

enum status engine_view_next(struct engine_view *view, struct error *error) {
    enum status status = need_decider(view, error);
    if (status == STATUS_OK) status = next_customer(view, error);
    return status == STATUS_OK ? decide(view, error) : status;
}

enum status engine_view_record(struct engine_view *view, bool *known, struct error *error) {
    struct decision_recorder *recorder = NULL;
    enum status status = decision_recorder_create(&recorder, view->in_force);
    if (status == STATUS_OK)
        status = decision_recorder_add(recorder, view->decider, view->decision, error);
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

struct text engine_view_address(const struct engine_view *view, const struct treatment *treatment,
                                uint32_t type) {
    struct engine *engine = view->engine;
    const struct playbook *playbook = view->data->playbook;
    struct messaging messaging =
        playbook_messaging(playbook, engine_symbols(engine), treatment->channel);
    bool asks = treatment_needs_opt_in(playbook, treatment) && messaging.address != UINT32_MAX &&
                playbook->identifiers[messaging.address].symbol == type;
    struct identifier_id ids[NAMED_IDENTIFIERS_MAX];
    struct as_of as_of = {view->t_ms, POSITION_NOW};
    uint32_t count = identity_identifiers_of(engine_identity(engine), view->decision->customer,
                                             as_of, ids, NAMED_IDENTIFIERS_MAX);
    if (count > NAMED_IDENTIFIERS_MAX) count = NAMED_IDENTIFIERS_MAX;
    qsort(ids, count, sizeof *ids, newest_first);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t its_type;
        struct text value = identity_identifier(engine_identity(engine), ids[i], &its_type);
        if (value.length == 0 || its_type != type) continue;
        if (!asks) return value;
        struct value may = profile_opt_in(view->profile, &view->timeline, view->t_ms,
                                          treatment->channel, treatment->action->programme, value);
        if (may.type == VALUE_YES_NO && may.yes) return value;
    }
    return (struct text){0};
}
