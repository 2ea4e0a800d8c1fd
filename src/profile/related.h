/* SPDX-License-Identifier: Apache-2.0 */
/* profile/related.h -- the one step along a relation: whose timelines `any friend (…)` may look at.
 *
 * A relation is a *Related {kind, to}* event on the customer's own timeline; `to` is an identifier,
 * "type:value". The newest event about (kind, to) counts, and `state: no` ends it. A related
 * customer is handed out only where both sides had consented to the relation's purpose as of t.
 * Used by the profiler alone. */
#ifndef PROFILE_RELATED_H
#define PROFILE_RELATED_H

#include "event/event.h"
#include "profile/profile.h"

struct related_walk {
    const struct world *world;
    struct timeline_reader *reader; /* opened at the first relation met; pinned like its user's */
    struct timeline_request request;
    uint64_t columns[TIMELINE_COLUMNS_MAX / 64];
    const struct timeline *customer; /* whose relations these are */
    bool may_share;                  /* the customer's own consent as of t */
    /* So that a friend known by two identifiers counts once. */
    struct customer_id seen[EXPR_RELATED_MAX_DEFAULT];
    uint32_t seen_count;
};

void related_init(struct related_walk *walk, const struct world *world);
void related_release(struct related_walk *walk);
/* The next related customer's timeline as of t, or STATUS_END; *cursor starts at 0
 * (expr_env.related). */
enum status related_next(struct related_walk *walk, uint32_t relation, int64_t t_ms,
                         uint64_t *cursor, struct timeline *out) MUST_USE;

#endif
