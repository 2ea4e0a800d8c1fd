/* SPDX-License-Identifier: Apache-2.0 */
/* learn/fit.h -- one calibrated fit on part of a table: a fit on all rows listed, then folds by
 * group, then Platt's calibration on what each fold left out.
 *
 * A fold searches pairs of its own, on its own rows: pairs that had seen the rows left out would
 * score them too well. */
#ifndef LEARN_FIT_H
#define LEARN_FIT_H

#include "learn/additive.h"
#include "learn/calibration.h"

#define FIT_FOLDS 5
/* Rows of either outcome that are enough for the two parameters of a calibration: folds behind them
 * are not fitted. */
#define FIT_CALIBRATION_MIN 500
/* Rows of either outcome; with fewer, only the base rate is learnt. */
#define FIT_CLASS_MIN 10

/* Returns the fold of a customer, always the same one: 0 … FIT_FOLDS - 1. */
uint32_t fit_fold_of(uint32_t key);

struct fitter {
    const struct table *table;
    struct binning binning;
    struct additive additive; /* the fit on all rows listed */
    struct additive folds[FIT_FOLDS];
    struct calibration calibration;
    uint32_t *scored; /* rows that a fold left out, fold by fold … */
    double *scores;   /* … and the scores that its fit gave them */
    size_t scored_count;
    size_t fold_end[FIT_FOLDS]; /* where each fold ends in them */
    uint32_t fold_count;        /* those that were fitted */
    uint32_t *part;             /* the rows of a fold's fit */
    struct work *work;          /* may be NULL */
};

enum status fitter_init(struct fitter *fitter,
                        const struct table *table) MUST_USE; /* release also after a failure */
void fitter_release(struct fitter *fitter);
/* Cuts bins by the rows listed, for the fits that follow, and forgets the fits before. */
enum status fitter_cut(struct fitter *fitter, const uint32_t *rows, size_t row_count) MUST_USE;
/* Fits and calibrates on the rows listed, those of fitter_cut; tolerance: of the fit on all of them
 * (learn/logistic.h). Each fit starts where the one before it ended, and has the same pairs. */
enum status fitter_fit(struct fitter *fitter, const uint32_t *rows, size_t row_count,
                       struct ridge ridge, double tolerance) MUST_USE;
/* Predicts other rows by the last fit; out is by position. */
void fitter_predict(struct fitter *fitter, const uint32_t *rows, size_t row_count, double *out);
/* Returns the calibrated propensity of a row that a fold left out, by its place in `scored`. */
double fitter_left_out(const struct fitter *fitter, size_t place);

#endif
