/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/names.h"

#include "base/word.h"

/* ---- events ---- */

struct event_entry *names_event(const struct names *names, uint32_t type) {
    for (uint32_t i = 0; i < names->event_count; i++) {
        if (names->events[i].type == type) return &names->events[i];
    }
    return NULL;
}

static bool event_name_is_good(struct text name) {
    for (uint32_t i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (c < ' ' || c == '"' || c == '\\' || c == '{' || c == '}') return false;
    }
    return name.length > 0 && name.length <= SYMBOL_BYTES_MAX &&
           text_trim(name).length == name.length;
}

/* Gives an event whose meaning is built in its one spelling. A slip in the name of an event that
 * may take back a consent is an error, since an event of that other name would have no effect. */
static bool spell_built_in(struct reader *reader, const struct yaml_node *node, struct text *name) {
    struct text known[EVENT_RESERVED_COUNT];
    size_t index;
    for (uint32_t i = 0; i < EVENT_RESERVED_COUNT; i++)
        known[i] = symbol_text(reader->symbols, SYMBOL_EVENT, i);
    enum word_found found = word_find(*name, known, EVENT_RESERVED_COUNT, &index);
    if (found == WORD_KNOWN) *name = known[index];
    if (found != WORD_NEAR || !event_is_permission((uint32_t)index)) return true;
    reader_error(reader, node_place(node), "no event is called \"%.*s\": did you mean \"%.*s\"?",
                 TEXT_ARG(*name), TEXT_ARG(known[index]));
    return false;
}

bool names_add_event(struct reader *reader, const struct yaml_node *node, struct text name,
                     uint32_t *type) {
    struct names *names = reader->names;
    if (!event_name_is_good(name)) {
        struct text given = shown(name);
        reader_error(reader, node_place(node),
                     "\"%.*s\" can't be an event's name: write words such as Order Completed, "
                     "without quotes, braces and \\",
                     TEXT_ARG(given));
        return false;
    }
    if (!spell_built_in(reader, node, &name)) return false;
    if (!reader_symbol(reader, node, SYMBOL_EVENT, name, type)) return false;
    if (names_event(names, *type) != NULL) return true;
    if (names->event_count >= EVENTS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d events: a playbook may name so many and no more", EVENTS_MAX);
        return false;
    }
    struct event_entry *event = reader_push(reader, (void **)&names->events, &names->event_count,
                                            &names->event_capacity, sizeof *event);
    if (event == NULL) return false;
    *event = (struct event_entry){.type = *type,
                                  .is_reserved = *type < EVENT_RESERVED_COUNT,
                                  .is_visit = *type >= EVENT_RESERVED_COUNT};
    return true;
}

static void unknown_event(struct reader *reader, const struct yaml_node *node) {
    struct names *names = reader->names;
    struct text *known = reader_alloc(reader, names->event_count, sizeof *known);
    if (known == NULL) return;
    /* List reserved events last, so that an error shows the playbook's own first. */
    uint32_t count = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < names->event_count; i++) {
            if (names->events[i].is_reserved != (pass == 1)) continue;
            known[count++] = symbol_text(names->symbols, SYMBOL_EVENT, names->events[i].type);
        }
    }
    reader_unknown(reader, node_place(node), "event", node->text, known, count);
}

bool names_read_event(struct reader *reader, const struct yaml_node *node, uint32_t *type) {
    struct text name;
    if (!reader_text(reader, node, "an event", &name)) return false;
    *type = symbol_find(reader->symbols, SYMBOL_EVENT, name);
    if (*type != SYMBOL_NONE && names_event(reader->names, *type) != NULL) return true;
    unknown_event(reader, node);
    return false;
}

/* ---- properties ---- */

static struct property_entry *property_of(const struct names *names, uint32_t event_type,
                                          uint32_t symbol) {
    for (uint32_t i = 0; i < names->property_count; i++) {
        struct property_entry *property = &names->properties[i];
        if (property->rule.symbol == symbol && property->rule.event_type == event_type)
            return property;
    }
    return NULL;
}

struct property_entry *names_property(const struct names *names, uint32_t event_type,
                                      uint32_t symbol) {
    struct property_entry *property = property_of(names, event_type, symbol);
    if (property != NULL) return property;
    for (uint32_t i = 0; i < names->property_count; i++) {
        property = &names->properties[i];
        if (property->rule.symbol != symbol) continue;
        if (event_type == SYMBOL_NONE || property->rule.event_type == SYMBOL_NONE) return property;
    }
    return NULL;
}

