/* SPDX-License-Identifier: Apache-2.0 */
/* What an opening clears away: files that no manifest names and half-written ones. Everything that
 * counts stays, and so do files that the store does not know. */
#include "support/simulated_disk.h"
#include "support/store_trial.h"
#include "support/unit.h"

static struct simulated_disk *disk;
static struct file_system *fs;
static const struct trial trial = {.seed = 9, .persona_count = 8, .events_max = 20};

static int setup(void **state) {
    (void)state;
    disk = simulated_disk_create(9, 0);
    fs = simulated_disk_interface(disk);
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

static void put_file(const char *path) {
    struct file *file;
    assert_int_equal(file_open(fs, path, FILE_CREATE_NEW, &file, NULL), STATUS_OK);
    assert_int_equal(file_write(file, "stray", 5, NULL), STATUS_OK);
    assert_int_equal(file_sync(file, NULL), STATUS_OK);
    file_close(file);
}

static bool is_there(const char *path) {
    struct file *file = NULL;
    enum status status = file_open(fs, path, FILE_READ, &file, NULL);
    file_close(file);
    return status == STATUS_OK;
}

/* The names of a folder's files, one after the other. */
static void list_files(const char *folder, struct buffer *names) {
    size_t count = 0;
    buffer_clear(names);
    assert_int_equal(directory_list(fs, folder, names, &count, NULL), STATUS_OK);
}

static const char *const folders[] = {"data/runs", "data/links", "data/quarantine", "data/keys",
                                      "data/log"};
#define FOLDERS (sizeof folders / sizeof *folders)

static void strays_go_and_everything_else_stays(void **state) {
    (void)state;
    static const char *const strays[] = {
        "data/runs/900000.run",        "data/links/900001.links",
        "data/quarantine/900002.rows", "data/keys/900003.keys",
        "data/keys/900004.superseded", "data/runs/000001.run.tmp",
        "data/links/anything.tmp",     "data/log/00000000000000000900.log.tmp",
    };
    static const char *const others[] = {"data/runs/readme.txt", "data/keys/9x.keys",
                                         "data/links/900001.run"};
    struct trial_store open;
    struct error error;
    struct buffer before[FOLDERS], after;
    open_store(&open);
    for (uint64_t i = 0; i < 60; i++)
        assert_int_equal(trial_do(&trial, &open, i, &error), STATUS_OK);
    trial_close(&open);
    for (size_t f = 0; f < FOLDERS; f++) {
        buffer_init(&before[f]);
        list_files(folders[f], &before[f]);
    }
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++) put_file(strays[i]);
    open_store(&open);
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++)
        if (is_there(strays[i])) fail_msg("%s is still there", strays[i]);
    struct trial_model *model = trial_model_create(&trial, 60);
    char why[512];
    if (!trial_matches(&trial, &open, model, why)) fail_msg("%s", why);
    trial_model_destroy(model);
    trial_close(&open);
    buffer_init(&after);
    for (size_t f = 0; f < FOLDERS; f++) { /* not one file more or less than before */
        list_files(folders[f], &after);
        assert_int_equal(after.length, before[f].length);
        assert_memory_equal(after.at, before[f].at, after.length);
        buffer_release(&before[f]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) put_file(others[i]);
    open_store(&open);
    trial_close(&open);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!is_there(others[i])) fail_msg("%s is gone", others[i]);
    buffer_release(&after);
}

/* Somebody who only reads clears nothing away: another process may be writing these files. */
static void a_reader_clears_nothing_away(void **state) {
    (void)state;
    struct trial_store open;
    struct symbols *symbols;
    struct store *store;
    struct error error = {0};
    open_store(&open);
    trial_close(&open);
    put_file("data/runs/900000.run");
    assert_int_equal(symbols_create(&symbols), STATUS_OK);
    const struct store_options options = {
        .fs = fs, .directory = "data", .read_only = true, .symbols = symbols};
    assert_int_equal(store_open(&store, &options, &error), STATUS_OK);
    store_close(store);
    assert_true(is_there("data/runs/900000.run"));
    symbols_destroy(symbols);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(strays_go_and_everything_else_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_clears_nothing_away, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
