/* SPDX-License-Identifier: Apache-2.0 */
/* support/store_trial.h -- operations on a store that follow from a seed alone, and what the store
 * must then hold.
 *
 * Operation i of a seed is always the same: an append of so many events with a record and sometimes
 * quarantined rows (events under keys that came before correct the older row, and some frames
 * retract one), a fold, a merge, an erasure of one persona, a dropping of rows. trial_model
 * knows the outcome without any store, so whoever kills a process or cuts the power can ask: is
 * what is on the disk the outcome of exactly the first k operations? */
#ifndef SUPPORT_STORE_TRIAL_H
#define SUPPORT_STORE_TRIAL_H

#include "store/store.h"

struct trial {
    uint64_t seed;
    uint32_t persona_count; /* events fall on these */
    uint32_t events_max;    /* of one append */
    /* Some appends are not synced; TRIAL_SYNC operations make them durable. */
    bool unsynced;
    /* Some operations copy the store to DIRECTORY.backup-N, check the copy and drop it. */
    bool backups;
};

enum trial_kind {
    TRIAL_APPEND,
    TRIAL_SYNC,
    TRIAL_FOLD,
    TRIAL_MERGE,
    TRIAL_ERASE,
    TRIAL_DROP_ROWS,
    TRIAL_REBUILD
};
enum trial_kind trial_kind(const struct trial *trial, uint64_t operation);
/* Does operation i, when it has succeeded, leave everything before it durable? */
bool trial_is_durable(const struct trial *trial, uint64_t operation);
uint64_t trial_event_count(const struct trial *trial, uint64_t operation);

/* What must be there after `operations` operations. */
struct trial_model;
struct trial_model *trial_model_create(const struct trial *trial, uint64_t operations);
void trial_model_destroy(struct trial_model *model);
uint64_t trial_model_events(const struct trial_model *model);

/* A store open for trials: with symbols, and the records that came back while opening. */
struct trial_store {
    struct store *store;
    struct symbols *symbols;
    struct buffer records;   /* as they came: position u64, kind u8, length u32, bytes */
    uint64_t last_operation; /* highest operation of a record or an event, UINT64_MAX: none */
    uint32_t checkpoints;    /* opened */
};
enum status trial_open(struct trial_store *out, struct file_system *fs, const char *directory,
                       uint32_t fold_events, bool by_hand, struct error *error);
void trial_close(struct trial_store *open);
/* store_trial_checkpoint.c: of what a trial's store derives from its records, and what it shares
 * with store_trial.c. */
struct store_checkpoint_ops trial_checkpoint_ops(struct trial_store *open);
enum status trial_on_record(void *open, enum record_kind kind, struct text bytes, uint64_t position,
                            struct error *error);
void trial_note_operation(struct trial_store *open, struct text bytes);
/* Performs operation i. */
enum status trial_do(const struct trial *trial, struct trial_store *open, uint64_t operation,
                     struct error *error);
/* Compares all that the store holds with the model: every event field, record and row, exactly
 * once, nothing else. On a difference false, with what it is in `why`. */
bool trial_matches(const struct trial *trial, struct trial_store *open,
                   const struct trial_model *model, char why[512]);
/* The number of operations, within [least, most], whose outcome the store holds; UINT64_MAX: none
 * (`why`: the difference to the first tried). */
uint64_t trial_find(const struct trial *trial, struct trial_store *open, uint64_t least,
                    uint64_t most, char why[512]);

#endif
