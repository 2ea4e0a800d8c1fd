/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "store/view/view_internal.h"

/* Makes one piece of all rows of the tail, in order of (time, position). */
static enum status finish_tail(struct view_reader *reader) {
    size_t count = reader->tail_row_count;
    if (count == 0) return STATUS_OK;
    enum status status =
        memory_grow((void **)&reader->order, &reader->order_capacity, count, sizeof *reader->order);
    if (status != STATUS_OK) return status;
    struct view_tail_row *rows = arena_alloc(&reader->scratch, count * sizeof *rows);
    int64_t *time_ms = arena_alloc(&reader->scratch, count * 8 + VIEW_COPY_SLACK);
    uint16_t *type = arena_alloc(&reader->scratch, count * 2 + VIEW_COPY_SLACK);
    if (rows == NULL || time_ms == NULL || type == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        /* A persona's chain runs from the newest to the oldest: read backwards, it is nearly
         * sorted. */
        const struct view_tail_row *from = &reader->tail_rows[count - 1 - i];
        rows[i] = *from;
        reader->order[i] = (struct run_sort_row){
            from->row->time_ms, tail_row_position(from->tail, from->row), (uint32_t)i};
    }
    status = run_sort_rows(reader->order, count);
    if (status != STATUS_OK) return status;
    for (size_t i = 0; i < count; i++) {
        reader->tail_rows[i] = rows[reader->order[i].index];
        time_ms[i] = reader->tail_rows[i].row->time_ms;
        type[i] = view_tail_type(reader, reader->tail_rows[i].row);
    }
    if (reader->piece_count == reader->piece_capacity) {
        status = memory_grow((void **)&reader->pieces, &reader->piece_capacity,
                             reader->piece_count + 1, sizeof *reader->pieces);
        if (status != STATUS_OK) return status;
    }
    reader->pieces[reader->piece_count++] = (struct view_piece){
        .time_ms = time_ms, .type = type, .count = (uint32_t)count, .run = VIEW_TAIL};
    return STATUS_OK;
}

/* Copies a slice. Most are small: a few rows are copied as one fixed block, which may read and
 * write beyond them. Both sides have that much room: other sections follow, and the scratch has
 * slack. */
static inline void copy_hot(int64_t *time_ms, uint16_t *type, const int64_t *from_time,
                            const uint16_t *from_type, uint32_t count) {
    if (count <= 4) {
        memcpy(time_ms, from_time, 32);
        memcpy(type, from_type, 8);
        return;
    }
    memcpy(time_ms, from_time, (size_t)count * 8);
    memcpy(type, from_type, (size_t)count * 2);
}

static enum status fill_hot(struct view_reader *reader, uint32_t count, struct timeline *out) {
    const struct view_segment *first = &reader->segments[0];
    if (reader->segment_count == 1) {
        out->time_ms = reader->pieces[first->piece].time_ms + first->first;
        out->type = reader->pieces[first->piece].type + first->first;
        return STATUS_OK;
    }
    int64_t *time_ms = arena_alloc(&reader->scratch, (size_t)count * 8 + VIEW_COPY_SLACK);
    uint16_t *type = arena_alloc(&reader->scratch, (size_t)count * 2 + VIEW_COPY_SLACK);
    if (time_ms == NULL || type == NULL) return STATUS_NO_MEMORY;
    for (size_t s = 0; s < reader->segment_count; s++) {
        const struct view_segment *segment = &reader->segments[s];
        const struct view_piece *piece = &reader->pieces[segment->piece];
        copy_hot(time_ms + segment->at, type + segment->at, piece->time_ms + segment->first,
                 piece->type + segment->first, segment->count);
    }
    out->time_ms = time_ms;
    out->type = type;
    return STATUS_OK;
}

