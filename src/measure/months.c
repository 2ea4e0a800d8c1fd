/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/months.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct gathering {
    struct month_report *report;
    int64_t ends[MONTHS_MAX]; /* where the month behind each begins */
    const struct column_set *columns;
    uint64_t money[TIMELINE_COLUMNS_MAX / 64]; /* bit set of the money columns */
};

int64_t month_begins(const struct time_zone *zone, int64_t at_ms, int32_t back) {
    struct civil civil;
    time_to_civil(at_ms + time_zone_offset_s(zone, at_ms) * TIME_SECOND_MS, &civil);
    int32_t month = civil.year * 12 + civil.month - 1 - back;
    civil = (struct civil){.year = month / 12, .month = month % 12 + 1, .day = 1};
    return time_from_local(&civil, zone);
}

static void lay_out(struct gathering *gathering, const struct time_zone *zone, int64_t at_ms) {
    for (int32_t i = 0; i < MONTHS_MAX; i++) {
        gathering->report->months[i].from_ms = month_begins(zone, at_ms, MONTHS_MAX - 1 - i);
        gathering->ends[i] = month_begins(zone, at_ms, MONTHS_MAX - 2 - i);
    }
}

static bool is_of_customer(uint16_t type) {
    return type != EVENT_DECISION_MADE && type != EVENT_CUSTOMER_MERGED &&
           type != EVENT_CUSTOMER_SPLIT && type != EVENT_ERASED;
}

static struct month_series *series_of(struct month_report *report, uint16_t type, uint32_t property,
                                      uint16_t currency) {
    for (uint32_t i = 0; i < report->series_count; i++) {
        struct month_series *series = &report->series[i];
        if (series->event_type == type && series->property == property &&
            series->currency == currency)
            return series;
    }
    if (report->series_count == MONTH_SERIES_MAX) return NULL;
    struct month_series *series = &report->series[report->series_count++];
    *series = (struct month_series){.event_type = type, .property = property, .currency = currency};
    return series;
}

static void add_money(struct gathering *gathering, const struct timeline *timeline, uint32_t row,
                      uint32_t month) {
    struct month_report *report = gathering->report;
    for (uint32_t c = 0; c < gathering->columns->count; c++) {
        if ((gathering->money[c / 64] >> (c % 64) & 1) == 0) continue;
        struct value value = column_value(&timeline->columns[c], VALUE_MONEY, row);
        if (value.type != VALUE_MONEY) continue;
        struct month_series *series = series_of(
            report, timeline->type[row], gathering->columns->columns[c].property, value.currency);
        if (series == NULL) {
            report->left_out++;
            continue;
        }
        series->values[month]++;
        if (__builtin_add_overflow(series->minor[month], value.minor, &series->minor[month]))
            series->minor[month] = value.minor > 0 ? INT64_MAX : INT64_MIN;
    }
}

/* Adds a customer. Rows stand in order of time, so the month only moves forward. */
static void add_customer(struct gathering *gathering, const struct timeline *timeline) {
    struct month_report *report = gathering->report;
    uint32_t month = 0, last_counted = UINT32_MAX;
    for (uint32_t row = 0; row < timeline->count; row++) {
        int64_t time_ms = timeline->time_ms[row];
        if (!is_of_customer(timeline->type[row]) || time_ms == TIME_ALWAYS) continue;
        if (time_ms < report->months[0].from_ms) {
            report->earlier_events++;
            continue;
        }
        while (month + 1 < MONTHS_MAX && time_ms >= gathering->ends[month]) month++;
        report->months[month].events++;
        report->months[month].customers += last_counted != month;
        last_counted = month;
        add_money(gathering, timeline, row, month);
    }
}

