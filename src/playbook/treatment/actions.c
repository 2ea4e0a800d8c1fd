/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/treatment/actions.h"
#include "playbook/treatment/levels.h"
#include "playbook/treatment/levers.h"
#include "playbook/treatment/placements.h"

#define TOPICS_READ_MAX PLAYBOOK_TRAITS_MAX

/* ---- first pass: names and attributes ---- */

void actions_begin(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_map(reader, node, "actions")) return;
    if (node->count > PLAYBOOK_ACTIONS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d actions: a playbook may have so many and no more; for_each "
                     "makes many of one",
                     PLAYBOOK_ACTIONS_MAX);
        return;
    }
    struct action *actions = reader_alloc(reader, node->count, sizeof *actions);
    if (actions == NULL) return;
    playbook->actions = actions;
    playbook->action_count = node->count;
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++) {
        const struct yaml_node *value = node->items[i], *for_each = yaml_get(value, "for_each");
        const struct yaml_node *attributes = yaml_get(value, "attributes");
        actions[i] = (struct action){.name = node->keys[i]->text,
                                     .place = node_place(node->keys[i]),
                                     .for_each = UINT32_MAX,
                                     .goal = UINT32_MAX,
                                     .model = UINT32_MAX,
                                     .weight = 1,
                                     .cost = value_number(0),
                                     .starting_propensity = NAN};
        if (for_each && node_is_empty(for_each)) for_each = NULL;
        if (attributes && node_is_empty(attributes)) attributes = NULL;
        attributes_read(reader, for_each, attributes, &actions[i]);
    }
}

/* ---- conditions and topics ---- */

static void inherit_topic(struct reader *reader, const struct yaml_node *node,
                          const struct trait *trait, struct action *action) {
    if (trait->topic.length == 0 || text_equal(trait->topic, action->topic)) return;
    if (action->topic.length == 0) {
        action->topic = trait->topic;
        return;
    }
    reader_error(reader, node_place(node),
                 "trait %.*s is about %.*s and this action about %.*s: an action may have one "
                 "sensitive topic",
                 TEXT_ARG(trait->name), TEXT_ARG(trait->topic), TEXT_ARG(action->topic));
}

static void inherit_topics(struct reader *reader, const struct yaml_node *node,
                           const struct expr_program *program, struct action *action) {
    uint32_t read[TOPICS_READ_MAX], count = expr_traits(program, read, TOPICS_READ_MAX);
    for (uint32_t i = 0; i < count && i < TOPICS_READ_MAX; i++)
        inherit_topic(reader, node, &reader->playbook->traits[read[i]], action);
}

/* A condition above the action, which an error is told of once. */
static bool level_is_good(struct reader *reader, struct level *level, enum level_key key) {
    struct expr_program *program;
    if (level == NULL || level->values[key] == NULL || level->told[key]) return false;
    if (expression_read(reader, level->values[key], level_keys.keys[key], WANTED_YES_NO, NOT_A_ROW,
                        &program))
        return true;
    level->told[key] = true;
    return false;
}

/* The condition of the issue, the group and the action: all of them must hold. */
static void read_condition(struct reader *reader, const struct yaml_node *node, enum level_key key,
                           struct level *const levels[2], struct action *action,
                           struct expr_program **out, struct text *source) {
    const struct yaml_node *parts[3];
    uint32_t count = 0;
    for (uint32_t i = 0; i < 2; i++)
        if (level_is_good(reader, levels[i], key)) parts[count++] = levels[i]->values[key];
    if (node != NULL &&
        expression_read(reader, node, level_keys.keys[key], WANTED_YES_NO, NOT_A_ROW, out))
        parts[count++] = node;
    if (count == 0) return;
    struct yaml_node joined = *parts[0];
    for (uint32_t i = 0; i < count && count > 1; i++)
        joined.text =
            reader_format(reader, "%.*s%s(%.*s)", i == 0 ? 0 : (int)joined.text.length,
                          joined.text.at, i == 0 ? "" : " and ", TEXT_ARG(parts[i]->text));
    bool is_own = count == 1 && parts[0] == node; /* it is compiled already */
    if (!is_own &&
        !expression_read(reader, &joined, level_keys.keys[key], WANTED_YES_NO, NOT_A_ROW, out))
        return;
    *source = joined.text;
    inherit_topics(reader, parts[count - 1], *out, action);
}

