/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/facts.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "decide/live.h"
#include "decide/placement.h"
#include "decide/score.h"

#define CONDITIONS 4 /* available, eligible, applicable, suitable */

static const enum stage stage_of[CONDITIONS] = {STAGE_AVAILABLE, STAGE_ELIGIBLE, STAGE_APPLICABLE,
                                                STAGE_SUITABLE};

/* A condition of an action: of the customer alone, or of the treatment too. */
struct condition {
    const struct expr_program *program; /* NULL: yes */
    bool of_treatment;
    bool is_constant; /* reads no timeline */
    uint64_t epoch;   /* of `verdict`; where it is of the customer alone */
    struct verdict verdict;
};

/* An action in one of its channels (contact_route). */
struct route {
    struct condition *conditions; /* its action's */
    bool reads_treatment;         /* one of the conditions behind `available` does */
    uint64_t epoch;               /* the decision that the rest is of */
    /* What stops all of its treatments; STAGE_OFFERED: nothing so far. */
    enum stage stage;
    const struct verdict *verdict;
    struct verdict consent, contact;
    int64_t send_after_ms;
    struct route_score score;
    double chance; /* where no model tells it */
    double rows;   /* that the chance rests on; where the playbook explores */
    struct price price;
    struct verdict removed; /* an arm of an experiment takes the action away: .experiment is set */
    double fixed_cost;      /* without what may be lost */
    struct verdict spent;   /* .budget: what is left of it is too little; NULL: there is enough */
    bool value_of_base;     /* the goal's own value, where it has one, is that of its base */
};

struct facts {
    uint64_t epoch;               /* of the decision at hand */
    struct condition *conditions; /* action * CONDITIONS + … */
    struct route *routes;
    struct scores *scores;
    struct live live;
    const uint32_t *trace_route; /* by place of the latest trace */
    const uint16_t *trace_bit;
    const struct live_run *trace_runs;
    uint32_t trace_run_count;
};

/* One decision under way. */
struct judging {
    struct decider *decider;
    struct facts *facts;
    const struct timeline *timeline;
    struct decision *decision;
    struct decision_trace trace;
    const struct treatment *treatments;
    uint32_t *index, *route; /* the trace's */
    uint16_t *bit;
    struct live_run *runs;
    uint32_t run_count;
    double scale; /* of the prices of budgets, for this customer */
};

static const struct verdict unknown_verdict = {.unknown = true};
static const struct verdict elsewhere_verdict = {.elsewhere = true};

/* ---- the plan ---- */

static const struct expr_program *program_of(const struct action *action, uint32_t condition) {
    const struct expr_program *const programs[CONDITIONS] = {action->available, action->eligible,
                                                             action->applicable, action->suitable};
    return programs[condition];
}

/* priority = propensity × context weight × value × lever − cost (docs/playbook.md); a goal without
 * a value is worth 1. */
static void price_route(const struct playbook *playbook, const struct action *action,
                        const struct channel_rule *channel, struct route *route) {
    const struct goal *goal = &playbook->goals[action->goal];
    route->price = (struct price){
        .value =
            value_is_known(goal->value_constant) ? amount_of(playbook, goal->value_constant) : 1,
        .weight = action->weight,
        .lever = 1 + action->lever_percent / 100,
        .cost = value_is_known(action->cost) ? amount_of(playbook, action->cost) : 0,
    };
    route->value_of_base = goal->value != NULL;
    if (channel->has_cost) route->price.cost = channel->cost;
    route->fixed_cost = route->price.cost;
}

static void plan(struct facts *facts, const struct playbook *playbook) {
    struct route *route = facts->routes;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        struct condition *conditions = &facts->conditions[(size_t)i * CONDITIONS];
        bool reads = false;
        for (uint32_t k = 0; k < CONDITIONS; k++) {
            const struct expr_program *program = program_of(action, k);
            conditions[k] = (struct condition){
                .program = program,
                .of_treatment = program != NULL && expr_uses_treatment(program),
                .is_constant = program != NULL && expr_is_constant(program),
            };
            reads |= k > 0 && conditions[k].of_treatment;
        }
        for (uint32_t k = 0; k < action->channel_count; k++, route++) {
            price_route(playbook, action, &action->channels[k], route);
            route->conditions = conditions;
            route->reads_treatment = reads;
        }
    }
}

