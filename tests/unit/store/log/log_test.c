/* SPDX-License-Identifier: Apache-2.0 */
/* The log: what was appended comes back in order, also after a power cut; a torn end is cut, and
 * damage before it is told; segments go as a whole. */
#include "support/event_batch.h"
#include "support/simulated_disk.h"
#include "support/unit.h"

#include "store/log/log.h"
#include "store/stored_file.h"

#define FIRST_SEGMENT "data/log/00000000000000000000.log"

static struct simulated_disk *disk;
static struct file_system *fs;
static struct random rng;

/* The frames that a reader of the log was shown. */
struct shown {
    uint64_t position[200];
    uint32_t events[200];
    uint32_t count;
};

static enum status show(void *context, const struct frame_view *view, struct error *error) {
    struct shown *shown = context;
    (void)error;
    assert_true(shown->count < 200);
    shown->position[shown->count] = view->position;
    shown->events[shown->count++] = view->event_count;
    return STATUS_OK;
}

static int setup(void **state) {
    (void)state;
    disk = simulated_disk_create(3, 0);
    fs = simulated_disk_interface(disk);
    assert_int_equal(directory_make(fs, "data", NULL), STATUS_OK);
    assert_int_equal(directory_make(fs, "data/log", NULL), STATUS_OK);
    assert_int_equal(directory_sync(fs, "data", NULL), STATUS_OK);
    assert_int_equal(directory_sync(fs, ".", NULL), STATUS_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    simulated_disk_destroy(disk);
    return 0;
}

static enum status open_from(struct log **log, uint64_t first, struct shown *shown,
                             struct error *error) {
    *shown = (struct shown){0};
    const struct log_options options = {
        .fs = fs, .directory = "data", .first_position = first, .on_frame = show, .context = shown};
    return log_open(log, &options, error);
}

static struct log *open_log(struct shown *shown) {
    struct log *log;
    assert_int_equal(open_from(&log, 0, shown, NULL), STATUS_OK);
    return log;
}

/* Appends a frame of so many events; returns its position, which is where the log ended. */
static uint64_t append(struct log *log, uint32_t events, bool sync) {
    struct event_batch batch;
    struct buffer frame;
    uint64_t position, end = log_end(log);
    const struct random_batch shape = {.events = events, .persona_count = 9};
    event_batch_init(&batch);
    buffer_init(&frame);
    random_batch_add(&batch, &shape, &rng);
    assert_int_equal(frame_encode(&frame, TEXT(""), &(struct store_frame){.batch = &batch}, NULL),
                     STATUS_OK);
    assert_int_equal(log_append(log, &frame, sync, &position, NULL), STATUS_OK);
    assert_int_equal(position, end);
    assert_int_equal(log_end(log), end + 1 + events);
    buffer_release(&frame);
    event_batch_release(&batch);
    return position;
}

static void expect_shown(const struct shown *shown, const uint64_t *positions, uint32_t count) {
    assert_int_equal(shown->count, count);
    for (uint32_t i = 0; i < count; i++) assert_int_equal(shown->position[i], positions[i]);
}

static void frames_come_back_in_order(void **state) {
    (void)state;
    struct shown shown;
    uint64_t positions[60];
    struct log *log = open_log(&shown);
    assert_int_equal(shown.count, 0);
    for (uint32_t i = 0; i < 60; i++) {
        positions[i] = append(log, i % 7, i % 5 == 0);
        if (i % 20 == 19) assert_int_equal(log_rotate(log, NULL), STATUS_OK);
    }
    uint64_t end = log_end(log);
    log_close(log);
    log = open_log(&shown);
    assert_int_equal(log_end(log), end);
    expect_shown(&shown, positions, 60);
    for (uint32_t i = 0; i < 60; i++) assert_int_equal(shown.events[i], i % 7);
    log_close(log);
}

/* Every range is shown whole and nothing beyond it, whichever segments it takes. */
static void a_visit_shows_its_range(void **state) {
    (void)state;
    struct shown shown;
    uint64_t positions[13];
    struct log *log = open_log(&shown);
    for (uint32_t i = 0; i < 12; i++) {
        positions[i] = append(log, 2, true);
        if (i % 4 == 3) assert_int_equal(log_rotate(log, NULL), STATUS_OK);
    }
    positions[12] = log_end(log);
    for (uint32_t from = 0; from < 13; from++) {
        for (uint32_t to = from; to < 13; to++) {
            shown = (struct shown){0};
            assert_int_equal(
                log_visit(fs, "data", positions[from], positions[to], show, &shown, NULL),
                STATUS_OK);
            expect_shown(&shown, positions + from, to - from);
        }
    }
    log_close(log);
}

static void dropped_segments_are_gone_and_the_rest_is_not(void **state) {
    (void)state;
    struct shown shown;
    struct error error = {0};
    struct log *log = open_log(&shown);
    append(log, 3, true);
    assert_int_equal(log_rotate(log, NULL), STATUS_OK);
    uint64_t second = append(log, 3, true);
    assert_int_equal(log_drop(log, second - 1, NULL), STATUS_OK); /* its last event is needed */
    assert_int_equal(log_visit(fs, "data", 0, second, show, &shown, NULL), STATUS_OK);
    assert_int_equal(log_drop(log, second, NULL), STATUS_OK);
    assert_int_equal(log_visit(fs, "data", 0, second, show, &shown, &error), STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "is missing"));
    /* The segment that grows stays, however far the drop reaches. */
    assert_int_equal(log_drop(log, UINT64_MAX, NULL), STATUS_OK);
    uint64_t third = append(log, 1, true);
    log_close(log);
    assert_int_equal(open_from(&log, second, &shown, NULL), STATUS_OK);
    expect_shown(&shown, (const uint64_t[]){second, third}, 2);
    log_close(log);
}

