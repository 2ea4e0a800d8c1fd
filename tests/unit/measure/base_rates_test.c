/* SPDX-License-Identifier: Apache-2.0 */
/* Base rates: what counts as one past treatment, whose it is, and who is active. On the trial of
 * decide's tests, since decisions are what they are for. */
#include "measure/base_rates.h"
#include "trial.h"

/* Delivered and Shown of one message, and a receipt that comes twice, are one treatment. */
static void test_a_message_is_one_past_treatment(void **state) {
    (void)state;
    begin("actions: { letter: { goal: order, channels: [web] } }\n");
    static const struct {
        double day;
        const char *event, *properties;
    } told[] = {{2, "Treatment Delivered", "treatment='letter' decision='d1'"},
                {2.1, "Treatment Shown", "treatment='letter' decision='d1'"},
                {4, "Treatment Shown", "treatment='letter' decision='d1'"},
                {5, "Treatment Delivered", "treatment='letter' decision='d2'"},
                {5.1, "Treatment Delivered", "treatment='letter' decision='d3'"},
                {6, "Treatment Delivered", "treatment='letter'"},
                {6.5, "Treatment Shown", "treatment='letter'"},
                {7, "Treatment Shown", "treatment='letter'"}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        scene_event(&trial.scene, ANN, told[i].event, DAY(told[i].day), told[i].properties);
    assert_int_equal(
        base_rates_measure(&trial.scene.data,
                           &(struct base_rates_options){DAY(40), POSITION_NOW, 1, NULL},
                           trial.bases, NULL),
        STATUS_OK);
    assert_int_equal(trial.bases[0].treated_rows, 5); /* d1, d2, d3, and two days */
    assert_int_equal(trial.bases[3].treated_rows, 5);
}

/* What another action led to says nothing of this one, and another channel little. */
static void test_past_treatments_tell_of_their_action_and_channel(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [web, mail] }\n"
          "  survey: { goal: order, starting_propensity: 5%, channels: [web] }\n"
          "  fresh: { goal: order, starting_propensity: 40%, channels: [web] }\n");
    for (uint32_t i = 0; i < 300; i++) {
        bool by_mail = i % 3 == 0;
        uint32_t person = 100 + i;
        scene_event(&trial.scene, person,
                    by_mail ? "mail:Treatment Delivered" : "web:Treatment Delivered", DAY(2),
                    i % 2 == 0 ? "treatment='letter'" : "treatment='survey'");
        if (i % 2 == 0 && (by_mail || i % 4 == 0))
            scene_event(&trial.scene, person, "Order Completed", DAY(3), "revenue=20USD");
    }
    uint32_t width = goal_bases_of_action(trial.scene.playbook);
    assert_int_equal(width, 3);
    for (uint32_t threads = 1; threads <= 3; threads++) {
        assert_int_equal(
            base_rates_measure(&trial.scene.data,
                               &(struct base_rates_options){DAY(40), POSITION_NOW, threads, NULL},
                               trial.bases, NULL),
            STATUS_OK);
        const struct goal_base *letter = trial.bases + 3, *survey = letter + width,
                               *fresh = survey + width;
        assert_int_equal(letter[0].treated_rows, 150);
        assert_int_equal(letter[1].treated_rows, 100);
        assert_near(letter[1].treated_rate, 0.5);
        assert_int_equal(letter[2].treated_rows, 50);
        assert_near(letter[2].treated_rate, 1);
        assert_int_equal(survey[0].treated_rows, 150);
        assert_near(survey[0].treated_rate, 0);
        assert_int_equal(survey[1].treated_rows, 100); /* the playbook has it on the web alone */
        assert_int_equal(fresh[0].treated_rows, 0);
    }
    decide(DAY(40));
    assert_near(trace_of("fresh", "web")->propensity, 0.4);
    assert_true(trace_of("survey", "web")->propensity < 0.01);
    assert_true(trace_of("letter", "mail")->propensity > 0.9);
    assert_true(fabs(trace_of("letter", "web")->propensity - 0.5) < 0.05);
}

/* Whom we alone have written to was not active, and does not thin the rate out. */
static void test_a_base_rate_is_of_active_customers(void **state) {
    (void)state;
    begin("actions: { letter: { goal: order, channels: [web] } }\n");
    struct goal_base bases[16];
    struct error error = {0};
    scene_event(&trial.scene, ANN, "Clicked", DAY(25), "");
    scene_event(&trial.scene, ANN, "Order Completed", DAY(31), "revenue=20USD");
    scene_event(&trial.scene, 2, "Treatment Delivered", DAY(25), "treatment='letter'");
    assert_int_equal(
        base_rates_measure(&trial.scene.data,
                           &(struct base_rates_options){DAY(40), POSITION_NOW, 1, NULL}, bases,
                           &error),
        STATUS_OK);
    assert_near(bases[0].rate, 0.5); /* at day 30 it follows, at day 0 it does not */
    assert_int_equal(bases[0].treated_rows, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_message_is_one_past_treatment, end),
        cmocka_unit_test_teardown(test_past_treatments_tell_of_their_action_and_channel, end),
        cmocka_unit_test_teardown(test_a_base_rate_is_of_active_customers, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
