/* SPDX-License-Identifier: Apache-2.0 */
/* Reads sources with `lookup:`. They are reference data, found by key. */
#include "playbook/source/sources.h"

static bool add_column(struct reader *reader, const struct yaml_node *node,
                       struct lookup_entry *lookup, struct text name, enum value_type type) {
    for (uint32_t i = 0; i < lookup->field_count; i++) {
        if (!text_equal(lookup->fields[i].name, name)) continue;
        if (type != VALUE_UNKNOWN) lookup->fields[i].type = type;
        return true;
    }
    if (lookup->field_count >= LOOKUP_FIELDS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d columns in a lookup: name those that are used",
                     LOOKUP_FIELDS_MAX);
        return false;
    }
    struct lookup_field *field = reader_push(reader, (void **)&lookup->fields, &lookup->field_count,
                                             &lookup->field_capacity, sizeof *field);
    if (field == NULL) return false;
    *field = (struct lookup_field){name, type == VALUE_UNKNOWN ? VALUE_TEXT : type};
    return true;
}

static bool read_keys(struct reader *reader, struct source_entry *entry,
                      struct lookup_entry *lookup) {
    const struct yaml_node *node = entry->values[SOURCE_LOOKUP];
    bool is_list = node->type == YAML_LIST;
    uint32_t count = is_list ? node->count : 1;
    if (node->type == YAML_MAP || count == 0 || count > LOOKUP_KEY_FIELDS_MAX) {
        reader_error(
            reader, node_place(node),
            "lookup: write the key column, or a list of 1 to %d, such as [product_id, week]",
            LOOKUP_KEY_FIELDS_MAX);
        return false;
    }
    struct text *keys = reader_alloc(reader, count, sizeof *keys);
    if (keys == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct yaml_node *key = is_list ? node->items[i] : node;
        if (!column_read(reader, entry, key, "a lookup's key", &keys[i])) return false;
        for (uint32_t k = 0; k < i; k++) {
            if (!text_equal(keys[k], keys[i])) continue;
            reader_error(reader, node_place(key), "the key column is named twice: leave one out");
            return false;
        }
        if (!add_column(reader, key, lookup, keys[i], VALUE_UNKNOWN)) return false;
    }
    lookup->rule.keys = keys;
    lookup->rule.key_count = count;
    return true;
}

static void read_types(struct reader *reader, struct source_entry *entry,
                       struct lookup_entry *lookup) {
    const struct yaml_node *types = entry->values[SOURCE_TYPES];
    for (uint32_t i = 0; types != NULL && i < types->count; i++) {
        struct text column;
        struct notation notation;
        entry->type_used[i] = true;
        if (!column_read(reader, entry, types->keys[i], "a column", &column)) continue;
        if (!add_column(reader, types->keys[i], lookup, column,
                        column_type_from_text(types->items[i]->text, &notation)))
            return;
    }
}

static void refuse_event_keys(struct reader *reader, const struct source_entry *entry) {
    static const enum source_key only_of_events[] = {
        SOURCE_EVENT,   SOURCE_CHANNEL,       SOURCE_TIME,       SOURCE_ARRIVES,       SOURCE_KEY,
        SOURCE_ROW_KEY, SOURCE_ONE_EVENT_PER, SOURCE_PROPERTIES, SOURCE_PROPERTIES_AT,
    };
    for (size_t i = 0; i < sizeof only_of_events / sizeof *only_of_events; i++) {
        const struct yaml_node *value = entry->values[only_of_events[i]];
        if (value == NULL) continue;
        reader_error(reader, node_place(value),
                     "a lookup is reference data and has no %s: leave it out, or leave out lookup",
                     source_keys.keys[only_of_events[i]]);
    }
}

void lookup_begin(struct reader *reader, struct source_entry *entry) {
    struct names *names = reader->names;
    struct lookup_entry *lookup =
        reader_push(reader, (void **)&names->lookups, &names->lookup_count, &names->lookup_capacity,
                    sizeof *lookup);
    if (lookup == NULL) return;
    *lookup = (struct lookup_entry){.place = node_place(entry->key)};
    lookup->rule.name = entry->source->name;
    lookup->rule.source = (uint32_t)(entry->source - reader->playbook->sources);
    entry->source->is_lookup = true;
    entry->source->lookup = names->lookup_count - 1;
    refuse_event_keys(reader, entry);
    if (entry->values[SOURCE_MANY])
        (void)reader_yes_no(reader, entry->values[SOURCE_MANY], "many", &lookup->rule.many);
    (void)read_keys(reader, entry, lookup);
    read_types(reader, entry, lookup);
    const struct yaml_node *columns = entry->values[SOURCE_COLUMNS];
    for (uint32_t i = 0; entry->columns != NULL && i < entry->source->column_count; i++) {
        (void)add_column(reader, columns->items[i], lookup, entry->columns[i], VALUE_UNKNOWN);
    }
    lookup->rule.fields_open = entry->columns == NULL;
    lookup->rule.fields = lookup->fields;
    lookup->rule.field_count = lookup->field_count;
}
