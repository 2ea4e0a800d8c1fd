/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is made of: its line ends, its quotes, its first and last line, arrays of JSON, one
 * bad message among good ones. Nothing is lost without a word, and half a value counts nowhere. */
#include "support/unit.h"
#include <zlib.h>

#include "support/ingest_trial.h"

static const char playbook[] =
    "customer: { identifiers: { loyalty: { per_customer: 3 }, user_id: } }\n"
    "sources:\n"
    "  plain: { file: t.csv, event: Noted, time: at, key: { loyalty: who }, types: { n: number }, "
    "properties: { a: a, n: n } }\n"
    "  short: { file: t.csv, event: Noted, time: at, key: { loyalty: who }, properties: { a: a } "
    "}\n"
    "  bare: { file: t.csv, header: no, columns: [who, at, a], event: Noted, time: at, key: { "
    "loyalty: who }, properties: { a: a } }\n"
    "  numbered: { file: t.csv, header: no, event: Noted, time: c2, key: { loyalty: c1 }, "
    "properties: { a: c3 } }\n"
    "  signs: { file: t.csv, quote: none, event: Noted, time: at, key: { loyalty: who }, "
    "properties: { a: a } }\n"
    "  fields: { file: t.csv, quote: '\"', event: Noted, time: at, key: { loyalty: who }, "
    "properties: { a: a } }\n"
    "  titled: { file: t.csv, skip_lines: 2, event: Noted, time: at, key: { loyalty: who }, "
    "properties: { a: a } }\n"
    "  orders: { file: t.csv, event: \"{kind}\", time: at, one_event_per: order, row_key: order, "
    "key: { loyalty: who }, types: { n: number }, properties: { total: n, items: [item] } }\n"
    "  shared: { file: t.csv, event: Noted, time: at, one_event_per: order, key: { loyalty: who, "
    "user_id: user }, properties: { items: [item] } }\n"
    "  table: { file: t.csv, lookup: a, types: { n: text } }\n"
    "  last: { file: t.csv, event: Noted, time: at, one_event_per: order, key: { loyalty: who }, "
    "properties: { items: [item] } }\n"
    "  lines: { file: t.ndjson, event: Noted, time: at, key: { loyalty: who }, properties: { n: "
    "number } }\n"
    "  joined: { file: t.ndjson, event: Noted, time: at, key: { loyalty: who }, one_event_per: o, "
    "properties: { n: count() } }\n"
    "  web: { file: t.ndjson, format: segment, key: { user_id: userId } }\n";

static int begin(void **state) {
    return trial_begin(state, playbook);
}

#define EVENT "Noted 2020-01-02T00:00:00Z {loyalty:7}"
#define HEAD  "who,at,a,n\n"
#define ROW   "7,2020-01-02,x,1\n"
#define HELD                                                                                       \
    "the file ends without a line end: it may be cut off here (load the whole file; or, where "    \
    "the row is whole: attune quarantine replay)\n"

static void check_warning(const char *expected) {
    assert_int_equal(ingest_trial.progress.warning_count, expected[0] != '\0');
    if (expected[0]) assert_string_equal(ingest_trial.progress.warnings[0], expected);
}

static void cr_alone_ends_lines(void **state) {
    (void)state;
    const char *expected = EVENT " a=\"x\" n=1\n" EVENT " a=\"y\" n=2\n";
    trial_expect("plain", "who,at,a,n\r7,2020-01-02,x,1\r7,2020-01-02,y,2\r", expected);
    trial_expect("plain", "who,at,\"a\",n\r7,2020-01-02,\"x\",1\r7,2020-01-02,y,2\r", expected);
    trial_expect("plain", "\xEF\xBB\xBFwho;at;a;n\r\r7;2020-01-02;x;1\r7;2020-01-02;y;2\r",
                 expected);
    /* An LF in quotes is text and ends no line. */
    trial_expect("plain", "who,at,a,n\r7,2020-01-02,\"x\ny\",1\r", EVENT " a=\"x\\u000ay\" n=1\n");
    trial_expect("plain", "who,at,a,n\r7,2020-01-02,x,1\r7,2020-01-02,x,bad\r",
                 EVENT " a=\"x\" n=1\nBAD t.csv:3:4: 'bad' is no number in column n\n");
    trial_expect("bare", "7,2020-01-02,x\r7,2020-01-02,y\r", EVENT " a=\"x\"\n" EVENT " a=\"y\"\n");
    trial_expect("lines",
                 "{\"who\":7,\"at\":\"2020-01-02\",\"n\":1}\r{\"who\":7,\"at\":\"2020-01-02\"}\r",
                 EVENT " n=1\n" EVENT "\n");
    trial_expect("plain", "who,at,a,n\r", "");
    /* Both kinds of line ends: told. */
    trial_expect(
        "plain", HEAD "7,2020-01-02,x,1\r7,2020-01-02,y,2\r\n",
        "BAD t.csv:2:5: the row has more than the file's 4 columns; it holds a CR that no LF "
        "follows: convert the file's line ends\n");
    trial_expect(
        "plain", "who,at,a,n\r" ROW,
        "t.csv:1: some of its lines end with CR alone and some with LF; convert them (tr '\\r' "
        "'\\n')");
}

