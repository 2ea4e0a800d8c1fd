/* SPDX-License-Identifier: Apache-2.0 */
/* Off-policy estimates against their formulas written out, and against logs that are simulated from
 * a truth. */
#include "support/unit.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "measure/off_policy.h"

#define assert_near(actual, expected, distance)                                                    \
    assert_true(fabs((actual) - (expected)) <= (distance))
#define ROWS    1200
#define ACTIONS 5

static const struct off_policy_options plain = {.switch_max = 2, .shrinkage = 3, .seed = 1};

static void the_formulas_by_hand(void **state) {
    const struct off_policy_row rows[] = {
        {.reward = 1, .weight = 2, .predicted = .5, .expected = .4, .group = 7},
        {.reward = 0, .weight = 0, .predicted = .2, .expected = .3, .group = 7},
        {.reward = 3, .weight = 4, .predicted = 1, .expected = .6, .group = 9},
        {.reward = 1, .weight = .5, .predicted = 1, .expected = .8, .group = 2},
    };
    struct off_policy_result result;
    (void)state;
    assert_int_equal(off_policy_estimate(rows, 4, &plain, &result), STATUS_OK);
    double of[OFF_POLICY_ESTIMATORS] = {
        (2 * 1 + 0 + 4 * 3 + .5 * 1) / 4,
        (2 * 1 + 0 + 4 * 3 + .5 * 1) / (2 + 0 + 4 + .5),
        (.4 + .3 + .6 + .8 + 2 * .5 + 0 + 4 * 2 + 0) / 4,
        (.4 + .3 + .6 + .8 + 2 * .5 + 0 + 0 + 0) / 4, /* 4 is over tau */
        (.4 + .3 + .6 + .8 + 3. * 2 / (4 + 3) * .5 + 3. * 4 / (16 + 3) * 2) / 4,
    };
    for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++)
        assert_near(result.estimates[e].bootstrap.value, of[e], 1e-15);
    assert_int_equal(result.rows, 4);
    assert_int_equal(result.groups, 3);
    assert_int_equal(result.supported, 3);
    assert_near(result.mean_weight, 6.5 / 4, 1e-15);
    assert_near(result.max_weight, 4, 1e-15);
    assert_near(result.effective_rows, 6.5 * 6.5 / (4 + 16 + .25), 1e-12);
    assert_near(result.mean_reward, 1.25, 1e-15);
    /* Empirical Bernstein over the three customers, IPS. */
    double push[3] = {2. * 3 / 4, 12. * 3 / 4, .5 * 3 / 4}, value = of[0], squares = 0;
    for (int g = 0; g < 3; g++) squares += (push[g] - value) * (push[g] - value);
    double half = 7 * (push[1] - push[2]) * log(40) / (3 * 2) + sqrt(2 * log(40) * squares / 3 / 2);
    assert_near(result.estimates[0].bernstein_low, value - half, 1e-12);
    assert_near(result.estimates[0].bernstein_high, value + half, 1e-12);
}

/* ---- simulated logs ---- */

struct world {
    double rate[2][ACTIONS]; /* of reward, by context */
    double logged[2][ACTIONS], other[2][ACTIONS];
    double truth;
};

static void make_world(struct random *random, struct world *world) {
    world->truth = 0;
    for (int x = 0; x < 2; x++) {
        double logged = 0, other = 0;
        for (int a = 0; a < ACTIONS; a++) {
            world->rate[x][a] = .05 + .4 * random_unit(random);
            logged += world->logged[x][a] = .2 + random_unit(random);
            other += world->other[x][a] = exp(6 * world->rate[x][a]);
        }
        for (int a = 0; a < ACTIONS; a++) {
            world->logged[x][a] /= logged;
            world->other[x][a] /= other;
            world->truth += world->other[x][a] * world->rate[x][a] / 2;
        }
    }
}

static uint32_t draw_action(struct random *random, const double *chances) {
    double u = random_unit(random);
    for (uint32_t a = 0; a + 1 < ACTIONS; a++) {
        if (u < chances[a]) return a;
        u -= chances[a];
    }
    return ACTIONS - 1;
}

/* Rows of customers who come `times` times in the same context, and whose rewards are all yes or
 * all no where they are `alike`. The model of the reward is off by `off`. */
