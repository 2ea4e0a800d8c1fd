/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/erase/erased_values.h"

#include <stdlib.h>

#include "base/canonical.h"
#include "base/hash.h"
#include "base/memory.h"

bool is_separator(char c) {
    static const char separators[] = ",;\t|\"'{}[]: \r\n";
    return c == '\0' || strchr(separators, c) != NULL;
}

static bool is_split(struct text value) {
    for (uint32_t i = 0; i < value.length; i++) {
        if (is_separator(value.at[i])) return true;
    }
    return false;
}

static int compare_values(const void *left, const void *right) {
    const struct erased_value *a = left, *b = right;
    return (a->hash > b->hash) - (a->hash < b->hash);
}

/* 0: no UTF-8, which no value is. */
static uint64_t hash_of(struct erased_values *values, struct text text) {
    buffer_clear(&values->form);
    enum status status = canonical_append(text, CANONICAL_SMALL, &values->form);
    if (status == STATUS_OK) return hash_text(buffer_text(&values->form), 0) | 1;
    if (status != STATUS_INVALID && values->status == STATUS_OK) values->status = status;
    return 0;
}

static enum status add(struct erased_values *values, struct text value, uint32_t type) {
    struct erased_value item = {hash_of(values, value), value, type};
    if (values->status != STATUS_OK) return values->status;
    values->items[values->count++] = item;
    if (value.length >= VALUE_BYTES_TELLING && is_split(value))
        values->split[values->split_count++] = value;
    return STATUS_OK;
}

enum status erased_values_init(struct erased_values *values,
                               const struct identity_erasure *erasure) {
    size_t count = erasure->identifier_count;
    *values = (struct erased_values){.count = 0};
    buffer_init(&values->form);
    values->items = memory_calloc(count + 1, sizeof *values->items);
    values->split = memory_calloc(count + 1, sizeof *values->split);
    enum status status = values->items && values->split ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        uint32_t type;
        struct text value = identity_identifier(erasure->identity, erasure->identifiers[i], &type);
        if (value.length > 0) status = add(values, value, type);
    }
    if (status == STATUS_OK && values->count > 0)
        qsort(values->items, values->count, sizeof *values->items, compare_values);
    if (status != STATUS_OK) erased_values_release(values);
    return status;
}

void erased_values_release(struct erased_values *values) {
    memory_free(values->items);
    memory_free(values->split);
    buffer_release(&values->form);
    *values = (struct erased_values){.count = 0};
}

static size_t first_of(const struct erased_values *values, uint64_t hash) {
    size_t low = 0, high = values->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (values->items[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool have(struct erased_values *values, uint32_t type, struct text text,
                 uint32_t bytes_min) {
    if (text.length == 0 || values->count == 0) return false;
    uint64_t hash = hash_of(values, text);
    for (size_t i = first_of(values, hash); i < values->count && values->items[i].hash == hash;
         i++) {
        const struct erased_value *item = &values->items[i];
        if (type != SYMBOL_NONE && item->type != type) continue;
        if (item->value.length >= bytes_min && canonical_equal(text, item->value, CANONICAL_SMALL))
            return true;
    }
    return false;
}

bool erased_values_have(struct erased_values *values, uint32_t type, struct text text) {
    return have(values, type, text, 0);
}

bool erased_values_tell(struct erased_values *values, struct text text) {
    return have(values, SYMBOL_NONE, text, VALUE_BYTES_TELLING);
}

/* Stands the value in the text, whole? Case says nothing: the text is as it came, the value folded
 * by its rule. */
static bool holds_value(struct text text, struct text value) {
    if (value.length > text.length) return false;
    const char *end = text.at + text.length;
    for (const char *at = text.at; at + value.length <= end; at++) {
        if ((*at | 0x20) != (value.at[0] | 0x20)) continue; /* case apart, and a few more */
        if (!text_equal_ignoring_case((struct text){at, value.length}, value)) continue;
        bool starts = at == text.at || is_separator(at[-1]);
        bool ends = at + value.length == end || is_separator(at[value.length]);
        if (starts && ends) return true;
    }
    return false;
}

bool erased_values_in(struct erased_values *values, struct text text) {
    for (uint32_t from = 0, to; from < text.length; from = to + 1) {
        for (to = from; to < text.length && !is_separator(text.at[to]);) to++;
        if (to - from >= VALUE_BYTES_TELLING &&
            erased_values_tell(values, (struct text){text.at + from, to - from}))
            return true;
    }
    for (size_t i = 0; i < values->split_count; i++) {
        if (holds_value(text, values->split[i])) return true;
    }
    return false;
}
