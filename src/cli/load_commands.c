/* SPDX-License-Identifier: Apache-2.0 */
/* ingest, data, quarantine: what comes in, what lies here, what could not come in. */
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/cli.h"

/* ---- ingest ---- */

struct watch { double started; };

static void show_progress(void *context, const struct engine_progress *progress) {
    const struct watch *watch = context;
    double seconds = clock_monotonic_seconds() - watch->started;
    double share = progress->total_bytes > 0 ? (double)progress->consumed_bytes / (double)progress->total_bytes : 0;
    const char *slash = strrchr(progress->path, '/');
    char bar[21] = "                    ";
    for (int i = 0; i < (int)(share * 20) && i < 20; i++) bar[i] = '=';
    double left = share > 0.01 ? seconds * (1 - share) / share : 0;
    cli_progress("%.*s  %s  [%s] %3.0f %%  %s events  %s/s  %.0f s left", TEXT_ARG(progress->source),
                 slash != NULL ? slash + 1 : progress->path, bar, 100 * share, cli_count(progress->events),
                 cli_count((uint64_t)((double)progress->events / (seconds > 0.001 ? seconds : 0.001))), left);
}

static void print_reports(const struct engine_ingest_report *reports, size_t count) {
    struct cli_table table;
    cli_table_init(&table, "source|>files|>rows|>events|>repeats|>quarantined|note");
    for (size_t i = 0; i < count; i++) {
        const struct engine_ingest_report *report = &reports[i];
        cli_table_cell(&table, "%.*s", TEXT_ARG(report->source));
        cli_table_cell(&table, "%s", cli_count(report->files));
        cli_table_cell(&table, "%s", cli_count(report->rows));
        cli_table_cell(&table, "%s", cli_count(report->events));
        cli_table_cell(&table, "%s", cli_count(report->repeats));
        cli_table_cell(&table, "%s", cli_count(report->quarantined));
        const char *always = report->time_always ? "undated: known at every time" : "";
        if (report->turned_away > 0) cli_table_cell(&table, "%s of erased customers not kept", cli_count(report->turned_away));
        else cli_table_cell(&table, "%s%s", report->lookup_rows > 0 ? "lookup" : "", always);
    }
    cli_table_print(&table);
}

static void write_report(struct json_writer *writer, const struct engine_ingest_report *report) {
    json_write_object_begin(writer);
    json_write_key(writer, "source");
    json_write_text(writer, report->source);
    const struct { const char *name; uint64_t value; } counts[] = {
        {"files", report->files}, {"rows", report->rows}, {"events", report->events}, {"repeats", report->repeats},
        {"quarantined", report->quarantined}, {"lookup_rows", report->lookup_rows}, {"bytes", report->bytes},
        {"turned_away", report->turned_away},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_write_key(writer, counts[i].name);
        json_write_integer(writer, (int64_t)counts[i].value);
    }
    json_write_key(writer, "undated");
    json_write_yes_no(writer, report->time_always);
    json_write_object_end(writer);
}

static void print_reports_json(const struct engine_ingest_report *reports, size_t count) {
    struct buffer out;
    struct json_writer writer;
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    json_write_array_begin(&writer);
    for (size_t i = 0; i < count; i++) write_report(&writer, &reports[i]);
    json_write_array_end(&writer);
    cli_print_json(&writer, &out);
    buffer_release(&out);
}

/* The folder of --data, else the playbook's own. */
static const char *data_folder(const struct cli *cli, char folder[4096]) {
    if (cli->data != NULL) return cli->data;
    const char *slash = cli->playbook != NULL ? strrchr(cli->playbook, '/') : NULL;
    if (slash == NULL) return ".";
    snprintf(folder, 4096, "%.*s", (int)(slash - cli->playbook), cli->playbook);
    return folder;
}

