/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "learn/learn.h"

#define DRAWS_MAX  2000
#define DRAWS_MIN  200
#define DRAW_STEPS 200000000 /* one call aims at so many rows times draws, between these */
#define BIN_COUNT  10
#define LOSS_FLOOR 1e-15

/* The rows in order of score, sorted once. Each draw is then one pass with a weight by group. */
struct ranked_row {
    double score;
    uint32_t group; /* dense */
    uint32_t index; /* where it was */
    bool yes, ends_tie;
};
struct ranking {
    struct ranked_row *rows;
    size_t count;
};
struct group_sums {
    double rows, yes, loss;
};

static int compare_rows(const void *left, const void *right) {
    const struct ranked_row *a = left, *b = right;
    if (a->score != b->score) return a->score < b->score ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int compare_groups(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static enum status ranking_init(struct ranking *ranking, const double *score, const bool *yes,
                                const uint32_t *dense, size_t count) {
    ranking->rows = memory_alloc((count + 1) * sizeof *ranking->rows);
    if (ranking->rows == NULL) return STATUS_NO_MEMORY;
    ranking->count = count;
    for (size_t i = 0; i < count; i++) {
        ranking->rows[i] =
            (struct ranked_row){score[i] + 0.0, dense[i], (uint32_t)i, yes[i], false};
    }
    qsort(ranking->rows, count, sizeof *ranking->rows, compare_rows);
    for (size_t i = 0; i < count; i++) {
        ranking->rows[i].ends_tie =
            i + 1 == count || ranking->rows[i].score != ranking->rows[i + 1].score;
    }
    return STATUS_OK;
}

/* Numbers the groups 0 .. count - 1 in the order of their ids, so that the same customers get the
 * same weights in any order of rows. */
static enum status make_dense(const uint32_t *group, size_t count, uint32_t **dense,
                              uint32_t *group_count) {
    uint32_t *sorted = memory_alloc((count + 1) * sizeof *sorted);
    *dense = memory_alloc((count + 1) * sizeof **dense);
    if (sorted == NULL || *dense == NULL) {
        memory_free(sorted);
        return STATUS_NO_MEMORY;
    }
    memcpy(sorted, group, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_groups);
    uint32_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || sorted[i] != sorted[distinct - 1]) sorted[distinct++] = sorted[i];
    }
    for (size_t i = 0; i < count; i++) {
        const uint32_t *at = bsearch(&group[i], sorted, distinct, sizeof *sorted, compare_groups);
        (*dense)[i] = (uint32_t)(at - sorted);
    }
    memory_free(sorted);
    *group_count = distinct;
    return STATUS_OK;
}

/* Weights are drawn as Poisson of mean 1 by inversion, two from a random number. A draw beyond 12
 * (chance 6e-11) counts as 12. Most are told by their first bits alone. */
#define DRAW_BITS   12
#define DRAW_UNSURE UINT8_MAX
struct weight_draws {
    uint32_t limits[12];
    uint8_t by_bits[1 << DRAW_BITS];
};

static uint8_t draw_weight(const struct weight_draws *draws, uint32_t bits) {
    uint8_t weight = 0;
    while (weight < 12 && bits >= draws->limits[weight]) weight++;
    return weight;
}

static void weight_draws_init(struct weight_draws *draws) {
    static const double cumulative[] = {.36787944117144233, .73575888234288467, .91969860292860584,
                                        .98101184312384626, .99634015317265634, .99940581518241836,
                                        .99991675885071199, .99998975080332512, .99999887479740203,
                                        .99999988857452159, .99999998995223362, .99999999916838931};
    for (int k = 0; k < 12; k++) draws->limits[k] = (uint32_t)(cumulative[k] * 4294967296.0);
    for (uint32_t i = 0; i < 1 << DRAW_BITS; i++) {
        uint32_t lowest = i << (32 - DRAW_BITS), highest = lowest | (UINT32_MAX >> DRAW_BITS);
        uint8_t weight = draw_weight(draws, lowest);
        draws->by_bits[i] = weight == draw_weight(draws, highest) ? weight : DRAW_UNSURE;
    }
}

static inline uint8_t draw_quickly(const struct weight_draws *draws, uint32_t bits) {
    uint8_t weight = draws->by_bits[bits >> (32 - DRAW_BITS)];
    return weight != DRAW_UNSURE ? weight : draw_weight(draws, bits);
}

static void draw_weights(const struct weight_draws *draws, struct random *random, uint8_t *weights,
                         uint32_t count) {
    for (uint32_t i = 0; i < count; i += 2) {
        uint64_t bits = random_u64(random);
        weights[i] = draw_quickly(draws, (uint32_t)bits);
        if (i + 1 < count) weights[i + 1] = draw_quickly(draws, (uint32_t)(bits >> 32));
    }
}

static uint32_t draw_count(size_t rows) {
    size_t draws = DRAW_STEPS / (rows + 1);
    return draws > DRAWS_MAX ? DRAWS_MAX : draws < DRAWS_MIN ? DRAWS_MIN : (uint32_t)draws;
}

