/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint of a store: it is used, made anew where it can't be used, and gone with what an
 * erasure takes. That nothing is lost around it is shown by the store's trials and campaigns. */
#include "support/simulated_disk.h"
#include "support/store_trial.h"
#include "support/unit.h"

#include "base/log_line.h"
#include "store/checkpoint.h"

static const struct trial trial = {.seed = 5, .persona_count = 8, .events_max = 20};
static struct simulated_disk *disk;
static struct file_system *fs;
static uint64_t operations;

static int setup(void **state) {
    (void)state;
    disk = simulated_disk_create(1, 0);
    fs = simulated_disk_interface(disk);
    operations = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    simulated_disk_destroy(disk);
    return 0;
}

static void open_store(struct trial_store *open) {
    struct error error = {0};
    if (trial_open(open, fs, "data", 0, true, &error)) fail_msg("%s", error.text);
}

/* Operations until one of the kind is done. */
static void until(struct trial_store *open, enum trial_kind kind) {
    struct error error = {0};
    do {
        if (trial_do(&trial, open, operations, &error)) fail_msg("%s", error.text);
    } while (trial_kind(&trial, operations++) != kind);
}

static void check_all(struct trial_store *open) {
    char why[512] = "";
    struct trial_model *model = trial_model_create(&trial, operations);
    if (!trial_matches(&trial, open, model, why)) fail_msg("%s", why);
    trial_model_destroy(model);
}

static struct store_stats stats_of(struct trial_store *open) {
    struct store_stats stats;
    store_stats(open->store, &stats);
    return stats;
}

/* The one file in data/links that ends so. */
static bool find_checkpoint(char path[FILE_PATH_MAX]) {
    struct buffer names;
    size_t count;
    uint32_t found = 0;
    buffer_init(&names);
    assert_int_equal(directory_list(fs, "data/links", &names, &count, NULL), STATUS_OK);
    const char *name = names.at;
    for (size_t i = 0; i < count; i++, name += strlen(name) + 1) {
        if (!text_ends_with(text_from(name), TEXT(".checkpoint"))) continue;
        snprintf(path, FILE_PATH_MAX, "data/links/%s", name);
        found++;
    }
    buffer_release(&names);
    assert_true(found <= 1);
    return found == 1;
}

static void reopen(struct trial_store *open, uint32_t checkpoints) {
    trial_close(open);
    open_store(open);
    assert_int_equal(open->checkpoints, checkpoints);
    check_all(open);
}

static void an_opening_uses_the_last_one(void **state) {
    (void)state;
    struct trial_store open;
    char path[FILE_PATH_MAX];
    open_store(&open);
    until(&open, TRIAL_APPEND);
    assert_int_equal(stats_of(&open).checkpoint_bytes, 0);
    reopen(&open, 0);
    for (uint32_t i = 0; i < 20; i++) { /* more than the links files that are joined to one */
        until(&open, TRIAL_FOLD);
        until(&open, TRIAL_APPEND);
        struct store_stats stats = stats_of(&open);
        assert_in_range(stats.checkpoint_position, 1, stats.first_position);
        assert_true(find_checkpoint(path));
        reopen(&open, 1);
    }
    trial_close(&open);
}

static void check_made_anew(struct trial_store *open, const char *path) {
    char now[FILE_PATH_MAX];
    reopen(open, 0);
    until(open, TRIAL_FOLD);
    assert_true(find_checkpoint(now));
    assert_string_not_equal(now, path);
    reopen(open, 1);
}

static void one_that_cannot_be_used_is_made_anew(void **state) {
    (void)state;
    struct trial_store open;
    char path[FILE_PATH_MAX];
    open_store(&open);
    until(&open, TRIAL_FOLD);
    until(&open, TRIAL_APPEND);
    static const uint64_t offsets[] = {3, 9, 13, 17, 4096, 4200, 8192};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        assert_true(find_checkpoint(path));
        assert_true(simulated_disk_flip(disk, path, offsets[i], 2));
        check_made_anew(&open, path);
    }
    assert_true(find_checkpoint(path));
    assert_int_equal(file_remove(fs, path, NULL), STATUS_OK);
    check_made_anew(&open, path);
    trial_close(&open);
}

