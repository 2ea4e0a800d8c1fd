/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <assert.h>
#include <stdlib.h>
#include "base/memory.h"
#include "store/checkpoint.h"

#define SPACE_CHECK_BYTES (1u << 20) /* free space is looked at once in so many bytes written */

void store_role_take(struct store *store) {
    pthread_mutex_lock(&store->guard);
    while (store->busy) pthread_cond_wait(&store->changed, &store->guard);
    store->busy = true;
    pthread_mutex_unlock(&store->guard);
}

void store_role_give(struct store *store) {
    pthread_mutex_lock(&store->guard);
    store->busy = false;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->guard);
}

void store_publish(struct store *store, struct version *blank) {
    struct tail *tails[2] = {store->frozen ? store->frozen : store->growing, store->growing};
    version_fill(blank, store->runs, store->manifest.run_count, tails, store->frozen ? 2 : 1,
                 &store->columns, store->customers);
    version_add_keys(blank, store->keys, store->manifest.keys_count, store->superseded);
    versions_publish(&store->versions, blank);
}

enum status store_customers(struct store *store, uint64_t position, uint32_t **customer,
                            uint32_t *persona_count, struct error *error) {
    *customer = NULL;
    *persona_count = 0;
    const struct customer_directory *directory = store->customers;
    if (!directory) return STATUS_OK;
    *persona_count = directory->ops->persona_count(directory, position);
    *customer = memory_alloc((size_t)*persona_count * sizeof(**customer));
    if (!*customer)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to fold", store->directory);
    directory->ops->snapshot(directory, (struct as_of){INT64_MAX, position}, *customer,
                             *persona_count);
    return STATUS_OK;
}

enum status store_need_write(const struct store *store, struct error *error) {
    if (!store->read_only) return STATUS_OK;
    return error_set(error, STATUS_READ_ONLY,
                     "%s: was opened for reading only: open it for writing", store->directory);
}

static enum status check_space(struct store *store, size_t bytes, struct error *error) {
    store->unchecked_bytes += bytes;
    if (store->unchecked_bytes < SPACE_CHECK_BYTES) return STATUS_OK;
    uint64_t left = 0;
    enum status status = file_free_bytes(store->fs, store->directory, &left, error);
    if (status) return status;
    if (left < STORE_FREE_BYTES_MIN)
        return error_set(error, STATUS_DISK_FULL,
                         "%s: only %llu MB are left on this disk, %u are kept free: free space, or "
                         "move the data "
                         "directory to a larger disk",
                         store->directory, (unsigned long long)(left >> 20),
                         STORE_FREE_BYTES_MIN >> 20);
    store->unchecked_bytes = 0;
    return STATUS_OK;
}

/* Waits until a full tail can be frozen, or reports why the fold before it does not end. */
static enum status wait_for_fold(struct store *store, struct error *error) {
    if (store->fold_by_hand)
        return error_set(error, STATUS_LIMIT, "the tail holds %u events: fold it",
                         STORE_TAIL_EVENTS_MAX);
    enum status status = STATUS_OK;
    pthread_mutex_lock(&store->guard);
    if (store->frozen && store->fold_status) {
        store->retry = true;
        store->fold_status = STATUS_OK;
        pthread_cond_broadcast(&store->changed);
    }
    while (store->frozen && !store->fold_status) pthread_cond_wait(&store->changed, &store->guard);
    if (store->frozen) {
        status = store->fold_status;
        if (error) *error = store->fold_error;
    }
    pthread_mutex_unlock(&store->guard);
    return status;
}

/* Begins a fold where the tail is large enough. A failure here is no failure of the append: it is
 * tried again. */
void store_fold_if_large(struct store *store) {
    uint32_t count = tail_load(store->growing);
    if (store->fold_by_hand || count < store->fold_events || count < store->retry_at) return;
    pthread_mutex_lock(&store->guard);
    bool can_begin = store->frozen == NULL;
    bool failed = !can_begin && store->fold_status != STATUS_OK;
    if (failed) {
        store->retry = true;
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->guard);
    struct error ignored;
    if (failed || (can_begin && store_fold_begin(store, &ignored)))
        store->retry_at = count + store->fold_events / 4 + 1;
}

