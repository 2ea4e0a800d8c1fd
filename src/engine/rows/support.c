/* SPDX-License-Identifier: Apache-2.0 */
/* Links that only a corrected or retracted row supported are withdrawn with it. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/rows/rows.h"

struct supporting {
    struct engine *engine;
    const struct event_batch *batch;
    struct timeline_reader *reader;
    uint64_t *leaving; /* positions, ascending */
    size_t count;
};

static int compare_positions(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The rows that the frame at hand takes away. */
static enum status note_leaving(struct supporting *supporting) {
    const struct row_frame *frame = supporting->engine->frame;
    size_t most = supporting->batch->event_count + frame->change_count + 1;
    supporting->leaving = memory_alloc(most * sizeof *supporting->leaving);
    if (supporting->leaving == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < supporting->batch->event_count; i++) {
        if (supporting->batch->events[i].replaces != 0)
            supporting->leaving[supporting->count++] = supporting->batch->events[i].replaces;
    }
    for (size_t i = 0; i < frame->change_count; i++) {
        if (frame->changes[i].retracts && frame->changes[i].position != 0)
            supporting->leaving[supporting->count++] = frame->changes[i].position;
    }
    qsort(supporting->leaving, supporting->count, sizeof *supporting->leaving, compare_positions);
    return STATUS_OK;
}

static bool leaves(const struct supporting *supporting, uint64_t position) {
    return bsearch(&position, supporting->leaving, supporting->count, sizeof position,
                   compare_positions) != NULL;
}

static void take_rows(const struct supporting *supporting, const struct timeline *timeline,
                      struct persona_id persona, bool *any, int64_t *first_ms) {
    for (uint32_t row = 0; row < timeline->count; row++) {
        if (timeline->persona[row] != persona.value) continue;
        int64_t known_ms =
            timeline->known_ms != NULL ? timeline->known_ms[row] : timeline->time_ms[row];
        bool stands = timeline->superseded_ms == NULL || timeline->superseded_ms[row] == INT64_MAX;
        *any = true;
        if (stands && known_ms < *first_ms && !leaves(supporting, timeline->position[row]))
            *first_ms = known_ms;
    }
}

static enum status first_known(void *context, struct persona_id persona, int64_t *known_ms) {
    struct supporting *supporting = context;
    const struct customer_directory *directory = identity_directory(supporting->engine->identity);
    struct timeline_reader *reader = supporting->reader;
    struct as_of as_of = {INT64_MAX, reader->source->ops->position(reader)};
    struct timeline_request request = {
        .as_of = as_of, .needs = TIMELINE_KNOWN | TIMELINE_POSITION | TIMELINE_PERSONA};
    struct timeline timeline;
    int64_t first_ms = INT64_MAX;
    bool any = false;
    struct customer_id customer = directory->ops->customer_of(directory, persona, as_of);
    enum status status =
        customer.value == ID_NONE
            ? STATUS_NOT_FOUND
            : reader->source->ops->read(reader, customer, &request, &timeline, NULL);
    if (status == STATUS_OK) take_rows(supporting, &timeline, persona, &any, &first_ms);
    for (size_t i = 0; i < supporting->batch->event_count; i++) {
        const struct event *event = &supporting->batch->events[i];
        if (event->persona.value != persona.value) continue;
        any = true;
        if (event->known_ms < first_ms) first_ms = event->known_ms;
    }
    *known_ms = any ? first_ms : INT64_MIN;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status add_item(struct identity_unsupported **items, size_t *count, size_t *capacity,
                            struct persona_id persona, int64_t known_ms) {
    enum status status = memory_grow((void **)items, capacity, *count + 1, sizeof **items);
    if (status == STATUS_OK)
        (*items)[(*count)++] = (struct identity_unsupported){persona, known_ms};
    return status;
}

enum status rows_withdraw_support(struct engine *engine, const struct event_batch *batch,
                                  struct identity_result *result, struct error *error) {
    struct timeline_source *source = store_source_written(engine->store);
    struct supporting supporting = {.engine = engine, .batch = batch};
    const struct identity_support support = {first_known, &supporting};
    struct identity_unsupported *items = NULL;
    size_t count = 0, capacity = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        if (event->replaces != 0 && event->replaces_persona.value != event->persona.value)
            status = add_item(&items, &count, &capacity, event->replaces_persona, event->known_ms);
    }
    for (size_t i = 0; status == STATUS_OK && i < engine->frame->change_count; i++) {
        const struct key_change *change = &engine->frame->changes[i];
        if (change->retracts && change->position != 0 && change->persona.value != ID_NONE)
            status = add_item(&items, &count, &capacity, change->persona, change->known_ms);
    }
    if (status == STATUS_OK && count > 0) status = note_leaving(&supporting);
    if (status == STATUS_OK && count > 0)
        status = source->ops->reader_open(source, &supporting.reader, error);
    if (supporting.reader != NULL) {
        status = identity_withdraw_support(engine->identity, items, count, &support, result, error);
        source->ops->reader_close(supporting.reader);
    }
    memory_free(supporting.leaving);
    memory_free(items);
    return status;
}
