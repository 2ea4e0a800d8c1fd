/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets against naive models: every choice of a few customers, tried one by one; and many
 * customers with one offer each and one limit, where whoever brings most by unit comes first. */
#include <math.h>

#include "../support/unit.h"
#include "base/random.h"
#include "decide/allocate.h"

#define CUSTOMERS 2000
#define OFFERS    3
#define KINDS     6
#define LIMITS    3
#define VALUE_MAX 9 /* of an offer: one customer may be left out who would get a part of one */

static uint64_t seed = 9, rounds = 400;

static struct {
    struct allocate_limit limits[LIMITS];
    double fixed[KINDS * LIMITS], by_own[KINDS * LIMITS];
    uint64_t first[CUSTOMERS + 1];
    uint16_t kind[CUSTOMERS * OFFERS];
    float value[CUSTOMERS * OFFERS], own[CUSTOMERS * OFFERS];
    struct allocate_problem problem;
} made;

/* Numbers with few digits, so that ties are common; some uses and values are 0, some values below
 * it. */
static void make(struct random *random, uint32_t customers, uint32_t offers, uint32_t limits,
                 bool minima) {
    for (uint32_t k = 0; k < limits; k++) {
        made.limits[k].is_minimum = minima && random_below(random, 3) == 0;
        made.limits[k].amount = (double)random_below(random, 4 * customers);
    }
    for (uint32_t i = 0; i < KINDS * limits; i++) {
        made.fixed[i] = random_below(random, 2) ? (double)random_below(random, 5) : 0;
        made.by_own[i] = random_below(random, 3) ? 0 : (double)random_below(random, 3);
    }
    uint64_t at = 0;
    for (uint32_t i = 0; i < customers; i++) {
        made.first[i] = at;
        for (uint64_t n = random_below(random, offers + 1); n > 0; n--, at++) {
            made.kind[at] = (uint16_t)random_below(random, KINDS);
            made.value[at] = (float)random_below(random, 40) / 4 - 1;
            made.own[at] = (float)random_below(random, 9) / 4;
        }
    }
    made.first[customers] = at;
    made.problem = (struct allocate_problem){limits,      made.limits, KINDS,      made.fixed,
                                             made.by_own, customers,   made.first, made.kind,
                                             made.value,  made.own,    false};
}

/* Adds up a choice anew; returns its value, NAN where it breaks a maximum. *missing: what it lacks
 * of the minima. */
static double judge(const uint32_t *choice, double spent[LIMITS], double *missing) {
    const struct allocate_problem *problem = &made.problem;
    double value = 0;
    bool broken = false;
    *missing = 0;
    for (uint32_t k = 0; k < problem->limit_count; k++) spent[k] = 0;
    for (uint32_t i = 0; i < problem->customer_count; i++) {
        uint32_t offer = choice[i];
        if (offer == ALLOCATE_NOTHING) continue;
        assert_true(offer >= problem->first[i] && offer < problem->first[i + 1]);
        value += (double)made.value[offer];
        for (uint32_t k = 0; k < problem->limit_count; k++) {
            size_t at = (size_t)made.kind[offer] * problem->limit_count + k;
            spent[k] += made.fixed[at] + (double)made.own[offer] * made.by_own[at];
        }
    }
    for (uint32_t k = 0; k < problem->limit_count; k++) {
        double over = spent[k] - made.limits[k].amount;
        if (made.limits[k].is_minimum)
            *missing += fmax(0, -over);
        else
            broken |= over > 1e-9;
    }
    return broken ? NAN : value;
}

/* The best of all choices that keep all limits; NAN: there is none. */
static double best_of_all(void) {
    const struct allocate_problem *problem = &made.problem;
    uint32_t choice[8], count = problem->customer_count;
    double best = NAN, spent[LIMITS], missing;
    for (uint32_t i = 0; i < count; i++) choice[i] = ALLOCATE_NOTHING;
    for (;;) {
        double value = judge(choice, spent, &missing);
        if (missing < 1e-9 && !isnan(value) && !(value <= best)) best = value;
        uint32_t i = 0;
        for (; i < count; i++) { /* counts up; nothing is the digit 0 */
            uint64_t next = choice[i] == ALLOCATE_NOTHING ? problem->first[i] : choice[i] + 1u;
            choice[i] = next < problem->first[i + 1] ? (uint32_t)next : ALLOCATE_NOTHING;
            if (choice[i] != ALLOCATE_NOTHING) break;
        }
        if (i == count) return best;
    }
}

/* What the answer says of itself is so, whatever the problem. */
static void check_told(const struct allocation *found) {
    double spent[LIMITS], missing, told = 0;
    double value = judge(found->choice, spent, &missing);
    assert_true(!isnan(value));
    assert_true(fabs(value - found->value) <= 1e-9 * (1 + fabs(value)));
    for (uint32_t k = 0; k < made.problem.limit_count; k++) {
        assert_true(fabs(spent[k] - found->spent[k]) <= 1e-9 * (1 + spent[k]));
        assert_true(made.limits[k].is_minimum ? found->price[k] <= 0 : found->price[k] >= 0);
        told += found->short_by[k];
    }
    assert_true(fabs(told - missing) <= 1e-9 * (1 + missing));
}

