/* SPDX-License-Identifier: Apache-2.0 */
/* One customer's rows lie in some thirty places of a run: times, types, a few cells of each column,
 * texts. Each is a line of memory that no cache has, and read one after the other they cost more
 * than all that is computed from them. So they are asked for together, before the first of them is
 * read, in three steps:
 *
 *   where the rows stand ──► the bits and ranks of sparse columns ──► their cells ──► whole rows
 *
 * What is not known to be sound yet is left out: its first touch checks it. */
#include "base/bits.h"
#include "store/view/view_internal.h"

#define LINE_BYTES 64u
/* Of one column: longer slices are read in order, which the processor foresees. */
#define LINES_MAX 4u

static const uint8_t *sound_bytes(const struct run *run, uint32_t part, uint32_t kind) {
    uint64_t index = (uint64_t)part * run->sections_a_part + kind;
    uint8_t checked = atomic_load_explicit(&run->checked[index], memory_order_acquire);
    return checked == RUN_SOUND ? run->mapping.at + run->sections[index].offset : NULL;
}

static inline void ask_for(const uint8_t *at, size_t bytes) {
    uintptr_t first = (uintptr_t)at / LINE_BYTES, last = ((uintptr_t)at + bytes) / LINE_BYTES;
    if (last - first >= LINES_MAX) last = first + LINES_MAX - 1;
    for (uintptr_t line = first; line <= last; line++)
        __builtin_prefetch((const void *)(line * LINE_BYTES));
}

static void ask_for_plain(const struct run *run, uint32_t part, uint32_t kind, uint32_t row,
                          uint32_t count, uint32_t width) {
    const uint8_t *at = sound_bytes(run, part, kind);
    if (at != NULL && width > 0) ask_for(at + (size_t)row * width, (size_t)count * width - 1);
}

/* Where the cells of a sparse column begin. */
static size_t sparse_head(uint32_t part_rows) {
    size_t words = ((size_t)part_rows + 63) / 64;
    return words * 8 + ((words * 4 + 7) & ~(size_t)7);
}

static void ask_for_column(const struct run *run, uint32_t part, uint32_t column, uint32_t row,
                           uint32_t count) {
    uint32_t kind = RUN_PART_SECTIONS + column;
    const struct run_section *section = run_section_of(run, part, kind);
    if (section->encoding == RUN_DENSE) ask_for_plain(run, part, kind, row, count, section->width);
    const uint8_t *at = sound_bytes(run, part, kind);
    if (section->encoding != RUN_SPARSE || at == NULL) return;
    size_t words = ((size_t)run->parts[part].row_count + 63) / 64;
    ask_for(at + (size_t)row / 64 * 8, 8);
    ask_for(at + words * 8 + (size_t)row / 64 * 4, 4);
}

/* The first cell of a column at or behind `row`, and how many there are of `count` rows; NULL where
 * they can't be told cheaply. */
static const uint8_t *cells_of(const struct run *run, uint32_t part, uint32_t column, uint32_t row,
                               uint32_t count, uint32_t *cells) {
    uint32_t kind = RUN_PART_SECTIONS + column;
    const struct run_section *section = run_section_of(run, part, kind);
    const uint8_t *at = sound_bytes(run, part, kind);
    if (at == NULL || section->encoding == RUN_ABSENT) return NULL;
    *cells = count;
    if (section->encoding == RUN_DENSE) return at + (size_t)row * section->width;
    uint32_t part_rows = run->parts[part].row_count, first = row / 64;
    const uint64_t *bits = (const uint64_t *)at;
    const uint32_t *rank = (const uint32_t *)(at + ((size_t)part_rows + 63) / 64 * 8);
    uint64_t below = (UINT64_C(1) << (row % 64)) - 1;
    uint32_t cell = rank[first] + bits_count(bits[first] & below);
    uint32_t end = row + count, last = end / 64;
    uint64_t within = (UINT64_C(1) << (end % 64)) - 1;
    bool behind = (size_t)last * 64 >= part_rows; /* the end of the part */
    if (behind || last > first + 1)
        *cells = count < LINES_MAX * 8 ? count : LINES_MAX * 8;
    else
        *cells = rank[last] + bits_count(bits[last] & within) - cell;
    return at + sparse_head(part_rows) + (size_t)cell * section->width;
}

