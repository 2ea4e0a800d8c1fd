/* SPDX-License-Identifier: Apache-2.0 */
/*   4 4 4   trees, depth, features
 *   4       base margin
 *           thresholds and slots of the inner nodes, leaves, and the covers of both, tree by tree
 *
 * Little-endian, floats by their bits. Where there is no real node the threshold is +infinity. */
#include <math.h>

#include "learn/bytes.h"
#include "learn/trees/trees_internal.h"

#define HEAD_BYTES 16

/* An inner node has a threshold, a slot and a cover, a leaf a value and a cover. */
static size_t bytes_of(uint64_t count, uint64_t depth) {
    uint64_t leaves = UINT64_C(1) << depth;
    return (size_t)(HEAD_BYTES + count * ((leaves - 1) * 12 + leaves * 8));
}

enum status trees_encode(const struct trees *trees, struct buffer *out) {
    struct bytes_writer writer = {out, buffer_reserve(out, bytes_of(trees->count, trees->depth))};
    write_u64(&writer, trees->count, 4);
    write_u64(&writer, trees->depth, 4);
    write_u64(&writer, trees->feature_count, 4);
    write_float(&writer, trees->base_margin);
    uint32_t leaves = 1u << trees->depth;
    for (size_t t = 0; t < trees->count; t++) {
        size_t base = t << trees->depth;
        for (uint32_t i = 1; i < leaves; i++) {
            write_float(&writer, trees->thresholds[base + i]);
            write_u64(&writer, trees->slots[base + i], 4);
            write_float(&writer, trees->covers[base + i]);
        }
        for (uint32_t i = 0; i < leaves; i++) {
            write_float(&writer, trees->leaves[base + i]);
            write_float(&writer, trees->leaf_covers[base + i]);
        }
    }
    return writer.status;
}

static bool is_cover(float value) {
    return value >= 0 && isfinite(value);
}

static bool read_node(struct trees *trees, size_t place, struct bytes_reader *reader) {
    float threshold = read_float(reader);
    uint32_t slot = (uint32_t)read_u64(reader, 4);
    float cover = read_float(reader);
    bool real = isfinite(threshold);
    bool right = real ? slot < 2 * trees->feature_count : threshold == INFINITY && slot == 0;
    if (!right || !is_cover(cover)) return false;
    trees->thresholds[place] = threshold;
    trees->slots[place] = (uint16_t)slot;
    trees->covers[place] = cover;
    return true;
}

static bool read_leaf(struct trees *trees, size_t place, struct bytes_reader *reader) {
    trees->leaves[place] = read_float(reader);
    trees->leaf_covers[place] = read_float(reader);
    return isfinite(trees->leaves[place]) && is_cover(trees->leaf_covers[place]);
}

static bool read_tree(struct trees *trees, size_t base, struct bytes_reader *reader) {
    uint32_t leaves = 1u << trees->depth;
    for (uint32_t i = 1; i < leaves; i++) {
        if (!read_node(trees, base + i, reader)) return false;
    }
    for (uint32_t i = 0; i < leaves; i++) {
        if (!read_leaf(trees, base + i, reader)) return false;
    }
    return true;
}

enum status trees_decode(struct trees **out, struct text bytes) {
    struct bytes_reader reader = bytes_reader_of(bytes);
    *out = NULL;
    uint32_t count = (uint32_t)read_u64(&reader, 4), depth = (uint32_t)read_u64(&reader, 4),
             features = (uint32_t)read_u64(&reader, 4);
    float base_margin = read_float(&reader);
    if (reader.wrong || count > TREES_MAX || depth == 0 || depth > TREES_DEPTH_MAX ||
        features > TREES_FEATURES_MAX || !isfinite(base_margin) ||
        bytes.length != bytes_of(count, depth))
        return STATUS_CORRUPT;
    struct trees *trees;
    enum status status = trees_create(&trees, count, depth, features);
    if (status != STATUS_OK) return status;
    trees->base_margin = base_margin;
    for (size_t t = 0; t < count; t++) {
        if (read_tree(trees, t << depth, &reader)) continue;
        trees_destroy(trees);
        return STATUS_CORRUPT;
    }
    *out = trees;
    return STATUS_OK;
}
