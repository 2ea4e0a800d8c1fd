/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/map/segment.h"

#include <assert.h>

#include "ingest/cell/notation.h"
#include "ingest/file/scan.h"

#define RECORD_FIELDS_MAX 64
#define FLATTEN_DEPTH_MAX 4

static_assert(SCAN_PADDING >= JSON_PADDING, "a job's rows are parsed where they lie");

static void put_cell(struct mapper *mapper, const struct plan_path *path, struct json_node node) {
    for (const struct plan_place *place = path->places; place; place = place->next) {
        uint8_t strength = place->weak ? 1 : 2;
        /* A member given twice: the first counts. */
        if (mapper->filled[place->column] >= strength) continue;
        mapper->filled[place->column] = strength;
        cell_set_json(&mapper->cells[place->column], node);
    }
}

static enum status add_extra(struct mapper *mapper, struct text name, struct json_node node) {
    uint32_t symbol;
    if (json_type(node) == JSON_NULL) return STATUS_OK;
    enum status status = mapper_symbol(mapper, SYMBOL_PROPERTY, name, &symbol);
    if (status) return status;
    bool declared = symbol != SYMBOL_NONE;
    for (uint32_t i = 0; i < mapper->extra_count; i++) {
        /* A member given twice: the first counts. */
        if (mapper->extras[i].symbol == symbol &&
            (declared || text_equal(mapper->extras[i].name, name)))
            return STATUS_OK;
    }
    if (declared && mapper->extra_declared_count == PACKED_PROPERTIES_MAX)
        return mapper_bad(mapper, COLUMN_NONE, "more than %d properties", PACKED_PROPERTIES_MAX);
    if (!declared && mapper->extra_count - mapper->extra_declared_count == DARK_NAMES_MAX) {
        mapper->undeclared_left++;
        return STATUS_OK;
    }
    struct mapper_extra *extra = &mapper->extras[mapper->extra_count];
    extra->symbol = symbol;
    extra->node = node;
    extra->name = declared ? (struct text){0} : arena_text(&mapper->scratch, name);
    if (!declared && extra->name.at == NULL) return STATUS_NO_MEMORY;
    mapper->extra_count++;
    mapper->extra_declared_count += declared;
    return STATUS_OK;
}

/* Is the object the value of a property that is known? What the event's rule says of it is asked
 * when the event's type is known. */
static void note_object(struct mapper *mapper, struct text name) {
    uint32_t symbol = symbol_find(mapper->plan->symbols, SYMBOL_PROPERTY, name);
    if (symbol != SYMBOL_NONE && mapper->object_count < MAPPER_OBJECTS_MAX)
        mapper->objects[mapper->object_count++] = symbol;
}

/* An object among the properties: its members as "address.city"; too deep, as its text. */
static enum status flatten(struct mapper *mapper, struct text name, struct json_node node,
                           uint32_t depth) {
    if (json_type(node) != JSON_OBJECT) return add_extra(mapper, name, node);
    note_object(mapper, name);
    if (depth == FLATTEN_DEPTH_MAX) return add_extra(mapper, name, node);
    struct json_iterator iterator = json_begin(node);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && json_next(&iterator)) {
        char path[2 * SYMBOL_BYTES_MAX];
        if (name.length + 1 + iterator.key.length > sizeof path) {
            mapper->undeclared_left++;
            continue;
        }
        memcpy(path, name.at, name.length);
        path[name.length] = '.';
        memcpy(path + name.length + 1, iterator.key.at, iterator.key.length);
        struct text joined = {path, name.length + 1 + iterator.key.length};
        status = flatten(mapper, joined, iterator.node, depth + 1);
    }
    return status;
}

static const struct plan_path *find_child(const struct plan_path *path, struct text name) {
    for (const struct plan_path *child = path->child; child; child = child->next) {
        if (text_equal(child->name, name)) return child;
    }
    return NULL;
}

/* A member that only the Segment rules read is a property beside. */
static bool is_ours_alone(const struct plan *plan, const struct plan_path *path) {
    if (!plan->is_segment || path->places == NULL) return false;
    for (const struct plan_place *place = path->places; place; place = place->next) {
        if (place->column < plan->segment) return false;
    }
    return true;
}

