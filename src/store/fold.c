/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include "base/log_line.h"
#include "base/memory.h"
#include "store/checkpoint.h"
#include "store/edit.h"

#define SIDE_FILES_FOLDED 16u /* so many links or quarantine files become one with the next fold */

/* ---- the tail's rows as run_write wants them ---- */

static_assert(TAIL_NONE == RUN_NO_ROW, "a row's reference is its number");

static uint32_t newest_row(const void *context, uint32_t persona) {
    return tail_newest_reference(context, (struct persona_id){persona});
}

static uint32_t get_row(const void *context, uint32_t number, struct run_row *out) {
    const struct tail_row *row = tail_row_at(context, number);
    *out = (struct run_row){
        .time_ms = row->time_ms,
        .known_ms = row->known_ms,
        .position = tail_row_position(context, row),
        .key = row->key,
        .persona = row->persona,
        .type = row->type,
        .source = row->source,
        .channel = row->channel,
        .packed = tail_packed(row),
    };
    return row->previous;
}

static void prefetch_newest(const void *context, uint32_t persona) {
    tail_prefetch_newest(context, (struct persona_id){persona});
}

static void prefetch_row(const void *context, uint32_t number) {
    const struct tail_row *row = tail_row_at(context, number);
    __builtin_prefetch(row);
    __builtin_prefetch((const char *)(row + 1) - 1);
}

/* ---- folding ---- */

enum status store_fold_begin(struct store *store, struct error *error) {
    assert(store->frozen == NULL);
    enum status status = log_rotate(store->log, error);
    if (status) return status;
    struct tail *tail = NULL;
    struct version *blank = version_alloc();
    if (!blank || tail_create(&tail, log_end(store->log))) {
        memory_free(blank);
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to begin a fold",
                         store->directory);
    }
    pthread_mutex_lock(&store->guard);
    store->frozen = store->growing;
    store->frozen_end = log_end(store->log);
    store->frozen_rows = store->growing_rows;
    store->growing = tail;
    store->growing_rows = 0;
    store->retry_at = 0;
    store->fold_status = STATUS_OK;
    store_publish(store, blank);
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->guard);
    return STATUS_OK;
}

static enum status write_run(struct edit *edit, const struct run_rows *rows, uint64_t end,
                             struct error *error) {
    struct store *store = edit->store;
    uint64_t number = edit_number(edit);
    char path[FILE_PATH_MAX];
    uint32_t *customer = NULL, persona_count = 0;
    enum status status = edit_create(edit, "runs", number, "run", path, error);
    if (status == STATUS_OK) status = store_customers(store, end, &customer, &persona_count, error);
    if (status) return status;
    const struct run_target target = {store->fs, path, &edit->columns, store->symbols, store->work};
    struct run_info info;
    status = run_write(&target, rows, customer, persona_count, &info, error);
    memory_free(customer);
    if (status == STATUS_END) return STATUS_OK;
    if (status) return status;
    const struct manifest_run run = {number, 0, number, info.row_count, info.file_bytes};
    return edit_insert_run(edit, edit->next.run_count, &run, path, error);
}

static enum status fold_events(struct edit *edit, const struct tail *tail, uint64_t end,
                               struct error *error) {
    struct run_rows rows = {.count = tail_count(tail),
                            .persona_count = tail_persona_count(tail),
                            .newest = newest_row,
                            .get = get_row,
                            .context = tail,
                            .prefetch_newest = prefetch_newest,
                            .prefetch = prefetch_row};
    if (rows.count == 0) return STATUS_OK;
    uint32_t *personas = memory_alloc(rows.persona_count * sizeof *personas);
    if (personas == NULL)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to fold", edit->store->directory);
    tail_personas(tail, personas);
    rows.personas = personas;
    enum status status = write_run(edit, &rows, end, error);
    memory_free(personas);
    return status;
}

struct dropped_ids {
    uint64_t *ids;
    size_t count;
};

static bool row_was_dropped(void *context, const struct stored_row *row) {
    const struct dropped_ids *dropped = context;
    return store_row_is_dropped(dropped->ids, dropped->count, row->row_id);
}

/* Folds the side files. With dropped rows every quarantine file is written anew; otherwise old
 * files stay until they are many. */
static enum status fold_side(struct edit *edit, uint64_t from, uint64_t to, bool has_rows,
                             const struct dropped_ids *dropped, struct error *error) {
    struct side_filter filter = {.row = row_was_dropped, .context = (void *)(uintptr_t)dropped};
    uint32_t links = edit->next.links_count, rows = edit->next.quarantine_count;
    bool join_links = links >= SIDE_FILES_FOLDED,
         join_rows = rows >= SIDE_FILES_FOLDED || dropped->count > 0;
    const struct edit_side side_links = {
        STORED_LINKS, join_links ? 0 : links, join_links ? links : 0, from, to, NULL};
    const struct edit_side side_rows = {STORED_QUARANTINE,    join_rows ? 0 : rows,
                                        join_rows ? rows : 0, from,
                                        has_rows ? to : from, &filter};
    enum status status = edit_side(edit, &side_links, error);
    if (status || (!has_rows && !join_rows)) return status;
    return edit_side(edit, &side_rows, error);
}

