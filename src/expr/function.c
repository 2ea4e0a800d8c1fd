/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/canonical.h"
#include "base/time.h"
#include "event/packed.h"
#include "expr/eval.h"

static struct value number_or_unknown(double number) {
    return isfinite(number) ? value_number(number) : value_unknown();
}

/* ---- comparing ---- */

int function_compare(struct eval *eval, struct value a, struct value b, bool *unknown) {
    *unknown = a.type == VALUE_MONEY && a.currency != b.currency;
    if (*unknown) eval->env->limit_reached = true;
    return value_compare(a, b);
}

bool function_compares(enum operator op, int order) {
    switch (op) {
    case OP_EQUAL: return order == 0;
    case OP_NOT_EQUAL: return order != 0;
    case OP_LESS: return order < 0;
    case OP_LESS_EQUAL: return order <= 0;
    case OP_GREATER: return order > 0;
    default: return order >= 0;
    }
}

bool function_same(struct value a, struct value b) {
    if (a.type == b.type) return value_equal(a, b);
    if (a.type == VALUE_NUMBER && b.type == VALUE_TEXT) return function_same(b, a);
    double number;
    return a.type == VALUE_TEXT && b.type == VALUE_NUMBER &&
           text_to_double(a.text, &number) == STATUS_OK && value_equal(value_number(number), b);
}

struct value function_in_list(struct value item, struct value list) {
    struct list_reader reader;
    struct value candidate;
    if (!value_is_known(item) || list.type != VALUE_LIST) return value_unknown();
    if (list_reader_init(&reader, list) != STATUS_OK) return value_unknown();
    while (list_next(&reader, &candidate) == STATUS_OK) {
        if (function_same(item, candidate)) return value_yes_no(true);
    }
    return value_yes_no(false);
}

struct value function_text_test(enum operator op, struct value a, struct value b) {
    if (a.type != VALUE_TEXT || b.type != VALUE_TEXT) return value_unknown();
    switch (op) {
    case OP_CONTAINS: return value_yes_no(text_contains(a.text, b.text));
    case OP_STARTS: return value_yes_no(text_starts_with(a.text, b.text));
    case OP_ENDS: return value_yes_no(text_ends_with(a.text, b.text));
    default: return value_yes_no(text_matches_glob(a.text, b.text));
    }
}

/* ---- arithmetic ---- */

/* Computes with whole numbers: minor units or milliseconds. False where the result does not fit. */
static bool whole(enum operator op, int64_t a, int64_t b, int64_t *out) {
    return op == OP_ADD ? !__builtin_add_overflow(a, b, out) : !__builtin_sub_overflow(a, b, out);
}

/* Scales and rounds half to even, as all money is rounded. False where the result does not fit. */
static bool scaled(enum operator op, int64_t a, double by, int64_t *out) {
    double result = rint(op == OP_MULTIPLY ? (double)a * by : (double)a / by);
    if (!(fabs(result) < 9e18)) return false;
    *out = (int64_t)result;
    return true;
}

static struct value same_types(struct eval *eval, enum operator op, struct value a,
                               struct value b) {
    if (a.type == VALUE_MONEY && a.currency != b.currency) return eval_limit(eval);
    if (op == OP_DIVIDE)
        return b.minor == 0 ? value_unknown() : value_number((double)a.minor / (double)b.minor);
    struct value result = a;
    if (a.type == VALUE_TIME) result = value_duration(0);
    return whole(op, a.minor, b.minor, &result.minor) ? result : value_unknown();
}

static struct value numbers(enum operator op, double a, double b) {
    switch (op) {
    case OP_ADD: return number_or_unknown(a + b);
    case OP_SUBTRACT: return number_or_unknown(a - b);
    case OP_MULTIPLY: return number_or_unknown(a * b);
    default: return number_or_unknown(a / b); /* division by zero is not finite, so unknown */
    }
}

static bool is_open_end(struct value value) {
    return value.type == VALUE_TIME &&
           (value.time_ms <= TIME_ALWAYS || value.time_ms >= TIME_NEVER);
}

