/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/file/head.h"

#include "base/canonical.h"
#include "base/memory.h"
#include "ingest/file/csv.h"
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
        count = csv_split((struct text){copy, line.length}, head->delimiter, head->quotes, arena,
                          cells, INGEST_FIELDS_MAX);
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

/* A CR outside quotes that no LF follows. */
static bool has_lone_cr(struct text line, bool quotes) {
    bool inside = false;
    for (uint32_t i = 0; i < line.length; i++) {
        if (line.at[i] == '"' && quotes) inside = !inside;
        if (line.at[i] == '\r' && !inside) return true;
    }
    return false;
}

/* {"…, { and [{…, [ and what is written over lines. */
static bool is_json(struct text line) {
    line = canonical_trim(line);
    if (line.length == 0 || (line.at[0] != '{' && line.at[0] != '[')) return false;
    char first = line.at[0];
    line = canonical_trim((struct text){line.at + 1, line.length - 1});
    if (line.length == 0) return true;
    return first == '{' ? line.at[0] == '"' || line.at[0] == '}'
                        : line.at[0] == '{' || line.at[0] == ']';
}

static enum status refuse_json(const struct cutter *cutter, struct error *error) {
    return error_set(error, STATUS_INVALID,
                     "%s:1: the file looks like JSON: write format: ndjson in its source, or a "
                     "narrower file: pattern where the source has other files",
                     cutter->name);
}

static enum status check_header(const struct cutter *cutter, const struct cut *cut,
                                struct error *error) {
    struct text line = {cut->at, (uint32_t)cut->length};
    if (cut->flags & ROW_TOO_LONG)
        return error_set(error, STATUS_LIMIT, "%s:1: the header is longer than %u bytes",
                         cutter->name, INGEST_ROW_BYTES_MAX);
    if (is_json(line)) return refuse_json(cutter, error);
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
            "%s:1: the header is not UTF-8; convert the file (iconv -f WINDOWS-1252 -t UTF-8)",
            cutter->name);
    if (has_lone_cr(line, cut->flags & ROW_QUOTED)) {
        return error_set(error, STATUS_INVALID,
                         "%s:1: some of its lines end with CR alone and some with LF; convert them "
                         "(tr '\\r' '\\n')",
                         cutter->name);
    }
    return STATUS_OK;
}

static enum status take_header(struct head *head, struct cutter *cutter, struct text before,
                               struct arena *arena, struct error *error) {
    struct cut cut;
    enum status status = cutter_row(cutter, &cut, error);
    if (status == STATUS_END) {
        head->empty = true;
        return STATUS_OK;
    }
    if (status == STATUS_OK) status = check_header(cutter, &cut, error);
    if (status) return status;
    struct text line = {cut.at, (uint32_t)cut.length};
    status = split_names(head, line, cutter, arena, error);
    if (status) return status;
    const char *whole = arena_format(arena, "%.*s%.*s", TEXT_ARG(before), TEXT_ARG(line));
    if (whole == NULL) return no_memory(cutter, error);
    head->header = text_from(whole);
    return STATUS_OK;
}

/* Some programs write CR CR LF. */
static struct text without_cr(struct text line) {
    while (line.length > 0 && line.at[line.length - 1] == '\r') line.length--;
    return line;
}

/* Excel's first line "sep=;" says the delimiter and is no row; a program that saved the file again
 * fills it up to "sep=;;;;". What it says, or 0. */
static char separator_line(struct text line) {
    line = without_cr(line);
    if (line.length > 2 && line.at[0] == '"' && line.at[line.length - 1] == '"')
        line = (struct text){line.at + 1, line.length - 2};
    struct text words = {line.at, 4};
    if (line.length < 5 || !text_equal_ignoring_case(words, TEXT("sep="))) return 0;
    char said = line.at[4];
    for (uint32_t i = 5; i < line.length; i++) {
        if (line.at[i] != said) return 0;
    }
    return said == '"' || said == '\r' || said == 0 ? 0 : said;
}

/* Takes the line in front; it goes behind `before`, as it came, so that kept rows can be read
 * again. */
