/* SPDX-License-Identifier: Apache-2.0 */
/* expr/program.h -- a compiled expression: operations on a small stack of values, and the
 * aggregates that they call.
 *
 * The checker has settled the types, so an operation needs no types, but must take unknown
 * everywhere. The code of `where` and of relations stands in the same array behind the main code.
 * CODE_END ends each part; the code that runs a part knows where it starts. */
#ifndef EXPR_PROGRAM_H
#define EXPR_PROGRAM_H

#include "expr/ast.h"
#include "expr/expr.h"
#include "expr/items.h"

enum code {
    CODE_END,
    CODE_CONSTANT, /* index: constant */
    CODE_NOW,
    CODE_TRAIT,     /* index; small: type */
    CODE_ATTRIBUTE, /* index; small: type */
    CODE_CONTEXT,   /* index; small: type */
    CODE_PROPERTY,  /* index: column; small: type */
    CODE_ITEM,      /* index: into the aggregate's item fields; small: type */
    CODE_LOOKUP,    /* index: into lookups; key on the stack */
    CODE_ROW,       /* small: enum reference */
    CODE_POP,
    CODE_JUMP,            /* index: where to, here and below */
    CODE_JUMP_IF_NO,      /* leaves the value */
    CODE_JUMP_IF_YES,     /* leaves the value */
    CODE_JUMP_IF_KNOWN,   /* leaves the value */
    CODE_JUMP_IF_UNKNOWN, /* leaves the value */
    CODE_JUMP_UNLESS,     /* takes a known yes/no, jumps on no */
    CODE_NOT,
    CODE_AND,
    CODE_OR,
    CODE_COMPARE,        /* small: enum operator */
    CODE_COMPARE_NUMBER, /* small: enum operator; both numbers */
    /* Trait `index` compared (small) with the number in the next operation's constant. */
    CODE_TRAIT_NUMBER,
    CODE_ARITHMETIC, /* small: enum operator; index: result type */
    CODE_MINUS,
    CODE_CALL,  /* small: enum function, of one value */
    CODE_LEAST, /* the least of two; small: 1 for the greatest */
    CODE_IS_KNOWN,
    CODE_TEXT_TEST,        /* small: enum operator */
    CODE_IN,               /* item, list on the stack */
    CODE_IN_ATTRIBUTE,     /* index: attribute, item on the stack */
    CODE_IN_CONSTANTS,     /* index: into sets, item on the stack */
    CODE_IN_BEGIN,         /* pushes no */
    CODE_IN_STEP,          /* item, so far, candidate: item, so far */
    CODE_IN_END,           /* item, so far: so far */
    CODE_ATTRIBUTE_LENGTH, /* index: attribute */
    CODE_ATTRIBUTE_KNOWN,  /* index: attribute that is a list */
    CODE_AGGREGATE,        /* index */
    CODE_RELATED,          /* small: enum related_kind; index: into relations */
};

struct operation {
    uint8_t code;
    uint8_t small;
    uint32_t index;
};

/* Which rows an aggregate looks at. */
struct row_filter {
    uint16_t *types;     /* sorted; one: `type` alone is compared */
    uint32_t type_count; /* 0: any event */
    bool visits;         /* program->visit_types instead */
};

/* A condition on one column and a literal, or none: the common `where`, without bytecode. */
enum simple_kind {
    SIMPLE_NONE,
    SIMPLE_CODE,
    SIMPLE_TEXT,
    SIMPLE_NUMBER,
    SIMPLE_INTEGER,
    SIMPLE_YES_NO,
    SIMPLE_MONEY
};
struct simple_where {
    enum simple_kind kind;
    uint8_t op; /* enum operator */
    uint32_t column;
    struct text text;
    double number;
    int64_t integer; /* time, duration, minor units; yes/no: the wanted cell */
    uint16_t currency;
};

struct aggregate {
    enum aggregate_kind kind;
    struct row_filter rows;
    bool has_column;
    bool iterates; /* the column is a list whose items are walked */
    bool has_field;
    bool may_be_fast; /* one event type, no items, no bytecode */
    uint32_t column;
    uint32_t field;        /* of the items: index into item_fields */
    uint32_t *item_fields; /* SYMBOL_PROPERTY of the fields that are read */
    uint32_t item_field_count;
    enum value_type column_type;
    enum value_type value_type; /* of what is aggregated; unknown: the event or the item itself */
    struct simple_where where;
    uint32_t where_code; /* UINT32_MAX: none */
    enum window_kind window;
    int64_t window_ms, ending_ms;
    uint32_t visits;
    uint32_t lifetime;    /* index of the lifetime model that is asked */
    int64_t ahead_ms;     /* and how far ahead */
    bool in_relation;     /* it stands in the condition of a relation */
    bool reads_treatment; /* `where` does */
    /* Where `where` means that the rest holds and that the key of the row or item equals the
     * attribute or stands in it (expr/keyed.h): that attribute. UINT32_MAX: it means something
     * else. */
    uint32_t key_attribute;
    uint32_t key_column; /* the key is a plain property of the row; UINT32_MAX: run key_code */
    enum value_type key_type;
    uint32_t key_code, rest_code; /* UINT32_MAX: there is no rest */
};

struct lookup_use {
    uint32_t lookup, field;
    enum value_type type;
};
struct relation_use {
    uint32_t relation;
    uint32_t code;
};
struct constant_set { /* sorted values of one type */
    const struct value *values;
    uint32_t count;
};

#define EXPR_STACK_MAX 160
#define COLUMN_WORDS   (TIMELINE_COLUMNS_MAX / 64)

struct expr_program {
    const struct operation *code;
    const struct value *constants;
    const struct aggregate *aggregates;
    const struct lookup_use *lookups;
    const struct relation_use *relations;
    const struct constant_set *sets;
    uint32_t code_count, aggregate_count;
    uint32_t single_aggregate; /* the whole program is this aggregate; UINT32_MAX */
    enum value_type type;
    bool is_row, uses_treatment, uses_context, uses_relation, reads_timeline;
    uint16_t currency;
    int64_t visit_gap_ms, window_ms;
    const struct time_zone *zone; /* NULL: UTC */
    /* By event type, for the types known when it was compiled; later ones are asked for. */
    const uint8_t *visit_types;
    uint32_t visit_type_count;
    bool (*is_visit)(void *context, uint32_t event_type);
    void *context;
    const struct symbols *symbols;
    uint64_t columns[COLUMN_WORDS];
    uint32_t needs;
    const struct expr_use *uses;
    uint32_t use_count;
    const uint32_t *traits;
    uint32_t trait_count;
    const struct node *root; /* for explaining */
    struct text source;
};

#endif
