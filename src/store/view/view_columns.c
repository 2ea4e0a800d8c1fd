/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bits.h"
#include "base/memory.h"
#include "store/view/view_internal.h"

#define NOT_THERE UINT16_MAX

enum status view_packed(struct view_reader *reader, const struct view_piece *piece, uint32_t row,
                        struct text *packed) {
    if (piece->run != VIEW_TAIL) {
        return run_packed(&reader->cache, reader->runs[piece->run], piece->part, piece->row + row,
                          packed);
    }
    *packed = tail_packed(reader->tail_rows[piece->row + row].row);
    return STATUS_OK;
}

static bool is_text(enum value_type type) {
    return type == VALUE_TEXT || type == VALUE_LIST;
}

/* Finds which column of the run is column c of the set, once for each run. */
static enum status run_column(struct view_reader *reader, uint32_t r, uint32_t c,
                              uint16_t *column) {
    const struct column_set *set = reader->set;
    if (reader->run_column[r] == NULL) {
        uint16_t *map = memory_alloc((set->count + 1) * sizeof *map);
        if (map == NULL) return STATUS_NO_MEMORY;
        for (uint32_t i = 0; i < set->count; i++) {
            uint32_t found = run_column_find(reader->runs[r], set->columns[i]);
            map[i] = found == ID_NONE ? NOT_THERE : (uint16_t)found;
        }
        reader->run_column[r] = map;
    }
    *column = reader->run_column[r][c];
    return STATUS_OK;
}

/* The cells of one column of one part, ready to be read. */
struct stored_column {
    const struct run_section *section; /* NULL: the run does not keep this column */
    const uint8_t *at, *heap;
};

static enum status find_stored(struct view_reader *reader, const struct view_piece *piece,
                               uint32_t c, struct stored_column *out) {
    const struct run *run = reader->runs[piece->run];
    uint16_t column;
    *out = (struct stored_column){0};
    enum status status = run_column(reader, piece->run, c, &column);
    if (status != STATUS_OK || column == NOT_THERE) return status;
    out->section = run_section_of(run, piece->part, RUN_PART_SECTIONS + column);
    out->at = run_bytes(run, piece->part, RUN_PART_SECTIONS + column);
    if (out->at == NULL) return STATUS_CORRUPT;
    if (!is_text(reader->set->columns[c].type)) return STATUS_OK;
    out->heap = run_bytes(run, piece->part, RUN_HEAP);
    return out->heap == NULL ? STATUS_CORRUPT : STATUS_OK;
}

static void fill_unknown(void *cells, enum value_type type, uint32_t count) {
    if (type == VALUE_YES_NO) {
        memset(cells, 2, count);
        return;
    }
    uint64_t unknown;
    cell_set(&unknown, type, 0, value_unknown(), NULL);
    for (uint32_t i = 0; i < count; i++) ((uint64_t *)cells)[i] = unknown;
}

/* `add` turns a text cell's offset into an address; unknown stays unknown. */
static inline void put_cell(void *cells, uint32_t at, const uint8_t *from, uint64_t i,
                            uint32_t width, uint64_t add) {
    if (width == 1) {
        ((uint8_t *)cells)[at] = from[i];
        return;
    }
    uint64_t cell = ((const uint64_t *)from)[i];
    if (add != 0 && cell != CELL_NO_TEXT) cell += add;
    ((uint64_t *)cells)[at] = cell;
}

/* Copies rows [row, row + count) of a part to cells[at …], which are unknown so far. */
static void copy_sparse(const struct stored_column *stored, uint32_t part_rows, uint32_t row,
                        uint32_t count, void *cells, uint32_t at, uint64_t add) {
    uint64_t words = ((uint64_t)part_rows + 63) / 64,
             head = words * 8 + ((words * 4 + 7) & ~UINT64_C(7));
    const uint64_t *bits = (const uint64_t *)stored->at;
    const uint32_t *rank = (const uint32_t *)(stored->at + words * 8);
    uint32_t width = stored->section->width, end = row + count;
    for (uint32_t w = row / 64; w * UINT64_C(64) < end; w++) {
        uint64_t set = bits[w], cell = rank[w];
        uint32_t base = w * 64;
        if (base < row) {
            uint64_t below = (UINT64_C(1) << (row - base)) - 1;
            cell += bits_count(set & below);
            set &= ~below;
        }
        if (end - base < 64) set &= (UINT64_C(1) << (end - base)) - 1;
        for (; set != 0; set &= set - 1) {
            uint32_t found = base + (uint32_t)__builtin_ctzll(set);
            put_cell(cells, at + (found - row), stored->at + head, cell++, width, add);
        }
    }
}

