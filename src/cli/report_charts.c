/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_charts.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* ---- bars ---- */

static void bar_row(struct page *page, double share, const char *class, struct text name,
                    const char *figure) {
    page_add(page, "<div class=\"row\"><span class=\"l\">");
    page_escape(page, name);
    page_add(page,
             "</span><span class=\"b\"><i class=\"%s\" style=\"width:%.2f%%\"></i></span><span "
             "class=\"f\">%s</span></div>",
             share > 0 ? class : "none", 100 * share, figure);
}

void report_charts_sources(struct page *page, const struct report *report) {
    uint64_t most = 1;
    for (size_t i = 0; i < report->source_count; i++)
        if (report->sources[i].events > most) most = report->sources[i].events;
    page_add(page, "<div class=\"bars\">");
    for (size_t i = 0; i < report->source_count; i++) {
        const struct report_source *source = &report->sources[i];
        if (source->is_lookup) continue;
        bar_row(page, (double)source->events / (double)most, "", source->name,
                cli_count(source->events));
    }
    page_add(page, "</div>");
}

void report_charts_data(struct page *page, const struct report *report) {
    const struct data_report *data = &report->data;
    const struct {
        const char *name, *class;
        uint64_t bytes;
    } parts[] = {{"clean and used", "used", data->clean_bytes - data->dark_bytes},
                 {"clean but dark", "dark", data->dark_bytes},
                 {"dirty", "dirty", data->dirty_bytes}};
    page_add(page, "<div class=\"stack\">");
    for (size_t i = 0; i < 3; i++)
        page_add(page, "<i class=\"%s\" style=\"flex:%llu\"></i>", parts[i].class,
                 (unsigned long long)parts[i].bytes);
    page_add(page, "</div><div class=\"key\">");
    for (size_t i = 0; i < 3; i++)
        page_add(page, "<i class=\"%s\"></i><span>%s</span><span class=\"f\">%s</span>",
                 parts[i].class, parts[i].name, cli_bytes(parts[i].bytes));
    page_add(
        page,
        "</div><p>%s on disk, compressed. Fields that nothing uses: %s. In quarantine: %s.</p>",
        cli_bytes(data->disk_bytes), cli_count(data->dark_fields),
        cli_counted(data->dirty_rows, "row"));
}

/* ---- axes ---- */

/* The step of a scale from 0 to `most` with at most `ticks` steps: 1, 2 or 5 times a power of ten.
 */
static double nice_step(double most, double ticks) {
    double power = pow(10, floor(log10(most / ticks)));
    static const double steps[] = {1, 2, 5, 10};
    for (size_t i = 0; i < 4; i++)
        if (steps[i] * power * ticks >= most * (1 - 1e-9)) return steps[i] * power;
    return 10 * power;
}

/* "1.5 M", "320 k", "12": short enough for an axis. */
static void short_number(double number, char out[24]) {
    static const char *const units[] = {"", " k", " M", " bn"};
    size_t unit = 0;
    for (; fabs(number) >= 1000 && unit < 3; unit++) number /= 1000;
    snprintf(out, 24, "%.4g%s", number, units[unit]);
}

/* ---- months: columns ---- */

#define COLUMNS_LEFT   52.0
#define COLUMNS_WIDTH  380.0
#define COLUMNS_TOP    10.0
#define COLUMNS_HEIGHT 120.0

static void draw_scale(struct page *page, double step, double top) {
    for (double value = 0; value <= top * (1 + 1e-9); value += step) {
        char label[24];
        double y = COLUMNS_TOP + COLUMNS_HEIGHT * (1 - value / top);
        short_number(value, label);
        svg_line(page, "grid", COLUMNS_LEFT, y, COLUMNS_LEFT + COLUMNS_WIDTH, y);
        svg_text(page, "soft", COLUMNS_LEFT - 8, y + 5, "end", text_from(label));
    }
}

