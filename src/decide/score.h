/* SPDX-License-Identifier: Apache-2.0 */
/* decide/score.h -- the propensity of many treatments for one customer.
 *
 * A score is a sum of one effect a feature (learn/learn.h); a model whose score is no such sum is
 * asked row by row (treatment_propensity). The features of the customer add the same for every
 * treatment of a decision, and the attributes of a treatment the same for every customer. The sum
 * goes in the order of the features, so a score is equal to model_score to the bit; in a model with
 * pairs (decide/score_pairs.h) it is so in any order. Used by facts.c alone. */
#ifndef DECIDE_SCORE_H
#define DECIDE_SCORE_H

#include "decide/decide_internal.h"

struct scores;
enum status scores_create(struct scores **out, const struct playbook *playbook) MUST_USE;
void scores_destroy(struct scores *scores);
/* A decision begins, over these treatments; the profile stands at t, and has been asked for all of
 * them. `evaluates`: no score is plain. */
void scores_begin(struct scores *scores, const struct decider *decider,
                  const struct treatment_set *treatments, bool evaluates);

/* How treatments of an action are scored in the decision at hand. */
struct model_score_facts;
struct route_score {
    const struct model *model; /* NULL: no model tells their chance */
    struct model_score_facts *facts;
    /* Every trait of a treatment that the model reads is answered for all treatments at once, or
     * there is no model: profile_with need not be called. */
    bool plain;
};
void scores_route(struct scores *scores, struct decider *decider, const struct action *action,
                  struct route_score *out);
/* The chance of a treatment of the set; its score is plain, and has a model. */
double scores_plain(struct scores *scores, struct decider *decider, const struct route_score *route,
                    const struct treatment *treatment);
/* The same for many, by their indices in the set, ascending. */
void scores_many(struct scores *scores, struct decider *decider, const struct route_score *route,
                 const struct treatment *treatments, const uint32_t *index, uint32_t count,
                 double *out);
/* The same for any score with a model; the profile stands at this treatment (profile_with). */
double scores_of(struct scores *scores, struct decider *decider, const struct treatment *treatment);
/* The features of the rule that speak most for a treatment that was scored in this decision. The
 * profile stands at it (profile_with). */
uint32_t scores_reasons(struct scores *scores, struct decider *decider,
                        const struct treatment *treatment, struct model_reason out[REASONS_MAX]);

#endif
