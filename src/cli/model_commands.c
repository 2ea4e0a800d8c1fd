/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `scenarios`, `train` and `evaluate`. */
#include <math.h>

#include "base/memory.h"
#include "cli/job.h"
#include "cli/lifetimes.h"
#include "cli/model_shown.h"
#include "cli/models.h"
#include "cli/off_policy.h"
#include "cli/out_file.h"
#include "engine/answer/report_json.h"
#include "engine/model_versions.h"
#include "learn/learner.h"

#define STRONGEST 10

uint32_t cli_find_model(const struct playbook *playbook, const char *name) {
    if (name == NULL && playbook->model_count == 1) return 0;
    for (uint32_t i = 0; name != NULL && i < playbook->model_count; i++) {
        if (text_equal(playbook->models[i].name, text_from(name))) return i;
    }
    struct text names[64];
    size_t count = playbook->model_count < 64 ? playbook->model_count : 64;
    for (size_t i = 0; i < count; i++) names[i] = playbook->models[i].name;
    struct error error = {0};
    if (count == 0)
        cli_fail_text("the playbook has no models");
    else if (name == NULL)
        cli_fail_text("say which model; the playbook has %zu, the first is %.*s", count,
                      TEXT_ARG(names[0]));
    else if (text_unknown(text_from(name), "the playbook has no model", names, count, &error) !=
             STATUS_OK)
        cli_fail(&error);
    return UINT32_MAX;
}

/* ---- scenarios ---- */

static void print_scenarios(const struct playbook *playbook, const struct scenario_result *results,
                            size_t count) {
    struct cli_table table;
    cli_table_init(
        &table, "scenario|goal|>customers|>inside|(95 % interval)|>others|>index|(95 % interval)");
    for (size_t i = 0; i < count; i++) {
        const struct scenario_result *result = &results[i];
        cli_table_cell(&table, "%.*s", TEXT_ARG(playbook->scenarios[result->scenario].name));
        cli_table_cell(&table, "%.*s", TEXT_ARG(playbook->goals[result->goal].name));
        cli_table_cell(&table, "%s", cli_count(result->customers_inside));
        cli_table_cell(&table, "%s", cli_percent(result->rate_inside.value, 2));
        if (isnan(result->rate_inside.low))
            cli_table_cell(&table, "unknown");
        else
            cli_table_cell(&table, "%.1f to %.1f %%", 100 * result->rate_inside.low,
                           100 * result->rate_inside.high);
        cli_table_cell(&table, "%s", cli_percent(result->rate_outside.value, 2));
        if (isnan(result->index.value))
            cli_table_cell(&table, "unknown");
        else
            cli_table_cell(&table, "%.2f", result->index.value);
        if (isnan(result->index.value))
            cli_table_cell(&table, "too few goals to say");
        else
            cli_table_cell(&table, "%.2f to %.2f", result->index.low, result->index.high);
    }
    cli_table_print(&table);
    if (count == 0) return;
    putchar('\n');
    cli_wrap_format(
        0,
        "Customers active within the last %s, at %s from %.10s to %.10s; each counts once a date, "
        "and "
        "the customers told were inside at one date or more. Inside and others are shares that "
        "reach the goal; the others' is standardised by date: each date has the weight that it has "
        "inside. An index compares the two, it proves no cause.",
        cli_counted((uint64_t)(playbook->landmarks.active_within_ms / TIME_DAY_MS), "day"),
        cli_counted(results[0].landmark_count, "date"),
        cli_when(playbook, results[0].first_landmark_ms),
        cli_when(playbook, results[0].last_landmark_ms));
    uint64_t limited = 0;
    for (size_t i = 0; i < count; i++) limited += results[i].rows_limited;
    if (limited > 0)
        cli_wrap_format(0,
                        "%s left out: a limit (docs/language.md) made it unknown whether they are "
                        "inside.",
                        cli_counted(limited, "row"));
}

static int print_scenarios_json(const struct playbook *playbook, int64_t now_ms,
                                const struct scenario_result *results, size_t count) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_time(writer, "at", now_ms);
    json_member_integer(writer, "active_within_ms", playbook->landmarks.active_within_ms);
    json_write_key(writer, "scenarios");
    scenarios_write_json(playbook, results, count, writer);
    return cli_json_end(&json, stdout);
}

struct measuring {
    struct engine *engine;
    int64_t now_ms;
    struct scenario_result *results;
    size_t count;
};

