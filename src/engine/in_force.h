/* SPDX-License-Identifier: Apache-2.0 */
/* engine/in_force.h -- all that a decision is made from, events and identities apart, as one
 * snapshot that never changes.
 *
 *   engine ── now in force ──► snapshot 7 ── playbook B ── lookups, treatments ── models ── rates
 *                                               ▲                                  ▲
 *   a walk that began before ► snapshot 6 ──────┘ (a model was trained since)      │
 *                              snapshot 5 ── playbook A …     (its last holder has let go: freed)
 *
 * A snapshot has the playbook, the timelines' columns that the playbook reads, each lookup with all
 * its versions, the treatments as known at any time, the models, and the base rates by date. It is
 * counted: whoever asks questions holds one for as long as the answer takes, and what it holds
 * stays as it is whatever is put in force meanwhile. Putting something in force makes the next
 * snapshot, which shares with the present one what did not change, and swaps them. A snapshot is
 * freed, with what no other one shares, by its last holder.
 *
 * The next snapshot is whole before the log says a word of it: a playbook that does not load, a
 * table that makes no treatments or a model that can't be read leaves everything as it was, also
 * the names that are declared.
 *
 * Names. Symbols are only ever added, and an id never means another name, so a snapshot needs no
 * copy of them: its playbook holds the ids of the names that it declares.
 *
 * Threads: any thread may hold, read and drop snapshots. Only the applier makes and swaps them,
 * with one exception: base rates (engine/rates.h) are added by whoever measured them. */
#ifndef ENGINE_IN_FORCE_H
#define ENGINE_IN_FORCE_H

#include <pthread.h>

#include "base/shared.h"
#include "decide/decide.h"
#include "engine/lookup_version.h"
#include "engine/rates.h"
#include "learn/learn.h"

struct engine;
struct lifetime_series;
struct lifetime_entry;

/* ---- what snapshots share ---- */

struct held_playbook {
    struct shared shared;
    struct playbook *playbook;
    char hash[17]; /* of its bytes, as hexadecimal digits; names its file */
};
/* Takes the playbook, also on failure. */
enum status held_playbook_create(struct held_playbook **out, struct playbook *playbook) MUST_USE;
void held_playbook_drop(struct held_playbook *playbook); /* NULL is allowed */

/* A model as it was trained once. */
struct model_version {
    struct shared shared;
    char name[SYMBOL_BYTES_MAX + 1];
    uint32_t version;
    int64_t trained_ms, until_ms;
    uint64_t features; /* what its features meant; 0: not said */
    /* One of the two. Both NULL: its file can't be read. */
    struct model *model;
    struct lifetime_series *lifetime;
};
void model_version_drop(struct model_version *version); /* NULL is allowed */

/* The lookups of a playbook and the treatments that are made of them; its models. */
struct lookup_set;
struct model_set;

/* ---- a snapshot ---- */

struct model_entry {
    struct text name;
    uint32_t version; /* 0: it was never trained */
    int64_t trained_ms, until_ms;
    const struct model *model; /* NULL: there is none, or it is left out */
};

struct in_force {
    struct shared shared;
    /* Grows with each swap; tells two snapshots of a process apart. */
    uint64_t generation;
    struct engine *engine;
    /* What rooms below are asked with; `context` is this snapshot. Before the first playbook,
     * data.playbook is NULL and nothing but symbols and source may be used. */
    struct customer_data data;
    /* The same for who decides: rows are seen once they are written, synced or not. */
    struct customer_data decider_data;
    const char *playbook_hash; /* "" before the first */
    /* Of playbook, models and newest tables: two snapshots with the same hash decide alike. */
    uint64_t hash;
    /* By model rule of the playbook. `models` is what a decider takes. */
    const struct model *const *models;
    const struct model_entry *model_entries;

    /* Private to in_force.c: what is held. */
    struct held_playbook *playbook;
    struct timeline_source *source, *written;
    struct lookup_set *lookups;
    struct model_set *model_set;
    struct rates_list *rates; /* NULL: none was measured yet. For rates_for */
};

