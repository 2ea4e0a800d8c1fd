/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/score.h"

#include <string.h>

#include "base/memory.h"
#include "decide/score_pairs.h"
#include "decide/trainer.h"

/* Effects of treatments are kept up to so many; for more of them they are worked out each time. */
#define ROWS_MAX ((size_t)4 << 20)

/* Most numbers are small counts: what they add is kept for as long as the model is the same. */
#define SMALL_NUMBERS 32
/* Treatments whose cells are looked up together. */
#define PAIR_CELLS_AT_ONCE 256
struct small_effects {
    uint32_t known; /* a bit a number */
    double effects[SMALL_NUMBERS];
    uint8_t cells[SMALL_NUMBERS];
};

/* A trait of a treatment among the features of a model. */
struct own_feature {
    uint32_t feature; /* of the rule */
    /* The value that the feature's effect is of: the next treatment mostly has the same. */
    struct value last;
    struct profile_answers answers; /* where the score is plain */
    double none;                    /* the effect of answers' `none` */
    double last_effect;             /* of `last`, where the score is plain */
    uint8_t none_cell;              /* where a pair looks at it */
    /* The effect of each holder's answer, behind that of no holder: HOLDER_NONE + 1 is 0. Only
     * those in `written` differ from `none`, so that the next customer need not fill all of it. */
    double *table;
    uint8_t *cells; /* the same in cells, where a pair looks at them */
    uint32_t *written;
    size_t table_size, written_count, written_capacity;
};

struct model_score_facts {
    uint64_t serial;             /* of the model */
    bool told;                   /* of the customer at hand */
    bool plain;                  /* where told: as route_score.plain */
    uint32_t count;              /* the model's features; 0: it is not a model of this rule */
    double *effects;             /* of the rule's traits, in their order */
    struct small_effects *small; /* the same */
    struct own_feature *own;
    uint32_t own_count, from; /* from: the first own feature, or behind the rule's */
    double before;            /* with all effects up to `from`, and the customer's own pairs */
    struct score_pairs pairs;
    bool unplanned; /* there was no memory for its pairs: another way must score */
};

struct scores {
    const struct playbook *playbook;
    struct model_score_facts *models;
    uint64_t set_serial;
    bool evaluates; /* no score of this decision is plain */
    /* Of each treatment: what its attributes, and the feature that names its action, add. The k-th
     * effect of all treatments stands together, at columns[k * row_capacity + index], so that many
     * are added up at once. */
    double *columns;
    uint8_t *cells; /* the same in cells, for pairs; their own pairs are in the last effect */
    uint8_t *made;
    size_t width, row_count, row_capacity;
    double *row; /* of the treatment at hand */
};

static enum status plan_model(const struct playbook *playbook, const struct model_rule *rule,
                              struct model_score_facts *model) {
    model->effects = memory_calloc(rule->feature_count + 1u, sizeof *model->effects);
    model->own = memory_calloc(rule->feature_count + 1u, sizeof *model->own);
    model->small = memory_calloc(rule->feature_count + 1u, sizeof *model->small);
    if (model->effects == NULL || model->own == NULL || model->small == NULL)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < rule->feature_count; i++) {
        if (playbook->traits[rule->features[i]].of_treatment)
            model->own[model->own_count++].feature = i;
    }
    model->from = model->own_count > 0 ? model->own[0].feature : rule->feature_count;
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
    scores->row = memory_calloc(scores->width + 1, sizeof *scores->row);
    return scores->row == NULL ? STATUS_NO_MEMORY : status;
}

static void release_own(struct model_score_facts *model) {
    for (uint32_t i = 0; i < model->own_count; i++) {
        memory_free(model->own[i].table);
        memory_free(model->own[i].cells);
        memory_free(model->own[i].written);
    }
    memory_free(model->own);
}

void scores_destroy(struct scores *scores) {
    if (scores == NULL) return;
    for (uint32_t i = 0; scores->models != NULL && i < scores->playbook->model_count; i++) {
        memory_free(scores->models[i].effects);
        release_own(&scores->models[i]);
        memory_free(scores->models[i].small);
        score_pairs_release(&scores->models[i].pairs);
    }
    memory_free(scores->models);
    memory_free(scores->columns);
    memory_free(scores->cells);
    memory_free(scores->made);
    memory_free(scores->row);
    memory_free(scores);
}

