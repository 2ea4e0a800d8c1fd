/* SPDX-License-Identifier: Apache-2.0 */
/* engine/live/live_ingest.h -- requests to changes: attune_ingest for a server that must not wait.
 *
 *   any thread:  request ──► live_call_read ──► events, bad rows ──► live_call_send ──► returns
 *                            (parsed here)      (a change)           (queued, or refused)
 *   the syncer:                                                      done: durable, or why not
 *
 * A request is parsed in the thread that brings it, by a mapper that is kept from request to
 * request under the snapshot in force (ingest/live.h). Then it is one change of the applier
 * (applier.h): joined with others into one frame, synced with all that was written meanwhile, and
 * told. So a thread that listens never waits for the disk, with one exception: the first request of
 * a source whose mapping has changed notes the new reading in the log.
 *
 * Rows under a key are judged as everywhere: a repeat adds nothing, a row that says something else
 * corrects the stored one at once. `corrections_max` is of loads and does not hold for requests.
 * Bad rows that lie in quarantine already are not kept twice.
 *
 * Where the queue is full nothing is taken: STATUS_BUSY, send the same again later.
 *
 * Threads: any number of threads. A call belongs to the thread that reads it until live_call_send;
 * then to `done`, which the syncer's thread calls, or, where there is nothing to store, the sending
 * thread itself; whoever has it then gives it back. */
#ifndef ENGINE_LIVE_LIVE_INGEST_H
#define ENGINE_LIVE_LIVE_INGEST_H

#include "engine/applier.h"
#include "ingest/live.h"

/* Calls and mappers that wait to be used again; more are freed when they are given back. */
#define LIVE_CALLS_KEPT      256u
#define LIVE_CALL_BYTES_KEPT ((size_t)256 << 10)

struct engine_live;
enum status engine_live_create(struct engine_live **out, struct engine *engine) MUST_USE;
/* Lets go of what mappers hold of the engine, before it is closed: from now on nothing is read.
 * What was sent may still be completed. NULL is allowed. */
void engine_live_settle(struct engine_live *live);
/* All calls must have been given back; the engine may be closed, where it was settled before. NULL
 * is allowed. */
void engine_live_destroy(struct engine_live *live);

/* Who sent it: the key of the request, as its access told it. What a source is believed (DOMAIN,
 * trust) is decided by this and by the source. */
struct live_sender {
    char key[16]; /* its id, never the key itself; empty: none was asked for */
    bool is_public;
    bool claims;
};

struct live_request {
    struct text source; /* of the playbook */
    const struct ingest_live_row *rows;
    size_t row_count;
    int64_t received_ms;
    struct live_sender sender;
    struct ingest_seen seen; /* for the live tail; tell NULL: nobody listens */
};

struct live_call {
    /* Valid in `done`: what became of it. */
    enum status status;
    struct error error;
    struct apply_result did;
    struct bad_rows bad;
    /* By event of the batch; asked for by `wants_verdicts` before live_call_send. */
    bool wants_verdicts;
    enum event_verdict *verdicts;
    /* What was read of it; valid from live_call_read on. Undeclared: events of a name that nobody
     * declared. */
    size_t event_count, row_count;
    uint64_t undeclared;
    struct live_sender sender;

    /* Private to live.c. */
    struct change change;
    struct event_batch batch;
    struct engine_live *live;
    void (*done)(struct live_call *call, void *context);
    void *context;
    size_t verdict_capacity;
    struct live_call *next;
};

/* Reads a request into a call; nothing is stored yet.
 *   STATUS_NOT_FOUND  the playbook in force has no such source, or none is in force
 *   STATUS_INVALID    the source takes no requests; or, where *is_unreadable, the body is no JSON,
 *                     and sending the same again can't help
 *   STATUS_LIMIT      it is larger than INGEST_LIVE_ROW_MAX
 * Where it fails *out is NULL. */
enum status live_call_read(struct engine_live *live, const struct live_request *request,
                           struct live_call **out, bool *is_unreadable,
                           struct error *error) MUST_USE;
/* Queues it; `done` is called once it is durable, perhaps before this returns, and gets the call,
 * which it gives back. Where it is refused (applier_submit) `done` is not called, nothing was
 * taken, and the call is the caller's, to be given back. */
enum status live_call_send(struct live_call *call,
                           void (*done)(struct live_call *call, void *context), void *context,
                           struct error *error) MUST_USE;
void live_call_give(struct live_call *call); /* NULL is allowed */

#endif
