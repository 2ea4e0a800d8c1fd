/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "base/time.h"

static const char *const zone_names[] = {
    "UTC",
    "America/New_York",
    "Europe/London",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Chatham",
    "Asia/Gaza",
    "America/Nuuk",
    "Antarctica/Troll",
    "Europe/Vienna",
};
#define ZONE_COUNT (sizeof(zone_names) / sizeof(zone_names[0]))

static struct time_zone *load(const char *name) {
    struct time_zone *zone = NULL;
    struct error error = {0};
    if (time_zone_create(&zone, text_from(name), NULL, &error)) fail_msg("%s", error.text);
    return zone;
}

static int64_t at(const char *iso) {
    int64_t time_ms;
    assert_int_equal(time_parse(text_from(iso), NULL, &time_ms), STATUS_OK);
    return time_ms;
}

static void civil_like_libc(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 9);
    for (int i = 0; i < 200000; i++) {
        int64_t second =
            (int64_t)random_below(&random, 40000000000) - 20000000000; /* years 1336 to 2603 */
        int64_t time_ms = second * 1000 + (int64_t)random_below(&random, 1000);
        time_t libc_time = (time_t)second;
        struct tm tm;
        assert_non_null(gmtime_r(&libc_time, &tm));
        struct civil civil;
        time_to_civil(time_ms, &civil);
        assert_int_equal(civil.year, tm.tm_year + 1900);
        assert_int_equal(civil.month, tm.tm_mon + 1);
        assert_int_equal(civil.day, tm.tm_mday);
        assert_int_equal(civil.hour, tm.tm_hour);
        assert_int_equal(civil.minute, tm.tm_min);
        assert_int_equal(civil.second, tm.tm_sec);
        assert_int_equal(time_from_civil(&civil), time_ms);
        assert_int_equal(time_from_civil(&civil) - civil.millisecond, (int64_t)timegm(&tm) * 1000);
    }
}

static void offsets_like_libc(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 10);
    for (size_t z = 0; z < ZONE_COUNT; z++) {
        struct time_zone *zone = load(zone_names[z]);
        setenv("TZ", zone_names[z], 1);
        tzset();
        for (int i = 0; i < 40000; i++) {
            /* 1850 to 2261; every other one within the years of our data */
            int64_t second = i % 2 ? (int64_t)random_below(&random, 13000000000) - 3786912000
                                   : (int64_t)random_below(&random, 3000000000);
            time_t libc_time = (time_t)second;
            struct tm tm;
            assert_non_null(localtime_r(&libc_time, &tm));
            int32_t offset_s = time_zone_offset_s(zone, second * 1000 + 999);
            if (offset_s != tm.tm_gmtoff)
                fail_msg("%s at %lld: %d, not %ld", zone_names[z], (long long)second, offset_s,
                         tm.tm_gmtoff);
        }
        time_zone_destroy(zone);
    }
    assert_int_equal(time_zone_offset_s(NULL, 0), 0);
    setenv("TZ", "UTC", 1);
    tzset();
}

static long libc_offset_s(int64_t second) {
    time_t libc_time = (time_t)second;
    struct tm tm;
    assert_non_null(localtime_r(&libc_time, &tm));
    return tm.tm_gmtoff;
}

/* Every change between 1900 and 2100 is searched to the second: libc must change in the same one.
 */
static void changes_happen_in_their_second(void **state) {
    (void)state;
    int found = 0;
    for (size_t z = 0; z < ZONE_COUNT; z++) {
        struct time_zone *zone = load(zone_names[z]);
        setenv("TZ", zone_names[z], 1);
        tzset();
        for (int64_t second = -2208988800; second < 4102444800; second += 43200) {
            int64_t low = second, high = second + 43200; /* the change is in (low, high] */
            int32_t before_s = time_zone_offset_s(zone, low * 1000);
            if (time_zone_offset_s(zone, high * 1000) == before_s) continue;
            while (high - low > 1) {
                int64_t middle = low + (high - low) / 2;
                if (time_zone_offset_s(zone, middle * 1000) == before_s)
                    low = middle;
                else
                    high = middle;
            }
            assert_int_equal(libc_offset_s(low), before_s);
            assert_int_equal(libc_offset_s(high), time_zone_offset_s(zone, high * 1000));
            assert_int_equal(time_zone_offset_s(zone, high * 1000 - 1), before_s);
            found++;
        }
        time_zone_destroy(zone);
    }
    assert_true(found > 2000);
    setenv("TZ", "UTC", 1);
    tzset();
}

