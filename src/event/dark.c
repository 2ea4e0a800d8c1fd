/* SPDX-License-Identifier: Apache-2.0 */
#include "event/dark.h"

#include "event/packed_cell.h"

static const struct text end_mark = {"\xfe\xff", 2};

/* ---- writing ---- */

void dark_writer_init(struct dark_writer *writer) {
    packed_list_init(&writer->list);
    writer->count = writer->left = 0;
}

void dark_writer_release(struct dark_writer *writer) {
    packed_list_release(&writer->list);
}

void dark_begin(struct dark_writer *writer) {
    packed_list_begin(&writer->list);
    writer->count = writer->left = 0;
}

static bool is_named(enum dark_kind kind) {
    return kind == DARK_PROPERTY || kind == DARK_ARRAY;
}

static bool fits(const struct dark_writer *writer, enum dark_kind kind, struct text name,
                 struct value value) {
    /* the event's own words are at most two of SYMBOL_BYTES_MAX */
    if (!is_named(kind)) return true;
    size_t bytes = writer->list.bytes.length + name.length + 2 * PACKED_HEAD_MAX;
    if (value.type == VALUE_TEXT) bytes += value.text.length;
    if (value.type == VALUE_LIST || name.length > SYMBOL_BYTES_MAX) return false;
    if (name.length == 0 || writer->count == DARK_NAMES_MAX) return false;
    return bytes <= DARK_BYTES_MAX;
}

enum status dark_add(struct dark_writer *writer, enum dark_kind kind, struct text name,
                     struct value value) {
    char key[SYMBOL_BYTES_MAX + 1];
    if (!packed_value_is_known(&value)) return STATUS_OK;
    if (!fits(writer, kind, name, value)) {
        writer->left++;
        return STATUS_OK;
    }
    key[0] = (char)kind;
    if (name.length > 0) memcpy(key + 1, name.at, name.length);
    enum status status =
        packed_list_add(&writer->list, value_text((struct text){key, name.length + 1}));
    if (status == STATUS_OK) status = packed_list_add(&writer->list, value);
    writer->count += is_named(kind);
    return status == STATUS_LIMIT ? STATUS_OK : status; /* `fits` is stricter */
}

enum status dark_end(struct dark_writer *writer, struct value *out) {
    *out = value_unknown();
    if (writer->list.count == 0) return STATUS_OK;
    enum status status = packed_list_add(&writer->list, value_text(end_mark));
    return status == STATUS_OK ? packed_list_end(&writer->list, out) : status;
}

/* ---- reading ---- */

bool dark_reader_list(struct dark_reader *reader, struct value list) {
    return list.type == VALUE_LIST && list_reader_init(&reader->list, list) == STATUS_OK;
}

bool dark_reader_init(struct dark_reader *reader, struct text packed) {
    return packed_may_be_dark(packed) &&
           dark_reader_list(reader, packed_find(packed, PROPERTY_UNDECLARED));
}

bool dark_next(struct dark_reader *reader, enum dark_kind *kind, struct text *name,
               struct value *value) {
    struct value key;
    if (list_next(&reader->list, &key) != STATUS_OK || key.type != VALUE_TEXT ||
        key.text.length == 0 || list_next(&reader->list, value) != STATUS_OK ||
        !value_is_known(*value)) {
        return false;
    }
    *kind = (enum dark_kind)key.text.at[0];
    *name = (struct text){key.text.at + 1, key.text.length - 1};
    return true;
}

static struct text word_of(struct text packed, enum dark_kind wanted) {
    struct dark_reader reader;
    enum dark_kind kind;
    struct text name;
    struct value value;
    bool is_dark = dark_reader_init(&reader, packed);
    while (is_dark && dark_next(&reader, &kind, &name, &value)) {
        if (kind == wanted && value.type == VALUE_TEXT) return value.text;
    }
    return (struct text){"", 0};
}

struct text dark_event_name(struct text packed) {
    return word_of(packed, DARK_EVENT);
}

struct text dark_channel_word(struct text packed) {
    return word_of(packed, DARK_CHANNEL);
}

uint16_t dark_event_type(struct symbols *symbols, struct text packed) {
    struct text name = dark_event_name(packed);
    uint32_t type = name.length > 0 ? symbol_find(symbols, SYMBOL_EVENT, name) : SYMBOL_NONE;
    return type == SYMBOL_NONE ? (uint16_t)EVENT_UNDECLARED : (uint16_t)type;
}

