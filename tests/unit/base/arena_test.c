/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/arena.h"
#include "base/random.h"

static void allocations_are_aligned_and_apart(void **state) {
    (void)state;
    struct arena arena;
    struct random random;
    random_init(&random, 1);
    arena_init(&arena, 64 << 20);
    for (int round = 0; round < 3; round++) {
        unsigned char *at[500];
        size_t size[500];
        for (int i = 0; i < 500; i++) {
            size[i] = random_below(&random, i % 50 == 0 ? 100000 : 200);
            at[i] = arena_alloc(&arena, size[i]);
            assert_non_null(at[i]);
            assert_int_equal((uintptr_t)at[i] % 16, 0);
            memset(at[i], i & 0xFF, size[i]);
        }
        for (int i = 0; i < 500; i++) {
            for (size_t k = 0; k < size[i]; k++) assert_int_equal(at[i][k], i & 0xFF);
        }
        arena_clear(&arena);
        assert_int_equal(arena.used_bytes, 0);
    }
    arena_release(&arena);
}

static void the_maximum_holds_exactly(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 10000);
    size_t total = 0;
    while (arena_alloc(&arena, 16)) total += 16;
    assert_int_equal(total, 10000);
    assert_null(arena_alloc(&arena, 1));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    arena_clear(&arena);
    assert_null(arena_alloc(&arena, 10001));
    assert_non_null(arena_alloc(&arena, 10000));
    arena_release(&arena);
    arena_init(&arena, 0);
    assert_null(arena_alloc(&arena, 0));
    arena_release(&arena);
}

static void clear_keeps_the_largest_block(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 24);
    assert_non_null(arena_alloc(&arena, 1 << 20));
    assert_non_null(arena_alloc(&arena, 10));
    arena_clear(&arena);
    uint64_t before = memory_allocation_count();
    assert_non_null(arena_alloc(&arena, 1 << 20));
    assert_int_equal(memory_allocation_count(), before);
    arena_release(&arena);
    arena_release(&arena);
    arena_init(&arena, (1 << 20) + 64); /* what is left makes the newest block a small one */
    assert_non_null(arena_alloc(&arena, 1 << 20));
    assert_non_null(arena_alloc(&arena, 64));
    arena_clear(&arena);
    before = memory_allocation_count();
    assert_non_null(arena_alloc(&arena, 1 << 20));
    assert_int_equal(memory_allocation_count(), before);
    arena_release(&arena);
}

static void text_and_format(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct text text = arena_text(&arena, (struct text){"abcdef", 3});
    assert_text(text, "abc");
    assert_int_equal(text.at[3], 0);
    text = arena_text(&arena, (struct text){0});
    assert_non_null(text.at);
    assert_int_equal(text.length, 0);
    assert_string_equal(arena_format(&arena, "%s-%05d", "x", 42), "x-00042");
    assert_null(arena_calloc(&arena, SIZE_MAX / 2, 4));
    unsigned char *zeroed = arena_calloc(&arena, 100, 3);
    for (int i = 0; i < 300; i++) assert_int_equal(zeroed[i], 0);
    arena_release(&arena);
}

static void rewind_gives_back_what_came_after(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct arena_mark empty = arena_mark(&arena);
    assert_non_null(arena_alloc(&arena, 100000));
    arena_rewind(&arena, empty);
    assert_int_equal(arena.used_bytes, 0);
    struct text kept = arena_text(&arena, TEXT("kept"));
    struct arena_mark mark = arena_mark(&arena);
    for (int i = 0; i < 100; i++) {
        /* Far more than the maximum in all. */
        for (int k = 0; k < 5; k++) assert_non_null(arena_alloc(&arena, 200000));
        arena_rewind(&arena, mark);
    }
    assert_true(text_equal(kept, TEXT("kept")));
    struct text next = arena_text(&arena, TEXT("next"));
    assert_true(text_equal(next, TEXT("next")));
    assert_true(text_equal(kept, TEXT("kept")));
    arena_release(&arena);
}

static enum status scenario(void) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    enum status status = STATUS_NO_MEMORY;
    if (!arena_text(&arena, TEXT("one")).at) goto out;
    if (!arena_alloc(&arena, 5000)) goto out;
    if (!arena_format(&arena, "%20000d", 1)) goto out;
    if (!arena_calloc(&arena, 1000, 100)) goto out;
    status = STATUS_OK;
out:
    arena_release(&arena);
    return status;
}

static void failed_allocations_are_null(void **state) {
    (void)state;
    fail_every_allocation(scenario, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(the_maximum_holds_exactly),
        cmocka_unit_test(clear_keeps_the_largest_block),
        cmocka_unit_test(text_and_format),
        cmocka_unit_test(rewind_gives_back_what_came_after),
        cmocka_unit_test(failed_allocations_are_null),
    };
    return cmocka_run_group_tests_name("base arena", tests, NULL, NULL);
}
