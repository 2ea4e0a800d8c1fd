/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that walks over all customers ends at any of them where it is cancelled, gives back
 * what it holds, and finds the same afterwards as if nothing had been. */
#include "support/unit.h"
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "measure/base_rates.h"
#include "measure/data_use.h"
#include "measure/evaluation.h"
#include "measure/months.h"
#include "measure/scenario_index.h"
#include "profile/walk.h"
#include "support/scene.h"

#define PEOPLE 60u
#define NOW_MS DAY(300)

static const char playbook[] =
    "customer: { identifiers: { email: {} } }\n"
    "events: { Clicked: { button: text }, Order Completed: { revenue: money } }\n"
    "traits: { clicks: count(\"Clicked\") in 30d, spent: sum(\"Order Completed\".revenue) }\n"
    "goals: { order: { event: Order Completed, within: 10d, value: revenue } }\n"
    "models: { order: { goal: order, features: [clicks] } }\n"
    "scenarios: { clickers: { when: clicks > 0, goals: [order] } }\n"
    "landmarks: { every: 30d, active_within: 60d }\n"
    "actions: { letter: { goal: order, channels: [mail] } }\n";

/* ---- a source that cancels the work at the n-th customer it hands out ---- */

struct canceller {
    struct timeline_source source, *inner;
    struct timeline_source_ops ops;
    struct work work;
    _Atomic int64_t left; /* until it is cancelled; negative: never */
};
static struct canceller canceller;

static enum status open_inner(struct timeline_source *source, struct timeline_reader **out,
                              struct error *error) {
    (void)source;
    return canceller.inner->ops->reader_open(canceller.inner, out, error);
}

static enum status next_counted(struct timeline_reader *reader, struct timeline *out,
                                struct error *error) {
    enum status status = canceller.inner->ops->next(reader, out, error);
    if (status == STATUS_OK && atomic_fetch_sub(&canceller.left, 1) == 1)
        work_cancel(&canceller.work);
    return status;
}

static enum status check_inner(struct timeline_source *source, struct error *error) {
    (void)source;
    return timeline_source_check(canceller.inner, error);
}

static struct scene scene;
static struct model *model;

static void put_between(void) {
    canceller = (struct canceller){.inner = scene.data.source};
    canceller.ops = *canceller.inner->ops;
    canceller.ops.reader_open = open_inner;
    canceller.ops.next = next_counted;
    canceller.ops.check = check_inner;
    canceller.source.ops = &canceller.ops;
    scene.data.source = &canceller.source;
}

static int set_up(void **state) {
    (void)state;
    scene_init(&scene, playbook);
    scene_treatments(&scene);
    for (uint32_t p = 1; p <= PEOPLE; p++) {
        for (uint32_t month = 0; month < 9; month++) {
            double day = 30 * month + (p % 7);
            if ((p + month) % 3 != 0) scene_event(&scene, p, "Clicked", DAY(day), "button='go'");
            scene_event(&scene, p, "mail:Treatment Delivered", DAY(day + 1), "treatment='letter'");
            if ((p * 5 + month) % 4 == 0)
                scene_event(&scene, p, "Order Completed", DAY(day + 2), "revenue=20USD");
            if ((p * 3 + month) % 5 == 0) /* after a landmark */
                scene_event(&scene, p, "Order Completed", DAY(30 * month + 25), "revenue=9USD");
        }
    }
    struct trainer_options options = {
        .from_ms = TIME_ALWAYS, .until_ms = DAY(200), .matured_by_ms = DAY(200)};
    struct training_set *set;
    assert_int_equal(
        trainer_collect(&scene.data, &scene.playbook->models[0], &options, &set, NULL, NULL, NULL),
        STATUS_OK);
    assert_int_equal(model_train(&model, set, &(struct learn_options){.seed = 1}, NULL), STATUS_OK);
    training_set_destroy(set);
    put_between();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    model_destroy(model);
    scene.data.source = canceller.inner;
    scene_release(&scene);
    return 0;
}

/* ---- what walks; each tells one number of what it found ---- */

static enum status find_base_rates(uint32_t threads, double *found, struct error *error) {
    struct base_rates_options options = {
        .at_ms = NOW_MS, .position = POSITION_NOW, .threads = threads, .work = &canceller.work};
    struct goal_base bases[8] = {{.rate = -1}};
    enum status status = base_rates_measure(&scene.data, &options, bases, error);
    *found = bases[0].rate; /* as it was where it was cancelled */
    return status;
}

