/* SPDX-License-Identifier: Apache-2.0 */
/* store/run/run_walk.h -- walks forward over the entries of many runs, customer by customer. Walks
 * of the view and merges of runs use it.
 *
 *   run 0:  C1 C1 C3 . C7 …   a cursor for each run, ascending by customer at fold time
 *   run 1:  C1 C2 C3 . . C9 … '.' is an entry that has moved since
 *   moved:  C1 C7 C7 …        entries whose persona belongs to another customer now, collected once
 *                             and sorted
 *
 * An entry that has not moved stands under its present customer, so the lowest head is the next
 * customer, and all its slices are at the heads. */
#ifndef STORE_RUN_RUN_WALK_H
#define STORE_RUN_RUN_WALK_H

#include "store/run/run_file.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define RUN_WALK_BLOCK_BITS 12 /* shares of a walk go by blocks of 4,096 customer ids */

struct run_slice {
    uint32_t run, entry;
};

struct run_cursor {
    const uint32_t *customer; /* of the entries */
    uint64_t *moved;          /* a bit an entry; NULL: none */
    uint32_t next, count;
};

struct run_walk {
    struct run *const *runs;
    uint32_t run_count;
    uint32_t part, parts;
    uint32_t *head; /* customer at each cursor, ID_NONE at its end; four ID_NONE behind the last */
    struct run_cursor *cursors;
    uint64_t *moved; /* customer << 32 | index into moved_slices */
    struct run_slice *moved_slices;
    size_t moved_count, moved_next;
    struct run_slice *slices; /* of the customer taken last, in order of run */
    size_t slice_count, slice_capacity;
};

/* `customer` is by persona, below persona_count (NULL, or beyond it: as at fold time), and is used
 * only during this call. `runs` is borrowed. Customers outside [from, to) and outside the share are
 * skipped. */
struct run_walk_range {
    uint32_t from, to; /* 0, ID_NONE: all */
    uint32_t part, parts;
};
enum status run_walk_init(struct run_walk *walk, struct run *const *runs, uint32_t run_count,
                          const uint32_t *customer, uint32_t persona_count,
                          struct run_walk_range range) MUST_USE;
void run_walk_release(struct run_walk *walk);

static inline bool run_walk_shares(uint32_t part, uint32_t parts, uint32_t customer) {
    return parts <= 1 || (customer >> RUN_WALK_BLOCK_BITS) % parts == part;
}

/* Finds the first customer id of the next block in the share; returns the first entry at or after
 * it. */
uint32_t run_walk_skip(const struct run_walk *walk, uint32_t run, uint32_t at);

/* Puts a run's cursor on its next entry that has not moved and is in the share. */
static inline void run_walk_settle(struct run_walk *walk, uint32_t run) {
    struct run_cursor *cursor = &walk->cursors[run];
    uint32_t at = cursor->next;
    while (at < cursor->count) {
        if (cursor->moved != NULL && cursor->moved[at / 64] >> (at % 64) & 1) {
            at++;
        } else if (run_walk_shares(walk->part, walk->parts, cursor->customer[at])) {
            break;
        } else {
            at = run_walk_skip(walk, run, at);
        }
    }
    cursor->next = at;
    walk->head[run] = at < cursor->count ? cursor->customer[at] : ID_NONE;
}

enum status run_walk_grow(struct run_walk *walk) MUST_USE;
static inline enum status run_walk_push(struct run_walk *walk, struct run_slice slice) {
    if (walk->slice_count == walk->slice_capacity && run_walk_grow(walk) != STATUS_OK)
        return STATUS_NO_MEMORY;
    walk->slices[walk->slice_count++] = slice;
    return STATUS_OK;
}

/* Returns the next customer, or ID_NONE. */
static inline uint32_t run_walk_peek(const struct run_walk *walk) {
    uint32_t lowest = walk->moved_next < walk->moved_count
                          ? (uint32_t)(walk->moved[walk->moved_next] >> 32)
                          : ID_NONE;
#ifdef __SSE2__
    const __m128i sign = _mm_set1_epi32(INT32_MIN); /* there is only a signed comparison */
    __m128i low = _mm_set1_epi32((int32_t)(lowest ^ 0x80000000u));
    uint32_t four[4];
    for (uint32_t r = 0; r < walk->run_count; r += 4) {
        __m128i head = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(walk->head + r)), sign);
        __m128i less = _mm_cmplt_epi32(head, low);
        low = _mm_or_si128(_mm_and_si128(less, head), _mm_andnot_si128(less, low));
    }
    _mm_storeu_si128((__m128i *)four, _mm_xor_si128(low, sign));
    lowest = four[0] < four[1] ? four[0] : four[1];
    if (four[2] < lowest) lowest = four[2];
    return four[3] < lowest ? four[3] : lowest;
#else
    for (uint32_t r = 0; r < walk->run_count; r++) {
        if (walk->head[r] < lowest) lowest = walk->head[r];
    }
    return lowest;
#endif
}

/* Returns a bit for each of the first 64 runs that has this customer next. */
static inline uint64_t run_walk_runs(const struct run_walk *walk, uint32_t customer) {
    uint64_t bits = 0;
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi32((int32_t)customer);
    for (uint32_t r = 0; r < walk->run_count; r += 4) {
        __m128i equal = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(walk->head + r)), wanted);
        bits |= (uint64_t)(uint32_t)_mm_movemask_ps(_mm_castsi128_ps(equal)) << r;
    }
#else
    for (uint32_t r = 0; r < walk->run_count; r++)
        bits |= (uint64_t)(walk->head[r] == customer) << r;
#endif
    return bits;
}

/* Collects this customer's slices and moves on; none, where it is not the next customer. */
enum status run_walk_take(struct run_walk *walk, uint32_t customer) MUST_USE;

#endif
