/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job.h -- a long command as a job (engine/jobs.h): its progress stands on the terminal, and
 * Ctrl-C ends it with nothing harmed.
 *
 * The work runs on a thread of its own; the calling thread shows how far it is, ten times a second,
 * on standard error, where that is a terminal and --quiet is not given. The first SIGINT or SIGTERM
 * cancels the job; the second one kills the process, which a data directory survives like a power
 * cut. While the job runs nothing else may print, but a job that names no step may show a progress
 * of its own. */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include "base/work.h"
#include "cli/cli.h"

/* Gives what `run` gave; STATUS_CANCELLED is told by cli_fail, whose code is then 128 and the
 * signal's number, as for a process that it killed. `name`: "training redeem"; lives until the
 * end. */
enum status cli_job(const struct cli *cli, const char *name,
                    enum status (*run)(void *context, struct work *work, struct error *error),
                    void *context, struct error *error) MUST_USE;
/* Between the two a first signal only waits for the next cli_job, which then ends at once; they
 * nest. For what must not be left half done around a job, such as a temporary file. */
void cli_signals_hold(void);
void cli_signals_release(void);
/* Becomes the signal's number where one came meanwhile. */
const volatile _Atomic int *cli_signal_caught(void);
/* 130 after Ctrl-C, 143 after SIGTERM. */
int cli_cancelled_code(void);

#endif
