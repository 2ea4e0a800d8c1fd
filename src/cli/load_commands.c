/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `ingest` and `data`. */
#include <unistd.h>

#include "base/memory.h"
#include "cli/job.h"

/* ---- ingest ---- */

struct watch {
    double started;
};

static void show_progress(void *context, const struct engine_progress *progress) {
    const struct watch *watch = context;
    double seconds = clock_monotonic_seconds() - watch->started;
    double share = progress->total_bytes > 0
                       ? (double)progress->consumed_bytes / (double)progress->total_bytes
                       : 0;
    const char *slash = strrchr(progress->path, '/');
    char bar[21] = "                    ";
    for (int i = 0; i < (int)(share * 20) && i < 20; i++) bar[i] = '=';
    double left = share > 0.01 ? seconds * (1 - share) / share : 0;
    if (progress->total_bytes == 0) { /* a pipe: nobody knows its end */
        cli_progress("%.*s  %s  %s events  %s in quarantine", TEXT_ARG(progress->source),
                     slash != NULL ? slash + 1 : progress->path, cli_count(progress->events),
                     cli_count(progress->quarantined));
        return;
    }
    cli_progress(
        "%.*s  %s  [%s] %3.0f %%  %s events  %s/s  %.0f s left", TEXT_ARG(progress->source),
        slash != NULL ? slash + 1 : progress->path, bar, 100 * share, cli_count(progress->events),
        cli_count((uint64_t)((double)progress->events / (seconds > 0.001 ? seconds : 0.001))),
        left);
}

static void note_words(const struct engine_ingest_report *report, bool is_lookup, char *out,
                       size_t size) {
    static const char *const outcomes[INGEST_OUTCOME_COUNT] = {"", "no file", "failed",
                                                               "not reached"};
    size_t at = (size_t)snprintf(out, size, "%s", outcomes[report->outcome]);
    const struct {
        bool holds;
        const char *words;
    } notes[] = {
        {is_lookup, "lookup"},
        {report->time_always && !is_lookup, "undated: known at every time"},
        {!report->drops_repeats && report->files > 0,
         "no row_key: a file that comes twice counts twice"},
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        if (notes[i].holds && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at > 0 ? "; " : "", notes[i].words);
    }
    const struct {
        uint64_t count;
        const char *one, *words;
    } counts[] = {
        {report->did.corrected, "row", "corrected"},
        {report->did.retracted, "row", "retracted"},
        {report->did.joined, "event", "got more rows"},
        {report->did.remapped, "row", "mapped again"},
        {report->did.clashes, "row",
         "with the key of another row of this load: does row_key name one row?"},
        {report->did.older, "older version", "left"},
        {report->did.left, "event", "left as stored, with other rows now (again: keep)"},
        {report->did.held, "row", "held: too many corrections"},
        {report->did.not_compared, "repeat", "known by the key alone"},
        {report->did.turned_away, "event", "of erased customers not kept"},
        {report->did.withheld, "property", "left out: erased customers are named"},
        {report->did.nobodys, "identifier", "left out: nobody is called so"},
        {report->undeclared_events, "event",
         "of names that the playbook doesn't declare: kept, and counted by any event"},
        {report->undeclared_left, "undeclared value",
         "left out: an event keeps 256 such names and 16 KB of them"},
        {report->no_keys, "event", "without a row_key that names it: loaded again it counts twice"},
        {report->disagreeing, "row",
         "naming another customer, channel or event than the first row of its event"},
        {report->quarantined_before, "row", "in quarantine already"},
        {report->came_whole, "row", "out of quarantine: half of one that came whole now"},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].count > 0 && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s %s", at > 0 ? "; " : "",
                                   cli_counted(counts[i].count, counts[i].one), counts[i].words);
    }
}

static bool is_lookup(const struct engine *engine, const struct engine_ingest_report *report) {
    const struct playbook *playbook = engine_playbook(engine);
    uint32_t index = playbook_source_find(playbook, report->source);
    return index != UINT32_MAX && playbook->sources[index].is_lookup;
}

