/* SPDX-License-Identifier: Apache-2.0 */
/* Types of a part's rows, where names have been declared since the run was written.
 *
 * A run keeps an event of an undeclared name under EVENT_UNDECLARED, and its footer tells how many
 * event names were declared when it was written. As long as no name has been added, the types are
 * read in place. Otherwise the first reader of a part looks into the dark text of such rows. Where
 * one has a name that is declared now, the part gets types of its own in memory. They stay until a
 * further name is declared, and longer for readers that hold them. Any thread. */
#include "base/memory.h"
#include "event/dark.h"
#include "store/run/run_file.h"

struct run_types {
    struct run_types *older; /* readers may still hold it */
    uint32_t names;          /* declared event names, as far as it knows */
    bool differs;            /* `types` says more than the file does */
    uint16_t types[];
};

void run_use_symbols(struct run *run, struct symbols *symbols) {
    run->symbols = symbols;
}

static uint32_t find_undeclared(const uint16_t *types, uint32_t from, uint32_t count) {
    while (from < count && types[from] != EVENT_UNDECLARED) from++;
    return from;
}

static struct run_types *make(const struct run *run, uint32_t part, const uint16_t *stored) {
    uint32_t count = run->parts[part].row_count, names = symbol_count(run->symbols, SYMBOL_EVENT);
    uint32_t row = find_undeclared(stored, 0, count);
    size_t bytes = row == count ? 0 : (size_t)count * sizeof *stored;
    /* A walk copies a few rows at once and may read beyond the last. */
    struct run_types *made = memory_alloc(sizeof *made + bytes + RUN_ALIGNMENT);
    struct run_block_cache cache;
    struct text packed;
    enum status status = made == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    if (made == NULL) return NULL;
    made->older = NULL;
    made->names = names;
    made->differs = false;
    if (bytes > 0) memcpy(made->types, stored, bytes);
    run_block_cache_init(&cache);
    for (; status == STATUS_OK && row < count; row = find_undeclared(stored, row + 1, count)) {
        status = run_packed(&cache, run, part, row, &packed);
        if (status != STATUS_OK) break;
        made->types[row] = dark_event_type(run->symbols, packed);
        made->differs |= made->types[row] != EVENT_UNDECLARED;
    }
    run_block_cache_release(&cache);
    if (status == STATUS_OK) return made;
    memory_free(made);
    return NULL;
}

const uint16_t *run_types_named(const struct run *run, uint32_t part, const uint16_t *stored) {
    _Atomic(struct run_types *) *slot = &run->types[part];
    struct run_types *known = atomic_load_explicit(slot, memory_order_acquire);
    if (known == NULL || known->names != symbol_count(run->symbols, SYMBOL_EVENT)) {
        struct run_types *made = make(run, part, stored);
        if (made == NULL) return NULL;
        made->older = known;
        while (!atomic_compare_exchange_weak_explicit(slot, &made->older, made,
                                                      memory_order_acq_rel, memory_order_acquire)) {
            continue;
        }
        known = made;
    }
    return known->differs ? known->types : stored;
}

void run_types_release(struct run *run) {
    for (uint32_t part = 0; run->types != NULL && part < run->info.part_count; part++) {
        struct run_types *types = atomic_load(&run->types[part]);
        while (types != NULL) {
            struct run_types *older = types->older;
            memory_free(types);
            types = older;
        }
    }
    memory_free((void *)run->types);
}
