/* SPDX-License-Identifier: Apache-2.0 */
/* Finds which of a customer's rows are superseded: by persona, then by position, which names a row.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "store/view/view_hot.h"

void view_gone_open(struct view_reader *reader) {
    const struct version *version = reader->version;
    reader->may_be_gone = version->superseded != NULL;
    for (uint32_t t = 0; t < version->tail_count; t++)
        if (superseded_tail_count(tail_superseded(version->tails[t])) > 0)
            reader->may_be_gone = true;
}

/* Does the row count for the request? One that judges each row also sees what is superseded later.
 */
static bool counts(const struct view_request *request, const struct superseded_row *row) {
    return row->by < request->as_of.position &&
           (view_judges(request) || row->known_ms <= request->as_of.t_ms);
}

static enum status push(struct view_reader *reader, const struct superseded_row *row) {
    enum status status = memory_grow((void **)&reader->gone, &reader->gone_capacity,
                                     reader->gone_count + 1, sizeof *reader->gone);
    if (status == STATUS_OK)
        reader->gone[reader->gone_count++] = (struct view_gone){row->position, row->known_ms};
    return status;
}

enum status view_gone_add(struct view_reader *reader, const struct view_request *request,
                          uint32_t persona) {
    const struct version *version = reader->version;
    enum status status = STATUS_OK;
    uint32_t count = 0;
    const struct superseded_row *rows =
        version->superseded ? superseded_of(version->superseded, persona, &count) : NULL;
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
        if (counts(request, &rows[i])) status = push(reader, &rows[i]);
    for (uint32_t t = 0; t < version->tail_count; t++) {
        const struct superseded_tail *tail = tail_superseded(version->tails[t]);
        const struct superseded_row *row = superseded_tail_newest(tail, persona);
        for (; row != NULL && status == STATUS_OK; row = superseded_tail_before(tail, row))
            if (counts(request, row)) status = push(reader, row);
    }
    return status;
}

static int compare_gone(const void *a, const void *b) {
    const struct view_gone *x = a, *y = b;
    if (x->position != y->position) return x->position < y->position ? -1 : 1;
    return (x->known_ms > y->known_ms) - (x->known_ms < y->known_ms);
}

/* Sorts. Where a row was superseded twice (retracted, then replaced), the earlier time counts. */
void view_gone_sort(struct view_reader *reader) {
    size_t kept = 0;
    if (reader->gone_count < 2) return;
    qsort(reader->gone, reader->gone_count, sizeof *reader->gone, compare_gone);
    for (size_t i = 0; i < reader->gone_count; i++) {
        if (kept > 0 && reader->gone[kept - 1].position == reader->gone[i].position) continue;
        reader->gone[kept++] = reader->gone[i];
    }
    reader->gone_count = kept;
}

int64_t view_gone_ms(const struct view_reader *reader, uint64_t position) {
    size_t low = 0, high = reader->gone_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reader->gone[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < reader->gone_count && reader->gone[low].position == position;
    return found ? reader->gone[low].known_ms : INT64_MAX;
}

static enum status add_persona(struct view_reader *reader, size_t *count, uint32_t persona) {
    if (*count > 0 && reader->personas[*count - 1].value == persona) return STATUS_OK;
    enum status status = memory_grow((void **)&reader->personas, &reader->persona_capacity,
                                     *count + 1, sizeof *reader->personas);
    if (status == STATUS_OK) reader->personas[(*count)++].value = persona;
    return status;
}

static int compare_personas(const void *a, const void *b) {
    uint32_t x = ((const struct persona_id *)a)->value, y = ((const struct persona_id *)b)->value;
    return (x > y) - (x < y);
}

/* Gathers the personas of the customer's slices; one persona may have several. */
enum status view_gone_of_walk(struct view_reader *reader, size_t first, size_t end) {
    const struct run_walk *walk = &reader->walk;
    size_t count = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < walk->slice_count; i++) {
        struct run_slice slice = walk->slices[i];
        status = add_persona(reader, &count, reader->runs[slice.run]->entry_persona[slice.entry]);
    }
    for (size_t i = first; status == STATUS_OK && i < end; i++)
        status = add_persona(reader, &count,
                             reader->walk_rows[(uint32_t)reader->walk_keys[i]].row->persona);
    if (count > 1) qsort(reader->personas, count, sizeof *reader->personas, compare_personas);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        uint32_t persona = reader->personas[i].value;
        if (i > 0 && persona == reader->personas[i - 1].value) continue;
        status = view_gone_add(reader, &reader->walk_request, persona);
    }
    if (status == STATUS_OK) view_gone_sort(reader);
    return status;
}

