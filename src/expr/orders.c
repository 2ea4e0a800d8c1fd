/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of a customer, as a lifetime model reads them. */
#include <math.h>

#include "base/time.h"
#include "expr/aggregate.h"

#define MINOR_MAX 9e18

static int64_t day_of(const struct time_zone *zone, int64_t time_ms) {
    int64_t local_ms = time_ms + time_zone_offset_s(zone, time_ms) * TIME_SECOND_MS;
    return local_ms / TIME_DAY_MS - (local_ms % TIME_DAY_MS < 0);
}

static double minor_units(uint16_t currency) {
    return pow(10, currency_minor_digits(currency));
}

/* A day that is being gathered. */
struct order_day {
    struct expr_orders *orders;
    uint16_t currency;
    double value; /* of the orders of its last day */
};

static void end_day(struct order_day *day) {
    if (day->orders->days > 1 && day->value > 0) {
        day->orders->valued_days++;
        day->orders->value += day->value;
    }
    day->value = 0;
}

static void add_value(struct order_day *day, struct value value) {
    if (value.type == VALUE_NUMBER && isfinite(value.number)) day->value += value.number;
    if (value.type != VALUE_MONEY) return;
    if (value.currency == day->currency)
        day->value += (double)value.minor / minor_units(value.currency);
    else if (day->orders->days > 1)
        day->orders->has_other_currency = true;
}

static void gather(struct eval *eval, const struct aggregate *aggregate, struct window window,
                   struct expr_orders *orders) {
    struct order_day day = {orders, eval->program->currency, 0};
    for (uint32_t row = window.low; row < window.high; row++) {
        int64_t time_ms = eval->timeline->time_ms[row];
        if (time_ms == TIME_ALWAYS || !aggregate_takes_row(eval, aggregate, row)) continue;
        int64_t date = day_of(eval->program->zone, time_ms);
        if (orders->days == 0 || date > orders->last_day) {
            end_day(&day);
            if (orders->days++ == 0) orders->first_day = date;
            orders->last_day = date;
        }
        if (aggregate->has_column)
            add_value(&day, column_value(eval_column(eval, aggregate->column),
                                         aggregate->column_type, row));
    }
    end_day(&day);
    orders->today = day_of(eval->program->zone, eval->env->t_ms);
}

static struct value amount(struct eval *eval, const struct aggregate *aggregate, double answer) {
    if (aggregate->value_type != VALUE_MONEY) return value_number(answer);
    double minor = answer * minor_units(eval->program->currency);
    if (!(fabs(minor) < MINOR_MAX)) return eval_limit(eval);
    return value_money((int64_t)nearbyint(minor), eval->program->currency);
}

struct value aggregate_of_lifetime(struct eval *eval, const struct aggregate *aggregate,
                                   struct window window) {
    struct expr_orders orders = {0};
    bool asks_value = aggregate->kind == AGGREGATE_EXPECTED_VALUE;
    if (eval->env->lifetime == NULL) return value_unknown();
    gather(eval, aggregate, window, &orders);
    if (orders.days == 0) return value_unknown();
    struct expr_lifetime_question question = {
        .lifetime = aggregate->lifetime,
        .asks = asks_value                           ? LIFETIME_EXPECTED_VALUE
                : aggregate->kind == AGGREGATE_ALIVE ? LIFETIME_ALIVE
                                                     : LIFETIME_EXPECTED_ORDERS,
        .ahead_ms = aggregate->ahead_ms,
        .t_ms = eval->env->t_ms,
        .orders = &orders,
    };
    double answer = eval->env->lifetime(eval->env->context, &question);
    /* As for a sum: of two currencies there is none, and a limit is said to be the cause. */
    if (asks_value && orders.has_other_currency) return eval_limit(eval);
    if (isnan(answer)) return value_unknown();
    return asks_value ? amount(eval, aggregate, answer) : value_number(answer);
}
