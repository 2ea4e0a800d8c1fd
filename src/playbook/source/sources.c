/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/source/sources.h"

#include "event/event.h"

#define SOURCES_MAX 1000

/* ---- the file ---- */

static bool is_json_name(struct text file) {
    while (file.length > 0 && file.at[file.length - 1] == '*') file.length--;
    if (text_ends_with(file, TEXT(".gz"))) file.length -= 3;
    return text_ends_with(file, TEXT(".ndjson")) || text_ends_with(file, TEXT(".jsonl")) ||
           text_ends_with(file, TEXT(".json"));
}

static void read_format(struct reader *reader, const struct source_entry *entry) {
    static const struct text known[] = {{"csv", 3}, {"ndjson", 6}, {"segment", 7}};
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_FORMAT];
    uint32_t index = 0;
    if (node == NULL) {
        bool is_json = is_json_name(source->file) || source->listen.length > 0;
        source->format = is_json ? SOURCE_NDJSON : SOURCE_CSV;
    } else if (reader_name_of(reader, node, "format", known, 3, &index)) {
        source->format = index == 0 ? SOURCE_CSV : SOURCE_NDJSON;
        source->segment = index == 2;
    }
}

static void read_delimiter(struct reader *reader, const struct yaml_node *node,
                           struct source *source) {
    static const char *const spelt[] = {",", ";", "|", "tab", "\t"};
    static const char meant[] = {',', ';', '|', '\t', '\t'};
    struct text text = node->text;
    for (size_t i = 0; node->type == YAML_SCALAR && i < sizeof meant; i++) {
        if (text_equal(text, text_from(spelt[i]))) source->delimiter = meant[i];
    }
    if (source->delimiter == 0) {
        reader_error(reader, node_place(node),
                     "delimiter: write one of \",\" \";\" \"|\" or tab, or leave it out and it is "
                     "found out");
    }
}

static void read_quote(struct reader *reader, const struct yaml_node *node, struct source *source) {
    if (node->type == YAML_SCALAR && text_equal(node->text, TEXT("none")))
        source->quote = QUOTE_NONE;
    else if (node->type == YAML_SCALAR && text_equal(node->text, TEXT("\"")))
        source->quote = QUOTE_DOUBLE;
    else
        reader_error(reader, node_place(node),
                     "quote: write none where a quote is a character like any other, or '\"' where "
                     "it encloses a field");
}

static void read_columns(struct reader *reader, struct source_entry *entry) {
    const struct yaml_node *node = entry->values[SOURCE_COLUMNS];
    if (node == NULL || !reader_is_list(reader, node, "columns")) return;
    if (node->count == 0 || node->count > COLUMNS_MAX) {
        reader_error(reader, node_place(node),
                     "columns: name 1 to %d of them, in the order of the file", COLUMNS_MAX);
        return;
    }
    struct text *columns = reader_alloc(reader, node->count, sizeof *columns);
    if (columns == NULL) return;
    for (uint32_t i = 0; i < node->count; i++) {
        if (!reader_text(reader, node->items[i], "a column", &columns[i])) return;
    }
    entry->columns = columns;
    entry->source->columns = columns;
    entry->source->column_count = node->count;
}

static void refuse_csv_keys(struct reader *reader, const struct source_entry *entry) {
    static const enum source_key only_of_csv[] = {SOURCE_DELIMITER, SOURCE_QUOTE, SOURCE_SKIP_LINES,
                                                  SOURCE_HEADER, SOURCE_COLUMNS};
    for (size_t i = 0; i < sizeof only_of_csv / sizeof *only_of_csv; i++) {
        const struct yaml_node *value = entry->values[only_of_csv[i]];
        if (value == NULL) continue;
        reader_error(reader, node_place(value),
                     "NDJSON has no %s: leave it out, or write format: csv",
                     source_keys.keys[only_of_csv[i]]);
    }
}