/* Room for the effects of `count` treatments, none of them made. */
static void clear_rows(struct scores *scores, size_t count) {
    scores->row_count = 0;
    if (count > ROWS_MAX / (scores->width + 1)) return;
    if (count > scores->row_capacity) {
        memory_free(scores->columns);
        memory_free(scores->cells);
        memory_free(scores->made);
        scores->row_capacity = 0;
        scores->columns = memory_alloc(count * scores->width * sizeof *scores->columns);
        scores->cells = memory_alloc(count * scores->width);
        scores->made = memory_alloc(count);
        if (scores->columns == NULL || scores->cells == NULL || scores->made == NULL) return;
        scores->row_capacity = count;
    }
    if (count > 0) memset(scores->made, 0, count);
    scores->row_count = count;
}

/* Another model is in force: nothing that is kept is of it. */
static void take_model(struct scores *scores, uint32_t index, const struct model *model) {
    const struct model_rule *rule = &scores->playbook->models[index];
    struct model_score_facts *facts = &scores->models[index];
    for (uint32_t f = 0; f < rule->feature_count; f++) facts->small[f].known = 0;
    facts->unplanned = score_pairs_plan(&facts->pairs, scores->playbook, rule, model) != STATUS_OK;
}

void scores_begin(struct scores *scores, const struct decider *decider,
                  const struct treatment_set *treatments, bool evaluates) {
    bool same = scores->set_serial == treatments->serial;
    for (uint32_t i = 0; i < scores->playbook->model_count; i++) {
        const struct model *model = decider->models != NULL ? decider->models[i] : NULL;
        uint64_t serial = model != NULL ? model_serial(model) : 0;
        same &= scores->models[i].serial == serial;
        if (scores->models[i].serial != serial) take_model(scores, i, model);
        scores->models[i].serial = serial;
        scores->models[i].told = false;
    }
    if (!same) clear_rows(scores, treatments->count);
    scores->set_serial = treatments->serial;
    scores->evaluates = evaluates;
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

/* Returns what is kept of a small number; NULL for any other value. */
static inline struct small_effects *small_of(struct model_score_facts *facts,
                                             const struct model *model, uint32_t feature,
                                             const struct value *value, uint32_t *number) {
    bool is_small =
        value->type == VALUE_NUMBER && value->number >= 0 && value->number < SMALL_NUMBERS;
    *number = is_small ? (uint32_t)value->number : 0;
    if (!is_small || (double)*number != value->number) return NULL;
    struct small_effects *small = &facts->small[feature];
    if ((small->known >> *number & 1) == 0) {
        uint32_t cell = model_cell(model, feature, *value);
        small->effects[*number] = model_cell_effect(model, feature, cell);
        small->cells[*number] = (uint8_t)cell;
        small->known |= UINT32_C(1) << *number;
    }
    return small;
}

/* model_effect. */
static inline double effect_of(struct model_score_facts *facts, const struct model *model,
                               uint32_t feature, const struct value *value) {
    uint32_t number;
    const struct small_effects *small = small_of(facts, model, feature, value, &number);
    return small != NULL ? small->effects[number] : model_effect(model, feature, *value);
}

/* model_cell, of a trait. */
static inline uint8_t trait_cell(struct model_score_facts *facts, const struct model *model,
                                 uint32_t feature, const struct value *value) {
    uint32_t number;
    const struct small_effects *small = small_of(facts, model, feature, value, &number);
    return small != NULL ? small->cells[number] : (uint8_t)model_cell(model, feature, *value);
}

static inline bool has_pairs(const struct model_score_facts *facts, uint32_t feature) {
    return facts->pairs.count > 0 && facts->pairs.wanted[feature];
}

/* Keeps the cell of a trait's value, where a pair looks at it. */
static inline void keep_cell(struct model_score_facts *facts, const struct model *model,
                             uint32_t feature, const struct value *value) {
    if (has_pairs(facts, feature))
        facts->pairs.cells[feature] = trait_cell(facts, model, feature, value);
}

/* What the traits of the treatment add, where they differ from those of the one before. */
static void tell_treatment(struct model_score_facts *facts, const struct model *model,
                           const struct model_rule *rule, const struct value *traits) {
    for (uint32_t i = 0; i < facts->own_count; i++) {
        struct own_feature *own = &facts->own[i];
        const struct value *value = &traits[rule->features[own->feature]];
        if (is_same(value, &own->last)) continue;
        own->last = *value;
        facts->effects[own->feature] = effect_of(facts, model, own->feature, value);
        keep_cell(facts, model, own->feature, value);
    }
}

/* What the customer's traits add. */
static void tell_customer(struct model_score_facts *facts, const struct model *model,
                          const struct model_rule *rule, const struct value *traits) {
    uint32_t own = 0;
    for (uint32_t i = 0; i < rule->feature_count; i++) {
        if (own < facts->own_count && facts->own[own].feature == i) {
            own++;
            continue;
        }
        facts->effects[i] = effect_of(facts, model, i, &traits[rule->features[i]]);
        keep_cell(facts, model, i, &traits[rule->features[i]]);
    }
    facts->before = model_add(model_base(model), facts->effects, 0, facts->from);
    if (facts->pairs.count > 0) {
        facts->before += score_pairs_sum(&facts->pairs, PAIR_OF_CUSTOMER);
        score_pairs_fold(&facts->pairs);
    }
    facts->count = model_feature_count(model);
}

/* Makes room for all holders; false without memory. */
static bool make_table(struct own_feature *own, size_t size) {
    if (size <= own->table_size) return true;
    memory_free(own->table);
    memory_free(own->cells);
    own->table_size = own->written_count = 0;
    own->table = memory_alloc(size * sizeof *own->table);
    own->cells = memory_alloc(size);
    if (own->table == NULL || own->cells == NULL) return false;
    own->table_size = size;
    return true;
}

/* The effects of all answers; without memory the table stays empty. */
static void tell_table(struct model_score_facts *facts, struct own_feature *own,
                       const struct model *model) {
    const struct expr_answers *answers = own->answers.answers;
    size_t before = own->table_size, size = answers->capacity + 1;
    double none = own->none;
    bool has_room = make_table(own, size) &&
                    memory_grow((void **)&own->written, &own->written_capacity,
                                answers->touched_count, sizeof *own->written) == STATUS_OK;
    if (!has_room) {
        own->table_size = own->written_count = 0;
        return;
    }
    bool same = before == own->table_size && memcmp(&own->table[0], &none, sizeof none) == 0 &&
                own->cells[0] == own->none_cell;
    if (!same) {
        for (size_t i = 0; i < own->table_size; i++) own->table[i] = none;
        memset(own->cells, own->none_cell, own->table_size);
    }
    for (size_t i = 0; same && i < own->written_count; i++) {
        own->table[own->written[i]] = none;
        own->cells[own->written[i]] = own->none_cell;
    }
    bool wanted = has_pairs(facts, own->feature);
    own->written_count = answers->touched_count;
    for (size_t i = 0; i < answers->touched_count; i++) {
        uint32_t holder = answers->touched[i];
        const struct value *value = &answers->by_holder[holder].answer.value;
        own->written[i] = holder + 1;
        own->table[holder + 1] = effect_of(facts, model, own->feature, value);
        if (wanted) own->cells[holder + 1] = trait_cell(facts, model, own->feature, value);
    }
}

/* Finds the answers for all treatments; false where a trait of a treatment has none. */
static bool tell_answers(struct model_score_facts *facts, struct decider *decider,
                         const struct model *model, const struct model_rule *rule) {
    for (uint32_t i = 0; i < facts->own_count; i++) {
        struct own_feature *own = &facts->own[i];
        if (!profile_answers(decider->profile, rule->features[own->feature], &own->answers))
            return false;
        own->none = effect_of(facts, model, own->feature, &own->answers.answers->none.value);
        own->last = own->answers.answers->none.value;
        own->last_effect = own->none;
        keep_cell(facts, model, own->feature, &own->last);
        own->none_cell = facts->pairs.count > 0 ? facts->pairs.cells[own->feature] : 0;
        if (own->answers.holders != NULL) tell_table(facts, own, model);
    }
    return true;
}

void scores_route(struct scores *scores, struct decider *decider, const struct action *action,
                  struct route_score *out) {
    *out = (struct route_score){.model = model_of_action(decider, action), .plain = true};
    if (out->model == NULL) return;
    const struct model_rule *rule = &scores->playbook->models[action->model];
    struct model_score_facts *facts = &scores->models[action->model];
    out->facts = facts;
    if (!facts->told) {
        tell_customer(facts, out->model, rule, profile_values(decider->profile));
        bool fits = model_is_sum(out->model) && !facts->unplanned &&
                    facts->count >= rule->feature_count &&
                    facts->count - rule->feature_count <= scores->width;
        if (!fits) facts->count = 0;
        facts->plain = fits && !scores->evaluates && tell_answers(facts, decider, out->model, rule);
        /* Makes the first treatment tell its own traits. */
        for (uint32_t i = 0; i < facts->own_count && !facts->plain; i++)
            facts->own[i].last = (struct value){.type = VALUE_LIST};
        facts->told = true;
    }
    out->plain = facts->plain;
}

/* Works out what the treatment itself adds, behind the rule's traits, and keeps it where there is
 * room. Its own pairs are in its last effect. */
static void make_row(struct scores *scores, struct decider *decider, const struct model *model,
                     const struct model_rule *rule, const struct treatment *treatment) {
    struct model_score_facts *facts = &scores->models[treatment->action->model];
    uint32_t count = model_feature_count(model) - rule->feature_count;
    bool kept = treatment->index < scores->row_count;
    trainer_features(decider->data, rule, model, profile_values(decider->profile), treatment,
                     decider->own_text, decider->features);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t feature = rule->feature_count + i;
        scores->row[i] = model_effect(model, feature, decider->features[feature]);
        if (has_pairs(facts, feature))
            facts->pairs.cells[feature] =
                (uint8_t)model_cell(model, feature, decider->features[feature]);
    }
    if (facts->pairs.counts[PAIR_OF_TREATMENT] > 0)
        scores->row[count - 1] += score_pairs_sum(&facts->pairs, PAIR_OF_TREATMENT);
    for (uint32_t i = 0; kept && i < count; i++) {
        size_t place = i * scores->row_capacity + treatment->index;
        scores->columns[place] = scores->row[i];
        if (facts->pairs.count > 0)
            scores->cells[place] = facts->pairs.cells[rule->feature_count + i];
    }
    if (kept) scores->made[treatment->index] = 1;
}

