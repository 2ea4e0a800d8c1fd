/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define LARGE_BYTES     (2 * HUGE_PAGE_BYTES)

static _Atomic uint64_t allocation_count;
static _Atomic uint64_t fail_from; /* the number of the first allocation that fails; 0: none */

void memory_fail_at(uint64_t nth) {
    uint64_t count = atomic_load_explicit(&allocation_count, memory_order_relaxed);
    atomic_store_explicit(&fail_from, nth ? count + nth : 0, memory_order_relaxed);
}

uint64_t memory_allocation_count(void) {
    return atomic_load_explicit(&allocation_count, memory_order_relaxed);
}

static bool allowed(void) {
    uint64_t number = atomic_fetch_add_explicit(&allocation_count, 1, memory_order_relaxed) + 1;
    uint64_t from = atomic_load_explicit(&fail_from, memory_order_relaxed);
    return from == 0 || number < from;
}

/* Asks for huge pages inside the block. A large block is mostly read and written all over, and huge
 * pages cost far fewer page faults and translations. It is advice, so a refusal is no error. */
static void *advised(void *at, size_t bytes) {
    if (bytes < LARGE_BYTES || at == NULL) return at;
    uintptr_t begin = ((uintptr_t)at + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    uintptr_t end = ((uintptr_t)at + bytes) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    return at;
}

void *memory_alloc(size_t bytes) {
    if (!allowed() || bytes > PTRDIFF_MAX) return NULL;
    return advised(malloc(bytes ? bytes : 1), bytes);
}

void *memory_calloc(size_t count, size_t bytes) {
    size_t total;
    if (!allowed() || __builtin_mul_overflow(count, bytes, &total) || total > PTRDIFF_MAX)
        return NULL;
    return advised(calloc(1, total ? total : 1), total);
}

void *memory_realloc(void *at, size_t bytes) {
    if (!allowed() || bytes > PTRDIFF_MAX) return NULL;
    return advised(realloc(at, bytes ? bytes : 1), bytes);
}

void memory_free(void *at) {
    free(at);
}

static size_t round_to_page(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return bytes == 0 ? page : (bytes + page - 1) / page * page;
}

static void *map_zeroed(size_t bytes) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Maps one huge page too much and cuts both ends off, since the kernel gives huge pages only to
 * aligned ranges. */
static void *map_aligned(size_t bytes) {
    char *at = map_zeroed(bytes + HUGE_PAGE_BYTES);
    if (!at) return NULL;
    size_t before = (HUGE_PAGE_BYTES - (uintptr_t)at % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    if (before) munmap(at, before);
    munmap(at + before + bytes, HUGE_PAGE_BYTES - before);
    madvise(at + before, bytes, MADV_HUGEPAGE);
    return at + before;
}

void *memory_alloc_huge(size_t bytes) {
    if (!allowed() || bytes > PTRDIFF_MAX - 2 * HUGE_PAGE_BYTES) return NULL;
    size_t rounded = round_to_page(bytes);
    return rounded < HUGE_PAGE_BYTES ? map_zeroed(rounded) : map_aligned(rounded);
}

void memory_free_huge(void *at, size_t bytes) {
    if (at) munmap(at, round_to_page(bytes));
}

enum status memory_grow_now(void **items, size_t *capacity, size_t needed, size_t item_bytes) {
    size_t larger = *capacity < 4 ? 8 : *capacity;
    while (larger < needed) {
        if (larger > SIZE_MAX / 2) return STATUS_NO_MEMORY;
        larger *= 2;
    }
    if (larger > PTRDIFF_MAX / item_bytes) return STATUS_NO_MEMORY;
    void *moved = memory_realloc(*items, larger * item_bytes);
    if (!moved) return STATUS_NO_MEMORY;
    *items = moved;
    *capacity = larger;
    return STATUS_OK;
}
