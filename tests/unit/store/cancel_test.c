/* SPDX-License-Identifier: Apache-2.0 */
/* A fold, a merge or a rebuild that is cancelled at any call to the disk leaves everything that was
 * there, whole, and no file of its own. */
#include "support/unit.h"

#include "base/work.h"
#include "support/simulated_disk.h"
#include "support/store_trial.h"

#define OPERATIONS 24u
#define CALLS_MAX  4000u

/* A file system that cancels the work at its n-th call; files are the disk's own. */
struct canceller {
    struct file_system fs, *disk;
    struct file_system_ops ops;
    struct work *work; /* NULL: not armed */
    uint64_t left;
    bool met;
};
static struct canceller canceller;

static struct file_system *count_call(void) {
    if (canceller.work != NULL && canceller.left > 0 && --canceller.left == 0) {
        work_cancel(canceller.work);
        canceller.met = true;
    }
    return canceller.disk;
}

static enum status open_counted(struct file_system *fs, const char *path, enum file_mode mode,
                                struct file **out, struct error *error) {
    (void)fs;
    struct file_system *disk = count_call();
    return disk->ops->open(disk, path, mode, out, error);
}
static enum status map_counted(struct file_system *fs, const char *path, struct file_mapping *out,
                               struct error *error) {
    (void)fs;
    struct file_system *disk = count_call();
    return disk->ops->map(disk, path, out, error);
}
static void unmap_passed(struct file_system *fs, struct file_mapping *mapping) {
    (void)fs;
    canceller.disk->ops->unmap(canceller.disk, mapping);
}
static enum status rename_counted(struct file_system *fs, const char *from, const char *to,
                                  struct error *error) {
    (void)fs;
    struct file_system *disk = count_call();
    return disk->ops->rename(disk, from, to, error);
}
static enum status remove_counted(struct file_system *fs, const char *path, struct error *error) {
    (void)fs;
    struct file_system *disk = count_call();
    return disk->ops->remove(disk, path, error);
}
static enum status make_directory_counted(struct file_system *fs, const char *path,
                                          struct error *error) {
    (void)fs;
    struct file_system *disk = count_call();
    return disk->ops->make_directory(disk, path, error);
}
static enum status sync_directory_counted(struct file_system *fs, const char *path,
                                          struct error *error) {
    (void)fs;
    struct file_system *disk = count_call();
    return disk->ops->sync_directory(disk, path, error);
}
static enum status list_passed(struct file_system *fs, const char *path, struct buffer *names,
                               size_t *count, struct error *error) {
    (void)fs;
    return canceller.disk->ops->list(canceller.disk, path, names, count, error);
}
static enum status free_bytes_passed(struct file_system *fs, const char *path, uint64_t *bytes,
                                     struct error *error) {
    (void)fs;
    return canceller.disk->ops->free_bytes(canceller.disk, path, bytes, error);
}
static enum status link_passed(struct file_system *fs, const char *from, const char *to,
                               struct error *error) {
    (void)fs;
    return canceller.disk->ops->link(canceller.disk, from, to, error);
}

static struct file_system *put_between(struct simulated_disk *disk) {
    canceller = (struct canceller){.disk = simulated_disk_interface(disk)};
    canceller.ops = *canceller.disk->ops;
    canceller.ops.open = open_counted;
    canceller.ops.map = map_counted;
    canceller.ops.unmap = unmap_passed;
    canceller.ops.rename = rename_counted;
    canceller.ops.remove = remove_counted;
    canceller.ops.make_directory = make_directory_counted;
    canceller.ops.sync_directory = sync_directory_counted;
    canceller.ops.list = list_passed;
    canceller.ops.free_bytes = free_bytes_passed;
    canceller.ops.link = link_passed;
    canceller.fs = (struct file_system){.ops = &canceller.ops, .self = canceller.disk->self};
    return &canceller.fs;
}

/* All files but those of the log: a fold begins a new one of those, and drops some. */
static void list_files(struct buffer *out) {
    static const char *const folders[] = {"data/runs", "data/keys", "data/links",
                                          "data/quarantine"};
    buffer_init(out);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t count;
        assert_int_equal(buffer_append(out, folders[i], strlen(folders[i]) + 1), STATUS_OK);
        assert_int_equal(canceller.disk->ops->list(canceller.disk, folders[i], out, &count, NULL),
                         STATUS_OK);
    }
    assert_int_equal(file_read_all(canceller.disk, "data/MANIFEST", 1u << 20, out, NULL),
                     STATUS_OK);
}

