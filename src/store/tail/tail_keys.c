/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tail/tail_keys.h"

#include <assert.h>
#include "base/hash.h"
#include "base/memory.h"

#define SLOTS_MIN 1024u
/* Below it slots are made four times as many and not twice: so few are cheap, and each growth puts
 * all keys anew. */
#define SLOTS_FEW   (1u << 18)
#define SLOTS_FULL  (1u << 24) /* of a tail that is folded late: twice its keys */
#define CHUNK_BYTES (sizeof(struct tail_key) << TAIL_KEYS_CHUNK_BITS)
/* Chunks that are allocated together. They are filled and read one after the other, so they need no
 * huge pages: on a virtual machine that gives free memory back to its host, 2 MB at a time, a fresh
 * huge page costs five times as much as the same memory in small pages. */
#define GROUP_CHUNKS 128u
/* Each share may leave a chunk unfilled: numbers run so far beyond the count of the keys. */
#define NUMBERS_UNUSED     (TAIL_KEYS_SHARES << TAIL_KEYS_CHUNK_BITS)
#define NUMBER_BITS_FEWEST 18u

static_assert(sizeof(struct tail_key) == 32, "two keys fill a cache line");
static_assert(SLOTS_MIN / 2 + NUMBERS_UNUSED < 1u << NUMBER_BITS_FEWEST, "numbers fit in a slot");

static_assert(GROUP_CHUNKS * CHUNK_BYTES < (2u << 20), "a group is smaller than a huge page");

void tail_keys_init(struct tail_keys *keys, uint64_t first_position) {
    *keys = (struct tail_keys){.first_position = first_position};
}

void tail_keys_release(struct tail_keys *keys) {
    for (uint32_t i = 0; i < keys->chunk_count; i += GROUP_CHUNKS)
        memory_free_huge(keys->chunks[i].keys, GROUP_CHUNKS * CHUNK_BYTES);
    memory_free(keys->chunks);
    memory_free(keys->rare);
    memory_free_huge(keys->slot, (size_t)keys->slot_room * sizeof(*keys->slot));
    *keys = (struct tail_keys){0};
}

size_t tail_keys_bytes(const struct tail_keys *keys) {
    return keys->slots * sizeof(*keys->slot) + keys->chunk_count * CHUNK_BYTES +
           keys->rare_capacity * sizeof(*keys->rare);
}

static inline uint32_t hash_of(uint64_t low) {
    return (uint32_t)hash_u64(low);
}

static inline struct tail_key *key_at(const struct tail_keys *keys, uint32_t number) {
    return &keys->chunks[number >> TAIL_KEYS_CHUNK_BITS].keys[number & (TAIL_KEYS_CHUNK - 1)];
}

/* ---- room ---- */

static inline void put_slot(struct tail_keys *keys, uint32_t hash, uint32_t number) {
    uint32_t mask = keys->slots - 1, i = hash & mask;
    while (keys->slot[i]) i = (i + 1) & mask;
    keys->slot[i] = hash >> keys->number_bits << keys->number_bits | (number + 1);
}

/* A chunk's slots lie anywhere: all are asked for before the first is filled. */
static void put_chunk(struct tail_keys *keys, uint32_t chunk, uint32_t count) {
    uint32_t hash[TAIL_KEYS_CHUNK];
    for (uint32_t i = 0; i < count; i++) {
        hash[i] = hash_of(keys->chunks[chunk].keys[i].low);
        __builtin_prefetch(&keys->slot[hash[i] & (keys->slots - 1)], 1);
    }
    for (uint32_t i = 0; i < count; i++) put_slot(keys, hash[i], chunk << TAIL_KEYS_CHUNK_BITS | i);
}

static void put_all(struct tail_keys *keys) {
    for (uint32_t share = 0; share < TAIL_KEYS_SHARES; share++) {
        uint32_t left = keys->shares[share].count, chunk = keys->shares[share].chunk;
        while (left > 0) {
            uint32_t in_chunk = (left - 1) % TAIL_KEYS_CHUNK + 1;
            put_chunk(keys, chunk - 1, in_chunk);
            left -= in_chunk;
            chunk = keys->chunks[chunk - 1].before;
        }
    }
}

/* Room for so many slots. A tail that has grown beyond few gets the room of a full one: memory that
 * is not touched costs nothing, and slots that stay where they are need none that is fresh. */
