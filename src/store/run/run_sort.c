/* SPDX-License-Identifier: Apache-2.0 */
/* Sorts by (customer, persona, time, position) without comparing whole rows. It sorts the distinct
 * personas; one counting pass scatters the rows' numbers to their persona; and within a persona
 * rows are nearly in order of time, so that each slice is put in order when it is written.
 *
 * Fresh memory is a good part of what a fold costs, so a row takes eight bytes here. */
#include "base/memory.h"
#include "store/run/run_writer.h"

#define RADIX_BITS 11
#define RADIX      (1u << RADIX_BITS)
/* Rows ahead at which memory is asked for. */
#define SCATTER_FAR  32u
#define SCATTER_NEAR 16u
#define WRITE_FAR    32u
#define WRITE_NEAR   20u
#define WRITE_NEXT   10u

void run_sort_u64(uint64_t *keys, uint64_t *scratch, size_t count, unsigned from_bit) {
    uint64_t any = 0, all = UINT64_MAX;
    uint64_t *from = keys, *to = scratch;
    size_t start[RADIX];
    for (size_t i = 0; i < count; i++) {
        any |= keys[i];
        all &= keys[i];
    }
    for (unsigned shift = from_bit; shift < 64; shift += RADIX_BITS) {
        if ((((any ^ all) >> shift) & (RADIX - 1)) == 0) continue; /* all the same here */
        memset(start, 0, sizeof start);
        for (size_t i = 0; i < count; i++) start[from[i] >> shift & (RADIX - 1)]++;
        size_t sum = 0;
        for (unsigned d = 0; d < RADIX; d++) {
            size_t n = start[d];
            start[d] = sum;
            sum += n;
        }
        for (size_t i = 0; i < count; i++) to[start[from[i] >> shift & (RADIX - 1)]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != keys && count > 0) memcpy(keys, from, count * sizeof *keys);
}

#define SLICE_ROWS 32u /* a persona with so many rows needs no memory of its own */

struct sorting {
    const struct run_rows *given;
    size_t count;
    uint32_t persona_count; /* highest id + 1 */
    uint32_t *persona;      /* of a row, as given */
    uint32_t *start;        /* a persona: rows, then where its slice begins, then where it ends */
    uint32_t *order;        /* the rows' numbers, slice by slice */
    uint64_t *distinct;     /* customer << 32 | persona */
    size_t distinct_count;
    struct run_sort_row *places; /* of a long slice */
    size_t place_capacity;
};

static bool is_before(const struct run_sort_row *a, const struct run_sort_row *b) {
    if (a->time_ms != b->time_ms) return a->time_ms < b->time_ms;
    return a->position < b->position;
}

static void insertion_sort(struct run_sort_row *rows, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct run_sort_row row = rows[i];
        size_t at = i;
        for (; at > 0 && is_before(&row, &rows[at - 1]); at--) rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

static void merge_halves(struct run_sort_row *rows, size_t half, size_t count,
                         struct run_sort_row *scratch) {
    if (!is_before(&rows[half], &rows[half - 1])) return;
    memcpy(scratch, rows, half * sizeof *rows);
    size_t a = 0, b = half, out = 0;
    while (a < half && b < count) {
        rows[out++] = is_before(&rows[b], &scratch[a]) ? rows[b++] : scratch[a++];
    }
    memcpy(rows + out, scratch + a, (half - a) * sizeof *rows);
}

/* Merges bottom up. A slice that is in order already costs one comparison for each pair of blocks.
 */
enum status run_sort_rows(struct run_sort_row *rows, size_t count) {
    size_t block = 32;
    for (size_t i = 0; i < count; i += block)
        insertion_sort(rows + i, count - i < block ? count - i : block);
    if (count <= block) return STATUS_OK;
    struct run_sort_row *scratch = memory_alloc(count * sizeof *scratch);
    if (scratch == NULL) return STATUS_NO_MEMORY;
    for (; block < count; block *= 2) {
        for (size_t i = 0; i + block < count; i += 2 * block) {
            size_t length = count - i < 2 * block ? count - i : 2 * block;
            merge_halves(rows + i, block, length, scratch);
        }
    }
    memory_free(scratch);
    return STATUS_OK;
}

static void persona_release(struct sorting *sorting) {
    memory_free_huge(sorting->persona, sorting->count * sizeof *sorting->persona);
    sorting->persona = NULL;
}

static void sorting_release(struct sorting *sorting) {
    persona_release(sorting);
    memory_free_huge(sorting->start, (size_t)sorting->persona_count * sizeof *sorting->start);
    memory_free_huge(sorting->order, sorting->count * sizeof *sorting->order);
    memory_free(sorting->distinct);
    memory_free(sorting->places);
}

static enum status count_personas(struct sorting *sorting) {
    const struct run_rows *rows = sorting->given;
    uint32_t highest = 0;
    struct run_row row;
    sorting->persona = memory_alloc_huge(sorting->count * sizeof *sorting->persona);
    if (sorting->persona == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < sorting->count; i++) {
        rows->get(rows->context, i, &row);
        sorting->persona[i] = row.persona;
        if (row.persona > highest) highest = row.persona;
    }
    if (highest == ID_NONE) return STATUS_INVALID;
    sorting->start = memory_alloc_huge(((size_t)highest + 1) * sizeof *sorting->start);
    if (sorting->start == NULL) return STATUS_NO_MEMORY;
    sorting->persona_count = highest + 1;
    for (size_t i = 0; i < sorting->count; i++)
        sorting->distinct_count += sorting->start[sorting->persona[i]]++ == 0;
    return STATUS_OK;
}

static uint32_t customer_of(const uint32_t *customer, uint32_t persona_count, uint32_t persona) {
    return customer != NULL && persona < persona_count ? customer[persona] : persona;
}

/* Sets `distinct` to (customer, persona), ascending, and start[persona] to where its rows go. */
static enum status place_personas(struct sorting *sorting, const uint32_t *customer,
                                  uint32_t persona_count) {
    uint64_t *scratch = memory_alloc(sorting->distinct_count * sizeof *scratch);
    sorting->distinct = memory_alloc(sorting->distinct_count * sizeof *sorting->distinct);
    if (scratch == NULL || sorting->distinct == NULL) {
        memory_free(scratch);
        return STATUS_NO_MEMORY;
    }
    size_t n = 0;
    for (uint32_t p = 0; p < sorting->persona_count; p++) {
        if (sorting->start[p] == 0) continue;
        sorting->distinct[n++] = (uint64_t)customer_of(customer, persona_count, p) << 32 | p;
    }
    run_sort_u64(sorting->distinct, scratch, n, 32); /* personas ascend already */
    memory_free(scratch);
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t *start = &sorting->start[(uint32_t)sorting->distinct[i]];
        uint32_t rows = *start;
        *start = sum;
        sum += rows;
    }
    return STATUS_OK;
}

/* Stable: rows of a persona keep their order. */
static enum status scatter(struct sorting *sorting) {
    const uint32_t *persona = sorting->persona;
    sorting->order = memory_alloc_huge(sorting->count * sizeof *sorting->order);
    if (sorting->order == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < sorting->count; i++) {
        if (i + SCATTER_FAR < sorting->count)
            __builtin_prefetch(&sorting->start[persona[i + SCATTER_FAR]]);
        if (i + SCATTER_NEAR < sorting->count)
            __builtin_prefetch(&sorting->order[sorting->start[persona[i + SCATTER_NEAR]]], 1);
        sorting->order[sorting->start[persona[i]]++] = (uint32_t)i;
    }
    persona_release(sorting);
    return STATUS_OK;
}

static inline void prefetch_rows(const struct sorting *sorting, size_t at) {
    const struct run_rows *rows = sorting->given;
    if (rows->prefetch == NULL) return;
    if (at + WRITE_FAR < sorting->count)
        rows->prefetch(rows->context, sorting->order[at + WRITE_FAR], RUN_FAR);
    if (at + WRITE_NEAR < sorting->count)
        rows->prefetch(rows->context, sorting->order[at + WRITE_NEAR], RUN_NEAR);
    if (at + WRITE_NEXT < sorting->count)
        rows->prefetch(rows->context, sorting->order[at + WRITE_NEXT], RUN_NEXT);
}

/* Of a long slice, whose first rows have left the cache again. */
static void prefetch_places(const struct run_rows *rows, const struct run_sort_row *places,
                            size_t at, size_t count) {
    if (rows->prefetch == NULL) return;
    if (at + WRITE_NEAR < count)
        rows->prefetch(rows->context, places[at + WRITE_NEAR].index, RUN_NEAR);
    if (at + WRITE_NEXT < count)
        rows->prefetch(rows->context, places[at + WRITE_NEXT].index, RUN_NEXT);
}

/* Puts the rows [first, end) of the order, which are one persona's, in order of time and writes
 * them. What `get` tells of a row stands until it is asked for the next one, so each is asked for
 * again. */
static enum status write_slice(struct sorting *sorting, struct run_writer *writer,
                               uint32_t customer, size_t first, size_t end, struct error *error) {
    const struct run_rows *rows = sorting->given;
    struct run_sort_row few[SLICE_ROWS], *places = few;
    struct run_row row;
    size_t count = end - first;
    enum status status = STATUS_OK;
    if (count > SLICE_ROWS) {
        status = memory_grow((void **)&sorting->places, &sorting->place_capacity, count,
                             sizeof *sorting->places);
        places = sorting->places;
    }
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        uint32_t number = sorting->order[first + i];
        prefetch_rows(sorting, first + i);
        rows->get(rows->context, number, &row);
        places[i] = (struct run_sort_row){row.time_ms, row.position, number};
    }
    if (status == STATUS_OK && count > 1) status = run_sort_rows(places, count);
    if (status != STATUS_OK) return error_set(error, status, "no memory to sort events");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        if (count > SLICE_ROWS) prefetch_places(rows, places, i, count);
        rows->get(rows->context, places[i].index, &row);
        status = run_writer_add(writer, customer, &row, error);
    }
    return status;
}

