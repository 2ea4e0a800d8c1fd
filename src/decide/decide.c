/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/decide.h"

#include <math.h>

#include "base/hash.h"
#include "base/memory.h"
#include "decide/decide_internal.h"
#include "decide/facts.h"
#include "decide/placement.h"

static enum status make_room(struct decider *decider) {
    const struct playbook *playbook = decider->data->playbook;
    uint32_t routes = contact_route_count(&decider->history);
    /* An action asks for two purposes at most, a policy for one, a route for one opt-in. */
    decider->permits_max = 2 * playbook->action_count + playbook->policy_count + routes;
    decider->permits = memory_calloc((size_t)decider->permits_max + 1, sizeof *decider->permits);
    decider->wanted = memory_calloc((size_t)playbook->trait_count + 1, sizeof *decider->wanted);
    if (decider->permits == NULL || decider->wanted == NULL) return STATUS_NO_MEMORY;
    wanted_traits(playbook, decider->wanted);
    choice_head(playbook->explore.gamma, playbook->explore.share, decider->choice_head);
    if (!playbook->explore.on) return STATUS_OK;
    decider->group_bases =
        memory_calloc((size_t)playbook->action_count + 1, sizeof *decider->group_bases);
    if (decider->group_bases == NULL) return STATUS_NO_MEMORY;
    group_bases_measure(decider);
    return STATUS_OK;
}

enum status decider_create(struct decider **out, const struct customer_data *data,
                           struct profile *profile, const struct model *const *models,
                           const struct goal_base *bases) {
    struct decider *decider = memory_calloc(1, sizeof *decider);
    if (decider == NULL) return STATUS_NO_MEMORY;
    decider->data = data;
    decider->profile = profile;
    decider->models = models;
    decider->bases = bases;
    decider->action_bases = goal_bases_of_action(data->playbook);
    arena_init(&decider->arena, DECISION_BYTES_MAX);
    packed_list_init(&decider->list);
    buffer_init(&decider->trace_text);
    asked_init(&decider->asked);
    enum status status = holdout_symbols_add(data->symbols, &decider->holdout_symbols);
    if (status == STATUS_OK)
        status = experiment_symbols_add(data->symbols, &decider->experiment_symbols);
    if (status == STATUS_OK) status = contact_history_init(&decider->history, data);
    if (status == STATUS_OK) status = make_room(decider);
    if (status == STATUS_OK) status = facts_create(&decider->facts, decider);
    if (status == STATUS_OK) status = budgets_begin(decider);
    if (status == STATUS_OK)
        *out = decider;
    else
        decider_destroy(decider);
    return status;
}

void decider_destroy(struct decider *decider) {
    if (decider == NULL) return;
    if (decider->asked.context.length > 0) profile_say(decider->profile, NULL);
    asked_release(&decider->asked);
    facts_destroy(decider->facts);
    budgets_end(decider);
    contact_history_release(&decider->history);
    arena_release(&decider->arena);
    packed_list_release(&decider->list);
    buffer_release(&decider->trace_text);
    memory_free(decider->permits);
    memory_free(decider->held);
    memory_free(decider->wanted);
    memory_free(decider->group_bases);
    memory_free(decider);
}

void decider_use_bases(struct decider *decider, const struct goal_base *bases) {
    decider->bases = bases;
    if (decider->group_bases != NULL) group_bases_measure(decider);
}

void decider_name_directory(struct decider *decider, uint64_t directory) {
    decider->directory = directory;
}

void decider_name_models(struct decider *decider, struct text names) {
    decider->model_names = names;
}

enum status decider_name_basis(struct decider *decider, const struct decision_basis *basis,
                               struct error *error) {
    enum status status = asked_read(decider, basis, error);
    if (status != STATUS_OK) return status;
    decider->basis = *basis;
    decider->has_basis = true;
    return STATUS_OK;
}