static enum status reserve(struct store *store, const struct store_frame *frame,
                           struct error *error) {
    size_t count = (frame->batch ? frame->batch->event_count : 0) + frame->change_count;
    if (tail_load(store->growing) + count > STORE_TAIL_EVENTS_MAX) {
        enum status status = wait_for_fold(store, error);
        if (status) return status;
        store->retry_at = 0;
        store_fold_if_large(store);
        if (tail_load(store->growing) + count > STORE_TAIL_EVENTS_MAX)
            return error_set(error, STATUS_LIMIT, "the tail holds %u events and can't be folded",
                             STORE_TAIL_EVENTS_MAX);
    }
    enum status status = tail_reserve(store->growing, frame);
    if (status == STATUS_LIMIT)
        return error_set(error, status, "the tail has no positions left: fold it");
    return status ? error_set(error, status, "no memory for %zu events", count) : STATUS_OK;
}

/* Checks what events replace: a frame with a wrong position could not be read back. */
static enum status check_replaces(const struct store *store, const struct store_frame *frame,
                                  struct error *error) {
    uint64_t first = log_end(store->log) + 1;
    for (size_t i = 0; frame->batch && i < frame->batch->event_count; i++) {
        const struct event *event = &frame->batch->events[i];
        if (event->replaces >= first + i ||
            (event->replaces != 0 && event->replaces_persona.value == ID_NONE))
            return error_set(error, STATUS_INVALID,
                             "event %zu of the batch replaces what is not before it", i);
    }
    uint64_t end = first + (frame->batch ? frame->batch->event_count : 0);
    for (size_t i = 0; i < frame->change_count; i++)
        if (row_key_is_none(frame->changes[i].key) || frame->changes[i].position >= end)
            return error_set(error, STATUS_INVALID, "change %zu of the frame is of no known row",
                             i);
    return STATUS_OK;
}

static enum status encode(struct store *store, const struct store_frame *frame,
                          struct symbol_counts *logged, struct error *error) {
    buffer_clear(&store->frame);
    buffer_clear(&store->symbol_bytes);
    *logged = store->logged;
    if (symbols_encode_since(store->symbols, logged, &store->symbol_bytes))
        return error_set(error, STATUS_NO_MEMORY, "no memory for new symbols");
    return frame_encode(&store->frame, buffer_text(&store->symbol_bytes), frame, error);
}

/* After a failed sync readers no longer see frames that may never be durable. */
static void note_failure(struct store *store) {
    if (store->log && log_has_failed(store->log))
        atomic_store(&store->written_bound, atomic_load(log_durable(store->log)));
}

enum status store_write(struct store *store, const struct store_frame *frame, bool sync,
                        uint64_t *position, struct error *error) {
    struct symbol_counts logged;
    enum status status = store_need_write(store, error);
    if (status == STATUS_OK) status = encode(store, frame, &logged, error);
    if (status == STATUS_OK && frame_has_changes(store->frame.at))
        status = check_replaces(store, frame, error);
    if (status == STATUS_OK) status = check_space(store, store->frame.length, error);
    if (status == STATUS_OK) status = reserve(store, frame, error);
    uint64_t at = 0;
    if (status == STATUS_OK) status = log_append(store->log, &store->frame, sync, &at, error);
    if (status) {
        note_failure(store);
        return status;
    }
    store->logged = logged;
    if (frame->batch && frame->batch->row_count) {
        pthread_mutex_lock(&store->guard);
        store->growing_rows += frame->batch->row_count;
        pthread_mutex_unlock(&store->guard);
    }
    store_forget_seen(store);
    struct log_place place = log_last_frame(store->log);
    if (place.at) place.at += frame_packed_offset(store->frame.at);
    tail_apply(store->growing, frame, at, log_end(store->log), place);
    *position = at;
    return STATUS_OK;
}

enum status store_append(struct store *store, const struct store_frame *frame, bool sync,
                         uint64_t *position, struct error *error) {
    enum status status = store_write(store, frame, sync, position, error);
    if (status == STATUS_OK) store_fold_if_large(store);
    return status;
}

enum status store_sync(struct store *store, struct error *error) {
    if (store->read_only) return STATUS_OK;
    enum status status = log_sync(store->log, error);
    if (status) note_failure(store);
    return status;
}

