/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/key_table.h"

#include <assert.h>

/* A slot's tag: the hash's top 32 bits above, id + 1 below; 0 is free, and a slot whose id was
 * taken back says TAKEN_BACK, which a search passes and an insert may reuse. The top bits also
 * choose the slot, so growing reads no text. With the record's address beside the tag a hit costs
 * two cache misses: the slot, the text. */
#define TAKEN_BACK      UINT64_C(0xFFFFFFFF)
#define SLOT_BITS_MIN   10
#define CHUNK_BYTES_MIN ((size_t)4096)
#define CHUNK_BYTES_MAX ((size_t)32 << 20)
#define RECORD_EXTRA    6 /* prefix and length */

struct key_slots {
    struct key_slots *older;
    size_t bytes;
    uint32_t bits;
    uint32_t used; /* not free; writer only */
    uint64_t align[5];
    struct slot {
        _Atomic uint64_t tag;
        _Atomic(const uint8_t *) record;
    } slot[];
};
struct key_chunk {
    struct key_chunk *older;
    size_t size, used;
};
typedef _Atomic(const uint8_t *) place;

static struct key_slots *slots_create(uint32_t bits) {
    size_t bytes = sizeof(struct key_slots) + (sizeof(struct slot) << bits);
    struct key_slots *slots = memory_alloc_huge(bytes);
    if (!slots) return NULL;
    slots->bytes = bytes;
    slots->bits = bits;
    return slots;
}

enum status key_table_init(struct key_table *table) {
    *table = (struct key_table){.bytes = 0};
    struct key_slots *slots = slots_create(SLOT_BITS_MIN);
    if (!slots) return STATUS_NO_MEMORY;
    table->bytes = slots->bytes;
    atomic_store_explicit(&table->slots, slots, memory_order_release);
    return STATUS_OK;
}

void key_table_release(struct key_table *table) {
    struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    while (slots) {
        struct key_slots *older = slots->older;
        memory_free_huge(slots, slots->bytes);
        slots = older;
    }
    while (table->chunk) {
        struct key_chunk *older = table->chunk->older;
        memory_free_huge(table->chunk, table->chunk->size);
        table->chunk = older;
    }
    column_release(&table->places, sizeof(place));
    *table = (struct key_table){.bytes = 0};
}

static place *place_at(const struct key_table *table, uint32_t id) {
    return column_at(&table->places, id, sizeof(place));
}

static struct key record_key(const uint8_t *record) {
    if (!record) return (struct key){0};
    uint8_t prefix = *record++;
    uint32_t length = 0, shift = 0;
    for (; *record & 0x80; shift += 7) length |= (uint32_t)(*record++ & 0x7F) << shift;
    length |= (uint32_t)*record++ << shift;
    return (struct key){prefix, {(const char *)record, length}};
}

struct key key_table_key(const struct key_table *table, uint32_t id) {
    return record_key(atomic_load_explicit(place_at(table, id), memory_order_acquire));
}

static uint32_t hash_top(uint64_t hash) {
    return (uint32_t)(hash >> 32);
}

static bool key_equal(struct key a, struct key b) {
    return a.text.at && a.prefix == b.prefix && text_equal(a.text, b.text);
}

static uint64_t slot_load(const struct key_slots *slots, size_t i) {
    return atomic_load_explicit(&slots->slot[i].tag, memory_order_acquire);
}

/* The tag is read again: a slot that was taken back meanwhile may hold another's record. */
static bool slot_holds(const struct key_slots *slots, size_t i, uint64_t tag, struct key key) {
    const uint8_t *record = atomic_load_explicit(&slots->slot[i].record, memory_order_acquire);
    return key_equal(record_key(record), key) && slot_load(slots, i) == tag;
}

