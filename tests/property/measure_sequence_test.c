/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of lift holds: however often somebody looks, over many series at once, and with what
 * customers did before taken out. Each part draws worlds whose truth is known. Arguments: SEED
 * ROUNDS. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "measure/lift.h"
#include "measure/sequence.h"

static int failures;
static struct random dice;
static double rho_squared;

static void check(bool holds, const char *what, double seen, double wanted) {
    printf("%s: %.4g (%.4g)%s\n", what, seen, wanted, holds ? "" : ": WRONG");
    failures += !holds;
}

static void add(struct lift_stratum *stratum, bool treated, double y, double x, double c) {
    struct lift_sums one = {1, y, y * y, x, x * x, x * y, c, c * c, c * y, c * x};
    lift_sums_add(&stratum->arm[treated ? LIFT_TREATED : LIFT_HOLDOUT], &one);
}

static bool may_look(const struct lift_stratum *stratum) {
    bool may = true;
    for (int arm = 0; arm < LIFT_ARMS; arm++)
        may =
            may && sequence_may_look((uint64_t)stratum->arm[arm].y, (uint64_t)stratum->arm[arm].n);
    return may;
}

/* ---- a look after every customer ---- */

struct world {
    const char *name;
    double holdout, rate, effect;
    int customers;
};

/* Does the sequence, looked at after every customer, ever leave 0 out? */
static bool is_ever_found(const struct world *world) {
    struct lift_stratum stratum = {0};
    struct lift lift;
    for (int i = 0; i < world->customers; i++) {
        bool treated = random_unit(&dice) >= world->holdout;
        bool yes = random_unit(&dice) < world->rate + (treated ? world->effect : 0);
        add(&stratum, treated, yes, 0, 0);
        if (!may_look(&stratum)) continue;
        lift_estimate(&stratum, 1, true, &lift);
        double sigma = sqrt(lift.n * lift.variance);
        bool by_width =
            fabs(lift.difference) > sequence_half_width(lift.n, sigma, rho_squared, SEQUENCE_ALPHA);
        bool by_evidence =
            sequence_evidence(lift.n, lift.difference, sigma, rho_squared) > -log(SEQUENCE_ALPHA);
        if (by_width != by_evidence) failures++;
        if (by_width) return true;
    }
    return false;
}

static void look_at_every_customer(uint32_t rounds) {
    static const struct world worlds[] = {
        {"false alarms, holdout 50 %, rate 30 %", .5, .30, 0, 8000},
        {"false alarms, holdout 20 %, rate 10 %", .2, .10, 0, 8000},
        {"false alarms, holdout 10 %, rate 8 %", .1, .08, 0, 12000},
        {"found, holdout 20 %, 10 % and 4 points more", .2, .10, .04, 12000},
        {"found, holdout 10 %, 8 % and 5 points less", .1, .08, -.05, 12000},
    };
    for (size_t w = 0; w < sizeof worlds / sizeof *worlds; w++) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < rounds; i++) found += is_ever_found(&worlds[w]);
        double share = (double)found / rounds;
        bool no_effect = worlds[w].effect == 0;
        check(no_effect ? share <= SEQUENCE_ALPHA : share >= .9, worlds[w].name, share,
              no_effect ? SEQUENCE_ALPHA : .9);
    }
}

/* ---- many series ---- */

/* Evidence of n terms with a mean of `mean`, partly shared between the series. */
static double evidence_of(double mean, double shared) {
    double n = 2000, z = (mean * sqrt(n) + .6 * shared + .8 * random_normal(&dice)) / sqrt(n);
    return sequence_evidence(n, z, 1, rho_squared);
}

static void find_jointly(uint32_t rounds) {
    enum { SERIES = 120, TRUE_ONES = 24 };
    double false_share = 0, power = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        double evidence[SERIES], shared = random_normal(&dice);
        bool found[SERIES];
        size_t wrong = 0;
        for (size_t i = 0; i < SERIES; i++)
            evidence[i] = evidence_of(i < TRUE_ONES ? .12 : 0, shared);
        size_t count = evidence_find_joint(evidence, SERIES, SEQUENCE_ALPHA, found);
        for (size_t i = TRUE_ONES; i < SERIES; i++) wrong += found[i];
        false_share += count > 0 ? (double)wrong / (double)count : 0;
        power += (double)(count - wrong) / TRUE_ONES;
    }
    check(false_share / rounds <= SEQUENCE_ALPHA, "e-BH, false among the found",
          false_share / rounds, SEQUENCE_ALPHA);
    check(power / rounds >= .7, "e-BH, found among the true", power / rounds, .7);
}

