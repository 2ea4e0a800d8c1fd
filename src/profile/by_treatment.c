/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/by_treatment.h"

#include "base/memory.h"

struct asked { /* one aggregate of the trait of a treatment */
    const struct expr_program *program;
    uint32_t index; /* in the program */
    uint32_t trait;
    enum answered how;
    uint32_t attribute;
    bool is_answered;
    const uint32_t *holders; /* of the set's treatments; NULL: one answer for all */
    struct expr_answers answers;
};

struct by_treatment {
    const struct treatment_set *set; /* NULL: nothing is answered */
    struct asked *asked;             /* trait by trait */
    uint32_t asked_count;
    bool limited;
    uint32_t *first; /* by k: the trait's in `asked`, and behind the last the end */
    bool *is_whole;  /* by k: the trait is one aggregate and nothing else */
    const struct expr_answer **answer; /* as `asked`, of the treatment at hand */
};

static uint32_t count_asked(const struct playbook *playbook) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (playbook->traits[i].of_treatment)
            count += expr_aggregate_count(playbook->traits[i].program);
    }
    return count;
}

static void plan(struct by_treatment *by_treatment, const struct playbook *playbook) {
    uint32_t k = 0, at = 0;
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        const struct expr_program *program = playbook->traits[i].program;
        if (!playbook->traits[i].of_treatment) continue;
        by_treatment->is_whole[k] = expr_is_aggregate(program);
        by_treatment->first[k++] = at;
        for (uint32_t a = 0; a < expr_aggregate_count(program); a++) {
            struct asked *asked = &by_treatment->asked[at++];
            asked->program = program;
            asked->index = a;
            asked->trait = i;
            asked->how = expr_answered(program, a, &asked->attribute);
        }
    }
    by_treatment->first[k] = at;
}

enum status by_treatment_create(struct by_treatment **out, const struct playbook *playbook) {
    struct by_treatment *by_treatment = memory_calloc(1, sizeof *by_treatment);
    *out = by_treatment;
    if (by_treatment == NULL) return STATUS_NO_MEMORY;
    by_treatment->asked_count = count_asked(playbook);
    by_treatment->asked =
        memory_calloc((size_t)by_treatment->asked_count + 1, sizeof *by_treatment->asked);
    by_treatment->answer =
        memory_calloc((size_t)by_treatment->asked_count + 1, sizeof *by_treatment->answer);
    by_treatment->first =
        memory_calloc((size_t)playbook->trait_count + 1, sizeof *by_treatment->first);
    by_treatment->is_whole =
        memory_calloc((size_t)playbook->trait_count + 1, sizeof *by_treatment->is_whole);
    if (by_treatment->asked == NULL || by_treatment->answer == NULL ||
        by_treatment->first == NULL || by_treatment->is_whole == NULL)
        return STATUS_NO_MEMORY;
    plan(by_treatment, playbook);
    return STATUS_OK;
}

void by_treatment_destroy(struct by_treatment *by_treatment) {
    if (by_treatment == NULL) return;
    for (uint32_t i = 0; by_treatment->asked != NULL && i < by_treatment->asked_count; i++)
        expr_answers_release(&by_treatment->asked[i].answers);
    memory_free(by_treatment->asked);
    memory_free(by_treatment->answer);
    memory_free(by_treatment->first);
    memory_free(by_treatment->is_whole);
    memory_free(by_treatment);
}

void by_treatment_forget(struct by_treatment *by_treatment) {
    by_treatment->set = NULL;
}

void by_treatment_answer(struct by_treatment *by_treatment, struct expr_env *env,
                         const struct treatment_set *set, const bool *wanted) {
    by_treatment->set = set;
    by_treatment->limited = false;
    for (uint32_t i = 0; i < by_treatment->asked_count; i++) {
        struct asked *asked = &by_treatment->asked[i];
        const struct expr_index *index =
            asked->how == ANSWERED_BY_KEY ? set->indexes[asked->attribute] : NULL;
        asked->holders = index != NULL ? set->holders[asked->attribute] : NULL;
        bool can = (asked->how == ANSWERED_ONCE || index != NULL) &&
                   (wanted == NULL || wanted[asked->trait]);
        asked->is_answered = can && expr_answer_all(asked->program, asked->index, env, index,
                                                    &asked->answers) == STATUS_OK;
        by_treatment->limited |= asked->is_answered && asked->answers.any_limited;
    }
}

bool by_treatment_has(const struct by_treatment *by_treatment, const struct treatment *treatment) {
    const struct treatment_set *set = by_treatment->set;
    return set != NULL && treatment->index < set->count &&
           &set->treatments[treatment->index] == treatment;
}

static const struct expr_answer *answer_of(const struct asked *asked,
                                           const struct treatment *treatment) {
    if (!asked->is_answered) return NULL;
    return expr_answer_of(&asked->answers,
                          asked->holders != NULL ? asked->holders[treatment->index] : HOLDER_NONE);
}

const struct expr_answer *by_treatment_whole(const struct by_treatment *by_treatment, uint32_t k,
                                             const struct treatment *treatment) {
    const struct asked *asked = &by_treatment->asked[by_treatment->first[k]];
    return by_treatment->is_whole[k] ? answer_of(asked, treatment) : NULL;
}

const struct expr_answers *by_treatment_answers(const struct by_treatment *by_treatment, uint32_t k,
                                                const uint32_t **holders) {
    const struct asked *asked = &by_treatment->asked[by_treatment->first[k]];
    if (by_treatment->set == NULL || !by_treatment->is_whole[k] || !asked->is_answered) return NULL;
    *holders = asked->holders;
    return &asked->answers;
}

bool by_treatment_limited(const struct by_treatment *by_treatment) {
    return by_treatment->set != NULL && by_treatment->limited;
}

const struct expr_answer *const *by_treatment_parts(const struct by_treatment *by_treatment,
                                                    uint32_t k, const struct treatment *treatment) {
    uint32_t first = by_treatment->first[k];
    for (uint32_t i = first; i < by_treatment->first[k + 1]; i++)
        by_treatment->answer[i] = answer_of(&by_treatment->asked[i], treatment);
    return by_treatment->answer + first;
}
