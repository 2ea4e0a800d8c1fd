/* SPDX-License-Identifier: Apache-2.0 */
/* What many threads use at once of the C API: rows that are queued, decisions, outcomes. */
#include <stdio.h>

#include "engine/api_internal.h"
#include "base/memory.h"
#include "engine/live/live_decision.h"
#include "engine/live/live_outcome.h"
#include "engine/rows/rows.h"

/* ---- rows that are queued ---- */

struct applying {
    struct change change; /* first */
    struct event_batch batch;
    attune_applied_fn *applied;
    void *context;
};

static void applying_destroy(struct applying *applying) {
    event_batch_release(&applying->batch);
    memory_free(applying);
}

static void note_applied(struct change *change) {
    struct applying *applying = (struct applying *)(void *)change;
    struct attune_ingested out;
    struct attune_error text;
    change->did.quarantined = 0; /* `bad` has the rows; a group is one entry */
    api_count(&change->did, &change->bad, &out);
    enum attune_status status = api_status(change->status, &change->error, &text);
    applying->applied(applying->context, status, &out, text.text);
    applying_destroy(applying);
}

/* All of the bytes in one batch. */
static enum status read_batch(struct ingest_reader *reader, struct event_batch *batch,
                              struct error *error) {
    struct event_batch more;
    enum status status = ingest_next(reader, batch, error);
    if (status != STATUS_OK) return status == STATUS_END ? STATUS_OK : status;
    event_batch_init(&more);
    status = ingest_next(reader, &more, error);
    event_batch_release(&more);
    if (status == STATUS_END) return STATUS_OK;
    if (status != STATUS_OK) return status;
    return error_set(error, STATUS_LIMIT,
                     "the bytes are more than one batch: send them in parts, or by attune_ingest");
}

static enum status read_bytes(const struct in_force *in_force, const struct source *source,
                              struct text bytes, struct event_batch *batch, struct error *error) {
    struct reading_list readings = {.engine = in_force->engine};
    struct ingest_reader *reader = NULL;
    const struct lookup_table **tables = in_force_tables(in_force);
    if (tables == NULL) return STATUS_NO_MEMORY;
    struct ingest_settings settings = engine_load_settings(in_force, tables, source, NULL);
    settings.readings_context = &readings;
    settings.trusts_end = settings.takes_parts = true;
    enum status status =
        ingest_open_text(&reader, &settings, source, INGEST_BYTES_NAME, bytes, error);
    if (status == STATUS_OK) status = read_batch(reader, batch, error);
    ingest_close(reader);
    memory_free((void *)tables);
    return status;
}

static enum status apply_queued(struct engine *engine, const char *source, struct text bytes,
                                attune_applied_fn *applied, void *context, struct error *error) {
    const struct source *from = NULL;
    struct applying *applying = memory_calloc(1, sizeof *applying);
    if (applying == NULL) return STATUS_NO_MEMORY;
    event_batch_init(&applying->batch);
    applying->applied = applied;
    applying->context = context;
    applying->change = (struct change){
        .batch = &applying->batch, .knows_bad_rows = true, .completed = note_applied};
    struct in_force *in_force = in_force_hold(engine);
    enum status status = api_source(in_force->data.playbook, source, &from, error);
    if (status == STATUS_OK) status = read_bytes(in_force, from, bytes, &applying->batch, error);
    in_force_drop(in_force);
    if (status == STATUS_OK)
        status = applier_submit(engine_applier(engine), &applying->change, 0, error);
    if (status != STATUS_OK) applying_destroy(applying);
    return status;
}

enum attune_status attune_apply(struct attune *attune, const char *source, const char *bytes,
                                size_t length, attune_applied_fn *applied, void *context,
                                struct attune_error *error) {
    struct error inner = {0};
    enum status status =
        length > UINT32_MAX
            ? error_set(&inner, STATUS_LIMIT, "at most 4 GB at once")
            : apply_queued(api_engine(attune), source, (struct text){bytes, (uint32_t)length},
                           applied, context, &inner);
    return api_status(status, &inner, error);
}

/* ---- decisions ---- */