static void copy_stored(const struct view_reader *reader, const struct view_piece *piece,
                        const struct view_segment *segment, const struct stored_column *stored,
                        void *cells, bool absolute) {
    uint32_t row = piece->row + segment->first, width = stored->section->width;
    uint64_t add = absolute && stored->heap != NULL ? (uint64_t)(uintptr_t)stored->heap << 16 : 0;
    if (stored->section->encoding == RUN_SPARSE) {
        uint32_t part_rows = reader->runs[piece->run]->parts[piece->part].row_count;
        copy_sparse(stored, part_rows, row, segment->count, cells, segment->at, add);
    } else if (stored->section->encoding == RUN_DENSE) {
        for (uint32_t i = 0; i < segment->count; i++) {
            put_cell(cells, segment->at + i, stored->at, row + i, width, add);
        }
    }
}

/* Fills the columns of a customer with one slice: dense cells are used in place, sparse ones spread
 * out. */
static enum status fill_single(struct view_reader *reader, uint32_t c,
                               const struct stored_column *stored) {
    const struct view_segment *segment = &reader->segments[0];
    const struct view_piece *piece = &reader->pieces[segment->piece];
    struct timeline_column *column = &reader->columns[c];
    enum value_type type = reader->set->columns[c].type;
    *column = (struct timeline_column){NULL, stored->heap};
    if (stored->section->encoding == RUN_ABSENT) return STATUS_OK;
    if (stored->section->encoding == RUN_DENSE) {
        column->cells = stored->at + (size_t)(piece->row + segment->first) * stored->section->width;
        return STATUS_OK;
    }
    void *cells = arena_alloc(&reader->scratch, (size_t)segment->count * stored->section->width);
    if (cells == NULL) return STATUS_NO_MEMORY;
    fill_unknown(cells, type, segment->count);
    copy_stored(reader, piece, segment, stored, cells, false);
    column->cells = cells;
    return STATUS_OK;
}