/* Returns the AUC by Mann and Whitney: the chance that a yes scores above a no; ties count half.
 * NaN where one class has no weight. */
static double auc_of(const struct ranking *ranking, const uint8_t *weights) {
    double no_below = 0, pairs = 0, yes_all = 0;
    uint64_t yes_tied = 0, tied = 0;
    for (size_t i = 0; i < ranking->count; i++) {
        const struct ranked_row *row = &ranking->rows[i];
        uint32_t weight = weights[row->group];
        tied += weight;
        yes_tied += weight & -(uint32_t)row->yes;
        if (!row->ends_tie) continue;
        double yes = (double)yes_tied, no = (double)(tied - yes_tied);
        pairs += yes * (no_below + no / 2);
        no_below += no;
        yes_all += yes;
        yes_tied = tied = 0;
    }
    return pairs / (yes_all * no_below);
}

/* Returns the calibration error. Tied rows stay in one bin, since their order means nothing. */
static double calibration_error_of(const struct ranking *ranking, const uint8_t *weights,
                                   double all) {
    double expected = 0, error = 0;
    uint64_t seen = 0, yes = 0;
    uint32_t bins = 1;
    for (size_t i = 0; i < ranking->count; i++) {
        const struct ranked_row *row = &ranking->rows[i];
        uint32_t weight = weights[row->group];
        seen += weight;
        expected += weight * row->score;
        yes += weight & -(uint32_t)row->yes;
        if (!row->ends_tie || (double)seen * BIN_COUNT < all * bins) continue;
        error += fabs(expected - (double)yes);
        expected = 0;
        yes = 0;
        while (bins <= BIN_COUNT && (double)seen * BIN_COUNT >= all * bins) bins++;
    }
    return (error + fabs(expected - (double)yes)) / all;
}

/* Returns the top-tenth gain. Where the tenth cuts a tie, the tied rows count in part. */
static double top_tenth_gain_of(const struct ranking *ranking, const uint8_t *weights,
                                struct group_sums sums) {
    double left = sums.rows / 10, top_yes = 0, tied = 0, yes_tied = 0;
    for (size_t i = ranking->count; i-- > 0 && left > 0;) {
        const struct ranked_row *row = &ranking->rows[i];
        tied += weights[row->group];
        if (row->yes) yes_tied += weights[row->group];
        if (i > 0 && !ranking->rows[i - 1].ends_tie) continue;
        top_yes += tied > left ? yes_tied * (left / tied) : yes_tied;
        left -= tied;
        tied = yes_tied = 0;
    }
    return 10 * top_yes / sums.yes;
}

enum metric { METRIC_AUC, METRIC_LOSS, METRIC_CALIBRATION, METRIC_GAIN, METRIC_RATE, METRIC_COUNT };

struct resampling {
    struct ranking ranking;
    uint32_t *dense;
    uint32_t group_count, draws;
    struct group_sums *sums;     /* by group */
    uint8_t *weights;            /* by group */
    double *drawn[METRIC_COUNT]; /* by draw */
};

static void measure(const struct resampling *resampling, double out[METRIC_COUNT]) {
    struct group_sums all = {0};
    for (uint32_t g = 0; g < resampling->group_count; g++) {
        double weight = resampling->weights[g];
        all.rows += weight * resampling->sums[g].rows;
        all.yes += weight * resampling->sums[g].yes;
        all.loss += weight * resampling->sums[g].loss;
    }
    out[METRIC_AUC] = auc_of(&resampling->ranking, resampling->weights);
    out[METRIC_LOSS] = all.loss / all.rows;
    out[METRIC_CALIBRATION] =
        calibration_error_of(&resampling->ranking, resampling->weights, all.rows);
    out[METRIC_GAIN] = top_tenth_gain_of(&resampling->ranking, resampling->weights, all);
    out[METRIC_RATE] = all.yes / all.rows;
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static struct interval unknown_around(double value) {
    return (struct interval){value, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
}

/* Returns the middle 95 % and 50 % of the draws in which the figure is defined. */
static struct interval interval_of(double value, double *draws, uint32_t count) {
    uint32_t defined = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!isnan(draws[i])) draws[defined++] = draws[i];
    }
    if (isnan(value) || defined == 0) return unknown_around(value);
    qsort(draws, defined, sizeof *draws, compare_doubles);
    uint32_t tail = (uint32_t)(.025 * defined), quarter = (uint32_t)(.25 * defined);
    return (struct interval){value, draws[tail], draws[defined - 1 - tail], draws[quarter],
                             draws[defined - 1 - quarter]};
}