static void read_file(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *const *values = entry->values;
    if (values[SOURCE_FILE]) (void)reader_text(reader, values[SOURCE_FILE], "file", &source->file);
    door_begin(reader, entry);
    read_format(reader, entry);
    source->has_header = true;
    source->zone = reader->playbook->zone;
    struct time_zone *zone;
    if (values[SOURCE_ZONE] && reader_zone(reader, values[SOURCE_ZONE], &zone)) source->zone = zone;
    if (source->format == SOURCE_NDJSON) {
        refuse_csv_keys(reader, entry);
        return;
    }
    if (values[SOURCE_DELIMITER]) read_delimiter(reader, values[SOURCE_DELIMITER], source);
    if (values[SOURCE_QUOTE]) read_quote(reader, values[SOURCE_QUOTE], source);
    if (values[SOURCE_SKIP_LINES])
        (void)reader_count(reader, values[SOURCE_SKIP_LINES], "skip_lines", 0, SKIP_LINES_MAX,
                           &source->skip_lines);
    if (values[SOURCE_HEADER])
        (void)reader_yes_no(reader, values[SOURCE_HEADER], "header", &source->has_header);
    read_columns(reader, entry);
    if (values[SOURCE_PROPERTIES_AT]) {
        reader_error(reader, node_place(values[SOURCE_PROPERTIES_AT]),
                     "properties_at is for NDJSON: leave it out");
    }
}

/* ---- event and channel: constants, or "{column}" ---- */

static bool read_event(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_EVENT];
    bool declared;
    source->event_type = SYMBOL_NONE;
    if (node == NULL) {
        source->event = (struct field_source){.kind = FIELD_COLUMN,
                                              .type = VALUE_TEXT,
                                              .column = TEXT("event"),
                                              .place = node_place(entry->key)};
        if (source->format == SOURCE_NDJSON) return true;
        reader_error(reader, node_place(entry->key),
                     "source %.*s says no event: write event: and a name such as Order Completed, "
                     "or \"{column}\" where a column names "
                     "it; or lookup: where it is reference data",
                     TEXT_ARG(source->name));
        return false;
    }
    if (!reader_text(reader, node, "event", &source->event.text)) return false;
    if (memchr(node->text.at, '{', node->text.length) != NULL) {
        return field_read(reader, entry, node, "event", &source->event, &declared);
    }
    source->event.kind = FIELD_CONSTANT;
    source->event.type = VALUE_TEXT;
    source->event.place = node_place(node);
    return names_add_event(reader, node, source->event.text, &source->event_type);
}

static void read_channel(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_CHANNEL];
    bool declared;
    source->channel_from = (struct field_source){
        .kind = FIELD_CONSTANT, .type = VALUE_TEXT, .place = node_place(entry->key)};
    struct text name = door_identifier(source).length > 0 ? door_channel(source)
                       : source->format == SOURCE_NDJSON  ? TEXT("web")
                                                          : TEXT("other");
    source->channel_from.text = name;
    (void)reader_symbol(reader, entry->key, SYMBOL_CHANNEL, name, &source->channel);
    if (node == NULL) return;
    source->says_channel = true;
    if (node->type == YAML_SCALAR && memchr(node->text.at, '{', node->text.length) != NULL) {
        if (!reader_usual_channels(reader, node)) return;
        if (field_read(reader, entry, node, "channel", &source->channel_from, &declared) &&
            source->channel_from.kind != FIELD_COLUMN) {
            reader_error(
                reader, node_place(node),
                "channel: write a name such as store, or \"{column}\" and nothing around it");
        }
        return;
    }
    if (reader_channel(reader, node, &source->channel)) source->channel_from.text = node->text;
    source->channel_from.place = node_place(node);
}

