/* SPDX-License-Identifier: Apache-2.0 */
#include "event/dark.h"

/* Returns the undeclared half of a declared list. */
static struct value array_of(const struct property_walk *walk, struct text name) {
    struct dark_reader reader;
    enum dark_kind kind;
    struct text found;
    struct value value;
    bool is_dark = dark_reader_init(&reader, walk->packed);
    while (is_dark && dark_next(&reader, &kind, &found, &value)) {
        if (kind == DARK_ARRAY && text_equal(found, name)) return value;
    }
    return value_unknown();
}

void property_walk_begin(struct property_walk *walk, const struct symbols *symbols,
                         struct text packed) {
    *walk = (struct property_walk){.symbols = symbols, .packed = packed};
    if (packed_reader_init(&walk->declared, packed) != STATUS_OK)
        walk->declared = (struct packed_reader){0};
}

static bool next_declared(struct property_walk *walk, struct text *name, struct value *value,
                          struct value *array) {
    uint32_t symbol;
    do {
        if (packed_next(&walk->declared, &symbol, value) != STATUS_OK) return false;
        if (symbol == PROPERTY_UNDECLARED) {
            walk->in_dark = dark_reader_list(&walk->dark, *value);
            return false;
        }
        *name = symbol_text(walk->symbols, SYMBOL_PROPERTY, symbol);
    } while (text_equal(*name, SYMBOL_KEPT_ROWS));
    if (value->type == VALUE_LIST) *array = array_of(walk, *name);
    return true;
}

/* Has the walk given this array already, together with its declared half? */
static bool is_half(const struct property_walk *walk, struct text name) {
    struct packed_reader reader;
    uint32_t symbol;
    struct value value;
    enum status status = packed_reader_init(&reader, walk->packed);
    while (status == STATUS_OK && (status = packed_next(&reader, &symbol, &value)) == STATUS_OK) {
        if (symbol != PROPERTY_UNDECLARED && value.type == VALUE_LIST &&
            text_equal(symbol_text(walk->symbols, SYMBOL_PROPERTY, symbol), name))
            return true;
    }
    return false;
}

bool property_walk_next(struct property_walk *walk, struct text *name, struct value *value,
                        struct value *array) {
    enum dark_kind kind;
    *array = value_unknown();
    if (!walk->in_dark && next_declared(walk, name, value, array)) return true;
    while (walk->in_dark && dark_next(&walk->dark, &kind, name, value)) {
        if (kind == DARK_PROPERTY) return true;
        if (kind != DARK_ARRAY || is_half(walk, *name)) continue;
        *array = *value;
        *value = value_unknown();
        return true;
    }
    return false;
}

void item_walk_begin(struct item_walk *walk, const struct symbols *symbols, struct value list,
                     struct value array) {
    *walk = (struct item_walk){.symbols = symbols};
    walk->has_list = list_reader_init(&walk->list, list) == STATUS_OK;
    walk->has_array = dark_array_reader_init(&walk->array, array);
}

uint32_t item_walk_left(const struct item_walk *walk) {
    uint32_t list = walk->has_list ? walk->list.left : 0;
    uint32_t array = walk->has_array ? walk->array.left : 0;
    return list > array ? list : array;
}

bool item_walk_next(struct item_walk *walk, bool *is_record, struct value *value) {
    struct value dark = value_unknown();
    *value = value_unknown();
    walk->has_list = walk->has_list && list_next(&walk->list, value) == STATUS_OK;
    walk->has_array = walk->has_array && dark_array_next(&walk->array, &dark);
    walk->fields = (struct packed_reader){0};
    if (!walk->has_list && !walk->has_array) return false;
    if (walk->has_list && walk->list.record != NULL) {
        walk->fields = (struct packed_reader){walk->list.record, walk->list.record_end,
                                              walk->list.field_count};
    }
    if (!value_is_known(*value)) *value = dark;
    *is_record = !value_is_known(*value);
    return true;
}

bool item_walk_field(struct item_walk *walk, struct text *name, struct value *value) {
    uint32_t symbol;
    if (packed_next(&walk->fields, &symbol, value) == STATUS_OK) {
        *name = symbol_text(walk->symbols, SYMBOL_PROPERTY, symbol);
        return true;
    }
    return walk->has_array && dark_array_next_field(&walk->array, name, value);
}
