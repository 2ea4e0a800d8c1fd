/* SPDX-License-Identifier: Apache-2.0 */
/* store/manifest.h -- names the files that count in the data directory, and the log position up to
 * which they hold everything.
 *
 *   attune manifest 3
 *   position 4000801                    everything below it is in the files named here
 *   next 18                             the next file's number; numbers are never used twice
 *   run 17 0 17 4000000 91234567        number, level, group, rows, bytes
 *   links 17 12 345678                  number, frames, bytes
 *   quarantine 17 3 4567                number, rows, bytes
 *   keys 17 0 4000000 131234567         number, level, keys, bytes; oldest first
 *   superseded 18 1234 39512            number, versions, bytes
 *   checkpoint 19 4000801 7654321 345678
 *                                       number, position, bytes, bytes of the links files behind it
 *   checksum 1a2b3c4d                   CRC32C of all before this line
 *
 * The log has what is not below `position`. The manifest is text, so that a person can read it. It
 * is replaced by rename, so that a crash leaves the old one or the new one.
 *
 * Format 1 has neither keys nor superseded versions; it is read, and the next opening for writing
 * writes the present format, with the keys of its runs. Format 2 has no checkpoint; it is read, and
 * the next fold writes format 3. An older program must not write to a directory with a checkpoint:
 * its erasures would leave the checkpoint as it is.
 *
 * A file that the manifest does not name does not count, and the next opening removes it. Pure but
 * for manifest_load and manifest_store. */
#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

#include "base/file.h"

#define MANIFEST_FORMAT    3
#define MANIFEST_WITH_KEYS 2 /* the first format that names key files */
#define MANIFEST_BYTES_MAX ((size_t)1 << 20)
#define MANIFEST_RUNS_MAX  200 /* < VERSION_RUNS_MAX */
#define MANIFEST_FILES_MAX 64
#define MANIFEST_KEYS_MAX  64 /* no more than VERSION_KEYS_MAX */

struct manifest_run {
    uint64_t number;
    uint32_t level; /* how many merges it has been through */
    uint64_t group; /* files of one merge, cut by customer range, share it */
    uint64_t row_count, bytes;
};
struct manifest_file {
    uint64_t number, count, bytes; /* count: frames of links, rows of quarantine */
};
struct manifest_keys {
    uint64_t number;
    uint32_t level; /* how many merges it has been through; never higher than that of older ones */
    uint64_t count, bytes;
};
struct manifest_checkpoint {
    uint64_t number;   /* 0: there is none */
    uint64_t position; /* it stands for the records below it */
    uint64_t bytes, links_bytes;
};
struct manifest {
    uint32_t format; /* as it was read; it is always written as MANIFEST_FORMAT */
    uint64_t position, next_number;
    struct manifest_run runs[MANIFEST_RUNS_MAX]; /* the order of the view */
    /* In order of position. */
    struct manifest_file links[MANIFEST_FILES_MAX], quarantine[MANIFEST_FILES_MAX];
    struct manifest_keys keys[MANIFEST_KEYS_MAX]; /* oldest first */
    struct manifest_file superseded;              /* number 0: there is none */
    struct manifest_checkpoint checkpoint;
    uint32_t run_count, links_count, quarantine_count, keys_count;
};

enum status manifest_encode(const struct manifest *manifest, struct buffer *out) MUST_USE;
/* `path` is for messages: STATUS_CORRUPT and STATUS_VERSION with what to do. */
enum status manifest_decode(struct manifest *manifest, struct text bytes, const char *path,
                            struct error *error) MUST_USE;
/* STATUS_NOT_FOUND where there is none. */
enum status manifest_load(struct manifest *manifest, struct file_system *fs, const char *directory,
                          struct error *error) MUST_USE;
enum status manifest_store(const struct manifest *manifest, struct file_system *fs,
                           const char *directory, struct error *error) MUST_USE;

#endif
