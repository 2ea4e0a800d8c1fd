/* SPDX-License-Identifier: Apache-2.0 */
/* The store copies what changes; what lies beside it is immutable by content, so it can be copied file by file afterwards. */
#include <stdio.h>

#include "engine/private.h"

#define COPIED_BYTES_MAX ((size_t)4 << 30)

static enum status copy_file(struct engine *engine, const char *from, const char *to, struct error *error) {
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = file_read_all(engine->fs, from, COPIED_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK) status = file_replace(engine->fs, to, bytes.at, bytes.length, error);
    buffer_release(&bytes);
    return status;
}

static enum status copy_folder(struct engine *engine, const char *target, const char *folder, struct error *error) {
    char from[PATH_BYTES_MAX], to[PATH_BYTES_MAX];
    struct buffer names;
    size_t count = 0;
    buffer_init(&names);
    enum status status = path_of(engine, from, "%s", folder);
    if (status == STATUS_OK) status = engine->fs->ops->list(engine->fs, from, &names, &count, NULL);
    if (status == STATUS_NOT_FOUND) {
        buffer_release(&names);
        return STATUS_OK;
    }
    if (status == STATUS_OK && snprintf(to, sizeof to, "%s/%s", target, folder) >= (int)sizeof to) status = STATUS_LIMIT;
    if (status == STATUS_OK) status = engine->fs->ops->make_directory(engine->fs, to, error);
    const char *name = names.at;
    for (size_t i = 0; i < count && status == STATUS_OK; i++, name += strlen(name) + 1) {
        status = path_of(engine, from, "%s/%s", folder, name);
        if (status == STATUS_OK && snprintf(to, sizeof to, "%s/%s/%s", target, folder, name) >= (int)sizeof to) status = STATUS_LIMIT;
        if (status == STATUS_OK) status = copy_file(engine, from, to, error);
    }
    buffer_release(&names);
    return status;
}

enum status engine_backup(struct engine *engine, const char *target, struct error *error) {
    static const char *const folders[] = {"playbooks", "lookups", "models"};
    char from[PATH_BYTES_MAX], to[PATH_BYTES_MAX];
    enum status status = store_backup(engine->store, target, error);
    for (size_t i = 0; i < 3 && status == STATUS_OK; i++) status = copy_folder(engine, target, folders[i], error);
    if (status == STATUS_OK) status = path_of(engine, from, "SALT");
    if (status == STATUS_OK && snprintf(to, sizeof to, "%s/SALT", target) >= (int)sizeof to) status = STATUS_LIMIT;
    return status == STATUS_OK ? copy_file(engine, from, to, error) : status;
}
