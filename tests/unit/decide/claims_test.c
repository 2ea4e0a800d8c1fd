/* SPDX-License-Identifier: Apache-2.0 */
/* What counts by a claim of a public source, where models learn. */
#include "support/unit.h"

#include "base/memory.h"
#include "decide/trainer.h"
#include "support/scene.h"

/* Persona 2's rows count by a claim. */
static enum persona_trust claims_of_two(void *context, struct persona_id persona,
                                        struct as_of as_of) {
    (void)context;
    (void)as_of;
    return persona.value == 2 ? PERSONA_CLAIMED : PERSONA_VERIFIED;
}

static void test_a_model_without_claims_learns_from_nobody_who_is_claimed(void **state) {
    (void)state;
    static struct scene scene;
    for (int without = 0; without < 2; without++) {
        char text[512];
        snprintf(text, sizeof text,
                 "customer: { identifiers: { email: {} } }\n"
                 "events: { Order Completed: { size: number } }\n"
                 "traits: { largest: max(\"Order Completed\".size) }\n"
                 "goals: { order: { event: Order Completed, within: 10d } }\n"
                 "models: { order: { goal: order%s } }\n"
                 "actions: { letter: { goal: order, channels: [mail] } }\n",
                 without ? ", claims: no" : "");
        scene_init(&scene, text);
        for (uint32_t p = 1; p <= 3; p++) {
            scene_event(&scene, p, "Order Completed", DAY(1), "size=5");
            scene_event(&scene, p, "mail:Treatment Delivered", DAY(10), "treatment='letter'");
        }
        scene.data.trust_of_persona = claims_of_two;
        struct trainer_options options = {
            .from_ms = TIME_ALWAYS, .until_ms = DAY(250), .matured_by_ms = DAY(250), .threads = 1};
        struct training_set *set;
        struct trainer_row_id *ids;
        struct trainer_counts counts;
        assert_int_equal(trainer_collect(&scene.data, &scene.playbook->models[0], &options, &set,
                                         &ids, &counts, NULL),
                         STATUS_OK);
        assert_int_equal(counts.events, 3);
        assert_int_equal(counts.of_claims, without);
        assert_int_equal(training_set_count(set), 3 - without);
        training_set_destroy(set);
        memory_free(ids);
        scene_release(&scene);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_model_without_claims_learns_from_nobody_who_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