static void assert_whole(const struct trial *trial, struct trial_store *open) {
    char why[512];
    struct error error = {0};
    trial_close(open);
    if (store_check(canceller.disk, "data", NULL, NULL, &error) != STATUS_OK)
        fail_msg("fsck: %s", error.text);
    assert_int_equal(trial_open(open, canceller.disk, "data", 1000000, true, &error), STATUS_OK);
    if (trial_find(trial, open, OPERATIONS, OPERATIONS, why) == UINT64_MAX) fail_msg("%s", why);
}

/* One whose last operations are appends, so that there is something to fold. */
static struct trial trial_to_fold(void) {
    struct trial trial = {.seed = 1, .persona_count = 40, .events_max = 60};
    while (trial_kind(&trial, OPERATIONS - 1) != TRIAL_APPEND ||
           trial_kind(&trial, OPERATIONS - 2) != TRIAL_APPEND ||
           trial_kind(&trial, OPERATIONS - 5) != TRIAL_FOLD)
        trial.seed++;
    return trial;
}

enum action { FOLD, MERGE, REBUILD, ACTION_COUNT };

static enum status act(struct store *store, enum action action, struct error *error) {
    return action == REBUILD ? store_rebuild(store, error)
                             : store_fold(store, action == MERGE, error);
}

/* False where there is no n-th call any more. */
static bool cancel_at(enum action action, uint64_t nth, uint64_t *cancelled) {
    const struct trial trial = trial_to_fold();
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = put_between(disk);
    struct trial_store open = {0};
    struct error error = {0};
    struct work work = {0};
    struct buffer before, after;
    assert_int_equal(trial_open(&open, fs, "data", 1000000, true, &error), STATUS_OK);
    for (uint64_t i = 0; i < OPERATIONS; i++)
        assert_int_equal(trial_do(&trial, &open, i, &error), STATUS_OK);
    list_files(&before);
    store_watch(open.store, &work);
    canceller.work = &work;
    canceller.left = nth;
    enum status status = act(open.store, action, &error);
    canceller.work = NULL;
    store_watch(open.store, NULL);
    list_files(&after);
    assert_true(status == STATUS_OK || status == STATUS_CANCELLED);
    if (status == STATUS_CANCELLED && action == FOLD)
        assert_true(text_equal(buffer_text(&before), buffer_text(&after)));
    *cancelled += status == STATUS_CANCELLED;
    assert_whole(&trial, &open);
    assert_int_equal(act(open.store, action, &error), STATUS_OK); /* and it can be done again */
    assert_whole(&trial, &open);
    trial_close(&open);
    buffer_release(&before);
    buffer_release(&after);
    simulated_disk_destroy(disk);
    return canceller.met;
}

static void nothing_is_left_of_what_was_cancelled(void **state) {
    (void)state;
    for (enum action action = FOLD; action < ACTION_COUNT; action++) {
        uint64_t cancelled = 0, nth = 1;
        while (nth < CALLS_MAX && cancel_at(action, nth, &cancelled)) nth++;
        print_message("action %d: %llu of %llu calls cancelled it\n", (int)action,
                      (unsigned long long)cancelled, (unsigned long long)nth - 1);
        assert_true(nth < CALLS_MAX && cancelled >= 2);
    }
}

static void a_cancelled_work_begins_nothing(void **state) {
    (void)state;
    const struct trial trial = trial_to_fold();
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = put_between(disk);
    struct trial_store open = {0};
    struct error error = {0};
    struct work work = {0};
    assert_int_equal(trial_open(&open, fs, "data", 1000000, true, &error), STATUS_OK);
    for (uint64_t i = 0; i < OPERATIONS; i++)
        assert_int_equal(trial_do(&trial, &open, i, &error), STATUS_OK);
    work_cancel(&work);
    store_watch(open.store, &work);
    uint64_t calls = simulated_disk_calls(disk);
    assert_int_equal(store_fold(open.store, true, &error), STATUS_CANCELLED);
    assert_int_equal(simulated_disk_calls(disk), calls);
    store_watch(open.store, NULL);
    assert_whole(&trial, &open);
    trial_close(&open);
    simulated_disk_destroy(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_of_what_was_cancelled),
        cmocka_unit_test(a_cancelled_work_begins_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
