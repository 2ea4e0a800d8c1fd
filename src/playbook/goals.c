/* SPDX-License-Identifier: Apache-2.0 */
/* Goals, scenarios and models. */
#include "base/hash.h"
#include "playbook/playbook_internal.h"

#define GOALS_MAX             500
#define SCENARIOS_MAX         500
#define MODELS_MAX            500
#define GOALS_OF_SCENARIO_MAX 32

/* Makes room for a section's items. NULL where there are none or too many. */
static void *items_of(struct reader *reader, const struct yaml_node *node, const char *what,
                      uint32_t max, size_t bytes) {
    if (node == NULL || !reader_is_map(reader, node, what)) return NULL;
    if (node->count <= max) return reader_alloc(reader, node->count, bytes);
    reader_error(reader, node_place(node),
                 "more than %u %s: a playbook may have so many and no more", max, what);
    return NULL;
}

/* ---- goals ---- */

static int64_t longest_delay(const struct playbook *playbook, uint32_t event_type) {
    int64_t longest = 0;
    for (uint32_t i = 0; i < playbook->source_count; i++) {
        const struct source *source = &playbook->sources[i];
        if (source->is_lookup ||
            (source->event_type != event_type && source->event_type != SYMBOL_NONE))
            continue;
        if (source->arrives_ms > longest) longest = source->arrives_ms;
    }
    return longest;
}

static void read_horizon(struct reader *reader, const struct yaml_node *key,
                         const struct yaml_node *const *values, struct goal *goal) {
    const struct yaml_node *within = values[GOAL_WITHIN], *until = values[GOAL_UNTIL];
    if (within && until) {
        reader_error(reader, node_place(until), "goal %.*s has both within and until: keep one",
                     TEXT_ARG(goal->name));
    } else if (within) {
        (void)reader_duration(reader, within, "within", &goal->within_ms);
    } else if (until) {
        if (!expression_read(reader, until, "until", WANTED_TIME, NOT_A_ROW, &goal->until)) return;
        if (!expr_is_constant(goal->until)) {
            reader_error(reader, node_place(until),
                         "until reads the customer's events: write a time of the action, such as "
                         "action.end_date");
        }
    } else {
        reader_error(reader, node_place(key),
                     "goal %.*s has no horizon: write within: 30d, or until: action.end_date",
                     TEXT_ARG(goal->name));
    }
}

static void read_value(struct reader *reader, const struct yaml_node *node, struct goal *goal) {
    double number;
    goal->value_constant = value_number(1);
    if (node == NULL) return;
    bool is_constant =
        node->type == YAML_SCALAR && text_to_double(node->text, &number) == STATUS_OK;
    struct value money;
    is_constant = is_constant || (node->type == YAML_SCALAR && money_from_text(node->text, &money));
    if (is_constant) {
        (void)reader_money(reader, node, "value", &goal->value_constant);
        return;
    }
    (void)expression_read(reader, node, "value", WANTED_AMOUNT, goal->event_type, &goal->value);
}

static uint64_t meaning_of(const struct goal *goal, const struct yaml_node *const *values) {
    static const int told[] = {GOAL_EVENT, GOAL_WHERE, GOAL_UNTIL, GOAL_UNDONE_BY};
    uint64_t hash = hash_u64((uint64_t)goal->within_ms);
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        hash = hash_text(values[told[i]] != NULL ? values[told[i]]->text : TEXT(""), hash + i);
    }
    return hash;
}

static void read_goal(struct reader *reader, const struct yaml_node *key,
                      const struct yaml_node *value, struct goal *goal) {
    const struct yaml_node *values[KEYS_MAX];
    *goal = (struct goal){.name = key->text,
                          .place = node_place(key),
                          .event_type = SYMBOL_NONE,
                          .undone_by = SYMBOL_NONE,
                          .value_constant = value_number(1)};
    if (!reader_name(reader, key, "a goal's name", &goal->name) ||
        !reader_keys(reader, value, &goal_keys, values))
        return;
    read_horizon(reader, key, values, goal);
    if (values[GOAL_UNDONE_BY])
        (void)names_read_event(reader, values[GOAL_UNDONE_BY], &goal->undone_by);
    if (values[GOAL_EVENT] == NULL) {
        reader_error(reader, node_place(key), "goal %.*s has no event: write event: and its name",
                     TEXT_ARG(goal->name));
        return;
    }
    if (!names_read_event(reader, values[GOAL_EVENT], &goal->event_type)) return;
    if (values[GOAL_WHERE]) {
        (void)expression_read(reader, values[GOAL_WHERE], "where", WANTED_YES_NO, goal->event_type,
                              &goal->where);
    }
    goal->meaning = meaning_of(goal, values);
    read_value(reader, values[GOAL_VALUE], goal);
    goal->arrives_ms = longest_delay(reader->playbook, goal->event_type);
    int64_t undone_ms =
        goal->undone_by == SYMBOL_NONE ? 0 : longest_delay(reader->playbook, goal->undone_by);
    if (undone_ms > goal->arrives_ms) goal->arrives_ms = undone_ms;
}

