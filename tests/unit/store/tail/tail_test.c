/* SPDX-License-Identifier: Apache-2.0 */
/* The tail against the events that were appended: every row of a persona, as of every pinned
 * position, also while it grows under its readers. */
#include "support/event_batch.h"
#include "support/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include "store/tail/tail.h"

#define PERSONAS 60u
#define FRAMES   300u
#define FIRST    1000u

static struct random rng;

/* All that was appended, in order of position. */
struct appended {
    struct event_batch batch;
    uint64_t *position; /* of each event */
    size_t capacity;
    uint64_t frame_end[FRAMES];
    char *in_log[FRAMES]; /* what stands for the log's bytes; NULL: the tail has a copy */
    uint32_t frames;
};

static void appended_init(struct appended *appended) {
    *appended = (struct appended){0};
    event_batch_init(&appended->batch);
}

static void appended_release(struct appended *appended) {
    event_batch_release(&appended->batch);
    memory_free(appended->position);
    for (uint32_t i = 0; i < appended->frames; i++) memory_free(appended->in_log[i]);
}

/* The events' properties, end to end, as a frame of the log has them. */
static char *write_in_log(const struct event_batch *batch) {
    size_t length = 0;
    for (size_t i = 0; i < batch->event_count; i++) length += batch->events[i].properties_length;
    char *bytes = memory_alloc(length), *at = bytes;
    assert_non_null(bytes);
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        if (event->properties_length == 0) continue;
        memcpy(at, batch->bytes.at + event->properties, event->properties_length);
        at += event->properties_length;
    }
    return bytes;
}

/* Adds to `appended` what `batch` has, at the positions behind `frame`. */
static void remember(struct appended *appended, const struct event_batch *batch, uint64_t frame) {
    size_t first = appended->batch.event_count;
    assert_int_equal(memory_grow((void **)&appended->position, &appended->capacity,
                                 first + batch->event_count, sizeof *appended->position),
                     STATUS_OK);
    for (size_t i = 0; i < batch->event_count; i++) {
        struct event *event = event_batch_add(&appended->batch);
        uint32_t offset = (uint32_t)appended->batch.bytes.length;
        assert_non_null(event);
        *event = batch->events[i];
        event->properties = offset;
        assert_int_equal(buffer_append(&appended->batch.bytes,
                                       batch->bytes.at + batch->events[i].properties,
                                       event->properties_length),
                         STATUS_OK);
        appended->position[first + i] = frame + 1 + i;
    }
}

/* Gives an event so many bytes of properties: what the tail keeps is opaque to it. */
static void enlarge(struct event_batch *batch, size_t event, uint32_t length) {
    size_t offset = batch->bytes.length;
    assert_int_equal(buffer_reserve(&batch->bytes, length + 1), STATUS_OK);
    memset(batch->bytes.at + offset, 'x', length);
    batch->bytes.length += length;
    batch->events[event].properties = (uint32_t)offset;
    batch->events[event].properties_length = length;
}

static uint64_t add_frame(struct tail *tail, struct appended *appended, uint32_t events) {
    struct event_batch batch;
    const struct random_batch shape = {
        .events = events, .persona_count = PERSONAS, .has_keys = true, .has_versions = true};
    uint64_t frame = tail_position(tail);
    event_batch_init(&batch);
    random_batch_add(&batch, &shape, &rng);
    if (events > 2 && random_below(&rng, 4) == 0) enlarge(&batch, 1, 65535); /* fills chunks */
    const struct store_frame store_frame = {.batch = &batch};
    assert_int_equal(tail_reserve(tail, &store_frame), STATUS_OK);
    assert_int_equal(tail_position(tail), frame);
    char *in_log = random_below(&rng, 2) ? write_in_log(&batch) : NULL;
    tail_apply(tail, &store_frame, frame, frame + 1 + events,
               (struct log_place){.at = (const uint8_t *)in_log});
    appended->in_log[appended->frames] = in_log;
    remember(appended, &batch, frame);
    appended->frame_end[appended->frames++] = frame + 1 + events;
    event_batch_release(&batch);
    return frame;
}

