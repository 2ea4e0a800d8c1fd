/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "support/ingest_trial.h"

static const char playbook[] = "customer: { identifiers: { loyalty: { per_customer: 3 } } }\n"
                               "sources:\n"
                               "  plain:\n"
                               "    file: t.csv\n"
                               "    event: Noted\n"
                               "    time: at\n"
                               "    key: { loyalty: who }\n"
                               "    types: { n: number }\n"
                               "    properties: { a: a, n: n }\n"
                               "  bare:\n"
                               "    file: t.csv\n"
                               "    header: no\n"
                               "    columns: [who, at, a]\n"
                               "    event: Noted\n"
                               "    time: at\n"
                               "    key: { loyalty: who }\n"
                               "    properties: { a: a }\n"
                               "  numbered:\n"
                               "    file: t.csv\n"
                               "    header: no\n"
                               "    event: Noted\n"
                               "    time: c2\n"
                               "    key: { loyalty: c1 }\n"
                               "    properties: { a: c3 }\n"
                               "  piped:\n"
                               "    file: t.csv\n"
                               "    delimiter: \"|\"\n"
                               "    event: Noted\n"
                               "    time: at\n"
                               "    key: { loyalty: who }\n"
                               "    properties: { a: a }\n";

static int begin(void **state) {
    return trial_begin(state, playbook);
}

#define EVENT "Noted 2020-01-02T00:00:00Z {loyalty:7}"
#define HEAD  "who,at,a,n\n"

static void plain_rows(void **state) {
    (void)state;
    trial_expect("plain", HEAD "7,2020-01-02,x,1\n7,2020-01-02,y,2\n",
                 EVENT " a=\"x\" n=1\n" EVENT " a=\"y\" n=2\n");
    assert_int_equal(ingest_trial.progress.rows, 2);
    assert_int_equal(ingest_trial.progress.events, 2);
    assert_int_equal(ingest_trial.progress.quarantined, 0);
    assert_false(ingest_trial.progress.truncated);
}

static void line_ends(void **state) {
    (void)state;
    const char *expected = EVENT " a=\"x\" n=1\n" EVENT " a=\"y\" n=2\n";
    trial_expect("plain", "who,at,a,n\r\n7,2020-01-02,x,1\r\n7,2020-01-02,y,2\r\n", expected);
    trial_expect("plain", HEAD "7,2020-01-02,x,1\r\n7,2020-01-02,y,2\r", expected);
    trial_expect("plain", HEAD "\n7,2020-01-02,x,1\n\n\r\n7,2020-01-02,y,2\n\n", expected);
    trial_expect("plain", "\n\n" HEAD "7,2020-01-02,x,1\n7,2020-01-02,y,2\n", expected);
    trial_expect(
        "plain",
        "\"who\",\"at\",\"a\",\"n\"\r\n\"7\",\"2020-01-02\",\"x\",\"1\"\r\n\"7\",\"2020-01-02\","
        "\"y\",\"2\"",
        expected);
}

static void quotes(void **state) {
    (void)state;
    trial_expect("plain", HEAD "7,2020-01-02,\"x, y\",1\n", EVENT " a=\"x, y\" n=1\n");
    trial_expect("plain", HEAD "7,2020-01-02,\"line one\nline two\r\nline three\",1\n",
                 EVENT " a=\"line one\\u000aline two\\u000d\\u000aline three\" n=1\n");
    trial_expect("plain", HEAD "7,2020-01-02,\"say \"\"hi\"\"\",1\n",
                 EVENT " a=\"say \\\"hi\\\"\" n=1\n");
    trial_expect("plain", HEAD "7,2020-01-02,\"\"\"\",1\n", EVENT " a=\"\\\"\" n=1\n");
    trial_expect("plain", HEAD "7,2020-01-02,\"\",1\n", EVENT " n=1\n");
    trial_expect("plain", HEAD "7,2020-01-02,\"\"\"\"\"\",\"1\"\n", EVENT " a=\"\\\"\\\"\" n=1\n");
    trial_expect("plain", HEAD "\"7\",\"2020-01-02\",\",\",\"1\"\n", EVENT " a=\",\" n=1\n");
    trial_expect("plain", HEAD "7,2020-01-02,5\" disk,1\n7,2020-01-02,a \"b\" c,2\n",
                 EVENT " a=\"5\\\" disk\" n=1\n" EVENT " a=\"a \\\"b\\\" c\" n=2\n");
    trial_expect("plain", HEAD "7,2020-01-02,5\" disk,1\n7,2020-01-02,\"b,c\",2\n",
                 EVENT " a=\"5\\\" disk\" n=1\n" EVENT " a=\"b,c\" n=2\n");
}

