/* SPDX-License-Identifier: Apache-2.0 */
/* base/json.h -- reading JSON (simdjson behind one C++ shim) and writing it.
 *
 * A json_parser is reused from document to document (one per thread). Nodes are borrowed until the
 * next parse. Depth is limited to JSON_DEPTH_MAX, a document to what json_parser_create was told.
 * Duplicate keys: the first wins in json_get. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/text.h"

#define JSON_DEPTH_MAX 64
#define JSON_PADDING   64 /* bytes behind a document that json_parse_padded may read */

enum json_type { JSON_NULL, JSON_YES_NO, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };
struct json_parser;
/* simdjson's tape has one word a value, with its type in the top byte (simdjson, doc/tape.md). Only
 * the functions below look at it.
 *
 *   '{' '['      the low 32 bits are the index behind the matching end
 *   '"'          the low bits are the offset of: uint32 length, bytes, 0
 *   'l' 'u' 'd'  the number is the next word
 *   't' 'f' 'n'  true, false, null
 *
 * A member is a '"' word and then its value. Word 0 is the root; the document begins at word 1. */
struct json_document {
    const uint64_t *tape;
    const uint8_t *strings;
    struct json_cursor *cursor;
};
/* Where a value of the tape stands in the text. Going on from the last one is cheap, going back is
 * not. */
struct json_cursor {
    const char *at, *start, *end;
    size_t index; /* of the value at `at` */
};
struct json_node { /* opaque; pass by value */
    const struct json_document *document;
    size_t index;
};

enum status json_parser_create(struct json_parser **out, size_t document_bytes_max) MUST_USE;
void json_parser_destroy(struct json_parser *parser);
/* Parses `bytes`, which need not be padded: the shim copies them into its own padded buffer. The
 * error says what is wrong, and at which byte where the library tells it. */
enum status json_parse(struct json_parser *parser, struct text bytes, struct json_node *root,
                       struct error *error) MUST_USE;
/* The same without the copy: JSON_PADDING bytes behind the document must be readable; what they
 * hold does not matter. */
enum status json_parse_padded(struct json_parser *parser, struct text bytes, struct json_node *root,
                              struct error *error) MUST_USE;

static inline uint64_t json_word(struct json_node node) {
    return node.document->tape[node.index];
}
static inline char json_tag(struct json_node node) {
    return (char)(json_word(node) >> 56);
}

static inline enum json_type json_type(struct json_node node) {
    switch (json_tag(node)) {
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

static inline bool json_yes(struct json_node node) {
    return json_tag(node) == 't';
}
double json_number(struct json_node node);
/* Returns a number as it was written, digit by digit: an identifier of twenty digits must not
 * become a double. The text is borrowed from the parsed bytes, which for json_parse_padded must
 * still be there. Numbers that are asked for in the order of the document cost one pass over it in
 * all; an earlier one starts again from the beginning. Empty where the node is no number. One
 * thread at a time. */
struct text json_number_text(struct json_node node);
/* Returns any value as it was written, arrays and objects whole. Borrowed and read as
 * json_number_text. */
struct text json_raw_text(struct json_node node);

/* True where the number was written as an integer that fits. */
static inline bool json_integer(struct json_node node, int64_t *value) {
    if (json_tag(node) != 'l') return false; /* simdjson uses 'u' only above INT64_MAX */
    *value = (int64_t)node.document->tape[node.index + 1];
    return true;
}

/* Unescaped, borrowed. */
static inline struct text json_text(struct json_node node) {
    if (json_tag(node) != '"') return (struct text){0};
    const uint8_t *string = node.document->strings + (json_word(node) & UINT64_C(0xFFFFFFFFFFFFFF));
    uint32_t length;
    memcpy(&length, string, sizeof(length));
    return (struct text){(const char *)string + sizeof(length), length};
}
bool json_get(struct json_node object, struct text key, struct json_node *out);
/* A dotted path, "context.page.url"; an empty one is the node itself. */
bool json_get_path(struct json_node node, struct text path, struct json_node *out);

static inline size_t json_index_behind(struct json_node node) {
    switch (json_tag(node)) {
    case '{':
    case '[': return (size_t)(json_word(node) & UINT32_MAX);
    case 'l':
    case 'u':
    case 'd': return node.index + 2;
    default: return node.index + 1;
    }
}

/* Walks members or items in file order: struct json_iterator it = json_begin(node); while
 * (json_next(&it)) … */
struct json_iterator {
    struct json_node node; /* the value */
    struct text key;       /* objects only */
    size_t next, end;
    const struct json_document *document;
    bool is_object;
};

static inline struct json_iterator json_begin(struct json_node node) {
    char type = json_tag(node);
    struct json_iterator iterator = {.document = node.document, .is_object = type == '{'};
    if (type != '{' && type != '[') return iterator;
    iterator.next = node.index + 1;
    iterator.end = json_index_behind(node) - 1;
    return iterator;
}

static inline bool json_next(struct json_iterator *iterator) {
    if (iterator->next >= iterator->end) return false;
    if (iterator->is_object)
        iterator->key = json_text((struct json_node){iterator->document, iterator->next++});
    iterator->node = (struct json_node){iterator->document, iterator->next};
    iterator->next = json_index_behind(iterator->node);
    return true;
}

/* Writing. The writer puts commas and escapes. After a failure every later call does nothing and
 * json_writer_status returns the failure, so call sites need no checks. */
struct json_writer {
    struct buffer *out;
    enum status status;
    uint32_t depth;
    bool needs_comma;
    bool after_key;
    bool pretty;
};
void json_writer_init(struct json_writer *writer, struct buffer *out, bool pretty);
void json_write_object_begin(struct json_writer *writer);
void json_write_object_end(struct json_writer *writer);
void json_write_array_begin(struct json_writer *writer);
void json_write_array_end(struct json_writer *writer);
void json_write_key(struct json_writer *writer, const char *key);
void json_write_key_text(struct json_writer *writer, struct text key);
void json_write_text(struct json_writer *writer, struct text text);
void json_write_string(struct json_writer *writer, const char *string);
/* Writes the shortest form that reads back as the same number, and null where it is not finite. */
void json_write_number(struct json_writer *writer, double number);
void json_write_integer(struct json_writer *writer, int64_t number);
void json_write_yes_no(struct json_writer *writer, bool yes);
void json_write_null(struct json_writer *writer);
void json_write_time(struct json_writer *writer, int64_t time_ms); /* ISO 8601 text */
/* Write a member of an object: the key and its value. */
void json_member_text(struct json_writer *writer, const char *key, struct text text);
/* An empty text becomes null. */
void json_member_text_or_null(struct json_writer *writer, const char *key, struct text text);
void json_member_string(struct json_writer *writer, const char *key, const char *string);
/* A number that is not finite becomes null. */
void json_member_number(struct json_writer *writer, const char *key, double number);
void json_member_integer(struct json_writer *writer, const char *key, int64_t number);
void json_member_count(struct json_writer *writer, const char *key, uint64_t count);
void json_member_yes_no(struct json_writer *writer, const char *key, bool yes);
void json_member_null(struct json_writer *writer, const char *key);
void json_member_time(struct json_writer *writer, const char *key, int64_t time_ms);
/* 0, which stands for no time, becomes null. */
void json_member_time_or_null(struct json_writer *writer, const char *key, int64_t time_ms);
/* STATUS_OK, or the first failure. */
enum status json_writer_status(const struct json_writer *writer) MUST_USE;

#endif