void decider_name_proposed(struct decider *decider, struct value proposed) {
    decider->basis.proposed = proposed;
}

void decider_watch(struct decider *decider, bool (*is_late)(void *context), void *context) {
    decider->is_late = is_late;
    decider->late_context = context;
}

void decider_hold_as(struct decider *decider, const struct value *held) {
    decider->held_as = held;
}

/* ---- the trace ---- */

uint64_t decision_trace_hash(const struct decision *decision) {
    const struct decision_trace *trace = &decision->trace;
    uint64_t hash = hash_u64(decision->treatments->hash ^ trace->count);
    hash = hash_bytes(trace->index, trace->count * sizeof *trace->index, hash);
    hash = hash_bytes(trace->stage, trace->count, hash);
    hash = hash_bytes(trace->propensity, trace->count * sizeof *trace->propensity, hash);
    hash = hash_bytes(trace->priority, trace->count * sizeof *trace->priority, hash);
    return hash == 0 ? 1 : hash;
}

const struct treatment *decision_treatment(const struct decision *decision, uint32_t place) {
    return &decision->treatments->treatments[decision->trace.index[place]];
}

void trace_stop(struct treatment_trace *trace, enum stage stage, const struct verdict *verdict) {
    trace->stopped_at = stage;
    trace->unknown = verdict->unknown;
    trace->held = verdict->held;
    trace->limited = verdict->limited;
    trace->policy = verdict->policy;
    trace->purpose = verdict->purpose;
    trace->standing = verdict->standing;
    trace->elsewhere = verdict->elsewhere;
    trace->bundle = verdict->bundle;
    trace->experiment = verdict->experiment;
    trace->arm = verdict->arm;
    trace->budget = verdict->budget;
    trace->free_at_ms = verdict->free_at_ms;
}

static struct treatment_trace trace_begin(const struct treatment *treatment) {
    return (struct treatment_trace){.treatment = treatment,
                                    .propensity = NAN,
                                    .propensity_low = NAN,
                                    .propensity_high = NAN,
                                    .value = NAN,
                                    .weight = NAN,
                                    .lever = NAN,
                                    .cost = NAN,
                                    .budget_price = NAN,
                                    .priority = NAN};
}

struct treatment_trace decision_trace_of(const struct decision *decision, uint32_t place) {
    const struct decision_trace *trace = &decision->trace;
    const struct decider *decider = decision->decider;
    struct treatment_trace out = trace_begin(decision_treatment(decision, place));
    uint32_t route = contact_route(&decider->history, out.treatment);
    enum stage stage = (enum stage)trace->stage[place];
    out.stopped_at = stage;
    out.propensity = trace->propensity[place];
    out.priority = trace->priority[place];
    const struct verdict *verdict = trace->verdict[place];
    bool judged = verdict == NULL || !verdict->elsewhere;
    bool priced = judged && (stage > STAGE_CONTACT_POLICY || !isnan(out.priority));
    if (priced) {
        struct price price = facts_price(decider->facts, route);
        out.value = price.value;
        out.weight = price.weight;
        out.lever = price.lever;
        out.cost = price.cost;
        out.budget_price = budget_scale(decision->customer) * price.charge;
        out.unknown = isnan(out.priority);
        out.send_after_ms = facts_send_after(decider->facts, route);
    }
    if (priced && !isnan(out.propensity)) {
        double rows = rows_behind(decider, out.treatment);
        out.past_treatments = (uint64_t)(rows - CHOICE_PRIOR_ROWS);
        out.propensity_low = choice_lower(out.propensity, rows);
        out.propensity_high = choice_upper(out.propensity, rows);
    }
    if (verdict != NULL) trace_stop(&out, stage, verdict);
    return out;
}

struct treatment_trace decision_ranked(const struct decision *decision, uint32_t rank) {
    return decision_trace_of(decision, decision->ranked[rank]);
}

