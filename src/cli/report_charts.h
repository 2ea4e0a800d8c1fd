/* SPDX-License-Identifier: Apache-2.0 */
/* cli/report_charts.h -- the report's pictures, each one SVG. */
#ifndef CLI_REPORT_CHARTS_H
#define CLI_REPORT_CHARTS_H

#include "cli/page.h"
#include "cli/report.h"

/* Events a source. */
void report_charts_sources(struct page *page, const struct report *report);
/* Clean, dirty, dark. */
void report_charts_data(struct page *page, const struct report *report);
/* Indices with intervals, log scale. */
void report_charts_scenarios(struct page *page, const struct report *report);
/* Predicted against observed, by tenths. */
void report_charts_calibration(struct page *page, const struct report *report);
/* Goals reached against customers contacted. */
void report_charts_gain(struct page *page, const struct report *report);
void report_charts_funnel(struct page *page, const struct report *report);

#endif
