/* SPDX-License-Identifier: Apache-2.0 */
/* Puts pieces in order of their first time. A small heap merges those that overlap in time; it
 * takes rows from a piece as long as they come before all other pieces. Runs follow each other in
 * time, so most pieces overlap nothing. */
#include "base/memory.h"
#include "store/view/view_internal.h"

uint64_t view_row_position(const struct view_reader *reader, const struct view_piece *piece,
                           uint32_t row) {
    if (piece->run == VIEW_TAIL) {
        const struct view_tail_row *tail_row = &reader->tail_rows[piece->row + row];
        return tail_row_position(tail_row->tail, tail_row->row);
    }
    const struct run *run = reader->runs[piece->run];
    const uint8_t *positions = run_bytes(run, piece->part, RUN_POSITION);
    if (positions == NULL) return 0; /* view_order has touched the section and would have refused */
    return (uint64_t)run_narrow(run_section_of(run, piece->part, RUN_POSITION), positions,
                                piece->row + row);
}

struct head {
    int64_t time_ms;
    uint64_t position;
    uint32_t piece, at;
};

static bool is_before(const struct head *a, const struct head *b) {
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : a->position < b->position;
}

static void sift_down(struct head *heap, size_t count, size_t at) {
    struct head moving = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && is_before(&heap[child + 1], &heap[child])) child++;
        if (!is_before(&heap[child], &moving)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static enum status push_segment(struct view_reader *reader, uint32_t piece, uint32_t first,
                                uint32_t count) {
    if (reader->segment_count == reader->segment_capacity) {
        enum status status = memory_grow((void **)&reader->segments, &reader->segment_capacity,
                                         reader->segment_count + 1, sizeof *reader->segments);
        if (status != STATUS_OK) return status;
    }
    reader->segments[reader->segment_count++] = (struct view_segment){piece, first, count, 0};
    return STATUS_OK;
}

static struct head head_at(const struct view_reader *reader, uint32_t piece, uint32_t at) {
    const struct view_piece *from = &reader->pieces[piece];
    return (struct head){from->time_ms[at], view_row_position(reader, from, at), piece, at};
}

/* Counts the rows of the root that come before every other head. */
static uint32_t rows_ahead(const struct view_reader *reader, const struct head *heap,
                           size_t count) {
    const struct view_piece *piece = &reader->pieces[heap[0].piece];
    uint32_t at = heap[0].at + 1;
    if (count == 1) return piece->count - heap[0].at;
    const struct head *limit = count > 2 && is_before(&heap[2], &heap[1]) ? &heap[2] : &heap[1];
    while (at < piece->count && (piece->time_ms[at] < limit->time_ms ||
                                 (piece->time_ms[at] == limit->time_ms &&
                                  view_row_position(reader, piece, at) < limit->position))) {
        at++;
    }
    return at - heap[0].at;
}

static enum status merge_cluster(struct view_reader *reader, const uint32_t *pieces, size_t count) {
    struct head *heap = arena_alloc(&reader->scratch, count * sizeof *heap);
    if (heap == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct view_piece *piece = &reader->pieces[pieces[i]];
        if (piece->run != VIEW_TAIL &&
            run_bytes(reader->runs[piece->run], piece->part, RUN_POSITION) == NULL) {
            return STATUS_CORRUPT;
        }
        heap[i] = head_at(reader, pieces[i], 0);
    }
    for (size_t i = count / 2; i-- > 0;) sift_down(heap, count, i);
    while (count > 0) {
        uint32_t taken = rows_ahead(reader, heap, count);
        enum status status = push_segment(reader, heap[0].piece, heap[0].at, taken);
        if (status != STATUS_OK) return status;
        uint32_t at = heap[0].at + taken;
        heap[0] = at < reader->pieces[heap[0].piece].count ? head_at(reader, heap[0].piece, at)
                                                           : heap[--count];
        if (count > 0) sift_down(heap, count, 0);
    }
    return STATUS_OK;
}

/* Sorts the indices of the pieces by first time. */
static enum status by_first_time(struct view_reader *reader, uint32_t *sorted) {
    size_t count = reader->piece_count;
    if (count <= 32) {
        for (uint32_t i = 0; i < count; i++) {
            int64_t time_ms = reader->pieces[i].time_ms[0];
            uint32_t at = i;
            for (; at > 0 && reader->pieces[sorted[at - 1]].time_ms[0] > time_ms; at--)
                sorted[at] = sorted[at - 1];
            sorted[at] = i;
        }
        return STATUS_OK;
    }
    if (memory_grow((void **)&reader->order, &reader->order_capacity, count,
                    sizeof *reader->order) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        reader->order[i] = (struct run_sort_row){reader->pieces[i].time_ms[0], i, i};
    }
    enum status status = run_sort_rows(reader->order, count);
    for (size_t i = 0; i < count; i++) sorted[i] = reader->order[i].index;
    return status;
}

static inline int64_t last_time(const struct view_piece *piece) {
    return piece->time_ms[piece->count - 1];
}

static enum status order_pieces(struct view_reader *reader) {
    size_t count = reader->piece_count, end;
    uint32_t *sorted = arena_alloc(&reader->scratch, (count + 1) * sizeof *sorted);
    if (sorted == NULL) return STATUS_NO_MEMORY;
    enum status status = by_first_time(reader, sorted);
    for (size_t i = 0; status == STATUS_OK && i < count; i = end) {
        int64_t last_ms = last_time(&reader->pieces[sorted[i]]);
        for (end = i + 1; end < count && reader->pieces[sorted[end]].time_ms[0] <= last_ms; end++) {
            int64_t time_ms = last_time(&reader->pieces[sorted[end]]);
            if (time_ms > last_ms) last_ms = time_ms;
        }
        status = end - i == 1 ? push_segment(reader, sorted[i], 0, reader->pieces[sorted[i]].count)
                              : merge_cluster(reader, sorted + i, end - i);
    }
    return status;
}

enum status view_order(struct view_reader *reader, uint32_t *row_count, bool *truncated) {
    enum status status = STATUS_OK;
    if (reader->piece_count == 1 && reader->pieces[0].count <= TIMELINE_EVENTS_MAX) {
        *row_count = reader->pieces[0].count;
        *truncated = false;
        return push_segment(reader, 0, 0, *row_count);
    }
    status = reader->piece_count == 1 ? push_segment(reader, 0, 0, reader->pieces[0].count)
                                      : order_pieces(reader);
    if (status != STATUS_OK) return status;
    uint64_t sum = 0, over = 0;
    for (size_t s = 0; s < reader->segment_count; s++) sum += reader->segments[s].count;
    *truncated = sum > TIMELINE_EVENTS_MAX;
    if (*truncated) over = sum - TIMELINE_EVENTS_MAX;
    uint32_t at = 0;
    for (size_t s = 0; s < reader->segment_count; s++) {
        struct view_segment *segment = &reader->segments[s];
        uint32_t cut = over < segment->count ? (uint32_t)over : segment->count;
        over -= cut;
        segment->first += cut;
        segment->count -= cut;
        segment->at = at;
        at += segment->count;
    }
    *row_count = at;
    return STATUS_OK;
}
