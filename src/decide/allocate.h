/* SPDX-License-Identifier: Apache-2.0 */
/* decide/allocate.h -- who gets which treatment where budgets and capacity do not suffice for all.
 *
 *   maximise    Σ_i v_i,a(i)                 over one offer a(i), or nothing, for each customer i
 *   so that     Σ_i c_k,i,a(i) <= B_k        for each limit k; >= B_k where it is a minimum
 *
 * Each limit has one price λ_k (a Lagrange multiplier): the value that one unit more of it would
 * bring. Under the prices each customer takes what is best for that customer alone,
 * argmax_a (v_ia − Σ_k λ_k c_kia), nothing being worth 0. The dual
 *
 *   D(λ) = Σ_k λ_k B_k + Σ_i max(0, max_a (v_ia − Σ_k λ_k c_kia)),   λ_k >= 0, <= 0 for a minimum
 *
 * is convex, and every D(λ) is a bound: no choice that keeps all limits is worth more. Its smallest
 * value is that of the linear programme which may give a customer fractions of offers.
 *
 * How it is solved. D has kinks, on which plain subgradient steps λ_k ← max(0, λ_k + η(spend_k −
 * B_k)) go to and fro for ever. The maximum in D is smoothed: τ log(1 + Σ_a exp(u_a/τ)) stands for
 * max(0, max_a u_a). The smoothed dual lies at most N τ log(1 + A) above D, where A is the largest
 * count of offers of a customer. It has a gradient and a Hessian, so damped Newton steps within the
 * bounds of λ find its minimum. Then τ shrinks and the steps go on, until the gap is small enough;
 * so D's smallest value is approached as closely as is asked for. The first steps are taken on a
 * sample of the customers. Sources: Nesterov, *Smooth minimization of non-smooth functions* (2005),
 * with the entropy as prox function; Bertsekas, *Projected Newton methods* (1982).
 *
 * Under prices alone the limits hold nearly; where many customers are worth the same they may not
 * hold at all. So the choice is repaired: customers who give up least by unit of what is overspent
 * take something else, until no limit is broken; then what is left of a limit is used by those who
 * gain from it. Equal ones go in an order that their index scrambles, not in that of the customers.
 *
 * A minimum that can't be met, alone or within the other limits, is met as far as it can be, and
 * told in short_by. So is one for which the repair finds no room, though there may be some: where
 * single offers take a large part of a limit, to find it is a knapsack problem. A maximum is never
 * broken.
 *
 * Whoever hands out the prices and not the choice should let no two customers have the same values:
 * where many are equal, all or none of them want what is scarce. With for_prices the steps go on
 * until the demand under the prices is within a hundredth of each limit, or no step helps.
 *
 * The result is a pure function of the problem, the same on any machine with the same exp and log.
 * Threads: any; a call is one thread's and starts no other. Below a second per million offers. */
#ifndef DECIDE_ALLOCATE_H
#define DECIDE_ALLOCATE_H

#include "base/status.h"
#include "base/work.h"

#define ALLOCATE_LIMITS_MAX 32
#define ALLOCATE_KINDS_MAX  65536
#define ALLOCATE_NOTHING    UINT32_MAX
/* Amounts and uses are 0 or in this range, so that sums and quotients of them are numbers. */
#define ALLOCATE_SMALLEST 1e-30
#define ALLOCATE_LARGEST  1e30

struct allocate_limit {
    double amount;   /* B_k: 0, or in the range above, in the limit's own unit */
    bool is_minimum; /* at least so much, rather than at most */
};

/* The offers of all customers, customer by customer. What an offer takes of limit k is
 * fixed[kind][k] + own × by_own[kind][k]: most of it is the same for all offers of a kind (a
 * treatment), and the rest goes with one number of the offer itself (a cost that falls only if it
 * is redeemed). `own` is >= 0 and finite; the rest is 0, or in the range above. Values are finite;
 * one below 0 is taken only for the sake of a minimum. */
struct allocate_problem {
    uint32_t limit_count;
    const struct allocate_limit *limits;
    uint32_t kind_count;
    const double *fixed;  /* kind_count × limit_count */
    const double *by_own; /* the same; NULL: nothing goes with `own` */
    uint32_t customer_count;
    const uint64_t
        *first; /* customer_count + 1 of them: the offers of i are first[i] … first[i+1] */
    const uint16_t *kind; /* by offer */
    const float *value;   /* by offer */
    const float *own;     /* by offer; NULL where by_own is */
    bool for_prices;      /* the prices are handed out, and not the choice */
};

struct allocation {
    double price[ALLOCATE_LIMITS_MAX];    /* λ_k: value by unit; <= 0 for a minimum */
    double spent[ALLOCATE_LIMITS_MAX];    /* by `choice` */
    double short_by[ALLOCATE_LIMITS_MAX]; /* of a minimum that can't be met; else 0 */
    /* What customers would take of it under the prices alone, before the repair. */
    double demand[ALLOCATE_LIMITS_MAX];
    double value; /* of `choice` */
    double bound; /* D at the prices; minima that can't be met are taken as what can be */
    double gap;   /* (bound − value) / |bound|; 0 where both are 0 */
    uint64_t served;
    uint32_t rounds;  /* of smaller and smaller τ, over all customers */
    uint32_t *choice; /* by customer: the offer's index, or ALLOCATE_NOTHING */
};

/* Solves until the gap is at most `gap` (5e-4 where it is 0) or no step makes it smaller.
 * `work` counts passes, and cancels. STATUS_INVALID where the problem breaks the rules above,
 * STATUS_LIMIT where it is too large, STATUS_NO_MEMORY, STATUS_CANCELLED. */
enum status allocate(const struct allocate_problem *problem, double gap, struct work *work,
                     struct allocation *out, struct error *error) MUST_USE;
void allocation_release(struct allocation *allocation);

#endif
