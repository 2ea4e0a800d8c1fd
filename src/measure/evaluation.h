/* SPDX-License-Identifier: Apache-2.0 */
/* measure/evaluation.h -- how good a model is: it is judged on treatments that it never saw, alone
 * and against somebody else's predictions.
 *
 * A row is a treatment that was delivered in [from, until) and whose goal had matured by `until`.
 * Rows that the model may have learnt from, also in an earlier version that a correction has
 * replaced, are left out and counted. Each row is scored with what was known a millisecond before
 * its delivery (decide/trainer.h), as a live decision would have been. Figures and their intervals
 * are those of learn/learn.h: a bootstrap over customers, since the rows of a customer are alike.
 *
 * It writes nothing. One thread calls it, which starts those of the walk. */
#ifndef MEASURE_EVALUATION_H
#define MEASURE_EVALUATION_H

#include "base/work.h"
#include "decide/trainer.h"
#include "measure/figure.h"
#include "measure/predictions.h"

#define EVALUATION_BINS 10

/* Rows with neighbouring propensities: what was predicted of them, and what happened. */
struct calibration_bin {
    double predicted;   /* mean propensity */
    struct figure rate; /* share of its rows that reached the goal */
};

struct evaluation {
    struct model_metrics metrics;
    struct trainer_row_id *ids; /* `count` of them, as are the two below; from memory_alloc */
    double *propensity;
    bool *yes;
    size_t count;
    /* Further treatments of that time, left out since the model has learnt from them. */
    size_t learnt_count;
    int64_t as_of_ms;             /* until_ms of the options */
    struct trainer_counts counts; /* where all events of that time went */
    /* By tenths of the propensity, lowest first; fewer where there are fewer rows than tenths. */
    struct calibration_bin bins[EVALUATION_BINS];
    uint32_t bin_count;
    /* Against another's predictions, on the rows that both have. */
    bool compared;
    char against_name[PREDICTIONS_NAME_BYTES_MAX];
    size_t compared_count;
    struct model_metrics against, ours_there;
    struct interval auc_difference;
};

/* Gives the values of a customer's identifiers, by which somebody else's predictions name the
 * customer. */
struct customer_namer {
    enum status (*visit)(void *context, struct customer_id customer,
                         void (*name)(void *name_context, struct text value), void *name_context);
    void *context;
};

struct evaluation_options {
    uint32_t rule;             /* of the playbook's models */
    const struct model *model; /* the one to be judged */
    int64_t learnt_until_ms;   /* until when it has learnt */
    int64_t from_ms, until_ms;
    uint32_t threads;
    const struct predictions *against; /* NULL: alone */
    struct customer_namer namer;       /* only with `against` */
    struct work *work;                 /* may be NULL */
};
/* STATUS_INVALID, and a sentence that says why, where no row is left to judge by. Release `out`
 * also after a failure. */
enum status evaluation_make(const struct customer_data *data,
                            const struct evaluation_options *options, struct evaluation *out,
                            struct error *error) MUST_USE;
void evaluation_release(struct evaluation *evaluation);

/* What learn measured, as figures: AUC, log loss, calibration error, top-tenth gain, base rate. */
#define METRICS_FIGURES 5
void metrics_figures(const struct model_metrics *metrics, int64_t as_of_ms,
                     struct figure out[METRICS_FIGURES]);
/* Where evaluation->compared. */
struct figure evaluation_auc_difference(const struct evaluation *evaluation);

#endif
