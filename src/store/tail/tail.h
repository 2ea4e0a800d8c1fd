/* SPDX-License-Identifier: Apache-2.0 */
/* store/tail/tail.h -- the tail: the events since the last fold, in memory and by persona. Readers
 * may use it while it grows.
 *
 *   table:          persona ──► newest row ──previous──► older row ──previous──► …
 *   chunks (2 MB):  [row][row]…[row|packed]…[0]   in order of position
 *   log (mapped):   … properties of a frame, end to end …
 *
 * A row is 56 bytes. Its packed properties stand where the log has them, or, where the log can't be
 * mapped (log/log_window.h) or was read at the opening, behind the row. Neither ever moves or
 * changes. Memory that is touched first costs more than anything else that adding an event does, so
 * the tail keeps as little as it can. There is one writer, the applier. Readers take no locks: a
 * reader pins a position once and passes it to every call, which skips what was added later. Rows
 * stand in order of arrival, also late events: a reader that needs the order of (time, position)
 * sorts the rows it has gathered. Adding takes two steps, tail_reserve and then tail_apply, so that
 * nothing can fail once the log has the events. */
#ifndef STORE_TAIL_TAIL_H
#define STORE_TAIL_TAIL_H

#include <stdatomic.h>
#include "store/store.h"
#include "store/keys/superseded.h"
#include "store/log/log.h"
#include "store/tail/tail_keys.h"

enum tail_row_use {
    TAIL_ROW_NONE, /* the end of a chunk */
    TAIL_ROW_COPY, /* its properties stand behind it */
    TAIL_ROW_IN_LOG,
};
/* One event. Immutable once visible. */
struct tail_row {
    int64_t time_ms;
    int64_t known_ms;
    uint64_t key;       /* the lower half */
    const char *packed; /* in the log's window, or behind the row */
    uint32_t persona;
    uint32_t position_delta; /* position - tail_first_position */
    uint32_t previous;       /* the same persona's row before this one; TAIL_NONE */
    uint16_t type;
    uint16_t source;
    uint16_t packed_length;
    uint8_t channel;
    uint8_t used; /* enum tail_row_use */
};
#define TAIL_NONE UINT32_MAX

struct tail;
/* Holds positions from first_position on. References: 1, the caller's. */
enum status tail_create(struct tail **out, uint64_t first_position) MUST_USE;
void tail_reference(struct tail *tail);   /* any thread */
void tail_dereference(struct tail *tail); /* any thread; frees with the last */

/* Writer. Makes room for what the frame adds; the tail looks the same to readers whether or not
 * tail_apply follows. */
enum status tail_reserve(struct tail *tail, const struct store_frame *frame) MUST_USE;
/* Adds the frame's events at frame_position + 1, + 2, … and its changes of keys; then publishes
 * `end` as the readable position. `in_log`: where the log shows the events' properties, end to end;
 * the tail holds its window. Zeroed: they are copied. Reserve must have succeeded. */
void tail_apply(struct tail *tail, const struct store_frame *frame, uint64_t frame_position,
                uint64_t end, struct log_place in_log);
/* Memory of its own, without what the log shows. */
size_t tail_bytes(const struct tail *tail);
/* Writer. Returns the number of events or, where it is larger, of keys. A fold begins when it is
 * large enough. */
uint32_t tail_load(const struct tail *tail);
/* Writer; of a frozen tail, any thread. */
const struct tail_keys *tail_keys_of(const struct tail *tail);
/* Any thread: what the tail's frames replace and retract. */
const struct superseded_tail *tail_superseded(const struct tail *tail);

/* Readers, any thread. */
uint64_t tail_first_position(const struct tail *tail);
/* Everything below it is applied and visible: what a reader pins. */
uint64_t tail_position(const struct tail *tail);
uint32_t tail_count(const struct tail *tail); /* rows visible now (not as of a pin) */

/* A persona's rows, newest position first, those at or after `position` skipped. NULL at the end.
 */
const struct tail_row *tail_newest(const struct tail *tail, struct persona_id persona,
                                   uint64_t position);
const struct tail_row *tail_before(const struct tail *tail, const struct tail_row *row);
static inline struct text tail_packed(const struct tail_row *row) {
    return (struct text){row->packed, row->packed_length};
}
static inline uint64_t tail_row_position(const struct tail *tail, const struct tail_row *row) {
    return tail_first_position(tail) + row->position_delta;
}

/* All rows below `position`, in order of position. for (tail_walk(&c, tail, position); (row =
 * tail_next(&c));) … */
struct tail_cursor {
    const struct tail *tail;
    uint64_t position;
    uint32_t left, chunk, offset;
    uint32_t reference; /* of the row that tail_next gave last */
};
void tail_walk(struct tail_cursor *cursor, const struct tail *tail, uint64_t position);
const struct tail_row *tail_next(struct tail_cursor *cursor);
/* The row that a cursor over this tail gave with this reference; it never changes. */
const struct tail_row *tail_row_at(const struct tail *tail, uint32_t reference);

/* Of a frozen tail: who has rows, each once, in any order, and each one's newest row by its
 * reference. From there on row->previous leads through all of the persona's rows. */
uint32_t tail_persona_count(const struct tail *tail);
void tail_personas(const struct tail *tail, uint32_t *out);
uint32_t tail_newest_reference(const struct tail *tail, struct persona_id persona);
/* Brings into the cache what tail_newest_reference looks at. */
void tail_prefetch_newest(const struct tail *tail, struct persona_id persona);

#endif