/* A power cut at each call that changes the disk: all that was synced comes back, what comes back
 * is a beginning of what was appended, and the log takes more. */
static void synced_frames_survive_every_power_cut(void **state) {
    (void)state;
    bool finished = false;
    for (uint64_t cut = 1; !finished; cut++) {
        struct shown shown;
        struct log *log = NULL;
        uint64_t synced = 0, position;
        teardown(NULL);
        setup(NULL);
        random_init(&rng, cut);
        log = open_log(&shown);
        simulated_disk_cut_at(disk, cut);
        enum status status = STATUS_OK;
        for (uint32_t i = 0; i < 8 && status == STATUS_OK; i++) {
            struct buffer frame;
            struct store_record record = {RECORD_CONTROL, TEXT("some bytes")};
            buffer_init(&frame);
            assert_int_equal(
                frame_encode(&frame, TEXT(""),
                             &(struct store_frame){.records = &record, .record_count = 1}, NULL),
                STATUS_OK);
            status = log_append(log, &frame, i % 3 == 2, &position, NULL);
            if (status == STATUS_OK && i % 3 == 2) synced = position + 1;
            if (status == STATUS_OK && i == 5) status = log_rotate(log, NULL);
            buffer_release(&frame);
        }
        finished = !simulated_disk_is_off(disk);
        simulated_disk_cut_at(disk, 0);
        log_close(log);
        simulated_disk_restart(disk);
        log = open_log(&shown);
        assert_true(shown.count >= synced && shown.count <= 8);
        for (uint32_t i = 0; i < shown.count; i++) assert_int_equal(shown.position[i], i);
        assert_int_equal(log_end(log), shown.count);
        append(log, 2, true);
        log_close(log);
    }
}

