/* SPDX-License-Identifier: Apache-2.0 */
/* Finds, from the tree, conditions that are yes in one span of time. */
#include "expr/program.h"

struct span {
    int64_t from_ms, until_ms;
};

static bool known_time(const struct node *node, const struct expr_attribute *attributes,
                       int64_t *time_ms) {
    struct value value = value_unknown();
    if (node->kind == NODE_LITERAL) value = node->literal;
    if (node->kind == NODE_NAME && node->reference == REFERENCE_ATTRIBUTE && attributes != NULL)
        value = attributes[node->index].value;
    *time_ms = value.time_ms;
    return node->type == VALUE_TIME && value.type == VALUE_TIME && value.time_ms < INT64_MAX;
}

static void begin_at(struct span *span, int64_t from_ms) {
    if (from_ms > span->from_ms) span->from_ms = from_ms;
}

static void end_at(struct span *span, int64_t until_ms) {
    if (until_ms < span->until_ms) span->until_ms = until_ms;
}

/* Returns the operator for exchanged sides. */
static enum operator exchanged(enum operator op) {
    switch (op) {
    case OP_LESS: return OP_GREATER;
    case OP_LESS_EQUAL: return OP_GREATER_EQUAL;
    case OP_GREATER: return OP_LESS;
    case OP_GREATER_EQUAL: return OP_LESS_EQUAL;
    default: return op;
    }
}

static bool compare_narrows(const struct node *node, const struct expr_attribute *attributes,
                            struct span *span) {
    const struct node *left = node->first, *right = left->next;
    enum operator op =(enum operator) node->op;
    int64_t time_ms;
    if (right->kind == NODE_NOW) {
        const struct node *now = right;
        right = left;
        left = now;
        op = exchanged(op);
    }
    if (left->kind != NODE_NOW || !known_time(right, attributes, &time_ms)) return false;
    switch (op) {
    case OP_LESS: end_at(span, time_ms); return true;
    case OP_LESS_EQUAL: end_at(span, time_ms + 1); return true;
    case OP_GREATER: begin_at(span, time_ms + 1); return true;
    case OP_GREATER_EQUAL: begin_at(span, time_ms); return true;
    case OP_EQUAL:
        begin_at(span, time_ms);
        end_at(span, time_ms + 1);
        return true;
    default: return false;
    }
}

/* An AND may hold further ANDs; EXPR_DEPTH_MAX limits the recursion. */
static bool narrows(const struct node *node, const struct expr_attribute *attributes,
                    struct span *span) {
    if (node->kind == NODE_COMPARE) return compare_narrows(node, attributes, span);
    if (node->kind != NODE_AND) return false;
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (!narrows(child, attributes, span)) return false;
    }
    return true;
}

bool expr_is_span(const struct expr_program *program, const struct expr_attribute *attributes,
                  int64_t *from_ms, int64_t *until_ms) {
    struct span span = {INT64_MIN, INT64_MAX};
    if (program->is_row || !narrows(program->root, attributes, &span)) return false;
    *from_ms = span.from_ms;
    *until_ms = span.until_ms;
    return true;
}