static enum status take_line(struct cutter *cutter, struct text line, struct arena *arena,
                             struct text *before, struct error *error) {
    const char *copy = arena_format(arena, "%.*s%.*s\n", TEXT_ARG(*before), TEXT_ARG(line));
    if (copy == NULL) return no_memory(cutter, error);
    *before = text_from(copy);
    return cutter_skip_line(cutter, error);
}

/* Lines of blanks before the header: they name no column. */
static enum status skip_blank_lines(struct cutter *cutter, struct error *error) {
    enum status status = STATUS_OK;
    while (status == STATUS_OK && cutter->start < cutter->window.length) {
        struct text line = cutter_peek(cutter);
        bool is_text = line.length == 0 || memchr(line.at, 0, line.length) == NULL;
        if (!is_text || canonical_trim(line).length > 0) break;
        status = cutter_skip_line(cutter, error);
    }
    return status;
}

/* The lines that the source skips, and the one that says the delimiter. */
static enum status take_lines_before(struct head *head, struct cutter *cutter,
                                     const struct source *source, struct arena *arena,
                                     struct text *before, struct error *error) {
    enum status status = STATUS_OK;
    *before = (struct text){"", 0};
    for (uint32_t i = 0; status == STATUS_OK && i < source->skip_lines; i++)
        status = take_line(cutter, cutter_peek(cutter), arena, before, error);
    if (status == STATUS_OK && source->has_header) status = skip_blank_lines(cutter, error);
    struct text line = cutter_peek(cutter);
    char said = separator_line(line);
    if (status != STATUS_OK || said == 0) return status;
    if (head->delimiter == 0) head->delimiter = said;
    status = take_line(cutter, line, arena, before, error);
    return status == STATUS_OK && source->has_header ? skip_blank_lines(cutter, error) : status;
}

/* In a file with tabs a quote is a character, unless each field of the first line stands in quotes:
 * then its writer quotes. */
static bool quotes_fields(const struct source *source, char delimiter, struct text line) {
    if (source->quote != QUOTE_BY_DELIMITER) return source->quote == QUOTE_DOUBLE;
    if (delimiter != '\t') return true;
    line = without_cr(line);
    const char *at = line.at, *end = line.at + line.length;
    while (at < end) {
        const char *tab = memchr(at, '\t', (size_t)(end - at)), *stop = tab ? tab : end;
        if (stop - at < 2 || *at != '"' || stop[-1] != '"') return false;
        at = stop + 1;
    }
    return line.length > 0;
}

/* c1, c2, … as many as the first line has fields. */
static enum status number_columns(struct head *head, struct cutter *cutter, struct arena *arena,
                                  struct error *error) {
    struct text line = without_cr(cutter_peek(cutter));
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

static enum status read_csv_head(struct head *head, struct cutter *cutter,
                                 const struct source *source, struct arena *arena,
                                 struct error *error) {
    struct text before;
    enum status status = take_lines_before(head, cutter, source, arena, &before, error);
    if (status) return status;
    struct text line = cutter_peek(cutter);
    if (head->delimiter == 0) head->delimiter = sniff(line);
    head->quotes = quotes_fields(source, head->delimiter, line);
    cutter_format_csv(cutter, head->delimiter, head->quotes);
    if (source->has_header) return take_header(head, cutter, before, arena, error);
    /* A kept row is read again behind these lines, each of which has its end. */
    if (before.length > 0) head->header = (struct text){before.at, before.length - 1};
    if (line.length == 0 && cutter->ended) {
        head->empty = true;
        return STATUS_OK;
    }
    /* A kept row may begin so. */
    if (!cutter->trusts_end && is_json(line)) return refuse_json(cutter, error);
    if (source->column_count == 0) return number_columns(head, cutter, arena, error);
    head->columns = source->columns;
    head->column_count = source->column_count;
    return STATUS_OK;
}

enum status head_read(struct head *head, struct cutter *cutter, const struct source *source,
                      struct arena *arena, struct error *error) {
    *head = (struct head){.delimiter = source->delimiter};
    if (source->format == SOURCE_CSV) return read_csv_head(head, cutter, source, arena, error);
    head->empty = cutter_peek(cutter).length == 0 && cutter->ended;
    enum status status = cutter_format_json(cutter);
    return status ? error_set(error, status, "no memory to read %s", cutter->name) : STATUS_OK;
}
