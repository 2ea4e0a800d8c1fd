/* SPDX-License-Identifier: Apache-2.0 */
/* expr/parser.h -- from text to tree. Recursive descent; depth and length are limited by expr.h. */
#ifndef EXPR_PARSER_H
#define EXPR_PARSER_H

#include "expr/ast.h"
#include "expr/lexer.h"

/* `zone`: of times without offset; NULL: UTC. */
enum status expr_parse(struct arena *arena, struct text source, const struct time_zone *zone,
                       struct node **out, struct expr_error *error) MUST_USE;

#endif
