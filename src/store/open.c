/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/log_line.h"
#include "base/memory.h"
#include "store/checkpoint.h"
#include "store/side_file.h"

/* A writer beside us may fold, and remove what we were about to read. */
#define READ_ONLY_ATTEMPTS 5

static const char *const folders[] = {"log", "runs", "links", "quarantine", "keys"};
#define FOLDER_COUNT (sizeof(folders) / sizeof(*folders))

struct opening {
    struct store *store;
    const struct store_options *options;
    struct event_batch batch;
    struct key_change *changes;
    size_t change_capacity;
    bool has_symbols;
    uint64_t covered; /* a checkpoint stands for the links below it */
};

static enum status join(char out[FILE_PATH_MAX], const struct store *store, const char *name,
                        struct error *error) {
    if (snprintf(out, FILE_PATH_MAX, "%s/%s", store->directory, name) < FILE_PATH_MAX)
        return STATUS_OK;
    return error_set(error, STATUS_LIMIT, "%s: the path is too long", store->directory);
}

static enum status make_directory(struct store *store, struct error *error) {
    char parent[FILE_PATH_MAX];
    enum status status = file_parent(store->directory, parent, error);
    if (status == STATUS_OK) status = directory_make(store->fs, store->directory, error);
    return status ? status : directory_sync(store->fs, parent, error);
}

/* LOCK holds the process id of the writer, so that somebody who is refused can be told which
 * process to stop. */
static enum status take_lock(struct store *store, struct error *error) {
    char path[FILE_PATH_MAX], text[32] = "";
    enum status status = join(path, store, "LOCK", error);
    if (status == STATUS_OK) status = file_open(store->fs, path, FILE_APPEND, &store->lock, error);
    if (status == STATUS_NOT_FOUND)
        return error_set(error, status,
                         "%s: there is no data directory here: check the path, or create one",
                         store->directory);
    if (status) return status;
    status = file_lock(store->lock, error);
    if (status == STATUS_LOCKED) {
        size_t got = 0;
        struct error ignored;
        if (file_read_at(store->lock, 0, text, sizeof(text) - 1, &got, &ignored)) got = 0;
        text[got] = 0;
        long holder = strtol(text, NULL, 10);
        /* The writer has the lock a moment before its number stands in the file, and kill 0 would
         * end the reader of this message. */
        if (holder <= 0)
            return error_set(error, status,
                             "%s: another process is writing to this data directory: stop it "
                             "first, or open it for reading only",
                             path);
        return error_set(error, status,
                         "%s: process %ld is writing to this data directory: stop it first (kill "
                         "%ld), or open it for reading only",
                         path, holder, holder);
    }
    if (status) return status;
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    status = file_truncate(store->lock, 0, error);
    return status ? status : file_write(store->lock, text, (size_t)length, error);
}

static enum status make_folders(struct store *store, struct error *error) {
    for (size_t i = 0; i < FOLDER_COUNT; i++) {
        char path[FILE_PATH_MAX];
        enum status status = join(path, store, folders[i], error);
        if (status == STATUS_OK) status = directory_make(store->fs, path, error);
        if (status) return status;
    }
    return directory_sync(store->fs, store->directory, error);
}

/* Refuses a directory without a manifest that holds anything but what a creation leaves that was
 * cut short: empty folders, or not even those. */
static enum status refuse_leftovers(struct store *store, struct error *error) {
    for (size_t i = 0; i < FOLDER_COUNT; i++) {
        char path[FILE_PATH_MAX];
        struct buffer names;
        buffer_init(&names);
        size_t count = 0;
        enum status status = join(path, store, folders[i], error);
        if (status == STATUS_OK) status = directory_list(store->fs, path, &names, &count, error);
        buffer_release(&names);
        if (status == STATUS_NOT_FOUND) continue;
        if (status) return status;
        if (count)
            return error_set(error, STATUS_CORRUPT,
                             "%s/MANIFEST: is missing, but %s is not empty: restore the whole data "
                             "directory from a backup",
                             store->directory, path);
    }
    return STATUS_OK;
}

