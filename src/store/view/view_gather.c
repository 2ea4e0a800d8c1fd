/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "store/view/view_internal.h"

void view_begin(struct view_reader *reader) {
    reader->piece_count = reader->segment_count = reader->tail_row_count = 0;
    reader->gone_count = 0;
    arena_clear(&reader->scratch);
}

static enum status push_piece(struct view_reader *reader, const struct view_piece *piece) {
    if (reader->piece_count == reader->piece_capacity) {
        enum status status = memory_grow((void **)&reader->pieces, &reader->piece_capacity,
                                         reader->piece_count + 1, sizeof *reader->pieces);
        if (status != STATUS_OK) return status;
    }
    reader->pieces[reader->piece_count++] = *piece;
    return STATUS_OK;
}

/* Is the row left out? Rows that were not known by t, came after the position or are superseded
 * stand anywhere between the others. */
static inline bool is_left_out(const struct view_reader *reader, const struct view_request *request,
                               uint64_t position) {
    return reader->gone_count > 0 && !view_judges(request) &&
           view_gone_ms(reader, position) != INT64_MAX;
}

bool view_part_is_late(const struct view_request *request, const struct run_part *part) {
    return request->filters && part->known_max > request->as_of.t_ms;
}

bool view_part_is_behind(const struct view_reader *reader, const struct view_request *request,
                         const struct run_part *part) {
    bool filters = request->filters && part->position_max >= request->as_of.position;
    return filters || (reader->gone_count > 0 && !view_judges(request));
}

/* What tells which rows of a part are seen; NULL where it isn't asked. */
struct seen {
    const struct run_section *section;
    const uint8_t *lags, *positions;
};

static inline bool is_seen(const struct view_reader *reader, const struct view_request *request,
                           const struct view_piece *whole, const struct seen *seen, uint32_t i) {
    if (seen->lags != NULL) {
        uint64_t lag_ms = (uint64_t)run_narrow(&seen->section[RUN_LAG], seen->lags, whole->row + i);
        int64_t known_ms = (int64_t)((uint64_t)whole->time_ms[i] + lag_ms);
        if (known_ms > request->as_of.t_ms) return false;
    }
    if (seen->positions == NULL) return true;
    uint64_t position =
        (uint64_t)run_narrow(&seen->section[RUN_POSITION], seen->positions, whole->row + i);
    return position < request->as_of.position && !is_left_out(reader, request, position);
}

static enum status push_seen(struct view_reader *reader, const struct view_request *request,
                             const struct view_piece *whole) {
    const struct run *run = reader->runs[whole->run];
    const struct run_part *part = &run->parts[whole->part];
    bool late = view_part_is_late(request, part),
         behind = view_part_is_behind(reader, request, part);
    struct seen seen = {.section = run_section_of(run, whole->part, 0)};
    if (late) seen.lags = run_bytes(run, whole->part, RUN_LAG);
    if (behind) seen.positions = run_bytes(run, whole->part, RUN_POSITION);
    if ((late && seen.lags == NULL) || (behind && seen.positions == NULL)) return STATUS_CORRUPT;
    uint32_t first = 0;
    for (uint32_t i = 0; i <= whole->count; i++) {
        if (i < whole->count && is_seen(reader, request, whole, &seen, i)) continue;
        if (i > first) {
            struct view_piece piece = *whole;
            piece.time_ms += first;
            piece.type += first;
            piece.row += first;
            piece.count = i - first;
            enum status status = push_piece(reader, &piece);
            if (status != STATUS_OK) return status;
        }
        first = i + 1;
    }
    return STATUS_OK;
}

static uint32_t count_until(const int64_t *time_ms, uint32_t count, int64_t t_ms) {
    struct timeline times = {.time_ms = time_ms, .count = count};
    return timeline_upper_bound(&times, t_ms);
}

uint32_t view_part_of(struct view_reader *reader, uint32_t r, uint32_t entry) {
    const struct run *run = reader->runs[r];
    uint32_t part = reader->part_hint[r];
    if (entry - run->parts[part].entry_first >= run->parts[part].entry_count) {
        part = run_part_of(run, entry);
        reader->part_hint[r] = part;
    }
    return part;
}

enum status view_add_entry(struct view_reader *reader, const struct view_request *request,
                           uint32_t r, uint32_t entry) {
    const struct run *run = reader->runs[r];
    uint32_t p = view_part_of(reader, r, entry);
    const struct run_part *part = &run->parts[p];
    const int64_t *times = (const int64_t *)run_bytes(run, p, RUN_TIME);
    const uint16_t *types = run_types(run, p);
    if (times == NULL || types == NULL) return STATUS_CORRUPT;
    uint32_t row = run->entry_row[entry] - part->row_first;
    struct view_piece piece = {.time_ms = times + row,
                               .type = types + row,
                               .run = r,
                               .part = p,
                               .row = row,
                               .count = run->entry_row[entry + 1] - run->entry_row[entry],
                               .persona = run->entry_persona[entry]};
    if (request->filters) {
        if (part->time_max > request->as_of.t_ms) {
            piece.count = count_until(piece.time_ms, piece.count, request->as_of.t_ms);
        }
        if (part->known_max > request->as_of.t_ms ||
            part->position_max >= request->as_of.position) {
            return push_seen(reader, request, &piece);
        }
        if (piece.count == 0) return STATUS_OK;
    }
    if (reader->gone_count > 0 && !view_judges(request)) return push_seen(reader, request, &piece);
    return push_piece(reader, &piece);
}

static enum status push_tail_row(struct view_reader *reader, const struct view_request *request,
                                 struct view_tail_row row) {
    if (row.row->time_ms > request->as_of.t_ms || row.row->known_ms > request->as_of.t_ms ||
        is_left_out(reader, request, tail_row_position(row.tail, row.row)))
        return STATUS_OK;
    if (reader->tail_row_count == reader->tail_row_capacity) {
        enum status status = memory_grow((void **)&reader->tail_rows, &reader->tail_row_capacity,
                                         reader->tail_row_count + 1, sizeof *reader->tail_rows);
        if (status != STATUS_OK) return status;
    }
    reader->tail_rows[reader->tail_row_count++] = row;
    return STATUS_OK;
}

enum status view_add_tail(struct view_reader *reader, const struct view_request *request,
                          uint32_t persona) {
    const struct version *version = reader->version;
    enum status status = STATUS_OK;
    for (uint32_t t = 0; t < version->tail_count; t++) {
        const struct tail *tail = version->tails[t];
        const struct tail_row *row =
            tail_newest(tail, (struct persona_id){persona}, request->as_of.position);
        for (; row != NULL && status == STATUS_OK; row = tail_before(tail, row)) {
            status = push_tail_row(reader, request, (struct view_tail_row){row, tail});
        }
    }
    return status;
}

enum status view_add_walk(struct view_reader *reader, size_t first, size_t end) {
    const struct run_walk *walk = &reader->walk;
    const struct view_request *request = &reader->walk_request;
    enum status status = STATUS_OK;
    view_begin(reader);
    if (reader->may_be_gone) status = view_gone_of_walk(reader, first, end);
    for (size_t i = 0; status == STATUS_OK && i < walk->slice_count; i++) {
        status = view_add_entry(reader, request, walk->slices[i].run, walk->slices[i].entry);
    }
    /* From the newest, as a persona's chain in view_add_tail. */
    for (size_t i = end; i-- > first && status == STATUS_OK;) {
        status = push_tail_row(reader, request, reader->walk_rows[(uint32_t)reader->walk_keys[i]]);
    }
    return status;
}
