/* SPDX-License-Identifier: Apache-2.0 */
/* engine/rows/rows.h -- rows under a key: is a row that comes in new, a repeat, or a change of a
 * stored row? Private to engine/.
 *
 *   event with a key ──► rows_sort ──► new, or a repeat that may teach who is who: goes on
 *                            │
 *                            └──► anything that would change a stored row: held by the load
 *                                        │  the file ends; few enough, or the load stops
 *                                        ▼
 *                                 row_load_end ──► corrections, retractions, joined groups
 *
 * A content is a hash of the cells that a mapping reads, and a reading says which cells those are
 * (ingest.h). Two rows are compared by their contents under the reading that the stored row's
 * content was made under. What a load changes is held until the load ends, for two reasons: a load
 * that would correct too much changes nothing, and of several versions of a row in one load only
 * the last one counts.
 *
 * Threads: a load belongs to its producer, but for what it holds: that is the applier's until all
 * batches that were sent with the load are done. Functions that say so may be called by the
 * producer; all others are the applier's. */
#ifndef ENGINE_ROWS_ROWS_H
#define ENGINE_ROWS_ROWS_H

#include "engine/engine_internal.h"

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
    ROW_GONE,    /* another event of the same frame replaced it */
};

/* A hash map from row keys to numbers, for the rows of one frame or of one load. */
struct row_slot {
    uint64_t low; /* of the key; 0: free */
    uint32_t high, value;
};
struct row_map {
    struct row_slot *slots;
    size_t capacity, count;
};
void row_map_release(struct row_map *map);
void row_map_clear(struct row_map *map);
/* Brings into the cache where the key stands or would stand. */
static inline void row_map_prefetch(const struct row_map *map, struct row_key key) {
    if (map->capacity > 0) __builtin_prefetch(&map->slots[key.low & (map->capacity - 1)], 1);
}
/* Returns where the key's value stands, or NULL where the map has no such key. */
uint32_t *row_map_find(const struct row_map *map, struct row_key key);
/* Returns where the key's value stands, after adding the key with `value` where it was missing.
 * NULL: out of memory. */
uint32_t *row_map_add(struct row_map *map, struct row_key key, uint32_t value);

/* The limit on bytes of rows that one load holds. Beyond it the load stops, and the error says to
 * load the file in parts. */
#define ROWS_HELD_BYTES_MAX ((size_t)1 << 30)

/* A row that a load holds until its end. Its event stands in row_load.held under the same number;
 * both are in order of arrival. */
struct held_row {
    uint32_t next;    /* of the same key; UINT32_MAX: none */
    uint32_t raw_row; /* index in held.rows, as it would be quarantined; UINT32_MAX: none */
    uint64_t line;
};
struct row_load {
    struct engine *engine;
    const struct source *source;
    bool guarded;   /* the load stops where it would correct more than corrections_max */
    bool remaps;    /* stored rows are read again by the mapping in force */
    uint64_t begin; /* store_position when the load began */
    struct reading_list readings; /* of the file that is open */
    struct event_batch held;
    struct held_row *rows;
    size_t row_count, row_capacity;
    /* The parsing threads may skip a row that is stored with the same content. */
    _Atomic bool may_skip;
    struct row_map changed;     /* keys whose latest version is not in the key files */
    struct row_map first, last; /* key → index of its first and last held row */
    struct row_map lines;       /* keys of rows of held events that have keys of their own */
    struct bad_rows bad;        /* what went to quarantine at the end */
    uint64_t settled;           /* corrections that were applied before the end */
    uint64_t waiting;           /* pieces from quarantine that still wait there */
    uint64_t older_pieces;      /* of events that came in several row versions in this load */
    struct apply_result counts; /* of what was held */
};
/* The producer's, like row_load_release, _skip_known, _end and _settle. */
void row_load_init(struct row_load *load, struct engine *engine, const struct source *source);
void row_load_release(struct row_load *load);
/* From now on the parsing threads skip rows that are stored with the same content. This stays right
 * during the load, since the load changes stored rows only at its end; what others change meanwhile
 * counts as changed after the load's rows were read. */
enum status row_load_skip_known(struct row_load *load, struct error *error) MUST_USE;
/* Serves as ingest_settings.is_known; the context is the load. Any thread may call it. */
bool row_load_is_known(void *context, struct row_key key, uint64_t content, uint16_t reading);
/* Copies the event into the load, which judges it again at its end; the caller then drops it from
 * the batch. */
enum status row_load_hold(struct row_load *load, const struct event_batch *batch,
                          const struct event *event) MUST_USE;
bool row_load_holds(const struct row_load *load, struct row_key key);
/* Does the load hold the event's key, or that of one of its rows? Then the event must be held too,
 * whatever it says: it may be the last that the load says of a row. */
bool row_load_holds_any(const struct row_load *load, const struct event_batch *batch,
                        const struct event *event);
