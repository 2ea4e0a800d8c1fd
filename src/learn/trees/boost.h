/* SPDX-License-Identifier: Apache-2.0 */
/* learn/trees/boost.h -- grows boosted trees, one round after the other, by XGBoost.
 *
 * Trees are grown on what a score leaves unexplained: each row begins at the log-odds that it has
 * already. After each round the caller may look at rows that the trees do not see, and stop where
 * these get no better.
 *
 * One thread of XGBoost, no sampling, histograms: the same rows give the same trees, bit for bit,
 * with the same version of XGBoost. One thread at a time uses a booster. */
#ifndef LEARN_TREES_BOOST_H
#define LEARN_TREES_BOOST_H

#include "learn/trees/trees.h"

/* Leaves are taken this far (Friedman, "Greedy function approximation", Annals of Statistics 29,
 * 2001, section 5). */
#define BOOST_SHRINKAGE "0.1"
/* A leaf has rows whose variances p (1 - p) add up to so much: at least 20 rows, or more. So no
 * leaf, and no threshold between two, is of few customers alone. */
#define BOOST_LEAF_VARIANCE "5"
#define BOOST_RIDGE         "1" /* of the leaves */

/* Rows as XGBoost takes them; borrowed while a booster is made. */
struct boost_rows {
    const float *values; /* by row, then feature; NaN: missing; never infinite */
    const float *labels; /* 1 and 0 */
    const float *weights;
    const float *begin; /* log-odds before the first tree */
    size_t count;
    uint32_t feature_count;
};

struct booster;
/* `watched` may be NULL. STATUS_NOT_FOUND, with what to install, where there is no XGBoost. */
enum status booster_create(struct booster **out, const struct boost_rows *rows,
                           const struct boost_rows *watched, uint32_t depth,
                           struct error *error) MUST_USE;
void booster_destroy(struct booster *booster); /* NULL is allowed */
/* Grows one more tree. */
enum status booster_grow(struct booster *booster, struct error *error) MUST_USE;
/* Gives the log-odds of the watched rows by all trees so far; borrowed until the next call. */
enum status booster_watch(struct booster *booster, const float **log_odds,
                          struct error *error) MUST_USE;
/* Gives the trees grown so far. Their base margin is 0: where a row begins is the caller's. */
enum status booster_trees(struct booster *booster, struct trees **out,
                          struct error *error) MUST_USE;

#endif
