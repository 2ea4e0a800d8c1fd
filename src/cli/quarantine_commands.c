/* SPDX-License-Identifier: Apache-2.0 */
/* The command `quarantine`: rows that could not be loaded, why, and how to load them. */
#include <stdlib.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "ingest/live.h"

/* What came in a request, or as bytes, lies at no line of a file: such a row is named by its id,
 * since the line that it has within its request is the same for many. */
static bool has_place(struct text file) {
    return !text_equal(file, TEXT(INGEST_LIVE_NAME)) && !text_equal(file, TEXT(INGEST_BYTES_NAME));
}

#define PLACE_BYTES 256
static void write_place(char out[PLACE_BYTES], struct text file, uint64_t line, uint64_t id) {
    if (has_place(file))
        snprintf(out, PLACE_BYTES, "%.*s:%llu", TEXT_ARG(file), (unsigned long long)line);
    else
        snprintf(out, PLACE_BYTES, "%llu", (unsigned long long)id);
}

/* ---- list ---- */

#define REASONS_MAX 4096
struct reason {
    uint64_t rows, entries, first_id, first_line;
    uint32_t first_column;
    uint16_t source;
    char reason[200], file[200];
};
struct reasons {
    struct reason *items;
    size_t count;
    uint64_t beyond; /* rows */
    const struct engine *engine;
    const struct symbols *symbols;
    const char *source;
};

static bool add_reason(void *context, const struct stored_row *row) {
    struct reasons *reasons = context;
    struct text name = symbol_text(reasons->symbols, SYMBOL_SOURCE, row->source);
    if (reasons->source != NULL && !text_equal(name, text_from(reasons->source))) return true;
    uint64_t rows = engine_row_count(reasons->engine, row);
    for (size_t i = 0; i < reasons->count; i++) {
        struct reason *reason = &reasons->items[i];
        size_t length = strlen(reason->reason);
        size_t wanted = row->reason.length < sizeof reason->reason ? row->reason.length
                                                                   : sizeof reason->reason - 1;
        if (reason->source == row->source && length == wanted &&
            memcmp(reason->reason, row->reason.at, length) == 0) {
            reason->rows += rows;
            reason->entries++;
            return true;
        }
    }
    if (reasons->count == REASONS_MAX) {
        reasons->beyond += rows;
        return true;
    }
    struct reason *reason = &reasons->items[reasons->count++];
    *reason = (struct reason){.rows = rows,
                              .entries = 1,
                              .first_id = row->row_id,
                              .first_line = row->line,
                              .first_column = row->column,
                              .source = row->source};
    snprintf(reason->reason, sizeof reason->reason, "%.*s", TEXT_ARG(row->reason));
    snprintf(reason->file, sizeof reason->file, "%.*s", TEXT_ARG(row->file));
    return true;
}

static void print_reasons(const struct reasons *reasons) {
    struct cli_table table;
    char place[PLACE_BYTES];
    if (reasons->count == 0) {
        printf("Nothing is in quarantine.\n");
        return;
    }
    uint64_t rows = 0, entries = 0;
    for (size_t i = 0; i < reasons->count; i++) {
        rows += reasons->items[i].rows;
        entries += reasons->items[i].entries;
    }
    cli_table_init(&table, ">rows|source|first place|reason");
    for (size_t i = 0; i < reasons->count; i++) {
        const struct reason *reason = &reasons->items[i];
        cli_table_cell(&table, "%s", cli_count(reason->rows));
        cli_table_cell(&table, "%.*s",
                       TEXT_ARG(symbol_text(reasons->symbols, SYMBOL_SOURCE, reason->source)));
        write_place(place, text_from(reason->file), reason->first_line, reason->first_id);
        cli_table_cell(&table, "%s", place);
        cli_table_cell(&table, "%s", reason->reason);
    }
    cli_table_print(&table);
    if (reasons->beyond > 0)
        printf("and %s with further reasons\n", cli_counted(reasons->beyond, "row"));
    if (rows > entries)
        printf("The rows of one event wait together: %s, as %s\n", cli_counted(rows, "row"),
               cli_counted(entries, "entry"));
    write_place(place, text_from(reasons->items[0].file), reasons->items[0].first_line,
                reasons->items[0].first_id);
    cli_say(stdout, "One row as it came: attune quarantine show %s\n", place);
}

