/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/target.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool is_clean(struct text text) {
    for (uint32_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7F) return false;
    }
    return text_is_utf8(text);
}

/* Writes the decoded bytes; the length, or UINT32_MAX where a percent sign has no two digits. */
static uint32_t decode(struct text in, bool plus, char *out) {
    uint32_t length = 0;
    for (uint32_t i = 0; i < in.length; i++) {
        char c = in.at[i];
        if (c == '+' && plus) c = ' ';
        if (c == '%') {
            int high = i + 2 < in.length ? hex_digit(in.at[i + 1]) : -1;
            int low = i + 2 < in.length ? hex_digit(in.at[i + 2]) : -1;
            if (high < 0 || low < 0) return UINT32_MAX;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[length++] = c;
    }
    return length;
}

enum status percent_decode(struct text in, bool plus, struct arena *arena, struct text *out) {
    bool is_plain = in.length == 0 || (memchr(in.at, '%', in.length) == NULL &&
                                       (!plus || memchr(in.at, '+', in.length) == NULL));
    *out = in;
    if (!is_plain) {
        char *decoded = arena_alloc(arena, (size_t)in.length + 1);
        if (decoded == NULL) return STATUS_NO_MEMORY;
        uint32_t length = decode(in, plus, decoded);
        if (length == UINT32_MAX) return STATUS_INVALID;
        decoded[length] = '\0';
        *out = (struct text){decoded, length};
    }
    return is_clean(*out) ? STATUS_OK : STATUS_INVALID;
}

static struct text behind(struct text text, uint32_t at) {
    return (struct text){text.at + at, text.length - at};
}

static uint32_t find(struct text text, char c) {
    const char *at = text.length > 0 ? memchr(text.at, c, text.length) : NULL;
    return at != NULL ? (uint32_t)(at - text.at) : text.length;
}

/* RFC 9112, 3.2.2: a server takes a target with scheme and host, too. */
static struct text without_authority(struct target *out, struct text raw) {
    static const struct text schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < 2; i++) {
        struct text start = {raw.at, schemes[i].length};
        if (raw.length < start.length || !text_equal_ignoring_case(start, schemes[i])) continue;
        struct text rest = behind(raw, start.length);
        uint32_t end = find(rest, '/'), query = find(rest, '?');
        if (query < end) end = query;
        out->host = (struct text){rest.at, end};
        rest = behind(rest, end);
        return rest.length > 0 ? rest : TEXT("/");
    }
    return raw;
}

static enum status read_segment(struct target *out, struct text raw, struct arena *arena) {
    struct text segment;
    enum status status = percent_decode(raw, false, arena, &segment);
    if (status != STATUS_OK) return status;
    if (segment.length == 0 || text_equal(segment, TEXT(".")) || text_equal(segment, TEXT("..")))
        return STATUS_INVALID;
    if (out->segment_count == TARGET_SEGMENTS_MAX) return STATUS_LIMIT;
    out->segments[out->segment_count++] = segment;
    return STATUS_OK;
}

enum status target_read(struct target *out, struct text raw, struct arena *arena) {
    *out = (struct target){0};
    if (raw.length > TARGET_BYTES_MAX) return STATUS_LIMIT;
    raw = without_authority(out, raw);
    out->raw = raw;
    if (text_equal(raw, TEXT("*"))) {
        out->is_star = true;
        return STATUS_OK;
    }
    uint32_t path = find(raw, '?');
    if (path < raw.length) out->query = behind(raw, path + 1);
    struct text rest = {raw.at, path};
    if (rest.length == 0 || rest.at[0] != '/') return STATUS_INVALID;
    rest = behind(rest, 1);
    bool too_many = false;
    while (rest.length > 0) {
        uint32_t end = find(rest, '/');
        enum status status = read_segment(out, (struct text){rest.at, end}, arena);
        if (status == STATUS_LIMIT) too_many = true;
        if (status != STATUS_OK && status != STATUS_LIMIT) return status;
        if (end + 1 == rest.length) out->ends_in_slash = true;
        rest = behind(rest, end < rest.length ? end + 1 : end);
    }
    return too_many ? STATUS_LIMIT : STATUS_OK;
}

struct text target_query(const struct target *target, const char *name, struct arena *arena,
                         bool *is_bad) {
    struct text rest = target->query, wanted = text_from(name);
    if (is_bad != NULL) *is_bad = false;
    while (rest.length > 0) {
        uint32_t end = find(rest, '&');
        struct text pair = {rest.at, end}, key, value;
        uint32_t equals = find(pair, '=');
        rest = behind(rest, end < rest.length ? end + 1 : end);
        if (percent_decode((struct text){pair.at, equals}, true, arena, &key) != STATUS_OK ||
            !text_equal(key, wanted))
            continue;
        value = equals < pair.length ? behind(pair, equals + 1) : TEXT("");
        if (percent_decode(value, true, arena, &value) == STATUS_OK) return value;
        if (is_bad != NULL) *is_bad = true;
        return (struct text){0};
    }
    return (struct text){0};
}

static bool is_known(struct text name, struct text known) {
    while (known.length > 0) {
        uint32_t end = find(known, ',');
        if (text_equal(name, (struct text){known.at, end})) return true;
        known = behind(known, end < known.length ? end + 1 : end);
    }
    return false;
}

enum status target_query_check(const struct target *target, const char *known,
                               struct arena *arena) {
    struct text rest = target->query;
    enum status status = STATUS_OK;
    while (rest.length > 0 && status == STATUS_OK) {
        uint32_t end = find(rest, '&');
        struct text pair = {rest.at, end}, key, value;
        uint32_t equals = find(pair, '=');
        rest = behind(rest, end < rest.length ? end + 1 : end);
        if (pair.length == 0) continue;
        value = equals < pair.length ? behind(pair, equals + 1) : TEXT("");
        status = percent_decode((struct text){pair.at, equals}, true, arena, &key);
        if (status == STATUS_OK) status = percent_decode(value, true, arena, &value);
        if (status == STATUS_OK && !is_known(key, text_from(known))) status = STATUS_NOT_FOUND;
    }
    return status;
}
