/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/model.h"

#include <math.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "learn/calibration.h"
#include "learn/learner.h"
#include "learn/training_set.h"
#include "learn/trees/model_trees.h"

struct model *model_create(void) {
    static _Atomic uint64_t made;
    struct model *model = memory_calloc(1, sizeof *model);
    if (model == NULL) return NULL;
    arena_init(&model->arena, MODEL_BYTES_MAX);
    model->serial = atomic_fetch_add(&made, 1) + 1;
    return model;
}

void model_destroy(struct model *model) {
    if (model == NULL) return;
    model_trees_release(model);
    model_online_release(model);
    arena_release(&model->arena);
    memory_free(model);
}

const char *model_basis_text(enum model_basis basis) {
    switch (basis) {
    case MODEL_BASE_RATE:
        return "too few of one outcome to learn from: every score is the base rate";
    case MODEL_OUT_OF_FOLD:
        return "too few rows over time for rolling splits: default settings, figures from folds by "
               "customer";
    case MODEL_UNSEARCHED:
        return "default settings, the set is too large to try others; figures from rolling splits";
    case MODEL_BY_FOLDS:
        return "too few rows over time for rolling splits: settings and figures from folds by "
               "customer";
    case MODEL_ROLLING: return "settings and figures from rolling splits";
    case MODEL_FOLDED:
        return "additive settings as for the additive model; number of trees and figures from "
               "folds by customer";
    default: return "unknown";
    }
}

const char *model_figures_text(enum model_basis basis) {
    switch (basis) {
    case MODEL_BASE_RATE: return "training rows";
    case MODEL_OUT_OF_FOLD:
    case MODEL_FOLDED:
    case MODEL_BY_FOLDS: return "folds by customer";
    default: return "rolling splits";
    }
}

const struct model_facts *model_facts(const struct model *model) {
    return &model->facts;
}
const struct model_metrics *model_rolling_metrics(const struct model *model) {
    return &model->metrics;
}
uint32_t model_feature_count(const struct model *model) {
    return model->feature_count;
}

struct feature model_feature(const struct model *model, uint32_t feature) {
    return (struct feature){.name = model->features[feature].name,
                            .kind = model->features[feature].kind};
}

static uint32_t cell_of_text(const struct model_feature *feature, struct value value) {
    if (value.type != VALUE_TEXT) return feature->known + 1;
    uint32_t low = 0, high = feature->known;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = text_compare(feature->texts[middle], value.text);
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return feature->known;
}

static uint32_t cell_of_number(const struct model_feature *feature, struct value value) {
    double number = value_as_number(value);
    if (isnan(number)) return feature->known;
    const double *edges = feature->edges;
    uint32_t count = feature->known - 1;
    if (count == 0) return 0;
    uint32_t below = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        below += edges[below + half - 1] < number ? half : 0;
        count -= half;
    }
    return below + (edges[below] < number);
}

static uint32_t cell_of(const struct model_feature *feature, struct value value) {
    return feature->kind == FEATURE_TEXT ? cell_of_text(feature, value)
                                         : cell_of_number(feature, value);
}

static double effect_of(const struct model_feature *feature, struct value value) {
    return feature->effects[cell_of(feature, value)];
}

static double effect_of_cells(const struct model_pair *pair, uint32_t left_cell,
                              uint32_t right_cell) {
    uint32_t left = pair->left_part[left_cell], right = pair->right_part[right_cell];
    return pair->effects[left * pair->right_parts + right];
}

static double effect_of_pair(const struct model *model, const struct model_pair *pair,
                             const struct value *values) {
    return effect_of_cells(pair, cell_of(&model->features[pair->left], values[pair->left]),
                           cell_of(&model->features[pair->right], values[pair->right]));
}

double model_effect_rounded(double log_odds) {
    if (!isfinite(log_odds)) return 0;
    double held = fmin(fmax(log_odds, -MODEL_EFFECT_MAX), MODEL_EFFECT_MAX);
    return rint(held * MODEL_EFFECT_STEPS) / MODEL_EFFECT_STEPS;
}

double model_base(const struct model *model) {
    const struct model_trees *trees = model->trees;
    return trees == NULL ? model->base : trees->slope * (model->base + trees->mean) + trees->base;
}

double model_effect(const struct model *model, uint32_t feature, struct value value) {
    return effect_of(&model->features[feature], value);
}

