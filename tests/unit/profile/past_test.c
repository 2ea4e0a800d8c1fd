/* SPDX-License-Identifier: Apache-2.0 */
/* Who a customer was: a cookie linked on Friday was nobody's on Monday. */
#include "support/unit.h"

#include "profile/past.h"
#include "support/scene.h"

static const char playbook[] = "customer: { identifiers: { email: {}, cookie: {} } }\n"
                               "events: { Clicked: { button: text } }\n"
                               "traits: { clicks: count(\"Clicked\") }\n";

enum { ANN = 1, COOKIE = 2, TABLET = 3 };

struct trial {
    struct scene scene;
    struct profile *profile;
    struct timeline_reader *reader;
    struct timeline today;
    struct past past;
};

static int set_up(void **state) {
    static struct trial trial;
    scene_init(&trial.scene, playbook);
    assert_int_equal(profile_create(&trial.profile, &trial.scene.data), STATUS_OK);
    past_init(&trial.past, &trial.scene.data);
    trial.reader = NULL;
    *state = &trial;
    return 0;
}

static int tear_down(void **state) {
    struct trial *trial = *state;
    if (trial->reader != NULL) trial->reader->source->ops->reader_close(trial->reader);
    past_release(&trial->past);
    profile_destroy(trial->profile);
    scene_release(&trial->scene);
    return 0;
}

static void read_today(struct trial *trial) {
    struct timeline_source *source = trial->scene.data.source;
    struct timeline_request request =
        profile_request(trial->profile, (struct as_of){INT64_MAX, POSITION_NOW}, true);
    assert_int_equal(source->ops->reader_open(source, &trial->reader, NULL), STATUS_OK);
    past_use(&trial->past, &request);
    assert_int_equal(
        source->ops->read(trial->reader, (struct customer_id){ANN}, &request, &trial->today, NULL),
        STATUS_OK);
}

static double clicks_of(struct trial *trial, uint32_t customer, int64_t t_ms) {
    const struct timeline *then;
    assert_int_equal(past_timeline(&trial->past, &trial->today, (struct customer_id){customer},
                                   t_ms, &then, NULL),
                     STATUS_OK);
    return profile_at(trial->profile, then, t_ms)[scene_trait(&trial->scene, "clicks")].number;
}

static void test_before_the_link_they_were_two(void **state) {
    struct trial *trial = *state;
    struct customer_id customers[PAST_CUSTOMERS_MAX];
    scene_event(&trial->scene, ANN, "Clicked", DAY(1), "");
    scene_event(&trial->scene, COOKIE, "Clicked", DAY(2), "");
    scene_event(&trial->scene, COOKIE, "Clicked", DAY(3), "");
    scene_event(&trial->scene, ANN, "Clicked", DAY(8), "");
    scene_link(&trial->scene, COOKIE, ANN, DAY(5));
    read_today(trial);
    assert_int_equal(trial->today.count, 4);

    /* The cookie had not come yet. */
    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(1), customers), 1);
    assert_int_equal(customers[0].value, ANN);
    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(4), customers), 2);
    assert_int_equal(customers[0].value, ANN);
    assert_int_equal(customers[1].value, COOKIE);
    assert_true(clicks_of(trial, ANN, DAY(4)) == 1);
    assert_true(clicks_of(trial, COOKIE, DAY(4)) == 2);

    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(5), customers), 1);
    assert_int_equal(customers[0].value, ANN);
    assert_true(clicks_of(trial, ANN, DAY(5)) == 3);
    assert_true(clicks_of(trial, ANN, DAY(9)) == 4);

    assert_int_equal(past_customer_of_row(&trial->past, &trial->today, 1, DAY(5) - 1).value,
                     COOKIE);
    assert_int_equal(past_customer_of_row(&trial->past, &trial->today, 1, DAY(5)).value, ANN);
    assert_int_equal(past_customer_of_row(&trial->past, &trial->today, 3, DAY(1)).value, ANN);
}

static void test_personas_that_were_one_without_today(void **state) {
    struct trial *trial = *state;
    struct customer_id customers[PAST_CUSTOMERS_MAX];
    scene_event(&trial->scene, COOKIE, "Clicked", DAY(1), "");
    scene_event(&trial->scene, TABLET, "Clicked", DAY(2), "");
    scene_event(&trial->scene, ANN, "Clicked", DAY(3), "");
    scene_link(&trial->scene, TABLET, COOKIE, DAY(4));
    scene_link(&trial->scene, TABLET, ANN, DAY(6));
    scene_link(&trial->scene, COOKIE, ANN, DAY(6));
    read_today(trial);
    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(3), customers), 3);
    /* Cookie and tablet were one. */
    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(4), customers), 2);
    assert_true(clicks_of(trial, COOKIE, DAY(4)) == 2);
    assert_true(clicks_of(trial, ANN, DAY(4)) == 1);
    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(6), customers), 1);
}

static void test_one_persona_is_today_itself(void **state) {
    struct trial *trial = *state;
    struct customer_id customers[PAST_CUSTOMERS_MAX];
    const struct timeline *then;
    scene_event(&trial->scene, ANN, "Clicked", DAY(1), "");
    scene_event_known(&trial->scene, ANN, "Clicked", DAY(2), DAY(7), "");
    read_today(trial);
    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(4), customers), 1);
    assert_int_equal(past_timeline(&trial->past, &trial->today, customers[0], DAY(4), &then, NULL),
                     STATUS_OK);
    assert_ptr_equal(then, &trial->today);
    assert_true(clicks_of(trial, ANN, DAY(4)) == 1); /* rows are judged by when they were known */
    assert_true(clicks_of(trial, ANN, DAY(7)) == 2);
}

static void test_no_more_than_the_limit(void **state) {
    struct trial *trial = *state;
    struct customer_id customers[PAST_CUSTOMERS_MAX];
    scene_event(&trial->scene, ANN, "Clicked", DAY(1), "");
    for (uint32_t i = 0; i < 2 * PAST_CUSTOMERS_MAX; i++) {
        scene_event(&trial->scene, 10 + i, "Clicked", DAY(1), "");
        scene_link(&trial->scene, 10 + i, ANN, DAY(5));
    }
    read_today(trial);
    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(2), customers),
                     PAST_CUSTOMERS_MAX);
    assert_true(trial->past.cut); /* and it is told */
    for (uint32_t i = 1; i < PAST_CUSTOMERS_MAX; i++)
        assert_true(customers[i - 1].value < customers[i].value);
    assert_int_equal(past_customers(&trial->past, &trial->today, DAY(5), customers), 1);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_before_the_link_they_were_two),
        CASE(test_personas_that_were_one_without_today),
        CASE(test_one_persona_is_today_itself),
        CASE(test_no_more_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