static void print_reasons_json(const struct reasons *reasons) {
    struct cli_json json;
    uint64_t rows = reasons->beyond;
    struct json_writer *writer = cli_json_begin(&json, true);
    for (size_t i = 0; i < reasons->count; i++) rows += reasons->items[i].rows;
    json_member_count(writer, "rows", rows);
    json_member_count(writer, "rows_beyond", reasons->beyond);
    json_write_key(writer, "reasons");
    json_write_array_begin(writer);
    for (size_t i = 0; i < reasons->count; i++) {
        const struct reason *reason = &reasons->items[i];
        json_write_object_begin(writer);
        json_member_count(writer, "rows", reason->rows);
        json_member_count(writer, "entries", reason->entries);
        json_member_text(writer, "source",
                         symbol_text(reasons->symbols, SYMBOL_SOURCE, reason->source));
        json_member_string(writer, "reason", reason->reason);
        json_member_count(writer, "first_id", reason->first_id);
        json_member_string(writer, "first_file", reason->file);
        json_member_count(writer, "first_line", reason->first_line);
        json_member_count(writer, "first_column", reason->first_column);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    cli_json_end(&json, stdout);
}

static int quarantine_list(struct cli *cli, struct engine *engine) {
    struct error error = {0};
    struct reasons reasons = {
        .engine = engine, .symbols = engine_symbols(engine), .source = cli->source};
    reasons.items = memory_calloc(REASONS_MAX, sizeof *reasons.items);
    if (reasons.items == NULL) return cli_fail_text("out of memory");
    enum status status = store_visit_rows(engine_store(engine), add_reason, &reasons, &error);
    if (status == STATUS_OK) (cli->json ? print_reasons_json : print_reasons)(&reasons);
    memory_free(reasons.items);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}

/* ---- show ---- */

/* What was asked for: FILE:LINE, where FILE may lack its folders, or the row's id. */
struct wanted {
    struct text file;
    int64_t line, id; /* -1: not asked by it */
    const char *source;
    const struct symbols *symbols;
    struct json_writer *json; /* NULL: the screen */
    uint32_t found;
};

static bool parse_wanted(const char *word, struct wanted *wanted) {
    struct text text = text_from(word);
    wanted->line = wanted->id = -1;
    if (text_to_int64(text, &wanted->id) == STATUS_OK && wanted->id >= 0) return true;
    const char *colon = strrchr(word, ':');
    wanted->id = -1;
    if (colon == NULL || text_to_int64(text_from(colon + 1), &wanted->line) != STATUS_OK ||
        wanted->line < 0)
        return false;
    wanted->file = (struct text){word, (uint32_t)(colon - word)};
    return wanted->file.length > 0;
}

static bool is_file(struct text path, struct text wanted) {
    if (path.length < wanted.length) return false;
    struct text end = {path.at + path.length - wanted.length, wanted.length};
    return text_equal(end, wanted) && (path.length == wanted.length || end.at[-1] == '/');
}

static bool is_wanted(const struct wanted *wanted, const struct stored_row *row) {
    if (wanted->source != NULL &&
        !text_equal(symbol_text(wanted->symbols, SYMBOL_SOURCE, row->source),
                    text_from(wanted->source)))
        return false;
    if (wanted->id >= 0) return row->row_id == (uint64_t)wanted->id;
    return row->line == (uint64_t)wanted->line && is_file(row->file, wanted->file);
}

static void write_row(struct json_writer *writer, const struct wanted *wanted,
                      const struct stored_row *row) {
    json_write_object_begin(writer);
    json_member_count(writer, "id", row->row_id);
    json_member_text(writer, "source", symbol_text(wanted->symbols, SYMBOL_SOURCE, row->source));
    json_member_text(writer, "file", row->file);
    json_member_count(writer, "line", row->line);
    json_member_count(writer, "column", row->column);
    json_member_text(writer, "reason", row->reason);
    json_member_text(writer, "raw", row->raw);
    json_write_object_end(writer);
}

static bool show_row(void *context, const struct stored_row *row) {
    struct wanted *wanted = context;
    if (!is_wanted(wanted, row)) return true;
    if (wanted->json != NULL) {
        write_row(wanted->json, wanted, row);
    } else {
        char place[PLACE_BYTES];
        write_place(place, row->file, row->line, row->row_id);
        cli_say(stdout, "%ssource  %.*s\nplace   %s", wanted->found > 0 ? "\n" : "",
                TEXT_ARG(symbol_text(wanted->symbols, SYMBOL_SOURCE, row->source)), place);
        if (has_place(row->file))
            cli_say(stdout, ":%u\n", row->column);
        else
            cli_say(stdout, " (it came as a %.*s)\n", TEXT_ARG(row->file));
        cli_wrap_format(8, "reason  %.*s", TEXT_ARG(row->reason));
        cli_say(stdout, "\n%.*s\n", TEXT_ARG(row->raw)); /* as it came */
    }
    wanted->found++;
    return wanted->id < 0;
}

static int quarantine_show(struct cli *cli, struct engine *engine) {
    struct error error = {0};
    struct wanted wanted = {.symbols = engine_symbols(engine), .source = cli->source};
    struct cli_json json;
    if (cli->word_count < 2 || !parse_wanted(cli->words[1], &wanted)) {
        return cli_fail_text("say which row: attune quarantine show FILE:LINE, such as "
                             "orders.csv:7, or a number (attune quarantine list tells places)");
    }
    struct json_writer *writer = cli_json_begin(&json, true);
    json_write_key(writer, "rows");
    json_write_array_begin(writer);
    wanted.json = cli->json ? writer : NULL;
    enum status status = store_visit_rows(engine_store(engine), show_row, &wanted, &error);
    json_write_array_end(writer);
    int code = EXIT_OK;
    if (status != STATUS_OK)
        code = cli_fail(&error);
    else if (wanted.found == 0)
        code = cli_fail_text("no row %s is in quarantine", cli->words[1]);
    if (code == EXIT_OK && cli->json) return cli_json_end(&json, stdout);
    buffer_release(&json.out);
    return code;
}

/* ---- drop ---- */

struct dropping {
    struct wanted wanted;
    struct buffer ids; /* uint64_t */
    bool placeless;    /* one of them has no place of its own in a file */
    enum status status;
};

static bool note_row(void *context, const struct stored_row *row) {
    struct dropping *dropping = context;
    if (!is_wanted(&dropping->wanted, row)) return true;
    dropping->placeless |= !has_place(row->file);
    dropping->status = buffer_append(&dropping->ids, &row->row_id, sizeof row->row_id);
    return dropping->status == STATUS_OK;
}

static int say_dropped(const struct cli *cli, uint64_t count) {
    if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        json_member_count(writer, "dropped", count);
        return cli_json_end(&json, stdout);
    }
    printf("Given up: %s. Where one of them held a person, that hold has ended.\n",
           cli_counted(count, "row"));
    return EXIT_OK;
}

