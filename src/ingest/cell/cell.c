/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cell/cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/canonical.h"
#include "ingest/cell/notation.h"

#define WHOLE_MAX      1e15 /* smaller whole numbers are written without an exponent */
#define FAST_MINOR_MAX INT64_C(10000000000) /* times 10^4 it is still below money's limit */
/* Money's limit, 2^47 - 1: as a double exact to far below a unit. */
#define NUMBER_MINOR_MAX 140737488355327.0

static const double powers_of_ten[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
static const int64_t integer_powers[] = {1, 10, 100, 1000, 10000};

void zone_days_init(struct zone_days *days, const struct time_zone *zone) {
    days->zone = zone;
    for (int i = 0; i < ZONE_DAYS; i++) days->day[i] = INT32_MIN;
    memset(days->date, 0, sizeof days->date);
}

/* Returns the offset of a day. A day with the same offset at five of its moments has no change in
 * it. */
static int32_t offset_of_day(const struct time_zone *zone, int64_t midnight_ms) {
    int64_t first = 0;
    for (int i = 0; i <= 4; i++) {
        struct civil civil;
        int64_t local_ms = midnight_ms + (i < 4 ? i * 6 * TIME_HOUR_MS : TIME_DAY_MS - 1);
        time_to_civil(local_ms, &civil);
        int64_t offset_ms = local_ms - time_from_local(&civil, zone);
        if (i == 0) first = offset_ms;
        if (offset_ms != first || offset_ms % TIME_SECOND_MS) return INT32_MIN;
    }
    return (int32_t)(first / TIME_SECOND_MS);
}

static bool local_to_utc(struct zone_days *days, int64_t day, int64_t of_day_ms, int64_t *time_ms) {
    int64_t midnight_ms = day * TIME_DAY_MS;
    *time_ms = midnight_ms + of_day_ms;
    if (days->zone == NULL) return true;
    uint32_t slot = (uint32_t)day % ZONE_DAYS;
    if (days->day[slot] != (int32_t)day) {
        days->offset_s[slot] = offset_of_day(days->zone, midnight_ms);
        days->day[slot] = (int32_t)day;
    }
    if (days->offset_s[slot] == INT32_MIN) return false;
    *time_ms -= days->offset_s[slot] * TIME_SECOND_MS;
    return true;
}

/* Two digits, or a number above 99. */
static uint32_t two_digits(const char *at) {
    uint32_t tens = (uint32_t)(unsigned char)at[0] - '0',
             ones = (uint32_t)(unsigned char)at[1] - '0';
    return tens > 9 || ones > 9 ? 1000 : tens * 10 + ones;
}

/* "YYYY-MM-DD" of 1900 to 2199, days up to the 28th or by the month. */
static bool fast_date(const char *at, int64_t *day) {
    static const uint8_t month_days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t century = two_digits(at), year_of_century = two_digits(at + 2),
             month = two_digits(at + 5), date = two_digits(at + 8);
    if (at[4] != '-' || at[7] != '-' || century < 19 || century > 21 || year_of_century > 99)
        return false;
    if (month < 1 || month > 12 || date < 1 || date > month_days[month]) return false;
    uint32_t year = century * 100 + year_of_century;
    uint32_t y = year - (month <= 2), era_year = y % 400, era = y / 400;
    uint32_t of_year = (153 * (month + (month > 2 ? (uint32_t)-3 : 9u)) + 2) / 5 + date - 1;
    *day =
        (int64_t)era * 146097 + era_year * 365 + era_year / 4 - era_year / 100 + of_year - 719468;
    return true;
}

/* "HH:MM:SS" */
static bool fast_clock(const char *at, int64_t *of_day_ms) {
    uint32_t hour = two_digits(at), minute = two_digits(at + 3), second = two_digits(at + 6);
    if (at[2] != ':' || at[5] != ':' || hour > 23 || minute > 59 || second > 59) return false;
    *of_day_ms = (int64_t)(hour * 3600 + minute * 60 + second) * TIME_SECOND_MS;
    return true;
}

/* Is the date that of the row before? Mostly it is, since the rows of a file are close in time. */
static inline bool same_date(struct zone_days *days, const char *at, int64_t *day) {
    if (memcmp(days->date, at, sizeof days->date) == 0) {
        *day = days->date_day;
        return true;
    }
    if (!fast_date(at, day)) return false;
    memcpy(days->date, at, sizeof days->date);
    days->date_day = *day;
    return true;
}

/* "2017-01-28", "2017-01-28 14:06:53" (or T), the same with Z, with .mmmZ. */
static bool fast_time(struct zone_days *days, struct text text, int64_t *time_ms) {
    int64_t day, of_day_ms = 0;
    if (text.length != 10 && text.length != 19 && text.length != 20 && text.length != 24)
        return false;
    if (!same_date(days, text.at, &day)) return false;
    if (text.length == 10) return local_to_utc(days, day, 0, time_ms);
    if ((text.at[10] != ' ' && text.at[10] != 'T') || !fast_clock(text.at + 11, &of_day_ms))
        return false;
    if (text.length == 19) return local_to_utc(days, day, of_day_ms, time_ms);
    if (text.at[text.length - 1] != 'Z') return false;
    if (text.length == 24) {
        uint32_t head = two_digits(text.at + 20), last = (uint32_t)(unsigned char)text.at[22] - '0';
        if (text.at[19] != '.' || head > 99 || last > 9) return false;
        of_day_ms += head * 10 + last;
    }
    *time_ms = day * TIME_DAY_MS + of_day_ms;
    return true;
}

/* [-]digits[.digits] of at most 15 digits; anything else is left to the full parser. */
static bool fast_decimal(struct text text, struct cell_decimal *decimal) {
    uint32_t i = 0, point = UINT32_MAX;
    if (text.length == 0 || text.length > CELL_DIGITS_MAX) return false;
    int64_t digits = 0;
    decimal->negative = text.at[0] == '-';
    i += decimal->negative;
    uint32_t first = i;
    for (; i < text.length; i++) {
        uint32_t digit = (uint32_t)(unsigned char)text.at[i] - '0';
        if (digit > 9) {
            if (text.at[i] != '.' || point != UINT32_MAX || i == first) return false;
            point = i;
            continue;
        }
        digits = digits * 10 + digit;
    }
    if (i == first || point == text.length - 1) return false;
    decimal->digits = digits;
    decimal->fraction = point == UINT32_MAX ? 0 : text.length - 1 - point;
    return true;
}

static enum status number_money(struct cell_reader *reader, double number, struct value *out);

/* Reads money in scientific notation: statistics programs write a sum of nothing as 4.440892e-16.
 */
static enum status scientific_money(struct cell_reader *reader, struct text text,
                                    struct value *out) {
    double number;
    text = canonical_trim(text);
    if (memchr(text.at, 'e', text.length) == NULL && memchr(text.at, 'E', text.length) == NULL)
        return STATUS_INVALID;
    enum status status = text_to_double(text, &number);
    return status == STATUS_OK ? number_money(reader, number, out) : status;
}

/* Clinger (1990): both are exact, so one division rounds rightly. -0 keeps its sign. */
double cell_decimal_number(const struct cell_decimal *decimal) {
    double number = decimal->fraction == 0
                        ? (double)decimal->digits
                        : (double)decimal->digits / powers_of_ten[decimal->fraction];
    return decimal->negative ? -number : number;
}

/* Reads a value in its plain form. */
static inline enum status plain_value(struct cell_reader *reader, struct text text,
                                      enum value_type type, struct value *out) {
    struct cell_decimal decimal;
    switch (type) {
    case VALUE_TEXT:
    /* The row was checked for UTF-8. */
    case VALUE_UNKNOWN: value_put_text(out, text); return STATUS_OK;
    case VALUE_NUMBER:
        if (!fast_decimal(text, &decimal)) break;
        value_put_number(out, cell_decimal_number(&decimal));
        return STATUS_OK;
    case VALUE_MONEY:
        if (!fast_decimal(text, &decimal) || decimal.fraction > reader->minor_digits) break;
        if (decimal.digits > FAST_MINOR_MAX) break; /* money_parse judges its own limit */
        decimal.digits *= integer_powers[reader->minor_digits - decimal.fraction];
        value_put_money(out, decimal.negative ? -decimal.digits : decimal.digits, reader->currency);
        return STATUS_OK;
    case VALUE_TIME:
        value_put_time(out, 0);
        if (fast_time(&reader->days, text, &out->time_ms)) return STATUS_OK;
        break;
    default: break;
    }
    enum status status = value_parse(text, type, reader->currency, reader->days.zone, out);
    return status == STATUS_INVALID && type == VALUE_MONEY ? scientific_money(reader, text, out)
                                                           : status;
}

static enum status money_value(struct cell_reader *reader, struct text text,
                               enum decimal_notation decimal, struct value *out) {
    struct notation_text plain;
    uint16_t currency = reader->currency;
    if (notation_money(text, decimal, &currency, &plain)) return STATUS_INVALID;
    struct text rewritten = {plain.at, plain.length};
    enum status status = value_parse(rewritten, VALUE_MONEY, currency, NULL, out);
    if (status == STATUS_INVALID && currency == reader->currency)
        return scientific_money(reader, rewritten, out);
    return status;
}

/* Reads what the plain forms do not read, or must not. It is a function of its own, so that the
 * code for nearly all values stays short. */
__attribute__((noinline)) static enum status noted_value(struct cell_reader *reader,
                                                         struct text text, enum value_type type,
                                                         struct notation notation,
                                                         struct value *out) {
    struct notation_text plain;
    if (canonical_trim(text).length == 0) return STATUS_OK;
    switch (type) {
    case VALUE_TIME:
        *out = value_time(0);
        return notation_time(text, (enum date_notation)notation.dates, reader->days.zone,
                             &out->time_ms);
    case VALUE_MONEY:
        return money_value(reader, text, (enum decimal_notation)notation.decimal, out);
    case VALUE_NUMBER:
        if (notation.decimal == DECIMAL_PLAIN) return STATUS_INVALID;
        if (notation_number(text, (enum decimal_notation)notation.decimal, &plain))
            return STATUS_INVALID;
        return value_parse((struct text){plain.at, plain.length}, type, 0, NULL, out);
    default: return STATUS_INVALID;
    }
}

static enum status text_value(struct cell_reader *reader, struct text text, enum value_type type,
                              struct notation notation, struct value *out) {
    bool is_figure = type == VALUE_NUMBER || type == VALUE_MONEY;
    bool is_noted =
        (is_figure && notation.decimal) || (type == VALUE_TIME && notation.dates >= DATES_SECONDS);
    enum status status = is_noted ? STATUS_INVALID : plain_value(reader, text, type, out);
    return status != STATUS_INVALID ? status : noted_value(reader, text, type, notation, out);
}

/* The fewest digits that read back. */
static size_t number_text(double number, char out[40]) {
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(out, 40, "%.*g", precision, number);
        double back = strtod(out, NULL);
        if (!(back < number) && !(back > number)) break;
    }
    return strlen(out);
}

