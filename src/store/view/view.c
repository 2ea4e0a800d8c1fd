/* SPDX-License-Identifier: Apache-2.0 */
#include "store/view/view.h"

#include "base/memory.h"
#include "store/view/view_internal.h"

#define PERSONAS_AT_FIRST 64

static enum status failed(const struct view_reader *reader, struct error *error,
                          enum status status) {
    if (status == STATUS_CORRUPT)
        return run_damage(reader->runs, reader->version->run_count, error);
    return error_set(error, status, "reading a timeline: %s", status_name(status));
}

static void end_walk(struct view_reader *reader) {
    run_walk_release(&reader->walk);
    view_hot_end(reader);
    view_tail_order_drop(reader->version, reader->tail_order);
    reader->tail_order = NULL;
    memory_free(reader->walk_rows);
    memory_free(reader->walk_keys);
    reader->walk_rows = NULL;
    reader->walk_keys = NULL;
    reader->walk_row_count = reader->walk_row_capacity = reader->walk_key_capacity = 0;
}

static void reader_close(struct timeline_reader *interface) {
    struct view_reader *reader = (struct view_reader *)interface;
    if (reader == NULL) return;
    uint32_t run_count = reader->version->run_count;
    for (uint32_t r = 0; reader->run_column != NULL && r < run_count; r++)
        memory_free(reader->run_column[r]);
    end_walk(reader);
    arena_release(&reader->scratch);
    arena_release(&reader->made);
    dark_scratch_release(&reader->dark);
    run_block_cache_release(&reader->cache);
    void *arrays[] = {reader->runs,     reader->part_hint, reader->run_column, reader->pieces,
                      reader->segments, reader->tail_rows, reader->order,      reader->personas,
                      reader->gone,     reader->corrected};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) memory_free(arrays[i]);
    versions_unpin(reader->source->versions, reader->version);
    memory_free(reader);
}

