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

#define FIRST UINT64_C(1000) /* position of the tails here; some keys lead to events before it */

/* Most keys of a tail are of its own events and have neither version nor flags. */
static void put(struct tail_keys *keys, uint32_t k, uint64_t position) {
    struct row_key key = key_of(k);
    bool is_event = random_below(&rng, 4) != 0, is_short = random_below(&rng, 50) == 0;
    model[k] = (struct key_entry){
        .low = key.low,
        .high = key.high,
        .content = random_u64(&rng),
        .version = random_below(&rng, 3) ? ROW_VERSION_NONE : (int64_t)random_below(&rng, 100),
        .position = !is_event && random_below(&rng, 2) ? position : FIRST + position,
        .persona = (uint32_t)random_below(&rng, 1000),
        .reading = (uint16_t)random_below(&rng, 3),
        .source = (uint16_t)random_below(&rng, 3),
        .flags = is_event ? (is_short && k % 9 < 7 ? KEY_LEGACY : 0)
                          : (random_below(&rng, 20) ? 0 : KEY_RETRACTED)};
    if (!is_event) {
        tail_keys_put(keys, &model[k]);
        return;
    }
    const struct event event = {.key = key,
                                .key_is_short = model[k].flags == KEY_LEGACY,
                                .content = model[k].content,
                                .version = model[k].version,
                                .persona = {model[k].persona},
                                .reading = model[k].reading,
                                .source = model[k].source};
    tail_keys_put_event(keys, &event, model[k].position);
}

static bool finds(const struct tail_keys *keys, struct row_key key) {
    struct key_entry ignored;
    return tail_keys_find(keys, key, &ignored);
}

static uint64_t position_of(const struct tail_keys *keys, struct row_key key) {
    struct key_entry entry;
    assert_true(tail_keys_find(keys, key, &entry));
    return entry.position;
}

static void expect_model(const struct tail_keys *keys) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < KEYS; k++) {
        struct key_entry found;
        bool is_there = tail_keys_find(keys, key_of(k), &found);
        assert_int_equal(is_there, model[k].position != 0);
        if (!is_there) continue;
        count++;
        assert_memory_equal(&found, &model[k], sizeof found);
    }
    assert_int_equal(keys->count, count);
}

/* Each entry stands once, in its share. */
static void expect_shares(const struct tail_keys *keys) {
    const struct tail_key **chunks = memory_alloc((keys->count / 256 + 1) * sizeof *chunks);
    uint32_t count = 0;
    for (uint32_t share = 0; share < TAIL_KEYS_SHARES; share++) {
        uint32_t of_share = keys->shares[share].count;
        uint32_t chunk_count = tail_keys_chunks(keys, share, chunks);
        assert_int_equal(chunk_count, (of_share + 255) / 256);
        for (uint32_t i = 0; i < of_share; i++) {
            const struct tail_key *key = &chunks[i / 256][i % 256];
            struct key_entry told, found;
            tail_keys_tell(keys, key, &told);
            assert_int_equal(told.low >> 56, share);
            assert_true(tail_keys_find(keys, (struct row_key){told.low, told.high}, &found));
            assert_memory_equal(&told, &found, sizeof found);
        }
        count += of_share;
    }
    assert_int_equal(count, keys->count);
    memory_free(chunks);
}

static void the_latest_version_of_each_key_is_found(void **state) {
    (void)state;
    struct tail_keys keys;
    tail_keys_init(&keys, FIRST);
    uint64_t position = 1;
    memset(model, 0, sizeof model);
    assert_false(finds(&keys, key_of(1)));
    tail_keys_prefetch(&keys, key_of(1).low);
    for (uint32_t round = 0; round < 12; round++) {
        uint32_t more = 1 + (uint32_t)random_below(&rng, 9000);
        assert_int_equal(tail_keys_reserve(&keys, more), STATUS_OK);
        while (more-- > 0) put(&keys, (uint32_t)random_below(&rng, KEYS), position++);
        expect_model(&keys);
    }
    expect_shares(&keys);
    assert_true(tail_keys_bytes(&keys) >= keys.count * sizeof(struct tail_key));
    tail_keys_release(&keys);
    assert_int_equal(keys.count, 0);
}

