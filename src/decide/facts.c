/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/facts.h"

#include <math.h>

#include "base/memory.h"
#include "decide/score.h"

#define CONDITIONS 4 /* available, eligible, applicable, suitable */

/* A condition of an action: of the customer alone, or of the treatment too. */
struct condition {
    const struct expr_program *program; /* NULL: yes */
    bool of_treatment;
    uint64_t epoch; /* of `verdict`; where it is of the customer alone */
    struct verdict verdict;
};

/* An action in one of its channels (contact_route). */
struct route {
    uint64_t consent_epoch, chance_epoch;
    /* The decision in which consent and the conditions are known to let it through. */
    uint64_t passes_epoch;
    bool of_customer; /* the conditions behind `available` read nothing of the treatment */
    struct verdict consent;
    double chance; /* where no model tells it */
    /* The factors of the priority; a goal's own value, where it has one, is that of its base. */
    double value, weight, lever, cost;
    bool value_of_base;
};

struct facts {
    uint64_t epoch;               /* of the decision at hand */
    struct condition *conditions; /* action * CONDITIONS + … */
    struct route *routes;
    struct scores *scores;
};

static const struct expr_program *program_of(const struct action *action, uint32_t condition) {
    const struct expr_program *const programs[CONDITIONS] = {action->available, action->eligible,
                                                             action->applicable, action->suitable};
    return programs[condition];
}

/* priority = propensity × context weight × value × lever − cost (docs/playbook.md); a goal without
 * a value is worth 1. */
static struct route price_route(const struct playbook *playbook, const struct action *action,
                                const struct channel_rule *channel) {
    const struct goal *goal = &playbook->goals[action->goal];
    struct route route = {
        .value =
            value_is_known(goal->value_constant) ? amount_of(playbook, goal->value_constant) : 1,
        .weight = action->weight,
        .lever = 1 + action->lever_percent / 100,
        .cost = value_is_known(action->cost) ? amount_of(playbook, action->cost) : 0,
        .value_of_base = goal->value != NULL,
    };
    if (channel->has_cost) route.cost = channel->cost;
    return route;
}

static bool is_of_customer(const struct facts *facts, uint32_t action) {
    const struct condition *conditions = &facts->conditions[action * CONDITIONS];
    bool of_treatment = false;
    for (uint32_t k = 1; k < CONDITIONS; k++) of_treatment |= conditions[k].of_treatment;
    return !of_treatment;
}

static void plan(struct facts *facts, const struct playbook *playbook) {
    struct route *route = facts->routes;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        for (uint32_t k = 0; k < CONDITIONS; k++) {
            const struct expr_program *program = program_of(action, k);
            facts->conditions[i * CONDITIONS + k] = (struct condition){
                .program = program,
                .of_treatment = program != NULL && expr_uses_treatment(program),
            };
        }
        for (uint32_t k = 0; k < action->channel_count; k++) {
            *route = price_route(playbook, action, &action->channels[k]);
            (route++)->of_customer = is_of_customer(facts, i);
        }
    }
}

enum status facts_create(struct facts **out, const struct decider *decider) {
    const struct playbook *playbook = decider->world->playbook;
    struct facts *facts = memory_calloc(1, sizeof *facts);
    *out = facts;
    if (facts == NULL) return STATUS_NO_MEMORY;
    facts->conditions =
        memory_calloc((size_t)playbook->action_count * CONDITIONS + 1, sizeof *facts->conditions);
    facts->routes =
        memory_calloc(contact_route_count(&decider->history) + 1u, sizeof *facts->routes);
    if (facts->conditions == NULL || facts->routes == NULL) return STATUS_NO_MEMORY;
    plan(facts, playbook);
    return scores_create(&facts->scores, playbook);
}

void facts_destroy(struct facts *facts) {
    if (facts == NULL) return;
    scores_destroy(facts->scores);
    memory_free(facts->conditions);
    memory_free(facts->routes);
    memory_free(facts);
}

void facts_begin(struct decider *decider, const struct treatment_set *treatments) {
    decider->facts->epoch++;
    scores_begin(decider->facts->scores, decider, treatments);
}

/* ---- the stages ---- */

static bool is_over_by_condition(struct decider *decider, const struct timeline *timeline,
                                 int64_t t_ms, struct treatment_trace *trace) {
    const struct expr_program *available = trace->treatment->action->available;
    if (available == NULL || !expr_is_constant(available)) return false;
    struct value is =
        profile_eval_for(decider->profiler, available, timeline, trace->treatment, t_ms);
    trace->unknown = !value_is_known(is);
    return !(is.type == VALUE_YES_NO && is.yes);
}

bool facts_is_over(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                   struct treatment_trace *trace) {
    const struct treatment *treatment = trace->treatment;
    trace->stopped_at = STAGE_AVAILABLE;
    if (treatment->has_span) return t_ms < treatment->from_ms || t_ms >= treatment->until_ms;
    return is_over_by_condition(decider, timeline, t_ms, trace);
}

