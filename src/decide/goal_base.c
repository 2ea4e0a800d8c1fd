/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/memory.h"
#include "decide/decider.h"
#include "decide/named_treatment.h"
#include "profile/landmark.h"
#include "profile/outcome.h"
#include "profile/walk.h"

#define LANDMARKS 6 /* monthly, back from the last one that has matured */

struct goal_sums {
    double rows, yes, value, valued;
};
enum moments { AFTER_LANDMARKS, AFTER_TREATMENTS, MOMENTS };

struct base_part {
    const struct world *world;
    int64_t now_ms;
    struct goal_sums *sums; /* [goal][moments] */
};

static bool is_of_treatment(const struct goal *goal) {
    return goal->until != NULL || (goal->where != NULL && expr_uses_treatment(goal->where));
}

static bool reads_traits(const struct goal *goal) {
    return (goal->where != NULL && expr_traits(goal->where, NULL, 0) > 0) ||
           (goal->value != NULL && expr_traits(goal->value, NULL, 0) > 0);
}

static void add_outcome(struct base_part *part, struct profiler *profiler,
                        const struct timeline *timeline, uint32_t goal_index,
                        const struct treatment *treatment, int64_t t_ms) {
    const struct goal *goal = &part->world->playbook->goals[goal_index];
    struct goal_sums *sums = &part->sums[goal_index * MOMENTS +
                                         (treatment != NULL ? AFTER_TREATMENTS : AFTER_LANDMARKS)];
    if (reads_traits(goal)) {
        profile_at(profiler, timeline, t_ms);
        profile_with(profiler, treatment);
    }
    struct outcome_detail detail =
        outcome_of(profiler, timeline, goal, treatment, t_ms, part->now_ms);
    if (detail.matured_ms > part->now_ms) return;
    sums->rows += 1;
    if (detail.outcome != OUTCOME_YES) return;
    sums->yes += 1;
    double amount = amount_of(part->world->playbook, detail.value);
    if (isnan(amount)) return;
    sums->value += amount;
    sums->valued += 1;
}

static enum status add_past_treatments(struct base_part *part, struct profiler *profiler,
                                       const struct timeline *timeline, uint32_t goal_index,
                                       struct error *error) {
    for (uint32_t row = 0; row < timeline->count; row++) {
        const struct treatment *treatment;
        if (timeline->type[row] != EVENT_TREATMENT_DELIVERED &&
            timeline->type[row] != EVENT_TREATMENT_SHOWN)
            continue;
        enum status status =
            named_treatment(part->world, timeline, row, part->now_ms, &treatment, error);
        if (status != STATUS_OK) return status;
        if (treatment == NULL || treatment->action->goal != goal_index) continue;
        add_outcome(part, profiler, timeline, goal_index, treatment, timeline->time_ms[row] - 1);
    }
    return STATUS_OK;
}

static void add_landmarks(struct base_part *part, struct profiler *profiler,
                          const struct timeline *timeline, uint32_t goal_index) {
    const struct playbook *playbook = part->world->playbook;
    const struct goal *goal = &playbook->goals[goal_index];
    int64_t t_ms = part->now_ms - goal->within_ms - goal->arrives_ms;
    for (uint32_t i = 0; i < LANDMARKS; i++, t_ms -= playbook->landmarks.every_ms) {
        if (!landmark_was_active(part->world, timeline, t_ms)) continue;
        add_outcome(part, profiler, timeline, goal_index, NULL, t_ms);
    }
}

static enum status visit_customer(void *state, struct walker *walker,
                                  const struct timeline *timeline, struct error *error) {
    struct base_part *part = state;
    for (uint32_t g = 0; g < part->world->playbook->goal_count; g++) {
        enum status status = add_past_treatments(part, walker->profiler, timeline, g, error);
        if (status != STATUS_OK) return status;
        if (!is_of_treatment(&part->world->playbook->goals[g]))
            add_landmarks(part, walker->profiler, timeline, g);
    }
    return STATUS_OK;
}

static struct goal_sums sum_of(const struct base_part *parts, uint32_t threads, uint32_t goal,
                               enum moments moments) {
    struct goal_sums all = {0};
    for (uint32_t i = 0; i < threads; i++) {
        const struct goal_sums *part = &parts[i].sums[goal * MOMENTS + moments];
        all.rows += part->rows;
        all.yes += part->yes;
        all.value += part->value;
        all.valued += part->valued;
    }
    return all;
}

/* What a goal is worth is learnt from those that followed a treatment, where there are any. */
static void conclude(const struct playbook *playbook, const struct base_part *parts,
                     uint32_t threads, struct goal_base *out) {
    for (uint32_t g = 0; g < playbook->goal_count; g++) {
        struct goal_sums after_treatments = sum_of(parts, threads, g, AFTER_TREATMENTS);
        struct goal_sums natural = sum_of(parts, threads, g, AFTER_LANDMARKS);
        const struct goal_sums *rate =
            is_of_treatment(&playbook->goals[g]) ? &after_treatments : &natural;
        const struct goal_sums *value = after_treatments.valued > 0 ? &after_treatments : &natural;
        out[g] = (struct goal_base){
            .rate = rate->rows > 0 ? rate->yes / rate->rows : NAN,
            .value = value->valued > 0 ? value->value / value->valued : NAN,
            .treated_rows = (uint64_t)after_treatments.rows,
            .treated_rate =
                after_treatments.rows > 0 ? after_treatments.yes / after_treatments.rows : NAN,
        };
    }
}

/* Traits of a past moment want to know what was known then. */
static bool any_reads_traits(const struct playbook *playbook) {
    bool any = false;
    for (uint32_t g = 0; g < playbook->goal_count; g++)
        any = any || reads_traits(&playbook->goals[g]);
    return any;
}

enum status goal_bases_measure(const struct world *world, int64_t now_ms, uint32_t threads,
                               struct goal_base *out, struct error *error) {
    struct base_part parts[WALK_THREADS_MAX] = {0};
    void *states[WALK_THREADS_MAX];
    if (threads == 0) threads = 1;
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < threads; i++) {
        parts[i] = (struct base_part){.world = world, .now_ms = now_ms};
        parts[i].sums = memory_calloc((size_t)(world->playbook->goal_count + 1) * MOMENTS,
                                      sizeof *parts[i].sums);
        if (parts[i].sums == NULL) status = STATUS_NO_MEMORY;
        states[i] = &parts[i];
    }
    struct walk_plan plan = {.world = world,
                             .as_of = {now_ms, POSITION_NOW},
                             .threads = threads,
                             .all_times = any_reads_traits(world->playbook),
                             .visit = visit_customer,
                             .parts = states};
    if (status == STATUS_OK) status = walk_customers(&plan, error);
    if (status == STATUS_OK) conclude(world->playbook, parts, threads, out);
    for (uint32_t i = 0; i < threads; i++) memory_free(parts[i].sums);
    return status;
}
