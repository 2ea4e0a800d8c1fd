/* SPDX-License-Identifier: Apache-2.0 */
/* store/store_internal.h -- the inside of a store, for the sources of this room only.
 *
 *   applier ── log, growing tail            worker (one at a time) ── manifest, run list, files
 *        └────────────── guard: the little that both touch ──────────────┘
 *
 * The worker is whoever holds the role (store_role_take): the folding thread, or a caller of fold,
 * erase, backup. Only the worker changes `manifest` and `runs`; it does so under `guard`, so that
 * others may read them under it. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <pthread.h>
#include "store/log/log.h"
#include "store/manifest.h"
#include "store/store.h"
#include "store/version.h"
#include "store/view/view.h"

/* So many keys are remembered that a caller wanted fetched. For the older ones the next thing that
 * a look-up touches is fetched. */
#define KEYS_AHEAD 8

struct store {
    struct file_system *fs;
    char directory[FILE_PATH_MAX];
    bool read_only, fold_by_hand;
    /* Of store_watch; `work` is the same while a caller's fold or rebuild has the role, else NULL.
     */
    struct work *watched, *work;
    uint32_t fold_events;
    struct symbols *symbols;
    const struct customer_directory *customers;
    struct file *lock;
    struct versions versions;
    struct view_source view;         /* what is durable */
    struct view_source written_view; /* what is written */
    _Atomic uint64_t written_bound;  /* UINT64_MAX, or after a failed sync what was durable */

    /* The applier's. */
    struct log *log;
    struct symbol_counts logged; /* symbols that the log has */
    struct buffer symbol_bytes, frame;
    struct store_checkpoint_ops checkpoint; /* begin NULL: none is made */
    uint64_t checkpoint_bytes;
    struct version *seen;       /* pinned from a look-up of a key to the next append; NULL: none */
    uint64_t ahead[KEYS_AHEAD]; /* lower halves, a ring; 0 is harmless */
    uint32_t ahead_count;
    uint64_t unchecked_bytes; /* written since free space was last looked at */
    uint32_t retry_at;        /* the growing tail's size at which a failed fold is tried again */

    /* Under the guard. */
    pthread_mutex_t guard;
    pthread_cond_t changed;
    bool busy; /* somebody has the role */
    bool stopping, retry, has_thread;
    bool checkpoint_lost; /* the one that the manifest names can't be used: make it anew */
    pthread_t thread;
    struct tail *growing, *frozen; /* frozen: waits for its fold; NULL: nothing does */
    uint64_t frozen_end;
    uint64_t growing_rows, frozen_rows; /* quarantined rows in the log */
    struct manifest manifest;
    bool manifest_unsure; /* storing one failed: the disk may have either. The worker's */
    struct stored_run *runs[MANIFEST_RUNS_MAX];  /* by index of manifest.runs */
    struct stored_keys *keys[MANIFEST_KEYS_MAX]; /* by index of manifest.keys */
    struct superseded *superseded;               /* NULL: there is none */
    struct column_set columns;
    enum status fold_status; /* of the last fold by the thread */
    struct error fold_error;
    uint64_t *dropped; /* row ids dropped since the last fold, ascending */
    size_t dropped_count, dropped_capacity;
};

/* store.c */
void store_role_take(struct store *store); /* waits */
void store_role_give(struct store *store);
/* store_append in two steps: between them nothing can have begun to fold the frame. */
enum status store_write(struct store *store, const struct store_frame *frame, bool sync,
                        uint64_t *position, struct error *error) MUST_USE;
void store_fold_if_large(struct store *store);
/* Fills `blank` with what counts now and publishes it. Under the guard. */
void store_publish(struct store *store, struct version *blank);
/* customer[persona] as of `position`, NULL without a directory; memory_free it. */
enum status store_customers(struct store *store, uint64_t position, uint32_t **customer,
                            uint32_t *persona_count, struct error *error) MUST_USE;
/* STATUS_READ_ONLY. */
enum status store_need_write(const struct store *store, struct error *error) MUST_USE;

/* fold.c. Role held, but for store_fold_begin, which is the applier's. */
/* Freezes the growing tail; nothing may be frozen. */
enum status store_fold_begin(struct store *store, struct error *error) MUST_USE;
enum status store_fold_frozen(struct store *store, struct error *error) MUST_USE;
/* Frozen, then growing. */
enum status store_fold_all(struct store *store, struct error *error) MUST_USE;
void *store_fold_thread(void *store);

/* compact.c. Role held. */
enum status store_compact_tiers(struct store *store, struct error *error) MUST_USE;
enum status store_compact_all(struct store *store, bool rewrite, struct error *error) MUST_USE;

/* keys.c */
/* The applier has appended or ends: what it pinned goes. */
void store_forget_seen(struct store *store);

/* keys_fold.c. Role held. */
struct edit;
/* The frozen tail's keys, and what it supersedes, into files of their own. */
enum status store_keys_fold(struct edit *edit, const struct tail *tail,
                            struct error *error) MUST_USE;
/* Merges key files of one level once they are enough; `all`: all files. */
enum status store_keys_compact(struct store *store, bool all, struct error *error) MUST_USE;
/* Makes the keys anew from the runs: where an older program made the directory or, with `verify`,
 * where a key file is damaged. */
enum status store_keys_from_runs(struct store *store, bool verify, struct error *error) MUST_USE;
/* The rows that an erasure takes: those of these personas, and those at these positions. */
struct erased_rows {
    const uint64_t *persona_bits;
    uint32_t persona_count;
    const uint64_t *positions; /* ascending */
    size_t position_count;
};
enum status store_keys_erase(struct edit *edit, const struct erased_rows *rows,
                             struct error *error) MUST_USE;

/* rows.c */
/* Under the guard. */
enum status store_dropped_add(struct store *store, const uint64_t *row_ids, size_t count) MUST_USE;
bool store_row_is_dropped(const uint64_t *dropped, size_t count, uint64_t row_id);

/* sweep.c: removes files that the manifest does not name, and half-written ones. */
enum status store_sweep(struct store *store, struct error *error) MUST_USE;

#endif
