/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which a row can be bad, with the file, line, column and words that its owner gets to
 * read. */
#include "support/unit.h"
#include <zlib.h>

#include "support/ingest_trial.h"

static const char playbook[] = "customer: { identifiers: { loyalty: { per_customer: 3 } } }\n"
                               "sources:\n"
                               "  plain:\n"
                               "    file: t.csv\n"
                               "    event: Noted\n"
                               "    time: at\n"
                               "    key: { loyalty: who }\n"
                               "    row_key: id\n"
                               "    types: { n: number, price: money, ok: yes/no }\n"
                               "    properties: { n: n, price: price, ok: ok }\n"
                               "  orders:\n"
                               "    file: t.csv\n"
                               "    event: Order Completed\n"
                               "    time: at\n"
                               "    one_event_per: order\n"
                               "    key: { loyalty: who }\n"
                               "    types: { n: number }\n"
                               "    properties: { total: sum(n), items: [n] }\n"
                               "  lines:\n"
                               "    file: t.ndjson\n"
                               "    event: Noted\n"
                               "    time: at\n"
                               "    key: { loyalty: who }\n"
                               "    properties: { n: number, tags: list }\n";

static int begin(void **state) {
    return trial_begin(state, playbook);
}

#define HEAD       "who,at,id,n,price,ok\n"
#define GOOD       "7,2020-01-02,i,1,2.50,yes\n"
#define GOOD_EVENT "Noted 2020-01-02T00:00:00Z {loyalty:7} n=1 price=2.50 USD ok=yes\n"

/* The bad row stands between two good ones, which must both be there. */
static void check_row(const char *row, const char *reason) {
    struct buffer file, expected;
    buffer_init(&file);
    buffer_init(&expected);
    assert_int_equal(buffer_format(&file, HEAD GOOD "%s\n" GOOD, row), STATUS_OK);
    assert_int_equal(buffer_format(&expected, GOOD_EVENT GOOD_EVENT "BAD t.csv:3:%s\n", reason),
                     STATUS_OK);
    assert_int_equal(trial_read(&ingest_trial, "plain", file.at, file.length), STATUS_END);
    assert_string_equal(ingest_trial.out.at,
                        (buffer_append(&expected, "", 1) == STATUS_OK) ? expected.at : "");
    assert_int_equal(ingest_trial.progress.quarantined, 1);
    assert_int_equal(ingest_trial.progress.rows, 3);
    buffer_release(&file);
    buffer_release(&expected);
}

static void values(void **state) {
    (void)state;
    check_row("7,2020-01-02,i,abc,2.50,yes", "4: 'abc' is no number in column n");
    check_row("7,2020-01-02,i,1e999,2.50,yes", "4: '1e999' is no number in column n");
    check_row("7,2020-01-02,i,1,2.50 or so,yes", "5: '2.50 or so' is no money in column price");
    check_row("7,2020-01-02,i,1,2.50,perhaps", "6: 'perhaps' is no yes/no in column ok");
    check_row("7,2020-13-02,i,1,2.50,yes", "2: '2020-13-02' is no time in column at: a time is "
                                           "2017-03-31 14:05:33, or what dates: declares");
    check_row("7,2020-02-30,i,1,2.50,yes", "2: '2020-02-30' is no time in column at: a time is "
                                           "2017-03-31 14:05:33, or what dates: declares");
    check_row("7,2020-01-02 24:00:00,i,1,2.50,yes",
              "2: '2020-01-02 24:00:00' is no time in column at: a time is 2017-03-31 14:05:33, or "
              "what dates: declares");
    check_row("7,,i,1,2.50,yes", "2: no time: column at is empty");
    check_row(",2020-01-02,i,1,2.50,yes", "1: nobody: who is empty");
    check_row("  ,2020-01-02,i,1,2.50,yes", "1: nobody: who is empty");
    check_row("7,2020-01-02,,1,2.50,yes", "3: the row key id is empty");
    check_row("7,2020-01-02,i,a\tb,2.50,yes", "4: 'a?b' is no number in column n");
    check_row("7,2020-01-02,i,äöüäöüäöüäöüäöüäöüäöüäöüäöüäöü,2.50,yes",
              "4: 'äöüäöüäöüäöüäöüäöüäöüäöü…' is no number in column n");
}

