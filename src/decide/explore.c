/* SPDX-License-Identifier: Apache-2.0 */
/* Draws the slots of a decision whose playbook explores (decide/choice.h). */
#include <stdlib.h>

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
    exploring->known = arena_alloc(arena, count * sizeof *exploring->known + 1);
    exploring->pool.place = arena_alloc(arena, count * sizeof *exploring->pool.place + 1);
    exploring->candidates = arena_alloc(arena, exploring->capacity * sizeof *exploring->candidates);
    exploring->draws = arena_alloc(arena, slots * sizeof *exploring->draws);
    if (exploring->known == NULL || exploring->pool.place == NULL ||
        exploring->candidates == NULL || exploring->draws == NULL)
        return STATUS_NO_MEMORY;
    memset(exploring->known, 0, count * sizeof *exploring->known);
    decision->choice.candidates = exploring->candidates;
    decision->choice.draws = exploring->draws;
    /* The priority of what was stopped is unknown, or not above 0. */
    for (uint32_t i = 0; i < count; i++) {
        double priority = decision->trace.priority[i];
        exploring->highest = priority > exploring->highest ? priority : exploring->highest;
    }
    return STATUS_OK;
}

/* ---- the pool ---- */

static inline void best_add(struct best *best, double key, uint32_t place) {
    struct best_item item = {key, place}, *items = best->items;
    if (best->count == POOL_BATCH && !(key > items[POOL_BATCH - 1].key)) return;
    uint32_t to = best->count < POOL_BATCH ? best->count++ : POOL_BATCH - 1;
    for (; to > 0 && items[to - 1].key < key; to--) items[to] = items[to - 1];
    items[to] = item;
}

/* The highest priorities of neighbours in the trace that have one route. */
static void find_highest(const struct decision_trace *trace, uint32_t first, uint32_t end,
                         struct best *out) {
    const double *priority = trace->priority;
    const uint8_t *stage = trace->stage;
    double least = 0;
    out->count = 0;
    for (uint32_t i = first; i < end; i++) {
        if (!(priority[i] > least) || stage[i] != STAGE_OFFERED) continue;
        best_add(out, priority[i], i);
        if (out->count == POOL_BATCH) least = out->items[POOL_BATCH - 1].key;
    }
}

/* The upper bound of a priority is that of its propensity at the same price. */
static void bound(const struct filling *filling, const uint32_t *place, uint32_t count,
                  double *upper) {
    const struct decision_trace *trace = &filling->decision->trace;
    const struct facts *facts = filling->decider->facts;
    uint32_t route = filling->routes[place[0]];
    struct price price = facts_price(facts, route);
    double worth = price.weight * price.value * price.lever, propensity[POOL_BATCH];
    for (uint32_t i = 0; i < count; i++) propensity[i] = trace->propensity[place[i]];
    choice_uppers(propensity, count, facts_rows(facts, route), upper);
    for (uint32_t i = 0; i < count; i++)
        upper[i] = trace->priority[place[i]] + (upper[i] - propensity[i]) * worth;
}

/* Those of a run that may be drawn join the pool. */
static void add_bounded(struct filling *filling, const struct best *some, struct best *pool) {
    uint32_t place[POOL_BATCH];
    double upper[POOL_BATCH];
    for (uint32_t i = 0; i < some->count; i++) place[i] = some->items[i].place;
    bound(filling, place, some->count, upper);
    for (uint32_t i = 0; i < some->count; i++) best_add(pool, upper[i], place[i]);
}

void explore_at(struct filling *filling, uint32_t at) {
    struct pool *pool = &filling->exploring.pool;
    struct best *few = &filling->exploring.few, all, some;
    const struct decision *decision = filling->decision;
    uint32_t found = 0;
    if (pool->is_begun && filling_takes_the_same(filling, pool->at, at)) return;
    *pool = (struct pool){.place = pool->place, .is_begun = true, .at = at};
    all.count = few->count = 0;
    for (uint32_t r = 0; r < filling->runs.count; r++) {
        const struct live_run *run = &filling->runs.runs[r];
        if (run->first >= decision->trace.count) break;
        if (!filling_takes(filling, at, run->first)) continue;
        find_highest(&decision->trace, run->first, filling_run_end(filling, run), &some);
        for (uint32_t i = 0; i < some.count; i++)
            best_add(few, some.items[i].key, some.items[i].place);
        found += some.count;
        if (some.count > 0 && is_explored(filling, run->first)) add_bounded(filling, &some, &all);
    }
    for (uint32_t i = 0; i < all.count; i++) pool->place[i] = all.items[i].place;
    pool->count = all.count;
    /* Each run found all that it has, or a batch. */
    pool->is_whole = found < POOL_BATCH;
}

static int compare_items(const void *left, const void *right) {
    const struct best_item *a = left, *b = right;
    if (a->key != b->key) return a->key > b->key ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* Finds all others, which is seldom needed: most of the first batch can't stand. */
static enum status find_all(struct filling *filling) {
    struct pool *pool = &filling->exploring.pool;
    const struct decision *decision = filling->decision;
    uint32_t count = decision->trace.count, others = 0;
    struct arena *arena = &filling->decider->arena;
    struct best_item *all = arena_alloc(arena, ((size_t)count + 1) * sizeof *all);
    bool *has = arena_alloc(arena, (size_t)count + 1);
    if (all == NULL || has == NULL) return STATUS_NO_MEMORY;
    memset(has, 0, count);
    for (uint32_t i = 0; i < pool->count; i++) has[pool->place[i]] = true;
    for (uint32_t i = 0; i < count; i++) {
        if (decision->trace.stage[i] != STAGE_OFFERED || has[i] || !is_explored(filling, i) ||
            !filling_takes(filling, pool->at, i))
            continue;
        all[others].place = i;
        bound(filling, &i, 1, &all[others++].key);
    }
    qsort(all, others, sizeof *all, compare_items);
    for (uint32_t i = 0; i < others; i++) pool->place[pool->count++] = all[i].place;
    pool->is_whole = true;
    return STATUS_OK;
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

/* filling_may_join, where that can be told at once. */
static bool joins_at_once(const struct filling *filling, uint32_t place) {
    return filling->decision->trace.stage[place] == STAGE_OFFERED && !filling->has_bundles &&
           !filling_may_be_ranked(filling, place) &&
           (filling->decision->ranked_count == 0 || filling_passes(filling, place));
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
        if (i == pool->count && !pool->is_whole) status = find_all(filling);
        if (status != STATUS_OK || i >= pool->count) break;
        uint32_t place = pool->place[i];
        bool joins = joins_at_once(filling, place);
        if (place == best) continue;
        if (!joins) status = filling_may_join(filling, place, &joins);
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
