/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "event/packed_cell.h"
#include "ingest/map/mapper.h"
#include "ingest/cell/notation.h"
#include "ingest/map/segment.h"

static inline enum status cell_of(struct mapper *mapper, uint32_t column, enum value_type type,
                                  struct value *out) {
    /* Most of all properties. What nobody gave a type is text in a CSV file. */
    if ((type == VALUE_TEXT || type == VALUE_UNKNOWN) && mapper->cells[column].kind == CELL_TEXT) {
        const struct text *text = &mapper->cells[column].text;
        out->type = text->length ? VALUE_TEXT : VALUE_UNKNOWN;
        out->text = *text;
        return STATUS_OK;
    }
    if (type == VALUE_NUMBER && mapper->cells[column].kind == CELL_INTEGER) {
        value_put_number(out, (double)mapper->cells[column].integer);
        return STATUS_OK;
    }
    if (type == VALUE_NUMBER && mapper->cells[column].kind == CELL_DECIMAL) {
        value_put_number(out, mapper->cells[column].number);
        return STATUS_OK;
    }
    enum status status = cell_value(&mapper->reader, &mapper->cells[column], type,
                                    plan_notation(mapper->plan, column), out);
    return status == STATUS_INVALID ? mapper_bad_value(mapper, column, type) : status;
}

static enum status append_cell(struct mapper *mapper, uint32_t column, bool *empty) {
    struct text text;
    const struct cell *cell = &mapper->cells[column];
    if (cell_is_empty(cell)) {
        *empty = true;
        return STATUS_OK;
    }
    enum status status = cell_text(&mapper->reader, cell, &text);
    if (status == STATUS_INVALID) return mapper_bad_value(mapper, column, VALUE_TEXT);
    return status == STATUS_OK ? buffer_append_text(&mapper->text, text) : status;
}

