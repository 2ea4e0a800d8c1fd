/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/live.h -- bodies of requests to events: a plan and a mapper that outlive a request.
 *
 *   request ──► row: what the server adds │ the body │ what the server adds
 *                              │
 *                              ▼
 *               mapper (kept) ──► events, quarantined rows, appended to the request's batch
 *
 * A reader (ingest.h) is made for a file: it looks for the header, cuts rows and plans the mapping,
 * which costs far more than one event. A request is one JSON value, or a few, which are not to be
 * cut; so a live mapper is made once for a source and a playbook, and maps request after request.
 * Sources are JSON, and each row, or each message of a batch, is an event of its own.
 *
 * What the server knows better than the sender stands before the sender's words in the row, since
 * of a member given twice the first counts: `receivedAt`. What the sender may leave out stands
 * behind them: `type`, which the path tells. A row in quarantine has both, so that a replay reads
 * it as it was read when it came.
 *
 * A message without a messageId is known by a hash of it, so that a retry is a repeat. Where it
 * does not say a time either, two of them may well be two events (two clicks), and each is one.
 *
 * Threads: one thread at a time. Source, playbook, symbols and lookups of the settings are borrowed
 * until ingest_live_destroy. */
#ifndef INGEST_LIVE_H
#define INGEST_LIVE_H

#include "ingest/ingest.h"

/* Stands for the file's name of rows that came in a request. */
#define INGEST_LIVE_NAME "request"
/* At most so many bytes of one row, with what the server adds. */
#define INGEST_LIVE_ROW_MAX INGEST_ROW_BYTES_MAX

struct ingest_live;

/* What became of one message, or of one row that is no batch. Texts are borrowed for the call. */
struct ingest_told {
    struct text message_id, name;    /* as they came; empty where it says none */
    size_t first_event, event_count; /* of the batch; 0: all of it is quarantined */
    struct text reason;              /* why (some of) it is quarantined; empty: nothing is */
};
/* For the live tail. */
struct ingest_seen {
    void (*tell)(void *context, const struct event_batch *batch, const struct ingest_told *told);
    void *context; /* tell NULL: nobody listens */
};

/* One row: the texts are joined. */
struct ingest_live_row {
    struct text head, body, tail;
    /* Both are stored as asterisks, and may be empty: this part of `body`, … */
    struct text hidden;
    struct text secret; /* … and this text, wherever `body` has it: the key of the sender */
};

/* STATUS_INVALID, and the error says why: the source can't be read live, since it is a lookup, CSV,
 * or makes one event of several rows. */
enum status ingest_live_create(struct ingest_live **out, const struct ingest_settings *settings,
                               const struct source *source, struct error *error) MUST_USE;
void ingest_live_destroy(struct ingest_live *live); /* NULL is allowed */

/* Who sends the requests from now on: a key that anybody can read, and whether it may claim
 * identifiers. What the source is believed is the most. */
void ingest_live_sender(struct ingest_live *live, bool is_public, bool claims);

/* Appends the events and quarantined rows of one request to the batch. `number` differs from
 * request to request; with `received_ms` it tells apart what says neither an id nor a time.
 *   STATUS_INVALID  a row is no JSON object and nothing of it can be read: nothing was appended
 *   STATUS_LIMIT    a row is longer than INGEST_LIVE_ROW_MAX; nothing was appended */
enum status ingest_live_map(struct ingest_live *live, const struct ingest_live_row *rows,
                            size_t count, int64_t received_ms, uint64_t number,
                            const struct ingest_seen *seen, struct event_batch *batch,
                            struct error *error) MUST_USE;
/* How many events of the latest request have a name that nobody declared. */
uint64_t ingest_live_undeclared(const struct ingest_live *live);

#endif
