/* SPDX-License-Identifier: Apache-2.0 */
/* Trees on what the additive model leaves unexplained (model_trees.h).
 *
 *   additive model ─► out of fold: log-odds of every row by a model without its customer's rows
 *                     ─► boosters, one a fold, round by round: how many trees are best?
 *                        ─► calibration and figures from rows that no tree had seen
 *                        ─► so many trees, grown on all rows */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "learn/calibration.h"
#include "learn/fit.h"
#include "learn/model.h"
#include "learn/trees/boost.h"
#include "learn/trees/model_trees.h"
#include "learn/trees/xgboost_library.h"

#define CLASS_MIN       50   /* rows of either outcome, below which nothing is left for trees */
#define IMPORTANCE_ROWS 2000 /* of which the importance of features is the mean */

struct growth {
    const struct training_set *set;
    const struct learn_options *options;
    struct model *model;
    struct value *row; /* of the set, one at a time */
    /* By row. */
    float *values, *labels, *weights, *begin;
    uint8_t *fold;
    double *held; /* log-odds by trees that had not seen the row, at the best round */
    uint32_t *rows;
    size_t held_count; /* rows that a fold holds out: the first ones of `rows` */
    /* Rounds. */
    struct booster *boosters[FIT_FOLDS];
    uint32_t booster_count, best_round;
    struct error *error;
};

static enum status make_room(struct growth *growth) {
    size_t count = growth->set->count + 1, width = growth->set->feature_count;
    growth->row = memory_alloc((width + 1) * sizeof *growth->row);
    growth->values = memory_alloc((count * width + 1) * sizeof *growth->values);
    growth->labels = memory_alloc(count * sizeof *growth->labels);
    growth->weights = memory_alloc(count * sizeof *growth->weights);
    growth->begin = memory_alloc(count * sizeof *growth->begin);
    growth->fold = memory_alloc(count * sizeof *growth->fold);
    growth->held = memory_alloc(count * sizeof *growth->held);
    growth->rows = memory_alloc(count * sizeof *growth->rows);
    bool whole = growth->row && growth->values && growth->labels && growth->weights &&
                 growth->begin && growth->fold && growth->held && growth->rows;
    return whole ? STATUS_OK : error_set(growth->error, STATUS_NO_MEMORY, "no memory for trees");
}

static void release(struct growth *growth) {
    for (uint32_t b = 0; b < FIT_FOLDS; b++) booster_destroy(growth->boosters[b]);
    memory_free(growth->row);
    memory_free(growth->values);
    memory_free(growth->labels);
    memory_free(growth->weights);
    memory_free(growth->begin);
    memory_free(growth->fold);
    memory_free(growth->held);
    memory_free(growth->rows);
}

/* ---- is there enough? ---- */

/* Deals customers into folds; rows one by one where all customers are in one fold. */
static void deal_folds(struct growth *growth) {
    const struct row_facts *rows = growth->set->rows;
    bool spread = false;
    for (size_t i = 0; i < growth->set->count; i++) {
        growth->fold[i] = (uint8_t)fit_fold_of(rows[i].group);
        spread |= growth->fold[i] != growth->fold[0];
    }
    for (size_t i = 0; i < growth->set->count && !spread; i++)
        growth->fold[i] = (uint8_t)(i % FIT_FOLDS);
}

static enum status refuse_few(const struct growth *growth) {
    uint64_t yes = growth->model->facts.yes, no = growth->model->facts.rows - yes;
    if (yes >= CLASS_MIN && no >= CLASS_MIN) return STATUS_OK;
    return error_set(growth->error, STATUS_INVALID,
                     "boosted trees need %d treatments that reached the goal and %d that did not, "
                     "and there are %llu and %llu; the additive model learns from fewer",
                     CLASS_MIN, CLASS_MIN, (unsigned long long)yes, (unsigned long long)no);
}

/* ---- where the trees begin ---- */

static enum status copy_others(const struct growth *growth, uint32_t fold,
                               struct training_set **out) {
    const struct training_set *set = growth->set;
    enum status status = training_set_create(out, set->features, set->feature_count);
    for (size_t i = 0; i < set->count && status == STATUS_OK; i++) {
        struct training_row row;
        if (growth->fold[i] == fold) continue;
        training_set_row(set, i, growth->row, &row);
        status = training_set_add(*out, &row);
    }
    return status;
}

