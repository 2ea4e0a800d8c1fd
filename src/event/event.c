/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event.h"

#include <assert.h>

#include "base/memory.h"

void event_batch_init(struct event_batch *batch) {
    *batch = (struct event_batch){0};
    buffer_init(&batch->bytes);
}

void event_batch_release(struct event_batch *batch) {
    memory_free(batch->events);
    memory_free(batch->identifiers);
    memory_free(batch->rows);
    memory_free(batch->lines);
    buffer_release(&batch->bytes);
    event_batch_init(batch);
}

void event_batch_clear(struct event_batch *batch) {
    batch->event_count = batch->identifier_count = batch->row_count = batch->line_count = 0;
    batch->file_length = batch->header_length = 0;
    buffer_clear(&batch->bytes);
}

static const struct event blank = {.version = ROW_VERSION_NONE};

struct event *event_batch_add(struct event_batch *batch) {
    if (memory_grow((void **)&batch->events, &batch->event_capacity, batch->event_count + 1,
                    sizeof *batch->events) != STATUS_OK) {
        return NULL;
    }
    struct event *event = &batch->events[batch->event_count++];
    *event = blank; /* a copy of constants takes fewer steps than clearing so many bytes */
    event->identifier = (uint32_t)batch->identifier_count;
    event->line = (uint32_t)batch->line_count;
    return event;
}

struct event_line *event_batch_add_line(struct event_batch *batch) {
    assert(batch->event_count > 0);
    if (memory_grow((void **)&batch->lines, &batch->line_capacity, batch->line_count + 1,
                    sizeof *batch->lines) != STATUS_OK) {
        return NULL;
    }
    struct event_line *line = &batch->lines[batch->line_count++];
    *line = (struct event_line){.version = ROW_VERSION_NONE};
    batch->events[batch->event_count - 1].line_count++;
    return line;
}

/* Offsets are 32 bits wide. */
static enum status append_bytes(struct event_batch *batch, struct text text, uint32_t *offset) {
    if (batch->bytes.length + text.length > UINT32_MAX) return STATUS_LIMIT;
    *offset = (uint32_t)batch->bytes.length;
    return buffer_append_text(&batch->bytes, text);
}

enum status event_batch_add_identifier(struct event_batch *batch, uint32_t type,
                                       struct text value) {
    assert(batch->event_count > 0);
    struct event *event = &batch->events[batch->event_count - 1];
    if (event->identifier_count == EVENT_IDENTIFIERS_MAX) return STATUS_LIMIT;
    if (value.length == 0 || value.length > IDENTIFIER_BYTES_MAX) return STATUS_INVALID;
    enum status status = memory_grow((void **)&batch->identifiers, &batch->identifier_capacity,
                                     batch->identifier_count + 1, sizeof *batch->identifiers);
    if (status != STATUS_OK) return status;
    struct event_identifier *identifier = &batch->identifiers[batch->identifier_count];
    *identifier = (struct event_identifier){.type = type, .length = value.length};
    status = append_bytes(batch, value, &identifier->offset);
    if (status != STATUS_OK) return status;
    batch->identifier_count++;
    event->identifier_count++;
    return STATUS_OK;
}

enum status event_batch_add_row(struct event_batch *batch, uint16_t source, struct text file,
                                uint64_t line, uint32_t column, struct text reason,
                                struct text raw) {
    enum status status = memory_grow((void **)&batch->rows, &batch->row_capacity,
                                     batch->row_count + 1, sizeof *batch->rows);
    if (status != STATUS_OK) return status;
    struct quarantined_row *row = &batch->rows[batch->row_count];
    *row = (struct quarantined_row){.source = source,
                                    .line = line,
                                    .column = column,
                                    .file_length = file.length,
                                    .reason_length = reason.length,
                                    .raw_length = raw.length,
                                    .rows = 1};
    size_t length = batch->bytes.length;
    status = append_bytes(batch, file, &row->file);
    if (status == STATUS_OK) status = append_bytes(batch, reason, &row->reason);
    if (status == STATUS_OK) status = append_bytes(batch, raw, &row->raw);
    if (status != STATUS_OK) {
        batch->bytes.length = length;
        return status;
    }
    batch->row_count++;
    return STATUS_OK;
}

/* Room for all of `from`, so that nothing fails once copying has begun. */
static enum status reserve_join(struct event_batch *to, const struct event_batch *from) {
    if (to->bytes.length + from->bytes.length > UINT32_MAX) return STATUS_LIMIT;
    enum status status = buffer_reserve(&to->bytes, from->bytes.length);
    if (status == STATUS_OK)
        status = memory_grow((void **)&to->events, &to->event_capacity,
                             to->event_count + from->event_count, sizeof *to->events);
    if (status == STATUS_OK)
        status =
            memory_grow((void **)&to->identifiers, &to->identifier_capacity,
                        to->identifier_count + from->identifier_count, sizeof *to->identifiers);
    if (status == STATUS_OK)
        status = memory_grow((void **)&to->rows, &to->row_capacity, to->row_count + from->row_count,
                             sizeof *to->rows);
    if (status == STATUS_OK)
        status = memory_grow((void **)&to->lines, &to->line_capacity,
                             to->line_count + from->line_count, sizeof *to->lines);
    return status;
}

/* Their bytes begin at `base`. */
static void join_rows(struct event_batch *to, const struct event_batch *from, uint32_t base) {
    for (size_t i = 0; i < from->row_count; i++) {
        struct quarantined_row *row = &to->rows[to->row_count++];
        *row = from->rows[i];
        row->file += base;
        row->reason += base;
        row->raw += base;
    }
    for (size_t i = 0; i < from->line_count; i++) {
        struct event_line *line = &to->lines[to->line_count++];
        *line = from->lines[i];
        line->contents += base;
    }
}

enum status event_batch_join(struct event_batch *to, const struct event_batch *from,
                             uint32_t member) {
    enum status status = reserve_join(to, from);
    if (status != STATUS_OK) return status;
    uint32_t base = (uint32_t)to->bytes.length, identifiers = (uint32_t)to->identifier_count,
             lines = (uint32_t)to->line_count;
    if (from->bytes.length > 0) memcpy(to->bytes.at + base, from->bytes.at, from->bytes.length);
    to->bytes.length += from->bytes.length;
    for (size_t i = 0; i < from->event_count; i++) {
        struct event *event = &to->events[to->event_count++];
        *event = from->events[i];
        event->member = member;
        event->identifier += identifiers;
        event->properties += base;
        event->contents += base;
        event->raw += base;
        event->line += lines;
    }
    for (size_t i = 0; i < from->identifier_count; i++) {
        struct event_identifier *identifier = &to->identifiers[to->identifier_count++];
        *identifier = from->identifiers[i];
        identifier->offset += base;
    }
    join_rows(to, from, base);
    return STATUS_OK;
}
