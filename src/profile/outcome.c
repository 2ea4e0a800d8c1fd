/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/outcome.h"

struct goal_rows {
    struct profiler *profiler;
    const struct timeline *timeline;
    const struct goal *goal;
    const struct treatment *treatment;
    int64_t t_ms, horizon_ms, now_ms;
    uint32_t order_id; /* SYMBOL_PROPERTY of order_id, or SYMBOL_NONE */
};

static int64_t horizon_of(struct profiler *profiler, const struct timeline *timeline,
                          const struct goal *goal, const struct treatment *treatment,
                          int64_t t_ms) {
    if (goal->until == NULL) return t_ms + goal->within_ms;
    struct value until = profile_eval_for(profiler, goal->until, timeline, treatment, t_ms);
    return until.type == VALUE_TIME ? until.time_ms : TIME_NEVER;
}

static bool is_goal_row(const struct goal_rows *rows, uint32_t row) {
    if (rows->timeline->type[row] != rows->goal->event_type) return false;
    if (!timeline_known(rows->timeline, row, rows->now_ms)) return false;
    if (rows->goal->where == NULL) return true;
    struct value is = profile_eval_row(rows->profiler, rows->goal->where, row, rows->timeline,
                                       rows->treatment, rows->t_ms);
    return is.type == VALUE_YES_NO && is.yes;
}

static struct value order_of(const struct goal_rows *rows, uint32_t row, struct text *packed) {
    if (rows->order_id == SYMBOL_NONE) return value_unknown();
    if (rows->timeline->ops->packed(rows->timeline, row, packed) != STATUS_OK)
        return value_unknown();
    return packed_find(*packed, rows->order_id);
}

/* A return undoes the order that it names; one that names none undoes whatever came before it. */
static bool is_undone(const struct goal_rows *rows, uint32_t row, uint32_t end) {
    if (rows->goal->undone_by == SYMBOL_NONE) return false;
    struct text packed;
    struct value order = order_of(rows, row, &packed);
    char bytes[256];
    if (order.type == VALUE_TEXT) {
        if (order.text.length > sizeof bytes) order = value_unknown();
        /* `packed` is overwritten below. */
        else
            order.text.at = memcpy(bytes, order.text.at, order.text.length);
    }
    for (uint32_t later = row + 1; later < end; later++) {
        if (rows->timeline->type[later] != rows->goal->undone_by) continue;
        if (!timeline_known(rows->timeline, later, rows->now_ms)) continue;
        struct value undone = order_of(rows, later, &packed);
        if (!value_is_known(undone) || !value_is_known(order) || value_equal(undone, order))
            return true;
    }
    return false;
}

/* Adds one goal event's value; a goal with a constant value is worth it once. */
static void add_value(const struct goal_rows *rows, uint32_t row, struct outcome_detail *detail) {
    if (rows->goal->value == NULL) {
        detail->value = rows->goal->value_constant;
        return;
    }
    struct value value = profile_eval_row(rows->profiler, rows->goal->value, row, rows->timeline,
                                          rows->treatment, rows->t_ms);
    if (!value_is_known(value)) return;
    if (!value_is_known(detail->value))
        detail->value = value;
    else if (value.type == VALUE_NUMBER && detail->value.type == VALUE_NUMBER)
        detail->value.number += value.number;
    else if (value.type == VALUE_MONEY && detail->value.type == VALUE_MONEY &&
             value.currency == detail->value.currency)
        detail->value.minor += value.minor;
}

static void find_goal(const struct goal_rows *rows, struct outcome_detail *detail) {
    int64_t last_ms = rows->horizon_ms < rows->now_ms ? rows->horizon_ms : rows->now_ms;
    uint32_t end = timeline_upper_bound(rows->timeline, last_ms);
    for (uint32_t row = timeline_upper_bound(rows->timeline, rows->t_ms); row < end; row++) {
        if (!is_goal_row(rows, row) || is_undone(rows, row, end)) continue;
        if (detail->outcome != OUTCOME_YES) detail->first_ms = rows->timeline->time_ms[row];
        detail->outcome = OUTCOME_YES;
        add_value(rows, row, detail);
    }
}

struct outcome_detail outcome_of(struct profiler *profiler, const struct timeline *timeline,
                                 const struct goal *goal, const struct treatment *treatment,
                                 int64_t t_ms, int64_t now_ms) {
    struct goal_rows rows = {
        .profiler = profiler,
        .timeline = timeline,
        .goal = goal,
        .treatment = treatment,
        .t_ms = t_ms,
        .horizon_ms = horizon_of(profiler, timeline, goal, treatment, t_ms),
        .now_ms = now_ms,
        .order_id = goal->undone_by == SYMBOL_NONE ? SYMBOL_NONE : profiler_order_id(profiler),
    };
    int64_t matured_ms =
        rows.horizon_ms < TIME_NEVER ? rows.horizon_ms + goal->arrives_ms : TIME_NEVER;
    bool matured = matured_ms < TIME_NEVER && matured_ms <= now_ms;
    struct outcome_detail detail = {
        .outcome = matured ? OUTCOME_NO : OUTCOME_OPEN,
        .horizon_ms = rows.horizon_ms,
        .matured_ms = matured_ms,
        .value = value_unknown(),
    };
    find_goal(&rows, &detail);
    /* A return may still come while the horizon is open. */
    if (!matured && detail.outcome == OUTCOME_YES && goal->undone_by != SYMBOL_NONE)
        detail.outcome = OUTCOME_OPEN;
    return detail;
}