static enum status measure_scenarios(void *context, struct work *work, struct error *error) {
    struct measuring *measuring = context;
    struct scenario_options options = {
        .now_ms = measuring->now_ms, .threads = engine_threads(measuring->engine), .work = work};
    return scenario_measure(engine_customer_data(measuring->engine), &options, &measuring->results,
                            &measuring->count, error);
}

int command_scenarios(struct cli *cli) {
    struct error error = {0};
    struct measuring measuring = {0};
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    if (!cli_at(cli, engine, &measuring.now_ms)) {
        cli_close(engine);
        return EXIT_FAILED;
    }
    measuring.engine = engine;
    enum status status = cli_job(cli, "scenarios", measure_scenarios, &measuring, &error);
    const struct playbook *playbook = engine_playbook(engine);
    if (status == STATUS_OK && cli->json)
        (void)print_scenarios_json(playbook, measuring.now_ms, measuring.results, measuring.count);
    else if (status == STATUS_OK && measuring.count == 0)
        printf("The playbook has no scenarios.\n");
    else if (status == STATUS_OK)
        print_scenarios(playbook, measuring.results, measuring.count);
    memory_free(measuring.results);
    cli_close(engine);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}

/* ---- train ---- */

void cli_print_interval(const char *name, const struct interval *interval, const char *format) {
    char text[3][32];
    const double values[] = {interval->value, interval->low, interval->high};
    for (size_t i = 0; i < 3; i++) {
        if (isnan(values[i]))
            snprintf(text[i], sizeof text[i], "unknown");
        else
            snprintf(text[i], sizeof text[i], "%.*f", format[0] - '0', values[i]);
    }
    printf("  %-20s %s  (%s to %s)\n", name, text[0], text[1], text[2]);
}

static void print_metrics(const struct model_metrics *metrics) {
    cli_wrap_format(23, "  %-20s %s of %s, of which %s reached the goal (%s)", "treatments",
                    cli_count(metrics->rows), cli_counted(metrics->groups, "customer"),
                    cli_count(metrics->yes), cli_percent(metrics->base_rate.value, 1));
    cli_print_interval("AUC", &metrics->auc, "3");
    cli_print_interval("log loss", &metrics->log_loss, "3");
    cli_print_interval("calibration error", &metrics->calibration_error, "3");
    cli_print_interval("top-tenth gain", &metrics->top_tenth_gain, "2");
}

static void print_strongest(const struct playbook *playbook, const struct model *model) {
    struct model_reason strongest[STRONGEST];
    uint32_t count = model_importance(model, strongest, STRONGEST);
    struct cli_table table;
    if (count == 0) return;
    printf("Strongest reasons (mean effect on the log-odds)\n");
    cli_table_init(&table, ">effect|feature|says");
    for (uint32_t i = 0; i < count && i < STRONGEST; i++) {
        struct text name = model_feature(model, strongest[i].feature).name,
                    says = model_says(playbook, name);
        cli_table_cell(&table, "%.3f", strongest[i].log_odds);
        if (strongest[i].with == MODEL_ALONE) {
            cli_table_cell(&table, "%.*s", TEXT_ARG(name));
            cli_table_cell(&table, "%.*s", TEXT_ARG(says.length > 0 ? says : TEXT("")));
        } else {
            cli_table_cell(&table, "%.*s and %.*s", TEXT_ARG(name),
                           TEXT_ARG(model_feature(model, strongest[i].with).name));
            cli_table_cell(&table, "what both say together");
        }
    }
    cli_table_print(&table);
}

/* Prints which events are no rows, and why; nothing where every event is one. */
static void print_left_out(struct engine *engine, uint32_t rule,
                           const struct trainer_counts *counts) {
    const struct model_rule *model = &engine_playbook(engine)->models[rule];
    struct buffer words;
    buffer_init(&words);
    if (trainer_left_out_words(engine_customer_data(engine), model, counts, &words) == STATUS_OK &&
        words.length > 0)
        cli_wrap_format(
            2, "Of %s %.*s in that time, %s rows.%.*s", cli_count(counts->events),
            TEXT_ARG(symbol_text(engine_symbols(engine), SYMBOL_EVENT, model->event_type)),
            cli_count(counts->rows), TEXT_ARG(buffer_text(&words)));
    buffer_release(&words);
}

