/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/column.h"

#include <assert.h>

enum status column_write(const struct column_store *column, uint64_t count, size_t item_bytes,
                         struct image_writer *writer, uint32_t tag, struct error *error) {
    enum status status = image_begin(writer, tag, item_bytes, error);
    for (uint32_t s = 0; status == STATUS_OK && count > 0; s++) {
        uint64_t items = column_segment_items(s) < count ? column_segment_items(s) : count;
        status = image_add(writer, column->segments[s], items * item_bytes, error);
        count -= items;
    }
    return status;
}

/* Segments up to the one that `count` ends in have less than 2 * count items and one first segment
 * more. The image has room for these. */
void column_begin(struct column_store *column, void *items, uint64_t count, size_t item_bytes) {
    char *at = items;
    assert(item_bytes % 4 == 0 && item_bytes <= COLUMN_IMAGE_ITEM_MAX);
    *column = (struct column_store){.capacity = 0};
    for (uint32_t s = 0; column->capacity < count; s++) {
        column->segments[s] = at;
        at += column_segment_items(s) * item_bytes;
        column->capacity += column_segment_items(s);
        column->mapped++;
    }
}