int command_ingest(struct cli *cli) {
    char folder[4096];
    struct error error = {0};
    struct watch watch = {clock_monotonic_seconds()};
    struct engine_ingest_report *reports = NULL;
    size_t count = 0;
    struct engine *engine = cli_open(cli, true, false);
    if (engine == NULL) return EXIT_FAILED;
    struct engine_ingest_options options = {
        .data_directory = data_folder(cli, folder),
        .source = cli->word_count > 0 ? cli->words[0] : cli->source,
        .paths = cli->words + 1,
        .path_count = cli->word_count > 1 ? cli->word_count - 1 : 0,
        .progress = cli->quiet ? NULL : show_progress,
        .context = &watch,
    };
    enum status status = engine_ingest(engine, &options, &reports, &count, &error);
    cli_progress_end();
    if (cli->json) print_reports_json(reports, count);
    else if (count > 0) print_reports(reports, count);
    uint64_t quarantined = 0;
    for (size_t i = 0; i < count; i++) quarantined += reports[i].quarantined;
    if (quarantined > 0 && !cli->json) printf("Rows in quarantine: %s (attune quarantine list says why)\n", cli_count(quarantined));
    memory_free(reports);
    engine_close(engine);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}

/* ---- data ---- */

static void print_lookups(const struct data_report *report) {
    struct cli_table table;
    putchar('\n');
    cli_table_init(&table, "lookup|>rows|>bytes|>versions|used by");
    for (size_t i = 0; i < report->lookup_count; i++) {
        const struct lookup_usage *lookup = &report->lookups[i];
        cli_table_cell(&table, "%.*s", TEXT_ARG(lookup->name));
        cli_table_cell(&table, "%s", cli_count(lookup->rows));
        cli_table_cell(&table, "%s", cli_bytes(lookup->bytes));
        cli_table_cell(&table, "%u", lookup->versions);
        cli_table_cell(&table, "%.*s", TEXT_ARG(lookup->used_by.length > 0 ? lookup->used_by : TEXT("nothing: dark")));
    }
    cli_table_print(&table);
}

static void print_data(const struct data_report *report) {
    struct cli_table table;
    cli_table_init(&table, "source|event|field|type|>count|>bytes|used by");
    for (size_t i = 0; i < report->field_count; i++) {
        const struct field_usage *field = &report->fields[i];
        cli_table_cell(&table, "%.*s", TEXT_ARG(field->source));
        cli_table_cell(&table, "%.*s", TEXT_ARG(field->event));
        cli_table_cell(&table, "%.*s", TEXT_ARG(field->field));
        cli_table_cell(&table, "%s", field->field.length > 0 ? value_type_name(field->type) : "");
        cli_table_cell(&table, "%s", cli_count(field->count));
        cli_table_cell(&table, "%s", cli_bytes(field->bytes));
        cli_table_cell(&table, "%.*s", TEXT_ARG(field->used_by.length > 0 ? field->used_by : field->field.length > 0 ? TEXT("nothing: dark") : TEXT("")));
    }
    cli_table_print(&table);
    if (report->lookup_count > 0) print_lookups(report);
    printf("\nclean  %s events of %s customers, %s\n", cli_count(report->event_count), cli_count(report->customer_count), cli_bytes(report->clean_bytes));
    printf("dirty  %s rows in quarantine, %s\n", cli_count(report->dirty_rows), cli_bytes(report->dirty_bytes));
    printf("dark   %s fields that nothing uses, %s\n", cli_count(report->dark_fields), cli_bytes(report->dark_bytes));
    printf("disk   %s in all, compressed\n", cli_bytes(report->disk_bytes));
}

