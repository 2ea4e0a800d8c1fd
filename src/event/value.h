/* SPDX-License-Identifier: Apache-2.0 */
/* event/value.h -- one typed value, missing included.
 *
 * VALUE_UNKNOWN is a value like any other: it is what an absent property is, and it spreads by
 * three-valued logic. Text and lists are borrowed (from a run, the tail, an arena); whoever keeps
 * them copies them. */
#ifndef EVENT_VALUE_H
#define EVENT_VALUE_H

#include "base/text.h"

enum value_type {
    VALUE_UNKNOWN = 0,
    VALUE_NUMBER,   /* finite double */
    VALUE_TEXT,     /* UTF-8 */
    VALUE_TIME,     /* UTC ms */
    VALUE_DURATION, /* ms */
    VALUE_YES_NO,
    VALUE_MONEY, /* minor units (cents) and a currency */
    VALUE_LIST,  /* items: scalar values or records; packed (event/packed.h) */
    VALUE_TYPE_COUNT
};

struct value {
    uint8_t type;      /* enum value_type */
    uint16_t currency; /* VALUE_MONEY: the three letters A–Z as base-26 (currency_from_text) */
    union {
        double number;
        int64_t time_ms;
        int64_t duration_ms;
        int64_t minor;
        bool yes;
        struct text text; /* VALUE_TEXT; VALUE_LIST: the packed list's bytes */
    };
};

static inline struct value value_unknown(void) {
    return (struct value){.type = VALUE_UNKNOWN};
}
static inline struct value value_number(double number) {
    return (struct value){.type = VALUE_NUMBER, .number = number};
}
static inline struct value value_text(struct text text) {
    return (struct value){.type = VALUE_TEXT, .text = text};
}
static inline struct value value_time(int64_t time_ms) {
    return (struct value){.type = VALUE_TIME, .time_ms = time_ms};
}
static inline struct value value_duration(int64_t duration_ms) {
    return (struct value){.type = VALUE_DURATION, .duration_ms = duration_ms};
}
static inline struct value value_yes_no(bool yes) {
    return (struct value){.type = VALUE_YES_NO, .yes = yes};
}
static inline struct value value_money(int64_t minor, uint16_t currency) {
    return (struct value){.type = VALUE_MONEY, .currency = currency, .minor = minor};
}
/* The same in place, for the way that every cell of a file takes: a struct that is filled and then
 * copied makes the copy wait for the stores before it. */
static inline void value_put_unknown(struct value *value) {
    value->type = VALUE_UNKNOWN;
    value->currency = 0;
    value->minor = 0;
}
static inline void value_put_number(struct value *value, double number) {
    value->type = VALUE_NUMBER;
    value->currency = 0;
    value->number = number;
}
static inline void value_put_text(struct value *value, struct text text) {
    value->type = VALUE_TEXT;
    value->currency = 0;
    value->text.at = text.at;
    value->text.length = text.length;
}
static inline void value_put_time(struct value *value, int64_t time_ms) {
    value->type = VALUE_TIME;
    value->currency = 0;
    value->time_ms = time_ms;
}
static inline void value_put_money(struct value *value, int64_t minor, uint16_t currency) {
    value->type = VALUE_MONEY;
    value->currency = currency;
    value->minor = minor;
}
static inline bool value_is_known(struct value value) {
    return value.type != VALUE_UNKNOWN;
}

const char *value_type_name(enum value_type type); /* "number", "text", "yes/no" … */
/* Do both have the same type and content? Two unknowns are equal here, unlike in the language's ==.
 */
bool value_equal(struct value a, struct value b);
/* Returns the order within one type: -1, 0, 1. The caller must have checked that currencies match.
 */
int value_compare(struct value a, struct value b);

/* Converts three upper-case letters to 0..17575; STATUS_INVALID for anything else. */
enum status currency_from_text(struct text text, uint16_t *currency) MUST_USE;
void currency_to_text(uint16_t currency, char out[4]);
uint32_t currency_minor_digits(uint16_t currency); /* ISO 4217: 0 (JPY…), 2, 3 (KWD…) */
/* Reads "12.34", "-12.3", "1234" in major units. More digits than the currency has are rounded half
 * to even. */
enum status money_parse(struct text text, uint16_t currency, int64_t *minor) MUST_USE;
/* The largest amount: 47 bits hold its minor units. */
#define MONEY_MINOR_MAX ((INT64_C(1) << 47) - 1)

/* Writes the value for people: 12.34 USD, 2017-01-28T…, 30d, yes, "text", [3 items], unknown. */
enum status value_print(struct value value, struct buffer *out) MUST_USE;
/* Reads text of a file as a value of `type`. Empty text is unknown. yes/no takes yes no, true
 * false, y n, t f, 1 0, on off in any case, and some words of other languages (docs/ingest.md).
 * `currency` is for money, `zone` for times without an offset. */
struct time_zone;
enum status value_parse(struct text text, enum value_type type, uint16_t currency,
                        const struct time_zone *zone, struct value *out) MUST_USE;

#endif
