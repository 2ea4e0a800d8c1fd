/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tail/tail.h"

#include <assert.h>
#include "base/hash.h"
#include "base/memory.h"
#include "store/tail/tail_table.h"

/* A chunk is a huge page, since folding reads rows in another order than they lie. */
#define CHUNK_BYTES    ((uint32_t)2 << 20)
#define UNIT_BYTES     8u /* a row reference counts these from the start of the first chunk */
#define CHUNK_UNITS    (CHUNK_BYTES / UNIT_BYTES)
#define CHUNKS_MAX     (UINT32_MAX / CHUNK_UNITS) /* 32 GB */
#define PREFETCH_AHEAD 8u
#define EVENTS_AHEAD   14u

static_assert(sizeof(struct tail_row) == 56, "a row is 56 bytes");

struct tail {
    _Atomic uint32_t references;
    uint64_t first_position;
    _Atomic uint64_t position;
    _Atomic uint32_t row_count;
    _Atomic(struct tail_table *) table;
    uint32_t persona_count;
    uint32_t chunk_count, chunk_capacity; /* capacity: chunks allocated, chunk_count: begun */
    uint32_t used;                        /* bytes of the last chunk */
    size_t bytes;
    struct tail_keys keys; /* the writer's own, until the tail is frozen */
    struct superseded_tail superseded;
    struct log_window **windows; /* where rows have their properties; the last one is in use */
    size_t window_count, window_capacity;
    uint8_t **chunks; /* CHUNKS_MAX pointers, lazily touched, so that readers never see them move */
};

enum status tail_create(struct tail **out, uint64_t first_position) {
    struct tail *tail = memory_calloc(1, sizeof(*tail));
    if (!tail) return STATUS_NO_MEMORY;
    struct tail_table *table = tail_table_create();
    tail->chunks = memory_alloc_huge((size_t)CHUNKS_MAX * sizeof(*tail->chunks));
    if (!table || !tail->chunks) {
        tail_table_destroy(table);
        memory_free_huge(tail->chunks, (size_t)CHUNKS_MAX * sizeof(*tail->chunks));
        memory_free(tail);
        return STATUS_NO_MEMORY;
    }
    tail->first_position = first_position;
    tail_keys_init(&tail->keys, first_position);
    atomic_init(&tail->references, 1);
    atomic_init(&tail->position, first_position);
    atomic_init(&tail->table, table);
    tail->used = CHUNK_BYTES;
    *out = tail;
    return STATUS_OK;
}

void tail_reference(struct tail *tail) {
    atomic_fetch_add_explicit(&tail->references, 1, memory_order_relaxed);
}

void tail_dereference(struct tail *tail) {
    if (!tail || atomic_fetch_sub_explicit(&tail->references, 1, memory_order_acq_rel) > 1) return;
    for (uint32_t i = 0; i < tail->chunk_capacity; i++)
        memory_free_huge(tail->chunks[i], CHUNK_BYTES);
    memory_free_huge(tail->chunks, (size_t)CHUNKS_MAX * sizeof(*tail->chunks));
    tail_table_destroy(atomic_load_explicit(&tail->table, memory_order_relaxed));
    tail_keys_release(&tail->keys);
    superseded_tail_release(&tail->superseded);
    for (size_t i = 0; i < tail->window_count; i++) log_window_dereference(tail->windows[i]);
    memory_free(tail->windows);
    memory_free(tail);
}

static inline const struct tail_row *row_at(const struct tail *tail, uint32_t reference) {
    const uint8_t *chunk = tail->chunks[reference / CHUNK_UNITS];
    return (const struct tail_row *)(const void *)(chunk +
                                                   (size_t)(reference % CHUNK_UNITS) * UNIT_BYTES);
}

static inline uint32_t row_bytes(uint32_t packed_length) {
    return ((uint32_t)sizeof(struct tail_row) + packed_length + UNIT_BYTES - 1) / UNIT_BYTES *
           UNIT_BYTES;
}