void trace_stop(struct treatment_trace *trace, enum stage stage, const struct verdict *verdict) {
    trace->stopped_at = stage;
    trace->unknown = verdict->unknown;
    trace->held = verdict->held;
    trace->limited = verdict->limited;
    trace->policy = verdict->policy;
    trace->purpose = verdict->purpose;
    trace->standing = verdict->standing;
    trace->free_at_ms = verdict->free_at_ms;
}

/* One stage before the contact policies; false where it stops the treatment. The stages up to there
 * can't fail. */
static bool passes(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                   enum stage stage, struct verdict *kept, uint64_t *epoch,
                   struct treatment_trace *trace) {
    if (*epoch != decider->facts->epoch) {
        enum status status = stage_judge(decider, timeline, t_ms, trace->treatment, stage, kept);
        *epoch = decider->facts->epoch;
        if (status != STATUS_OK) *kept = (struct verdict){.unknown = true};
    }
    if (!kept->passes) trace_stop(trace, stage, kept);
    return kept->passes;
}

static bool condition_passes(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                             enum stage stage, uint32_t which, struct treatment_trace *trace) {
    const struct action *action = trace->treatment->action;
    size_t index = (size_t)(action - decider->world->playbook->actions);
    struct condition *condition = &decider->facts->conditions[index * CONDITIONS + which];
    if (condition->program == NULL) return true;
    if (condition->of_treatment) condition->epoch = 0;
    return passes(decider, timeline, t_ms, stage, &condition->verdict, &condition->epoch, trace);
}

/* Consent and the conditions behind `available`. */
static bool route_passes(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                         struct route *route, struct treatment_trace *trace) {
    bool pass = passes(decider, timeline, t_ms, STAGE_CONSENT, &route->consent,
                       &route->consent_epoch, trace) &&
                condition_passes(decider, timeline, t_ms, STAGE_ELIGIBLE, 1, trace) &&
                condition_passes(decider, timeline, t_ms, STAGE_APPLICABLE, 2, trace) &&
                condition_passes(decider, timeline, t_ms, STAGE_SUITABLE, 3, trace);
    if (pass && route->of_customer) route->passes_epoch = decider->facts->epoch;
    return pass;
}

static enum status contacts_pass(struct decider *decider, int64_t t_ms,
                                 struct treatment_trace *trace, bool *pass) {
    struct contact_verdict contact;
    enum status status = contact_check(&decider->history, trace->treatment, t_ms, &contact);
    *pass = contact.blocking == NULL;
    if (status != STATUS_OK) return status;
    if (*pass) {
        trace->send_after_ms = contact.send_after_ms > t_ms ? contact.send_after_ms : 0;
        return STATUS_OK;
    }
    trace->stopped_at = STAGE_CONTACT_POLICY;
    trace->policy = contact.blocking;
    trace->standing = contact.standing;
    trace->free_at_ms = contact.free_at_ms;
    trace->limited = contact.standing.cut;
    return STATUS_OK;
}

static void price(struct decider *decider, struct route *route, struct treatment_trace *trace) {
    const struct treatment *treatment = trace->treatment;
    const struct action *action = treatment->action;
    struct facts *facts = decider->facts;
    if (model_of_action(decider, action) != NULL) {
        trace->propensity = scores_of(facts->scores, decider, treatment);
    } else {
        if (route->chance_epoch != facts->epoch)
            route->chance = treatment_propensity(decider, treatment);
        route->chance_epoch = facts->epoch;
        trace->propensity = route->chance;
    }
    trace->value = route->value_of_base ? decider->bases[action->goal].value : route->value;
    trace->weight = route->weight;
    trace->lever = route->lever;
    trace->cost = route->cost;
    trace->priority = trace->propensity * trace->weight * trace->value * trace->lever - trace->cost;
}

enum status facts_judge(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                        struct treatment_trace *trace) {
    const struct treatment *treatment = trace->treatment;
    struct route *route = &decider->facts->routes[contact_route(&decider->history, treatment)];
    bool pass =
        treatment->has_span || condition_passes(decider, timeline, t_ms, STAGE_AVAILABLE, 0, trace);
    if (pass && route->passes_epoch != decider->facts->epoch)
        pass = route_passes(decider, timeline, t_ms, route, trace);
    if (!pass) return STATUS_OK;
    enum status status = contacts_pass(decider, t_ms, trace, &pass);
    if (status != STATUS_OK || !pass) return status;
    price(decider, route, trace);
    trace->unknown = isnan(trace->priority);
    trace->stopped_at = isnan(trace->propensity) || isnan(trace->priority) ? STAGE_PROPENSITY
                        : trace->priority <= 0                             ? STAGE_ARBITRATION
                                                                           : STAGE_OFFERED;
    return STATUS_OK;
}