/* Of all instants whose wall time is the one asked for, the earliest; none: the offset before the
 * gap. */
static int64_t naive_from_local(const struct civil *civil, const struct time_zone *zone) {
    int64_t local_ms = time_from_civil(civil);
    for (int64_t offset_s = 26 * 3600; offset_s >= -26 * 3600; offset_s -= 900) {
        int64_t candidate = local_ms - offset_s * 1000;
        if (time_zone_offset_s(zone, candidate) == offset_s) return candidate;
    }
    return local_ms - time_zone_offset_s(zone, local_ms - TIME_DAY_MS) * 1000;
}

static void local_times_like_the_naive_search(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 11);
    for (size_t z = 0; z < ZONE_COUNT; z++) {
        struct time_zone *zone = load(zone_names[z]);
        int64_t changes[400];
        size_t change_count = 0;
        for (int64_t t = at("1975-01-01"); t < at("2100-01-01") && change_count < 400;
             t += TIME_DAY_MS / 4) {
            if (time_zone_offset_s(zone, t) != time_zone_offset_s(zone, t - TIME_DAY_MS / 4))
                changes[change_count++] = t;
        }
        for (int i = 0; i < 3000; i++) {
            int64_t time_ms =
                (int64_t)random_below(&random, 4102444800000 - 157766400000) + 157766400000;
            if (i % 2 && change_count) {
                time_ms = changes[random_below(&random, change_count)] +
                          (int64_t)random_below(&random, 14 * 3600000) - 10 * 3600000;
            }
            struct civil civil;
            time_to_civil(time_ms + time_zone_offset_s(zone, time_ms) * TIME_SECOND_MS +
                              (i % 3 - 1) * TIME_HOUR_MS,
                          &civil);
            civil.millisecond = 0;
            int64_t got = time_from_local(&civil, zone), expected = naive_from_local(&civil, zone);
            if (got != expected) {
                fail_msg("%s %04d-%02d-%02d %02d:%02d: %lld, not %lld", zone_names[z], civil.year,
                         civil.month, civil.day, civil.hour, civil.minute, (long long)got,
                         (long long)expected);
            }
        }
        time_zone_destroy(zone);
    }
}

static void gaps_and_overlaps(void **state) {
    (void)state;
    struct time_zone *zone = load("America/New_York");
    struct civil gap = {2017, 3, 12, 2, 30, 0, 0}, overlap = {2017, 11, 5, 1, 30, 0, 0};
    assert_int_equal(time_from_local(&gap, zone), at("2017-03-12T07:30:00Z"));
    assert_int_equal(time_from_local(&overlap, zone), at("2017-11-05T05:30:00Z"));
    struct civil after_table = {2150, 7, 1, 12, 0, 0, 0};
    assert_int_equal(time_from_local(&after_table, zone), at("2150-07-01T16:00:00Z"));
    time_zone_destroy(zone);
    zone = load("Pacific/Apia"); /* slept through 30 December 2011 */
    struct civil skipped = {2011, 12, 30, 12, 0, 0, 0};
    assert_int_equal(time_from_local(&skipped, zone), at("2011-12-30T22:00:00Z"));
    time_zone_destroy(zone);
}

static void zones_that_are_none(void **state) {
    (void)state;
    const char *bad[] = {"",    "/etc/passwd", "../../etc/passwd", "Europe/..", "Europe/Atlantis",
                         "a b", "Europe",      "tzdata.zi",        "zone.tab"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct time_zone *zone = NULL;
        struct error error = {0};
        assert_int_not_equal(time_zone_create(&zone, text_from(bad[i]), NULL, &error), STATUS_OK);
        assert_null(zone);
        assert_true(strlen(error.text) > 10);
    }
}

