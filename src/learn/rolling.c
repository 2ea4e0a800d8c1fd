/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/rolling.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static const double ridge_factors[] = {1, .25, 4};
static const double pair_ridges[] = {200, 50, 12, 3}; /* each fit starts at the one before */
#define FACTOR_COUNT 3
#define PAIR_COUNT   4
#define SETTINGS_MAX 4

struct splits {
    int64_t moments[ROLLING_SPLITS_MAX]; /* ascending */
    uint32_t count;                      /* of moments; or of folds */
    bool by_folds;
    uint32_t *train, *validate; /* rows of the split at hand */
    size_t train_count, validate_count;
    double *propensity;  /* by position in `validate` */
    uint32_t *kept_rows; /* each validated row once, as in struct rolling; borrowed */
    size_t kept_count;
};

/* Settings that are tried on the same splits. */
struct trial {
    struct ridge ridges[SETTINGS_MAX];
    uint32_t count;
    double losses[SETTINGS_MAX][ROLLING_SPLITS_MAX];
    double *kept[SETTINGS_MAX]; /* predictions, as in struct rolling */
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

/* Does each fold of customers have enough rows? They are dealt as in fit.c. */
static bool folds_have_both(struct splits *splits, const struct table *table) {
    for (uint32_t fold = 0; fold < FIT_FOLDS; fold++) {
        size_t count = 0;
        for (uint32_t i = 0; i < table->row_count; i++) {
            if (fit_fold_of(table->rows[i].group) == fold) splits->validate[count++] = i;
        }
        if (!has_both(table, splits->validate, count)) return false;
    }
    return true;
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

static double mean_loss(const struct table *table, const uint32_t *rows, const double *propensity,
                        size_t count) {
    double loss = 0, weight = 0;
    for (size_t i = 0; i < count; i++) {
        const struct row_facts *facts = &table->rows[rows[i]];
        loss -= facts->weight * log(facts->yes ? propensity[i] : 1 - propensity[i]);
        weight += facts->weight;
    }
    return weight > 0 ? loss / weight : 0;
}

/* Keeps the predictions of the rows up to the next split; a later model predicts the rows after it.
 * Returns how many are kept of all splits so far. */
static size_t keep_predictions(struct splits *splits, const struct table *table, uint32_t s,
                               double *kept) {
    size_t count = splits->kept_count;
    for (size_t i = 0; i < splits->validate_count; i++) {
        uint32_t row = splits->validate[i];
        if (s + 1 < splits->count && table->rows[row].time_ms >= splits->moments[s + 1]) continue;
        splits->kept_rows[count] = row;
        kept[count++] = splits->propensity[i];
    }
    return count;
}

/* Fits with the k-th setting of a trial. Where the one before it found no pair, another ridge of
 * pairs changes nothing, and that fit stands. */
static enum status fit_setting(struct fitter *fitter, const struct trial *trial, uint32_t k,
                               const uint32_t *rows, size_t row_count) {
    struct ridge ridge = trial->ridges[k];
    if (k > 0 && ridge.pair > 0 && fitter->additive.pair_count == 0) return STATUS_OK;
    return fitter_fit(fitter, rows, row_count, ridge, LOGISTIC_SEARCH_TOLERANCE);
}

/* Measures all settings of a trial on one split. */
static enum status try_split(struct splits *splits, struct fitter *fitter, struct trial *trial,
                             uint32_t s) {
    const struct table *table = fitter->table;
    list_rows(splits, table, splits->moments[s]);
    enum status status = fitter_cut(fitter, splits->train, splits->train_count);
    size_t kept = splits->kept_count;
    for (uint32_t k = 0; k < trial->count && status == STATUS_OK; k++) {
        status = fit_setting(fitter, trial, k, splits->train, splits->train_count);
        if (status != STATUS_OK) break;
        fitter_predict(fitter, splits->validate, splits->validate_count, splits->propensity);
        trial->losses[k][s] =
            mean_loss(table, splits->validate, splits->propensity, splits->validate_count);
        kept = keep_predictions(splits, table, s, trial->kept[k]);
    }
    splits->kept_count = kept;
    return status;
}

/* The same on folds of customers: a fit's own folds. */
static enum status try_folds(struct splits *splits, struct fitter *fitter, struct trial *trial) {
    const struct table *table = fitter->table;
    enum status status = fitter_cut(fitter, splits->train, table->row_count);
    for (uint32_t k = 0; k < trial->count && status == STATUS_OK; k++) {
        status = fit_setting(fitter, trial, k, splits->train, table->row_count);
        if (status != STATUS_OK) break;
        splits->kept_count = fitter->scored_count;
        splits->count = fitter->fold_count;
        for (size_t i = 0; i < fitter->scored_count; i++) {
            splits->kept_rows[i] = fitter->scored[i];
            trial->kept[k][i] = fitter_left_out(fitter, i);
        }
        for (uint32_t fold = 0, first = 0; fold < fitter->fold_count; fold++) {
            uint32_t end = (uint32_t)fitter->fold_end[fold];
            trial->losses[k][fold] =
                mean_loss(table, splits->kept_rows + first, trial->kept[k] + first, end - first);
            first = end;
        }
    }
    return status;
}

static enum status try_settings(struct splits *splits, struct fitter *fitter, struct trial *trial) {
    enum status status = STATUS_OK;
    splits->kept_count = 0;
    for (uint32_t k = 0; k < trial->count; k++) {
        trial->kept[k] = memory_alloc((fitter->table->row_count + 1) * sizeof *trial->kept[k]);
        if (trial->kept[k] == NULL) return STATUS_NO_MEMORY;
    }
    if (splits->by_folds) return try_folds(splits, fitter, trial);
    for (uint32_t s = 0; s < splits->count && status == STATUS_OK; s++)
        status = try_split(splits, fitter, trial, s);
    return status;
}

static void release_trial(struct trial *trial) {
    for (uint32_t k = 0; k < SETTINGS_MAX; k++) memory_free(trial->kept[k]);
}

/* Returns which part of the log loss a setting saves; 0 where it is not clearly better. */
static double clear_gain(const double *losses, const double *than, uint32_t count, double margin) {
    double sum = 0, base = 0;
    uint32_t worse = 0;
    for (uint32_t s = 0; s < count; s++) {
        sum += than[s] - losses[s];
        base += than[s];
        if (losses[s] > than[s] * (1 + ROLLING_SAME)) worse++;
    }
    return sum > margin * base && 4 * worse <= count ? sum / base : 0;
}

/* Takes the setting that gains most over `than`, if one clearly does; false where none does. */
static bool take_best(struct rolling *rolling, const struct splits *splits, struct trial *trial,
                      const double *than, double margin) {
    double best_gain = 0;
    uint32_t best = UINT32_MAX;
    for (uint32_t k = 0; k < trial->count; k++) {
        double gain = clear_gain(trial->losses[k], than, splits->count, margin);
        if (gain <= best_gain) continue;
        best_gain = gain;
        best = k;
    }
    if (best == UINT32_MAX) return false;
    double *kept = trial->kept[best];
    trial->kept[best] = rolling->propensity;
    rolling->propensity = kept;
    rolling->ridge = trial->ridges[best];
    return true;
}

/* Chooses the ridges of features, then that of pairs. The rows are the same for each setting. */
static enum status search(struct rolling *rolling, struct splits *splits, struct fitter *fitter) {
    struct trial trial = {.count = rolling->searched ? FACTOR_COUNT : 1};
    for (uint32_t k = 0; k < trial.count; k++) {
        double factor = ridge_factors[k];
        trial.ridges[k] = (struct ridge){RIDGE_SLOPE * factor, RIDGE_BIN * factor, 0};
    }
    double than[ROLLING_SPLITS_MAX];
    enum status status = try_settings(splits, fitter, &trial);
    if (status == STATUS_OK) {
        rolling->count = splits->kept_count;
        double *kept = trial.kept[0];
        trial.kept[0] = rolling->propensity;
        rolling->propensity = kept;
        rolling->ridge = trial.ridges[0];
        (void)take_best(rolling, splits, &trial, trial.losses[0], ROLLING_MARGIN);
        for (uint32_t k = 0; k < trial.count; k++) {
            if (trial.ridges[k].bin == rolling->ridge.bin)
                memcpy(than, trial.losses[k], sizeof than);
        }
    }
    release_trial(&trial);
    if (status != STATUS_OK || !rolling->pairs) return status;
    struct trial pairs = {.count = PAIR_COUNT};
    for (uint32_t k = 0; k < pairs.count; k++) {
        pairs.ridges[k] = rolling->ridge;
        pairs.ridges[k].pair = pair_ridges[k];
    }
    status = try_settings(splits, fitter, &pairs);
    if (status == STATUS_OK) (void)take_best(rolling, splits, &pairs, than, ROLLING_PAIR_MARGIN);
    release_trial(&pairs);
    return status;
}

static enum status run(struct rolling *rolling, struct splits *splits, struct fitter *fitter,
                       uint32_t split_count) {
    const struct table *table = fitter->table;
    size_t room = table->row_count + 1;
    rolling->rows = memory_alloc(room * sizeof *rolling->rows);
    rolling->propensity = memory_alloc(room * sizeof *rolling->propensity);
    splits->train = memory_alloc(room * sizeof *splits->train);
    splits->validate = memory_alloc(room * sizeof *splits->validate);
    splits->propensity = memory_alloc(room * sizeof *splits->propensity);
    splits->kept_rows = rolling->rows;
    bool all = rolling->rows && rolling->propensity && splits->train && splits->validate &&
               splits->propensity;
    if (!all) return STATUS_NO_MEMORY;
    enum status status = choose_moments(splits, table, split_count);
    if (status != STATUS_OK) return status;
    splits->by_folds = splits->count < 2;
    if (splits->by_folds) {
        if (!folds_have_both(splits, table)) return STATUS_OK;
        for (uint32_t i = 0; i < table->row_count; i++) splits->train[i] = i;
    }
    rolling->by_folds = splits->by_folds;
    rolling->split_count = splits->by_folds ? 0 : splits->count;
    return search(rolling, splits, fitter);
}

enum status rolling_run(struct rolling *rolling, struct fitter *fitter, uint32_t split_count,
                        bool pairs) {
    const struct table *table = fitter->table;
    *rolling = (struct rolling){.ridge = {RIDGE_SLOPE, RIDGE_BIN, 0}};
    rolling->searched = table->row_count * (table->column_count + 1) <= ROLLING_CELLS_MAX;
    rolling->pairs = pairs && rolling->searched && table->column_count > 1;
    if (split_count == 0) split_count = ROLLING_SPLITS_DEFAULT;
    if (split_count > ROLLING_SPLITS_MAX) split_count = ROLLING_SPLITS_MAX;
    struct splits splits = {0};
    enum status status = run(rolling, &splits, fitter, split_count);
    memory_free(splits.train);
    memory_free(splits.validate);
    memory_free(splits.propensity);
    return status;
}

void rolling_release(struct rolling *rolling) {
    memory_free(rolling->rows);
    memory_free(rolling->propensity);
    *rolling = (struct rolling){0};
}
