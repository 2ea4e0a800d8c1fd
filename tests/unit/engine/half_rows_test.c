/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that wait in quarantine because their file ended in them. */
#include "support/unit.h"

#include "base/memory.h"
#include "shop.h"

#define HEAD                                                                                       \
    "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"                                            \
    "customer: { identifiers: { email: {} } }\n"                                                   \
    "traits: { spent: sum(\"Order Completed\".revenue) }\n"                                        \
    "sources:\n"                                                                                   \
    "  orders:\n"                                                                                  \
    "    file: \"orders*.csv\"\n    event: Order Completed\n"                                      \
    "    time: at\n    key: { email: email }\n    types: { amount: money }\n"
#define SOURCE "    row_key: id\n    properties: { revenue: amount }\n"

static void open_with(struct shop *shop, const char *more) {
    char text[4096];
    snprintf(text, sizeof text, HEAD "%s", more);
    shop_file(shop, "rows.yaml", text);
    shop_open(shop, "rows.yaml");
}

static void load(struct shop *shop, const char *text) {
    shop_file(shop, "orders.csv", text);
    struct engine_ingest_options options = {.data_directory = shop->folder};
    struct engine_ingest_report *reports;
    size_t count;
    (void)!engine_ingest(shop->engine, &options, &reports, &count, NULL);
    shop->totals = reports[0];
    memory_free(reports);
}

static void fold_and_merge(struct shop *shop) {
    assert_int_equal(store_fold(engine_store(shop->engine), true, NULL), STATUS_OK);
}

static double spent(struct shop *shop, const char *who) {
    return shop_trait(shop, who, "spent", DAY(90));
}

/* A file that was still being written is loaded again when it is whole. */
static void test_a_half_row_leaves_when_it_came_whole(void **state) {
    static const struct {
        const char *rules, *half, *whole;
        int waiting, leaves;
        double sum;
    } ways[] = {
        {SOURCE, "id,at,email,amount\n1,2017-03-01,a@x.example,10\n2,2017-03-02,a@x.example,3",
         "id,at,email,amount\n1,2017-03-01,a@x.example,10\n2,2017-03-02,a@x.example,35\n", 1, 1,
         45},
        /* It was whole all the time. */
        {SOURCE, "id,at,email,amount\n1,2017-03-01,a@x.example,10\n2,2017-03-02,a@x.example,35",
         "id,at,email,amount\n1,2017-03-01,a@x.example,10\n2,2017-03-02,a@x.example,35\n"
         "3,2017-03-02,a@x.example,1\n",
         1, 1, 46},
        /* Another file of the same name: nobody knows where the half belongs. */
        {SOURCE, "id,at,email,amount\n1,2017-03-01,a@x.example,10\n2,2017-03-02,a@x.example,3",
         "id,at,email,amount\n1,2017-03-01,a@x.example,10\n5,2017-03-02,a@x.example,35\n", 1, 0,
         45},
        /* It still ends there. */
        {SOURCE, "id,at,email,amount\n1,2017-03-01,a@x.example,10\n2,2017-03-02,a@x.example,3",
         "id,at,email,amount\n1,2017-03-01,a@x.example,10\n2,2017-03-02,a@x.example,3", 1, 0, 10},
        /* A field that runs over lines. */
        {SOURCE "    quote: '\"'\n", "id,at,email,amount\n1,2017-03-01,a@x.example,10\n\"2",
         "id,at,email,amount\n1,2017-03-01,a@x.example,10\n\"2\n\",2017-03-02,a@x.example,35\n", 1,
         1, 45},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct shop *shop = *state;
        uint64_t waits;
        open_with(shop, ways[i].rules);
        load(shop, ways[i].half);
        assert_int_equal(shop->totals.quarantined, ways[i].waiting);
        if (i % 2) fold_and_merge(shop);
        load(shop, ways[i].whole);
        if (shop->totals.came_whole != (uint64_t)ways[i].leaves) fail_msg("way %zu", i);
        assert_int_equal(engine_quarantine_rows(shop->engine, &waits, NULL), STATUS_OK);
        assert_int_equal(waits, ways[i].waiting - ways[i].leaves);
        assert_true(spent(shop, "email:a@x.example") == ways[i].sum);
        shop_release(shop);
        shop_init(shop);
    }
}

/* The rows of an order wait together, and leave together. */
static void test_half_an_order_leaves_when_it_came_whole(void **state) {
    struct shop *shop = *state;
    uint64_t waits;
    static const char half[] = "id,line,at,email,amount\nA,1,2017-03-01,a@x.example,10\n"
                               "B,1,2017-03-01,a@x.example,1\nB,2,2017-03";
    open_with(shop, "    one_event_per: id\n    row_key: [id, line]\n"
                    "    properties: { revenue: sum(amount) }\n");
    for (int round = 0; round < 2; round++) { /* the second time it is no more than it was */
        load(shop, half);
        assert_int_equal(shop->totals.came_whole, 0);
        assert_int_equal(engine_quarantine_rows(shop->engine, &waits, NULL), STATUS_OK);
        assert_int_equal(waits, 2);
    }
    load(shop, "id,line,at,email,amount\nA,1,2017-03-01,a@x.example,10\n"
               "B,1,2017-03-01,a@x.example,1\nB,2,2017-03-01,a@x.example,2\n");
    assert_int_equal(shop->totals.came_whole, 2);
    assert_int_equal(engine_quarantine_rows(shop->engine, &waits, NULL), STATUS_OK);
    assert_int_equal(waits, 0);
    assert_true(spent(shop, "email:a@x.example") == 13);
}

static void test_half_a_line_of_json_leaves(void **state) {
    struct shop *shop = *state;
    struct engine_ingest_options options = {.data_directory = shop->folder};
    struct engine_ingest_report *reports;
    size_t count;
    uint64_t waits;
    shop_file(
        shop, "rows.yaml",
        "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"
        "customer: { identifiers: { email: {} } }\n"
        "traits: { spent: sum(\"Order Completed\".revenue) }\n"
        "events: { Order Completed: { revenue: number } }\n"
        "sources: { orders: { file: \"o*.ndjson\", event: Order Completed, row_key: id, time: "
        "at, key: { email: mail }, properties_at: \".\" } }\n");
    shop_open(shop, "rows.yaml");
    for (int whole = 0; whole < 2; whole++) {
        shop_file(shop, "o.ndjson",
                  whole
                      ? "{\"id\":1,\"at\":\"2017-03-01\",\"mail\":\"a@x.example\",\"revenue\":10}\n"
                      : "{\"id\":1,\"at\":\"2017-03-01\",\"mail\":\"a@x");
        (void)!engine_ingest(shop->engine, &options, &reports, &count, NULL);
        assert_int_equal(reports[0].came_whole, whole);
        memory_free(reports);
        assert_int_equal(engine_quarantine_rows(shop->engine, &waits, NULL), STATUS_OK);
        assert_int_equal(waits, !whole);
    }
    assert_true(spent(shop, "email:a@x.example") == 10);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_half_row_leaves_when_it_came_whole),
        CASE(test_half_an_order_leaves_when_it_came_whole),
        CASE(test_half_a_line_of_json_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
