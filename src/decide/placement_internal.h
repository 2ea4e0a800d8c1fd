/* SPDX-License-Identifier: Apache-2.0 */
/* decide/placement_internal.h -- one decision whose slots are filled, and what exploration
 * (decide/explore.c) adds to it. */
#ifndef DECIDE_PLACEMENT_INTERNAL_H
#define DECIDE_PLACEMENT_INTERNAL_H

#include "decide/placement.h"

/* The treatments that are not yet placed: a heap of places of the trace, the best of them first.
 * Where a limit is reached, all of them are taken one after the other, so taking one must not look
 * at all. Mostly the slots are filled by the best few, which one pass over the trace finds: then
 * the heap is made of the others once these are used up. */
#define BEST_MAX (2 * DECISION_SLOTS_MAX)
struct unplaced {
    uint32_t *at;
    uint32_t count;
    uint32_t best[BEST_MAX]; /* in their order */
    uint32_t best_count, best_taken;
    bool others;       /* those that come behind the best few are not in the heap yet */
    uint32_t *waiting; /* for their partner in a bundle */
    uint32_t waiting_count;
};

/* Treatments that may be chosen by chance at one placement, by the upper bound of their priority:
 * those looked at so far, highest first. The next ones are found in one pass over the trace, so
 * many at a time; one pass is mostly enough. */
#define POOL_BATCH (CHOICE_CANDIDATES_MAX + 6)
struct pool {
    uint32_t *place;
    uint32_t count;
    double last_upper; /* of the last of them */
    bool has_more;
    uint32_t at; /* the placement, or UINT32_MAX */
};

struct exploring {
    bool on; /* for this customer */
    uint64_t seed;
    double highest;    /* priority of the decision */
    double *upper;     /* by place of the trace; NAN: it is not offered, or not explored */
    uint16_t *known;   /* by place: its place among choice.candidates + 1; 0: none yet */
    uint16_t nothing;  /* the same of "nothing" */
    uint32_t capacity; /* of candidates */
    struct choice_candidate *candidates;
    struct choice_draw *draws;
    struct pool pool;
};

/* One decision whose slots are filled. */
struct filling {
    struct decider *decider;
    struct decision *decision;
    struct unplaced left;
    struct exploring exploring;
    uint32_t told; /* so many ranks count as contacts for those below */
    bool has_bundles;
};

static inline const struct treatment *treatment_at(const struct decision *decision,
                                                   uint32_t place) {
    return &decision->treatments->treatments[decision->trace.index[place]];
}

/* May it stand beside what is ranked, and after it? What a contact policy stops, or a bundle keeps
 * apart from what is ranked, is stopped for good; `left` does not change. */
enum status filling_may_join(struct filling *filling, uint32_t place, bool *joins) MUST_USE;

/* Does the playbook explore, and may it for this customer? The profile stands at t. Makes
 * decision->choice. */
enum status explore_begin(struct filling *filling) MUST_USE;
/* From now on slots of this placement are filled (UINT32_MAX: anywhere). */
void explore_at(struct filling *filling, uint32_t at);
/* Draws the slot whose best is `best`, which may stand there. *taken: a place of the trace, or
 * CHOICE_NOTHING; *probability: that it was taken, given the ranks above. Without a candidate
 * beside it the best is taken with probability 1. */
enum status explore_draw(struct filling *filling, uint32_t at, uint32_t best, uint32_t *taken,
                         double *probability) MUST_USE;

#endif