static void write_trained(struct json_writer *writer, const struct playbook *playbook,
                          const struct model_entry *entry, bool stands_by,
                          const struct trainer_counts *counts) {
    struct model_reason strongest[STRONGEST];
    const struct model_facts *facts = model_facts(entry->model);
    uint32_t count = model_importance(entry->model, strongest, STRONGEST);
    json_write_object_begin(writer);
    json_member_text(writer, "model", entry->name);
    json_member_count(writer, "version", entry->version);
    json_member_string(writer, "learner", learner_of(facts->kind)->name);
    json_member_count(writer, "trees", facts->tree_count);
    json_member_yes_no(writer, "stands_by", stands_by);
    json_member_time(writer, "learnt_until", entry->until_ms);
    json_write_key(writer, "learnt_from");
    counts_write_json(counts, writer);
    json_write_key(writer, "figures");
    json_write_object_begin(writer);
    json_member_string(writer, "from", model_figures_text(facts->basis));
    json_member_string(writer, "basis", model_basis_text(facts->basis));
    metrics_write_json(model_rolling_metrics(entry->model), entry->until_ms, writer);
    json_write_object_end(writer);
    json_write_key(writer, "training");
    model_shown_write_json(playbook, entry->model, writer);
    json_write_key(writer, "strongest");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < count && i < STRONGEST; i++) {
        struct text name = model_feature(entry->model, strongest[i].feature).name;
        json_write_object_begin(writer);
        json_member_text(writer, "feature", name);
        if (strongest[i].with == MODEL_ALONE)
            json_member_null(writer, "with");
        else
            json_member_text(writer, "with", model_feature(entry->model, strongest[i].with).name);
        json_member_number(writer, "log_odds", strongest[i].log_odds);
        json_member_text_or_null(writer, "says", model_says(playbook, name));
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_write_object_end(writer);
}

struct training_job {
    struct engine *engine;
    uint32_t rule;
    int64_t until_ms;
    bool stands_by; /* as a challenger, learnt by `kind` */
    enum model_kind kind;
    struct model_entry entry;
    struct model_version *challenger; /* held; the entry is then of it */
    struct trainer_counts counts;
};

static enum status train_model(void *context, struct work *work, struct error *error) {
    struct training_job *training = context;
    if (training->stands_by) {
        enum status status = engine_train_challenger(
            training->engine, training->rule, training->kind, training->until_ms, work,
            &training->challenger, &training->counts, error);
        const struct model_version *made = training->challenger;
        if (status == STATUS_OK)
            training->entry = (struct model_entry){text_from(made->name), made->version,
                                                   made->trained_ms, made->until_ms, made->model};
        return status;
    }
    return engine_train(training->engine, training->rule, training->until_ms, work,
                        &training->entry, &training->counts, error);
}

/* What a challenger is, and what to do with it. */
static void print_challenger(struct engine *engine, const struct training_job *training) {
    const struct model_entry *entry = &training->entry;
    const struct model_facts *facts = model_facts(entry->model);
    struct model_entry now;
    if (facts->kind == MODEL_TREES && facts->tree_count == 0)
        cli_wrap_format(2, "No tree helps on customers that it has not seen, so it has none: it is "
                           "the additive model.");
    else if (facts->kind == MODEL_TREES)
        cli_wrap_format(2, "It has %s on top of the additive model.",
                        cli_counted(facts->tree_count, "tree"));
    cli_wrap_format(2,
                    "It stands by and decides nothing yet. Once treatments that it has not seen "
                    "have matured, attune promote %.*s@%u compares it with the model in force.",
                    TEXT_ARG(entry->name), entry->version);
    if (engine_model(engine, training->rule, &now) == NULL)
        cli_wrap_format(2, "No version of %.*s is in force.", TEXT_ARG(entry->name));
    else
        cli_wrap_format(2, "%.*s@%u is in force.", TEXT_ARG(now.name), now.version);
}

static void print_trained(struct engine *engine, const struct training_job *training) {
    const struct playbook *playbook = engine_playbook(engine);
    const struct model_entry *entry = &training->entry;
    enum model_basis basis = model_facts(entry->model)->basis;
    printf("Trained %.*s@%u on %s that had matured by %s\n", TEXT_ARG(entry->name), entry->version,
           cli_counted(training->counts.rows, "treatment"), cli_when(playbook, training->until_ms));
    if (training->stands_by) print_challenger(engine, training);
    print_left_out(engine, training->rule, &training->counts);
    model_shown_print(entry->model);
    printf("On %s (95 %% intervals by customer)\n", model_figures_text(basis));
    print_metrics(model_rolling_metrics(entry->model));
    print_strongest(playbook, entry->model);
}

