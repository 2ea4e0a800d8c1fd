/* SPDX-License-Identifier: Apache-2.0 */
/* expr/check.h -- gives every name its meaning and every node its type. A tree that passes can't
 * fail when it runs. */
#ifndef EXPR_CHECK_H
#define EXPR_CHECK_H

#include "expr/ast.h"
#include "expr/expr.h"

struct checker {
    struct arena *arena;
    const struct expr_schema *schema;
    struct text source;
    struct expr_error *error;
    /* Names that suggestions and joins are chosen from; released with the checker. */
    struct arena names;
    /* Bare names are looked for here first: inside `where`, or the row of a row program. */
    const struct selector *row;
    bool in_related;
};

/* Checks the whole tree. `row`: NULL, or the event of a row program. */
enum status expr_check(struct arena *arena, const struct expr_schema *schema, struct text source,
                       const struct selector *row, struct node *root,
                       struct expr_error *error) MUST_USE;

/* ---- between check.c and resolve.c ---- */
enum status check_node(struct checker *checker, struct node *node) MUST_USE;
/* Finds a name's reference, index and type. */
enum status resolve_name(struct checker *checker, struct node *node) MUST_USE;
/* Finds the events, property, list field and column of an aggregate. */
enum status resolve_selector(struct checker *checker, struct node *node) MUST_USE;
/* Finds the lifetime model of one of its functions, and which events and property it reads. */
enum status resolve_lifetime(struct checker *checker, struct node *node) MUST_USE;
enum status resolve_relation(struct checker *checker, struct node *node) MUST_USE;
/* Returns the node's source text, at most 60 bytes. */
struct text source_of(const struct checker *checker, const struct node *node);
const char *type_with_article(enum value_type type);

#define CHECK_FAIL(checker, at, ...)                                                               \
    expr_fail((checker)->error, (checker)->source, (at), STATUS_INVALID, __VA_ARGS__)

#endif