#define NOT_UTF8 "0: the row is not UTF-8; convert the file (iconv -f WINDOWS-1252 -t UTF-8)"

static void shapes(void **state) {
    (void)state;
    check_row("7,2020-01-02,i,1",
              "5: the row has 4 fields, the file has 6 columns: price is missing");
    check_row("7,2020-01-02,i,1,2.50,yes,more", "7: the row has more than the file's 6 columns");
    check_row("7,2020-01-02,i,1,2.50,\"yes\"no", "0: text stands behind a closing quote");
    check_row("7,2020-01-02,i,1,2.50,y\xE9s", NOT_UTF8);
    check_row("7,2020-01-02,i,1,2.50,\xED\xA0\x80", NOT_UTF8);
}

static void nul_byte(void **state) {
    (void)state;
    static const char file[] = HEAD GOOD "7,2020-01-02,i,\0,2.50,yes\n" GOOD;
    assert_int_equal(trial_read(&ingest_trial, "plain", file, sizeof file - 1), STATUS_END);
    assert_string_equal(ingest_trial.out.at,
                        GOOD_EVENT GOOD_EVENT "BAD t.csv:3:0: the row holds a NUL byte\n");
}

static void open_quote(void **state) {
    (void)state;
    /* The quote closes at the next one, and what stands behind that shows the first to be astray:
     * one row is lost, not two. */
    trial_expect(
        "plain", HEAD GOOD "7,2020-01-02,\"i,1,2.50,yes\n" GOOD "7,2020-01-02,\"i\",1,2.50,yes\n",
        GOOD_EVENT GOOD_EVENT GOOD_EVENT "BAD t.csv:3:0: text stands behind a closing quote\n");
    trial_expect("plain", HEAD GOOD "7,2020-01-02,\"i,1,2.50,yes\n" GOOD GOOD,
                 GOOD_EVENT GOOD_EVENT GOOD_EVENT
                 "BAD t.csv:3:0: a quote opens in this row and never closes\n");
    assert_false(ingest_trial.progress.truncated);
}

static void open_quote_in_a_large_file(void **state) {
    (void)state;
    struct buffer file;
    buffer_init(&file);
    assert_int_equal(buffer_format(&file, HEAD GOOD "7,2020-01-02,\"i,1,2.50,yes\n"), STATUS_OK);
    for (int i = 0; i < 200000; i++)
        assert_int_equal(buffer_append(&file, GOOD, sizeof GOOD - 1), STATUS_OK);
    assert_int_equal(trial_read(&ingest_trial, "plain", file.at, file.length), STATUS_END);
    assert_int_equal(ingest_trial.progress.events, 200001);
    assert_int_equal(ingest_trial.progress.quarantined, 1);
    assert_non_null(
        strstr(ingest_trial.out.at, "BAD t.csv:3:0: a quote opens in this row and never closes\n"));
    buffer_release(&file);
}

static void row_too_long(void **state) {
    (void)state;
    struct buffer file;
    for (int megabytes = 2; megabytes <= 9; megabytes += 7) {
        buffer_init(&file);
        assert_int_equal(buffer_format(&file, HEAD GOOD "7,"), STATUS_OK);
        size_t length = (size_t)megabytes << 20;
        assert_int_equal(buffer_reserve(&file, length), STATUS_OK);
        memset(file.at + file.length, 'x', length);
        file.length += length;
        assert_int_equal(buffer_format(&file, "\n" GOOD), STATUS_OK);
        assert_int_equal(trial_read(&ingest_trial, "plain", file.at, file.length), STATUS_END);
        assert_string_equal(ingest_trial.out.at, GOOD_EVENT
                            "BAD t.csv:3:0: the row is longer than 1048576 bytes (kept: the first "
                            "1048576 bytes; it can't be replayed)\n" GOOD_EVENT);
        buffer_release(&file);
    }
}