/* Keys never move: whoever reads a frozen tail walks over its chunks. */
static void keys_stay_where_they_are(void **state) {
    (void)state;
    struct tail_keys keys;
    tail_keys_init(&keys, FIRST);
    memset(model, 0, sizeof model);
    assert_int_equal(tail_keys_reserve(&keys, 1), STATUS_OK);
    put(&keys, 5, 1);
    const struct tail_key *first[1];
    assert_int_equal(tail_keys_chunks(&keys, (uint32_t)(key_of(5).low >> 56), first), 1);
    const struct tail_key *before = first[0];
    assert_int_equal(tail_keys_reserve(&keys, KEYS), STATUS_OK);
    for (uint32_t k = 0; k < KEYS; k++) put(&keys, k, 2);
    struct key_entry told;
    tail_keys_tell(&keys, before, &told);
    assert_memory_equal(&told, &model[5], sizeof told);
    expect_shares(&keys);
    tail_keys_release(&keys);
}

/* Of a key from a directory of before only the lower half is known, and the key of a row that comes
 * again takes its place. */
static void a_legacy_key_is_found_by_its_lower_half(void **state) {
    (void)state;
    struct tail_keys keys;
    tail_keys_init(&keys, FIRST);
    const struct key_entry legacy = {
        .low = 99, .position = 4, .version = ROW_VERSION_NONE, .flags = KEY_LEGACY};
    const struct key_entry whole = {.low = 99, .high = 7, .position = 9};
    assert_int_equal(tail_keys_reserve(&keys, 2), STATUS_OK);
    tail_keys_put(&keys, &legacy);
    assert_int_equal(position_of(&keys, (struct row_key){99, 7}), 4);
    assert_int_equal(position_of(&keys, (struct row_key){99, 8}), 4);
    assert_false(finds(&keys, (struct row_key){98, 7}));
    tail_keys_put(&keys, &whole);
    assert_int_equal(keys.count, 1);
    assert_int_equal(position_of(&keys, (struct row_key){99, 7}), 9);
    assert_false(finds(&keys, (struct row_key){99, 8}));
    tail_keys_release(&keys);
}

static void put_plain(struct tail_keys *keys, uint64_t k) {
    const struct event event = {
        .key = {hash_u64(k), (uint32_t)k}, .content = k, .version = ROW_VERSION_NONE};
    tail_keys_put_event(keys, &event, FIRST + k);
}

/* Beyond a quarter of a million slots they grow where they are. Each growth puts all keys anew. */
static void a_large_tail_grows_in_place(void **state) {
    (void)state;
    const uint64_t count = 1100000, step = 5000;
    const uint32_t *place = NULL;
    struct tail_keys keys;
    uint32_t growths = 0, moved = 0, slots = 0;
    tail_keys_init(&keys, FIRST);
    for (uint64_t k = 0; k < count; k += step) {
        assert_int_equal(tail_keys_reserve(&keys, step), STATUS_OK);
        bool has_grown = keys.slots != slots && keys.slots > 1u << 18;
        growths += has_grown;
        moved += has_grown && keys.slot != place;
        place = keys.slot;
        slots = keys.slots;
        for (uint64_t i = 0; has_grown && i < k; i += 7) {
            struct row_key key = {hash_u64(i), (uint32_t)i};
            assert_int_equal(position_of(&keys, key), FIRST + i);
        }
        for (uint64_t i = k; i < k + step; i++) put_plain(&keys, i);
        assert_false(finds(&keys, (struct row_key){hash_u64(k + step), (uint32_t)(k + step)}));
    }
    assert_int_equal(growths, 4);
    assert_int_equal(moved, 1);
    expect_shares(&keys);
    assert_int_equal(keys.count, count);
    tail_keys_release(&keys);
}

static enum status fill(void) {
    struct tail_keys keys;
    tail_keys_init(&keys, FIRST);
    enum status status = STATUS_OK;
    for (uint32_t k = 0; status == STATUS_OK && k < 40000; k += 4000) {
        uint32_t before = keys.count;
        status = tail_keys_reserve(&keys, 4000);
        for (uint32_t i = 0; status == STATUS_OK && i < 4000; i++) put(&keys, k + i, 1);
        /* A failed reservation has changed nothing that can be found. */
        assert_int_equal(keys.count, status ? before : before + 4000);
        if (before > 0) assert_true(finds(&keys, key_of(before / 2)));
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
        cmocka_unit_test(keys_stay_where_they_are),
        cmocka_unit_test(a_large_tail_grows_in_place),
        cmocka_unit_test(a_legacy_key_is_found_by_its_lower_half),
        cmocka_unit_test(no_memory_is_a_status),
    };
    random_init(&rng, 29);
    printf("seed 29\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
