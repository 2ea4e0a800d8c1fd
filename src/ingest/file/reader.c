/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "ingest/file/cutter.h"
#include "ingest/file/gather.h"
#include "ingest/file/head.h"
#include "ingest/ingest.h"
#include "ingest/map/mapper.h"

#define HEADERS_BYTES_MAX (32 * INGEST_ROW_BYTES_MAX)

/* Jobs go round in a ring. Whoever holds cut_lock cuts job number next_cut; the mapping of jobs
 * runs side by side; the caller takes them in their numbers' order:
 *
 *      taken   being mapped, or done    being cut    free
 *   ──────────┼───────────────────────┼────────────┼──────── …
 *         next_out                 next_cut     next_out + slots
 *
 * cut_lock is held while a job is cut, lock only for a moment. Order of locking: cut_lock, lock. */
struct slot {
    struct job job;
    bool done; /* under lock */
};

struct ingest_reader {
    struct ingest_settings settings;
    const struct source *source;
    struct arena arena; /* names */
    char *name;
    struct cutter cutter;
    struct head head;
    struct plan *plan;
    struct gather *gather; /* where rows make up groups */
    struct mapper *mappers[INGEST_THREADS_MAX + 1];
    pthread_t threads[INGEST_THREADS_MAX];
    uint32_t thread_count, threads_started;
    struct slot *slots;
    size_t slot_count;
    pthread_mutex_t cut_lock, lock;
    pthread_cond_t freed, finished;
    uint64_t next_cut; /* under cut_lock */
    bool cut_ended;    /* under cut_lock */
    uint64_t next_out; /* under lock */
    bool stopping;     /* under lock */
    enum status final; /* END or the error that ended it */
    struct error final_error;
    struct ingest_progress progress;
    uint64_t swallowing_rows, swallowing_line; /* of the first */
    uint64_t enclosed_line;
};

/* Every row of a batch may be a bad one, and those are kept with the file's header. */
static uint32_t events_of_job(const struct ingest_reader *reader) {
    uint32_t fit = HEADERS_BYTES_MAX / (reader->plan->header.length + 1);
    return fit < reader->settings.batch_events ? fit : reader->settings.batch_events;
}

static enum status cut_job(struct ingest_reader *reader, struct job *job) {
    uint32_t events = events_of_job(reader);
    job_clear(job);
    job->status = reader->gather ? gather_job(reader->gather, job, events, &job->error)
                                 : cutter_job(&reader->cutter, job, events, &job->error);
    job->now_ms = reader->settings.now ? reader->settings.now(reader->settings.now_context)
                                       : reader->settings.now_ms;
    return job->status;
}

static void map_job(struct mapper *mapper, struct job *job) {
    if (job->status != STATUS_OK) return;
    job->status = mapper_run(mapper, job, &job->batch);
    if (job->status)
        error_set(&job->error, job->status, "no memory to map the rows of %s",
                  mapper->plan->file.at);
}

/* ---- threads ---- */

static bool wait_for_room(struct ingest_reader *reader) {
    pthread_mutex_lock(&reader->lock);
    while (!reader->stopping && reader->next_cut - reader->next_out >= reader->slot_count) {
        pthread_cond_wait(&reader->freed, &reader->lock);
    }
    bool stopping = reader->stopping;
    pthread_mutex_unlock(&reader->lock);
    return !stopping;
}

/* NULL when nothing is left to cut. The last job carries why: END or an error. */
static struct slot *take_next(struct ingest_reader *reader) {
    struct slot *slot = NULL;
    pthread_mutex_lock(&reader->cut_lock);
    if (!reader->cut_ended && wait_for_room(reader)) {
        slot = &reader->slots[reader->next_cut++ % reader->slot_count];
        reader->cut_ended = cut_job(reader, &slot->job) != STATUS_OK;
    }
    pthread_mutex_unlock(&reader->cut_lock);
    return slot;
}

struct worker {
    struct ingest_reader *reader;
    struct mapper *mapper;
};

static void *work(void *argument) {
    struct ingest_reader *reader = ((struct worker *)argument)->reader;
    struct mapper *mapper = ((struct worker *)argument)->mapper;
    struct slot *slot;
    memory_free(argument);
    while ((slot = take_next(reader)) != NULL) {
        map_job(mapper, &slot->job);
        pthread_mutex_lock(&reader->lock);
        slot->done = true;
        pthread_cond_broadcast(&reader->finished);
        pthread_mutex_unlock(&reader->lock);
    }
    return NULL;
}

