/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/in_flight.h"

void in_flight_init(struct in_flight *in_flight, struct engine *engine) {
    *in_flight = (struct in_flight){.engine = engine, .patience_ms = APPLIER_PATIENCE_MS};
    pthread_mutex_init(&in_flight->lock, NULL);
    pthread_cond_init(&in_flight->done, NULL);
    for (uint32_t i = 0; i < IN_FLIGHT_BATCHES; i++) {
        event_batch_init(&in_flight->batches[i]);
        in_flight->free[in_flight->free_count++] = &in_flight->batches[i];
    }
}

static struct in_flight_change *change_at(struct in_flight *in_flight, uint32_t number) {
    return &in_flight->changes[number % IN_FLIGHT_MAX];
}

/* The applier's thread. */
static void note_written(struct change *change) {
    struct in_flight *in_flight = ((struct in_flight_change *)(void *)change)->in_flight;
    pthread_mutex_lock(&in_flight->lock);
    in_flight->free[in_flight->free_count++] = change->batch;
    pthread_cond_signal(&in_flight->done);
    pthread_mutex_unlock(&in_flight->lock);
}

/* The syncer's thread. */
static void note_done(struct change *change) {
    struct in_flight_change *done = (struct in_flight_change *)(void *)change;
    struct in_flight *in_flight = done->in_flight;
    pthread_mutex_lock(&in_flight->lock);
    done->is_done = true;
    pthread_cond_signal(&in_flight->done);
    pthread_mutex_unlock(&in_flight->lock);
}

static void fail(struct in_flight *in_flight, enum status status, const struct error *error) {
    if (in_flight->status != STATUS_OK) return;
    in_flight->status = status;
    in_flight->error = *error;
}

/* Takes what became of the oldest change. False: it is not done, and nobody waits for it. */
static bool end_oldest(struct in_flight *in_flight, bool waits) {
    struct in_flight_change *oldest = change_at(in_flight, in_flight->ended);
    if (in_flight->ended == in_flight->sent) return false;
    pthread_mutex_lock(&in_flight->lock);
    while (waits && !oldest->is_done) pthread_cond_wait(&in_flight->done, &in_flight->lock);
    bool is_done = oldest->is_done;
    pthread_mutex_unlock(&in_flight->lock);
    if (!is_done) return false;
    in_flight->ended++;
    const struct change *change = &oldest->change;
    if (change->status != STATUS_OK) {
        fail(in_flight, change->status, &change->error);
        return true;
    }
    apply_result_add(&in_flight->did, &change->did);
    in_flight->bad.rows += change->bad.rows;
    in_flight->bad.entries += change->bad.entries;
    in_flight->bad.known_rows += change->bad.known_rows;
    return true;
}

struct event_batch *in_flight_next(struct in_flight *in_flight) {
    while (end_oldest(in_flight, in_flight->sent - in_flight->ended == IN_FLIGHT_MAX)) {
    }
    if (in_flight->filling != NULL) return in_flight->filling;
    pthread_mutex_lock(&in_flight->lock);
    while (in_flight->free_count == 0) pthread_cond_wait(&in_flight->done, &in_flight->lock);
    in_flight->filling = in_flight->free[--in_flight->free_count];
    pthread_mutex_unlock(&in_flight->lock);
    return in_flight->filling;
}

static enum status give_status(const struct in_flight *in_flight, struct error *error) {
    if (in_flight->status != STATUS_OK && error != NULL) *error = in_flight->error;
    return in_flight->status;
}

enum status in_flight_send(struct in_flight *in_flight, struct error *error) {
    struct in_flight_change *next = change_at(in_flight, in_flight->sent);
    struct event_batch *batch = in_flight->filling;
    struct error why = {0};
    if (in_flight->status != STATUS_OK) return give_status(in_flight, error);
    next->in_flight = in_flight;
    next->is_done = false;
    next->change = in_flight->like;
    next->change.batch = batch;
    next->change.lingers = true;
    next->change.written = note_written;
    next->change.completed = note_done;
    in_flight->filling = NULL; /* the applier may be done with it before this call ends */
    enum status status = applier_submit(engine_applier(in_flight->engine), &next->change,
                                        in_flight->patience_ms, &why);
    in_flight->patience_ms = APPLIER_PATIENCE_MS;
    if (status == STATUS_OK) {
        in_flight->sent++;
    } else {
        in_flight->filling = batch;
        fail(in_flight, status, &why);
    }
    return give_status(in_flight, error);
}

static void end_all(struct in_flight *in_flight) {
    if (in_flight->ended == in_flight->sent) return;
    struct applier *applier = engine_applier(in_flight->engine);
    applier_wait_begin(applier);
    while (end_oldest(in_flight, true)) {
    }
    applier_wait_end(applier);
}

enum status in_flight_drain(struct in_flight *in_flight, struct error *error) {
    end_all(in_flight);
    return give_status(in_flight, error);
}

void in_flight_release(struct in_flight *in_flight) {
    end_all(in_flight);
    for (uint32_t i = 0; i < IN_FLIGHT_BATCHES; i++) event_batch_release(&in_flight->batches[i]);
    pthread_cond_destroy(&in_flight->done);
    pthread_mutex_destroy(&in_flight->lock);
}
