/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines: paths, open properties, arrays, and the messages of the Segment spec. */
#include "support/unit.h"

#include "support/ingest_trial.h"

static const char playbook[] =
    "consent: { purposes: [Advertising, Analytics, ads] }\n"
    "customer: { identifiers: { user_id: { per_customer: 1, unique: true }, anonymous_id: { "
    "per_customer: 50 }, email: { per_customer: 5 },\n"
    "                           phone: { per_customer: 5 } } }\n"
    "sources:\n"
    "  web: { file: t.ndjson, format: segment, key: { user_id: userId, anonymous_id: anonymousId, "
    "email: traits.email } }\n"
    "  live: { file: t.ndjson, format: segment, arrives: live }\n"
    "  noted: { file: t.ndjson, format: segment, key: { user_id: userId }, properties: { note: "
    "context.note } }\n"
    "  shop: { file: shops.ndjson, lookup: id, types: { place.city: text, place.geo.lat: number, "
    "open: yes/no } }\n"
    "  some:\n"
    "    file: t.ndjson\n"
    "    event: Noted\n"
    "    time: meta.at\n"
    "    properties_at: data\n"
    "    key: { user_id: meta.user.id }\n"
    "    properties: { n: number, city: address.city, site: meta.site, tags: list, items: { sku: "
    "text, price: money } }\n"
    "  flat:\n"
    "    file: t.ndjson\n"
    "    event: Noted\n"
    "    time: at\n"
    "    properties_at: .\n"
    "    key: { user_id: who }\n";

static int begin(void **state) {
    return trial_begin(state, playbook);
}

static void paths(void **state) {
    (void)state;
    trial_expect(
        "some",
        "{\"meta\":{\"at\":\"2020-01-02T03:04:05.678Z\",\"user\":{\"id\":42},\"site\":\"de\"},"
        "\"data\":{\"n\":1.5,\"address\":{\"city\":\"Graz\"},\"unknown\":1,\"tags\":[\"a\",2,"
        "true,null],"
        "\"items\":[{\"sku\":\"x\",\"price\":\"1.20\",\"other\":1},{\"sku\":\"y\",\"price\":3.4}]"
        "}}\n"
        "\n"
        "{\"data\":{\"n\":\"7\",\"n\":8},\"meta\":{\"at\":1577934245,\"user\":{\"id\":\"u\"},"
        "\"site\":null}}\n",
        "Noted 2020-01-02T03:04:05.678Z {user_id:42} n=1.5 city=\"Graz\" site=\"de\" tags=[\"a\" "
        "2 yes] "
        "items=[{sku=\"x\" price=1.20 USD} {sku=\"y\" price=3.40 USD}]\n"
        "Noted 2020-01-02T03:04:05Z {user_id:u} n=7\n");
}

static void open_properties(void **state) {
    (void)state;
    trial_expect(
        "flat",
        "{\"at\":\"2020-01-02\",\"who\":\"7\",\"color\":\"red\",\"size\":4,\"big\":true,\"none\":"
        "null,\"address\":{\"city\":\"Graz\",\"geo\":{\"lat\":47.07}},"
        "\"list\":[1,[2],{\"a\":1,\"b\":{\"c\":2}}]}\n",
        "Noted 2020-01-02T00:00:00Z {user_id:7} color=\"red\" size=4 big=yes "
        "address.city=\"Graz\" address.geo.lat=47.07 list=[1 \"[2]\" {a=1 b=\"{\\\"c\\\":2}\"}]\n");
    trial_expect("flat", "{\"at\":\"2020-01-02\",\"who\":\"7\",\"\":1}\n",
                 "Noted 2020-01-02T00:00:00Z {user_id:7}\n");
    assert_int_equal(ingest_trial.progress.undeclared_left, 1);
}

