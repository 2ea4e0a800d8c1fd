/* SPDX-License-Identifier: Apache-2.0 */
/* expr/plain.h -- answers many plain questions about one timeline together.
 *
 *   count("Order Completed") in 30d        rows of the type       1 0 1 1 0 1
 *                                          rows of the window     0 0 0 1 1 1     and ──► 2
 *
 * Most traits are one aggregate over the rows of one event type in a span of time. Their types and
 * spans are few: on a timeline of at most 64 rows each is one word with a bit a row, made once, and
 * a trait looks at the rows of both. The answers equal those of expr_eval to the bit. A plan never
 * changes; any thread may use it. */
#ifndef EXPR_PLAIN_H
#define EXPR_PLAIN_H

#include "expr/expr.h"

struct expr_plain;
/* programs[i] may be NULL. is_plain[i]: does the plan answer it? The programs are borrowed. */
enum status expr_plain_create(struct expr_plain **out, const struct expr_program *const *programs,
                              uint32_t count, bool *is_plain) MUST_USE;
void expr_plain_destroy(struct expr_plain *plain);
/* Sets values[i] and limited[i] (a named limit made it unknown) of those that are plain and wanted
 * (NULL: all). Returns false, and answers none, where the timeline is too long or its rows were
 * known at different times. */
bool expr_plain_eval(const struct expr_plain *plain, struct expr_env *env, const bool *wanted,
                     struct value *values, bool *limited);

#endif
