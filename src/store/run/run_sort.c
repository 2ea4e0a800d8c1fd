/* SPDX-License-Identifier: Apache-2.0 */
/* Sorts by (customer, persona, time, position) without comparing whole rows. It sorts the personas,
 * and each persona's rows when they are written: a list has them nearly in order of time.
 *
 * The rows of a list lie anywhere, and each names the next, so that following one list means to
 * wait for the memory at each step. Therefore the lists of many personas are followed at once, each
 * by one step in turn, and all but the first of them are ahead of what is written. */
#include "base/memory.h"
#include "store/run/run_writer.h"

#define RADIX_BITS     11
#define RADIX          (1u << RADIX_BITS)
#define LANES          32u  /* lists that are followed at once */
#define PERSONAS_AHEAD 48u  /* at which a persona's newest row is looked up */
#define SLICE_ROWS     32u  /* a persona with so many rows needs no memory of its own */
#define PACKED_BYTES   256u /* of a row's properties: for most rows all */
/* Of a long slice, whose first rows have left the cache again: rows ahead. */
#define WRITE_NEAR 20u
#define WRITE_NEXT 10u

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

/* The list of one persona that is being followed. */
struct lane {
    uint64_t persona; /* customer << 32 | persona */
    uint32_t next;    /* the row to look at next; RUN_NO_ROW: all of them were */
    size_t count, capacity;
    struct run_sort_row *many; /* the rows so far, where they are more than `few` holds */
    struct run_sort_row few[SLICE_ROWS];
};

struct sorting {
    const struct run_rows *given;
    uint64_t *personas;    /* customer << 32 | persona, ascending */
    size_t begun, written; /* personas; those between them have a lane */
    struct lane lanes[LANES];
};

static void sorting_destroy(struct sorting *sorting) {
    if (sorting == NULL) return;
    for (uint32_t i = 0; i < LANES; i++) memory_free(sorting->lanes[i].many);
    memory_free(sorting->personas);
    memory_free(sorting);
}

static uint32_t customer_of(const uint32_t *customer, uint32_t persona_count, uint32_t persona) {
    return customer != NULL && persona < persona_count ? customer[persona] : persona;
}

static enum status sort_personas(struct sorting *sorting, const uint32_t *customer,
                                 uint32_t persona_count) {
    const struct run_rows *rows = sorting->given;
    uint64_t *scratch = memory_alloc(rows->persona_count * sizeof *scratch);
    sorting->personas = memory_alloc(rows->persona_count * sizeof *sorting->personas);
    enum status status = scratch && sorting->personas ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; status == STATUS_OK && i < rows->persona_count; i++) {
        uint32_t persona = rows->personas[i];
        if (persona == ID_NONE) status = STATUS_INVALID;
        sorting->personas[i] =
            (uint64_t)customer_of(customer, persona_count, persona) << 32 | persona;
    }
    if (status == STATUS_OK) run_sort_u64(sorting->personas, scratch, rows->persona_count, 0);
    memory_free(scratch);
    return status;
}

/* ---- following the lists ---- */

static inline struct lane *lane_of(struct sorting *sorting, size_t i) {
    return &sorting->lanes[i % LANES];
}

static inline void fetch_row(const struct run_rows *rows, uint32_t number) {
    if (rows->prefetch != NULL && number != RUN_NO_ROW) rows->prefetch(rows->context, number);
}

static inline void fetch_packed(const struct run_rows *rows, struct text packed) {
    if (rows->prefetch == NULL) return;
    uint32_t bytes = packed.length < PACKED_BYTES ? packed.length : PACKED_BYTES;
    for (uint32_t line = 0; line < bytes; line += 64) __builtin_prefetch(packed.at + line);
    __builtin_prefetch(packed.at + (bytes > 0 ? bytes - 1 : 0)); /* mostly in one line more */
}

/* Begins with the personas that come next, as long as there are lanes. */
static void begin_lanes(struct sorting *sorting) {
    const struct run_rows *rows = sorting->given;
    for (; sorting->begun < rows->persona_count && sorting->begun - sorting->written < LANES;
         sorting->begun++) {
        struct lane *lane = lane_of(sorting, sorting->begun);
        size_t ahead = sorting->begun + PERSONAS_AHEAD;
        if (rows->prefetch_newest != NULL && ahead < rows->persona_count)
            rows->prefetch_newest(rows->context, (uint32_t)sorting->personas[ahead]);
        lane->persona = sorting->personas[sorting->begun];
        lane->count = 0;
        lane->next = rows->newest(rows->context, (uint32_t)lane->persona);
        fetch_row(rows, lane->next);
    }
}

static inline struct run_sort_row *lane_rows(struct lane *lane) {
    return lane->count <= SLICE_ROWS ? lane->few : lane->many;
}

