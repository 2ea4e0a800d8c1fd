/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/base_rates.h"

#include <math.h>

#include "base/memory.h"
#include "decide/named_treatment.h"
#include "profile/told_once.h"
#include "profile/landmark.h"
#include "profile/outcome.h"
#include "profile/walk.h"

#define LANDMARKS 6 /* monthly, back from the last one that has matured */

/* Amounts are added up as whole numbers of this part of a unit. So the sum depends neither on the
 * order nor on the number of threads. */
#define AMOUNT_PARTS 4294967296.0
#define AMOUNT_MAX   1e18 /* a larger one is no value */
__extension__ typedef __int128 amount_sum;

struct goal_sums {
    uint64_t rows, yes, valued;
    amount_sum value; /* in parts */
};
/* Laid out like the bases, with two sums for each goal. */
enum moments { AFTER_LANDMARKS, AFTER_TREATMENTS, MOMENTS };

struct base_part {
    const struct customer_data *data;
    int64_t now_ms;
    uint32_t action_width;
    struct told_once told;
    struct goal_sums *sums; /* goal * MOMENTS + moments, then those of the actions */
};

static struct goal_sums *sums_of_action(const struct base_part *part, const struct action *action) {
    const struct playbook *playbook = part->data->playbook;
    uint32_t index = (uint32_t)(action - playbook->actions);
    return &part->sums[playbook->goal_count * MOMENTS + index * part->action_width];
}

static uint32_t sums_count(const struct playbook *playbook) {
    return goal_bases_count(playbook) + playbook->goal_count * (MOMENTS - 1);
}

static struct outcome_detail outcome_at(const struct base_part *part, struct profile *profile,
                                        const struct timeline *timeline, const struct goal *goal,
                                        const struct treatment *treatment, int64_t t_ms) {
    if (goal_reads_traits(goal)) {
        profile_at(profile, timeline, t_ms);
        profile_with(profile, treatment);
    }
    return outcome_of(profile, timeline, goal, treatment, t_ms, part->now_ms);
}

static void add_outcome(const struct playbook *playbook, const struct outcome_detail *detail,
                        struct goal_sums *sums) {
    sums->rows += 1;
    if (detail->outcome != OUTCOME_YES) return;
    sums->yes += 1;
    double amount = amount_of(playbook, detail->value);
    if (!(fabs(amount) <= AMOUNT_MAX)) return;
    sums->value += (amount_sum)(amount * AMOUNT_PARTS);
    sums->valued += 1;
}

static void add_treatment(struct base_part *part, struct profile *profile,
                          const struct timeline *timeline, uint32_t row,
                          const struct treatment *treatment) {
    const struct playbook *playbook = part->data->playbook;
    const struct action *action = treatment->action;
    const struct goal *goal = &playbook->goals[action->goal];
    struct outcome_detail detail =
        outcome_at(part, profile, timeline, goal, treatment, timeline->time_ms[row] - 1);
    if (detail.matured_ms > part->now_ms) return;
    struct goal_sums *own = sums_of_action(part, action);
    add_outcome(playbook, &detail, &part->sums[action->goal * MOMENTS + AFTER_TREATMENTS]);
    add_outcome(playbook, &detail, own);
    for (uint32_t k = 0; k < action->channel_count; k++) {
        if (action->channels[k].channel == timeline->channel[row])
            add_outcome(playbook, &detail, own + 1 + k);
    }
}

static enum status add_past_treatments(struct base_part *part, struct profile *profile,
                                       const struct timeline *timeline, struct error *error) {
    told_once_clear(&part->told);
    for (uint32_t row = 0; row < timeline->count; row++) {
        const struct treatment *treatment;
        bool again = false;
        if (timeline->type[row] != EVENT_TREATMENT_DELIVERED &&
            timeline->type[row] != EVENT_TREATMENT_SHOWN)
            continue;
        if (!timeline_known(timeline, row, part->now_ms)) continue;
        enum status status =
            named_treatment(part->data, timeline, row, part->now_ms, &treatment, error);
        if (status == STATUS_OK && treatment != NULL)
            status = told_once_add(&part->told, part->data, timeline, row, treatment->key, &again);
        if (status != STATUS_OK) return status;
        if (treatment != NULL && !again) add_treatment(part, profile, timeline, row, treatment);
    }
    return STATUS_OK;
}

