/* SPDX-License-Identifier: Apache-2.0 */
/* A table that is opened from an image against the table that was built: every cell and every key,
 * in the order of its columns and in another, under its keys and under others. Bytes that were made
 * to harm are refused, or can be read to the end. */
#include "support/unit.h"

#include <unistd.h>

#include "base/random.h"
#include "event/lookup.h"

#define FIELDS 5
#define ROWS   3000u
#define TEXT_OF(literal)                                                                           \
    { literal, sizeof(literal) - 1 }

static char folder[64], path[96];
static struct random rng;

static const struct lookup_field fields[FIELDS] = {
    {TEXT_OF("sku"), VALUE_TEXT},  {TEXT_OF("size"), VALUE_NUMBER}, {TEXT_OF("price"), VALUE_MONEY},
    {TEXT_OF("on"), VALUE_YES_NO}, {TEXT_OF("name"), VALUE_TEXT},
};

static int setup(void **state) {
    (void)state;
    random_init(&rng, 5);
    snprintf(folder, sizeof folder, "/tmp/attune-lookup-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/table", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct lookup_table *build(bool many) {
    static const uint32_t keys[2] = {0, 1};
    struct lookup_table *table;
    assert_int_equal(lookup_create(&table, fields, FIELDS, keys, 2, many), STATUS_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        char sku[32], name[40];
        uint32_t number = (uint32_t)random_below(&rng, ROWS);
        int sku_length = snprintf(sku, sizeof sku, "S%u", number / 3);
        int name_length = snprintf(name, sizeof name, "name %u \xc3\xbc", number % 40);
        struct value cells[FIELDS] = {
            value_text((struct text){sku, (uint32_t)sku_length}),
            value_number(number % 7),
            number % 5 ? value_money(number * 3, 1) : value_unknown(),
            number % 4 ? value_yes_no(number % 2) : value_unknown(),
            number % 6 ? value_text((struct text){name, (uint32_t)name_length}) : value_unknown(),
        };
        enum status status = lookup_add(table, cells);
        assert_true(status == STATUS_OK || (!many && status == STATUS_EXISTS));
    }
    assert_int_equal(lookup_finish(table), STATUS_OK);
    return table;
}

static void write_table(const struct lookup_table *table) {
    struct image_writer writer;
    uint64_t bytes;
    assert_int_equal(image_writer_open(&writer, file_system_os(), path, LOOKUP_IMAGE_CONTENTS,
                                       lookup_hash(table), NULL),
                     STATUS_OK);
    assert_int_equal(lookup_write(table, &writer, NULL), STATUS_OK);
    assert_int_equal(image_finish(&writer, &bytes, NULL), STATUS_OK);
    image_writer_close(&writer);
}

static struct lookup_table *open_table(const struct lookup_layout *layout) {
    struct image image;
    struct lookup_table *table;
    assert_int_equal(image_open(&image, file_system_os(), path, NULL), STATUS_OK);
    assert_int_equal(lookup_open(&table, &image, layout), STATUS_OK);
    image_close(&image);
    return table;
}

static void check_cells(const struct lookup_table *built, const struct lookup_table *opened,
                        const uint32_t from[FIELDS]) {
    assert_int_equal(lookup_row_count(built), lookup_row_count(opened));
    for (uint32_t row = 0; row < lookup_row_count(built); row++) {
        for (uint32_t i = 0; i < FIELDS; i++) {
            struct value a = lookup_cell(built, row, from[i]), b = lookup_cell(opened, row, i);
            assert_int_equal(a.type, b.type);
            assert_true(!value_is_known(a) || value_equal(a, b));
        }
    }
}

static void check_keys(const struct lookup_table *built, const struct lookup_table *opened) {
    for (uint32_t i = 0; i < ROWS; i++) {
        char sku[32];
        int length = snprintf(sku, sizeof sku, "S%u", i / 3);
        struct value key[2] = {value_text((struct text){sku, (uint32_t)length}),
                               value_number(i % 8)};
        uint32_t first[2], count[2];
        bool found = lookup_find(built, key, &first[0], &count[0]);
        assert_int_equal(found, lookup_find(opened, key, &first[1], &count[1]));
        if (!found) continue;
        assert_int_equal(first[0], first[1]);
        assert_int_equal(count[0], count[1]);
    }
}

static void the_table_is_the_same(void **state) {
    (void)state;
    static const uint32_t as_built[FIELDS] = {0, 1, 2, 3, 4};
    for (uint32_t many = 0; many < 2; many++) {
        struct lookup_table *built = build(many);
        write_table(built);
        struct lookup_table *opened = open_table(NULL);
        assert_true(lookup_hash(opened) == lookup_hash(built));
        assert_true(lookup_is_paged(opened) && !lookup_is_paged(built));
        check_cells(built, opened, as_built);
        lookup_page_out(opened); /* and they come back */
        check_cells(built, opened, as_built);
        check_keys(built, opened);
        write_table(built);
        lookup_destroy(opened);
        lookup_destroy(built);
    }
}

/* Another playbook: its columns first, one that the file has not, and other keys. */
static struct lookup_layout other_layout(bool same_keys) {
    struct lookup_layout layout = {.count = FIELDS + 1, .key_count = 2, .many = true};
    static const uint32_t from[FIELDS] = {4, 1, 0, 3, 2};
    for (uint32_t i = 0; i < FIELDS; i++) {
        layout.fields[i] = fields[from[i]];
        layout.from[i] = from[i];
    }
    layout.fields[FIELDS] = (struct lookup_field){TEXT("colour"), VALUE_TEXT};
    layout.from[FIELDS] = UINT32_MAX;
    layout.keys[0] = 2;
    layout.keys[1] = 1;
    if (!same_keys) {
        layout.keys[0] = 1;
        layout.key_count = 1;
    }
    return layout;
}

static void another_playbook_lays_it_out(void **state) {
    (void)state;
    static const uint32_t from[FIELDS] = {4, 1, 0, 3, 2};
    struct lookup_table *built = build(true);
    write_table(built);
    struct lookup_layout layout = other_layout(true);
    struct lookup_table *opened = open_table(&layout);
    assert_true(lookup_is_paged(opened));
    check_cells(built, opened, from);
    check_keys(built, opened);
    assert_false(value_is_known(lookup_cell(opened, 0, FIELDS)));
    assert_true(lookup_hash(opened) != lookup_hash(built));
    lookup_destroy(opened);
    /* Under another key rows come together that lay apart. */
    layout = other_layout(false);
    opened = open_table(&layout);
    assert_false(lookup_is_paged(opened));
    assert_int_equal(lookup_row_count(opened), lookup_row_count(built));
    struct value key = value_number(3);
    uint32_t first, count, expected = 0;
    for (uint32_t row = 0; row < lookup_row_count(built); row++)
        expected += value_equal(lookup_cell(built, row, 1), key);
    assert_true(lookup_find(opened, &key, &first, &count));
    assert_int_equal(count, expected);
    lookup_destroy(opened);
    lookup_destroy(built);
}

static void read_all(const struct lookup_table *table) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < lookup_field_count(table); i++) {
        for (uint32_t row = 0; row < lookup_row_count(table); row++) {
            struct value cell = lookup_cell(table, row, i);
            sum += cell.type;
            for (uint32_t k = 0; cell.type == VALUE_TEXT && k < cell.text.length; k++)
                sum += (unsigned char)cell.text.at[k];
        }
    }
    for (uint32_t i = 0; i < 500; i++) {
        char sku[32];
        int length = snprintf(sku, sizeof sku, "S%u", i);
        struct value key[2] = {value_text((struct text){sku, (uint32_t)length}),
                               value_number(i % 8)};
        uint32_t first, count;
        if (lookup_find(table, key, &first, &count))
            sum += lookup_cell(table, first + count - 1, 0).type;
    }
    assert_true(sum > 0);
}

