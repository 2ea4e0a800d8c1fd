/* SPDX-License-Identifier: Apache-2.0 */
/* base/json.h -- reading JSON (simdjson behind one C++ shim) and writing it.
 *
 * A json_parser is reused from document to document (one per thread). Nodes are borrowed until the next parse. Depth is limited to
 * JSON_DEPTH_MAX, a document to what json_parser_create was told. Duplicate keys: the first wins in json_get. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/text.h"

#define JSON_DEPTH_MAX 64

enum json_type { JSON_NULL, JSON_YES_NO, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };
struct json_parser;
struct json_node { /* opaque; pass by value */
    const void *document;
    size_t index;
};

enum status json_parser_create(struct json_parser **out, size_t document_bytes_max) MUST_USE;
void json_parser_destroy(struct json_parser *parser);
/* `bytes` need not be padded (the shim copies into its own padded buffer). Error text: what is wrong, and the byte offset
 * where the library tells it. */
enum status json_parse(struct json_parser *parser, struct text bytes, struct json_node *root,
                       struct error *error) MUST_USE;
enum json_type json_type(struct json_node node);
bool json_yes(struct json_node node);
double json_number(struct json_node node);
/* True where the number was written as an integer that fits. */
bool json_integer(struct json_node node, int64_t *value);
struct text json_text(struct json_node node); /* unescaped, borrowed */
bool json_get(struct json_node object, struct text key, struct json_node *out);
/* Walks members or items in file order: struct json_iterator it = json_begin(node); while (json_next(&it)) … */
struct json_iterator {
    struct json_node node; /* the value */
    struct text key;       /* objects only */
    size_t next, end;
    const void *document;
    bool is_object;
};
struct json_iterator json_begin(struct json_node node);
bool json_next(struct json_iterator *iterator);

/* Writing: commas and escapes are the writer's business. After a failure every later call is a no-op and json_writer_status
 * tells it, so that call sites need no checks. */
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
void json_write_number(struct json_writer *writer, double number); /* shortest that reads back; not finite: null */
void json_write_integer(struct json_writer *writer, int64_t number);
void json_write_yes_no(struct json_writer *writer, bool yes);
void json_write_null(struct json_writer *writer);
void json_write_time(struct json_writer *writer, int64_t time_ms); /* ISO 8601 text */
/* STATUS_OK, or the first failure. */
enum status json_writer_status(const struct json_writer *writer) MUST_USE;

#endif