/* What a frame adds. */
struct tail_needs {
    uint32_t chunks; /* of rows, all together */
    size_t keys, superseded;
};

/* Chunks are counted as tail_apply will place rows where it copies their properties: one that does
 * not fit leaves the rest of its chunk unused. A chunk that is not needed is not touched. */
static void count_needs(const struct tail *tail, const struct store_frame *frame,
                        struct tail_needs *needs) {
    const struct event_batch *batch = frame->batch;
    uint32_t used = tail->used;
    *needs = (struct tail_needs){.chunks = tail->chunk_count, .keys = frame->change_count};
    for (size_t i = 0; i < frame->change_count; i++)
        needs->superseded += frame->changes[i].retracts;
    for (size_t i = 0; batch && i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        uint32_t bytes = row_bytes(event->properties_length);
        if (bytes > CHUNK_BYTES - used) {
            needs->chunks++;
            used = 0;
        }
        used += bytes;
        needs->keys += !row_key_is_none(event->key);
        needs->superseded += event->replaces != 0;
    }
}

static enum status reserve_chunks(struct tail *tail, uint32_t chunks) {
    if (chunks > CHUNKS_MAX) return STATUS_LIMIT;
    while (tail->chunk_capacity < chunks) {
        uint8_t *chunk = memory_alloc_huge(CHUNK_BYTES);
        if (!chunk) return STATUS_NO_MEMORY;
        tail->chunks[tail->chunk_capacity++] = chunk;
    }
    return STATUS_OK;
}

static enum status reserve_slots(struct tail *tail, size_t more) {
    struct tail_table *table = atomic_load_explicit(&tail->table, memory_order_relaxed), *larger;
    enum status status = tail_table_reserve(table, tail->persona_count + more, &larger);
    if (status || larger == table) return status;
    tail->bytes += (size_t)larger->slots * sizeof(uint64_t);
    atomic_store_explicit(&tail->table, larger, memory_order_release);
    return STATUS_OK;
}

enum status tail_reserve(struct tail *tail, const struct store_frame *frame) {
    uint32_t rows = atomic_load_explicit(&tail->row_count, memory_order_relaxed);
    uint64_t span =
        atomic_load_explicit(&tail->position, memory_order_relaxed) - tail->first_position;
    size_t count = frame->batch ? frame->batch->event_count : 0;
    if (rows + count >= TAIL_NONE || span + count + 1 >= UINT32_MAX) return STATUS_LIMIT;
    struct tail_needs needs;
    count_needs(tail, frame, &needs);
    enum status status = reserve_chunks(tail, needs.chunks);
    if (status == STATUS_OK && count) status = reserve_slots(tail, count);
    if (status == STATUS_OK) status = tail_keys_reserve(&tail->keys, needs.keys);
    if (status == STATUS_OK)
        status = memory_grow((void **)&tail->windows, &tail->window_capacity,
                             tail->window_count + 1, sizeof(*tail->windows));
    return status ? status : superseded_tail_reserve(&tail->superseded, needs.superseded);
}

static uint8_t *place(struct tail *tail, uint32_t bytes, uint32_t *reference) {
    if (bytes > CHUNK_BYTES - tail->used) {
        assert(tail->chunk_count < tail->chunk_capacity); /* tail_reserve counted the same way */
        tail->chunk_count++;
        tail->used = 0;
    }
    uint8_t *at = tail->chunks[tail->chunk_count - 1] + tail->used;
    *reference = (tail->chunk_count - 1) * CHUNK_UNITS + tail->used / UNIT_BYTES;
    tail->used += bytes;
    tail->bytes += bytes;
    return at;
}

