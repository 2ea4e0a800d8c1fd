/* SPDX-License-Identifier: Apache-2.0 */
#include "event/packed.h"

#include <math.h>

#include "event/packed_cell.h"

#define INTEGER_LIMIT       9007199254740992.0 /* 2^53 */
#define PROPERTY_SYMBOL_MAX 65535

static size_t write_number(uint8_t *at, double number) {
    bool negative_zero = signbit(number) && !(number < 0);
    if (fabs(number) < INTEGER_LIMIT && !negative_zero) {
        int64_t integer = (int64_t)number;
        double back = (double)integer;
        if (!(back < number) && !(back > number)) {
            at[0] = TAG_INTEGER;
            return 1 + varint_write(at + 1, zigzag(integer));
        }
    }
    at[0] = TAG_NUMBER;
    memcpy(at + 1, &number, sizeof number);
    return 1 + sizeof number;
}

#define COPY_BYTES_MAX 128u /* beyond it a call costs less */

/* Copies a text. Most are short, and moves that overlap cost less than a call. */
static inline void copy_text(uint8_t *to, struct text text) {
    uint64_t first, last;
    uint32_t ends[2];
    if (text.length > COPY_BYTES_MAX || text.length < 4) {
        memcpy(to, text.at, text.length);
    } else if (text.length > 16) {
        for (uint32_t i = 0; i + 16 < text.length; i += 16) memcpy(to + i, text.at + i, 16);
        memcpy(to + text.length - 16, text.at + text.length - 16, 16);
    } else if (text.length >= 8) {
        memcpy(&first, text.at, 8);
        memcpy(&last, text.at + text.length - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + text.length - 8, &last, 8);
    } else {
        memcpy(&ends[0], text.at, 4);
        memcpy(&ends[1], text.at + text.length - 4, 4);
        memcpy(to, &ends[0], 4);
        memcpy(to + text.length - 4, &ends[1], 4);
    }
}

static size_t write_text(uint8_t *at, enum packed_tag tag, struct text text) {
    at[0] = (uint8_t)tag;
    size_t length = 1 + varint_write(at + 1, text.length);
    if (text.length > 0) copy_text(at + length, text);
    return length + text.length;
}

size_t packed_value_put(uint8_t *at, const struct value *value) {
    switch ((enum value_type)value->type) {
    case VALUE_NUMBER: return write_number(at, value->number);
    case VALUE_TEXT: return write_text(at, TAG_TEXT, value->text);
    case VALUE_LIST: return write_text(at, TAG_LIST, value->text);
    case VALUE_TIME: at[0] = TAG_TIME; return 1 + varint_write(at + 1, zigzag(value->time_ms));
    case VALUE_DURATION:
        at[0] = TAG_DURATION;
        return 1 + varint_write(at + 1, zigzag(value->duration_ms));
    case VALUE_YES_NO: at[0] = value->yes ? TAG_YES : TAG_NO; return 1;
    case VALUE_MONEY:
        at[0] = TAG_MONEY;
        at[1] = (uint8_t)value->currency;
        at[2] = (uint8_t)(value->currency >> 8);
        return 3 + varint_write(at + 3, zigzag(value->minor));
    case VALUE_UNKNOWN:
    case VALUE_TYPE_COUNT: break;
    }
    return 0;
}

enum status packed_value_write(struct buffer *out, struct value value) {
    size_t text_bytes = packed_text_bytes(&value);
    if (!packed_value_is_known(&value)) return STATUS_INVALID;
    if (text_bytes > PACKED_BYTES_MAX) return STATUS_LIMIT;
    enum status status = buffer_reserve(out, PACKED_HEAD_MAX + text_bytes);
    if (status == STATUS_OK)
        out->length += packed_value_put((uint8_t *)out->at + out->length, &value);
    return status;
}

static bool read_text(const uint8_t **at, const uint8_t *end, struct text *text) {
    uint64_t length;
    if (!varint_read(at, end, &length) || length > (uint64_t)(end - *at)) return false;
    *text = (struct text){(const char *)*at, (uint32_t)length};
    *at += length;
    return length <= PACKED_BYTES_MAX;
}

static bool read_zigzag(const uint8_t **at, const uint8_t *end, int64_t *value) {
    uint64_t raw;
    if (!varint_read(at, end, &raw)) return false;
    *value = unzigzag(raw);
    return true;
}

