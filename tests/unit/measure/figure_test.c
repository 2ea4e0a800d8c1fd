/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds against published values and against the equations that they solve. */
#include "support/unit.h"
#include <math.h>
#include <string.h>

#include "measure/figure.h"

#define assert_near(a, b, distance) assert_true(fabs((a) - (b)) <= (distance))

/* Fisher and Yates, "Statistical Tables", 1963, table III. */
static void t_is_that_of_the_tables(void **state) {
    (void)state;
    static const struct {
        uint64_t freedom;
        double t95, t50;
    } rows[] = {{1, 12.706, 1.000}, {2, 4.303, 0.816},   {3, 3.182, 0.765},
                {4, 2.776, 0.741},  {5, 2.571, 0.727},   {6, 2.447, 0.718},
                {7, 2.365, 0.711},  {8, 2.306, 0.706},   {10, 2.228, 0.700},
                {15, 2.131, 0.691}, {20, 2.086, 0.687},  {30, 2.042, 0.683},
                {60, 2.000, 0.679}, {120, 1.980, 0.677}, {100000000, 1.960, 0.674}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_near(student_t(LEVEL_95, rows[i].freedom), rows[i].t95, 6e-4);
        assert_near(student_t(LEVEL_50, rows[i].freedom), rows[i].t50, 6e-4);
    }
    assert_true(isnan(student_t(LEVEL_95, 0)) && isnan(student_t(LEVEL_50, 0)));
    for (uint64_t freedom = 1; freedom < 200; freedom++)
        assert_true(student_t(LEVEL_95, freedom + 1) < student_t(LEVEL_95, freedom));
}

/* Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17
 * (1998), table I, method 3. */
static void wilson_is_that_of_newcombe(void **state) {
    (void)state;
    static const struct {
        double yes, n, low, high;
    } rows[] = {{81, 263, 0.2553, 0.3662},
                {15, 148, 0.0624, 0.1605},
                {0, 20, 0.0000, 0.1611},
                {1, 29, 0.0061, 0.1718}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double low, high;
        wilson_interval(LEVEL_95, rows[i].yes, rows[i].n, &low, &high);
        assert_near(low, rows[i].low, 6e-5);
        assert_near(high, rows[i].high, 6e-5);
    }
}

static void assert_bound(double bound, double seen, double n, double z) {
    assert_near(fabs(seen - bound), z * sqrt(bound * (1 - bound) / n), 1e-9);
}

/* Wilson's bounds are the shares from which what was seen lies z standard errors away. */
static void wilson_solves_its_equation(void **state) {
    (void)state;
    static const double z[] = {1.959963984540054, 0.674489750196082};
    for (double n = 1; n < 3000; n *= 3) {
        for (double yes = 0; yes <= n; yes += n < 30 ? 1 : n / 17) {
            double low[2], high[2];
            for (int level = 0; level < LEVEL_COUNT; level++) {
                wilson_interval((enum figure_level)level, yes, n, &low[level], &high[level]);
                assert_bound(low[level], yes / n, n, z[level]);
                assert_bound(high[level], yes / n, n, z[level]);
            }
            assert_true(low[0] <= low[1] && high[1] <= high[0]);
        }
    }
}

static void assert_unknown(const struct figure *figure) {
    assert_true(isnan(figure->low) && isnan(figure->high) && isnan(figure->low50) &&
                isnan(figure->high50));
}

static void what_says_nothing_is_unknown(void **state) {
    (void)state;
    struct figure figure = {.value = 0.5};
    figure_share(&figure, 0, 0);
    assert_true(isnan(figure.value));
    assert_unknown(&figure);
    figure.value = 0.5;
    figure_clustered_share(&figure, 0.01, 1);
    assert_unknown(&figure);
    for (int i = 0; i < 2; i++) {
        figure.value = i; /* everybody or nobody: no spread to be seen */
        figure_clustered_share(&figure, 0, 100);
        assert_unknown(&figure);
    }
    figure.value = 2;
    figure_clustered_ratio(&figure, 0.01, 0);
    assert_unknown(&figure);
    figure.value = 0;
    figure_clustered_ratio(&figure, 0.01, 100);
    assert_unknown(&figure);
}

/* Rows that are each a cluster of their own: pushes are (yes - share) / n. */
static void a_ratio_is_even_on_its_logarithm(void **state) {
    (void)state;
    struct figure figure = {.value = 2};
    figure_clustered_ratio(&figure, 0.04 * 99 / 100, 100);
    assert_near(log(figure.high / 2), 1.9842 * 0.2, 1e-4);
    assert_near(figure.low * figure.high, 4, 1e-12);
    assert_near(figure.low50 * figure.high50, 4, 1e-12);
    assert_near(log(figure.high50 / 2), 0.6770 * 0.2, 1e-4);
    figure = (struct figure){.value = 0.3};
    figure_clustered_share(&figure, 0.3 * 0.7 / 1000 * 999 / 1000, 1000);
    assert_near(figure.low, 0.2724, 1e-3);
    assert_near(figure.high, 0.3292, 1e-3);
    figure_exact(&figure);
    assert_true(figure.low == 0.3 && figure.high50 == 0.3);
}

static void a_unit_says_what_is_counted(void **state) {
    (void)state;
    char text[FIGURE_UNIT_BYTES];
    struct figure figure = {.unit = FIGURE_COUNT, .of = COUNTED_MESSAGES};
    figure_unit_text(&figure, text);
    assert_string_equal(text, "messages");
    figure.unit = FIGURE_SHARE;
    figure_unit_text(&figure, text);
    assert_string_equal(text, "share");
    figure.unit = FIGURE_MONEY;
    assert_int_equal(currency_from_text(TEXT("EUR"), &figure.currency), STATUS_OK);
    figure_unit_text(&figure, text);
    assert_string_equal(text, "EUR");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_is_that_of_the_tables),
        cmocka_unit_test(wilson_is_that_of_newcombe),
        cmocka_unit_test(wilson_solves_its_equation),
        cmocka_unit_test(what_says_nothing_is_unknown),
        cmocka_unit_test(a_ratio_is_even_on_its_logarithm),
        cmocka_unit_test(a_unit_says_what_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