enum status facts_create(struct facts **out, const struct decider *decider) {
    const struct playbook *playbook = decider->data->playbook;
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
    live_release(&facts->live);
    memory_free(facts->conditions);
    memory_free(facts->routes);
    memory_free(facts);
}

void facts_charge(struct facts *facts, uint32_t route, double charge,
                  const struct budget_rule *spent) {
    facts->routes[route].price.charge = charge;
    facts->routes[route].spent = (struct verdict){.budget = spent};
}

struct price facts_price(const struct facts *facts, uint32_t route) {
    return facts->routes[route].price;
}

const uint32_t *facts_routes(const struct facts *facts) {
    return facts->trace_route;
}

const uint16_t *facts_bits(const struct facts *facts) {
    return facts->trace_bit;
}

struct run_list facts_runs(const struct facts *facts) {
    return (struct run_list){facts->trace_runs, facts->trace_run_count};
}

double facts_rows(const struct facts *facts, uint32_t route) {
    return facts->routes[route].rows;
}

int64_t facts_send_after(const struct facts *facts, uint32_t route) {
    return facts->routes[route].send_after_ms;
}

/* ---- a route ---- */

/* The stages before the contact policies can't fail. */
static const struct verdict *verdict_of(struct judging *judging, const struct treatment *treatment,
                                        enum stage stage, struct verdict *kept) {
    enum status status = stage_judge(judging->decider, judging->timeline, judging->decision->t_ms,
                                     treatment, stage, kept);
    if (status != STATUS_OK) *kept = unknown_verdict;
    return kept;
}

static const struct verdict *condition_verdict(struct judging *judging,
                                               const struct treatment *treatment, uint32_t which,
                                               struct condition *condition) {
    uint64_t epoch = judging->facts->epoch;
    if (condition->epoch != epoch)
        (void)verdict_of(judging, treatment, stage_of[which], &condition->verdict);
    condition->epoch = condition->of_treatment ? 0 : epoch;
    return &condition->verdict;
}

static bool route_passes(struct judging *judging, struct route *route,
                         const struct treatment *treatment, enum stage stage, uint32_t which) {
    if (stage == STAGE_CONSENT) {
        route->verdict = verdict_of(judging, treatment, stage, &route->consent);
    } else {
        struct condition *condition = &route->conditions[which];
        if (condition->program == NULL || condition->of_treatment) return true;
        route->verdict = condition_verdict(judging, treatment, which, condition);
    }
    route->stage = stage;
    return route->verdict->passes;
}

/* The policies that count more than one treatment. */
static enum status meet_policies(struct judging *judging, struct route *route,
                                 const struct treatment *treatment) {
    const struct contact_verdict *shared;
    int64_t t_ms = judging->decision->t_ms;
    enum status status = contact_shared(&judging->decider->history, treatment, t_ms, &shared);
    if (status != STATUS_OK) return status;
    verdict_of_contact(shared, t_ms, &route->contact);
    route->send_after_ms = route->contact.send_after_ms;
    return STATUS_OK;
}

/* An unknown weight is no weight. */
static void weigh(struct judging *judging, struct route *route, const struct action *action) {
    struct profile *profile = judging->decider->profile;
    struct value is = profile_eval(profile, action->weight_program);
    bool good = is.type == VALUE_NUMBER && is.number >= 0;
    route->price.weight = !good ? 1 : is.number > ACTION_WEIGHT_MAX ? ACTION_WEIGHT_MAX : is.number;
    judging->decision->limited |= profile_eval_limited(profile);
}

/* What one goal of this customer is worth. */
static void value(struct judging *judging, struct route *route, const struct action *action) {
    struct profile *profile = judging->decider->profile;
    struct value is = profile_eval(profile, action->value_program);
    route->price.value = value_is_known(is) ? amount_of(judging->decider->data->playbook, is) : NAN;
    judging->decision->limited |= profile_eval_limited(profile);
}