static void order_completed(void **state) {
    (void)state;
    trial_expect(
        "web",
        "{\"type\":\"track\",\"event\":\"Order "
        "Completed\",\"messageId\":\"m1\",\"userId\":\"u1\",\"anonymousId\":\"a1\","
        "\"timestamp\":\"2020-01-02T03:04:05Z\",\"properties\":{\"order_id\":\"o1\",\"revenue\":"
        "25.1,\"currency\":\"EUR\","
        "\"products\":[{\"product_id\":\"p1\",\"price\":19.99,\"quantity\":1},{\"product_id\":"
        "\"p2\",\"price\":\"5.11\"}]}}\n"
        "{\"type\":\"track\",\"event\":\"Order "
        "Completed\",\"userId\":\"u1\",\"timestamp\":\"2020-01-02T03:04:05Z\",\"properties\":{"
        "\"revenue\":3}}\n",
        "Order Completed 2020-01-02T03:04:05Z {user_id:u1 anonymous_id:a1} "
        "products=[{product_id=\"p1\" price=19.99 EUR quantity=1} {product_id=\"p2\" price=5.11 "
        "EUR}] currency=\"EUR\" order_id=\"o1\" revenue=25.10 EUR\n"
        "Order Completed 2020-01-02T03:04:05Z {user_id:u1} revenue=3.00 USD\n");
}

static void kinds_of_messages(void **state) {
    (void)state;
    trial_expect(
        "web",
        "{\"type\":\"identify\",\"userId\":\"u1\",\"timestamp\":\"2020-01-02\",\"traits\":{"
        "\"email\":\" A@B.example\",\"plan\":\"gold\"}}\n"
        "{\"type\":\"page\",\"anonymousId\":\"a1\",\"userId\":null,\"timestamp\":\"2020-01-02\","
        "\"name\":\"Home\",\"properties\":{\"path\":\"/\"}}\n"
        "{\"type\":\"screen\",\"anonymousId\":\"a1\",\"timestamp\":\"2020-01-02\",\"name\":"
        "\"Start\"}\n"
        "{\"type\":\"group\",\"userId\":\"u1\",\"groupId\":\"g1\",\"timestamp\":\"2020-01-02\","
        "\"traits\":{\"industry\":\"food\"}}\n"
        "{\"type\":\"alias\",\"userId\":\"u1\",\"previousId\":\"u0\",\"timestamp\":\"2020-01-"
        "02\"}\n"
        "{\"type\":\"track\",\"userId\":\"u1\",\"timestamp\":\"2020-01-02\"}\n"
        "{\"type\":\"delete\",\"userId\":\"u1\",\"timestamp\":\"2020-01-02\"}\n"
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":null,\"timestamp\":\"2020-01-02\"}\n"
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u1\"}\n",
        "Customer Record 2020-01-02T00:00:00Z {user_id:u1 email:a@b.example} plan=\"gold\"\n"
        "Page Viewed 2020-01-02T00:00:00Z {anonymous_id:a1} name=\"Home\" path=\"/\"\n"
        "Screen Viewed 2020-01-02T00:00:00Z {anonymous_id:a1} name=\"Start\"\n"
        "Group Joined 2020-01-02T00:00:00Z {user_id:u1} group_id=\"g1\" industry=\"food\"\n"
        "Identity Aliased 2020-01-02T00:00:00Z {user_id:u1 ?user_id:u0 ?anonymous_id:u0}\n"
        "BAD t.ndjson:6:0: no event: a track message without the member event\n"
        "BAD t.ndjson:7:0: 'delete' is no type of message: track, identify, page, screen, group "
        "or alias\n"
        "BAD t.ndjson:8:0: nobody: userId (and every other identifier) is empty\n"
        "BAD t.ndjson:9:0: no time: neither timestamp nor originalTimestamp nor receivedAt\n");
}

static void what_an_alias_may_mean(void **state) {
    (void)state;
    trial_expect(
        "web",
        "{\"type\":\"alias\",\"userId\":\"u1\",\"previousId\":\"A@B.example\",\"timestamp\":\"2020-"
        "01-02\"}\n"
        "{\"type\":\"alias\",\"userId\":null,\"previousId\":\"u0\",\"timestamp\":\"2020-01-02\"}\n"
        "{\"type\":\"alias\",\"userId\":\"u1\",\"timestamp\":\"2020-01-02\"}\n",
        "Identity Aliased 2020-01-02T00:00:00Z {user_id:u1 ?user_id:A@B.example "
        "?anonymous_id:A@B.example ?email:a@b.example}\n"
        "Identity Aliased 2020-01-02T00:00:00Z {user_id:u1}\n"
        "BAD t.ndjson:2:0: nobody: userId (and every other identifier) is empty\n");
}

