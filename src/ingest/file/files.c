/* SPDX-License-Identifier: Apache-2.0 */
#include "base/input.h"
#include "base/memory.h"
#include "ingest/ingest.h"

void ingest_files_release(struct ingest_files *files) {
    buffer_release(&files->bytes);
    memory_free(files->paths);
    *files = (struct ingest_files){0};
}

static bool has_glob(struct text text) {
    return memchr(text.at, '*', text.length) != NULL || memchr(text.at, '?', text.length) != NULL;
}

/* Path after path, each 0-terminated; the pointers are set when all are there, since the buffer
 * moves. */
static enum status add_path(struct ingest_files *files, struct text folder, struct text name) {
    enum status status = STATUS_OK;
    if (folder.length > 0) {
        status = buffer_append_text(&files->bytes, folder);
        if (status == STATUS_OK && folder.at[folder.length - 1] != '/')
            status = buffer_append(&files->bytes, "/", 1);
    }
    if (status == STATUS_OK) status = buffer_append_text(&files->bytes, name);
    if (status == STATUS_OK) status = buffer_append(&files->bytes, "", 1);
    if (status == STATUS_OK) files->count++;
    return status;
}

static enum status set_pointers(struct ingest_files *files) {
    enum status status =
        memory_grow((void **)&files->paths, &files->capacity, files->count, sizeof *files->paths);
    if (status) return status;
    const char *at = files->bytes.at;
    for (size_t i = 0; i < files->count; i++) {
        files->paths[i] = at;
        at += strlen(at) + 1;
    }
    return STATUS_OK;
}

/* The same table twice, once compressed, would be read twice. */
static bool has_plain_twin(struct text name, const struct buffer *names) {
    if (!text_ends_with(name, TEXT(".gz"))) return false;
    name.length -= 3;
    for (size_t at = 0; at < names->length; at += strlen(names->at + at) + 1) {
        if (text_equal(text_from(names->at + at), name)) return true;
    }
    return false;
}

/* What a pattern matches and is no file. Reading a pipe would wait for its writer. */
enum no_file { IS_FILE, IS_FOLDER, IS_STREAM };

static enum status kind_of(struct file_system *fs, struct text folder, struct text name,
                           enum no_file *out) {
    struct buffer path, names;
    struct error ignored;
    size_t count = 0;
    buffer_init(&path);
    buffer_init(&names);
    *out = IS_FILE;
    enum status status = buffer_append_text(&path, folder.length > 0 ? folder : TEXT("."));
    if (status == STATUS_OK) status = buffer_append(&path, "/", 1);
    if (status == STATUS_OK) status = buffer_append_text(&path, name);
    if (status == STATUS_OK) status = buffer_append(&path, "", 1);
    if (status == STATUS_OK && fs == file_system_os() && input_is_stream(path.at))
        *out = IS_STREAM;
    else if (status == STATUS_OK &&
             fs->ops->list(fs, path.at, &names, &count, &ignored) == STATUS_OK)
        *out = IS_FOLDER;
    buffer_release(&names);
    buffer_release(&path);
    return status;
}

static enum status match_names(struct ingest_files *files, struct file_system *fs,
                               struct text folder, struct text pattern, struct error *error) {
    struct buffer names, path;
    size_t count = 0;
    buffer_init(&names);
    buffer_init(&path);
    enum status status = buffer_append_text(&path, folder.length > 0 ? folder : TEXT("."));
    if (status == STATUS_OK) status = buffer_append(&path, "", 1);
    if (status) error_set(error, status, "no memory to list files");
    if (status == STATUS_OK) status = fs->ops->list(fs, path.at, &names, &count, error);
    for (size_t at = 0; status == STATUS_OK && at < names.length; at += strlen(names.at + at) + 1) {
        struct text name = text_from(names.at + at);
        bool hidden = name.length > 0 && name.at[0] == '.' && pattern.at[0] != '.';
        enum no_file kind = IS_FILE;
        if (hidden || !text_matches_glob(name, pattern) || has_plain_twin(name, &names)) continue;
        if (has_glob(pattern)) status = kind_of(fs, folder, name, &kind);
        files->folders += kind == IS_FOLDER;
        files->streams += kind == IS_STREAM;
        if (status == STATUS_OK && kind == IS_FILE) status = add_path(files, folder, name);
        if (status) error_set(error, status, "no memory to list files");
    }
    buffer_release(&path);
    buffer_release(&names);
    return status;
}

/* "part/2024-*.csv": what stands before the last slash is a folder. */
static enum status expand(struct ingest_files *files, struct file_system *fs, struct text pattern,
                          const char *folder, struct error *error) {
    const char *slash = memrchr(pattern.at, '/', pattern.length);
    uint32_t head = slash ? (uint32_t)(slash - pattern.at) + 1 : 0;
    struct text name = {pattern.at + head, pattern.length - head}, inside = {pattern.at, head};
    struct buffer path;
    buffer_init(&path);
    enum status status = STATUS_OK;
    if (folder && folder[0] && pattern.at[0] != '/') {
        status = buffer_append_text(&path, text_from(folder));
        if (status == STATUS_OK) status = buffer_append(&path, "/", 1);
    }
    if (status == STATUS_OK) status = buffer_append_text(&path, inside);
    if (status) error_set(error, status, "no memory to list files");
    while (path.length > 1 && path.at[path.length - 1] == '/') path.length--;
    if (status == STATUS_OK && has_glob(inside)) {
        status = error_set(error, STATUS_INVALID,
                           "%.*s: only the last part of a path may have * or ?", TEXT_ARG(pattern));
    }
    if (status == STATUS_OK) status = match_names(files, fs, buffer_text(&path), name, error);
    buffer_release(&path);
    return status;
}

enum status ingest_files_find(struct ingest_files *files, struct file_system *fs,
                              struct text pattern, const char *folder, struct error *error) {
    if (fs == NULL) fs = file_system_os();
    buffer_clear(&files->bytes);
    files->count = files->folders = files->streams = 0;
    if (pattern.length == 0)
        return error_set(error, STATUS_INVALID, "no file pattern: the source names no file");
    enum status status;
    if (text_equal(pattern, TEXT("-"))) {
        status = add_path(files, (struct text){0}, pattern);
        if (status) error_set(error, status, "no memory to list files");
    } else {
        status = expand(files, fs, pattern, folder, error);
    }
    if (status) return status;
    if (files->count == 0) {
        return error_set(error, STATUS_NOT_FOUND, "no file matches %.*s in %s", TEXT_ARG(pattern),
                         folder && folder[0] ? folder : "the present folder");
    }
    status = set_pointers(files);
    return status ? error_set(error, status, "no memory to list files") : STATUS_OK;
}
