/* SPDX-License-Identifier: Apache-2.0 */
/* What was acknowledged stays, and no amount of it locks the directory: lost power, many versions, large rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "shop.h"

static int set_up(void **state) {
    static struct shop shop;
    shop_init(&shop);
    *state = &shop;
    return 0;
}

static int tear_down(void **state) {
    shop_release(*state);
    return 0;
}

static void lose_power(struct shop *shop) {
    simulated_disk_cut_at(shop->disk, 1);
    engine_close(shop->engine);
    shop->engine = NULL;
    simulated_disk_cut_at(shop->disk, 0);
    simulated_disk_restart(shop->disk);
}

static double discount_now(const struct shop *shop) {
    const struct world *world = engine_world(shop->engine);
    const struct lookup_table *table = world->lookup(world->context, playbook_lookup_find(world->playbook, TEXT("offer")), TIME_NEVER);
    struct value key = value_text(TEXT("7"));
    uint32_t row, count;
    if (table == NULL || !lookup_find(table, &key, &row, &count)) return -1;
    return lookup_cell(table, row, lookup_field_find(table, TEXT("discount"))).number;
}

/* Also the folders of playbooks and lookups are new here: their names must be on the disk before the log tells of what lies in them. */
static void test_what_is_in_force_outlives_a_power_cut(void **state) {
    struct shop *shop = *state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        simulated_disk_destroy(shop->disk);
        shop->disk = simulated_disk_create(seed, 0);
        shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
        shop_open(shop, "playbook.yaml");
        shop_load(shop, NULL);
        lose_power(shop);
        shop_open(shop, NULL);
        assert_non_null(engine_playbook(shop->engine));
        assert_true(discount_now(shop) == 5);
        engine_close(shop->engine);
        shop->engine = NULL;
    }
}

/* A table that changes every hour for two months. */
static void test_a_lookup_may_change_for_ever(void **state) {
    struct shop *shop = *state;
    char text[64];
    shop_open(shop, "playbook.yaml");
    for (int version = 1; version <= 1500; version++) {
        snprintf(text, sizeof text, "offer_id,discount\n7,%d\n", version);
        shop_file(shop, "offers.csv", text);
        shop_load(shop, "offer");
    }
    assert_true(discount_now(shop) == 1500);
    shop_open(shop, NULL);
    assert_true(discount_now(shop) == 1500);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_in_force_outlives_a_power_cut),
        CASE(test_a_lookup_may_change_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
