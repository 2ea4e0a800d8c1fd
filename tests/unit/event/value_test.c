/* SPDX-License-Identifier: Apache-2.0 */
/* Values, money, symbols, batches, cells, the memory source. */
#include "support/unit.h"

#include "event/memory_source.h"
#include "event/symbol.h"

static uint16_t currency(const char *name) {
    uint16_t code;
    assert_int_equal(currency_from_text(text_from(name), &code), STATUS_OK);
    return code;
}

static int64_t minor_of(const char *text, const char *name) {
    int64_t minor = -1;
    assert_int_equal(money_parse(text_from(text), currency(name), &minor), STATUS_OK);
    return minor;
}

static void money_rounds_half_to_even(void **state) {
    (void)state;
    assert_int_equal(minor_of("12.34", "USD"), 1234);
    assert_int_equal(minor_of("-12.3", "USD"), -1230);
    assert_int_equal(minor_of("1234", "USD"), 123400);
    assert_int_equal(minor_of("1.005", "USD"), 100);
    assert_int_equal(minor_of("1.015", "USD"), 102);
    assert_int_equal(minor_of("1.00500001", "USD"), 101);
    assert_int_equal(minor_of("1.0049", "USD"), 100);
    assert_int_equal(minor_of(".5", "USD"), 50);
    assert_int_equal(minor_of("7.5", "JPY"), 8);
    assert_int_equal(minor_of("6.5", "JPY"), 6);
    assert_int_equal(minor_of("1.2345", "KWD"), 1234);
    const char *bad[] = {"",      "-",   ".",  "1.",  "1,00",
                         "1.2.3", "12a", " 1", "1e3", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t minor;
        assert_int_equal(money_parse(text_from(bad[i]), currency("USD"), &minor), STATUS_INVALID);
    }
    char name[4];
    currency_to_text(currency("ZZZ"), name);
    assert_string_equal(name, "ZZZ");
}

static void prints(struct value value, const char *expected) {
    struct buffer out;
    buffer_init(&out);
    assert_int_equal(value_print(value, &out), STATUS_OK);
    assert_int_equal(buffer_append(&out, "", 1), STATUS_OK);
    assert_string_equal(out.at, expected);
    buffer_release(&out);
}

static void values_print_and_parse(void **state) {
    (void)state;
    prints(value_number(0.1), "0.1");
    prints(value_number(12), "12");
    prints(value_text(TEXT("a\"b\n")), "\"a\\\"b\\u000a\"");
    prints(value_money(-5, currency("USD")), "-0.05 USD");
    prints(value_money(1234, currency("JPY")), "1234 JPY");
    prints(value_yes_no(true), "yes");
    prints(value_duration(-86400000), "-1d");
    prints(value_unknown(), "unknown");
    struct value value;
    assert_int_equal(value_parse(TEXT(" TRUE "), VALUE_YES_NO, 0, NULL, &value), STATUS_OK);
    assert_true(value.yes);
    assert_int_equal(value_parse(TEXT("  "), VALUE_NUMBER, 0, NULL, &value), STATUS_OK);
    assert_false(value_is_known(value));
    static const char *const words[] = {"1.0", "j", "Si", "s\xC3\xAD", "SIM"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_int_equal(value_parse(text_from(words[i]), VALUE_YES_NO, 0, NULL, &value),
                         STATUS_OK);
        assert_true(value.yes);
    }
    assert_int_equal(value_parse(TEXT("0.0"), VALUE_YES_NO, 0, NULL, &value), STATUS_OK);
    assert_false(value.yes);
    assert_int_equal(value_parse(TEXT("maybe"), VALUE_YES_NO, 0, NULL, &value), STATUS_INVALID);
    assert_int_equal(value_parse(TEXT("30d"), VALUE_DURATION, 0, NULL, &value), STATUS_OK);
    assert_int_equal(value.duration_ms, INT64_C(2592000000));
    assert_int_equal(value_parse(TEXT("\xff"), VALUE_TEXT, 0, NULL, &value), STATUS_INVALID);
}

static void cells_round_trip(void **state) {
    (void)state;
    uint64_t cells[2];
    const char *heap = "....abc";
    struct value values[] = {
        value_number(1.5),          value_time(-7),
        value_duration(9),          value_yes_no(true),
        value_money(-12345, 17575), value_text((struct text){heap + 4, 3}),
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (int with_heap = 0; with_heap < 2; with_heap++) {
            const uint8_t *base = with_heap ? (const uint8_t *)heap : NULL;
            struct timeline_column column = {cells, base};
            cell_set(cells, values[i].type, 0, values[i], base);
            cell_set(cells, values[i].type, 1, value_unknown(), base);
            assert_true(value_equal(column_value(&column, values[i].type, 0), values[i]));
            assert_false(value_is_known(column_value(&column, values[i].type, 1)));
        }
    }
}

