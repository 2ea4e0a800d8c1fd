/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/in_flight.h"

void in_flight_init(struct in_flight *in_flight, struct engine *engine) {
    *in_flight = (struct in_flight){.engine = engine, .patience_ms = APPLIER_PATIENCE_MS};
    pthread_mutex_init(&in_flight->lock, NULL);
    pthread_cond_init(&in_flight->done, NULL);
    for (uint32_t i = 0; i < IN_FLIGHT_MAX; i++) event_batch_init(&in_flight->batches[i].batch);
}

static struct in_flight_batch *batch_at(struct in_flight *in_flight, uint32_t number) {
    return &in_flight->batches[number % IN_FLIGHT_MAX];
}

/* The syncer's thread. */
static void note_done(struct change *change) {
    struct in_flight *in_flight = change->context;
    pthread_mutex_lock(&in_flight->lock);
    ((struct in_flight_batch *)(void *)change)->is_done = true;
    pthread_cond_signal(&in_flight->done);
    pthread_mutex_unlock(&in_flight->lock);
}

static void fail(struct in_flight *in_flight, enum status status, const struct error *error) {
    if (in_flight->status != STATUS_OK) return;
    in_flight->status = status;
    in_flight->error = *error;
}

static void wait_for_oldest(struct in_flight *in_flight) {
    struct in_flight_batch *oldest = batch_at(in_flight, in_flight->ended);
    pthread_mutex_lock(&in_flight->lock);
    while (!oldest->is_done) pthread_cond_wait(&in_flight->done, &in_flight->lock);
    pthread_mutex_unlock(&in_flight->lock);
    in_flight->ended++;
    const struct change *change = &oldest->change;
    if (change->status != STATUS_OK) {
        fail(in_flight, change->status, &change->error);
        return;
    }
    apply_result_add(&in_flight->did, &change->did);
    in_flight->bad.rows += change->bad.rows;
    in_flight->bad.entries += change->bad.entries;
    in_flight->bad.known_rows += change->bad.known_rows;
}

struct event_batch *in_flight_next(struct in_flight *in_flight) {
    if (in_flight->sent - in_flight->ended == IN_FLIGHT_MAX) wait_for_oldest(in_flight);
    return &batch_at(in_flight, in_flight->sent)->batch;
}

static enum status give_status(const struct in_flight *in_flight, struct error *error) {
    if (in_flight->status != STATUS_OK && error != NULL) *error = in_flight->error;
    return in_flight->status;
}

enum status in_flight_send(struct in_flight *in_flight, struct error *error) {
    struct in_flight_batch *next = batch_at(in_flight, in_flight->sent);
    struct error why = {0};
    if (in_flight->status != STATUS_OK) return give_status(in_flight, error);
    next->is_done = false;
    next->change = in_flight->like;
    next->change.batch = &next->batch;
    next->change.completed = note_done;
    next->change.context = in_flight;
    enum status status = applier_submit(engine_applier(in_flight->engine), &next->change,
                                        in_flight->patience_ms, &why);
    in_flight->patience_ms = APPLIER_PATIENCE_MS;
    if (status == STATUS_OK)
        in_flight->sent++;
    else
        fail(in_flight, status, &why);
    return give_status(in_flight, error);
}

enum status in_flight_drain(struct in_flight *in_flight, struct error *error) {
    while (in_flight->ended != in_flight->sent) wait_for_oldest(in_flight);
    return give_status(in_flight, error);
}

void in_flight_release(struct in_flight *in_flight) {
    while (in_flight->ended != in_flight->sent) wait_for_oldest(in_flight);
    for (uint32_t i = 0; i < IN_FLIGHT_MAX; i++) event_batch_release(&in_flight->batches[i].batch);
    pthread_cond_destroy(&in_flight->done);
    pthread_mutex_destroy(&in_flight->lock);
}
