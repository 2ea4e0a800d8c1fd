/* SPDX-License-Identifier: Apache-2.0 */
/* measure/lift.h -- what being treated changed: two arms that chance made, compared.
 *
 *   stratum        holdout           treated
 *   newcomers      ȳ₀ of n₀          ȳ₁ of n₁        Δ₁ = ȳ₁ - ȳ₀
 *   with history   ȳ₀ of n₀          ȳ₁ of n₁        Δ₂ = (ȳ₁ - ȳ₀) - θ(x̄₁ - x̄₀)
 *                                                    Δ  = Σ wₛ Δₛ,  wₛ = nₛ/n
 *
 * One row is one customer. Strata are what was settled before the arm could change anything: the
 * share of the holdout at the time (within which alone the draw was fair), and whether the customer
 * had a history. Of those with a history, x is what they did before: Y - θ(X - X̄) has the same
 * mean as Y and less variance (CUPED). θ is the common slope within the arms, so that an effect
 * can't hide in it.
 *
 * The difference is standardised: each stratum counts by its customers in both arms, so an arm that
 * has more of one kind of customer gains nothing by it.
 *
 * Where the formulas come from:
 *   CUPED            Deng, Xu, Kohavi and Walker, "Improving the Sensitivity of Online Controlled
 *                    Experiments by Utilizing Pre-Experiment Data", WSDM 2013
 *   variances        each arm its own, and Welch's degrees of freedom: Welch, "The generalization
 *                    of 'Student's' problem when several different population variances are
 *                    involved", Biometrika 34 (1947). Of a share p(1 - p) is taken at one goal and
 *                    one non-goal more than were seen, as in Agresti and Caffo, "Simple and
 *                    Effective Confidence Intervals for Proportions", American Statistician 54
 *                    (2000): an arm without goals is no proof of none. Of a value, an arm in which
 *                    all are equal takes the variance of the other one
 *   cost per goal    Fieller, "Some problems in interval estimation", JRSS B 16 (1954)
 *
 * Pure, nothing is allocated. Any thread. */
#ifndef MEASURE_LIFT_H
#define MEASURE_LIFT_H

#include "measure/figure.h"

enum lift_arm { LIFT_HOLDOUT, LIFT_TREATED, LIFT_ARMS };

/* Sums over the customers of one arm in one stratum. y: the outcome; x: before, 0 for all where
 * there is no history; c: what was spent. */
struct lift_sums {
    double n, y, yy, x, xx, xy, c, cc, cy, cx;
};
struct lift_stratum {
    struct lift_sums arm[LIFT_ARMS];
};
void lift_sums_add(struct lift_sums *into, const struct lift_sums *from);

struct lift {
    bool is_share;
    double mean[LIFT_ARMS]; /* standardised; their difference is the lift */
    double difference;
    double variance;                /* of the difference; NAN where an arm has fewer than two */
    double plain_variance;          /* what it would be without x */
    double arm_variance[LIFT_ARMS]; /* of the means */
    double freedom;                 /* HUGE_VAL for shares */
    double cost, cost_variance;     /* what a treated customer costs more */
    double cost_covariance;         /* of cost and difference */
    double n;                       /* customers compared */
    double customers[LIFT_ARMS];    /* of them by arm */
    double left_out;                /* in strata that lack an arm */
};
/* A stratum counts where each arm has at least two customers. `is_share`: y is 0 or 1. */
void lift_estimate(const struct lift_stratum *strata, size_t count, bool is_share,
                   struct lift *out);

/* Set value, bounds and n of a figure: the difference, as (treated - holdout), that of shares from
 * -1 to 1; … */
void lift_figure(const struct lift *lift, struct figure *figure);
/* … treated ÷ holdout, for means that can't be below 0: unknown where one is not above it; … */
void lift_ratio_figure(const struct lift *lift, struct figure *figure);
/* … and cost ÷ difference. Unknown where the difference is not above 0. Where its interval reaches
 * down to 0 the cost per goal has a lower bound alone, and `high` is unknown. */
void lift_cost_figure(const struct lift *lift, struct figure *figure);

#endif
