/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "store/view/view_hot.h"

/* A customer with more rows is read by the general way: slices are merged here one after the other,
 * which takes quadratic time in the worst case. */
#define SORTED_ROWS_MAX 2048

#define INLINE static inline __attribute__((always_inline))

/* Rows are copied by eights: both sides have room for that (a run ends with more than 64 bytes of
 * footer). Most slices are no longer than the first eight. */
INLINE void copy_times(int64_t *to, const int64_t *from, uint32_t count) {
    uint32_t i = 0;
    do {
        memcpy(to + i, from + i, VIEW_COPY_ROWS * sizeof *to);
        i += VIEW_COPY_ROWS;
    } while (__builtin_expect(i < count, 0));
}

/* Local copies of the pointers to where rows go. The compiler must assume that the stores may alias
 * the pointers, and would reload them after each store. */
struct target {
    int64_t *time_ms;
    uint16_t *type;
    uint32_t *at;
    uint8_t *unordered;
};

INLINE struct target target_of(struct view_hot *hot) {
    return (struct target){hot->time_ms, hot->type, hot->at, hot->unordered};
}

/* Appends a slice to its customer. Returns where it went. */
INLINE uint32_t place_slice(struct target to, uint32_t k, const int64_t *time_ms,
                            const uint16_t *type, uint32_t count) {
    uint32_t at = to.at[k], i = 0;
    int64_t *to_time = to.time_ms + at;
    uint16_t *to_type = to.type + at;
    to.at[k] = at + count;
    to.unordered[k] |= time_ms[0] <= to_time[-1];
    do {
        memcpy(to_time + i, time_ms + i, VIEW_COPY_ROWS * sizeof *time_ms);
        memcpy(to_type + i, type + i, VIEW_COPY_ROWS * sizeof *type);
        i += VIEW_COPY_ROWS;
    } while (__builtin_expect(i < count, 0));
    return at;
}

/* Places entries [first, end) of one part. */
INLINE void place_entries(struct view_hot *hot, const struct view_hot_run *from, uint32_t first,
                          uint32_t end, bool in_place, bool columns) {
    const struct target to = target_of(hot);
    const uint32_t *customers = from->customer, *row = from->entry_row;
    const int64_t *times = from->time_ms;
    const uint16_t *types = from->type;
    uint32_t base = hot->base, row_first = from->row_first, ahead = row[end] - row[first];
    size_t cell = hot->wide_used - row[first];
    for (uint32_t e = first; e < end; e++) { /* from one moved entry to the next */
        uint32_t stop = view_hot_next_moved(from->moved, e, end);
        for (uint32_t next = row[e]; e < stop; e++) {
            uint32_t k = customers[e] - base, begin = next;
            next = row[e + 1];
            const int64_t *time_ms = times + (begin - row_first);
            const uint16_t *type = types + (begin - row_first);
            /* The next block's rows. (An address behind the end is no fault to prefetch.) */
            __builtin_prefetch(time_ms + ahead, 0, 2);
            if (in_place) __builtin_prefetch(time_ms + ahead + VIEW_COPY_ROWS, 0, 2);
            __builtin_prefetch(type + ahead, 0, 2);
            if (in_place && hot->sums[k] >> 32 == 1) {
                hot->lone[k] = (struct view_hot_lone){time_ms, type, cell + begin};
                continue;
            }
            uint32_t at = place_slice(to, k, time_ms, type, next - begin);
            if (columns) hot->placed_at[e - from->first] = at;
        }
    }
}

/* Places one column of the same entries, which lies spread out in `wide`. */
static void place_cells(const struct view_hot *hot, const struct view_hot_run *from, uint32_t first,
                        uint32_t end, const uint64_t *wide, uint64_t *cells) {
    const uint32_t *row = from->entry_row;
    for (uint32_t e = first; e < end; e++) {
        uint32_t count = row[e + 1] - row[e];
        if (view_hot_is_moved(from->moved, e)) continue;
        if (view_hot_is_lone(hot, from->customer[e] - hot->base)) continue;
        copy_times((int64_t *)cells + hot->placed_at[e - from->first],
                   (const int64_t *)wide + (row[e] - row[first]), count);
    }
}

static enum status place_columns(struct view_reader *reader, uint32_t r, uint32_t first,
                                 uint32_t end) {
    struct view_hot *hot = reader->hot;
    const struct view_hot_run *from = &hot->runs[r];
    const struct view_request *request = &reader->walk_request;
    uint32_t row = from->entry_row[first];
    struct view_piece piece = {.run = r,
                               .part = from->part,
                               .row = row - from->row_first,
                               .count = from->entry_row[end] - row};
    for (uint32_t q = 0; q < request->column_count; q++) {
        uint64_t *wide = hot->wide + q * hot->wide_capacity + hot->wide_used;
        enum status status = view_widen_column(reader, &piece, request->columns[q], wide);
        if (status != STATUS_OK) return status;
        place_cells(hot, from, first, end, wide, hot->cells + q * hot->capacity);
    }
    if (hot->in_place) hot->wide_used += piece.count;
    return STATUS_OK;
}

