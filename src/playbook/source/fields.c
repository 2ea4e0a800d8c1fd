/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/source/sources.h"

#define LIST_FIELDS_MAX 64

/* ---- columns and their types ---- */

enum value_type column_type(const struct source_entry *entry, struct text column) {
    const struct yaml_node *types = entry->values[SOURCE_TYPES];
    for (uint32_t i = 0; types != NULL && i < types->count; i++) {
        if (!text_equal(types->keys[i]->text, column)) continue;
        struct notation notation;
        entry->type_used[i] = true;
        return column_type_from_text(types->items[i]->text, &notation);
    }
    return VALUE_UNKNOWN;
}

void types_check_used(struct reader *reader, const struct source_entry *entry) {
    const struct yaml_node *types = entry->values[SOURCE_TYPES];
    for (uint32_t i = 0; types != NULL && i < types->count; i++) {
        if (entry->type_used[i]) continue;
        struct text given = shown(types->keys[i]->text);
        reader_error(reader, node_place(types->keys[i]),
                     "types names the column \"%.*s\", which this source uses nowhere: mend the "
                     "name, map it in properties, or leave "
                     "it out",
                     TEXT_ARG(given));
    }
}

bool column_read(struct reader *reader, const struct source_entry *entry,
                 const struct yaml_node *node, const char *what, struct text *out) {
    return reader_text(reader, node, what, out) &&
           column_check(reader, entry, node_place(node), *out);
}

/* ---- templates ---- */

struct template_columns {
    struct source_entry *entry;
    uint32_t count;
    struct text only;
};

static bool template_column(struct reader *reader, const struct yaml_node *node, uint32_t offset,
                            struct text name, void *context) {
    struct template_columns *columns = context;
    columns->count++;
    columns->only = name;
    (void)column_type(columns->entry, name);
    return column_check_braces(reader, columns->entry, scalar_place(reader, node, offset), name);
}

/* Reads a template. "{column}" and nothing else is the column itself, whatever its name. */
static bool template_read(struct reader *reader, struct source_entry *entry,
                          const struct yaml_node *node, const char *what, struct field_source *out,
                          bool *declared) {
    struct template_columns columns = {.entry = entry};
    if (!template_check(reader, node, what, template_column, &columns)) return false;
    out->kind = FIELD_TEMPLATE;
    out->text = node->text;
    if (columns.count != 1 || columns.only.length + 2 != node->text.length) return true;
    out->kind = FIELD_COLUMN;
    out->column = columns.only;
    enum value_type type = column_type(entry, columns.only);
    *declared = type != VALUE_UNKNOWN;
    if (*declared) out->type = type;
    return true;
}

/* ---- sum(column) ---- */

static const struct {
    const char *name;
    char letter;
} aggregates[] = {{"sum", '+'},   {"min", '<'},   {"max", '>'},
                  {"count", '#'}, {"first", 'f'}, {"last", 'l'}};
#define AGGREGATE_COUNT (sizeof aggregates / sizeof *aggregates)

/* Splits "name(inside)"; false where the text has another form. */
static bool split_call(struct text text, struct text *name, struct text *inside) {
    const char *open = memchr(text.at, '(', text.length);
    if (open == NULL || text.at[text.length - 1] != ')') return false;
    *name = (struct text){text.at, (uint32_t)(open - text.at)};
    *inside = text_trim((struct text){open + 1, text.length - name->length - 2});
    return name_is_good(*name);
}

static bool aggregate_read(struct reader *reader, struct source_entry *entry,
                           const struct yaml_node *node, char letter, struct text column,
                           struct field_source *out, bool *declared) {
    *out = (struct field_source){.kind = FIELD_AGGREGATE,
                                 .aggregate = letter,
                                 .column = column,
                                 .type = VALUE_TEXT,
                                 .place = out->place};
    if (letter == '#') {
        out->type = VALUE_NUMBER;
        *declared = true;
        return column.length == 0 ||
               column_check_plain(reader, entry, node_place(node), column, true);
    }
    if (column.length == 0) {
        reader_error(reader, node_place(node),
                     "\"%.*s\" names no column: write one between the parentheses",
                     TEXT_ARG(node->text));
        return false;
    }
    if (!column_check_plain(reader, entry, node_place(node), column, true)) return false;
    enum value_type type = column_type(entry, column);
    *declared = type != VALUE_UNKNOWN;
    if (*declared)
        out->type = type;
    else if (letter == '+')
        out->type = VALUE_NUMBER;
    if (letter == '+' && out->type != VALUE_NUMBER && out->type != VALUE_MONEY &&
        out->type != VALUE_DURATION) {
        reader_error(reader, node_place(node),
                     "%.*s is %s and can't be summed: write number, money or duration in types",
                     TEXT_ARG(column), value_type_name(out->type));
        return false;
    }
    return true;
}