static const double *row_of(struct scores *scores, struct decider *decider,
                            const struct model *model, const struct model_rule *rule,
                            const struct treatment *treatment) {
    bool kept = treatment->index < scores->row_count && scores->made[treatment->index];
    uint32_t count = model_feature_count(model) - rule->feature_count;
    struct score_pairs *pairs = &scores->models[treatment->action->model].pairs;
    if (!kept) make_row(scores, decider, model, rule, treatment);
    for (uint32_t i = 0; kept && i < count; i++) {
        size_t place = i * scores->row_capacity + treatment->index;
        scores->row[i] = scores->columns[place];
        if (pairs->count > 0) pairs->cells[rule->feature_count + i] = scores->cells[place];
    }
    return scores->row;
}

/* The answer of the treatment's holder; most holders have none. */
static inline double effect_of_answer(struct model_score_facts *facts, struct own_feature *own,
                                      const struct model *model, uint32_t treatment) {
    uint32_t holder = own->answers.holders != NULL ? own->answers.holders[treatment] : HOLDER_NONE;
    const struct expr_answer *answer = expr_answer_of(own->answers.answers, holder);
    if (answer == &own->answers.answers->none) return own->none;
    if (answer->value.type == VALUE_NUMBER)
        return effect_of(facts, model, own->feature, &answer->value);
    if (is_same(&answer->value, &own->last)) return own->last_effect;
    own->last = answer->value;
    own->last_effect = effect_of(facts, model, own->feature, &answer->value);
    return own->last_effect;
}

