/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "store/view/view_hot.h"

/* Rows that lie anywhere are fetched into the cache so many slices before they are needed. */
#define AHEAD       16
#define GATHER_ROWS 4

static enum status find_slices(struct view_reader *reader) {
    const struct run_walk *walk = &reader->walk;
    struct view_hot *hot = reader->hot;
    enum status status = STATUS_OK;
    for (size_t n = 0; status == STATUS_OK && n < walk->moved_count; n++) {
        struct run_slice slice = walk->moved_slices[n];
        struct view_hot_run *from = &hot->runs[slice.run];
        if (slice.entry >= from->part_end) status = view_hot_load(from, slice.entry);
        uint32_t row = from->entry_row[slice.entry];
        hot->moved[n] = (struct view_hot_slice){slice.run, from->part, row - from->row_first,
                                                from->entry_row[slice.entry + 1] - row};
    }
    for (size_t i = 0; status == STATUS_OK && i < walk->moved_count; i++) {
        hot->order[i].count = hot->moved[(uint32_t)walk->moved[i]].count;
    }
    return status == STATUS_OK ? view_hot_rewind(reader) : status;
}

enum status view_hot_find_strays(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    size_t count = reader->walk.moved_count;
    if (count == 0) return STATUS_OK;
    hot->moved = memory_alloc(count * sizeof *hot->moved);
    hot->moved_to = memory_alloc(count * sizeof *hot->moved_to);
    hot->order = memory_alloc(count * sizeof *hot->order);
    return hot->moved == NULL || hot->moved_to == NULL || hot->order == NULL ? STATUS_NO_MEMORY
                                                                             : find_slices(reader);
}

/* Gives slices from `first` on their places, in order of customer. Returns how many have one then.
 */
static size_t lay_out_slices(struct view_reader *reader, size_t first, size_t *rows) {
    const struct run_walk *walk = &reader->walk;
    struct view_hot *hot = reader->hot;
    size_t end = first, most = reader->source->stray_rows;
    *rows = 0;
    memset(hot->moved_to, 0xff, walk->moved_count * sizeof *hot->moved_to);
    for (; end < hot->moved_end || (end < walk->moved_count && *rows < most); end++) {
        hot->moved_to[(uint32_t)walk->moved[end]] = hot->order[end].at = (uint32_t)*rows;
        *rows += (hot->order[end].count + GATHER_ROWS - 1) / GATHER_ROWS * GATHER_ROWS;
    }
    return end;
}

/* Rows are copied by fours: there is as much room, and a run ends with more than that of footer. */
static inline void copy_slice(int64_t *to_time, uint16_t *to_type, const int64_t *time_ms,
                              const uint16_t *type, uint32_t count) {
    for (uint32_t i = 0; i < count; i += GATHER_ROWS) {
        memcpy(to_time + i, time_ms + i, GATHER_ROWS * sizeof *time_ms);
        memcpy(to_type + i, type + i, GATHER_ROWS * sizeof *type);
    }
}

struct slice_rows {
    const int64_t *time_ms;
    const uint16_t *type;
};

/* NULL: the run is damaged. */
static inline struct slice_rows rows_of(const struct view_hot *hot,
                                        const struct view_hot_slice *slice) {
    const struct run *run = hot->runs[slice->run].run;
    const int64_t *time_ms = (const int64_t *)run_bytes(run, slice->part, RUN_TIME);
    const uint16_t *type = run_types(run, slice->part);
    if (time_ms == NULL || type == NULL) return (struct slice_rows){NULL, NULL};
    return (struct slice_rows){time_ms + slice->row, type + slice->row};
}

static enum status copy_slices(struct view_hot *hot, size_t count) {
    for (size_t n = 0; n < count; n++) {
        size_t ahead = n + AHEAD < count ? n + AHEAD : n;
        struct slice_rows soon = rows_of(hot, &hot->moved[ahead]),
                          rows = rows_of(hot, &hot->moved[n]);
        if (soon.time_ms == NULL || rows.time_ms == NULL) return STATUS_CORRUPT;
        if (hot->moved_to[ahead] != ID_NONE) {
            __builtin_prefetch(soon.time_ms);
            __builtin_prefetch(soon.time_ms + GATHER_ROWS);
            __builtin_prefetch(soon.type);
            __builtin_prefetch(hot->moved_time_ms + hot->moved_to[ahead], 1);
            __builtin_prefetch(hot->moved_type + hot->moved_to[ahead], 1);
        }
        if (hot->moved_to[n] == ID_NONE) continue;
        copy_slice(hot->moved_time_ms + hot->moved_to[n], hot->moved_type + hot->moved_to[n],
                   rows.time_ms, rows.type, hot->moved[n].count);
    }
    return STATUS_OK;
}

enum status view_hot_gather(struct view_reader *reader, size_t first) {
    struct view_hot *hot = reader->hot;
    size_t rows;
    hot->gathered_end = lay_out_slices(reader, first, &rows);
    memory_free(hot->moved_time_ms);
    memory_free(hot->moved_type);
    hot->moved_time_ms = memory_alloc((rows + VIEW_COPY_ROWS) * sizeof *hot->moved_time_ms);
    hot->moved_type = memory_alloc((rows + VIEW_COPY_ROWS) * sizeof *hot->moved_type);
    if (hot->moved_time_ms == NULL || hot->moved_type == NULL) return STATUS_NO_MEMORY;
    return copy_slices(hot, reader->walk.moved_count);
}