static void begin(struct reader *reader, struct source_entry *entry,
                  const struct yaml_node *value) {
    struct source *source = entry->source;
    source->name = entry->key->text;
    source->place = node_place(entry->key);
    source->event_type = SYMBOL_NONE;
    source->lookup = UINT32_MAX;
    entry->good = reader_name(reader, entry->key, "a source's name", &source->name) &&
                  reader_symbol(reader, entry->key, SYMBOL_SOURCE, source->name, &source->symbol) &&
                  reader_keys(reader, value, &source_keys, entry->values);
    if (!entry->good) return;
    read_file(reader, entry);
    notation_read(reader, entry);
    types_check(reader, entry);
    if (entry->values[SOURCE_LOOKUP]) {
        lookup_begin(reader, entry);
        return;
    }
    if (entry->values[SOURCE_MANY]) {
        reader_error(reader, node_place(entry->values[SOURCE_MANY]),
                     "many is for lookups: write lookup: and its key column beside it");
    }
    (void)read_event(reader, entry);
    read_channel(reader, entry);
}

bool sources_begin(struct reader *reader, const struct yaml_node *node,
                   struct source_reading **out) {
    struct playbook *playbook = reader->playbook;
    struct source_reading *sources = reader_alloc(reader, 1, sizeof *sources);
    *out = sources;
    if (sources == NULL) return false;
    if (node == NULL || !reader_is_map(reader, node, "sources")) return true;
    if (node->count > SOURCES_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d sources: a playbook may have so many and no more", SOURCES_MAX);
        return true;
    }
    struct source *all = reader_alloc(reader, node->count, sizeof *all);
    sources->items = reader_alloc(reader, node->count, sizeof *sources->items);
    if (all == NULL || sources->items == NULL) return false;
    playbook->sources = all;
    playbook->source_count = sources->count = node->count;
    bool segment = false;
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++) {
        sources->items[i].source = &all[i];
        sources->items[i].key = node->keys[i];
        begin(reader, &sources->items[i], node->items[i]);
        segment = segment || all[i].segment;
    }
    return !segment || spec_add(reader);
}

/* ---- properties ---- */

static void place_properties(struct reader *reader, const struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_PROPERTIES],
                           *at = entry->values[SOURCE_PROPERTIES_AT];
    if (source->format != SOURCE_NDJSON) return;
    source->properties_open =
        node == NULL || (node->type == YAML_SCALAR && text_equal(node->text, TEXT("any")));
    source->properties_path = TEXT("properties");
    if (at == NULL) return;
    if (at->type == YAML_SCALAR && text_equal(at->text, TEXT(".")))
        source->properties_path = (struct text){"", 0};
    else
        (void)reader_text(reader, at, "properties_at", &source->properties_path);
}

void sources_declare(struct reader *reader, struct source_reading *sources) {
    for (uint32_t i = 0; i < sources->count && reader->status == STATUS_OK; i++) {
        struct source_entry *entry = &sources->items[i];
        entry->lookups_known = true;
        if (entry->source->is_lookup || !entry->good) continue;
        place_properties(reader, entry);
        properties_declare(reader, entry);
    }
}

/* ---- time, keys and the rest ---- */

static void missing_time(struct reader *reader, const struct source_entry *entry) {
    reader_error(reader, node_place(entry->key),
                 "source %.*s says no time: write time: and the column that has it, or time: "
                 "always for a table without dates",
                 TEXT_ARG(entry->source->name));
}

static void read_time(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_TIME];
    bool declared;
    if (node == NULL && source->format == SOURCE_CSV) {
        missing_time(reader, entry);
        return;
    }
    source->time = (struct field_source){.kind = FIELD_COLUMN,
                                         .type = VALUE_TIME,
                                         .column = TEXT("timestamp"),
                                         .place = node_place(entry->key)};
    if (node == NULL) return;
    if (node->type == YAML_SCALAR && !node->quoted && text_equal(node->text, TEXT("always"))) {
        source->time_always = true;
        source->time = (struct field_source){.kind = FIELD_CONSTANT,
                                             .type = VALUE_TIME,
                                             .text = node->text,
                                             .place = node_place(node)};
        return;
    }
    /* A constant is no time. Here quotes stand for a column such as "When (UTC)". */
    struct yaml_node column = *node;
    column.quoted = node->quoted && node->type == YAML_SCALAR &&
                    memchr(node->text.at, '{', node->text.length) != NULL;
    if (!field_read(reader, entry, &column, "time", &source->time, &declared)) return;
    bool is_time =
        source->time.type == VALUE_TIME || (!declared && source->time.kind != FIELD_CONSTANT);
    if (!is_time) {
        reader_error(
            reader, node_place(node),
            "\"%.*s\" is %s: a time is needed; write time beside it in types of its source",
            TEXT_ARG(node->text), value_type_name(source->time.type));
    }
    source->time.type = VALUE_TIME;
}

