/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/file/scan.h -- where in a range of bytes do two given bytes stand? 64 at a time.
 *
 * Files are mostly bytes that mean nothing to whoever cuts them: a mask of 64 bytes costs a few
 * instructions, and only its set bits are looked at. SCAN_PADDING bytes behind the range must be
 * readable. Pure; any thread. */
#ifndef INGEST_FILE_SCAN_H
#define INGEST_FILE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SCAN_PADDING 64

/* What is looked for, as a block is compared with it. */
#ifdef __SSE2__
struct scan_bytes {
    __m128i a, b;
};

static inline struct scan_bytes scan_bytes_of(char a, char b) {
    return (struct scan_bytes){_mm_set1_epi8(a), _mm_set1_epi8(b)};
}

static inline uint64_t scan_mask(const char *at, const struct scan_bytes *wanted) {
    const __m128i first = wanted->a, second = wanted->b;
    uint64_t mask = 0;
    for (int i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(bytes, first), _mm_cmpeq_epi8(bytes, second));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(hit) << (16 * i);
    }
    return mask;
}
#else
struct scan_bytes {
    char a, b;
};

static inline struct scan_bytes scan_bytes_of(char a, char b) {
    return (struct scan_bytes){a, b};
}

static inline uint64_t scan_mask(const char *at, const struct scan_bytes *wanted) {
    uint64_t mask = 0;
    for (int i = 0; i < 64; i++) mask |= (uint64_t)(at[i] == wanted->a || at[i] == wanted->b) << i;
    return mask;
}
#endif

struct scan {
    struct scan_bytes wanted;
    const char *at, *end; /* the block under the mask; the range's end */
    uint64_t mask;
};

static inline uint64_t scan_block(const struct scan *scan) {
    uint64_t mask = scan_mask(scan->at, &scan->wanted);
    ptrdiff_t left = scan->end - scan->at;
    return left >= 64 ? mask : mask & ((UINT64_C(1) << left) - 1);
}

static inline struct scan scan_start(const char *at, const char *end, char a, char b) {
    struct scan scan = {scan_bytes_of(a, b), at, end, 0};
    if (at < end) scan.mask = scan_block(&scan);
    return scan;
}

/* The next place of either byte, or NULL at the end. */
static inline const char *scan_next(struct scan *scan) {
    while (scan->mask == 0) {
        if (scan->end - scan->at <= 64) return NULL;
        scan->at += 64;
        scan->mask = scan_block(scan);
    }
    const char *hit = scan->at + __builtin_ctzll(scan->mask);
    scan->mask &= scan->mask - 1;
    return hit;
}

/* No byte above 127 and no 0 in the range. */
static inline bool scan_is_plain(const char *at, size_t length) {
    size_t i = 0;
    uint64_t odd = 0;
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
#ifdef __SSE2__
    __m128i seen = _mm_setzero_si128();
    for (; i + 16 <= length; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + i));
        seen = _mm_or_si128(seen, _mm_or_si128(bytes, _mm_cmpeq_epi8(bytes, _mm_setzero_si128())));
    }
    if (_mm_movemask_epi8(seen)) return false;
#endif
    for (; i + 8 <= length; i += 8) {
        uint64_t eight;
        __builtin_memcpy(&eight, at + i, 8);
        odd |= (eight | ((eight - ones) & ~eight)) & highs;
    }
    for (; i < length; i++) odd |= (uint64_t)((unsigned char)at[i] >= 128 || at[i] == 0);
    return odd == 0;
}

#endif
