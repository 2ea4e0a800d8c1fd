/* SPDX-License-Identifier: Apache-2.0 */
/* learn/model.h -- the inside of a model: each feature's bins, with the log-odds that a value in a
 * bin adds.
 *
 * It is calibrated and centred: the log-odds of a row are the base plus one effect of each feature.
 * The effects of a feature are 0 on average over the training rows, so an effect is also the
 * reason. A value that no training row had adds 0. Everything lives in the arena. */
#ifndef LEARN_MODEL_H
#define LEARN_MODEL_H

#include "learn/bins.h"

#define MODEL_BYTES_MAX ((size_t)256 << 20)

struct model_feature {
    struct text name;
    enum feature_kind kind;
    uint32_t known; /* as in bins.h */
    const double *edges;
    const struct text *texts;
    double *effects;   /* by cell */
    double importance; /* mean |effect| over the training rows */
};
struct model {
    struct arena arena;
    struct model_feature *features;
    uint32_t feature_count;
    double base;
    uint64_t serial;
    struct model_facts facts;
    struct model_metrics metrics;
};

struct model *model_create(void);
static inline uint32_t model_feature_cells(const struct model_feature *feature) {
    return feature->known + (feature->kind == FEATURE_TEXT ? 2 : 1);
}

#endif
