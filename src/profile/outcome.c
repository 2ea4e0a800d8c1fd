/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/outcome.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "event/dark.h"

/* The returns of a window. They are sorted, so that an order is looked up once, however many there
 * are. */
struct returned {
    uint64_t order; /* hash of the order that it names */
    uint32_t row;
};
struct returns {
    struct returned *items; /* by order and row */
    size_t count, capacity;
    uint32_t any_end, unnamed_end; /* behind the last one, and the last that names no order; or 0 */
    bool no_memory;                /* there are more than these */
};

struct goal_rows {
    struct profile *profile;
    const struct timeline *timeline;
    const struct goal *goal;
    const struct treatment *treatment;
    int64_t t_ms, horizon_ms, now_ms;
    uint32_t order_id; /* SYMBOL_PROPERTY of order_id, or SYMBOL_NONE */
};

static int64_t horizon_of(struct profile *profile, const struct timeline *timeline,
                          const struct goal *goal, const struct treatment *treatment,
                          int64_t t_ms) {
    if (goal->until == NULL) return t_ms + goal->within_ms;
    struct value until = profile_eval_for(profile, goal->until, timeline, treatment, t_ms);
    return until.type == VALUE_TIME ? until.time_ms : TIME_NEVER;
}

static bool is_goal_row(const struct goal_rows *rows, uint32_t row) {
    if (rows->timeline->type[row] != rows->goal->event_type) return false;
    if (!timeline_known(rows->timeline, row, rows->now_ms)) return false;
    if (rows->goal->where == NULL) return true;
    struct value is = profile_eval_row(rows->profile, rows->goal->where, row, rows->timeline,
                                       rows->treatment, rows->t_ms);
    return is.type == VALUE_YES_NO && is.yes;
}

/* Returns a hash that equal values share. */
static uint64_t hash_of(struct value value) {
    switch (value.type) {
    case VALUE_TEXT:
    case VALUE_LIST: return hash_text(value.text, value.type);
    case VALUE_NUMBER: {
        double number = value.number + 0.0; /* -0 is 0 */
        return hash_bytes(&number, sizeof number, value.type);
    }
    case VALUE_MONEY: return hash_bytes(&value.minor, sizeof value.minor, 100u + value.currency);
    case VALUE_TIME: return hash_bytes(&value.time_ms, sizeof value.time_ms, value.type);
    case VALUE_DURATION:
        return hash_bytes(&value.duration_ms, sizeof value.duration_ms, value.type);
    default: return hash_u64(value.yes ? 3 : 2);
    }
}

/* Returns the hash of the order that the row names; 0 where it names none. */
static uint64_t order_of(const struct goal_rows *rows, uint32_t row) {
    struct text packed;
    if (rows->timeline->ops->packed(rows->timeline, row, &packed) != STATUS_OK) return 0;
    struct value order =
        rows->order_id == SYMBOL_NONE ? value_unknown() : packed_find(packed, rows->order_id);
    if (!value_is_known(order) && packed_may_be_dark(packed))
        order = dark_find_named(packed, profile_symbols(rows->profile), TEXT("order_id"));
    if (!value_is_known(order)) return 0;
    uint64_t hash = hash_of(order);
    return hash != 0 ? hash : 1;
}

static bool is_return(const struct goal_rows *rows, uint32_t row) {
    return rows->timeline->type[row] == rows->goal->undone_by &&
           timeline_known(rows->timeline, row, rows->now_ms);
}

