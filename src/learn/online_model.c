/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/online_model.h"

#include <math.h>

#include "base/memory.h"
#include "learn/bytes.h"
#include "learn/calibration.h"
#include "learn/learner.h"
#include "learn/model.h"
#include "learn/online.h"

/* ---- copies ---- */

static void *copy(struct arena *arena, const void *from, size_t count, size_t bytes, bool *failed) {
    void *to = arena_alloc(arena, (count + 1) * bytes);
    if (to == NULL)
        *failed = true;
    else if (count > 0)
        memcpy(to, from, count * bytes);
    return to;
}

static void copy_feature(struct arena *arena, struct model_feature *feature, bool *failed) {
    uint32_t known = feature->known;
    bool is_text = feature->kind == FEATURE_TEXT;
    feature->name = arena_text(arena, feature->name);
    feature->effects = copy(arena, feature->effects, model_feature_cells(feature),
                            sizeof *feature->effects, failed);
    if (!is_text)
        feature->edges = copy(arena, feature->edges, known - 1, sizeof *feature->edges, failed);
    if (!is_text || *failed) return;
    struct text *texts = copy(arena, feature->texts, known, sizeof *texts, failed);
    for (uint32_t i = 0; i < known && !*failed; i++) {
        texts[i] = arena_text(arena, texts[i]);
        *failed = texts[i].at == NULL && texts[i].length > 0;
    }
    feature->texts = texts;
}

static void copy_pair(struct model *model, struct model_pair *pair, bool *failed) {
    struct arena *arena = &model->arena;
    pair->left_part =
        copy(arena, pair->left_part, model_feature_cells(&model->features[pair->left]), 1, failed);
    pair->right_part = copy(arena, pair->right_part,
                            model_feature_cells(&model->features[pair->right]), 1, failed);
    pair->effects = copy(arena, pair->effects, (size_t)pair->left_parts * pair->right_parts,
                         sizeof *pair->effects, failed);
}

static struct model *copy_model(const struct model *from) {
    struct model *model = model_create();
    if (model == NULL) return NULL;
    bool failed = false;
    model->base = from->base;
    model->facts = from->facts;
    model->metrics = from->metrics;
    model->feature_count = from->feature_count;
    model->pair_count = from->pair_count;
    model->features =
        copy(&model->arena, from->features, from->feature_count, sizeof *model->features, &failed);
    model->pairs =
        copy(&model->arena, from->pairs, from->pair_count, sizeof *model->pairs, &failed);
    for (uint32_t f = 0; f < model->feature_count && !failed; f++)
        copy_feature(&model->arena, &model->features[f], &failed);
    for (uint32_t k = 0; k < model->pair_count && !failed; k++)
        copy_pair(model, &model->pairs[k], &failed);
    if (!failed) return model;
    model_destroy(model);
    return NULL;
}

/* ---- the state ---- */

static enum status make_state(struct model *model, double decay) {
    uint32_t cells[LEARN_FEATURES_MAX];
    for (uint32_t f = 0; f < model->feature_count; f++)
        cells[f] = model_feature_cells(&model->features[f]);
    model->online = arena_calloc(&model->arena, 1, sizeof *model->online);
    return model->online == NULL
               ? STATUS_NO_MEMORY
               : online_create_cells(&model->online->learner, cells, model->feature_count, decay);
}

void model_online_release(struct model *model) {
    if (model->online != NULL) online_destroy(model->online->learner);
}

static enum status copy_state(struct model *to, const struct model *from, double decay) {
    enum status status = make_state(to, decay);
    if (status != STATUS_OK || from->online == NULL) return status;
    struct buffer bytes;
    buffer_init(&bytes);
    to->online->facts = from->online->facts;
    to->online->loss = from->online->loss;
    to->online->trained_loss = from->online->trained_loss;
    status = online_save(from->online->learner, &bytes);
    if (status == STATUS_OK) status = online_load(to->online->learner, buffer_text(&bytes));
    buffer_release(&bytes);
    return status;
}

