/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/file/job.h -- some rows of a file, and what becomes of them: the unit that travels
 * between the threads of a reader.
 *
 * The cutter fills bytes and rows, a mapper turns them into the batch, the caller swaps the batch
 * out. One owner at a time. */
#ifndef INGEST_FILE_JOB_H
#define INGEST_FILE_JOB_H

#include "ingest/ingest.h"

enum row_flag {
    /* The row begins an event. The rows behind it belong to the same event, up to the next row with
     * this flag. */
    ROW_FIRST = 1,
    ROW_QUOTED = 2,       /* holds a quote that may matter */
    ROW_UNTERMINATED = 4, /* the file's last, without a line end */
    ROW_OPEN_QUOTE = 8,   /* a quote opens and never closes */
    ROW_BAD_QUOTE = 16,   /* text stands behind a closing quote */
    ROW_TOO_LONG = 32,    /* longer than INGEST_ROW_BYTES_MAX; the bytes are its beginning */
    ROW_GROUP_GONE = 64,  /* its group has been let go already */
    ROW_FILE_ENDS = 128,  /* the file ended in the middle of it, or of its group */
    ROW_MAYBE_CUT = 256,  /* the file's last, without a line end, where other lines have one */
};
#define ROW_UNREADABLE                                                                             \
    (ROW_OPEN_QUOTE | ROW_BAD_QUOTE | ROW_TOO_LONG | ROW_GROUP_GONE | ROW_FILE_ENDS)

struct row {
    uint64_t line;   /* its first, from 1 */
    uint32_t offset; /* into job->bytes */
    uint32_t length; /* without the line end */
    uint32_t flags;
};

struct job {
    struct buffer bytes; /* SCAN_PADDING more are readable */
    struct row *rows;
    size_t row_count, row_capacity;
    struct event_batch batch;
    int64_t now_ms; /* when its rows had been read */
    /* These count rows of the file: a group counts all of its rows. */
    uint64_t disagreeing_rows, quarantined_rows;
    struct near_treatment near;
    uint64_t no_keys;    /* events that have no row key, since a filler stands in its place */
    uint64_t older_rows; /* as in ingest_progress */
    bool keys_name_rows; /* as in ingest_progress; by the gather */
    uint64_t undeclared_events, undeclared_left; /* as in ingest_progress */
    enum status status;
    struct error error;
    char truncation[256]; /* set on the job behind which the file ends in the middle */
    uint64_t cut_rows;    /* quarantined, because the file ends in them */
    bool held_last;       /* the file's last row was quarantined, since it may be cut off */
    uint64_t held_line;   /* … and its line */
    /* Rows quarantined because a quoted field holds line ends that would each end a whole row. */
    uint64_t swallowing_rows, swallowing_line; /* line: of the first */
    uint64_t enclosed_line; /* of the first field in quotes that are read as characters; 0: none */
};

void job_init(struct job *job);
void job_release(struct job *job);
void job_clear(struct job *job);
/* Appends a copy of the row. */
enum status job_add(struct job *job, const char *at, size_t length, uint64_t line,
                    uint32_t flags) MUST_USE;

#endif
