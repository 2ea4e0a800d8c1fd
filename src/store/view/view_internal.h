/* SPDX-License-Identifier: Apache-2.0 */
/* store/view/view_internal.h -- the state of a reader of the view, and the steps from a customer's
 * slices to a timeline.
 *
 *   view_begin, view_add_entry …, view_add_tail … ─► pieces ─ view_finish ─► segments ─► timeline
 *
 *   piece    rows in order of (time, position) that lie side by side in one part of a run, or all
 *            the tail's rows
 *   segment  rows of one piece that stay side by side in the timeline */
#ifndef STORE_VIEW_VIEW_INTERNAL_H
#define STORE_VIEW_VIEW_INTERNAL_H

#include "base/arena.h"
#include "event/dark.h"
#include "store/run/run_walk.h"
#include "store/run/run_writer.h"
#include "store/view/view.h"
#include "store/view/view_tail_order.h"

#define VIEW_COPY_SLACK   64 /* bytes that may be read and written behind the end of a hot column */
#define VIEW_TAIL         UINT32_MAX
#define VIEW_COLUMN_WORDS (TIMELINE_COLUMNS_MAX / 64)

/* A request in the form that the steps need. */
struct view_request {
    struct as_of as_of; /* position at most the pinned one */
    bool filters;       /* t or position leave rows out */
    uint32_t needs;
    uint32_t column_count;
    uint16_t columns[TIMELINE_COLUMNS_MAX]; /* asked for */
};

struct view_piece {
    const int64_t *time_ms; /* of its first row */
    const uint16_t *type;
    uint32_t count;
    uint32_t run, part; /* run: VIEW_TAIL for the tail's */
    uint32_t row;       /* the first: over the part; tail: into tail_rows */
    uint32_t persona;
};

struct view_segment {
    uint32_t piece, first, count; /* first: over the piece */
    uint32_t at;                  /* row of the timeline */
};

struct view_tail_row {
    const struct tail_row *row;
    const struct tail *tail;
};

/* A superseded row of the customer under way. */
struct view_gone {
    uint64_t position;
    int64_t known_ms;
};

/* A walk over blocks of customers: view_hot.h. */
struct view_hot;

struct view_reader {
    struct timeline_reader interface;
    struct view_source *source;
    struct version *version;
    const struct column_set *set; /* what the timelines' columns are */
    uint64_t position;
    struct run **runs;
    uint32_t *part_hint; /* a run: the part of the entry before */
    /* A run: column of the run by column of the set, UINT16_MAX: not there; NULL: not known yet. */
    uint16_t **run_column;

    struct view_request read_request, walk_request;
    struct run_walk walk;
    /* True after a read inside a walk: the next customer must not see its columns. */
    bool read_left_columns;
    /* The tail's rows by customer, and the share's next customer who has any; ID_NONE: none. */
    struct view_tail_order *tail_order;
    uint32_t tail_next;
    /* The rows of the customers that were taken last, in order; of each, customer << 32 | its
     * index. */
    struct view_tail_row *walk_rows;
    uint64_t *walk_keys;
    size_t walk_row_count, walk_row_capacity, walk_key_capacity;
    uint32_t walk_part, walk_parts;
    struct view_hot *hot; /* NULL: the general way reads one customer after the other */

    /* Is any row superseded as of the pinned position? For a walk also the customers that have any,
     * ascending, in the upper halves. */
    bool may_be_gone;
    uint64_t *corrected;
    size_t corrected_count, corrected_next;

    /* The timeline under way. */
    struct arena scratch;
    struct dark_scratch dark;
    struct arena made; /* texts of a block's columns that no event has as they are shown */
    struct view_piece *pieces;
    struct view_segment *segments;
    struct view_tail_row *tail_rows;
    struct run_sort_row *order;
    struct persona_id *personas;
    struct view_gone *gone; /* ascending by position */
    size_t gone_count, gone_capacity;
    size_t piece_count, segment_count, tail_row_count;
    size_t piece_capacity, segment_capacity, tail_row_capacity, order_capacity, persona_capacity;
    struct run_block_cache cache;
    struct timeline_column columns[TIMELINE_COLUMNS_MAX];
};

/* Does the caller judge each row by known_ms and superseded_ms? Then no row is left out for being
 * superseded. */
static inline bool view_judges(const struct view_request *request) {
    return (request->needs & TIMELINE_KNOWN) != 0;
}

/* view_gone.c. These need not be called where reader->may_be_gone is false. */
void view_gone_open(struct view_reader *reader);
/* Adds the superseded rows of a persona that count for the request; view_gone_sort comes after the
 * last. */
enum status view_gone_add(struct view_reader *reader, const struct view_request *request,
                          uint32_t persona) MUST_USE;
void view_gone_sort(struct view_reader *reader);
/* Does both for the slices taken last in a walk, and the tail's rows [first, end) of walk_keys. */
enum status view_gone_of_walk(struct view_reader *reader, size_t first, size_t end) MUST_USE;
/* Returns since when the row at this position is superseded; INT64_MAX where it is not. */
int64_t view_gone_ms(const struct view_reader *reader, uint64_t position);
enum status view_gone_fill(struct view_reader *reader, uint32_t count,
                           struct timeline *out) MUST_USE;
