/* SPDX-License-Identifier: Apache-2.0 */
/* store/tail_keys.h -- the keys of a tail: of its events, and of older rows that its
 * frames changed.
 *
 *   slot := hash, 32 bits | number of the entry + 1          open addressing, half of it empty
 *   entries lie in chunks, so that they never move
 *
 * A key has one entry here, that of its latest version. One writer, the applier; once the tail is
 * frozen any number of threads may read. */
#ifndef STORE_TAIL_KEYS_H
#define STORE_TAIL_KEYS_H

#include "event/event.h"

enum key_flag {
    KEY_RETRACTED = 1,
    /* Of a directory of before: `high`, `content`, `reading` and `version` are not known. */
    KEY_LEGACY = 2,
};

/* What is kept of a key, in memory and, sorted by (low, high), in key files. */
struct key_entry {
    uint64_t low, content;
    int64_t version;
    uint64_t position;
    uint32_t high, persona;
    uint16_t reading, source;
    uint32_t flags; /* enum key_flag */
};

/* A legacy entry is found by the lower half alone. */
static inline bool key_entry_is_of(const struct key_entry *entry, struct row_key key) {
    return entry->low == key.low && (entry->high == key.high || (entry->flags & KEY_LEGACY) != 0);
}

struct tail_keys {
    uint64_t *slot;
    struct key_entry **chunks;
    uint32_t slots, count;
    size_t chunk_count, chunk_capacity;
};

void tail_keys_release(struct tail_keys *keys);
/* Makes room for so many more; nothing can fail then. */
enum status tail_keys_reserve(struct tail_keys *keys, size_t more) MUST_USE;
/* Takes the place of the entry that the key had here. */
void tail_keys_put(struct tail_keys *keys, const struct key_entry *entry);
/* NULL: there is none. */
const struct key_entry *tail_keys_find(const struct tail_keys *keys, struct row_key key);
void tail_keys_prefetch(const struct tail_keys *keys, uint64_t low);
size_t tail_keys_bytes(const struct tail_keys *keys);

#define TAIL_KEYS_CHUNK_BITS 15
static inline struct key_entry *tail_keys_at(const struct tail_keys *keys, uint32_t i) {
    return &keys->chunks[i >> TAIL_KEYS_CHUNK_BITS][i & ((1u << TAIL_KEYS_CHUNK_BITS) - 1)];
}

#endif
