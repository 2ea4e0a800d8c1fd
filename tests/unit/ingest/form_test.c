/* SPDX-License-Identifier: Apache-2.0 */
/* Values in other shapes than declared: currencies in words, objects, lists in lists, members given
 * twice, and clocks that disagree. */
#include "support/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/ingest_trial.h"

static const char playbook[] =
    "customer: { identifiers: { user_id: } }\n"
    "events: { Paid: { amount: money, ok: yes/no, at: time, n: number, note: text, items: { id: "
    "text, price: money }, tags: list, utm-source: text, Button Name: number } }\n"
    "traits: { from: last(\"Paid\".`utm-source` where `Button Name` > 1) }\n"
    "sources:\n"
    "  offer: { file: t.csv, lookup: sku, types: { price: money } }\n"
    "  web: { file: t.ndjson, format: segment }\n"
    "  lines: { file: t.ndjson, event: Paid, time: when, key: { user_id: u }, row_key: id }\n"
    "  table: { file: t.csv, event: Paid, time: when, key: { user_id: u }, row_key: id, types: { "
    "amount: money }, properties: { amount: amount, currency: cur } }\n"
    "  group: { file: t.csv, event: Paid, time: \"when\", key: { user_id: u }, row_key: id, "
    "one_event_per: id, types: { amount: money }, properties: { amount: sum(amount), currency: cur "
    "} }\n";

static int begin(void **state) {
    trial_begin(state, playbook);
    return 0;
}

/* One message of u1 with these properties; what is told of it behind "{user_id:u1}", or its reason.
 */
static const char *paid(const char *properties) {
    char line[1024];
    snprintf(line, sizeof line,
             "{\"type\":\"track\",\"event\":\"Paid\",\"userId\":\"u1\",\"messageId\":\"1\","
             "\"timestamp\":\"2024-03-01T10:00:00Z\",\"properties\":%s}\n",
             properties);
    const char *text = trial_text(&ingest_trial, "web", line),
               *behind = strstr(text, "{user_id:u1}");
    if (behind != NULL) return behind + strlen("{user_id:u1}");
    behind = strstr(text, "t.ndjson:1:0: ");
    return behind != NULL ? behind + strlen("t.ndjson:1:0: ") : text;
}

static void currencies(void **state) {
    (void)state;
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":\"eur\"}"),
                        " currency=\"EUR\" amount=12.50 EUR\n");
    assert_string_equal(paid("{\"currency\":\"\xE2\x82\xAC\",\"amount\":12.5}"),
                        " currency=\"EUR\" amount=12.50 EUR\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":978}"),
                        " currency=\"EUR\" amount=12.50 EUR\n");
    assert_string_equal(paid("{\"amount\":1250,\"currency\":\"\xC2\xA5\"}"),
                        "'\xC2\xA5' is no currency: write three letters such as EUR\n");
    /* Pence, and what ISO 4217 keeps for no currency and for tests. */
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":\"GBp\"}"),
                        "'GBp' is no currency: write three letters such as EUR\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":\"XXX\"}"),
                        "'XXX' is no currency: write three letters such as EUR\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":963}"),
                        "'963' is no currency: write three letters such as EUR\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":\"$\"}"),
                        " currency=\"USD\" amount=12.50 USD\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":null}"), " amount=12.50 USD\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":\" \"}"),
                        " currency=\" \" amount=12.50 USD\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":\"Euro\"}"),
                        "'Euro' is no currency: write three letters such as EUR\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":\"XQZ\"}"),
                        "'XQZ' is no currency: write three letters such as EUR\n");
    assert_string_equal(paid("{\"amount\":12.5,\"currency\":[\"EUR\"]}"),
                        "currency holds a list where three letters belong\n");
    assert_string_equal(paid("{\"items\":[{\"id\":\"a\",\"price\":1,\"currency\":\"JPY\"},{\"id\":"
                             "\"b\",\"price\":2}]}"),
                        " items=[{id=\"a\" price=1 JPY currency=\"JPY\"} {id=\"b\" price=2.00 "
                        "USD}]\n");
}

