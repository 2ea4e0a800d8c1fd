/* SPDX-License-Identifier: Apache-2.0 */
/* store/tail/tail_keys.h -- the keys of a tail: of its events, and of older rows that its
 * frames changed.
 *
 *   slot := hash, 32 bits | number of the entry + 1          open addressing, half of it empty
 *   entries lie in chunks, so that they never move; a chunk has entries of one share of the keys
 *   (the upper 8 bits), so that a fold sorts one share after the other in the cache
 *
 * A key has one entry here, that of its latest version. One writer, the applier; once the tail is
 * frozen any number of threads may read. */
#ifndef STORE_TAIL_TAIL_KEYS_H
#define STORE_TAIL_TAIL_KEYS_H

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

#define TAIL_KEYS_SHARES     256u
#define TAIL_KEYS_CHUNK_BITS 8

struct tail_keys_chunk {
    struct key_entry *entries;
    uint32_t before; /* the chunk of the same share that was filled before it + 1 */
};

struct tail_keys {
    uint64_t *slot;
    struct tail_keys_chunk *chunks; /* begun, then empty ones */
    struct {
        uint32_t chunk; /* the one that is being filled + 1 */
        uint32_t count; /* entries of the share */
    } shares[TAIL_KEYS_SHARES];
    uint32_t slots, count;
    uint32_t chunk_count, begun_count;
    size_t chunk_capacity;
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

static inline struct key_entry *tail_keys_at(const struct tail_keys *keys, uint32_t number) {
    return &keys->chunks[number >> TAIL_KEYS_CHUNK_BITS]
                .entries[number & ((1u << TAIL_KEYS_CHUNK_BITS) - 1)];
}

/* The chunks of a share in the order in which they were filled; `out` has room for all that it can
 * have: count / 256 and one more. Returns how many. */
uint32_t tail_keys_chunks(const struct tail_keys *keys, uint32_t share,
                          const struct key_entry **out);

#endif
