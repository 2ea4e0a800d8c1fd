/* SPDX-License-Identifier: Apache-2.0 */
/* The command `results`: what the holdout says we changed. */
#include <math.h>

#include "base/memory.h"
#include "cli/job.h"
#include "engine/answer/results.h"

struct experiment_outcome {
    struct result_experiment of;
    struct results results;
};
struct measuring {
    struct engine *engine;
    struct engine_results_options options;
    struct results results;
    struct experiment_outcome *experiments; /* each arm beside its first one */
    uint32_t experiment_count;
    uint32_t action; /* only this one's lines, or UINT32_MAX */
    int digits;      /* of percentages */
    bool one_goal;   /* all lines have the same: it needs no column */
};

/* ---- words ---- */

static void points(const struct measuring *measuring, char out[32], double value) {
    if (isnan(value))
        snprintf(out, 32, "unknown");
    else
        snprintf(out, 32, "%+.*f", measuring->digits, 100 * value);
}

static void points_cell(const struct measuring *measuring, struct cli_table *table, double low,
                        double high) {
    char from[32], to[32];
    points(measuring, from, low);
    points(measuring, to, high);
    if (isnan(low))
        cli_table_cell(table, "unknown");
    else
        cli_table_cell(table, "%s to %s", from, to);
}

static void money_cell(struct cli_table *table, const struct figure *figure) {
    if (isnan(figure->value))
        cli_table_cell(table, "unknown");
    else if (isnan(figure->low))
        cli_table_cell(table, "%.2f", figure->value);
    else if (isnan(figure->high))
        cli_table_cell(table, "%.2f (%.2f or more)", figure->value, figure->low);
    else
        cli_table_cell(table, "%.2f (%.2f to %.2f)", figure->value, figure->low, figure->high);
}

static void name_cell(struct cli_table *table, struct engine *engine,
                      const struct result_series *series) {
    const struct playbook *playbook = engine_playbook(engine);
    struct text channel =
        series->channel == SYMBOL_NONE
            ? TEXT("")
            : symbol_text(engine_symbols(engine), SYMBOL_CHANNEL, series->channel);
    switch (series->kind) {
    case RESULT_CHANNEL: cli_table_cell(table, "  by %.*s", TEXT_ARG(channel)); return;
    case RESULT_SCENARIO:
        cli_table_cell(table, "  in %.*s", TEXT_ARG(playbook->scenarios[series->scenario].name));
        return;
    case RESULT_ACTION:
        cli_table_cell(table, "  %.*s", TEXT_ARG(playbook->actions[series->action].name));
        return;
    case RESULT_ACTION_CHANNEL: cli_table_cell(table, "    by %.*s", TEXT_ARG(channel)); return;
    default: cli_table_cell(table, "  everything"); return; /* an experiment names its arms */
    }
}

/* What can be told; or how many are held out, and how many it takes. */
static void told_cell(struct cli_table *table, const struct result_cell *cell) {
    uint64_t held = cell->customers[LIFT_HOLDOUT];
    const char *joint = cell->joint ? "*" : "";
    switch (cell->verdict) {
    case RESULT_MORE: cli_table_cell(table, "more%s", joint); return;
    case RESULT_LESS: cli_table_cell(table, "less%s", joint); return;
    case RESULT_BAD_RATIO: cli_table_cell(table, "ratio off"); return;
    default: break;
    }
    bool is_open = cell->open[LIFT_HOLDOUT] + cell->open[LIFT_TREATED] > 0;
    if (held + cell->customers[LIFT_TREATED] == 0)
        cli_table_cell(table, "%s", is_open ? "too young" : "no decision");
    else if (isfinite(cell->needed) && cell->needed > (double)held)
        cli_table_cell(table, "%s of %s", cli_count(held), cli_count((uint64_t)ceil(cell->needed)));
    else if (cell->verdict == RESULT_TOO_EARLY)
        cli_table_cell(table, "too few goals");
    else
        cli_table_cell(table, "no difference");
}

/* ---- tables ---- */

static bool is_shown(const struct measuring *measuring, const struct result_line *line) {
    return measuring->action == UINT32_MAX || line->series.action == measuring->action;
}

