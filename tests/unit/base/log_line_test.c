/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <unistd.h>

#include "base/log_line.h"
#include "base/time.h"

static size_t captured(char *out, size_t size, enum log_level level, const char *text) {
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_line(level, "%s", text);
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    ssize_t length = read(ends[0], out, size);
    close(ends[0]);
    close(saved);
    return (size_t)length;
}

static void one_line_with_time_and_level(void **state) {
    (void)state;
    char out[2048];
    size_t length = captured(out, sizeof(out), LOG_ERROR, "disk\nfull");
    struct text line = {out, (uint32_t)length};
    assert_true(text_ends_with(line, TEXT(" error disk?full\n")));
    struct text time = {out, line.length - (uint32_t)strlen(" error disk?full\n")};
    int64_t time_ms;
    assert_int_equal(time_parse(time, NULL, &time_ms), STATUS_OK);
    assert_true(clock_now_ms() - time_ms < 60000);
}

static void long_lines_are_cut_and_levels_kept(void **state) {
    (void)state;
    static char text[5000], out[8192];
    memset(text, 'x', sizeof(text) - 1);
    size_t length = captured(out, sizeof(out), LOG_WARNING, text);
    assert_true(length > 900 && length <= 1024 && out[length - 1] == '\n');
    assert_int_equal(captured(out, sizeof(out), LOG_INFO, "quiet"), 0);
    log_line_level(LOG_DEBUG);
    assert_true(captured(out, sizeof(out), LOG_DEBUG, "loud") > 0);
    log_line_level(LOG_ERROR);
    assert_int_equal(captured(out, sizeof(out), LOG_WARNING, "quiet"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_with_time_and_level),
        cmocka_unit_test(long_lines_are_cut_and_levels_kept),
    };
    return cmocka_run_group_tests_name("base log line", tests, NULL, NULL);
}
