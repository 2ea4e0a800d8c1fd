/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/report.h -- the whole as one report, gathered once; the screen, report.json,
 * report.html and a server render these figures, so that they can't differ.
 *
 * What is in here lives as long as the engine and its playbook. */
#ifndef ENGINE_ANSWER_REPORT_H
#define ENGINE_ANSWER_REPORT_H

#include "engine/answer/answer.h"
#include "measure/evaluation.h"
#include "measure/funnel.h"
#include "measure/months.h"
#include "measure/offers.h"

#define REPORT_SOURCES_MAX 256
#define REPORT_EXAMPLES    3

struct report_source {
    struct text name, note;
    uint64_t events, bytes, rows; /* rows: of a lookup */
    bool is_lookup, undated;
};
struct report_example {
    char name[CUSTOMER_NAME_BYTES];
    struct customer_id customer;
    char treatment[128];
    double propensity, priority;
    char reason[DECISION_REASON_BYTES_MAX];
};
/* A model in force, judged on treatments that it never saw. */
struct report_model {
    struct model_entry entry;
    bool is_judged; /* false: nothing that it never saw has matured */
    struct evaluation evaluation;
};

struct report_options {
    int64_t at_ms;             /* decisions and months as known then */
    int64_t from_ms, until_ms; /* of the treatments that models are judged on */
    /* Another's predictions (FILE or FILE:COLUMN) of the first model that was trained, or NULL. */
    const char *against;
    struct work *work; /* may be NULL */
};
struct report {
    struct engine *engine;
    int64_t at_ms, from_ms, until_ms;
    struct report_source sources[REPORT_SOURCES_MAX];
    size_t source_count;
    struct data_report data;
    struct month_report months;
    struct scenario_result *scenarios;
    size_t scenario_count;
    struct report_model *models; /* in playbook order; those that were trained */
    size_t model_count;
    /* A model has learnt from what came after at_ms: the decisions know the future. */
    bool hindsight;
    struct funnel funnel;
    struct offers offers;
    /* Of different treatments where there are so many, the most worthwhile first. */
    struct report_example examples[REPORT_EXAMPLES];
    uint32_t example_count;
};

/* Writes nothing. Release `out` also after a failure. */
enum status engine_report(struct engine *engine, const struct report_options *options,
                          struct report *out, struct error *error) MUST_USE;
void report_release(struct report *report);

/* The model of that rule in force, judged on what was delivered in [from, until). */
struct evaluate_options {
    uint32_t rule;
    int64_t from_ms, until_ms;
    const char *against; /* FILE or FILE:COLUMN, or NULL */
    struct work *work;   /* may be NULL */
};
/* As evaluation_make; STATUS_NOT_FOUND where no model of the rule is in force. */
enum status engine_evaluate(struct engine *engine, const struct evaluate_options *options,
                            struct evaluation *out, struct error *error) MUST_USE;

#endif
