/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cell/notation.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/canonical.h"
#include "ingest/cell/notation_forms.h"

struct scan {
    const char *at, *end;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool take(struct scan *scan, char c) {
    if (scan->at == scan->end || *scan->at != c) return false;
    scan->at++;
    return true;
}

static bool take_text(struct scan *scan, struct text text) {
    if ((size_t)(scan->end - scan->at) < text.length) return false;
    if (memcmp(scan->at, text.at, text.length) != 0) return false;
    scan->at += text.length;
    return true;
}

static bool take_ignoring_case(struct scan *scan, struct text text) {
    if ((size_t)(scan->end - scan->at) < text.length) return false;
    if (!text_equal_ignoring_case((struct text){scan->at, text.length}, text)) return false;
    scan->at += text.length;
    return true;
}

/* How many digits stand here. */
static uint32_t digits_at(const struct scan *scan) {
    const char *at = scan->at;
    while (at < scan->end && is_digit(*at)) at++;
    return (uint32_t)(at - scan->at);
}

static bool take_number(struct scan *scan, uint32_t least, uint32_t most, int32_t *number) {
    uint32_t count = digits_at(scan);
    if (count < least || count > most) return false;
    *number = 0;
    for (; count > 0; count--) *number = *number * 10 + (*scan->at++ - '0');
    return true;
}

static bool put(struct notation_text *out, const char *at, size_t length) {
    if (length > sizeof out->at - out->length) return false;
    memcpy(out->at + out->length, at, length);
    out->length += (uint32_t)length;
    return true;
}

/* ---- times since 1970 ---- */

#define SINCE_DIGITS_MAX   19 /* fits in 64 bits; of seconds with room to multiply by 1000 */
#define SECONDS_DIGITS_MAX 15

/* [-]digits[.digits], and nothing else: what is behind the point counts down to the millisecond. */
static enum status parse_since(struct text text, enum date_notation dates, int64_t *time_ms) {
    struct scan scan = {text.at, text.at + text.length};
    bool negative = take(&scan, '-');
    int64_t sum = 0, thousandths = 0;
    uint32_t count = digits_at(&scan), fraction = 0;
    if (count == 0 || count > (dates == DATES_SECONDS ? SECONDS_DIGITS_MAX : SINCE_DIGITS_MAX))
        return STATUS_INVALID;
    for (; count > 0; count--) {
        if (__builtin_mul_overflow(sum, INT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (int64_t)(*scan.at++ - '0'), &sum))
            return STATUS_INVALID;
    }
    if (take(&scan, '.')) {
        fraction = digits_at(&scan);
        if (fraction == 0) return STATUS_INVALID;
    }
    for (uint32_t i = 0; i < 3; i++)
        thousandths = thousandths * 10 + (i < fraction ? scan.at[i] - '0' : 0);
    if (scan.at + fraction != scan.end) return STATUS_INVALID;
    int64_t ms = dates == DATES_SECONDS ? sum * 1000 + thousandths : sum;
    int64_t unit = dates == DATES_MICROSECONDS ? 1000 : dates == DATES_NANOSECONDS ? 1000000 : 1;
    if (negative && unit > 1)
        ms = sum / unit + (sum % unit != 0); /* the millisecond that it falls into */
    else
        ms /= unit;
    *time_ms = negative ? -ms : ms;
    char iso[32];
    return time_parse((struct text){iso, (uint32_t)time_format(*time_ms, iso)}, NULL,
                      &ms); /* judges the years */
}

static bool is_since(struct text text) {
    for (uint32_t i = 0; i < text.length; i++) {
        if (!is_digit(text.at[i]) && text.at[i] != '.' && (text.at[i] != '-' || i > 0))
            return false;
    }
    return text.length > 0;
}

/* ---- dates of a calendar ---- */

struct date {
    int32_t year, month, day;
};

/* "20170331" */
static bool take_compact(struct scan *scan, struct date *date) {
    struct scan part = {scan->at, scan->at + 8};
    uint32_t count = digits_at(scan);
    if (count != 8 && count != 14) return false;
    int32_t number = 0;
    bool good = take_number(&part, 8, 8, &number);
    *date = (struct date){number / 10000, number / 100 % 100, number % 100};
    scan->at += 8;
    return good;
}

static bool take_separated(struct scan *scan, enum date_notation dates, struct date *date) {
    int32_t *order[3] = {&date->year, &date->month, &date->day};
    bool year_first = digits_at(scan) == 4;
    if (!year_first && dates == DATES_DAY_FIRST) {
        order[0] = &date->day;
        order[2] = &date->year;
    } else if (!year_first && dates == DATES_MONTH_FIRST) {
        order[0] = &date->month;
        order[1] = &date->day;
        order[2] = &date->year;
    }
    char between = 0;
    for (int i = 0; i < 3; i++) {
        bool is_year = order[i] == &date->year, strict = year_first && dates != DATES_YEAR_FIRST;
        if (i == 1) between = scan->at < scan->end ? *scan->at : 0;
        if (i == 1 &&
            (strict ? between != '-' : between != '.' && between != '/' && between != '-'))
            return false;
        if (i > 0 && !take(scan, between)) return false;
        if (!take_number(scan, is_year ? 4 : strict ? 2 : 1, is_year ? 4 : 2, order[i]))
            return false;
    }
    return true;
}

/* Behind the hour of a 12-hour clock: 12 AM is midnight. False where it is no such hour. */
static bool take_half(struct scan *scan, int32_t *hour) {
    static const struct text halves[2][2] = {{{"AM", 2}, {"a.m.", 4}}, {{"PM", 2}, {"p.m.", 4}}};
    struct scan rest = *scan;
    while (take(&rest, ' ') || take_text(&rest, TEXT("\xE2\x80\xAF")) ||
           take_text(&rest, TEXT("\xC2\xA0"))) {
    }
    for (int half = 0; half < 2; half++) {
        if (!take_ignoring_case(&rest, halves[half][0]) &&
            !take_ignoring_case(&rest, halves[half][1]))
            continue;
        *scan = rest;
        if (*hour < 1 || *hour > 12) return false;
        *hour = *hour % 12 + 12 * half;
        return true;
    }
    return true;
}

/* "14:05:33.25", "2:05 PM". */
static bool take_clock(struct scan *scan, struct notation_text *iso) {
    int32_t hour, minute, second = 0;
    const char *fraction = NULL;
    uint32_t fraction_digits = 0;
    char text[16];
    if (!take_number(scan, 1, 2, &hour) || !take(scan, ':')) return false;
    if (!take_number(scan, 2, 2, &minute)) return false;
    bool has_second = take(scan, ':');
    if (has_second && !take_number(scan, 2, 2, &second)) return false;
    if (has_second && (take(scan, '.') || take(scan, ','))) {
        fraction = scan->at;
        fraction_digits = digits_at(scan);
        if (fraction_digits == 0) return false;
        scan->at += fraction_digits;
    }
    if (!take_half(scan, &hour)) return false;
    int length = snprintf(text, sizeof text, " %02d:%02d:%02d", hour, minute, second);
    if (!put(iso, text, (size_t)length)) return false;
    if (fraction == NULL) return true;
    return put(iso, ".", 1) && put(iso, fraction, fraction_digits < 3 ? fraction_digits : 3);
}

/* "140533" behind "20170331". */
static bool put_compact_clock(struct scan *scan, struct notation_text *iso) {
    char text[16];
    int length =
        snprintf(text, sizeof text, " %.2s:%.2s:%.2s", scan->at, scan->at + 2, scan->at + 4);
    scan->at += 6;
    return put(iso, text, (size_t)length);
}

static enum status parse_calendar(struct text text, enum date_notation dates,
                                  const struct time_zone *zone, int64_t *time_ms) {
    struct scan scan = {text.at, text.at + text.length};
    struct notation_text iso = {.length = 0};
    struct date date;
    char day[16];
    bool compact = dates == DATES_YEAR_FIRST && digits_at(&scan) > 4;
    if (compact ? !take_compact(&scan, &date) : !take_separated(&scan, dates, &date))
        return STATUS_INVALID;
    int length = snprintf(day, sizeof day, "%04d-%02d-%02d", date.year, date.month, date.day);
    if (!put(&iso, day, (size_t)length)) return STATUS_INVALID;
    if (compact && digits_at(&scan) == 6) {
        if (!put_compact_clock(&scan, &iso)) return STATUS_INVALID;
    } else if (scan.at < scan.end) {
        bool comma = take(&scan, ',');
        if (!take(&scan, ' ') && (comma || (!take(&scan, 'T') && !take(&scan, 't'))))
            return STATUS_INVALID;
        while (take(&scan, ' ')) {
        }
        if (!take_clock(&scan, &iso)) return STATUS_INVALID;
    }
    if (!put(&iso, scan.at, (size_t)(scan.end - scan.at))) return STATUS_INVALID; /* the offset */
    return time_parse((struct text){iso.at, iso.length}, zone, time_ms);
}

enum status notation_time(struct text text, enum date_notation dates, const struct time_zone *zone,
                          int64_t *time_ms) {
    text = canonical_trim(text);
    if (dates >= DATES_SECONDS && is_since(text)) return parse_since(text, dates, time_ms);
    if (time_parse(text, zone, time_ms) == STATUS_OK) return STATUS_OK;
    if (parse_calendar(text, dates, zone, time_ms) == STATUS_OK) return STATUS_OK;
    return notation_form_time(text, zone, time_ms);
}

/* ---- figures ---- */

/* What may stand between thousands: space, no-break spaces, apostrophes; and the mark that the
 * notation gives this meaning. */
static uint32_t separator_at(const struct scan *scan, enum decimal_notation decimal) {
    static const struct text kinds[] = {
        {" ", 1}, {"'", 1}, {"\xC2\xA0", 2}, {"\xE2\x80\xAF", 3}, {"\xE2\x80\x99", 3}};
    if (decimal == DECIMAL_PLAIN || scan->at == scan->end) return 0;
    if (*scan->at == (decimal == DECIMAL_COMMA ? '.' : ',')) return 1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct scan rest = *scan;
        if (take_text(&rest, kinds[i])) return kinds[i].length;
    }
    return 0;
}

