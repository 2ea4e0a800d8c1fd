/* SPDX-License-Identifier: Apache-2.0 */
/*   4 4 4   trees, depth, features
 *   4       base margin
 *           thresholds and slots of the inner nodes, leaves, and the covers of both, tree by tree
 *
 * Little-endian, floats by their bits. Where there is no real node the threshold is +infinity. */
#include <math.h>
#include <string.h>

#include "learn/trees/trees_internal.h"

#define HEAD_BYTES 16

static void store_u32(char **at, uint32_t value) {
    for (uint32_t i = 0; i < 4; i++) *(*at)++ = (char)(uint8_t)(value >> (8 * i));
}

static void store_float(char **at, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    store_u32(at, bits);
}

static uint32_t load_u32(const uint8_t **at) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < 4; i++) value |= (uint32_t) * (*at)++ << (8 * i);
    return value;
}

static float load_float(const uint8_t **at) {
    uint32_t bits = load_u32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* An inner node has a threshold, a slot and a cover, a leaf a value and a cover. */
static size_t bytes_of(uint64_t count, uint64_t depth) {
    uint64_t leaves = UINT64_C(1) << depth;
    return (size_t)(HEAD_BYTES + count * ((leaves - 1) * 12 + leaves * 8));
}

enum status trees_encode(const struct trees *trees, struct buffer *out) {
    size_t bytes = bytes_of(trees->count, trees->depth);
    enum status status = buffer_reserve(out, bytes);
    if (status != STATUS_OK) return status;
    char *at = out->at + out->length;
    store_u32(&at, trees->count);
    store_u32(&at, trees->depth);
    store_u32(&at, trees->feature_count);
    store_float(&at, trees->base_margin);
    uint32_t leaves = 1u << trees->depth;
    for (size_t t = 0; t < trees->count; t++) {
        size_t base = t << trees->depth;
        for (uint32_t i = 1; i < leaves; i++) {
            store_float(&at, trees->thresholds[base + i]);
            store_u32(&at, trees->slots[base + i]);
            store_float(&at, trees->covers[base + i]);
        }
        for (uint32_t i = 0; i < leaves; i++) {
            store_float(&at, trees->leaves[base + i]);
            store_float(&at, trees->leaf_covers[base + i]);
        }
    }
    out->length += bytes;
    return STATUS_OK;
}

static bool is_cover(float value) {
    return value >= 0 && isfinite(value);
}

static bool read_node(struct trees *trees, size_t place, const uint8_t **at) {
    float threshold = load_float(at);
    uint32_t slot = load_u32(at);
    float cover = load_float(at);
    bool real = isfinite(threshold);
    bool right = real ? slot < 2 * trees->feature_count : threshold == INFINITY && slot == 0;
    if (!right || !is_cover(cover)) return false;
    trees->thresholds[place] = threshold;
    trees->slots[place] = (uint16_t)slot;
    trees->covers[place] = cover;
    return true;
}

static bool read_leaf(struct trees *trees, size_t place, const uint8_t **at) {
    trees->leaves[place] = load_float(at);
    trees->leaf_covers[place] = load_float(at);
    return isfinite(trees->leaves[place]) && is_cover(trees->leaf_covers[place]);
}

static bool read_tree(struct trees *trees, size_t base, const uint8_t **at) {
    uint32_t leaves = 1u << trees->depth;
    for (uint32_t i = 1; i < leaves; i++) {
        if (!read_node(trees, base + i, at)) return false;
    }
    for (uint32_t i = 0; i < leaves; i++) {
        if (!read_leaf(trees, base + i, at)) return false;
    }
    return true;
}

enum status trees_decode(struct trees **out, struct text bytes) {
    const uint8_t *at = (const uint8_t *)bytes.at;
    *out = NULL;
    if (bytes.length < HEAD_BYTES) return STATUS_CORRUPT;
    uint32_t count = load_u32(&at), depth = load_u32(&at), features = load_u32(&at);
    float base_margin = load_float(&at);
    if (count > TREES_MAX || depth == 0 || depth > TREES_DEPTH_MAX ||
        features > TREES_FEATURES_MAX || !isfinite(base_margin) ||
        bytes.length != bytes_of(count, depth))
        return STATUS_CORRUPT;
    struct trees *trees;
    enum status status = trees_create(&trees, count, depth, features);
    if (status != STATUS_OK) return status;
    trees->base_margin = base_margin;
    for (size_t t = 0; t < count; t++) {
        if (read_tree(trees, t << depth, &at)) continue;
        trees_destroy(trees);
        return STATUS_CORRUPT;
    }
    *out = trees;
    return STATUS_OK;
}
