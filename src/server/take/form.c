/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/form.h"

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool decode(struct text in, struct arena *arena, struct text *out) {
    char *bytes = arena_alloc(arena, (size_t)in.length + 1);
    uint32_t length = 0;
    if (bytes == NULL) return false;
    for (uint32_t i = 0; i < in.length; i++) {
        char c = in.at[i];
        int high = c == '%' && i + 2 < in.length ? hex_digit(in.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(in.at[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        bytes[length++] = c;
    }
    *out = (struct text){bytes, length};
    return true;
}

static size_t count_pairs(struct text body) {
    size_t count = 1;
    for (uint32_t i = 0; i < body.length; i++) count += body.at[i] == '&';
    return count;
}

enum status form_read(struct form *out, struct text body, struct arena *arena) {
    size_t count = count_pairs(body);
    *out = (struct form){0};
    if (count > FORM_PAIRS_MAX) return STATUS_LIMIT;
    out->pairs = arena_calloc(arena, count, sizeof *out->pairs);
    if (out->pairs == NULL) return STATUS_NO_MEMORY;
    for (const char *at = body.at, *end = body.at + body.length; at < end;) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (stop == NULL) stop = end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        if (equals == NULL) equals = stop;
        const char *value = equals < stop ? equals + 1 : stop;
        struct form_pair *pair = &out->pairs[out->count];
        if (!decode((struct text){at, (uint32_t)(equals - at)}, arena, &pair->name) ||
            !decode((struct text){value, (uint32_t)(stop - value)}, arena, &pair->value))
            return STATUS_NO_MEMORY;
        out->count += stop > at;
        at = stop + 1;
    }
    return STATUS_OK;
}

struct text form_value(const struct form *form, struct text name) {
    for (size_t i = 0; i < form->count; i++)
        if (text_equal(form->pairs[i].name, name)) return form->pairs[i].value;
    return (struct text){0};
}
