/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#define YEAR_MIN        1
#define YEAR_MAX        9999
#define EPOCH_SECONDS   10 /* digits of today's seconds since 1970 … */
#define EPOCH_MS        13 /* … and of its milliseconds */
#define DURATION_MS_MAX (36525 * TIME_DAY_MS)

static int64_t divide_down(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years start in March, so that the
 * leap day comes last. */
static int64_t days_from_date(int64_t year, int32_t month, int32_t day) {
    year -= month <= 2;
    int64_t era = divide_down(year, 400), year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

int64_t time_from_civil(const struct civil *civil) {
    return days_from_date(civil->year, civil->month, civil->day) * TIME_DAY_MS +
           civil->hour * TIME_HOUR_MS + civil->minute * TIME_MINUTE_MS +
           civil->second * TIME_SECOND_MS + civil->millisecond;
}

void time_to_civil(int64_t time_ms, struct civil *civil) {
    int64_t days = divide_down(time_ms, TIME_DAY_MS), rest = time_ms % TIME_DAY_MS;
    if (rest < 0) rest += TIME_DAY_MS; /* time - days may be out of range */
    days += 719468;
    int64_t era = divide_down(days, 146097), day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    civil->day = (int32_t)(day_of_year - (153 * month + 2) / 5 + 1);
    civil->month = (int32_t)(month < 10 ? month + 3 : month - 9);
    civil->year = (int32_t)(year_of_era + era * 400 + (civil->month <= 2));
    civil->hour = (int32_t)(rest / TIME_HOUR_MS);
    civil->minute = (int32_t)(rest / TIME_MINUTE_MS % 60);
    civil->second = (int32_t)(rest / TIME_SECOND_MS % 60);
    civil->millisecond = (int32_t)(rest % 1000);
}

/* Look a day to either side: that is beyond any offset and, but for a handful of historic decrees,
 * has one change at most. */
int64_t time_from_local(const struct civil *civil, const struct time_zone *zone) {
    int64_t local_ms = time_from_civil(civil);
    if (!zone) return local_ms;
    int64_t before_ms = time_zone_offset_s(zone, local_ms - TIME_DAY_MS) * TIME_SECOND_MS;
    int64_t after_ms = time_zone_offset_s(zone, local_ms + TIME_DAY_MS) * TIME_SECOND_MS;
    int64_t early = local_ms - before_ms, late = local_ms - after_ms;
    if (time_zone_offset_s(zone, early) * TIME_SECOND_MS == before_ms) {
        bool both = time_zone_offset_s(zone, late) * TIME_SECOND_MS == after_ms;
        return both && late < early ? late : early;
    }
    return time_zone_offset_s(zone, late) * TIME_SECOND_MS == after_ms ? late : early;
}

struct scan {
    const char *at, *end;
};

static bool take(struct scan *scan, char c) {
    if (scan->at == scan->end || *scan->at != c) return false;
    scan->at++;
    return true;
}

static bool take_digits(struct scan *scan, int count, int32_t *value) {
    if (scan->end - scan->at < count) return false;
    *value = 0;
    for (int i = 0; i < count; i++) {
        char c = scan->at[i];
        if (c < '0' || c > '9') return false;
        *value = *value * 10 + (c - '0');
    }
    scan->at += count;
    return true;
}

static int32_t days_in_month(int32_t year, int32_t month) {
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date(struct scan *scan, struct civil *civil) {
    return take_digits(scan, 4, &civil->year) && take(scan, '-') &&
           take_digits(scan, 2, &civil->month) && take(scan, '-') &&
           take_digits(scan, 2, &civil->day) && civil->month >= 1 && civil->month <= 12 &&
           civil->day >= 1 && civil->day <= days_in_month(civil->year, civil->month);
}

/* Digits past the millisecond are dropped, as time_ms holds no more. */
static bool take_fraction(struct scan *scan, int32_t *millisecond) {
    int32_t scale = 100;
    const char *first = scan->at;
    for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++, scale /= 10) {
        *millisecond += (*scan->at - '0') * scale;
    }
    return scan->at > first;
}

static bool take_clock(struct scan *scan, struct civil *civil) {
    if (!take_digits(scan, 2, &civil->hour) || !take(scan, ':') ||
        !take_digits(scan, 2, &civil->minute))
        return false;
    if (take(scan, ':')) {
        if (!take_digits(scan, 2, &civil->second)) return false;
        if (take(scan, '.') && !take_fraction(scan, &civil->millisecond)) return false;
    }
    return civil->hour < 24 && civil->minute < 60 && civil->second < 60;
}

/* Takes "UTC", "GMT" and "UT" in any case. Other letters of zones mean different things in
 * different places. */
static bool take_utc(struct scan *scan) {
    static const struct text names[] = {{"UTC", 3}, {"GMT", 3}, {"UT", 2}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if ((size_t)(scan->end - scan->at) < names[i].length) continue;
        if (!text_equal_ignoring_case((struct text){scan->at, names[i].length}, names[i])) continue;
        scan->at += names[i].length;
        return true;
    }
    return false;
}

/* Skips a zone's name behind the offset: "+02:00[Europe/Berlin]" of Java, "+0200 CEST" of Go. The
 * offset alone tells the time. */
static void skip_zone_name(struct scan *scan) {
    const char *at = scan->at, *end = scan->end;
    if (at == end) return;
    if (*at == '[') {
        const char *close = memchr(at, ']', (size_t)(end - at));
        if (close != NULL && close + 1 == end) scan->at = end;
        return;
    }
    if (*at++ != ' ' || end - at < 2 || end - at > 5) return;
    while (at < end && *at >= 'A' && *at <= 'Z') at++;
    if (at == end) scan->at = end;
}

/* "Z", "+02", "+0200", "+02:00", "UTC", "UTC+2", "GMT+0200". */
static bool take_offset(struct scan *scan, int32_t *offset_s) {
    *offset_s = 0;
    bool utc = take_utc(scan);
    if (!utc && (take(scan, 'Z') || take(scan, 'z'))) {
        skip_zone_name(scan);
        return true;
    }
    int32_t sign = take(scan, '+') ? 1 : take(scan, '-') ? -1 : 0, hours, minutes = 0;
    if (sign == 0) return utc;
    if (!take_digits(scan, 2, &hours) && !(utc && take_digits(scan, 1, &hours))) return false;
    if (scan->at < scan->end && *scan->at != '[' && *scan->at != ' ') {
        take(scan, ':');
        if (!take_digits(scan, 2, &minutes)) return false;
    }
    if (hours > 18 || minutes > 59) return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    skip_zone_name(scan);
    return true;
}

/* Reads seconds or milliseconds; the number of digits before the point tells which. */
static enum status parse_epoch(struct text text, uint32_t whole, int64_t *time_ms) {
    int64_t value;
    int32_t fraction = 0;
    struct scan scan = {text.at + whole, text.at + text.length};
    if (text_to_int64((struct text){text.at, whole}, &value)) return STATUS_INVALID;
    if (take(&scan, '.') && !take_fraction(&scan, &fraction)) return STATUS_INVALID;
    if (scan.at != scan.end) return STATUS_INVALID;
    *time_ms = whole == EPOCH_SECONDS ? value * TIME_SECOND_MS + fraction : value;
    return STATUS_OK;
}

/* A time that its offset moves beyond the years that are read lies at their end. */
static int64_t within_years(int64_t time_ms) {
    if (time_ms < TIME_EARLIEST) return TIME_EARLIEST;
    return time_ms > TIME_LATEST ? TIME_LATEST : time_ms;
}

static uint32_t digits_of(struct text text) {
    uint32_t count = 0;
    while (count < text.length && text.at[count] >= '0' && text.at[count] <= '9') count++;
    return count;
}

enum status time_parse(struct text text, const struct time_zone *zone, int64_t *time_ms) {
    uint32_t whole = digits_of(text);
    if (whole == EPOCH_SECONDS || whole == EPOCH_MS) return parse_epoch(text, whole, time_ms);
    if (text.length < 10) return STATUS_INVALID;
    struct scan scan = {text.at, text.at + text.length};
    struct civil civil = {0};
    if (!take_date(&scan, &civil) || civil.year < YEAR_MIN || civil.year > YEAR_MAX)
        return STATUS_INVALID;
    if (scan.at < scan.end) {
        if (!take(&scan, 'T') && !take(&scan, ' ') && !take(&scan, 't')) return STATUS_INVALID;
        if (!take_clock(&scan, &civil)) return STATUS_INVALID;
        take(&scan, ' ');
    }
    if (scan.at == scan.end) {
        if (text.at[text.length - 1] == ' ') return STATUS_INVALID;
        *time_ms = within_years(time_from_local(&civil, zone));
        return STATUS_OK;
    }
    int32_t offset_s;
    if (!take_offset(&scan, &offset_s) || scan.at != scan.end) return STATUS_INVALID;
    *time_ms = within_years(time_from_civil(&civil) - offset_s * TIME_SECOND_MS);
    return STATUS_OK;
}

static size_t written(int length) {
    assert(length > 0 && length < 32);
    return (size_t)length;
}

static char *put_digits(char *out, int32_t number, int count) {
    for (int i = count; i-- > 0; number /= 10) out[i] = (char)('0' + number % 10);
    return out + count;
}

/* "-02" and the like. */
static char *put_after(char *out, char sign, int32_t number, int count) {
    *out = sign;
    return put_digits(out + 1, number, count);
}

/* All but a handful of times are of such a year, and are written without printf, which takes
 * several times as long. */
static bool has_common_year(const struct civil *civil) {
    return civil->year >= 0 && civil->year <= 9999;
}

/* "2026-05-01T14:00" */
static char *put_common(char *out, const struct civil *civil, char before_hour) {
    char *at = put_digits(out, civil->year, 4);
    at = put_after(at, '-', civil->month, 2);
    at = put_after(at, '-', civil->day, 2);
    at = put_after(at, before_hour, civil->hour, 2);
    return put_after(at, ':', civil->minute, 2);
}

static size_t format_common_local(const struct civil *civil, char out[32]) {
    char *at = put_common(out, civil, ' ');
    if (civil->second) at = put_after(at, ':', civil->second, 2);
    *at = '\0';
    return (size_t)(at - out);
}

static size_t format_common(const struct civil *civil, char out[32]) {
    char *at = put_common(out, civil, 'T');
    at = put_after(at, ':', civil->second, 2);
    if (civil->millisecond) at = put_after(at, '.', civil->millisecond, 3);
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - out);
}

size_t time_format(int64_t time_ms, char out[32]) {
    if (time_ms == TIME_ALWAYS) return written(snprintf(out, 32, "always"));
    if (time_ms == TIME_NEVER) return written(snprintf(out, 32, "never"));
    struct civil civil;
    time_to_civil(time_ms, &civil);
    if (has_common_year(&civil)) return format_common(&civil, out);
    int length = snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02d", civil.year, civil.month,
                          civil.day, civil.hour, civil.minute, civil.second);
    size_t at = written(length);
    if (civil.millisecond) at += written(snprintf(out + at, 32 - at, ".%03d", civil.millisecond));
    return at + written(snprintf(out + at, 32 - at, "Z"));
}