static void add_landmarks(struct base_part *part, struct profile *profile,
                          const struct timeline *timeline, uint32_t goal_index) {
    const struct playbook *playbook = part->data->playbook;
    const struct goal *goal = &playbook->goals[goal_index];
    int64_t t_ms = part->now_ms - goal->within_ms - goal->arrives_ms;
    for (uint32_t i = 0; i < LANDMARKS; i++, t_ms -= playbook->landmarks.every_ms) {
        if (!landmark_was_active(part->data, timeline, t_ms)) continue;
        struct outcome_detail detail = outcome_at(part, profile, timeline, goal, NULL, t_ms);
        if (detail.matured_ms > part->now_ms) continue;
        add_outcome(playbook, &detail, &part->sums[goal_index * MOMENTS + AFTER_LANDMARKS]);
    }
}

static enum status visit_customer(void *state, struct walker *walker,
                                  const struct timeline *timeline, struct error *error) {
    struct base_part *part = state;
    for (uint32_t g = 0; g < part->data->playbook->goal_count; g++) {
        if (!goal_is_of_treatment(&part->data->playbook->goals[g]))
            add_landmarks(part, walker->profile, timeline, g);
    }
    return add_past_treatments(part, walker->profile, timeline, error);
}

static void add_sums(struct goal_sums *into, const struct goal_sums *from, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        into[i].rows += from[i].rows;
        into[i].yes += from[i].yes;
        into[i].value += from[i].value;
        into[i].valued += from[i].valued;
    }
}

static double rate_of(const struct goal_sums *sums) {
    return sums->rows > 0 ? (double)sums->yes / (double)sums->rows : NAN;
}

static double value_of(const struct goal_sums *sums) {
    return sums->valued > 0 ? (double)sums->value / AMOUNT_PARTS / (double)sums->valued : NAN;
}

/* Concludes the bases. A goal's value is learnt from goals that followed a treatment, where there
 * are any. */
static void conclude(const struct playbook *playbook, const struct goal_sums *sums,
                     struct goal_base *out) {
    uint32_t goals = playbook->goal_count, count = goal_bases_count(playbook);
    for (uint32_t g = 0; g < goals; g++) {
        const struct goal_sums *natural = &sums[g * MOMENTS + AFTER_LANDMARKS],
                               *treated = &sums[g * MOMENTS + AFTER_TREATMENTS];
        out[g] = (struct goal_base){
            .rate = rate_of(goal_is_of_treatment(&playbook->goals[g]) ? treated : natural),
            .value = value_of(treated->valued > 0 ? treated : natural),
            .treated_rows = treated->rows,
            .treated_rate = rate_of(treated),
        };
    }
    for (uint32_t i = goals; i < count; i++) {
        const struct goal_sums *own = &sums[i + goals * (MOMENTS - 1)];
        out[i] = (struct goal_base){
            .rate = NAN, .value = NAN, .treated_rows = own->rows, .treated_rate = rate_of(own)};
    }
}

/* Does any expression read traits? Traits of a past moment need what was known then. */
static bool any_reads_traits(const struct playbook *playbook) {
    bool any = false;
    for (uint32_t g = 0; g < playbook->goal_count; g++)
        any = any || goal_reads_traits(&playbook->goals[g]);
    return any;
}

static enum status begin_parts(const struct customer_data *data,
                               const struct base_rates_options *options, struct base_part *parts,
                               uint32_t threads) {
    uint32_t count = sums_count(data->playbook);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < threads; i++) {
        parts[i] = (struct base_part){.data = data,
                                      .now_ms = options->at_ms,
                                      .action_width = goal_bases_of_action(data->playbook)};
        parts[i].sums = memory_calloc((size_t)count + 1, sizeof *parts[i].sums);
        if (parts[i].sums == NULL) status = STATUS_NO_MEMORY;
    }
    return status;
}

enum status base_rates_measure(const struct customer_data *data,
                               const struct base_rates_options *options, struct goal_base *out,
                               struct error *error) {
    struct base_part parts[WALK_THREADS_MAX] = {0};
    void *states[WALK_THREADS_MAX];
    uint32_t threads = options->threads == 0 ? 1 : options->threads,
             count = sums_count(data->playbook);
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    for (uint32_t i = 0; i < threads; i++) states[i] = &parts[i];
    struct walk_plan plan = {.data = data,
                             .as_of = {options->at_ms, options->position},
                             .threads = threads,
                             .all_times = any_reads_traits(data->playbook),
                             .visit = visit_customer,
                             .parts = states,
                             .work = options->work};
    work_step(options->work, "customers read for base rates", 0);
    enum status status = begin_parts(data, options, parts, threads);
    if (status == STATUS_OK) status = walk_customers(&plan, error);
    for (uint32_t i = 1; i < threads && status == STATUS_OK; i++)
        add_sums(parts[0].sums, parts[i].sums, count);
    if (status == STATUS_OK) conclude(data->playbook, parts[0].sums, out);
    for (uint32_t i = 0; i < threads; i++) {
        told_once_release(&parts[i].told);
        memory_free(parts[i].sums);
    }
    return status;
}
