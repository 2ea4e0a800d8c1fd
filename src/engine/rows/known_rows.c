/* SPDX-License-Identifier: Apache-2.0 */
/* How much lies in quarantine, and what lies there already.
 *
 * A bad row that comes again lies in quarantine already. A set of what lies there is read when the
 * first bad row comes, is kept up to date as rows are added, and is forgotten where rows leave. */
#include "base/hash.h"
#include "base/json_skip.h"
#include "engine/engine_internal.h"
#include "ingest/live.h"

uint64_t engine_row_count(const struct engine *engine, const struct stored_row *row) {
    const struct playbook *playbook = engine_playbook(engine);
    struct text name = symbol_text(engine->symbols, SYMBOL_SOURCE, row->source);
    uint32_t index = playbook ? playbook_source_find(playbook, name) : UINT32_MAX;
    return index == UINT32_MAX ? 1 : ingest_raw_rows(&playbook->sources[index], row->raw);
}

struct counting {
    struct engine *engine;
    uint64_t rows;
};

static bool count_rows(void *context, const struct stored_row *row) {
    struct counting *counting = context;
    counting->rows += engine_row_count(counting->engine, row);
    return true;
}

enum status engine_quarantine_rows(struct engine *engine, uint64_t *rows, struct error *error) {
    struct counting counting = {.engine = engine};
    struct store_stats stats;
    bool groups = false;
    const struct playbook *playbook = engine_playbook(engine);
    for (uint32_t i = 0; playbook != NULL && i < playbook->source_count; i++)
        groups |= playbook->sources[i].one_event_per.length > 0;
    store_stats(engine->store, &stats);
    *rows = stats.quarantined_row_count;
    if (!groups || *rows == 0) return STATUS_OK;
    enum status status = store_visit_rows(engine->store, count_rows, &counting, error);
    if (status == STATUS_OK) *rows = counting.rows;
    return status;
}

void known_rows_forget(struct engine *engine) {
    ingest_repeats_release(&engine->known_rows);
    engine->has_known_rows = false;
    holds_changed(&engine->holds);
}

/* A request that is sent again says another time at which it was sent, and was received at another
 * one: these two members of the row are left out. */
static struct row_key key_of_request(struct text raw, uint64_t place) {
    const char *at = json_skip_space(raw.at, raw.at + raw.length), *end = raw.at + raw.length;
    uint64_t low = place, high = ~place;
    for (at += at < end; (at = json_skip_space(at, end)) < end && *at == '"';) {
        const char *first = at;
        at = json_skip_string(at, end);
        struct text name = {first, (uint32_t)(at - first)}, value = json_value_at(&at, end);
        if (text_equal(name, TEXT("\"sentAt\"")) || text_equal(name, TEXT("\"receivedAt\"")))
            continue;
        low = hash_text(value, hash_text(name, low));
        high = hash_text(value, hash_text(name, high));
    }
    struct text rest = {at, (uint32_t)(end - at)}; /* of what is no right JSON */
    return (struct row_key){hash_text(rest, low) | 1, (uint32_t)hash_text(rest, high)};
}

/* Bytes have no lines that mean anything the next time: there the row alone counts. */
static enum status note_row(struct engine *engine, uint16_t source, struct text file, uint64_t line,
                            struct text raw) {
    bool is_request = text_equal(file, TEXT(INGEST_LIVE_NAME));
    if (text_equal(file, TEXT(INGEST_BYTES_NAME)) || is_request) line = 0;
    uint64_t place = hash_text(file, hash_u64(line) + source);
    struct row_key key = {hash_text(raw, place) | 1, (uint32_t)hash_text(raw, ~place)};
    if (is_request) key = key_of_request(raw, place);
    return ingest_repeats_add(&engine->known_rows, key);
}

static bool note_stored(void *context, const struct stored_row *row) {
    return note_row(context, row->source, row->file, row->line, row->raw) != STATUS_NO_MEMORY;
}

static enum status read_stored(struct engine *engine, struct error *error) {
    if (engine->has_known_rows) return STATUS_OK;
    ingest_repeats_release(&engine->known_rows);
    enum status status = store_visit_rows(engine->store, note_stored, engine, error);
    engine->has_known_rows = status == STATUS_OK;
    return status;
}

enum status known_rows_drop(struct engine *engine, struct event_batch *batch,
                            struct bad_rows *counts, struct error *error) {
    size_t kept = 0;
    if (batch->row_count == 0) return STATUS_OK;
    enum status status = read_stored(engine, error);
    if (status != STATUS_OK) return status;
    for (size_t i = 0; i < batch->row_count; i++) {
        const struct quarantined_row *row = &batch->rows[i];
        enum status known =
            note_row(engine, row->source, event_batch_text(batch, row->file, row->file_length),
                     row->line, event_batch_text(batch, row->raw, row->raw_length));
        if (known == STATUS_NO_MEMORY) return known;
        if (known == STATUS_EXISTS) {
            counts->known_rows += row->rows;
            continue;
        }
        counts->rows += row->rows;
        counts->entries++;
        batch->rows[kept++] = *row;
    }
    batch->row_count = kept;
    return STATUS_OK;
}
