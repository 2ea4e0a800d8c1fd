/* SPDX-License-Identifier: Apache-2.0 */
/* What a row key names, where rows make up events; and events whose rows come apart. */
#include "support/unit.h"

#include "base/memory.h"
#include "shop.h"

#define GROUPS                                                                                     \
    "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"                                            \
    "customer: { identifiers: { email: {} } }\n"                                                   \
    "traits:\n"                                                                                    \
    "  orders: count(\"Order Completed\")\n"                                                       \
    "  spent: sum(\"Order Completed\".revenue)\n"                                                  \
    "  lines: sum(\"Order Completed\".lines)\n"                                                    \
    "sources:\n"                                                                                   \
    "  orders:\n"                                                                                  \
    "    file: \"orders*.csv\"\n"                                                                  \
    "    event: Order Completed\n"                                                                 \
    "    time: at\n    key: { email: email }\n    one_event_per: id\n"                             \
    "    types: { amount: money }\n"                                                               \
    "    properties: { revenue: sum(amount), lines: count() }\n"

static void open_groups(struct shop *shop, const char *more) {
    char text[4096];
    snprintf(text, sizeof text, GROUPS "%s", more);
    shop_file(shop, "rows.yaml", text);
    shop_open(shop, "rows.yaml");
}

static void load(struct shop *shop, const char *text) {
    shop_file(shop, "orders.csv", text);
    shop_load(shop, "orders");
}

static void fold_and_merge(struct shop *shop) {
    assert_int_equal(store_fold(engine_store(shop->engine), true, NULL), STATUS_OK);
}

#define DID(field) shop->totals.did.field

static double spent(struct shop *shop, const char *who) {
    double sum = shop_trait(shop, who, "spent", DAY(90));
    return sum < 0 ? 0 : sum;
}

/* A line that comes in two versions, or twice, is one line; also where no other row of its order is
 * in the file. */
static void test_a_sole_line_comes_twice(void **state) {
    static const struct {
        const char *rules, *file;
        double sum;
        int quarantined;
    } ways[] = {
        /* Another order of the file shows that the key names rows. */
        {"    row_key: [id, line]\n",
         "A,1,2017-03-01,a@x.example,10,\nA,1,2017-03-01,a@x.example,12,\n"
         "B,1,2017-03-01,b@x.example,1,\nB,2,2017-03-01,b@x.example,2,\n"
         "C,1,2017-03-01,b@x.example,1,\nC,2,2017-03-01,b@x.example,2,\n",
         12, 0},
        /* Nothing shows it. */
        {"    row_key: [id, line]\n",
         "A,1,2017-03-01,a@x.example,10,\nA,1,2017-03-01,a@x.example,10,\n", 0, 2},
        {"    row_key: [id, line]\n    lines: yes\n",
         "A,1,2017-03-01,a@x.example,10,\nA,1,2017-03-01,a@x.example,10,\n", 10, 0},
        {"    row_key: [id, line]\n    lines: yes\n    row_version: v\n",
         "A,1,2017-03-01,a@x.example,12,2017-03-05\nA,1,2017-03-01,a@x.example,10,2017-03-04\n", 12,
         0},
        {"    row_key: [id, line]\n    lines: no\n",
         "A,1,2017-03-01,a@x.example,10,\nA,1,2017-03-01,a@x.example,10,\n", 20, 0},
        {"    row_key: [id, line]\n    again: replace\n",
         "A,1,2017-03-01,a@x.example,10,\nA,1,2017-03-01,a@x.example,10,\n", 20, 0},
        /* A receipt's number is that of its shop; two shops gave the same one. */
        {"    row_key: [line, id]\n    lines: no\n",
         "A,1,2017-03-01,a@x.example,10,\nA,2,2017-03-01,a@x.example,10,\n", 0, 2},
        {"    row_key: [line, id]\n",
         "A,1,2017-03-01,a@x.example,10,\nA,1,2017-03-01,a@x.example,10,\n"
         "B,1,2017-03-01,b@x.example,10,\nB,2,2017-03-01,b@x.example,10,\n",
         0, 2},
        /* A row without a key could be any row of its order. */
        {"    row_key: [id, line]\n    lines: yes\n",
         "A,1,2017-03-01,a@x.example,10,\nA,,2017-03-01,a@x.example,12,\n", 0, 2},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct shop *shop = *state;
        char text[1024];
        open_groups(shop, ways[i].rules);
        snprintf(text, sizeof text, "id,line,at,email,amount,v\n%s", ways[i].file);
        for (int round = 0; round < 3; round++) {
            load(shop, text);
            if (spent(shop, "email:a@x.example") != ways[i].sum)
                fail_msg("way %zu, round %d: %g", i, round, spent(shop, "email:a@x.example"));
            assert_int_equal(shop->totals.quarantined, round == 0 ? ways[i].quarantined : 0);
            fold_and_merge(shop);
        }
        shop_release(shop);
        shop_init(shop);
    }
}

/* What a file has shown of the key holds for later files, also after a restart; what waited until
 * then comes in. */
