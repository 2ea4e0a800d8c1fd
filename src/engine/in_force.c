/* SPDX-License-Identifier: Apache-2.0 */
/* What is in force: playbook and lookups. Each lies in the directory by its content; which one
 * counts is a record in the log. */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log_line.h"
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

enum status lookup_add_version(struct named_lookup *lookup, int64_t known_ms, uint64_t hash,
                               struct lookup_table *table) {
    enum status status = memory_grow((void **)&lookup->versions, &lookup->capacity,
                                     lookup->count + 1, sizeof *lookup->versions);
    if (status != STATUS_OK) return status;
    lookup->versions[lookup->count++] = (struct lookup_version){known_ms, hash, table};
    return STATUS_OK;
}

bool may_do_without(enum status status) {
    return status == STATUS_CORRUPT || status == STATUS_NOT_FOUND || status == STATUS_INVALID;
}

enum status lookups_load(struct engine *engine, struct error *error) {
    for (uint32_t i = 0; i < engine->playbook->lookup_count; i++) {
        const struct lookup_rule *rule = &engine->playbook->lookups[i];
        struct named_lookup *lookup = lookup_named(engine, rule->name, false);
        for (size_t v = 0; lookup != NULL && v < lookup->count; v++) {
            struct lookup_version *version = &lookup->versions[v];
            if (version->table != NULL) continue;
            struct error why = {0};
            enum status status =
                lookup_file_read(engine, version->hash, rule, &version->table, &why);
            if (may_do_without(status)) {
                log_line(LOG_WARNING, "lookup %.*s is left out: %s", TEXT_ARG(rule->name),
                         why.text);
            } else if (status != STATUS_OK) {
                if (error != NULL) *error = why;
                return status;
            }
        }
    }
    return STATUS_OK;
}

static void tell_lookups(struct engine *engine, unreadable_fn tell, void *context) {
    for (uint32_t i = 0; i < engine->playbook->lookup_count; i++) {
        const struct lookup_rule *rule = &engine->playbook->lookups[i];
        const struct named_lookup *lookup = lookup_named(engine, rule->name, false);
        for (size_t v = 0; lookup != NULL && v < lookup->count; v++) {
            struct lookup_table *table = NULL;
            struct error why = {0};
            if (lookup->versions[v].table != NULL) continue;
            enum status status =
                lookup_file_read(engine, lookup->versions[v].hash, rule, &table, &why);
            if (status != STATUS_OK) tell(context, why.text);
            lookup_destroy(table);
        }
    }
}

void engine_tell_unreadable(struct engine *engine, unreadable_fn tell, void *context) {
    if (engine->playbook == NULL) return;
    tell_lookups(engine, tell, context);
    models_tell_unreadable(engine, tell, context);
}

/* What is in force already but could not be read is written again. */
static enum status mend_version(struct engine *engine, struct lookup_version *version,
                                struct lookup_table *table, struct error *error) {
    enum status status =
        version->table == NULL ? lookup_file_write(engine, table, error) : STATUS_OK;
    if (status == STATUS_OK && version->table == NULL)
        version->table = table;
    else
        lookup_destroy(table);
    return status;
}

/* The newest version as it was recorded, or as the playbook in force lays its columns out. */
static bool is_in_force(const struct named_lookup *lookup, uint64_t hash) {
    const struct lookup_version *newest =
        lookup != NULL && lookup->count > 0 ? &lookup->versions[lookup->count - 1] : NULL;
    return newest != NULL &&
           (newest->hash == hash || (newest->table != NULL && lookup_hash(newest->table) == hash));
}

enum status lookup_put_in_force(struct engine *engine, struct text name, struct lookup_table *table,
                                struct event_batch *rows, struct error *error) {
    struct named_lookup *lookup = lookup_named(engine, name, true);
    uint64_t hash = lookup_hash(table);
    struct buffer record;
    if (is_in_force(lookup, hash)) {
        enum status kept =
            rows->row_count > 0 ? engine_apply(engine, rows, true, NULL, error) : STATUS_OK;
        if (kept != STATUS_OK) {
            lookup_destroy(table);
            return kept;
        }
        return mend_version(engine, &lookup->versions[lookup->count - 1], table, error);
    }
    buffer_init(&record);
    enum status status = lookup == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    bool first = status == STATUS_OK && lookup->count == 0;
    int64_t known_ms = first ? TIME_ALWAYS : engine_now_ms(engine);
    if (status == STATUS_OK) status = lookup_file_write(engine, table, error);
    if (status == STATUS_OK) status = control_lookup(&record, name, hash, known_ms);
    /* Before the table: behind it nobody would ask for them again. */
    bool apart = batch_needs_parts(rows);
    if (status == STATUS_OK && apart) status = engine_apply(engine, rows, true, NULL, error);
    if (status == STATUS_OK)
        status = control_append(engine, apart ? NULL : rows, buffer_text(&record), error);
    if (status == STATUS_OK) status = lookup_add_version(lookup, known_ms, hash, table);
    if (status != STATUS_OK) lookup_destroy(table);
    buffer_release(&record);
    return status;
}

