/* SPDX-License-Identifier: Apache-2.0 */
/* cli/report.h -- the whole as one report: gathered once, then told three times (screen,
 * report.json, report.html), so that the figures can't differ. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/deciding.h"
#include "cli/evaluation.h"
#include "engine/answer/month_report.h"

#define REPORT_SOURCES_MAX 256
#define REPORT_EXAMPLES    3
#define REPORT_BINS        10
#define REPORT_OFFERS      40 /* rows of the page; report.json has all */
#define REPORT_SERIES      3  /* sums of money that are drawn; report.json has all */

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
struct calibration_bin {
    double predicted, rate, low, high;
    uint64_t count;
};

/* A model in force, judged on treatments that it never saw. */
struct report_model {
    struct model_entry entry;
    bool is_judged; /* false: nothing that it never saw has matured */
    struct evaluation evaluation;
    struct calibration_bin bins[REPORT_BINS];
    uint32_t bin_count;
};
/* How often an action is offered in a channel, over all decisions of the report. */
struct report_offer {
    const struct action *action;
    uint32_t channel;            /* SYMBOL_CHANNEL */
    uint64_t offered, withheld;  /* customers who get it; who would, but are in the holdout */
    double propensity_sum, cost; /* of those who get it; cost in major units */
};

struct report {
    struct engine *engine;
    const char *folder;
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
    struct report_offer *offers; /* by action and channel, most often offered first */
    size_t offer_count;
    uint32_t *first_offer; /* by action index: its first in `offers`, while they are counted */
    struct report_example examples[REPORT_EXAMPLES];
    uint32_t example_count;
};

enum status report_gather(struct report *report, struct cli *cli, struct error *error) MUST_USE;
void report_release(struct report *report);

#define REPORT_STYLES 2
extern const char *const report_style[REPORT_STYLES]; /* of report.html, one after the other */

void report_print(const struct report *report);
int report_print_json(const struct report *report); /* what report.json holds; the exit code */
enum status report_write_json(const struct report *report, const char *path,
                              struct error *error) MUST_USE;
enum status report_write_html(const struct report *report, const char *path,
                              struct error *error) MUST_USE;

#endif
