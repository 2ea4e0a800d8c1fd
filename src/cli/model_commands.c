/* SPDX-License-Identifier: Apache-2.0 */
/* scenarios, train, evaluate: what behaviour goes with which goal, and how well it foretells it. */
#include <math.h>

#include "base/memory.h"
#include "cli/evaluation.h"

#define STRONGEST 10

/* ---- scenarios ---- */

static void show_customers(void *context, uint64_t customers) {
    (void)context;
    cli_progress("%s customers", cli_count(customers));
}

static void print_scenarios(const struct playbook *playbook, const struct scenario_result *results, size_t count) {
    struct cli_table table;
    cli_table_init(&table, "scenario|goal|>customers|>rate inside|(95 % interval)|>rate of others|>index|(95 % interval)");
    for (size_t i = 0; i < count; i++) {
        const struct scenario_result *result = &results[i];
        cli_table_cell(&table, "%.*s", TEXT_ARG(playbook->scenarios[result->scenario].name));
        cli_table_cell(&table, "%.*s", TEXT_ARG(playbook->goals[result->goal].name));
        cli_table_cell(&table, "%s", cli_count(result->customers_inside));
        cli_table_cell(&table, "%s", cli_percent(result->rate_inside, 2));
        if (isnan(result->inside_low)) cli_table_cell(&table, "unknown");
        else cli_table_cell(&table, "%.1f to %.1f %%", 100 * result->inside_low, 100 * result->inside_high);
        cli_table_cell(&table, "%s", cli_percent(result->rate_outside, 2));
        if (isnan(result->index)) cli_table_cell(&table, "unknown");
        else cli_table_cell(&table, "%.2f", result->index);
        if (isnan(result->index)) cli_table_cell(&table, "too few goals to say");
        else cli_table_cell(&table, "%.2f to %.2f", result->low, result->high);
    }
    cli_table_print(&table);
    if (count == 0) return;
    printf("\nCustomers active within the last %lld days, at %u dates from %s to %s. An index compares, it proves no cause.\n",
           (long long)(playbook->landmarks.active_within_ms / TIME_DAY_MS), results[0].landmark_count,
           cli_day(results[0].first_landmark_ms), cli_day(results[0].last_landmark_ms));
}

static void print_scenarios_json(const struct playbook *playbook, const struct scenario_result *results, size_t count) {
    struct buffer out;
    struct json_writer writer;
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    scenarios_write_json(playbook, results, count, &writer);
    cli_print_json(&writer, &out);
    buffer_release(&out);
}

void scenarios_write_json(const struct playbook *playbook, const struct scenario_result *results, size_t count,
                          struct json_writer *writer) {
    json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        const struct scenario_result *result = &results[i];
        json_write_object_begin(writer);
        json_write_key(writer, "scenario");
        json_write_text(writer, playbook->scenarios[result->scenario].name);
        json_write_key(writer, "goal");
        json_write_text(writer, playbook->goals[result->goal].name);
        const struct { const char *name; uint64_t value; } counts[] = {
            {"customers_inside", result->customers_inside}, {"customers_outside", result->customers_outside},
            {"rows_inside", result->rows_inside}, {"rows_outside", result->rows_outside},
            {"yes_inside", result->yes_inside}, {"yes_outside", result->yes_outside}, {"landmarks", result->landmark_count}};
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            json_write_key(writer, counts[k].name);
            json_write_integer(writer, (int64_t)counts[k].value);
        }
        const struct { const char *name; double value; } figures[] = {
            {"rate_inside", result->rate_inside}, {"rate_inside_low", result->inside_low},
            {"rate_inside_high", result->inside_high}, {"rate_outside", result->rate_outside}, {"index", result->index},
            {"index_low", result->low}, {"index_high", result->high}};
        for (size_t k = 0; k < sizeof figures / sizeof *figures; k++) {
            json_write_key(writer, figures[k].name);
            json_write_number(writer, figures[k].value);
        }
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

