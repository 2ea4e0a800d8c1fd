/* SPDX-License-Identifier: Apache-2.0 */
/* base/bits.h -- counts bits. The compiler's own way calls into a library where the processor is
 * not known to have an instruction for it. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdint.h>

static inline uint32_t bits_count(uint64_t bits) {
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (uint32_t)((bits * 0x0101010101010101) >> 56);
}

#endif
