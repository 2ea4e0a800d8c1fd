/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tail_keys.h"

#include <assert.h>
#include "base/hash.h"
#include "base/memory.h"

#define SLOTS_MIN   1024u
#define CHUNK_BYTES (sizeof(struct key_entry) << TAIL_KEYS_CHUNK_BITS)

static_assert(sizeof(struct key_entry) == 48, "no padding between the fields");

void tail_keys_release(struct tail_keys *keys) {
    for (size_t i = 0; i < keys->chunk_count; i++) memory_free_huge(keys->chunks[i], CHUNK_BYTES);
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

static enum status reserve_entries(struct tail_keys *keys, size_t more) {
    size_t chunks = (keys->count + more + (1u << TAIL_KEYS_CHUNK_BITS) - 1) >> TAIL_KEYS_CHUNK_BITS;
    enum status status =
        memory_grow((void **)&keys->chunks, &keys->chunk_capacity, chunks, sizeof(*keys->chunks));
    while (status == STATUS_OK && keys->chunk_count < chunks) {
        struct key_entry *chunk = memory_alloc_huge(CHUNK_BYTES);
        if (!chunk) return STATUS_NO_MEMORY;
        keys->chunks[keys->chunk_count++] = chunk;
    }
    return status;
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

void tail_keys_put(struct tail_keys *keys, const struct key_entry *entry) {
    struct key_entry *known = (struct key_entry *)(uintptr_t)tail_keys_find(
        keys, (struct row_key){entry->low, entry->high});
    if (known) {
        *known = *entry;
        return;
    }
    *tail_keys_at(keys, keys->count) = *entry;
    keys->count++;
    put_slot(keys, (uint64_t)hash_of(entry->low) << 32 | keys->count);
}

void tail_keys_prefetch(const struct tail_keys *keys, uint64_t low) {
    if (keys->count) __builtin_prefetch(&keys->slot[hash_of(low) & (keys->slots - 1)]);
}