static void print_reports(const struct engine *engine, const struct engine_ingest_report *reports,
                          size_t count) {
    struct cli_table table;
    uint64_t quarantined = 0, entries = 0;
    cli_table_init(&table, "source|>files|>rows|>events|>repeats|>quarantined|note");
    for (size_t i = 0; i < count; i++) {
        const struct engine_ingest_report *report = &reports[i];
        char note[1000];
        note_words(report, is_lookup(engine, report), note, sizeof note);
        cli_table_cell(&table, "%.*s", TEXT_ARG(report->source));
        cli_table_cell(&table, "%s", cli_count(report->files));
        cli_table_cell(&table, "%s", cli_count(report->rows));
        cli_table_cell(&table, "%s", cli_count(report->did.events));
        cli_table_cell(&table, "%s", cli_count(report->did.repeats));
        cli_table_cell(&table, "%s", cli_count(report->quarantined));
        cli_table_cell(&table, "%s", note);
        quarantined += report->quarantined;
        entries += report->quarantine_entries;
    }
    cli_table_print(&table);
    if (quarantined > entries)
        cli_wrap_format(2,
                        "Rows put into quarantine: %s, as %s: the rows of one event wait together "
                        "(attune quarantine list says why)",
                        cli_count(quarantined), cli_counted(entries, "entry"));
    else if (quarantined > 0)
        printf("Rows put into quarantine: %s (attune quarantine list says why)\n",
               cli_count(quarantined));
}

/* On the screen that errors go to, whatever the answer's form. */
static void print_notes(const struct engine_ingest_report *reports, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct ingest_notes *notes = &reports[i].notes;
        for (uint32_t k = 0; k < notes->count && k < INGEST_NOTES_MAX; k++)
            cli_say(stderr, "attune: warning: %s\n", notes->text[k]);
        if (notes->count > INGEST_NOTES_MAX)
            cli_say(stderr, "attune: warning: and %u more of source %.*s\n",
                    notes->count - INGEST_NOTES_MAX, TEXT_ARG(reports[i].source));
    }
}

static void write_report(struct json_writer *writer, const struct engine_ingest_report *report) {
    json_write_object_begin(writer);
    json_member_text(writer, "source", report->source);
    json_member_string(writer, "outcome", ingest_outcome_name(report->outcome));
    json_member_count(writer, "files", report->files);
    json_member_count(writer, "rows", report->rows);
    json_member_count(writer, "events", report->did.events);
    json_member_count(writer, "repeats", report->did.repeats);
    json_member_count(writer, "quarantined", report->quarantined);
    json_member_count(writer, "quarantine_entries", report->quarantine_entries);
    json_member_count(writer, "quarantined_before", report->quarantined_before);
    json_member_count(writer, "came_whole", report->came_whole);
    json_member_count(writer, "lookup_rows", report->lookup_rows);
    json_member_count(writer, "corrected", report->did.corrected);
    json_member_count(writer, "retracted", report->did.retracted);
    json_member_count(writer, "joined", report->did.joined);
    json_member_count(writer, "remapped", report->did.remapped);
    json_member_count(writer, "older", report->did.older);
    json_member_count(writer, "left", report->did.left);
    json_member_count(writer, "held", report->did.held);
    json_member_count(writer, "clashes", report->did.clashes);
    json_member_count(writer, "not_compared", report->did.not_compared);
    json_member_count(writer, "turned_away", report->did.turned_away);
    json_member_count(writer, "withheld", report->did.withheld);
    json_member_count(writer, "nobodys", report->did.nobodys);
    json_member_count(writer, "no_keys", report->no_keys);
    json_member_count(writer, "disagreeing", report->disagreeing);
    json_member_count(writer, "undeclared_events", report->undeclared_events);
    json_member_count(writer, "undeclared_left", report->undeclared_left);
    json_member_count(writer, "bytes", report->bytes);
    json_member_yes_no(writer, "undated", report->time_always);
    json_member_yes_no(writer, "drops_repeats", report->drops_repeats);
    json_write_key(writer, "warnings");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < report->notes.count && i < INGEST_NOTES_MAX; i++)
        json_write_string(writer, report->notes.text[i]);
    json_write_array_end(writer);
    json_write_object_end(writer);
}

