/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/sequence.h"

#include <math.h>

#define NEEDED_MAX 1e15
/* The bet on another share than the declared one is a beta distribution about it with the weight of
 * so many customers: it is best at deviations of about sqrt(p(1 - p)/1000). */
#define RATIO_PRIOR_CUSTOMERS 1000.0
#define RATIO_EXACT_MAX       10000

/* ---- one mean ---- */

/* With r = n rho² half the width is proportional to √((1 + 1/r)(ln(1 + r)/2 - ln alpha)), which is
 * least where r = ln(1 + r) - 2 ln alpha. The iteration contracts, since 1/(1 + r) < 1. */
double sequence_rho_squared(double alpha, double tuned_for) {
    double r = 1 - 2 * log(alpha);
    for (int i = 0; i < 40; i++) r = log1p(r) - 2 * log(alpha);
    return r / tuned_for;
}

double sequence_half_width(double n, double sigma, double rho_squared, double alpha) {
    double r = n * rho_squared;
    return sigma * sqrt(2 * (r + 1) / (n * r) * (log1p(r) / 2 - log(alpha)));
}

double sequence_evidence(double n, double mean, double sigma, double rho_squared) {
    if (!(sigma > 0) || !(n > 0) || isnan(mean)) return 0;
    double r = n * rho_squared, z = mean / sigma;
    return n * z * z * r / (2 * (r + 1)) - log1p(r) / 2;
}

double sequence_needed(double half_width, double sigma, double rho_squared, double alpha) {
    double low = 1, high = NEEDED_MAX;
    if (!(half_width > 0) || !(sigma >= 0)) return HUGE_VAL;
    if (sequence_half_width(high, sigma, rho_squared, alpha) > half_width) return HUGE_VAL;
    while (high - low > 1e-9 * high) {
        double middle = sqrt(low * high); /* n spans many orders of magnitude */
        if (sequence_half_width(middle, sigma, rho_squared, alpha) > half_width)
            low = middle;
        else
            high = middle;
    }
    return ceil(high);
}

bool sequence_may_look(uint64_t yes, uint64_t n) {
    return yes >= SEQUENCE_GOALS_MIN && n - yes >= SEQUENCE_GOALS_MIN;
}

/* ---- many series ---- */

/* How many series have at least the evidence of this one. */
static size_t count_at_least(const double *evidence, size_t count, double least) {
    size_t at_least = 0;
    for (size_t i = 0; i < count; i++) at_least += evidence[i] >= least;
    return at_least;
}

/* The k with the most evidence all pass where the k-th does, so the series with the least evidence
 * that passes at its own rank decides. */
size_t evidence_find_joint(const double *evidence, size_t count, double alpha, bool *found) {
    double least = HUGE_VAL;
    size_t found_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (evidence[i] >= least || evidence[i] < -log(alpha)) continue;
        double k = (double)count_at_least(evidence, count, evidence[i]);
        if (evidence[i] >= log((double)count / (alpha * k))) least = evidence[i];
    }
    for (size_t i = 0; i < count; i++) {
        found[i] = evidence[i] >= least;
        found_count += found[i];
    }
    return found_count;
}

/* ---- the sample ratio ---- */

static double log_beta(double a, double b) {
    int sign;
    return lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign);
}

void sample_ratio_add(struct sample_ratio *ratio, uint64_t in_arm, uint64_t n, double share) {
    if (n == 0) return;
    double k = (double)in_arm, m = (double)n;
    double a = RATIO_PRIOR_CUSTOMERS * share, b = RATIO_PRIOR_CUSTOMERS * (1 - share);
    ratio->observed += k;
    ratio->expected += m * share;
    ratio->variance += m * share * (1 - share);
    ratio->n += n;
    ratio->in_arm += in_arm;
    ratio->evidence +=
        log_beta(a + k, b + m - k) - log_beta(a, b) - k * log(share) - (m - k) * log1p(-share);
    ratio->share = ratio->strata == 0 ? share : (double)NAN;
    ratio->strata++;
}

/* Chances of all counts that are no likelier than the one that was seen. */
static double exact_chance(uint64_t k, uint64_t n, double share) {
    int sign;
    double sum = 0, total = lgamma_r((double)n + 1, &sign), seen = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i <= n; i++) {
            if (pass == 0 && i != k) continue;
            double x = (double)i, y = (double)(n - i);
            double log_chance = total - lgamma_r(x + 1, &sign) - lgamma_r(y + 1, &sign) +
                                x * log(share) + y * log1p(-share);
            if (pass == 0)
                seen = log_chance;
            else if (log_chance <= seen + 1e-7) /* as far on the other side */
                sum += exp(log_chance);
        }
    }
    return sum < 1 ? sum : 1;
}

double sample_ratio_chance(const struct sample_ratio *ratio) {
    if (ratio->n == 0) return (double)NAN;
    if (ratio->strata == 1 && ratio->n <= RATIO_EXACT_MAX)
        return exact_chance(ratio->in_arm, ratio->n, ratio->share);
    return erfc(fabs(ratio->observed - ratio->expected) / sqrt(2 * ratio->variance));
}

bool sample_ratio_is_off(const struct sample_ratio *ratio) {
    return ratio->n > 0 && ratio->evidence >= -log(SAMPLE_RATIO_ALPHA);
}
