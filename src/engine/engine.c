/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/answer/pool.h"
#include "engine/checkpoint.h"
#include "engine/rows/rows.h"

#define THREADS_MAX        16
#define READ_ONLY_ATTEMPTS 5

enum status path_of(const struct engine *engine, char out[PATH_BYTES_MAX], const char *format,
                    ...) {
    int prefix = snprintf(out, PATH_BYTES_MAX, "%s/", engine->directory);
    if (prefix < 0 || prefix >= PATH_BYTES_MAX) return STATUS_LIMIT;
    va_list arguments;
    va_start(arguments, format);
    int rest = vsnprintf(out + prefix, PATH_BYTES_MAX - (size_t)prefix, format, arguments);
    va_end(arguments);
    return rest < 0 || rest >= PATH_BYTES_MAX - prefix ? STATUS_LIMIT : STATUS_OK;
}

enum status folder_make(struct engine *engine, const char *name, struct error *error) {
    char path[PATH_BYTES_MAX];
    enum status status = path_of(engine, path, "%s", name);
    if (status == STATUS_OK) status = directory_make(engine->fs, path, error);
    return status == STATUS_OK ? directory_sync(engine->fs, engine->directory, error) : status;
}

/* ---- opening ---- */

static enum status on_record(void *context, enum record_kind kind, struct text bytes,
                             uint64_t position, struct error *error) {
    struct engine *engine = context;
    if (kind == RECORD_IDENTITY) return identity_apply(engine->identity, bytes, position, error);
    if (kind == RECORD_CONTROL) return control_apply(engine, bytes, error);
    return error_set(
        error, STATUS_VERSION,
        "the log holds a kind of record that this program does not know; a newer attune wrote it");
}

/* From the directory's own secret, by a hash that can't be undone. */
static void name_directory(struct engine *engine, const uint8_t salt[IDENTITY_SALT_BYTES]) {
    static const char purpose[] = "attune: decisions";
    uint8_t hash[crypto_generichash_BYTES];
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)purpose, sizeof purpose, salt,
                             IDENTITY_SALT_BYTES);
    memcpy(&engine->directory_id, hash, sizeof engine->directory_id);
}

uint64_t engine_directory_id(const struct engine *engine) {
    return engine->directory_id;
}

static enum status open_rooms(struct engine *engine, const struct engine_options *options,
                              struct error *error) {
    struct identity_options identity = {0};
    static const struct column_set no_columns;
    if (sodium_init() < 0)
        return error_set(error, STATUS_IO, "libsodium finds no source of randomness");
    bool unchecked = false;
    enum status status =
        salt_read(engine, options->create && !options->read_only, identity.salt, &unchecked, error);
    if (status == STATUS_OK) name_directory(engine, identity.salt);
    if (status == STATUS_OK) status = live_create(&engine->live, identity.salt);
    if (status == STATUS_OK) status = symbols_create(&engine->symbols);
    if (status == STATUS_OK) status = identity_create(&engine->identity, &identity);
    if (status != STATUS_OK) return status;
    const struct store_checkpoint_ops checkpoint = engine_checkpoint_ops(engine->identity);
    struct store_options store = {
        .fs = options->fs,
        .directory = engine->directory,
        .create = options->create,
        .read_only = options->read_only,
        .symbols = engine->symbols,
        .columns = &no_columns,
        .directory_of_customers = identity_directory(engine->identity),
        .fold_by_hand = options->fold_by_hand,
        .on_record = on_record,
        .context = engine,
        .checkpoint = &checkpoint,
    };
    status = store_open(&engine->store, &store, error);
    return status == STATUS_OK && unchecked && !options->read_only
               ? salt_write(engine, identity.salt, error)
               : status;
}

static uint32_t threads_of(const struct engine_options *options) {
    long have = options->threads != 0 ? (long)options->threads : sysconf(_SC_NPROCESSORS_ONLN);
    return have < 1 ? 1 : have > THREADS_MAX ? THREADS_MAX : (uint32_t)have;
}

/* So that there is a snapshot before the first playbook, too. */
static enum status put_nothing_in_force(struct engine *engine, struct error *error) {
    static const struct in_force_change nothing;
    struct in_force *next;
    enum status status = in_force_next(engine, &nothing, &next, error);
    if (status == STATUS_OK) in_force_swap(engine, next);
    return status;
}

static enum status open_once(struct engine **out, const struct engine_options *options,
                             struct error *error) {
    struct engine *engine = memory_calloc(1, sizeof *engine);
    if (engine == NULL) return STATUS_NO_MEMORY;
    engine->fs = options->fs != NULL ? options->fs : file_system_os();
    engine->read_only = options->read_only;
    engine->fixed_now_ms = options->now_ms;
    engine->threads = threads_of(options);
    holds_init(&engine->holds);
    lookup_pages_init(&engine->lookup_pages);
    pthread_mutex_init(&engine->now.lock, NULL);
    pthread_mutex_init(&engine->readings_lock, NULL);
    pthread_mutex_init(&engine->secrets_lock, NULL);
    engine->applier_reads.engine = engine;
    const struct applier_options applier = {.engine = engine,
                                            .changes_max = options->queue_changes,
                                            .bytes_max = options->queue_bytes,
                                            .linger_ms = options->linger_ms};
    enum status status = row_frame_create(&engine->frame);
    if (status == STATUS_OK) status = applier_create(&engine->applier, &applier);
    if (status == STATUS_OK) status = rates_create(&engine->rates, engine);
    if (status == STATUS_OK) status = budgets_create(&engine->budgets, engine);
    if (status == STATUS_OK) status = engine_view_pool_create(&engine->pool);
    if (status == STATUS_OK) status = past_create(&engine->past, engine);
    if (status == STATUS_OK && strlen(options->directory) + 64 > PATH_BYTES_MAX)
        status = error_set(error, STATUS_LIMIT, "the directory's name is too long");
    else if (status == STATUS_OK)
        memcpy(engine->directory, options->directory, strlen(options->directory) + 1);
    if (status == STATUS_OK) status = open_rooms(engine, options, error);
    if (status == STATUS_OK) status = put_nothing_in_force(engine, error);
    if (status == STATUS_OK) {
        status = options->playbook_file != NULL
                     ? playbook_put_in_force(engine, options->playbook_file,
                                             options->playbook_errors, error)
                     : playbook_load_in_force(engine, error);
    }
    if (status == STATUS_OK && !engine->read_only) applier_open(engine->applier);
    if (status != STATUS_OK) {
        if (status == STATUS_NO_MEMORY)
            (void)error_set(error, status, "out of memory while opening %s", options->directory);
        engine_close(engine);
        return status;
    }
    *out = engine;
    return STATUS_OK;
}

