/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/keyed.h"

#include "base/memory.h"
#include "expr/aggregate.h"

struct holder_total {
    struct accumulator total;
};

struct pass {
    const struct expr_index *index;
    struct expr_answers *answers;
    struct total all; /* share: without `where` */
    enum status status;
};

enum answered expr_answered(const struct expr_program *program, uint32_t index,
                            uint32_t *attribute) {
    const struct aggregate *aggregate = &program->aggregates[index];
    *attribute = aggregate->key_attribute;
    if (aggregate->key_attribute != UINT32_MAX) return ANSWERED_BY_KEY;
    /* A list lies in the scratch of the call. */
    bool once =
        !aggregate->in_relation && !aggregate->reads_treatment && aggregate->kind != AGGREGATE_LIST;
    return once ? ANSWERED_ONCE : ANSWERED_EACH;
}

uint32_t expr_aggregate_count(const struct expr_program *program) {
    return program->aggregate_count;
}

void expr_answers_release(struct expr_answers *answers) {
    memory_free(answers->by_holder);
    memory_free(answers->totals);
    memory_free(answers->touched);
    *answers = (struct expr_answers){0};
}

bool expr_is_aggregate(const struct expr_program *program) {
    return program->single_aggregate != UINT32_MAX;
}

/* ---- the pass ---- */

static struct accumulator *total_of(struct pass *pass, uint32_t holder) {
    struct expr_answers *answers = pass->answers;
    struct accumulator *total = &answers->totals[holder].total;
    if (answers->by_holder[holder].epoch == answers->epoch) return total;
    answers->by_holder[holder].epoch = answers->epoch;
    *total = (struct accumulator){0};
    answers->touched[answers->touched_count++] = holder;
    return total;
}

/* Counts a row for a holder: a count needs only its answer. */
static void count_for(struct pass *pass, uint32_t holder) {
    struct expr_answers *answers = pass->answers;
    struct holder_answer *by_holder = &answers->by_holder[holder];
    if (by_holder->epoch != answers->epoch) {
        by_holder->epoch = answers->epoch;
        by_holder->answer = (struct expr_answer){.value = value_number(0)};
        answers->touched[answers->touched_count++] = holder;
    }
    by_holder->answer.value.number += 1;
}

static struct value key_of_row(struct eval *eval, const struct aggregate *aggregate, uint32_t row) {
    if (aggregate->key_column != UINT32_MAX)
        return column_value(eval_column(eval, aggregate->key_column), aggregate->key_type, row);
    eval->row = row;
    return eval_run(eval, aggregate->key_code);
}

static bool rest_holds(struct eval *eval, const struct aggregate *aggregate, uint32_t row) {
    if (aggregate->rest_code == UINT32_MAX) return true;
    eval->row = row;
    struct value value = eval_run(eval, aggregate->rest_code);
    return value.type == VALUE_YES_NO && value.yes;
}

static void offer(struct eval *eval, const struct aggregate *aggregate, void *context, uint32_t row,
                  struct value value) {
    struct pass *pass = context;
    uint32_t spare, count;
    if (aggregate->kind == AGGREGATE_SHARE) aggregate_total_add(&pass->all, value);
    if (!rest_holds(eval, aggregate, row)) return;
    struct value key = key_of_row(eval, aggregate, row);
    const uint32_t *holders = expr_index_find(pass->index, &key, &spare, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (aggregate->kind == AGGREGATE_COUNT) {
            count_for(pass, holders[i]);
            continue;
        }
        struct accumulator *total = total_of(pass, holders[i]);
        bool is_done =
            aggregate_ends_early(aggregate->kind) && total->part.count > 0 && total->row != row;
        if (!is_done) aggregate_take(eval, aggregate, total, row, value);
    }
}

/* Counts rows of one type whose key is a plain property, and that need meet nothing else. */
static bool counts_plainly(const struct eval *eval, const struct aggregate *aggregate) {
    const struct timeline *timeline = eval->timeline;
    return aggregate->kind == AGGREGATE_COUNT && !aggregate->has_column && !aggregate->iterates &&
           aggregate->rows.type_count == 1 && aggregate->key_column != UINT32_MAX &&
           aggregate->rest_code == UINT32_MAX && timeline->known_ms == NULL &&
           timeline->superseded_ms == NULL;
}

static void count_plainly(struct eval *eval, const struct aggregate *aggregate,
                          struct window window, struct pass *pass) {
    const struct timeline_column *column = eval_column(eval, aggregate->key_column);
    uint32_t row, spare, count;
    struct type_rows_walk rows =
        type_rows_begin(eval->timeline->type, window.low, window.high, aggregate->rows.types[0]);
    while (column->cells != NULL && type_rows_next(&rows, &row)) {
        struct value key = column_value(column, aggregate->key_type, row);
        const uint32_t *holders = expr_index_find(pass->index, &key, &spare, &count);
        for (uint32_t i = 0; i < count; i++) count_for(pass, holders[i]);
    }
}

