/* SPDX-License-Identifier: Apache-2.0 */
#include "event/packed_cell.h"

void packed_list_init(struct packed_list *list) {
    buffer_init(&list->bytes);
    buffer_init(&list->finished);
    list->count = 0;
}

void packed_list_release(struct packed_list *list) {
    buffer_release(&list->bytes);
    buffer_release(&list->finished);
    list->count = 0;
}

void packed_list_begin(struct packed_list *list) {
    buffer_clear(&list->bytes);
    buffer_clear(&list->finished);
    list->count = 0;
}

enum status packed_list_add(struct packed_list *list, struct value value) {
    if (!packed_value_is_known(&value)) return STATUS_OK;
    if (value.type == VALUE_LIST) return STATUS_INVALID;
    if (list->count == PACKED_LIST_ITEMS_MAX || list->bytes.length > PACKED_BYTES_MAX)
        return STATUS_LIMIT;
    enum status status = packed_value_write(&list->bytes, value);
    if (status == STATUS_OK) list->count++;
    return status;
}

static enum status write_varint(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_BYTES_MAX];
    return buffer_append(out, bytes, varint_write(bytes, value));
}

static enum status write_record(struct buffer *out, const uint32_t *symbols,
                                const struct value *values, uint32_t count) {
    uint32_t known = 0;
    size_t most = 1 + VARINT_BYTES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        size_t text_bytes = packed_text_bytes(&values[i]);
        if (values[i].type == VALUE_LIST || symbols[i] > UINT16_MAX) return STATUS_INVALID;
        if (text_bytes > PACKED_BYTES_MAX) return STATUS_LIMIT;
        most += VARINT_BYTES_MAX + PACKED_HEAD_MAX + text_bytes;
        known += packed_value_is_known(&values[i]);
    }
    if (known > PACKED_PROPERTIES_MAX) return STATUS_LIMIT;
    enum status status = buffer_reserve(out, most);
    if (status != STATUS_OK) return status;
    uint8_t *at = (uint8_t *)out->at + out->length;
    *at++ = TAG_RECORD;
    at += varint_write(at, known);
    for (uint32_t i = 0; i < count; i++) {
        if (!packed_value_is_known(&values[i])) continue;
        at += varint_write(at, symbols[i]);
        at += packed_value_put(at, &values[i]);
    }
    out->length = (size_t)((char *)at - out->at);
    return STATUS_OK;
}

enum status packed_list_add_record(struct packed_list *list, const uint32_t *symbols,
                                   const struct value *values, uint32_t count) {
    if (list->count == PACKED_LIST_ITEMS_MAX || list->bytes.length > PACKED_BYTES_MAX)
        return STATUS_LIMIT;
    size_t start = list->bytes.length;
    enum status status = write_record(&list->bytes, symbols, values, count);
    if (status == STATUS_OK) {
        list->count++;
    } else {
        list->bytes.length = start;
    }
    return status;
}

enum status packed_list_end(struct packed_list *list, struct value *out) {
    buffer_clear(&list->finished);
    enum status status = write_varint(&list->finished, list->count);
    if (status == STATUS_OK)
        status = buffer_append(&list->finished, list->bytes.at, list->bytes.length);
    if (status != STATUS_OK) return status;
    if (list->finished.length > PACKED_BYTES_MAX) return STATUS_LIMIT;
    *out = (struct value){.type = VALUE_LIST, .text = buffer_text(&list->finished)};
    return STATUS_OK;
}

enum status list_reader_init(struct list_reader *reader, struct value list) {
    *reader = (struct list_reader){0};
    if (list.type != VALUE_LIST) return STATUS_INVALID;
    if (list.text.length == 0) return STATUS_OK;
    const uint8_t *at = (const uint8_t *)list.text.at, *end = at + list.text.length;
    uint64_t count;
    if (!varint_read(&at, end, &count) || count > PACKED_LIST_ITEMS_MAX) return STATUS_CORRUPT;
    *reader = (struct list_reader){.at = at, .end = end, .left = (uint32_t)count};
    return STATUS_OK;
}

/* One field of a record; OK or CORRUPT. */
static enum status next_field(const uint8_t **at, const uint8_t *end, uint64_t *symbol,
                              struct value *value) {
    if (!varint_read(at, end, symbol) || *symbol > UINT16_MAX) return STATUS_CORRUPT;
    return packed_value_read(at, end, false, value);
}

static enum status skip_record(struct list_reader *reader) {
    uint64_t count, symbol;
    struct value value;
    reader->at++;
    if (!varint_read(&reader->at, reader->end, &count) || count > PACKED_PROPERTIES_MAX)
        return STATUS_CORRUPT;
    reader->record = reader->at;
    reader->field_count = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        if (next_field(&reader->at, reader->end, &symbol, &value) != STATUS_OK)
            return STATUS_CORRUPT;
    }
    reader->record_end = reader->at;
    return STATUS_OK;
}

enum status list_next(struct list_reader *reader, struct value *value) {
    *value = value_unknown();
    reader->record = reader->record_end = NULL;
    reader->field_count = 0;
    if (reader->left == 0) return STATUS_END;
    reader->left--;
    enum status status = STATUS_CORRUPT;
    if (reader->at < reader->end) {
        status = *reader->at == TAG_RECORD
                     ? skip_record(reader)
                     : packed_value_read(&reader->at, reader->end, false, value);
    }
    if (status != STATUS_OK) {
        reader->left = 0;
        reader->record = NULL;
        reader->field_count = 0;
    }
    return status;
}

struct value list_field(const struct list_reader *reader, uint32_t symbol) {
    const uint8_t *at = reader->record;
    for (uint32_t i = 0; i < reader->field_count; i++) {
        uint64_t found;
        struct value value;
        if (next_field(&at, reader->record_end, &found, &value) != STATUS_OK) break;
        if (found == symbol) return value;
    }
    return value_unknown();
}

enum status list_next_field(const struct list_reader *reader, const uint8_t **at, uint32_t *symbol,
                            struct value *value) {
    uint64_t found;
    if (*at == NULL) *at = reader->record;
    if (*at == NULL || *at == reader->record_end) return STATUS_END;
    enum status status = next_field(at, reader->record_end, &found, value);
    if (status == STATUS_OK) *symbol = (uint32_t)found;
    return status;
}

uint32_t list_count(struct value list) {
    struct list_reader reader;
    return list_reader_init(&reader, list) == STATUS_OK ? reader.left : 0;
}
