/* SPDX-License-Identifier: Apache-2.0 */
/* base/hash.h -- 64-bit hashing (XXH3), CRC32C, and an interner from text to dense ids. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdatomic.h>
#include "base/text.h"

uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed); /* XXH3 64 */
static inline uint64_t hash_text(struct text text, uint64_t seed) {
    return hash_bytes(text.at, text.length, seed);
}
/* The finaliser of splitmix64. Every step can be undone, so different values have different hashes.
 */
static inline uint64_t hash_u64(uint64_t value) {
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}
/* CRC32C (Castagnoli), SSE4.2 where the processor has it. Start with crc = 0; chains:
 * crc32c(crc32c(0,a),b). */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);
/* The same without the processor's instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t length);

/* Interner: every distinct byte string gets the next id, 0, 1, 2 …; ids and the returned text stay
 * valid until release (text lives in chunks that never move). One writer; any number of readers may
 * call interner_text for ids below a count that they read with interner_count (which is published
 * with release order). interner_find is for the writer thread, or for any thread while nobody
 * writes. Sized for 10^7 and more keys: open addressing, huge pages. */
struct interner;
enum status interner_create(struct interner **out, uint32_t count_max) MUST_USE;
void interner_destroy(struct interner *interner);
enum status interner_add(struct interner *interner, struct text text, uint32_t *id,
                         bool *is_new) MUST_USE;
/* interner_add where the caller has the hash already: it must be hash_text(text, 0). */
enum status interner_add_hashed(struct interner *interner, struct text text, uint64_t hash,
                                uint32_t *id, bool *is_new) MUST_USE;
bool interner_find(const struct interner *interner, struct text text, uint32_t *id);
void interner_prefetch(const struct interner *interner, uint64_t hash);
struct text interner_text(const struct interner *interner, uint32_t id);
uint32_t interner_count(const struct interner *interner);
/* Forgets ids >= count, newest first (to undo a batch that could not be written). Writer only. */
void interner_truncate(struct interner *interner, uint32_t count);

#endif
