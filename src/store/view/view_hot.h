/* SPDX-License-Identifier: Apache-2.0 */
/* store/view/view_hot.h -- walks by blocks of customers, for times, types and columns of eight
 * bytes.
 *
 *   run 0:  [C256 C259 C260 … C511] C513 …       a block is up to 256 customer ids;
 *   run 1:  [C257 C259 …           ] C520 …      of each run it takes a window
 *
 *   gather    read the rows of moved slices where they lie, and write them side by side in order
 *             of customer (view_hot_stray.c)
 *   count     count each customer's rows, run by run, moved slices and the tail's rows last
 *   lay out   decide where each customer's rows begin
 *   place     copy slices to their customers, run by run; the inner loops have no calls and few
 *             branches
 *   sort      sort the few customers whose slices overlap in time
 *   show      show one customer after the other
 *
 * A block in which nearly all customers have one slice is not copied: they are shown in place.
 *
 * Some customers are *slow* and are read by the general way of view.c: those with two rows of the
 * same time in two slices (their positions decide), those of whom the request leaves rows out, and
 * those with too many rows. */
#ifndef STORE_VIEW_VIEW_HOT_H
#define STORE_VIEW_VIEW_HOT_H

#include "store/view/view_internal.h"

#define VIEW_BLOCK_BITS 8
#define VIEW_BLOCK      (1u << VIEW_BLOCK_BITS) /* no more than a share's block */
#define VIEW_BLOCK_ROWS TIMELINE_EVENTS_MAX
/* A slice of up to so many rows is copied as exactly so many. Every customer has as much room
 * before and behind its rows. */
#define VIEW_COPY_ROWS 8

struct view_hot_run {
    const struct run *run;
    const uint32_t *customer, *entry_row;
    const uint64_t *moved;
    const int64_t *time_ms; /* of the part under the cursor */
    const uint16_t *type;
    uint32_t part, row_first, part_end; /* part_end: its first entry that is another part's */
    uint32_t first, end;                /* the block's window of entries */
};

/* A moved slice. */
struct view_hot_slice {
    uint32_t run, part, row, count; /* row: over the part */
};
struct view_hot_moved {
    uint32_t at, count; /* rows, where they are gathered */
};
struct view_hot_lone {
    const int64_t *time_ms;
    const uint16_t *type;
    size_t cell; /* into `wide` */
};

struct view_hot {
    struct view_hot_run *runs;
    struct view_hot_slice *moved; /* in order of the runs, as run_walk.moved_slices */
    uint32_t *moved_to;           /* of each: where its rows are gathered; ID_NONE: they aren't */
    struct view_hot_moved *order; /* in order of customer, as run_walk.moved */
    size_t gathered_end;          /* how many of these are gathered */
    int64_t *moved_time_ms;
    uint16_t *moved_type;
    /* too many were slow: the general way does the rest of the walk */
    bool leaving;

    uint32_t base, width; /* the block's customer ids */
    uint64_t rows;
    bool in_place;
    size_t moved_first, moved_end;
    size_t tail_end; /* rows of the tail in the block: reader->walk_rows */
    uint32_t found, shown, slow_count;
    uint64_t sums[VIEW_BLOCK]; /* a customer: slices << 32 | rows */
    uint32_t start[VIEW_BLOCK];
    uint32_t at[VIEW_BLOCK]; /* where the next row goes; before it stands the last one's time */
    uint8_t unordered[VIEW_BLOCK]; /* 1: a slice begins before the one before it ends */
    uint8_t slow[VIEW_BLOCK];
    uint16_t present[VIEW_BLOCK];
    struct view_hot_lone lone[VIEW_BLOCK];

    /* Scratch. A column's cells lie `capacity` (`wide_capacity`) behind those of the one before. */
    size_t capacity, wide_capacity, at_capacity, sort_capacity;
    int64_t *time_ms;
    uint16_t *type;
    uint64_t *cells;
    uint64_t *wide; /* columns of the windows, spread out */
    size_t wide_used;
    uint32_t *placed_at; /* an entry of the window: where its rows went */
    uint32_t *sorted, *sorted_before;
    uint64_t *moving;
};

static inline bool view_hot_is_lone(const struct view_hot *hot, uint32_t k) {
    return hot->in_place && hot->sums[k] >> 32 == 1;
}
/* `moved`: a bit an entry, or NULL where no entry of the run has moved. */
static inline uint32_t view_hot_is_moved(const uint64_t *moved, uint32_t entry) {
    return moved != NULL && (moved[entry / 64] >> (entry % 64) & 1);
}

/* Returns the first moved entry of [entry, end), else `end`. */
static inline uint32_t view_hot_next_moved(const uint64_t *moved, uint32_t entry, uint32_t end) {
    if (moved == NULL || entry >= end) return end;
    uint32_t word = entry / 64;
    uint64_t bits = moved[word] & UINT64_MAX << (entry % 64);
    while (bits == 0 && ++word * 64 < end) bits = moved[word];
    uint32_t found = bits == 0 ? end : word * 64 + (uint32_t)__builtin_ctzll(bits);
    return found < end ? found : end;
}

/* Puts the cursor on the part that holds `entry`, forward only. */
enum status view_hot_load(struct view_hot_run *cursor, uint32_t entry) MUST_USE;
enum status view_hot_rewind(struct view_reader *reader) MUST_USE;
/* view_hot_stray.c: finds moved slices, once a walk. */
enum status view_hot_find_strays(struct view_reader *reader) MUST_USE;
/* Gathers the rows of moved slices from `first` on: the block's, and on to stray_rows. */
enum status view_hot_gather(struct view_reader *reader, size_t first) MUST_USE;
/* view_hot_place.c. Copies everything that was counted to the places that were laid out, in order.
 */
enum status view_hot_place(struct view_reader *reader) MUST_USE;

#endif