static enum status find_scenarios(uint32_t threads, double *found, struct error *error) {
    struct scenario_options options = {
        .now_ms = NOW_MS, .threads = threads, .work = &canceller.work};
    struct scenario_result *results;
    size_t count;
    enum status status = scenario_measure(&scene.data, &options, &results, &count, error);
    *found = status == STATUS_OK ? results[0].index.value : -1;
    memory_free(results);
    return status;
}

static enum status find_months(uint32_t threads, double *found, struct error *error) {
    (void)threads;
    struct month_report report;
    enum status status = months_measure(&scene.data, NOW_MS, &canceller.work, &report, error);
    *found = status == STATUS_OK ? month_sum(&report.series[0], 3) : -1;
    return status;
}

static enum status find_fields(uint32_t threads, double *found, struct error *error) {
    (void)threads;
    struct data_report report;
    enum status status = data_use_measure(&scene.data, &canceller.work, &report, error);
    *found = status == STATUS_OK ? (double)report.event_count : -1;
    data_report_release(&report);
    return status;
}

static enum status find_auc(uint32_t threads, double *found, struct error *error) {
    struct evaluation_options options = {.model = model,
                                         .learnt_until_ms = DAY(200),
                                         .from_ms = DAY(205),
                                         .until_ms = NOW_MS,
                                         .threads = threads,
                                         .work = &canceller.work};
    struct evaluation evaluation;
    enum status status = evaluation_make(&scene.data, &options, &evaluation, error);
    *found = status == STATUS_OK ? evaluation.metrics.auc.value : -1;
    evaluation_release(&evaluation);
    return status;
}

static enum status find(enum status (*walk)(uint32_t, double *, struct error *), uint32_t threads,
                        int64_t cancel_at, double *found) {
    struct error error = {0};
    canceller.work = (struct work){0};
    atomic_store(&canceller.left, cancel_at);
    enum status status = walk(threads, found, &error);
    if (status != STATUS_OK && status != STATUS_CANCELLED) fail_msg("%s", error.text);
    if (status == STATUS_CANCELLED) assert_non_null(strstr(error.text, "cancelled"));
    return status;
}

static void it_ends_at_any_customer(void **state) {
    (void)state;
    static enum status (*const walks[])(uint32_t, double *, struct error *) = {
        find_base_rates, find_scenarios, find_months, find_fields, find_auc};
    for (size_t w = 0; w < sizeof walks / sizeof *walks; w++) {
        for (uint32_t threads = 1; threads <= 3; threads += 2) {
            double whole, again, cut;
            assert_int_equal(find(walks[w], threads, -1, &whole), STATUS_OK);
            if (isnan(whole)) fail_msg("walk %zu finds nothing", w);
            for (int64_t at = 1; at < PEOPLE; at += 7) {
                assert_int_equal(find(walks[w], threads, at, &cut), STATUS_CANCELLED);
                assert_true(cut == -1);
                assert_true(atomic_load(&canceller.work.done) < PEOPLE);
            }
            assert_int_equal(find(walks[w], threads, -1, &again), STATUS_OK);
            assert_true(whole == again);
        }
    }
}

static void it_counts_whom_it_has_seen(void **state) {
    (void)state;
    double found;
    assert_int_equal(find(find_base_rates, 2, -1, &found), STATUS_OK);
    assert_int_equal(atomic_load(&canceller.work.done), PEOPLE);
    assert_string_equal(atomic_load(&canceller.work.step), "customers read for base rates");
}

static enum status note_thread(void *part, struct walker *walker, const struct timeline *timeline,
                               struct error *error) {
    (void)walker;
    (void)timeline;
    (void)error;
    (*(uint32_t *)part)++;
    return STATUS_OK;
}

static void its_share_of_threads_holds(void **state) {
    (void)state;
    uint32_t seen[4] = {0};
    void *parts[] = {&seen[0], &seen[1], &seen[2], &seen[3]};
    struct work work = {.threads = 2};
    struct walk_plan plan = {.data = &scene.data,
                             .as_of = {NOW_MS, POSITION_NOW},
                             .threads = 4,
                             .visit = note_thread,
                             .parts = parts,
                             .work = &work};
    atomic_store(&canceller.left, -1);
    assert_int_equal(walk_customers(&plan, NULL), STATUS_OK);
    assert_int_equal(seen[0] + seen[1], PEOPLE);
    assert_int_equal(seen[2] + seen[3], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_at_any_customer),
        cmocka_unit_test(it_counts_whom_it_has_seen),
        cmocka_unit_test(its_share_of_threads_holds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