/* `writer`: NULL for the screen. */
static int train_one(const struct cli *cli, struct engine *engine, uint32_t rule, int64_t until_ms,
                     struct json_writer *writer) {
    struct error error = {0};
    char name[96];
    struct training_job training = {
        .engine = engine, .rule = rule, .until_ms = until_ms, .stands_by = cli->challenger != NULL};
    const struct playbook *playbook = engine_playbook(engine);
    snprintf(name, sizeof name, "training %.*s", TEXT_ARG(playbook->models[rule].name));
    enum status status = STATUS_OK;
    if (training.stands_by)
        status = learner_named(text_from(cli->challenger), &training.kind, &error);
    if (status == STATUS_OK) status = cli_job(cli, name, train_model, &training, &error);
    if (status != STATUS_OK) return cli_fail(&error);
    if (writer != NULL)
        write_trained(writer, playbook, &training.entry, training.stands_by, &training.counts);
    else
        print_trained(engine, &training);
    model_version_drop(training.challenger);
    return EXIT_OK;
}

/* The lifetime models first: traits read them, and models learn from traits. */
static int train_lifetimes(const struct cli *cli, struct engine *engine, int64_t until_ms,
                           struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(engine);
    int code = EXIT_OK;
    bool is_one = cli->word_count > 0 && cli_lifetime_find(playbook, cli->words[0]) != UINT32_MAX;
    if (cli->challenger != NULL && is_one)
        return cli_fail_text("%s is a lifetime model, which has no challengers; leave --challenger "
                             "out",
                             cli->words[0]);
    if (cli->challenger != NULL) return EXIT_OK; /* nothing in force is trained again */
    for (uint32_t i = 0; i < playbook->lifetime_count && code == EXIT_OK; i++) {
        bool is_asked = cli->word_count == 0 ||
                        text_equal(playbook->lifetimes[i].name, text_from(cli->words[0]));
        if (is_asked) code = cli_lifetime_train(cli, engine, i, until_ms, writer);
    }
    return code;
}

static int train_models(const struct cli *cli, struct engine *engine, int64_t until_ms,
                        struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(engine);
    if (cli->word_count > 0) {
        if (cli_lifetime_find(playbook, cli->words[0]) != UINT32_MAX) return EXIT_OK;
        uint32_t rule = cli_find_model(playbook, cli->words[0]);
        return rule != UINT32_MAX ? train_one(cli, engine, rule, until_ms, writer) : EXIT_FAILED;
    }
    if (playbook->model_count == 0 && playbook->lifetime_count == 0)
        return cli_fail_text("the playbook has no models");
    int code = EXIT_OK;
    for (uint32_t i = 0; i < playbook->model_count && code == EXIT_OK; i++)
        code = train_one(cli, engine, i, until_ms, writer);
    return code;
}

/* `writer`: NULL for the screen. */
static int train(const struct cli *cli, struct engine *engine, int64_t until_ms,
                 struct json_writer *writer) {
    if (writer != NULL) {
        json_write_key(writer, "lifetimes");
        json_write_array_begin(writer);
    }
    int code = train_lifetimes(cli, engine, until_ms, writer);
    if (writer != NULL) {
        json_write_array_end(writer);
        json_write_key(writer, "models");
        json_write_array_begin(writer);
    }
    if (code == EXIT_OK) code = train_models(cli, engine, until_ms, writer);
    if (writer != NULL) json_write_array_end(writer);
    return code;
}

int command_train(struct cli *cli) {
    int64_t until_ms = 0;
    struct cli_json json;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    int code = EXIT_FAILED;
    struct json_writer *writer = cli_json_begin(&json, true);
    bool ok = cli_until(cli, engine, &until_ms);
    if (ok) code = train(cli, engine, until_ms, cli->json ? writer : NULL);
    code = cli_json_conclude(cli, &json, code);
    cli_close(engine);
    return code;
}

/* ---- evaluate ---- */

static void print_pair(const char *name, double theirs, double ours, int digits) {
    if (isnan(theirs) || isnan(ours)) /* of one outcome alone */
        printf("  %-20s unknown\n", name);
    else
        printf("  %-20s %.*f, ours %.*f\n", name, digits, theirs, digits, ours);
}