/* Digits, in groups of three behind the first where one is separated; always by the same sign. */
static bool take_whole(struct scan *scan, enum decimal_notation decimal,
                       struct notation_text *out) {
    uint32_t count = digits_at(scan);
    bool groups = count >= 1 && count <= 3;
    const char *first = NULL;
    if (!put(out, scan->at, count)) return false;
    scan->at += count;
    for (uint32_t length; groups && (length = separator_at(scan, decimal)) > 0;) {
        struct scan rest = {scan->at + length, scan->end};
        if (digits_at(&rest) != 3) break; /* what comes is no thousand: let the caller judge it */
        if (first == NULL) first = scan->at;
        if (memcmp(first, scan->at, length) != 0 || !put(out, rest.at, 3)) return false;
        scan->at = rest.at + 3;
    }
    return true;
}

static bool take_exponent(struct scan *scan, struct notation_text *out) {
    struct scan rest = *scan;
    if (!take(&rest, 'e') && !take(&rest, 'E')) return true;
    const char *sign = rest.at;
    if (!take(&rest, '-')) (void)take(&rest, '+');
    uint32_t count = digits_at(&rest);
    if (count == 0) return true; /* EUR */
    size_t signs = (size_t)(rest.at - sign);
    scan->at = rest.at + count;
    return put(out, "e", 1) && put(out, sign, signs) && put(out, rest.at, count);
}

