/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what action.NAME means: columns of the for_each lookup's row, and what `attributes:` adds:
 * constants, and fields of other lookups that columns of that row join. */
#include "playbook/treatment/actions.h"

/* ---- constants ---- */

static struct value constant_of(const struct reader *reader, const struct yaml_node *node) {
    struct value value;
    double number;
    int64_t ms;
    struct text text = node->text;
    if (node->quoted) return value_text(text);
    if (text_equal(text, TEXT("yes")) || text_equal(text, TEXT("true"))) return value_yes_no(true);
    if (text_equal(text, TEXT("no")) || text_equal(text, TEXT("false"))) return value_yes_no(false);
    if (text_to_double(text, &number) == STATUS_OK) return value_number(number);
    if (money_from_text(text, &value)) return value;
    if (duration_parse(text, &ms) == STATUS_OK)
        return (struct value){.type = VALUE_DURATION, .duration_ms = ms};
    if (time_parse(text, reader->playbook->zone, &ms) == STATUS_OK) return value_time(ms);
    return value_text(text);
}

static bool constant_list(struct reader *reader, const struct yaml_node *node, struct value *out) {
    struct packed_list list;
    packed_list_init(&list);
    packed_list_begin(&list);
    enum status status = STATUS_OK;
    bool good = true;
    for (uint32_t i = 0; i < node->count && status == STATUS_OK && good; i++) {
        struct text text;
        good = reader_text(reader, node->items[i], "an item of an attribute's list", &text);
        if (good) status = packed_list_add(&list, constant_of(reader, node->items[i]));
    }
    if (good && status == STATUS_OK) status = packed_list_end(&list, out);
    if (good && status == STATUS_OK) {
        out->text = arena_text(reader->arena, out->text);
        if (out->text.at == NULL) status = STATUS_NO_MEMORY;
    }
    packed_list_release(&list);
    if (status == STATUS_NO_MEMORY) return reader_no_memory(reader);
    if (status != STATUS_OK) {
        reader_error(reader, node_place(node),
                     "this list is too long for an attribute: put it into a lookup with many: yes");
        return false;
    }
    return good;
}

/* ---- lookup.field ---- */

/* Is every key column of the lookup among what the action knows by now? */
static bool can_join(const struct names *names, const struct action *action,
                     const struct lookup_rule *rule, struct text *missing) {
    for (uint32_t i = 0; i < rule->key_count; i++) {
        bool found = false;
        const struct lookup_entry *row =
            action->for_each == UINT32_MAX ? NULL : &names->lookups[action->for_each];
        for (uint32_t k = 0; row != NULL && k < row->field_count; k++) {
            found = found || text_equal(row->fields[k].name, rule->keys[i]);
        }
        for (uint32_t k = 0; k < action->attribute_count; k++) {
            found =
                found || text_equal(names->attributes[action->attributes[k].attribute].rule.name,
                                    rule->keys[i]);
        }
        *missing = rule->keys[i];
        if (!found) return false;
    }
    return true;
}

/* Reads a join. STATUS_NOT_FOUND where the text names no lookup; then it is a constant. */
static enum status join_read(struct reader *reader, const struct yaml_node *node,
                             const struct action *action, uint32_t *lookup, struct text *field,
                             enum value_type *type) {
    struct names *names = reader->names;
    const char *dot = node->quoted ? NULL : memchr(node->text.at, '.', node->text.length);
    if (dot == NULL) return STATUS_NOT_FOUND;
    struct text name = {node->text.at, (uint32_t)(dot - node->text.at)};
    *field = (struct text){dot + 1, node->text.length - name.length - 1};
    *lookup = names_lookup(names, name);
    for (uint32_t i = 0; *lookup == UINT32_MAX && i < names->lookup_count && name_is_good(*field);
         i++) {
        struct text known = names->lookups[i].rule.name;
        if (text_nearest(name, &known, 1).at == NULL) continue;
        reader_error(reader, node_place(node),
                     "no lookup is called \"%.*s\": did you mean \"%.*s\"?", TEXT_ARG(name),
                     TEXT_ARG(known));
        return STATUS_INVALID;
    }
    if (*lookup == UINT32_MAX) return STATUS_NOT_FOUND;
    const struct lookup_entry *found = &names->lookups[*lookup];
    struct text missing;
    if (!can_join(names, action, &found->rule, &missing)) {
        reader_error(reader, node_place(node),
                     "lookup %.*s is found by %.*s, which this action doesn't have: add it to "
                     "attributes, above",
                     TEXT_ARG(name), TEXT_ARG(missing));
        return STATUS_INVALID;
    }
    uint32_t index = names_lookup_field(names, *lookup, *field);
    if (index == UINT32_MAX) {
        struct text known[LOOKUP_FIELDS_MAX];
        for (uint32_t i = 0; i < found->field_count; i++) known[i] = found->fields[i].name;
        reader_unknown(reader, scalar_place(reader, node, name.length + 1), "column of the lookup",
                       *field, known, found->field_count);
        return STATUS_INVALID;
    }
    *field = found->fields[index].name;
    *type = found->rule.many ? VALUE_LIST : found->fields[index].type;
    return STATUS_OK;
}

