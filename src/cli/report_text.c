/* SPDX-License-Identifier: Apache-2.0 */
/* The report on the screen and as report.json. */
#include <math.h>

#include "cli/report.h"

static void print_sources(const struct report *report) {
    struct cli_table table;
    printf("\nWhat came in\n");
    cli_table_init(&table, "  source|>events|>rows|>size|");
    for (size_t i = 0; i < report->source_count; i++) {
        const struct report_source *source = &report->sources[i];
        cli_table_cell(&table, "  %.*s", TEXT_ARG(source->name));
        cli_table_cell(&table, "%s", source->is_lookup ? "" : cli_count(source->events));
        cli_table_cell(&table, "%s", source->is_lookup ? cli_count(source->rows) : "");
        cli_table_cell(&table, "%s", cli_bytes(source->bytes));
        cli_table_cell(&table, "%s%s%.*s", source->is_lookup ? "lookup" : "",
                       source->undated && !source->is_lookup ? "undated: counts as known always"
                                                             : "",
                       TEXT_ARG(source->note.length > 0 ? source->note : TEXT("")));
    }
    cli_table_print(&table);
    const struct data_report *data = &report->data;
    for (size_t i = 0; i < data->lookup_count; i++) {
        if (data->lookups[i].used_by.length == 0 && data->lookups[i].rows > 0)
            printf("  lookup %.*s is dark: nothing uses it\n", TEXT_ARG(data->lookups[i].name));
    }
    printf("\n  clean  %s of %s, %s\n", cli_counted(data->event_count, "event"),
           cli_counted(data->customer_count, "customer"), cli_bytes(data->clean_bytes));
    printf("  dirty  %s in quarantine, %s\n", cli_counted(data->dirty_rows, "row"),
           cli_bytes(data->dirty_bytes));
    printf("  dark   %s that nothing uses, %s\n", cli_counted(data->dark_fields, "field"),
           cli_bytes(data->dark_bytes));
    printf("  disk   %s in all\n", cli_bytes(data->disk_bytes));
}

static void print_scenarios(const struct report *report) {
    const struct playbook *playbook = engine_playbook(report->engine);
    struct cli_table table;
    printf("\nScenarios: how much likelier than comparable others (95 %% interval by customer; no "
           "cause)\n");
    cli_table_init(&table, "  scenario|goal|>customers|>inside|>others|>index|interval");
    for (size_t i = 0; i < report->scenario_count; i++) {
        const struct scenario_result *result = &report->scenarios[i];
        cli_table_cell(&table, "  %.*s", TEXT_ARG(playbook->scenarios[result->scenario].name));
        cli_table_cell(&table, "%.*s", TEXT_ARG(playbook->goals[result->goal].name));
        cli_table_cell(&table, "%s", cli_count(result->customers_inside));
        cli_table_cell(&table, "%s", cli_percent(result->rate_inside, 1));
        cli_table_cell(&table, "%s", cli_percent(result->rate_outside, 1));
        if (isnan(result->index))
            cli_table_cell(&table, "unknown");
        else
            cli_table_cell(&table, "%.2f", result->index);
        if (isnan(result->index))
            cli_table_cell(&table, "too few goals to say");
        else
            cli_table_cell(&table, "%.2f to %.2f", result->low, result->high);
    }
    cli_table_print(&table);
}

static void print_figure(const char *name, const struct interval *interval, int digits) {
    printf("  %-14s  %.*f%*s  (%.*f to %.*f)\n", name, digits, interval->value, 3 - digits, "",
           digits, interval->low, digits, interval->high);
}

static void print_model(const struct report *report) {
    const struct evaluation *evaluation = &report->evaluation;
    const struct model_metrics *metrics = &evaluation->metrics;
    if (!report->has_model) {
        putchar('\n');
        cli_wrap_format(2,
                        "The model: nothing delivered from %s on has matured by %s, so there is "
                        "nothing to judge it by",
                        cli_when(engine_playbook(report->engine), report->from_ms),
                        cli_when(engine_playbook(report->engine), report->until_ms));
        return;
    }
    putchar('\n');
    cli_wrap_format(
        2, "Model %.*s@%u, learnt until %s, on %s treatments from %s on that it never saw",
        TEXT_ARG(report->model.name), report->model.version,
        cli_when(engine_playbook(report->engine), report->model.until_ms), cli_count(metrics->rows),
        cli_when(engine_playbook(report->engine), report->from_ms));
    print_figure("AUC", &metrics->auc, 3);
    print_figure("log loss", &metrics->log_loss, 3);
    print_figure("calibration", &metrics->calibration_error, 3);
    print_figure("top-tenth gain", &metrics->top_tenth_gain, 2);
    cli_wrap_format(2,
                    "  The gain: its best tenth reaches the goal so many times as often as the "
                    "average of %.1f %%.",
                    100 * metrics->base_rate);
    if (!evaluation->compared) return;
    cli_wrap_format(4,
                    "  Against %s: AUC %.3f, log loss %.3f, gain %.2f; difference in AUC %+.4f "
                    "(%+.4f to %+.4f), paired by customer.",
                    evaluation->against_name, evaluation->against.auc.value,
                    evaluation->against.log_loss.value, evaluation->against.top_tenth_gain.value,
                    evaluation->auc_difference.value, evaluation->auc_difference.low,
                    evaluation->auc_difference.high);
}

