/* SPDX-License-Identifier: Apache-2.0 */
/* The coupon for Tampa and Naples goes to every customer of the scenario and to nobody else: not
 * without consent to location, not without an opt-in of the very channel, not by what was known too
 * late. */
#include <stdarg.h>
#include <setjmp.h>

#include "trial.h"

#include <cmocka.h>

struct tally {
    uint32_t right, missed, wrong, elsewhere;
};

static void check_decision(void *context, const char *name, const struct decision *decision) {
    struct tally *tally = context;
    bool should = strncmp(name, "loyalty:yes", 11) == 0;
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        struct text key = decision_treatment(decision, decision->ranked[i])->key;
        tally->elsewhere +=
            !text_equal(key, TEXT("beach_shoes/s1")) && !text_equal(key, TEXT("beach_shoes/s2"));
    }
    tally->right += should && decision->ranked_count > 0;
    tally->missed += should && decision->ranked_count == 0;
    tally->wrong += !should && decision->ranked_count > 0;
}

static void the_coupon_goes_to_the_right_ones(void **state) {
    (void)state;
    struct tally tally = {0};
    for (uint32_t seed = 1; seed <= trial_seeds(); seed++) {
        struct trial trial;
        trial_open(&trial, "fashion", seed);
        trial_decide(&trial, check_decision, &tally);
        trial_close(&trial);
    }
    print_message("%u coupons, %u missed, %u to others, %u for other stores\n", tally.right,
                  tally.missed, tally.wrong, tally.elsewhere);
    assert_true(tally.right > 0);
    assert_int_equal(tally.missed, 0);
    assert_int_equal(tally.wrong, 0);
    assert_int_equal(tally.elsewhere, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_coupon_goes_to_the_right_ones)};
    return cmocka_run_group_tests_name("fashion", tests, NULL, NULL);
}
