/* SPDX-License-Identifier: Apache-2.0 */
/* The store copies itself and the folders beside it; the secret is the engine's. */
#include <stdio.h>

#include "engine/engine_internal.h"

#define COPIED_BYTES_MAX ((size_t)64 << 20)
/* What the copy's server would miss: its keys (server/access), and the script that it hands to
 * browsers (server/take). */
static const char *const server_files[] = {"access.json", "script.js"};

static enum status copy_file(struct engine *engine, const char *from, const char *to,
                             struct error *error) {
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = file_read_all(engine->fs, from, COPIED_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK) status = file_replace(engine->fs, to, bytes.at, bytes.length, error);
    buffer_release(&bytes);
    return status;
}

static enum status copy_named(struct engine *engine, const char *name, const char *target,
                              struct error *error) {
    char from[PATH_BYTES_MAX], to[PATH_BYTES_MAX];
    enum status status = path_of(engine, from, "%s", name);
    if (status == STATUS_OK && snprintf(to, sizeof to, "%s/%s", target, name) >= (int)sizeof to)
        status = STATUS_LIMIT;
    return status == STATUS_OK ? copy_file(engine, from, to, error) : status;
}

/* A directory that no server has served has none. */
static enum status copy_server_files(struct engine *engine, const char *target,
                                     struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof server_files / sizeof *server_files && status == STATUS_OK; i++) {
        status = copy_named(engine, server_files[i], target, error);
        if (status == STATUS_NOT_FOUND) status = STATUS_OK;
    }
    return status;
}

/* Tells where half a copy is left: it has customers' data like a whole one. */
static void tell_of_half(struct engine *engine, const char *target, struct error *error) {
    struct buffer names;
    size_t count = 0;
    buffer_init(&names);
    bool is_there = directory_list(engine->fs, target, &names, &count, NULL) == STATUS_OK;
    buffer_release(&names);
    if (!is_there || error == NULL) return;
    size_t length = strlen(error->text);
    snprintf(error->text + length, sizeof error->text - length,
             "; delete %s, which holds a part of the copy", target);
}

struct backup_paths {
    const char *target, *earlier;
};

/* Names of files are only unique within one directory, and its secret tells it from others. */
static enum status check_earlier(struct engine *engine, const char *earlier, struct error *error) {
    char own[PATH_BYTES_MAX], path[PATH_BYTES_MAX];
    struct buffer bytes[2];
    buffer_init(&bytes[0]);
    buffer_init(&bytes[1]);
    enum status status = path_of(engine, own, "SALT");
    if (status == STATUS_OK && snprintf(path, sizeof path, "%s/SALT", earlier) >= (int)sizeof path)
        status = STATUS_LIMIT;
    if (status == STATUS_OK)
        status = file_read_all(engine->fs, own, COPIED_BYTES_MAX, &bytes[0], error);
    bool is_same =
        status == STATUS_OK &&
        file_read_all(engine->fs, path, COPIED_BYTES_MAX, &bytes[1], NULL) == STATUS_OK &&
        text_equal(buffer_text(&bytes[0]), buffer_text(&bytes[1]));
    buffer_release(&bytes[0]);
    buffer_release(&bytes[1]);
    if (status != STATUS_OK || is_same) return status;
    return error_set(error, STATUS_INVALID, "%s is no backup of this directory; leave out --since",
                     earlier);
}

/* The applier's: nothing is appended meanwhile. */
static enum status back_up(struct engine *engine, void *context, struct error *error) {
    const struct backup_paths *paths = context;
    const char *target = paths->target;
    enum status status =
        paths->earlier == NULL ? STATUS_OK : check_earlier(engine, paths->earlier, error);
    if (status != STATUS_OK) return status;
    status = store_backup(engine->store, target, paths->earlier, error);
    if (status == STATUS_OK) status = copy_server_files(engine, target, error);
    /* A copy without SALT is never opened, so this comes last. */
    if (status == STATUS_OK) status = copy_named(engine, "SALT", target, error);
    if (status != STATUS_OK && status != STATUS_EXISTS) tell_of_half(engine, target, error);
    return status;
}

enum status engine_backup(struct engine *engine, const char *target, const char *earlier,
                          struct error *error) {
    struct backup_paths paths = {target, earlier};
    return applier_call(engine->applier, back_up, &paths, error);
}
