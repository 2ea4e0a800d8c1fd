/* SPDX-License-Identifier: Apache-2.0 */
/* What a mapping makes of rows: kinds of fields, types, groups, joins, times, identifiers, keys. */
#include "support/unit.h"

#include "base/hash.h"
#include "support/ingest_trial.h"

static const char playbook[] =
    "customer: { identifiers: { loyalty: { per_customer: 3 }, email: { per_customer: 5 } } }\n"
    "sources:\n"
    "  campaign: { file: c.csv, lookup: campaign_id, types: { start: time } }\n"
    "  orders:\n"
    "    file: t.csv\n"
    "    event: Order Completed\n"
    "    channel: store\n"
    "    one_event_per: basket\n"
    "    time: at\n"
    "    zone: America/New_York\n"
    "    arrives: 1d\n"
    "    key: { loyalty: who }\n"
    "    row_key: basket\n"
    "    types: { price: money, quantity: number, at: time }\n"
    "    properties:\n"
    "      order_id: basket\n"
    "      revenue: sum(price)\n"
    "      pieces: sum(quantity)\n"
    "      lines: count(product)\n"
    "      dearest: max(price)\n"
    "      cheapest: min(price)\n"
    "      first_product: first(product)\n"
    "      last_product: last(product)\n"
    "      products: [product, quantity, price]\n"
    "  mails:\n"
    "    file: t.csv\n"
    "    event: Treatment Delivered\n"
    "    channel: mail\n"
    "    time: campaign.start\n"
    "    key: { loyalty: who, email: mail }\n"
    "    row_key: \"{campaign_id}/{who}\"\n"
    "    properties: { treatment: \"mail/{campaign_id}\", type: campaign.type, kind: 'paper' }\n"
    "  named:\n"
    "    file: t.csv\n"
    "    event: \"{what}\"\n"
    "    channel: \"{where}\"\n"
    "    time: at\n"
    "    arrives: live\n"
    "    key: { email: mail, loyalty: who }\n"
    "    properties: { note: note }\n"
    "  undated:\n"
    "    file: t.csv\n"
    "    event: Customer Record\n"
    "    time: always\n"
    "    key: { loyalty: who }\n"
    "    types: { member: yes/no, since: time, age: number, span: duration }\n"
    "    properties: { member: member, since: since, age: age, span: span }\n"
    "  pairs:\n"
    "    file: t.csv\n"
    "    event: Noted\n"
    "    time: always\n"
    "    key: { email: [mail, other_mail], loyalty: who }\n"
    "    row_key: [order, line]\n"
    "  single: { file: t.csv, event: Noted, time: always, key: { loyalty: who }, row_key: order }\n"
    "  loose:\n"
    "    file: l.ndjson\n"
    "    event: Order Completed\n"
    "    one_event_per: basket\n"
    "    time: at\n"
    "    key: { loyalty: who }\n"
    "    types: { price: money }\n"
    "    properties: { revenue: sum(price) }\n";

static int begin(void **state) {
    return trial_begin(state, playbook);
}

static void write_file(const char *path, const char *bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(bytes, 1, strlen(bytes), file);
    fclose(file);
}

static void scattered_group(void **state) {
    (void)state;
    trial_expect(
        "orders",
        "who,basket,product,quantity,price,at\n"
        "7,b1,milk,1,0.99,2017-01-28 14:06:53\n"
        "8,b2,beer,6,9.00,2017-07-01 09:00:00\n"
        "7,b1,bread,2,3.10,2017-01-28 14:06:53\n"
        "9,b3,,,-1.5,2017-01-28 14:06:53\n"
        "7,b1,eggs,12,2.4,2017-01-28 14:06:53\n",
        "Order Completed 2017-01-28T19:06:53Z known 2017-01-29T19:06:53Z {loyalty:7} "
        "order_id=\"b1\" revenue=6.49 USD pieces=15 lines=3 "
        "dearest=3.10 USD cheapest=0.99 USD first_product=\"milk\" last_product=\"eggs\" "
        "products=[{product=\"milk\" quantity=1 price=0.99 USD} "
        "{product=\"bread\" quantity=2 price=3.10 USD} {product=\"eggs\" quantity=12 price=2.40 "
        "USD}]\n"
        "Order Completed 2017-07-01T13:00:00Z known 2017-07-02T13:00:00Z {loyalty:8} "
        "order_id=\"b2\" revenue=9.00 USD pieces=6 lines=1 "
        "dearest=9.00 USD cheapest=9.00 USD first_product=\"beer\" last_product=\"beer\" "
        "products=[{product=\"beer\" quantity=6 price=9.00 USD}]\n"
        "Order Completed 2017-01-28T19:06:53Z known 2017-01-29T19:06:53Z {loyalty:9} "
        "order_id=\"b3\" revenue=-1.50 USD lines=0 "
        "dearest=-1.50 USD cheapest=-1.50 USD products=[{price=-1.50 USD}]\n");
    assert_int_equal(ingest_trial.progress.disagreeing_rows, 0);
}

