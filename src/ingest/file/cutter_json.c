/* SPDX-License-Identifier: Apache-2.0 */
/* JSON that is not one value a line: one array of values, as most tools export it, or values that
 * run over several lines. Each item of the array, or each value, is a row. Brackets and strings are
 * followed here; whether a row is right JSON is found out by who parses it. Memory: one row.
 *
 * Where a quote is missing, strings and what stands between them change places from there on, and
 * the item would take all that follow. It shows at once: a letter stands behind a closing quote, or
 * a line end in a string. The item then ends before the next one that begins with the same member
 * as it does, if that stands within PART_BYTES_MAX. */
#include <stdio.h>

#include "ingest/file/cutter.h"
#include "ingest/ingest.h"

#define PART_BYTES_MAX ((size_t)64 << 10)

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes one byte of a value. *outside: the value has ended before this byte. True: it has ended. */
static bool step(struct value_scan *scan, char c, bool *outside) {
    *outside = false;
    if (scan->in_string) {
        bool escaped = scan->escaped;
        scan->escaped = !escaped && c == '\\';
        /* A text runs over no line end: the line end shows that a quote is missing. */
        if ((c == '"' && !escaped) || c == '\n') scan->in_string = false;
        scan->closed = !scan->in_string;
        scan->broken |= c == '\n';
        return !scan->in_string && scan->depth == 0;
    }
    if (scan->closed) {
        scan->broken |= !is_space(c) && c != ',' && c != ':' && c != '}' && c != ']';
        scan->closed = false;
    }
    if (c == '"' && !scan->in_word) {
        scan->in_string = true;
        return false;
    }
    bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
    if (scan->depth > 0) {
        scan->depth += opens;
        scan->depth -= closes;
        return scan->depth == 0;
    }
    if (opens && !scan->in_word) {
        scan->depth = 1;
        return false;
    }
    if (scan->in_word && (opens || closes || c == ',' || c == '"' || is_space(c))) {
        *outside = true;
        return true;
    }
    scan->in_word = !closes;
    return closes; /* a bracket that closes nothing is a row of its own: a bad one */
}

/* Goes on to the value's end in the window: NULL where it isn't there, or where a quote is found to
 * be missing. */
static const char *find_end(struct cutter *cutter) {
    const char *end = cutter_window_end(cutter), *at = cutter->window.at + cutter->start;
    for (at += cutter->value.scanned; at < end; at++) {
        bool outside;
        if (step(&cutter->value, *at, &outside)) return outside ? at : at + 1;
        if (cutter->value.broken && !cutter->value.cannot_part) {
            at++;
            break;
        }
    }
    cutter->value.scanned = (size_t)(at - cutter->window.at) - cutter->start;
    return NULL;
}

static void begin_value(struct cutter *cutter) {
    struct value_scan *scan = &cutter->value;
    scan->in_string = scan->escaped = scan->in_word = false;
    scan->closed = scan->broken = scan->cannot_part = false;
    scan->depth = 0;
    scan->scanned = 0;
}

/* To the first byte of the next value. END: there is none. */
static enum status skip_between(struct cutter *cutter, struct error *error) {
    for (;;) {
        if (cutter->window.at + cutter->start == cutter_window_end(cutter)) {
            if (cutter->ended || cutter_pauses(cutter)) return STATUS_END;
            enum status status = cutter_refill(cutter, error);
            if (status) return status;
            continue;
        }
        char c = cutter->window.at[cutter->start];
        bool array_begins = c == '[' && !cutter->value.in_array;
        bool array_ends = c == ']' && cutter->value.in_array;
        if (!array_begins && !array_ends && c != ',' && !is_space(c)) return STATUS_OK;
        if (array_begins || array_ends) cutter->value.in_array = array_begins;
        cutter->line += c == '\n';
        cutter->start++;
    }
}

static void note_end(struct cutter *cutter, uint64_t line) {
    if (cutter->truncation[0]) return;
    snprintf(cutter->truncation, sizeof cutter->truncation,
             "%s:%llu: the file ends inside %s that begins on this line", cutter->name,
             (unsigned long long)line, cutter->value.in_array ? "an item of an array" : "a value");
}

/* Drops what is left of a value that is too long. */
static enum status skip_value(struct cutter *cutter, uint64_t line, struct error *error) {
    for (;;) {
        const char *from = cutter->window.at + cutter->start, *end = find_end(cutter);
        const char *stop = end ? end : cutter_window_end(cutter);
        for (; from < stop; from++) cutter->line += *from == '\n';
        cutter->start = (size_t)(stop - cutter->window.at);
        cutter->value.scanned = 0;
        if (end != NULL) return STATUS_OK;
        if (cutter->ended) {
            note_end(cutter, line);
            return STATUS_OK;
        }
        enum status status = cutter_refill(cutter, error);
        if (status) return status;
    }
}

/* The quoted name of an object's first member; empty where the text is no object. */
static struct text first_member(const char *at, const char *end) {
    if (at == end || *at != '{') return (struct text){0};
    for (at++; at < end && is_space(*at);) at++;
    if (at == end || *at != '"') return (struct text){0};
    const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
    return close != NULL ? (struct text){at, (uint32_t)(close + 1 - at)} : (struct text){0};
}

/* Where the item ends whose quotes are broken: behind the bracket before the next item. NULL: there
 * is no next item near it. */
