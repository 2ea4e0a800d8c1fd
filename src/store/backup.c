/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "base/memory.h"
#include "store/side_file.h"
#include "store/store_internal.h"

/* The folders of the store, and those of the rooms above, which are copied where they exist. */
static const char *const own_folders[] = {"log", "runs", "links", "quarantine", "keys"};
static const char *const other_folders[] = {"lookups", "playbooks", "models"};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static enum status join(char out[FILE_PATH_MAX], const char *directory, const char *name,
                        struct error *error) {
    if (snprintf(out, FILE_PATH_MAX, "%s/%s", directory, name) < FILE_PATH_MAX) return STATUS_OK;
    return error_set(error, STATUS_LIMIT, "%s: the path is too long", directory);
}

static enum status copy_file(struct file_system *fs, const char *from, const char *to,
                             struct error *error) {
    struct file_mapping mapping;
    struct file *file = NULL;
    enum status status = file_map(fs, from, &mapping, error);
    if (status) return status;
    status = file_open(fs, to, FILE_CREATE_NEW, &file, error);
    if (status == STATUS_OK) status = file_write(file, mapping.at, mapping.length, error);
    if (status == STATUS_OK) status = file_sync(file, error);
    file_close(file);
    file_unmap(fs, &mapping);
    return status;
}

/* Links a file where the file system can, else copies it. Immutable files never change, so both
 * names stay good. */
static enum status link_or_copy(struct file_system *fs, const char *from, const char *to,
                                struct error *error) {
    enum status status = file_link(fs, from, to, error);
    return status == STATUS_INVALID ? copy_file(fs, from, to, error) : status;
}

/* What is copied where to. */
struct copying {
    struct store *store;
    const char *target;
    const char *earlier; /* an earlier copy, or NULL */
};

static bool same_size(struct file_system *fs, const char *one, const char *other) {
    struct file *file = NULL;
    uint64_t size[2] = {0, 1};
    const char *const path[2] = {one, other};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < 2 && status == STATUS_OK; i++) {
        status = file_open(fs, path[i], FILE_READ, &file, NULL);
        if (status == STATUS_OK) status = file_size(file, &size[i], NULL);
        file_close(file);
        file = NULL;
    }
    return status == STATUS_OK && size[0] == size[1];
}

/* A file that never changes, and that an earlier copy has, gets a second name. False: copy it. */
static bool link_earlier(const struct copying *copying, const char *folder, const char *name,
                         const char *from, const char *to) {
    char in_earlier[FILE_PATH_MAX], path[FILE_PATH_MAX];
    if (copying->earlier == NULL || join(in_earlier, copying->earlier, folder, NULL) != STATUS_OK ||
        join(path, in_earlier, name, NULL) != STATUS_OK)
        return false;
    struct file_system *fs = copying->store->fs;
    return same_size(fs, from, path) && file_link(fs, path, to, NULL) == STATUS_OK;
}

static enum status take(const struct copying *copying, const char *folder, const char *name,
                        bool changes, struct error *error) {
    struct store *store = copying->store;
    char from_folder[FILE_PATH_MAX], to_folder[FILE_PATH_MAX], from[FILE_PATH_MAX],
        to[FILE_PATH_MAX];
    enum status status = join(from_folder, store->directory, folder, error);
    if (status == STATUS_OK) status = join(to_folder, copying->target, folder, error);
    if (status == STATUS_OK) status = join(from, from_folder, name, error);
    if (status == STATUS_OK) status = join(to, to_folder, name, error);
    if (status) return status;
    if (changes) return copy_file(store->fs, from, to, error);
    return link_earlier(copying, folder, name, from, to) ? STATUS_OK
                                                         : link_or_copy(store->fs, from, to, error);
}

