/* SPDX-License-Identifier: Apache-2.0 */
/* cli/report_charts.h -- the report's pictures. What is made of bars and strips is HTML, whose text
 * keeps its size on a narrow screen; curves and columns are SVG. */
#ifndef CLI_REPORT_CHARTS_H
#define CLI_REPORT_CHARTS_H

#include "cli/page.h"
#include "cli/report.h"

/* Events a source, lengths in proportion. */
void report_charts_sources(struct page *page, const struct report *report);
/* Clean, dirty, dark. */
void report_charts_data(struct page *page, const struct report *report);
/* What one figure was in each month; the present month, which is not over, is drawn lighter. */
void report_charts_months(struct page *page, const struct report *report, const double *values,
                          const char *title);
/* Indices with intervals, log scale. */
void report_charts_scenarios(struct page *page, const struct report *report);
/* Predicted against observed, by tenths. */
void report_charts_calibration(struct page *page, const struct report_model *model);
/* Goals reached against customers contacted. */
void report_charts_gain(struct page *page, const struct report_model *model);
void report_charts_funnel(struct page *page, const struct report *report);

#endif
