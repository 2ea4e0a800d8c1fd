/* SPDX-License-Identifier: Apache-2.0 */
/* Quarantined rows: they are visited in the order in which they came, under ids that never change,
 * until somebody drops them. A list of the test's own says which must be there. */
#include "support/simulated_disk.h"
#include "support/unit.h"

#include "base/random.h"
#include "store/store.h"

#define ROWS_MAX 2000u

static struct simulated_disk *disk;
static struct random rng;
static struct symbols *symbols;
static struct store *store;

struct known_row {
    uint64_t id; /* 0: not visited yet */
    uint32_t line;
    bool dropped;
};
static struct known_row rows[ROWS_MAX];
static uint32_t row_count;

static void open_store(void) {
    struct error error = {0};
    const struct store_options options = {.fs = simulated_disk_interface(disk),
                                          .directory = "data",
                                          .create = true,
                                          .symbols = symbols,
                                          .fold_by_hand = true};
    if (store_open(&store, &options, &error)) fail_msg("%s", error.text);
}

static int setup(void **state) {
    (void)state;
    disk = simulated_disk_create(4, 0);
    assert_int_equal(symbols_create(&symbols), STATUS_OK);
    row_count = 0;
    open_store();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    store_close(store);
    symbols_destroy(symbols);
    simulated_disk_destroy(disk);
    return 0;
}

static void append_rows(uint32_t count) {
    struct event_batch batch;
    uint64_t position;
    event_batch_init(&batch);
    for (uint32_t i = 0; i < count; i++, row_count++) {
        char raw[32];
        snprintf(raw, sizeof raw, "row %u", row_count);
        rows[row_count] = (struct known_row){.line = row_count + 1};
        assert_int_equal(event_batch_add_row(&batch, 1, TEXT("a.csv"), row_count + 1, 3,
                                             TEXT("no time"), text_from(raw)),
                         STATUS_OK);
    }
    const struct store_frame frame = {.batch = &batch};
    assert_int_equal(store_append(store, &frame, true, &position, NULL), STATUS_OK);
    event_batch_release(&batch);
}

/* Which row of the list must come next. */
static uint32_t expected;

static bool see_row(void *context, const struct stored_row *row) {
    char raw[32];
    (void)context;
    while (expected < row_count && rows[expected].dropped) expected++;
    assert_true(expected < row_count);
    struct known_row *known = &rows[expected++];
    snprintf(raw, sizeof raw, "row %u", known->line - 1);
    assert_int_equal(row->line, known->line);
    assert_true(text_equal(row->raw, text_from(raw)));
    assert_true(text_equal(row->reason, TEXT("no time")));
    assert_true(known->id == 0 || row->row_id == known->id);
    known->id = row->row_id;
    return true;
}

static void expect_rows(void) {
    expected = 0;
    assert_int_equal(store_visit_rows(store, see_row, NULL, NULL), STATUS_OK);
    while (expected < row_count && rows[expected].dropped) expected++;
    assert_int_equal(expected, row_count);
}

static void drop_some(void) {
    uint64_t ids[40];
    size_t count = 0;
    for (uint32_t i = 0; i < row_count && count < 40; i++) {
        if (rows[i].dropped || random_below(&rng, 5)) continue;
        rows[i].dropped = true;
        ids[count++] = rows[i].id;
    }
    assert_int_equal(store_drop_rows(store, ids, count, NULL), STATUS_OK);
}

static void rows_stay_until_they_are_dropped(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 60; round++) {
        append_rows((uint32_t)random_below(&rng, 30));
        expect_rows();
        if (random_below(&rng, 2)) {
            drop_some();
            expect_rows();
        }
        if (random_below(&rng, 4) == 0) {
            assert_int_equal(store_fold(store, random_below(&rng, 2), NULL), STATUS_OK);
            expect_rows();
        }
        if (random_below(&rng, 4) == 0) {
            store_close(store);
            open_store();
            expect_rows();
        }
    }
}

static bool stop_at_once(void *context, const struct stored_row *row) {
    (void)row;
    return ++*(int *)context < 3;
}

static void a_visit_may_be_stopped(void **state) {
    (void)state;
    int visited = 0;
    append_rows(20);
    assert_int_equal(store_visit_rows(store, stop_at_once, &visited, NULL), STATUS_OK);
    assert_int_equal(visited, 3);
}

/* Rows that come back as events leave with these events, in one frame, or not at all. */
static void rows_leave_with_their_events_or_not_at_all(void **state) {
    (void)state;
    struct event_batch batch;
    uint64_t position;
    struct store_stats stats;
    append_rows(4);
    expect_rows();
    event_batch_init(&batch);
    struct event *event = event_batch_add(&batch);
    assert_non_null(event);
    const struct store_frame frame = {.batch = &batch};
    simulated_disk_fail_at(disk, 1, true);
    assert_int_equal(store_append_dropping(store, &frame, &rows[1].id, 1, &position, NULL),
                     STATUS_DISK_FULL);
    expect_rows();
    store_stats(store, &stats);
    assert_int_equal(stats.event_count, 0);
    assert_int_equal(store_append_dropping(store, &frame, &rows[1].id, 1, &position, NULL),
                     STATUS_OK);
    rows[1].dropped = true;
    expect_rows();
    store_close(store);
    open_store();
    expect_rows();
    store_stats(store, &stats);
    assert_int_equal(stats.event_count, 1);
    assert_int_equal(stats.quarantined_row_count, 3);
    event_batch_release(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_stay_until_they_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_visit_may_be_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_leave_with_their_events_or_not_at_all, setup,
                                        teardown),
    };
    random_init(&rng, 67);
    printf("seed 67\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
