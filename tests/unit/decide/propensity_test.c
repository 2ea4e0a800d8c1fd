/* SPDX-License-Identifier: Apache-2.0 */
/* The chance of a treatment: what past treatments of the action, the goal and a model tell. */
#include "trial.h"

/* One success is no certainty, one failure no end: what was expected counts as ten treatments. */
static void test_few_past_treatments_do_not_decide(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [web] }\n"
          "  banner: { goal: click, starting_propensity: 5%, channels: [web] }\n"
          "  recall: { goal: rare, channels: [web] }\n");
    trial.bases[2] = (struct goal_base){.rate = NAN, .value = 30};
    trial.bases[3] = (struct goal_base){.treated_rows = 1, .treated_rate = 1};
    trial.bases[5] = (struct goal_base){.treated_rows = 2, .treated_rate = 0};
    trial.bases[7] = (struct goal_base){.treated_rows = 3, .treated_rate = 1};
    decide(DAY(1));
    assert_near(trace_of("letter", "web")->propensity, (1 + 10 * 0.25) / 11);
    assert_near(trace_of("banner", "web")->propensity, 10 * 0.05 / 12);
    assert_near(trace_of("recall", "web")->propensity, 3.5 / 4);
}

/* A model that never saw the action leaves it to the playbook's starting_propensity. */
static void test_an_untried_action_starts_as_the_playbook_says(void **state) {
    (void)state;
    begin("models: { m: { goal: order, features: [] } }\n"
          "actions:\n"
          "  letter: { goal: order, channels: [web] }\n"
          "  fresh: { goal: order, starting_propensity: 40%, channels: [web] }\n"
          "  unsaid: { goal: order, channels: [web] }\n");
    struct training_set *set;
    struct model *model;
    assert_int_equal(training_set_create(&set, NULL, 0), STATUS_OK);
    for (uint32_t i = 0; i < 100; i++) {
        struct training_row row = {.yes = i % 10 == 0, .weight = 1, .time_ms = i, .group = i};
        assert_int_equal(training_set_add(set, &row), STATUS_OK);
    }
    assert_int_equal(model_train(&model, set, &(struct learn_options){.seed = 1}, NULL), STATUS_OK);
    const struct model *models[] = {model};
    decider_destroy(trial.decider);
    assert_int_equal(
        decider_create(&trial.decider, &trial.scene.data, trial.profile, models, trial.bases),
        STATUS_OK);
    trial.bases[3] = (struct goal_base){.treated_rows = 100, .treated_rate = 0.1};
    decide(DAY(1));
    double told = trace_of("letter", "web")->propensity;
    assert_true(fabs(told - 0.1) < 0.01);
    assert_near(trace_of("unsaid", "web")->propensity, told);
    assert_near(trace_of("fresh", "web")->propensity, 0.4);
    assert_non_null(strstr(reason_of(), "as the playbook says"));
    training_set_destroy(set);
    model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_few_past_treatments_do_not_decide, end),
        cmocka_unit_test_teardown(test_an_untried_action_starts_as_the_playbook_says, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