/* The percent of the action's levers, with those that run at t. */
static double lever_percent_at(const struct action *action, int64_t t_ms) {
    double percent = action->lever_percent;
    for (uint32_t i = 0; i < action->lever_period_count; i++) {
        const struct lever_period *lever = &action->lever_periods[i];
        if (t_ms >= lever->from_ms && t_ms < lever->until_ms) percent += lever->percent;
    }
    return percent;
}

/* An unsubscribe or a complaint loses what this customer is worth. Where that is not known, nothing
 * is taken off. */
static double expected_loss(struct judging *judging, uint32_t channel) {
    struct decider *decider = judging->decider;
    const struct messaging *messaging = &decider->history.messaging[channel];
    double sum = 0;
    for (uint32_t i = 0; i < messaging->loss_count; i++) {
        struct value is = profile_eval(decider->profile, messaging->losses[i].value);
        double amount = value_is_known(is) ? amount_of(decider->data->playbook, is) : NAN;
        judging->decision->limited |= profile_eval_limited(decider->profile);
        if (amount > 0) sum += messaging->losses[i].chance * amount;
    }
    return sum;
}

/* What the arms of the customer change. */
static void take_seats(const struct judging *judging, struct route *route,
                       const struct action *action) {
    const struct playbook *playbook = judging->decider->data->playbook;
    const struct experiment_seats *seats = &judging->decision->seats;
    uint32_t index = (uint32_t)(action - playbook->actions);
    if (playbook->experiment_count == 0) return;
    route->removed = (struct verdict){0};
    route->removed.experiment = experiment_without(playbook, seats, index, &route->removed.arm);
    double lever = 1 + (lever_percent_at(action, judging->decision->t_ms) +
                        experiment_lever(playbook, seats, index)) /
                           100;
    route->price.lever = lever > 0 ? lever : 0;
}

/* What holds for every treatment of the route. Where a condition behind `available` reads the
 * treatment, the stages are not asked here. */
static enum status prepare(struct judging *judging, struct route *route,
                           const struct treatment *treatment) {
    struct facts *facts = judging->facts;
    route->epoch = facts->epoch;
    route->send_after_ms = 0;
    const struct action *action = treatment->action;
    if (action->lever_period_count > 0)
        route->price.lever = 1 + lever_percent_at(action, judging->decision->t_ms) / 100;
    take_seats(judging, route, action);
    route->price.value = route->value_of_base
                             ? judging->decider->bases[treatment->action->goal].value
                             : route->price.value;
    if (action->value_program != NULL) value(judging, route, action);
    if (action->weight_program != NULL) weigh(judging, route, action);
    route->price.cost = route->fixed_cost + expected_loss(judging, treatment->channel);
    scores_route(facts->scores, judging->decider, treatment->action, &route->score);
    if (route->score.model == NULL)
        route->chance = treatment_propensity(judging->decider, treatment);
    if (judging->decider->data->playbook->explore.on)
        route->rows = rows_behind(judging->decider, treatment);
    if (route->reads_treatment) return STATUS_OK;
    bool constant = route->conditions[0].is_constant;
    bool passes = (constant || route_passes(judging, route, treatment, STAGE_AVAILABLE, 0)) &&
                  route_passes(judging, route, treatment, STAGE_CONSENT, 0) &&
                  route_passes(judging, route, treatment, STAGE_ELIGIBLE, 1) &&
                  route_passes(judging, route, treatment, STAGE_APPLICABLE, 2) &&
                  route_passes(judging, route, treatment, STAGE_SUITABLE, 3);
    if (!passes) return STATUS_OK;
    route->stage = STAGE_OFFERED;
    return meet_policies(judging, route, treatment);
}

/* ---- a treatment ---- */

