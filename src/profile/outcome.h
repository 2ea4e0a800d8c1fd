/* SPDX-License-Identifier: Apache-2.0 */
/* profile/outcome.h -- tells whether the goal followed a moment. Scenarios, training rows, reports
 * and lift all use this one definition.
 *
 * The goal of a moment t is *yes* where an event of the goal, matching its `where` and not undone
 * within the horizon, has its time in (t, t + within] (or (t, until]). It is *no* once the horizon
 * and the arrival delay of its source have passed (both <= now) without such an event. Until then
 * it is *open*, and the row is no training row. Only events known by now_ms count. */
#ifndef PROFILE_OUTCOME_H
#define PROFILE_OUTCOME_H

#include "profile/profile.h"

enum outcome { OUTCOME_OPEN, OUTCOME_NO, OUTCOME_YES };

struct outcome_detail {
    enum outcome outcome;
    int64_t horizon_ms; /* the end of the horizon */
    /* When the outcome is known: after the horizon and the delay of the sources; TIME_NEVER where
     * there is no end. */
    int64_t matured_ms;
    int64_t first_ms; /* time of the first goal event; YES only */
    /* The sum of the goal's value over goal events (money or number); unknown where the goal has
     * none. */
    struct value value;
    /* Goal events whose value is no part of that sum: it has another currency, or another type. */
    uint32_t values_left_out;
};
/* Does the goal depend on a treatment: on its deadline, or in its `where`? */
bool goal_is_of_treatment(const struct goal *goal);
/* Do its expressions read traits? */
bool goal_reads_traits(const struct goal *goal);

/* The timeline must hold rows up to now_ms (request as of now). `treatment` NULL where the goal
 * uses no action.… Traits that the goal reads are those of the last profile_at / profile_with: the
 * caller's, as of t. */
struct outcome_detail outcome_of(struct profile *profile, const struct timeline *timeline,
                                 const struct goal *goal, const struct treatment *treatment,
                                 int64_t t_ms, int64_t now_ms);

#endif