static void hostile_bytes_are_refused_or_harmless(void **state) {
    (void)state;
    struct lookup_table *built = build(true);
    uint32_t refused = 0, taken = 0;
    write_table(built);
    for (uint32_t round = 0; round < 3000; round++) {
        struct image image;
        struct lookup_table *table;
        assert_int_equal(image_open(&image, file_system_os(), path, NULL), STATUS_OK);
        const struct image_section *section =
            &image.sections[random_below(&rng, image.section_count)];
        if (section->bytes >= 4) {
            uint64_t at = random_below(&rng, section->bytes / 4) * 4;
            uint32_t value =
                round % 2 ? (uint32_t)random_u64(&rng) : (uint32_t)random_below(&rng, 3000);
            memcpy((uint8_t *)(uintptr_t)image.mapping.at + section->offset + at, &value, 4);
        }
        struct lookup_layout layout = other_layout(round % 3);
        enum status status = lookup_open(&table, &image, round % 5 ? &layout : NULL);
        if (status == STATUS_OK) {
            read_all(table);
            lookup_destroy(table);
            taken++;
        } else {
            refused++;
            assert_non_null(image.mapping.at);
        }
        image_close(&image);
    }
    assert_true(refused > 300 && taken > 300);
    lookup_destroy(built);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_same),
        cmocka_unit_test(another_playbook_lays_it_out),
        cmocka_unit_test(hostile_bytes_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
