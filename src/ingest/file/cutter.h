/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/file/cutter.h -- a file's bytes, cut into rows.
 *
 * The lines of a file end with LF or CR LF, or, where no LF stands outside quotes, with CR alone:
 * such a CR is read as LF. JSON comes as one value a line, as one array of values, or as values
 * that run over several lines: the first bytes tell which (cutter_json.c).
 *
 * Only the cutter decides where a row ends. A quote opens only at the beginning of a field (RFC
 * 4180); a quote in the middle of an unquoted field is a character like any other. Where a quote
 * never closes, or text stands behind a closing quote, only the first physical line is the bad row,
 * and reading goes on with the next line. So one stray quote costs one row and never the file. One
 * thread at a time may use a cutter. */
#ifndef INGEST_FILE_CUTTER_H
#define INGEST_FILE_CUTTER_H

#include <stdatomic.h>

#include "base/input.h"
#include "base/json.h"
#include "ingest/file/job.h"
#include "ingest/file/scan.h"

struct cutter {
    struct input *input; /* or, where NULL, `memory` */
    struct text memory;
    const char *name;     /* of the file, in messages */
    struct buffer window; /* bytes read and not yet cut: [start, length) */
    size_t start;
    size_t window_bytes; /* at most; less for a small text in memory */
    uint64_t line;       /* of window.at + start, from 1 */
    struct scan scan;    /* runs ahead of `start` */
    bool csv;
    char delimiter;
    bool quotes;        /* a quote at the beginning of a field encloses it */
    bool cr_ends;       /* a CR that stands alone ends a line */
    bool has_line_ends; /* one has been seen */
    bool trusts_end; /* the bytes are whole: a last line without an end is a row like any other */
    struct value_scan { /* JSON that is not cut by lines */
        bool on, in_array;
        bool in_string, escaped, in_word;
        bool closed;      /* the byte before closed a string */
        bool broken;      /* a quote is missing, or one too many */
        bool cannot_part; /* … and no next item was found near it */
        uint32_t depth;
        size_t scanned; /* bytes behind `start` that the state above has seen */
    } value;
    bool ended; /* no more bytes to read */
    /* Of a pipe: rows that have come are handed on when no more are there to be read. */
    bool may_pause, paused;
    uint32_t waits; /* how often the present job has waited a moment for more */
    bool skipping;  /* inside a line that is too long: drop bytes until its end */
    char truncation[256];
    _Atomic uint64_t consumed_bytes; /* of the file, for progress; any thread reads it */
};

struct cut {
    const char *at; /* borrowed until the next cut */
    size_t length;
    uint64_t line;
    uint32_t flags; /* enum row_flag */
};

/* `path` NULL: reads `memory`, which is borrowed. Steps over a UTF-8 byte order mark; other
 * encodings and archives are an error. Once `work` is cancelled (NULL: never) nothing more is read:
 * STATUS_CANCELLED. */
enum status cutter_open(struct cutter *cutter, const char *name, const char *path,
                        struct text memory, struct work *work, struct error *error) MUST_USE;
void cutter_close(struct cutter *cutter);
/* Before the first row: CSV with this delimiter; `quotes`: a quote may enclose a field. */
void cutter_format_csv(struct cutter *cutter, char delimiter, bool quotes);
/* Before the first row: JSON. NO_MEMORY or OK. */
enum status cutter_format_json(struct cutter *cutter) MUST_USE;
/* The next row that is not blank: OK or END, or an error that ends the file. */
enum status cutter_row(struct cutter *cutter, struct cut *out, struct error *error) MUST_USE;
/* The first physical line, to guess from, without taking it. Empty at the end. */
struct text cutter_peek(const struct cutter *cutter);
/* Drops the first physical line, which is no row; of a pipe, waits for the next. */
enum status cutter_skip_line(struct cutter *cutter, struct error *error) MUST_USE;
/* Fills a job with the next rows, each an event of its own. OK with at least one, or END. Of a pipe
 * what has come is handed on within about half a second, however little it is. */
enum status cutter_job(struct cutter *cutter, struct job *job, uint32_t rows_max,
                       struct error *error) MUST_USE;

/* ---- between the files of the cutter ---- */

static inline const char *cutter_window_end(const struct cutter *cutter) {
    return cutter->window.at + cutter->window.length;
}
/* Moves what is left to the front of the window and reads more behind it. */
enum status cutter_refill(struct cutter *cutter, struct error *error) MUST_USE;
/* Should the present job be handed on, since reading on would wait? Sets `paused`. */
bool cutter_pauses(struct cutter *cutter);
/* The next value where JSON is not cut by lines. */
enum status cutter_value(struct cutter *cutter, struct cut *out, struct error *error) MUST_USE;

#endif
