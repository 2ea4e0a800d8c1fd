/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/aggregate.h"

#include "base/time.h"

/* ---- windows ---- */

static int64_t before(int64_t t_ms, int64_t by_ms) {
    int64_t result;
    return __builtin_sub_overflow(t_ms, by_ms, &result) ? INT64_MIN : result;
}

/* Counts the rows by t. Most questions look at the newest end of a short timeline, so look there
 * before searching. */
static inline uint32_t rows_by(const struct timeline *timeline, int64_t t_ms) {
    uint32_t count = timeline->count;
    if (count == 0 || timeline->time_ms[count - 1] <= t_ms) return count;
    /* Search without branches: the processor can't guess where a window starts, and a wrong guess
     * costs more than all these steps. The last row happened after t, so the search ends on the
     * first such row. */
    const int64_t *at = timeline->time_ms;
    while (count > 1) {
        uint32_t half = count / 2;
        at += at[half - 1] <= t_ms ? half : 0;
        count -= half;
    }
    return (uint32_t)(at - timeline->time_ms);
}

/* Returns the first row of the n-th last visit; `high` where there is no visit. */
static uint32_t visits_start(const struct eval *eval, uint32_t visits, uint32_t high) {
    const struct timeline *timeline = eval->timeline;
    uint32_t start = high, seen = 0;
    int64_t next_ms = 0;
    for (uint32_t row = high; row-- > 0;) {
        int64_t time_ms = timeline->time_ms[row];
        if (time_ms == TIME_ALWAYS) break;
        if (!aggregate_is_visit(eval->program, timeline->type[row])) continue;
        if (!timeline_known(timeline, row, eval->env->t_ms)) continue;
        bool is_new = seen == 0 || next_ms - time_ms > eval->program->visit_gap_ms;
        if (is_new && seen++ == visits) break;
        next_ms = time_ms;
        start = row;
    }
    /* Rows of the very moment at which the visit starts belong to it, in whichever order they
     * arrived. */
    while (start < high && start > 0 && timeline->time_ms[start - 1] == timeline->time_ms[start])
        start--;
    return start;
}

static struct window search_window(const struct eval *eval, const struct aggregate *aggregate) {
    const struct timeline *timeline = eval->timeline;
    int64_t end_ms = before(eval->env->t_ms, aggregate->ending_ms);
    struct window window = {0, rows_by(timeline, end_ms), timeline->truncated};
    if (aggregate->window == WINDOW_DURATION) {
        int64_t start_ms = before(end_ms, aggregate->window_ms);
        /* A row without a date stands before everything, and belongs to no window. */
        if (start_ms < TIME_ALWAYS) start_ms = TIME_ALWAYS;
        window.low = rows_by(timeline, start_ms);
        window.cut = timeline->truncated && window.low == 0;
    } else if (aggregate->window == WINDOW_VISITS) {
        window.low = visits_start(eval, aggregate->visits, window.high);
        window.cut = timeline->truncated && window.low == 0;
    }
    return window;
}

struct window aggregate_window(const struct eval *eval, const struct aggregate *aggregate) {
    struct expr_spans *known = eval->env->spans;
    bool keeps = known != NULL && aggregate->window == WINDOW_DURATION &&
                 eval->timeline == eval->env->timeline;
    if (!keeps) return search_window(eval, aggregate);
    for (uint32_t i = 0; i < known->count; i++) {
        if (known->spans[i].window_ms == aggregate->window_ms &&
            known->spans[i].ending_ms == aggregate->ending_ms)
            return (struct window){known->spans[i].low, known->spans[i].high, known->spans[i].cut};
    }
    struct window window = search_window(eval, aggregate);
    if (known->count == EXPR_SPANS_MAX) return window;
    uint32_t at = known->count++;
    known->spans[at].window_ms = aggregate->window_ms;
    known->spans[at].ending_ms = aggregate->ending_ms;
    known->spans[at].low = window.low;
    known->spans[at].high = window.high;
    known->spans[at].cut = window.cut;
    return window;
}

/* ---- rows and items ---- */

bool aggregate_simple_holds(struct eval *eval, const struct simple_where *where, uint32_t row) {
    const struct timeline_column *column = eval_column(eval, where->column);
    if (column->cells == NULL) return false;
    switch (where->kind) {
    case SIMPLE_TEXT: {
        struct text text;
        return column_text(column, row, &text) &&
               text_equal(text, where->text) == (where->op == OP_EQUAL);
    }
    case SIMPLE_NUMBER: {
        double number = ((const double *)column->cells)[row];
        return !isnan(number) &&
               function_compares((enum operator)where->op,
                                 (number > where->number) - (number < where->number));
    }
    case SIMPLE_INTEGER: {
        int64_t cell = ((const int64_t *)column->cells)[row];
        return cell != CELL_UNKNOWN &&
               function_compares((enum operator)where->op,
                                 (cell > where->integer) - (cell < where->integer));
    }
    case SIMPLE_MONEY: {
        int64_t cell = ((const int64_t *)column->cells)[row], minor = cell >> MONEY_CELL_SHIFT;
        if (cell == CELL_UNKNOWN) return false;
        if ((cell & ((1 << MONEY_CELL_SHIFT) - 1)) != where->currency) {
            eval->env->limit_reached = true; /* two currencies have no order */
            return false;
        }
        return function_compares((enum operator)where->op,
                                 (minor > where->integer) - (minor < where->integer));
    }
    case SIMPLE_YES_NO: return ((const uint8_t *)column->cells)[row] == where->integer;
    case SIMPLE_NONE:
    case SIMPLE_CODE: break;
    }
    return true;
}