/* Adds what was learnt to all effects, or takes it away. */
static void add_learnt(struct model *model, double times) {
    const struct online *learner = model->online->learner;
    model->base = model_effect_rounded(model->base) +
                  times * model_effect_rounded(online_effect(learner, ONLINE_INTERCEPT, 0));
    for (uint32_t f = 0; f < model->feature_count; f++) {
        struct model_feature *feature = &model->features[f];
        for (uint32_t c = 0; c < model_feature_cells(feature); c++)
            feature->effects[c] = model_effect_rounded(feature->effects[c]) +
                                  times * model_effect_rounded(online_effect(learner, f, c));
    }
}

/* ---- learning ---- */

static double loss_of(double propensity, bool yes) {
    return -log(yes ? propensity : 1 - propensity);
}

/* The model's effects are those of its training here. */
static void learn_row(struct model *model, const struct online_row *row) {
    struct model_online *online = model->online;
    uint16_t cells[LEARN_FEATURES_MAX];
    for (uint32_t f = 0; f < model->feature_count; f++)
        cells[f] = (uint16_t)model_cell(model, f, row->values[f]);
    double trained = model_additive(model, row->values),
           propensity = online_learn_cells(online->learner, cells, trained, row->yes);
    if (row->changed) {
        (void)online_learn_cells(online->learner, cells, trained, row->yes);
        online->facts.changed++;
        return;
    }
    online->facts.rows++;
    online->facts.yes += row->yes;
    online->loss += loss_of(propensity, row->yes);
    online->trained_loss += loss_of(propensity_of(trained), row->yes);
}

static void conclude(struct model_online *online) {
    double rows = (double)online->facts.rows;
    online->facts.log_loss = rows > 0 ? online->loss / rows : (double)NAN;
    online->facts.trained_log_loss = rows > 0 ? online->trained_loss / rows : (double)NAN;
}

bool model_learns_on(const struct model *model) {
    return model->facts.kind != MODEL_TREES && model->facts.basis != MODEL_BASE_RATE;
}

enum status model_learn_on(struct model **out, const struct model *model,
                           const struct online_row *rows, size_t count, double decay,
                           struct error *error) {
    if (model->facts.kind == MODEL_TREES)
        return error_set(error, STATUS_INVALID,
                         "boosted trees do not learn on; put an additive model in force");
    if (model->facts.basis == MODEL_BASE_RATE)
        return error_set(error, STATUS_INVALID,
                         "the model has only a base rate, and no cells that could learn on; train "
                         "it again once there are more rows");
    struct model *next = copy_model(model);
    enum status status = next != NULL ? copy_state(next, model, decay) : STATUS_NO_MEMORY;
    if (status != STATUS_OK) {
        model_destroy(next);
        return error_set(error, status, "no memory to learn %zu rows", count);
    }
    add_learnt(next, -1);
    for (size_t i = 0; i < count; i++) learn_row(next, &rows[i]);
    add_learnt(next, 1);
    next->facts.kind = MODEL_ONLINE;
    conclude(next->online);
    *out = next;
    return STATUS_OK;
}

const struct model_online_facts *model_online_facts(const struct model *model) {
    return model->online != NULL ? &model->online->facts : NULL;
}

/* ---- the file: facts, then the learner's state ---- */

enum status model_online_save(const struct model *model, struct buffer *out) {
    const struct model_online *online = model->online;
    struct bytes_writer writer = {out, STATUS_OK};
    write_u64(&writer, online->facts.rows, 8);
    write_u64(&writer, online->facts.yes, 8);
    write_u64(&writer, online->facts.changed, 8);
    write_double(&writer, online->loss);
    write_double(&writer, online->trained_loss);
    return writer.status == STATUS_OK ? online_save(online->learner, out) : writer.status;
}

static bool is_loss(double sum) {
    return sum >= 0 && isfinite(sum);
}

enum status model_online_load(struct model *model, struct text bytes) {
    struct bytes_reader reader = bytes_reader_of(bytes);
    enum status status = make_state(model, 0);
    if (status != STATUS_OK) return status;
    struct model_online *online = model->online;
    online->facts.rows = read_u64(&reader, 8);
    online->facts.yes = read_u64(&reader, 8);
    online->facts.changed = read_u64(&reader, 8);
    online->loss = read_double(&reader);
    online->trained_loss = read_double(&reader);
    if (reader.wrong || !is_loss(online->loss) || !is_loss(online->trained_loss) ||
        online->facts.yes > online->facts.rows)
        return STATUS_CORRUPT;
    status = online_load(online->learner, bytes_rest(&reader));
    conclude(online);
    return status;
}
