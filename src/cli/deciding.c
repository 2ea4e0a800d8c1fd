/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deciding.h"

#include <math.h>

void warn_of_hindsight(const struct engine *engine, int64_t t_ms) {
    struct model_entry entry;
    const struct playbook *playbook = engine_playbook(engine);
    if (!engine_hindsight(engine, t_ms, &entry)) return;
    cli_progress_end();
    fprintf(stderr,
            "attune: warning: model %.*s@%u has learnt until %s; decisions at %s by it know what "
            "nobody knew then (train --until earlier)\n",
            TEXT_ARG(entry.name), entry.version, cli_when(playbook, entry.until_ms),
            cli_when(playbook, t_ms));
}

void warn_of_later_lookup(const struct cli *cli, const struct engine *engine, int64_t t_ms) {
    struct text name;
    int64_t known_ms;
    char known[32], at[32];
    if (cli->at != NULL || !engine_later_lookup(engine, t_ms, &name, &known_ms)) return;
    time_format(known_ms, known);
    time_format(t_ms, at);
    cli_progress_end();
    fprintf(stderr,
            "attune: warning: the events end at %s, and lookup %.*s was loaded anew at %s; what is "
            "told is as known when they end (say --at TIME)\n",
            at, TEXT_ARG(name), known);
}

/* ---- the funnel ---- */

void funnel_print(const struct funnel *funnel) {
    printf("  %-18s %9s\n", "customers", cli_count(funnel->customers));
    for (uint32_t stage = 0; stage < STAGE_OFFERED; stage++) {
        double share =
            funnel->customers > 0 ? (double)funnel->left[stage] / (double)funnel->customers : 0;
        printf("  %-18s %9s  %5.1f %%\n", stage_name((enum stage)stage),
               cli_count(funnel->left[stage]), 100 * share);
    }
    uint64_t best = funnel_nothing_is_best(funnel);
    cli_wrap_format(2,
                    "  %s offered something, %s in the holdout who would be; for %s no treatment "
                    "that is left has an expected value above its cost, %s have none left before "
                    "that",
                    cli_count(funnel->offered), cli_count(funnel->withheld), cli_count(best),
                    cli_count(funnel->nothing - best));
    if (funnel->consent_unknown > 0)
        cli_wrap_format(4,
                        "  of %s it is not known whether they agree to a treatment that is left; "
                        "unknown counts as no",
                        cli_counted(funnel->consent_unknown, "customer"));
    if (funnel->by_value > 0)
        cli_wrap_format(4,
                        "  %s of those with a treatment get one that they are less likely to take "
                        "than another, since it is worth more",
                        cli_count(funnel->by_value));
    if (funnel->truncated > 0)
        cli_wrap_format(4,
                        "  for %s customers more than %d treatments were available: those beyond, "
                        "in the order of the playbook, were not considered",
                        cli_count(funnel->truncated), DECISION_TREATMENTS_MAX);
    if (funnel->limited > funnel->truncated)
        cli_wrap_format(4, "  for %s a limit was reached; what it left unknown counts as no",
                        cli_counted(funnel->limited - funnel->truncated, "customer"));
    if (funnel->crossed == 0) return;
    cli_wrap_format(
        4,
        "  decided for both in and out of the holdout, before they were known to be one: "
        "%s; leave them out of any comparison",
        cli_counted(funnel->crossed, "customer"));
}

/* ---- decisions.csv ---- */

void decision_csv_heading(FILE *file) {
    fputs("customer,name,time,rank,treatment,channel,propensity,value,cost,priority,probability,"
          "withheld,reason,placement,decision\n",
          file);
}

static void number_cell(FILE *file, double number) {
    if (isnan(number))
        fputc(',', file);
    else
        fprintf(file, "%.6g,", number);
}

static void ranked_line(FILE *file, struct engine *engine, const struct decision *decision,
                        uint32_t rank) {
    const struct treatment_trace ranked = decision_ranked(decision, rank), *trace = &ranked;
    fprintf(file, "%u,", rank + 1);
    cli_csv(file, trace->treatment->key);
    fputc(',', file);
    cli_csv(file, symbol_text(engine_symbols(engine), SYMBOL_CHANNEL, trace->treatment->channel));
    fputc(',', file);
    number_cell(file, trace->propensity);
    number_cell(file, trace->value);
    number_cell(file, trace->cost);
    number_cell(file, trace->priority);
    number_cell(file, decision->probability[rank]);
}

void decision_csv_line(FILE *file, const struct engine_view *view) {
    struct engine *engine = view->engine;
    const struct decision *decision = view->decision;
    char time[32], name[CUSTOMER_NAME_BYTES], reason[DECISION_REASON_BYTES_MAX];
    char id[DECISION_ID_BYTES];
    decision_id_text(decision->id, id);
    engine_view_reason(view, reason);
    customer_name(engine, decision->customer, name);
    time_format(decision->t_ms, time);
    uint32_t lines = decision->ranked_count > 0 ? decision->ranked_count : 1;
    for (uint32_t rank = 0; rank < lines; rank++) {
        fprintf(file, "C%u,", decision->customer.value);
        cli_csv(file, text_from(name));
        fprintf(file, ",%s,", time);
        if (decision->ranked_count > 0)
            ranked_line(file, engine, decision, rank);
        else
            fputs(",,,,,,,,", file);
        fprintf(file, "%s,", decision_withholds(decision, rank) ? "yes" : "no");
        cli_csv(file, text_from(rank == 0 ? reason : ""));
        fputc(',', file);
        cli_csv(file, decision->ranked_count > 0 ? decision_placement(decision, rank) : TEXT(""));
        fprintf(file, ",%s\n", id);
    }
}
