/* SPDX-License-Identifier: Apache-2.0 */
/* What the live tail shows of a person, and of texts of any kind. */
#include "server/take/feed.h"

#include "support/unit.h"

static void test_what_is_shown_of_a_value(void **state) {
    static const char *const cases[][2] = {
        {"eva@b.example", "e***@b.example"},
        {"\xc3\xa9va@b.example", "\xc3\xa9***@b.example"},
        {"@b.example", "@***e"},
        {"0b9ad1f7-visitor", "0***r"},
        {"12345678\xc3\xa9", "1***\xc3\xa9"},
        {"1234567", "***"},
        {"a@b", "a***@b"},
        {"", "***"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff", "***"},
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        feed_mask(out, sizeof out, text_from(cases[i][0]));
        assert_string_equal(out, cases[i][1]);
    }
}

/* However long, and whatever stands in it: it is one line, of whole characters. */
static void test_texts_are_cut_and_tamed(void **state) {
    char out[8];
    (void)state;
    feed_text(out, sizeof out, TEXT("a\nb\tc\x7f"));
    assert_string_equal(out, "a b c ");
    feed_text(out, sizeof out, TEXT("123456\xc3\xa9"));
    assert_string_equal(out, "123456");
    feed_text(out, sizeof out, TEXT("12345\xc3\xa9"));
    assert_string_equal(out, "12345\xc3\xa9");
    feed_text(out, sizeof out, TEXT(""));
    assert_string_equal(out, "");
}

static void test_persons_are_added_as_long_as_there_is_room(void **state) {
    struct feed_entry entry = {0};
    (void)state;
    feed_add_person(&entry, TEXT("user_id"), TEXT("u1"));
    feed_add_person(&entry, TEXT("email"), TEXT("\n@b.example"));
    assert_string_equal(entry.persons, "user_id:***\nemail: ***@b.example");
    for (int i = 0; i < 100; i++) feed_add_person(&entry, TEXT("cookie"), TEXT("0123456789"));
    assert_true(strlen(entry.persons) < sizeof entry.persons);
    assert_true(strlen(entry.persons) > sizeof entry.persons - 20);
}

static void test_nobody_watches(void **state) {
    struct feed *feed;
    struct feed_entry entry = {0};
    (void)state;
    assert_false(feed_is_watched(NULL));
    assert_int_equal(feed_create(&feed), STATUS_OK);
    assert_false(feed_is_watched(feed));
    feed_add(feed, &entry, 1);
    feed_destroy(feed);
    feed_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_shown_of_a_value),
        cmocka_unit_test(test_texts_are_cut_and_tamed),
        cmocka_unit_test(test_persons_are_added_as_long_as_there_is_room),
        cmocka_unit_test(test_nobody_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
