/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lookup_version.h -- one version of a lookup's table, laid out as a playbook reads it.
 *
 * The log says which versions a lookup has, each with the time from which on it is known and the
 * hash of its content (struct lookup_fact, in_force.h). Its rows lie in lookups/HASH. A
 * lookup_version is such a version under one playbook: the playbook's columns first, in its order,
 * with its keys. Snapshots whose playbooks lay the table out alike share it.
 *
 * Rows are read when somebody first asks for them: a lookup that is loaded every day has hundreds
 * of versions, and most questions are about the newest. The file is mapped in place
 * (event/lookup.h). So what a version holds of memory are pages of its file, and they can leave
 * while others read: an address that was handed out stays good, and whoever follows it brings its
 * page back. All versions of an engine together stay within a limit:
 *
 *   asked for      newest   2017-03-04   2017-03-05   …           one and a half times the largest
 *   pages in RAM   ████████ ██           █            │◄───────── version, or LOOKUP_PAGES_BYTES
 *
 * How many pages a version holds is estimated from how often it was asked for. When the sum passes
 * the limit, the pages of all versions but the one that is asked for leave. Tables that an older
 * program wrote, or that are laid out under other keys, are built in memory and stay there.
 *
 * What a version says never changes; whether its rows are in memory may. Any thread. */
#ifndef ENGINE_LOOKUP_VERSION_H
#define ENGINE_LOOKUP_VERSION_H

#include <pthread.h>

#include "base/shared.h"
#include "event/lookup.h"
#include "playbook/playbook.h"

/* The pages of all lookup versions may have so many bytes, or one and a half times the largest
 * version where that is more. */
#define LOOKUP_PAGES_BYTES (UINT64_C(16) << 20)

struct engine;
struct held_playbook;
struct lookup_version;

/* The versions of an engine that have a table. */
struct lookup_pages {
    pthread_mutex_t lock;
    struct lookup_version *first; /* a list */
    _Atomic uint64_t largest;     /* bytes of the largest of them so far */
    _Atomic uint64_t held;        /* estimated, of all */
};
void lookup_pages_init(struct lookup_pages *pages);
void lookup_pages_release(struct lookup_pages *pages); /* no version may be left */

struct lookup_version {
    struct shared shared;
    int64_t known_ms; /* TIME_ALWAYS for the first, undated one */
    uint64_t hash;    /* of the content, as it was loaded; names its file */
    /* Whose rule lays the table out; held. */
    struct held_playbook *playbook;
    uint32_t lookup; /* the rule's index there */
    struct engine *engine;
    /* Under the lock of the engine's lookup_pages, but for the first look at `table`. */
    _Atomic(struct lookup_table *) table; /* NULL: not read yet, or it can't be read */
    bool is_tried;
    struct lookup_version *next, *before;
    uint64_t bytes;        /* of the table's file; 0: it is built in memory */
    _Atomic uint64_t held; /* estimated */
};

/* `table` was written to its file, which is what counts from now on: it is taken, and freed. NULL:
 * there is none. The file is not looked at before the first question. */
enum status lookup_version_create(struct lookup_version **out, struct engine *engine,
                                  struct held_playbook *playbook, uint32_t lookup, int64_t known_ms,
                                  uint64_t hash, struct lookup_table *table,
                                  struct error *error) MUST_USE;
void lookup_version_drop(struct lookup_version *version); /* NULL is allowed */
/* Its rows, or NULL where they can't be read, with a line in the program's log, once. Valid as long
 * as the version is held. Any thread. */
const struct lookup_table *lookup_version_table(struct lookup_version *version);

#endif