static enum status copy_dropped(struct store *store, struct dropped_ids *out, struct error *error) {
    enum status status = STATUS_OK;
    pthread_mutex_lock(&store->guard);
    out->count = store->dropped_count;
    out->ids = memory_alloc(out->count * sizeof(*out->ids));
    if (out->ids && out->count) memcpy(out->ids, store->dropped, out->count * sizeof(*out->ids));
    if (!out->ids)
        status = error_set(error, STATUS_NO_MEMORY, "%s: no memory to fold", store->directory);
    pthread_mutex_unlock(&store->guard);
    return status;
}

/* Forgets the dropped rows that are gone from the files. Rows dropped meanwhile stay in the list,
 * and so do rows that are still in the log. */
static void forget_dropped(struct store *store, const struct dropped_ids *dropped, uint64_t end) {
    pthread_mutex_lock(&store->guard);
    size_t kept = 0;
    for (size_t i = 0; i < store->dropped_count; i++) {
        uint64_t id = store->dropped[i];
        bool in_log = id >> FRAME_ROW_ID_BITS >= end;
        if (in_log || !store_row_is_dropped(dropped->ids, dropped->count, id))
            store->dropped[kept++] = id;
    }
    store->dropped_count = kept;
    pthread_mutex_unlock(&store->guard);
}

static enum status fold_with(struct store *store, struct edit *edit,
                             const struct dropped_ids *dropped, struct error *error) {
    pthread_mutex_lock(&store->guard);
    struct tail *tail = store->frozen;
    uint64_t end = store->frozen_end;
    bool has_rows = store->frozen_rows > 0;
    pthread_mutex_unlock(&store->guard);
    enum status status = fold_events(edit, tail, end, error);
    if (status == STATUS_OK) status = store_keys_fold(edit, tail, error);
    if (status == STATUS_OK)
        status = fold_side(edit, store->manifest.position, end, has_rows, dropped, error);
    if (status) return status;
    edit->next.position = end;
    status = edit_commit(edit, true, error);
    if (status) return status;
    forget_dropped(store, dropped, end);
    return log_drop(store->log, end, error);
}

enum status store_fold_frozen(struct store *store, struct error *error) {
    if (!store->frozen) return STATUS_OK;
    struct dropped_ids dropped = {0};
    struct edit *edit = NULL;
    enum status status = edit_begin(&edit, store, error);
    if (status == STATUS_OK) status = copy_dropped(store, &dropped, error);
    if (status == STATUS_OK) status = fold_with(store, edit, &dropped, error);
    edit_end(edit);
    memory_free(dropped.ids);
    return status;
}

enum status store_fold_all(struct store *store, struct error *error) {
    enum status status = store_fold_frozen(store, error);
    if (status || log_end(store->log) == store->manifest.position) return status;
    status = store_fold_begin(store, error);
    return status ? status : store_fold_frozen(store, error);
}

/* One fold, and what follows from it. */
static enum status fold_once(struct store *store, struct error *error) {
    struct error merge_error = {0};
    enum status status = store_fold_frozen(store, error);
    if (status) {
        log_line(LOG_WARNING, "a fold failed and will be tried again: %s", error->text);
        return status;
    }
    if (store_compact_tiers(store, &merge_error))
        log_line(LOG_WARNING, "a merge of runs failed and will be tried again: %s",
                 merge_error.text);
    if (store_keys_compact(store, false, &merge_error))
        log_line(LOG_WARNING, "a merge of key files failed and will be tried again: %s",
                 merge_error.text);
    store_checkpoint_if_due(store);
    return STATUS_OK;
}

void *store_fold_thread(void *context) {
    struct store *store = context;
    pthread_mutex_lock(&store->guard);
    while (!store->stopping) {
        bool wanted = store->checkpoint_lost ||
                      (store->frozen && (store->fold_status == STATUS_OK || store->retry));
        if (store->busy || !wanted) {
            pthread_cond_wait(&store->changed, &store->guard);
            continue;
        }
        store->busy = true;
        store->retry = false;
        pthread_mutex_unlock(&store->guard);
        struct error error = {0};
        enum status status = fold_once(store, &error);
        pthread_mutex_lock(&store->guard);
        store->fold_status = status;
        store->fold_error = error;
        store->busy = false;
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->guard);
    return NULL;
}