/* `packed`: where the log shows the event's properties; NULL: they are copied. */
static void add_row(struct tail *tail, const struct tail_table *table,
                    const struct event_batch *batch, const struct event *event, uint64_t position,
                    const char *packed) {
    uint64_t newest;
    _Atomic uint64_t *slot = tail_table_slot(table, event->persona.value, &newest);
    if (newest == 0) tail->persona_count++;
    uint32_t reference;
    uint8_t *at = place(tail, row_bytes(packed ? 0 : event->properties_length), &reference);
    *(struct tail_row *)(void *)at = (struct tail_row){
        .time_ms = event->time_ms,
        .known_ms = event->known_ms,
        .key = event->key.low,
        .packed = packed ? packed : (const char *)at + sizeof(struct tail_row),
        .persona = event->persona.value,
        .position_delta = (uint32_t)(position - tail->first_position),
        .previous = newest ? (uint32_t)newest : TAIL_NONE,
        .type = event->type,
        .source = event->source,
        .packed_length = (uint16_t)event->properties_length,
        .channel = event->channel,
        .used = packed ? TAIL_ROW_IN_LOG : TAIL_ROW_COPY,
    };
    if (!packed && event->properties_length)
        memcpy(at + sizeof(struct tail_row), batch->bytes.at + event->properties,
               event->properties_length);
    atomic_store_explicit(slot, ((uint64_t)event->persona.value + 1) << 32 | reference,
                          memory_order_release);
}

static void change_key(struct tail *tail, const struct key_change *change, uint64_t position) {
    if (change->retracts && change->position != 0)
        superseded_tail_add(&tail->superseded, change->persona.value, change->position,
                            change->known_ms, position);
    const struct key_entry entry = {
        .low = change->key.low,
        .high = change->key.high,
        .content = change->content,
        .version = change->version,
        .position = change->position,
        .persona = change->persona.value,
        .reading = change->reading,
        .source = change->source,
        .flags = change->retracts ? KEY_RETRACTED : 0,
    };
    tail_keys_put(&tail->keys, &entry);
}

static inline void prefetch(const struct tail *tail, const struct tail_table *table,
                            const struct event *event) {
    __builtin_prefetch((const void *)&table->slot[tail_table_start(table, event->persona.value)]);
    if (!row_key_is_none(event->key)) tail_keys_prefetch(&tail->keys, event->key.low);
}

/* tail_reserve has made room. */
static void hold_window(struct tail *tail, struct log_window *window) {
    if (!window) return;
    if (tail->window_count > 0 && tail->windows[tail->window_count - 1] == window) return;
    log_window_reference(window);
    tail->windows[tail->window_count++] = window;
}

void tail_apply(struct tail *tail, const struct store_frame *frame, uint64_t frame_position,
                uint64_t end, struct log_place in_log) {
    const char *packed = (const char *)in_log.at;
    const struct event_batch *batch = frame->batch;
    size_t count = batch ? batch->event_count : 0;
    const struct tail_table *table = atomic_load_explicit(&tail->table, memory_order_relaxed);
    if (count) hold_window(tail, in_log.window);
    for (size_t i = 0; i < count; i++) {
        const struct event *event = &batch->events[i];
        if (i + EVENTS_AHEAD < count) event_prefetch(event + EVENTS_AHEAD);
        if (i + PREFETCH_AHEAD < count) prefetch(tail, table, event + PREFETCH_AHEAD);
        add_row(tail, table, batch, event, frame_position + 1 + i, packed);
        if (packed) packed += event->properties_length;
        if (!row_key_is_none(event->key))
            tail_keys_put_event(&tail->keys, event, frame_position + 1 + i);
        if (event->replaces != 0)
            superseded_tail_add(&tail->superseded, event->replaces_persona.value, event->replaces,
                                event->known_ms, frame_position + 1 + i);
    }
    for (size_t i = 0; i < frame->change_count; i++)
        change_key(tail, &frame->changes[i], frame_position);
    uint32_t rows = atomic_load_explicit(&tail->row_count, memory_order_relaxed) + (uint32_t)count;
    atomic_store_explicit(&tail->row_count, rows, memory_order_release);
    atomic_store_explicit(&tail->position, end, memory_order_release);
}

uint32_t tail_load(const struct tail *tail) {
    uint32_t rows = atomic_load_explicit(&tail->row_count, memory_order_relaxed);
    return rows > tail->keys.count ? rows : tail->keys.count;
}

