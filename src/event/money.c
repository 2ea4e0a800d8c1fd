/* SPDX-License-Identifier: Apache-2.0 */
#include "event/value.h"

/* The column cell of money is minor * 32768 + currency: 48 signed bits are left for the minor
 * units. */
#define MINOR_MAX ((INT64_C(1) << 47) - 1)

enum status currency_from_text(struct text text, uint16_t *currency) {
    if (text.length != 3) return STATUS_INVALID;
    uint32_t code = 0;
    for (uint32_t i = 0; i < 3; i++) {
        if (text.at[i] < 'A' || text.at[i] > 'Z') return STATUS_INVALID;
        code = code * 26 + (uint32_t)(text.at[i] - 'A');
    }
    *currency = (uint16_t)code;
    return STATUS_OK;
}

void currency_to_text(uint16_t currency, char out[4]) {
    uint32_t code = currency;
    for (int i = 2; i >= 0; i--) {
        out[i] = (char)('A' + code % 26);
        code /= 26;
    }
    out[3] = 0;
}

/* ISO 4217, where it is not two. */
uint32_t currency_minor_digits(uint16_t currency) {
    static const char none[] = "BIFCLPDJFGNFISKJPYKMFKRWPYGRWFUGXUYIVNDVUVXAFXOFXPF";
    static const char three[] = "BHDIQDJODKWDLYDOMRTND";
    static const char four[] = "CLFUYW";
    char name[4];
    currency_to_text(currency, name);
    for (size_t i = 0; i + 3 < sizeof none; i += 3) {
        if (memcmp(none + i, name, 3) == 0) return 0;
    }
    for (size_t i = 0; i + 3 < sizeof three; i += 3) {
        if (memcmp(three + i, name, 3) == 0) return 3;
    }
    for (size_t i = 0; i + 3 < sizeof four; i += 3) {
        if (memcmp(four + i, name, 3) == 0) return 4;
    }
    return 2;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* What stands behind the last minor digit: 0 nothing, 1 below a half, 2 a half, 3 above. */
static enum status read_rest(const char *at, const char *end, int *rest) {
    *rest = 0;
    for (const char *p = at; p < end; p++) {
        if (!is_digit(*p)) return STATUS_INVALID;
        if (p == at) {
            *rest = *p == '0' ? 0 : *p < '5' ? 1 : *p == '5' ? 2 : 3;
        } else if (*p != '0' && (*rest == 0 || *rest == 2)) {
            *rest += 1;
        }
    }
    return STATUS_OK;
}

enum status money_parse(struct text text, uint16_t currency, int64_t *minor) {
    const char *p = text.at, *end = text.at + text.length;
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) negative = *p++ == '-';
    int64_t sum = 0;
    uint32_t digits = 0, fraction = 0, wanted = currency_minor_digits(currency);
    for (; p < end && is_digit(*p); p++, digits++) {
        if (sum > MINOR_MAX / 10) return STATUS_INVALID;
        sum = sum * 10 + (*p - '0');
    }
    if (p < end) {
        if (*p++ != '.' || p == end) return STATUS_INVALID;
        for (; p < end && is_digit(*p) && fraction < wanted; p++, fraction++, digits++) {
            if (sum > MINOR_MAX / 10) return STATUS_INVALID;
            sum = sum * 10 + (*p - '0');
        }
    }
    if (digits == 0 && p == end) return STATUS_INVALID;
    for (; fraction < wanted; fraction++) {
        if (sum > MINOR_MAX / 10) return STATUS_INVALID;
        sum *= 10;
    }
    int rest;
    if (read_rest(p, end, &rest) != STATUS_OK) return STATUS_INVALID;
    if (rest == 3 || (rest == 2 && (sum & 1))) sum++;
    if (sum > MINOR_MAX) return STATUS_INVALID;
    *minor = negative ? -sum : sum;
    return STATUS_OK;
}
