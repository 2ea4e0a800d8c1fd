/* SPDX-License-Identifier: Apache-2.0 */
/* bench/scan.c -- what did each customer spend within a year? sum("Order".revenue) in 365d for
 * everybody: by the compiled expression, and by a plain loop over the timeline's columns, which
 * also checks its answer. scan [EVENTS [CUSTOMERS [expression|loop]]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "data.h"
#include "expr/expr.h"

#define REPETITIONS 3
#define YEAR_MS     (INT64_C(365) * TIME_DAY_MS)
#define ARENA_BYTES (1u << 20)

struct scan {
    const struct expr_program *program; /* NULL: the plain loop */
    struct timeline_request request;
    uint64_t columns[TIMELINE_COLUMNS_MAX / 64];
    struct arena scratch;
    double total;
    uint64_t events, customers;
};

static enum status find_event(void *context, struct text name, uint32_t *type) {
    (void)context;
    *type = DATA_ORDER;
    return text_equal(name, TEXT("Order")) ? STATUS_OK : STATUS_NOT_FOUND;
}
static enum status find_property(void *context, uint32_t event, struct text name,
                                 struct expr_name *out) {
    (void)context, (void)event;
    *out = (struct expr_name){VALUE_NUMBER, DATA_REVENUE};
    return text_equal(name, TEXT("revenue")) ? STATUS_OK : STATUS_NOT_FOUND;
}
static enum status find_nothing(void *context, struct text name, struct expr_name *out) {
    (void)context, (void)name, (void)out;
    return STATUS_NOT_FOUND;
}
static enum status find_field(void *context, uint32_t event, uint32_t property, struct text name,
                              struct expr_name *out) {
    (void)event, (void)property;
    return find_nothing(context, name, out);
}
static enum status find_trait(void *context, struct text name, struct expr_name *out,
                              struct expr_trait *reads) {
    *reads = (struct expr_trait){0};
    return find_nothing(context, name, out);
}
static enum status find_lookup(void *context, struct text lookup, struct text field,
                               const struct text *available, uint32_t count, uint32_t *index,
                               struct text *key, struct expr_name *out) {
    (void)lookup, (void)available, (void)count, (void)index, (void)key;
    return find_nothing(context, field, out);
}
static enum status find_relation(void *context, struct text kind, uint32_t *index) {
    (void)context, (void)kind, (void)index;
    return STATUS_NOT_FOUND;
}
static size_t no_names(void *context, char kind, uint32_t event, struct text *out, size_t max) {
    (void)context, (void)kind, (void)event, (void)out, (void)max;
    return 0;
}
static bool is_visit(void *context, uint32_t event) {
    (void)context;
    return event != DATA_MAIL;
}

static const struct expr_program *compile(struct arena *arena) {
    static struct column_set columns;
    static struct expr_schema schema;
    struct expr_program *program;
    struct expr_error error;
    struct symbols *symbols;
    BENCH_CHECK(symbols_create(&symbols)); /* kept: the program borrows it */
    columns = *data_columns();
    schema = (struct expr_schema){
        .symbols = symbols,
        .columns = &columns,
        .visit_gap_ms = 30 * TIME_MINUTE_MS,
        .event = find_event,
        .property = find_property,
        .list_field = find_field,
        .trait = find_trait,
        .attribute = find_nothing,
        .lookup = find_lookup,
        .relation = find_relation,
        .names = no_names,
        .is_visit = is_visit,
    };
    if (expr_compile(arena, &schema, TEXT("sum(\"Order\".revenue) in 365d"), &program, &error) !=
        STATUS_OK) {
        bench_fail("%s", error.error.text);
    }
    return program;
}

static double plain_sum(const struct timeline *timeline, int64_t t_ms) {
    const double *revenue = timeline->columns[DATA_REVENUE].cells;
    double sum = 0;
    if (revenue == NULL) return 0;
    for (uint32_t i = timeline->count; i-- > 0 && timeline->time_ms[i] > t_ms - YEAR_MS;) {
        if (timeline->type[i] == DATA_ORDER && !isnan(revenue[i])) sum += revenue[i];
    }
    return sum;
}

static double run_once(struct timeline_source *source, struct scan *scan) {
    struct timeline_reader *reader;
    struct timeline timeline;
    struct expr_env env = {
        .timeline = &timeline, .t_ms = scan->request.as_of.t_ms, .scratch = &scan->scratch};
    enum status status;
    double begin = clock_cpu_seconds();
    scan->total = 0;
    scan->events = scan->customers = 0;
    BENCH_CHECK(source->ops->reader_open(source, &reader, NULL));
    BENCH_CHECK(source->ops->walk(reader, &scan->request, 0, 1, NULL));
    while ((status = source->ops->next(reader, &timeline, NULL)) == STATUS_OK) {
        if (scan->program == NULL) {
            scan->total += plain_sum(&timeline, scan->request.as_of.t_ms);
        } else {
            arena_clear(&scan->scratch);
            struct value value = expr_eval(scan->program, &env);
            if (value.type == VALUE_NUMBER) scan->total += value.number;
        }
        scan->events += timeline.count;
        scan->customers++;
    }
    source->ops->reader_close(reader);
    if (status != STATUS_END) bench_fail("the walk ended with: %s", status_name(status));
    return clock_cpu_seconds() - begin;
}

static double measure(struct timeline_source *source, struct scan *scan) {
    double seconds[REPETITIONS];
    run_once(source, scan); /* warms up */
    for (int r = 0; r < REPETITIONS; r++) seconds[r] = run_once(source, scan);
    return (double)scan->events / bench_median(seconds, REPETITIONS);
}

static void print_case(const char *name, double rate, const struct scan *scan) {
    char note[160];
    snprintf(note, sizeof note, "sum of revenue in 365d: %.2f of %llu customers", scan->total,
             (unsigned long long)scan->customers);
    bench_print(&(struct measurement){"scan", name, "events/s/core", rate, NULL, 0, 0, note});
}

int main(int argc, char **argv) {
    static struct scan expression, loop;
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 50000000;
    uint32_t customers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 3100000;
    struct data *data = data_open(events, customers);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    arena_init(&expression.scratch, ARENA_BYTES);
    expression.program = compile(&arena);
    expression.request = (struct timeline_request){.as_of = {data_end_ms(), POSITION_NOW},
                                                   .columns = expression.columns};
    expr_needs(expression.program, expression.columns, &expression.request.needs);
    loop.request = expression.request;
    if (argc > 3) { /* for a profile */
        fprintf(stderr, "%.1f M/s\n",
                measure(data_source(data, true), argv[3][0] == 'e' ? &expression : &loop) / 1e6);
        return 0;
    }
    for (int one = 1; one >= 0; one--) {
        double rate = measure(data_source(data, one), &expression),
               plain = measure(data_source(data, one), &loop);
        if (fabs(expression.total - loop.total) > 1e-9 * fabs(loop.total)) {
            bench_fail("the expression says %.6f, the loop %.6f", expression.total, loop.total);
        }
        print_case(one ? "sum(revenue) in 365d" : "sum(revenue) in 365d, eight runs and tail", rate,
                   &expression);
        print_case(one ? "plain loop, one run" : "plain loop, eight runs and tail", plain, &loop);
    }
    arena_release(&expression.scratch);
    arena_release(&arena);
    data_close(data);
    return 0;
}
