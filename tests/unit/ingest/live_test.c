/* SPDX-License-Identifier: Apache-2.0 */
/* A pipe that stays open: what has come is handed on, with the time at which it came. A reader that
 * waited for the end would wait here for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/ingest_trial.h"

static const char playbook[] =
    "customer: { identifiers: { loyalty: { per_customer: 3 } } }\n"
    "sources:\n"
    "  rows: { file: t.csv, event: Noted, time: at, arrives: live, key: { loyalty: who }, "
    "properties: { a: a } }\n"
    "  calls: { file: t.ndjson, format: segment, arrives: live, key: { loyalty: userId } }\n";

static int64_t now_ms;

/* Each batch is one second later. */
static int64_t next_second(void *context) {
    (void)context;
    return now_ms += 1000;
}

static int begin(void **state) {
    trial_begin(state, playbook);
    return 0;
}
struct pipe_reader {
    int ends[2];
    struct ingest_reader *reader;
    struct event_batch batch;
};

static void write_bytes(struct pipe_reader *pipe, const char *bytes) {
    assert_int_equal(write(pipe->ends[1], bytes, strlen(bytes)), strlen(bytes));
}

/* The first bytes are there before the reader opens, as of a program that has been started. */
static void open_pipe(struct pipe_reader *reader, const char *source, const char *first) {
    char path[32];
    assert_int_equal(pipe(reader->ends), 0);
    event_batch_init(&reader->batch);
    write_bytes(reader, first);
    snprintf(path, sizeof path, "/dev/fd/%d", reader->ends[0]);
    now_ms = TRIAL_NOW_MS;
    ingest_trial.settings.now = next_second;
    assert_int_equal(ingest_open(&reader->reader, &ingest_trial.settings,
                                 trial_source(&ingest_trial, source), path, &ingest_trial.error),
                     STATUS_OK);
}

static void check_next(struct pipe_reader *reader, const char *expected) {
    assert_int_equal(ingest_next(reader->reader, &reader->batch, &ingest_trial.error), STATUS_OK);
    buffer_clear(&ingest_trial.out);
    trial_print(&ingest_trial, &reader->batch);
    assert_int_equal(buffer_append(&ingest_trial.out, "", 1), STATUS_OK);
    assert_string_equal(ingest_trial.out.at, expected);
}

static void close_pipe(struct pipe_reader *reader) {
    close(reader->ends[1]);
    assert_int_equal(ingest_next(reader->reader, &reader->batch, &ingest_trial.error), STATUS_END);
    ingest_close(reader->reader);
    event_batch_release(&reader->batch);
    close(reader->ends[0]);
}

static void rows_of_a_pipe(uint32_t threads) {
    struct pipe_reader pipe;
    ingest_trial.settings.thread_count = threads;
    open_pipe(&pipe, "rows", "who,at,a\n7,2020-01-02,x\n7,2020-01-02,\"y\nz\"\n7,2020-");
    check_next(&pipe, "Noted 2020-01-02T00:00:00Z known 2023-11-14T22:13:21Z {loyalty:7} a=\"x\"\n"
                      "Noted 2020-01-02T00:00:00Z known 2023-11-14T22:13:21Z {loyalty:7} "
                      "a=\"y\\u000az\"\n");
    write_bytes(&pipe, "01-03,x\n");
    check_next(&pipe,
               "Noted 2020-01-03T00:00:00Z known 2023-11-14T22:13:22Z {loyalty:7} a=\"x\"\n");
    write_bytes(&pipe, "7,2020-01-04,\"half");
    write_bytes(&pipe, " and half\"\n");
    check_next(&pipe, "Noted 2020-01-04T00:00:00Z known 2023-11-14T22:13:23Z {loyalty:7} a=\"half "
                      "and half\"\n");
    close_pipe(&pipe);
    ingest_trial.settings.thread_count = 0;
}

static void rows_come_as_they_are_written(void **state) {
    (void)state;
    rows_of_a_pipe(0);
    rows_of_a_pipe(2);
}

#define CALL "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"7\"}"

static void messages_come_as_they_are_written(void **state) {
    (void)state;
    struct pipe_reader pipe;
    open_pipe(&pipe, "calls", CALL "\n" CALL "\n");
    check_next(&pipe, "Clicked 2023-11-14T22:13:21Z {loyalty:7}\n"
                      "Clicked 2023-11-14T22:13:21Z {loyalty:7}\n");
    write_bytes(&pipe, CALL "\n");
    check_next(&pipe, "Clicked 2023-11-14T22:13:22Z {loyalty:7}\n");
    close_pipe(&pipe);
}

static void items_come_as_they_are_written(void **state) {
    (void)state;
    struct pipe_reader pipe;
    open_pipe(&pipe, "calls", "[" CALL ",\n" CALL ",\n{\"type\":");
    check_next(&pipe, "Clicked 2023-11-14T22:13:21Z {loyalty:7}\n"
                      "Clicked 2023-11-14T22:13:21Z {loyalty:7}\n");
    write_bytes(&pipe, "\"track\",\"event\":\"Clicked\",\"userId\":\"8\"}\n");
    check_next(&pipe, "Clicked 2023-11-14T22:13:22Z {loyalty:8}\n");
    write_bytes(&pipe, "]\n");
    close_pipe(&pipe);
}

/* The header comes in pieces: nothing is guessed from half of it. */
static void header_in_pieces(void **state) {
    (void)state;
    char path[] = "ingest_live_test.fifo";
    remove(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        FILE *file = fopen(path, "wb");
        if (file == NULL) _exit(1);
        static const char *const pieces[] = {"who", ";at", ";a,b,c,d\n", "7;2020-01-02;x\n"};
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            fputs(pieces[i], file);
            fflush(file);
            usleep(20000);
        }
        fclose(file);
        _exit(0);
    }
    ingest_trial.settings.now = NULL;
    assert_int_equal(trial_read_file(&ingest_trial, "rows", path), STATUS_INVALID);
    assert_string_equal(ingest_trial.error.text,
                        "ingest_live_test.fifo:1: there is no column at, mapped as "
                        "time. Columns: who;at;a, b, c, d");
    remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_as_they_are_written),
        cmocka_unit_test(messages_come_as_they_are_written),
        cmocka_unit_test(items_come_as_they_are_written),
        cmocka_unit_test(header_in_pieces),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