/* Unknown where a column of it is empty: "mail/" would name something that is not. */
static enum status template_text(struct mapper *mapper, const struct plan_field *field,
                                 struct text *out) {
    bool empty = false;
    enum status status = STATUS_OK;
    buffer_clear(&mapper->text);
    for (uint32_t i = 0; status == STATUS_OK && !empty && i < field->part_count; i++) {
        const struct plan_part *part = &field->parts[i];
        status = buffer_append_text(&mapper->text, part->before);
        if (status == STATUS_OK && part->column != COLUMN_NONE)
            status = append_cell(mapper, part->column, &empty);
    }
    *out = (struct text){0};
    if (status != STATUS_OK || empty) return status;
    *out = arena_text(&mapper->scratch, buffer_text(&mapper->text));
    return out->at ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status lookup_value(struct mapper *mapper, const struct plan_field *field,
                                struct value *out) {
    struct value key[LOOKUP_KEY_FIELDS_MAX];
    uint32_t row, count;
    for (uint32_t i = 0; i < field->key_count; i++) {
        struct text text;
        enum status status =
            cell_text(&mapper->reader, &mapper->cells[field->key_columns[i]], &text);
        if (status == STATUS_INVALID)
            return mapper_bad_value(mapper, field->key_columns[i], VALUE_TEXT);
        if (status) return status;
        if (text.length == 0) return STATUS_OK;
        key[i] = value_text(text);
    }
    if (!lookup_find(field->table, key, &row, &count)) return STATUS_OK;
    *out = lookup_cell(field->table, row, field->table_field);
    if (field->type == VALUE_UNKNOWN || out->type == field->type || out->type != VALUE_TEXT)
        return STATUS_OK;
    struct cell cell = {.text = out->text, .kind = CELL_TEXT};
    char shown[MAPPER_SHOWN_BYTES + 8], advice[NOTATION_ADVICE_BYTES];
    if (cell_value(&mapper->reader, &cell, field->type, field->notation, out) == STATUS_OK)
        return STATUS_OK;
    return mapper_bad(mapper, field->key_columns[0], "'%s' is no %s in the lookup's field %.*s%s",
                      mapper_show(cell.text, shown), value_type_name(field->type),
                      TEXT_ARG(field->name),
                      notation_advice(cell.text, field->type, field->notation, advice));
}

static enum status converted(struct mapper *mapper, struct text text, enum value_type type,
                             struct notation notation, struct value *out) {
    if (text.length == 0) return STATUS_OK;
    struct cell cell = {.text = text, .kind = CELL_TEXT};
    char shown[MAPPER_SHOWN_BYTES + 8], advice[NOTATION_ADVICE_BYTES];
    if (cell_value(&mapper->reader, &cell, type, notation, out) == STATUS_OK) return STATUS_OK;
    return mapper_bad(mapper, COLUMN_NONE, "'%s' is no %s%s", mapper_show(text, shown),
                      value_type_name(type), notation_advice(text, type, notation, advice));
}

enum status mapper_field_value(struct mapper *mapper, const struct plan_field *field,
                               struct value *out) {
    struct text text;
    enum status status;
    value_put_unknown(out);
    switch (field->kind) {
    case FIELD_COLUMN:
    case FIELD_AGGREGATE: return cell_of(mapper, field->column, field->type, out);
    case FIELD_CONSTANT: *out = field->constant; return STATUS_OK;
    case FIELD_TEMPLATE:
        status = template_text(mapper, field, &text);
        return status == STATUS_OK ? converted(mapper, text, field->type, field->notation, out)
                                   : status;
    case FIELD_LOOKUP: return lookup_value(mapper, field, out);
    case FIELD_LIST: break;
    }
    return STATUS_OK;
}

enum status mapper_field_text(struct mapper *mapper, const struct plan_field *field,
                              struct text *out) {
    struct value value;
    enum status status;
    *out = (struct text){0};
    if (field->kind == FIELD_TEMPLATE) return template_text(mapper, field, out);
    if (field->kind == FIELD_COLUMN || field->kind == FIELD_AGGREGATE) {
        const struct cell *cell = &mapper->cells[field->column];
        status = cell_text(&mapper->reader, cell, out);
        return status == STATUS_INVALID ? mapper_bad_value(mapper, field->column, VALUE_TEXT)
                                        : status;
    }
    status = mapper_field_value(mapper, field, &value);
    if (status || !value_is_known(value)) return status;
    if (value.type == VALUE_TEXT) {
        *out = value.text;
        return STATUS_OK;
    }
    buffer_clear(&mapper->text);
    status = value_print(value, &mapper->text);
    if (status) return status;
    *out = arena_text(&mapper->scratch, buffer_text(&mapper->text));
    return out->at ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status two_currencies(struct mapper *mapper, uint32_t column) {
    return mapper_bad(mapper, column,
                      "the rows of the event hold two currencies, which can't be taken together");
}

static enum status add_sum(struct mapper *mapper, uint32_t column, struct value *sum,
                           struct value value) {
    if (!value_is_known(*sum)) {
        *sum = value;
    } else if (value.type == VALUE_MONEY && value.currency != sum->currency) {
        return two_currencies(mapper, column);
    } else if (value.type == VALUE_NUMBER) {
        sum->number += value.number;
    } else if (value.type == VALUE_MONEY || value.type == VALUE_DURATION) {
        if (__builtin_add_overflow(sum->minor, value.minor, &sum->minor)) {
            return mapper_bad(mapper, column, "the sum is too large");
        }
    } else {
        return mapper_bad(mapper, column, "a sum needs numbers or money");
    }
    return STATUS_OK;
}

static enum status take_aggregate(struct mapper *mapper, const struct plan_field *field,
                                  struct value *so_far) {
    struct value value;
    if (field->aggregate == '#') {
        double more =
            field->column != COLUMN_NONE && cell_is_empty(&mapper->cells[field->column]) ? 0 : 1;
        *so_far = value_number(value_is_known(*so_far) ? so_far->number + more : more);
        return STATUS_OK;
    }
    enum status status = cell_of(mapper, field->column, field->type, &value);
    if (status || !value_is_known(value)) return status;
    bool replaces = !value_is_known(*so_far),
         compares = field->aggregate == '<' || field->aggregate == '>';
    if (compares && !replaces && value.type == VALUE_MONEY && value.currency != so_far->currency) {
        return two_currencies(mapper, field->column);
    }
    switch (field->aggregate) {
    case '+': return add_sum(mapper, field->column, so_far, value);
    case '<': replaces = replaces || value_compare(value, *so_far) < 0; break;
    case '>': replaces = replaces || value_compare(value, *so_far) > 0; break;
    case 'l': replaces = true; break;
    default: break;
    }
    if (replaces) *so_far = value;
    return STATUS_OK;
}

static enum status take_record(struct mapper *mapper, const struct plan_field *field) {
    const struct field_source *from = field->from;
    struct value values[LOOKUP_FIELDS_MAX];
    if (from->column_count > LOOKUP_FIELDS_MAX)
        return mapper_bad(mapper, COLUMN_NONE, "a list's records hold more than %d fields",
                          LOOKUP_FIELDS_MAX);
    for (uint32_t i = 0; i < from->column_count; i++) {
        enum status status = cell_of(mapper, field->columns[i], from->column_types[i], &values[i]);
        if (status) return status;
    }
    enum status status = packed_list_add_record(&mapper->lists[field->list], from->column_symbols,
                                                values, from->column_count);
    if (status == STATUS_LIMIT)
        return mapper_bad(mapper, COLUMN_NONE,
                          "the event's list is too long: at most %d items and %d bytes",
                          PACKED_LIST_ITEMS_MAX, PACKED_BYTES_MAX);
    return status;
}

static enum status take_list(struct mapper *mapper, const struct plan_property *property,
                             struct value *so_far) {
    const struct plan_field *field = &property->field;
    if (field->column == COLUMN_NONE) return take_record(mapper, field);
    const struct cell *cell = &mapper->cells[field->column];
    if (cell_is_empty(cell)) return STATUS_OK;
    if (cell->kind != CELL_NODE || json_type(cell->node) != JSON_ARRAY)
        return mapper_bad_value(mapper, field->column, VALUE_LIST);
    return mapper_json_list(mapper, property->symbol, cell->node, field->from, NULL, so_far);
}

/* A declared property whose value is an array. */
static enum status take_array(struct mapper *mapper, const struct plan_property *property,
                              struct value *so_far) {
    uint32_t column = property->field.column;
    const struct cell *cell = &mapper->cells[column];
    if (cell->kind != CELL_NODE || json_type(cell->node) != JSON_ARRAY)
        return cell_of(mapper, column, property->field.type, so_far);
    if (property->field.type != VALUE_LIST && property->field.type != VALUE_UNKNOWN)
        return mapper_bad_value(mapper, column, property->field.type);
    const struct property_rule *rule = NULL;
    uint32_t event_type = mapper->batch->events[mapper->batch->event_count - 1].type;
    rule = plan_rule_find(mapper->plan, event_type, property->symbol);
    return mapper_json_list(mapper, property->symbol, cell->node, NULL, rule, so_far);
}

static enum status keep_text(struct mapper *mapper, struct value *value) {
    if (value->type != VALUE_TEXT) return STATUS_OK;
    value->text = arena_text(&mapper->scratch, value->text);
    return value->text.at ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status take_property(struct mapper *mapper, const struct plan_property *property,
                                 struct value *so_far) {
    switch (property->field.kind) {
    case FIELD_AGGREGATE: return take_aggregate(mapper, &property->field, so_far);
    case FIELD_LIST: return take_list(mapper, property, so_far);
    case FIELD_COLUMN:
        if (value_is_known(*so_far)) return STATUS_OK;
        if (mapper->cells[property->field.column].kind == CELL_NODE)
            return take_array(mapper, property, so_far);
        return cell_of(mapper, property->field.column, property->field.type, so_far);
    default:
        return value_is_known(*so_far) ? STATUS_OK
                                       : mapper_field_value(mapper, &property->field, so_far);
    }
}

enum status mapper_take_properties(struct mapper *mapper, bool first) {
    const struct plan *plan = mapper->plan;
    enum status status = mapper_take_currency(mapper);
    if (status) return status;
    if (first) {
        for (uint32_t i = 0; i < plan->list_count; i++) packed_list_begin(&mapper->lists[i]);
    }
    for (uint32_t i = 0; i < plan->property_count; i++) {
        struct value *value = &mapper->values[i];
        const char *before = NULL;
        if (first)
            value->type = VALUE_UNKNOWN;
        else if (value->type == VALUE_TEXT)
            before = value->text.at;
        status = take_property(mapper, &plan->properties[i], value);
        if (status == STATUS_OK && plan->copies_text && value->type == VALUE_TEXT &&
            value->text.at != before) {
            status = keep_text(mapper, value);
        }
        if (status) return status;
    }
    return STATUS_OK;
}

static enum status finish_lists(struct mapper *mapper) {
    const struct plan *plan = mapper->plan;
    for (uint32_t i = 0; i < plan->property_count; i++) {
        const struct plan_field *field = &plan->properties[i].field;
        if (field->kind != FIELD_LIST || field->column != COLUMN_NONE) continue;
        enum status status = packed_list_end(&mapper->lists[field->list], &mapper->values[i]);
        if (status == STATUS_LIMIT)
            return mapper_bad(mapper, COLUMN_NONE, "the event's list is longer than %d bytes",
                              PACKED_BYTES_MAX);
        if (status) return status;
    }
    return STATUS_OK;
}

static enum status too_large(struct mapper *mapper) {
    return mapper_bad(mapper, COLUMN_NONE,
                      "the properties are larger than %d bytes or more than %d", PACKED_BYTES_MAX,
                      PACKED_PROPERTIES_MAX);
}

static inline bool is_known(const struct value *value) {
    return value->type != VALUE_UNKNOWN && (value->type != VALUE_NUMBER || isfinite(value->number));
}

/* The plan's properties stand by symbol: they are written where they belong, without the detour of
 * a packed_writer. */
static enum status pack_straight(struct mapper *mapper) {
    const struct plan *plan = mapper->plan;
    struct buffer *out = &mapper->batch->bytes;
    size_t known = 0, most = VARINT_BYTES_MAX;
    for (uint32_t i = 0; i < plan->property_count; i++) {
        const struct value *value = &mapper->values[i];
        bool has_text = value->type == VALUE_TEXT || value->type == VALUE_LIST;
        known += is_known(value);
        most += VARINT_BYTES_MAX + PACKED_HEAD_MAX + (has_text ? value->text.length : 0);
        if (has_text && value->text.length > PACKED_BYTES_MAX) return STATUS_LIMIT;
    }
    enum status status = buffer_reserve(out, most);
    if (status) return status;
    uint8_t *start = (uint8_t *)out->at + out->length, *at = start;
    at += varint_write(at, known);
    for (uint32_t i = 0; i < plan->property_count; i++) {
        const struct value *value = &mapper->values[i];
        if (!is_known(value)) continue;
        at += varint_write(at, plan->properties[i].symbol);
        at += packed_value_put(at, value);
    }
    out->length += (size_t)(at - start);
    return STATUS_OK;
}

static enum status pack_kept(struct mapper *mapper) {
    struct value value;
    enum status status = packed_list_end(&mapper->kept, &value);
    return status == STATUS_OK ? packed_add(&mapper->writer, mapper->plan->rows.rows_symbol, value)
                               : status;
}

static enum status pack_all(struct mapper *mapper, uint32_t event_type, bool keeps_rows) {
    const struct plan *plan = mapper->plan;
    packed_begin(&mapper->writer);
    enum status status = segment_properties(mapper, &mapper->writer);
    if (status == STATUS_OK && keeps_rows) status = pack_kept(mapper);
    for (uint32_t i = 0; status == STATUS_OK && i < mapper->extra_count; i++) {
        struct value value;
        if (mapper->extras[i].symbol == SYMBOL_NONE) continue;
        status = mapper_extra_value(mapper, &mapper->extras[i], event_type, &value);
        if (status == STATUS_OK)
            status = mapper_closed_value(mapper, event_type, mapper->extras[i].symbol, &value);
        if (status == STATUS_OK)
            status = packed_add(&mapper->writer, mapper->extras[i].symbol, value);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < plan->property_count; i++) {
        status = packed_add(&mapper->writer, plan->properties[i].symbol, mapper->values[i]);
    }
    struct value list = value_unknown();
    if (status == STATUS_OK) status = dark_end(&mapper->dark, &list);
    if (status == STATUS_OK) status = packed_add(&mapper->writer, PROPERTY_UNDECLARED, list);
    return status == STATUS_OK ? packed_end(&mapper->writer, &mapper->batch->bytes) : status;
}

static enum status pack_dark(struct mapper *mapper) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < mapper->extra_count; i++) {
        const struct mapper_extra *extra = &mapper->extras[i];
        if (extra->symbol == SYMBOL_NONE)
            status = mapper_dark_property(mapper, extra->name, extra->node);
    }
    return status;
}

/* Dark text that has no room beside the declared properties is left out, and nothing else. */
static enum status pack_extras(struct mapper *mapper, uint32_t event_type, bool keeps_rows) {
    size_t start = mapper->batch->bytes.length;
    enum status status = mapper_dark_words(mapper);
    if (status == STATUS_OK) status = pack_dark(mapper);
    if (status == STATUS_OK) status = pack_all(mapper, event_type, keeps_rows);
    if (status != STATUS_LIMIT || mapper->dark.count == 0) return status;
    uint32_t left = mapper->dark.left + mapper->dark.count;
    mapper->batch->bytes.length = start;
    dark_begin(&mapper->dark);
    mapper->undeclared_left += left;
    status = mapper_dark_words(mapper);
    return status == STATUS_OK ? pack_all(mapper, event_type, keeps_rows) : status;
}

/* An object where the event's rule knows another type. */
static enum status check_objects(struct mapper *mapper, uint32_t event_type) {
    for (uint32_t i = 0; i < mapper->object_count; i++) {
        const struct property_rule *rule =
            plan_rule_find(mapper->plan, event_type, mapper->objects[i]);
        char shown[MAPPER_SHOWN_BYTES + 8];
        if (rule == NULL || rule->type == VALUE_UNKNOWN) continue;
        return mapper_bad(mapper, COLUMN_NONE, "%s holds an object where a %s belongs",
                          mapper_show(rule->name, shown), value_type_name(rule->type));
    }
    return STATUS_OK;
}

/* What a decision was made from is written by decide alone: with it an event would pass for a
 * recorded decision and be made again as one. */
static enum status check_decision(struct mapper *mapper, uint32_t event_type, struct text packed) {
    if (event_type != EVENT_DECISION_MADE) return STATUS_OK;
    uint32_t basis = symbol_find(mapper->plan->symbols, SYMBOL_PROPERTY, TEXT("basis"));
    if (basis == SYMBOL_NONE || !value_is_known(packed_find(packed, basis))) return STATUS_OK;
    return mapper_bad(mapper, COLUMN_NONE,
                      "a decision of elsewhere can have no basis: leave that property out");
}

enum status mapper_pack(struct mapper *mapper, uint32_t event_type, bool keeps_rows,
                        struct event *event) {
    struct buffer *bytes = &mapper->batch->bytes;
    size_t start = bytes->length;
    enum status status = mapper->plan->list_count ? finish_lists(mapper) : STATUS_OK;
    if (status == STATUS_OK && mapper->object_count > 0) status = check_objects(mapper, event_type);
    if (status == STATUS_OK) status = mapper_closed_begin(mapper, event_type);
    if (status) return status;
    bool more = mapper->extra_count > 0 || mapper->dark.list.count > 0 ||
                mapper->event_word.length > 0 || mapper->channel_word.length > 0 ||
                segment_has_properties(mapper) || keeps_rows;
    status = more ? pack_extras(mapper, event_type, keeps_rows) : pack_straight(mapper);
    bool too_many = status == STATUS_LIMIT || bytes->length - start > PACKED_BYTES_MAX;
    if (too_many && keeps_rows) {
        bytes->length = start;
        status = pack_extras(mapper, event_type, false);
    }
    if (status == STATUS_LIMIT || bytes->length - start > PACKED_BYTES_MAX)
        return too_large(mapper);
    if (status == STATUS_OK) status = mapper_closed_end(mapper, event);
    if (status == STATUS_OK)
        status =
            check_decision(mapper, event_type,
                           (struct text){bytes->at + start, (uint32_t)(bytes->length - start)});
    if (status) return status;
    if (mapper->message_channel != SYMBOL_NONE) event->channel = (uint8_t)mapper->message_channel;
    event->properties = (uint32_t)start;
    event->properties_length = (uint32_t)(bytes->length - start);
    return STATUS_OK;
}
