/* SPDX-License-Identifier: Apache-2.0 */
/* Files and patterns, quarantined rows read again, repeats, threads, and every allocation failing
 * in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/ingest_trial.h"

static const char playbook[] =
    "customer: { identifiers: { loyalty: { per_customer: 3 } } }\n"
    "sources:\n"
    "  product: { file: p.csv, lookup: id, types: { price: money } }\n"
    "  plain:\n"
    "    file: t.csv\n"
    "    event: Noted\n"
    "    time: at\n"
    "    key: { loyalty: who }\n"
    "    types: { n: number }\n"
    "    properties: { a: a, n: n, price: product.price }\n"
    "  orders:\n"
    "    file: t.csv\n"
    "    event: Order Completed\n"
    "    time: at\n"
    "    one_event_per: order\n"
    "    key: { loyalty: who }\n"
    "    types: { n: number }\n"
    "    properties: { order: order, total: sum(n), items: [n], tag: \"o/{order}\" }\n"
    "  web: { file: t.ndjson, format: segment, key: { loyalty: userId } }\n";

/* The same with n a text, as somebody would mend it. */
static const char mended[] = "customer: { identifiers: { loyalty: { per_customer: 3 } } }\n"
                             "sources:\n"
                             "  plain: { file: t.csv, event: Noted, time: at, key: { loyalty: who "
                             "}, properties: { a: a, n: n } }\n"
                             "  orders:\n"
                             "    file: t.csv\n"
                             "    event: Order Completed\n"
                             "    time: at\n"
                             "    one_event_per: order\n"
                             "    key: { loyalty: who }\n"
                             "    properties: { items: [n] }\n"
                             "  other: { file: t.csv, event: Noted, time: moment, key: { loyalty: "
                             "who }, properties: { a: a } }\n";

static const char lookup_path[] = "ingest_file_test_p.csv";

static void write_file(const char *path, const char *bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(bytes, 1, strlen(bytes), file);
    fclose(file);
}

static int begin(void **state) {
    trial_begin(state, playbook);
    write_file(lookup_path, "id,price,name\n1,2.50,milk\n2,,bread\n");
    assert_string_equal(trial_lookup(&ingest_trial, "product", lookup_path), "2 rows\n");
    return 0;
}
static int end(void **state) {
    (void)state;
    remove(lookup_path);
    trial_release(&ingest_trial);
    return 0;
}

static void patterns(void **state) {
    (void)state;
    static const char *const names[] = {"b.csv",    "a.csv", "a.csv.gz",
                                        "c.csv.gz", "d.txt", ".e.csv"};
    char folder[] = "/tmp/ingest_file_test_XXXXXX", path[256];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        write_file(path, "x\n");
    }
    char sub[256];
    snprintf(sub, sizeof sub, "%s/aa.csv", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    char pipe[256];
    snprintf(pipe, sizeof pipe, "%s/ab.csv", folder);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    struct ingest_files files = {0};
    struct error error;
    assert_int_equal(ingest_files_find(&files, NULL, TEXT("*.csv*"), folder, &error), STATUS_OK);
    assert_int_equal(files.count, 3); /* a.csv.gz is a.csv once more */
    assert_int_equal(files.folders, 1);
    assert_int_equal(files.streams, 1);
    for (size_t i = 0; i < 3; i++) {
        static const char *const expected[] = {"a.csv", "b.csv", "c.csv.gz"};
        snprintf(path, sizeof path, "%s/%s", folder, expected[i]);
        assert_string_equal(files.paths[i], path);
    }
    assert_int_equal(ingest_files_find(&files, NULL, TEXT("?.txt"), folder, &error), STATUS_OK);
    assert_int_equal(files.count, 1);
    snprintf(path, sizeof path, "%s/d*", folder);
    assert_int_equal(ingest_files_find(&files, NULL, text_from(path), "elsewhere", &error),
                     STATUS_OK);
    assert_int_equal(files.count, 1);
    assert_int_equal(ingest_files_find(&files, NULL, TEXT("-"), folder, &error), STATUS_OK);
    assert_string_equal(files.paths[0], "-");
    assert_int_equal(ingest_files_find(&files, NULL, TEXT("z*.csv"), folder, &error),
                     STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "no file matches z*.csv in /tmp/ingest_file_test_"));
    assert_int_equal(ingest_files_find(&files, NULL, TEXT("a*/x.csv"), folder, &error),
                     STATUS_INVALID);
    /* Who names the folder is told that it is one. */
    assert_int_equal(ingest_files_find(&files, NULL, TEXT("aa.csv"), folder, &error), STATUS_OK);
    assert_int_equal(files.count, 1);
    assert_int_equal(files.folders, 0);
    ingest_files_release(&files);
    remove(pipe);
    rmdir(sub);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    rmdir(folder);
}

