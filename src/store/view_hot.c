/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of funnels and counts: only times and types, nothing filtered. A customer with one slice is shown in place; the
 * slices of the others are appended to one array, and where a slice begins before the array ends it is merged from behind.
 * Two rows with the same time from two slices would need their positions: that customer goes the long way. */
#include "base/memory.h"
#include "store/view_reader.h"

#define RUNS_MAX 64          /* a bit each */
#define MERGED_ROWS_MAX 8192 /* merging slice by slice is quadratic in the worst case: the long way is not */
#define COPY_ROWS 8
#define AHEAD_FAR 16
#define AHEAD_NEAR 6
#define AHEAD_BYTES 512
#define AHEAD_ENTRIES 32

#define INLINE static inline __attribute__((always_inline))

/* A customer's rows so far. Lives in registers: everything that takes its address is inlined. */
struct gathering {
    int64_t *time_ms;
    uint16_t *type;
    size_t capacity;
    const int64_t *lone_time; /* the only slice so far, in place */
    const uint16_t *lone_type;
    int64_t last_ms;
    uint32_t count;
    bool in_place; /* there is perhaps one slice alone */
    bool refused;
};

static enum status load_part(struct view_hot_cursor *cursor, const struct run *run, uint32_t part) {
    cursor->part = part;
    cursor->row_first = run->parts[part].row_first;
    cursor->part_end = run->parts[part].entry_first + run->parts[part].entry_count;
    cursor->time_ms = (const int64_t *)run_bytes(run, part, RUN_TIME);
    cursor->type = (const uint16_t *)run_bytes(run, part, RUN_TYPE);
    return cursor->time_ms == NULL || cursor->type == NULL ? STATUS_CORRUPT : STATUS_OK;
}

INLINE enum status slice_at(struct view_hot_cursor *cursor, const struct run *run, uint32_t entry,
                                   struct view_hot_slice *out) {
    if (__builtin_expect(entry >= cursor->part_end, 0)) {
        uint32_t part = cursor->part;
        while (entry >= run->parts[part].entry_first + run->parts[part].entry_count) part++;
        if (load_part(cursor, run, part) != STATUS_OK) return STATUS_CORRUPT;
    }
    uint32_t row = cursor->entry_row[entry];
    out->count = cursor->entry_row[entry + 1] - row;
    out->time_ms = cursor->time_ms + (row - cursor->row_first);
    out->type = cursor->type + (row - cursor->row_first);
    /* More streams than the processor follows by itself. (An address behind the end is no fault to prefetch.) */
    __builtin_prefetch((const char *)out->time_ms + AHEAD_BYTES);
    __builtin_prefetch((const char *)out->type + AHEAD_BYTES / 4);
    __builtin_prefetch(cursor->entry_row + entry + AHEAD_ENTRIES);
    __builtin_prefetch(run->entry_customer + entry + AHEAD_ENTRIES);
    return STATUS_OK;
}