static void identifier_too_long(void **state) {
    (void)state;
    struct buffer file;
    char name[600];
    memset(name, 'x', sizeof name);
    buffer_init(&file);
    assert_int_equal(buffer_format(&file, HEAD "%.*s,2020-01-02,i,1,2.50,yes\n", 513, name),
                     STATUS_OK);
    assert_int_equal(trial_read(&ingest_trial, "plain", file.at, file.length), STATUS_END);
    assert_string_equal(ingest_trial.out.at,
                        "BAD t.csv:2:1: an identifier of 513 bytes, the limit is 512\n");
    buffer_release(&file);
}

static void ends_in_the_middle(void **state) {
    (void)state;
    trial_expect("plain", HEAD GOOD "7,2020-01-0",
                 GOOD_EVENT "BAD t.csv:3:3: the file ends in the middle of this row\n");
    assert_true(ingest_trial.progress.truncated);
    assert_string_equal(ingest_trial.progress.truncation,
                        "t.csv:3: the file ends in the middle of a row");
    trial_expect("plain", HEAD GOOD "7,2020-01-02,\"i",
                 GOOD_EVENT "BAD t.csv:3:0: the file ends inside quotes\n");
    assert_true(ingest_trial.progress.truncated);
    trial_expect(
        "lines", "{\"who\":\"7\",\"at\":\"2020-01-02\"}\n{\"who\":\"7\",",
        "Noted 2020-01-02T00:00:00Z {loyalty:7}\n"
        "BAD t.ndjson:2:0: not valid JSON: The JSON document has an improper structure: missing "
        "or superfluous commas, braces, missing keys, etc.\n");
    assert_true(ingest_trial.progress.truncated);
}

/* A .gz that was cut off: every row before the cut is there, and the cut is told. */
static void gzip_cut_off(void **state) {
    (void)state;
    const char *path = "ingest_bad_test.gz", *cut = "ingest_bad_test_cut.gz";
    gzFile out = gzopen(path, "wb1");
    assert_non_null(out);
    gzprintf(out, HEAD);
    for (int i = 0; i < 50000; i++)
        gzprintf(out, "%d,2020-01-02,%d,%d,2.50,yes\n", i % 977, i * 7919 % 50000, i);
    gzclose(out);
    assert_int_equal(trial_read_file(&ingest_trial, "plain", path), STATUS_END);
    assert_int_equal(ingest_trial.progress.events, 50000);
    assert_false(ingest_trial.progress.truncated);
    assert_int_equal(ingest_trial.progress.bytes, ingest_trial.progress.bytes_total);
    static char bytes[1 << 20];
    FILE *from = fopen(path, "rb"), *to = fopen(cut, "wb");
    size_t length = fread(bytes, 1, sizeof bytes, from);
    assert_true(length > 20000 && length < sizeof bytes);
    fwrite(bytes, 1, length / 2, to);
    fclose(from);
    fclose(to);
    assert_int_equal(trial_read_file(&ingest_trial, "plain", cut), STATUS_END);
    assert_true(ingest_trial.progress.truncated);
    assert_non_null(
        strstr(ingest_trial.progress.truncation, "ends in the middle of its compressed data"));
    assert_in_range(ingest_trial.progress.events, 15000, 35000);
    assert_int_equal(ingest_trial.progress.rows,
                     ingest_trial.progress.events + ingest_trial.progress.quarantined);
    remove(path);
    remove(cut);
}

