/* SPDX-License-Identifier: Apache-2.0 */
/* expr/aggregate.h -- what the aggregate_*.c files share: which rows a window holds, and what an
 * aggregate makes of them. */
#ifndef EXPR_AGGREGATE_H
#define EXPR_AGGREGATE_H

#include "event/packed.h"
#include "expr/eval.h"
#include "expr/type_rows.h"

/* Rows low ≤ row < high happened in (start_ms, end_ms]. */
struct window {
    uint32_t low, high;
    bool cut; /* the timeline was truncated inside the window: its oldest rows are missing */
};

struct window aggregate_window(const struct eval *eval, const struct aggregate *aggregate);

static inline bool aggregate_is_visit(const struct expr_program *program, uint16_t type) {
    if (type < program->visit_type_count) return program->visit_types[type];
    return program->is_visit && program->is_visit(program->context, type);
}

static inline bool aggregate_takes_type(const struct expr_program *program,
                                        const struct row_filter *rows, uint16_t type) {
    if (rows->type_count == 1) return type == rows->types[0];
    if (rows->visits) return aggregate_is_visit(program, type);
    if (rows->type_count == 0) return true;
    for (uint32_t i = 0; i < rows->type_count; i++) {
        if (rows->types[i] == type) return true;
    }
    return false;
}

static inline bool aggregate_takes_row(const struct eval *eval, const struct aggregate *aggregate,
                                       uint32_t row) {
    const struct timeline *timeline = eval->timeline;
    return aggregate_takes_type(eval->program, &aggregate->rows, timeline->type[row]) &&
           timeline_known(timeline, row, eval->env->t_ms);
}

struct total {
    uint64_t count;
    double number;
    int64_t integer;   /* minor units or milliseconds */
    uint16_t currency; /* of the first */
    bool spoilt;       /* two currencies, or more than fits */
};

/* What an aggregate has gathered from the rows that count so far. */
struct accumulator {
    struct total all; /* share: without `where` */
    struct total part;
    struct value best; /* min, max, first, last */
    uint32_t row;      /* of the best */
};
void aggregate_total_add(struct total *total, struct value value);
/* Takes a row, and its value, that counts. */
void aggregate_take(struct eval *eval, const struct aggregate *aggregate,
                    struct accumulator *accumulator, uint32_t row, struct value value);
/* Divides and rounds half to even, exactly also where the sum has more than 53 bits. */
int64_t aggregate_divided(int64_t sum, uint64_t count);
struct value aggregate_result(struct eval *eval, const struct aggregate *aggregate,
                              const struct accumulator *accumulator);
/* Returns the answer where the oldest rows of the window are missing: it is known only where the
 * newest row alone decides it. */
struct value aggregate_of_cut(struct eval *eval, const struct aggregate *aggregate,
                              struct value value);
/* Does it walk from the newest row on, and answer by the first row that counts? */
static inline bool aggregate_walks_back(enum aggregate_kind kind) {
    return kind == AGGREGATE_EXISTS || kind == AGGREGATE_SINCE || kind == AGGREGATE_LAST;
}
/* Does the first row that counts give the answer, in whichever direction it walks? */
static inline bool aggregate_ends_early(enum aggregate_kind kind) {
    return aggregate_walks_back(kind) || kind == AGGREGATE_FIRST;
}

/* Does `where` hold on the row (and item) at hand? Unknown is no. */
bool aggregate_where(struct eval *eval, const struct aggregate *aggregate, uint32_t row);

/* Gets each row, or each item of its list, that belongs to the aggregate. `value` is what is
 * aggregated, unknown where that is the event or the item itself. `where` was not asked yet. */
typedef void aggregate_offer(struct eval *eval, const struct aggregate *aggregate, void *context,
                             uint32_t row, struct value value);
void aggregate_offer_row(struct eval *eval, const struct aggregate *aggregate, uint32_t row,
                         aggregate_offer *offer, void *context);

/* Judges a condition that needs no bytecode. */
bool aggregate_simple_holds(struct eval *eval, const struct simple_where *where, uint32_t row);
/* Returns what exists, since and last make of the row, and its value, that they found. */
struct value aggregate_of_row(struct eval *eval, const struct aggregate *aggregate, uint32_t row,
                              struct value value);

/* Gives the answer of an aggregate that may be fast, whose rows in the window `rows` walks; false
 * where it can't. */
bool aggregate_of_rows(struct eval *eval, const struct aggregate *aggregate,
                       struct type_rows_walk *rows, struct window window, struct value *out);
/* Gives the answer without walking row by row; false where there is no such way. */
bool aggregate_fast(struct eval *eval, const struct aggregate *aggregate, struct window window,
                    struct value *out);
struct value aggregate_visits(struct eval *eval, const struct aggregate *aggregate,
                              struct window window);
struct value aggregate_overdue(struct eval *eval, const struct aggregate *aggregate,
                               struct window window);
/* Gathers the orders and asks the lifetime model (expr_env.lifetime). */
struct value aggregate_of_lifetime(struct eval *eval, const struct aggregate *aggregate,
                                   struct window window);
struct value aggregate_distinct(struct eval *eval, const struct aggregate *aggregate,
                                struct window window);
struct value aggregate_list(struct eval *eval, const struct aggregate *aggregate,
                            struct window window);

#endif
