/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "ingest/cell/notation.h"

/* The first byte picks the notation. What is read as a time is one that can be written; what is
 * rewritten as a figure reads as a number, or is too large for one; and whatever comes, the advice
 * is a text. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const enum value_type types[] = {VALUE_TIME, VALUE_NUMBER, VALUE_MONEY};
    if (length == 0 || length > 4096) return 0;
    struct notation notation = {.dates = bytes[0] % 7, .decimal = bytes[0] / 7 % 3};
    struct text text = {(const char *)bytes + 1, (uint32_t)length - 1};
    char advice[NOTATION_ADVICE_BYTES], out[32];
    struct notation_text plain;
    int64_t time_ms, back;
    uint16_t currency = 0;
    double number;
    if (notation_time(text, (enum date_notation)notation.dates, NULL, &time_ms) == STATUS_OK) {
        struct civil civil;
        time_to_civil(time_ms, &civil);
        if (civil.year >= 1 && civil.year <= 9999) {
            struct text written = {out, (uint32_t)time_format(time_ms, out)};
            fuzz_check(time_parse(written, NULL, &back) == STATUS_OK && back == time_ms);
        }
    }
    if (notation_number(text, (enum decimal_notation)notation.decimal, &plain) == STATUS_OK) {
        fuzz_check(plain.length > 0 && plain.length <= NOTATION_BYTES_MAX);
        (void)text_to_double((struct text){plain.at, plain.length}, &number);
        for (uint32_t i = 0; i < plain.length; i++)
            fuzz_check(memchr("0123456789.-+e", plain.at[i], 14) != NULL);
        fuzz_check(notation_money(text, (enum decimal_notation)notation.decimal, &currency,
                                  &plain) == STATUS_OK &&
                   currency == 0);
    }
    (void)!notation_money(text, (enum decimal_notation)notation.decimal, &currency, &plain);
    for (size_t i = 0; i < 3; i++) {
        notation_advice(text, types[i], notation, advice);
        fuzz_check(memchr(advice, 0, sizeof advice) != NULL);
    }
    return 0;
}
