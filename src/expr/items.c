/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/items.h"

#include "event/packed_cell.h"

/* Reads a symbol, length or count; nearly all are below 128. */
static inline bool read_small(const uint8_t **at, const uint8_t *end, uint64_t *value) {
    if (*at < end && **at < 0x80) {
        *value = *(*at)++;
        return true;
    }
    return varint_read(at, end, value);
}

static inline bool step(const uint8_t **at, const uint8_t *end, uint64_t bytes) {
    if (bytes > (uint64_t)(end - *at)) return false;
    *at += bytes;
    return true;
}

/* Skips one scalar value. An item holds no list or record. */
static inline bool skip_value(const uint8_t **at, const uint8_t *end) {
    uint64_t number;
    if (*at >= end) return false;
    switch ((enum packed_tag) * (*at)++) {
    case TAG_NUMBER: return step(at, end, 8);
    case TAG_INTEGER:
    case TAG_TIME:
    case TAG_DURATION: return read_small(at, end, &number);
    case TAG_TEXT: return read_small(at, end, &number) && step(at, end, number);
    case TAG_NO:
    case TAG_YES: return true;
    case TAG_MONEY: return step(at, end, 2) && read_small(at, end, &number);
    case TAG_LIST:
    case TAG_RECORD: break;
    }
    return false;
}

bool items_init(struct items *items, struct value list, const uint32_t *symbols,
                uint32_t symbol_count) {
    uint64_t count = 0;
    items->at = (const uint8_t *)list.text.at;
    items->end = items->at + list.text.length;
    items->left = 0;
    items->symbols = symbols;
    items->symbol_count = symbol_count;
    if (list.text.length == 0) return true;
    if (!varint_read(&items->at, items->end, &count) || count > PACKED_LIST_ITEMS_MAX) return false;
    items->left = (uint32_t)count;
    return true;
}

/* Reads one field of a record, and keeps it where it is wanted. */
static inline bool next_field(struct items *items) {
    uint64_t symbol;
    if (!read_small(&items->at, items->end, &symbol)) return false;
    for (uint32_t i = 0; i < items->symbol_count; i++) {
        if (items->symbols[i] == symbol) {
            return packed_value_read(&items->at, items->end, false, &items->field[i]) == STATUS_OK;
        }
    }
    return skip_value(&items->at, items->end);
}

static bool next_record(struct items *items) {
    uint64_t count;
    items->at++;
    if (!read_small(&items->at, items->end, &count) || count > PACKED_PROPERTIES_MAX) return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!next_field(items)) return false;
    }
    return true;
}

bool items_next(struct items *items) {
    if (items->left == 0 || items->at >= items->end) return false;
    items->left--;
    for (uint32_t i = 0; i < items->symbol_count; i++) items->field[i] = value_unknown();
    items->scalar = value_unknown();
    if (*items->at == TAG_RECORD) return next_record(items);
    return packed_value_read(&items->at, items->end, false, &items->scalar) == STATUS_OK;
}
