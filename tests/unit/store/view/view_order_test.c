/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a timeline against qsort over all its rows: pieces of the tail that overlap, touch
 * or follow each other. And when a row is superseded, against a plain search. */
#include "support/event_batch.h"
#include "support/unit.h"

#include <stdlib.h>
#include "store/view/view_internal.h"

#define ROWS_MAX   (TIMELINE_EVENTS_MAX + 2000u)
#define PIECES_MAX 60u

static struct random rng;

struct ordered {
    int64_t time_ms;
    uint64_t position;
};

static struct view_reader reader;
static struct tail *tail;
static struct view_tail_row tail_rows[ROWS_MAX];
static int64_t times[ROWS_MAX];
static struct ordered model[ROWS_MAX];

static int by_time(const void *a, const void *b) {
    const struct ordered *x = a, *y = b;
    if (x->time_ms != y->time_ms) return x->time_ms < y->time_ms ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* Rows by number: row i of the tail stands at position 1 + i. Their times are the test's own. */
static int make_tail(void **state) {
    struct event_batch batch;
    struct tail_cursor cursor;
    const struct tail_row *row;
    (void)state;
    assert_int_equal(tail_create(&tail, 0), STATUS_OK);
    event_batch_init(&batch);
    for (uint32_t i = 0; i < ROWS_MAX; i++) {
        struct event *event = event_batch_add(&batch);
        assert_non_null(event);
        event->persona.value = 1;
    }
    const struct store_frame frame = {.batch = &batch};
    assert_int_equal(tail_reserve(tail, &frame), STATUS_OK);
    tail_apply(tail, &frame, 0, 1 + ROWS_MAX, (struct log_place){0});
    tail_walk(&cursor, tail, UINT64_MAX);
    for (uint32_t i = 0; (row = tail_next(&cursor)) != NULL; i++)
        tail_rows[i] = (struct view_tail_row){row, tail};
    event_batch_release(&batch);
    arena_init(&reader.scratch, 1 << 26);
    return 0;
}

static int release(void **state) {
    (void)state;
    arena_release(&reader.scratch);
    memory_free(reader.pieces);
    memory_free(reader.segments);
    memory_free(reader.order);
    memory_free(reader.gone);
    tail_dereference(tail);
    return 0;
}

static void begin(void) {
    arena_clear(&reader.scratch);
    reader.piece_count = reader.segment_count = 0;
    reader.tail_rows = tail_rows;
}

/* A piece of these rows, sorted as a slice is. `jumps`: how far its times reach beyond each other.
 */
static void add_piece(uint32_t first, uint32_t count, int64_t from_ms, uint32_t jumps) {
    static struct ordered rows[ROWS_MAX];
    static struct view_tail_row shuffled[ROWS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        from_ms += (int64_t)random_below(&rng, jumps);
        rows[i] = (struct ordered){from_ms, 1 + first + i};
    }
    qsort(rows, count, sizeof *rows, by_time);
    for (uint32_t i = 0; i < count; i++) {
        times[first + i] = rows[i].time_ms;
        shuffled[i] = tail_rows[rows[i].position - 1];
        model[first + i] = rows[i];
    }
    memcpy(tail_rows + first, shuffled, count * sizeof *shuffled);
    assert_int_equal(memory_grow((void **)&reader.pieces, &reader.piece_capacity,
                                 reader.piece_count + 1, sizeof *reader.pieces),
                     STATUS_OK);
    reader.pieces[reader.piece_count++] = (struct view_piece){
        .time_ms = times + first, .count = count, .run = VIEW_TAIL, .row = first};
}

/* The segments name all of the model's rows in order, but for the oldest beyond the limit. */
static void expect_order(uint32_t count) {
    uint32_t row_count, at = 0;
    bool truncated;
    uint32_t cut = count > TIMELINE_EVENTS_MAX ? count - TIMELINE_EVENTS_MAX : 0;
    assert_int_equal(view_order(&reader, &row_count, &truncated), STATUS_OK);
    assert_int_equal(row_count, count - cut);
    assert_int_equal(truncated, cut > 0);
    qsort(model, count, sizeof *model, by_time);
    for (size_t s = 0; s < reader.segment_count; s++) {
        const struct view_segment *segment = &reader.segments[s];
        const struct view_piece *piece = &reader.pieces[segment->piece];
        assert_int_equal(segment->at, at);
        for (uint32_t i = 0; i < segment->count; i++, at++) {
            struct ordered row = {piece->time_ms[segment->first + i],
                                  view_row_position(&reader, piece, segment->first + i)};
            if (row.time_ms != model[cut + at].time_ms || row.position != model[cut + at].position)
                fail_msg("row %u is another one", at);
        }
    }
    assert_int_equal(at, count - cut);
}

static void rows_stand_by_time_then_position(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 600; round++) {
        uint32_t pieces = 1 + (uint32_t)random_below(&rng, round % 20 ? 6 : PIECES_MAX), rows = 0;
        int64_t time_ms = -50;
        begin();
        for (uint32_t p = 0; p < pieces; p++) {
            uint32_t count = 1 + (uint32_t)random_below(&rng, 20);
            add_piece(rows, count, time_ms, 1 + round % 4); /* jumps of 0: ties alone */
            rows += count;
            switch (round % 3) {
            case 0: time_ms = times[rows - 1] + 1; break; /* one behind the other */
            case 1: time_ms = times[rows - 1]; break;     /* the last and the first tie */
            default: time_ms = (int64_t)random_below(&rng, 40) - 20;
            }
        }
        expect_order(rows);
    }
}

static void the_oldest_rows_beyond_the_limit_are_cut(void **state) {
    (void)state;
    static const struct { uint32_t beyond, pieces; } cases[] = {{0, 1}, {1, 3}, {2000, 1}};
    for (size_t i = 0; i < 3; i++) {
        uint32_t rows = TIMELINE_EVENTS_MAX + cases[i].beyond, first = 0;
        begin();
        for (uint32_t p = 1; p <= cases[i].pieces; p++) {
            uint32_t count = p < cases[i].pieces ? rows / cases[i].pieces : rows - first;
            add_piece(first, count, 0, 3);
            first += count;
        }
        expect_order(rows);
    }
}

/* Versions that were superseded once or twice; the earliest moment counts. */
static void a_row_is_superseded_from_the_earliest_moment(void **state) {
    (void)state;
    static int64_t since[400];
    for (uint32_t round = 0; round < 50; round++) {
        uint32_t count = (uint32_t)random_below(&rng, 300);
        for (size_t p = 0; p < 400; p++) since[p] = INT64_MAX;
        assert_int_equal(memory_grow((void **)&reader.gone, &reader.gone_capacity, count + 1,
                                     sizeof *reader.gone),
                         STATUS_OK);
        reader.gone_count = count;
        for (uint32_t i = 0; i < count; i++) {
            struct view_gone gone = {random_below(&rng, 400), (int64_t)random_below(&rng, 1000)};
            reader.gone[i] = gone;
            if (gone.known_ms < since[gone.position]) since[gone.position] = gone.known_ms;
        }
        view_gone_sort(&reader);
        for (uint64_t p = 0; p < 400; p++) assert_int_equal(view_gone_ms(&reader, p), since[p]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_stand_by_time_then_position),
        cmocka_unit_test(the_oldest_rows_beyond_the_limit_are_cut),
        cmocka_unit_test(a_row_is_superseded_from_the_earliest_moment),
    };
    random_init(&rng, 59);
    printf("seed 59\n");
    return cmocka_run_group_tests(tests, make_tail, release);
}
