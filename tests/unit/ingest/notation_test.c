/* SPDX-License-Identifier: Apache-2.0 */
/* Times and figures as files write them: the lines of docs/ingest.md, and what a source's mapping
 * makes of them. */
#include "support/unit.h"

#include "ingest/cell/cell.h"
#include "ingest/cell/notation.h"
#include "playbook/source/sources.h"
#include "support/ingest_trial.h"

static struct cell_reader reader;

/* What a column of this type ("time day first") makes of a text, as the page writes it. */
static void read_as(struct text type_words, struct text text, struct buffer *out) {
    struct notation notation = {0};
    char advice[NOTATION_ADVICE_BYTES];
    struct value value;
    struct cell cell = {.text = text, .kind = CELL_TEXT};
    enum value_type type = column_type_from_text(type_words, &notation);
    if (type == VALUE_UNKNOWN) fail_msg("no type: %.*s", TEXT_ARG(type_words));
    buffer_clear(out);
    enum status status = cell_value(&reader, &cell, type, notation, &value);
    if (status == STATUS_OK)
        status = value_print(value, out);
    else
        status = buffer_format(out, "no %s%s", value_type_name(type),
                               notation_advice(text, type, notation, advice));
    assert_int_equal(status, STATUS_OK);
}

static struct text cut(struct text *line, const char *mark) {
    const char *at = strstr(line->at, mark);
    if (at == NULL || at >= line->at + line->length)
        fail_msg("no \"%s\" in %.*s", mark, TEXT_ARG(*line));
    struct text head = {line->at, (uint32_t)(at - line->at)};
    line->length -= head.length + (uint32_t)strlen(mark);
    line->at = at + strlen(mark);
    return text_trim(head);
}

static int check_line(struct text line, struct buffer *out) {
    struct text type = cut(&line, " | "), text = cut(&line, "→"), wanted = text_trim(line);
    read_as(type, text, out);
    if (text_equal(buffer_text(out), wanted)) return 0;
    print_message("%.*s of %.*s: %.*s, the page says %.*s\n", TEXT_ARG(type), TEXT_ARG(text),
                  TEXT_ARG(buffer_text(out)), TEXT_ARG(wanted));
    return 1;
}

static void page_agrees(void **state) {
    (void)state;
    static char page[1 << 16];
    FILE *file = fopen(SOURCE_ROOT "/docs/ingest.md", "rb");
    assert_non_null(file);
    page[fread(page, 1, sizeof page - 1, file)] = 0;
    fclose(file);
    struct buffer out;
    int lines = 0, wrong = 0;
    buffer_init(&out);
    reader.currency = 0;
    assert_int_equal(currency_from_text(TEXT("USD"), &reader.currency), STATUS_OK);
    reader.minor_digits = 2;
    zone_days_init(&reader.days, NULL);
    char *at = strstr(page, "```notation\n");
    assert_non_null(at);
    at += strlen("```notation\n");
    for (char *end; strncmp(at, "```", 3) != 0; at = end + 1, lines++) {
        end = strchr(at, '\n');
        assert_non_null(end);
        wrong += check_line((struct text){at, (uint32_t)(end - at)}, &out);
    }
    assert_true(lines > 30);
    assert_int_equal(wrong, 0);
    buffer_release(&out);
}

/* ---- through a mapping ---- */

static const char playbook[] =
    "customer: { identifiers: { loyalty: { per_customer: 3 } } }\n"
    "sources:\n"
    "  prices:\n"
    "    file: p.csv\n"
    "    lookup: sku\n"
    "    dates: month first\n"
    "    decimal: comma\n"
    "    types: { price: money, since: time, weight: number decimal point }\n"
    "  orders:\n"
    "    file: t.csv\n"
    "    event: Order Completed\n"
    "    time: at\n"
    "    zone: Europe/Vienna\n"
    "    dates: day first\n"
    "    decimal: comma\n"
    "    key: { loyalty: who }\n"
    "    types: { paid: money, born: time month first, sent: time seconds, weight: number decimal "
    "point, amount: number }\n"
    "    properties: { paid: paid, born: born, sent: sent, weight: weight, amount: amount }\n"
    "  lines:\n"
    "    file: l.ndjson\n"
    "    event: Order Completed\n"
    "    time: at\n"
    "    dates: milliseconds\n"
    "    decimal: comma\n"
    "    key: { loyalty: who }\n"
    "    types: { properties.born: time day first }\n"
    "    properties: { paid: money, born: properties.born, items: { price: money, best: time } }\n"
    "  sums:\n"
    "    file: t.csv\n"
    "    event: Order Completed\n"
    "    time: always\n"
    "    one_event_per: basket\n"
    "    key: { loyalty: who }\n"
    "    types: { paid: money }\n"
    "    properties: { revenue: sum(paid) }\n"
    "  tops:\n"
    "    file: t.csv\n"
    "    event: Order Completed\n"
    "    time: always\n"
    "    one_event_per: basket\n"
    "    key: { loyalty: who }\n"
    "    types: { paid: money }\n"
    "    properties: { top: max(paid) }\n"
    "  versions:\n"
    "    file: t.csv\n"
    "    event: Order Completed\n"
    "    time: always\n"
    "    key: { loyalty: who }\n"
    "    row_key: id\n"
    "    row_version: rev\n";