static void no_such_file(void **state) {
    (void)state;
    assert_int_equal(trial_read_file(&ingest_trial, "plain", "no/such/file.csv"), STATUS_NOT_FOUND);
    assert_non_null(strstr(ingest_trial.error.text, "no/such/file.csv"));
    assert_int_equal(trial_read_file(&ingest_trial, "plain", "/tmp"), STATUS_IO);
}

/* The first bad row of what a file gives. */
static struct text first_bad_row(struct ingest_reader *reader, struct event_batch *batch) {
    while (ingest_next(reader, batch, &ingest_trial.error) == STATUS_OK) {
        if (batch->row_count > 0)
            return event_batch_text(batch, batch->rows[0].raw, batch->rows[0].raw_length);
    }
    fail_msg("no bad row");
    return (struct text){0};
}

static void check_replay(const char *source, const char *file, uint64_t line, const char *raw,
                         const char *again, const char *mended_source, const char *after) {
    struct ingest_reader *reader;
    struct event_batch batch;
    struct trial other;
    event_batch_init(&batch);
    trial_init(&other, mended);
    assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                      trial_source(&ingest_trial, source), "t.csv", text_from(file),
                                      &ingest_trial.error),
                     STATUS_OK);
    struct text kept = first_bad_row(reader, &batch);
    assert_int_equal(kept.length, strlen(raw));
    assert_memory_equal(kept.at, raw, kept.length);
    assert_string_equal(trial_replay(&ingest_trial, source, line, kept), again);
    assert_string_equal(trial_replay(&other, mended_source, line, kept), after);
    ingest_close(reader);
    event_batch_release(&batch);
    trial_release(&other);
}

static void replay(void **state) {
    (void)state;
    check_replay("plain",
                 "who;at;a;n;id\r\n7;2020-01-02;x;1;1\r\n7;2020-01-02;\"two\nlines\";many;1\r\n", 3,
                 "who;at;a;n;id\n7;2020-01-02;\"two\nlines\";many;1",
                 "BAD t.csv:3:4: 'many' is no number in column n\n", "plain",
                 "Noted 2020-01-02T00:00:00Z {loyalty:7} a=\"two\\u000alines\" n=\"many\"\n");
    check_replay(
        "orders", "who,at,order,n\n7,2020-01-02,o1,1\n8,2020-01-02,o2,1\n7,2020-01-02,o1,few\n", 4,
        "who,at,order,n\n7,2020-01-02,o1,1\n7,2020-01-02,o1,few",
        "BAD t.csv:5:4: 'few' is no number in column n\n", "orders",
        "Order Completed 2020-01-02T00:00:00Z {loyalty:7} items=[{n=\"1\"} {n=\"few\"}]\n");
    check_replay("plain", "who,at,a,n,id\n7,2020-01-02,x,y,1\n", 2,
                 "who,at,a,n,id\n7,2020-01-02,x,y,1",
                 "BAD t.csv:2:4: 'y' is no number in column n\n", "other",
                 "t.csv:1: there is no column moment, mapped as time. Columns: who, at, a, n, id");
}

static void repeats(void **state) {
    (void)state;
    struct ingest_repeats set;
    ingest_repeats_init(&set);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 30000; i++) {
            struct row_key key = {1 + i / 3, i % 3}, none = {0};
            assert_int_equal(ingest_repeats_add(&set, key), STATUS_OK);
            assert_int_equal(ingest_repeats_add(&set, key), STATUS_EXISTS);
            assert_int_equal(ingest_repeats_add(&set, none), STATUS_OK);
        }
        ingest_repeats_clear(&set);
    }
    ingest_repeats_clear(&set);
    memory_fail_at(1);
    ingest_repeats_release(&set);
    assert_int_equal(ingest_repeats_add(&set, (struct row_key){1, 1}), STATUS_NO_MEMORY);
    memory_fail_at(0);
    ingest_repeats_release(&set);
}

