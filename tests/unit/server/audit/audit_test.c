/* SPDX-License-Identifier: Apache-2.0 */
#include "server/audit/audit.h"

#include "support/simulated_disk.h"
#include "support/unit.h"

#define NOW INT64_C(1700000000000)

struct bench {
    struct simulated_disk *disk;
    struct file_system *fs;
    struct audit *audit;
};

static struct bench begin(void) {
    struct bench bench = {.disk = simulated_disk_create(1, 0)};
    struct error error = {0};
    bench.fs = simulated_disk_interface(bench.disk);
    assert_int_equal(directory_make(bench.fs, "data", &error), STATUS_OK);
    assert_int_equal(directory_sync(bench.fs, ".", &error), STATUS_OK);
    assert_int_equal(audit_open(&bench.audit, bench.fs, "data", &error), STATUS_OK);
    return bench;
}

static void end(struct bench *bench) {
    audit_close(bench->audit, NOW);
    simulated_disk_destroy(bench->disk);
}

static void tick(struct bench *bench, int64_t now_ms) {
    struct error error = {0};
    assert_int_equal(audit_tick(bench->audit, now_ms, &error), STATUS_OK);
}

static void note(struct bench *bench, const char *key, const char *did, uint32_t customer,
                 unsigned code, bool sums, int64_t at_ms) {
    struct audit_entry entry = {.at_ms = at_ms, .customer = {customer}, .code = code};
    snprintf(entry.key, sizeof entry.key, "%s", key);
    snprintf(entry.did, sizeof entry.did, "%s", did);
    audit_note(bench->audit, &entry, sums);
}

struct seen {
    struct audit_entry entries[64];
    uint64_t count, unreadable, stop_at;
};

static bool see(void *context, const struct audit_entry *entry) {
    struct seen *seen = context;
    if (seen->count < 64) seen->entries[seen->count] = *entry;
    return ++seen->count != seen->stop_at;
}

static void read_all(struct bench *bench, struct seen *seen) {
    struct error error = {0};
    *seen = (struct seen){.stop_at = seen->stop_at};
    assert_int_equal(audit_read(bench->fs, "data", see, seen, &seen->unreadable, &error),
                     STATUS_OK);
}

static void test_what_is_noted_is_read(void **state) {
    (void)state;
    struct bench bench = begin();
    struct seen seen = {.count = 0};
    struct error error = {0};
    read_all(&bench, &seen);
    assert_int_equal(seen.count, 0);
    note(&bench, "k3", "GET /v1/customers/{id}", 12, 200, false, NOW);
    note(&bench, "", "GET /v1/customers/{id}", ID_NONE, 401, true, NOW);
    note(&bench, "", "GET /v1/customers/{id}", ID_NONE, 401, true, NOW + 5);
    note(&bench, "k1", "POST /v1/batch", ID_NONE, 200, true, NOW + 5);
    tick(&bench, NOW + 1000);
    read_all(&bench, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.entries[0].at_ms, NOW);
    assert_string_equal(seen.entries[0].key, "k3");
    assert_string_equal(seen.entries[0].did, "GET /v1/customers/{id}");
    assert_int_equal(seen.entries[0].customer.value, 12);
    assert_int_equal(seen.entries[0].code, 200);
    assert_int_equal(seen.entries[0].count, 1);
    /* Sums come once a minute. */
    tick(&bench, NOW + AUDIT_SUM_MS - 1);
    read_all(&bench, &seen);
    assert_int_equal(seen.count, 1);
    tick(&bench, NOW + AUDIT_SUM_MS);
    tick(&bench, NOW + 3 * AUDIT_SUM_MS);
    read_all(&bench, &seen);
    assert_int_equal(seen.count, 3);
    uint64_t refused = 0, sent = 0;
    for (int i = 1; i < 3; i++) {
        refused += seen.entries[i].code == 401 ? seen.entries[i].count : 0;
        sent += strcmp(seen.entries[i].key, "k1") == 0 ? seen.entries[i].count : 0;
        assert_int_equal(seen.entries[i].customer.value, ID_NONE);
    }
    assert_int_equal(refused, 2);
    assert_int_equal(sent, 1);
    /* A command beside the server, which goes on in the same file. */
    struct audit_entry entry = {
        .at_ms = NOW, .key = "cli", .did = "key add k9", .customer = {ID_NONE}};
    assert_int_equal(audit_append(bench.fs, "data", &entry, &error), STATUS_OK);
    note(&bench, "k3", "GET /v1/customers/{id}", 0, 200, false, NOW);
    tick(&bench, NOW);
    read_all(&bench, &seen);
    assert_int_equal(seen.count, 5);
    assert_string_equal(seen.entries[3].did, "key add k9");
    assert_int_equal(seen.entries[4].customer.value, 0);
    seen.stop_at = 2;
    read_all(&bench, &seen);
    assert_int_equal(seen.count, 2);
    end(&bench);
}

static void test_sums_are_written_at_the_end(void **state) {
    (void)state;
    struct bench bench = begin();
    struct seen seen = {.count = 0};
    for (int i = 0; i < 1000; i++) note(&bench, "k1", "POST /v1/batch", ID_NONE, 200, true, NOW);
    audit_close(bench.audit, NOW + 1);
    bench.audit = NULL;
    read_all(&bench, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.entries[0].count, 1000);
    end(&bench);
}

