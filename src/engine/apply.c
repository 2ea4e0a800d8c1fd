/* SPDX-License-Identifier: Apache-2.0 */
/* batch → rows judged → personas → repeats dropped → merges noted → one frame, synced → visible. */
#include <stdio.h>

#include "base/memory.h"
#include "engine/rows/rows.h"

/* A merge or a split is itself something that happened to the customer. */
static enum status note_changes(struct engine *engine, struct event_batch *batch,
                                const struct identity_change *changes, size_t count) {
    struct packed_writer writer;
    uint32_t system_channel, source;
    enum status status =
        symbol_add(engine->symbols, SYMBOL_CHANNEL, TEXT("system"), &system_channel);
    if (status == STATUS_OK)
        status = symbol_add(engine->symbols, SYMBOL_SOURCE, TEXT("identity"), &source);
    packed_writer_init(&writer);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct identity_change *change = &changes[i];
        if (change->persona.value == ID_NONE) continue;
        char other[16];
        int length = snprintf(other, sizeof other, "C%u", change->other.value);
        uint32_t properties = (uint32_t)batch->bytes.length;
        packed_begin(&writer);
        status =
            packed_add(&writer, PROPERTY_TO, value_text((struct text){other, (uint32_t)length}));
        if (status == STATUS_OK) status = packed_end(&writer, &batch->bytes);
        struct event *event = status == STATUS_OK ? event_batch_add(batch) : NULL;
        if (status == STATUS_OK && event == NULL) status = STATUS_NO_MEMORY;
        if (status != STATUS_OK) break;
        event->time_ms = event->known_ms = change->known_ms;
        event->persona = change->persona;
        event->type = change->is_split ? EVENT_CUSTOMER_SPLIT : EVENT_CUSTOMER_MERGED;
        event->channel = (uint8_t)system_channel;
        event->source = (uint16_t)source;
        event->properties = properties;
        event->properties_length = (uint32_t)batch->bytes.length - properties;
    }
    packed_writer_release(&writer);
    return status;
}

/* `control`: a control record for the same frame, or empty. */
static enum status append(struct engine *engine, struct event_batch *batch,
                          const struct identity_result *result, struct text control,
                          const struct rows_back *back, const struct row_frame *changes, bool sync,
                          struct error *error) {
    struct store_record records[2];
    size_t record_count = 0;
    if (result->record.length > 0)
        records[record_count++] = (struct store_record){RECORD_IDENTITY, result->record};
    if (control.length > 0)
        records[record_count++] = (struct store_record){RECORD_CONTROL, control};
    struct store_frame frame = {.batch = batch,
                                .records = records,
                                .record_count = record_count,
                                .changes = changes->changes,
                                .change_count = changes->change_count};
    uint64_t position;
    enum status status = STATUS_OK;
    if (back->count > 0) {
        status = store_append_dropping(engine->store, &frame, back->row_ids, back->count, &position,
                                       error);
    } else if (batch->event_count > 0 || batch->row_count > 0 || frame.record_count > 0 ||
               frame.change_count > 0) {
        status = store_append(engine->store, &frame, sync, &position, error);
    }
    /* After the write, so that nobody reads the earlier rows and takes them for the present ones.
     */
    if (back->count > 0 || batch->row_count > 0) holds_changed(&engine->holds);
    return status;
}

enum status engine_append_change(struct engine *engine, struct event_batch *batch,
                                 const struct identity_result *result, struct text control,
                                 bool sync, struct error *error) {
    static const struct rows_back none;
    static const struct row_frame no_changes;
    size_t count =
        result->change_count < BATCH_EVENTS_MAX ? result->change_count : BATCH_EVENTS_MAX;
    enum status status =
        count > 0 ? note_changes(engine, batch, result->changes, count) : STATUS_OK;
    if (status != STATUS_OK) return status;
    return append(engine, batch, result, control, &none, &no_changes, sync, error);
}

enum status engine_append_more_changes(struct engine *engine, const struct identity_result *result,
                                       size_t from, struct error *error) {
    static const struct identity_result nothing_more;
    static const struct rows_back none;
    static const struct row_frame no_changes;
    struct event_batch batch;
    enum status status = STATUS_OK;
    event_batch_init(&batch);
    for (size_t at = from; status == STATUS_OK && at < result->change_count;
         at += BATCH_EVENTS_MAX) {
        size_t left = result->change_count - at;
        event_batch_clear(&batch);
        status = note_changes(engine, &batch, result->changes + at,
                              left < BATCH_EVENTS_MAX ? left : BATCH_EVENTS_MAX);
        if (status == STATUS_OK)
            status = append(engine, &batch, &nothing_more, (struct text){0}, &none, &no_changes,
                            true, error);
    }
    event_batch_release(&batch);
    return status;
}

/* The rows of what the load holds stay in quarantine for now. */
static enum status without_held(const struct rows_back *back, const struct row_load *load,
                                uint64_t **ids, struct rows_back *out) {
    *ids = NULL;
    *out = *back;
    if (back->count == 0 || load == NULL || load->row_count == 0) return STATUS_OK;
    *ids = memory_alloc(back->count * sizeof **ids);
    if (*ids == NULL) return STATUS_NO_MEMORY;
    *out = (struct rows_back){*ids, 0};
    for (size_t i = 0; i < back->count; i++) {
        bool is_held = false;
        for (size_t k = 0; !is_held && k < load->held.event_count; k++)
            is_held = load->held.events[k].origin == back->row_ids[i];
        if (!is_held) (*ids)[out->count++] = back->row_ids[i];
    }
    return STATUS_OK;
}

enum status engine_apply_back(struct engine *engine, struct event_batch *batch,
                              const struct rows_back *back, struct row_load *load, bool sync,
                              struct apply_result *out, struct error *error) {
    struct identity_result result;
    struct apply_result did = {.quarantined = batch->row_count};
    enum status status = rows_sort(engine, batch, load, &did, error);
    if (status == STATUS_OK)
        status = identity_resolve(engine->identity, batch, store_position(engine->store), &result,
                                  error);
    if (status != STATUS_OK) return status;
    status = rows_settle(engine, batch, &did, error);
    size_t blocked = result.blocked_count;
    if (status == STATUS_OK) status = rows_withdraw_support(engine, batch, &result, error);
    if (status == STATUS_OK) status = properties_withhold(engine, batch, &did.withheld, error);
    size_t room = BATCH_EVENTS_MAX - batch->event_count,
           noted = result.change_count < room ? result.change_count : room;
    did.nobodys = blocked;
    if (status == STATUS_OK && noted > 0)
        status = note_changes(engine, batch, result.changes, noted);
    uint64_t *ids = NULL;
    struct rows_back leaving;
    if (status == STATUS_OK) status = without_held(back, load, &ids, &leaving);
    if (status == STATUS_OK)
        status =
            append(engine, batch, &result, (struct text){0}, &leaving, engine->frame, sync, error);
    memory_free(ids);
    if (status == STATUS_OK)
        identity_commit(engine->identity);
    else
        identity_undo(engine->identity);
    if (status != STATUS_OK || back->count > 0) known_rows_forget(engine);
    if (status == STATUS_OK) status = engine_append_more_changes(engine, &result, noted, error);
    if (status == STATUS_NO_MEMORY)
        (void)error_set(error, status,
                        "out of memory while applying a batch; nothing of it was kept");
    if (out != NULL) *out = did;
    return status;
}
