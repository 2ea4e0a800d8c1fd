/* SPDX-License-Identifier: Apache-2.0 */
/* Rows under a key: what is loaded again, corrected, retracted, and too much of it. */
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

#define HEAD                                                                                       \
    "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"                                            \
    "customer: { identifiers: { email: {}, cookie: {} } }\n"                                       \
    "traits:\n"                                                                                    \
    "  orders: count(\"Order Completed\")\n"                                                       \
    "  spent: sum(\"Order Completed\".revenue)\n"                                                  \
    "sources:\n"                                                                                   \
    "  orders:\n"                                                                                  \
    "    file: \"orders*.csv\"\n"                                                                  \
    "    event: Order Completed\n"                                                                 \
    "    types: { amount: money }\n"                                                               \
    "    properties: { revenue: amount }\n"

/* `more`: what is said of the source beside. */
static void open_with(struct shop *shop, const char *more) {
    char text[4096];
    snprintf(text, sizeof text, HEAD "%s", more);
    shop_file(shop, "rows.yaml", text);
    shop_open(shop, "rows.yaml");
}

#define SOURCE "    time: at\n    key: { email: email }\n    row_key: id\n"

static void load(struct shop *shop, const char *text) {
    shop_file(shop, "orders.csv", text);
    shop_load(shop, "orders");
}

/* A load that must fail. */
static void refuse(struct shop *shop, const char *text, struct error *error) {
    struct engine_ingest_options options = {.data_directory = shop->folder, .source = "orders"};
    struct engine_ingest_report *reports;
    size_t count;
    shop_file(shop, "orders.csv", text);
    *error = (struct error){0};
    assert_int_not_equal(engine_ingest(shop->engine, &options, &reports, &count, error), STATUS_OK);
    shop->totals = reports[0];
    memory_free(reports);
}

static void fold_and_merge(struct shop *shop) {
    assert_int_equal(store_fold(engine_store(shop->engine), true, NULL), STATUS_OK);
}

#define DID(field) shop->totals.did.field

static void test_a_corrected_row_replaces_the_stored_one(void **state) {
    struct shop *shop = *state;
    open_with(shop, SOURCE);
    for (int round = 0; round < 3; round++) {
        load(shop, "id,at,email,amount\n"
                   "1,2017-03-01,a@x.example,10.00\n"
                   "2,2017-03-02,b@x.example,20.00\n");
        assert_int_equal(DID(events), round == 0 ? 2 : 0);
        assert_int_equal(DID(repeats), round == 0 ? 0 : 1);
        assert_int_equal(DID(corrected), round == 0 ? 0 : 1);
        if (round == 1) fold_and_merge(shop);
        assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 10);
        /* The amount, the time and the person at once. */
        load(shop, "id,at,email,amount\n"
                   "1,2017-03-05,b@x.example,30.00\n"
                   "2,2017-03-02,b@x.example,20.00\n");
        assert_int_equal(DID(events), 0);
        assert_int_equal(DID(corrected), 1);
        assert_int_equal(DID(repeats), 1);
        if (round == 0) fold_and_merge(shop);
        assert_true(shop_trait(shop, "email:b@x.example", "spent", DAY(90)) == 50);
        assert_true(shop_trait(shop, "email:a@x.example", "orders", DAY(90)) <= 0);
    }
}

/* Columns that are not mapped, another order of the columns, quotes: the same row. */
static void test_what_is_not_read_is_no_correction(void **state) {
    struct shop *shop = *state;
    open_with(shop, SOURCE);
    load(shop, "id,at,email,amount,note\n1,2017-03-01,a@x.example,10.00,first\n");
    load(shop, "note,amount,email,at,id\nsecond,\"10.00\",a@x.example,2017-03-01,1\n");
    assert_int_equal(DID(repeats), 1);
    assert_int_equal(DID(corrected), 0);
}

static void test_a_mended_mapping_makes_no_other_rows(void **state) {
    static const char *const mappings[] = {
        SOURCE,
        SOURCE "    zone: Europe/Berlin\n",
        "    time: at\n    key: { email: email, cookie: cookie }\n    row_key: id\n",
        SOURCE "    dates: year first\n",
    };
    static const char *const file = "id,at,email,cookie,amount\n"
                                    "1,2017-03-01 10:00,a@x.example,k1,10.00\n";
    struct shop *shop = *state;
    for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++) {
        open_with(shop, mappings[i]);
        load(shop, file);
        assert_int_equal(DID(events), i == 0);
        assert_int_equal(DID(repeats), i > 0);
        assert_int_equal(DID(corrected), 0);
        if (i == 1) fold_and_merge(shop);
    }
    /* The grown key was learnt from a repeat. */
    assert_true(shop_trait(shop, "cookie:k1", "orders", DAY(90)) == 1);
    /* And under today's mapping a cell that changed is a correction still. */
    load(shop, "id,at,email,cookie,amount\n1,2017-03-01 10:00,a@x.example,k1,11.00\n");
    assert_int_equal(DID(corrected), 1);
    assert_true(shop_trait(shop, "cookie:k1", "spent", DAY(90)) == 11);
}