/* Flips a bit in the frame number `n` of three frames that were each synced. */
static void damage_is_told_with_its_place(void **state) {
    (void)state;
    struct shown shown;
    struct log *log = open_log(&shown);
    struct error error = {0};
    uint64_t first_bytes = 0, positions[3];
    for (uint32_t i = 0; i < 3; i++) {
        positions[i] = append(log, 4, true);
        if (i > 0) continue;
        struct buffer bytes;
        buffer_init(&bytes);
        assert_int_equal(file_read_all(fs, FIRST_SEGMENT, 1 << 20, &bytes, NULL), STATUS_OK);
        first_bytes = bytes.length;
        buffer_release(&bytes);
    }
    log_close(log);
    for (uint64_t byte = STORED_HEADER_BYTES; byte < first_bytes; byte++) {
        assert_true(simulated_disk_flip(disk, FIRST_SEGMENT, byte, byte % 8));
        assert_int_equal(open_from(&log, 0, &shown, &error), STATUS_CORRUPT);
        assert_non_null(strstr(error.text, FIRST_SEGMENT ": byte 24: the frame at position 0"));
        assert_non_null(strstr(error.text, "from a backup"));
        assert_true(simulated_disk_flip(disk, FIRST_SEGMENT, byte, byte % 8));
    }
    log = open_log(&shown); /* and none of the attempts has changed a byte */
    expect_shown(&shown, positions, 3);
    log_close(log);
}

/* Half a frame at the end, at every length: it was never acknowledged, so it goes. */
static void a_torn_end_is_cut_at_every_length(void **state) {
    (void)state;
    struct shown shown;
    struct buffer frame;
    struct file *file;
    struct store_record record = {RECORD_CONTROL, TEXT("never acknowledged")};
    buffer_init(&frame);
    assert_int_equal(frame_encode(&frame, TEXT(""),
                                  &(struct store_frame){.records = &record, .record_count = 1},
                                  NULL),
                     STATUS_OK);
    for (size_t length = 1; length < frame.length; length++) {
        teardown(NULL);
        setup(NULL);
        struct log *log = open_log(&shown);
        uint64_t positions[2] = {append(log, 3, true)}, end = log_end(log);
        log_close(log);
        frame_seal(frame.at, end, end);
        assert_int_equal(file_open(fs, FIRST_SEGMENT, FILE_APPEND, &file, NULL), STATUS_OK);
        assert_int_equal(file_write(file, frame.at, length, NULL), STATUS_OK);
        file_close(file);
        log = open_log(&shown);
        expect_shown(&shown, positions, 1);
        positions[1] = append(log, 1, true);
        log_close(log);
        log = open_log(&shown);
        expect_shown(&shown, positions, 2);
        log_close(log);
    }
    buffer_release(&frame);
}

/* A write that fails leaves nothing of its frame; a sync that fails ends the log, since nobody
 * knows what the disk has. */
static void a_failed_call_is_not_forgotten(void **state) {
    (void)state;
    struct shown shown;
    struct buffer frame;
    uint64_t position;
    struct error error = {0};
    struct log *log = open_log(&shown);
    buffer_init(&frame);
    assert_int_equal(frame_encode(&frame, TEXT(""), &(struct store_frame){0}, NULL), STATUS_OK);
    append(log, 1, true);
    uint64_t end = log_end(log);
    simulated_disk_fail_at(disk, 1, true); /* the write */
    assert_int_equal(log_append(log, &frame, true, &position, NULL), STATUS_DISK_FULL);
    assert_int_equal(log_end(log), end);
    assert_false(log_has_failed(log));
    append(log, 1, true);
    simulated_disk_fail_at(disk, 2, false); /* the sync */
    assert_int_equal(log_append(log, &frame, true, &position, NULL), STATUS_IO);
    assert_true(log_has_failed(log));
    assert_int_equal(log_append(log, &frame, true, &position, &error), STATUS_IO);
    assert_int_equal(log_sync(log, NULL), STATUS_IO);
    log_close(log);
    buffer_release(&frame);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_come_back_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_visit_shows_its_range, setup, teardown),
        cmocka_unit_test_setup_teardown(dropped_segments_are_gone_and_the_rest_is_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(synced_frames_survive_every_power_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_told_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_end_is_cut_at_every_length, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_call_is_not_forgotten, setup, teardown),
    };
    random_init(&rng, 23);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