static void read_arrival(struct reader *reader, const struct yaml_node *node,
                         struct source *source) {
    if (node == NULL) return;
    if (node->type == YAML_SCALAR && text_equal(node->text, TEXT("live")))
        source->known_on_arrival = true;
    else if (node->type == YAML_SCALAR && text_equal(node->text, TEXT("0")))
        source->arrives_ms = 0;
    else
        (void)reader_duration(reader, node, "arrives (a delay such as 1d, or live)",
                              &source->arrives_ms);
}

static uint32_t rule_find(const struct playbook *playbook, struct text name) {
    for (uint32_t i = 0; i < playbook->identifier_count; i++) {
        if (text_equal(playbook->identifiers[i].name, name)) return i;
    }
    return UINT32_MAX;
}

static bool rule_read(struct reader *reader, const struct yaml_node *key, uint32_t *rule) {
    const struct playbook *playbook = reader->playbook;
    *rule = rule_find(playbook, key->text);
    if (*rule != UINT32_MAX) return true;
    struct text *known = reader_alloc(reader, playbook->identifier_count, sizeof *known);
    for (uint32_t i = 0; known != NULL && i < playbook->identifier_count; i++)
        known[i] = playbook->identifiers[i].name;
    if (known != NULL) {
        reader_unknown(reader, node_place(key), "identifier under customer: identifiers", key->text,
                       known, playbook->identifier_count);
    }
    return false;
}

/* Adds the Segment spec's userId and anonymousId, where the playbook has identifiers for them; of a
 * vendor's requests the address that the message went to. */
static void usual_key(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    struct text of_vendor = door_identifier(source);
    const struct {
        struct text rule, path;
    } usual[] = {{of_vendor.length > 0 ? of_vendor : TEXT("user_id"),
                  of_vendor.length > 0 ? of_vendor : TEXT("userId")},
                 {TEXT("anonymous_id"), TEXT("anonymousId")}};
    struct identifier_map *maps = reader_alloc(reader, 2, sizeof *maps);
    if (maps == NULL) return;
    source->identifiers = maps;
    for (size_t i = 0; source->format == SOURCE_NDJSON && i < 2; i++) {
        uint32_t rule = rule_find(reader->playbook, usual[i].rule);
        if (rule == UINT32_MAX) continue;
        maps[source->identifier_count++] =
            (struct identifier_map){rule,
                                    {.kind = FIELD_COLUMN,
                                     .type = VALUE_TEXT,
                                     .column = usual[i].path,
                                     .place = node_place(entry->key)}};
    }
    if (source->identifier_count > 0) return;
    const char *hint =
        of_vendor.length > 0
            ? "declare email, or phone for text messages, under customer: identifiers"
        : source->format == SOURCE_NDJSON
            ? "declare user_id and anonymous_id under customer: identifiers, or "
              "write key: { identifier: path }"
            : "write key: { identifier: column }, such as key: { email: email }";
    reader_error(reader, node_place(entry->key), "source %.*s says not whose events they are: %s",
                 TEXT_ARG(source->name), hint);
}

/* Counts the columns: one, or those of a list. */
static uint32_t column_count(const struct yaml_node *node) {
    return node->type == YAML_LIST ? node->count : 1;
}

static const struct yaml_node *column_at(const struct yaml_node *node, uint32_t i) {
    return node->type == YAML_LIST ? node->items[i] : node;
}