static void simulate(struct random *random, const struct world *world, uint32_t times, bool alike,
                     double off, struct off_policy_row *rows) {
    double luck = 0;
    uint32_t x = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        if (i % times == 0) {
            x = (uint32_t)random_below(random, 2);
            luck = random_unit(random);
        }
        uint32_t a = draw_action(random, world->logged[x]);
        double expected = 0, drawn = alike ? luck : random_unit(random);
        for (int k = 0; k < ACTIONS; k++)
            expected += world->other[x][k] * (world->rate[x][k] + off);
        rows[i] = (struct off_policy_row){.reward = drawn < world->rate[x][a],
                                          .weight = world->other[x][a] / world->logged[x][a],
                                          .predicted = world->rate[x][a] + off,
                                          .expected = expected,
                                          .group = i / times};
    }
}

/* Of 120 worlds the 95 % interval of each estimator holds the truth in 89 % at least, also where a
 * customer's rows are alike and the model of the reward is wrong; Bernstein's in nearly all. */
static void intervals_hold_the_truth(void **state) {
    static struct off_policy_row rows[ROWS];
    struct off_policy_options options = {.switch_max = NAN, .shrinkage = NAN, .seed = 3};
    int held[OFF_POLICY_ESTIMATORS] = {0}, bernstein[OFF_POLICY_ESTIMATORS] = {0};
    struct random random;
    (void)state;
    random_init(&random, 21);
    for (int round = 0; round < 120; round++) {
        struct world world;
        struct off_policy_result result;
        make_world(&random, &world);
        simulate(&random, &world, 4, round % 2 == 1, round % 3 == 0 ? .1 : 0, rows);
        assert_int_equal(off_policy_estimate(rows, ROWS, &options, &result), STATUS_OK);
        for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++) {
            const struct off_policy_estimate *estimate = &result.estimates[e];
            held[e] +=
                estimate->bootstrap.low <= world.truth && world.truth <= estimate->bootstrap.high;
            bernstein[e] +=
                estimate->bernstein_low <= world.truth && world.truth <= estimate->bernstein_high;
            assert_true(estimate->bootstrap.low <= estimate->bootstrap.low50);
            assert_true(estimate->bootstrap.high50 <= estimate->bootstrap.high);
        }
    }
    for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++) {
        assert_true(held[e] >= 107);
        assert_true(bernstein[e] >= 117);
    }
}

/* Rows of one customer that are alike tell less than as many customers. */
static void customers_and_not_rows_are_independent(void **state) {
    static struct off_policy_row rows[ROWS];
    struct off_policy_options options = {.switch_max = NAN, .shrinkage = NAN, .seed = 3};
    struct off_policy_result together, apart;
    struct world world;
    struct random random;
    (void)state;
    random_init(&random, 22);
    make_world(&random, &world);
    simulate(&random, &world, 8, true, 0, rows);
    assert_int_equal(off_policy_estimate(rows, ROWS, &options, &together), STATUS_OK);
    for (uint32_t i = 0; i < ROWS; i++) rows[i].group = i;
    assert_int_equal(off_policy_estimate(rows, ROWS, &options, &apart), STATUS_OK);
    for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++) {
        const struct interval *a = &together.estimates[e].bootstrap,
                              *b = &apart.estimates[e].bootstrap;
        assert_near(a->value, b->value, 1e-12);
        assert_true(a->high - a->low > 1.3 * (b->high - b->low));
    }
}

/* With a good model and large weights DRos is nearer to the truth than IPS, and than DR. */
static void shrinkage_lowers_the_error(void **state) {
    static struct off_policy_row rows[ROWS];
    struct off_policy_options options = {.switch_max = NAN, .shrinkage = NAN, .seed = 3};
    double errors[OFF_POLICY_ESTIMATORS] = {0};
    struct random random;
    (void)state;
    random_init(&random, 23);
    for (int round = 0; round < 80; round++) {
        struct world world;
        struct off_policy_result result;
        make_world(&random, &world);
        for (int x = 0; x < 2;
             x++) { /* one action is hardly ever logged, and is the other's favourite */
            for (int a = 1; a < ACTIONS; a++) world.logged[x][a] = .999 / (ACTIONS - 1);
            world.logged[x][0] = .001;
            world.truth -= world.other[x][0] * world.rate[x][0] / 2;
            for (int a = 1; a < ACTIONS; a++)
                world.truth -= world.other[x][a] * world.rate[x][a] / 4, world.other[x][a] /= 2;
            world.other[x][0] = .5 + world.other[x][0] / 2;
            world.truth += world.other[x][0] * world.rate[x][0] / 2;
        }
        simulate(&random, &world, 1, false, 0, rows);
        assert_int_equal(off_policy_estimate(rows, ROWS, &options, &result), STATUS_OK);
        assert_true(result.shrinkage > 0);
        for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++) {
            double off = result.estimates[e].bootstrap.value - world.truth;
            errors[e] += off * off;
        }
    }
    assert_true(errors[OFF_POLICY_DROS] < .8 * errors[OFF_POLICY_IPS]);
    assert_true(errors[OFF_POLICY_DROS] < errors[OFF_POLICY_DR]);
}