struct value function_arithmetic(struct eval *eval, enum operator op, struct value a,
                                 struct value b) {
    if (a.type == VALUE_UNKNOWN || b.type == VALUE_UNKNOWN) return value_unknown();
    if (a.type == VALUE_NUMBER && b.type == VALUE_NUMBER) return numbers(op, a.number, b.number);
    if (is_open_end(a) || is_open_end(b)) return value_unknown();
    if (a.type == b.type) return same_types(eval, op, a, b);
    struct value result = b.type == VALUE_TIME || a.type == VALUE_NUMBER ? b : a;
    bool good;
    if (a.type == VALUE_NUMBER) {
        good = scaled(op, b.minor, a.number, &result.minor);
    } else if (b.type == VALUE_NUMBER) {
        good = scaled(op, a.minor, b.number, &result.minor);
    } else {
        good = whole(op, a.minor, b.minor, &result.minor);
    }
    return good ? result : value_unknown();
}

/* ---- functions of one value ---- */

static struct value absolute(struct value value) {
    if (value.type == VALUE_NUMBER) return value_number(fabs(value.number));
    if (value.minor == INT64_MIN) return value_unknown();
    if (value.minor < 0) value.minor = -value.minor;
    return value;
}

static struct value lower(struct eval *eval, struct text text) {
    uint32_t i = 0;
    while (i < text.length && (unsigned char)text.at[i] < 0x80 &&
           !(text.at[i] >= 'A' && text.at[i] <= 'Z'))
        i++;
    if (i == text.length) return value_text(text);
    struct arena *scratch = eval->env->scratch;
    if (scratch == NULL || canonical_small(text, scratch, &text) != STATUS_OK)
        return eval_limit(eval);
    return value_text(text);
}

static double length_of(struct value value) {
    if (value.type == VALUE_LIST) return list_count(value);
    uint32_t characters = 0;
    for (uint32_t i = 0; i < value.text.length; i++)
        characters += ((unsigned char)value.text.at[i] & 0xc0) != 0x80;
    return characters;
}

/* Returns hour, weekday or month in the zone. 1 January 1970 was a Thursday; Monday is 1. */
static struct value of_time(enum function function, const struct time_zone *zone, int64_t time_ms) {
    if (time_ms <= TIME_ALWAYS || time_ms >= TIME_NEVER) return value_unknown();
    if (zone != NULL) time_ms += time_zone_offset_s(zone, time_ms) * TIME_SECOND_MS;
    int64_t day = time_ms / TIME_DAY_MS - (time_ms % TIME_DAY_MS < 0);
    if (function == FUNCTION_WEEKDAY) return value_number((double)(((day + 3) % 7 + 7) % 7 + 1));
    if (function == FUNCTION_HOUR)
        return value_number((double)((time_ms - day * TIME_DAY_MS) / TIME_HOUR_MS));
    struct civil civil;
    time_to_civil(time_ms, &civil);
    return value_number(civil.month);
}

struct value function_call(struct eval *eval, enum function function, struct value value) {
    if (!value_is_known(value)) return value;
    switch (function) {
    case FUNCTION_ABS: return absolute(value);
    case FUNCTION_ROUND: return value_number(round(value.number));
    case FUNCTION_FLOOR: return value_number(floor(value.number));
    case FUNCTION_LOG: return number_or_unknown(log(value.number));
    case FUNCTION_LOG1P: return number_or_unknown(log1p(value.number));
    case FUNCTION_SQRT: return number_or_unknown(sqrt(value.number));
    case FUNCTION_LOWER: return lower(eval, value.text);
    case FUNCTION_LENGTH: return value_number(length_of(value));
    case FUNCTION_DAYS: return value_number((double)value.duration_ms / (double)TIME_DAY_MS);
    case FUNCTION_HOUR:
    case FUNCTION_WEEKDAY:
    case FUNCTION_MONTH: return of_time(function, eval->program->zone, value.time_ms);
    default: return value_unknown();
    }
}