static bool take_figure(struct scan *scan, enum decimal_notation decimal,
                        struct notation_text *out) {
    uint32_t start = out->length;
    if (!take_whole(scan, decimal, out)) return false;
    bool whole = out->length > start;
    if (!whole && !put(out, "0", 1)) return false;
    if (take(scan, decimal == DECIMAL_COMMA ? ',' : '.')) {
        uint32_t count = digits_at(scan);
        if (count == 0 || !put(out, ".", 1) || !put(out, scan->at, count)) return false;
        scan->at += count;
    } else if (!whole) {
        return false;
    }
    return take_exponent(scan, out);
}

/* ---- currencies ---- */

/* Longer signs before those that they end with. */
static const struct {
    struct text sign;
    const char *currencies;
} signs[] = {
    {{"R$", 2}, "BRL"},           {{"$", 1}, "USDCADAUDNZDSGDHKDTWDMXNARSCLPCOPUYU"},
    {{"\xE2\x82\xAC", 3}, "EUR"}, {{"\xC2\xA3", 2}, "GBPEGP"},
    {{"\xC2\xA5", 2}, "JPYCNY"},  {{"\xE2\x82\xB9", 3}, "INR"},
    {{"\xE2\x82\xA9", 3}, "KRW"}, {{"\xE2\x82\xBD", 3}, "RUB"},
    {{"\xE2\x82\xBA", 3}, "TRY"}, {{"\xE2\x82\xAA", 3}, "ILS"},
    {{"\xE2\x82\xB4", 3}, "UAH"}, {{"\xE2\x82\xAB", 3}, "VND"},
    {{"\xE0\xB8\xBF", 3}, "THB"}, {{"\xE2\x82\xB1", 3}, "PHP"},
    {{"z\xC5\x82", 3}, "PLN"},    {{"K\xC4\x8D", 3}, "CZK"},
    {{"Ft", 2}, "HUF"},           {{"kr", 2}, "SEKNOKDKKISK"},
};

