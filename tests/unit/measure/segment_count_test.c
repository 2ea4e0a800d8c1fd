/* SPDX-License-Identifier: Apache-2.0 */
/* How many customers are in a segment, against who should be in it. */
#include "support/unit.h"

#include "measure/segment_count.h"
#include "support/scene.h"

static const char playbook[] =
    "customer: { identifiers: { email: {} } }\n"
    "events: { Clicked: { button: text }, Order Completed: { revenue: money } }\n"
    "traits:\n"
    "  clicks: count(\"Clicked\") in 30d\n"
    "  spent: sum(\"Order Completed\".revenue)\n"
    "  keen: clicks >= 2\n"
    "  rich: spent > 100 USD\n";

static struct segment_count count_at(struct scene *scene, const char *segment, int64_t t_ms,
                                     uint32_t threads) {
    struct segment_count count;
    struct error error = {0};
    const struct segment_count_options options = {
        scene_trait(scene, segment), {t_ms, POSITION_NOW}, threads, NULL};
    assert_int_equal(segment_count_measure(&scene->data, &options, &count, &error), STATUS_OK);
    return count;
}

static int set_up(void **state) {
    return scene_trial_set_up(state, playbook);
}

static void test_counts_who_is_in(void **state) {
    struct scene *scene = &((struct scene_trial *)*state)->scene;
    for (uint32_t person = 1; person <= 40; person++) {
        for (uint32_t click = 0; click < person % 4; click++)
            scene_event(scene, person, "Clicked", DAY(10 + click), "button='buy'");
        scene_event(scene, person, "Page Viewed", DAY(1), "");
    }
    for (uint32_t threads = 1; threads <= 7; threads += 3) {
        struct segment_count count = count_at(scene, "keen", DAY(20), threads);
        assert_float_equal(count.in.value, 20, 0); /* 2 and 3 of every four */
        assert_float_equal(count.in.low, 20, 0);
        assert_int_equal(count.in.n, 40);
        assert_int_equal(count.unknown, 0);
        /* The window has passed; before the clicks nobody was in. */
        assert_float_equal(count_at(scene, "keen", DAY(60), threads).in.value, 0, 0);
        assert_float_equal(count_at(scene, "keen", DAY(5), threads).in.value, 0, 0);
    }
}

static void test_tells_of_whom_nobody_knows(void **state) {
    struct scene *scene = &((struct scene_trial *)*state)->scene;
    scene_event(scene, 1, "Order Completed", DAY(1), "revenue=150.00USD");
    scene_event(scene, 2, "Order Completed", DAY(1), "revenue=50.00USD");
    /* Two currencies are no sum. */
    scene_event(scene, 3, "Order Completed", DAY(1), "revenue=150.00USD");
    scene_event(scene, 3, "Order Completed", DAY(2), "revenue=150.00EUR");
    struct segment_count count = count_at(scene, "rich", DAY(20), 1);
    assert_float_equal(count.in.value, 1, 0);
    assert_int_equal(count.in.n, 3);
    assert_int_equal(count.unknown, 1);
    assert_int_equal(count.limited, 1);
}

static void test_merged_customers_are_one(void **state) {
    struct scene *scene = &((struct scene_trial *)*state)->scene;
    scene_event(scene, 1, "Clicked", DAY(10), "button='buy'");
    scene_event(scene, 2, "Clicked", DAY(10), "button='buy'");
    scene_link(scene, 2, 1, DAY(15));
    assert_float_equal(count_at(scene, "keen", DAY(12), 1).in.value, 0, 0);
    struct segment_count count = count_at(scene, "keen", DAY(20), 1);
    assert_float_equal(count.in.value, 1, 0);
    assert_int_equal(count.in.n, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts_who_is_in, set_up, scene_trial_tear_down),
        cmocka_unit_test_setup_teardown(test_tells_of_whom_nobody_knows, set_up,
                                        scene_trial_tear_down),
        cmocka_unit_test_setup_teardown(test_merged_customers_are_one, set_up,
                                        scene_trial_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