static enum status no_manifest(const struct store *store, struct error *error) {
    return error_set(
        error, STATUS_NOT_FOUND,
        "%s: there is no data directory here (no MANIFEST): check the path, or create one",
        store->directory);
}

/* Refuses a wrong directory before the lock is taken: the lock's file would be left in somebody's
 * folder. Other faults are reported under the lock. */
static enum status refuse_wrong_place(struct store *store, struct error *error) {
    char path[FILE_PATH_MAX];
    struct file *file = NULL;
    struct error ignored;
    enum status status = join(path, store, "MANIFEST", error);
    if (status) return status;
    status = file_open(store->fs, path, FILE_READ, &file, &ignored);
    file_close(file);
    if (status != STATUS_NOT_FOUND) return STATUS_OK;
    enum status leftovers = refuse_leftovers(store, error);
    return leftovers ? leftovers : no_manifest(store, error);
}

static enum status load_manifest(struct store *store, bool create, struct error *error) {
    enum status status = manifest_load(&store->manifest, store->fs, store->directory, error);
    if (status == STATUS_OK && !store->read_only) return make_folders(store, error);
    if (status != STATUS_NOT_FOUND) return status;
    enum status leftovers = refuse_leftovers(store, error);
    if (leftovers) return leftovers;
    if (!create || store->read_only) return no_manifest(store, error);
    status = make_folders(store, error);
    store->manifest = (struct manifest){.format = MANIFEST_FORMAT, .next_number = 1};
    return status ? status : manifest_store(&store->manifest, store->fs, store->directory, error);
}

static enum status missing(enum status status, const char *path, struct error *error) {
    if (status != STATUS_NOT_FOUND) return status;
    return error_set(error, STATUS_CORRUPT, "%s: is missing: restore it from a backup", path);
}

static enum status open_runs(struct store *store, struct error *error) {
    uint32_t count = store->manifest.run_count;
    store->manifest.run_count = 0; /* so many as are open: what store_close gives back */
    for (uint32_t i = 0; i < count; i++) {
        char path[FILE_PATH_MAX];
        struct run *run = NULL;
        uint64_t number = store->manifest.runs[i].number;
        enum status status = stored_path(path, store->directory, "runs", number, "run", error);
        if (status == STATUS_OK) status = run_open(&run, store->fs, path, error);
        if (status) return missing(status, path, error);
        run_use_symbols(run, store->symbols);
        if (stored_run_create(&store->runs[i], run, number))
            return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", path);
        store->manifest.run_count++;
    }
    return STATUS_OK;
}

static enum status open_keys(struct store *store, struct error *error) {
    uint32_t count = store->manifest.keys_count;
    store->manifest.keys_count = 0; /* so many as are open: what store_close gives back */
    for (uint32_t i = 0; i < count; i++) {
        char path[FILE_PATH_MAX];
        struct key_file *file = NULL;
        uint64_t number = store->manifest.keys[i].number;
        enum status status = stored_path(path, store->directory, "keys", number, "keys", error);
        if (status == STATUS_OK) status = key_file_open(&file, store->fs, path, error);
        if (status) return missing(status, path, error);
        if (stored_keys_create(&store->keys[i], file, number))
            return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", path);
        store->manifest.keys_count++;
    }
    char path[FILE_PATH_MAX];
    uint64_t number = store->manifest.superseded.number;
    if (number == 0) return STATUS_OK;
    enum status status = stored_path(path, store->directory, "keys", number, "superseded", error);
    if (status == STATUS_OK) status = superseded_open(&store->superseded, store->fs, path, error);
    return missing(status, path, error);
}

