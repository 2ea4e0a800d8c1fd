/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn_on.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/engine_internal.h"

/* ---- the rows, in the order in which they matured ---- */

struct matured_row {
    int64_t horizon_ms;
    size_t at; /* in the set, whose order tells rows of one moment apart */
};

static int compare_matured(const void *left, const void *right) {
    const struct matured_row *a = left, *b = right;
    if (a->horizon_ms != b->horizon_ms) return a->horizon_ms < b->horizon_ms ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

struct step {
    struct training_set *set;
    struct trainer_row_id *ids;
    struct matured_row *order;
    struct online_row *rows;
    struct value *values;
    size_t count;
};

static void step_release(struct step *step) {
    training_set_destroy(step->set);
    memory_free(step->ids);
    memory_free(step->order);
    memory_free(step->rows);
    memory_free(step->values);
}

static enum status put_in_order(struct step *step, uint32_t width) {
    struct training_row row;
    step->count = training_set_count(step->set);
    step->order = memory_calloc(step->count + 1, sizeof *step->order);
    step->rows = memory_calloc(step->count + 1, sizeof *step->rows);
    step->values = memory_calloc(step->count * width + 1, sizeof *step->values);
    if (step->order == NULL || step->rows == NULL || step->values == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < step->count; i++) {
        training_set_row(step->set, i, step->values, &row);
        step->order[i] = (struct matured_row){row.horizon_ms, i};
    }
    qsort(step->order, step->count, sizeof *step->order, compare_matured);
    for (size_t i = 0; i < step->count; i++) {
        struct value *values = step->values + i * width;
        training_set_row(step->set, step->order[i].at, values, &row);
        step->rows[i] = (struct online_row){values, row.yes, step->ids[step->order[i].at].changed};
    }
    return STATUS_OK;
}

/* ---- the next version ---- */

static struct model_version *hold(const struct model_version *version) {
    struct model_version *held = (struct model_version *)version;
    if (held != NULL) shared_hold(&held->shared);
    return held;
}

/* The version in force under this snapshot; NULL: its playbook has no such model, or none is. */
static struct model_version *hold_named(const struct in_force *in_force, struct text name) {
    const struct playbook *playbook = in_force->data.playbook;
    for (uint32_t i = 0; i < playbook->model_count; i++)
        if (text_equal(playbook->models[i].name, name))
            return hold(in_force_model_version(in_force, i));
    return NULL;
}

struct next_version {
    const struct in_force *in_force;
    uint32_t rule, from_version;
    int64_t until_ms;
    struct model *model;         /* taken, also on failure; NULL then */
    struct model_version *after; /* held, once it is in force */
};

/* The applier's. */
static enum status put_next(struct engine *engine, void *context, struct error *error) {
    struct next_version *next = context;
    const struct playbook *playbook = next->in_force->data.playbook;
    const struct model_rule *rule = &playbook->models[next->rule];
    const struct named_model *named = model_named(engine, rule->name, false);
    struct model_content content = {.model = next->model};
    next->model = NULL;
    if (named == NULL || named->now.version != next->from_version) {
        model_destroy(content.model);
        return error_set(error, STATUS_BUSY,
                         "another version of model %.*s was put in force meanwhile; what was "
                         "learnt is left out, and the next step learns it",
                         TEXT_ARG(rule->name));
    }
    enum status status = models_put(engine, rule->name, next->until_ms,
                                    model_meaning(playbook, rule), &content, error);
    if (status == STATUS_OK) next->after = hold_named(engine->own, rule->name);
    return status;
}

static enum status check(const struct model_rule *rule, const struct model_version *version,
                         int64_t until_ms, struct error *error) {
    char text[32];
    if (version == NULL || version->model == NULL)
        return error_set(error, STATUS_NOT_FOUND,
                         "no model %.*s is in force that could learn on; train it first: attune "
                         "train %.*s",
                         TEXT_ARG(rule->name), TEXT_ARG(rule->name));
    if (until_ms >= version->until_ms) return STATUS_OK; /* at the same time there is nothing new */
    time_format(version->until_ms, text);
    return error_set(error, STATUS_INVALID,
                     "model %.*s has learnt until %s already; say a later "
                     "--until",
                     TEXT_ARG(rule->name), text);
}

static uint64_t learnt_so_far(const struct model *model) {
    const struct model_online_facts *since = model_online_facts(model);
    return model_facts(model)->rows + (since != NULL ? since->rows : 0);
}

static void count_step(const struct step *step, struct learnt_on *out) {
    for (size_t i = 0; i < step->count; i++) {
        out->changed += step->rows[i].changed;
        out->rows += !step->rows[i].changed;
        out->yes += !step->rows[i].changed && step->rows[i].yes;
    }
    uint64_t pass = out->counts.learnt + out->changed, so_far = learnt_so_far(out->before->model);
    out->came_late = pass > so_far ? pass - so_far : 0;
}

static enum status learn(struct in_force *in_force, uint32_t rule, int64_t until_ms,
                         struct work *work, struct learnt_on *out, struct step *step,
                         struct model **model, struct error *error) {
    const struct customer_data *data = &in_force->data;
    const struct model_rule *model_rule = &data->playbook->models[rule];
    const struct model *before = out->before->model;
    struct trainer_options options = {.from_ms = TIME_ALWAYS,
                                      .until_ms = until_ms,
                                      .matured_by_ms = until_ms,
                                      .learnt_by_ms = out->before->until_ms,
                                      .threads = in_force->engine->threads,
                                      .model = before,
                                      .work = work};
    enum status status =
        trainer_collect(data, model_rule, &options, &step->set, &step->ids, &out->counts, error);
    if (status == STATUS_OK) status = put_in_order(step, model_feature_count(before));
    if (status == STATUS_OK) status = work_check(work, error);
    if (status != STATUS_OK) return status;
    count_step(step, out);
    return model_learn_on(model, before, step->rows, step->count, model_rule->online_decay, error);
}

enum status engine_learn_on(struct engine *engine, uint32_t rule, int64_t until_ms,
                            struct work *work, struct learnt_on *out, struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    const struct model_rule *model_rule = &in_force->data.playbook->models[rule];
    struct step step = {0};
    struct model *model = NULL;
    *out = (struct learnt_on){.before = hold(in_force_model_version(in_force, rule))};
    enum status status = check(model_rule, out->before, until_ms, error);
    if (status == STATUS_OK)
        status = learn(in_force, rule, until_ms, work, out, &step, &model, error);
    if (status == STATUS_OK && step.count > 0) {
        struct next_version next = {in_force, rule, out->before->version, until_ms, model, NULL};
        status = applier_call(engine->applier, put_next, &next, error);
        model = next.model;
        out->after = next.after;
    }
    model_destroy(model); /* where nothing is new, or the applier took nothing */
    step_release(&step);
    in_force_drop(in_force);
    return status;
}

void learnt_on_release(struct learnt_on *learnt) {
    model_version_drop(learnt->before);
    model_version_drop(learnt->after);
    *learnt = (struct learnt_on){0};
}