static enum status take_folder(const struct copying *copying, const char *folder, bool changes,
                               struct error *error) {
    struct store *store = copying->store;
    char path[FILE_PATH_MAX];
    struct buffer names;
    buffer_init(&names);
    size_t count = 0;
    enum status status = join(path, store->directory, folder, error);
    if (status == STATUS_OK) status = directory_list(store->fs, path, &names, &count, error);
    const char *name = names.at;
    for (size_t i = 0; status == STATUS_OK && i < count; i++, name += strlen(name) + 1)
        if (!text_ends_with(text_from(name), TEXT(".tmp")))
            status = take(copying, folder, name, changes, error);
    buffer_release(&names);
    return status;
}

static enum status make_target(struct store *store, const char *target, struct error *error) {
    char parent[FILE_PATH_MAX];
    struct buffer names;
    buffer_init(&names);
    size_t count = 0;
    struct error ignored;
    enum status status = directory_list(store->fs, target, &names, &count, &ignored);
    buffer_release(&names);
    if (status == STATUS_OK)
        return error_set(error, STATUS_EXISTS,
                         "%s: is there already: name a directory that does not exist", target);
    status = file_parent(target, parent, error);
    if (status == STATUS_OK) status = directory_make(store->fs, target, error);
    if (status == STATUS_OK) status = directory_sync(store->fs, parent, error);
    for (size_t i = 0; status == STATUS_OK && i < COUNT_OF(own_folders); i++) {
        char path[FILE_PATH_MAX];
        status = join(path, target, own_folders[i], error);
        if (status == STATUS_OK) status = directory_make(store->fs, path, error);
    }
    return status;
}

static enum status take_others(const struct copying *copying, struct error *error) {
    struct store *store = copying->store;
    const char *target = copying->target;
    for (size_t i = 0; i < COUNT_OF(other_folders); i++) {
        char from[FILE_PATH_MAX], to[FILE_PATH_MAX];
        struct buffer names;
        buffer_init(&names);
        size_t count = 0;
        struct error ignored;
        enum status status = join(from, store->directory, other_folders[i], error);
        if (status) return status;
        bool exists = directory_list(store->fs, from, &names, &count, &ignored) == STATUS_OK;
        buffer_release(&names);
        if (!exists) continue;
        status = join(to, target, other_folders[i], error);
        if (status == STATUS_OK) status = directory_make(store->fs, to, error);
        if (status == STATUS_OK) status = take_folder(copying, other_folders[i], true, error);
        if (status == STATUS_OK) status = directory_sync(store->fs, to, error);
        if (status) return status;
    }
    return STATUS_OK;
}

/* Copies the directory. Meanwhile nothing is folded or dropped (the caller has the role), and
 * nothing is appended (the applier is here). The manifest comes last: without it the target is no
 * data directory. */
static enum status backup(const struct copying *copying, struct error *error) {
    struct store *store = copying->store;
    const char *target = copying->target;
    enum status status = store->read_only ? STATUS_OK : log_sync(store->log, error);
    if (status == STATUS_OK) status = store_sweep(store, error);
    if (status == STATUS_OK) status = make_target(store, target, error);
    for (size_t i = 0; status == STATUS_OK && i < COUNT_OF(own_folders); i++) {
        char path[FILE_PATH_MAX];
        /* The log still grows: copied. */
        status = take_folder(copying, own_folders[i], i == 0, error);
        if (status == STATUS_OK) status = join(path, target, own_folders[i], error);
        if (status == STATUS_OK) status = directory_sync(store->fs, path, error);
    }
    if (status == STATUS_OK) status = take_others(copying, error);
    if (status == STATUS_OK) status = directory_sync(store->fs, target, error);
    return status ? status : manifest_store(&store->manifest, store->fs, target, error);
}

enum status store_backup(struct store *store, const char *target, const char *earlier,
                         struct error *error) {
    const struct copying copying = {store, target, earlier};
    enum status status = store_need_write(store, error);
    if (status) return status;
    store_role_take(store);
    status = backup(&copying, error);
    store_role_give(store);
    return status;
}
