/* SPDX-License-Identifier: Apache-2.0 */
/* event/varint.h -- LEB128 integers and zigzag, with every read checked against its end. */
#ifndef EVENT_VARINT_H
#define EVENT_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARINT_BYTES_MAX 10

static inline size_t varint_write(uint8_t *at, uint64_t value) {
    size_t length = 0;
    if (value < 0x80) { /* most are short */
        at[0] = (uint8_t)value;
        return 1;
    }
    while (value >= 0x80) {
        at[length++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[length++] = (uint8_t)value;
    return length;
}

/* Moves *at behind the integer; false where it does not end before `end` or has more than 64 bits.
 */
static inline bool varint_read(const uint8_t **at, const uint8_t *end, uint64_t *value) {
    uint64_t sum = 0;
    const uint8_t *p = *at;
    if (p < end && *p < 0x80) { /* most are short */
        *value = *p;
        *at = p + 1;
        return true;
    }
    for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
        uint64_t byte = *p++;
        if (shift == 63 && byte > 1) return false;
        sum |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *at = p;
            *value = sum;
            return true;
        }
    }
    return false;
}

static inline uint64_t zigzag(int64_t value) {
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}
static inline int64_t unzigzag(uint64_t value) {
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
