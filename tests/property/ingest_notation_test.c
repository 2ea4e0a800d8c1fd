/* SPDX-License-Identifier: Apache-2.0 */
/* Random moments and amounts, written the way people and programs write them, are read as what was
 * written. And what is not declared is never guessed: no text is read as two different times or
 * amounts under "nothing declared" and under a notation that fits it. Usage: ingest_notation_test
 * [SEED [ROUNDS]] */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "ingest/cell/notation.h"

static struct random random_source;

static void must(bool good, const char *what, const char *text, uint64_t seed) {
    if (good) return;
    fprintf(stderr, "seed %llu: %s: \"%s\"\n", (unsigned long long)seed, what, text);
    exit(1);
}

static uint32_t below(uint32_t bound) {
    return (uint32_t)random_below(&random_source, bound);
}

/* ---- times ---- */

static size_t write_date(char *out, size_t room, const struct civil *civil,
                         enum date_notation dates) {
    static const char marks[] = "./-";
    char mark = marks[below(3)];
    bool wide = below(2);
    const char *format = wide ? "%02d%c%02d%c%04d" : "%d%c%d%c%d";
    if (dates == DATES_YEAR_FIRST && below(3) == 0)
        return (size_t)snprintf(out, room, "%04d%02d%02d", civil->year, civil->month, civil->day);
    if (dates == DATES_YEAR_FIRST)
        return (size_t)snprintf(out, room, wide ? "%04d%c%02d%c%02d" : "%d%c%d%c%d", civil->year,
                                mark, civil->month, mark, civil->day);
    if (dates == DATES_MONTH_FIRST)
        return (size_t)snprintf(out, room, format, civil->month, mark, civil->day, mark,
                                civil->year);
    return (size_t)snprintf(out, room, format, civil->day, mark, civil->month, mark, civil->year);
}

static size_t write_clock(char *out, size_t room, struct civil *civil) {
    static const char *const halves[][2] = {{" AM", " PM"},
                                            {"am", "pm"},
                                            {" a.m.", " p.m."},
                                            {"\xE2\x80\xAF"
                                             "AM",
                                             "\xE2\x80\xAF"
                                             "PM"}};
    bool twelve = below(2), seconds = below(2), fraction = seconds && below(2);
    size_t at = (size_t)snprintf(out, room, "%s%0*d:%02d",
                                 below(4) ? " "
                                 : twelve ? ", "
                                          : "  ",
                                 below(2) ? 2 : 1,
                                 twelve ? (civil->hour + 11) % 12 + 1 : civil->hour, civil->minute);
    if (!seconds) civil->second = 0;
    if (!fraction) civil->millisecond = 0;
    if (seconds) at += (size_t)snprintf(out + at, room - at, ":%02d", civil->second);
    if (fraction)
        at += (size_t)snprintf(out + at, room - at, "%c%03d", below(2) ? '.' : ',',
                               civil->millisecond);
    if (twelve)
        at += (size_t)snprintf(out + at, room - at, "%s", halves[below(4)][civil->hour >= 12]);
    return at;
}

static void one_time(uint64_t seed) {
    const enum date_notation dates = (enum date_notation)(DATES_DAY_FIRST + below(3));
    struct civil civil;
    char text[96];
    int64_t read, again;
    time_to_civil((int64_t)random_below(&random_source, UINT64_C(17000000000000)) -
                      INT64_C(8500000000000),
                  &civil);
    size_t length = write_date(text, sizeof text, &civil, dates);
    if (below(3))
        length += write_clock(text + length, sizeof text - length, &civil);
    else
        civil.hour = civil.minute = civil.second = civil.millisecond = 0;
    int64_t offset_ms = 0;
    if (length > 10 && strchr(text, ':') && below(3) == 0) {
        offset_ms = below(2) ? 2 * TIME_HOUR_MS : 0;
        length += (size_t)snprintf(text + length, sizeof text - length, "%s",
                                   offset_ms ? " +02:00" : "Z");
    }
    int64_t wanted = time_from_civil(&civil) - offset_ms;
    struct text written = {text, (uint32_t)length};
    must(notation_time(written, dates, NULL, &read) == STATUS_OK, "not read", text, seed);
    must(read == wanted, "read as another time", text, seed);
    must(notation_time(written, DATES_PLAIN, NULL, &again) != STATUS_OK || again == wanted,
         "guessed", text, seed);
}