/* The same in cells. */
static uint8_t cell_of_answer(const struct own_feature *own, const struct model *model,
                              uint32_t treatment) {
    uint32_t holder = own->answers.holders != NULL ? own->answers.holders[treatment] : HOLDER_NONE;
    if (own->answers.holders != NULL && own->table_size > 0)
        return own->cells[(uint32_t)(holder + 1)];
    const struct expr_answer *answer = expr_answer_of(own->answers.answers, holder);
    if (answer == &own->answers.answers->none) return own->none_cell;
    return (uint8_t)model_cell(model, own->feature, answer->value);
}

/* Effects of the rule's features behind the customer's first ones, those of the treatment, and of
 * pairs in the cells at hand. */
static double propensity_of_row(const struct model_score_facts *facts, const double *row,
                                uint32_t rule_count) {
    double log_odds = model_add(facts->before, facts->effects, facts->from, rule_count);
    log_odds = model_add(log_odds, row, 0, facts->count - rule_count);
    if (facts->pairs.count > 0) log_odds += score_pairs_of_treatment(&facts->pairs);
    return model_propensity(log_odds);
}

double scores_plain(struct scores *scores, struct decider *decider, const struct route_score *route,
                    const struct treatment *treatment) {
    const struct model_rule *rule = &scores->playbook->models[treatment->action->model];
    struct model_score_facts *facts = route->facts;
    for (uint32_t i = 0; i < facts->own_count; i++) {
        struct own_feature *own = &facts->own[i];
        facts->effects[own->feature] = effect_of_answer(facts, own, route->model, treatment->index);
        if (has_pairs(facts, own->feature))
            facts->pairs.cells[own->feature] = cell_of_answer(own, route->model, treatment->index);
    }
    const double *row = row_of(scores, decider, route->model, rule, treatment);
    return propensity_of_row(facts, row, rule->feature_count);
}