static void test_a_few_customers(void **state) {
    (void)state;
    struct random random;
    uint64_t solvable = 0, exact = 0;
    random_init(&random, seed);
    for (uint64_t round = 0; round < rounds; round++) {
        struct allocation found;
        make(&random, 1 + (uint32_t)random_below(&random, 6), OFFERS,
             1 + (uint32_t)random_below(&random, LIMITS), true);
        assert_int_equal(allocate(&made.problem, 1e-6, NULL, &found, NULL), STATUS_OK);
        check_told(&found);
        double best = best_of_all(), told = 0;
        for (uint32_t k = 0; k < made.problem.limit_count; k++) told += found.short_by[k];
        if (!isnan(best) && told == 0) {
            solvable++;
            if (!(found.value <= best + 1e-9 && best <= found.bound + 1e-6 * (1 + fabs(best))))
                fail_msg("seed %llu, round %llu: value %g, best %g, bound %g",
                         (unsigned long long)seed, (unsigned long long)round, found.value, best,
                         found.bound);
            exact += found.value >= best - 1e-9;
        }
        if (isnan(best)) assert_true(told > 0);
        allocation_release(&found);
    }
    printf("seed %llu: %llu of %llu with the best value of all\n", (unsigned long long)seed,
           (unsigned long long)exact, (unsigned long long)solvable);
    assert_true(solvable > rounds / 4 && exact > solvable * 3 / 4);
}

static int by_rate(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (x[0] < y[0]) - (x[0] > y[0]);
}

/* The optimum of the linear programme with one limit and one offer a customer. */
static double greedy(void) {
    static double offers[CUSTOMERS][3];
    double left = made.limits[0].amount, value = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < made.problem.customer_count; i++) {
        uint64_t offer = made.first[i];
        if (offer == made.first[i + 1] || made.value[offer] <= 0) continue;
        double use =
            made.fixed[made.kind[offer]] + (double)made.own[offer] * made.by_own[made.kind[offer]];
        double worth = (double)made.value[offer];
        offers[count][0] = use > 0 ? worth / use : INFINITY;
        offers[count][1] = worth;
        offers[count++][2] = use;
    }
    qsort(offers, count, sizeof offers[0], by_rate);
    for (uint32_t i = 0; i < count; i++) {
        double part = offers[i][2] <= left ? 1 : left / offers[i][2];
        value += part * offers[i][1];
        left -= part * offers[i][2];
    }
    return value;
}

static void test_many_customers_and_one_limit(void **state) {
    (void)state;
    struct random random;
    random_init(&random, seed + 1);
    for (uint64_t round = 0; round < 40; round++) {
        struct allocation found;
        make(&random, CUSTOMERS, 1, 1, false);
        made.limits[0].amount *= .3;
        assert_int_equal(allocate(&made.problem, 1e-4, NULL, &found, NULL), STATUS_OK);
        check_told(&found);
        double optimum = greedy();
        if (!(fabs(found.bound - optimum) <= 1e-3 * optimum && optimum - found.value <= VALUE_MAX))
            fail_msg("seed %llu, round %llu: value %g, optimum %g, bound %g",
                     (unsigned long long)seed, (unsigned long long)round, found.value, optimum,
                     found.bound);
        allocation_release(&found);
    }
}

static void test_several_limits_leave_a_small_gap(void **state) {
    (void)state;
    struct random random;
    uint32_t met = 0;
    random_init(&random, seed + 2);
    for (uint64_t round = 0; round < 40; round++) {
        struct allocation found;
        make(&random, CUSTOMERS, OFFERS, LIMITS, true);
        for (uint32_t k = 0; k < LIMITS; k++) made.limits[k].amount *= .2;
        assert_int_equal(allocate(&made.problem, 1e-4, NULL, &found, NULL), STATUS_OK);
        check_told(&found);
        double told = 0;
        for (uint32_t k = 0; k < LIMITS; k++) told += found.short_by[k];
        met += told == 0;
        if (told == 0 && !(found.gap <= .005))
            fail_msg("seed %llu, round %llu: gap %g", (unsigned long long)seed,
                     (unsigned long long)round, found.gap);
        allocation_release(&found);
    }
    assert_true(met > 20);
}

int main(int count, char **words) {
    if (count > 1) seed = strtoull(words[1], NULL, 10);
    if (count > 2) rounds = strtoull(words[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_few_customers),
        cmocka_unit_test(test_many_customers_and_one_limit),
        cmocka_unit_test(test_several_limits_leave_a_small_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
