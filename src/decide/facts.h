/* SPDX-License-Identifier: Apache-2.0 */
/* decide/facts.h -- what a decision asks once a customer, and not once a treatment.
 *
 *   of the customer     consent by purpose and opt-in by channel, conditions that read nothing of
 *                       the treatment, what its features add to each model's score
 *   of an action in     prices, the chance where no model tells it (contact policies:
 *   a channel           decide/contact.h)
 *   of a treatment      when it is available, what its attributes add to the score: made once for a
 *                       set of treatments
 *
 * Each of them is worked out when the first treatment asks for it, so a fact that nothing asks for
 * costs nothing. The answer for a treatment is the same, to the bit, as that of profile_with,
 * stage_judge stage by stage and treatment_propensity; a property test compares the two. One
 * thread's, as its decider is. */
#ifndef DECIDE_FACTS_H
#define DECIDE_FACTS_H

#include "decide/decider.h"

struct facts;
/* The decider's history is there already. */
enum status facts_create(struct facts **out, const struct decider *decider) MUST_USE;
void facts_destroy(struct facts *facts);

/* A decision begins: the facts of the one before no longer hold. The profiler stands at t
 * (profile_at). Memory that can't be had only makes the decision slower. */
void facts_begin(struct decider *decider, const struct treatment_set *treatments);

/* Is the treatment stopped already because `available` reads nothing but the treatment, and says no
 * or is unknown? Fills the trace's stage then. No trait of a treatment is needed for it. */
bool facts_is_over(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                   struct treatment_trace *trace);
/* Every stage up to arbitration of trace->treatment, which is not over. */
enum status facts_judge(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                        struct treatment_trace *trace) MUST_USE;

#endif