static void symbols_travel(void **state) {
    (void)state;
    struct symbols *a, *b;
    uint32_t id;
    assert_int_equal(symbols_create(&a), STATUS_OK);
    assert_int_equal(symbols_create(&b), STATUS_OK);
    assert_int_equal(symbol_find(a, SYMBOL_EVENT, TEXT("Erased")), EVENT_ERASED);
    assert_int_equal(symbol_find(a, SYMBOL_PROPERTY, TEXT("group")), PROPERTY_GROUP);
    for (uint32_t i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof name, "name %u", i);
        assert_int_equal(symbol_add(a, SYMBOL_PROPERTY, text_from(name), &id), STATUS_OK);
        assert_int_equal(id, PROPERTY_RESERVED_COUNT + i);
    }
    for (uint32_t i = 0; i < 255; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        assert_int_equal(symbol_add(a, SYMBOL_CHANNEL, text_from(name), &id), STATUS_OK);
    }
    assert_int_equal(symbol_add(a, SYMBOL_CHANNEL, TEXT("one more"), &id), STATUS_LIMIT);
    assert_int_equal(symbol_add(a, SYMBOL_CHANNEL, TEXT(""), &id), STATUS_INVALID);
    struct symbol_counts since = {{0}};
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(symbols_encode_since(a, &since, &bytes), STATUS_OK);
    assert_int_equal(symbols_apply(b, buffer_text(&bytes)), STATUS_OK);
    assert_int_equal(symbols_apply(b, buffer_text(&bytes)), STATUS_OK);
    assert_int_equal(symbol_find(b, SYMBOL_PROPERTY, TEXT("name 4999")),
                     id = PROPERTY_RESERVED_COUNT + 4999);
    assert_true(text_equal(symbol_text(b, SYMBOL_PROPERTY, id), TEXT("name 4999")));
    assert_int_equal(symbol_count(b, SYMBOL_CHANNEL), 255);
    assert_int_equal(symbol_find(b, SYMBOL_EVENT, TEXT("never")), SYMBOL_NONE);
    size_t length = bytes.length;
    assert_int_equal(symbols_encode_since(a, &since, &bytes), STATUS_OK);
    assert_int_equal(bytes.length, length);
    assert_int_equal(symbols_apply(b, TEXT("\x00\x00\x03xyz")), STATUS_CORRUPT);
    assert_int_equal(symbols_apply(b, TEXT("\x00\x00\x7fxyz")), STATUS_CORRUPT);
    buffer_release(&bytes);
    symbols_destroy(a);
    symbols_destroy(b);
}

static void memory_source_reads(void **state) {
    (void)state;
    struct event_batch batch;
    struct memory_source *source;
    event_batch_init(&batch);
    for (uint32_t i = 0; i < 10; i++) {
        struct event *event = event_batch_add(&batch);
        assert_non_null(event);
        event->time_ms = 100 - (int64_t)i * 10;
        event->known_ms = event->time_ms + (i == 9 ? 50 : 0);
        event->type = (uint16_t)i;
        event->persona.value = i % 2;
    }
    assert_int_equal(event_batch_add_identifier(&batch, 1, TEXT("x@y")), STATUS_OK);
    assert_int_equal(event_batch_add_row(&batch, 1, TEXT("f"), 1, 2, TEXT("r"), TEXT("raw")),
                     STATUS_OK);
    assert_true(text_equal(event_batch_text(&batch, batch.rows[0].raw, batch.rows[0].raw_length),
                           TEXT("raw")));
    assert_int_equal(memory_source_create(&source, NULL, NULL), STATUS_OK);
    assert_int_equal(memory_source_add(source, &batch), STATUS_OK);
    struct timeline_source *interface = memory_source_interface(source);
    struct timeline_reader *reader;
    struct timeline timeline;
    struct timeline_request request = {.as_of = {60, POSITION_NOW}, .needs = TIMELINE_POSITION};
    assert_int_equal(interface->ops->reader_open(interface, &reader, NULL), STATUS_OK);
    assert_int_equal(
        interface->ops->read(reader, (struct customer_id){1}, &request, &timeline, NULL),
        STATUS_OK);
    assert_int_equal(timeline.count, 3); /* 30, 50, and 10, known at 60 */
    assert_int_equal(timeline.time_ms[0], 10);
    request.as_of.t_ms = 59;
    assert_int_equal(
        interface->ops->read(reader, (struct customer_id){1}, &request, &timeline, NULL),
        STATUS_OK);
    assert_int_equal(timeline.time_ms[0], 30);
    assert_int_equal(
        interface->ops->read(reader, (struct customer_id){2}, &request, &timeline, NULL),
        STATUS_NOT_FOUND);
    request.as_of.t_ms = INT64_MAX;
    assert_int_equal(interface->ops->walk(reader, &request, 0, 1, NULL), STATUS_OK);
    uint32_t customers = 0, rows = 0;
    while (interface->ops->next(reader, &timeline, NULL) == STATUS_OK) {
        customers++;
        rows += timeline.count;
        for (uint32_t i = 1; i < timeline.count; i++)
            assert_true(timeline.time_ms[i - 1] < timeline.time_ms[i]);
        assert_int_equal(timeline_upper_bound(&timeline, timeline.time_ms[2]), 3);
    }
    assert_int_equal(customers, 2);
    assert_int_equal(rows, 10);
    interface->ops->reader_close(reader);
    memory_source_destroy(source);
    event_batch_release(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_rounds_half_to_even), cmocka_unit_test(values_print_and_parse),
        cmocka_unit_test(cells_round_trip),          cmocka_unit_test(symbols_travel),
        cmocka_unit_test(memory_source_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
