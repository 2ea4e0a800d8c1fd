/* SPDX-License-Identifier: Apache-2.0 */
/* profile/related.h -- the one step along a relation: it gives the timelines that `any friend (…)`
 * may look at.
 *
 * A relation is a *Related {kind, to}* event on the customer's own timeline; `to` is an identifier,
 * "type:value". The newest event about (kind, to) counts, and `state: no` ends it. A related
 * customer is given only where both sides had consented to the relation's purpose as of t.
 *
 * A walk collects and sorts the relations of one kind once, so a walk over n of them costs n log n.
 * Only profile.c uses it. */
#ifndef PROFILE_RELATED_H
#define PROFILE_RELATED_H

#include "event/event.h"
#include "profile/consent.h"

/* One *Related* event of the kind that is walked. */
struct relation {
    uint64_t hash;
    struct text to; /* in related_walk.names */
    uint32_t row;
    bool ended;
};

struct related_walk {
    const struct customer_data *data;
    struct permission_names *names_found;
    struct timeline_reader *reader; /* opened at the first relation met; pinned like its user's */
    struct timeline_request request;
    uint64_t columns[TIMELINE_COLUMNS_MAX / 64];
    const struct timeline *customer; /* whose relations these are */
    /* The relations that hold as of t, by row; made when a walk begins. */
    struct relation *relations;
    size_t relation_count, relation_capacity;
    struct buffer names;
    /* Customers that were handed out or looked at, so that a friend known by two identifiers counts
     * once: open addressing, ID_NONE is free. */
    uint32_t *seen;
    uint32_t seen_count, seen_bits;
};

/* Both are borrowed. */
void related_init(struct related_walk *walk, const struct customer_data *data,
                  struct permission_names *names);
void related_release(struct related_walk *walk);
/* Closes its reader; it is opened again when it is needed. */
void related_rest(struct related_walk *walk);
/* Gives the next related customer's timeline as of t, or STATUS_END; *cursor starts at 0
 * (expr_env.related). Any other status: it can't be told who else is related. */
enum status related_next(struct related_walk *walk, uint32_t relation, int64_t t_ms,
                         uint64_t *cursor, struct timeline *out) MUST_USE;

#endif
