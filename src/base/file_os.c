/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/memory.h"

/* The files hold customers' data: only their owner may read them, unless the owner allows more. */
#define FILE_PERMISSIONS      0600
#define DIRECTORY_PERMISSIONS 0700
/* Written at once. The page cache takes its memory in blocks as large as a write, and large blocks
 * are fresh ones: on a virtual machine writes of 16 MB cost 4 to 12 times the CPU of these. */
#define WRITE_BYTES ((size_t)512 << 10)

struct os_file {
    struct file file;
    int descriptor;
    /* A sync has failed. The kernel may have dropped the pages, and would call the next sync a
     * success. */
    bool failed;
    char path[];
};

static const char *remedy(int error_number) {
    switch (error_number) {
    case ENOSPC:
    case EDQUOT: return "free space on that disk, or move the data directory to a larger one";
    case EROFS:
    case EACCES:
    case EPERM: return "make it readable and writable for the user who runs this program";
    case EMFILE:
    case ENFILE: return "raise the limit of open files (ulimit -n)";
    case EIO: return "the disk is failing: check it, and restore from a backup";
    default: return NULL;
    }
}

static enum status os_error(struct error *error, int error_number, const char *path,
                            const char *what) {
    enum status status = error_set_errno(error, error_number, "%s: cannot %s", path, what);
    const char *advice = remedy(error_number);
    if (!error || !advice) return status;
    size_t length = strlen(error->text);
    snprintf(error->text + length, sizeof(error->text) - length, "; %s", advice);
    return status;
}

static enum status no_memory(struct error *error, const char *path) {
    return error_set(error, STATUS_NO_MEMORY, "%s: no memory", path);
}

static enum status os_open(struct file_system *fs, const char *path, enum file_mode mode,
                           struct file **out, struct error *error) {
    static const int flags[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_CREATE_NEW] = O_RDWR | O_CREAT | O_EXCL | O_APPEND,
        [FILE_APPEND] = O_RDWR | O_CREAT | O_APPEND,
    };
    *out = NULL;
    size_t length = strlen(path);
    struct os_file *file = memory_alloc(sizeof(*file) + length + 1);
    if (!file) return no_memory(error, path);
    *file = (struct os_file){.file = {fs}};
    memcpy(file->path, path, length + 1);
    do file->descriptor = open(path, flags[mode] | O_CLOEXEC, FILE_PERMISSIONS);
    while (file->descriptor < 0 && errno == EINTR);
    if (file->descriptor < 0) {
        int why = errno;
        memory_free(file);
        return os_error(error, why, path, mode == FILE_READ ? "open" : "create");
    }
    *out = &file->file;
    return STATUS_OK;
}

static void os_close(struct file *handle) {
    struct os_file *file = (struct os_file *)handle;
    close(file->descriptor);
    memory_free(file);
}

static enum status refuse_failed(const struct os_file *file, struct error *error) {
    return error_set(error, STATUS_IO,
                     "%s: an earlier sync failed, so what was written since may be lost: check the "
                     "disk and restart",
                     file->path);
}

static enum status os_write(struct file *handle, const void *bytes, size_t length,
                            struct error *error) {
    struct os_file *file = (struct os_file *)handle;
    if (file->failed) return refuse_failed(file, error);
    const uint8_t *at = bytes;
    while (length > 0) {
        size_t piece = length < WRITE_BYTES ? length : WRITE_BYTES;
        ssize_t done = write(file->descriptor, at, piece);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return os_error(error, errno, file->path, "write");
        at += done;
        length -= (size_t)done;
    }
    return STATUS_OK;
}

static enum status os_read_at(struct file *handle, uint64_t offset, void *bytes, size_t length,
                              size_t *got, struct error *error) {
    struct os_file *file = (struct os_file *)handle;
    *got = 0;
    while (*got < length) {
        ssize_t done =
            pread(file->descriptor, (uint8_t *)bytes + *got, length - *got, (off_t)(offset + *got));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return os_error(error, errno, file->path, "read");
        if (done == 0) break;
        *got += (size_t)done;
    }
    return STATUS_OK;
}

static enum status os_size(struct file *handle, uint64_t *length, struct error *error) {
    struct os_file *file = (struct os_file *)handle;
    struct stat about;
    if (fstat(file->descriptor, &about)) return os_error(error, errno, file->path, "read the size");
    *length = (uint64_t)about.st_size;
    return STATUS_OK;
}

static enum status os_truncate(struct file *handle, uint64_t length, struct error *error) {
    struct os_file *file = (struct os_file *)handle;
    if (file->failed) return refuse_failed(file, error);
    if (ftruncate(file->descriptor, (off_t)length))
        return os_error(error, errno, file->path, "truncate");
    return STATUS_OK;
}

