/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"
#include "store/manifest.h"
#include "support/simulated_disk.h"
#include "support/store_trial.h"

static const struct trial trial = {.seed = 5, .persona_count = 8, .events_max = 20};

static struct simulated_disk *new_disk(void **state) {
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    *state = disk;
    return disk;
}

static int teardown(void **state) {
    simulated_disk_destroy(*state);
    return 0;
}

static void open_store(struct trial_store *open, struct simulated_disk *disk,
                       const char *directory) {
    struct error error = {0};
    enum status status =
        trial_open(open, simulated_disk_interface(disk), directory, 0, true, &error);
    if (status) fail_msg("%s", error.text);
}

/* So many appends, each synced; folds and erasures of the trial are passed over. */
static void append_some(struct trial_store *open, int count) {
    struct error error;
    for (uint64_t i = 0; count > 0; i++) {
        if (trial_kind(&trial, i) != TRIAL_APPEND) continue;
        assert_int_equal(trial_do(&trial, open, i, &error), STATUS_OK);
        count--;
    }
}

static uint64_t events_of(struct trial_store *open) {
    struct store_stats stats;
    store_stats(open->store, &stats);
    return stats.event_count;
}

static void the_second_writer_is_told_whom_to_stop(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct trial_store first, second;
    struct error error = {0};
    open_store(&first, disk, "data");
    assert_int_equal(trial_open(&second, simulated_disk_interface(disk), "data", 0, true, &error),
                     STATUS_LOCKED);
    assert_non_null(strstr(error.text, "data/LOCK"));
    assert_non_null(strstr(error.text, "kill "));
    trial_close(&first);
    open_store(&second, disk, "data");
    trial_close(&second);
}

/* The writer has the lock a moment before its number is in the file. */
static void a_writer_without_a_number_is_not_process_0(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct file_system *fs = simulated_disk_interface(disk);
    struct trial_store first, second;
    struct file *lock;
    struct error error = {0};
    open_store(&first, disk, "data");
    assert_int_equal(file_open(fs, "data/LOCK", FILE_APPEND, &lock, &error), STATUS_OK);
    assert_int_equal(file_truncate(lock, 0, &error), STATUS_OK);
    file_close(lock);
    assert_int_equal(trial_open(&second, fs, "data", 0, true, &error), STATUS_LOCKED);
    assert_non_null(strstr(error.text, "data/LOCK: another process is writing"));
    assert_null(strstr(error.text, "kill"));
    trial_close(&first);
}

#define SEGMENT "data/log/00000000000000000000.log"

static void damage_before_acknowledged_frames_is_reported(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct trial_store open;
    struct error error = {0};
    open_store(&open, disk, "data");
    append_some(&open, 6);
    trial_close(&open);
    assert_true(simulated_disk_flip(disk, SEGMENT, 100, 3));
    assert_int_equal(trial_open(&open, simulated_disk_interface(disk), "data", 0, true, &error),
                     STATUS_CORRUPT);
    assert_non_null(strstr(error.text, SEGMENT));
    assert_non_null(strstr(error.text, "byte 24"));
    /* Nothing was changed: with the bit put back all is there. */
    assert_true(simulated_disk_flip(disk, SEGMENT, 100, 3));
    open_store(&open, disk, "data");
    trial_close(&open);
}

static void damage_to_the_last_frame_of_a_closed_log_is_reported(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct trial_store open;
    struct error error = {0};
    open_store(&open, disk, "data");
    append_some(&open, 1);
    trial_close(&open);
    assert_true(simulated_disk_flip(disk, SEGMENT, 90, 0));
    assert_int_equal(trial_open(&open, simulated_disk_interface(disk), "data", 0, true, &error),
                     STATUS_CORRUPT);
}

static void a_torn_tail_is_cut(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct file_system *fs = simulated_disk_interface(disk);
    struct trial_store open;
    struct error error = {0};
    open_store(&open, disk, "data");
    append_some(&open, 4);
    uint64_t events = events_of(&open);
    trial_close(&open);
    struct file *file;
    assert_int_equal(file_open(fs, SEGMENT, FILE_APPEND, &file, &error), STATUS_OK);
    assert_int_equal(file_write(file,
                                "ATFR half a frame that never was acknowledged and more of it", 60,
                                &error),
                     STATUS_OK);
    file_close(file);
    open_store(&open, disk, "data");
    assert_int_equal(events_of(&open), events);
    trial_close(&open);
}

