/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lookup_version.h -- one version of a lookup's table, laid out as a playbook reads it.
 *
 * The log says which versions a lookup has, each with the time from which on it is known and the
 * hash of its content (struct lookup_fact, in_force.h). Its rows lie in lookups/HASH. A
 * lookup_version is such a version under one playbook: the playbook's columns first, in its order,
 * with its keys. Snapshots whose playbooks lay the table out alike share it.
 *
 * What a version says never changes; whether its rows are in memory may. Any thread. */
#ifndef ENGINE_LOOKUP_VERSION_H
#define ENGINE_LOOKUP_VERSION_H

#include "base/shared.h"
#include "event/lookup.h"
#include "playbook/playbook.h"

struct engine;
struct held_playbook;

struct lookup_version {
    struct shared shared;
    int64_t known_ms; /* TIME_ALWAYS for the first, undated one */
    uint64_t hash;    /* of the content, as it was loaded; names its file */
    /* Whose rule lays the table out; held. */
    struct held_playbook *playbook;
    uint32_t lookup;            /* the rule's index there */
    struct lookup_table *table; /* NULL: its file can't be read */
};

/* Takes `table` where all went well; NULL: it is read from its file. A file that can't be read
 * leaves the version without a table, with a line in the program's log, where one can do without
 * (may_do_without); other failures are returned. */
enum status lookup_version_create(struct lookup_version **out, struct engine *engine,
                                  struct held_playbook *playbook, uint32_t lookup, int64_t known_ms,
                                  uint64_t hash, struct lookup_table *table,
                                  struct error *error) MUST_USE;
void lookup_version_drop(struct lookup_version *version); /* NULL is allowed */
/* Its rows, or NULL where they can't be read. Valid as long as the version is held. Any thread. */
const struct lookup_table *lookup_version_table(struct lookup_version *version);

#endif