static void group_rows_that_disagree(void **state) {
    (void)state;
    trial_expect("orders",
                 "who,basket,product,quantity,price,at\n"
                 "7,b1,milk,1,1,2017-01-28 14:00:00\n"
                 "8,b1,beer,1,1,2017-01-28 13:00:00\n",
                 "Order Completed 2017-01-28T18:00:00Z known 2017-01-29T18:00:00Z {loyalty:7} "
                 "order_id=\"b1\" revenue=2.00 USD pieces=2 lines=2 "
                 "dearest=1.00 USD cheapest=1.00 USD first_product=\"milk\" last_product=\"beer\" "
                 "products=[{product=\"milk\" quantity=1 price=1.00 USD} "
                 "{product=\"beer\" quantity=1 price=1.00 USD}]\n");
    assert_int_equal(ingest_trial.progress.disagreeing_rows, 1);
}

/* With room for a few rows only: a sorted file comes out whole; in a scattered one late rows are
 * told, never made into second events. */
static void group_limit(void **state) {
    (void)state;
    struct buffer sorted, scattered;
    buffer_init(&sorted);
    buffer_init(&scattered);
    assert_int_equal(buffer_format(&sorted, "who,basket,product,quantity,price,at\n"), STATUS_OK);
    assert_int_equal(buffer_append(&scattered, sorted.at, sorted.length), STATUS_OK);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(buffer_format(&sorted, "7,b%d,p,1,1,2017-01-28\n", i / 4), STATUS_OK);
        assert_int_equal(buffer_format(&scattered, "7,b%d,p,1,1,2017-01-28\n", i % 500), STATUS_OK);
    }
    ingest_trial.settings.group_bytes_max = 20000;
    assert_int_equal(trial_read(&ingest_trial, "orders", sorted.at, sorted.length), STATUS_END);
    assert_int_equal(ingest_trial.progress.rows, 2000);
    assert_int_equal(ingest_trial.progress.quarantined, 0);
    assert_int_equal(ingest_trial.progress.events, 500);
    assert_int_equal(trial_read(&ingest_trial, "orders", scattered.at, scattered.length),
                     STATUS_END);
    assert_int_equal(ingest_trial.progress.rows, 2000);
    assert_int_equal(ingest_trial.progress.events, 500);
    assert_true(ingest_trial.progress.quarantined > 1000);
    assert_non_null(strstr(
        ingest_trial.out.at,
        ":2: the other rows of its basket stood too far before it: sort the file by basket\n"));
    ingest_trial.settings.group_bytes_max = 0;
    assert_int_equal(trial_read(&ingest_trial, "orders", scattered.at, scattered.length),
                     STATUS_END);
    assert_int_equal(ingest_trial.progress.events, 500);
    assert_int_equal(ingest_trial.progress.quarantined, 0);
    buffer_release(&sorted);
    buffer_release(&scattered);
}

static void groups_of_json_lines(void **state) {
    (void)state;
    trial_expect("loose",
                 "{\"at\":\"2020-01-02\",\"who\":\"7\",\"basket\":1,\"price\":1.10}\n"
                 "{\"at\":\"2020-01-02\",\"who\":\"8\",\"basket\":2,\"price\":5}\n"
                 "{\"at\":\"2020-01-02\",\"who\":\"7\",\"basket\":\"1\",\"price\":\"2.20\"}\n",
                 "Order Completed 2020-01-02T00:00:00Z {loyalty:7} revenue=3.30 USD\n"
                 "Order Completed 2020-01-02T00:00:00Z {loyalty:8} revenue=5.00 USD\n");
}

