/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "base/memory.h"
#include "store/checkpoint.h"
#include "store/keys/key_file.h"
#include "store/log/log.h"
#include "store/run/run.h"
#include "store/side_file.h"
#include "store/keys/superseded.h"

struct checking {
    struct file_system *fs;
    const char *directory;
    void (*report)(void *context, const char *path, const char *finding);
    void *context;
    struct symbols *symbols;
    struct event_batch batch;
    uint64_t finding_count;
};

static void found(struct checking *checking, const char *path, const char *finding) {
    checking->finding_count++;
    if (checking->report) checking->report(checking->context, path, finding);
}

static void forward(void *context, const char *path, const char *finding) {
    found(context, path, finding);
}

static void check_bytes(struct checking *checking, const char *path, uint64_t bytes,
                        uint64_t expected) {
    char text[128];
    if (bytes == expected) return;
    snprintf(text, sizeof(text), "has %llu bytes, the manifest says %llu",
             (unsigned long long)bytes, (unsigned long long)expected);
    found(checking, path, text);
}

static enum status check_frame(void *context, const struct frame_view *view, struct error *error) {
    struct checking *checking = context;
    event_batch_clear(&checking->batch);
    enum status status =
        view->symbols.length ? symbols_apply(checking->symbols, view->symbols) : STATUS_OK;
    if (status == STATUS_OK) status = frame_events(view, &checking->batch);
    struct text records = view->records, rows = view->rows, bytes;
    uint32_t record_count = 0, row_count = 0;
    uint8_t kind;
    struct stored_row row;
    if (status)
        return error_set(error, status, "position %llu: %s", (unsigned long long)view->position,
                         status_name(status));
    struct text changes = view->changes;
    struct key_change change;
    do {
        status = frame_next_change(&changes, &change);
    } while (status == STATUS_OK);
    if (status != STATUS_END)
        return error_set(error, STATUS_CORRUPT, "position %llu: changes of keys can't be read",
                         (unsigned long long)view->position);
    while ((status = frame_next_record(&records, &kind, &bytes)) == STATUS_OK) record_count++;
    if (status == STATUS_END)
        while ((status = frame_next_row(&rows, &row)) == STATUS_OK) row_count++;
    if (status == STATUS_END && record_count == view->record_count && row_count == view->row_count)
        return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "position %llu: records or rows can't be read",
                     (unsigned long long)view->position);
}

static enum status size_of(struct checking *checking, const char *path, uint64_t *bytes,
                           struct error *error) {
    struct file *file = NULL;
    enum status status = file_open(checking->fs, path, FILE_READ, &file, error);
    if (status == STATUS_OK) status = file_size(file, bytes, error);
    file_close(file);
    return status;
}

static void check_side(struct checking *checking, enum stored_kind kind,
                       const struct manifest_file *file) {
    char path[FILE_PATH_MAX];
    struct error error = {0};
    uint64_t bytes = 0;
    enum status status = stored_path(path, checking->directory, side_folder(kind), file->number,
                                     side_suffix(kind), &error);
    if (status == STATUS_OK) status = size_of(checking, path, &bytes, &error);
    if (status == STATUS_OK) check_bytes(checking, path, bytes, file->bytes);
    if (status == STATUS_OK)
        status =
            stored_visit(checking->fs, path, kind, file->number, check_frame, checking, &error);
    if (status) found(checking, path, error.text);
}

static void check_run(struct checking *checking, const struct manifest_run *run) {
    char path[FILE_PATH_MAX];
    struct error error = {0};
    uint64_t bytes = 0;
    enum status status = stored_path(path, checking->directory, "runs", run->number, "run", &error);
    if (status == STATUS_OK) status = size_of(checking, path, &bytes, &error);
    if (status) {
        found(checking, path, error.text);
        return;
    }
    check_bytes(checking, path, bytes, run->bytes);
    uint64_t before = checking->finding_count;
    status = run_check(checking->fs, path, checking->symbols, forward, checking, &error);
    if (status && checking->finding_count == before) found(checking, path, error.text);
}

static void check_keys(struct checking *checking, const struct manifest_keys *keys) {
    char path[FILE_PATH_MAX];
    struct error error = {0};
    uint64_t bytes = 0;
    enum status status =
        stored_path(path, checking->directory, "keys", keys->number, "keys", &error);
    if (status == STATUS_OK) status = size_of(checking, path, &bytes, &error);
    if (status) {
        found(checking, path, error.text);
        return;
    }
    check_bytes(checking, path, bytes, keys->bytes);
    uint64_t before = checking->finding_count;
    status = key_file_check(checking->fs, path, forward, checking, &error);
    if (status && checking->finding_count == before) found(checking, path, error.text);
}