static enum status lane_add(struct lane *lane, struct run_sort_row row) {
    if (lane->count < SLICE_ROWS) {
        lane->few[lane->count++] = row;
        return STATUS_OK;
    }
    enum status status =
        memory_grow((void **)&lane->many, &lane->capacity, lane->count + 1, sizeof *lane->many);
    if (status != STATUS_OK) return status;
    if (lane->count == SLICE_ROWS) memcpy(lane->many, lane->few, sizeof lane->few);
    lane->many[lane->count++] = row;
    return STATUS_OK;
}

/* One row of each list. */
static enum status step_lanes(struct sorting *sorting) {
    const struct run_rows *rows = sorting->given;
    enum status status = STATUS_OK;
    for (size_t i = sorting->written; status == STATUS_OK && i < sorting->begun; i++) {
        struct lane *lane = lane_of(sorting, i);
        struct run_row row;
        if (lane->next == RUN_NO_ROW) continue;
        uint32_t number = lane->next;
        lane->next = rows->get(rows->context, number, &row);
        fetch_row(rows, lane->next);
        fetch_packed(rows, row.packed);
        status = lane_add(lane, (struct run_sort_row){row.time_ms, row.position, number});
    }
    return status;
}

/* ---- writing ---- */

static void reverse(struct run_sort_row *rows, size_t count) {
    for (size_t a = 0, b = count; a + 1 < b; a++) {
        struct run_sort_row row = rows[a];
        rows[a] = rows[--b];
        rows[b] = row;
    }
}

static void fetch_ahead(const struct run_rows *rows, const struct run_sort_row *places, size_t at,
                        size_t count) {
    struct run_row row;
    if (rows->prefetch == NULL) return;
    if (at + WRITE_NEAR < count) fetch_row(rows, places[at + WRITE_NEAR].index);
    if (at + WRITE_NEXT >= count) return;
    (void)rows->get(rows->context, places[at + WRITE_NEXT].index, &row);
    fetch_packed(rows, row.packed);
}

/* Puts a persona's rows in order of time and writes them. What `get` tells of a row stands until it
 * is called again, so each is asked for again. */
static enum status write_lane(struct sorting *sorting, struct lane *lane, struct run_writer *writer,
                              struct error *error) {
    const struct run_rows *rows = sorting->given;
    struct run_sort_row *places = lane_rows(lane);
    struct run_row row;
    reverse(places, lane->count);
    enum status status = lane->count > 1 ? run_sort_rows(places, lane->count) : STATUS_OK;
    if (status != STATUS_OK) return error_set(error, status, "no memory to sort events");
    for (size_t i = 0; status == STATUS_OK && i < lane->count; i++) {
        if (lane->count > SLICE_ROWS) fetch_ahead(rows, places, i, lane->count);
        (void)rows->get(rows->context, places[i].index, &row);
        status = run_writer_add(writer, (uint32_t)(lane->persona >> 32), &row, error);
    }
    return status;
}

static enum status write_personas(struct sorting *sorting, struct run_writer *writer,
                                  const char *path, struct error *error) {
    const struct run_rows *rows = sorting->given;
    size_t row_count = 0;
    for (; sorting->written < rows->persona_count; sorting->written++) {
        begin_lanes(sorting);
        struct lane *lane = lane_of(sorting, sorting->written);
        while (lane->next != RUN_NO_ROW)
            if (step_lanes(sorting) != STATUS_OK)
                return error_set(error, STATUS_NO_MEMORY, "%s: no memory to sort events", path);
        row_count += lane->count;
        enum status status = write_lane(sorting, lane, writer, error);
        if (status != STATUS_OK) return status;
    }
    if (row_count == rows->count) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s: %zu events were to be written, and %zu were found",
                     path, rows->count, row_count);
}

static enum status write_sorted(struct sorting *sorting, const struct run_target *target,
                                struct run_info *info, struct error *error) {
    struct run_writer *writer;
    enum status status = run_writer_create(&writer, target, error);
    if (status != STATUS_OK) return status;
    status = write_personas(sorting, writer, target->path, error);
    if (status == STATUS_OK) status = run_writer_finish(writer, info, error);
    run_writer_destroy(writer);
    return status;
}

enum status run_write(const struct run_target *target, const struct run_rows *rows,
                      const uint32_t *customer, uint32_t persona_count, struct run_info *info,
                      struct error *error) {
    if (rows->count == 0) return STATUS_END;
    if (rows->count > RUN_ROWS_MAX) {
        return error_set(error, STATUS_LIMIT, "%s: a run holds at most %u events", target->path,
                         RUN_ROWS_MAX);
    }
    struct sorting *sorting = memory_calloc(1, sizeof *sorting);
    enum status status = sorting != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        sorting->given = rows;
        status = sort_personas(sorting, customer, persona_count);
    }
    if (status == STATUS_OK) {
        status = write_sorted(sorting, target, info, error);
    } else {
        error_set(error, status, "%s: %s while sorting events", target->path, status_name(status));
    }
    sorting_destroy(sorting);
    return status;
}
