/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/take.h -- rows of a request to the engine, and its answer once they are durable.
 *
 *   segment.c, pixel.c, door/ ──► take_rows ──► engine (live_ingest.h) ──► synced ──► answer
 *                                     │                                        │
 *                                     └─ refused: nothing was taken            └► feed.h
 *
 * What clients make of an answer decides what is answered. They drop a request for good on 4xx, so:
 *
 *   200  it is durable. Bad rows among good ones are in quarantine, and that is durable, too
 *   400  not one word of it can be read: it is no JSON
 *   413  it is larger than TAKE_BODY_BYTES
 *   503  with Retry-After: the queue is full, the disk refuses, or the key's source is not in the
 *        playbook as it must be (somebody can mend that, and the client still has the events)
 *
 * Privacy: the address of a client is not stored, nor are its headers. What a client writes into
 * its body (context.ip) is stored only where the playbook maps it.
 *
 * Threads: handlers, one call at a time each. */
#ifndef SERVER_TAKE_TAKE_H
#define SERVER_TAKE_TAKE_H

#include "engine/live/live_ingest.h"
#include "server/http/http.h"

/* Of a body after gunzip; the rest of a row is what the server adds. */
#define TAKE_BODY_BYTES (INGEST_LIVE_ROW_MAX - 512u)

struct take_rows {
    struct text source;
    const struct ingest_live_row *rows; /* borrowed until take_rows returns */
    size_t count;
    /* Answers where all of it is durable. It is called in another thread. */
    void (*answer)(struct http_call *call, const struct live_call *did);
};
/* Stores them under the call's key (http_key) and answers the call, now or later. */
void take_rows(struct http_call *call, const struct take_rows *rows);

/* Finds the key where clients put it: Authorization (Bearer, or Basic with the key as user),
 * X-Write-Key ("KEY" or "ANY:KEY", since one SDK wants a name before it), ?writeKey=. Empty where
 * it stands in none of them. */
struct text take_header_key(struct http_call *call);

#endif
