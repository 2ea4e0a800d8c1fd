/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a run are made of: blocks of packed properties, and typed columns beside them.
 * Both come back as they were added, in every encoding. */
#include "support/unit.h"

#include <lz4.h>
#include "base/hash.h"
#include "base/random.h"
#include "event/packed.h"
#include "store/run/run_blocks.h"
#include "store/run/run_columns.h"

static struct random rng;

/* ---- blocks ---- */

#define ROWS 3000u

static struct buffer all; /* the rows' packed properties, end to end */
static uint32_t lengths[ROWS];

static void expect_block(const struct run_blocks *blocks, const struct run_block *block,
                         uint32_t *row, size_t *offset) {
    size_t length = block[1].offset - block->offset;
    const char *stored = blocks->stored.at + block->offset;
    char *raw = memory_alloc(block->raw_length);
    assert_int_equal(block->checksum, crc32c(0, stored, length));
    assert_int_equal(block->row, *row);
    if (length == block->raw_length)
        memcpy(raw, stored, length);
    else
        assert_int_equal(LZ4_decompress_safe(stored, raw, (int)length, (int)block->raw_length),
                         block->raw_length);
    uint32_t end = block[1].row == UINT32_MAX ? ROWS : block[1].row;
    size_t at = (end - *row) * sizeof(uint16_t);
    /* Only one event alone may be larger than a block. */
    assert_true(block->raw_length <= RUN_BLOCK_BYTES || end - *row == 1);
    for (uint32_t i = 0; *row < end; (*row)++, i++) {
        uint16_t packed_length;
        memcpy(&packed_length, raw + i * sizeof packed_length, sizeof packed_length);
        assert_int_equal(packed_length, lengths[*row]);
        assert_memory_equal(raw + at, all.at + *offset, packed_length);
        at += packed_length;
        *offset += packed_length;
    }
    assert_int_equal(at, block->raw_length);
    memory_free(raw);
}

static void rows_come_back_out_of_their_blocks(void **state) {
    (void)state;
    struct run_blocks blocks;
    size_t offset = 0;
    run_blocks_init(&blocks);
    for (uint32_t round = 0; round < 3; round++) {
        run_blocks_clear(&blocks);
        buffer_clear(&all);
        for (uint32_t r = 0; r < ROWS; r++) {
            lengths[r] = (uint32_t)random_below(&rng, r % 300 == 299 ? PACKED_BYTES_MAX + 1 : 90);
            assert_int_equal(buffer_reserve(&all, lengths[r]), STATUS_OK);
            for (uint32_t b = 0; b < lengths[r]; b++) /* round 0 can't be compressed */
                all.at[all.length + b] = (char)random_below(&rng, round == 0 ? 256 : 2);
            all.length += lengths[r];
            struct text packed = {all.at + all.length - lengths[r], lengths[r]};
            assert_int_equal(run_blocks_add(&blocks, r, packed), STATUS_OK);
        }
        assert_int_equal(run_blocks_finish(&blocks), STATUS_OK);
        assert_int_equal(blocks.packed_bytes, all.length);
        uint32_t row = 0;
        const struct run_block *block = (const void *)blocks.index.at;
        for (offset = 0; block->row != UINT32_MAX; block++)
            expect_block(&blocks, block, &row, &offset);
        assert_int_equal(row, ROWS);
        assert_int_equal(offset, all.length);
        assert_int_equal(block->offset, blocks.stored.length);
    }
    static char too_long[PACKED_BYTES_MAX + 1];
    assert_int_equal(run_blocks_add(&blocks, ROWS, (struct text){too_long, sizeof too_long}),
                     STATUS_LIMIT);
    run_blocks_release(&blocks);
}

/* ---- columns ---- */

static const struct column_set set = {.columns = {{10, VALUE_NUMBER},
                                                  {11, VALUE_TEXT},
                                                  {12, VALUE_MONEY},
                                                  {13, VALUE_YES_NO},
                                                  {14, VALUE_TIME},
                                                  {11, VALUE_NUMBER}},
                                      .count = 6};
static const char *const words[] = {"", "a", "button", "calculate payment", "calculate payments"};

/* The value of a row in property 10 + p, or unknown; the chance is of one row in so many. */
static struct value make_value(uint32_t p, uint32_t one_in) {
    if (random_below(&rng, one_in) != 0) return value_unknown();
    switch (p) {
    case 0: return value_number((double)random_below(&rng, 100) / 8);
    case 1:
        if (random_below(&rng, 4) == 0) return value_number(7);
        return value_text(text_from(words[random_below(&rng, 5)]));
    case 2: return value_money((int64_t)random_below(&rng, 1000) - 500, 100);
    case 3: return value_yes_no(random_below(&rng, 2));
    default: return value_time((int64_t)random_below(&rng, 1000) - 500);
    }
}