void goals_read(struct reader *reader, const struct yaml_node *node) {
    struct goal *goals = items_of(reader, node, "goals", GOALS_MAX, sizeof *goals);
    if (goals == NULL) return;
    reader->playbook->goals = goals;
    reader->playbook->goal_count = node->count;
    for (uint32_t i = 0; i < node->count; i++)
        read_goal(reader, node->keys[i], node->items[i], &goals[i]);
}

bool goal_read(struct reader *reader, const struct yaml_node *node, uint32_t *goal) {
    const struct playbook *playbook = reader->playbook;
    struct text *known = reader_alloc(reader, playbook->goal_count, sizeof *known);
    for (uint32_t i = 0; known != NULL && i < playbook->goal_count; i++)
        known[i] = playbook->goals[i].name;
    return known != NULL && reader_name_of(reader, node, "goal", known, playbook->goal_count, goal);
}

/* ---- scenarios ---- */

static bool goal_is_of_action(const struct goal *goal) {
    return goal->until != NULL || (goal->where != NULL && expr_uses_treatment(goal->where)) ||
           (goal->value != NULL && expr_uses_treatment(goal->value));
}

static void read_goals_of(struct reader *reader, const struct yaml_node *node,
                          struct scenario *scenario) {
    if (!reader_is_list(reader, node, "goals")) return;
    if (node->count == 0 || node->count > GOALS_OF_SCENARIO_MAX) {
        reader_error(reader, node_place(node), "goals: name 1 to %d of them",
                     GOALS_OF_SCENARIO_MAX);
        return;
    }
    uint32_t *goals = reader_alloc(reader, node->count, sizeof *goals);
    if (goals == NULL) return;
    scenario->goals = goals;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        uint32_t goal, is_repeat = 0;
        if (!goal_read(reader, item, &goal)) continue;
        for (uint32_t k = 0; k < scenario->goal_count; k++) is_repeat += goals[k] == goal;
        if (is_repeat) {
            reader_error(reader, node_place(item), "goal %.*s stands here twice: leave one out",
                         TEXT_ARG(item->text));
        } else if (goal_is_of_action(&reader->playbook->goals[goal])) {
            reader_error(
                reader, node_place(item),
                "goal %.*s reads action.…, and a scenario has no action: name a goal without it",
                TEXT_ARG(item->text));
        } else {
            goals[scenario->goal_count++] = goal;
        }
    }
}

static void read_scenario(struct reader *reader, const struct yaml_node *key,
                          const struct yaml_node *value, struct scenario *scenario) {
    const struct yaml_node *values[KEYS_MAX];
    *scenario = (struct scenario){.name = key->text, .place = node_place(key)};
    if (!reader_name(reader, key, "a scenario's name", &scenario->name)) return;
    if (!reader_keys(reader, value, &scenario_keys, values)) return;
    const struct yaml_node *when = values[SCENARIO_WHEN];
    if (when == NULL) {
        reader_error(reader, node_place(key),
                     "scenario %.*s has no when: write the condition that a customer must meet",
                     TEXT_ARG(scenario->name));
    } else if (expression_read(reader, when, "when", WANTED_YES_NO, NOT_A_ROW, &scenario->when) &&
               expr_uses_treatment(scenario->when)) {
        reader_error(reader, node_place(when),
                     "when reads action.…, itself or by a trait, and a scenario is about the "
                     "customer alone: use traits without action");
    }
    if (values[SCENARIO_GOALS]) {
        read_goals_of(reader, values[SCENARIO_GOALS], scenario);
    } else {
        reader_error(reader, node_place(key),
                     "scenario %.*s has no goals: write goals: [name] of what it makes likelier",
                     TEXT_ARG(scenario->name));
    }
}

