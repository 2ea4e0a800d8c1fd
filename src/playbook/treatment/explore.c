/* SPDX-License-Identifier: Apache-2.0 */
/* Reads explore:, and tells each channel of each action whether it may be chosen by chance. */
#include "playbook/playbook_internal.h"

/* Less would let one decision weigh as much as thousands in an estimate. */
#define SHARE_MIN      0.1
#define SHARE_MAX      100
#define CANDIDATES_MIN 2

enum kind { KIND_CHANNEL, KIND_GROUP, KIND_ACTION };

static bool is_meant(enum kind kind, struct text name, uint32_t channel,
                     const struct action *action, const struct channel_rule *rule) {
    if (kind == KIND_CHANNEL) return rule->channel == channel;
    return text_equal(name, kind == KIND_GROUP ? action->group : action->name);
}

static void unknown_name(struct reader *reader, const struct yaml_node *node, enum kind kind) {
    const struct playbook *playbook = reader->playbook;
    uint32_t count = 0;
    struct text *known = reader_alloc(reader, playbook->action_count, sizeof *known);
    for (uint32_t i = 0; known != NULL && i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        struct text name = kind == KIND_GROUP ? action->group : action->name;
        if (name.length > 0) known[count++] = name;
    }
    if (known != NULL)
        reader_unknown(reader, node_place(node), kind == KIND_GROUP ? "group of actions" : "action",
                       node->text, known, count);
}

/* Nothing of this name is explored. */
static void turn_off(struct reader *reader, const struct yaml_node *node, enum kind kind) {
    struct playbook *playbook = reader->playbook;
    uint32_t channel = SYMBOL_NONE, found = 0;
    struct text name = {0};
    if (kind == KIND_CHANNEL ? !action_channel_read(reader, node, &channel)
                             : !reader_text(reader, node, "a name", &name))
        return;
    for (uint32_t a = 0; a < playbook->action_count; a++) {
        const struct action *action = &playbook->actions[a];
        for (uint32_t k = 0; k < action->channel_count; k++) {
            struct channel_rule *rule = (struct channel_rule *)&action->channels[k];
            if (!is_meant(kind, name, channel, action, rule)) continue;
            rule->explored = false;
            found++;
        }
    }
    if (found == 0) unknown_name(reader, node, kind);
}

static void turn_off_all(struct reader *reader, const struct yaml_node *node, const char *what,
                         enum kind kind) {
    if (node == NULL || !reader_is_list(reader, node, what)) return;
    for (uint32_t i = 0; i < node->count; i++) turn_off(reader, node->items[i], kind);
}

static void read_when(struct reader *reader, const struct yaml_node *node) {
    struct expr_program *program;
    if (node == NULL || !expression_read(reader, node, "when", WANTED_YES_NO, NOT_A_ROW, &program))
        return;
    if (expr_uses_treatment(program))
        reader_error(reader, node_place(node),
                     "when reads action.…, and it is asked once for all treatments: let it read "
                     "the customer and context");
    else
        reader->playbook->explore.off_when = program;
}

static void read_off(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    if (node == NULL || !reader_keys(reader, node, &explore_off_keys, values)) return;
    turn_off_all(reader, values[EXPLORE_OFF_CHANNELS], "channels", KIND_CHANNEL);
    turn_off_all(reader, values[EXPLORE_OFF_GROUPS], "groups", KIND_GROUP);
    turn_off_all(reader, values[EXPLORE_OFF_ACTIONS], "actions", KIND_ACTION);
    read_when(reader, values[EXPLORE_OFF_WHEN]);
}

/* Whoever gets a service message needs it, and what is sensitive is no matter of chance. */
static void turn_on(const struct playbook *playbook) {
    for (uint32_t a = 0; a < playbook->action_count; a++) {
        const struct action *action = &playbook->actions[a];
        for (uint32_t k = 0; k < action->channel_count; k++)
            ((struct channel_rule *)&action->channels[k])->explored =
                !action->service && !action->sensitive;
    }
}

void explore_read(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    struct explore_rule *explore = &reader->playbook->explore;
    double percent = EXPLORE_SHARE_DEFAULT;
    explore->gamma = EXPLORE_GAMMA_DEFAULT;
    explore->candidates = EXPLORE_CANDIDATES_MAX;
    if (node == NULL || !reader_keys(reader, node, &explore_keys, values)) return;
    explore->on = true;
    explore->place = node_place(node);
    if (values[EXPLORE_SHARE] == NULL)
        reader_error(reader, node_place(node),
                     "explore has no share: write share: 1%%, the part of the decisions that is "
                     "left to chance at least");
    else
        (void)reader_percent(reader, values[EXPLORE_SHARE], "share", SHARE_MIN, SHARE_MAX,
                             &percent);
    explore->share = percent / 100;
    if (values[EXPLORE_GAMMA])
        (void)reader_number(reader, values[EXPLORE_GAMMA], "gamma", 0, EXPLORE_GAMMA_MAX,
                            &explore->gamma);
    if (values[EXPLORE_CANDIDATES])
        (void)reader_count(reader, values[EXPLORE_CANDIDATES], "candidates", CANDIDATES_MIN,
                           EXPLORE_CANDIDATES_MAX, &explore->candidates);
    if (values[EXPLORE_NOTHING])
        (void)reader_yes_no(reader, values[EXPLORE_NOTHING], "nothing", &explore->nothing);
    turn_on(reader->playbook);
    read_off(reader, values[EXPLORE_OFF]);
}
