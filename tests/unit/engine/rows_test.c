/* SPDX-License-Identifier: Apache-2.0 */
/* Rows under a key: what is loaded again, corrected, retracted, and too much of it. */
#include "support/unit.h"

#include "base/memory.h"
#include "shop.h"

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
    assert_int_equal(engine_fold(shop->engine, true, NULL, NULL), STATUS_OK);
}

#define DID(field) shop->totals.did.field

/* `attune ingest --remap`. */
static void remap(struct shop *shop) {
    struct engine_ingest_options options = {.data_directory = shop->folder, .remaps = true};
    struct engine_ingest_report *reports;
    struct error error = {0};
    size_t count;
    assert_int_equal(engine_ingest(shop->engine, &options, &reports, &count, &error), STATUS_OK);
    shop->totals = reports[0];
    memory_free(reports);
}

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

static void test_any_value_takes_a_row_away(void **state) {
    static const struct {
        const char *deleted;
        double sum;
    } ways[] = {{"2017-03-05 10:00", 20},
                {"", 30},
                {" ", 30},
                {"NULL", 30},
                {"\\N", 30},
                {"0", 30},
                {"false", 30},
                {"1", 20}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct shop *shop = *state;
        char text[256];
        open_with(shop, SOURCE "    retract_when: { deleted_at: \"*\" }\n");
        load(shop, "id,at,email,amount,deleted_at\n1,2017-03-01,a@x.example,10.00,\n"
                   "2,2017-03-01,a@x.example,20.00,\n");
        snprintf(text, sizeof text,
                 "id,at,email,amount,deleted_at\n1,2017-03-01,a@x.example,10.00,%s\n",
                 ways[i].deleted);
        load(shop, text);
        if (shop_trait(shop, "email:a@x.example", "spent", DAY(90)) != ways[i].sum)
            fail_msg("deleted_at '%s'", ways[i].deleted);
        shop_release(shop);
        shop_init(shop);
    }
}

/* The link between an address and a cookie goes with the only row that said it. */
static void test_a_corrected_row_takes_its_link_away(void **state) {
    struct shop *shop = *state;
    open_with(shop, "    time: at\n    key: { email: email, cookie: cookie }\n    row_key: id\n");
    load(shop, "id,at,email,cookie,amount\n"
               "1,2017-03-01,a@x.example,k1,10\n"
               "2,2017-03-01,b@x.example,k1,20\n"
               "3,2017-03-01,c@x.example,k2,30\n");
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 30);
    load(shop, "id,at,email,cookie,amount\n2,2017-03-01,b@x.example,k2,20\n");
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 10);
    assert_true(shop_trait(shop, "email:c@x.example", "spent", DAY(90)) == 50);
    /* Another row that says the same makes the link anew. */
    load(shop, "id,at,email,cookie,amount\n4,2017-03-02,b@x.example,k1,5\n");
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 65);
    shop_open(shop, NULL);
    assert_true(shop_trait(shop, "email:a@x.example", "spent", DAY(90)) == 65);
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

static double spent(struct shop *shop, const char *who) {
    double sum = shop_trait(shop, who, "spent", DAY(90));
    return sum < 0 ? 0 : sum;
}

