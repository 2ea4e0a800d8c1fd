/* SPDX-License-Identifier: Apache-2.0 */
/* Narrow sections: every value comes back, in as few bytes as the range needs, and no byte beside
 * them is written. */
#include "support/unit.h"

#include "base/random.h"
#include "store/run/run_file.h"
#include "store/run/run_narrow.h"

#define COUNT_MAX 300u

static void check(const int64_t *values, uint32_t count, uint32_t width) {
    static uint64_t bytes[COUNT_MAX + 2]; /* aligned, as a mapped section is */
    uint8_t *at = (uint8_t *)bytes;
    const struct run_narrow_form form = run_narrow_form_of(values, count);
    assert_int_equal(form.width, width);
    memset(bytes, 0xab, sizeof bytes);
    run_narrow_write(at, form, values, count);
    const struct run_section section = {.base = form.base, .width = form.width};
    for (uint32_t i = 0; i < count; i++) assert_true(run_narrow(&section, at, i) == values[i]);
    for (size_t i = (size_t)count * width; i < sizeof bytes; i++) assert_int_equal(at[i], 0xab);
    memset(bytes, 0xab, sizeof bytes);
    run_narrow_write(at + 1, form, values, count); /* a buffer's end lies anywhere */
    assert_int_equal(at[0], 0xab);
    assert_int_equal(at[1 + (size_t)count * width], 0xab);
}

static void values_come_back_in_few_bytes(void **state) {
    (void)state;
    static const uint64_t ranges[] = {
        0, 1, 255, 256, 65535, 65536, UINT32_MAX, UINT64_C(1) << 32, INT64_MAX, UINT64_MAX};
    static const uint32_t widths[] = {0, 1, 1, 2, 2, 4, 4, 8, 8, 8};
    static const int64_t lows[] = {INT64_MIN, -1000, -1, 0, 7, INT64_C(1500000000000)};
    struct random random;
    int64_t values[COUNT_MAX];
    random_init(&random, 5);
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++)
        for (size_t l = 0; l < sizeof lows / sizeof lows[0]; l++) {
            if (ranges[r] > (uint64_t)INT64_MAX - (uint64_t)lows[l]) continue;
            uint32_t count = 2 + (uint32_t)random_below(&random, COUNT_MAX - 1);
            for (uint32_t i = 0; i < count; i++) {
                uint64_t draw = random_u64(&random);
                uint64_t above = ranges[r] == UINT64_MAX ? draw : draw % (ranges[r] + 1);
                values[i] = (int64_t)((uint64_t)lows[l] + above);
            }
            values[random_below(&random, count / 2)] = lows[l];
            values[count / 2 + random_below(&random, count - count / 2)] =
                (int64_t)((uint64_t)lows[l] + ranges[r]);
            check(values, count, widths[r]);
        }
    check(lows, 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_come_back_in_few_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
