/* SPDX-License-Identifier: Apache-2.0 */
/* The command `traits`: for one customer, or for all as a table. */
#include "cli/job.h"
#include "cli/out_file.h"
#include "cli/traits.h"
#include "profile/walk.h"

/* ---- of one ---- */

static bool is_shown(const struct trait *trait) {
    return !trait->of_treatment && !trait->is_segment;
}

static void print_trait(struct engine_view *view, const struct trait *trait, struct value value,
                        bool limited, int width) {
    struct buffer line;
    buffer_init(&line);
    enum status status = buffer_format(&line, "  %-*.*s  ", width, TEXT_ARG(trait->name));
    if (status == STATUS_OK) status = cli_value(&line, view->engine, value);
    if (status == STATUS_OK && limited)
        status = buffer_append_text(&line, trait->type == VALUE_MONEY
                                               ? TEXT(" (a limit was reached, or its amounts are "
                                                      "in several currencies)")
                                               : TEXT(" (a limit was reached)"));
    if (status == STATUS_OK) cli_wrap(stdout, buffer_text(&line), (uint32_t)width + 4);
    buffer_release(&line);
}

void traits_print(struct engine_view *view) {
    const struct playbook *playbook = engine_playbook(view->engine);
    const struct value *values = profile_at(view->profile, &view->timeline, view->t_ms);
    int width = 0;
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (is_shown(&playbook->traits[i]) && (int)playbook->traits[i].name.length > width)
            width = (int)playbook->traits[i].name.length;
    }
    printf("Traits\n");
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (is_shown(&playbook->traits[i]))
            print_trait(view, &playbook->traits[i], values[i],
                        profile_trait_limited(view->profile, i), width);
    }
    printf("Segments\n");
    uint32_t told = 0;
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        const struct trait *trait = &playbook->traits[i];
        if (trait->of_treatment || !trait->is_segment || values[i].type != VALUE_YES_NO ||
            !values[i].yes)
            continue;
        printf("  %.*s\n", TEXT_ARG(trait->name));
        told++;
    }
    for (uint32_t i = 0; i < playbook->scenario_count; i++) {
        struct value in = profile_eval(view->profile, playbook->scenarios[i].when);
        if (in.type != VALUE_YES_NO || !in.yes) continue;
        printf("  %.*s (scenario)\n", TEXT_ARG(playbook->scenarios[i].name));
        told++;
    }
    if (told == 0) printf("  none\n");
}

static int traits_of_one(struct cli *cli, struct engine *engine, int64_t t_ms) {
    struct error error = {0};
    struct engine_view view = {0};
    enum status status = engine_view_open(&view, engine, t_ms, &error);
    if (status == STATUS_OK) status = engine_view_read(&view, cli->words[0], 0, &error);
    int code = status == STATUS_OK ? EXIT_OK : cli_fail(&error);
    if (status == STATUS_OK && cli->json)
        code = cli_json_answer(&view, answer_traits);
    else if (status == STATUS_OK)
        traits_print(&view);
    engine_view_close(&view);
    return code;
}

/* ---- of all: CSV, or an object a line ---- */

struct trait_export {
    struct engine *engine;
    struct cli_out out;
    FILE *file;
    int64_t t_ms;
    uint64_t customers;
    uint64_t limited; /* of them with a trait that a limit left unknown */
};

static void export_value(FILE *file, struct value value) {
    struct buffer text;
    if (value.type == VALUE_UNKNOWN) return;
    buffer_init(&text);
    if (value.type == VALUE_TEXT)
        cli_csv(file, value.text);
    else if (value_print(value, &text) == STATUS_OK)
        cli_csv(file, buffer_text(&text));
    buffer_release(&text);
}