static void one_count(uint64_t seed) {
    static const int64_t units[] = {1000, 1, 1};
    const int unit = (int)below(3);
    int64_t ms = (int64_t)random_below(&random_source, UINT64_C(17000000000000)) -
                 INT64_C(8500000000000),
            read;
    char text[40];
    int64_t seconds = ms / 1000, rest = ms % 1000;
    if (unit == 0 && ms < 0)
        snprintf(text, sizeof text, "-%lld.%03lld", (long long)-seconds, (long long)-rest);
    else if (unit == 0)
        snprintf(text, sizeof text, "%lld.%03lld", (long long)seconds, (long long)rest);
    else
        snprintf(text, sizeof text, "%lld%s", (long long)(ms / units[unit]),
                 unit == 2 ? "000" : "");
    if (unit == 2 && ms == 0) return; /* "0000" */
    must(notation_time(text_from(text), (enum date_notation)(DATES_SECONDS + unit), NULL, &read) ==
             STATUS_OK,
         "not read", text, seed);
    must(read == ms, "read as another time", text, seed);
}

/* ---- amounts ---- */

static size_t append(char *out, size_t at, const char *text) {
    size_t length = strlen(text);
    memcpy(out + at, text, length + 1);
    return at + length;
}

static void write_figure(char *out, uint64_t minor, enum decimal_notation decimal, bool grouped) {
    static const char *const marks[2][4] = {{",", " ", "'", "\xC2\xA0"},
                                            {".", " ", "\xE2\x80\xAF", "\xE2\x80\x99"}};
    const char *mark = grouped ? marks[decimal == DECIMAL_COMMA][below(4)] : "";
    char digits[32], fraction[32];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)(minor / 100));
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) at = append(out, at, mark);
        out[at++] = digits[i];
    }
    out[at] = 0;
    if (minor % 100 == 0 && below(2)) return;
    snprintf(fraction, sizeof fraction, "%c%02d", decimal == DECIMAL_COMMA ? ',' : '.',
             (int)(minor % 100));
    append(out, at, fraction);
}

/* Returns what stands around the figure: %s is the figure. */
static const char *around(bool negative, bool money) {
    static const char *const plain[2][3] = {{"%s", "+%s", " %s "}, {"-%s", "(%s)", "%s-"}};
    static const char *const paid[2][6] = {
        {"$%s", "USD %s", "%s USD", "%s\xC2\xA0$", "$ %s", "+$%s"},
        {"-$%s", "$-%s", "($%s)", "%s- USD", "- %s $", "\xE2\x88\x92%s USD"}};
    return money && below(3) ? paid[negative][below(6)] : plain[negative][below(3)];
}

static void one_amount(uint64_t seed) {
    enum decimal_notation decimal = (enum decimal_notation)(DECIMAL_POINT + below(2));
    uint64_t minor = random_below(&random_source, UINT64_C(1) << below(46));
    bool negative = below(2), money = below(2), grouped = below(2);
    char figure[80], text[128];
    struct notation_text plain;
    struct value value, again;
    uint16_t dollar, currency;
    must(currency_from_text(TEXT("USD"), &dollar) == STATUS_OK, "no dollar", "", seed);
    write_figure(figure, minor, decimal, grouped);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, around(negative, money), figure);
#pragma GCC diagnostic pop
    currency = dollar;
    int64_t wanted = negative ? -(int64_t)minor : (int64_t)minor;
    enum status status = money ? notation_money(text_from(text), decimal, &currency, &plain)
                               : notation_number(text_from(text), decimal, &plain);
    must(status == STATUS_OK && currency == dollar, "not read", text, seed);
    must(value_parse((struct text){plain.at, plain.length}, VALUE_MONEY, dollar, NULL, &value) ==
             STATUS_OK,
         "not plain", text, seed);
    must(value.minor == wanted, "read as another amount", text, seed);
    if (!grouped || minor < 100000)
        return; /* "1.234" has two readings: that is what the declaration is for */
    bool two_marks = strchr(figure, ',') && strchr(figure, '.');
    status = notation_money(text_from(text), DECIMAL_PLAIN, &currency, &plain);
    if (status != STATUS_OK || !two_marks) return;
    must(value_parse((struct text){plain.at, plain.length}, VALUE_MONEY, dollar, NULL, &again) !=
             STATUS_OK,
         "guessed", text, seed);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 200000;
    printf("seed %llu, %llu rounds\n", (unsigned long long)seed, (unsigned long long)rounds);
    for (uint64_t i = 0; i < rounds; i++) {
        random_init(&random_source, seed + i);
        one_time(seed + i);
        one_count(seed + i);
        one_amount(seed + i);
    }
    return 0;
}
