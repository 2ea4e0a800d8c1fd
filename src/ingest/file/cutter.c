/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/file/cutter.h"

#include <stdio.h>

#include "ingest/ingest.h"

#define WINDOW_BYTES (2 * (size_t)INGEST_ROW_BYTES_MAX + INGEST_BATCH_BYTES)
/* Read at once: little, so that the bytes are still in the cache when they are looked at, and that
 * a small file touches little of the window. */
#define READ_BYTES ((size_t)256 << 10)

static void scan_from(struct cutter *cutter, const char *at) {
    cutter->scan = scan_start(at, cutter_window_end(cutter), '\n', cutter->quotes ? '"' : '\n');
}

/* Ends the file at damage in a .gz; what could be read before it is kept. */
static enum status end_early(struct cutter *cutter, const struct error *cause) {
    cutter->ended = true;
    snprintf(cutter->truncation, sizeof cutter->truncation, "%.*s",
             (int)sizeof cutter->truncation - 1, cause->text);
    return STATUS_OK;
}

/* A CR that stands alone becomes LF. */
static void end_lines(char *at, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (at[i] == '\r' && (i + 1 == length || at[i + 1] != '\n')) at[i] = '\n';
}

/* Does a CR alone end the lines? One stands outside quotes, and no LF does. */
static bool ends_lines_with_cr(const struct cutter *cutter) {
    bool inside = false, found = false;
    const char *end = cutter_window_end(cutter);
    for (const char *at = cutter->window.at + cutter->start; at < end; at++) {
        if (*at == '"') inside = !inside;
        if (inside || (*at != '\n' && *at != '\r')) continue;
        if (*at == '\n') return false;
        if (at + 1 == end && !cutter->ended) return found;
        if (at + 1 == end || at[1] != '\n') found = true;
    }
    return found;
}

static enum status read_once(struct cutter *cutter, struct error *error) {
    size_t room = cutter->window_bytes - cutter->window.length, got = 0;
    if (room > READ_BYTES) room = READ_BYTES;
    char *at = cutter->window.at + cutter->window.length;
    if (cutter->input == NULL) {
        got = cutter->memory.length < room ? cutter->memory.length : room;
        if (got > 0) memcpy(at, cutter->memory.at, got);
        cutter->memory.at += got;
        cutter->memory.length -= (uint32_t)got;
    } else {
        struct error cause = {0};
        enum status status = input_read(cutter->input, at, room, &got, &cause);
        if (status == STATUS_CORRUPT) return end_early(cutter, &cause);
        if (status) return error_set(error, status, "%s", cause.text);
        atomic_store_explicit(&cutter->consumed_bytes, input_consumed_bytes(cutter->input),
                              memory_order_relaxed);
    }
    if (cutter->cr_ends) end_lines(at, got);
    cutter->window.length += got;
    if (got == 0) cutter->ended = true;
    return STATUS_OK;
}

/* Moves what is left to the front and reads some more. */
enum status cutter_refill(struct cutter *cutter, struct error *error) {
    size_t left = cutter->window.length - cutter->start, wanted = left + READ_BYTES;
    memmove(cutter->window.at, cutter->window.at + cutter->start, left);
    cutter->start = 0;
    cutter->window.length = left;
    if (wanted > cutter->window_bytes) wanted = cutter->window_bytes;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !cutter->ended && cutter->window.length < wanted) {
        if (cutter->window.length > left && input_waits(cutter->input, 0)) break;
        status = read_once(cutter, error);
    }
    if (cutter->input == NULL && cutter->memory.length == 0) cutter->ended = true;
    memset(cutter->window.at + cutter->window.length, 0, SCAN_PADDING);
    scan_from(cutter, cutter->window.at);
    return status;
}