/* Members of one name in two places, in changing order: none is taken for the other. */
static void same_names_in_two_places(void **state) {
    (void)state;
    trial_expect(
        "some",
        "{\"data\":{\"n\":1,\"meta\":2},\"meta\":{\"at\":\"2020-01-02\",\"user\":{\"id\":1},"
        "\"n\":5}}\n"
        "{\"meta\":{\"user\":{\"id\":2},\"at\":\"2020-01-02\",\"n\":5},\"data\":{\"meta\":2,"
        "\"n\":1}}\n"
        "{\"data\":{\"n\":1},\"n\":7,\"meta\":{\"at\":\"2020-01-02\",\"user\":{\"id\":3}}}\n"
        "{\"data\":{},\"n\":7,\"meta\":{\"at\":\"2020-01-02\",\"user\":{\"id\":4}}}\n",
        "Noted 2020-01-02T00:00:00Z {user_id:1} n=1\n"
        "Noted 2020-01-02T00:00:00Z {user_id:2} n=1\n"
        "Noted 2020-01-02T00:00:00Z {user_id:3} n=1\n"
        "Noted 2020-01-02T00:00:00Z {user_id:4} n=7\n");
}

static void clock_correction(void **state) {
    (void)state;
    /* A client whose clock is an hour fast: 12:00 by its clock, sent five seconds later, received
     * at 11:00:07. */
    trial_expect(
        "web",
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"originalTimestamp\":\"2020-01-"
        "02T12:00:00Z\",\"sentAt\":\"2020-01-02T12:00:05Z\","
        "\"receivedAt\":\"2020-01-02T11:00:07Z\",\"timestamp\":\"2020-01-02T12:00:00Z\"}\n",
        "X 2020-01-02T11:00:02Z known 2020-01-02T11:00:07Z {user_id:u}\n");
    /* Live: received now, which the trial says is 22:13:20. */
    trial_expect(
        "live",
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":\"2023-11-14T23:00:"
        "00Z\",\"sentAt\":\"2023-11-14T23:00:10Z\"}\n"
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":\"2023-11-14T20:00:"
        "00Z\"}\n"
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\"}\n",
        "X 2023-11-14T22:13:10Z known 2023-11-14T22:13:20Z {user_id:u}\n"
        "X 2023-11-14T20:00:00Z known 2023-11-14T22:13:20Z {user_id:u}\n"
        "X 2023-11-14T22:13:20Z {user_id:u}\n");
}

static void external_ids_and_consent(void **state) {
    (void)state;
    trial_expect(
        "web",
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":\"2020-01-02\","
        "\"context\":{\"externalIds\":[{\"id\":\"+43\",\"type\":\"phone\"},"
        "{\"id\":\"z\",\"type\":\"martian\"},{\"id\":9}],\"consent\":{\"categoryPreferences\":{"
        "\"Advertising\":false,\"Analytics\":true}}}}\n"
        "{\"type\":\"track\",\"event\":\"Y\",\"userId\":\"u\",\"timestamp\":\"2020-01-03\","
        "\"context\":{\"externalIds\":[{\"id\":\"+43\",\"type\":\"phone\"}],"
        "\"consent\":{\"categoryPreferences\":{\"Advertising\":true,\"Analytics\":true}}}}\n",
        "X 2020-01-02T00:00:00Z {user_id:u phone:+43}\n"
        "Consent Changed 2020-01-02T00:00:00Z {user_id:u phone:+43} purpose=\"Advertising\" "
        "state=no source=\"web\"\n"
        "Consent Changed 2020-01-02T00:00:00Z {user_id:u phone:+43} purpose=\"Analytics\" "
        "state=yes source=\"web\"\n"
        "Y 2020-01-03T00:00:00Z {user_id:u phone:+43}\n"
        "Consent Changed 2020-01-03T00:00:00Z {user_id:u phone:+43} purpose=\"Advertising\" "
        "state=yes source=\"web\"\n");
}

