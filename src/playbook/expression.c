/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/names.h"

static bool is_wanted(enum wanted wanted, enum value_type type) {
    switch (wanted) {
    case WANTED_YES_NO: return type == VALUE_YES_NO;
    case WANTED_TIME: return type == VALUE_TIME;
    case WANTED_AMOUNT: return type == VALUE_NUMBER || type == VALUE_MONEY;
    default: return type != VALUE_UNKNOWN && type != VALUE_LIST;
    }
}

static const char *wanted_text(enum wanted wanted) {
    switch (wanted) {
    case WANTED_YES_NO: return "write a condition that is yes or no, such as … > 0";
    case WANTED_TIME: return "write a time, such as action.end_date";
    case WANTED_AMOUNT: return "write a number or an amount of money, such as revenue * 0.35";
    default: return "write an expression with one value, such as count(…) in 90d";
    }
}

static enum status compile(struct reader *reader, struct text source, uint32_t event_type,
                           struct expr_program **out, struct expr_error *error) {
    const struct expr_schema *schema = &reader->playbook->schema;
    if (event_type == NOT_A_ROW) return expr_compile(reader->arena, schema, source, out, error);
    return expr_compile_row(reader->arena, schema, event_type, source, out, error);
}

/* Returns the byte offset of a column, which counts characters from 1. */
static uint32_t offset_of(struct text source, uint32_t column) {
    uint32_t offset = 0;
    while (column > 1 && offset < source.length) {
        offset++;
        while (offset < source.length && ((unsigned char)source.at[offset] & 0xC0) == 0x80)
            offset++;
        column--;
    }
    return offset;
}

bool expression_read(struct reader *reader, const struct yaml_node *node, const char *what,
                     enum wanted wanted, uint32_t event_type, struct expr_program **out) {
    struct names *names = reader->names;
    struct expr_error error = {.column = 1};
    *out = NULL;
    if (node->type != YAML_SCALAR) {
        reader_error(reader, node_place(node),
                     "%s is a %s: %s (in quotes where it holds a comma or a colon)", what,
                     node->type == YAML_MAP ? "map" : "list", wanted_text(wanted));
        return false;
    }
    /* Compiling may come back here, for a trait that this expression names. */
    struct place outer_place = names->place;
    bool outer_quiet = reader->quiet;
    names->place = node_place(node);
    reader->quiet = false;
    enum status status = compile(reader, node->text, event_type, out, &error);
    bool is_reported = reader->quiet;
    names->place = outer_place;
    reader->quiet = outer_quiet;
    if (status == STATUS_NO_MEMORY) return reader_no_memory(reader);
    if (status != STATUS_OK) {
        struct place place = scalar_place(reader, node, offset_of(node->text, error.column));
        if (!is_reported) reader_error(reader, place, "%s", error.error.text);
        *out = NULL;
        return false;
    }
    if (is_wanted(wanted, expr_type(*out))) return true;
    reader_error(reader, node_place(node), "%s is %s: %s", what, value_type_name(expr_type(*out)),
                 wanted_text(wanted));
    *out = NULL;
    return false;
}

bool template_check(struct reader *reader, const struct yaml_node *node, const char *what,
                    template_name *each, void *context) {
    struct text text = node->text;
    bool good = true;
    for (uint32_t i = 0; i < text.length; i++) {
        if (text.at[i] != '{') continue;
        const char *close = memchr(text.at + i, '}', text.length - i);
        uint32_t end = close == NULL ? text.length : (uint32_t)(close - text.at);
        struct text name = {text.at + i + 1, end - i - 1};
        if (close == NULL || text_trim(name).length == 0 ||
            memchr(name.at, '{', name.length) != NULL) {
            reader_error(reader, scalar_place(reader, node, i),
                         "%s: a \"{\" without its name and \"}\": write {name}", what);
            return false;
        }
        good = each(reader, node, i + 1, name, context) && good;
        i = end;
    }
    return good;
}
