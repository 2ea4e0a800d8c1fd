/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/memory.h"
#include "learn/model.h"
#include "learn/rolling.h"

struct training {
    const struct training_set *set;
    struct table table;
    struct fitter fitter;
    struct rolling rolling;
    uint32_t *rows; /* all */
    double *
        /* predictions for rows that the fit had not seen, with labels and groups; the figures come
         * from them */
        propensity;
    bool *yes;
    uint32_t *group;
    uint64_t seed;
    struct work *work;
};

static bool can_learn(const struct training_set *set, struct model_facts *facts) {
    uint64_t yes = 0, no = 0;
    for (size_t i = 0; i < set->count; i++) {
        facts->yes += set->rows[i].yes;
        if (set->rows[i].weight > 0) *(set->rows[i].yes ? &yes : &no) += 1;
    }
    facts->rows = set->count;
    return yes >= FIT_CLASS_MIN && no >= FIT_CLASS_MIN;
}

static enum status allocate(struct training *training, size_t rows) {
    training->rows = memory_alloc((rows + 1) * sizeof *training->rows);
    training->propensity = memory_alloc((rows + 1) * sizeof *training->propensity);
    training->yes = memory_alloc((rows + 1) * sizeof *training->yes);
    training->group = memory_alloc((rows + 1) * sizeof *training->group);
    bool all = training->rows && training->propensity && training->yes && training->group;
    if (!all) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < rows; i++) training->rows[i] = i;
    return STATUS_OK;
}

/* Measures `propensity` by position against the outcomes of the rows listed. */
static enum status measure(struct training *training, const uint32_t *rows, size_t count,
                           struct model *model) {
    for (size_t i = 0; i < count; i++) {
        training->yes[i] = training->set->rows[rows[i]].yes;
        training->group[i] = training->set->rows[rows[i]].group;
    }
    return metrics_of(training->propensity, training->yes, training->group, count, training->seed,
                      &model->metrics);
}

static enum status copy_feature(struct model *model, uint32_t f, const struct training *training) {
    struct arena *arena = &model->arena;
    struct model_feature *feature = &model->features[f];
    feature->name = arena_text(arena, training->set->features[f].name);
    if (feature->name.at == NULL) return STATUS_NO_MEMORY;
    feature->kind = training->set->features[f].kind;
    const struct bins *bins =
        model->facts.basis == MODEL_BASE_RATE ? NULL : &training->fitter.additive.bins[f];
    feature->known = bins ? bins->known : feature->kind == FEATURE_TEXT ? 0 : 1;
    double *edges = arena_calloc(arena, feature->known + 1, sizeof *edges);
    double *effects = arena_calloc(arena, model_feature_cells(feature), sizeof *effects);
    struct text *texts = arena_calloc(arena, feature->known + 1, sizeof *texts);
    if (edges == NULL || effects == NULL || texts == NULL) return STATUS_NO_MEMORY;
    feature->edges = edges;
    feature->texts = texts;
    feature->effects = effects;
    if (bins == NULL) return STATUS_OK;
    if (bins->kind == FEATURE_NUMBER) memcpy(edges, bins->edges, (bins->known - 1) * sizeof *edges);
    for (uint32_t i = 0; bins->kind == FEATURE_TEXT && i < bins->known; i++) {
        texts[i] = arena_text(arena, bins->texts[i]);
        if (texts[i].at == NULL) return STATUS_NO_MEMORY;
    }
    const struct additive *additive = &training->fitter.additive;
    double slope = training->fitter.calibration.slope;
    for (uint32_t c = 0; c < bins_cells(bins); c++)
        effects[c] = slope * additive->effects[additive->first_cell[f] + c];
    return STATUS_OK;
}

/* Moves each feature's mean over the training rows into the base. A cell without rows gets the
 * mean, which is 0. The workspace still holds the cells of all rows. */
static void centre_feature(struct model *model, uint32_t f, const struct training *training) {
    struct model_feature *feature = &model->features[f];
    const uint8_t *codes = training->fitter.workspace.codes + f;
    double held[BIN_CELLS_MAX] = {0}, all = 0, mean = 0;
    for (size_t i = 0; i < training->set->count; i++) {
        held[codes[i * model->feature_count]] += training->set->rows[i].weight;
        all += training->set->rows[i].weight;
    }
    for (uint32_t c = 0; c < model_feature_cells(feature); c++)
        mean += held[c] / all * feature->effects[c];
    for (uint32_t c = 0; c < model_feature_cells(feature); c++) {
        feature->effects[c] = held[c] > 0 ? feature->effects[c] - mean : 0;
        feature->importance += held[c] / all * fabs(feature->effects[c]);
    }
    model->base += mean;
}

static enum status copy_features(struct model *model, const struct training *training) {
    model->feature_count = training->set->feature_count;
    model->features =
        arena_calloc(&model->arena, model->feature_count + 1, sizeof *model->features);
    if (model->features == NULL) return STATUS_NO_MEMORY;
    for (uint32_t f = 0; f < model->feature_count; f++) {
        enum status status = copy_feature(model, f, training);
        if (status != STATUS_OK) return status;
    }
    if (model->facts.basis == MODEL_BASE_RATE) return STATUS_OK;
    const struct calibration *calibration = &training->fitter.calibration;
    model->base = calibration->slope * training->fitter.additive.intercept + calibration->base;
    for (uint32_t f = 0; f < model->feature_count; f++) centre_feature(model, f, training);
    return STATUS_OK;
}