static void currencies_of_rows(void **state) {
    (void)state;
    assert_string_equal(trial_text(&ingest_trial, "table",
                                   "id,when,u,amount,cur\n"
                                   "1,2024-01-01,u1,12.5,EUR\n"
                                   "2,2024-01-01,u1,12.5,\n"
                                   "3,2024-01-01,u1,12.5,Euro\n"
                                   "4,2024-01-01,u1,12,jpy\n"),
                        "Paid 2024-01-01T00:00:00Z {user_id:u1} currency=\"EUR\" amount=12.50 EUR\n"
                        "Paid 2024-01-01T00:00:00Z {user_id:u1} amount=12.50 USD\n"
                        "Paid 2024-01-01T00:00:00Z {user_id:u1} currency=\"JPY\" amount=12 JPY\n"
                        "BAD t.csv:4:5: 'Euro' is no currency: write three letters such as EUR\n");
    assert_string_equal(trial_text(&ingest_trial, "group",
                                   "id,when,u,amount,cur\n"
                                   "1,2024-01-01,u1,12.5,EUR\n"
                                   "1,2024-01-01,u1,1.5,USD\n"
                                   "2,2024-01-01,u1,12.5,EUR\n"
                                   "2,2024-01-01,u1,1.5,EUR\n"
                                   "3,2024-01-01,u1,12.5,EUR\n"
                                   "3,2024-01-01,u1,1.5,\n"
                                   "4,2024-01-01,u1,12.5,\n"
                                   "4,2024-01-01,u1,1.5,eur\n"
                                   "5,2024-01-01,u1,1,\n"
                                   "5,2024-01-01,u1,1,\n"),
                        "Paid 2024-01-01T00:00:00Z {user_id:u1} currency=\"EUR\" amount=14.00 EUR\n"
                        "Paid 2024-01-01T00:00:00Z {user_id:u1} currency=\"EUR\" amount=14.00 EUR\n"
                        "Paid 2024-01-01T00:00:00Z {user_id:u1} currency=\"EUR\" amount=14.00 EUR\n"
                        "Paid 2024-01-01T00:00:00Z {user_id:u1} amount=2.00 USD\n"
                        "BAD t.csv:3:4: the rows of the event hold two currencies, which can't be "
                        "taken together\n");
    assert_string_equal(
        trial_text(&ingest_trial, "lines",
                   "{\"id\":1,\"when\":\"2024-01-01\",\"u\":\"u1\",\"properties\":{\"amount\":12.5,"
                   "\"currency\":\"GBP\"}}\n"),
        "Paid 2024-01-01T00:00:00Z {user_id:u1} currency=\"GBP\" amount=12.50 GBP\n");
}

static void currencies_of_lookups(void **state) {
    (void)state;
    char path[] = "/tmp/attune-form-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    const char rows[] = "sku,price,currency\na,12.5,\xE2\x82\xAC\nb,12,jpy\nc,1.5,\nd,1,Euro\n";
    assert_int_equal(write(file, rows, sizeof rows - 1), sizeof rows - 1);
    close(file);
    const char *told = trial_lookup(&ingest_trial, "offer", path);
    assert_true(strncmp(told, "3 rows", 6) == 0);
    assert_non_null(strstr(told, "'Euro' is no currency: write three letters such as EUR"));
    struct value sku = value_text(TEXT("b"));
    uint32_t row, count;
    const struct lookup_table *table = ingest_trial.lookups[0];
    assert_true(lookup_find(table, &sku, &row, &count));
    struct value price = lookup_cell(table, row, lookup_field_find(table, TEXT("price")));
    assert_true(price.type == VALUE_MONEY && price.minor == 12);
    unlink(path);
}

