/* SPDX-License-Identifier: Apache-2.0 */
/* customer, traits, unmerge, erase: one customer, seen whole; and the traits of all. */
#include <unistd.h>

#include "cli/cli.h"
#include "engine/answer.h"
#include "profile/walk.h"

#define EVENTS_SHOWN 40

/* ---- customer ---- */

static void print_identifier(void *context, struct identifier_id identifier, uint32_t type, struct text value) {
    (void)identifier;
    struct engine *engine = context;
    printf("  %.*s:%.*s\n", TEXT_ARG(symbol_text(engine_symbols(engine), SYMBOL_IDENTIFIER, type)), TEXT_ARG(value));
}

static void print_persona(void *context, struct persona_id persona, struct identifier_id anchor,
                          const struct identifier_id *identifiers, uint32_t count) {
    struct engine *engine = context;
    printf("  P%u:", persona.value);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type;
        struct text value = identity_identifier(engine_identity(engine), identifiers[i], &type);
        printf(" %.*s:%.*s%s", TEXT_ARG(symbol_text(engine_symbols(engine), SYMBOL_IDENTIFIER, type)), TEXT_ARG(value),
               identifiers[i].value == anchor.value && count > 1 ? " (anchor)" : "");
    }
    putchar('\n');
}

static void print_link(void *context, const struct identity_link *link) {
    struct engine *engine = context;
    struct buffer words;
    buffer_init(&words);
    if (identity_explain_link(engine_identity(engine), engine_symbols(engine), link, &words) == STATUS_OK) {
        printf("  %.*s; by %.*s, weight %g, known %s\n", (int)words.length, words.at,
               TEXT_ARG(symbol_text(engine_symbols(engine), SYMBOL_SOURCE, link->source)), (double)link->weight, cli_day(link->known_ms));
    }
    buffer_release(&words);
}

static void print_who(struct answering *view) {
    printf("Customer C%u as known at %s\n\nIdentifiers, personas and links as known now\n", view->timeline.customer.value, cli_day(view->t_ms));
    struct identity_visitor identifiers = {.identifier = print_identifier, .context = view->engine};
    struct identity_visitor personas = {.persona = print_persona, .context = view->engine};
    struct identity_visitor links = {.link = print_link, .context = view->engine};
    if (identity_describe(engine_identity(view->engine), view->timeline.customer, &identifiers) != STATUS_OK) return;
    printf("Personas\n");
    if (identity_describe(engine_identity(view->engine), view->timeline.customer, &personas) != STATUS_OK) return;
    printf("Links\n");
    if (identity_describe(engine_identity(view->engine), view->timeline.customer, &links) != STATUS_OK) return;
}

static void print_value(struct value value) {
    struct buffer text;
    buffer_init(&text);
    if (value.type == VALUE_NUMBER) printf("%.6g", value.number);
    else if (value_print(value, &text) == STATUS_OK) printf("%.*s", (int)text.length, text.at);
    buffer_release(&text);
}

static void print_traits(struct answering *view) {
    const struct playbook *playbook = engine_playbook(view->engine);
    const struct value *values = profile_at(view->profiler, &view->timeline, view->t_ms);
    printf("Traits\n");
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        const struct trait *trait = &playbook->traits[i];
        if (trait->of_treatment || trait->is_segment) continue;
        printf("  %-24.*s ", TEXT_ARG(trait->name));
        print_value(values[i]);
        putchar('\n');
    }
    printf("Segments\n");
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        const struct trait *trait = &playbook->traits[i];
        if (trait->is_segment && values[i].type == VALUE_YES_NO && values[i].yes) printf("  %.*s\n", TEXT_ARG(trait->name));
    }
    for (uint32_t i = 0; i < playbook->scenario_count; i++) {
        struct value in = profile_eval(view->profiler, playbook->scenarios[i].when);
        if (in.type == VALUE_YES_NO && in.yes) printf("  %.*s (scenario)\n", TEXT_ARG(playbook->scenarios[i].name));
    }
}