/* Adds the effects of one trait of a treatment. */
static void add_answers(struct model_score_facts *facts, struct own_feature *own,
                        const struct model *model, const uint32_t *index, uint32_t count,
                        double *log_odds) {
    const struct expr_answers *answers = own->answers.answers;
    const uint32_t *holders = own->answers.holders;
    double none = own->none;
    const double *table = own->table;
    if (holders == NULL || answers->touched_count == 0) {
        for (uint32_t i = 0; i < count; i++) log_odds[i] += none;
    } else if (own->table_size == 0) {
        for (uint32_t i = 0; i < count; i++)
            log_odds[i] += effect_of_answer(facts, own, model, index[i]);
    } else {
        for (uint32_t i = 0; i < count; i++)
            log_odds[i] += table[(uint32_t)(holders[index[i]] + 1)];
    }
}

static void add_column(const double *column, const uint32_t *index, uint32_t count,
                       double *log_odds) {
    if (index[count - 1] - index[0] == count - 1) {
        column += index[0];
        for (uint32_t i = 0; i < count; i++) log_odds[i] += column[i];
        return;
    }
    for (uint32_t i = 0; i < count; i++) log_odds[i] += column[index[i]];
}

static const struct own_feature *own_of(const struct model_score_facts *facts, uint32_t feature) {
    for (uint32_t i = 0; i < facts->own_count; i++) {
        if (facts->own[i].feature == feature) return &facts->own[i];
    }
    return NULL;
}

/* Points at the cells of a feature that belongs to the treatment, for treatments listed: those of
 * an attribute, or of a trait of theirs. `room` holds them where they don't lie together. */
