/* SPDX-License-Identifier: Apache-2.0 */
/* identity/column.h -- an array that grows without moving: segments that double, so readers may
 * hold an address while it grows.
 *
 * Items are zeroed. One writer reserves; an index is published to readers by whoever stores it with
 * release order.
 *
 * A column can be written to an image, item after item, and later begin as the items of an image
 * (base/image.h), which must outlive it: its first segments then lie there, and the last of them,
 * which may be part full, grows into the room behind the items. */
#ifndef IDENTITY_COLUMN_H
#define IDENTITY_COLUMN_H

#include "base/image.h"
#include "base/memory.h"

#define COLUMN_FIRST_BITS 10
#define COLUMN_SEGMENTS   (33 - COLUMN_FIRST_BITS)

struct column_store {
    void *segments[COLUMN_SEGMENTS]; /* segment s starts at 1024 * (2^s - 1) and holds 1024 * 2^s */
    uint64_t capacity;
    uint32_t mapped; /* so many segments lie in an image */
};

static inline size_t column_segment_items(uint32_t segment) {
    return (size_t)1 << (COLUMN_FIRST_BITS + segment);
}
static inline void *column_at(const struct column_store *column, uint32_t index,
                              size_t item_bytes) {
    uint64_t shifted = (uint64_t)index + (UINT64_C(1) << COLUMN_FIRST_BITS);
    uint32_t top = 63 - (uint32_t)__builtin_clzll(shifted);
    return (char *)column->segments[top - COLUMN_FIRST_BITS] +
           (shifted - (UINT64_C(1) << top)) * item_bytes;
}
static inline enum status column_reserve(struct column_store *column, uint64_t count,
                                         size_t item_bytes) {
    for (uint32_t s = 0; column->capacity < count; s++) {
        if (column->segments[s]) continue;
        if (s == COLUMN_SEGMENTS - 1) return STATUS_LIMIT;
        column->segments[s] = memory_alloc_huge(column_segment_items(s) * item_bytes);
        if (!column->segments[s]) return STATUS_NO_MEMORY;
        column->capacity += column_segment_items(s);
    }
    return STATUS_OK;
}
static inline void column_release(struct column_store *column, size_t item_bytes) {
    for (uint32_t s = 0; s < COLUMN_SEGMENTS; s++) {
        if (column->segments[s] && s >= column->mapped)
            memory_free_huge(column->segments[s], column_segment_items(s) * item_bytes);
        column->segments[s] = NULL;
    }
    column->capacity = 0;
    column->mapped = 0;
}

/* The section `tag` with the first `count` items. */
enum status column_write(const struct column_store *column, uint64_t count, size_t item_bytes,
                         struct image_writer *writer, uint32_t tag, struct error *error) MUST_USE;
/* Fills an empty column. `items` lie in an image with room, and `item_bytes` is a multiple of 4, at
 * most COLUMN_IMAGE_ITEM_MAX. */
#define COLUMN_IMAGE_ITEM_MAX (IMAGE_ROOM_BYTES >> (COLUMN_FIRST_BITS + 1))
void column_begin(struct column_store *column, void *items, uint64_t count, size_t item_bytes);

#endif
