/* SPDX-License-Identifier: Apache-2.0 */
/* Two models on the same treatments of two actions in two channels: only treatments that neither
 * has learnt from are judged, and the verdict follows the evidence. */
#include "support/unit.h"

#include <math.h>

#include "base/memory.h"
#include "measure/comparison.h"
#include "support/scene.h"

#define PEOPLE   80u
#define MONTHS   9u
#define SOON_MS  DAY(95)
#define LATER_MS DAY(125)
#define UNTIL_MS DAY(300)

static const char playbook[] =
    "customer: { identifiers: { email: {} } }\n"
    "events: { Clicked: { button: text }, Order Completed: { note: text } }\n"
    "traits: { clicks: count(\"Clicked\") in 30d, first: count(any event) in 1d }\n"
    "goals:\n"
    "  order: { event: Order Completed, within: 10d }\n"
    "  click: { event: Clicked, within: 10d }\n"
    "models:\n"
    "  click: { goal: click, features: [first] }\n"
    "  order: { goal: order, features: [clicks] }\n"
    "actions:\n"
    "  letter: { goal: order, model: order, channels: [mail] }\n"
    "  banner: { goal: order, model: order, channels: [mail, web] }\n"
    "  survey: { goal: click, model: click, channels: [mail] }\n";

static struct scene scene;
static struct model *informed, *misled; /* until SOON_MS, until LATER_MS */

/* Trains the model "order"; `turned`: on labels that are turned round. */
static struct model *train(int64_t until_ms, bool turned) {
    struct training_set *set, *drawn;
    struct model *model;
    struct trainer_options options = {
        .from_ms = TIME_ALWAYS, .until_ms = until_ms, .matured_by_ms = until_ms};
    assert_int_equal(
        trainer_collect(&scene.data, &scene.playbook->models[1], &options, &set, NULL, NULL, NULL),
        STATUS_OK);
    struct feature features[2] = {{TEXT("clicks"), FEATURE_NUMBER, false},
                                  {TEXT("action by channel"), FEATURE_TEXT, true}};
    assert_int_equal(training_set_create(&drawn, features, 2), STATUS_OK);
    for (size_t i = 0; i < training_set_count(set); i++) {
        struct value values[2];
        struct training_row row;
        training_set_row(set, i, values, &row);
        if (turned) row.yes = !row.yes;
        assert_int_equal(training_set_add(drawn, &row), STATUS_OK);
    }
    assert_int_equal(model_train(&model, drawn, &(struct learn_options){.seed = 1}, NULL),
                     STATUS_OK);
    training_set_destroy(set);
    training_set_destroy(drawn);
    return model;
}

static int set_up(void **state) {
    (void)state;
    scene_init(&scene, playbook);
    scene_treatments(&scene);
    for (uint32_t p = 1; p <= PEOPLE; p++) {
        for (uint32_t month = 0; month < MONTHS; month++) {
            double day = 30 * month + p % 9;
            for (uint32_t i = 0; i < p % 4; i++)
                scene_event(&scene, p, "Clicked", DAY(day) + i, "button='go'");
            const char *action = (p + month) % 3 == 0 ? "treatment='banner'" : "treatment='letter'";
            scene_event(&scene, p,
                        (p + month) % 6 == 0 ? "web:Treatment Delivered"
                                             : "mail:Treatment Delivered",
                        DAY(day + 1), action);
            scene_event(&scene, p, "mail:Treatment Delivered", DAY(day + 2), "treatment='survey'");
            if ((p * 7 + month) % 6 < p % 4)
                scene_event(&scene, p, "Order Completed", DAY(day + 3), "");
        }
    }
    informed = train(SOON_MS, false);
    misled = train(LATER_MS, true);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    model_destroy(informed);
    model_destroy(misled);
    scene_release(&scene);
    return 0;
}

