/* SPDX-License-Identifier: Apache-2.0 */
/* cli/out.h -- what --out names is there whole or as it was before.
 *
 * It is written beside its place as NAME.tmp, its owner's alone whatever the umask, and takes the
 * place by a rename once it is whole and on the disk; a file that was there before hands on its
 * permissions. While it is open a first Ctrl-C waits for the job that writes it (cli/job.h), so
 * that no temporary stays. A link is followed. What is no file (a terminal, a pipe, /dev/null) is
 * written to as it is, and so is stdout, for which the path is NULL. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

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
/* Has all been written so far? To be asked at times, so that a full disk ends a long command soon.
 */
enum status cli_out_check(const struct cli_out *out, struct error *error) MUST_USE;
/* All that was written is on the disk, or an error. */
enum status cli_out_whole(struct cli_out *out, struct error *error) MUST_USE;
/* After cli_out_whole: puts it in its place. Where that fails the temporary stays, and the error
 * names it. */
enum status cli_out_place(struct cli_out *out, struct error *error) MUST_USE;
/* Releases it; what has not been placed is removed. A zeroed one is allowed, and one that was
 * placed. */
void cli_out_close(struct cli_out *out);
/* whole, place and close where `status` is OK, else only close; the first that went wrong. */
enum status cli_out_finish(struct cli_out *out, enum status status, struct error *error) MUST_USE;

#endif
