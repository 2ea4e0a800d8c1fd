/* SPDX-License-Identifier: Apache-2.0 */
/* measure/months.h -- what customers did and spent, month by month.
 *
 * Months are those of the playbook's zone. One walk over all timelines counts, as known at one
 * time, the events of customers' own doing (decisions, merges and the like are the engine's, and
 * sources without a date belong to no month) and sums each money property that the playbook uses.
 * Sums of two currencies are never added: each is a series of its own. */
#ifndef MEASURE_MONTHS_H
#define MEASURE_MONTHS_H

#include "base/work.h"
#include "measure/figure.h"
#include "profile/profile.h"

#define MONTHS_MAX       24 /* the newest are kept; older ones are counted in `earlier_events` */
#define MONTH_SERIES_MAX 32 /* sums a month; a further one is left out and told by `left_out` */

struct month {
    int64_t from_ms;            /* when it begins */
    uint64_t events, customers; /* customers: with at least one of these events */
};
struct month_series {
    uint16_t event_type; /* SYMBOL_EVENT */
    uint32_t property;   /* SYMBOL_PROPERTY */
    uint16_t currency;
    uint64_t values[MONTHS_MAX]; /* how many events had it */
    int64_t minor[MONTHS_MAX];   /* their sum in minor units; saturates */
};
struct month_report {
    struct month months[MONTHS_MAX]; /* oldest first; the last holds `at_ms` and is not over */
    uint32_t month_count;
    struct month_series series[MONTH_SERIES_MAX]; /* the largest number of values first */
    uint32_t series_count;
    uint64_t earlier_events; /* before the first month */
    uint64_t left_out;       /* values of further series */
    int64_t at_ms;           /* as known then */
};

/* When the month begins that lies `back` months before that of at_ms. NULL: UTC. */
int64_t month_begins(const struct time_zone *zone, int64_t at_ms, int32_t back);
/* In major units. */
double month_sum(const struct month_series *series, uint32_t month);
/* Events and customers of a month; and the sum of a series in it, in its own currency. */
#define MONTH_FIGURES 2
void month_figures(const struct month_report *report, uint32_t month,
                   struct figure out[MONTH_FIGURES]);
struct figure month_sum_figure(const struct month_report *report, const struct month_series *series,
                               uint32_t month);

/* As known at at_ms, of events up to at_ms. Months before the first event are left out. `work` may
 * be NULL. */
enum status months_measure(const struct customer_data *data, int64_t at_ms, struct work *work,
                           struct month_report *out, struct error *error) MUST_USE;

#endif