/* ---- the playbook ---- */

static enum status set_rules(struct engine *engine, struct error *error) {
    const struct playbook *playbook = engine->playbook;
    struct identity_result result;
    enum status status =
        identity_set_rules(engine->identity, playbook->identifiers, playbook->identifier_count,
                           engine_now_ms(engine), store_position(engine->store), &result, error);
    if (status != STATUS_OK) return status;
    bool is_written = result.record.length > 0 && !engine->read_only;
    if (is_written) {
        struct event_batch batch;
        event_batch_init(&batch);
        status = engine_append_change(engine, &batch, &result, true, error);
        event_batch_release(&batch);
    }
    if (status == STATUS_OK)
        identity_commit(engine->identity);
    else
        identity_undo(engine->identity);
    return status == STATUS_OK && is_written
               ? engine_append_more_changes(engine, &result, BATCH_EVENTS_MAX, error)
               : status;
}

static enum status adopt(struct engine *engine, struct playbook *playbook, struct error *error) {
    playbook_destroy(engine->playbook);
    engine->playbook = playbook;
    memory_free(engine->bases);
    engine->bases = NULL;
    enum status status = store_set_columns(engine->store, &playbook->columns, error);
    if (status == STATUS_OK) status = set_rules(engine, error);
    if (status == STATUS_OK) status = lookups_load(engine, error);
    if (status == STATUS_OK) status = models_load(engine, error);
    return status == STATUS_OK ? world_refresh(engine, error) : status;
}

static enum status tell_first_error(const struct playbook_errors *errors, const char *file,
                                    struct error *error) {
    if (errors->count == 0)
        return error_set(error, STATUS_INVALID, "%s: the playbook is not valid", file);
    return error_set(error, STATUS_INVALID, "%s:%u:%u: %s%s", file, errors->item[0].place.line,
                     errors->item[0].place.column, errors->item[0].text,
                     errors->count > 1 ? " (and more: attune check lists them all)" : "");
}

static enum status load(struct engine *engine, const char *file, const struct buffer *bytes,
                        struct playbook_errors *errors, struct playbook **out,
                        struct error *error) {
    struct playbook_errors *own = errors != NULL ? errors : memory_calloc(1, sizeof *own);
    if (own == NULL) return STATUS_NO_MEMORY;
    own->count = own->dropped = 0;
    enum status status = playbook_load(out, file, buffer_text(bytes), engine->symbols, own);
    if (status == STATUS_INVALID) status = tell_first_error(own, file, error);
    if (own != errors) memory_free(own);
    return status;
}

/* Is it written down, and whole? */
static bool is_kept(struct engine *engine, const char *hash, const struct buffer *bytes) {
    char path[PATH_BYTES_MAX];
    struct buffer kept;
    struct error ignored;
    buffer_init(&kept);
    bool same = path_of(engine, path, "playbooks/%s.yaml", hash) == STATUS_OK &&
                file_read_all(engine->fs, path, PLAYBOOK_BYTES_MAX, &kept, &ignored) == STATUS_OK &&
                text_equal(buffer_text(&kept), buffer_text(bytes));
    buffer_release(&kept);
    return same;
}

static enum status keep(struct engine *engine, const struct playbook *playbook,
                        const struct buffer *bytes, struct error *error) {
    char path[PATH_BYTES_MAX], hash[17];
    struct buffer record;
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)playbook->hash);
    bool in_force = strcmp(hash, engine->playbook_hash) == 0;
    if (in_force && is_kept(engine, hash, bytes)) return STATUS_OK;
    buffer_init(&record);
    enum status status = folder_make(engine, "playbooks", error);
    if (status == STATUS_OK) status = path_of(engine, path, "playbooks/%s.yaml", hash);
    if (status == STATUS_OK)
        status = file_replace(engine->fs, path, bytes->at, bytes->length, error);
    if (status == STATUS_OK && !in_force)
        status = control_playbook(&record, hash, engine_now_ms(engine));
    if (status == STATUS_OK && !in_force)
        status = control_append(engine, NULL, buffer_text(&record), error);
    if (status == STATUS_OK) memcpy(engine->playbook_hash, hash, sizeof hash);
    buffer_release(&record);
    return status;
}