static enum status reserve_room(struct tail_keys *keys, uint64_t slots) {
    if (slots <= keys->slot_room) {
        memset(keys->slot, 0, (size_t)keys->slots * sizeof(*keys->slot));
        return STATUS_OK;
    }
    uint64_t room = slots > SLOTS_FEW && slots < SLOTS_FULL ? SLOTS_FULL : slots;
    uint32_t *larger = memory_alloc_huge((size_t)room * sizeof(*larger));
    if (!larger) return STATUS_NO_MEMORY;
    memory_free_huge(keys->slot, (size_t)keys->slot_room * sizeof(*keys->slot));
    keys->slot = larger;
    keys->slot_room = (uint32_t)room;
    return STATUS_OK;
}

static enum status reserve_slots(struct tail_keys *keys, size_t more) {
    uint64_t slots = keys->slots ? keys->slots : SLOTS_MIN;
    while (keys->count + more > slots / 2) slots *= slots < SLOTS_FEW ? 4 : 2;
    if (slots == keys->slots) return STATUS_OK;
    if (slots > UINT32_MAX / 4) return STATUS_LIMIT;
    enum status status = reserve_room(keys, slots);
    if (status) return status;
    keys->slots = (uint32_t)slots;
    keys->number_bits = NUMBER_BITS_FEWEST;
    while (slots / 2 + NUMBERS_UNUSED >= UINT64_C(1) << keys->number_bits) keys->number_bits++;
    put_all(keys);
    return STATUS_OK;
}

/* Each share may begin a chunk more than its keys fill. */
static enum status reserve_chunks(struct tail_keys *keys, size_t more) {
    size_t begins =
        (more < TAIL_KEYS_SHARES ? more : TAIL_KEYS_SHARES) + (more >> TAIL_KEYS_CHUNK_BITS);
    size_t chunks = keys->begun_count + begins;
    if (chunks >> (32 - TAIL_KEYS_CHUNK_BITS) != 0) return STATUS_LIMIT;
    while (keys->chunk_count < chunks) {
        enum status status = memory_grow((void **)&keys->chunks, &keys->chunk_capacity,
                                         keys->chunk_count + GROUP_CHUNKS, sizeof(*keys->chunks));
        struct tail_key *group =
            status == STATUS_OK ? memory_alloc_huge(GROUP_CHUNKS * CHUNK_BYTES) : NULL;
        if (!group) return STATUS_NO_MEMORY;
        for (uint32_t i = 0; i < GROUP_CHUNKS; i++)
            keys->chunks[keys->chunk_count + i].keys = group + (i << TAIL_KEYS_CHUNK_BITS);
        keys->chunk_count += GROUP_CHUNKS;
    }
    return STATUS_OK;
}

enum status tail_keys_reserve(struct tail_keys *keys, size_t more) {
    if (more == 0) return STATUS_OK;
    if (keys->rare_count + more >= TAIL_KEY_RARE) return STATUS_LIMIT;
    enum status status = reserve_slots(keys, more);
    if (status == STATUS_OK) status = reserve_chunks(keys, more);
    return status ? status
                  : memory_grow((void **)&keys->rare, &keys->rare_capacity, keys->rare_count + more,
                                sizeof(*keys->rare));
}

/* ---- keys ---- */

static inline const struct tail_key_rare *rare_of(const struct tail_keys *keys,
                                                  const struct tail_key *key) {
    return key->place & TAIL_KEY_RARE ? &keys->rare[key->place & ~TAIL_KEY_RARE] : NULL;
}

static inline bool is_of(const struct tail_keys *keys, const struct tail_key *known,
                         struct row_key key) {
    if (known->low != key.low) return false;
    const struct tail_key_rare *rare = rare_of(keys, known);
    return known->high == key.high || (rare != NULL && (rare->flags & KEY_LEGACY) != 0);
}

/* Where the key stands, or the empty slot where it belongs. */
static inline uint32_t *find(const struct tail_keys *keys, struct row_key key, uint32_t hash,
                             struct tail_key **known) {
    const uint32_t mask = keys->slots - 1, bits = keys->number_bits,
                   numbers = (UINT32_C(1) << bits) - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t slot = keys->slot[i];
        *known = NULL;
        if (slot == 0) return &keys->slot[i];
        if ((slot ^ hash) >> bits != 0) continue;
        *known = key_at(keys, (slot & numbers) - 1);
        if (is_of(keys, *known, key)) return &keys->slot[i];
    }
}

/* tail_keys_reserve has made room. */
static struct tail_key *begin_chunk(struct tail_keys *keys, uint32_t share) {
    assert(keys->begun_count < keys->chunk_count);
    struct tail_keys_chunk *chunk = &keys->chunks[keys->begun_count++];
    chunk->before = keys->shares[share].chunk;
    keys->shares[share].chunk = keys->begun_count;
    return chunk->keys;
}

