/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/random.h"
#include "base/time.h"

static struct json_parser *parser;

static int set_up(void **state) {
    (void)state;
    return json_parser_create(&parser, 1 << 20) ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    json_parser_destroy(parser);
    json_parser_destroy(NULL);
    return 0;
}

static struct json_node parse(const char *string) {
    struct json_node root = {0};
    struct error error = {0};
    if (json_parse(parser, text_from(string), &root, &error))
        fail_msg("%s: %s", string, error.text);
    return root;
}

static struct json_node member(struct json_node object, const char *key) {
    struct json_node node = {0};
    assert_true(json_get(object, text_from(key), &node));
    return node;
}

static void reading_values(void **state) {
    (void)state;
    struct json_node root = parse(
        "{\"text\":\"a\\\"\\u00e4\\n\",\"yes\":true,\"no\":false,\"nothing\":null,\"integer\":-42,"
        "\"number\":2.5,\"large\":18446744073709551615,\"list\":[1,[2,3],{\"x\":4}],\"empty\":{},"
        "\"text\":\"second\"}");
    assert_int_equal(json_type(root), JSON_OBJECT);
    assert_text(json_text(member(root, "text")), "a\"\xC3\xA4\n");
    assert_true(json_yes(member(root, "yes")));
    assert_false(json_yes(member(root, "no")));
    assert_int_equal(json_type(member(root, "nothing")), JSON_NULL);
    int64_t integer;
    assert_true(json_integer(member(root, "integer"), &integer));
    assert_int_equal(integer, -42);
    assert_true(json_number(member(root, "integer")) == -42.0);
    assert_true(json_number(member(root, "number")) == 2.5);
    assert_false(json_integer(member(root, "number"), &integer));
    assert_false(json_integer(member(root, "large"), &integer));
    assert_true(json_number(member(root, "large")) == 18446744073709551615.0);
    assert_int_equal(json_type(member(root, "list")), JSON_ARRAY);
    struct json_node none;
    assert_false(json_get(root, TEXT("absent"), &none));
    assert_false(json_get(member(root, "list"), TEXT("x"), &none));
    assert_null(json_text(member(root, "list")).at);
    assert_true(json_number(member(root, "text")) == 0);
    struct json_iterator it = json_begin(member(root, "empty"));
    assert_false(json_next(&it));
    it = json_begin(member(root, "integer"));
    assert_false(json_next(&it));
}

static void walking_in_order(void **state) {
    (void)state;
    struct json_iterator it = json_begin(parse("[1, [2, {\"a\": 3}], \"x\", {}, 4.5, null]"));
    const enum json_type types[] = {JSON_NUMBER, JSON_ARRAY,  JSON_TEXT,
                                    JSON_OBJECT, JSON_NUMBER, JSON_NULL};
    size_t count = 0;
    while (json_next(&it)) assert_int_equal(json_type(it.node), types[count++]);
    assert_int_equal(count, 6);
    it = json_begin(parse("{\"b\": {\"x\": [1, 2]}, \"a\": 2, \"b\": 3}"));
    const char *keys[] = {"b", "a", "b"};
    count = 0;
    while (json_next(&it)) assert_true(text_equal(it.key, text_from(keys[count++])));
    assert_int_equal(count, 3);
    assert_int_equal(json_type(parse("\"alone\"")), JSON_TEXT);
    assert_int_equal(json_type(parse(" 7 ")), JSON_NUMBER);
}

static void wrong_documents(void **state) {
    (void)state;
    const char *bad[] = {
        "",         " ",     "{",          "}",       "[1,]", "{\"a\"}",
        "{a:1}",    "'a'",   "01",         "1.",      "nul",  "\"\x01\"",
        "\"\xC3\"", "[1 2]", "{\"a\":1}}", "\"\\x\"", "NaN",  "012345678901234567890",
        "1e999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_node root;
        struct error error = {0};
        enum status status = json_parse(parser, text_from(bad[i]), &root, &error);
        if (status != STATUS_INVALID) fail_msg("%s: %s", bad[i], status_name(status));
        assert_true(strlen(error.text) > 16);
    }
}

