/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job.h"

#include <signal.h>

#include "engine/jobs.h"

#define SHOW_EVERY_MS 100

static volatile sig_atomic_t caught; /* the signal that asked for an end; 0: none did */

static void on_signal(int signal_number) {
    caught = signal_number;
}

/* One shot each: the same signal a second time ends the process. */
static void catch_signals(struct sigaction before[2]) {
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigemptyset(&action.sa_mask);
    caught = 0;
    (void)!sigaction(SIGINT, &action, &before[0]);
    (void)!sigaction(SIGTERM, &action, &before[1]);
}

static void leave_signals(const struct sigaction before[2]) {
    (void)!sigaction(SIGINT, &before[0], NULL);
    (void)!sigaction(SIGTERM, &before[1], NULL);
}

int cli_cancelled_code(void) {
    return caught != 0 ? 128 + caught : EXIT_FAILED;
}

static void show(const struct job_progress *progress) {
    const char *step = progress->step != NULL ? progress->step : "";
    if (progress->cancelled)
        cli_progress("%s  ending …", progress->name);
    else if (progress->done == 0)
        cli_progress("%s  %s  %.0f s", progress->name, step, progress->seconds);
    else if (progress->total >= progress->done)
        cli_progress("%s  %s of %s %s  %.0f s", progress->name, cli_count(progress->done),
                     cli_count(progress->total), step, progress->seconds);
    else
        cli_progress("%s  %s %s  %.0f s", progress->name, cli_count(progress->done), step,
                     progress->seconds);
}

enum status cli_job(const struct cli *cli, const char *name,
                    enum status (*run)(void *context, struct work *work, struct error *error),
                    void *context, struct error *error) {
    struct sigaction before[2];
    struct engine_job *job;
    struct job_progress progress;
    struct job_options options = {.name = name, .run = run, .context = context};
    catch_signals(before);
    enum status status = job_start(&job, &options, error);
    while (status == STATUS_OK && !job_wait(job, SHOW_EVERY_MS)) {
        if (caught != 0) job_cancel(job);
        job_progress(job, &progress);
        if (!cli->quiet) show(&progress);
    }
    if (status == STATUS_OK) status = job_finish(job, error);
    cli_progress_end();
    leave_signals(before);
    return status;
}