static void goal_cell(const struct measuring *measuring, struct cli_table *table,
                      const struct result_line *line) {
    const struct playbook *playbook = engine_playbook(measuring->engine);
    if (!measuring->one_goal)
        cli_table_cell(table, "%.*s", TEXT_ARG(playbook->goals[line->series.goal].name));
}

static void rate_cells(const struct measuring *measuring, struct cli_table *table,
                       const struct result_cell *cell,
                       const struct figure figures[RESULT_FIGURES]) {
    const struct figure *lift = &figures[RESULT_LIFT];
    char value[32];
    cli_table_cell(table, "%s", cli_percent(figures[RESULT_RATE_TREATED].value, measuring->digits));
    cli_table_cell(table, "%s", cli_percent(figures[RESULT_RATE_HOLDOUT].value, measuring->digits));
    points(measuring, value, lift->value);
    cli_table_cell(table, "%s", value);
    points_cell(measuring, table, lift->low, lift->high);
    points_cell(measuring, table, lift->value - cell->always_rate, lift->value + cell->always_rate);
    told_cell(table, cell);
}

static void value_cells(const struct measuring *measuring, struct cli_table *table,
                        const struct result_cell *cell,
                        const struct figure figures[RESULT_FIGURES]) {
    const struct figure *goals = &figures[RESULT_GOALS];
    (void)measuring, (void)cell;
    if (isnan(goals->value))
        cli_table_cell(table, "unknown");
    else
        cli_table_cell(table, "%.0f (%.0f to %.0f)", goals->value, goals->low, goals->high);
    money_cell(table, &figures[RESULT_VALUE_LIFT]);
    if (isnan(figures[RESULT_COST].value))
        cli_table_cell(table, "unknown");
    else
        cli_table_cell(table, "%.2f", figures[RESULT_COST].value);
    money_cell(table, &figures[RESULT_COST_PER_GOAL]);
}

/* A line for each series that is shown; behind its name, and its goal where there are several, the
 * cells. */
static void print_lines(const struct measuring *measuring, const char *headings,
                        void (*cells)(const struct measuring *, struct cli_table *,
                                      const struct result_cell *, const struct figure *)) {
    const struct results *results = &measuring->results;
    struct cli_table table;
    char all[160];
    snprintf(all, sizeof all, "  of%s|%s", measuring->one_goal ? "" : "|goal", headings);
    cli_table_init(&table, all);
    for (uint32_t i = 0; i < results->line_count; i++) {
        const struct result_line *line = &results->lines[i];
        struct figure figures[RESULT_FIGURES];
        if (!is_shown(measuring, line)) continue;
        result_figures(results, engine_playbook(measuring->engine), &line->all, figures);
        name_cell(&table, measuring->engine, &line->series);
        goal_cell(measuring, &table, line);
        cells(measuring, &table, &line->all, figures);
    }
    cli_table_print(&table);
}

static void print_values(const struct measuring *measuring) {
    char currency[4];
    currency_to_text(engine_playbook(measuring->engine)->currency, currency);
    printf("\nAdditional goals, value and cost in %s (95 %% of one look)\n", currency);
    print_lines(measuring, "more goals|value each|>cost each|cost per goal", value_cells);
}

/* Of everything together, and of one action where it was asked for. */
static bool has_months(const struct measuring *measuring, const struct result_line *line) {
    return measuring->action == UINT32_MAX ? line->series.kind == RESULT_OVERALL
                                           : line->series.action == measuring->action;
}

