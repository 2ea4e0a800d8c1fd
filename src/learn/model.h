/* SPDX-License-Identifier: Apache-2.0 */
/* learn/model.h -- the inside of a model: each feature's bins, with the log-odds that a value in a
 * bin adds, and pairs of features with the log-odds that two bins add together.
 *
 * It is calibrated and centred: the log-odds of a row are the base plus one effect of each feature
 * and of each pair. The effects of a feature or of a pair are 0 on average over the training rows,
 * so an effect is also the reason. A value that no training row had adds 0, and so do two values
 * that fewer than LEARN_TEXT_GROUPS_MIN customers had together. Everything lives in the arena.
 *
 * A pair groups the cells of a feature into at most PAIR_SIDE_MAX parts, its sides:
 *
 *   effect of a pair = effects[left_part[left cell] * right_parts + right_part[right cell]] */
#ifndef LEARN_MODEL_H
#define LEARN_MODEL_H

#include "learn/online_model.h"
#include "learn/pairs.h"

#define MODEL_BYTES_MAX ((size_t)256 << 20)
/* Effects are multiples of one over this (learn.h). */
#define MODEL_EFFECT_STEPS 4294967296.0

struct model_feature {
    struct text name;
    enum feature_kind kind;
    uint32_t known; /* as in bins.h */
    const double *edges;
    const struct text *texts;
    double *effects;   /* by cell */
    double importance; /* mean |effect| over the training rows */
};
struct model_pair {
    uint32_t left, right;
    uint32_t left_parts, right_parts;
    const uint8_t *left_part, *right_part; /* by cell of the feature */
    double *effects;
    double evidence, importance;
};
/* What a model that has learnt on keeps (online_model.h). */
struct model_online {
    struct online *learner; /* its cells are those of the features */
    struct model_online_facts facts;
    double loss, trained_loss; /* sums over the rows */
};
struct model {
    struct arena arena;
    struct model_feature *features;
    struct model_pair *pairs; /* in order of left, then right */
    uint32_t feature_count, pair_count;
    double base;
    struct model_trees *trees;   /* MODEL_TREES; else NULL */
    struct model_online *online; /* MODEL_ONLINE; else NULL */
    uint64_t serial;
    struct model_facts facts;
    struct model_metrics metrics;
};

struct model *model_create(void);
/* Trains an additive model on other rows with the settings of `like`, without a search and without
 * figures. Where one outcome is too rare every score is the base rate. */
enum status model_train_alike(struct model **out, const struct training_set *set,
                              const struct model *like, const struct learn_options *options,
                              struct error *error) MUST_USE;
/* The additive part of a row's log-odds. */
double model_additive(const struct model *model, const struct value *values);
/* Returns the nearest effect that a model may hold; 0 for what is no number. */
double model_effect_rounded(double log_odds);
void model_online_release(struct model *model);
/* As struct learner has them. */
enum status model_online_save(const struct model *model, struct buffer *out) MUST_USE;
enum status model_online_load(struct model *model, struct text bytes) MUST_USE;
static inline uint32_t model_feature_cells(const struct model_feature *feature) {
    return feature->known + (feature->kind == FEATURE_TEXT ? 2 : 1);
}

#endif
