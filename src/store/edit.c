/* SPDX-License-Identifier: Apache-2.0 */
#include "store/edit.h"

#include <stdio.h>
#include "base/log_line.h"
#include "base/memory.h"

enum status edit_begin(struct edit **out, struct store *store, struct error *error) {
    struct edit *edit = memory_calloc(1, sizeof(*edit));
    *out = edit;
    if (!edit)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to change the data directory",
                         store->directory);
    edit->store = store;
    buffer_init(&edit->created);
    buffer_init(&edit->obsolete);
    pthread_mutex_lock(&store->guard);
    edit->columns = store->columns;
    pthread_mutex_unlock(&store->guard);
    edit->next = store->manifest;
    memcpy(edit->runs, store->runs, sizeof(edit->runs));
    memcpy(edit->keys, store->keys, sizeof(edit->keys));
    edit->superseded = store->superseded;
    return STATUS_OK;
}

static void remove_paths(struct store *store, const struct buffer *paths, bool warn) {
    const char *path = paths->at;
    for (size_t at = 0; at < paths->length; at += strlen(path) + 1) {
        path = paths->at + at;
        struct error error;
        enum status status = file_remove(store->fs, path, &error);
        if (warn && status && status != STATUS_NOT_FOUND) log_line(LOG_WARNING, "%s", error.text);
    }
}

void edit_end(struct edit *edit) {
    if (!edit) return;
    for (uint32_t i = 0; i < edit->opened_count; i++) stored_run_dereference(edit->opened[i]);
    for (uint32_t i = 0; i < edit->opened_keys_count; i++)
        stored_keys_dereference(edit->opened_keys[i]);
    superseded_dereference(edit->opened_superseded);
    remove_paths(edit->store, &edit->created, false);
    buffer_release(&edit->created);
    buffer_release(&edit->obsolete);
    memory_free(edit);
}

uint64_t edit_number(struct edit *edit) {
    edit->next.next_number = edit->store->manifest.next_number + 1;
    return edit->store->manifest.next_number++;
}

static enum status remember(struct buffer *paths, const char *path, struct error *error) {
    if (buffer_append(paths, path, strlen(path) + 1) == STATUS_OK) return STATUS_OK;
    return error_set(error, STATUS_NO_MEMORY, "%s: no memory to write it", path);
}

enum status edit_create(struct edit *edit, const char *folder, uint64_t number, const char *suffix,
                        char path[FILE_PATH_MAX], struct error *error) {
    enum status status = work_check(edit->store->work, error);
    if (status == STATUS_OK)
        status = stored_path(path, edit->store->directory, folder, number, suffix, error);
    return status ? status : remember(&edit->created, path, error);
}

enum status edit_obsolete(struct edit *edit, const char *folder, uint64_t number,
                          const char *suffix, struct error *error) {
    char path[FILE_PATH_MAX];
    enum status status = stored_path(path, edit->store->directory, folder, number, suffix, error);
    return status ? status : remember(&edit->obsolete, path, error);
}

enum status edit_insert_run(struct edit *edit, uint32_t index, const struct manifest_run *run,
                            const char *path, struct error *error) {
    struct manifest *next = &edit->next;
    if (next->run_count == MANIFEST_RUNS_MAX || edit->opened_count == MANIFEST_RUNS_MAX)
        return error_set(error, STATUS_LIMIT,
                         "%s: a data directory may have %d runs: raise the events of a fold", path,
                         MANIFEST_RUNS_MAX);
    struct run *opened = NULL;
    struct stored_run *stored = NULL;
    enum status status = run_open(&opened, edit->store->fs, path, error);
    if (status) return status;
    run_use_symbols(opened, edit->store->symbols);
    if (stored_run_create(&stored, opened, run->number))
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", path);
    edit->opened[edit->opened_count++] = stored;
    uint32_t after = next->run_count - index;
    memmove(&next->runs[index + 1], &next->runs[index], after * sizeof(next->runs[0]));
    memmove(&edit->runs[index + 1], &edit->runs[index], after * sizeof(edit->runs[0]));
    next->runs[index] = *run;
    edit->runs[index] = stored;
    next->run_count++;
    return STATUS_OK;
}

enum status edit_remove_run(struct edit *edit, uint32_t index, struct error *error) {
    struct manifest *next = &edit->next;
    enum status status = edit_obsolete(edit, "runs", next->runs[index].number, "run", error);
    if (status) return status;
    next->run_count--;
    uint32_t after = next->run_count - index;
    memmove(&next->runs[index], &next->runs[index + 1], after * sizeof(next->runs[0]));
    memmove(&edit->runs[index], &edit->runs[index + 1], after * sizeof(edit->runs[0]));
    edit->runs[next->run_count] = NULL;
    return STATUS_OK;
}