bool aggregate_where(struct eval *eval, const struct aggregate *aggregate, uint32_t row) {
    if (aggregate->where.kind == SIMPLE_NONE) return true;
    if (aggregate->where.kind != SIMPLE_CODE)
        return aggregate_simple_holds(eval, &aggregate->where, row);
    eval->row = row;
    struct value value = eval_run(eval, aggregate->where_code);
    return value.type == VALUE_YES_NO && value.yes;
}

static void offer_items(struct eval *eval, const struct aggregate *aggregate, uint32_t row,
                        struct value list, aggregate_offer *offer, void *context) {
    struct items items;
    if (!items_init(&items, list, aggregate->item_fields, aggregate->item_field_count)) return;
    eval->items = &items;
    while (items_next(&items)) {
        const struct value *item =
            aggregate->has_field ? &items.field[aggregate->field] : &items.scalar;
        if (aggregate->has_field && item->type != aggregate->value_type) continue;
        offer(eval, aggregate, context, row, *item);
    }
    eval->items = NULL;
}

void aggregate_offer_row(struct eval *eval, const struct aggregate *aggregate, uint32_t row,
                         aggregate_offer *offer, void *context) {
    struct value value = value_unknown();
    if (aggregate->has_column) {
        value = column_value(eval_column(eval, aggregate->column), aggregate->column_type, row);
        if (!value_is_known(value)) return;
    }
    if (aggregate->iterates) {
        offer_items(eval, aggregate, row, value, offer, context);
    } else {
        offer(eval, aggregate, context, row, value);
    }
}

/* ---- sums and counts ---- */

void aggregate_total_add(struct total *total, struct value value) {
    if (total->count++ == 0) total->currency = value.type == VALUE_MONEY ? value.currency : 0;
    if (value.type == VALUE_NUMBER) {
        total->number += value.number;
    } else if (value.type == VALUE_MONEY || value.type == VALUE_DURATION) {
        if (__builtin_add_overflow(total->integer, value.minor, &total->integer))
            total->spoilt = true;
        if (value.type == VALUE_MONEY && value.currency != total->currency) total->spoilt = true;
    }
}

static void keep_best(struct eval *eval, const struct aggregate *aggregate,
                      struct accumulator *accumulator, struct value value) {
    struct value *best = &accumulator->best;
    if (!value_is_known(*best)) {
        *best = value;
        return;
    }
    bool unknown;
    int order = function_compare(eval, value, *best, &unknown);
    if (unknown) accumulator->part.spoilt = true;
    if (aggregate->kind == AGGREGATE_MIN ? order < 0 : order > 0) *best = value;
}

void aggregate_take(struct eval *eval, const struct aggregate *aggregate,
                    struct accumulator *accumulator, uint32_t row, struct value value) {
    switch (aggregate->kind) {
    case AGGREGATE_SHARE:
    case AGGREGATE_SUM:
    case AGGREGATE_AVG: aggregate_total_add(&accumulator->part, value); return;
    case AGGREGATE_MIN:
    case AGGREGATE_MAX: keep_best(eval, aggregate, accumulator, value); break;
    case AGGREGATE_FIRST:
        if (accumulator->part.count == 0) accumulator->best = value;
        break;
    default: accumulator->best = value; break;
    }
    accumulator->row = row;
    accumulator->part.count++;
}

static void accumulate(struct eval *eval, const struct aggregate *aggregate, void *context,
                       uint32_t row, struct value value) {
    struct accumulator *accumulator = context;
    if (aggregate->kind == AGGREGATE_SHARE) aggregate_total_add(&accumulator->all, value);
    if (aggregate_where(eval, aggregate, row))
        aggregate_take(eval, aggregate, accumulator, row, value);
}

static struct value typed_total(const struct eval *eval, enum value_type type,
                                const struct total *total) {
    switch (type) {
    case VALUE_MONEY:
        return value_money(total->integer,
                           total->count ? total->currency : eval->program->currency);
    case VALUE_DURATION: return value_duration(total->integer);
    default: return isfinite(total->number) ? value_number(total->number) : value_unknown();
    }
}

int64_t aggregate_divided(int64_t sum, uint64_t count) {
    int64_t by = (int64_t)count, quotient = sum / by, rest = sum % by;
    uint64_t twice = 2 * (uint64_t)(rest < 0 ? -rest : rest);
    bool up = twice > count || (twice == count && (quotient & 1));
    return up ? quotient + (sum < 0 ? -1 : 1) : quotient;
}