void scenarios_read(struct reader *reader, const struct yaml_node *node) {
    struct scenario *scenarios =
        items_of(reader, node, "scenarios", SCENARIOS_MAX, sizeof *scenarios);
    if (scenarios == NULL) return;
    reader->playbook->scenarios = scenarios;
    reader->playbook->scenario_count = node->count;
    for (uint32_t i = 0; i < node->count; i++)
        read_scenario(reader, node->keys[i], node->items[i], &scenarios[i]);
}

/* ---- models ---- */

/* May a model learn from the trait? A time is no feature (since(…) is one), and nothing may be
 * learnt from a trait with a sensitive topic. */
static bool is_feature(const struct trait *trait) {
    return trait->type != VALUE_TIME && trait->topic.length == 0;
}

static void all_features(struct reader *reader, struct model_rule *model) {
    const struct playbook *playbook = reader->playbook;
    uint32_t *features = reader_alloc(reader, playbook->trait_count, sizeof *features);
    if (features == NULL) return;
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (is_feature(&playbook->traits[i])) features[model->feature_count++] = i;
    }
    model->features = features;
}

static void unknown_trait(struct reader *reader, const struct yaml_node *node) {
    const struct names *names = reader->names;
    const struct trait_entry *entry = names_trait(names, node->text);
    if (entry != NULL && entry->state == TRAIT_FAILED) return; /* its own error is reported */
    struct text *known = reader_alloc(reader, names->trait_count, sizeof *known);
    for (uint32_t i = 0; known != NULL && i < names->trait_count; i++)
        known[i] = names->traits[i].name;
    if (known != NULL)
        reader_unknown(reader, node_place(node), "trait", node->text, known, names->trait_count);
}

static bool feature_read(struct reader *reader, const struct yaml_node *node, uint32_t *index) {
    struct text name;
    if (!reader_text(reader, node, "a feature", &name)) return false;
    *index = playbook_trait_find(reader->playbook, name);
    if (*index == UINT32_MAX) {
        unknown_trait(reader, node);
        return false;
    }
    const struct trait *trait = &reader->playbook->traits[*index];
    if (is_feature(trait)) return true;
    if (trait->type == VALUE_TIME) {
        reader_error(
            reader, node_place(node),
            "trait %.*s is a time, which a model can't learn from: write since(…), a duration",
            TEXT_ARG(name));
    } else {
        reader_error(reader, node_place(node),
                     "trait %.*s is about %.*s, a sensitive topic: a model may not learn from it",
                     TEXT_ARG(name), TEXT_ARG(trait->topic));
    }
    return false;
}

static bool attribute_read(struct reader *reader, const struct yaml_node *node, uint32_t *index) {
    struct names *names = reader->names;
    struct text name;
    if (!reader_text(reader, node, "an attribute", &name)) return false;
    names->place = node_place(node);
    *index = names_attribute(names, name);
    if (*index != UINT32_MAX) return true;
    struct text *known = reader_alloc(reader, names->attribute_count, sizeof *known);
    for (uint32_t i = 0; known != NULL && i < names->attribute_count; i++)
        known[i] = names->attributes[i].rule.name;
    if (known != NULL) {
        reader_unknown(reader, node_place(node), "attribute of an action", name, known,
                       names->attribute_count);
    }
    return false;
}

static const uint32_t *
read_indices(struct reader *reader, const struct yaml_node *node, const char *what,
             bool (*read_one)(struct reader *, const struct yaml_node *, uint32_t *),
             uint32_t *count) {
    if (!reader_is_list(reader, node, what)) return NULL;
    uint32_t *indices = reader_alloc(reader, node->count, sizeof *indices);
    for (uint32_t i = 0; indices != NULL && i < node->count; i++) {
        uint32_t index, is_repeat = 0;
        if (!read_one(reader, node->items[i], &index)) continue;
        for (uint32_t k = 0; k < *count; k++) is_repeat += indices[k] == index;
        if (is_repeat) {
            reader_error(reader, node_place(node->items[i]),
                         "%.*s stands in %s twice: leave one out", TEXT_ARG(node->items[i]->text),
                         what);
        } else {
            indices[(*count)++] = index;
        }
    }
    return indices;
}

