/* SPDX-License-Identifier: Apache-2.0 */
/* Reads decide: lists:, the columns of the list that is handed to whoever serves a channel (a mail
 * house, a call centre). The address comes first. */
#include "playbook/playbook_internal.h"

#define LIST_COLUMNS_MAX 32

static const struct yaml_node *member(const struct yaml_node *map, const char *name) {
    for (uint32_t i = 0; map != NULL && map->type == YAML_MAP && i < map->count; i++)
        if (text_equal(map->keys[i]->text, text_from(name))) return map->items[i];
    return NULL;
}

/* Reports a column's unknown content, with "did you mean". */
static void unknown_content(struct reader *reader, const struct yaml_node *node) {
    const struct playbook *playbook = reader->playbook;
    uint32_t count = playbook->identifier_count + playbook->trait_count;
    struct text *known = reader_alloc(reader, count + 1, sizeof *known);
    if (known == NULL) return;
    for (uint32_t i = 0; i < playbook->identifier_count; i++)
        known[i] = playbook->identifiers[i].name;
    for (uint32_t i = 0; i < playbook->trait_count; i++)
        known[playbook->identifier_count + i] = playbook->traits[i].name;
    reader_unknown(reader, node_place(node), "identifier or trait", node->text, known, count);
}

static bool read_content(struct reader *reader, const struct yaml_node *node,
                         struct contact_column *column) {
    const struct playbook *playbook = reader->playbook;
    struct text name;
    if (!reader_text(reader, node, "a column of a list", &name)) return false;
    column->identifier = column->trait = UINT32_MAX;
    for (uint32_t i = 0; i < playbook->identifier_count; i++)
        if (text_equal(playbook->identifiers[i].name, name)) column->identifier = i;
    if (column->identifier != UINT32_MAX) return true;
    column->trait = playbook_trait_find(playbook, name);
    if (column->trait == UINT32_MAX) {
        unknown_content(reader, node);
        return false;
    }
    const struct trait *trait = &playbook->traits[column->trait];
    if (trait->of_treatment || trait->topic.length > 0) {
        reader_error(reader, node_place(node),
                     trait->of_treatment
                         ? "%.*s is a trait of a treatment: a list needs one of the customer"
                         : "%.*s is sensitive (it has a topic): it must not leave the house in a "
                           "list",
                     TEXT_ARG(name));
        return false;
    }
    return true;
}

static bool channel_is_used(const struct playbook *playbook, uint32_t channel) {
    for (uint32_t a = 0; a < playbook->action_count; a++)
        for (uint32_t c = 0; c < playbook->actions[a].channel_count; c++)
            if (playbook->actions[a].channels[c].channel == channel) return true;
    return false;
}

static void read_list(struct reader *reader, const struct yaml_node *key,
                      const struct yaml_node *value, struct contact_list_rule *list) {
    list->place = node_place(key);
    if (!reader_channel(reader, key, &list->channel)) return;
    if (!channel_is_used(reader->playbook, list->channel)) {
        reader_error(reader, node_place(key),
                     "no action has the channel %.*s: a list is of a channel of actions",
                     TEXT_ARG(key->text));
        return;
    }
    if (!reader_is_map(reader, value, "a list")) return;
    if (value->count == 0 || value->count > LIST_COLUMNS_MAX) {
        reader_error(reader, node_place(value),
                     "a list has 1 to %d columns, the address first: { address: email }",
                     LIST_COLUMNS_MAX);
        return;
    }
    struct contact_column *columns = reader_alloc(reader, value->count, sizeof *columns);
    if (columns == NULL) return;
    for (uint32_t i = 0; i < value->count; i++) {
        columns[i].name = value->keys[i]->text;
        if (!read_content(reader, value->items[i], &columns[i])) return;
    }
    list->columns = columns;
    list->column_count = value->count;
}

void lists_read(struct reader *reader, const struct yaml_node *decide) {
    const struct yaml_node *node = member(decide, "lists");
    if (node == NULL || node_is_empty(node) || !reader_is_map(reader, node, "lists")) return;
    struct contact_list_rule *lists = reader_alloc(reader, node->count + 1, sizeof *lists);
    if (lists == NULL) return;
    for (uint32_t i = 0; i < node->count; i++)
        read_list(reader, node->keys[i], node->items[i], &lists[i]);
    reader->playbook->lists = lists;
    reader->playbook->list_count = node->count;
}