static enum status fill(struct mapper *mapper, struct json_node object,
                        const struct plan_path *path) {
    struct json_iterator iterator = json_begin(object);
    /* Lines of one file name their members in one order. */
    const struct plan_path **follow = &mapper->follow[2 * path->id];
    bool open =
        path->is_properties && mapper->plan->source->properties_open && !mapper->in_defaults;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && json_next(&iterator)) {
        const struct plan_path *child = *follow;
        if (child == NULL || !text_equal(child->name, iterator.key))
            child = find_child(path, iterator.key);
        if (child == NULL) {
            if (open) status = flatten(mapper, iterator.key, iterator.node, 0);
            continue;
        }
        *follow = child;
        follow = &mapper->follow[2 * child->id + 1];
        if (child->places) put_cell(mapper, child, iterator.node);
        if (open && is_ours_alone(mapper->plan, child))
            status = flatten(mapper, iterator.key, iterator.node, 0);
        bool deeper = child->child != NULL || child->is_properties;
        if (!deeper || mapper->entered[child->id]) continue;
        mapper->entered[child->id] = 1; /* the first of two objects of one name */
        if (status == STATUS_OK && json_type(iterator.node) == JSON_OBJECT)
            status = fill(mapper, iterator.node, child);
    }
    return status;
}

static enum status fill_anew(struct mapper *mapper, struct json_node object) {
    const struct plan *plan = mapper->plan;
    mapper->extra_count = mapper->extra_declared_count = mapper->object_count = 0;
    memset(mapper->entered, 0, plan->path_count);
    memset(mapper->filled, 0, plan->column_count);
    memset(mapper->cells, 0, plan->column_count * sizeof *mapper->cells);
    return fill(mapper, object, plan->root);
}

/* What is there already stays: a message's own context.page.url counts, the batch's context.ip
 * fills the gap. */
static enum status fill_defaults(struct mapper *mapper) {
    static const struct text of_all[] = {{"sentAt", 6}, {"receivedAt", 10}, {"context", 7}};
    enum status status = STATUS_OK;
    mapper->in_defaults = true;
    memset(mapper->entered, 0, mapper->plan->path_count);
    for (size_t i = 0; status == STATUS_OK && i < sizeof of_all / sizeof *of_all; i++) {
        const struct plan_path *path = find_child(mapper->plan->root, of_all[i]);
        struct json_node node;
        if (path == NULL || !json_get(mapper->root, of_all[i], &node)) continue;
        if (path->places) put_cell(mapper, path, node);
        if (path->child != NULL && json_type(node) == JSON_OBJECT)
            status = fill(mapper, node, path);
    }
    mapper->in_defaults = false;
    return status;
}

enum status mapper_read_message(struct mapper *mapper, struct json_node message) {
    if (json_type(message) != JSON_OBJECT) {
        /* Nothing of the message before it is left, so that nobody takes it for this one's. */
        memset(mapper->cells, 0, mapper->plan->column_count * sizeof *mapper->cells);
        return mapper_bad(mapper, COLUMN_NONE, "the message is no JSON object");
    }
    mapper->message_node = message;
    enum status status = fill_anew(mapper, message);
    if (status == STATUS_OK) status = fill_defaults(mapper);
    return status == STATUS_OK ? segment_begin(mapper) : status;
}

/* The code unit of \uXXXX, or 0 where there is none. */
static unsigned escape_at(struct text text, uint32_t at) {
    unsigned unit = 0;
    if (at + 6 > text.length || text.at[at] != '\\' || text.at[at + 1] != 'u') return 0;
    for (uint32_t i = at + 2; i < at + 6; i++) {
        char c = text.at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return 0;
        unit = unit * 16 + (unsigned)digit;
    }
    return unit;
}

/* Half surrogates become \ufffd, which is as long. *changed: there was one. */
static enum status mend_surrogates(struct mapper *mapper, struct text text, bool *changed) {
    buffer_clear(&mapper->mended);
    *changed = false;
    enum status status = buffer_append_text(&mapper->mended, text);
    if (status) return status;
    for (uint32_t at = 0; at < text.length; at++) {
        if (text.at[at] != '\\') continue;
        unsigned unit = escape_at(text, at);
        bool high = unit >= 0xD800 && unit < 0xDC00, low = unit >= 0xDC00 && unit < 0xE000;
        unsigned next = high ? escape_at(text, at + 6) : 0;
        if (high && next >= 0xDC00 && next < 0xE000) {
            at += 11;
            continue;
        }
        if (high || low) memcpy(mapper->mended.at + at + 2, "fffd", 4);
        *changed = *changed || high || low;
        at += unit != 0 ? 5 : 1;
    }
    return STATUS_OK;
}

