/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/live.h"

#include "base/hash.h"
#include "base/memory.h"
#include "ingest/file/scan.h"
#include "ingest/map/mapper.h"

struct ingest_live {
    struct ingest_settings settings;
    struct plan *plan;
    struct mapper *mapper;
    struct job job;      /* its batch is not used */
    uint64_t undeclared; /* of the latest request */
};

static enum status check_source(const struct source *source, struct error *error) {
    const char *why = source->is_lookup                  ? "it is a lookup"
                      : source->format != SOURCE_NDJSON  ? "its format is csv"
                      : source->one_event_per.length > 0 ? "it makes one event of several rows"
                                                         : NULL;
    if (why == NULL) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "source %.*s can't take requests: %s (declare a source with format: segment "
                     "or format: ndjson for them)",
                     TEXT_ARG(source->name), why);
}

enum status ingest_live_create(struct ingest_live **out, const struct ingest_settings *settings,
                               const struct source *source, struct error *error) {
    *out = NULL;
    enum status status = check_source(source, error);
    if (status != STATUS_OK) return status;
    struct ingest_live *live = memory_calloc(1, sizeof *live);
    if (live == NULL) return STATUS_NO_MEMORY;
    live->settings = *settings;
    job_init(&live->job);
    status = plan_create(&live->plan, &live->settings, source, INGEST_LIVE_NAME, (struct text){0},
                         NULL, 0, ',', error);
    if (status == STATUS_OK) status = mapper_create(&live->mapper, live->plan);
    if (status != STATUS_OK) {
        ingest_live_destroy(live);
        return status;
    }
    live->mapper->live.is_received = true;
    *out = live;
    return STATUS_OK;
}

void ingest_live_destroy(struct ingest_live *live) {
    if (live == NULL) return;
    mapper_destroy(live->mapper);
    plan_destroy(live->plan);
    job_release(&live->job);
    memory_free(live);
}

/* Returns the place behind it. */
static char *put_text(char *at, struct text text) {
    if (text.length > 0) memcpy(at, text.at, text.length);
    return at + text.length;
}

/* Wherever it stands: a message of a batch may have the key once more. */
static void hide(char *body, size_t length, struct text secret) {
    char *end = body + length, *at = body;
    while (secret.length > 0 && (at = memmem(at, (size_t)(end - at), secret.at, secret.length))) {
        memset(at, '*', secret.length);
        at += secret.length;
    }
}

static enum status add_row(struct job *job, const struct ingest_live_row *row,
                           struct error *error) {
    size_t length = (size_t)row->head.length + row->body.length + row->tail.length;
    if (length > INGEST_LIVE_ROW_MAX)
        return error_set(error, STATUS_LIMIT,
                         "a body of %u bytes is larger than the %u that are taken at once: send "
                         "it in parts",
                         row->body.length, INGEST_LIVE_ROW_MAX);
    enum status status = buffer_reserve(&job->bytes, length + SCAN_PADDING);
    if (status == STATUS_OK)
        status = memory_grow((void **)&job->rows, &job->row_capacity, job->row_count + 1,
                             sizeof *job->rows);
    if (status != STATUS_OK) return status;
    char *at = job->bytes.at + job->bytes.length;
    job->rows[job->row_count] = (struct row){.line = job->row_count + 1,
                                             .offset = (uint32_t)job->bytes.length,
                                             .length = (uint32_t)length,
                                             .flags = ROW_FIRST};
    job->row_count++;
    (void)put_text(put_text(put_text(at, row->head), row->body), row->tail);
    if (row->hidden.length > 0)
        memset(at + row->head.length + (row->hidden.at - row->body.at), '*', row->hidden.length);
    hide(at + row->head.length, row->body.length, row->secret);
    job->bytes.length += length;
    memset(job->bytes.at + job->bytes.length, 0, SCAN_PADDING);
    return STATUS_OK;
}

/* Each row by itself: where one is no JSON, the request is taken back as a whole. */
static enum status map_rows(struct ingest_live *live, const struct ingest_live_row *rows,
                            size_t count, struct event_batch *batch, struct error *error) {
    struct mapper *mapper = live->mapper;
    struct job *job = &live->job;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        size_t events = batch->event_count;
        job_clear(job);
        mapper->live.head = rows[i].head.length;
        mapper->live.tail = rows[i].tail.length;
        status = add_row(job, &rows[i], error);
        job->rows[0].line = i + 1;
        if (status == STATUS_OK) status = mapper_run(mapper, job, batch);
        live->undeclared += job->undeclared_events;
        if (status == STATUS_OK && mapper->is_no_json && batch->event_count == events)
            status = error_set(error, STATUS_INVALID, "%s", mapper->reason.text);
    }
    return status;
}

uint64_t ingest_live_undeclared(const struct ingest_live *live) {
    return live->undeclared;
}

void ingest_live_sender(struct ingest_live *live, bool is_public, bool claims) {
    live->mapper->live.is_public = is_public;
    live->mapper->live.no_claims = is_public && !claims;
}

enum status ingest_live_map(struct ingest_live *live, const struct ingest_live_row *rows,
                            size_t count, int64_t received_ms, uint64_t number,
                            const struct ingest_seen *seen, struct event_batch *batch,
                            struct error *error) {
    struct mapper *mapper = live->mapper;
    const struct event_batch before = *batch;
    live->job.now_ms = received_ms;
    live->undeclared = 0;
    mapper->live.number = number;
    mapper->live.messages = 0;
    mapper->live.seen = *seen;
    enum status status = map_rows(live, rows, count, batch, error);
    if (status == STATUS_OK) return STATUS_OK;
    batch->event_count = before.event_count;
    batch->identifier_count = before.identifier_count;
    batch->row_count = before.row_count;
    batch->line_count = before.line_count;
    batch->bytes.length = before.bytes.length;
    return status;
}
