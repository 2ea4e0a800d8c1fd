/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a lifetime model: read as it was written, and refused where a byte is wrong. */
#include "support/unit.h"

#include <math.h>

#include "base/memory.h"
#include "learn/lifetime_series.h"

static struct lifetime_series made(uint32_t count) {
    struct lifetime_series series = {.count = count};
    for (uint32_t i = 0; i < count; i++) {
        struct dated_lifetime *fit = &series.fits[i];
        *fit = (struct dated_lifetime){.as_of_ms = -5 + 1000 * (int64_t)i,
                                       .has_spend = i % 2 == 1,
                                       .currency = (uint16_t)(i * 7),
                                       .other_currency = i};
        fit->orders.log_likelihood = -9582.4 - i;
        fit->orders.customers = 2357;
        fit->orders.repeaters = 946;
        fit->orders.groups = 1016 + i;
        for (int p = 0; p < LIFETIME_PARAMETERS; p++) {
            double value = .25 * (p + 1) + i;
            bool is_extreme = p == 2 && i == 1;
            fit->orders.lifetime.parameters[p] = value;
            fit->orders.fitted[p] =
                (struct fitted){value, is_extreme ? (double)NAN : value / 2,
                                is_extreme ? (double)NAN : value * 2, is_extreme};
        }
        for (int p = 0; p < SPEND_PARAMETERS && fit->has_spend; p++) {
            fit->spend.spend.parameters[p] = 3. + p;
            fit->spend.fitted[p] = (struct fitted){3. + p, 1, 9, false};
        }
        fit->spend.customers = fit->has_spend ? 940 : 0;
    }
    return series;
}

static void it_is_read_as_it_was_written(void **state) {
    static struct lifetime_series series;
    struct lifetime_series *read;
    struct buffer bytes;
    struct error error;
    (void)state;
    for (uint32_t count = 0; count <= LIFETIME_FITS_MAX; count += 20) {
        series = made(count);
        buffer_init(&bytes);
        assert_int_equal(lifetime_series_encode(&series, &bytes), STATUS_OK);
        assert_true(lifetime_series_is(buffer_text(&bytes)));
        assert_int_equal(lifetime_series_decode(&read, buffer_text(&bytes), &error), STATUS_OK);
        assert_int_equal(read->count, count);
        for (uint32_t i = 0; i < count; i++) {
            const struct dated_lifetime *a = &series.fits[i], *b = &read->fits[i];
            assert_int_equal(a->as_of_ms, b->as_of_ms);
            assert_memory_equal(&a->orders.lifetime, &b->orders.lifetime,
                                sizeof a->orders.lifetime);
            assert_memory_equal(&a->spend.spend, &b->spend.spend, sizeof a->spend.spend);
            assert_int_equal(a->other_currency, b->other_currency);
            assert_int_equal(a->currency, b->currency);
            assert_int_equal(a->orders.groups, b->orders.groups);
            for (int p = 0; p < LIFETIME_PARAMETERS; p++)
                assert_int_equal(a->orders.fitted[p].is_extreme, b->orders.fitted[p].is_extreme);
        }
        memory_free(read);
        buffer_release(&bytes);
    }
}

static void a_wrong_byte_is_refused(void **state) {
    struct lifetime_series series = made(2), *read = NULL;
    struct buffer bytes;
    struct error error;
    (void)state;
    buffer_init(&bytes);
    assert_int_equal(lifetime_series_encode(&series, &bytes), STATUS_OK);
    for (size_t i = 0; i < bytes.length; i++) {
        bytes.at[i] = (char)(bytes.at[i] ^ 0x10);
        enum status status = lifetime_series_decode(&read, buffer_text(&bytes), &error);
        assert_true(status == STATUS_CORRUPT || (status == STATUS_VERSION && i >= 8 && i < 12));
        assert_null(read);
        bytes.at[i] = (char)(bytes.at[i] ^ 0x10);
    }
    for (uint32_t length = 0; length < bytes.length; length++)
        assert_int_equal(lifetime_series_decode(&read, (struct text){bytes.at, length}, &error),
                         STATUS_CORRUPT);
    buffer_release(&bytes);
}

/* Right sums, wrong content: dates out of order, a parameter that is none. */
static void wrong_content_is_refused(void **state) {
    struct lifetime_series series[] = {made(3), made(3), made(3)}, *read = NULL;
    struct error error;
    (void)state;
    series[0].fits[1].as_of_ms = series[0].fits[2].as_of_ms;
    series[1].fits[1].orders.fitted[LIFETIME_B].value = 0;
    series[2].fits[1].spend.fitted[SPEND_Q].value = (double)NAN;
    for (int i = 0; i < 3; i++) {
        struct buffer bytes;
        buffer_init(&bytes);
        assert_int_equal(lifetime_series_encode(&series[i], &bytes), STATUS_OK);
        assert_int_equal(lifetime_series_decode(&read, buffer_text(&bytes), &error),
                         STATUS_CORRUPT);
        buffer_release(&bytes);
    }
}

static void the_newest_fit_that_is_not_later_answers(void **state) {
    struct lifetime_series series = made(3);
    (void)state;
    assert_null(lifetime_series_at(&series, -6));
    assert_ptr_equal(lifetime_series_at(&series, -5), &series.fits[0]);
    assert_ptr_equal(lifetime_series_at(&series, 994), &series.fits[0]);
    assert_ptr_equal(lifetime_series_at(&series, 995), &series.fits[1]);
    assert_ptr_equal(lifetime_series_at(&series, INT64_MAX), &series.fits[2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_read_as_it_was_written),
        cmocka_unit_test(a_wrong_byte_is_refused),
        cmocka_unit_test(wrong_content_is_refused),
        cmocka_unit_test(the_newest_fit_that_is_not_later_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
