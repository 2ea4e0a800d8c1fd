/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deciding.h"

#include <math.h>

#include "base/memory.h"

enum status deciding_open(struct deciding *deciding, struct engine *engine, int64_t t_ms, struct error *error) {
    const struct world *world = engine_world(engine);
    const struct goal_base *bases;
    *deciding = (struct deciding){.engine = engine, .t_ms = t_ms};
    deciding->decision = memory_calloc(1, sizeof *deciding->decision);
    enum status status = deciding->decision == NULL ? STATUS_NO_MEMORY : engine_goal_bases(engine, t_ms, &bases, error);
    if (status == STATUS_OK) status = profiler_create(&deciding->profiler, world);
    if (status == STATUS_OK) status = decider_create(&deciding->decider, world, deciding->profiler, engine_models(engine), bases);
    if (status == STATUS_OK) status = world->source->ops->reader_open(world->source, &deciding->reader, error);
    return status;
}

void deciding_close(struct deciding *deciding) {
    if (deciding->reader != NULL) deciding->reader->source->ops->reader_close(deciding->reader);
    decider_destroy(deciding->decider);
    profiler_destroy(deciding->profiler);
    memory_free(deciding->decision);
    *deciding = (struct deciding){0};
}

static struct timeline_request request_of(struct deciding *deciding) {
    struct as_of as_of = {deciding->t_ms, deciding->reader->source->ops->position(deciding->reader)};
    return profiler_request(deciding->profiler, as_of, false);
}

enum status deciding_one(struct deciding *deciding, const char *name, struct error *error) {
    struct customer_id customer;
    struct timeline_request request = request_of(deciding);
    enum status status = engine_find_customer(deciding->engine, text_from(name), request.as_of, &customer, error);
    if (status != STATUS_OK) return status;
    status = deciding->reader->source->ops->read(deciding->reader, customer, &request, &deciding->timeline, error);
    if (status == STATUS_NOT_FOUND) return error_set(error, status, "%s has no events by then", name);
    if (status != STATUS_OK) return status;
    return decide_customer(deciding->decider, &deciding->timeline, deciding->t_ms, deciding->decision, error);
}

enum status deciding_walk(struct deciding *deciding, struct error *error) {
    struct timeline_request request = request_of(deciding);
    return deciding->reader->source->ops->walk(deciding->reader, &request, 0, 1, error);
}

enum status deciding_next(struct deciding *deciding, struct error *error) {
    enum status status = deciding->reader->source->ops->next(deciding->reader, &deciding->timeline, error);
    if (status != STATUS_OK) return status;
    return decide_customer(deciding->decider, &deciding->timeline, deciding->t_ms, deciding->decision, error);
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
}

void funnel_print(const struct funnel *funnel) {
    printf("  %-18s %9s\n", "customers", cli_count(funnel->customers));
    for (uint32_t stage = 0; stage < STAGE_OFFERED; stage++) {
        double share = funnel->customers > 0 ? (double)funnel->left[stage] / (double)funnel->customers : 0;
        printf("  %-18s %9s  %5.1f %%\n", stage_name((enum stage)stage), cli_count(funnel->left[stage]), 100 * share);
    }
    printf("  %s are offered something, %s would be but are in the holdout, for %s nothing is best\n", cli_count(funnel->offered),
           cli_count(funnel->withheld), cli_count(funnel->nothing));
}

void funnel_write_json(const struct funnel *funnel, struct json_writer *writer) {
    json_write_object_begin(writer);
    const struct { const char *name; uint64_t value; } counts[] = {
        {"customers", funnel->customers}, {"offered", funnel->offered}, {"withheld", funnel->withheld}, {"nothing", funnel->nothing}};
    for (size_t i = 0; i < 4; i++) {
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

/* ---- names and lines ---- */

struct strongest { struct engine *engine; char *name; uint32_t rank; };

static void take_strongest(void *context, struct identifier_id identifier, uint32_t type, struct text value) {
    (void)identifier;
    struct strongest *strongest = context;
    const struct playbook *playbook = engine_playbook(strongest->engine);
    for (uint32_t i = 0; i < playbook->identifier_count; i++) {
        if (playbook->identifiers[i].symbol != type || playbook->identifiers[i].priority >= strongest->rank) continue;
        strongest->rank = playbook->identifiers[i].priority;
        snprintf(strongest->name, 128, "%.*s:%.*s", TEXT_ARG(playbook->identifiers[i].name), TEXT_ARG(value));
    }
}

const char *customer_name(struct engine *engine, struct customer_id customer) {
    static char name[128];
    struct strongest strongest = {engine, name, UINT32_MAX};
    struct identity_visitor visitor = {.identifier = take_strongest, .context = &strongest};
    snprintf(name, sizeof name, "C%u", customer.value);
    if (identity_describe(engine_identity(engine), customer, &visitor) != STATUS_OK) snprintf(name, sizeof name, "C%u", customer.value);
    return name;
}

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
    char time[32];
    const char *name = customer_name(engine, decision->customer);
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
