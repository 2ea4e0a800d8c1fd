/* SPDX-License-Identifier: Apache-2.0 */
/* identity/key_table.h -- distinct keys (a prefix byte and text) to dense ids 0, 1, 2 …
 *
 * It does what the interner of base/hash.h does, and three things more. Any thread may look a key
 * up while one thread adds keys. A lookup can be done in stages over a batch, so that its two cache
 * misses (slot, text) overlap with those of its neighbours. And a key can be wiped, whose id then
 * stays as a hole. Slots are 64-bit atomics. A slot array that was outgrown is kept until the table
 * is released, since readers may still be in it; all of these together are as large as the newest.
 *
 * Slots and ids refer to text by a number and not by an address, so that a table can be written to
 * an image (base/image.h) as it is, and begin as what an image holds. The bytes of all keys are one
 * long row, cut into segments that double; they never move and are never reused. */
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

#define KEY_TEXT_FIRST_BITS 12
#define KEY_TEXT_SEGMENTS   28
/* Segment s starts at byte 4096 * (2^s - 1) and holds 4096 * 2^s bytes. No key lies in two. */
struct key_texts {
    uint8_t *segments[KEY_TEXT_SEGMENTS];
    uint64_t used;   /* the first byte that is free */
    uint32_t mapped; /* so many segments lie in an image */
};
struct key_table {
    _Atomic(struct key_slots *) slots;
    /* _Atomic uint64_t by id, + 1: where its prefix, varint length and bytes begin; 0: a hole. */
    struct column_store places;
    struct key_texts texts;
    _Atomic uint32_t count;
    uint64_t bytes; /* held, about */
};

/* The prefix is hashed before it becomes the seed. XXH3 mixes a small seed into the last bytes of a
 * short text alone, so that "12" under one prefix had the hash of "13" under another. */
static inline uint64_t key_hash(struct key key) {
    return hash_text(key.text, hash_u64(key.prefix));
}
enum status key_table_init(struct key_table *table) MUST_USE;
void key_table_release(struct key_table *table); /* a zeroed one is allowed */

/* The table as the sections tag, tag + 1 and tag + 2 of an image. */
#define KEY_TABLE_SECTIONS 3
enum status key_table_write(const struct key_table *table, struct image_writer *writer,
                            uint32_t tag, struct error *error) MUST_USE;
/* In place of key_table_init: the table as it was written. It uses the image's bytes and room, so
 * the image must outlive it. Every slot and place is checked, so that no lookup reads outside of
 * the image; that a slot's text is that of its id is not. STATUS_CORRUPT where they make no table;
 * on failure the table is zeroed. */
enum status key_table_begin(struct key_table *table, const struct image *image,
                            uint32_t tag) MUST_USE;

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