static int quarantine_drop(struct cli *cli, struct engine *engine) {
    struct error error = {0};
    struct dropping dropping = {
        .wanted = {.symbols = engine_symbols(engine), .source = cli->source}};
    if (cli->word_count < 2 || !parse_wanted(cli->words[1], &dropping.wanted)) {
        return cli_fail_text("say which row: attune quarantine drop FILE:LINE, such as "
                             "orders.csv:7, or a number (attune quarantine list tells places)");
    }
    buffer_init(&dropping.ids);
    enum status status = store_visit_rows(engine_store(engine), note_row, &dropping, &error);
    size_t count = dropping.ids.length / sizeof(uint64_t);
    if (status == STATUS_OK) status = dropping.status;
    if (status == STATUS_OK && dropping.placeless && count > 1)
        status = error_set(&error, STATUS_INVALID,
                           "%s stands for %s, and nothing was dropped: name one by its number "
                           "(attune quarantine show %s tells it)",
                           cli->words[1], cli_counted(count, "row"), cli->words[1]);
    if (status == STATUS_OK && count > 0)
        status = engine_quarantine_drop(engine, (const uint64_t *)(const void *)dropping.ids.at,
                                        count, &error);
    buffer_release(&dropping.ids);
    if (status != STATUS_OK) return cli_fail(&error);
    return count > 0 ? say_dropped(cli, count)
                     : cli_fail_text("no row %s is in quarantine", cli->words[1]);
}

/* ---- replay ---- */

static int quarantine_replay(struct cli *cli, struct engine *engine) {
    struct error error = {0};
    struct replay_report report;
    enum status status = engine_quarantine_replay(engine, cli->source, &report, &error);
    if (status != STATUS_OK) return cli_fail(&error);
    if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        json_member_count(writer, "rows", report.rows);
        json_member_count(writer, "events", report.events);
        json_member_count(writer, "repeats", report.did.repeats);
        json_member_count(writer, "corrected", report.did.corrected);
        json_member_count(writer, "still_quarantined", report.still_quarantined);
        return cli_json_end(&json, stdout);
    }
    printf("Rows tried: %s. Events that came back: %s. ", cli_count(report.rows),
           cli_count(report.events));
    if (report.did.repeats > 0)
        printf("Repeats of rows that are stored: %s. ", cli_count(report.did.repeats));
    if (report.did.corrected > 0)
        printf("Corrections of rows that are stored: %s. ", cli_count(report.did.corrected));
    printf("Rows that stay in quarantine: %s\n", cli_count(report.still_quarantined));
    return EXIT_OK;
}

int command_quarantine(struct cli *cli) {
    static const struct {
        const char *name;
        int (*run)(struct cli *, struct engine *);
        bool writes;
    } verbs[] = {{"list", quarantine_list, false},
                 {"show", quarantine_show, false},
                 {"drop", quarantine_drop, true},
                 {"replay", quarantine_replay, true}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(cli->words[0], verbs[i].name) != 0) continue;
        struct engine *engine = cli_open(cli, false, !verbs[i].writes);
        if (engine == NULL) return EXIT_FAILED;
        int code = cli_knows_source(engine, cli->source) ? verbs[i].run(cli, engine) : EXIT_FAILED;
        cli_close(engine);
        return code;
    }
    fprintf(stderr, "attune: quarantine knows list, show, drop and replay, not %s\n",
            cli->words[0]);
    return EXIT_USAGE;
}
