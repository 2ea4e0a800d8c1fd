/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "base/hash.h"
#include "base/memory.h"

/* An interner has three parts:
 *
 *   slots (open addressing)       segments (never move, double)     chunks (never move)
 *   +-----------+---------+       +-----------------------+         +-----------------+-------+
 *   | hash bits | id + 1  | ----> | address of the record | ------> | length (varint) | bytes |
 *   +-----------+---------+       +-----------------------+         +-----------------+-------+
 *
 * A miss and an insert touch one random cache line, that of the slot; a hit touches three. The 32
 * bits beside the id are the top of the hash and also choose the slot. So growing reads no text:
 * the table is in the order of those bits, and growing is one sequential pass over both tables. */
struct slot {
    uint32_t hash_bits;
    uint32_t id_plus_one; /* 0: free */
};

struct chunk {
    struct chunk *older;
    size_t size; /* of the block, with this header */
    size_t used;
};

#define SEGMENT_FIRST_BITS 9
#define SEGMENT_MAX        (33 - SEGMENT_FIRST_BITS)
#define SLOT_BITS_MIN      9
#define CHUNK_BYTES_MIN    ((size_t)4096)
#define CHUNK_BYTES_MAX    ((size_t)32 << 20)
#define LENGTH_BYTES_MAX   5

struct interner {
    struct slot *slots;
    uint32_t slot_bits;
    uint32_t count_max;
    _Atomic uint32_t count;
    struct chunk *chunk;
    const uint8_t *
        *segments[SEGMENT_MAX]; /* segment s starts at id 512 * (2^s - 1) and holds 512 * 2^s */
};

static size_t slot_bytes(uint32_t bits) {
    return sizeof(struct slot) << bits;
}

static size_t segment_bytes(uint32_t segment) {
    return sizeof(const uint8_t *) << (SEGMENT_FIRST_BITS + segment);
}

static const uint8_t **record_place(const struct interner *interner, uint32_t id) {
    uint64_t shifted = (uint64_t)id + (UINT64_C(1) << SEGMENT_FIRST_BITS);
    uint32_t top = 63 - (uint32_t)__builtin_clzll(shifted);
    return &interner->segments[top - SEGMENT_FIRST_BITS][shifted - (UINT64_C(1) << top)];
}

enum status interner_create(struct interner **out, uint32_t count_max) {
    struct interner *interner = memory_calloc(1, sizeof(*interner));
    if (!interner) return STATUS_NO_MEMORY;
    interner->slot_bits = SLOT_BITS_MIN;
    interner->count_max = count_max < UINT32_MAX ? count_max : UINT32_MAX - 1;
    interner->slots = memory_alloc_huge(slot_bytes(interner->slot_bits));
    if (!interner->slots) {
        memory_free(interner);
        return STATUS_NO_MEMORY;
    }
    *out = interner;
    return STATUS_OK;
}

static void drop_newest_chunk(struct interner *interner) {
    struct chunk *chunk = interner->chunk;
    interner->chunk = chunk->older;
    memory_free_huge(chunk, chunk->size);
}

void interner_destroy(struct interner *interner) {
    if (!interner) return;
    while (interner->chunk) drop_newest_chunk(interner);
    for (uint32_t s = 0; s < SEGMENT_MAX; s++) {
        if (interner->segments[s]) memory_free_huge(interner->segments[s], segment_bytes(s));
    }
    memory_free_huge(interner->slots, slot_bytes(interner->slot_bits));
    memory_free(interner);
}

static struct text record_text(const uint8_t *record) {
    uint32_t length = 0, shift = 0;
    while (*record & 0x80) {
        length |= (uint32_t)(*record++ & 0x7F) << shift;
        shift += 7;
    }
    length |= (uint32_t)*record++ << shift;
    return (struct text){(const char *)record, length};
}

uint32_t interner_count(const struct interner *interner) {
    return atomic_load_explicit(&interner->count, memory_order_acquire);
}

struct text interner_text(const struct interner *interner, uint32_t id) {
    return record_text(*record_place(interner, id));
}

static uint32_t hash_bits_of(uint64_t hash) {
    return (uint32_t)(hash >> 32);
}

static size_t slot_home(const struct interner *interner, uint32_t hash_bits) {
    return hash_bits >> (32 - interner->slot_bits);
}

void interner_prefetch(const struct interner *interner, uint64_t hash) {
    __builtin_prefetch(&interner->slots[slot_home(interner, hash_bits_of(hash))]);
}

/* Finds the slot that holds the text, or the free one where it belongs. */
static struct slot *slot_find(const struct interner *interner, struct text text,
                              uint32_t hash_bits) {
    size_t mask = ((size_t)1 << interner->slot_bits) - 1;
    for (size_t i = slot_home(interner, hash_bits);; i = (i + 1) & mask) {
        struct slot *slot = &interner->slots[i];
        if (slot->id_plus_one == 0) return slot;
        if (slot->hash_bits != hash_bits) continue;
        if (text_equal(interner_text(interner, slot->id_plus_one - 1), text)) return slot;
    }
}

bool interner_find(const struct interner *interner, struct text text, uint32_t *id) {
    const struct slot *slot = slot_find(interner, text, hash_bits_of(hash_text(text, 0)));
    if (slot->id_plus_one == 0) return false;
    *id = slot->id_plus_one - 1;
    return true;
}