static void print_months_of(const struct measuring *measuring, const struct result_line *line) {
    const struct results *results = &measuring->results;
    const struct playbook *playbook = engine_playbook(measuring->engine);
    struct cli_table table;
    putchar('\n');
    const struct result_series *series = &line->series;
    struct text name =
        series->action == UINT32_MAX ? TEXT("Everything") : playbook->actions[series->action].name;
    cli_say(stdout, "%.*s", TEXT_ARG(name));
    if (series->channel != SYMBOL_NONE)
        cli_say(stdout, " by %.*s",
                TEXT_ARG(symbol_text(engine_symbols(measuring->engine), SYMBOL_CHANNEL,
                                     series->channel)));
    cli_say(stdout, ", by month of the first decision; goal %.*s\n",
            TEXT_ARG(playbook->goals[series->goal].name));
    cli_table_init(&table, "  month|>treated|>held|>lift|one look|any look|told");
    for (uint32_t m = 0; m < results->month_count; m++) {
        const struct result_cell *cell = &line->months[m];
        struct figure figures[RESULT_FIGURES];
        if (cell->ratio.n == 0) continue;
        result_figures(results, playbook, cell, figures);
        cli_table_cell(&table, "  %.7s", cli_when(playbook, cell->from_ms));
        rate_cells(measuring, &table, cell, figures);
    }
    cli_table_print(&table);
}

/* ---- experiments ---- */

static void told_left_out(uint64_t count, const char *singular, const char *why) {
    if (count > 0) cli_wrap_format(2, "  %s %s", cli_counted(count, singular), why);
}

static void arm_cells(const struct measuring *measuring, struct cli_table *table,
                      const struct experiment_outcome *outcome) {
    const struct playbook *playbook = engine_playbook(measuring->engine);
    const struct experiment *experiment = &playbook->experiments[outcome->of.experiment];
    const struct result_cell *all = &outcome->results.lines[0].all;
    struct figure figures[RESULT_FIGURES];
    result_figures(&outcome->results, playbook, all, figures);
    cli_table_cell(table, "  %.*s: %.*s", TEXT_ARG(experiment->name),
                   TEXT_ARG(experiment->arms[outcome->of.arm].name));
    cli_table_cell(table, "%.*s", TEXT_ARG(playbook->goals[experiment->goal].name));
    rate_cells(measuring, table, all, figures);
}

static void print_experiments(const struct measuring *measuring) {
    struct cli_table table;
    if (measuring->experiment_count == 0) return;
    printf("\nExperiments: each arm beside its first one\n");
    cli_table_init(&table, "  arm|goal|>arm|>first|>lift|one look|any look|told");
    for (uint32_t i = 0; i < measuring->experiment_count; i++)
        if (measuring->experiments[i].results.line_count > 0)
            arm_cells(measuring, &table, &measuring->experiments[i]);
    cli_table_print(&table);
    for (uint32_t i = 0; i < measuring->experiment_count; i++) {
        const struct results *results = &measuring->experiments[i].results;
        told_left_out(results->share_unknown, "decision",
                      "left out: the playbook that declared the arms' shares is gone");
        told_left_out(results->under_other_salt, "decision",
                      "left out: made under another salt of the experiment");
    }
}

/* ---- around the tables ---- */

static void print_head(const struct measuring *measuring) {
    const struct results *results = &measuring->results;
    const struct playbook *playbook = engine_playbook(measuring->engine);
    const struct sample_ratio *ratio = &results->ratio;
    cli_wrap_format(0,
                    "What being decided for changed, as known at %s: those who were treated beside "
                    "the holdout (salt %s), whatever was then sent",
                    cli_when(playbook, results->at_ms), results->salt);
    cli_wrap_format(
        2,
        "  %s decided for, %s of them held out; %.0f were to be expected%s (chance of this or "
        "farther: %.3f).",
        cli_counted(ratio->n, "customer"), cli_count(ratio->in_arm), ratio->expected,
        sample_ratio_is_off(ratio) ? ", which is NOT as it was drawn: do not believe the figures"
                                   : "",
        sample_ratio_chance(ratio));
    putchar('\n');
}

static void print_found(const struct measuring *measuring, const struct result_line *line,
                        const struct result_cell *cell) {
    const struct playbook *playbook = engine_playbook(measuring->engine);
    char lift[32];
    points(measuring, lift, cell->rate.difference);
    struct text channel =
        symbol_text(engine_symbols(measuring->engine), SYMBOL_CHANNEL, line->series.channel);
    cli_say(stdout, "  %.*s by %.*s in %.7s: %s\n",
            TEXT_ARG(playbook->actions[line->series.action].name), TEXT_ARG(channel),
            cli_when(playbook, cell->from_ms), lift);
}

