/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tail/tail_table.h"

#include "base/memory.h"

#define SLOTS_MIN 1024u

static struct tail_table *create(uint32_t slots) {
    struct tail_table *table = memory_alloc(sizeof(*table));
    if (!table) return NULL;
    *table = (struct tail_table){.slots = slots,
                                 .slot = memory_alloc_huge((size_t)slots * sizeof(uint64_t))};
    if (!table->slot) {
        memory_free(table);
        return NULL;
    }
    return table;
}

struct tail_table *tail_table_create(void) {
    return create(SLOTS_MIN);
}

void tail_table_destroy(struct tail_table *table) {
    while (table) {
        struct tail_table *smaller = table->smaller;
        memory_free_huge((void *)table->slot, (size_t)table->slots * sizeof(uint64_t));
        memory_free(table);
        table = smaller;
    }
}

enum status tail_table_reserve(struct tail_table *table, size_t personas, struct tail_table **out) {
    uint64_t slots = table->slots;
    *out = table;
    while (personas > slots / 2) slots *= 2;
    if (slots == table->slots) return STATUS_OK;
    if (slots > UINT32_MAX / 2) return STATUS_LIMIT;
    struct tail_table *larger = create((uint32_t)slots);
    if (!larger) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < table->slots; i++) {
        uint64_t moved = atomic_load_explicit(&table->slot[i], memory_order_relaxed), ignored;
        if (!moved) continue;
        _Atomic uint64_t *slot = tail_table_slot(larger, (uint32_t)(moved >> 32) - 1, &ignored);
        atomic_store_explicit(slot, moved, memory_order_relaxed);
    }
    larger->smaller = table;
    *out = larger;
    return STATUS_OK;
}