static enum status begin_cursors(struct view_reader *reader, struct view_hot_cursor *cursors) {
    for (uint32_t r = 0; r < reader->version->run_count; r++) {
        cursors[r].entry_row = reader->runs[r]->entry_row;
        if (load_part(&cursors[r], reader->runs[r], 0) != STATUS_OK) return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

/* Where the moved slices lie, found out in the order of the runs, where it is cheap. */
static enum status find_moved(struct view_reader *reader) {
    const struct run_walk *walk = &reader->walk;
    struct view_hot *hot = &reader->hot;
    hot->moved = memory_alloc((walk->moved_count + 1) * sizeof *hot->moved);
    if (hot->moved == NULL) return STATUS_NO_MEMORY;
    enum status status = begin_cursors(reader, hot->cursors);
    for (size_t i = 0; status == STATUS_OK && i < walk->moved_count; i++) {
        struct run_slice slice = walk->moved_slices[i];
        hot->moved[i].slice = slice;
        status = slice_at(&hot->cursors[slice.run], reader->runs[slice.run], slice.entry, &hot->moved[i]);
    }
    return status == STATUS_OK ? begin_cursors(reader, hot->cursors) : status;
}

enum status view_hot_begin(struct view_reader *reader) {
    const struct view_request *request = &reader->walk_request;
    struct view_hot *hot = &reader->hot;
    if (request->needs != 0 || request->column_count != 0 || request->filters) return STATUS_OK;
    if (reader->version->run_count > RUNS_MAX) return STATUS_OK;
    hot->capacity = 256;
    hot->cursors = memory_calloc(reader->version->run_count + 1, sizeof *hot->cursors);
    hot->time_ms = memory_alloc(hot->capacity * sizeof *hot->time_ms);
    hot->type = memory_alloc(hot->capacity * sizeof *hot->type);
    if (hot->cursors == NULL || hot->time_ms == NULL || hot->type == NULL) return STATUS_NO_MEMORY;
    hot->on = true;
    return find_moved(reader);
}

void view_hot_end(struct view_reader *reader) {
    struct view_hot *hot = &reader->hot;
    memory_free(hot->cursors);
    memory_free(hot->moved);
    memory_free(hot->time_ms);
    memory_free(hot->type);
    *hot = (struct view_hot){0};
}

static bool grow(struct view_hot *hot, size_t needed) {
    size_t capacity = hot->capacity;
    while (capacity < needed) capacity *= 2;
    int64_t *time_ms = memory_realloc(hot->time_ms, capacity * sizeof *time_ms);
    if (time_ms != NULL) hot->time_ms = time_ms;
    uint16_t *type = memory_realloc(hot->type, capacity * sizeof *type);
    if (type != NULL) hot->type = type;
    if (time_ms == NULL || type == NULL) return false;
    hot->capacity = capacity;
    return true;
}

/* Up to eight rows are copied as eight: both sides have room for that (a run ends with more than 64 bytes of footer). */
INLINE void copy_rows(int64_t *time_ms, uint16_t *type, const int64_t *from_time, const uint16_t *from_type,
                      uint32_t count) {
    if (__builtin_expect(count <= COPY_ROWS, 1)) {
        memcpy(time_ms, from_time, COPY_ROWS * sizeof *time_ms);
        memcpy(type, from_type, COPY_ROWS * sizeof *type);
    } else {
        memcpy(time_ms, from_time, count * sizeof *time_ms);
        memcpy(type, from_type, count * sizeof *type);
    }
}

/* From behind, so that the rows that are in place already need no second array. False: a time stands on both sides. */
static bool merge_rows(int64_t *time_ms, uint16_t *type, uint32_t i, const int64_t *from_time, const uint16_t *from_type,
                       uint32_t j) {
    uint32_t k = i + j;
    bool tie = false;
    while (j > 0) {
        if (i > 0 && time_ms[i - 1] >= from_time[j - 1]) {
            tie |= time_ms[i - 1] == from_time[j - 1];
            time_ms[--k] = time_ms[--i];
            type[k] = type[i];
        } else {
            time_ms[--k] = from_time[--j];
            type[k] = from_type[j];
        }
    }
    return !tie;
}

/* Room for `count` rows more, and what was shown in place moves into the array. */
INLINE enum status make_room(struct view_hot *hot, struct gathering *to, uint32_t count) {
    size_t needed = (size_t)to->count + count + COPY_ROWS;
    if (__builtin_expect(needed > to->capacity, 0)) {
        if (!grow(hot, needed)) return STATUS_NO_MEMORY;
        to->time_ms = hot->time_ms;
        to->type = hot->type;
        to->capacity = hot->capacity;
    }
    if (to->lone_time != NULL) {
        copy_rows(to->time_ms, to->type, to->lone_time, to->lone_type, to->count);
        to->lone_time = NULL;
    }
    return STATUS_OK;
}

INLINE void merge_slice(struct gathering *to, const int64_t *time_ms, const uint16_t *type, uint32_t count) {
    if (to->count < MERGED_ROWS_MAX) {
        to->refused |= !merge_rows(to->time_ms, to->type, to->count, time_ms, type, count);
    } else {
        to->refused = true;
    }
    if (time_ms[count - 1] > to->last_ms) to->last_ms = time_ms[count - 1];
}

INLINE enum status append(struct view_hot *hot, struct gathering *to, const int64_t *time_ms, const uint16_t *type,
                          uint32_t count) {
    if (to->in_place && to->count == 0) {
        to->lone_time = time_ms;
        to->lone_type = type;
        to->last_ms = time_ms[count - 1];
        to->count = count;
        return STATUS_OK;
    }
    if (make_room(hot, to, count) != STATUS_OK) return STATUS_NO_MEMORY;
    if (__builtin_expect(time_ms[0] > to->last_ms || to->count == 0, 1)) {
        copy_rows(to->time_ms + to->count, to->type + to->count, time_ms, type, count);
        to->last_ms = time_ms[count - 1];
    } else {
        merge_slice(to, time_ms, type, count);
    }
    to->count += count;
    return STATUS_OK;
}

/* One row of the tail; it lies nowhere side by side with others. */
INLINE enum status append_row(struct view_hot *hot, struct gathering *to, int64_t time_ms, uint16_t type) {
    if (make_room(hot, to, 1) != STATUS_OK) return STATUS_NO_MEMORY;
    if (to->count == 0 || time_ms > to->last_ms) {
        to->time_ms[to->count] = time_ms;
        to->type[to->count] = type;
        to->last_ms = time_ms;
    } else {
        merge_slice(to, &time_ms, &type, 1);
    }
    to->count++;
    return STATUS_OK;
}

INLINE enum status take_run(struct view_reader *reader, uint32_t r, uint32_t customer, struct gathering *to) {
    struct run_walk *walk = &reader->walk;
    do {
        struct view_hot_slice slice;
        uint32_t entry = walk->cursors[r].next++;
        if (slice_at(&reader->hot.cursors[r], reader->runs[r], entry, &slice) != STATUS_OK) return STATUS_CORRUPT;
        if (run_walk_push(walk, (struct run_slice){r, entry}) != STATUS_OK ||
            append(&reader->hot, to, slice.time_ms, slice.type, slice.count) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
        run_walk_settle(walk, r);
    } while (walk->head[r] == customer);
    return STATUS_OK;
}

/* What comes soon is fetched into the cache while others are looked at: moved slices lie anywhere. */
INLINE void prefetch_moved(const struct run_walk *walk, const struct view_hot *hot) {
    size_t at = walk->moved_next;
    if (at + AHEAD_FAR >= walk->moved_count) return;
    const struct view_hot_slice *near = &hot->moved[(uint32_t)walk->moved[at + AHEAD_NEAR]];
    __builtin_prefetch(&hot->moved[(uint32_t)walk->moved[at + AHEAD_FAR]]);
    __builtin_prefetch(near->time_ms);
    __builtin_prefetch(near->time_ms + COPY_ROWS);
    __builtin_prefetch(near->type);
}

INLINE enum status take_moved(struct view_reader *reader, uint32_t customer, struct gathering *to) {
    struct run_walk *walk = &reader->walk;
    while (walk->moved_next < walk->moved_count && walk->moved[walk->moved_next] >> 32 == customer) {
        prefetch_moved(walk, &reader->hot);
        const struct view_hot_slice *slice = &reader->hot.moved[(uint32_t)walk->moved[walk->moved_next++]];
        if (run_walk_push(walk, slice->slice) != STATUS_OK ||
            append(&reader->hot, to, slice->time_ms, slice->type, slice->count) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

INLINE enum status take_tail(struct view_reader *reader, size_t tail_end, struct gathering *to) {
    enum status status = STATUS_OK;
    for (size_t i = reader->walk_row_next; status == STATUS_OK && i < tail_end; i++) {
        if (i + AHEAD_FAR < reader->walk_row_count) {
            __builtin_prefetch(&reader->walk_rows[(uint32_t)reader->walk_keys[i + AHEAD_FAR]]);
            __builtin_prefetch(reader->walk_rows[(uint32_t)reader->walk_keys[i + AHEAD_NEAR]].row);
        }
        const struct tail_row *row = reader->walk_rows[(uint32_t)reader->walk_keys[i]].row;
        status = append_row(&reader->hot, to, row->time_ms, row->type);
    }
    return status;
}

enum status view_hot_next(struct view_reader *reader, uint32_t customer, size_t tail_end, struct timeline *out) {
    struct gathering to = {.time_ms = reader->hot.time_ms, .type = reader->hot.type, .capacity = reader->hot.capacity,
                           .last_ms = INT64_MIN};
    enum status status = STATUS_OK;
    reader->walk.slice_count = 0;
    uint64_t bits = run_walk_runs(&reader->walk, customer);
    to.in_place = (bits & (bits - 1)) == 0;
    for (; bits != 0 && status == STATUS_OK; bits &= bits - 1) {
        status = take_run(reader, (uint32_t)__builtin_ctzll(bits), customer, &to);
    }
    if (status == STATUS_OK) status = take_moved(reader, customer, &to);
    if (status == STATUS_OK) status = take_tail(reader, tail_end, &to);
    if (status != STATUS_OK) return status;
    if (to.refused || to.count > TIMELINE_EVENTS_MAX) return STATUS_END;
    bool lone = to.lone_time != NULL;
    view_show(reader, customer, &view_without_packed, out);
    out->count = to.count;
    out->time_ms = lone ? to.lone_time : to.time_ms;
    out->type = lone ? to.lone_type : to.type;
    return STATUS_OK;
}