/* Refuses a goal that is the treatment's own event: every treatment would reach it. */
static void check_goal_of_model(struct reader *reader, const struct yaml_node *node,
                                const struct yaml_node *const *values,
                                const struct model_rule *model) {
    const struct playbook *playbook = reader->playbook;
    const struct goal *goal = &playbook->goals[model->goal];
    if (goal->event_type != model->event_type || goal->event_type == SYMBOL_NONE ||
        goal->where != NULL)
        return;
    const struct yaml_node *at = values[MODEL_LEARN_FROM] != NULL ? values[MODEL_LEARN_FROM] : node;
    reader_error(reader, node_place(at),
                 "model %.*s learns from the event of its own goal %.*s, so that every treatment "
                 "would reach it: learn from the treatments (Treatment Delivered), and let the "
                 "goal be what follows them",
                 TEXT_ARG(model->name), TEXT_ARG(goal->name));
}

/* A version is stored for good, so that decisions can be made again: at most one a second. */
#define ONLINE_EVERY_MIN_MS  TIME_SECOND_MS
#define ONLINE_EVERY_DEFAULT (10 * TIME_MINUTE_MS)
#define ONLINE_DECAY_MIN     0.9

static void read_online(struct reader *reader, const struct yaml_node *node,
                        struct model_rule *model) {
    const struct yaml_node *values[KEYS_MAX];
    if (!reader_keys(reader, node, &online_keys, values)) return;
    model->online_every_ms = ONLINE_EVERY_DEFAULT;
    if (values[LEARN_ON_EVERY] &&
        reader_duration(reader, values[LEARN_ON_EVERY], "every", &model->online_every_ms) &&
        model->online_every_ms < ONLINE_EVERY_MIN_MS)
        reader_error(reader, node_place(values[LEARN_ON_EVERY]),
                     "every is less than 1s; each version of a model is stored for good");
    if (values[LEARN_ON_DECAY])
        (void)reader_number(reader, values[LEARN_ON_DECAY], "decay", ONLINE_DECAY_MIN, 1,
                            &model->online_decay);
}

static void read_model(struct reader *reader, const struct yaml_node *key,
                       const struct yaml_node *value, struct model_rule *model) {
    const struct yaml_node *values[KEYS_MAX];
    bool has_goal = false;
    *model = (struct model_rule){
        .name = key->text, .place = node_place(key), .event_type = EVENT_TREATMENT_DELIVERED};
    if (!reader_name(reader, key, "a model's name", &model->name) ||
        !reader_keys(reader, value, &model_keys, values))
        return;
    if (values[MODEL_GOAL] == NULL) {
        reader_error(reader, node_place(key),
                     "model %.*s has no goal: write goal: and the name of what it predicts",
                     TEXT_ARG(model->name));
    } else {
        has_goal = goal_read(reader, values[MODEL_GOAL], &model->goal);
    }
    if (values[MODEL_LEARN_FROM])
        (void)names_read_event(reader, values[MODEL_LEARN_FROM], &model->event_type);
    if (has_goal) check_goal_of_model(reader, value, values, model);
    if (values[MODEL_FEATURES]) {
        model->features = read_indices(reader, values[MODEL_FEATURES], "features", feature_read,
                                       &model->feature_count);
    } else {
        all_features(reader, model);
    }
    bool claims = true;
    if (values[MODEL_CLAIMS] && reader_yes_no(reader, values[MODEL_CLAIMS], "claims", &claims))
        model->without_claims = !claims;
    if (values[MODEL_LEARN_ON]) read_online(reader, values[MODEL_LEARN_ON], model);
    if (values[MODEL_ATTRIBUTES]) {
        model->attributes = read_indices(reader, values[MODEL_ATTRIBUTES], "attributes",
                                         attribute_read, &model->attribute_count);
    }
}

void models_read(struct reader *reader, const struct yaml_node *node) {
    struct model_rule *models = items_of(reader, node, "models", MODELS_MAX, sizeof *models);
    if (models == NULL) return;
    reader->playbook->models = models;
    reader->playbook->model_count = node->count;
    for (uint32_t i = 0; i < node->count; i++)
        read_model(reader, node->keys[i], node->items[i], &models[i]);
}
