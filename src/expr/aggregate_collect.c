/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregates that remember values: distinct and list. */
#include "base/hash.h"
#include "expr/aggregate.h"

static void walk_all(struct eval *eval, const struct aggregate *aggregate, struct window window,
                     aggregate_offer *offer, void *context) {
    for (uint32_t row = window.low; row < window.high; row++) {
        if (aggregate_takes_row(eval, aggregate, row))
            aggregate_offer_row(eval, aggregate, row, offer, context);
    }
}

/* ---- distinct ---- */

#define NEAR_COUNT 16 /* up to so many values are compared one by one, without a table */

struct seen {
    uint64_t hash;
    struct value value;
};

struct distinct {
    uint32_t count;
    struct seen near[NEAR_COUNT];
    struct seen *table; /* open addressing, in the scratch; a value of type unknown is free */
    uint32_t table_bits;
    bool full;
};

static uint64_t hash_value(struct value value) {
    if (value.type == VALUE_TEXT) return hash_text(value.text, 0);
    if (value.type == VALUE_YES_NO) return hash_u64(value.yes);
    if (value.type != VALUE_NUMBER)
        return hash_u64((uint64_t)value.minor ^ (uint64_t)value.currency << 48);
    double number = value.number + 0.0; /* -0 is 0 */
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return hash_u64(bits);
}

static bool table_add(struct seen *table, uint32_t bits, const struct seen *seen) {
    uint32_t mask = (1u << bits) - 1, at = (uint32_t)seen->hash & mask;
    for (; table[at].value.type != VALUE_UNKNOWN; at = (at + 1) & mask) {
        if (table[at].hash == seen->hash && value_equal(table[at].value, seen->value)) return false;
    }
    table[at] = *seen;
    return true;
}

/* Makes the next larger table. The old one stays in the scratch until the answer is there. */
static bool grow(struct eval *eval, struct distinct *distinct) {
    uint32_t bits = distinct->table ? distinct->table_bits + 2 : 6;
    if (distinct->count >= EXPR_DISTINCT_MAX || !eval->env->scratch) return false;
    struct seen *table = arena_calloc(eval->env->scratch, (size_t)1 << bits, sizeof(*table));
    if (!table) return false;
    const struct seen *from = distinct->table ? distinct->table : distinct->near;
    uint32_t from_count = distinct->table ? 1u << distinct->table_bits : NEAR_COUNT;
    for (uint32_t i = 0; i < from_count; i++) {
        if (from[i].value.type != VALUE_UNKNOWN) table_add(table, bits, &from[i]);
    }
    distinct->table = table;
    distinct->table_bits = bits;
    return true;
}

static void offer_distinct(struct eval *eval, const struct aggregate *aggregate, void *context,
                           uint32_t row, struct value value) {
    struct distinct *distinct = context;
    if (!value_is_known(value) || distinct->full || !aggregate_where(eval, aggregate, row)) return;
    struct seen seen = {hash_value(value), value};
    if (!distinct->table) {
        for (uint32_t i = 0; i < distinct->count; i++) {
            if (distinct->near[i].hash == seen.hash && value_equal(distinct->near[i].value, value))
                return;
        }
        if (distinct->count < NEAR_COUNT) {
            distinct->near[distinct->count++] = seen;
            return;
        }
    }
    bool is_full = !distinct->table || distinct->count >= (1u << distinct->table_bits) / 2;
    if (is_full && !grow(eval, distinct)) {
        distinct->full = true;
        return;
    }
    distinct->count += table_add(distinct->table, distinct->table_bits, &seen);
}

struct value aggregate_distinct(struct eval *eval, const struct aggregate *aggregate,
                                struct window window) {
    struct arena *scratch = eval->env->scratch;
    struct arena_mark mark = {0};
    struct distinct distinct;
    if (scratch != NULL) mark = arena_mark(scratch);
    distinct.count = 0;
    distinct.table = NULL;
    distinct.table_bits = 0;
    distinct.full = false;
    walk_all(eval, aggregate, window, offer_distinct, &distinct);
    if (scratch != NULL) arena_rewind(scratch, mark); /* the answer is a number */
    return distinct.full ? eval_limit(eval) : value_number(distinct.count);
}

/* ---- list ---- */

struct collected {
    struct packed_list list;
    enum status status;
};

static void offer_list(struct eval *eval, const struct aggregate *aggregate, void *context,
                       uint32_t row, struct value value) {
    struct collected *collected = context;
    if (collected->status != STATUS_OK || !value_is_known(value) ||
        !aggregate_where(eval, aggregate, row))
        return;
    collected->status = packed_list_add(&collected->list, value);
}

struct value aggregate_list(struct eval *eval, const struct aggregate *aggregate,
                            struct window window) {
    struct collected collected = {.status = eval->env->scratch ? STATUS_OK : STATUS_NO_MEMORY};
    struct value list = value_unknown();
    packed_list_init(&collected.list);
    packed_list_begin(&collected.list);
    walk_all(eval, aggregate, window, offer_list, &collected);
    if (collected.status == STATUS_OK) collected.status = packed_list_end(&collected.list, &list);
    if (collected.status == STATUS_OK) {
        list.text = arena_text(eval->env->scratch, list.text);
        if (!list.text.at) collected.status = STATUS_NO_MEMORY;
    }
    packed_list_release(&collected.list);
    return collected.status == STATUS_OK ? list : eval_limit(eval);
}