static int begin(void **state) {
    return trial_begin(state, playbook);
}

static void source_and_columns_say_how(void **state) {
    (void)state;
    assert_string_equal(
        trial_text(&ingest_trial, "orders",
                   "who;at;paid;born;sent;weight;amount\n"
                   "7;1.7.2017 2:05 PM;1.234,50;02/01/1980;1490969133;1,000.5;1.000,5\n"
                   "7;2017-01-31;€ 3;;;;\n"),
        "Order Completed 2017-07-01T12:05:00Z {loyalty:7} paid=1234.50 USD "
        "born=1980-01-31T23:00:00Z "
        "sent=2017-03-31T14:05:33Z weight=1000.5 amount=1000.5\n"
        "Order Completed 2017-01-30T23:00:00Z {loyalty:7} paid=3.00 EUR\n");
}

static void reason_says_what_to_declare(void **state) {
    (void)state;
    assert_string_equal(
        trial_text(&ingest_trial, "orders",
                   "who,at,paid,born,sent,weight,amount\n"
                   "7,03/31/2017,,,,,\n"
                   "7,31.03.2017,,31.03.1980,,,\n"
                   "7,31.03.2017,,,,,1.5\n"),
        "BAD t.csv:2:2: '03/31/2017' is no time in column at: declare dates: month first instead\n"
        "BAD t.csv:3:4: '31.03.1980' is no time in column born: declare dates: day first instead\n"
        "BAD t.csv:4:7: '1.5' is no number in column amount: declare decimal: point instead\n");
}

/* Without a word a version is a time; many systems count. */
static void a_version_that_counts(void **state) {
    (void)state;
    assert_string_equal(
        trial_text(&ingest_trial, "versions", "id,who,rev\n1,7,1\n2,7,soon\n"),
        "BAD t.csv:2:3: '1' is no time in column rev, the row_version: where it counts, declare "
        "types: { rev: number }\n"
        "BAD t.csv:3:3: 'soon' is no time in column rev: a time is 2017-03-31 14:05:33, or what "
        "dates: declares\n");
}

static void json_lines_too(void **state) {
    (void)state;
    assert_string_equal(trial_text(&ingest_trial, "lines",
                                   "{\"who\":\"7\",\"at\":1490969133250,\"properties\":{\"paid\":"
                                   "\"1.234,5\",\"born\":\"31.3.1980\","
                                   "\"items\":[{\"price\":\"2,50\",\"best\":\"1490969133250\"},{"
                                   "\"price\":2.5,\"best\":\"2017-04-01\"}]}}\n"),
                        "Order Completed 2017-03-31T14:05:33.250Z {loyalty:7} paid=1234.50 USD "
                        "born=1980-03-31T00:00:00Z "
                        "items=[{price=2.50 USD best=2017-03-31T14:05:33.250Z} {price=2.50 USD "
                        "best=2017-04-01T00:00:00Z}]\n");
}

static void currencies_are_not_summed(void **state) {
    (void)state;
    static const char file[] = "basket,who,paid\n1,7,$2\n1,7,3 EUR\n2,7,(1.50)\n2,7,2 USD\n";
    assert_string_equal(trial_text(&ingest_trial, "sums", file),
                        "Order Completed always {loyalty:7} revenue=0.50 USD\n"
                        "BAD t.csv:3:3: the rows of the event hold two currencies, which can't be "
                        "taken together\n");
    assert_string_equal(trial_text(&ingest_trial, "tops", file),
                        "Order Completed always {loyalty:7} top=2.00 USD\n"
                        "BAD t.csv:3:3: the rows of the event hold two currencies, which can't be "
                        "taken together\n");
}

static void lookups_too(void **state) {
    (void)state;
    char path[] = "/tmp/notation_test.XXXXXX";
    int handle = mkstemp(path);
    assert_true(handle >= 0);
    FILE *file = fdopen(handle, "wb");
    assert_non_null(file);
    fputs("sku;price;since;weight\na;1.234,50;3/31/2017;1,000.5\nb;2;31/3/2017;1\n", file);
    fclose(file);
    const char *text = trial_lookup(&ingest_trial, "prices", path);
    assert_non_null(strstr(text, "1 rows"));
    assert_non_null(
        strstr(text, "'31/3/2017' is no time in column since: declare dates: day first instead"));
    const struct lookup_table *table = ingest_trial.lookups[0];
    struct value key = value_text(TEXT("a"));
    uint32_t row, count;
    assert_true(lookup_find(table, &key, &row, &count));
    assert_int_equal(lookup_cell(table, row, lookup_field_find(table, TEXT("price"))).minor,
                     123450);
    assert_int_equal(lookup_cell(table, row, lookup_field_find(table, TEXT("since"))).time_ms,
                     INT64_C(1490918400000));
    assert_true(lookup_cell(table, row, lookup_field_find(table, TEXT("weight"))).number == 1000.5);
    remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_agrees),
        cmocka_unit_test(source_and_columns_say_how),
        cmocka_unit_test(reason_says_what_to_declare),
        cmocka_unit_test(a_version_that_counts),
        cmocka_unit_test(json_lines_too),
        cmocka_unit_test(currencies_are_not_summed),
        cmocka_unit_test(lookups_too),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
