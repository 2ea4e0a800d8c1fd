/* SPDX-License-Identifier: Apache-2.0 */
/* How surprising a gap is. The gaps between a customer's events are taken as log-normal. Their mean
 * is unknown (flat prior). The prior of their variance is that of no rhythm at all: events at
 * random moments (a Poisson process) have exponential gaps, whose logarithm has variance pi²/6; it
 * counts as PRIOR_GAPS observations. The next gap's logarithm then follows Student's t with nu =
 * PRIOR_GAPS + n - 1, centre mean and scale² = (PRIOR_GAPS pi²/6 + sum of squares) / nu * (1 + 1/n)
 * (Gelman et al., Bayesian Data Analysis, 3rd edition, section 3.3). The t gets narrower with every
 * gap of a regular customer, and stays wide for an irregular one. */
#include <math.h>

#include "expr/eval.h"

/* With this weight the answer is careful after three visits, and trusts a rhythm of ten. */
#define PRIOR_GAPS   0.5
#define SURPRISE_MAX 300.0

/* The continued fraction of the incomplete beta function by Lentz's method (Numerical Recipes, 3rd
 * edition, section 6.4). */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double result = d;
    for (int m = 1; m <= 300; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int half = 0; half < 2; half++) {
            double term = half == 0 ? even : odd;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            result *= c * d;
        }
        if (fabs(c * d - 1) < 1e-14) break;
    }
    return result;
}

/* ln I_x(a, b), for x <= (a + 1) / (a + b + 2). */
static double log_beta_small(double a, double b, double x) {
    int sign;
    double front = lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) +
                   b * log1p(-x);
    return front + log(beta_fraction(a, b, x) / a);
}

/* ln P(T > t) of Student's t with nu degrees of freedom, t >= 0. */
static double log_upper_tail(double t, double nu) {
    double x = nu / (nu + t * t), a = nu / 2, b = 0.5;
    double log_two_sided;
    if (x <= (a + 1) / (a + b + 2)) {
        log_two_sided = log_beta_small(a, b, x);
    } else if (t > 0) {
        log_two_sided = log1p(-exp(log_beta_small(b, a, t * t / (nu + t * t))));
    } else {
        log_two_sided = 0;
    }
    return log_two_sided - log(2.0);
}

double overdue_surprise(uint32_t gaps, double mean_log, double sum_squares, double present_gap_ms) {
    double n = gaps, nu = PRIOR_GAPS + n - 1;
    double scale = sqrt((PRIOR_GAPS * M_PI * M_PI / 6 + sum_squares) / nu * (1 + 1 / n));
    double t = (log(present_gap_ms) - mean_log) / scale;
    double log_chance = t >= 0 ? log_upper_tail(t, nu) : log1p(-exp(log_upper_tail(-t, nu)));
    double surprise = -log_chance / log(10.0);
    return surprise > SURPRISE_MAX ? SURPRISE_MAX : fmax(surprise, 0);
}