/* A row stored under an old mapping, and changed before it was seen under the new one. */
static void test_a_correction_under_a_grown_mapping(void **state) {
    struct shop *shop = *state;
    open_with(shop, SOURCE);
    load(shop, "id,at,email,cookie,amount\n1,2017-03-01,a@x.example,k1,10.00\n");
    open_with(shop, "    time: at\n    key: { email: email, cookie: cookie }\n    row_key: id\n");
    load(shop, "id,at,email,cookie,amount\n1,2017-03-01,a@x.example,k1,12.00\n");
    assert_int_equal(DID(corrected), 1);
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 12);
}

static void test_an_older_export_never_corrects_back(void **state) {
    struct shop *shop = *state;
    open_with(shop, SOURCE "    row_version: changed\n");
    load(shop, "id,at,email,amount,changed\n1,2017-03-01,a@x.example,10.00,2017-03-01\n");
    load(shop, "id,at,email,amount,changed\n1,2017-03-01,a@x.example,12.00,2017-03-10\n");
    assert_int_equal(DID(corrected), 1);
    load(shop, "id,at,email,amount,changed\n1,2017-03-01,a@x.example,10.00,2017-03-01\n");
    assert_int_equal(DID(older), 1);
    assert_int_equal(DID(corrected), 0);
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 12);
    /* The correction was known when its version says. */
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(60)) == 10);
    /* Both versions in one file: the higher one stands, wherever it stands. */
    load(shop, "id,at,email,amount,changed\n"
               "2,2017-03-01,c@x.example,7.00,2017-03-10\n"
               "2,2017-03-01,c@x.example,5.00,2017-03-05\n");
    assert_true(shop_trait(shop, "email:c@x.example", "spent", DAY(90)) == 7);
}

static void test_a_row_takes_itself_away(void **state) {
    struct shop *shop = *state;
    open_with(shop, SOURCE "    retract_when: { status: [deleted, Void] }\n");
    load(shop, "id,at,email,amount,status\n"
               "1,2017-03-01,a@x.example,10.00,paid\n"
               "2,2017-03-01,a@x.example,20.00,paid\n");
    for (int round = 0; round < 2; round++) {
        /* Such a row need not say more than its key. */
        load(shop, "id,at,email,amount,status\n1,,,, VOID \n3,,,,deleted\n");
        assert_int_equal(DID(retracted), round == 0 ? 2 : 0);
        assert_int_equal(DID(repeats), round == 0 ? 0 : 2);
        assert_int_equal(shop->totals.quarantined, 0);
        if (round == 0) fold_and_merge(shop);
        assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 20);
    }
    /* It may come back. */
    load(shop, "id,at,email,amount,status\n1,2017-03-01,a@x.example,10.00,paid\n");
    assert_int_equal(DID(corrected), 1);
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 30);
}

/* 2,000 orders whose key is the shop's number: two of three orders would be lost. */
static void test_a_wrong_key_stops_the_load(void **state) {
    struct shop *shop = *state;
    struct error error;
    struct buffer text;
    buffer_init(&text);
    open_with(shop, SOURCE);
    assert_int_equal(buffer_append_text(&text, TEXT("id,at,email,amount\n")), STATUS_OK);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(
            buffer_format(&text, "%d,2017-03-01,c%d@x.example,%d.00\n", i % 1000, i, i), STATUS_OK);
    assert_int_equal(buffer_append(&text, "", 1), STATUS_OK);
    refuse(shop, text.at, &error);
    assert_non_null(strstr(error.text, "2000 of 3000 rows"));
    assert_non_null(strstr(error.text, "revenue 0.00 USD, now 2000.00 USD"));
    assert_non_null(strstr(error.text, "--accept-corrections"));
    assert_int_equal(DID(events), 1000);
    assert_int_equal(DID(held), 2000);
    assert_int_equal(DID(corrected), 0);
    assert_true(shop_trait(shop, "email:c5@x.example", "spent", DAY(90)) == 5);
    assert_true(shop_trait(shop, "email:c2005@x.example", "orders", DAY(90)) <= 0);
    /* Where they are corrections, the source says so. */
    open_with(shop, SOURCE "    corrections_max: 90%\n");
    shop_load(shop, "orders");
    assert_int_equal(DID(corrected), 1000);
    assert_true(shop_trait(shop, "email:c2005@x.example", "spent", DAY(90)) == 2005);
    open_with(shop, SOURCE "    corrections_max: 0\n");
    refuse(shop, "id,at,email,amount\n5,2017-03-01,c5@x.example,6.00\n", &error);
    assert_int_equal(DID(held), 1);
    buffer_release(&text);
}

