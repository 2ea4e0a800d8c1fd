/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/memory.h"
#include "base/thread.h"
#include "base/time.h"

struct engine_job {
    struct job_options options;
    struct work work;
    pthread_t thread;
    pthread_mutex_t guard;
    pthread_cond_t changed;
    double started, took; /* seconds of the monotonic clock */
    bool ended;
    enum status status;
    struct error error;
};

static void *run_job(void *argument) {
    struct engine_job *job = argument;
    struct error error = {0};
    thread_be_nice(job->options.niceness);
    enum status status = work_check(&job->work, &error); /* cancelled before it began */
    if (status == STATUS_OK) status = job->options.run(job->options.context, &job->work, &error);
    pthread_mutex_lock(&job->guard);
    job->status = status;
    job->error = error;
    job->took = clock_monotonic_seconds() - job->started;
    job->ended = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->guard);
    return NULL;
}

static void init_guard(struct engine_job *job) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&job->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&job->guard, NULL);
}

static void release(struct engine_job *job) {
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->guard);
    memory_free(job);
}

enum status job_start(struct engine_job **out, const struct job_options *options,
                      struct error *error) {
    *out = NULL;
    if (options->niceness < 0 || options->niceness > JOB_NICENESS_MAX)
        return error_set(error, STATUS_INVALID, "a job's niceness is 0 to %d, not %d",
                         JOB_NICENESS_MAX, options->niceness);
    struct engine_job *job = memory_calloc(1, sizeof *job);
    if (job == NULL) return STATUS_NO_MEMORY;
    job->options = *options;
    job->work.threads = options->threads;
    job->started = clock_monotonic_seconds();
    init_guard(job);
    int failure = pthread_create(&job->thread, NULL, run_job, job);
    if (failure != 0) {
        release(job);
        return error_set(error, STATUS_LIMIT,
                         "the system gives no further thread (error %d); see ulimit -u", failure);
    }
    *out = job;
    return STATUS_OK;
}

void job_progress(struct engine_job *job, struct job_progress *out) {
    const char *step = atomic_load(&job->work.step);
    *out = (struct job_progress){.name = job->options.name,
                                 .step = step,
                                 .done = atomic_load(&job->work.done),
                                 .total = atomic_load(&job->work.total),
                                 .cancelled = work_is_cancelled(&job->work)};
    pthread_mutex_lock(&job->guard);
    out->ended = job->ended;
    out->seconds = job->ended ? job->took : clock_monotonic_seconds() - job->started;
    pthread_mutex_unlock(&job->guard);
}

void job_cancel(struct engine_job *job) {
    work_cancel(&job->work);
}

bool job_wait(struct engine_job *job, uint32_t timeout_ms) {
    struct timespec until;
    double end = clock_monotonic_seconds() + timeout_ms / 1000.0;
    until.tv_sec = (time_t)end;
    until.tv_nsec = (long)((end - (double)until.tv_sec) * 1e9);
    pthread_mutex_lock(&job->guard);
    int timed_out = 0;
    while (!job->ended && timed_out == 0)
        timed_out = pthread_cond_timedwait(&job->changed, &job->guard, &until);
    bool ended = job->ended;
    pthread_mutex_unlock(&job->guard);
    return ended;
}

enum status job_finish(struct engine_job *job, struct error *error) {
    if (job == NULL) return STATUS_OK;
    pthread_join(job->thread, NULL);
    enum status status = job->status;
    if (status != STATUS_OK && error != NULL) *error = job->error;
    release(job);
    return status;
}
