/* SPDX-License-Identifier: Apache-2.0 */
/* A megabyte of input can become more than a frame of the log takes: bad rows carry their file's
 * header, events what was joined to them or what their line says of all. Such a batch is applied in
 * parts, in order, each as one frame. */
#include "base/memory.h"
#include "engine/private.h"

/* The rest: the events' fixed fields, records and symbols. */
#define PART_BYTES_MAX (STORE_FRAME_BYTES_MAX / 2)

bool batch_needs_parts(const struct event_batch *batch) {
    return batch->bytes.length > PART_BYTES_MAX || batch->event_count > BATCH_EVENTS_MAX ||
           batch->row_count > BATCH_EVENTS_MAX;
}

static bool is_full(const struct event_batch *part) {
    return part->bytes.length >= PART_BYTES_MAX ||
           part->event_count + part->row_count >= BATCH_EVENTS_MAX / 2;
}

static enum status copy_event(struct event_batch *part, const struct event_batch *whole,
                              const struct event *from) {
    struct event *event = event_batch_add(part);
    if (event == NULL) return STATUS_NO_MEMORY;
    struct event copy = *from;
    copy.identifier = event->identifier;
    copy.identifier_count = 0;
    copy.properties = (uint32_t)part->bytes.length;
    *event = copy;
    enum status status = buffer_append_text(
        &part->bytes, event_batch_text(whole, from->properties, from->properties_length));
    for (uint32_t i = 0; i < from->identifier_count && status == STATUS_OK; i++) {
        const struct event_identifier *given = &whole->identifiers[from->identifier + i];
        status = event_batch_add_identifier(part, given->type,
                                            event_batch_text(whole, given->offset, given->length));
    }
    return status;
}

static enum status copy_row(struct event_batch *part, const struct event_batch *whole,
                            const struct quarantined_row *row) {
    return event_batch_add_row(
        part, row->source, event_batch_text(whole, row->file, row->file_length), row->line,
        row->column, event_batch_text(whole, row->reason, row->reason_length),
        event_batch_text(whole, row->raw, row->raw_length));
}

/* Rows first, then events, from *taken on, until the part is full. */
static enum status take_part(struct event_batch *part, const struct event_batch *whole,
                             size_t *taken) {
    enum status status = STATUS_OK;
    event_batch_clear(part);
    while (status == STATUS_OK && *taken < whole->row_count + whole->event_count &&
           !is_full(part)) {
        size_t at = (*taken)++;
        status = at < whole->row_count
                     ? copy_row(part, whole, &whole->rows[at])
                     : copy_event(part, whole, &whole->events[at - whole->row_count]);
    }
    return status == STATUS_OK ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status apply_parts(struct engine *engine, const struct event_batch *batch, bool sync,
                               struct apply_result *out, struct error *error) {
    static const struct rows_back none;
    struct event_batch part;
    enum status status = STATUS_OK;
    event_batch_init(&part);
    for (size_t taken = 0; status == STATUS_OK && taken < batch->row_count + batch->event_count;) {
        struct apply_result did = {0};
        status = take_part(&part, batch, &taken);
        if (status != STATUS_OK)
            (void)error_set(error, status, "out of memory while applying a batch");
        else
            status = engine_apply_back(engine, &part, &none, sync, &did, error);
        out->events += did.events;
        out->repeats += did.repeats;
        out->quarantined += did.quarantined;
        out->turned_away += did.turned_away;
        out->withheld += did.withheld;
        out->nobodys += did.nobodys;
    }
    event_batch_release(&part);
    return status;
}

enum status engine_apply(struct engine *engine, struct event_batch *batch, bool sync,
                         struct apply_result *out, struct error *error) {
    static const struct rows_back none;
    struct apply_result did = {0};
    enum status status = batch_needs_parts(batch)
                             ? apply_parts(engine, batch, sync, &did, error)
                             : engine_apply_back(engine, batch, &none, sync, &did, error);
    if (out != NULL) *out = did;
    return status;
}
