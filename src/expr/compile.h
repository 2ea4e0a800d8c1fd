/* SPDX-License-Identifier: Apache-2.0 */
/* expr/compile.h -- from a checked tree to a program. */
#ifndef EXPR_COMPILE_H
#define EXPR_COMPILE_H

#include "expr/program.h"

enum status expr_emit(struct arena *arena, const struct expr_schema *schema, struct text source,
                      const struct selector *row, struct node *root, struct expr_program **out,
                      struct expr_error *error) MUST_USE;

#endif