/* Scores the rows of a fold by an additive model of the others. */
static enum status begin_fold(struct growth *growth, uint32_t fold) {
    struct training_set *others = NULL;
    struct model *model = NULL;
    enum status status = copy_others(growth, fold, &others);
    if (status == STATUS_OK && others->count == 0) status = STATUS_INVALID;
    if (status == STATUS_OK)
        status = model_train_alike(&model, others, growth->model, growth->options, growth->error);
    else
        status =
            error_set(growth->error, status, "preparing a fold of trees: %s", status_name(status));
    for (size_t i = 0; i < growth->set->count && status == STATUS_OK; i++) {
        struct training_row row;
        if (growth->fold[i] != fold) continue;
        training_set_row(growth->set, i, growth->row, &row);
        growth->begin[i] = (float)model_additive(model, row.values);
    }
    model_destroy(model);
    training_set_destroy(others);
    return status;
}

/* ---- what the trees see ---- */

struct counted_cell {
    uint32_t cell;
    double rows;
};

static int compare_counts(const void *left, const void *right) {
    const struct counted_cell *a = left, *b = right;
    if (a->rows != b->rows) return a->rows > b->rows ? -1 : 1;
    return a->cell < b->cell ? -1 : 1;
}

/* Ranks the texts of a feature by how many rows have them. */
static enum status rank_texts(struct growth *growth, uint32_t f) {
    struct model *model = growth->model;
    uint32_t known = model->features[f].known;
    struct counted_cell counts[BIN_CELLS_MAX] = {0};
    uint16_t *codes = arena_alloc(&model->arena, (known + 1) * sizeof *codes);
    if (codes == NULL) return STATUS_NO_MEMORY;
    for (uint32_t c = 0; c < known; c++) counts[c].cell = c;
    for (size_t i = 0; i < growth->set->count; i++) {
        struct training_row row;
        training_set_row(growth->set, i, growth->row, &row);
        uint32_t cell = model_cell(model, f, row.values[f]);
        if (cell < known) counts[cell].rows += 1;
    }
    qsort(counts, known, sizeof *counts, compare_counts);
    for (uint32_t rank = 0; rank < known; rank++) codes[counts[rank].cell] = (uint16_t)rank;
    codes[known] = (uint16_t)known;
    model->trees->codes[f] = codes;
    return STATUS_OK;
}

static enum status make_part(struct growth *growth) {
    struct model *model = growth->model;
    struct model_trees *part = model->trees = arena_calloc(&model->arena, 1, sizeof *part);
    if (part == NULL) return STATUS_NO_MEMORY;
    part->codes = arena_calloc(&model->arena, model->feature_count + 1u, sizeof *part->codes);
    if (part->codes == NULL) return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (uint32_t f = 0; f < model->feature_count && status == STATUS_OK; f++) {
        if (model->features[f].kind == FEATURE_TEXT) status = rank_texts(growth, f);
    }
    return status;
}

static void write_rows(struct growth *growth) {
    const struct training_set *set = growth->set;
    for (size_t i = 0; i < set->count; i++) {
        struct training_row row;
        training_set_row(set, i, growth->row, &row);
        model_trees_row(growth->model, row.values, growth->values + i * set->feature_count);
        growth->labels[i] = row.yes ? 1 : 0;
        growth->weights[i] = (float)row.weight;
    }
}

/* ---- rounds ---- */

/* Copies the rows of a fold, or all others, behind one another. */
struct part_rows {
    struct boost_rows rows;
    float *memory;
};

static enum status copy_rows(const struct growth *growth, uint32_t fold, bool inside,
                             struct part_rows *out) {
    size_t width = growth->set->feature_count, count = 0;
    for (size_t i = 0; i < growth->set->count; i++) count += (growth->fold[i] == fold) == inside;
    out->memory = memory_alloc((count * (width + 3) + 1) * sizeof *out->memory);
    if (out->memory == NULL) return STATUS_NO_MEMORY;
    float *labels = out->memory, *weights = labels + count, *begin = weights + count,
          *values = begin + count;
    out->rows = (struct boost_rows){values, labels, weights, begin, count, (uint32_t)width};
    for (size_t i = 0, k = 0; i < growth->set->count; i++) {
        if ((growth->fold[i] == fold) != inside) continue;
        labels[k] = growth->labels[i];
        weights[k] = growth->weights[i];
        begin[k] = growth->begin[i];
        memcpy(values + k++ * width, growth->values + i * width, width * sizeof *values);
    }
    return STATUS_OK;
}