/* Fewer threads than asked for is no error; none at all means that the caller does the work. */
static void start_threads(struct ingest_reader *reader) {
    for (uint32_t i = 0; reader->plan != NULL && i < reader->thread_count; i++) {
        struct worker *worker = memory_alloc(sizeof *worker);
        if (worker == NULL) break;
        *worker = (struct worker){reader, reader->mappers[i]};
        if (pthread_create(&reader->threads[i], NULL, work, worker) != 0) {
            memory_free(worker);
            break;
        }
        reader->threads_started++;
    }
}

static void stop_threads(struct ingest_reader *reader) {
    pthread_mutex_lock(&reader->lock);
    reader->stopping = true;
    pthread_cond_broadcast(&reader->freed);
    pthread_mutex_unlock(&reader->lock);
    for (uint32_t i = 0; i < reader->threads_started; i++) pthread_join(reader->threads[i], NULL);
    reader->threads_started = 0;
}

/* ---- opening ---- */

PRINTF_LIKE(2, 3) static void warn(struct ingest_reader *reader, const char *format, ...) {
    struct ingest_progress *progress = &reader->progress;
    va_list arguments;
    if (progress->warning_count == INGEST_WARNINGS_MAX) return;
    va_start(arguments, format);
    vsnprintf(progress->warnings[progress->warning_count++], INGEST_WARNING_BYTES, format,
              arguments);
    va_end(arguments);
}

static enum status make_plan(struct ingest_reader *reader, struct error *error) {
    enum status status =
        head_read(&reader->head, &reader->cutter, reader->source, &reader->arena, error);
    if (status) return status;
    if (reader->head.empty) {
        struct ingest_progress *progress = &reader->progress;
        progress->truncated = reader->cutter.truncation[0] != '\0';
        memcpy(progress->truncation, reader->cutter.truncation, sizeof progress->truncation);
        if (!progress->truncated) warn(reader, "%s is empty: nothing was read of it", reader->name);
        reader->final = STATUS_END;
        return STATUS_OK;
    }
    return plan_create(&reader->plan, &reader->settings, reader->source, reader->name,
                       reader->head.header, reader->head.columns, reader->head.column_count,
                       reader->head.delimiter, error);
}

static enum status make_workers(struct ingest_reader *reader) {
    uint32_t mappers = reader->thread_count ? reader->thread_count : 1;
    reader->slot_count = reader->thread_count ? reader->thread_count + 2 : 1;
    reader->slots = memory_calloc(reader->slot_count, sizeof *reader->slots);
    if (reader->slots == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < reader->slot_count; i++) job_init(&reader->slots[i].job);
    for (uint32_t i = 0; i < mappers; i++) {
        enum status status = mapper_create(&reader->mappers[i], reader->plan);
        if (status) return status;
    }
    if (reader->plan->group_column == COLUMN_NONE) return STATUS_OK;
    uint64_t bytes_max = reader->settings.group_bytes_max;
    return gather_create(&reader->gather, &reader->cutter, reader->plan,
                         bytes_max ? bytes_max : INGEST_GROUP_BYTES_MAX);
}

static struct ingest_reader *reader_create(const struct ingest_settings *settings,
                                           const struct source *source, const char *name) {
    struct ingest_reader *reader = memory_calloc(1, sizeof *reader);
    if (reader == NULL) return NULL;
    reader->settings = *settings;
    reader->source = source;
    reader->thread_count =
        settings->thread_count < INGEST_THREADS_MAX ? settings->thread_count : INGEST_THREADS_MAX;
    if (reader->settings.batch_events == 0) reader->settings.batch_events = INGEST_BATCH_EVENTS;
    if (reader->settings.batch_events > BATCH_EVENTS_MAX)
        reader->settings.batch_events = BATCH_EVENTS_MAX;
    arena_init(&reader->arena, PLAN_BYTES_MAX);
    pthread_mutex_init(&reader->lock, NULL);
    pthread_mutex_init(&reader->cut_lock, NULL);
    pthread_cond_init(&reader->freed, NULL);
    pthread_cond_init(&reader->finished, NULL);
    struct text copy = arena_text(&reader->arena, text_from(name));
    reader->name = (char *)copy.at;
    if (copy.at != NULL) return reader;
    ingest_close(reader);
    return NULL;
}

