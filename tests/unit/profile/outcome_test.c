/* SPDX-License-Identifier: Apache-2.0 */
/* Did the goal follow? Windows are half-open, an open horizon is no answer, and a return takes an
 * order back. */
#include "support/unit.h"

#include "profile/outcome.h"
#include "support/scene.h"

static const char playbook[] =
    "customer: { identifiers: { email: {} } }\n"
    "sources:\n"
    "  offer: { file: offer.csv, lookup: offer_id, columns: [offer_id, ends], header: no, types: { "
    "ends: time } }\n"
    "  orders: { file: o.csv, event: Order Completed, time: t, arrives: 2d, key: { email: email }, "
    "types: { amount: money },\n"
    "            properties: { order_id: order_id, revenue: amount, coupon: coupon } }\n"
    "  clicks: { file: c.csv, event: Clicked, time: t, key: { email: email }, properties: { "
    "button: b } }\n"
    "  cancelled: { file: x.csv, event: Order Cancelled, time: t, arrives: 5d, key: { email: email "
    "} }\n"
    "events:\n"
    "  Order Refunded: { order_id: text }\n"
    "goals:\n"
    "  order: { event: Order Completed, within: 10d, value: revenue * 0.5 }\n"
    "  kept: { event: Order Completed, within: 10d, value: revenue, undone_by: Order Refunded }\n"
    "  firm: { event: Order Completed, within: 10d, undone_by: Order Cancelled }\n"
    "  big: { event: Order Completed, where: revenue > 100 USD, within: 10d, value: 5 USD }\n"
    "  click: { event: Clicked, within: 10d }\n"
    "  redeem: { event: Order Completed, where: coupon == action.offer_id, until: action.ends }\n"
    "actions:\n"
    "  special: { for_each: offer, goal: redeem, channels: [mail] }\n";

enum { ANN = 1 };

static int set_up(void **state) {
    return scene_trial_set_up(state, playbook);
}

/* The goal of a moment, over all of Ann's rows whenever they became known. */
static struct outcome_detail ask_of(struct scene_trial *trial, const char *goal,
                                    const char *treatment, int64_t t_ms, int64_t now_ms) {
    scene_trial_read(trial, ANN, INT64_MAX, true);
    return outcome_of(trial->profile, &trial->timeline, scene_goal(&trial->scene, goal),
                      treatment != NULL ? scene_treatment(&trial->scene, treatment) : NULL, t_ms,
                      now_ms);
}

static enum outcome ask(struct scene_trial *trial, const char *goal, int64_t t_ms, int64_t now_ms) {
    return ask_of(trial, goal, NULL, t_ms, now_ms).outcome;
}

static void test_window_is_open_at_its_start_and_closed_at_its_end(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Clicked", DAY(10), "");
    assert_int_equal(ask(trial, "click", DAY(10), DAY(100)), OUTCOME_NO); /* at t itself */
    assert_int_equal(ask(trial, "click", DAY(10) - 1, DAY(100)), OUTCOME_YES);
    assert_int_equal(ask(trial, "click", DAY(0), DAY(100)), OUTCOME_YES); /* at t + within */
    assert_int_equal(ask(trial, "click", DAY(0) - 1, DAY(100)), OUTCOME_NO);
}

static void test_no_is_known_only_after_horizon_and_arrival(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Clicked", DAY(-50), "");
    assert_int_equal(ask(trial, "order", DAY(0), DAY(12) - 1), OUTCOME_OPEN);
    assert_int_equal(ask(trial, "order", DAY(0), DAY(12)),
                     OUTCOME_NO); /* 10d and the 2d that orders take to arrive */
    assert_int_equal(ask(trial, "click", DAY(0), DAY(10) - 1), OUTCOME_OPEN);
    assert_int_equal(ask(trial, "click", DAY(0), DAY(10)), OUTCOME_NO);
    scene_event(&trial->scene, ANN, "Clicked", DAY(3), "");
    assert_int_equal(ask(trial, "click", DAY(0), DAY(4)), OUTCOME_YES); /* a yes needs no waiting */
}