/* A folder that holds yesterday's and today's export, loaded each night. */
static void test_a_folder_with_two_versions_changes_nothing_more(void **state) {
    struct shop *shop = *state;
    open_with(shop, SOURCE);
    shop_file(shop, "orders1.csv", "id,at,email,amount\n1,2017-03-01,a@x.example,10.00\n");
    shop_file(shop, "orders2.csv", "id,at,email,amount\n1,2017-03-01,a@x.example,12.00\n");
    for (int round = 0; round < 4; round++) {
        shop_load(shop, "orders");
        assert_int_equal(DID(corrected), round == 0);
        assert_int_equal(DID(clashes), round == 0);
        if (round == 1) fold_and_merge(shop);
        assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 12);
    }
}

/* What waits in quarantine came before what was loaded since. */
static void test_a_row_from_quarantine_corrects_nothing_newer(void **state) {
    struct shop *shop = *state;
    struct replay_report report;
    struct error error = {0};
    open_with(shop, SOURCE "    decimal: point\n");
    load(shop, "id,at,email,amount\n"
               "1,2017-03-01,a@x.example,\"10,00\"\n"
               "2,2017-03-01,b@x.example,\"20,00\"\n");
    assert_int_equal(shop->totals.quarantined, 2);
    load(shop, "id,at,email,amount\n1,2017-03-01,a@x.example,12.00\n");
    open_with(shop, SOURCE "    decimal: comma\n");
    assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.events, 1);
    assert_int_equal(report.did.older, 1);
    assert_int_equal(report.still_quarantined, 0);
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 12);
    assert_true(shop_trait(shop, "email:b@x.example", "spent", DAY(90)) == 20);
}

static void test_rows_of_json(void **state) {
    struct shop *shop = *state;
    shop_file(shop, "rows.yaml",
              "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"
              "customer: { identifiers: { email: {} } }\n"
              "events: { Order Completed: { revenue: number } }\n"
              "traits: { spent: sum(\"Order Completed\".revenue) }\n"
              "sources: { orders: { file: \"orders*.ndjson\", event: Order Completed, row_key: "
              "[shop, id], key: { email: mail } } }\n");
    shop_open(shop, "rows.yaml");
    shop_file(
        shop, "orders.ndjson",
        "{\"shop\":1,\"id\":7,\"timestamp\":\"2017-03-01T10:00:00Z\",\"mail\":\"a@x.example\","
        "\"receivedAt\":\"2017-03-01T10:00:01Z\",\"properties\":{\"revenue\":5,\"t\":[1,2]}}\n"
        "{\"shop\":2,\"id\":7,\"timestamp\":\"2017-03-01T10:00:00Z\",\"mail\":\"a@x.example\","
        "\"properties\":{\"revenue\":6,\"t\":[1,2]}}\n");
    shop_load(shop, "orders");
    assert_int_equal(DID(events), 2);
    /* Members in another order, received at another time; and one that an array differs in. */
    shop_file(
        shop, "orders.ndjson",
        "{\"properties\":{\"t\":[1,2],\"revenue\":5},\"mail\":\"a@x.example\",\"id\":7,\"shop\":1,"
        "\"receivedAt\":\"2017-03-09T10:00:01Z\",\"timestamp\":\"2017-03-01T10:00:00Z\"}\n"
        "{\"shop\":2,\"id\":7,\"timestamp\":\"2017-03-01T10:00:00Z\",\"mail\":\"a@x.example\","
        "\"properties\":{\"revenue\":8,\"t\":[2,1]}}\n");
    shop_load(shop, "orders");
    assert_int_equal(DID(repeats), 1);
    assert_int_equal(DID(corrected), 1);
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 13);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_corrected_row_replaces_the_stored_one),
        CASE(test_what_is_not_read_is_no_correction),
        CASE(test_a_mended_mapping_makes_no_other_rows),
        CASE(test_a_correction_under_a_grown_mapping),
        CASE(test_an_older_export_never_corrects_back),
        CASE(test_a_row_takes_itself_away),
        CASE(test_a_wrong_key_stops_the_load),
        CASE(test_a_folder_with_two_versions_changes_nothing_more),
        CASE(test_a_row_from_quarantine_corrects_nothing_newer),
        CASE(test_rows_of_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
