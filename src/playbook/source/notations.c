/* SPDX-License-Identifier: Apache-2.0 */
/* Reads how a source writes its times and figures: `dates:` and `decimal:`, and the same behind the
 * type of a column, `types: { born: time month first, price: money decimal comma }`. */
#include "playbook/source/sources.h"

static const struct text date_names[] = {
    [DATES_PLAIN] = {"", 0},
    [DATES_DAY_FIRST] = {"day first", 9},
    [DATES_MONTH_FIRST] = {"month first", 11},
    [DATES_YEAR_FIRST] = {"year first", 10},
    [DATES_SECONDS] = {"seconds", 7},
    [DATES_MILLISECONDS] = {"milliseconds", 12},
    [DATES_MICROSECONDS] = {"microseconds", 12},
    [DATES_NANOSECONDS] = {"nanoseconds", 11},
};
static const struct text decimal_names[] = {
    [DECIMAL_PLAIN] = {"", 0},
    [DECIMAL_POINT] = {"decimal point", 13},
    [DECIMAL_COMMA] = {"decimal comma", 13},
};
#define DATE_COUNT     (sizeof date_names / sizeof *date_names)
#define DECIMAL_COUNT  (sizeof decimal_names / sizeof *decimal_names)
#define DECIMAL_PREFIX 8 /* "decimal " */

static uint8_t name_find(const struct text *names, size_t count, struct text name) {
    for (size_t i = 1; i < count; i++) {
        if (text_equal(names[i], name)) return (uint8_t)i;
    }
    return 0;
}

void notation_read(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *dates = entry->values[SOURCE_DATES],
                           *decimal = entry->values[SOURCE_DECIMAL];
    uint32_t index;
    if (dates &&
        reader_name_of(reader, dates, "way to write dates", date_names + 1, DATE_COUNT - 1, &index))
        source->notation.dates = (uint8_t)(index + 1);
    struct text marks[DECIMAL_COUNT - 1];
    for (size_t i = 1; i < DECIMAL_COUNT; i++) {
        marks[i - 1] = (struct text){decimal_names[i].at + DECIMAL_PREFIX,
                                     decimal_names[i].length - DECIMAL_PREFIX};
    }
    if (decimal &&
        reader_name_of(reader, decimal, "decimal mark", marks, DECIMAL_COUNT - 1, &index))
        source->notation.decimal = (uint8_t)(index + 1);
}

enum value_type column_type_from_text(struct text text, struct notation *notation) {
    enum value_type type = type_from_text(text);
    const char *space = text.length > 0 ? memchr(text.at, ' ', text.length) : NULL;
    if (type != VALUE_UNKNOWN || space == NULL) return type;
    struct text head = {text.at, (uint32_t)(space - text.at)};
    struct text rest = text_trim((struct text){space, text.length - head.length});
    type = type_from_text(head);
    bool is_figure = type == VALUE_NUMBER || type == VALUE_MONEY;
    uint8_t dates = type == VALUE_TIME ? name_find(date_names, DATE_COUNT, rest) : 0;
    uint8_t decimal = is_figure ? name_find(decimal_names, DECIMAL_COUNT, rest) : 0;
    if (dates != 0) notation->dates = dates;
    if (decimal != 0) notation->decimal = decimal;
    return dates != 0 || decimal != 0 ? type : VALUE_UNKNOWN;
}

/* Reports a wrong type. "time dayfirst" has a known type, so the error tells of what stands behind
 * it and does not list the types. */
static void type_error(struct reader *reader, const struct yaml_node *node) {
    struct text given = shown(node->text), head = given;
    bool is_text = node->type == YAML_SCALAR && given.length > 0;
    const char *space = is_text ? memchr(given.at, ' ', given.length) : NULL;
    enum value_type type = VALUE_UNKNOWN;
    if (space != NULL) head.length = (uint32_t)(space - given.at);
    if (space != NULL) type = type_from_text(head);
    if (type == VALUE_TIME) {
        reader_error(reader, node_place(node),
                     "\"%.*s\": behind time write day first, month first, year first, seconds, "
                     "milliseconds, microseconds or nanoseconds, or nothing",
                     TEXT_ARG(given));
    } else if (type == VALUE_NUMBER || type == VALUE_MONEY) {
        reader_error(reader, node_place(node),
                     "\"%.*s\": behind %.*s write decimal point or decimal comma, or nothing",
                     TEXT_ARG(given), TEXT_ARG(head));
    } else {
        (void)reader_type(reader, node, "a column's type", &type);
    }
}

static void read_types(struct reader *reader, struct source_entry *entry,
                       const struct yaml_node *types) {
    struct column_notation *columns = reader_alloc(reader, types->count, sizeof *columns);
    struct source *source = entry->source;
    if (columns == NULL) return;
    source->column_notations = columns;
    for (uint32_t i = 0; i < types->count; i++) {
        struct notation notation = source->notation;
        enum value_type type = VALUE_UNKNOWN;
        if (types->items[i]->type == YAML_SCALAR)
            type = column_type_from_text(types->items[i]->text, &notation);
        if (type == VALUE_UNKNOWN) {
            type_error(reader, types->items[i]);
        } else if (notation.dates != source->notation.dates ||
                   notation.decimal != source->notation.decimal) {
            columns[source->column_notation_count++] =
                (struct column_notation){types->keys[i]->text, notation};
        }
    }
}

/* Drops `types:` where its shape is wrong, so that no other code need check it. */
void types_check(struct reader *reader, struct source_entry *entry) {
    const struct yaml_node *types = entry->values[SOURCE_TYPES];
    if (types == NULL) return;
    bool good = reader_is_map(reader, types, "types");
    if (good) read_types(reader, entry, types);
    entry->type_used = good ? reader_alloc(reader, types->count, sizeof *entry->type_used) : NULL;
    if (entry->type_used == NULL) entry->values[SOURCE_TYPES] = NULL;
}