/* A label is of the latest version that is known; a row that became another one is no goal. */
static void test_the_latest_version_counts(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Clicked", DAY(-50), "");
    scene_event_known(&trial->scene, ANN, "Order Completed", DAY(3), DAY(3), "revenue=10USD");
    scene_correct(&trial->scene, 1, ANN, "Order Completed", DAY(4), DAY(6), "revenue=4USD");
    struct outcome_detail early = ask_of(trial, "kept", NULL, DAY(0), DAY(6) - 1),
                          late = ask_of(trial, "kept", NULL, DAY(0), DAY(6));
    assert_int_equal(early.first_ms, DAY(3));
    assert_int_equal(early.value.minor, 1000);
    assert_int_equal(late.first_ms, DAY(4));
    assert_int_equal(late.value.minor, 400); /* once, and not both */
    scene_correct(&trial->scene, 2, ANN, "Clicked", DAY(4), DAY(30), "");
    assert_int_equal(ask(trial, "order", DAY(0), DAY(30) - 1), OUTCOME_YES);
    assert_int_equal(ask(trial, "order", DAY(0), DAY(30)), OUTCOME_NO);
}

static void test_what_is_not_known_yet_does_not_count(void **state) {
    struct scene_trial *trial = *state;
    scene_event_known(&trial->scene, ANN, "Order Completed", DAY(3), DAY(20), "revenue=9USD");
    assert_int_equal(ask(trial, "order", DAY(0), DAY(20) - 1), OUTCOME_NO);
    assert_int_equal(ask(trial, "order", DAY(0), DAY(20)), OUTCOME_YES);
}

static void test_until_is_the_treatments_own(void **state) {
    struct scene_trial *trial = *state;
    scene_lookup(&trial->scene, "offer", "16|2017-01-06T00:00:00Z\n17|\n");
    scene_event(&trial->scene, ANN, "Order Completed", DAY(5), "coupon='16'");
    struct outcome_detail detail = ask_of(trial, "redeem", "special/16", DAY(1), DAY(7));
    assert_int_equal(detail.outcome, OUTCOME_YES);
    assert_int_equal(detail.horizon_ms, DAY(5));
    assert_int_equal(detail.first_ms, DAY(5));
    /* another coupon's order is not this treatment's; without an end nothing matures */
    assert_int_equal(ask_of(trial, "redeem", "special/17", DAY(1), DAY(9000)).outcome,
                     OUTCOME_OPEN);
    assert_int_equal(ask_of(trial, "redeem", "special/16", DAY(5), DAY(7)).outcome, OUTCOME_NO);
    assert_int_equal(ask_of(trial, "redeem", "special/16", DAY(5), DAY(7) - 1).outcome,
                     OUTCOME_OPEN);
}

static void test_a_return_undoes_the_order_it_names(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Order Completed", DAY(1), "order_id='a' revenue=10USD");
    scene_event(&trial->scene, ANN, "Order Completed", DAY(2), "order_id='b' revenue=7USD");
    scene_event(&trial->scene, ANN, "Order Refunded", DAY(3), "order_id='a'");
    struct outcome_detail detail = ask_of(trial, "kept", NULL, DAY(0), DAY(50));
    assert_int_equal(detail.outcome, OUTCOME_YES);
    assert_int_equal(detail.first_ms, DAY(2));
    assert_int_equal(detail.value.minor, 700);
    scene_event(&trial->scene, ANN, "Order Refunded", DAY(4), "order_id='b'");
    assert_int_equal(ask(trial, "kept", DAY(0), DAY(50)), OUTCOME_NO);
    assert_int_equal(ask(trial, "order", DAY(0), DAY(50)),
                     OUTCOME_YES); /* a goal that nothing undoes */
}

static void test_a_return_that_names_no_order_undoes_what_came_before(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Order Completed", DAY(1), "order_id='a' revenue=10USD");
    scene_event(&trial->scene, ANN, "Order Refunded", DAY(2), "");
    scene_event(&trial->scene, ANN, "Order Completed", DAY(3), "revenue=5USD");
    struct outcome_detail detail = ask_of(trial, "kept", NULL, DAY(0), DAY(50));
    assert_int_equal(detail.outcome, OUTCOME_YES);
    assert_int_equal(detail.first_ms, DAY(3));
    scene_event(&trial->scene, ANN, "Order Refunded", DAY(4),
                "order_id='z'"); /* an order without a name may be meant */
    assert_int_equal(ask(trial, "kept", DAY(0), DAY(50)), OUTCOME_NO);
}

