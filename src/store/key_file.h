/* SPDX-License-Identifier: Apache-2.0 */
/* store/key_file.h -- keys/NUMBER.keys: the keys of rows, sorted, on disk, read in place.
 *
 *   header 64 B │ part 0: its sections │ part 1 … │ filter │ buckets │ footer │ trailer 64 B
 *
 *   part     8,192 keys by (low, high): what two lookups in three compare, 24 bytes a key, then
 *            persona, position, version and source, narrow (run_file.h)
 *   filter   a Bloom filter in blocks of 64 bytes: a key that is not here costs one cache line
 *   buckets  where the keys of each of so many equal ranges of `low` begin: u32 each
 *
 *   lookup:  filter ──► bucket ──► some four keys side by side ──► their cold columns
 *
 * Keys are hashes, so they are spread evenly over buckets and blocks, and both are found by
 * multiplying. Sections stand end to end, padded with zeros to a multiple of 8; each has a
 * checksum, which covers its padding and is verified at its first touch. A file is written once
 * and never changed. Where several files have a key, the newest one is right. docs/file-formats.md
 * has the bytes. Reading: any number of threads. Writing: one thread a file. */
#ifndef STORE_KEY_FILE_H
#define STORE_KEY_FILE_H

#include "base/file.h"
#include "store/tail_keys.h"

#define KEY_FILE_FORMAT 1u
#define KEY_FILE_MAX    UINT64_C(2000000000) /* keys a file */
#define KEY_PART_BITS   13
#define KEY_PART        (1u << KEY_PART_BITS)

struct key_file;

/* Maps the file and checks header, footer and the place of every section. STATUS_CORRUPT,
 * STATUS_VERSION, STATUS_IO … */
enum status key_file_open(struct key_file **out, struct file_system *fs, const char *path,
                          struct error *error) MUST_USE;
void key_file_close(struct key_file *file); /* NULL is allowed */
uint64_t key_file_count(const struct key_file *file);
uint64_t key_file_bytes(const struct key_file *file);

/* STATUS_CORRUPT where a section that was needed is damaged; key_file_damage tells which. */
enum status key_file_find(const struct key_file *file, struct row_key key, struct key_entry *out,
                          bool *found) MUST_USE;
/* key_file_find would find an entry with this content and this reading, not retracted. */
bool key_file_has_content(const struct key_file *file, struct row_key key, uint64_t content,
                          uint16_t reading, bool *found);
/* What a lookup touches, one step after the other: the filter; once that has come and has the key,
 * its bucket; once that has come, its neighbours. */
void key_file_prefetch(const struct key_file *file, uint64_t low);
void key_file_prefetch_bucket(const struct key_file *file, uint64_t low);
void key_file_prefetch_key(const struct key_file *file, uint64_t low);
/* Always STATUS_CORRUPT: which section, and what to do. */
enum status key_file_damage(const struct key_file *file, struct error *error) MUST_USE;
bool key_file_is_damaged(const struct key_file *file);
/* Entry i, in order. OK or CORRUPT. */
enum status key_file_at(const struct key_file *file, uint64_t i, struct key_entry *out) MUST_USE;
/* Every byte: checksums, order, filter and buckets. */
enum status key_file_check(struct file_system *fs, const char *path,
                           void (*report)(void *context, const char *path, const char *finding),
                           void *context, struct error *error) MUST_USE;

/* ---- writing ---- */

struct key_writer;
/* At most `count_max` keys will come. */
enum status key_writer_create(struct key_writer **out, struct file_system *fs, const char *path,
                              uint64_t count_max, struct error *error) MUST_USE;
/* In order of (low, high), each once. */
enum status key_writer_add(struct key_writer *writer, const struct key_entry *entry,
                           struct error *error) MUST_USE;
/* Footer and sync. STATUS_END where no key came: no file then. */
enum status key_writer_finish(struct key_writer *writer, uint64_t *count, uint64_t *bytes,
                              struct error *error) MUST_USE;
/* Removes the file unless finish succeeded. */
void key_writer_destroy(struct key_writer *writer);

/* Entries of any order into a new file; of equal keys the one with the highest position is kept. At
 * most 2^26. */
struct key_list {
    size_t count;
    const struct key_entry *(*at)(const void *context, size_t i);
    const void *context;
};
/* The same in pieces, by a writer: lists in order, each of keys below those of the next. */
enum status key_writer_add_list(struct key_writer *writer, const struct key_list *list,
                                struct error *error) MUST_USE;
enum status key_file_write(struct file_system *fs, const char *path, const struct key_list *list,
                           uint64_t *count, uint64_t *bytes, struct error *error) MUST_USE;
/* Files, oldest first, into one: of equal keys the newest is kept. `drops` true: the entry is left
 * out; NULL: none is. STATUS_END: nothing is left, and there is no file. */
struct key_merge {
    struct key_file *const *files;
    uint32_t file_count;
    bool (*drops)(const void *context, const struct key_entry *entry);
    const void *context;
};
enum status key_file_merge(struct file_system *fs, const char *path, const struct key_merge *merge,
                           uint64_t *count, uint64_t *bytes, struct error *error) MUST_USE;

#endif
