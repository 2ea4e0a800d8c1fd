/* SPDX-License-Identifier: Apache-2.0 */
/* Sorts by (customer, persona, time, position) without comparing whole rows. It sorts the distinct
 * personas; one counting pass scatters the rows to their persona; and within a persona rows are
 * nearly in order of time. */
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

/* What sorting needs of a row. Rows are read once in their own order for it, and once more when
 * they are written. */
struct row_place {
    int64_t time_ms;
    uint64_t position;
    uint32_t persona;
};

struct sorting {
    size_t count;
    uint32_t persona_count;    /* highest id + 1 */
    struct row_place *places;  /* a row, as given */
    uint32_t *start;           /* a persona: rows, then where its slice begins */
    struct run_sort_row *rows; /* in the run's order at last */
    uint64_t *distinct;        /* customer << 32 | persona */
    size_t distinct_count;
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

static void places_release(struct sorting *sorting) {
    memory_free_huge(sorting->places, sorting->count * sizeof *sorting->places);
    sorting->places = NULL;
}

static void sorting_release(struct sorting *sorting) {
    places_release(sorting);
    memory_free_huge(sorting->start, (size_t)sorting->persona_count * sizeof *sorting->start);
    memory_free_huge(sorting->rows, sorting->count * sizeof *sorting->rows);
    memory_free(sorting->distinct);
}

static enum status count_personas(struct sorting *sorting, const struct run_rows *rows) {
    uint32_t highest = 0;
    struct run_row row;
    sorting->places = memory_alloc_huge(sorting->count * sizeof *sorting->places);
    if (sorting->places == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < sorting->count; i++) {
        rows->get(rows->context, i, &row);
        sorting->places[i] = (struct row_place){row.time_ms, row.position, row.persona};
        if (row.persona > highest) highest = row.persona;
    }
    if (highest == ID_NONE) return STATUS_INVALID;
    sorting->start = memory_alloc_huge(((size_t)highest + 1) * sizeof *sorting->start);
    if (sorting->start == NULL) return STATUS_NO_MEMORY;
    sorting->persona_count = highest + 1;
    for (size_t i = 0; i < sorting->count; i++) {
        sorting->distinct_count += sorting->start[sorting->places[i].persona]++ == 0;
    }
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

static void scatter(struct sorting *sorting) {
    const struct row_place *places = sorting->places;
    for (size_t i = 0; i < sorting->count; i++) {
        if (i + SCATTER_FAR < sorting->count)
            __builtin_prefetch(&sorting->start[places[i + SCATTER_FAR].persona]);
        if (i + SCATTER_NEAR < sorting->count) {
            __builtin_prefetch(&sorting->rows[sorting->start[places[i + SCATTER_NEAR].persona]], 1);
        }
        struct run_sort_row *to = &sorting->rows[sorting->start[places[i].persona]++];
        *to = (struct run_sort_row){places[i].time_ms, places[i].position, (uint32_t)i};
    }
}

static enum status sort_rows(struct sorting *sorting) {
    sorting->rows = memory_alloc_huge(sorting->count * sizeof *sorting->rows);
    if (sorting->rows == NULL) return STATUS_NO_MEMORY;
    scatter(sorting);
    places_release(sorting);
    size_t first = 0;
    for (size_t i = 0; i < sorting->distinct_count; i++) {
        if (i + SCATTER_FAR < sorting->distinct_count) {
            __builtin_prefetch(&sorting->start[(uint32_t)sorting->distinct[i + SCATTER_FAR]]);
        }
        size_t end = sorting->start[(uint32_t)sorting->distinct[i]];
        if (end - first > 1 && run_sort_rows(sorting->rows + first, end - first) != STATUS_OK)
            return STATUS_NO_MEMORY;
        first = end;
    }
    return STATUS_OK;
}

static inline void prefetch_rows(const struct sorting *sorting, const struct run_rows *rows,
                                 size_t at) {
    if (rows->prefetch == NULL) return;
    if (at + WRITE_FAR < sorting->count)
        rows->prefetch(rows->context, sorting->rows[at + WRITE_FAR].index, RUN_FAR);
    if (at + WRITE_NEAR < sorting->count)
        rows->prefetch(rows->context, sorting->rows[at + WRITE_NEAR].index, RUN_NEAR);
    if (at + WRITE_NEXT < sorting->count)
        rows->prefetch(rows->context, sorting->rows[at + WRITE_NEXT].index, RUN_NEXT);
}

static enum status write_sorted(const struct sorting *sorting, const struct run_target *target,
                                const struct run_rows *rows, struct run_info *info,
                                struct error *error) {
    struct run_writer *writer;
    struct run_row row;
    enum status status = run_writer_create(&writer, target, error);
    if (status != STATUS_OK) return status;
    size_t at = 0;
    for (size_t i = 0; status == STATUS_OK && i < sorting->distinct_count; i++) {
        uint32_t persona = (uint32_t)sorting->distinct[i],
                 customer = (uint32_t)(sorting->distinct[i] >> 32);
        size_t end = sorting->start[persona];
        for (; status == STATUS_OK && at < end; at++) {
            prefetch_rows(sorting, rows, at);
            rows->get(rows->context, sorting->rows[at].index, &row);
            status = run_writer_add(writer, customer, &row, error);
        }
    }
    if (status == STATUS_OK) status = run_writer_finish(writer, info, error);
    run_writer_destroy(writer);
    return status;
}

enum status run_write(const struct run_target *target, const struct run_rows *rows,
                      const uint32_t *customer, uint32_t persona_count, struct run_info *info,
                      struct error *error) {
    struct sorting sorting = {.count = rows->count};
    if (rows->count == 0) return STATUS_END;
    if (rows->count > RUN_ROWS_MAX) {
        return error_set(error, STATUS_LIMIT, "%s: a run holds at most %u events", target->path,
                         RUN_ROWS_MAX);
    }
    enum status status = count_personas(&sorting, rows);
    if (status == STATUS_OK) status = place_personas(&sorting, customer, persona_count);
    if (status == STATUS_OK) status = sort_rows(&sorting);
    if (status == STATUS_OK) {
        status = write_sorted(&sorting, target, rows, info, error);
    } else {
        error_set(error, status, "%s: %s while sorting events", target->path, status_name(status));
    }
    sorting_release(&sorting);
    return status;
}
