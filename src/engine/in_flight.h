/* SPDX-License-Identifier: Apache-2.0 */
/* engine/in_flight.h -- the batches of one producer that are on their way to the disk.
 *
 * A producer that has many batches, such as a file that is loaded, does not wait for each: while
 * some are applied and synced it fills the next. At most IN_FLIGHT_MAX are on their way; they are
 * applied in the order in which they were sent. Private to engine/.
 *
 * Threads: one producer's thread. */
#ifndef ENGINE_IN_FLIGHT_H
#define ENGINE_IN_FLIGHT_H

#include <pthread.h>

#include "engine/applier.h"

#define IN_FLIGHT_MAX 4u

struct in_flight_batch {
    struct change change;
    struct event_batch batch;
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

    pthread_mutex_t lock;
    pthread_cond_t done;
    struct in_flight_batch batches[IN_FLIGHT_MAX];
    uint32_t sent, ended; /* numbers; the batch is the number modulo IN_FLIGHT_MAX */
};
void in_flight_init(struct in_flight *in_flight, struct engine *engine);
/* Waits for what is on its way. */
void in_flight_release(struct in_flight *in_flight);

/* An initialised batch to fill and then to send; what it held is still there, to be cleared or
 * reused. Waits for the oldest one where all are on their way. */
struct event_batch *in_flight_next(struct in_flight *in_flight);
/* Sends the batch that in_flight_next gave. Returns what failed so far, of any batch: then nothing
 * more is sent. */
enum status in_flight_send(struct in_flight *in_flight, struct error *error) MUST_USE;
/* Waits until all that was sent is durable. Returns what failed, of any batch. */
enum status in_flight_drain(struct in_flight *in_flight, struct error *error) MUST_USE;

#endif