static enum status export_customer(void *state, struct walker *walker,
                                   const struct timeline *timeline, struct error *error) {
    struct trait_export *export = state;
    const struct playbook *playbook = engine_playbook(export->engine);
    const struct value *values = profile_at(walker->profile, timeline, export->t_ms);
    fprintf(export->file, "C%u", timeline->customer.value);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (playbook->traits[i].of_treatment) continue;
        fputc(',', export->file);
        export_value(export->file, values[i]);
    }
    export->customers++;
    export->limited += profile_limited(walker->profile);
    fputc('\n', export->file);
    return cli_out_check(&export->out, error);
}

static enum status export_csv(void *context, struct work *work, struct error *error) {
    struct trait_export *export = context;
    const struct playbook *playbook = engine_playbook(export->engine);
    fputs("customer", export->file);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (playbook->traits[i].of_treatment) continue;
        fputc(',', export->file);
        cli_csv(export->file, playbook->traits[i].name);
    }
    fputc('\n', export->file);
    void *parts[] = {export};
    struct walk_plan plan = {.data = engine_customer_data(export->engine),
                             .as_of = {export->t_ms, POSITION_NOW},
                             .threads = 1,
                             .visit = export_customer,
                             .parts = parts,
                             .work = work};
    work_step(work, "customers written", 0);
    return walk_customers(&plan, error);
}

static enum status export_lines(void *context, struct work *work, struct error *error) {
    struct trait_export *export = context;
    struct engine_view view = {0};
    work_step(work, "customers written", 0);
    enum status status = engine_view_open(&view, export->engine, export->t_ms, error);
    if (status == STATUS_OK) status = engine_view_walk(&view, error);
    while (status == STATUS_OK && (status = engine_view_next_read(&view, error)) == STATUS_OK) {
        struct buffer line;
        struct json_writer writer;
        buffer_init(&line);
        json_writer_init(&writer, &line, false);
        answer_traits(&view, &writer);
        status = writer.status;
        if (status == STATUS_OK) fprintf(export->file, "%.*s\n", (int)line.length, line.at);
        if (status == STATUS_OK) status = cli_out_check(&export->out, error);
        if (status == STATUS_OK) status = work_check(work, error);
        work_add(work, 1);
        export->customers++;
        export->limited += profile_limited(view.profile);
        buffer_release(&line);
    }
    engine_view_close(&view);
    return status == STATUS_END ? STATUS_OK : status;
}

static int told_all(const struct cli *cli, const struct trait_export *export) {
    if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        json_member_string(writer, "out", cli->out);
        json_member_count(writer, "customers", export->customers);
        json_member_count(writer, "customers_limited", export->limited);
        json_member_time(writer, "at", export->t_ms);
        return cli_json_end(&json, stdout);
    }
    printf("Wrote %s: %s as of %s\n", cli->out, cli_counted(export->customers, "customer"),
           cli_when(engine_playbook(export->engine), export->t_ms));
    return EXIT_OK;
}

static int traits_of_all(struct cli *cli, struct engine *engine, int64_t t_ms) {
    struct error error = {0};
    struct trait_export export = {.engine = engine, .t_ms = t_ms};
    enum status status = cli_out_open(&export.out, cli->out, &error);
    export.file = export.out.file;
    if (status == STATUS_OK)
        status = cli_job(cli, "traits", cli->json ? export_lines : export_csv, &export, &error);
    status = cli_out_finish(&export.out, status, &error);
    if (status != STATUS_OK) return cli_fail(&error);
    if (export.limited > 0)
        fprintf(stderr,
                "attune: warning: for %s a limit left traits unknown (attune traits CUSTOMER says "
                "which)\n",
                cli_counted(export.limited, "customer"));
    return cli->out != NULL ? told_all(cli, &export) : EXIT_OK;
}

int command_traits(struct cli *cli) {
    int64_t t_ms;
    int code = EXIT_FAILED;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    if (cli_at(cli, engine, &t_ms))
        code = (cli->word_count > 0 ? traits_of_one : traits_of_all)(cli, engine, t_ms);
    cli_close(engine);
    return code;
}
