/* SPDX-License-Identifier: Apache-2.0 */
/* learn/learner.h -- a way of learning: what it makes of rows, and how that is used and stored.
 *
 * Each kind of model has one learner. model_score, model_reasons, model_encode and model_decode do
 * what kinds have in common, and ask the learner of the model for the rest. So a model of any kind
 * is trained, decided with, stored, judged and replayed by the same commands, and another kind
 * needs these five functions and no more.
 *
 *   additive   effects of features and pairs (model.h): the default, the model in force
 *   trees      the same, and boosted trees on what it leaves unexplained (trees/model_trees.h): a
 *              challenger, which must show that it is better before it is put in force
 *   online     an additive model that has learnt on since it was trained (online_model.h)
 *
 * Any thread; a learner never changes. */
#ifndef LEARN_LEARNER_H
#define LEARN_LEARNER_H

#include "learn/learn.h"

struct learner {
    const char *name; /* as --challenger names it */
    /* NULL: such a model is made from another one (online_model.h). */
    enum status (*learn)(struct model **out, const struct training_set *set,
                         const struct learn_options *options, struct error *error);
    /* The calibrated log-odds of a row, whose effects and pairs add up to `additive`. */
    double (*predict)(const struct model *model, double additive, const struct value *values);
    /* Changes effects[f] of each feature alone into what the feature moves this row's log-odds by,
     * and returns the factor by which the effects of pairs do. */
    double (*reasons)(const struct model *model, const struct value *values, double *effects);
    /* Appends what a model file of this kind has behind the common part, and reads it back. Loading
     * trusts nothing: a byte too many, too few or wrong is STATUS_CORRUPT. */
    enum status (*save)(const struct model *model, struct buffer *out);
    enum status (*load)(struct model *model, struct text bytes);
};

const struct learner *learner_of(enum model_kind kind);
/* STATUS_NOT_FOUND, and which learners there are, where none has that name. */
enum status learner_named(struct text name, enum model_kind *kind, struct error *error) MUST_USE;

#endif
