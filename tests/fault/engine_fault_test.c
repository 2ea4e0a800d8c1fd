/* SPDX-License-Identifier: Apache-2.0 */
/* Fails every call to the disk, and every allocation, in turn while several producers send batches
 * that are joined into groups: each producer gets a status, what was acknowledged is there
 * afterwards, and no batch is there in half. Then the same producers go on. Usage:
 * engine_fault_test [STEP]. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log_line.h"
#include "base/memory.h"
#include "support/producers.h"
#include "support/simulated_disk.h"

#define BATCHES 6u

enum fault { FAULT_MEMORY, FAULT_DISK, FAULT_DISK_FULL, FAULT_COUNT };
static const char *const fault_names[FAULT_COUNT] = {"allocation", "disk call", "disk call (full)"};

static void arm(struct simulated_disk *disk, enum fault fault, uint64_t nth) {
    if (fault == FAULT_MEMORY)
        memory_fail_at(nth);
    else
        simulated_disk_fail_at(disk, nth, fault == FAULT_DISK_FULL);
}

static bool open_engine(struct producers *producers, struct simulated_disk *disk,
                        const char *playbook, char why[256]) {
    struct error error = {0};
    const struct engine_options options = {.directory = "data",
                                           .create = playbook != NULL,
                                           .fs = simulated_disk_interface(disk),
                                           .playbook_file = playbook,
                                           .fold_by_hand = true};
    if (engine_open(&producers->engine, &options, &error) == STATUS_OK) return true;
    snprintf(why, 256, "opening: %.200s", error.text);
    return false;
}

/* *reached: the fault was met, so there is a next one to try. */
static bool run_once(const char *playbook, enum fault fault, uint64_t nth, bool *reached) {
    struct simulated_disk *disk = simulated_disk_create(nth, 0);
    struct producers producers = {.count = 4, .most = BATCHES};
    char why[256] = "";
    bool good = open_engine(&producers, disk, playbook, why);
    uint64_t allocations = memory_allocation_count(), calls = simulated_disk_calls(disk);
    if (good) {
        arm(disk, fault, nth);
        producers_run(&producers);
        *reached = fault == FAULT_MEMORY ? memory_allocation_count() - allocations >= nth
                                         : simulated_disk_calls(disk) - calls >= nth;
        arm(disk, fault, 0);
        engine_close(producers.engine);
        producers.engine = NULL;
        good = open_engine(&producers, disk, NULL, why) && producers_verify(&producers, why);
    }
    if (good) { /* whoever was refused sends the same again */
        producers_run(&producers);
        good = producers_verify(&producers, why);
        for (uint32_t i = 0; good && i < producers.count; i++) {
            good = producers.next[i] == BATCHES;
            if (!good) snprintf(why, sizeof why, "producer %u did not go on", i);
        }
    }
    engine_close(producers.engine);
    simulated_disk_destroy(disk);
    if (!good) printf("%s %" PRIu64 ": %s\n", fault_names[fault], nth, why);
    return good;
}

int main(int argc, char **argv) {
    uint64_t step = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, lies = 0;
    char file[] = "/tmp/attune-fault-XXXXXX";
    int descriptor = mkstemp(file);
    FILE *out = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (out == NULL || fputs(producers_playbook, out) < 0 || fclose(out) != 0) return 1;
    log_line_level(LOG_ERROR);
    for (int fault = 0; fault < FAULT_COUNT; fault++) {
        uint64_t nth = 1, met = 0;
        for (bool reached = true; reached && nth < 2000; nth += step) {
            reached = false;
            lies += !run_once(file, (enum fault)fault, nth, &reached);
            met += reached;
        }
        printf("%s: %" PRIu64 " failed in turn\n", fault_names[fault], met);
        lies += met == 0;
    }
    unlink(file);
    printf("%" PRIu64 " lies\n", lies);
    return lies > 0;
}