static struct comparison compare(struct compared_model challenger, struct compared_model champion,
                                 int64_t from_ms, int64_t until_ms) {
    struct comparison out;
    struct error error = {0};
    struct comparison_options options = {.rule = 1,
                                         .challenger = challenger,
                                         .champion = champion,
                                         .from_ms = from_ms,
                                         .until_ms = until_ms,
                                         .threads = 2};
    if (comparison_make(&scene.data, &options, &out, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return out;
}

#define INFORMED ((struct compared_model){informed, SOON_MS})
#define MISLED   ((struct compared_model){misled, LATER_MS})

static void the_better_one_is_found(void **state) {
    (void)state;
    struct comparison better = compare(INFORMED, MISLED, TIME_ALWAYS, UNTIL_MS),
                      worse = compare(MISLED, INFORMED, TIME_ALWAYS, UNTIL_MS);
    assert_int_equal(better.verdict, COMPARISON_BETTER);
    assert_int_equal(worse.verdict, COMPARISON_WORSE);
    assert_true(better.log_loss_difference.high < 0 && worse.log_loss_difference.low > 0);
    assert_true(better.auc_difference.value > 0);
    assert_true(better.auc_difference.value == -worse.auc_difference.value);
    assert_true(better.auc_difference.value ==
                better.challenger.auc.value - better.champion.auc.value);
    assert_true(fabs(better.log_loss_difference.value -
                     (better.challenger.log_loss.value - better.champion.log_loss.value)) < 1e-12);
    assert_int_equal(better.challenger.groups, PEOPLE);
    struct figure figures[COMPARISON_FIGURES];
    comparison_figures(&better, figures);
    assert_true(figures[0].value == better.auc_difference.value && figures[0].n == better.count);
    assert_true(figures[1].high == better.log_loss_difference.high &&
                figures[1].as_of_ms == UNTIL_MS);
}

static void equal_models_decide_nothing(void **state) {
    (void)state;
    struct comparison same = compare(INFORMED, INFORMED, TIME_ALWAYS, UNTIL_MS);
    assert_int_equal(same.verdict, COMPARISON_UNDECIDED);
    assert_true(same.auc_difference.low == 0 && same.auc_difference.high == 0);
    assert_true(same.count > COMPARISON_ROWS_MIN);
}

/* Of the two cuts the later one counts, whichever side it is on. */
static void what_either_has_learnt_is_left_out(void **state) {
    (void)state;
    struct comparison one = compare(INFORMED, MISLED, TIME_ALWAYS, UNTIL_MS),
                      other = compare(MISLED, INFORMED, TIME_ALWAYS, UNTIL_MS),
                      soon = compare(INFORMED, INFORMED, TIME_ALWAYS, UNTIL_MS);
    assert_int_equal(one.count, other.count);
    assert_int_equal(one.learnt_count, other.learnt_count);
    assert_int_equal(one.count + one.learnt_count, PEOPLE * MONTHS);
    assert_int_equal(soon.count + soon.learnt_count, PEOPLE * MONTHS);
    assert_true(soon.count > one.count);
    /* Later ones alone. */
    struct comparison late = compare(INFORMED, MISLED, LATER_MS, UNTIL_MS);
    assert_int_equal(late.learnt_count, 0);
    assert_true(late.count > 0 && late.count < one.count);
}

static void few_rows_decide_nothing(void **state) {
    (void)state;
    struct comparison none = compare(INFORMED, MISLED, TIME_ALWAYS, SOON_MS);
    assert_int_equal(none.count, 0);
    assert_true(none.learnt_count > 0);
    assert_int_equal(none.verdict, COMPARISON_UNDECIDED);
    assert_true(isnan(none.auc_difference.value) && isnan(none.champion.log_loss.value));
    struct comparison few = compare(INFORMED, MISLED, DAY(200), DAY(226));
    assert_true(few.count > 0 && few.count < COMPARISON_ROWS_MIN);
    assert_int_equal(few.verdict, COMPARISON_UNDECIDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_better_one_is_found),
        cmocka_unit_test(equal_models_decide_nothing),
        cmocka_unit_test(what_either_has_learnt_is_left_out),
        cmocka_unit_test(few_rows_decide_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