/* A large file, so that a CR stands at the boundary of what is read at once. */
static void cr_alone_in_a_large_file(void **state) {
    (void)state;
    struct buffer file;
    buffer_init(&file);
    assert_int_equal(buffer_format(&file, "who,at,\"a\",n\r"), STATUS_OK);
    for (int i = 0; i < 300000; i++)
        assert_int_equal(buffer_format(&file, "7,2020-01-02,%d,1\r", i), STATUS_OK);
    assert_int_equal(trial_read(&ingest_trial, "plain", file.at, file.length), STATUS_END);
    assert_int_equal(ingest_trial.progress.events, 300000);
    assert_int_equal(ingest_trial.progress.quarantined, 0);
    buffer_release(&file);
}

static void last_line_without_an_end(void **state) {
    (void)state;
    trial_expect("plain", HEAD ROW "7,2020-01-02,y,2", EVENT " a=\"x\" n=1\nBAD t.csv:3:4: " HELD);
    check_warning(
        "t.csv:3: the file ends without a line end; its last row may be cut off and waits "
        "in quarantine. Load the whole file, or where the row is whole: attune quarantine "
        "replay");
    assert_false(ingest_trial.progress.truncated);
    trial_expect("plain", HEAD ROW "7,2020-01-02,y,", EVENT " a=\"x\" n=1\nBAD t.csv:3:4: " HELD);
    trial_expect("bare", "7,2020-01-02,x\n7,2020-01-02,y", EVENT " a=\"x\"\nBAD t.csv:2:3: " HELD);
    /* Half of CR LF; a last field that closes its quotes; one that nothing reads. */
    const char *both = EVENT " a=\"x\" n=1\n" EVENT " a=\"y\" n=2\n";
    trial_expect("plain", HEAD ROW "7,2020-01-02,y,2\r", both);
    trial_expect("plain", HEAD ROW "7,2020-01-02,y,\"2\"", both);
    check_warning("");
    trial_expect("short", HEAD ROW "7,2020-01-02,y,2", EVENT " a=\"x\"\n" EVENT " a=\"y\"\n");
    check_warning("");
    /* One line alone: no other shows that lines have an end. */
    trial_expect("bare", "7,2020-01-02,x", EVENT " a=\"x\"\n");
    trial_expect("numbered", "7,2020-01-02,x", EVENT " a=\"x\"\n");
    /* A JSON value that parses is whole. */
    trial_expect("lines",
                 "{\"who\":7,\"at\":\"2020-01-02\",\"n\":1}\n{\"who\":7,\"at\":\"2020-01-02\"}",
                 EVENT " n=1\n" EVENT "\n");
    /* Who replays the row says that it is whole. */
    assert_string_equal(trial_replay(&ingest_trial, "plain", 3, text_from(HEAD "7,2020-01-02,y,2")),
                        EVENT " a=\"y\" n=2\n");
    /* Bytes that are all that there is. */
    ingest_trial.settings.trusts_end = true;
    trial_expect("plain", HEAD ROW "7,2020-01-02,y,2", both);
    ingest_trial.settings.trusts_end = false;
}

static void last_line_of_a_group(void **state) {
    (void)state;
#define ORDERS "order,who,at,item\n1,7,2020-01-02,a\n1,7,2020-01-02,b\n"
    trial_expect("last", ORDERS, EVENT " items=[{item=\"a\"} {item=\"b\"}]\n");
    trial_expect("last", ORDERS "1,7,2020-01-02,c", "BAD t.csv:4:4: " HELD);
    assert_int_equal(ingest_trial.progress.quarantined, 3);
    trial_expect("last", ORDERS "2,7,2020-01-02,c",
                 EVENT " items=[{item=\"a\"} {item=\"b\"}]\nBAD t.csv:4:4: " HELD);
    /* The key itself may be half of itself: "1" of "15", or of "1" of the order before. */
    trial_expect("last", "order,who,at,item\n15,7,2020-01-02,a\n15,7,2020-01-02,b\n1",
                 "BAD t.csv:2:0: the file ends in the middle of this row\n"
                 "BAD t.csv:4:2: the file ends in the middle of this row\n");
    assert_true(ingest_trial.progress.truncated);
    assert_int_equal(ingest_trial.progress.cut_rows, 2);
}

