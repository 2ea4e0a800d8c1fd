/* SPDX-License-Identifier: Apache-2.0 */
/* learn/bootstrap.h -- Poisson bootstrap over groups: each draw gives every group a weight, which
 * is Poisson of mean 1, and the figure is computed anew with them (Chamandy et al., "Estimating
 * Uncertainty for Massive Data Streams", 2012). Rows of one customer stay together, so that their
 * likeness widens the interval. Seeded. */
#ifndef LEARN_BOOTSTRAP_H
#define LEARN_BOOTSTRAP_H

#include "base/random.h"
#include "learn/learn.h"

/* Numbers the groups from 0 on in the order of their ids, so that the same customers get the same
 * weights in any order of rows. *dense, by row, is for memory_free, also on failure. */
enum status bootstrap_groups(const uint32_t *group, size_t count, uint32_t **dense,
                             uint32_t *group_count) MUST_USE;
/* Returns how many draws so many rows get: 2,000; fewer, but at least 200, beyond 100,000 rows. */
uint32_t bootstrap_draws(size_t rows);
/* Weights are drawn as Poisson of mean 1 by inversion, two from a random number. A draw beyond 12
 * (chance 6e-11) counts as 12. Most are told by their first bits alone. */
#define BOOTSTRAP_BITS 12
struct bootstrap_weights {
    uint32_t limits[12];
    uint8_t by_bits[1 << BOOTSTRAP_BITS];
};
void bootstrap_weights_init(struct bootstrap_weights *draws);
void bootstrap_draw(const struct bootstrap_weights *draws, struct random *random, uint8_t *weights,
                    uint32_t count);
/* Returns the middle 95 % and 50 % of the draws in which the figure is defined, and sorts the
 * draws. */
struct interval bootstrap_interval(double value, double *draws, uint32_t count);

#endif
