/* SPDX-License-Identifier: Apache-2.0 */
/* Images: what was written is mapped; any changed or missing byte is noticed; what is written to an
 * open image stays in memory, also once the file is let go. */
#include "support/unit.h"

#include <unistd.h>

#include "base/image.h"
#include "base/random.h"

#define COUNT_BIG ((IMAGE_BLOCK_BYTES + 24) / 8)

static char folder[64], path[96];
static uint64_t big[COUNT_BIG];

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/attune-image-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/image", folder);
    for (size_t i = 0; i < COUNT_BIG; i++) big[i] = i * UINT64_C(0x9E3779B97F4A7C15);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_image(void) {
    struct image_writer writer;
    uint64_t bytes;
    struct file_system *fs = file_system_os();
    assert_int_equal(image_writer_open(&writer, fs, path, 3, 77, NULL), STATUS_OK);
    assert_int_equal(image_put(&writer, 1, "hello", 5, 1, NULL), STATUS_OK);
    assert_int_equal(image_put(&writer, 2, NULL, 0, 4, NULL), STATUS_OK);
    assert_int_equal(image_put(&writer, 3, big, COUNT_BIG, 8, NULL), STATUS_OK);
    assert_int_equal(image_put(&writer, 4, big, IMAGE_BLOCK_BYTES, 1, NULL), STATUS_OK);
    assert_int_equal(image_begin(&writer, 5, 8, NULL), STATUS_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(image_add(&writer, &big[i], 8, NULL), STATUS_OK);
    assert_int_equal(image_finish(&writer, &bytes, NULL), STATUS_OK);
    image_writer_close(&writer);
    struct image image;
    assert_int_equal(image_open(&image, fs, path, NULL), STATUS_OK);
    assert_int_equal(image.mapping.length, bytes);
    image_close(&image);
}

static void what_was_written_is_mapped(void **state) {
    (void)state;
    struct image image;
    uint64_t count;
    write_image();
    assert_int_equal(image_open(&image, file_system_os(), path, NULL), STATUS_OK);
    assert_int_equal(image.contents, 3);
    assert_int_equal(image.position, 77);
    assert_memory_equal(image_items(&image, 1, 1, &count), "hello", 5);
    assert_int_equal(count, 5);
    assert_non_null(image_items(&image, 2, 4, &count));
    assert_int_equal(count, 0);
    uint64_t *items = image_items(&image, 3, 8, &count);
    assert_int_equal(count, COUNT_BIG);
    assert_memory_equal(items, big, sizeof big);
    assert_int_equal((uintptr_t)items % IMAGE_PAGE_BYTES, 0);
    assert_memory_equal(image_items(&image, 4, 1, &count), big, IMAGE_BLOCK_BYTES);
    assert_memory_equal(image_items(&image, 5, 8, &count), big, 24);
    /* Items of another size, or no such section. */
    assert_null(image_items(&image, 3, 4, &count));
    assert_null(image_items(&image, 6, 8, &count));
    image_close(&image);
}

static void what_is_changed_stays_in_memory(void **state) {
    (void)state;
    struct image image, again;
    uint64_t count;
    write_image();
    assert_int_equal(image_open(&image, file_system_os(), path, NULL), STATUS_OK);
    uint64_t *items = image_items(&image, 3, 8, &count);
    items[5] = 1;
    assert_int_equal(image_detach(&image), STATUS_OK);
    assert_int_equal(truncate(path, 100), 0); /* a mapped page would be gone now */
    assert_int_equal(items[5], 1);
    items[COUNT_BIG - 1]++;
    assert_int_equal(items[COUNT_BIG - 1], big[COUNT_BIG - 1] + 1);
    assert_memory_equal(items + 6, big + 6, sizeof big - 7 * 8);
    image_close(&image);
    write_image();
    assert_int_equal(image_open(&again, file_system_os(), path, NULL), STATUS_OK);
    assert_memory_equal(image_items(&again, 3, 8, &count), big, sizeof big);
    image_close(&again);
}

/* Items of section 3 and of every other one: zeros behind them, and nobody else's bytes. */
static void check_room(const struct image *image) {
    for (uint32_t i = 0; i < image->section_count; i++) {
        const struct image_section *section = &image->sections[i];
        const uint8_t *at = image->mapping.at + section->offset;
        uint64_t room = 2 * section->bytes + IMAGE_ROOM_BYTES;
        assert_true(section->offset + room <= image->mapping.length);
        for (uint64_t b = section->bytes; b < room; b++) assert_int_equal(at[b], 0);
        if (i > 0) assert_true(section[-1].offset + IMAGE_ROOM_BYTES <= section->offset);
    }
}

static void sections_grow_into_their_room(void **state) {
    (void)state;
    struct image image;
    uint64_t count;
    write_image();
    assert_int_equal(image_open_with_room(&image, file_system_os(), path, NULL), STATUS_OK);
    assert_memory_equal(image_items(&image, 1, 1, &count), "hello", 5);
    assert_memory_equal(image_items(&image, 4, 1, &count), big, IMAGE_BLOCK_BYTES);
    check_room(&image);
    uint64_t *items = image_items(&image, 3, 8, &count);
    assert_memory_equal(items, big, sizeof big);
    for (uint64_t i = count; i < 2 * count; i++) items[i] = ~i;
    items[5] = 1;
    assert_int_equal(image_detach(&image), STATUS_OK);
    assert_int_equal(truncate(path, 100), 0); /* a mapped page would be gone now */
    assert_int_equal(items[5], 1);
    assert_memory_equal(items + 6, big + 6, sizeof big - 6 * 8);
    for (uint64_t i = count; i < 2 * count; i++) assert_int_equal(items[i], ~i);
    image_close(&image);
    write_image(); /* which opens it: what was written there is not in the file */
    assert_int_equal(image_open_with_room(&image, file_system_os(), path, NULL), STATUS_OK);
    check_room(&image);
    image_close(&image);
}

static void write_bytes(const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void every_damage_is_noticed(void **state) {
    (void)state;
    struct buffer bytes;
    struct image image;
    struct random random;
    struct error error;
    random_init(&random, 7);
    write_image();
    buffer_init(&bytes);
    assert_int_equal(file_read_all(file_system_os(), path, (size_t)1 << 23, &bytes, NULL),
                     STATUS_OK);
    size_t length = bytes.length;
    for (size_t i = 0; i < 600; i++) {
        /* Header and gap, the end, and anywhere. */
        size_t at = i < 200   ? i
                    : i < 400 ? length - 1 - (i - 200)
                              : (size_t)random_below(&random, length);
        bytes.at[at] ^= (char)(1 << i % 8);
        write_bytes(bytes.at, length);
        bytes.at[at] ^= (char)(1 << i % 8);
        enum status status = image_open(&image, file_system_os(), path, &error);
        if (status != STATUS_CORRUPT && status != STATUS_VERSION) fail_msg("byte %zu", at);
        assert_non_null(strstr(error.text, path));
        assert_int_equal(image_open_with_room(&image, file_system_os(), path, &error), status);
        assert_null(image.mapping.at);
    }
    for (size_t i = 0; i < 40; i++) {
        size_t cut = i < 20 ? i * 10 : (size_t)random_below(&random, length);
        write_bytes(bytes.at, cut);
        assert_int_equal(image_open(&image, file_system_os(), path, &error), STATUS_CORRUPT);
    }
    buffer_release(&bytes);
    unlink(path);
    assert_int_equal(image_open(&image, file_system_os(), path, &error), STATUS_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_mapped),
        cmocka_unit_test(what_is_changed_stays_in_memory),
        cmocka_unit_test(sections_grow_into_their_room),
        cmocka_unit_test(every_damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
