/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/learner.h"

#include "learn/model.h"
#include "learn/trees/model_trees.h"

static double predict_additive(const struct model *model, double additive,
                               const struct value *values) {
    (void)model, (void)values;
    return additive;
}

static double reasons_additive(const struct model *model, const struct value *values,
                               double *effects) {
    (void)model, (void)values, (void)effects;
    return 1;
}

static enum status save_additive(const struct model *model, struct buffer *out) {
    (void)model, (void)out;
    return STATUS_OK;
}

static enum status load_additive(struct model *model, struct text bytes) {
    (void)model;
    return bytes.length == 0 ? STATUS_OK : STATUS_CORRUPT;
}

static const struct learner learners[MODEL_KIND_COUNT] = {
    [MODEL_ADDITIVE] = {"additive", model_train, predict_additive, reasons_additive, save_additive,
                        load_additive},
    [MODEL_TREES] = {"trees", model_trees_learn, model_trees_predict, model_trees_reasons,
                     model_trees_save, model_trees_load},
    [MODEL_ONLINE] = {"online", NULL, predict_additive, reasons_additive, model_online_save,
                      model_online_load},
};

const struct learner *learner_of(enum model_kind kind) {
    return &learners[kind];
}

enum status learner_named(struct text name, enum model_kind *kind, struct error *error) {
    struct text names[MODEL_KIND_COUNT];
    uint32_t count = 0;
    for (uint32_t k = 0; k < MODEL_KIND_COUNT; k++) {
        if (learners[k].learn == NULL) continue;
        names[count] = text_from(learners[k].name);
        if (text_equal(name, names[count++])) {
            *kind = (enum model_kind)k;
            return STATUS_OK;
        }
    }
    return text_unknown(name, "there is no learner", names, count, error);
}
