/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine writes, cancelled: a model that is trained, a load. Nothing of the model is
 * there; of the load there is what was loaded, and the same load again takes the rest. */
#include "support/unit.h"
#include <string.h>

#include "base/memory.h"
#include "engine/answer/answer.h"
#include "engine/jobs.h"
#include "shop.h"

/* Many more batches than may be on their way at once (IN_FLIGHT_MAX), so that a load that is
 * cancelled early can't be whole. */
#define ORDERS 200000u

static int set_up(void **state) {
    static struct shop shop;
    static char orders[ORDERS * 64], mail[ORDERS];
    shop_init(&shop);
    *state = &shop;
    size_t at =
        (size_t)snprintf(orders, sizeof orders, "order_id,at,email,cookie,amount,items,note\n");
    for (uint32_t i = 0; i < ORDERS; i++)
        at += (size_t)snprintf(orders + at, sizeof orders - at,
                               "o%u,2017-01-%02uT10:00:00Z,p%u@a.example,,1.00,1,\n", i, 1 + i % 28,
                               i % 300);
    at = (size_t)snprintf(mail, sizeof mail, "at,email,treatment\n");
    for (uint32_t i = 0; i < 300; i++)
        at += (size_t)snprintf(mail + at, sizeof mail - at,
                               "2017-01-%02uT09:00:00Z,p%u@a.example,letter/7\n", 1 + i % 20, i);
    shop_file(&shop, "orders.csv", orders);
    shop_file(&shop, "mail.csv", mail);
    shop_file(&shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_open(&shop, "playbook.yaml");
    return 0;
}

/* ---- a load, cancelled by its own progress once so many events are there ---- */

struct load {
    struct shop *shop;
    struct work work;
    uint64_t cancel_at;
};

static void cancel_at(void *context, const struct engine_progress *progress) {
    struct load *load = context;
    if (progress->events >= load->cancel_at) work_cancel(&load->work);
}

static enum status load_until(struct shop *shop, uint64_t events, struct error *error) {
    struct load load = {.shop = shop, .cancel_at = events};
    struct engine_ingest_report *reports;
    size_t count;
    struct engine_ingest_options options = {.data_directory = shop->folder,
                                            .source = "orders",
                                            .progress = cancel_at,
                                            .context = &load,
                                            .work = &load.work};
    if (events == 0) work_cancel(&load.work);
    enum status status = engine_ingest(shop->engine, &options, &reports, &count, error);
    memory_free(reports);
    return status;
}

static void a_cancelled_load_goes_on_where_it_was(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    assert_int_equal(load_until(shop, 0, &error), STATUS_CANCELLED);
    assert_non_null(strstr(error.text, "the same command again loads the rest"));
    assert_int_equal(shop_events(shop), 0);
    assert_int_equal(load_until(shop, 1, &error), STATUS_CANCELLED);
    uint64_t some = shop_events(shop);
    assert_in_range(some, 1, ORDERS - 1);
    shop_open(shop, NULL); /* and it is durable */
    assert_int_equal(shop_events(shop), some);
    assert_int_equal(load_until(shop, UINT64_MAX, &error), STATUS_OK);
    assert_int_equal(shop_events(shop), ORDERS);
    assert_true(shop_trait(shop, "email:p7@a.example", "orders", DAY(40)) ==
                (ORDERS - 8) / 300 + 1);
}

/* ---- training ---- */

static uint32_t version_in_force(struct shop *shop) {
    struct model_entry entry = {0};
    return engine_model(shop->engine, 0, &entry) != NULL ? entry.version : 0;
}

static void a_cancelled_training_leaves_no_model(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct model_entry entry;
    struct work work = {0};
    shop_load(shop, NULL);
    work_cancel(&work);
    for (uint32_t version = 0; version < 2; version++) {
        uint64_t calls = simulated_disk_calls(shop->disk);
        assert_int_equal(engine_train(shop->engine, 0, DAY(60), &work, &entry, NULL, &error),
                         STATUS_CANCELLED);
        assert_int_equal(simulated_disk_calls(shop->disk), calls);
        assert_int_equal(version_in_force(shop), version);
        shop_open(shop, NULL);
        assert_int_equal(version_in_force(shop), version);
        assert_int_equal(engine_train(shop->engine, 0, DAY(60), NULL, &entry, NULL, &error),
                         STATUS_OK);
        assert_int_equal(version_in_force(shop), version + 1);
    }
}

/* At whatever moment it comes: there is the old model or the new one. */
struct training {
    struct shop *shop;
    struct model_entry entry;
};

static enum status train(void *context, struct work *work, struct error *error) {
    struct training *training = context;
    return engine_train(training->shop->engine, 0, DAY(60), work, &training->entry, NULL, error);
}

static void a_training_is_cancelled_at_any_moment(void **state) {
    struct shop *shop = *state;
    shop_load(shop, NULL);
    uint32_t version = 0, cancelled = 0;
    for (uint32_t round = 0; round < 20; round++) {
        struct training training = {.shop = shop};
        struct job_options options = {.name = "training", .run = train, .context = &training};
        struct engine_job *job;
        struct job_progress progress = {0};
        assert_int_equal(job_start(&job, &options, NULL), STATUS_OK);
        while (!progress.ended && progress.done < round) job_progress(job, &progress);
        job_cancel(job);
        enum status status = job_finish(job, NULL);
        assert_true(status == STATUS_OK || status == STATUS_CANCELLED);
        cancelled += status == STATUS_CANCELLED;
        version += status == STATUS_OK;
        assert_int_equal(version_in_force(shop), version);
        shop_open(shop, NULL);
        assert_int_equal(version_in_force(shop), version);
    }
    print_message("%u of 20 were cancelled\n", cancelled);
}

/* The first decision waits for base rates, and can be told not to. */
static void a_decision_need_not_wait_for_base_rates(void **state) {
    struct shop *shop = *state;
    struct engine_view view;
    struct error error = {0};
    struct work work = {0};
    shop_load(shop, NULL);
    assert_int_equal(engine_view_open(&view, shop->engine, DAY(40), &error), STATUS_OK);
    view.work = &work;
    work_cancel(&work);
    assert_int_equal(engine_view_decide(&view, "email:p7@a.example", &error), STATUS_CANCELLED);
    view.work = NULL;
    assert_int_equal(engine_view_decide(&view, "email:p7@a.example", &error), STATUS_OK);
    engine_view_close(&view);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cancelled_load_goes_on_where_it_was, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_training_leaves_no_model, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(a_training_is_cancelled_at_any_moment, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(a_decision_need_not_wait_for_base_rates, set_up,
                                        shop_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
