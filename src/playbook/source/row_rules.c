/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "playbook/source/sources.h"

#define RETRACTIONS_MAX       16
#define RETRACTION_VALUES_MAX 256

static void refuse_without_key(struct reader *reader, const struct source_entry *entry) {
    static const enum source_key need_key[] = {SOURCE_ROW_VERSION, SOURCE_RETRACT_WHEN,
                                               SOURCE_CORRECTIONS_MAX, SOURCE_AGAIN, SOURCE_LINES};
    for (size_t i = 0; i < sizeof need_key / sizeof *need_key; i++) {
        const struct yaml_node *node = entry->values[need_key[i]];
        if (node == NULL) continue;
        reader_error(reader, node_place(node),
                     "%s speaks of rows whose key is known, and source %.*s has no row_key: write "
                     "row_key: and the column that names a row",
                     source_keys.keys[need_key[i]], TEXT_ARG(entry->source->name));
    }
}

static void read_version(struct reader *reader, struct source_entry *entry) {
    struct row_rules *rules = &entry->source->rows;
    const struct yaml_node *node = entry->values[SOURCE_ROW_VERSION];
    if (node == NULL || !column_read(reader, entry, node, "row_version", &rules->version_column))
        return;
    enum value_type type = column_type(entry, rules->version_column);
    rules->version_type = type == VALUE_NUMBER ? VALUE_NUMBER : VALUE_TIME;
    if (type == VALUE_UNKNOWN || type == VALUE_TIME || type == VALUE_NUMBER) return;
    reader_error(reader, node_place(node),
                 "row_version %.*s is %s: a version is a time or a number, which types: says",
                 TEXT_ARG(rules->version_column), value_type_name(type));
}

static bool read_values(struct reader *reader, const struct yaml_node *node,
                        struct retraction *out) {
    uint32_t count = node->type == YAML_LIST ? node->count : 1;
    if (count == 0 || count > RETRACTION_VALUES_MAX) {
        reader_error(reader, node_place(node),
                     "retract_when: write a value, or a list of 1 to %d, such as [deleted, void]",
                     RETRACTION_VALUES_MAX);
        return false;
    }
    struct text *values = reader_alloc(reader, count, sizeof *values);
    if (values == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct yaml_node *item = node->type == YAML_LIST ? node->items[i] : node;
        if (!reader_text(reader, item, "a value of retract_when", &values[i])) return false;
    }
    out->values = values;
    out->value_count = count;
    return true;
}

/* Reads `{ status: [deleted, cancelled] }`: each column must hold one of its values. */
static void read_retractions(struct reader *reader, struct source_entry *entry) {
    struct row_rules *rules = &entry->source->rows;
    const struct yaml_node *node = entry->values[SOURCE_RETRACT_WHEN];
    if (node == NULL) return;
    if (node->type != YAML_MAP || node->count == 0 || node->count > RETRACTIONS_MAX) {
        reader_error(reader, node_place(node),
                     "retract_when: write the column and the values by which a row takes itself "
                     "away, such as { status: [deleted, cancelled] }");
        return;
    }
    struct retraction *all = reader_alloc(reader, node->count, sizeof *all);
    if (all == NULL) return;
    for (uint32_t i = 0; i < node->count; i++) {
        struct retraction *one = &all[rules->retraction_count];
        if (node_is_empty(node->items[i])) {
            reader_error(reader, node_place(node->keys[i]),
                         "retract_when: column %.*s has no value: write the value by which a row "
                         "takes itself away",
                         TEXT_ARG(node->keys[i]->text));
            continue;
        }
        (void)column_type(entry, node->keys[i]->text);
        if (column_read(reader, entry, node->keys[i], "retract_when", &one->column) &&
            read_values(reader, node->items[i], one))
            rules->retraction_count++;
    }
    rules->retractions = all;
}

/* Reads "500", or "30%" of a load's rows. */
static void read_corrections_max(struct reader *reader, const struct yaml_node *node,
                                 struct row_rules *rules) {
    if (node == NULL) return;
    bool percent = node->type == YAML_SCALAR && node->text.length > 0 &&
                   node->text.at[node->text.length - 1] == '%';
    uint32_t count = 0;
    rules->corrections_max = UINT64_MAX;
    rules->corrections_max_percent = 100;
    if (percent) {
        rules->has_corrections_max = reader_percent(reader, node, "corrections_max", 0, 100,
                                                    &rules->corrections_max_percent);
        return;
    }
    rules->has_corrections_max =
        reader_count(reader, node, "corrections_max (a number of rows, or a share such as 30%)", 0,
                     UINT32_MAX - 1, &count);
    rules->corrections_max = count;
}

static void read_again(struct reader *reader, struct source_entry *entry) {
    static const struct text known[] = {{"replace", 7}, {"add", 3}, {"keep", 4}};
    static const enum again meant[] = {AGAIN_REPLACE, AGAIN_ADD, AGAIN_KEEP};
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_AGAIN];
    uint32_t index;
    if (node == NULL || !reader_name_of(reader, node, "again", known, 3, &index)) return;
    source->rows.again = meant[index];
    if (source->one_event_per.length == 0) {
        reader_error(reader, node_place(node),
                     "again: is for events of several rows (one_event_per): a single row whose key "
                     "is known is corrected, leave it out");
    }
}

/* Tells what row_key names where `lines:` is absent. Beside one_event_per: order_id, row_key:
 * order_id names the event and no row of it. [order_id, line] probably names a row, and [shop,
 * order_id] does not: that is left open. */
static enum key_names names_without_a_word(const struct source *source) {
    const struct field_source *first = &source->row_keys[0];
    bool is_column = source->row_key_count == 1 && first->kind == FIELD_COLUMN;
    if (is_column && text_equal(first->column, source->one_event_per)) return KEY_NAMES_EVENT;
    bool is_message = source->format == SOURCE_NDJSON && is_column &&
                      text_equal(first->column, TEXT("messageId"));
    return is_message ? KEY_NAMES_ROW : KEY_NAMES_OPEN;
}

static void read_lines(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *node = entry->values[SOURCE_LINES];
    bool says = false;
    if (source->one_event_per.length > 0) source->key_names = names_without_a_word(source);
    if (node == NULL || !reader_yes_no(reader, node, "lines", &says)) return;
    if (source->one_event_per.length == 0) {
        reader_error(reader, node_place(node),
                     "lines: is for events of several rows (one_event_per): leave it out");
        return;
    }
    if (says && source->key_names == KEY_NAMES_EVENT) {
        reader_error(reader, node_place(node),
                     "lines: yes says that row_key names each row, and %.*s names the whole event: "
                     "write row_key: [%.*s, LINE] with the column that tells its rows apart",
                     TEXT_ARG(source->one_event_per), TEXT_ARG(source->one_event_per));
        return;
    }
    source->key_names = says ? KEY_NAMES_ROW : KEY_NAMES_EVENT;
}

void row_rules_read(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    if (source->row_key_count == 0) {
        refuse_without_key(reader, entry);
        return;
    }
    read_lines(reader, entry);
    read_version(reader, entry);
    read_retractions(reader, entry);
    read_corrections_max(reader, entry->values[SOURCE_CORRECTIONS_MAX], &source->rows);
    read_again(reader, entry);
}