/* view_gone_walk finds the customers with corrections at the beginning of a walk;
 * view_gone_mark_slow marks those of a block as slow. */
enum status view_gone_walk(struct view_reader *reader, const uint32_t *customer,
                           uint32_t persona_count) MUST_USE;
void view_gone_mark_slow(struct view_reader *reader);

/* view_prefetch.c: asks the memory for what a read of one customer will touch.
 * First where the rows of its entry stand, then the cells of sparse columns, then whole rows. */
void view_prefetch(struct view_reader *reader, const struct view_request *request, uint32_t run,
                   uint32_t entry);
void view_prefetch_cells(struct view_reader *reader, const struct view_request *request);
void view_prefetch_whole(struct view_reader *reader, const struct view_request *request);

/* view_gather.c */
/* The part of a run that holds the entry; it is mostly that of the entry before. */
uint32_t view_part_of(struct view_reader *reader, uint32_t run, uint32_t entry);
/* May rows of the part not have been known at the request's t; or stand behind its position, or be
 * superseded? Else their columns of lags, and of positions, need not be read. */
bool view_part_is_late(const struct view_request *request, const struct run_part *part);
bool view_part_is_behind(const struct view_reader *reader, const struct view_request *request,
                         const struct run_part *part);
void view_begin(struct view_reader *reader);
enum status view_add_entry(struct view_reader *reader, const struct view_request *request,
                           uint32_t run, uint32_t entry) MUST_USE;
enum status view_add_tail(struct view_reader *reader, const struct view_request *request,
                          uint32_t persona) MUST_USE;
/* Adds the slices that a walk took last, and the tail's rows [first, end) of walk_keys. */
enum status view_add_walk(struct view_reader *reader, size_t first, size_t end) MUST_USE;
/* Takes the tail's rows of customers [from, to), of which to is at most customer_bound, and goes on
 * behind them. */
enum status view_take_tail(struct view_reader *reader, uint32_t from, uint32_t to) MUST_USE;
/* view_order.c. Makes segments of pieces, and cuts the oldest rows beyond TIMELINE_EVENTS_MAX. */
enum status view_order(struct view_reader *reader, uint32_t *row_count, bool *truncated) MUST_USE;
uint64_t view_row_position(const struct view_reader *reader, const struct view_piece *piece,
                           uint32_t row);
/* view_hot.c. view_hot_next returns STATUS_END where the general way has to do the rest of the
 * walk, or where nothing is left of this customer; STATUS_NOT_FOUND where there is no further
 * customer. */
enum status view_hot_begin(struct view_reader *reader) MUST_USE;
void view_hot_end(struct view_reader *reader);
enum status view_hot_next(struct view_reader *reader, struct timeline *out) MUST_USE;
/* view_fill.c. STATUS_END where no row is left. */
enum status view_finish(struct view_reader *reader, const struct view_request *request,
                        uint32_t customer, struct timeline *out) MUST_USE;
extern const struct timeline_ops view_without_packed;
/* Makes an empty timeline. It sets field by field: a compound literal would be zeroed first, which
 * costs as much as all the rest. */
static inline void view_show(struct view_reader *reader, uint32_t customer,
                             const struct timeline_ops *ops, struct timeline *out) {
    out->customer.value = customer;
    out->count = 0;
    out->time_ms = NULL;
    out->type = NULL;
    out->channel = NULL;
    out->known_ms = NULL;
    out->superseded_ms = NULL;
    out->position = NULL;
    out->persona = NULL;
    out->source = NULL;
    out->columns = reader->columns;
    out->column_count = reader->set->count;
    out->truncated = false;
    out->ops = ops;
    out->reader = reader;
}
/* view_columns.c */
enum status view_fill_columns(struct view_reader *reader, const struct view_request *request,
                              uint32_t row_count) MUST_USE;
enum status view_packed(struct view_reader *reader, const struct view_piece *piece, uint32_t row,
                        struct text *packed) MUST_USE;
/* Has column c cells of eight bytes, which every run keeps? */
enum status view_column_is_wide(struct view_reader *reader, uint32_t c, bool *wide) MUST_USE;
/* Widens rows [row, row + count) of a part's column c to cells of eight bytes, texts by address. */
enum status view_widen_column(struct view_reader *reader, const struct view_piece *piece,
                              uint32_t c, uint64_t *cells) MUST_USE;
/* Reads column c of a row of the tail. A text that has to be made lies in reader->made. */
enum status view_tail_cell(struct view_reader *reader, const struct tail_row *row, uint32_t c,
                           uint64_t *cell) MUST_USE;
/* Returns the type of a row of the tail, as the names are declared now. */
static inline uint16_t view_tail_type(const struct view_reader *reader,
                                      const struct tail_row *row) {
    struct symbols *symbols = reader->source->symbols;
    if (__builtin_expect(row->type != EVENT_UNDECLARED, 1) || symbols == NULL) return row->type;
    return dark_event_type(symbols, tail_packed(row));
}

#endif
