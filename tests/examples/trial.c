/* SPDX-License-Identifier: Apache-2.0 */
#include "trial.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"

static void check(enum status status, const struct error *error, const char *what) {
    if (status != STATUS_OK) fail_msg("%s: %s: %s", what, status_name(status), error->text);
}

static void run(const char *format, const char *folder) {
    char command[2048];
    snprintf(command, sizeof command, format, folder);
    assert_int_equal(system(command), 0);
}

static void load(struct trial *trial, const char *playbook, const char *data) {
    char directory[1024];
    struct error error = {0};
    struct engine_ingest_report *reports = NULL;
    size_t count = 0;
    snprintf(directory, sizeof directory, "%s/data", trial->folder);
    struct engine_options options = {
        .directory = directory, .create = true, .playbook_file = playbook, .threads = 1};
    check(engine_open(&trial->engine, &options, &error), &error, "opening");
    struct engine_ingest_options ingest = {.data_directory = data};
    check(engine_ingest(trial->engine, &ingest, &reports, &count, &error), &error, "loading");
    for (size_t i = 0; i < count; i++) assert_int_equal(reports[i].did.quarantined, 0);
    memory_free(reports);
}

void trial_open(struct trial *trial, const char *example, uint64_t seed) {
    char files[512], playbook[1024];
    const char *examples = getenv("ATTUNE_EXAMPLES"), *temporary = getenv("TMPDIR");
    *trial = (struct trial){0};
    snprintf(trial->folder, sizeof trial->folder, "%.200s/attune-trial-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    assert_non_null(mkdtemp(trial->folder));
    snprintf(files, sizeof files, "%s/files", trial->folder);
    snprintf(playbook, sizeof playbook, "%s/%s/playbook.yaml",
             examples != NULL ? examples : "examples", example);
    run("mkdir -p '%s'", files);
    struct simulator simulator = {.folder = files};
    random_init(&simulator.random, seed);
    simulate(&simulator);
    assert_false(simulator.failed);
    load(trial, playbook, files);
}

void trial_close(struct trial *trial) {
    engine_close(trial->engine);
    run("rm -rf '%s'", trial->folder);
}

uint32_t trial_seeds(void) {
    const char *seeds = getenv("ATTUNE_SEEDS");
    return seeds != NULL ? (uint32_t)strtoul(seeds, NULL, 10) : 200;
}

void trial_decide(struct trial *trial,
                  void (*visit)(void *context, const char *name, const struct decision *decision),
                  void *context) {
    struct engine_view view;
    struct error error = {0};
    check(engine_view_open(&view, trial->engine, LANDMARK, &error), &error, "a view");
    enum status status = engine_view_walk(&view, &error);
    while (status == STATUS_OK && (status = engine_view_next(&view, &error)) == STATUS_OK) {
        char name[CUSTOMER_NAME_BYTES];
        customer_name(trial->engine, view.decision->customer, name);
        visit(context, name, view.decision);
    }
    if (status != STATUS_END) check(status, &error, "deciding");
    engine_view_close(&view);
}