/* The one in force now, held for the caller. Never NULL once the engine is open. Any thread. */
struct in_force *in_force_hold(struct engine *engine);
/* Holds it once more, for another owner. */
struct in_force *in_force_share(struct in_force *in_force);
void in_force_drop(struct in_force *in_force); /* NULL is allowed */
/* Would in_force_hold give this one? Costs one load. */
bool in_force_is_current(const struct in_force *in_force);

/* The table of a lookup of the playbook as known at t, or NULL; as data.lookup. */
const struct lookup_table *in_force_lookup(const struct in_force *in_force, uint32_t lookup,
                                           int64_t t_ms);
/* The first lookup whose table as known at t is there by the log and can't be read; NULL: none. */
const struct lookup_rule *in_force_unreadable(const struct in_force *in_force, int64_t t_ms);
uint32_t in_force_lookup_versions(const struct in_force *in_force, uint32_t lookup);
/* Is there a table that a view at t does not see, since it was loaded later? *known_ms: from when
 * on the newest of these is known. */
bool in_force_later_lookup(const struct in_force *in_force, int64_t t_ms, struct text *name,
                           int64_t *known_ms);
/* Has a model learnt from what came after t? A decision at t by it knows what nobody knew then.
 * `entry` (may be NULL): the first. */
bool in_force_hindsight(const struct in_force *in_force, int64_t t_ms, struct model_entry *entry);
/* Newest tables, by the playbook's lookups; from memory_alloc, NULL without memory. They are valid
 * as long as the snapshot is held. */
const struct lookup_table **in_force_tables(const struct in_force *in_force) MUST_USE;

/* The table of the v-th version (oldest first) of the lookup of that name; NULL where the playbook
 * has no such lookup or the table can't be read. */
const struct lookup_table *in_force_version_table(const struct in_force *in_force,
                                                  struct text lookup, size_t v);
/* The symbol of an identifier type, such as "email". Another status, with the nearest name, where
 * there is none such. */
enum status in_force_identifier_type(const struct in_force *in_force, struct text type,
                                     uint32_t *out, struct error *error) MUST_USE;
/* "C12", "household:1029" or a bare identifier value that only one customer has. */
enum status in_force_find_customer(const struct in_force *in_force, struct text name,
                                   struct as_of as_of, struct customer_id *out,
                                   struct error *error) MUST_USE;

/* ---- the next one; the applier's ---- */

/* What differs from the one in force. Each is borrowed, but the table is taken, whatever becomes of
 * it. */
struct in_force_change {
    struct held_playbook *playbook; /* NULL: the same */
    /* A version of a lookup: newer than all others or, with the hash of the newest, in its place.
     */
    struct text lookup; /* its name; empty: none */
    int64_t known_ms;
    uint64_t hash;
    struct lookup_table *table;
    struct model_version *model; /* NULL: the same; instead of the one of its name */
    /* As of a past decision (past.h): these models, and no others. */
    bool is_past;
    struct model_version *const *past_models;
    size_t past_model_count;
};
/* Makes the next snapshot; nothing is in force yet, nothing is written. */
enum status in_force_next(struct engine *engine, const struct in_force_change *change,
                          struct in_force **out, struct error *error) MUST_USE;
/* Swaps: from now on in_force_hold gives `next`, which is taken. Of the same playbook it takes over
 * the base rates. */
void in_force_swap(struct engine *engine, struct in_force *next);
/* The snapshot in force, with these base rates: the only swap that is not the applier's. Where
 * another playbook is in force by now, or without memory, nothing happens: rates can be measured
 * again. The list is borrowed. For rates.c, which does so under its lock. */
void in_force_add_rates(struct engine *engine, const struct held_playbook *playbook,
                        struct rates_list *list);
/* By index of playbook->lifetimes (engine/lifetimes.h). */
struct lifetime_entry in_force_lifetime(const struct in_force *in_force, uint32_t rule);
/* The version of the model of a rule; NULL: none was trained. */
const struct model_version *in_force_model_version(const struct in_force *in_force, uint32_t rule);

#endif