/* The slot with the key, or SIZE_MAX and in *free the first that an insert may take. */
static size_t slot_find(const struct key_slots *slots, struct key key, uint64_t hash, size_t *free,
                        uint32_t *id) {
    size_t mask = ((size_t)1 << slots->bits) - 1;
    *free = SIZE_MAX;
    for (size_t i = hash_top(hash) >> (32 - slots->bits);; i = (i + 1) & mask) {
        uint64_t slot = slot_load(slots, i);
        uint32_t low = (uint32_t)slot;
        if (low == 0 || low == (uint32_t)TAKEN_BACK) {
            if (*free == SIZE_MAX) *free = i;
            if (low == 0) return SIZE_MAX;
            continue;
        }
        *id = low - 1;
        if ((uint32_t)(slot >> 32) == hash_top(hash) && slot_holds(slots, i, slot, key)) return i;
    }
}

bool key_table_find(const struct key_table *table, struct key key, uint64_t hash, uint32_t *id) {
    const struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
    size_t free;
    return slot_find(slots, key, hash, &free, id) != SIZE_MAX;
}

void key_table_prefetch_slot(const struct key_table *table, uint64_t hash) {
    const struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    __builtin_prefetch(&slots->slot[hash_top(hash) >> (32 - slots->bits)]);
}

uint32_t key_table_prefetch_text(const struct key_table *table, uint64_t hash) {
    const struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    size_t mask = ((size_t)1 << slots->bits) - 1, i = hash_top(hash) >> (32 - slots->bits);
    for (uint32_t n = 0; n < 8; n++, i = (i + 1) & mask) {
        uint64_t slot = atomic_load_explicit(&slots->slot[i].tag, memory_order_relaxed);
        uint32_t low = (uint32_t)slot;
        if (low == 0) return UINT32_MAX;
        if (low == (uint32_t)TAKEN_BACK || (uint32_t)(slot >> 32) != hash_top(hash)) continue;
        __builtin_prefetch(atomic_load_explicit(&slots->slot[i].record, memory_order_relaxed));
        return low - 1;
    }
    return UINT32_MAX;
}

static enum status grow_slots(struct key_table *table, struct key_slots *old) {
    uint32_t count = key_table_count(table), bits = old->bits;
    if (count >= (UINT32_C(1) << bits) / 2) bits++; /* else only slots taken back are in the way */
    if (bits > 31) return STATUS_LIMIT;
    struct key_slots *slots = slots_create(bits);
    if (!slots) return STATUS_NO_MEMORY;
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < (size_t)1 << old->bits; i++) {
        uint64_t slot = atomic_load_explicit(&old->slot[i].tag, memory_order_relaxed);
        if ((uint32_t)slot == 0 || (uint32_t)slot == (uint32_t)TAKEN_BACK) continue;
        size_t at = (uint32_t)(slot >> 32) >> (32 - bits);
        while (atomic_load_explicit(&slots->slot[at].tag, memory_order_relaxed))
            at = (at + 1) & mask;
        const uint8_t *record = atomic_load_explicit(&old->slot[i].record, memory_order_relaxed);
        atomic_store_explicit(&slots->slot[at].record, record, memory_order_relaxed);
        atomic_store_explicit(&slots->slot[at].tag, slot, memory_order_relaxed);
        slots->used++;
    }
    slots->older = old;
    table->bytes += slots->bytes;
    atomic_store_explicit(&table->slots, slots, memory_order_release);
    return STATUS_OK;
}

static enum status ensure_chunk(struct key_table *table, size_t bytes) {
    struct key_chunk *newest = table->chunk;
    if (newest && newest->size - newest->used >= bytes) return STATUS_OK;
    size_t size = newest ? newest->size * 2 : CHUNK_BYTES_MIN;
    if (size > CHUNK_BYTES_MAX) size = CHUNK_BYTES_MAX;
    if (size < sizeof(struct key_chunk) + bytes) size = sizeof(struct key_chunk) + bytes;
    struct key_chunk *chunk = memory_alloc_huge(size);
    if (!chunk) return STATUS_NO_MEMORY;
    *chunk = (struct key_chunk){.older = newest, .size = size, .used = sizeof(struct key_chunk)};
    table->chunk = chunk;
    table->bytes += size;
    return STATUS_OK;
}

