/* SPDX-License-Identifier: Apache-2.0 */
/* Equal offers get equal answers, however many there are, and a limit that made a value unknown is
 * told apart from what nobody knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "scene.h"

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

struct trial {
    struct scene scene;
    struct profiler *profiler;
    struct timeline_reader *reader;
    struct timeline timeline;
};

static int set_up(void **state) {
    static struct trial trial;
    scene_init(&trial.scene, playbook);
    assert_int_equal(profiler_create(&trial.profiler, &trial.scene.world), STATUS_OK);
    trial.reader = NULL;
    *state = &trial;
    return 0;
}

static int tear_down(void **state) {
    struct trial *trial = *state;
    if (trial->reader != NULL) trial->reader->source->ops->reader_close(trial->reader);
    profiler_destroy(trial->profiler);
    scene_release(&trial->scene);
    return 0;
}

static const struct value *read_at(struct trial *trial, int64_t t_ms) {
    struct timeline_source *source = trial->scene.world.source;
    struct timeline_request request =
        profiler_request(trial->profiler, (struct as_of){t_ms, POSITION_NOW}, false);
    if (trial->reader != NULL) source->ops->reader_close(trial->reader);
    assert_int_equal(source->ops->reader_open(source, &trial->reader, NULL), STATUS_OK);
    assert_int_equal(
        source->ops->read(trial->reader, (struct customer_id){1}, &request, &trial->timeline, NULL),
        STATUS_OK);
    return profile_at(trial->profiler, &trial->timeline, t_ms);
}

static void test_equal_offers_get_equal_answers(void **state) {
    struct trial *trial = *state;
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
        const struct value *values = profile_with(trial->profiler, &treatments->treatments[i]);
        assert_int_equal(values[seen].type, VALUE_NUMBER);
        assert_true(values[seen].number == CLICKS);
        assert_int_equal(values[different].type, VALUE_NUMBER);
        assert_true(values[different].number == CLICKS);
    }
    assert_false(profile_limited(trial->profiler));
}

static void test_a_limit_is_told_and_spreads_with_the_unknown(void **state) {
    struct trial *trial = *state;
    uint32_t spent = scene_trait(&trial->scene, "spent"), big = scene_trait(&trial->scene, "big"),
             never = scene_trait(&trial->scene, "never");
    scene_event(&trial->scene, 1, "Clicked", DAY(0), "");
    const struct value *values = read_at(trial, DAY(1));
    assert_false(value_is_known(values[never]));
    assert_false(profile_trait_limited(trial->profiler, never)); /* nobody knows: no limit */
    assert_false(profile_limited(trial->profiler));
    scene_event(&trial->scene, 1, "Order Completed", DAY(1), "revenue=3USD");
    scene_event(&trial->scene, 1, "Order Completed", DAY(2), "revenue=3EUR");
    values = read_at(trial, DAY(3));
    assert_false(value_is_known(values[spent]));
    assert_true(profile_trait_limited(trial->profiler, spent));
    assert_false(value_is_known(values[big]));
    assert_true(profile_trait_limited(trial->profiler, big));
    assert_false(profile_trait_limited(trial->profiler, never));
    assert_true(profile_limited(trial->profiler));
    values = read_at(trial, DAY(12.5)); /* both have left the window */
    assert_true(value_is_known(values[spent]));
    assert_false(profile_limited(trial->profiler));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_equal_offers_get_equal_answers),
        CASE(test_a_limit_is_told_and_spreads_with_the_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
