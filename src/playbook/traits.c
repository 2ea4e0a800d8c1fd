/* SPDX-License-Identifier: Apache-2.0 */
/* Traits may stand in any order. Each is compiled when it is first named, so the array ends up in
 * an order in which each trait reads only earlier ones. */
#include "playbook/playbook_internal.h"

#include <stdio.h>

#define READ_MAX PLAYBOOK_TRAITS_MAX /* a topic must not be missed behind many other traits */

/* Words of the language: no expression could read a trait of this name. */
static const char *const words[] = {
    "and",  "or",    "not", "in",  "where",  "is",     "known", "unknown",  "yes",  "no",
    "true", "false", "now", "any", "visits", "starts", "ends",  "contains", "null", "action"};
#define WORD_COUNT (sizeof words / sizeof *words)

struct trait_entry *names_trait(const struct names *names, struct text name) {
    for (uint32_t i = 0; i < names->trait_count; i++) {
        if (text_equal(names->traits[i].name, name)) return &names->traits[i];
    }
    return NULL;
}

/* ---- topics: what reads something sensitive is sensitive ---- */

static bool settle_topic(struct reader *reader, const struct trait_entry *entry,
                         struct trait *trait) {
    uint32_t read[READ_MAX], count = expr_traits(trait->program, read, READ_MAX);
    for (uint32_t i = 0; i < count && i < READ_MAX; i++) {
        const struct trait *source = &reader->playbook->traits[read[i]];
        if (source->topic.length == 0 || text_equal(source->topic, trait->topic)) continue;
        if (trait->topic.length > 0) {
            reader_error(reader, node_place(entry->key),
                         "%.*s reads %.*s, whose topic is %.*s, and has the topic %.*s: keep "
                         "topics apart in traits of their own",
                         TEXT_ARG(entry->name), TEXT_ARG(source->name), TEXT_ARG(source->topic),
                         TEXT_ARG(trait->topic));
            return false;
        }
        trait->topic = source->topic;
    }
    return true;
}

/* ---- circles ---- */

static void report_circle(struct reader *reader, const struct trait_entry *entry) {
    const struct names *names = reader->names;
    uint32_t first = 0, length = 0, lowest = 0;
    while (first < names->trait_depth && &names->traits[names->open_traits[first]] != entry)
        first++;
    length = names->trait_depth - first;
    for (uint32_t i = 1; i < length; i++) {
        if (names->open_traits[first + i] < names->open_traits[first + lowest]) lowest = i;
    }
    char path[ERROR_TEXT_MAX / 2];
    size_t used = 0;
    for (uint32_t i = 0; i <= length && used < sizeof path; i++) {
        const struct trait_entry *step =
            &names->traits[names->open_traits[first + (lowest + i) % length]];
        used += (size_t)snprintf(path + used, sizeof path - used, "%s%.*s", i ? " -> " : "",
                                 TEXT_ARG(step->name));
    }
    const struct trait_entry *start = &names->traits[names->open_traits[first + lowest]];
    reader_error(reader, node_place(start->key),
                 "traits read each other in a circle, %s: let one of them read events instead",
                 path);
}

/* ---- compiling ---- */

static bool compile(struct reader *reader, struct trait_entry *entry) {
    struct playbook *playbook = reader->playbook;
    struct expr_program *program;
    if (!expression_read(reader, entry->value, "a trait", WANTED_ANY, NOT_A_ROW, &program))
        return false;
    struct trait trait = {
        .name = entry->name,
        .source = entry->value->text,
        .program = program,
        .type = expr_type(program),
        .of_treatment = expr_uses_treatment(program),
        .of_context = expr_uses_context(program),
        .is_segment = expr_type(program) == VALUE_YES_NO && !expr_uses_context(program),
        .description = entry->says,
        .topic = entry->topic,
        .place = node_place(entry->key),
    };
    if (!settle_topic(reader, entry, &trait)) return false;
    entry->index = playbook->trait_count;
    ((struct trait *)playbook->traits)[playbook->trait_count++] = trait;
    return true;
}

void trait_compile(struct reader *reader, struct trait_entry *entry) {
    struct names *names = reader->names;
    if (entry->state == TRAIT_OPEN) report_circle(reader, entry);
    if (entry->state != TRAIT_WAITING) return;
    if (names->trait_depth >= sizeof names->open_traits / sizeof *names->open_traits) {
        reader_error(
            reader, node_place(entry->key),
            "traits lean on each other more than %zu deep here: declare the inner ones first",
            sizeof names->open_traits / sizeof *names->open_traits);
        entry->state = TRAIT_FAILED;
        return;
    }
    const struct action *outer_action = names->action;
    names->action = NULL;
    names->open_traits[names->trait_depth++] = (uint32_t)(entry - names->traits);
    entry->state = TRAIT_OPEN;
    entry->state = compile(reader, entry) ? TRAIT_DONE : TRAIT_FAILED;
    names->trait_depth--;
    names->action = outer_action;
}

static void check_word(struct reader *reader, const struct yaml_node *key) {
    for (size_t i = 0; i < WORD_COUNT; i++) {
        if (!text_equal(key->text, text_from(words[i]))) continue;
        reader_error(reader, node_place(key),
                     "\"%s\" is a word of the language: give the trait another name", words[i]);
    }
}

/* Reads `name: expression`, or a map with more keys. */
static void read_entry(struct reader *reader, const struct yaml_node *key,
                       const struct yaml_node *value, struct trait_entry *entry) {
    const struct yaml_node *values[KEYS_MAX];
    *entry = (struct trait_entry){.name = key->text, .key = key, .state = TRAIT_FAILED};
    if (!reader_name(reader, key, "a trait's name", &entry->name)) return;
    check_word(reader, key);
    if (node_is_empty(value)) {
        reader_error(
            reader, node_place(key),
            "trait %.*s has no expression: write one, such as count(\"Order Completed\") in 90d",
            TEXT_ARG(key->text));
        return;
    }
    entry->value = value;
    entry->state = TRAIT_WAITING;
    if (value->type == YAML_SCALAR) return;
    entry->state = TRAIT_FAILED;
    if (!reader_keys(reader, value, &trait_keys, values)) return;
    if (values[TRAIT_SAYS]) (void)reader_text(reader, values[TRAIT_SAYS], "says", &entry->says);
    if (values[TRAIT_TOPIC]) (void)topic_read(reader, values[TRAIT_TOPIC], &entry->topic);
    if (values[TRAIT_IS] == NULL) {
        reader_error(reader, node_place(key),
                     "trait %.*s has no expression: write is: and the expression",
                     TEXT_ARG(key->text));
        return;
    }
    entry->value = values[TRAIT_IS];
    entry->state = TRAIT_WAITING;
}

void traits_read(struct reader *reader, const struct yaml_node *node) {
    struct names *names = reader->names;
    if (node == NULL || !reader_is_map(reader, node, "traits")) return;
    if (node->count > PLAYBOOK_TRAITS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d traits: a playbook may have so many and no more",
                     PLAYBOOK_TRAITS_MAX);
        return;
    }
    names->traits = reader_alloc(reader, node->count, sizeof *names->traits);
    reader->playbook->traits = reader_alloc(reader, node->count, sizeof *reader->playbook->traits);
    if (names->traits == NULL || reader->playbook->traits == NULL) return;
    names->trait_count = node->count;
    for (uint32_t i = 0; i < node->count; i++) {
        read_entry(reader, node->keys[i], node->items[i], &names->traits[i]);
    }
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++) {
        trait_compile(reader, &names->traits[i]);
    }
}
