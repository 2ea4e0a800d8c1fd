/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cell/notation_forms.h"

#include <stdio.h>

#define FORM_BYTES_MAX 80 /* a longer text is no time */

struct scan {
    const char *at, *end;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take(struct scan *scan, char c) {
    if (scan->at == scan->end || *scan->at != c) return false;
    scan->at++;
    return true;
}

static bool take_any(struct scan *scan, const char *marks) {
    if (scan->at == scan->end || *scan->at == '\0' || strchr(marks, *scan->at) == NULL)
        return false;
    scan->at++;
    return true;
}

static void skip_spaces(struct scan *scan) {
    while (take(scan, ' ')) {
    }
}

/* Exactly so many digits as stand here, if that is `least` to `most`. */
static bool take_number(struct scan *scan, int least, int most, int32_t *number) {
    int count = 0;
    *number = 0;
    while (scan->at + count < scan->end && is_digit(scan->at[count])) count++;
    if (count < least || count > most) return false;
    for (; count > 0; count--) *number = *number * 10 + (*scan->at++ - '0');
    return true;
}

/* The word that stands here, if it is a beginning of three letters or more of one of the names. */
static bool take_name(struct scan *scan, const char *const *names, int count, int32_t *index) {
    uint32_t length = 0;
    while (scan->at + length < scan->end && is_letter(scan->at[length])) length++;
    for (int i = 0; length >= 3 && i < count; i++) {
        struct text name = text_from(names[i]), word = {scan->at, length};
        if (length > name.length) continue;
        bool september = length == 4 && i == 8; /* "Sept" is cut there, others after three */
        if (length != name.length && length != 3 && !september) continue;
        name.length = length;
        if (!text_equal_ignoring_case(word, name)) continue;
        scan->at += length;
        *index = i;
        take(scan, '.');
        return true;
    }
    return false;
}

static bool take_month(struct scan *scan, int32_t *month) {
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    if (!take_name(scan, names, 12, month)) return false;
    *month += 1;
    return true;
}

static void skip_weekday(struct scan *scan) {
    static const char *const names[] = {"monday", "tuesday",  "wednesday", "thursday",
                                        "friday", "saturday", "sunday"};
    int32_t ignored;
    if (!take_name(scan, names, 7, &ignored)) return;
    take(scan, ',');
    skip_spaces(scan);
}

struct parts {
    int32_t year, month, day;
    struct text clock, offset; /* as written; empty: none */
};

/* "10:00:00.123 PM", up to where the offset begins. */
static bool take_clock(struct scan *scan, struct parts *parts) {
    const char *first = scan->at;
    int32_t hour, minute, second;
    if (!take_number(scan, 1, 2, &hour) || !take(scan, ':') || !take_number(scan, 2, 2, &minute))
        return false;
    if (take(scan, ':')) {
        if (!take_number(scan, 2, 2, &second)) return false;
        if (take_any(scan, ".,") && !take_number(scan, 1, 9, &second)) return false;
    }
    struct scan rest = *scan;
    skip_spaces(&rest);
    if (rest.end - rest.at >= 2 && (rest.at[1] | 0x20) == 'm' &&
        ((rest.at[0] | 0x20) == 'a' || (rest.at[0] | 0x20) == 'p') &&
        (rest.end - rest.at == 2 || !is_letter(rest.at[2]))) {
        scan->at = rest.at + 2;
    }
    parts->clock = (struct text){first, (uint32_t)(scan->at - first)};
    return true;
}

/* The offset of "10:00:00 UTC 2024", then the year. */
static bool take_zone_and_year(struct scan *scan, struct parts *parts) {
    skip_spaces(scan);
    const char *first = scan->at;
    while (scan->at < scan->end && *scan->at != ' ') scan->at++;
    if (scan->at - first == 4 && is_digit(*first)) {
        scan->at = first;
        return take_number(scan, 4, 4, &parts->year);
    }
    parts->offset = (struct text){first, (uint32_t)(scan->at - first)};
    skip_spaces(scan);
    return take_number(scan, 4, 4, &parts->year);
}

/* What may stand between a date and its clock. */
static void skip_to_clock(struct scan *scan) {
    take(scan, ',');
    skip_spaces(scan);
    if (scan->end - scan->at > 3 &&
        text_equal_ignoring_case((struct text){scan->at, 3}, TEXT("at ")))
        scan->at += 3;
    if (!take_any(scan, "Tt:")) skip_spaces(scan);
}

/* Behind the date: nothing, or a clock and perhaps an offset and a comment in brackets. */
static bool take_rest(struct scan *scan, struct parts *parts) {
    if (scan->at == scan->end) return true;
    skip_to_clock(scan);
    if (!take_clock(scan, parts)) return false;
    skip_spaces(scan);
    const char *first = scan->at, *last = scan->end;
    if (last > first && last[-1] == ')') {
        const char *open = memchr(first, '(', (size_t)(last - first));
        last = open != NULL ? open : last;
    }
    while (last > first && last[-1] == ' ') last--;
    parts->offset = (struct text){first, (uint32_t)(last - first)};
    return true;
}

/* "30 Jun 2024", "30-JUN-2024", "30/Jun/2024". */
static bool take_day_first(struct scan *scan, struct parts *parts) {
    if (!take_number(scan, 1, 2, &parts->day)) return false;
    take(scan, '.');
    char between = scan->at < scan->end ? *scan->at : 0;
    if (!take_any(scan, " -/") || !take_month(scan, &parts->month)) return false;
    if (!take(scan, between) && !(between == ' ' && take(scan, ','))) return false;
    skip_spaces(scan);
    return take_number(scan, 4, 4, &parts->year) && take_rest(scan, parts);
}

/* "Jun 30 10:00:00 UTC 2024", "Jun 30, 2024 10:00". */
static bool take_month_first(struct scan *scan, struct parts *parts) {
    if (!take_month(scan, &parts->month) || !take_any(scan, " -")) return false;
    skip_spaces(scan);
    if (!take_number(scan, 1, 2, &parts->day)) return false;
    bool comma = take(scan, ',');
    if (!take_any(scan, " -") && !comma) return false;
    skip_spaces(scan);
    struct scan rest = *scan;
    if (take_number(&rest, 4, 4, &parts->year)) {
        *scan = rest;
        return take_rest(scan, parts);
    }
    return take_clock(scan, parts) && take_zone_and_year(scan, parts) && scan->at == scan->end;
}

/* "2024-W26-7": Monday is 1; the fourth of January is in the first week. */
static bool take_week(struct scan *scan, struct parts *parts) {
    int32_t year, week, weekday;
    if (!take_number(scan, 4, 4, &year) || !take(scan, '-') || !take_any(scan, "Ww")) return false;
    if (!take_number(scan, 2, 2, &week) || !take(scan, '-') || !take_number(scan, 1, 1, &weekday))
        return false;
    if (week < 1 || week > 53 || weekday < 1 || weekday > 7) return false;
    struct civil civil = {.year = year, .month = 1, .day = 4};
    int64_t fourth = time_from_civil(&civil) / TIME_DAY_MS;
    int64_t monday = fourth - ((fourth + 3) % 7 + 7) % 7;
    time_to_civil((monday + (week - 1) * 7 + weekday - 1) * TIME_DAY_MS, &civil);
    *parts = (struct parts){.year = civil.year, .month = civil.month, .day = civil.day};
    return take_rest(scan, parts);
}

/* "20240630T100000Z" */
static bool take_basic(struct scan *scan, struct parts *parts, char clock[16]) {
    int32_t date, of_day;
    if (!take_number(scan, 8, 8, &date) || !take_any(scan, "Tt")) return false;
    if (!take_number(scan, 6, 6, &of_day)) return false;
    *parts = (struct parts){.year = date / 10000, .month = date / 100 % 100, .day = date % 100};
    (void)snprintf(clock, 16, "%02d:%02d:%02d", of_day / 10000 % 100, of_day / 100 % 100,
                   of_day % 100);
    parts->clock = (struct text){clock, 8};
    parts->offset = (struct text){scan->at, (uint32_t)(scan->end - scan->at)};
    return true;
}

/* 12 AM is midnight. False where it is no hour of a 12-hour clock. */
static bool hour_of_half(struct text *clock, char out[8]) {
    struct scan scan = {clock->at, clock->at + clock->length};
    char half = (char)(clock->at[clock->length - 1] | 0x20);
    int32_t hour;
    (void)take_number(&scan, 1, 2, &hour);
    if (half == 'm') {
        char letter = (char)(clock->at[clock->length - 2] | 0x20);
        if (hour < 1 || hour > 12) return false;
        hour = hour % 12 + (letter == 'p' ? 12 : 0);
        clock->length -= 2;
        while (clock->at[clock->length - 1] == ' ') clock->length--;
    }
    (void)snprintf(out, 8, "%02d", hour % 100);
    clock->length -= (uint32_t)(scan.at - clock->at);
    clock->at = scan.at;
    return true;
}

static enum status parse_parts(struct parts *parts, const struct time_zone *zone,
                               int64_t *time_ms) {
    char iso[FORM_BYTES_MAX + 32], hour[8] = "";
    int length = snprintf(iso, sizeof iso, "%04d-%02d-%02d", parts->year, parts->month, parts->day);
    if (parts->clock.length > 0) {
        if (!hour_of_half(&parts->clock, hour)) return STATUS_INVALID;
        length += snprintf(iso + length, sizeof iso - (size_t)length, " %s%.*s%s%.*s", hour,
                           TEXT_ARG(parts->clock), parts->offset.length > 0 ? " " : "",
                           TEXT_ARG(parts->offset));
    }
    char *comma = memchr(iso, ',', (size_t)length);
    if (comma != NULL) *comma = '.';
    return time_parse((struct text){iso, (uint32_t)length}, zone, time_ms);
}

enum status notation_form_time(struct text text, const struct time_zone *zone, int64_t *time_ms) {
    struct parts parts = {0};
    char clock[16];
    if (text.length < 8 || text.length > FORM_BYTES_MAX) return STATUS_INVALID;
    struct scan scan = {text.at, text.at + text.length}, start = scan;
    bool good;
    if (is_digit(text.at[0]) && text.length > 8 && is_digit(text.at[4])) {
        good = take_basic(&scan, &parts, clock);
    } else if (is_digit(text.at[0]) && is_digit(text.at[2])) {
        good = take_week(&scan, &parts);
    } else {
        skip_weekday(&scan);
        start = scan;
        good = take_day_first(&scan, &parts);
        if (!good) {
            scan = start;
            parts = (struct parts){0};
            good = take_month_first(&scan, &parts);
        }
    }
    return good ? parse_parts(&parts, zone, time_ms) : STATUS_INVALID;
}
