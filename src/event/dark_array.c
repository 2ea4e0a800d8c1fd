/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that nobody declared, and the fields of records that nobody declared. */
#include "event/dark.h"
#include "event/packed_cell.h"

enum item_tag { ITEM_VALUE, ITEM_RECORD, ITEM_NOTHING };

#define FIELDS_MAX 127 /* of a record: their number is one byte */

/* ---- writing ---- */

void dark_array_init(struct dark_array *array) {
    buffer_init(&array->bytes);
    array->count = 0;
    array->record = SIZE_MAX;
}

void dark_array_release(struct dark_array *array) {
    buffer_release(&array->bytes);
}

void dark_array_begin(struct dark_array *array) {
    buffer_clear(&array->bytes);
    array->count = 0;
    array->record = SIZE_MAX;
}

enum status dark_array_add(struct dark_array *array, struct value value) {
    uint8_t tag =
        packed_value_is_known(&value) && value.type != VALUE_LIST ? ITEM_VALUE : ITEM_NOTHING;
    enum status status = buffer_append(&array->bytes, &tag, 1);
    if (status == STATUS_OK && tag == ITEM_VALUE) status = packed_value_write(&array->bytes, value);
    array->record = SIZE_MAX;
    array->count++;
    return status;
}

enum status dark_array_record(struct dark_array *array) {
    const uint8_t head[2] = {ITEM_RECORD, 0};
    enum status status = buffer_append(&array->bytes, head, sizeof head);
    array->record = array->bytes.length - 1;
    array->count++;
    return status;
}

bool dark_array_has_room(const struct dark_array *array) {
    return array->record != SIZE_MAX && array->bytes.at[array->record] < FIELDS_MAX;
}

enum status dark_array_field(struct dark_array *array, struct text name, struct value value) {
    uint8_t length[VARINT_BYTES_MAX];
    if (!packed_value_is_known(&value) || value.type == VALUE_LIST) return STATUS_OK;
    if (!dark_array_has_room(array)) return STATUS_OK;
    enum status status = buffer_append(&array->bytes, length, varint_write(length, name.length));
    if (status == STATUS_OK) status = buffer_append_text(&array->bytes, name);
    if (status == STATUS_OK) status = packed_value_write(&array->bytes, value);
    if (status == STATUS_OK) array->bytes.at[array->record]++;
    return status;
}

enum status dark_array_end(const struct dark_array *array, struct buffer *out) {
    uint8_t count[VARINT_BYTES_MAX];
    enum status status = buffer_append(out, count, varint_write(count, array->count));
    return status == STATUS_OK ? buffer_append_text(out, buffer_text(&array->bytes)) : status;
}

/* ---- reading ---- */

bool dark_array_reader_init(struct dark_array_reader *reader, struct value array) {
    uint64_t count;
    *reader = (struct dark_array_reader){0};
    if (array.type != VALUE_TEXT) return false;
    reader->at = (const uint8_t *)array.text.at;
    reader->end = reader->at + array.text.length;
    if (!varint_read(&reader->at, reader->end, &count) || count > PACKED_LIST_ITEMS_MAX)
        return false;
    reader->left = (uint32_t)count;
    return true;
}

bool dark_array_next_field(struct dark_array_reader *reader, struct text *name,
                           struct value *value) {
    uint64_t length;
    if (reader->fields == 0) return false;
    reader->fields--;
    if (!varint_read(&reader->at, reader->end, &length) ||
        length > (uint64_t)(reader->end - reader->at)) {
        reader->fields = reader->left = 0;
        return false;
    }
    *name = (struct text){(const char *)reader->at, (uint32_t)length};
    reader->at += length;
    if (packed_value_read(&reader->at, reader->end, false, value) == STATUS_OK) return true;
    reader->fields = reader->left = 0;
    return false;
}

bool dark_array_next(struct dark_array_reader *reader, struct value *value) {
    struct text name;
    while (reader->fields > 0 && dark_array_next_field(reader, &name, value)) continue;
    *value = value_unknown();
    reader->is_record = false;
    if (reader->left == 0 || reader->at == reader->end) return false;
    reader->left--;
    uint8_t tag = *reader->at++;
    if (tag == ITEM_VALUE)
        return packed_value_read(&reader->at, reader->end, false, value) == STATUS_OK;
    if (tag == ITEM_RECORD && reader->at < reader->end) {
        reader->fields = *reader->at++;
        reader->is_record = true;
        return true;
    }
    return tag == ITEM_NOTHING;
}

/* ---- as a list of the declared kind ---- */

struct list_making {
    const struct dark_reading *reading;
    struct packed_list *list;
    uint32_t symbols[PACKED_PROPERTIES_MAX];
    struct value values[PACKED_PROPERTIES_MAX];
    uint32_t count;
    bool tells; /* the array holds something that the declared list does not */
};

static void take_declared(struct list_making *making, const struct list_reader *item) {
    struct packed_reader fields = {item->record, item->record_end, item->field_count};
    uint32_t symbol;
    struct value value;
    making->count = 0;
    while (item->record != NULL && making->count < PACKED_PROPERTIES_MAX &&
           packed_next(&fields, &symbol, &value) == STATUS_OK) {
        making->symbols[making->count] = symbol;
        making->values[making->count++] = value;
    }
}

static void take_dark(struct list_making *making, struct dark_array_reader *array) {
    struct text name;
    struct value value;
    while (dark_array_next_field(array, &name, &value)) {
        uint32_t symbol = symbol_find(making->reading->symbols, SYMBOL_PROPERTY, name);
        bool is_known = symbol != SYMBOL_NONE && symbol < making->reading->names;
        for (uint32_t i = 0; is_known && i < making->count; i++)
            is_known = making->symbols[i] != symbol;
        if (!is_known || making->count == PACKED_PROPERTIES_MAX) continue;
        making->symbols[making->count] = symbol;
        making->values[making->count++] = value;
        making->tells = true;
    }
}

/* Adds one item: the fields that the declared list and the array have in this place. */
static enum status add_item(struct list_making *making, const struct list_reader *item,
                            struct value declared, struct dark_array_reader *array,
                            struct value value) {
    bool is_scalar = item->record == NULL && value_is_known(declared);
    if (is_scalar) return packed_list_add(making->list, declared);
    if (value_is_known(value)) {
        making->tells = true;
        return packed_list_add(making->list, value);
    }
    take_declared(making, item);
    if (array->is_record) take_dark(making, array);
    return packed_list_add_record(making->list, making->symbols, making->values, making->count);
}

struct value dark_array_list(const struct dark_reading *reading, struct value array,
                             struct value declared, bool *made) {
    struct list_making making = {.reading = reading, .list = &reading->scratch->list};
    struct dark_array_reader items;
    struct list_reader given = {0};
    struct value out = declared, value, item = value_unknown();
    *made = false;
    if (!dark_array_reader_init(&items, array)) return declared;
    bool has_list = list_reader_init(&given, declared) == STATUS_OK;
    packed_list_begin(making.list);
    enum status status = STATUS_OK;
    for (;;) {
        bool more = has_list && list_next(&given, &item) == STATUS_OK;
        bool dark = dark_array_next(&items, &value);
        if (!more) {
            item = value_unknown();
            given.record = NULL;
            given.field_count = 0;
        }
        if (!dark && !more) break;
        status = add_item(&making, &given, item, &items, value);
        if (status != STATUS_OK) return declared;
    }
    if (has_list && !making.tells) return declared;
    if (packed_list_end(making.list, &out) != STATUS_OK) return declared;
    *made = true;
    return out;
}
