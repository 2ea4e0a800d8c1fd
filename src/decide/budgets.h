/* SPDX-License-Identifier: Apache-2.0 */
/* decide/budgets.h -- budgets as one decision sees them: what they cost, and what is left of them.
 *
 *   priority = propensity × context weight × value × lever − cost − Σ_k price_k × use_k
 *
 * A budget is about all customers, so no single timeline tells its price or what is left of it; the
 * engine works both out (engine/budgets.h) and hands them over. A treatment that takes more than is
 * left of a budget is stopped at arbitration. Prices and what was left are recorded with the
 * decision, so that it can be made again, equal to the bit, without asking anybody else's timeline.
 *
 * What a timeline has used of a budget is what its contacts and impressions took (contact.h):
 * pending ones count, those that failed or lapsed do not, and what the holdout withheld took
 * nothing. Amounts of treatments of the past are those of the playbook in force.
 *
 * Equal customers. Where many customers are worth the same, at any price all or none of them would
 * want what is scarce. So each customer sees prices that are up to a thousandth higher or lower, by
 * a hash of the customer's id; the allocation knows it. Of equal ones, prices then let through as
 * many as there is enough for.
 *
 * Threads: as the decider. */
#ifndef DECIDE_BUDGETS_H
#define DECIDE_BUDGETS_H

#include "decide/decide.h"

/* By index of the playbook's budgets. */
struct budget_prices {
    double price[BUDGETS_MAX]; /* in units of the priority, by unit of the budget */
    /* What one more treatment may take; INFINITY: there is enough. Of a minimum it says nothing. */
    double left[BUDGETS_MAX];
};
/* What the customer sees of a price: a factor between .999 and 1.001. */
double budget_scale(struct customer_id customer);
/* How a budget stood when its price was found, and what its best use was worth. */
struct budget_start {
    int64_t at_ms;
    double price, used; /* in the period of at_ms */
    double worth;       /* expected value by unit of what the best use takes; 0: it takes nothing */
};
/* The price at t of a budget that is spent in the course of its period, where `used` is used by
 * now: price + η (used − B), never of the other sign. B is what an even use of what was left then
 * would have used by t. η is so large that half of what was left, spent too early, doubles the
 * price; of a budget that cost nothing it is a fifth of its worth by what was left. Without a
 * period there is no pace, and the price stays. */
double budget_paced_price(const struct playbook *playbook, const struct budget_rule *budget,
                          const struct budget_start *start, double used, int64_t t_ms);
/* All of them for nothing, and enough. */
void budget_prices_clear(struct budget_prices *prices);
/* From the next decision on; copied. Until it is told, budgets cost nothing and never end. */
void decider_use_prices(struct decider *decider, const struct budget_prices *prices);
/* Prices as decision_pack wrote them, by the names of the budgets; what a name no longer stands for
 * is left out. Where the record has none they are clear. */
void budget_prices_read(const struct customer_data *data, struct text packed,
                        struct budget_prices *out);

/* Adds to `used` what the timeline has used of each budget in the period that has t, as known at t.
 * Without `same_moment`, decisions of this very t are left out, since one of them may be made
 * again. */
enum status decider_count_budgets(struct decider *decider, const struct timeline *timeline,
                                  int64_t t_ms, bool same_moment,
                                  double used[BUDGETS_MAX]) MUST_USE;
/* Adds what the ranks of a decision take that are not withheld. */
void budgets_add_decision(const struct decision *decision, double used[BUDGETS_MAX]);

/* What customers could be offered, for allocate(): one offer of each kind, the best of those that
 * take the same of every budget. Contact policies and placements between the offers of one customer
 * are not looked at: one offer a customer is allocated. */
struct budget_offers;
enum status budget_offers_create(struct budget_offers **out,
                                 const struct decider *decider) MUST_USE;
void budget_offers_destroy(struct budget_offers *offers);
/* Adds a customer by a decision that was made without prices. STATUS_LIMIT where there are more
 * than memory should be spent on (BUDGET_OFFERS_MAX). */
#define BUDGET_OFFERS_MAX (UINT64_C(1) << 30)
enum status budget_offers_add(struct budget_offers *offers, const struct decision *decision,
                              struct error *error) MUST_USE;
struct allocation;
/* Allocates what is left of the budgets: amounts less `used`. Value and bound are those of the
 * offers as they are, without the thousandth by which prices differ. */
enum status budget_offers_allocate(const struct budget_offers *offers,
                                   const double used[BUDGETS_MAX], struct work *work,
                                   struct allocation *out, struct error *error) MUST_USE;

#endif