/* The cell of a row in the encoded section; false where it has none. */
static bool cell_at(const struct run_section *section, const char *at, uint32_t row_count,
                    uint32_t row, uint64_t *cell) {
    *cell = 0;
    if (section->encoding == RUN_ABSENT) return false;
    if (section->encoding == RUN_DENSE) {
        memcpy(cell, at + (size_t)row * section->width, section->width);
        return true;
    }
    assert_int_equal(section->encoding, RUN_SPARSE);
    size_t words_of_bits = (row_count + 63) / 64;
    uint64_t bits;
    uint32_t rank;
    memcpy(&bits, at + row / 64 * sizeof bits, sizeof bits);
    memcpy(&rank, at + words_of_bits * sizeof bits + row / 64 * sizeof rank, sizeof rank);
    if ((bits >> row % 64 & 1) == 0) return false;
    rank += (uint32_t)__builtin_popcountll(bits & ((UINT64_C(1) << row % 64) - 1));
    at += words_of_bits * sizeof bits + ((words_of_bits * sizeof rank + 7) & ~(size_t)7);
    memcpy(cell, at + (size_t)rank * section->width, section->width);
    return true;
}

/* The cell that a value has: texts point into the heap and are compared there. */
static void expect_cell(const struct run_columns *columns, struct column column, struct value value,
                        bool has_cell, uint64_t cell, bool dense) {
    bool wanted = value.type == column.type;
    if (!wanted && dense) { /* a dense column says unknown */
        uint64_t unknown = 0;
        cell_set(&unknown, column.type, 0, value_unknown(), NULL);
        assert_int_equal(cell, unknown);
        return;
    }
    assert_int_equal(has_cell, wanted);
    if (!wanted) return;
    if (column.type == VALUE_TEXT) {
        const struct buffer *heap = run_columns_heap(columns);
        struct text text = {heap->at + (cell >> 16), (uint32_t)(cell & 0xffff)};
        assert_true((cell >> 16) + text.length <= heap->length);
        assert_true(text_equal(text, value.text));
        return;
    }
    uint64_t expected = 0;
    cell_set(&expected, column.type, 0, value, NULL);
    assert_int_equal(cell, expected);
}

static void check_columns(uint32_t row_count, uint32_t one_in) {
    static struct value values[5][2000];
    const struct dark_names names = {NULL, 0};
    struct run_columns *columns;
    struct packed_writer writer;
    struct buffer packed, out;
    assert_int_equal(run_columns_create(&columns, &set, &names), STATUS_OK);
    packed_writer_init(&writer);
    buffer_init(&packed);
    buffer_init(&out);
    for (uint32_t row = 0; row < row_count; row++) {
        buffer_clear(&packed);
        packed_begin(&writer);
        assert_int_equal(packed_add(&writer, 90, value_number(1)), STATUS_OK); /* no column */
        for (uint32_t p = 0; p < 5; p++) {
            values[p][row] = make_value(p, one_in);
            assert_int_equal(packed_add(&writer, 10 + p, values[p][row]), STATUS_OK);
        }
        assert_int_equal(packed_end(&writer, &packed), STATUS_OK);
        assert_int_equal(run_columns_add(columns, row, 0, buffer_text(&packed)), STATUS_OK);
    }
    for (uint32_t c = 0; c < set.count; c++) {
        struct run_section section = {0};
        buffer_clear(&out);
        assert_int_equal(run_columns_encode(columns, c, row_count, &out, &section), STATUS_OK);
        for (uint32_t row = 0; row < row_count; row++) {
            uint64_t cell;
            bool has_cell = cell_at(&section, out.at, row_count, row, &cell);
            expect_cell(columns, set.columns[c], values[set.columns[c].property - 10][row],
                        has_cell, cell, section.encoding == RUN_DENSE);
        }
    }
    /* A text that came before is not stored again. */
    assert_true(run_columns_heap(columns)->length <= 200);
    run_columns_destroy(columns);
    packed_writer_release(&writer);
    buffer_release(&packed);
    buffer_release(&out);
}

static void cells_come_back_in_every_encoding(void **state) {
    (void)state;
    static const uint32_t counts[] = {2, 63, 64, 65, 128, 2000};
    static const uint32_t chances[] = {1, 2, 3, 40, 100000};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 5; j++) check_columns(counts[i], chances[j]);
}

static void damaged_properties_are_told(void **state) {
    (void)state;
    const struct dark_names names = {NULL, 0};
    struct run_columns *columns;
    assert_int_equal(run_columns_create(&columns, &set, &names), STATUS_OK);
    assert_int_equal(run_columns_add(columns, 0, 0, TEXT("\xff\xff\xff\xff")), STATUS_CORRUPT);
    run_columns_destroy(columns);
}

static int release(void **state) {
    (void)state;
    buffer_release(&all);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_out_of_their_blocks),
        cmocka_unit_test(cells_come_back_in_every_encoding),
        cmocka_unit_test(damaged_properties_are_told),
    };
    random_init(&rng, 47);
    buffer_init(&all);
    printf("seed 47\n");
    return cmocka_run_group_tests(tests, NULL, release);
}
