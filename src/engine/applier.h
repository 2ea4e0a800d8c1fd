/* SPDX-License-Identifier: Apache-2.0 */
/* engine/applier.h -- the one way in which anything changes: a queue, one applier, one syncer.
 *
 *   producers ──► queue ──► applier ───────► log, written ──► syncer ────────► completions
 *   any thread    bounded   one thread:      seen by          one thread:      seen by
 *                           joins, judges,   deciders         one fdatasync    everybody
 *                           one frame                         for all of it
 *
 * Whoever changes anything (files, requests, decisions, outcomes, erasure, playbooks, lookups,
 * models) queues a `struct change`. The applier takes what waits in order of arrival. It joins
 * small batches into one frame of the log, so that many small requests cost one resolve and one
 * write; a batch of APPLIER_ALONE_EVENTS or more is a frame of its own and is never copied. Then it
 * goes on, while the syncer makes durable what was written and completes it. Nobody waits for
 * company: what was written while the last sync ran is the next group. Only where nobody waits for
 * the sync (`lingers`: a decision that was answered when it was written, a batch of a file of which
 * more batches come) does the syncer wait APPLIER_LINGER_MS, so that one sync serves many; whatever
 * comes meanwhile and is waited for ends the lingering at once.
 *
 * Each producer gets its own status and counts, as if its batch had been applied alone:
 *   - What is too large is refused before it joins others. Where a joined frame can't be written
 *     for a reason that one of its batches may be to blame for, each batch is applied alone.
 *   - Of several batches with one row key in one group, the later ones are repeats where they say
 *     the same; where they say something else they go to the next frame, so that both versions of
 *     the row are stored.
 *   - Before the write a batch can be undone and leaves nothing behind. After it nothing is undone.
 *   - Where a sync fails, every batch of the group gets STATUS_IO: nobody knows whether the disk
 *     has it. The engine then takes no changes (STATUS_READ_ONLY) until it is opened again. Readers
 *     go on, and see what was durable before. Rows under keys may simply be sent again.
 *
 * Durable and written: a reader of store_source sees what is durable. A reader of
 * store_source_written sees what is written, too: deciders use it, so that a decision counts the
 * contact of a moment ago, and so does the applier itself.
 *
 * Limits: at most `changes_max` changes and `bytes_max` bytes are accepted and not yet completed.
 * Beyond them a change is refused with STATUS_BUSY, which says "the same again, later"; nothing
 * waits longer than it said it would.
 *
 * Ownership: a change and its batch belong to the applier from the moment at which it is accepted
 * until its completion begins; then they belong to the producer again. A producer with many batches
 * gets a batch back earlier (`written`), so that the memory of few is enough.
 *
 * Settling: a decision and an outcome are worked out by what is written (`settle`). They come
 * behind all other changes of their group, in frames of their own, of which each is about any
 * customer at most once; so each of them sees all that was applied before it.
 *
 * Threads: any number of threads submit. Applying and syncing are roles of one thread at a time.
 * A producer that waits for a change which comes alone takes both itself, and one that submits a
 * short change (`is_short`) takes the applier's, so that no thread need be woken. Completions are
 * called by the syncer's thread, one at a time and in order of arrival; they must be short and must
 * not wait for a change. A `run` may apply changes and call calls: these are done at once. */
#ifndef ENGINE_APPLIER_H
#define ENGINE_APPLIER_H

#include "engine/engine.h"

/* Accepted and not yet completed. */
#define APPLIER_CHANGES_MAX 4096u
#define APPLIER_BYTES_MAX   ((size_t)256 << 20)
/* A batch with so many events is never joined with others. */
#define APPLIER_ALONE_EVENTS 1000u
/* A joined frame has at most so many events and, of their bytes, so many. */
#define APPLIER_JOINED_EVENTS_MAX 8192u
#define APPLIER_JOINED_BYTES_MAX  ((size_t)4 << 20)
/* How long the syncer waits for company where nobody waits for it. A decision is durable within
 * 10 ms of its answer, so this leaves the disk half of them. */
#define APPLIER_LINGER_MS 5u
/* How long a load in progress waits for room in the queue, before it gives up with STATUS_BUSY. */
#define APPLIER_PATIENCE_MS 60000u

struct applier;
struct row_load;

/* What became of one event of a batch. */
enum event_verdict {
    EVENT_ACCEPTED,    /* it stands: new, or in the place of an earlier version of its row */
    EVENT_REPEATED,    /* it is stored already, or says nothing newer than what is */
    EVENT_TURNED_AWAY, /* it names somebody who was erased */
};

/* Rows that leave the quarantine in the frame of the batch that was made of them. */
struct rows_back {
    const uint64_t *row_ids;
    size_t count;
};

/* The customers that the frame at hand is about. */
struct settled {
    const struct customer_id *customers;
    size_t count;
};
bool settled_has(const struct settled *settled, struct customer_id customer);

struct change {
    /* ---- what is asked for; the producer fills this in and zeroes the rest ---- */