static void limits(void **state) {
    (void)state;
    char deep[300];
    struct json_node root;
    memset(deep, '[', JSON_DEPTH_MAX);
    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_int_equal(json_parse(parser, (struct text){deep, 2 * JSON_DEPTH_MAX}, &root, NULL),
                     STATUS_OK);
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_int_equal(json_parse(parser, (struct text){deep, 2 * JSON_DEPTH_MAX + 2}, &root, NULL),
                     STATUS_LIMIT);
    struct json_parser *small;
    struct error error;
    assert_int_equal(json_parser_create(&small, 10), STATUS_OK);
    assert_int_equal(json_parse(small, TEXT("[1234567]"), &root, &error), STATUS_OK);
    assert_int_equal(json_parse(small, TEXT("[123456789]"), &root, &error), STATUS_LIMIT);
    assert_string_equal(error.text, "the JSON document has 11 bytes, the limit is 10");
    json_parser_destroy(small);
}

static struct buffer written;

static void check_written(const struct json_writer *writer, const char *expected) {
    assert_int_equal(json_writer_status(writer), STATUS_OK);
    assert_int_equal(buffer_append(&written, "", 1), STATUS_OK);
    assert_string_equal(written.at, expected);
    buffer_clear(&written);
}

static void write_sample(struct json_writer *writer) {
    json_write_object_begin(writer);
    json_write_key(writer, "a\"b");
    json_write_array_begin(writer);
    json_write_integer(writer, -5);
    json_write_number(writer, 0.1);
    json_write_yes_no(writer, true);
    json_write_null(writer);
    json_write_array_begin(writer);
    json_write_array_end(writer);
    json_write_object_begin(writer);
    json_write_object_end(writer);
    json_write_array_end(writer);
    json_write_key_text(writer, TEXT("t"));
    json_write_time(writer, INT64_C(1485612413000));
    json_write_key(writer, "s");
    json_write_string(writer, "x\n\x01\\\x7F\xC3\xA4");
    json_write_object_end(writer);
}

static void writing(void **state) {
    (void)state;
    struct json_writer writer;
    json_writer_init(&writer, &written, false);
    write_sample(&writer);
    check_written(&writer, "{\"a\\\"b\":[-5,0.1,true,null,[],{}],\"t\":\"2017-01-28T14:06:53Z\","
                           "\"s\":\"x\\n\\u0001\\\\\x7F\xC3\xA4\"}");
    json_writer_init(&writer, &written, true);
    write_sample(&writer);
    check_written(
        &writer,
        "{\n  \"a\\\"b\": [\n    -5,\n    0.1,\n    true,\n    null,\n    [],\n    {}\n  ],\n"
        "  \"t\": \"2017-01-28T14:06:53Z\",\n  \"s\": \"x\\n\\u0001\\\\\x7F\xC3\xA4\"\n}");
    json_writer_init(&writer, &written, false);
    json_write_text(&writer, TEXT("a\xFF\xC3z\xED\xA0\x80"));
    check_written(&writer, "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void members(void **state) {
    (void)state;
    struct json_writer writer;
    json_writer_init(&writer, &written, false);
    json_write_object_begin(&writer);
    json_member_text(&writer, "a", TEXT(""));
    json_member_text_or_null(&writer, "b", TEXT(""));
    json_member_text_or_null(&writer, "c", TEXT("x"));
    json_member_string(&writer, "d", "y");
    json_member_number(&writer, "e", (double)NAN);
    json_member_integer(&writer, "f", -1);
    json_member_count(&writer, "g", UINT64_MAX);
    json_member_yes_no(&writer, "h", false);
    json_member_null(&writer, "i");
    json_member_time(&writer, "j", INT64_C(1485612413000));
    json_write_object_end(&writer);
    check_written(&writer, "{\"a\":\"\",\"b\":null,\"c\":\"x\",\"d\":\"y\",\"e\":null,\"f\":-1,"
                           "\"g\":9223372036854775807,"
                           "\"h\":false,\"i\":null,\"j\":\"2017-01-28T14:06:53Z\"}");
}

static void numbers_read_back(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 16);
    const double special[] = {0,   -0.0,   1, 1e15, 1e16, 1e21, 5e-324, 1.7976931348623157e308,
                              0.1, 1.0 / 3};
    for (int i = 0; i < 50000; i++) {
        double number, back;
        uint64_t bits = random_u64(&random);
        memcpy(&number, &bits, sizeof(number));
        if (i < 10) number = special[i];
        if (i % 2 && i >= 10) number = (double)random_below(&random, 1000000) / 100;
        struct json_writer writer;
        json_writer_init(&writer, &written, false);
        json_write_number(&writer, number);
        struct json_node root;
        assert_int_equal(json_parse(parser, buffer_text(&written), &root, NULL), STATUS_OK);
        buffer_clear(&written);
        if (!isfinite(number)) {
            assert_int_equal(json_type(root), JSON_NULL);
            continue;
        }
        back = json_number(root);
        assert_memory_equal(&back, &number, sizeof(back));
    }
}