int command_scenarios(struct cli *cli) {
    struct error error = {0};
    struct scenario_result *results = NULL;
    size_t count = 0;
    struct scenario_options options = {0};
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    if (!cli_at(cli, engine, &options.now_ms)) {
        engine_close(engine);
        return EXIT_FAILED;
    }
    options.threads = engine_threads(engine);
    options.progress = cli->quiet ? NULL : show_customers;
    enum status status = scenario_measure(engine_world(engine), &options, &results, &count, &error);
    cli_progress_end();
    if (status == STATUS_OK && cli->json) print_scenarios_json(engine_playbook(engine), results, count);
    else if (status == STATUS_OK && count == 0) printf("The playbook has no scenarios.\n");
    else if (status == STATUS_OK) print_scenarios(engine_playbook(engine), results, count);
    memory_free(results);
    engine_close(engine);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}

/* ---- train ---- */

static void print_interval(const char *name, const struct interval *interval, const char *format) {
    char text[3][32];
    const double values[] = {interval->value, interval->low, interval->high};
    for (size_t i = 0; i < 3; i++) {
        if (isnan(values[i])) snprintf(text[i], sizeof text[i], "unknown");
        else snprintf(text[i], sizeof text[i], "%.*f", format[0] - '0', values[i]);
    }
    printf("  %-20s %s  (%s to %s)\n", name, text[0], text[1], text[2]);
}

static void print_metrics(const struct model_metrics *metrics) {
    printf("  %-20s %s, of which %s reached the goal (%.1f %%)\n", "treatments", cli_count(metrics->rows), cli_count(metrics->yes), 100 * metrics->base_rate);
    print_interval("AUC", &metrics->auc, "3");
    print_interval("log loss", &metrics->log_loss, "3");
    print_interval("calibration error", &metrics->calibration_error, "3");
    print_interval("top-tenth gain", &metrics->top_tenth_gain, "2");
}

static void print_strongest(const struct playbook *playbook, const struct model *model) {
    struct model_reason strongest[STRONGEST];
    uint32_t count = model_importance(model, strongest, STRONGEST);
    printf("Strongest reasons (mean effect on the log-odds)\n");
    for (uint32_t i = 0; i < count && i < STRONGEST; i++) {
        struct text name = model_feature(model, strongest[i].feature).name;
        uint32_t trait = playbook_trait_find(playbook, name);
        struct text says = trait != UINT32_MAX && playbook->traits[trait].description.length > 0 ? playbook->traits[trait].description : TEXT("");
        printf("  %.3f  %-26.*s %.*s\n", strongest[i].log_odds, TEXT_ARG(name), TEXT_ARG(says));
    }
}

static void print_model_json(const struct model_entry *entry) {
    struct buffer out;
    struct json_writer writer;
    struct model_reason strongest[STRONGEST];
    const struct model_metrics *metrics = model_rolling_metrics(entry->model);
    uint32_t count = model_importance(entry->model, strongest, STRONGEST);
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    json_write_object_begin(&writer);
    json_write_key(&writer, "model");
    json_write_text(&writer, entry->name);
    json_write_key(&writer, "version");
    json_write_integer(&writer, entry->version);
    json_write_key(&writer, "until");
    json_write_time(&writer, entry->until_ms);
    json_write_key(&writer, "rolling");
    json_write_object_begin(&writer);
    const struct { const char *name; double value; } figures[] = {
        {"auc", metrics->auc.value}, {"auc_low", metrics->auc.low}, {"auc_high", metrics->auc.high},
        {"log_loss", metrics->log_loss.value}, {"calibration_error", metrics->calibration_error.value},
        {"top_tenth_gain", metrics->top_tenth_gain.value}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        json_write_key(&writer, figures[i].name);
        json_write_number(&writer, figures[i].value);
    }
    json_write_object_end(&writer);
    json_write_key(&writer, "strongest");
    json_write_array_begin(&writer);
    for (uint32_t i = 0; i < count && i < STRONGEST; i++) json_write_text(&writer, model_feature(entry->model, strongest[i].feature).name);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    cli_print_json(&writer, &out);
    buffer_release(&out);
}

