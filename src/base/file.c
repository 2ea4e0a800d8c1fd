/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <stdio.h>
#include "base/memory.h"

enum status file_open(struct file_system *fs, const char *path, enum file_mode mode,
                      struct file **out, struct error *error) {
    return fs->ops->open(fs, path, mode, out, error);
}
void file_close(struct file *file) {
    if (file) file->fs->ops->close(file);
}
enum status file_write(struct file *file, const void *bytes, size_t length, struct error *error) {
    return file->fs->ops->write(file, bytes, length, error);
}
enum status file_read_at(struct file *file, uint64_t offset, void *bytes, size_t length,
                         size_t *got, struct error *error) {
    return file->fs->ops->read_at(file, offset, bytes, length, got, error);
}
enum status file_size(struct file *file, uint64_t *length, struct error *error) {
    return file->fs->ops->size(file, length, error);
}
enum status file_truncate(struct file *file, uint64_t length, struct error *error) {
    return file->fs->ops->truncate(file, length, error);
}
enum status file_sync(struct file *file, struct error *error) {
    return file->fs->ops->sync(file, error);
}
enum status file_lock(struct file *file, struct error *error) {
    return file->fs->ops->lock(file, error);
}
enum status file_map(struct file_system *fs, const char *path, struct file_mapping *mapping,
                     struct error *error) {
    return fs->ops->map(fs, path, mapping, error);
}
enum status file_map_private(struct file_system *fs, const char *path, struct file_mapping *mapping,
                             struct error *error) {
    return fs->ops->map_private(fs, path, mapping, error);
}
enum status file_map_pieces(struct file_system *fs, const char *path,
                            const struct file_piece *pieces, size_t count,
                            struct file_mapping *mapping, struct error *error) {
    return fs->ops->map_pieces(fs, path, pieces, count, mapping, error);
}
enum status file_map_growing(struct file_system *fs, const char *path, uint64_t offset,
                             size_t length, struct file_mapping *mapping, struct error *error) {
    *mapping = (struct file_mapping){0};
    if (fs->ops->map_growing == NULL)
        return error_set(error, STATUS_INVALID, "%s: can't be mapped while it grows", path);
    return fs->ops->map_growing(fs, path, offset, length, mapping, error);
}
void file_page_out(struct file_system *fs, const struct file_mapping *mapping) {
    if (mapping->at) fs->ops->page_out(fs, mapping);
}
enum status file_detach(struct file_system *fs, struct file_mapping *mapping) {
    return mapping->at ? fs->ops->detach(fs, mapping) : STATUS_OK;
}
void file_unmap(struct file_system *fs, struct file_mapping *mapping) {
    fs->ops->unmap(fs, mapping);
}
enum status file_rename(struct file_system *fs, const char *from, const char *to,
                        struct error *error) {
    return fs->ops->rename(fs, from, to, error);
}
enum status file_link(struct file_system *fs, const char *from, const char *to,
                      struct error *error) {
    return fs->ops->link(fs, from, to, error);
}
enum status file_remove(struct file_system *fs, const char *path, struct error *error) {
    return fs->ops->remove(fs, path, error);
}
enum status file_free_bytes(struct file_system *fs, const char *path, uint64_t *bytes,
                            struct error *error) {
    return fs->ops->free_bytes(fs, path, bytes, error);
}
enum status directory_make(struct file_system *fs, const char *path, struct error *error) {
    return fs->ops->make_directory(fs, path, error);
}
enum status directory_sync(struct file_system *fs, const char *path, struct error *error) {
    return fs->ops->sync_directory(fs, path, error);
}
enum status directory_list(struct file_system *fs, const char *path, struct buffer *names,
                           size_t *count, struct error *error) {
    return fs->ops->list(fs, path, names, count, error);
}

enum status file_parent(const char *path, char out[FILE_PATH_MAX], struct error *error) {
    size_t length = strlen(path);
    if (length >= FILE_PATH_MAX)
        return error_set(error, STATUS_LIMIT, "a path may have at most %d bytes: use a shorter one",
                         FILE_PATH_MAX - 1);
    while (length > 1 && path[length - 1] == '/') length--;
    while (length > 0 && path[length - 1] != '/') length--;
    while (length > 1 && path[length - 1] == '/') length--;
    if (length == 0) {
        memcpy(out, ".", 2);
        return STATUS_OK;
    }
    memcpy(out, path, length);
    out[length] = 0;
    return STATUS_OK;
}

static enum status read_whole(struct file *file, const char *path, size_t max_bytes,
                              struct buffer *out, struct error *error) {
    uint64_t length = 0;
    enum status status = file_size(file, &length, error);
    if (status) return status;
    if (length > max_bytes)
        return error_set(error, STATUS_LIMIT, "%s: has %llu bytes, at most %zu are read", path,
                         (unsigned long long)length, max_bytes);
    if (buffer_reserve(out, (size_t)length + 1))
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to read it", path);
    size_t got = 0;
    status = file_read_at(file, 0, out->at + out->length, (size_t)length, &got, error);
    if (status) return status;
    out->length += got;
    out->at[out->length] = 0;
    return STATUS_OK;
}

enum status file_read_all(struct file_system *fs, const char *path, size_t max_bytes,
                          struct buffer *out, struct error *error) {
    struct file *file = NULL;
    enum status status = file_open(fs, path, FILE_READ, &file, error);
    if (status) return status;
    status = read_whole(file, path, max_bytes, out, error);
    file_close(file);
    return status;
}

static enum status write_synced(struct file_system *fs, const char *path, const void *bytes,
                                size_t length, struct error *error) {
    struct file *file = NULL;
    enum status status = file_open(fs, path, FILE_CREATE_NEW, &file, error);
    if (status) return status;
    status = file_write(file, bytes, length, error);
    if (status == STATUS_OK) status = file_sync(file, error);
    file_close(file);
    return status;
}

enum status file_replace(struct file_system *fs, const char *path, const void *bytes, size_t length,
                         struct error *error) {
    char temporary[FILE_PATH_MAX], parent[FILE_PATH_MAX];
    enum status status = file_parent(path, parent, error);
    if (status) return status;
    if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary))
        return error_set(error, STATUS_LIMIT, "a path may have at most %d bytes: use a shorter one",
                         FILE_PATH_MAX - 1);
    /* Remove what a killed process left under this name; otherwise the create would fail. */
    struct error why = {0};
    status = file_remove(fs, temporary, &why);
    if (status && status != STATUS_NOT_FOUND) return error_set(error, status, "%s", why.text);
    status = write_synced(fs, temporary, bytes, length, error);
    if (status == STATUS_OK) status = file_rename(fs, temporary, path, error);
    if (status) {
        struct error ignored;
        (void)!file_remove(fs, temporary, &ignored);
        return status;
    }
    return directory_sync(fs, parent, error);
}