static void put_big_endian(unsigned char *at, int bytes, int64_t value) {
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)((uint64_t)value >> (8 * (bytes - 1 - i)));
}

/* A zone of two changes and two types: what is written there decides whether it is one. */
static enum status zone_of(int type, int64_t first_s, int64_t second_s, int64_t offset_s,
                           const char *footer) {
    unsigned char bytes[300] = "TZif2";
    size_t at = 44; /* the 32-bit block has one type and nothing else */
    put_big_endian(bytes + 36, 4, 1);
    at += 6;
    memcpy(bytes + at, "TZif2", 5);
    put_big_endian(bytes + at + 32, 4, 2);
    put_big_endian(bytes + at + 36, 4, 2);
    put_big_endian(bytes + at + 40, 4, 8); /* eight zeros for names: a third type would look sane */
    put_big_endian(bytes + at + 44, 8, first_s);
    put_big_endian(bytes + at + 52, 8, second_s);
    bytes[at + 61] = (unsigned char)type;
    put_big_endian(bytes + at + 62, 4, offset_s);
    at += 44 + 16 + 2 + 12 + 8;
    at += (size_t)snprintf((char *)bytes + at, sizeof(bytes) - at, "\n%s\n", footer);
    char directory[] = "/tmp/attune_zone_XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/Z", directory);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, at, out), at);
    fclose(out);
    struct time_zone *zone = NULL;
    enum status status = time_zone_create(&zone, TEXT("Z"), directory, NULL);
    time_zone_destroy(zone);
    unlink(path);
    rmdir(directory);
    return status;
}

static void zone_files_by_hand(void **state) {
    (void)state;
    assert_int_equal(zone_of(1, 100, 200, 3600, "CET-1"), STATUS_OK);
    assert_int_equal(zone_of(1, 100, 200, 3600, ""), STATUS_OK);
    assert_int_equal(zone_of(2, 100, 200, 3600, "CET-1"), STATUS_INVALID);
    assert_int_equal(zone_of(1, 200, 200, 3600, "CET-1"), STATUS_INVALID);
    assert_int_equal(zone_of(1, 100, 200, 100000, "CET-1"), STATUS_INVALID);
    const char *bad[] = {"CET",
                         "-1",
                         "CET-1CEST",
                         "CET-1CEST,M3.5.0",
                         "CET-1CEST,M13.5.0,M10.5.0",
                         "CET-1CEST,M3.6.0,M10.5.0",
                         "CET-1CEST,M3.5.7,M10.5.0",
                         "CET-168",
                         "CET-1CEST,J0,J365",
                         "CET-1CEST,366,1",
                         "<CET-1",
                         "CET-1CEST,M3.5.0,M10.5.0x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (zone_of(1, 100, 200, 3600, bad[i]) != STATUS_INVALID) fail_msg("%s", bad[i]);
    }
    assert_int_equal(zone_of(1, 100, 200, 3600, "<+01>-1:00:00<-02>2,J60/-26,300/+167:59:59"),
                     STATUS_OK);
}

/* Every byte of a real file changed and every length cut: never a crash, and what is accepted stays
 * within bounds. */
static void damaged_zone_files(void **state) {
    (void)state;
    static unsigned char good[8192], bytes[8192];
    FILE *in = fopen("/usr/share/zoneinfo/Europe/Dublin", "rb");
    assert_non_null(in);
    size_t length = fread(good, 1, sizeof(good), in);
    fclose(in);
    char directory[] = "/tmp/attune_zone_XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/Z", directory);
    struct random random;
    random_init(&random, 12);
    for (int i = 0; i < 3000; i++) {
        size_t kept = i % 3 == 0 ? random_below(&random, length) : length;
        memcpy(bytes, good, length);
        if (kept == length)
            bytes[i % 2 ? random_below(&random, length) : length - 1 - random_below(&random, 30)] =
                (unsigned char)random_u64(&random);
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(bytes, 1, kept, out), kept);
        fclose(out);
        struct time_zone *zone = NULL;
        if (time_zone_create(&zone, TEXT("Z"), directory, NULL) == STATUS_OK) {
            for (int64_t t = -4000000000000; t < 8000000000000; t += 700000000000) {
                int32_t offset_s = time_zone_offset_s(zone, t);
                assert_in_range(offset_s + 700000, 0, 1400000);
            }
        }
        time_zone_destroy(zone);
    }
    unlink(path);
    rmdir(directory);
}

