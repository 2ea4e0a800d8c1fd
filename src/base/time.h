/* SPDX-License-Identifier: Apache-2.0 */
/* base/time.h -- UTC milliseconds, ISO 8601, durations, time zones from the system's tzdata.
 *
 * No function here reads the clock, except clock_now_ms and clock_cpu_seconds, which only engine/,
 * cli/ and bench/ may call. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/text.h"

#define TIME_SECOND_MS INT64_C(1000)
#define TIME_MINUTE_MS (60 * TIME_SECOND_MS)
#define TIME_HOUR_MS   (60 * TIME_MINUTE_MS)
#define TIME_DAY_MS    (24 * TIME_HOUR_MS)
/* The time of "time: always". It is before everything, known at every t, and prints as "always". */
#define TIME_ALWAYS (INT64_MIN / 4)
#define TIME_NEVER  (INT64_MAX / 4)
/* The times that are read: 0001-01-01 to 9999-12-31T23:59:59.999. Databases write "no end" and "no
 * start" with the outermost of them. */
#define TIME_EARLIEST INT64_C(-62135596800000)
#define TIME_LATEST   INT64_C(253402300799999)
/* An event must happen in 1678 to 2261; a time beyond is no moment of a customer. */
#define TIME_EVENT_EARLIEST INT64_C(-9214560000000)
#define TIME_EVENT_LATEST   INT64_C(9214646399999)

struct time_zone; /* immutable once loaded; any thread */
/* `name` as in tzdata ("America/New_York", "UTC"); reads TZif v2+ from /usr/share/zoneinfo, or
 * $TZDIR given by the caller in `directory` (NULL: default). Rejects names with ".." or a leading
 * '/'. */
enum status time_zone_create(struct time_zone **out, struct text name, const char *directory,
                             struct error *error) MUST_USE;
void time_zone_destroy(struct time_zone *zone);
/* Returns the offset east of UTC in seconds at a UTC time. A NULL zone is UTC. After the last
 * transition the file's POSIX footer tells the rule. */
int32_t time_zone_offset_s(const struct time_zone *zone, int64_t time_ms);

struct civil {
    int32_t year;
    int32_t month, day, hour, minute, second, millisecond;
};
int64_t time_from_civil(const struct civil *civil); /* as if UTC; proleptic Gregorian */
void time_to_civil(int64_t time_ms, struct civil *civil);
/* Converts local wall time of the zone. In a gap the offset before it holds; of two equal local
 * times the earlier one is meant. */
int64_t time_from_local(const struct civil *civil, const struct time_zone *zone);

/* "2017-01-28", "2017-01-28 14:06:53", "2017-01-28T14:06:53.123Z", "+02:00"/"+0200" offsets, also
 * " UTC", " GMT", "+02:00[Europe/Berlin]"; and figures since 1970: 10 digits = seconds, 13 =
 * milliseconds, both perhaps with a fraction. Without offset: local time in `zone`. Years
 * 1–9999. */
enum status time_parse(struct text text, const struct time_zone *zone, int64_t *time_ms) MUST_USE;
/* "2017-01-28T14:06:53Z" (".123" only where not zero), UTC; "always" for TIME_ALWAYS. Returns the
 * length, < 32. */
size_t time_format(int64_t time_ms, char out[32]);
/* Writes a time for people, as clocks in `zone` showed it: "2017-01-28 14:06:53", without
 * milliseconds, ":53" only where it is not zero; "always" as above. */
size_t time_format_local(int64_t time_ms, const struct time_zone *zone, char out[32]);
/* "30d", "4h", "30m", "90s", "250ms", "6w"; also sums: "1d12h". Months and years are no durations.
 * > 0, <= 100 years. */
enum status duration_parse(struct text text, int64_t *duration_ms) MUST_USE;
/* Writes the shortest exact form: "30d", "1d12h". */
size_t duration_format(int64_t duration_ms, char out[32]);
/* Writes a duration for people: the two largest units, cut and not rounded: "274d 5h", "3h", "12s
 * 40ms". */
size_t duration_format_short(int64_t duration_ms, char out[32]);

int64_t clock_now_ms(void);
double clock_monotonic_seconds(void);
double clock_cpu_seconds(void); /* of the process, all threads */

#endif