static void empty_files(void **state) {
    (void)state;
    static const char *const empty[] = {"", "\n\n", "\xEF\xBB\xBF", "\r\n", "\r"};
    static const char *const sources[] = {"plain", "bare", "numbered", "last"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        for (size_t k = 0; k < sizeof sources / sizeof *sources; k++) {
            trial_expect(sources[k], empty[i], "");
            check_warning("t.csv is empty: nothing was read of it");
        }
        trial_expect("lines", empty[i], "");
        check_warning("t.ndjson is empty: nothing was read of it");
    }
    trial_expect("plain", HEAD, "");
    check_warning("");
    ingest_trial.settings.thread_count = 2;
    trial_expect("plain", "", "");
    ingest_trial.settings.thread_count = 0;
    assert_string_equal(trial_replay(&ingest_trial, "plain", 3, (struct text){0}), "");
}

static void quotes_of_tab_files(void **state) {
    (void)state;
    const char *five = EVENT " a=\"\\\"Sale\"\n" EVENT " a=\"x\"\n" EVENT " a=\"Sale\\\"\"\n";
    trial_expect("short",
                 "who\tat\ta\n7\t2020-01-02\t\"Sale\n7\t2020-01-02\tx\n7\t2020-01-02\tSale\"\n",
                 five);
    check_warning("");
    trial_expect("short", "who\tat\ta\n7\t2020-01-02\tx\n7\t2020-01-02\t\"a \"\"b\"\"\"\n",
                 EVENT " a=\"x\"\n" EVENT " a=\"\\\"a \\\"\\\"b\\\"\\\"\\\"\"\n");
    check_warning(
        "t.csv:3: a field stands in quotes, which are characters in a file with tabs; where "
        "they enclose fields, write quote: '\"' in the source");
    trial_expect("signs",
                 "who\tat\ta\n7\t2020-01-02\t\"Sale\n7\t2020-01-02\tx\n7\t2020-01-02\tSale\"\n",
                 five);
    trial_expect("signs", "who,at,a\n7,2020-01-02,\"Sale\n7,2020-01-02,x\n7,2020-01-02,Sale\"\n",
                 five);
    trial_expect("signs", "\"who\",at,a\n7,2020-01-02,x\n",
                 "t.csv:1: there is no column who, mapped as key loyalty. Columns: \"who\", at, a");
    /* A first line whose fields all stand in quotes: its writer quotes. */
    trial_expect("short", "\"who\"\t\"at\"\t\"a\"\n\"7\"\t\"2020-01-02\"\t\"x\ty\"\n",
                 EVENT " a=\"x\\u0009y\"\n");
    trial_expect("fields", "who\tat\ta\n7\t2020-01-02\t\"x\ty\"\n", EVENT " a=\"x\\u0009y\"\n");
}

static void stray_quotes_that_swallow_rows(void **state) {
    (void)state;
    const char *rows = "who,at,a\n7,2020-01-02,x\n7,2020-01-02,\"Sale\n7,2020-01-02,y\n"
                       "7,2020-01-02,Sale\"\n7,2020-01-02,z\n";
    trial_expect(
        "short", rows,
        EVENT
        " a=\"x\"\n" EVENT " a=\"z\"\n"
        "BAD t.csv:3:0: a quoted field runs over 2 line ends, and each of these 3 lines would "
        "be a whole row: write quote: none where quotes are characters, or quote: '\"' where "
        "the field is right\n");
    check_warning(
        "t.csv:3: 1 row waits in quarantine: a quoted field runs over "
        "line ends that would each end a whole row (quote: in the source says what is right)");
    /* A source that declares its quotes is believed. */
    trial_expect("fields", rows,
                 EVENT " a=\"x\"\n" EVENT
                       " a=\"Sale\\u000a7,2020-01-02,y\\u000a7,2020-01-02,Sale\"\n" EVENT
                       " a=\"z\"\n");
    check_warning("");
    trial_expect("short", "who,at,a\n7,2020-01-02,\"one\ntwo, three\"\n",
                 EVENT " a=\"one\\u000atwo, three\"\n");
}

static void separator_line_of_excel(void **state) {
    (void)state;
    const char *expected = EVENT " a=\"x,y\"\n";
    trial_expect("short", "sep=;\nwho;at;a\n7;2020-01-02;x,y\n", expected);
    trial_expect("short", "\xEF\xBB\xBFSEP=;\r\nwho;at;a\r\n7;2020-01-02;x,y\r\n", expected);
    trial_expect("short", "\"sep=;\"\r\nwho;at;a\r\n7;2020-01-02;x,y\r\n", expected);
    trial_expect("short", "sep=^\nwho^at^a\n7^2020-01-02^x,y\n", expected);
    trial_expect("short", "sep=\t\nwho\tat\ta\n7\t2020-01-02\tx,y\n", expected);
    trial_expect("bare", "sep=;\n7;2020-01-02;x,y\n", expected);
    trial_expect("numbered", "sep=;\n7;2020-01-02;x,y\n", expected);
    trial_expect(
        "short", "sep=;\nwho;at;a\n7;bad;x\n",
        "BAD t.csv:3:2: 'bad' is no time in column at: a time is 2017-03-31 14:05:33, or what "
        "dates: declares\n");
    /* The kept row is read again as it came. */
    assert_string_equal(
        trial_replay(&ingest_trial, "short", 3, text_from("sep=^\nwho^at^a\n7^2020-01-02^x,y")),
        expected);
    trial_expect("short", "sep=;\n", "");
    trial_expect("short", "sep=;;;\n\nwho;at;a\n7;2020-01-02;x,y\n", expected);
    assert_int_equal(trial_read(&ingest_trial, "short", "sep=;;x\nwho;at;a\n", 16), STATUS_INVALID);
}

