/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/live/live_ingest.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "engine/engine_internal.h"

/* One source under one snapshot. */
struct live_source {
    struct reading_list readings;
    struct ingest_live *mapper; /* NULL: nobody has sent to it yet */
};

/* What one thread reads with; lent for as long as a request is parsed. */
struct live_reader {
    struct in_force *in_force;
    const struct lookup_table **tables;
    struct live_source *sources; /* by the playbook's sources */
    uint32_t source_count;
    struct live_reader *next;
};

struct engine_live {
    struct engine *engine;
    _Atomic uint64_t requests;
    pthread_mutex_t lock;
    struct live_reader *readers; /* free ones */
    struct live_call *calls;
    uint32_t free_calls;
};

/* ---- readers ---- */

static void reader_clear(struct live_reader *reader) {
    for (uint32_t i = 0; i < reader->source_count; i++)
        ingest_live_destroy(reader->sources[i].mapper);
    memory_free(reader->sources);
    memory_free((void *)reader->tables);
    in_force_drop(reader->in_force);
    *reader = (struct live_reader){0};
}

static enum status reader_renew(struct live_reader *reader, struct engine *engine) {
    if (reader->in_force != NULL && in_force_is_current(reader->in_force)) return STATUS_OK;
    reader_clear(reader);
    reader->in_force = in_force_hold(engine);
    const struct playbook *playbook = reader->in_force->data.playbook;
    if (playbook == NULL) return STATUS_OK;
    reader->tables = in_force_tables(reader->in_force);
    reader->sources = memory_calloc(playbook->source_count + 1, sizeof *reader->sources);
    if (reader->tables == NULL || reader->sources == NULL) {
        reader_clear(reader);
        return STATUS_NO_MEMORY;
    }
    reader->source_count = playbook->source_count;
    return STATUS_OK;
}

static struct live_reader *reader_take(struct engine_live *live) {
    pthread_mutex_lock(&live->lock);
    struct live_reader *reader = live->readers;
    if (reader != NULL) live->readers = reader->next;
    pthread_mutex_unlock(&live->lock);
    if (reader == NULL) reader = memory_calloc(1, sizeof *reader);
    if (reader == NULL || reader_renew(reader, live->engine) == STATUS_OK) return reader;
    memory_free(reader);
    return NULL;
}

static void reader_give(struct engine_live *live, struct live_reader *reader) {
    pthread_mutex_lock(&live->lock);
    reader->next = live->readers;
    live->readers = reader;
    pthread_mutex_unlock(&live->lock);
}

static enum status check_live(const struct source *source, struct error *error) {
    if (source->known_on_arrival) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "source %.*s takes no requests: give it arrives: live in the playbook",
                     TEXT_ARG(source->name));
}

static enum status find_mapper(struct live_reader *reader, struct text name,
                               struct ingest_live **out, struct error *error) {
    const struct in_force *in_force = reader->in_force;
    const struct playbook *playbook = in_force->data.playbook;
    *out = NULL;
    if (playbook == NULL) return error_set(error, STATUS_NOT_FOUND, "no playbook is in force");
    uint32_t index = playbook_source_find(playbook, name);
    if (index == UINT32_MAX)
        return error_set(error, STATUS_NOT_FOUND, "the playbook in force has no source %.*s",
                         TEXT_ARG(name));
    const struct source *source = &playbook->sources[index];
    struct live_source *made = &reader->sources[index];
    enum status status = check_live(source, error);
    if (status == STATUS_OK && made->mapper == NULL) {
        struct ingest_settings settings =
            engine_load_settings(in_force, reader->tables, source, NULL);
        made->readings = (struct reading_list){.engine = in_force->engine};
        settings.readings_context = &made->readings;
        status = ingest_live_create(&made->mapper, &settings, source, error);
    }
    *out = made->mapper;
    return status;
}

/* ---- calls ---- */

static struct live_call *call_take(struct engine_live *live) {
    pthread_mutex_lock(&live->lock);
    struct live_call *call = live->calls;
    if (call != NULL) {
        live->calls = call->next;
        live->free_calls--;
    }
    pthread_mutex_unlock(&live->lock);
    if (call != NULL) return call;
    call = memory_calloc(1, sizeof *call);
    if (call == NULL) return NULL;
    event_batch_init(&call->batch);
    call->live = live;
    return call;
}

static void call_destroy(struct live_call *call) {
    event_batch_release(&call->batch);
    memory_free(call->verdicts);
    memory_free(call);
}

