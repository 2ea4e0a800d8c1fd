/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/lift.h"

#include <math.h>

void lift_sums_add(struct lift_sums *into, const struct lift_sums *from) {
    into->n += from->n;
    into->y += from->y;
    into->yy += from->yy;
    into->x += from->x;
    into->xx += from->xx;
    into->xy += from->xy;
    into->c += from->c;
    into->cc += from->cc;
    into->cy += from->cy;
    into->cx += from->cx;
}

/* ---- one stratum ---- */

/* Σ(a - ā)(b - b̄) from sums; rounding must not leave a square below 0. */
static double centred(double ab, double a, double b, double n) {
    return ab - a * b / n;
}

static double squares(double aa, double a, double n) {
    double sum = centred(aa, a, a, n);
    return sum > 1e-12 * aa ? sum : 0;
}

static double slope(const struct lift_stratum *stratum) {
    double xx = 0, xy = 0;
    for (int arm = 0; arm < LIFT_ARMS; arm++) {
        const struct lift_sums *sums = &stratum->arm[arm];
        xx += squares(sums->xx, sums->x, sums->n);
        xy += centred(sums->xy, sums->x, sums->y, sums->n);
    }
    return xx > 0 ? xy / xx : 0;
}

/* Of y - θx within the arm. */
static double residual_variance(const struct lift_sums *sums, double theta) {
    double yy = squares(sums->yy, sums->y, sums->n), xx = squares(sums->xx, sums->x, sums->n);
    double sum = yy - 2 * theta * centred(sums->xy, sums->x, sums->y, sums->n) + theta * theta * xx;
    return (sum > 0 ? sum : 0) / (sums->n - 1);
}

/* An arm in which all are equal, such as one without an order, says nothing of its spread:
 * that of the other arm is taken. */
static double value_variance(const struct lift_stratum *stratum, int arm, double theta) {
    const struct lift_sums *sums = &stratum->arm[arm];
    bool is_flat = !(squares(sums->yy, sums->y, sums->n) > 0);
    return residual_variance(is_flat ? &stratum->arm[1 - arm] : sums, theta);
}

/* Of a share, with one goal and one non-goal more; what x explains stays explained. */
static double share_variance(const struct lift_sums *sums, double theta) {
    double p = sums->y / sums->n, more = (sums->y + 1) / (sums->n + 2);
    double seen = p * (1 - p), expected = more * (1 - more);
    return seen > 0 ? residual_variance(sums, theta) * expected / seen : expected;
}

struct terms { /* of one stratum and arm */
    double mean, variance, plain_variance;
};

static struct terms terms_of(const struct lift_stratum *stratum, int arm, bool is_share,
                             double theta) {
    const struct lift_sums *sums = &stratum->arm[arm];
    double n = sums->n + stratum->arm[1 - arm].n, x_mean = (sums->x + stratum->arm[1 - arm].x) / n;
    return (struct terms){
        .mean = sums->y / sums->n - theta * (sums->x / sums->n - x_mean),
        .variance = (is_share ? share_variance(sums, theta) : value_variance(stratum, arm, theta)) /
                    sums->n,
        .plain_variance =
            (is_share ? share_variance(sums, 0) : value_variance(stratum, arm, 0)) / sums->n,
    };
}

static bool is_comparable(const struct lift_stratum *stratum) {
    return stratum->arm[LIFT_HOLDOUT].n >= 2 && stratum->arm[LIFT_TREATED].n >= 2;
}

/* What the treated cost more; the holdout of a playbook costs nothing. */
static void add_cost(const struct lift_stratum *stratum, double theta, double weight,
                     struct lift *out) {
    for (int arm = 0; arm < LIFT_ARMS; arm++) {
        const struct lift_sums *sums = &stratum->arm[arm];
        double n = sums->n, sign = arm == LIFT_TREATED ? 1 : -1;
        double covariance =
            centred(sums->cy, sums->c, sums->y, n) - theta * centred(sums->cx, sums->c, sums->x, n);
        out->cost += sign * weight * sums->c / n;
        out->cost_variance += weight * weight * squares(sums->cc, sums->c, n) / (n - 1) / n;
        out->cost_covariance += weight * weight * covariance / (n - 1) / n;
    }
}

/* Welch's denominator grows by what it returns. */
static double add_stratum(const struct lift_stratum *stratum, bool is_share, struct lift *out) {
    double theta = slope(stratum), spread = 0;
    double weight = (stratum->arm[LIFT_HOLDOUT].n + stratum->arm[LIFT_TREATED].n) / out->n;
    for (int arm = 0; arm < LIFT_ARMS; arm++) {
        struct terms terms = terms_of(stratum, arm, is_share, theta);
        double variance = weight * weight * terms.variance;
        out->mean[arm] += weight * terms.mean;
        out->arm_variance[arm] += variance;
        out->plain_variance += weight * weight * terms.plain_variance;
        out->customers[arm] += stratum->arm[arm].n;
        spread += variance * variance / (stratum->arm[arm].n - 1);
    }
    add_cost(stratum, theta, weight, out);
    return spread;
}

