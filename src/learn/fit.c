/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/fit.h"

#include "base/memory.h"

enum status fitter_init(struct fitter *fitter, const struct table *table, uint64_t seed) {
    *fitter = (struct fitter){.table = table, .seed = seed};
    additive_init(&fitter->additive);
    additive_init(&fitter->fold_additive);
    enum status status = workspace_init(&fitter->workspace, table);
    if (status != STATUS_OK) return status;
    fitter->scores = memory_alloc((table->row_count + 1) * sizeof *fitter->scores);
    fitter->scored = memory_alloc((table->row_count + 1) * sizeof *fitter->scored);
    fitter->part = memory_alloc((table->row_count + 1) * sizeof *fitter->part);
    return fitter->scores && fitter->scored && fitter->part ? STATUS_OK : STATUS_NO_MEMORY;
}

void fitter_release(struct fitter *fitter) {
    workspace_release(&fitter->workspace);
    additive_release(&fitter->additive);
    additive_release(&fitter->fold_additive);
    memory_free(fitter->scores);
    memory_free(fitter->scored);
    memory_free(fitter->part);
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
    if (fitter->scored_count == first) return STATUS_OK;
    struct additive *additive = &fitter->fold_additive;
    enum status status = additive_fit(additive, fitter->table, fitter->part, inside, ridge,
                                      fitter->seed, &fitter->workspace);
    if (status != STATUS_OK) return status;
    const uint32_t *outside = fitter->scored + first;
    additive_encode(additive, fitter->table, outside, fitter->scored_count - first,
                    &fitter->workspace);
    for (size_t i = first; i < fitter->scored_count; i++) {
        fitter->scores[i] = additive_score(additive, &fitter->workspace, fitter->scored[i]);
    }
    return STATUS_OK;
}

enum status fitter_fit(struct fitter *fitter, const uint32_t *rows, size_t row_count,
                       struct ridge ridge) {
    bool by_group = groups_spread(fitter, rows, row_count);
    fitter->scored_count = 0;
    for (uint32_t fold = 0; fold < FIT_FOLDS; fold++) {
        enum status status = fit_fold(fitter, rows, row_count, fold, by_group, ridge);
        if (status != STATUS_OK) return status;
        if (row_count > FIT_FOLDS_ROWS_MAX &&
            fitter->scored_count >= FIT_FOLDS_ROWS_MAX / FIT_FOLDS)
            break;
    }
    fitter->calibration =
        calibration_fit(fitter->scores, fitter->scored, fitter->scored_count, fitter->table->rows);
    return additive_fit(&fitter->additive, fitter->table, rows, row_count, ridge, fitter->seed,
                        &fitter->workspace);
}

void fitter_predict(struct fitter *fitter, const uint32_t *rows, size_t row_count, double *out) {
    additive_encode(&fitter->additive, fitter->table, rows, row_count, &fitter->workspace);
    for (size_t i = 0; i < row_count; i++) {
        double z = additive_score(&fitter->additive, &fitter->workspace, rows[i]);
        out[i] = propensity_of(fitter->calibration.slope * z + fitter->calibration.base);
    }
}
