/* SPDX-License-Identifier: Apache-2.0 */
/* measure/funnel.h -- how many customers each stage of the decision left with a treatment.
 *
 * Fed with one decision after the other, each of another customer; the sums are additive. */
#ifndef MEASURE_FUNNEL_H
#define MEASURE_FUNNEL_H

#include "decide/decide.h"
#include "measure/figure.h"

struct funnel { /* {0} to begin with */
    /* left[s] counts customers with a treatment that passed stage s. */
    uint64_t customers, left[STAGE_COUNT];
    uint64_t offered, withheld, nothing; /* nothing: no treatment is left, whatever stopped it */
    /* Customers with nothing of whom it is not known whether they agree. */
    uint64_t consent_unknown;
    uint64_t truncated; /* more treatments were available than a decision considers */
    uint64_t limited;   /* a named limit left something unknown */
    /* Of those offered or withheld: something likelier was left, and is worth less. What was drawn
     * (decide/choice.h) does not count. */
    uint64_t by_value;
    uint64_t crossed; /* of either arm of the holdout, since two customers became one */
};
void funnel_add(struct funnel *funnel, const struct decision *decision);
/* Returns how many customers with nothing had a treatment left until arbitration, but none was
 * worth more than nothing. */
uint64_t funnel_nothing_is_best(const struct funnel *funnel);

/* How many customers are offered something, would be but are in the holdout, get nothing, and for
 * how many value goes before what they would likeliest do. */
#define FUNNEL_FIGURES 4
void funnel_figures(const struct funnel *funnel, int64_t as_of_ms,
                    struct figure out[FUNNEL_FIGURES]);

#endif