enum status mapper_parse_json(struct mapper *mapper, struct text text, struct json_node *root,
                              struct error *error) {
    bool changed;
    enum status status = json_parse_padded(mapper->json, text, root, error);
    if (status != STATUS_INVALID) return status;
    struct error ignored;
    if (mend_surrogates(mapper, text, &changed)) return STATUS_NO_MEMORY;
    if (!changed) return status;
    enum status again = json_parse(mapper->json, buffer_text(&mapper->mended), root, &ignored);
    return again == STATUS_OK || again == STATUS_NO_MEMORY ? again : status;
}

enum status mapper_read_json(struct mapper *mapper) {
    const struct plan *plan = mapper->plan;
    struct json_node root;
    struct error error = {0};
    if (line_forms_read(&mapper->forms, mapper->row, mapper->cells, plan->column_count)) {
        mapper->extra_count = mapper->extra_declared_count = mapper->object_count = 0;
        return plan->is_segment ? segment_begin(mapper) : STATUS_OK;
    }
    enum status status = mapper_parse_json(mapper, mapper->row, &root, &error);
    if (status == STATUS_NO_MEMORY) return status;
    mapper->is_no_json = status != STATUS_OK || json_type(root) != JSON_OBJECT;
    if (status) return mapper_bad(mapper, COLUMN_NONE, "%s", error.text);
    if (mapper->is_no_json) return mapper_bad(mapper, COLUMN_NONE, "the line is no JSON object");
    mapper->root = mapper->message_node = root;
    status = line_forms_learn(&mapper->forms, plan, mapper->row);
    if (status == STATUS_OK) status = fill_anew(mapper, root);
    if (status || !plan->is_segment || segment_is_batch(mapper)) return status;
    return segment_begin(mapper);
}

/* ---- arrays ---- */

/* What is known of a field of the records: its symbol and type. False where only declared fields
 * are wanted and it is none. */
static bool known_field(const struct field_source *field, const struct property_rule *rule,
                        struct text name, uint32_t *symbol, enum value_type *type) {
    *symbol = SYMBOL_NONE;
    *type = VALUE_UNKNOWN;
    for (uint32_t i = 0; field && i < field->column_count; i++) {
        if (!text_equal(field->columns[i], name)) continue;
        *symbol = field->column_symbols[i];
        *type = field->column_types[i];
        return true;
    }
    for (uint32_t i = 0; rule && i < rule->field_count; i++) {
        if (!text_equal(rule->fields[i].name, name)) continue;
        *symbol = rule->field_symbols[i];
        *type = rule->fields[i].type;
        return true;
    }
    return field == NULL;
}

static enum status item_value(struct mapper *mapper, struct text name, struct json_node node,
                              enum value_type type, struct value *out) {
    char shown[2][MAPPER_SHOWN_BYTES + 8], advice[NOTATION_ADVICE_BYTES];
    struct cell cell = cell_from_json(node);
    struct text text = {0};
    struct notation notation = mapper->plan->notations ? source_notation(mapper->plan->source, name)
                                                       : (struct notation){0};
    if (cell.kind == CELL_NODE && type == VALUE_UNKNOWN) {
        *out = value_text(json_raw_text(node));
        return STATUS_OK;
    }
    if (cell.kind == CELL_NODE)
        return mapper_bad(
            mapper, COLUMN_NONE, "%s holds %s where a %s belongs", mapper_show(name, shown[1]),
            json_type(node) == JSON_ARRAY ? "a list" : "an object", mapper_place(type));
    enum status status = cell_value(&mapper->reader, &cell, type, notation, out);
    if (status != STATUS_INVALID) return status;
    status = cell_text(&mapper->reader, &cell, &text);
    if (status == STATUS_NO_MEMORY) return status;
    return mapper_bad(mapper, COLUMN_NONE, "'%s' is no %s in %s%s", mapper_show(text, shown[0]),
                      value_type_name(type), mapper_show(name, shown[1]),
                      notation_advice(text, type, notation, advice));
}

static bool is_given(const uint32_t *symbols, uint32_t count, uint32_t symbol) {
    for (uint32_t i = 0; i < count; i++) {
        if (symbols[i] == symbol) return true;
    }
    return false;
}

