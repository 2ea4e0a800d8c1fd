/* SPDX-License-Identifier: Apache-2.0 */
/* The sorts of a run against qsort: keys by their upper bits, rows by (time, position). */
#include "support/unit.h"

#include <stdlib.h>
#include "base/random.h"
#include "store/run/run_writer.h"

#define COUNT_MAX 5000u

static struct random rng;

static unsigned from_bit; /* the bits that count */

struct numbered {
    uint64_t key;
    uint32_t number;
};

/* Stable: among equal bits the order of before stands. */
static int by_bits(const void *a, const void *b) {
    const struct numbered *x = a, *y = b;
    uint64_t left = x->key >> from_bit, right = y->key >> from_bit;
    if (left != right) return left < right ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

/* Keys whose bits vary only within a mask, so that passes over equal bits are left out. */
static void keys_are_sorted_by_their_upper_bits(void **state) {
    (void)state;
    static uint64_t keys[COUNT_MAX], scratch[COUNT_MAX];
    static struct numbered model[COUNT_MAX];
    for (uint32_t round = 0; round < 300; round++) {
        size_t count = random_below(&rng, round % 10 ? 200 : COUNT_MAX);
        uint64_t mask = random_u64(&rng) & random_u64(&rng), base = random_u64(&rng) & ~mask;
        from_bit = (unsigned)random_below(&rng, 64);
        for (uint32_t i = 0; i < count; i++) {
            keys[i] = base | (random_u64(&rng) & mask);
            model[i] = (struct numbered){keys[i], i};
        }
        qsort(model, count, sizeof *model, by_bits);
        run_sort_u64(keys, scratch, count, from_bit);
        for (size_t i = 0; i < count; i++) assert_int_equal(keys[i], model[i].key);
    }
}

static int by_time(const void *a, const void *b) {
    const struct run_sort_row *x = a, *y = b;
    if (x->time_ms != y->time_ms) return x->time_ms < y->time_ms ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* How a persona's rows come: in order, with late ones among them, backwards, in any order. */
static int64_t time_at(uint32_t shape, uint32_t i, uint32_t count) {
    switch (shape) {
    case 0: return i / 3;
    case 1: return random_below(&rng, 20) ? i / 3 : (int64_t)random_below(&rng, count);
    case 2: return -(int64_t)i;
    case 3: return (int64_t)random_below(&rng, 4) - 2;
    default: return (int64_t)random_u64(&rng); /* over the whole range, below zero too */
    }
}

static void rows_are_sorted_by_time_then_position(void **state) {
    (void)state;
    static struct run_sort_row rows[COUNT_MAX], model[COUNT_MAX];
    for (uint32_t round = 0; round < 500; round++) {
        uint32_t count = (uint32_t)random_below(&rng, round % 5 ? 40 : COUNT_MAX);
        for (uint32_t i = 0; i < count; i++)
            rows[i] = (struct run_sort_row){time_at(round / 5 % 5, i, count), 7 + i, i};
        if (round % 2) /* positions that do not ascend as the rows come */
            for (uint32_t i = 1; i < count; i++) {
                uint32_t j = (uint32_t)random_below(&rng, i + 1);
                uint64_t keep = rows[i].position;
                rows[i].position = rows[j].position;
                rows[j].position = keep;
            }
        memcpy(model, rows, count * sizeof *rows);
        qsort(model, count, sizeof *model, by_time);
        assert_int_equal(run_sort_rows(rows, count), STATUS_OK);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(rows[i].time_ms == model[i].time_ms &&
                        rows[i].position == model[i].position && rows[i].index == model[i].index);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_sorted_by_their_upper_bits),
        cmocka_unit_test(rows_are_sorted_by_time_then_position),
    };
    random_init(&rng, 43);
    printf("seed 43\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
