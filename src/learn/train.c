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
        model->facts.basis == MODEL_BASE_RATE ? NULL : &training->fitter.binning.bins[f];
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
    const double *own = additive->effects + training->fitter.binning.first_cell[f];
    double slope = training->fitter.calibration.slope;
    for (uint32_t c = 0; c < bins_cells(bins); c++) effects[c] = slope * own[c];
    return STATUS_OK;
}

/* Moves the mean of effects over the training rows into the base, and rounds them. held: weight of
 * the rows in each cell. A cell without rows gets the mean, which is 0. Returns the mean size. */
static double centre(struct model *model, double *effects, const double *held, uint32_t cells) {
    double all = 0, mean = 0, size = 0;
    for (uint32_t c = 0; c < cells; c++) all += held[c];
    for (uint32_t c = 0; c < cells; c++) mean += held[c] / all * effects[c];
    for (uint32_t c = 0; c < cells; c++) {
        effects[c] = held[c] > 0 ? model_effect_rounded(effects[c] - mean) : 0;
        size += held[c] / all * fabs(effects[c]);
    }
    model->base += mean;
    return size;
}

static void centre_feature(struct model *model, uint32_t f, const struct training *training) {
    struct model_feature *feature = &model->features[f];
    const uint8_t *codes = training->fitter.binning.codes + f;
    double held[BIN_CELLS_MAX] = {0};
    for (size_t i = 0; i < training->set->count; i++)
        held[codes[i * model->feature_count]] += training->set->rows[i].weight;
    feature->importance = centre(model, feature->effects, held, model_feature_cells(feature));
}

/* Copies a pair. Its effects are 0 on average over the rows of each part, and 0 where too few
 * customers are, so that nothing is left to centre. */
static enum status copy_pair(struct model *model, struct model_pair *out, const struct pair *pair,
                             const struct training *training) {
    const struct pairs *pairs = &training->fitter.additive.pairs;
    const struct side *sides[] = {&pairs->sides[pair->left], &pairs->sides[pair->right]};
    const uint32_t features[] = {pair->left, pair->right};
    uint8_t *parts[2];
    for (int k = 0; k < 2; k++) {
        uint32_t cells = model_feature_cells(&model->features[features[k]]);
        parts[k] = arena_alloc(&model->arena, cells);
        if (parts[k] == NULL) return STATUS_NO_MEMORY;
        memcpy(parts[k], sides[k]->part, cells);
    }
    uint32_t cells = pair_cells(pairs, pair);
    *out = (struct model_pair){.left = pair->left,
                               .right = pair->right,
                               .left_parts = sides[0]->parts,
                               .right_parts = sides[1]->parts,
                               .left_part = parts[0],
                               .right_part = parts[1],
                               .evidence = pair->evidence,
                               .effects = arena_calloc(&model->arena, cells, sizeof(double))};
    if (out->effects == NULL) return STATUS_NO_MEMORY;
    double slope = training->fitter.calibration.slope, all = 0;
    for (uint32_t c = 0; c < cells; c++)
        out->effects[c] = model_effect_rounded(slope * pair->effects[c]);
    const uint8_t *codes = training->fitter.binning.codes;
    for (size_t i = 0; i < training->set->count; i++) {
        uint32_t cell = pair_cell(pairs, pair, codes + i * model->feature_count);
        double weight = training->set->rows[i].weight;
        out->importance += weight * fabs(out->effects[cell]);
        all += weight;
    }
    out->importance /= all;
    return STATUS_OK;
}

static enum status copy_pairs(struct model *model, const struct training *training) {
    const struct additive *additive = &training->fitter.additive;
    model->pairs = arena_calloc(&model->arena, additive->pair_count + 1, sizeof *model->pairs);
    if (model->pairs == NULL) return STATUS_NO_MEMORY;
    for (uint32_t k = 0; k < additive->pair_count; k++) {
        enum status status =
            copy_pair(model, &model->pairs[k], &additive->pairs.pairs[k], training);
        if (status != STATUS_OK) return status;
    }
    model->pair_count = additive->pair_count;
    model->base = model_effect_rounded(model->base);
    return STATUS_OK;
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
    return copy_pairs(model, training);
}

static enum model_basis basis_of(const struct rolling *rolling) {
    if (rolling->by_folds) return rolling->searched ? MODEL_BY_FOLDS : MODEL_OUT_OF_FOLD;
    if (rolling->split_count < 2) return MODEL_OUT_OF_FOLD;
    return rolling->searched ? MODEL_ROLLING : MODEL_UNSEARCHED;
}

static void keep_facts(struct model *model, const struct training *training) {
    const struct rolling *rolling = &training->rolling;
    const struct fitter *fitter = &training->fitter;
    struct model_facts *facts = &model->facts;
    facts->basis = basis_of(rolling);
    facts->split_count = rolling->split_count;
    facts->passes = fitter->additive.passes;
    facts->slope_ridge = rolling->ridge.slope;
    facts->bin_ridge = rolling->ridge.bin;
    facts->pair_ridge = fitter->additive.pair_count > 0 ? rolling->ridge.pair : 0;
    facts->pairs_tried = fitter->additive.pairs.tried;
    facts->calibration_slope = fitter->calibration.slope;
    facts->calibration_base = fitter->calibration.base;
}

static enum status train_fit(struct model *model, struct training *training,
                             const struct learn_options *options) {
    size_t count = training->set->count;
    struct fitter *fitter = &training->fitter;
    const struct rolling *rolling = &training->rolling;
    enum status status = table_init(&training->table, training->set);
    if (status == STATUS_OK) status = fitter_init(fitter, &training->table);
    fitter->work = training->work;
    if (status == STATUS_OK)
        status =
            rolling_run(&training->rolling, fitter, options->split_count, !options->without_pairs);
    if (status == STATUS_OK) status = fitter_cut(fitter, training->rows, count);
    if (status == STATUS_OK)
        status = fitter_fit(fitter, training->rows, count, rolling->ridge, LOGISTIC_TOLERANCE);
    if (status != STATUS_OK) return status;
    keep_facts(model, training);
    if (rolling->count == 0) {
        for (size_t i = 0; i < fitter->scored_count; i++)
            training->propensity[i] = fitter_left_out(fitter, i);
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
        status = can_learn(set, &model->facts) ? train_fit(model, &training, options)
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
    struct ridge ridge = {like->facts.slope_ridge, like->facts.bin_ridge, like->facts.pair_ridge};
    struct fitter *fitter = &training->fitter;
    enum status status = table_init(&training->table, training->set);
    if (status == STATUS_OK) status = fitter_init(fitter, &training->table);
    fitter->work = training->work;
    if (status == STATUS_OK) status = fitter_cut(fitter, training->rows, count);
    if (status == STATUS_OK)
        status = fitter_fit(fitter, training->rows, count, ridge, LOGISTIC_SEARCH_TOLERANCE);
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