static void expect_row(const struct tail *tail, const struct tail_row *row,
                       const struct appended *appended, size_t i) {
    const struct event *event = &appended->batch.events[i];
    assert_non_null(row);
    assert_int_equal(tail_row_position(tail, row), appended->position[i]);
    assert_true(row->time_ms == event->time_ms && row->known_ms == event->known_ms &&
                row->key == event->key.low && row->persona == event->persona.value &&
                row->type == event->type && row->source == event->source &&
                row->channel == event->channel);
    assert_true(text_equal(tail_packed(row), event_batch_text(&appended->batch, event->properties,
                                                              event->properties_length)));
}

/* A persona's rows below `position`, newest first, are those of the model. */
static void expect_persona(const struct tail *tail, const struct appended *appended,
                           uint32_t persona, uint64_t position) {
    const struct tail_row *row = tail_newest(tail, (struct persona_id){persona}, position);
    for (size_t i = appended->batch.event_count; i-- > 0;) {
        if (appended->position[i] >= position) continue;
        if (appended->batch.events[i].persona.value != persona) continue;
        expect_row(tail, row, appended, i);
        row = tail_before(tail, row);
    }
    assert_null(row);
}

static void expect_walk(const struct tail *tail, const struct appended *appended,
                        uint64_t position) {
    struct tail_cursor cursor;
    tail_walk(&cursor, tail, position);
    for (size_t i = 0; i < appended->batch.event_count && appended->position[i] < position; i++)
        expect_row(tail, tail_next(&cursor), appended, i);
    assert_null(tail_next(&cursor));
}

static void every_row_is_there_as_of_every_position(void **state) {
    (void)state;
    struct tail *tail;
    struct appended appended;
    appended_init(&appended);
    assert_int_equal(tail_create(&tail, FIRST), STATUS_OK);
    assert_int_equal(tail_first_position(tail), FIRST);
    assert_null(tail_newest(tail, (struct persona_id){3}, UINT64_MAX));
    expect_walk(tail, &appended, UINT64_MAX);
    for (uint32_t f = 0; f < FRAMES; f++)
        add_frame(tail, &appended, (uint32_t)random_below(&rng, 12));
    assert_int_equal(tail_count(tail), appended.batch.event_count);
    for (uint32_t f = 0; f < FRAMES; f += 23) {
        expect_walk(tail, &appended, appended.frame_end[f]);
        for (uint32_t p = 0; p < PERSONAS + 2; p++)
            expect_persona(tail, &appended, p, appended.frame_end[f]);
    }
    for (size_t i = 0; i < appended.batch.event_count; i += 37) { /* a row's own position */
        expect_walk(tail, &appended, appended.position[i]);
        expect_persona(tail, &appended, appended.batch.events[i].persona.value,
                       appended.position[i]);
    }
    expect_walk(tail, &appended, UINT64_MAX);
    assert_true(tail_bytes(tail) > appended.batch.bytes.length);
    tail_dereference(tail);
    appended_release(&appended);
}

static struct key_entry entry_of(const struct tail *tail, struct row_key key) {
    struct key_entry entry;
    assert_true(tail_keys_find(tail_keys_of(tail), key, &entry));
    return entry;
}

/* Every key leads to the position of its event. */
static void keys_lead_to_their_events(void **state) {
    (void)state;
    struct tail *tail;
    struct appended appended;
    uint32_t keyed = 0;
    appended_init(&appended);
    assert_int_equal(tail_create(&tail, FIRST), STATUS_OK);
    for (uint32_t f = 0; f < 50; f++) add_frame(tail, &appended, 20);
    for (size_t i = 0; i < appended.batch.event_count; i++) {
        const struct event *event = &appended.batch.events[i];
        if (row_key_is_none(event->key)) continue;
        struct key_entry entry = entry_of(tail, event->key);
        assert_true(entry.position == appended.position[i] && entry.content == event->content &&
                    entry.version == event->version && entry.flags == 0);
        keyed++;
    }
    assert_int_equal(tail_keys_of(tail)->count, keyed);
    assert_int_equal(tail_load(tail), tail_count(tail)); /* events outnumber keys here */
    tail_dereference(tail);
    appended_release(&appended);
}

