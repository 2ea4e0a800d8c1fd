/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include "base/memory.h"
#include "store/side_file.h"
#include "store/store_internal.h"

static int compare_ids(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

bool store_row_is_dropped(const uint64_t *dropped, size_t count, uint64_t row_id) {
    return count > 0 && bsearch(&row_id, dropped, count, sizeof(*dropped), compare_ids) != NULL;
}

enum status store_dropped_add(struct store *store, const uint64_t *row_ids, size_t count) {
    enum status status = memory_grow((void **)&store->dropped, &store->dropped_capacity,
                                     store->dropped_count + count, sizeof(*store->dropped));
    if (status || count == 0) return status;
    memcpy(store->dropped + store->dropped_count, row_ids, count * sizeof(*row_ids));
    store->dropped_count += count;
    qsort(store->dropped, store->dropped_count, sizeof(*store->dropped), compare_ids);
    size_t kept = 1;
    for (size_t i = 1; i < store->dropped_count; i++)
        if (store->dropped[i] != store->dropped[kept - 1])
            store->dropped[kept++] = store->dropped[i];
    store->dropped_count = kept;
    return STATUS_OK;
}

struct visiting {
    bool (*visit)(void *context, const struct stored_row *row);
    void *context;
    const uint64_t *dropped;
    size_t dropped_count;
};

static enum status visit_frame(void *context, const struct frame_view *view, struct error *error) {
    struct visiting *visiting = context;
    struct text left = view->rows;
    struct stored_row row;
    uint64_t index = 0;
    enum status status;
    for (; (status = frame_next_row(&left, &row)) == STATUS_OK; index++) {
        row.row_id = view->position << FRAME_ROW_ID_BITS | index;
        bool gone = row.column == SIDE_ROW_DROPPED ||
                    store_row_is_dropped(visiting->dropped, visiting->dropped_count, row.row_id);
        if (!gone && !visiting->visit(visiting->context, &row)) return STATUS_CANCELLED;
    }
    if (status == STATUS_END) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "the quarantined rows at position %llu can't be read",
                     (unsigned long long)view->position);
}

static enum status visit_all(struct store *store, struct visiting *visiting, uint64_t end,
                             struct error *error) {
    const struct manifest *manifest = &store->manifest;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < manifest->quarantine_count; i++) {
        char path[FILE_PATH_MAX];
        uint64_t number = manifest->quarantine[i].number;
        status = stored_path(path, store->directory, "quarantine", number, "rows", error);
        if (status == STATUS_OK)
            status = stored_visit(store->fs, path, STORED_QUARANTINE, number, visit_frame, visiting,
                                  error);
    }
    if (status) return status;
    return log_visit(store->fs, store->directory, manifest->position, end, visit_frame, visiting,
                     error);
}

enum status store_visit_rows(struct store *store,
                             bool (*visit)(void *context, const struct stored_row *row),
                             void *context, struct error *error) {
    struct visiting visiting = {.visit = visit, .context = context};
    store_role_take(store);
    pthread_mutex_lock(&store->guard);
    uint64_t end = tail_position(store->growing);
    bool in_log = store->growing_rows + store->frozen_rows > 0;
    visiting.dropped_count = store->dropped_count;
    uint64_t *dropped = memory_alloc(store->dropped_count * sizeof(*dropped));
    if (dropped && store->dropped_count)
        memcpy(dropped, store->dropped, store->dropped_count * sizeof(*dropped));
    pthread_mutex_unlock(&store->guard);
    visiting.dropped = dropped;
    enum status status = STATUS_OK;
    if (!dropped)
        status = error_set(error, STATUS_NO_MEMORY, "%s: no memory to read rows", store->directory);
    if (status == STATUS_OK)
        status = visit_all(store, &visiting, in_log ? end : store->manifest.position, error);
    store_role_give(store);
    memory_free(dropped);
    return status == STATUS_CANCELLED ? STATUS_OK : status;
}

#define RECORDS_BESIDE_MAX 7

enum status store_append_dropping(struct store *store, const struct store_frame *frame,
                                  const uint64_t *row_ids, size_t count, uint64_t *position,
                                  struct error *error) {
    if (count > STORE_FRAME_BYTES_MAX / 16)
        return error_set(error, STATUS_LIMIT, "at most %u rows can be dropped at once",
                         STORE_FRAME_BYTES_MAX / 16);
    assert(frame->record_count <= RECORDS_BESIDE_MAX);
    /* Make room to remember them first, so that nothing can be forgotten here that the log has. */
    pthread_mutex_lock(&store->guard);
    enum status status = memory_grow((void **)&store->dropped, &store->dropped_capacity,
                                     store->dropped_count + count, sizeof(*store->dropped));
    pthread_mutex_unlock(&store->guard);
    if (status) return error_set(error, status, "%s: no memory to drop rows", store->directory);
    struct store_record records[RECORDS_BESIDE_MAX + 1];
    for (size_t i = 0; i < frame->record_count; i++) records[i] = frame->records[i];
    records[frame->record_count] =
        (struct store_record){(enum record_kind)RECORD_ROWS_DROPPED,
                              {(const char *)row_ids, (uint32_t)(count * sizeof(*row_ids))}};
    struct store_frame with = *frame;
    with.records = records;
    with.record_count = frame->record_count + 1;
    status = store_write(store, &with, true, position, error);
    if (status) return status;
    /* The fold that drops the record from the log must know the ids, so it may not begin before
     * they are here. */
    pthread_mutex_lock(&store->guard);
    status = store_dropped_add(store, row_ids, count);
    pthread_mutex_unlock(&store->guard);
    store_fold_if_large(store);
    return status;
}

enum status store_drop_rows(struct store *store, const uint64_t *row_ids, size_t count,
                            struct error *error) {
    uint64_t position;
    return count == 0 ? STATUS_OK
                      : store_append_dropping(store, &(struct store_frame){0}, row_ids, count,
                                              &position, error);
}
