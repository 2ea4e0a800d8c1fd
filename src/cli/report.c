/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report.h"

#include "base/memory.h"
#include "cli/deciding.h"
#include "cli/job.h"

static enum status write_files(const struct report *report, const char *folder,
                               struct error *error) {
    char path[FILE_PATH_MAX];
    enum status status = file_system_os()->ops->make_directory(file_system_os(), folder, error);
    snprintf(path, sizeof path, "%s/report.json", folder);
    if (status == STATUS_OK) status = report_write_json(report, path, error);
    snprintf(path, sizeof path, "%s/report.html", folder);
    return status == STATUS_OK ? report_write_html(report, path, error) : status;
}

struct reporting {
    struct engine *engine;
    struct report_options options;
    struct report *out;
};

static enum status gather(void *context, struct work *work, struct error *error) {
    struct reporting *reporting = context;
    reporting->options.work = work;
    return engine_report(reporting->engine, &reporting->options, reporting->out, error);
}

int command_report(struct cli *cli) {
    struct error error = {0};
    struct report *report = memory_calloc(1, sizeof *report);
    struct report_options options = {.against = cli->against};
    const char *folder = cli->out != NULL ? cli->out : ".";
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL || report == NULL) {
        memory_free(report);
        cli_close(engine);
        return EXIT_FAILED;
    }
    bool ok =
        cli_at(cli, engine, &options.at_ms) &&
        cli_time(engine, "until", cli->until, options.at_ms, &options.until_ms) &&
        cli_time(engine, "from", cli->from, options.at_ms - 90 * TIME_DAY_MS, &options.from_ms);
    enum status status = STATUS_OK;
    if (ok) warn_of_hindsight(engine, options.at_ms);
    struct reporting reporting = {engine, options, report};
    if (ok) status = cli_job(cli, "report", gather, &reporting, &error);
    if (ok && status == STATUS_OK) status = write_files(report, folder, &error);
    if (ok && status == STATUS_OK && cli->json)
        (void)report_print_json(report);
    else if (ok && status == STATUS_OK)
        report_print(report, folder);
    report_release(report);
    memory_free(report);
    cli_close(engine);
    if (status != STATUS_OK) return cli_fail(&error);
    return ok ? EXIT_OK : EXIT_FAILED;
}
