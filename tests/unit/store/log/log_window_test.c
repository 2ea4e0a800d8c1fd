/* SPDX-License-Identifier: Apache-2.0 */
/* What was written to the log is read where it stands: on a real file system, while the segment
 * grows, and after the log and its file are gone. */
#include "support/event_batch.h"
#include "support/simulated_disk.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/log/log.h"

#define FRAMES 40u

static char folder[64];
static struct random rng;

static int setup(void **state) {
    (void)state;
    char path[80];
    memcpy(folder, "/tmp/attune-window-XXXXXX", sizeof "/tmp/attune-window-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/log", folder);
    random_init(&rng, 5);
    return mkdir(path, 0700);
}

static int teardown(void **state) {
    (void)state;
    char path[160];
    snprintf(path, sizeof path, "rm -rf '%s'", folder);
    return system(path);
}

static struct log *open_log(struct file_system *fs, const char *directory) {
    struct log *log;
    const struct log_options options = {.fs = fs, .directory = directory};
    assert_int_equal(log_open(&log, &options, NULL), STATUS_OK);
    return log;
}

/* Appends a frame; `copy` gets what was written. */
static struct log_place append(struct log *log, struct buffer *copy) {
    struct event_batch batch;
    uint64_t position;
    const struct random_batch shape = {.events = (uint32_t)random_below(&rng, 200),
                                       .persona_count = 9};
    event_batch_init(&batch);
    buffer_init(copy);
    random_batch_add(&batch, &shape, &rng);
    assert_int_equal(frame_encode(copy, TEXT(""), &(struct store_frame){.batch = &batch}, NULL),
                     STATUS_OK);
    assert_int_equal(log_append(log, copy, false, &position, NULL), STATUS_OK);
    event_batch_release(&batch);
    return log_last_frame(log);
}

/* The properties stand where frame_packed_offset says, as frame_read finds them. */
static void expect_packed(const struct log_place *place, const struct buffer *frame) {
    struct frame_view view;
    size_t bytes;
    assert_int_equal(frame_read((const uint8_t *)frame->at, frame->length, &view, &bytes),
                     STATUS_OK);
    assert_true(view.packed.at == frame->at + frame_packed_offset(frame->at));
    assert_memory_equal(place->at + frame_packed_offset(frame->at), view.packed.at,
                        view.packed.length);
}

static void frames_are_read_where_they_stand(void **state) {
    (void)state;
    struct log_place places[FRAMES];
    struct buffer frames[FRAMES];
    char path[128];
    struct file_system *fs = file_system_os();
    struct log *log = open_log(fs, folder);
    for (uint32_t i = 0; i < FRAMES; i++) {
        places[i] = append(log, &frames[i]);
        assert_non_null(places[i].at);
        log_window_reference(places[i].window);
        if (i % 16 == 15) assert_int_equal(log_rotate(log, NULL), STATUS_OK);
    }
    assert_true(places[0].window == places[15].window); /* one a segment */
    assert_true(places[15].window != places[16].window);
    log_close(log);
    snprintf(path, sizeof path, "%s/log/00000000000000000000.log", folder);
    assert_int_equal(file_remove(fs, path, NULL), STATUS_OK);
    for (uint32_t i = 0; i < FRAMES; i++) {
        assert_memory_equal(places[i].at, frames[i].at, frames[i].length);
        expect_packed(&places[i], &frames[i]);
        log_window_dereference(places[i].window);
        buffer_release(&frames[i]);
    }
}

static void without_mappings_there_is_no_place(void **state) {
    (void)state;
    struct buffer frame;
    struct simulated_disk *disk = simulated_disk_create(3, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    assert_int_equal(directory_make(fs, "data", NULL), STATUS_OK);
    assert_int_equal(directory_make(fs, "data/log", NULL), STATUS_OK);
    struct log *log = open_log(fs, "data");
    for (uint32_t i = 0; i < 3; i++) {
        struct log_place place = append(log, &frame);
        assert_true(place.at == NULL && place.window == NULL);
        buffer_release(&frame);
    }
    log_close(log);
    simulated_disk_destroy(disk);
}

static void a_window_knows_its_bytes(void **state) {
    (void)state;
    char path[128];
    struct file *file;
    struct file_system *fs = file_system_os();
    snprintf(path, sizeof path, "%s/bytes", folder);
    assert_int_equal(file_open(fs, path, FILE_APPEND, &file, NULL), STATUS_OK);
    struct log_window *window = log_window_create(fs, path, 3 * FILE_MAP_UNIT + 7, 100);
    assert_non_null(window);
    assert_null(log_window_at(window, 3 * FILE_MAP_UNIT - 1, 1));
    assert_non_null(log_window_at(window, 3 * FILE_MAP_UNIT, 1));
    assert_non_null(log_window_at(window, 3 * FILE_MAP_UNIT + 7, 100));
    assert_null(log_window_at(window, UINT64_C(1) << 40, 1));
    assert_null(log_window_at(window, 3 * FILE_MAP_UNIT, (size_t)1 << 40));
    assert_null(log_window_at(NULL, 0, 0));
    log_window_dereference(window);
    file_close(file);
    snprintf(path, sizeof path, "%s/missing", folder);
    assert_null(log_window_create(fs, path, 0, 1));
}

/* A page that was read before its end was written differs at one end of the frame. */
static void what_differs_is_not_shown(void **state) {
    (void)state;
    uint8_t written[500], seen[500];
    for (size_t length = 1; length <= sizeof written; length += 1 + length / 3) {
        memset(written, 7, length);
        memset(seen, 7, length);
        assert_true(log_window_shows(seen, written, length));
        seen[0] = 0;
        assert_false(log_window_shows(seen, written, length));
        seen[0] = 7;
        seen[length - 1] = 0;
        assert_false(log_window_shows(seen, written, length));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_are_read_where_they_stand, setup, teardown),
        cmocka_unit_test(without_mappings_there_is_no_place),
        cmocka_unit_test_setup_teardown(a_window_knows_its_bytes, setup, teardown),
        cmocka_unit_test(what_differs_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