uint64_t store_durable_position(const struct store *store) {
    return atomic_load(log_durable(store->log));
}

bool store_has_failed(const struct store *store) {
    return log_has_failed(store->log);
}

uint64_t store_position(const struct store *store) {
    /* Any thread may ask; the growing tail changes only under the guard. */
    struct store *shared = (struct store *)(uintptr_t)store;
    pthread_mutex_lock(&shared->guard);
    uint64_t position = tail_position(store->growing);
    pthread_mutex_unlock(&shared->guard);
    return position;
}

static bool tail_has_since(const struct tail *tail, struct persona_id persona, uint64_t position) {
    const struct tail_row *row = tail_newest(tail, persona, UINT64_MAX);
    return row != NULL && tail_row_position(tail, row) >= position;
}

bool store_has_since(struct store *store, struct persona_id persona, uint64_t position) {
    pthread_mutex_lock(&store->guard);
    const struct tail *frozen = store->frozen;
    const struct tail *oldest = frozen != NULL ? frozen : store->growing;
    bool has = position < tail_first_position(oldest) ||
               tail_has_since(store->growing, persona, position) ||
               (frozen != NULL && tail_has_since(frozen, persona, position));
    pthread_mutex_unlock(&store->guard);
    return has;
}

struct timeline_source *store_source(struct store *store) {
    return &store->view.interface;
}

struct timeline_source *store_source_written(struct store *store) {
    return &store->written_view.interface;
}

struct timeline_source *store_source_create(struct store *store, const struct column_set *columns,
                                            bool written) {
    struct view_source *source = memory_alloc(sizeof *source);
    if (source == NULL) return NULL;
    *source = written ? store->written_view : store->view;
    source->columns = columns;
    return &source->interface;
}

void store_source_destroy(struct timeline_source *source) {
    memory_free(source);
}

enum status store_set_columns(struct store *store, const struct column_set *columns,
                              struct error *error) {
    struct version *blank = version_alloc();
    if (!blank)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory for a new version",
                         store->directory);
    pthread_mutex_lock(&store->guard);
    store->columns = *columns;
    store_publish(store, blank);
    pthread_mutex_unlock(&store->guard);
    return STATUS_OK;
}

/* Calls a function with the role held, in the applier's thread. */
static enum status with_role(struct store *store,
                             enum status (*work)(struct store *, bool, struct error *), bool flag,
                             struct error *error) {
    enum status status = store_need_write(store, error);
    if (status) return status;
    store_role_take(store);
    store->work = store->watched;
    status = work_check(store->work, error);
    if (status == STATUS_OK) status = work(store, flag, error);
    store->work = NULL;
    store_role_give(store);
    return status;
}

void store_watch(struct store *store, struct work *work) {
    store->watched = work;
}

static enum status fold_now(struct store *store, bool merge, struct error *error) {
    work_step(store->work, "events folded", 0);
    enum status status = store_fold_all(store, error);
    if (merge) work_step(store->work, "events merged", 0);
    if (status == STATUS_OK && merge) status = store_compact_all(store, false, error);
    if (status == STATUS_OK) status = store_keys_compact(store, merge, error);
    if (status == STATUS_OK) store_checkpoint_if_due(store);
    return status;
}

static enum status rebuild_now(struct store *store, bool rewrite, struct error *error) {
    enum status status = store_fold_all(store, error);
    if (status == STATUS_OK) status = store_keys_from_runs(store, true, error);
    if (status == STATUS_OK) status = store_compact_all(store, rewrite, error);
    if (status == STATUS_OK) status = store_keys_compact(store, true, error);
    return status ? status : store_checkpoint_anew(store, error);
}

enum status store_fold(struct store *store, bool merge, struct error *error) {
    return with_role(store, fold_now, merge, error);
}

enum status store_rebuild(struct store *store, struct error *error) {
    return with_role(store, rebuild_now, true, error);
}

static void add_files(const struct manifest_file *files, uint32_t count, uint64_t *bytes,
                      uint64_t *items) {
    for (uint32_t i = 0; i < count; i++) {
        *bytes += files[i].bytes;
        *items += files[i].count;
    }
}