static enum status check_encoding(struct cutter *cutter, struct error *error) {
    const unsigned char *at = (const unsigned char *)cutter->window.at;
    size_t length = cutter->window.length;
    if (length >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) {
        cutter->start = 3;
        scan_from(cutter, cutter->window.at + 3);
        return STATUS_OK;
    }
    bool mark = length >= 2 && (memcmp(at, "\xFF\xFE", 2) == 0 || memcmp(at, "\xFE\xFF", 2) == 0);
    bool wide = length >= 4 &&
                ((at[0] && !at[1] && at[2] && !at[3]) || (!at[0] && at[1] && !at[2] && at[3]));
    if (mark || wide) {
        return error_set(error, STATUS_INVALID,
                         "%s:1:1: the file is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)",
                         cutter->name);
    }
    if (length >= 4 && (memcmp(at, "PK\3\4", 4) == 0 || memcmp(at, "PAR1", 4) == 0)) {
        return error_set(error, STATUS_INVALID,
                         "%s:1:1: the file is %s; export it as CSV or JSON lines", cutter->name,
                         at[0] == 'P' && at[1] == 'K' ? "a ZIP archive or a spreadsheet"
                                                      : "a Parquet file");
    }
    if (length >= 4 && (memcmp(at, "BZh", 3) == 0 || memcmp(at, "\xFD\x37\x7A\x58", 4) == 0 ||
                        memcmp(at, "\x28\xB5\x2F\xFD", 4) == 0)) {
        return error_set(error, STATUS_INVALID,
                         "%s:1:1: the file is packed by %s; unpack it, or pack it with gzip",
                         cutter->name,
                         at[0] == 'B'      ? "bzip2"
                         : at[0] == '\x28' ? "zstd"
                                           : "xz");
    }
    return STATUS_OK;
}

/* Waits, for a pipe, until a line has come. */
static enum status wait_for_line(struct cutter *cutter, struct error *error) {
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !cutter->ended &&
           cutter->window.length - cutter->start <= INGEST_ROW_BYTES_MAX &&
           memchr(cutter->window.at + cutter->start, '\n', cutter->window.length - cutter->start) ==
               NULL &&
           !ends_lines_with_cr(cutter))
        status = cutter_refill(cutter, error);
    return status;
}

enum status cutter_open(struct cutter *cutter, const char *name, const char *path,
                        struct text memory, struct work *work, struct error *error) {
    *cutter = (struct cutter){
        .memory = memory, .name = name, .line = 1, .csv = true, .quotes = true, .delimiter = ','};
    cutter->window_bytes =
        path == NULL && memory.length < WINDOW_BYTES ? memory.length : WINDOW_BYTES;
    buffer_init(&cutter->window);
    enum status status = buffer_reserve(&cutter->window, cutter->window_bytes + SCAN_PADDING);
    if (status) return error_set(error, status, "no memory to read %s", name);
    if (path != NULL) status = input_open_for(&cutter->input, path, work, error);
    if (status == STATUS_OK) status = cutter_refill(cutter, error);
    if (status == STATUS_OK) status = wait_for_line(cutter, error);
    if (status == STATUS_OK) status = check_encoding(cutter, error);
    if (status == STATUS_OK && ends_lines_with_cr(cutter)) {
        cutter->cr_ends = true;
        end_lines(cutter->window.at + cutter->start, cutter->window.length - cutter->start);
    }
    return status;
}

void cutter_close(struct cutter *cutter) {
    input_close(cutter->input);
    cutter->input = NULL;
    buffer_release(&cutter->window);
}

/* What a look at the window found behind a row's start. */
enum found { FOUND_ROW, FOUND_END_OF_WINDOW, FOUND_BAD_QUOTE, FOUND_OPEN_QUOTE };
struct search {
    const char *end; /* FOUND_ROW: the newline */
    uint32_t newlines, flags;
    bool inside;
};

/* After a closing quote only a delimiter or the end of the row may come. */
static bool closes_well(const struct cutter *cutter, const char *quote) {
    if (quote + 1 == cutter_window_end(cutter)) return true;
    return quote[1] == cutter->delimiter || quote[1] == '\n' || quote[1] == '\r';
}

static enum found search_row(struct cutter *cutter, const char *start, struct search *search) {
    const char *hit, *end = cutter_window_end(cutter);
    *search = (struct search){0};
    while ((hit = scan_next(&cutter->scan)) != NULL) {
        if (*hit == '\n') {
            search->end = hit;
            if (!search->inside) return FOUND_ROW;
            if (hit - start > INGEST_ROW_BYTES_MAX) return FOUND_OPEN_QUOTE;
            search->newlines++;
        } else if (!search->inside) {
            if (hit != start && hit[-1] != cutter->delimiter) continue;
            search->inside = true;
            search->flags = ROW_QUOTED;
        } else if (hit + 1 < end && hit[1] == '"') {
            (void)scan_next(&cutter->scan);
        } else {
            search->inside = false;
            if (!closes_well(cutter, hit)) return FOUND_BAD_QUOTE;
        }
    }
    return FOUND_END_OF_WINDOW;
}

