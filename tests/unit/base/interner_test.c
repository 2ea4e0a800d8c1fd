/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/random.h"

static struct text key_of(char out[24], uint32_t i) {
    int length = snprintf(out, 24, i % 7 == 0 ? "%u" : "customer-%u", i);
    return (struct text){out, (uint32_t)length};
}

static void ids_are_dense_and_found_again(void **state) {
    (void)state;
    struct interner *interner;
    assert_int_equal(interner_create(&interner, 1000000), STATUS_OK);
    char key[24];
    uint32_t id;
    bool is_new;
    for (uint32_t i = 0; i < 200000; i++) {
        assert_int_equal(interner_add(interner, key_of(key, i), &id, &is_new), STATUS_OK);
        assert_true(is_new && id == i);
        if (i % 3) continue;
        assert_int_equal(interner_add(interner, key_of(key, i / 2), &id, &is_new), STATUS_OK);
        assert_true(!is_new && id == i / 2);
    }
    assert_int_equal(interner_count(interner), 200000);
    for (uint32_t i = 0; i < 200000; i++) {
        assert_true(interner_find(interner, key_of(key, i), &id));
        assert_int_equal(id, i);
        assert_true(text_equal(interner_text(interner, i), key_of(key, i)));
    }
    assert_false(interner_find(interner, TEXT("nobody"), &id));
    interner_destroy(interner);
}

static void any_bytes_of_any_length(void **state) {
    (void)state;
    struct interner *interner;
    assert_int_equal(interner_create(&interner, 100), STATUS_OK);
    static char bytes[200000];
    memset(bytes, 0x80, sizeof(bytes));
    const uint32_t lengths[] = {0, 1, 127, 128, 16383, 16384, 200000, 3};
    struct text texts[8];
    uint32_t id;
    bool is_new;
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(interner_add(interner, (struct text){bytes, lengths[i]}, &id, &is_new),
                         STATUS_OK);
        assert_int_equal(id, i);
        texts[i] = interner_text(interner, i);
    }
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(texts[i].length, lengths[i]);
        assert_memory_equal(texts[i].at, bytes, lengths[i]);
        assert_ptr_equal(texts[i].at, interner_text(interner, i).at);
    }
    interner_destroy(interner);
}

static void the_limit_holds(void **state) {
    (void)state;
    struct interner *interner;
    assert_int_equal(interner_create(&interner, 2), STATUS_OK);
    uint32_t id;
    bool is_new;
    assert_int_equal(interner_add(interner, TEXT("a"), &id, &is_new), STATUS_OK);
    assert_int_equal(interner_add(interner, TEXT("b"), &id, &is_new), STATUS_OK);
    assert_int_equal(interner_add(interner, TEXT("c"), &id, &is_new), STATUS_LIMIT);
    assert_int_equal(interner_add(interner, TEXT("a"), &id, &is_new), STATUS_OK);
    assert_int_equal(id, 0);
    interner_destroy(interner);
    interner_destroy(NULL);
}

/* The model is the list of keys in order: after any mix of adds and truncations the interner equals
 * it. */
static void truncation_like_a_list(void **state) {
    (void)state;
    struct interner *interner;
    struct random random;
    random_init(&random, 6);
    assert_int_equal(interner_create(&interner, 1000000), STATUS_OK);
    static uint32_t model[20000];
    uint32_t count = 0, next = 0, id;
    char key[24];
    bool is_new;
    for (int round = 0; round < 60; round++) {
        uint32_t more = (uint32_t)random_below(&random, 1500);
        for (uint32_t i = 0; i < more && count < 20000; i++) {
            model[count] = next++;
            assert_int_equal(interner_add(interner, key_of(key, model[count]), &id, &is_new),
                             STATUS_OK);
            assert_true(is_new && id == count);
            count++;
        }
        uint32_t cut = (uint32_t)random_below(&random, round % 9 == 0 ? count + 1 : 800);
        uint32_t old_count = count;
        count = cut > count ? 0 : count - cut;
        interner_truncate(interner, count);
        assert_int_equal(interner_count(interner), count);
        for (uint32_t i = 0; i < old_count; i++) {
            assert_int_equal(interner_find(interner, key_of(key, model[i]), &id), i < count);
            if (i < count) assert_int_equal(id, i);
        }
    }
    interner_destroy(interner);
}

static void undone_batches_leave_no_memory_behind(void **state) {
    (void)state;
    struct interner *interner;
    assert_int_equal(interner_create(&interner, 1000000), STATUS_OK);
    uint32_t id;
    bool is_new;
    uint64_t before = 0;
    for (int round = 0; round < 1000; round++) {
        if (round == 1) before = memory_allocation_count();
        for (uint32_t i = 0; i < 100; i++) {
            char key[24];
            assert_int_equal(interner_add(interner, key_of(key, i), &id, &is_new), STATUS_OK);
        }
        interner_truncate(interner, 0);
    }
    assert_int_equal(memory_allocation_count(), before);
    interner_destroy(interner);
}

static enum status scenario(void) {
    struct interner *interner;
    enum status status = interner_create(&interner, 100000);
    char key[24];
    uint32_t id;
    bool is_new;
    if (status) return status;
    for (uint32_t i = 0; i < 5000 && status == STATUS_OK; i++) {
        status = interner_add(interner, key_of(key, i), &id, &is_new);
        if (status) { /* a failed add leaves no trace */
            assert_int_equal(interner_count(interner), i);
            assert_false(interner_find(interner, key_of(key, i), &id));
            assert_true(i == 0 || interner_find(interner, key_of(key, i - 1), &id));
        }
    }
    interner_destroy(interner);
    return status;
}

static void failed_allocations_leave_no_trace(void **state) {
    (void)state;
    fail_every_allocation(scenario, 8);
}

static void *read_along(void *argument) {
    const struct interner *interner = argument;
    char key[24];
    uint32_t count = 0;
    while (count < 300000) {
        count = interner_count(interner);
        for (uint32_t i = count > 50 ? count - 50 : 0; i < count; i++) {
            if (!text_equal(interner_text(interner, i), key_of(key, i))) return argument;
        }
    }
    return NULL;
}

static void readers_see_what_was_published(void **state) {
    (void)state;
    struct interner *interner;
    assert_int_equal(interner_create(&interner, 1000000), STATUS_OK);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, read_along, interner), 0);
    char key[24];
    uint32_t id;
    bool is_new;
    for (uint32_t i = 0; i < 300000; i++)
        assert_int_equal(interner_add(interner, key_of(key, i), &id, &is_new), STATUS_OK);
    void *wrong;
    assert_int_equal(pthread_join(reader, &wrong), 0);
    assert_null(wrong);
    interner_destroy(interner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_dense_and_found_again),
        cmocka_unit_test(any_bytes_of_any_length),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(truncation_like_a_list),
        cmocka_unit_test(failed_allocations_leave_no_trace),
        cmocka_unit_test(readers_see_what_was_published),
        cmocka_unit_test(undone_batches_leave_no_memory_behind),
    };
    return cmocka_run_group_tests_name("base interner", tests, NULL, NULL);
}