static void stop(struct judging *judging, uint32_t place, enum stage stage,
                 const struct verdict *verdict) {
    judging->trace.stage[place] = (uint8_t)stage;
    judging->trace.verdict[place] = verdict;
    judging->trace.propensity[place] = judging->trace.priority[place] = NAN;
    judging->decision->limited |= verdict != NULL && verdict->limited;
}

/* The same, of a verdict that is this treatment's own. */
static enum status stop_alone(struct judging *judging, uint32_t place, enum stage stage,
                              const struct verdict *verdict) {
    struct verdict *kept = arena_alloc(&judging->decider->arena, sizeof *kept);
    if (kept == NULL) return STATUS_NO_MEMORY;
    *kept = *verdict;
    stop(judging, place, stage, kept);
    return STATUS_OK;
}

static void price(struct judging *judging, const struct route *route, uint32_t place,
                  double propensity) {
    if (route->spent.budget != NULL) {
        stop(judging, place, STAGE_ARBITRATION, &route->spent);
        return;
    }
    const struct price *factors = &route->price;
    double priority = propensity * factors->weight * factors->value * factors->lever -
                      factors->cost - judging->scale * factors->charge;
    judging->trace.verdict[place] = NULL;
    judging->trace.propensity[place] = propensity;
    judging->trace.priority[place] = priority;
    judging->trace.stage[place] = (uint8_t)(isnan(propensity) || isnan(priority) ? STAGE_PROPENSITY
                                            : priority <= 0                      ? STAGE_ARBITRATION
                                                                                 : STAGE_OFFERED);
}

static double chance_of(struct judging *judging, const struct route *route,
                        const struct treatment *treatment) {
    if (route->score.model == NULL) return route->chance;
    return route->score.plain
               ? scores_plain(judging->facts->scores, judging->decider, &route->score, treatment)
               : scores_of(judging->facts->scores, judging->decider, treatment);
}

/* Contact policies, and the price of what they let through. Where the treatment never went out to
 * the customer, those that count it alone have nothing to count. */
static enum status judge_contacts(struct judging *judging, const struct route *route,
                                  uint32_t place, const struct treatment *treatment) {
    struct contact_history *history = &judging->decider->history;
    if (contact_never(history, judging->facts->live.route[place], treatment)) {
        if (!route->contact.passes) {
            stop(judging, place, STAGE_CONTACT_POLICY, &route->contact);
            return STATUS_OK;
        }
    } else {
        struct contact_verdict contact;
        struct verdict verdict;
        int64_t t_ms = judging->decision->t_ms;
        enum status status = contact_check(history, treatment, t_ms, &contact);
        if (status != STATUS_OK) return status;
        verdict_of_contact(&contact, t_ms, &verdict);
        if (!verdict.passes) return stop_alone(judging, place, STAGE_CONTACT_POLICY, &verdict);
    }
    price(judging, route, place, chance_of(judging, route, treatment));
    return STATUS_OK;
}

/* A constant `available` was asked before, and said yes. */
static bool asks_each(const struct route *route, bool has_span) {
    const struct condition *available = &route->conditions[0];
    if (route->reads_treatment) return true;
    return available->of_treatment && !available->is_constant && !has_span;
}

/* Stage by stage, with the treatment's own traits. */
static enum status judge_alone(struct judging *judging, struct route *route, uint32_t place,
                               const struct treatment *treatment) {
    static const struct {
        enum stage stage;
        uint32_t condition;
    } stages[] = {{STAGE_AVAILABLE, 0},
                  {STAGE_CONSENT, 0},
                  {STAGE_ELIGIBLE, 1},
                  {STAGE_APPLICABLE, 2},
                  {STAGE_SUITABLE, 3}};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        const struct verdict *verdict;
        struct condition *condition = &route->conditions[stages[i].condition];
        bool consent = stages[i].stage == STAGE_CONSENT;
        if (!consent && condition->program == NULL) continue;
        if (i == 0 && condition->is_constant) continue;
        verdict = consent ? verdict_of(judging, treatment, STAGE_CONSENT, &route->consent)
                          : condition_verdict(judging, treatment, stages[i].condition, condition);
        if (!verdict->passes) return stop_alone(judging, place, stages[i].stage, verdict);
    }
    enum status status = meet_policies(judging, route, treatment);
    return status == STATUS_OK ? judge_contacts(judging, route, place, treatment) : status;
}