/* A no is of one person: the next, who has a like name of another type, says it too. */
static void everyone_says_no_for_himself(void **state) {
    (void)state;
    struct buffer lines, expected;
    buffer_init(&lines);
    buffer_init(&expected);
    static const char consent[] = "\"timestamp\":\"2020-01-02\",\"context\":{\"consent\":{"
                                  "\"categoryPreferences\":{\"ads\":false}}}}";
    for (int i = 0; i < 60; i++) {
        const char *field = i < 30 ? "userId" : "anonymousId",
                   *type = i < 30 ? "user_id" : "anonymous_id";
        assert_int_equal(buffer_format(&lines,
                                       "{\"type\":\"track\",\"event\":\"X\",\"%s\":\"v%d\",%s\n",
                                       field, 10 + i % 30, consent),
                         STATUS_OK);
        assert_int_equal(
            buffer_format(&expected, "X 2020-01-02T00:00:00Z {%s:v%d}\n", type, 10 + i % 30),
            STATUS_OK);
        assert_int_equal(buffer_format(&expected,
                                       "Consent Changed 2020-01-02T00:00:00Z {%s:v%d} "
                                       "purpose=\"ads\" state=no source=\"web\"\n",
                                       type, 10 + i % 30),
                         STATUS_OK);
    }
    assert_int_equal(buffer_append(&lines, "", 1), STATUS_OK);
    assert_int_equal(buffer_append(&expected, "", 1), STATUS_OK);
    trial_expect("web", (const char *)lines.at, (const char *)expected.at);
    buffer_release(&lines);
    buffer_release(&expected);
}

static void keys(void **state) {
    (void)state;
    static const char lines[] =
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":\"2020-01-02\","
        "\"messageId\":\"m\"}\n"
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":\"2020-01-02\","
        "\"messageId\":\"n\"}\n"
        "{\"messageId\":\"m\",\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":"
        "\"2020-01-02\"}\n"
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":\"2020-01-02\"}\n"
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":\"2020-01-02\"}\n"
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"timestamp\":\"2020-01-02\" }\n";
    struct ingest_reader *reader;
    struct event_batch batch;
    event_batch_init(&batch);
    struct text bytes = {lines, sizeof lines - 1};
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                      trial_source(&ingest_trial, "web"), "t", bytes,
                                      &ingest_trial.error),
                     STATUS_OK);
    assert_int_equal(ingest_next(reader, &batch, &ingest_trial.error), STATUS_OK);
    assert_int_equal(batch.event_count, 6);
    assert_true(batch.events[0].key.low != 0 &&
                row_key_equal(batch.events[0].key, batch.events[2].key));
    assert_false(row_key_equal(batch.events[0].key, batch.events[1].key));
    /* Made of the line itself. */
    assert_true(batch.events[3].key.low != 0 &&
                row_key_equal(batch.events[3].key, batch.events[4].key));
    assert_false(row_key_equal(batch.events[4].key, batch.events[5].key));
    assert_int_equal(ingest_next(reader, &batch, &ingest_trial.error), STATUS_END);
    ingest_close(reader);
    event_batch_release(&batch);
}

/* What the batch says of all its messages fills the gaps of each; a message's own words count. */
static void batches(void **state) {
    (void)state;
    trial_expect(
        "web",
        "{\"batch\": [ {\"type\":\"track\",\"event\":\"Tea, "
        "\\\"[Drunk]\\\"\",\"userId\":\"u1\",\"originalTimestamp\":\"2020-01-02T03:00:00Z\","
        "\"properties\":{\"cup\":\"a\"}} , "
        "{\"type\":\"page\",\"name\":\"Home\",\"userId\":\"u2\",\"timestamp\":\"2020-01-02T04:00:"
        "00Z\"}],"
        "\"receivedAt\":\"2020-01-02T05:00:10Z\",\"sentAt\":\"2020-01-02T05:00:00Z\"}\n"
        "{\"batch\":[]}\n"
        "{\"type\":\"track\",\"event\":\"After\",\"userId\":\"u3\",\"timestamp\":\"2020-01-02T04:"
        "00:00Z\"}\n",
        "Tea, \"[Drunk]\" 2020-01-02T03:00:10Z known 2020-01-02T05:00:10Z {user_id:u1} cup=\"a\"\n"
        "Page Viewed 2020-01-02T04:00:00Z known 2020-01-02T05:00:10Z {user_id:u2} name=\"Home\"\n"
        "After 2020-01-02T04:00:00Z {user_id:u3}\n");
    assert_int_equal(ingest_trial.progress.rows, 3);
    trial_expect(
        "web",
        "{\"context\":{\"consent\":{\"categoryPreferences\":{\"ads\":true}}},\"batch\":["
        "{\"type\":\"track\",\"event\":\"A\",\"userId\":\"u1\",\"timestamp\":\"2020-01-02\"},"
        "{\"type\":\"track\",\"event\":\"B\",\"userId\":\"u2\",\"timestamp\":\"2020-01-02\","
        "\"context\":{\"consent\":{\"categoryPreferences\":{\"ads\":false}}}}]}\n",
        "A 2020-01-02T00:00:00Z {user_id:u1}\n"
        "Consent Changed 2020-01-02T00:00:00Z {user_id:u1} purpose=\"ads\" state=yes "
        "source=\"web\"\n"
        "B 2020-01-02T00:00:00Z {user_id:u2}\n"
        "Consent Changed 2020-01-02T00:00:00Z {user_id:u2} purpose=\"ads\" state=no "
        "source=\"web\"\n");
}