/* Tells how many rows hold people: a withdrawal that can't be read must not wait unseen. */
static void say_holds(uint64_t rows) {
    if (rows == 0) return;
    cli_say(stderr,
            "attune: warning: %s in quarantine may take back a consent or an opt-in; whoever "
            "they name is offered nothing that needs it until they are read (attune quarantine "
            "list; then replay or drop them)\n",
            cli_counted(rows, "row"));
}

static void print_reports_json(const struct engine_ingest_report *reports, size_t count,
                               uint64_t holding_rows, const struct error *error) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_write_key(writer, "sources");
    json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++) write_report(writer, &reports[i]);
    json_write_array_end(writer);
    json_member_count(writer, "holding_rows", holding_rows);
    json_member_text_or_null(writer, "error", text_from(error->text));
    cli_json_end(&json, stdout);
}

static enum status list_sources(struct buffer *out, const char *heading,
                                const struct engine_ingest_report *reports, size_t count,
                                enum ingest_outcome outcome) {
    uint32_t told = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (reports[i].outcome != outcome) continue;
        status =
            buffer_format(out, "%s %.*s", told++ > 0 ? "," : heading, TEXT_ARG(reports[i].source));
    }
    return told > 0 && status == STATUS_OK ? buffer_append(out, ". ", 2) : status;
}

/* Lists ways to go on. Rows that were loaded already are recognised where the source has a row key;
 * other sources are to be named, so that nothing counts twice. */
static enum status list_ways_on(struct buffer *out, const struct engine_ingest_report *reports,
                                size_t count) {
    bool again = true;
    for (size_t i = 0; i < count; i++)
        again &= reports[i].drops_repeats || reports[i].outcome == INGEST_NOT_REACHED ||
                 reports[i].did.events == 0;
    if (again)
        return buffer_append_text(
            out,
            TEXT("Mend that and say the same again: what is in already is dropped as repeats."));
    enum status status = buffer_append_text(
        out, TEXT("Mend that. Not all that was loaded has a row_key, so load only the rest:"));
    uint32_t told = 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (reports[i].outcome != INGEST_FAILED && reports[i].outcome != INGEST_NOT_REACHED)
            continue;
        /* Some of its files are in, and would count twice. */
        bool in_part = reports[i].did.events > 0 && !reports[i].drops_repeats;
        status = buffer_format(out,
                               in_part ? "%s attune ingest %.*s FILE… (its files that are not in)"
                                       : "%s attune ingest --source %.*s",
                               told++ > 0 ? "," : "", TEXT_ARG(reports[i].source));
    }
    return status;
}

/* Where a file could not be read: what is in, what is not, and how to go on. */
static void say_how_to_go_on(const struct engine_ingest_report *reports, size_t count) {
    struct buffer words;
    buffer_init(&words);
    enum status status = list_sources(&words, "Loaded:", reports, count, INGEST_LOADED);
    if (status == STATUS_OK)
        status = list_sources(&words, "Not whole:", reports, count, INGEST_FAILED);
    if (status == STATUS_OK)
        status = list_sources(&words, "Not loaded:", reports, count, INGEST_NOT_REACHED);
    if (status == STATUS_OK) status = list_ways_on(&words, reports, count);
    if (status == STATUS_OK) cli_wrap(stderr, buffer_text(&words), 2);
    buffer_release(&words);
}