static enum status judge_one(struct judging *judging, uint32_t place, uint32_t route_index,
                             const struct treatment *treatment, bool evaluates) {
    struct route *route = &judging->facts->routes[route_index];
    if (route->epoch != judging->facts->epoch) {
        enum status status = prepare(judging, route, treatment);
        if (status != STATUS_OK) return status;
    }
    if (route->removed.experiment != NULL) {
        stop(judging, place, STAGE_AVAILABLE, &route->removed);
        return STATUS_OK;
    }
    bool alone = asks_each(route, treatment->has_span);
    if (evaluates || alone || !route->score.plain)
        profile_with(judging->decider->profile, treatment);
    if (alone) return judge_alone(judging, route, place, treatment);
    if (route->stage != STAGE_OFFERED) {
        stop(judging, place, route->stage, route->verdict);
        return STATUS_OK;
    }
    return judge_contacts(judging, route, place, treatment);
}

/* ---- many treatments of a route ---- */

/* What stops the route stops each of them. */
static void stop_run(struct judging *judging, const struct live_run *run, enum stage stage,
                     const struct verdict *verdict) {
    struct decision_trace *trace = &judging->trace;
    memset(trace->stage + run->first, (int)stage, run->count);
    for (uint32_t i = run->first; i < run->first + run->count; i++) {
        trace->verdict[i] = verdict;
        trace->propensity[i] = trace->priority[i] = NAN;
    }
}

/* `price` of each of them, none of which was stopped. */
static void price_run(struct judging *judging, const struct route *route,
                      const struct live_run *run) {
    struct price factors = route->price;
    double charge = judging->scale * factors.charge;
    struct decision_trace *trace = &judging->trace;
    double *propensity = trace->propensity + run->first, *priority = trace->priority + run->first;
    uint8_t *stage = trace->stage + run->first;
    if (route->score.model != NULL)
        scores_many(judging->facts->scores, judging->decider, &route->score, judging->treatments,
                    judging->facts->live.index + run->first, run->count, propensity);
    for (uint32_t i = 0; i < run->count && route->score.model == NULL; i++)
        propensity[i] = route->chance;
    memset(trace->verdict + run->first, 0, run->count * sizeof *trace->verdict);
    uint32_t count = run->count; /* the stores below may alias the run */
    for (uint32_t i = 0; i < count; i++)
        priority[i] =
            propensity[i] * factors.weight * factors.value * factors.lever - factors.cost - charge;
    /* An unknown propensity makes the priority unknown, too. Nobody can guess which priorities are
     * above 0, so there is no branch. */
    for (uint32_t i = 0; i < count; i++) {
        int known = STAGE_ARBITRATION + (priority[i] > 0) * (STAGE_OFFERED - STAGE_ARBITRATION);
        stage[i] = (uint8_t)(known - isnan(priority[i]) * (STAGE_ARBITRATION - STAGE_PROPENSITY));
    }
}

/* The policies that count this treatment by itself may stop it, too. */
static enum status judge_own_policies(struct judging *judging, uint32_t place) {
    struct contact_verdict contact;
    struct verdict verdict;
    int64_t t_ms = judging->decision->t_ms;
    const struct treatment *treatment = &judging->treatments[judging->facts->live.index[place]];
    enum status status = contact_check(&judging->decider->history, treatment, t_ms, &contact);
    if (status != STATUS_OK) return status;
    verdict_of_contact(&contact, t_ms, &verdict);
    return verdict.passes ? STATUS_OK : stop_alone(judging, place, STAGE_CONTACT_POLICY, &verdict);
}

