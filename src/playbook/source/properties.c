/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the properties that a source maps. The first pass notes what is declared, over all sources.
 * A property without a declaration then takes the type that any source declared for it, and is text
 * where none did. */
#include "playbook/source/sources.h"

#define SOURCE_PROPERTIES_MAX PACKED_PROPERTIES_MAX

static uint32_t event_of(const struct source_entry *entry) {
    return entry->source->event_type;
}

/* NDJSON: the path of the member itself, inside the object that holds the properties. */
static struct text own_path(struct reader *reader, const struct source_entry *entry,
                            struct text name) {
    struct text at = entry->source->properties_path;
    if (entry->source->format != SOURCE_NDJSON) return (struct text){0};
    return at.length == 0 ? name : reader_format(reader, "%.*s.%.*s", TEXT_ARG(at), TEXT_ARG(name));
}

/* Reads `name: type` of NDJSON. */
static bool type_read(struct reader *reader, struct source_entry *entry,
                      const struct yaml_node *key, const struct yaml_node *value,
                      struct field_source *out) {
    if (entry->source->format != SOURCE_NDJSON || value->type != YAML_SCALAR || value->quoted)
        return false;
    bool is_list = text_equal(value->text, TEXT("list"));
    enum value_type type = is_list ? VALUE_LIST : type_from_text(value->text);
    if (type == VALUE_UNKNOWN) return false;
    *out = (struct field_source){.kind = FIELD_COLUMN,
                                 .type = type,
                                 .column = own_path(reader, entry, key->text),
                                 .place = node_place(value)};
    return true;
}

static bool property_read(struct reader *reader, struct source_entry *entry,
                          const struct yaml_node *key, const struct yaml_node *value, uint32_t at) {
    struct property_map *property = &entry->properties[at];
    bool *declared = &entry->is_declared[at];
    *property = (struct property_map){.name = key->text};
    entry->property_nodes[at] = value;
    if (!reader_property_name(reader, key, "a property's name", &property->name)) return false;
    if (!reader_symbol(reader, key, SYMBOL_PROPERTY, property->name, &property->symbol))
        return false;
    if (node_is_empty(value)) {
        reader_error(reader, node_place(key),
                     "property %.*s has no column: write the column that it comes from",
                     TEXT_ARG(key->text));
        return false;
    }
    if (value->type != YAML_SCALAR) {
        *declared = true;
        return field_list_read(reader, entry, value, own_path(reader, entry, property->name),
                               &property->from);
    }
    *declared = type_read(reader, entry, key, value, &property->from);
    return *declared || field_read(reader, entry, value, "a property", &property->from, declared);
}

/* Adds the declared fields of a list, or (`rest`) all of them with what is known by now. */
static void add_fields(struct reader *reader, const struct yaml_node *node,
                       struct property_map *property, struct property_entry *entry, bool rest) {
    enum value_type *types = (enum value_type *)property->from.column_types;
    for (uint32_t i = 0; i < property->from.column_count; i++) {
        const struct yaml_node *item = node->type == YAML_MAP ? node->keys[i] : node->items[i];
        if (item->type == YAML_MAP) item = item->keys[0];
        struct text name =
            symbol_text(reader->symbols, SYMBOL_PROPERTY, property->from.column_symbols[i]);
        enum strength strength = types[i] == VALUE_UNKNOWN ? STRENGTH_GUESSED : STRENGTH_DECLARED;
        if (strength == STRENGTH_GUESSED && !rest) continue;
        if (strength == STRENGTH_GUESSED) {
            const struct field_entry *known = names_field(entry, property->from.column_symbols[i]);
            types[i] = known != NULL ? known->field.type : VALUE_TEXT;
        }
        (void)names_add_field(reader, item, entry, name, types[i], strength);
    }
}

static void declare(struct reader *reader, struct source_entry *entry, const struct yaml_node *key,
                    uint32_t at) {
    struct property_map *property = &entry->properties[at];
    if (!entry->is_declared[at]) return;
    struct property_entry *known = names_add_property(reader, key, event_of(entry), property->name,
                                                      property->from.type, STRENGTH_DECLARED);
    if (known != NULL && property->from.kind == FIELD_LIST) {
        add_fields(reader, entry->property_nodes[at], property, known, false);
    }
}

