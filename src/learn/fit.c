/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/fit.h"

#include "base/memory.h"

enum status fitter_init(struct fitter *fitter, const struct table *table) {
    *fitter = (struct fitter){.table = table};
    additive_init(&fitter->additive);
    for (uint32_t fold = 0; fold < FIT_FOLDS; fold++) additive_init(&fitter->folds[fold]);
    enum status status = binning_init(&fitter->binning, table);
    if (status != STATUS_OK) return status;
    fitter->scores = memory_alloc((table->row_count + 1) * sizeof *fitter->scores);
    fitter->scored = memory_alloc((table->row_count + 1) * sizeof *fitter->scored);
    fitter->part = memory_alloc((table->row_count + 1) * sizeof *fitter->part);
    return fitter->scores && fitter->scored && fitter->part ? STATUS_OK : STATUS_NO_MEMORY;
}

void fitter_release(struct fitter *fitter) {
    additive_release(&fitter->additive);
    for (uint32_t fold = 0; fold < FIT_FOLDS; fold++) additive_release(&fitter->folds[fold]);
    binning_release(&fitter->binning);
    memory_free(fitter->scores);
    memory_free(fitter->scored);
    memory_free(fitter->part);
}

enum status fitter_cut(struct fitter *fitter, const uint32_t *rows, size_t row_count) {
    additive_clear(&fitter->additive);
    for (uint32_t fold = 0; fold < FIT_FOLDS; fold++) additive_clear(&fitter->folds[fold]);
    return binning_cut(&fitter->binning, rows, row_count);
}

/* Knuth's multiplicative hash (6.4). */
uint32_t fit_fold_of(uint32_t key) {
    return (uint32_t)(key * UINT32_C(2654435761)) / (UINT32_MAX / FIT_FOLDS + 1);
}

/* Do the groups fall into several folds? Where they do not, nothing is left to calibrate on, and
 * the rows are dealt out one by one. */
static bool groups_spread(const struct fitter *fitter, const uint32_t *rows, size_t row_count) {
    for (size_t i = 1; i < row_count; i++) {
        if (fit_fold_of(fitter->table->rows[rows[i]].group) !=
            fit_fold_of(fitter->table->rows[rows[0]].group))
            return true;
    }
    return false;
}

static enum status fit_fold(struct fitter *fitter, const uint32_t *rows, size_t row_count,
                            uint32_t fold, bool by_group, struct ridge ridge) {
    size_t inside = 0, first = fitter->scored_count;
    for (size_t i = 0; i < row_count; i++) {
        bool is_inside =
            fit_fold_of(by_group ? fitter->table->rows[rows[i]].group : (uint32_t)i) != fold;
        if (is_inside)
            fitter->part[inside++] = rows[i];
        else
            fitter->scored[fitter->scored_count++] = rows[i];
    }
    if (inside == 0) fitter->scored_count = first;
    fitter->fold_end[fold] = fitter->scored_count;
    if (fitter->scored_count == first) return STATUS_OK;
    struct additive *additive = &fitter->folds[fold];
    if (fitter->additive.pair_count == 0) ridge.pair = 0;
    enum status status = additive_fit(additive, &fitter->binning, fitter->part, inside, ridge,
                                      LOGISTIC_SEARCH_TOLERANCE, &fitter->additive, fitter->work);
    if (status != STATUS_OK) return status;
    for (size_t i = first; i < fitter->scored_count; i++)
        fitter->scores[i] = additive_score(additive, fitter->scored[i]);
    return STATUS_OK;
}

/* Are there enough rows of either outcome to calibrate on? */
static bool is_enough(const struct fitter *fitter) {
    size_t yes = 0;
    for (size_t i = 0; i < fitter->scored_count; i++)
        yes += fitter->table->rows[fitter->scored[i]].yes;
    return yes >= FIT_CALIBRATION_MIN && fitter->scored_count - yes >= FIT_CALIBRATION_MIN;
}

enum status fitter_fit(struct fitter *fitter, const uint32_t *rows, size_t row_count,
                       struct ridge ridge, double tolerance) {
    bool by_group = groups_spread(fitter, rows, row_count);
    enum status status = additive_fit(&fitter->additive, &fitter->binning, rows, row_count, ridge,
                                      tolerance, NULL, fitter->work);
    fitter->scored_count = fitter->fold_count = 0;
    for (uint32_t fold = 0; fold < FIT_FOLDS && status == STATUS_OK; fold++) {
        status = fit_fold(fitter, rows, row_count, fold, by_group, ridge);
        fitter->fold_count = fold + 1;
        if (is_enough(fitter)) break;
    }
    if (status != STATUS_OK) return status;
    fitter->calibration =
        calibration_fit(fitter->scores, fitter->scored, fitter->scored_count, fitter->table->rows);
    return STATUS_OK;
}

void fitter_predict(struct fitter *fitter, const uint32_t *rows, size_t row_count, double *out) {
    const struct calibration *calibration = &fitter->calibration;
    for (size_t i = 0; i < row_count; i++) {
        double z = additive_score(&fitter->additive, rows[i]);
        out[i] = propensity_of(calibration->slope * z + calibration->base);
    }
}

double fitter_left_out(const struct fitter *fitter, size_t place) {
    const struct calibration *calibration = &fitter->calibration;
    return propensity_of(calibration->slope * fitter->scores[place] + calibration->base);
}
