/* SPDX-License-Identifier: Apache-2.0 */
#include "store/run/run_columns.h"

#include "base/hash.h"
#include "base/memory.h"
#include "event/dark.h"

/* Texts seen lately in this part, so that a button's name is stored once: a direct-mapped cache of
 * cells. */
#define SEEN_SLOTS 16384u
#define PROPERTIES 65536u
#define NO_COLUMN  UINT16_MAX

struct column_cells {
    struct column column;
    uint16_t next; /* another column of the same property with another type */
    uint32_t *rows;
    uint64_t *cells;
    size_t count, row_capacity, cell_capacity;
};

struct run_columns {
    uint32_t count;
    struct column_cells *columns;
    uint16_t *first;   /* by property */
    uint16_t whole;    /* the whole column, or NO_COLUMN */
    bool any_property; /* false: no column is of a property, so nobody needs to look into events */
    uint64_t *seen;
    /* A slot: the other half of its text's hash, so that other texts are not looked at. */
    uint32_t *seen_hash;
    struct buffer heap;
    struct dark_names names;
    struct dark_scratch scratch;
};

enum status run_columns_create(struct run_columns **out, const struct column_set *set,
                               const struct dark_names *names) {
    struct run_columns *columns = memory_calloc(1, sizeof *columns);
    *out = NULL;
    if (columns == NULL) return STATUS_NO_MEMORY;
    buffer_init(&columns->heap);
    dark_scratch_init(&columns->scratch);
    columns->names = *names;
    columns->whole = NO_COLUMN;
    columns->count = set == NULL ? 0 : set->count;
    columns->columns = memory_calloc(columns->count + 1, sizeof *columns->columns);
    columns->first = memory_alloc(PROPERTIES * sizeof *columns->first);
    columns->seen = memory_alloc(SEEN_SLOTS * sizeof *columns->seen);
    columns->seen_hash = memory_calloc(SEEN_SLOTS, sizeof *columns->seen_hash);
    if (!columns->columns || !columns->first || !columns->seen || !columns->seen_hash) {
        run_columns_destroy(columns);
        return STATUS_NO_MEMORY;
    }
    memset(columns->first, 0xff, PROPERTIES * sizeof *columns->first);
    for (uint32_t c = 0; c < columns->count; c++) {
        struct column_cells *cells = &columns->columns[c];
        cells->column = set->columns[c];
        cells->next = NO_COLUMN;
        if (cells->column.property == RUN_WHOLE_PROPERTY) columns->whole = (uint16_t)c;
        if (cells->column.property >= PROPERTIES) continue;
        columns->any_property = true;
        cells->next = columns->first[cells->column.property];
        columns->first[cells->column.property] = (uint16_t)c;
    }
    run_columns_clear(columns);
    *out = columns;
    return STATUS_OK;
}

void run_columns_destroy(struct run_columns *columns) {
    if (columns == NULL) return;
    for (uint32_t c = 0; columns->columns != NULL && c < columns->count; c++) {
        memory_free(columns->columns[c].rows);
        memory_free(columns->columns[c].cells);
    }
    memory_free(columns->columns);
    memory_free(columns->first);
    memory_free(columns->seen);
    memory_free(columns->seen_hash);
    buffer_release(&columns->heap);
    dark_scratch_release(&columns->scratch);
    memory_free(columns);
}

void run_columns_clear(struct run_columns *columns) {
    for (uint32_t c = 0; c < columns->count; c++) columns->columns[c].count = 0;
    memset(columns->seen, 0xff, SEEN_SLOTS * sizeof *columns->seen);
    buffer_clear(&columns->heap);
}

const struct buffer *run_columns_heap(const struct run_columns *columns) {
    return &columns->heap;
}

