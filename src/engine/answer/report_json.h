/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/report_json.h -- figures as JSON, for the command line and a server alike. Keys are
 * those of docs/commands.md: names in snake_case with their unit, times in UTC, null for what is
 * unknown. */
#ifndef ENGINE_ANSWER_REPORT_JSON_H
#define ENGINE_ANSWER_REPORT_JSON_H

#include "engine/answer/report.h"

/* Members: name, value, low, high, low_50, high_50, n, of, unit, question, as_of. */
void figure_write_members(const struct figure *figure, struct json_writer *writer);
/* A member "measured": a list of such objects, for whoever shows any answer without knowing its
 * other keys. */
void figures_write_member(const struct figure *figures, size_t count, struct json_writer *writer);

/* A value: an object, or an array of objects. */
void counts_write_json(const struct trainer_counts *counts, struct json_writer *writer);
void funnel_write_json(const struct funnel *funnel, int64_t as_of_ms, struct json_writer *writer);
void scenarios_write_json(const struct playbook *playbook, const struct scenario_result *results,
                          size_t count, struct json_writer *writer);
/* Members of an object that stands open. */
void metrics_write_json(const struct model_metrics *metrics, int64_t as_of_ms,
                        struct json_writer *writer);
void evaluation_write_json(const struct evaluation *evaluation, struct json_writer *writer);
void report_write_members(const struct report *report, struct json_writer *writer);

#endif
