/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "base/json.h"

/* Writes what was read; children first ask json_get, so that every path over the tape is walked. */
static void copy(struct json_writer *writer, struct json_node node) {
    struct json_iterator it = json_begin(node);
    int64_t integer;
    switch (json_type(node)) {
    case JSON_NULL: json_write_null(writer); return;
    case JSON_YES_NO: json_write_yes_no(writer, json_yes(node)); return;
    case JSON_TEXT: json_write_text(writer, json_text(node)); return;
    case JSON_NUMBER:
        if (json_integer(node, &integer))
            json_write_integer(writer, integer);
        else
            json_write_number(writer, json_number(node));
        return;
    case JSON_ARRAY:
        json_write_array_begin(writer);
        while (json_next(&it)) copy(writer, it.node);
        json_write_array_end(writer);
        return;
    case JSON_OBJECT:
    default:
        json_write_object_begin(writer);
        while (json_next(&it)) {
            struct json_node first;
            fuzz_check(json_get(node, it.key, &first));
            json_write_key_text(writer, it.key);
            copy(writer, it.node);
        }
        json_write_object_end(writer);
    }
}

/* Reading what was written from what was read writes the same bytes again. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct json_parser *parser;
    if (!parser && json_parser_create(&parser, 1 << 20)) return 0;
    struct json_node root;
    struct error error;
    if (json_parse(parser, (struct text){(const char *)bytes, (uint32_t)length}, &root, &error))
        return 0;
    struct buffer first, second;
    struct json_writer writer;
    buffer_init(&first);
    buffer_init(&second);
    json_writer_init(&writer, &first, length % 2 == 0);
    copy(&writer, root);
    fuzz_check(json_writer_status(&writer) == STATUS_OK);
    fuzz_check(json_parse(parser, buffer_text(&first), &root, &error) == STATUS_OK);
    json_writer_init(&writer, &second, length % 2 == 0);
    copy(&writer, root);
    fuzz_check(text_equal(buffer_text(&first), buffer_text(&second)));
    buffer_release(&first);
    buffer_release(&second);
    return 0;
}
