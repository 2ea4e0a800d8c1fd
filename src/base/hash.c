/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <pthread.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, length, seed);
}

#define CRC32C_POLYNOMIAL_REVERSED UINT32_C(0x82F63B78)

static uint32_t crc_table[8][256];
static pthread_once_t crc_table_once = PTHREAD_ONCE_INIT;

static void crc_table_fill(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL_REVERSED : 0);
        crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            uint32_t before = crc_table[k - 1][i];
            crc_table[k][i] = (before >> 8) ^ crc_table[0][before & 0xFF];
        }
    }
}

/* Slicing by eight: table k holds what a byte becomes after k more zero bytes. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t length) {
    pthread_once(&crc_table_once, crc_table_fill);
    const uint8_t *at = bytes;
    crc = ~crc;
    for (; length >= 8; at += 8, length -= 8) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                              (uint32_t)at[3] << 24);
        crc = crc_table[7][low & 0xFF] ^ crc_table[6][(low >> 8) & 0xFF] ^
              crc_table[5][(low >> 16) & 0xFF] ^ crc_table[4][low >> 24] ^ crc_table[3][at[4]] ^
              crc_table[2][at[5]] ^ crc_table[1][at[6]] ^ crc_table[0][at[7]];
    }
    for (; length; at++, length--) crc = (crc >> 8) ^ crc_table[0][(crc ^ *at) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
/* The instruction gives its result after three cycles and can begin each cycle, so three streams
 * run beside each other. What comes before a stream counts as if as many zero bytes followed it:
 * x^(8 n - 33) mod P, multiplied without carries, moves a checksum over n bytes (the instruction
 * itself multiplies by x^32, and a product of two reflected numbers lacks one bit). */
#define CRC_STREAM 512u
#define CRC_OVER_1 UINT64_C(0xdd7e3b0c)
#define CRC_OVER_2 UINT64_C(0x170076fa)
#define CRC_TARGET __attribute__((target("sse4.2,pclmul")))

static inline uint64_t crc_eight(const uint8_t *at) {
    uint64_t eight;
    memcpy(&eight, at, 8);
    return eight;
}

CRC_TARGET static inline uint64_t crc_over(uint64_t crc, uint64_t factor) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc),
                                           _mm_cvtsi64_si128((int64_t)factor), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

CRC_TARGET static uint32_t crc32c_hardware(uint32_t crc, const uint8_t *at, size_t length) {
    uint64_t wide = ~crc;
    for (; length >= 3 * CRC_STREAM; at += 3 * CRC_STREAM, length -= 3 * CRC_STREAM) {
        uint64_t second = 0, third = 0;
        for (size_t i = 0; i < CRC_STREAM; i += 8) {
            wide = __builtin_ia32_crc32di(wide, crc_eight(at + i));
            second = __builtin_ia32_crc32di(second, crc_eight(at + CRC_STREAM + i));
            third = __builtin_ia32_crc32di(third, crc_eight(at + 2 * CRC_STREAM + i));
        }
        uint64_t before = crc_over(wide, CRC_OVER_2) ^ crc_over(second, CRC_OVER_1);
        wide = third ^ __builtin_ia32_crc32di(0, before);
    }
    for (; length >= 8; at += 8, length -= 8) wide = __builtin_ia32_crc32di(wide, crc_eight(at));
    uint32_t narrow = (uint32_t)wide;
    for (; length; at++, length--) narrow = __builtin_ia32_crc32qi(narrow, *at);
    return ~narrow;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
        return crc32c_hardware(crc, bytes, length);
#endif
    return crc32c_portable(crc, bytes, length);
}
