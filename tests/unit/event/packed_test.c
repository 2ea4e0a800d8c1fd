/* SPDX-License-Identifier: Apache-2.0 */
/* Packed properties: against a naive model, and with bytes that lie. */
#include "support/unit.h"

#include "base/random.h"
#include "event/packed.h"

static struct random rng;

static int64_t random_integer(void) {
    return (int64_t)(random_u64(&rng) >> random_below(&rng, 64)) * (random_below(&rng, 2) ? 1 : -1);
}

static struct value random_scalar(char *text_bytes, uint32_t text_max) {
    switch (random_below(&rng, 8)) {
    case 0: return value_number((double)random_integer());
    case 1: return value_number(random_normal(&rng) * 1e6);
    case 2: {
        uint32_t length = (uint32_t)random_below(&rng, text_max);
        for (uint32_t i = 0; i < length; i++) text_bytes[i] = (char)('a' + random_below(&rng, 26));
        return value_text((struct text){text_bytes, length});
    }
    case 3: return value_time(random_integer());
    case 4: return value_duration(random_integer());
    case 5: return value_yes_no(random_below(&rng, 2));
    case 6: return value_money(random_integer(), (uint16_t)random_below(&rng, 17576));
    default: return value_number(-0.0);
    }
}

/* The model: an array indexed by symbol. */
#define MODEL_SYMBOLS 40
static struct value model[MODEL_SYMBOLS];
static char model_text[MODEL_SYMBOLS][200];

static void build(struct packed_writer *writer, struct buffer *out) {
    for (int i = 0; i < MODEL_SYMBOLS; i++) model[i] = value_unknown();
    packed_begin(writer);
    uint32_t adds = (uint32_t)random_below(&rng, 30);
    for (uint32_t i = 0; i < adds; i++) {
        uint32_t symbol = (uint32_t)random_below(&rng, MODEL_SYMBOLS);
        model[symbol] = random_scalar(model_text[symbol], 200);
        assert_int_equal(packed_add(writer, symbol, model[symbol]), STATUS_OK);
    }
    assert_int_equal(packed_add(writer, 3, value_unknown()), STATUS_OK);
    assert_int_equal(packed_end(writer, out), STATUS_OK);
}

static void agrees_with_model(void **state) {
    (void)state;
    struct packed_writer writer;
    struct buffer out;
    packed_writer_init(&writer);
    buffer_init(&out);
    for (int round = 0; round < 5000; round++) {
        buffer_clear(&out);
        build(&writer, &out);
        struct text packed = buffer_text(&out);
        assert_int_equal(packed_check(packed), STATUS_OK);
        struct packed_reader reader;
        struct value value;
        uint32_t symbol, found = 0, expected = 0;
        int64_t before = -1;
        assert_int_equal(packed_reader_init(&reader, packed), STATUS_OK);
        while (packed_next(&reader, &symbol, &value) == STATUS_OK) {
            assert_true((int64_t)symbol > before);
            assert_true(value_equal(value, model[symbol]));
            before = symbol;
            found++;
        }
        for (uint32_t i = 0; i < MODEL_SYMBOLS; i++) {
            expected += value_is_known(model[i]);
            assert_true(value_equal(packed_find(packed, i), model[i]));
        }
        assert_int_equal(found, expected);
    }
    packed_writer_release(&writer);
    buffer_release(&out);
}

static void lists_agree(void **state) {
    (void)state;
    struct packed_list list;
    struct packed_writer writer;
    struct buffer out;
    packed_list_init(&list);
    packed_writer_init(&writer);
    buffer_init(&out);
    for (int round = 0; round < 500; round++) {
        packed_list_begin(&list);
        uint32_t count = (uint32_t)random_below(&rng, 30);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t symbols[3] = {7, 9, 300};
            struct value fields[3] = {value_number(i), value_unknown(), value_money(-5, 100)};
            enum status status = i % 2 ? packed_list_add(&list, value_number(i))
                                       : packed_list_add_record(&list, symbols, fields, 3);
            assert_int_equal(status, STATUS_OK);
        }
        struct value value, item;
        assert_int_equal(packed_list_end(&list, &value), STATUS_OK);
        packed_begin(&writer);
        buffer_clear(&out);
        assert_int_equal(packed_add(&writer, 5, value), STATUS_OK);
        assert_int_equal(packed_end(&writer, &out), STATUS_OK);
        assert_int_equal(packed_check(buffer_text(&out)), STATUS_OK);
        value = packed_find(buffer_text(&out), 5);
        assert_int_equal(list_count(value), count);
        struct list_reader reader;
        assert_int_equal(list_reader_init(&reader, value), STATUS_OK);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(list_next(&reader, &item), STATUS_OK);
            assert_true((reader.record == NULL) == (i % 2 == 1));
            struct value number = i % 2 ? item : list_field(&reader, 7);
            assert_true(value_equal(number, value_number(i)));
            assert_false(value_is_known(list_field(&reader, 9)));
            if (i % 2 == 0) assert_int_equal(list_field(&reader, 300).minor, -5);
        }
        assert_int_equal(list_next(&reader, &item), STATUS_END);
    }
    packed_list_release(&list);
    packed_writer_release(&writer);
    buffer_release(&out);
}

