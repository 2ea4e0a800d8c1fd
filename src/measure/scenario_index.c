/* SPDX-License-Identifier: Apache-2.0 */
/* Measures scenario indices. The interval needs, for each customer, how its rows push the index.
 * That push is linear in the customer's vector of counts by landmark (rows and goals, inside and
 * outside). So one walk that adds up the outer products of these vectors is enough; the weights,
 * which depend on the final rates, are applied to the sum. Memory does not grow with the number of
 * customers. */
#include "measure/scenario_index.h"

#include <math.h>

#include "base/memory.h"
#include "profile/landmark.h"
#include "profile/walk.h"

#define LANDMARKS_MAX 60
#define CELLS         4 /* a landmark's counts of one customer: */
enum cell { ROWS_INSIDE, YES_INSIDE, ROWS_OUTSIDE, YES_OUTSIDE };
#define GOALS_MIN 5 /* fewer in either group: the index is unknown */

struct pair_sums { /* one scenario × goal */
    double count[LANDMARKS_MAX * CELLS];
    double *products; /* [width][width], upper triangle */
    uint64_t customers_inside, customers_outside;
    uint64_t rows_limited;
};

struct part_sums {
    const struct customer_data *data;
    const int64_t *landmarks;
    uint32_t landmark_count;
    int64_t now_ms;
    struct pair_sums *pairs;
    double *customer; /* counts of the customer at hand: [pair][landmark][cell] */
};

static uint32_t pair_count(const struct playbook *playbook) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < playbook->scenario_count; i++)
        count += playbook->scenarios[i].goal_count;
    return count;
}

/* ---- one customer ---- */

/* One customer of then: in the scenario as known then, and the goal as known now. */
static void judge_pairs(struct part_sums *sums, struct profile *profile,
                        const struct timeline *then, const struct timeline *today,
                        uint32_t landmark) {
    const struct playbook *playbook = sums->data->playbook;
    int64_t t_ms = sums->landmarks[landmark];
    profile_at(profile, then, t_ms);
    uint32_t pair = 0;
    for (uint32_t s = 0; s < playbook->scenario_count; s++) {
        const struct scenario *scenario = &playbook->scenarios[s];
        struct value in = profile_eval(profile, scenario->when);
        bool inside = in.type == VALUE_YES_NO && in.yes;
        /* Where a limit was reached, it is unknown on which side the row belongs. */
        bool limited = !value_is_known(in) && profile_eval_limited(profile);
        for (uint32_t g = 0; g < scenario->goal_count; g++, pair++) {
            const struct goal *goal = &playbook->goals[scenario->goals[g]];
            sums->pairs[pair].rows_limited += limited;
            if (limited) continue;
            bool yes =
                outcome_of(profile, today, goal, NULL, t_ms, sums->now_ms).outcome == OUTCOME_YES;
            enum cell rows = inside ? ROWS_INSIDE : ROWS_OUTSIDE;
            double *count = sums->customer + (pair * sums->landmark_count + landmark) * CELLS;
            count[rows] += 1;
            count[rows + 1] += yes;
        }
    }
}

static enum status judge_landmark(struct part_sums *sums, struct walker *walker,
                                  const struct timeline *today, uint32_t landmark, bool *any,
                                  struct error *error) {
    int64_t t_ms = sums->landmarks[landmark];
    if (!landmark_was_active(sums->data, today, t_ms)) return STATUS_OK;
    struct customer_id customers[PAST_CUSTOMERS_MAX];
    uint32_t count = past_customers(&walker->past, today, t_ms, customers);
    uint32_t pairs = walker->past.cut ? pair_count(sums->data->playbook) : 0;
    for (uint32_t p = 0; p < pairs; p++) sums->pairs[p].rows_limited++;
    for (uint32_t i = 0; i < count; i++) {
        const struct timeline *then;
        enum status status = past_timeline(&walker->past, today, customers[i], t_ms, &then, error);
        if (status == STATUS_NOT_FOUND) continue;
        if (status != STATUS_OK) return status;
        if (!landmark_was_active(sums->data, then, t_ms)) continue;
        judge_pairs(sums, walker->profile, then, today, landmark);
        *any = true;
    }
    return STATUS_OK;
}

