/* SPDX-License-Identifier: Apache-2.0 */
/* cli/deciding.h -- a decider over an open engine, as of one time; shared by `decide`, `why-not` and `report`. */
#ifndef CLI_DECIDING_H
#define CLI_DECIDING_H

#include "cli/cli.h"

struct deciding {
    struct engine *engine;
    struct timeline_reader *reader;
    struct profiler *profiler;
    struct decider *decider;
    struct decision *decision; /* the latest; one, since it is large */
    struct timeline timeline;
    int64_t t_ms;
};
enum status deciding_open(struct deciding *deciding, struct engine *engine, int64_t t_ms, struct error *error) MUST_USE;
void deciding_close(struct deciding *deciding);
/* Decides for one customer by name; the timeline stays until the next call. */
enum status deciding_one(struct deciding *deciding, const char *name, struct error *error) MUST_USE;
/* Every customer: begin, then next until STATUS_END. */
enum status deciding_walk(struct deciding *deciding, struct error *error) MUST_USE;
enum status deciding_next(struct deciding *deciding, struct error *error) MUST_USE;

/* How many customers each stage left with at least one treatment. */
struct funnel {
    uint64_t customers, left[STAGE_COUNT]; /* left[s]: customers with a treatment that passed stage s */
    uint64_t offered, withheld, nothing;
};
void funnel_add(struct funnel *funnel, const struct decision *decision);
void funnel_print(const struct funnel *funnel);
void funnel_write_json(const struct funnel *funnel, struct json_writer *writer);

/* decisions.csv: the heading, and a line a decision. The customer is named by his strongest identifier. */
void decision_csv_heading(FILE *file);
void decision_csv_line(FILE *file, struct engine *engine, const struct decision *decision);
/* "household:1029", or "C12" where there is none; into a static buffer. */
const char *customer_name(struct engine *engine, struct customer_id customer);

#endif
