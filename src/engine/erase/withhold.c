/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves out what other people's events say about somebody who was erased.
 *
 * A text is looked at as a whole and word by word. A word of digits alone means nothing here, since
 * an article or an order may have the same number. */
#include "engine/erase/erased_values.h"
#include "engine/rows/rows.h"
#include "event/dark.h"
#include "ingest/file/lines.h"

static bool is_digits(struct text word) {
    for (uint32_t i = 0; i < word.length; i++) {
        if (word.at[i] < '0' || word.at[i] > '9') return false;
    }
    return true;
}

bool text_names_erased(const struct engine *engine, struct text text) {
    if (text.length < VALUE_BYTES_TELLING || is_digits(text)) return false;
    if (is_turned_away(engine, SYMBOL_NONE, text)) return true;
    for (uint32_t from = 0, to; from < text.length; from = to + 1) {
        for (to = from; to < text.length && !is_separator(text.at[to]);) to++;
        struct text word = {text.at + from, to - from};
        bool tells = word.length >= VALUE_BYTES_TELLING && word.length < text.length;
        if (tells && !is_digits(word) && is_turned_away(engine, SYMBOL_NONE, word)) return true;
    }
    return false;
}

static bool list_names_erased(const struct engine *engine, struct value list) {
    struct list_reader reader;
    struct value item;
    if (list_reader_init(&reader, list) != STATUS_OK) return false;
    while (list_next(&reader, &item) == STATUS_OK) {
        const uint8_t *at = NULL;
        struct value field;
        uint32_t symbol;
        bool is_text = reader.record == NULL && item.type == VALUE_TEXT;
        if (is_text && text_names_erased(engine, item.text)) return true;
        while (list_next_field(&reader, &at, &symbol, &field) == STATUS_OK) {
            if (field.type == VALUE_TEXT && text_names_erased(engine, field.text)) return true;
        }
    }
    return false;
}

/* ---- dark text: names that nobody declared, and their values ---- */

static bool array_names_erased(const struct engine *engine, struct value array) {
    struct dark_array_reader reader;
    struct value value;
    struct text name;
    if (!dark_array_reader_init(&reader, array)) return false;
    while (dark_array_next(&reader, &value)) {
        if (value.type == VALUE_TEXT && text_names_erased(engine, value.text)) return true;
        while (reader.is_record && dark_array_next_field(&reader, &name, &value)) {
            if (text_names_erased(engine, name)) return true;
            if (value.type == VALUE_TEXT && text_names_erased(engine, value.text)) return true;
        }
    }
    return false;
}

static bool pair_names_erased(const struct engine *engine, enum dark_kind kind, struct text name,
                              struct value value) {
    if (text_names_erased(engine, name)) return true;
    if (kind == DARK_ARRAY) return array_names_erased(engine, value);
    return value.type == VALUE_TEXT && text_names_erased(engine, value.text);
}

static bool dark_names_erased(const struct engine *engine, struct value list) {
    struct dark_reader reader;
    enum dark_kind kind;
    struct text name;
    struct value value;
    if (!dark_reader_list(&reader, list)) return false;
    while (dark_next(&reader, &kind, &name, &value)) {
        if (pair_names_erased(engine, kind, name, value)) return true;
    }
    return false;
}

/* The pairs that name nobody, again. */
static enum status dark_leave_out(const struct engine *engine, struct value list,
                                  struct packed_writer *out, uint64_t *count) {
    struct dark_writer writer;
    struct dark_reader reader;
    enum dark_kind kind;
    struct text name;
    struct value value;
    enum status status = STATUS_OK;
    dark_writer_init(&writer);
    dark_begin(&writer);
    bool more = dark_reader_list(&reader, list);
    while (more && status == STATUS_OK && dark_next(&reader, &kind, &name, &value)) {
        if (pair_names_erased(engine, kind, name, value))
            (*count)++;
        else
            status = dark_add(&writer, kind, name, value);
    }
    if (status == STATUS_OK) status = dark_end(&writer, &value);
    if (status == STATUS_OK) status = packed_add(out, PROPERTY_UNDECLARED, value);
    dark_writer_release(&writer);
    return status;
}

