/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* ---- what came in ---- */

static struct report_source *source_named(struct report *report, struct text name) {
    for (size_t i = 0; i < report->source_count; i++) {
        if (text_equal(report->sources[i].name, name)) return &report->sources[i];
    }
    if (report->source_count == REPORT_SOURCES_MAX) return NULL;
    struct report_source *source = &report->sources[report->source_count++];
    *source = (struct report_source){.name = name};
    return source;
}

static void gather_lookups(struct report *report) {
    const struct world *world = engine_world(report->engine);
    const struct playbook *playbook = world->playbook;
    for (uint32_t i = 0; i < playbook->source_count; i++) {
        const struct source *source = &playbook->sources[i];
        struct report_source *entry = source_named(report, source->name);
        if (entry == NULL) return;
        entry->note = source->note;
        entry->is_lookup = source->is_lookup;
        entry->undated = source->time_always || source->is_lookup;
        if (!source->is_lookup) continue;
        const struct lookup_table *table =
            world->lookup(world->context, source->lookup, TIME_NEVER);
        if (table == NULL) continue;
        entry->rows = lookup_row_count(table);
        entry->bytes = lookup_bytes(table);
    }
}

static enum status gather_data(struct report *report, struct error *error) {
    enum status status = engine_data_report(report->engine, &report->data, error);
    gather_lookups(report);
    for (size_t i = 0; i < report->data.field_count && status == STATUS_OK; i++) {
        const struct field_usage *field = &report->data.fields[i];
        struct report_source *entry =
            field->field.length == 0 ? source_named(report, field->source) : NULL;
        if (entry == NULL) continue;
        entry->events += field->count;
        entry->bytes += field->bytes;
    }
    return status;
}

/* ---- how good the model is ---- */

static int compare_doubles_by_key(const void *left, const void *right) {
    const double *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Wilson's interval for a share (1927). */
static void wilson(struct calibration_bin *bin, double yes) {
    double n = (double)bin->count, z = 1.959964, p = yes / n;
    double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
    bin->rate = p;
    bin->low = centre - half;
    bin->high = centre + half;
}

static enum status gather_bins(struct report_model *model) {
    const struct evaluation *evaluation = &model->evaluation;
    double(*rows)[2] = memory_calloc(evaluation->count + 1, sizeof *rows);
    if (rows == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < evaluation->count; i++) {
        rows[i][0] = evaluation->propensity[i];
        rows[i][1] = evaluation->yes[i];
    }
    qsort(rows, evaluation->count, sizeof *rows, compare_doubles_by_key);
    for (size_t b = 0; b < REPORT_BINS; b++) {
        size_t from = evaluation->count * b / REPORT_BINS,
               to = evaluation->count * (b + 1) / REPORT_BINS;
        if (from == to) continue;
        struct calibration_bin *bin = &model->bins[model->bin_count++];
        double predicted = 0, yes = 0;
        for (size_t i = from; i < to; i++) {
            predicted += rows[i][0];
            yes += rows[i][1];
        }
        bin->count = to - from;
        bin->predicted = predicted / (double)bin->count;
        wilson(bin, yes);
    }
    memory_free(rows);
    return STATUS_OK;
}

/* --against holds predictions of one model: of the first that was trained. */
static enum status judge(struct report *report, uint32_t rule, const char *against,
                         struct report_model *model, struct error *error) {
    enum status status = evaluation_make(report->engine, rule, report->from_ms, report->until_ms,
                                         against, &model->evaluation, error);
    /* Nothing has matured: the report says so. */
    if (status == STATUS_INVALID && against == NULL) return STATUS_OK;
    if (status != STATUS_OK) return status;
    model->is_judged = true;
    return gather_bins(model);
}

static enum status gather_models(struct report *report, const struct cli *cli,
                                 struct error *error) {
    const struct playbook *playbook = engine_playbook(report->engine);
    report->models = memory_calloc(playbook->model_count + 1, sizeof *report->models);
    if (report->models == NULL) return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < playbook->model_count && status == STATUS_OK; i++) {
        struct report_model *model = &report->models[report->model_count];
        if (engine_model(report->engine, i, &model->entry) == NULL) continue;
        const char *against = report->model_count++ == 0 ? cli->against : NULL;
        status = judge(report, i, against, model, error);
    }
    return status;
}

/* ---- decisions ---- */

/* Three of different treatments where there are so many, the most worthwhile first. */
static void consider_example(struct report *report, const struct decision *decision) {
    if (decision->ranked_count == 0 || decision_withholds(decision, 0)) return;
    const struct treatment_trace *trace = &decision->trace[decision->ranked[0]];
    uint32_t at = report->example_count;
    for (uint32_t i = 0; i < report->example_count; i++) {
        if (text_equal(text_from(report->examples[i].treatment), trace->treatment->key)) at = i;
    }
    if (at == report->example_count && at == REPORT_EXAMPLES) {
        at = 0;
        for (uint32_t i = 1; i < REPORT_EXAMPLES; i++) {
            if (report->examples[i].priority < report->examples[at].priority) at = i;
        }
    }
    if (at < report->example_count && report->examples[at].priority >= trace->priority) return;
    if (at == report->example_count) report->example_count++;
    struct report_example *example = &report->examples[at];
    *example = (struct report_example){.customer = decision->customer,
                                       .propensity = trace->propensity,
                                       .priority = trace->priority};
    snprintf(example->treatment, sizeof example->treatment, "%.*s",
             TEXT_ARG(trace->treatment->key));
    customer_name(report->engine, decision->customer, example->name);
    snprintf(example->reason, sizeof example->reason, "%s", decision->reason);
}

/* ---- how often each action is offered ---- */