static void messages_left_of_a_batch(void **state) {
    (void)state;
    struct event_batch batch;
    struct ingest_reader *reader;
    static const char line[] =
        "{\"sentAt\":\"2020-01-03\",\"other\":[1],\"batch\":[{\"type\":\"track\",\"userId\":\"1\"},"
        " "
        "{\"type\":\"track\",\"event\":\"Good\",\"userId\":\"2\",\"timestamp\":\"2020-01-02\"},7,"
        "{\"type\":\"track\",\"event\":\"B}\",\"timestamp\":\"2020-01-02\"}],\"context\":{\"a\":\"]"
        "\"}}\n";
    trial_expect(
        "web", line,
        "Good 2020-01-02T00:00:00Z {user_id:2}\n"
        "BAD t.ndjson:1:0: message 1 of the batch: no event: a track message without the member "
        "event (and 2 more messages)\n");
    assert_int_equal(ingest_trial.progress.quarantined, 1);
    event_batch_init(&batch);
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                      trial_source(&ingest_trial, "web"), "t.ndjson",
                                      text_from(line), &ingest_trial.error),
                     STATUS_OK);
    assert_int_equal(ingest_next(reader, &batch, &ingest_trial.error), STATUS_OK);
    assert_int_equal(batch.row_count, 1);
    struct text raw = event_batch_text(&batch, batch.rows[0].raw, batch.rows[0].raw_length);
    static const char left[] = "{\"batch\":[{\"type\":\"track\",\"userId\":\"1\"},7,{\"type\":"
                               "\"track\",\"event\":\"B}\",\"timestamp\":\"2020-01-02\"}],"
                               "\"sentAt\":\"2020-01-03\",\"context\":{\"a\":\"]\"}}";
    assert_int_equal(raw.length, sizeof left - 1);
    assert_memory_equal(raw.at, left, raw.length);
    assert_string_equal(trial_replay(&ingest_trial, "web", 1, raw),
                        "BAD t.csv:1:0: message 1 of the batch: no event: a track message without "
                        "the member event (and 2 more messages)\n");
    ingest_close(reader);
    event_batch_release(&batch);
}

/* Each message takes what the line says of all: a megabyte of line would fill the memory. */
static void a_batch_that_swells(void **state) {
    (void)state;
    enum { MESSAGES = 3000, NOTE_BYTES = 60000 };
    struct event_batch batch;
    struct ingest_reader *reader;
    struct buffer line;
    buffer_init(&line);
    event_batch_init(&batch);
    enum status status = buffer_append_text(&line, TEXT("{\"batch\":["));
    for (int i = 0; i < MESSAGES; i++) {
        status |= buffer_format(&line,
                                "%s{\"type\":\"track\",\"event\":\"E\",\"userId\":\"u%d\","
                                "\"timestamp\":\"2020-01-02\"}",
                                i > 0 ? "," : "", i);
    }
    status |= buffer_append_text(&line, TEXT("],\"context\":{\"note\":\""));
    for (int i = 0; i < NOTE_BYTES; i++) status |= buffer_append_text(&line, TEXT("n"));
    status |= buffer_append_text(&line, TEXT("\"}}\n"));
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                      trial_source(&ingest_trial, "noted"), "t.ndjson",
                                      buffer_text(&line), &ingest_trial.error),
                     STATUS_OK);
    assert_int_equal(ingest_next(reader, &batch, &ingest_trial.error), STATUS_OK);
    assert_in_range(batch.event_count, 600, MESSAGES - 1);
    assert_in_range(batch.bytes.length, 40u << 20, 42u << 20);
    assert_int_equal(batch.row_count, 1); /* the others wait */
    ingest_close(reader);
    event_batch_release(&batch);
    buffer_release(&line);
}

