/* SPDX-License-Identifier: Apache-2.0 */
/* Applies a batch in parts, in order, each as one frame. A megabyte of input can become more than a
 * frame of the log may hold: bad rows carry their file's header, and events carry what was joined
 * to them or what their line says of all. */
#include "base/memory.h"
#include "engine/engine_internal.h"

/* The rest: the events' fixed fields, records and symbols. */
#define PART_BYTES_MAX (STORE_FRAME_BYTES_MAX / 2)

bool batch_needs_parts(const struct event_batch *batch) {
    return batch->bytes.length > PART_BYTES_MAX || batch->line_count > BATCH_EVENTS_MAX / 2 ||
           batch->event_count > BATCH_EVENTS_MAX || batch->row_count > BATCH_EVENTS_MAX;
}

static bool is_full(const struct event_batch *part) {
    return part->bytes.length >= PART_BYTES_MAX || part->line_count >= BATCH_EVENTS_MAX / 2 ||
           part->event_count + part->row_count >= BATCH_EVENTS_MAX / 2;
}

static enum status copy_contents(struct event_batch *part, const struct event_batch *whole,
                                 uint32_t *contents, uint8_t count) {
    struct text bytes = event_batch_text(whole, *contents, (uint32_t)(count * sizeof(uint64_t)));
    *contents = (uint32_t)part->bytes.length;
    return count > 0 ? buffer_append_text(&part->bytes, bytes) : STATUS_OK;
}

/* What the part's last event says of the rows that it is made of. */
static enum status copy_rows_of(struct event_batch *part, const struct event_batch *whole,
                                const struct event *from) {
    struct event *event = &part->events[part->event_count - 1];
    enum status status = copy_contents(part, whole, &event->contents, event->content_count);
    event->raw = (uint32_t)part->bytes.length;
    if (status == STATUS_OK)
        status =
            buffer_append_text(&part->bytes, event_batch_text(whole, from->raw, from->raw_length));
    for (uint32_t i = 0; status == STATUS_OK && i < from->line_count; i++) {
        struct event_line *line = event_batch_add_line(part);
        if (line == NULL) return STATUS_NO_MEMORY;
        *line = whole->lines[from->line + i];
        status = copy_contents(part, whole, &line->contents, line->content_count);
    }
    return status;
}

enum status batch_copy_event(struct event_batch *part, const struct event_batch *whole,
                             const struct event *from) {
    struct event *event = event_batch_add(part);
    if (event == NULL) return STATUS_NO_MEMORY;
    struct event copy = *from;
    copy.identifier = event->identifier;
    copy.identifier_count = 0;
    copy.properties = (uint32_t)part->bytes.length;
    copy.line = (uint32_t)part->line_count;
    copy.line_count = 0;
    copy.member = 0;
    *event = copy;
    enum status status = buffer_append_text(
        &part->bytes, event_batch_text(whole, from->properties, from->properties_length));
    if (status == STATUS_OK) status = copy_rows_of(part, whole, from);
    for (uint32_t i = 0; i < from->identifier_count && status == STATUS_OK; i++) {
        const struct event_identifier *given = &whole->identifiers[from->identifier + i];
        status = event_batch_add_identifier(part, given->type,
                                            event_batch_text(whole, given->offset, given->length));
        if (status == STATUS_OK)
            part->identifiers[part->identifier_count - 1].if_known = given->if_known;
    }
    return status;
}

enum status batch_copy_row(struct event_batch *part, const struct event_batch *whole,
                           const struct quarantined_row *row) {
    return event_batch_add_row(
        part, row->source, event_batch_text(whole, row->file, row->file_length), row->line,
        row->column, event_batch_text(whole, row->reason, row->reason_length),
        event_batch_text(whole, row->raw, row->raw_length));
}

/* Where the rows of its events stand. */
static enum status copy_place(struct event_batch *part, const struct event_batch *whole) {
    part->file = (uint32_t)part->bytes.length;
    part->file_length = whole->file_length;
    enum status status =
        buffer_append_text(&part->bytes, event_batch_text(whole, whole->file, whole->file_length));
    part->header = (uint32_t)part->bytes.length;
    part->header_length = whole->header_length;
    return status == STATUS_OK
               ? buffer_append_text(&part->bytes,
                                    event_batch_text(whole, whole->header, whole->header_length))
               : status;
}

/* Rows first, then events, from *taken on, until the part is full. */
static enum status take_part(struct event_batch *part, const struct event_batch *whole,
                             size_t *taken) {
    event_batch_clear(part);
    enum status status = copy_place(part, whole);
    while (status == STATUS_OK && *taken < whole->row_count + whole->event_count &&
           !is_full(part)) {
        size_t at = (*taken)++;
        status = at < whole->row_count
                     ? batch_copy_row(part, whole, &whole->rows[at])
                     : batch_copy_event(part, whole, &whole->events[at - whole->row_count]);
    }
    return status == STATUS_OK ? STATUS_OK : STATUS_NO_MEMORY;
}

void apply_result_add(struct apply_result *sum, const struct apply_result *more) {
    sum->events += more->events;
    sum->repeats += more->repeats;
    sum->quarantined += more->quarantined;
    sum->turned_away += more->turned_away;
    sum->withheld += more->withheld;
    sum->nobodys += more->nobodys;
    sum->corrected += more->corrected;
    sum->retracted += more->retracted;
    sum->joined += more->joined;
    sum->remapped += more->remapped;
    sum->older += more->older;
    sum->left += more->left;
    sum->held += more->held;
    sum->clashes += more->clashes;
    sum->not_compared += more->not_compared;
}

static enum status apply_parts(struct engine *engine, const struct event_batch *batch,
                               struct row_load *load, bool sync, struct apply_result *out,
                               struct error *error) {
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
            status = engine_apply_back(engine, &part, &none, load, sync, &did, error);
        apply_result_add(out, &did);
    }
    event_batch_release(&part);
    return status;
}

enum status engine_apply_parts(struct engine *engine, struct event_batch *batch,
                               struct row_load *load, bool sync, struct apply_result *out,
                               struct error *error) {
    static const struct rows_back none;
    struct apply_result did = {0};
    enum status status = batch_needs_parts(batch)
                             ? apply_parts(engine, batch, load, sync, &did, error)
                             : engine_apply_back(engine, batch, &none, load, sync, &did, error);
    if (out != NULL) *out = did;
    return status;
}

enum status engine_apply_now(struct engine *engine, struct event_batch *batch,
                             struct row_load *load, struct apply_result *out, struct error *error) {
    return engine_apply_parts(engine, batch, load, true, out, error);
}