static enum status open_any(struct ingest_reader **out, const struct ingest_settings *settings,
                            const struct source *source, const char *name, const char *path,
                            struct text bytes, bool is_kept_row, struct error *error) {
    *out = NULL;
    if (source->is_lookup) {
        return error_set(error, STATUS_INVALID, "source %.*s is a lookup: its rows are no events",
                         TEXT_ARG(source->name));
    }
    struct ingest_reader *reader = reader_create(settings, source, name);
    if (reader == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory to read %s", name);
    enum status status =
        cutter_open(&reader->cutter, reader->name, path, bytes, settings->work, error);
    reader->cutter.trusts_end = is_kept_row || settings->trusts_end;
    if (status == STATUS_OK) status = make_plan(reader, error);
    if (status == STATUS_OK && reader->plan != NULL) {
        status = make_workers(reader);
        if (status) error_set(error, status, "no memory to read %s", name);
    }
    if (status) {
        ingest_close(reader);
        return status;
    }
    *out = reader;
    return STATUS_OK;
}

enum status ingest_open(struct ingest_reader **out, const struct ingest_settings *settings,
                        const struct source *source, const char *path, struct error *error) {
    enum status status =
        open_any(out, settings, source, path, path, (struct text){0}, false, error);
    if (status) return status;
    (*out)->progress.bytes_total = input_total_bytes((*out)->cutter.input);
    start_threads(*out);
    return STATUS_OK;
}

enum status ingest_open_text(struct ingest_reader **out, const struct ingest_settings *settings,
                             const struct source *source, const char *name, struct text bytes,
                             struct error *error) {
    enum status status = open_any(out, settings, source, name, NULL, bytes, false, error);
    if (status) return status;
    (*out)->progress.bytes_total = bytes.length;
    start_threads(*out);
    return STATUS_OK;
}

void ingest_close(struct ingest_reader *reader) {
    if (reader == NULL) return;
    stop_threads(reader);
    gather_destroy(reader->gather);
    for (size_t i = 0; i <= INGEST_THREADS_MAX; i++) mapper_destroy(reader->mappers[i]);
    for (size_t i = 0; reader->slots && i < reader->slot_count; i++)
        job_release(&reader->slots[i].job);
    memory_free(reader->slots);
    plan_destroy(reader->plan);
    cutter_close(&reader->cutter);
    arena_release(&reader->arena);
    pthread_cond_destroy(&reader->finished);
    pthread_cond_destroy(&reader->freed);
    pthread_mutex_destroy(&reader->cut_lock);
    pthread_mutex_destroy(&reader->lock);
    memory_free(reader);
}

enum status ingest_check(const struct ingest_settings *settings, const struct source *source,
                         const char *path, struct error *error) {
    struct ingest_reader *reader;
    if (source->is_lookup) return ingest_lookup_check(settings, source, path, error);
    enum status status =
        open_any(&reader, settings, source, path, path, (struct text){0}, false, error);
    ingest_close(reader);
    return status;
}

/* ---- taking batches out ---- */

static struct slot *wait_for_job(struct ingest_reader *reader) {
    struct slot *slot = &reader->slots[reader->next_out % reader->slot_count];
    if (reader->threads_started == 0) {
        cut_job(reader, &slot->job);
        map_job(reader->mappers[0], &slot->job);
        return slot;
    }
    pthread_mutex_lock(&reader->lock);
    while (!slot->done) pthread_cond_wait(&reader->finished, &reader->lock);
    pthread_mutex_unlock(&reader->lock);
    return slot;
}

static void free_slot(struct ingest_reader *reader, struct slot *slot) {
    pthread_mutex_lock(&reader->lock);
    slot->done = false;
    reader->next_out++;
    pthread_cond_broadcast(&reader->freed);
    pthread_mutex_unlock(&reader->lock);
}

static void count_warnings(struct ingest_reader *reader, const struct job *job) {
    if (job->held_last)
        warn(reader,
             "%s:%llu: the file ends without a line end; its last row may be cut off and waits in "
             "quarantine. Load the whole file, or where the row is whole: attune quarantine replay",
             reader->name, (unsigned long long)job->held_line);
    reader->progress.cut_rows += job->cut_rows;
    if (job->swallowing_rows > 0 && reader->swallowing_rows == 0)
        reader->swallowing_line = job->swallowing_line;
    reader->swallowing_rows += job->swallowing_rows;
    if (reader->enclosed_line == 0) reader->enclosed_line = job->enclosed_line;
}

static void count(struct ingest_reader *reader, const struct job *job) {
    struct ingest_progress *progress = &reader->progress;
    progress->rows += job->row_count;
    progress->events += job->batch.event_count;
    progress->quarantined += job->quarantined_rows;
    progress->undeclared_events += job->undeclared_events;
    progress->undeclared_left += job->undeclared_left;
    if (job->near.events > 0) {
        uint64_t events = progress->near.events + job->near.events;
        if (progress->near.events == 0) progress->near = job->near;
        progress->near.events = events;
    }
    progress->disagreeing_rows += job->disagreeing_rows;
    progress->no_keys += job->no_keys;
    progress->older_rows += job->older_rows;
    progress->keys_name_rows |= job->keys_name_rows;
    count_warnings(reader, job);
    if (!job->truncation[0]) return;
    progress->truncated = true;
    memcpy(progress->truncation, job->truncation, sizeof progress->truncation);
}

/* What is known only at the file's end. */
static void count_end(struct ingest_reader *reader) {
    if (reader->swallowing_rows > 0)
        warn(
            reader,
            "%s:%llu: %llu row%s in quarantine: a quoted field runs over line ends that would each "
            "end a whole row (quote: in the source says what is right)",
            reader->name, (unsigned long long)reader->swallowing_line,
            (unsigned long long)reader->swallowing_rows,
            reader->swallowing_rows == 1 ? " waits" : "s, this one the first, wait");
    if (reader->enclosed_line > 0)
        warn(reader,
             "%s:%llu: a field stands in quotes, which are characters in a file with tabs; where "
             "they enclose fields, write quote: '\"' in the source",
             reader->name, (unsigned long long)reader->enclosed_line);
    uint64_t behind = input_bytes_behind(reader->cutter.input);
    if (behind > 0)
        warn(reader,
             "%s has %llu bytes behind the end of its compressed data, which are not compressed; "
             "they were left out",
             reader->name, (unsigned long long)behind);
}

enum status ingest_next(struct ingest_reader *reader, struct event_batch *batch,
                        struct error *error) {
    event_batch_clear(batch);
    while (reader->final == STATUS_OK) {
        struct slot *slot = wait_for_job(reader);
        struct job *job = &slot->job;
        if (job->truncation[0] || job->status == STATUS_OK) count(reader, job);
        if (job->status != STATUS_OK) {
            if (job->status == STATUS_END) count_end(reader);
            reader->final = job->status;
            reader->final_error = job->error;
            break;
        }
        struct event_batch filled = job->batch;
        job->batch = *batch;
        *batch = filled;
        free_slot(reader, slot);
        if (batch->event_count + batch->row_count > 0) return STATUS_OK;
    }
    if (reader->final != STATUS_END)
        error_set(error, reader->final, "%s", reader->final_error.text);
    return reader->final;
}

void ingest_progress(const struct ingest_reader *reader, struct ingest_progress *out) {
    *out = reader->progress;
    out->bytes = atomic_load_explicit(&reader->cutter.consumed_bytes, memory_order_relaxed);
    if (reader->cutter.input == NULL) out->bytes = out->bytes_total;
}

/* ---- a quarantined row once more ---- */

static enum status replay(struct ingest_reader *reader, uint64_t line, struct event_batch *batch,
                          struct error *error) {
    if (reader->plan == NULL) return STATUS_OK;
    struct job *job = &reader->slots[0].job;
    reader->cutter.line = line;
    while (cut_job(reader, job) == STATUS_OK) {
        job->status = mapper_run(reader->mappers[0], job, batch);
        if (job->status)
            return error_set(error, job->status, "no memory to map a row of %s", reader->name);
    }
    return job->status == STATUS_END ? STATUS_OK
                                     : error_set(error, job->status, "%s", job->error.text);
}

static enum status read_words(struct ingest_reader *reader, const struct ingest_words *words,
                              bool *unreadable) {
    if (reader->plan == NULL) return STATUS_OK;
    struct job *job = &reader->slots[0].job;
    struct event_batch batch;
    enum status status = STATUS_OK;
    event_batch_init(&batch);
    while (status == STATUS_OK && cut_job(reader, job) == STATUS_OK) {
        for (size_t i = 0; status == STATUS_OK && i < job->row_count; i++) {
            status =
                mapper_words(reader->mappers[0], job, &job->rows[i], &batch, words, unreadable);
        }
    }
    if (status == STATUS_OK && job->status != STATUS_END) status = job->status;
    event_batch_release(&batch);
    return status == STATUS_CANCELLED ? STATUS_OK : status;
}

enum status ingest_row_words(const struct ingest_settings *settings, const struct source *source,
                             struct text raw, const struct ingest_words *words, bool *unreadable,
                             struct error *error) {
    struct ingest_settings alone = *settings;
    struct ingest_reader *reader = NULL;
    alone.thread_count = 0;
    *unreadable = false;
    enum status status = open_any(&reader, &alone, source, "quarantine", NULL, raw, true, error);
    if (status == STATUS_OK) status = read_words(reader, words, unreadable);
    ingest_close(reader);
    if (status != STATUS_INVALID && status != STATUS_NOT_FOUND) return status;
    *unreadable = true;
    return STATUS_OK;
}

enum status ingest_row_replay(const struct ingest_settings *settings, const struct source *source,
                              const char *file, uint64_t line, struct text raw,
                              struct event_batch *batch, struct error *error) {
    struct ingest_settings alone = *settings;
    struct ingest_reader *reader;
    alone.thread_count = 0;
    enum status status = open_any(&reader, &alone, source, file, NULL, raw, true, error);
    if (status) return status;
    status = replay(reader, line, batch, error);
    ingest_close(reader);
    return status;
}