static void stopped_early(void **state) {
    (void)state;
    struct buffer file;
    buffer_init(&file);
    assert_int_equal(buffer_format(&file, "who,at,a,n,id\n"), STATUS_OK);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer_format(&file, "7,2020-01-02,x,%d,%d\n", i, i % 3), STATUS_OK);
    ingest_trial.settings.thread_count = 2;
    for (int taken = 0; taken < 3; taken++) {
        struct ingest_reader *reader;
        struct event_batch batch;
        event_batch_init(&batch);
        assert_int_equal(ingest_open_text(&reader, &ingest_trial.settings,
                                          trial_source(&ingest_trial, "plain"), "t.csv",
                                          buffer_text(&file), &ingest_trial.error),
                         STATUS_OK);
        for (int i = 0; i < taken; i++)
            assert_int_equal(ingest_next(reader, &batch, &ingest_trial.error), STATUS_OK);
        ingest_close(reader);
        event_batch_release(&batch);
    }
    ingest_trial.settings.batch_events = 7;
    assert_int_equal(trial_read(&ingest_trial, "plain", file.at, 20000), STATUS_END);
    assert_int_equal(ingest_trial.progress.rows,
                     ingest_trial.progress.events + ingest_trial.progress.quarantined);
    ingest_trial.settings.batch_events = 0;
    ingest_trial.settings.thread_count = 0;
    ingest_close(NULL);
    buffer_release(&file);
}

/* Fails allocation 1, 2, 3 … until the reading succeeds, with as many events as without failures.
 */
static void check_allocations(const char *source, const char *bytes) {
    assert_int_equal(trial_read(&ingest_trial, source, bytes, strlen(bytes)), STATUS_END);
    for (uint64_t nth = 1; nth < 400; nth++) {
        struct ingest_reader *reader = NULL;
        struct event_batch batch;
        size_t events = 0;
        event_batch_init(&batch);
        memory_fail_at(nth);
        enum status status =
            ingest_open_text(&reader, &ingest_trial.settings, trial_source(&ingest_trial, source),
                             "t", text_from(bytes), &ingest_trial.error);
        while (status == STATUS_OK &&
               (status = ingest_next(reader, &batch, &ingest_trial.error)) == STATUS_OK)
            events += batch.event_count;
        memory_fail_at(0);
        ingest_close(reader);
        event_batch_release(&batch);
        if (status == STATUS_END) {
            assert_int_equal(events, ingest_trial.progress.events);
            assert_true(nth > 5);
            return;
        }
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_non_null(strstr(ingest_trial.error.text, "no memory"));
    }
    fail_msg("it never succeeds");
}

static void allocations(void **state) {
    (void)state;
    check_allocations(
        "plain",
        "who,at,a,n,id\n7,2020-01-02,\"a\"\"b\",1,1\n8,2020-01-02,x,y,1\n9,2020-01-02,x,1,2\n");
    check_allocations("orders", "who,at,order,n\n7,2020-01-02,o1,1\n8,2020-01-02,o2,1\n7,2020-01-"
                                "02,o1,2\n8,2020-01-02,o2,few\n");
    check_allocations(
        "web", "{\"type\":\"page\",\"name\":\"N\",\"userId\":\"u\",\"timestamp\":\"2020-01-02\","
               "\"properties\":{\"x\":1,\"list\":[{\"a\":1}]},"
               "\"context\":{\"consent\":{\"categoryPreferences\":{\"Ads\":true}}}}\nnonsense\n");
}

static void lookup_allocations(void **state) {
    (void)state;
    const struct source *source = trial_source(&ingest_trial, "product");
    for (uint64_t nth = 1; nth < 400; nth++) {
        struct lookup_table *table = NULL;
        struct event_batch batch;
        event_batch_init(&batch);
        memory_fail_at(nth);
        enum status status = ingest_lookup(&ingest_trial.settings, source,
                                           &ingest_trial.playbook->lookups[source->lookup],
                                           lookup_path, &table, &batch, &ingest_trial.error);
        memory_fail_at(0);
        event_batch_release(&batch);
        if (status == STATUS_OK)
            assert_int_equal(lookup_row_count(table), 2);
        else
            assert_null(table);
        lookup_destroy(table);
        if (status == STATUS_OK) return;
        assert_int_equal(status, STATUS_NO_MEMORY);
    }
    fail_msg("it never succeeds");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(no_such_file),
        cmocka_unit_test(replay),
        cmocka_unit_test(repeats),
        cmocka_unit_test(stopped_early),
        cmocka_unit_test(allocations),
        cmocka_unit_test(lookup_allocations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
