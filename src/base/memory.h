/* SPDX-License-Identifier: Apache-2.0 */
/* base/memory.h -- the only door to the heap, so that tests can fail every allocation in turn.
 *
 * memory_fail_at(n) makes the n-th allocation from now on (1 = the next one) and every later one
 * return NULL until memory_fail_at(0); process-wide, for tests only. Any thread. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

/* The memory is not zeroed. With 0 bytes the pointer is valid, too. */
void *memory_alloc(size_t bytes) MUST_USE;
void *memory_calloc(size_t count, size_t bytes) MUST_USE; /* zeroed; overflow gives NULL */
/* On NULL the old block is still valid. */
void *memory_realloc(void *at, size_t bytes) MUST_USE;
void memory_free(void *at); /* NULL is allowed */

/* Large, long-lived tables: page aligned, zeroed, advised for huge pages. */
void *memory_alloc_huge(size_t bytes) MUST_USE;
void memory_free_huge(void *at, size_t bytes);

/* Grows an array to hold at least `needed` items, doubling; updates *capacity and *items only on
 * success. Mostly there is room, and then it costs no call. */
enum status memory_grow_now(void **items, size_t *capacity, size_t needed,
                            size_t item_bytes) MUST_USE;
MUST_USE static inline enum status memory_grow(void **items, size_t *capacity, size_t needed,
                                               size_t item_bytes) {
    return needed <= *capacity ? STATUS_OK : memory_grow_now(items, capacity, needed, item_bytes);
}

void memory_fail_at(uint64_t nth);
uint64_t memory_allocation_count(void);

#endif