static void add_products(struct pair_sums *pair, uint32_t width, const double *count) {
    uint32_t set[LANDMARKS_MAX * CELLS];
    uint32_t set_count = 0;
    bool inside = false, outside = false;
    for (uint32_t i = 0; i < width; i++) {
        if (count[i] == 0) continue;
        pair->count[i] += count[i];
        inside |= i % CELLS == ROWS_INSIDE;
        outside |= i % CELLS == ROWS_OUTSIDE;
        set[set_count++] = i;
    }
    for (uint32_t a = 0; a < set_count; a++) {
        for (uint32_t b = a; b < set_count; b++) {
            pair->products[set[a] * width + set[b]] += count[set[a]] * count[set[b]];
        }
    }
    pair->customers_inside += inside;
    pair->customers_outside += outside;
}

static enum status visit_customer(void *state, struct walker *walker,
                                  const struct timeline *timeline, struct error *error) {
    struct part_sums *sums = state;
    uint32_t pairs = pair_count(sums->data->playbook), width = sums->landmark_count * CELLS;
    memset(sums->customer, 0, (size_t)pairs * width * sizeof *sums->customer);
    bool any = false;
    for (uint32_t k = 0; k < sums->landmark_count; k++) {
        enum status status = judge_landmark(sums, walker, timeline, k, &any, error);
        if (status != STATUS_OK) return status;
    }
    for (uint32_t p = 0; any && p < pairs; p++)
        add_products(&sums->pairs[p], width, sums->customer + p * width);
    return STATUS_OK;
}

/* ---- the landmarks ---- */

static enum status visit_earliest(void *state, struct walker *walker,
                                  const struct timeline *timeline, struct error *error) {
    (void)walker;
    (void)error;
    int64_t *earliest_ms = state;
    uint32_t row = timeline_upper_bound(timeline, TIME_ALWAYS);
    if (row < timeline->count && timeline->time_ms[row] < *earliest_ms)
        *earliest_ms = timeline->time_ms[row];
    return STATUS_OK;
}

static enum status earliest_event(const struct customer_data *data, int64_t now_ms,
                                  int64_t *earliest_ms, struct error *error) {
    int64_t earliest[WALK_THREADS_MAX];
    void *parts[WALK_THREADS_MAX];
    for (uint32_t i = 0; i < WALK_THREADS_MAX; i++) {
        earliest[i] = now_ms;
        parts[i] = &earliest[i];
    }
    struct walk_plan plan = {.data = data,
                             .as_of = {now_ms, POSITION_NOW},
                             .threads = 1,
                             .visit = visit_earliest,
                             .parts = parts};
    enum status status = walk_customers(&plan, error);
    *earliest_ms = earliest[0];
    return status;
}

/* The longest time until a goal of some scenario has matured. */
static int64_t maturing_ms(const struct playbook *playbook) {
    int64_t longest_ms = 0;
    for (uint32_t s = 0; s < playbook->scenario_count; s++) {
        for (uint32_t g = 0; g < playbook->scenarios[s].goal_count; g++) {
            const struct goal *goal = &playbook->goals[playbook->scenarios[s].goals[g]];
            int64_t needs_ms = goal->within_ms + goal->arrives_ms;
            if (needs_ms > longest_ms) longest_ms = needs_ms;
        }
    }
    return longest_ms;
}

static enum status choose_landmarks(const struct customer_data *data,
                                    const struct scenario_options *options, int64_t *landmarks,
                                    uint32_t *count, struct error *error) {
    const struct landmark_rule *rule = &data->playbook->landmarks;
    int64_t from_ms = options->from_ms;
    if (from_ms == 0) {
        enum status status = earliest_event(data, options->now_ms, &from_ms, error);
        if (status != STATUS_OK) return status;
        from_ms += rule->active_within_ms;
    }
    int64_t last_ms = options->now_ms - maturing_ms(data->playbook);
    *count = 0;
    for (int64_t t_ms = last_ms; t_ms >= from_ms && *count < LANDMARKS_MAX;
         t_ms -= rule->every_ms) {
        landmarks[(*count)++] = t_ms;
    }
    if (*count > 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "the data is too short to measure scenarios: no date lies a whole "
                     "`active_within` after the "
                     "first event and a whole goal horizon before now; shorten `landmarks:` or the "
                     "goals' `within`");
}