static void header_quoted_over_lines(void **state) {
    (void)state;
    trial_expect("plain", "who,at,\"a\",n,\"free\ntext\"\n7,2020-01-02,x,1,z\n7,bad,x,1,z\n",
                 EVENT
                 " a=\"x\" n=1\nBAD t.csv:4:2: 'bad' is no time in column at: a time is 2017-03-31 "
                 "14:05:33, or what dates: declares\n");
}

static void delimiters(void **state) {
    (void)state;
    const char *expected = EVENT " a=\"x\" n=1.5\n";
    trial_expect("plain", "who;at;a;n\n7;2020-01-02;x;1.5\n", expected);
    trial_expect("plain", "who\tat\ta\tn\n7\t2020-01-02\tx\t1.5\n", expected);
    trial_expect("plain", "who|at|a|n\n7|2020-01-02|x|1.5\n", expected);
    trial_expect("plain", "n;at;\"a\";who;\"x,y,z,1,2\"\n1.5;2020-01-02;x;7;q\n", expected);
    trial_expect("piped", "who|at|a\n7|2020-01-02|x,y;z\n", EVENT " a=\"x,y;z\"\n");
}

static void without_header(void **state) {
    (void)state;
    trial_expect("bare", "7,2020-01-02,x\n7,2020-01-02,y\n", EVENT " a=\"x\"\n" EVENT " a=\"y\"\n");
    trial_expect("numbered", "7,2020-01-02,x,more\n", EVENT " a=\"x\"\n");
    trial_expect("bare", "", "");
}

static void byte_order_mark(void **state) {
    (void)state;
    trial_expect("plain", "\xEF\xBB\xBF" HEAD "7,2020-01-02,x,1\n", EVENT " a=\"x\" n=1\n");
    trial_expect("bare",
                 "\xEF\xBB\xBF"
                 "7,2020-01-02,x\n",
                 EVENT " a=\"x\"\n");
}

static void columns_by_name(void **state) {
    (void)state;
    trial_expect("plain", " n ,extra,a,at,who\n1,e,x,2020-01-02,7\n", EVENT " a=\"x\" n=1\n");
    trial_expect(
        "plain", "who,at,a\n7,2020-01-02,x\n",
        "t.csv:1: there is no column n, mapped as property n; did you mean a? Columns: who, at, a");
    trial_expect(
        "plain", "Who,at,a,n\n",
        "t.csv:1: there is no column who, mapped as key loyalty; did you mean Who? Columns: Who, "
        "at, a, n");
    trial_expect("plain", "who,at,a,n,a\n7,2020-01-02,x,1,y\n",
                 "t.csv:1: the column a, mapped as property a, stands there twice");
}

