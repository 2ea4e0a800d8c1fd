/* SPDX-License-Identifier: Apache-2.0 */
/* 62 % of those who come along buy; who comes along is decided with both sides' consent, and by
 * nothing that came later. */
#include <stdarg.h>
#include <setjmp.h>

#include "trial.h"

#include <cmocka.h>

#include "base/memory.h"

/* The goal's five days, and the slowest source's one. */
#define NOW           (LANDMARK + 6 * TIME_DAY_MS)
#define TRUTH         0.62
#define WIDTH_MAX     0.25
#define DECIDED_SEEDS 20

/* Offered through a friend: fans whose number begins with "in", all of them, and nobody else. */
static void check_decision(void *context, const char *name, const struct decision *decision) {
    uint32_t *wrong = context;
    bool should = strncmp(name, "fan:in", 6) == 0, does = false;
    for (uint32_t i = 0; i < decision->trace.count; i++) {
        if (!text_equal(decision_treatment(decision, i)->key, TEXT("through_friend"))) continue;
        does = decision->trace.stage[i] == STAGE_OFFERED;
    }
    *wrong += does != should;
}

static void rate_covers_the_truth(void **state) {
    (void)state;
    uint32_t seeds = trial_seeds(), covered = 0, wrong = 0;
    double widest = 0;
    for (uint32_t seed = 1; seed <= seeds; seed++) {
        struct trial trial;
        struct error error = {0};
        struct scenario_result *results = NULL;
        struct scenario_options options = {.now_ms = NOW, .threads = 1};
        size_t count = 0;
        trial_open(&trial, "concert", seed);
        enum status status = scenario_measure(engine_customer_data(trial.engine), &options,
                                              &results, &count, &error);
        if (status != STATUS_OK) fail_msg("seed %u: %s", seed, error.text);
        assert_int_equal(count, 1);
        covered += results[0].rate_inside.low <= TRUTH && TRUTH <= results[0].rate_inside.high;
        widest = fmax(widest, fmax(results[0].rate_inside.value - results[0].rate_inside.low,
                                   results[0].rate_inside.high - results[0].rate_inside.value));
        memory_free(results);
        if (seed <= DECIDED_SEEDS) trial_decide(&trial, check_decision, &wrong);
        trial_close(&trial);
    }
    print_message("%u of %u seeds covered, widest half %.3f, %u wrong decisions\n", covered, seeds,
                  widest, wrong);
    assert_int_equal(wrong, 0);
    if (seeds >= 100) assert_in_range(covered, (uint32_t)(seeds * 0.92), (uint32_t)(seeds * 0.98));
    assert_true(widest <= WIDTH_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rate_covers_the_truth)};
    return cmocka_run_group_tests_name("concert", tests, NULL, NULL);
}