static void print_joint(const struct measuring *measuring) {
    const struct results *results = &measuring->results;
    if (results->joint_count == 0) return;
    putchar('\n');
    cli_wrap_format(0,
                    "Of %s by action, channel and month %s found at once; of such findings at most "
                    "%.0f %% are false, however often you look.",
                    cli_counted(results->joint_count, "line"),
                    results->found_joint == 0   ? "none is"
                    : results->found_joint == 1 ? "one is"
                                                : "these are",
                    100 * results->alpha);
    for (uint32_t i = 0; i < results->line_count; i++) {
        const struct result_line *line = &results->lines[i];
        bool leaf = line->series.action != UINT32_MAX && line->series.channel != SYMBOL_NONE;
        for (uint32_t m = 0; leaf && m < results->month_count; m++)
            if (line->months[m].joint) print_found(measuring, line, &line->months[m]);
    }
}

static void print_left_out(const struct measuring *measuring) {
    const struct results *results = &measuring->results;
    uint64_t open = 0, cut = 0, other = 0;
    for (uint32_t i = 0; i < results->line_count; i++) {
        const struct result_cell *all = &results->lines[i].all;
        if (results->lines[i].series.kind != RESULT_OVERALL) continue;
        open += all->open[LIFT_TREATED] + all->open[LIFT_HOLDOUT];
        cut += all->values_cut;
        other += all->values_left_out;
    }
    told_left_out(open, "row", "left out: too young, horizon or delay has not passed");
    told_left_out(cut, "value", "cut to the one below the largest hundredth");
    told_left_out(other, "goal", "counted without a value, which is in another currency");
    told_left_out(
        results->crossed, "customer",
        "with records of both arms (merged) counted in the first (lift_without_crossed in --json)");
    told_left_out(results->without_arm, "decision", "left out: made without a holdout");
    told_left_out(results->under_other_salt, "decision", "left out: made under another salt");
    told_left_out(results->share_unknown, "decision",
                  "left out: the playbook that declared their holdout's share is gone");
    told_left_out(results->earlier, "decision", "left out: before --from");
    told_left_out(results->unknown_actions, "message",
                  "left out: the playbook no longer has their action");
    told_left_out(results->cut_timelines, "customer", "cut: a limit dropped the oldest events");
}

static void print_legend(void) {
    putchar('\n');
    cli_wrap_format(
        0,
        "A lift is in points of 100. One look: the 95 %% interval for a look at a date that was "
        "fixed beforehand; any look: one that holds however often you look, once both arms have "
        "%d goals. Told: more or less at any look (with a star: also beside all other lines at "
        "once), or how many are held out (of an experiment: in the first arm) of about how many "
        "it takes to tell a difference of a fifth. Arms are compared, and attribution has no part "
        "in it.",
        SEQUENCE_GOALS_MIN);
}

static void print_why_nothing(const struct results *results) {
    if (results->decisions == 0)
        printf("Nothing has been decided and recorded yet.\n");
    else if (results->decisions == results->without_arm + results->under_other_salt)
        cli_wrap_format(0, "No decision was made under a holdout that the playbook declares now: "
                           "write holdout: { share: 5%% }.");
    else
        printf("No recorded decision offered an action that can be compared.\n");
}

static void print_results(const struct measuring *measuring) {
    const struct results *results = &measuring->results;
    if (results->line_count == 0) {
        print_why_nothing(results);
    } else {
        print_head(measuring);
        print_lines(measuring, ">treated|>held|>lift|one look|any look|told", rate_cells);
        print_values(measuring);
    }
    for (uint32_t i = 0; i < results->line_count; i++)
        if (has_months(measuring, &results->lines[i]))
            print_months_of(measuring, &results->lines[i]);
    print_joint(measuring);
    print_experiments(measuring);
    print_legend();
    print_left_out(measuring);
}

/* Small rates get more digits; a goal that all have in common no column. */
static void choose_form(struct measuring *measuring) {
    const struct results *results = &measuring->results;
    double largest = 0;
    measuring->one_goal = true;
    for (uint32_t i = 0; i < results->line_count; i++) {
        const struct result_line *line = &results->lines[i];
        for (int arm = 0; arm < LIFT_ARMS; arm++)
            if (line->all.rate.mean[arm] > largest) largest = line->all.rate.mean[arm];
        if (line->series.goal != results->lines[0].series.goal) measuring->one_goal = false;
    }
    measuring->digits = results->line_count > 0 && largest < .02 ? 2 : 1;
}

