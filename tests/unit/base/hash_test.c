/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/hash.h"
#include "base/random.h"

static void crc32c_known_vectors(void **state) {
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    /* RFC 3720, appendix B.4 */
    memset(bytes, 0, 32);
    assert_int_equal(crc32c(0, bytes, 32), 0x8A9136AA);
    memset(bytes, 0xFF, 32);
    assert_int_equal(crc32c(0, bytes, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46DD794E);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, bytes, 32), 0x113FDB5C);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void crc32c_chains_and_agrees_with_the_portable_one(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 5);
    static uint8_t bytes[9000]; /* longer than some rounds of the three streams */
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)random_u64(&random);
    for (int i = 0; i < 2000; i++) {
        size_t start = random_below(&random, 8),
               length = random_below(&random, i % 2 ? 290 : sizeof(bytes) - 8),
               cut = random_below(&random, length + 1);
        uint32_t whole = crc32c(0, bytes + start, length);
        assert_int_equal(crc32c_portable(0, bytes + start, length), whole);
        assert_int_equal(crc32c(crc32c(0, bytes + start, cut), bytes + start + cut, length - cut),
                         whole);
    }
}

static void hashes_are_stable(void **state) {
    (void)state;
    /* Hashes are on disk: these values must never change. XXH3_64bits("") is from the xxHash test
     * suite. */
    assert_true(hash_bytes(NULL, 0, 0) == UINT64_C(0x2D06800538D394C2));
    assert_true(hash_text(TEXT("attune"), 0) == hash_bytes("attune", 6, 0));
    assert_true(hash_text(TEXT("attune"), 0) != hash_text(TEXT("attune"), 1));
    assert_true(hash_u64(1) == UINT64_C(0x5692161D100B05E5));
    assert_true(hash_u64(0) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_known_vectors),
        cmocka_unit_test(crc32c_chains_and_agrees_with_the_portable_one),
        cmocka_unit_test(hashes_are_stable),
    };
    return cmocka_run_group_tests_name("base hash", tests, NULL, NULL);
}