/* The fewest digits from 15 on by which printf's %g reads back as the same number. */
static void print_number(double number, char out[64]) {
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(out, 64, "%.*g", precision, number);
        if (strtod(out, NULL) == number) return;
    }
}

static void numbers_look_as_printed(void **state) {
    struct random random;
    const double special[] = {0,
                              1,
                              -1,
                              100000,
                              1e14,
                              1e15,
                              123456789012345678.0,
                              1e16,
                              1e17,
                              1e21,
                              1e22,
                              0.0001,
                              0.00001,
                              0.00012345,
                              5e-324,
                              2.2250738585072014e-308,
                              1.7976931348623157e308,
                              0.1,
                              0.30000000000000004,
                              1.0 / 3,
                              2.0 / 3,
                              9007199254740993.0,
                              -0.5,
                              12.5,
                              1234.5678,
                              999999999999999.9};
    (void)state;
    random_init(&random, 5);
    for (uint32_t i = 0; i < 100000; i++) {
        double number;
        uint64_t bits = random_u64(&random);
        memcpy(&number, &bits, sizeof number);
        if (i % 4 == 1) number = (double)random_below(&random, 100000000) / 10000 - 300;
        if (i % 4 == 2) number = random_unit(&random);
        if (i % 4 == 3) number = (double)(int64_t)random_below(&random, 1000000000000);
        if (i < sizeof special / sizeof *special) number = special[i];
        /* Of the smallest numbers (subnormal ones) fewer digits are enough. */
        if (!isnormal(number) && number != 0) continue;
        char expected[64];
        struct json_writer writer;
        json_writer_init(&writer, &written, false);
        json_write_number(&writer, number);
        print_number(number, expected);
        assert_int_equal(written.length, strlen(expected));
        assert_memory_equal(written.at, expected, written.length);
        buffer_clear(&written);
    }
}