struct field_entry *names_field(const struct property_entry *property, uint32_t symbol) {
    for (uint32_t i = 0; i < property->field_count; i++) {
        if (property->fields[i].symbol == symbol) return &property->fields[i];
    }
    return NULL;
}

static void type_conflict(struct reader *reader, const struct yaml_node *node, struct text name,
                          enum value_type type, enum value_type other, struct place place) {
    struct text given = shown(name);
    if (place.line == 0) {
        reader_error(
            reader, node_place(node),
            "\"%.*s\" is %s here, but this reserved event has it as %s: give it another name",
            TEXT_ARG(given), value_type_name(type), value_type_name(other));
    } else {
        reader_error(
            reader, node_place(node),
            "\"%.*s\" is %s here and %s at %s:%u:%u: give it one type, or another name here",
            TEXT_ARG(given), value_type_name(type), value_type_name(other), reader->file,
            place.line, place.column);
    }
}

static struct property_entry *property_push(struct reader *reader, const struct yaml_node *node) {
    struct names *names = reader->names;
    if (names->property_count >= PROPERTIES_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d properties in all: a playbook may name so many and no more",
                     PROPERTIES_MAX);
        return NULL;
    }
    return reader_push(reader, (void **)&names->properties, &names->property_count,
                       &names->property_capacity, sizeof *names->properties);
}

struct property_entry *names_add_property(struct reader *reader, const struct yaml_node *node,
                                          uint32_t event_type, struct text name,
                                          enum value_type type, enum strength strength) {
    uint32_t symbol;
    if (!property_name_is_good(name)) {
        struct text given = shown(name);
        reader_error(reader, node_place(node),
                     "\"%.*s\" can't be a property's name: write 1 to %d bytes without "
                     "backquotes, \\ and line ends",
                     TEXT_ARG(given), SYMBOL_BYTES_MAX);
        return NULL;
    }
    if (!reader_symbol(reader, node, SYMBOL_PROPERTY, name, &symbol)) return NULL;
    struct property_entry *property = property_of(reader->names, event_type, symbol);
    if (property != NULL) {
        if (strength < property->strength) return property;
        if (strength == property->strength && strength == STRENGTH_DECLARED &&
            type != property->rule.type) {
            type_conflict(reader, node, name, type, property->rule.type, property->rule.place);
            return NULL;
        }
        if (strength > property->strength) {
            property->rule.type = type;
            property->rule.place = node_place(node);
            property->strength = strength;
        }
        return property;
    }
    property = property_push(reader, node);
    if (property == NULL) return NULL;
    *property = (struct property_entry){.strength = strength};
    property->rule = (struct property_rule){.event_type = event_type,
                                            .symbol = symbol,
                                            .name = name,
                                            .type = type,
                                            .place = node_place(node)};
    return property;
}

bool names_add_field(struct reader *reader, const struct yaml_node *node,
                     struct property_entry *property, struct text name, enum value_type type,
                     enum strength strength) {
    uint32_t symbol;
    if (!property_name_is_good(name)) {
        struct text given = shown(name);
        reader_error(reader, node_place(node),
                     "\"%.*s\" can't be a field's name: write 1 to %d bytes without backquotes, "
                     "\\ and line ends",
                     TEXT_ARG(given), SYMBOL_BYTES_MAX);
        return false;
    }
    if (!reader_symbol(reader, node, SYMBOL_PROPERTY, name, &symbol)) return false;
    struct field_entry *field = names_field(property, symbol);
    if (field == NULL) {
        field = reader_push(reader, (void **)&property->fields, &property->field_count,
                            &property->field_capacity, sizeof *field);
        if (field == NULL) return false;
        *field = (struct field_entry){{name, type}, symbol, strength, node_place(node)};
        return true;
    }
    if (strength == STRENGTH_DECLARED && field->strength == STRENGTH_DECLARED &&
        type != field->field.type) {
        type_conflict(reader, node, name, type, field->field.type, field->place);
        return false;
    }
    if (strength > field->strength)
        *field = (struct field_entry){{name, type}, symbol, strength, node_place(node)};
    return true;
}

/* ---- lookups and attributes ---- */

uint32_t names_lookup(const struct names *names, struct text name) {
    for (uint32_t i = 0; i < names->lookup_count; i++) {
        if (text_equal(names->lookups[i].rule.name, name)) return i;
    }
    return UINT32_MAX;
}

static bool is_slip_of_a_field(const struct lookup_entry *lookup, struct text name) {
    for (uint32_t i = 0; i < lookup->field_count; i++) {
        if (text_nearest(name, &lookup->fields[i].name, 1).at != NULL) return true;
    }
    return false;
}