size_t time_format_local(int64_t time_ms, const struct time_zone *zone, char out[32]) {
    if (time_ms <= TIME_ALWAYS || time_ms >= TIME_NEVER) return time_format(time_ms, out);
    struct civil civil;
    time_to_civil(time_ms + time_zone_offset_s(zone, time_ms) * TIME_SECOND_MS, &civil);
    if (has_common_year(&civil)) return format_common_local(&civil, out);
    size_t at = written(snprintf(out, 32, "%04d-%02d-%02d %02d:%02d", civil.year, civil.month,
                                 civil.day, civil.hour, civil.minute));
    if (civil.second) at += written(snprintf(out + at, 32 - at, ":%02d", civil.second));
    return at;
}

struct duration_unit {
    struct text name;
    int64_t ms;
};
static const struct duration_unit units[] = {
    {{"d", 1}, TIME_DAY_MS},    {{"h", 1}, TIME_HOUR_MS}, {{"m", 1}, TIME_MINUTE_MS},
    {{"s", 1}, TIME_SECOND_MS}, {{"ms", 2}, 1},           {{"w", 1}, 7 * TIME_DAY_MS},
};
#define UNIT_COUNT         (sizeof(units) / sizeof(units[0]))
#define UNIT_WRITTEN_COUNT (UNIT_COUNT - 1) /* weeks are read but never written: 30d, not 4w2d */

