/* SPDX-License-Identifier: Apache-2.0 */
/* bench/read.c -- one random customer, as a decision reads him: about 15 events, four properties,
 * as of now. read [EVENTS [CUSTOMERS]]. Only customers of 10 to 20 events are asked for; "hot":
 * their pages are in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"
#include "bench.h"
#include "data.h"

#define READS 200000
#define WARM  20000

static double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Uses every cell, so that it has to be there. */
static double touch(const struct timeline *timeline) {
    double sum = 0;
    for (uint32_t i = 0; i < timeline->count; i++) {
        struct text text;
        double revenue = column_number(&timeline->columns[DATA_REVENUE], i);
        double score = column_number(&timeline->columns[DATA_SCORE], i);
        sum += (double)timeline->type[i] + (revenue > 0 ? revenue : 0) + (score > 0 ? score : 0);
        if (column_text(&timeline->columns[DATA_STORE], i, &text)) sum += text.length;
        if (column_text(&timeline->columns[DATA_PAGE], i, &text)) sum += (double)text.at[0];
    }
    return sum;
}

struct times {
    double *us;
    size_t count;
    double sum, rows;
};

static void read_some(struct timeline_source *source, const struct data *data, struct times *times,
                      size_t wanted, uint64_t seed) {
    struct timeline_reader *reader;
    struct timeline timeline;
    struct random random;
    uint64_t columns = (1u << DATA_COLUMNS) - 1;
    struct timeline_request request = {.as_of = {data_end_ms() + 1, POSITION_NOW},
                                       .columns = &columns};
    random_init(&random, seed);
    BENCH_CHECK(source->ops->reader_open(source, &reader, NULL));
    times->count = 0;
    while (times->count < wanted) {
        uint32_t persona = (uint32_t)random_below(&random, data_persona_count(data));
        struct customer_id customer = {data_customer_of(data, persona)};
        double begin = now_us();
        enum status status = source->ops->read(reader, customer, &request, &timeline, NULL);
        double sum = status == STATUS_OK ? touch(&timeline) : 0;
        double took = now_us() - begin;
        if (status == STATUS_NOT_FOUND) continue;
        BENCH_CHECK(status);
        if (timeline.count < 10 || timeline.count > 20) continue;
        times->us[times->count++] = took;
        times->sum += sum;
        times->rows += timeline.count;
    }
    source->ops->reader_close(reader);
}

static void print_case(const char *name, double value, double rows) {
    char note[100];
    snprintf(note, sizeof note, "%.1f events on average, four typed properties", rows);
    bench_print(&(struct measurement){"read", name, "us", value, NULL, 0, 0, note});
}

static void measure(struct timeline_source *source, const struct data *data, const char *kind) {
    struct times times = {.us = malloc(READS * sizeof(double))};
    char name[64];
    if (times.us == NULL) bench_fail("no memory");
    read_some(source, data, &times, WARM, 1);
    times.rows = 0;
    read_some(source, data, &times, READS, 2);
    double median = bench_median(times.us, READS);
    snprintf(name, sizeof name, "median%s", kind);
    print_case(name, median, times.rows / READS);
    snprintf(name, sizeof name, "p99%s", kind);
    print_case(name, times.us[READS / 100 * 99], times.rows / READS);
    if (times.sum < 0) bench_fail("nothing was read");
    free(times.us);
}

/* Pages in and checks every section once, as a running server has done. */
static void warm(struct timeline_source *source) {
    struct timeline_reader *reader;
    struct timeline timeline;
    uint64_t columns = (1u << DATA_COLUMNS) - 1;
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW}, .columns = &columns};
    BENCH_CHECK(source->ops->reader_open(source, &reader, NULL));
    BENCH_CHECK(source->ops->walk(reader, &request, 0, 1, NULL));
    while (source->ops->next(reader, &timeline, NULL) == STATUS_OK) {
    }
    source->ops->reader_close(reader);
}

int main(int argc, char **argv) {
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 50000000;
    uint32_t customers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 3100000;
    struct data *data = data_open(events, customers);
    warm(data_source(data, true));
    measure(data_source(data, true), data, "");
    warm(data_source(data, false));
    measure(data_source(data, false), data, ", eight runs and tail");
    data_close(data);
    return 0;
}