static const uint8_t *cells_of(const struct scores *scores, const struct model_score_facts *facts,
                               const struct model *model, uint32_t rule_count, uint32_t feature,
                               const uint32_t *index, uint32_t count, uint8_t *room) {
    if (feature >= rule_count) {
        const uint8_t *column = scores->cells + (feature - rule_count) * scores->row_capacity;
        if (index[count - 1] - index[0] == count - 1) return column + index[0];
        for (uint32_t i = 0; i < count; i++) room[i] = column[index[i]];
        return room;
    }
    const struct own_feature *own = own_of(facts, feature);
    const uint32_t *holders = own->answers.holders;
    if (holders == NULL || own->answers.answers->touched_count == 0) {
        memset(room, own->none_cell, count);
    } else if (own->table_size == 0) {
        for (uint32_t i = 0; i < count; i++) room[i] = cell_of_answer(own, model, index[i]);
    } else {
        for (uint32_t i = 0; i < count; i++)
            room[i] = own->cells[(uint32_t)(holders[index[i]] + 1)];
    }
    return room;
}

/* Adds the pairs that differ by treatment, for treatments listed. */
static void add_pairs(const struct scores *scores, const struct model_score_facts *facts,
                      const struct model *model, uint32_t rule_count, const uint32_t *index,
                      uint32_t count, double *log_odds) {
    const struct score_pairs *pairs = &facts->pairs;
    uint8_t room[2][PAIR_CELLS_AT_ONCE];
    for (uint32_t first = 0; first < count; first += PAIR_CELLS_AT_ONCE) {
        uint32_t some = count - first < PAIR_CELLS_AT_ONCE ? count - first : PAIR_CELLS_AT_ONCE;
        const uint32_t *at = index + first;
        double *out = log_odds + first;
        for (uint32_t k = 0; k < pairs->folded_count; k++) {
            const double *sums = pairs->folded[k].sums;
            const uint8_t *cells = cells_of(scores, facts, model, rule_count,
                                            pairs->folded[k].feature, at, some, room[0]);
            for (uint32_t i = 0; i < some; i++) out[i] += sums[cells[i]];
        }
        for (uint32_t k = 0; k < pairs->counts[PAIR_OF_OTHERS]; k++) {
            const struct placed_pair *pair = &pairs->pairs[PAIR_OF_OTHERS][k];
            const uint8_t *left =
                cells_of(scores, facts, model, rule_count, pair->left, at, some, room[0]);
            const uint8_t *right =
                cells_of(scores, facts, model, rule_count, pair->right, at, some, room[1]);
            for (uint32_t i = 0; i < some; i++)
                out[i] += model_pair_table_effect(&pair->table, left[i], right[i]);
        }
    }
}

void scores_many(struct scores *scores, struct decider *decider, const struct route_score *route,
                 const struct treatment *treatments, const uint32_t *index, uint32_t count,
                 double *out) {
    const struct model_rule *rule = &scores->playbook->models[treatments[index[0]].action->model];
    struct model_score_facts *facts = route->facts;
    struct own_feature *own = facts->own;
    if (scores->row_count == 0) {
        for (uint32_t i = 0; i < count; i++)
            out[i] = scores_plain(scores, decider, route, &treatments[index[i]]);
        return;
    }
    bool lacks = memchr(scores->made + index[0], 0, index[count - 1] - index[0] + 1u) != NULL;
    for (uint32_t i = 0; lacks && i < count; i++) {
        if (!scores->made[index[i]])
            make_row(scores, decider, route->model, rule, &treatments[index[i]]);
    }
    for (uint32_t i = 0; i < count; i++) out[i] = facts->before;
    for (uint32_t f = facts->from; f < rule->feature_count; f++) {
        double effect = facts->effects[f];
        if (own < facts->own + facts->own_count && own->feature == f)
            add_answers(facts, own++, route->model, index, count, out);
        else
            for (uint32_t i = 0; i < count; i++) out[i] += effect;
    }
    for (uint32_t k = 0; k < facts->count - rule->feature_count; k++)
        add_column(scores->columns + k * scores->row_capacity, index, count, out);
    if (facts->pairs.count > 0)
        add_pairs(scores, facts, route->model, rule->feature_count, index, count, out);
    model_propensities(out, count);
}

double scores_of(struct scores *scores, struct decider *decider,
                 const struct treatment *treatment) {
    uint32_t index = treatment->action->model;
    const struct model *model = decider->models[index];
    const struct model_rule *rule = &scores->playbook->models[index];
    struct model_score_facts *facts = &scores->models[index];
    const struct value *traits = profile_values(decider->profile);
    if (facts->count == 0) return treatment_propensity(decider, treatment);
    tell_treatment(facts, model, rule, traits);
    const double *row = row_of(scores, decider, model, rule, treatment);
    return propensity_of_row(facts, row, rule->feature_count);
}

