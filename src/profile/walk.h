/* SPDX-License-Identifier: Apache-2.0 */
/* profile/walk.h -- visits every customer once, on several threads, each with its own reader and
 * profile.
 *
 * The parts are disjoint shares of the customers, and every part sees the same pinned position. So
 * what is collected does not depend on the number of threads, as long as `visit` only adds to its
 * own part's state. */
#ifndef PROFILE_WALK_H
#define PROFILE_WALK_H

#include "base/work.h"
#include "profile/past.h"

#define WALK_THREADS_MAX 16

struct walker { /* what a visit may use */
    struct profile *profile;
    struct past past; /* who the customer was at earlier times */
};

struct walk_plan {
    const struct customer_data *data;
    /* Rows, and who is who, as known at its t; position POSITION_NOW: pinned at the start, the same
     * for all parts. */
    struct as_of as_of;
    /* Moments before t are asked about too: rows are judged by TIMELINE_KNOWN (training, scenarios)
     */
    bool all_times;
    uint32_t threads; /* 0 counts as 1; `work` may allow fewer, whose parts are then not visited */
    /* `part_state` is parts[part]. A failure ends the walk with that status. */
    enum status (*visit)(void *part_state, struct walker *walker, const struct timeline *timeline,
                         struct error *error);
    void *const *parts; /* `threads` of them */
    /* Counts customers; each thread asks it before each of them. May be NULL. */
    struct work *work;
};

enum status walk_customers(const struct walk_plan *plan, struct error *error) MUST_USE;

#endif
