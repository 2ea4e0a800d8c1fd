/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/rolling.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static const double ridge_factors[] = {1, .25, 4};
#define FACTOR_COUNT 3

struct splits {
    int64_t moments[ROLLING_SPLITS_MAX]; /* ascending */
    uint32_t count;
    uint32_t *train, *validate; /* rows of the split at hand */
    size_t train_count, validate_count;
    double *propensity;  /* by position in `validate` */
    uint32_t *kept_rows; /* each validated row once, as in struct rolling; borrowed */
    double *kept;        /* the predictions of the present setting */
    size_t kept_count;
};

static int compare_times(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void list_rows(struct splits *splits, const struct table *table, int64_t moment) {
    splits->train_count = splits->validate_count = 0;
    for (uint32_t i = 0; i < table->row_count; i++) {
        const struct row_facts *facts = &table->rows[i];
        if (facts->time_ms >= moment)
            splits->validate[splits->validate_count++] = i;
        else if (facts->horizon_ms < moment)
            splits->train[splits->train_count++] = i;
    }
}

static bool has_both(const struct table *table, const uint32_t *rows, size_t count) {
    size_t yes = 0, no = 0;
    for (size_t i = 0; i < count; i++) {
        const struct row_facts *facts = &table->rows[rows[i]];
        if (facts->weight > 0) *(facts->yes ? &yes : &no) += 1;
    }
    return count >= ROLLING_ROWS_MIN && yes >= FIT_CLASS_MIN && no >= FIT_CLASS_MIN;
}

/* Returns the moment, among the rows' own times, before which closest to `wanted` labels were
 * known. Both lists ascend. */
static int64_t moment_for(const int64_t *times, const int64_t *horizons, size_t count,
                          double wanted) {
    int64_t best = times[0];
    double best_distance = INFINITY;
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        while (known < count && horizons[known] < times[i]) known++;
        double distance = fabs((double)known - wanted);
        if (distance >= best_distance) continue;
        best = times[i];
        best_distance = distance;
    }
    return best;
}

static enum status choose_moments(struct splits *splits, const struct table *table,
                                  uint32_t wanted) {
    size_t count = table->row_count;
    int64_t *times = memory_alloc(2 * count * sizeof *times);
    if (times == NULL) return STATUS_NO_MEMORY;
    int64_t *horizons = times + count;
    for (size_t i = 0; i < count; i++) {
        times[i] = table->rows[i].time_ms;
        horizons[i] = table->rows[i].horizon_ms;
    }
    qsort(times, count, sizeof *times, compare_times);
    qsort(horizons, count, sizeof *horizons, compare_times);
    for (uint32_t s = 0; s < wanted; s++) {
        double share = wanted > 1 ? .2 + .45 * s / (wanted - 1) : .5;
        int64_t moment = moment_for(times, horizons, count, share * (double)count);
        if (splits->count > 0 && moment <= splits->moments[splits->count - 1]) continue;
        list_rows(splits, table, moment);
        if (!has_both(table, splits->train, splits->train_count)) continue;
        if (!has_both(table, splits->validate, splits->validate_count)) continue;
        splits->moments[splits->count++] = moment;
    }
    memory_free(times);
    return STATUS_OK;
}

static double mean_loss(const struct splits *splits, const struct table *table) {
    double loss = 0, weight = 0;
    for (size_t i = 0; i < splits->validate_count; i++) {
        const struct row_facts *facts = &table->rows[splits->validate[i]];
        double p = splits->propensity[i];
        loss -= facts->weight * log(facts->yes ? p : 1 - p);
        weight += facts->weight;
    }
    return loss / weight;
}

/* Keeps the predictions of the rows up to the next split; a later model predicts the rows after it.
 */
static void keep_predictions(struct splits *splits, const struct table *table, uint32_t s) {
    for (size_t i = 0; i < splits->validate_count; i++) {
        uint32_t row = splits->validate[i];
        if (s + 1 < splits->count && table->rows[row].time_ms >= splits->moments[s + 1]) continue;
        splits->kept_rows[splits->kept_count] = row;
        splits->kept[splits->kept_count++] = splits->propensity[i];
    }
}