static void blank_lines_before_the_header(void **state) {
    (void)state;
    trial_expect("plain", " \t \r\n\n\xC2\xA0\n" HEAD ROW, EVENT " a=\"x\" n=1\n");
    trial_expect("short", "   \nwho;at;a\n7;2020-01-02;x\n", EVENT " a=\"x\"\n");
    trial_expect("plain", "   \n", "");
    check_warning("t.csv is empty: nothing was read of it");
}

static void two_crs_before_an_lf(void **state) {
    (void)state;
    trial_expect("plain", "who,at,a,n\r\r\n7,2020-01-02,\"x\",1\r\r\n7,2020-01-02,y,2\r\r\n",
                 EVENT " a=\"x\" n=1\n" EVENT " a=\"y\" n=2\n");
}

static void stray_quotes_of_a_lookup(void **state) {
    (void)state;
    static const char path[] = "ingest_shape_test.csv";
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs("n,a\n\"x,1\ny,2\nz\",3\nw,4\n", file);
    fclose(file);
    assert_string_equal(trial_lookup(&ingest_trial, "table", path),
                        "1 rows\nBAD ingest_shape_test.csv:2:0: a quoted field runs over 2 line "
                        "ends, and each of these 3 lines would be a whole row: write quote: none "
                        "where quotes are characters, or quote: '\"' where the field is right\n");
    remove(path);
}

static void lines_before_the_header(void **state) {
    (void)state;
    const char *expected =
        EVENT " a=\"x\"\nBAD t.csv:6:2: 'bad' is no time in column at: a time is "
              "2017-03-31 14:05:33, or what dates: declares\n";
    trial_expect("titled", "Orders, of May\n# by night; \"x\n\nwho;at;a\n7;2020-01-02;x\n7;bad;x\n",
                 expected);
    trial_expect("titled", "Orders\rby night\rwho;at;a\r7;2020-01-02;x\r", EVENT " a=\"x\"\n");
    assert_string_equal(trial_replay(&ingest_trial, "titled", 3,
                                     text_from("Orders\nnight\nwho;at;a\n7;2020-01-02;x")),
                        EVENT " a=\"x\"\n");
    trial_expect("titled", "Orders\n", "");
    check_warning("t.csv is empty: nothing was read of it");
    assert_string_equal(trial_replay(&ingest_trial, "bare", 3, text_from("sep=^\n7^2020-01-02^x")),
                        EVENT " a=\"x\"\n");
}

static void parts_of_a_group_on_any_line(void **state) {
    (void)state;
#define SHOP  "kind,order,who,at,n,item\n"
#define FIRST "Paid,1,7,2020-01-02,5,a\n"
    const char *paid = "Paid 2020-01-02T00:00:00Z {loyalty:7} total=5 items=[{item=\"a\"} "
                       "{item=\"b\"}]\n";
    trial_expect("orders", SHOP FIRST ",1,,,,b\n", paid);
    assert_int_equal(ingest_trial.progress.disagreeing_rows, 0);
    trial_expect("orders", SHOP ",1,,,,a\nPaid,1,7,2020-01-02,5,b\n", paid);
    assert_int_equal(ingest_trial.progress.disagreeing_rows, 0);
    trial_expect("orders", SHOP ",1,7,,,a\nPaid,1,,2020-01-02,5,b\n", paid);
    trial_expect("orders", SHOP FIRST ",1,8,,,b\n", paid);
    assert_int_equal(ingest_trial.progress.disagreeing_rows, 1);
    /* The earliest of those that say one. */
    trial_expect("orders", SHOP "Paid,1,7,2020-01-03,5,a\n,1,,2020-01-02,,b\n,1,,,,c\n",
                 "Paid 2020-01-02T00:00:00Z {loyalty:7} total=5 items=[{item=\"a\"} {item=\"b\"} "
                 "{item=\"c\"}]\n");
    /* None says it. */
    trial_expect("orders", SHOP "Paid,1,7,,5,a\n,1,,,,b\n",
                 "BAD t.csv:2:4: no time: column at is empty\n");
    trial_expect("orders", SHOP "Paid,1,,2020-01-02,5,a\n,1,,,,b\n",
                 "BAD t.csv:2:3: nobody: who is empty\n");
    trial_expect("orders", SHOP ",1,7,2020-01-02,5,a\n,1,,,,b\n",
                 "BAD t.csv:2:1: no event: column kind is empty\n");
    trial_expect(
        "orders", SHOP FIRST ",1,,bad,,b\n",
        "BAD t.csv:3:4: 'bad' is no time in column at: a time is 2017-03-31 14:05:33, or what "
        "dates: declares\n");
}

