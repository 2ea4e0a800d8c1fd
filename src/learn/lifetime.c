/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/lifetime.h"

#include <math.h>

#include "learn/gamma_function.h"

/* Up to so many more repeats the rising products are multiplied out, factor by factor. */
#define FACTORS_MAX 256
/* Of the trapezoidal sums. */
#define WIDTH_MAX  .45
#define POINTS_MAX 4096 /* each way; some 100 are enough */
#define TERM_MIN   1e-14

/* ---- log-likelihood ---- */

/* log of z (z+1) … (z+n-1), and its derivative by z. */
struct rising {
    double z;
    uint32_t n;
    double log, slope;
};

static void rise(struct rising *rising, uint32_t n) {
    double from = rising->z + rising->n, to = rising->z + n;
    if (n - rising->n > FACTORS_MAX) {
        rising->log += log_gamma(to) - log_gamma(from);
        rising->slope += digamma(to) - digamma(from);
        rising->n = n;
    }
    for (; rising->n < n; rising->n++) {
        double factor = rising->z + rising->n;
        rising->log += log(factor);
        rising->slope += 1 / factor;
    }
}

/* What all histories with the same number of repeats have in common. */
struct common {
    struct rising r, b, both;
};

/* Adds the gradient of one history with repeats; `left` is the chance that the customer has left,
 * given the history. */
static void add_gradient(const struct lifetime *lifetime, const struct lifetime_history *history,
                         const struct common *common, double left, double *gradient) {
    const double *at = lifetime->parameters;
    double n = history->customers, s = at[LIFETIME_R] + history->repeats;
    double age = at[LIFETIME_ALPHA] + history->age, last = at[LIFETIME_ALPHA] + history->last;
    gradient[LIFETIME_R] +=
        n * (common->r.slope + log(at[LIFETIME_ALPHA] / age) + left * log(age / last));
    gradient[LIFETIME_ALPHA] +=
        n * (at[LIFETIME_R] / at[LIFETIME_ALPHA] - s / age + left * s * (1 / age - 1 / last));
    if (history->repeats == 0) return;
    gradient[LIFETIME_A] += n * (left / at[LIFETIME_A] - common->both.slope);
    gradient[LIFETIME_B] +=
        n * (common->b.slope - common->both.slope - left / (at[LIFETIME_B] + history->repeats - 1));
}

/* The log-odds that such a customer has left; a customer without a repeat can't have. */
static double log_odds_left(const struct lifetime *lifetime,
                            const struct lifetime_history *history) {
    const double *at = lifetime->parameters;
    if (history->repeats == 0) return -(double)INFINITY;
    return log(at[LIFETIME_A] / (at[LIFETIME_B] + history->repeats - 1)) +
           (at[LIFETIME_R] + history->repeats) *
               log((at[LIFETIME_ALPHA] + history->age) / (at[LIFETIME_ALPHA] + history->last));
}

/* log(1 + exp(l)), which can't overflow. */
static double log_1_plus_exp(double l) {
    return (l > 0 ? l : 0) + log1p(exp(-fabs(l)));
}

double lifetime_log_likelihood(const struct lifetime *lifetime,
                               const struct lifetime_history *histories, size_t count,
                               double *gradient) {
    const double *at = lifetime->parameters;
    struct common common = {
        .r.z = at[LIFETIME_R], .b.z = at[LIFETIME_B], .both.z = at[LIFETIME_A] + at[LIFETIME_B]};
    double sum = 0;
    for (int p = 0; gradient != NULL && p < LIFETIME_PARAMETERS; p++) gradient[p] = 0;
    for (size_t i = 0; i < count; i++) {
        const struct lifetime_history *history = &histories[i];
        rise(&common.r, history->repeats);
        rise(&common.b, history->repeats);
        rise(&common.both, history->repeats);
        double odds = log_odds_left(lifetime, history), age = at[LIFETIME_ALPHA] + history->age;
        double one = common.b.log - common.both.log + common.r.log +
                     at[LIFETIME_R] * log(at[LIFETIME_ALPHA] / age) - history->repeats * log(age) +
                     log_1_plus_exp(odds);
        sum += history->customers * one;
        if (gradient != NULL)
            add_gradient(lifetime, history, &common, 1 / (1 + exp(-odds)), gradient);
    }
    return sum;
}

/* ---- what a customer will do ---- */

double lifetime_alive(const struct lifetime *lifetime, const struct lifetime_history *history) {
    return 1 / (1 + exp(log_odds_left(lifetime, history)));
}

/* The orders of an alive customer whose chance to leave after each order is p: the mean of
 * (1 - exp(-rate p t)) / p over the rate, which is Gamma(shape, 1/y) in units of 1/horizon. */
struct ahead {
    double shape, y;
};
static double orders_at(const struct ahead *ahead, double p) {
    double py = p * ahead->y;
    if (py < 1e-300) return ahead->shape * ahead->y;
    return -expm1(-ahead->shape * log1p(py)) / p;
}

/* The Beta(a, n) density over w, where p = 1/(1 + exp(-w)), up to a factor that is the caller's. In
 * w what is summed below is analytic for |Im w| < pi, so the error of the trapezoidal sum falls
 * exponentially with the number of its points (Trefethen and Weideman, SIAM Review 56, 2014). Their
 * distance follows the width of the density where that is narrow. */