static const uint8_t *write_record(struct key_chunk *chunk, struct key key) {
    uint8_t *record = (uint8_t *)chunk + chunk->used, *at = record;
    *at++ = key.prefix;
    uint32_t length = key.text.length;
    for (; length >= 0x80; length >>= 7) *at++ = (uint8_t)(length | 0x80);
    *at++ = (uint8_t)length;
    if (key.text.length) memcpy(at, key.text.at, key.text.length);
    chunk->used += (size_t)(at - record) + key.text.length;
    return record;
}

static enum status make_room(struct key_table *table, struct key key, uint32_t count) {
    if (count >= UINT32_C(1) << 31) return STATUS_LIMIT;
    enum status status = column_reserve(&table->places, (uint64_t)count + 1, sizeof(place));
    if (status) return status;
    status = ensure_chunk(table, (size_t)key.text.length + RECORD_EXTRA);
    if (status) return status;
    struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    uint64_t all = UINT64_C(1) << slots->bits;
    return slots->used >= all - all / 4 ? grow_slots(table, slots) : STATUS_OK;
}

/* The place first, then the count, then the slot: whoever finds the id can use it. */
static const uint8_t *record_add(struct key_table *table, struct key key, uint32_t count) {
    const uint8_t *record = write_record(table->chunk, key);
    atomic_store_explicit(place_at(table, count), record, memory_order_release);
    atomic_store_explicit(&table->count, count + 1, memory_order_release);
    return record;
}

enum status key_table_add(struct key_table *table, struct key key, uint64_t hash, uint32_t *id,
                          bool *is_new) {
    struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    size_t free;
    *is_new = slot_find(slots, key, hash, &free, id) == SIZE_MAX;
    if (!*is_new) return STATUS_OK;
    uint32_t count = key_table_count(table);
    enum status status = make_room(table, key, count);
    if (status) return status;
    struct key_slots *grown = atomic_load_explicit(&table->slots, memory_order_relaxed);
    if (grown != slots) slot_find(grown, key, hash, &free, id);
    struct slot *slot = &grown->slot[free];
    if (slot_load(grown, free) == 0) grown->used++;
    *id = count;
    atomic_store_explicit(&slot->record, record_add(table, key, count), memory_order_release);
    atomic_store_explicit(&slot->tag, (uint64_t)hash_top(hash) << 32 | (count + 1),
                          memory_order_release);
    return STATUS_OK;
}

enum status key_table_add_unlisted(struct key_table *table, struct key key, uint32_t *id) {
    uint32_t count = key_table_count(table);
    enum status status = make_room(table, key, count);
    if (status) return status;
    record_add(table, key, count);
    *id = count;
    return STATUS_OK;
}

enum status key_table_add_hole(struct key_table *table, uint32_t *id) {
    uint32_t count = key_table_count(table);
    enum status status = make_room(table, (struct key){0}, count);
    if (status) return status;
    atomic_store_explicit(place_at(table, count), NULL, memory_order_release);
    *id = count;
    atomic_store_explicit(&table->count, count + 1, memory_order_release);
    return STATUS_OK;
}

static void slot_take_back(struct key_table *table, uint32_t id) {
    struct key key = key_table_key(table, id);
    if (!key.text.at) return;
    struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    uint32_t found;
    size_t free, i = slot_find(slots, key, key_hash(key), &free, &found);
    if (i == SIZE_MAX) return; /* unlisted */
    assert(found == id);
    atomic_store_explicit(&slots->slot[i].tag, TAKEN_BACK, memory_order_release);
}

void key_table_truncate(struct key_table *table, uint32_t count) {
    for (uint32_t id = key_table_count(table); id-- > count;) {
        slot_take_back(table, id);
        atomic_store_explicit(place_at(table, id), NULL, memory_order_release);
        atomic_store_explicit(&table->count, id, memory_order_release);
    }
}

/* The outgrown slot arrays still point at the bytes: they are no key of anybody any more. */
void key_table_wipe(struct key_table *table, uint32_t id) {
    struct key key = key_table_key(table, id);
    if (!key.text.at) return;
    slot_take_back(table, id);
    atomic_store_explicit(place_at(table, id), NULL, memory_order_release);
    volatile char *bytes = (volatile char *)(uintptr_t)key.text.at;
    for (uint32_t i = 0; i < key.text.length; i++) bytes[i] = 0;
}
