/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions become events: kept aside until all are there, beyond a batch in a file without a name,
 * and then written down together. That file is a row of batches: counts, events as they lie in
 * memory, bytes; only the process that wrote it reads it. */
#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/engine_internal.h"

#define RECORD_BATCH 2000
#define RECORD_BYTES (STORE_FRAME_BYTES_MAX / 4)

/* The same decision, made again at the same moment, is recorded once. Where it says something else,
 * because a row that held the customer has left the quarantine, it has another id. So whoever has
 * the id finds the row without a walk. */
struct row_key decision_row_key(uint64_t id) {
    uint64_t low = hash_u64(id ^ UINT64_C(0x6465636964653031)), high = hash_u64(~low ^ id);
    return (struct row_key){low | 1, (uint32_t)(high >> 32)};
}

enum status decision_add(struct engine *engine, struct decider *decider,
                         const struct decision *decision, struct packed_writer *writer,
                         struct event_batch *batch) {
    /* Also a customer who is written and not yet durable has a persona. */
    struct as_of as_of = {decision->t_ms, store_position(engine->store)};
    struct persona_id persona = identity_persona_any(engine->identity, decision->customer, as_of);
    if (persona.value == ID_NONE)
        persona = identity_persona_any(engine->identity, decision->customer,
                                       (struct as_of){INT64_MAX, as_of.position});
    if (persona.value == ID_NONE) return STATUS_OK;
    uint32_t channel, source, properties = (uint32_t)batch->bytes.length;
    enum status status = symbol_add(engine->symbols, SYMBOL_CHANNEL, TEXT("system"), &channel);
    if (status == STATUS_OK)
        status = symbol_add(engine->symbols, SYMBOL_SOURCE, TEXT("decide"), &source);
    if (status == STATUS_OK) status = decision_pack(decider, decision, writer, &batch->bytes);
    if (status != STATUS_OK) return status;
    struct event *event = event_batch_add(batch);
    if (event == NULL) return STATUS_NO_MEMORY;
    if (decision->ranked_count > 0)
        channel = decision_treatment(decision, decision->ranked[0])->channel;
    event->time_ms = event->known_ms = decision->t_ms;
    event->key = decision_row_key(decision->id);
    event->persona = persona;
    event->type = EVENT_DECISION_MADE;
    event->channel = (uint8_t)channel;
    event->source = (uint16_t)source;
    event->properties = properties;
    event->properties_length = (uint32_t)batch->bytes.length - properties;
    return STATUS_OK;
}

struct decision_recorder {
    struct engine *engine;
    struct event_batch batch;
    struct packed_writer writer;
    struct file *aside; /* NULL: all that was added is in the batch */
    uint64_t aside_bytes, recorded, known;
};

enum status decision_recorder_create(struct decision_recorder **out,
                                     const struct in_force *in_force) {
    struct engine *engine = in_force->engine;
    struct decision_recorder *recorder = memory_calloc(1, sizeof *recorder);
    if (recorder == NULL) return STATUS_NO_MEMORY;
    recorder->engine = engine;
    packed_writer_init(&recorder->writer);
    event_batch_init(&recorder->batch);
    *out = recorder;
    return STATUS_OK;
}

void decision_recorder_destroy(struct decision_recorder *recorder) {
    if (recorder == NULL) return;
    file_close(recorder->aside);
    event_batch_release(&recorder->batch);
    packed_writer_release(&recorder->writer);
    memory_free(recorder);
}

uint64_t decision_recorder_recorded(const struct decision_recorder *recorder) {
    return recorder->recorded;
}

uint64_t decision_recorder_known(const struct decision_recorder *recorder) {
    return recorder->known;
}

/* ---- aside ---- */

/* The file loses its name at once, so that no death leaves it behind. */
static enum status open_aside(struct decision_recorder *recorder, struct error *error) {
    char path[PATH_BYTES_MAX];
    struct file_system *fs = recorder->engine->fs;
    enum status status = path_of(recorder->engine, path, "decisions.tmp");
    if (status == STATUS_OK) status = file_remove(fs, path, error);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        status = file_open(fs, path, FILE_CREATE_NEW, &recorder->aside, error);
    return status == STATUS_OK ? file_remove(fs, path, error) : status;
}

