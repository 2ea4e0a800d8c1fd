/* SPDX-License-Identifier: Apache-2.0 */
/* Fails every allocation, and every call to the disk, in turn through appends, folds, merges,
 * erasures and reopenings: each gives an error or success, never a crash, and what was acknowledged
 * is there afterwards, exactly once. Usage: store_fault_test [SEED]. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/log_line.h"
#include "base/memory.h"
#include "support/simulated_disk.h"
#include "support/store_trial.h"

#define OPERATIONS   36u
#define REOPEN_EVERY 12u

enum fault { FAULT_MEMORY, FAULT_DISK, FAULT_DISK_FULL, FAULT_COUNT };
static const char *const fault_names[FAULT_COUNT] = {"allocation", "disk call", "disk call (full)"};

static void arm(struct simulated_disk *disk, enum fault fault, uint64_t nth) {
    if (fault == FAULT_MEMORY)
        memory_fail_at(nth);
    else
        simulated_disk_fail_at(disk, nth, fault == FAULT_DISK_FULL);
}

/* Operations until one fails; returns how many succeeded. */
static uint64_t work(const struct trial *trial, struct file_system *fs, struct error *error) {
    struct trial_store open = {0};
    uint64_t done = 0;
    enum status status = trial_open(&open, fs, "data", 400, true, error);
    while (status == STATUS_OK && done < OPERATIONS) {
        status = trial_do(trial, &open, done, error);
        if (status) break;
        done++;
        if (done % REOPEN_EVERY) continue;
        trial_close(&open);
        status = trial_open(&open, fs, "data", 400, true, error);
    }
    trial_close(&open);
    return done;
}

static bool verify(const struct trial *trial, struct file_system *fs, uint64_t done,
                   char why[512]) {
    struct trial_store open;
    struct error error = {0};
    if (trial_open(&open, fs, "data", 400, true, &error)) {
        snprintf(why, 512, "opening: %.400s", error.text);
        return false;
    }
    bool good = trial_find(trial, &open, done, done + 1, why) != UINT64_MAX;
    trial_close(&open);
    if (!good || store_check(fs, "data", NULL, NULL, &error) == STATUS_OK) return good;
    snprintf(why, 512, "fsck: %.400s", error.text);
    return false;
}

/* *reached: the fault was met, so there is a next one to try. */
static bool run_once(const struct trial *trial, enum fault fault, uint64_t nth, bool *reached) {
    struct simulated_disk *disk = simulated_disk_create(nth, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    struct error error = {0};
    uint64_t before = memory_allocation_count();
    arm(disk, fault, nth);
    uint64_t done = work(trial, fs, &error);
    *reached = fault == FAULT_MEMORY ? memory_allocation_count() - before >= nth
                                     : simulated_disk_calls(disk) >= nth;
    arm(disk, fault, 0);
    char why[512] = "";
    bool good = (done == OPERATIONS || error.text[0] != 0) && verify(trial, fs, done, why);
    if (!good)
        printf("%s %" PRIu64 " failed after %" PRIu64 " operations (%s): %s\n", fault_names[fault],
               nth, done, error.text[0] ? error.text : "without a message", why);
    simulated_disk_destroy(disk);
    return good;
}

int main(int argc, char **argv) {
    const struct trial trial = {
        .seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 11, .persona_count = 6, .events_max = 12};
    uint64_t failed = 0;
    log_line_level(LOG_ERROR);
    for (int fault = 0; fault < FAULT_COUNT; fault++) {
        bool reached = true;
        uint64_t nth = 1;
        for (; reached; nth++) failed += !run_once(&trial, (enum fault)fault, nth, &reached);
        printf("%s: %" PRIu64 " failed in turn\n", fault_names[fault], nth - 2);
    }
    printf("%" PRIu64 " lies\n", failed);
    return failed ? 1 : 0;
}