/* Gives channels their present names, where a word was declared after the event came. */
static enum status name_channels(struct view_reader *reader, uint8_t *channel) {
    struct symbols *symbols = reader->source->symbols;
    enum status status = STATUS_OK;
    for (size_t s = 0; symbols != NULL && s < reader->segment_count; s++) {
        const struct view_segment *segment = &reader->segments[s];
        for (uint32_t i = 0; i < segment->count; i++) {
            struct text packed;
            if (channel[segment->at + i] != CHANNEL_UNDECLARED) continue;
            status =
                view_packed(reader, &reader->pieces[segment->piece], segment->first + i, &packed);
            if (status != STATUS_OK) return status;
            channel[segment->at + i] = dark_channel(symbols, packed);
        }
    }
    return STATUS_OK;
}

static enum status fill_channel(struct view_reader *reader, uint32_t count, struct timeline *out) {
    uint8_t *channel = arena_alloc(&reader->scratch, count);
    if (channel == NULL) return STATUS_NO_MEMORY;
    out->channel = channel;
    for (size_t s = 0; s < reader->segment_count; s++) {
        const struct view_segment *segment = &reader->segments[s];
        const struct view_piece *piece = &reader->pieces[segment->piece];
        uint32_t row = piece->row + segment->first;
        if (piece->run == VIEW_TAIL) {
            for (uint32_t i = 0; i < segment->count; i++) {
                channel[segment->at + i] = reader->tail_rows[row + i].row->channel;
            }
            continue;
        }
        const uint8_t *from = run_bytes(reader->runs[piece->run], piece->part, RUN_CHANNEL);
        if (from == NULL) return STATUS_CORRUPT;
        bool in_place = reader->segment_count == 1 &&
                        memchr(from + row, CHANNEL_UNDECLARED, segment->count) == NULL;
        if (in_place) {
            out->channel = from + row;
            return STATUS_OK;
        }
        memcpy(channel + segment->at, from + row, segment->count);
    }
    return memchr(channel, CHANNEL_UNDECLARED, count) == NULL ? STATUS_OK
                                                              : name_channels(reader, channel);
}

static int64_t tail_value(const struct view_tail_row *from, enum run_section_kind kind) {
    if (kind == RUN_LAG)
        return (int64_t)((uint64_t)from->row->known_ms - (uint64_t)from->row->time_ms);
    if (kind == RUN_POSITION) return (int64_t)tail_row_position(from->tail, from->row);
    return from->row->source;
}

/* Widens one narrow section over all segments. */
static enum status widen(struct view_reader *reader, enum run_section_kind kind, int64_t *out) {
    for (size_t s = 0; s < reader->segment_count; s++) {
        const struct view_segment *segment = &reader->segments[s];
        const struct view_piece *piece = &reader->pieces[segment->piece];
        uint32_t row = piece->row + segment->first;
        int64_t *to = out + segment->at;
        if (piece->run == VIEW_TAIL) {
            for (uint32_t i = 0; i < segment->count; i++)
                to[i] = tail_value(&reader->tail_rows[row + i], kind);
            continue;
        }
        const struct run *run = reader->runs[piece->run];
        const uint8_t *at = run_bytes(run, piece->part, kind);
        if (at == NULL) return STATUS_CORRUPT;
        const struct run_section *section = run_section_of(run, piece->part, kind);
        for (uint32_t i = 0; i < segment->count; i++) to[i] = run_narrow(section, at, row + i);
    }
    return STATUS_OK;
}

static enum status fill_known(struct view_reader *reader, uint32_t count, struct timeline *out) {
    int64_t *known_ms = arena_alloc(&reader->scratch, (size_t)count * 8);
    if (known_ms == NULL) return STATUS_NO_MEMORY;
    enum status status = widen(reader, RUN_LAG, known_ms);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < count; i++)
        known_ms[i] = (int64_t)((uint64_t)known_ms[i] + (uint64_t)out->time_ms[i]);
    out->known_ms = known_ms;
    return STATUS_OK;
}

static enum status fill_position(struct view_reader *reader, uint32_t count, struct timeline *out) {
    int64_t *position = arena_alloc(&reader->scratch, (size_t)count * 8);
    out->position = (const uint64_t *)position;
    return position == NULL ? STATUS_NO_MEMORY : widen(reader, RUN_POSITION, position);
}

