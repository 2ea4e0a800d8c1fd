/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/file/lines.h"

#include "base/memory.h"
#include "ingest/file/csv.h"
#include "ingest/ingest.h"
#include "ingest/file/scan.h"

static bool needs_quotes(struct text field) {
    for (uint32_t i = 0; i < field.length; i++) {
        char c = field.at[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r') return true;
    }
    return false;
}

enum status lines_put_field(struct buffer *out, struct text field, bool first) {
    enum status status = first ? STATUS_OK : buffer_append_text(out, TEXT(","));
    if (status != STATUS_OK) return status;
    if (!needs_quotes(field)) return buffer_append_text(out, field);
    status = buffer_append_text(out, TEXT("\""));
    for (uint32_t i = 0; status == STATUS_OK && i < field.length; i++) {
        status = buffer_append(out, &field.at[i], 1);
        if (status == STATUS_OK && field.at[i] == '"') status = buffer_append_text(out, TEXT("\""));
    }
    return status == STATUS_OK ? buffer_append_text(out, TEXT("\"")) : status;
}

struct fields {
    struct cell *cells;
    uint32_t count;
};

static enum status split(struct arena *arena, struct text row, struct fields *out) {
    char *copy = arena_calloc(arena, 1, row.length + SCAN_PADDING);
    out->cells = arena_calloc(arena, INGEST_FIELDS_MAX, sizeof *out->cells);
    if (copy == NULL || out->cells == NULL) return STATUS_NO_MEMORY;
    if (row.length > 0) memcpy(copy, row.at, row.length);
    out->count =
        csv_split((struct text){copy, row.length}, ',', true, arena, out->cells, INGEST_FIELDS_MAX);
    if (out->count == CSV_NO_MEMORY) return STATUS_NO_MEMORY;
    return out->count == CSV_TOO_MANY ? STATUS_CORRUPT : STATUS_OK;
}

static struct text field_of(const struct fields *names, const struct fields *row,
                            struct text name) {
    for (uint32_t i = 0; i < names->count && i < row->count; i++) {
        if (text_equal(names->cells[i].text, name)) return row->cells[i].text;
    }
    return (struct text){0};
}

enum status lines_project(struct text from, struct text row, struct text to, struct buffer *out) {
    struct fields names, fields, wanted;
    struct arena arena;
    if (text_equal(from, to)) return buffer_append_text(out, row);
    arena_init(&arena, 16 * INGEST_ROW_BYTES_MAX);
    enum status status = split(&arena, from, &names);
    if (status == STATUS_OK) status = split(&arena, row, &fields);
    if (status == STATUS_OK) status = split(&arena, to, &wanted);
    for (uint32_t i = 0; status == STATUS_OK && i < wanted.count; i++) {
        status = lines_put_field(out, field_of(&names, &fields, wanted.cells[i].text), i == 0);
    }
    arena_release(&arena);
    return status;
}