/* Reads a call. STATUS_NOT_FOUND where the text is none. */
static enum status call_read(struct reader *reader, struct source_entry *entry,
                             const struct yaml_node *node, struct field_source *out,
                             bool *declared) {
    struct text name, inside, known[AGGREGATE_COUNT];
    if (!split_call(node->text, &name, &inside)) return STATUS_NOT_FOUND;
    for (size_t i = 0; i < AGGREGATE_COUNT; i++) {
        known[i] = text_from(aggregates[i].name);
        if (!text_equal(known[i], name)) continue;
        if (entry->values[SOURCE_ONE_EVENT_PER] == NULL) {
            reader_error(reader, node_place(node),
                         "%s(…) takes together the rows of one event: say which they are with "
                         "one_event_per, or write the column alone",
                         aggregates[i].name);
            return STATUS_INVALID;
        }
        return aggregate_read(reader, entry, node, aggregates[i].letter, inside, out, declared)
                   ? STATUS_OK
                   : STATUS_INVALID;
    }
    struct text near = text_nearest(name, known, AGGREGATE_COUNT);
    if (near.at == NULL) return STATUS_NOT_FOUND;
    reader_error(reader, node_place(node), "rows have no function \"%.*s\": did you mean \"%.*s\"?",
                 TEXT_ARG(name), TEXT_ARG(near));
    return STATUS_INVALID;
}

/* ---- lookup.field ---- */

/* Checks that a row is joined to a lookup, and the lookup to no further one. */
static bool check_one_hop(struct reader *reader, const struct lookup_entry *lookup,
                          struct place place, struct text field) {
    const struct source *file = &reader->playbook->sources[lookup->rule.source];
    const char *dot = memchr(field.at, '.', field.length);
    if (dot == NULL || file->format != SOURCE_CSV) return true;
    struct text name = {field.at, (uint32_t)(dot - field.at)};
    if (names_lookup(reader->names, name) == UINT32_MAX) return true;
    reader_error(reader, place,
                 "a row is joined to one lookup and no further: the file of %.*s must have what "
                 "you need of %.*s, or the source's file the key of %.*s",
                 TEXT_ARG(lookup->rule.name), TEXT_ARG(name), TEXT_ARG(name));
    return false;
}

/* Reads a join. STATUS_NOT_FOUND where the first part is no lookup. */
static enum status join_read(struct reader *reader, struct source_entry *entry,
                             const struct yaml_node *node, struct field_source *out) {
    struct names *names = reader->names;
    const char *dot = memchr(node->text.at, '.', node->text.length);
    if (dot == NULL) return STATUS_NOT_FOUND;
    struct text name = {node->text.at, (uint32_t)(dot - node->text.at)};
    struct text field = {dot + 1, node->text.length - name.length - 1};
    uint32_t lookup = names_lookup(names, name);
    if (lookup == UINT32_MAX) {
        if (entry->source->format != SOURCE_CSV || !name_is_good(name)) return STATUS_NOT_FOUND;
        for (uint32_t i = 0; i < names->lookup_count; i++) {
            struct text known = names->lookups[i].rule.name;
            if (text_nearest(name, &known, 1).at == NULL) continue;
            reader_error(reader, node_place(node),
                         "no lookup is called \"%.*s\": did you mean \"%.*s\"?", TEXT_ARG(name),
                         TEXT_ARG(known));
            return STATUS_INVALID;
        }
        return STATUS_NOT_FOUND;
    }
    const struct lookup_entry *found = &names->lookups[lookup];
    struct place place = scalar_place(reader, node, name.length + 1);
    if (found->rule.many) {
        reader_error(
            reader, node_place(node),
            "lookup %.*s has many rows a key, so no one value: join a lookup without many: yes",
            TEXT_ARG(name));
        return STATUS_INVALID;
    }
    for (uint32_t i = 0; i < found->rule.key_count; i++) {
        if (!column_check(reader, entry, node_place(node), found->rule.keys[i]))
            return STATUS_INVALID;
    }
    if (!check_one_hop(reader, found, place, field)) return STATUS_INVALID;
    uint32_t index = names_lookup_field(names, lookup, field);
    if (index == UINT32_MAX) {
        struct text known[LOOKUP_FIELDS_MAX];
        for (uint32_t i = 0; i < found->field_count; i++) known[i] = found->fields[i].name;
        reader_unknown(reader, place, "column of the lookup", field, known, found->field_count);
        return STATUS_INVALID;
    }
    *out = (struct field_source){.kind = FIELD_LOOKUP,
                                 .type = found->fields[index].type,
                                 .lookup = lookup,
                                 .lookup_field = found->fields[index].name,
                                 .place = out->place};
    return STATUS_OK;
}

