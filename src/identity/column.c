/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/column.h"

#include <string.h>

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

enum status column_begin(struct column_store *column, void *items, uint64_t count,
                         size_t item_bytes) {
    char *at = items;
    *column = (struct column_store){.capacity = 0};
    for (uint32_t s = 0; count > 0; s++) {
        uint64_t size = column_segment_items(s);
        if (count >= size) {
            column->segments[s] = at;
            column->capacity += size;
            column->mapped++;
            at += size * item_bytes;
            count -= size;
            continue;
        }
        enum status status = column_reserve(column, column->capacity + count, item_bytes);
        if (status) {
            column_release(column, item_bytes);
            return status;
        }
        memcpy(column->segments[s], at, count * item_bytes);
        count = 0;
    }
    return STATUS_OK;
}
