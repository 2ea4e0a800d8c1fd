/* SPDX-License-Identifier: Apache-2.0 */
/* identity/key_table.h -- distinct keys (a prefix byte and text) to dense ids 0, 1, 2 …
 *
 * It does what the interner of base/hash.h does, and three things more. Any thread may look a key
 * up while one thread adds keys. A lookup can be done in stages over a batch, so that its two cache
 * misses (slot, text) overlap with those of its neighbours. And a key can be wiped, whose id then
 * stays as a hole. Slots are 64-bit atomics. A slot array that was outgrown is kept until the table
 * is released, since readers may still be in it; all of these together are as large as the newest.
 * Text lies in chunks that never move and are never reused. */
#ifndef IDENTITY_KEY_TABLE_H
#define IDENTITY_KEY_TABLE_H

#include <stdatomic.h>
#include "base/hash.h"
#include "identity/column.h"

struct key {
    uint8_t prefix;
    struct text text;
};
struct key_slots;
struct key_chunk;
struct key_table {
    _Atomic(struct key_slots *) slots;
    struct column_store
        places; /* _Atomic(const uint8_t *) by id: prefix, varint length, bytes; NULL: a hole */
    struct key_chunk *chunk;
    _Atomic uint32_t count;
    uint64_t bytes; /* held, about */
};

/* The prefix is hashed before it becomes the seed. XXH3 mixes a small seed into the last bytes of a
 * short text alone, so that "12" under one prefix had the hash of "13" under another. */
static inline uint64_t key_hash(struct key key) {
    return hash_text(key.text, hash_u64(key.prefix));
}
enum status key_table_init(struct key_table *table) MUST_USE;
void key_table_release(struct key_table *table);

/* Writer. A failed add leaves no trace. */
enum status key_table_add(struct key_table *table, struct key key, uint64_t hash, uint32_t *id,
                          bool *is_new) MUST_USE;
/* Adds a key that can be read by its id but is not found by a lookup. For callers that know in
 * another way that the key is new. */
enum status key_table_add_unlisted(struct key_table *table, struct key key, uint32_t *id) MUST_USE;
enum status key_table_add_hole(struct key_table *table, uint32_t *id) MUST_USE;
void key_table_truncate(struct key_table *table, uint32_t count);
void key_table_wipe(struct key_table *table,
                    uint32_t id); /* overwrites the bytes; the id is a hole from now on */

/* Any thread may call it. The id may be above a count that the caller has read before. */
bool key_table_find(const struct key_table *table, struct key key, uint64_t hash, uint32_t *id);
struct key key_table_key(const struct key_table *table, uint32_t id); /* text.at NULL: a hole */
static inline uint32_t key_table_count(const struct key_table *table) {
    return atomic_load_explicit(&table->count, memory_order_acquire);
}

/* The two stages of a lookup. Call the first for a whole block of keys, then the second, then find
 * or add. The second returns the id that will probably be found, or UINT32_MAX. */
void key_table_prefetch_slot(const struct key_table *table, uint64_t hash);
uint32_t key_table_prefetch_text(const struct key_table *table, uint64_t hash);

#endif
