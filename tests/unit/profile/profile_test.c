/* SPDX-License-Identifier: Apache-2.0 */
/* Equal offers get equal answers, however many there are, and a limit that made a value unknown is
 * told apart from what nobody knows. */
#include "support/unit.h"

#include "support/scene.h"

static const char playbook[] =
    "customer: { identifiers: { email: {} } }\n"
    "sources:\n"
    "  offer: { file: offer.csv, lookup: offer_id, columns: [offer_id, code], header: no }\n"
    "events:\n"
    "  Clicked: { button: text }\n"
    "  Order Completed: { revenue: money }\n"
    "traits:\n"
    "  seen: { is: 'length(list(\"Clicked\".button where button != action.code) in 10d)' }\n"
    "  different: { is: 'distinct(\"Clicked\".button where button != action.code) in 10d' }\n"
    "  spent: sum(\"Order Completed\".revenue) in 10d\n"
    "  big: spent > 100 USD\n"
    "  never: last(\"Order Completed\".revenue)\n"
    "goals: { order: { event: Order Completed, within: 10d, value: 1 USD } }\n"
    "actions: { special: { for_each: offer, goal: order, channels: [email] } }\n";

#define OFFERS 900
#define CLICKS 1400

static int set_up(void **state) {
    return scene_trial_set_up(state, playbook);
}

static const struct value *read_at(struct scene_trial *trial, int64_t t_ms) {
    scene_trial_read(trial, 1, t_ms, false);
    return profile_at(trial->profile, &trial->timeline, t_ms);
}

static void test_equal_offers_get_equal_answers(void **state) {
    struct scene_trial *trial = *state;
    static char rows[OFFERS * 16];
    char properties[64];
    for (int i = 0, at = 0; i < OFFERS; i++)
        at += snprintf(rows + at, sizeof rows - (size_t)at, "%d|same\n", i);
    scene_lookup(&trial->scene, "offer", rows);
    for (int i = 0; i < CLICKS; i++) {
        snprintf(properties, sizeof properties, "button='a button with a long name, number %d'", i);
        scene_event(&trial->scene, 1, "Clicked", DAY(1), properties);
    }
    (void)read_at(trial, DAY(2));
    const struct treatment_set *treatments = scene_treatments_at(&trial->scene, DAY(2));
    assert_int_equal(treatments->count, OFFERS);
    uint32_t seen = scene_trait(&trial->scene, "seen"),
             different = scene_trait(&trial->scene, "different");
    for (uint32_t i = 0; i < treatments->count; i++) {
        const struct value *values = profile_with(trial->profile, &treatments->treatments[i]);
        assert_int_equal(values[seen].type, VALUE_NUMBER);
        assert_true(values[seen].number == CLICKS);
        assert_int_equal(values[different].type, VALUE_NUMBER);
        assert_true(values[different].number == CLICKS);
    }
    assert_false(profile_limited(trial->profile));
}

static void test_a_limit_is_told_and_spreads_with_the_unknown(void **state) {
    struct scene_trial *trial = *state;
    uint32_t spent = scene_trait(&trial->scene, "spent"), big = scene_trait(&trial->scene, "big"),
             never = scene_trait(&trial->scene, "never");
    scene_event(&trial->scene, 1, "Clicked", DAY(0), "");
    const struct value *values = read_at(trial, DAY(1));
    assert_false(value_is_known(values[never]));
    assert_false(profile_trait_limited(trial->profile, never)); /* nobody knows: no limit */
    assert_false(profile_limited(trial->profile));
    scene_event(&trial->scene, 1, "Order Completed", DAY(1), "revenue=3USD");
    scene_event(&trial->scene, 1, "Order Completed", DAY(2), "revenue=3EUR");
    values = read_at(trial, DAY(3));
    assert_false(value_is_known(values[spent]));
    assert_true(profile_trait_limited(trial->profile, spent));
    assert_false(value_is_known(values[big]));
    assert_true(profile_trait_limited(trial->profile, big));
    assert_false(profile_trait_limited(trial->profile, never));
    assert_true(profile_limited(trial->profile));
    values = read_at(trial, DAY(12.5)); /* both have left the window */
    assert_true(value_is_known(values[spent]));
    assert_false(profile_limited(trial->profile));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, scene_trial_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_equal_offers_get_equal_answers),
        CASE(test_a_limit_is_told_and_spreads_with_the_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