static void read_conditions(struct reader *reader, const struct yaml_node *const *values,
                            struct level *const levels[2], struct action *action) {
    struct names *names = reader->names;
    names->action = action;
    context_refuse(reader, "available asks whether anybody may have it; write it as applicable");
    read_condition(reader, values[ACTION_AVAILABLE], LEVEL_AVAILABLE, levels, action,
                   &action->available, &action->available_source);
    context_refuse(reader, NULL);
    read_condition(reader, values[ACTION_ELIGIBLE], LEVEL_ELIGIBLE, levels, action,
                   &action->eligible, &action->eligible_source);
    read_condition(reader, values[ACTION_APPLICABLE], LEVEL_APPLICABLE, levels, action,
                   &action->applicable, &action->applicable_source);
    read_condition(reader, values[ACTION_SUITABLE], LEVEL_SUITABLE, levels, action,
                   &action->suitable, &action->suitable_source);
    names->action = NULL;
}

/* ---- templates ---- */

static bool title_name(struct reader *reader, const struct yaml_node *node, uint32_t offset,
                       struct text name, void *context) {
    struct names *names = reader->names;
    struct action *telling = context; /* its reason may name traits */
    bool traits_too = telling != NULL;
    const struct trait_entry *entry = traits_too ? names_trait(names, name) : NULL;
    if (entry != NULL) {
        if (entry->state == TRAIT_DONE)
            inherit_topic(reader, node, &reader->playbook->traits[entry->index], telling);
        return true;
    }
    names->place = scalar_place(reader, node, offset);
    if (names_attribute(names, name) != UINT32_MAX) return true;
    uint32_t count = 0, most = names->attribute_count + names->trait_count;
    struct text *known = reader_alloc(reader, most, sizeof *known);
    for (uint32_t i = 0; known != NULL && i < names->attribute_count; i++)
        known[count++] = names->attributes[i].rule.name;
    for (uint32_t i = 0; known != NULL && traits_too && i < names->trait_count; i++)
        known[count++] = names->traits[i].name;
    if (known != NULL) {
        reader_unknown(reader, names->place,
                       traits_too ? "attribute or trait" : "attribute of this action", name, known,
                       count);
    }
    return false;
}

static void read_template(struct reader *reader, const struct yaml_node *node, const char *what,
                          bool traits_too, struct action *action, struct text *out) {
    if (node == NULL || !reader_text(reader, node, what, out)) return;
    reader->names->action = action;
    (void)template_check(reader, node, what, title_name, traits_too ? action : NULL);
    reader->names->action = NULL;
}

/* ---- channels ---- */

static void check_content(struct reader *reader, const struct yaml_node *node, const char *what,
                          void *context) {
    (void)template_check(reader, node, what, title_name, context);
}

static void read_content(struct reader *reader, const struct yaml_node *node, struct action *action,
                         struct channel_rule *rule) {
    reader->names->action = action;
    (void)content_fields_read(reader, node, "content", check_content, action, &rule->content,
                              &rule->content_count);
    reader->names->action = NULL;
}

static void read_channel_rule(struct reader *reader, const struct yaml_node *key,
                              const struct yaml_node *value, struct action *action,
                              struct channel_rule *rule) {
    const struct yaml_node *values[KEYS_MAX];
    *rule = (struct channel_rule){.channel = SYMBOL_NONE};
    if (!reader_channel(reader, key, &rule->channel)) return;
    if (value == NULL || !reader_keys(reader, value, &channel_keys, values)) return;
    if (values[CHANNEL_PLACEMENT])
        (void)placement_name_read(reader, values[CHANNEL_PLACEMENT], &rule->placement);
    if (values[CHANNEL_CONTENT]) read_content(reader, values[CHANNEL_CONTENT], action, rule);
    if (values[CHANNEL_SCRIPT])
        (void)reader_text(reader, values[CHANNEL_SCRIPT], "script", &rule->script);
    struct value cost;
    if (values[CHANNEL_COST] == NULL || !reader_money(reader, values[CHANNEL_COST], "cost", &cost))
        return;
    rule->has_cost = true;
    rule->cost = cost.number;
    if (cost.type != VALUE_MONEY) return;
    rule->cost = (double)cost.minor;
    for (uint32_t i = 0; i < currency_minor_digits(cost.currency); i++) rule->cost /= 10;
}