static void whole_file_errors(void **state) {
    (void)state;
    trial_expect("plain", HEAD, "");
    trial_expect(
        "plain", "who,at\rn,a\n7,8\n",
        "t.csv:1: some of its lines end with CR alone and some with LF; convert them (tr '\\r' "
        "'\\n')");
    trial_expect(
        "plain", "wh\xE4,at\n",
        "t.csv:1: the header is not UTF-8; convert the file (iconv -f WINDOWS-1252 -t UTF-8)");
    trial_expect(
        "plain", "PK\003\004stuff",
        "t.csv:1:1: the file is a ZIP archive or a spreadsheet; export it as CSV or JSON lines");
    trial_expect("plain", "PAR1....",
                 "t.csv:1:1: the file is a Parquet file; export it as CSV or JSON lines");
    trial_expect("plain", "BZh91AY",
                 "t.csv:1:1: the file is packed by bzip2; unpack it, or pack it with gzip");
    trial_expect("plain", "\x28\xB5\x2F\xFD..",
                 "t.csv:1:1: the file is packed by zstd; unpack it, or pack it with gzip");
    static const char *const json[] = {"{\"who\":7,\"n\":\"x\"}\n", "{ \"who\":7 }\n",
                                       "{\n\"who\":7}\n",           "[{\"who\":7}]\n",
                                       "[ {\"who\":7}]\n",          "[\n{\"who\":7}]\n"};
    for (size_t i = 0; i < sizeof json / sizeof *json; i++)
        trial_expect("plain", json[i],
                     "t.csv:1: the file looks like JSON: write format: ndjson in its source, or a "
                     "narrower file: pattern where the source has other files");
    static const char utf16[] = "\xFF\xFEw\0h\0o\0";
    assert_int_equal(trial_read(&ingest_trial, "plain", utf16, sizeof utf16 - 1), STATUS_INVALID);
    assert_string_equal(
        ingest_trial.error.text,
        "t.csv:1:1: the file is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)");
    static const char wide[] = "\0w\0h\0o\0,";
    assert_int_equal(trial_read(&ingest_trial, "plain", wide, sizeof wide - 1), STATUS_INVALID);
    static const char nul[] = "who,\0at\n";
    assert_int_equal(trial_read(&ingest_trial, "plain", nul, sizeof nul - 1), STATUS_INVALID);
    assert_string_equal(ingest_trial.error.text,
                        "t.csv:1: the header holds a NUL byte: this is no text file");
}

/* Rows longer than the reader's blocks of 64, and many of them, so that rows cross every boundary.
 */
static void rows_of_every_length(void **state) {
    (void)state;
    struct buffer file, expected;
    buffer_init(&file);
    buffer_init(&expected);
    char filler[400];
    memset(filler, 'q', sizeof filler);
    assert_int_equal(buffer_format(&file, HEAD), STATUS_OK);
    for (int i = 1; i < 20000; i++) {
        int length = i % 397;
        const char *quote = i % 3 == 0 ? "\"" : "";
        assert_int_equal(
            buffer_format(&file, "7,2020-01-02,%s%.*s%s,%d\n", quote, length, filler, quote, i),
            STATUS_OK);
        if (length > 0)
            assert_int_equal(
                buffer_format(&expected, EVENT " a=\"%.*s\" n=%d\n", length, filler, i), STATUS_OK);
        else
            assert_int_equal(buffer_format(&expected, EVENT " n=%d\n", i), STATUS_OK);
    }
    assert_int_equal(trial_read(&ingest_trial, "plain", file.at, file.length), STATUS_END);
    assert_int_equal(ingest_trial.out.length, expected.length);
    assert_memory_equal(ingest_trial.out.at, expected.at, expected.length);
    ingest_trial.settings.thread_count = 3;
    assert_int_equal(trial_read(&ingest_trial, "plain", file.at, file.length), STATUS_END);
    assert_int_equal(ingest_trial.out.length, expected.length);
    assert_memory_equal(ingest_trial.out.at, expected.at, expected.length);
    ingest_trial.settings.thread_count = 0;
    buffer_release(&file);
    buffer_release(&expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_rows),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(quotes),
        cmocka_unit_test(delimiters),
        cmocka_unit_test(without_header),
        cmocka_unit_test(byte_order_mark),
        cmocka_unit_test(columns_by_name),
        cmocka_unit_test(whole_file_errors),
        cmocka_unit_test(rows_of_every_length),
        cmocka_unit_test(header_quoted_over_lines),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
