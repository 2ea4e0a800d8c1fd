/* SPDX-License-Identifier: Apache-2.0 */
/* store/stored_file.h -- the form that log segments, links files and quarantine files share: a
 * header, then frames.
 *
 *    0  "ATTUNE"
 *    6  kind u8
 *    7  '\n'
 *    8  format u32
 *   12  CRC32C u32 of the other 20 bytes
 *   16  number u64
 *   24  frames …
 *
 * `number` is a segment's first position, or the number in the file's name. Links and quarantine
 * files are immutable and end with a mark, so that a cut one is noticed. A log segment ends where
 * the next one begins (log.h). Any thread. */
#ifndef STORE_STORED_FILE_H
#define STORE_STORED_FILE_H

#include "store/log/frame.h"

#define STORED_HEADER_BYTES 24u
#define STORED_FORMAT       1u

enum stored_kind { STORED_LOG = 'L', STORED_LINKS = 'I', STORED_QUARANTINE = 'Q' };

void stored_header(uint8_t out[STORED_HEADER_BYTES], enum stored_kind kind, uint64_t number);
/* STATUS_CORRUPT or STATUS_VERSION, with the file and what to do. */
enum status stored_header_check(const uint8_t *bytes, size_t length, enum stored_kind kind,
                                uint64_t number, const char *path, struct error *error) MUST_USE;
/* "DIRECTORY/FOLDER/NUMBER.SUFFIX" */
enum status stored_path(char out[FILE_PATH_MAX], const char *directory, const char *folder,
                        uint64_t number, const char *suffix, struct error *error) MUST_USE;
/* The number of a name "NUMBER.SUFFIX"; false where it is another kind of name. */
bool stored_number(const char *name, const char *suffix, uint64_t *number);

/* Writes an immutable file of frames; it counts once a manifest names it. */
struct stored_writer {
    struct file_system *fs;
    struct file *file;
    struct buffer bytes;
    uint64_t written_bytes, frame_count, position;
};
enum status stored_writer_open(struct stored_writer *writer, struct file_system *fs,
                               const char *path, enum stored_kind kind, uint64_t number,
                               struct error *error) MUST_USE;
/* Adds a frame of these parts, with their position and span. */
enum status stored_writer_add(struct stored_writer *writer, const struct frame_view *parts,
                              struct error *error) MUST_USE;
/* Writes the mark and syncs. */
enum status stored_writer_finish(struct stored_writer *writer, struct error *error) MUST_USE;
void stored_writer_close(struct stored_writer *writer); /* always; a zeroed writer is allowed */

/* Visits the frames of a whole immutable file, in order. It checks every checksum and the end.
 * `visit` may end it with a status. */
enum status stored_visit(struct file_system *fs, const char *path, enum stored_kind kind,
                         uint64_t number,
                         enum status (*visit)(void *context, const struct frame_view *view,
                                              struct error *error),
                         void *context, struct error *error) MUST_USE;
/* The same over bytes (fuzzing, and what stored_visit does with its mapping). */
enum status stored_visit_bytes(const uint8_t *bytes, size_t length, const char *path,
                               enum stored_kind kind, uint64_t number,
                               enum status (*visit)(void *context, const struct frame_view *view,
                                                    struct error *error),
                               void *context, struct error *error) MUST_USE;

#endif
