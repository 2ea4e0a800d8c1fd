/* SPDX-License-Identifier: Apache-2.0 */
#include "attune.h"

#include "engine/api_internal.h"
#include "base/memory.h"
#include "engine/answer/pool.h"
#include "engine/in_flight.h"
#include "engine/rows/rows.h"

struct engine *api_engine(struct attune *attune) {
    return (struct engine *)(void *)attune;
}

enum attune_status api_status(enum status status, const struct error *from,
                              struct attune_error *to) {
    static const enum attune_status map[STATUS_COUNT] = {
        [STATUS_NO_MEMORY] = ATTUNE_NO_MEMORY, [STATUS_LIMIT] = ATTUNE_LIMIT,
        [STATUS_INVALID] = ATTUNE_INVALID,     [STATUS_NOT_FOUND] = ATTUNE_NOT_FOUND,
        [STATUS_EXISTS] = ATTUNE_INVALID,      [STATUS_IO] = ATTUNE_IO,
        [STATUS_DISK_FULL] = ATTUNE_IO,        [STATUS_READ_ONLY] = ATTUNE_IO,
        [STATUS_CORRUPT] = ATTUNE_CORRUPT,     [STATUS_VERSION] = ATTUNE_NEWER_FORMAT,
        [STATUS_LOCKED] = ATTUNE_LOCKED,       [STATUS_CANCELLED] = ATTUNE_IO,
        [STATUS_BUSY] = ATTUNE_BUSY,
    };
    _Static_assert(ATTUNE_ERROR_BYTES >= ERROR_TEXT_MAX, "an error's text must fit");
    if (to != NULL) {
        const char *text = status == STATUS_OK     ? ""
                           : from->text[0] != '\0' ? from->text
                                                   : status_name(status);
        memcpy(to->text, text, strlen(text) + 1);
    }
    return map[status];
}

enum attune_status attune_open(struct attune **out, const char *directory,
                               const char *playbook_file, struct attune_error *error) {
    struct error inner = {0};
    struct engine *engine = NULL;
    struct engine_options options = {
        .directory = directory, .create = true, .playbook_file = playbook_file};
    enum status status = engine_open(&engine, &options, &inner);
    *out = (struct attune *)(void *)engine;
    return api_status(status, &inner, error);
}

void attune_close(struct attune *attune) {
    engine_close(api_engine(attune));
}

enum attune_status attune_put_playbook(struct attune *attune, const char *playbook_file,
                                       struct attune_error *error) {
    struct error inner = {0};
    enum status status = engine_put_playbook(api_engine(attune), playbook_file, NULL, &inner);
    return api_status(status, &inner, error);
}

/* What fits into one batch is refused as a whole where the queue is full; of more, what was begun
 * waits for room. */
static enum status apply_bytes(struct ingest_reader *reader, struct in_flight *in_flight,
                               struct error *error) {
    enum status status = STATUS_OK;
    in_flight->patience_ms = 0;
    while (status == STATUS_OK &&
           (status = ingest_next(reader, in_flight_next(in_flight), error)) == STATUS_OK)
        status = in_flight_send(in_flight, error);
    bool is_whole = status == STATUS_END;
    struct error later = {0};
    enum status sent = in_flight_drain(in_flight, is_whole ? error : &later);
    return is_whole ? sent : status;
}

void api_count(const struct apply_result *did, const struct bad_rows *bad,
               struct attune_ingested *out) {
    *out = (struct attune_ingested){.events = did->events,
                                    .repeats = did->repeats + bad->known_rows,
                                    .quarantined = did->quarantined + bad->rows,
                                    .turned_away = did->turned_away,
                                    .corrected = did->corrected,
                                    .retracted = did->retracted,
                                    .joined = did->joined,
                                    .older = did->older,
                                    .left = did->left,
                                    .held = did->held};
}