static void groups(void **state) {
    (void)state;
    const char *head = "who,at,order,n\n";
    char file[512];
    snprintf(file, sizeof file,
             "%s7,2020-01-02,o1,1\n8,2020-01-02,o2,x\n7,2020-01-02,o1,2\n8,2020-01-02,o2,3\n",
             head);
    trial_expect("orders", file,
                 "Order Completed 2020-01-02T00:00:00Z {loyalty:7} total=3 items=[{n=1} {n=2}]\n"
                 "BAD t.csv:3:4: 'x' is no number in column n\n");
    assert_int_equal(ingest_trial.progress.quarantined, 2);
    snprintf(file, sizeof file, "%s7,2020-01-02,,1\n", head);
    trial_expect(
        "orders", file,
        "BAD t.csv:2:3: column order is empty, which says what event the row belongs to\n");
    snprintf(file, sizeof file, "%s7,2020-01-02,o1,1\n7,2020-01-02,o1\n8,2020-01-03,o2,5\n", head);
    trial_expect("orders", file,
                 "Order Completed 2020-01-03T00:00:00Z {loyalty:8} total=5 items=[{n=5}]\n"
                 "BAD t.csv:3:4: the row has 3 fields, the file has 4 columns: n is missing\n");
}

static void too_many_rows_in_a_group(void **state) {
    (void)state;
    struct buffer file;
    buffer_init(&file);
    assert_int_equal(buffer_format(&file, "who,at,order,n\n"), STATUS_OK);
    for (int i = 0; i < 4097; i++)
        assert_int_equal(buffer_format(&file, "7,2020-01-02,o1,1\n"), STATUS_OK);
    assert_int_equal(trial_read(&ingest_trial, "orders", file.at, file.length), STATUS_END);
    assert_string_equal(ingest_trial.out.at, "BAD t.csv:2:3: more than 4096 rows of one event\n");
    buffer_release(&file);
}

static void json_lines(void **state) {
    (void)state;
    const char *good = "{\"who\":\"7\",\"at\":\"2020-01-02\"}\n";
    const char *event = "Noted 2020-01-02T00:00:00Z {loyalty:7}\n";
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"[1]", "the line is no JSON object"},
        {"17", "the line is no JSON object"},
        {"{\"who\":\"7\",\"at\":\"2020-01-02\",\"properties\":{\"n\":\"x\"}}",
         "'x' is no number in column n"},
        {"{\"who\":\"7\",\"at\":\"2020-01-02\",\"properties\":{\"n\":[1]}}",
         "column n holds a list where a number belongs"},
        {"{\"who\":\"7\",\"at\":\"2020-01-02\",\"properties\":{\"n\":{\"a\":1}}}",
         "column n holds an object where a number belongs"},
        {"{\"who\":\"7\",\"at\":\"2020-01-02\",\"properties\":{\"tags\":\"a\"}}",
         "'a' is no list in column tags"},
        {"{\"who\":\"7\",\"at\":true}",
         "'true' is no time in column at: a time is 2017-03-31 14:05:33, or what dates: declares"},
        {"{\"who\":\"7\"}", "no time: column at is empty"},
        {"{\"who\":null,\"at\":\"2020-01-02\"}", "nobody: who is empty"},
        {"{\"who\":{\"id\":7},\"at\":\"2020-01-02\"}",
         "column who holds an object where a text belongs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[512], expected[512];
        snprintf(file, sizeof file, "%s%s\n%s", good, cases[i].line, good);
        snprintf(expected, sizeof expected, "%s%sBAD t.ndjson:2:0: %s\n", event, event,
                 cases[i].reason);
        trial_expect("lines", file, expected);
    }
}

static void json_too_deep(void **state) {
    (void)state;
    char line[400], open[71], close[71];
    memset(open, '[', 70);
    memset(close, ']', 70);
    open[70] = close[70] = 0;
    snprintf(line, sizeof line, "{\"x\":%s%s}\n", open, close);
    trial_expect("lines", line,
                 "BAD t.ndjson:1:0: the JSON document is nested too deeply, the limit is 64\n");
}