/* Reads a map of channels with what they need, or a list of their names. */
static void read_channels(struct reader *reader, const struct yaml_node *key,
                          const struct yaml_node *node, struct action *action) {
    if (node == NULL || (node->type != YAML_SCALAR && node->count == 0)) {
        reader_error(reader, node_place(node ? node : key),
                     "action %.*s has no channels: write channels: { email: {} }, or where else it "
                     "is offered",
                     TEXT_ARG(action->name));
        return;
    }
    if (node->type == YAML_SCALAR && !reader_is_map(reader, node, "channels")) return;
    struct channel_rule *rules = reader_alloc(reader, node->count, sizeof *rules);
    if (rules == NULL) return;
    action->channels = rules;
    for (uint32_t i = 0; i < node->count; i++) {
        bool is_list = node->type == YAML_LIST;
        const struct yaml_node *name = is_list ? node->items[i] : node->keys[i];
        read_channel_rule(reader, name, is_list ? NULL : node->items[i], action, &rules[i]);
        for (uint32_t k = 0; k < i; k++) {
            if (rules[k].channel != rules[i].channel || rules[i].channel == SYMBOL_NONE) continue;
            reader_error(reader, node_place(name), "channel %.*s stands here twice: leave one out",
                         TEXT_ARG(name->text));
        }
    }
    action->channel_count = node->count;
}

/* ---- the rest of an action ---- */

static bool is_met_by_any_treatment(const struct goal *goal) {
    bool own = goal->event_type == EVENT_TREATMENT_DELIVERED ||
               goal->event_type == EVENT_TREATMENT_SHOWN || goal->event_type == EVENT_DECISION_MADE;
    return own && goal->where == NULL;
}

static void read_goal_and_model(struct reader *reader, const struct yaml_node *key,
                                const struct yaml_node *const *values, struct action *action) {
    const struct playbook *playbook = reader->playbook;
    if (values[ACTION_GOAL] == NULL) {
        reader_error(
            reader, node_place(key),
            "action %.*s has no goal: write goal: and the name of what it is to bring about",
            TEXT_ARG(action->name));
    } else if (!goal_read(reader, values[ACTION_GOAL], &action->goal)) {
        return;
    } else if (is_met_by_any_treatment(&playbook->goals[action->goal])) {
        reader_error(reader, node_place(values[ACTION_GOAL]),
                     "goal %.*s is the treatment's own event, so that every treatment would reach "
                     "it: let the goal of an action be what follows it",
                     TEXT_ARG(playbook->goals[action->goal].name));
    }
    if (values[ACTION_MODEL]) {
        struct text *known = reader_alloc(reader, playbook->model_count, sizeof *known);
        for (uint32_t i = 0; known != NULL && i < playbook->model_count; i++)
            known[i] = playbook->models[i].name;
        if (known != NULL) {
            (void)reader_name_of(reader, values[ACTION_MODEL], "model", known,
                                 playbook->model_count, &action->model);
        }
        return;
    }
    for (uint32_t i = 0; action->goal != UINT32_MAX && i < playbook->model_count; i++) {
        if (playbook->models[i].goal != action->goal) continue;
        action->model = i;
        return;
    }
}

/* A number, or an expression that gives one. */
static void read_weight(struct reader *reader, const struct yaml_node *node,
                        struct action *action) {
    double ignored;
    struct expr_program *program;
    bool is_number = node->type == YAML_SCALAR && text_to_double(node->text, &ignored) == STATUS_OK;
    if (is_number) {
        (void)reader_number(reader, node, "weight", 0, ACTION_WEIGHT_MAX, &action->weight);
        return;
    }
    if (!expression_read(reader, node, "weight", WANTED_ANY, NOT_A_ROW, &program)) return;
    if (expr_type(program) != VALUE_NUMBER) {
        reader_error(reader, node_place(node),
                     "weight is %s: write a number, such as 1.5 or if(on_shoes, 2, 1)",
                     value_type_name(expr_type(program)));
    } else if (expr_uses_treatment(program)) {
        reader_error(reader, node_place(node),
                     "weight reads action.…, and it is the same for all treatments of an action: "
                     "let it read the customer and context");
    } else {
        action->weight_program = program;
        inherit_topics(reader, node, program, action);
    }
}

/* What a goal of this customer is worth: an amount, or an expression that gives one. */
static void read_value(struct reader *reader, const struct yaml_node *node, struct action *action) {
    struct expr_program *program;
    if (!expression_read(reader, node, "value", WANTED_ANY, NOT_A_ROW, &program)) return;
    enum value_type type = expr_type(program);
    if (type != VALUE_NUMBER && type != VALUE_MONEY) {
        reader_error(reader, node_place(node),
                     "value is %s: write an amount, such as 20 USD or margin_365d / 4",
                     value_type_name(type));
    } else if (expr_uses_treatment(program)) {
        reader_error(reader, node_place(node),
                     "value reads action.…, and it is the same for all treatments of an action: "
                     "let it read the customer and context");
    } else {
        action->value_program = program;
        inherit_topics(reader, node, program, action);
    }
}