static void walk(struct eval *eval, const struct aggregate *aggregate, struct window window,
                 struct pass *pass) {
    if (aggregate_walks_back(aggregate->kind)) {
        for (uint32_t row = window.high; row-- > window.low;) {
            if (aggregate_takes_row(eval, aggregate, row))
                aggregate_offer_row(eval, aggregate, row, offer, pass);
        }
        return;
    }
    for (uint32_t row = window.low; row < window.high; row++) {
        if (aggregate_takes_row(eval, aggregate, row))
            aggregate_offer_row(eval, aggregate, row, offer, pass);
    }
}

static struct expr_answer conclude_value(struct eval *eval, const struct aggregate *aggregate,
                                         struct window window, struct value value) {
    struct expr_answer answer = {.value = value};
    if (window.cut) answer.value = aggregate_of_cut(eval, aggregate, value);
    answer.limited = eval->env->limit_reached;
    return answer;
}

static struct expr_answer conclude(struct eval *eval, const struct aggregate *aggregate,
                                   struct window window, const struct accumulator *total) {
    eval->env->limit_reached = false;
    return conclude_value(eval, aggregate, window, aggregate_result(eval, aggregate, total));
}

/* Sets the answers of counts to unknown where rows are missing; all else about them is done. */
static void conclude_counts(struct eval *eval, const struct aggregate *aggregate,
                            struct window window, struct expr_answers *answers) {
    for (size_t i = 0; window.cut && i < answers->touched_count; i++) {
        struct expr_answer *answer = &answers->by_holder[answers->touched[i]].answer;
        eval->env->limit_reached = false;
        *answer = conclude_value(eval, aggregate, window, answer->value);
        answers->any_limited |= answer->limited;
    }
}

static void conclude_all(struct eval *eval, const struct aggregate *aggregate, struct window window,
                         struct pass *pass) {
    struct expr_answers *answers = pass->answers;
    struct accumulator nothing = {.all = pass->all};
    answers->none = conclude(eval, aggregate, window, &nothing);
    answers->any_limited |= answers->none.limited;
    if (aggregate->kind == AGGREGATE_COUNT) {
        conclude_counts(eval, aggregate, window, answers);
        return;
    }
    for (size_t i = 0; i < answers->touched_count; i++) {
        uint32_t holder = answers->touched[i];
        struct accumulator *total = &answers->totals[holder].total;
        total->all = pass->all;
        answers->by_holder[holder].answer = conclude(eval, aggregate, window, total);
        answers->any_limited |= answers->by_holder[holder].answer.limited;
    }
}

static enum status make_room(struct expr_answers *answers, uint32_t holders) {
    size_t had = answers->capacity;
    enum status status = memory_grow((void **)&answers->totals, &answers->total_capacity, holders,
                                     sizeof *answers->totals);
    if (status == STATUS_OK)
        status = memory_grow((void **)&answers->touched, &answers->touched_capacity, holders,
                             sizeof *answers->touched);
    if (status == STATUS_OK)
        status = memory_grow((void **)&answers->by_holder, &answers->capacity, holders,
                             sizeof *answers->by_holder);
    for (size_t i = had; i < answers->capacity; i++) answers->by_holder[i].epoch = 0;
    return status;
}

static void answer_once(struct eval *eval, const struct aggregate *aggregate,
                        struct expr_answers *answers) {
    struct arena *scratch = eval->env->scratch;
    struct arena_mark mark = {0};
    if (scratch != NULL) mark = arena_mark(scratch);
    eval->env->limit_reached = false;
    answers->none.value = aggregate_eval(eval, aggregate);
    answers->none.limited = answers->any_limited = eval->env->limit_reached;
    if (scratch != NULL) arena_rewind(scratch, mark);
}

enum status expr_answer_all(const struct expr_program *program, uint32_t aggregate_index,
                            struct expr_env *env, const struct expr_index *index,
                            struct expr_answers *answers) {
    const struct aggregate *aggregate = &program->aggregates[aggregate_index];
    struct eval eval = {.program = program, .env = env, .timeline = env->timeline};
    answers->epoch++;
    answers->touched_count = 0;
    answers->any_limited = false;
    if (index == NULL) {
        answer_once(&eval, aggregate, answers);
        return STATUS_OK;
    }
    enum status status = make_room(answers, index->holder_count);
    if (status != STATUS_OK) return status;
    struct pass pass = {.index = index, .answers = answers};
    struct window window = aggregate_window(&eval, aggregate);
    if (counts_plainly(&eval, aggregate))
        count_plainly(&eval, aggregate, window, &pass);
    else
        walk(&eval, aggregate, window, &pass);
    conclude_all(&eval, aggregate, window, &pass);
    env->limit_reached = false;
    return STATUS_OK;
}
