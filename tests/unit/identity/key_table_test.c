/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "identity/key_table.h"

static struct key key_number(uint32_t number, char out[32]) {
    int length = snprintf(out, 32, "key-%u", number);
    return (struct key){(uint8_t)(number % 7), {out, (uint32_t)length}};
}

static void ids_are_dense_and_found_again(void **state) {
    (void)state;
    struct key_table table;
    assert_int_equal(key_table_init(&table), STATUS_OK);
    char bytes[32];
    for (uint32_t i = 0; i < 20000; i++) {
        struct key key = key_number(i, bytes);
        uint32_t id, found;
        bool is_new;
        assert_false(key_table_find(&table, key, key_hash(key), &found));
        assert_int_equal(key_table_add(&table, key, key_hash(key), &id, &is_new), STATUS_OK);
        assert_true(is_new && id == i);
        assert_int_equal(key_table_add(&table, key, key_hash(key), &id, &is_new), STATUS_OK);
        assert_true(!is_new && id == i);
    }
    for (uint32_t i = 0; i < 20000; i++) {
        struct key key = key_number(i, bytes), read = key_table_key(&table, i);
        uint32_t found;
        assert_true(key_table_find(&table, key, key_hash(key), &found) && found == i);
        assert_true(text_equal(read.text, key.text) && read.prefix == key.prefix);
        key.prefix ^= 1;
        assert_false(key_table_find(&table, key, key_hash(key), &found));
    }
    key_table_release(&table);
}

static int compare_hashes(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Numbers of a shop run side by side, in every type. */
static void short_keys_of_all_types_have_their_own_hashes(void **state) {
    (void)state;
    static uint64_t hashes[256 * 1111];
    static const uint32_t first[] = {0, 10, 100, 2000, 30000, 7654000, 12345000, 1234567000};
    for (size_t k = 0; k < sizeof(first) / sizeof(first[0]); k++) {
        size_t count = 0;
        for (uint32_t prefix = 0; prefix < 256; prefix++) {
            for (uint32_t i = 0; i < 1111; i++) {
                char bytes[16];
                int length = snprintf(bytes, sizeof(bytes), "%u", first[k] + i);
                struct key key = {(uint8_t)prefix, {bytes, (uint32_t)length}};
                hashes[count++] = key_hash(key);
            }
        }
        qsort(hashes, count, sizeof(hashes[0]), compare_hashes);
        for (size_t i = 1; i < count; i++) assert_int_not_equal(hashes[i - 1], hashes[i]);
    }
}

static void truncating_gives_the_ids_back(void **state) {
    (void)state;
    struct key_table table;
    assert_int_equal(key_table_init(&table), STATUS_OK);
    char bytes[32];
    uint32_t id, found;
    bool is_new;
    for (uint32_t round = 0; round < 50; round++) {
        uint32_t kept = key_table_count(&table);
        for (uint32_t i = 0; i < 300; i++) {
            struct key key = key_number(round * 1000 + i, bytes);
            assert_int_equal(key_table_add(&table, key, key_hash(key), &id, &is_new), STATUS_OK);
        }
        key_table_truncate(&table, kept + 100);
        for (uint32_t i = 0; i < 300; i++) {
            struct key key = key_number(round * 1000 + i, bytes);
            assert_int_equal(key_table_find(&table, key, key_hash(key), &found), i < 100);
        }
    }
    assert_int_equal(key_table_count(&table), 5000);
    key_table_release(&table);
}

static void wiped_keys_leave_holes(void **state) {
    (void)state;
    struct key_table table;
    assert_int_equal(key_table_init(&table), STATUS_OK);
    char bytes[32];
    uint32_t id, found;
    bool is_new;
    struct key key = key_number(5, bytes);
    assert_int_equal(key_table_add(&table, key, key_hash(key), &id, &is_new), STATUS_OK);
    const char *held = key_table_key(&table, id).text.at;
    key_table_wipe(&table, id);
    key_table_wipe(&table, id);
    for (uint32_t i = 0; i < key.text.length; i++) assert_int_equal(held[i], 0);
    assert_null(key_table_key(&table, id).text.at);
    assert_false(key_table_find(&table, key, key_hash(key), &found));
    assert_int_equal(key_table_add_hole(&table, &id), STATUS_OK);
    assert_int_equal(id, 1);
    assert_int_equal(key_table_add(&table, key, key_hash(key), &id, &is_new), STATUS_OK);
    assert_true(is_new && id == 2);
    key_table_truncate(&table, 0);
    assert_int_equal(key_table_count(&table), 0);
    key_table_release(&table);
}

static void add_numbers(struct key_table *table, uint32_t from, uint32_t to) {
    char bytes[32];
    for (uint32_t i = from; i < to; i++) {
        struct key key = key_number(i, bytes);
        uint32_t id;
        bool is_new;
        assert_int_equal(key_table_add(table, key, key_hash(key), &id, &is_new), STATUS_OK);
        assert_true(is_new && id == i);
    }
}

static void check_numbers(const struct key_table *table, uint32_t count) {
    char bytes[32];
    for (uint32_t i = 0; i < count; i++) {
        struct key key = key_number(i, bytes), read = key_table_key(table, i);
        uint32_t found;
        assert_true(key_table_find(table, key, key_hash(key), &found) && found == i);
        assert_true(text_equal(read.text, key.text) && read.prefix == key.prefix);
    }
    assert_int_equal(key_table_count(table), count);
}

/* Counts at which segments of places and of texts begin and end, and between. */
static void a_table_of_an_image_grows_where_it_is(void **state) {
    (void)state;
    static const uint32_t counts[] = {0, 1, 500, 1023, 1024, 1025, 3071, 3072, 3073, 20000};
    char folder[] = "/tmp/attune-key-table-XXXXXX", path[96];
    struct file_system *fs = file_system_os();
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/image", folder);
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct key_table table;
        struct image_writer writer;
        struct image image;
        uint64_t bytes;
        assert_int_equal(key_table_init(&table), STATUS_OK);
        add_numbers(&table, 0, counts[c]);
        assert_int_equal(image_writer_open(&writer, fs, path, 1, 1, NULL), STATUS_OK);
        assert_int_equal(key_table_write(&table, &writer, 20, NULL), STATUS_OK);
        assert_int_equal(image_finish(&writer, &bytes, NULL), STATUS_OK);
        image_writer_close(&writer);
        key_table_release(&table);
        assert_int_equal(image_open_with_room(&image, fs, path, NULL), STATUS_OK);
        assert_int_equal(key_table_begin(&table, &image, 20), STATUS_OK);
        check_numbers(&table, counts[c]);
        add_numbers(&table, counts[c], 3 * counts[c] + 2000);
        check_numbers(&table, 3 * counts[c] + 2000);
        key_table_truncate(&table, counts[c]);
        check_numbers(&table, counts[c]);
        key_table_release(&table);
        image_close(&image);
    }
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_dense_and_found_again),
        cmocka_unit_test(short_keys_of_all_types_have_their_own_hashes),
        cmocka_unit_test(truncating_gives_the_ids_back),
        cmocka_unit_test(wiped_keys_leave_holes),
        cmocka_unit_test(a_table_of_an_image_grows_where_it_is),
    };
    return cmocka_run_group_tests_name("identity key_table", tests, NULL, NULL);
}
