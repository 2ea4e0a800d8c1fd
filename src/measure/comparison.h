/* SPDX-License-Identifier: Apache-2.0 */
/* measure/comparison.h -- is a challenger better than the model in force? Both are judged on the
 * same treatments, which neither of them had learnt from.
 *
 * A row is a treatment that was delivered in [from, until), whose goal had matured by `until`, and
 * that was known to neither model when it was trained; each model scores it with what was known a
 * millisecond before its delivery (decide/trainer.h). Differences are the challenger's figure minus
 * that of the model in force, with intervals by bootstrap over customers in which both models are
 * given the same draws (learn/learn.h).
 *
 * It writes nothing. One thread calls it, which starts those of the walk. */
#ifndef MEASURE_COMPARISON_H
#define MEASURE_COMPARISON_H

#include "decide/trainer.h"
#include "measure/figure.h"

/* With fewer rows, or fewer of one outcome, nothing is decided: an interval by bootstrap is too
 * narrow then. */
#define COMPARISON_ROWS_MIN  100
#define COMPARISON_CLASS_MIN 20

struct compared_model {
    const struct model *model;
    int64_t learnt_until_ms;
};
struct comparison_options {
    uint32_t rule; /* of the playbook's models */
    struct compared_model challenger, champion;
    int64_t from_ms, until_ms;
    uint32_t threads;
    struct work *work; /* may be NULL */
};

/* Better: one of the two differences lies on the better side with its whole 95 % interval, and the
 * other does not lie on the worse side with its own. Worse: the other way round. */
enum comparison_verdict { COMPARISON_UNDECIDED, COMPARISON_BETTER, COMPARISON_WORSE };
const char *comparison_verdict_text(enum comparison_verdict verdict); /* "better" */

struct comparison {
    enum comparison_verdict verdict;
    size_t count, learnt_count; /* rows judged; left out, since a model has learnt from them */
    struct model_metrics challenger, champion;
    struct interval auc_difference, log_loss_difference;
    int64_t as_of_ms; /* until_ms of the options */
    struct trainer_counts counts;
};
/* Without a row to judge by it is undecided, all its figures are unknown, and that is no error. */
enum status comparison_make(const struct customer_data *data,
                            const struct comparison_options *options, struct comparison *out,
                            struct error *error) MUST_USE;

#define COMPARISON_FIGURES 2
void comparison_figures(const struct comparison *comparison, struct figure out[COMPARISON_FIGURES]);

#endif
