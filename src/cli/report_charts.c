/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_charts.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

#define ROW 30.0

/* ---- bars ---- */

static void bar_row(struct page *page, double y, double left, double width, double share,
                    const char *class, struct text name, const char *figure) {
    svg_text(page, "", left - 12, y + 5, "end", name);
    svg_rect(page, "track", left, y - 8, width, 16);
    svg_rect(page, class, left, y - 8, fmax(width * share, share > 0 ? 2 : 0), 16);
    svg_text(page, "soft", left + width + 10, y + 5, "start", text_from(figure));
}

void report_charts_sources(struct page *page, const struct report *report) {
    double most = 1, y = ROW / 2;
    for (size_t i = 0; i < report->source_count; i++) {
        const struct report_source *source = &report->sources[i];
        double count = (double)(source->is_lookup ? source->rows : source->events);
        if (count > most) most = count;
    }
    svg_begin(page, 440, ROW * (double)report->source_count + 24, "events a source");
    for (int lookups = 0; lookups < 2; lookups++) {
        for (size_t i = 0; i < report->source_count; i++) {
            const struct report_source *source = &report->sources[i];
            if (source->is_lookup != (lookups == 1)) continue;
            double count = (double)(source->is_lookup ? source->rows : source->events);
            bar_row(page, y, 112, 220, sqrt(count / most), lookups ? "grey" : "bar", source->name,
                    cli_count((uint64_t)count));
            y += ROW;
        }
    }
    svg_text(page, "soft", 112, y + 4, "start",
             TEXT("Grey: rows of lookups. Lengths by square root."));
    svg_end(page);
}

void report_charts_data(struct page *page, const struct report *report) {
    const struct data_report *data = &report->data;
    double used = (double)(data->clean_bytes - data->dark_bytes), dark = (double)data->dark_bytes,
           dirty = (double)data->dirty_bytes;
    double all = used + dark + dirty > 0 ? used + dark + dirty : 1, x = 0;
    const struct {
        const char *name, *class;
        double bytes;
    } parts[] = {
        {"clean and used", "bar", used}, {"clean but dark", "bar2", dark}, {"dirty", "hot", dirty}};
    svg_begin(page, 440, 190, "clean, dirty and dark data");
    for (size_t i = 0; i < 3; i++) {
        svg_rect(page, parts[i].class, x, 10, 440 * parts[i].bytes / all, 30);
        x += 440 * parts[i].bytes / all;
    }
    for (size_t i = 0; i < 3; i++) {
        double y = 72 + 26 * (double)i;
        svg_rect(page, parts[i].class, 0, y - 11, 14, 14);
        svg_text(page, "", 24, y, "start", text_from(parts[i].name));
        svg_label(page, "soft", 440, y, "end", "%s", cli_bytes((uint64_t)parts[i].bytes));
    }
    svg_label(page, "soft", 0, 162, "start", "%s on disk, compressed", cli_bytes(data->disk_bytes));
    svg_label(page, "soft", 0, 182, "start", "%s fields are dark, %s rows are in quarantine",
              cli_count(data->dark_fields), cli_count(data->dirty_rows));
    svg_end(page);
}

/* ---- scenarios: a forest plot on a log scale ---- */

struct log_scale {
    double low, high, left, width;
};

static double at_log(const struct log_scale *scale, double value) {
    return scale->left +
           scale->width * (log(value) - log(scale->low)) / (log(scale->high) - log(scale->low));
}

static struct log_scale index_scale(const struct report *report) {
    struct log_scale scale = {0.8, 1.25, 290, 400};
    for (size_t i = 0; i < report->scenario_count; i++) {
        const struct scenario_result *result = &report->scenarios[i];
        if (isnan(result->index)) continue;
        scale.low = fmin(scale.low, result->low * 0.9);
        scale.high = fmax(scale.high, result->high * 1.1);
    }
    return scale;
}

static void draw_grid(struct page *page, const struct log_scale *scale, double bottom) {
    static const double marks[] = {0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (marks[i] < scale->low || marks[i] > scale->high) continue;
        double x = at_log(scale, marks[i]);
        svg_line(page, marks[i] == 1 ? "ref" : "grid", x, 12, x, bottom);
        svg_label(page, "soft", x, bottom + 18, "middle", "%g", marks[i]);
    }
    svg_label(page, "soft", scale->left + scale->width, bottom + 36, "end",
              "index: times as likely as others (log scale)");
}