static void take(struct cutter *cutter, const char *start, const char *end, uint32_t lines,
                 uint32_t flags, struct cut *out) {
    size_t length = (size_t)(end - start);
    if (length > INGEST_ROW_BYTES_MAX) flags |= ROW_TOO_LONG;
    if (end < cutter_window_end(cutter)) cutter->has_line_ends = true;
    while (length > 0 && start[length - 1] == '\r') { /* some programs write CR CR LF */
        length--;
        flags &= ~(uint32_t)ROW_MAYBE_CUT; /* half of CR LF is there */
    }
    *out = (struct cut){start, length, cutter->line, flags};
    cutter->line += lines;
    if (end < cutter_window_end(cutter)) end++; /* the newline */
    cutter->start = (size_t)(end - cutter->window.at);
}

/* Takes the first physical line as the bad row; what stands behind it is read again. */
static enum status take_line(struct cutter *cutter, const char *start, uint32_t flags,
                             struct cut *out) {
    const char *end = cutter_window_end(cutter),
               *newline = memchr(start, '\n', (size_t)(end - start));
    if (newline == NULL && !cutter->ended) {
        cutter->skipping = true; /* the line is longer than the window */
        flags |= ROW_TOO_LONG;
    }
    take(cutter, start, newline ? newline : end, 1, flags | ROW_QUOTED, out);
    scan_from(cutter, cutter->window.at + cutter->start);
    return STATUS_OK;
}

/* Takes what is left where the window holds no end of the row, and there is nothing more to read or
 * no more room. */
static enum status take_rest(struct cutter *cutter, const char *start, const struct search *search,
                             struct cut *out) {
    const char *end = cutter_window_end(cutter);
    uint32_t flags = search->flags;
    if (search->inside) {
        flags |= ROW_OPEN_QUOTE;
        if (cutter->ended && search->newlines == 0) {
            flags |= ROW_FILE_ENDS;
            if (!cutter->truncation[0]) {
                snprintf(cutter->truncation, sizeof cutter->truncation,
                         "%s:%llu: the file ends inside quotes", cutter->name,
                         (unsigned long long)cutter->line);
            }
        }
        return take_line(cutter, start, flags, out);
    }
    if (!cutter->ended) {
        cutter->skipping = true;
        flags |= ROW_TOO_LONG;
    } else {
        flags |= cutter->truncation[0] ? ROW_UNTERMINATED | ROW_FILE_ENDS : ROW_UNTERMINATED;
        if (cutter->csv && cutter->has_line_ends && !cutter->trusts_end) flags |= ROW_MAYBE_CUT;
    }
    take(cutter, start, end, 1, flags, out);
    return STATUS_OK;
}

/* Drops the rest of a line that is too long. */
static enum status skip_line(struct cutter *cutter, struct error *error) {
    while (cutter->skipping) {
        const char *start = cutter->window.at + cutter->start;
        const char *newline = memchr(start, '\n', (size_t)(cutter_window_end(cutter) - start));
        cutter->start = newline ? (size_t)(newline + 1 - cutter->window.at) : cutter->window.length;
        cutter->skipping = newline == NULL && !cutter->ended;
        scan_from(cutter, cutter->window.at + cutter->start);
        enum status status = cutter->skipping ? cutter_refill(cutter, error) : STATUS_OK;
        if (status) return status;
    }
    return STATUS_OK;
}

#define WAITS_MAX 10
#define WAIT_MS   50

bool cutter_pauses(struct cutter *cutter) {
    if (!cutter->may_pause || !input_waits(cutter->input, 0)) return false;
    if (cutter->waits++ < WAITS_MAX && !input_waits(cutter->input, WAIT_MS)) return false;
    cutter->paused = true;
    return true;
}