static enum status scenario(void) {
    struct time_zone *zone;
    enum status status = time_zone_create(&zone, TEXT("Europe/Vienna"), NULL, NULL);
    if (status == STATUS_OK) time_zone_destroy(zone);
    return status;
}

static void zone_with_failing_allocations(void **state) {
    (void)state;
    fail_every_allocation(scenario, 3);
}

static void parsing_times(void **state) {
    (void)state;
    struct time_zone *zone = load("America/New_York");
    static const struct {
        const char *text, *utc;
    } good[] = {
        {"2017-01-28", "2017-01-28T05:00:00Z"},
        {"2017-01-28 14:06:53", "2017-01-28T19:06:53Z"},
        {"2017-07-28T14:06:53", "2017-07-28T18:06:53Z"},
        {"2017-01-28T14:06", "2017-01-28T19:06:00Z"},
        {"2017-01-28T14:06:53.123Z", "2017-01-28T14:06:53.123Z"},
        {"2017-01-28T14:06:53.1239999Z", "2017-01-28T14:06:53.123Z"},
        {"2017-01-28T14:06:53.5", "2017-01-28T19:06:53.500Z"},
        {"2017-01-28T14:06:53+02:00", "2017-01-28T12:06:53Z"},
        {"2017-01-28 14:06:53 -0330", "2017-01-28T17:36:53Z"},
        {"2017-01-28T14:06:53+02", "2017-01-28T12:06:53Z"},
        {"1485612413", "2017-01-28T14:06:53Z"},
        {"1485612413123", "2017-01-28T14:06:53.123Z"},
        {"1678-01-01T00:00:00Z", "1678-01-01T00:00:00Z"},
        {"2261-12-31T23:59:59Z", "2261-12-31T23:59:59Z"},
        {"2016-02-29", "2016-02-29T05:00:00Z"},
        {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
        {"9999-12-31", "9999-12-31T05:00:00Z"},
        {"9999-12-31T23:59:59", "9999-12-31T23:59:59.999Z"},
        {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
        {"0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00Z"},
        {"9999999999", "2286-11-20T17:46:39Z"},
        {"1485612413.25", "2017-01-28T14:06:53.250Z"},
        {"1485612413.123456789", "2017-01-28T14:06:53.123Z"},
        {"1485612413123.9", "2017-01-28T14:06:53.123Z"},
        {"2017-01-28 14:06:53 UTC", "2017-01-28T14:06:53Z"},
        {"2017-01-28 14:06:53.123456 UTC", "2017-01-28T14:06:53.123Z"},
        {"2017-01-28 14:06:53 gmt", "2017-01-28T14:06:53Z"},
        {"2017-01-28 14:06:53 UTC+2", "2017-01-28T12:06:53Z"},
        {"2017-01-28 14:06:53 GMT-0330", "2017-01-28T17:36:53Z"},
        {"2017-01-28T14:06:53UTC", "2017-01-28T14:06:53Z"},
        {"2017-01-28T14:06:53z", "2017-01-28T14:06:53Z"},
        {"2017-01-28T14:06:53+02:00[Europe/Berlin]", "2017-01-28T12:06:53Z"},
        {"2017-01-28T14:06:53Z[UTC]", "2017-01-28T14:06:53Z"},
    };
    char out[32];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t time_ms;
        if (time_parse(text_from(good[i].text), zone, &time_ms)) fail_msg("%s", good[i].text);
        assert_int_equal(time_format(time_ms, out), strlen(good[i].utc));
        assert_string_equal(out, good[i].utc);
    }
    time_zone_destroy(zone);
}

static void what_is_no_time(void **state) {
    (void)state;
    const char *bad[] = {"",
                         "2017",
                         "2017-1-28",
                         "2017-02-29",
                         "2017-13-01",
                         "2017-00-10",
                         "2017-01-32",
                         "2017-01-28T",
                         "2017-01-28T24:00:00",
                         "2017-01-28T14:60:00",
                         "2017-01-28T14:06:60",
                         "2017-01-28T14:06:53.",
                         "2017-01-28T14:06:53+",
                         "2017-01-28T14:06:53Zx",
                         "2017-01-28T14:06:53 ",
                         "0000-00-00",
                         "0000-01-01",
                         "10000-01-01",
                         "1485612413.",
                         "1485612413.5s",
                         "14856124131.5",
                         "2017-01-28 14:06:53 EST",
                         "2017-01-28 14:06:53 UTC+",
                         "2017-01-28 14:06:53+02:00[Europe",
                         "2017-01-28 UTC",
                         "148561241",
                         "14856124131234",
                         "-1485612413",
                         "28/01/2017",
                         "2017-01-28T14:06:53+19:00",
                         "2017-01-28X14:06:53",
                         "2017-01-28Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t time_ms;
        if (time_parse(text_from(bad[i]), NULL, &time_ms) != STATUS_INVALID) fail_msg("%s", bad[i]);
    }
}

static void formatting_reads_back(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 13);
    char out[32];
    for (int i = 0; i < 100000; i++) {
        int64_t time_ms = (int64_t)random_below(&random, 18000000000000) - 9000000000000, back;
        if (i % 2) time_ms -= time_ms % 1000;
        size_t length = time_format(time_ms, out);
        assert_int_equal(time_parse((struct text){out, (uint32_t)length}, NULL, &back), STATUS_OK);
        assert_int_equal(back, time_ms);
    }
    static const struct {
        int64_t time_ms;
        const char *written;
    } edges[] = {{253402300799999, "9999-12-31T23:59:59.999Z"},
                 {253402300800000, "10000-01-01T00:00:00Z"},
                 {-62167219200000, "0000-01-01T00:00:00Z"},
                 {-62167219200001, "-001-12-31T23:59:59.999Z"}};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        assert_int_equal(time_format(edges[i].time_ms, out), strlen(edges[i].written));
        assert_string_equal(out, edges[i].written);
    }
    assert_int_equal(time_format(TIME_ALWAYS, out), 6);
    assert_string_equal(out, "always");
    assert_true(time_format(TIME_ALWAYS + 1, out) < 32);
    assert_true(time_format(TIME_NEVER - 1, out) < 32);
}