static void check_superseded(struct checking *checking, const struct manifest_file *file) {
    char path[FILE_PATH_MAX];
    struct error error = {0};
    struct superseded *set = NULL;
    if (file->number == 0) return;
    enum status status =
        stored_path(path, checking->directory, "keys", file->number, "superseded", &error);
    if (status == STATUS_OK) status = superseded_open(&set, checking->fs, path, &error);
    if (status == STATUS_OK) check_bytes(checking, path, set->mapping.length, file->bytes);
    superseded_dereference(set);
    if (status) found(checking, path, error.text);
}

/* What the other room's sections say is checked by whoever opens it. */
static void check_checkpoint(struct checking *checking, const struct manifest_checkpoint *named) {
    char path[FILE_PATH_MAX], text[256];
    struct error error = {0};
    struct image image;
    if (named->number == 0) return;
    enum status status =
        stored_path(path, checking->directory, "links", named->number, "checkpoint", &error);
    if (status == STATUS_OK) status = image_open(&image, checking->fs, path, &error);
    if (status == STATUS_OK) {
        check_bytes(checking, path, image.mapping.length, named->bytes);
        status = store_checkpoint_visit(store_checkpoint_frames(&image), NULL, NULL, &error);
        image_close(&image);
    }
    if (status == STATUS_OK) return;
    const char *what = status == STATUS_NOT_FOUND ? "is missing"
                       : status == STATUS_VERSION ? "has another format"
                                                  : "is damaged or cut";
    snprintf(text, sizeof(text), "%s; nothing is lost: attune rebuild makes it anew", what);
    found(checking, path, text);
}

static void check_log(struct checking *checking, uint64_t from) {
    char path[FILE_PATH_MAX];
    struct error error = {0};
    struct buffer firsts;
    buffer_init(&firsts);
    size_t count = 0;
    snprintf(path, sizeof(path), "%s/log", checking->directory);
    enum status status =
        log_segments(checking->fs, checking->directory, &firsts, &count, NULL, &error);
    const uint64_t *first = (const uint64_t *)(const void *)firsts.at;
    uint64_t last = status == STATUS_OK && count ? first[count - 1] : 0;
    if (status == STATUS_OK && count && last >= from) {
        status =
            log_visit(checking->fs, checking->directory, from, last, check_frame, checking, &error);
        struct file_mapping mapping;
        if (status == STATUS_OK)
            status = stored_path(path, checking->directory, "log", last, "log", &error);
        if (status == STATUS_OK) status = file_map(checking->fs, path, &mapping, &error);
        if (status == STATUS_OK) {
            uint64_t end, durable;
            size_t good;
            status = log_visit_bytes(mapping.at, mapping.length, path, last, from, check_frame,
                                     checking, &end, &good, &durable, &error);
            file_unmap(checking->fs, &mapping);
        }
    }
    if (status) found(checking, path, error.text);
    buffer_release(&firsts);
}

enum status store_check(struct file_system *fs, const char *directory,
                        void (*report)(void *context, const char *path, const char *finding),
                        void *context, struct error *error) {
    struct checking checking = {.fs = fs ? fs : file_system_os(),
                                .directory = directory,
                                .report = report,
                                .context = context};
    struct manifest *manifest = memory_alloc(sizeof(*manifest));
    if (!manifest || symbols_create(&checking.symbols)) {
        memory_free(manifest);
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to check it", directory);
    }
    event_batch_init(&checking.batch);
    enum status status = manifest_load(manifest, checking.fs, directory, error);
    if (status == STATUS_CORRUPT || status == STATUS_VERSION)
        found(&checking, directory, error ? error->text : "");
    if (status == STATUS_OK) {
        for (uint32_t i = 0; i < manifest->links_count; i++)
            check_side(&checking, STORED_LINKS, &manifest->links[i]);
        for (uint32_t i = 0; i < manifest->run_count; i++) check_run(&checking, &manifest->runs[i]);
        for (uint32_t i = 0; i < manifest->quarantine_count; i++)
            check_side(&checking, STORED_QUARANTINE, &manifest->quarantine[i]);
        for (uint32_t i = 0; i < manifest->keys_count; i++)
            check_keys(&checking, &manifest->keys[i]);
        check_superseded(&checking, &manifest->superseded);
        check_checkpoint(&checking, &manifest->checkpoint);
        check_log(&checking, manifest->position);
    }
    event_batch_release(&checking.batch);
    symbols_destroy(checking.symbols);
    memory_free(manifest);
    if (status || checking.finding_count == 0) return status;
    return error_set(error, STATUS_CORRUPT,
                     "%s: %llu findings: restore the files named from a backup", directory,
                     (unsigned long long)checking.finding_count);
}