static bool read_double(const uint8_t **at, const uint8_t *end, double *number) {
    if (end - *at < 8) return false;
    memcpy(number, *at, 8);
    *at += 8;
    return isfinite(*number);
}

static bool read_integer(const uint8_t **at, const uint8_t *end, double *number) {
    int64_t integer;
    if (!read_zigzag(at, end, &integer)) return false;
    *number = (double)integer;
    return true;
}

static bool read_money(const uint8_t **at, const uint8_t *end, struct value *value) {
    if (end - *at < 2) return false;
    value->currency = (uint16_t)((*at)[0] | (*at)[1] << 8);
    *at += 2;
    return value->currency < 26 * 26 * 26 && read_zigzag(at, end, &value->minor);
}

enum status packed_value_read(const uint8_t **at, const uint8_t *end, bool lists,
                              struct value *value) {
    static const uint8_t types[] = {
        [TAG_NUMBER] = VALUE_NUMBER, [TAG_INTEGER] = VALUE_NUMBER,    [TAG_TEXT] = VALUE_TEXT,
        [TAG_TIME] = VALUE_TIME,     [TAG_DURATION] = VALUE_DURATION, [TAG_NO] = VALUE_YES_NO,
        [TAG_YES] = VALUE_YES_NO,    [TAG_MONEY] = VALUE_MONEY,       [TAG_LIST] = VALUE_LIST,
    };
    *value = value_unknown();
    if (*at >= end) return STATUS_CORRUPT;
    uint8_t tag = *(*at)++;
    if (tag == 0 || tag >= sizeof types) return STATUS_CORRUPT;
    bool good = true;
    value->type = types[tag];
    switch ((enum packed_tag)tag) {
    case TAG_NUMBER: good = read_double(at, end, &value->number); break;
    case TAG_INTEGER: good = read_integer(at, end, &value->number); break;
    case TAG_LIST: good = lists && read_text(at, end, &value->text); break;
    case TAG_TEXT: good = read_text(at, end, &value->text); break;
    case TAG_TIME: good = read_zigzag(at, end, &value->time_ms); break;
    case TAG_DURATION: good = read_zigzag(at, end, &value->duration_ms); break;
    case TAG_NO:
    case TAG_YES: value->yes = tag == TAG_YES; break;
    case TAG_MONEY: good = read_money(at, end, value); break;
    case TAG_RECORD: good = false; break;
    }
    if (good) return STATUS_OK;
    *value = value_unknown();
    return STATUS_CORRUPT;
}

void packed_writer_init(struct packed_writer *writer) {
    writer->out = NULL;
    writer->start = 0;
    writer->count = 0;
    buffer_init(&writer->scratch);
}

void packed_writer_release(struct packed_writer *writer) {
    buffer_release(&writer->scratch);
    writer->count = 0;
}

void packed_begin(struct packed_writer *writer) {
    writer->count = 0;
    buffer_clear(&writer->scratch);
}

enum status packed_add(struct packed_writer *writer, uint32_t symbol, struct value value) {
    struct buffer *scratch = &writer->scratch;
    size_t text_bytes = packed_text_bytes(&value), offset = scratch->length;
    if (!packed_value_is_known(&value)) return STATUS_OK;
    if (symbol > PROPERTY_SYMBOL_MAX) return STATUS_INVALID;
    if (writer->count == PACKED_PROPERTIES_MAX || text_bytes > PACKED_BYTES_MAX)
        return STATUS_LIMIT;
    enum status status = buffer_reserve(scratch, PACKED_HEAD_MAX + text_bytes);
    if (status != STATUS_OK) return status;
    uint32_t length = (uint32_t)packed_value_put((uint8_t *)scratch->at + offset, &value);
    scratch->length += length;
    /* Keep the list sorted while adding: most sources give their properties in order. A symbol that
     * is given again replaces the earlier value. */
    uint32_t i = writer->count;
    while (i > 0 && writer->item[i - 1].symbol > symbol) i--;
    if (i > 0 && writer->item[i - 1].symbol == symbol) {
        writer->item[i - 1].offset = (uint32_t)offset;
        writer->item[i - 1].length = length;
        return STATUS_OK;
    }
    for (uint32_t k = writer->count; k > i; k--) writer->item[k] = writer->item[k - 1];
    writer->item[i].symbol = symbol;
    writer->item[i].offset = (uint32_t)offset;
    writer->item[i].length = length;
    writer->count++;
    return STATUS_OK;
}

