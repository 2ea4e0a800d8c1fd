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
                                       size_t from, bool sync, struct error *error) {
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
                            sync, error);
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

/* Events that have their personas stand last, and identity does not look at them. */
static enum status resolve(struct engine *engine, struct event_batch *batch,
                           const struct frame_member *members, struct identity_result *result,
                           struct error *error) {
    size_t count = batch->event_count;
    while (batch->event_count > 0 &&
           members[batch->events[batch->event_count - 1].member].has_personas)
        batch->event_count--;
    size_t resolved = batch->event_count;
    enum status status =
        identity_resolve(engine->identity, batch, store_position(engine->store), result, error);
    batch->event_count = count;
    if (status != STATUS_OK || result->blocked_count == 0) return status;
    for (size_t i = 0; i < resolved; i++)
        members[batch->events[i].member].did->nobodys += batch->events[i].nobodys;
    return STATUS_OK;
}

/* From the personas on to the frame. */
static enum status write_frame(struct engine *engine, struct event_batch *batch,
                               const struct frame_member *members, const struct rows_back *back,
                               bool sync, struct identity_result *result, size_t *noted,
                               struct error *error) {
    uint64_t *ids = NULL;
    struct rows_back leaving;
    enum status status = rows_settle(engine, batch, members, error);
    if (status == STATUS_OK) status = rows_withdraw_support(engine, batch, result, error);
    if (status == STATUS_OK) status = properties_withhold(engine, batch, members, error);
    size_t room = BATCH_EVENTS_MAX - batch->event_count;
    *noted = result->change_count < room ? result->change_count : room;
    if (status == STATUS_OK && *noted > 0)
        status = note_changes(engine, batch, result->changes, *noted);
    if (status == STATUS_OK) status = without_held(back, members[0].load, &ids, &leaving);
    if (status == STATUS_OK)
        status =
            append(engine, batch, result, (struct text){0}, &leaving, engine->frame, sync, error);
    memory_free(ids);
    return status;
}

/* Rates that were measured as known by then stand beside decisions of the engine's own. */
static void note_decisions(struct engine *engine, const struct event_batch *batch, uint64_t from) {
    int64_t earliest_ms = INT64_MAX;
    if (batch->event_count == 0 || batch->row_count > 0) return;
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        if (event->type != EVENT_DECISION_MADE || event->identifier_count > 0) return;
        if (event->time_ms < earliest_ms) earliest_ms = event->time_ms;
    }
    rates_note_decisions(engine, from, store_position(engine->store), earliest_ms);
}

void engine_note_moved(struct engine *engine) {
    engine->moved_position = store_position(engine->store);
}

/* Does the frame change a timeline on which it puts no event? */
static bool moves_others(const struct row_frame *frame, const struct event_batch *batch,
                         const struct identity_result *result) {
    if (frame->change_count > 0) return true;
    for (size_t i = 0; i < result->change_count; i++)
        if (result->changes[i].is_split || result->changes[i].persona.value == ID_NONE) return true;
    for (size_t i = 0; i < batch->event_count; i++)
        if (batch->events[i].replaces != 0) return true;
    return false;
}

enum status apply_frame(struct engine *engine, struct event_batch *batch,
                        const struct frame_member *members, const struct rows_back *back, bool sync,
                        bool *written, struct error *error) {
    struct identity_result result;
    uint64_t from = store_position(engine->store);
    size_t noted = 0;
    sync = sync || back->count > 0; /* store_append_dropping syncs */
    enum status status = rows_sort(engine, batch, members, error);
    if (status == STATUS_OK) status = resolve(engine, batch, members, &result, error);
    if (status == STATUS_OK) {
        status = write_frame(engine, batch, members, back, sync, &result, &noted, error);
        if (status != STATUS_OK)
            identity_undo(engine->identity);
        else if (sync)
            identity_commit(engine->identity);
        else
            identity_commit_written(engine->identity);
    }
    if (status != STATUS_OK || back->count > 0) known_rows_forget(engine);
    *written = status == STATUS_OK;
    if (*written && moves_others(engine->frame, batch, &result)) engine_note_moved(engine);
    if (*written) note_decisions(engine, batch, from);
    if (status == STATUS_OK)
        status = engine_append_more_changes(engine, &result, noted, sync, error);
    if (status == STATUS_NO_MEMORY)
        (void)error_set(error, status,
                        "out of memory while applying a batch; nothing of it was kept");
    return status;
}

enum status engine_apply_back(struct engine *engine, struct event_batch *batch,
                              const struct rows_back *back, struct row_load *load, bool sync,
                              struct apply_result *out, struct error *error) {
    struct apply_result did = {.quarantined = batch->row_count};
    const struct frame_member member = {.load = load,
                                        .did = &did,
                                        .file = batch->file,
                                        .file_length = batch->file_length,
                                        .header = batch->header,
                                        .header_length = batch->header_length};
    bool written;
    enum status status = apply_frame(engine, batch, &member, back, sync, &written, error);
    if (out != NULL) *out = did;
    return status;
}

enum status engine_apply(struct engine *engine, struct event_batch *batch, struct apply_result *out,
                         struct error *error) {
    struct change change = {.batch = batch};
    enum status status = applier_apply(engine->applier, &change, APPLIER_PATIENCE_MS, error);
    if (out != NULL) *out = change.did;
    return status;
}

struct folding {
    bool merge;
    struct work *work;
};

static enum status fold(struct engine *engine, void *context, struct error *error) {
    const struct folding *folding = context;
    store_watch(engine->store, folding->work);
    enum status status = store_fold(engine->store, folding->merge, error);
    store_watch(engine->store, NULL);
    return status;
}

enum status engine_fold(struct engine *engine, bool merge, struct work *work, struct error *error) {
    struct folding folding = {merge, work};
    return applier_call(engine->applier, fold, &folding, error);
}

static enum status rebuild(struct engine *engine, void *context, struct error *error) {
    store_watch(engine->store, context);
    enum status status = store_rebuild(engine->store, error);
    store_watch(engine->store, NULL);
    return status;
}

enum status engine_rebuild(struct engine *engine, struct work *work, struct error *error) {
    return applier_call(engine->applier, rebuild, work, error);
}
