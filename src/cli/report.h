/* SPDX-License-Identifier: Apache-2.0 */
/* cli/report.h -- the whole as one report: gathered once, then told three times (screen,
 * report.json, report.html), so that the figures can't differ. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/deciding.h"
#include "cli/evaluation.h"

#define REPORT_SOURCES_MAX 256
#define REPORT_EXAMPLES    3
#define REPORT_BINS        10

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

struct report {
    struct engine *engine;
    const char *folder;
    int64_t at_ms, from_ms, until_ms;
    struct report_source sources[REPORT_SOURCES_MAX];
    size_t source_count;
    struct data_report data;
    struct scenario_result *scenarios;
    size_t scenario_count;
    bool has_model;
    struct model_entry model;
    struct evaluation evaluation;
    struct calibration_bin bins[REPORT_BINS];
    uint32_t bin_count;
    /* A model has learnt from what came after at_ms: the decisions know the future. */
    bool hindsight;
    struct funnel funnel;
    struct report_example examples[REPORT_EXAMPLES];
    uint32_t example_count;
};

enum status report_gather(struct report *report, struct cli *cli, struct error *error) MUST_USE;
void report_release(struct report *report);

void report_print(const struct report *report);
int report_print_json(const struct report *report); /* what report.json holds; the exit code */
enum status report_write_json(const struct report *report, const char *path,
                              struct error *error) MUST_USE;
enum status report_write_html(const struct report *report, const char *path,
                              struct error *error) MUST_USE;

#endif