static void test_what_does_not_fit_is_counted(void **state) {
    (void)state;
    struct bench bench = begin();
    struct seen *seen = calloc(1, sizeof *seen);
    for (uint32_t i = 0; i < AUDIT_WAITING_MAX + 7; i++)
        note(&bench, "k3", "GET /v1/customers/{id}", i, 200, false, NOW);
    tick(&bench, NOW);
    read_all(&bench, seen);
    assert_int_equal(seen->count, AUDIT_WAITING_MAX + 1);
    note(&bench, "k3", "GET /v1/customers/{id}", 1, 200, false, NOW);
    tick(&bench, NOW);
    /* Many routes, keys and codes: the table of sums is half full, and no fuller. */
    char did[32];
    for (uint32_t i = 0; i < AUDIT_SUMS_MAX; i++) {
        snprintf(did, sizeof did, "GET /%u", i);
        note(&bench, "", did, ID_NONE, 404, true, NOW);
        note(&bench, "", "GET /0", ID_NONE, 404, true, NOW);
    }
    tick(&bench, NOW + AUDIT_SUM_MS);
    read_all(&bench, seen);
    assert_int_equal(seen->count, AUDIT_WAITING_MAX + 2 + AUDIT_SUMS_MAX / 2 + 1);
    free(seen);
    end(&bench);
}

static uint64_t sum_of_lost(struct bench *bench) {
    struct seen *seen = calloc(1, sizeof *seen);
    uint64_t lost = 0;
    read_all(bench, seen);
    for (uint64_t i = 0; i < seen->count && i < 64; i++)
        lost += strcmp(seen->entries[i].did, "lost") == 0 ? seen->entries[i].count : 0;
    free(seen);
    return lost;
}

static void test_the_oldest_file_goes(void **state) {
    (void)state;
    struct bench bench = begin();
    struct buffer names;
    struct error error = {0};
    size_t count;
    buffer_init(&names);
    for (uint32_t file = 0; file < AUDIT_FILES_MAX + 3; file++) {
        for (uint64_t bytes = 0; bytes < AUDIT_FILE_BYTES;
             bytes += (uint64_t)AUDIT_WAITING_MAX * 90) {
            for (uint32_t i = 0; i < AUDIT_WAITING_MAX; i++)
                note(&bench, "k3", "GET /v1/customers/{id}/timeline", file, 200, false, NOW);
            tick(&bench, NOW);
        }
    }
    assert_int_equal(directory_list(bench.fs, "data/audit", &names, &count, &error), STATUS_OK);
    assert_int_equal(count, AUDIT_FILES_MAX);
    assert_string_not_equal(names.at, "00000001.ndjson");
    assert_int_equal(sum_of_lost(&bench), 0);
    buffer_release(&names);
    end(&bench);
}

static void test_a_torn_line_is_left_out(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth < 12; nth++) {
        struct bench bench = begin();
        struct seen seen = {.count = 0};
        struct error error;
        note(&bench, "k3", "GET /v1/customers/{id}", 12, 200, false, NOW);
        tick(&bench, NOW);
        simulated_disk_cut_at(bench.disk, nth);
        for (int i = 0; i < 4; i++) {
            note(&bench, "k3", "GET /v1/customers/{id}", 13, 200, false, NOW);
            (void)!audit_tick(bench.audit, NOW, &error);
        }
        audit_close(bench.audit, NOW);
        bench.audit = NULL;
        simulated_disk_cut_at(bench.disk, 0);
        simulated_disk_restart(bench.disk);
        read_all(&bench, &seen);
        assert_in_range(seen.count, 1, 5);
        assert_int_equal(seen.entries[0].customer.value, 12);
        /* It goes on behind the torn line. */
        struct audit_entry entry = {
            .at_ms = NOW, .key = "cli", .did = "key add k9", .customer = {ID_NONE}};
        assert_int_equal(audit_append(bench.fs, "data", &entry, &error), STATUS_OK);
        assert_int_equal(audit_append(bench.fs, "data", &entry, &error), STATUS_OK);
        uint64_t before = seen.count;
        read_all(&bench, &seen);
        assert_true(seen.count >= before + 1);
        end(&bench);
    }
}

static void test_what_can_not_be_written_waits(void **state) {
    (void)state;
    struct bench bench = begin();
    struct seen seen = {.count = 0};
    struct error error = {0};
    note(&bench, "k3", "GET /v1/customers/{id}", 12, 200, false, NOW);
    simulated_disk_fail_at(bench.disk, 1, true);
    assert_int_equal(audit_tick(bench.audit, NOW, &error), STATUS_DISK_FULL);
    simulated_disk_fail_at(bench.disk, 0, false);
    tick(&bench, NOW);
    read_all(&bench, &seen);
    assert_int_equal(seen.count, 1);
    end(&bench);
}

static enum status one_entry(void) {
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    struct error error = {0};
    struct audit_entry entry = {
        .at_ms = NOW, .key = "cli", .did = "key add k9", .customer = {ID_NONE}};
    struct seen seen = {.count = 0};
    assert_int_equal(directory_make(fs, "data", &error), STATUS_OK);
    enum status status = audit_append(fs, "data", &entry, &error);
    if (status == STATUS_OK) status = audit_read(fs, "data", see, &seen, &seen.unreadable, &error);
    if (status == STATUS_OK) assert_int_equal(seen.count, 1);
    simulated_disk_destroy(disk);
    return status;
}

static void test_memory_runs_out(void **state) {
    (void)state;
    fail_every_allocation(one_entry, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_noted_is_read),
        cmocka_unit_test(test_sums_are_written_at_the_end),
        cmocka_unit_test(test_what_does_not_fit_is_counted),
        cmocka_unit_test(test_the_oldest_file_goes),
        cmocka_unit_test(test_a_torn_line_is_left_out),
        cmocka_unit_test(test_what_can_not_be_written_waits),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
