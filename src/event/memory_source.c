/* SPDX-License-Identifier: Apache-2.0 */
#include "event/memory_source.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/memory.h"

#define COLUMN_WORDS (TIMELINE_COLUMNS_MAX / 64)

struct stored_event {
    struct event event;
    uint64_t position;
    struct text packed;
    /* The events that replace this one form a list: `newest` is the newest of them + 1, and
     * `before` of each is the one before it + 1. */
    size_t newest, before;
};

struct memory_source {
    struct timeline_source interface;
    const struct column_set *columns;
    const struct customer_directory *directory;
    struct stored_event *events;
    size_t count, capacity;
    struct arena bytes;
};

struct row {
    uint32_t customer;
    const struct stored_event *stored;
};

struct gathered {
    struct row *rows; /* sorted by customer, time, position */
    size_t count, next;
    uint64_t position; /* as of which */
    uint32_t needs;
    uint64_t wanted[COLUMN_WORDS];
};

struct memory_reader {
    struct timeline_reader interface;
    size_t count; /* pinned */
    struct arena scratch;
    struct gathered read, walk; /* kept apart, so that reading a relation does not end a walk */
    struct timeline_column columns[TIMELINE_COLUMNS_MAX];
    const struct stored_event **shown; /* rows of the last timeline */
};

enum status memory_source_add(struct memory_source *source, const struct event_batch *batch) {
    enum status status = memory_grow((void **)&source->events, &source->capacity,
                                     source->count + batch->event_count, sizeof *source->events);
    if (status != STATUS_OK) return status;
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        struct stored_event *stored = &source->events[source->count + i];
        *stored = (struct stored_event){.event = *event, .position = source->count + i};
        if (event->replaces != 0 && event->replaces < stored->position) {
            struct stored_event *older = &source->events[event->replaces];
            stored->before = older->newest;
            older->newest = stored->position + 1;
        }
        stored->packed = arena_text(
            &source->bytes, event_batch_text(batch, event->properties, event->properties_length));
        if (stored->packed.at == NULL) return STATUS_NO_MEMORY;
    }
    source->count += batch->event_count;
    return STATUS_OK;
}

static enum status reader_open(struct timeline_source *interface, struct timeline_reader **out,
                               struct error *error) {
    struct memory_source *source = (struct memory_source *)interface;
    struct memory_reader *reader = memory_calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a timeline reader");
    reader->interface.source = interface;
    reader->count = source->count;
    arena_init(&reader->scratch, SIZE_MAX / 2);
    *out = &reader->interface;
    return STATUS_OK;
}

static void reader_close(struct timeline_reader *interface) {
    struct memory_reader *reader = (struct memory_reader *)interface;
    if (reader == NULL) return;
    arena_release(&reader->scratch);
    memory_free(reader->read.rows);
    memory_free(reader->walk.rows);
    memory_free(reader);
}

static uint64_t reader_position(const struct timeline_reader *interface) {
    return ((const struct memory_reader *)interface)->count;
}

static struct memory_source *source_of(const struct memory_reader *reader) {
    return (struct memory_source *)reader->interface.source;
}

static uint32_t customer_of(const struct memory_source *source, struct persona_id persona,
                            struct as_of as_of) {
    if (source->directory == NULL) return persona.value;
    return source->directory->ops->customer_of(source->directory, persona, as_of).value;
}

/* Limits `as_of` to what was there when the reader was opened, rows and links alike. */
static struct as_of pinned(const struct memory_reader *reader, struct as_of as_of) {
    if (as_of.position > reader->count) as_of.position = reader->count;
    return as_of;
}

/* Returns since when a newer version below the position has replaced it. */
static int64_t superseded_ms(const struct memory_source *source, const struct stored_event *stored,
                             uint64_t position) {
    int64_t since_ms = INT64_MAX;
    for (size_t i = stored->newest; i > 0; i = source->events[i - 1].before) {
        const struct stored_event *newer = &source->events[i - 1];
        if (newer->position < position && newer->event.known_ms < since_ms)
            since_ms = newer->event.known_ms;
    }
    return since_ms;
}

static bool is_seen(const struct memory_source *source, const struct stored_event *stored,
                    const struct timeline_request *request, struct as_of as_of) {
    int64_t since_ms = superseded_ms(source, stored, as_of.position);
    return stored->position < as_of.position && stored->event.time_ms <= as_of.t_ms &&
           stored->event.known_ms <= as_of.t_ms &&
           (request->needs & TIMELINE_KNOWN || since_ms > as_of.t_ms || since_ms == INT64_MAX);
}

