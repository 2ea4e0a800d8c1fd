/* SPDX-License-Identifier: Apache-2.0 */
#include "event/value.h"

/* The column cell of money is minor * 32768 + currency: 48 signed bits are left for the minor
 * units. */
#define MINOR_MAX MONEY_MINOR_MAX

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

#define CURRENCIES    (26 * 26 * 26)
#define CODE(a, b, c) (((a) - 'A') * 26 * 26 + ((b) - 'A') * 26 + ((c) - 'A'))

/* ISO 4217: the minor digits and 1, by currency; 0 stands for the usual two digits. */
static const uint8_t digits_and_one[CURRENCIES] = {
    [CODE('B', 'I', 'F')] = 1, [CODE('C', 'L', 'P')] = 1, [CODE('D', 'J', 'F')] = 1,
    [CODE('G', 'N', 'F')] = 1, [CODE('I', 'S', 'K')] = 1, [CODE('J', 'P', 'Y')] = 1,
    [CODE('K', 'M', 'F')] = 1, [CODE('K', 'R', 'W')] = 1, [CODE('P', 'Y', 'G')] = 1,
    [CODE('R', 'W', 'F')] = 1, [CODE('U', 'G', 'X')] = 1, [CODE('U', 'Y', 'I')] = 1,
    [CODE('V', 'N', 'D')] = 1, [CODE('V', 'U', 'V')] = 1, [CODE('X', 'A', 'F')] = 1,
    [CODE('X', 'O', 'F')] = 1, [CODE('X', 'P', 'F')] = 1, [CODE('B', 'H', 'D')] = 4,
    [CODE('I', 'Q', 'D')] = 4, [CODE('J', 'O', 'D')] = 4, [CODE('K', 'W', 'D')] = 4,
    [CODE('L', 'Y', 'D')] = 4, [CODE('O', 'M', 'R')] = 4, [CODE('T', 'N', 'D')] = 4,
    [CODE('C', 'L', 'F')] = 5, [CODE('U', 'Y', 'W')] = 5,
};

uint32_t currency_minor_digits(uint16_t currency) {
    if (currency >= CURRENCIES || digits_and_one[currency] == 0) return 2;
    return digits_and_one[currency] - 1u;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Reads the digits behind the last minor digit: 0 nothing, 1 below a half, 2 a half, 3 above. */
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
