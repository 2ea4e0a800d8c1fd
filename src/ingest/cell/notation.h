/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/cell/notation.h -- times and figures as files write them: 31.03.2017 14:05, 3/31/2017 2:05
 * PM, 1.234,56 and $1,234.56.
 *
 * The playbook declares the notation of a source or of a column. A notation is never guessed:
 * 03/04/2017 is no time, and 1,234 is no number, until somebody declares which they are. The
 * functions here rewrite a text into the one form that value_parse reads (2017-03-31 14:05,
 * 1234.56), so that ranges, days of a month, rounding and limits are judged in one place. Some
 * forms leave no doubt and are read without a declared notation: a 12-hour clock, a currency's sign
 * or letters, a negative amount in brackets or with its minus behind. Pure; any thread. */
#ifndef INGEST_CELL_NOTATION_H
#define INGEST_CELL_NOTATION_H

#include "base/time.h"
#include "playbook/playbook.h"

#define NOTATION_BYTES_MAX 64 /* of a figure or a time, rewritten */

struct notation_text { /* what was rewritten */
    char at[NOTATION_BYTES_MAX];
    uint32_t length;
};

/* A time; local in `zone` where it has no offset. INVALID: it is none in this notation, ISO 8601
 * included. */
enum status notation_time(struct text text, enum date_notation dates, const struct time_zone *zone,
                          int64_t *time_ms) MUST_USE;
/* A figure as digits, point, digits and perhaps an exponent. */
enum status notation_number(struct text text, enum decimal_notation decimal,
                            struct notation_text *plain) MUST_USE;
/* The same with a currency before or behind it: *currency is replaced where the amount says its
 * own. A sign that several currencies share is the one in *currency if that is one of them, else
 * INVALID. */
enum status notation_money(struct text text, enum decimal_notation decimal, uint16_t *currency,
                           struct notation_text *plain) MUST_USE;

/* A currency's sign alone, "€". *currency is replaced; the sign of several currencies is the one in
 * *currency if that is one of them, else INVALID. */
enum status notation_currency_sign(struct text text, uint16_t *currency) MUST_USE;

/* What to do about a text that was read as no time, number or money: ": declare dates: day first".
 * Empty where nothing can be said. `out` is returned, always terminated. */
#define NOTATION_ADVICE_BYTES 160
const char *notation_advice(struct text text, enum value_type type, struct notation declared,
                            char out[NOTATION_ADVICE_BYTES]);

#endif