static void test_what_a_key_names_is_remembered(void **state) {
    struct shop *shop = *state;
    struct replay_report report;
    struct error error = {0};
    open_groups(shop, "    row_key: [id, line]\n");
    load(shop, "id,line,at,email,amount\n"
               "A,1,2017-03-01,a@x.example,10\nA,1,2017-03-01,a@x.example,12\n");
    assert_int_equal(shop->totals.quarantined, 2);
    load(shop, "id,line,at,email,amount\n"
               "B,1,2017-03-01,b@x.example,1\nB,2,2017-03-01,b@x.example,2\n");
    shop_open(shop, NULL);
    load(shop, "id,line,at,email,amount\n"
               "C,1,2017-03-01,c@x.example,10\nC,1,2017-03-01,c@x.example,12\n");
    assert_true(spent(shop, "email:c@x.example") == 12);
    assert_int_equal(DID(older), 1);
    assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.still_quarantined, 0);
    assert_true(spent(shop, "email:a@x.example") == 12);
    /* Another row_key tells nothing of this one. */
    open_groups(shop, "    row_key: [line, id]\n");
    load(shop, "id,line,at,email,amount\n"
               "D,1,2017-03-01,d@x.example,10\nD,1,2017-03-01,d@x.example,12\n");
    assert_int_equal(shop->totals.quarantined, 2);
}

/* Exports of shops say an order's time and customer in its first line alone, and the cut between
 * two files may lie behind it. */
static void test_an_order_cut_behind_its_first_line(void **state) {
    static const char *const rules[] = {"    row_key: id\n", "    row_key: [id, line]\n",
                                        "    row_key: id\n    again: add\n"};
    static const char *const halves[] = {
        "id,line,at,email,amount\nA,1,2017-03-01,a@x.example,10\n",
        "id,line,at,email,amount\nA,2,,,30\nB,1,2017-03-02,a@x.example,5\n"};
    for (size_t i = 0; i < 6; i++) {
        struct shop *shop = *state;
        open_groups(shop, rules[i % 3]);
        shop_file(shop, "orders1.csv", halves[i / 3]);
        shop_file(shop, "orders2.csv", halves[1 - i / 3]);
        for (int round = 0; round < 3; round++) {
            shop_load(shop, "orders");
            if (spent(shop, "email:a@x.example") != 45)
                fail_msg("way %zu, round %d: %g", i, round, spent(shop, "email:a@x.example"));
            assert_true(shop_trait(shop, "email:a@x.example", "orders", DAY(90)) == 2);
            assert_int_equal(shop->totals.quarantined + shop->totals.quarantined_before, 0);
            assert_int_equal(DID(corrected), 0);
            fold_and_merge(shop);
        }
        shop_release(shop);
        shop_init(shop);
    }
}

/* The second half comes in a load of its own. */
static void test_half_an_order_waits_for_the_other(void **state) {
    struct shop *shop = *state;
    struct replay_report report;
    struct error error = {0};
    static const char first[] = "id,line,at,email,amount\nA,1,2017-03-01,a@x.example,10\n";
    static const char second[] = "id,line,at,email,amount\nA,2,,,30\n";
    open_groups(shop, "    row_key: [id, line]\n");
    load(shop, second);
    assert_int_equal(shop->totals.quarantined, 1);
    load(shop, first);
    assert_true(spent(shop, "email:a@x.example") == 10);
    assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.still_quarantined, 0);
    assert_true(spent(shop, "email:a@x.example") == 40);
    load(shop, second);
    assert_int_equal(DID(repeats), 1);
    load(shop, "id,line,at,email,amount\nA,3,,,2\n");
    assert_int_equal(DID(joined), 1);
    assert_true(spent(shop, "email:a@x.example") == 42);
}

/* Messages have ids, and lines of JSON without one are told apart by their bytes: a retry counts
 * once, and two equal lines of an order are two. */
static void test_rows_of_json_in_one_event(void **state) {
    struct shop *shop = *state;
#define AT_A "{\"o\":\"A\",\"timestamp\":\"2017-03-01\",\"mail\":\"a@x.example\",\"amount\":"
    shop_file(
        shop, "rows.yaml",
        "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"
        "customer: { identifiers: { email: {} } }\n"
        "traits: { spent: sum(\"Order Completed\".revenue) }\n"
        "sources: { orders: { file: \"orders*.ndjson\", event: Order Completed, one_event_per: "
        "o, key: { email: mail }, properties_at: \".\", types: { amount: number }, "
        "properties: { revenue: sum(amount) } } }\n");
    shop_open(shop, "rows.yaml");
    shop_file(shop, "orders.ndjson",
              AT_A "10,\"messageId\":\"m1\"}\n" AT_A "10,\"messageId\":\"m1\"}\n");
    for (int round = 0; round < 2; round++) {
        shop_load(shop, "orders");
        assert_true(spent(shop, "email:a@x.example") == 10);
    }
    shop_file(shop, "orders.ndjson", AT_A "1}\n" AT_A "1}\n" AT_A "2}\n" AT_A "1}\n");
    for (int round = 0; round < 3; round++) {
        shop_load(shop, "orders");
        assert_true(spent(shop, "email:a@x.example") == 15);
        fold_and_merge(shop);
    }
    assert_int_equal(DID(repeats), 1);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_sole_line_comes_twice),
        CASE(test_what_a_key_names_is_remembered),
        CASE(test_an_order_cut_behind_its_first_line),
        CASE(test_half_an_order_waits_for_the_other),
        CASE(test_rows_of_json_in_one_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