static int compare_returns(const void *left, const void *right) {
    const struct returned *a = left, *b = right;
    if (a->order != b->order) return a->order < b->order ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static void read_returns(const struct goal_rows *rows, uint32_t begin, uint32_t end,
                         struct returns *returns) {
    if (rows->goal->undone_by == SYMBOL_NONE) return;
    for (uint32_t row = begin; row < end; row++) {
        if (!is_return(rows, row)) continue;
        uint64_t order = order_of(rows, row);
        returns->any_end = row + 1;
        if (order == 0) {
            returns->unnamed_end = row + 1;
            continue;
        }
        if (memory_grow((void **)&returns->items, &returns->capacity, returns->count + 1,
                        sizeof *returns->items) == STATUS_OK)
            returns->items[returns->count++] = (struct returned){order, row};
        else
            returns->no_memory = true;
    }
    if (returns->count > 1)
        qsort(returns->items, returns->count, sizeof *returns->items, compare_returns);
}

/* Is there a return of this order behind the row? It reads the rows where they could not be kept.
 */
static bool is_named_later(const struct goal_rows *rows, const struct returns *returns,
                           uint64_t order, uint32_t row) {
    for (uint32_t later = row + 1; returns->no_memory && later < returns->any_end; later++) {
        if (is_return(rows, later) && order_of(rows, later) == order) return true;
    }
    size_t low = 0, high = returns->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct returned wanted = {order, row + 1};
        if (compare_returns(&returns->items[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < returns->count && returns->items[low].order == order;
}

/* Is the row undone? A return undoes the order that it names; one that names none undoes whatever
 * came before it. */
static bool is_undone(const struct goal_rows *rows, const struct returns *returns, uint32_t row) {
    if (returns->any_end <= row + 1) return false;
    if (returns->unnamed_end > row + 1) return true;
    uint64_t order = order_of(rows, row);
    return order == 0 || is_named_later(rows, returns, order, row);
}

/* Adds one goal event's value. A goal with a constant value has it once. */
static void add_value(const struct goal_rows *rows, uint32_t row, struct outcome_detail *detail) {
    if (rows->goal->value == NULL) {
        detail->value = rows->goal->value_constant;
        return;
    }
    struct value value = profile_eval_row(rows->profile, rows->goal->value, row, rows->timeline,
                                          rows->treatment, rows->t_ms);
    if (!value_is_known(value)) return;
    if (!value_is_known(detail->value))
        detail->value = value;
    else if (value.type == VALUE_NUMBER && detail->value.type == VALUE_NUMBER)
        detail->value.number += value.number;
    else if (value.type == VALUE_MONEY && detail->value.type == VALUE_MONEY &&
             value.currency == detail->value.currency)
        detail->value.minor += value.minor;
    else
        detail->values_left_out++;
}

static void find_goal(const struct goal_rows *rows, struct outcome_detail *detail) {
    int64_t last_ms = rows->horizon_ms < rows->now_ms ? rows->horizon_ms : rows->now_ms;
    uint32_t begin = timeline_upper_bound(rows->timeline, rows->t_ms),
             end = timeline_upper_bound(rows->timeline, last_ms);
    struct returns returns = {0};
    read_returns(rows, begin, end, &returns);
    for (uint32_t row = begin; row < end; row++) {
        if (!is_goal_row(rows, row) || is_undone(rows, &returns, row)) continue;
        if (detail->outcome != OUTCOME_YES) detail->first_ms = rows->timeline->time_ms[row];
        detail->outcome = OUTCOME_YES;
        add_value(rows, row, detail);
    }
    memory_free(returns.items);
}

bool goal_is_of_treatment(const struct goal *goal) {
    return goal->until != NULL || (goal->where != NULL && expr_uses_treatment(goal->where));
}

bool goal_reads_traits(const struct goal *goal) {
    return (goal->where != NULL && expr_traits(goal->where, NULL, 0) > 0) ||
           (goal->value != NULL && expr_traits(goal->value, NULL, 0) > 0);
}

struct outcome_detail outcome_of(struct profile *profile, const struct timeline *timeline,
                                 const struct goal *goal, const struct treatment *treatment,
                                 int64_t t_ms, int64_t now_ms) {
    struct goal_rows rows = {
        .profile = profile,
        .timeline = timeline,
        .goal = goal,
        .treatment = treatment,
        .t_ms = t_ms,
        .horizon_ms = horizon_of(profile, timeline, goal, treatment, t_ms),
        .now_ms = now_ms,
        .order_id = goal->undone_by == SYMBOL_NONE ? SYMBOL_NONE : profile_order_id(profile),
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
