/* SPDX-License-Identifier: Apache-2.0 */
/* Formulas of measure/lift.h and measure/sequence.h against their naive forms and worked examples.
 * That they hold what they promise is tested in tests/property/measure_sequence_test.c. */
#include "support/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "measure/lift.h"
#include "measure/sequence.h"

#define assert_near(a, b, distance) assert_true(fabs((a) - (b)) <= (distance))

/* ---- sequences ---- */

static void test_half_width_is_the_published_formula(void **state) {
    (void)state;
    for (double n = 50; n < 1e6; n *= 3) {
        double rho = .04, sigma = .3, alpha = .05, nr = n * rho * rho;
        double naive = sigma * sqrt(2 * (nr + 1) / (n * n * rho * rho) * log(sqrt(nr + 1) / alpha));
        assert_near(sequence_half_width(n, sigma, rho * rho, alpha) / naive, 1, 1e-12);
        double needed = sequence_needed(naive, sigma, rho * rho, alpha);
        assert_near(needed / n, 1, 1e-3 + 1 / n);
        /* The evidence reaches 1/alpha where the interval begins to leave 0 out. */
        assert_near(sequence_evidence(n, naive, sigma, rho * rho), -log(alpha), 1e-9);
    }
    assert_true(sequence_needed(0, 1, .01, .05) == HUGE_VAL);
    assert_true(sequence_evidence(10, 1, 0, .01) == 0);
}

static void test_rho_makes_the_sequence_narrowest_where_it_is_tuned(void **state) {
    (void)state;
    double tuned = 5000, rho_squared = sequence_rho_squared(.05, tuned),
           best = sequence_half_width(tuned, 1, rho_squared, .05);
    for (double factor = .5; factor < 2.1; factor += .3)
        assert_true(sequence_half_width(tuned, 1, rho_squared * factor, .05) >= best);
    assert_near(best / (1.959964 / sqrt(tuned)), 1.55, .01); /* as the header says */
    assert_near(sequence_half_width(500, 1, rho_squared, .05) / (1.959964 / sqrt(500)), 1.95, .01);
    assert_near(sequence_half_width(5e4, 1, rho_squared, .05) / (1.959964 / sqrt(5e4)), 1.66, .01);
}

static void test_a_sequence_waits_for_goals_and_for_others(void **state) {
    (void)state;
    assert_false(sequence_may_look(24, 1000));
    assert_true(sequence_may_look(25, 1000));
    assert_true(sequence_may_look(25, 50));
    assert_false(sequence_may_look(26, 50));
}

/* ---- e-BH ---- */

static int compare_down(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a > b ? -1 : a < b;
}

/* Sorted, from the definition: the largest k whose k-th evidence is at least count/(alpha k). */
static size_t naive_found(const double *evidence, size_t count, double alpha) {
    double sorted[64];
    size_t found = 0;
    memcpy(sorted, evidence, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_down);
    for (size_t k = 1; k <= count; k++)
        if (exp(sorted[k - 1]) >= (double)count / (alpha * (double)k) * (1 - 1e-12)) found = k;
    return found;
}

static void test_joint_evidence_is_that_of_the_definition(void **state) {
    (void)state;
    struct random dice;
    random_init(&dice, 5);
    size_t some = 0;
    for (int round = 0; round < 2000; round++) {
        double evidence[64];
        bool found[64];
        size_t count = 1 + random_below(&dice, 40);
        for (size_t i = 0; i < count; i++) evidence[i] = 12 * random_unit(&dice) - 4;
        size_t expected = naive_found(evidence, count, .05);
        assert_int_equal(evidence_find_joint(evidence, count, .05, found), expected);
        for (size_t i = 0, above = 0; i < count; i++, above = 0) {
            for (size_t k = 0; k < count; k++) above += evidence[k] > evidence[i];
            assert_int_equal(found[i], above < expected);
        }
        some += expected > 0;
    }
    assert_true(some > 500 && some < 2000);
    assert_int_equal(evidence_find_joint(NULL, 0, .05, NULL), 0);
}