/* Copies a text of a decompressed block, which ends with the next block. */
static enum status keep_text(struct arena *arena, struct value *value) {
    if (value->type != VALUE_TEXT && value->type != VALUE_LIST) return STATUS_OK;
    value->text = arena_text(arena, value->text);
    return value->text.at == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

static inline struct value find_value(struct view_reader *reader, struct text packed,
                                      struct column column, bool *made) {
    *made = false;
    if (!packed_may_be_dark(packed) || reader->source->symbols == NULL)
        return packed_find(packed, column.property);
    return dark_find(packed, reader->source->symbols, UINT32_MAX, column, &reader->dark, made);
}

/* Reads cells from the packed properties: for rows of the tail, and of runs that were written for
 * another playbook. */
static enum status decode_rows(struct view_reader *reader, const struct view_segment *segment,
                               const uint16_t *columns, uint32_t column_count) {
    const struct view_piece *piece = &reader->pieces[segment->piece];
    const struct column_set *set = reader->set;
    for (uint32_t i = 0; i < segment->count; i++) {
        struct text packed;
        enum status status = view_packed(reader, piece, segment->first + i, &packed);
        for (uint32_t k = 0; status == STATUS_OK && k < column_count; k++) {
            struct column column = set->columns[columns[k]];
            bool made;
            struct value value = find_value(reader, packed, column, &made);
            if (value.type != column.type) continue;
            if (piece->run != VIEW_TAIL || made) status = keep_text(&reader->scratch, &value);
            if (status == STATUS_OK) {
                cell_set((void *)(uintptr_t)reader->columns[columns[k]].cells, column.type,
                         segment->at + i, value, NULL);
            }
        }
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status fill_segment(struct view_reader *reader, const struct view_request *request,
                                const struct view_segment *segment) {
    const struct view_piece *piece = &reader->pieces[segment->piece];
    uint16_t decoded[TIMELINE_COLUMNS_MAX];
    uint32_t decoded_count = 0;
    if (piece->run == VIEW_TAIL)
        return decode_rows(reader, segment, request->columns, request->column_count);
    for (uint32_t k = 0; k < request->column_count; k++) {
        struct stored_column stored;
        enum status status = find_stored(reader, piece, request->columns[k], &stored);
        if (status != STATUS_OK) return status;
        if (stored.section == NULL) {
            decoded[decoded_count++] = request->columns[k];
        } else {
            void *cells = (void *)(uintptr_t)reader->columns[request->columns[k]].cells;
            copy_stored(reader, piece, segment, &stored, cells, true);
        }
    }
    return decoded_count == 0 ? STATUS_OK : decode_rows(reader, segment, decoded, decoded_count);
}

static enum status unknown_column(struct view_reader *reader, uint32_t c, uint32_t row_count) {
    enum value_type type = reader->set->columns[c].type;
    void *cells = arena_alloc(&reader->scratch, row_count * cell_bytes(type));
    if (cells == NULL) return STATUS_NO_MEMORY;
    fill_unknown(cells, type, row_count);
    reader->columns[c] = (struct timeline_column){cells, NULL};
    return STATUS_OK;
}

static enum status fill_one_piece(struct view_reader *reader, const struct view_request *request) {
    const struct view_segment *segment = &reader->segments[0];
    uint16_t decoded[TIMELINE_COLUMNS_MAX];
    uint32_t decoded_count = 0;
    for (uint32_t k = 0; k < request->column_count; k++) {
        struct stored_column stored;
        uint32_t c = request->columns[k];
        enum status status = find_stored(reader, &reader->pieces[segment->piece], c, &stored);
        if (status == STATUS_OK && stored.section != NULL) {
            status = fill_single(reader, c, &stored);
        } else if (status == STATUS_OK) {
            decoded[decoded_count++] = (uint16_t)c;
            status = unknown_column(reader, c, segment->count);
        }
        if (status != STATUS_OK) return status;
    }
    return decoded_count == 0 ? STATUS_OK : decode_rows(reader, segment, decoded, decoded_count);
}

enum status view_fill_columns(struct view_reader *reader, const struct view_request *request,
                              uint32_t row_count) {
    if (reader->segment_count == 1 && reader->pieces[reader->segments[0].piece].run != VIEW_TAIL) {
        return fill_one_piece(reader, request);
    }
    enum status status = STATUS_OK;
    for (uint32_t k = 0; status == STATUS_OK && k < request->column_count; k++) {
        status = unknown_column(reader, request->columns[k], row_count);
    }
    for (size_t s = 0; status == STATUS_OK && s < reader->segment_count; s++) {
        status = fill_segment(reader, request, &reader->segments[s]);
    }
    return status;
}

enum status view_column_is_wide(struct view_reader *reader, uint32_t c, bool *wide) {
    *wide = cell_bytes(reader->set->columns[c].type) == 8;
    for (uint32_t r = 0; *wide && r < reader->version->run_count; r++) {
        uint16_t column;
        enum status status = run_column(reader, r, c, &column);
        if (status != STATUS_OK) return status;
        *wide = column != NOT_THERE;
    }
    return STATUS_OK;
}

enum status view_widen_column(struct view_reader *reader, const struct view_piece *piece,
                              uint32_t c, uint64_t *cells) {
    struct stored_column stored;
    enum status status = find_stored(reader, piece, c, &stored);
    if (status != STATUS_OK) return status;
    if (stored.section->encoding == RUN_DENSE && stored.heap == NULL) {
        memcpy(cells, stored.at + (size_t)piece->row * 8, (size_t)piece->count * 8);
        return STATUS_OK;
    }
    struct view_segment whole = {.count = piece->count};
    if (stored.section->encoding != RUN_DENSE) {
        fill_unknown(cells, reader->set->columns[c].type, piece->count);
    }
    copy_stored(reader, piece, &whole, &stored, cells, true);
    return STATUS_OK;
}

enum status view_tail_cell(struct view_reader *reader, const struct tail_row *row, uint32_t c,
                           uint64_t *cell) {
    struct column column = reader->set->columns[c];
    bool made;
    struct value value = find_value(reader, tail_packed(row), column, &made);
    enum status status = made ? keep_text(&reader->made, &value) : STATUS_OK;
    cell_set(cell, column.type, 0, status == STATUS_OK ? value : value_unknown(), NULL);
    return status;
}