static bool is_not_na(void *context, uint32_t rule, struct text value) {
    (void)context, (void)rule;
    return !text_equal(value, TEXT("n/a"));
}

static void identifiers_on_any_line(void **state) {
    (void)state;
#define WHO "order,who,user,at,item\n"
    trial_expect(
        "shared", WHO "1,7,,2020-01-02,a\n1,,u1,,b\n",
        "Noted 2020-01-02T00:00:00Z {loyalty:7 user_id:u1} items=[{item=\"a\"} {item=\"b\"}]\n");
    /* A value that stands for nobody names no other person, and hides none. */
    trial_expect("shared", WHO "1,7,NULL,2020-01-02,a\n1,7,u1,,b\n",
                 "Noted 2020-01-02T00:00:00Z {loyalty:7 user_id:NULL user_id:u1} "
                 "items=[{item=\"a\"} {item=\"b\"}]\n");
    assert_int_equal(ingest_trial.progress.disagreeing_rows, 0);
    ingest_trial.settings.usable = is_not_na;
    trial_expect("shared", WHO "1,7,n/a,2020-01-02,a\n1,7,u1,,b\n1,7,n/a,,c\n",
                 "Noted 2020-01-02T00:00:00Z {loyalty:7 user_id:n/a user_id:u1} "
                 "items=[{item=\"a\"} {item=\"b\"} {item=\"c\"}]\n");
    ingest_trial.settings.usable = NULL;
    assert_int_equal(ingest_trial.progress.disagreeing_rows, 0);
    /* A row about somebody else adds nobody to the event. */
    trial_expect("shared", WHO "1,7,,2020-01-02,a\n1,8,u1,,b\n",
                 "Noted 2020-01-02T00:00:00Z {loyalty:7} items=[{item=\"a\"} {item=\"b\"}]\n");
    assert_int_equal(ingest_trial.progress.disagreeing_rows, 1);
}

#define ONE(n) "{\"who\":\"7\",\"at\":\"2020-01-02\",\"n\":" #n "}"
#define MANY                                                                                       \
    "{\n  \"who\": \"7\",\n  \"at\": \"2020-01-02\",\n  \"n\": 1,\n  \"tags\": [\"]\", \"\\\"}\"]" \
    "\n}"

static void json_arrays(void **state) {
    (void)state;
    const char *two = EVENT " n=1\n" EVENT " n=2\n";
    trial_expect("lines", "[" ONE(1) "," ONE(2) "]", two);
    assert_int_equal(ingest_trial.progress.rows, 2);
    trial_expect("lines", "[\n" ONE(1) ",\n" ONE(2) "\n]\n", two);
    trial_expect("lines", "\xEF\xBB\xBF \n[\r\n" ONE(1) "\r\n,\r\n" ONE(2) "\r\n]\r\n", two);
    trial_expect("lines", "[" ONE(1) "]\n[" ONE(2) "]\n", two); /* an array a line */
    trial_expect("lines", "[" MANY "," ONE(2) "]", two);
    trial_expect("lines", "[]", "");
    trial_expect(
        "lines", "[[1], 5, \"x\", null," ONE(1) "]",
        EVENT
        " n=1\nBAD t.ndjson:1:0: the line is no JSON object\nBAD t.ndjson:1:0: the line is no "
        "JSON object\nBAD t.ndjson:1:0: the line is no JSON object\nBAD t.ndjson:1:0: the "
        "line is no JSON object\n");
    trial_expect("lines", "[\n" MANY ",\n" ONE(x) ",\n" ONE(2) "]\n",
                 EVENT
                 " n=1\n" EVENT " n=2\nBAD t.ndjson:8:0: not valid JSON: The JSON document has an "
                 "improper structure: missing or superfluous commas, braces, missing keys, etc.\n");
    trial_expect(
        "joined",
        "[{\"o\":1,\"who\":\"7\",\"at\":\"2020-01-02\"},{\"o\":1,\"who\":\"7\",\"at\":\"2020-"
        "01-02\"}]",
        EVENT " n=2\n");
}