static uint64_t key_of(const char *line, size_t index) {
    struct event_batch batch;
    struct ingest_reader *reader;
    event_batch_init(&batch);
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                      trial_source(&ingest_trial, "web"), "t.ndjson",
                                      text_from(line), &ingest_trial.error),
                     STATUS_OK);
    assert_int_equal(ingest_next(reader, &batch, &ingest_trial.error), STATUS_OK);
    assert_true(batch.event_count > index);
    uint64_t key = batch.events[index].key.low;
    ingest_close(reader);
    event_batch_release(&batch);
    return key;
}

/* A message is the same alone and in any batch. */
static void batch_messages_have_keys(void **state) {
    (void)state;
#define MESSAGE                                                                                    \
    "{\"type\":\"track\",\"event\":\"A\",\"userId\":\"u1\",\"timestamp\":\"2020-01-02\"}"
#define NAMED                                                                                      \
    "{\"type\":\"track\",\"event\":\"A\",\"userId\":\"u1\",\"messageId\":\"m\",\"timestamp\":"     \
    "\"2020-01-02\"}"
    uint64_t alone = key_of(MESSAGE "\n", 0), named = key_of(NAMED "\n", 0);
    assert_true(alone != named);
    assert_true(key_of("{\"batch\":[" NAMED "," MESSAGE "]}\n", 0) == named);
    assert_true(key_of("{\"batch\":[" NAMED "," MESSAGE "]}\n", 1) == alone);
    assert_true(key_of("{\"batch\":[ " MESSAGE " ]}\n", 0) == alone);
}

static void lookup_by_paths(void **state) {
    (void)state;
    const char *path = "ingest_json_test.ndjson";
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs("{\"id\":1,\"place\":{\"city\":\"Graz\",\"geo\":{\"lat\":47.07}},\"open\":true}\n{\"id\":"
          "2,\"place\":\"here\"}\n",
          file);
    fclose(file);
    assert_string_equal(trial_lookup(&ingest_trial, "shop", path), "2 rows\n");
    const struct lookup_table *table = ingest_trial.lookups[0];
    struct value key = value_text(TEXT("1"));
    uint32_t row, count;
    assert_true(lookup_find(table, &key, &row, &count));
    struct value city = lookup_cell(table, row, lookup_field_find(table, TEXT("place.city")));
    assert_true(city.type == VALUE_TEXT && text_equal(city.text, TEXT("Graz")));
    struct value lat = lookup_cell(table, row, lookup_field_find(table, TEXT("place.geo.lat")));
    assert_true(lat.type == VALUE_NUMBER && lat.number > 47.06 && lat.number < 47.08);
    key = value_text(TEXT("2"));
    assert_true(lookup_find(table, &key, &row, &count));
    assert_false(
        value_is_known(lookup_cell(table, row, lookup_field_find(table, TEXT("place.city")))));
    remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(open_properties),
        cmocka_unit_test(order_completed),
        cmocka_unit_test(kinds_of_messages),
        cmocka_unit_test(what_an_alias_may_mean),
        cmocka_unit_test(clock_correction),
        cmocka_unit_test(external_ids_and_consent),
        cmocka_unit_test(everyone_says_no_for_himself),
        cmocka_unit_test(batches),
        cmocka_unit_test(messages_left_of_a_batch),
        cmocka_unit_test(batch_messages_have_keys),
        cmocka_unit_test(batches),
        cmocka_unit_test(a_batch_that_swells),
        cmocka_unit_test(batch_messages_have_keys),
        cmocka_unit_test(lookup_by_paths),
        cmocka_unit_test(keys),
        cmocka_unit_test(same_names_in_two_places),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