/* A writer beside a reader may fold, and remove what the reader was about to read: then it reads
 * anew. */
enum status engine_open(struct engine **out, const struct engine_options *options,
                        struct error *error) {
    enum status status = open_once(out, options, error);
    for (int i = 1; i < READ_ONLY_ATTEMPTS && options->read_only; i++) {
        if (status != STATUS_NOT_FOUND && status != STATUS_CORRUPT) break;
        status = open_once(out, options, error);
    }
    return status;
}

static void release_facts(struct engine *engine) {
    for (size_t i = 0; i < engine->lookup_count; i++) memory_free(engine->lookups[i].versions);
    memory_free(engine->lookups);
    for (size_t i = 0; i < engine->model_count; i++) memory_free(engine->models[i].versions);
    memory_free(engine->models);
}

void engine_close(struct engine *engine) {
    if (engine == NULL) return;
    applier_destroy(engine->applier);
    rates_destroy(engine->rates);
    budgets_destroy(engine->budgets);
    engine_view_pool_destroy(engine->pool);
    past_destroy(engine->past);
    in_force_drop(engine->own);
    in_force_drop(atomic_load(&engine->now.in_force));
    if (engine->store != NULL) store_close(engine->store);
    identity_destroy(engine->identity);
    release_facts(engine);
    json_parser_destroy(engine->json);
    holds_release(&engine->holds);
    lookup_pages_release(&engine->lookup_pages);
    ingest_repeats_release(&engine->known_rows);
    readings_release(engine);
    row_frame_destroy(engine->frame);
    live_destroy(engine->live);
    symbols_destroy(engine->symbols);
    pthread_mutex_destroy(&engine->now.lock);
    pthread_mutex_destroy(&engine->readings_lock);
    engine_secrets_release(engine);
    memory_free(engine);
}

/* ---- what is handed out ---- */

const struct customer_data *engine_customer_data(const struct engine *engine) {
    return &engine->own->data;
}
const struct playbook *engine_playbook(const struct engine *engine) {
    return engine->own->data.playbook;
}
struct store *engine_store(struct engine *engine) {
    return engine->store;
}
struct applier *engine_applier(struct engine *engine) {
    return engine->applier;
}
struct identity *engine_identity(struct engine *engine) {
    return engine->identity;
}
struct symbols *engine_symbols(struct engine *engine) {
    return engine->symbols;
}
uint32_t engine_threads(const struct engine *engine) {
    return engine->threads;
}

int64_t engine_now_ms(const struct engine *engine) {
    return engine->fixed_now_ms != 0 ? engine->fixed_now_ms : clock_now_ms();
}

bool engine_later_lookup(const struct engine *engine, int64_t t_ms, struct text *name,
                         int64_t *known_ms) {
    return in_force_later_lookup(engine->own, t_ms, name, known_ms);
}

/* Did the program itself write the event? Such events do not tell when the data end. */
static bool is_ours(uint16_t type) {
    return type == EVENT_DECISION_MADE || type == EVENT_CUSTOMER_MERGED ||
           type == EVENT_CUSTOMER_SPLIT || type == EVENT_ERASED;
}

static int64_t newest_known(const struct timeline *timeline, int64_t newest_ms, int64_t now_ms) {
    for (uint32_t row = 0; row < timeline->count; row++) {
        int64_t known_ms =
            timeline->known_ms != NULL ? timeline->known_ms[row] : timeline->time_ms[row];
        if (known_ms > newest_ms && known_ms <= now_ms && timeline_known(timeline, row, now_ms) &&
            !is_ours(timeline->type[row]))
            newest_ms = known_ms;
    }
    return newest_ms;
}

enum status engine_last_known_ms(struct engine *engine, int64_t *time_ms, struct error *error) {
    struct timeline_source *source = store_source(engine->store);
    struct timeline_reader *reader;
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW}, .needs = TIMELINE_KNOWN};
    struct timeline timeline;
    bool any = false;
    *time_ms = 0;
    enum status status = source->ops->reader_open(source, &reader, error);
    if (status != STATUS_OK) return status;
    status = source->ops->walk(reader, &request, 0, 1, error);
    while (status == STATUS_OK) {
        status = source->ops->next(reader, &timeline, error);
        if (status != STATUS_OK) break;
        any = any || timeline.count > 0;
        *time_ms = newest_known(&timeline, *time_ms, engine_now_ms(engine));
    }
    source->ops->reader_close(reader);
    /* Undated events, and those of the future, do not tell what time it is. */
    if (status == STATUS_END && any && *time_ms == 0) *time_ms = engine_now_ms(engine);
    return status == STATUS_END ? STATUS_OK : status;
}