static bool choose_currency(const char *currencies, uint16_t *currency) {
    size_t count = strlen(currencies) / 3;
    uint16_t code = 0;
    for (size_t i = 0; i < count; i++) {
        if (currency_from_text((struct text){currencies + 3 * i, 3}, &code) == STATUS_OK &&
            code == *currency)
            return true;
    }
    if (count == 1) *currency = code;
    return count == 1;
}

enum status notation_currency_sign(struct text text, uint16_t *currency) {
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (text_equal(text, signs[i].sign))
            return choose_currency(signs[i].currencies, currency) ? STATUS_OK : STATUS_INVALID;
    }
    return STATUS_INVALID;
}

struct amount {
    bool any_currency; /* a sign that fits none which is meant is no fault */
    bool has_currency, has_sign, negative, in_brackets;
    uint16_t currency;
};

/* *good is cleared where a sign fits no currency that is meant here. */
static bool take_currency(struct scan *scan, struct amount *amount, bool *good) {
    uint16_t code;
    if (amount->has_currency) return false;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!take_text(scan, signs[i].sign)) continue;
        amount->has_currency = true;
        *good = choose_currency(signs[i].currencies, &amount->currency) || amount->any_currency;
        return true;
    }
    if (scan->end - scan->at < 3 || currency_from_text((struct text){scan->at, 3}, &code))
        return false;
    scan->at += 3;
    amount->currency = code;
    amount->has_currency = true;
    return true;
}

static bool take_sign(struct scan *scan, struct amount *amount) {
    if (amount->has_sign) return false;
    bool minus = take(scan, '-') || take_text(scan, TEXT("\xE2\x88\x92"));
    if (!minus && !take(scan, '+')) return false;
    amount->negative = minus;
    amount->has_sign = true;
    return true;
}

static bool take_space(struct scan *scan) {
    return take(scan, ' ') || take_text(scan, TEXT("\xC2\xA0")) ||
           take_text(scan, TEXT("\xE2\x80\xAF"));
}