    /* Events and bad rows. After the completion what it holds is undefined. NULL: `run` is called.
     */
    struct event_batch *batch;
    /* What would change a stored row is held by this load (engine/rows/rows.h) and applied when the
     * load ends. NULL: it is applied at once. */
    struct row_load *load;
    /* Bad rows that lie in quarantine already are left out, and `bad` counts the rows. */
    bool knows_bad_rows;
    /* The events have their personas, and are not resolved: the engine's own, such as decisions. */
    bool has_personas;
    /* Stored rows are read again by the mapping in force (engine_ingest_options.remaps). */
    bool remaps;
    struct rows_back back; /* such a batch is never joined */
    /* Where the producer asks what became of each event: as many as the batch has events, filled in
     * before the completion. NULL: nobody asks, and it costs nothing. */
    enum event_verdict *verdicts;
    /* Called by the applier alone, when all that was queued before it is durable; what it changes
     * it makes durable itself. `context` is passed. */
    enum status (*run)(struct engine *engine, void *context, struct error *error);
    void *context;
    /* What is decided by what is written (engine/live/): called by the applier when all that came
     * before is written. It looks, fills in or clears the batch, and names in `about` the customer
     * whose timeline it looked at. Where another change of the frame at hand is about the same
     * customer it returns STATUS_EXISTS, and is called again for the next frame. Any other failure
     * is the change's. Such a batch is small, is never in parts, and its events have personas. */
    enum status (*settle)(struct engine *engine, struct change *change,
                          const struct settled *settled, struct error *error);
    struct customer_id about;
    /* It costs some microseconds to apply. Where nobody applies and nothing is queued, the thread
     * that submits it applies it, and `written` is called before applier_submit returns. */
    bool is_short;
    /* Nobody waits for its sync, which may come APPLIER_LINGER_MS after the write. May be set in
     * `written`. */
    bool lingers;
    /* Called once, by whoever applies, when the change is written and not yet durable, or has
     * failed; before `completed`. The batch is the producer's again from here on, the rest of the
     * change is not. Short, and waits for nothing. NULL: nobody asks. */
    void (*written)(struct change *change);
    /* Called once, by the syncer; a status other than OK says why. NULL: nobody asks. */
    void (*completed)(struct change *change);

    /* ---- what became of it; valid in and after `completed` ---- */

    enum status status;
    struct error error;
    struct apply_result did;
    struct bad_rows bad;

    /* ---- the applier's own ---- */

    struct change *next;
    size_t bytes;
    void *waiting; /* applier_apply's */
};

struct applier_options {
    struct engine *engine;
    uint32_t changes_max; /* 0: APPLIER_CHANGES_MAX */
    size_t bytes_max;     /* 0: APPLIER_BYTES_MAX */
    uint32_t linger_ms;   /* 0: APPLIER_LINGER_MS */
};
/* Starts no thread: both threads start with the first change. */
enum status applier_create(struct applier **out, const struct applier_options *options) MUST_USE;
/* From now on changes are queued. Before, while a directory is being opened, and always where it is
 * open for reading only, calls are made at once in the caller's thread, which is the only one. */
void applier_open(struct applier *applier);
/* Completes all that was accepted, then ends both threads. Nobody may submit meanwhile. */
void applier_destroy(struct applier *applier);

/* Queues a change and returns. Waits at most `patience_ms` for room in the queue.
 *   STATUS_BUSY       the queue is full; nothing was taken: submit the same again, later
 *   STATUS_LIMIT      the batch is larger than the whole queue; it would never fit
 *   STATUS_READ_ONLY  the directory is open for reading, or a sync failed before
 * Where it is refused `completed` is not called. */
enum status applier_submit(struct applier *applier, struct change *change, uint32_t patience_ms,
                           struct error *error) MUST_USE;
/* Between these two the caller waits for changes that it has submitted, so nothing lingers. */
void applier_wait_begin(struct applier *applier);
void applier_wait_end(struct applier *applier);
/* Submits, waits until it is durable, and returns its status; it sets `completed` itself. Inside a
 * `run` the change is made at once. */
enum status applier_apply(struct applier *applier, struct change *change, uint32_t patience_ms,
                          struct error *error) MUST_USE;
/* Calls `run` as the applier and waits for its end; inside a `run` it is called at once. */
enum status applier_call(struct applier *applier,
                         enum status (*run)(struct engine *engine, void *context,
                                            struct error *error),
                         void *context, struct error *error) MUST_USE;
/* Has a sync failed? From then on nothing is changed any more. Any thread. */
bool applier_has_failed(const struct applier *applier);

/* What it did so far; for tests and benches. Any thread. */
struct applier_stats {
    uint64_t changes, frames, joined, syncs; /* joined: changes that shared a frame */
    uint64_t here; /* short changes that were applied by a thread that came to submit one */
    uint64_t waiting, waiting_bytes; /* accepted and not yet completed */
};
void applier_stats(struct applier *applier, struct applier_stats *out);

#endif