static int compare_rows(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->customer != y->customer) return x->customer < y->customer ? -1 : 1;
    int64_t s = x->stored->event.time_ms, t = y->stored->event.time_ms;
    if (s != t) return s < t ? -1 : 1;
    return (x->stored->position > y->stored->position) -
           (x->stored->position < y->stored->position);
}

/* Gathers all rows of `customer` (ID_NONE: of everybody in this share), sorted. */
static enum status gather(struct memory_reader *reader, const struct timeline_request *request,
                          uint32_t customer, uint32_t part, uint32_t parts, struct gathered *out) {
    const struct memory_source *source = source_of(reader);
    struct as_of as_of = pinned(reader, request->as_of);
    memory_free(out->rows);
    *out = (struct gathered){.needs = request->needs, .position = as_of.position};
    out->rows = memory_alloc((reader->count + 1) * sizeof *out->rows);
    if (out->rows == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < reader->count; i++) {
        const struct stored_event *stored = &source->events[i];
        if (!is_seen(source, stored, request, as_of)) continue;
        uint32_t found = customer_of(source, stored->event.persona, as_of);
        if (customer == ID_NONE ? found % parts != part : found != customer) continue;
        out->rows[out->count++] = (struct row){found, stored};
    }
    qsort(out->rows, out->count, sizeof *out->rows, compare_rows);
    if (request->columns != NULL && source->columns != NULL) {
        memcpy(out->wanted, request->columns, (source->columns->count + 63) / 64 * 8);
    }
    return STATUS_OK;
}

static enum status packed_of(const struct timeline *timeline, uint32_t row, struct text *packed) {
    const struct memory_reader *reader = timeline->reader;
    *packed = reader->shown[row]->packed;
    return STATUS_OK;
}

static const struct timeline_ops row_ops = {.packed = packed_of};

static enum status fill_columns(struct memory_reader *reader, const struct row *rows,
                                uint32_t count, const uint64_t *wanted) {
    const struct column_set *set = source_of(reader)->columns;
    memset(reader->columns, 0, sizeof reader->columns);
    for (uint32_t c = 0; set != NULL && c < set->count; c++) {
        if (!(wanted[c / 64] >> (c % 64) & 1)) continue;
        void *cells = arena_calloc(&reader->scratch, count, 8);
        if (cells == NULL) return STATUS_NO_MEMORY;
        for (uint32_t i = 0; i < count; i++) {
            struct value value = packed_find(rows[i].stored->packed, set->columns[c].property);
            cell_set(cells, set->columns[c].type, i, value, NULL);
        }
        reader->columns[c].cells = cells;
    }
    return STATUS_OK;
}

/* The scratch arrays of one timeline. */
struct row_arrays {
    int64_t *time_ms, *known_ms, *superseded_ms;
    uint64_t *position;
    uint32_t *persona;
    uint16_t *type, *source;
    uint8_t *channel;
};

static bool arrays_alloc(struct memory_reader *reader, struct row_arrays *arrays, uint32_t count) {
    struct arena *arena = &reader->scratch;
    arrays->time_ms = arena_calloc(arena, count, 8);
    arrays->known_ms = arena_calloc(arena, count, 8);
    arrays->superseded_ms = arena_calloc(arena, count, 8);
    arrays->position = arena_calloc(arena, count, 8);
    arrays->persona = arena_calloc(arena, count, 4);
    arrays->type = arena_calloc(arena, count, 2);
    arrays->source = arena_calloc(arena, count, 2);
    arrays->channel = arena_calloc(arena, count, 1);
    reader->shown = arena_calloc(arena, count, sizeof *reader->shown);
    return arrays->time_ms && arrays->known_ms && arrays->superseded_ms && arrays->position &&
           arrays->persona && arrays->type && arrays->source && arrays->channel && reader->shown;
}

