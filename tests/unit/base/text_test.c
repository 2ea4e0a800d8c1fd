/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

static void comparing(void **state) {
    (void)state;
    assert_int_equal(text_compare(TEXT("a"), TEXT("b")), -1);
    assert_int_equal(text_compare(TEXT("\xFF"), TEXT("a")), 1);
    assert_int_equal(text_compare(TEXT("a"), TEXT("ab")), -1);
    assert_int_equal(text_compare(TEXT("ab"), TEXT("a")), 1);
    assert_int_equal(text_compare((struct text){0}, TEXT("")), 0);
    assert_true(text_equal_ignoring_case(TEXT("Ab-Z"), TEXT("aB-z")));
    assert_false(text_equal_ignoring_case(TEXT("@"), TEXT("`")));
    assert_false(text_equal_ignoring_case(TEXT("a"), TEXT("aa")));
    assert_true(text_starts_with(TEXT("abc"), TEXT("ab")));
    assert_false(text_starts_with(TEXT("a"), TEXT("ab")));
    assert_true(text_ends_with(TEXT("abc"), TEXT("bc")));
    assert_false(text_ends_with(TEXT("bc"), TEXT("abc")));
    assert_true(text_ends_with(TEXT("abc"), TEXT("")));
    assert_true(text_contains(TEXT("abcd"), TEXT("bc")));
    assert_false(text_contains(TEXT("abcd"), TEXT("cb")));
    assert_true(text_contains((struct text){0}, TEXT("")));
    assert_text(text_trim(TEXT(" \t\r\n a b \v\f")), "a b");
    assert_int_equal(text_trim(TEXT("  ")).length, 0);
}

static void cutting(void **state) {
    (void)state;
    struct text left = TEXT("a,,b\r,"), part;
    const char *const parts[] = {"a", "", "b\r"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(text_cut(&left, ',', &part));
        assert_true(text_equal(part, text_from(parts[i])));
    }
    assert_false(text_cut(&left, ',', &part)); /* nothing stands behind the last one */
    assert_text(part, "b\r");
    left = TEXT("one\r\n\n\r\nlast\r");
    const char *const lines[] = {"one", "", "", "last"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(text_cut_line(&left, &part));
        assert_true(text_equal(part, text_from(lines[i])));
    }
    assert_false(text_cut_line(&left, &part));
}

static void utf8(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        bool valid;
    } cases[] = {
        {"", true},
        {"plain ascii, more than eight bytes", true},
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", true},
        {"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", true},
        {"\xC0\x80", false},         /* overlong */
        {"\xE0\x9F\xBF", false},     /* overlong */
        {"\xF0\x8F\xBF\xBF", false}, /* overlong */
        {"\xED\xA0\x80", false},     /* surrogate */
        {"\xF4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", false},
        {"\x80", false},
        {"12345678\xC3", false},
        {"\xE2\x82", false},
        {"\xE2\x28\xA1", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(text_is_utf8(text_from(cases[i].bytes)), cases[i].valid);
    }
    assert_int_equal(text_utf8_length(TEXT("\xE2\x82\xAC rest")), 3);
    assert_int_equal(text_utf8_length(TEXT("")), 0);
    assert_int_equal(text_utf8_length(TEXT("\x80")), 0);
}

static bool naive_glob(const char *text, const char *pattern) {
    if (*pattern == 0) return *text == 0;
    if (*pattern == '*')
        return naive_glob(text, pattern + 1) || (*text && naive_glob(text + 1, pattern));
    return *text && (*pattern == '?' || *pattern == *text) && naive_glob(text + 1, pattern + 1);
}

static void fill(struct random *random, char *out, const char *alphabet, uint64_t length_max) {
    uint64_t length = random_below(random, length_max + 1);
    for (uint64_t i = 0; i < length; i++) out[i] = alphabet[random_below(random, strlen(alphabet))];
    out[length] = 0;
}

static void glob_like_the_naive_one(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 2);
    int matched = 0;
    for (int i = 0; i < 50000; i++) {
        char text[16], pattern[12];
        fill(&random, text, "ab", 12);
        fill(&random, pattern, "ab*?*", 8);
        bool expected = naive_glob(text, pattern);
        assert_int_equal(text_matches_glob(text_from(text), text_from(pattern)), expected);
        matched += expected;
    }
    assert_true(matched > 1000);
    assert_true(text_matches_glob(TEXT("a\xE2\x82\xAC"
                                       "b"),
                                  TEXT("a?b")));
    assert_true(text_matches_glob(TEXT("transactions_2017.csv.gz"), TEXT("transactions*.csv.gz")));
}

