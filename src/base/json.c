/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <assert.h>

#include "base/json_shim.h"
#include "base/memory.h"

static_assert(JSON_PADDING >= JSON_SHIM_PADDING, "what json.h promises is enough");

#define INTEGER_DIGITS_MIN 19 /* shorter integers fit in 64 bits */

struct json_parser {
    struct json_document document; /* a node's `document` points here */
    struct json_cursor cursor;
    struct json_shim *shim;
    uint8_t *bytes; /* padded copy, where one was needed */
    uint8_t *wide;  /* a copy in which long integers are doubles */
    size_t capacity, bytes_capacity, bytes_max;
};

enum status json_parser_create(struct json_parser **out, size_t document_bytes_max) {
    struct json_parser *parser = memory_calloc(1, sizeof(*parser));
    if (!parser) return STATUS_NO_MEMORY;
    parser->bytes_max = document_bytes_max;
    parser->shim = json_shim_create(JSON_DEPTH_MAX);
    if (!parser->shim) {
        memory_free(parser);
        return STATUS_NO_MEMORY;
    }
    *out = parser;
    return STATUS_OK;
}

void json_parser_destroy(struct json_parser *parser) {
    if (!parser) return;
    json_shim_destroy(parser->shim);
    memory_free(parser->bytes);
    memory_free(parser->wide);
    memory_free(parser);
}

static enum status reserve(struct json_parser *parser, size_t length) {
    if (parser->capacity >= length && parser->capacity > 0) return STATUS_OK;
    size_t capacity = 4096;
    while (capacity < length) capacity *= 2;
    if (json_shim_reserve(parser->shim, capacity) != JSON_SHIM_OK) return STATUS_NO_MEMORY;
    parser->capacity = capacity;
    return STATUS_OK;
}

static bool is_between(char c) {
    return c == ' ' || c == ',' || c == ':' || (c >= '\t' && c <= '\r');
}

