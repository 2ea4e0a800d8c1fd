/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deciding.h"

#include <math.h>

void warn_of_hindsight(const struct engine *engine, int64_t t_ms) {
    struct model_entry entry;
    char until[32], at[32];
    if (!engine_hindsight(engine, t_ms, &entry)) return;
    time_format(entry.until_ms, until);
    time_format(t_ms, at);
    cli_progress_end();
    fprintf(stderr, "attune: warning: model %.*s@%u has learnt until %s; decisions at %s by it know what nobody knew then (train --until earlier)\n",
            TEXT_ARG(entry.name), entry.version, until, at);
}

void warn_of_later_lookup(const struct cli *cli, const struct engine *engine, int64_t t_ms) {
    struct text name;
    int64_t known_ms;
    char known[32], at[32];
    if (cli->at != NULL || !engine_later_lookup(engine, t_ms, &name, &known_ms)) return;
    time_format(known_ms, known);
    time_format(t_ms, at);
    cli_progress_end();
    fprintf(stderr, "attune: warning: the events end at %s, and lookup %.*s was loaded anew at %s; what is told is as known when they end (say --at TIME)\n",
            at, TEXT_ARG(name), known);
}

/* ---- the funnel ---- */

void funnel_add(struct funnel *funnel, const struct decision *decision) {
    enum stage furthest = STAGE_AVAILABLE;
    for (uint32_t i = 0; i < decision->trace_count; i++) {
        if (decision->trace[i].stopped_at > furthest) furthest = decision->trace[i].stopped_at;
    }
    funnel->customers++;
    for (uint32_t stage = 0; stage < furthest; stage++) funnel->left[stage]++;
    if (decision->ranked_count == 0) funnel->nothing++;
    else if (decision->withheld) funnel->withheld++;
    else funnel->offered++;
    funnel->crossed += decision->holdout.crossed;
}

void funnel_print(const struct funnel *funnel) {
    printf("  %-18s %9s\n", "customers", cli_count(funnel->customers));
    for (uint32_t stage = 0; stage < STAGE_OFFERED; stage++) {
        double share = funnel->customers > 0 ? (double)funnel->left[stage] / (double)funnel->customers : 0;
        printf("  %-18s %9s  %5.1f %%\n", stage_name((enum stage)stage), cli_count(funnel->left[stage]), 100 * share);
    }
    printf("  %s are offered something, %s would be but are in the holdout, for %s nothing is best\n", cli_count(funnel->offered),
           cli_count(funnel->withheld), cli_count(funnel->nothing));
    if (funnel->crossed == 0) return;
    printf("  %s were decided for both in and out of the holdout before they were known to be one: leave them out of any comparison\n",
           cli_count(funnel->crossed));
}

void funnel_write_json(const struct funnel *funnel, struct json_writer *writer) {
    json_write_object_begin(writer);
    const struct { const char *name; uint64_t value; } counts[] = {
        {"customers", funnel->customers}, {"offered", funnel->offered}, {"withheld", funnel->withheld}, {"nothing", funnel->nothing}, {"crossed", funnel->crossed}};
    for (size_t i = 0; i < 5; i++) {
        json_write_key(writer, counts[i].name);
        json_write_integer(writer, (int64_t)counts[i].value);
    }
    json_write_key(writer, "left");
    json_write_object_begin(writer);
    for (uint32_t stage = 0; stage < STAGE_OFFERED; stage++) {
        json_write_key(writer, stage_name((enum stage)stage));
        json_write_integer(writer, (int64_t)funnel->left[stage]);
    }
    json_write_object_end(writer);
    json_write_object_end(writer);
}

/* ---- decisions.csv ---- */

void decision_csv_heading(FILE *file) {
    fputs("customer,name,time,rank,treatment,channel,propensity,value,cost,priority,probability,withheld,reason\n", file);
}

static void number_cell(FILE *file, double number) {
    if (isnan(number)) fputc(',', file);
    else fprintf(file, "%.6g,", number);
}

static void ranked_line(FILE *file, struct engine *engine, const struct decision *decision, uint32_t rank) {
    const struct treatment_trace *trace = &decision->trace[decision->ranked[rank]];
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

void decision_csv_line(FILE *file, struct engine *engine, const struct decision *decision) {
    char time[32], name[CUSTOMER_NAME_BYTES];
    customer_name(engine, decision->customer, name);
    time_format(decision->t_ms, time);
    uint32_t lines = decision->ranked_count > 0 ? decision->ranked_count : 1;
    for (uint32_t rank = 0; rank < lines; rank++) {
        fprintf(file, "C%u,", decision->customer.value);
        cli_csv(file, text_from(name));
        fprintf(file, ",%s,", time);
        if (decision->ranked_count > 0) ranked_line(file, engine, decision, rank);
        else fputs(",,,,,,,,", file);
        fprintf(file, "%s,", decision->withheld ? "yes" : "no");
        cli_csv(file, text_from(rank == 0 ? decision->reason : ""));
        fputc('\n', file);
    }
}
