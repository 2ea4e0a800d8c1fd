/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns the mapping of a source reads, and read before: control records, so that a row that
 * was stored under another mapping can be compared cell by cell. */
#include "base/hash.h"
#include "base/memory.h"
#include "engine/rows/rows.h"

static bool same_reading(const struct ingest_reading *a, const struct ingest_reading *b) {
    if (a->identifiers != b->identifiers || a->column_count != b->column_count) return false;
    for (uint32_t i = 0; i < a->column_count; i++) {
        if (!text_equal(a->columns[i], b->columns[i])) return false;
    }
    return true;
}

static struct source_readings *readings_of(struct engine *engine, struct text source, bool add) {
    for (size_t i = 0; i < engine->reading_source_count; i++) {
        if (text_equal(text_from(engine->readings[i].source), source)) return &engine->readings[i];
    }
    if (!add || source.length > SYMBOL_BYTES_MAX) return NULL;
    if (memory_grow((void **)&engine->readings, &engine->reading_source_capacity,
                    engine->reading_source_count + 1, sizeof *engine->readings) != STATUS_OK)
        return NULL;
    struct source_readings *made = &engine->readings[engine->reading_source_count++];
    *made = (struct source_readings){0};
    memcpy(made->source, source.at, source.length);
    arena_init(&made->arena, READINGS_BYTES_MAX);
    return made;
}

void readings_release(struct engine *engine) {
    for (size_t i = 0; i < engine->reading_source_count; i++) {
        arena_release(&engine->readings[i].arena);
        memory_free(engine->readings[i].items);
    }
    memory_free(engine->readings);
}

static enum status add(struct engine *engine, struct text source,
                       const struct ingest_reading *reading) {
    struct source_readings *readings = readings_of(engine, source, true);
    if (readings == NULL) return STATUS_NO_MEMORY;
    enum status status = memory_grow((void **)&readings->items, &readings->capacity,
                                     readings->count + 1, sizeof *readings->items);
    if (status != STATUS_OK) return status;
    struct ingest_reading copy = *reading;
    struct text *columns =
        arena_calloc(&readings->arena, reading->column_count + 1, sizeof *columns);
    for (uint32_t i = 0; columns != NULL && i < reading->column_count; i++) {
        columns[i] = arena_text(&readings->arena, reading->columns[i]);
        if (columns[i].at == NULL) return STATUS_NO_MEMORY;
    }
    if (columns == NULL) return STATUS_NO_MEMORY;
    copy.columns = columns;
    readings->items[readings->count++] = copy;
    return STATUS_OK;
}

enum status reading_add(struct engine *engine, struct text source,
                        const struct ingest_reading *reading) {
    pthread_mutex_lock(&engine->readings_lock);
    enum status status = add(engine, source, reading);
    pthread_mutex_unlock(&engine->readings_lock);
    return status;
}

static enum status make_reading(struct engine *engine, const struct source *source,
                                const struct ingest_reading *current, uint16_t id,
                                struct error *error) {
    struct ingest_reading made = *current;
    struct buffer record;
    if (id == 0)
        return error_set(error, STATUS_LIMIT,
                         "source %.*s has been mapped in %d ways, more than can be told apart",
                         TEXT_ARG(source->name), UINT16_MAX);
    made.id = id;
    buffer_init(&record);
    enum status status = control_reading(&record, source->name, &made);
    if (status == STATUS_OK && record.length > CONTROL_BYTES_MAX)
        status = error_set(error, STATUS_LIMIT, "source %.*s maps too many columns to be noted",
                           TEXT_ARG(source->name));
    if (status == STATUS_OK) status = control_append(engine, NULL, buffer_text(&record), error);
    if (status == STATUS_OK) status = reading_add(engine, source->name, &made);
    buffer_release(&record);
    return status;
}

/* The present one first, then the others, newest first. */
static void put_in_order(struct reading_list *out, const struct source_readings *readings,
                         size_t current) {
    out->count = 0;
    out->items[out->count++] = readings->items[current];
    for (size_t i = readings->count; i-- > 0 && out->count <= INGEST_READINGS_MAX;) {
        if (i != current) out->items[out->count++] = readings->items[i];
    }
}

