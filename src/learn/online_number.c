/* SPDX-License-Identifier: Apache-2.0 */
/* The bins of a number, cut while the numbers come. */
#include <math.h>

#include "learn/online_internal.h"

/* ---- the median of a bin, by five markers ---- */

static void sort_in(struct markers *markers, double value) {
    uint32_t at = markers->count++;
    for (; at > 0 && markers->height[at - 1] > value; at--)
        markers->height[at] = markers->height[at - 1];
    markers->height[at] = value;
    for (uint32_t i = 0; i < markers->count; i++) markers->place[i] = i;
}

/* Widens the outer markers where the value lies beyond them, and returns the gap that it is in. */
static uint32_t gap_of(struct markers *markers, double value) {
    if (value < markers->height[0]) markers->height[0] = value;
    if (value > markers->height[4]) markers->height[4] = value;
    uint32_t gap = 0;
    while (gap < 3 && value >= markers->height[gap + 1]) gap++;
    return gap;
}

/* The height of marker i, one place further in the direction of `side`: by the parabola through its
 * neighbours, or by the line where that would leave their order. */
static double moved(const struct markers *markers, uint32_t i, double side) {
    const double *q = markers->height, *n = markers->place;
    double up = (q[i + 1] - q[i]) / (n[i + 1] - n[i]), down = (q[i] - q[i - 1]) / (n[i] - n[i - 1]),
           parabola = q[i] + side / (n[i + 1] - n[i - 1]) *
                                 ((n[i] - n[i - 1] + side) * up + (n[i + 1] - n[i] - side) * down);
    if (q[i - 1] < parabola && parabola < q[i + 1]) return parabola;
    return q[i] + (side > 0 ? up : -down);
}

static void see(struct markers *markers, double value) {
    if (markers->count < 5) {
        sort_in(markers, value);
        return;
    }
    for (uint32_t i = gap_of(markers, value) + 1; i < 5; i++) markers->place[i]++;
    markers->count++;
    for (uint32_t i = 1; i < 4; i++) {
        double wanted = (double)(markers->count - 1) * i / 4, off = wanted - markers->place[i];
        bool up = off >= 1 && markers->place[i + 1] - markers->place[i] > 1,
             down = off <= -1 && markers->place[i - 1] - markers->place[i] < -1;
        if (!up && !down) continue;
        markers->height[i] = moved(markers, i, up ? 1 : -1);
        markers->place[i] += up ? 1 : -1;
    }
}

/* ---- bins ---- */

uint32_t online_number_bin(const struct online_number *number, double value) {
    uint32_t below = 0;
    for (uint32_t i = 0; i < ONLINE_BINS_MAX; i++) below += number->edges[i] < value;
    return below;
}

double online_number_trend(const struct online_number *number, double value) {
    if (number->count < 2 || !(number->squares > 0)) return 0;
    double deviations = (value - number->mean) / sqrt(number->squares / number->count);
    return fmax(-3, fmin(3, deviations)) / 3;
}

static void note(struct online_number *number, double value) {
    double off = value - number->mean, count = number->count + 1, mean = number->mean + off / count;
    double squares = number->squares + off * (value - mean);
    if (!isfinite(squares)) return; /* numbers near the largest that there are tell no trend */
    number->count = count;
    number->mean = mean;
    number->squares = squares;
}

/* Where a bin is cut: what is not above it goes to the left. NAN: all are the same, as far as the
 * markers know. */
static double cut_of(const struct markers *markers) {
    for (uint32_t i = 3; i-- > 0;)
        if (markers->height[i] < markers->height[4]) return markers->height[i];
    return NAN;
}

static void split(struct online *online, uint32_t feature, uint32_t bin, double cut) {
    struct online_number *number = online->features[feature].number;
    struct coin *coins = &online->coins[online->firsts[feature]];
    float *w = &online->w[online->firsts[feature]];
    uint32_t behind = number->bin_count - bin;
    memmove(&number->edges[bin + 1], &number->edges[bin],
            (ONLINE_BINS_MAX - 1 - bin) * sizeof *number->edges);
    memmove(&number->rows[bin + 1], &number->rows[bin], behind * sizeof *number->rows);
    memmove(&number->markers[bin + 1], &number->markers[bin], behind * sizeof *number->markers);
    memmove(&coins[bin + 1], &coins[bin], behind * sizeof *coins);
    memmove(&w[bin + 1], &w[bin], behind * sizeof *w);
    number->edges[bin] = cut;
    number->rows[bin] = number->rows[bin + 1] = number->rows[bin] / 2;
    number->markers[bin] = number->markers[bin + 1] = (struct markers){0};
    number->bin_count++;
}

void online_number_add(struct online *online, uint32_t feature, double value) {
    struct online_number *number = online->features[feature].number;
    uint32_t bin = online_number_bin(number, value);
    note(number, value);
    number->rows[bin]++;
    see(&number->markers[bin], value);
    if (number->bin_count == ONLINE_BINS_MAX || number->markers[bin].count < ONLINE_SPLIT_ROWS ||
        number->rows[bin] * ONLINE_SPLIT_PART <= (double)online->rows)
        return;
    double cut = cut_of(&number->markers[bin]);
    if (!isnan(cut))
        split(online, feature, bin, cut);
    else
        number->markers[bin] = (struct markers){0}; /* it looks again at the rows to come */
}
