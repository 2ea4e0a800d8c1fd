/* SPDX-License-Identifier: Apache-2.0 */
/* expr/compile.h -- from a checked tree to a program. */
#ifndef EXPR_COMPILE_H
#define EXPR_COMPILE_H

#include "expr/program.h"

enum status expr_emit(struct arena *arena, const struct expr_schema *schema, struct text source,
                      const struct selector *row, struct node *root, struct expr_program **out,
                      struct expr_error *error) MUST_USE;

/* ---- compile_key.c ---- */
/* Returns the key where the condition is `key == action.NAME`, `key in action.LIST` or `action.LIST
 * contains key`; else NULL. */
const struct node *compile_key_of(const struct node *node, uint32_t *attribute);
/* Is the node calm? A calm node reads nothing of the treatment, reaches no limit and leaves nothing
 * in the scratch, whatever the row. So it does not matter when and how often it is evaluated. */
bool compile_is_calm(const struct node *node);

/* Notes what a program reads by naming this trait. */
static inline void compile_note_trait(struct expr_program *program, const struct node *trait) {
    program->uses_treatment |= (trait->op & TRAIT_OF_TREATMENT) != 0;
    program->uses_context |= (trait->op & TRAIT_OF_CONTEXT) != 0;
    program->reads_timeline = true;
}

#endif