static void json_over_lines(void **state) {
    (void)state;
    trial_expect("lines", MANY, EVENT " n=1\n");
    trial_expect("lines", ONE(1) ONE(2), EVENT " n=1\n" EVENT " n=2\n");
    trial_expect("lines", ONE(1) ", " ONE(2) "\n" ONE(3) "\n",
                 EVENT " n=1\n" EVENT " n=2\n" EVENT " n=3\n");
    trial_expect("lines", ONE(1) " x\n" ONE(2) "\n",
                 EVENT " n=2\nBAD t.ndjson:1:0: not valid JSON: The JSON document has an improper "
                       "structure: missing or superfluous commas, braces, missing keys, etc.\n");
    trial_expect("lines", MANY "\n" MANY "\n", EVENT " n=1\n" EVENT " n=1\n");
    trial_expect("lines", "{\"who\":\"7\",\n\"at\":\"2020-01-02\"}\n" ONE(1) "\n",
                 EVENT "\n" EVENT " n=1\n");
    assert_string_equal(trial_replay(&ingest_trial, "lines", 3, text_from(MANY)), EVENT " n=1\n");
    /* A line that is cut is one bad row; its neighbours are read. */
    trial_expect("lines", "{\"who\":\"7\",\n" ONE(1) "\n" ONE(2) "\n",
                 EVENT
                 " n=1\n" EVENT " n=2\nBAD t.ndjson:1:0: not valid JSON: The JSON document has an "
                 "improper structure: missing or superfluous commas, braces, missing keys, etc.\n");
}

static void json_arrays_that_are_cut(void **state) {
    (void)state;
    trial_expect("lines", "[" ONE(1) ",\n" ONE(2) ",\n{\"who\":\"7\"",
                 EVENT " n=1\n" EVENT
                       " n=2\nBAD t.ndjson:3:0: the file ends in the middle of this row\n");
    assert_true(ingest_trial.progress.truncated);
    assert_string_equal(ingest_trial.progress.truncation,
                        "t.ndjson:3: the file ends inside an item of an array that begins on this "
                        "line");
    trial_expect("lines", "[" ONE(1) ",\n", EVENT " n=1\n");
    assert_true(ingest_trial.progress.truncated);
    assert_string_equal(ingest_trial.progress.truncation,
                        "t.ndjson:2: the file ends inside its array");
}

static void json_array_of_many(void **state) {
    (void)state;
    struct buffer file;
    buffer_init(&file);
    assert_int_equal(buffer_format(&file, "["), STATUS_OK);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer_format(&file, "%s{\"who\":7,\n\"at\":\"2020-01-02\", \"n\": %d}",
                                       i > 0 ? ",\n" : "", i),
                         STATUS_OK);
    /* One that is longer than a row may be costs itself alone. */
    assert_int_equal(buffer_format(&file, ",{\"x\":\""), STATUS_OK);
    size_t at = file.length, length = (size_t)3 << 20;
    assert_int_equal(buffer_reserve(&file, length), STATUS_OK);
    memset(file.at + at, 'x', length);
    file.length += length;
    assert_int_equal(buffer_format(&file, "\"}," ONE(1) "]"), STATUS_OK);
    assert_int_equal(trial_read(&ingest_trial, "lines", file.at, file.length), STATUS_END);
    assert_int_equal(ingest_trial.progress.events, 100001);
    assert_int_equal(ingest_trial.progress.quarantined, 1);
    assert_false(ingest_trial.progress.truncated);
    buffer_release(&file);
}

#define SAID(user, more)                                                                           \
    "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"" user                                 \
    "\",\"timestamp\":\"2020-01-02T00:00:00Z\"" more "}"
#define CLICK(user, more) "Clicked 2020-01-02T00:00:00Z {user_id:" user "}" more "\n"

static void check_left(const char *bad, const char *reason) {
    struct buffer file, expected;
    buffer_init(&file);
    buffer_init(&expected);
    assert_int_equal(
        buffer_format(&file,
                      "{\"batch\":[" SAID("a", "") ",%s," SAID("c", "") "]}\n" SAID("d", "") "\n",
                      bad),
        STATUS_OK);
    assert_int_equal(buffer_format(&expected,
                                   CLICK("a", "") CLICK("c", "") CLICK(
                                       "d", "") "BAD t.ndjson:1:0: message 2 of the batch: %s\n%c",
                                   reason, 0),
                     STATUS_OK);
    assert_int_equal(trial_read(&ingest_trial, "web", file.at, file.length), STATUS_END);
    assert_string_equal(ingest_trial.out.at, expected.at);
    buffer_release(&file);
    buffer_release(&expected);
}

