/* SPDX-License-Identifier: Apache-2.0 */
/* expr/items.h -- reads the items of a packed list in one pass, where only some fields are wanted.
 *
 * list_field reads the record again for each field. Here one pass steps over the fields that nobody
 * asked for. */
#ifndef EXPR_ITEMS_H
#define EXPR_ITEMS_H

#include "event/value.h"

#define ITEM_FIELDS_MAX 16

struct items {
    const uint8_t *at, *end;
    uint32_t left;
    const uint32_t *symbols; /* the wanted fields, borrowed */
    uint32_t symbol_count;
    /* The fields of the present item, in the order of `symbols`; unknown where absent. */
    struct value field[ITEM_FIELDS_MAX];
    struct value scalar; /* the item, where it is no record */
};

/* Returns false where the list's head is corrupt. symbol_count <= ITEM_FIELDS_MAX. */
bool items_init(struct items *items, struct value list, const uint32_t *symbols,
                uint32_t symbol_count);
/* Reads the next item. Returns false at the end, and where the bytes are corrupt. */
bool items_next(struct items *items);

#endif