/* "J F M", and the year below each January and the first month. */
static void draw_month(struct page *page, const struct report *report, uint32_t i, double centre) {
    static const char letters[] = "JFMAMJJASOND";
    const struct time_zone *zone = engine_playbook(report->engine)->zone;
    int64_t from_ms = report->months.months[i].from_ms;
    struct civil civil;
    time_to_civil(from_ms + time_zone_offset_s(zone, from_ms) * TIME_SECOND_MS, &civil);
    double y = COLUMNS_TOP + COLUMNS_HEIGHT + 18;
    svg_label(page, "soft", centre, y, "middle", "%c", letters[civil.month - 1]);
    if (i == 0 || civil.month == 1)
        svg_label(page, "soft", centre - 5, y + 18, "start", "%d", civil.year);
}

void report_charts_months(struct page *page, const struct report *report, const double *values,
                          const char *title) {
    uint32_t count = report->months.month_count;
    double most = 0, slot = COLUMNS_WIDTH / fmax(count, 6);
    for (uint32_t i = 0; i < count; i++) most = fmax(most, values[i]);
    if (most <= 0) most = 1;
    double step = nice_step(most, 4), top = ceil(most / step - 1e-9) * step;
    page_add(page, "<div class=\"card\"><h3>");
    page_escape(page, text_from(title));
    page_add(page, "</h3>");
    svg_begin(page, 440, COLUMNS_TOP + COLUMNS_HEIGHT + 42, title);
    draw_scale(page, step, top);
    for (uint32_t i = 0; i < count; i++) {
        double height = COLUMNS_HEIGHT * fmax(values[i], 0) / top, x = COLUMNS_LEFT + slot * i;
        svg_rect(page, i + 1 == count ? "bar2" : "bar", x + slot * .12,
                 COLUMNS_TOP + COLUMNS_HEIGHT - height, slot * .76, height);
        draw_month(page, report, i, x + slot / 2);
    }
    svg_end(page);
    page_add(page, "</div>");
}

/* ---- scenarios: intervals on a log scale ---- */

#define LOG_TICKS_MAX 16

struct log_scale {
    double ticks[LOG_TICKS_MAX]; /* the first and the last are its ends */
    size_t count;
};

static double at_log(const struct log_scale *scale, double value) {
    double low = log(scale->ticks[0]), high = log(scale->ticks[scale->count - 1]);
    double share = (log(value) - low) / (high - low);
    return 100 * fmin(fmax(share, 0), 1);
}

/* The marks 1, 2, 5, 10 … that enclose every interval, and 1. */
static struct log_scale index_scale(const struct report *report) {
    static const double mantissas[] = {1, 2, 5};
    struct log_scale scale = {.count = 0};
    double low = 0.9, high = 1.1;
    for (size_t i = 0; i < report->scenario_count; i++) {
        const struct scenario_result *result = &report->scenarios[i];
        if (isnan(result->index.value)) continue;
        low = fmin(low, fmax(result->index.low, 1e-3));
        high = fmax(high, fmin(result->index.high, 1e3));
    }
    for (int power = -3; power <= 3; power++) {
        for (size_t m = 0; m < 3 && scale.count < LOG_TICKS_MAX; m++) {
            double mark = mantissas[m] * pow(10, power);
            if (scale.count > 0 && scale.ticks[scale.count - 1] >= high) return scale;
            if (scale.count == 1 && mark <= low) scale.count = 0; /* a closer one */
            scale.ticks[scale.count++] = mark;
        }
    }
    return scale;
}

static void draw_bar(struct page *page, const char *class, double from, double to) {
    page_add(page, "<i class=\"%s\" style=\"left:%.2f%%;width:%.2f%%\"></i>", class, from,
             to - from);
}

