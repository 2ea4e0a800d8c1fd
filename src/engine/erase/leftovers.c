/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what an erasure does not reach: lookups, copies of playbooks, old models.
 *
 * A person who is listed in a table or a playbook must be taken out there, and the file loaded
 * again; if the program did that by itself, it would change answers for everybody else. A value of
 * VALUE_BYTES_TELLING or more is looked for as a word of every text. A shorter one means nothing
 * outside columns that hold identifiers, and is only compared with whole cells of these.
 *
 * Of earlier erasures only salted hashes are left. A table that is loaded later is searched by
 * them, word by word. */
#include <stdio.h>

#include "base/memory.h"
#include "engine/erase/erased_values.h"
#include "engine/engine_internal.h"
#include "learn/lifetime_series.h"

#define KEPT_FILE_BYTES_MAX ((size_t)1 << 30)
#define LEFTOVERS_BYTES_MAX ((size_t)16 << 20)

struct search {
    struct engine *engine;
    bool for_anybody; /* who was erased before; else for those of `values` */
    struct erased_values values;
    struct erased_summary *out;
    size_t capacity;
    enum status status;
};

static void note(struct search *search, enum leftover_kind kind, struct text name, uint64_t rows) {
    struct erased_summary *out = search->out;
    enum status status = memory_grow((void **)&out->leftovers, &search->capacity,
                                     out->leftover_count + 1, sizeof *out->leftovers);
    struct leftover left = {kind, arena_text(&out->arena, name), rows};
    if (status == STATUS_OK && left.name.at != NULL)
        out->leftovers[out->leftover_count++] = left;
    else
        search->status = STATUS_NO_MEMORY;
}

/* ---- lookups ---- */

/* Is a column of this name mapped to an identifier somewhere? */
static bool holds_identifiers(const struct playbook *playbook, struct text field) {
    for (uint32_t i = 0; i < playbook->identifier_count; i++) {
        if (text_equal(playbook->identifiers[i].name, field)) return true;
    }
    for (uint32_t s = 0; s < playbook->source_count; s++) {
        const struct source *source = &playbook->sources[s];
        for (uint32_t i = 0; i < source->identifier_count; i++) {
            if (text_equal(source->identifiers[i].from.column, field)) return true;
        }
    }
    return false;
}

static bool text_names_them(struct search *search, struct text text, bool identifying) {
    struct erased_values *values = &search->values;
    if (search->for_anybody)
        return text_names_erased(search->engine, text) ||
               (identifying && is_turned_away(search->engine, SYMBOL_NONE, text));
    return (identifying ? erased_values_have(values, SYMBOL_NONE, text)
                        : erased_values_tell(values, text)) ||
           erased_values_in(values, text);
}

static bool cell_names_them(struct search *search, struct value cell, bool identifying) {
    struct text text = cell.text;
    struct buffer printed;
    if (cell.type != VALUE_NUMBER && cell.type != VALUE_TEXT) return false;
    buffer_init(&printed);
    if (cell.type == VALUE_NUMBER) {
        enum status status = value_print(cell, &printed);
        if (status != STATUS_OK) search->status = status;
        text = buffer_text(&printed);
    }
    bool named = text_names_them(search, text, identifying);
    buffer_release(&printed);
    return named;
}

static uint64_t rows_of(struct search *search, const struct lookup_table *table) {
    uint32_t fields = lookup_field_count(table);
    bool identifying[LOOKUP_FIELDS_MAX];
    uint64_t rows = 0;
    for (uint32_t f = 0; f < fields && f < LOOKUP_FIELDS_MAX; f++)
        identifying[f] =
            holds_identifiers(engine_playbook(search->engine), lookup_field(table, f).name);
    for (uint32_t row = 0; row < lookup_row_count(table); row++) {
        bool named = false;
        for (uint32_t f = 0; !named && f < fields && f < LOOKUP_FIELDS_MAX; f++)
            named = cell_names_them(search, lookup_cell(table, row, f), identifying[f]);
        rows += named;
    }
    return rows;
}

/* A file that this playbook does not load, or can't: are the bytes there? Nobody can vouch for one
 * that can't be read. */
static bool file_names_them(struct search *search, const char *path) {
    struct buffer bytes;
    struct error ignored;
    buffer_init(&bytes);
    enum status status =
        file_read_all(search->engine->fs, path, KEPT_FILE_BYTES_MAX, &bytes, &ignored);
    bool named = status != STATUS_NOT_FOUND;
    if (status == STATUS_OK && search->for_anybody)
        named = text_names_erased(search->engine, buffer_text(&bytes));
    else if (status == STATUS_OK)
        named = erased_values_in(&search->values, buffer_text(&bytes));
    buffer_release(&bytes);
    return named;
}