/* ---- the figures ---- */

struct figures {
    double weight[LANDMARKS_MAX]; /* share of the rows inside */
    double rate_outside[LANDMARKS_MAX];
    double rows_inside;
    /* Goals that the rates are made of: where both groups have rows. */
    double yes_inside, yes_outside;
    bool usable[LANDMARKS_MAX]; /* others to compare with exist */
};

/* What the figures are called, and how many rows each rests on. */
static void describe(int64_t now_ms, struct scenario_result *result) {
    static const struct {
        const char *name, *question;
        enum figure_unit unit;
    } words[] = {
        {"rate_inside", "what share of the rows inside the scenario reaches the goal",
         FIGURE_SHARE},
        {"rate_outside",
         "what share of comparable rows outside, standardised by date, reaches the goal",
         FIGURE_SHARE},
        {"index", "how many times as often is the goal reached inside as among comparable others",
         FIGURE_TIMES},
    };
    struct figure *figures[] = {&result->rate_inside, &result->rate_outside, &result->index};
    uint64_t n[] = {result->rows_inside, result->rows_outside,
                    result->rows_inside + result->rows_outside};
    for (int i = 0; i < 3; i++) {
        figures[i]->name = words[i].name;
        figures[i]->question = words[i].question;
        figures[i]->unit = words[i].unit;
        figures[i]->of = COUNTED_ROWS;
        figures[i]->n = n[i];
        figures[i]->as_of_ms = now_ms;
    }
}

static void standardise(const struct pair_sums *pair, uint32_t landmarks, struct figures *figures,
                        struct scenario_result *result) {
    *figures = (struct figures){0};
    for (uint32_t k = 0; k < landmarks; k++) {
        const double *count = pair->count + k * CELLS;
        figures->usable[k] = count[ROWS_OUTSIDE] > 0;
        result->rows_inside += (uint64_t)count[ROWS_INSIDE];
        result->rows_outside += (uint64_t)count[ROWS_OUTSIDE];
        result->yes_inside += (uint64_t)count[YES_INSIDE];
        result->yes_outside += (uint64_t)count[YES_OUTSIDE];
        if (!figures->usable[k]) continue;
        figures->rows_inside += count[ROWS_INSIDE];
        figures->rate_outside[k] = count[YES_OUTSIDE] / count[ROWS_OUTSIDE];
        figures->yes_inside += count[YES_INSIDE];
        if (count[ROWS_INSIDE] > 0) figures->yes_outside += count[YES_OUTSIDE];
    }
    result->rate_inside.value =
        figures->rows_inside > 0 ? figures->yes_inside / figures->rows_inside : NAN;
    result->rate_outside.value = figures->rows_inside > 0 ? 0 : NAN;
    for (uint32_t k = 0; k < landmarks && figures->rows_inside > 0; k++) {
        figures->weight[k] =
            figures->usable[k] ? pair->count[k * CELLS + ROWS_INSIDE] / figures->rows_inside : 0;
        result->rate_outside.value += figures->weight[k] * figures->rate_outside[k];
    }
}

/* Computes how much one more of each count moves log(index): the influence weights (delta method).
 */
static void influences(const struct pair_sums *pair, uint32_t landmarks,
                       const struct figures *figures, const struct scenario_result *result,
                       double *weights) {
    for (uint32_t k = 0; k < landmarks; k++) {
        double *w = weights + k * CELLS;
        w[ROWS_INSIDE] = w[YES_INSIDE] = w[ROWS_OUTSIDE] = w[YES_OUTSIDE] = 0;
        if (!figures->usable[k]) continue;
        double outside = pair->count[k * CELLS + ROWS_OUTSIDE] * result->rate_outside.value;
        w[ROWS_INSIDE] =
            -figures->rate_outside[k] / result->rate_outside.value / figures->rows_inside;
        w[YES_INSIDE] = 1 / (result->rate_inside.value * figures->rows_inside);
        w[ROWS_OUTSIDE] = figures->weight[k] * figures->rate_outside[k] / outside;
        w[YES_OUTSIDE] = -figures->weight[k] / outside;
    }
}