/* Tells what the request may leave out of a part: 0 nothing, 1 rows that end after *limit_ms, 2 any
 * row. */
static int filtered(const struct view_request *request, const struct run_part *part,
                    int64_t *limit_ms) {
    int64_t t_ms = request->as_of.t_ms, lag_ms = part->lag_max > 0 ? part->lag_max : 0, longest;
    if (!request->filters) return 0;
    if (part->position_max >= request->as_of.position) return 2;
    if (part->time_max <= t_ms && part->known_max <= t_ms) return 0;
    if (__builtin_sub_overflow(part->known_max, part->time_min, &longest))
        return 2; /* some lag may have overflowed */
    return __builtin_sub_overflow(t_ms, lag_ms, limit_ms) ? 2 : 1;
}

static void mark_filtered(struct view_reader *reader, const struct view_hot_run *from,
                          uint32_t first, uint32_t end) {
    struct view_hot *hot = reader->hot;
    int64_t limit_ms = 0;
    int rows = filtered(&reader->walk_request, &from->run->parts[from->part], &limit_ms);
    if (rows == 0) return;
    for (uint32_t e = first; e < end; e++) {
        bool late =
            rows == 2 || from->time_ms[from->entry_row[e + 1] - 1 - from->row_first] > limit_ms;
        /* This also marks customers whose entry has moved away, which is rare and does no harm. */
        hot->slow[from->customer[e] - hot->base] |= (uint8_t)late;
    }
}

static enum status place_run(struct view_reader *reader, uint32_t r) {
    struct view_hot *hot = reader->hot;
    struct view_hot_run *from = &hot->runs[r];
    enum status status = STATUS_OK;
    for (uint32_t first = from->first, end; first < from->end && status == STATUS_OK; first = end) {
        if (first >= from->part_end && view_hot_load(from, first) != STATUS_OK)
            return STATUS_CORRUPT;
        end = from->end < from->part_end ? from->end : from->part_end;
        bool columns = reader->walk_request.column_count > 0;
        if (hot->in_place) {
            if (columns) place_entries(hot, from, first, end, true, true);
            if (!columns) place_entries(hot, from, first, end, true, false);
        } else {
            if (columns) place_entries(hot, from, first, end, false, true);
            if (!columns) place_entries(hot, from, first, end, false, false);
        }
        mark_filtered(reader, from, first, end);
        if (columns) status = place_columns(reader, r, first, end);
    }
    return status;
}

static bool moved_is_late(const struct view_reader *reader, const struct view_hot_slice *slice,
                          int64_t last_ms) {
    int64_t limit_ms = 0;
    int rows =
        filtered(&reader->walk_request, &reader->runs[slice->run]->parts[slice->part], &limit_ms);
    return rows == 2 || (rows == 1 && last_ms > limit_ms);
}

