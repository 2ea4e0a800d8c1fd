/* SPDX-License-Identifier: Apache-2.0 */
/* The report as one page: no script, no font, nothing from outside. */
#include "cli/report_charts.h"

static const char style[] =
    "<style>"
    ":root{--ink:#1b2733;--soft:#5c6b7a;--faint:#dfe5ea;--paper:#fbfaf7;--card:#fff;--main:#0f6b6b;"
    "--main2:#7fb8b0;--hot:#d9672b;--grey:#aab6c0}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8edf1;--soft:#9badbb;--faint:#2f3c47;--paper:#"
    "141b21;--card:#1c252d;--main:#4fc0b5;--main2:#2d6f6a;--hot:#f08a4b;--grey:#66757f}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 "
    "system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    "main{max-width:980px;margin:0 auto;padding:48px 24px "
    "80px}h1{font-size:34px;line-height:1.15;margin:0 0 4px;letter-spacing:-.02em}"
    "h2{font-size:21px;margin:52px 0 4px;letter-spacing:-.01em}p{margin:4px 0 "
    "14px;color:var(--soft);max-width:70ch}p b{color:var(--ink);white-space:nowrap}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:"
    "26px 0 8px}"
    ".tile{background:var(--card);border:1px solid var(--faint);border-radius:10px;padding:14px "
    "16px}.tile "
    "b{display:block;font-size:26px;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.tile "
    "span{color:var(--soft);font-size:13.5px}"
    ".card{background:var(--card);border:1px solid var(--faint);border-radius:10px;padding:18px "
    "20px;margin:12px 0;overflow-x:auto}"
    ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(380px,1fr));gap:12px}.two "
    ".card{margin:0}.card h3{margin:0 0 8px;font-size:15px}"
    ".said "
    "b{display:block;font-size:14px;color:var(--main);margin-bottom:2px}.said{border-left:4px "
    "solid var(--main)}"
    "svg{display:block;width:100%;height:auto}svg text{font:12.5px system-ui,-apple-system,'Segoe "
    "UI',Roboto,sans-serif;fill:var(--ink);font-variant-numeric:tabular-nums}"
    "svg .soft{fill:var(--soft)}svg .grid{stroke:var(--faint);stroke-width:1}svg "
    ".axis{stroke:var(--grey);stroke-width:1}svg "
    ".ref{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 4}"
    "svg .bar{fill:var(--main)}svg .bar2{fill:var(--main2)}svg .hot{fill:var(--hot)}svg "
    ".grey{fill:var(--grey)}svg .track{fill:var(--faint)}"
    "svg .range{stroke:var(--main);stroke-width:2.4;stroke-linecap:round}svg "
    ".dot{fill:var(--main);stroke:var(--card);stroke-width:1.5}svg "
    ".curve{fill:none;stroke:var(--main);stroke-width:2.4;stroke-linejoin:round}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14.5px}"
    "th{font-weight:600;text-align:right;color:var(--soft);padding:4px 10px;border-bottom:1px "
    "solid var(--faint)}td{text-align:right;padding:5px 10px;border-bottom:1px solid "
    "var(--faint)}th:first-child,td:first-child{text-align:left}"
    "footer{margin-top:56px;color:var(--soft);font-size:13.5px}li{margin:3px 0}"
    "@media print{body{background:#fff}.card,.tile{break-inside:avoid}}"
    "</style>";

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
    if (page->status == STATUS_OK)
        page->status = buffer_append(&page->out, style, sizeof style - 1);
    page_add(page, "</head><body><main>");
    page_tag(page, "h1", "", name);
    page_add(page,
             "<p>From files to a ranked, explained next action for every customer, as known on "
             "<b>%s</b>.</p><div class=\"tiles\">",
             cli_when(engine_playbook(report->engine), report->at_ms));
    tile(page, cli_count(report->data.event_count), "events");
    tile(page, cli_count(report->data.customer_count), "customers");
    if (report->has_model) {
        snprintf(figure, sizeof figure, "%.3f", report->evaluation.metrics.auc.value);
        tile(page, figure, "AUC on treatments never seen");
        snprintf(figure, sizeof figure, "%.1f\xc3\x97",
                 report->evaluation.metrics.top_tenth_gain.value);
        tile(page, figure, "the average, in the best tenth");
    }
    tile(page, cli_count(report->funnel.offered), "are offered something now");
    page_add(page, "</div>");
}