static enum status put_aside(struct decision_recorder *recorder, struct error *error) {
    struct event_batch *batch = &recorder->batch;
    const uint64_t counts[2] = {batch->event_count, batch->bytes.length};
    const size_t events_bytes = batch->event_count * sizeof *batch->events;
    enum status status = recorder->aside == NULL ? open_aside(recorder, error) : STATUS_OK;
    if (status == STATUS_OK) status = file_write(recorder->aside, counts, sizeof counts, error);
    if (status == STATUS_OK)
        status = file_write(recorder->aside, batch->events, events_bytes, error);
    if (status == STATUS_OK)
        status = file_write(recorder->aside, batch->bytes.at, batch->bytes.length, error);
    recorder->aside_bytes += sizeof counts + events_bytes + batch->bytes.length;
    event_batch_clear(batch);
    return status;
}

static enum status read_aside(struct decision_recorder *recorder, uint64_t *offset, void *bytes,
                              size_t length, struct error *error) {
    size_t got = 0;
    enum status status = file_read_at(recorder->aside, *offset, bytes, length, &got, error);
    if (status == STATUS_OK && got < length)
        return error_set(error, STATUS_IO,
                         "the decisions kept aside could not be read again; is the disk failing?");
    *offset += length;
    return status;
}

/* Reads the batch at *offset into the recorder's, which is empty, and moves on. */
static enum status take_batch(struct decision_recorder *recorder, uint64_t *offset,
                              struct error *error) {
    struct event_batch *batch = &recorder->batch;
    uint64_t counts[2];
    enum status status = read_aside(recorder, offset, counts, sizeof counts, error);
    for (uint64_t i = 0; status == STATUS_OK && i < counts[0]; i++) {
        if (event_batch_add(batch) == NULL) status = STATUS_NO_MEMORY;
    }
    if (status == STATUS_OK) status = buffer_reserve(&batch->bytes, (size_t)counts[1] + 1);
    if (status == STATUS_OK)
        status = read_aside(recorder, offset, batch->events,
                            (size_t)counts[0] * sizeof *batch->events, error);
    if (status == STATUS_OK)
        status = read_aside(recorder, offset, batch->bytes.at, (size_t)counts[1], error);
    if (status == STATUS_OK) batch->bytes.length = (size_t)counts[1];
    return status;
}

/* ---- written down ---- */

/* A decision that was recorded before is a repeat of its key. */
static enum status record_batch(struct decision_recorder *recorder, struct error *error) {
    struct engine *engine = recorder->engine;
    struct change change = {.batch = &recorder->batch, .has_personas = true};
    if (recorder->batch.event_count == 0) return STATUS_OK;
    enum status status = applier_apply(engine->applier, &change, APPLIER_PATIENCE_MS, error);
    if (status == STATUS_OK) {
        recorder->recorded += change.did.events;
        recorder->known += change.did.repeats;
    }
    event_batch_clear(&recorder->batch);
    return status;
}

enum status decision_recorder_flush(struct decision_recorder *recorder, struct error *error) {
    uint64_t offset = 0;
    if (recorder->aside == NULL) return record_batch(recorder, error);
    enum status status = recorder->batch.event_count > 0 ? put_aside(recorder, error) : STATUS_OK;
    while (status == STATUS_OK && offset < recorder->aside_bytes) {
        status = take_batch(recorder, &offset, error);
        if (status == STATUS_OK) status = record_batch(recorder, error);
    }
    file_close(recorder->aside);
    recorder->aside = NULL;
    recorder->aside_bytes = 0;
    return status;
}

enum status decision_recorder_add(struct decision_recorder *recorder, struct decider *decider,
                                  const struct decision *decision, struct error *error) {
    struct row_key key = decision_row_key(decision->id);
    /* Those that are folded are found at once, so that a run that comes again keeps nothing aside;
     * the applier finds the others. */
    bool known = store_key_is_known(recorder->engine->store, key, 0, 0);
    recorder->known += known;
    if (known) return STATUS_OK;
    enum status status =
        decision_add(recorder->engine, decider, decision, &recorder->writer, &recorder->batch);
    if (status == STATUS_OK && (recorder->batch.event_count >= RECORD_BATCH ||
                                recorder->batch.bytes.length >= RECORD_BYTES))
        status = put_aside(recorder, error);
    return status;
}
