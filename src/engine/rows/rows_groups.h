/* SPDX-License-Identifier: Apache-2.0 */
/* engine/rows/rows_groups.h -- events of several rows (one_event_per) that come in more than one
 * piece.
 *
 *   held pieces of one event, and what is stored of it ──► its rows ──► mapped again ──► one event
 *
 * Where each row has a key of its own the pieces are put together row by row: new rows are added,
 * changed ones replace what stood there, a row that came with another event moves. Where only the
 * event has a key, pieces of one load belong together, and a later load that brings other rows is
 * what the source says (again: replace, add, keep); where it says nothing, the piece goes to
 * quarantine. Private to engine/. */
#ifndef ENGINE_ROWS_ROWS_GROUPS_H
#define ENGINE_ROWS_ROWS_GROUPS_H

#include "engine/rows/rows.h"

/* The rows of an event as they were kept beside it (ingest/file/lines.h). */
struct kept_rows {
    struct text header;
    struct text *rows;
    uint32_t count;
    bool missing; /* they were too many to be kept */
};
/* One event, of which at least one piece is held. */
struct group_work {
    struct row_key key;
    uint32_t first; /* of its held pieces; UINT32_MAX: only rows of it move to another event */
    bool found;     /* in the store */
    struct stored_key known;
    int64_t time_ms, known_ms; /* of the stored event */
    uint16_t type;
    uint8_t channel;
    bool has_packed;
    struct text packed;
    /* Rows of their own keys. */
    bool has_lines, is_changed, corrects, remaps, is_broken;
    bool has_part; /* a held piece can't be an event by itself */
    struct group_line *lines;
    size_t line_count, line_capacity;
};
struct group_line {
    struct row_key key;
    struct text header, text; /* at NULL: gone */
};
struct group_merge {
    struct row_load *load;
    struct arena arena;
    struct event_batch out;  /* what is to be applied */
    struct event_batch made; /* scratch: what was mapped again */
    struct group_work *works;
    size_t work_count, work_capacity;
    /* Of works: by the key of the event, of a row of it, and by its position. */
    struct row_map by_key, by_line, by_position;
    struct row_map newest; /* by the key of a row: which of the load's lines says it last */
    /* Keys of rows that took themselves away, or came in a later version that says the same. */
    struct key_change *gone;
    size_t gone_count, gone_capacity;
    uint64_t corrections;
    uint32_t examples[2], example_count;
    struct error *error;
};

void group_merge_init(struct group_merge *merge, struct row_load *load, struct error *error);
void group_merge_release(struct group_merge *merge);
/* Puts all held pieces together into merge->out. */
enum status group_merge_run(struct group_merge *merge) MUST_USE;

/* ---- between rows_groups.c and rows_lines.c ---- */
enum status group_kept_rows(struct group_merge *merge, struct text packed,
                            struct kept_rows *out) MUST_USE;
/* Maps rows again, with keys of their own or without: merge->made has one event, or a quarantined
 * row that says why not. */
enum status group_map(struct group_merge *merge, const struct source *source,
                      const struct kept_rows *rows, bool has_lines) MUST_USE;
/* The held pieces go to quarantine for the reason that group_map gave. */
enum status group_quarantine_unmapped(struct group_merge *merge, const struct group_work *work,
                                      const struct source *source) MUST_USE;
/* The one event of merge->made takes the place of the stored one. */
enum status group_put(struct group_merge *merge, const struct group_work *work,
                      enum row_verdict verdict, int64_t version) MUST_USE;
/* The held pieces go to quarantine. */
enum status group_quarantine(struct group_merge *merge, uint32_t first, const char *format, ...)
    PRINTF_LIKE(3, 4) MUST_USE;
struct group_work *group_work_add(struct group_merge *merge);
/* Reads the stored events of the works from `from` on. */
enum status group_read_stored(struct group_merge *merge, size_t from) MUST_USE;
enum status group_merge_lines(struct group_merge *merge) MUST_USE;

#endif