static enum status write_sorted(struct sorting *sorting, const struct run_target *target,
                                struct run_info *info, struct error *error) {
    struct run_writer *writer;
    enum status status = run_writer_create(&writer, target, error);
    if (status != STATUS_OK) return status;
    size_t first = 0;
    for (size_t i = 0; status == STATUS_OK && i < sorting->distinct_count; i++) {
        uint32_t persona = (uint32_t)sorting->distinct[i],
                 customer = (uint32_t)(sorting->distinct[i] >> 32);
        if (i + SCATTER_FAR < sorting->distinct_count)
            __builtin_prefetch(&sorting->start[(uint32_t)sorting->distinct[i + SCATTER_FAR]]);
        size_t end = sorting->start[persona];
        status = write_slice(sorting, writer, customer, first, end, error);
        first = end;
    }
    if (status == STATUS_OK) status = run_writer_finish(writer, info, error);
    run_writer_destroy(writer);
    return status;
}

enum status run_write(const struct run_target *target, const struct run_rows *rows,
                      const uint32_t *customer, uint32_t persona_count, struct run_info *info,
                      struct error *error) {
    struct sorting sorting = {.given = rows, .count = rows->count};
    if (rows->count == 0) return STATUS_END;
    if (rows->count > RUN_ROWS_MAX) {
        return error_set(error, STATUS_LIMIT, "%s: a run holds at most %u events", target->path,
                         RUN_ROWS_MAX);
    }
    enum status status = count_personas(&sorting);
    if (status == STATUS_OK) status = place_personas(&sorting, customer, persona_count);
    if (status == STATUS_OK) status = scatter(&sorting);
    if (status == STATUS_OK) {
        status = write_sorted(&sorting, target, info, error);
    } else {
        error_set(error, status, "%s: %s while sorting events", target->path, status_name(status));
    }
    sorting_release(&sorting);
    return status;
}
