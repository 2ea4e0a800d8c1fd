/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>

#include "base/status.h"

static void every_status_has_a_name(void **state) {
    (void)state;
    for (int i = 0; i < STATUS_COUNT; i++) {
        const char *name = status_name((enum status)i);
        assert_non_null(name);
        for (int j = 0; j < i; j++) assert_string_not_equal(name, status_name((enum status)j));
    }
    assert_string_equal(status_name(STATUS_DISK_FULL), "disk full");
    assert_string_equal(status_name((enum status)99), "unknown status");
}

static void error_set_writes_one_line(void **state) {
    (void)state;
    struct error error;
    assert_int_equal(error_set(&error, STATUS_INVALID, "a %s %d", "b\nc\x1b[0m\x7f", 7),
                     STATUS_INVALID);
    assert_int_equal(error.status, STATUS_INVALID);
    assert_string_equal(error.text, "a b?c?[0m? 7");
    assert_int_equal(error_set(NULL, STATUS_LIMIT, "nobody reads this"), STATUS_LIMIT);
}

static void a_long_text_is_cut_between_characters(void **state) {
    (void)state;
    static char padding[ERROR_TEXT_MAX + 8];
    for (size_t spare = 0; spare < 5; spare++) {
        size_t length = ERROR_TEXT_MAX - 1 - spare;
        memset(padding, 'x', sizeof(padding));
        padding[length] = 0;
        struct error error;
        error_set(&error, STATUS_INVALID, "%s\xF0\x9F\x98\x80", padding);
        struct text text = text_from(error.text);
        assert_true(text_is_utf8(text));
        assert_int_equal(text.length, spare >= 4 ? ERROR_TEXT_MAX - 1 : length);
    }
}

static void errno_is_mapped(void **state) {
    (void)state;
    static const struct {
        int number;
        enum status status;
    } cases[] = {{ENOSPC, STATUS_DISK_FULL}, {EDQUOT, STATUS_DISK_FULL}, {EROFS, STATUS_READ_ONLY},
                 {EACCES, STATUS_READ_ONLY}, {EPERM, STATUS_READ_ONLY},  {ENOENT, STATUS_NOT_FOUND},
                 {EEXIST, STATUS_EXISTS},    {ENOMEM, STATUS_NO_MEMORY}, {EIO, STATUS_IO},
                 {EISDIR, STATUS_IO}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(error_set_errno(NULL, cases[i].number, "x"), cases[i].status);
    }
    struct error error;
    error_set_errno(&error, ENOENT, "cannot open %s", "f");
    assert_string_equal(error.text, "cannot open f: No such file or directory");
    static char padding[ERROR_TEXT_MAX + 8];
    memset(padding, 'x', sizeof(padding) - 1);
    error_set_errno(&error, ENOENT, "%s", padding);
    assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name),
        cmocka_unit_test(error_set_writes_one_line),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(errno_is_mapped),
    };
    return cmocka_run_group_tests_name("base status", tests, NULL, NULL);
}
