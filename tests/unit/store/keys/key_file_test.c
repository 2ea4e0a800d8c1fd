/* SPDX-License-Identifier: Apache-2.0 */
/* Key files: all keys and no others are found, of several files the newest says what counts, and no
 * damaged byte becomes an answer. */
#include "support/simulated_disk.h"
#include "support/unit.h"

#include "base/hash.h"
#include "base/random.h"
#include "store/keys/key_file.h"

#define KEYS_MAX 60000u

static struct random rng;
static struct key_entry entries[KEYS_MAX];

static void get_entry(const void *context, size_t i, struct key_entry *out) {
    *out = ((const struct key_entry *)context)[i];
}

/* Every eighth lower half stands for two keys. */
static struct key_entry entry_of(uint32_t i) {
    return (struct key_entry){
        .low = hash_u64(i - (i % 8 == 7) + 1),
        .high = i * 3 + 1,
        .content = hash_u64(i) ^ 5,
        .version = i % 3 ? ROW_VERSION_NONE : (int64_t)i - 1000,
        .position = 10 + i,
        .persona = i % 977,
        .reading = (uint16_t)(i % 3),
        .source = (uint16_t)(i % 2),
        .flags = i % 50 == 0 ? KEY_RETRACTED : 0,
    };
}

static struct row_key key_of(const struct key_entry *entry) {
    return (struct row_key){entry->low, entry->high};
}

static bool same_entry(const struct key_entry *a, const struct key_entry *b) {
    return a->low == b->low && a->high == b->high && a->content == b->content &&
           a->version == b->version && a->position == b->position && a->persona == b->persona &&
           a->reading == b->reading && a->source == b->source && a->flags == b->flags;
}

static void write_file(struct file_system *fs, const char *path, const struct key_entry *list,
                       uint32_t count) {
    const struct key_list keys = {.count = count, .get = get_entry, .context = list};
    uint64_t written, bytes;
    assert_int_equal(key_file_write(fs, path, &keys, &written, &bytes, NULL), STATUS_OK);
    assert_int_equal(written, count);
    assert_int_equal(key_file_check(fs, path, NULL, NULL, NULL), STATUS_OK);
}

static struct key_file *open_file(struct file_system *fs, const char *path) {
    struct key_file *file = NULL;
    assert_int_equal(key_file_open(&file, fs, path, NULL), STATUS_OK);
    return file;
}

static void all_keys_are_found_and_no_others(void **state) {
    (void)state;
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    static const uint32_t counts[] = {1, 2, 7, 8191, 8192, 8193, KEYS_MAX};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        char path[16];
        uint32_t false_hits = 0;
        snprintf(path, sizeof path, "%zu", c);
        for (uint32_t i = 0; i < counts[c]; i++) entries[i] = entry_of(i);
        write_file(fs, path, entries, counts[c]);
        struct key_file *file = open_file(fs, path);
        assert_int_equal(key_file_count(file), counts[c]);
        for (uint32_t i = 0; i < counts[c]; i++) {
            struct key_entry found_entry;
            bool found;
            struct row_key key = key_of(&entries[i]), other = {key.low, key.high + 1},
                           third = {key.low + 1, key.high};
            assert_int_equal(key_file_find(file, key, &found_entry, &found), STATUS_OK);
            assert_true(found && same_entry(&found_entry, &entries[i]));
            assert_int_equal(key_file_find(file, other, &found_entry, &found), STATUS_OK);
            false_hits += found;
            assert_int_equal(key_file_find(file, third, &found_entry, &found), STATUS_OK);
            false_hits += found;
            bool whole =
                key_file_has_content(file, key, entries[i].content, entries[i].reading, &found);
            assert_true(found && whole == (entries[i].flags == 0));
            assert_false(key_file_has_content(file, key, entries[i].content + 1, entries[i].reading,
                                              &found));
            assert_false(key_file_has_content(file, key, entries[i].content,
                                              (uint16_t)(entries[i].reading + 1), &found));
        }
        assert_int_equal(false_hits, 0);
        key_file_close(file);
    }
    simulated_disk_destroy(disk);
}

static bool drops_persona_7(const void *context, const struct key_entry *entry) {
    (void)context;
    return entry->persona == 7;
}

