/* SPDX-License-Identifier: Apache-2.0 */
/* engine/rows.h -- rows under a key: what a row is to the rows that are stored. Private to engine/.
 *
 *   event with a key ──► rows_sort ──► new, or a repeat that may teach who is who: goes on
 *                            │
 *                            └──► anything that would change a stored row: held by the load
 *                                        │  the file ends; few enough, or the load stops
 *                                        ▼
 *                                 row_load_end ──► corrections, retractions, joined groups
 *
 * A row is compared by its content, under the reading that the stored row's content was made under
 * (ingest.h). What a load changes is held until its end: so a load that would correct too much
 * changes nothing, and of several versions of a row in one load only the last one counts. Used by
 * the applier alone. */
#ifndef ENGINE_ROWS_H
#define ENGINE_ROWS_H

#include "engine/private.h"

enum row_verdict {
    ROW_JUDGE_LATER, /* not judged yet */
    ROW_NEW,
    ROW_REPEATED,
    ROW_CORRECTS,
    ROW_RETRACTS,
    ROW_OLDER,   /* its version is lower than the stored one's, or it came before the stored one */
    ROW_LEFT,    /* a group that the source says to leave (again: keep) */
    ROW_CHANGED, /* a group whose rows are others than the stored ones */
    ROW_JOINED,  /* an event made again of its stored rows and further ones */
    ROW_REMAPS,  /* the same row, read by another mapping */
    ROW_GONE,    /* replaced in the same frame */
};

/* Keys of what is at hand: of a frame, or of a load. */
struct row_slot {
    struct row_key key; /* none: free */
    uint32_t value;
};
struct row_map {
    struct row_slot *slots;
    size_t capacity, count;
};
void row_map_release(struct row_map *map);
void row_map_clear(struct row_map *map);
/* The place of the key's value; NULL where it is not there. */
uint32_t *row_map_find(const struct row_map *map, struct row_key key);
/* The same, added with `value` where it is not there. NULL without memory. */
uint32_t *row_map_add(struct row_map *map, struct row_key key, uint32_t value);

/* Of rows that a load holds. Beyond it the load stops: the file is to be cut. */
#define ROWS_HELD_BYTES_MAX ((size_t)1 << 30)

/* A row that a load holds. Its event stands in `held`, in the order of arrival. */
struct held_row {
    uint32_t next;    /* of the same key; UINT32_MAX: none */
    uint32_t raw_row; /* index in held.rows, as it would be quarantined; UINT32_MAX: none */
    uint64_t line;
};
struct row_load {
    struct engine *engine;
    const struct source *source;
    bool guarded;   /* corrections_max holds */
    uint64_t begin; /* store_position when the load began */
    struct event_batch held;
    struct held_row *rows;
    size_t row_count, row_capacity;
    /* A row that is stored whole need not be mapped. */
    _Atomic bool may_skip;
    struct row_map changed;     /* keys of which the key files have no latest version */
    struct row_map first, last; /* key → index of its first and last held row */
    struct bad_rows bad;        /* what went to quarantine at the end */
    uint64_t settled;           /* corrections that were applied before the end */
    uint64_t waiting;           /* pieces from quarantine that still wait there */
    struct apply_result counts; /* of what was held */
};
void row_load_init(struct row_load *load, struct engine *engine, const struct source *source);
void row_load_release(struct row_load *load);
/* From now on rows that are stored whole are not mapped. What the load changes is changed at its
 * end, so that this stays right. */
enum status row_load_skip_known(struct row_load *load, struct error *error) MUST_USE;
/* For ingest_settings.is_known; the context is the load. Any thread. */
bool row_load_is_known(void *context, struct row_key key, uint64_t content, uint16_t reading);
/* Takes the event out of its batch's hands. */
enum status row_load_hold(struct row_load *load, const struct event_batch *batch,
                          const struct event *event) MUST_USE;
bool row_load_holds(const struct row_load *load, struct row_key key);
/* Applies what was held, or tells that it is too much: STATUS_LIMIT, and nothing of it is applied.
 * `rows`: of the whole load, for the share of corrections_max. Adds to load->counts. */
