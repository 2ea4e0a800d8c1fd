/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a request may say of its moment. */
#include "playbook/playbook_internal.h"

void context_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_map(reader, node, "context")) return;
    if (node->count > CONTEXT_PROPERTIES_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d context properties: a playbook may have so many and no more",
                     CONTEXT_PROPERTIES_MAX);
        return;
    }
    struct context_rule *rules = reader_alloc(reader, node->count, sizeof *rules);
    if (rules == NULL) return;
    playbook->context = rules;
    for (uint32_t i = 0; i < node->count; i++) {
        struct context_rule *rule = &rules[playbook->context_count];
        *rule = (struct context_rule){.place = node_place(node->keys[i])};
        if (!reader_property_name(reader, node->keys[i], "a context property", &rule->name) ||
            !reader_type(reader, node->items[i], "a context property's type", &rule->type))
            continue;
        if (rule->type == VALUE_LIST) {
            reader_error(reader, node_place(node->items[i]),
                         "context.%.*s can't be a list: write text, number, money, yes/no, time or "
                         "duration",
                         TEXT_ARG(rule->name));
            continue;
        }
        playbook->context_count++;
    }
}

uint32_t playbook_context_find(const struct playbook *playbook, struct text name) {
    for (uint32_t i = 0; i < playbook->context_count; i++) {
        if (text_equal(playbook->context[i].name, name)) return i;
    }
    return UINT32_MAX;
}

void context_refuse(struct reader *reader, const char *why) {
    reader->playbook->schema.context_refused = why;
}
