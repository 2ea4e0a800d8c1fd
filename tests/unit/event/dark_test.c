/* SPDX-License-Identifier: Apache-2.0 */
/* Dark text: what nobody declared is written beside the declared properties, and read by name. */
#include "support/unit.h"

#include "event/dark.h"

struct scene {
    struct symbols *symbols;
    struct dark_writer writer;
    struct dark_array array;
    struct packed_writer packed_writer;
    struct dark_scratch scratch;
    struct buffer packed;
};

static int set_up(void **state) {
    static struct scene scene;
    scene = (struct scene){0};
    if (symbols_create(&scene.symbols) != STATUS_OK) return -1;
    dark_writer_init(&scene.writer);
    dark_array_init(&scene.array);
    packed_writer_init(&scene.packed_writer);
    dark_scratch_init(&scene.scratch);
    buffer_init(&scene.packed);
    dark_begin(&scene.writer);
    packed_begin(&scene.packed_writer);
    *state = &scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    symbols_destroy(scene->symbols);
    dark_writer_release(&scene->writer);
    dark_array_release(&scene->array);
    packed_writer_release(&scene->packed_writer);
    dark_scratch_release(&scene->scratch);
    buffer_release(&scene->packed);
    return 0;
}

static uint32_t declare(struct scene *scene, enum symbol_kind kind, const char *name) {
    uint32_t symbol;
    assert_int_equal(symbol_add(scene->symbols, kind, text_from(name), &symbol), STATUS_OK);
    return symbol;
}

static void add(struct scene *scene, enum dark_kind kind, const char *name, struct value value) {
    assert_int_equal(dark_add(&scene->writer, kind, text_from(name), value), STATUS_OK);
}

static void add_property(struct scene *scene, uint32_t symbol, struct value value) {
    assert_int_equal(packed_add(&scene->packed_writer, symbol, value), STATUS_OK);
}

static struct text finish(struct scene *scene) {
    struct value list;
    assert_int_equal(dark_end(&scene->writer, &list), STATUS_OK);
    add_property(scene, PROPERTY_UNDECLARED, list);
    assert_int_equal(packed_end(&scene->packed_writer, &scene->packed), STATUS_OK);
    struct text packed = buffer_text(&scene->packed);
    assert_int_equal(packed_check(packed), STATUS_OK);
    return packed;
}

static struct value find(struct scene *scene, struct text packed, uint32_t symbol,
                         enum value_type type) {
    bool made;
    return dark_find(packed, scene->symbols, UINT32_MAX, (struct column){symbol, type},
                     &scene->scratch, &made);
}