static void write_data(struct page *page, const struct report *report) {
    page_add(page, "<h2>What came in</h2><p>Every source, with its events; reference tables stand "
                   "apart. <b>Clean</b> data became events, <b>dirty</b> data wait in quarantine "
                   "with their reason, <b>dark</b> data are stored and nothing uses them.</p><div "
                   "class=\"two\"><div class=\"card\"><h3>Events a source</h3>");
    report_charts_sources(page, report);
    page_add(page,
             "</div><div class=\"card\"><h3>Clean, dirty, dark (bytes before compression)</h3>");
    report_charts_data(page, report);
    page_add(page, "</div></div>");
}

static void write_scenarios(struct page *page, const struct report *report) {
    if (report->scenario_count == 0) return;
    page_add(page, "<h2>Scenarios</h2><p>How much likelier customers in a scenario reach a goal "
                   "than comparable others: active at the same dates, judged by what was known "
                   "then. Bars are 95&nbsp;%% intervals by customer. An index compares; <b>it "
                   "proves no cause</b>.</p><div class=\"card\">");
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
    page_add(
        page,
        "<div class=\"card\"><table><tr><th></th><th>this model</th><th>95&nbsp;%% interval</th>");
    if (theirs != NULL) {
        page_add(page, "<th>");
        page_escape(page, text_from(evaluation->against_name));
        page_add(page, "</th>");
    }
    page_add(page, "</tr>");
    metric_row(page, "AUC (higher is better)", &ours->auc, theirs ? &theirs->auc : NULL, 3);
    metric_row(page, "Log loss (lower is better)", &ours->log_loss,
               theirs ? &theirs->log_loss : NULL, 3);
    metric_row(page, "Calibration error (lower is better)", &ours->calibration_error,
               theirs ? &theirs->calibration_error : NULL, 3);
    metric_row(page, "Top-tenth gain (higher is better)", &ours->top_tenth_gain,
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

static void write_model(struct page *page, const struct report *report) {
    if (!report->has_model) return;
    page_add(page,
             "<h2>How good the model is on treatments it never saw</h2><p>Learnt from what had "
             "matured by <b>%s</b>; judged on %s treatments delivered from %s on, %.1f&nbsp;%% of "
             "which reached the goal.</p>",
             cli_when(engine_playbook(report->engine), report->model.until_ms),
             cli_count(report->evaluation.metrics.rows),
             cli_when(engine_playbook(report->engine), report->from_ms),
             100 * report->evaluation.metrics.base_rate);
    write_metrics(page, &report->evaluation);
    page_add(page,
             "<div class=\"two\"><div class=\"card\"><h3>Does 30&nbsp;%% mean 30&nbsp;%%?</h3>");
    report_charts_calibration(page, report);
    page_add(page, "</div><div class=\"card\"><h3>Whom to contact first</h3>");
    report_charts_gain(page, report);
    page_add(page, "</div></div>");
}

static void write_decisions(struct page *page, const struct report *report) {
    page_add(page, "<h2>The decision funnel</h2><p>How many customers still have a treatment after "
                   "each stage. <b>Nothing</b> competes too: where no treatment is worth more than "
                   "it costs, the best action is none.</p><div class=\"card\">");
    if (report->hindsight)
        page_add(page, "<p><b>With hindsight:</b> a model in force has learnt from what came after "
                       "this time; no live decision could have known it.</p>");
    report_charts_funnel(page, report);
    page_add(page,
             "</div><p>%s customers are offered something; %s would be, but are in the holdout, so "
             "that lift can be measured; for %s nothing is best.</p>",
             cli_count(report->funnel.offered), cli_count(report->funnel.withheld),
             cli_count(report->funnel.nothing));
    if (report->funnel.crossed > 0) {
        page_add(page,
                 "<p>%s were decided for both in and out of the holdout before they were known to "
                 "be one; they belong in no comparison of the two.</p>",
                 cli_count(report->funnel.crossed));
    }
    page_add(page, "<h2>Three of these decisions</h2>");
    for (uint32_t i = 0; i < report->example_count; i++) {
        page_add(page, "<div class=\"card said\">");
        page_tag(page, "b", "", text_from(report->examples[i].name));
        page_escape(page, text_from(report->examples[i].reason));
        page_add(page, "</div>");
    }
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
    write_scenarios(&page, report);
    write_model(&page, report);
    write_decisions(&page, report);
    write_foot(&page, report);
    enum status status = page.status;
    if (status == STATUS_OK)
        status = file_replace(file_system_os(), path, page.out.at, page.out.length, error);
    page_release(&page);
    return status;
}