static void integers(void **state) {
    (void)state;
    int64_t value;
    assert_int_equal(text_to_int64(TEXT("9223372036854775807"), &value), STATUS_OK);
    assert_int_equal(value, INT64_MAX);
    assert_int_equal(text_to_int64(TEXT("-9223372036854775808"), &value), STATUS_OK);
    assert_int_equal(value, INT64_MIN);
    assert_int_equal(text_to_int64(TEXT("+007"), &value), STATUS_OK);
    assert_int_equal(value, 7);
    const char *bad[] = {
        "",   "-", "+", "1.0", " 1", "1 ", "0x1", "9223372036854775808", "-9223372036854775809",
        "1e3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_to_int64(text_from(bad[i]), &value), STATUS_INVALID);
    }
}

static void check_double(const char *string) {
    double value = -1, expected = strtod(string, NULL);
    assert_int_equal(text_to_double(text_from(string), &value), STATUS_OK);
    if (memcmp(&value, &expected, sizeof(value)) != 0)
        fail_msg("%s: %.17g, not %.17g", string, value, expected);
}

static void doubles_round_like_strtod(void **state) {
    (void)state;
    const char *good[] = {"0",
                          "-0",
                          "1",
                          "+1.5",
                          ".5",
                          "5.",
                          "1e22",
                          "1e23",
                          "9007199254740993",
                          "123456789012345678901234567890",
                          "4.9e-324",
                          "2.2250738585072011e-308",
                          "1e-400",
                          "0.1",
                          "0.30000000000000004",
                          "179769313486231570e291"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) check_double(good[i]);
    struct random random;
    random_init(&random, 3);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = random_u64(&random);
        double value;
        char string[64];
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) continue;
        snprintf(string, sizeof(string), "%.*g", (int)random_below(&random, 18) + 1, value);
        if (isfinite(strtod(string, NULL))) check_double(string);
        snprintf(string, sizeof(string), "%.*f", (int)random_below(&random, 6),
                 random_unit(&random) * 1e6);
        check_double(string);
    }
    double value;
    const char *bad[] = {"",      "-",     ".",   "e1", "1e", "1e+", "inf",  "nan",
                         "0x1p3", "1e309", "1,5", "1 ", " 1", "--1", "1.2.3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_to_double(text_from(bad[i]), &value), STATUS_INVALID);
    }
}

/* The nearest float, also where the nearest double would round to another one. */
static void floats_are_rounded_once(void **state) {
    (void)state;
    float value = 0;
    /* Just above the middle between 1 and the next float; as a double it is that middle. */
    const char *above = "1.00000005960464477540";
    assert_int_equal(text_to_float(text_from(above), &value), STATUS_OK);
    assert_true(value == 1.00000012f && (float)strtod(above, NULL) == 1.0f);
    struct random random;
    random_init(&random, 4);
    for (int i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)random_u64(&random);
        float wanted;
        char string[32];
        memcpy(&wanted, &bits, sizeof wanted);
        if (!isfinite(wanted)) continue;
        snprintf(string, sizeof string, "%.9g", (double)wanted);
        assert_int_equal(text_to_float(text_from(string), &value), STATUS_OK);
        assert_memory_equal(&value, &wanted, sizeof value);
    }
    const char *bad[] = {"", "1e39", "nan", "1 ", "0x1p3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(text_to_float(text_from(bad[i]), &value), STATUS_INVALID);
}

/* The textbook table, whole and uncapped. */
static uint32_t naive_distance(const char *a, const char *b) {
    uint32_t d[40][40], n = (uint32_t)strlen(a), m = (uint32_t)strlen(b);
    for (uint32_t i = 0; i <= n; i++) {
        for (uint32_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            uint32_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best) {
                best = d[i - 2][j - 2] + 1;
            }
            d[i][j] = best;
        }
    }
    return d[n][m];
}

static void distance_like_the_naive_one(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 4);
    for (int i = 0; i < 100000; i++) {
        char a[36], b[36];
        uint64_t length = 1 + random_below(&random, 30);
        fill(&random, a, i % 2 ? "ab" : "abcdef", length);
        fill(&random, b, i % 2 ? "ab" : "abcdef", length);
        uint32_t limit =
            (uint32_t)random_below(&random, i % 10 == 0 ? TEXT_DISTANCE_LIMIT_MAX + 1 : 8);
        uint32_t expected = naive_distance(a, b);
        if (expected > limit) expected = limit + 1;
        uint32_t got = text_distance(text_from(a), text_from(b), limit);
        if (got != expected) fail_msg("%s %s limit %u: %u, not %u", a, b, limit, got, expected);
    }
    assert_int_equal(text_distance(TEXT("ca"), TEXT("abc"), 5),
                     3); /* optimal string alignment, not Damerau's 2 */
    assert_int_equal(text_distance(TEXT(""), TEXT("abc"), 5), 3);
    assert_int_equal(text_distance((struct text){0}, TEXT(""), 0), 0);
}

