/* SPDX-License-Identifier: Apache-2.0 */
/* engine/jobs.h -- long work on a thread of its own: how far it is, cancelling it, and its share of
 * the machine.
 *
 *   whoever asked                          the job's thread
 *     job_start ──────────────────────────► run(context, work) ──► walks, fits, files
 *     job_progress ◄──── work: step, done, total ────┘   │
 *     job_cancel ──────► work: cancelled ────────────────┘ STATUS_CANCELLED
 *     job_wait, job_finish ◄─────────────── status, error
 *
 * Training, evaluating, measuring scenarios, deciding for everybody, exporting, reporting and
 * folding are such work. What `run` does is an ordinary call, such as engine_train; it gives the
 * work on to the rooms below, which count in it and ask it (base/work.h).
 *
 * **A job that is cancelled leaves nothing.** It ends like one that failed: models, decisions and
 * files of it are not there, and what was before is as it was. A job that had done its work when
 * the cancel came has done its work: job_finish then says STATUS_OK. What is written down at the
 * end (a model, recorded decisions, a manifest) is not interrupted halfway.
 *
 * **Its share.** The job's thread and all threads that it starts run with its niceness; a walk uses
 * at most its number of threads. The operating system grants a lower niceness to nobody, so a job
 * is never nicer than asked and never less nice than its process.
 *
 * **Threads.** Jobs may run side by side. What a job changes goes through the applier
 * (engine/applier.h), like all that others change meanwhile; a fold makes these wait for its end.
 * job_progress, job_cancel and job_wait may be called by any thread, and job_cancel by several;
 * job_start and job_finish by the owner. Nothing here may be called by a signal handler: a handler
 * sets a flag, and the thread that waits looks at it. */
#ifndef ENGINE_JOBS_H
#define ENGINE_JOBS_H

#include "base/thread.h"
#include "base/work.h"

#define JOB_NICENESS_MAX THREAD_NICENESS_MAX

struct job_options {
    const char *name; /* for people: "training"; static */
    enum status (*run)(void *context, struct work *work, struct error *error);
    void *context;    /* lives until job_finish */
    uint32_t threads; /* at most so many for each walk; 0: as many as the engine has */
    int niceness;     /* 0 to JOB_NICENESS_MAX, beside the process's own */
};
struct job_progress {
    const char *name, *step; /* step: NULL before the first */
    uint64_t done, total;    /* total 0: nobody knows */
    double seconds;          /* since the start; of a job that has ended, how long it took */
    bool cancelled;          /* somebody asked it to end */
    bool ended;              /* job_finish would not wait */
};

struct engine_job;
/* STATUS_INVALID for a niceness out of range; STATUS_LIMIT where the system gives no thread.
 * Nothing runs then. */
enum status job_start(struct engine_job **out, const struct job_options *options,
                      struct error *error) MUST_USE;
void job_progress(struct engine_job *job, struct job_progress *out);
/* Returns at once; the job ends soon. Does nothing to one that has ended. */
void job_cancel(struct engine_job *job);
/* Waits at most so long; true where the job has ended. */
bool job_wait(struct engine_job *job, uint32_t timeout_ms);
/* Waits, releases, and gives what `run` gave. NULL is fine: STATUS_OK. */
enum status job_finish(struct engine_job *job, struct error *error) MUST_USE;

#endif
