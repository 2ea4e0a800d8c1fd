/* SPDX-License-Identifier: Apache-2.0 */
/* Base rates as dated versions: what a command measures anew, and what a process that stays does
 * not wait for. */
#include "support/unit.h"

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>

#include "engine/answer/answer.h"
#include "shop.h"

#define HOUR TIME_HOUR_MS

static int set_up(void **state) {
    static struct shop shop;
    shop_init(&shop);
    shop_file(&shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\n"
              "1,2017-01-02T10:00:00Z,ann@a.example,k-1,10.00 USD,2,first\n"
              "2,2017-01-04T10:00:00Z,bob@b.example,k-2,20.00 USD,3,second\n");
    shop_file(&shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_open(&shop, "playbook.yaml");
    shop_load(&shop, NULL);
    *state = &shop;
    return 0;
}

static void load_mail(struct shop *shop) {
    shop_file(shop, "mail.csv",
              "at,email,treatment\n2017-01-01T09:00:00Z,ann@a.example,letter/7\n");
    shop_load(shop, "mail");
}

/* The version that is handed out, held by the snapshot as long as nothing else is measured. */
static struct rates_version *rates_at(struct shop *shop, int64_t t_ms, enum rates_wanted wanted) {
    struct in_force *in_force = in_force_hold(shop->engine);
    struct rates_version *version = NULL;
    struct error error = {0};
    int64_t next_ms;
    assert_int_equal(rates_for(in_force, t_ms, wanted, NULL, &version, &next_ms, &error),
                     STATUS_OK);
    assert_true(version->at_ms <= t_ms && t_ms < next_ms);
    in_force_drop(in_force);
    return version;
}

static uint64_t id_at(struct shop *shop, int64_t t_ms, enum rates_wanted wanted) {
    struct rates_version *version = rates_at(shop, t_ms, wanted);
    uint64_t id = version->id;
    rates_version_drop(version);
    return id;
}

static void decide_and_record(struct shop *shop, int64_t t_ms) {
    struct engine_view view;
    struct error error = {0};
    assert_int_equal(engine_view_open(&view, shop->engine, t_ms, &error), STATUS_OK);
    assert_int_equal(engine_view_decide(&view, "email:ann@a.example", &error), STATUS_OK);
    assert_int_equal(engine_view_record(&view, NULL, &error), STATUS_OK);
    engine_view_close(&view);
}

/* More of the same time makes other rates, in the same process too; a decision makes none. */
static void test_a_command_takes_all_that_is_loaded(void **state) {
    struct shop *shop = *state;
    struct rates_version *before = rates_at(shop, DAY(50), RATES_FRESH);
    assert_int_equal(before->bases[0].treated_rows, 0);
    decide_and_record(shop, DAY(50));
    decide_and_record(shop, DAY(51));
    assert_true(id_at(shop, DAY(50), RATES_FRESH) == before->id);
    load_mail(shop);
    struct rates_version *after = rates_at(shop, DAY(50), RATES_FRESH);
    assert_int_equal(after->bases[0].treated_rows, 1);
    assert_true(after->bases[0].treated_rate == 1);
    assert_true(after->id != before->id);
    rates_version_drop(before);
    rates_version_drop(after);
}

/* Rates of an hour hold for all of it: a t that moves measures nothing. */
static void test_an_hour_has_one_version(void **state) {
    struct shop *shop = *state;
    uint64_t id = id_at(shop, DAY(50), RATES_FRESH);
    for (int64_t t_ms = DAY(50); t_ms < DAY(50) + HOUR; t_ms += 60001)
        assert_true(id_at(shop, t_ms, RATES_FRESH) == id);
    assert_true(id_at(shop, DAY(50) + HOUR, RATES_FRESH) != id);
    assert_true(id_at(shop, DAY(50) - 1, RATES_FRESH) != id);
    assert_true(id_at(shop, DAY(50), RATES_FRESH) == id);
}

/* Threads of this process that run only where no other would. */
static uint32_t idle_threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    uint32_t count = 0;
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;)
        count += task->d_name[0] != '.' &&
                 sched_getscheduler((pid_t)strtol(task->d_name, NULL, 10)) == SCHED_IDLE;
    closedir(tasks);
    return count;
}

/* A process that stays decides on with the rates of before, and has the next ones made. */
static void test_nobody_waits_for_the_next_hour(void **state) {
    struct shop *shop = *state;
    struct in_force *old = in_force_hold(shop->engine);
    uint64_t first = id_at(shop, DAY(50), RATES_LATEST);
    load_mail(shop);
    struct rates_version *latest = rates_at(shop, DAY(50) + 5 * HOUR, RATES_LATEST);
    assert_true(latest->id == first || latest->at_ms == DAY(50) + 5 * HOUR);
    while (latest->at_ms != DAY(50) + 5 * HOUR) { /* the background is on its way */
        rates_version_drop(latest);
        (void)sched_yield();
        latest = rates_at(shop, DAY(50) + 5 * HOUR, RATES_LATEST);
    }
    assert_int_equal(latest->bases[0].treated_rows, 1);
    rates_version_drop(latest);
    assert_int_equal(idle_threads(), 1); /* it takes no core from those who decide */
    /* The old version is still that of its hour, and a snapshot of before still answers. */
    assert_true(id_at(shop, DAY(50) + HOUR, RATES_LATEST) == first);
    assert_null(old->rates);
    in_force_drop(old);
}

/* Before all versions there is none that a decision could take: it has its own made. */
static void test_the_past_has_its_own(void **state) {
    struct shop *shop = *state;
    (void)id_at(shop, DAY(50), RATES_LATEST);
    struct rates_version *past = rates_at(shop, DAY(20) + 7, RATES_LATEST);
    assert_true(past->at_ms == DAY(20));
    rates_version_drop(past);
}

/* Another playbook comes with its rates, so that deciders go on at once. */
static void test_another_playbook_brings_its_rates(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    char changed[8192];
    load_mail(shop);
    (void)id_at(shop, DAY(50), RATES_LATEST);
    snprintf(changed, sizeof changed, "%s  - { at_most: 2, in: 9d, channel: email }\n",
             shop_playbook);
    shop_file(shop, "other.yaml", changed);
    assert_int_equal(engine_put_playbook(shop->engine, shop_path(shop, "other.yaml"), NULL, &error),
                     STATUS_OK);
    struct in_force *in_force = in_force_hold(shop->engine);
    const struct rates_version *version = rates_list_at(in_force->rates, DAY(50));
    assert_non_null(version);
    assert_int_equal(version->bases[0].treated_rows, 1);
    in_force_drop(in_force);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_command_takes_all_that_is_loaded), CASE(test_an_hour_has_one_version),
        CASE(test_nobody_waits_for_the_next_hour),     CASE(test_the_past_has_its_own),
        CASE(test_another_playbook_brings_its_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