/* Forgets the rows that were held behind the first `count`: their batch could not be applied, and
 * is judged again. */
enum status row_load_rewind(struct row_load *load, size_t count) MUST_USE;
/* Applies what was held and adds to load->counts. Where it would correct more than corrections_max,
 * nothing is applied, and STATUS_LIMIT is returned. `rows` is the number of rows of the whole load,
 * of which corrections_max may be a share. */
enum status row_load_end(struct row_load *load, uint64_t rows, struct error *error) MUST_USE;

/* Applies what is held so far, and the load goes on. A pipe that stays open needs this. From now on
 * every row is mapped, since stored rows may have changed under the parsing threads. */
enum status row_load_settle(struct row_load *load, uint64_t rows, struct error *error) MUST_USE;
/* Fills in the error of a load that would correct too much: how many rows, the examples, and what
 * to do. Always returns STATUS_LIMIT. */
enum status rows_refuse(struct row_load *load, uint64_t corrections, uint64_t rows,
                        const uint32_t *examples, uint32_t example_count,
                        struct error *error) MUST_USE;
/* Judges a held row against the row that is stored now. */
enum status row_load_judge(struct row_load *load, uint32_t row, enum row_verdict *verdict,
                           struct stored_key *known, bool *found, struct error *error) MUST_USE;

/* ---- one frame ---- */

/* Whose events a frame has: event.member is an index into these. */
struct frame_member {
    struct row_load *load;    /* NULL: what changes stored rows is applied at once */
    struct apply_result *did; /* what became of its events is added here */
    bool has_personas;        /* its events stand behind those of members without */
    /* By event.number; NULL: nobody asks. */
    enum event_verdict *verdicts;
    /* The file that its rows came from, and its header, in the frame's batch. */
    uint32_t file, file_length, header, header_length;
};

/* What is known of one key while a frame is built. */
struct frame_row {
    struct stored_key known; /* what the store has under the key; valid where `found` */
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
    /* Changes that go into the next frame, whatever else is in it. Borrowed from the caller. */
    const struct key_change *extra;
    size_t extra_count;
    struct stored_row_request *requests; /* stored events whose known_ms is needed */
    size_t request_count, request_capacity;
};
enum status row_frame_create(struct row_frame **out) MUST_USE;
void row_frame_destroy(struct row_frame *frame);
void row_frame_clear(struct row_frame *frame);

/* Judges the events of a batch and takes out those that need no persona. An event that would change
 * a stored row is moved into its member's load, if it has one; else it is applied at once. Adds the
 * changes of keys to engine->frame. */
enum status rows_sort(struct engine *engine, struct event_batch *batch,
                      const struct frame_member *members, struct error *error) MUST_USE;
/* Called after identity_resolve, which repeats had to pass because they teach who is who. Takes out
 * repeats and events without a persona. */
enum status rows_settle(struct engine *engine, struct event_batch *batch,
                        const struct frame_member *members, struct error *error) MUST_USE;

/* When the new version that this event brings was known: as rows_known_of_change says, but never
 * before the event happened. */
int64_t rows_known_of_event(const struct engine *engine, const struct event *event,
                            int64_t before_ms);
bool rows_line_differs(const struct engine *engine, const struct event_batch *batch,
                       const struct event *event, const struct event_line *line,
                       const struct stored_key *known);
const struct source *rows_source(const struct engine *engine, uint16_t symbol);
/* When a change of a stored row was known. `before_ms` is when the stored row was known. */
int64_t rows_known_of_change(const struct engine *engine, const struct event *event,
                             int64_t before_ms);
/* Judges a row against the stored row `known`. *not_compared: they could not be compared, and the
 * key alone makes it a repeat. */
enum row_verdict rows_judge(struct engine *engine, const struct event_batch *batch,
                            const struct event *event, const struct stored_key *known,
                            bool *not_compared);

/* Called after rows_settle. Withdraws the links that only those rows supported which the frame
 * takes away. Where there are such rows, `result` is replaced by that of the withdrawal. */
enum status rows_withdraw_support(struct engine *engine, const struct event_batch *batch,
                                  struct identity_result *result, struct error *error) MUST_USE;

/* ---- what is stored ---- */
struct stored_row_request {
    struct persona_id persona;
    uint64_t position;
    size_t event, change; /* the caller's own: which event and which change ask */
    /* Filled in. */
    bool found;
    int64_t time_ms, known_ms;
    uint16_t type;
    uint8_t channel;
    struct text packed; /* in the arena */
    uint32_t customer;
};
/* Reads stored events by position. Reorders the requests. With `arena` NULL their properties are
 * not read. */
enum status stored_rows_read(struct engine *engine, struct stored_row_request *requests,
                             size_t count, struct arena *arena, struct error *error) MUST_USE;

#endif