/* A correction and a retraction: which version counts no more, since when, and by what. */
static void frames_supersede_older_versions(void **state) {
    (void)state;
    struct tail *tail;
    struct event_batch batch;
    assert_int_equal(tail_create(&tail, FIRST), STATUS_OK);
    event_batch_init(&batch);
    struct event *event = event_batch_add(&batch);
    assert_non_null(event);
    event->persona.value = 8; /* the row has moved from persona 7 to 8 */
    event->known_ms = 500;
    event->key = (struct row_key){21, 22};
    event->replaces = 40;
    event->replaces_persona.value = 7;
    const struct key_change changes[] = {
        {.key = {31, 32}, .position = 41, .persona = {7}, .retracts = true, .known_ms = 600},
        {.key = {33, 34}, .position = 0, .persona = {ID_NONE}, .retracts = true},
        {.key = {35, 36}, .position = 42, .persona = {7}, .content = 5},
    };
    const struct store_frame frame = {.batch = &batch, .changes = changes, .change_count = 3};
    assert_int_equal(tail_reserve(tail, &frame), STATUS_OK);
    tail_apply(tail, &frame, FIRST, FIRST + 2, (struct log_place){0});
    const struct superseded_tail *superseded = tail_superseded(tail);
    assert_int_equal(superseded_tail_count(superseded), 2);
    const struct superseded_row *row = superseded_tail_newest(superseded, 7);
    assert_true(row->position == 41 && row->known_ms == 600 && row->by == FIRST);
    row = superseded_tail_before(superseded, row);
    assert_true(row->position == 40 && row->known_ms == 500 && row->by == FIRST + 1);
    assert_null(superseded_tail_before(superseded, row));
    assert_null(superseded_tail_newest(superseded, 8));
    assert_int_equal(entry_of(tail, changes[0].key).flags, KEY_RETRACTED);
    assert_int_equal(entry_of(tail, changes[1].key).flags, KEY_RETRACTED);
    assert_int_equal(entry_of(tail, changes[2].key).flags, 0);
    assert_int_equal(entry_of(tail, changes[2].key).position, 42);
    assert_int_equal(tail_load(tail), 4); /* four keys, one event: keys alone begin a fold, too */
    event_batch_release(&batch);
    tail_dereference(tail);
}

/* ---- readable while it grows ---- */

struct reading {
    struct tail *tail;
    _Atomic bool stop;
    uint64_t rounds, rows;
    const char *wrong;
};

/* Event i of persona p is written with time_ms = i and known_ms = p, in turns over the personas. So
 * a reader knows from a pinned position alone which rows it must see. */
static const char *check_pinned(const struct tail *tail, uint64_t position, uint64_t *rows) {
    struct tail_cursor cursor;
    const struct tail_row *row;
    uint64_t seen = 0;
    tail_walk(&cursor, tail, position);
    while ((row = tail_next(&cursor)) != NULL) {
        if (row->time_ms != (int64_t)seen || row->persona != seen % PERSONAS) return "walk";
        if (tail_packed(row).length != seen % 100) return "packed";
        seen++;
    }
    /* A frame has 40 events and takes 41 positions. */
    if (seen != (position - FIRST) / 41 * 40) return "rows of the walk";
    for (uint32_t p = 0; p < PERSONAS; p++) {
        uint64_t left = (seen + PERSONAS - 1 - p) / PERSONAS;
        for (row = tail_newest(tail, (struct persona_id){p}, position); row != NULL;
             row = tail_before(tail, row)) {
            if (left == 0 || row->time_ms != (int64_t)(--left * PERSONAS + p)) return "persona";
        }
        if (left != 0) return "rows of a persona";
    }
    *rows += seen;
    return NULL;
}

