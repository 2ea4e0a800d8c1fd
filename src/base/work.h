/* SPDX-License-Identifier: Apache-2.0 */
/* base/work.h -- a long piece of work, as the code that does it sees it: it tells its progress and
 * learns whether it should end.
 *
 * Rooms below the engine know no jobs, terminals or signals. A function that walks over everybody,
 * fits a model or writes a large file takes a `struct work *`, adds to it what it has done, and
 * asks now and then whether somebody has cancelled it. It then ends with STATUS_CANCELLED and
 * releases what it holds; what it was making stays as it was before, as after any other failure.
 * engine/jobs.h makes the work, reads it and cancels it.
 *
 * The step and the counts are for people. They are read while they are written, so a reader may see
 * the count of one step under the name of the next. Every function takes NULL for work that nobody
 * watches. Any thread; no call waits or fails. */
#ifndef BASE_WORK_H
#define BASE_WORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct work { /* {0} to begin with */
    _Atomic bool cancelled;
    _Atomic(const char *) step; /* what is counted: "customers read"; static; may be NULL */
    _Atomic uint64_t done;      /* in the step's units */
    _Atomic uint64_t total;     /* 0: nobody knows */
    uint32_t threads;           /* at most so many; 0: as many as the caller likes. Set before. */
};

/* A new step begins; `name` is static and lives for ever. */
static inline void work_step(struct work *work, const char *name, uint64_t total) {
    if (work == NULL) return;
    atomic_store_explicit(&work->done, 0, memory_order_relaxed);
    atomic_store_explicit(&work->total, total, memory_order_relaxed);
    atomic_store_explicit(&work->step, name, memory_order_release);
}

static inline void work_add(struct work *work, uint64_t done) {
    if (work != NULL) atomic_fetch_add_explicit(&work->done, done, memory_order_relaxed);
}

static inline void work_cancel(struct work *work) {
    if (work != NULL) atomic_store(&work->cancelled, true);
}

static inline bool work_is_cancelled(struct work *work) {
    return work != NULL && atomic_load_explicit(&work->cancelled, memory_order_relaxed);
}

/* How many of `threads` may be used. */
static inline uint32_t work_threads(const struct work *work, uint32_t threads) {
    bool fewer = work != NULL && work->threads != 0 && work->threads < threads;
    return fewer ? work->threads : threads;
}

/* STATUS_CANCELLED, with a sentence, once somebody has cancelled it. */
enum status work_check(struct work *work, struct error *error) MUST_USE;

#endif
