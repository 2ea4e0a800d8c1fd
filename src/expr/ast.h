/* SPDX-License-Identifier: Apache-2.0 */
/* expr/ast.h -- an expression as a tree: what the parser makes, the checker resolves and types, the
 * compiler and explain read. Everything lives in the arena that the expression is compiled into. */
#ifndef EXPR_AST_H
#define EXPR_AST_H

#include "event/value.h"

enum node_kind {
    NODE_LITERAL, /* literal */
    NODE_NOW,
    NODE_NAME, /* name, or name.field */
    NODE_LIST, /* children */
    NODE_NOT,
    NODE_MINUS,
    NODE_AND, /* two children or more */
    NODE_OR,
    NODE_COMPARE,    /* op: OP_EQUAL … OP_GREATER_EQUAL */
    NODE_IN,         /* op: OP_IN, OP_NOT_IN */
    NODE_TEXT_TEST,  /* op: OP_CONTAINS … OP_MATCHES */
    NODE_IS,         /* op: OP_KNOWN, OP_UNKNOWN */
    NODE_ARITHMETIC, /* op: OP_ADD … OP_DIVIDE */
    NODE_CALL,       /* op: enum function */
    NODE_AGGREGATE,  /* op: enum aggregate_kind; selector */
    NODE_RELATED,    /* op: RELATED_ANY, RELATED_COUNT; name: the relation */
};

enum operator{
    OP_EQUAL,
    OP_NOT_EQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_IN,
    OP_NOT_IN,
    OP_CONTAINS,
    OP_STARTS,
    OP_ENDS,
    OP_MATCHES,
    OP_KNOWN,
    OP_UNKNOWN,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
};
enum related_kind { RELATED_ANY, RELATED_COUNT };

enum function {
    FUNCTION_IF,
    FUNCTION_OTHERWISE,
    FUNCTION_LEAST,
    FUNCTION_GREATEST,
    FUNCTION_ABS,
    FUNCTION_ROUND,
    FUNCTION_FLOOR,
    FUNCTION_LOG,
    FUNCTION_LOG1P,
    FUNCTION_SQRT,
    FUNCTION_LOWER,
    FUNCTION_LENGTH,
    FUNCTION_DAYS,
    FUNCTION_HOUR,
    FUNCTION_WEEKDAY,
    FUNCTION_MONTH,
    FUNCTION_COUNT
};

enum aggregate_kind {
    AGGREGATE_COUNT,
    AGGREGATE_EXISTS,
    AGGREGATE_SUM,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_AVG,
    AGGREGATE_FIRST,
    AGGREGATE_LAST,
    AGGREGATE_DISTINCT,
    AGGREGATE_SINCE,
    AGGREGATE_LIST,
    AGGREGATE_SHARE,
    AGGREGATE_OVERDUE,
    /* Asked of a lifetime model, whose name stands where others have a selector. */
    AGGREGATE_ALIVE,
    AGGREGATE_EXPECTED_ORDERS,
    AGGREGATE_EXPECTED_VALUE,
    AGGREGATE_KIND_COUNT
};
static inline bool aggregate_is_of_lifetime(enum aggregate_kind kind) {
    return kind == AGGREGATE_ALIVE || kind == AGGREGATE_EXPECTED_ORDERS ||
           kind == AGGREGATE_EXPECTED_VALUE;
}
extern const char *const function_names[FUNCTION_COUNT];
extern const char *const aggregate_names[AGGREGATE_KIND_COUNT];

/* What a name turned out to be. */
enum reference {
    REFERENCE_TRAIT,     /* index: trait */
    REFERENCE_ATTRIBUTE, /* index: attribute */
    REFERENCE_CONTEXT,   /* index: context property */
    REFERENCE_PROPERTY,  /* index: column */
    REFERENCE_ITEM,      /* index: SYMBOL_PROPERTY of a field of the list's items */
    REFERENCE_LOOKUP,    /* index: lookup, lookup_field; its key is the one child */
    REFERENCE_TIME,      /* of the row itself: when it happened, … */
    REFERENCE_CHANNEL,
    REFERENCE_EVENT,
    REFERENCE_SOURCE,
};

/* In `op` of a name that is a trait: what it reads beside the timeline. */
enum { TRAIT_OF_TREATMENT = 1, TRAIT_OF_CONTEXT = 2 };

enum selector_kind { SELECT_EVENTS, SELECT_ANY, SELECT_VISITS };
enum window_kind { WINDOW_NONE, WINDOW_DURATION, WINDOW_VISITS };

struct event_name {
    struct text name;
    uint32_t start;
    uint32_t type; /* SYMBOL_EVENT, once checked */
};

struct node;
struct selector {
    enum selector_kind kind;
    struct event_name *events; /* SELECT_EVENTS; SELECT_ANY has one with type SYMBOL_NONE */
    uint32_t event_count;
    uint32_t start;
    struct text property, field; /* empty where there is none */
    uint32_t property_start, field_start;
    struct node *where;
    enum window_kind window;
    int64_t window_ms, ending_ms;
    int64_t ahead_ms; /* of a lifetime model: the time from now on that is asked about */
    uint32_t visits;
    /* A list's items are walked, one by one: not for the first or last list as a whole. */
    bool iterates;
    /* checked: */
    uint32_t column;
    uint32_t property_symbol, field_symbol;
    enum value_type property_type; /* of the column */
    enum value_type value_type;    /* of what is aggregated; unknown where it is the event itself */
};

struct node {
    uint8_t kind, op;
    /* Enum value_type, once checked; item_type of lists, unknown where only known when it runs. */
    uint8_t type, item_type;
    uint8_t reference;
    uint16_t depth;
    uint32_t start, end; /* its bytes in the source */
    uint32_t place;      /* where errors about it point: the operator of two operands */
    uint32_t index, lookup_field;
    struct value literal;
    struct text name, field;
    struct node *first, *next; /* children: first, first->next, … */
    struct selector *selector;
};

#endif