const struct tail_keys *tail_keys_of(const struct tail *tail) {
    return &tail->keys;
}

const struct superseded_tail *tail_superseded(const struct tail *tail) {
    return &tail->superseded;
}

size_t tail_bytes(const struct tail *tail) {
    return tail->bytes + tail_keys_bytes(&tail->keys);
}

uint64_t tail_first_position(const struct tail *tail) {
    return tail->first_position;
}

uint64_t tail_position(const struct tail *tail) {
    return atomic_load_explicit(&tail->position, memory_order_acquire);
}

uint32_t tail_count(const struct tail *tail) {
    return atomic_load_explicit(&tail->row_count, memory_order_acquire);
}

const struct tail_row *tail_newest(const struct tail *tail, struct persona_id persona,
                                   uint64_t position) {
    const struct tail_table *table = atomic_load_explicit(&tail->table, memory_order_acquire);
    uint64_t newest;
    (void)tail_table_slot(table, persona.value, &newest);
    if (newest == 0) return NULL;
    const struct tail_row *row = row_at(tail, (uint32_t)newest);
    while (row && tail_row_position(tail, row) >= position) row = tail_before(tail, row);
    return row;
}

const struct tail_row *tail_before(const struct tail *tail, const struct tail_row *row) {
    return row->previous == TAIL_NONE ? NULL : row_at(tail, row->previous);
}

void tail_walk(struct tail_cursor *cursor, const struct tail *tail, uint64_t position) {
    *cursor = (struct tail_cursor){.tail = tail, .position = position, .left = tail_count(tail)};
}

const struct tail_row *tail_next(struct tail_cursor *cursor) {
    if (cursor->left == 0) return NULL;
    const uint8_t *chunk = cursor->tail->chunks[cursor->chunk];
    const struct tail_row *row = (const struct tail_row *)(const void *)(chunk + cursor->offset);
    /* One more row is visible. So the next place holds it or, where the chunk is full, the zero
     * that ends the chunk. */
    if (CHUNK_BYTES - cursor->offset < sizeof(*row) || !row->used) {
        cursor->chunk++;
        cursor->offset = 0;
        row = (const struct tail_row *)(const void *)cursor->tail->chunks[cursor->chunk];
    }
    if (tail_row_position(cursor->tail, row) >= cursor->position) {
        cursor->left = 0;
        return NULL;
    }
    cursor->left--;
    cursor->reference = cursor->chunk * CHUNK_UNITS + cursor->offset / UNIT_BYTES;
    cursor->offset += row_bytes(row->used == TAIL_ROW_COPY ? row->packed_length : 0);
    return row;
}

const struct tail_row *tail_row_at(const struct tail *tail, uint32_t reference) {
    return row_at(tail, reference);
}

/* ---- a frozen tail ---- */

static const struct tail_table *table_of(const struct tail *tail) {
    return atomic_load_explicit(&tail->table, memory_order_acquire);
}

uint32_t tail_persona_count(const struct tail *tail) {
    return tail->persona_count;
}

void tail_personas(const struct tail *tail, uint32_t *out) {
    const struct tail_table *table = table_of(tail);
    for (uint32_t i = 0; i < table->slots; i++) {
        uint64_t slot = atomic_load_explicit(&table->slot[i], memory_order_relaxed);
        if (slot != 0) *out++ = (uint32_t)(slot >> 32) - 1;
    }
}

uint32_t tail_newest_reference(const struct tail *tail, struct persona_id persona) {
    uint64_t newest;
    (void)tail_table_slot(table_of(tail), persona.value, &newest);
    return newest == 0 ? TAIL_NONE : (uint32_t)newest;
}

void tail_prefetch_newest(const struct tail *tail, struct persona_id persona) {
    const struct tail_table *table = table_of(tail);
    __builtin_prefetch((const void *)&table->slot[tail_table_start(table, persona.value)]);
}
