/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model of expr_model_test.c: its own events, its own trees, and how trees are grown and
 * written down. */
#ifndef TESTS_EXPR_MODEL_H
#define TESTS_EXPR_MODEL_H

#include "base/random.h"
#include "world.h"

#define EVENTS_MAX 24
#define ITEMS_MAX  4
#define NOW_MS     (INT64_C(17400) * TIME_DAY_MS)

/* ---- the model's own world ---- */

struct item {
    struct value product_id, quantity, sales_value;
};
struct happening {
    int64_t time_ms, known_ms;
    int type; /* index in event_names */
    struct value revenue, store, gift, weight, due, order_id;
    bool has_products;
    struct item items[ITEMS_MAX];
    uint32_t item_count;
};
extern const char *const event_names[3];

struct model {
    struct expr_world world;
    struct random random;
    struct happening events[EVENTS_MAX];
    uint32_t count;
    bool with_known;
    int64_t t_ms;
};

/* ---- trees ---- */

enum kind {
    LITERAL,
    NOW,
    NAME,
    NOT,
    AND,
    OR,
    COMPARE,
    IN,
    IS_KNOWN,
    ARITHMETIC,
    MINUS,
    IF,
    OTHERWISE,
    LEAST,
    ABS,
    TEXT_TEST,
    AGGREGATE,
    IN_ACTION
};
enum aggregate {
    COUNT,
    EXISTS,
    SUM,
    MIN,
    MAX,
    AVG,
    FIRST,
    LAST,
    DISTINCT,
    SINCE,
    SHARE,
    AGGREGATES
};
struct tree {
    enum kind kind;
    enum value_type type;
    int op; /* operator, aggregate, name */
    struct value literal;
    struct tree *child[3];
    int child_count;
    /* aggregates */
    int events;   /* bit set over event_names; 8 any, 16 visits */
    int property; /* index in properties, -1 none */
    struct tree *where;
    int64_t window_ms, ending_ms;
    uint32_t visits;
};

enum {
    REVENUE,
    STORE,
    GIFT,
    WEIGHT,
    DUE,
    ORDER_ID,
    PRODUCTS,
    PRODUCT_ID,
    QUANTITY,
    SALES_VALUE,
    ROW_TIME,
    DEPARTMENT,
    PROPERTIES
};
struct model_property {
    const char *path, *name;
    enum value_type type;
    bool of_item;
};
extern const struct model_property properties[PROPERTIES];

enum value_type any_type(struct model *model);
struct value random_value(struct model *model, enum value_type type);
/* A random tree of this type, at most so deep. */
struct tree *grow_tree(struct model *model, enum value_type type, int depth);
/* As the language writes it. */
void write_tree(const struct tree *tree, struct buffer *out);

static inline uint64_t below(struct model *model, uint64_t bound) {
    return random_below(&model->random, bound);
}

#endif
