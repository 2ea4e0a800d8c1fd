/* SPDX-License-Identifier: Apache-2.0 */
/* engine/rates.h -- base rates as dated versions (measure/base_rates.h says what they are).
 *
 *   decisions at t      ─ ─ ─ ─ 09:12 ─ 09:47 ─ ─ ─ ─ ─ 10:03 ─ ─ ─ ─►
 *   versions as known   09:00 ───────────────── 10:00 ──────────────
 *                         └ what both take         └ made in the background; until it is there,
 *                                                    the one of 09:00 is taken
 *
 * To measure them takes a walk over everybody, so a decision must not wait for it. A version is as
 * known at a full hour (UTC) and measured of all that the log held then; a decision at t takes the
 * newest one that is not of after t. A snapshot (in_force.h) lists the versions of its playbook.
 *
 * Two ways to ask:
 *   RATES_LATEST  for a process that stays: takes the newest version there is, and has the next one
 *                 made in the background when an hour is over or the log has grown by an eighth.
 *                 Only at the first decision does it wait, since there is none at all, and where
 *                 the log has doubled since: the first load of a year's events is no trickle.
 *   RATES_FRESH   for a command: the version of t's hour of all that is in the log now, the
 *                 engine's own decisions of that hour and later apart. Waits for it.
 *
 * The background takes at most a tenth of the time: it rests nine times as long as the last walk
 * took. It has one thread, which runs only where no other would, so no request waits for a core
 * behind it. Nobody waits for its walk either: whoever finds no rates that will do makes some.
 * Where a walk fails, the program's log says so, the old versions stay, and it is tried again
 * after a rest.
 *
 * Threads: any. Beside the background's, one walk is under way at a time; it has the engine's
 * threads. */
#ifndef ENGINE_RATES_H
#define ENGINE_RATES_H

#include "base/shared.h"
#include "decide/decide.h"

struct engine;
struct in_force;

#define RATES_EVERY_MS     TIME_HOUR_MS
#define RATES_VERSIONS_MAX 64 /* in memory; beyond them the one made first goes */

struct rates_version {
    struct shared shared;
    uint64_t id;       /* of the playbook, of the two below, and of the rates: never 0 */
    int64_t at_ms;     /* as known then */
    uint64_t position; /* of all that stands below it in the log */
    uint32_t count;    /* goal_bases_count */
    struct goal_base bases[];
};
void rates_version_drop(struct rates_version *version); /* NULL is allowed */

/* The versions of a playbook: ascending by at_ms, one of each. */
struct rates_list {
    struct shared shared;
    uint32_t count;
    struct rates_version *versions[RATES_VERSIONS_MAX];
    uint32_t made[RATES_VERSIONS_MAX]; /* in which order they were */
};
void rates_list_drop(struct rates_list *list); /* NULL is allowed */
/* The newest that is not of after t; NULL: there is none. `list` may be NULL. */
struct rates_version *rates_list_at(const struct rates_list *list, int64_t t_ms);

/* What the engine keeps to make them. */
struct rates;
enum status rates_create(struct rates **out, struct engine *engine) MUST_USE;
void rates_destroy(struct rates *rates); /* ends the background; NULL is allowed */

enum rates_wanted { RATES_LATEST, RATES_FRESH };
/* The version for decisions at t under this snapshot; held for the caller. *next_ms: the time from
 * which on another one is to be asked for. Where it has to be measured, `work` counts the
 * customers, and ends it once it is cancelled; NULL: only rates_destroy ends it. */
enum status rates_for(struct in_force *in_force, int64_t t_ms, enum rates_wanted wanted,
                      struct work *work, struct rates_version **out, int64_t *next_ms,
                      struct error *error) MUST_USE;
/* Measures them again as they were for a decision of before: at that hour, of all that stood below
 * the position. They are not listed. Pure, so the id tells whether they are the same. */
enum status rates_again(struct in_force *in_force, int64_t at_ms, uint64_t position,
                        struct rates_version **out, struct error *error) MUST_USE;
/* Measures the rates of a snapshot that is about to be put in force with another playbook, for the
 * hour for which they were measured last, so that nobody who decides has to wait for them. It is a
 * walk over everybody, so never the applier's: all that others change would wait for it. *out is
 * held for the caller; NULL where none were measured yet, or these can't be: then they are measured
 * when they are asked for. */
void rates_prepare(struct in_force *next, struct rates_version **out);
/* Lists a version of its playbook in a snapshot that is not yet in force. Nothing is listed where
 * it is NULL, or without memory. */
void rates_list_in(struct in_force *next, struct rates_version *version);
/* Has the log grown by an eighth since they were measured? */
bool rates_are_due(const struct rates_version *version, uint64_t position);
/* The engine has written decisions of its own at [from, to), none of before earliest_ms: versions
 * as known by then stand. Applier only. */
void rates_note_decisions(struct engine *engine, uint64_t from, uint64_t to, int64_t earliest_ms);

#endif