/* Reads money from a number of JSON, whose 12.34 becomes the nearest double. Where the nearest
 * minor unit is not in doubt, it is the one that was written; near a half (12.345) the decimal
 * digits decide. */
static enum status number_money(struct cell_reader *reader, double number, struct value *out) {
    double minor = number * (double)integer_powers[reader->minor_digits];
    if (!(fabs(minor) < NUMBER_MINOR_MAX)) return STATUS_INVALID;
    double nearest = nearbyint(minor);
    if (fabs(minor - nearest) < 0.49) {
        value_put_money(out, (int64_t)nearest, reader->currency);
        return STATUS_OK;
    }
    char digits[40];
    size_t length = number_text(number, digits);
    return value_parse((struct text){digits, (uint32_t)length}, VALUE_MONEY, reader->currency, NULL,
                       out);
}

/* 1.7197416e9 and 20170331.0 of a JSON file are times in ten and in eight digits. */
static enum status plain_digits(struct cell_reader *reader, const struct cell *cell,
                                struct text *out) {
    char digits[40];
    double number = cell->kind == CELL_NUMBER    ? json_number(cell->node)
                    : cell->kind == CELL_DECIMAL ? cell->number
                                                 : 0.5;
    if (floor(number) < number || fabs(number) >= WHOLE_MAX) return cell_text(reader, cell, out);
    size_t length = number_text(number, digits);
    *out = arena_text(reader->scratch, (struct text){digits, (uint32_t)length});
    return out->at ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status number_value(struct cell_reader *reader, const struct cell *cell,
                                enum value_type type, struct notation notation, struct value *out) {
    double number = cell->kind == CELL_INTEGER   ? (double)cell->integer
                    : cell->kind == CELL_DECIMAL ? cell->number
                                                 : json_number(cell->node);
    struct text text;
    enum status status;
    switch (type) {
    case VALUE_UNKNOWN:
    case VALUE_NUMBER: value_put_number(out, number); return STATUS_OK;
    case VALUE_MONEY: return number_money(reader, number, out);
    default: break;
    }
    status =
        type == VALUE_TIME ? plain_digits(reader, cell, &text) : cell_text(reader, cell, &text);
    return status == STATUS_OK ? text_value(reader, text, type, notation, out) : status;
}

enum status cell_value(struct cell_reader *reader, const struct cell *cell, enum value_type type,
                       struct notation notation, struct value *out) {
    value_put_unknown(out);
    switch ((enum cell_kind)cell->kind) {
    case CELL_TEXT:
        return cell->text.length == 0 ? STATUS_OK
                                      : text_value(reader, cell->text, type, notation, out);
    case CELL_INTEGER:
    case CELL_DECIMAL:
    case CELL_NUMBER: return number_value(reader, cell, type, notation, out);
    case CELL_YES_NO:
        if (type != VALUE_YES_NO && type != VALUE_UNKNOWN && type != VALUE_TEXT)
            return STATUS_INVALID;
        *out = type == VALUE_TEXT ? value_text(cell->yes ? TEXT("true") : TEXT("false"))
                                  : value_yes_no(cell->yes);
        return STATUS_OK;
    case CELL_NODE: break;
    }
    return STATUS_INVALID;
}

enum status cell_text(struct cell_reader *reader, const struct cell *cell, struct text *out) {
    char digits[40];
    size_t length = 0;
    switch ((enum cell_kind)cell->kind) {
    case CELL_TEXT:
    case CELL_DECIMAL: *out = cell->text; return STATUS_OK;
    case CELL_YES_NO: *out = cell->yes ? TEXT("true") : TEXT("false"); return STATUS_OK;
    case CELL_NODE: return STATUS_INVALID;
    case CELL_INTEGER:
        *out = cell->text;
        if (cell->text.length > 0) return STATUS_OK;
        length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)cell->integer);
        break;
    case CELL_NUMBER: *out = json_number_text(cell->node); return STATUS_OK;
    }
    *out = arena_text(reader->scratch, (struct text){digits, (uint32_t)length});
    return out->at ? STATUS_OK : STATUS_NO_MEMORY;
}
