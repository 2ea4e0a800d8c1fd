/* SPDX-License-Identifier: Apache-2.0 */
/* learn/trees/model_trees.h -- a model with boosted trees: the additive model, and small trees on
 * what it leaves unexplained.
 *
 *   log-odds = slope * (base + effects of features and pairs + margin of the trees) + base'
 *
 * The trees begin at scores that each customer's rows have by a model which had not seen that
 * customer (folds by group), so that they learn what is left and not what was overfitted. Rounds go
 * on until the log loss of the folds has not fallen for TREES_PATIENCE rounds; the number of trees
 * is that of its lowest. It may be 0: then trees add nothing here. Slope and base' calibrate the
 * held-out scores (calibration.h).
 *
 * A row of the trees has one number a feature. A number is itself, in the units of learn.h. A text
 * is its rank among the texts of the additive model by how many rows have it, the most frequent
 * first (0, 1, 2 …; ties in order of the text); "other" comes behind the last. So no goal enters
 * the code of a text, and a text of fewer than LEARN_TEXT_GROUPS_MIN customers has none of its own.
 * What is missing stays missing.
 *
 * Reasons are the effects, and what trees_reasons says of each feature, times slope. */
#ifndef LEARN_TREES_MODEL_TREES_H
#define LEARN_TREES_MODEL_TREES_H

#include "learn/learn.h"
#include "learn/trees/trees.h"

#define TREES_GROWN_DEPTH 5u
#define TREES_ROUNDS_MAX  400u
#define TREES_PATIENCE    20u
/* Rows times features up to which every fold grows trees of its own at the same time; beyond it the
 * first fold alone says how many trees are best, which bounds memory. */
#define TREES_FOLD_CELLS_MAX 20000000u

/* The part of a model; in its arena but for `trees`. */
struct model_trees {
    struct trees *trees;    /* destroyed with the model */
    const uint16_t **codes; /* by feature; of a text: by its cell. NULL: a number */
    double slope, base;     /* base: the base' above */
    double mean;            /* margin of the trees where nothing is known */
};

struct training_set;
/* The functions of the learner "trees" (learn/learner.h). */
enum status model_trees_learn(struct model **out, const struct training_set *set,
                              const struct learn_options *options, struct error *error) MUST_USE;
double model_trees_predict(const struct model *model, double additive, const struct value *values);
double model_trees_reasons(const struct model *model, const struct value *values, double *effects);
enum status model_trees_save(const struct model *model, struct buffer *out) MUST_USE;
enum status model_trees_load(struct model *model, struct text bytes) MUST_USE;
void model_trees_release(struct model *model);

/* Writes the row that the trees see; `row` has room for each feature of the model. */
void model_trees_row(const struct model *model, const struct value *values, float *row);

#endif