uint32_t model_cell(const struct model *model, uint32_t feature, struct value value) {
    return cell_of(&model->features[feature], value);
}

double model_cell_effect(const struct model *model, uint32_t feature, uint32_t cell) {
    return model->features[feature].effects[cell];
}

double model_pair_effect(const struct model *model, uint32_t pair, uint32_t left_cell,
                         uint32_t right_cell) {
    return effect_of_cells(&model->pairs[pair], left_cell, right_cell);
}

_Static_assert(BIN_CELLS_MAX <= LEARN_CELLS_MAX, "learn.h promises it");
uint32_t model_cell_count(const struct model *model, uint32_t feature) {
    return model_feature_cells(&model->features[feature]);
}

struct model_pair_table model_pair_table(const struct model *model, uint32_t pair) {
    const struct model_pair *of = &model->pairs[pair];
    return (struct model_pair_table){of->left_part, of->right_part, of->effects, of->right_parts,
                                     1};
}

uint32_t model_pair_count(const struct model *model) {
    return model->pair_count;
}

struct model_pair_facts model_pair_facts(const struct model *model, uint32_t pair) {
    const struct model_pair *of = &model->pairs[pair];
    return (struct model_pair_facts){of->left, of->right, of->evidence, of->importance};
}

double model_propensity(double log_odds) {
    return propensity_of(log_odds);
}

void model_propensities(double *log_odds, size_t count) {
    propensities_of(log_odds, count);
}

uint64_t model_serial(const struct model *model) {
    return model->serial;
}

bool model_is_sum(const struct model *model) {
    return model->facts.kind != MODEL_TREES;
}

double model_additive(const struct model *model, const struct value *values) {
    double log_odds = model->base;
    for (uint32_t f = 0; f < model->feature_count; f++)
        log_odds += effect_of(&model->features[f], values[f]);
    for (uint32_t k = 0; k < model->pair_count; k++)
        log_odds += effect_of_pair(model, &model->pairs[k], values);
    return log_odds;
}

double model_score(const struct model *model, const struct value *values) {
    double log_odds = model_additive(model, values);
    if (model_is_sum(model)) return propensity_of(log_odds);
    return propensity_of(learner_of(model->facts.kind)->predict(model, log_odds, values));
}

/* Keeps `out` sorted by strength, the earlier one first among equals. */
static uint32_t insert_reason(struct model_reason *out, uint32_t count, uint32_t max,
                              struct model_reason reason) {
    if (reason.log_odds == 0 || max == 0) return count;
    uint32_t at = count < max ? count : max - 1;
    if (count == max && fabs(out[at].log_odds) >= fabs(reason.log_odds)) return count;
    for (; at > 0 && fabs(out[at - 1].log_odds) < fabs(reason.log_odds); at--)
        out[at] = out[at - 1];
    out[at] = reason;
    return count < max ? count + 1 : max;
}

uint32_t model_reasons(const struct model *model, const struct value *values,
                       struct model_reason *out, uint32_t max) {
    uint32_t count = 0;
    double effects[LEARN_FEATURES_MAX];
    for (uint32_t f = 0; f < model->feature_count; f++)
        effects[f] = effect_of(&model->features[f], values[f]);
    double factor = learner_of(model->facts.kind)->reasons(model, values, effects);
    for (uint32_t f = 0; f < model->feature_count; f++)
        count = insert_reason(out, count, max, (struct model_reason){f, MODEL_ALONE, effects[f]});
    for (uint32_t k = 0; k < model->pair_count; k++) {
        const struct model_pair *pair = &model->pairs[k];
        double effect = factor * effect_of_pair(model, pair, values);
        count =
            insert_reason(out, count, max, (struct model_reason){pair->left, pair->right, effect});
    }
    return count;
}

uint32_t model_importance(const struct model *model, struct model_reason *out, uint32_t max) {
    uint32_t count = 0;
    for (uint32_t f = 0; f < model->feature_count; f++) {
        struct model_reason reason = {f, MODEL_ALONE, model->features[f].importance};
        count = insert_reason(out, count, max, reason);
    }
    for (uint32_t k = 0; k < model->pair_count; k++) {
        const struct model_pair *pair = &model->pairs[k];
        struct model_reason reason = {pair->left, pair->right, pair->importance};
        count = insert_reason(out, count, max, reason);
    }
    return count;
}
