/* SPDX-License-Identifier: Apache-2.0 */
/* learn/learn.h -- the default learner: logistic regression over binned features and pairs of them,
 * calibrated.
 *
 * Knows nothing of timelines: it is given rows of feature values and labels (a `training_set`) and
 * makes a `model`, an immutable snapshot that scores rows and says why. The training set is made by
 * trainer.h in the room above, from past treatments and matured goals, as of the moment of each.
 * Where two features together say what neither says alone, the model has a pair of them.
 * Deterministic: same rows, options and seed give the same model, bit for bit. */
#ifndef LEARN_LEARN_H
#define LEARN_LEARN_H

#include "base/file.h"
#include "base/work.h"
#include "event/value.h"

#define LEARN_FEATURES_MAX   1024
#define LEARN_TEXT_BYTES_MAX 256 /* of a text value that gets a bin of its own */
/* A text gets a bin only where so many groups (customers) have it in the rows; the others are
 * "other". A text of one person predicts nobody else, and would outlive that person's erasure in
 * the model. Texts that name what the rows are about (is_split) are the playbook's own. */
#define LEARN_TEXT_GROUPS_MIN 20
#define LEARN_NAME_BYTES_MAX  4096
#define LEARN_ROWS_MAX        100000000u
/* Pairs of features in a model. */
#define LEARN_PAIRS_MAX      40
#define MODEL_FORMAT_VERSION 5

enum feature_kind { FEATURE_NUMBER, FEATURE_TEXT };
struct feature {
    struct text name;
    /* Numbers: number, money (major units), duration and time (days), yes/no (1/0). */
    enum feature_kind kind;
    /* A text that names what the rows are about, such as the action. It is fitted with a light
     * ridge, since rows of several kinds must be told apart first. */
    bool is_split;
};

struct training_set;
enum status training_set_create(struct training_set **out, const struct feature *features,
                                uint32_t count) MUST_USE;
void training_set_destroy(struct training_set *set);
/* One past moment. `values` by feature, any type (text is copied; a text over LEARN_TEXT_BYTES_MAX
 * counts as "other"); group: the customer, for intervals and folds; horizon_ms: when the label was
 * known. Splits go by time, which keeps a mailing together. The weight counts in the fit, its
 * calibration, the choice of settings and the base rate; the figures of a model (model_metrics)
 * count every row once, whatever its weight. Outside [0, 1e6] it is STATUS_INVALID. */
struct training_row {
    const struct value *values;
    bool yes;
    double weight; /* 1 */
    int64_t time_ms, horizon_ms;
    uint32_t group;
};
enum status training_set_add(struct training_set *set, const struct training_row *row) MUST_USE;
size_t training_set_count(const struct training_set *set);
/* Returns a row as the set holds it: numbers in the units of a feature, texts borrowed from the
 * set. `values` has room for every feature and becomes out->values. */
void training_set_row(const struct training_set *set, size_t row, struct value *values,
                      struct training_row *out);

struct learn_options {
    uint64_t seed;
    uint32_t split_count; /* rolling splits for the settings and the report; default 4 */
    /* How long after its horizon a label was taken to be known; kept in the facts. */
    int64_t label_delay_ms;
    bool without_pairs; /* features alone, whatever they say together */
    struct work *work;  /* may be NULL; counts passes over the rows */
};

struct model;
/* Trains a model. It chooses its settings on rolling splits inside the set (train on rows whose
 * horizon ended before d, validate on those at or after d), fits on all rows, and calibrates on
 * predictions for groups that the fit had not seen. An empty set is STATUS_INVALID. With too few
 * rows of one class, or too few for splits, it makes a simpler model, and model_facts says so. */
enum status model_train(struct model **out, const struct training_set *set,
                        const struct learn_options *options, struct error *error) MUST_USE;
void model_destroy(struct model *model);