enum status view_gone_fill(struct view_reader *reader, uint32_t count, struct timeline *out) {
    int64_t *superseded_ms = arena_alloc(&reader->scratch, (size_t)count * 8);
    if (superseded_ms == NULL) return STATUS_NO_MEMORY;
    for (size_t s = 0; s < reader->segment_count; s++) {
        const struct view_segment *segment = &reader->segments[s];
        const struct view_piece *piece = &reader->pieces[segment->piece];
        if (piece->run != VIEW_TAIL &&
            run_bytes(reader->runs[piece->run], piece->part, RUN_POSITION) == NULL)
            return STATUS_CORRUPT;
        for (uint32_t i = 0; i < segment->count; i++)
            superseded_ms[segment->at + i] =
                view_gone_ms(reader, view_row_position(reader, piece, segment->first + i));
    }
    out->superseded_ms = superseded_ms;
    return STATUS_OK;
}

/* ---- who has corrections, for a walk ---- */

struct corrected {
    uint64_t *customers; /* shifted up by 32 bits */
    size_t count, capacity;
};

static enum status add_customer(struct corrected *corrected, uint32_t persona,
                                const uint32_t *customer, uint32_t persona_count) {
    uint32_t now = customer != NULL && persona < persona_count ? customer[persona] : persona;
    enum status status = memory_grow((void **)&corrected->customers, &corrected->capacity,
                                     corrected->count + 1, sizeof *corrected->customers);
    if (status == STATUS_OK) corrected->customers[corrected->count++] = (uint64_t)now << 32;
    return status;
}

enum status view_gone_walk(struct view_reader *reader, const uint32_t *customer,
                           uint32_t persona_count) {
    struct corrected corrected = {0};
    const struct superseded *set = reader->version->superseded;
    enum status status = STATUS_OK;
    reader->corrected_count = reader->corrected_next = 0;
    if (!reader->may_be_gone) return STATUS_OK;
    for (uint64_t i = 0; set != NULL && status == STATUS_OK && i < set->persona_count; i++)
        status =
            add_customer(&corrected, set->rows[set->start[i]].persona, customer, persona_count);
    for (uint32_t t = 0; t < reader->version->tail_count; t++) {
        const struct superseded_tail *tail = tail_superseded(reader->version->tails[t]);
        uint32_t count = superseded_tail_count(tail);
        for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
            status = add_customer(&corrected, superseded_tail_at(tail, i)->persona, customer,
                                  persona_count);
    }
    uint64_t *scratch = memory_alloc((corrected.count + 1) * sizeof *scratch);
    if (scratch == NULL) status = STATUS_NO_MEMORY;
    if (status == STATUS_OK) run_sort_u64(corrected.customers, scratch, corrected.count, 32);
    memory_free(scratch);
    memory_free(reader->corrected);
    reader->corrected = corrected.customers;
    reader->corrected_count = status == STATUS_OK ? corrected.count : 0;
    return status;
}

void view_gone_mark_slow(struct view_reader *reader) {
    struct view_hot *hot = reader->hot;
    size_t i = reader->corrected_next;
    while (i < reader->corrected_count && reader->corrected[i] >> 32 < hot->base) i++;
    reader->corrected_next = i;
    for (; i < reader->corrected_count && (reader->corrected[i] >> 32) - hot->base < hot->width;
         i++)
        hot->slow[(reader->corrected[i] >> 32) - hot->base] = 1;
}
