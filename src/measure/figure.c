/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/figure.h"

#include <math.h>
#include <stdio.h>

/* Quantiles of the normal distribution: half of what an interval leaves out lies on each side. */
static const double normal[LEVEL_COUNT] = {1.959963984540054, 0.674489750196082};

/* The series in 1/freedom is good to four digits from six degrees on; below, the exact values. */
#define FIRST_DEGREES 5
static const double first_t[LEVEL_COUNT][FIRST_DEGREES + 1] = {
    {(double)NAN, 12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836},
    {(double)NAN, 1.0, 0.816496581, 0.764892328, 0.740697084, 0.726686844},
};

double student_t(enum figure_level level, uint64_t freedom) {
    if (freedom <= FIRST_DEGREES) return first_t[level][freedom];
    double z = normal[level], z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z, z9 = z7 * z * z;
    double f = (double)freedom, f2 = f * f;
    return z + (z3 + z) / (4 * f) + (5 * z5 + 16 * z3 + 3 * z) / (96 * f2) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * f2 * f) +
           (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * f2 * f2);
}

void wilson_interval(enum figure_level level, double yes, double n, double *low, double *high) {
    double z = normal[level], p = yes / n;
    double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
    *low = yes > 0 ? centre - half : 0; /* where rounding would leave a trace */
    *high = yes < n ? centre + half : 1;
}

/* ---- bounds ---- */

static void set_bounds(struct figure *figure, enum figure_level level, double low, double high) {
    *(level == LEVEL_95 ? &figure->low : &figure->low50) = low;
    *(level == LEVEL_95 ? &figure->high : &figure->high50) = high;
}

void figure_unknown(struct figure *figure) {
    figure->low = figure->high = figure->low50 = figure->high50 = (double)NAN;
}

void figure_exact(struct figure *figure) {
    figure->low = figure->high = figure->low50 = figure->high50 = figure->value;
}

void figure_share(struct figure *figure, uint64_t yes, uint64_t n) {
    double low, high;
    figure->n = n;
    figure->value = n > 0 ? (double)yes / (double)n : (double)NAN;
    figure_unknown(figure);
    for (int level = 0; n > 0 && level < LEVEL_COUNT; level++) {
        wilson_interval((enum figure_level)level, (double)yes, (double)n, &low, &high);
        set_bounds(figure, (enum figure_level)level, low, high);
    }
}

/* G/(G-1) corrects for few clusters, which are too similar to each other and to what was fitted to
 * them. */
static double half_width(enum figure_level level, double variance, uint64_t clusters) {
    double freedom = (double)clusters - 1;
    return student_t(level, clusters - 1) * sqrt(variance * (double)clusters / freedom);
}

void figure_clustered_share(struct figure *figure, double variance, uint64_t clusters) {
    double share = figure->value;
    figure_unknown(figure);
    if (clusters < 2 || !(share > 0 && share < 1)) return;
    double logit = log(share / (1 - share));
    for (int level = 0; level < LEVEL_COUNT; level++) {
        double half =
            half_width((enum figure_level)level, variance, clusters) / (share * (1 - share));
        set_bounds(figure, (enum figure_level)level, 1 / (1 + exp(half - logit)),
                   1 / (1 + exp(-half - logit)));
    }
}

void figure_clustered_ratio(struct figure *figure, double log_variance, uint64_t clusters) {
    figure_unknown(figure);
    if (clusters < 2 || !(figure->value > 0)) return;
    for (int level = 0; level < LEVEL_COUNT; level++) {
        double half = half_width((enum figure_level)level, log_variance, clusters);
        set_bounds(figure, (enum figure_level)level, figure->value * exp(-half),
                   figure->value * exp(half));
    }
}

void figure_take(struct figure *figure, const struct interval *interval) {
    figure->value = interval->value;
    set_bounds(figure, LEVEL_95, interval->low, interval->high);
    set_bounds(figure, LEVEL_50, interval->low50, interval->high50);
}

/* ---- words ---- */

const char *counted_text(enum counted counted) {
    static const char *const texts[] = {"customers", "rows", "events", "messages"};
    return texts[counted];
}

void figure_unit_text(const struct figure *figure, char out[FIGURE_UNIT_BYTES]) {
    static const char *const texts[] = {NULL, "share", "chance", "times", "nats", NULL};
    if (figure->unit == FIGURE_MONEY)
        currency_to_text(figure->currency, out);
    else
        snprintf(out, FIGURE_UNIT_BYTES, "%s",
                 figure->unit == FIGURE_COUNT ? counted_text(figure->of) : texts[figure->unit]);
}
