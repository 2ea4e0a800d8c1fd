/* SPDX-License-Identifier: Apache-2.0 */
/* A load that would correct too much: what it says. */
#include <stdio.h>

#include "base/memory.h"
#include "engine/rows/rows.h"
#include "ingest/file/lines.h"

#define DIFFERENCES_SHOWN 3
#define SHOWN_BYTES       40

static void show_value(struct value value, char out[SHOWN_BYTES + 8]) {
    struct buffer text;
    buffer_init(&text);
    snprintf(out, SHOWN_BYTES + 8, "nothing");
    if (value_is_known(value) && value.type != VALUE_LIST &&
        value_print(value, &text) == STATUS_OK) {
        size_t length = text.length < SHOWN_BYTES ? text.length : SHOWN_BYTES;
        while (length < text.length && length > 0 &&
               ((unsigned char)text.at[length] & 0xC0) == 0x80)
            length--;
        snprintf(out, SHOWN_BYTES + 8, "%.*s%s", (int)length, text.at,
                 length < text.length ? "…" : "");
    } else if (value_is_known(value)) {
        snprintf(out, SHOWN_BYTES + 8, "another list");
    }
    buffer_release(&text);
}

static bool same_value(struct value a, struct value b) {
    if (value_is_known(a) != value_is_known(b) || a.type != b.type) return false;
    if (!value_is_known(a)) return true;
    if (a.type == VALUE_TEXT || a.type == VALUE_LIST) return text_equal(a.text, b.text);
    return value_compare(a, b) == 0 && (a.type != VALUE_MONEY || a.currency == b.currency);
}

/* "revenue 10.00 USD, now 30.00 USD" */
static enum status say_property(const struct engine *engine, struct buffer *out, uint32_t symbol,
                                struct value before, struct value now, uint32_t *told) {
    char shown[2][SHOWN_BYTES + 8];
    struct text name = symbol_text(engine->symbols, SYMBOL_PROPERTY, symbol);
    bool is_hidden = text_equal(name, INGEST_ROWS_PROPERTY);
    if (same_value(before, now) || *told == DIFFERENCES_SHOWN || is_hidden) return STATUS_OK;
    show_value(before, shown[0]);
    show_value(now, shown[1]);
    return buffer_format(out, "%s%.*s %s, now %s", (*told)++ > 0 ? "; " : "", TEXT_ARG(name),
                         shown[0], shown[1]);
}

static enum status say_properties(const struct engine *engine, struct buffer *out,
                                  struct text before, struct text now, uint32_t *told) {
    struct packed_reader reader;
    uint32_t symbol;
    struct value value;
    enum status status = packed_reader_init(&reader, now);
    while (status == STATUS_OK && packed_next(&reader, &symbol, &value) == STATUS_OK)
        status = say_property(engine, out, symbol, packed_find(before, symbol), value, told);
    if (status == STATUS_OK) status = packed_reader_init(&reader, before);
    while (status == STATUS_OK && packed_next(&reader, &symbol, &value) == STATUS_OK) {
        if (!value_is_known(packed_find(now, symbol)))
            status = say_property(engine, out, symbol, value, value_unknown(), told);
    }
    return status;
}

/* " For example line 17: revenue 10.00 USD, now 30.00 USD." */
static enum status say_example(const struct row_load *load, struct buffer *out,
                               const struct stored_row_request *stored) {
    const struct event *event = &load->held.events[stored->event];
    struct text now = event_batch_text(&load->held, event->properties, event->properties_length);
    uint32_t told = 0;
    char time[2][32];
    if (!stored->found) return STATUS_OK;
    enum status status = buffer_format(out, " In line %llu: ", (unsigned long long)event->row_line);
    if (status == STATUS_OK && stored->time_ms != event->time_ms) {
        time_format(stored->time_ms, time[0]);
        time_format(event->time_ms, time[1]);
        told++;
        status = buffer_format(out, "time %s, now %s", time[0], time[1]);
    }
    if (status == STATUS_OK) status = say_properties(load->engine, out, stored->packed, now, &told);
    if (status == STATUS_OK && told == 0) status = buffer_append_text(out, TEXT("whose row it is"));
    return status == STATUS_OK ? buffer_append_text(out, TEXT(".")) : status;
}

static enum status say_examples(struct row_load *load, const uint32_t *examples, uint32_t count,
                                struct buffer *out, struct error *error) {
    struct stored_row_request requests[2];
    struct arena arena;
    enum status status = STATUS_OK;
    arena_init(&arena, 16u << 20);
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
        struct stored_key known;
        bool found;
        status = store_key_find(load->engine->store, load->held.events[examples[i]].key, &known,
                                &found, error);
        requests[i] = (struct stored_row_request){
            .persona = known.persona, .position = known.position, .event = examples[i]};
    }
    if (status == STATUS_OK)
        status = stored_rows_read(load->engine, requests, count, &arena, error);
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
        status = say_example(load, out, &requests[i]);
    arena_release(&arena);
    return status;
}

enum status rows_refuse(struct row_load *load, uint64_t corrections, uint64_t rows,
                        const uint32_t *examples, uint32_t example_count, struct error *error) {
    struct buffer text;
    buffer_init(&text);
    enum status status = say_examples(load, examples, example_count, &text, error);
    if (status == STATUS_OK)
        status = error_set(
            error, STATUS_LIMIT,
            "source %.*s: %llu of %llu rows say something else than the row that is stored "
            "under their key, more than corrections_max lets through: none of them was "
            "applied.%.*s If row_key: does not name one row, mend it and load the files into a new "
            "directory; if they are corrections, raise corrections_max: or say "
            "--accept-corrections",
            TEXT_ARG(load->source->name), (unsigned long long)corrections, (unsigned long long)rows,
            (int)text.length, text.length > 0 ? text.at : "");
    buffer_release(&text);
    return status;
}