static void test_a_return_counts_within_the_horizon_and_once_known(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Order Completed", DAY(1), "order_id='a' revenue=10USD");
    assert_int_equal(ask(trial, "kept", DAY(0), DAY(5)), OUTCOME_OPEN); /* it may still come back */
    scene_event_known(&trial->scene, ANN, "Order Refunded", DAY(4), DAY(30), "order_id='a'");
    assert_int_equal(ask(trial, "kept", DAY(0), DAY(29)), OUTCOME_YES);
    assert_int_equal(ask(trial, "kept", DAY(0), DAY(30)), OUTCOME_NO);
    scene_event(&trial->scene, ANN, "Order Completed", DAY(21), "order_id='b' revenue=10USD");
    scene_event(&trial->scene, ANN, "Order Refunded", DAY(31),
                "order_id='b'"); /* after t + within of day 20 */
    assert_int_equal(ask(trial, "kept", DAY(20), DAY(90)), OUTCOME_YES);
    assert_int_equal(ask(trial, "kept", DAY(20.9), DAY(90)), OUTCOME_YES);
    assert_int_equal(ask(trial, "kept", DAY(21) - 1, DAY(90)), OUTCOME_YES);
}

/* A reseller: whether an order was returned is looked up, and not searched for through all returns.
 */
static void test_many_orders_and_many_returns(void **state) {
    struct scene_trial *trial = *state;
    enum { ORDERS = 30000 };
    char properties[64];
    for (uint32_t i = 0; i < ORDERS; i++) {
        snprintf(properties, sizeof properties, "order_id='a%u' revenue=1USD", i);
        scene_event(&trial->scene, ANN, "Order Completed", DAY(1) + i, properties);
    }
    for (uint32_t i = 0; i < ORDERS; i++) {
        bool other = i % 3 == 0; /* of an order that nobody knows */
        snprintf(properties, sizeof properties, "order_id='%c%u'", other ? 'b' : 'a', i);
        scene_event(&trial->scene, ANN, "Order Refunded", DAY(2) + i, properties);
    }
    struct outcome_detail detail = ask_of(trial, "kept", NULL, DAY(0), DAY(50));
    assert_int_equal(detail.outcome, OUTCOME_YES);
    assert_int_equal(detail.first_ms, DAY(1));
    assert_int_equal(detail.value.minor, ORDERS / 3 * 100);
}

static void test_value_is_the_sum_over_goal_events(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Order Completed", DAY(1), "revenue=10USD");
    scene_event(&trial->scene, ANN, "Order Completed", DAY(2), "revenue=120USD");
    scene_event(&trial->scene, ANN, "Order Completed", DAY(3),
                ""); /* worth unknown: still the goal */
    scene_event(&trial->scene, ANN, "Order Completed", DAY(4), "revenue=130USD");
    scene_event(&trial->scene, ANN, "Order Completed", DAY(11),
                "revenue=500USD"); /* after the horizon */
    struct outcome_detail all = ask_of(trial, "order", NULL, DAY(0), DAY(50));
    assert_int_equal(all.value.type, VALUE_MONEY);
    assert_int_equal(all.value.minor, 13000); /* half of 260 */
    struct outcome_detail big = ask_of(trial, "big", NULL, DAY(0), DAY(50));
    assert_int_equal(big.first_ms, DAY(2));
    assert_int_equal(big.value.minor, 500); /* a constant worth, once */
    assert_int_equal(ask_of(trial, "click", NULL, DAY(0), DAY(50)).value.type, VALUE_UNKNOWN);
}

/* What takes a goal back may arrive later than what reaches it: before that a yes is none yet, or a
 * row learnt today would be another tomorrow. */
static void test_a_return_is_waited_for_as_long_as_its_source_takes(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Order Completed", DAY(3), "");
    scene_event_known(&trial->scene, ANN, "Order Cancelled", DAY(9), DAY(14), "");
    assert_int_equal(ask(trial, "firm", DAY(0), DAY(12)),
                     OUTCOME_OPEN); /* the orders are in, the cancellations not yet */
    assert_int_equal(ask(trial, "firm", DAY(0), DAY(15) - 1), OUTCOME_OPEN);
    assert_int_equal(ask(trial, "firm", DAY(0), DAY(15)), OUTCOME_NO);
    assert_int_equal(ask_of(trial, "firm", NULL, DAY(0), DAY(12)).matured_ms, DAY(15));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, scene_trial_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_window_is_open_at_its_start_and_closed_at_its_end),
        CASE(test_no_is_known_only_after_horizon_and_arrival),
        CASE(test_what_is_not_known_yet_does_not_count),
        CASE(test_the_latest_version_counts),
        CASE(test_until_is_the_treatments_own),
        CASE(test_a_return_undoes_the_order_it_names),
        CASE(test_a_return_that_names_no_order_undoes_what_came_before),
        CASE(test_a_return_counts_within_the_horizon_and_once_known),
        CASE(test_a_return_is_waited_for_as_long_as_its_source_takes),
        CASE(test_many_orders_and_many_returns),
        CASE(test_value_is_the_sum_over_goal_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
