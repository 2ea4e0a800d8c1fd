/* SPDX-License-Identifier: Apache-2.0 */
/* cli/deciding.h -- decisions counted and printed; shared by `decide` and `report`. */
#ifndef CLI_DECIDING_H
#define CLI_DECIDING_H

#include "cli/cli.h"
#include "engine/answer/answer.h"

/* How many customers each stage left with at least one treatment. */
struct funnel {
    /* left[s]: customers with a treatment that passed stage s. */
    uint64_t customers, left[STAGE_COUNT];
    uint64_t offered, withheld, nothing; /* nothing: no treatment is left, whatever stopped it */
    /* Of those with nothing: whether the customer agrees is not known. */
    uint64_t consent_unknown;
    uint64_t truncated; /* more treatments were available than a decision considers */
    uint64_t limited;   /* a named limit left something unknown */
    uint64_t crossed;   /* of either arm of the holdout, since two customers became one */
};
void funnel_add(struct funnel *funnel, const struct decision *decision);
/* Of those with nothing: for whom a treatment was left until arbitration, and nothing was worth
 * more. */
uint64_t funnel_nothing_is_best(const struct funnel *funnel);
void funnel_print(const struct funnel *funnel);
void funnel_write_json(const struct funnel *funnel, struct json_writer *writer);

/* One line on stderr where a model in force has learnt from what came after t. */
void warn_of_hindsight(const struct engine *engine, int64_t t_ms);

/* One line on stderr where `--at` was left to the data and a table was loaded after that: the
 * decisions don't see it. */
void warn_of_later_lookup(const struct cli *cli, const struct engine *engine, int64_t t_ms);

/* decisions.csv: the heading, and a line a decision. The customer is named by his strongest
 * identifier. */
void decision_csv_heading(FILE *file);
void decision_csv_line(FILE *file, struct engine *engine, const struct decision *decision);

#endif