enum status edit_insert_keys(struct edit *edit, uint32_t index, const struct manifest_keys *keys,
                             const char *path, struct error *error) {
    struct manifest *next = &edit->next;
    if (next->keys_count == MANIFEST_KEYS_MAX || edit->opened_keys_count == MANIFEST_KEYS_MAX)
        return error_set(error, STATUS_LIMIT,
                         "%s: a data directory may have %d key files: attune rebuild merges them",
                         path, MANIFEST_KEYS_MAX);
    struct key_file *opened = NULL;
    struct stored_keys *stored = NULL;
    enum status status = key_file_open(&opened, edit->store->fs, path, error);
    if (status) return status;
    if (stored_keys_create(&stored, opened, keys->number))
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", path);
    edit->opened_keys[edit->opened_keys_count++] = stored;
    uint32_t after = next->keys_count - index;
    memmove(&next->keys[index + 1], &next->keys[index], after * sizeof(next->keys[0]));
    memmove(&edit->keys[index + 1], &edit->keys[index], after * sizeof(edit->keys[0]));
    next->keys[index] = *keys;
    edit->keys[index] = stored;
    next->keys_count++;
    return STATUS_OK;
}

enum status edit_remove_keys(struct edit *edit, uint32_t index, struct error *error) {
    struct manifest *next = &edit->next;
    enum status status = edit_obsolete(edit, "keys", next->keys[index].number, "keys", error);
    if (status) return status;
    next->keys_count--;
    uint32_t after = next->keys_count - index;
    memmove(&next->keys[index], &next->keys[index + 1], after * sizeof(next->keys[0]));
    memmove(&edit->keys[index], &edit->keys[index + 1], after * sizeof(edit->keys[0]));
    edit->keys[next->keys_count] = NULL;
    return STATUS_OK;
}

enum status edit_supersede(struct edit *edit, struct superseded_row *rows, uint64_t count,
                           struct error *error) {
    char path[FILE_PATH_MAX];
    uint64_t bytes = 0, number = edit_number(edit), before = edit->next.superseded.number;
    struct superseded *opened = NULL;
    enum status status = STATUS_OK;
    if (before) status = edit_obsolete(edit, "keys", before, "superseded", error);
    if (status == STATUS_OK && count)
        status = edit_create(edit, "keys", number, "superseded", path, error);
    if (status == STATUS_OK && count)
        status = superseded_write(edit->store->fs, path, rows, count, &bytes, error);
    if (status == STATUS_OK && count)
        status = superseded_open(&opened, edit->store->fs, path, error);
    if (status) return status;
    superseded_dereference(edit->opened_superseded);
    edit->opened_superseded = edit->superseded = opened;
    edit->next.superseded = (struct manifest_file){count ? number : 0, count, bytes};
    return STATUS_OK;
}

static enum status copy_side(struct edit *edit, const struct edit_side *what,
                             const struct manifest_file *files, struct side_writer *side,
                             struct error *error) {
    struct store *store = edit->store;
    enum status status = STATUS_OK;
    for (uint32_t i = what->from; status == STATUS_OK && i < what->from + what->count; i++) {
        char path[FILE_PATH_MAX];
        status = stored_path(path, store->directory, side_folder(what->kind), files[i].number,
                             side_suffix(what->kind), error);
        if (status == STATUS_OK)
            status =
                stored_visit(store->fs, path, what->kind, files[i].number, side_add, side, error);
        if (status == STATUS_OK)
            status = edit_obsolete(edit, side_folder(what->kind), files[i].number,
                                   side_suffix(what->kind), error);
    }
    if (status) return status;
    return log_visit(store->fs, store->directory, what->log_from, what->log_to, side_add, side,
                     error);
}