static enum status show(struct memory_reader *reader, const struct gathered *gathered, size_t first,
                        size_t row_count, struct timeline *out) {
    const struct row *rows = gathered->rows + first;
    bool truncated = row_count > TIMELINE_EVENTS_MAX;
    if (truncated) rows += row_count - TIMELINE_EVENTS_MAX;
    uint32_t count = (uint32_t)(truncated ? TIMELINE_EVENTS_MAX : row_count);
    struct row_arrays arrays;
    arena_clear(&reader->scratch);
    if (!arrays_alloc(reader, &arrays, count)) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const struct event *event = &rows[i].stored->event;
        arrays.time_ms[i] = event->time_ms;
        arrays.known_ms[i] = event->known_ms;
        arrays.superseded_ms[i] =
            superseded_ms(source_of(reader), rows[i].stored, gathered->position);
        arrays.position[i] = rows[i].stored->position;
        arrays.persona[i] = event->persona.value;
        arrays.type[i] = event->type;
        arrays.source[i] = event->source;
        arrays.channel[i] = event->channel;
        reader->shown[i] = rows[i].stored;
    }
    if (fill_columns(reader, rows, count, gathered->wanted) != STATUS_OK) return STATUS_NO_MEMORY;
    const struct column_set *set = source_of(reader)->columns;
    uint32_t needs = gathered->needs;
    *out = (struct timeline){
        .customer = {rows[0].customer},
        .count = count,
        .time_ms = arrays.time_ms,
        .type = arrays.type,
        .channel = needs & TIMELINE_CHANNEL ? arrays.channel : NULL,
        .known_ms = needs & TIMELINE_KNOWN ? arrays.known_ms : NULL,
        .superseded_ms = needs & TIMELINE_KNOWN ? arrays.superseded_ms : NULL,
        .position = needs & TIMELINE_POSITION ? arrays.position : NULL,
        .persona = needs & TIMELINE_PERSONA ? arrays.persona : NULL,
        .source = needs & TIMELINE_SOURCE ? arrays.source : NULL,
        .columns = reader->columns,
        .column_count = set == NULL ? 0 : set->count,
        .truncated = truncated,
        .ops = &row_ops,
        .reader = reader,
    };
    return STATUS_OK;
}

static enum status no_memory(struct error *error) {
    return error_set(error, STATUS_NO_MEMORY, "no memory for a timeline");
}

/* Returns the customer that a merged-away id belongs to now: the customer of any of its personas.
 */
static uint32_t survivor(const struct memory_source *source, uint32_t customer,
                         struct as_of as_of) {
    struct persona_id persona;
    if (source->directory == NULL) return customer;
    uint32_t count = source->directory->ops->personas_of(
        source->directory, (struct customer_id){customer}, as_of, &persona, 1);
    return count == 0 ? ID_NONE : customer_of(source, persona, as_of);
}

static enum status reader_read(struct timeline_reader *interface, struct customer_id customer,
                               const struct timeline_request *request, struct timeline *out,
                               struct error *error) {
    struct memory_reader *reader = (struct memory_reader *)interface;
    uint32_t found = survivor(source_of(reader), customer.value, pinned(reader, request->as_of));
    if (found != ID_NONE) {
        struct gathered *rows = &reader->read;
        if (gather(reader, request, found, 0, 1, rows) != STATUS_OK) return no_memory(error);
        if (rows->count > 0) {
            return show(reader, rows, 0, rows->count, out) == STATUS_OK ? STATUS_OK
                                                                        : no_memory(error);
        }
    }
    return error_set(error, STATUS_NOT_FOUND, "no customer C%u", customer.value);
}

static enum status reader_walk(struct timeline_reader *interface,
                               const struct timeline_request *request, uint32_t part,
                               uint32_t parts, struct error *error) {
    struct memory_reader *reader = (struct memory_reader *)interface;
    enum status status =
        gather(reader, request, ID_NONE, part, parts == 0 ? 1 : parts, &reader->walk);
    return status == STATUS_OK ? STATUS_OK : no_memory(error);
}

static enum status reader_next(struct timeline_reader *interface, struct timeline *out,
                               struct error *error) {
    struct memory_reader *reader = (struct memory_reader *)interface;
    struct gathered *walk = &reader->walk;
    size_t first = walk->next, end = first;
    if (first >= walk->count) return STATUS_END;
    while (end < walk->count && walk->rows[end].customer == walk->rows[first].customer) end++;
    walk->next = end;
    enum status status = show(reader, walk, first, end - first, out);
    return status == STATUS_OK ? STATUS_OK : no_memory(error);
}

static const struct timeline_source_ops memory_ops = {
    .reader_open = reader_open,
    .reader_close = reader_close,
    .position = reader_position,
    .read = reader_read,
    .walk = reader_walk,
    .next = reader_next,
};

enum status memory_source_create(struct memory_source **out, const struct column_set *columns,
                                 const struct customer_directory *directory) {
    struct memory_source *source = memory_calloc(1, sizeof *source);
    *out = source;
    if (source == NULL) return STATUS_NO_MEMORY;
    source->interface.ops = &memory_ops;
    source->columns = columns;
    source->directory = directory;
    arena_init(&source->bytes, SIZE_MAX / 2);
    return STATUS_OK;
}

void memory_source_destroy(struct memory_source *source) {
    if (source == NULL) return;
    arena_release(&source->bytes);
    memory_free(source->events);
    memory_free(source);
}

struct timeline_source *memory_source_interface(struct memory_source *source) {
    return &source->interface;
}