static void test_values_are_read_as_they_are_declared(void **state) {
    struct scene *scene = *state;
    uint16_t usd;
    assert_int_equal(currency_from_text(TEXT("USD"), &usd), STATUS_OK);
    uint32_t known = declare(scene, SYMBOL_PROPERTY, "known");
    add_property(scene, known, value_number(1));
    add(scene, DARK_CURRENCY, "", value_text(TEXT("USD")));
    add(scene, DARK_PROPERTY, "price", value_number(12.5));
    add(scene, DARK_PROPERTY, "paid", value_text(TEXT("3.20")));
    add(scene, DARK_PROPERTY, "zip", value_number(1010));
    add(scene, DARK_PROPERTY, "day", value_text(TEXT("2017-01-02T00:00:00Z")));
    add(scene, DARK_PROPERTY, "day", value_text(TEXT("2018-01-02T00:00:00Z")));
    add(scene, DARK_PROPERTY, "wrong", value_text(TEXT("twelve")));
    struct text packed = finish(scene);
    assert_true(packed_may_be_dark(packed));
    assert_true(find(scene, packed, known, VALUE_NUMBER).number == 1);
    struct value value = find(scene, packed, declare(scene, SYMBOL_PROPERTY, "price"), VALUE_MONEY);
    assert_true(value.type == VALUE_MONEY && value.minor == 1250 && value.currency == usd);
    value = find(scene, packed, declare(scene, SYMBOL_PROPERTY, "paid"), VALUE_MONEY);
    assert_true(value.type == VALUE_MONEY && value.minor == 320);
    value = find(scene, packed, declare(scene, SYMBOL_PROPERTY, "paid"), VALUE_NUMBER);
    assert_true(value.type == VALUE_NUMBER && value.number == 3.2);
    value = find(scene, packed, declare(scene, SYMBOL_PROPERTY, "zip"), VALUE_TEXT);
    assert_true(value.type == VALUE_TEXT && text_equal(value.text, TEXT("1010")));
    value = find(scene, packed, declare(scene, SYMBOL_PROPERTY, "day"), VALUE_TIME);
    assert_true(value.type == VALUE_TIME && value.time_ms == INT64_C(1483315200000));
    value = find(scene, packed, declare(scene, SYMBOL_PROPERTY, "wrong"), VALUE_NUMBER);
    assert_true(value.type == VALUE_UNKNOWN);
    value = find(scene, packed, declare(scene, SYMBOL_PROPERTY, "absent"), VALUE_NUMBER);
    assert_true(value.type == VALUE_UNKNOWN);
    /* As when a run was written before "price" was declared. */
    bool made;
    value = dark_find(packed, scene->symbols, known + 1, (struct column){known + 1, VALUE_MONEY},
                      &scene->scratch, &made);
    assert_true(value.type == VALUE_UNKNOWN);
}

static void test_words_of_events_and_channels(void **state) {
    struct scene *scene = *state;
    add(scene, DARK_EVENT, "", value_text(TEXT("Squash Won")));
    add(scene, DARK_CHANNEL, "", value_text(TEXT("fax")));
    add(scene, DARK_PROPERTY, "n", value_number(1));
    struct text packed = finish(scene);
    assert_int_equal(dark_event_type(scene->symbols, packed), EVENT_UNDECLARED);
    assert_int_equal(dark_channel(scene->symbols, packed), CHANNEL_UNDECLARED);
    assert_true(
        text_equal(event_own_name(scene->symbols, EVENT_UNDECLARED, packed), TEXT("Squash Won")));
    assert_true(
        text_equal(event_own_channel(scene->symbols, CHANNEL_UNDECLARED, packed), TEXT("fax")));
    uint32_t type = declare(scene, SYMBOL_EVENT, "Squash Won"),
             channel = declare(scene, SYMBOL_CHANNEL, "fax");
    assert_int_equal(dark_event_type(scene->symbols, packed), type);
    assert_int_equal(dark_channel(scene->symbols, packed), channel);
}

/* Records: declared fields in the list, others in the array; declared later they are one. */
static void test_halves_of_a_list_become_one(void **state) {
    struct scene *scene = *state;
    uint32_t balls = declare(scene, SYMBOL_PROPERTY, "balls"),
             price = declare(scene, SYMBOL_PROPERTY, "price");
    struct packed_list list;
    struct buffer bytes;
    struct value value = value_number(2), half;
    packed_list_init(&list);
    buffer_init(&bytes);
    packed_list_begin(&list);
    dark_array_begin(&scene->array);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(packed_list_add_record(&list, &price, &value, 1), STATUS_OK);
        assert_int_equal(dark_array_record(&scene->array), STATUS_OK);
        assert_int_equal(dark_array_field(&scene->array, TEXT("bounces"), value_number(5 + i)),
                         STATUS_OK);
    }
    assert_int_equal(packed_list_end(&list, &half), STATUS_OK);
    assert_int_equal(dark_array_end(&scene->array, &bytes), STATUS_OK);
    add_property(scene, balls, half);
    add(scene, DARK_ARRAY, "balls", value_text(buffer_text(&bytes)));
    struct text packed = finish(scene);
    value = find(scene, packed, balls, VALUE_LIST);
    assert_int_equal(value.text.length, half.text.length); /* nothing more is declared */
    uint32_t bounces = declare(scene, SYMBOL_PROPERTY, "bounces");
    value = find(scene, packed, balls, VALUE_LIST);
    struct list_reader reader;
    struct value item;
    assert_int_equal(list_reader_init(&reader, value), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(list_next(&reader, &item), STATUS_OK);
        assert_true(list_field(&reader, price).number == 2);
        assert_true(list_field(&reader, bounces).number == 5 + i);
    }
    assert_int_equal(list_next(&reader, &item), STATUS_END);
    packed_list_release(&list);
    buffer_release(&bytes);
}