static void draw_strip(struct page *page, const struct log_scale *scale,
                       const struct scenario_result *result) {
    page_add(page, "<span class=\"b strip\">");
    for (size_t i = 0; i < scale->count; i++)
        page_add(page, "<i class=\"g%s\" style=\"left:%.2f%%\"></i>",
                 fabs(scale->ticks[i] - 1) < 1e-9 ? " one" : "", at_log(scale, scale->ticks[i]));
    if (isnan(result->index.value)) {
        page_add(page, "<span class=\"few\">too few goals to say</span></span><span "
                       "class=\"f\">unknown</span></div>");
        return;
    }
    draw_bar(page, "r", at_log(scale, result->index.low), at_log(scale, result->index.high));
    draw_bar(page, "h", at_log(scale, result->index.low50), at_log(scale, result->index.high50));
    page_add(page,
             "<i class=\"d\" style=\"left:%.2f%%\"></i></span><span class=\"f\"><b>%.2f</b> (%.2f "
             "to %.2f)</span></div>",
             at_log(scale, result->index.value), result->index.value, result->index.low,
             result->index.high);
}

static void draw_ticks(struct page *page, const struct log_scale *scale) {
    page_add(page, "<div class=\"row\"><span class=\"l\"></span><span class=\"b strip\">");
    for (size_t i = 0; i < scale->count; i++)
        page_add(page, "<span class=\"n%s\" style=\"left:%.2f%%\">%g</span>",
                 i + 1 == scale->count ? " end" : "", at_log(scale, scale->ticks[i]),
                 scale->ticks[i]);
    page_add(page, "</span><span class=\"f\"></span></div>");
}

void report_charts_scenarios(struct page *page, const struct report *report) {
    const struct playbook *playbook = engine_playbook(report->engine);
    struct log_scale scale = index_scale(report);
    page_add(page, "<div class=\"forest\">");
    for (size_t i = 0; i < report->scenario_count; i++) {
        const struct scenario_result *result = &report->scenarios[i];
        page_add(page, "<div class=\"row\"><span class=\"l\">");
        page_escape(page, playbook->scenarios[result->scenario].name);
        page_add(page, " \xe2\x86\x92 ");
        page_escape(page, playbook->goals[result->goal].name);
        page_add(page, "<span>%s customers: %s inside, %s of others</span></span>",
                 cli_count(result->customers_inside), cli_percent(result->rate_inside.value, 1),
                 cli_percent(result->rate_outside.value, 1));
        draw_strip(page, &scale, result);
    }
    draw_ticks(page, &scale);
    page_add(page, "</div><p>Index: how many times as likely as others, on a log scale.</p>");
}

/* ---- the model: two square plots ---- */

#define PLOT_LEFT 52.0
#define PLOT_TOP  14.0
#define PLOT_SIDE 330.0

static double plot_x(double share) {
    return PLOT_LEFT + PLOT_SIDE * share;
}
static double plot_y(double share) {
    return PLOT_TOP + PLOT_SIDE * (1 - share);
}

static void draw_axes(struct page *page, double step, double top, const char *horizontal,
                      const char *vertical) {
    for (double value = 0; value <= top * (1 + 1e-9); value += step) {
        double share = value / top;
        svg_line(page, "grid", plot_x(0), plot_y(share), plot_x(1), plot_y(share));
        svg_label(page, "soft", plot_x(0) - 8, plot_y(share) + 5, "end", "%.0f %%", 100 * value);
        svg_label(page, "soft", plot_x(share), plot_y(0) + 20, "middle", "%.0f %%", 100 * value);
    }
    svg_text(page, "soft", plot_x(1), plot_y(0) + 42, "end", text_from(horizontal));
    svg_text(page, "soft", plot_x(0) + 6, PLOT_TOP + 14, "start", text_from(vertical));
}

