/* SPDX-License-Identifier: Apache-2.0 */
/* store/tail/tail_keys.h -- the keys of a tail: of its events, and of older rows that its
 * frames changed.
 *
 *   slot := some bits of the hash | number of the key + 1    open addressing, half of it empty
 *   keys lie in chunks, so that they never move; a chunk has keys of one share (the upper 8 bits),
 *   so that a fold sorts one share after the other in the cache
 *
 * A tail has millions of keys, and fresh memory is what they cost most. So a key takes 32 bytes and
 * a slot 4. What few keys have stands in a list beside them: a version, flags, or a position before
 * the tail.
 *
 * A key has one entry here, that of its latest version. One writer, the applier; once the tail is
 * frozen any number of threads may read. */
#ifndef STORE_TAIL_TAIL_KEYS_H
#define STORE_TAIL_TAIL_KEYS_H

#include "event/event.h"

enum key_flag {
    KEY_RETRACTED = 1,
    /* From an older directory: `high`, `content`, `reading` and `version` are not known. */
    KEY_LEGACY = 2,
};

/* What is known of a key. Key files keep entries sorted by (low, high). */
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

/* An entry as a tail keeps it: two in a cache line. */
struct tail_key {
    uint64_t low, content;
    uint32_t high, persona;
    uint32_t place; /* its position, from the tail's first one on; or TAIL_KEY_RARE | index */
    uint16_t reading, source;
};
#define TAIL_KEY_RARE (UINT32_C(1) << 31)

struct tail_key_rare {
    uint64_t position;
    int64_t version;
    uint32_t flags;
};

#define TAIL_KEYS_SHARES     256u
#define TAIL_KEYS_CHUNK_BITS 8
#define TAIL_KEYS_CHUNK      (1u << TAIL_KEYS_CHUNK_BITS)

struct tail_keys_chunk {
    struct tail_key *keys;
    uint32_t before; /* the chunk of the same share that was filled before it + 1 */
};

struct tail_keys {
    uint32_t *slot;
    struct tail_keys_chunk *chunks; /* begun, then empty ones */
    struct {
        struct tail_key *next; /* where the next key goes; NULL: into a new chunk */
        uint32_t chunk;        /* the one that is being filled + 1 */
        uint32_t count;        /* keys of the share */
    } shares[TAIL_KEYS_SHARES];
    uint64_t first_position; /* of the tail */
    uint32_t slots, count;
    uint32_t slot_room;   /* slots that memory is mapped for */
    uint32_t number_bits; /* of a slot; the others are the hash's */
    uint32_t chunk_count, begun_count;
    size_t chunk_capacity;
    struct tail_key_rare *rare;
    size_t rare_count, rare_capacity;
};

void tail_keys_init(struct tail_keys *keys, uint64_t first_position);
void tail_keys_release(struct tail_keys *keys);
/* Makes room for so many more; nothing can fail then. */
enum status tail_keys_reserve(struct tail_keys *keys, size_t more) MUST_USE;
/* Takes the place of the entry that the key had here. */
void tail_keys_put(struct tail_keys *keys, const struct key_entry *entry);
/* The same for an event that has a key. */
void tail_keys_put_event(struct tail_keys *keys, const struct event *event, uint64_t position);
/* False: there is none. */
bool tail_keys_find(const struct tail_keys *keys, struct row_key key, struct key_entry *out);
/* Brings into the cache what a look-up of this key touches first, and where it would be added. */
void tail_keys_prefetch(const struct tail_keys *keys, uint64_t low);
size_t tail_keys_bytes(const struct tail_keys *keys);

void tail_keys_tell(const struct tail_keys *keys, const struct tail_key *key,
                    struct key_entry *out);

/* The chunks of a share in the order in which they were filled; `out` has room for all that it can
 * have: count / 256 and one more. Returns how many. */
uint32_t tail_keys_chunks(const struct tail_keys *keys, uint32_t share,
                          const struct tail_key **out);

#endif