static enum status text_cell(struct run_columns *columns, struct text text, uint64_t *cell) {
    uint64_t hash = hash_text(text, 0);
    uint64_t *seen = &columns->seen[hash & (SEEN_SLOTS - 1)];
    uint32_t *seen_hash = &columns->seen_hash[hash & (SEEN_SLOTS - 1)],
             high = (uint32_t)(hash >> 32);
    if (*seen != CELL_NO_TEXT && *seen_hash == high) {
        struct text before = {columns->heap.at + (*seen >> 16), (uint32_t)(*seen & 0xffff)};
        *cell = *seen;
        if (text_equal(before, text)) return STATUS_OK;
    }
    *cell = (uint64_t)columns->heap.length << 16 | text.length;
    *seen = *cell;
    *seen_hash = high;
    return buffer_append_text(&columns->heap, text);
}

static enum status add_cell(struct run_columns *columns, struct column_cells *cells, uint32_t row,
                            struct value value) {
    uint64_t cell = 0;
    enum status status = STATUS_OK;
    if (value.type == VALUE_TEXT || value.type == VALUE_LIST) {
        status = text_cell(columns, value.text, &cell);
    } else {
        cell_set(&cell, (enum value_type)value.type, 0, value, NULL);
        if (value.type == VALUE_MONEY && (int64_t)cell == CELL_UNKNOWN) return STATUS_OK;
    }
    size_t needed = cells->count + 1;
    if (status == STATUS_OK && needed > cells->row_capacity) {
        status =
            memory_grow((void **)&cells->rows, &cells->row_capacity, needed, sizeof *cells->rows);
    }
    if (status == STATUS_OK && needed > cells->cell_capacity) {
        status = memory_grow((void **)&cells->cells, &cells->cell_capacity, needed,
                             sizeof *cells->cells);
    }
    if (status != STATUS_OK) return status;
    cells->rows[cells->count] = row;
    cells->cells[cells->count++] = cell;
    return STATUS_OK;
}

/* A list that has further fields in the dark text is stored with these, in place of the one before.
 */
static enum status add_dark_value(struct run_columns *columns, uint32_t c, uint32_t row,
                                  const struct dark_reading *reading, enum dark_kind kind,
                                  struct value value, struct value declared) {
    struct column_cells *cells = &columns->columns[c];
    enum value_type type = cells->column.type;
    bool is_there = cells->count > 0 && cells->rows[cells->count - 1] == row, made;
    if (is_there && (kind != DARK_ARRAY || type != VALUE_LIST)) return STATUS_OK;
    struct value found = dark_read(reading, kind, value, declared, type, &made);
    if (found.type != type || (is_there && !made)) return STATUS_OK;
    cells->count -= is_there;
    return add_cell(columns, cells, row, found);
}

static enum status add_dark(struct run_columns *columns, uint32_t row, struct text packed,
                            struct value list) {
    const struct dark_reading reading = {columns->names.symbols, columns->names.properties,
                                         dark_currency(list), &columns->scratch};
    struct dark_reader reader;
    enum dark_kind kind;
    struct text name;
    struct value value;
    enum status status = STATUS_OK;
    if (columns->names.symbols == NULL || !dark_reader_list(&reader, list)) return STATUS_OK;
    while (status == STATUS_OK && dark_next(&reader, &kind, &name, &value)) {
        if (kind != DARK_PROPERTY && kind != DARK_ARRAY) continue;
        uint32_t property = symbol_find(columns->names.symbols, SYMBOL_PROPERTY, name);
        if (property >= columns->names.properties) continue;
        uint16_t c = columns->first[property];
        struct value declared = c == NO_COLUMN ? value_unknown() : packed_find(packed, property);
        for (; status == STATUS_OK && c != NO_COLUMN; c = columns->columns[c].next)
            status = add_dark_value(columns, c, row, &reading, kind, value, declared);
    }
    return status;
}

void run_columns_with_whole(struct column_set *set) {
    if (set->count == TIMELINE_COLUMNS_MAX) return;
    set->columns[set->count++] = (struct column){RUN_WHOLE_PROPERTY, VALUE_LIST};
}

