/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/trees/trees_internal.h"

#include <math.h>

#include "base/memory.h"

/* Rows that are scored together: a group of trees serves all of them while it is in the cache. */
#define ROWS_TOGETHER 16u

enum status trees_create(struct trees **out, uint32_t count, uint32_t depth,
                         uint32_t feature_count) {
    struct trees *trees = *out = memory_calloc(1, sizeof *trees);
    if (trees == NULL) return STATUS_NO_MEMORY;
    *trees = (struct trees){.count = count, .depth = depth, .feature_count = feature_count};
    size_t places = trees_places(trees) + 1;
    trees->thresholds = memory_alloc(places * sizeof *trees->thresholds);
    trees->slots = memory_calloc(places, sizeof *trees->slots);
    trees->leaves = memory_calloc(places, sizeof *trees->leaves);
    trees->covers = memory_calloc(places, sizeof *trees->covers);
    trees->leaf_covers = memory_calloc(places, sizeof *trees->leaf_covers);
    bool whole =
        trees->thresholds && trees->slots && trees->leaves && trees->covers && trees->leaf_covers;
    if (!whole) {
        trees_destroy(trees);
        *out = NULL;
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < places; i++) trees->thresholds[i] = INFINITY;
    return STATUS_OK;
}

void trees_destroy(struct trees *trees) {
    if (trees == NULL) return;
    memory_free(trees->thresholds);
    memory_free(trees->slots);
    memory_free(trees->leaves);
    memory_free(trees->covers);
    memory_free(trees->leaf_covers);
    memory_free(trees);
}

uint32_t trees_count(const struct trees *trees) {
    return trees->count;
}
uint32_t trees_depth(const struct trees *trees) {
    return trees->depth;
}
uint32_t trees_feature_count(const struct trees *trees) {
    return trees->feature_count;
}

/* Trees without a real node ask slot 0, also where there is no feature. */
static void write_twice(const float *values, uint32_t count, float *row) {
    row[0] = 0;
    for (uint32_t f = 0; f < count; f++) {
        bool missing = isnan(values[f]);
        row[2 * f] = missing ? INFINITY : values[f];
        row[2 * f + 1] = missing ? -INFINITY : values[f];
    }
}

/* Walks eight trees at once, which begin at these places, and gives the leaf of each. The depth is
 * a constant where it is called, so that the compiler unrolls the loop. */
__attribute__((always_inline)) static inline void walk(const float *thresholds,
                                                       const uint16_t *slots, const float *leaves,
                                                       const float *row, const uint32_t depth,
                                                       float out[TREES_TOGETHER]) {
    uint32_t node[TREES_TOGETHER];
    for (uint32_t k = 0; k < TREES_TOGETHER; k++) node[k] = 1;
    for (uint32_t level = 0; level < depth; level++) {
        for (uint32_t k = 0; k < TREES_TOGETHER; k++) {
            uint32_t at = (k << depth) + node[k];
            node[k] = 2 * node[k] + !(row[slots[at]] < thresholds[at]);
        }
    }
    for (uint32_t k = 0; k < TREES_TOGETHER; k++)
        out[k] = leaves[(k << depth) + node[k] - (1u << depth)];
}

/* Adds the leaves of the group of trees that begins with `first`. */
__attribute__((always_inline)) static inline float add_group(const struct trees *trees,
                                                             uint32_t first, const float *row,
                                                             const uint32_t depth, float margin) {
    float leaf[TREES_TOGETHER];
    size_t at = (size_t)first << depth;
    walk(trees->thresholds + at, trees->slots + at, trees->leaves + at, row, depth, leaf);
    uint32_t left = trees->count - first;
    for (uint32_t k = 0; k < TREES_TOGETHER && k < left; k++) margin += leaf[k];
    return margin;
}

/* Adds up the margins of rows that stand behind one another, each written twice. */
__attribute__((always_inline)) static inline void add_all(const struct trees *trees,
                                                          const float *rows, size_t row_slots,
                                                          uint32_t count, const uint32_t depth,
                                                          float *margins) {
    for (uint32_t first = 0; first < trees->count; first += TREES_TOGETHER) {
        for (uint32_t i = 0; i < count; i++)
            margins[i] = add_group(trees, first, rows + i * row_slots, depth, margins[i]);
    }
}

static void add_margins(const struct trees *trees, const float *rows, size_t row_slots,
                        uint32_t count, float *margins) {
    switch (trees->depth) {
    case 1: add_all(trees, rows, row_slots, count, 1, margins); break;
    case 2: add_all(trees, rows, row_slots, count, 2, margins); break;
    case 3: add_all(trees, rows, row_slots, count, 3, margins); break;
    case 4: add_all(trees, rows, row_slots, count, 4, margins); break;
    case 5: add_all(trees, rows, row_slots, count, 5, margins); break;
    case 6: add_all(trees, rows, row_slots, count, 6, margins); break;
    case 7: add_all(trees, rows, row_slots, count, 7, margins); break;
    default: add_all(trees, rows, row_slots, count, 8, margins); break;
    }
}

float trees_margin(const struct trees *trees, const float *values) {
    float row[2 * TREES_FEATURES_MAX], margin = trees->base_margin;
    write_twice(values, trees->feature_count, row);
    add_margins(trees, row, 0, 1, &margin);
    return margin;
}

void trees_margins(const struct trees *trees, const float *values, size_t stride, size_t count,
                   float *out) {
    float rows[2 * TREES_FEATURES_MAX];
    size_t row_slots = 2 * (size_t)trees->feature_count;
    size_t fit = row_slots > 0 ? sizeof rows / sizeof *rows / row_slots : ROWS_TOGETHER;
    size_t most = fit < ROWS_TOGETHER ? fit : ROWS_TOGETHER;
    for (size_t from = 0; from < count; from += most) {
        uint32_t block = (uint32_t)(count - from < most ? count - from : most);
        for (uint32_t i = 0; i < block; i++) {
            write_twice(values + (from + i) * stride, trees->feature_count, rows + i * row_slots);
            out[from + i] = trees->base_margin;
        }
        add_margins(trees, rows, row_slots, block, out + from);
    }
}

float trees_chance(float margin) {
    float least = -margin < 88.7f ? -margin : 88.7f;
    return 1.0f / (expf(least) + 1.0f + 1e-16f);
}
