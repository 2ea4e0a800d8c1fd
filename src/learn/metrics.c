/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "learn/bootstrap.h"

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

static double loss_of(double propensity, bool yes) {
    double chance = yes ? propensity : 1 - propensity;
    return -log(chance > LOSS_FLOOR ? chance : LOSS_FLOOR);
}

static enum status resampling_init(struct resampling *resampling, const double *propensity,
                                   const bool *yes, const uint32_t *group, size_t count) {
    enum status status =
        bootstrap_groups(group, count, &resampling->dense, &resampling->group_count);
    if (status == STATUS_OK)
        status = ranking_init(&resampling->ranking, propensity, yes, resampling->dense, count);
    if (status != STATUS_OK) return status;
    resampling->draws = bootstrap_draws(count);
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
        sums->rows += 1;
        sums->yes += yes[i];
        sums->loss += loss_of(propensity[i], yes[i]);
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
    struct bootstrap_weights draws;
    random_init(&random, seed);
    bootstrap_weights_init(&draws);
    for (uint32_t i = 0; i < resampling->draws; i++) {
        bootstrap_draw(&draws, &random, resampling->weights, resampling->group_count);
        measure(resampling, drawn);
        for (int k = 0; k < METRIC_COUNT; k++) resampling->drawn[k][i] = drawn[k];
    }
    struct interval *to[METRIC_COUNT] = {&out->auc, &out->log_loss, &out->calibration_error,
                                         &out->top_tenth_gain, &out->base_rate};
    for (int k = 0; k < METRIC_COUNT; k++)
        *to[k] = bootstrap_interval(value[k], resampling->drawn[k], resampling->draws);
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
    enum status status = bootstrap_groups(group, count, &pair->dense, &pair->group_count);
    if (status == STATUS_OK) status = ranking_init(&pair->a, a, yes, pair->dense, count);
    if (status == STATUS_OK) status = ranking_init(&pair->b, b, yes, pair->dense, count);
    if (status != STATUS_OK) return status;
    pair->draws = bootstrap_draws(count);
    pair->weights = memory_alloc(pair->group_count);
    pair->differences = memory_alloc(pair->draws * sizeof *pair->differences);
    return pair->weights && pair->differences ? STATUS_OK : STATUS_NO_MEMORY;
}

static struct interval pair_interval(struct pair *pair, uint64_t seed) {
    memset(pair->weights, 1, pair->group_count);
    double value = auc_of(&pair->a, pair->weights) - auc_of(&pair->b, pair->weights);
    struct random random;
    struct bootstrap_weights draws;
    random_init(&random, seed);
    bootstrap_weights_init(&draws);
    for (uint32_t i = 0; i < pair->draws; i++) {
        bootstrap_draw(&draws, &random, pair->weights, pair->group_count);
        pair->differences[i] = auc_of(&pair->a, pair->weights) - auc_of(&pair->b, pair->weights);
    }
    return bootstrap_interval(value, pair->differences, pair->draws);
}

enum status metrics_auc_difference(const double *a, const double *b, const bool *yes,
                                   const uint32_t *group, size_t count, uint64_t seed,
                                   struct interval *out) {
    *out = (struct interval){(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
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

/* By group: how many rows, and by how much a loses more than b. */
struct loss_pair {
    uint32_t *dense;
    struct group_sums *sums;
    uint8_t *weights;
    double *differences;
    uint32_t group_count, draws;
};

static enum status loss_pair_init(struct loss_pair *pair, const double *a, const double *b,
                                  const bool *yes, const uint32_t *group, size_t count) {
    enum status status = bootstrap_groups(group, count, &pair->dense, &pair->group_count);
    if (status != STATUS_OK) return status;
    pair->draws = bootstrap_draws(count);
    pair->sums = memory_calloc(pair->group_count, sizeof *pair->sums);
    pair->weights = memory_alloc(pair->group_count);
    pair->differences = memory_alloc(pair->draws * sizeof *pair->differences);
    if (!pair->sums || !pair->weights || !pair->differences) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct group_sums *sums = &pair->sums[pair->dense[i]];
        sums->rows += 1;
        sums->loss += loss_of(a[i], yes[i]) - loss_of(b[i], yes[i]);
    }
    return STATUS_OK;
}

static double weighted_loss(const struct loss_pair *pair) {
    double rows = 0, loss = 0;
    for (uint32_t g = 0; g < pair->group_count; g++) {
        rows += pair->weights[g] * pair->sums[g].rows;
        loss += pair->weights[g] * pair->sums[g].loss;
    }
    return rows > 0 ? loss / rows : (double)NAN;
}

static struct interval loss_interval(struct loss_pair *pair, uint64_t seed) {
    struct random random;
    struct bootstrap_weights draws;
    random_init(&random, seed);
    bootstrap_weights_init(&draws);
    memset(pair->weights, 1, pair->group_count);
    double value = weighted_loss(pair);
    for (uint32_t i = 0; i < pair->draws; i++) {
        bootstrap_draw(&draws, &random, pair->weights, pair->group_count);
        pair->differences[i] = weighted_loss(pair);
    }
    return bootstrap_interval(value, pair->differences, pair->draws);
}

enum status metrics_log_loss_difference(const double *a, const double *b, const bool *yes,
                                        const uint32_t *group, size_t count, uint64_t seed,
                                        struct interval *out) {
    *out = (struct interval){(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
    if (count == 0 || count > LEARN_ROWS_MAX) return STATUS_INVALID;
    for (size_t i = 0; i < count; i++) {
        if (!(a[i] >= 0 && a[i] <= 1 && b[i] >= 0 && b[i] <= 1)) return STATUS_INVALID;
    }
    struct loss_pair pair = {0};
    enum status status = loss_pair_init(&pair, a, b, yes, group, count);
    if (status == STATUS_OK) *out = loss_interval(&pair, seed);
    memory_free(pair.dense);
    memory_free(pair.sums);
    memory_free(pair.weights);
    memory_free(pair.differences);
    return status;
}
