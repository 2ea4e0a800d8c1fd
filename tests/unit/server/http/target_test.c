/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/target.h"

#include "support/unit.h"

static struct arena arena;

static enum status read(struct target *target, const char *raw) {
    return target_read(target, text_from(raw), &arena);
}

static void segments_are_decoded_once(void **state) {
    struct target target;
    (void)state;
    assert_int_equal(read(&target, "/v1/customers/email%3Aa%2Fb%40c/timeline?x=1"), STATUS_OK);
    assert_int_equal(target.segment_count, 4);
    assert_text(target.segments[0], "v1");
    assert_text(target.segments[2], "email:a/b@c");
    assert_text(target.segments[3], "timeline");
    assert_text(target.query, "x=1");
    assert_int_equal(read(&target, "/a/%252e%252E"), STATUS_OK);
    assert_text(target.segments[1], "%2e%2E");
    assert_int_equal(read(&target, "/a+b"), STATUS_OK);
    assert_text(target.segments[0], "a+b");
    assert_int_equal(read(&target, "/"), STATUS_OK);
    assert_int_equal(target.segment_count, 0);
    assert_null(target.query.at);
    assert_false(target.ends_in_slash);
    assert_int_equal(read(&target, "/a/?b=1"), STATUS_OK); /* another path than /a */
    assert_int_equal(target.segment_count, 1);
    assert_true(target.ends_in_slash);
    assert_text(target.query, "b=1");
    arena_clear(&arena);
}

static void tricks_are_refused(void **state) {
    static const char *const tricks[] = {
        "",        "a",     "/..",        "/a/../b", "/a/./b",   "/%2e%2E/etc", "/.%2e", "//a",
        "/a//b",   "/%",    "/%4",        "/%zz",    "/%00",     "/a%0Ab",      "/%7f",  "/%ff",
        "/%c0%af", "/\xff", "/%ed%a0%80", "?a=b",    "/a/%2e/b", "/a/%2e%2e"};
    (void)state;
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        struct target target;
        if (read(&target, tricks[i]) != STATUS_INVALID) fail_msg("%s was taken", tricks[i]);
    }
    arena_clear(&arena);
}

static void a_target_may_name_its_host(void **state) {
    struct target target;
    (void)state;
    assert_int_equal(read(&target, "http://shop.example:80/v1/x?y"), STATUS_OK);
    assert_text(target.host, "shop.example:80");
    assert_text(target.raw, "/v1/x?y");
    assert_int_equal(target.segment_count, 2);
    assert_int_equal(read(&target, "HTTPS://shop.example"), STATUS_OK);
    assert_text(target.host, "shop.example");
    assert_int_equal(target.segment_count, 0);
    assert_int_equal(read(&target, "/http://x"), STATUS_INVALID);
    assert_int_equal(read(&target, "*"), STATUS_OK);
    assert_true(target.is_star);
    arena_clear(&arena);
}

static void limits_are_told(void **state) {
    struct target target;
    char raw[TARGET_BYTES_MAX + 8];
    (void)state;
    memset(raw, 'a', sizeof raw);
    raw[0] = '/';
    assert_int_equal(target_read(&target, (struct text){raw, TARGET_BYTES_MAX}, &arena), STATUS_OK);
    assert_int_equal(target_read(&target, (struct text){raw, TARGET_BYTES_MAX + 1}, &arena),
                     STATUS_LIMIT);
    assert_int_equal(read(&target, "/1/2/3/4/5/6/7/8/9/10/11/12"), STATUS_OK);
    assert_int_equal(read(&target, "/1/2/3/4/5/6/7/8/9/10/11/12/13"), STATUS_LIMIT);
    /* What is wrong behind the limit is told as wrong. */
    assert_int_equal(read(&target, "/1/2/3/4/5/6/7/8/9/10/11/12/13/.."), STATUS_INVALID);
    arena_clear(&arena);
}

static void parameters_are_found(void **state) {
    struct target target;
    bool is_bad = true;
    (void)state;
    assert_int_equal(
        read(&target, "/a?at=2017-12-05%2B01&q=a+b&empty=&flag&%71%32=x&q=second&bad=%q"),
        STATUS_OK);
    assert_text(target_query(&target, "at", &arena, &is_bad), "2017-12-05+01");
    assert_false(is_bad);
    assert_text(target_query(&target, "q", &arena, NULL), "a b");
    assert_text(target_query(&target, "empty", &arena, NULL), "");
    assert_text(target_query(&target, "flag", &arena, NULL), "");
    assert_text(target_query(&target, "q2", &arena, NULL), "x");
    assert_null(target_query(&target, "none", &arena, &is_bad).at);
    assert_false(is_bad);
    assert_null(target_query(&target, "bad", &arena, &is_bad).at);
    assert_true(is_bad);
    arena_clear(&arena);
}

static void parameters_are_checked(void **state) {
    static const struct {
        const char *target;
        enum status status;
    } cases[] = {{"/a", STATUS_OK},
                 {"/a?", STATUS_OK},
                 {"/a?at=1&limit=2&&at=3&", STATUS_OK},
                 {"/a?limit", STATUS_OK},
                 {"/a?%6cimit=2", STATUS_OK},
                 {"/a?limt=2", STATUS_NOT_FOUND},
                 {"/a?limi=2", STATUS_NOT_FOUND},
                 {"/a?at%2Climit=2", STATUS_NOT_FOUND},
                 {"/a?=2", STATUS_NOT_FOUND},
                 {"/a?at=1&limits=2", STATUS_NOT_FOUND},
                 {"/a?at=%q", STATUS_INVALID},
                 {"/a?at=%FF", STATUS_INVALID},
                 {"/a?%FF=1", STATUS_INVALID}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target target;
        assert_int_equal(read(&target, cases[i].target), STATUS_OK);
        if (target_query_check(&target, "at,limit", &arena) != cases[i].status)
            fail_msg("%s", cases[i].target);
        arena_clear(&arena);
    }
}

static void a_full_arena_is_told(void **state) {
    struct arena small;
    struct target target;
    (void)state;
    arena_init(&small, 1);
    assert_int_equal(target_read(&target, TEXT("/%41"), &small), STATUS_NO_MEMORY);
    assert_int_equal(target_read(&target, TEXT("/A"), &small), STATUS_OK);
    arena_release(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_decoded_once),  cmocka_unit_test(tricks_are_refused),
        cmocka_unit_test(a_target_may_name_its_host), cmocka_unit_test(limits_are_told),
        cmocka_unit_test(parameters_are_found),       cmocka_unit_test(parameters_are_checked),
        cmocka_unit_test(a_full_arena_is_told),
    };
    arena_init(&arena, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
