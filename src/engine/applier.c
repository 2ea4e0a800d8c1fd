/* SPDX-License-Identifier: Apache-2.0 */
/* The queue, and the two threads behind it. What one frame does to the engine is apply.c's; which
 * changes become one frame is group.c's.
 *
 * Applying and syncing are roles, each of one thread at a time. The two threads take them as work
 * comes. A producer that waits for its change, and finds both roles free and nothing queued, takes
 * them itself, one after the other: a change that comes alone costs no waking of threads. While it
 * syncs, the applier's thread goes on with what has come meanwhile. A producer with a short change
 * takes the applier's role alone, and leaves the sync to the syncer's thread. */
#include "engine/applier.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/memory.h"
#include "base/time.h"
#include "engine/group.h"
#include "engine/engine_internal.h"

/* So many of other threads' short changes are applied by one that came to apply its own. */
#define SHORT_CHANGES_MAX 16u

/* In order of arrival. */
struct change_list {
    struct change *first, *last;
};

struct applier {
    struct engine *engine;
    uint32_t changes_max;
    size_t bytes_max;
    double linger_seconds;
    struct group *group; /* of who applies */
    _Atomic bool failed; /* a sync failed: nothing is changed any more */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t queued, written, room;
    struct change_list queue, unsynced;
    double sync_at_seconds; /* of the monotonic clock: when `unsynced` is synced at the latest */
    uint32_t count;         /* accepted and not yet completed */
    size_t bytes;
    bool is_open;        /* changes are queued; before that calls are made at once */
    bool has_threads;    /* both were started */
    bool is_stopping;    /* nothing more comes */
    bool has_stopped;    /* the applier's thread has ended */
    bool is_applying;    /* somebody has the role: `who` … */
    bool is_syncing;     /* … and somebody this one */
    bool is_idle;        /* the applier's thread waits for a change … */
    bool syncer_waits;   /* … and the syncer's for something written, … */
    bool syncer_lingers; /* … or, with something written, for company */
    pthread_t who;
    uint32_t room_waiters; /* for room in the queue … */
    uint32_t sync_waiters; /* … and for what they have submitted */
    pthread_t applying, syncing;
    struct applier_stats stats;
};

/* ---- lists ---- */

static void list_add(struct change_list *list, struct change *change) {
    change->next = NULL;
    if (list->last != NULL)
        list->last->next = change;
    else
        list->first = change;
    list->last = change;
}

static struct change *list_take(struct change_list *list) {
    struct change *change = list->first;
    list->first = change->next;
    if (list->first == NULL) list->last = NULL;
    return change;
}

/* Of the monotonic clock. */
static struct timespec timespec_of(double seconds) {
    struct timespec at = {.tv_sec = (time_t)seconds};
    at.tv_nsec = (long)((seconds - (double)at.tv_sec) * 1e9);
    return at;
}

/* ---- the applier's thread ---- */

static enum status refuse_failed(const struct applier *applier, struct error *error) {
    return error_set(error, STATUS_READ_ONLY,
                     "%s: nothing is taken since the disk refused a sync: check the disk, then "
                     "open the directory again",
                     applier->engine->directory);
}

/* A call is alone: all before it is durable when it begins, and it sees what everybody sees. */
static void run_call(struct applier *applier, struct change *change) {
    struct engine *engine = applier->engine;
    change->status = store_sync(engine->store, &change->error);
    if (change->status != STATUS_OK) return;
    identity_publish(engine->identity, store_durable_position(engine->store));
    change->status = change->run(engine, change->context, &change->error);
    engine_note_moved(engine);
}

static void apply_group(struct applier *applier, struct change *const *changes, size_t count) {
    if (atomic_load(&applier->failed)) {
        for (size_t i = 0; i < count; i++)
            changes[i]->status = refuse_failed(applier, &changes[i]->error);
    } else if (changes[0]->run != NULL) {
        run_call(applier, changes[0]);
    } else {
        group_apply(applier->group, changes, count);
    }
    for (size_t i = 0; i < count; i++)
        if (changes[i]->written != NULL) changes[i]->written(changes[i]);
}

/* Under the lock: what becomes one group, in order of arrival. */
static size_t take_group(struct applier *applier, struct change **changes) {
    struct group_size size = {0};
    size_t count = 0;
    while (applier->queue.first != NULL && group_takes(&size, applier->queue.first))
        changes[count++] = list_take(&applier->queue);
    return count;
}

/* Under the lock. */
static void begin_applying(struct applier *applier) {
    applier->is_applying = true;
    applier->who = pthread_self();
}