/* Keeps the strongest; the earlier feature first among equals. */
static uint32_t keep_reason(struct model_reason *out, uint32_t count, struct model_reason reason) {
    uint32_t at = count < REASONS_MAX ? count : REASONS_MAX - 1;
    if (count == REASONS_MAX && out[at].log_odds >= reason.log_odds) return count;
    for (; at > 0 && out[at - 1].log_odds < reason.log_odds; at--) out[at] = out[at - 1];
    out[at] = reason;
    return count < REASONS_MAX ? count + 1 : count;
}

/* The same of a model whose score is no sum. */
static uint32_t reasons_of_row(struct decider *decider, const struct model *model,
                               const struct model_rule *rule, const struct treatment *treatment,
                               struct model_reason out[REASONS_MAX]) {
    struct model_reason all[LEARN_FEATURES_MAX + LEARN_PAIRS_MAX];
    uint32_t count = 0;
    trainer_features(decider->data, rule, model, profile_values(decider->profile), treatment,
                     decider->own_text, decider->features);
    uint32_t found =
        model_reasons(model, decider->features, all, LEARN_FEATURES_MAX + LEARN_PAIRS_MAX);
    for (uint32_t i = 0; i < found; i++) {
        if (all[i].feature < trainer_rule_width(rule) && all[i].log_odds > 0)
            count = keep_reason(out, count, all[i]);
    }
    return count;
}

/* The pairs of the rule's features, and those of one of them with what was sent and where. */
static uint32_t keep_pair_reasons(const struct model_score_facts *facts, const struct model *model,
                                  uint32_t width, struct model_reason *out, uint32_t count) {
    for (uint32_t k = 0; k < facts->pairs.count; k++) {
        struct model_pair_facts pair = model_pair_facts(model, k);
        double log_odds = model_pair_effect(model, k, facts->pairs.cells[pair.left],
                                            facts->pairs.cells[pair.right]);
        if (log_odds > 0 && pair.left < width)
            count = keep_reason(out, count, (struct model_reason){pair.left, pair.right, log_odds});
    }
    return count;
}

uint32_t scores_reasons(struct scores *scores, struct decider *decider,
                        const struct treatment *treatment, struct model_reason out[REASONS_MAX]) {
    uint32_t index = treatment->action->model, count = 0;
    const struct model *model = decider->models[index];
    const struct model_rule *rule = &scores->playbook->models[index];
    struct model_score_facts *facts = &scores->models[index];
    const struct value *traits = profile_values(decider->profile);
    if (!facts->told) return 0;
    if (!model_is_sum(model) || facts->unplanned)
        return reasons_of_row(decider, model, rule, treatment, out);
    if (facts->count == 0) return 0;
    for (uint32_t i = 0; i < facts->own_count; i++) {
        uint32_t f = facts->own[i].feature;
        facts->effects[f] = model_effect(model, f, traits[rule->features[f]]);
        keep_cell(facts, model, f, &traits[rule->features[f]]);
        facts->own[i].last =
            (struct value){.type = VALUE_LIST}; /* it is of no value that was told */
    }
    const double *row = row_of(scores, decider, model, rule, treatment);
    /* What was sent and where is no reason for it. The last effect of a treatment may hold its
     * pairs, too. */
    uint32_t width = trainer_rule_width(rule), last = facts->count - 1;
    for (uint32_t f = 0; f < width; f++) {
        double log_odds =
            f < rule->feature_count ? facts->effects[f] : row[f - rule->feature_count];
        if (f == last && facts->pairs.count > 0)
            log_odds -= score_pairs_sum(&facts->pairs, PAIR_OF_TREATMENT);
        if (log_odds > 0)
            count = keep_reason(out, count, (struct model_reason){f, MODEL_ALONE, log_odds});
    }
    return keep_pair_reasons(facts, model, width, out, count);
}
