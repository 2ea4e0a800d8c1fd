/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "learn/learn.h"

#define DRAWS_MAX  2000
#define DRAWS_MIN  200
#define DRAW_STEPS 200000000 /* rows times draws that one call aims at, between these */
#define BIN_COUNT  10
#define LOSS_FLOOR 1e-15

/* The rows in order of score, sorted once; every draw is then one pass with a weight by group. */
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

/* Groups to 0 .. count - 1 in the order of their numbers, so that the same customers get the same
 * weights in any order of rows. */
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

/* Poisson of mean 1 by inversion, two to a random number; beyond 12 (chance 6e-11) it is 12. */
static void draw_weights(struct random *random, uint8_t *weights, uint32_t count) {
    static const double cumulative[] = {.36787944117144233, .73575888234288467, .91969860292860584,
                                        .98101184312384626, .99634015317265634, .99940581518241836,
                                        .99991675885071199, .99998975080332512, .99999887479740203,
                                        .99999988857452159, .99999998995223362, .99999999916838931};
    uint32_t limits[12];
    for (int k = 0; k < 12; k++) limits[k] = (uint32_t)(cumulative[k] * 4294967296.0);
    for (uint32_t i = 0; i < count; i += 2) {
        uint64_t bits = random_u64(random);
        uint8_t first = 0, second = 0;
        while (first < 12 && (uint32_t)bits >= limits[first]) first++;
        while (second < 12 && (uint32_t)(bits >> 32) >= limits[second]) second++;
        weights[i] = first;
        if (i + 1 < count) weights[i + 1] = second;
    }
}

static uint32_t draw_count(size_t rows) {
    size_t draws = DRAW_STEPS / (rows + 1);
    return draws > DRAWS_MAX ? DRAWS_MAX : draws < DRAWS_MIN ? DRAWS_MIN : (uint32_t)draws;
}

/* Mann and Whitney: the chance that a yes scores above a no, ties half. NaN where one class has no
 * weight. */
static double auc_of(const struct ranking *ranking, const uint8_t *weights) {
    double no_below = 0, yes_tied = 0, no_tied = 0, pairs = 0, yes_all = 0;
    for (size_t i = 0; i < ranking->count; i++) {
        const struct ranked_row *row = &ranking->rows[i];
        *(row->yes ? &yes_tied : &no_tied) += weights[row->group];
        if (!row->ends_tie) continue;
        pairs += yes_tied * (no_below + no_tied / 2);
        no_below += no_tied;
        yes_all += yes_tied;
        yes_tied = no_tied = 0;
    }
    return pairs / (yes_all * no_below);
}

/* Tied rows stay in one bin: their order says nothing. */
static double calibration_error_of(const struct ranking *ranking, const uint8_t *weights,
                                   double all) {
    double seen = 0, yes = 0, expected = 0, error = 0;
    uint32_t bins = 1;
    for (size_t i = 0; i < ranking->count; i++) {
        const struct ranked_row *row = &ranking->rows[i];
        double weight = weights[row->group];
        seen += weight;
        expected += weight * row->score;
        if (row->yes) yes += weight;
        if (!row->ends_tie || seen * BIN_COUNT < all * bins) continue;
        error += fabs(expected - yes);
        yes = expected = 0;
        while (bins <= BIN_COUNT && seen * BIN_COUNT >= all * bins) bins++;
    }
    return (error + fabs(expected - yes)) / all;
}

/* Where the tenth cuts a tie, its rows count in part. */
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

enum figure { FIGURE_AUC, FIGURE_LOSS, FIGURE_CALIBRATION, FIGURE_GAIN, FIGURE_COUNT };

struct evaluation {
    struct ranking ranking;
    uint32_t *dense;
    uint32_t group_count, draws;
    struct group_sums *sums;       /* by group */
    uint8_t *weights;              /* by group */
    double *figures[FIGURE_COUNT]; /* by draw */
};

static void evaluate(const struct evaluation *evaluation, double out[FIGURE_COUNT]) {
    struct group_sums all = {0};
    for (uint32_t g = 0; g < evaluation->group_count; g++) {
        double weight = evaluation->weights[g];
        all.rows += weight * evaluation->sums[g].rows;
        all.yes += weight * evaluation->sums[g].yes;
        all.loss += weight * evaluation->sums[g].loss;
    }
    out[FIGURE_AUC] = auc_of(&evaluation->ranking, evaluation->weights);
    out[FIGURE_LOSS] = all.loss / all.rows;
    out[FIGURE_CALIBRATION] =
        calibration_error_of(&evaluation->ranking, evaluation->weights, all.rows);
    out[FIGURE_GAIN] = top_tenth_gain_of(&evaluation->ranking, evaluation->weights, all);
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The middle 95 % of the draws in which the figure is defined. */
static struct interval interval_of(double value, double *draws, uint32_t count) {
    uint32_t defined = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!isnan(draws[i])) draws[defined++] = draws[i];
    }
    if (isnan(value) || defined == 0) return (struct interval){value, (double)NAN, (double)NAN};
    qsort(draws, defined, sizeof *draws, compare_doubles);
    uint32_t tail = (uint32_t)(.025 * defined);
    return (struct interval){value, draws[tail], draws[defined - 1 - tail]};
}