static void test_limits_are_counted(void **state) {
    struct scene *scene = *state;
    static char long_text[DARK_BYTES_MAX + 1];
    char name[16];
    memset(long_text, 'x', sizeof long_text);
    add(scene, DARK_PROPERTY, "", value_number(1));
    assert_int_equal(scene->writer.left, 1);
    assert_int_equal(dark_add(&scene->writer, DARK_PROPERTY, TEXT("long"),
                              value_text((struct text){long_text, sizeof long_text})),
                     STATUS_OK);
    assert_int_equal(dark_add(&scene->writer, DARK_PROPERTY,
                              (struct text){long_text, SYMBOL_BYTES_MAX + 1}, value_number(1)),
                     STATUS_OK);
    assert_int_equal(scene->writer.left, 3);
    add(scene, DARK_PROPERTY, "unknown", value_unknown());
    for (int i = 0; i < DARK_NAMES_MAX + 7; i++) {
        snprintf(name, sizeof name, "n%d", i);
        add(scene, DARK_PROPERTY, name, value_number(i));
    }
    assert_int_equal(scene->writer.left, 3 + 7);
    assert_int_equal(scene->writer.count, DARK_NAMES_MAX);
    (void)finish(scene);
}

/* Whatever the bytes are, reading ends. */
static void test_damaged_bytes_end(void **state) {
    struct scene *scene = *state;
    struct buffer bytes;
    buffer_init(&bytes);
    dark_array_begin(&scene->array);
    assert_int_equal(dark_array_add(&scene->array, value_number(1)), STATUS_OK);
    assert_int_equal(dark_array_record(&scene->array), STATUS_OK);
    assert_int_equal(dark_array_field(&scene->array, TEXT("f"), value_text(TEXT("text"))),
                     STATUS_OK);
    assert_int_equal(dark_array_end(&scene->array, &bytes), STATUS_OK);
    add(scene, DARK_EVENT, "", value_text(TEXT("Own")));
    add(scene, DARK_ARRAY, "list", value_text(buffer_text(&bytes)));
    add(scene, DARK_PROPERTY, "p", value_number(7));
    struct text packed = finish(scene);
    uint32_t list = declare(scene, SYMBOL_PROPERTY, "list"), steps = 0;
    for (uint32_t i = 0; i < packed.length; i++) {
        for (int flip = 1; flip < 256; flip++) {
            struct property_walk walk;
            struct item_walk items;
            struct text name;
            struct value value, array;
            bool is_record;
            scene->packed.at[i] = (char)(scene->packed.at[i] ^ flip);
            property_walk_begin(&walk, scene->symbols, packed);
            while (property_walk_next(&walk, &name, &value, &array)) {
                item_walk_begin(&items, scene->symbols, value, array);
                while (item_walk_next(&items, &is_record, &value))
                    while (item_walk_field(&items, &name, &value)) steps++;
            }
            (void)find(scene, packed, list, VALUE_LIST);
            (void)dark_event_type(scene->symbols, packed);
            scene->packed.at[i] = (char)(scene->packed.at[i] ^ flip);
        }
    }
    assert_true(steps > 0);
    buffer_release(&bytes);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_values_are_read_as_they_are_declared),
        CASE(test_words_of_events_and_channels),
        CASE(test_halves_of_a_list_become_one),
        CASE(test_limits_are_counted),
        CASE(test_damaged_bytes_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