/* Brackets, sign and currency around a figure, in whatever order people write them. */
static enum status take_amount(struct text text, enum decimal_notation decimal, bool money,
                               struct amount *amount, struct notation_text *plain) {
    text = canonical_trim(text);
    struct scan scan = {text.at, text.at + text.length};
    bool good = true;
    amount->in_brackets = take(&scan, '(');
    if (amount->in_brackets) amount->has_sign = amount->negative = true;
    while (take_sign(&scan, amount) || take_space(&scan) ||
           (money && take_currency(&scan, amount, &good))) {
    }
    plain->length = 0;
    if (!good || !put(plain, "-", amount->negative) || !take_figure(&scan, decimal, plain))
        return STATUS_INVALID;
    bool was_negative = amount->negative;
    while (take_sign(&scan, amount) || take_space(&scan) ||
           (money && take_currency(&scan, amount, &good))) {
    }
    if (!good || take(&scan, ')') != amount->in_brackets || scan.at != scan.end)
        return STATUS_INVALID;
    if (amount->negative == was_negative) return STATUS_OK;
    if (plain->length == sizeof plain->at) return STATUS_INVALID; /* the minus stood behind */
    memmove(plain->at + 1, plain->at, plain->length++);
    plain->at[0] = '-';
    return STATUS_OK;
}

enum status notation_number(struct text text, enum decimal_notation decimal,
                            struct notation_text *plain) {
    struct amount amount = {0};
    return take_amount(text, decimal, false, &amount, plain);
}

enum status notation_money(struct text text, enum decimal_notation decimal, uint16_t *currency,
                           struct notation_text *plain) {
    struct amount amount = {.currency = *currency};
    enum status status = take_amount(text, decimal, true, &amount, plain);
    if (status == STATUS_OK) *currency = amount.currency;
    return status;
}

/* ---- advice ---- */

PRINTF_LIKE(2, 3) static const char *say(char out[NOTATION_ADVICE_BYTES], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out, NOTATION_ADVICE_BYTES, format, arguments);
    va_end(arguments);
    return out;
}

#define SINCE_ADVICE_MIN 9 /* seconds of 1973 */

static uint32_t since_digits(struct text text) {
    struct scan scan = {text.at, text.at + text.length};
    (void)take(&scan, '-');
    return digits_at(&scan);
}

/* By the digits that today's figures have before their point. Twelve may be milliseconds before
 * 2001, or seconds of a far year: 253402300799 is the end of 9999. */
static const char *since_advice(struct text text, enum date_notation declared,
                                char out[NOTATION_ADVICE_BYTES]) {
    static const char *const units[] = {"seconds", "milliseconds", "microseconds", "nanoseconds"};
    uint32_t digits = since_digits(text);
    int unit = digits < 12 ? 0 : digits < 15 ? 1 : digits < 18 ? 2 : 3;
    if (declared >= DATES_SECONDS)
        return say(out, ": that is no year of 1 to 9999; it may be %s", units[unit]);
    if (digits == 12 || digits == 15 || digits == 18)
        return say(out,
                   ": where it counts from 1970, declare dates: %s or dates: %s, whichever its "
                   "file means",
                   units[unit - 1], units[unit]);
    return say(out, ": where it counts from 1970, declare dates: %s", units[unit]);
}

/* Letters of a zone stand behind a clock: "10:00:00 EST". */
static bool ends_in_zone(struct text text) {
    uint32_t letters = 0;
    while (letters < text.length && text.at[text.length - 1 - letters] >= 'A' &&
           text.at[text.length - 1 - letters] <= 'Z')
        letters++;
    if (letters < 3 || letters > 5 || text.length < letters + 6) return false;
    struct text clock = canonical_trim((struct text){text.at, text.length - letters});
    int64_t ms;
    return notation_time(clock, DATES_PLAIN, NULL, &ms) == STATUS_OK;
}