enum status row_load_end(struct row_load *load, uint64_t rows, struct error *error) MUST_USE;

/* Applies what is held so far, and goes on: for a pipe that stays open. Rows that are stored are
 * mapped from now on, since what is known of them may have changed. */
enum status row_load_settle(struct row_load *load, uint64_t rows, struct error *error) MUST_USE;
/* STATUS_LIMIT, with how many rows, the examples, and what to do. */
enum status rows_refuse(struct row_load *load, uint64_t corrections, uint64_t rows,
                        const uint32_t *examples, uint32_t example_count,
                        struct error *error) MUST_USE;
/* What a held row is to what is stored now. */
enum status row_load_judge(struct row_load *load, uint32_t row, enum row_verdict *verdict,
                           struct stored_key *known, bool *found, struct error *error) MUST_USE;

/* ---- one frame ---- */

/* A row of the frame at hand, as it is known so far. */
struct frame_row {
    struct stored_key known; /* where it stands in the store */
    bool found;
    bool pending;   /* `known` has what an event of the frame says … */
    uint32_t event; /* … which stands in the batch here; UINT32_MAX: a change without an event */
};
struct stored_row_request;
struct row_frame {
    struct row_map map; /* key → index of its row */
    struct frame_row *rows;
    size_t row_count, row_capacity;
    struct key_change *changes;
    size_t change_count, change_capacity;
    bool remaps; /* rows that are stored are read again by the mapping in force */
    /* Changes that go with the next frame, whatever is in it; borrowed from who waits for it. */
    const struct key_change *extra;
    size_t extra_count;
    struct stored_row_request *requests; /* whose known_ms is needed */
    size_t request_count, request_capacity;
};
enum status row_frame_create(struct row_frame **out) MUST_USE;
void row_frame_destroy(struct row_frame *frame);
void row_frame_clear(struct row_frame *frame);

/* Judges the events of a batch and takes out what needs no persona. `load` NULL: what changes a
 * stored row is done at once. Adds the changes of keys to engine->frame. */
enum status rows_sort(struct engine *engine, struct event_batch *batch, struct row_load *load,
                      struct apply_result *out, struct error *error) MUST_USE;
/* Behind identity_resolve: takes out repeats, and events of nobody. */
enum status rows_settle(struct engine *engine, struct event_batch *batch, struct apply_result *out,
                        struct error *error) MUST_USE;

/* The same of an event, which is never known before it happens. */
int64_t rows_known_of_event(const struct engine *engine, const struct event *event,
                            int64_t before_ms);
bool rows_line_differs(const struct engine *engine, const struct event_batch *batch,
                       const struct event *event, const struct event_line *line,
                       const struct stored_key *known);
const struct source *rows_source(const struct engine *engine, uint16_t symbol);
/* When a change of a stored row was known, which was known at `before_ms`. */
int64_t rows_known_of_change(const struct engine *engine, const struct event *event,
                             int64_t before_ms);
/* What a row is to a stored one. */
enum row_verdict rows_judge(struct engine *engine, const struct event_batch *batch,
                            const struct event *event, const struct stored_key *known,
                            bool *not_compared);

/* Behind rows_settle: links that only rows supported which the frame takes away are withdrawn;
 * `result` is replaced where there are such rows. */
enum status rows_withdraw_support(struct engine *engine, const struct event_batch *batch,
                                  struct identity_result *result, struct error *error) MUST_USE;

/* ---- what is stored ---- */
struct stored_row_request {
    struct persona_id persona;
    uint64_t position;
    size_t event, change; /* the caller's: what asks */
    /* Filled in. */
    bool found;
    int64_t time_ms, known_ms;
    uint16_t type;
    uint8_t channel;
    struct text packed; /* in the arena */
    uint32_t customer;
};
/* Reads events by position. Reorders the requests. `arena` NULL: without their properties. */
enum status stored_rows_read(struct engine *engine, struct stored_row_request *requests,
                             size_t count, struct arena *arena, struct error *error) MUST_USE;

#endif
