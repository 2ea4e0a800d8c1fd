/* SPDX-License-Identifier: Apache-2.0 */
/* expr/keyed.h -- computes an aggregate for all treatments in one pass over the timeline.
 *
 *   sum("Order Completed".products.price where product_id in action.products) in 365d
 *
 * This aggregate asks the same of every row for each treatment, with one difference: is the row's
 * key, product_id, equal to action.NAME, or in action.LIST? Such an aggregate is *keyed*. One pass
 * adds each row to the holders (expr/index.h) that its key finds, in the order of the rows, so the
 * answers equal those of expr_eval bit for bit. An aggregate that reads nothing of the treatment is
 * answered once for all treatments. expr_eval answers the others.
 *
 * Code that evaluates a program for a treatment passes the answers in expr_env.answers. */
#ifndef EXPR_KEYED_H
#define EXPR_KEYED_H

#include "expr/index.h"

enum answered { ANSWERED_EACH, ANSWERED_ONCE, ANSWERED_BY_KEY };
/* Tells how aggregate `index` of the program is answered. *attribute: the attribute of the
 * treatment that is its key. */
enum answered expr_answered(const struct expr_program *program, uint32_t index,
                            uint32_t *attribute);
uint32_t expr_aggregate_count(const struct expr_program *program);

struct expr_answer {
    struct value value;
    bool limited; /* a named limit made it unknown */
};

/* The answers of one aggregate, by holder. Begins zeroed; the next pass uses its memory again. */
struct holder_total;
struct holder_answer {
    uint64_t epoch; /* the pass that counted for this holder; an older one: no row counts */
    struct expr_answer answer;
};
struct expr_answers {
    /* the answer where no row counts; with ANSWERED_ONCE, for all holders */
    struct expr_answer none;
    struct holder_answer *by_holder;
    struct holder_total *totals;
    size_t capacity, total_capacity;
    uint32_t *touched; /* holders for which a row counts */
    bool any_limited;  /* a named limit made any of them unknown */
    size_t touched_count, touched_capacity;
    uint64_t epoch;
};
void expr_answers_release(struct expr_answers *answers);
/* Does one pass. `index` is that of the aggregate's attribute; NULL for ANSWERED_ONCE. It fails
 * only with STATUS_NO_MEMORY, and then there are no answers. */
enum status expr_answer_all(const struct expr_program *program, uint32_t aggregate,
                            struct expr_env *env, const struct expr_index *index,
                            struct expr_answers *answers) MUST_USE;
static inline const struct expr_answer *expr_answer_of(const struct expr_answers *answers,
                                                       uint32_t holder) {
    if (holder >= answers->capacity) return &answers->none; /* HOLDER_NONE too */
    const struct holder_answer *by_holder = &answers->by_holder[holder];
    return by_holder->epoch == answers->epoch ? &by_holder->answer : &answers->none;
}
/* Is the whole program one aggregate? */
bool expr_is_aggregate(const struct expr_program *program);

#endif