static void print_event(const struct answering *view, uint32_t row) {
    const struct timeline *timeline = &view->timeline;
    const struct symbols *symbols = engine_symbols(view->engine);
    struct packed_reader reader;
    struct text packed;
    char time[32];
    uint32_t property;
    struct value value;
    time_format(timeline->time_ms[row], time);
    printf("  %-20s  %-8.*s %.*s", time, TEXT_ARG(symbol_text(symbols, SYMBOL_CHANNEL, timeline->channel[row])),
           TEXT_ARG(symbol_text(symbols, SYMBOL_EVENT, timeline->type[row])));
    if (timeline->ops->packed(timeline, row, &packed) == STATUS_OK && packed_reader_init(&reader, packed) == STATUS_OK) {
        while (packed_next(&reader, &property, &value) == STATUS_OK) {
            printf("  %.*s=", TEXT_ARG(symbol_text(symbols, SYMBOL_PROPERTY, property)));
            print_value(value);
        }
    }
    putchar('\n');
}

static void print_timeline(const struct answering *view) {
    uint32_t count = view->timeline.count;
    uint32_t first = count > EVENTS_SHOWN ? count - EVENTS_SHOWN : 0;
    printf("Timeline: %u events%s\n", count, first > 0 ? ", the newest shown" : "");
    for (uint32_t row = first; row < count; row++) print_event(view, row);
}

int command_customer(struct cli *cli) {
    struct error error = {0};
    struct answering view = {0};
    int64_t t_ms;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    int code = EXIT_FAILED;
    if (cli_at(cli, engine, &t_ms)) {
        enum status status = answering_open(&view, engine, t_ms, &error);
        if (status == STATUS_OK) status = answering_read(&view, cli->words[0], TIMELINE_PACKED | TIMELINE_CHANNEL, &error);
        code = status == STATUS_OK ? EXIT_OK : cli_fail(&error);
        if (status == STATUS_OK && cli->json) {
            print_answer(&view, answer_customer);
        } else if (status == STATUS_OK) {
            print_who(&view);
            print_traits(&view);
            print_timeline(&view);
        }
        answering_close(&view);
    }
    engine_close(engine);
    return code;
}

/* ---- traits ---- */

struct trait_export { struct engine *engine; FILE *file; int64_t t_ms; uint64_t customers; };

static void export_value(FILE *file, struct value value) {
    struct buffer text;
    if (value.type == VALUE_UNKNOWN) return;
    if (value.type == VALUE_NUMBER) {
        fprintf(file, "%.17g", value.number);
        return;
    }
    buffer_init(&text);
    if (value.type == VALUE_TEXT) cli_csv(file, value.text);
    else if (value_print(value, &text) == STATUS_OK) cli_csv(file, buffer_text(&text));
    buffer_release(&text);
}

static enum status export_customer(void *state, struct walker *walker, const struct timeline *timeline, struct error *error) {
    struct trait_export *export = state;
    const struct playbook *playbook = engine_playbook(export->engine);
    const struct value *values = profile_at(walker->profiler, timeline, export->t_ms);
    fprintf(export->file, "C%u", timeline->customer.value);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (playbook->traits[i].of_treatment) continue;
        fputc(',', export->file);
        export_value(export->file, values[i]);
    }
    export->customers++;
    if (fputc('\n', export->file) == EOF) return error_set(error, STATUS_IO, "the traits could not be written; is the disk full?");
    return STATUS_OK;
}

static enum status export_all(struct trait_export *export, struct error *error) {
    const struct playbook *playbook = engine_playbook(export->engine);
    fputs("customer", export->file);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (playbook->traits[i].of_treatment) continue;
        fputc(',', export->file);
        cli_csv(export->file, playbook->traits[i].name);
    }
    fputc('\n', export->file);
    void *parts[] = {export};
    struct walk_plan plan = {.world = engine_world(export->engine), .as_of = {export->t_ms, POSITION_NOW}, .threads = 1,
                             .visit = export_customer, .parts = parts};
    return walk_customers(&plan, error);
}