static enum status next_row(struct cutter *cutter, struct cut *out, struct error *error) {
    enum status status = skip_line(cutter, error);
    if (status) return status;
    for (;;) {
        const char *start = cutter->window.at + cutter->start;
        struct search search;
        if (start == cutter_window_end(cutter) && cutter->ended) return STATUS_END;
        enum found found = search_row(cutter, start, &search);
        if (found == FOUND_ROW) {
            take(cutter, start, search.end, search.newlines + 1, search.flags, out);
            return STATUS_OK;
        }
        if (found == FOUND_BAD_QUOTE) return take_line(cutter, start, ROW_BAD_QUOTE, out);
        if (found == FOUND_OPEN_QUOTE) return take_line(cutter, start, ROW_OPEN_QUOTE, out);
        bool too_long = (size_t)(cutter_window_end(cutter) - start) > INGEST_ROW_BYTES_MAX;
        if (cutter->ended || too_long) return take_rest(cutter, start, &search, out);
        if (cutter_pauses(cutter)) {
            scan_from(cutter, start); /* the row is looked at again from its beginning */
            return STATUS_END;
        }
        status = cutter_refill(cutter, error);
        if (status) return status;
    }
}

/* JSON lines of nothing but spaces are blank; in CSV such a line is a field. */
static bool is_blank(const struct cutter *cutter, const struct cut *cut) {
    if (cut->flags & ~(uint32_t)(ROW_UNTERMINATED | ROW_MAYBE_CUT)) return false;
    if (cut->length == 0 || cutter->csv || cut->length > INGEST_ROW_BYTES_MAX)
        return cut->length == 0;
    return text_trim((struct text){cut->at, (uint32_t)cut->length}).length == 0;
}

enum status cutter_row(struct cutter *cutter, struct cut *out, struct error *error) {
    if (cutter->value.on) return cutter_value(cutter, out, error);
    enum status status = next_row(cutter, out, error);
    while (status == STATUS_OK && is_blank(cutter, out)) {
        if (out->flags & ROW_UNTERMINATED) return STATUS_END;
        status = next_row(cutter, out, error);
    }
    return status;
}

void cutter_format_csv(struct cutter *cutter, char delimiter, bool quotes) {
    cutter->csv = true;
    cutter->quotes = quotes;
    cutter->delimiter = delimiter;
    scan_from(cutter, cutter->window.at + cutter->start);
}

enum status cutter_skip_line(struct cutter *cutter, struct error *error) {
    struct text line = cutter_peek(cutter);
    const char *end = line.at + line.length;
    for (const char *at = cutter->window.at + cutter->start; at < line.at; at++)
        cutter->line += *at == '\n';
    if (end < cutter_window_end(cutter)) {
        end++;
        cutter->line++;
        cutter->has_line_ends = true;
    }
    cutter->start = (size_t)(end - cutter->window.at);
    scan_from(cutter, end);
    return wait_for_line(cutter, error);
}

struct text cutter_peek(const struct cutter *cutter) {
    const char *start = cutter->window.at + cutter->start, *end = cutter_window_end(cutter);
    while (start < end && (*start == '\n' || *start == '\r')) start++;
    size_t length = (size_t)(end - start);
    const char *newline = length > 0 ? memchr(start, '\n', length) : NULL;
    if (newline) length = (size_t)(newline - start);
    if (length > INGEST_ROW_BYTES_MAX) length = INGEST_ROW_BYTES_MAX;
    return (struct text){start, (uint32_t)length};
}

enum status cutter_job(struct cutter *cutter, struct job *job, uint32_t rows_max,
                       struct error *error) {
    struct cut cut;
    enum status status = STATUS_OK;
    cutter->waits = 0;
    while (job->row_count < rows_max && job->bytes.length < INGEST_BATCH_BYTES) {
        cutter->may_pause = job->row_count > 0;
        status = cutter_row(cutter, &cut, error);
        if (status) break;
        if (cut.length > INGEST_ROW_BYTES_MAX) cut.length = INGEST_ROW_BYTES_MAX;
        status = job_add(job, cut.at, cut.length, cut.line, cut.flags | ROW_FIRST);
        if (status) return error_set(error, status, "no memory for the rows of %s", cutter->name);
    }
    cutter->may_pause = cutter->paused = false;
    memcpy(job->truncation, cutter->truncation, sizeof job->truncation);
    if (status == STATUS_END && job->row_count > 0) return STATUS_OK;
    return status;
}
