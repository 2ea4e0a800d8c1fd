/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/file/csv.h"

#include "ingest/file/scan.h"

static inline void put(struct cell *cell, const char *at, const char *end) {
    cell->text = (struct text){at, (uint32_t)(end - at)};
    cell->kind = CELL_TEXT;
}

static uint32_t split_plain(struct text row, char delimiter, struct cell *cells, uint32_t max) {
    const char *at = row.at, *end = row.at + row.length, *hit;
    struct scan scan = scan_start(at, end, delimiter, delimiter);
    uint32_t count = 0;
    while ((hit = scan_next(&scan)) != NULL) {
        if (count == max) return CSV_TOO_MANY;
        put(&cells[count++], at, hit);
        at = hit + 1;
    }
    if (count == max) return CSV_TOO_MANY;
    put(&cells[count++], at, end);
    return count;
}

/* "" to ". */
static bool unescape(struct cell *cell, struct arena *scratch) {
    struct text text = cell->text;
    char *out = arena_alloc(scratch, text.length);
    if (out == NULL) return false;
    uint32_t length = 0;
    for (uint32_t i = 0; i < text.length; i++) {
        out[length++] = text.at[i];
        if (text.at[i] == '"') i++;
    }
    cell->text = (struct text){out, length};
    return true;
}

static uint32_t split_quoted(struct text row, char delimiter, struct arena *scratch,
                             struct cell *cells, uint32_t max) {
    const char *at = row.at, *end = row.at + row.length, *hit, *closed = NULL;
    struct scan scan = scan_start(at, end, delimiter, '"');
    bool inside = false, escaped = false;
    uint32_t count = 0;
    for (;;) {
        hit = scan_next(&scan);
        if (hit != NULL && *hit == '"' && delimiter != '"') {
            if (!inside) {
                if (hit == at && closed == NULL) inside = true;
            } else if (hit + 1 < end && hit[1] == '"') {
                escaped = true;
                (void)scan_next(&scan);
            } else {
                inside = false;
                closed = hit;
            }
            continue;
        }
        if (hit != NULL && inside) continue;
        if (count == max) return CSV_TOO_MANY;
        const char *stop = hit ? hit : end;
        if (closed)
            put(&cells[count], at + 1, closed);
        else
            put(&cells[count], at, stop);
        if (escaped && !unescape(&cells[count], scratch)) return CSV_NO_MEMORY;
        count++;
        if (hit == NULL) return count;
        at = hit + 1;
        closed = NULL;
        escaped = false;
    }
}

uint32_t csv_split(struct text row, char delimiter, bool quoted, struct arena *scratch,
                   struct cell *cells, uint32_t max) {
    return quoted ? split_quoted(row, delimiter, scratch, cells, max)
                  : split_plain(row, delimiter, cells, max);
}

uint32_t csv_swallowed_lines(struct text row, char delimiter, uint32_t columns) {
    uint32_t lines = 0;
    const char *at = row.at, *end = row.at + row.length;
    while (at <= end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
        uint32_t fields = 1;
        for (; at < stop; at++) fields += *at == delimiter;
        if (fields != columns) return 0;
        lines++;
        at = stop + 1;
    }
    return lines > 1 && columns > 1 ? lines : 0;
}
