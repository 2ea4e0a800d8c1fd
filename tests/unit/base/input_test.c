/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/input.h"
#include "base/random.h"

static char directory[] = "/tmp/attune_input_XXXXXX";
static char path[64];
static unsigned char content[1500000];

static int set_up(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 15);
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (unsigned char)("abcdefgh\n"[random_below(&random, 9)]);
    if (!mkdtemp(directory)) return -1;
    snprintf(path, sizeof(path), "%s/f", directory);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void write_file(const void *bytes, size_t length, const char *mode) {
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void write_member(const void *bytes, size_t length, const char *mode) {
    gzFile file = gzopen(path, mode);
    assert_non_null(file);
    if (length) assert_int_equal(gzwrite(file, bytes, (unsigned)length), length);
    gzclose(file);
}

static uint64_t bytes_behind; /* of the last input that was read */

/* Reads in pieces of `piece` bytes and compares with `length` bytes of content. */
static enum status read_whole(size_t piece, size_t length, struct error *error) {
    struct input *input;
    enum status status = input_open(&input, path, error);
    if (status) return status;
    static unsigned char bytes[1 << 20];
    size_t at = 0, got = 1;
    while (got > 0) {
        status = input_read(input, bytes, piece, &got, error);
        if (status) break;
        assert_true(at + got <= length);
        assert_memory_equal(bytes, content + at, got);
        at += got;
    }
    if (status == STATUS_OK) {
        assert_int_equal(at, length);
        assert_int_equal(input_consumed_bytes(input), input_total_bytes(input));
        assert_int_equal(input_read(input, bytes, piece, &got, error), STATUS_OK);
        assert_int_equal(got, 0);
    }
    bytes_behind = input_bytes_behind(input);
    input_close(input);
    return status;
}

static void plain_files(void **state) {
    (void)state;
    const size_t lengths[] = {0, 1, 2, 1000, 300000};
    for (size_t i = 0; i < 5; i++) {
        write_file(content, lengths[i], "wb");
        assert_int_equal(read_whole(1 << 20, lengths[i], NULL), STATUS_OK);
        assert_int_equal(read_whole(777, lengths[i], NULL), STATUS_OK);
    }
    write_file(content, 100, "wb");
    assert_int_equal(read_whole(1, 100, NULL), STATUS_OK);
}

static void compressed_files(void **state) {
    (void)state;
    const size_t lengths[] = {0, 1, 1000, sizeof(content)};
    for (size_t i = 0; i < 4; i++) {
        write_member(content, lengths[i], "wb");
        assert_int_equal(read_whole(1 << 20, lengths[i], NULL), STATUS_OK);
        assert_int_equal(read_whole(999, lengths[i], NULL), STATUS_OK);
    }
}

static void several_members_and_padding(void **state) {
    (void)state;
    write_member(content, 400000, "wb");
    write_member(content, 0, "ab");
    write_member(content + 400000, 1, "ab");
    write_member(content + 400001, 600000, "ab");
    assert_int_equal(read_whole(1 << 20, 1000001, NULL), STATUS_OK);
    static const char zeros[1000];
    write_file(zeros, sizeof(zeros), "ab");
    assert_int_equal(read_whole(4096, 1000001, NULL), STATUS_OK);
    assert_int_equal(bytes_behind, 0);
    write_file("x", 1, "ab");
    assert_int_equal(read_whole(4096, 1000001, NULL), STATUS_OK);
    assert_int_equal(bytes_behind, 1);
    write_file(content, 1000000, "ab");
    assert_int_equal(read_whole(4096, 1000001, NULL), STATUS_OK);
    assert_int_equal(bytes_behind, 1000001);
}

static void every_cut_is_an_error_with_the_name(void **state) {
    (void)state;
    static unsigned char bytes[4096];
    write_member(content, 3000, "wb");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_true(length > 200 && length < sizeof(bytes));
    for (size_t kept = 2; kept < length; kept++) {
        struct error error;
        write_file(bytes, kept, "wb");
        assert_int_equal(read_whole(512, 3000, &error), STATUS_CORRUPT);
        assert_non_null(strstr(error.text, path));
        assert_non_null(strstr(error.text, "middle"));
    }
    bytes[length / 2] ^= 1;
    write_file(bytes, length, "wb");
    struct input *input;
    assert_int_equal(input_open(&input, path, NULL), STATUS_OK);
    enum status status = STATUS_OK;
    for (size_t got = 1; status == STATUS_OK && got > 0;) {
        unsigned char out[512];
        status = input_read(input, out, sizeof(out), &got, NULL);
    }
    assert_int_equal(status, STATUS_CORRUPT);
    input_close(input);
}

static void standard_input(void **state) {
    (void)state;
    write_member(content, 5000, "wb");
    int saved = dup(STDIN_FILENO);
    assert_non_null(freopen(path, "rb", stdin));
    struct input *input;
    assert_int_equal(input_open(&input, "-", NULL), STATUS_OK);
    assert_int_equal(input_total_bytes(input), 0);
    unsigned char bytes[8192];
    size_t got, sum = 0;
    do {
        assert_int_equal(input_read(input, bytes + sum, sizeof(bytes) - sum, &got, NULL),
                         STATUS_OK);
        sum += got;
    } while (got > 0);
    assert_int_equal(sum, 5000);
    input_close(input);
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static void files_that_cannot_be_read(void **state) {
    (void)state;
    struct input *input = NULL;
    struct error error;
    assert_int_equal(input_open(&input, "/nowhere/at/all", &error), STATUS_NOT_FOUND);
    assert_string_equal(error.text, "cannot open /nowhere/at/all: No such file or directory");
    assert_null(input);
    char byte;
    size_t got;
    assert_int_equal(input_open(&input, directory, &error), STATUS_OK);
    assert_int_equal(input_read(input, &byte, 1, &got, &error), STATUS_IO);
    input_close(input);
    input_close(NULL);
}

static enum status scenario(void) {
    return read_whole(4096, 3000, NULL);
}

static void failing_allocations(void **state) {
    (void)state;
    write_member(content, 3000, "wb");
    fail_every_allocation(scenario, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_files),
        cmocka_unit_test(compressed_files),
        cmocka_unit_test(several_members_and_padding),
        cmocka_unit_test(every_cut_is_an_error_with_the_name),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(standard_input),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests_name("base input", tests, set_up, tear_down);
}