static void a_newer_format_is_refused_with_what_to_do(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct file_system *fs = simulated_disk_interface(disk);
    struct trial_store open;
    struct error error = {0};
    open_store(&open, disk, "data");
    trial_close(&open);
    static const char newer[] = "attune manifest 4\nwhatever\n";
    assert_int_equal(file_replace(fs, "data/MANIFEST", newer, sizeof(newer) - 1, &error),
                     STATUS_OK);
    assert_int_equal(trial_open(&open, fs, "data", 0, true, &error), STATUS_VERSION);
    assert_non_null(strstr(error.text, "data/MANIFEST"));
    assert_non_null(strstr(error.text, "newer program"));
}

static void a_full_disk_leaves_the_store_usable(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct trial_store open;
    struct error error = {0};
    open_store(&open, disk, "data");
    append_some(&open, 3);
    uint64_t events = events_of(&open);
    simulated_disk_capacity(disk, 1);
    assert_int_equal(trial_do(&trial, &open, 0, &error), STATUS_DISK_FULL);
    assert_int_equal(events_of(&open), events);
    simulated_disk_capacity(disk, 0);
    assert_int_equal(trial_do(&trial, &open, 0, &error), STATUS_OK);
    uint64_t after = events_of(&open);
    trial_close(&open);
    open_store(&open, disk, "data");
    assert_int_equal(events_of(&open), after);
    trial_close(&open);
}

/* The hot walk takes customers in blocks of 256. A block that is full and not the run's last ends
 * between two entries, and where no entry has moved there are no bits to look at. */
static void a_walk_passes_full_blocks_in_which_nobody_moved(void **state) {
    enum { CUSTOMERS = 700 };
    struct simulated_disk *disk = new_disk(state);
    struct symbols *symbols;
    struct store *store;
    struct event_batch batch;
    struct error error = {0};
    uint64_t position;
    assert_int_equal(symbols_create(&symbols), STATUS_OK);
    const struct store_options options = {.fs = simulated_disk_interface(disk),
                                          .directory = "data",
                                          .create = true,
                                          .symbols = symbols,
                                          .fold_by_hand = true};
    assert_int_equal(store_open(&store, &options, &error), STATUS_OK);
    event_batch_init(&batch);
    for (uint32_t i = 0; i < CUSTOMERS; i++) {
        struct event *event = event_batch_add(&batch);
        assert_non_null(event);
        event->persona = (struct persona_id){i};
        event->time_ms = event->known_ms = 1000 + i;
        event->type = EVENT_SURVEY_ANSWERED;
    }
    const struct store_frame frame = {.batch = &batch};
    assert_int_equal(store_append(store, &frame, true, &position, &error), STATUS_OK);
    assert_int_equal(store_fold(store, false, &error), STATUS_OK);
    struct timeline_source *source = store_source(store);
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW}};
    struct timeline_reader *reader;
    struct timeline timeline;
    uint32_t seen = 0;
    assert_int_equal(source->ops->reader_open(source, &reader, &error), STATUS_OK);
    assert_int_equal(source->ops->walk(reader, &request, 0, 1, &error), STATUS_OK);
    while (source->ops->next(reader, &timeline, &error) == STATUS_OK) seen += timeline.count;
    assert_int_equal(seen, CUSTOMERS);
    source->ops->reader_close(reader);
    event_batch_release(&batch);
    store_close(store);
    symbols_destroy(symbols);
}

static bool theirs(void *context, const struct stored_row *row) {
    (void)context;
    return memmem(row->raw.at, row->raw.length, "persona 3 ", 10) != NULL;
}

static bool rewrite(void *context, enum record_kind kind, struct text bytes, struct buffer *out) {
    (void)context;
    (void)kind;
    (void)out;
    return bytes.length >= 9 &&
           memcmp(bytes.at + bytes.length - 9, "persona 3", 9) == 0; /* dropped */
}

static void of_the_erased_no_byte_is_left(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct trial_store open;
    struct error error = {0};
    open_store(&open, disk, "data");
    append_some(&open, 30);
    assert_true(simulated_disk_contains(disk, "persona 3 ", 10));
    assert_int_equal(store_fold(open.store, false, &error), STATUS_OK);
    append_some(&open, 5);
    const struct persona_id persona = {3};
    const struct store_erasure erasure = {
        .personas = &persona, .persona_count = 1, .row_is_theirs = theirs, .rewrite = rewrite};
    struct store_erased erased;
    assert_int_equal(store_erase(open.store, &erasure, &erased, &error), STATUS_OK);
    assert_true(erased.event_count > 0 && erased.files_rewritten > 0);
    assert_false(simulated_disk_contains(disk, "persona 3 ", 10));
    trial_close(&open);
}