/* Under the lock. What fills half of the queue must go, whoever waits for it. */
static bool may_linger(const struct applier *applier, const struct change *change) {
    return change->lingers && change->status == STATUS_OK && applier->room_waiters == 0 &&
           applier->sync_waiters == 0 && applier->count <= applier->changes_max / 2 &&
           applier->bytes <= applier->bytes_max / 2;
}

/* Under the lock: hands the changes to the syncer, and ends the role of applying. True: the syncer
 * is to be woken. Whoever wakes it lets the lock go first: on one core the woken thread runs at
 * once, and would wait for the lock. */
static bool end_applying(struct applier *applier, struct change *const *changes, size_t count) {
    bool is_first = applier->unsynced.first == NULL, is_awaited = false;
    for (size_t i = 0; i < count; i++) {
        is_awaited = is_awaited || !may_linger(applier, changes[i]);
        list_add(&applier->unsynced, changes[i]);
    }
    applier->is_applying = false;
    if (is_awaited)
        applier->sync_at_seconds = 0;
    else if (is_first)
        applier->sync_at_seconds = clock_monotonic_seconds() + applier->linger_seconds;
    return applier->syncer_waits || (applier->syncer_lingers && is_awaited);
}

/* Under the lock, which it lets go meanwhile. */
static void wake_syncer(struct applier *applier) {
    pthread_mutex_unlock(&applier->lock);
    pthread_cond_signal(&applier->written);
    pthread_mutex_lock(&applier->lock);
}

static void *apply_on(void *context) {
    struct applier *applier = context;
    struct change *changes[GROUP_CHANGES_MAX];
    pthread_mutex_lock(&applier->lock);
    for (;;) {
        while (applier->is_applying || (applier->queue.first == NULL && !applier->is_stopping)) {
            applier->is_idle = true;
            pthread_cond_wait(&applier->queued, &applier->lock);
            applier->is_idle = false;
        }
        if (applier->queue.first == NULL) break;
        size_t count = take_group(applier, changes);
        begin_applying(applier);
        pthread_mutex_unlock(&applier->lock);
        apply_group(applier, changes, count);
        pthread_mutex_lock(&applier->lock);
        if (end_applying(applier, changes, count)) wake_syncer(applier);
    }
    applier->has_stopped = true;
    pthread_cond_signal(&applier->written);
    pthread_mutex_unlock(&applier->lock);
    return NULL;
}

/* ---- the syncer's thread ---- */

/* Everything written before is durable on return, and shown; or nothing is changed any more. */
static enum status make_durable(struct applier *applier, struct error *error) {
    struct engine *engine = applier->engine;
    enum status status = store_sync(engine->store, error);
    if (status == STATUS_OK)
        identity_publish(engine->identity, store_durable_position(engine->store));
    else
        atomic_store(&applier->failed, true);
    return status;
}

static void fail_change(const struct applier *applier, struct change *change,
                        const struct error *why) {
    if (change->status != STATUS_OK) return; /* it was refused before anything was written */
    change->status = error_set(&change->error, STATUS_IO,
                               "%s: the disk refused the sync, so nobody knows whether this was "
                               "kept; open the directory again and send it once more: %.400s",
                               applier->engine->directory, why->text);
}

/* Makes durable all that is written. */
static void sync_changes(struct applier *applier, struct change *first) {
    struct error why = {0};
    if (make_durable(applier, &why) == STATUS_OK) return;
    for (struct change *change = first; change != NULL; change = change->next)
        fail_change(applier, change, &why);
}

/* Room is made first, so that a completion may submit the next change. Ends the role of syncing. */
static void complete(struct applier *applier, struct change *first) {
    uint32_t count = 0;
    size_t bytes = 0;
    for (const struct change *change = first; change != NULL; change = change->next) {
        bytes += change->bytes;
        count++;
    }
    pthread_mutex_lock(&applier->lock);
    applier->count -= count;
    applier->bytes -= bytes;
    applier->is_syncing = false;
    applier->stats.changes += count;
    applier->stats.syncs++;
    if (applier->syncer_waits && applier->unsynced.first != NULL)
        pthread_cond_signal(&applier->written);
    if (applier->room_waiters > 0) pthread_cond_broadcast(&applier->room);
    pthread_mutex_unlock(&applier->lock);
    for (struct change *change = first, *next; change != NULL; change = next) {
        next = change->next;
        if (change->completed != NULL) change->completed(change);
    }
}

