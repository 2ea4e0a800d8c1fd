/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_skip.h"

const char *json_skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == ',' || *at == ':' || (*at >= '\t' && *at <= '\r')))
        at++;
    return at;
}

const char *json_skip_string(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++) at += *at == '\\';
    return at < end ? at + 1 : end;
}

const char *json_skip_value(const char *at, const char *end) {
    int depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = json_skip_string(at, end);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return at;
            depth--;
            at++;
        } else if (depth == 0 && (c == ',' || c == ' ' || (c >= '\t' && c <= '\r'))) {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0) return at;
    }
    return at;
}

struct text json_value_at(const char **at, const char *end) {
    const char *first = json_skip_space(*at, end);
    *at = json_skip_value(first, end);
    return (struct text){first, (uint32_t)(*at - first)};
}

struct text json_member_as_written(struct text object, struct text name) {
    if (object.length == 0) return (struct text){0};
    const char *end = object.at + object.length;
    const char *at = json_skip_space(object.at, end);
    if (at == end || *at != '{') return (struct text){0};
    for (at++; (at = json_skip_space(at, end)) < end && *at == '"';) {
        const char *key = at;
        at = json_skip_string(at, end);
        bool is_it = at - key == (ptrdiff_t)name.length + 2 && at[-1] == '"' &&
                     memcmp(key + 1, name.at, name.length) == 0;
        struct text value = json_value_at(&at, end);
        if (is_it && value.length > 0) return value;
    }
    return (struct text){0};
}