static void joined_lookup(void **state) {
    (void)state;
    const char *path = "ingest_map_test.csv";
    trial_expect(
        "mails", "who,campaign_id,mail\n7,1,\n",
        "source mails needs the lookup campaign, which has not been loaded: load its file first");
    write_file(path, "campaign_id,start,type\n1,2017-03-03,A\n2,2017-05-05,\n3,,C\n2,2018-01-01,"
                     "twice\n,2018-01-01,nobody\n4,soon,D\n");
    assert_string_equal(trial_lookup(&ingest_trial, "campaign", path),
                        "3 rows\n"
                        "BAD ingest_map_test.csv:5:0: a second row of this key; write many: yes "
                        "where several belong to one\n"
                        "BAD ingest_map_test.csv:6:0: the key is empty\n"
                        "BAD ingest_map_test.csv:7:2: 'soon' is no time in column start: a time is "
                        "2017-03-31 14:05:33, or what dates: declares\n");
    ingest_trial.with_keys = true;
    trial_expect(
        "mails", "who,campaign_id,mail\n7,1, A@B.Example \n8,2,\n9,3,\n9,99,\n9,,\n",
        "Treatment Delivered 2017-03-03T00:00:00Z key yes {loyalty:7 email:a@b.example} "
        "treatment=\"mail/1\" kind=\"paper\" type=\"A\"\n"
        "Treatment Delivered 2017-05-05T00:00:00Z key yes {loyalty:8} treatment=\"mail/2\" "
        "kind=\"paper\"\n"
        "BAD t.csv:4:2: no time: the lookup has no start for this row\n"
        "BAD t.csv:5:2: no time: the lookup has no start for this row\n"
        "BAD t.csv:6:0: the row key {campaign_id}/{who} is empty\n");
    ingest_trial.with_keys = false;
    write_file(path, "id,start,type\n");
    assert_string_equal(trial_lookup(&ingest_trial, "campaign", path),
                        "ingest_map_test.csv:1: there is no column campaign_id, mapped as a field "
                        "of lookup campaign. Columns: id, start, type");
    remove(path);
}

static void names_from_columns(void **state) {
    (void)state;
    trial_expect(
        "named",
        "what,where,at,mail,who,note\n"
        "Store Visited, store ,2020-01-02,,7,hello\n"
        "Called,phone,2099-01-02,X@Y.Z,,\n"
        ",phone,2020-01-02,,7,\n",
        "Store Visited 2020-01-02T00:00:00Z known 2023-11-14T22:13:20Z {loyalty:7} note=\"hello\"\n"
        "Called 2099-01-02T00:00:00Z {email:x@y.z}\n"
        "BAD t.csv:4:1: no event: column what is empty\n");
}

static void undated_and_types(void **state) {
    (void)state;
    trial_expect("undated",
                 "who,member,since,age,span\n7,YES,2001-02-03 "
                 "04:05,42,1d12h\n8,0,1500000000,1e2,\n9,,,-0.5,\n",
                 "Customer Record always {loyalty:7} member=yes since=2001-02-03T04:05:00Z age=42 "
                 "span=1d12h\n"
                 "Customer Record always {loyalty:8} member=no since=2017-07-14T02:40:00Z age=100\n"
                 "Customer Record always {loyalty:9} age=-0.5\n");
}

/* Around both changes of the clock, every half hour: exactly what value_parse says. */
static void times_in_a_zone(void **state) {
    (void)state;
    const struct source *source = trial_source(&ingest_trial, "orders");
    struct buffer file;
    buffer_init(&file);
    assert_int_equal(buffer_format(&file, "who,basket,product,quantity,price,at\n"), STATUS_OK);
    for (int month = 1; month <= 12; month++) {
        for (int day = 1; day <= 28; day++) {
            for (int half = 0; half < 48; half++) {
                assert_int_equal(
                    buffer_format(&file, "7,b%d-%d-%d,p,1,1,2019-%02d-%02d %02d:%02d:07\n", month,
                                  day, half, month, day, half / 2, half % 2 * 30),
                    STATUS_OK);
            }
        }
    }
    struct ingest_reader *reader;
    struct event_batch batch;
    event_batch_init(&batch);
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings, source, "t.csv",
                                      buffer_text(&file), &ingest_trial.error),
                     STATUS_OK);
    int seen = 0;
    while (ingest_next(reader, &batch, &ingest_trial.error) == STATUS_OK) {
        for (size_t i = 0; i < batch.event_count; i++, seen++) {
            struct value expected;
            char text[32];
            int half = seen % 48, day = seen / 48 % 28 + 1, month = seen / 48 / 28 + 1;
            snprintf(text, sizeof text, "2019-%02d-%02d %02d:%02d:07", month, day, half / 2,
                     half % 2 * 30);
            assert_int_equal(value_parse(text_from(text), VALUE_TIME, 0, source->zone, &expected),
                             STATUS_OK);
            assert_int_equal(batch.events[i].time_ms, expected.time_ms);
        }
    }
    assert_int_equal(seen, 12 * 28 * 48);
    ingest_close(reader);
    event_batch_release(&batch);
    buffer_release(&file);
}