static int traits_of_all(struct cli *cli, struct engine *engine, int64_t t_ms) {
    struct error error = {0};
    struct trait_export export = {engine, stdout, t_ms, 0};
    if (cli->out != NULL) export.file = cli_create(cli->out);
    if (export.file == NULL) return cli_fail_text("cannot write %s; is its folder there, and yours to write?", cli->out);
    enum status status = export_all(&export, &error);
    bool written = cli->out == NULL || fclose(export.file) == 0;
    if (status != STATUS_OK) return cli_fail(&error);
    if (!written) return cli_fail_text("%s could not be written whole; is the disk full?", cli->out);
    if (cli->out != NULL) printf("Wrote %s: %s customers as of %s\n", cli->out, cli_count(export.customers), cli_day(t_ms));
    return EXIT_OK;
}

int command_traits(struct cli *cli) {
    struct error error = {0};
    int64_t t_ms;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    int code = EXIT_FAILED;
    if (cli_at(cli, engine, &t_ms) && cli->word_count == 0) {
        code = traits_of_all(cli, engine, t_ms);
    } else if (cli->word_count > 0) {
        struct answering view = {0};
        enum status status = answering_open(&view, engine, t_ms, &error);
        if (status == STATUS_OK) status = answering_read(&view, cli->words[0], 0, &error);
        code = status == STATUS_OK ? EXIT_OK : cli_fail(&error);
        if (status == STATUS_OK) print_traits(&view);
        answering_close(&view);
    }
    engine_close(engine);
    return code;
}

/* ---- unmerge, erase ---- */

int command_unmerge(struct cli *cli) {
    struct error error = {0};
    struct engine_unmerged unmerged;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    struct text other = cli->word_count > 1 ? text_from(cli->words[1]) : (struct text){0};
    enum status status = engine_unmerge(engine, text_from(cli->words[0]), other, &unmerged, &error);
    if (status == STATUS_OK && other.length > 0) {
        printf("%s is C%u and %s is C%u%s\n", cli->words[0], unmerged.customer.value, cli->words[1], unmerged.other.value,
               unmerged.customer.value == unmerged.other.value ? ": other links still join them; attune customer shows which" : " now");
    } else if (status == STATUS_OK) {
        printf("%s is C%u now, without its links\n", cli->words[0], unmerged.customer.value);
    }
    engine_close(engine);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}

static bool confirmed(const struct cli *cli, struct customer_id customer) {
    char answer[8] = "";
    if (cli->yes) return true;
    if (!isatty(STDIN_FILENO)) {
        cli_fail_text("erasing can't be undone; say --yes to do it");
        return false;
    }
    fprintf(stderr, "Erase C%u for good? This can't be undone. Type yes: ", customer.value);
    return fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0;
}

int command_erase(struct cli *cli) {
    struct error error = {0};
    struct customer_id customer;
    struct erased_summary erased;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = engine_find_customer(engine, text_from(cli->words[0]), (struct as_of){INT64_MAX, POSITION_NOW}, &customer, &error);
    int code = EXIT_FAILED;
    if (status == STATUS_OK && confirmed(cli, customer)) {
        status = engine_erase(engine, customer, &erased, &error);
        if (status == STATUS_OK) {
            code = EXIT_OK;
            printf("Erased C%u: %s events, %s identifiers, %s quarantined rows, %s records; %s files rewritten, the log dropped.\n"
                   "Backups made before this moment still hold the customer: erase there too, or delete them.\n"
                   "Not reached: the files that were loaded or written out, lookups that list customers, other customers' events that name this one in a property (relations to it are gone).\n",
                   customer.value, cli_count(erased.events), cli_count(erased.identifiers), cli_count(erased.rows),
                   cli_count(erased.records), cli_count(erased.files));
        }
    }
    if (status != STATUS_OK) code = cli_fail(&error);
    engine_close(engine);
    return code;
}
