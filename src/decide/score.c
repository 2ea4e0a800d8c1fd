/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/score.h"

#include "base/memory.h"
#include "decide/trainer.h"

/* Effects of treatments are kept up to so many; for more of them they are worked out each time. */
#define ROWS_MAX ((size_t)4 << 20)

struct model_score_facts {
    uint64_t serial; /* of the model */
    bool told;       /* of the customer at hand */
    double *effects; /* of the rule's traits, in their order */
    uint32_t *own;   /* those of them that are traits of a treatment */
    /* Of each of those, the value that its effect is of: the next treatment mostly has the same. */
    struct value *last;
    uint32_t own_count;
    double before; /* with all of them up to own[0] */
};

struct scores {
    const struct playbook *playbook;
    struct model_score_facts *models;
    uint64_t set_serial;
    /* Of each treatment: what its attributes, and the feature that names its action, add. */
    double *rows;
    uint8_t *made;
    size_t width, row_count, row_capacity;
};

static enum status plan_model(const struct playbook *playbook, const struct model_rule *rule,
                              struct model_score_facts *model) {
    model->effects = memory_calloc(rule->feature_count + 1u, sizeof *model->effects);
    model->own = memory_calloc(rule->feature_count + 1u, sizeof *model->own);
    model->last = memory_calloc(rule->feature_count + 1u, sizeof *model->last);
    if (model->effects == NULL || model->own == NULL || model->last == NULL)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < rule->feature_count; i++) {
        if (playbook->traits[rule->features[i]].of_treatment) model->own[model->own_count++] = i;
    }
    return STATUS_OK;
}

enum status scores_create(struct scores **out, const struct playbook *playbook) {
    struct scores *scores = memory_calloc(1, sizeof *scores);
    *out = scores;
    if (scores == NULL) return STATUS_NO_MEMORY;
    scores->playbook = playbook;
    scores->models = memory_calloc(playbook->model_count + 1u, sizeof *scores->models);
    if (scores->models == NULL) return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < playbook->model_count && status == STATUS_OK; i++) {
        const struct model_rule *rule = &playbook->models[i];
        size_t width = rule->attribute_count + TRAINER_OWN_FEATURES_MAX;
        if (width > scores->width) scores->width = width;
        status = plan_model(playbook, rule, &scores->models[i]);
    }
    return status;
}

void scores_destroy(struct scores *scores) {
    if (scores == NULL) return;
    for (uint32_t i = 0; scores->models != NULL && i < scores->playbook->model_count; i++) {
        memory_free(scores->models[i].effects);
        memory_free(scores->models[i].own);
        memory_free(scores->models[i].last);
    }
    memory_free(scores->models);
    memory_free(scores->rows);
    memory_free(scores->made);
    memory_free(scores);
}

/* Room for the effects of `count` treatments, none of them made. */
static void clear_rows(struct scores *scores, size_t count) {
    scores->row_count = 0;
    if (count > ROWS_MAX / (scores->width + 1)) return;
    if (count > scores->row_capacity) {
        memory_free(scores->rows);
        memory_free(scores->made);
        scores->row_capacity = 0;
        scores->rows = memory_alloc(count * scores->width * sizeof *scores->rows);
        scores->made = memory_alloc(count);
        if (scores->rows == NULL || scores->made == NULL) return;
        scores->row_capacity = count;
    }
    if (count > 0) memset(scores->made, 0, count);
    scores->row_count = count;
}

void scores_begin(struct scores *scores, const struct decider *decider,
                  const struct treatment_set *treatments) {
    bool same = scores->set_serial == treatments->serial;
    for (uint32_t i = 0; i < scores->playbook->model_count; i++) {
        const struct model *model = decider->models != NULL ? decider->models[i] : NULL;
        uint64_t serial = model != NULL ? model_serial(model) : 0;
        same &= scores->models[i].serial == serial;
        scores->models[i].serial = serial;
        scores->models[i].told = false;
    }
    if (!same) clear_rows(scores, treatments->count);
    scores->set_serial = treatments->serial;
}

/* Surely the same value; a text only where it is the same bytes in the same place. */
static bool is_same(const struct value *a, const struct value *b) {
    if (a->type != b->type) return false;
    switch ((enum value_type)a->type) {
    case VALUE_UNKNOWN: return true;
    case VALUE_YES_NO: return a->yes == b->yes;
    case VALUE_TEXT: return a->text.at == b->text.at && a->text.length == b->text.length;
    case VALUE_LIST: return false;
    default: return a->currency == b->currency && a->minor == b->minor; /* the bits of a number */
    }
}

/* What the traits of the treatment add, where they differ from those of the one before. */
static void tell_treatment(struct model_score_facts *facts, const struct model *model,
                           const struct model_rule *rule, const struct value *traits, bool all) {
    for (uint32_t i = 0; i < facts->own_count; i++) {
        uint32_t feature = facts->own[i];
        const struct value *value = &traits[rule->features[feature]];
        if (!all && is_same(value, &facts->last[i])) continue;
        facts->last[i] = *value;
        facts->effects[feature] = model_effect(model, feature, *value);
    }
}

/* What the customer's traits add. */
static void tell_customer(struct model_score_facts *facts, const struct model *model,
                          const struct model_rule *rule, const struct value *traits) {
    uint32_t own = 0;
    for (uint32_t i = 0; i < rule->feature_count; i++) {
        if (own < facts->own_count && facts->own[own] == i)
            own++;
        else
            facts->effects[i] = model_effect(model, i, traits[rule->features[i]]);
    }
    uint32_t end = facts->own_count > 0 ? facts->own[0] : rule->feature_count;
    facts->before = model_add(model_base(model), facts->effects, 0, end);
    facts->told = true;
}

/* What the treatment itself adds, behind the rule's traits. */
static const double *row_of(struct scores *scores, struct decider *decider,
                            const struct model *model, const struct model_rule *rule,
                            const struct treatment *treatment, const struct value *traits,
                            double *spare) {
    bool kept = treatment->index < scores->row_count;
    double *row = kept ? scores->rows + treatment->index * scores->width : spare;
    if (kept && scores->made[treatment->index]) return row;
    uint32_t count = model_feature_count(model);
    trainer_features(decider->world, rule, model, traits, treatment, decider->own_text,
                     decider->features);
    for (uint32_t i = rule->feature_count; i < count; i++)
        row[i - rule->feature_count] = model_effect(model, i, decider->features[i]);
    if (kept) scores->made[treatment->index] = 1;
    return row;
}

double scores_of(struct scores *scores, struct decider *decider,
                 const struct treatment *treatment) {
    uint32_t index = treatment->action->model;
    const struct model *model = decider->models[index];
    const struct model_rule *rule = &scores->playbook->models[index];
    struct model_score_facts *facts = &scores->models[index];
    const struct value *traits = profile_values(decider->profiler);
    double spare[LEARN_FEATURES_MAX];
    uint32_t count = model_feature_count(model);
    if (count < rule->feature_count || count - rule->feature_count > scores->width)
        return treatment_propensity(decider, treatment); /* not a model of this rule */
    bool is_first = !facts->told;
    if (is_first) tell_customer(facts, model, rule, traits);
    tell_treatment(facts, model, rule, traits, is_first);
    uint32_t from = facts->own_count > 0 ? facts->own[0] : rule->feature_count;
    const double *row = row_of(scores, decider, model, rule, treatment, traits, spare);
    double log_odds = model_add(facts->before, facts->effects, from, rule->feature_count);
    log_odds = model_add(log_odds, row, 0, count - rule->feature_count);
    return model_propensity(log_odds);
}
