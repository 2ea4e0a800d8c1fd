/* SPDX-License-Identifier: Apache-2.0 */
/* cli/report.h -- the report (engine/answer/report.h) on the screen, as report.json and as
 * report.html. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/cli.h"
#include "engine/answer/report_json.h"

#define REPORT_OFFERS 40 /* rows of the page; report.json has all */
#define REPORT_SERIES 3  /* sums of money that are drawn; report.json has all */

#define REPORT_NAMES_BYTES 4096 /* names of sums in a sentence; what is longer is cut */
#define REPORT_STYLES      2
extern const char *const report_style[REPORT_STYLES]; /* of report.html, one after the other */

/* Names the sums of money from `from` to before `to`: "revenue of Order Completed in EUR, …". */
void report_name_series(const struct report *report, uint32_t from, uint32_t to, char *out,
                        size_t size);
void report_print(const struct report *report, const char *folder);
int report_print_json(const struct report *report); /* what report.json holds; the exit code */
enum status report_write_json(const struct report *report, const char *path,
                              struct error *error) MUST_USE;
enum status report_write_html(const struct report *report, const char *path,
                              struct error *error) MUST_USE;

#endif