/* judge_contacts of each of them. */
static enum status judge_contacts_of_run(struct judging *judging, const struct route *route,
                                         const struct live_run *run) {
    const struct contact_history *history = &judging->decider->history;
    const uint16_t *bit = judging->facts->live.bit;
    bool counts_none = contact_route_counts_none(history, run->route);
    uint32_t alone = 0;
    enum status status = STATUS_OK;
    if (!route->contact.passes)
        stop_run(judging, run, STAGE_CONTACT_POLICY, &route->contact);
    else if (route->spent.budget != NULL)
        stop_run(judging, run, STAGE_ARBITRATION, &route->spent);
    else
        price_run(judging, route, run);
    for (uint32_t i = run->first; i < run->first + run->count && status == STATUS_OK; i++) {
        if (counts_none && !contact_has_gone_out(history, bit[i])) continue;
        alone++;
        status = judge_own_policies(judging, i);
    }
    judging->decision->limited |= alone < run->count && route->contact.limited;
    return status;
}

static enum status judge_run(struct judging *judging, const struct live_run *run, bool evaluates) {
    const struct live *live = &judging->facts->live;
    struct route *route = &judging->facts->routes[run->route];
    enum status status = STATUS_OK;
    if (route->epoch != judging->facts->epoch)
        status = prepare(judging, route, &judging->treatments[live->index[run->first]]);
    if (status != STATUS_OK) return status;
    if (route->removed.experiment != NULL) {
        stop_run(judging, run, STAGE_AVAILABLE, &route->removed);
        return STATUS_OK;
    }
    if (evaluates || asks_each(route, run->has_span) || !route->score.plain) {
        for (uint32_t i = run->first; i < run->first + run->count && status == STATUS_OK; i++)
            status =
                judge_one(judging, i, run->route, &judging->treatments[live->index[i]], evaluates);
        return status;
    }
    if (route->stage == STAGE_OFFERED) return judge_contacts_of_run(judging, route, run);
    stop_run(judging, run, route->stage, route->verdict);
    judging->decision->limited |= route->verdict->limited;
    return STATUS_OK;
}

/* ---- all treatments ---- */

static enum status make_trace(struct judging *judging, uint32_t count, bool asks) {
    struct arena *arena = &judging->decider->arena;
    struct decision_trace *trace = &judging->trace;
    trace->stage = arena_alloc(arena, count);
    trace->propensity = arena_alloc(arena, count * sizeof *trace->propensity);
    trace->priority = arena_alloc(arena, count * sizeof *trace->priority);
    trace->verdict = arena_alloc(arena, count * sizeof *trace->verdict);
    if (asks) {
        judging->index = arena_alloc(arena, count * sizeof *judging->index);
        judging->route = arena_alloc(arena, count * sizeof *judging->route);
        judging->bit = arena_alloc(arena, count * sizeof *judging->bit);
        judging->runs = arena_alloc(arena, count * sizeof *judging->runs);
    }
    bool good = trace->stage != NULL && trace->propensity != NULL && trace->priority != NULL &&
                trace->verdict != NULL &&
                (!asks || (judging->index != NULL && judging->route != NULL &&
                           judging->bit != NULL && judging->runs != NULL));
    return good ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Does a constant `available`, which reads nothing but the treatment, say no or unknown? */
static bool is_over(struct judging *judging, const struct route *route,
                    const struct treatment *treatment, const struct verdict **verdict) {
    static const struct verdict no = {0};
    const struct condition *available = &route->conditions[0];
    if (treatment->has_span || !available->is_constant) return false;
    struct value is = profile_eval_for(judging->decider->profile, available->program,
                                       judging->timeline, treatment, judging->decision->t_ms);
    *verdict = value_is_known(is) ? &no : &unknown_verdict;
    return !(is.type == VALUE_YES_NO && is.yes);
}

/* Some treatments must be asked whether they are over, or there are too many and some may not stand
 * where the decision is asked for. Those have a place in the trace as long as there is room for all
 * others. */
static void note_place(struct judging *judging, uint32_t place, uint32_t i) {
    const struct live *live = &judging->facts->live;
    struct live_run *last = judging->run_count > 0 ? &judging->runs[judging->run_count - 1] : NULL;
    judging->index[place] = live->index[i];
    judging->route[place] = live->route[i];
    judging->bit[place] = live->bit[i];
    if (last != NULL && last->route == live->route[i])
        last->count++;
    else
        judging->runs[judging->run_count++] =
            (struct live_run){.first = place, .count = 1, .route = live->route[i]};
}

static enum status judge_asking(struct judging *judging, bool evaluates) {
    const struct live *live = &judging->facts->live;
    uint32_t place = 0;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < live->count && status == STATUS_OK; i++) {
        const struct treatment *treatment = &judging->treatments[live->index[i]];
        const struct verdict *verdict = &elsewhere_verdict;
        bool elsewhere = asked_elsewhere(judging->decider, live->route[i]);
        bool over = elsewhere ||
                    is_over(judging, &judging->facts->routes[live->route[i]], treatment, &verdict);
        if (over && place + (live->count - i) > DECISION_TREATMENTS_MAX) continue;
        if (place == DECISION_TREATMENTS_MAX) {
            judging->decision->truncated = true;
            break;
        }
        note_place(judging, place, i);
        if (over)
            stop(judging, place, elsewhere ? STAGE_PLACEMENT : STAGE_AVAILABLE, verdict);
        else
            status = judge_one(judging, place, live->route[i], treatment, evaluates);
        place++;
    }
    judging->trace.count = place;
    judging->trace.index = judging->index;
    judging->facts->trace_route = judging->route;
    judging->facts->trace_bit = judging->bit;
    judging->facts->trace_runs = judging->runs;
    judging->facts->trace_run_count = judging->run_count;
    return status;
}

