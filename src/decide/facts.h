/* SPDX-License-Identifier: Apache-2.0 */
/* decide/facts.h -- what a decision asks once a customer, and not once a treatment.
 *
 *   of the customer     consent by purpose and opt-in by channel, conditions that read nothing of
 *                       the treatment, what its features add to each model's score
 *   of a route          an action in a channel: prices, the stage that stops all of its treatments,
 *                       the policies that speak of all of them, the chance where no model tells it
 *   of a treatment      is it over (decide/live.h), did it go out to the customer before, what its
 *                       attributes and its own traits add to the score
 *
 * A treatment of a plain route costs a look at its route, a bit that tells whether it ever went out
 * to the customer, and the end of its score: no walk, no allocation, no text search. What is not
 * plain (a condition that reads the treatment, a trait that can't be answered for all treatments at
 * once, a limit that was reached) is judged stage by stage for that treatment. The answer is the
 * same, to the bit, as that of profile_with, stage_judge stage by stage and treatment_propensity; a
 * property test compares the two. One thread's, as its decider is. */
#ifndef DECIDE_FACTS_H
#define DECIDE_FACTS_H

#include "decide/decide_internal.h"
#include "decide/live.h"

struct facts;
/* The decider's history is there already. */
enum status facts_create(struct facts **out, const struct decider *decider) MUST_USE;
void facts_destroy(struct facts *facts);

/* Judges every treatment that is not over at decision->t_ms up to arbitration, and makes
 * decision->trace in the decider's arena. The profile stands at t, and has been asked for all
 * treatments of the set (profile_for_all); the history is read. decision->limited, ->truncated are
 * or-ed to. STATUS_NO_MEMORY. */
enum status facts_judge(struct decider *decider, const struct timeline *timeline,
                        struct decision *decision) MUST_USE;

/* What is the same for all treatments of a route. */
struct price {
    double value, weight, lever, cost;
    double charge; /* what it takes of budgets, at their prices */
};
/* From the next decision on; `spent` (NULL: none): a budget of which the route takes more than is
 * left. */
void facts_charge(struct facts *facts, uint32_t route, double charge,
                  const struct budget_rule *spent);
struct price facts_price(const struct facts *facts, uint32_t route);
/* contact_route, and contact_bit of the key, by place of the latest trace. */
const uint32_t *facts_routes(const struct facts *facts);
const uint16_t *facts_bits(const struct facts *facts);
/* Neighbours in the latest trace that have one route. The last ones may end behind it. */
struct run_list {
    const struct live_run *runs;
    uint32_t count;
};
struct run_list facts_runs(const struct facts *facts);
/* On how many past treatments the propensity of the route rests, with CHOICE_PRIOR_ROWS for what is
 * known beforehand. Of the latest decision, and only where its playbook explores. */
double facts_rows(const struct facts *facts, uint32_t route);
/* When quiet times end for a treatment of the route, whose contact policies were passed in the
 * latest decision; else 0. */
int64_t facts_send_after(const struct facts *facts, uint32_t route);
/* The features that speak most for a treatment which a model scored in the latest decision, as
 * reasons_of; the profile stands at it (profile_with). */
uint32_t facts_reasons(struct decider *decider, const struct treatment *treatment,
                       struct model_reason out[REASONS_MAX]);

#endif
