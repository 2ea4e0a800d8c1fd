/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_file_internal.h -- the bytes of a key file, for the code that writes and reads
 * them. */
#ifndef STORE_KEYS_KEY_FILE_INTERNAL_H
#define STORE_KEYS_KEY_FILE_INTERNAL_H

#include "store/keys/key_file.h"
#include "store/run/run_file.h"

#define KEY_MAGIC         UINT64_C(0x0a79656b2e747461) /* "att.key\n" */
#define KEY_TRAILER_MAGIC UINT64_C(0x0a646e652e747461) /* "att.end\n" */

enum key_section { KEY_HOT, KEY_PERSONA, KEY_POSITION, KEY_VERSION, KEY_SOURCE, KEY_PART_SECTIONS };
enum key_table { KEY_FILTER, KEY_BUCKETS, KEY_TABLES };

struct key_hot {
    uint64_t low, content;
    uint32_t high;
    uint16_t reading, flags;
};

struct key_header {
    uint64_t magic;
    uint32_t format, zero;
    uint64_t zeros[6];
};
struct key_footer {
    uint64_t count;
    uint32_t part_count, zero;
    uint64_t filter_blocks, bucket_count; /* there is one more bucket, for the end */
    uint64_t position_max, zeros[3];
    /* then: struct run_section sections[part_count * KEY_PART_SECTIONS + KEY_TABLES] */
};
struct key_trailer {
    uint64_t footer_offset, footer_length, footer_checksum;
    uint64_t zeros[4];
    uint64_t magic;
};

#define KEY_FILTER_WORDS 8 /* a block: a cache line */

/* Returns value * count / 2^64. So ranges of `value` are as equal as can be, and in order. */
static inline uint64_t key_share(uint64_t value, uint64_t count) {
    __extension__ unsigned __int128 product = (unsigned __int128)value * count;
    return (uint64_t)(product >> 64);
}
/* Returns the bits of a key in its block: one in each word. */
static inline uint64_t key_filter_bits(uint64_t low) {
    return low * UINT64_C(0x9E3779B97F4A7C15);
}
static inline uint32_t key_filter_bit(uint64_t bits, uint32_t word) {
    return (uint32_t)(bits >> (word * 8)) & 63;
}

#endif
