/* SPDX-License-Identifier: Apache-2.0 */
/* learn/lifetime.h -- how often will a customer order again, are they still a customer, and what
 * is an order of theirs worth?
 *
 * Two models with closed forms, both fitted by maximum likelihood.
 *
 * BG/NBD, for how often (Fader, Hardie and Lee, "Counting Your Customers the Easy Way", Marketing
 * Science 24 (2005) 275-284). While customers are alive they order at random, at a rate of their
 * own; after each repeat order they leave with a chance of their own. The rates are Gamma(r, alpha)
 * over customers, the chances Beta(a, b). All that the model reads of a customer is
 *
 *       first order         last order           now
 *   ────────●────────●──●───────●─────────────────┼────►
 *           ├────── last ───────┤                 │        repeats = 3 (the first is none)
 *           └────── age ──────────────────────────┘
 *
 * Times are in any one unit; alpha is in that unit, and nothing else depends on it. Orders of one
 * day count as one. A customer without a repeat is alive with chance 1 in this model, because a
 * customer can only leave after a repeat order: of such a customer the expected orders say more.
 *
 * Gamma-Gamma, for how much (Fader and Hardie, "The Gamma-Gamma Model of Monetary Value", 2013).
 * The orders of a customer are Gamma(p, nu) with a nu of their own, which is Gamma(q, gamma) over
 * customers; how much is taken to be independent of how often. All that it reads of a customer is
 * the number of orders and their mean value.
 *
 * Pure: no clock, no allocation, sums in a fixed order. Any thread. */
#ifndef LEARN_LIFETIME_H
#define LEARN_LIFETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* Fewer customers with a repeat order say nothing about four parameters. */
#define LIFETIME_REPEATERS_MIN 20
#define LIFETIME_REPEATS_MAX   1000000

/* ---- how often: BG/NBD ---- */

enum lifetime_parameter { LIFETIME_R, LIFETIME_ALPHA, LIFETIME_A, LIFETIME_B, LIFETIME_PARAMETERS };
struct lifetime {
    double parameters[LIFETIME_PARAMETERS]; /* each over 0 */
};
/* Customers with the same history. 0 <= last <= age, all finite; without repeats last is 0. */
struct lifetime_history {
    uint32_t repeats;
    double last, age;
    double customers;
};

/* An estimate of one parameter. The interval (95 %) is symmetric on the logarithm, by the Hessian
 * of the log-likelihood. Where the data do not tell the parameter from an extreme one (all
 * customers alike, nobody leaves), is_extreme says so and the bounds are NAN; what the model
 * expects is the same all along that extreme. */
struct fitted {
    double value, low, high;
    bool is_extreme;
};
struct lifetime_fit {
    struct lifetime lifetime;
    struct fitted fitted[LIFETIME_PARAMETERS];
    double log_likelihood;
    double customers, repeaters;
    uint64_t groups; /* different histories */
    uint32_t steps;
};

/* Sorts the histories and joins those that are alike: the sufficient statistics of the model.
 * Returns how many are left. */
size_t lifetime_group(struct lifetime_history *histories, size_t count);
/* Fits to histories as lifetime_group leaves them. STATUS_INVALID, with the cause, where a history
 * is none, where nobody was seen longer than on the day of the first order, or where fewer than
 * LIFETIME_REPEATERS_MIN customers ordered again. */
enum status lifetime_fit(const struct lifetime_history *histories, size_t count,
                         struct lifetime_fit *out, struct error *error) MUST_USE;
/* Returns the log-likelihood (2005, equation 6) of histories in order of repeats, and writes its
 * gradient by the parameters, unless that is NULL. */
double lifetime_log_likelihood(const struct lifetime *lifetime,
                               const struct lifetime_history *histories, size_t count,
                               double *gradient);

/* Returns the chance that such a customer is still alive at `age`, in (0, 1] (Fader, Hardie and
 * Lee, "Computing P(alive) Using the BG/NBD Model", 2008). */
double lifetime_alive(const struct lifetime *lifetime, const struct lifetime_history *history);
/* Returns how many orders such a customer is expected to make in (age, age + horizon], given the
 * history (2005, equation 10). A history of zeros is that of a newcomer on the day of the first
 * order (equation 9). The published form has a hypergeometric function, is 0/0 at a = 1 and cancels
 * near it; its integral over the chance of leaving is regular for all parameters, and is what is
 * computed, to about 1e-10 of the value. NAN for a horizon that is negative or not finite. */
double lifetime_expected(const struct lifetime *lifetime, const struct lifetime_history *history,
                         double horizon);

/* ---- how much: Gamma-Gamma ---- */

enum spend_parameter { SPEND_P, SPEND_Q, SPEND_GAMMA, SPEND_PARAMETERS };
struct spend {
    double parameters[SPEND_PARAMETERS]; /* each over 0 */
};
/* Customers with the same number of orders and the same mean value of them. */
struct spend_history {
    uint32_t orders; /* 1 or more */
    double mean;     /* over 0 */
    double customers;
};
struct spend_fit {
    struct spend spend;
    struct fitted fitted[SPEND_PARAMETERS];
    double log_likelihood;
    double customers;
    uint32_t steps;
};
/* Sorts the histories and joins those that are alike, so that the order in which customers came
 * changes no bit of a fit. Returns how many are left. */
size_t spend_group(struct spend_history *histories, size_t count);
/* Fits. STATUS_INVALID, with the cause, where a history is none, or with fewer than
 * LIFETIME_REPEATERS_MIN customers. */
enum status spend_fit(const struct spend_history *histories, size_t count, struct spend_fit *out,
                      struct error *error) MUST_USE;
/* The log-likelihood (2013, equation 1a), as above. */
double spend_log_likelihood(const struct spend *spend, const struct spend_history *histories,
                            size_t count, double *gradient);
/* Returns the expected value of an order of a customer with so many orders of that mean (2013,
 * equation 5); with 0 orders, of anybody. NAN where the model has no mean (q <= 1, 0 orders). */
double spend_expected(const struct spend *spend, uint32_t orders, double mean);

#endif