void report_print(const struct report *report) {
    const struct playbook *playbook = engine_playbook(report->engine);
    printf("%.*s\n", TEXT_ARG(playbook->name));
    print_sources(report);
    if (report->scenario_count > 0) print_scenarios(report);
    print_model(report);
    printf("\nDecisions as of %s: customers with a treatment left after each stage\n",
           cli_when(engine_playbook(report->engine), report->at_ms));
    if (report->hindsight)
        printf("  (by a model that has learnt from what came after: they know what nobody knew "
               "then)\n");
    funnel_print(&report->funnel);
    for (uint32_t i = 0; i < report->example_count; i++) {
        cli_say(stdout, "\n  %s\n", report->examples[i].name);
        cli_wrap_format(4, "    %s", report->examples[i].reason);
    }
    printf("\nFiles in %s: report.html (open it in a browser), report.json\n", report->folder);
}

/* ---- report.json ---- */

static void write_data(const struct report *report, struct json_writer *writer) {
    const struct data_report *data = &report->data;
    json_write_key(writer, "sources");
    json_write_array_begin(writer);
    for (size_t i = 0; i < report->source_count; i++) {
        const struct report_source *source = &report->sources[i];
        json_write_object_begin(writer);
        json_write_key(writer, "source");
        json_write_text(writer, source->name);
        json_write_key(writer, source->is_lookup ? "rows" : "events");
        json_write_integer(writer, (int64_t)(source->is_lookup ? source->rows : source->events));
        json_write_key(writer, "bytes");
        json_write_integer(writer, (int64_t)source->bytes);
        json_write_key(writer, "note");
        json_write_text(writer, source->note.length > 0 ? source->note : TEXT(""));
        json_write_key(writer, "undated");
        json_write_yes_no(writer, source->undated);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"events", data->event_count},      {"customers", data->customer_count},
                  {"clean_bytes", data->clean_bytes}, {"dirty_rows", data->dirty_rows},
                  {"dirty_bytes", data->dirty_bytes}, {"dark_fields", data->dark_fields},
                  {"dark_bytes", data->dark_bytes},   {"disk_bytes", data->disk_bytes}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_write_key(writer, counts[i].name);
        json_write_integer(writer, (int64_t)counts[i].value);
    }
}

static void write_decisions(const struct report *report, struct json_writer *writer) {
    json_write_key(writer, "hindsight");
    json_write_yes_no(writer, report->hindsight);
    json_write_key(writer, "funnel");
    funnel_write_json(&report->funnel, writer);
    json_write_key(writer, "examples");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < report->example_count; i++) {
        const struct report_example *example = &report->examples[i];
        json_write_object_begin(writer);
        json_write_key(writer, "customer");
        json_write_string(writer, example->name);
        json_write_key(writer, "treatment");
        json_write_string(writer, example->treatment);
        json_write_key(writer, "propensity");
        json_write_number(writer, example->propensity);
        json_write_key(writer, "priority");
        json_write_number(writer, example->priority);
        json_write_key(writer, "reason");
        json_write_string(writer, example->reason);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_document(const struct report *report, struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(report->engine);
    json_member_text(writer, "name", playbook->name);
    json_member_time(writer, "at", report->at_ms);
    write_data(report, writer);
    json_write_key(writer, "scenarios");
    scenarios_write_json(playbook, report->scenarios, report->scenario_count, writer);
    json_write_key(writer, "model");
    if (report->has_model) {
        json_write_object_begin(writer);
        json_member_text(writer, "name", report->model.name);
        json_member_time(writer, "learnt_until", report->model.until_ms);
        evaluation_write_json(&report->evaluation, writer);
        json_write_object_end(writer);
    } else {
        json_write_null(writer);
    }
    write_decisions(report, writer);
}

enum status report_write_json(const struct report *report, const char *path, struct error *error) {
    struct buffer out;
    struct json_writer writer;
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    json_write_object_begin(&writer);
    write_document(report, &writer);
    json_write_object_end(&writer);
    enum status status = writer.status;
    if (status == STATUS_OK) status = buffer_append(&out, "\n", 1);
    if (status == STATUS_OK)
        status = file_replace(file_system_os(), path, out.at, out.length, error);
    buffer_release(&out);
    return status;
}

int report_print_json(const struct report *report) {
    struct cli_json json;
    write_document(report, cli_json_begin(&json, true));
    return cli_json_end(&json, stdout);
}