void view_prefetch(struct view_reader *reader, const struct view_request *request, uint32_t r,
                   uint32_t entry) {
    const struct run *run = reader->runs[r];
    uint32_t part = view_part_of(reader, r, entry);
    uint32_t row = run->entry_row[entry] - run->parts[part].row_first,
             count = run->entry_row[entry + 1] - run->entry_row[entry];
    ask_for_plain(run, part, RUN_TIME, row, count, 8);
    ask_for_plain(run, part, RUN_TYPE, row, count, 2);
    if (request->needs & TIMELINE_CHANNEL) ask_for_plain(run, part, RUN_CHANNEL, row, count, 1);
    if (view_part_is_late(request, &run->parts[part]))
        ask_for_plain(run, part, RUN_LAG, row, count, run_section_of(run, part, RUN_LAG)->width);
    if (view_part_is_behind(reader, request, &run->parts[part]))
        ask_for_plain(run, part, RUN_POSITION, row, count,
                      run_section_of(run, part, RUN_POSITION)->width);
    const uint16_t *columns = reader->run_column[r];
    for (uint32_t k = 0; columns != NULL && k < request->column_count; k++) {
        uint16_t column = columns[request->columns[k]];
        if (column != UINT16_MAX) ask_for_column(run, part, column, row, count);
    }
    if (request->needs & TIMELINE_PACKED && run->whole_column != ID_NONE)
        ask_for_column(run, part, run->whole_column, row, count);
}

void view_prefetch_cells(struct view_reader *reader, const struct view_request *request) {
    const struct view_piece *piece = &reader->pieces[0];
    const uint8_t *at;
    uint32_t cells;
    if (reader->piece_count == 0 || piece->run == VIEW_TAIL) return;
    const struct run *run = reader->runs[piece->run];
    const uint16_t *columns = reader->run_column[piece->run];
    for (uint32_t k = 0; columns != NULL && k < request->column_count; k++) {
        uint16_t column = columns[request->columns[k]];
        if (column == UINT16_MAX) continue;
        const struct run_section *section =
            run_section_of(run, piece->part, RUN_PART_SECTIONS + column);
        if (section->encoding != RUN_SPARSE) continue;
        at = cells_of(run, piece->part, column, piece->row, piece->count, &cells);
        if (at != NULL && cells > 0) ask_for(at, (size_t)cells * section->width - 1);
    }
    if ((request->needs & TIMELINE_PACKED) == 0 || run->whole_column == ID_NONE) return;
    at = cells_of(run, piece->part, run->whole_column, piece->row, piece->count, &cells);
    if (at != NULL && cells > 0) ask_for(at, (size_t)cells * 8 - 1);
}

void view_prefetch_whole(struct view_reader *reader, const struct view_request *request) {
    const struct view_piece *piece = &reader->pieces[0];
    uint32_t cells;
    bool asked = (request->needs & TIMELINE_PACKED) != 0 && reader->piece_count > 0;
    if (!asked || piece->run == VIEW_TAIL) return;
    const struct run *run = reader->runs[piece->run];
    if (run->whole_column == ID_NONE) return;
    const uint8_t *heap = sound_bytes(run, piece->part, RUN_HEAP);
    const uint64_t *at = (const uint64_t *)cells_of(run, piece->part, run->whole_column, piece->row,
                                                    piece->count, &cells);
    if (heap == NULL || at == NULL) return;
    if (cells > LINES_MAX * 8) cells = LINES_MAX * 8;
    for (uint32_t i = 0; i < cells; i++)
        if (at[i] != CELL_NO_TEXT) ask_for(heap + (at[i] >> 16), at[i] & 0xffff);
}