static void write_again(const struct live_answer *answer, struct json_writer *writer) {
    char name[CUSTOMER_NAME_BYTES], id[16];
    customer_name(answer->view->engine, answer->customer, name);
    snprintf(id, sizeof id, "C%u", answer->customer.value);
    json_write_object_begin(writer);
    json_member_text(writer, "customer", text_from(id));
    json_member_text(writer, "name", text_from(name));
    json_member_time(writer, "at", answer->t_ms);
    json_member_string(writer, "decision", answer->id);
    json_member_yes_no(writer, "again", true);
    json_write_key(writer, "ranked");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < answer->slot_count; i++) {
        const struct live_slot *slot = &answer->slots[i];
        json_write_object_begin(writer);
        json_member_text(writer, "treatment", slot->key);
        json_member_text(writer, "channel", slot->channel);
        json_member_number(writer, "propensity", slot->propensity);
        json_member_number(writer, "priority", slot->priority);
        json_member_yes_no(writer, "withheld", slot->withheld);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_write_object_end(writer);
}

/* The last answer counts. */
static enum status write_answer(void *caller, const struct live_answer *answer) {
    struct buffer *out = caller;
    struct json_writer writer;
    buffer_clear(out);
    json_writer_init(&writer, out, false);
    if (answer->is_again)
        write_again(answer, &writer);
    else
        answer_decision(answer->view, &writer);
    return writer.status == STATUS_OK ? buffer_append(out, "", 1) : writer.status;
}

static enum status split_identifiers(const struct attune_question *question,
                                     struct live_identifier out[EVENT_IDENTIFIERS_MAX],
                                     struct error *error) {
    if (question->identifier_count > EVENT_IDENTIFIERS_MAX)
        return error_set(error, STATUS_LIMIT, "%zu identifiers are given, and at most %d count",
                         question->identifier_count, EVENT_IDENTIFIERS_MAX);
    for (size_t i = 0; i < question->identifier_count; i++) {
        const char *text = question->identifiers[i], *colon = strchr(text, ':');
        if (colon == NULL)
            return error_set(error, STATUS_INVALID,
                             "identifier %zu has no type: write it as TYPE:VALUE", i + 1);
        out[i].type = (struct text){text, (uint32_t)(colon - text)};
        out[i].value = text_from(colon + 1);
    }
    return STATUS_OK;
}

static struct text text_or_empty(const char *text) {
    return text != NULL ? text_from(text) : (struct text){0};
}

enum attune_status attune_ask(struct attune *attune, const struct attune_question *question,
                              char **json, struct attune_error *error) {
    struct live_identifier identifiers[EVENT_IDENTIFIERS_MAX];
    struct error inner = {0};
    struct buffer out;
    *json = NULL;
    buffer_init(&out);
    enum status status = split_identifiers(question, identifiers, &inner);
    const struct live_ask ask = {
        .customer = text_or_empty(question->customer),
        .identifiers = identifiers,
        .identifier_count = (uint32_t)question->identifier_count,
        .placement = text_or_empty(question->placement),
        .context = text_or_empty(question->context),
        .count = question->count,
        .t_ms = question->time_ms,
        .records = question->record != 0,
        .render = write_answer,
        .caller = &out,
    };
    if (status == STATUS_OK) status = live_decide_and_wait(api_engine(attune), &ask, &inner);
    if (status == STATUS_OK)
        *json = out.at;
    else
        buffer_release(&out);
    return api_status(status, &inner, error);
}

enum attune_status attune_decide(struct attune *attune, const char *customer, int64_t time_ms,
                                 int record, char **json, struct attune_error *error) {
    const struct attune_question question = {
        .customer = customer, .time_ms = time_ms, .record = record};
    return attune_ask(attune, &question, json, error);
}

/* ---- outcomes ---- */

enum attune_status attune_outcome(struct attune *attune, const char *decision,
                                  const char *treatment, enum attune_outcome_kind kind,
                                  int64_t time_ms, int *is_repeat, struct attune_error *error) {
    static const enum live_outcome_kind kinds[] = {
        [ATTUNE_SHOWN] = LIVE_SHOWN,       [ATTUNE_DELIVERED] = LIVE_DELIVERED,
        [ATTUNE_FAILED] = LIVE_FAILED,     [ATTUNE_CLICKED] = LIVE_CLICKED,
        [ATTUNE_ACCEPTED] = LIVE_ACCEPTED, [ATTUNE_REJECTED] = LIVE_REJECTED};
    struct error inner = {0};
    struct live_told told = {0};
    const struct live_outcome outcome = {
        .decision = text_from(decision),
        .treatment = text_or_empty(treatment),
        .kind = (unsigned)kind < sizeof kinds / sizeof *kinds ? kinds[kind] : LIVE_OUTCOME_COUNT,
        .time_ms = time_ms};
    enum status status = live_outcome_tell_and_wait(api_engine(attune), &outcome, &told, &inner);
    if (is_repeat != NULL) *is_repeat = told.is_repeat;
    return api_status(status, &inner, error);
}
