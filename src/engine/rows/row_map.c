/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "base/memory.h"
#include "engine/rows/rows.h"

#define SLOTS_MIN 64u /* a decision alone is a frame, too */

static_assert(sizeof(struct row_slot) == 16, "a map is wiped for each frame");

void row_map_release(struct row_map *map) {
    memory_free(map->slots);
    *map = (struct row_map){0};
}

/* A table that one large batch has grown is not wiped for every small one behind it. */
void row_map_clear(struct row_map *map) {
    if (map->count == 0) return;
    size_t wanted = SLOTS_MIN;
    while (wanted < 2 * map->count) wanted *= 2;
    if (map->capacity > 8 * wanted)
        row_map_release(map);
    else
        memset(map->slots, 0, map->capacity * sizeof *map->slots);
    map->count = 0;
}

static struct row_slot *probe(struct row_slot *slots, size_t capacity, struct row_key key) {
    size_t at = key.low & (capacity - 1);
    while (slots[at].low != 0 && (slots[at].low != key.low || slots[at].high != key.high))
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

uint32_t *row_map_find(const struct row_map *map, struct row_key key) {
    if (map->count == 0) return NULL;
    struct row_slot *slot = probe(map->slots, map->capacity, key);
    return slot->low == 0 ? NULL : &slot->value;
}

static bool grow(struct row_map *map) {
    if (2 * (map->count + 1) <= map->capacity) return true;
    size_t capacity = map->capacity ? 2 * map->capacity : SLOTS_MIN;
    struct row_slot *slots = memory_calloc(capacity, sizeof *slots);
    if (slots == NULL) return false;
    for (size_t i = 0; i < map->capacity; i++) {
        const struct row_slot *from = &map->slots[i];
        if (from->low != 0)
            *probe(slots, capacity, (struct row_key){from->low, from->high}) = *from;
    }
    memory_free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

uint32_t *row_map_add(struct row_map *map, struct row_key key, uint32_t value) {
    if (!grow(map)) return NULL;
    struct row_slot *slot = probe(map->slots, map->capacity, key);
    if (slot->low == 0) {
        *slot = (struct row_slot){key.low, key.high, value};
        map->count++;
    }
    return &slot->value;
}
