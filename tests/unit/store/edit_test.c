/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of the data directory: one that ends early leaves no file and no number that is used again;
 * a committed one counts, and its old files go; a failed one leaves a directory that opens. */
#include "support/simulated_disk.h"
#include "support/store_trial.h"
#include "support/unit.h"

#include "store/edit.h"

static struct simulated_disk *disk;
static struct file_system *fs;
static struct trial_store open;

static void open_store(void) {
    struct error error = {0};
    enum status status = trial_open(&open, fs, "data", 0, true, &error);
    if (status) fail_msg("%s", error.text);
    store_role_take(open.store);
}

static void close_store(void) {
    store_role_give(open.store);
    trial_close(&open);
}

static int setup(void **state) {
    (void)state;
    disk = simulated_disk_create(5, 0);
    fs = simulated_disk_interface(disk);
    open_store();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    close_store();
    simulated_disk_destroy(disk);
    return 0;
}

static bool is_there(const char *path) {
    struct file *file = NULL;
    enum status status = file_open(fs, path, FILE_READ, &file, NULL);
    file_close(file);
    return status == STATUS_OK;
}

static struct edit *begin(void) {
    struct edit *edit;
    assert_int_equal(edit_begin(&edit, open.store, NULL), STATUS_OK);
    return edit;
}

/* Supersedes rows [first, first + count) of persona 1; returns the number of their file. */
static enum status supersede(struct edit *edit, uint64_t first, uint64_t count) {
    struct superseded_row rows[10];
    for (uint64_t i = 0; i < count; i++)
        rows[i] = (struct superseded_row){.persona = 1, .position = first + i, .by = 99};
    return edit_supersede(edit, rows, count, NULL);
}

static void path_of(char path[64], uint64_t number) {
    snprintf(path, 64, "data/keys/%06u.superseded", (unsigned)number);
}

static void an_edit_that_ends_early_leaves_nothing(void **state) {
    (void)state;
    char path[64];
    struct edit *edit = begin();
    assert_int_equal(supersede(edit, 10, 3), STATUS_OK);
    uint64_t number = edit->next.superseded.number;
    path_of(path, number);
    assert_true(is_there(path));
    edit_end(edit);
    assert_false(is_there(path));
    assert_null(open.store->superseded);

    edit = begin();
    assert_true(edit_number(edit) > number); /* a number is never used twice */
    edit_end(edit);
    close_store();
    open_store();
    assert_int_equal(open.store->manifest.superseded.number, 0);
}

static void a_committed_edit_counts_and_its_old_files_go(void **state) {
    (void)state;
    char before[64], after[64];
    struct edit *edit = begin();
    assert_int_equal(supersede(edit, 10, 3), STATUS_OK);
    path_of(before, edit->next.superseded.number);
    assert_int_equal(edit_commit(edit, false, NULL), STATUS_OK);
    edit_end(edit);
    assert_true(is_there(before));
    assert_int_equal(open.store->superseded->count, 3);

    edit = begin();
    assert_int_equal(supersede(edit, 20, 5), STATUS_OK);
    path_of(after, edit->next.superseded.number);
    assert_true(is_there(before)); /* until the new one counts */
    assert_int_equal(edit_commit(edit, false, NULL), STATUS_OK);
    edit_end(edit);
    assert_false(is_there(before));
    assert_true(is_there(after));
    close_store();
    open_store();
    assert_int_equal(open.store->superseded->count, 5);

    edit = begin();
    assert_int_equal(supersede(edit, 0, 0), STATUS_OK); /* none is superseded any more */
    assert_int_equal(edit_commit(edit, false, NULL), STATUS_OK);
    edit_end(edit);
    assert_false(is_there(after));
    assert_null(open.store->superseded);
}

/* A reader that pinned the version of before goes on reading its files. */
static void a_pinned_version_outlives_the_edit(void **state) {
    (void)state;
    struct version *pinned;
    struct edit *edit = begin();
    assert_int_equal(supersede(edit, 10, 3), STATUS_OK);
    assert_int_equal(edit_commit(edit, false, NULL), STATUS_OK);
    edit_end(edit);
    assert_int_equal(versions_pin(&open.store->versions, &pinned, NULL), STATUS_OK);
    edit = begin();
    assert_int_equal(supersede(edit, 0, 0), STATUS_OK);
    assert_int_equal(edit_commit(edit, false, NULL), STATUS_OK);
    edit_end(edit);
    uint32_t count;
    assert_int_equal(superseded_of(pinned->superseded, 1, &count)->position, 10);
    assert_int_equal(count, 3);
    versions_unpin(&open.store->versions, pinned);
}

/* Each call to the disk fails in turn. Whatever the edit has come to, the directory opens with the
 * old rows or the new ones, and checks clean. */
static void a_failed_edit_leaves_the_old_or_the_new(void **state) {
    (void)state;
    enum status status = STATUS_IO;
    uint32_t kept = 0, failed = 0;
    for (uint64_t nth = 1; status != STATUS_OK; nth++) {
        struct error error = {0};
        teardown(NULL);
        setup(NULL);
        struct edit *edit = begin();
        assert_int_equal(supersede(edit, 10, 3), STATUS_OK);
        assert_int_equal(edit_commit(edit, false, NULL), STATUS_OK);
        edit_end(edit);
        edit = begin();
        simulated_disk_fail_at(disk, nth, false);
        status = supersede(edit, 20, 5);
        if (status == STATUS_OK) status = edit_commit(edit, false, NULL);
        edit_end(edit);
        simulated_disk_fail_at(disk, 0, false);
        assert_int_equal(open.store->superseded->count, status == STATUS_OK ? 5 : 3);
        close_store();
        enum status sound = store_check(fs, "data", NULL, NULL, &error);
        if (sound) fail_msg("call %u: %s", (unsigned)nth, error.text);
        open_store();
        uint64_t count = open.store->superseded->count;
        assert_true(count == 3 || count == 5);
        failed += status != STATUS_OK;
        kept += count == 3;
    }
    assert_true(failed > 5 && kept > 3); /* the loop has visited the calls of a commit */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_edit_that_ends_early_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_committed_edit_counts_and_its_old_files_go, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pinned_version_outlives_the_edit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_edit_leaves_the_old_or_the_new, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
