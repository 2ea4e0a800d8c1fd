/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/index.h"

#include "base/memory.h"

#define HOLDERS_MAX (1u << 24)
#define PAIRS_MAX   ((size_t)1 << 28)

enum status expr_index_create(struct expr_index **out, enum value_type type) {
    *out = NULL;
    if (type == VALUE_MONEY || type == VALUE_UNKNOWN) return STATUS_INVALID;
    struct expr_index *index = memory_calloc(1, sizeof *index);
    if (index == NULL) return STATUS_NO_MEMORY;
    index->type = type;
    enum status status = interner_create(&index->keys, UINT32_MAX - 1);
    if (status == STATUS_OK)
        *out = index;
    else
        memory_free(index);
    return status;
}

void expr_index_destroy(struct expr_index *index) {
    if (index == NULL) return;
    interner_destroy(index->keys);
    memory_free(index->first);
    memory_free(index->holders);
    memory_free(index->pairs);
    memory_free(index);
}

/* Returns bytes that are the same exactly where values are equal. */
static struct text key_of(const struct expr_index *index, const struct value *value,
                          char out[VALUE_SET_KEY_BYTES]) {
    if (index->type == VALUE_LIST) return value_set_key(*value, out);
    if (value->type == VALUE_TEXT) return value->text;
    if (value->type == VALUE_YES_NO) {
        out[0] = (char)value->yes;
        return (struct text){out, 1};
    }
    int64_t bits = value->time_ms;
    double number = value->number + 0.0; /* -0 is 0 */
    if (value->type == VALUE_NUMBER) memcpy(&bits, &number, sizeof bits);
    memcpy(out, &bits, sizeof bits);
    return (struct text){out, sizeof bits};
}

static enum status add_list(struct expr_index *index, const struct value_set *set,
                            uint32_t *holder) {
    bool is_new;
    uint32_t count = value_set_count(set);
    if (index->holder_count >= HOLDERS_MAX || index->pair_count + count > PAIRS_MAX)
        return STATUS_INVALID;
    *holder = index->holder_count++;
    enum status status = memory_grow((void **)&index->pairs, &index->pair_capacity,
                                     index->pair_count + count, sizeof *index->pairs);
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
        uint32_t key;
        status = interner_add(index->keys, value_set_text(set, i), &key, &is_new);
        index->pairs[index->pair_count].key = key;
        index->pairs[index->pair_count++].holder = *holder;
    }
    return status;
}

enum status expr_index_add(struct expr_index *index, const struct expr_attribute *attribute,
                           uint32_t *holder) {
    char bytes[VALUE_SET_KEY_BYTES];
    bool is_new;
    *holder = HOLDER_NONE;
    if (index->type == VALUE_LIST) {
        if (attribute->set != NULL) return add_list(index, attribute->set, holder);
        return value_is_known(attribute->value) ? STATUS_INVALID : STATUS_OK;
    }
    if (attribute->value.type != index->type) return STATUS_OK; /* unknown to the language */
    enum status status =
        interner_add(index->keys, key_of(index, &attribute->value, bytes), holder, &is_new);
    index->holder_count = interner_count(index->keys);
    return status;
}

/* Sorts the pairs by key; those of one key stay in the order in which they came. */
enum status expr_index_finish(struct expr_index *index) {
    if (index->type != VALUE_LIST) return STATUS_OK;
    uint32_t keys = interner_count(index->keys);
    index->first = memory_calloc((size_t)keys + 2, sizeof *index->first);
    index->holders = memory_alloc((index->pair_count + 1) * sizeof *index->holders);
    if (index->first == NULL || index->holders == NULL) return STATUS_NO_MEMORY;
    uint32_t *next = index->first + 1; /* where the next holder of a key goes */
    for (size_t i = 0; i < index->pair_count; i++) next[index->pairs[i].key + 1]++;
    for (uint32_t key = 1; key <= keys; key++) next[key] += next[key - 1];
    for (size_t i = 0; i < index->pair_count; i++)
        index->holders[next[index->pairs[i].key]++] = index->pairs[i].holder;
    memory_free(index->pairs);
    index->pairs = NULL;
    index->pair_count = index->pair_capacity = 0;
    return STATUS_OK;
}

const uint32_t *expr_index_find(const struct expr_index *index, const struct value *value,
                                uint32_t *spare, uint32_t *count) {
    char bytes[VALUE_SET_KEY_BYTES];
    *count = 0;
    if (value->type == VALUE_UNKNOWN || (index->type != VALUE_LIST && value->type != index->type))
        return spare;
    if (!interner_find(index->keys, key_of(index, value, bytes), spare)) return spare;
    if (index->type != VALUE_LIST) {
        *count = 1;
        return spare;
    }
    *count = index->first[*spare + 1] - index->first[*spare];
    return index->holders + index->first[*spare];
}
