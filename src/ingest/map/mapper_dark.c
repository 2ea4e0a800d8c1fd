/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps what a row says under undeclared names: it stays in the event as dark text. */
#include "event/packed_cell.h"
#include "ingest/map/mapper.h"

void mapper_dark_begin(struct mapper *mapper) {
    dark_begin(&mapper->dark);
    mapper->event_word = mapper->channel_word = (struct text){0};
    mapper->undeclared_left = 0;
}

enum status mapper_dark_words(struct mapper *mapper) {
    enum status status = STATUS_OK;
    if (mapper->event_word.length > 0) {
        status =
            dark_add(&mapper->dark, DARK_EVENT, (struct text){0}, value_text(mapper->event_word));
    }
    if (status == STATUS_OK && mapper->channel_word.length > 0) {
        status = dark_add(&mapper->dark, DARK_CHANNEL, (struct text){0},
                          value_text(mapper->channel_word));
    }
    return status;
}

/* The currency that the event's figures are in stands before the first of them. */
static enum status add(struct mapper *mapper, enum dark_kind kind, struct text name,
                       struct value value) {
    char currency[4];
    enum status status = STATUS_OK;
    if (mapper->dark.count == 0) {
        currency_to_text(mapper->reader.currency, currency);
        status = dark_add(&mapper->dark, DARK_CURRENCY, (struct text){0},
                          value_text((struct text){currency, 3}));
    }
    return status == STATUS_OK ? dark_add(&mapper->dark, kind, name, value) : status;
}

static enum status add_array(struct mapper *mapper, struct text name) {
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = dark_array_end(&mapper->array, &bytes);
    if (status == STATUS_OK)
        status = add(mapper, DARK_ARRAY, name, value_text(buffer_text(&bytes)));
    buffer_release(&bytes);
    return status;
}

static enum status scalar_value(struct mapper *mapper, struct json_node node, struct value *out) {
    struct cell cell = cell_from_json(node);
    if (cell.kind == CELL_NODE) { /* what has no place in a list or is too deep: as its text */
        *out = value_text(json_raw_text(node));
        return STATUS_OK;
    }
    enum status status =
        cell_value(&mapper->reader, &cell, VALUE_UNKNOWN, (struct notation){0}, out);
    if (status != STATUS_INVALID) return status;
    *out = value_unknown();
    mapper->undeclared_left++;
    return STATUS_OK;
}

static bool has_room(struct mapper *mapper, struct text name, struct value value) {
    size_t bytes = mapper->array.bytes.length + name.length + PACKED_HEAD_MAX;
    if (value.type == VALUE_TEXT) bytes += value.text.length;
    if (bytes <= DARK_BYTES_MAX && name.length <= SYMBOL_BYTES_MAX) return true;
    mapper->undeclared_left++;
    return false;
}

enum status mapper_dark_field(struct mapper *mapper, struct text name, struct json_node node) {
    struct value value = value_unknown();
    enum status status = scalar_value(mapper, node, &value);
    if (status != STATUS_OK || !has_room(mapper, name, value)) return status;
    if (!dark_array_has_room(&mapper->array)) {
        mapper->undeclared_left++;
        return STATUS_OK;
    }
    mapper->array_tells = true;
    return dark_array_field(&mapper->array, name, value);
}

void mapper_dark_array_begin(struct mapper *mapper) {
    dark_array_begin(&mapper->array);
    mapper->array_tells = false;
}

enum status mapper_dark_array_end(struct mapper *mapper, struct text name) {
    return mapper->array_tells ? add_array(mapper, name) : STATUS_OK;
}

static enum status array_record(struct mapper *mapper, struct json_node object) {
    struct json_iterator iterator = json_begin(object);
    enum status status = dark_array_record(&mapper->array);
    while (status == STATUS_OK && json_next(&iterator)) {
        if (json_type(iterator.node) != JSON_NULL)
            status = mapper_dark_field(mapper, iterator.key, iterator.node);
    }
    return status;
}

/* An array that nobody declared. */
static enum status whole_array(struct mapper *mapper, struct text name, struct json_node array) {
    struct json_iterator iterator = json_begin(array);
    enum status status = STATUS_OK;
    mapper_dark_array_begin(mapper);
    while (status == STATUS_OK && json_next(&iterator)) {
        struct value value = value_unknown();
        if (mapper->array.count == PACKED_LIST_ITEMS_MAX) {
            mapper->undeclared_left++;
            break;
        }
        if (json_type(iterator.node) == JSON_OBJECT) {
            status = array_record(mapper, iterator.node);
            continue;
        }
        if (json_type(iterator.node) != JSON_NULL)
            status = scalar_value(mapper, iterator.node, &value);
        if (status == STATUS_OK && value_is_known(value) &&
            has_room(mapper, (struct text){0}, value))
            status = dark_array_add(&mapper->array, value);
    }
    return status == STATUS_OK ? add_array(mapper, name) : status;
}

enum status mapper_dark_property(struct mapper *mapper, struct text name, struct json_node node) {
    struct value value = value_unknown();
    if (json_type(node) == JSON_ARRAY) return whole_array(mapper, name, node);
    enum status status = scalar_value(mapper, node, &value);
    return status == STATUS_OK ? add(mapper, DARK_PROPERTY, name, value) : status;
}
