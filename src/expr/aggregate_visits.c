/* SPDX-License-Identifier: Apache-2.0 */
/* The aggregates that split a timeline by gaps: visits, and the rhythm of an event. */
#include <math.h>

#include "base/time.h"
#include "expr/aggregate.h"

/* ---- visits ---- */

struct visit_counts {
    uint64_t visits, holding;
    bool holds; /* the present visit is counted already */
};

static void offer_visit(struct eval *eval, const struct aggregate *aggregate, void *context,
                        uint32_t row, struct value value) {
    struct visit_counts *counts = context;
    (void)value;
    if (counts->holds || !aggregate_where(eval, aggregate, row)) return;
    counts->holds = true;
    counts->holding++;
}

/* count(visits where …) counts the visits of the window with at least one event for which the
 * condition holds; share tells their part of all visits. */
struct value aggregate_visits(struct eval *eval, const struct aggregate *aggregate,
                              struct window window) {
    const struct timeline *timeline = eval->timeline;
    struct visit_counts counts = {0};
    int64_t last_ms = 0;
    for (uint32_t row = window.low; row < window.high; row++) {
        int64_t time_ms = timeline->time_ms[row];
        if (time_ms == TIME_ALWAYS || !aggregate_takes_row(eval, aggregate, row)) continue;
        if (counts.visits == 0 || time_ms - last_ms > eval->program->visit_gap_ms) {
            counts.visits++;
            counts.holds = false;
        }
        last_ms = time_ms;
        aggregate_offer_row(eval, aggregate, row, offer_visit, &counts);
    }
    if (aggregate->kind == AGGREGATE_COUNT) return value_number((double)counts.holding);
    return counts.visits ? value_number((double)counts.holding / (double)counts.visits)
                         : value_unknown();
}

/* ---- overdue ---- */

/* Events within an hour of the one before are one occasion, such as two scans of one ticket. */
#define OCCASION_GAP_MS TIME_HOUR_MS
/* A shorter gap counts as this long, since a gap of length 0 has no logarithm. */
#define GAP_MS_MIN 1000.0
#define GAPS_MIN   2

struct rhythm {
    uint32_t occasions, gaps;
    int64_t last_event_ms, last_occasion_ms;
    int64_t occasion_gap_ms;
    double mean, sum_squares; /* of the logarithms of the gaps (Welford) */
};

static void offer_occasion(struct eval *eval, const struct aggregate *aggregate, void *context,
                           uint32_t row, struct value value) {
    struct rhythm *rhythm = context;
    int64_t time_ms = eval->timeline->time_ms[row];
    (void)value;
    if (time_ms == TIME_ALWAYS || !aggregate_where(eval, aggregate, row)) return;
    bool is_new =
        rhythm->occasions == 0 || time_ms - rhythm->last_event_ms > rhythm->occasion_gap_ms;
    rhythm->last_event_ms = time_ms;
    if (!is_new) return;
    if (rhythm->occasions++ > 0) {
        double gap = log(fmax((double)(time_ms - rhythm->last_occasion_ms), GAP_MS_MIN));
        double off = gap - rhythm->mean;
        rhythm->mean += off / ++rhythm->gaps;
        rhythm->sum_squares += off * (gap - rhythm->mean);
    }
    rhythm->last_occasion_ms = time_ms;
}

struct value aggregate_overdue(struct eval *eval, const struct aggregate *aggregate,
                               struct window window) {
    struct rhythm rhythm = {.occasion_gap_ms = aggregate->rows.visits ? eval->program->visit_gap_ms
                                                                      : OCCASION_GAP_MS};
    for (uint32_t row = window.low; row < window.high; row++) {
        if (aggregate_takes_row(eval, aggregate, row))
            aggregate_offer_row(eval, aggregate, row, offer_occasion, &rhythm);
    }
    if (rhythm.gaps < GAPS_MIN) return value_unknown();
    double present = fmax((double)eval->env->t_ms - (double)rhythm.last_occasion_ms, GAP_MS_MIN);
    return value_number(overdue_surprise(rhythm.gaps, rhythm.mean, rhythm.sum_squares, present));
}