void live_call_give(struct live_call *call) {
    if (call == NULL) return;
    struct engine_live *live = call->live;
    if (call->batch.bytes.capacity > LIVE_CALL_BYTES_KEPT) {
        call_destroy(call);
        return;
    }
    event_batch_clear(&call->batch);
    pthread_mutex_lock(&live->lock);
    bool keeps = live->free_calls < LIVE_CALLS_KEPT;
    if (keeps) {
        call->next = live->calls;
        live->calls = call;
        live->free_calls++;
    }
    pthread_mutex_unlock(&live->lock);
    if (!keeps) call_destroy(call);
}

enum status live_call_read(struct engine_live *live, const struct live_request *request,
                           struct live_call **out, bool *is_unreadable, struct error *error) {
    struct ingest_live *mapper;
    *out = NULL;
    *is_unreadable = false;
    struct live_call *call = call_take(live);
    struct live_reader *reader = call != NULL ? reader_take(live) : NULL;
    if (reader == NULL) {
        live_call_give(call);
        return error_set(error, STATUS_NO_MEMORY, "no memory to read a request");
    }
    enum status status = find_mapper(reader, request->source, &mapper, error);
    if (status == STATUS_OK) {
        uint64_t number = atomic_fetch_add(&live->requests, 1);
        ingest_live_sender(mapper, request->sender.is_public, request->sender.claims);
        status = ingest_live_map(mapper, request->rows, request->row_count, request->received_ms,
                                 number, &request->seen, &call->batch, error);
        *is_unreadable = status == STATUS_INVALID;
        call->undeclared = ingest_live_undeclared(mapper);
    }
    reader_give(live, reader);
    if (status != STATUS_OK) {
        live_call_give(call);
        return status;
    }
    call->wants_verdicts = false;
    call->event_count = call->batch.event_count;
    call->row_count = call->batch.row_count;
    call->sender = request->sender;
    *out = call;
    return STATUS_OK;
}

static void finish(struct live_call *call, const struct change *change) {
    call->status = change->status;
    call->error = change->error;
    call->did = change->did;
    call->bad = change->bad;
    call->did.quarantined = 0; /* `bad` has the rows */
    call->done(call, call->context);
}

/* The syncer's thread. */
static void note_done(struct change *change) {
    finish(change->context, change);
}

static enum status ask_verdicts(struct live_call *call, struct error *error) {
    if (!call->wants_verdicts) return STATUS_OK;
    enum status status = memory_grow((void **)&call->verdicts, &call->verdict_capacity,
                                     call->batch.event_count + 1, sizeof *call->verdicts);
    if (status != STATUS_OK) return error_set(error, status, "no memory for a request");
    return STATUS_OK;
}

enum status live_call_send(struct live_call *call,
                           void (*done)(struct live_call *call, void *context), void *context,
                           struct error *error) {
    enum status status = ask_verdicts(call, error);
    if (status != STATUS_OK) return status;
    call->done = done;
    call->context = context;
    call->change = (struct change){.batch = &call->batch,
                                   .knows_bad_rows = true,
                                   .verdicts = call->wants_verdicts ? call->verdicts : NULL,
                                   .completed = note_done,
                                   .context = call};
    if (call->batch.event_count + call->batch.row_count == 0) {
        finish(call, &call->change);
        return STATUS_OK;
    }
    return applier_submit(engine_applier(call->live->engine), &call->change, 0, error);
}

/* ---- life ---- */

enum status engine_live_create(struct engine_live **out, struct engine *engine) {
    struct engine_live *live = memory_calloc(1, sizeof *live);
    *out = live;
    if (live == NULL) return STATUS_NO_MEMORY;
    live->engine = engine;
    pthread_mutex_init(&live->lock, NULL);
    return STATUS_OK;
}

void engine_live_settle(struct engine_live *live) {
    if (live == NULL) return;
    pthread_mutex_lock(&live->lock);
    struct live_reader *reader = live->readers;
    live->readers = NULL;
    pthread_mutex_unlock(&live->lock);
    for (struct live_reader *next; reader != NULL; reader = next) {
        next = reader->next;
        reader_clear(reader);
        memory_free(reader);
    }
}

void engine_live_destroy(struct engine_live *live) {
    if (live == NULL) return;
    engine_live_settle(live);
    for (struct live_call *call = live->calls, *next; call != NULL; call = next) {
        next = call->next;
        call_destroy(call);
    }
    pthread_mutex_destroy(&live->lock);
    memory_free(live);
}
