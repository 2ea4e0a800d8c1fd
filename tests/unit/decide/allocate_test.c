/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets of small problems whose answer is plain. */
#include "decide/allocate.h"

#include <math.h>

#include "../../support/unit.h"
#include "base/random.h"

#define MANY 1000

static struct {
    struct allocate_limit limits[2];
    double fixed[4];
    uint64_t first[MANY + 1];
    uint16_t kind[2 * MANY];
    float value[2 * MANY];
} made;

/* Each customer has an offer of kind 0 and one of kind 1, which take one unit of limit 0 and 1. */
static struct allocate_problem problem_of(uint32_t customers, float a, float b) {
    for (uint32_t i = 0; i < customers; i++) {
        made.first[i] = 2 * (uint64_t)i;
        made.kind[2 * i] = 0;
        made.kind[2 * i + 1] = 1;
        made.value[2 * i] = a;
        made.value[2 * i + 1] = b;
    }
    made.first[customers] = 2 * (uint64_t)customers;
    memcpy(made.fixed, (double[]){1, 0, 0, 1}, sizeof made.fixed);
    return (struct allocate_problem){.limit_count = 2,
                                     .limits = made.limits,
                                     .kind_count = 2,
                                     .fixed = made.fixed,
                                     .customer_count = customers,
                                     .first = made.first,
                                     .kind = made.kind,
                                     .value = made.value};
}

static struct allocation solved(const struct allocate_problem *problem) {
    struct allocation out;
    struct error error = {0};
    assert_int_equal(allocate(problem, 1e-6, NULL, &out, &error), STATUS_OK);
    return out;
}

/* Under prices alone all or none of them would take it. */
static void test_customers_who_are_all_the_same(void **state) {
    (void)state;
    made.limits[0] = (struct allocate_limit){300, false};
    made.limits[1] = (struct allocate_limit){200, false};
    struct allocate_problem problem = problem_of(MANY, 5, 3);
    struct allocation out = solved(&problem);
    assert_true(out.spent[0] == 300 && out.spent[1] == 200);
    assert_true(out.value == 300 * 5 + 200 * 3 && out.served == 500);
    assert_true(fabs(out.bound - out.value) < 1e-3 * out.value);
    assert_true(fabs(out.price[0] - 5) < .01 && fabs(out.price[1] - 3) < .01);
    uint32_t early = 0; /* not those who stand first in the file */
    for (uint32_t i = 0; i < MANY / 2; i++) early += out.choice[i] != ALLOCATE_NOTHING;
    assert_true(early > 200 && early < 300);
    allocation_release(&out);
}

static void test_what_is_not_scarce_has_no_price(void **state) {
    (void)state;
    made.limits[0] = (struct allocate_limit){MANY, false};
    made.limits[1] = (struct allocate_limit){0, false};
    struct allocate_problem problem = problem_of(MANY, 5, 3);
    struct allocation out = solved(&problem);
    assert_true(out.spent[0] == MANY && out.spent[1] == 0);
    assert_true(out.price[0] < 1e-6 && out.gap < 1e-6);
    allocation_release(&out);
}

/* A minimum makes an offer more attractive than it is worth, even one that costs. */
static void test_a_minimum_has_a_price_of_the_other_sign(void **state) {
    (void)state;
    made.limits[0] = (struct allocate_limit){MANY, false};
    made.limits[1] = (struct allocate_limit){100, true};
    struct allocate_problem problem = problem_of(MANY, 5, -1);
    struct allocation out = solved(&problem);
    assert_true(out.spent[1] == 100 && out.spent[0] == 900);
    assert_true(fabs(out.price[1] + 6) < .05);
    assert_true(out.short_by[1] == 0 && out.value == 900 * 5 - 100);
    allocation_release(&out);
}

/* More than there are customers; and less, where a budget does not leave room for it. */
static void test_a_minimum_that_cannot_be_met_is_told(void **state) {
    (void)state;
    made.limits[0] = (struct allocate_limit){MANY, false};
    made.limits[1] = (struct allocate_limit){MANY + 250, true};
    struct allocate_problem problem = problem_of(MANY, 5, -1);
    struct allocation out = solved(&problem);
    assert_true(out.spent[1] == MANY && out.short_by[1] == 250);
    allocation_release(&out);

    made.limits[0] = (struct allocate_limit){40, false};
    made.limits[1] = (struct allocate_limit){100, true};
    problem = problem_of(MANY, 5, -1);
    made.fixed[2] = 1; /* what must be shown takes the budget, too */
    out = solved(&problem);
    assert_true(out.spent[0] == 40 && out.spent[1] == 40 && out.short_by[1] == 60);
    allocation_release(&out);
}

