/* SPDX-License-Identifier: Apache-2.0 */
/* store/version.h -- a version is what a reader pins: a list of runs and one or two tails. It is
 * reference counted and never changes.
 *
 *   versions.current ──► version 7 { runs 3 4 5; tails: A (being folded), B }
 *                        version 6 { runs 3 4;   tails: A }   a reader that opened before keeps it
 *
 * Pinning takes no lock: the pointer and the count of readers that entered through it share one
 * 64-bit word. On publishing, the count moves into the version (differential reference counts).
 * Whoever brings it to zero frees it, a reader included. The last version that refers to a run or
 * tail closes it. The run's file may have been removed by then; the mapping keeps the bytes. */
#ifndef STORE_VERSION_H
#define STORE_VERSION_H

#include <pthread.h>
#include <stdatomic.h>
#include "event/timeline_source.h"
#include "store/keys/key_file.h"
#include "store/run/run.h"
#include "store/keys/superseded.h"
#include "store/tail/tail.h"

#define VERSION_RUNS_MAX    256
#define VERSION_KEYS_MAX    64
#define VERSION_READERS_MAX 60000 /* open at one time */

struct stored_run {
    _Atomic uint32_t references;
    uint64_t number; /* runs/NUMBER.run */
    struct run *run;
};
/* Takes ownership of `run` (also on failure). References: 1. */
enum status stored_run_create(struct stored_run **out, struct run *run, uint64_t number) MUST_USE;
void stored_run_dereference(struct stored_run *run);

struct stored_keys {
    _Atomic uint32_t references;
    uint64_t number; /* keys/NUMBER.keys */
    struct key_file *file;
};
/* Takes ownership of `file` (also on failure). References: 1. */
enum status stored_keys_create(struct stored_keys **out, struct key_file *file,
                               uint64_t number) MUST_USE;
void stored_keys_dereference(struct stored_keys *keys);

struct view_tail_order;
struct version {
    /* The tail's rows by customer, of the newest walk of this version (view_tail_order.h). */
    pthread_mutex_t order_lock;
    struct view_tail_order *order;
    _Atomic int64_t references;
    struct stored_run *runs[VERSION_RUNS_MAX]; /* oldest events first */
    uint32_t run_count;
    struct tail *tails[2]; /* older first; the last one grows */
    uint32_t tail_count;   /* 1 or 2 */
    struct column_set columns;
    const struct customer_directory *directory;
    struct stored_keys *keys[VERSION_KEYS_MAX]; /* oldest first */
    uint32_t keys_count;
    struct superseded *superseded; /* below the tails; NULL: nothing is */
};

struct versions {
    _Atomic uint64_t word; /* pointer, 48 bits | readers inside, 16 bits */
};

/* A version with references to what it lists; the lists are copied. NULL without memory. */
struct version *version_create(struct stored_run *const *runs, uint32_t run_count,
                               struct tail *const *tails, uint32_t tail_count,
                               const struct column_set *columns,
                               const struct customer_directory *directory) MUST_USE;

/* The same in two steps, so that the step that may fail can come before the point of no return. */
struct version *version_alloc(void) MUST_USE; /* memory_free gives back one that was not filled */
void version_fill(struct version *version, struct stored_run *const *runs, uint32_t run_count,
                  struct tail *const *tails, uint32_t tail_count, const struct column_set *columns,
                  const struct customer_directory *directory);

/* Before it is published: references to these files, and to what they supersede (may be NULL). */
void version_add_keys(struct version *version, struct stored_keys *const *keys, uint32_t count,
                      struct superseded *superseded);

/* One publisher at a time. Takes ownership of `version`; the one before goes once its readers have
 * left. */
void versions_publish(struct versions *versions, struct version *version);
void versions_release(struct versions *versions); /* no readers may be left */

/* Any thread. STATUS_LIMIT with too many readers open. */
enum status versions_pin(struct versions *versions, struct version **out,
                         struct error *error) MUST_USE;
void versions_unpin(struct versions *versions, struct version *version);
/* Would a pin still give this version? */
bool versions_is_current(const struct versions *versions, const struct version *version);

/* The position a reader of this version pins: all rows below it are in the version's runs and
 * tails. Read it once, after pinning. */
static inline uint64_t version_position(const struct version *version) {
    return tail_position(version->tails[version->tail_count - 1]);
}

#endif
