/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <math.h>

#include "base/random.h"

static void known_sequence(void **state) {
    (void)state;
    /* splitmix64(0) by Vigna's reference code, and one step of xoshiro256++ done by hand from it.
     */
    struct random random;
    random_init(&random, 0);
    assert_true(random.state[0] == UINT64_C(0xE220A8397B1DCDAF));
    assert_true(random.state[1] == UINT64_C(0x6E789E6AA1B965F4));
    assert_true(random.state[2] == UINT64_C(0x06C45D188009454F));
    assert_true(random.state[3] == UINT64_C(0xF88BB8A8724C81EC));
    uint64_t sum = random.state[0] + random.state[3], first = random.state[0];
    assert_true(random_u64(&random) == ((sum << 23) | (sum >> 41)) + first);
    struct random ones = {{1, 2, 3, 4}}; /* from the reference implementation */
    assert_true(random_u64(&ones) == UINT64_C(41943041));
    assert_true(random_u64(&ones) == UINT64_C(58720359));
    assert_true(random_u64(&ones) == UINT64_C(3588806011781223));
}

static void below_is_uniform(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 7);
    uint32_t counts[10] = {0};
    for (int i = 0; i < 100000; i++) counts[random_below(&random, 10)]++;
    double chi_square = 0;
    for (int i = 0; i < 10; i++) chi_square += pow(counts[i] - 10000.0, 2) / 10000;
    assert_true(chi_square < 27.9); /* p = .001 with 9 degrees of freedom */
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(random_below(&random, 1), 0);
        assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
    }
}

static void check_moments(double sum, double square_sum, int n, double mean, double variance) {
    double got_mean = sum / n, got_variance = square_sum / n - got_mean * got_mean;
    assert_true(fabs(got_mean - mean) < 5 * sqrt(variance / n));
    assert_true(fabs(got_variance - variance) < 0.05 * variance + 0.001);
}

static void moments(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 8);
    const int n = 200000;
    double sum = 0, square_sum = 0;
    for (int i = 0; i < n; i++) {
        double x = random_unit(&random);
        assert_true(x >= 0 && x < 1);
        sum += x, square_sum += x * x;
    }
    check_moments(sum, square_sum, n, 0.5, 1.0 / 12);
    sum = square_sum = 0;
    for (int i = 0; i < n; i++) {
        double x = random_normal(&random);
        sum += x, square_sum += x * x;
    }
    check_moments(sum, square_sum, n, 0, 1);
    const double means[] = {0, 0.1, 3, 29.9, 30, 100, 1000};
    for (size_t k = 0; k < sizeof(means) / sizeof(means[0]); k++) {
        sum = square_sum = 0;
        for (int i = 0; i < n; i++) {
            double x = random_poisson(&random, means[k]);
            sum += x, square_sum += x * x;
        }
        if (means[k] > 0)
            check_moments(sum, square_sum, n, means[k], means[k]);
        else
            assert_true(sum == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sequence),
        cmocka_unit_test(below_is_uniform),
        cmocka_unit_test(moments),
    };
    return cmocka_run_group_tests_name("base random", tests, NULL, NULL);
}