static void read_amounts(struct reader *reader, const struct yaml_node *const *values,
                         struct action *action) {
    if (values[ACTION_COST]) (void)reader_money(reader, values[ACTION_COST], "cost", &action->cost);
    if (values[ACTION_WEIGHT]) read_weight(reader, values[ACTION_WEIGHT], action);
    struct lever_list levers;
    if (values[ACTION_LEVER] && lever_list_read(reader, values[ACTION_LEVER], "lever", &levers))
        levers_add(reader, &levers, action);
    if (values[ACTION_VALUE]) read_value(reader, values[ACTION_VALUE], action);
    double percent;
    if (values[ACTION_STARTING_PROPENSITY] &&
        reader_percent(reader, values[ACTION_STARTING_PROPENSITY], "starting_propensity", 0, 100,
                       &percent)) {
        action->starting_propensity = percent / 100;
    }
}

/* The topic of the action, its group or its issue: none of them hides another. */
static void read_topics(struct reader *reader, const struct yaml_node *own,
                        struct level *const levels[2], struct action *action) {
    const struct yaml_node *nodes[3] = {own, levels[1] ? levels[1]->values[LEVEL_TOPIC] : NULL,
                                        levels[0] ? levels[0]->values[LEVEL_TOPIC] : NULL};
    for (uint32_t i = 0; i < 3; i++) {
        struct text topic;
        if (nodes[i] == NULL || !topic_read(reader, nodes[i], &topic)) continue;
        inherit_topic(reader, nodes[i], &(struct trait){.name = topic, .topic = topic}, action);
    }
}

static void read_trust(struct reader *reader, const struct yaml_node *const *values,
                       struct level *const levels[2], struct action *action) {
    const struct yaml_node *purpose = values[ACTION_PURPOSE];
    if (purpose == NULL) purpose = level_value(levels, LEVEL_PURPOSE);
    struct text name;
    if (values[ACTION_SERVICE])
        (void)reader_yes_no(reader, values[ACTION_SERVICE], "service", &action->service);
    action->counts = action->limited = !action->service;
    if (values[ACTION_COUNTS])
        (void)reader_yes_no(reader, values[ACTION_COUNTS], "counts", &action->counts);
    if (values[ACTION_LIMITED])
        (void)reader_yes_no(reader, values[ACTION_LIMITED], "limited", &action->limited);
    if (values[ACTION_PROGRAMME])
        (void)reader_name(reader, values[ACTION_PROGRAMME], "a programme's name",
                          &action->programme);
    read_topics(reader, values[ACTION_TOPIC], levels, action);
    if (purpose && reader_text(reader, purpose, "purpose", &name)) {
        (void)purpose_read(reader, purpose, name, &action->purpose);
    } else if (reader->playbook->consent_required && !action->service) {
        action->purpose = TEXT("personalise");
    }
}

static void read_action(struct reader *reader, const struct yaml_node *key,
                        const struct yaml_node *value, struct levels *all, struct action *action) {
    const struct yaml_node *values[KEYS_MAX];
    struct level *levels[2];
    if (!reader_name(reader, key, "an action's name", &action->name) ||
        !reader_keys(reader, value, &action_keys, values))
        return;
    if (values[ACTION_GROUP])
        (void)reader_name(reader, values[ACTION_GROUP], "a group's name", &action->group);
    if (values[ACTION_ISSUE])
        (void)reader_name(reader, values[ACTION_ISSUE], "an issue's name", &action->issue);
    action->title = action->name;
    read_template(reader, values[ACTION_TITLE], "title", false, action, &action->title);
    levels_of(reader, all, action, levels);
    read_trust(reader, values, levels, action);
    read_conditions(reader, values, levels, action);
    read_template(reader, values[ACTION_REASON], "reason", true, action, &action->reason);
    action->sensitive = action->topic.length > 0;
    read_goal_and_model(reader, key, values, action);
    read_amounts(reader, values, action);
    read_channels(reader, key, values[ACTION_CHANNELS], action);
}

void actions_read(struct reader *reader, const struct yaml_node *const *top) {
    const struct yaml_node *node = top[TOP_ACTIONS];
    struct playbook *playbook = reader->playbook;
    struct levels levels;
    levels_begin(reader, top[TOP_ISSUES], top[TOP_GROUPS], &levels);
    for (uint32_t i = 0; i < playbook->action_count && reader->status == STATUS_OK; i++) {
        read_action(reader, node->keys[i], node->items[i], &levels,
                    (struct action *)&playbook->actions[i]);
    }
    levels_end(reader, &levels);
    levers_read(reader, top[TOP_LEVERS]);
}
