/* SPDX-License-Identifier: Apache-2.0 */
/* status, fold, fsck, rebuild, backup: the data directory itself. */
#include "cli/cli.h"

static int finish(struct engine *engine, enum status status, const struct error *error) {
    engine_close(engine);
    return status == STATUS_OK ? EXIT_OK : cli_fail(error);
}

struct status_figure { const char *name; uint64_t value; bool bytes; };

static void print_status(const struct cli *cli, struct engine *engine, const struct status_figure *figures, size_t count) {
    const struct playbook *playbook = engine_playbook(engine);
    struct buffer out;
    struct json_writer writer;
    if (!cli->json) {
        printf("playbook            %.*s\n", TEXT_ARG(playbook->name));
        for (size_t i = 0; i < count; i++) {
            printf("%-19s %s\n", figures[i].name, figures[i].bytes ? cli_bytes(figures[i].value) : cli_count(figures[i].value));
        }
        for (uint32_t i = 0; i < playbook->model_count; i++) {
            struct model_entry entry;
            if (engine_model(engine, i, &entry) == NULL) printf("model               %.*s: not trained yet\n", TEXT_ARG(playbook->models[i].name));
            else printf("model               %.*s@%u, learnt until %s\n", TEXT_ARG(entry.name), entry.version, cli_day(entry.until_ms));
        }
        return;
    }
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    json_write_object_begin(&writer);
    json_write_key(&writer, "playbook");
    json_write_text(&writer, playbook->name);
    for (size_t i = 0; i < count; i++) {
        json_write_key(&writer, figures[i].name);
        json_write_integer(&writer, (int64_t)figures[i].value);
    }
    json_write_object_end(&writer);
    cli_print_json(&writer, &out);
    buffer_release(&out);
}

int command_status(struct cli *cli) {
    struct store_stats store;
    struct identity_stats identity;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    store_stats(engine_store(engine), &store);
    identity_stats(engine_identity(engine), &identity);
    const struct status_figure figures[] = {
        {"events", store.event_count, false}, {"events_in_tail", store.tail_event_count, false},
        {"customers", identity.customer_count, false}, {"personas", identity.persona_count, false},
        {"links", identity.link_count, false}, {"links_refused", identity.refused_count, false},
        {"quarantined_rows", store.quarantined_row_count, false}, {"runs", store.run_count, false},
        {"log_bytes", store.log_bytes, true}, {"run_bytes", store.run_bytes, true},
        {"links_bytes", store.links_bytes, true}, {"quarantine_bytes", store.quarantine_bytes, true},
        {"position", store.position, false},
    };
    print_status(cli, engine, figures, sizeof figures / sizeof *figures);
    engine_close(engine);
    return EXIT_OK;
}

int command_fold(struct cli *cli) {
    struct error error = {0};
    struct store_stats stats;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = store_fold(engine_store(engine), cli->merge, &error);
    store_stats(engine_store(engine), &stats);
    if (status == STATUS_OK) printf("Folded: %s events in %s runs, %s on disk\n", cli_count(stats.event_count), cli_count(stats.run_count), cli_bytes(stats.run_bytes));
    return finish(engine, status, &error);
}

struct findings { uint64_t count; };

static void print_finding(void *context, const char *path, const char *finding) {
    ((struct findings *)context)->count++;
    printf("%s: %s\n", path, finding);
}

int command_fsck(struct cli *cli) {
    struct error error = {0};
    struct findings findings = {0};
    enum status status = store_check(file_system_os(), cli->directory, print_finding, &findings, &error);
    if (status != STATUS_OK && status != STATUS_CORRUPT) return cli_fail(&error);
    if (status == STATUS_OK) printf("%s is sound: every checksum, order and offset holds\n", cli->directory);
    else printf("%s findings. Restore the named files from a backup (MANIFEST and log: the whole directory); attune rebuild makes columns and the text heap of a run anew.\n", cli_count(findings.count));
    return status == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

int command_rebuild(struct cli *cli) {
    struct error error = {0};
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = store_rebuild(engine_store(engine), &error);
    if (status == STATUS_OK) printf("Rebuilt: every run has the columns of the playbook in force\n");
    return finish(engine, status, &error);
}

int command_backup(struct cli *cli) {
    struct error error = {0};
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = engine_backup(engine, cli->words[0], &error);
    if (status == STATUS_OK) printf("Copied %s to %s; attune fsck --dir %s verifies it\n", cli->directory, cli->words[0], cli->words[0]);
    return finish(engine, status, &error);
}