static bool is_of_number(char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static bool is_wide_integer(const char *from, const char *to) {
    const char *at = from < to && *from == '-' ? from + 1 : from;
    const char *first = at;
    while (at < to && *at >= '0' && *at <= '9') at++;
    return at == to && at - first >= INTEGER_DIGITS_MIN;
}

static void skip_between(struct json_cursor *cursor) {
    while (cursor->at < cursor->end && is_between(*cursor->at)) cursor->at++;
}

/* Skips one word of the tape: a bracket, a text or a literal; a number has two words. The text has
 * been parsed, so one of these stands there. */
static void skip_token(struct json_cursor *cursor) {
    char c = *cursor->at++;
    cursor->index++;
    if (c == '"') {
        while (cursor->at < cursor->end && *cursor->at != '"')
            cursor->at += *cursor->at == '\\' ? 2 : 1;
        cursor->at++;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        cursor->index++;
        while (cursor->at < cursor->end && is_of_number(*cursor->at)) cursor->at++;
    } else if (c >= 'a' && c <= 'z') {
        while (cursor->at < cursor->end && *cursor->at >= 'a' && *cursor->at <= 'z') cursor->at++;
    }
}

/* simdjson refuses an integer that does not fit in 64 bits. This makes a copy in which ".0" follows
 * each such integer, so that simdjson reads a double; json_number_text then reads the original. */
static enum status copy_widened(struct json_parser *parser, struct text bytes, size_t *length) {
    struct json_cursor cursor = {
        .at = bytes.at, .start = bytes.at, .end = bytes.at + bytes.length, .index = 1};
    size_t most = bytes.length + bytes.length / INTEGER_DIGITS_MIN * 2;
    memory_free(parser->wide);
    parser->wide = memory_alloc(most + JSON_PADDING);
    if (!parser->wide) return STATUS_NO_MEMORY;
    uint8_t *out = parser->wide;
    while (cursor.at < cursor.end) {
        const char *from = cursor.at;
        skip_between(&cursor);
        const char *token = cursor.at;
        if (cursor.at < cursor.end) skip_token(&cursor);
        if (cursor.at > cursor.end) cursor.at = cursor.end;
        memcpy(out, from, (size_t)(cursor.at - from));
        out += cursor.at - from;
        if (!is_wide_integer(token, cursor.at)) continue;
        *out++ = '.';
        *out++ = '0';
    }
    *length = (size_t)(out - parser->wide);
    memset(out, 0, JSON_PADDING);
    return reserve(parser, *length);
}

static enum status copy(struct json_parser *parser, struct text bytes) {
    if (parser->bytes_capacity < parser->capacity) {
        uint8_t *larger = memory_alloc(parser->capacity + JSON_PADDING);
        if (!larger) return STATUS_NO_MEMORY;
        memory_free(parser->bytes);
        parser->bytes = larger;
        parser->bytes_capacity = parser->capacity;
    }
    if (bytes.length) memcpy(parser->bytes, bytes.at, bytes.length);
    memset(parser->bytes + bytes.length, 0, JSON_PADDING);
    return STATUS_OK;
}

static enum status parse(struct json_parser *parser, struct text bytes, bool padded,
                         struct json_node *root, struct error *error) {
    if (bytes.length > parser->bytes_max) {
        return error_set(error, STATUS_LIMIT, "the JSON document has %u bytes, the limit is %zu",
                         bytes.length, parser->bytes_max);
    }
    if (reserve(parser, bytes.length) || (!padded && copy(parser, bytes)))
        return error_set(error, STATUS_NO_MEMORY, "no memory to read the JSON document");
    const char *message = "";
    const uint8_t *from = padded ? (const uint8_t *)bytes.at : parser->bytes;
    struct json_document *document = &parser->document;
    enum json_shim_result result = json_shim_parse(parser->shim, from, bytes.length,
                                                   &document->tape, &document->strings, &message);
    if (result == JSON_SHIM_NUMBER) {
        size_t length;
        if (copy_widened(parser, bytes, &length))
            return error_set(error, STATUS_NO_MEMORY, "no memory to read the JSON document");
        result = json_shim_parse(parser->shim, parser->wide, length, &document->tape,
                                 &document->strings, &message);
    }
    switch (result) {
    case JSON_SHIM_OK: break;
    case JSON_SHIM_NO_MEMORY:
        return error_set(error, STATUS_NO_MEMORY, "no memory to read the JSON document");
    case JSON_SHIM_TOO_DEEP:
        return error_set(error, STATUS_LIMIT,
                         "the JSON document is nested too deeply, the limit is %d", JSON_DEPTH_MAX);
    case JSON_SHIM_INVALID:
    case JSON_SHIM_NUMBER:
    default: return error_set(error, STATUS_INVALID, "not valid JSON: %s", message);
    }
    parser->cursor =
        (struct json_cursor){.at = (const char *)from, .start = (const char *)from, .index = 1};
    parser->cursor.end = parser->cursor.start + bytes.length;
    document->cursor = &parser->cursor;
    *root = (struct json_node){&parser->document, 1};
    return STATUS_OK;
}

enum status json_parse(struct json_parser *parser, struct text bytes, struct json_node *root,
                       struct error *error) {
    return parse(parser, bytes, false, root, error);
}

enum status json_parse_padded(struct json_parser *parser, struct text bytes, struct json_node *root,
                              struct error *error) {
    return parse(parser, bytes, true, root, error);
}

double json_number(struct json_node node) {
    uint64_t bits = node.document->tape[node.index + 1];
    double number;
    switch (json_tag(node)) {
    case 'l': return (double)(int64_t)bits;
    case 'u': return (double)bits;
    case 'd': memcpy(&number, &bits, sizeof(number)); return number;
    default: return 0;
    }
}

static void seek(struct json_cursor *cursor, size_t index) {
    if (cursor->index > index) {
        cursor->at = cursor->start;
        cursor->index = 1;
    }
    for (skip_between(cursor); cursor->index < index && cursor->at < cursor->end;
         skip_between(cursor))
        skip_token(cursor);
}

struct text json_number_text(struct json_node node) {
    struct json_cursor *cursor = node.document->cursor;
    if (json_type(node) != JSON_NUMBER) return (struct text){0};
    seek(cursor, node.index);
    const char *last = cursor->at;
    while (last < cursor->end && is_of_number(*last)) last++;
    return (struct text){cursor->at, (uint32_t)(last - cursor->at)};
}

struct text json_raw_text(struct json_node node) {
    struct json_cursor *cursor = node.document->cursor;
    seek(cursor, node.index);
    const char *first = cursor->at;
    size_t behind = json_index_behind(node);
    while (cursor->index < behind && cursor->at < cursor->end) {
        skip_between(cursor);
        skip_token(cursor);
    }
    if (cursor->at > cursor->end) cursor->at = cursor->end;
    return (struct text){first, (uint32_t)(cursor->at - first)};
}

bool json_get(struct json_node object, struct text key, struct json_node *out) {
    struct json_iterator iterator = json_begin(object);
    if (!iterator.is_object) return false;
    while (json_next(&iterator)) {
        if (!text_equal(iterator.key, key)) continue;
        *out = iterator.node;
        return true;
    }
    return false;
}

bool json_get_path(struct json_node node, struct text path, struct json_node *out) {
    while (path.length > 0) {
        const char *dot = memchr(path.at, '.', path.length);
        struct text name = {path.at, dot ? (uint32_t)(dot - path.at) : path.length};
        if (!json_get(node, name, &node)) return false;
        uint32_t used = dot ? name.length + 1 : name.length;
        path.at += used;
        path.length -= used;
    }
    *out = node;
    return true;
}