/* Reads `email: address`, or `email: [address, second_address]`. */
static void read_identifier(struct reader *reader, struct source_entry *entry,
                            const struct yaml_node *key, const struct yaml_node *columns,
                            struct identifier_map *maps) {
    struct source *source = entry->source;
    uint32_t rule;
    bool known = rule_read(reader, key, &rule);
    if (node_is_empty(columns) || column_count(columns) == 0) {
        reader_error(reader, node_place(key),
                     "identifier %.*s has no column: write the column that holds it",
                     TEXT_ARG(key->text));
        return;
    }
    for (uint32_t i = 0; i < column_count(columns); i++) {
        struct identifier_map *map = &maps[source->identifier_count];
        bool declared;
        map->rule = rule;
        if (!field_read(reader, entry, column_at(columns, i), "an identifier", &map->from,
                        &declared) ||
            !known)
            continue;
        map->from.type = VALUE_TEXT;
        source->identifier_count++;
    }
}

static void read_key(struct reader *reader, struct source_entry *entry) {
    const struct yaml_node *node = entry->values[SOURCE_KEY];
    if (node == NULL) {
        usual_key(reader, entry);
        return;
    }
    if (!reader_is_map(reader, node, "key")) return;
    uint64_t count = 0;
    for (uint32_t i = 0; i < node->count; i++) count += column_count(node->items[i]);
    if (node->count == 0 || count > EVENT_IDENTIFIERS_MAX) {
        reader_error(reader, node_place(node),
                     "key: name 1 to %d identifiers, such as { email: email_address }",
                     EVENT_IDENTIFIERS_MAX);
        return;
    }
    struct identifier_map *maps = reader_alloc(reader, count + 1, sizeof *maps);
    if (maps == NULL) return;
    entry->source->identifiers = maps;
    for (uint32_t i = 0; i < node->count; i++)
        read_identifier(reader, entry, node->keys[i], node->items[i], maps);
}

/* Reads one column or template, or a list whose values together name a row. */
static void read_row_key(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_ROW_KEY];
    struct field_source *keys = reader_alloc(reader, SOURCE_ROW_KEYS_MAX, sizeof *keys);
    if (keys == NULL) return;
    source->row_keys = keys;
    if (node == NULL && source->format == SOURCE_NDJSON) {
        keys[source->row_key_count++] = (struct field_source){.kind = FIELD_COLUMN,
                                                              .type = VALUE_TEXT,
                                                              .column = TEXT("messageId"),
                                                              .place = node_place(entry->key)};
    }
    if (node == NULL) return;
    if (column_count(node) == 0 || column_count(node) > SOURCE_ROW_KEYS_MAX) {
        reader_error(reader, node_place(node),
                     "row_key: write a column, or a list of 1 to %d, such as [order_id, line]",
                     SOURCE_ROW_KEYS_MAX);
        return;
    }
    for (uint32_t i = 0; i < column_count(node); i++) {
        struct field_source *key = &keys[source->row_key_count];
        bool declared;
        if (!field_read(reader, entry, column_at(node, i), "row_key", key, &declared)) continue;
        key->type = VALUE_TEXT;
        source->row_key_count++;
    }
}

void sources_read(struct reader *reader, struct source_reading *sources) {
    for (uint32_t i = 0; i < sources->count && reader->status == STATUS_OK; i++) {
        struct source_entry *entry = &sources->items[i];
        if (entry->source->is_lookup || !entry->good) continue;
        properties_resolve(reader, entry);
        read_time(reader, entry);
        if (entry->values[SOURCE_NOTE])
            (void)reader_text(reader, entry->values[SOURCE_NOTE], "note", &entry->source->note);
        read_arrival(reader, entry->values[SOURCE_ARRIVES], entry->source);
        if (entry->values[SOURCE_ONE_EVENT_PER]) {
            (void)column_read(reader, entry, entry->values[SOURCE_ONE_EVENT_PER], "one_event_per",
                              &entry->source->one_event_per);
        }
        door_read(reader, sources, entry);
        read_key(reader, entry);
        read_row_key(reader, entry);
        row_rules_read(reader, entry);
        trust_read(reader, entry);
        braces_check(reader, entry, SOURCE_EVENT);
        braces_check(reader, entry, SOURCE_CHANNEL);
        joins_check(reader, entry);
        types_check_used(reader, entry);
    }
}