static int train_one(struct cli *cli, struct engine *engine, uint32_t rule, int64_t until_ms) {
    struct error error = {0};
    struct model_entry entry = {0};
    cli_progress("training %.*s", TEXT_ARG(engine_playbook(engine)->models[rule].name));
    enum status status = engine_train(engine, rule, until_ms, &entry, &error);
    cli_progress_end();
    if (status != STATUS_OK) return cli_fail(&error);
    if (cli->json) {
        print_model_json(&entry);
        return EXIT_OK;
    }
    printf("Trained %.*s@%u on what had matured by %s\nOn rolling splits before that (95 %% intervals by customer)\n", TEXT_ARG(entry.name),
           entry.version, cli_day(until_ms));
    print_metrics(model_rolling_metrics(entry.model));
    print_strongest(engine_playbook(engine), entry.model);
    return EXIT_OK;
}

int command_train(struct cli *cli) {
    int64_t until_ms = 0;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    int code = EXIT_FAILED;
    bool ok = cli->until != NULL ? cli_time(engine, "until", cli->until, 0, &until_ms) : cli_at(cli, engine, &until_ms);
    if (ok && cli->word_count > 0) {
        uint32_t rule = find_model(engine_playbook(engine), cli->words[0]);
        if (rule != UINT32_MAX) code = train_one(cli, engine, rule, until_ms);
    } else if (ok) {
        code = engine_playbook(engine)->model_count > 0 ? EXIT_OK : cli_fail_text("the playbook has no models");
        for (uint32_t i = 0; i < engine_playbook(engine)->model_count && code == EXIT_OK; i++) code = train_one(cli, engine, i, until_ms);
    }
    engine_close(engine);
    return code;
}

/* ---- evaluate ---- */

static void print_evaluation(const struct evaluation *evaluation) {
    print_metrics(&evaluation->metrics);
    if (evaluation->learnt_count > 0) printf("  %s earlier treatments are left out: the model has learnt from them\n", cli_count(evaluation->learnt_count));
    if (!evaluation->compared) return;
    printf("Against %s, on the %s treatments that both have\n", evaluation->against_name, cli_count(evaluation->compared_count));
    printf("  %-20s %.3f, ours %.3f\n", "AUC", evaluation->against.auc.value, evaluation->ours_there.auc.value);
    printf("  %-20s %.3f, ours %.3f\n", "log loss", evaluation->against.log_loss.value, evaluation->ours_there.log_loss.value);
    printf("  %-20s %.2f, ours %.2f\n", "top-tenth gain", evaluation->against.top_tenth_gain.value, evaluation->ours_there.top_tenth_gain.value);
    print_interval("AUC difference", &evaluation->auc_difference, "4");
}

int command_evaluate(struct cli *cli) {
    struct error error = {0};
    struct evaluation evaluation = {0};
    int64_t from_ms, until_ms;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    uint32_t rule = find_model(engine_playbook(engine), cli->words[0]);
    bool ok = rule != UINT32_MAX && cli_time(engine, "from", cli->from, TIME_ALWAYS, &from_ms);
    if (ok) ok = cli->until != NULL ? cli_time(engine, "until", cli->until, 0, &until_ms) : cli_at(cli, engine, &until_ms);
    enum status status = STATUS_OK;
    if (ok) status = evaluation_make(engine, rule, from_ms, until_ms, cli->against, &evaluation, &error);
    if (ok && status == STATUS_OK && cli->out != NULL) status = evaluation_write_csv(engine, &evaluation, cli->out, &error);
    if (ok && status == STATUS_OK && cli->json) {
        struct buffer out;
        struct json_writer writer;
        buffer_init(&out);
        json_writer_init(&writer, &out, true);
        json_write_object_begin(&writer);
        evaluation_write_json(&evaluation, &writer);
        json_write_object_end(&writer);
        cli_print_json(&writer, &out);
        buffer_release(&out);
    } else if (ok && status == STATUS_OK) {
        print_evaluation(&evaluation);
    }
    evaluation_release(&evaluation);
    engine_close(engine);
    if (status != STATUS_OK) return cli_fail(&error);
    return ok ? EXIT_OK : EXIT_FAILED;
}
