/* SPDX-License-Identifier: Apache-2.0 */
/* learn/fit.h -- one calibrated fit on part of a table: first folds by group, then Platt's
 * calibration on what each fold left out, then a fit on all rows. */
#ifndef LEARN_FIT_H
#define LEARN_FIT_H

#include "learn/calibration.h"
#include "learn/logistic.h"

#define FIT_FOLDS          5
#define FIT_FOLDS_ROWS_MAX 50000 /* with more rows, one fold is enough for two parameters */
/* rows of either outcome; with fewer, only the base rate is learnt */
#define FIT_CLASS_MIN 10

/* Returns the fold of a customer, always the same one: 0 … FIT_FOLDS - 1. */
uint32_t fit_fold_of(uint32_t key);

struct fitter {
    const struct table *table;
    uint64_t seed;
    struct workspace workspace;
    struct additive additive; /* the fit on all rows listed */
    struct additive fold_additive;
    struct calibration calibration;
    uint32_t *scored; /* rows that a fold left out, fold by fold: all, or those of one fold … */
    double *scores;   /* … and the scores that its fit gave them */
    size_t scored_count;
    uint32_t *part; /* the rows of a fold's fit */
};

enum status fitter_init(struct fitter *fitter, const struct table *table,
                        uint64_t seed) MUST_USE; /* release also after a failure */
void fitter_release(struct fitter *fitter);
enum status fitter_fit(struct fitter *fitter, const uint32_t *rows, size_t row_count,
                       struct ridge ridge) MUST_USE;
/* Predicts other rows by the last fit; out is by position. */
void fitter_predict(struct fitter *fitter, const uint32_t *rows, size_t row_count, double *out);

#endif
