/* SPDX-License-Identifier: Apache-2.0 */
/* expr/eval.h -- a program that is being computed, as eval.c, aggregate.c and function.c share it.
 */
#ifndef EXPR_EVAL_H
#define EXPR_EVAL_H

#include "expr/program.h"

struct eval {
    const struct expr_program *program;
    struct expr_env *env;
    const struct timeline *timeline; /* the customer's, or a related one's */
    uint32_t row;
    const struct items *items; /* where the items of a list are walked */
    bool in_related;
};

/* Runs the code at `start` up to its CODE_END. */
struct value eval_run(struct eval *eval, uint32_t start);
struct value aggregate_eval(struct eval *eval, const struct aggregate *aggregate);

/* Returns unknown and notes that a named limit, or mixed currencies, caused it. */
static inline struct value eval_limit(struct eval *eval) {
    eval->env->limit_reached = true;
    return value_unknown();
}

static inline const struct timeline_column *eval_column(const struct eval *eval, uint32_t column) {
    static const struct timeline_column none = {0};
    const struct timeline *timeline = eval->timeline;
    return timeline->columns && column < timeline->column_count ? &timeline->columns[column]
                                                                : &none;
}

struct value function_call(struct eval *eval, enum function function, struct value value);
struct value function_arithmetic(struct eval *eval, enum operator op, struct value a,
                                 struct value b);
/* Compares two known values of one type: -1, 0, 1. *unknown where they have no order (different
 * currencies). */
int function_compare(struct eval *eval, struct value a, struct value b, bool *unknown);
bool function_compares(enum operator op, int order);
struct value function_text_test(enum operator op, struct value a, struct value b);
struct value function_in_list(struct value item, struct value list);
/* Are the values the same to `in`? The number 12 is the text "12" of an undeclared list. */
bool function_same(struct value a, struct value b);

/* Returns -log10 of the chance of a gap at least as long as the present one (docs/language.md,
 * overdue). gaps >= 2. */
double overdue_surprise(uint32_t gaps, double mean_log, double sum_squares, double present_gap_ms);

#endif
