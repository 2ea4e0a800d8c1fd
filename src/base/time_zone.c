/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/time.h"

#define ZONE_FILE_BYTES_MAX ((size_t)1 << 20)
#define ZONE_NAME_MAX       128
#define FOOTER_YEAR_LAST    2100 /* the table has the footer's changes up to this year */
#define FOOTER_YEAR_FIRST   1800

/* One change of the POSIX footer: "M3.2.0/2" (month, week, day), "J60" or "59". */
enum rule_kind { RULE_MONTH_WEEK_DAY, RULE_JULIAN_NO_LEAP, RULE_DAY_OF_YEAR };
struct rule {
    enum rule_kind kind;
    int32_t month, week, day;
    int32_t time_s; /* local, may be negative or above a day */
};
struct footer {
    int32_t standard_s, summer_s; /* east of UTC */
    bool has_summer;
    struct rule start, end;
};
struct time_zone {
    uint32_t count;
    int32_t first_offset_s; /* before the first change */
    int64_t *at_s;          /* changes, ascending */
    int32_t *offset_s;      /* from that change on */
    bool has_footer;
    struct footer footer;
};

/* ---- the footer, RFC 9636 section 3.3 and POSIX TZ ---- */

struct scan {
    const char *at, *end;
};

static bool take(struct scan *scan, char c) {
    if (scan->at == scan->end || *scan->at != c) return false;
    scan->at++;
    return true;
}

static bool take_number(struct scan *scan, int32_t max, int32_t *value) {
    const char *first = scan->at;
    *value = 0;
    for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++) {
        *value = *value * 10 + (*scan->at - '0');
        if (*value > max) return false;
    }
    return scan->at > first;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_abbreviation(struct scan *scan) {
    const char *first = scan->at;
    if (take(scan, '<')) {
        while (scan->at < scan->end && *scan->at != '>') scan->at++;
        return take(scan, '>');
    }
    while (scan->at < scan->end && is_letter(*scan->at)) scan->at++;
    return scan->at > first;
}

/* Reads [+-]hh[:mm[:ss]] as seconds. */
static bool take_clock(struct scan *scan, int32_t *seconds) {
    int32_t sign = take(scan, '-') ? -1 : 1, hours, minutes = 0, rest = 0;
    if (sign == 1) take(scan, '+');
    if (!take_number(scan, 167, &hours)) return false;
    if (take(scan, ':') && !take_number(scan, 59, &minutes)) return false;
    if (take(scan, ':') && !take_number(scan, 59, &rest)) return false;
    *seconds = sign * (hours * 3600 + minutes * 60 + rest);
    return true;
}

static bool take_rule(struct scan *scan, struct rule *rule) {
    *rule = (struct rule){.time_s = 2 * 3600};
    if (take(scan, 'M')) {
        rule->kind = RULE_MONTH_WEEK_DAY;
        if (!take_number(scan, 12, &rule->month) || !take(scan, '.') ||
            !take_number(scan, 5, &rule->week) || !take(scan, '.') ||
            !take_number(scan, 6, &rule->day) || rule->month < 1 || rule->week < 1) {
            return false;
        }
    } else {
        rule->kind = take(scan, 'J') ? RULE_JULIAN_NO_LEAP : RULE_DAY_OF_YEAR;
        if (!take_number(scan, 365, &rule->day)) return false;
        if (rule->kind == RULE_JULIAN_NO_LEAP && rule->day < 1) return false;
    }
    return !take(scan, '/') || take_clock(scan, &rule->time_s);
}

static bool footer_parse(struct scan scan, struct footer *footer) {
    *footer = (struct footer){0};
    int32_t west_s;
    if (!take_abbreviation(&scan) || !take_clock(&scan, &west_s)) return false;
    footer->standard_s = -west_s;
    if (scan.at == scan.end) return true;
    footer->has_summer = true;
    footer->summer_s = footer->standard_s + 3600;
    if (!take_abbreviation(&scan)) return false;
    if (scan.at < scan.end && *scan.at != ',') {
        if (!take_clock(&scan, &west_s)) return false;
        footer->summer_s = -west_s;
    }
    return take(&scan, ',') && take_rule(&scan, &footer->start) && take(&scan, ',') &&
           take_rule(&scan, &footer->end) && scan.at == scan.end;
}

