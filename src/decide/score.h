/* SPDX-License-Identifier: Apache-2.0 */
/* decide/score.h -- the propensity of many treatments for one customer.
 *
 * A score is a sum of one effect a feature (learn/learn.h). The features of the customer add the
 * same for every treatment of a decision, and the attributes of a treatment the same for every
 * customer. The sum goes in the order of the features, so a score is equal to model_score to the
 * bit. Used by facts.c alone. */
#ifndef DECIDE_SCORE_H
#define DECIDE_SCORE_H

#include "decide/decider.h"

struct scores;
enum status scores_create(struct scores **out, const struct playbook *playbook) MUST_USE;
void scores_destroy(struct scores *scores);
/* A decision begins, over these treatments; the profiler stands at t. */
void scores_begin(struct scores *scores, const struct decider *decider,
                  const struct treatment_set *treatments);
/* The profiler stands at this treatment (profile_with), whose action has a model. */
double scores_of(struct scores *scores, struct decider *decider, const struct treatment *treatment);

#endif