static void durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *shortest;
    } good[] = {
        {"30d", 30 * TIME_DAY_MS, "30d"},
        {"4h", 4 * TIME_HOUR_MS, "4h"},
        {"30m", 30 * TIME_MINUTE_MS, "30m"},
        {"90s", 90 * TIME_SECOND_MS, "1m30s"},
        {"250ms", 250, "250ms"},
        {"6w", 42 * TIME_DAY_MS, "42d"},
        {"1d12h", 36 * TIME_HOUR_MS, "1d12h"},
        {"1s1ms", 1001, "1s1ms"},
        {"36525d", 36525 * TIME_DAY_MS, "36525d"},
    };
    char out[32];
    int64_t ms;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(duration_parse(text_from(good[i].text), &ms), STATUS_OK);
        assert_int_equal(ms, good[i].ms);
        assert_int_equal(duration_format(ms, out), strlen(good[i].shortest));
        assert_string_equal(out, good[i].shortest);
    }
    const char *bad[] = {"",
                         "0d",
                         "d",
                         "30",
                         "3mo",
                         "1y",
                         "-1d",
                         "1.5d",
                         "1 d",
                         "1d ",
                         "36526d",
                         "36525d1ms",
                         "99999999999999999999d",
                         "1D"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(duration_parse(text_from(bad[i]), &ms), STATUS_INVALID);
    }
    struct random random;
    random_init(&random, 14);
    for (int i = 0; i < 10000; i++) {
        int64_t duration = 1 + (int64_t)random_below(&random, (uint64_t)(36525 * TIME_DAY_MS));
        size_t length = duration_format(duration, out);
        assert_int_equal(duration_parse((struct text){out, (uint32_t)length}, &ms), STATUS_OK);
        assert_int_equal(ms, duration);
    }
    duration_format(0, out);
    assert_string_equal(out, "0s");
    duration_format(-TIME_DAY_MS, out);
    assert_string_equal(out, "-1d");
    assert_true(duration_format(INT64_MIN, out) < 32);
}

