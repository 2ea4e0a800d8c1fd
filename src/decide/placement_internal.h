/* SPDX-License-Identifier: Apache-2.0 */
/* decide/placement_internal.h -- one decision whose slots are filled, and what exploration
 * (decide/explore.c) adds to it. */
#ifndef DECIDE_PLACEMENT_INTERNAL_H
#define DECIDE_PLACEMENT_INTERNAL_H

#include "decide/facts.h"
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
    uint32_t placement; /* that they may stand at, or UINT32_MAX */
    bool is_gathered;   /* the best few were, there */
    bool others;        /* those that come behind the best few are not in the heap yet */
    uint32_t *waiting;  /* for their partner in a bundle */
    uint32_t waiting_count;
};

/* Treatments that may be chosen by chance at one placement, by the upper bound of their priority,
 * highest first. The first batch is found without the bounds of all others: of treatments in one
 * route those with the highest priorities have the highest bounds. It is mostly enough. */
#define POOL_BATCH (CHOICE_CANDIDATES_MAX + 6)
/* The best of some, the first of equal ones first. */
struct best_item {
    double key;
    uint32_t place;
};
struct best {
    uint32_t count;
    struct best_item items[POOL_BATCH];
};
struct pool {
    uint32_t *place;
    uint32_t count;
    bool is_begun, is_whole; /* all others are behind them */
    uint32_t at;             /* the placement, or UINT32_MAX */
};

struct exploring {
    bool on; /* for this customer */
    uint64_t seed;
    double highest;    /* priority of the decision */
    uint16_t *known;   /* by place: its place among choice.candidates + 1; 0: none yet */
    uint16_t nothing;  /* the same of "nothing" */
    uint32_t capacity; /* of candidates */
    struct choice_candidate *candidates;
    struct choice_draw *draws;
    struct pool pool;
    struct best few; /* of all that may stand at the pool's placement: the highest priorities */
};

/* One decision whose slots are filled. */
struct filling {
    struct decider *decider;
    struct decision *decision;
    struct unplaced left;
    struct exploring exploring;
    const uint32_t *routes; /* contact_route, by place of the trace … */
    const uint16_t *bits;   /* … and contact_bit */
    struct run_list runs;
    uint64_t ranked_bits; /* a bit for the contact_bit of each rank, modulo 64 */
    uint32_t told;        /* so many ranks count as contacts for those below */
    /* By route: so many ranks were told when its treatments were last found to pass, and 1. Only
     * those that no policy counts by themselves. */
    uint32_t *passed;
    uint32_t blocked_told; /* as many when it was last asked whether all are blocked, and 1 */
    bool has_bundles;
};

static inline const struct treatment *treatment_at(const struct decision *decision,
                                                   uint32_t place) {
    return &decision->treatments->treatments[decision->trace.index[place]];
}

/* May the treatment at this place of the trace stand at the placement (UINT32_MAX: anywhere)? */
static inline bool filling_takes(const struct filling *filling, uint32_t at, uint32_t place) {
    return at == UINT32_MAX || asked_takes(filling->decider, at, filling->routes[place]);
}

/* Does a rank perhaps have the key of the treatment at this place? False: none has. */
static inline bool filling_may_be_ranked(const struct filling *filling, uint32_t place) {
    return filling->ranked_bits >> filling->bits[place] % 64 & 1;
}

/* Do the policies on contacts let it pass, beside what is ranked, by what was found of its route?
 * False: it is not known. */
static inline bool filling_passes(const struct filling *filling, uint32_t place) {
    return filling->passed[filling->routes[place]] == filling->decision->ranked_count + 1 &&
           !contact_has_gone_out(&filling->decider->history, filling->bits[place]);
}

/* Where a run of the trace ends. */
static inline uint32_t filling_run_end(const struct filling *filling, const struct live_run *run) {
    uint32_t end = run->first + run->count, count = filling->decision->trace.count;
    return end < count ? end : count;
}

/* May the same treatments stand at two placements? */
bool filling_takes_the_same(const struct filling *filling, uint32_t a, uint32_t b);

/* May it stand beside what is ranked, and after it? What a contact policy stops, or a bundle keeps
 * apart from what is ranked, is stopped for good; `left` does not change. */
enum status filling_may_join(struct filling *filling, uint32_t place, bool *joins) MUST_USE;

/* Does the playbook explore, and may it for this customer? The profile stands at t. Makes
 * decision->choice. */
enum status explore_begin(struct filling *filling) MUST_USE;
/* From now on slots of this placement are filled (UINT32_MAX: anywhere): finds what may be drawn
 * there. Only where it explores. */
void explore_at(struct filling *filling, uint32_t at);
/* Draws the slot whose best is `best`, which may stand there. *taken: a place of the trace, or
 * CHOICE_NOTHING; *probability: that it was taken, given the ranks above. Without a candidate
 * beside it the best is taken with probability 1. */
enum status explore_draw(struct filling *filling, uint32_t at, uint32_t best, uint32_t *taken,
                         double *probability) MUST_USE;

#endif
