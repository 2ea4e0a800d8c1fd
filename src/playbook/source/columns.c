/* SPDX-License-Identifier: Apache-2.0 */
/* Checks names of columns, and reports what no file can have before any file is read. Where the
 * columns are listed, that is any other name. Where a header has them, it is a text that means
 * something else: an expression, or a column of a lookup. */
#include "playbook/source/sources.h"

static bool is_figure(struct text text) {
    bool digits = false;
    for (uint32_t i = 0; i < text.length; i++) {
        if (text.at[i] >= '0' && text.at[i] <= '9')
            digits = true;
        else if (text.at[i] != '.')
            return false;
    }
    return digits;
}

/* Is it "price", "products.price" or "100", which may stand beside an operator? */
static bool is_operand(struct text text) {
    if (is_figure(text)) return true;
    for (uint32_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 128;
        bool inner = i > 0 && ((c >= '0' && c <= '9') || c == '.');
        if (!letter && !inner) return false;
    }
    return text.length > 0;
}

static struct text part(struct text text, uint32_t from, uint32_t to) {
    return text_trim((struct text){text.at + from, to - from});
}

/* Does it have operands with operators between them? A hyphen or a slash without blanks is part of
 * a name ("order-id", "price/unit"), unless a figure stands behind it ("amount/100"). */
static bool has_operators(struct text text, const char *operators) {
    uint32_t from = 0, found = 0;
    for (uint32_t i = 1; i < text.length; i++) {
        if (strchr(operators, text.at[i]) == NULL) continue;
        bool loose = text.at[i] == '*' || text.at[i] == '+' || text.at[i] == ',' ||
                     (text.at[i - 1] == ' ' && i + 1 < text.length && text.at[i + 1] == ' ');
        if (!loose && !is_figure(part(text, i + 1, text.length))) continue;
        if (!is_operand(part(text, from, i))) return false;
        from = i + 1;
        found++;
    }
    return found > 0 && is_operand(part(text, from, text.length));
}

/* Is it an expression of traits? Such a one compares, has a window, or speaks of an event. */
static bool is_of_traits(struct text text) {
    return memchr(text.at, '"', text.length) != NULL || text_contains(text, TEXT(" where ")) ||
           text_contains(text, TEXT("=="));
}

bool column_is_expression(struct text text, bool in_call) {
    if (in_call && is_of_traits(text)) return true;
    return has_operators(text, in_call ? "*+/-," : "*");
}

/* Is it one of c1, c2, …, the columns of a file without a header and without a list? */
static bool is_numbered(struct text text) {
    if (text.length < 2 || text.at[0] != 'c' || text.at[1] == '0') return false;
    uint32_t number = 0;
    for (uint32_t i = 1; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || number > COLUMNS_MAX) return false;
        number = number * 10 + (uint32_t)(text.at[i] - '0');
    }
    return number <= COLUMNS_MAX;
}

static bool check_listed(struct reader *reader, const struct source_entry *entry,
                         struct place place, struct text column) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < entry->source->column_count; i++)
        found += text_equal(entry->columns[i], column);
    if (found == 1) return true;
    if (found == 0)
        reader_unknown(reader, place, "column of this source", column, entry->columns,
                       entry->source->column_count);
    else
        reader_error(reader, place,
                     "columns names %.*s twice, and which one is meant nobody can "
                     "tell: give one of them another name",
                     TEXT_ARG(column));
    return false;
}

bool column_check(struct reader *reader, const struct source_entry *entry, struct place place,
                  struct text column) {
    const struct source *source = entry->source;
    if (entry->columns != NULL) return check_listed(reader, entry, place, column);
    if (source->format != SOURCE_CSV || source->has_header || is_numbered(column)) return true;
    struct text given = shown(column);
    reader_error(reader, place,
                 "without a header the columns are c1, c2, … and none is \"%.*s\": name them, "
                 "columns: [...], or write its number",
                 TEXT_ARG(given));
    return false;
}