static enum status place_moved(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    const struct view_request *request = &reader->walk_request;
    const struct target to = target_of(hot);
    for (size_t i = hot->moved_first; i < hot->moved_end; i++) {
        struct view_hot_moved moved = hot->order[i];
        uint32_t k = (uint32_t)(reader->walk.moved[i] >> 32) - hot->base;
        const int64_t *time_ms = hot->moved_time_ms + moved.at;
        uint32_t at = place_slice(to, k, time_ms, hot->moved_type + moved.at, moved.count);
        if (!request->filters && request->column_count == 0) continue;
        const struct view_hot_slice *slice = &hot->moved[(uint32_t)reader->walk.moved[i]];
        if (request->filters)
            hot->slow[k] |= moved_is_late(reader, slice, time_ms[moved.count - 1]);
        struct view_piece piece = {
            .run = slice->run, .part = slice->part, .row = slice->row, .count = slice->count};
        for (uint32_t q = 0; q < request->column_count; q++) {
            enum status status = view_widen_column(reader, &piece, request->columns[q],
                                                   hot->cells + q * hot->capacity + at);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

static enum status place_tail(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    const struct view_request *request = &reader->walk_request;
    int64_t t_ms = request->as_of.t_ms;
    for (size_t i = 0; i < hot->tail_end; i++) {
        const struct tail_row *row = reader->walk_rows[i].row;
        uint32_t k = (uint32_t)(reader->walk_keys[i] >> 32) - hot->base;
        uint32_t at = hot->at[k]++;
        hot->slow[k] |= row->time_ms > t_ms || row->known_ms > t_ms;
        hot->unordered[k] |= row->time_ms <= hot->time_ms[at - 1];
        hot->time_ms[at] = row->time_ms;
        hot->type[at] = view_tail_type(reader, row);
        for (uint32_t q = 0; q < request->column_count; q++) {
            enum status status = view_tail_cell(reader, row, request->columns[q],
                                                hot->cells + q * hot->capacity + at);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

/* Merges rows [0, middle) and [middle, end), each ascending, without a branch that the times
 * decide. False: a time stands on both sides. */
static bool merge_rows(struct view_hot *hot, int64_t *time_ms, uint32_t middle, uint32_t end) {
    uint32_t *order = hot->sorted, *orders = hot->sorted_before, first = middle, k = 0, tie = 0;
    int64_t *times = (int64_t *)hot->moving;
    while (first > 0 && time_ms[first - 1] >= time_ms[middle]) first--;
    uint32_t i = first, j = middle;
    while (i < middle && j < end) {
        uint32_t second = time_ms[j] < time_ms[i], from = i ^ ((i ^ j) & (0 - second));
        tie |= time_ms[j] == time_ms[i];
        times[k] = time_ms[from];
        orders[k++] = order[from];
        i += 1 - second;
        j += second;
    }
    /* The rest of the second part stays where it is. */
    memcpy(times + k, time_ms + i, (middle - i) * sizeof *times);
    memcpy(orders + k, order + i, (middle - i) * sizeof *orders);
    k += middle - i;
    memcpy(time_ms + first, times, k * sizeof *times);
    memcpy(order + first, orders, k * sizeof *orders);
    return tie == 0;
}

/* Sorts by time; order[i] tells where row i was. False: two rows have the same time. */
static bool sort_times(struct view_hot *hot, int64_t *time_ms, uint32_t count) {
    uint32_t middle = 1;
    for (uint32_t i = 0; i < count; i++) hot->sorted[i] = i;
    for (;;) {
        while (middle < count && time_ms[middle - 1] < time_ms[middle]) middle++;
        if (middle >= count) return true;
        uint32_t end = middle + 1;
        while (end < count && time_ms[end - 1] < time_ms[end]) end++;
        if (!merge_rows(hot, time_ms, middle, end)) return false;
        middle = end;
    }
}

static enum status sort_customer(struct view_reader *reader, uint32_t k) {
    struct view_hot *hot = reader->hot;
    uint32_t count = (uint32_t)hot->sums[k], start = hot->start[k];
    if (hot->sorted == NULL) {
        hot->sorted = memory_alloc(SORTED_ROWS_MAX * sizeof *hot->sorted);
        hot->sorted_before = memory_alloc(SORTED_ROWS_MAX * sizeof *hot->sorted_before);
        hot->moving = memory_alloc(SORTED_ROWS_MAX * sizeof *hot->moving);
        if (hot->sorted == NULL || hot->sorted_before == NULL || hot->moving == NULL)
            return STATUS_NO_MEMORY;
    }
    if (count > SORTED_ROWS_MAX || !sort_times(hot, hot->time_ms + start, count)) {
        hot->slow[k] = 1;
        return STATUS_OK;
    }
    uint16_t *type = hot->type + start, *types = (uint16_t *)hot->moving;
    memcpy(types, type, count * sizeof *types);
    for (uint32_t i = 0; i < count; i++) type[i] = types[hot->sorted[i]];
    for (uint32_t q = 0; q < reader->walk_request.column_count; q++) {
        uint64_t *cells = hot->cells + q * hot->capacity + start;
        memcpy(hot->moving, cells, count * sizeof *cells);
        for (uint32_t i = 0; i < count; i++) cells[i] = hot->moving[hot->sorted[i]];
    }
    return STATUS_OK;
}

enum status view_hot_place(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    enum status status = STATUS_OK;
    hot->wide_used = 0;
    for (uint32_t k = 0; k < hot->width; k++) hot->time_ms[hot->start[k] - 1] = INT64_MIN;
    for (uint32_t r = 0; status == STATUS_OK && r < reader->version->run_count; r++)
        status = place_run(reader, r);
    if (status == STATUS_OK) status = place_moved(reader);
    if (status == STATUS_OK) status = place_tail(reader);
    for (uint32_t i = 0; i < hot->found && status == STATUS_OK; i++) {
        uint32_t k = hot->present[i];
        if (hot->unordered[k] && !hot->slow[k]) status = sort_customer(reader, k);
    }
    return status;
}
