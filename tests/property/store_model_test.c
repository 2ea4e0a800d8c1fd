/* SPDX-License-Identifier: Apache-2.0 */
/* Random appends, folds, merges, erasures, dropped rows and reopenings against a naive model.
 * Usage: store_model_test [SEED [TRIALS]]; a failure prints the seed that repeats it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/random.h"
#include "support/simulated_disk.h"
#include "support/store_trial.h"

static void print_finding(void *context, const char *path, const char *finding) {
    (void)context;
    printf("  %s: %s\n", path, finding);
}

static bool compare(const struct trial *trial, struct trial_store *open, uint64_t operations) {
    char why[512] = "";
    struct trial_model *model = trial_model_create(trial, operations);
    /* What a reopened store was handed is all records; the one that appended them was handed none
     * of its own. */
    bool same = trial_matches(trial, open, model, why);
    trial_model_destroy(model);
    if (!same)
        printf("seed %" PRIu64 ": after %" PRIu64 " operations: %s\n", trial->seed, operations,
               why);
    return same;
}

static bool run_trial(uint64_t seed) {
    struct random random;
    random_init(&random, seed);
    const struct trial trial = {.seed = seed,
                                .persona_count = 1 + (uint32_t)random_below(&random, 40),
                                .events_max = 1 + (uint32_t)random_below(&random, 200)};
    bool by_hand = random_below(&random, 2);
    uint32_t fold_events = 1 + (uint32_t)random_below(&random, 3000);
    struct simulated_disk *disk = simulated_disk_create(seed, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    struct trial_store open = {0};
    struct error error = {0};
    bool good = true;
    enum status status = trial_open(&open, fs, "data", fold_events, by_hand, &error);
    for (uint64_t i = 0; good && status == STATUS_OK && i < 120; i++) {
        status = trial_do(&trial, &open, i, &error);
        if (status || random_below(&random, 12)) continue;
        trial_close(&open);
        status = trial_open(&open, fs, "data", fold_events, by_hand, &error);
        if (status == STATUS_OK) good = compare(&trial, &open, i + 1);
    }
    if (good && status == STATUS_OK) {
        trial_close(&open);
        status = store_check(fs, "data", print_finding, NULL, &error);
    }
    if (status) printf("seed %" PRIu64 ": %s: %s\n", seed, status_name(status), error.text);
    trial_close(&open);
    simulated_disk_destroy(disk);
    return good && status == STATUS_OK;
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             trials = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;
    uint64_t failed = 0;
    for (uint64_t i = 0; i < trials; i++) failed += !run_trial(seed + i);
    printf("%" PRIu64 " trials from seed %" PRIu64 ", %" PRIu64 " failed\n", trials, seed, failed);
    return failed ? 1 : 0;
}