static enum status fill_source(struct view_reader *reader, uint32_t count, struct timeline *out) {
    int64_t *wide = arena_alloc(&reader->scratch, (size_t)count * 8);
    uint16_t *source = arena_alloc(&reader->scratch, (size_t)count * 2);
    if (wide == NULL || source == NULL) return STATUS_NO_MEMORY;
    enum status status = widen(reader, RUN_SOURCE, wide);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < count; i++) source[i] = (uint16_t)wide[i];
    out->source = source;
    return STATUS_OK;
}

static enum status fill_persona(struct view_reader *reader, uint32_t count, struct timeline *out) {
    uint32_t *persona = arena_alloc(&reader->scratch, (size_t)count * 4);
    if (persona == NULL) return STATUS_NO_MEMORY;
    for (size_t s = 0; s < reader->segment_count; s++) {
        const struct view_segment *segment = &reader->segments[s];
        const struct view_piece *piece = &reader->pieces[segment->piece];
        for (uint32_t i = 0; i < segment->count; i++) {
            persona[segment->at + i] =
                piece->run == VIEW_TAIL
                    ? reader->tail_rows[piece->row + segment->first + i].row->persona
                    : piece->persona;
        }
    }
    out->persona = persona;
    return STATUS_OK;
}

static enum status fill_needs(struct view_reader *reader, uint32_t needs, uint32_t count,
                              struct timeline *out) {
    enum status status = STATUS_OK;
    if (needs & TIMELINE_CHANNEL) status = fill_channel(reader, count, out);
    if (status == STATUS_OK && needs & TIMELINE_KNOWN) status = fill_known(reader, count, out);
    if (status == STATUS_OK && needs & TIMELINE_KNOWN && reader->gone_count > 0)
        status = view_gone_fill(reader, count, out);
    if (status == STATUS_OK && needs & TIMELINE_POSITION)
        status = fill_position(reader, count, out);
    if (status == STATUS_OK && needs & TIMELINE_PERSONA) status = fill_persona(reader, count, out);
    if (status == STATUS_OK && needs & TIMELINE_SOURCE) status = fill_source(reader, count, out);
    return status;
}

/* Finds the segment that holds a row of the timeline: the last one that begins at or before it. */
static enum status packed_of(const struct timeline *timeline, uint32_t row, struct text *packed) {
    struct view_reader *reader = timeline->reader;
    size_t low = 0, high = reader->segment_count;
    if (row >= timeline->count) return STATUS_INVALID;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (reader->segments[middle].at <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct view_segment *segment = &reader->segments[low];
    return view_packed(reader, &reader->pieces[segment->piece],
                       segment->first + (row - segment->at), packed);
}

static enum status packed_refused(const struct timeline *timeline, uint32_t row,
                                  struct text *packed) {
    (void)timeline, (void)row;
    *packed = (struct text){0};
    return STATUS_INVALID;
}

static const struct timeline_ops with_packed = {.packed = packed_of};
const struct timeline_ops view_without_packed = {.packed = packed_refused};

enum status view_finish(struct view_reader *reader, const struct view_request *request,
                        uint32_t customer, struct timeline *out) {
    enum status status = reader->tail_row_count > 0 ? finish_tail(reader) : STATUS_OK;
    if (status != STATUS_OK) return status;
    if (reader->piece_count == 0) return STATUS_END;
    view_show(reader, customer,
              request->needs & TIMELINE_PACKED ? &with_packed : &view_without_packed, out);
    if (reader->piece_count == 1 && request->needs == 0 && request->column_count == 0 &&
        reader->pieces[0].count <= TIMELINE_EVENTS_MAX) {
        out->count = reader->pieces[0].count;
        out->time_ms = reader->pieces[0].time_ms;
        out->type = reader->pieces[0].type;
        return STATUS_OK;
    }
    status = view_order(reader, &out->count, &out->truncated);
    if (status == STATUS_OK) status = fill_hot(reader, out->count, out);
    if (status == STATUS_OK && request->needs != 0)
        status = fill_needs(reader, request->needs, out->count, out);
    if (status == STATUS_OK && request->column_count > 0)
        status = view_fill_columns(reader, request, out->count);
    return status;
}