/* Measures one setting on every split. */
static enum status measure(struct splits *splits, struct fitter *fitter, struct ridge ridge,
                           double *losses) {
    splits->kept_count = 0;
    for (uint32_t s = 0; s < splits->count; s++) {
        list_rows(splits, fitter->table, splits->moments[s]);
        enum status status = fitter_fit(fitter, splits->train, splits->train_count, ridge);
        if (status != STATUS_OK) return status;
        fitter_predict(fitter, splits->validate, splits->validate_count, splits->propensity);
        losses[s] = mean_loss(splits, fitter->table);
        keep_predictions(splits, fitter->table, s);
    }
    return STATUS_OK;
}

/* Returns which part of the log loss the setting saves; 0 where it is not clearly better. */
static double clear_gain(const double *losses, const double *than, uint32_t count) {
    double sum = 0, base = 0;
    uint32_t wins = 0;
    for (uint32_t s = 0; s < count; s++) {
        sum += than[s] - losses[s];
        base += than[s];
        if (losses[s] < than[s]) wins++;
    }
    return sum > ROLLING_MARGIN * base && 4 * wins >= 3 * count ? sum / base : 0;
}

/* Searches for settings. The rows are the same for each; where a setting is better, its predictions
 * are kept by exchanging pointers. */
static enum status search(struct rolling *rolling, struct splits *splits, struct fitter *fitter) {
    double losses[FACTOR_COUNT][ROLLING_SPLITS_MAX], best_gain = 0;
    uint32_t factors = rolling->searched ? FACTOR_COUNT : 1;
    for (uint32_t k = 0; k < factors; k++) {
        struct ridge ridge = {RIDGE_SLOPE * ridge_factors[k], RIDGE_BIN * ridge_factors[k]};
        enum status status = measure(splits, fitter, ridge, losses[k]);
        if (status != STATUS_OK) return status;
        double gain = clear_gain(losses[k], losses[0], splits->count);
        if (k > 0 && gain <= best_gain) continue;
        double *kept = splits->kept;
        splits->kept = rolling->propensity;
        rolling->propensity = kept;
        rolling->count = splits->kept_count;
        rolling->ridge = ridge;
        best_gain = gain;
    }
    return STATUS_OK;
}

static enum status run(struct rolling *rolling, struct splits *splits, struct fitter *fitter,
                       uint32_t split_count) {
    size_t room = fitter->table->row_count + 1;
    rolling->rows = memory_alloc(room * sizeof *rolling->rows);
    rolling->propensity = memory_alloc(room * sizeof *rolling->propensity);
    splits->train = memory_alloc(room * sizeof *splits->train);
    splits->validate = memory_alloc(room * sizeof *splits->validate);
    splits->propensity = memory_alloc(room * sizeof *splits->propensity);
    splits->kept = memory_alloc(room * sizeof *splits->kept);
    splits->kept_rows = rolling->rows;
    bool all = rolling->rows && rolling->propensity && splits->train && splits->validate &&
               splits->propensity && splits->kept;
    if (!all) return STATUS_NO_MEMORY;
    enum status status = choose_moments(splits, fitter->table, split_count);
    if (status != STATUS_OK || splits->count < 2) return status;
    rolling->split_count = splits->count;
    return search(rolling, splits, fitter);
}

enum status rolling_run(struct rolling *rolling, struct fitter *fitter, uint32_t split_count) {
    const struct table *table = fitter->table;
    *rolling = (struct rolling){.ridge = {RIDGE_SLOPE, RIDGE_BIN}};
    rolling->searched = table->row_count * (table->column_count + 1) <= ROLLING_CELLS_MAX;
    if (split_count == 0) split_count = ROLLING_SPLITS_DEFAULT;
    if (split_count > ROLLING_SPLITS_MAX) split_count = ROLLING_SPLITS_MAX;
    struct splits splits = {0};
    enum status status = run(rolling, &splits, fitter, split_count);
    memory_free(splits.train);
    memory_free(splits.validate);
    memory_free(splits.propensity);
    memory_free(splits.kept);
    return status;
}

void rolling_release(struct rolling *rolling) {
    memory_free(rolling->rows);
    memory_free(rolling->propensity);
    *rolling = (struct rolling){0};
}