static enum status give_record(struct opening *opening, uint8_t kind, struct text bytes,
                               uint64_t position, struct error *error) {
    const struct store_options *options = opening->options;
    if (kind != RECORD_ROWS_DROPPED) {
        if (!options->on_record) return STATUS_OK;
        return options->on_record(options->context, (enum record_kind)kind, bytes, position, error);
    }
    size_t count = bytes.length / sizeof(uint64_t);
    uint64_t *ids = memory_alloc(count * sizeof(*ids));
    if (!ids)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it",
                         opening->store->directory);
    if (count) memcpy(ids, bytes.at, count * sizeof(*ids));
    enum status status = store_dropped_add(opening->store, ids, count);
    memory_free(ids);
    return status ? error_set(error, status, "%s: no memory to open it", opening->store->directory)
                  : STATUS_OK;
}

static enum status on_links(void *context, const struct frame_view *view, struct error *error) {
    struct opening *opening = context;
    enum status status = STATUS_OK;
    if (view->symbols.length) {
        opening->has_symbols = true;
        status = symbols_apply(opening->store->symbols, view->symbols);
        if (status)
            return error_set(
                error, status, "%s: the symbols at position %llu can't be applied (%s)",
                opening->store->directory, (unsigned long long)view->position, status_name(status));
    }
    struct text left = view->records, bytes;
    uint8_t kind;
    while ((status = frame_next_record(&left, &kind, &bytes)) == STATUS_OK) {
        status = give_record(opening, kind, bytes, view->position, error);
        if (status) return status;
    }
    if (status == STATUS_END) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "%s: the records at position %llu can't be read",
                     opening->store->directory, (unsigned long long)view->position);
}