static void write_lookups(struct json_writer *writer, const struct data_report *report) {
    json_write_key(writer, "lookups");
    json_write_array_begin(writer);
    for (size_t i = 0; i < report->lookup_count; i++) {
        json_write_object_begin(writer);
        json_write_key(writer, "lookup");
        json_write_text(writer, report->lookups[i].name);
        json_write_key(writer, "rows");
        json_write_integer(writer, (int64_t)report->lookups[i].rows);
        json_write_key(writer, "bytes");
        json_write_integer(writer, (int64_t)report->lookups[i].bytes);
        json_write_key(writer, "used_by");
        json_write_text(writer, report->lookups[i].used_by);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void print_data_json(const struct data_report *report) {
    struct buffer out;
    struct json_writer writer;
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    json_write_object_begin(&writer);
    const struct { const char *name; uint64_t value; } counts[] = {
        {"events", report->event_count}, {"customers", report->customer_count}, {"personas", report->persona_count},
        {"clean_bytes", report->clean_bytes}, {"dirty_rows", report->dirty_rows}, {"dirty_bytes", report->dirty_bytes},
        {"dark_fields", report->dark_fields}, {"dark_bytes", report->dark_bytes}, {"disk_bytes", report->disk_bytes},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_write_key(&writer, counts[i].name);
        json_write_integer(&writer, (int64_t)counts[i].value);
    }
    json_write_key(&writer, "fields");
    json_write_array_begin(&writer);
    for (size_t i = 0; i < report->field_count; i++) {
        const struct field_usage *field = &report->fields[i];
        const struct { const char *name; struct text value; } texts[] = {
            {"source", field->source}, {"event", field->event}, {"field", field->field}, {"used_by", field->used_by}};
        json_write_object_begin(&writer);
        for (size_t k = 0; k < 4; k++) {
            json_write_key(&writer, texts[k].name);
            json_write_text(&writer, texts[k].value);
        }
        json_write_key(&writer, "count");
        json_write_integer(&writer, (int64_t)field->count);
        json_write_key(&writer, "bytes");
        json_write_integer(&writer, (int64_t)field->bytes);
        json_write_object_end(&writer);
    }
    json_write_array_end(&writer);
    write_lookups(&writer, report);
    json_write_object_end(&writer);
    cli_print_json(&writer, &out);
    buffer_release(&out);
}

int command_data(struct cli *cli) {
    struct error error = {0};
    struct data_report report;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = engine_data_report(engine, &report, &error);
    if (status == STATUS_OK && cli->json) print_data_json(&report);
    else if (status == STATUS_OK) print_data(&report);
    data_report_release(&report);
    engine_close(engine);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}

/* ---- quarantine ---- */

#define REASONS_MAX 4096
struct reason { uint64_t count, first_id, first_line; uint16_t source; char reason[200], file[200]; };
struct reasons {
    struct reason *items;
    size_t count;
    uint64_t beyond;
    const struct symbols *symbols;
    const char *source;
};

static bool add_reason(void *context, const struct stored_row *row) {
    struct reasons *reasons = context;
    struct text name = symbol_text(reasons->symbols, SYMBOL_SOURCE, row->source);
    if (reasons->source != NULL && !text_equal(name, text_from(reasons->source))) return true;
    for (size_t i = 0; i < reasons->count; i++) {
        struct reason *reason = &reasons->items[i];
        size_t length = strlen(reason->reason);
        size_t wanted = row->reason.length < sizeof reason->reason ? row->reason.length : sizeof reason->reason - 1;
        if (reason->source == row->source && length == wanted && memcmp(reason->reason, row->reason.at, length) == 0) {
            reason->count++;
            return true;
        }
    }
    if (reasons->count == REASONS_MAX) {
        reasons->beyond++;
        return true;
    }
    struct reason *reason = &reasons->items[reasons->count++];
    *reason = (struct reason){.count = 1, .first_id = row->row_id, .first_line = row->line, .source = row->source};
    snprintf(reason->reason, sizeof reason->reason, "%.*s", TEXT_ARG(row->reason));
    snprintf(reason->file, sizeof reason->file, "%.*s", TEXT_ARG(row->file));
    return true;
}

static void print_reasons(const struct reasons *reasons) {
    struct cli_table table;
    cli_table_init(&table, ">rows|>first id|source|first place|reason");
    for (size_t i = 0; i < reasons->count; i++) {
        const struct reason *reason = &reasons->items[i];
        cli_table_cell(&table, "%s", cli_count(reason->count));
        cli_table_cell(&table, "%llu", (unsigned long long)reason->first_id);
        cli_table_cell(&table, "%.*s", TEXT_ARG(symbol_text(reasons->symbols, SYMBOL_SOURCE, reason->source)));
        cli_table_cell(&table, "%s:%llu", reason->file, (unsigned long long)reason->first_line);
        cli_table_cell(&table, "%s", reason->reason);
    }
    if (reasons->count > 0) cli_table_print(&table);
    else buffer_release(&table.cells);
    if (reasons->count == 0) printf("Nothing is in quarantine.\n");
    if (reasons->beyond > 0) printf("and %s rows with further reasons\n", cli_count(reasons->beyond));
}

static void print_reasons_json(const struct reasons *reasons) {
    struct buffer out;
    struct json_writer writer;
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    json_write_array_begin(&writer);
    for (size_t i = 0; i < reasons->count; i++) {
        const struct reason *reason = &reasons->items[i];
        const struct { const char *name; struct text value; } texts[] = {
            {"source", symbol_text(reasons->symbols, SYMBOL_SOURCE, reason->source)}, {"file", text_from(reason->file)},
            {"reason", text_from(reason->reason)}};
        const struct { const char *name; uint64_t value; } counts[] = {
            {"rows", reason->count}, {"first_id", reason->first_id}, {"first_line", reason->first_line}};
        json_write_object_begin(&writer);
        for (size_t k = 0; k < 3; k++) {
            json_write_key(&writer, counts[k].name);
            json_write_integer(&writer, (int64_t)counts[k].value);
            json_write_key(&writer, texts[k].name);
            json_write_text(&writer, texts[k].value);
        }
        json_write_object_end(&writer);
    }
    json_write_array_end(&writer);
    cli_print_json(&writer, &out);
    buffer_release(&out);
}

static int quarantine_list(struct cli *cli, struct engine *engine) {
    struct error error = {0};
    struct reasons reasons = {.symbols = engine_symbols(engine), .source = cli->source};
    reasons.items = memory_calloc(REASONS_MAX, sizeof *reasons.items);
    if (reasons.items == NULL) return cli_fail_text("out of memory");
    enum status status = store_visit_rows(engine_store(engine), add_reason, &reasons, &error);
    if (status == STATUS_OK) (cli->json ? print_reasons_json : print_reasons)(&reasons);
    memory_free(reasons.items);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}

struct wanted { uint64_t id; bool found; const struct symbols *symbols; };

static bool show_row(void *context, const struct stored_row *row) {
    struct wanted *wanted = context;
    if (row->row_id != wanted->id) return true;
    wanted->found = true;
    printf("source  %.*s\nplace   %.*s:%llu:%u\nreason  %.*s\n\n%.*s\n", TEXT_ARG(symbol_text(wanted->symbols, SYMBOL_SOURCE, row->source)),
           TEXT_ARG(row->file), (unsigned long long)row->line, row->column, TEXT_ARG(row->reason), TEXT_ARG(row->raw));
    return false;
}

static int quarantine_show(struct cli *cli, struct engine *engine) {
    struct error error = {0};
    int64_t id;
    if (cli->word_count < 2 || text_to_int64(text_from(cli->words[1]), &id) != STATUS_OK || id < 0) {
        return cli_fail_text("say which row: attune quarantine show ID (attune quarantine list tells ids)");
    }
    struct wanted wanted = {(uint64_t)id, false, engine_symbols(engine)};
    enum status status = store_visit_rows(engine_store(engine), show_row, &wanted, &error);
    if (status != STATUS_OK) return cli_fail(&error);
    return wanted.found ? EXIT_OK : cli_fail_text("no row %lld is in quarantine", (long long)id);
}

static int quarantine_replay(struct cli *cli, struct engine *engine) {
    struct error error = {0};
    struct replay_report report;
    enum status status = engine_quarantine_replay(engine, cli->source, &report, &error);
    if (status != STATUS_OK) return cli_fail(&error);
    printf("Rows tried: %s. Events that came back: %s. Rows that stay in quarantine: %s\n", cli_count(report.rows), cli_count(report.events),
           cli_count(report.still_quarantined));
    return EXIT_OK;
}

int command_quarantine(struct cli *cli) {
    static const struct { const char *name; int (*run)(struct cli *, struct engine *); bool writes; } verbs[] = {
        {"list", quarantine_list, false}, {"show", quarantine_show, false}, {"replay", quarantine_replay, true}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(cli->words[0], verbs[i].name) != 0) continue;
        struct engine *engine = cli_open(cli, false, !verbs[i].writes);
        if (engine == NULL) return EXIT_FAILED;
        int code = verbs[i].run(cli, engine);
        engine_close(engine);
        return code;
    }
    fprintf(stderr, "attune: quarantine knows list, show and replay, not %s\n", cli->words[0]);
    return EXIT_USAGE;
}