static const char *find_next_item(const struct cutter *cutter) {
    const char *start = cutter->window.at + cutter->start, *end = cutter_window_end(cutter);
    struct text name = first_member(start, end);
    if ((size_t)(end - start) > PART_BYTES_MAX) end = start + PART_BYTES_MAX;
    const char *at = start + 1;
    while (name.length > 0 && at < end && (at = memchr(at, '}', (size_t)(end - at))) != NULL) {
        const char *close = ++at;
        while (at < end && (is_space(*at) || *at == ',')) at++;
        if (text_equal(first_member(at, end), name)) return close;
        at = close;
    }
    return NULL;
}

/* One pass towards the value's end; *end NULL: it must be looked for behind more bytes. */
static enum status seek_end(struct cutter *cutter, const char **end, struct error *error) {
    *end = find_end(cutter);
    if (*end != NULL || !cutter->value.broken || cutter->value.cannot_part) return STATUS_OK;
    while (!cutter->ended && cutter->window.length - cutter->start < PART_BYTES_MAX &&
           !input_waits(cutter->input, 0)) {
        size_t before = cutter->window.length - cutter->start;
        enum status status = cutter_refill(cutter, error);
        if (status) return status;
        if (cutter->window.length - cutter->start == before) break;
    }
    *end = find_next_item(cutter);
    cutter->value.cannot_part = *end == NULL;
    if (*end == NULL) *end = find_end(cutter);
    return STATUS_OK;
}

static enum status find_value(struct cutter *cutter, struct cut *out, struct error *error) {
    const char *end;
    begin_value(cutter);
    for (;;) {
        enum status status = seek_end(cutter, &end, error);
        if (status) return status;
        if (end != NULL || cutter->ended || cutter->value.scanned > INGEST_ROW_BYTES_MAX) break;
        if (cutter_pauses(cutter)) return STATUS_END;
        status = cutter_refill(cutter, error);
        if (status) return status;
    }
    const char *start = cutter->window.at + cutter->start;
    const char *stop = end ? end : cutter_window_end(cutter);
    *out = (struct cut){start, (size_t)(stop - start), cutter->line, 0};
    if (out->length > INGEST_ROW_BYTES_MAX) out->flags |= ROW_TOO_LONG;
    if (end == NULL && cutter->ended && !cutter->value.in_word) {
        out->flags |= ROW_UNTERMINATED | ROW_FILE_ENDS;
        note_end(cutter, cutter->line);
    }
    if (end == NULL && !cutter->ended) {
        cutter->skipping = true; /* its end is looked for when the next value is asked for */
        return STATUS_OK;
    }
    for (const char *at = start; at < stop; at++) cutter->line += *at == '\n';
    cutter->start = (size_t)(stop - cutter->window.at);
    return STATUS_OK;
}

enum status cutter_value(struct cutter *cutter, struct cut *out, struct error *error) {
    enum status status = STATUS_OK;
    if (cutter->skipping) {
        cutter->skipping = false;
        status = skip_value(cutter, cutter->line, error);
    }
    if (status == STATUS_OK) status = skip_between(cutter, error);
    if (status == STATUS_OK) return find_value(cutter, out, error);
    if (status == STATUS_END && cutter->ended && cutter->value.in_array && !cutter->truncation[0]) {
        snprintf(cutter->truncation, sizeof cutter->truncation,
                 "%s:%llu: the file ends inside its array", cutter->name,
                 (unsigned long long)cutter->line);
    }
    return status;
}

/* ---- which of the three ---- */

/* Do values run over lines, or several stand on one? An honest line never ends with one of { [ :
 * and where the first line does not close its value, a whole value that is right JSON proves it. */
static enum status runs_over_lines(struct cutter *cutter, struct text line, bool *runs) {
    char last = line.length > 0 ? line.at[line.length - 1] : ' ';
    *runs = last == '{' || last == '[' || last == ':';
    if (*runs) return STATUS_OK;
    struct json_parser *parser;
    struct json_node root;
    struct error ignored;
    begin_value(cutter);
    size_t before = cutter->start;
    cutter->start = (size_t)(line.at - cutter->window.at);
    const char *end = find_end(cutter);
    cutter->start = before;
    if (end != NULL && end < line.at + line.length) { /* {…}{…}: nothing parts the values */
        while (end < line.at + line.length && (is_space(*end) || *end == ',')) end++;
        *runs = end < line.at + line.length && *end == '{';
        return STATUS_OK;
    }
    if (end == NULL || end <= line.at + line.length || end - line.at > INGEST_ROW_BYTES_MAX)
        return STATUS_OK;
    enum status status = json_parser_create(&parser, INGEST_ROW_BYTES_MAX);
    if (status) return status;
    struct text value = {line.at, (uint32_t)(end - line.at)};
    status = json_parse(parser, value, &root, &ignored);
    *runs = status == STATUS_OK;
    json_parser_destroy(parser);
    return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

enum status cutter_format_json(struct cutter *cutter) {
    cutter->csv = cutter->quotes = false;
    cutter->scan =
        scan_start(cutter->window.at + cutter->start, cutter_window_end(cutter), '\n', '\n');
    const char *at = cutter->window.at + cutter->start, *end = cutter_window_end(cutter);
    while (at < end && is_space(*at)) at++;
    if (at == end) return STATUS_OK;
    const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
    struct text line = text_trim((struct text){at, (uint32_t)(stop - at)});
    if (line.at[0] == '[') cutter->value.on = true;
    return line.at[0] == '{' ? runs_over_lines(cutter, line, &cutter->value.on) : STATUS_OK;
}
