/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/rows/rows.h"

static int by_customer(const void *a, const void *b) {
    const struct stored_row_request *left = a, *right = b;
    if (left->customer != right->customer) return left->customer < right->customer ? -1 : 1;
    return (left->position > right->position) - (left->position < right->position);
}

static int by_position(const void *a, const void *b) {
    const struct stored_row_request *left = a, *right = b;
    return (left->position > right->position) - (left->position < right->position);
}

static enum status take_row(struct stored_row_request *request, const struct timeline *timeline,
                            uint32_t row, struct arena *arena) {
    struct text packed;
    request->found = true;
    request->time_ms = timeline->time_ms[row];
    request->known_ms =
        timeline->known_ms != NULL ? timeline->known_ms[row] : timeline->time_ms[row];
    request->type = timeline->type[row];
    request->channel = timeline->channel != NULL ? timeline->channel[row] : 0;
    if (arena == NULL) return STATUS_OK;
    enum status status = timeline->ops->packed(timeline, row, &packed);
    if (status != STATUS_OK) return status;
    request->packed = arena_text(arena, packed);
    return request->packed.at != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Requests of one customer, by position. */
static enum status read_customer(struct timeline_reader *reader, struct stored_row_request *first,
                                 size_t count, struct arena *arena, struct error *error) {
    struct timeline_request request = {.as_of = {INT64_MAX, reader->source->ops->position(reader)},
                                       .needs = TIMELINE_KNOWN | TIMELINE_POSITION |
                                                (arena != NULL ? TIMELINE_PACKED : 0)};
    struct timeline timeline;
    enum status status = reader->source->ops->read(reader, (struct customer_id){first->customer},
                                                   &request, &timeline, error);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    for (uint32_t row = 0; status == STATUS_OK && row < timeline.count; row++) {
        struct stored_row_request wanted = {.position = timeline.position[row]};
        struct stored_row_request *found =
            bsearch(&wanted, first, count, sizeof *first, by_position);
        /* The same row may be asked for twice. */
        while (found != NULL && found > first && found[-1].position == wanted.position) found--;
        for (; status == STATUS_OK && found != NULL && found < first + count &&
               found->position == wanted.position;
             found++)
            status = take_row(found, &timeline, row, arena);
    }
    return status;
}

enum status stored_rows_read(struct engine *engine, struct stored_row_request *requests,
                             size_t count, struct arena *arena, struct error *error) {
    struct timeline_source *source = store_source_written(engine->store);
    struct timeline_reader *reader;
    if (count == 0) return STATUS_OK;
    const struct customer_directory *directory = identity_directory(engine->identity);
    enum status status = source->ops->reader_open(source, &reader, error);
    if (status != STATUS_OK) return status;
    struct as_of as_of = {INT64_MAX, source->ops->position(reader)};
    for (size_t i = 0; i < count; i++) {
        requests[i].found = false;
        requests[i].customer =
            requests[i].persona.value == ID_NONE
                ? ID_NONE
                : directory->ops->customer_of(directory, requests[i].persona, as_of).value;
    }
    qsort(requests, count, sizeof *requests, by_customer);
    for (size_t from = 0, to; status == STATUS_OK && from < count; from = to) {
        for (to = from + 1; to < count && requests[to].customer == requests[from].customer;) to++;
        if (requests[from].customer != ID_NONE)
            status = read_customer(reader, &requests[from], to - from, arena, error);
    }
    source->ops->reader_close(reader);
    return status == STATUS_OK ? timeline_source_check(source, error) : status;
}