static void print_evaluation(struct engine *engine, uint32_t rule,
                             const struct evaluation *evaluation) {
    struct model_entry entry;
    (void)engine_model(engine, rule, &entry);
    printf("%.*s@%u, learnt until %s, on treatments that it never saw\n", TEXT_ARG(entry.name),
           entry.version, cli_when(engine_playbook(engine), entry.until_ms));
    print_metrics(&evaluation->metrics);
    if (evaluation->learnt_count > 0)
        printf("  left out, since the model has learnt from them: %s\n",
               cli_counted(evaluation->learnt_count, "earlier treatment"));
    if (!evaluation->compared) return;
    printf("Against %s, on the %s that both have\n", evaluation->against_name,
           cli_counted(evaluation->compared_count, "treatment"));
    print_pair("AUC", evaluation->against.auc.value, evaluation->ours_there.auc.value, 3);
    print_pair("log loss", evaluation->against.log_loss.value,
               evaluation->ours_there.log_loss.value, 3);
    print_pair("top-tenth gain", evaluation->against.top_tenth_gain.value,
               evaluation->ours_there.top_tenth_gain.value, 2);
    cli_print_interval("AUC difference", &evaluation->auc_difference, "4");
}

static enum status write_rows(const struct evaluation *evaluation, const char *path,
                              struct error *error) {
    struct cli_out out;
    enum status status = cli_out_open(&out, path, error);
    if (status != STATUS_OK) return status;
    FILE *file = out.file;
    fputs("treatment,customer,time,reached,prediction\n", file);
    for (size_t i = 0; i < evaluation->count; i++) {
        char time[32];
        time_format(evaluation->ids[i].t_ms + 1, time);
        cli_csv(file, evaluation->ids[i].treatment->key);
        fprintf(file, ",C%u,%s,%d,%.6f\n", evaluation->ids[i].customer.value, time,
                evaluation->yes[i], evaluation->propensity[i]);
    }
    return cli_out_finish(&out, STATUS_OK, error);
}

struct evaluating {
    struct engine *engine;
    struct evaluate_options options;
    struct evaluation *out;
};

static enum status evaluate_model(void *context, struct work *work, struct error *error) {
    struct evaluating *evaluating = context;
    evaluating->options.work = work;
    return engine_evaluate(evaluating->engine, &evaluating->options, evaluating->out, error);
}

int command_evaluate(struct cli *cli) {
    struct error error = {0};
    struct evaluation evaluation = {0};
    int64_t from_ms = 0, until_ms = 0;
    if (cli->policy != NULL) return cli_evaluate_policy(cli);
    if (cli->log != NULL) return cli_evaluate_log(cli);
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    uint32_t rule = cli_find_model(engine_playbook(engine), cli->words[0]);
    bool ok = rule != UINT32_MAX && cli_time(engine, "from", cli->from, TIME_ALWAYS, &from_ms);
    if (ok) ok = cli_until(cli, engine, &until_ms);
    enum status status = STATUS_OK;
    struct evaluating evaluating = {
        engine,
        {.rule = rule, .from_ms = from_ms, .until_ms = until_ms, .against = cli->against},
        &evaluation};
    if (ok) status = cli_job(cli, "evaluating", evaluate_model, &evaluating, &error);
    if (ok && status == STATUS_OK && cli->out != NULL)
        status = write_rows(&evaluation, cli->out, &error);
    if (ok && status == STATUS_OK && cli->json) {
        struct cli_json json;
        struct model_entry entry;
        struct json_writer *writer = cli_json_begin(&json, true);
        bool trained = engine_model(engine, rule, &entry) != NULL;
        json_member_text(writer, "model", engine_playbook(engine)->models[rule].name);
        json_member_count(writer, "version", trained ? entry.version : 0);
        if (cli->from != NULL)
            json_member_time(writer, "from", from_ms);
        else
            json_member_null(writer, "from");
        json_member_time(writer, "until", until_ms);
        evaluation_write_json(&evaluation, writer);
        cli_json_end(&json, stdout);
    } else if (ok && status == STATUS_OK) {
        print_evaluation(engine, rule, &evaluation);
    }
    evaluation_release(&evaluation);
    cli_close(engine);
    if (status != STATUS_OK) return cli_fail(&error);
    return ok ? EXIT_OK : EXIT_FAILED;
}
