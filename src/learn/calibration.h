/* SPDX-License-Identifier: Apache-2.0 */
/* learn/calibration.h -- from a score to a propensity: propensity = 1/(1+exp(-(slope z + base))).
 *
 * Platt (1999) with his smoothed targets, by the Newton method with backtracking of Lin, Lin and
 * Weng (Machine Learning 68, 2007). Two parameters on purpose: with a few hundred goals an isotonic
 * curve cost 9 % of log loss (docs/learning.md). */
#ifndef LEARN_CALIBRATION_H
#define LEARN_CALIBRATION_H

#include "learn/training_set.h"

struct calibration {
    double slope, base;
};
/* Fits; scores are by position in `rows`. Where the slope is not positive, or not finite, the
 * scores rank nothing: then the result is {1, 0}. */
struct calibration calibration_fit(const double *scores, const uint32_t *rows, size_t count,
                                   const struct row_facts *facts);

/* Returns a propensity in (0, 1) for any z: the log-odds are held within +-30. */
double propensity_of(double log_odds);
/* The same for many, in place. */
void propensities_of(double *log_odds, size_t count);

#endif