static enum status resampling_init(struct resampling *resampling, const double *propensity,
                                   const bool *yes, const uint32_t *group, size_t count) {
    enum status status = make_dense(group, count, &resampling->dense, &resampling->group_count);
    if (status == STATUS_OK)
        status = ranking_init(&resampling->ranking, propensity, yes, resampling->dense, count);
    if (status != STATUS_OK) return status;
    resampling->draws = draw_count(count);
    resampling->sums = memory_calloc(resampling->group_count, sizeof *resampling->sums);
    resampling->weights = memory_alloc(resampling->group_count);
    double *drawn = memory_alloc(METRIC_COUNT * resampling->draws * sizeof *drawn);
    resampling->drawn[0] = drawn;
    if (resampling->sums == NULL || resampling->weights == NULL || drawn == NULL)
        return STATUS_NO_MEMORY;
    for (int k = 1; k < METRIC_COUNT; k++)
        resampling->drawn[k] = drawn + (size_t)k * resampling->draws;
    for (size_t i = 0; i < count; i++) {
        struct group_sums *sums = &resampling->sums[resampling->dense[i]];
        double chance = yes[i] ? propensity[i] : 1 - propensity[i];
        sums->rows += 1;
        sums->yes += yes[i];
        sums->loss -= log(chance > LOSS_FLOOR ? chance : LOSS_FLOOR);
    }
    return STATUS_OK;
}

static void resampling_release(struct resampling *resampling) {
    memory_free(resampling->ranking.rows);
    memory_free(resampling->dense);
    memory_free(resampling->sums);
    memory_free(resampling->weights);
    memory_free(resampling->drawn[0]);
}

static void run_draws(struct resampling *resampling, uint64_t seed, struct model_metrics *out) {
    double value[METRIC_COUNT], drawn[METRIC_COUNT];
    memset(resampling->weights, 1, resampling->group_count);
    measure(resampling, value);
    struct random random;
    struct weight_draws draws;
    random_init(&random, seed);
    weight_draws_init(&draws);
    for (uint32_t i = 0; i < resampling->draws; i++) {
        draw_weights(&draws, &random, resampling->weights, resampling->group_count);
        measure(resampling, drawn);
        for (int k = 0; k < METRIC_COUNT; k++) resampling->drawn[k][i] = drawn[k];
    }
    struct interval *to[METRIC_COUNT] = {&out->auc, &out->log_loss, &out->calibration_error,
                                         &out->top_tenth_gain, &out->base_rate};
    for (int k = 0; k < METRIC_COUNT; k++)
        *to[k] = interval_of(value[k], resampling->drawn[k], resampling->draws);
}

enum status metrics_of(const double *propensity, const bool *yes, const uint32_t *group,
                       size_t count, uint64_t seed, struct model_metrics *out) {
    *out = (struct model_metrics){.rows = count};
    if (count == 0 || count > LEARN_ROWS_MAX) return STATUS_INVALID;
    for (size_t i = 0; i < count; i++) {
        if (!(propensity[i] >= 0 && propensity[i] <= 1)) return STATUS_INVALID;
        out->yes += yes[i];
    }
    struct resampling resampling = {0};
    enum status status = resampling_init(&resampling, propensity, yes, group, count);
    if (status == STATUS_OK) {
        out->groups = resampling.group_count;
        run_draws(&resampling, seed, out);
    }
    resampling_release(&resampling);
    return status;
}

struct pair {
    struct ranking a, b;
    uint32_t *dense;
    uint8_t *weights;
    double *differences;
    uint32_t group_count, draws;
};

static enum status pair_init(struct pair *pair, const double *a, const double *b, const bool *yes,
                             const uint32_t *group, size_t count) {
    enum status status = make_dense(group, count, &pair->dense, &pair->group_count);
    if (status == STATUS_OK) status = ranking_init(&pair->a, a, yes, pair->dense, count);
    if (status == STATUS_OK) status = ranking_init(&pair->b, b, yes, pair->dense, count);
    if (status != STATUS_OK) return status;
    pair->draws = draw_count(count);
    pair->weights = memory_alloc(pair->group_count);
    pair->differences = memory_alloc(pair->draws * sizeof *pair->differences);
    return pair->weights && pair->differences ? STATUS_OK : STATUS_NO_MEMORY;
}

static struct interval pair_interval(struct pair *pair, uint64_t seed) {
    memset(pair->weights, 1, pair->group_count);
    double value = auc_of(&pair->a, pair->weights) - auc_of(&pair->b, pair->weights);
    struct random random;
    struct weight_draws draws;
    random_init(&random, seed);
    weight_draws_init(&draws);
    for (uint32_t i = 0; i < pair->draws; i++) {
        draw_weights(&draws, &random, pair->weights, pair->group_count);
        pair->differences[i] = auc_of(&pair->a, pair->weights) - auc_of(&pair->b, pair->weights);
    }
    return interval_of(value, pair->differences, pair->draws);
}

enum status metrics_auc_difference(const double *a, const double *b, const bool *yes,
                                   const uint32_t *group, size_t count, uint64_t seed,
                                   struct interval *out) {
    *out = unknown_around((double)NAN);
    if (count == 0 || count > LEARN_ROWS_MAX) return STATUS_INVALID;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return STATUS_INVALID;
    }
    struct pair pair = {0};
    enum status status = pair_init(&pair, a, b, yes, group, count);
    if (status == STATUS_OK) *out = pair_interval(&pair, seed);
    memory_free(pair.a.rows);
    memory_free(pair.b.rows);
    memory_free(pair.dense);
    memory_free(pair.weights);
    memory_free(pair.differences);
    return status;
}
