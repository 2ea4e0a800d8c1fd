/* SPDX-License-Identifier: Apache-2.0 */
/* Of many figures made of data whose truth is known, 95 % and 50 % of the intervals hold it, by
 * whatever formula. Arguments: SEED ROUNDS. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "measure/figure.h"

#define CUSTOMERS 150
#define ROWS_MAX  4 /* of a customer */

static int failures;
static struct random dice;

struct coverage {
    const char *name;
    uint32_t rounds, in95, in50;
};

static void count(struct coverage *coverage, const struct figure *figure, double truth) {
    coverage->rounds++;
    coverage->in95 += figure->low <= truth && truth <= figure->high;
    coverage->in50 += figure->low50 <= truth && truth <= figure->high50;
}

/* `slack` is what the formula is allowed beside chance, which is four standard errors here. */
static void check(const struct coverage *coverage, double slack) {
    double rounds = coverage->rounds, at95 = coverage->in95 / rounds,
           at50 = coverage->in50 / rounds;
    double chance95 = 4 * sqrt(0.95 * 0.05 / rounds), chance50 = 4 * sqrt(0.25 / rounds);
    bool holds = fabs(at95 - 0.95) <= chance95 + slack && fabs(at50 - 0.50) <= chance50 + slack;
    printf("%s: %.1f %% and %.1f %% of %u intervals hold the truth%s\n", coverage->name, 100 * at95,
           100 * at50, coverage->rounds, holds ? "" : ": WRONG");
    failures += !holds;
}

static void cover_independent_shares(uint32_t rounds) {
    struct coverage coverage = {.name = "share of independent rows"};
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t n = 30 + random_below(&dice, 300), yes = 0;
        double truth = 0.1 + 0.8 * random_unit(&dice);
        for (uint64_t row = 0; row < n; row++) yes += random_unit(&dice) < truth;
        struct figure figure = {0};
        figure_share(&figure, yes, n);
        count(&coverage, &figure, truth);
    }
    check(&coverage, 0.02);
}

/* Customers of one kind are all alike: their rows reach the goal with the customer's own chance,
 * which is uniform around the truth. */
struct group {
    double rows, yes;
    double own_rows[CUSTOMERS], own_yes[CUSTOMERS];
};

static void draw_group(struct group *group, double truth) {
    group->rows = group->yes = 0;
    for (uint32_t c = 0; c < CUSTOMERS; c++) {
        double own = truth * 2 * random_unit(&dice);
        group->own_rows[c] = 1 + (double)random_below(&dice, ROWS_MAX);
        group->own_yes[c] = 0;
        for (uint32_t row = 0; row < group->own_rows[c]; row++)
            group->own_yes[c] += random_unit(&dice) < own;
        group->rows += group->own_rows[c];
        group->yes += group->own_yes[c];
    }
}

static double variance_of(const struct group *group) {
    double share = group->yes / group->rows, sum = 0;
    for (uint32_t c = 0; c < CUSTOMERS; c++) {
        double push = (group->own_yes[c] - share * group->own_rows[c]) / group->rows;
        sum += push * push;
    }
    return sum;
}

static void cover_clustered_figures(uint32_t rounds) {
    struct coverage shares = {.name = "share of clustered rows"},
                    ratios = {.name = "ratio of clustered shares"};
    for (uint32_t i = 0; i < rounds; i++) {
        static struct group inside, outside;
        draw_group(&inside, 0.3);
        draw_group(&outside, 0.15);
        struct figure share = {.value = inside.yes / inside.rows};
        double outside_share = outside.yes / outside.rows, variance = variance_of(&inside);
        figure_clustered_share(&share, variance, CUSTOMERS);
        count(&shares, &share, 0.3);
        struct figure ratio = {.value = share.value / outside_share};
        figure_clustered_ratio(&ratio,
                               variance / (share.value * share.value) +
                                   variance_of(&outside) / (outside_share * outside_share),
                               CUSTOMERS);
        count(&ratios, &ratio, 2);
    }
    check(&shares, 0.015);
    check(&ratios, 0.015);
}

/* Scores of yes and no are normal, one apart: the AUC is the normal's share below 1 / sqrt(2). */
static double normal(void) {
    double u = 1 - random_unit(&dice), v = random_unit(&dice);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979324 * v);
}

static void cover_bootstrapped_figures(uint32_t rounds) {
    enum { ROWS = 300 };
    struct coverage areas = {.name = "AUC by bootstrap"},
                    rates = {.name = "base rate by bootstrap"};
    for (uint32_t i = 0; i < rounds; i++) {
        double chance[ROWS];
        bool yes[ROWS];
        uint32_t group[ROWS];
        struct model_metrics metrics;
        for (uint32_t row = 0; row < ROWS; row++) {
            yes[row] = random_unit(&dice) < 0.3;
            chance[row] = 1 / (1 + exp(-normal() - yes[row]));
            group[row] = row;
        }
        if (metrics_of(chance, yes, group, ROWS, i + 1, &metrics) != STATUS_OK) abort();
        struct figure area, rate;
        figure_take(&area, &metrics.auc);
        figure_take(&rate, &metrics.base_rate);
        count(&areas, &area, 0.5 * erfc(-0.5));
        count(&rates, &rate, 0.3);
    }
    check(&areas, 0.03);
    check(&rates, 0.03);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2000;
    printf("seed %llu\n", (unsigned long long)seed);
    random_init(&dice, seed);
    cover_independent_shares(rounds);
    cover_clustered_figures(rounds);
    cover_bootstrapped_figures(rounds / 5 + 1);
    return failures > 0;
}