void report_charts_scenarios(struct page *page, const struct report *report) {
    const struct playbook *playbook = engine_playbook(report->engine);
    struct log_scale scale = index_scale(report);
    double row = 44, bottom = 12 + row * (double)report->scenario_count;
    svg_begin(page, 860, bottom + 46, "scenario indices with 95 % intervals");
    draw_grid(page, &scale, bottom);
    for (size_t i = 0; i < report->scenario_count; i++) {
        const struct scenario_result *result = &report->scenarios[i];
        double y = 12 + row * ((double)i + 0.5);
        svg_label(page, "", 0, y - 2, "start", "%.*s \xe2\x86\x92 %.*s",
                  TEXT_ARG(playbook->scenarios[result->scenario].name),
                  TEXT_ARG(playbook->goals[result->goal].name));
        svg_label(page, "soft", 0, y + 14, "start", "%s customers, %s against %s",
                  cli_count(result->customers_inside), cli_percent(result->rate_inside, 1),
                  cli_percent(result->rate_outside, 1));
        if (isnan(result->index)) {
            svg_text(page, "soft", scale.left + 8, y + 4, "start", TEXT("too few goals to say"));
            continue;
        }
        svg_line(page, "range", at_log(&scale, result->low), y, at_log(&scale, result->high), y);
        svg_circle(page, "dot", at_log(&scale, result->index), y, 6);
        svg_label(page, "", 705, y + 4, "start", "%.2f  (%.2f to %.2f)", result->index, result->low,
                  result->high);
    }
    svg_end(page);
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

static void draw_axes(struct page *page, double top, const char *horizontal, const char *vertical) {
    for (int i = 0; i <= 5; i++) {
        double share = i / 5.0;
        svg_line(page, "grid", plot_x(0), plot_y(share), plot_x(1), plot_y(share));
        svg_label(page, "soft", plot_x(0) - 8, plot_y(share) + 4, "end", "%.0f %%",
                  100 * share * top);
        svg_label(page, "soft", plot_x(share), plot_y(0) + 18, "middle", "%.0f %%",
                  100 * share * top);
    }
    svg_text(page, "soft", plot_x(1), plot_y(0) + 38, "end", text_from(horizontal));
    svg_text(page, "soft", plot_x(0) + 6, PLOT_TOP + 12, "start", text_from(vertical));
}

void report_charts_calibration(struct page *page, const struct report *report) {
    double top = 0.2;
    for (uint32_t i = 0; i < report->bin_count; i++)
        top = fmax(top, fmax(report->bins[i].high, report->bins[i].predicted));
    top = ceil(top * 10) / 10;
    if (top > 1) top = 1;
    svg_begin(page, 420, PLOT_SIDE + 64, "predicted chance against what happened, by tenths");
    draw_axes(page, top, "predicted chance", "what happened");
    svg_line(page, "ref", plot_x(0), plot_y(0), plot_x(1), plot_y(1));
    for (uint32_t i = 0; i < report->bin_count; i++) {
        const struct calibration_bin *bin = &report->bins[i];
        double x = plot_x(bin->predicted / top);
        svg_line(page, "range", x, plot_y(bin->low / top), x, plot_y(fmin(bin->high / top, 1)));
        svg_circle(page, "dot", x, plot_y(bin->rate / top), 5.5);
    }
    svg_end(page);
}

static int compare_descending(const void *left, const void *right) {
    const double *a = left, *b = right;
    return *a < *b ? 1 : *a > *b ? -1 : 0;
}

void report_charts_gain(struct page *page, const struct report *report) {
    const struct evaluation *evaluation = &report->evaluation;
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
    svg_begin(page, 420, PLOT_SIDE + 64,
              "share of goals reached against share of customers contacted");
    draw_axes(page, 1, "contacted, best first", "goals found");
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
    double tenth = report->evaluation.metrics.top_tenth_gain.value / 10;
    svg_circle(page, "dot", plot_x(0.1), plot_y(tenth), 5.5);
    svg_label(page, "", plot_x(0.1) + 14, plot_y(tenth) + 14, "start",
              "the best tenth finds %.0f %%", 100 * tenth);
    svg_end(page);
    memory_free(rows);
}

/* ---- the funnel ---- */

void report_charts_funnel(struct page *page, const struct report *report) {
    const struct funnel *funnel = &report->funnel;
    double all = funnel->customers > 0 ? (double)funnel->customers : 1, y = 18;
    svg_begin(page, 860, ROW * 10 + 10, "customers left after each stage");
    bar_row(page, y, 150, 560, 1, "grey", TEXT("customers"), cli_count(funnel->customers));
    for (uint32_t stage = 0; stage < STAGE_OFFERED; stage++) {
        char figure[64];
        y += ROW;
        snprintf(figure, sizeof figure, "%s  (%.1f %%)", cli_count(funnel->left[stage]),
                 100 * (double)funnel->left[stage] / all);
        bar_row(page, y, 150, 560, (double)funnel->left[stage] / all,
                stage >= STAGE_ARBITRATION ? "hot" : "bar",
                text_from(stage_name((enum stage)stage)), figure);
    }
    svg_end(page);
}
