/* SPDX-License-Identifier: Apache-2.0 */
/* learn/rolling.h -- chooses settings and measures figures on rows that a fit had not seen.
 *
 * A rolling split at d trains on the rows whose label was known before d and validates on those at
 * or after d, as a model trained at d would have met them. Moments are chosen so that about 20, 35,
 * 50 and 65 % (with four splits) of the rows are known. Where there are too few rows over time, as
 * where all have one date, each fold of customers is validated by a fit on the others, if each fold
 * has enough rows.
 *
 * The ridge is chosen first, without pairs: the one that experiments found best, a quarter of it
 * and four times as much. Another setting is taken only where it lowers the mean log loss by more
 * than ROLLING_MARGIN of it and is worse on at most one split in four, so that chance does not
 * change settings. Then pairs: none, or the best ridge of their cells among four, by the same rule
 * with ROLLING_PAIR_MARGIN. A split too early to find a pair is not worse for it. */
#ifndef LEARN_ROLLING_H
#define LEARN_ROLLING_H

#include "learn/fit.h"

#define RIDGE_SLOPE            100.0
#define RIDGE_BIN              200.0
#define ROLLING_MARGIN         .01
#define ROLLING_PAIR_MARGIN    .002
#define ROLLING_SAME           1e-5 /* losses that differ by less are the same */
#define ROLLING_SPLITS_MAX     16
#define ROLLING_SPLITS_DEFAULT 4
#define ROLLING_ROWS_MIN       100 /* of either side of a split, and of a fold */
#define ROLLING_CELLS_MAX                                                                          \
    400000000 /* rows times features, beyond which other settings aren't tried */

struct rolling {
    struct ridge ridge;
    uint32_t split_count; /* below 2: there were too few rows over time */
    bool by_folds;        /* then: measured on folds of customers */
    bool searched;        /* other settings were tried */
    bool pairs;           /* and pairs, if so */
    /* Each validated row once, by the latest split before it, or by its fold. */
    uint32_t *rows;
    double *propensity;
    size_t count;
};

/* `pairs`: they are tried. Where neither splits nor folds have enough rows, nothing is measured and
 * settings are the defaults. */
enum status rolling_run(struct rolling *rolling, struct fitter *fitter, uint32_t split_count,
                        bool pairs) MUST_USE; /* release also after a failure */
void rolling_release(struct rolling *rolling);

#endif