static enum status ingest_bytes(const struct in_force *in_force, const struct source *source,
                                struct text bytes, struct attune_ingested *out,
                                struct error *error) {
    struct ingest_reader *reader = NULL;
    struct row_load rows;
    struct in_flight in_flight;
    struct ingest_progress progress = {0};
    struct engine *engine = in_force->engine;
    const struct lookup_table **tables = in_force_tables(in_force);
    if (tables == NULL) return STATUS_NO_MEMORY;
    row_load_init(&rows, engine, source);
    rows.guarded = true;
    in_flight_init(&in_flight, engine);
    in_flight.like = (struct change){.load = &rows, .knows_bad_rows = true};
    struct ingest_settings settings = engine_load_settings(in_force, tables, source, &rows);
    settings.trusts_end = settings.takes_parts = true;
    enum status status =
        ingest_open_text(&reader, &settings, source, INGEST_BYTES_NAME, bytes, error);
    if (status == STATUS_OK) {
        struct error later = {0};
        status = apply_bytes(reader, &in_flight, error);
        ingest_progress(reader, &progress);
        enum status ended =
            row_load_end(&rows, progress.rows, status == STATUS_OK ? error : &later);
        if (status == STATUS_OK) status = ended;
    }
    in_flight.did.quarantined = 0; /* `bad` has the rows; a group is one entry */
    apply_result_add(&rows.counts, &in_flight.did);
    rows.bad.rows += in_flight.bad.rows;
    rows.bad.known_rows += in_flight.bad.known_rows;
    api_count(&rows.counts, &rows.bad, out);
    ingest_close(reader);
    in_flight_release(&in_flight);
    row_load_release(&rows);
    memory_free(tables);
    return status;
}

enum status api_source(const struct playbook *playbook, const char *name, const struct source **out,
                       struct error *error) {
    if (playbook == NULL)
        return error_set(error, STATUS_INVALID, "no playbook is in force; give one to attune_open");
    uint32_t index = playbook_source_find(playbook, text_from(name));
    if (index == UINT32_MAX) return source_unknown(playbook, name, error);
    *out = &playbook->sources[index];
    if (!(*out)->is_lookup) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s is a lookup; load its file by attune ingest", name);
}

enum attune_status attune_ingest(struct attune *attune, const char *source, const char *bytes,
                                 size_t length, struct attune_ingested *out,
                                 struct attune_error *error) {
    struct engine *engine = api_engine(attune);
    struct in_force *in_force = in_force_hold(engine);
    struct error inner = {0};
    const struct source *from = NULL;
    *out = (struct attune_ingested){0};
    enum status status = api_source(in_force->data.playbook, source, &from, &inner);
    if (status == STATUS_OK && length > UINT32_MAX)
        status = error_set(&inner, STATUS_LIMIT, "at most 4 GB at once");
    if (status == STATUS_OK)
        status = ingest_bytes(in_force, from, (struct text){bytes, (uint32_t)length}, out, &inner);
    in_force_drop(in_force);
    return api_status(status, &inner, error);
}

/* Reads one customer, and hands out the answer. */
static enum status write_customer(struct engine_view *view, const char *customer,
                                  struct buffer *out, struct error *error) {
    struct json_writer writer;
    json_writer_init(&writer, out, false);
    enum status status =
        engine_view_read(view, customer, TIMELINE_PACKED | TIMELINE_CHANNEL, error);
    if (status == STATUS_OK) answer_customer(view, &writer);
    if (status == STATUS_OK) status = writer.status;
    return status == STATUS_OK ? buffer_append(out, "", 1) : status;
}

enum attune_status attune_customer(struct attune *attune, const char *customer, int64_t time_ms,
                                   char **json, struct attune_error *error) {
    struct error inner = {0};
    struct engine_view *view;
    struct buffer out;
    struct engine *engine = api_engine(attune);
    *json = NULL;
    buffer_init(&out);
    int64_t t_ms = time_ms != 0 ? time_ms : engine_now_ms(engine);
    enum status status = engine_view_take(engine, ENGINE_VIEW_LIVE, t_ms, &view, &inner);
    if (status == STATUS_OK) status = write_customer(view, customer, &out, &inner);
    engine_view_give(view);
    if (status == STATUS_OK)
        *json = out.at;
    else
        buffer_release(&out);
    return api_status(status, &inner, error);
}

void attune_free(char *json) {
    memory_free(json);
}

const char *attune_version(void) {
    return ATTUNE_VERSION;
}