/* Random files against a table of what is newest. */
static void the_newest_of_several_files_is_kept(void **state) {
    (void)state;
    enum { KEYS = 400, FILES = 6 };
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    random_init(&rng, 3);
    struct key_file *files[FILES];
    static struct key_entry newest[KEYS];
    uint64_t position = 1;
    for (uint32_t f = 0; f < FILES; f++) {
        char path[16];
        uint32_t count = 0;
        snprintf(path, sizeof path, "in-%u", f);
        for (uint32_t k = 0; k < KEYS; k++) {
            if (random_below(&rng, 3)) continue;
            struct key_entry *entry = &entries[count++];
            *entry = (struct key_entry){.low = hash_u64(k + 1),
                                        .high = f < 2 ? 0 : k + 1,
                                        .content = f < 2 ? 0 : random_u64(&rng),
                                        .persona = (uint32_t)random_below(&rng, 9),
                                        .position = position++,
                                        .version = ROW_VERSION_NONE,
                                        .flags = f < 2 ? KEY_LEGACY : 0};
            newest[k] = *entry;
        }
        write_file(fs, path, entries, count);
        files[f] = open_file(fs, path);
    }
    for (int with = 0; with < 2; with++) {
        const struct key_merge merge = {
            .files = files, .file_count = FILES, .drops = with ? drops_persona_7 : NULL};
        const char *path = with ? "without" : "all";
        uint64_t count, bytes, expected = 0;
        assert_int_equal(key_file_merge(fs, path, &merge, &count, &bytes, NULL), STATUS_OK);
        assert_int_equal(key_file_check(fs, path, NULL, NULL, NULL), STATUS_OK);
        struct key_file *file = open_file(fs, path);
        for (uint32_t k = 0; k < KEYS; k++) {
            struct key_entry entry;
            bool found, wanted = newest[k].low != 0 && !(with && newest[k].persona == 7);
            expected += wanted;
            assert_int_equal(
                key_file_find(file, (struct row_key){hash_u64(k + 1), k + 1}, &entry, &found),
                STATUS_OK);
            assert_int_equal(found, wanted);
            if (found) assert_true(same_entry(&entry, &newest[k]));
        }
        assert_int_equal(count, expected);
        key_file_close(file);
    }
    for (uint32_t f = 0; f < FILES; f++) key_file_close(files[f]);
    simulated_disk_destroy(disk);
}

static uint64_t size_of(struct file_system *fs, const char *path) {
    struct file *file;
    uint64_t size;
    assert_int_equal(file_open(fs, path, FILE_READ, &file, NULL), STATUS_OK);
    assert_int_equal(file_size(file, &size, NULL), STATUS_OK);
    file_close(file);
    return size;
}

/* What can be found is right; what can't be read is told. */
static void look_up_in_damaged(const struct key_file *file, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct key_entry entry;
        bool found;
        struct error error;
        if (key_file_find(file, key_of(&entries[i]), &entry, &found) == STATUS_OK) {
            assert_true(found && same_entry(&entry, &entries[i]));
            continue;
        }
        assert_true(key_file_is_damaged(file));
        assert_int_equal(key_file_damage(file, &error), STATUS_CORRUPT);
        assert_non_null(strstr(error.text, "attune rebuild"));
    }
}

/* A damaged file is refused, or what it says is as it was. */
static void no_flipped_bit_becomes_an_answer(void **state) {
    (void)state;
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    for (uint32_t i = 0; i < 40; i++) entries[i] = entry_of(i);
    write_file(fs, "keys", entries, 40);
    uint64_t size = size_of(fs, "keys");
    for (uint64_t byte = 0; byte < size; byte++) {
        assert_true(simulated_disk_flip(disk, "keys", byte, (unsigned)(byte % 8)));
        assert_int_not_equal(key_file_check(fs, "keys", NULL, NULL, NULL), STATUS_OK);
        struct key_file *file = NULL;
        if (key_file_open(&file, fs, "keys", NULL) == STATUS_OK) look_up_in_damaged(file, 40);
        key_file_close(file);
        assert_true(simulated_disk_flip(disk, "keys", byte, (unsigned)(byte % 8)));
    }
    assert_int_equal(key_file_check(fs, "keys", NULL, NULL, NULL), STATUS_OK);
    simulated_disk_destroy(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_are_found_and_no_others),
        cmocka_unit_test(the_newest_of_several_files_is_kept),
        cmocka_unit_test(no_flipped_bit_becomes_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