static void test_nobody_and_nothing(void **state) {
    (void)state;
    made.limits[0] = made.limits[1] = (struct allocate_limit){5, false};
    struct allocate_problem problem = problem_of(0, 1, 1);
    struct allocation out = solved(&problem);
    assert_true(out.value == 0 && out.bound == 0 && out.gap == 0 && out.served == 0);
    allocation_release(&out);
    problem = problem_of(10, -1, -2);
    out = solved(&problem);
    assert_true(out.value == 0 && out.served == 0 && out.spent[0] == 0);
    allocation_release(&out);
}

/* D at the prices bounds every choice that meets what the minima were lowered to; sums of opposite
 * signs must not bring it below the choice itself. */
static void test_no_rounding_puts_the_bound_below_the_choice(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 5);
    for (int i = 0; i < 2000; i++) {
        made.limits[0] = (struct allocate_limit){1 + random_unit(&random), true};
        made.limits[1] = (struct allocate_limit){1 + random_unit(&random), true};
        struct allocate_problem problem =
            problem_of(1, -(float)random_unit(&random), -(float)random_unit(&random));
        for (int at = 0; at < 4; at++) made.fixed[at] = random_unit(&random);
        made.fixed[i % 4] = 0;
        struct allocation out = solved(&problem);
        assert_true(out.bound >= out.value && out.gap >= 0);
        allocation_release(&out);
    }
}

/* Quotients of such numbers are none, and a limit could be broken unseen. */
static void test_numbers_too_small_or_large_to_reckon_with_are_refused(void **state) {
    (void)state;
    const double bad[] = {5e-324, 1e-31, 1e31, 1e308};
    for (int i = 0; i < 4; i++) {
        struct allocation out;
        struct error error = {0};
        made.limits[0] = (struct allocate_limit){bad[i], false};
        made.limits[1] = (struct allocate_limit){1, false};
        struct allocate_problem problem = problem_of(10, 1, 1);
        assert_int_equal(allocate(&problem, 0, NULL, &out, &error), STATUS_INVALID);
        made.limits[0].amount = 0;
        made.fixed[0] = bad[i];
        assert_int_equal(allocate(&problem, 0, NULL, &out, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "1e-30"));
    }
}

static void test_bad_numbers_are_refused(void **state) {
    (void)state;
    struct allocation out;
    struct error error = {0};
    struct allocate_problem problem = problem_of(2, NAN, 1);
    assert_int_equal(allocate(&problem, 0, NULL, &out, &error), STATUS_INVALID);
    assert_true(strlen(error.text) > 0);
    problem = problem_of(2, 1, 1);
    made.fixed[0] = -1;
    assert_int_equal(allocate(&problem, 0, NULL, &out, &error), STATUS_INVALID);
    problem = problem_of(2, 1, 1);
    made.limits[1].amount = INFINITY;
    assert_int_equal(allocate(&problem, 0, NULL, &out, &error), STATUS_INVALID);
    made.limits[1].amount = 1;
    problem.limit_count = ALLOCATE_LIMITS_MAX + 1;
    assert_int_equal(allocate(&problem, 0, NULL, &out, &error), STATUS_LIMIT);
}

static void test_it_can_be_cancelled(void **state) {
    (void)state;
    struct allocation out;
    struct work work = {0};
    made.limits[0] = made.limits[1] = (struct allocate_limit){5, false};
    struct allocate_problem problem = problem_of(MANY, 1, 1);
    work_cancel(&work);
    assert_int_equal(allocate(&problem, 0, &work, &out, NULL), STATUS_CANCELLED);
}

static enum status solve_once(void) {
    struct allocation out;
    struct allocate_problem problem = problem_of(20, 2, 1);
    enum status status = allocate(&problem, 0, NULL, &out, NULL);
    if (status == STATUS_OK) allocation_release(&out);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    made.limits[0] = made.limits[1] = (struct allocate_limit){5, false};
    fail_every_allocation(solve_once, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_customers_who_are_all_the_same),
        cmocka_unit_test(test_what_is_not_scarce_has_no_price),
        cmocka_unit_test(test_a_minimum_has_a_price_of_the_other_sign),
        cmocka_unit_test(test_a_minimum_that_cannot_be_met_is_told),
        cmocka_unit_test(test_nobody_and_nothing),
        cmocka_unit_test(test_no_rounding_puts_the_bound_below_the_choice),
        cmocka_unit_test(test_numbers_too_small_or_large_to_reckon_with_are_refused),
        cmocka_unit_test(test_bad_numbers_are_refused),
        cmocka_unit_test(test_it_can_be_cancelled),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