static double clustered_variance(const struct pair_sums *pair, uint32_t width,
                                 const double *weights) {
    double variance = 0;
    for (uint32_t a = 0; a < width; a++) {
        for (uint32_t b = a; b < width; b++) {
            double term = weights[a] * weights[b] * pair->products[a * width + b];
            variance += a == b ? term : 2 * term;
        }
    }
    return variance;
}

/* The rate inside alone: each row's push is (yes - rate) / rows. */
static void conclude_inside(const struct pair_sums *pair, uint32_t landmarks,
                            const struct figures *figures, struct scenario_result *result) {
    double weights[LANDMARKS_MAX * CELLS] = {0}, rate = result->rate_inside.value;
    for (uint32_t k = 0; k < landmarks; k++) {
        if (!figures->usable[k]) continue;
        weights[k * CELLS + ROWS_INSIDE] = -rate / figures->rows_inside;
        weights[k * CELLS + YES_INSIDE] = 1 / figures->rows_inside;
    }
    figure_clustered_share(&result->rate_inside,
                           clustered_variance(pair, landmarks * CELLS, weights),
                           pair->customers_inside);
}

/* Concludes the standardised rate of the others. Customers inside push it, too, since they weigh a
 * date. */
static void conclude_outside(const struct pair_sums *pair, uint32_t landmarks,
                             const struct figures *figures, struct scenario_result *result) {
    double weights[LANDMARKS_MAX * CELLS] = {0}, rate = result->rate_outside.value;
    for (uint32_t k = 0; k < landmarks; k++) {
        double *w = weights + k * CELLS;
        if (!figures->usable[k]) continue;
        w[ROWS_INSIDE] = (figures->rate_outside[k] - rate) / figures->rows_inside;
        double rows = pair->count[k * CELLS + ROWS_OUTSIDE];
        w[ROWS_OUTSIDE] = -figures->weight[k] * figures->rate_outside[k] / rows;
        w[YES_OUTSIDE] = figures->weight[k] / rows;
    }
    figure_clustered_share(&result->rate_outside,
                           clustered_variance(pair, landmarks * CELLS, weights),
                           pair->customers_outside);
}

static void conclude_index(const struct pair_sums *pair, uint32_t landmarks,
                           const struct figures *figures, struct scenario_result *result) {
    double weights[LANDMARKS_MAX * CELLS], inside = result->rate_inside.value,
                                           outside = result->rate_outside.value;
    uint64_t fewer = pair->customers_inside < pair->customers_outside ? pair->customers_inside
                                                                      : pair->customers_outside;
    result->index.value = (double)NAN;
    figure_unknown(&result->index);
    if (figures->yes_inside < GOALS_MIN || figures->yes_outside < GOALS_MIN || fewer < 2) return;
    if (!(inside > 0 && outside > 0)) return;
    influences(pair, landmarks, figures, result, weights);
    result->index.value = inside / outside;
    figure_clustered_ratio(&result->index, clustered_variance(pair, landmarks * CELLS, weights),
                           fewer);
}

static void conclude(const struct pair_sums *pair, uint32_t landmarks, int64_t now_ms,
                     struct scenario_result *result) {
    struct figures figures;
    standardise(pair, landmarks, &figures, result);
    result->customers_inside = pair->customers_inside;
    result->customers_outside = pair->customers_outside;
    result->rows_limited = pair->rows_limited;
    conclude_inside(pair, landmarks, &figures, result);
    conclude_outside(pair, landmarks, &figures, result);
    conclude_index(pair, landmarks, &figures, result);
    describe(now_ms, result);
}

/* ---- the whole ---- */

static void release_sums(struct part_sums *sums, uint32_t pairs) {
    for (uint32_t p = 0; sums->pairs != NULL && p < pairs; p++)
        memory_free(sums->pairs[p].products);
    memory_free(sums->pairs);
    memory_free(sums->customer);
}