/* ---- intervals of one look ---- */

struct coverage {
    const char *name;
    uint32_t rounds, known, in95, in50;
};

static void count(struct coverage *coverage, const struct figure *figure, double truth) {
    coverage->rounds++;
    if (isnan(figure->low)) return;
    coverage->known++;
    coverage->in95 += figure->low <= truth && (isnan(figure->high) || truth <= figure->high);
    coverage->in50 += figure->low50 <= truth && (isnan(figure->high50) || truth <= figure->high50);
}

/* Four standard errors of chance, and 2 points for the formula. */
static void check_coverage(const struct coverage *coverage) {
    double rounds = coverage->known, at95 = coverage->in95 / rounds, at50 = coverage->in50 / rounds;
    bool holds = fabs(at95 - .95) <= 4 * sqrt(.95 * .05 / rounds) + .02 &&
                 fabs(at50 - .50) <= 4 * sqrt(.25 / rounds) + .04;
    printf("%s: %.1f %% and %.1f %% of %u intervals hold the truth%s\n", coverage->name, 100 * at95,
           100 * at50, coverage->known, holds ? "" : ": WRONG");
    failures += !holds;
}

static double value_of_order(void) {
    return exp(3 + .8 * random_normal(&dice));
}

/* Two shares of the holdout, one behind the other: the rate differs between the two times. Orders
 * cost nothing to those who are held out, and two units to half of the others. */
static void cover(uint32_t rounds) {
    struct coverage rate = {.name = "lift in rate"}, ratio = {.name = "ratio of rates"},
                    value = {.name = "lift in value"}, cost = {.name = "cost per goal"};
    const double mean_value = exp(3 + .8 * .8 / 2);
    for (uint32_t round = 0; round < rounds; round++) {
        struct lift_stratum orders[2] = {0}, values[2] = {0};
        double base = .04 + .2 * random_unit(&dice), effect = .02 + .1 * random_unit(&dice);
        const double holdout[2] = {.1, .3}, rates[2] = {base, base * .5};
        for (int i = 0; i < 3000; i++) {
            int s = i >= 1500;
            bool treated = random_unit(&dice) >= holdout[s];
            bool yes = random_unit(&dice) < rates[s] + (treated ? effect : 0);
            double spent = treated && random_unit(&dice) < .5 ? 2 : 0;
            add(&orders[s], treated, yes, 0, spent);
            add(&values[s], treated, yes ? value_of_order() : 0, 0, spent);
        }
        struct lift lift;
        struct figure figure;
        lift_estimate(orders, 2, true, &lift);
        lift_figure(&lift, &figure);
        count(&rate, &figure, effect);
        lift_ratio_figure(&lift, &figure);
        count(&ratio, &figure, 1 + effect / (.75 * base));
        lift_cost_figure(&lift, &figure);
        count(&cost, &figure, 1 / effect);
        lift_estimate(values, 2, false, &lift);
        lift_figure(&lift, &figure);
        count(&value, &figure, effect * mean_value);
    }
    check_coverage(&rate);
    check_coverage(&ratio);
    check_coverage(&value);
    check_coverage(&cost);
}