/* Under the lock, which it lets go while it waits. */
static void wait_for_written(struct applier *applier) {
    while (applier->is_syncing || (applier->unsynced.first == NULL && !applier->has_stopped)) {
        applier->syncer_waits = true;
        pthread_cond_wait(&applier->written, &applier->lock);
        applier->syncer_waits = false;
    }
}

/* Under the lock, which it lets go while it waits. */
static void wait_for_company(struct applier *applier) {
    while (!applier->has_stopped && applier->room_waiters == 0 && applier->sync_waiters == 0 &&
           clock_monotonic_seconds() < applier->sync_at_seconds) {
        struct timespec deadline = timespec_of(applier->sync_at_seconds);
        applier->syncer_lingers = true;
        pthread_cond_timedwait(&applier->written, &applier->lock, &deadline);
        applier->syncer_lingers = false;
    }
}

static void *sync_on(void *context) {
    struct applier *applier = context;
    pthread_mutex_lock(&applier->lock);
    for (;;) {
        wait_for_written(applier);
        struct change *first = applier->unsynced.first;
        if (first == NULL) break;
        wait_for_company(applier);
        applier->unsynced = (struct change_list){0};
        applier->is_syncing = true;
        pthread_mutex_unlock(&applier->lock);
        sync_changes(applier, first);
        complete(applier, first);
        pthread_mutex_lock(&applier->lock);
    }
    pthread_mutex_unlock(&applier->lock);
    return NULL;
}

/* ---- life ---- */