static void declared_shapes(void **state) {
    (void)state;
    static const struct {
        const char *member, *reason;
    } cases[] = {
        {"\"amount\":{\"amount\":\"12.50\"}", "amount holds an object where a money belongs\n"},
        {"\"amount\":[12.5]", "amount holds a list where a money belongs\n"},
        {"\"n\":{}", "n holds an object where a number belongs\n"},
        {"\"n\":[1]", "n holds a list where a number belongs\n"},
        {"\"ok\":[true]", "ok holds a list where a yes/no belongs\n"},
        {"\"at\":{\"$date\":1}", "at holds an object where a time belongs\n"},
        {"\"note\":{\"de\":\"x\"}", "note holds an object where a text belongs\n"},
        {"\"items\":{\"id\":\"a\"}", "items holds an object where a list belongs\n"},
        {"\"items\":[\"a\"]", "a list of records holds a value where a record belongs\n"},
        {"\"items\":[[{\"id\":\"a\"}]]", "a list of records holds a list where a record belongs\n"},
        {"\"items\":[{\"id\":\"a\",\"price\":{\"v\":1}}]",
         "price holds an object where a money belongs\n"},
        {"\"items\":\"a\"", "'a' is no list in items\n"},
        {"\"tags\":[\"a\",{\"b\":1}]", "tags holds a record where a plain value belongs\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char properties[256];
        snprintf(properties, sizeof properties, "{%s}", cases[i].member);
        assert_string_equal(paid(properties), cases[i].reason);
    }
}

static void unusual_names(void **state) {
    (void)state;
    assert_string_equal(paid("{\"utm-source\":5,\"Button Name\":\"7\"}"),
                        " utm-source=\"5\" Button Name=7\n");
    assert_string_equal(paid("{\"Button Name\":\"x\"}"), "'x' is no number in Button Name\n");
}

static void nothing_undeclared_is_lost(void **state) {
    (void)state;
    assert_string_equal(paid("{\"grid\":[[1,2],[3, 4]]}"), " grid=[\"[1,2]\" \"[3, 4]\"]\n");
    assert_string_equal(paid("{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":1}}}}}}"),
                        " a.b.c.d.e=\"{\\\"f\\\":1}\"\n");
    assert_string_equal(paid("{\"list\":[{\"x\":{\"y\":[1]},\"z\":[]}]}"),
                        " list=[{x=\"{\\\"y\\\":[1]}\" z=\"[]\"}]\n");
}

static void a_member_given_twice(void **state) {
    (void)state;
    assert_string_equal(paid("{\"n\":1,\"n\":2}"), " n=1\n");
    assert_string_equal(paid("{\"a\":{\"b\":1},\"a\":{\"b\":2,\"c\":3},\"a.b\":4}"),
                        " a.b=1 a.c=3\n");
    assert_string_equal(paid("{\"items\":[{\"id\":\"a\",\"id\":\"b\",\"x\":1}]}"),
                        " items=[{id=\"a\" x=1}]\n");
    assert_string_equal(paid("{\"n\":1},\"properties\":{\"n\":2,\"note\":\"x\"}"), " n=1\n");
}

static void check_times(const char *members, const char *expected) {
    char line[512];
    snprintf(line, sizeof line,
             "{\"type\":\"track\",\"event\":\"Seen\",\"userId\":\"u1\",\"messageId\":\"1\",%s}\n",
             members);
    assert_string_equal(trial_text(&ingest_trial, "web", line), expected);
}

static void nothing_happens_after_it_was_received(void **state) {
    (void)state;
    check_times(
        "\"originalTimestamp\":\"2024-03-01T10:00:00Z\",\"sentAt\":\"2023-03-01T10:00:05Z\","
        "\"receivedAt\":\"2024-03-01T10:00:06Z\"",
        "Seen 2024-03-01T10:00:06Z {user_id:u1}\n");
    check_times("\"timestamp\":\"2025-03-01T10:00:00Z\",\"receivedAt\":\"2024-03-01T10:00:06Z\"",
                "Seen 2024-03-01T10:00:06Z {user_id:u1}\n");
    check_times("\"timestamp\":\"9999-12-31T10:00:00Z\"",
                "BAD t.ndjson:1:0: the event's time is 9999-12-31T10:00:00Z: events happen in the "
                "years 1678 to 2261\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(currencies),
        cmocka_unit_test(currencies_of_rows),
        cmocka_unit_test(currencies_of_lookups),
        cmocka_unit_test(declared_shapes),
        cmocka_unit_test(unusual_names),
        cmocka_unit_test(nothing_undeclared_is_lost),
        cmocka_unit_test(a_member_given_twice),
        cmocka_unit_test(nothing_happens_after_it_was_received),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