/* What the rows were enough for, from least to most. model_basis_text says it in a sentence. */
enum model_basis {
    MODEL_BASE_RATE,   /* too few of one class: every score is the base rate */
    MODEL_OUT_OF_FOLD, /* too few rows over time: default settings, figures from folds by group */
    MODEL_UNSEARCHED,  /* rolling figures, default settings: too many cells to try others */
    MODEL_ROLLING,     /* settings chosen and figures measured on rolling splits */
    MODEL_FOLDED,      /* trees: their number and figures from folds by group */
    /* Too few rows over time, such as rows of one date: settings chosen and figures measured on
     * folds by group. */
    MODEL_BY_FOLDS,
    MODEL_BASIS_COUNT
};
const char *model_basis_text(enum model_basis basis);
/* Names what the figures of such a model were measured on: "rolling splits". */
const char *model_figures_text(enum model_basis basis);
/* How a model scores. The file names it, so that each kind has functions of its own. */
enum model_kind {
    MODEL_ADDITIVE, /* effects of features and of pairs */
    MODEL_TREES,    /* the same, and boosted trees on what they leave unexplained */
    MODEL_ONLINE,   /* effects of features and of pairs; it has learnt on since (online_model.h) */
    MODEL_KIND_COUNT
};
struct model_facts {
    enum model_kind kind;
    enum model_basis basis;
    uint32_t split_count, passes;
    uint64_t rows, yes;
    double slope_ridge, bin_ridge; /* the settings in use */
    double calibration_slope;      /* Platt: propensity = 1/(1+exp(-(slope * z + base))) */
    double calibration_base;
    int64_t label_delay_ms; /* of the learn_options; 0 in a model of format 1 */
    /* LEARN_TEXT_GROUPS_MIN when it was trained; 0 in models of formats 1 and 2, whose texts may be
     * those of one person. */
    uint32_t text_groups_min;
    double pair_ridge;    /* of the cells of pairs; 0: the model has no pairs */
    uint32_t pairs_tried; /* how many pairs were scored for it; 0 before format 5 */
    uint32_t tree_count;  /* of a model of trees */
};
const struct model_facts *model_facts(const struct model *model);
uint32_t model_feature_count(const struct model *model);
struct feature model_feature(const struct model *model, uint32_t feature);

/* What two features add together, beyond what each adds alone. */
struct model_pair_facts {
    uint32_t left, right; /* features; left < right */
    double evidence;      /* z of the cells' residuals under no pair (learn/pairs.h) */
    double importance;    /* mean |effect| over the training rows */
};
uint32_t model_pair_count(const struct model *model);
/* Pairs are in order of left, then right. */
struct model_pair_facts model_pair_facts(const struct model *model, uint32_t pair);

/* Is a row's log-odds the sum of model_base and of effects of features and pairs? Where it is not,
 * model_score alone scores, and parts of a score are the reasons. */
bool model_is_sum(const struct model *model);
/* Returns the calibrated propensity, in (0, 1). `values` is by the model's features. Any thread; no
 * allocation. */
double model_score(const struct model *model, const struct value *values);
/* The same in parts, for rows that share most of their values: the log-odds that one value adds;
 * the log-odds with the effects of features from `first` to before `end` added one after the other
 * (in effects[first] …); and the propensity. From model_base over all features in order the result
 * equals model_score bit for bit. */
double model_base(const struct model *model);
double model_effect(const struct model *model, uint32_t feature, struct value value);
static inline double model_add(double log_odds, const double *effects, uint32_t first,
                               uint32_t end) {
    for (uint32_t f = first; f < end; f++) log_odds += effects[f];
    return log_odds;
}
/* The same by cells: a feature's value falls into one of its cells, and each cell, or pair of
 * cells, adds the same log-odds. For a caller that knows some features long before others:
 *
 *   log-odds = base + effects of all features + effects of all pairs
 *
 * In a model that has pairs, the base and every effect are multiples of 2^-32 and at most
 * MODEL_EFFECT_MAX in size, so that sums of them are exact, and equal model_score bit for bit in
 * whatever order they are added. Cells must be of their features. */
#define MODEL_EFFECT_MAX 1024.0
uint32_t model_cell(const struct model *model, uint32_t feature, struct value value);
double model_cell_effect(const struct model *model, uint32_t feature, uint32_t cell);
double model_pair_effect(const struct model *model, uint32_t pair, uint32_t left_cell,
                         uint32_t right_cell);
