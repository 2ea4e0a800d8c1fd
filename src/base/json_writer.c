/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/json_shim.h"
#include "base/time.h"

void json_writer_init(struct json_writer *writer, struct buffer *out, bool pretty) {
    *writer = (struct json_writer){.out = out, .pretty = pretty};
}

static void put(struct json_writer *writer, struct text text) {
    if (writer->status == STATUS_OK) writer->status = buffer_append_text(writer->out, text);
}

/* Where so many bytes may be written; NULL: there is no memory. Whoever writes them adds them to
 * the buffer's length. */
static char *room_for(struct json_writer *writer, size_t bytes) {
    if (writer->status == STATUS_OK) writer->status = buffer_reserve(writer->out, bytes);
    return writer->status == STATUS_OK ? writer->out->at + writer->out->length : NULL;
}

static void new_line(struct json_writer *writer) {
    if (!writer->pretty) return;
    put(writer, TEXT("\n"));
    for (uint32_t i = 0; i < writer->depth; i++) put(writer, TEXT("  "));
}

/* Writes what stands before a key or an item: nothing behind a key, else a comma where one is
 * needed, and the indent of the line. */
static void separate(struct json_writer *writer) {
    if (writer->after_key) {
        writer->after_key = false;
        return;
    }
    if (writer->needs_comma) put(writer, TEXT(","));
    if (writer->depth > 0) new_line(writer);
}

static void begin(struct json_writer *writer, struct text bracket) {
    separate(writer);
    put(writer, bracket);
    writer->depth++;
    writer->needs_comma = false;
}

static void end(struct json_writer *writer, struct text bracket) {
    writer->depth--;
    if (writer->needs_comma) new_line(writer);
    put(writer, bracket);
    writer->needs_comma = true;
}

void json_write_object_begin(struct json_writer *writer) {
    begin(writer, TEXT("{"));
}

void json_write_object_end(struct json_writer *writer) {
    end(writer, TEXT("}"));
}

void json_write_array_begin(struct json_writer *writer) {
    begin(writer, TEXT("["));
}

void json_write_array_end(struct json_writer *writer) {
    end(writer, TEXT("]"));
}

static void put_escape(struct json_writer *writer, unsigned char c) {
    char escape[8];
    switch (c) {
    case '"': put(writer, TEXT("\\\"")); return;
    case '\\': put(writer, TEXT("\\\\")); return;
    case '\n': put(writer, TEXT("\\n")); return;
    case '\r': put(writer, TEXT("\\r")); return;
    case '\t': put(writer, TEXT("\\t")); return;
    default: snprintf(escape, sizeof(escape), "\\u%04x", c); put(writer, (struct text){escape, 6});
    }
}

/* Is one of the eight bytes not to be copied as it is: a control character, '"', '\\', or part of a
 * character of several bytes? (Hacker's Delight, 6-1: a byte is 0.) */
static bool needs_look(const char *at) {
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t found = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                     ((word - ones * ' ') & ~word) | word;
    return (found & highs) != 0;
}

/* Returns how many bytes from here on are copied as they are; at least those of `i`. */
static uint32_t plain_until(struct text text, uint32_t i) {
    while (i + 8 <= text.length && !needs_look(text.at + i)) i += 8;
    while (i < text.length) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
        i++;
    }
    return i;
}

/* Writes each byte that is not UTF-8 as U+FFFD, so that the output is valid JSON whatever came in.
 */
static void put_escaped(struct json_writer *writer, struct text text, uint32_t i) {
    put(writer, TEXT("\""));
    uint32_t start = 0;
    while ((i = plain_until(text, i)) < text.length) {
        unsigned char c = (unsigned char)text.at[i];
        uint32_t length =
            c < 0x80 ? 1 : text_utf8_length((struct text){text.at + i, text.length - i});
        if (length > 1) {
            i += length;
            continue;
        }
        put(writer, (struct text){text.at + start, i - start});
        if (length == 0)
            put(writer, TEXT("\xEF\xBF\xBD"));
        else
            put_escape(writer, c);
        start = ++i;
    }
    put(writer, (struct text){text.at + start, text.length - start});
    put(writer, TEXT("\""));
}

/* As a rule all of it is copied as it is. */
static void put_quoted(struct json_writer *writer, struct text text) {
    uint32_t plain = plain_until(text, 0);
    if (plain < text.length) {
        put_escaped(writer, text, plain);
        return;
    }
    char *out = room_for(writer, (size_t)text.length + 2);
    if (out == NULL) return;
    *out++ = '"';
    if (text.length > 0) memcpy(out, text.at, text.length);
    out[text.length] = '"';
    writer->out->length += (size_t)text.length + 2;
}

void json_write_key_text(struct json_writer *writer, struct text key) {
    separate(writer);
    put_quoted(writer, key);
    put(writer, writer->pretty ? TEXT(": ") : TEXT(":"));
    writer->after_key = true;
    writer->needs_comma = false;
}

void json_write_key(struct json_writer *writer, const char *key) {
    json_write_key_text(writer, text_from(key));
}

