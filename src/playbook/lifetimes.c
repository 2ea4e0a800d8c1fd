/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the lifetime models: whose orders they are about, and what says an order's value. */
#include "base/hash.h"
#include "playbook/playbook_internal.h"

#define LIFETIMES_MAX  20
#define QUESTION_BYTES 128

/* Every question reads the same orders; this one reads the value, too, where there is one. */
static bool compile(struct reader *reader, const struct yaml_node *at, struct lifetime_rule *rule) {
    struct expr_error error = {.column = 1};
    struct expr_program *program;
    struct buffer question;
    buffer_init(&question);
    enum status status = buffer_format(
        &question, "%s(%.*s, 1d)", rule->value.length > 0 ? "expected_value" : "expected_orders",
        TEXT_ARG(rule->name));
    struct text source = {0};
    if (status == STATUS_OK) source = arena_text(reader->arena, buffer_text(&question));
    buffer_release(&question);
    if (source.at == NULL) return reader_no_memory(reader);
    status = expr_compile(reader->arena, &reader->playbook->schema, source, &program, &error);
    if (status == STATUS_OK) rule->program = program;
    if (status == STATUS_OK) return true;
    if (status == STATUS_NO_MEMORY) return reader_no_memory(reader);
    reader_error(reader, node_place(at), "%s", error.error.text);
    return false;
}

static void read_rule(struct reader *reader, const struct yaml_node *key,
                      const struct yaml_node *value, struct lifetime_rule *rule) {
    const struct yaml_node *values[KEYS_MAX];
    *rule = (struct lifetime_rule){
        .name = key->text, .event_type = SYMBOL_NONE, .place = node_place(key)};
    if (!reader_name(reader, key, "a lifetime model's name", &rule->name) ||
        !reader_keys(reader, value, &lifetime_keys, values))
        return;
    if (values[LIFETIME_KEY_ORDERS] == NULL) {
        reader_error(reader, node_place(key),
                     "lifetime model %.*s has no orders: write orders: and the event that is one",
                     TEXT_ARG(rule->name));
        return;
    }
    if (values[LIFETIME_KEY_VALUE] != NULL &&
        !reader_text(reader, values[LIFETIME_KEY_VALUE], "value", &rule->value))
        return;
    if (!names_read_event(reader, values[LIFETIME_KEY_ORDERS], &rule->event_type)) return;
    rule->meaning = hash_text(values[LIFETIME_KEY_ORDERS]->text, hash_text(rule->value, 1));
}

void lifetimes_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_map(reader, node, "lifetime")) return;
    if (node->count > LIFETIMES_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d lifetime models: a playbook may have so many and no more",
                     LIFETIMES_MAX);
        return;
    }
    struct lifetime_rule *rules = reader_alloc(reader, node->count, sizeof *rules);
    if (rules == NULL) return;
    for (uint32_t i = 0; i < node->count; i++)
        read_rule(reader, node->keys[i], node->items[i], &rules[i]);
    playbook->lifetimes = rules;
    playbook->lifetime_count = node->count;
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++) {
        if (rules[i].event_type != SYMBOL_NONE && !compile(reader, node->items[i], &rules[i]))
            rules[i].event_type = SYMBOL_NONE;
    }
}

void lifetimes_check(struct reader *reader) {
    const struct playbook *playbook = reader->playbook;
    for (uint32_t i = 0; i < playbook->lifetime_count; i++) {
        const struct lifetime_rule *rule = &playbook->lifetimes[i];
        for (uint32_t m = 0; m < playbook->model_count; m++) {
            if (!text_equal(playbook->models[m].name, rule->name)) continue;
            reader_error(reader, rule->place,
                         "%.*s is the name of a model, too: give the lifetime model another one",
                         TEXT_ARG(rule->name));
        }
    }
}

enum status lifetime_find(void *context, struct text name, struct expr_lifetime *out) {
    const struct names *names = context;
    const struct playbook *playbook = names->playbook;
    const struct lifetime_rule *found = NULL;
    if (name.length == 0 && playbook->lifetime_count > 1) return STATUS_EXISTS;
    for (uint32_t i = 0; i < playbook->lifetime_count; i++) {
        const struct lifetime_rule *rule = &playbook->lifetimes[i];
        if (name.length == 0 || text_equal(rule->name, name)) found = rule;
    }
    if (found == NULL) return STATUS_NOT_FOUND;
    if (found->event_type == SYMBOL_NONE) {
        if (names->reader != NULL) names->reader->quiet = true; /* its own error is reported */
        return STATUS_NOT_FOUND;
    }
    *out = (struct expr_lifetime){.index = (uint32_t)(found - playbook->lifetimes),
                                  .name = found->name,
                                  .event =
                                      symbol_text(names->symbols, SYMBOL_EVENT, found->event_type),
                                  .value = found->value};
    return STATUS_OK;
}