static void durations_for_people(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *short_form;
    } cases[] = {
        {274 * TIME_DAY_MS + 5 * TIME_HOUR_MS + 18 * TIME_MINUTE_MS + 37866, "274d 5h"},
        {TIME_DAY_MS, "1d"},
        {TIME_DAY_MS + 5 * TIME_MINUTE_MS, "1d"}, /* five minutes are not an hour's place */
        {3 * TIME_HOUR_MS + 59 * TIME_MINUTE_MS + 59999, "3h 59m"},
        {90 * TIME_SECOND_MS, "1m 30s"},
        {12040, "12s 40ms"},
        {7, "7ms"},
        {0, "0s"},
        {-90 * TIME_SECOND_MS, "-1m 30s"},
    };
    char out[32];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(duration_format_short(cases[i].ms, out), strlen(cases[i].short_form));
        assert_string_equal(out, cases[i].short_form);
    }
    assert_true(duration_format_short(INT64_MIN, out) < 32);
    assert_true(duration_format_short(INT64_MAX, out) < 32);
}

static void times_as_clocks_show_them(void **state) {
    (void)state;
    struct time_zone *berlin = load("Europe/Berlin"), *new_york = load("America/New_York");
    char out[32];
    assert_int_equal(time_format_local(at("2026-03-06T23:00:00Z"), berlin, out), 16);
    assert_string_equal(out, "2026-03-07 00:00");
    time_format_local(at("2017-12-05T05:00:00Z"), new_york, out);
    assert_string_equal(out, "2017-12-05 00:00");
    time_format_local(at("2017-07-17T20:56:22.999Z"), new_york, out);
    assert_string_equal(out, "2017-07-17 16:56:22");
    time_format_local(at("2017-07-17T20:56:22Z"), NULL, out);
    assert_string_equal(out, "2017-07-17 20:56:22");
    time_format_local(TIME_ALWAYS, berlin, out);
    assert_string_equal(out, "always");
    assert_true(time_format_local(TIME_ALWAYS + 1, berlin, out) < 32);
    assert_true(time_format_local(TIME_NEVER - 1, berlin, out) < 32);
    assert_true(time_format_local(INT64_MIN, berlin, out) < 32);
    time_zone_destroy(berlin);
    time_zone_destroy(new_york);
}

static void clocks_run(void **state) {
    (void)state;
    assert_true(clock_now_ms() > at("2024-01-01"));
    double monotonic = clock_monotonic_seconds(), cpu = clock_cpu_seconds();
    while (clock_cpu_seconds() == cpu) continue;
    assert_true(clock_monotonic_seconds() > monotonic);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(civil_like_libc),
        cmocka_unit_test(offsets_like_libc),
        cmocka_unit_test(gaps_and_overlaps),
        cmocka_unit_test(local_times_like_the_naive_search),
        cmocka_unit_test(zones_that_are_none),
        cmocka_unit_test(damaged_zone_files),
        cmocka_unit_test(parsing_times),
        cmocka_unit_test(what_is_no_time),
        cmocka_unit_test(zone_with_failing_allocations),
        cmocka_unit_test(formatting_reads_back),
        cmocka_unit_test(durations),
        cmocka_unit_test(durations_for_people),
        cmocka_unit_test(times_as_clocks_show_them),
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(changes_happen_in_their_second),
        cmocka_unit_test(zone_files_by_hand),
    };
    return cmocka_run_group_tests_name("base time", tests, NULL, NULL);
}