static void money_of_exports(void **state) {
    (void)state;
    trial_expect("loose",
                 "{\"at\":\"2020-01-02\",\"who\":\"7\",\"basket\":1,\"price\":4.440892e-16}\n"
                 "{\"at\":\"2020-01-02\",\"who\":\"7\",\"basket\":2,\"price\":\"1.5e2\"}\n"
                 "{\"at\":\"2020-01-02\",\"who\":\"7\",\"basket\":3,\"price\":0.285}\n"
                 "{\"at\":\"2020-01-02\",\"who\":\"7\",\"basket\":4,\"price\":1234567890.12}\n"
                 "{\"at\":\"2020-01-02\",\"who\":\"7\",\"basket\":5,\"price\":-0.615}\n",
                 "Order Completed 2020-01-02T00:00:00Z {loyalty:7} revenue=0.00 USD\n"
                 "Order Completed 2020-01-02T00:00:00Z {loyalty:7} revenue=150.00 USD\n"
                 "Order Completed 2020-01-02T00:00:00Z {loyalty:7} revenue=0.28 USD\n"
                 "Order Completed 2020-01-02T00:00:00Z {loyalty:7} revenue=1234567890.12 USD\n"
                 "Order Completed 2020-01-02T00:00:00Z {loyalty:7} revenue=-0.62 USD\n");
}

static void several_columns_of_an_identifier(void **state) {
    (void)state;
    trial_expect("pairs",
                 "who,mail,other_mail,order,line\n7,a@x.y,B@x.y,1,1\n,,b@x.y,1,2\n,,,1,3\n",
                 "Noted always {email:a@x.y email:b@x.y loyalty:7}\n"
                 "Noted always {email:b@x.y}\n"
                 "BAD t.csv:4:2: nobody: mail (and every other identifier) is empty\n");
}

static void keys_of(const char *source, const char *rows, uint64_t *keys, size_t count) {
    struct ingest_reader *reader;
    struct event_batch batch;
    event_batch_init(&batch);
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                      trial_source(&ingest_trial, source), "t.csv", text_from(rows),
                                      &ingest_trial.error),
                     STATUS_OK);
    assert_int_equal(ingest_next(reader, &batch, &ingest_trial.error), STATUS_OK);
    assert_int_equal(batch.event_count, count);
    for (size_t i = 0; i < count; i++) keys[i] = batch.events[i].key.low;
    ingest_close(reader);
    event_batch_release(&batch);
}

/* Columns are kept apart: what a template would write as one text stays two keys. */
static void row_key_of_several_columns(void **state) {
    (void)state;
    uint64_t key[4];
    keys_of("pairs", "who,mail,other_mail,order,line\n7,,,a,bc\n7,,,ab,c\n8,,,a,bc\n7,,,bc,a\n",
            key, 4);
    assert_true(key[0] == key[2]);
    assert_true(key[0] != key[1] && key[0] != key[3] && key[1] != key[3]);
    trial_expect("pairs", "who,mail,other_mail,order,line\n7,,,1,\n",
                 "BAD t.csv:2:5: the row key line is empty\n");
    keys_of("single", "who,order\n7,a\n7,b\n8,a\n", key,
            3); /* its events are in data directories: the same for ever */
    assert_true(key[0] == key[2] && key[0] != key[1]);
    assert_true(key[0] == hash_text(TEXT("a"), hash_text(TEXT("single"), 0)));
}

static void lookup_is_no_event(void **state) {
    (void)state;
    trial_expect("campaign", "campaign_id\n1\n",
                 "source campaign is a lookup: its rows are no events");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scattered_group),
        cmocka_unit_test(group_rows_that_disagree),
        cmocka_unit_test(group_limit),
        cmocka_unit_test(groups_of_json_lines),
        cmocka_unit_test(joined_lookup),
        cmocka_unit_test(names_from_columns),
        cmocka_unit_test(undated_and_types),
        cmocka_unit_test(times_in_a_zone),
        cmocka_unit_test(money_of_exports),
        cmocka_unit_test(several_columns_of_an_identifier),
        cmocka_unit_test(row_key_of_several_columns),
        cmocka_unit_test(lookup_is_no_event),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