/* ---- sample ratio ---- */

/* Summed up from the definition in exact fractions. */
static void test_the_exact_chance_of_a_ratio(void **state) {
    (void)state;
    static const struct {
        uint64_t in_arm, n;
        double share, chance;
    } rows[] = {{2, 10, .5, 0.109375},
                {0, 20, .1, 0.254530},
                {5, 20, .1, 0.043174},
                {60, 1000, .05, 0.146547},
                {500, 1000, .5, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sample_ratio ratio = {0};
        sample_ratio_add(&ratio, rows[i].in_arm, rows[i].n, rows[i].share);
        assert_near(sample_ratio_chance(&ratio), rows[i].chance, 1e-5);
    }
    struct sample_ratio none = {0};
    sample_ratio_add(&none, 0, 0, .1);
    assert_true(isnan(sample_ratio_chance(&none)) && !sample_ratio_is_off(&none));
}

/* 120 of 1,000 at 10 % and 380 of 2,000 at 20 %: chi-square with one degree, of the sum. */
static void test_shares_that_changed_are_expected_apart(void **state) {
    (void)state;
    struct sample_ratio ratio = {0};
    sample_ratio_add(&ratio, 120, 1000, .1);
    sample_ratio_add(&ratio, 380, 2000, .2);
    assert_near(ratio.expected, 500, 1e-9);
    assert_near(ratio.observed, 500, 1e-9);
    assert_near(ratio.variance, 90 + 320, 1e-9);
    assert_near(sample_ratio_chance(&ratio), 1, 1e-9);
    sample_ratio_add(&ratio, 41, 0, .3); /* nobody: nothing */
    assert_int_equal(ratio.n, 3000);
    sample_ratio_add(&ratio, 900, 3000, .2);
    assert_true(sample_ratio_is_off(&ratio));
    assert_near(sample_ratio_chance(&ratio), erfc(300 / sqrt(2 * (410 + 480))), 1e-12);
}

/* ---- lift ---- */

struct person {
    int stratum;
    bool treated;
    double y, x, c;
};

static void add(struct lift_stratum *strata, const struct person *person) {
    struct lift_sums one = {1,
                            person->y,
                            person->y * person->y,
                            person->x,
                            person->x * person->x,
                            person->x * person->y,
                            person->c,
                            person->c * person->c,
                            person->c * person->y,
                            person->c * person->x};
    lift_sums_add(&strata[person->stratum].arm[person->treated ? LIFT_TREATED : LIFT_HOLDOUT],
                  &one);
}

static double mean(const struct person *people, int count, int stratum, int arm,
                   double (*of)(const struct person *)) {
    double sum = 0, n = 0;
    for (int i = 0; i < count; i++) {
        if (people[i].stratum != stratum || (arm >= 0 && people[i].treated != (arm == 1))) continue;
        sum += of(&people[i]);
        n++;
    }
    return sum / n;
}

static double y_of(const struct person *person) {
    return person->y;
}
static double x_of(const struct person *person) {
    return person->x;
}
static double one_of(const struct person *person) {
    (void)person;
    return 1;
}

/* The slope within arms, person by person. */
static double naive_slope(const struct person *people, int count, int stratum) {
    double xy = 0, xx = 0;
    for (int i = 0; i < count; i++) {
        const struct person *person = &people[i];
        if (person->stratum != stratum) continue;
        double x = person->x - mean(people, count, stratum, person->treated, x_of),
               y = person->y - mean(people, count, stratum, person->treated, y_of);
        xy += x * y;
        xx += x * x;
    }
    return xx > 0 ? xy / xx : 0;
}

static double naive_variance(const struct person *people, int count, int stratum, int arm,
                             double slope) {
    double sum = 0, n = 0;
    for (int i = 0; i < count; i++) {
        const struct person *person = &people[i];
        if (person->stratum != stratum || person->treated != (arm == 1)) continue;
        double residual = person->y - mean(people, count, stratum, arm, y_of) -
                          slope * (person->x - mean(people, count, stratum, arm, x_of));
        sum += residual * residual;
        n++;
    }
    return sum / (n - 1) / n;
}

static void test_lift_is_that_of_people_one_by_one(void **state) {
    (void)state;
    enum { PEOPLE = 240 };
    struct person people[PEOPLE];
    struct lift_stratum strata[3] = {0};
    struct random dice;
    random_init(&dice, 11);
    for (int i = 0; i < PEOPLE; i++) {
        people[i] = (struct person){.stratum = i % 3 == 0, .treated = random_unit(&dice) < .7};
        people[i].x = people[i].stratum ? 0 : random_normal(&dice);
        people[i].y = 3 + 2 * people[i].x + people[i].treated + random_normal(&dice);
        add(strata, &people[i]);
    }
    strata[2].arm[LIFT_TREATED] = (struct lift_sums){.n = 9, .y = 9, .yy = 9};
    double difference = 0, variance = 0;
    for (int s = 0; s < 2; s++) {
        double weight = s == 1 ? 1.0 / 3 : 2.0 / 3, slope = naive_slope(people, PEOPLE, s);
        difference +=
            weight *
            (mean(people, PEOPLE, s, 1, y_of) - mean(people, PEOPLE, s, 0, y_of) -
             slope * (mean(people, PEOPLE, s, 1, x_of) - mean(people, PEOPLE, s, 0, x_of)));
        for (int arm = 0; arm < 2; arm++)
            variance += weight * weight * naive_variance(people, PEOPLE, s, arm, slope);
    }
    assert_near(mean(people, PEOPLE, 0, -1, one_of), 1, 0);
    struct lift lift;
    lift_estimate(strata, 3, false, &lift);
    assert_near(lift.difference, difference, 1e-9);
    assert_near(lift.mean[LIFT_TREATED] - lift.mean[LIFT_HOLDOUT], difference, 1e-9);
    assert_near(lift.variance, variance, 1e-9);
    assert_true(lift.plain_variance > 1.5 * lift.variance);
    assert_near(lift.n, PEOPLE, 0);
    assert_near(lift.left_out, 9, 0); /* nobody is held out beside them */
    assert_true(lift.freedom > 50 && lift.freedom < PEOPLE);
}

/* 30 of 100 against 200 of 400, at 2 a treated customer. */
static void test_rates_and_costs_by_hand(void **state) {
    (void)state;
    struct lift_stratum stratum = {
        {{.n = 100, .y = 30, .yy = 30},
         {.n = 400, .y = 200, .yy = 200, .c = 800, .cc = 1600, .cy = 400}}};
    struct lift lift;
    struct figure figure = {0};
    lift_estimate(&stratum, 1, true, &lift);
    double p0 = 31.0 / 102, p1 = 201.0 / 402;
    double variance = p0 * (1 - p0) / 100 * 100 / 99 + p1 * (1 - p1) / 400 * 400 / 399;
    assert_near(lift.difference, .2, 1e-12);
    assert_near(lift.variance, variance, 1e-9);
    lift_figure(&lift, &figure);
    assert_near(figure.low, .2 - 1.959964 * sqrt(variance), 1e-6);
    assert_near(figure.high50, .2 + .67449 * sqrt(variance), 1e-6);
    assert_int_equal(figure.n, 500);
    lift_cost_figure(&lift, &figure);
    assert_near(figure.value, 10, 1e-9);
    /* The cost is the same for all, so its bounds are those of the lift turned over. */
    assert_near(figure.low, 2 / (.2 + 1.959964 * sqrt(variance)), 1e-5);
    assert_near(figure.high, 2 / (.2 - 1.959964 * sqrt(variance)), 1e-5);
    lift_ratio_figure(&lift, &figure);
    assert_near(figure.value, 5.0 / 3, 1e-12);
    assert_near(figure.low * figure.high, figure.value * figure.value, 1e-9);
}

static void test_what_is_not_known_is_said_to_be_unknown(void **state) {
    (void)state;
    struct lift_stratum stratum = {{{.n = 1, .y = 1, .yy = 1}, {.n = 50, .y = 10, .yy = 10}}};
    struct lift lift;
    struct figure figure = {0};
    lift_estimate(&stratum, 1, true, &lift);
    lift_figure(&lift, &figure);
    assert_true(isnan(figure.value) && isnan(figure.low) && isnan(figure.high50));
    /* No goal in the holdout is no proof of none. */
    stratum.arm[LIFT_HOLDOUT] = (struct lift_sums){.n = 40};
    lift_estimate(&stratum, 1, true, &lift);
    lift_figure(&lift, &figure);
    assert_near(figure.value, .2, 1e-12);
    assert_true(figure.high - figure.value > 1.96 * sqrt(.2 * .8 / 50));
    lift_ratio_figure(&lift, &figure);
    assert_true(isnan(figure.value));
    /* A lift that may be 0: goals may cost anything, and at least so much. */
    stratum.arm[LIFT_TREATED] =
        (struct lift_sums){.n = 50, .y = 1, .yy = 1, .c = 100, .cc = 200, .cy = 2};
    lift_estimate(&stratum, 1, true, &lift);
    lift_cost_figure(&lift, &figure);
    assert_true(figure.low > 0 && isnan(figure.high));
    /* Fewer goals than without: nothing is bought. */
    stratum.arm[LIFT_HOLDOUT] = (struct lift_sums){.n = 40, .y = 10, .yy = 10};
    lift_estimate(&stratum, 1, true, &lift);
    lift_cost_figure(&lift, &figure);
    assert_true(isnan(figure.value) && isnan(figure.low));
}

/* Five held customers without an order: their values of 0 are no proof that all would be 0. */
static void test_an_arm_in_which_all_are_equal_is_no_proof(void **state) {
    (void)state;
    struct lift_stratum stratum = {{{.n = 5}, {.n = 50, .y = 500, .yy = 25000}}};
    struct lift lift;
    struct figure figure = {0};
    lift_estimate(&stratum, 1, false, &lift);
    lift_figure(&lift, &figure);
    double spread = (25000 - 500. * 500 / 50) / 49;
    assert_near(lift.variance, spread / 5 + spread / 50, 1e-9);
    assert_near(figure.value, 10, 1e-12);
    assert_true(figure.low < 0 && figure.high > 20);
    stratum.arm[LIFT_TREATED] = (struct lift_sums){.n = 50};
    lift_estimate(&stratum, 1, false, &lift);
    lift_figure(&lift, &figure);
    assert_true(isnan(figure.low) && isnan(figure.high50)); /* nothing tells a spread */
}

static void test_shares_differ_by_one_at_most(void **state) {
    (void)state;
    struct lift_stratum stratum = {{{.n = 2, .y = 2, .yy = 2}, {.n = 30, .y = 9, .yy = 9}}};
    struct lift lift;
    struct figure figure = {0};
    lift_estimate(&stratum, 1, true, &lift);
    lift_figure(&lift, &figure);
    assert_near(figure.value, -.7, 1e-12);
    assert_true(figure.low == -1 && figure.high > -.7 && figure.low50 > -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_arm_in_which_all_are_equal_is_no_proof),
        cmocka_unit_test(test_shares_differ_by_one_at_most),
        cmocka_unit_test(test_half_width_is_the_published_formula),
        cmocka_unit_test(test_rho_makes_the_sequence_narrowest_where_it_is_tuned),
        cmocka_unit_test(test_a_sequence_waits_for_goals_and_for_others),
        cmocka_unit_test(test_joint_evidence_is_that_of_the_definition),
        cmocka_unit_test(test_the_exact_chance_of_a_ratio),
        cmocka_unit_test(test_shares_that_changed_are_expected_apart),
        cmocka_unit_test(test_lift_is_that_of_people_one_by_one),
        cmocka_unit_test(test_rates_and_costs_by_hand),
        cmocka_unit_test(test_what_is_not_known_is_said_to_be_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
