/* SPDX-License-Identifier: Apache-2.0 */
/* A playbook put in force. It lies in the directory by its content; a record in the log says that
 * it counts.
 *
 *   read ─► try to load ─► load, names declared ─► next snapshot ─► file ─► one frame ─► swap
 *   └────────────── what fails here leaves the old one in force ──────────┘
 *
 * While the engine runs this is done twice, by the applier: first as far as the next snapshot, for
 * which the caller's thread then measures base rates, beside all others; then whole, with these.
 *
 * The frame holds the playbook's record and what its rules change about who is who, so a directory
 * never has the one without the other. */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log_line.h"
#include "base/memory.h"
#include "engine/engine_internal.h"
#include "identity/claims.h"

#define PLAYBOOK_NAME_BYTES 16 /* and ".yaml" behind them */

static void tell_damaged_playbook(struct engine *engine, const char *name, unreadable_fn tell,
                                  void *context) {
    char path[PATH_BYTES_MAX], why[PATH_BYTES_MAX + 128];
    struct text hash = {name, PLAYBOOK_NAME_BYTES};
    struct buffer bytes;
    struct error ignored;
    if (strlen(name) < hash.length || strcmp(name + hash.length, ".yaml") != 0) return;
    if (path_of(engine, path, "playbooks/%s", name) != STATUS_OK) return;
    buffer_init(&bytes);
    if (file_read_all(engine->fs, path, PLAYBOOK_BYTES_MAX, &bytes, &ignored) != STATUS_OK ||
        !playbook_is_as_named(&bytes, hash)) {
        snprintf(why, sizeof why,
                 "%s: an earlier playbook is damaged: restore it from a backup; without it no "
                 "decision of it can be made again",
                 path);
        tell(context, why);
    }
    buffer_release(&bytes);
}

static void playbooks_tell_damaged(struct engine *engine, unreadable_fn tell, void *context) {
    char folder[PATH_BYTES_MAX];
    struct buffer names;
    struct error ignored;
    size_t count = 0;
    buffer_init(&names);
    if (path_of(engine, folder, "playbooks") == STATUS_OK &&
        directory_list(engine->fs, folder, &names, &count, &ignored) == STATUS_OK) {
        const char *name = names.at;
        for (size_t i = 0; i < count; i++, name += strlen(name) + 1)
            tell_damaged_playbook(engine, name, tell, context);
    }
    buffer_release(&names);
}

void engine_tell_unreadable(struct engine *engine, unreadable_fn tell, void *context) {
    if (engine_playbook(engine) == NULL) return;
    lookups_tell_unreadable(engine, tell, context);
    models_tell_unreadable(engine, tell, context);
    playbooks_tell_damaged(engine, tell, context);
}

/* ---- loading ---- */

static enum status tell_first_error(const struct playbook_errors *errors, const char *file,
                                    struct error *error) {
    if (errors->count == 0)
        return error_set(error, STATUS_INVALID, "%s: the playbook is not valid", file);
    return error_set(error, STATUS_INVALID, "%s:%u:%u: %s%s", file, errors->item[0].place.line,
                     errors->item[0].place.column, errors->item[0].text,
                     errors->count > 1 ? " (and more: attune check lists them all)" : "");
}

static enum status load(const char *file, const struct buffer *bytes, struct symbols *symbols,
                        struct playbook_errors *errors, struct playbook **out,
                        struct error *error) {
    struct playbook_errors *own = errors != NULL ? errors : memory_calloc(1, sizeof *own);
    if (own == NULL) return STATUS_NO_MEMORY;
    own->count = own->dropped = 0;
    enum status status = playbook_load(out, file, buffer_text(bytes), symbols, own);
    if (status == STATUS_INVALID) status = tell_first_error(own, file, error);
    if (own != errors) memory_free(own);
    return status;
}

/* Would it load? Its names are declared in a copy of the table, so that a playbook that does not
 * load leaves none behind. */
static enum status try_to_load(struct engine *engine, const char *file, const struct buffer *bytes,
                               struct playbook_errors *errors, struct playbook **out,
                               struct symbols **names, struct error *error) {
    *out = NULL;
    enum status status = symbols_copy(engine->symbols, names);
    return status == STATUS_OK ? load(file, bytes, *names, errors, out, error) : status;
}

/* A playbook that is loaded, and the snapshot in which it would be in force. */
struct putting {
    struct engine *engine;
    struct buffer bytes;
    struct held_playbook *playbook;
    struct in_force *next;
    struct rates_version *rates; /* of the playbook, or NULL; borrowed */
};

static void putting_init(struct putting *putting, struct engine *engine) {
    *putting = (struct putting){.engine = engine};
    buffer_init(&putting->bytes);
}

static void putting_release(struct putting *putting) {
    in_force_drop(putting->next);
    held_playbook_drop(putting->playbook);
    buffer_release(&putting->bytes);
}

