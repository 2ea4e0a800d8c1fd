/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/head.h"

#include "base/memory.h"
#include "ingest/csv.h"
#include "ingest/ingest.h"

/* The candidate that stands most often in the line outside quotes; ties go to the first of , ; tab
 * |. */
static char sniff(struct text line) {
    static const char candidates[] = {',', ';', '\t', '|'};
    uint32_t counts[sizeof candidates] = {0};
    bool inside = false;
    for (uint32_t i = 0; i < line.length; i++) {
        if (line.at[i] == '"') inside = !inside;
        for (size_t k = 0; k < sizeof candidates && !inside; k++)
            counts[k] += line.at[i] == candidates[k];
    }
    size_t best = 0;
    for (size_t k = 1; k < sizeof candidates; k++) {
        if (counts[k] > counts[best]) best = k;
    }
    return candidates[best];
}

static enum status no_memory(const struct cutter *cutter, struct error *error) {
    return error_set(error, STATUS_NO_MEMORY, "no memory for the header of %s", cutter->name);
}

/* Splits a copy of the line; the names stay in the arena. */
static enum status split_names(struct head *head, struct text line, const struct cutter *cutter,
                               struct arena *arena, struct error *error) {
    char *copy = arena_calloc(arena, 1, line.length + SCAN_PADDING);
    struct cell *cells = memory_calloc(INGEST_FIELDS_MAX, sizeof *cells);
    enum status status = STATUS_OK;
    uint32_t count = CSV_NO_MEMORY;
    if (copy && cells) {
        if (line.length) memcpy(copy, line.at, line.length);
        count = csv_split((struct text){copy, line.length}, head->delimiter, true, arena, cells,
                          INGEST_FIELDS_MAX);
    }
    struct text *names = count < CSV_NO_MEMORY ? arena_calloc(arena, count, sizeof *names) : NULL;
    if (count == CSV_TOO_MANY) {
        status = error_set(error, STATUS_LIMIT, "%s:1: more than %d columns", cutter->name,
                           INGEST_FIELDS_MAX);
    } else if (names == NULL) {
        status = no_memory(cutter, error);
    } else {
        for (uint32_t i = 0; i < count; i++) names[i] = text_trim(cells[i].text);
        head->columns = names;
        head->column_count = count;
    }
    memory_free(cells);
    return status;
}

static enum status check_header(const struct cutter *cutter, const struct cut *cut,
                                struct error *error) {
    struct text line = {cut->at, (uint32_t)cut->length};
    if (cut->flags & ROW_TOO_LONG)
        return error_set(error, STATUS_LIMIT, "%s:1: the header is longer than %u bytes",
                         cutter->name, INGEST_ROW_BYTES_MAX);
    if (cut->flags & ROW_UNREADABLE)
        return error_set(
            error, STATUS_INVALID,
            "%s:1: the header's quotes don't close, or text stands behind a closing one",
            cutter->name);
    if (memchr(line.at, 0, line.length))
        return error_set(error, STATUS_INVALID,
                         "%s:1: the header holds a NUL byte: this is no text file", cutter->name);
    if (!text_is_utf8(line))
        return error_set(
            error, STATUS_INVALID,
            "%s:1: the header is not UTF-8; convert the file (iconv -f LATIN1 -t UTF-8)",
            cutter->name);
    if (!(cut->flags & ROW_QUOTED) && memchr(line.at, '\r', line.length)) {
        return error_set(error, STATUS_INVALID,
                         "%s:1: its lines end with CR alone; convert them (tr '\\r' '\\n')",
                         cutter->name);
    }
    return STATUS_OK;
}

static enum status take_header(struct head *head, struct cutter *cutter, struct arena *arena,
                               struct error *error) {
    struct cut cut;
    enum status status = cutter_row(cutter, &cut, error);
    if (status == STATUS_END) {
        return error_set(error, STATUS_INVALID,
                         "%s:1: the file is empty: it has no header line%s%s", cutter->name,
                         cutter->truncation[0] ? ": " : "", cutter->truncation);
    }
    if (status == STATUS_OK) status = check_header(cutter, &cut, error);
    if (status) return status;
    head->header = arena_text(arena, (struct text){cut.at, (uint32_t)cut.length});
    if (head->header.at == NULL) return no_memory(cutter, error);
    return split_names(head, head->header, cutter, arena, error);
}

/* c1, c2, … as many as the first line has fields. */
static enum status number_columns(struct head *head, struct cutter *cutter, struct arena *arena,
                                  struct error *error) {
    struct text line = cutter_peek(cutter);
    if (line.length && line.at[line.length - 1] == '\r') line.length--;
    enum status status = split_names(head, line, cutter, arena, error);
    if (status) return status;
    struct text *names = arena_calloc(arena, head->column_count, sizeof *names);
    if (names == NULL) return no_memory(cutter, error);
    for (uint32_t i = 0; i < head->column_count; i++) {
        const char *name = arena_format(arena, "c%u", i + 1);
        if (name == NULL) return no_memory(cutter, error);
        names[i] = text_from(name);
    }
    head->columns = names;
    return STATUS_OK;
}

enum status head_read(struct head *head, struct cutter *cutter, const struct source *source,
                      struct arena *arena, struct error *error) {
    *head = (struct head){.delimiter = source->delimiter};
    if (source->format == SOURCE_NDJSON) {
        cutter_format(cutter, false, 0);
        return STATUS_OK;
    }
    if (head->delimiter == 0) head->delimiter = sniff(cutter_peek(cutter));
    cutter_format(cutter, true, head->delimiter);
    if (source->has_header) return take_header(head, cutter, arena, error);
    if (source->column_count == 0) return number_columns(head, cutter, arena, error);
    head->columns = source->columns;
    head->column_count = source->column_count;
    return STATUS_OK;
}