static bool is_no_word(void *context, uint32_t rule_index, struct text value) {
    (void)context;
    assert_int_equal(rule_index, 0);
    return !text_equal(value, TEXT("null")) && !text_equal(value, TEXT("0000"));
}

/* A row of nobody keeps its bytes: what is blocked today may be somebody under a mended playbook.
 */
static void nobody_usable(void **state) {
    (void)state;
    struct ingest_reader *reader;
    struct event_batch batch;
    ingest_trial.settings.usable = is_no_word;
    trial_expect("plain", HEAD "7,2020-01-02,i,1,2.50,yes\nnull,2020-01-02,j,1,2.50,yes\n",
                 GOOD_EVENT "BAD t.csv:3:1: nobody: 'null' of loyalty can't stand for a person\n");
    trial_expect("lines", "{\"who\":\"0000\",\"at\":\"2020-01-02\"}\n",
                 "BAD t.ndjson:1:0: nobody: '0000' of loyalty can't stand for a person\n");
    event_batch_init(&batch);
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                      trial_source(&ingest_trial, "plain"), "t.csv",
                                      TEXT(HEAD "null,2020-01-02,j,1,2.50,yes\n"), NULL),
                     STATUS_OK);
    assert_int_equal(ingest_next(reader, &batch, NULL), STATUS_OK);
    assert_int_equal(batch.row_count, 1);
    assert_true(text_equal(event_batch_text(&batch, batch.rows[0].raw, batch.rows[0].raw_length),
                           TEXT(HEAD "null,2020-01-02,j,1,2.50,yes")));
    ingest_close(reader);
    event_batch_release(&batch);
    ingest_trial.settings.usable = NULL;
    assert_string_equal(
        trial_replay(&ingest_trial, "plain", 2, TEXT(HEAD "null,2020-01-02,j,1,2.50,yes")),
        "Noted 2020-01-02T00:00:00Z {loyalty:null} n=1 price=2.50 USD ok=yes\n");
}

/* Each bad row is kept with it: a batch holds as many as fit in memory, however short they are. */
static void a_long_header(void **state) {
    (void)state;
    enum { ROWS = 300, NAME_BYTES = 900000 };
    struct event_batch batch;
    struct ingest_reader *reader;
    struct buffer file;
    size_t rows = 0;
    buffer_init(&file);
    event_batch_init(&batch);
    enum status status = buffer_append_text(&file, TEXT("who,at,id,n,price,ok,"));
    for (int i = 0; i < NAME_BYTES; i++) status |= buffer_append_text(&file, TEXT("x"));
    for (int i = 0; i < ROWS; i++) status |= buffer_append_text(&file, TEXT("\nnever"));
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                      trial_source(&ingest_trial, "plain"), "t.csv",
                                      buffer_text(&file), &ingest_trial.error),
                     STATUS_OK);
    while ((status = ingest_next(reader, &batch, &ingest_trial.error)) == STATUS_OK) {
        rows += batch.row_count;
        assert_in_range(batch.bytes.length, 1, 40u << 20);
    }
    assert_int_equal(status, STATUS_END);
    assert_int_equal(rows, ROWS);
    ingest_close(reader);
    event_batch_release(&batch);
    buffer_release(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(shapes),
        cmocka_unit_test(nul_byte),
        cmocka_unit_test(open_quote),
        cmocka_unit_test(open_quote_in_a_large_file),
        cmocka_unit_test(row_too_long),
        cmocka_unit_test(identifier_too_long),
        cmocka_unit_test(ends_in_the_middle),
        cmocka_unit_test(gzip_cut_off),
        cmocka_unit_test(groups),
        cmocka_unit_test(too_many_rows_in_a_group),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(json_too_deep),
        cmocka_unit_test(nobody_usable),
        cmocka_unit_test(a_long_header),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
