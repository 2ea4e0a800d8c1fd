/* SPDX-License-Identifier: Apache-2.0 */
/* expr/type_rows.h -- which of a few rows are of one event type, a bit a row.
 *
 *   types   7 3 3 9 3 …      type 3 ──►  bits  0 1 1 0 1 …
 *
 * Most questions are about one event type. The processor can't guess which type comes next, so the
 * types are compared without branches, many at a time, and only the rows that are found are looked
 * at. Pure; any thread. */
#ifndef EXPR_TYPE_ROWS_H
#define EXPR_TYPE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define TYPE_ROWS_MAX 64u

#ifdef __SSE2__
/* Eight rows from `types` on. */
static inline uint64_t type_rows_of_eight(const uint16_t *types, __m128i wanted) {
    __m128i same = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(const void *)types), wanted);
    return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
}
#endif

/* Bit i stands for types[i]; count <= TYPE_ROWS_MAX. */
static inline uint64_t type_rows(const uint16_t *types, uint32_t count, uint16_t type) {
    uint64_t rows = 0;
    uint32_t at = 0;
#ifdef __SSE2__
    __m128i wanted = _mm_set1_epi16((short)type);
    for (; at + 8 <= count; at += 8) rows |= type_rows_of_eight(types + at, wanted) << at;
    /* The last ones together with some that were looked at already. */
    if (at < count && count >= 8) {
        rows |= type_rows_of_eight(types + count - 8, wanted) << (count - 8);
        at = count;
    }
#endif
    for (; at < count; at++) rows |= (uint64_t)(types[at] == type) << at;
    return rows;
}

/* How many rows from `low` to before `high` one call can look at. */
static inline uint32_t type_rows_count(uint32_t low, uint32_t high) {
    return high - low < TYPE_ROWS_MAX ? high - low : TYPE_ROWS_MAX;
}

/* The row of the lowest, and of the highest bit; rows is not 0. */
static inline uint32_t type_rows_first(uint64_t rows) {
    return (uint32_t)__builtin_ctzll(rows);
}
static inline uint32_t type_rows_last(uint64_t rows) {
    return 63u - (uint32_t)__builtin_clzll(rows);
}

/* Only the bits from `low` to before `high`; high <= TYPE_ROWS_MAX. */
static inline uint64_t type_rows_between(uint64_t rows, uint32_t low, uint32_t high) {
    if (low >= high) return 0;
    return rows >> low << low & UINT64_MAX >> (TYPE_ROWS_MAX - high);
}

/* Walks the rows of the type from `low` to before `high`: in their order (type_rows_next), or from
 * the newest on (type_rows_previous). */
struct type_rows_walk {
    const uint16_t *types;
    uint32_t low, high; /* those that were not looked at yet */
    uint32_t first;     /* the row of bit 0 */
    uint64_t rows;
    uint16_t type;
};
static inline struct type_rows_walk type_rows_begin(const uint16_t *types, uint32_t low,
                                                    uint32_t high, uint16_t type) {
    return (struct type_rows_walk){.types = types, .low = low, .high = high, .type = type};
}
static inline bool type_rows_next(struct type_rows_walk *walk, uint32_t *row) {
    while (walk->rows == 0) {
        if (walk->low >= walk->high) return false;
        uint32_t count = type_rows_count(walk->low, walk->high);
        walk->first = walk->low;
        walk->rows = type_rows(walk->types + walk->low, count, walk->type);
        walk->low += count;
    }
    *row = walk->first + type_rows_first(walk->rows);
    walk->rows &= walk->rows - 1;
    return true;
}
static inline bool type_rows_previous(struct type_rows_walk *walk, uint32_t *row) {
    while (walk->rows == 0) {
        if (walk->low >= walk->high) return false;
        uint32_t count = type_rows_count(walk->low, walk->high);
        walk->high -= count;
        walk->first = walk->high;
        walk->rows = type_rows(walk->types + walk->high, count, walk->type);
    }
    uint32_t bit = type_rows_last(walk->rows);
    *row = walk->first + bit;
    walk->rows ^= UINT64_C(1) << bit;
    return true;
}

#endif