static enum status load_for_good(struct putting *putting, const char *file,
                                 struct playbook_errors *errors, struct error *error) {
    struct playbook *playbook = NULL;
    enum status status =
        load(file, &putting->bytes, putting->engine->symbols, errors, &playbook, error);
    return status == STATUS_OK ? held_playbook_create(&putting->playbook, playbook) : status;
}

static enum status make_next(struct putting *putting, struct error *error) {
    struct in_force_change change = {.playbook = putting->playbook};
    return in_force_next(putting->engine, &change, &putting->next, error);
}

/* ---- writing it down ---- */

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

static enum status keep_file(struct putting *putting, struct error *error) {
    struct engine *engine = putting->engine;
    const struct buffer *bytes = &putting->bytes;
    const char *hash = putting->playbook->hash;
    char path[PATH_BYTES_MAX];
    if (strcmp(hash, engine->playbook_hash) == 0 && is_kept(engine, hash, bytes)) return STATUS_OK;
    enum status status = folder_make(engine, "playbooks", error);
    if (status == STATUS_OK) status = path_of(engine, path, "playbooks/%s.yaml", hash);
    return status == STATUS_OK ? file_replace(engine->fs, path, bytes->at, bytes->length, error)
                               : status;
}

/* One frame: that the playbook is in force, and what its rules change about who is who. */
static enum status write_down(struct putting *putting, const struct identity_result *result,
                              struct error *error) {
    struct engine *engine = putting->engine;
    struct event_batch batch;
    struct buffer record;
    enum status status = STATUS_OK;
    event_batch_init(&batch);
    buffer_init(&record);
    if (strcmp(putting->playbook->hash, engine->playbook_hash) != 0)
        status = control_playbook(&record, putting->playbook->hash, engine_now_ms(engine));
    if (status == STATUS_OK)
        status = engine_append_change(engine, &batch, result, buffer_text(&record), true, error);
    buffer_release(&record);
    event_batch_release(&batch);
    return status;
}

/* Identity's rules and the record, together. */
static enum status put_rules(struct putting *putting, struct error *error) {
    struct engine *engine = putting->engine;
    const struct playbook *playbook = putting->playbook->playbook;
    struct identity_result result;
    enum status status =
        identity_set_rules(engine->identity, playbook->identifiers, playbook->identifier_count,
                           engine_now_ms(engine), store_position(engine->store), &result, error);
    if (status != STATUS_OK) return status;
    if (!engine->read_only) status = write_down(putting, &result, error);
    if (status != STATUS_OK) {
        identity_undo(engine->identity);
        return status;
    }
    identity_commit(engine->identity);
    identity_set_claims_max(engine->identity, playbook->claims_per_day);
    if (!engine->read_only)
        memcpy(engine->playbook_hash, putting->playbook->hash, sizeof engine->playbook_hash);
    return engine->read_only
               ? STATUS_OK
               : engine_append_more_changes(engine, &result, BATCH_EVENTS_MAX, true, error);
}

/* The snapshot is whole: from here on only memory and the disk can fail. New runs keep the columns
 * of the playbook that counts; where another one's stand for a moment, readers bring their own. */