/* ---- events ---- */

/* The rows that an event was made of hold identifiers of other people, too, and these may be of
 * digits alone. */
static bool kept_rows_name_erased(const struct engine *engine, struct value list) {
    struct list_reader reader;
    struct value item;
    if (list_reader_init(&reader, list) != STATUS_OK) return false;
    while (list_next(&reader, &item) == STATUS_OK) {
        struct text text = item.type == VALUE_TEXT ? item.text : (struct text){0};
        for (uint32_t from = 0, to; from < text.length; from = to + 1) {
            for (to = from; to < text.length && !is_separator(text.at[to]);) to++;
            if (to - from >= VALUE_BYTES_TELLING &&
                is_turned_away(engine, SYMBOL_NONE, (struct text){text.at + from, to - from}))
                return true;
        }
    }
    return false;
}

static bool value_names_erased(const struct engine *engine, uint32_t kept, uint32_t symbol,
                               struct value value) {
    if (symbol == PROPERTY_UNDECLARED) return dark_names_erased(engine, value);
    if (symbol == kept && kept_rows_name_erased(engine, value)) return true;
    if (value.type == VALUE_TEXT) return text_names_erased(engine, value.text);
    return value.type == VALUE_LIST && list_names_erased(engine, value);
}

static bool any_names_erased(const struct engine *engine, uint32_t kept, struct text packed) {
    struct packed_reader reader;
    struct value value;
    uint32_t symbol;
    if (packed_reader_init(&reader, packed) != STATUS_OK) return false;
    while (packed_next(&reader, &symbol, &value) == STATUS_OK) {
        if (value_names_erased(engine, kept, symbol, value)) return true;
    }
    return false;
}

/* The event's properties again, behind the batch's bytes, without those that name somebody erased.
 */
static enum status leave_out(const struct engine *engine, uint32_t kept, struct event_batch *batch,
                             struct event *event, struct packed_writer *writer, uint64_t *count) {
    struct packed_reader reader;
    struct buffer copy;
    struct value value;
    uint32_t symbol;
    buffer_init(&copy);
    enum status status = buffer_append_text(
        &copy, event_batch_text(batch, event->properties, event->properties_length));
    uint32_t properties = (uint32_t)batch->bytes.length;
    packed_begin(writer);
    if (status == STATUS_OK) status = packed_reader_init(&reader, buffer_text(&copy));
    while (status == STATUS_OK && packed_next(&reader, &symbol, &value) == STATUS_OK) {
        if (!value_names_erased(engine, kept, symbol, value))
            status = packed_add(writer, symbol, value);
        else if (symbol == PROPERTY_UNDECLARED)
            status = dark_leave_out(engine, value, writer, count);
        else
            (*count)++;
    }
    if (status == STATUS_OK) status = packed_end(writer, &batch->bytes);
    if (status == STATUS_OK) {
        event->properties = properties;
        event->properties_length = (uint32_t)batch->bytes.length - properties;
    }
    buffer_release(&copy);
    return status;
}

enum status properties_withhold(struct engine *engine, struct event_batch *batch,
                                const struct frame_member *members, struct error *error) {
    struct packed_writer writer;
    enum status status = STATUS_OK;
    if (!identity_turns_away(engine->identity)) return STATUS_OK;
    uint32_t kept = symbol_find(engine->symbols, SYMBOL_PROPERTY, INGEST_ROWS_PROPERTY);
    packed_writer_init(&writer);
    for (size_t i = 0; status == STATUS_OK && i < batch->event_count; i++) {
        struct event *event = &batch->events[i];
        struct text packed = event_batch_text(batch, event->properties, event->properties_length);
        if (packed.length > 0 && any_names_erased(engine, kept, packed))
            status = leave_out(engine, kept, batch, event, &writer,
                               &members[event->member].did->withheld);
    }
    packed_writer_release(&writer);
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status, "no memory to leave out what names erased customers");
}