static void one_bad_message_harms_no_other(void **state) {
    (void)state;
    check_left(SAID("b", ",\"properties\":{\"n\":1e999}"),
               "not valid JSON: Problem while parsing a number");
    check_left(SAID("b", ",\"properties\":{\"t\":\"a\\x\"}"),
               "not valid JSON: Problem while parsing a string");
    check_left(SAID("b\xFF", ""), "it is not UTF-8");
    check_left(
        SAID("b", ",\"properties\":{\"t\":\"\t\"}"),
        "not valid JSON: Within strings, some characters must be escaped, we found unescaped "
        "characters");
    char deep[400], opened[71], closed[71];
    memset(opened, '[', 70);
    memset(closed, ']', 70);
    opened[70] = closed[70] = '\0';
    snprintf(deep, sizeof deep, "{\"type\":\"track\",\"userId\":\"b\",\"properties\":{\"n\":%s%s}}",
             opened, closed);
    check_left(deep, "the JSON document is nested too deeply, the limit is 64");
    static const char nul[] = "{\"batch\":[" SAID("a", "") "," SAID("b\0", "") "]}\n";
    assert_int_equal(trial_read(&ingest_trial, "web", nul, sizeof nul - 1), STATUS_END);
    assert_string_equal(ingest_trial.out.at,
                        CLICK("a", "") "BAD t.ndjson:1:0: message 2 of the batch: it "
                                       "holds a NUL byte\n");
    /* None is good, or they can't be told apart: the line waits as a whole. */
    trial_expect("web", "{\"batch\":[{\"a\":01}]}\n",
                 "BAD t.ndjson:1:0: not valid JSON: Problem while parsing a number\n");
    trial_expect("web", "{\"batch\":[{\"a\":\"x}]}\n",
                 "BAD t.ndjson:1:0: not valid JSON: A string is opened, but never closed.\n");
    trial_expect("web", "{\"type\":5,\"batch\":[" SAID("a", "") ",{\"a\":01}]}\n",
                 "BAD t.ndjson:1:0: not valid JSON: Problem while parsing a number\n");
}

/* From a missing quote on, strings and what stands between them change places. */
static void a_missing_quote_harms_no_other(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"type\":\"track\",\"event\":\"Clicked,\"userId\":\"b\",\"timestamp\":\"2020-01-02\"}",
        "{\"type\":\"track\",\"event\":Clicked\",\"userId\":\"b\"}",
        "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"b}",
        "{\"type\":\"track,\"properties\":{\"products\":[{\"a\":\"x\"},{\"a\":\"y\"}]}}",
    };
    static const char *const behind[] = {"]}", "],\"sentAt\":null}",
                                         "],\"context\":{\"x\":[1,{\"y\":\"]\"}]}}"};
    char line[2048];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t place = 0; place < 3; place++) {
            snprintf(line, sizeof line, "{\"batch\":[%s, %s ,%s%s\n",
                     place == 0 ? bad[i] : SAID("a", ""), place == 1 ? bad[i] : SAID("a", ""),
                     place == 2 ? bad[i] : SAID("a", ""), behind[(i + place) % 3]);
            const char *read = trial_text(&ingest_trial, "web", line);
            static const char good[] = CLICK("a", "") CLICK("a", "") "BAD t.ndjson:1:0: message ";
            if (strncmp(read, good, sizeof good - 1) != 0 || strchr(read, '\n') == NULL)
                fail_msg("bad message %zu at %zu: %s", i, place, read);
            assert_int_equal(ingest_trial.progress.quarantined, 1);
        }
    }
}

/* The same of an array of rows. */
static void a_missing_quote_harms_no_other_item(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"who\":\"7,\"at\":\"2020-01-02\",\"n\":5}",
        "{\"who\":7,\"at\":\"2020-01-02,\"n\":5}",
        "{\"who\":7,\"at\":2020-01-02\",\"n\":5}",
        "{\"who\":7,\"at\":\"2020-01-02\",\"n\":\"5}",
    };
    static const char *const between[] = {",", ",\n", " , \n  "};
    char text[1024];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t k = 0; k < 3; k++) {
            snprintf(text, sizeof text, "[%s%s%s%s%s]\n", ONE(1), between[k], bad[i], between[k],
                     ONE(2));
            const char *read = trial_text(&ingest_trial, "lines", text);
            static const char good[] = EVENT " n=1\n" EVENT " n=2\nBAD t.ndjson:";
            if (strncmp(read, good, sizeof good - 1) != 0)
                fail_msg("bad item %zu, way %zu: %s", i, k, read);
            assert_int_equal(ingest_trial.progress.rows, 3);
            assert_false(ingest_trial.progress.truncated);
        }
    }
}

static void batch_over_lines(void **state) {
    (void)state;
    trial_expect("web",
                 "{\"batch\":[\n" SAID("a", "") ",\n" SAID("b", "") "\n],\n\"sentAt\":null}\n",
                 CLICK("a", "") CLICK("b", ""));
    trial_expect(
        "web", "{\n  \"batch\": [\n    " SAID("a", "") ",\n    {\"a\":01}\n  ]\n}\n",
        CLICK("a", "") "BAD t.ndjson:1:0: message 2 of the batch: not valid JSON: Problem while "
                       "parsing a number\n");
    trial_expect("web", "[\n" SAID("a", "") ",\n" SAID("b", "") "\n]\n",
                 CLICK("a", "") CLICK("b", ""));
}