static enum status put(struct putting *putting, struct error *error) {
    struct engine *engine = putting->engine;
    const struct playbook *before = engine_playbook(engine);
    enum status status =
        store_set_columns(engine->store, &putting->playbook->playbook->columns, error);
    if (status != STATUS_OK) return status;
    status = put_rules(putting, error);
    bool is_in_force = engine->read_only
                           ? status == STATUS_OK
                           : strcmp(engine->playbook_hash, putting->playbook->hash) == 0;
    if (!is_in_force) {
        enum status back =
            before != NULL ? store_set_columns(engine->store, &before->columns, NULL) : STATUS_OK;
        (void)back; /* without memory, new runs keep columns that nobody asks for */
        return status;
    }
    rates_list_in(putting->next, putting->rates);
    in_force_swap(engine, putting->next);
    putting->next = NULL;
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

/* Against the playbook that was in force so far, where there is one and it can be read. */
static void warn_of_change(struct engine *engine, const struct held_playbook *after) {
    char path[PATH_BYTES_MAX];
    struct playbook *before = NULL;
    struct symbols *names = NULL;
    struct error ignored = {0};
    struct buffer bytes;
    if (engine->playbook_hash[0] == '\0' || strcmp(after->hash, engine->playbook_hash) == 0) return;
    buffer_init(&bytes);
    if (path_of(engine, path, "playbooks/%s.yaml", engine->playbook_hash) == STATUS_OK &&
        file_read_all(engine->fs, path, PLAYBOOK_BYTES_MAX, &bytes, &ignored) == STATUS_OK &&
        try_to_load(engine, path, &bytes, NULL, &before, &names, &ignored) == STATUS_OK)
        warn_of_row_keys(before, after->playbook);
    playbook_destroy(before);
    symbols_destroy(names);
    buffer_release(&bytes);
}

/* ---- the two ways in ---- */

static enum status prepare(struct putting *putting, const char *file,
                           struct playbook_errors *errors, struct error *error) {
    struct playbook *tried = NULL;
    struct symbols *names = NULL;
    enum status status =
        file_read_all(file_system_os(), file, PLAYBOOK_BYTES_MAX, &putting->bytes, error);
    if (status == STATUS_OK)
        status = try_to_load(putting->engine, file, &putting->bytes, errors, &tried, &names, error);
    playbook_destroy(tried);
    symbols_destroy(names);
    if (status == STATUS_OK) status = load_for_good(putting, file, errors, error);
    return status == STATUS_OK ? make_next(putting, error) : status;
}

static enum status put_prepared(struct putting *putting, struct error *error) {
    struct engine *engine = putting->engine;
    enum status status = engine->read_only ? STATUS_OK : keep_file(putting, error);
    if (status == STATUS_OK && !engine->read_only) warn_of_change(engine, putting->playbook);
    return status == STATUS_OK ? put(putting, error) : status;
}

enum status playbook_put_in_force(struct engine *engine, const char *file,
                                  struct playbook_errors *errors, struct error *error) {
    struct putting putting;
    putting_init(&putting, engine);
    enum status status = prepare(&putting, file, errors, error);
    if (status == STATUS_OK) status = put_prepared(&putting, error);
    putting_release(&putting);
    return status;
}

/* ---- while the engine runs ---- */

struct put_call {
    const char *file;
    struct playbook_errors *errors;
    struct putting first; /* for which the rates are measured, and which is then let go */
    struct rates_version *rates;
};

static enum status call_prepare(struct engine *engine, void *context, struct error *error) {
    struct put_call *wanted = context;
    (void)engine;
    return prepare(&wanted->first, wanted->file, wanted->errors, error);
}

/* Anew: meanwhile tables and models may have come, and the file may say something else. */
static enum status call_put(struct engine *engine, void *context, struct error *error) {
    struct put_call *wanted = context;
    struct putting putting;
    putting_init(&putting, engine);
    enum status status = prepare(&putting, wanted->file, wanted->errors, error);
    if (status == STATUS_OK && strcmp(putting.playbook->hash, wanted->first.playbook->hash) == 0)
        putting.rates = wanted->rates;
    if (status == STATUS_OK) status = put_prepared(&putting, error);
    putting_release(&putting);
    return status;
}

enum status engine_put_playbook(struct engine *engine, const char *file,
                                struct playbook_errors *errors, struct error *error) {
    if (engine->read_only)
        return error_set(error, STATUS_READ_ONLY,
                         "%s is open for reading; open it for writing to put a playbook in force",
                         engine->directory);
    struct put_call wanted = {.file = file, .errors = errors};
    putting_init(&wanted.first, engine);
    enum status status = applier_call(engine->applier, call_prepare, &wanted, error);
    if (status == STATUS_OK) rates_prepare(wanted.first.next, &wanted.rates);
    if (status == STATUS_OK) status = applier_call(engine->applier, call_put, &wanted, error);
    rates_version_drop(wanted.rates);
    putting_release(&wanted.first);
    return status;
}

bool playbook_is_as_named(const struct buffer *bytes, struct text name) {
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx",
             (unsigned long long)hash_bytes(bytes->at, bytes->length, 0));
    return text_equal(text_from(hash), name);
}

static enum status read_in_force(struct engine *engine, const char *path, struct buffer *bytes,
                                 struct error *error) {
    enum status status = file_read_all(engine->fs, path, PLAYBOOK_BYTES_MAX, bytes, error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    if (status == STATUS_OK && playbook_is_as_named(bytes, text_from(engine->playbook_hash)))
        return STATUS_OK;
    return error_set(error, STATUS_CORRUPT,
                     "%s: the playbook in force is %s: restore it from a backup, or give the same "
                     "file again: --playbook FILE",
                     path, status == STATUS_OK ? "damaged" : "missing");
}

/* Its names are declared already, in the log. */
enum status playbook_load_in_force(struct engine *engine, struct error *error) {
    char path[PATH_BYTES_MAX];
    struct putting putting;
    if (engine->playbook_hash[0] == '\0') return STATUS_OK;
    putting_init(&putting, engine);
    enum status status = path_of(engine, path, "playbooks/%s.yaml", engine->playbook_hash);
    if (status == STATUS_OK) status = read_in_force(engine, path, &putting.bytes, error);
    if (status == STATUS_OK) status = load_for_good(&putting, path, NULL, error);
    if (status == STATUS_OK) status = make_next(&putting, error);
    if (status == STATUS_OK) status = put(&putting, error);
    putting_release(&putting);
    return status;
}
