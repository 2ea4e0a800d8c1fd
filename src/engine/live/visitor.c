/* SPDX-License-Identifier: Apache-2.0 */
/* Customers whom nobody knows: what was given of them, and how they begin. */
#include "base/canonical.h"
#include "base/memory.h"
#include "engine/live/live_internal.h"

#define VISITOR_BYTES_MAX ((size_t)64 << 10)

static enum canonical_case letters_of(const struct playbook *playbook, uint32_t type) {
    for (uint32_t i = 0; i < playbook->identifier_count; i++)
        if (playbook->identifiers[i].symbol == type && playbook->identifiers[i].lower_case)
            return CANONICAL_SMALL;
    return CANONICAL_AS_WRITTEN;
}

static enum status write_identifier(struct buffer *out, uint32_t type, struct text value) {
    enum status status = buffer_append(out, &type, sizeof type);
    if (status == STATUS_OK) status = buffer_append(out, &value.length, sizeof value.length);
    return status == STATUS_OK ? buffer_append_text(out, value) : status;
}

enum status live_write_identifiers(const struct engine_view *view, const struct live_ask *ask,
                                   struct buffer *out) {
    struct arena arena;
    enum status status = STATUS_OK;
    arena_init(&arena, VISITOR_BYTES_MAX);
    for (uint32_t i = 0; i < ask->identifier_count && status == STATUS_OK; i++) {
        const struct live_identifier *given = &ask->identifiers[i];
        uint32_t type = symbol_find(view->data->symbols, SYMBOL_IDENTIFIER, given->type);
        struct text form;
        status =
            canonical_text(given->value, letters_of(view->data->playbook, type), &arena, &form);
        if (status == STATUS_OK && form.length > 0) status = write_identifier(out, type, form);
    }
    arena_release(&arena);
    return status;
}

bool live_next_identifier(struct text *identifiers, uint32_t *type, struct text *value) {
    const uint32_t head = sizeof *type + sizeof value->length;
    if (identifiers->length < head) return false;
    memcpy(type, identifiers->at, sizeof *type);
    memcpy(&value->length, identifiers->at + sizeof *type, sizeof value->length);
    if (value->length > identifiers->length - head) return false;
    value->at = identifiers->at + head;
    identifiers->at += head + value->length;
    identifiers->length -= head + value->length;
    return true;
}

enum status live_begin_customer(struct engine *engine, struct text identifiers, int64_t t_ms,
                                struct error *error) {
    struct live *live = engine->live;
    struct event_batch batch;
    struct packed_writer writer;
    struct text value;
    uint32_t type;
    event_batch_init(&batch);
    packed_writer_init(&writer);
    packed_begin(&writer);
    enum status status = packed_end(&writer, &batch.bytes);
    struct event *event = status == STATUS_OK ? event_batch_add(&batch) : NULL;
    if (event != NULL) {
        event->time_ms = event->known_ms = t_ms;
        event->type = (uint16_t)live->asked_for;
        event->channel = (uint8_t)live->channel;
        event->source = (uint16_t)live->source;
        event->properties_length = (uint32_t)batch.bytes.length;
    } else {
        status = STATUS_NO_MEMORY;
    }
    while (status == STATUS_OK && live_next_identifier(&identifiers, &type, &value))
        status = event_batch_add_identifier(&batch, type, value);
    if (status == STATUS_OK) status = engine_apply_parts(engine, &batch, NULL, false, NULL, error);
    packed_writer_release(&writer);
    event_batch_release(&batch);
    return status;
}
