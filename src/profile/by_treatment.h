/* SPDX-License-Identifier: Apache-2.0 */
/* profile/by_treatment.h -- computes the traits of all treatments of a set, for one customer.
 *
 * Where it can be done, one pass answers an aggregate for all treatments (expr/keyed.h). The pass
 * costs as much as its rows; a treatment then costs a look at the answer of its holder. What can't
 * be answered so is evaluated for each treatment. Only profile.c uses it, and lends it scratch and
 * environment. */
#ifndef PROFILE_BY_TREATMENT_H
#define PROFILE_BY_TREATMENT_H

#include "expr/keyed.h"
#include "playbook/playbook.h"

struct by_treatment;
enum status by_treatment_create(struct by_treatment **out,
                                const struct playbook *playbook) MUST_USE;
void by_treatment_destroy(struct by_treatment *by_treatment);

/* Forgets the answers that it has kept. */
void by_treatment_forget(struct by_treatment *by_treatment);
/* Answers what can be answered for all treatments of the set at once; traits of the customer are in
 * env->traits. `wanted`, by trait index, tells which traits are asked for; NULL: all. Where memory
 * is short, each treatment is evaluated by itself. */
void by_treatment_answer(struct by_treatment *by_treatment, struct expr_env *env,
                         const struct treatment_set *set, const bool *wanted);
/* Is the treatment of the set that was answered? */
bool by_treatment_has(const struct by_treatment *by_treatment, const struct treatment *treatment);
/* The k-th trait of a treatment, counted in the order of the traits, where the whole of it is
 * answered; else NULL. The treatment is of the set. */
const struct expr_answer *by_treatment_whole(const struct by_treatment *by_treatment, uint32_t k,
                                             const struct treatment *treatment);
/* The same for all treatments of the set: NULL where the whole trait is not answered. The holder of
 * treatment i is (*holders)[i]; NULL: none has one. */
const struct expr_answers *by_treatment_answers(const struct by_treatment *by_treatment, uint32_t k,
                                                const uint32_t **holders);
/* Did a named limit make any of the answers unknown? */
bool by_treatment_limited(const struct by_treatment *by_treatment);
/* Returns the answers of its aggregates, as expr_env.answers has them. */
const struct expr_answer *const *by_treatment_parts(const struct by_treatment *by_treatment,
                                                    uint32_t k, const struct treatment *treatment);

#endif