bool run_keeps_whole(uint16_t type) {
    return event_is_permission(type) || type == EVENT_DECISION_MADE || event_is_treatment(type);
}

static enum status add_whole(struct run_columns *columns, uint32_t row, uint16_t type,
                             struct text packed) {
    if (columns->whole == NO_COLUMN || !run_keeps_whole(type)) return STATUS_OK;
    const struct value whole = {.type = VALUE_LIST, .text = packed};
    return add_cell(columns, &columns->columns[columns->whole], row, whole);
}

enum status run_columns_add(struct run_columns *columns, uint32_t row, uint16_t type,
                            struct text packed) {
    struct packed_reader reader;
    struct value value;
    uint32_t property;
    if (columns->count == 0) return STATUS_OK;
    enum status status = add_whole(columns, row, type, packed);
    if (!columns->any_property) return status;
    if (status == STATUS_OK) status = packed_reader_init(&reader, packed);
    while (status == STATUS_OK) {
        status = packed_next(&reader, &property, &value);
        if (status != STATUS_OK) break;
        if (property == PROPERTY_UNDECLARED) {
            status = add_dark(columns, row, packed, value);
            continue;
        }
        uint16_t c = columns->first[property];
        while (status == STATUS_OK && c != NO_COLUMN) {
            struct column_cells *cells = &columns->columns[c];
            if (cells->column.type == value.type) status = add_cell(columns, cells, row, value);
            c = cells->next;
        }
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status encode_dense(const struct column_cells *cells, uint32_t row_count,
                                struct buffer *out) {
    size_t width = cell_bytes(cells->column.type);
    enum status status = buffer_reserve(out, row_count * width);
    if (status != STATUS_OK) return status;
    char *at = out->at + out->length;
    for (uint32_t row = 0; row < row_count; row++) {
        cell_set(at, cells->column.type, row, value_unknown(), NULL);
    }
    for (size_t i = 0; i < cells->count; i++)
        memcpy(at + cells->rows[i] * width, &cells->cells[i], width);
    out->length += row_count * width;
    return STATUS_OK;
}

static enum status encode_sparse(const struct column_cells *cells, uint32_t row_count,
                                 struct buffer *out) {
    size_t width = cell_bytes(cells->column.type);
    size_t words = ((size_t)row_count + 63) / 64, rank_bytes = (words * 4 + 7) & ~(size_t)7;
    size_t bytes = words * 8 + rank_bytes + cells->count * width;
    enum status status = buffer_reserve(out, bytes);
    if (status != STATUS_OK) return status;
    char *start = out->at + out->length;
    memset(start, 0, words * 8 + rank_bytes);
    uint64_t *bits = (uint64_t *)start;
    uint32_t *rank = (uint32_t *)(start + words * 8), sum = 0;
    char *at = start + words * 8 + rank_bytes;
    for (size_t i = 0; i < cells->count; i++) {
        bits[cells->rows[i] / 64] |= UINT64_C(1) << (cells->rows[i] % 64);
        memcpy(at + i * width, &cells->cells[i], width);
    }
    for (size_t w = 0; w < words; w++) {
        rank[w] = sum;
        sum += (uint32_t)__builtin_popcountll(bits[w]);
    }
    out->length += bytes;
    return STATUS_OK;
}

enum status run_columns_encode(const struct run_columns *columns, uint32_t c, uint32_t row_count,
                               struct buffer *out, struct run_section *section) {
    const struct column_cells *cells = &columns->columns[c];
    section->width = (uint32_t)cell_bytes(cells->column.type);
    section->encoding = RUN_ABSENT;
    if (cells->count == 0) return STATUS_OK;
    section->encoding = cells->count >= row_count / 2 ? RUN_DENSE : RUN_SPARSE;
    return section->encoding == RUN_DENSE ? encode_dense(cells, row_count, out)
                                          : encode_sparse(cells, row_count, out);
}
