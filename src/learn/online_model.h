/* SPDX-License-Identifier: Apache-2.0 */
/* learn/online_model.h -- a model that goes on learning after its training.
 *
 * A trained additive model learns rows that came later: beside its log-odds, which stay as they
 * are, the online learner (online.h) learns one weight for each cell of each feature, and what it
 * has learnt is added to the effects. So the result is an additive model again: it scores, explains
 * and is stored like any other, and is as immutable. Its file keeps the state of the learner, so
 * that learning goes on from there.
 *
 *   trained ──► rows that matured since ──► version 2 ──► more rows ──► version 3 …
 *
 * Rows are learnt in the order given. In how many steps they come makes no difference: the same
 * rows in the same order give the same bits. For that, effects are multiples of 2^-32, as those of
 * models with pairs are; the first step rounds those of others. Effects are no longer 0 on average
 * once the model has learnt on, and pairs stay as they were trained. */
#ifndef LEARN_ONLINE_MODEL_H
#define LEARN_ONLINE_MODEL_H

#include "learn/learn.h"

struct online_row {
    const struct value *values; /* by the model's features */
    bool yes;
    /* It was learnt before, with the other answer: an outcome that came late, or was undone. It is
     * learnt twice, once against what was learnt and once for what is so. */
    bool changed;
};

/* What a model has learnt since its training. */
struct model_online_facts {
    uint64_t rows, yes, changed; /* the changed ones are not among the rows */
    double decay;
    /* Mean log loss of the rows, each before it was learnt: of the model as it was then, and of the
     * model as it was trained. NAN without rows. Both saw no row before it was predicted. */
    double log_loss, trained_log_loss;
};

/* False for a model of trees, and for one that only has a base rate. */
bool model_learns_on(const struct model *model);
/* Makes the next version of `model`, which stays as it is. decay: of online.h, 0 for its default;
 * it holds from the first step on, and a later step keeps it. STATUS_INVALID for one that does not
 * learn on. */
enum status model_learn_on(struct model **out, const struct model *model,
                           const struct online_row *rows, size_t count, double decay,
                           struct error *error) MUST_USE;
/* NULL: it has not learnt on. */
const struct model_online_facts *model_online_facts(const struct model *model);

#endif
