/* SPDX-License-Identifier: Apache-2.0 */
/* learn/trees/trees_internal.h -- the inside of a set of trees (trees.h has the drawing). */
#ifndef LEARN_TREES_TREES_INTERNAL_H
#define LEARN_TREES_TREES_INTERNAL_H

#include "learn/trees/trees.h"

/* Trees that are walked side by side. Arrays have room for a multiple of it: the trees that fill up
 * the last group are walked, and their leaves are not added. */
#define TREES_TOGETHER 8u

struct trees {
    uint32_t count, depth, feature_count;
    float base_margin;
    /* Tree t has places t << depth …, as in the drawing. */
    float *thresholds; /* +infinity: no real node, everything goes left */
    uint16_t *slots;   /* of the row that is written twice */
    float *leaves;
    float *covers;      /* of inner nodes: training rows (sum of hessians) that came by */
    float *leaf_covers; /* of leaves; 0 on the right below a leaf that is repeated */
};

/* Makes trees without content: no real node, every leaf 0. */
enum status trees_create(struct trees **out, uint32_t count, uint32_t depth,
                         uint32_t feature_count) MUST_USE;
static inline size_t trees_places(const struct trees *trees) {
    size_t rounded = (trees->count + TREES_TOGETHER - 1) / TREES_TOGETHER * TREES_TOGETHER;
    return rounded << trees->depth;
}

#endif
