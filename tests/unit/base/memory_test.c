/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

static void fail_at_fails_that_one_and_all_later(void **state) {
    (void)state;
    memory_fail_at(2);
    void *first = memory_alloc(1);
    void *second = memory_alloc(1);
    void *third = memory_calloc(1, 1);
    void *fourth = memory_alloc_huge(1);
    memory_fail_at(0);
    assert_non_null(first);
    assert_null(second);
    assert_null(third);
    assert_null(fourth);
    uint64_t before = memory_allocation_count();
    void *fifth = memory_alloc(0);
    assert_non_null(fifth);
    assert_int_equal(memory_allocation_count(), before + 1);
    memory_free(first);
    memory_free(fifth);
    memory_free(NULL);
}

static void calloc_zeroes_and_refuses_overflow(void **state) {
    (void)state;
    unsigned char *bytes = memory_calloc(10, 10);
    assert_non_null(bytes);
    for (int i = 0; i < 100; i++) assert_int_equal(bytes[i], 0);
    memory_free(bytes);
    assert_null(memory_calloc(SIZE_MAX / 2, 3));
    void *empty = memory_calloc(0, 5);
    assert_non_null(empty);
    memory_free(empty);
}

static void huge_is_zeroed_and_aligned(void **state) {
    (void)state;
    const size_t sizes[] = {1, 4096, 5000, (2 << 20) - 1, 2 << 20, (6 << 20) + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *at = memory_alloc_huge(sizes[i]);
        assert_non_null(at);
        assert_int_equal((uintptr_t)at % (sizes[i] >= 2 << 20 ? 2 << 20 : 4096), 0);
        assert_int_equal(at[0] | at[sizes[i] - 1], 0);
        at[0] = at[sizes[i] - 1] = 1;
        memory_free_huge(at, sizes[i]);
    }
    assert_null(memory_alloc_huge(SIZE_MAX));
    memory_free_huge(NULL, 100);
}

static void grow_doubles_and_keeps_what_is_there(void **state) {
    (void)state;
    void *items = NULL;
    size_t capacity = 0;
    for (size_t count = 1; count <= 1000; count++) {
        assert_int_equal(memory_grow(&items, &capacity, count, sizeof(int)), STATUS_OK);
        assert_true(capacity >= count && capacity < 2 * count + 8);
        ((int *)items)[count - 1] = (int)count;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(((int *)items)[i], i + 1);
    void *same = items;
    size_t old = capacity;
    memory_fail_at(1);
    assert_int_equal(memory_grow(&items, &capacity, capacity + 1, sizeof(int)), STATUS_NO_MEMORY);
    memory_fail_at(0);
    assert_ptr_equal(items, same);
    assert_int_equal(capacity, old);
    assert_int_equal(memory_grow(&items, &capacity, SIZE_MAX / 2, 8), STATUS_NO_MEMORY);
    assert_int_equal(memory_grow(&items, &capacity, SIZE_MAX, 1), STATUS_NO_MEMORY);
    memory_free(items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_at_fails_that_one_and_all_later),
        cmocka_unit_test(calloc_zeroes_and_refuses_overflow),
        cmocka_unit_test(huge_is_zeroed_and_aligned),
        cmocka_unit_test(grow_doubles_and_keeps_what_is_there),
    };
    return cmocka_run_group_tests_name("base memory", tests, NULL, NULL);
}