/* The amount was mapped from the wrong column, and the person, too. */
static void test_stored_rows_are_read_again(void **state) {
    struct shop *shop = *state;
    static const char file[] = "id,at,email,mail,amount,gross,state\n"
                               "1,2017-03-01,a@x.example,c@x.example,10,12,\n"
                               "2,2017-03-01,b@x.example,b@x.example,20,20,\n"
                               "3,2017-03-02,b@x.example,b@x.example,5,6,\n";
    open_with(shop, SOURCE "    retract_when: { state: gone }\n");
    load(shop, file);
    load(shop, "id,at,email,mail,amount,gross,state\n3,,,,,,gone\n");
    shop_file(shop, "orders.csv", file);
    fold_and_merge(shop);
    uint64_t before = store_position(engine_store(shop->engine));
    shop_file(shop, "rows.yaml",
              "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"
              "customer: { identifiers: { email: {}, cookie: {} } }\n"
              "traits:\n  spent: sum(\"Order Completed\".revenue)\n"
              "sources:\n  orders:\n    file: \"orders*.csv\"\n    event: Order Completed\n"
              "    types: { gross: money }\n    properties: { revenue: gross }\n"
              "    time: at\n    key: { email: mail }\n    row_key: id\n"
              "    retract_when: { state: gone }\n");
    shop_open(shop, "rows.yaml");
    for (int round = 0; round < 2; round++) {
        remap(shop);
        assert_int_equal(DID(remapped), round == 0 ? 1 : 0);
        assert_int_equal(DID(repeats), round == 0 ? 1 : 2);
        assert_int_equal(DID(left), 1); /* it is retracted, and stays so */
        assert_int_equal(DID(events) + DID(corrected), 0);
        assert_true(spent(shop, "email:c@x.example") == 12);
        assert_true(spent(shop, "email:a@x.example") == 0);
        assert_true(spent(shop, "email:b@x.example") == 20);
        /* It was known when it was known. */
        assert_true(shop_trait(shop, "email:c@x.example", "spent", DAY(60)) == 12);
        if (round == 0) fold_and_merge(shop);
    }
    assert_true(before < store_position(engine_store(shop->engine)));
}

/* What people have said of consent stays as it was understood. */
static void test_consent_is_not_read_again(void **state) {
    struct shop *shop = *state;
    static const char *const columns[] = {"said", "meant"};
    for (int i = 0; i < 2; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"
                 "customer: { identifiers: { email: {} } }\n"
                 "consent: { purposes: [personalise] }\n"
                 "traits: { agreed: count(\"Consent Changed\" where state) }\n"
                 "sources:\n  orders:\n    file: \"orders*.csv\"\n    event: Consent Changed\n"
                 "    time: at\n    key: { email: email }\n    row_key: id\n"
                 "    properties: { purpose: purpose, state: %s }\n",
                 columns[i]);
        shop_file(shop, "rows.yaml", text);
        shop_open(shop, "rows.yaml");
        shop_file(shop, "orders.csv",
                  "id,at,email,purpose,said,meant\n1,2017-03-01,a@x.example,personalise,no,yes\n");
        if (i == 0)
            shop_load(shop, "orders");
        else
            remap(shop);
        assert_int_equal(DID(remapped), 0);
        assert_true(shop_trait(shop, "email:a@x.example", "agreed", DAY(90)) == 0);
    }
}

/* ---- events of several rows ---- */

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

static void test_an_order_over_two_files(void **state) {
    static const char *const keys[] = {"    row_key: id\n", "    row_key: [id, line]\n"};
    for (size_t i = 0; i < 2; i++) {
        struct shop *shop = *state;
        open_groups(shop, keys[i]);
        /* The second file has its columns in another order. */
        shop_file(shop, "orders1.csv", "id,line,at,email,amount\nA,1,2017-03-01,a@x.example,10\n");
        shop_file(shop, "orders2.csv",
                  "amount,line,at,email,id\n30,2,2017-03-01,a@x.example,A\n"
                  "5,1,2017-03-01,a@x.example,B\n");
        for (int round = 0; round < 3; round++) {
            shop_load(shop, "orders");
            assert_true(spent(shop, "email:a@x.example") == 45);
            assert_true(shop_trait(shop, "email:a@x.example", "orders", DAY(90)) == 2);
            assert_int_equal(DID(joined), round == 0);
            assert_int_equal(DID(corrected), 0);
            assert_int_equal(shop->totals.quarantined, 0);
            fold_and_merge(shop);
        }
        remap(shop); /* the same mapping makes the same events */
        assert_int_equal(DID(remapped), 0);
        assert_int_equal(DID(repeats), 2);
        shop_release(shop);
        shop_init(shop);
    }
}

