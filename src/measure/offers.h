/* SPDX-License-Identifier: Apache-2.0 */
/* measure/offers.h -- counts how often each action is offered in each of its channels, over many
 * decisions.
 *
 * Every (action, channel) of the playbook has a line, also one that is never offered: its owner
 * must see that. Borrows from the playbook. */
#ifndef MEASURE_OFFERS_H
#define MEASURE_OFFERS_H

#include "decide/decide.h"
#include "measure/figure.h"

struct offer_use {
    const struct action *action;
    uint32_t channel;            /* SYMBOL_CHANNEL */
    uint64_t offered, withheld;  /* to customers; to those who are in the holdout */
    double propensity_sum, cost; /* of what is offered; cost in major units */
};
struct offers {
    const struct playbook *playbook;
    struct offer_use *items; /* by action and channel; after offers_sort most often offered first */
    size_t count;
    uint32_t *first; /* by action: its first in `items`, until offers_sort */
};
/* Release also after a failure. */
enum status offers_init(struct offers *offers, const struct playbook *playbook) MUST_USE;
void offers_release(struct offers *offers);
void offers_add(struct offers *offers, const struct decision *decision);
/* Nothing is added afterwards. */
void offers_sort(struct offers *offers);

/* Messages that are offered and withheld, the mean propensity of those that are offered, and what
 * they cost in the playbook's currency. */
#define OFFER_FIGURES 4
void offer_figures(const struct offers *offers, const struct offer_use *use, int64_t as_of_ms,
                   struct figure out[OFFER_FIGURES]);

#endif
