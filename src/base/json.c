/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <assert.h>

#include "base/json_shim.h"
#include "base/memory.h"

/* simdjson's tape: one word a value, its type in the top byte (simdjson, doc/tape.md).
 *
 *   '{' '['  low 32 bits: index behind the matching end     '"'      offset of: uint32 length,
 * bytes, 0 'l' 'u' 'd'  the number is the next word                't' 'f' 'n' Members are a '"'
 * word and then the value. Word 0 is the root's; the document begins at word 1. */
struct json_parser {
    struct json_document document; /* first: a node's `document` points here */
    struct json_shim *shim;
    uint8_t *bytes; /* padded copy */
    size_t capacity, bytes_max;
};

static uint64_t word(struct json_node node) {
    return ((const struct json_document *)node.document)->tape[node.index];
}

static char tag(struct json_node node) {
    return (char)(word(node) >> 56);
}

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
    memory_free(parser);
}

static enum status reserve(struct json_parser *parser, size_t length) {
    if (parser->capacity >= length && parser->bytes) return STATUS_OK;
    size_t capacity = 4096;
    while (capacity < length) capacity *= 2;
    uint8_t *bytes = memory_alloc(capacity + json_shim_padding());
    if (!bytes) return STATUS_NO_MEMORY;
    if (json_shim_reserve(parser->shim, capacity) != JSON_SHIM_OK) {
        memory_free(bytes);
        return STATUS_NO_MEMORY;
    }
    memory_free(parser->bytes);
    parser->bytes = bytes;
    parser->capacity = capacity;
    return STATUS_OK;
}

enum status json_parse(struct json_parser *parser, struct text bytes, struct json_node *root,
                       struct error *error) {
    if (bytes.length > parser->bytes_max) {
        return error_set(error, STATUS_LIMIT, "the JSON document has %u bytes, the limit is %zu",
                         bytes.length, parser->bytes_max);
    }
    if (reserve(parser, bytes.length))
        return error_set(error, STATUS_NO_MEMORY, "no memory to read the JSON document");
    if (bytes.length) memcpy(parser->bytes, bytes.at, bytes.length);
    memset(parser->bytes + bytes.length, 0, json_shim_padding());
    const char *message = "";
    switch (
        json_shim_parse(parser->shim, parser->bytes, bytes.length, &parser->document, &message)) {
    case JSON_SHIM_OK: break;
    case JSON_SHIM_NO_MEMORY:
        return error_set(error, STATUS_NO_MEMORY, "no memory to read the JSON document");
    case JSON_SHIM_TOO_DEEP:
        return error_set(error, STATUS_LIMIT,
                         "the JSON document is nested too deeply, the limit is %d", JSON_DEPTH_MAX);
    case JSON_SHIM_INVALID:
    default: return error_set(error, STATUS_INVALID, "not valid JSON: %s", message);
    }
    *root = (struct json_node){&parser->document, 1};
    return STATUS_OK;
}

enum json_type json_type(struct json_node node) {
    switch (tag(node)) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_TEXT;
    case 'l':
    case 'u':
    case 'd': return JSON_NUMBER;
    case 't':
    case 'f': return JSON_YES_NO;
    default: return JSON_NULL;
    }
}

bool json_yes(struct json_node node) {
    return tag(node) == 't';
}

static uint64_t next_word(struct json_node node) {
    return word((struct json_node){node.document, node.index + 1});
}

double json_number(struct json_node node) {
    uint64_t bits = next_word(node);
    double number;
    switch (tag(node)) {
    case 'l': return (double)(int64_t)bits;
    case 'u': return (double)bits;
    case 'd': memcpy(&number, &bits, sizeof(number)); return number;
    default: return 0;
    }
}

bool json_integer(struct json_node node, int64_t *value) {
    if (tag(node) != 'l') return false; /* 'u' is only used above INT64_MAX */
    *value = (int64_t)next_word(node);
    return true;
}

struct text json_text(struct json_node node) {
    if (tag(node) != '"') return (struct text){0};
    const struct json_document *document = node.document;
    const uint8_t *string = document->strings + (word(node) & UINT64_C(0xFFFFFFFFFFFFFF));
    uint32_t length;
    memcpy(&length, string, sizeof(length));
    return (struct text){(const char *)string + sizeof(length), length};
}

static size_t index_behind(struct json_node node) {
    switch (tag(node)) {
    case '{':
    case '[': return (size_t)(word(node) & UINT32_MAX);
    case 'l':
    case 'u':
    case 'd': return node.index + 2;
    default: return node.index + 1;
    }
}

struct json_iterator json_begin(struct json_node node) {
    char type = tag(node);
    struct json_iterator iterator = {.document = node.document, .is_object = type == '{'};
    if (type != '{' && type != '[') return iterator;
    iterator.next = node.index + 1;
    iterator.end = index_behind(node) - 1;
    return iterator;
}

bool json_next(struct json_iterator *iterator) {
    if (iterator->next >= iterator->end) return false;
    if (iterator->is_object)
        iterator->key = json_text((struct json_node){iterator->document, iterator->next++});
    iterator->node = (struct json_node){iterator->document, iterator->next};
    iterator->next = index_behind(iterator->node);
    return true;
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