/* Each in a load of its own: a new line, a changed one, one that moves, one that goes. */
static void test_lines_come_in_whichever_load(void **state) {
    struct shop *shop = *state;
    static const char head[] = "id,line,at,email,amount,state\n";
    char text[512];
#define LINES(rows)                                                                                \
    snprintf(text, sizeof text, "%s%s", head, rows);                                               \
    load(shop, text)
    open_groups(shop, "    row_key: line\n    retract_when: { state: gone }\n");
    LINES("A,1,2017-03-02,a@x.example,10,\nA,2,2017-03-02,a@x.example,20,\n");
    assert_true(spent(shop, "email:a@x.example") == 30);
    LINES("A,3,2017-03-01,a@x.example,5,\n");
    assert_int_equal(DID(joined), 1);
    assert_true(spent(shop, "email:a@x.example") == 35);
    fold_and_merge(shop);
    LINES("A,2,2017-03-02,a@x.example,25,\n");
    assert_int_equal(DID(corrected), 1);
    assert_true(spent(shop, "email:a@x.example") == 40);
    LINES("B,1,2017-03-03,b@x.example,10,\n");
    assert_true(spent(shop, "email:a@x.example") == 30);
    assert_true(spent(shop, "email:b@x.example") == 10);
    LINES("A,3,,,,gone\n");
    assert_int_equal(DID(retracted), 1);
    assert_true(spent(shop, "email:a@x.example") == 25);
    fold_and_merge(shop);
    /* All that came before comes again, in the order in which it came. */
    LINES("A,2,2017-03-02,a@x.example,25,\nB,1,2017-03-03,b@x.example,10,\nA,3,,,,gone\n");
    assert_int_equal(DID(events) + DID(joined) + DID(corrected), 0);
    assert_true(spent(shop, "email:a@x.example") == 25);
    assert_true(spent(shop, "email:b@x.example") == 10);
    LINES("A,2,,,,gone\n");
    assert_true(spent(shop, "email:a@x.example") == 0);
    LINES("A,2,2017-03-02,a@x.example,25,\n");
    assert_true(spent(shop, "email:a@x.example") == 25);
}

/* A later version that says the same is noted row by row: what lies between them is older. */
static void test_versions_of_lines(void **state) {
    struct shop *shop = *state;
    static const char head[] = "id,line,at,email,amount,state,v\n";
    char text[512];
    open_groups(shop, "    row_key: [id, line]\n    row_version: v\n"
                      "    retract_when: { state: gone }\n");
    LINES("A,1,2017-03-02,a@x.example,10,,2017-03-04\nA,2,2017-03-02,a@x.example,20,,2017-03-04\n");
    /* All of it says the same, later; then one line alone. */
    LINES("A,1,2017-03-02,a@x.example,10,,2017-03-05\nA,2,2017-03-02,a@x.example,20,,2017-03-05\n");
    assert_int_equal(DID(repeats), 1);
    LINES("A,2,2017-03-02,a@x.example,99,,2017-03-04T12:00\n");
    assert_int_equal(DID(older), 1);
    assert_true(spent(shop, "email:a@x.example") == 30);
    LINES("A,2,2017-03-02,a@x.example,20,,2017-03-09\n");
    fold_and_merge(shop);
    LINES("A,2,2017-03-02,a@x.example,99,,2017-03-07\n");
    assert_int_equal(DID(older), 1);
    assert_true(spent(shop, "email:a@x.example") == 30);
    /* The event is made again for another of its rows; what is known of this one stays. */
    LINES("A,1,2017-03-02,a@x.example,11,,2017-03-10\nA,3,2017-03-02,a@x.example,5,,2017-03-10\n");
    LINES("A,2,2017-03-02,a@x.example,99,,2017-03-08\n");
    assert_int_equal(DID(older), 1);
    assert_true(spent(shop, "email:a@x.example") == 36);
    /* Two versions in one file, beside another row. */
    LINES("A,1,2017-03-02,a@x.example,11,,2017-03-10\nA,2,2017-03-02,a@x.example,21,,2017-03-12\n"
          "A,2,2017-03-02,a@x.example,99,,2017-03-11\n");
    assert_true(spent(shop, "email:a@x.example") == 37);
    LINES("A,1,2017-03-02,a@x.example,11,,2017-03-10\nA,2,2017-03-02,a@x.example,98,,2017-03-12\n"
          "A,2,2017-03-02,a@x.example,20,,2017-03-13\n");
    assert_true(spent(shop, "email:a@x.example") == 36);
    /* Of several versions in one load the highest stands, wherever it stands; so it does where the
     * row takes itself away. */
    shop_file(shop, "orders1.csv",
              "id,line,at,email,amount,state,v\n"
              "A,1,2017-03-02,a@x.example,13,,2017-03-13\n"
              "A,3,2017-03-02,a@x.example,5,gone,2017-03-13\n");
    shop_file(shop, "orders2.csv",
              "id,line,at,email,amount,state,v\n"
              "A,1,2017-03-02,a@x.example,12,,2017-03-12\n"
              "A,3,2017-03-02,a@x.example,7,,2017-03-12\n");
    shop_load(shop, "orders");
    assert_true(spent(shop, "email:a@x.example") == 33);
    fold_and_merge(shop);
    shop_load(shop, "orders");
    assert_int_equal(DID(events) + DID(joined) + DID(corrected) + DID(retracted), 0);
    assert_true(spent(shop, "email:a@x.example") == 33);
}

