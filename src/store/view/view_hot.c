/* SPDX-License-Identifier: Apache-2.0 */
#include "store/view/view_hot.h"

#include "base/memory.h"

#define TAIL_SLICES 2 /* a row that can't be shown in place counts as two slices */

enum status view_hot_load(struct view_hot_run *cursor, uint32_t entry) {
    const struct run_part *parts = cursor->run->parts;
    uint32_t part = cursor->part;
    while (entry >= parts[part].entry_first + parts[part].entry_count) part++;
    cursor->part = part;
    cursor->row_first = parts[part].row_first;
    cursor->part_end = parts[part].entry_first + parts[part].entry_count;
    cursor->time_ms = (const int64_t *)run_bytes(cursor->run, part, RUN_TIME);
    cursor->type = run_types(cursor->run, part);
    return cursor->time_ms == NULL || cursor->type == NULL ? STATUS_CORRUPT : STATUS_OK;
}

enum status view_hot_rewind(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    for (uint32_t r = 0; r < reader->version->run_count; r++) {
        const struct run *run = reader->runs[r];
        hot->runs[r] = (struct view_hot_run){.run = run,
                                             .customer = run->entry_customer,
                                             .entry_row = run->entry_row,
                                             .moved = reader->walk.cursors[r].moved};
        if (run->info.entry_count > 0 && view_hot_load(&hot->runs[r], 0) != STATUS_OK)
            return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

enum status view_hot_begin(struct view_reader *reader) {
    const struct view_request *request = &reader->walk_request;
    bool wide = request->needs == 0;
    for (uint32_t k = 0; wide && k < request->column_count; k++) {
        enum status status = view_column_is_wide(reader, request->columns[k], &wide);
        if (status != STATUS_OK) return status;
    }
    if (!wide) return STATUS_OK;
    struct view_hot *hot = reader->hot = memory_alloc(sizeof *hot);
    if (hot == NULL) return STATUS_NO_MEMORY;
    memset(hot, 0, sizeof *hot);
    hot->runs = memory_alloc((reader->version->run_count + 1) * sizeof *hot->runs);
    if (hot->runs == NULL) return STATUS_NO_MEMORY;
    enum status status = view_hot_rewind(reader);
    return status == STATUS_OK ? view_hot_find_strays(reader) : status;
}

void view_hot_end(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    if (hot == NULL) return;
    void *arrays[] = {hot->runs,          hot->moved,      hot->moved_to,  hot->order,
                      hot->moved_time_ms, hot->moved_type, hot->time_ms,   hot->type,
                      hot->cells,         hot->wide,       hot->placed_at, hot->sorted,
                      hot->sorted_before, hot->moving};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) memory_free(arrays[i]);
    memory_free(hot);
    reader->hot = NULL;
}

/* Returns the block's end: its first entry of a later customer, moved or not. */
static uint32_t count_entries(struct view_hot *hot, const struct view_hot_run *from, uint32_t entry,
                              uint32_t end) {
    const uint32_t *customer = from->customer, *row = from->entry_row;
    uint32_t base = hot->base, width = hot->width;
    while (entry < end) {
        uint32_t stop = view_hot_next_moved(from->moved, entry,
                                            end - entry < VIEW_BLOCK ? end : entry + VIEW_BLOCK);
        for (; entry < stop; entry++) {
            uint32_t k = customer[entry] - base;
            if (k >= width) return entry;
            hot->sums[k] += UINT64_C(1) << 32 | (row[entry + 1] - row[entry]);
        }
        if (entry == end || !view_hot_is_moved(from->moved, entry)) continue;
        if (customer[entry] - base >= width) return entry;
        entry++;
    }
    return entry;
}

static void count_runs(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    for (uint32_t r = 0; r < reader->version->run_count; r++) {
        struct view_hot_run *from = &hot->runs[r];
        const struct run_cursor *cursor = &reader->walk.cursors[r];
        from->first = cursor->next;
        from->end = count_entries(hot, from, cursor->next, cursor->count);
        hot->rows += from->entry_row[from->end] - from->entry_row[from->first];
        for (uint32_t e = from->end, ahead = from->end - from->first; e - from->end < ahead;
             e += 16) {
            /* About the next window. (Behind the end it is no fault.) */
            __builtin_prefetch(from->customer + e);
            __builtin_prefetch(from->entry_row + e);
        }
    }
}

static void count_moved(struct view_reader *reader) {
    const struct run_walk *walk = &reader->walk;
    struct view_hot *hot = reader->hot;
    size_t i = walk->moved_next, count = walk->moved_count;
    hot->moved_first = i;
    for (; i < count && (uint32_t)(walk->moved[i] >> 32) - hot->base < hot->width; i++) {
        hot->sums[(uint32_t)(walk->moved[i] >> 32) - hot->base] +=
            (uint64_t)TAIL_SLICES << 32 | hot->order[i].count;
        hot->rows += hot->order[i].count;
    }
    hot->moved_end = i;
}

/* A block is no wider than a share's, so all of it is in the share. */
static uint32_t tail_block_end(const struct view_reader *reader) {
    uint64_t end = (uint64_t)reader->hot->base + reader->hot->width;
    uint32_t bound = reader->tail_order->customer_bound;
    return end < bound ? (uint32_t)end : bound;
}

static void count_tail(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    const struct view_tail_order *order = reader->tail_order;
    uint32_t end = tail_block_end(reader);
    hot->tail_end = 0;
    if (reader->tail_next >= end) return;
    for (uint32_t customer = reader->tail_next; customer < end; customer++) {
        uint64_t rows = view_tail_rows_of(order, customer, customer + 1);
        hot->sums[customer - hot->base] += rows * ((uint64_t)TAIL_SLICES << 32 | 1);
    }
    hot->tail_end = view_tail_rows_of(order, reader->tail_next, end);
    hot->rows += hot->tail_end;
}

/* Counts the next block, which is narrower where its customers have very many rows. False: there is
 * none. */
static bool count_block(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    uint32_t lowest = run_walk_peek(&reader->walk);
    if (reader->tail_next < lowest) lowest = reader->tail_next;
    hot->found = hot->shown = hot->slow_count = 0;
    if (lowest == ID_NONE) return false;
    hot->width = VIEW_BLOCK * 2;
    do {
        hot->width /= 2;
        hot->base = lowest & ~(hot->width - 1);
        hot->rows = 0;
        memset(hot->sums, 0, sizeof hot->sums);
        count_runs(reader);
        count_moved(reader);
        count_tail(reader);
    } while (hot->rows > VIEW_BLOCK_ROWS && hot->width > 1);
    return true;
}

/* Lays out which customers are there and where their rows begin; *total: rows with all the room
 * behind them. */
static void lay_out(struct view_hot *hot, size_t *total) {
    uint64_t slices = 0;
    uint32_t at = VIEW_COPY_ROWS, found = 0;
    for (uint32_t k = 0; k < hot->width; k++) {
        hot->present[found] = (uint16_t)k;
        found += hot->sums[k] != 0;
        slices += hot->sums[k] >> 32;
    }
    hot->found = found;
    hot->in_place = slices <= found + found / 4;
    for (uint32_t k = 0; k < hot->width; k++) {
        hot->start[k] = hot->at[k] = at;
        at += (view_hot_is_lone(hot, k) ? 0 : (uint32_t)hot->sums[k]) + VIEW_COPY_ROWS;
    }
    memset(hot->slow, 0, sizeof hot->slow);
    memset(hot->unordered, 0, sizeof hot->unordered);
    *total = at;
}

static enum status grow(void **items, size_t *capacity, size_t needed, size_t item_bytes) {
    if (needed <= *capacity) return STATUS_OK;
    memory_free(*items); /* nothing in it is needed any more */
    *items = NULL;
    *capacity = 0;
    return memory_grow(items, capacity, needed, item_bytes);
}

static enum status make_room(struct view_reader *reader, size_t rows) {
    struct view_hot *hot = reader->hot;
    size_t columns = reader->walk_request.column_count, capacity = 0, entries = 0;
    if (rows > hot->capacity) {
        enum status status = grow((void **)&hot->time_ms, &capacity, rows, sizeof *hot->time_ms);
        size_t same = 0;
        if (status == STATUS_OK)
            status = grow((void **)&hot->type, &same, capacity, sizeof *hot->type);
        same = 0;
        if (status == STATUS_OK && columns > 0)
            status = grow((void **)&hot->cells, &same, capacity * columns, 8);
        if (status != STATUS_OK) return status;
        hot->capacity = capacity;
    }
    size_t wide = (size_t)hot->rows + VIEW_COPY_ROWS;
    if (columns > 0 && wide > hot->wide_capacity) {
        memory_free(hot->wide);
        hot->wide_capacity = 0;
        hot->wide = memory_alloc(wide * 2 * columns * 8);
        if (hot->wide == NULL) return STATUS_NO_MEMORY;
        hot->wide_capacity = wide * 2;
    }
    for (uint32_t r = 0; r < reader->version->run_count; r++) {
        size_t window = hot->runs[r].end - hot->runs[r].first;
        if (window > entries) entries = window;
    }
    return grow((void **)&hot->placed_at, &hot->at_capacity, entries + 1, sizeof *hot->placed_at);
}

static void pass_block(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    for (uint32_t r = 0; r < reader->version->run_count; r++) {
        reader->walk.cursors[r].next = hot->runs[r].end;
        run_walk_settle(&reader->walk, r);
    }
    reader->walk.moved_next = hot->moved_end;
}

static __attribute__((noinline)) enum status next_block(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    size_t total;
    enum status status = STATUS_OK;
    if (hot->leaving) {
        view_hot_end(reader);
        return STATUS_END;
    }
    if (reader->made.block != NULL) arena_clear(&reader->made);
    if (!count_block(reader)) return STATUS_NOT_FOUND;
    lay_out(hot, &total);
    reader->walk_row_count = 0;
    if (hot->tail_end > 0)
        status = view_take_tail(reader, reader->tail_next, tail_block_end(reader));
    if (status != STATUS_OK) {
        hot->tail_end = 0;
    } else if (hot->rows > VIEW_BLOCK_ROWS) {
        hot->slow[0] = 1; /* one customer with more rows than are shown */
    } else {
        status = make_room(reader, total);
        if (status == STATUS_OK && hot->moved_end > hot->gathered_end)
            status = view_hot_gather(reader, hot->moved_first);
        if (status == STATUS_OK) status = view_hot_place(reader);
    }
    if (reader->corrected_count > 0) view_gone_mark_slow(reader);
    pass_block(reader);
    if (status != STATUS_OK) hot->found = 0;
    for (uint32_t i = 0; i < hot->found; i++) hot->slow_count += hot->slow[hot->present[i]];
    hot->leaving = hot->slow_count > hot->found / 2 && hot->found > 4;
    return status;
}

static size_t lower_key(const uint64_t *keys, size_t low, size_t high, uint32_t customer) {
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (keys[middle] >> 32 < customer) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum status push_entries(struct run_walk *walk, const struct view_hot_run *from, uint32_t r,
                                uint32_t customer) {
    uint32_t low = from->first, high = from->end;
    enum status status = STATUS_OK;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (from->customer[middle] < customer) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < from->end && from->customer[low] == customer && status == STATUS_OK; low++) {
        if (view_hot_is_moved(from->moved, low)) continue;
        status = run_walk_push(walk, (struct run_slice){r, low});
    }
    return status;
}

static __attribute__((noinline)) enum status show_slow(struct view_reader *reader,
                                                       uint32_t customer, struct timeline *out) {
    struct run_walk *walk = &reader->walk;
    const struct view_hot *hot = reader->hot;
    enum status status = STATUS_OK;
    walk->slice_count = 0;
    for (uint32_t r = 0; status == STATUS_OK && r < walk->run_count; r++) {
        status = push_entries(walk, &hot->runs[r], r, customer);
    }
    size_t i = lower_key(walk->moved, hot->moved_first, hot->moved_end, customer);
    for (; i < hot->moved_end && walk->moved[i] >> 32 == customer && status == STATUS_OK; i++) {
        status = run_walk_push(walk, walk->moved_slices[(uint32_t)walk->moved[i]]);
    }
    size_t first = lower_key(reader->walk_keys, 0, hot->tail_end, customer), end = first;
    while (end < hot->tail_end && reader->walk_keys[end] >> 32 == customer) end++;
    if (status == STATUS_OK) status = view_add_walk(reader, first, end);
    return status == STATUS_OK ? view_finish(reader, &reader->walk_request, customer, out) : status;
}

enum status view_hot_next(struct view_reader *reader, struct timeline *out) {
    struct view_hot *hot = reader->hot;
    if (hot->shown == hot->found) {
        enum status status = next_block(reader);
        if (status != STATUS_OK) return status;
    }
    uint32_t k = hot->present[hot->shown++];
    if (__builtin_expect(hot->slow[k], 0)) return show_slow(reader, hot->base + k, out);
    bool lone = view_hot_is_lone(hot, k);
    view_show(reader, hot->base + k, &view_without_packed, out);
    out->count = (uint32_t)hot->sums[k];
    out->time_ms = lone ? hot->lone[k].time_ms : hot->time_ms + hot->start[k];
    out->type = lone ? hot->lone[k].type : hot->type + hot->start[k];
    for (uint32_t q = 0; q < reader->walk_request.column_count; q++) {
        const uint64_t *cells = lone ? hot->wide + q * hot->wide_capacity + hot->lone[k].cell
                                     : hot->cells + q * hot->capacity + hot->start[k];
        reader->columns[reader->walk_request.columns[q]] = (struct timeline_column){cells, NULL};
    }
    return STATUS_OK;
}
