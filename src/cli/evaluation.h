/* SPDX-License-Identifier: Apache-2.0 */
/* cli/evaluation.h -- a model on treatments that it never saw, alone and against another's
 * predictions; shared by `evaluate` and `report`. */
#ifndef CLI_EVALUATION_H
#define CLI_EVALUATION_H

#include "cli/cli.h"

struct evaluation {
    struct model_metrics metrics;
    struct trainer_row_id *ids; /* count of them, as are the two below; from memory_alloc */
    double *propensity;
    bool *yes;
    size_t count;
    /* Further treatments of that time, left out since the model has learnt from them. */
    size_t learnt_count;
    struct trainer_counts counts; /* of all events of that time */
    /* Against another's predictions, on the rows that both have. */
    bool compared;
    char against_name[128]; /* the file's name and column */
    size_t compared_count;
    struct model_metrics against, ours_there;
    struct interval auc_difference;
};
/* Treatments delivered in [from, until) whose goal had matured by until, but not by the time until
 * which the model has learnt. `against`: NULL, or FILE or FILE:COLUMN. */
enum status evaluation_make(struct engine *engine, uint32_t rule, int64_t from_ms, int64_t until_ms,
                            const char *against, struct evaluation *out,
                            struct error *error) MUST_USE;
void evaluation_release(struct evaluation *evaluation);
enum status evaluation_write_csv(struct engine *engine, const struct evaluation *evaluation,
                                 const char *path, struct error *error) MUST_USE;
/* Members of an object that stands open. counts_write_json: where the events of the time went. */
void counts_write_json(const struct trainer_counts *counts, struct json_writer *writer);
void metrics_write_json(const struct model_metrics *metrics, struct json_writer *writer);
void evaluation_write_json(const struct evaluation *evaluation, struct json_writer *writer);
/* scenarios as JSON, an object each. */
void scenarios_write_json(const struct playbook *playbook, const struct scenario_result *results,
                          size_t count, struct json_writer *writer);
/* The model's index by name, or the only one where name is NULL; prints what is wrong and gives
 * UINT32_MAX. */
uint32_t find_model(const struct playbook *playbook, const char *name);

#endif
