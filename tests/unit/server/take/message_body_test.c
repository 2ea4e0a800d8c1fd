/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/message_body.h"

#include "base/json.h"
#include "support/unit.h"

#define NOW INT64_C(1700000000123)

static void check(const char *body, const char *type, const char *row) {
    struct ingest_live_row made;
    struct arena arena;
    char text[512];
    arena_init(&arena, 1 << 20);
    assert_int_equal(message_body_row(text_from(body), type, NOW, &arena, &made), STATUS_OK);
    snprintf(text, sizeof text, "%.*s%.*s%.*s", (int)made.head.length,
             made.head.at != NULL ? made.head.at : "", TEXT_ARG(made.body), (int)made.tail.length,
             made.tail.at != NULL ? made.tail.at : "");
    assert_string_equal(text, row);
    arena_release(&arena);
}

static void test_what_the_server_adds(void **state) {
    (void)state;
    check("{\"userId\":\"u1\"}", "track",
          "{\"receivedAt\":\"2023-11-14T22:13:20.123Z\",\"userId\":\"u1\",\"type\":\"track\"}");
    check("{ \"type\": \"page\" }", "track",
          "{\"receivedAt\":\"2023-11-14T22:13:20.123Z\",\"type\": \"page\",\"type\":\"track\"}");
    check("{}", "track", "{\"receivedAt\":\"2023-11-14T22:13:20.123Z\",\"type\":\"track\"}");
    check("{\"batch\":[]}", NULL, "{\"receivedAt\":\"2023-11-14T22:13:20.123Z\",\"batch\":[]}");
    check("[{},{}]", NULL, "{\"receivedAt\":\"2023-11-14T22:13:20.123Z\",\"batch\":[{},{}]}");
    check("nonsense", "track", "nonsense");
    check("{", "track", "{");
    check("", "track", "");
}

static void test_the_key_of_a_body(void **state) {
    (void)state;
    assert_text(message_body_key(TEXT("{\"a\":{\"writeKey\":\"no\"},\"writeKey\":\"yes\"}")),
                "yes");
    assert_text(message_body_key(TEXT(" { \"writeKey\" : \"first\", \"writeKey\":\"second\"}")),
                "first");
    static const char *const none[] = {"",
                                       "{",
                                       "{}",
                                       "[\"writeKey\",\"x\"]",
                                       "\"writeKey\"",
                                       "{\"writeKey\":1}",
                                       "{\"writeKey\":\"\"}",
                                       "{\"writeKey\":null}",
                                       "{\"writeKey\":\"a\\u0062\"}",
                                       "{\"writeKey\":\"a",
                                       "{\"writeKeys\":\"a\"}",
                                       "{\"writeKey\":"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(message_body_key(text_from(none[i])).length, 0);
}

static void test_base64_of_any_kind(void **state) {
    static const char *const same[] = {"eyJhIjoiw78/Pn4ifQ==", "eyJhIjoiw78/Pn4ifQ",
                                       "eyJhIjoiw78_Pn4ifQ"};
    static const char *const none[] = {"", "=", "!", "a", "eyJh\n", "eyJ*"};
    struct arena arena;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < 3; i++)
        assert_text(message_body_decode(text_from(same[i]), &arena), "{\"a\":\"\xc3\xbf?>~\"}");
    assert_text(message_body_decode(TEXT("eyJhIjoi+vr6In0"), &arena), "{\"a\":\"\xfa\xfa\xfa\"}");
    assert_text(message_body_decode(TEXT("eyJhIjoi vr6In0"), &arena), "{\"a\":\"\xfa\xfa\xfa\"}");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(message_body_decode(text_from(none[i]), &arena).length, 0);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_server_adds),
        cmocka_unit_test(test_the_key_of_a_body),
        cmocka_unit_test(test_base64_of_any_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
