/* SPDX-License-Identifier: Apache-2.0 */
/* measure/sequence.h -- statements that stay true however often somebody looks.
 *
 * An interval of 95 % is made for one look at a date that was fixed before. Who looks every day and
 * stops at the first good day is wrong far more often than one time in twenty. What stands here
 * holds for all looks together:
 *
 *   a confidence sequence   an interval for each n; with chance 1 - alpha all of them hold the
 *                           truth at once
 *   evidence (an e-value)   what a bet against "no effect" has made of 1: it passes 1/alpha at any
 *                           time with a chance of at most alpha where there is no effect. The
 *                           sequence leaves 0 out exactly where the evidence reaches 1/alpha.
 *   joint evidence          of many series, those that may be called found so that at most the
 *                           share alpha of them is false, however the series depend on each other
 *   a sample ratio          were as many drawn into an arm as the share that was declared?
 *
 * The first two are asymptotic: they hold from some n on. The burn-in below is that n: in
 * simulations the false alarms of a sequence that is looked at from the first customer on are
 * 21-55 %, and with the burn-in 1.8-4.5 % at alpha = 5 %.
 *
 * Where the formulas come from:
 *   confidence sequence   Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central
 *                         limit theory and asymptotic confidence sequences", Annals of Statistics
 *                         52 (2024), theorem 2.2; rho by their appendix on the normal mixture
 *   evidence              the same mixture before it is solved for the mean: Robbins, "Statistical
 *                         methods related to the law of the iterated logarithm", Ann. Math. Stat.
 *                         41 (1970)
 *   joint evidence        Wang and Ramdas, "False discovery rate control with e-values", JRSS B 84
 *                         (2022): e-BH
 *   sample ratio          Lindon and Malek, "Anytime-valid inference for multinomial count data",
 *                         NeurIPS 2022, for two arms; the test of one look is the exact binomial
 *                         one, or for many customers chi-square with one degree of freedom
 *
 * Pure functions of their arguments; nothing is allocated. Any thread. */
#ifndef MEASURE_SEQUENCE_H
#define MEASURE_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEQUENCE_ALPHA .05
/* The n at which the sequence is narrowest beside the interval of one look (1.55 times as wide); at
 * a tenth and at ten times as many it is 1.95 and 1.66 times as wide. */
#define SEQUENCE_TUNED_FOR 5000.0
/* A sequence is looked at once each arm has so many goals and so many that are none. */
#define SEQUENCE_GOALS_MIN 25

/* The rho² of the mixture that makes the sequence narrowest at n = tuned_for. */
double sequence_rho_squared(double alpha, double tuned_for);
/* Half the width around a mean of n terms with standard deviation sigma. n > 0. */
double sequence_half_width(double n, double sigma, double rho_squared, double alpha);
/* The natural logarithm of the evidence against a mean of 0. -inf is never given; 0 where sigma is
 * 0 or no number. */
double sequence_evidence(double n, double mean, double sigma, double rho_squared);
/* The smallest n, at most 1e15, from which on half the width is at most `half_width`; HUGE_VAL
 * beyond. */
double sequence_needed(double half_width, double sigma, double rho_squared, double alpha);

/* Has an arm of n customers, `yes` of them with the goal, come through the burn-in? */
bool sequence_may_look(uint64_t yes, uint64_t n);

/* e-BH over `count` series by the logarithms of their evidence: the k with the most evidence are
 * found where each has at least count/(alpha k). Sets found[] (by series) and returns how many. The
 * order of equal ones does not matter. */
size_t evidence_find_joint(const double *evidence, size_t count, double alpha, bool *found);

/* How many customers were drawn into an arm, beside the declared share. */
struct sample_ratio {
    double observed, expected; /* customers in the arm */
    double variance;           /* of `observed`, if the declared shares hold */
    uint64_t n;                /* customers in both arms */
    double evidence;           /* log; that the shares do not hold; for all looks together */
    uint32_t strata;
    uint64_t in_arm; /* whole number: sum of what was added */
    double share;    /* of the only stratum, else NAN */
};
/* {0} to begin with. Adds customers to whom one share was declared, 0 < share < 1. */
void sample_ratio_add(struct sample_ratio *ratio, uint64_t in_arm, uint64_t n, double share);
/* The chance of a count as far from what is expected, or farther, at a look that was planned: exact
 * (two-sided binomial) for one share and up to 10,000 customers, else chi-square. NAN for no
 * customers. */
double sample_ratio_chance(const struct sample_ratio *ratio);
/* Is the ratio off, however often it is looked at? False alarms: at most SAMPLE_RATIO_ALPHA. */
#define SAMPLE_RATIO_ALPHA .01
bool sample_ratio_is_off(const struct sample_ratio *ratio);

#endif
