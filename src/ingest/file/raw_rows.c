/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the rows of its file that a quarantined entry holds, and looks whether the file has grown.
 */
#include "ingest/file/head.h"
#include "ingest/ingest.h"

struct source ingest_source_as_kept(const struct source *source) {
    struct source kept = *source;
    kept.delimiter = ',';
    kept.has_header = true;
    kept.quote = QUOTE_DOUBLE;
    kept.columns = NULL;
    kept.column_count = 0;
    return kept;
}

uint64_t ingest_raw_rows(const struct source *source, struct text raw) {
    struct cutter cutter;
    struct head head;
    struct arena arena;
    struct cut cut;
    struct error ignored;
    uint64_t rows = 0;
    if (source->one_event_per.length == 0 || raw.length == 0) return 1;
    arena_init(&arena, 4u * INGEST_ROW_BYTES_MAX);
    enum status status = cutter_open(&cutter, "quarantine", NULL, raw, NULL, &ignored);
    cutter.trusts_end = true;
    if (status == STATUS_OK) status = head_read(&head, &cutter, source, &arena, &ignored);
    while (status == STATUS_OK && (status = cutter_row(&cutter, &cut, &ignored)) == STATUS_OK)
        rows++;
    cutter_close(&cutter);
    arena_release(&arena);
    return rows > 0 ? rows : 1;
}

/* ---- has the file grown? ---- */

struct table { /* a file, or raw bytes, cut into rows */
    struct cutter cutter;
    struct arena arena;
};

static enum status table_open(struct table *table, const struct source *source, const char *path,
                              struct text bytes, struct error *error) {
    struct head head;
    arena_init(&table->arena, 4u * INGEST_ROW_BYTES_MAX);
    enum status status =
        cutter_open(&table->cutter, path != NULL ? path : "quarantine", path, bytes, NULL, error);
    table->cutter.trusts_end = path == NULL;
    return status == STATUS_OK ? head_read(&head, &table->cutter, source, &table->arena, error)
                               : status;
}

static void table_close(struct table *table) {
    cutter_close(&table->cutter);
    arena_release(&table->arena);
}

#define ROW_IS_CUT (ROW_FILE_ENDS | ROW_MAYBE_CUT | ROW_OPEN_QUOTE | ROW_TOO_LONG)

/* The bytes from that line on, up to the end of the row that holds it. Empty: no whole row does. */
static enum status find_line(struct table *table, uint64_t line, struct buffer *out,
                             struct error *error) {
    struct cut cut = {.flags = ROW_IS_CUT};
    uint64_t begins = 0;
    uint32_t flags = 0;
    enum status status;
    while ((status = cutter_row(&table->cutter, &cut, error)) == STATUS_OK && cut.line <= line) {
        buffer_clear(out);
        begins = cut.line;
        flags = cut.flags;
        status = buffer_append(out, cut.at, cut.length);
        if (status != STATUS_OK) return status;
    }
    if (status != STATUS_OK && status != STATUS_END) return status;
    if (begins == 0 || flags & ROW_IS_CUT) buffer_clear(out);
    /* A field in quotes may run over line ends. */
    for (; begins > 0 && begins < line && out->length > 0; begins++) {
        const char *end = memchr(out->at, '\n', out->length);
        size_t gone = end != NULL ? (size_t)(end + 1 - out->at) : out->length;
        memmove(out->at, out->at + gone, out->length - gone);
        out->length -= gone;
    }
    return STATUS_OK;
}

enum status ingest_has_grown(const struct source *source, const char *path, uint64_t line,
                             struct text raw, bool *grown, struct error *error) {
    struct table file = {0}, rows = {0};
    struct buffer there;
    struct cut cut;
    *grown = false;
    buffer_init(&there);
    enum status status = table_open(&file, source, path, (struct text){0}, error);
    if (status == STATUS_OK) status = find_line(&file, line, &there, error);
    if (status == STATUS_OK) status = table_open(&rows, source, NULL, raw, error);
    while (status == STATUS_OK && !*grown && there.length > 0 &&
           (status = cutter_row(&rows.cutter, &cut, error)) == STATUS_OK)
        *grown = cut.length > 0 && cut.length <= there.length &&
                 memcmp(cut.at, there.at, cut.length) == 0;
    table_close(&file);
    table_close(&rows);
    buffer_release(&there);
    return status == STATUS_END ? STATUS_OK : status;
}