/* A feature has at most so many cells. */
#define LEARN_CELLS_MAX 256
uint32_t model_cell_count(const struct model *model, uint32_t feature);
/* The effects of a pair, borrowed from the model: the cells of either feature fall into parts. */
struct model_pair_table {
    const uint8_t *left_part, *right_part; /* by cell */
    const double *effects;                 /* at left part * left_step + right part * right_step */
    uint32_t left_step, right_step;
};
struct model_pair_table model_pair_table(const struct model *model, uint32_t pair);
static inline double model_pair_table_effect(const struct model_pair_table *table,
                                             uint32_t left_cell, uint32_t right_cell) {
    return table->effects[table->left_part[left_cell] * table->left_step +
                          table->right_part[right_cell] * table->right_step];
}
double model_propensity(double log_odds);
/* The same for many, in place. */
void model_propensities(double *log_odds, size_t count);
/* No two models of a process have the same one, and none has 0. */
uint64_t model_serial(const struct model *model);
/* Gives the features, and pairs of them, that moved this row's score most, strongest first:
 * log-odds against the mean. The base plus all reasons is the row's log-odds (but for rounding,
 * where the model is no sum). */
#define MODEL_ALONE UINT32_MAX
struct model_reason {
    uint32_t feature;
    uint32_t with; /* the right feature of a pair; MODEL_ALONE: the feature by itself */
    double log_odds;
};
uint32_t model_reasons(const struct model *model, const struct value *values,
                       struct model_reason *out, uint32_t max);
/* Gives the mean absolute log-odds of each feature and pair over the training rows, strongest
 * first. */
uint32_t model_importance(const struct model *model, struct model_reason *out, uint32_t max);

/* How good it is on rows that it never saw; every figure with its 95 % and its 50 % interval by
 * bootstrap over groups (Poisson weights, seeded; 2,000 draws, fewer but at least 200 beyond
 * 100,000 rows). In a model of format 3 or older the 50 % bounds and those of the base rate are
 * NaN. Base rate: the share of rows that reached the goal. Ties count half in the AUC. Calibration
 * error: 10 bins of equal count, mean |propensity - rate|. Chance alone makes it positive, and each
 * draw adds to it, so its interval lies high: it is an upper bound rather than a middle. Top-tenth
 * gain: rate in the tenth with the highest propensity over the rate of all. Undefined figures (AUC
 * of one class) are NaN. No rows, or a propensity outside [0, 1], is invalid. */
struct interval {
    double value, low, high; /* 95 % */
    double low50, high50;    /* 50 % */
};
struct model_metrics {
    uint64_t rows, yes, groups;
    struct interval auc, log_loss, calibration_error, top_tenth_gain, base_rate;
};
enum status metrics_of(const double *propensity, const bool *yes, const uint32_t *group,
                       size_t count, uint64_t seed, struct model_metrics *out) MUST_USE;
/* Compares in pairs: AUC of a minus AUC of b on the same rows, with its interval by group. The
 * scores must be finite. */
enum status metrics_auc_difference(const double *a, const double *b, const bool *yes,
                                   const uint32_t *group, size_t count, uint64_t seed,
                                   struct interval *out) MUST_USE;
/* The same of the log loss: that of a minus that of b, so that below 0 a is better. Propensities in
 * [0, 1]. */
enum status metrics_log_loss_difference(const double *a, const double *b, const bool *yes,
                                        const uint32_t *group, size_t count, uint64_t seed,
                                        struct interval *out) MUST_USE;
/* Returns the figures over the training set's own rows. The latest split that had not seen a row
 * predicted it (MODEL_OUT_OF_FOLD: the fold that had not; MODEL_BASE_RATE: the base rate). */
const struct model_metrics *model_rolling_metrics(const struct model *model);

/* Encodes models/NAME@VERSION.model, which is immutable and checksummed; appends to `out`. Decoding
 * trusts nothing: a wrong byte is STATUS_CORRUPT, a newer program's file STATUS_VERSION. */
enum status model_encode(const struct model *model, struct buffer *out) MUST_USE;
enum status model_decode(struct model **out, struct text bytes, struct error *error) MUST_USE;

#endif
