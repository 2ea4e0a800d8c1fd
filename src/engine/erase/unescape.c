/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/erase/unescape.h"

static bool read_hex(struct text text, uint32_t at, uint32_t *unit) {
    *unit = 0;
    if (text.length < 4 || at > text.length - 4) return false;
    for (uint32_t i = at; i < at + 4; i++) {
        char c = text.at[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit == 16) return false;
        *unit = *unit * 16 + digit;
    }
    return true;
}

static size_t put_utf8(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t head[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; code >>= 6) out[i] = (char)(uint8_t)(0x80 | (code & 0x3F));
    out[0] = (char)(uint8_t)(head[length] | code);
    return length;
}

/* The character behind "\u" at `at`; *used: hexadecimal digits, and a second half where there is
 * one. 0: there is none. */
static size_t unescape_code(struct text text, uint32_t at, char out[4], uint32_t *used) {
    uint32_t code, low = 0;
    if (!read_hex(text, at, &code)) return 0;
    *used = 4;
    bool is_pair = code >= 0xD800 && code < 0xDC00 && at + 6 <= text.length &&
                   text.at[at + 4] == '\\' && text.at[at + 5] == 'u' &&
                   read_hex(text, at + 6, &low) && low >= 0xDC00 && low < 0xE000;
    if (is_pair) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        *used = 10;
    }
    return put_utf8(code, out);
}

enum status text_unescape(struct text text, struct buffer *out) {
    enum status status = buffer_reserve(out, text.length);
    for (uint32_t at = 0; status == STATUS_OK && at < text.length;) {
        char c = text.at[at], code[4];
        bool more = at + 1 < text.length;
        uint32_t used = 0;
        size_t length = c == '\\' && more && text.at[at + 1] == 'u'
                            ? unescape_code(text, at + 2, code, &used)
                            : 0;
        if (length > 0) {
            status = buffer_append(out, code, length);
            at += 2 + used;
            continue;
        }
        bool escapes = more && (c == '\\' || (c == '"' && text.at[at + 1] == '"'));
        at += escapes;
        c = text.at[at++];
        status = buffer_append(out, &c, 1);
    }
    return status;
}