static bool shows_all(const struct decision *decision) {
    return decision->treatments->count <= DECISION_TREATMENTS_MAX;
}

uint32_t decision_shown_count(const struct decision *decision) {
    return shows_all(decision) ? decision->treatments->count : decision->trace.count;
}

/* The place of a treatment of the set in the trace; UINT32_MAX: it is over. */
static uint32_t place_of(const struct decision_trace *trace, uint32_t index) {
    uint32_t low = 0, high = trace->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (trace->index[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < trace->count && trace->index[low] == index ? low : UINT32_MAX;
}

struct treatment_trace decision_trace_at(const struct decision *decision, uint32_t index) {
    uint32_t place = place_of(&decision->trace, index);
    if (place != UINT32_MAX) return decision_trace_of(decision, place);
    struct treatment_trace over = trace_begin(&decision->treatments->treatments[index]);
    uint32_t route = contact_route(&decision->decider->history, over.treatment);
    over.elsewhere = asked_elsewhere(decision->decider, route);
    over.stopped_at = over.elsewhere ? STAGE_PLACEMENT : STAGE_AVAILABLE;
    return over;
}

struct treatment_trace decision_shown(const struct decision *decision, uint32_t i) {
    return shows_all(decision) ? decision_trace_at(decision, i) : decision_trace_of(decision, i);
}

void decision_id_text(uint64_t id, char out[DECISION_ID_BYTES]) {
    /* Eight digits at a time, one a byte: their halves are spread, and 9 is told from a. */
    for (int half = 0; half < 2; half++, id <<= 32) {
        uint64_t digits = id >> 32;
        digits = (digits & 0xffff) | (digits & 0xffff0000) << 16;
        digits = (digits & 0xff000000ff) | (digits & 0xff000000ff00) << 8;
        digits = (digits & 0xf000f000f000f) | (digits & 0xf000f000f000f0) << 4;
        uint64_t letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101;
        digits = __builtin_bswap64(digits + 0x3030303030303030 + letters * ('a' - '0' - 10));
        memcpy(out + 8 * half, &digits, 8);
    }
    out[DECISION_ID_BYTES - 1] = '\0';
}

uint64_t decision_id_read(struct text text) {
    uint64_t id = 0;
    if (text.length != DECISION_ID_BYTES - 1) return 0;
    for (uint32_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return 0;
        id = id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return id;
}

uint64_t decision_id_of_before(const struct decision *decision) {
    const struct decider *decider = decision->decider;
    const uint64_t parts[] = {decider->data->playbook->hash, decision->customer.value,
                              (uint64_t)decision->t_ms, decision->ranked_count,
                              decision->holdout.in};
    uint64_t id = hash_bytes(parts, sizeof parts, decider->directory);
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct treatment *treatment = decision_treatment(decision, decision->ranked[i]);
        id = hash_u64(hash_text(treatment->key, id) ^ treatment->channel);
    }
    return id == 0 ? 1 : id;
}

/* What it was asked for, and by what it was decided: by another model, or at another placement, it
 * is another decision. */
static uint64_t with_basis(const struct decider *decider, uint64_t id) {
    const struct decision_basis *basis = &decider->basis;
    id = hash_u64(id ^ basis->in_force);
    id = hash_text(basis->context, hash_text(basis->placement, id)) ^ basis->count;
    return basis->visitor != 0 ? hash_u64(id ^ basis->visitor) : id;
}

static uint64_t id_of(const struct decider *decider, const struct decision *decision) {
    uint64_t id = decision_id_of_before(decision);
    if (!decider->has_basis) return id;
    id = with_basis(decider, id);
    return id == 0 ? 1 : id;
}

uint64_t decision_seed(const struct decision *decision) {
    const struct decider *decider = decision->decider;
    const uint64_t parts[] = {decider->data->playbook->hash, decision->customer.value,
                              (uint64_t)decision->t_ms};
    uint64_t seed = hash_bytes(parts, sizeof parts, decider->directory);
    return decider->has_basis ? with_basis(decider, seed) : seed;
}

/* Nothing of the decision counts then. */
static bool is_late(const struct decider *decider, struct decision *out) {
    if (decider->is_late == NULL || !decider->is_late(decider->late_context)) return false;
    out->late = true;
    out->trace = (struct decision_trace){0};
    return true;
}

static enum status decide_once(struct decider *decider, const struct timeline *timeline,
                               bool same_moment, struct decision *out) {
    decider->permit_count = decider->held_count = 0;
    out->ranked_count = 0;
    out->choice = (struct choice){0};
    out->truncated = out->limited = out->late = false;
    arena_clear(&decider->arena);
    profile_at_for(decider->profile, timeline, out->t_ms, decider->wanted);
    experiment_seats_at(decider->data->playbook, &decider->experiment_symbols, decider->profile,
                        timeline, out->t_ms, &out->seats);
    where_find(&decider->history.where, decider->profile);
    out->zone = decider->history.where.name;
    if (is_late(decider, out)) return STATUS_OK;
    enum status status = contact_history_read(&decider->history, timeline, out->t_ms, same_moment);
    profile_for_all(decider->profile, out->treatments);
    if (is_late(decider, out)) return status;
    if (status == STATUS_OK) status = facts_judge(decider, timeline, out);
    if (is_late(decider, out)) return status;
    if (status == STATUS_OK) status = placement_fill(decider, out);
    if (status != STATUS_OK) return status;
    out->limited |= out->truncated || timeline->truncated || profile_limited(decider->profile);
    out->id = id_of(decider, out);
    return STATUS_OK;
}

/* Was this very decision made before? */
static bool was_left_out(const struct contact_history *history, const struct decision *decision) {
    char id[DECISION_ID_BYTES];
    decision_id_text(decision->id, id);
    uint64_t hash = hash_text(text_from(id), 0);
    for (size_t i = 0; i < history->left_out_count; i++) {
        if (history->left_out[i] == hash) return true;
    }
    return false;
}

void decider_gather(struct decider *decider) {
    decider->gathers = true;
}

/* After a second look nothing is left out, so the decision is another one. */
bool decision_is_repeat(const struct decision *decision) {
    return was_left_out(&decision->decider->history, decision);
}

bool timeline_has_decisions_at(const struct timeline *timeline, int64_t t_ms) {
    for (uint32_t row = timeline_upper_bound(timeline, t_ms);
         row > 0 && timeline->time_ms[row - 1] == t_ms; row--) {
        if (timeline->type[row - 1] == EVENT_DECISION_MADE) return true;
    }
    return false;
}

/* Decides. The same run again gives the same decision, as if the first had not been made. A
 * different decision that was made at the same moment counts like any other. */
enum status decide_customer(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                            struct decision *out, struct error *error) {
    const struct customer_data *data = decider->data;
    enum status status = treatment_history_at(data->treatments, t_ms, &out->treatments, error);
    if (status != STATUS_OK) return status;
    out->customer = timeline->customer;
    out->decider = decider;
    out->t_ms = t_ms;
    out->placement_count = decider->asked.placement_count;
    memcpy(out->placements, decider->asked.placements, sizeof out->placements);
    out->holdout = holdout_at(data->playbook, &decider->holdout_symbols, timeline, t_ms);
    if (timeline->customer.value == ID_NONE && decider->has_basis)
        out->holdout.in =
            holdout_draws(data->playbook, (struct customer_id){(uint32_t)decider->basis.visitor});
    status = decide_once(decider, timeline, false, out);
    if (status == STATUS_OK && !out->late && decider->history.left_out_count > 0 &&
        !decider->gathers && !was_left_out(&decider->history, out))
        status = decide_once(decider, timeline, true, out);
    return status == STATUS_OK ? STATUS_OK
                               : error_set(error, status, "no memory to decide for a customer");
}