static int64_t unit_ms(struct text name) {
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (text_equal(units[i].name, name)) return units[i].ms;
    }
    return 0;
}

enum status duration_parse(struct text text, int64_t *duration_ms) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < text.length;) {
        int64_t number = 0;
        uint32_t first = i;
        for (; i < text.length && text.at[i] >= '0' && text.at[i] <= '9'; i++) {
            number = number * 10 + (text.at[i] - '0');
            if (number > DURATION_MS_MAX) return STATUS_INVALID;
        }
        if (i == first) return STATUS_INVALID;
        uint32_t unit = i;
        while (i < text.length && text.at[i] >= 'a' && text.at[i] <= 'z') i++;
        int64_t ms = unit_ms((struct text){text.at + unit, i - unit});
        if (ms == 0 || number > DURATION_MS_MAX / ms) return STATUS_INVALID;
        sum += number * ms;
        if (sum > DURATION_MS_MAX) return STATUS_INVALID;
    }
    if (sum <= 0) return STATUS_INVALID;
    *duration_ms = sum;
    return STATUS_OK;
}

size_t duration_format(int64_t duration_ms, char out[32]) {
    if (duration_ms == 0) return written(snprintf(out, 32, "0s"));
    size_t at = 0;
    if (duration_ms < 0) out[at++] = '-';
    uint64_t left = duration_ms < 0 ? 0 - (uint64_t)duration_ms : (uint64_t)duration_ms;
    for (size_t i = 0; i < UNIT_WRITTEN_COUNT; i++) {
        uint64_t ms = (uint64_t)units[i].ms, count = left / ms;
        if (count == 0) continue;
        left -= count * ms;
        at += written(
            snprintf(out + at, 32 - at, "%llu%s", (unsigned long long)count, units[i].name.at));
    }
    return at;
}

size_t duration_format_short(int64_t duration_ms, char out[32]) {
    uint64_t left = duration_ms < 0 ? 0 - (uint64_t)duration_ms : (uint64_t)duration_ms, kept = 0;
    size_t at = 0;
    if (left == 0) return written(snprintf(out, 32, "0s"));
    if (duration_ms < 0) out[at++] = '-';
    for (size_t i = 0, used = 0; i < UNIT_WRITTEN_COUNT && used < 2; i++) {
        uint64_t count = left / (uint64_t)units[i].ms;
        used += count > 0 || used > 0; /* 1d 0h 5m is 1d, not 1d 5m */
        if (count == 0) continue;
        left -= count * (uint64_t)units[i].ms;
        at += written(snprintf(out + at, 32 - at, "%s%llu%s", kept++ > 0 ? " " : "",
                               (unsigned long long)count, units[i].name.at));
    }
    return at;
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int64_t clock_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * TIME_SECOND_MS + now.tv_nsec / 1000000;
}

double clock_monotonic_seconds(void) {
    return seconds(CLOCK_MONOTONIC);
}

double clock_cpu_seconds(void) {
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}