uint32_t names_lookup_field(struct names *names, uint32_t index, struct text field) {
    struct lookup_entry *lookup = &names->lookups[index];
    for (uint32_t i = 0; i < lookup->field_count; i++) {
        if (text_equal(lookup->fields[i].name, field)) return i;
    }
    if (names->reader == NULL || !lookup->rule.fields_open ||
        lookup->field_count >= LOOKUP_FIELDS_MAX)
        return UINT32_MAX;
    if (!property_name_is_good(field) || is_slip_of_a_field(lookup, field)) return UINT32_MAX;
    struct lookup_field *added =
        reader_push(names->reader, (void **)&lookup->fields, &lookup->field_count,
                    &lookup->field_capacity, sizeof *added);
    if (added == NULL) return UINT32_MAX;
    *added = (struct lookup_field){arena_text(names->reader->arena, field), VALUE_TEXT};
    if (added->name.at == NULL) (void)reader_no_memory(names->reader);
    lookup->rule.fields = lookup->fields;
    lookup->rule.field_count = lookup->field_count;
    return lookup->field_count - 1;
}

static uint32_t attribute_find(const struct names *names, struct text name) {
    for (uint32_t i = 0; i < names->attribute_count; i++) {
        if (text_equal(names->attributes[i].rule.name, name)) return i;
    }
    return UINT32_MAX;
}

bool names_add_attribute(struct reader *reader, struct place place, struct text name,
                         enum value_type type, uint32_t *index) {
    struct names *names = reader->names;
    *index = attribute_find(names, name);
    if (*index != UINT32_MAX) {
        const struct attribute_entry *other = &names->attributes[*index];
        if (other->rule.type == type) return true;
        reader_error(
            reader, place,
            "action.%.*s is %s here and %s at %s:%u:%u: give it one type, or another name here",
            TEXT_ARG(name), value_type_name(type), value_type_name(other->rule.type), reader->file,
            other->place.line, other->place.column);
        return false;
    }
    if (names->attribute_count >= ATTRIBUTES_MAX) {
        reader_error(reader, place, "more than %d attributes of actions in all: name fewer",
                     ATTRIBUTES_MAX);
        return false;
    }
    struct attribute_entry *added =
        reader_push(reader, (void **)&names->attributes, &names->attribute_count,
                    &names->attribute_capacity, sizeof *added);
    if (added == NULL) return false;
    *added = (struct attribute_entry){{name, type}, place};
    *index = names->attribute_count - 1;
    return true;
}

static bool action_has(const struct names *names, const struct action *action, struct text name) {
    for (uint32_t i = 0; i < action->attribute_count; i++) {
        if (text_equal(names->attributes[action->attributes[i].attribute].rule.name, name))
            return true;
    }
    if (action->for_each == UINT32_MAX) return false;
    const struct lookup_entry *lookup = &names->lookups[action->for_each];
    for (uint32_t i = 0; i < lookup->field_count; i++) {
        if (text_equal(lookup->fields[i].name, name)) return true;
    }
    return false;
}

static bool is_slip_of_an_attribute(const struct names *names, struct text name) {
    for (uint32_t i = 0; i < names->attribute_count; i++) {
        if (text_nearest(name, &names->attributes[i].rule.name, 1).at != NULL) return true;
    }
    return false;
}

/* Returns the for_each lookup that must have a column of this name: the action's own, or else the
 * only open one. */
static uint32_t lookup_to_guess(const struct names *names) {
    if (names->action != NULL) return names->action->for_each;
    uint32_t only = UINT32_MAX;
    for (uint32_t i = 0; i < names->lookup_count; i++) {
        if (!names->lookups[i].for_each || !names->lookups[i].rule.fields_open) continue;
        if (only != UINT32_MAX) return UINT32_MAX;
        only = i;
    }
    return only;
}

uint32_t names_attribute(struct names *names, struct text name) {
    uint32_t index = attribute_find(names, name);
    if (index != UINT32_MAX && (names->action == NULL || action_has(names, names->action, name)))
        return index;
    if (names->reader == NULL || (index == UINT32_MAX && is_slip_of_an_attribute(names, name)))
        return UINT32_MAX;
    uint32_t lookup = lookup_to_guess(names);
    uint32_t field = lookup == UINT32_MAX ? UINT32_MAX : names_lookup_field(names, lookup, name);
    if (field == UINT32_MAX) return UINT32_MAX;
    struct lookup_field column = names->lookups[lookup].fields[field];
    if (!names_add_attribute(names->reader, names->place, column.name, column.type, &index)) {
        names->reader->quiet = true;
        return UINT32_MAX;
    }
    return index;
}