/* Reads everything it can; whatever the bytes, this must come back. */
static void read_all(struct text packed) {
    struct packed_reader reader;
    struct value value, item;
    uint32_t symbol;
    uint64_t sum = 0;
    (void)!packed_check(packed);
    if (packed_reader_init(&reader, packed) != STATUS_OK) return;
    while (packed_next(&reader, &symbol, &value) == STATUS_OK) {
        if (value.type == VALUE_TEXT || value.type == VALUE_LIST) {
            for (uint32_t i = 0; i < value.text.length; i++) sum += (uint8_t)value.text.at[i];
        }
        struct list_reader list;
        if (list_reader_init(&list, value) != STATUS_OK) continue;
        while (list_next(&list, &item) == STATUS_OK) sum += list_field(&list, 7).type;
    }
    assert_true(sum + 1 > 0);
}

/* Each input lies at the end of its own allocation, so that a sanitizer sees one byte too many. */
static void read_copy(const char *bytes, size_t length) {
    char *copy = test_malloc(length + 1);
    memcpy(copy + 1, bytes, length);
    read_all((struct text){copy + 1, (uint32_t)length});
    test_free(copy);
}

static void hostile_bytes_end(void **state) {
    (void)state;
    struct packed_writer writer;
    struct packed_list list;
    struct buffer out;
    packed_writer_init(&writer);
    packed_list_init(&list);
    buffer_init(&out);
    for (int round = 0; round < 300; round++) {
        buffer_clear(&out);
        build(&writer, &out);
        packed_list_begin(&list);
        uint32_t symbols[1] = {7};
        struct value one = value_text(TEXT("abc")), value;
        assert_int_equal(packed_list_add_record(&list, symbols, &one, 1), STATUS_OK);
        assert_int_equal(packed_list_end(&list, &value), STATUS_OK);
        buffer_clear(&out);
        assert_int_equal(packed_add(&writer, 50, value), STATUS_OK);
        assert_int_equal(packed_end(&writer, &out), STATUS_OK);
        for (size_t i = 0; i < out.length; i++) {
            char keep = out.at[i];
            out.at[i] = (char)random_below(&rng, 256);
            read_copy(out.at, out.length);
            out.at[i] = keep;
            read_copy(out.at, i);
        }
    }
    char noise[64];
    for (int round = 0; round < 20000; round++) {
        size_t length = random_below(&rng, sizeof noise);
        for (size_t i = 0; i < length; i++)
            noise[i] = (char)random_below(&rng, round % 2 ? 16 : 256);
        read_copy(noise, length);
    }
    packed_writer_release(&writer);
    packed_list_release(&list);
    buffer_release(&out);
}

static void bad_bytes_are_named(void **state) {
    (void)state;
    assert_int_equal(packed_check(TEXT("\x01\x05\x02")), STATUS_CORRUPT); /* ends in a value */
    assert_int_equal(packed_check(TEXT("\x02\x05\x06\x05\x07")),
                     STATUS_CORRUPT);                                         /* a symbol twice */
    assert_int_equal(packed_check(TEXT("\x01\x05\x06\x00")), STATUS_CORRUPT); /* a byte left over */
    assert_int_equal(packed_check(TEXT("\x01\x05\x0b")), STATUS_CORRUPT); /* a tag of the future */
    assert_int_equal(packed_check(TEXT("\x01\x05\x06")), STATUS_OK);
    assert_int_equal(packed_check((struct text){"", 0}), STATUS_OK);
}

static void limits_hold(void **state) {
    (void)state;
    struct packed_writer writer;
    struct buffer out;
    static char big[PACKED_BYTES_MAX];
    packed_writer_init(&writer);
    buffer_init(&out);
    packed_begin(&writer);
    memset(big, 'x', sizeof big);
    assert_int_equal(packed_add(&writer, 1, value_text((struct text){big, sizeof big})), STATUS_OK);
    assert_int_equal(packed_end(&writer, &out), STATUS_LIMIT);
    assert_int_equal(out.length, 0);
    packed_begin(&writer);
    for (uint32_t i = 0; i < PACKED_PROPERTIES_MAX; i++) {
        assert_int_equal(packed_add(&writer, 1000 - i, value_number(i)), STATUS_OK);
    }
    assert_int_equal(packed_add(&writer, 5000, value_number(1)), STATUS_LIMIT);
    assert_int_equal(packed_end(&writer, &out), STATUS_OK);
    assert_int_equal(packed_check(buffer_text(&out)), STATUS_OK);
    packed_writer_release(&writer);
    buffer_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_model), cmocka_unit_test(lists_agree),
        cmocka_unit_test(hostile_bytes_end), cmocka_unit_test(bad_bytes_are_named),
        cmocka_unit_test(limits_hold),
    };
    uint64_t seed = 20170128;
    random_init(&rng, seed);
    printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