/* ---- rows that are stored under other keys ---- */

static bool same_row_key(const struct source *a, const struct source *b) {
    if (a->row_key_count != b->row_key_count) return false;
    for (uint32_t i = 0; i < a->row_key_count; i++) {
        if (!text_equal(a->row_keys[i].column, b->row_keys[i].column)) return false;
    }
    return true;
}

static void warn_of_row_keys(const struct playbook *before, const struct playbook *after) {
    for (uint32_t i = 0; i < after->source_count; i++) {
        const struct source *source = &after->sources[i];
        uint32_t old = playbook_source_find(before, source->name);
        if (source->is_lookup || old == UINT32_MAX || before->sources[old].is_lookup) continue;
        if (same_row_key(&before->sources[old], source)) continue;
        log_line(LOG_WARNING,
                 "source %.*s has another row_key than before: rows that are stored keep their old "
                 "keys, and those that come again count beside them; load the files into a new "
                 "directory",
                 TEXT_ARG(source->name));
    }
}

/* The playbook that was in force so far; NULL: there is none, or it can't be read. */
static struct playbook *load_before(struct engine *engine, const struct playbook *after) {
    char path[PATH_BYTES_MAX], hash[17];
    struct playbook *before = NULL;
    struct error ignored = {0};
    struct buffer bytes;
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)after->hash);
    if (engine->playbook_hash[0] == '\0' || strcmp(hash, engine->playbook_hash) == 0) return NULL;
    buffer_init(&bytes);
    if (path_of(engine, path, "playbooks/%s.yaml", engine->playbook_hash) != STATUS_OK ||
        file_read_all(engine->fs, path, PLAYBOOK_BYTES_MAX, &bytes, &ignored) != STATUS_OK ||
        load(engine, path, &bytes, NULL, &before, &ignored) != STATUS_OK)
        before = NULL;
    buffer_release(&bytes);
    return before;
}

enum status playbook_put_in_force(struct engine *engine, const char *file,
                                  struct playbook_errors *errors, struct error *error) {
    struct buffer bytes;
    struct playbook *playbook = NULL;
    buffer_init(&bytes);
    enum status status = file_read_all(file_system_os(), file, PLAYBOOK_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK) status = load(engine, file, &bytes, errors, &playbook, error);
    struct playbook *before =
        status == STATUS_OK && !engine->read_only ? load_before(engine, playbook) : NULL;
    if (status == STATUS_OK && !engine->read_only) status = keep(engine, playbook, &bytes, error);
    if (status == STATUS_OK && before != NULL) warn_of_row_keys(before, playbook);
    playbook_destroy(before);
    if (status == STATUS_OK)
        status = adopt(engine, playbook, error);
    else
        playbook_destroy(playbook);
    buffer_release(&bytes);
    return status;
}

/* Its name is the hash of its bytes: one that has changed would answer other questions than were
 * asked. */
static enum status read_in_force(struct engine *engine, const char *path, struct buffer *bytes,
                                 struct error *error) {
    char hash[17];
    enum status status = file_read_all(engine->fs, path, PLAYBOOK_BYTES_MAX, bytes, error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    snprintf(hash, sizeof hash, "%016llx",
             (unsigned long long)hash_bytes(bytes->at, bytes->length, 0));
    if (status == STATUS_OK && strcmp(hash, engine->playbook_hash) == 0) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT,
                     "%s: the playbook in force is %s: restore it from a backup, or give the same "
                     "file again: --playbook FILE",
                     path, status == STATUS_OK ? "damaged" : "missing");
}

enum status playbook_load_in_force(struct engine *engine, struct error *error) {
    char path[PATH_BYTES_MAX];
    struct buffer bytes;
    struct playbook *playbook = NULL;
    if (engine->playbook_hash[0] == '\0') return STATUS_OK;
    buffer_init(&bytes);
    enum status status = path_of(engine, path, "playbooks/%s.yaml", engine->playbook_hash);
    if (status == STATUS_OK) status = read_in_force(engine, path, &bytes, error);
    if (status == STATUS_OK) status = load(engine, path, &bytes, NULL, &playbook, error);
    if (status == STATUS_OK)
        status = adopt(engine, playbook, error);
    else
        playbook_destroy(playbook);
    buffer_release(&bytes);
    return status;
}