static enum status os_sync(struct file *handle, struct error *error) {
    struct os_file *file = (struct os_file *)handle;
    if (file->failed) return refuse_failed(file, error);
    if (fdatasync(file->descriptor) == 0) return STATUS_OK;
    int why = errno;
    file->failed = true;
    enum status status = os_error(error, why, file->path, "sync");
    return status == STATUS_DISK_FULL ? STATUS_DISK_FULL : STATUS_IO;
}

static enum status map_file(const char *path, int protection, int flags,
                            struct file_mapping *mapping, struct error *error) {
    *mapping = (struct file_mapping){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return os_error(error, errno, path, "open");
    struct stat about;
    void *at = NULL;
    int why = fstat(descriptor, &about) ? errno : 0;
    if (why == 0 && about.st_size > 0) {
        at = mmap(NULL, (size_t)about.st_size, protection, flags, descriptor, 0);
        if (at == MAP_FAILED) why = errno;
    }
    close(descriptor);
    if (why) return os_error(error, why, path, "map");
    *mapping = (struct file_mapping){.at = at, .length = (size_t)about.st_size};
    return STATUS_OK;
}

static enum status os_map(struct file_system *fs, const char *path, struct file_mapping *mapping,
                          struct error *error) {
    (void)fs;
    return map_file(path, PROT_READ, MAP_SHARED, mapping, error);
}

static enum status os_map_private(struct file_system *fs, const char *path,
                                  struct file_mapping *mapping, struct error *error) {
    (void)fs;
    return map_file(path, PROT_READ | PROT_WRITE, MAP_PRIVATE, mapping, error);
}

/* All rooms at once, so that pieces can be laid over them. */
static uint8_t *reserve(const struct file_piece *pieces, size_t count, size_t *length) {
    *length = 0;
    for (size_t i = 0; i < count; i++) *length += pieces[i].room;
    void *at = mmap(NULL, *length, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return NULL;
    (void)madvise(at, *length, MADV_HUGEPAGE); /* it is advice */
    return at;
}

static enum status lay_over(int descriptor, const struct file_piece *pieces, size_t count,
                            uint8_t *at, const char *path, struct error *error) {
    struct stat about;
    if (fstat(descriptor, &about)) return os_error(error, errno, path, "read the size");
    for (size_t i = 0; i < count; at += pieces[i++].room) {
        const struct file_piece *piece = &pieces[i];
        uint64_t size = (uint64_t)about.st_size;
        if (piece->offset > size || piece->length > size - piece->offset)
            return error_set(error, STATUS_CORRUPT, "%s: is cut", path);
        if (piece->length > 0 &&
            mmap(at, piece->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, descriptor,
                 (off_t)piece->offset) == MAP_FAILED)
            return os_error(error, errno, path, "map");
    }
    return STATUS_OK;
}

static enum status os_map_pieces(struct file_system *fs, const char *path,
                                 const struct file_piece *pieces, size_t count,
                                 struct file_mapping *mapping, struct error *error) {
    (void)fs;
    *mapping = (struct file_mapping){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return os_error(error, errno, path, "open");
    size_t length;
    uint8_t *at = reserve(pieces, count, &length);
    enum status status = at ? lay_over(descriptor, pieces, count, at, path, error)
                            : error_set(error, STATUS_NO_MEMORY, "%s: no memory to map it", path);
    close(descriptor);
    if (status == STATUS_OK)
        *mapping = (struct file_mapping){.at = at, .length = length};
    else if (at)
        munmap(at, length);
    return status;
}

static enum status os_map_growing(struct file_system *fs, const char *path, uint64_t offset,
                                  size_t length, struct file_mapping *mapping,
                                  struct error *error) {
    (void)fs;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return os_error(error, errno, path, "open");
    void *at = mmap(NULL, length, PROT_READ, MAP_SHARED, descriptor, (off_t)offset);
    int why = at == MAP_FAILED ? errno : 0;
    close(descriptor);
    if (why) return os_error(error, why, path, "map");
    *mapping = (struct file_mapping){.at = at, .length = length};
    return STATUS_OK;
}

/* Advice: a refusal only means that the pages stay. */
static void os_page_out(struct file_system *fs, const struct file_mapping *mapping) {
    (void)fs;
    (void)madvise((void *)(uintptr_t)mapping->at, mapping->length, MADV_DONTNEED);
}

/* The copy takes the place of the mapping in one step, so that a reader finds the one or the other.
 */
static enum status os_detach(struct file_system *fs, struct file_mapping *mapping) {
    (void)fs;
    void *copy = memory_alloc_huge(mapping->length);
    if (!copy) return STATUS_NO_MEMORY;
    memcpy(copy, mapping->at, mapping->length);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t length = (mapping->length + page - 1) / page * page;
    void *at = (void *)(uintptr_t)mapping->at;
    if (mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at) return STATUS_OK;
    memory_free_huge(copy, mapping->length);
    return STATUS_NO_MEMORY;
}

static void os_unmap(struct file_system *fs, struct file_mapping *mapping) {
    (void)fs;
    if (mapping->at) munmap((void *)(uintptr_t)mapping->at, mapping->length);
    *mapping = (struct file_mapping){0};
}

static enum status os_rename(struct file_system *fs, const char *from, const char *to,
                             struct error *error) {
    (void)fs;
    return rename(from, to) ? os_error(error, errno, from, "rename") : STATUS_OK;
}

static enum status os_link(struct file_system *fs, const char *from, const char *to,
                           struct error *error) {
    (void)fs;
    if (link(from, to) == 0) return STATUS_OK;
    int why = errno;
    enum status status = os_error(error, why, to, "link");
    bool unsupported =
        why == EXDEV || why == EPERM || why == EOPNOTSUPP || why == ENOSYS || why == EMLINK;
    return unsupported ? STATUS_INVALID : status;
}

static enum status os_remove(struct file_system *fs, const char *path, struct error *error) {
    (void)fs;
    return unlink(path) ? os_error(error, errno, path, "remove") : STATUS_OK;
}

static enum status os_make_directory(struct file_system *fs, const char *path,
                                     struct error *error) {
    (void)fs;
    if (mkdir(path, DIRECTORY_PERMISSIONS) == 0) return STATUS_OK;
    int why = errno;
    struct stat about;
    if (why == EEXIST && stat(path, &about) == 0 && S_ISDIR(about.st_mode)) return STATUS_OK;
    return os_error(error, why, path, "make the directory");
}

static enum status os_sync_directory(struct file_system *fs, const char *path,
                                     struct error *error) {
    (void)fs;
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return os_error(error, errno, path, "open the directory");
    int why = fsync(descriptor) ? errno : 0;
    close(descriptor);
    return why ? os_error(error, why, path, "sync the directory") : STATUS_OK;
}

static int compare_names(const void *a, const void *b) {
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

/* Sorts the names in `all`, which came in the order of the directory, and appends them to `names`.
 */
static enum status append_sorted(const struct buffer *all, size_t count, struct buffer *names) {
    const char **sorted = memory_alloc(count * sizeof(*sorted));
    if (!sorted) return STATUS_NO_MEMORY;
    const char *at = all->at;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = at;
        at += strlen(at) + 1;
    }
    if (count) qsort(sorted, count, sizeof(*sorted), compare_names);
    enum status status = buffer_reserve(names, all->length);
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        status = buffer_append(names, sorted[i], strlen(sorted[i]) + 1);
    memory_free(sorted);
    return status;
}

static enum status os_list(struct file_system *fs, const char *path, struct buffer *names,
                           size_t *count, struct error *error) {
    (void)fs;
    *count = 0;
    DIR *directory = opendir(path);
    if (!directory) return os_error(error, errno, path, "open the directory");
    struct buffer all;
    buffer_init(&all);
    enum status status = STATUS_OK;
    errno = 0;
    for (struct dirent *entry; status == STATUS_OK && (entry = readdir(directory)); errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = buffer_append(&all, entry->d_name, strlen(entry->d_name) + 1);
        if (status == STATUS_OK) (*count)++;
    }
    int why = status == STATUS_OK ? errno : 0;
    closedir(directory);
    if (status == STATUS_OK && !why) status = append_sorted(&all, *count, names);
    buffer_release(&all);
    if (why) return os_error(error, why, path, "read the directory");
    return status ? no_memory(error, path) : STATUS_OK;
}

static enum status os_lock(struct file *handle, struct error *error) {
    struct os_file *file = (struct os_file *)handle;
    if (flock(file->descriptor, LOCK_EX | LOCK_NB) == 0) return STATUS_OK;
    if (errno == EWOULDBLOCK)
        return error_set(error, STATUS_LOCKED, "%s: held by another process", file->path);
    return os_error(error, errno, file->path, "lock");
}

static enum status os_free_bytes(struct file_system *fs, const char *path, uint64_t *bytes,
                                 struct error *error) {
    (void)fs;
    struct statvfs about;
    if (statvfs(path, &about)) return os_error(error, errno, path, "ask for free space");
    *bytes = (uint64_t)about.f_bavail * about.f_frsize;
    return STATUS_OK;
}

struct file_system *file_system_os(void) {
    static const struct file_system_ops ops = {
        .open = os_open,
        .close = os_close,
        .write = os_write,
        .read_at = os_read_at,
        .size = os_size,
        .truncate = os_truncate,
        .sync = os_sync,
        .map = os_map,
        .map_private = os_map_private,
        .map_pieces = os_map_pieces,
        .map_growing = os_map_growing,
        .page_out = os_page_out,
        .detach = os_detach,
        .unmap = os_unmap,
        .rename = os_rename,
        .remove = os_remove,
        .make_directory = os_make_directory,
        .sync_directory = os_sync_directory,
        .list = os_list,
        .lock = os_lock,
        .free_bytes = os_free_bytes,
        .link = os_link,
    };
    static struct file_system fs = {.ops = &ops};
    return &fs;
}
