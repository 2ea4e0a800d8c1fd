/* SPDX-License-Identifier: Apache-2.0 */
/* store/side_file.h -- links and quarantine files. They hold what frames carry besides events:
 * taken out of the log at a fold, and rewritten from one such file to the next.
 *
 * A dropped row leaves an empty one in its place, so that row ids stay what they are. A frame
 * without live rows, or without records and symbols, is left out. A file without frames is not
 * made. One thread. */
#ifndef STORE_SIDE_FILE_H
#define STORE_SIDE_FILE_H

#include "store/manifest.h"
#include "store/stored_file.h"

#define SIDE_ROW_DROPPED UINT32_MAX /* the column of an empty row that stands for a dropped one */

struct side_filter { /* what goes or changes on the way; NULL functions: nothing */
    bool (*row)(void *context, const struct stored_row *row); /* true: drop it */
    /* store_erasure.rewrite. */
    bool (*record)(void *context, enum record_kind kind, struct text bytes, struct buffer *out);
    void *context;
    const struct symbols_forgotten *forgotten; /* names that go; NULL: none */
    uint64_t row_count, record_count;          /* dropped, rewritten */
};

struct side_writer {
    struct file_system *fs;
    enum stored_kind kind;
    uint64_t number;
    struct side_filter *filter;
    bool is_open;
    struct stored_writer writer;
    struct buffer section, replaced;
    uint64_t count;
    char path[FILE_PATH_MAX];
};
/* kind: STORED_LINKS takes symbols and records of the frames given, STORED_QUARANTINE their rows.
 * `filter` is borrowed. */
enum status side_open(struct side_writer *side, struct file_system *fs, const char *directory,
                      enum stored_kind kind, uint64_t number, struct side_filter *filter,
                      struct error *error) MUST_USE;
/* A log_visit_fn: context is the side_writer. */
enum status side_add(void *side, const struct frame_view *view, struct error *error) MUST_USE;
/* *written = false where nothing was left to write. Synced. */
enum status side_finish(struct side_writer *side, struct manifest_file *file, bool *written,
                        struct error *error) MUST_USE;
void side_close(struct side_writer *side);
const char *side_folder(enum stored_kind kind);
const char *side_suffix(enum stored_kind kind);

#endif