/* Arrays and objects inside a record are kept as their text. */
static enum status add_fields(struct mapper *mapper, struct json_node object,
                              const struct field_source *field, const struct property_rule *rule) {
    uint32_t symbols[RECORD_FIELDS_MAX], count = 0;
    struct value values[RECORD_FIELDS_MAX];
    struct json_iterator iterator = json_begin(object);
    enum status status = dark_array_record(&mapper->array);
    while (status == STATUS_OK && json_next(&iterator)) {
        enum value_type type;
        if (json_type(iterator.node) == JSON_NULL) continue;
        uint32_t symbol;
        if (!known_field(field, rule, iterator.key, &symbol, &type)) continue;
        if (symbol == SYMBOL_NONE)
            status = mapper_symbol(mapper, SYMBOL_PROPERTY, iterator.key, &symbol);
        if (status == STATUS_OK && symbol == SYMBOL_NONE) {
            status = mapper_dark_field(mapper, iterator.key, iterator.node);
            continue;
        }
        if (status == STATUS_OK && is_given(symbols, count, symbol)) continue;
        if (status == STATUS_OK && count == RECORD_FIELDS_MAX)
            return mapper_bad(mapper, COLUMN_NONE, "a record with more than %d fields",
                              RECORD_FIELDS_MAX);
        symbols[count] = symbol;
        if (status == STATUS_OK)
            status = item_value(mapper, iterator.key, iterator.node, type, &values[count]);
        count++;
    }
    if (status) return status;
    return packed_list_add_record(&mapper->items, symbols, values, count);
}

/* A record may say its own currency. */
static enum status add_record(struct mapper *mapper, struct json_node object,
                              const struct field_source *field, const struct property_rule *rule) {
    uint16_t usual = mapper->reader.currency;
    struct json_node node;
    enum status status = STATUS_OK;
    if (json_get(object, TEXT("currency"), &node)) {
        struct cell cell = cell_from_json(node);
        status = mapper_set_currency(mapper, &cell, usual);
    }
    if (status == STATUS_OK) status = add_fields(mapper, object, field, rule);
    mapper_use_currency(mapper, usual);
    return status;
}

static enum status add_item(struct mapper *mapper, struct json_node node,
                            const struct field_source *field, const struct property_rule *rule) {
    struct value value;
    bool records = field != NULL || (rule != NULL && rule->field_count > 0);
    bool plain = rule != NULL && rule->type == VALUE_LIST && rule->field_count == 0;
    char shown[MAPPER_SHOWN_BYTES + 8];
    if (json_type(node) == JSON_OBJECT && plain)
        return mapper_bad(mapper, COLUMN_NONE, "%s holds a record where a plain value belongs",
                          mapper_show(rule->name, shown));
    if (json_type(node) == JSON_OBJECT) return add_record(mapper, node, field, rule);
    if (records && json_type(node) != JSON_NULL) {
        return mapper_bad(mapper, COLUMN_NONE, "a list of records holds %s where a record belongs",
                          json_type(node) == JSON_ARRAY ? "a list" : "a value");
    }
    enum status status = item_value(mapper, TEXT("a list"), node, VALUE_UNKNOWN, &value);
    if (status == STATUS_OK) status = packed_list_add(&mapper->items, value);
    return status == STATUS_OK && value_is_known(value)
               ? dark_array_add(&mapper->array, value_unknown())
               : status;
}

enum status mapper_json_list(struct mapper *mapper, uint32_t property, struct json_node array,
                             const struct field_source *field, const struct property_rule *rule,
                             struct value *out) {
    struct json_iterator iterator = json_begin(array);
    enum status status = STATUS_OK;
    packed_list_begin(&mapper->items);
    mapper_dark_array_begin(mapper);
    while (status == STATUS_OK && json_next(&iterator))
        status = add_item(mapper, iterator.node, field, rule);
    if (status == STATUS_OK) {
        status = mapper_dark_array_end(
            mapper, symbol_text(mapper->plan->symbols, SYMBOL_PROPERTY, property));
    }
    if (status == STATUS_OK) status = packed_list_end(&mapper->items, out);
    if (status == STATUS_LIMIT) {
        return mapper_bad(mapper, COLUMN_NONE, "a list is too long: at most %d items and %d bytes",
                          PACKED_LIST_ITEMS_MAX, PACKED_BYTES_MAX);
    }
    if (status) return status;
    out->text = arena_text(&mapper->scratch, out->text);
    return out->text.at ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status mapper_extra_value(struct mapper *mapper, const struct mapper_extra *extra,
                               uint32_t event_type, struct value *out) {
    const struct property_rule *rule = plan_rule_find(mapper->plan, event_type, extra->symbol);
    enum value_type type = rule ? rule->type : VALUE_UNKNOWN;
    if (mapper_is_state(event_type, extra->symbol)) type = VALUE_UNKNOWN;
    if (json_type(extra->node) == JSON_ARRAY && (type == VALUE_LIST || type == VALUE_UNKNOWN))
        return mapper_json_list(mapper, extra->symbol, extra->node, NULL, rule, out);
    struct text name = symbol_text(mapper->plan->symbols, SYMBOL_PROPERTY, extra->symbol);
    return item_value(mapper, name, extra->node, type, out);
}
