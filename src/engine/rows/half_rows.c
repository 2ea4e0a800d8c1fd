/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rows/half_rows.h"

#include <stdio.h>

#define HALVES_BYTES_MAX ((size_t)HALF_ROWS_MAX * 2 * INGEST_RAW_BYTES_MAX)

static struct text without_hold(struct text reason) {
    struct ingest_hold hold;
    return ingest_hold_read(reason, &hold) ? hold.why : reason;
}

/* A line of JSON that is cut off is no JSON. */
static bool may_be_half(const struct source *source, const struct stored_row *row) {
    struct text reason = without_hold(row->reason);
    return row->raw.length > 0 &&
           (text_starts_with(reason, TEXT(INGEST_CUT_REASON)) ||
            (source->format == SOURCE_NDJSON && text_starts_with(reason, TEXT("not valid JSON"))));
}

static bool take_half(void *context, const struct stored_row *row) {
    struct half_rows *halves = context;
    struct text name = symbol_text(halves->engine->symbols, SYMBOL_SOURCE, row->source);
    if (!text_equal(name, halves->source->name) || !may_be_half(halves->source, row)) return true;
    struct half_row half = {.row_id = row->row_id,
                            .line = row->line,
                            .rows = engine_row_count(halves->engine, row),
                            .file = arena_text(&halves->arena, row->file),
                            .raw = arena_text(&halves->arena, row->raw)};
    if (half.raw.at == NULL || half.file.at == NULL) {
        halves->status = STATUS_NO_MEMORY;
        return false;
    }
    halves->items[halves->count++] = half;
    return halves->count < HALF_ROWS_MAX;
}

enum status half_rows_init(struct half_rows *halves, struct engine *engine,
                           const struct source *source, struct error *error) {
    struct store_stats stats;
    halves->engine = engine;
    halves->source = source;
    halves->count = 0;
    halves->status = STATUS_OK;
    arena_init(&halves->arena, HALVES_BYTES_MAX);
    store_stats(engine->store, &stats);
    if (stats.quarantined_row_count == 0 || source->is_lookup) return STATUS_OK;
    enum status status = store_visit_rows(engine->store, take_half, halves, error);
    return status == STATUS_OK ? halves->status : status;
}

void half_rows_release(struct half_rows *halves) {
    arena_release(&halves->arena);
}

/* The folder may be said in another way than the last time. */
static struct text name_of(struct text path) {
    for (uint32_t i = path.length; i > 0; i--) {
        if (path.at[i - 1] == '/') return (struct text){path.at + i, path.length - i};
    }
    return path;
}

void half_rows_see(struct half_rows *halves, const struct event_batch *batch) {
    for (size_t i = 0; halves->count > 0 && i < batch->row_count; i++) {
        const struct quarantined_row *row = &batch->rows[i];
        struct text raw = event_batch_text(batch, row->raw, row->raw_length);
        for (size_t j = 0; j < halves->count; j++) {
            struct half_row *half = &halves->items[j];
            half->came_again |= half->line == row->line && text_equal(half->raw, raw);
        }
    }
}

enum status half_rows_look(struct half_rows *halves, const char *path, struct error *error) {
    enum status status = STATUS_OK;
    struct text name = name_of(text_from(path));
    if (text_equal(name, TEXT("-"))) return STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < halves->count; i++) {
        struct half_row *half = &halves->items[i];
        bool grown = false;
        if (!text_equal(name_of(half->file), name)) continue;
        status = ingest_has_grown(halves->source, path, half->line, half->raw, &grown, error);
        half->is_whole |= grown;
    }
    return status;
}

enum status half_rows_end(struct half_rows *halves, uint64_t *rows, struct error *error) {
    uint64_t ids[HALF_ROWS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < halves->count; i++) {
        if (!halves->items[i].is_whole || halves->items[i].came_again) continue;
        ids[count++] = halves->items[i].row_id;
        *rows += halves->items[i].rows;
    }
    return count > 0 ? engine_quarantine_drop(halves->engine, ids, count, error) : STATUS_OK;
}
