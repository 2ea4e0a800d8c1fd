/* SPDX-License-Identifier: Apache-2.0 */
/* Loading files: lookups first, since sources join them, then events, source by source in playbook
 * order. */
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "engine/in_flight.h"
#include "engine/rows/half_rows.h"
#include "engine/rows/rows.h"

#define PROGRESS_EVERY_SECONDS 0.1

struct loading {
    struct engine *engine;
    struct in_force *in_force; /* held: the playbook of all of the load, and its newest tables */
    const struct engine_ingest_options *options;
    const struct source *source;
    struct engine_ingest_report *report;
    struct event_batch batch; /* bad rows of a lookup */
    struct in_flight in_flight;
    struct error first_failed; /* of a file that can't be read, or ends in the middle: the others
                                * are loaded all the same */
    struct row_load rows;
    struct half_rows halves;
    bool has_files;      /* the source has several */
    uint64_t older_rows; /* left out by the reader itself */
    double told_at;
};

static bool is_usable(void *context, uint32_t rule_index, struct text value) {
    const struct playbook *playbook = context;
    return identity_is_usable(&playbook->identifiers[rule_index], value);
}

static int64_t now_of_engine(void *context) {
    const struct engine *engine = context;
    return engine_now_ms(engine);
}

struct ingest_settings engine_ingest_settings(const struct in_force *in_force,
                                              const struct lookup_table *const *tables) {
    struct engine *engine = in_force->engine;
    const struct playbook *playbook = in_force->data.playbook;
    return (struct ingest_settings){
        .playbook = playbook,
        .symbols = engine->symbols,
        .lookups = tables,
        .now_ms = engine_now_ms(engine),
        .now = now_of_engine,
        .now_context = engine,
        .usable = is_usable,
        .usable_context = (void *)(uintptr_t)playbook,
    };
}

struct ingest_settings engine_load_settings(const struct in_force *in_force,
                                            const struct lookup_table *const *tables,
                                            const struct source *source, struct row_load *load) {
    struct ingest_settings settings = engine_ingest_settings(in_force, tables);
    settings.readings = readings_find;
    settings.readings_context = load != NULL ? &load->readings : &in_force->engine->applier_reads;
    if (load != NULL && load->may_skip) settings.is_known = row_load_is_known;
    settings.is_known_context = load;
    settings.keeps_rows = source->key_names != KEY_NAMES_EVENT || source->rows.again == AGAIN_ADD;
    settings.key_names = readings_key_names(in_force->engine, source);
    if (source->token_secret.length > 0)
        settings.token_secret = engine_secret(in_force->engine, source->token_secret);
    return settings;
}

static void tell(struct loading *loading, const char *path,
                 const struct ingest_progress *progress) {
    double now = clock_monotonic_seconds();
    if (loading->options->progress == NULL || now - loading->told_at < PROGRESS_EVERY_SECONDS)
        return;
    loading->told_at = now;
    struct engine_progress news = {
        .source = loading->source->name,
        .path = path,
        .consumed_bytes = progress->bytes,
        .total_bytes = progress->bytes_total,
        .events = loading->report->did.events,
        .quarantined = loading->report->quarantined,
    };
    loading->options->progress(loading->options->context, &news);
}

/* ---- what must be known, and stops nothing ---- */

PRINTF_LIKE(2, 3) static void warn(struct loading *loading, const char *format, ...) {
    struct ingest_notes *notes = &loading->report->notes;
    va_list arguments;
    if (notes->count++ >= INGEST_NOTES_MAX) return;
    va_start(arguments, format);
    vsnprintf(notes->text[notes->count - 1], sizeof notes->text[0], format, arguments);
    va_end(arguments);
}

static void take_warnings(struct loading *loading, const struct ingest_progress *progress) {
    for (uint32_t i = 0; i < progress->warning_count; i++)
        warn(loading, "%s", progress->warnings[i]);
    if (progress->near.events == 0) return;
    warn(
        loading,
        "source %.*s: %llu treatment events name no action of the playbook but nearly one, such as "
        "'%s' (did you mean %s?): as treatments of that action they count only under its name",
        TEXT_ARG(loading->source->name), (unsigned long long)progress->near.events,
        progress->near.word, progress->near.action);
}

/* A file that was cut off is told, and fails the command in the end. It does not keep the other
 * files from being loaded, since nothing of theirs depends on it. */
