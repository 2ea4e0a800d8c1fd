/* SPDX-License-Identifier: Apache-2.0 */
/* engine/in_flight.h -- the batches of one producer that are on their way to the disk.
 *
 * A producer that has many batches, such as a file that is loaded, does not wait for each: while
 * some are applied and synced it fills the next. At most IN_FLIGHT_MAX are on their way; they are
 * applied in the order in which they were sent. Once a batch is applied its memory is filled again,
 * the one that was given back last before all others, while the change waits for the disk. So a
 * load touches the memory of few batches, and a slow disk holds up none of them for long. Batches
 * wait some milliseconds for company before they are synced, unless the producer waits for all.
 * Private to engine/.
 *
 * Threads: one producer's thread. */
#ifndef ENGINE_IN_FLIGHT_H
#define ENGINE_IN_FLIGHT_H

#include <pthread.h>

#include "engine/applier.h"

#define IN_FLIGHT_MAX     16u /* changes that are not durable yet */
#define IN_FLIGHT_BATCHES 3u  /* one is filled, one waits, one is applied */

struct in_flight_change {
    struct change change;
    struct in_flight *in_flight;
    bool is_done;
};
struct in_flight {
    struct engine *engine;
    struct change like;   /* what each change asks for; set by the producer before it sends */
    uint32_t patience_ms; /* of the next batch; later ones wait for APPLIER_PATIENCE_MS */

    /* Of the batches that are durable. */
    struct apply_result did;
    struct bad_rows bad;

    /* The first that failed. */
    enum status status;
    struct error error;

    struct event_batch *filling; /* the producer's; NULL: none */

    pthread_mutex_t lock; /* for what the applier and the syncer change: is_done, free */
    pthread_cond_t done;
    struct in_flight_change changes[IN_FLIGHT_MAX];
    struct event_batch batches[IN_FLIGHT_BATCHES];
    struct event_batch *free[IN_FLIGHT_BATCHES]; /* the newest last */
    uint32_t free_count;
    uint32_t sent, ended; /* numbers; the change is the number modulo IN_FLIGHT_MAX */
};
void in_flight_init(struct in_flight *in_flight, struct engine *engine);
/* Waits for what is on its way. */
void in_flight_release(struct in_flight *in_flight);

/* An initialised batch to fill and then to send, the same until it is sent; what it held is still
 * there, to be cleared or reused. Waits for one where none is free. */
struct event_batch *in_flight_next(struct in_flight *in_flight);
/* Sends the batch that in_flight_next gave. Returns what failed so far, of any batch: then nothing
 * more is sent. */
enum status in_flight_send(struct in_flight *in_flight, struct error *error) MUST_USE;
/* Waits until all that was sent is durable. Returns what failed, of any batch. */
enum status in_flight_drain(struct in_flight *in_flight, struct error *error) MUST_USE;

#endif