static bool is_leap(int32_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Returns the midnight of a date, in seconds as if it were UTC. */
static int64_t midnight_s(int32_t year, int32_t month, int32_t day) {
    struct civil civil = {.year = year, .month = month, .day = day};
    return time_from_civil(&civil) / TIME_SECOND_MS;
}

/* Returns the local moment of a rule in a year, in seconds as if it were UTC. */
static int64_t rule_local_s(const struct rule *rule, int32_t year) {
    static const int8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int64_t day_s = TIME_DAY_MS / TIME_SECOND_MS;
    if (rule->kind != RULE_MONTH_WEEK_DAY) {
        int32_t day = rule->kind == RULE_DAY_OF_YEAR ? rule->day : rule->day - 1;
        if (rule->kind == RULE_JULIAN_NO_LEAP && is_leap(year) && rule->day >= 60) day++;
        return midnight_s(year, 1, 1) + day * day_s + rule->time_s;
    }
    int64_t first_s = midnight_s(year, rule->month, 1);
    int64_t weekday = ((first_s / day_s - (first_s % day_s < 0)) % 7 + 11) %
                      7; /* 1970-01-01 was a Thursday (4) */
    int32_t day = (int32_t)((rule->day - weekday + 7) % 7) + 7 * (rule->week - 1);
    int32_t length = month_days[rule->month - 1] + (rule->month == 2 && is_leap(year));
    while (day >= length) day -= 7;
    return first_s + day * day_s + rule->time_s;
}

static int32_t footer_offset_s(const struct footer *footer, int64_t time_s) {
    if (!footer->has_summer) return footer->standard_s;
    struct civil civil;
    time_to_civil((time_s + footer->standard_s) * TIME_SECOND_MS, &civil);
    int64_t start_s = rule_local_s(&footer->start, civil.year) - footer->standard_s;
    int64_t end_s = rule_local_s(&footer->end, civil.year) - footer->summer_s;
    bool summer =
        start_s < end_s ? time_s >= start_s && time_s < end_s : time_s >= start_s || time_s < end_s;
    return summer ? footer->summer_s : footer->standard_s;
}

int32_t time_zone_offset_s(const struct time_zone *zone, int64_t time_ms) {
    if (!zone) return 0;
    int64_t time_s = time_ms / TIME_SECOND_MS - (time_ms % TIME_SECOND_MS < 0);
    uint32_t low = 0, high = zone->count; /* changes at or before time_s */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (zone->at_s[middle] <= time_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->count && zone->has_footer) return footer_offset_s(&zone->footer, time_s);
    return low == 0 ? zone->first_offset_s : zone->offset_s[low - 1];
}

/* ---- the file, RFC 9636 section 3: a 32-bit block, skipped, then a 64-bit one, then the footer
 * ---- */

struct counts {
    uint32_t is_ut, is_standard, leap, time, type, character;
};
#define HEADER_BYTES 44u

static uint64_t big_endian(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
    return value;
}

static bool read_header(const uint8_t *at, size_t left, struct counts *counts) {
    if (left < HEADER_BYTES || memcmp(at, "TZif", 4) != 0 || at[4] < '2') return false;
    uint32_t *fields[] = {&counts->is_ut, &counts->is_standard, &counts->leap,
                          &counts->time,  &counts->type,        &counts->character};
    for (int i = 0; i < 6; i++) {
        *fields[i] = (uint32_t)big_endian(at + 20 + 4 * i, 4);
        if (*fields[i] > ZONE_FILE_BYTES_MAX) return false;
    }
    return counts->type > 0;
}

static size_t block_bytes(const struct counts *counts, size_t time_bytes) {
    return counts->time * (time_bytes + 1) + counts->type * 6u + counts->character +
           counts->leap * (time_bytes + 4) + counts->is_standard + counts->is_ut;
}

static bool read_changes(struct time_zone *zone, const uint8_t *block,
                         const struct counts *counts) {
    const uint8_t *types = block + counts->time * 8u, *offsets = types + counts->time;
    zone->first_offset_s = (int32_t)big_endian(offsets, 4);
    for (uint32_t i = 0; i < counts->time; i++) {
        zone->at_s[i] = (int64_t)big_endian(block + i * 8u, 8);
        if (types[i] >= counts->type || (i > 0 && zone->at_s[i] <= zone->at_s[i - 1])) return false;
        zone->offset_s[i] = (int32_t)big_endian(offsets + types[i] * 6u, 4);
        if (zone->offset_s[i] < -93600 || zone->offset_s[i] > 93600) return false;
    }
    zone->count = counts->time;
    return zone->first_offset_s >= -93600 && zone->first_offset_s <= 93600;
}

/* Puts the changes that the footer's rule makes into the table. tzdata ends most tables in the year
 * of the last decree and leaves the rest to the footer, whose calendar would make a question about
 * today cost ten times as much. Rules near New Year stay with the footer, since a change may fall
 * into another year. */
static void expand_footer(struct time_zone *zone, uint32_t room) {
    const struct footer *footer = &zone->footer;
    if (!footer->has_summer || zone->count == 0) return;
    struct civil civil;
    int64_t last_s = zone->at_s[zone->count - 1];
    /* No law is that old or that new, and the loop over the years would not end. */
    if (last_s < midnight_s(FOOTER_YEAR_FIRST, 1, 1) || last_s > midnight_s(FOOTER_YEAR_LAST, 1, 1))
        return;
    time_to_civil(last_s * TIME_SECOND_MS, &civil);
    int32_t offset_s = footer_offset_s(footer, last_s);
    zone->offset_s[zone->count - 1] = offset_s;
    for (int32_t year = civil.year; year <= FOOTER_YEAR_LAST && zone->count + 2 <= room; year++) {
        int64_t local_s[2] = {rule_local_s(&footer->start, year), rule_local_s(&footer->end, year)};
        int64_t first_s = midnight_s(year, 1, 15), end_s = midnight_s(year, 12, 15);
        for (int i = 0; i < 2; i++) {
            if (local_s[i] < first_s || local_s[i] > end_s) return;
        }
        int64_t at_s[2] = {local_s[0] - footer->standard_s, local_s[1] - footer->summer_s};
        for (int i = at_s[1] < at_s[0], k = 0; k < 2; i = !i, k++) {
            if (at_s[i] <= zone->at_s[zone->count - 1]) continue;
            zone->at_s[zone->count] = at_s[i];
            zone->offset_s[zone->count++] = i == 0 ? footer->summer_s : footer->standard_s;
        }
    }
}

static enum status read_zone(struct time_zone *zone, const uint8_t *bytes, size_t length) {
    struct counts first, counts;
    if (!read_header(bytes, length, &first)) return STATUS_INVALID;
    size_t second = HEADER_BYTES + block_bytes(&first, 4);
    if (second > length || !read_header(bytes + second, length - second, &counts))
        return STATUS_INVALID;
    size_t start = second + HEADER_BYTES, end = start + block_bytes(&counts, 8);
    if (end > length) return STATUS_INVALID;
    uint32_t room = counts.time + 2 * (FOOTER_YEAR_LAST - 1900);
    zone->at_s = memory_alloc(room * sizeof(*zone->at_s));
    zone->offset_s = memory_alloc(room * sizeof(*zone->offset_s));
    if (!zone->at_s || !zone->offset_s) return STATUS_NO_MEMORY;
    if (!read_changes(zone, bytes + start, &counts)) return STATUS_INVALID;
    const char *footer = (const char *)bytes + end, *limit = (const char *)bytes + length;
    if (footer == limit || *footer != '\n') return STATUS_INVALID;
    const char *newline = memchr(footer + 1, '\n', (size_t)(limit - footer - 1));
    if (!newline) return STATUS_INVALID;
    zone->has_footer = newline > footer + 1;
    if (zone->has_footer && !footer_parse((struct scan){footer + 1, newline}, &zone->footer))
        return STATUS_INVALID;
    if (zone->has_footer) expand_footer(zone, room);
    return STATUS_OK;
}

static bool name_is_safe(struct text name) {
    if (name.length == 0 || name.length > ZONE_NAME_MAX || name.at[0] == '/') return false;
    if (text_contains(name, TEXT(".."))) return false;
    for (uint32_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && !memchr("_-+/.", c, 5)) return false;
    }
    return true;
}