static enum status grow_slots(struct interner *interner) {
    uint32_t old_bits = interner->slot_bits, bits = old_bits + 1;
    if (bits > 32) return STATUS_LIMIT;
    struct slot *old = interner->slots, *slots = memory_alloc_huge(slot_bytes(bits));
    if (!slots) return STATUS_NO_MEMORY;
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < (size_t)1 << old_bits; i++) {
        if (old[i].id_plus_one == 0) continue;
        size_t at = old[i].hash_bits >> (32 - bits);
        while (slots[at].id_plus_one) at = (at + 1) & mask;
        slots[at] = old[i];
    }
    memory_free_huge(old, slot_bytes(old_bits));
    interner->slots = slots;
    interner->slot_bits = bits;
    return STATUS_OK;
}

static enum status ensure_chunk(struct interner *interner, size_t bytes) {
    struct chunk *newest = interner->chunk;
    if (newest && newest->size - newest->used >= bytes) return STATUS_OK;
    size_t size = newest ? newest->size * 2 : CHUNK_BYTES_MIN;
    if (size > CHUNK_BYTES_MAX) size = CHUNK_BYTES_MAX;
    if (size < sizeof(struct chunk) + bytes) size = sizeof(struct chunk) + bytes;
    struct chunk *chunk = memory_alloc_huge(size);
    if (!chunk) return STATUS_NO_MEMORY;
    *chunk = (struct chunk){.older = newest, .size = size, .used = sizeof(struct chunk)};
    interner->chunk = chunk;
    return STATUS_OK;
}

static enum status ensure_segment(struct interner *interner, uint32_t id) {
    uint64_t shifted = (uint64_t)id + (UINT64_C(1) << SEGMENT_FIRST_BITS);
    uint32_t segment = 63 - (uint32_t)__builtin_clzll(shifted) - SEGMENT_FIRST_BITS;
    if (interner->segments[segment]) return STATUS_OK;
    interner->segments[segment] = memory_alloc_huge(segment_bytes(segment));
    return interner->segments[segment] ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Does everything that may fail, so that a failed add changes nothing. */
static enum status make_room(struct interner *interner, struct text text, uint32_t count) {
    if (count >= interner->count_max) return STATUS_LIMIT;
    enum status status = ensure_segment(interner, count);
    if (status) return status;
    status = ensure_chunk(interner, (size_t)text.length + LENGTH_BYTES_MAX);
    if (status) return status;
    uint64_t slots = UINT64_C(1) << interner->slot_bits;
    return count >= slots - slots / 4 ? grow_slots(interner) : STATUS_OK;
}

static const uint8_t *write_record(struct chunk *chunk, struct text text) {
    uint8_t *record = (uint8_t *)chunk + chunk->used, *at = record;
    uint32_t length = text.length;
    for (; length >= 0x80; length >>= 7) *at++ = (uint8_t)(length | 0x80);
    *at++ = (uint8_t)length;
    if (text.length) memcpy(at, text.at, text.length);
    chunk->used += (size_t)(at - record) + text.length;
    return record;
}

enum status interner_add_hashed(struct interner *interner, struct text text, uint64_t hash,
                                uint32_t *id, bool *is_new) {
    uint32_t hash_bits = hash_bits_of(hash);
    struct slot *slot = slot_find(interner, text, hash_bits);
    *is_new = slot->id_plus_one == 0;
    if (!*is_new) {
        *id = slot->id_plus_one - 1;
        return STATUS_OK;
    }
    uint32_t count = atomic_load_explicit(&interner->count, memory_order_relaxed),
             bits = interner->slot_bits;
    enum status status = make_room(interner, text, count);
    if (status) return status;
    if (interner->slot_bits != bits) slot = slot_find(interner, text, hash_bits);
    *record_place(interner, count) = write_record(interner->chunk, text);
    *slot = (struct slot){hash_bits, count + 1};
    *id = count;
    atomic_store_explicit(&interner->count, count + 1, memory_order_release);
    return STATUS_OK;
}

enum status interner_add(struct interner *interner, struct text text, uint32_t *id, bool *is_new) {
    return interner_add_hashed(interner, text, hash_text(text, 0), id, is_new);
}

/* Knuth 6.4, algorithm R: moves later entries of the same run back, so that no search stops early
 * at the hole. */
static void slot_remove(struct interner *interner, struct slot *slot) {
    size_t mask = ((size_t)1 << interner->slot_bits) - 1;
    size_t hole = (size_t)(slot - interner->slots);
    for (size_t i = (hole + 1) & mask; interner->slots[i].id_plus_one; i = (i + 1) & mask) {
        size_t home = slot_home(interner, interner->slots[i].hash_bits);
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        interner->slots[hole] = interner->slots[i];
        hole = i;
    }
    interner->slots[hole] = (struct slot){0};
}

static bool chunk_holds(const struct chunk *chunk, const uint8_t *record) {
    const uint8_t *start = (const uint8_t *)chunk;
    return record >= start && record < start + chunk->used;
}

void interner_truncate(struct interner *interner, uint32_t count) {
    uint32_t old_count = interner_count(interner);
    if (count >= old_count) return;
    for (uint32_t id = old_count; id-- > count;) {
        struct text text = interner_text(interner, id);
        struct slot *slot = slot_find(interner, text, hash_bits_of(hash_text(text, 0)));
        assert(slot->id_plus_one == id + 1);
        slot_remove(interner, slot);
    }
    const uint8_t *first = *record_place(interner, count);
    while (!chunk_holds(interner->chunk, first)) drop_newest_chunk(interner);
    interner->chunk->used = (size_t)(first - (const uint8_t *)interner->chunk);
    atomic_store_explicit(&interner->count, count, memory_order_release);
}
