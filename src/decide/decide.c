/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/decide.h"

#include <math.h>

#include "base/memory.h"
#include "decide/decider.h"

enum status decider_create(struct decider **out, const struct world *world,
                           struct profiler *profiler, const struct model *const *models,
                           const struct goal_base *bases) {
    struct decider *decider = memory_calloc(1, sizeof *decider);
    if (decider == NULL) return STATUS_NO_MEMORY;
    decider->world = world;
    decider->profiler = profiler;
    decider->models = models;
    decider->bases = bases;
    decider->action_bases = goal_bases_of_action(world->playbook);
    enum status status = holdout_symbols_add(world->symbols, &decider->holdout_symbols);
    if (status == STATUS_OK)
        *out = decider;
    else
        decider_destroy(decider);
    return status;
}

void decider_destroy(struct decider *decider) {
    memory_free(decider);
}

void decider_name_models(struct decider *decider, struct text names) {
    decider->model_names = names;
}

/* priority = propensity × context weight × value × lever − cost (DOMAIN, Decision); a goal without
 * a value is worth 1. */
static void price(struct decider *decider, struct treatment_trace *trace) {
    const struct playbook *playbook = decider->world->playbook;
    const struct action *action = trace->treatment->action;
    const struct goal *goal = &playbook->goals[action->goal];
    const struct channel_rule *channel = trace->treatment->channel_rule;
    double constant = amount_of(playbook, goal->value_constant);
    bool has_value = goal->value != NULL || value_is_known(goal->value_constant);
    trace->propensity = treatment_propensity(decider, trace->treatment);
    trace->value = goal->value != NULL ? decider->bases[action->goal].value
                   : has_value         ? constant
                                       : 1;
    trace->weight = action->weight;
    trace->lever = 1 + action->lever_percent / 100;
    trace->cost = value_is_known(action->cost) ? amount_of(playbook, action->cost) : 0;
    if (channel != NULL && channel->has_cost) trace->cost = channel->cost;
    trace->priority = trace->propensity * trace->weight * trace->value * trace->lever - trace->cost;
}

static void judge(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                  struct treatment_trace *trace) {
    for (enum stage stage = STAGE_AVAILABLE; stage <= STAGE_CONTACT_POLICY; stage++) {
        struct verdict verdict = stage_judge(decider, timeline, t_ms, trace->treatment, stage);
        if (verdict.passes) continue;
        trace->stopped_at = stage;
        trace->unknown = verdict.unknown;
        trace->policy = verdict.policy;
        trace->purpose = verdict.purpose;
        trace->free_at_ms = verdict.free_at_ms;
        return;
    }
    price(decider, trace);
    trace->unknown = isnan(trace->priority);
    trace->stopped_at = isnan(trace->propensity) || isnan(trace->priority) ? STAGE_PROPENSITY
                        : trace->priority <= 0                             ? STAGE_ARBITRATION
                                                                           : STAGE_OFFERED;
}

/* Most rows of an offer table are of other times. Where `available` reads nothing but the
 * treatment, they are stopped before any trait of a treatment is computed; the verdict is the same.
 */
static bool is_over(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                    struct treatment_trace *trace) {
    const struct expr_program *available = trace->treatment->action->available;
    if (available == NULL || !expr_is_constant(available)) return false;
    struct value is =
        profile_eval_for(decider->profiler, available, timeline, trace->treatment, t_ms);
    trace->unknown = !value_is_known(is);
    trace->stopped_at = STAGE_AVAILABLE;
    return !(is.type == VALUE_YES_NO && is.yes);
}

/* Higher priority first; ties by playbook order, so that a decision is always the same. */
static bool goes_before(const struct treatment_trace *a, const struct treatment_trace *b) {
    if (a->priority != b->priority) return a->priority > b->priority;
    return a->treatment->index < b->treatment->index;
}

static bool is_ranked_already(const struct decision *decision, const struct treatment *treatment) {
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct treatment *other = decision->trace[decision->ranked[i]].treatment;
        if (text_equal(other->key, treatment->key)) return true;
    }
    return false;
}

/* Fills the slots, best first; a treatment that is already ranked in another channel is not ranked
 * twice. */
static void place(const struct playbook *playbook, struct decision *decision) {
    uint32_t slots = playbook->slots_per_decision == 0 ? 1 : playbook->slots_per_decision;
    if (slots > 16) slots = 16;
    while (decision->ranked_count < slots) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < decision->trace_count; i++) {
            const struct treatment_trace *trace = &decision->trace[i];
            if (trace->stopped_at != STAGE_OFFERED || is_ranked_already(decision, trace->treatment))
                continue;
            if (best == UINT32_MAX || goes_before(trace, &decision->trace[best])) best = i;
        }
        if (best == UINT32_MAX) break;
        decision->probability[decision->ranked_count] = 1;
        decision->ranked[decision->ranked_count++] = best;
    }
    bool offered[DECISION_TREATMENTS_MAX] = {false};
    for (uint32_t i = 0; i < decision->ranked_count; i++) offered[decision->ranked[i]] = true;
    for (uint32_t i = 0; i < decision->trace_count; i++) {
        struct treatment_trace *trace = &decision->trace[i];
        if (trace->stopped_at == STAGE_OFFERED && !offered[i]) trace->stopped_at = STAGE_PLACEMENT;
    }
}

bool decision_withholds(const struct decision *decision, uint32_t rank) {
    if (!decision->holdout.in || rank >= decision->ranked_count) return false;
    return !decision->trace[decision->ranked[rank]].treatment->action->service;
}

bool decision_withholds_some(const struct decision *decision) {
    bool some = false;
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++)
        some |= decision_withholds(decision, rank);
    return some;
}

enum status decide_customer(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                            struct decision *out, struct error *error) {
    const struct world *world = decider->world;
    const struct treatment_set *treatments;
    enum status status = treatment_history_at(world->treatments, t_ms, &treatments, error);
    if (status != STATUS_OK) return status;
    out->customer = timeline->customer;
    out->t_ms = t_ms;
    out->trace_count = out->ranked_count = 0;
    out->truncated = false;
    contact_history_read(&decider->history, world, timeline, t_ms);
    profile_at(decider->profiler, timeline, t_ms);
    uint32_t left = treatments->count;
    for (uint32_t i = 0; i < treatments->count; i++, left--) {
        struct treatment_trace trace = {.treatment = &treatments->treatments[i],
                                        .propensity = NAN,
                                        .value = NAN,
                                        .weight = NAN,
                                        .lever = NAN,
                                        .cost = NAN,
                                        .priority = NAN};
        bool over = is_over(decider, timeline, t_ms, &trace);
        /* Its place may be needed. */
        if (over && out->trace_count + left > DECISION_TREATMENTS_MAX) continue;
        if (out->trace_count == DECISION_TREATMENTS_MAX) {
            out->truncated = true;
            break;
        }
        if (!over) {
            profile_with(decider->profiler, trace.treatment);
            judge(decider, timeline, t_ms, &trace);
        }
        out->trace[out->trace_count++] = trace;
    }
    place(world->playbook, out);
    out->holdout = holdout_at(world->playbook, &decider->holdout_symbols, timeline, t_ms);
    reason_write(decider, timeline, out);
    return STATUS_OK;
}
