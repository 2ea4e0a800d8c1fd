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
    /* A list lies in the scratch of the evaluation. */
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

static struct value key_of_row(struct evaluation *evaluation, const struct aggregate *aggregate,
                               uint32_t row) {
    if (aggregate->key_column != UINT32_MAX)
        return column_value(evaluation_column(evaluation, aggregate->key_column),
                            aggregate->key_type, row);
    evaluation->row = row;
    return evaluation_run(evaluation, aggregate->key_code);
}

static bool rest_holds(struct evaluation *evaluation, const struct aggregate *aggregate,
                       uint32_t row) {
    if (aggregate->rest_code == UINT32_MAX) return true;
    evaluation->row = row;
    struct value value = evaluation_run(evaluation, aggregate->rest_code);
    return value.type == VALUE_YES_NO && value.yes;
}

static void offer(struct evaluation *evaluation, const struct aggregate *aggregate, void *context,
                  uint32_t row, struct value value) {
    struct pass *pass = context;
    uint32_t spare, count;
    if (aggregate->kind == AGGREGATE_SHARE) aggregate_total_add(&pass->all, value);
    if (!rest_holds(evaluation, aggregate, row)) return;
    struct value key = key_of_row(evaluation, aggregate, row);
    const uint32_t *holders = expr_index_find(pass->index, &key, &spare, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (aggregate->kind == AGGREGATE_COUNT) {
            count_for(pass, holders[i]);
            continue;
        }
        struct accumulator *total = total_of(pass, holders[i]);
        bool is_done =
            aggregate_ends_early(aggregate->kind) && total->part.count > 0 && total->row != row;
        if (!is_done) aggregate_take(evaluation, aggregate, total, row, value);
    }
}

static void walk(struct evaluation *evaluation, const struct aggregate *aggregate,
                 struct window window, struct pass *pass) {
    if (aggregate_walks_back(aggregate->kind)) {
        for (uint32_t row = window.high; row-- > window.low;) {
            if (aggregate_takes_row(evaluation, aggregate, row))
                aggregate_offer_row(evaluation, aggregate, row, offer, pass);
        }
        return;
    }
    for (uint32_t row = window.low; row < window.high; row++) {
        if (aggregate_takes_row(evaluation, aggregate, row))
            aggregate_offer_row(evaluation, aggregate, row, offer, pass);
    }
}

static struct expr_answer conclude_value(struct evaluation *evaluation,
                                         const struct aggregate *aggregate, struct window window,
                                         struct value value) {
    struct expr_answer answer = {.value = value};
    if (window.cut) answer.value = aggregate_of_cut(evaluation, aggregate, value);
    answer.limited = evaluation->env->limit_reached;
    return answer;
}

static struct expr_answer conclude(struct evaluation *evaluation, const struct aggregate *aggregate,
                                   struct window window, const struct accumulator *total) {
    evaluation->env->limit_reached = false;
    return conclude_value(evaluation, aggregate, window,
                          aggregate_result(evaluation, aggregate, total));
}

/* Sets the answers of counts to unknown where rows are missing; all else about them is done. */
static void conclude_counts(struct evaluation *evaluation, const struct aggregate *aggregate,
                            struct window window, struct expr_answers *answers) {
    for (size_t i = 0; window.cut && i < answers->touched_count; i++) {
        struct expr_answer *answer = &answers->by_holder[answers->touched[i]].answer;
        evaluation->env->limit_reached = false;
        *answer = conclude_value(evaluation, aggregate, window, answer->value);
        answers->any_limited |= answer->limited;
    }
}

static void conclude_all(struct evaluation *evaluation, const struct aggregate *aggregate,
                         struct window window, struct pass *pass) {
    struct expr_answers *answers = pass->answers;
    struct accumulator nothing = {.all = pass->all};
    answers->none = conclude(evaluation, aggregate, window, &nothing);
    answers->any_limited |= answers->none.limited;
    if (aggregate->kind == AGGREGATE_COUNT) {
        conclude_counts(evaluation, aggregate, window, answers);
        return;
    }
    for (size_t i = 0; i < answers->touched_count; i++) {
        uint32_t holder = answers->touched[i];
        struct accumulator *total = &answers->totals[holder].total;
        total->all = pass->all;
        answers->by_holder[holder].answer = conclude(evaluation, aggregate, window, total);
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

static void answer_once(struct evaluation *evaluation, const struct aggregate *aggregate,
                        struct expr_answers *answers) {
    struct arena *scratch = evaluation->env->scratch;
    struct arena_mark mark = {0};
    if (scratch != NULL) mark = arena_mark(scratch);
    evaluation->env->limit_reached = false;
    answers->none.value = aggregate_eval(evaluation, aggregate);
    answers->none.limited = answers->any_limited = evaluation->env->limit_reached;
    if (scratch != NULL) arena_rewind(scratch, mark);
}

enum status expr_answer_all(const struct expr_program *program, uint32_t aggregate_index,
                            struct expr_env *env, const struct expr_index *index,
                            struct expr_answers *answers) {
    const struct aggregate *aggregate = &program->aggregates[aggregate_index];
    struct evaluation evaluation = {.program = program, .env = env, .timeline = env->timeline};
    answers->epoch++;
    answers->touched_count = 0;
    answers->any_limited = false;
    if (index == NULL) {
        answer_once(&evaluation, aggregate, answers);
        return STATUS_OK;
    }
    enum status status = make_room(answers, index->holder_count);
    if (status != STATUS_OK) return status;
    struct pass pass = {.index = index, .answers = answers};
    struct window window = aggregate_window(&evaluation, aggregate);
    walk(&evaluation, aggregate, window, &pass);
    conclude_all(&evaluation, aggregate, window, &pass);
    env->limit_reached = false;
    return STATUS_OK;
}
