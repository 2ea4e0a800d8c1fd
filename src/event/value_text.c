/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/canonical.h"
#include "base/time.h"
#include "event/packed.h"
#include "event/value.h"

/* Writes the fewest digits that read back as the same double. */
static enum status print_number(double number, struct buffer *out) {
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        double back = strtod(digits, NULL);
        if (!(back < number) && !(back > number)) break;
    }
    return buffer_append_text(out, text_from(digits));
}

static enum status print_text(struct text text, struct buffer *out) {
    enum status status = buffer_append(out, "\"", 1);
    for (uint32_t i = 0; status == STATUS_OK && i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 0x20 || c == 0x7f) {
            status = buffer_format(out, "\\u%04x", c);
        } else if (c == '"' || c == '\\') {
            status = buffer_format(out, "\\%c", c);
        } else {
            status = buffer_append(out, &text.at[i], 1);
        }
    }
    return status == STATUS_OK ? buffer_append(out, "\"", 1) : status;
}

static enum status print_duration(int64_t duration_ms, struct buffer *out) {
    char digits[33];
    if (duration_ms == 0) return buffer_append_text(out, TEXT("0ms"));
    if (duration_ms == INT64_MIN) duration_ms++;
    size_t length = duration_format(duration_ms < 0 ? -duration_ms : duration_ms, digits);
    enum status status = duration_ms < 0 ? buffer_append(out, "-", 1) : STATUS_OK;
    return status == STATUS_OK ? buffer_append(out, digits, length) : status;
}

static enum status print_money(struct value value, struct buffer *out) {
    char name[4];
    currency_to_text(value.currency, name);
    uint32_t digits = currency_minor_digits(value.currency);
    uint64_t unit = 1;
    for (uint32_t i = 0; i < digits; i++) unit *= 10;
    uint64_t minor = value.minor < 0 ? 0 - (uint64_t)value.minor : (uint64_t)value.minor;
    const char *sign = value.minor < 0 ? "-" : "";
    if (digits == 0) return buffer_format(out, "%s%llu %s", sign, (unsigned long long)minor, name);
    return buffer_format(out, "%s%llu.%0*llu %s", sign, (unsigned long long)(minor / unit),
                         (int)digits, (unsigned long long)(minor % unit), name);
}

enum status value_print(struct value value, struct buffer *out) {
    char digits[32];
    switch ((enum value_type)value.type) {
    case VALUE_NUMBER: return print_number(value.number, out);
    case VALUE_TEXT: return print_text(value.text, out);
    case VALUE_TIME: return buffer_append(out, digits, time_format(value.time_ms, digits));
    case VALUE_DURATION: return print_duration(value.duration_ms, out);
    case VALUE_YES_NO: return buffer_append_text(out, value.yes ? TEXT("yes") : TEXT("no"));
    case VALUE_MONEY: return print_money(value, out);
    case VALUE_LIST: {
        uint32_t count = list_count(value);
        return buffer_format(out, count == 1 ? "[%u item]" : "[%u items]", count);
    }
    case VALUE_UNKNOWN:
    case VALUE_TYPE_COUNT: break;
    }
    return buffer_append_text(out, TEXT("unknown"));
}

/* Reads the words for yes and no. PostgreSQL writes t and f, Oracle Y and N, forms on and off,
 * pandas 1.0 and 0.0; Excel writes TRUE in the language of the office. */
static enum status parse_yes_no(struct text text, struct value *out) {
    static const char *const words[2][20] = {
        {"no", "false", "n", "f", "0", "0.0", "off", "nein", "nee", "non", "não", "nao", "falsch",
         "faux", "falso", "onwaar", NULL},
        {"yes", "true", "y",  "t",   "1",    "1.0",  "on",        "ja",   "j",    "oui",
         "si",  "sí",   "sì", "sim", "wahr", "vrai", "verdadero", "vero", "waar", "verdadeiro"}};
    for (int yes = 0; yes < 2; yes++) {
        for (size_t i = 0; i < sizeof words[0] / sizeof *words[0] && words[yes][i]; i++) {
            if (!text_equal_ignoring_case(text, text_from(words[yes][i]))) continue;
            *out = value_yes_no(yes != 0);
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

static enum status parse_time(struct text text, const struct time_zone *zone, struct value *out) {
    /* PostgreSQL writes an open end and start as infinity. */
    static const struct {
        struct text word;
        int64_t time_ms;
    } words[] = {{{"always", 6}, TIME_ALWAYS},
                 {{"-infinity", 9}, TIME_ALWAYS},
                 {{"never", 5}, TIME_NEVER},
                 {{"infinity", 8}, TIME_NEVER}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        *out = value_time(words[i].time_ms);
        if (text_equal(text, words[i].word)) return STATUS_OK;
    }
    return time_parse(text, zone, &out->time_ms);
}

enum status value_parse(struct text text, enum value_type type, uint16_t currency,
                        const struct time_zone *zone, struct value *out) {
    *out = value_unknown();
    if (type == VALUE_TEXT) {
        if (text.length == 0) return STATUS_OK;
        if (!text_is_utf8(text)) return STATUS_INVALID;
        *out = value_text(text);
        return STATUS_OK;
    }
    text = canonical_trim(text);
    if (text.length == 0) return STATUS_OK;
    struct value value = value_unknown();
    enum status status = STATUS_INVALID;
    switch (type) {
    case VALUE_NUMBER:
        value = value_number(0);
        status = text_to_double(text, &value.number);
        break;
    case VALUE_TIME: status = parse_time(text, zone, &value); break;
    case VALUE_DURATION:
        value = value_duration(0);
        status = duration_parse(text, &value.duration_ms);
        break;
    case VALUE_YES_NO: status = parse_yes_no(text, &value); break;
    case VALUE_MONEY:
        value = value_money(0, currency);
        status = money_parse(text, currency, &value.minor);
        break;
    default: break;
    }
    if (status == STATUS_OK) *out = value;
    return status;
}
