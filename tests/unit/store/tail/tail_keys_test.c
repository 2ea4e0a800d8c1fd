/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a tail against a plain table: what is put is found, the latest version alone, and the
 * chunks of the shares hold each entry once. */
#include "support/unit.h"

#include "base/hash.h"
#include "base/random.h"
#include "store/tail/tail_keys.h"

#define KEYS 70000u

static struct random rng;
static struct key_entry model[KEYS]; /* by number of the key; position 0: not put yet */

/* Every ninth lower half stands for two keys. The upper eight bits, which choose the share, are
 * crowded: half of all keys fall on one share. */
static struct row_key key_of(uint32_t k) {
    uint64_t low = hash_u64(k - (k % 9 == 8)) | 1;
    if (k / 9 % 2) low &= UINT64_MAX >> 8;
    return (struct row_key){low, k * 7 + 1};
}

static void put(struct tail_keys *keys, uint32_t k, uint64_t position) {
    struct row_key key = key_of(k);
    model[k] = (struct key_entry){.low = key.low,
                                  .high = key.high,
                                  .content = random_u64(&rng),
                                  .version = (int64_t)random_below(&rng, 100),
                                  .position = position,
                                  .persona = (uint32_t)random_below(&rng, 1000),
                                  .reading = (uint16_t)random_below(&rng, 3),
                                  .source = (uint16_t)random_below(&rng, 3),
                                  .flags = random_below(&rng, 20) ? 0 : KEY_RETRACTED};
    tail_keys_put(keys, &model[k]);
}

static void expect_model(const struct tail_keys *keys) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < KEYS; k++) {
        const struct key_entry *found = tail_keys_find(keys, key_of(k));
        if (model[k].position == 0) {
            assert_null(found);
            continue;
        }
        count++;
        assert_non_null(found);
        assert_memory_equal(found, &model[k], sizeof *found);
    }
    assert_int_equal(keys->count, count);
}

/* Each entry stands once, in its share. */
static void expect_shares(const struct tail_keys *keys) {
    const struct key_entry **chunks = memory_alloc((keys->count / 256 + 1) * sizeof *chunks);
    uint32_t count = 0;
    for (uint32_t share = 0; share < TAIL_KEYS_SHARES; share++) {
        uint32_t of_share = keys->shares[share].count;
        uint32_t chunk_count = tail_keys_chunks(keys, share, chunks);
        assert_int_equal(chunk_count, (of_share + 255) / 256);
        for (uint32_t i = 0; i < of_share; i++) {
            const struct key_entry *entry = &chunks[i / 256][i % 256];
            assert_int_equal(entry->low >> 56, share);
            assert_ptr_equal(tail_keys_find(keys, (struct row_key){entry->low, entry->high}),
                             entry);
        }
        count += of_share;
    }
    assert_int_equal(count, keys->count);
    memory_free(chunks);
}

static void the_latest_version_of_each_key_is_found(void **state) {
    (void)state;
    struct tail_keys keys = {0};
    uint64_t position = 1;
    memset(model, 0, sizeof model);
    assert_null(tail_keys_find(&keys, key_of(1)));
    tail_keys_prefetch(&keys, key_of(1).low);
    for (uint32_t round = 0; round < 12; round++) {
        uint32_t more = 1 + (uint32_t)random_below(&rng, 9000);
        assert_int_equal(tail_keys_reserve(&keys, more), STATUS_OK);
        while (more-- > 0) put(&keys, (uint32_t)random_below(&rng, KEYS), position++);
        expect_model(&keys);
    }
    expect_shares(&keys);
    assert_true(tail_keys_bytes(&keys) >= keys.count * sizeof(struct key_entry));
    tail_keys_release(&keys);
    assert_int_equal(keys.count, 0);
}

/* Entries never move: a reader of a frozen tail and a pinned pointer of the applier rely on it. */
static void entries_stay_where_they_are(void **state) {
    (void)state;
    struct tail_keys keys = {0};
    memset(model, 0, sizeof model);
    assert_int_equal(tail_keys_reserve(&keys, 1), STATUS_OK);
    put(&keys, 5, 1);
    const struct key_entry *first = tail_keys_find(&keys, key_of(5));
    assert_int_equal(tail_keys_reserve(&keys, KEYS), STATUS_OK);
    for (uint32_t k = 0; k < KEYS; k++) put(&keys, k, 2);
    assert_ptr_equal(tail_keys_find(&keys, key_of(5)), first);
    assert_memory_equal(first, &model[5], sizeof *first);
    expect_shares(&keys);
    tail_keys_release(&keys);
}

/* Of a key from a directory of before only the lower half is known, and the key of a row that comes
 * again takes its place. */
static void a_legacy_key_is_found_by_its_lower_half(void **state) {
    (void)state;
    struct tail_keys keys = {0};
    const struct key_entry legacy = {.low = 99, .position = 4, .flags = KEY_LEGACY};
    const struct key_entry whole = {.low = 99, .high = 7, .position = 9};
    assert_int_equal(tail_keys_reserve(&keys, 2), STATUS_OK);
    tail_keys_put(&keys, &legacy);
    assert_int_equal(tail_keys_find(&keys, (struct row_key){99, 7})->position, 4);
    assert_int_equal(tail_keys_find(&keys, (struct row_key){99, 8})->position, 4);
    assert_null(tail_keys_find(&keys, (struct row_key){98, 7}));
    tail_keys_put(&keys, &whole);
    assert_int_equal(keys.count, 1);
    assert_int_equal(tail_keys_find(&keys, (struct row_key){99, 7})->position, 9);
    assert_null(tail_keys_find(&keys, (struct row_key){99, 8}));
    tail_keys_release(&keys);
}

static enum status fill(void) {
    struct tail_keys keys = {0};
    enum status status = STATUS_OK;
    for (uint32_t k = 0; status == STATUS_OK && k < 40000; k += 4000) {
        uint32_t before = keys.count;
        status = tail_keys_reserve(&keys, 4000);
        for (uint32_t i = 0; status == STATUS_OK && i < 4000; i++) put(&keys, k + i, 1);
        /* A failed reservation has changed nothing that can be found. */
        assert_int_equal(keys.count, status ? before : before + 4000);
        if (before) assert_non_null(tail_keys_find(&keys, key_of(before / 2)));
    }
    tail_keys_release(&keys);
    return status;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    fail_every_allocation(fill, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_version_of_each_key_is_found),
        cmocka_unit_test(entries_stay_where_they_are),
        cmocka_unit_test(a_legacy_key_is_found_by_its_lower_half),
        cmocka_unit_test(no_memory_is_a_status),
    };
    random_init(&rng, 29);
    printf("seed 29\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