static enum status init_sums(struct part_sums *sums, uint32_t pairs) {
    size_t width = (size_t)sums->landmark_count * CELLS;
    sums->pairs = memory_calloc(pairs, sizeof *sums->pairs);
    sums->customer = memory_calloc(pairs * width, sizeof *sums->customer);
    if (sums->pairs == NULL || sums->customer == NULL) return STATUS_NO_MEMORY;
    for (uint32_t p = 0; p < pairs; p++) {
        sums->pairs[p].products = memory_calloc(width * width, sizeof(double));
        if (sums->pairs[p].products == NULL) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static void add_sums(struct part_sums *into, const struct part_sums *from, uint32_t pairs) {
    uint32_t width = into->landmark_count * CELLS;
    for (uint32_t p = 0; p < pairs; p++) {
        struct pair_sums *a = &into->pairs[p];
        const struct pair_sums *b = &from->pairs[p];
        for (uint32_t i = 0; i < width; i++) a->count[i] += b->count[i];
        for (uint32_t i = 0; i < width * width; i++) a->products[i] += b->products[i];
        a->customers_inside += b->customers_inside;
        a->customers_outside += b->customers_outside;
        a->rows_limited += b->rows_limited;
    }
}

static enum status measure(const struct customer_data *data, const struct scenario_options *options,
                           struct part_sums *sums, uint32_t threads, struct error *error) {
    void *parts[WALK_THREADS_MAX];
    for (uint32_t i = 0; i < threads; i++) parts[i] = &sums[i];
    struct walk_plan plan = {
        .data = data,
        .as_of = {options->now_ms, POSITION_NOW},
        .all_times = true,
        .threads = threads,
        .visit = visit_customer,
        .parts = parts,
        .work = options->work,
    };
    work_step(options->work, "customers judged by scenario", 0);
    return walk_customers(&plan, error);
}

static void write_results(const struct playbook *playbook, const struct part_sums *sums,
                          struct scenario_result *results) {
    uint32_t pair = 0;
    for (uint32_t s = 0; s < playbook->scenario_count; s++) {
        for (uint32_t g = 0; g < playbook->scenarios[s].goal_count; g++, pair++) {
            results[pair].scenario = s;
            results[pair].goal = playbook->scenarios[s].goals[g];
            results[pair].landmark_count = sums->landmark_count;
            results[pair].last_landmark_ms = sums->landmarks[0];
            results[pair].first_landmark_ms = sums->landmarks[sums->landmark_count - 1];
            conclude(&sums->pairs[pair], sums->landmark_count, sums->now_ms, &results[pair]);
        }
    }
}

enum status scenario_measure(const struct customer_data *data,
                             const struct scenario_options *options,
                             struct scenario_result **results, size_t *count, struct error *error) {
    uint32_t pairs = pair_count(data->playbook);
    uint32_t threads = options->threads == 0 ? 1 : options->threads;
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    int64_t landmarks[LANDMARKS_MAX];
    uint32_t landmark_count;
    *results = NULL;
    *count = 0;
    if (pairs == 0) return STATUS_OK;
    enum status status = choose_landmarks(data, options, landmarks, &landmark_count, error);
    if (status != STATUS_OK) return status;
    struct part_sums sums[WALK_THREADS_MAX] = {0};
    for (uint32_t i = 0; i < threads && status == STATUS_OK; i++) {
        sums[i] = (struct part_sums){.data = data,
                                     .landmarks = landmarks,
                                     .landmark_count = landmark_count,
                                     .now_ms = options->now_ms};
        status = init_sums(&sums[i], pairs);
    }
    if (status == STATUS_OK) status = measure(data, options, sums, threads, error);
    for (uint32_t i = 1; i < threads && status == STATUS_OK; i++)
        add_sums(&sums[0], &sums[i], pairs);
    if (status == STATUS_OK) {
        *results = memory_calloc(pairs, sizeof **results);
        if (*results == NULL) status = STATUS_NO_MEMORY;
    }
    if (status == STATUS_OK) {
        write_results(data->playbook, &sums[0], *results);
        *count = pairs;
    }
    for (uint32_t i = 0; i < threads; i++) release_sums(&sums[i], pairs);
    return status;
}