static enum status begin_boosting(struct growth *growth, uint32_t fold) {
    struct part_rows others = {0}, own = {0};
    enum status status = copy_rows(growth, fold, false, &others);
    if (status == STATUS_OK) status = copy_rows(growth, fold, true, &own);
    if (status != STATUS_OK)
        status = error_set(growth->error, status, "no memory to grow trees");
    else
        status = booster_create(&growth->boosters[fold], &others.rows, &own.rows, TREES_GROWN_DEPTH,
                                growth->error);
    memory_free(others.memory);
    memory_free(own.memory);
    return status;
}

static double row_loss(const struct row_facts *facts, double log_odds) {
    double z = facts->yes ? -log_odds : log_odds;
    return facts->weight * (z > 0 ? z + log1p(exp(-z)) : log1p(exp(z)));
}

/* Adds up the loss of the rows that a fold holds out, and keeps their log-odds in `now`. */
static double fold_loss(const struct growth *growth, uint32_t fold, const float *log_odds,
                        double *now) {
    double loss = 0;
    for (size_t i = 0, k = 0; i < growth->set->count; i++) {
        if (growth->fold[i] != fold) continue;
        now[i] = (double)log_odds[k++];
        loss += row_loss(&growth->set->rows[i], now[i]);
    }
    return loss;
}

static enum status one_round(struct growth *growth, double *now, double *loss) {
    enum status status = work_check(growth->options->work, growth->error);
    *loss = 0;
    for (uint32_t b = 0; b < growth->booster_count && status == STATUS_OK; b++) {
        const float *log_odds;
        status = booster_grow(growth->boosters[b], growth->error);
        if (status == STATUS_OK)
            status = booster_watch(growth->boosters[b], &log_odds, growth->error);
        if (status == STATUS_OK) *loss += fold_loss(growth, b, log_odds, now);
    }
    work_add(growth->options->work, 1);
    return status;
}

/* Finds the round after which rows that no tree had seen were told best; 0 where that is before the
 * first. */
static enum status find_best(struct growth *growth) {
    size_t count = growth->set->count;
    double *now = memory_alloc((count + 1) * sizeof *now), best = 0;
    if (now == NULL) return error_set(growth->error, STATUS_NO_MEMORY, "no memory for trees");
    growth->held_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (growth->fold[i] >= growth->booster_count) continue;
        growth->rows[growth->held_count++] = i;
        growth->held[i] = (double)growth->begin[i];
        best += row_loss(&growth->set->rows[i], growth->held[i]);
    }
    enum status status = STATUS_OK;
    uint32_t round = 0;
    while (round < TREES_ROUNDS_MAX && round - growth->best_round < TREES_PATIENCE &&
           status == STATUS_OK) {
        double loss;
        status = one_round(growth, now, &loss);
        round++;
        if (status != STATUS_OK || !(loss < best)) continue;
        best = loss;
        growth->best_round = round;
        for (size_t k = 0; k < growth->held_count; k++)
            growth->held[growth->rows[k]] = now[growth->rows[k]];
    }
    memory_free(now);
    return status;
}

static enum status grow_on_all(struct growth *growth) {
    const struct boost_rows all = {growth->values, growth->labels,     growth->weights,
                                   growth->begin,  growth->set->count, growth->set->feature_count};
    struct booster *booster;
    enum status status = booster_create(&booster, &all, NULL, TREES_GROWN_DEPTH, growth->error);
    for (uint32_t round = 0; round < growth->best_round && status == STATUS_OK; round++) {
        status = work_check(growth->options->work, growth->error);
        if (status == STATUS_OK) status = booster_grow(booster, growth->error);
        work_add(growth->options->work, 1);
    }
    if (status == STATUS_OK)
        status = booster_trees(booster, &growth->model->trees->trees, growth->error);
    booster_destroy(booster);
    return status;
}

/* ---- calibration, figures, importance ---- */