static enum status begin_offers(struct report *report) {
    const struct playbook *playbook = engine_playbook(report->engine);
    report->first_offer = memory_calloc(playbook->action_count + 1, sizeof *report->first_offer);
    if (report->first_offer == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        report->first_offer[i] = (uint32_t)report->offer_count;
        report->offer_count += playbook->actions[i].channel_count;
    }
    report->offers = memory_calloc(report->offer_count + 1, sizeof *report->offers);
    if (report->offers == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        for (uint32_t c = 0; c < action->channel_count; c++)
            report->offers[report->first_offer[i] + c] =
                (struct report_offer){.action = action, .channel = action->channels[c].channel};
    }
    return STATUS_OK;
}

static void count_offers(struct report *report, const struct decision *decision) {
    const struct playbook *playbook = engine_playbook(report->engine);
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++) {
        const struct treatment_trace *trace = &decision->trace[decision->ranked[rank]];
        const struct treatment *treatment = trace->treatment;
        ptrdiff_t action = treatment->action - playbook->actions;
        for (uint32_t c = 0; c < playbook->actions[action].channel_count; c++) {
            struct report_offer *offer = &report->offers[report->first_offer[action] + c];
            if (offer->channel != treatment->channel) continue;
            if (decision_withholds(decision, rank)) {
                offer->withheld++;
                continue;
            }
            offer->offered++;
            offer->propensity_sum += trace->propensity;
            offer->cost += trace->cost;
        }
    }
}

static int compare_offers(const void *left, const void *right) {
    const struct report_offer *a = left, *b = right;
    if (a->offered != b->offered) return a->offered > b->offered ? -1 : 1;
    if (a->withheld != b->withheld) return a->withheld > b->withheld ? -1 : 1;
    if (a->action != b->action) return a->action < b->action ? -1 : 1;
    return a->channel < b->channel ? -1 : a->channel > b->channel;
}

/* Most often offered first. What is never offered stays: that is what its owner must see. */
static void end_offers(struct report *report) {
    qsort(report->offers, report->offer_count, sizeof *report->offers, compare_offers);
}

static int compare_examples(const void *left, const void *right) {
    const struct report_example *a = left, *b = right;
    return a->priority < b->priority ? 1 : a->priority > b->priority ? -1 : 0;
}

static enum status gather_decisions(struct report *report, struct error *error) {
    struct answering answering = {0};
    report->hindsight = engine_hindsight(report->engine, report->at_ms, NULL);
    warn_of_hindsight(report->engine, report->at_ms);
    enum status status = begin_offers(report);
    if (status == STATUS_OK)
        status = answering_open(&answering, report->engine, report->at_ms, error);
    if (status == STATUS_OK) status = answering_walk(&answering, error);
    while (status == STATUS_OK && (status = answering_next(&answering, error)) == STATUS_OK) {
        funnel_add(&report->funnel, answering.decision);
        count_offers(report, answering.decision);
        consider_example(report, answering.decision);
    }
    answering_close(&answering);
    end_offers(report);
    qsort(report->examples, report->example_count, sizeof *report->examples, compare_examples);
    return status == STATUS_END ? STATUS_OK : status;
}

enum status report_gather(struct report *report, struct cli *cli, struct error *error) {
    struct scenario_options options = {.now_ms = report->until_ms,
                                       .threads = engine_threads(report->engine)};
    enum status status = gather_data(report, error);
    if (status == STATUS_OK)
        status = scenario_measure(engine_world(report->engine), &options, &report->scenarios,
                                  &report->scenario_count, error);
    if (status == STATUS_OK)
        status = engine_month_report(report->engine, report->at_ms, &report->months, error);
    if (status == STATUS_OK) status = gather_models(report, cli, error);
    if (status == STATUS_OK) status = gather_decisions(report, error);
    return status;
}

void report_release(struct report *report) {
    data_report_release(&report->data);
    memory_free(report->scenarios);
    for (size_t i = 0; i < report->model_count; i++)
        evaluation_release(&report->models[i].evaluation);
    memory_free(report->models);
    memory_free(report->offers);
    memory_free(report->first_offer);
}

/* ---- the command ---- */

static enum status write_files(const struct report *report, struct error *error) {
    char path[4096];
    enum status status =
        file_system_os()->ops->make_directory(file_system_os(), report->folder, error);
    snprintf(path, sizeof path, "%s/report.json", report->folder);
    if (status == STATUS_OK) status = report_write_json(report, path, error);
    snprintf(path, sizeof path, "%s/report.html", report->folder);
    return status == STATUS_OK ? report_write_html(report, path, error) : status;
}

int command_report(struct cli *cli) {
    struct error error = {0};
    struct report *report = memory_calloc(1, sizeof *report);
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL || report == NULL) {
        memory_free(report);
        engine_close(engine);
        return EXIT_FAILED;
    }
    report->engine = engine;
    report->folder = cli->out != NULL ? cli->out : ".";
    bool ok =
        cli_at(cli, engine, &report->at_ms) &&
        cli_time(engine, "until", cli->until, report->at_ms, &report->until_ms) &&
        cli_time(engine, "from", cli->from, report->at_ms - 90 * TIME_DAY_MS, &report->from_ms);
    enum status status = STATUS_OK;
    if (ok) status = report_gather(report, cli, &error);
    if (ok && status == STATUS_OK) status = write_files(report, &error);
    if (ok && status == STATUS_OK && cli->json)
        (void)report_print_json(report);
    else if (ok && status == STATUS_OK)
        report_print(report);
    report_release(report);
    memory_free(report);
    engine_close(engine);
    if (status != STATUS_OK) return cli_fail(&error);
    return ok ? EXIT_OK : EXIT_FAILED;
}
