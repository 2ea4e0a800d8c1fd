/* SPDX-License-Identifier: Apache-2.0 */
/* event/packed_cell.h -- one packed value: its tag and payload. Shared by packed.c and
 * packed_list.c. */
#ifndef EVENT_PACKED_CELL_H
#define EVENT_PACKED_CELL_H

#include <math.h>

#include "event/packed.h"
#include "event/varint.h"

enum packed_tag {
    TAG_NUMBER = 1,
    TAG_INTEGER,
    TAG_TEXT,
    TAG_TIME,
    TAG_DURATION,
    TAG_NO,
    TAG_YES,
    TAG_MONEY,
    TAG_LIST,
    TAG_RECORD,
};

#define PACKED_HEAD_MAX 16 /* tag and payload without the bytes of a text */

/* Writes tag and payload of a known value, whose text has at most PACKED_BYTES_MAX bytes. The
 * caller has made room. Returns the number of bytes. */
size_t packed_value_put(uint8_t *at, const struct value *value);
/* Appends tag and payload. STATUS_INVALID for unknown and for a number that is not finite: callers
 * leave these out. */
enum status packed_value_write(struct buffer *out, struct value value) MUST_USE;
/* Reads one value and moves *at behind it. A list is allowed only where `lists` says so. STATUS_OK
 * or STATUS_CORRUPT. */
enum status packed_value_read(const uint8_t **at, const uint8_t *end, bool lists,
                              struct value *value) MUST_USE;
static inline bool packed_value_is_known(const struct value *value) {
    return value->type == VALUE_NUMBER
               ? isfinite(value->number)
               : value->type > VALUE_UNKNOWN && value->type < VALUE_TYPE_COUNT;
}
/* So many bytes has a text or list among `value`s own bytes. */
static inline size_t packed_text_bytes(const struct value *value) {
    return value->type == VALUE_TEXT || value->type == VALUE_LIST ? value->text.length : 0;
}

#endif