static enum status evaluation_init(struct evaluation *evaluation, const double *propensity,
                                   const bool *yes, const uint32_t *group, size_t count) {
    enum status status = make_dense(group, count, &evaluation->dense, &evaluation->group_count);
    if (status == STATUS_OK)
        status = ranking_init(&evaluation->ranking, propensity, yes, evaluation->dense, count);
    if (status != STATUS_OK) return status;
    evaluation->draws = draw_count(count);
    evaluation->sums = memory_calloc(evaluation->group_count, sizeof *evaluation->sums);
    evaluation->weights = memory_alloc(evaluation->group_count);
    double *figures = memory_alloc(FIGURE_COUNT * evaluation->draws * sizeof *figures);
    evaluation->figures[0] = figures;
    if (evaluation->sums == NULL || evaluation->weights == NULL || figures == NULL)
        return STATUS_NO_MEMORY;
    for (int k = 1; k < FIGURE_COUNT; k++)
        evaluation->figures[k] = figures + (size_t)k * evaluation->draws;
    for (size_t i = 0; i < count; i++) {
        struct group_sums *sums = &evaluation->sums[evaluation->dense[i]];
        double chance = yes[i] ? propensity[i] : 1 - propensity[i];
        sums->rows += 1;
        sums->yes += yes[i];
        sums->loss -= log(chance > LOSS_FLOOR ? chance : LOSS_FLOOR);
    }
    return STATUS_OK;
}

static void evaluation_release(struct evaluation *evaluation) {
    memory_free(evaluation->ranking.rows);
    memory_free(evaluation->dense);
    memory_free(evaluation->sums);
    memory_free(evaluation->weights);
    memory_free(evaluation->figures[0]);
}

static void run_draws(struct evaluation *evaluation, uint64_t seed, struct model_metrics *out) {
    double value[FIGURE_COUNT], drawn[FIGURE_COUNT];
    memset(evaluation->weights, 1, evaluation->group_count);
    evaluate(evaluation, value);
    struct random random;
    random_init(&random, seed);
    for (uint32_t i = 0; i < evaluation->draws; i++) {
        draw_weights(&random, evaluation->weights, evaluation->group_count);
        evaluate(evaluation, drawn);
        for (int k = 0; k < FIGURE_COUNT; k++) evaluation->figures[k][i] = drawn[k];
    }
    struct interval *to[FIGURE_COUNT] = {&out->auc, &out->log_loss, &out->calibration_error,
                                         &out->top_tenth_gain};
    for (int k = 0; k < FIGURE_COUNT; k++)
        *to[k] = interval_of(value[k], evaluation->figures[k], evaluation->draws);
}

enum status metrics_of(const double *propensity, const bool *yes, const uint32_t *group,
                       size_t count, uint64_t seed, struct model_metrics *out) {
    *out = (struct model_metrics){.rows = count};
    if (count == 0 || count > LEARN_ROWS_MAX) return STATUS_INVALID;
    for (size_t i = 0; i < count; i++) {
        if (!(propensity[i] >= 0 && propensity[i] <= 1)) return STATUS_INVALID;
        out->yes += yes[i];
    }
    struct evaluation evaluation = {0};
    enum status status = evaluation_init(&evaluation, propensity, yes, group, count);
    if (status == STATUS_OK) {
        out->groups = evaluation.group_count;
        out->base_rate = (double)out->yes / (double)count;
        run_draws(&evaluation, seed, out);
    }
    evaluation_release(&evaluation);
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
    random_init(&random, seed);
    for (uint32_t i = 0; i < pair->draws; i++) {
        draw_weights(&random, pair->weights, pair->group_count);
        pair->differences[i] = auc_of(&pair->a, pair->weights) - auc_of(&pair->b, pair->weights);
    }
    return interval_of(value, pair->differences, pair->draws);
}

enum status metrics_auc_difference(const double *a, const double *b, const bool *yes,
                                   const uint32_t *group, size_t count, uint64_t seed,
                                   struct interval *out) {
    *out = (struct interval){(double)NAN, (double)NAN, (double)NAN};
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
