/* SPDX-License-Identifier: Apache-2.0 */
/* store/view_hot.h -- a walk by blocks of customers, for times, types and columns of eight bytes.
 *
 *   run 0:  [C256 C259 C260 … C511] C513 …       a block is up to 256 customer ids; of each run it takes a window
 *   run 1:  [C257 C259 …           ] C520 …
 *
 *   count   rows a customer, run by run, moved slices and the tail's rows last
 *   lay out where each customer's rows begin
 *   place   slices to their customers, run by run: inner loops without calls, and with hardly a branch
 *   sort    the few customers whose slices overlap in time
 *   hand out one by one
 *
 * A block where nearly all customers have one slice is not copied: they are shown in place. Who has two rows of the same time
 * from two slices (their positions decide), rows that the request leaves out, or too many rows, is slow: the long way. */
#ifndef STORE_VIEW_HOT_H
#define STORE_VIEW_HOT_H

#include "store/view_reader.h"

#define VIEW_BLOCK_BITS 8
#define VIEW_BLOCK (1u << VIEW_BLOCK_BITS) /* no more than a share's block */
#define VIEW_COPY_ROWS 8 /* slices up to so long are copied as so many rows; every customer has as much room behind him */
#define VIEW_BLOCK_ROWS TIMELINE_EVENTS_MAX

struct view_hot_run {
    const struct run *run;
    const uint32_t *customer, *entry_row;
    const uint64_t *moved;
    const int64_t *time_ms; /* of the part under the cursor */
    const uint16_t *type;
    uint32_t part, row_first, part_end; /* part_end: its first entry that is another part's */
    uint32_t first, end;    /* the block's window of entries */
};

struct view_hot_slice {
    const int64_t *time_ms;
    const uint16_t *type;
    uint32_t run, part, row, count; /* row: over the part */
};

/* A customer while his rows are placed. */
struct view_hot_place {
    int64_t last_ms;
    uint32_t at;
    uint32_t unordered; /* 1: a slice begins before the one before it ends */
};

struct view_hot_lone {
    const int64_t *time_ms;
    const uint16_t *type;
    size_t cell; /* into `wide` */
};

struct view_hot {
    struct view_hot_run *runs;
    struct view_hot_slice *moved; /* in order of customer, as run_walk.moved */
    bool leaving;                 /* too many were slow: the rest of the walk goes the long way */

    uint32_t base, width;         /* the block's customer ids */
    uint64_t rows;
    bool in_place;
    size_t moved_first, moved_end, tail_first, tail_end;
    uint32_t found, shown, slow_count;
    uint64_t sums[VIEW_BLOCK];    /* a customer: slices << 32 | rows */
    uint32_t start[VIEW_BLOCK];
    uint8_t slow[VIEW_BLOCK];
    uint16_t present[VIEW_BLOCK];
    struct view_hot_place places[VIEW_BLOCK];
    struct view_hot_lone lone[VIEW_BLOCK];

    /* Scratch. A column's cells lie `capacity` (`wide_capacity`) behind those of the column before. */
    size_t capacity, wide_capacity, at_capacity, sort_capacity;
    int64_t *time_ms;
    uint16_t *type;
    uint64_t *cells;
    uint64_t *wide;      /* columns of the windows, spread out */
    size_t wide_used;
    uint32_t *placed_at; /* an entry of the window: where its rows went */
    uint32_t *order, *order_before;
    uint64_t *moving;
};

static inline bool view_hot_is_lone(const struct view_hot *hot, uint32_t k) {
    return hot->in_place && hot->sums[k] >> 32 == 1;
}
static inline uint32_t view_hot_is_moved(const uint64_t *moved, uint32_t entry) {
    return (uint32_t)(moved[entry / 64] >> (entry % 64)) & 1;
}

/* Puts the cursor on the part that holds `entry`, forward only. */
enum status view_hot_load(struct view_hot_run *cursor, uint32_t entry) MUST_USE;
/* view_hot_place.c: everything that was counted goes to where it was laid out, in order. */
enum status view_hot_place(struct view_reader *reader) MUST_USE;

#endif