uint8_t dark_channel(struct symbols *symbols, struct text packed) {
    struct text word = dark_channel_word(packed);
    uint32_t channel = word.length > 0 ? symbol_find(symbols, SYMBOL_CHANNEL, word) : SYMBOL_NONE;
    return channel == SYMBOL_NONE ? (uint8_t)CHANNEL_UNDECLARED : (uint8_t)channel;
}

struct text event_own_name(const struct symbols *symbols, uint16_t type, struct text packed) {
    struct text name = type == EVENT_UNDECLARED ? dark_event_name(packed) : (struct text){0};
    return name.length > 0 ? name : symbol_text(symbols, SYMBOL_EVENT, type);
}

struct text event_own_channel(const struct symbols *symbols, uint8_t channel, struct text packed) {
    struct text word = channel == CHANNEL_UNDECLARED ? dark_channel_word(packed) : (struct text){0};
    return word.length > 0 ? word : symbol_text(symbols, SYMBOL_CHANNEL, channel);
}

uint16_t dark_currency(struct value list) {
    struct dark_reader reader;
    enum dark_kind kind;
    struct text name;
    struct value value;
    uint16_t currency = 0;
    bool is_dark = dark_reader_list(&reader, list);
    while (is_dark && dark_next(&reader, &kind, &name, &value)) {
        if (kind == DARK_CURRENCY && value.type == VALUE_TEXT &&
            currency_from_text(value.text, &currency) == STATUS_OK) {
            return currency;
        }
    }
    return 0;
}

void dark_scratch_init(struct dark_scratch *scratch) {
    buffer_init(&scratch->text);
    packed_list_init(&scratch->list);
}

void dark_scratch_release(struct dark_scratch *scratch) {
    buffer_release(&scratch->text);
    packed_list_release(&scratch->list);
}

/* Reads a value of JSON or CSV as the type that a playbook declares: "12.50" as a number, 12.5 as
 * money. A value that can't be read so is unknown. */
static struct value as_type(struct value value, enum value_type type, uint16_t currency,
                            struct dark_scratch *scratch, bool *made) {
    struct value out;
    struct text text = value.text;
    if (value.type == type || type == VALUE_UNKNOWN) return value;
    if (value.type == VALUE_NUMBER && (type == VALUE_TEXT || type == VALUE_MONEY)) {
        buffer_clear(&scratch->text);
        if (value_print(value, &scratch->text) != STATUS_OK) return value_unknown();
        text = buffer_text(&scratch->text);
        *made = type == VALUE_TEXT;
    } else if (value.type != VALUE_TEXT || type == VALUE_LIST) {
        return value_unknown();
    }
    return value_parse(text, type, currency, NULL, &out) == STATUS_OK ? out : value_unknown();
}

struct value dark_read(const struct dark_reading *reading, enum dark_kind kind, struct value value,
                       struct value declared, enum value_type type, bool *made) {
    *made = false;
    if (kind == DARK_ARRAY && type == VALUE_LIST)
        return dark_array_list(reading, value, declared, made);
    if (value_is_known(declared) || kind != DARK_PROPERTY) return declared;
    return as_type(value, type, reading->currency, reading->scratch, made);
}

struct value dark_find(struct text packed, struct symbols *symbols, uint32_t names,
                       struct column column, struct dark_scratch *scratch, bool *made) {
    struct value declared = packed_find(packed, column.property), value;
    struct dark_reader reader;
    enum dark_kind kind;
    struct text name;
    *made = false;
    if (!packed_may_be_dark(packed) || column.property >= names) return declared;
    if (value_is_known(declared) && declared.type != VALUE_LIST) return declared;
    struct value list = packed_find(packed, PROPERTY_UNDECLARED);
    struct text wanted = symbol_text(symbols, SYMBOL_PROPERTY, column.property);
    if (!dark_reader_list(&reader, list)) return declared;
    while (dark_next(&reader, &kind, &name, &value)) {
        if (!is_named(kind) || !text_equal(name, wanted)) continue;
        const struct dark_reading reading = {symbols, names, dark_currency(list), scratch};
        return dark_read(&reading, kind, value, declared, column.type, made);
    }
    return declared;
}

struct value dark_find_named(struct text packed, struct symbols *symbols, struct text name) {
    uint32_t symbol = symbol_find(symbols, SYMBOL_PROPERTY, name);
    struct value value = symbol == SYMBOL_NONE ? value_unknown() : packed_find(packed, symbol);
    struct dark_reader reader;
    enum dark_kind kind;
    struct text found;
    if (value_is_known(value) || !dark_reader_init(&reader, packed)) return value;
    while (dark_next(&reader, &kind, &found, &value)) {
        if (kind == DARK_PROPERTY && text_equal(found, name)) return value;
    }
    return value_unknown();
}