void store_stats(struct store *store, struct store_stats *out) {
    *out = (struct store_stats){0};
    uint64_t frames = 0;
    pthread_mutex_lock(&store->guard);
    const struct manifest *manifest = &store->manifest;
    for (uint32_t i = 0; i < manifest->run_count; i++) {
        out->event_count += manifest->runs[i].row_count;
        out->run_bytes += manifest->runs[i].bytes;
    }
    out->run_count = manifest->run_count;
    for (uint32_t i = 0; i < manifest->keys_count; i++) out->key_bytes += manifest->keys[i].bytes;
    out->key_bytes += manifest->superseded.bytes;
    out->key_file_count = manifest->keys_count;
    out->checkpoint_bytes = manifest->checkpoint.bytes;
    out->checkpoint_position = manifest->checkpoint.position;
    add_files(manifest->links, manifest->links_count, &out->links_bytes, &frames);
    add_files(manifest->quarantine, manifest->quarantine_count, &out->quarantine_bytes,
              &out->quarantined_row_count);
    out->quarantined_row_count += store->growing_rows + store->frozen_rows;
    uint64_t dropped = store->dropped_count;
    out->quarantined_row_count -=
        dropped < out->quarantined_row_count ? dropped : out->quarantined_row_count;
    out->tail_event_count =
        tail_count(store->growing) + (store->frozen ? tail_count(store->frozen) : 0);
    out->event_count += out->tail_event_count;
    out->first_position = manifest->position;
    out->position = tail_position(store->growing);
    pthread_mutex_unlock(&store->guard);
    struct buffer firsts;
    buffer_init(&firsts);
    size_t count;
    if (log_segments(store->fs, store->directory, &firsts, &count, &out->log_bytes, NULL))
        out->log_bytes = 0;
    buffer_release(&firsts);
}

static size_t add_positions(const struct tail *tail, uint64_t *positions) {
    uint32_t count = tail ? superseded_tail_count(tail_superseded(tail)) : 0;
    for (uint32_t i = 0; positions && i < count; i++)
        positions[i] = superseded_tail_at(tail_superseded(tail), i)->position;
    return count;
}

static int by_position(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* A row that was retracted and brought back, or retracted twice, has several rows here. */
enum status store_earlier_versions(struct store *store, uint64_t *count) {
    *count = 0;
    pthread_mutex_lock(&store->guard);
    size_t folded = store->superseded ? (size_t)store->superseded->count : 0;
    size_t growing = add_positions(store->growing, NULL);
    size_t all = folded + growing + add_positions(store->frozen, NULL);
    uint64_t *positions = all > 0 ? memory_alloc(all * sizeof *positions) : NULL;
    if (positions) {
        for (size_t i = 0; i < folded; i++) positions[i] = store->superseded->rows[i].position;
        add_positions(store->growing, positions + folded);
        add_positions(store->frozen, positions + folded + growing);
    }
    pthread_mutex_unlock(&store->guard);
    if (all == 0) return STATUS_OK;
    if (!positions) return STATUS_NO_MEMORY;
    qsort(positions, all, sizeof *positions, by_position);
    for (size_t i = 0; i < all; i++) *count += i == 0 || positions[i] != positions[i - 1];
    memory_free(positions);
    return STATUS_OK;
}

void store_close(struct store *store) {
    if (!store) return;
    if (store->has_thread) {
        pthread_mutex_lock(&store->guard);
        store->stopping = true;
        pthread_cond_broadcast(&store->changed);
        pthread_mutex_unlock(&store->guard);
        pthread_join(store->thread, NULL);
    }
    log_close(store->log);
    store_forget_seen(store);
    versions_release(&store->versions);
    for (uint32_t i = 0; i < store->manifest.run_count; i++) stored_run_dereference(store->runs[i]);
    for (uint32_t i = 0; i < store->manifest.keys_count; i++)
        stored_keys_dereference(store->keys[i]);
    superseded_dereference(store->superseded);
    tail_dereference(store->growing);
    tail_dereference(store->frozen);
    buffer_release(&store->symbol_bytes);
    buffer_release(&store->frame);
    memory_free(store->dropped);
    file_close(store->lock);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->guard);
    memory_free(store);
}
