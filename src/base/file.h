/* SPDX-License-Identifier: Apache-2.0 */
/* base/file.h -- all file access goes through a `struct file_system`, so that tests can cut the
 * power.
 *
 * Two rooms behind this door: the operating system (file_system_os) and, in tests/support, a
 * simulated disk that drops or tears unsynced writes by sector, loses renames whose directory was
 * not synced, and fails any call in turn. A failed sync is final: the handle refuses all later
 * writes and syncs with STATUS_IO (fsyncgate). Paths are bytes, relative to the process or
 * absolute. Handles are not thread-safe, but file_read_at on one handle is from any number of
 * threads. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/text.h"

struct file_system;
struct file { /* every implementation's handle begins with it */
    struct file_system *fs;
};

enum file_mode {
    FILE_READ,       /* must exist */
    FILE_CREATE_NEW, /* must not exist; read and write */
    FILE_APPEND,     /* create or open; writes go to the end */
};

/* Bytes of a file; OS: mmap. Read-only unless file_map_private or file_map_pieces made it. */
struct file_mapping {
    const uint8_t *at;
    size_t length;
    void *owner;
};

/* A part of a file that is mapped with room behind it. `offset` and `room` are whole pages, and
 * room >= length. */
struct file_piece {
    uint64_t offset;
    size_t length, room;
};

struct file_system_ops {
    enum status (*open)(struct file_system *, const char *path, enum file_mode, struct file **,
                        struct error *);
    void (*close)(struct file *);
    /* Appends all bytes, or fails. */
    enum status (*write)(struct file *, const void *bytes, size_t length, struct error *);
    enum status (*read_at)(struct file *, uint64_t offset, void *bytes, size_t length, size_t *got,
                           struct error *);
    enum status (*size)(struct file *, uint64_t *length, struct error *);
    enum status (*truncate)(struct file *, uint64_t length, struct error *);
    enum status (*sync)(struct file *, struct error *); /* fdatasync */
    enum status (*map)(struct file_system *, const char *path, struct file_mapping *,
                       struct error *);
    enum status (*map_private)(struct file_system *, const char *path, struct file_mapping *,
                               struct error *);
    enum status (*map_pieces)(struct file_system *, const char *path, const struct file_piece *,
                              size_t count, struct file_mapping *, struct error *);
    /* NULL where the file system has no such thing. */
    enum status (*map_growing)(struct file_system *, const char *path, uint64_t offset,
                               size_t length, struct file_mapping *, struct error *);
    void (*page_out)(struct file_system *, const struct file_mapping *);
    enum status (*detach)(struct file_system *, struct file_mapping *);
    void (*unmap)(struct file_system *, struct file_mapping *);
    enum status (*rename)(struct file_system *, const char *from, const char *to, struct error *);
    enum status (*remove)(struct file_system *, const char *path, struct error *);
    /* STATUS_OK where it exists already. */
    enum status (*make_directory)(struct file_system *, const char *path, struct error *);
    enum status (*sync_directory)(struct file_system *, const char *path, struct error *);
    /* Appends the names of a directory's entries to `names`: without path, sorted, each
     * 0-terminated. */
    enum status (*list)(struct file_system *, const char *path, struct buffer *names, size_t *count,
                        struct error *);
    /* Exclusive advisory lock held until file_close; STATUS_LOCKED where another holds it. */
    enum status (*lock)(struct file *, struct error *);
    enum status (*free_bytes)(struct file_system *, const char *path, uint64_t *bytes,
                              struct error *);
    /* A second name for an immutable file. STATUS_INVALID where the file system has no such thing:
     * copy instead. */
    enum status (*link)(struct file_system *, const char *from, const char *to, struct error *);
};
struct file_system {
    const struct file_system_ops *ops;
    void *self;
};

/* The file system of the operating system. Static. */
struct file_system *file_system_os(void);

/* These functions call the ops, so that call sites read file_write(file, …). */
enum status file_open(struct file_system *fs, const char *path, enum file_mode mode,
                      struct file **out, struct error *error) MUST_USE;
