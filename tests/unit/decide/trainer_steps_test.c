/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that come in steps, for a model that learns on: each row once, a changed answer once more,
 * and after each step all that a training of that moment would have had. TRAINER_SEED chooses. */
#include "support/unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "decide/trainer.h"
#include "support/scene.h"

#define DELIVERIES 300u
#define STEPS      8

struct learnt {
    int64_t t_ms;
    uint32_t customer;
    bool yes;
};
struct ledger {
    struct learnt rows[DELIVERIES];
    uint32_t count;
};

static int64_t below_ms(struct random *random, int64_t bound_ms) {
    return (int64_t)random_below(random, (uint64_t)bound_ms / TIME_HOUR_MS) * TIME_HOUR_MS;
}

static struct learnt *find(struct ledger *ledger, int64_t t_ms, uint32_t customer) {
    for (uint32_t i = 0; i < ledger->count; i++)
        if (ledger->rows[i].t_ms == t_ms && ledger->rows[i].customer == customer)
            return &ledger->rows[i];
    return NULL;
}

/* Deliveries by two channels, told late; orders and what undoes them, some of them told long after
 * the delay that the playbook knows. */
static void fill(struct scene *scene, struct random *random) {
    static const char *const deliveries[] = {"mail:Treatment Delivered",
                                             "email:Treatment Delivered"};
    for (uint32_t i = 0; i < DELIVERIES; i++) {
        uint32_t person = 1 + (uint32_t)random_below(random, 60);
        int64_t time_ms = DAY(0) + below_ms(random, 200 * TIME_DAY_MS) + 1000 * (int64_t)i,
                late_ms = random_below(random, 4) == 0 ? below_ms(random, 30 * TIME_DAY_MS) : 0;
        scene_event_known(
            scene, person, deliveries[random_below(random, 2)], time_ms, time_ms + late_ms,
            random_below(random, 2) == 0 ? "treatment='letter'" : "treatment='survey'");
        if (random_below(random, 2) == 0) continue;
        time_ms += below_ms(random, 12 * TIME_DAY_MS) + TIME_HOUR_MS;
        late_ms = random_below(random, 3) == 0 ? below_ms(random, 60 * TIME_DAY_MS) : 0;
        scene_event_known(scene, person, "Order Completed", time_ms, time_ms + late_ms, "");
        if (random_below(random, 3) != 0) continue;
        time_ms += below_ms(random, 5 * TIME_DAY_MS) + TIME_HOUR_MS;
        late_ms = random_below(random, 2) == 0 ? below_ms(random, 60 * TIME_DAY_MS) : 0;
        scene_event_known(scene, person, "Returned", time_ms, time_ms + late_ms, "");
    }
}

static struct training_set *collect(struct scene *scene, int64_t learnt_ms, int64_t until_ms,
                                    struct trainer_row_id **ids, struct trainer_counts *counts) {
    struct trainer_options options = {.from_ms = TIME_ALWAYS,
                                      .until_ms = until_ms,
                                      .matured_by_ms = until_ms,
                                      .learnt_by_ms = learnt_ms,
                                      .threads = 2};
    struct training_set *set;
    assert_int_equal(trainer_collect(&scene->data, &scene->playbook->models[0], &options, &set, ids,
                                     counts, NULL),
                     STATUS_OK);
    return set;
}

static void take(struct ledger *ledger, const struct training_row *row, bool changed) {
    struct learnt *known = find(ledger, row->time_ms, row->group);
    assert_true((known != NULL) == changed);
    if (changed) {
        assert_int_equal(known->yes, !row->yes);
        known->yes = row->yes;
        return;
    }
    ledger->rows[ledger->count++] = (struct learnt){row->time_ms, row->group, row->yes};
}

static uint32_t step(struct scene *scene, struct ledger *ledger, int64_t learnt_ms,
                     int64_t until_ms) {
    struct trainer_row_id *ids;
    struct trainer_counts counts, of_all;
    struct training_set *set = collect(scene, learnt_ms, until_ms, &ids, &counts), *all;
    struct value values[2];
    struct training_row row;
    uint32_t changed = 0;
    for (size_t i = 0; i < training_set_count(set); i++) {
        training_set_row(set, i, values, &row);
        take(ledger, &row, ids[i].changed);
        changed += ids[i].changed;
    }
    training_set_destroy(set);
    memory_free(ids);
    all = collect(scene, 0, until_ms, NULL, &of_all);
    assert_int_equal(training_set_count(all), ledger->count);
    assert_int_equal(counts.rows + counts.learnt, of_all.rows);
    assert_int_equal(counts.events, of_all.events);
    for (size_t i = 0; i < training_set_count(all); i++) {
        training_set_row(all, i, values, &row);
        struct learnt *known = find(ledger, row.time_ms, row.group);
        assert_non_null(known);
        assert_int_equal(known->yes, row.yes);
    }
    training_set_destroy(all);
    return changed;
}

static void test_steps_give_each_row_once(void **state) {
    (void)state;
    static struct scene scene;
    static struct ledger ledger;
    struct random random;
    const char *given = getenv("TRAINER_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    uint32_t changed = 0;
    print_message("TRAINER_SEED=%llu\n", (unsigned long long)seed);
    random_init(&random, seed);
    for (uint32_t round = 0; round < 12; round++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "customer: { identifiers: { email: {} } }\n"
                 "sources: { orders: { file: o.csv, event: Order Completed, time: t, arrives: %ud, "
                 "key: { email: email } } }\n"
                 "events: { Returned: { why: text } }\n"
                 "traits: { orders: count(\"Order Completed\") }\n"
                 "goals: { order: { event: Order Completed, within: %ud%s } }\n"
                 "models: { order: { goal: order } }\n"
                 "actions: { letter: { goal: order, channels: [mail, email] }, survey: { goal: "
                 "order, channels: [mail, email] } }\n",
                 1 + (uint32_t)random_below(&random, 10), 1 + (uint32_t)random_below(&random, 30),
                 round % 2 == 0 ? "" : ", undone_by: Returned");
        scene_init(&scene, text);
        fill(&scene, &random);
        ledger.count = 0;
        int64_t learnt_ms = 0, until_ms = DAY(20);
        for (int i = 0; i < STEPS; i++) {
            changed += step(&scene, &ledger, learnt_ms, until_ms);
            learnt_ms = until_ms;
            until_ms += below_ms(&random, 60 * TIME_DAY_MS);
        }
        assert_true(ledger.count > DELIVERIES / 4);
        scene_release(&scene);
    }
    assert_true(changed > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps_give_each_row_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
