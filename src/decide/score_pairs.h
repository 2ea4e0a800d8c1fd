/* SPDX-License-Identifier: Apache-2.0 */
/* decide/score_pairs.h -- what the pairs of a model add to the scores of a decision.
 *
 * Sums of effects are exact in a model with pairs (learn/learn.h), so each pair is added by who
 * knows both of its cells first:
 *
 *   two traits of the customer            once a decision
 *   two attributes of a treatment         once a treatment, for as long as both stay the same
 *   a trait of the customer and what      all such pairs of one feature are summed up by its cells
 *   belongs to the treatment              once a decision; then it is one look-up a treatment
 *   any others                            a look-up a treatment and pair
 *
 * Used by score.c alone. */
#ifndef DECIDE_SCORE_PAIRS_H
#define DECIDE_SCORE_PAIRS_H

#include "learn/learn.h"
#include "playbook/playbook.h"

enum pair_place { PAIR_OF_CUSTOMER, PAIR_OF_TREATMENT, PAIR_OF_OTHERS, PAIR_PLACES };

struct placed_pair {
    uint32_t left, right; /* features of the model */
    struct model_pair_table table;
};
/* A feature that belongs to the treatment, and its pairs with traits of the customer. */
struct folded_feature {
    uint32_t feature, cell_count, first, count; /* its pairs: customer_pairs[first] … */
    double sums[LEARN_CELLS_MAX];               /* by its cell, for the customer at hand */
};
struct score_pairs {
    uint32_t count; /* of the model's pairs */
    struct placed_pair pairs[PAIR_PLACES][LEARN_PAIRS_MAX];
    uint32_t counts[PAIR_PLACES];
    struct placed_pair customer_pairs[LEARN_PAIRS_MAX]; /* left: the customer's */
    struct folded_feature *folded;
    uint32_t folded_count;
    bool *wanted;   /* by feature of the model: does a pair look at its cell? */
    uint8_t *cells; /* by feature: of the customer, and of the treatment at hand */
    size_t folded_capacity, wanted_capacity, cells_capacity;
};

/* Sorts the pairs of a model by their places. Its features are the rule's, then the treatment's. A
 * model of another rule, or without pairs, has none. After STATUS_NO_MEMORY it must not be asked.
 */
enum status score_pairs_plan(struct score_pairs *pairs, const struct playbook *playbook,
                             const struct model_rule *rule, const struct model *model) MUST_USE;
void score_pairs_release(struct score_pairs *pairs);
/* Returns the sum of what the pairs of a place add, by the cells at hand. */
double score_pairs_sum(const struct score_pairs *pairs, enum pair_place place);
/* Sums up the pairs of each folded feature, by the customer's cells at hand. */
void score_pairs_fold(struct score_pairs *pairs);
/* Returns all that depends on the treatment at hand but for PAIR_OF_TREATMENT. */
double score_pairs_of_treatment(const struct score_pairs *pairs);

#endif