static double log_density(double a, double n, double w) {
    return -a * log_1_plus_exp(-w) - n * log_1_plus_exp(w);
}
static double distance_of_points(double a, double n) {
    return fmin(WIDTH_MAX, sqrt((a + n) / (a * n)) / 2);
}

/* The mean of orders_at over p where both tails of the density fall fast. */
static double mean_of_bell(const struct ahead *ahead, double a, double n) {
    double middle = log(a / n), top = log_density(a, n, middle), h = distance_of_points(a, n);
    double steep = orders_at(ahead, 0) / orders_at(ahead, a / (a + n)), sum = 0, weights = 0;
    for (int side = -1; side <= 1; side += 2) {
        for (uint32_t i = side < 0; i < POINTS_MAX; i++) {
            double w = middle + side * (double)i * h;
            double weight = exp(log_density(a, n, w) - top);
            sum += weight * orders_at(ahead, 1 / (1 + exp(-w)));
            weights += weight;
            if (!(weight * steep >= TERM_MIN)) break; /* they only fall from here on */
        }
    }
    return sum / weights;
}

/* The same where a tail falls slowly. With the chord of orders_at taken off (whose mean is known)
 * what is left vanishes at both ends, so that the terms fall at least like exp(-|w|), however small
 * a and n are. */
static double mean_beside_chord(const struct ahead *ahead, double a, double n) {
    double log_beta = log_gamma(a) + log_gamma(n) - log_gamma(a + n);
    double first = orders_at(ahead, 0), last = orders_at(ahead, 1), sum = 0;
    double middle = log((a + 1) / (n + 1)), h = distance_of_points(a + 1, n + 1);
    /* A bound of what is summed, in units of the result, is weight * p * q * steep. */
    double steep = first * (1 + ahead->shape * ahead->y) / orders_at(ahead, a / (a + n));
    for (int side = -1; side <= 1; side += 2) {
        for (uint32_t i = side < 0; i < POINTS_MAX; i++) {
            double w = middle + side * (double)i * h;
            double p = 1 / (1 + exp(-w)), q = 1 / (1 + exp(w));
            double weight = exp(log_density(a, n, w) - log_beta);
            sum += weight * (orders_at(ahead, p) - first * q - last * p);
            if (!(weight * fmin(p, q) * steep >= TERM_MIN)) break;
        }
    }
    return (first * n + last * a) / (a + n) + h * sum;
}

/* orders_at is convex in p, so the mean lies between its value at the mean p and its chord;
 * rounding must not leave that. */
static double expected_if_alive(const struct ahead *ahead, double a, double n) {
    double mean = a >= 1 && n >= 1 ? mean_of_bell(ahead, a, n) : mean_beside_chord(ahead, a, n);
    double chord = (orders_at(ahead, 0) * n + orders_at(ahead, 1) * a) / (a + n);
    return fmin(chord, fmax(mean, orders_at(ahead, a / (a + n))));
}

double lifetime_expected(const struct lifetime *lifetime, const struct lifetime_history *history,
                         double horizon) {
    const double *at = lifetime->parameters;
    if (!(horizon >= 0) || !isfinite(horizon)) return (double)NAN;
    if (horizon == 0) return 0;
    struct ahead ahead = {at[LIFETIME_R] + history->repeats,
                          horizon / (at[LIFETIME_ALPHA] + history->age)};
    return lifetime_alive(lifetime, history) *
           expected_if_alive(&ahead, at[LIFETIME_A], at[LIFETIME_B] + history->repeats);
}

/* ---- how much ---- */

double spend_log_likelihood(const struct spend *spend, const struct spend_history *histories,
                            size_t count, double *gradient) {
    double p = spend->parameters[SPEND_P], q = spend->parameters[SPEND_Q];
    double gamma = spend->parameters[SPEND_GAMMA], sum = 0;
    double log_gamma_q = log_gamma(q), digamma_q = gradient != NULL ? digamma(q) : 0;
    for (int i = 0; gradient != NULL && i < SPEND_PARAMETERS; i++) gradient[i] = 0;
    for (size_t i = 0; i < count; i++) {
        const struct spend_history *history = &histories[i];
        double n = history->customers, x = history->orders, total = history->mean * x;
        double own = log(total / (gamma + total)), all = log(gamma / (gamma + total));
        sum += n * (log_gamma(p * x + q) - log_gamma(p * x) - log_gamma_q + q * all + p * x * own -
                    log(history->mean));
        if (gradient == NULL) continue;
        double both = digamma(p * x + q);
        gradient[SPEND_P] += n * x * (both - digamma(p * x) + own);
        gradient[SPEND_Q] += n * (both - digamma_q + all);
        gradient[SPEND_GAMMA] += n * (q / gamma - (p * x + q) / (gamma + total));
    }
    return sum;
}

double spend_expected(const struct spend *spend, uint32_t orders, double mean) {
    double p = spend->parameters[SPEND_P], q = spend->parameters[SPEND_Q];
    double gamma = spend->parameters[SPEND_GAMMA], x = orders;
    if (!(p * x + q > 1)) return (double)NAN;
    return p * (gamma + (orders > 0 ? mean * x : 0)) / (p * x + q - 1);
}
