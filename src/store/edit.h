/* SPDX-License-Identifier: Apache-2.0 */
/* store/edit.h -- changes which files count: first new files are written, then the manifest that
 * names them, then readers get the version, then the old files are removed.
 *
 *   edit_begin ─► new files (edit_insert_run, edit_side …) ─► edit_commit:
 *                      sync folders │ write MANIFEST │ publish the version │ remove obsolete files
 *
 * An edit that ends before its manifest was tried removes what it made. Once writing the manifest
 * has failed, nobody knows which one is on the disk: the new files stay until the next opening
 * knows. The caller holds the role throughout. */
#ifndef STORE_EDIT_H
#define STORE_EDIT_H

#include "store/side_file.h"
#include "store/store_internal.h"

struct edit {
    struct store *store;
    struct manifest next;
    struct stored_run *runs[MANIFEST_RUNS_MAX]; /* by index of next.runs */
    struct stored_run *opened[MANIFEST_RUNS_MAX];
    struct stored_keys *keys[MANIFEST_KEYS_MAX]; /* by index of next.keys */
    struct stored_keys *opened_keys[MANIFEST_KEYS_MAX];
    struct superseded *superseded, *opened_superseded;
    uint32_t opened_count, opened_keys_count;
    struct column_set columns;
    struct buffer created, obsolete; /* paths, each 0-terminated */
};
enum status edit_begin(struct edit **out, struct store *store, struct error *error) MUST_USE;
void edit_end(struct edit *edit); /* always; after a commit it has nothing to undo */
/* `folded`: the frozen tail is in the runs now. */
enum status edit_commit(struct edit *edit, bool folded, struct error *error) MUST_USE;

uint64_t edit_number(struct edit *edit); /* the next file number; never used twice */
/* The path of a file that is about to be written; it is removed where the edit ends early. */
enum status edit_create(struct edit *edit, const char *folder, uint64_t number, const char *suffix,
                        char path[FILE_PATH_MAX], struct error *error) MUST_USE;
enum status edit_obsolete(struct edit *edit, const char *folder, uint64_t number,
                          const char *suffix, struct error *error) MUST_USE;
/* Opens the run just written and puts it at `index` of the next manifest. */
enum status edit_insert_run(struct edit *edit, uint32_t index, const struct manifest_run *run,
                            const char *path, struct error *error) MUST_USE;
/* Takes a run out of the next manifest; its file goes after the commit. */
enum status edit_remove_run(struct edit *edit, uint32_t index, struct error *error) MUST_USE;
/* The same of key files. */
enum status edit_insert_keys(struct edit *edit, uint32_t index, const struct manifest_keys *keys,
                             const char *path, struct error *error) MUST_USE;
enum status edit_remove_keys(struct edit *edit, uint32_t index, struct error *error) MUST_USE;
/* Writes these rows, which it sorts, in place of the present superseded versions. Without rows
 * there is no file. */
enum status edit_supersede(struct edit *edit, struct superseded_row *rows, uint64_t count,
                           struct error *error) MUST_USE;
/* Writes the frames of the links or quarantine files [from, from + count) of the next manifest, and
 * then those of the log at positions [log_from, log_to), through the filter into one new file that
 * takes their place. */
struct edit_side {
    enum stored_kind kind;
    uint32_t from, count;
    uint64_t log_from, log_to;
    struct side_filter *filter;
};
enum status edit_side(struct edit *edit, const struct edit_side *what,
                      struct error *error) MUST_USE;

#endif
