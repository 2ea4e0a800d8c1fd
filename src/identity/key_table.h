/* SPDX-License-Identifier: Apache-2.0 */
/* identity/key_table.h -- distinct keys (a prefix byte and text) to dense ids 0, 1, 2 …
 *
 * Like base/hash.h's interner, with three things more: any thread may find while one writes; a
 * lookup can be staged over a batch, so that its two cache misses (slot, text) overlap with those
 * of its neighbours; and a key can be wiped, its id staying as a hole. Slots are 64-bit atomics;
 * outgrown slot arrays are kept until destroy for readers still in them (all of them together are
 * as large as the newest). Text lies in chunks that never move and are never reused. */
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

/* The prefix is spread over all bits first: XXH3 lays a small seed over a short text's last bytes,
 * and "12" of one prefix was "13" of another. */
static inline uint64_t key_hash(struct key key) {
    return hash_text(key.text, hash_u64(key.prefix));
}
enum status key_table_init(struct key_table *table) MUST_USE;
void key_table_release(struct key_table *table);

/* Writer. A failed add leaves no trace. */
enum status key_table_add(struct key_table *table, struct key key, uint64_t hash, uint32_t *id,
                          bool *is_new) MUST_USE;
/* The key can be read by its id, but isn't found: for who knows otherwise that it's new. */
enum status key_table_add_unlisted(struct key_table *table, struct key key, uint32_t *id) MUST_USE;
enum status key_table_add_hole(struct key_table *table, uint32_t *id) MUST_USE;
void key_table_truncate(struct key_table *table, uint32_t count);
void key_table_wipe(struct key_table *table,
                    uint32_t id); /* overwrites the bytes; the id is a hole from now on */

/* Any thread. `id` may turn out to be above a count read before. */
bool key_table_find(const struct key_table *table, struct key key, uint64_t hash, uint32_t *id);
struct key key_table_key(const struct key_table *table, uint32_t id); /* text.at NULL: a hole */
static inline uint32_t key_table_count(const struct key_table *table) {
    return atomic_load_explicit(&table->count, memory_order_acquire);
}

/* The stages, to be called for a whole block of keys one after the other, before find or add. The
 * second returns the id that is probably found, or UINT32_MAX. */
void key_table_prefetch_slot(const struct key_table *table, uint64_t hash);
uint32_t key_table_prefetch_text(const struct key_table *table, uint64_t hash);

#endif
