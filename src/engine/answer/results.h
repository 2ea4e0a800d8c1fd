/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/results.h -- what the holdout says we changed (measure/results.h), for the command
 * line and a server alike.
 *
 * The share of the holdout is that of the playbook which made a decision; the playbooks of before
 * lie in the data directory under their hash, and each is read once. */
#ifndef ENGINE_ANSWER_RESULTS_H
#define ENGINE_ANSWER_RESULTS_H

#include "engine/answer/answer.h"
#include "measure/results.h"

struct engine_results_options {
    int64_t at_ms, from_ms; /* as known at; decisions from then on, TIME_ALWAYS: all */
    const struct result_experiment *experiment; /* NULL: the holdout */
    struct work *work;                          /* may be NULL */
};
/* Release `out` with results_release also after a failure. */
enum status engine_results(struct engine *engine, const struct engine_results_options *options,
                           struct results *out, struct error *error) MUST_USE;

/* Members of an object that stands open; docs/commands.md has the keys. `action`: only the lines of
 * this action, or UINT32_MAX. */
void results_write_members(const struct results *results, struct engine *engine, uint32_t action,
                           struct json_writer *writer);

/* The same of an arm of an experiment beside its first one. */
void experiment_results_write_members(const struct results *results,
                                      const struct result_experiment *experiment,
                                      struct engine *engine, struct json_writer *writer);

#endif
