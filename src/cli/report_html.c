/* SPDX-License-Identifier: Apache-2.0 */
/* The report as one page: no script, no font, nothing from outside. */
#include "cli/report_charts.h"

#include <math.h>

static void tile(struct page *page, const char *figure, const char *what) {
    page_add(page, "<div class=\"tile\"><b>");
    page_escape(page, text_from(figure));
    page_add(page, "</b><span>");
    page_escape(page, text_from(what));
    page_add(page, "</span></div>");
}

static void write_head(struct page *page, const struct report *report) {
    struct text name = engine_playbook(report->engine)->name;
    char figure[32];
    page_add(page, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
                   "name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    page_tag(page, "title", "", name);
    for (size_t i = 0; i < REPORT_STYLES && page->status == STATUS_OK; i++)
        page->status = buffer_append(&page->out, report_style[i], strlen(report_style[i]));
    page_add(page, "</head><body><main>");
    page_tag(page, "h1", "", name);
    page_add(page,
             "<p>From files to a ranked, explained next action for every customer, as known on "
             "<b>%s</b>.</p><div class=\"tiles\">",
             cli_when(engine_playbook(report->engine), report->at_ms));
    tile(page, cli_count(report->data.event_count), "events");
    tile(page, cli_count(report->data.customer_count), "customers");
    if (report->model_count > 0 && report->models[0].is_judged) {
        const struct model_metrics *metrics = &report->models[0].evaluation.metrics;
        snprintf(figure, sizeof figure, "%.3f", metrics->auc.value);
        tile(page, figure, "AUC on treatments never seen");
        snprintf(figure, sizeof figure, "%.1f\xc3\x97", metrics->top_tenth_gain.value);
        tile(page, figure, "the average, in the best tenth");
    }
    tile(page, cli_count(report->funnel.offered), "are offered something now");
    page_add(page, "</div>");
}

static void write_lookups(struct page *page, const struct report *report) {
    bool any = false;
    for (size_t i = 0; i < report->source_count; i++) any |= report->sources[i].is_lookup;
    if (!any) return;
    page_add(page, "<div class=\"card\"><h3>Reference tables</h3><table><tr><th>table</th>"
                   "<th>rows</th><th>size</th></tr>");
    for (size_t i = 0; i < report->source_count; i++) {
        const struct report_source *source = &report->sources[i];
        if (!source->is_lookup) continue;
        page_add(page, "<tr>");
        page_tag(page, "td", "", source->name);
        page_add(page, "<td>%s</td><td>%s</td></tr>", cli_count(source->rows),
                 cli_bytes(source->bytes));
    }
    page_add(page, "</table></div>");
}

static void write_data(struct page *page, const struct report *report) {
    page_add(page, "<h2>What came in</h2><p><b>Clean</b> data became events, <b>dirty</b> data "
                   "wait in quarantine with their reason, <b>dark</b> data are stored and nothing "
                   "uses them.</p><div class=\"two\"><div class=\"card\"><h3>Events a "
                   "source</h3>");
    report_charts_sources(page, report);
    page_add(page,
             "</div><div class=\"card\"><h3>Clean, dirty, dark (bytes before compression)</h3>");
    report_charts_data(page, report);
    page_add(page, "</div></div>");
    write_lookups(page, report);
}

static void write_series(struct page *page, const struct report *report,
                         const struct month_series *series) {
    const struct symbols *symbols = engine_symbols(report->engine);
    char currency[4], title[256];
    double values[MONTHS_MAX], unit = pow(10, currency_minor_digits(series->currency));
    currency_to_text(series->currency, currency);
    snprintf(title, sizeof title, "%.*s: %.*s, %s",
             TEXT_ARG(symbol_text(symbols, SYMBOL_EVENT, series->event_type)),
             TEXT_ARG(symbol_text(symbols, SYMBOL_PROPERTY, series->property)), currency);
    for (uint32_t i = 0; i < report->months.month_count; i++)
        values[i] = (double)series->minor[i] / unit;
    report_charts_months(page, report, values, title);
}

static void write_months(struct page *page, const struct report *report) {
    const struct month_report *months = &report->months;
    double events[MONTHS_MAX], customers[MONTHS_MAX];
    for (uint32_t i = 0; i < months->month_count; i++) {
        events[i] = (double)months->months[i].events;
        customers[i] = (double)months->months[i].customers;
    }
    page_add(page,
             "<h2>Month by month</h2><p>What customers did and spent, as known on <b>%s</b>. "
             "The last month is not over and is drawn lighter; decisions are not counted.",
             cli_when(engine_playbook(report->engine), report->at_ms));
    if (months->earlier_events > 0)
        page_add(page, " %s from before are not drawn.",
                 cli_counted(months->earlier_events, "event"));
    if (months->left_out > 0)
        page_add(page, " %s of further kinds are in no sum: %d kinds are kept.",
                 cli_counted(months->left_out, "amount"), MONTH_SERIES_MAX);
    page_add(page, "</p><div class=\"two\">");
    report_charts_months(page, report, customers, "Customers with at least one event");
    report_charts_months(page, report, events, "Events");
    for (uint32_t i = 0; i < months->series_count && i < REPORT_SERIES; i++)
        write_series(page, report, &months->series[i]);
    page_add(page, "</div>");
    if (months->series_count <= REPORT_SERIES) return;
    char names[REPORT_NAMES_BYTES];
    report_name_series(report, REPORT_SERIES, months->series_count, names, sizeof names);
    page_add(page, "<p>In report.json alone: ");
    page_escape(page, text_from(names));
    page_add(page, ".</p>");
}

static void write_scenarios(struct page *page, const struct report *report) {
    if (report->scenario_count == 0) return;
    page_add(page, "<h2>Scenarios</h2><p>How much likelier customers in a scenario reach a goal "
                   "than comparable others: active at the same dates, judged by what was known "
                   "then, and standardised by date, so that each date has the weight that it has "
                   "inside. The thin bar is the 95&nbsp;%% "
                   "interval by customer, the thick one the 50&nbsp;%% interval, where the index "
                   "probably lies. An index compares; <b>it proves no cause</b>.</p><div "
                   "class=\"card\">");
    report_charts_scenarios(page, report);
    page_add(page, "</div>");
}

static void metric_row(struct page *page, const char *name, const struct interval *ours,
                       const struct interval *theirs, int digits) {
    page_add(page, "<tr><td>%s</td><td><b>%.*f</b></td><td>%.*f to %.*f</td>", name, digits,
             ours->value, digits, ours->low, digits, ours->high);
    if (theirs != NULL) page_add(page, "<td>%.*f</td>", digits, theirs->value);
    page_add(page, "</tr>");
}

static void write_metrics(struct page *page, const struct evaluation *evaluation) {
    const struct model_metrics *ours = &evaluation->metrics,
                               *theirs = evaluation->compared ? &evaluation->against : NULL;
    page_add(page, "<div class=\"card wide\"><table><tr><th></th><th>this model</th><th>95&nbsp;%% "
                   "interval</th>");
    if (theirs != NULL) {
        page_add(page, "<th class=\"a\">");
        page_escape(page, text_from(evaluation->against_name));
        page_add(page, "</th>");
    }
    page_add(page, "</tr>");
    metric_row(page, "AUC <small>(higher is better)</small>", &ours->auc,
               theirs ? &theirs->auc : NULL, 3);
    metric_row(page, "Log loss <small>(lower is better)</small>", &ours->log_loss,
               theirs ? &theirs->log_loss : NULL, 3);
    metric_row(page, "Calibration error <small>(lower is better)</small>", &ours->calibration_error,
               theirs ? &theirs->calibration_error : NULL, 3);
    metric_row(page, "Top-tenth gain <small>(higher is better)</small>", &ours->top_tenth_gain,
               theirs ? &theirs->top_tenth_gain : NULL, 2);
    page_add(page, "</table>");
    if (theirs != NULL) {
        page_add(page,
                 "<p>Difference in AUC, paired row by row and resampled by customer: <b>%+.4f</b> "
                 "(%+.4f to %+.4f).</p>",
                 evaluation->auc_difference.value, evaluation->auc_difference.low,
                 evaluation->auc_difference.high);
    }
    page_add(page, "</div>");
}

static void write_model(struct page *page, const struct report *report,
                        const struct report_model *model) {
    const struct playbook *playbook = engine_playbook(report->engine);
    page_add(page, "<h2>How good model ");
    page_escape(page, model->entry.name);
    page_add(page,
             "@%u is on treatments it never saw</h2><p>Learnt from what had matured by "
             "<b>%s</b>; ",
             model->entry.version, cli_when(playbook, model->entry.until_ms));
    if (!model->is_judged) {
        page_add(page,
                 "nothing delivered from %s on has matured by %s, so there is nothing to "
                 "judge it by.</p>",
                 cli_when(playbook, report->from_ms), cli_when(playbook, report->until_ms));
        return;
    }
    page_add(page,
             "judged on %s treatments delivered from %s on, %.1f&nbsp;%% of which reached "
             "the goal.</p>",
             cli_count(model->evaluation.metrics.rows), cli_when(playbook, report->from_ms),
             100 * model->evaluation.metrics.base_rate.value);
    write_metrics(page, &model->evaluation);
    page_add(page,
             "<div class=\"two\"><div class=\"card\"><h3>Does 30&nbsp;%% mean 30&nbsp;%%?</h3>");
    report_charts_calibration(page, model);
    page_add(page, "</div><div class=\"card\"><h3>Whom to contact first</h3>");
    report_charts_gain(page, model);
    page_add(page, "</div></div>");
}

/* "526 customers are offered something; …": each part of those without an offer by its cause. */
static void write_split(struct page *page, const struct funnel *funnel) {
    page_add(page, "<p>%s offered something", cli_count(funnel->offered));
    if (funnel->withheld > 0)
        page_add(page, "; %s would be, but are in the holdout, so that lift can be measured",
                 cli_count(funnel->withheld));
    page_add(page,
             "; for %s no treatment that is left has an expected value above its cost; %s have no "
             "treatment left before that.</p>",
             cli_count(funnel_nothing_is_best(funnel)),
             cli_count(funnel->nothing - funnel_nothing_is_best(funnel)));
    if (funnel->consent_unknown > 0)
        page_add(page,
                 "<p>Of %s it is not known whether they agree to a treatment that is left; unknown "
                 "counts as no.</p>",
                 cli_counted(funnel->consent_unknown, "customer"));
    if (funnel->by_value > 0)
        page_add(page,
                 "<p>%s of those with a treatment get one that they are less likely to take than "
                 "another, since it is worth more.</p>",
                 cli_count(funnel->by_value));
    if (funnel->crossed > 0)
        page_add(page,
                 "<p>Decided for both in and out of the holdout, before they were known to be one: "
                 "%s. They belong in no comparison of the two.</p>",
                 cli_counted(funnel->crossed, "customer"));
}

static void write_offers(struct page *page, const struct report *report) {
    const struct symbols *symbols = engine_symbols(report->engine);
    const struct offers *offers = &report->offers;
    char currency[4];
    if (offers->count == 0) return;
    currency_to_text(engine_playbook(report->engine)->currency, currency);
    page_add(page,
             "<h2>What is offered</h2><p>Each action in each channel: to how many customers, with "
             "what mean chance to reach its goal, and at what cost. What is never offered stands "
             "at the end.</p><div class=\"card wide\"><table><tr><th>action</th><th "
             "class=\"w\">channel</th><th>offered</th><th>held out</th><th>mean chance</th>"
             "<th>cost, %s</th></tr>",
             currency);
    for (size_t i = 0; i < offers->count && i < REPORT_OFFERS; i++) {
        const struct offer_use *offer = &offers->items[i];
        page_add(page, "<tr>");
        page_tag(page, "td", "", offer->action->name);
        page_tag(page, "td", "w", symbol_text(symbols, SYMBOL_CHANNEL, offer->channel));
        page_add(page, "<td>%s</td><td>%s</td><td>%s</td><td>%.2f</td></tr>",
                 cli_count(offer->offered), cli_count(offer->withheld),
                 offer->offered > 0 ? cli_percent(offer->propensity_sum / (double)offer->offered, 1)
                                    : "",
                 offer->cost);
    }
    page_add(page, "</table>");
    if (offers->count > REPORT_OFFERS)
        page_add(page, "<p>%s further rows are in report.json.</p>",
                 cli_count(offers->count - REPORT_OFFERS));
    page_add(page, "</div>");
}

static void write_examples(struct page *page, const struct report *report) {
    static const char *const headings[REPORT_EXAMPLES + 1] = {
        "", "One of these decisions", "Two of these decisions", "Three of these decisions"};
    if (report->example_count == 0) return;
    page_add(page, "<h2>%s</h2>", headings[report->example_count]);
    for (uint32_t i = 0; i < report->example_count; i++) {
        page_add(page, "<div class=\"card said\">");
        page_tag(page, "b", "", text_from(report->examples[i].name));
        page_escape(page, text_from(report->examples[i].reason));
        page_add(page, "</div>");
    }
}

static void write_decisions(struct page *page, const struct report *report) {
    page_add(page, "<h2>The decision funnel</h2><p>How many customers still have a treatment after "
                   "each stage. <b>Nothing</b> competes too: where no treatment has an expected "
                   "value above its cost, the best action is none.</p>");
    if (report->data.customer_count != report->funnel.customers)
        page_add(page,
                 "<p>%s of the %s customers in the data had an event that was known on "
                 "<b>%s</b>.</p>",
                 cli_count(report->funnel.customers), cli_count(report->data.customer_count),
                 cli_when(engine_playbook(report->engine), report->at_ms));
    if (report->hindsight)
        page_add(page, "<p class=\"warn\"><b>With hindsight:</b> a model in force has learnt from "
                       "what came after this time; no live decision could have known it.</p>");
    page_add(page, "<div class=\"card\">");
    report_charts_funnel(page, report);
    write_split(page, &report->funnel);
    page_add(page, "</div>");
    write_offers(page, report);
    write_examples(page, report);
}

static void write_foot(struct page *page, const struct report *report) {
    page_add(page, "<footer><b>What to keep in mind</b><ul>"
                   "<li>Past treatments were targeted, not drawn by chance: a propensity tells who "
                   "reaches a goal, not who does so because of a treatment.</li>"
                   "<li>Every figure sees only what was known at the moment it speaks of.</li>");
    for (size_t i = 0; i < report->source_count; i++) {
        if (report->sources[i].note.length == 0) continue;
        page_add(page, "<li>");
        page_escape(page, report->sources[i].name);
        page_add(page, ": ");
        page_escape(page, report->sources[i].note);
        page_add(page, ".</li>");
    }
    for (size_t i = 0; i < report->source_count; i++) {
        if (!report->sources[i].undated || report->sources[i].is_lookup) continue;
        page_add(page, "<li>");
        page_escape(page, report->sources[i].name);
        page_add(page, " carries no dates: it counts as known at every time.</li>");
    }
    page_add(page, "</ul>attune %s</footer></main></body></html>\n", ATTUNE_VERSION);
}

enum status report_write_html(const struct report *report, const char *path, struct error *error) {
    struct page page;
    page_init(&page);
    write_head(&page, report);
    write_data(&page, report);
    write_months(&page, report);
    write_scenarios(&page, report);
    for (size_t i = 0; i < report->model_count; i++) write_model(&page, report, &report->models[i]);
    write_decisions(&page, report);
    write_foot(&page, report);
    enum status status = page.status;
    if (status == STATUS_OK)
        status = file_replace(file_system_os(), path, page.out.at, page.out.length, error);
    page_release(&page);
    return status;
}