static void nearest(void **state) {
    (void)state;
    const struct text names[] = {TEXT("web"), TEXT("email"), TEXT("call_center"), TEXT("sms")};
    assert_text(text_nearest(TEXT("emial"), names, 4), "email");
    assert_text(text_nearest(TEXT("call_centre"), names, 4), "call_center");
    assert_text(text_nearest(TEXT("wbe"), names, 4), "web");
    assert_text(text_nearest(TEXT("sms"), names, 4), "sms");
    assert_null(text_nearest(TEXT("mass"), names, 4).at);
    assert_null(text_nearest(TEXT("letter"), names, 4).at);
    assert_null(text_nearest(TEXT("email"), NULL, 0).at);
}

static void unknown_names(void **state) {
    (void)state;
    const struct text names[] = {TEXT("orders"), TEXT("web")};
    struct text many[20];
    char letters[20][61] = {{0}};
    struct error error = {0};
    assert_int_equal(text_unknown(TEXT("ordres"), "there is no source", names, 2, &error),
                     STATUS_NOT_FOUND);
    assert_string_equal(error.text, "there is no source ordres; did you mean orders?");
    assert_int_equal(text_unknown(TEXT("x"), "there is no source", names, 2, &error),
                     STATUS_NOT_FOUND);
    assert_string_equal(error.text, "there is no source x; there is orders, web");
    assert_int_equal(text_unknown(TEXT("x"), "there is no source", names, 0, &error),
                     STATUS_NOT_FOUND);
    assert_string_equal(error.text, "there is no source x; there is none at all");
    for (size_t i = 0; i < 20; i++) {
        memset(letters[i], (int)('a' + i), 60);
        many[i] = text_from(letters[i]);
    }
    assert_int_equal(text_unknown(TEXT("x"), "there is no source", many, 20, &error),
                     STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, letters[3])); /* as many as fit, and never beyond */
    assert_null(strstr(error.text, letters[8]));
    assert_int_equal(text_unknown(TEXT("x"), "there is no source", names, 2, NULL),
                     STATUS_NOT_FOUND);
}

static void buffers(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    assert_int_equal(buffer_append(&buffer, NULL, 0), STATUS_OK);
    for (int i = 0; i < 1000; i++) assert_int_equal(buffer_format(&buffer, "%d,", i), STATUS_OK);
    assert_int_equal(buffer_append_text(&buffer, TEXT("end")), STATUS_OK);
    assert_true(text_ends_with(buffer_text(&buffer), TEXT("998,999,end")));
    size_t length = buffer.length;
    memory_fail_at(1);
    assert_int_equal(buffer_reserve(&buffer, 1 << 20), STATUS_NO_MEMORY);
    assert_int_equal(buffer_format(&buffer, "%100000d", 1), STATUS_NO_MEMORY);
    memory_fail_at(0);
    assert_int_equal(buffer.length, length);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), STATUS_NO_MEMORY);
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    buffer_release(&buffer);
    assert_null(buffer.at);
}

static void assert_fixed(double number, int decimals) {
    char expected[400];
    struct buffer buffer;
    buffer_init(&buffer);
    int length = snprintf(expected, sizeof expected, "%.*f", decimals, number);
    assert_int_equal(buffer_append_fixed(&buffer, number, decimals), STATUS_OK);
    if (!text_equal(buffer_text(&buffer), (struct text){expected, (uint32_t)length}))
        fail_msg("%.17g with %d decimals: %.*s, expected %s", number, decimals,
                 TEXT_ARG(buffer_text(&buffer)), expected);
    buffer_release(&buffer);
}

/* Halves that are exact in binary, carries, both zeros, what has no digits, and numbers at random
 * of every size. */
static void fixed_like_printf(void **state) {
    static const double some[] = {0,        -0.0,   0.5,   1.5,      2.5,       0.125,
                                  0.375,    -0.125, 9.995, 99.995,   999.5,     0.0049999,
                                  -0.00001, 1e14,   1e15,  -1e15,    1e16,      1.7e308,
                                  -1.7e308, 5e-324, NAN,   HUGE_VAL, -HUGE_VAL, 999999999999999.9};
    struct random random;
    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        for (int decimals = 0; decimals < 20; decimals++) assert_fixed(some[i], decimals);
    random_init(&random, 20);
    for (int i = 0; i < 20000; i++) {
        double size = pow(10, (double)random_below(&random, 40) - 20);
        assert_fixed((random_unit(&random) - .5) * size, (int)random_below(&random, 5));
        assert_fixed((double)random_below(&random, 100000) / 1000, (int)random_below(&random, 3));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing),
        cmocka_unit_test(cutting),
        cmocka_unit_test(utf8),
        cmocka_unit_test(glob_like_the_naive_one),
        cmocka_unit_test(integers),
        cmocka_unit_test(nearest),
        cmocka_unit_test(doubles_round_like_strtod),
        cmocka_unit_test(floats_are_rounded_once),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(buffers),
        cmocka_unit_test(fixed_like_printf),
        cmocka_unit_test(distance_like_the_naive_one),
    };
    return cmocka_run_group_tests_name("base text", tests, NULL, NULL);
}