static void print_nothing(const struct measuring *measuring) {
    print_why_nothing(&measuring->results);
    print_left_out(measuring);
}

/* ---- the command ---- */

static enum status measure_experiments(struct measuring *measuring, struct error *error) {
    const struct playbook *playbook = engine_playbook(measuring->engine);
    uint32_t count = 0;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < playbook->experiment_count; i++)
        count += playbook->experiments[i].arm_count - 1;
    if (count == 0 || measuring->action != UINT32_MAX) return STATUS_OK;
    measuring->experiments = memory_calloc(count, sizeof *measuring->experiments);
    if (measuring->experiments == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->experiment_count; i++) {
        for (uint32_t arm = 1; arm < playbook->experiments[i].arm_count && status == STATUS_OK;
             arm++) {
            struct experiment_outcome *outcome =
                &measuring->experiments[measuring->experiment_count++];
            outcome->of = (struct result_experiment){i, arm};
            measuring->options.experiment = &outcome->of;
            status =
                engine_results(measuring->engine, &measuring->options, &outcome->results, error);
        }
    }
    return status;
}

static enum status measure(void *context, struct work *work, struct error *error) {
    struct measuring *measuring = context;
    measuring->options.work = work;
    enum status status =
        engine_results(measuring->engine, &measuring->options, &measuring->results, error);
    return status == STATUS_OK ? measure_experiments(measuring, error) : status;
}

static bool find_action(const struct cli *cli, struct measuring *measuring) {
    const struct playbook *playbook = engine_playbook(measuring->engine);
    struct text names[64];
    struct error error = {0};
    measuring->action = UINT32_MAX;
    if (cli->action == NULL) return true;
    measuring->action = playbook_action_find(playbook, text_from(cli->action));
    if (measuring->action != UINT32_MAX) return true;
    size_t count = playbook->action_count < 64 ? playbook->action_count : 64;
    for (size_t i = 0; i < count; i++) names[i] = playbook->actions[i].name;
    (void)!text_unknown(text_from(cli->action), "the playbook has no action", names, count, &error);
    cli_fail(&error);
    return false;
}

static int print_json(const struct measuring *measuring) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    results_write_members(&measuring->results, measuring->engine, measuring->action, writer);
    json_write_key(writer, "experiments");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < measuring->experiment_count; i++) {
        const struct experiment_outcome *outcome = &measuring->experiments[i];
        json_write_object_begin(writer);
        experiment_results_write_members(&outcome->results, &outcome->of, measuring->engine,
                                         writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    return cli_json_end(&json, stdout);
}

static int tell(struct cli *cli, struct measuring *measuring) {
    struct error error = {0};
    int code = EXIT_OK;
    enum status status = cli_job(cli, "results", measure, measuring, &error);
    if (status != STATUS_OK)
        code = cli_fail(&error);
    else if (cli->json)
        code = print_json(measuring);
    else if (measuring->results.line_count == 0 &&
             (measuring->experiment_count == 0 || measuring->results.decisions == 0))
        print_nothing(measuring);
    else {
        choose_form(measuring);
        print_results(measuring);
    }
    results_release(&measuring->results);
    for (uint32_t i = 0; i < measuring->experiment_count; i++)
        results_release(&measuring->experiments[i].results);
    memory_free(measuring->experiments);
    return code;
}

int command_results(struct cli *cli) {
    struct measuring measuring = {.engine = cli_open(cli, false, true)};
    int code = EXIT_FAILED;
    if (measuring.engine == NULL) return EXIT_FAILED;
    if (cli_at(cli, measuring.engine, &measuring.options.at_ms) &&
        cli_time(measuring.engine, "from", cli->from, TIME_ALWAYS, &measuring.options.from_ms) &&
        find_action(cli, &measuring))
        code = tell(cli, &measuring);
    cli_close(measuring.engine);
    return code;
}
