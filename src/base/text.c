/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_shim.h"
#include "base/memory.h"

int text_compare(struct text a, struct text b) {
    uint32_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
    if (order) return order < 0 ? -1 : 1;
    return (a.length > b.length) - (a.length < b.length);
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool text_equal_ignoring_case(struct text a, struct text b) {
    if (a.length != b.length) return false;
    for (uint32_t i = 0; i < a.length; i++) {
        if (lower(a.at[i]) != lower(b.at[i])) return false;
    }
    return true;
}

bool text_starts_with(struct text text, struct text prefix) {
    return text.length >= prefix.length &&
           text_equal((struct text){text.at, prefix.length}, prefix);
}

bool text_ends_with(struct text text, struct text suffix) {
    if (text.length < suffix.length) return false;
    if (suffix.length == 0) return true;
    return memcmp(text.at + (text.length - suffix.length), suffix.at, suffix.length) == 0;
}

bool text_contains(struct text text, struct text part) {
    if (part.length == 0) return true;
    if (text.length < part.length) return false;
    return memmem(text.at, text.length, part.at, part.length) != NULL;
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool text_cut(struct text *left, char end, struct text *out) {
    if (left->length == 0) return false;
    const char *found = memchr(left->at, end, left->length);
    *out = (struct text){left->at, found != NULL ? (uint32_t)(found - left->at) : left->length};
    uint32_t taken = out->length + (found != NULL);
    *left = (struct text){left->at + taken, left->length - taken};
    return true;
}

bool text_cut_line(struct text *left, struct text *line) {
    if (!text_cut(left, '\n', line)) return false;
    if (line->length > 0 && line->at[line->length - 1] == '\r') line->length--;
    return true;
}

struct text text_trim_space(struct text text) {
    while (text.length && is_space(text.at[0])) {
        text.at++;
        text.length--;
    }
    while (text.length && is_space(text.at[text.length - 1])) text.length--;
    return text;
}

/* Returns the length of the UTF-8 character that starts here, 0 where none does: Unicode 15, table
 * 3-7 (no surrogates, no overlong forms). */
static uint32_t utf8_character(const unsigned char *s, uint32_t left) {
    unsigned char lead = s[0], low = 0x80, high = 0xBF;
    uint32_t length;
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    if (left < length || s[1] < low || s[1] > high) return 0;
    for (uint32_t i = 2; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
    }
    return length;
}

bool text_is_utf8(struct text text) {
    const unsigned char *s = (const unsigned char *)text.at;
    for (uint32_t i = 0; i < text.length;) {
        uint64_t eight;
        if (text.length - i >= 8) {
            memcpy(&eight, s + i, 8);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                i += 8;
                continue;
            }
        }
        uint32_t length = utf8_character(s + i, text.length - i);
        if (length == 0) return false;
        i += length;
    }
    return true;
}

uint32_t text_utf8_length(struct text text) {
    return text.length ? utf8_character((const unsigned char *)text.at, text.length) : 0;
}

/* Skips a whole UTF-8 character, for `?`: the bytes that continue the character go with it. */
static uint32_t skip_character(struct text text, uint32_t i) {
    i++;
    while (i < text.length && ((unsigned char)text.at[i] & 0xC0) == 0x80) i++;
    return i;
}

/* Only the last star ever needs a second try, so the time is at most the product of the lengths. */
bool text_matches_glob(struct text text, struct text pattern) {
    uint32_t t = 0, p = 0, star = UINT32_MAX, star_t = 0;
    while (t < text.length) {
        if (p < pattern.length && pattern.at[p] == '*') {
            star = p++;
            star_t = t;
        } else if (p < pattern.length && pattern.at[p] == '?') {
            p++;
            t = skip_character(text, t);
        } else if (p < pattern.length && pattern.at[p] == text.at[t]) {
            p++;
            t++;
        } else if (star != UINT32_MAX) {
            p = star + 1;
            t = star_t = skip_character(text, star_t);
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern.at[p] == '*') p++;
    return p == pattern.length;
}

enum status text_to_int64(struct text text, int64_t *value) {
    uint32_t i = 0;
    bool negative = text.length && text.at[0] == '-';
    if (text.length && (text.at[0] == '-' || text.at[0] == '+')) i++;
    if (i == text.length) return STATUS_INVALID;
    int64_t sum = 0; /* summed below zero, since INT64_MIN has no positive counterpart */
    for (; i < text.length; i++) {
        char c = text.at[i];
        if (c < '0' || c > '9') return STATUS_INVALID;
        if (__builtin_mul_overflow(sum, INT64_C(10), &sum)) return STATUS_INVALID;
        if (__builtin_sub_overflow(sum, (int64_t)(c - '0'), &sum)) return STATUS_INVALID;
    }
    if (!negative && sum == INT64_MIN) return STATUS_INVALID;
    *value = negative ? sum : -sum;
    return STATUS_OK;
}

struct decimal {
    uint64_t digits;  /* without the point; exact where !long_form */
    int32_t exponent; /* value = digits * 10^exponent */
    bool negative;
    bool long_form; /* more digits than the fast way can hold */
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void add_digit(struct decimal *decimal, char c) {
    if (decimal->digits > UINT64_C(900719925474098)) {
        decimal->long_form = true;
        return;
    }
    decimal->digits = decimal->digits * 10 + (uint64_t)(c - '0');
}

/* [+-] digits [. digits] [e [+-] digits], with a digit on at least one side of the point. */
static bool decimal_scan(struct text text, struct decimal *decimal) {
    uint32_t i = 0, digit_count = 0;
    const char *s = text.at;
    *decimal = (struct decimal){.negative = text.length && s[0] == '-'};
    if (text.length && (s[0] == '-' || s[0] == '+')) i++;
    for (; i < text.length && is_digit(s[i]); i++, digit_count++) add_digit(decimal, s[i]);
    if (i < text.length && s[i] == '.') {
        for (i++; i < text.length && is_digit(s[i]); i++, digit_count++) {
            add_digit(decimal, s[i]);
            decimal->exponent--;
        }
    }
    if (digit_count == 0) return false;
    if (i < text.length && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        bool minus = i < text.length && s[i] == '-';
        if (i < text.length && (s[i] == '-' || s[i] == '+')) i++;
        if (i == text.length) return false;
        int32_t exponent = 0;
        for (; i < text.length && is_digit(s[i]); i++) {
            if (exponent < 100000) exponent = exponent * 10 + (s[i] - '0');
        }
        decimal->exponent += minus ? -exponent : exponent;
    }
    return i == text.length;
}

/* A number's text as the C library reads it, in the C locale whatever the process has set; a text
 * that is too long for `copy` is no number. */
#define NUMBER_BYTES_MAX 512
static enum status begin_slow(struct text text, char copy[NUMBER_BYTES_MAX], locale_t *c_locale) {
    if (text.length >= NUMBER_BYTES_MAX) return STATUS_INVALID;
    memcpy(copy, text.at, text.length);
    copy[text.length] = 0;
    *c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return *c_locale ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status double_slow(struct text text, double *value) {
    char copy[NUMBER_BYTES_MAX];
    locale_t c_locale;
    enum status status = begin_slow(text, copy, &c_locale);
    if (status != STATUS_OK) return status;
    double result = strtod_l(copy, NULL, c_locale);
    freelocale(c_locale);
    if (!isfinite(result)) return STATUS_INVALID;
    *value = result;
    return STATUS_OK;
}

enum status text_to_double(struct text text, double *value) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal decimal;
    if (!decimal_scan(text, &decimal)) return STATUS_INVALID;
    /* Clinger (1990): both factors are exact doubles, so one rounding gives the nearest double. */
    if (decimal.long_form || decimal.exponent < -22 || decimal.exponent > 22)
        return double_slow(text, value);
    double magnitude = (double)decimal.digits;
    magnitude = decimal.exponent < 0 ? magnitude / powers[-decimal.exponent]
                                     : magnitude * powers[decimal.exponent];
    *value = decimal.negative ? -magnitude : magnitude;
    return STATUS_OK;
}

enum status text_to_float(struct text text, float *value) {
    struct decimal decimal;
    char copy[NUMBER_BYTES_MAX];
    locale_t c_locale;
    if (!decimal_scan(text, &decimal)) return STATUS_INVALID;
    enum status status = begin_slow(text, copy, &c_locale);
    if (status != STATUS_OK) return status;
    float result = strtof_l(copy, NULL, c_locale);
    freelocale(c_locale);
    if (!isfinite(result)) return STATUS_INVALID;
    *value = result;
    return STATUS_OK;
}

static void strip_common_ends(struct text *a, struct text *b) {
    while (a->length && b->length && a->at[0] == b->at[0]) {
        a->at++, b->at++;
        a->length--, b->length--;
    }
    while (a->length && b->length && a->at[a->length - 1] == b->at[b->length - 1])
        a->length--, b->length--;
}

/* Only cells with |i - j| <= limit can matter. A row keeps that band, with cell (i, j) at column j
 * - i + limit:
 *
 *        two above (i-2, j-2)  column k       transposition
 *   row i-1:   (i-1, j-1)      column k       replacement
 *              (i-1, j)        column k + 1   deletion
 *   row i:     (i,   j-1)      column k - 1   insertion */
uint32_t text_distance(struct text a, struct text b, uint32_t limit) {
    assert(limit <= TEXT_DISTANCE_LIMIT_MAX);
    strip_common_ends(&a, &b);
    uint32_t longer = a.length > b.length ? a.length : b.length;
    uint32_t shorter = a.length < b.length ? a.length : b.length;
    if (longer - shorter > limit) return limit + 1;
    if (shorter == 0) return longer;
    uint32_t rows[3][2 * TEXT_DISTANCE_LIMIT_MAX + 3], width = 2 * limit + 1;
    const uint32_t far = limit + 1;
    for (uint32_t r = 0; r < 3; r++) {
        for (uint32_t k = 0; k < width + 1; k++) rows[r][k] = far;
    }
    for (uint32_t j = 0; j <= limit && j <= b.length; j++) rows[0][j + limit] = j;
    for (uint32_t i = 1; i <= a.length; i++) {
        uint32_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        uint32_t best = far;
        for (uint32_t k = 0; k < width; k++) {
            row[k] = far;
            if (i + k < limit || i + k - limit > b.length) continue;
            uint32_t j = i + k - limit, cost = above[k + 1] + 1;
            if (j == 0) cost = i;
            if (j > 0 && k > 0 && row[k - 1] + 1 < cost) cost = row[k - 1] + 1;
            if (j > 0) {
                uint32_t replace = above[k] + (a.at[i - 1] != b.at[j - 1]);
                if (replace < cost) cost = replace;
            }
            bool swapped =
                i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1];
            if (swapped && two_above[k] + 1 < cost) cost = two_above[k] + 1;
            row[k] = cost < far ? cost : far;
            if (row[k] < best) best = row[k];
        }
        if (best == far) return far;
    }
    return rows[a.length % 3][b.length + limit - a.length];
}

struct text text_nearest(struct text name, const struct text *candidates, size_t count) {
    uint32_t best = (name.length < 5 ? 1 : 2) + 1;
    struct text nearest = {0};
    for (size_t i = 0; i < count && best > 0; i++) {
        uint32_t distance = text_distance(name, candidates[i], best - 1);
        if (distance >= best) continue;
        best = distance;
        nearest = candidates[i];
    }
    return nearest;
}

#define LISTED_MAX 8

enum status text_unknown(struct text name, const char *what, const struct text *known, size_t count,
                         struct error *error) {
    struct text near = text_nearest(name, known, count);
    char names[300];
    size_t at = 0;
    if (near.length > 0) {
        return error_set(error, STATUS_NOT_FOUND, "%s %.*s; did you mean %.*s?", what,
                         TEXT_ARG(name), TEXT_ARG(near));
    }
    if (count == 0) {
        return error_set(error, STATUS_NOT_FOUND, "%s %.*s; there is none at all", what,
                         TEXT_ARG(name));
    }
    for (size_t i = 0; i < count && i < LISTED_MAX && at < sizeof names; i++) {
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%.*s", i > 0 ? ", " : "",
                               TEXT_ARG(known[i]));
    }
    return error_set(error, STATUS_NOT_FOUND, "%s %.*s; there is %s%s", what, TEXT_ARG(name), names,
                     count > LISTED_MAX ? ", …" : "");
}

void buffer_init(struct buffer *buffer) {
    *buffer = (struct buffer){0};
}

void buffer_release(struct buffer *buffer) {
    memory_free(buffer->at);
    *buffer = (struct buffer){0};
}

enum status buffer_grow(struct buffer *buffer, size_t more_bytes) {
    size_t needed;
    if (__builtin_add_overflow(buffer->length, more_bytes, &needed)) return STATUS_NO_MEMORY;
    if (needed <= buffer->capacity) return STATUS_OK;
    if (needed < 64) needed = 64;
    void *at = buffer->at;
    enum status status = memory_grow(&at, &buffer->capacity, needed, 1);
    buffer->at = at;
    return status;
}

enum status buffer_append(struct buffer *buffer, const void *bytes, size_t length) {
    if (length == 0) return STATUS_OK;
    enum status status = buffer_reserve(buffer, length);
    if (status) return status;
    memcpy(buffer->at + buffer->length, bytes, length);
    buffer->length += length;
    return STATUS_OK;
}

enum status buffer_append_text(struct buffer *buffer, struct text text) {
    return buffer_append(buffer, text.at, text.length);
}

/* As a rule it fits behind what is there, and printf runs once. */
enum status buffer_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t room = buffer->capacity - buffer->length;
    int length = vsnprintf(room > 0 ? buffer->at + buffer->length : NULL, room, format, arguments);
    enum status status = length < 0 ? STATUS_INVALID : buffer_reserve(buffer, (size_t)length + 1);
    if (status == STATUS_OK && (size_t)length >= room)
        vsnprintf(buffer->at + buffer->length, (size_t)length + 1, format, again);
    if (status == STATUS_OK) buffer->length += (size_t)length;
    va_end(again);
    va_end(arguments);
    return status;
}

enum status buffer_append_fixed(struct buffer *buffer, double number, int decimals) {
    char digits[JSON_SHIM_FIXED];
    if (!(fabs(number) < JSON_SHIM_FIXED_MAX) || decimals > JSON_SHIM_DECIMALS_MAX)
        return buffer_format(buffer, "%.*f", decimals, number);
    return buffer_append(buffer, digits, json_shim_fixed(number, decimals, digits));
}