static enum status judge_all(struct judging *judging, uint32_t count, bool evaluates) {
    const struct live *live = &judging->facts->live;
    enum status status = STATUS_OK;
    judging->decision->truncated |= live->count > count;
    for (uint32_t i = 0; i < live->run_count && status == STATUS_OK; i++) {
        struct live_run run = live->runs[i];
        if (run.first >= count) break;
        if (run.count > count - run.first) run.count = count - run.first;
        if (asked_elsewhere(judging->decider, run.route))
            stop_run(judging, &run, STAGE_PLACEMENT, &elsewhere_verdict);
        else
            status = judge_run(judging, &run, evaluates);
    }
    judging->trace.count = count;
    judging->trace.index = live->index;
    judging->facts->trace_route = live->route;
    judging->facts->trace_bit = live->bit;
    judging->facts->trace_runs = live->runs;
    judging->facts->trace_run_count = live->run_count;
    return status;
}

enum status facts_judge(struct decider *decider, const struct timeline *timeline,
                        struct decision *decision) {
    struct facts *facts = decider->facts;
    struct judging judging = {.decider = decider,
                              .facts = facts,
                              .timeline = timeline,
                              .decision = decision,
                              .scale = budget_scale(decision->customer),
                              .treatments = decision->treatments->treatments};
    enum status status =
        live_at(&facts->live, &decider->history, decision->treatments, decision->t_ms);
    if (status != STATUS_OK) return status;
    uint32_t count =
        facts->live.count < DECISION_TREATMENTS_MAX ? facts->live.count : DECISION_TREATMENTS_MAX;
    /* Where a limit was reached, every trait of a treatment is evaluated, so that all that it
     * leaves unknown is told. */
    bool evaluates = profile_reached_limit(decider->profile);
    facts->epoch++;
    scores_begin(facts->scores, decider, decision->treatments, evaluates);
    bool asks =
        facts->live.asks || (decider->asked.placement_count > 0 && facts->live.count > count);
    status = make_trace(&judging, count, asks);
    if (status == STATUS_OK)
        status = asks ? judge_asking(&judging, evaluates) : judge_all(&judging, count, evaluates);
    decision->trace = judging.trace;
    return status;
}

uint32_t facts_reasons(struct decider *decider, const struct treatment *treatment,
                       struct model_reason out[REASONS_MAX]) {
    return scores_reasons(decider->facts->scores, decider, treatment, out);
}
