/* SPDX-License-Identifier: Apache-2.0 */
/* Draws the slots of a decision whose playbook explores (decide/choice.h). */
#include <math.h>

#include "decide/facts.h"
#include "decide/placement_internal.h"

/* ---- whether ---- */

/* In doubt nothing is left to chance. */
static bool is_on(struct filling *filling) {
    struct decider *decider = filling->decider;
    const struct explore_rule *rule = &decider->data->playbook->explore;
    if (!rule->on) return false;
    if (rule->off_when == NULL) return true;
    struct value off = profile_eval(decider->profile, rule->off_when);
    filling->decision->limited |= profile_eval_limited(decider->profile);
    return off.type == VALUE_YES_NO && !off.yes;
}

static bool is_explored(const struct filling *filling, uint32_t place) {
    return treatment_at(filling->decision, place)->channel_rule->explored;
}

/* The upper bound of a priority is that of its propensity at the same price. */
static void bound_all(struct filling *filling) {
    const struct decision_trace *trace = &filling->decision->trace;
    struct exploring *exploring = &filling->exploring;
    struct facts *facts = filling->decider->facts;
    for (uint32_t i = 0; i < trace->count; i++) {
        exploring->upper[i] = NAN;
        if (trace->stage[i] != STAGE_OFFERED) continue;
        double priority = trace->priority[i], propensity = trace->propensity[i];
        if (priority > exploring->highest) exploring->highest = priority;
        if (!is_explored(filling, i)) continue;
        uint32_t route =
            contact_route(&filling->decider->history, treatment_at(filling->decision, i));
        struct price price = facts_price(facts, route);
        double more = choice_upper(propensity, facts_rows(facts, route)) - propensity;
        exploring->upper[i] = priority + more * price.weight * price.value * price.lever;
    }
}

/* So many slots there are at most, and so many draws. */
static uint32_t slots_of(const struct filling *filling) {
    const struct decision *decision = filling->decision;
    const struct playbook *playbook = filling->decider->data->playbook;
    uint32_t slots = 0;
    if (decision->placement_count == 0)
        return asked_slots(filling->decider, playbook->slots_per_decision);
    for (uint32_t i = 0; i < decision->placement_count; i++)
        slots += asked_slots(filling->decider, playbook->placements[decision->placements[i]].slots);
    return slots;
}

enum status explore_begin(struct filling *filling) {
    struct exploring *exploring = &filling->exploring;
    struct decision *decision = filling->decision;
    struct arena *arena = &filling->decider->arena;
    const struct explore_rule *rule = &filling->decider->data->playbook->explore;
    decision->choice = (struct choice){.gamma = rule->gamma, .share = rule->share};
    exploring->on = is_on(filling);
    if (!exploring->on) return STATUS_OK;
    uint32_t count = decision->trace.count, slots = slots_of(filling);
    exploring->seed = decision_seed(decision);
    exploring->capacity = slots * CHOICE_CANDIDATES_MAX;
    exploring->upper = arena_alloc(arena, count * sizeof *exploring->upper + 1);
    exploring->known = arena_alloc(arena, count * sizeof *exploring->known + 1);
    exploring->pool.place = arena_alloc(arena, count * sizeof *exploring->pool.place + 1);
    exploring->candidates = arena_alloc(arena, exploring->capacity * sizeof *exploring->candidates);
    exploring->draws = arena_alloc(arena, slots * sizeof *exploring->draws);
    if (exploring->upper == NULL || exploring->known == NULL || exploring->pool.place == NULL ||
        exploring->candidates == NULL || exploring->draws == NULL)
        return STATUS_NO_MEMORY;
    memset(exploring->known, 0, count * sizeof *exploring->known);
    decision->choice.candidates = exploring->candidates;
    decision->choice.draws = exploring->draws;
    bound_all(filling);
    return STATUS_OK;
}

/* ---- the pool ---- */

void explore_at(struct filling *filling, uint32_t at) {
    struct pool *pool = &filling->exploring.pool;
    pool->count = 0;
    pool->last_upper = INFINITY;
    pool->has_more = true;
    pool->at = at;
}

/* The highest come first; of equal ones the first in the playbook. */
static bool is_higher(double upper, uint32_t place, double than, uint32_t than_place) {
    return upper > than || (upper == than && place < than_place);
}