static void a_log_that_cannot_answer_is_told(void **state) {
    static struct off_policy_row rows[ROWS];
    struct off_policy_result result;
    (void)state;
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = (struct off_policy_row){.reward = i % 2, .weight = 0, .group = i};
    assert_int_equal(off_policy_estimate(rows, ROWS, &plain, &result), STATUS_OK);
    assert_int_equal(off_policy_support(&result, ROWS), SUPPORT_NONE);
    assert_true(isnan(result.estimates[OFF_POLICY_SNIPS].bootstrap.value));
    assert_true(isnan(result.estimates[OFF_POLICY_SNIPS].bernstein_low));
    assert_near(result.effective_rows, 0, 0);
    for (uint32_t i = 0; i < ROWS; i++) rows[i].weight = 1;
    assert_int_equal(off_policy_estimate(rows, ROWS, &plain, &result), STATUS_OK);
    assert_int_equal(off_policy_support(&result, 0), SUPPORT_DETERMINISTIC);
    assert_int_equal(off_policy_support(&result, ROWS), SUPPORT_GOOD);
    assert_near(result.estimates[OFF_POLICY_IPS].bootstrap.value, .5, 1e-12);
    for (uint32_t i = 0; i < ROWS; i++) rows[i].weight = i < 50 ? ROWS / 50. : 0;
    assert_int_equal(off_policy_estimate(rows, ROWS, &plain, &result), STATUS_OK);
    assert_near(result.effective_rows, 50, 1e-9);
    assert_int_equal(off_policy_support(&result, ROWS), SUPPORT_WEAK);
    for (uint32_t i = 0; i < ROWS; i++) rows[i].weight = i % 2;
    assert_int_equal(off_policy_estimate(rows, ROWS, &plain, &result), STATUS_OK);
    assert_int_equal(off_policy_support(&result, ROWS), SUPPORT_PART); /* half of it is missing */
    assert_non_null(strstr(off_policy_support_text(SUPPORT_PART), "prediction alone"));
    assert_true(off_policy_answers(SUPPORT_PART) && !off_policy_answers(SUPPORT_NONE));
}

static void without_memory_it_says_so(void **state) {
    static struct off_policy_row rows[40];
    struct off_policy_result result;
    uint64_t nth = 0;
    enum status status;
    (void)state;
    for (uint32_t i = 0; i < 40; i++)
        rows[i] = (struct off_policy_row){.reward = i % 3, .weight = 1 + i % 2, .group = i / 2};
    do {
        memory_fail_at(++nth);
        status = off_policy_estimate(rows, 40, &plain, &result);
        memory_fail_at(0);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
    } while (status != STATUS_OK);
    assert_true(nth > 4);
}

static void hostile_rows_are_refused(void **state) {
    struct off_policy_result result;
    struct off_policy_row row = {.reward = 1, .weight = 1};
    (void)state;
    assert_int_equal(off_policy_estimate(&row, 0, &plain, &result), STATUS_INVALID);
    assert_int_equal(off_policy_estimate(&row, 1, &plain, &result), STATUS_OK);
    assert_true(isnan(result.estimates[OFF_POLICY_IPS].bernstein_low));
    double *fields[] = {&row.reward, &row.weight, &row.predicted, &row.expected};
    const double bad[] = {(double)NAN, (double)INFINITY};
    for (int f = 0; f < 4; f++) {
        for (int b = 0; b < 2; b++) {
            double good = *fields[f];
            *fields[f] = bad[b];
            assert_int_equal(off_policy_estimate(&row, 1, &plain, &result), STATUS_INVALID);
            *fields[f] = good;
        }
    }
    row.weight = -1e-9;
    assert_int_equal(off_policy_estimate(&row, 1, &plain, &result), STATUS_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_formulas_by_hand),
        cmocka_unit_test(intervals_hold_the_truth),
        cmocka_unit_test(customers_and_not_rows_are_independent),
        cmocka_unit_test(shrinkage_lowers_the_error),
        cmocka_unit_test(a_log_that_cannot_answer_is_told),
        cmocka_unit_test(without_memory_it_says_so),
        cmocka_unit_test(hostile_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
