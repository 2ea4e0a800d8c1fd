/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups put in force: what the log says of them, and a new version's way into the next snapshot.
 */
#include "base/memory.h"
#include "engine/engine_internal.h"

struct named_lookup *lookup_named(struct engine *engine, struct text name, bool add) {
    for (size_t i = 0; i < engine->lookup_count; i++) {
        if (text_equal(text_from(engine->lookups[i].name), name)) return &engine->lookups[i];
    }
    if (!add || name.length > SYMBOL_BYTES_MAX) return NULL;
    if (memory_grow((void **)&engine->lookups, &engine->lookup_capacity, engine->lookup_count + 1,
                    sizeof *engine->lookups) != STATUS_OK) {
        return NULL;
    }
    struct named_lookup *lookup = &engine->lookups[engine->lookup_count++];
    *lookup = (struct named_lookup){0};
    memcpy(lookup->name, name.at, name.length);
    return lookup;
}

enum status lookup_add_version(struct named_lookup *lookup, int64_t known_ms, uint64_t hash) {
    enum status status = memory_grow((void **)&lookup->versions, &lookup->capacity,
                                     lookup->count + 1, sizeof *lookup->versions);
    if (status != STATUS_OK) return status;
    lookup->versions[lookup->count++] = (struct lookup_fact){known_ms, hash};
    return STATUS_OK;
}

bool may_do_without(enum status status) {
    return status == STATUS_CORRUPT || status == STATUS_NOT_FOUND || status == STATUS_INVALID;
}

void lookups_tell_unreadable(struct engine *engine, unreadable_fn tell, void *context) {
    const struct playbook *playbook = engine_playbook(engine);
    for (uint32_t i = 0; i < playbook->lookup_count; i++) {
        const struct lookup_rule *rule = &playbook->lookups[i];
        const struct named_lookup *lookup = lookup_named(engine, rule->name, false);
        for (size_t v = 0; lookup != NULL && v < lookup->count; v++) {
            struct lookup_table *table = NULL;
            struct error why = {0};
            if (in_force_version_table(engine->own, rule->name, v) != NULL) continue;
            enum status status =
                lookup_file_read(engine, lookup->versions[v].hash, rule, &table, &why);
            if (status != STATUS_OK) tell(context, why.text);
            lookup_destroy(table);
        }
    }
}

/* ---- a new version ---- */

static const struct lookup_table *newest_table(const struct engine *engine,
                                               const struct named_lookup *lookup) {
    return in_force_version_table(engine->own, text_from(lookup->name), lookup->count - 1);
}

/* The newest version as it was recorded, or as the playbook in force lays its columns out. */
static bool is_newest(const struct engine *engine, const struct named_lookup *lookup,
                      uint64_t hash) {
    if (lookup->count == 0) return false;
    const struct lookup_table *table = newest_table(engine, lookup);
    return lookup->versions[lookup->count - 1].hash == hash ||
           (table != NULL && lookup_hash(table) == hash);
}

/* The table that is in force already. Its rows that could not be read are stored; where its file
 * could not be read, it is written again. Takes the table. */
static enum status keep_newest(struct engine *engine, struct named_lookup *lookup,
                               struct lookup_table *table, struct event_batch *rows,
                               struct error *error) {
    const struct lookup_fact *newest = &lookup->versions[lookup->count - 1];
    struct in_force *next;
    enum status status =
        rows->row_count > 0 ? engine_apply_now(engine, rows, NULL, NULL, error) : STATUS_OK;
    bool is_whole = newest_table(engine, lookup) != NULL;
    if (status == STATUS_OK && !is_whole) status = lookup_file_write(engine, table, error);
    if (status != STATUS_OK || is_whole) {
        lookup_destroy(table);
        return status;
    }
    struct in_force_change change = {.lookup = text_from(lookup->name),
                                     .known_ms = newest->known_ms,
                                     .hash = newest->hash,
                                     .table = table};
    status = in_force_next(engine, &change, &next, error);
    if (status == STATUS_OK) in_force_swap(engine, next);
    return status;
}

/* Writes the table's file and its record. */
static enum status write_version(struct engine *engine, const struct in_force_change *change,
                                 struct event_batch *rows, struct error *error) {
    struct buffer record;
    buffer_init(&record);
    enum status status = control_lookup(&record, change->lookup, change->hash, change->known_ms);
    /* Before the table: behind it nobody would ask for them again. */
    bool apart = batch_needs_parts(rows);
    if (status == STATUS_OK && apart) status = engine_apply_now(engine, rows, NULL, NULL, error);
    if (status == STATUS_OK)
        status = control_append(engine, apart ? NULL : rows, buffer_text(&record), error);
    buffer_release(&record);
    return status;
}

/* The file is written before the table is handed over, and the next snapshot is whole before the
 * log names the table. */
static enum status put_newest(struct engine *engine, struct named_lookup *lookup,
                              struct lookup_table *table, struct event_batch *rows,
                              struct error *error) {
    struct in_force_change change = {.lookup = text_from(lookup->name),
                                     .known_ms =
                                         lookup->count == 0 ? TIME_ALWAYS : engine_now_ms(engine),
                                     .hash = lookup_hash(table),
                                     .table = table};
    struct in_force *next;
    enum status status = lookup_file_write(engine, table, error);
    if (status != STATUS_OK) {
        lookup_destroy(table);
        return status;
    }
    status = in_force_next(engine, &change, &next, error);
    /* Room for the fact, so that nothing can fail once the log has it. */
    if (status == STATUS_OK)
        status = memory_grow((void **)&lookup->versions, &lookup->capacity, lookup->count + 1,
                             sizeof *lookup->versions);
    if (status == STATUS_OK) status = write_version(engine, &change, rows, error);
    if (status != STATUS_OK) {
        in_force_drop(next);
        return status;
    }
    status = lookup_add_version(lookup, change.known_ms, change.hash);
    in_force_swap(engine, next);
    return status;
}

enum status lookup_put_in_force(struct engine *engine, struct text name, struct lookup_table *table,
                                struct event_batch *rows, struct error *error) {
    struct named_lookup *lookup = lookup_named(engine, name, true);
    if (lookup == NULL) {
        lookup_destroy(table);
        return STATUS_NO_MEMORY;
    }
    return is_newest(engine, lookup, lookup_hash(table))
               ? keep_newest(engine, lookup, table, rows, error)
               : put_newest(engine, lookup, table, rows, error);
}