/* Finds the next POOL_BATCH of those that come behind the last one. */
static void find_more(struct filling *filling) {
    struct exploring *exploring = &filling->exploring;
    struct pool *pool = &exploring->pool;
    const double *upper = exploring->upper;
    uint32_t first = pool->count, end = first;
    uint32_t last = first > 0 ? pool->place[first - 1] : 0;
    double above = first > 0 ? pool->last_upper : INFINITY, least = -INFINITY;
    for (uint32_t i = 0; i < filling->decision->trace.count; i++) {
        /* What is not offered is NAN, and least. */
        if (!(upper[i] > least) || (first > 0 && !is_higher(above, last, upper[i], i))) continue;
        if (pool->at != UINT32_MAX &&
            !asked_takes(filling->decider, pool->at, treatment_at(filling->decision, i)))
            continue;
        uint32_t to = end < first + POOL_BATCH ? end++ : end - 1;
        for (; to > first && upper[pool->place[to - 1]] < upper[i]; to--)
            pool->place[to] = pool->place[to - 1];
        pool->place[to] = i;
        if (end == first + POOL_BATCH) least = upper[pool->place[end - 1]];
    }
    pool->has_more = end == first + POOL_BATCH;
    pool->count = end;
    if (end > first) pool->last_upper = upper[pool->place[end - 1]];
}

/* ---- a draw ---- */

/* Its place among the candidates of the decision. */
static uint16_t know(struct filling *filling, uint32_t place) {
    struct exploring *exploring = &filling->exploring;
    struct choice *choice = &filling->decision->choice;
    uint16_t *known = place == CHOICE_NOTHING ? &exploring->nothing : &exploring->known[place];
    if (*known == 0) {
        const struct decision_trace *trace = &filling->decision->trace;
        struct choice_candidate candidate = {CHOICE_NOTHING, 0};
        if (place != CHOICE_NOTHING) {
            candidate.treatment = trace->index[place];
            candidate.value = choice_value(trace->priority[place], exploring->highest);
        }
        exploring->candidates[choice->candidate_count++] = candidate;
        *known = (uint16_t)choice->candidate_count;
    }
    return (uint16_t)(*known - 1);
}

/* It is no candidate after all, where it became one only now. */
static void forget(struct filling *filling, uint32_t place, uint32_t known) {
    struct choice *choice = &filling->decision->choice;
    if (choice->candidate_count > known) filling->exploring.known[place] = 0;
    choice->candidate_count = known;
}

struct drawing {
    struct choice_draw *draw;
    uint32_t place[CHOICE_CANDIDATES_MAX]; /* of each candidate */
};

/* Candidates stand in the order in which the decision came to know them. */
static void add(struct filling *filling, struct drawing *drawing, uint32_t place) {
    struct choice_draw *draw = drawing->draw;
    uint16_t known = know(filling, place);
    uint32_t to = draw->count++;
    for (; to > 0 && draw->candidate[to - 1] > known; to--) {
        draw->candidate[to] = draw->candidate[to - 1];
        drawing->place[to] = drawing->place[to - 1];
    }
    draw->candidate[to] = known;
    drawing->place[to] = place;
}

/* The best, "nothing" where it is one of them, and the highest of the pool. */
static enum status gather(struct filling *filling, uint32_t best, struct drawing *drawing) {
    const struct explore_rule *rule = &filling->decider->data->playbook->explore;
    struct pool *pool = &filling->exploring.pool;
    struct choice_draw *draw = drawing->draw;
    enum status status = STATUS_OK;
    add(filling, drawing, best);
    if (rule->nothing) add(filling, drawing, CHOICE_NOTHING);
    for (uint32_t i = 0; draw->count < rule->candidates && status == STATUS_OK; i++) {
        bool joins;
        if (i == pool->count && pool->has_more) find_more(filling);
        if (i >= pool->count) break;
        uint32_t place = pool->place[i];
        if (place == best) continue;
        status = filling_may_join(filling, place, &joins);
        if (joins && status == STATUS_OK) add(filling, drawing, place);
    }
    return status;
}

enum status explore_draw(struct filling *filling, uint32_t at, uint32_t best, uint32_t *taken,
                         double *probability) {
    struct choice *choice = &filling->decision->choice;
    struct drawing drawing = {.draw = &filling->exploring.draws[choice->draw_count]};
    struct choice_draw *draw = drawing.draw;
    *taken = best;
    *probability = 1;
    if (!is_explored(filling, best)) return STATUS_OK;
    *draw = (struct choice_draw){.at = (uint8_t)at, .rank = CHOICE_NO_RANK};
    uint32_t known = choice->candidate_count;
    enum status status = gather(filling, best, &drawing);
    if (status != STATUS_OK) return status;
    if (draw->count < 2) {
        forget(filling, best, known);
        return STATUS_OK;
    }
    while (drawing.place[draw->best] != best) draw->best++;
    choice_probabilities(draw, choice->candidates, choice->gamma, choice->share);
    draw->taken = choice_take(draw, choice_chance(filling->exploring.seed, choice->draw_count));
    *taken = drawing.place[draw->taken];
    *probability = draw->probability[draw->taken];
    if (*taken != CHOICE_NOTHING) draw->rank = (uint8_t)filling->decision->ranked_count;
    choice->draw_count++;
    return STATUS_OK;
}
