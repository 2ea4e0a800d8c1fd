/* SPDX-License-Identifier: Apache-2.0 */
/* The report on the screen and as report.json. */
#include <math.h>

#include "cli/deciding.h"
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
    putchar('\n');
    cli_wrap_format(2,
                    "Scenarios as known at %s: how much likelier than comparable others, who are "
                    "standardised by date (95 %% interval by customer; no cause)",
                    cli_when(playbook, report->until_ms));
    cli_table_init(&table, "  scenario|goal|>customers|>inside|>others|>index|interval");
    for (size_t i = 0; i < report->scenario_count; i++) {
        const struct scenario_result *result = &report->scenarios[i];
        cli_table_cell(&table, "  %.*s", TEXT_ARG(playbook->scenarios[result->scenario].name));
        cli_table_cell(&table, "%.*s", TEXT_ARG(playbook->goals[result->goal].name));
        cli_table_cell(&table, "%s", cli_count(result->customers_inside));
        cli_table_cell(&table, "%s", cli_percent(result->rate_inside.value, 1));
        cli_table_cell(&table, "%s", cli_percent(result->rate_outside.value, 1));
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
}

static void print_figure(const char *name, const struct interval *interval, int digits) {
    printf("  %-14s  %.*f%*s  (%.*f to %.*f)\n", name, digits, interval->value, 3 - digits, "",
           digits, interval->low, digits, interval->high);
}

static void print_metrics(const struct evaluation *evaluation) {
    const struct model_metrics *metrics = &evaluation->metrics;
    print_figure("AUC", &metrics->auc, 3);
    print_figure("log loss", &metrics->log_loss, 3);
    print_figure("calibration", &metrics->calibration_error, 3);
    print_figure("top-tenth gain", &metrics->top_tenth_gain, 2);
    cli_wrap_format(2,
                    "  The gain: its best tenth reaches the goal so many times as often as the "
                    "average of %.1f %%.",
                    100 * metrics->base_rate.value);
    if (!evaluation->compared) return;
    cli_wrap_format(4,
                    "  Against %s: AUC %.3f, log loss %.3f, gain %.2f; difference in AUC %+.4f "
                    "(%+.4f to %+.4f), paired by customer.",
                    evaluation->against_name, evaluation->against.auc.value,
                    evaluation->against.log_loss.value, evaluation->against.top_tenth_gain.value,
                    evaluation->auc_difference.value, evaluation->auc_difference.low,
                    evaluation->auc_difference.high);
}

static void print_model(const struct report *report, const struct report_model *model) {
    const struct playbook *playbook = engine_playbook(report->engine);
    putchar('\n');
    if (!model->is_judged) {
        cli_wrap_format(2,
                        "Model %.*s@%u: nothing delivered from %s on has matured by %s, so there "
                        "is nothing to judge it by",
                        TEXT_ARG(model->entry.name), model->entry.version,
                        cli_when(playbook, report->from_ms), cli_when(playbook, report->until_ms));
        return;
    }
    cli_wrap_format(2,
                    "Model %.*s@%u, learnt until %s, on %s treatments from %s on that it never saw",
                    TEXT_ARG(model->entry.name), model->entry.version,
                    cli_when(playbook, model->entry.until_ms),
                    cli_count(model->evaluation.metrics.rows), cli_when(playbook, report->from_ms));
    print_metrics(&model->evaluation);
}

/* ---- months ---- */

static void series_heading(const struct report *report, const struct month_series *series,
                           char out[96]) {
    const struct symbols *symbols = engine_symbols(report->engine);
    char currency[4];
    currency_to_text(series->currency, currency);
    /* '|' parts the headings of a table. */
    snprintf(out, 96, "%.*s, %s", TEXT_ARG(symbol_text(symbols, SYMBOL_PROPERTY, series->property)),
             currency);
    for (char *at = out; *at != '\0'; at++) *at = *at == '|' ? ' ' : *at;
}

void report_name_series(const struct report *report, uint32_t from, uint32_t to, char *out,
                        size_t size) {
    const struct symbols *symbols = engine_symbols(report->engine);
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = from; i < to && at < size; i++) {
        const struct month_series *series = &report->months.series[i];
        char currency[4];
        currency_to_text(series->currency, currency);
        at += (size_t)snprintf(out + at, size - at, "%s%.*s of %.*s in %s", i > from ? ", " : "",
                               TEXT_ARG(symbol_text(symbols, SYMBOL_PROPERTY, series->property)),
                               TEXT_ARG(symbol_text(symbols, SYMBOL_EVENT, series->event_type)),
                               currency);
    }
}

/* Says what the headings don't: of which events the sums are where two have one heading, and what
 * has no column. */
static void print_series(const struct report *report, uint32_t drawn) {
    const struct month_report *months = &report->months;
    char names[REPORT_NAMES_BYTES];
    bool alike = false;
    for (uint32_t i = 1; i < drawn; i++)
        for (uint32_t k = 0; k < i; k++)
            alike = alike || (months->series[i].property == months->series[k].property &&
                              months->series[i].event_type != months->series[k].event_type);
    report_name_series(report, 0, drawn, names, sizeof names);
    if (alike) cli_wrap_format(4, "  The sums, from left to right: %s", names);
    if (months->series_count == drawn) return;
    report_name_series(report, drawn, months->series_count, names, sizeof names);
    cli_wrap_format(4, "  In report.json alone: %s", names);
}

