/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups and the treatments made of them, as known at a time: a table that is loaded later changes nothing before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/memory.h"
#include "engine/answer.h"
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

/* The shop's playbook with these traits; an order's offer is named as the order itself. */
static void put_traits(struct shop *shop, const char *name, const char *traits) {
    char changed[8192];
    const char *at = strstr(shop_playbook, "traits:\n"), *end = strstr(shop_playbook, "goals:");
    snprintf(changed, sizeof changed, "%.*straits:\n%s%s", (int)(at - shop_playbook), shop_playbook, traits, end);
    memcpy(strstr(changed, "order_id: order_id"), "offer_id: order_id", 18);
    shop_file(shop, name, changed);
}

#define OF_TYPE "  of_type: count(\"Order Completed\" where offer.kind == \"A\")\n"
#define OF_BRAND "  of_brand: count(\"Order Completed\" where offer.brand == \"B\")\n"

/* A file lies in the order of the playbook of its day; a later playbook that reads further columns finds each by its name. */
static void test_a_later_playbook_finds_its_columns(void **state) {
    struct shop *shop = *state;
    shop_file(shop, "offers.csv", "offer_id,season,brand,discount,kind\n7,S,B,5,A\n");
    shop_file(shop, "orders.csv", "order_id,at,email,cookie,amount,items,note\n7,2017-01-02T10:00:00Z,ann@a.example,,10.00,1,\n");
    put_traits(shop, "first.yaml", OF_TYPE);
    put_traits(shop, "second.yaml", OF_BRAND OF_TYPE);
    shop_open(shop, "first.yaml");
    shop_load(shop, NULL);
    assert_true(shop_trait(shop, "email:ann@a.example", "of_type", DAY(9)) == 1);
    shop_open(shop, "second.yaml");
    for (int round = 0; round < 2; round++) {
        assert_true(shop_trait(shop, "email:ann@a.example", "of_type", DAY(9)) == 1);
        assert_true(shop_trait(shop, "email:ann@a.example", "of_brand", DAY(9)) == 1);
        shop_load(shop, NULL); /* laid out otherwise, it still is the same table */
    }
    struct data_report report;
    assert_int_equal(engine_data_report(shop->engine, &report, NULL), STATUS_OK);
    assert_int_equal(report.lookup_count, 1);
    assert_int_equal(report.lookups[0].versions, 1);
    data_report_release(&report);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_later_playbook_finds_its_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