void lift_estimate(const struct lift_stratum *strata, size_t count, bool is_share,
                   struct lift *out) {
    double spread = 0;
    *out = (struct lift){.is_share = is_share};
    for (size_t i = 0; i < count; i++) {
        double n = strata[i].arm[LIFT_HOLDOUT].n + strata[i].arm[LIFT_TREATED].n;
        *(is_comparable(&strata[i]) ? &out->n : &out->left_out) += n;
    }
    for (size_t i = 0; i < count; i++)
        if (is_comparable(&strata[i])) spread += add_stratum(&strata[i], is_share, out);
    double variance = out->arm_variance[LIFT_HOLDOUT] + out->arm_variance[LIFT_TREATED];
    bool known = out->n > 0;
    for (int arm = 0; arm < LIFT_ARMS; arm++)
        if (!known) out->mean[arm] = (double)NAN;
    out->difference = out->mean[LIFT_TREATED] - out->mean[LIFT_HOLDOUT];
    out->variance = known ? variance : (double)NAN;
    if (!known) out->cost = out->cost_variance = out->cost_covariance = (double)NAN;
    out->freedom = is_share ? HUGE_VAL : spread > 0 ? variance * variance / spread : 1;
}

/* ---- figures ---- */

static double reach(const struct lift *lift, int level) {
    double freedom = lift->freedom < 1e8 ? floor(lift->freedom) : 1e8;
    return student_t((enum figure_level)level, freedom >= 1 ? (uint64_t)freedom : 1);
}

static void bound(struct figure *figure, int level, double low, double high) {
    *(level == LEVEL_95 ? &figure->low : &figure->low50) = low;
    *(level == LEVEL_95 ? &figure->high : &figure->high50) = high;
}

void lift_figure(const struct lift *lift, struct figure *figure) {
    figure->value = lift->difference;
    figure->n = (uint64_t)lift->n;
    figure_unknown(figure);
    for (int level = 0; level < LEVEL_COUNT && lift->variance > 0; level++) {
        double half = reach(lift, level) * sqrt(lift->variance);
        double low = lift->difference - half, high = lift->difference + half;
        bound(figure, level, lift->is_share ? fmax(low, -1) : low,
              lift->is_share ? fmin(high, 1) : high);
    }
}

void lift_ratio_figure(const struct lift *lift, struct figure *figure) {
    double treated = lift->mean[LIFT_TREATED], holdout = lift->mean[LIFT_HOLDOUT];
    figure->value = (double)NAN;
    figure->n = (uint64_t)lift->n;
    figure_unknown(figure);
    if (!(treated > 0 && holdout > 0)) return;
    figure->value = treated / holdout;
    double variance = lift->arm_variance[LIFT_TREATED] / (treated * treated) +
                      lift->arm_variance[LIFT_HOLDOUT] / (holdout * holdout);
    for (int level = 0; level < LEVEL_COUNT && variance > 0; level++) {
        double factor = exp(reach(lift, level) * sqrt(variance));
        bound(figure, level, figure->value / factor, figure->value * factor);
    }
}

/* The costs q with |cost - q difference| ≤ t × its standard error: between the roots of a parabola
 * in q that opens upwards where the difference is more than t standard errors above 0. */
static void cost_bounds(const struct lift *lift, int level, struct figure *figure) {
    double t = reach(lift, level), tt = t * t, d = lift->difference, c = lift->cost;
    double a = d * d - tt * lift->variance, b = c * d - tt * lift->cost_covariance,
           e = c * c - tt * lift->cost_variance;
    if (!(a > 0)) {
        bound(figure, level, c / (d + t * sqrt(lift->variance)), (double)NAN);
        return;
    }
    double root = b * b - a * e;
    root = sqrt(root > 0 ? root : 0);
    bound(figure, level, (b - root) / a, (b + root) / a);
}

void lift_cost_figure(const struct lift *lift, struct figure *figure) {
    figure->value = (double)NAN;
    figure->n = (uint64_t)lift->n;
    figure_unknown(figure);
    if (!(lift->difference > 0) || !(lift->variance > 0)) return;
    figure->value = lift->cost / lift->difference;
    for (int level = 0; level < LEVEL_COUNT; level++) cost_bounds(lift, level, figure);
}
