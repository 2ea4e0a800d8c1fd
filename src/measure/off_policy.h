/* SPDX-License-Identifier: Apache-2.0 */
/* measure/off_policy.h -- what another policy would have earned, from the log of one that drew its
 * actions at random with known probabilities.
 *
 * A row is one logged decision: its context x, the action a that was drawn with probability
 * b(a|x), and the reward r. The other policy would have drawn a with probability e(a|x), so that
 * the row stands for w = e/b decisions of it. A model q of the reward, right or wrong, takes part
 * of the noise out of what the weights make large:
 *
 *   IPS        mean of  w r                              Horvitz and Thompson (1952)
 *   SNIPS      sum of w r / sum of w                     Swaminathan and Joachims (2015)
 *   DR         mean of  q(e) + w (r - q)                 Dudik, Langford and Li (2011)
 *   switch-DR  mean of  q(e) + w [w <= tau] (r - q)      Wang, Agarwal and Dudik (2017)
 *   DRos       mean of  q(e) + w' (r - q), w' = lambda w / (w^2 + lambda)
 *                                                        Su, Dimakopoulou, Krishnamurthy, Dudik
 *                                                        (2020), optimistic shrinkage
 *
 * q is q(x, a) of the action that was taken and q(e) its mean over the actions of the other policy.
 * IPS and DR are unbiased where every action of the other policy had a chance in the log. DRos is
 * biased towards the model and far less noisy, so it is the headline; SNIPS is beside it. All hold
 * one decision changed and the later history fixed.
 *
 * Intervals treat customers, and not their rows, as independent:
 *   Poisson bootstrap by customer, percentiles (learn/bootstrap.h)
 *   empirical Bernstein, 7 b ln(2/delta) / (3 (n-1)) + sqrt(2 ln(2/delta) var / (n-1)) each way
 *   (Maurer and Pontil, 2009), over customers; b is the range of what was observed, so where large
 *   weights have not been met yet it is too narrow.
 * Where all rewards behind an estimate are equal, or there is one customer, bounds are NAN: the
 * rows tell nothing of the spread.
 * Effective sample size: (sum of w)^2 / sum of w^2 (Kish, 1965).
 *
 * Pure: no clock; sums in the order of rows, so the same rows give the same bits. Any thread. */
#ifndef MEASURE_OFF_POLICY_H
#define MEASURE_OFF_POLICY_H

#include "learn/learn.h"

enum off_policy_estimator {
    OFF_POLICY_IPS,
    OFF_POLICY_SNIPS,
    OFF_POLICY_DR,
    OFF_POLICY_SWITCH_DR,
    OFF_POLICY_DROS,
    OFF_POLICY_ESTIMATORS
};
const char *off_policy_name(enum off_policy_estimator estimator); /* "switch-DR" */

struct off_policy_row {
    double reward;
    double weight;    /* e(a|x) / b(a|x); 0 or more */
    double predicted; /* q(x, a); 0 without a model of the reward */
    double expected;  /* q(x, e): the mean of q over the other policy; 0 without a model */
    uint32_t group;   /* the customer */
};
struct off_policy_options {
    double switch_max; /* tau; NAN: as shrinkage is chosen */
    double shrinkage;  /* lambda; INFINITY is DR. NAN: the one with the least bound of the squared
                          error, bias and variance together, of a grid (Su et al., section 5) */
    uint64_t seed;     /* of the bootstrap */
};
struct off_policy_estimate {
    struct interval bootstrap;            /* value, and its intervals by Poisson bootstrap */
    double bernstein_low, bernstein_high; /* 95 % */
};
struct off_policy_result {
    struct off_policy_estimate estimates[OFF_POLICY_ESTIMATORS];
    uint64_t rows, groups;
    uint64_t supported; /* rows that the other policy could have made: weight over 0 */
    double effective_rows;
    double mean_weight; /* about 1 where the log supports the other policy */
    double max_weight;
    double mean_reward;                       /* what the logged policy earned … */
    double mean_reward_low, mean_reward_high; /* … 95 %, bootstrap */
    double shrinkage, switch_max;             /* as used */
};
/* Estimates. STATUS_INVALID: no rows, or a row that is not finite or has a weight below 0.
 * Estimates that are not defined (SNIPS where all weights are 0) are NAN. */
enum status off_policy_estimate(const struct off_policy_row *rows, size_t count,
                                const struct off_policy_options *options,
                                struct off_policy_result *out) MUST_USE;
/* Returns what the row adds to the mean that the estimator is; of SNIPS, to its numerator. */
double off_policy_term(enum off_policy_estimator estimator, const struct off_policy_row *row,
                       double shrinkage, double switch_max);

/* ---- what a log can't answer ---- */

enum off_policy_support {
    SUPPORT_GOOD,
    SUPPORT_NONE,          /* the other policy would have made none of the logged decisions */
    SUPPORT_DETERMINISTIC, /* nothing was drawn: every probability is 1 */
    SUPPORT_WEAK,          /* few effective rows, or weights whose mean is far above 1 */
    SUPPORT_PART,          /* weights whose mean is far below 1: it lacks what the policy does */
};
#define OFF_POLICY_EFFECTIVE_MIN 100.0
/* `drawn`: rows whose action was drawn with a probability below 1. */
enum off_policy_support off_policy_support(const struct off_policy_result *result, uint64_t drawn);
/* Are there estimates to be told? */
bool off_policy_answers(enum off_policy_support support);
/* A sentence for people. Static. */
const char *off_policy_support_text(enum off_policy_support support);

#endif
