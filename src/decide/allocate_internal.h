/* SPDX-License-Identifier: Apache-2.0 */
/* decide/allocate_internal.h -- what the sources of the solver share: the dual, and the repair. */
#ifndef DECIDE_ALLOCATE_INTERNAL_H
#define DECIDE_ALLOCATE_INTERNAL_H

#include "decide/allocate.h"

/* Sums are made of those of so many customers, so that rounding stays small. */
#define ALLOCATE_BLOCK 4096u

/* Prices as numbers >= 0: a minimum's is the negative of the price that is told, and its use and
 * its amount count negatively. */
struct allocate_prices {
    double y[ALLOCATE_LIMITS_MAX];
    double *fixed, *by_own; /* by kind: what one offer, and one unit of its own number, pays */
};

/* What one offer takes, and is worth under the prices. */
static inline double allocate_use(const struct allocate_problem *problem, uint64_t offer,
                                  uint32_t limit) {
    size_t at = (size_t)problem->kind[offer] * problem->limit_count + limit;
    double use = problem->fixed[at];
    return problem->own == NULL ? use : use + (double)problem->own[offer] * problem->by_own[at];
}
static inline double allocate_worth(const struct allocate_problem *problem,
                                    const struct allocate_prices *prices, uint64_t offer) {
    uint32_t kind = problem->kind[offer];
    double pays = prices->fixed[kind];
    if (problem->own != NULL) pays += (double)problem->own[offer] * prices->by_own[kind];
    return (double)problem->value[offer] - pays;
}

/* ---- allocate_dual.c ---- */

struct allocate_dual {
    const struct allocate_problem *problem;
    double amount[ALLOCATE_LIMITS_MAX]; /* those of minima may be lower than the problem's */
    struct allocate_prices prices;
    double worth_scale;                    /* the mean of what is best for a customer */
    double use_scale[ALLOCATE_LIMITS_MAX]; /* root mean square of what an offer takes, if any */
    double y_max[ALLOCATE_LIMITS_MAX];     /* INFINITY for a maximum */
    struct work *work;
    double *sums;           /* scratch, by kind */
    double *worth, *chance; /* scratch, by offer of one customer */
};
enum status allocate_dual_init(struct allocate_dual *dual, const struct allocate_problem *problem,
                               struct work *work) MUST_USE;
void allocate_dual_release(struct allocate_dual *dual);
/* Works out what a kind pays under prices->y. */
void allocate_dual_price(struct allocate_dual *dual);
/* Damped Newton steps on the dual smoothed by tau, over one customer of `every`; ends at its
 * smallest value, or where no step gets lower. STATUS_CANCELLED. */
enum status allocate_dual_descend(struct allocate_dual *dual, double tau, uint32_t every,
                                  struct error *error) MUST_USE;
/* D at the prices, each customer's best offer (nothing, where none is above 0; the first of equal
 * ones), and what all of them take. */
double allocate_dual_choose(const struct allocate_dual *dual, uint32_t *choice,
                            double spent[ALLOCATE_LIMITS_MAX]);

/* ---- allocate_repair.c ---- */

/* Changes `choice` until it breaks no maximum, and meets minima as far as it can; then uses up what
 * is left where that brings value. `spent` is brought up to date. */
enum status allocate_repair(const struct allocate_dual *dual, uint32_t *choice,
                            double spent[ALLOCATE_LIMITS_MAX]) MUST_USE;
/* What the choice takes, summed anew; returns its value. */
double allocate_total(const struct allocate_problem *problem, const uint32_t *choice,
                      double spent[ALLOCATE_LIMITS_MAX]);
/* Is so much of it too much (a maximum), or too little (a minimum)? Rounding of sums apart. */
bool allocate_breaks(const struct allocate_dual *dual, uint32_t limit, double spent);

#endif