static void search_lookup(struct search *search, const struct named_lookup *lookup) {
    for (size_t v = 0; v < lookup->count; v++) {
        const struct lookup_table *table =
            in_force_version_table(search->engine->own, text_from(lookup->name), v);
        bool newest = v + 1 == lookup->count;
        char path[PATH_BYTES_MAX];
        uint64_t rows = 0;
        if (table != NULL) {
            rows = rows_of(search, table);
        } else if (path_of(search->engine, path, "lookups/%016llx",
                           (unsigned long long)lookup->versions[v].hash) == STATUS_OK) {
            rows = file_names_them(search, path);
        }
        if (rows > 0)
            note(search, newest ? LEFTOVER_LOOKUP : LEFTOVER_OLD_LOOKUP, text_from(lookup->name),
                 rows);
    }
}

/* ---- folders ---- */

typedef void look_at_file(struct search *search, const char *name, const char *path);

static void each_file(struct search *search, const char *folder, look_at_file *look) {
    char path[PATH_BYTES_MAX];
    struct buffer names;
    struct error ignored;
    size_t count = 0;
    buffer_init(&names);
    if (path_of(search->engine, path, "%s", folder) == STATUS_OK &&
        directory_list(search->engine->fs, path, &names, &count, &ignored) == STATUS_OK) {
        const char *name = names.at;
        for (size_t i = 0; i < count; i++, name += strlen(name) + 1) {
            if (path_of(search->engine, path, "%s/%s", folder, name) == STATUS_OK)
                look(search, name, path);
        }
    }
    buffer_release(&names);
}

static void look_at_playbook(struct search *search, const char *name, const char *path) {
    char shown[300];
    snprintf(shown, sizeof shown, "playbooks/%s", name);
    if (file_names_them(search, path)) note(search, LEFTOVER_PLAYBOOK, text_from(shown), 0);
}

static bool has_texts(const struct model *model) {
    for (uint32_t f = 0; f < model_feature_count(model); f++) {
        if (model_feature(model, f).kind == FEATURE_TEXT) return true;
    }
    return false;
}

/* Models of today hold no word of fewer than LEARN_TEXT_GROUPS_MIN customers. */
static void look_at_model(struct search *search, const char *name, const char *path) {
    struct buffer bytes;
    struct model *model = NULL;
    struct error ignored;
    char shown[300];
    buffer_init(&bytes);
    enum status status =
        file_read_all(search->engine->fs, path, KEPT_FILE_BYTES_MAX, &bytes, &ignored);
    /* A lifetime model holds no word of anybody. */
    if (status == STATUS_OK && lifetime_series_is(buffer_text(&bytes))) status = STATUS_NOT_FOUND;
    if (status == STATUS_OK) status = model_decode(&model, buffer_text(&bytes), &ignored);
    bool is_safe =
        status == STATUS_NOT_FOUND ||
        (status == STATUS_OK && (model_facts(model)->text_groups_min > 0 || !has_texts(model)));
    if (!is_safe) {
        snprintf(shown, sizeof shown, "models/%s", name);
        note(search, LEFTOVER_MODEL, text_from(shown), 0);
    }
    model_destroy(model);
    buffer_release(&bytes);
}

static void search_all(struct search *search) {
    for (size_t i = 0; search->status == STATUS_OK && i < search->engine->lookup_count; i++)
        search_lookup(search, &search->engine->lookups[i]);
    if (search->status == STATUS_OK) each_file(search, "playbooks", look_at_playbook);
}

enum status leftovers_find(struct engine *engine, const struct identity_erasure *erasure,
                           struct erased_summary *out) {
    struct search search = {.engine = engine, .out = out};
    search.status = erased_values_init(&search.values, erasure);
    if (search.status != STATUS_OK) return search.status;
    search_all(&search);
    if (search.status == STATUS_OK) each_file(&search, "models", look_at_model);
    if (search.status == STATUS_OK) search.status = search.values.status;
    erased_values_release(&search.values);
    return search.status;
}

enum status leftovers_of_table(struct engine *engine, const struct lookup_table *table,
                               uint64_t *rows) {
    struct search search = {.engine = engine, .for_anybody = true};
    *rows = 0;
    if (!identity_turns_away(engine->identity)) return STATUS_OK;
    *rows = rows_of(&search, table);
    return search.status;
}

enum status engine_leftovers(struct engine *engine, struct erased_summary *out,
                             struct error *error) {
    struct search search = {.engine = engine, .for_anybody = true, .out = out};
    *out = (struct erased_summary){0};
    arena_init(&out->arena, LEFTOVERS_BYTES_MAX);
    if (!identity_turns_away(engine->identity)) return STATUS_OK;
    search_all(&search);
    return search.status == STATUS_OK
               ? STATUS_OK
               : error_set(error, search.status,
                           "not all lookups and playbooks could be searched (%s)",
                           status_name(search.status));
}
