/* SPDX-License-Identifier: Apache-2.0 */
/* expr/index.h -- finds the holders of an attribute that have a given value.
 *
 *   action.category          holder 0: "tea"   holder 1: "milk"         one holder a value
 *   action.products          holder 0: {A1, A2}   holder 1: {A2}        A2 ──► 0, 1
 *
 * A holder is what a treatment says of one attribute: its value, or its list. Treatments that say
 * the same share one. A row of a timeline finds the holders that it counts for by one look into a
 * table, so `where product_id in action.products` needs no pass for each treatment (expr/keyed.h).
 * Values are equal where `==` and `in` say so. An index is built once for a set of treatments; then
 * any thread may read it. */
#ifndef EXPR_INDEX_H
#define EXPR_INDEX_H

#include "base/hash.h"
#include "expr/expr.h"

#define HOLDER_NONE UINT32_MAX /* the attribute is unknown: no row counts for it */

struct expr_index {
    enum value_type type; /* VALUE_LIST: looked into by `in`; else compared by `==` */
    struct interner *keys;
    uint32_t holder_count;
    /* For lists, the holders of key k are holders[first[k]] to before holders[first[k + 1]]. For
     * values the key is the holder. */
    uint32_t *first, *holders;
    /* While the index is built: which holder has which key. */
    struct {
        uint32_t key, holder;
    } * pairs;
    size_t pair_count, pair_capacity;
};

/* STATUS_INVALID where values of this type have no == (money of two currencies). */
enum status expr_index_create(struct expr_index **out, enum value_type type) MUST_USE;
void expr_index_destroy(struct expr_index *index);
/* STATUS_INVALID where the attribute can't be indexed. */
enum status expr_index_add(struct expr_index *index, const struct expr_attribute *attribute,
                           uint32_t *holder) MUST_USE;
enum status expr_index_finish(struct expr_index *index) MUST_USE;

/* Returns the holders that have this value, *count of them. */
const uint32_t *expr_index_find(const struct expr_index *index, const struct value *value,
                                uint32_t *spare, uint32_t *count);

#endif