/* The folder of --data, else the playbook's own. */
static const char *data_folder(const struct cli *cli, char folder[4096]) {
    if (cli->data != NULL) return cli->data;
    const char *slash = cli->playbook != NULL ? strrchr(cli->playbook, '/') : NULL;
    if (slash == NULL) return ".";
    snprintf(folder, 4096, "%.*s", (int)(slash - cli->playbook), cli->playbook);
    return folder;
}

struct loading_job {
    struct engine *engine;
    struct engine_ingest_options options;
    struct engine_ingest_report *reports;
    size_t count;
};

static enum status load(void *context, struct work *work, struct error *error) {
    struct loading_job *job = context;
    job->options.work = work;
    return engine_ingest(job->engine, &job->options, &job->reports, &job->count, error);
}

int command_ingest(struct cli *cli) {
    char folder[4096];
    struct error error = {0};
    struct watch watch = {clock_monotonic_seconds()};
    struct engine *engine = cli_open(cli, cli->playbook != NULL, false);
    if (engine == NULL) return EXIT_FAILED;
    struct engine_ingest_options options = {
        .data_directory = data_folder(cli, folder),
        .source = cli->word_count > 0 ? cli->words[0] : cli->source,
        .paths = cli->words + 1,
        .path_count = cli->word_count > 1 ? cli->word_count - 1 : 0,
        .progress = cli->quiet ? NULL : show_progress,
        .context = &watch,
        .accept_corrections = cli->accept_corrections,
        .remaps = cli->remap,
    };
    struct loading_job job = {engine, options, NULL, 0};
    enum status status = cli_job(cli, "ingest", load, &job, &error);
    struct engine_ingest_report *reports = job.reports;
    size_t count = job.count;
    uint64_t holding_rows = 0;
    if (engine_hold_count(engine, &holding_rows, NULL) != STATUS_OK) holding_rows = 0;
    if (cli->json)
        print_reports_json(reports, count, holding_rows, &error);
    else if (count > 0)
        print_reports(engine, reports, count);
    print_notes(reports, count);
    say_holds(holding_rows);
    int code = status == STATUS_OK ? EXIT_OK : cli_fail(&error);
    bool stopped = false;
    for (size_t i = 0; i < count; i++) stopped |= reports[i].outcome == INGEST_FAILED;
    if (stopped && count > 1) say_how_to_go_on(reports, count);
    memory_free(reports);
    cli_close(engine);
    return code;
}

/* ---- data ---- */

#define USES_SHOWN 2

/* "trait a, trait b and 9 more"; --json has them all. */
static void uses_cell(struct cli_table *table, struct text used_by, const char *none) {
    uint32_t commas = 0, cut = used_by.length;
    for (uint32_t i = 0; i < used_by.length; i++) {
        if (used_by.at[i] == ',' && ++commas == USES_SHOWN) cut = i;
    }
    if (used_by.length == 0)
        cli_table_cell(table, "%s", none);
    else if (commas <= USES_SHOWN)
        cli_table_cell(table, "%.*s", TEXT_ARG(used_by));
    else
        cli_table_cell(table, "%.*s and %u more", (int)cut, used_by.at, commas + 1 - USES_SHOWN);
}

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
        uses_cell(&table, lookup->used_by, "nothing: dark");
    }
    cli_table_print(&table);
}

