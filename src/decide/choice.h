/* SPDX-License-Identifier: Apache-2.0 */
/* decide/choice.h -- which of the best treatments stands in a slot, by chance, with its exact
 * selection probability.
 *
 * Without `explore:` in the playbook the best that may stand takes the slot, and its probability is
 * 1. With it, a slot whose best may be explored is drawn by inverse-gap weighting (Foster and
 * Rakhlin 2020, "Beyond UCB", algorithm 1: SquareCB). Of K candidates a, with values y in [0, 1]:
 *
 *   p(a)    = max(1 / (K + gamma (y(best) - y(a))), share / K)      for every a but the best
 *   p(best) = 1 - the sum of the others                             which is at least 1 / K
 *
 *   value        priority over the highest priority of the decision, in steps of 1 / CHOICE_STEPS.
 *                The steps make a value two letters of the record, from which every probability of
 *                the decision is computed again, equal to the bit.
 *   candidates   the best of the slot, and those with the highest upper bounds of their priority
 *                (choice_upper), up to `candidates` of them, "nothing" included where the playbook
 *                says so. Only what may stand there now, given the ranks above: exploration passes
 *                no policy, no bundle and no placement.
 *   share        the floor: every candidate has share / K, so no importance weight passes
 *                candidates / share (1,000 with the defaults).
 *
 * In a slate the slots are drawn one after the other. Each candidate set is a function of the ranks
 * above it, so that the probability of a slate is the product of those of its draws.
 *
 * Chance is a hash of what the decision is made of (decision.seed) and of the number of the draw.
 * The same decision made again draws the same.
 *
 * Pure functions; any thread. */
#ifndef DECIDE_CHOICE_H
#define DECIDE_CHOICE_H

#include "base/text.h"

#define CHOICE_CANDIDATES_MAX 10
#define CHOICE_STEPS          4095u
/* Stands for "nothing": the slot stays empty. Its value is 0. */
#define CHOICE_NOTHING UINT32_MAX
#define CHOICE_NO_RANK UINT8_MAX
/* The probabilities of a draw sum to 1 within so much. */
#define CHOICE_TOLERANCE 1e-9

/* A treatment that is a candidate of some draw of the decision. */
struct choice_candidate {
    uint32_t treatment; /* its index in the set of treatments, or CHOICE_NOTHING */
    uint32_t value;     /* 0 to CHOICE_STEPS */
};

/* One slot that was drawn. Its candidates are indexes in choice.candidates, ascending. */
struct choice_draw {
    uint32_t count;                            /* of candidates, 2 or more */
    uint32_t best, taken;                      /* places among them */
    uint8_t at;                                /* the placement asked for, by its order; else 0 */
    uint8_t rank;                              /* that it became; CHOICE_NO_RANK: nothing */
    uint16_t candidate[CHOICE_CANDIDATES_MAX]; /* which they are */
    double probability[CHOICE_CANDIDATES_MAX]; /* of each, given the ranks above */
};

/* All draws of a decision, in their order. Slots without one were taken by their best, with
 * probability 1: exploration was off for it, or there was no other candidate. */
struct choice {
    double gamma, share;
    uint32_t candidate_count, draw_count;
    const struct choice_candidate *candidates;
    const struct choice_draw *draws;
};

/* The value of a priority above 0; `highest` is the highest of the decision. */
uint32_t choice_value(double priority, double highest);

/* Upper end of the 95 % interval of a propensity that rests on so many past treatments (Wilson
 * 1927): `rows` counts what is known beforehand, too (CHOICE_PRIOR_ROWS), so that it is wide and
 * finite where nobody was treated yet. In [propensity, 1]. */
#define CHOICE_PRIOR_ROWS 10
double choice_upper(double propensity, double rows);
/* The same of many propensities that rest on so many rows. */
void choice_uppers(const double *propensity, uint32_t count, double rows, double *out);
/* The lower end, in [0, propensity]. */
double choice_lower(double propensity, double rows);

/* Computes the probabilities of a draw whose candidates and best are told. gamma >= 0; share in
 * [0, 1]. */
void choice_probabilities(struct choice_draw *draw, const struct choice_candidate *candidates,
                          double gamma, double share);
/* Are all probabilities above 0, and is their sum 1 within CHOICE_TOLERANCE? Checked before a
 * decision is packed. */
bool choice_is_whole(const struct choice_draw *draw);

/* The chance of draw `number` of a decision: uniform in [0, 1) over seeds. */
double choice_chance(uint64_t seed, uint32_t number);
/* Which candidate that chance takes: probabilities are laid one behind the other, in order. */
uint32_t choice_take(const struct choice_draw *draw, double chance);

/* ---- the record ----
 *
 *   1000,0.01;AAA__CBkA;0AABA__…;0BAAA9…
 *   │    │    │          └ draws: at, rank, taken, best, and which of the candidates, as bits
 *   │    │    └ every candidate of the decision: index in the set of treatments, and value
 *   └────┴ gamma and share
 *
 * A hundred bytes or two for six slots of ten candidates each, since most candidates of a slot are
 * those of the slot before. Probabilities are not written: they follow. */

/* Writes gamma and share as the record begins. The bytes are the same for every decision of a
 * playbook, so a decider makes them once. */
#define CHOICE_HEAD_BYTES 64
void choice_head(double gamma, double share, char out[CHOICE_HEAD_BYTES]);
/* Appends the record. STATUS_INVALID where a draw is not whole. */
enum status choice_write(const struct choice *choice, struct text head,
                         struct buffer *out) MUST_USE;

/* Reads the draws of a record, in order, with their probabilities. `candidates` are all of the
 * decision. */
#define CHOICE_KNOWN_MAX 1024
struct choice_reader {
    struct text left;
    double gamma, share;
    uint32_t candidate_count;
    struct choice_candidate candidates[CHOICE_KNOWN_MAX];
};
/* STATUS_CORRUPT where the text is no such record. It is borrowed. */
enum status choice_reader_init(struct choice_reader *reader, struct text record) MUST_USE;
/* STATUS_END behind the last one; STATUS_CORRUPT. */
enum status choice_next(struct choice_reader *reader, struct choice_draw *out) MUST_USE;

#endif