/* False where the present one is not there yet. */
static bool find_readings(struct reading_list *out, const struct source *source,
                          const struct ingest_reading *current) {
    struct engine *engine = out->engine;
    pthread_mutex_lock(&engine->readings_lock);
    const struct source_readings *readings = readings_of(engine, source->name, false);
    size_t at = 0, count = readings != NULL ? readings->count : 0;
    while (at < count && !same_reading(&readings->items[at], current)) at++;
    if (at < count) put_in_order(out, readings, at);
    pthread_mutex_unlock(&engine->readings_lock);
    return at < count;
}

struct new_reading {
    struct reading_list *list;
    const struct source *source;
    const struct ingest_reading *current;
};

/* The applier's: two producers may have found it missing. */
static enum status add_reading(struct engine *engine, void *context, struct error *error) {
    const struct new_reading *wanted = context;
    if (find_readings(wanted->list, wanted->source, wanted->current)) return STATUS_OK;
    const struct source_readings *readings = readings_of(engine, wanted->source->name, false);
    size_t count = readings != NULL ? readings->count : 0;
    enum status status =
        make_reading(engine, wanted->source, wanted->current, (uint16_t)(count + 1), error);
    if (status != STATUS_OK) return status;
    return find_readings(wanted->list, wanted->source, wanted->current) ? STATUS_OK
                                                                        : STATUS_NO_MEMORY;
}

enum status readings_find(void *context, const struct source *source,
                          const struct ingest_reading *current, const struct ingest_reading **out,
                          uint32_t *count, struct error *error) {
    struct reading_list *list = context;
    struct new_reading wanted = {list, source, current};
    enum status status = STATUS_OK;
    if (!find_readings(list, source, current))
        status = applier_call(list->engine->applier, add_reading, &wanted, error);
    *out = list->items;
    *count = list->count;
    return status;
}

uint32_t reading_index(const struct engine *engine, struct text source, uint16_t current,
                       uint16_t wanted) {
    struct source_readings *readings = readings_of((struct engine *)engine, source, false);
    uint32_t index = 0;
    for (size_t i = readings != NULL ? readings->count : 0; i-- > 0;) {
        if (readings->items[i].id == current) continue;
        if (readings->items[i].id == wanted) return index;
        index++;
    }
    return UINT32_MAX;
}

/* ---- what a row key names ---- */

static uint64_t row_key_hash(const struct source *source) {
    uint64_t hash = hash_text(source->one_event_per, source->row_key_count);
    for (uint32_t i = 0; i < source->row_key_count; i++)
        hash = hash_text(source->row_keys[i].text, hash_text(source->row_keys[i].column, hash));
    return hash | 1;
}

enum key_names readings_key_names(struct engine *engine, const struct source *source) {
    pthread_mutex_lock(&engine->readings_lock);
    const struct source_readings *readings = readings_of(engine, source->name, false);
    bool shown = readings != NULL && readings->key_of_rows == row_key_hash(source);
    pthread_mutex_unlock(&engine->readings_lock);
    return shown ? KEY_NAMES_ROW : KEY_NAMES_OPEN;
}

enum status readings_set_key(struct engine *engine, struct text source, uint64_t key_of_rows) {
    pthread_mutex_lock(&engine->readings_lock);
    struct source_readings *readings = readings_of(engine, source, true);
    if (readings != NULL) readings->key_of_rows = key_of_rows;
    pthread_mutex_unlock(&engine->readings_lock);
    return readings != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status note_key(struct engine *engine, void *context, struct error *error) {
    const struct source *source = context;
    struct buffer record;
    if (readings_key_names(engine, source) == KEY_NAMES_ROW) return STATUS_OK;
    buffer_init(&record);
    enum status status = control_row_key(&record, source->name, row_key_hash(source));
    if (status == STATUS_OK) status = control_append(engine, NULL, buffer_text(&record), error);
    if (status == STATUS_OK) status = readings_set_key(engine, source->name, row_key_hash(source));
    buffer_release(&record);
    return status;
}

enum status readings_note_key(struct engine *engine, const struct source *source,
                              struct error *error) {
    if (source->key_names != KEY_NAMES_OPEN || readings_key_names(engine, source) == KEY_NAMES_ROW)
        return STATUS_OK;
    return applier_call(engine->applier, note_key, (void *)(uintptr_t)source, error);
}