static enum status read_file(const char *path, uint8_t *bytes, size_t *length,
                             struct error *error) {
    FILE *file = fopen(path, "rbe");
    if (!file) return error_set_errno(error, errno, "cannot read the time zone file %s", path);
    *length = fread(bytes, 1, ZONE_FILE_BYTES_MAX, file);
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    if (failed) return error_set_errno(error, failed, "cannot read the time zone file %s", path);
    return STATUS_OK;
}

static enum status load(struct time_zone *zone, const char *path, struct error *error) {
    uint8_t *bytes = memory_alloc(ZONE_FILE_BYTES_MAX);
    if (!bytes)
        return error_set(error, STATUS_NO_MEMORY, "no memory to read the time zone file %s", path);
    size_t length = 0;
    enum status status = read_file(path, bytes, &length, error);
    if (status == STATUS_OK) {
        status = read_zone(zone, bytes, length);
        if (status == STATUS_INVALID)
            error_set(error, status, "%s is no time zone file that can be read", path);
        if (status == STATUS_NO_MEMORY)
            error_set(error, status, "no memory for the time zone of %s", path);
    }
    memory_free(bytes);
    return status;
}

enum status time_zone_create(struct time_zone **out, struct text name, const char *directory,
                             struct error *error) {
    if (!name_is_safe(name)) {
        return error_set(
            error, STATUS_INVALID,
            "\"%.*s\" is no time zone; write a name such as \"Europe/Vienna\" or \"UTC\"",
            (int)(name.length < ZONE_NAME_MAX ? name.length : ZONE_NAME_MAX), name.at);
    }
    char path[1024];
    int length = snprintf(path, sizeof(path), "%s/%.*s",
                          directory ? directory : "/usr/share/zoneinfo", TEXT_ARG(name));
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return error_set(error, STATUS_LIMIT, "the path of the time zone \"%.*s\" is too long",
                         TEXT_ARG(name));
    }
    struct time_zone *zone = memory_calloc(1, sizeof(*zone));
    if (!zone)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the time zone \"%.*s\"",
                         TEXT_ARG(name));
    enum status status = load(zone, path, error);
    if (status == STATUS_NOT_FOUND) {
        error_set(error, status,
                  "there is no time zone \"%.*s\" (no file %s); names are those of tzdata, such as "
                  "\"Europe/Vienna\"",
                  TEXT_ARG(name), path);
    }
    if (status) {
        time_zone_destroy(zone);
        return status;
    }
    *out = zone;
    return STATUS_OK;
}

void time_zone_destroy(struct time_zone *zone) {
    if (!zone) return;
    memory_free(zone->at_s);
    memory_free(zone->offset_s);
    memory_free(zone);
}