static void note_cut(struct loading *loading, const struct ingest_progress *progress) {
    loading->report->outcome = INGEST_FAILED;
    if (loading->first_failed.status != STATUS_OK) {
        warn(loading, "%s", progress->truncation);
        return;
    }
    (void)error_set(&loading->first_failed, STATUS_INVALID,
                    "%s; the rows before that were loaded%s. Load the whole file",
                    progress->truncation,
                    progress->cut_rows > 0 ? ", and what it ends in waits in quarantine" : "");
}

/* Notes a file that can't be read at all. It does not keep the other files out, either. */
static enum status note_unread(struct loading *loading, const struct error *why) {
    loading->report->outcome = INGEST_FAILED;
    if (loading->first_failed.status == STATUS_OK)
        loading->first_failed = *why;
    else
        warn(loading, "%s", why->text);
    return STATUS_OK;
}

/* What is durable by now, of all files of the source. */
static void count_done(struct loading *loading) {
    const struct in_flight *in_flight = &loading->in_flight;
    struct engine_ingest_report *report = loading->report;
    report->did = in_flight->did;
    report->did.quarantined = 0; /* `bad` has the rows; a group is one entry */
    report->did.older += loading->older_rows;
    report->quarantined = in_flight->bad.rows;
    report->quarantine_entries = in_flight->bad.entries;
    report->quarantined_before = in_flight->bad.known_rows;
}

/* What an open pipe has said so far counts before it says more. */
static enum status settle(struct loading *loading, const struct ingest_progress *progress,
                          struct error *error) {
    enum status status = in_flight_drain(&loading->in_flight, error);
    if (status != STATUS_OK) return status;
    return row_load_settle(&loading->rows, loading->report->rows + progress->rows, error);
}

static enum status may_go_on(const struct loading *loading, struct error *error) {
    if (!work_is_cancelled(loading->options->work)) return STATUS_OK;
    return error_set(error, STATUS_CANCELLED,
                     "cancelled; what was loaded stays, and the same command again loads the rest");
}