/* A folder with two versions of a line, loaded each night: the later file's version stands, or the
 * one with the higher version. */
static void test_two_versions_of_a_line_in_one_load(void **state) {
    static const char *const more[] = {"    row_key: [id, line]\n",
                                       "    row_key: [id, line]\n    row_version: v\n"};
    static const char *const files[][2] = {
        {"id,line,at,email,amount,v\nA,1,2017-03-01,a@x.example,10,2017-03-01\n"
         "A,2,2017-03-01,a@x.example,20,2017-03-01\n",
         "id,line,at,email,amount,v\nA,2,2017-03-01,a@x.example,25,2017-03-02\n"
         "A,3,2017-03-01,a@x.example,5,2017-03-02\n"},
        {"id,line,at,email,amount,v\nA,2,2017-03-01,a@x.example,25,2017-03-02\n"
         "A,3,2017-03-01,a@x.example,5,2017-03-02\n",
         "id,line,at,email,amount,v\nA,1,2017-03-01,a@x.example,10,2017-03-01\n"
         "A,2,2017-03-01,a@x.example,20,2017-03-01\n"}};
    for (size_t i = 0; i < 2; i++) {
        struct shop *shop = *state;
        open_groups(shop, more[i]);
        shop_file(shop, "orders1.csv", files[i][0]);
        shop_load(shop, "orders");
        shop_file(shop, "orders2.csv", files[i][1]);
        for (int round = 0; round < 4; round++) {
            shop_load(shop, "orders");
            assert_true(spent(shop, "email:a@x.example") == 40);
            assert_true(shop_trait(shop, "email:a@x.example", "orders", DAY(90)) == 1);
            if (round == 1) fold_and_merge(shop);
        }
        shop_release(shop);
        shop_init(shop);
    }
}