static enum status judge(struct growth *growth) {
    struct model *model = growth->model;
    size_t count = growth->held_count;
    double *scores = memory_alloc((count + 1) * sizeof *scores);
    bool *yes = memory_alloc((count + 1) * sizeof *yes);
    uint32_t *group = memory_alloc((count + 1) * sizeof *group);
    enum status status = scores && yes && group ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t k = 0; k < count && status == STATUS_OK; k++) {
        const struct row_facts *facts = &growth->set->rows[growth->rows[k]];
        scores[k] = growth->held[growth->rows[k]];
        yes[k] = facts->yes;
        group[k] = facts->group;
    }
    if (status == STATUS_OK) {
        struct calibration calibration =
            calibration_fit(scores, growth->rows, count, growth->set->rows);
        model->trees->slope = calibration.slope;
        model->trees->base = calibration.base;
        for (size_t k = 0; k < count; k++)
            scores[k] = propensity_of(calibration.slope * scores[k] + calibration.base);
        status = metrics_of(scores, yes, group, count, growth->options->seed, &model->metrics);
    }
    memory_free(scores);
    memory_free(yes);
    memory_free(group);
    return status == STATUS_OK
               ? status
               : error_set(growth->error, status, "judging trees: %s", status_name(status));
}

/* The mean size of what each feature moves, over rows evenly spread. */
static void weigh_features(struct growth *growth) {
    struct model *model = growth->model;
    size_t count = growth->set->count, step = count / IMPORTANCE_ROWS + 1, seen = 0;
    double factor = model->trees->slope;
    for (uint32_t f = 0; f < model->feature_count; f++) model->features[f].importance = 0;
    for (uint32_t k = 0; k < model->pair_count; k++) model->pairs[k].importance *= fabs(factor);
    for (size_t i = 0; i < count; i += step, seen++) {
        double effects[LEARN_FEATURES_MAX];
        struct training_row row;
        training_set_row(growth->set, i, growth->row, &row);
        for (uint32_t f = 0; f < model->feature_count; f++)
            effects[f] = model_effect(model, f, row.values[f]);
        (void)model_trees_reasons(model, row.values, effects);
        for (uint32_t f = 0; f < model->feature_count; f++)
            model->features[f].importance += fabs(effects[f]);
    }
    for (uint32_t f = 0; f < model->feature_count; f++)
        model->features[f].importance /= (double)seen;
}

static enum status grow(struct growth *growth) {
    struct model *model = growth->model;
    enum status status = refuse_few(growth);
    if (status == STATUS_OK) status = make_room(growth);
    if (status != STATUS_OK) return status;
    deal_folds(growth);
    for (uint32_t fold = 0; fold < FIT_FOLDS && status == STATUS_OK; fold++)
        status = begin_fold(growth, fold);
    if (status == STATUS_OK && make_part(growth) != STATUS_OK)
        status = error_set(growth->error, STATUS_NO_MEMORY, "no memory for trees");
    if (status != STATUS_OK) return status;
    write_rows(growth);
    bool few = growth->set->count * (growth->set->feature_count + 1u) <= TREES_FOLD_CELLS_MAX;
    growth->booster_count = few ? FIT_FOLDS : 1;
    work_step(growth->options->work, "trees", 0);
    for (uint32_t fold = 0; fold < growth->booster_count && status == STATUS_OK; fold++)
        status = begin_boosting(growth, fold);
    if (status == STATUS_OK) status = find_best(growth);
    if (status == STATUS_OK) status = grow_on_all(growth);
    if (status != STATUS_OK) return status;
    model->facts.kind = MODEL_TREES;
    model->facts.basis = MODEL_FOLDED;
    model->facts.tree_count = growth->best_round;
    model->trees->mean = trees_mean(model->trees->trees);
    status = judge(growth);
    if (status == STATUS_OK) weigh_features(growth);
    return status;
}

enum status model_trees_learn(struct model **out, const struct training_set *set,
                              const struct learn_options *options, struct error *error) {
    struct growth growth = {.set = set, .options = options, .error = error};
    *out = NULL;
    enum status status = xgboost_library_load(error);
    if (status == STATUS_OK) status = model_train(&growth.model, set, options, error);
    if (status == STATUS_OK) status = grow(&growth);
    release(&growth);
    if (status == STATUS_OK)
        *out = growth.model;
    else
        model_destroy(growth.model);
    return status;
}
