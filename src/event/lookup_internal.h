/* SPDX-License-Identifier: Apache-2.0 */
/* event/lookup_internal.h -- the inside of a table, for lookup.c and lookup_image.c. */
#ifndef EVENT_LOOKUP_INTERNAL_H
#define EVENT_LOOKUP_INTERNAL_H

#include "base/hash.h"
#include "event/lookup.h"
#include "event/timeline.h"

#define TEXT_ID_NONE UINT32_MAX

/*   slots (open addressing)            groups: rows of one key      columns: one array a field
 *  +------------+-----------+         +-------------------------+   +------+------+------+
 *  | hash bits  | group + 1 | ------> | first row, rows of it   |-->| cell | cell | cell | ...
 *  +------------+-----------+         +-------------------------+   +------+------+------+
 *
 * Text cells are ids of one interner, since reference data repeats itself; the rest is what
 * timeline columns hold. Where rows of a key are many, adding chains them by group, and finish puts
 * each group's rows side by side. */
struct slot {
    uint32_t hash_bits;
    uint32_t group_plus_one; /* 0: free */
};

struct group {
    uint32_t first_row;
    uint32_t row_count;
};

struct field_store {
    struct lookup_field field; /* the name is owned */
    void *cells;
    size_t capacity; /* in cells */
};

struct lookup_table {
    struct field_store fields[LOOKUP_FIELDS_MAX];
    uint32_t field_count;
    uint32_t key_fields[LOOKUP_KEY_FIELDS_MAX];
    uint32_t key_count;
    bool many;
    bool finished;
    uint32_t row_count;
    struct group *groups;
    size_t group_capacity;
    uint32_t group_count;
    uint32_t *row_group; /* only while building a `many` */
    size_t row_group_capacity;
    struct slot *slots;
    uint32_t slot_bits;
    struct interner *texts;
    uint64_t hash;
    /* Where it was opened from one, the arrays above lie in the image, and `texts` is NULL: */
    struct image *image;
    const uint64_t *text_ends; /* by text id */
    const char *text_bytes;
};

static inline size_t lookup_cell_bytes(enum value_type type) {
    return type == VALUE_TEXT ? sizeof(uint32_t) : cell_bytes(type);
}

static inline struct text lookup_text(const struct lookup_table *table, uint32_t id) {
    if (table->texts) return interner_text(table->texts, id);
    uint64_t begin = id ? table->text_ends[id - 1] : 0;
    return (struct text){table->text_bytes + begin, (uint32_t)(table->text_ends[id] - begin)};
}

/* Of fields, keys and all cells. */
uint64_t lookup_content_hash(const struct lookup_table *table);

#endif
