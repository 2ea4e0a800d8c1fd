/* SPDX-License-Identifier: Apache-2.0 */
/* event/event.h -- an event on its way from a source to the log, and the batch it travels in.
 *
 *   ingest fills: time, known, type, channel, source, key, identifiers, properties
 *   identity fills: persona            store fills: position
 *
 * A batch owns its bytes; events and identifiers point into them by offset, so a batch can grow and
 * move. */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include "event/ids.h"
#include "event/packed.h"

#define BATCH_EVENTS_MAX      65536
#define EVENT_IDENTIFIERS_MAX 16
#define IDENTIFIER_BYTES_MAX  512

struct event_identifier {
    uint32_t type; /* SYMBOL_IDENTIFIER */
    /* into batch->bytes; in canonical form by the source's rules */
    uint32_t offset;
    uint32_t length;
    /* An alias: the source only says that the person is called so. It counts where an identifier of
     * this type and value is known, or once one gets known; it creates none. */
    bool if_known;
};

/* 96 bits that name a row: a hash of the source and its row key or message id. The row keeps its
 * key for ever, whichever person it is about and whenever it happened. `low` is never 0 where there
 * is a key; {0, 0} means that the row has none. Directories of older programs have only `low`. */
struct row_key {
    uint64_t low;
    uint32_t high; /* of an independent hash */
};
static inline bool row_key_is_none(struct row_key key) {
    return key.low == 0;
}
static inline bool row_key_equal(struct row_key a, struct row_key b) {
    return a.low == b.low && a.high == b.high;
}

#define ROW_VERSION_NONE INT64_MIN

/* What an event is believed. Anybody can send to a public source, such as a write key in a page;
 * what it says of identity are claims of a device (identity/claims.h). */
enum event_trust {
    EVENT_VERIFIED,
    EVENT_PUBLIC,
    EVENT_PUBLIC_NO_CLAIMS, /* and it may not even claim: its other identifiers are left out */
};

struct event {
    int64_t time_ms;
    int64_t known_ms;
    struct row_key key;
    /* True where a directory of an older program gave the event, so that only `low` of its key is
     * known. Only the store sets it. */
    bool key_is_short;
    uint8_t channel;  /* SYMBOL_CHANNEL */
    uint16_t reading; /* the reading under which `content` was made; 0: none */
    uint16_t type;    /* SYMBOL_EVENT */
    uint16_t source;  /* SYMBOL_SOURCE */
    struct persona_id persona;
    /* Hash of the cells that the mapping reads. 0: contents are not compared, and the first version
     * stands. */
    uint64_t content;
    /* The source's row_version as a number that keeps the order; ROW_VERSION_NONE: none. */
    int64_t version;
    /* Position and persona of the version of this row that this event replaces; position 0: none.
     * From `known_ms` on the older one is superseded. It may stand in the same frame, before this
     * event: event i of the next frame stands at store_position + 1 + i. */
    uint64_t replaces;
    struct persona_id replaces_persona;
    uint8_t identifier_count;
    uint32_t identifier; /* index of the first in batch->identifiers */
    uint32_t properties; /* offset into batch->bytes of the packed properties */
    uint32_t properties_length;

    /* ---- from ingest to the engine; not stored ---- */

    /* Offset into batch->bytes of `content` under the source's older readings, newest first: a
     * uint64_t each, unaligned. 0: this file can't tell it. */
    uint32_t contents;
    uint8_t content_count;
    bool retracts;   /* the row retracts itself; only its key, version and lines are set */
    bool is_known;   /* this very row is stored already; only its key and content are set */
    bool is_part;    /* other rows of the event must say its time, channel or person */
    uint8_t trust;   /* enum event_trust */
    uint8_t verdict; /* enum row_verdict of the engine; 0: not judged */
    /* The quarantined row that it was read again from (stored_row.row_id); 0: none. */
    uint64_t origin;
    uint64_t row_line; /* the row's, or the first row's, line in its file */
    /* Where the event has several rows: the rows as they came, in batch->bytes. */
    uint32_t raw, raw_length, raw_rows;
    uint32_t member;     /* of the batches that a frame was joined from, the one that it came in */
    uint32_t number;     /* where it stood in that batch; set where `verdicts` are asked for */
    uint8_t nobodys;     /* identifiers that identity left out, since they stand for nobody */
    uint32_t line;       /* index of the first in batch->lines */
    uint32_t line_count; /* how many rows the event has, where each has a key of its own */
};

/* A row of an event of several rows (one_event_per) whose rows have keys of their own. */
struct event_line {
    struct row_key key;
    uint64_t content;
    int64_t version;
    uint32_t contents; /* as in the event */
    uint8_t content_count;
    bool retracts;
};

/* A raw row that could not become an event. */
struct quarantined_row {
    uint16_t source; /* SYMBOL_SOURCE */
    uint32_t file;   /* offset, length of the file's name in batch->bytes */
    uint32_t file_length;
    uint64_t line;   /* from 1 */
    uint32_t column; /* from 1; 0 = the whole row */
    uint32_t reason, reason_length;
    /* The bytes as they came (a header line is kept with the source's mapping) */
    uint32_t raw, raw_length;
    /* How many rows of the file it holds: rows of one event wait together. Only the reader and the
     * engine use it; the store does not keep it. */
    uint32_t rows;
};

struct event_batch {
    struct event *events;
    struct event_identifier *identifiers;
    struct quarantined_row *rows;
    size_t event_count, event_capacity;
    size_t identifier_count, identifier_capacity;
    size_t row_count, row_capacity;
    struct event_line *lines;
    size_t line_count, line_capacity;
    /* For events with `raw`: the file's name, and its header as it came. */
    uint32_t file, file_length, header, header_length;
    struct buffer bytes;
};

/* A batch is larger than the second-level cache: a walk over its events asks for one of them some
 * steps before it comes to it. */
static inline void event_prefetch(const struct event *event) {
    const char *at = (const char *)event;
    for (size_t line = 0; line < sizeof *event; line += 64) __builtin_prefetch(at + line);
}

void event_batch_init(struct event_batch *batch);
void event_batch_release(struct event_batch *batch);
void event_batch_clear(struct event_batch *batch);
/* Adds an event at the end, zeroed but for `version`, which is none. The pointer is valid until the
 * next add. NULL without memory. */
struct event *event_batch_add(struct event_batch *batch) MUST_USE;
/* Adds an identifier to the batch's last event. */
enum status event_batch_add_identifier(struct event_batch *batch, uint32_t type,
                                       struct text value) MUST_USE;
enum status event_batch_add_row(struct event_batch *batch, uint16_t source, struct text file,
                                uint64_t line, uint32_t column, struct text reason,
                                struct text raw) MUST_USE;
/* Adds a zeroed line to the batch's last event. The pointer is valid until the next add. NULL
 * without memory. */
struct event_line *event_batch_add_line(struct event_batch *batch) MUST_USE;
/* Adds a copy of all that `from` has; its events get `member`. What `to` says of the file is not
 * changed. On failure `to` is as it was. STATUS_LIMIT where `to` would have more bytes than offsets
 * reach. */
enum status event_batch_join(struct event_batch *to, const struct event_batch *from,
                             uint32_t member) MUST_USE;
static inline struct text event_batch_text(const struct event_batch *batch, uint32_t offset,
                                           uint32_t length) {
    return (struct text){batch->bytes.at + offset, length};
}

#endif