/* Deadlines are of a clock that nobody sets. */
static void init_condition(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum status applier_create(struct applier **out, const struct applier_options *options) {
    struct applier *applier = memory_calloc(1, sizeof *applier);
    *out = NULL;
    if (applier == NULL) return STATUS_NO_MEMORY;
    enum status status = group_create(&applier->group, options->engine);
    if (status != STATUS_OK) {
        memory_free(applier);
        return status;
    }
    applier->engine = options->engine;
    applier->changes_max = options->changes_max > 0 ? options->changes_max : APPLIER_CHANGES_MAX;
    applier->bytes_max = options->bytes_max > 0 ? options->bytes_max : APPLIER_BYTES_MAX;
    applier->linger_seconds =
        (options->linger_ms > 0 ? options->linger_ms : APPLIER_LINGER_MS) / 1000.0;
    pthread_mutex_init(&applier->lock, NULL);
    init_condition(&applier->queued);
    init_condition(&applier->written);
    init_condition(&applier->room);
    *out = applier;
    return STATUS_OK;
}

void applier_open(struct applier *applier) {
    applier->is_open = true;
}

void applier_destroy(struct applier *applier) {
    if (applier == NULL) return;
    pthread_mutex_lock(&applier->lock);
    applier->is_stopping = true;
    bool has_threads = applier->has_threads;
    pthread_cond_signal(&applier->queued);
    pthread_mutex_unlock(&applier->lock);
    if (has_threads) {
        pthread_join(applier->applying, NULL);
        pthread_join(applier->syncing, NULL);
    }
    pthread_cond_destroy(&applier->queued);
    pthread_cond_destroy(&applier->written);
    pthread_cond_destroy(&applier->room);
    pthread_mutex_destroy(&applier->lock);
    group_destroy(applier->group);
    memory_free(applier);
}

/* Under the lock. */
static enum status start_threads(struct applier *applier, struct error *error) {
    if (applier->has_threads) return STATUS_OK;
    int why = pthread_create(&applier->applying, NULL, apply_on, applier);
    if (why == 0 && (why = pthread_create(&applier->syncing, NULL, sync_on, applier)) != 0) {
        applier->is_stopping = true;
        pthread_cond_signal(&applier->queued);
        pthread_mutex_unlock(&applier->lock);
        pthread_join(applier->applying, NULL);
        pthread_mutex_lock(&applier->lock);
        applier->is_stopping = applier->has_stopped = false;
    }
    if (why != 0)
        return error_set_errno(error, why, "%s: cannot start the threads that change it",
                               applier->engine->directory);
    applier->has_threads = true;
    return STATUS_OK;
}

/* ---- producers ---- */

static size_t bytes_of(const struct change *change) {
    const struct event_batch *batch = change->batch;
    if (batch == NULL) return 0;
    return batch->bytes.length + batch->event_count * sizeof *batch->events +
           batch->identifier_count * sizeof *batch->identifiers +
           batch->row_count * sizeof *batch->rows + batch->line_count * sizeof *batch->lines +
           change->back.count * sizeof *change->back.row_ids;
}

static bool has_room(const struct applier *applier, size_t bytes) {
    return applier->count < applier->changes_max && applier->bytes + bytes <= applier->bytes_max;
}

/* Under the lock. */
static enum status wait_for_room(struct applier *applier, size_t bytes, uint32_t patience_ms,
                                 struct error *error) {
    if (has_room(applier, bytes)) return STATUS_OK;
    int waited = patience_ms > 0 ? 0 : ETIMEDOUT;
    struct timespec deadline = timespec_of(clock_monotonic_seconds() + patience_ms / 1000.0);
    applier->room_waiters++;
    if (applier->syncer_lingers) pthread_cond_signal(&applier->written);
    while (!has_room(applier, bytes) && waited == 0 && !atomic_load(&applier->failed))
        waited = pthread_cond_timedwait(&applier->room, &applier->lock, &deadline);
    applier->room_waiters--;
    if (has_room(applier, bytes)) return STATUS_OK;
    return error_set(error, STATUS_BUSY,
                     "%s: %u changes of %zu MB wait to be written, and the queue takes %u of "
                     "%zu MB: try it again in a moment",
                     applier->engine->directory, applier->count, applier->bytes >> 20,
                     applier->changes_max, applier->bytes_max >> 20);
}

/* Under the lock. */
static enum status may_submit(struct applier *applier, const struct change *change,
                              uint32_t patience_ms, struct error *error) {
    if (change->bytes > applier->bytes_max)
        return error_set(error, STATUS_LIMIT,
                         "a batch of %zu MB is larger than the queue of changes (%zu MB): send it "
                         "in parts",
                         change->bytes >> 20, applier->bytes_max >> 20);
    enum status status = wait_for_room(applier, change->bytes, patience_ms, error);
    if (atomic_load(&applier->failed)) return refuse_failed(applier, error);
    return status == STATUS_OK ? start_threads(applier, error) : status;
}

static void begin_change(struct change *change) {
    change->bytes = bytes_of(change);
    change->status = STATUS_OK;
    change->error = (struct error){0};
    change->did = (struct apply_result){0};
    change->bad = (struct bad_rows){0};
}

/* Under the lock: is a short change applied by whoever submits it? */
static bool applies_here(const struct applier *applier, const struct change *change) {
    return change->is_short && !applier->is_applying && applier->queue.first == NULL;
}

/* Under the lock, which it lets go while it applies. True: the syncer is to be woken. */
static bool apply_here_now(struct applier *applier, struct change *const *changes, size_t count) {
    begin_applying(applier);
    applier->stats.here += count;
    pthread_mutex_unlock(&applier->lock);
    apply_group(applier, changes, count);
    pthread_mutex_lock(&applier->lock);
    return end_applying(applier, changes, count);
}

/* Under the lock: short changes that came meanwhile, from the front of the queue. */
static size_t take_short(struct applier *applier, struct change *changes[SHORT_CHANGES_MAX]) {
    size_t count = 0;
    while (count < SHORT_CHANGES_MAX && applier->queue.first != NULL &&
           applier->queue.first->is_short)
        changes[count++] = list_take(&applier->queue);
    return count;
}

/* Under the lock, which it lets go while it applies and when it ends. Whoever has the role applies
 * once more what short changes have come meanwhile, so that listening threads that decide at one
 * time wake nobody; what is left then is the applier's thread's. */
static void apply_short(struct applier *applier, struct change *change) {
    struct change *others[SHORT_CHANGES_MAX];
    bool wakes_syncer = apply_here_now(applier, &change, 1);
    size_t count = take_short(applier, others);
    if (count > 0) wakes_syncer = apply_here_now(applier, others, count) || wakes_syncer;
    bool wakes_applier = applier->is_idle && applier->queue.first != NULL;
    pthread_mutex_unlock(&applier->lock);
    if (wakes_syncer) pthread_cond_signal(&applier->written);
    if (wakes_applier) pthread_cond_signal(&applier->queued);
}

/* Under the lock, which it lets go when it ends. Whoever has the role looks at the queue when its
 * own work is done, so that nobody is to be woken meanwhile. */
static void queue(struct applier *applier, struct change *change) {
    list_add(&applier->queue, change);
    bool wakes = applier->is_idle && !applier->is_applying;
    pthread_mutex_unlock(&applier->lock);
    if (wakes) pthread_cond_signal(&applier->queued);
}

enum status applier_submit(struct applier *applier, struct change *change, uint32_t patience_ms,
                           struct error *error) {
    if (!applier->is_open)
        return error_set(error, STATUS_READ_ONLY,
                         "%s: was opened for reading only: open it for writing",
                         applier->engine->directory);
    begin_change(change);
    pthread_mutex_lock(&applier->lock);
    enum status status = may_submit(applier, change, patience_ms, error);
    if (status != STATUS_OK) {
        pthread_mutex_unlock(&applier->lock);
        return status;
    }
    applier->count++;
    applier->bytes += change->bytes;
    if (applies_here(applier, change))
        apply_short(applier, change);
    else
        queue(applier, change);
    return STATUS_OK;
}

/* Is this the applier's thread, or is there none yet? */
static bool is_applier(struct applier *applier) {
    if (!applier->is_open) return true;
    pthread_mutex_lock(&applier->lock);
    bool is_it = applier->is_applying && pthread_equal(pthread_self(), applier->who);
    pthread_mutex_unlock(&applier->lock);
    return is_it;
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
};

static void wake(struct change *change) {
    struct waiting *waiting = change->waiting;
    pthread_mutex_lock(&waiting->lock);
    waiting->is_done = true;
    pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(&waiting->lock);
}

static enum status give_status(const struct change *change, struct error *error) {
    if (change->status != STATUS_OK && error != NULL) {
        *error = change->error;
        error->status = change->status;
    }
    return change->status;
}

static enum status apply_here(struct applier *applier, struct change *change, struct error *error) {
    if (change->run != NULL) return change->run(applier->engine, change->context, error);
    group_apply_alone(applier->group, change, true);
    if (change->written != NULL) change->written(change);
    return give_status(change, error);
}

/* Takes both roles where they are free and nothing waits: then the change is applied, synced and
 * completed on return. */
static bool apply_alone(struct applier *applier, struct change *change) {
    begin_change(change);
    pthread_mutex_lock(&applier->lock);
    bool is_free = !applier->is_applying && !applier->is_syncing && applier->queue.first == NULL &&
                   applier->unsynced.first == NULL && !atomic_load(&applier->failed) &&
                   has_room(applier, change->bytes);
    if (is_free) {
        begin_applying(applier);
        applier->count++;
        applier->bytes += change->bytes;
    }
    pthread_mutex_unlock(&applier->lock);
    if (!is_free) return false;
    apply_group(applier, &change, 1);
    pthread_mutex_lock(&applier->lock);
    applier->is_applying = false;
    applier->is_syncing = true;
    if (applier->is_idle && applier->queue.first != NULL) pthread_cond_signal(&applier->queued);
    pthread_mutex_unlock(&applier->lock);
    change->next = NULL;
    change->completed = NULL;
    sync_changes(applier, change);
    complete(applier, change);
    return true;
}

enum status applier_apply(struct applier *applier, struct change *change, uint32_t patience_ms,
                          struct error *error) {
    if (is_applier(applier)) return apply_here(applier, change, error);
    if (apply_alone(applier, change)) return give_status(change, error);
    struct waiting waiting = {.is_done = false};
    pthread_mutex_init(&waiting.lock, NULL);
    pthread_cond_init(&waiting.changed, NULL);
    change->completed = wake;
    change->waiting = &waiting;
    enum status status = applier_submit(applier, change, patience_ms, error);
    if (status == STATUS_OK) {
        pthread_mutex_lock(&waiting.lock);
        while (!waiting.is_done) pthread_cond_wait(&waiting.changed, &waiting.lock);
        pthread_mutex_unlock(&waiting.lock);
        status = give_status(change, error);
    }
    pthread_cond_destroy(&waiting.changed);
    pthread_mutex_destroy(&waiting.lock);
    return status;
}

enum status applier_call(struct applier *applier,
                         enum status (*run)(struct engine *engine, void *context,
                                            struct error *error),
                         void *context, struct error *error) {
    struct change change = {.run = run, .context = context};
    return applier_apply(applier, &change, APPLIER_PATIENCE_MS, error);
}

void applier_wait_begin(struct applier *applier) {
    pthread_mutex_lock(&applier->lock);
    applier->sync_waiters++;
    if (applier->syncer_lingers) pthread_cond_signal(&applier->written);
    pthread_mutex_unlock(&applier->lock);
}

void applier_wait_end(struct applier *applier) {
    pthread_mutex_lock(&applier->lock);
    applier->sync_waiters--;
    pthread_mutex_unlock(&applier->lock);
}

bool applier_has_failed(const struct applier *applier) {
    return atomic_load(&applier->failed);
}

void applier_stats(struct applier *applier, struct applier_stats *out) {
    pthread_mutex_lock(&applier->lock);
    *out = applier->stats;
    out->waiting = applier->count;
    out->waiting_bytes = applier->bytes;
    pthread_mutex_unlock(&applier->lock);
    group_stats(applier->group, out);
}