/* Each place of each character, so that no word of eight bytes hides one. */
static void texts_are_escaped_at_each_place(void **state) {
    static const struct {
        const char *raw, *quoted;
    } characters[] = {{"\"", "\\\""}, {"\\", "\\\\"},          {"\x1f", "\\u001f"},
                      {"\n", "\\n"},  {"\x7f", "\x7f"},        {"\xff", "\xEF\xBF\xBD"},
                      {" ", " "},     {"\xC3\xA4", "\xC3\xA4"}};
    (void)state;
    for (size_t c = 0; c < sizeof characters / sizeof *characters; c++) {
        for (int before = 0; before < 20; before++) {
            for (int after = 0; after < 10; after++) {
                char raw[64], expected[64];
                struct json_writer writer;
                snprintf(raw, sizeof raw, "%.*s%s%.*s", before, "abcdefghijklmnopqrst",
                         characters[c].raw, after, "ABCDEFGHIJ");
                snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", before,
                         "abcdefghijklmnopqrst", characters[c].quoted, after, "ABCDEFGHIJ");
                json_writer_init(&writer, &written, false);
                json_write_string(&writer, raw);
                assert_int_equal(written.length, strlen(expected));
                assert_memory_equal(written.at, expected, written.length);
                buffer_clear(&written);
            }
        }
    }
}

static enum status write_scenario(void) {
    struct buffer out;
    buffer_init(&out);
    struct json_writer writer;
    json_writer_init(&writer, &out, true);
    for (int i = 0; i < 20; i++) write_sample(&writer);
    buffer_release(&out);
    return json_writer_status(&writer);
}

static enum status read_scenario(void) {
    struct json_parser *fresh;
    enum status status = json_parser_create(&fresh, 1 << 20);
    if (status) return status;
    static char document[10000];
    memset(document, ' ', sizeof(document));
    memcpy(document, "[1]", 3);
    struct json_node root;
    status = json_parse(fresh, TEXT("{\"a\":1}"), &root, NULL);
    if (status == STATUS_OK)
        status = json_parse(fresh, (struct text){document, sizeof(document)}, &root, NULL);
    json_parser_destroy(fresh);
    return status;
}

static void failing_allocations(void **state) {
    (void)state;
    fail_every_allocation(write_scenario, 3);
    fail_every_allocation(read_scenario, 3);
    buffer_release(&written);
}

/* Of numbers that name somebody each digit counts. */
static void numbers_as_they_were_written(void **state) {
    (void)state;
    static const char *const digits[] = {"12345678901234567890",
                                         "12345678901234567891",
                                         "123456789012345678901234567890",
                                         "-98765432109876543210",
                                         "1234567890.1709287200",
                                         "1.0",
                                         "1e5",
                                         "-0",
                                         "2E+3",
                                         "7"};
    size_t count = sizeof digits / sizeof *digits;
    char text[1024];
    int length = snprintf(text, sizeof text, "{ \"a,\\\"1\" : [true, null,{\"x\":[]}],\n\"n\":[");
    for (size_t i = 0; i < count; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%s", i ? " , " : "",
                           digits[i]);
    (void)snprintf(text + length, sizeof text - (size_t)length, "] , \"last\" : 3.50 }");
    struct json_node root = parse(text), nodes[16];
    struct json_iterator iterator = json_begin(member(root, "n"));
    for (size_t i = 0; json_next(&iterator); i++) nodes[i] = iterator.node;
    assert_text(json_number_text(member(root, "last")), "3.50");
    for (size_t i = 0; i < count; i++)
        assert_true(text_equal(json_number_text(nodes[i]), text_from(digits[i])));
    for (size_t i = count; i-- > 0;)
        assert_true(text_equal(json_number_text(nodes[i]), text_from(digits[i])));
    assert_true(json_number(nodes[2]) == 123456789012345678901234567890.0);
    assert_int_equal(json_number_text(member(root, "n")).length, 0);
    assert_text(json_number_text(parse("18446744073709551616")), "18446744073709551616");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_values),
        cmocka_unit_test(numbers_as_they_were_written),
        cmocka_unit_test(walking_in_order),
        cmocka_unit_test(wrong_documents),
        cmocka_unit_test(limits),
        cmocka_unit_test(writing),
        cmocka_unit_test(members),
        cmocka_unit_test(numbers_read_back),
        cmocka_unit_test(numbers_look_as_printed),
        cmocka_unit_test(texts_are_escaped_at_each_place),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests_name("base json", tests, set_up, tear_down);
}
