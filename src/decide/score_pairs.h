/* SPDX-License-Identifier: Apache-2.0 */
/* decide/score_pairs.h -- what the pairs of a model add to the scores of a decision.
 *
 * Sums of effects are exact in a model with pairs (learn/learn.h), so each pair is added by who
 * knows both of its cells first:
 *
 *   two traits of the customer            once a decision
 *   two attributes of a treatment         once a treatment, for as long as both stay the same
 *   one of each                           a look-up a treatment
 *   any with a trait of the treatment     a look-up a treatment, in cells that differ by decision
 *
 * Used by score.c alone. */
#ifndef DECIDE_SCORE_PAIRS_H
#define DECIDE_SCORE_PAIRS_H

#include "learn/learn.h"
#include "playbook/playbook.h"

enum pair_place {
    PAIR_OF_CUSTOMER,
    PAIR_OF_TREATMENT,
    PAIR_OF_BOTH,
    PAIR_OF_OWN, /* with a trait of the treatment */
    PAIR_PLACES
};

struct score_pairs {
    uint32_t count; /* of the model's pairs */
    struct {
        uint32_t pair, left, right; /* features of the model */
    } of[PAIR_PLACES][LEARN_PAIRS_MAX];
    uint32_t counts[PAIR_PLACES];
    bool *wanted;   /* by feature of the model: does a pair look at its cell? */
    uint8_t *cells; /* by feature: of the customer, and of the treatment at hand */
    size_t wanted_capacity, cells_capacity;
};

/* Sorts the pairs of a model by their places. Its features are the rule's, then the treatment's. A
 * model of another rule, or without pairs, or without memory, has none; the last is
 * STATUS_NO_MEMORY. */
enum status score_pairs_plan(struct score_pairs *pairs, const struct playbook *playbook,
                             const struct model_rule *rule, const struct model *model) MUST_USE;
void score_pairs_release(struct score_pairs *pairs);
/* Returns the sum of what the pairs of a place add, by the cells at hand. */
double score_pairs_sum(const struct score_pairs *pairs, const struct model *model,
                       enum pair_place place);

#endif