static void damage_is_found_and_rebuilt(void **state) {
    (void)state;
    struct trial_store open;
    struct error error = {0};
    char path[FILE_PATH_MAX];
    open_store(&open);
    until(&open, TRIAL_FOLD);
    assert_int_equal(store_check(fs, "data", NULL, NULL, &error), STATUS_OK);
    assert_true(find_checkpoint(path));
    assert_true(simulated_disk_flip(disk, path, 4100, 0));
    assert_int_equal(store_check(fs, "data", NULL, NULL, &error), STATUS_CORRUPT);
    assert_int_equal(store_rebuild(open.store, &error), STATUS_OK);
    assert_int_equal(store_check(fs, "data", NULL, NULL, &error), STATUS_OK);
    reopen(&open, 1);
    trial_close(&open);
}

static void an_erasure_leaves_nothing_in_it(void **state) {
    (void)state;
    struct trial_store open;
    struct error error = {0};
    char path[FILE_PATH_MAX], before[FILE_PATH_MAX] = "";
    open_store(&open);
    until(&open, TRIAL_FOLD);
    for (uint32_t i = 0; i < 5; i++) {
        until(&open, TRIAL_ERASE);
        assert_true(find_checkpoint(path));
        assert_string_not_equal(path, before);
        memcpy(before, path, sizeof path);
        /* It has what the records have after the erasure, and those say whom it took. */
        struct image image;
        assert_int_equal(image_open(&image, fs, path, &error), STATUS_OK);
        image_close(&image);
        reopen(&open, 1);
    }
    trial_close(&open);
}

static void a_failed_one_fails_nothing(void **state) {
    (void)state;
    struct trial_store open;
    struct error error = {0};
    open_store(&open);
    until(&open, TRIAL_APPEND);
    uint64_t before = simulated_disk_calls(disk);
    assert_int_equal(store_fold(open.store, false, &error), STATUS_OK);
    uint64_t calls = simulated_disk_calls(disk) - before, failed = 0;
    for (uint64_t n = 1; n <= calls; n++) {
        until(&open, TRIAL_APPEND);
        simulated_disk_fail_at(disk, n, false);
        enum status status = store_fold(open.store, false, &error);
        simulated_disk_fail_at(disk, 0, false);
        failed += status != STATUS_OK;
        struct store_stats stats = stats_of(&open);
        assert_true(status != STATUS_OK || stats.first_position == stats.position);
        reopen(&open, 1);
    }
    assert_true(failed < calls); /* those of the checkpoint failed, and the fold did not */
    trial_close(&open);
}

static void it_is_ignored_where_nobody_asks_for_it(void **state) {
    (void)state;
    struct trial_store open;
    struct symbols *symbols;
    struct store *store;
    struct error error = {0};
    static const struct column_set columns;
    char path[FILE_PATH_MAX], after[FILE_PATH_MAX];
    open_store(&open);
    until(&open, TRIAL_FOLD);
    assert_true(find_checkpoint(path));
    trial_close(&open);
    assert_int_equal(symbols_create(&symbols), STATUS_OK);
    const struct store_options options = {.fs = fs,
                                          .directory = "data",
                                          .symbols = symbols,
                                          .columns = &columns,
                                          .fold_by_hand = true};
    assert_int_equal(store_open(&store, &options, &error), STATUS_OK);
    store_close(store);
    symbols_destroy(symbols);
    assert_true(find_checkpoint(after));
    assert_string_equal(path, after);
    open_store(&open);
    assert_int_equal(open.checkpoints, 1);
    check_all(&open);
    trial_close(&open);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_opening_uses_the_last_one, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_cannot_be_used_is_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_found_and_rebuilt, setup, teardown),
        cmocka_unit_test_setup_teardown(an_erasure_leaves_nothing_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_one_fails_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_ignored_where_nobody_asks_for_it, setup, teardown),
    };
    log_line_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
