/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>

#include "cli/served.h"
#include "engine/jobs.h"

#define SHOW_EVERY_MS 100

/* The signal that asked for an end; 0: none did. Any thread may take the signal, so it is atomic;
 * an atomic int needs no lock, which a handler may not take. */
static atomic_int caught;
static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler may take no lock");

static void on_signal(int signal_number) {
    caught = signal_number;
}

static struct sigaction before_int, before_term;
static uint32_t held; /* how often; main thread alone */

/* One shot each: the same signal a second time ends the process. */
void cli_signals_hold(void) {
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    if (held++ > 0) return;
    if (cli_served_engine() != NULL) { /* the signals are the server's */
        caught = 0;
        return;
    }
    sigemptyset(&action.sa_mask);
    caught = 0;
    (void)!sigaction(SIGINT, &action, &before_int);
    (void)!sigaction(SIGTERM, &action, &before_term);
}

void cli_signals_release(void) {
    if (--held > 0 || cli_served_engine() != NULL) return;
    (void)!sigaction(SIGINT, &before_int, NULL);
    (void)!sigaction(SIGTERM, &before_term, NULL);
}

const volatile _Atomic int *cli_signal_caught(void) {
    return &caught;
}

int cli_cancelled_code(void) {
    int signal_number = caught;
    return signal_number != 0 ? 128 + signal_number : EXIT_FAILED;
}

static void show(const struct job_progress *progress) {
    const char *step = progress->step;
    if (step == NULL) return; /* it has not begun, or tells its progress itself */
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
    struct engine_job *job;
    struct job_progress progress;
    struct job_options options = {.name = name, .run = run, .context = context};
    if (!cli_share(cli, &options.threads, &options.niceness)) return STATUS_INVALID;
    cli_signals_hold();
    enum status status = job_start(&job, &options, error);
    if (status == STATUS_OK && caught != 0) job_cancel(job); /* while nothing ran yet */
    while (status == STATUS_OK && !job_wait(job, SHOW_EVERY_MS)) {
        if (caught == 0 && cli_served_is_cancelled()) caught = SIGINT;
        if (caught != 0) job_cancel(job);
        job_progress(job, &progress);
        if (!cli->quiet) show(&progress);
    }
    if (status == STATUS_OK) status = job_finish(job, error);
    cli_progress_end();
    cli_signals_release();
    return status;
}