static enum status take_changes(struct opening *opening, const struct frame_view *view,
                                size_t *count) {
    struct text left = view->changes;
    struct key_change change;
    enum status status;
    *count = 0;
    while ((status = frame_next_change(&left, &change)) == STATUS_OK) {
        status = memory_grow((void **)&opening->changes, &opening->change_capacity, *count + 1,
                             sizeof(change));
        if (status) return status;
        opening->changes[(*count)++] = change;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

/* Of a links file. */
static enum status on_links_frame(void *context, const struct frame_view *view,
                                  struct error *error) {
    struct opening *opening = context;
    return view->position < opening->covered ? STATUS_OK : on_links(opening, view, error);
}

static enum status on_frame(void *context, const struct frame_view *view, struct error *error) {
    struct opening *opening = context;
    struct tail *tail = opening->store->growing;
    enum status status = on_links(opening, view, error);
    if (status) return status;
    event_batch_clear(&opening->batch);
    struct store_frame frame = {.batch = &opening->batch};
    status = frame_events(view, &opening->batch);
    if (status == STATUS_OK) status = take_changes(opening, view, &frame.change_count);
    frame.changes = opening->changes;
    if (status == STATUS_OK) status = tail_reserve(tail, &frame);
    if (status)
        return error_set(error, status, "%s: the events at position %llu can't be taken up (%s)",
                         opening->store->directory, (unsigned long long)view->position,
                         status_name(status));
    opening->store->growing_rows += view->row_count;
    tail_apply(tail, &frame, view->position, view->position + view->span, (struct log_place){0});
    return STATUS_OK;
}

/* ---- the checkpoint ---- */

/* Did a writer replace the file that we looked for? Then the whole directory is read anew. */
static bool manifest_has_changed(struct store *store) {
    struct manifest *now = memory_alloc(sizeof(*now));
    struct error ignored;
    bool changed = now && manifest_load(now, store->fs, store->directory, &ignored) == STATUS_OK &&
                   now->checkpoint.number != store->manifest.checkpoint.number;
    memory_free(now);
    return changed;
}

/* It can be made anew, so whatever is wrong with it is no reason not to open. */
static enum status do_without(struct opening *opening, enum status status, const struct error *why,
                              struct error *error) {
    struct store *store = opening->store;
    bool is_needless = status == STATUS_NOT_FOUND || status == STATUS_CORRUPT ||
                       status == STATUS_VERSION || status == STATUS_IO;
    if (!is_needless || (store->read_only && manifest_has_changed(store))) {
        if (error) *error = *why;
        return status;
    }
    store->checkpoint_lost = true;
    log_line(LOG_WARNING,
             "the checkpoint can't be used, so all records are read, which takes longer; %s: %s",
             store->read_only ? "the next program that writes makes it anew" : "it is made anew",
             why->text);
    return STATUS_OK;
}

/* The frames are copied: the other room takes the image over before they are handed out. */
static enum status take_checkpoint(struct opening *opening, struct buffer *frames,
                                   struct error *error) {
    struct store *store = opening->store;
    struct image image;
    struct error why = {0};
    enum status status = store_checkpoint_image(store, &image, &why);
    if (status) return do_without(opening, status, &why, error);
    uint64_t covered = image.position;
    status = buffer_append_text(frames, store_checkpoint_frames(&image));
    if (status)
        (void)error_set(&why, status, "%s: no memory to open it", store->directory);
    else
        status = store->checkpoint.load(store->checkpoint.context, &image, &why);
    if (status == STATUS_OK) {
        opening->covered = covered;
        return STATUS_OK;
    }
    image_close(&image);
    return do_without(opening, status, &why, error);
}

static enum status load_checkpoint(struct opening *opening, struct error *error) {
    struct store *store = opening->store;
    if (store->checkpoint.begin == NULL || store->manifest.checkpoint.number == 0) return STATUS_OK;
    struct buffer frames;
    buffer_init(&frames);
    enum status status = take_checkpoint(opening, &frames, error);
    if (status == STATUS_OK && opening->covered)
        status = store_checkpoint_visit(buffer_text(&frames), on_links, opening, error);
    buffer_release(&frames);
    return status;
}

/* ---- the records ---- */

static enum status replay_links(struct opening *opening, struct error *error) {
    struct store *store = opening->store;
    const struct manifest *manifest = &store->manifest;
    uint32_t first = 0;
    enum status status = load_checkpoint(opening, error);
    if (status == STATUS_OK && opening->covered)
        status = store_links_below(store->fs, store->directory, manifest, opening->covered, &first,
                                   error);
    for (uint32_t i = first; status == STATUS_OK && i < manifest->links_count; i++) {
        char path[FILE_PATH_MAX];
        status =
            stored_path(path, store->directory, "links", manifest->links[i].number, "links", error);
        if (status == STATUS_OK)
            status = stored_visit(store->fs, path, STORED_LINKS, manifest->links[i].number,
                                  on_links_frame, opening, error);
    }
    return status;
}

static enum status replay(struct opening *opening, struct error *error) {
    struct store *store = opening->store;
    const struct manifest *manifest = &store->manifest;
    enum status status = replay_links(opening, error);
    if (status == STATUS_OK && tail_create(&store->growing, manifest->position))
        status = error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", store->directory);
    if (status) return status;
    const struct log_options log = {store->fs,        store->directory, manifest->position,
                                    store->read_only, on_frame,         opening};
    status = log_open(&store->log, &log, error);
    if (status == STATUS_OK && !store->read_only)
        status = log_drop(store->log, manifest->position, error);
    if (status) return status;
    if (opening->has_symbols)
        for (int kind = 0; kind < SYMBOL_KIND_COUNT; kind++)
            store->logged.count[kind] = symbol_count(store->symbols, (enum symbol_kind)kind);
    return STATUS_OK;
}

static enum status start(struct store *store, struct error *error) {
    struct version *blank = version_alloc();
    if (!blank)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", store->directory);
    store->view.bound = log_durable(store->log);
    atomic_init(&store->written_bound, UINT64_MAX);
    store->written_view.bound = &store->written_bound;
    pthread_mutex_lock(&store->guard);
    store_publish(store, blank);
    pthread_mutex_unlock(&store->guard);
    return STATUS_OK;
}

static enum status start_thread(struct store *store, struct error *error) {
    if (store->read_only || store->fold_by_hand) return STATUS_OK;
    int why = pthread_create(&store->thread, NULL, store_fold_thread, store);
    if (why)
        return error_set_errno(error, why, "%s: cannot start the folding thread", store->directory);
    store->has_thread = true;
    return STATUS_OK;
}

/* Upgrades a directory of an older program, which has its keys in the runs alone: key files are
 * made of them. Older programs refuse the directory from then on. */
static enum status upgrade(struct store *store, struct error *error) {
    enum status status = store_keys_from_runs(store, false, error);
    return status ? status : store_keys_compact(store, false, error);
}

static enum status open_steps(struct opening *opening, struct error *error) {
    struct store *store = opening->store;
    enum status status = STATUS_OK;
    if (opening->options->create && !store->read_only) status = make_directory(store, error);
    if (!opening->options->create && !store->read_only) status = refuse_wrong_place(store, error);
    if (status == STATUS_OK && !store->read_only) status = take_lock(store, error);
    if (status == STATUS_OK) status = load_manifest(store, opening->options->create, error);
    if (status == STATUS_OK && !store->read_only) status = store_sweep(store, error);
    if (status == STATUS_OK) status = open_runs(store, error);
    if (status == STATUS_OK) status = open_keys(store, error);
    if (status == STATUS_OK) status = replay(opening, error);
    if (status == STATUS_OK) status = start(store, error);
    if (status == STATUS_OK && !store->read_only && store->manifest.format < MANIFEST_WITH_KEYS)
        status = upgrade(store, error);
    return status ? status : start_thread(store, error);
}

static enum status create(struct store **out, const struct store_options *options,
                          struct error *error) {
    struct store *store = memory_calloc(1, sizeof(*store));
    *out = store;
    if (!store)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", options->directory);
    pthread_mutex_init(&store->guard, NULL);
    pthread_cond_init(&store->changed, NULL);
    buffer_init(&store->symbol_bytes);
    buffer_init(&store->frame);
    store->fs = options->fs ? options->fs : file_system_os();
    store->read_only = options->read_only;
    store->fold_by_hand = options->fold_by_hand;
    store->fold_events = options->fold_events ? options->fold_events : STORE_FOLD_EVENTS_DEFAULT;
    if (store->fold_events > STORE_TAIL_EVENTS_MAX) store->fold_events = STORE_TAIL_EVENTS_MAX;
    store->symbols = options->symbols;
    store->customers = options->directory_of_customers;
    if (options->checkpoint) store->checkpoint = *options->checkpoint;
    store->checkpoint_bytes =
        options->checkpoint_bytes ? options->checkpoint_bytes : CHECKPOINT_BYTES_DEFAULT;
    if (options->columns) store->columns = *options->columns;
    view_source_init(&store->view, &store->versions, store->symbols);
    view_source_init(&store->written_view, &store->versions, store->symbols);
    if (strlen(options->directory) >= sizeof(store->directory))
        return error_set(error, STATUS_LIMIT, "the path of the data directory is too long");
    memcpy(store->directory, options->directory, strlen(options->directory) + 1);
    return STATUS_OK;
}

static enum status open_once(struct store **out, const struct store_options *options,
                             struct error *error) {
    struct opening opening = {.options = options};
    enum status status = create(&opening.store, options, error);
    event_batch_init(&opening.batch);
    if (status == STATUS_OK) status = open_steps(&opening, error);
    event_batch_release(&opening.batch);
    memory_free(opening.changes);
    if (status) {
        store_close(opening.store);
        return status;
    }
    *out = opening.store;
    return STATUS_OK;
}

/* True where the directory has changed under a reader before anything of it was handed out. */
static bool may_try_again(const struct store_options *options, enum status status) {
    return options->read_only && !options->on_record &&
           (status == STATUS_NOT_FOUND || status == STATUS_CORRUPT);
}

enum status store_open(struct store **out, const struct store_options *options,
                       struct error *error) {
    *out = NULL;
    enum status status = open_once(out, options, error);
    for (int i = 1; i < READ_ONLY_ATTEMPTS && may_try_again(options, status); i++)
        status = open_once(out, options, error);
    return status;
}