/* The place of the key, which has an entry or gets one. */
static inline struct tail_key *place_of(struct tail_keys *keys, struct row_key key) {
    struct tail_key *at;
    uint32_t hash = hash_of(key.low), *slot = find(keys, key, hash, &at),
             share = (uint32_t)(key.low >> 56);
    if (at != NULL) return at;
    at = keys->shares[share].next;
    if (at == NULL) at = begin_chunk(keys, share);
    uint32_t in_chunk = keys->shares[share].count++ & (TAIL_KEYS_CHUNK - 1);
    keys->shares[share].next = in_chunk + 1 < TAIL_KEYS_CHUNK ? at + 1 : NULL;
    uint32_t number = (keys->shares[share].chunk - 1) << TAIL_KEYS_CHUNK_BITS | in_chunk;
    *slot = hash >> keys->number_bits << keys->number_bits | (number + 1);
    keys->count++;
    at->place = 0;
    return at;
}

static void put_rare(struct tail_keys *keys, struct tail_key *at, const struct key_entry *entry) {
    if (!(at->place & TAIL_KEY_RARE)) {
        assert(keys->rare_count < keys->rare_capacity);
        at->place = TAIL_KEY_RARE | (uint32_t)keys->rare_count++;
    }
    keys->rare[at->place & ~TAIL_KEY_RARE] =
        (struct tail_key_rare){entry->position, entry->version, entry->flags};
}

void tail_keys_put(struct tail_keys *keys, const struct key_entry *entry) {
    struct tail_key *at = place_of(keys, (struct row_key){entry->low, entry->high});
    at->low = entry->low;
    at->content = entry->content;
    at->high = entry->high;
    at->persona = entry->persona;
    at->reading = entry->reading;
    at->source = entry->source;
    bool is_rare = entry->flags != 0 || entry->version != ROW_VERSION_NONE ||
                   entry->position < keys->first_position ||
                   entry->position - keys->first_position >= TAIL_KEY_RARE;
    if (is_rare)
        put_rare(keys, at, entry);
    else
        at->place = (uint32_t)(entry->position - keys->first_position);
}

/* Written field by field where it stays. A copy of a struct that was just filled reads several
 * fields at once, which waits until all earlier stores have left the core. */
void tail_keys_put_event(struct tail_keys *keys, const struct event *event, uint64_t position) {
    uint64_t place = position - keys->first_position;
    if (event->version != ROW_VERSION_NONE || event->key_is_short || place >= TAIL_KEY_RARE) {
        const struct key_entry entry = {
            .low = event->key.low,
            .high = event->key.high,
            .content = event->content,
            .version = event->version,
            .position = position,
            .persona = event->persona.value,
            .reading = event->reading,
            .source = event->source,
            .flags = event->key_is_short ? KEY_LEGACY : 0,
        };
        tail_keys_put(keys, &entry);
        return;
    }
    struct tail_key *at = place_of(keys, event->key);
    at->low = event->key.low;
    at->content = event->content;
    at->high = event->key.high;
    at->persona = event->persona.value;
    at->place = (uint32_t)place;
    at->reading = event->reading;
    at->source = event->source;
}

void tail_keys_tell(const struct tail_keys *keys, const struct tail_key *key,
                    struct key_entry *out) {
    const struct tail_key_rare *rare = rare_of(keys, key);
    *out = (struct key_entry){
        .low = key->low,
        .high = key->high,
        .content = key->content,
        .version = rare ? rare->version : ROW_VERSION_NONE,
        .position = rare ? rare->position : keys->first_position + key->place,
        .persona = key->persona,
        .reading = key->reading,
        .source = key->source,
        .flags = rare ? rare->flags : 0,
    };
}

bool tail_keys_find(const struct tail_keys *keys, struct row_key key, struct key_entry *out) {
    struct tail_key *known;
    if (keys->count == 0) return false;
    (void)find(keys, key, hash_of(key.low), &known);
    if (known != NULL) tail_keys_tell(keys, known, out);
    return known != NULL;
}

uint32_t tail_keys_chunks(const struct tail_keys *keys, uint32_t share,
                          const struct tail_key **out) {
    uint32_t count = (keys->shares[share].count + TAIL_KEYS_CHUNK - 1) >> TAIL_KEYS_CHUNK_BITS;
    uint32_t chunk = keys->shares[share].chunk;
    for (uint32_t i = count; i-- > 0; chunk = keys->chunks[chunk - 1].before)
        out[i] = keys->chunks[chunk - 1].keys;
    return count;
}

void tail_keys_prefetch(const struct tail_keys *keys, uint64_t low) {
    if (keys->count == 0) return;
    __builtin_prefetch(&keys->slot[hash_of(low) & (keys->slots - 1)]);
    __builtin_prefetch(keys->shares[low >> 56].next, 1);
}
