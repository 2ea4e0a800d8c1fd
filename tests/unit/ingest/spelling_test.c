/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of every kind, however they are spelled. */
#include "support/unit.h"

#include "base/canonical.h"
#include "support/ingest_trial.h"

static const char playbook[] =
    "customer: { identifiers: { user_id: , loyalty: , email: , anonymous_id: } }\n"
    "sources:\n"
    "  sales: { file: t.csv, event: Sold, time: at, row_key: id, key: { loyalty: card, email: "
    "mail } }\n"
    "  lines: { file: t.csv, event: Sold, time: at, row_key: [id, coupon], key: { loyalty: card }, "
    "one_event_per: id, lines: no, properties: { quantity: sum(quantity) }, types: { quantity: "
    "number } }\n"
    "  web: { file: t.ndjson, format: segment }\n"
    "  app: { file: t.ndjson, event: Seen, time: at, row_key: id, key: { loyalty: card }, "
    "properties: { name: text } }\n";

static bool may_be_somebody(void *context, uint32_t rule, struct text value) {
    (void)context;
    (void)rule;
    return canonical_filler(value) == FILLER_NONE;
}

static int begin(void **state) {
    trial_begin(state, playbook);
    ingest_trial.with_keys = true;
    ingest_trial.settings.usable = may_be_somebody;
    return 0;
}

static void check(const char *source, const char *rows, const char *expected) {
    assert_string_equal(trial_text(&ingest_trial, source, rows), expected);
}

static void identifiers_have_one_form(void **state) {
    (void)state;
    check("sales",
          "id,at,card,mail\n"
          "1,2024-01-01,\xC2\xA0"
          "A1\xE3\x80\x80,J\xC3\x9CRGEN@X.example\n"
          "2,2024-01-01,A1,jU\xCC\x88rgen@x.example\xE2\x80\x8B\n",
          "Sold 2024-01-01T00:00:00Z key yes {loyalty:A1 "
          "email:j\xC3\xBCrgen@x.example}\n"
          "Sold 2024-01-01T00:00:00Z key yes {loyalty:A1 "
          "email:j\xC3\xBCrgen@x.example}\n");
}

static void numbers_of_json_keep_their_digits(void **state) {
    (void)state;
    check("web",
          "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":123456789012345678901234,"
          "\"anonymousId\":1709287200.100,\"messageId\":1,\"timestamp\":\"2024-03-01\","
          "\"context\":{\"externalIds\":[{\"id\":12345678901234567890,\"type\":\"loyalty\"}]}}\n",
          "Clicked 2024-03-01T00:00:00Z key yes "
          "{user_id:123456789012345678901234 anonymous_id:1709287200.100 "
          "loyalty:12345678901234567890}\n");
    check("app",
          "{\"id\":1.50,\"at\":\"2024-03-01\",\"card\":1e5,\"name\":10.0}\n"
          "{\"id\":1.5,\"at\":\"2024-03-01\",\"card\":7,\"name\":9007199254740993}\n",
          "Seen 2024-03-01T00:00:00Z key yes {loyalty:1e5} "
          "name=\"10.0\"\n"
          "Seen 2024-03-01T00:00:00Z key yes {loyalty:7} "
          "name=\"9007199254740993\"\n");
}

static void a_filler_is_no_row_key(void **state) {
    (void)state;
    check("sales",
          "id,at,card,mail\n"
          "#REF!,2024-01-01,A1,\n"
          "1.23457E+12,2024-01-02,A1,\n"
          "?,2024-01-03,A1,\n",
          "Sold 2024-01-01T00:00:00Z key no {loyalty:A1}\n"
          "Sold 2024-01-02T00:00:00Z key no {loyalty:A1}\n"
          "Sold 2024-01-03T00:00:00Z key no {loyalty:A1}\n");
    assert_int_equal(ingest_trial.progress.no_keys, 3);
    check("sales", "id,at,card,mail\n0,2024-01-01,A1,\n",
          "Sold 2024-01-01T00:00:00Z key yes {loyalty:A1}\n");
    assert_int_equal(ingest_trial.progress.no_keys, 0);
}

static void padded_keys_are_one(void **state) {
    (void)state;
    check("lines",
          "id,at,card,coupon,quantity\n"
          "7,2024-01-01,A1,none,1\n"
          "7 ,2024-01-01,A1\t,none,2\n"
          "NULL,2024-01-01,A1,none,2\n",
          "Sold 2024-01-01T00:00:00Z key yes {loyalty:A1} quantity=3\n"
          "BAD t.csv:4:1: column id is 'NULL', which says of no row what event it belongs to\n");
}

static void shortened_numbers_say_so(void **state) {
    (void)state;
    check("sales", "id,at,card,mail\n1,2024-01-01,\"1,23457E+12\",\n",
          "BAD t.csv:2:3: nobody: '1,23457E+12' of loyalty can't stand for a person: a spreadsheet "
          "has shortened the number, so export its column as text\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_have_one_form),
        cmocka_unit_test(numbers_of_json_keep_their_digits),
        cmocka_unit_test(a_filler_is_no_row_key),
        cmocka_unit_test(padded_keys_are_one),
        cmocka_unit_test(shortened_numbers_say_so),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