/* ---- any field ---- */

bool field_read(struct reader *reader, struct source_entry *entry, const struct yaml_node *node,
                const char *what, struct field_source *out, bool *declared) {
    struct text text;
    *out =
        (struct field_source){.kind = FIELD_COLUMN, .type = VALUE_TEXT, .place = node_place(node)};
    *declared = false;
    if (!reader_text(reader, node, what, &text)) return false;
    if (memchr(text.at, '{', text.length) != NULL)
        return template_read(reader, entry, node, what, out, declared);
    if (node->quoted) {
        out->kind = FIELD_CONSTANT;
        out->text = text;
        return true;
    }
    enum status status = call_read(reader, entry, node, out, declared);
    if (status == STATUS_NOT_FOUND) status = join_read(reader, entry, node, out);
    if (status == STATUS_OK && out->kind == FIELD_LOOKUP) *declared = true;
    if (status != STATUS_NOT_FOUND) return status == STATUS_OK;
    out->column = text;
    enum value_type type = column_type(entry, text);
    *declared = type != VALUE_UNKNOWN;
    if (*declared) out->type = type;
    return column_check_plain(reader, entry, node_place(node), text, false);
}

struct list_column {
    const struct yaml_node *name, *column; /* of the field; in the file */
};

/* Reads a column, or `field: column` where the field has a name of its own, which in a list is a
 * map of one pair. */
static bool list_column_at(struct reader *reader, const struct yaml_node *node, uint32_t i,
                           struct list_column *out) {
    const struct yaml_node *item = node->items[i];
    *out = (struct list_column){item, item};
    if (node->type == YAML_MAP) out->name = node->keys[i];
    if (node->type == YAML_LIST && item->type == YAML_MAP && item->count == 1) {
        *out = (struct list_column){item->keys[0], item->items[0]};
    }
    if (out->column->type == YAML_SCALAR && out->column->text.length > 0) return true;
    reader_error(
        reader, node_place(out->column),
        "a field of a list is one column: write [product_id, price] or { price: unit_price }");
    return false;
}

/* Where the lines are JSON, `name: type` says which type the member of that name has. */
static enum value_type list_column_type(const struct source_entry *entry,
                                        struct list_column *column) {
    enum value_type type = VALUE_UNKNOWN;
    if (entry->source->format == SOURCE_NDJSON && column->name != column->column &&
        !column->column->quoted) {
        type = type_from_text(column->column->text);
    }
    if (type != VALUE_UNKNOWN) column->column = column->name;
    return type != VALUE_UNKNOWN ? type : column_type(entry, column->column->text);
}

bool field_list_read(struct reader *reader, struct source_entry *entry,
                     const struct yaml_node *node, struct text path, struct field_source *out) {
    struct text *columns = reader_alloc(reader, node->count, sizeof *columns);
    enum value_type *types = reader_alloc(reader, node->count, sizeof *types);
    uint32_t *symbols = reader_alloc(reader, node->count, sizeof *symbols);
    bool good = columns != NULL && types != NULL && symbols != NULL;
    *out = (struct field_source){
        .kind = FIELD_LIST, .type = VALUE_LIST, .column = path, .place = node_place(node)};
    if (node->count == 0 || node->count > LIST_FIELDS_MAX) {
        reader_error(
            reader, node_place(node),
            "a list of records has 1 to %d fields: name its columns, [product_id, quantity]",
            LIST_FIELDS_MAX);
        return false;
    }
    for (uint32_t i = 0; good && i < node->count; i++) {
        struct list_column column;
        struct text name;
        good = list_column_at(reader, node, i, &column) &&
               reader_property_name(reader, column.name, "a field's name", &name);
        if (!good) break;
        types[i] = list_column_type(entry, &column);
        columns[i] = column.column->text;
        good = reader_symbol(reader, column.name, SYMBOL_PROPERTY, name, &symbols[i]);
        if (good && entry->source->format == SOURCE_CSV) {
            good = column_check(reader, entry, node_place(column.column), columns[i]);
        }
    }
    out->columns = columns;
    out->column_types = types;
    out->column_symbols = symbols;
    out->column_count = node->count;
    return good;
}
