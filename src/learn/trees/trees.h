/* SPDX-License-Identifier: Apache-2.0 */
/* learn/trees/trees.h -- boosted trees, scored: reads what XGBoost has learnt and gives the same
 * numbers, bit for bit, many times faster on a single row.
 *
 * Every tree is made complete: all have the depth D of the deepest one, and a leaf that stands
 * higher is repeated below. So a node needs no pointers (the children of node i are 2 i and
 * 2 i + 1), the walk has no branch, and several trees are walked at once, which hides the time that
 * memory takes.
 *
 *   depth 2             1               thresholds, slots: nodes 1 … 2^D - 1 of a tree, 0 is unused
 *                   2       3           leaves: node 2^D + i has leaf i
 *                 4   5   6   7
 *
 * A value goes left where it is below the threshold. A missing value goes where the node says. So
 * that the walk need not ask, a row is written twice before it is scored: a missing value is
 * +infinity in the slots of nodes that send it to the right, and -infinity in the others.
 *
 *   slot 2 f: the value of feature f, +inf where missing    slot 2 f + 1: -inf where missing
 *
 * The margin of a row is the base margin and then the leaf of each tree, added in float in the
 * order of the trees, as XGBoost's CPU predictor does. Leaves and thresholds are read from the
 * decimal text that XGBoost saves, which names each float exactly.
 *
 * Trees never change once they are made; any thread. */
#ifndef LEARN_TREES_TREES_H
#define LEARN_TREES_TREES_H

#include "base/text.h"

#define TREES_MAX          4096u
#define TREES_DEPTH_MAX    8u
#define TREES_FEATURES_MAX 2048u
/* Nodes of a tree as XGBoost wrote it; nodes that it has pruned may stand among them. */
#define TREES_NODES_MAX      4096u
#define TREES_JSON_BYTES_MAX ((size_t)64 << 20)

struct trees;
void trees_destroy(struct trees *trees); /* NULL is allowed */

/* Reads a model that XGBoost saved as JSON (1.6 or later): booster gbtree, objective
 * binary:logistic, numeric splits. Trusts nothing of it. STATUS_INVALID or STATUS_LIMIT, with what
 * is wrong and where, for anything else. */
enum status trees_read_json(struct trees **out, struct text json, struct error *error) MUST_USE;

uint32_t trees_count(const struct trees *trees);
uint32_t trees_depth(const struct trees *trees);
/* The features that the trees were trained on; a row has so many values. */
uint32_t trees_feature_count(const struct trees *trees);

/* Returns the margin (log-odds) of one row. `values` is by feature; NaN: missing. */
float trees_margin(const struct trees *trees, const float *values);
/* The same for many rows, equal bit for bit. Row i begins at values[i * stride]. */
void trees_margins(const struct trees *trees, const float *values, size_t stride, size_t count,
                   float *out);
/* Returns the chance of a margin, as XGBoost's binary:logistic does (src/common/math.h, Sigmoid):
 * 1 / (exp(min(-margin, 88.7)) + 1 + 1e-16), in float. */
float trees_chance(float margin);

/* Adds to by_feature[f] what feature f contributes to this row's margin, and returns the mean
 * margin of the training rows; both add up to the margin, but for rounding. The contributions are
 * exact Shapley values of the tree's expected value given some of the features, by the share of
 * training rows (sum of hessians) that went each way: path-dependent TreeSHAP (Lundberg et al.,
 * "From local explanations to global understanding with explainable AI for trees", Nature Machine
 * Intelligence 2, 2020, Algorithm 2), taken path by path as in Mitchell, Frank and Holmes
 * ("GPUTreeShap", PeerJ Computer Science 8:e880, 2022). Costs about 2^D D^2 steps a tree. */
double trees_reasons(const struct trees *trees, const float *values, double *by_feature);
/* Returns that mean alone. */
double trees_mean(const struct trees *trees);

/* Appends the trees in a form of their own, and reads it back, trusting nothing: STATUS_CORRUPT
 * where the bytes are not exactly one set of trees. Who stores them adds a checksum. */
enum status trees_encode(const struct trees *trees, struct buffer *out) MUST_USE;
enum status trees_decode(struct trees **out, struct text bytes) MUST_USE;

#endif