static const char *time_advice(struct text text, struct notation declared,
                               char out[NOTATION_ADVICE_BYTES]) {
    int64_t ms;
    bool since = is_since(text) && since_digits(text) >= SINCE_ADVICE_MIN &&
                 parse_since(text, DATES_NANOSECONDS, &ms) == STATUS_OK;
    if (since && declared.dates >= DATES_SECONDS)
        return since_advice(text, (enum date_notation)declared.dates, out);
    bool day = notation_time(text, DATES_DAY_FIRST, NULL, &ms) == STATUS_OK;
    bool month = notation_time(text, DATES_MONTH_FIRST, NULL, &ms) == STATUS_OK;
    bool year = notation_time(text, DATES_YEAR_FIRST, NULL, &ms) == STATUS_OK;
    const char *now = declared.dates == DATES_PLAIN ? "" : " instead";
    if (day && month)
        return say(out,
                   ": declare dates: day first or dates: month first, whichever its file means");
    if (day || month || year)
        return say(out, ": declare dates: %s first%s", day ? "day" : month ? "month" : "year", now);
    if (since) return since_advice(text, (enum date_notation)declared.dates, out);
    if (ends_in_zone(text))
        return say(out, ": the letters of its zone mean different things in different places: "
                        "write UTC, or an offset such as -05:00");
    return say(out, ": a time is 2017-03-31 14:05:33, or what dates: declares");
}

static bool reads(struct text text, enum value_type type, enum decimal_notation decimal,
                  bool *has_currency) {
    struct amount amount = {.any_currency = true};
    struct notation_text plain;
    struct value value;
    if (take_amount(text, decimal, type == VALUE_MONEY, &amount, &plain)) return false;
    *has_currency = amount.has_currency;
    struct text rewritten = {plain.at, plain.length};
    return value_parse(rewritten, type, amount.currency, NULL, &value) == STATUS_OK;
}

/* An amount that only its size keeps from being one. */
static bool is_too_large(struct text text, enum decimal_notation decimal) {
    struct amount amount = {.any_currency = true};
    struct notation_text plain;
    struct value value;
    if (take_amount(text, decimal, true, &amount, &plain)) return false;
    struct text rewritten = {plain.at, plain.length};
    return value_parse(rewritten, VALUE_NUMBER, 0, NULL, &value) == STATUS_OK &&
           fabs(value.number) > (double)MONEY_MINOR_MAX / 1000;
}

/* 5% may stand for 5 or for 0.05. */
static bool is_percentage(struct text text, enum value_type type) {
    bool signs_it;
    if (text.length < 2 || text.at[text.length - 1] != '%') return false;
    text = canonical_trim((struct text){text.at, text.length - 1});
    return reads(text, type, DECIMAL_POINT, &signs_it) ||
           reads(text, type, DECIMAL_COMMA, &signs_it);
}

static const char *figure_advice(struct text text, enum value_type type, struct notation declared,
                                 char out[NOTATION_ADVICE_BYTES]) {
    bool signs_it;
    if (reads(text, type, (enum decimal_notation)declared.decimal, &signs_it) && signs_it)
        return say(out, ": its sign is of other currencies: write three letters, such as USD");
    bool by_point =
        declared.decimal != DECIMAL_POINT && reads(text, type, DECIMAL_POINT, &signs_it);
    bool by_comma =
        declared.decimal != DECIMAL_COMMA && reads(text, type, DECIMAL_COMMA, &signs_it);
    const char *now = declared.decimal == DECIMAL_PLAIN ? "" : " instead";
    if (by_point && by_comma)
        return say(out, ": declare decimal: point or decimal: comma, whichever its file means");
    if (by_point || by_comma)
        return say(out, ": declare decimal: %s%s", by_point ? "point" : "comma", now);
    if (is_percentage(text, type))
        return say(out, ": it is a percentage: write 5 or 0.05 for 5%%, whichever is meant, or "
                        "declare the column as text");
    if (type == VALUE_MONEY && is_too_large(text, (enum decimal_notation)declared.decimal))
        return say(out, ": it is too large, an amount goes up to 1407374883553.27, or to as many "
                        "digits of a currency without cents");
    out[0] = 0;
    return out;
}

const char *notation_advice(struct text text, enum value_type type, struct notation declared,
                            char out[NOTATION_ADVICE_BYTES]) {
    text = canonical_trim(text);
    out[0] = 0;
    if (type == VALUE_TIME) return time_advice(text, declared, out);
    if (type == VALUE_NUMBER || type == VALUE_MONEY)
        return figure_advice(text, type, declared, out);
    return out;
}