static void half_surrogates(void **state) {
    (void)state;
    trial_expect("web", SAID("a", ",\"properties\":{\"t\":\"x\\ud83d\"}") "\n",
                 CLICK("a", " t=\"x\xEF\xBF\xBD\""));
    trial_expect("web",
                 SAID("a", ",\"properties\":{\"t\":\"\\uDE00\\\\ud83d \\ud83d\\u0041\"}") "\n",
                 CLICK("a", " t=\"\xEF\xBF\xBD\\\\ud83d \xEF\xBF\xBD"
                            "A\""));
    trial_expect("web",
                 SAID("a", ",\"properties\":{\"t\":\"\\ud83d\\ude00\\ud83d\\ud83d\\ude00\"}") "\n",
                 CLICK("a", " t=\"\xF0\x9F\x98\x80\xEF\xBF\xBD\xF0\x9F\x98\x80\""));
    trial_expect(
        "web",
        "{\"batch\":[" SAID("a", "") "," SAID("b", ",\"properties\":{\"t\":\"\\ud83d\"}") "]}\n",
        CLICK("a", "") CLICK("b", " t=\"\xEF\xBF\xBD\""));
}

/* Not even the header came through: as any file that was cut off. */
static void gzip_cut_in_its_header(void **state) {
    (void)state;
    static const char *const sources[] = {"plain", "bare", "lines"};
    const char *path = "ingest_shape_test_cut.gz";
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite("\x1F\x8B\x08\0\0\0\0\0", 1, 8, file);
    fclose(file);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        assert_int_equal(trial_read_file(&ingest_trial, sources[i], path), STATUS_END);
        assert_string_equal(ingest_trial.out.at, "");
        assert_true(ingest_trial.progress.truncated);
        assert_non_null(strstr(ingest_trial.progress.truncation, path));
        check_warning("");
    }
    remove(path);
}

static void bytes_behind_a_gzip(void **state) {
    (void)state;
    const char *path = "ingest_shape_test.gz";
    gzFile out = gzopen(path, "wb1");
    assert_non_null(out);
    gzprintf(out, HEAD ROW);
    assert_int_equal(gzclose(out), Z_OK);
    assert_non_null(out = gzopen(path, "ab1")); /* a second member */
    gzprintf(out, ROW);
    assert_int_equal(gzclose(out), Z_OK);
    assert_int_equal(trial_read_file(&ingest_trial, "plain", path), STATUS_END);
    assert_string_equal(ingest_trial.out.at, EVENT " a=\"x\" n=1\n" EVENT " a=\"x\" n=1\n");
    check_warning("");
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    fputs("garbage", file);
    fclose(file);
    assert_int_equal(trial_read_file(&ingest_trial, "plain", path), STATUS_END);
    assert_string_equal(ingest_trial.out.at, EVENT " a=\"x\" n=1\n" EVENT " a=\"x\" n=1\n");
    check_warning(
        "ingest_shape_test.gz has 7 bytes behind the end of its compressed data, which are "
        "not compressed; they were left out");
    assert_false(ingest_trial.progress.truncated);
    remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cr_alone_ends_lines),
        cmocka_unit_test(cr_alone_in_a_large_file),
        cmocka_unit_test(last_line_without_an_end),
        cmocka_unit_test(last_line_of_a_group),
        cmocka_unit_test(empty_files),
        cmocka_unit_test(quotes_of_tab_files),
        cmocka_unit_test(stray_quotes_that_swallow_rows),
        cmocka_unit_test(separator_line_of_excel),
        cmocka_unit_test(lines_before_the_header),
        cmocka_unit_test(blank_lines_before_the_header),
        cmocka_unit_test(two_crs_before_an_lf),
        cmocka_unit_test(stray_quotes_of_a_lookup),
        cmocka_unit_test(identifiers_on_any_line),
        cmocka_unit_test(parts_of_a_group_on_any_line),
        cmocka_unit_test(json_arrays),
        cmocka_unit_test(json_over_lines),
        cmocka_unit_test(json_arrays_that_are_cut),
        cmocka_unit_test(json_array_of_many),
        cmocka_unit_test(one_bad_message_harms_no_other),
        cmocka_unit_test(a_missing_quote_harms_no_other),
        cmocka_unit_test(a_missing_quote_harms_no_other_item),
        cmocka_unit_test(batch_over_lines),
        cmocka_unit_test(half_surrogates),
        cmocka_unit_test(gzip_cut_in_its_header),
        cmocka_unit_test(bytes_behind_a_gzip),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
