/* SPDX-License-Identifier: Apache-2.0 */
/* cli/out_file.h -- writes the file that --out names: it is there whole, or as it was before.
 *
 * The file is written beside its place as NAME.tmp, readable by its owner alone. Once it is whole
 * and on the disk, a rename puts it in its place; a file that was there before passes on its
 * permissions. While it is open, a first Ctrl-C waits for the job that writes it (cli/job.h), so
 * that no temporary stays. A link is followed. What is no regular file (a terminal, a pipe,
 * /dev/null) is written directly, and so is stdout, for which the path is NULL. */
#ifndef CLI_OUT_FILE_H
#define CLI_OUT_FILE_H

#include <stdio.h>

#include "base/file.h"

struct cli_out {
    FILE *file;       /* to write to; its errors are looked for by cli_out_whole */
    const char *name; /* as the user wrote it, or "the output" */
    char path[FILE_PATH_MAX],
        temporary[FILE_PATH_MAX]; /* temporary: "" where it is written in place */
    bool holds_signals;
};

enum status cli_out_open(struct cli_out *out, const char *path, struct error *error) MUST_USE;
/* Has everything been written so far? Ask it at times, so that a full disk ends a long command
 * soon. */
enum status cli_out_check(const struct cli_out *out, struct error *error) MUST_USE;
/* Puts everything that was written on the disk, or fails. */
enum status cli_out_whole(struct cli_out *out, struct error *error) MUST_USE;
/* After cli_out_whole: puts it in its place. Where that fails the temporary stays, and the error
 * names it. */
enum status cli_out_place(struct cli_out *out, struct error *error) MUST_USE;
/* Releases it; what has not been placed is removed. A zeroed one is allowed, and one that was
 * placed. */
void cli_out_close(struct cli_out *out);
/* Calls whole, place and close where `status` is STATUS_OK, else only close. Returns the first
 * failure. */
enum status cli_out_finish(struct cli_out *out, enum status status, struct error *error) MUST_USE;

#endif
