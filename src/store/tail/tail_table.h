/* SPDX-License-Identifier: Apache-2.0 */
/* store/tail/tail_table.h -- finds a persona's newest row, for a tail's rows and for the versions
 * that they supersede.
 *
 * A slot is (persona + 1) << 32 | reference of the newest row; 0 is an empty one. At least half of
 * the slots are empty. A larger table replaces a table that is too small. The smaller one stays
 * until the tail goes: a reader that still uses it has pinned a position from before, and finds all
 * below that position. One writer; readers take no locks. */
#ifndef STORE_TAIL_TAIL_TABLE_H
#define STORE_TAIL_TAIL_TABLE_H

#include <stdatomic.h>
#include "base/hash.h"
#include "base/status.h"

struct tail_table {
    uint32_t slots; /* a power of two */
    struct tail_table *smaller;
    _Atomic uint64_t *slot;
};

struct tail_table *tail_table_create(void) MUST_USE; /* NULL without memory */
void tail_table_destroy(struct tail_table *table);   /* and the smaller ones; NULL is allowed */
/* *out: this table, or a larger one with all that it has, if `personas` need one. */
enum status tail_table_reserve(struct tail_table *table, size_t personas,
                               struct tail_table **out) MUST_USE;

static inline uint32_t tail_table_start(const struct tail_table *table, uint32_t persona) {
    return (uint32_t)hash_u64(persona) & (table->slots - 1);
}

/* The slot of the persona, or the empty one where it belongs. */
static inline _Atomic uint64_t *tail_table_slot(const struct tail_table *table, uint32_t persona,
                                                uint64_t *value) {
    for (uint32_t i = tail_table_start(table, persona);; i = (i + 1) & (table->slots - 1)) {
        *value = atomic_load_explicit(&table->slot[i], memory_order_acquire);
        if (*value == 0 || (*value >> 32) == (uint64_t)persona + 1) return &table->slot[i];
    }
}

#endif