static struct value average(const struct eval *eval, enum value_type type, struct total total) {
    if (total.count == 0) return value_unknown();
    total.integer = aggregate_divided(total.integer, total.count);
    total.number /= (double)total.count;
    return typed_total(eval, type, &total);
}

static struct value share(enum value_type type, const struct total *part, const struct total *all) {
    double above = (double)part->count, below = (double)all->count;
    if (type == VALUE_NUMBER) above = part->number, below = all->number;
    if (type == VALUE_MONEY || type == VALUE_DURATION)
        above = (double)part->integer, below = (double)all->integer;
    double result = above / below;
    return isfinite(result) ? value_number(result) : value_unknown();
}

static struct value since(struct eval *eval, uint32_t row) {
    int64_t time_ms = eval->timeline->time_ms[row];
    return time_ms == TIME_ALWAYS ? value_unknown()
                                  : value_duration(before(eval->env->t_ms, time_ms));
}

struct value aggregate_of_row(struct eval *eval, const struct aggregate *aggregate, uint32_t row,
                              struct value value) {
    if (aggregate->kind == AGGREGATE_EXISTS) return value_yes_no(true);
    if (aggregate->kind == AGGREGATE_SINCE) return since(eval, row);
    if (aggregate->has_column) return value;
    int64_t time_ms = eval->timeline->time_ms[row];
    return time_ms == TIME_ALWAYS ? value_unknown() : value_time(time_ms);
}

struct value aggregate_result(struct eval *eval, const struct aggregate *aggregate,
                              const struct accumulator *accumulator) {
    const struct total *part = &accumulator->part;
    if (part->spoilt || accumulator->all.spoilt) return eval_limit(eval);
    switch (aggregate->kind) {
    case AGGREGATE_COUNT: return value_number((double)part->count);
    case AGGREGATE_SUM: return typed_total(eval, aggregate->value_type, part);
    case AGGREGATE_AVG: return average(eval, aggregate->value_type, *part);
    case AGGREGATE_SHARE: return share(aggregate->value_type, part, &accumulator->all);
    default: break;
    }
    if (part->count > 0)
        return aggregate_of_row(eval, aggregate, accumulator->row, accumulator->best);
    return aggregate->kind == AGGREGATE_EXISTS ? value_yes_no(false) : value_unknown();
}

/* ---- which way to walk ---- */

static struct value walk(struct eval *eval, const struct aggregate *aggregate,
                         struct window window) {
    struct accumulator accumulator = {0};
    if (aggregate_walks_back(aggregate->kind)) {
        for (uint32_t row = window.high; row-- > window.low && accumulator.part.count == 0;) {
            if (aggregate_takes_row(eval, aggregate, row))
                aggregate_offer_row(eval, aggregate, row, accumulate, &accumulator);
        }
    } else {
        for (uint32_t row = window.low; row < window.high; row++) {
            if (aggregate_takes_row(eval, aggregate, row))
                aggregate_offer_row(eval, aggregate, row, accumulate, &accumulator);
            if (aggregate->kind == AGGREGATE_FIRST && accumulator.part.count) break;
        }
    }
    return aggregate_result(eval, aggregate, &accumulator);
}

struct value aggregate_of_cut(struct eval *eval, const struct aggregate *aggregate,
                              struct value value) {
    bool decided =
        aggregate_walks_back(aggregate->kind) && value_is_known(value) &&
        !(value.type == VALUE_YES_NO && aggregate->kind == AGGREGATE_EXISTS && !value.yes);
    return decided ? value : eval_limit(eval);
}

struct value aggregate_eval(struct eval *eval, const struct aggregate *aggregate) {
    struct window window = aggregate_window(eval, aggregate);
    struct value value;
    if (aggregate_fast(eval, aggregate, window, &value))
        return window.cut ? aggregate_of_cut(eval, aggregate, value) : value;
    switch (aggregate->kind) {
    case AGGREGATE_OVERDUE: value = aggregate_overdue(eval, aggregate, window); break;
    case AGGREGATE_ALIVE:
    case AGGREGATE_EXPECTED_ORDERS:
    case AGGREGATE_EXPECTED_VALUE: value = aggregate_of_lifetime(eval, aggregate, window); break;
    case AGGREGATE_DISTINCT: value = aggregate_distinct(eval, aggregate, window); break;
    case AGGREGATE_LIST: value = aggregate_list(eval, aggregate, window); break;
    default: {
        bool groups = aggregate->rows.visits &&
                      (aggregate->kind == AGGREGATE_COUNT || aggregate->kind == AGGREGATE_SHARE);
        value = groups ? aggregate_visits(eval, aggregate, window) : walk(eval, aggregate, window);
        break;
    }
    }
    return window.cut ? aggregate_of_cut(eval, aggregate, value) : value;
}