static enum status train_fit(struct model *model, struct training *training, uint32_t split_count) {
    size_t count = training->set->count;
    enum status status = table_init(&training->table, training->set);
    if (status == STATUS_OK)
        status = fitter_init(&training->fitter, &training->table, training->seed);
    training->fitter.workspace.work = training->work;
    if (status == STATUS_OK)
        status = rolling_run(&training->rolling, &training->fitter, split_count);
    if (status != STATUS_OK) return status;
    const struct rolling *rolling = &training->rolling;
    status = fitter_fit(&training->fitter, training->rows, count, rolling->ridge);
    if (status != STATUS_OK) return status;
    const struct calibration *calibration = &training->fitter.calibration;
    model->facts.basis = rolling->split_count < 2 ? MODEL_OUT_OF_FOLD
                         : rolling->searched      ? MODEL_ROLLING
                                                  : MODEL_UNSEARCHED;
    model->facts.split_count = rolling->split_count;
    model->facts.passes = logistic_passes(count);
    model->facts.slope_ridge = rolling->ridge.slope;
    model->facts.bin_ridge = rolling->ridge.bin;
    model->facts.calibration_slope = calibration->slope;
    model->facts.calibration_base = calibration->base;
    if (model->facts.basis == MODEL_OUT_OF_FOLD) {
        const struct fitter *fitter = &training->fitter;
        for (size_t i = 0; i < fitter->scored_count; i++) {
            training->propensity[i] =
                propensity_of(calibration->slope * fitter->scores[i] + calibration->base);
        }
        status = measure(training, fitter->scored, fitter->scored_count, model);
    } else {
        memcpy(training->propensity, rolling->propensity,
               rolling->count * sizeof *rolling->propensity);
        status = measure(training, rolling->rows, rolling->count, model);
    }
    return status == STATUS_OK ? copy_features(model, training) : status;
}

/* The rate at which every score stands where there is nothing to learn. */
static double base_rate(const struct training_set *set) {
    double yes = 0, all = 0;
    for (size_t i = 0; i < set->count; i++) {
        all += set->rows[i].weight;
        if (set->rows[i].yes) yes += set->rows[i].weight;
    }
    return (yes + .5) / (all + 1);
}

static enum status train_base_rate(struct model *model, struct training *training) {
    double rate = base_rate(training->set);
    model->facts.basis = MODEL_BASE_RATE;
    model->base = log(rate / (1 - rate));
    for (size_t i = 0; i < training->set->count; i++) training->propensity[i] = rate;
    enum status status = measure(training, training->rows, training->set->count, model);
    return status == STATUS_OK ? copy_features(model, training) : status;
}

static void release(struct training *training) {
    fitter_release(&training->fitter);
    rolling_release(&training->rolling);
    table_release(&training->table);
    memory_free(training->rows);
    memory_free(training->propensity);
    memory_free(training->yes);
    memory_free(training->group);
}

enum status model_train(struct model **out, const struct training_set *set,
                        const struct learn_options *options, struct error *error) {
    *out = NULL;
    if (set->count == 0) {
        return error_set(error, STATUS_INVALID,
                         "there is no row to learn from: no past treatment's goal has matured in "
                         "the time given");
    }
    struct training training = {.set = set, .seed = options->seed, .work = options->work};
    work_step(options->work, "passes over the rows", 0);
    struct model *model = model_create();
    enum status status = model ? allocate(&training, set->count) : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        model->facts.label_delay_ms = options->label_delay_ms;
        model->facts.text_groups_min = LEARN_TEXT_GROUPS_MIN;
        status = can_learn(set, &model->facts) ? train_fit(model, &training, options->split_count)
                                               : train_base_rate(model, &training);
    }
    release(&training);
    if (status == STATUS_OK) {
        *out = model;
        return STATUS_OK;
    }
    model_destroy(model);
    if (status == STATUS_CANCELLED) return work_check(options->work, error);
    return error_set(error, status, "training a model on %zu rows of %u features: %s", set->count,
                     set->feature_count, status_name(status));
}

static enum status fit_alike(struct model *model, struct training *training,
                             const struct model *like) {
    size_t count = training->set->count;
    struct ridge ridge = {like->facts.slope_ridge, like->facts.bin_ridge};
    enum status status = table_init(&training->table, training->set);
    if (status == STATUS_OK)
        status = fitter_init(&training->fitter, &training->table, training->seed);
    training->fitter.workspace.work = training->work;
    if (status == STATUS_OK) status = fitter_fit(&training->fitter, training->rows, count, ridge);
    if (status != STATUS_OK) return status;
    model->facts.basis = like->facts.basis;
    return copy_features(model, training);
}

enum status model_train_alike(struct model **out, const struct training_set *set,
                              const struct model *like, const struct learn_options *options,
                              struct error *error) {
    struct training training = {.set = set, .seed = options->seed, .work = options->work};
    struct model *model = model_create();
    enum status status = model ? allocate(&training, set->count) : STATUS_NO_MEMORY;
    *out = NULL;
    if (status == STATUS_OK && can_learn(set, &model->facts)) {
        status = fit_alike(model, &training, like);
    } else if (status == STATUS_OK) {
        double rate = base_rate(set);
        model->facts.basis = MODEL_BASE_RATE;
        model->base = log(rate / (1 - rate));
        status = copy_features(model, &training);
    }
    release(&training);
    if (status == STATUS_OK) {
        *out = model;
        return STATUS_OK;
    }
    model_destroy(model);
    if (status == STATUS_CANCELLED) return work_check(options->work, error);
    return error_set(error, status, "training a fold of %zu rows: %s", set->count,
                     status_name(status));
}