static void *read_on(void *context) {
    struct reading *reading = context;
    do {
        reading->wrong = check_pinned(reading->tail, tail_position(reading->tail), &reading->rows);
        reading->rounds++;
    } while (reading->wrong == NULL && !atomic_load(&reading->stop));
    return NULL;
}

static void readers_see_whole_frames_while_it_grows(void **state) {
    (void)state;
    enum { READERS = 3, GROWN_FRAMES = 4000 };
    struct tail *tail;
    struct event_batch batch;
    static struct reading readings[READERS];
    pthread_t threads[READERS];
    assert_int_equal(tail_create(&tail, FIRST), STATUS_OK);
    for (int r = 0; r < READERS; r++) {
        readings[r] = (struct reading){.tail = tail};
        tail_reference(tail);
        assert_int_equal(pthread_create(&threads[r], NULL, read_on, &readings[r]), 0);
    }
    event_batch_init(&batch);
    for (uint64_t f = 0, i = 0; f < GROWN_FRAMES; f++) {
        event_batch_clear(&batch);
        for (uint32_t e = 0; e < 40; e++, i++) {
            struct event *event = event_batch_add(&batch);
            assert_non_null(event);
            event->time_ms = (int64_t)i;
            event->persona.value = (uint32_t)(i % PERSONAS);
            enlarge(&batch, e, (uint32_t)(i % 100));
        }
        const struct store_frame frame = {.batch = &batch};
        assert_int_equal(tail_reserve(tail, &frame), STATUS_OK);
        tail_apply(tail, &frame, FIRST + f * 41, FIRST + (f + 1) * 41, (struct log_place){0});
    }
    for (int r = 0; r < READERS; r++) {
        atomic_store(&readings[r].stop, true);
        assert_int_equal(pthread_join(threads[r], NULL), 0);
        if (readings[r].wrong) fail_msg("reader %d: %s", r, readings[r].wrong);
        tail_dereference(tail);
    }
    uint64_t rows = 0;
    assert_null(check_pinned(tail, tail_position(tail), &rows));
    assert_int_equal(rows, GROWN_FRAMES * 40);
    event_batch_release(&batch);
    tail_dereference(tail);
}

/* ---- failing ---- */

static enum status fill(void) {
    struct tail *tail = NULL;
    struct event_batch batch;
    enum status status = tail_create(&tail, FIRST);
    if (status) return status;
    event_batch_init(&batch);
    for (uint32_t f = 0; status == STATUS_OK && f < 40; f++) {
        event_batch_clear(&batch);
        for (uint32_t e = 0; status == STATUS_OK && e < 400; e++) {
            struct event *event = event_batch_add(&batch);
            if (event == NULL) {
                status = STATUS_NO_MEMORY;
                break;
            }
            event->persona.value = f * 400 + e;
            event->key = (struct row_key){(uint64_t)f * 400 + e + 1, 0};
            event->replaces = f > 0 ? 1 : 0;
        }
        const struct store_frame frame = {.batch = &batch};
        uint64_t position = tail_position(tail);
        if (status == STATUS_OK) status = tail_reserve(tail, &frame);
        if (status == STATUS_OK)
            tail_apply(tail, &frame, position, position + 401, (struct log_place){0});
        /* What failed has changed nothing that a reader sees. */
        assert_int_equal(tail_position(tail), status ? position : position + 401);
        assert_int_equal(tail_count(tail), (tail_position(tail) - FIRST) / 401 * 400);
    }
    event_batch_release(&batch);
    tail_dereference(tail);
    return status;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    fail_every_allocation(fill, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_there_as_of_every_position),
        cmocka_unit_test(keys_lead_to_their_events),
        cmocka_unit_test(frames_supersede_older_versions),
        cmocka_unit_test(readers_see_whole_frames_while_it_grows),
        cmocka_unit_test(no_memory_is_a_status),
    };
    random_init(&rng, 31);
    printf("seed 31\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