void properties_declare(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_PROPERTIES];
    if (node == NULL) return;
    if (node->type == YAML_SCALAR && text_equal(node->text, TEXT("any"))) {
        if (source->format == SOURCE_CSV) {
            reader_error(reader, node_place(node),
                         "properties: any is for NDJSON: name the columns that become properties, "
                         "{ price: unit_price }");
        }
        return;
    }
    if (!reader_is_map(reader, node, "properties")) return;
    if (node->count > SOURCE_PROPERTIES_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d properties: an event may have so many and no more",
                     SOURCE_PROPERTIES_MAX);
        return;
    }
    entry->properties = reader_alloc(reader, node->count, sizeof *entry->properties);
    entry->property_nodes = reader_alloc(reader, node->count, sizeof *entry->property_nodes);
    entry->is_declared = reader_alloc(reader, node->count, sizeof *entry->is_declared);
    if (entry->properties == NULL || entry->property_nodes == NULL || entry->is_declared == NULL)
        return;
    source->properties = entry->properties;
    for (uint32_t i = 0; i < node->count; i++) {
        if (!property_read(reader, entry, node->keys[i], node->items[i], source->property_count))
            continue;
        declare(reader, entry, node->keys[i], source->property_count);
        source->property_count++;
    }
}

/* Gives a field the type that the property has. A sum keeps only a type that can be summed. */
static void take_known_type(struct reader *reader, const struct source_entry *entry, uint32_t at,
                            const struct property_entry *known) {
    struct field_source *from = &entry->properties[at].from;
    enum value_type type = known->rule.type;
    bool is_amount = type == VALUE_NUMBER || type == VALUE_MONEY || type == VALUE_DURATION;
    bool is_sum = from->kind == FIELD_AGGREGATE && from->aggregate == '+';
    if (is_sum && !is_amount) {
        reader_error(
            reader, from->place,
            "%.*s is %s, but a sum is a number, money or a duration: mend the property's type",
            TEXT_ARG(known->rule.name), value_type_name(type));
    } else if (type == VALUE_LIST && entry->source->format == SOURCE_CSV) {
        reader_error(reader, from->place, "%.*s is a list: map it as one, [column, column]",
                     TEXT_ARG(known->rule.name));
    }
    from->type = type;
}

/* Checks a constant against the property's type: 'abc' is no number. */
static void check_constant(struct reader *reader, const struct source_entry *entry, uint32_t at) {
    const struct property_map *property = &entry->properties[at];
    const struct field_source *from = &property->from;
    struct value value;
    if (from->kind != FIELD_CONSTANT || from->type == VALUE_TEXT || from->type == VALUE_UNKNOWN)
        return;
    if (value_parse(from->text, from->type, reader->playbook->currency, entry->source->zone,
                    &value) == STATUS_OK)
        return;
    struct text given = shown(from->text);
    reader_error(reader, from->place, "'%.*s' is no %s, and %.*s is one: mend it, or the type",
                 TEXT_ARG(given), value_type_name(from->type), TEXT_ARG(property->name));
}

void properties_resolve(struct reader *reader, struct source_entry *entry) {
    for (uint32_t i = 0; i < entry->source->property_count; i++) {
        struct property_map *property = &entry->properties[i];
        struct property_entry *known =
            names_property(reader->names, event_of(entry), property->symbol);
        if (property->from.kind == FIELD_LIST) {
            if (known != NULL) add_fields(reader, entry->property_nodes[i], property, known, true);
            continue;
        }
        if (entry->is_declared[i]) continue;
        if (known != NULL) take_known_type(reader, entry, i, known);
        check_constant(reader, entry, i);
        if (known != NULL && known->rule.event_type == event_of(entry)) continue;
        (void)names_add_property(reader, entry->property_nodes[i], event_of(entry), property->name,
                                 property->from.type, STRENGTH_GUESSED);
    }
}