static enum status walk(struct gathering *gathering, struct timeline_source *source, int64_t at_ms,
                        struct work *work, struct error *error) {
    struct timeline_request request = {.as_of = {at_ms, POSITION_NOW}, .columns = gathering->money};
    struct timeline_reader *reader;
    struct timeline timeline;
    enum status status = source->ops->reader_open(source, &reader, error);
    if (status != STATUS_OK) return status;
    status = source->ops->walk(reader, &request, 0, 1, error);
    while (status == STATUS_OK &&
           (status = source->ops->next(reader, &timeline, error)) == STATUS_OK) {
        add_customer(gathering, &timeline);
        work_add(work, 1);
        status = work_check(work, error);
    }
    source->ops->reader_close(reader);
    if (status == STATUS_END) status = STATUS_OK;
    if (status == STATUS_CANCELLED) return status;
    enum status damage = timeline_source_check(source, error);
    return damage != STATUS_OK ? damage : status;
}

static uint64_t values_of(const struct month_series *series) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < MONTHS_MAX; i++) sum += series->values[i];
    return sum;
}

static int compare_series(const void *left, const void *right) {
    const struct month_series *a = left, *b = right;
    uint64_t values_a = values_of(a), values_b = values_of(b);
    if (values_a != values_b) return values_a > values_b ? -1 : 1;
    if (a->event_type != b->event_type) return a->event_type < b->event_type ? -1 : 1;
    if (a->property != b->property) return a->property < b->property ? -1 : 1;
    return a->currency < b->currency ? -1 : a->currency > b->currency;
}

/* Drops the months before the first event. */
static void trim(struct month_report *report) {
    uint32_t first = 0;
    while (first + 1 < MONTHS_MAX && report->months[first].events == 0) first++;
    if (report->earlier_events > 0) first = 0;
    report->month_count = MONTHS_MAX - first;
    memmove(report->months, report->months + first, report->month_count * sizeof *report->months);
    for (uint32_t i = 0; i < report->series_count; i++) {
        struct month_series *series = &report->series[i];
        memmove(series->values, series->values + first,
                report->month_count * sizeof *series->values);
        memmove(series->minor, series->minor + first, report->month_count * sizeof *series->minor);
    }
}

double month_sum(const struct month_series *series, uint32_t month) {
    return (double)series->minor[month] / pow(10, currency_minor_digits(series->currency));
}

static struct figure of_month(const struct month_report *report, const char *name,
                              const char *question, double value) {
    struct figure figure = {.name = name,
                            .question = question,
                            .value = value,
                            .unit = FIGURE_COUNT,
                            .as_of_ms = report->at_ms};
    figure_exact(&figure);
    return figure;
}

void month_figures(const struct month_report *report, uint32_t month,
                   struct figure out[MONTH_FIGURES]) {
    const struct month *of = &report->months[month];
    out[0] = of_month(report, "events", "how many events of customers' own doing fell in the month",
                      (double)of->events);
    out[0].of = COUNTED_EVENTS;
    out[0].n = of->events;
    out[1] = of_month(report, "customers", "how many customers had at least one of them",
                      (double)of->customers);
    out[1].of = COUNTED_CUSTOMERS;
    out[1].n = of->customers;
}

struct figure month_sum_figure(const struct month_report *report, const struct month_series *series,
                               uint32_t month) {
    struct figure figure = of_month(report, "sum", "what do the amounts of the month add up to",
                                    month_sum(series, month));
    figure.of = COUNTED_EVENTS;
    figure.n = series->values[month];
    figure.unit = FIGURE_MONEY;
    figure.currency = series->currency;
    return figure;
}

enum status months_measure(const struct customer_data *data, int64_t at_ms, struct work *work,
                           struct month_report *out, struct error *error) {
    struct gathering gathering = {.report = out, .columns = &data->playbook->columns};
    *out = (struct month_report){.at_ms = at_ms};
    lay_out(&gathering, data->playbook->zone, at_ms);
    for (uint32_t c = 0; c < gathering.columns->count; c++)
        if (gathering.columns->columns[c].type == VALUE_MONEY)
            gathering.money[c / 64] |= UINT64_C(1) << (c % 64);
    work_step(work, "customers counted by month", 0);
    enum status status = walk(&gathering, data->source, at_ms, work, error);
    if (status != STATUS_OK) return status;
    qsort(out->series, out->series_count, sizeof *out->series, compare_series);
    trim(out);
    return STATUS_OK;
}