enum status packed_end(struct packed_writer *writer, struct buffer *out) {
    size_t most = VARINT_BYTES_MAX;
    for (uint32_t i = 0; i < writer->count; i++) most += 5 + writer->item[i].length;
    enum status status = buffer_reserve(out, most);
    if (status != STATUS_OK) return status;
    uint8_t *start = (uint8_t *)out->at + out->length, *at = start;
    at += varint_write(at, writer->count);
    for (uint32_t i = 0; i < writer->count; i++) {
        at += varint_write(at, writer->item[i].symbol);
        memcpy(at, writer->scratch.at + writer->item[i].offset, writer->item[i].length);
        at += writer->item[i].length;
    }
    if (at - start > PACKED_BYTES_MAX) return STATUS_LIMIT;
    out->length += (size_t)(at - start);
    return STATUS_OK;
}

enum status packed_reader_init(struct packed_reader *reader, struct text packed) {
    reader->at = (const uint8_t *)packed.at;
    reader->end = reader->at + packed.length;
    reader->left = 0;
    if (packed.length == 0) return STATUS_OK; /* no properties at all */
    uint64_t count;
    if (packed.length > PACKED_BYTES_MAX || !varint_read(&reader->at, reader->end, &count) ||
        count > PACKED_PROPERTIES_MAX) {
        reader->end = reader->at;
        return STATUS_CORRUPT;
    }
    reader->left = (uint32_t)count;
    return STATUS_OK;
}

enum status packed_next(struct packed_reader *reader, uint32_t *symbol, struct value *value) {
    uint64_t raw;
    if (reader->left == 0) return STATUS_END;
    if (!varint_read(&reader->at, reader->end, &raw) || raw > PROPERTY_SYMBOL_MAX ||
        packed_value_read(&reader->at, reader->end, true, value) != STATUS_OK) {
        reader->left = 0;
        return STATUS_CORRUPT;
    }
    *symbol = (uint32_t)raw;
    reader->left--;
    return STATUS_OK;
}

struct value packed_find(struct text packed, uint32_t symbol) {
    struct packed_reader reader;
    struct value value;
    uint32_t found;
    if (packed_reader_init(&reader, packed) != STATUS_OK) return value_unknown();
    while (packed_next(&reader, &found, &value) == STATUS_OK) {
        if (found == symbol) return value;
        if (found > symbol) break;
    }
    return value_unknown();
}

void packed_find_each(struct text packed, const uint32_t *symbols, struct value *values,
                      uint32_t count) {
    struct packed_reader reader;
    struct value value;
    uint32_t found, last = 0;
    for (uint32_t i = 0; i < count; i++) {
        values[i] = value_unknown();
        if (symbols[i] <= PROPERTY_SYMBOL_MAX && symbols[i] > last) last = symbols[i];
    }
    if (packed_reader_init(&reader, packed) != STATUS_OK) return;
    while (packed_next(&reader, &found, &value) == STATUS_OK && found <= last) {
        for (uint32_t i = 0; i < count; i++) {
            if (symbols[i] == found) values[i] = value;
        }
    }
}

static enum status check_list(struct value list) {
    struct list_reader reader;
    struct value item;
    enum status status = list_reader_init(&reader, list);
    while (status == STATUS_OK) status = list_next(&reader, &item);
    if (status == STATUS_END) status = reader.at == reader.end ? STATUS_OK : STATUS_CORRUPT;
    return status;
}

enum status packed_check(struct text packed) {
    struct packed_reader reader;
    struct value value;
    uint32_t symbol;
    int64_t before = -1;
    enum status status = packed_reader_init(&reader, packed);
    while (status == STATUS_OK) {
        status = packed_next(&reader, &symbol, &value);
        if (status != STATUS_OK) break;
        if ((int64_t)symbol <= before) return STATUS_CORRUPT;
        before = symbol;
        if (value.type == VALUE_LIST) status = check_list(value);
    }
    if (status == STATUS_END) status = reader.at == reader.end ? STATUS_OK : STATUS_CORRUPT;
    return status;
}
