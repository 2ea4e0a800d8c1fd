/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `status`, `fold`, `fsck`, `rebuild` and `backup`. */
#include "cli/job.h"
#include "cli/lifetimes.h"

static int finish(struct engine *engine, enum status status, const struct error *error) {
    cli_close(engine);
    return status == STATUS_OK ? EXIT_OK : cli_fail(error);
}

struct status_figure {
    const char *name;
    uint64_t value;
    bool bytes;
};

static void print_status(struct engine *engine, const struct status_figure *figures, size_t count) {
    const struct playbook *playbook = engine_playbook(engine);
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        int length = (int)strlen(figures[i].bytes ? cli_bytes(figures[i].value)
                                                  : cli_count(figures[i].value));
        width = length > width ? length : width;
    }
    cli_wrap_format(20, "playbook            %.*s", TEXT_ARG(playbook->name));
    for (size_t i = 0; i < count; i++) {
        printf("%-18s  %*s\n", figures[i].name, width,
               figures[i].bytes ? cli_bytes(figures[i].value) : cli_count(figures[i].value));
    }
    for (uint32_t i = 0; i < playbook->model_count; i++) {
        struct model_entry entry;
        if (engine_model(engine, i, &entry) != NULL)
            cli_wrap_format(20, "model               %.*s@%u, learnt until %s from %s",
                            TEXT_ARG(entry.name), entry.version, cli_when(playbook, entry.until_ms),
                            cli_counted(model_facts(entry.model)->rows, "treatment"));
        else if (engine_model_left_out(engine, i, &entry))
            cli_wrap_format(20,
                            "model               %.*s@%u: left out, it no longer fits the playbook",
                            TEXT_ARG(entry.name), entry.version);
        else
            printf("model               %.*s: not trained yet\n",
                   TEXT_ARG(playbook->models[i].name));
    }
    for (uint32_t i = 0; i < playbook->lifetime_count; i++) cli_lifetime_status(engine, i);
}

static void write_models(struct json_writer *writer, struct engine *engine) {
    const struct playbook *playbook = engine_playbook(engine);
    json_write_key(writer, "models");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < playbook->model_count; i++) {
        struct model_entry entry;
        const struct model *model = engine_model(engine, i, &entry);
        bool trained = model != NULL;
        json_write_object_begin(writer);
        json_member_text(writer, "model", playbook->models[i].name);
        if (trained)
            json_member_count(writer, "version", entry.version);
        else
            json_member_null(writer, "version");
        if (trained)
            json_member_time(writer, "learnt_until", entry.until_ms);
        else
            json_member_null(writer, "learnt_until");
        json_member_count(writer, "rows", trained ? model_facts(model)->rows : 0);
        json_write_key(writer, "left_out");
        json_write_yes_no(writer, !trained && engine_model_left_out(engine, i, &entry));
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_write_key(writer, "lifetimes");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < playbook->lifetime_count; i++)
        cli_lifetime_write_status(engine, i, writer);
    json_write_array_end(writer);
}

static int print_status_json(const struct cli *cli, struct engine *engine,
                             const struct status_figure *figures, size_t count) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_string(writer, "directory", cli->directory);
    json_member_text(writer, "playbook", engine_playbook(engine)->name);
    json_member_text(writer, "zone", engine_playbook(engine)->zone_name);
    for (size_t i = 0; i < count; i++) json_member_count(writer, figures[i].name, figures[i].value);
    write_models(writer, engine);
    return cli_json_end(&json, stdout);
}

int command_status(struct cli *cli) {
    struct error error = {0};
    uint64_t rows, earlier = 0;
    struct store_stats store;
    struct identity_stats identity;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    store_stats(engine_store(engine), &store);
    identity_stats(engine_identity(engine), &identity);
    enum status status = engine_quarantine_rows(engine, &rows, &error);
    if (status == STATUS_OK) status = store_earlier_versions(engine_store(engine), &earlier);
    if (status != STATUS_OK) {
        cli_close(engine);
        return status == STATUS_NO_MEMORY ? cli_fail_text("out of memory") : cli_fail(&error);
    }
    const struct status_figure figures[] = {
        {"events", store.event_count - earlier, false},
        {"earlier_versions", earlier, false},
        {"events_in_tail", store.tail_event_count, false},
        {"customers", identity.customer_count, false},
        {"personas", identity.persona_count, false},
        {"links", identity.link_count, false},
        {"links_refused", identity.refused_count, false},
        {"quarantined_rows", rows, false},
        {"quarantine_entries", store.quarantined_row_count, false},
        {"runs", store.run_count, false},
        {"log_bytes", store.log_bytes, true},
        {"run_bytes", store.run_bytes, true},
        {"links_bytes", store.links_bytes, true},
        {"quarantine_bytes", store.quarantine_bytes, true},
        {"position", store.position, false},
    };
    int code = EXIT_OK;
    if (cli->json)
        code = print_status_json(cli, engine, figures, sizeof figures / sizeof *figures);
    else
        print_status(engine, figures, sizeof figures / sizeof *figures);
    cli_close(engine);
    return code;
}

static int print_runs_json(const struct store_stats *stats) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_count(writer, "events", stats->event_count);
    json_member_count(writer, "runs", stats->run_count);
    json_member_count(writer, "run_bytes", stats->run_bytes);
    return cli_json_end(&json, stdout);
}

struct folding {
    struct engine *engine;
    bool merge;
};

static enum status fold(void *context, struct work *work, struct error *error) {
    const struct folding *folding = context;
    return engine_fold(folding->engine, folding->merge, work, error);
}

