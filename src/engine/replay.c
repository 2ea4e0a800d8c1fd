/* SPDX-License-Identifier: Apache-2.0 */
/* Reads rows in quarantine again, under the playbook in force. */
#include <stdio.h>

#include "base/memory.h"
#include "engine/rows/rows.h"

struct replay {
    struct engine *engine;
    const char *source;
    struct event_batch batch;
    struct buffer dropped; /* uint64_t row ids that came back */
    struct replay_report report;
    uint64_t dropped_rows; /* of the files, as what is in `dropped` */
    struct row_load rows;
    const struct lookup_table *const *tables;
    bool more; /* rows are left for another frame */
    enum status status;
    struct error *error;
};

/* One frame takes it, with room for what the last row may still bring. */
static bool is_full(const struct replay *replay) {
    return replay->batch.event_count >= BATCH_EVENTS_MAX / 2 ||
           replay->batch.bytes.length >= STORE_FRAME_BYTES_MAX / 4;
}

/* Of a line of several messages some may come back: what the others leave is a row of its own, and
 * waits on. */
static enum status take_back(struct replay *replay, const struct event_batch *before,
                             const struct stored_row *row, enum status status) {
    struct event_batch *batch = &replay->batch;
    uint64_t rows = engine_row_count(replay->engine, row);
    if (status == STATUS_OK && batch->event_count > before->event_count) {
        for (size_t i = before->event_count; i < batch->event_count; i++)
            batch->events[i].origin = row->row_id;
        replay->report.still_quarantined += batch->row_count > before->row_count;
        replay->dropped_rows += rows;
        return buffer_append(&replay->dropped, &row->row_id, sizeof row->row_id);
    }
    batch->event_count = before->event_count;
    batch->identifier_count = before->identifier_count;
    batch->row_count = before->row_count; /* it lies there already */
    batch->line_count = before->line_count;
    batch->bytes.length = before->bytes.length;
    replay->report.still_quarantined += rows;
    return status == STATUS_INVALID ? STATUS_OK : status;
}

static bool replay_row(void *context, const struct stored_row *row) {
    struct replay *replay = context;
    const struct playbook *playbook = engine_playbook(replay->engine);
    struct text name = symbol_text(replay->engine->symbols, SYMBOL_SOURCE, row->source);
    uint32_t index = playbook_source_find(playbook, name);
    if (replay->source != NULL && !text_equal(name, text_from(replay->source))) return true;
    uint64_t rows = engine_row_count(replay->engine, row);
    replay->report.rows += rows;
    bool withheld = row->raw.length == 0;
    if (withheld || index == UINT32_MAX || playbook->sources[index].is_lookup) {
        replay->report.still_quarantined += rows;
        return true;
    }
    char file[PATH_BYTES_MAX];
    snprintf(file, sizeof file, "%.*s", TEXT_ARG(row->file));
    const struct event_batch before = replay->batch;
    struct ingest_settings settings =
        engine_load_settings(replay->engine->own, replay->tables, &playbook->sources[index], NULL);
    settings.takes_parts = true;
    enum status status = ingest_row_replay(&settings, &playbook->sources[index], file, row->line,
                                           row->raw, &replay->batch, replay->error);
    replay->status = take_back(replay, &before, row, status);
    return replay->status == STATUS_OK && !is_full(replay);
}

/* The events and the end of their rows are one frame: a source without row keys could not tell a
 * second replay from the first. The rows of what is held leave when it has been applied. */
static enum status replay_some(struct engine *engine, void *context, struct error *error) {
    struct replay *replay = context;
    replay->error = error;
    struct replay_report before = replay->report;
    event_batch_clear(&replay->batch);
    buffer_clear(&replay->dropped);
    replay->dropped_rows = 0;
    enum status status = store_visit_rows(engine->store, replay_row, replay, error);
    if (status == STATUS_OK) status = replay->status;
    if (status != STATUS_OK) return status;
    replay->more = replay->dropped.length > 0 && is_full(replay);
    if (replay->more) {
        replay->report.rows = before.rows + replay->dropped_rows;
        replay->report.still_quarantined = before.still_quarantined;
    }
    if (replay->dropped.length == 0) return STATUS_OK;
    struct apply_result applied;
    struct rows_back back = {(const uint64_t *)(const void *)replay->dropped.at,
                             replay->dropped.length / sizeof(uint64_t)};
    status = rows_withhold(engine, &replay->batch, error);
    if (status == STATUS_OK)
        status =
            engine_apply_back(engine, &replay->batch, &back, &replay->rows, true, &applied, error);
    if (status == STATUS_OK) apply_result_add(&replay->report.did, &applied);
    return status;
}

/* What changes stored rows, and then the end of the rows that said it. */
static enum status end_replay(struct engine *engine, void *context, struct error *error) {
    struct replay *replay = context;
    const struct event_batch *held = &replay->rows.held;
    buffer_clear(&replay->dropped);
    enum status status = row_load_end(&replay->rows, 0, error);
    for (size_t i = 0; status == STATUS_OK && i < held->event_count; i++) {
        const struct event *event = &held->events[i];
        if (event->origin != 0) /* else it waits on */
            status = buffer_append(&replay->dropped, &event->origin, sizeof event->origin);
    }
    apply_result_add(&replay->report.did, &replay->rows.counts);
    replay->report.still_quarantined += replay->rows.waiting;
    if (status != STATUS_OK || replay->dropped.length == 0) return status;
    known_rows_forget(engine);
    return store_drop_rows(engine->store, (const uint64_t *)(const void *)replay->dropped.at,
                           replay->dropped.length / sizeof(uint64_t), error);
}

enum status engine_quarantine_replay(struct engine *engine, const char *source,
                                     struct replay_report *out, struct error *error) {
    struct replay replay = {.engine = engine, .source = source};
    const struct playbook *playbook = engine_playbook(engine);
    if (source != NULL && playbook_source_find(playbook, text_from(source)) == UINT32_MAX) {
        return source_unknown(playbook, source, error);
    }
    const struct lookup_table **tables = in_force_tables(engine->own);
    if (tables == NULL) return STATUS_NO_MEMORY;
    replay.tables = tables;
    row_load_init(&replay.rows, engine, NULL);
    event_batch_init(&replay.batch);
    buffer_init(&replay.dropped);
    enum status status = STATUS_OK;
    for (replay.more = true; replay.more && status == STATUS_OK;)
        status = applier_call(engine->applier, replay_some, &replay, error);
    if (status == STATUS_OK) status = applier_call(engine->applier, end_replay, &replay, error);
    replay.report.events = replay.report.did.events;
    *out = replay.report;
    row_load_release(&replay.rows);
    event_batch_release(&replay.batch);
    buffer_release(&replay.dropped);
    memory_free(tables);
    return status;
}

static enum status drop_rows(struct engine *engine, void *context, struct error *error) {
    const struct rows_back *rows = context;
    enum status status = store_drop_rows(engine->store, rows->row_ids, rows->count, error);
    known_rows_forget(engine);
    return status;
}

enum status engine_quarantine_drop(struct engine *engine, const uint64_t *row_ids, size_t count,
                                   struct error *error) {
    struct rows_back rows = {row_ids, count};
    return applier_call(engine->applier, drop_rows, &rows, error);
}