static void a_backup_opens_and_holds_the_same(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct trial_store open, copy;
    struct error error = {0};
    open_store(&open, disk, "data");
    append_some(&open, 10);
    assert_int_equal(store_fold(open.store, false, &error), STATUS_OK);
    append_some(&open, 4);
    uint64_t events = events_of(&open);
    assert_int_equal(store_backup(open.store, "copy", NULL, &error), STATUS_OK);
    assert_int_equal(store_backup(open.store, "copy", NULL, &error), STATUS_EXISTS);
    append_some(&open, 4);
    open_store(&copy, disk, "copy");
    assert_int_equal(events_of(&copy), events);
    trial_close(&copy);
    /* The next one shares what has not changed, and both are whole. */
    assert_int_equal(store_fold(open.store, false, &error), STATUS_OK);
    append_some(&open, 4);
    events = events_of(&open);
    assert_int_equal(store_backup(open.store, "next", "copy", &error), STATUS_OK);
    trial_close(&open);
    open_store(&copy, disk, "next");
    assert_int_equal(events_of(&copy), events);
    trial_close(&copy);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_check(simulated_disk_interface(disk), i == 0 ? "copy" : "next", NULL,
                                     NULL, &error),
                         STATUS_OK);
}

static void no_directory_is_not_made_up(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct symbols *symbols;
    struct store *store;
    struct error error = {0};
    assert_int_equal(symbols_create(&symbols), STATUS_OK);
    const struct store_options options = {
        .fs = simulated_disk_interface(disk), .directory = "nowhere", .symbols = symbols};
    assert_int_equal(store_open(&store, &options, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "no data directory"));
    assert_int_equal(directory_make(options.fs, "nowhere", &error),
                     STATUS_OK); /* somebody's folder: nothing is left in it */
    assert_int_equal(store_open(&store, &options, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "no data directory"));
    struct buffer names;
    size_t count = 0;
    buffer_init(&names);
    assert_int_equal(directory_list(options.fs, "nowhere", &names, &count, &error), STATUS_OK);
    assert_int_equal(count, 0);
    buffer_release(&names);
    symbols_destroy(symbols);
}

/* Frames that only say what is known of rows are folded, too: a folder that is loaded again over an
 * old directory would else fill the log. */
static void changed_keys_alone_begin_a_fold(void **state) {
    struct simulated_disk *disk = new_disk(state);
    struct trial_store open;
    struct error error = {0};
    struct key_change changes[64];
    struct store_stats stats;
    uint64_t position;
    assert_int_equal(trial_open(&open, simulated_disk_interface(disk), "data", 50, false, &error),
                     STATUS_OK);
    for (uint32_t i = 0; i < 64; i++)
        changes[i] = (struct key_change){.key = {i + 1, i}, .content = i, .persona = {ID_NONE}};
    const struct store_frame frame = {.changes = changes, .change_count = 64};
    assert_int_equal(store_append(open.store, &frame, true, &position, &error), STATUS_OK);
    do {
        store_stats(open.store, &stats);
    } while (stats.key_file_count == 0);
    bool found;
    struct stored_key stored;
    assert_int_equal(store_key_find(open.store, (struct row_key){9, 8}, &stored, &found, &error),
                     STATUS_OK);
    assert_true(found && stored.content == 8 && stored.position == 0);
    trial_close(&open);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_second_writer_is_told_whom_to_stop, teardown),
        cmocka_unit_test_teardown(a_writer_without_a_number_is_not_process_0, teardown),
        cmocka_unit_test_teardown(damage_before_acknowledged_frames_is_reported, teardown),
        cmocka_unit_test_teardown(damage_to_the_last_frame_of_a_closed_log_is_reported, teardown),
        cmocka_unit_test_teardown(a_torn_tail_is_cut, teardown),
        cmocka_unit_test_teardown(a_newer_format_is_refused_with_what_to_do, teardown),
        cmocka_unit_test_teardown(a_full_disk_leaves_the_store_usable, teardown),
        cmocka_unit_test_teardown(a_walk_passes_full_blocks_in_which_nobody_moved, teardown),
        cmocka_unit_test_teardown(of_the_erased_no_byte_is_left, teardown),
        cmocka_unit_test_teardown(a_backup_opens_and_holds_the_same, teardown),
        cmocka_unit_test_teardown(no_directory_is_not_made_up, teardown),
        cmocka_unit_test_teardown(changed_keys_alone_begin_a_fold, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
