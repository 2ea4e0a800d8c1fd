/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/dark_names.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"

#define SLOTS           (2 * DARK_NAMES_COUNTED)
#define TEXTS_BYTES_MAX ((size_t)DARK_NAMES_COUNTED * 3 * SYMBOL_BYTES_MAX)

void dark_names_init(struct dark_names *names) {
    *names = (struct dark_names){0};
    arena_init(&names->arena, TEXTS_BYTES_MAX);
}

void dark_names_release(struct dark_names *names) {
    memory_free(names->names);
    arena_release(&names->arena);
}

static struct dark_name *slot_of(struct dark_name *slots, const struct dark_name *name) {
    uint64_t hash = hash_text(name->own_event, (uint64_t)name->source << 32 | name->event);
    size_t at = hash_text(name->field, hash) % SLOTS;
    for (; slots[at].count > 0; at = (at + 1) % SLOTS) {
        const struct dark_name *there = &slots[at];
        if (there->source == name->source && there->event == name->event &&
            text_equal(there->own_event, name->own_event) && text_equal(there->field, name->field))
            break;
    }
    return &slots[at];
}

static int compare_counts(const void *left, const void *right) {
    const struct dark_name *a = left, *b = right;
    return a->count == b->count ? 0 : a->count > b->count ? -1 : 1;
}

static size_t gather(struct dark_name *slots) {
    size_t kept = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].count > 0) slots[kept++] = slots[i];
    }
    return kept;
}

static enum status put(struct dark_name *slots, struct arena *arena, const struct dark_name *name) {
    struct dark_name *slot = slot_of(slots, name);
    *slot = *name;
    slot->own_event = arena_text(arena, name->own_event);
    slot->field = arena_text(arena, name->field);
    return slot->own_event.at != NULL && slot->field.at != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Drops the rarer half, and subtracts the count of the most frequent of these from all others. */
static enum status drop_half(struct dark_names *names) {
    struct dark_name *slots = memory_calloc(SLOTS, sizeof *slots);
    struct arena arena;
    if (slots == NULL) return STATUS_NO_MEMORY;
    arena_init(&arena, TEXTS_BYTES_MAX);
    size_t count = gather(names->names);
    qsort(names->names, count, sizeof *names->names, compare_counts);
    uint64_t median = names->names[count / 2].count;
    enum status status = STATUS_OK;
    names->count = 0;
    for (size_t i = 0; status == STATUS_OK && i < count / 2; i++) {
        struct dark_name *name = &names->names[i];
        if (name->count <= median) break;
        name->bytes -= name->bytes / name->count * median;
        name->count -= median;
        status = put(slots, &arena, name);
        names->count++;
    }
    memory_free(names->names);
    arena_release(&names->arena);
    names->names = slots;
    names->arena = arena;
    return status;
}

enum status dark_names_add(struct dark_names *names, const struct dark_name *name) {
    if (names->names == NULL) names->names = memory_calloc(SLOTS, sizeof *names->names);
    if (names->names == NULL) return STATUS_NO_MEMORY;
    struct dark_name *slot = slot_of(names->names, name);
    if (slot->count > 0) {
        slot->count += name->count;
        slot->bytes += name->bytes;
        return STATUS_OK;
    }
    if (names->count == DARK_NAMES_COUNTED) {
        enum status status = drop_half(names);
        if (status != STATUS_OK) return status;
    }
    names->count++;
    return put(names->names, &names->arena, name);
}

size_t dark_names_list(struct dark_names *names) {
    if (names->names == NULL) return 0;
    size_t count = gather(names->names);
    qsort(names->names, count, sizeof *names->names, compare_counts);
    return count < DARK_NAMES_LISTED ? count : DARK_NAMES_LISTED;
}
