/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tail/tail_keys.h"

#include <assert.h>
#include "base/hash.h"
#include "base/memory.h"

#define SLOTS_MIN   1024u
#define CHUNK_BYTES (sizeof(struct key_entry) << TAIL_KEYS_CHUNK_BITS)
/* Chunks that are allocated together: few at first; of a tail that grows so many that they fill
 * huge pages, which cost far fewer page faults. */
#define GROUP_FIRST 128u
#define GROUP_LATER 512u

static_assert(sizeof(struct key_entry) == 48, "no padding between the fields");

static inline uint32_t group_from(uint32_t chunk) {
    return chunk < GROUP_LATER ? GROUP_FIRST : GROUP_LATER;
}

void tail_keys_release(struct tail_keys *keys) {
    for (uint32_t i = 0; i < keys->chunk_count; i += group_from(i))
        memory_free_huge(keys->chunks[i].entries, group_from(i) * CHUNK_BYTES);
    memory_free(keys->chunks);
    memory_free_huge(keys->slot, (size_t)keys->slots * sizeof(*keys->slot));
    *keys = (struct tail_keys){0};
}

size_t tail_keys_bytes(const struct tail_keys *keys) {
    return keys->slots * sizeof(*keys->slot) + keys->chunk_count * CHUNK_BYTES;
}

static inline uint32_t hash_of(uint64_t low) {
    return (uint32_t)hash_u64(low);
}

/* The hash stands in the slot, so that growing reads no entries. */
static void put_slot(struct tail_keys *keys, uint64_t slot) {
    uint32_t mask = keys->slots - 1, i = (uint32_t)(slot >> 32) & mask;
    while (keys->slot[i]) i = (i + 1) & mask;
    keys->slot[i] = slot;
}

static enum status reserve_slots(struct tail_keys *keys, size_t more) {
    uint64_t slots = keys->slots ? keys->slots : SLOTS_MIN;
    while (keys->count + more > slots / 2) slots *= 2;
    if (slots == keys->slots) return STATUS_OK;
    if (slots > UINT32_MAX / 2) return STATUS_LIMIT;
    uint64_t *before = keys->slot, *larger = memory_alloc_huge((size_t)slots * sizeof(*larger));
    uint32_t before_slots = keys->slots;
    if (!larger) return STATUS_NO_MEMORY;
    keys->slot = larger;
    keys->slots = (uint32_t)slots;
    for (uint32_t i = 0; i < before_slots; i++)
        if (before[i]) put_slot(keys, before[i]);
    memory_free_huge(before, (size_t)before_slots * sizeof(*before));
    return STATUS_OK;
}

/* Each share may begin a chunk more than its entries fill. */
static enum status reserve_entries(struct tail_keys *keys, size_t more) {
    size_t begins =
        (more < TAIL_KEYS_SHARES ? more : TAIL_KEYS_SHARES) + (more >> TAIL_KEYS_CHUNK_BITS);
    size_t chunks = keys->begun_count + begins;
    if (chunks >> (32 - TAIL_KEYS_CHUNK_BITS) != 0) return STATUS_LIMIT;
    while (keys->chunk_count < chunks) {
        uint32_t count = group_from(keys->chunk_count);
        enum status status = memory_grow((void **)&keys->chunks, &keys->chunk_capacity,
                                         keys->chunk_count + count, sizeof(*keys->chunks));
        struct key_entry *group =
            status == STATUS_OK ? memory_alloc_huge(count * CHUNK_BYTES) : NULL;
        if (!group) return STATUS_NO_MEMORY;
        for (uint32_t i = 0; i < count; i++)
            keys->chunks[keys->chunk_count + i].entries = group + (i << TAIL_KEYS_CHUNK_BITS);
        keys->chunk_count += count;
    }
    return STATUS_OK;
}

enum status tail_keys_reserve(struct tail_keys *keys, size_t more) {
    if (more == 0) return STATUS_OK;
    enum status status = reserve_slots(keys, more);
    return status ? status : reserve_entries(keys, more);
}

const struct key_entry *tail_keys_find(const struct tail_keys *keys, struct row_key key) {
    if (keys->count == 0) return NULL;
    uint32_t hash = hash_of(key.low), mask = keys->slots - 1;
    for (uint32_t i = hash & mask; keys->slot[i]; i = (i + 1) & mask) {
        if (keys->slot[i] >> 32 != hash) continue;
        const struct key_entry *entry = tail_keys_at(keys, (uint32_t)keys->slot[i] - 1);
        if (key_entry_is_of(entry, key)) return entry;
    }
    return NULL;
}

/* tail_keys_reserve has made room. */
static uint32_t next_number(struct tail_keys *keys, uint32_t share) {
    uint32_t at = keys->shares[share].count++ & ((1u << TAIL_KEYS_CHUNK_BITS) - 1);
    if (at == 0) {
        assert(keys->begun_count < keys->chunk_count);
        keys->chunks[keys->begun_count++].before = keys->shares[share].chunk;
        keys->shares[share].chunk = keys->begun_count;
    }
    return (keys->shares[share].chunk - 1) << TAIL_KEYS_CHUNK_BITS | at;
}

void tail_keys_put(struct tail_keys *keys, const struct key_entry *entry) {
    const struct row_key key = {entry->low, entry->high};
    uint32_t hash = hash_of(entry->low), mask = keys->slots - 1, i = hash & mask;
    for (; keys->slot[i]; i = (i + 1) & mask) {
        if (keys->slot[i] >> 32 != hash) continue;
        struct key_entry *known = tail_keys_at(keys, (uint32_t)keys->slot[i] - 1);
        if (!key_entry_is_of(known, key)) continue;
        *known = *entry;
        return;
    }
    uint32_t number = next_number(keys, (uint32_t)(entry->low >> 56));
    *tail_keys_at(keys, number) = *entry;
    keys->slot[i] = (uint64_t)hash << 32 | (number + 1);
    keys->count++;
}

uint32_t tail_keys_chunks(const struct tail_keys *keys, uint32_t share,
                          const struct key_entry **out) {
    uint32_t chunk_entries = 1u << TAIL_KEYS_CHUNK_BITS;
    uint32_t count = (keys->shares[share].count + chunk_entries - 1) >> TAIL_KEYS_CHUNK_BITS;
    uint32_t chunk = keys->shares[share].chunk;
    for (uint32_t i = count; i-- > 0; chunk = keys->chunks[chunk - 1].before)
        out[i] = keys->chunks[chunk - 1].entries;
    return count;
}

void tail_keys_prefetch(const struct tail_keys *keys, uint64_t low) {
    if (keys->count) __builtin_prefetch(&keys->slot[hash_of(low) & (keys->slots - 1)]);
}