void file_close(struct file *file);
enum status file_write(struct file *file, const void *bytes, size_t length,
                       struct error *error) MUST_USE;
enum status file_read_at(struct file *file, uint64_t offset, void *bytes, size_t length,
                         size_t *got, struct error *error) MUST_USE;
enum status file_size(struct file *file, uint64_t *length, struct error *error) MUST_USE;
enum status file_truncate(struct file *file, uint64_t length, struct error *error) MUST_USE;
enum status file_sync(struct file *file, struct error *error) MUST_USE;
enum status file_lock(struct file *file, struct error *error) MUST_USE;

enum status file_map(struct file_system *fs, const char *path, struct file_mapping *mapping,
                     struct error *error) MUST_USE;
/* The same, and the bytes may be written: the file never changes by that, and nobody else sees it.
 */
enum status file_map_private(struct file_system *fs, const char *path, struct file_mapping *mapping,
                             struct error *error) MUST_USE;
/* Maps pieces of a file like file_map_private, each with its room: piece 0 begins at mapping->at,
 * and each of the others where the room of the one before it ends. The room behind a piece's bytes
 * is zeros, may be written like them, and takes memory once it is used. The mapping is as long as
 * all rooms. STATUS_CORRUPT where the file ends before a piece does. */
enum status file_map_pieces(struct file_system *fs, const char *path,
                            const struct file_piece *pieces, size_t count,
                            struct file_mapping *mapping, struct error *error) MUST_USE;
/* Maps `length` bytes from `offset` on, a multiple of FILE_MAP_UNIT, also where the file does not
 * reach so far yet. What is written there later can be read in the mapping; until then those bytes
 * must not be touched. STATUS_INVALID where the file system has no such thing. */
#define FILE_MAP_UNIT 65536u
enum status file_map_growing(struct file_system *fs, const char *path, uint64_t offset,
                             size_t length, struct file_mapping *mapping,
                             struct error *error) MUST_USE;
/* Lets the pages of a mapping leave memory; whoever reads them next brings them back from the file.
 * What was written to a private mapping would be lost: not after that. Any thread. */
void file_page_out(struct file_system *fs, const struct file_mapping *mapping);
/* Copies the bytes of a private mapping, or of whole pages of one, and lets the file go. The
 * addresses stay. Any thread may read meanwhile, none may write. STATUS_NO_MEMORY: it is as it was.
 */
enum status file_detach(struct file_system *fs, struct file_mapping *mapping) MUST_USE;
/* A zeroed mapping is allowed. */
void file_unmap(struct file_system *fs, struct file_mapping *mapping);
enum status file_rename(struct file_system *fs, const char *from, const char *to,
                        struct error *error) MUST_USE;
enum status file_link(struct file_system *fs, const char *from, const char *to,
                      struct error *error) MUST_USE;
enum status file_remove(struct file_system *fs, const char *path, struct error *error) MUST_USE;
enum status file_free_bytes(struct file_system *fs, const char *path, uint64_t *bytes,
                            struct error *error) MUST_USE;
enum status directory_make(struct file_system *fs, const char *path, struct error *error) MUST_USE;
enum status directory_sync(struct file_system *fs, const char *path, struct error *error) MUST_USE;
enum status directory_list(struct file_system *fs, const char *path, struct buffer *names,
                           size_t *count, struct error *error) MUST_USE;
#define FILE_PATH_MAX 4096
/* The directory that holds `path`, "." where it names none. STATUS_LIMIT where it is too long. */
enum status file_parent(const char *path, char out[FILE_PATH_MAX], struct error *error) MUST_USE;

/* Whole small files. file_replace writes NAME.tmp, syncs it, renames it over NAME and syncs the
 * directory. */
enum status file_read_all(struct file_system *fs, const char *path, size_t max_bytes,
                          struct buffer *out, struct error *error) MUST_USE;
enum status file_replace(struct file_system *fs, const char *path, const void *bytes, size_t length,
                         struct error *error) MUST_USE;

#endif
