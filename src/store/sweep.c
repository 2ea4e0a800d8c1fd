/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "store/side_file.h"
#include "store/store_internal.h"

static bool is_named(const struct manifest *manifest, const char *folder, const char *suffix,
                     uint64_t number) {
    if (strcmp(folder, "runs") == 0) {
        for (uint32_t i = 0; i < manifest->run_count; i++)
            if (manifest->runs[i].number == number) return true;
        return false;
    }
    if (strcmp(suffix, "checkpoint") == 0) return manifest->checkpoint.number == number;
    if (strcmp(suffix, "superseded") == 0) return manifest->superseded.number == number;
    if (strcmp(suffix, "keys") == 0) {
        for (uint32_t i = 0; i < manifest->keys_count; i++)
            if (manifest->keys[i].number == number) return true;
        return false;
    }
    bool links = strcmp(folder, "links") == 0;
    const struct manifest_file *files = links ? manifest->links : manifest->quarantine;
    uint32_t count = links ? manifest->links_count : manifest->quarantine_count;
    for (uint32_t i = 0; i < count; i++)
        if (files[i].number == number) return true;
    return false;
}

static bool is_left_over(const struct manifest *manifest, const char *folder, const char *suffix,
                         const char *name) {
    uint64_t number;
    if (text_ends_with(text_from(name), TEXT(".tmp"))) return true;
    return strcmp(folder, "log") != 0 && stored_number(name, suffix, &number) &&
           !is_named(manifest, folder, suffix, number);
}

static enum status sweep_folder(struct store *store, const char *folder, const char *suffix,
                                struct error *error) {
    char path[FILE_PATH_MAX], file[FILE_PATH_MAX];
    struct buffer names;
    buffer_init(&names);
    size_t count = 0, removed = 0;
    if (snprintf(path, sizeof(path), "%s/%s", store->directory, folder) >= (int)sizeof(path))
        return error_set(error, STATUS_LIMIT, "%s: the path is too long", store->directory);
    enum status status = directory_list(store->fs, path, &names, &count, error);
    const char *name = names.at;
    for (size_t i = 0; status == STATUS_OK && i < count; i++, name += strlen(name) + 1) {
        if (!is_left_over(&store->manifest, folder, suffix, name)) continue;
        if (snprintf(file, sizeof(file), "%s/%s", path, name) >= (int)sizeof(file)) continue;
        status = file_remove(store->fs, file, error);
        if (status == STATUS_NOT_FOUND) status = STATUS_OK;
        removed++;
    }
    buffer_release(&names);
    if (status || removed == 0) return status;
    return directory_sync(store->fs, path, error);
}

enum status store_sweep(struct store *store, struct error *error) {
    enum status status = STATUS_OK;
    if (store->manifest_unsure)
        status = manifest_store(&store->manifest, store->fs, store->directory, error);
    if (status) return status;
    store->manifest_unsure = false;
    status = sweep_folder(store, "runs", "run", error);
    if (status == STATUS_OK) status = sweep_folder(store, "links", "links", error);
    if (status == STATUS_OK) status = sweep_folder(store, "links", "checkpoint", error);
    if (status == STATUS_OK) status = sweep_folder(store, "quarantine", "rows", error);
    if (status == STATUS_OK) status = sweep_folder(store, "keys", "keys", error);
    if (status == STATUS_OK) status = sweep_folder(store, "keys", "superseded", error);
    return status ? status : sweep_folder(store, "log", "log", error);
}