static void print_data(const struct data_report *report, uint64_t earlier) {
    struct cli_table table;
    cli_table_init(&table, "source|event and field|type|>count|>bytes|used by");
    for (size_t i = 0; i < report->field_count; i++) {
        const struct field_usage *field = &report->fields[i];
        cli_table_cell(&table, "%.*s", TEXT_ARG(field->source));
        if (field->field.length > 0)
            cli_table_cell(&table, "  %.*s", TEXT_ARG(field->field));
        else
            cli_table_cell(&table, "%.*s", TEXT_ARG(field->event));
        cli_table_cell(&table, "%s", field->field.length > 0 ? value_type_name(field->type) : "");
        cli_table_cell(&table, "%s", cli_count(field->count));
        cli_table_cell(&table, "%s", cli_bytes(field->bytes));
        uses_cell(&table, field->used_by, field->field.length > 0 ? "nothing: dark" : "");
    }
    cli_table_print(&table);
    if (report->lookup_count > 0) print_lookups(report);
    printf("\nclean  %s of %s, %s\n", cli_counted(report->event_count, "event"),
           cli_counted(report->customer_count, "customer"), cli_bytes(report->clean_bytes));
    if (earlier > 0)
        printf("past   %s of rows that were corrected since: views of before still see them\n",
               cli_counted(earlier, "version"));
    printf("dirty  %s in quarantine", cli_counted(report->dirty_rows, "row"));
    if (report->dirty_rows > report->dirty_entries)
        printf(" (as %s: those of one event wait together)",
               cli_counted(report->dirty_entries, "entry"));
    printf(", %s\n", cli_bytes(report->dirty_bytes));
    printf("dark   %s that nothing uses, %s\n", cli_counted(report->dark_fields, "field"),
           cli_bytes(report->dark_bytes));
    printf("disk   %s in all, compressed\n", cli_bytes(report->disk_bytes));
}

static void write_lookups(struct json_writer *writer, const struct data_report *report) {
    json_write_key(writer, "lookups");
    json_write_array_begin(writer);
    for (size_t i = 0; i < report->lookup_count; i++) {
        const struct lookup_usage *lookup = &report->lookups[i];
        json_write_object_begin(writer);
        json_member_text(writer, "lookup", lookup->name);
        json_member_count(writer, "rows", lookup->rows);
        json_member_count(writer, "bytes", lookup->bytes);
        json_member_count(writer, "versions", lookup->versions);
        json_member_text_or_null(writer, "used_by", lookup->used_by);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_fields(struct json_writer *writer, const struct data_report *report) {
    json_write_key(writer, "fields");
    json_write_array_begin(writer);
    for (size_t i = 0; i < report->field_count; i++) {
        const struct field_usage *field = &report->fields[i];
        json_write_object_begin(writer);
        json_member_text(writer, "source", field->source);
        json_member_text(writer, "event", field->event);
        json_member_text_or_null(writer, "field", field->field);
        json_member_text_or_null(writer, "type",
                                 field->field.length > 0 ? text_from(value_type_name(field->type))
                                                         : (struct text){0});
        json_member_count(writer, "count", field->count);
        json_member_count(writer, "bytes", field->bytes);
        json_member_text_or_null(writer, "used_by", field->used_by);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static int print_data_json(const struct data_report *report, uint64_t earlier) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_count(writer, "events", report->event_count);
    json_member_count(writer, "earlier_versions", earlier);
    json_member_count(writer, "customers", report->customer_count);
    json_member_count(writer, "personas", report->persona_count);
    json_member_count(writer, "clean_bytes", report->clean_bytes);
    json_member_count(writer, "dirty_rows", report->dirty_rows);
    json_member_count(writer, "dirty_entries", report->dirty_entries);
    json_member_count(writer, "dirty_bytes", report->dirty_bytes);
    json_member_count(writer, "dark_fields", report->dark_fields);
    json_member_count(writer, "dark_bytes", report->dark_bytes);
    json_member_count(writer, "disk_bytes", report->disk_bytes);
    write_fields(writer, report);
    write_lookups(writer, report);
    return cli_json_end(&json, stdout);
}

int command_data(struct cli *cli) {
    struct error error = {0};
    struct data_report report;
    uint64_t earlier = 0;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = engine_data_report(engine, NULL, &report, &error);
    if (status == STATUS_OK) status = store_earlier_versions(engine_store(engine), &earlier);
    if (status == STATUS_OK && cli->json)
        (void)print_data_json(&report, earlier);
    else if (status == STATUS_OK)
        print_data(&report, earlier);
    data_report_release(&report);
    cli_close(engine);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}