int command_fold(struct cli *cli) {
    struct error error = {0};
    struct store_stats stats;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    struct folding folding = {engine, cli->merge};
    enum status status = cli_job(cli, "fold", fold, &folding, &error);
    store_stats(engine_store(engine), &stats);
    if (status == STATUS_OK && cli->json)
        print_runs_json(&stats);
    else if (status == STATUS_OK)
        printf("Folded: %s in %s, %s on disk\n", cli_counted(stats.event_count, "event"),
               cli_counted(stats.run_count, "run"), cli_bytes(stats.run_bytes));
    return finish(engine, status, &error);
}

struct findings {
    uint64_t count;
    struct json_writer *json;
};

static void tell_finding(void *context, const char *path, const char *finding) {
    struct findings *findings = context;
    findings->count++;
    if (findings->json == NULL) {
        cli_say(stdout, "%s: %s\n", path, finding);
        return;
    }
    json_write_object_begin(findings->json);
    json_member_string(findings->json, "file", path);
    json_member_string(findings->json, "finding", finding);
    json_write_object_end(findings->json);
}

/* What the store does not know: the salt, the playbook in force, tables and models. */
struct opening {
    struct findings *findings;
    const struct cli *cli;
};

/* The words of an error begin with its file. */
static void tell_error(void *context, const char *why) {
    const struct opening *opening = context;
    const char *folder = opening->cli->directory, *end = why;
    char path[1024];
    bool has_file = strncmp(why, folder, strlen(folder)) == 0;
    if (has_file) end += strlen(folder) + strcspn(why + strlen(folder), ": ");
    has_file &= *end != '\0' && (size_t)(end - why) < sizeof path;
    if (has_file) snprintf(path, sizeof path, "%.*s", (int)(end - why), why);
    tell_finding(opening->findings, has_file ? path : folder,
                 has_file ? end + strspn(end, ": ") : why);
}

static enum status check_opening(const struct cli *cli, struct findings *findings,
                                 struct error *error) {
    struct opening opening = {findings, cli};
    struct engine *engine = NULL;
    const struct engine_options options = {.directory = cli->directory, .read_only = true};
    enum status status = engine_open(&engine, &options, error);
    if (status != STATUS_OK) return status;
    engine_tell_unreadable(engine, tell_error, &opening);
    cli_close(engine);
    return findings->count > 0 ? STATUS_CORRUPT : STATUS_OK;
}

int command_fsck(struct cli *cli) {
    struct error error = {0};
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    struct findings findings = {0, cli->json ? writer : NULL};
    json_member_string(writer, "directory", cli->directory);
    json_write_key(writer, "findings");
    json_write_array_begin(writer);
    enum status status =
        store_check(file_system_os(), cli->directory, tell_finding, &findings, &error);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        bool whole = status == STATUS_OK; /* where all is missing, opening says it in more words */
        status = check_opening(cli, &findings, &error);
        bool damaged = status == STATUS_CORRUPT || (whole && status != STATUS_OK);
        if (damaged && findings.count == 0)
            tell_error(&(struct opening){&findings, cli}, error.text);
        if (damaged) status = STATUS_CORRUPT;
    }
    json_write_array_end(writer);
    json_member_yes_no(writer, "sound", status == STATUS_OK);
    bool checked = status == STATUS_OK || status == STATUS_CORRUPT;
    (void)cli_json_conclude(cli, &json, checked ? EXIT_OK : EXIT_FAILED);
    if (!checked) return cli_fail(&error);
    int code = status == STATUS_OK ? EXIT_OK : EXIT_FAILED;
    if (cli->json) return code;
    if (status == STATUS_OK)
        printf("%s is sound: every checksum, order and offset holds\n", cli->directory);
    else
        cli_wrap_format(2,
                        "%s. Restore the named files from a backup (MANIFEST and log: the whole "
                        "directory); attune rebuild makes columns and the text heap of a run anew.",
                        cli_counted(findings.count, "finding"));
    return code;
}

static enum status rebuild(void *context, struct work *work, struct error *error) {
    return engine_rebuild(context, work, error);
}

int command_rebuild(struct cli *cli) {
    struct error error = {0};
    struct store_stats stats;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = cli_job(cli, "rebuild", rebuild, engine, &error);
    store_stats(engine_store(engine), &stats);
    if (status == STATUS_OK && cli->json)
        print_runs_json(&stats);
    else if (status == STATUS_OK)
        cli_wrap_format(2, "Rebuilt: every run has the columns of the playbook in force (%s in %s)",
                        cli_counted(stats.event_count, "event"),
                        cli_counted(stats.run_count, "run"));
    return finish(engine, status, &error);
}

static void print_backup_json(const struct cli *cli, struct engine *engine) {
    struct cli_json json;
    struct store_stats stats;
    store_stats(engine_store(engine), &stats);
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_string(writer, "directory", cli->directory);
    json_member_string(writer, "target", cli->words[0]);
    json_member_count(writer, "events", stats.event_count);
    json_member_count(writer, "position", stats.position);
    cli_json_end(&json, stdout);
}

int command_backup(struct cli *cli) {
    struct error error = {0};
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = engine_backup(engine, cli->words[0], cli->since, &error);
    if (status == STATUS_OK && cli->json)
        print_backup_json(cli, engine);
    else if (status == STATUS_OK)
        printf("Copied %s to %s; attune fsck --dir %s verifies it\n", cli->directory, cli->words[0],
               cli->words[0]);
    return finish(engine, status, &error);
}