/* An arm of few customers and hardly any goals. */
static void cover_small_arms(uint32_t rounds) {
    static const struct {
        const char *name;
        double rate;
        int n[LIFT_ARMS];
    } arms[] = {{"lift, rate 2 %, 60 against 500", .02, {60, 500}},
                {"lift, rate 5 %, 100 against 900", .05, {100, 900}},
                {"lift, rate 40 %, 20 against 40", .4, {20, 40}}};
    for (size_t a = 0; a < sizeof arms / sizeof *arms; a++) {
        uint32_t in = 0;
        for (uint32_t round = 0; round < rounds; round++) {
            struct lift_stratum stratum = {0};
            struct lift lift;
            struct figure figure;
            for (int arm = 0; arm < LIFT_ARMS; arm++)
                for (int i = 0; i < arms[a].n[arm]; i++)
                    add(&stratum, arm == LIFT_TREATED, random_unit(&dice) < arms[a].rate, 0, 0);
            lift_estimate(&stratum, 1, true, &lift);
            lift_figure(&lift, &figure);
            in += figure.low <= 0 && 0 <= figure.high;
        }
        double share = (double)in / rounds;
        check(share >= .93, arms[a].name, share, .93);
    }
}

/* ---- what customers did before ---- */

/* A share of the outcome's variance is known before; newcomers have no history. The interval must
 * hold the truth all the same, and be narrower. */
static void take_history_out(uint32_t rounds) {
    struct coverage coverage = {.name = "lift with history taken out"};
    double reduction = 0, wanted = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        struct lift_stratum strata[2] = {0};
        double truth = 1 + 2 * random_unit(&dice);
        for (int i = 0; i < 2000; i++) {
            bool treated = random_unit(&dice) >= .3, newcomer = random_unit(&dice) < .25;
            double before = newcomer ? 0 : 10 + 3 * random_normal(&dice);
            double y = (newcomer ? 2 : before) + (treated ? truth : 0) + 2 * random_normal(&dice);
            add(&strata[newcomer], treated, y, before, 0);
        }
        struct lift lift;
        struct figure figure;
        lift_estimate(strata, 2, false, &lift);
        lift_figure(&lift, &figure);
        count(&coverage, &figure, truth);
        reduction += 1 - lift.variance / lift.plain_variance;
        /* A variance of 13 with history, of which 4 are left, and 4 without. */
        wanted += 1 - (.75 * 4 + .25 * 4) / (.75 * 13 + .25 * 4);
    }
    check(fabs(reduction - wanted) / rounds <= .03, "CUPED, variance that is gone",
          reduction / rounds, wanted / rounds);
    check_coverage(&coverage);
}

/* ---- the sample ratio ---- */

static bool is_ever_off(double declared, double real, int customers) {
    uint64_t in_arm = 0;
    for (int i = 0; i < customers; i++) {
        struct sample_ratio ratio = {0};
        in_arm += random_unit(&dice) < real;
        if (i % 10 != 9) continue;
        sample_ratio_add(&ratio, in_arm, (uint64_t)i + 1, declared);
        if (sample_ratio_is_off(&ratio)) return true;
    }
    return false;
}

static void look_at_the_ratio(uint32_t rounds) {
    uint32_t off = 0, broken = 0, planned = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        struct sample_ratio ratio = {0};
        off += is_ever_off(.1, .1, 10000);
        broken += is_ever_off(.1, .12, 10000);
        for (int s = 0; s < 2; s++) {
            uint64_t in_arm = 0;
            for (int i = 0; i < 1500; i++) in_arm += random_unit(&dice) < .1 + .1 * s;
            sample_ratio_add(&ratio, in_arm, 1500, .1 + .1 * s);
        }
        planned += sample_ratio_chance(&ratio) < .05;
    }
    check((double)off / rounds <= SAMPLE_RATIO_ALPHA, "sample ratio, false alarms of all looks",
          (double)off / rounds, SAMPLE_RATIO_ALPHA);
    check((double)broken / rounds >= .95, "sample ratio, found 12 % for 10 %",
          (double)broken / rounds, .95);
    check(fabs((double)planned / rounds - .05) <= 4 * sqrt(.05 * .95 / rounds) + .005,
          "sample ratio, below 5 % at one look", (double)planned / rounds, .05);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000;
    printf("seed %llu, %u rounds\n", (unsigned long long)seed, rounds);
    random_init(&dice, seed);
    rho_squared = sequence_rho_squared(SEQUENCE_ALPHA, SEQUENCE_TUNED_FOR);
    look_at_every_customer(rounds);
    find_jointly(rounds);
    cover(rounds);
    cover_small_arms(rounds);
    take_history_out(rounds);
    look_at_the_ratio(rounds);
    return failures == 0 ? 0 : 1;
}