enum status edit_side(struct edit *edit, const struct edit_side *what, struct error *error) {
    bool links = what->kind == STORED_LINKS;
    struct manifest_file *files = links ? edit->next.links : edit->next.quarantine;
    uint32_t *count = links ? &edit->next.links_count : &edit->next.quarantine_count;
    char path[FILE_PATH_MAX];
    uint64_t number = edit_number(edit);
    struct side_writer side = {0};
    struct manifest_file file;
    bool written = false;
    enum status status =
        edit_create(edit, side_folder(what->kind), number, side_suffix(what->kind), path, error);
    if (status) return status;
    status = side_open(&side, edit->store->fs, edit->store->directory, what->kind, number,
                       what->filter, error);
    if (status == STATUS_OK) status = copy_side(edit, what, files, &side, error);
    if (status == STATUS_OK) status = side_finish(&side, &file, &written, error);
    side_close(&side);
    if (status) return status;
    uint32_t after = *count - what->from - what->count;
    uint32_t kept = what->from + (written ? 1 : 0);
    if (kept + after > MANIFEST_FILES_MAX)
        return error_set(error, STATUS_LIMIT, "%s: a data directory may have %d files of this kind",
                         path, MANIFEST_FILES_MAX);
    memmove(&files[kept], &files[what->from + what->count], after * sizeof(*files));
    if (written) files[what->from] = file;
    *count = kept + after;
    return STATUS_OK;
}

static enum status sync_folders(struct store *store, struct error *error) {
    static const char *const folders[] = {"runs", "links", "quarantine", "keys"};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof(folders) / sizeof(*folders); i++) {
        char path[FILE_PATH_MAX];
        if (snprintf(path, sizeof(path), "%s/%s", store->directory, folders[i]) >=
            (int)sizeof(path))
            return error_set(error, STATUS_LIMIT, "%s: the path is too long", store->directory);
        status = directory_sync(store->fs, path, error);
    }
    return status;
}

/* Puts the edit's lists in force. The caller dereferences the files that are gone, outside of the
 * guard. */
static void take_over(struct edit *edit, bool folded, struct version *blank) {
    struct store *store = edit->store;
    struct tail *done = NULL;
    pthread_mutex_lock(&store->guard);
    store->manifest = edit->next;
    memcpy(store->runs, edit->runs, sizeof(store->runs));
    memcpy(store->keys, edit->keys, sizeof(store->keys));
    store->superseded = edit->superseded;
    if (folded) {
        done = store->frozen;
        store->frozen = NULL;
        store->frozen_rows = 0;
    }
    store_publish(store, blank);
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->guard);
    tail_dereference(done);
}

static bool is_listed(const struct edit *edit, const struct stored_run *run) {
    for (uint32_t i = 0; i < edit->next.run_count; i++)
        if (edit->runs[i] == run) return true;
    return false;
}

static bool lists_keys(const struct edit *edit, const struct stored_keys *keys) {
    for (uint32_t i = 0; i < edit->next.keys_count; i++)
        if (edit->keys[i] == keys) return true;
    return false;
}

/* The files that the store had before and that the edit does not list. */
struct left_behind {
    struct stored_run *runs[MANIFEST_RUNS_MAX];
    struct stored_keys *keys[MANIFEST_KEYS_MAX];
    struct superseded *superseded;
    uint32_t run_count, keys_count;
};

static void find_left_behind(const struct edit *edit, struct left_behind *out) {
    const struct store *store = edit->store;
    *out = (struct left_behind){0};
    for (uint32_t i = 0; i < store->manifest.run_count; i++)
        if (!is_listed(edit, store->runs[i])) out->runs[out->run_count++] = store->runs[i];
    for (uint32_t i = 0; i < store->manifest.keys_count; i++)
        if (!lists_keys(edit, store->keys[i])) out->keys[out->keys_count++] = store->keys[i];
    if (edit->superseded != store->superseded) out->superseded = store->superseded;
}

enum status edit_commit(struct edit *edit, bool folded, struct error *error) {
    struct store *store = edit->store;
    enum status status = work_check(store->work, error); /* the last chance */
    if (status == STATUS_OK) status = sync_folders(store, error);
    if (status) return status;
    struct version *blank = version_alloc();
    if (!blank)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory for a new version",
                         store->directory);
    status = manifest_store(&edit->next, store->fs, store->directory, error);
    buffer_clear(&edit->created); /* from here on the manifest on the disk may name them */
    store->manifest_unsure = status != STATUS_OK;
    if (status) {
        memory_free(blank);
        return status;
    }
    struct left_behind left;
    find_left_behind(edit, &left);
    take_over(edit, folded, blank);
    /* The store owns their references now. */
    edit->opened_count = edit->opened_keys_count = 0;
    edit->opened_superseded = NULL;
    for (uint32_t i = 0; i < left.run_count; i++) stored_run_dereference(left.runs[i]);
    for (uint32_t i = 0; i < left.keys_count; i++) stored_keys_dereference(left.keys[i]);
    superseded_dereference(left.superseded);
    remove_paths(store, &edit->obsolete, true);
    return STATUS_OK;
}
