/* SPDX-License-Identifier: Apache-2.0 */
/* Which events become rows of a training set, and under which name the others are counted. */
#include "support/unit.h"

#include "decide/trainer.h"
#include "support/scene.h"

#define UNTIL_MS DAY(250)

struct rows {
    struct training_set *set;
    struct trainer_row_id *ids;
};

static void release(struct rows *rows) {
    training_set_destroy(rows->set);
    memory_free(rows->ids);
}

/* What is a goal itself is no row, and a goal at the very time of its treatment is told. */
static void test_a_treatment_is_not_its_own_outcome(void **state) {
    (void)state;
    static struct scene scene;
    scene_init(&scene,
               "customer: { identifiers: { email: {} } }\n"
               "events: { Message: { kind: text, treatment: text } }\n"
               "traits: { messages: count(\"Message\") }\n"
               "goals: { reply: { event: Message, where: kind != \"note\", within: 10d } }\n"
               "models: { reply: { goal: reply, learn_from: Message } }\n"
               "actions: { letter: { goal: reply, channels: [mail] } }\n");
    scene_event(&scene, 1, "mail:Message", DAY(1), "kind='letter' treatment='letter'");
    scene_event(&scene, 1, "mail:Message", DAY(20), "kind='note' treatment='letter'");
    scene_event(&scene, 1, "mail:Message", DAY(20), "kind='reply'");
    struct trainer_options options = {
        .from_ms = TIME_ALWAYS, .until_ms = UNTIL_MS, .matured_by_ms = UNTIL_MS, .threads = 1};
    struct rows rows = {0};
    struct trainer_counts counts;
    assert_int_equal(trainer_collect(&scene.data, &scene.playbook->models[0], &options, &rows.set,
                                     &rows.ids, &counts, NULL),
                     STATUS_OK);
    assert_int_equal(counts.events, 3);
    assert_int_equal(counts.itself, 1);
    assert_int_equal(counts.unnamed, 1);
    assert_int_equal(counts.rows, 1);
    assert_int_equal(counts.coinciding, 1);
    release(&rows);
    scene_release(&scene);
}

/* A message is one row, whoever tells of it how often; what a page shows is an impression each
 * time. */
static void test_a_message_is_one_row(void **state) {
    (void)state;
    static struct scene scene;
    scene_init(&scene, "customer: { identifiers: { email: {} } }\n"
                       "traits: { orders: count(\"Order Completed\") }\n"
                       "events: { Order Completed: {} }\n"
                       "goals: { order: { event: Order Completed, within: 10d } }\n"
                       "models: { order: { goal: order } }\n"
                       "actions: { letter: { goal: order, channels: [mail, web] } }\n");
    const char *of_one = "decision='d1' treatment='letter'";
    scene_event(&scene, 1, "mail:Treatment Delivered", DAY(1), of_one);
    scene_event(&scene, 1, "mail:Treatment Delivered", DAY(5), of_one); /* the gateway's retry */
    scene_event(&scene, 1, "mail:Treatment Delivered", DAY(8), "decision='d2' treatment='letter'");
    scene_event(&scene, 2, "mail:Treatment Delivered", DAY(1), "treatment='letter'");
    scene_event(&scene, 2, "mail:Treatment Delivered", DAY(1.2), "treatment='letter'");
    scene_event(&scene, 2, "mail:Treatment Delivered", DAY(2.2), "treatment='letter'");
    scene_event(&scene, 3, "web:Treatment Delivered", DAY(1), "treatment='letter'");
    scene_event(&scene, 3, "web:Treatment Delivered", DAY(1.2), "treatment='letter'");
    struct trainer_options options = {
        .from_ms = DAY(0.5), .until_ms = UNTIL_MS, .matured_by_ms = UNTIL_MS, .threads = 1};
    struct rows rows = {0};
    struct trainer_counts counts;
    assert_int_equal(trainer_collect(&scene.data, &scene.playbook->models[0], &options, &rows.set,
                                     &rows.ids, &counts, NULL),
                     STATUS_OK);
    assert_int_equal(counts.events, 8);
    assert_int_equal(counts.again, 2);
    assert_int_equal(counts.rows, 6);
    release(&rows);
    options.from_ms = DAY(3); /* the first word of it was before these rows */
    rows = (struct rows){0};
    assert_int_equal(trainer_collect(&scene.data, &scene.playbook->models[0], &options, &rows.set,
                                     &rows.ids, &counts, NULL),
                     STATUS_OK);
    assert_int_equal(counts.again, 1);
    assert_int_equal(counts.rows, 1);
    release(&rows);
    scene_release(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_treatment_is_not_its_own_outcome),
        cmocka_unit_test(test_a_message_is_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