static enum status load_batches(struct loading *loading, struct ingest_reader *reader,
                                const char *path, struct error *error) {
    struct in_flight *in_flight = &loading->in_flight;
    struct ingest_progress progress;
    struct event_batch *batch = in_flight_next(in_flight);
    enum status status;
    while ((status = may_go_on(loading, error)) == STATUS_OK &&
           (status = ingest_next(reader, batch, error)) == STATUS_OK) {
        half_rows_see(&loading->halves, batch);
        if ((status = in_flight_send(in_flight, error)) != STATUS_OK) break;
        count_done(loading);
        ingest_progress(reader, &progress);
        if (in_flight->ended > 0) tell(loading, path, &progress);
        if (loading->source->known_on_arrival && progress.bytes_total == 0)
            status = settle(loading, &progress, error);
        if (status != STATUS_OK) break;
        batch = in_flight_next(in_flight);
    }
    if (status == STATUS_CANCELLED) status = may_go_on(loading, error);
    struct error later = {0};
    enum status sent =
        in_flight_drain(in_flight, status == STATUS_OK || status == STATUS_END ? error : &later);
    if (status == STATUS_OK || status == STATUS_END) status = sent != STATUS_OK ? sent : status;
    ingest_progress(reader, &progress);
    loading->report->rows += progress.rows;
    loading->report->bytes += progress.bytes;
    loading->report->no_keys += progress.no_keys;
    loading->older_rows += progress.older_rows;
    count_done(loading);
    loading->report->disagreeing += progress.disagreeing_rows;
    loading->report->undeclared_events += progress.undeclared_events;
    loading->report->undeclared_left += progress.undeclared_left;
    take_warnings(loading, &progress);
    if (status == STATUS_END && progress.truncated) note_cut(loading, &progress);
    if (status == STATUS_END && progress.keys_name_rows)
        return readings_note_key(loading->engine, loading->source, error);
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status load_events(struct loading *loading, const char *path, struct error *error) {
    struct engine *engine = loading->engine;
    struct ingest_reader *reader = NULL;
    const struct lookup_table **tables = in_force_tables(loading->in_force);
    if (tables == NULL) return STATUS_NO_MEMORY;
    /* A live pipe changes what is stored while it is read. */
    if (loading->source->known_on_arrival && strcmp(path, "-") == 0) loading->rows.may_skip = false;
    struct ingest_settings settings =
        engine_load_settings(loading->in_force, tables, loading->source, &loading->rows);
    settings.keeps_rows |= loading->has_files;
    settings.takes_parts = true;
    settings.work = loading->options->work;
    settings.thread_count = engine->threads > 1 ? engine->threads : 0;
    struct error why = {0};
    enum status status = ingest_open(&reader, &settings, loading->source, path, &why);
    if (status == STATUS_OK)
        status = load_batches(loading, reader, path, error);
    else if (status == STATUS_CANCELLED)
        status = may_go_on(loading, error);
    else if (status != STATUS_NO_MEMORY && why.status != STATUS_OK)
        status = note_unread(loading, &why);
    ingest_close(reader);
    memory_free(tables);
    return status;
}

/* A table may bring somebody back who was erased. It is loaded all the same: without some of its
 * rows it would be a wrong table. */
static enum status tell_erased(struct loading *loading, const struct lookup_table *table) {
    uint64_t rows;
    enum status status = leftovers_of_table(loading->engine, table, &rows);
    if (status == STATUS_OK && rows > 0)
        warn(loading,
             "lookup %.*s: %llu row%s somebody who was erased: take %s out of the file and load it "
             "again; attune erase --leftovers lists what names anybody who was erased",
             TEXT_ARG(loading->source->name), (unsigned long long)rows,
             rows == 1 ? " names" : "s name", rows == 1 ? "it" : "them");
    return status;
}

struct new_table {
    struct loading *loading;
    const struct lookup_rule *rule;
    struct lookup_table *table;
};

/* The applier's; takes the table. */
static enum status put_table(struct engine *engine, void *context, struct error *error) {
    const struct new_table *made = context;
    struct loading *loading = made->loading;
    struct bad_rows bad = {0};
    enum status status = STATUS_OK;
    if (engine->own->playbook != loading->in_force->playbook)
        status = error_set(error, STATUS_INVALID,
                           "another playbook was put in force while lookup %.*s was read, and may "
                           "read other columns; load it again",
                           TEXT_ARG(made->rule->name));
    if (status == STATUS_OK) status = rows_withhold(engine, &loading->batch, error);
    if (status == STATUS_OK) status = known_rows_drop(engine, &loading->batch, &bad, error);
    if (status == STATUS_OK) {
        loading->report->quarantined += bad.rows;
        loading->report->quarantine_entries += bad.entries;
        loading->report->quarantined_before += bad.known_rows;
        status = tell_erased(loading, made->table);
    }
    if (status != STATUS_OK) {
        lookup_destroy(made->table);
        return status;
    }
    status = lookup_put_in_force(engine, made->rule->name, made->table, &loading->batch, error);
    if (status != STATUS_OK) known_rows_forget(engine);
    return status;
}

/* Sources join the tables that this load has brought. */
static void take_new_tables(struct loading *loading) {
    struct in_force *now = in_force_hold(loading->engine), *before = loading->in_force;
    bool same = now->playbook == before->playbook;
    if (same) loading->in_force = now;
    in_force_drop(same ? before : now);
}

static enum status load_lookup(struct loading *loading, const char *path, struct error *error) {
    struct engine *engine = loading->engine;
    const struct playbook *playbook = loading->in_force->data.playbook;
    const struct lookup_rule *rule = &playbook->lookups[loading->source->lookup];
    struct lookup_table *table = NULL;
    struct ingest_settings settings = {
        .playbook = playbook, .now_ms = engine_now_ms(engine), .work = loading->options->work};
    struct error why = {0};
    event_batch_clear(&loading->batch);
    enum status status =
        ingest_lookup(&settings, loading->source, rule, path, &table, &loading->batch, &why);
    if ((status == STATUS_OK || status == STATUS_END) && why.text[0]) warn(loading, "%s", why.text);
    if (status == STATUS_END) return STATUS_OK;
    if (status != STATUS_OK) return error_set(error, status, "%s", why.text);
    loading->report->lookup_rows += lookup_row_count(table);
    loading->report->rows += lookup_row_count(table) + loading->batch.row_count;
    struct new_table made = {loading, rule, table};
    status = applier_call(engine->applier, put_table, &made, error);
    if (status == STATUS_OK) take_new_tables(loading);
    return status;
}

static enum status load_paths(struct loading *loading, const char *const *paths, size_t count,
                              struct error *error) {
    loading->report->time_always = loading->source->time_always;
    if (loading->source->is_lookup && count > 1) {
        return error_set(
            error, STATUS_INVALID,
            "lookup %.*s takes one file, and %zu match; make its `file:` pattern narrower",
            TEXT_ARG(loading->source->name), count);
    }
    loading->has_files = count > 1;
    for (size_t i = 0; i < count; i++) {
        loading->report->files++;
        enum status status = loading->source->is_lookup ? load_lookup(loading, paths[i], error)
                                                        : load_events(loading, paths[i], error);
        if (status == STATUS_OK) status = half_rows_look(&loading->halves, paths[i], error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status load_files(struct loading *loading, struct error *error) {
    const struct engine_ingest_options *options = loading->options;
    if (options->path_count > 0)
        return load_paths(loading, options->paths, options->path_count, error);
    struct ingest_files files = {0};
    buffer_init(&files.bytes);
    enum status status = ingest_files_find(&files, file_system_os(), loading->source->file,
                                           options->data_directory, error);
    if (files.folders > 0)
        warn(loading, "%zu folder%s that %.*s matches: only files are read", files.folders,
             files.folders == 1 ? "" : "s", TEXT_ARG(loading->source->file));
    if (files.streams > 0)
        warn(
            loading,
            "%zu pipe%s or device%s that %.*s matches: only files are read by a pattern; a pipe is "
            "named by itself",
            files.streams, files.streams == 1 ? "" : "s", files.streams == 1 ? "" : "s",
            TEXT_ARG(loading->source->file));
    if (status == STATUS_OK)
        status = load_paths(loading, files.paths, files.count, error);
    else if (status == STATUS_NOT_FOUND && options->source == NULL)
        loading->report->outcome = INGEST_NO_FILE;
    ingest_files_release(&files);
    return loading->report->outcome == INGEST_NO_FILE ? STATUS_OK : status;
}

/* A version may be that of the order, and then the older export is left out, or that of each of its
 * rows, and then it is not: only the playbook's author knows. */
static void tell_versions(struct loading *loading) {
    const struct source *source = loading->source;
    if (loading->rows.older_pieces == 0) return;
    warn(loading,
         "source %.*s: of %llu event%s rows were left out, since another file of this load has the "
         "same %.*s in a higher row_version. Where row_version tells the version of each row and "
         "not of the whole event, give each row a key: row_key: [%.*s, LINE]",
         TEXT_ARG(source->name), (unsigned long long)loading->rows.older_pieces,
         loading->rows.older_pieces == 1 ? "" : "s", TEXT_ARG(source->one_event_per),
         TEXT_ARG(source->one_event_per));
}

/* Also of a load that failed: what came before the bad file stays, with its corrections. */
static enum status load_source(struct loading *loading, struct error *error) {
    struct row_load *rows = &loading->rows;
    struct error later = {0};
    row_load_init(rows, loading->engine, loading->source);
    rows->remaps = loading->options->remaps;
    rows->guarded = !loading->options->accept_corrections;
    loading->older_rows = 0;
    in_flight_init(&loading->in_flight, loading->engine);
    loading->in_flight.like =
        (struct change){.load = rows, .knows_bad_rows = true, .remaps = rows->remaps};
    enum status status = row_load_skip_known(rows, error);
    enum status looked = half_rows_init(&loading->halves, loading->engine, loading->source, error);
    if (status == STATUS_OK) status = looked;
    if (status == STATUS_OK) status = load_files(loading, error);
    enum status ended =
        row_load_end(rows, loading->report->rows, status == STATUS_OK ? error : &later);
    in_flight_release(&loading->in_flight);
    tell_versions(loading);
    apply_result_add(&loading->report->did, &rows->counts);
    loading->report->quarantined += rows->bad.rows;
    loading->report->quarantine_entries += rows->bad.entries;
    loading->report->quarantined_before += rows->bad.known_rows;
    row_load_release(rows);
    if (status == STATUS_OK) status = ended;
    if (status == STATUS_OK)
        status = half_rows_end(&loading->halves, &loading->report->came_whole, error);
    half_rows_release(&loading->halves);
    return status;
}

const char *ingest_outcome_name(enum ingest_outcome outcome) {
    static const char *const names[INGEST_OUTCOME_COUNT] = {"loaded", "no_file", "failed",
                                                            "not_reached"};
    return outcome < INGEST_OUTCOME_COUNT ? names[outcome] : "unknown";
}

static void begin_report(struct loading *loading, struct engine_ingest_report *report) {
    const struct source *source = loading->source;
    loading->report = report;
    *report = (struct engine_ingest_report){
        .source = source->name, .drops_repeats = source->is_lookup || source->row_key_count > 0};
}

static bool is_wanted(const struct engine_ingest_options *options, const struct source *source,
                      bool lookups) {
    if (source->is_lookup != lookups) return false;
    if (options->source != NULL) return text_equal(text_from(options->source), source->name);
    return source->file.length > 0;
}

enum status source_unknown(const struct playbook *playbook, const char *name, struct error *error) {
    struct text names[256];
    size_t count = playbook->source_count < 256 ? playbook->source_count : 256;
    for (size_t i = 0; i < count; i++) names[i] = playbook->sources[i].name;
    return text_unknown(text_from(name), "the playbook has no source", names, count, error);
}

static enum status check_options(const struct in_force *in_force,
                                 const struct engine_ingest_options *options, struct error *error) {
    const struct playbook *playbook = in_force->data.playbook;
    const struct engine *engine = in_force->engine;
    if (playbook == NULL) {
        return error_set(
            error, STATUS_INVALID,
            "%s has no playbook yet; say --playbook FILE (attune init writes a first one)",
            engine->directory);
    }
    if (options->source == NULL && options->path_count > 0) {
        return error_set(error, STATUS_INVALID,
                         "name the source that %s belongs to: attune ingest SOURCE FILE…",
                         options->paths[0]);
    }
    if (options->source == NULL ||
        playbook_source_find(playbook, text_from(options->source)) != UINT32_MAX)
        return STATUS_OK;
    return source_unknown(playbook, options->source, error);
}

/* Lookups first. The playbook is the same from the first source to the last. */
static enum status load_sources(struct loading *loading, struct engine_ingest_report *reports,
                                size_t *count, struct error *error) {
    const struct playbook *playbook = loading->in_force->data.playbook;
    enum status status = STATUS_OK;
    for (int lookups = 1; lookups >= 0; lookups--) {
        for (uint32_t i = 0; i < playbook->source_count; i++) {
            loading->source = &playbook->sources[i];
            if (!is_wanted(loading->options, loading->source, lookups != 0)) continue;
            begin_report(loading, &reports[(*count)++]);
            if (status != STATUS_OK) {
                loading->report->outcome = INGEST_NOT_REACHED;
                continue;
            }
            status = load_source(loading, error);
            if (status == STATUS_OK) continue;
            loading->report->outcome = INGEST_FAILED;
            if (error != NULL && error->status == STATUS_OK)
                (void)error_set(error, status, "source %.*s: %s", TEXT_ARG(loading->source->name),
                                status_name(status));
        }
    }
    return status;
}

enum status engine_ingest(struct engine *engine, const struct engine_ingest_options *options,
                          struct engine_ingest_report **reports, size_t *count,
                          struct error *error) {
    struct loading loading = {
        .engine = engine, .in_force = in_force_hold(engine), .options = options};
    *reports = NULL;
    *count = 0;
    enum status status = check_options(loading.in_force, options, error);
    if (status == STATUS_OK) {
        *reports =
            memory_calloc(loading.in_force->data.playbook->source_count + 1, sizeof **reports);
        if (*reports == NULL) status = STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        in_force_drop(loading.in_force);
        return status;
    }
    event_batch_init(&loading.batch);
    status = load_sources(&loading, *reports, count, error);
    event_batch_release(&loading.batch);
    in_force_drop(loading.in_force);
    if (status == STATUS_OK && loading.first_failed.status != STATUS_OK)
        return error_set(error, loading.first_failed.status, "%s", loading.first_failed.text);
    uint64_t files = 0;
    for (size_t i = 0; i < *count; i++) files += (*reports)[i].files;
    if (status != STATUS_OK || files > 0) return status;
    return error_set(
        error, STATUS_NOT_FOUND,
        "no source of the playbook has a file in %s; say --data DIR, or attune ingest SOURCE FILE",
        options->data_directory != NULL ? options->data_directory : "the playbook's folder");
}