static void print_months(const struct report *report) {
    const struct month_report *months = &report->months;
    uint32_t drawn = months->series_count < REPORT_SERIES ? months->series_count : REPORT_SERIES;
    struct cli_table table;
    char headings[512] = "  month|>events|>customers";
    for (uint32_t i = 0; i < drawn; i++) {
        char heading[96];
        series_heading(report, &months->series[i], heading);
        strncat(headings, "|>", sizeof headings - strlen(headings) - 1);
        strncat(headings, heading, sizeof headings - strlen(headings) - 1);
    }
    printf("\nMonth by month, as known at %s (the last month is not over)\n",
           cli_when(engine_playbook(report->engine), report->at_ms));
    cli_table_init(&table, headings);
    for (uint32_t m = 0; m < months->month_count; m++) {
        cli_table_cell(&table, "  %.7s",
                       cli_when(engine_playbook(report->engine), months->months[m].from_ms));
        cli_table_cell(&table, "%s", cli_count(months->months[m].events));
        cli_table_cell(&table, "%s", cli_count(months->months[m].customers));
        for (uint32_t i = 0; i < drawn; i++)
            cli_table_cell(&table, "%s%s", month_sum(&months->series[i], m) <= -.5 ? "-" : "",
                           cli_count((uint64_t)(fabs(month_sum(&months->series[i], m)) + .5)));
    }
    cli_table_print(&table);
    print_series(report, drawn);
    if (months->earlier_events > 0)
        printf("  %s from before\n", cli_counted(months->earlier_events, "event"));
    if (months->left_out > 0)
        printf("  %s of further kinds are in no sum: %d kinds are kept\n",
               cli_counted(months->left_out, "amount"), MONTH_SERIES_MAX);
}

/* ---- offers ---- */

static void print_offers(const struct report *report) {
    const struct symbols *symbols = engine_symbols(report->engine);
    const struct offers *offers = &report->offers;
    struct cli_table table;
    char headings[128], currency[4];
    if (offers->count == 0) return;
    currency_to_text(engine_playbook(report->engine)->currency, currency);
    snprintf(headings, sizeof headings,
             "  action|channel|>offered|>held out|>mean chance|>cost, %s", currency);
    printf("\nWhat is offered\n");
    cli_table_init(&table, headings);
    for (size_t i = 0; i < offers->count && i < REPORT_OFFERS; i++) {
        const struct offer_use *offer = &offers->items[i];
        cli_table_cell(&table, "  %.*s", TEXT_ARG(offer->action->name));
        cli_table_cell(&table, "%.*s",
                       TEXT_ARG(symbol_text(symbols, SYMBOL_CHANNEL, offer->channel)));
        cli_table_cell(&table, "%s", cli_count(offer->offered));
        cli_table_cell(&table, "%s", cli_count(offer->withheld));
        cli_table_cell(&table, "%s",
                       offer->offered > 0
                           ? cli_percent(offer->propensity_sum / (double)offer->offered, 1)
                           : "");
        cli_table_cell(&table, "%.2f", offer->cost);
    }
    cli_table_print(&table);
    if (offers->count > REPORT_OFFERS)
        printf("  %s further rows are in report.json\n", cli_count(offers->count - REPORT_OFFERS));
}

void report_print(const struct report *report, const char *folder) {
    const struct playbook *playbook = engine_playbook(report->engine);
    printf("%.*s\n", TEXT_ARG(playbook->name));
    print_sources(report);
    print_months(report);
    if (report->scenario_count > 0) print_scenarios(report);
    for (size_t i = 0; i < report->model_count; i++) print_model(report, &report->models[i]);
    putchar('\n');
    cli_wrap_format(2, "Decisions as of %s: customers with a treatment left after each stage",
                    cli_when(engine_playbook(report->engine), report->at_ms));
    if (report->data.customer_count != report->funnel.customers)
        cli_wrap_format(2, "  (%s of the %s in the data had an event that was known by then)",
                        cli_count(report->funnel.customers),
                        cli_counted(report->data.customer_count, "customer"));
    if (report->hindsight)
        cli_wrap_format(2, "  (by a model that has learnt from what came after: they know what "
                           "nobody knew then)");
    funnel_print(&report->funnel);
    print_offers(report);
    for (uint32_t i = 0; i < report->example_count; i++) {
        cli_say(stdout, "\n  %s\n", report->examples[i].name);
        cli_wrap_format(4, "    %s", report->examples[i].reason);
    }
    putchar('\n');
    cli_wrap_format(2, "Files in %s: report.html (open it in a browser), report.json", folder);
}

/* ---- report.json ---- */

enum status report_write_json(const struct report *report, const char *path, struct error *error) {
    struct buffer out;
    struct json_writer writer;
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    json_write_object_begin(&writer);
    report_write_members(report, &writer);
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
    report_write_members(report, cli_json_begin(&json, true));
    return cli_json_end(&json, stdout);
}