static enum status reader_open(struct timeline_source *interface, struct timeline_reader **out,
                               struct error *error) {
    struct view_source *source = (struct view_source *)interface;
    struct view_reader *reader = memory_calloc(1, sizeof *reader);
    *out = NULL;
    if (reader == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory to read timelines");
    enum status status = versions_pin(source->versions, &reader->version, error);
    if (status != STATUS_OK) {
        memory_free(reader);
        return status;
    }
    reader->interface.source = interface;
    reader->source = source;
    reader->set = source->columns != NULL ? source->columns : &reader->version->columns;
    reader->position = version_position(reader->version);
    /* Read behind the pin: what the version's runs hold was durable before they were made. */
    uint64_t bound = source->bound ? atomic_load(source->bound) : UINT64_MAX;
    if (reader->position > bound) reader->position = bound;
    arena_init(&reader->scratch, SIZE_MAX / 2);
    arena_init(&reader->made, SIZE_MAX / 2);
    dark_scratch_init(&reader->dark);
    run_block_cache_init(&reader->cache);
    uint32_t runs = reader->version->run_count;
    reader->runs = memory_calloc(runs + 1, sizeof *reader->runs);
    reader->part_hint = memory_calloc(runs + 1, sizeof *reader->part_hint);
    reader->run_column = memory_calloc(runs + 1, sizeof *reader->run_column);
    if (reader->runs == NULL || reader->part_hint == NULL || reader->run_column == NULL) {
        reader_close(&reader->interface);
        return error_set(error, STATUS_NO_MEMORY, "no memory to read timelines");
    }
    for (uint32_t r = 0; r < runs; r++) reader->runs[r] = reader->version->runs[r]->run;
    view_gone_open(reader);
    *out = &reader->interface;
    return STATUS_OK;
}

static uint64_t reader_position(const struct timeline_reader *interface) {
    return ((const struct view_reader *)interface)->position;
}

static void take_request(struct view_reader *reader, const struct timeline_request *from,
                         struct view_request *to) {
    to->as_of = from->as_of;
    if (to->as_of.position > reader->position) to->as_of.position = reader->position;
    to->filters = from->as_of.t_ms != INT64_MAX || to->as_of.position < reader->position;
    to->needs = from->needs;
    to->column_count = 0;
    for (uint32_t c = 0; from->columns != NULL && c < reader->set->count; c++) {
        if (from->columns[c / 64] >> (c % 64) & 1) to->columns[to->column_count++] = (uint16_t)c;
    }
}

/* Forgets the columns of the last request, which this request must not see. */
static void forget_columns(struct view_reader *reader, const struct view_request *request) {
    for (uint32_t k = 0; k < request->column_count; k++) {
        reader->columns[request->columns[k]] = (struct timeline_column){0};
    }
}

/* Finds the customer's personas as of then. *survivor is the customer that they belong to. */
static enum status find_personas(struct view_reader *reader, struct customer_id customer,
                                 struct as_of as_of, uint32_t *count, uint32_t *survivor) {
    const struct customer_directory *directory = reader->version->directory;
    uint32_t room = PERSONAS_AT_FIRST;
    for (;;) {
        enum status status = memory_grow((void **)&reader->personas, &reader->persona_capacity,
                                         room, sizeof *reader->personas);
        if (status != STATUS_OK) return status;
        if (directory == NULL) {
            reader->personas[0].value = *survivor = customer.value;
            *count = 1;
            return STATUS_OK;
        }
        *count = directory->ops->personas_of(directory, customer, as_of, reader->personas, room);
        if (*count <= room) break;
        room = *count;
    }
    if (*count == 0) return STATUS_NOT_FOUND;
    *survivor = directory->ops->customer_of(directory, reader->personas[0], as_of).value;
    return STATUS_OK;
}

static enum status gather_persona(struct view_reader *reader, uint32_t persona) {
    enum status status = STATUS_OK;
    for (uint32_t r = 0; status == STATUS_OK && r < reader->version->run_count; r++) {
        uint32_t entry = run_find(reader->runs[r], persona);
        if (entry == ID_NONE) continue;
        view_prefetch(reader, &reader->read_request, r, entry);
        status = view_add_entry(reader, &reader->read_request, r, entry);
    }
    return status == STATUS_OK ? view_add_tail(reader, &reader->read_request, persona) : status;
}

static enum status reader_read(struct timeline_reader *interface, struct customer_id customer,
                               const struct timeline_request *request, struct timeline *out,
                               struct error *error) {
    struct view_reader *reader = (struct view_reader *)interface;
    uint32_t count, survivor;
    forget_columns(reader, &reader->read_request);
    if (reader->walk_request.column_count > 0) forget_columns(reader, &reader->walk_request);
    take_request(reader, request, &reader->read_request);
    reader->read_left_columns = reader->read_request.column_count > 0;
    view_begin(reader);
    enum status status =
        find_personas(reader, customer, reader->read_request.as_of, &count, &survivor);
    if (reader->may_be_gone) {
        for (uint32_t p = 0; status == STATUS_OK && p < count; p++)
            status = view_gone_add(reader, &reader->read_request, reader->personas[p].value);
        view_gone_sort(reader);
    }
    for (uint32_t p = 0; status == STATUS_OK && p < count; p++) {
        status = gather_persona(reader, reader->personas[p].value);
    }
    if (status == STATUS_OK) view_prefetch_cells(reader, &reader->read_request);
    if (status == STATUS_OK) status = view_finish(reader, &reader->read_request, survivor, out);
    if (status == STATUS_OK) view_prefetch_whole(reader, &reader->read_request);
    if (status == STATUS_OK) return STATUS_OK;
    if (status == STATUS_END || status == STATUS_NOT_FOUND) {
        return error_set(error, STATUS_NOT_FOUND, "no customer C%u", customer.value);
    }
    return failed(reader, error, status);
}

/* The next customer of the share, from `from` on, who has rows in the tail. */
static uint32_t next_in_tail(const struct view_reader *reader, uint32_t from) {
    const struct view_tail_order *order = reader->tail_order;
    while (from < order->customer_bound) {
        uint32_t block = from >> RUN_WALK_BLOCK_BITS;
        uint32_t end = (block + 1) << RUN_WALK_BLOCK_BITS;
        if (end == 0 || end > order->customer_bound) end = order->customer_bound;
        bool ours = run_walk_shares(reader->walk_part, reader->walk_parts, from);
        if (ours && view_tail_rows_of(order, from, end) > 0) {
            while (view_tail_rows_of(order, from, from + 1) == 0) from++;
            return from;
        }
        from = end;
    }
    return ID_NONE;
}

static void take_rows(struct view_reader *reader, const struct view_tail_part *part,
                      uint32_t customer) {
    for (uint32_t i = part->starts[customer]; i < part->starts[customer + 1]; i++) {
        size_t n = reader->walk_row_count++;
        reader->walk_rows[n] =
            (struct view_tail_row){tail_row_at(part->tail, part->references[i]), part->tail};
        reader->walk_keys[n] = (uint64_t)customer << 32 | n;
        __builtin_prefetch(reader->walk_rows[n].row);
    }
}

enum status view_take_tail(struct view_reader *reader, uint32_t from, uint32_t to) {
    const struct view_tail_order *order = reader->tail_order;
    size_t count = view_tail_rows_of(order, from, to);
    reader->walk_row_count = 0;
    enum status status = memory_grow((void **)&reader->walk_rows, &reader->walk_row_capacity, count,
                                     sizeof *reader->walk_rows);
    if (status == STATUS_OK)
        status = memory_grow((void **)&reader->walk_keys, &reader->walk_key_capacity, count,
                             sizeof *reader->walk_keys);
    for (uint32_t customer = from; count > 0 && status == STATUS_OK && customer < to; customer++) {
        for (uint32_t p = 0; p < order->part_count; p++)
            take_rows(reader, &order->parts[p], customer);
    }
    if (reader->tail_next < to) reader->tail_next = next_in_tail(reader, to);
    return status;
}

static enum status begin_walk(struct view_reader *reader) {
    struct run_walk_range range = {0, ID_NONE, reader->walk_part, reader->walk_parts};
    enum status status =
        view_tail_order_hold(&reader->tail_order, reader->version, reader->walk_request.as_of);
    if (status != STATUS_OK) return status;
    const struct view_tail_order *order = reader->tail_order;
    reader->tail_next = next_in_tail(reader, 0);
    status = run_walk_init(&reader->walk, reader->runs, reader->version->run_count, order->customer,
                           order->persona_count, range);
    if (status == STATUS_OK) status = view_gone_walk(reader, order->customer, order->persona_count);
    return status == STATUS_OK ? view_hot_begin(reader) : status;
}

static enum status reader_walk(struct timeline_reader *interface,
                               const struct timeline_request *request, uint32_t part,
                               uint32_t parts, struct error *error) {
    struct view_reader *reader = (struct view_reader *)interface;
    if (parts == 0 || part >= parts)
        return error_set(error, STATUS_INVALID, "part %u of %u", part, parts);
    forget_columns(reader, &reader->walk_request);
    end_walk(reader);
    reader->walk_part = part;
    reader->walk_parts = parts;
    take_request(reader, request, &reader->walk_request);
    enum status status = begin_walk(reader);
    return status == STATUS_OK ? STATUS_OK : failed(reader, error, status);
}

static enum status next_customer(struct view_reader *reader, struct timeline *out) {
    uint32_t customer = run_walk_peek(&reader->walk);
    bool in_tail = reader->tail_next <= customer;
    if (in_tail) customer = reader->tail_next;
    if (customer == ID_NONE) return STATUS_NOT_FOUND;
    enum status status = STATUS_OK;
    reader->walk_row_count = 0;
    if (in_tail) status = view_take_tail(reader, customer, customer + 1);
    if (status == STATUS_OK) status = run_walk_take(&reader->walk, customer);
    if (status == STATUS_OK) status = view_add_walk(reader, 0, reader->walk_row_count);
    return status == STATUS_OK ? view_finish(reader, &reader->walk_request, customer, out) : status;
}

/* Continues after a read, after customers without rows for the request, and at the end. */
static __attribute__((noinline)) enum status next_slowly(struct view_reader *reader,
                                                         enum status status, struct timeline *out,
                                                         struct error *error) {
    if (reader->read_left_columns) {
        forget_columns(reader, &reader->read_request);
        reader->read_left_columns = false;
    }
    while (status == STATUS_END)
        status = reader->hot != NULL ? view_hot_next(reader, out) : next_customer(reader, out);
    if (status == STATUS_OK) return STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_END : failed(reader, error, status);
}

static enum status source_check(struct timeline_source *interface, struct error *error) {
    struct view_source *source = (struct view_source *)interface;
    struct version *version;
    enum status status = versions_pin(source->versions, &version, error);
    if (status != STATUS_OK) return status;
    for (uint32_t r = 0; status == STATUS_OK && r < version->run_count; r++) {
        if (run_is_damaged(version->runs[r]->run))
            status = run_damage(&version->runs[r]->run, 1, error);
    }
    versions_unpin(source->versions, version);
    return status;
}

static enum status reader_next(struct timeline_reader *interface, struct timeline *out,
                               struct error *error) {
    struct view_reader *reader = (struct view_reader *)interface;
    enum status status = STATUS_END;
    if (reader->hot != NULL && !reader->read_left_columns) status = view_hot_next(reader, out);
    return status == STATUS_OK ? STATUS_OK : next_slowly(reader, status, out, error);
}

static const struct timeline_source_ops view_ops = {
    .reader_open = reader_open,
    .reader_close = reader_close,
    .position = reader_position,
    .read = reader_read,
    .walk = reader_walk,
    .next = reader_next,
    .check = source_check,
};

void view_source_init(struct view_source *source, struct versions *versions,
                      struct symbols *symbols) {
    *source = (struct view_source){.interface.ops = &view_ops,
                                   .versions = versions,
                                   .symbols = symbols,
                                   .stray_rows = VIEW_STRAY_ROWS};
}