void report_charts_calibration(struct page *page, const struct report_model *model) {
    double most = 0.1;
    for (uint32_t i = 0; i < model->evaluation.bin_count; i++)
        most = fmax(most,
                    fmax(model->evaluation.bins[i].rate.high, model->evaluation.bins[i].predicted));
    double step = nice_step(fmin(most, 1), 5), top = fmin(ceil(most / step - 1e-9) * step, 1);
    svg_begin(page, 400, PLOT_SIDE + 64, "predicted chance against what happened, by tenths");
    draw_axes(page, step, top, "predicted chance", "what happened");
    svg_line(page, "ref", plot_x(0), plot_y(0), plot_x(1), plot_y(1));
    for (uint32_t i = 0; i < model->evaluation.bin_count; i++) {
        const struct calibration_bin *bin = &model->evaluation.bins[i];
        double x = plot_x(bin->predicted / top), y = plot_y(bin->rate.value / top);
        svg_line(page, "range", x, plot_y(bin->rate.low / top), x,
                 plot_y(fmin(bin->rate.high / top, 1)));
        svg_line(page, "half", x, plot_y(bin->rate.low50 / top), x,
                 plot_y(fmin(bin->rate.high50 / top, 1)));
        svg_line(page, "dot", x - 7, y, x + 7, y);
    }
    svg_end(page);
}

static int compare_descending(const void *left, const void *right) {
    const double *a = left, *b = right;
    return *a < *b ? 1 : *a > *b ? -1 : 0;
}

void report_charts_gain(struct page *page, const struct report_model *model) {
    const struct evaluation *evaluation = &model->evaluation;
    double(*rows)[2] = memory_calloc(evaluation->count + 1, sizeof *rows);
    if (rows == NULL) {
        page->status = STATUS_NO_MEMORY;
        return;
    }
    double all = 0, found = 0;
    for (size_t i = 0; i < evaluation->count; i++) {
        rows[i][0] = evaluation->propensity[i];
        rows[i][1] = evaluation->yes[i];
        all += rows[i][1];
    }
    qsort(rows, evaluation->count, sizeof *rows, compare_descending);
    svg_begin(page, 400, PLOT_SIDE + 64,
              "share of goals reached against share of customers contacted");
    draw_axes(page, .2, 1, "contacted, best first", "goals found");
    svg_line(page, "ref", plot_x(0), plot_y(0), plot_x(1), plot_y(1));
    page_add(page, "<polyline class=\"curve\" points=\"%.1f,%.1f", plot_x(0), plot_y(0));
    size_t step = evaluation->count / 100 + 1;
    for (size_t i = 0; i < evaluation->count; i++) {
        found += rows[i][1];
        bool drawn = (i + 1) % step == 0 || i + 1 == evaluation->count;
        if (drawn)
            page_add(page, " %.1f,%.1f", plot_x((double)(i + 1) / (double)evaluation->count),
                     plot_y(all > 0 ? found / all : 0));
    }
    page_add(page, "\"/>");
    double tenth = evaluation->metrics.top_tenth_gain.value / 10;
    svg_circle(page, "point", plot_x(0.1), plot_y(tenth), 5.5);
    svg_label(page, "", plot_x(0.1) + 14, plot_y(tenth) + 18, "start",
              "the best tenth finds %.0f %%", 100 * tenth);
    svg_end(page);
    memory_free(rows);
}

/* ---- the funnel ---- */

void report_charts_funnel(struct page *page, const struct report *report) {
    const struct funnel *funnel = &report->funnel;
    double all = funnel->customers > 0 ? (double)funnel->customers : 1;
    page_add(page, "<div class=\"bars long\">");
    bar_row(page, funnel->customers > 0 ? 1 : 0, "grey", TEXT("customers"),
            cli_count(funnel->customers));
    for (uint32_t stage = 0; stage < STAGE_OFFERED; stage++) {
        char figure[64];
        snprintf(figure, sizeof figure, "%s (%.1f %%)", cli_count(funnel->left[stage]),
                 100 * (double)funnel->left[stage] / all);
        bar_row(page, (double)funnel->left[stage] / all, "",
                text_from(stage_name((enum stage)stage)), figure);
    }
    page_add(page, "</div>");
}
