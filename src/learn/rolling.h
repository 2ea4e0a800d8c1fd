/* SPDX-License-Identifier: Apache-2.0 */
/* learn/rolling.h -- chooses settings and measures figures on later rows of the past.
 *
 * A split at d trains on the rows whose label was known before d and validates on those at or after
 * d, as a model trained at d would have met them. Moments are chosen so that about 20, 35, 50 and
 * 65 % (with four splits) of the rows are known. The settings are the ridge that experiments found
 * best, a quarter of it and four times as much. Another setting is taken only where it lowers the
 * mean log loss over the splits by more than ROLLING_MARGIN of it and is better on three splits in
 * four, so that chance does not change settings. */
#ifndef LEARN_ROLLING_H
#define LEARN_ROLLING_H

#include "learn/fit.h"

#define RIDGE_SLOPE            100.0
#define RIDGE_BIN              200.0
#define ROLLING_MARGIN         .01
#define ROLLING_SPLITS_MAX     16
#define ROLLING_SPLITS_DEFAULT 4
#define ROLLING_ROWS_MIN       100 /* of either side of a split */
#define ROLLING_CELLS_MAX                                                                          \
    100000000 /* rows times features, beyond which other settings aren't tried */

struct rolling {
    struct ridge ridge;
    uint32_t split_count; /* below 2: nothing was measured, and the settings are the defaults */
    bool searched;
    /* Each validated row once, by the latest split before it. */
    uint32_t *rows;
    double *propensity;
    size_t count;
};

enum status rolling_run(struct rolling *rolling, struct fitter *fitter,
                        uint32_t split_count) MUST_USE; /* release also after a failure */
void rolling_release(struct rolling *rolling);

#endif
