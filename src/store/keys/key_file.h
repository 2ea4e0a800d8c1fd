/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_file.h -- keys/NUMBER.keys: the keys of rows, sorted, on disk, read in place.
 *
 *   header 64 B │ part 0: its sections │ part 1 … │ filter │ buckets │ footer │ trailer 64 B
 *
 *   part     8,192 keys in order of (low, high). Each has a hot entry of 24 bytes: key, content,
 *            reading and flags. Persona, position, version and source stand apart, in narrow
 *            columns (run_file.h), since a row that came before unchanged needs only the hot entry.
 *   filter   a Bloom filter in blocks of 64 bytes. One cache line tells that a key is not here.
 *   buckets  `low` is cut into equal ranges. A u32 for each says where its keys begin.
 *
 *   lookup:  filter ──► bucket ──► about four hot entries ──► the narrow columns
 *
 * Keys are hashes, so buckets and filter blocks are filled evenly, and a multiplication finds the
 * right one. Sections stand end to end, padded with zeros to a multiple of 8. Each section has a
 * checksum, which covers the padding and is verified when the section is first touched. A file is
 * written once and never changed. Where several files have a key, the newest one is right.
 * docs/file-formats.md has the bytes. Any number of threads may read; one thread writes a file. */
#ifndef STORE_KEYS_KEY_FILE_H
#define STORE_KEYS_KEY_FILE_H

#include "base/file.h"
#include "store/tail/tail_keys.h"

#define KEY_FILE_FORMAT 1u
#define KEY_FILE_MAX    UINT64_C(2000000000) /* keys a file */
#define KEY_PART_BITS   13
#define KEY_PART        (1u << KEY_PART_BITS)

struct key_file;

/* Maps the file and checks header, footer and the place of every section. Returns STATUS_CORRUPT,
 * STATUS_VERSION or STATUS_IO where that fails. */
enum status key_file_open(struct key_file **out, struct file_system *fs, const char *path,
                          struct error *error) MUST_USE;
void key_file_close(struct key_file *file); /* NULL is allowed */
uint64_t key_file_count(const struct key_file *file);
uint64_t key_file_bytes(const struct key_file *file);

/* Looks the key up. Returns STATUS_CORRUPT where a section that it needs is damaged;
 * key_file_damage then tells which one. */
enum status key_file_find(const struct key_file *file, struct row_key key, struct key_entry *out,
                          bool *found) MUST_USE;
/* Tells whether the stored row has this content under this reading and is not retracted. *found
 * tells whether the key is in the file at all. A damaged section counts as not found, so "no" may
 * be wrong. */
bool key_file_has_content(const struct key_file *file, struct row_key key, uint64_t content,
                          uint16_t reading, bool *found);
/* A lookup waits for memory three times: for the filter, for the bucket and for the hot entries.
 * Each of these functions fetches the next of the three. Call each of them for a whole batch of
 * keys before the next one, so that the waits of many keys overlap. */
void key_file_prefetch(const struct key_file *file, uint64_t low);
void key_file_prefetch_bucket(const struct key_file *file, uint64_t low);
void key_file_prefetch_key(const struct key_file *file, uint64_t low);
/* Fills in the error: which section is damaged, and what to do. Always returns STATUS_CORRUPT. */
enum status key_file_damage(const struct key_file *file, struct error *error) MUST_USE;
bool key_file_is_damaged(const struct key_file *file);
/* Reads entry i, counted in order of (low, high). Returns OK or CORRUPT. */
enum status key_file_at(const struct key_file *file, uint64_t i, struct key_entry *out) MUST_USE;
/* Checks every byte of the file: checksums, order, filter and buckets. Calls `report` for each
 * finding. */
enum status key_file_check(struct file_system *fs, const char *path,
                           void (*report)(void *context, const char *path, const char *finding),
                           void *context, struct error *error) MUST_USE;

/* ---- writing ---- */

struct key_writer;
/* The caller promises to add at most `count_max` keys: the filter is sized for them. */
enum status key_writer_create(struct key_writer **out, struct file_system *fs, const char *path,
                              uint64_t count_max, struct error *error) MUST_USE;
/* Add keys in order of (low, high), each key once. */
enum status key_writer_add(struct key_writer *writer, const struct key_entry *entry,
                           struct error *error) MUST_USE;
/* Writes the footer and syncs the file. Returns STATUS_END, and leaves no file, where no key was
 * added. */
enum status key_writer_finish(struct key_writer *writer, uint64_t *count, uint64_t *bytes,
                              struct error *error) MUST_USE;
/* Removes the file unless finish succeeded. */
void key_writer_destroy(struct key_writer *writer);

/* Entries in any order, at most 2^26. Where several have the same key, the one with the highest
 * position is kept. */
struct key_list {
    size_t count;
    void (*get)(const void *context, size_t i, struct key_entry *out);
    void (*prefetch)(const void *context, size_t i); /* what `get` will read; NULL: nothing */
    const void *context;
};
/* Sorts a list and adds it to a writer's file. Where a file is made of several lists, every key of
 * a list must be lower than every key of the next one. */
enum status key_writer_add_list(struct key_writer *writer, const struct key_list *list,
                                struct error *error) MUST_USE;
enum status key_file_write(struct file_system *fs, const char *path, const struct key_list *list,
                           uint64_t *count, uint64_t *bytes, struct error *error) MUST_USE;
/* Merges files, given oldest first, into one. Where several have the same key, the newest is kept.
 * An entry for which `drops` returns true is left out; with `drops` NULL all stay. Returns
 * STATUS_END, and leaves no file, where no entry is left. */
struct key_merge {
    struct key_file *const *files;
    uint32_t file_count;
    bool (*drops)(const void *context, const struct key_entry *entry);
    const void *context;
};
enum status key_file_merge(struct file_system *fs, const char *path, const struct key_merge *merge,
                           uint64_t *count, uint64_t *bytes, struct error *error) MUST_USE;

#endif
