/* SPDX-License-Identifier: Apache-2.0 */
/* cli/deciding.h -- counts and prints decisions, for `decide` and `report`. */
#ifndef CLI_DECIDING_H
#define CLI_DECIDING_H

#include "cli/cli.h"
#include "engine/answer/report_json.h"

void funnel_print(const struct funnel *funnel);

/* One line on stderr where a model in force has learnt from what came after t. */
void warn_of_hindsight(const struct engine *engine, int64_t t_ms);

/* One line on stderr where `--at` was left to the data and a table was loaded after that: the
 * decisions don't see it. */
void warn_of_later_lookup(const struct cli *cli, const struct engine *engine, int64_t t_ms);

/* Writes the heading of decisions.csv, and a line for each decision. The strongest identifier names
 * the customer. */
void decision_csv_heading(FILE *file);
void decision_csv_line(FILE *file, const struct engine_view *view);

#endif