static void put_value(struct json_writer *writer, struct text text) {
    separate(writer);
    put(writer, text);
    writer->needs_comma = true;
}

void json_write_text(struct json_writer *writer, struct text text) {
    separate(writer);
    put_quoted(writer, text);
    writer->needs_comma = true;
}

void json_write_string(struct json_writer *writer, const char *string) {
    json_write_text(writer, text_from(string));
}

/* The digits without a point, and how many places the point stands behind the first of them. */
struct number_digits {
    char digits[JSON_SHIM_DIGITS];
    int count, exponent;
};

static struct number_digits digits_of(const char *text, size_t length) {
    struct number_digits out = {.count = 0};
    size_t i = 0;
    for (; i < length && text[i] != 'e'; i++) {
        if (text[i] != '.') out.digits[out.count++] = text[i];
    }
    bool is_negative = i + 1 < length && text[i + 1] == '-';
    for (i += 2; i < length; i++) out.exponent = out.exponent * 10 + (text[i] - '0');
    if (is_negative) out.exponent = -out.exponent;
    return out;
}

/* The point among the digits, with zeros where there are none. */
static size_t write_fixed(const struct number_digits *of, char *out) {
    size_t length = 0;
    for (int place = of->exponent < 0 ? of->exponent : 0; place < of->count; place++) {
        if (place == of->exponent + 1) out[length++] = '.';
        out[length++] = place < 0 ? '0' : of->digits[place];
    }
    for (int place = of->count; place <= of->exponent; place++) out[length++] = '0';
    return length;
}

/* As printf's %.15g writes it, or with more digits where these are needed to read back as the same
 * number: large and small numbers with an exponent. */
static size_t write_digits(double number, char out[64]) {
    size_t sign = number < 0 ? 1 : 0;
    out[0] = '-';
    char *at = out + sign;
    size_t length = json_shim_digits(fabs(number), at);
    struct number_digits of = digits_of(at, length);
    int precision = of.count > 15 ? of.count : 15;
    bool is_fixed = of.exponent >= -4 && of.exponent < precision;
    return sign + (is_fixed ? write_fixed(&of, at) : length);
}

void json_write_number(struct json_writer *writer, double number) {
    if (!isfinite(number)) {
        json_write_null(writer);
        return;
    }
    if (number == 0 && signbit(number)) {
        put_value(writer, TEXT("-0.0")); /* "-0" would read back as the integer 0 */
        return;
    }
    char text[64];
    size_t length = write_digits(number, text);
    put_value(writer, (struct text){text, (uint32_t)length});
}

void json_write_integer(struct json_writer *writer, int64_t number) {
    char digits[24], *end = digits + sizeof digits, *at = end;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (number < 0) *--at = '-';
    put_value(writer, (struct text){at, (uint32_t)(end - at)});
}

void json_write_yes_no(struct json_writer *writer, bool yes) {
    put_value(writer, yes ? TEXT("true") : TEXT("false"));
}

void json_write_null(struct json_writer *writer) {
    put_value(writer, TEXT("null"));
}

void json_write_time(struct json_writer *writer, int64_t time_ms) {
    char iso[32];
    size_t length = time_format(time_ms, iso);
    json_write_text(writer, (struct text){iso, (uint32_t)length});
}

void json_member_text(struct json_writer *writer, const char *key, struct text text) {
    json_write_key(writer, key);
    json_write_text(writer, text);
}

void json_member_text_or_null(struct json_writer *writer, const char *key, struct text text) {
    json_write_key(writer, key);
    if (text.length > 0)
        json_write_text(writer, text);
    else
        json_write_null(writer);
}

void json_member_string(struct json_writer *writer, const char *key, const char *string) {
    json_member_text(writer, key, text_from(string));
}

void json_member_number(struct json_writer *writer, const char *key, double number) {
    json_write_key(writer, key);
    json_write_number(writer, number);
}

void json_member_integer(struct json_writer *writer, const char *key, int64_t number) {
    json_write_key(writer, key);
    json_write_integer(writer, number);
}

void json_member_count(struct json_writer *writer, const char *key, uint64_t count) {
    json_member_integer(writer, key, count < INT64_MAX ? (int64_t)count : INT64_MAX);
}

void json_member_yes_no(struct json_writer *writer, const char *key, bool yes) {
    json_write_key(writer, key);
    json_write_yes_no(writer, yes);
}

void json_member_null(struct json_writer *writer, const char *key) {
    json_write_key(writer, key);
    json_write_null(writer);
}

void json_member_time(struct json_writer *writer, const char *key, int64_t time_ms) {
    json_write_key(writer, key);
    json_write_time(writer, time_ms);
}

void json_member_time_or_null(struct json_writer *writer, const char *key, int64_t time_ms) {
    if (time_ms != 0)
        json_member_time(writer, key, time_ms);
    else
        json_member_null(writer, key);
}

enum status json_writer_status(const struct json_writer *writer) {
    return writer->status;
}