bool column_check_plain(struct reader *reader, const struct source_entry *entry, struct place place,
                        struct text column, bool in_call) {
    if (entry->columns == NULL && column_is_expression(column, in_call)) {
        struct text given = shown(column);
        reader_error(reader, place,
                     "\"%.*s\" is an expression, and a source maps columns: name one column here, "
                     "and reckon in a trait%s",
                     TEXT_ARG(given), in_call ? "" : " (\"{odd * name}\" in braces is a column)");
        return false;
    }
    return column_check(reader, entry, place, column);
}

bool column_check_braces(struct reader *reader, const struct source_entry *entry,
                         struct place place, struct text column) {
    const char *dot = memchr(column.at, '.', column.length);
    bool asks = entry->lookups_known && entry->source->format == SOURCE_CSV;
    if (asks && entry->columns == NULL && dot != NULL) {
        struct text name = {column.at, (uint32_t)(dot - column.at)};
        if (names_lookup(reader->names, name) != UINT32_MAX) {
            struct text given = shown(column);
            reader_error(reader, place,
                         "braces take a column of the file, and %.*s is one of the lookup %.*s: "
                         "join it as a property of its own, written without braces",
                         TEXT_ARG(given), TEXT_ARG(name));
            return false;
        }
    }
    return column_check(reader, entry, place, column);
}

static bool brace_column(struct reader *reader, const struct yaml_node *node, uint32_t offset,
                         struct text name, void *context) {
    const struct source_entry *entry = context;
    return column_check_braces(reader, entry, scalar_place(reader, node, offset), name);
}

void braces_check(struct reader *reader, struct source_entry *entry, enum source_key key) {
    const struct yaml_node *node = entry->values[key];
    if (node == NULL || node->type != YAML_SCALAR || entry->columns != NULL) return;
    if (entry->source->format != SOURCE_CSV || !entry->source->has_header) return; /* done */
    if (memchr(node->text.at, '{', node->text.length) == NULL) return;
    (void)template_check(reader, node, "a name", brace_column, entry);
}

/* Does the source read this column of its file anywhere, apart from joining? */
static bool reads_column(const struct source_entry *entry, struct text column) {
    const struct source *source = entry->source;
    const struct yaml_node *types = entry->values[SOURCE_TYPES];
    for (uint32_t i = 0; types != NULL && i < types->count; i++)
        if (text_equal(types->keys[i]->text, column)) return true;
    for (uint32_t i = 0; i < source->property_count; i++)
        if (text_equal(source->properties[i].from.column, column)) return true;
    for (uint32_t i = 0; i < source->identifier_count; i++)
        if (text_equal(source->identifiers[i].from.column, column)) return true;
    for (uint32_t i = 0; i < source->row_key_count; i++)
        if (text_equal(source->row_keys[i].column, column)) return true;
    return text_equal(source->one_event_per, column) || text_equal(source->time.column, column);
}

static void check_join(struct reader *reader, const struct source_entry *entry,
                       const struct field_source *from) {
    const struct source *source = entry->source;
    const struct lookup_rule *rule = &reader->names->lookups[from->lookup].rule;
    for (uint32_t k = 0; k < rule->key_count; k++) {
        for (uint32_t i = 0; i < source->property_count; i++) {
            const struct property_map *map = &source->properties[i];
            bool joined = map->from.kind == FIELD_LOOKUP && text_equal(map->name, rule->keys[k]);
            if (!joined || map->from.lookup == from->lookup || reads_column(entry, map->name))
                continue;
            reader_error(reader, from->place,
                         "the lookup %.*s is joined by the column %.*s, which this source takes "
                         "from the lookup %.*s: a row is joined to one lookup and no further, so "
                         "its file must have the column",
                         TEXT_ARG(rule->name), TEXT_ARG(rule->keys[k]),
                         TEXT_ARG(reader->names->lookups[map->from.lookup].rule.name));
            return;
        }
    }
}

void joins_check(struct reader *reader, const struct source_entry *entry) {
    const struct source *source = entry->source;
    if (source->format != SOURCE_CSV || entry->columns != NULL) return;
    if (source->time.kind == FIELD_LOOKUP) check_join(reader, entry, &source->time);
    for (uint32_t i = 0; i < source->property_count; i++)
        if (source->properties[i].from.kind == FIELD_LOOKUP)
            check_join(reader, entry, &source->properties[i].from);
}