/* Two exports of one order in one folder, and one export that takes it away. */
static void test_versions_of_groups_in_one_load(void **state) {
    static const char head[] = "id,at,email,amount,state,v\n";
    static const struct {
        const char *rules, *first, *second;
        double sum;
    } ways[] = {
        {"    row_version: v\n    again: replace\n", "2017-03-04", "2017-03-05", 35},
        {"    row_version: v\n    again: replace\n", "2017-03-05", "2017-03-04", 30},
        {"    row_version: v\n    again: add\n", "2017-03-05", "2017-03-04", 30},
        {"    row_version: v\n", "2017-03-04", "2017-03-05", 30}, /* the second waits */
        {"    row_version: v\n", "2017-03-04", "2017-03-04", 65}, /* parts of one export */
        {"    again: replace\n", "2017-03-04", "2017-03-05", 65},
    };
    for (size_t i = 0; i < 2 * sizeof ways / sizeof *ways; i++) {
        struct shop *shop = *state;
        char text[256], rules[256];
        bool goes = i >= sizeof ways / sizeof *ways; /* the order takes itself away at last */
        const char *first = ways[i % 6].first, *second = ways[i % 6].second;
        snprintf(rules, sizeof rules, "    row_key: id\n    retract_when: { state: gone }\n%s",
                 ways[i % 6].rules);
        open_groups(shop, rules);
        snprintf(text, sizeof text,
                 "%sA,2017-03-02,a@x.example,10,,%s\nA,2017-03-02,a@x.example,20,,%s\n", head,
                 first, first);
        shop_file(shop, "orders1.csv", text);
        snprintf(text, sizeof text,
                 "%sA,2017-03-02,a@x.example,10,,%s\nA,2017-03-02,a@x.example,25,,%s\n", head,
                 second, second);
        shop_file(shop, "orders2.csv", text);
        snprintf(text, sizeof text, "%sA,2017-03-02,a@x.example,10,gone,2017-03-06\n", head);
        if (goes) shop_file(shop, "orders3.csv", text);
        for (int round = 0; round < 2; round++) {
            shop_load(shop, "orders");
            if (spent(shop, "email:a@x.example") != (goes ? 0 : ways[i % 6].sum))
                fail_msg("way %zu, round %d: %g", i, round, spent(shop, "email:a@x.example"));
            /* What is left out for its version is told. */
            bool left_out = strcmp(second, first) < 0 && strstr(rules, "row_version") != NULL;
            if (round == 0 && !goes) assert_int_equal(shop->totals.notes.count, left_out);
            fold_and_merge(shop);
        }
        shop_release(shop);
        shop_init(shop);
    }
}

static void test_a_group_with_other_rows_waits(void **state) {
    struct shop *shop = *state;
    struct replay_report report;
    struct error error = {0};
    static const char first[] = "id,at,email,amount\nA,2017-03-01,a@x.example,10\n";
    static const char second[] = "id,at,email,amount\nA,2017-03-01,a@x.example,30\n";
    static const struct {
        const char *more;
        double sum;
    } ways[] = {{"    again: replace\n", 30}, {"    again: add\n", 40}, {"    again: keep\n", 10}};
    for (size_t i = 0; i < 3; i++) {
        char more[128];
        open_groups(shop, "    row_key: id\n");
        load(shop, first);
        snprintf(more, sizeof more, "    row_key: id\n%s", ways[i].more);
        if (i == 1) { /* rows can be added only to what was loaded so */
            shop_release(shop);
            shop_init(shop);
            open_groups(shop, more);
            load(shop, first);
            open_groups(shop, "    row_key: id\n");
        }
        for (int round = 0; round < 2; round++) {
            load(shop, second);
            assert_int_equal(shop->totals.quarantined, round == 0);
            assert_int_equal(shop->totals.quarantined_before, round == 1);
            assert_true(spent(shop, "email:a@x.example") == 10);
        }
        assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
        assert_int_equal(report.still_quarantined, 1);
        open_groups(shop, more);
        assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
        assert_int_equal(report.still_quarantined, 0);
        assert_true(spent(shop, "email:a@x.example") == ways[i].sum);
        load(shop, second);
        assert_true(spent(shop, "email:a@x.example") == ways[i].sum);
        shop_release(shop);
        shop_init(shop);
    }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_corrected_row_replaces_the_stored_one),
        CASE(test_what_is_not_read_is_no_correction),
        CASE(test_a_mended_mapping_makes_no_other_rows),
        CASE(test_a_correction_under_a_grown_mapping),
        CASE(test_an_older_export_never_corrects_back),
        CASE(test_a_row_takes_itself_away),
        CASE(test_any_value_takes_a_row_away),
        CASE(test_a_corrected_row_takes_its_link_away),
        CASE(test_a_wrong_key_stops_the_load),
        CASE(test_a_folder_with_two_versions_changes_nothing_more),
        CASE(test_a_row_from_quarantine_corrects_nothing_newer),
        CASE(test_rows_of_json),
        CASE(test_stored_rows_are_read_again),
        CASE(test_consent_is_not_read_again),
        CASE(test_an_order_over_two_files),
        CASE(test_lines_come_in_whichever_load),
        CASE(test_versions_of_lines),
        CASE(test_two_versions_of_a_line_in_one_load),
        CASE(test_versions_of_groups_in_one_load),
        CASE(test_a_group_with_other_rows_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