/* ---- all of them ---- */

static void read_attribute(struct reader *reader, const struct yaml_node *key,
                           const struct yaml_node *value, struct action *action) {
    struct text name, field = {0};
    struct value constant = value_unknown();
    uint32_t lookup = UINT32_MAX, index;
    enum value_type type = VALUE_LIST;
    if (!reader_name(reader, key, "an attribute's name", &name)) return;
    if (value->type == YAML_LIST) {
        if (!constant_list(reader, value, &constant)) return;
    } else {
        struct text text;
        if (!reader_text(reader, value, "an attribute", &text)) return;
        enum status status = join_read(reader, value, action, &lookup, &field, &type);
        if (status == STATUS_INVALID) return;
        if (status == STATUS_NOT_FOUND) {
            constant = constant_of(reader, value);
            type = (enum value_type)constant.type;
        }
    }
    if (!names_add_attribute(reader, node_place(key), name, type, &index)) return;
    uint32_t at = action->attribute_count++;
    action->attributes[at].attribute = index;
    action->attributes[at].lookup = lookup;
    action->attributes[at].field = field;
    action->attributes[at].constant = constant;
}

static void add_columns(struct reader *reader, const struct yaml_node *node, uint32_t lookup) {
    struct names *names = reader->names;
    uint32_t index;
    for (uint32_t i = 0; i < names->lookups[lookup].field_count; i++) {
        struct lookup_field field = names->lookups[lookup].fields[i];
        if (!property_name_is_good(field.name)) continue;
        if (!names_add_attribute(reader, node_place(node), field.name, field.type, &index)) return;
    }
}

static void read_for_each(struct reader *reader, const struct yaml_node *node,
                          struct action *action) {
    struct names *names = reader->names;
    struct text *known = reader_alloc(reader, names->lookup_count, sizeof *known);
    uint32_t lookup;
    for (uint32_t i = 0; known != NULL && i < names->lookup_count; i++)
        known[i] = names->lookups[i].rule.name;
    if (known == NULL ||
        !reader_name_of(reader, node, "lookup", known, names->lookup_count, &lookup))
        return;
    if (names->lookups[lookup].rule.many) {
        reader_error(reader, node_place(node),
                     "for_each goes over rows that are found by their key one by one, but %.*s has "
                     "many a key: "
                     "name a lookup without many: yes",
                     TEXT_ARG(node->text));
        return;
    }
    action->for_each = lookup;
    names->lookups[lookup].for_each = true;
    add_columns(reader, node, lookup);
}

void attributes_read(struct reader *reader, const struct yaml_node *for_each,
                     const struct yaml_node *node, struct action *action) {
    if (for_each) read_for_each(reader, for_each, action);
    if (node == NULL || !reader_is_map(reader, node, "attributes")) return;
    action->attributes = reader_alloc(reader, node->count, sizeof *action->attributes);
    if (action->attributes == NULL) return;
    for (uint32_t i = 0; i < node->count; i++)
        read_attribute(reader, node->keys[i], node->items[i], action);
}
