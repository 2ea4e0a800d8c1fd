/* SPDX-License-Identifier: Apache-2.0 */
/* why-not: what stopped a treatment, and the date from which on it would not. */
#include "trial.h"

/* What why-not says must be so: a second before the date the stage still stops it, at the date it
 * doesn't. */
static void check_free_at(const char *key, const char *stage, int64_t t_ms) {
    decide(t_ms);
    assert_stage(key, "web", stage);
    enum stage stopped_at = trace_of(key, "web")->stopped_at;
    int64_t free_ms =
        decision_free_at(trial.decider, &trial.timeline, &trial.decision, trace_of(key, "web"));
    assert_true(free_ms > t_ms);
    decide(free_ms - 1000);
    assert_int_equal(trace_of(key, "web")->stopped_at, stopped_at);
    decide(free_ms);
    assert_true(trace_of(key, "web")->stopped_at > stopped_at);
}

static void test_why_nots_date_is_right(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [web] }\n"
          "  miss_you: { goal: order, applicable: recency > 30d, channels: [web] }\n"
          "  fewer: { goal: order, suitable: orders_90d < 2, channels: [web] }\n"
          "  season: { for_each: offer, goal: order, available: action.starts <= now and now < "
          "action.ends, channels: [web] }\n"
          "  never: { goal: order, suitable: orders_90d > 7, channels: [web] }\n"
          "policies:\n"
          "  - { at_most: 1, in: 7d, action: letter }\n"
          "  - { after: Rejected, of: same action, wait: 9d }\n"
          "  - { quiet: \"21:00-08:00\", action: letter }\n");
    scene_event(&trial.scene, ANN, "Order Completed", DAY(3.123), "revenue=3USD");
    scene_event(&trial.scene, ANN, "Order Completed", DAY(9.7), "revenue=3USD");
    scene_event(&trial.scene, ANN, "Treatment Shown", DAY(10.001), "treatment='letter'");
    scene_event(&trial.scene, ANN, "Treatment Rejected", DAY(10.9), "treatment='letter'");
    check_free_at("miss_you", "applicable", DAY(11));
    check_free_at("fewer", "suitable", DAY(11));
    check_free_at("season/1", "available", DAY(11));
    /* It was refused; what a page shows is no contact, and quiet times only defer. */
    check_free_at("letter", "contact policies", DAY(11));
    decide(DAY(11));
    assert_int_equal(decision_free_at(trial.decider, &trial.timeline, &trial.decision,
                                      trace_of("letter", "web")),
                     DAY(10.9) + 9 * TIME_DAY_MS);
    assert_why_not("letter", "from 2017-01-20 21:36 (UTC) on");
    assert_why_not("letter", ": 1 of 1)");
    assert_int_equal(
        decision_free_at(trial.decider, &trial.timeline, &trial.decision, trace_of("never", "web")),
        0);
    assert_why_not("never", "not within the next 400 days");
    decide(DAY(11));
    assert_stage("letter", "web", "contact policies"); /* asking has changed nothing */
}

static void test_why_not_tells_an_unknown_value_from_an_unknown_chance(void **state) {
    (void)state;
    begin("actions: { letter: { goal: rare, channels: [web] } }\n");
    trial.bases[2] = (struct goal_base){.rate = 0.1, .value = NAN};
    decide(DAY(1));
    assert_stage("letter", "web", "propensity");
    assert_why_not("letter", "the value of its goal is not known yet");
    trial.bases[2] = (struct goal_base){.rate = NAN, .value = 30};
    decide(DAY(1));
    assert_stage("letter", "web", "propensity");
    assert_why_not("letter", "starting_propensity");
}

/* Openings of hours: a shop's, a basket's, and both at once. */
static void test_why_not_finds_openings_of_hours(void **state) {
    (void)state;
    begin(
        "actions:\n"
        "  basket: { goal: order, applicable: recency > 1h and recency < 5h, channels: [web] }\n"
        "  open: { goal: order, available: hour(now) >= 9 and hour(now) < 17, channels: [web] }\n"
        "  monday: { goal: order, suitable: weekday(now) == 1 and hour(now) == 6, channels: [web] "
        "}\n"
        "  missed: { goal: order, suitable: recency > 30d and hour(now) < 3, channels: [web] }\n");
    int64_t now_ms = DAY(10) + 18 * TIME_HOUR_MS; /* a Wednesday */
    scene_event(&trial.scene, ANN, "Order Completed", now_ms - 10 * TIME_MINUTE_MS, "revenue=3USD");
    check_free_at("basket", "applicable", now_ms);
    check_free_at("open", "available", now_ms);
    check_free_at("monday", "suitable", now_ms);
    check_free_at("missed", "suitable", now_ms);
    decide(now_ms);
    assert_in_range(
        decision_free_at(trial.decider, &trial.timeline, &trial.decision, trace_of("open", "web")) -
            (DAY(11) + 9 * TIME_HOUR_MS),
        0, 1000);
    assert_in_range(decision_free_at(trial.decider, &trial.timeline, &trial.decision,
                                     trace_of("monday", "web")) -
                        (DAY(15) + 6 * TIME_HOUR_MS),
                    0, 1000);
    assert_in_range(decision_free_at(trial.decider, &trial.timeline, &trial.decision,
                                     trace_of("missed", "web")) -
                        DAY(41),
                    0, 1000);
}

int main(void) {
#define CASE(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        CASE(test_why_nots_date_is_right),
        CASE(test_why_not_tells_an_unknown_value_from_an_unknown_chance),
        CASE(test_why_not_finds_openings_of_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
