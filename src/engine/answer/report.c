/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/report.h"

#include <stdio.h>
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
    const struct customer_data *data = engine_customer_data(report->engine);
    const struct playbook *playbook = data->playbook;
    for (uint32_t i = 0; i < playbook->source_count; i++) {
        const struct source *source = &playbook->sources[i];
        struct report_source *entry = source_named(report, source->name);
        if (entry == NULL) return;
        entry->note = source->note;
        entry->is_lookup = source->is_lookup;
        entry->undated = source->time_always || source->is_lookup;
        if (!source->is_lookup) continue;
        const struct lookup_table *table = data->lookup(data->context, source->lookup, TIME_NEVER);
        if (table == NULL) continue;
        entry->rows = lookup_row_count(table);
        entry->bytes = lookup_bytes(table);
    }
}

static enum status gather_data(struct report *report, struct work *work, struct error *error) {
    enum status status = engine_data_report(report->engine, work, &report->data, error);
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

/* ---- how good the models are ---- */

static enum status judge(struct report *report, uint32_t rule, const char *against,
                         struct work *work, struct report_model *model, struct error *error) {
    struct evaluate_options options = {.rule = rule,
                                       .from_ms = report->from_ms,
                                       .until_ms = report->until_ms,
                                       .against = against,
                                       .work = work};
    enum status status = engine_evaluate(report->engine, &options, &model->evaluation, error);
    /* Nothing has matured: the report says so. */
    if (status == STATUS_INVALID && against == NULL) return STATUS_OK;
    model->is_judged = status == STATUS_OK;
    return status;
}

/* `against` holds predictions of one model: of the first that was trained. */
static enum status gather_models(struct report *report, const struct report_options *options,
                                 struct error *error) {
    const struct playbook *playbook = engine_playbook(report->engine);
    report->models = memory_calloc(playbook->model_count + 1, sizeof *report->models);
    if (report->models == NULL) return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < playbook->model_count && status == STATUS_OK; i++) {
        struct report_model *model = &report->models[report->model_count];
        if (engine_model(report->engine, i, &model->entry) == NULL) continue;
        const char *against = report->model_count++ == 0 ? options->against : NULL;
        status = judge(report, i, against, options->work, model, error);
    }
    return status;
}

/* ---- decisions ---- */

static void consider_example(struct report *report, const struct engine_view *view) {
    const struct decision *decision = view->decision;
    if (decision->ranked_count == 0 || decision_withholds(decision, 0)) return;
    const struct treatment_trace first = decision_ranked(decision, 0), *trace = &first;
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
    engine_view_reason(view, example->reason);
}

static int compare_examples(const void *left, const void *right) {
    const struct report_example *a = left, *b = right;
    return a->priority < b->priority ? 1 : a->priority > b->priority ? -1 : 0;
}

static enum status decide_all(struct report *report, struct work *work, struct error *error) {
    struct engine_view view = {0};
    enum status status = engine_view_open(&view, report->engine, report->at_ms, error);
    view.work = work;
    if (status == STATUS_OK) status = engine_view_walk(&view, error);
    while (status == STATUS_OK && (status = engine_view_next(&view, error)) == STATUS_OK) {
        funnel_add(&report->funnel, view.decision);
        if (report->funnel.customers == 1) /* rates are there */
            work_step(work, "customers decided", report->data.customer_count);
        offers_add(&report->offers, view.decision);
        consider_example(report, &view);
        work_add(work, 1);
        status = work_check(work, error);
    }
    engine_view_close(&view);
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status gather_decisions(struct report *report, struct work *work, struct error *error) {
    report->hindsight = engine_hindsight(report->engine, report->at_ms, NULL);
    enum status status = offers_init(&report->offers, engine_playbook(report->engine));
    if (status == STATUS_OK) status = decide_all(report, work, error);
    offers_sort(&report->offers);
    qsort(report->examples, report->example_count, sizeof *report->examples, compare_examples);
    return status;
}

/* ---- the whole ---- */

enum status engine_report(struct engine *engine, const struct report_options *options,
                          struct report *out, struct error *error) {
    const struct customer_data *data = engine_customer_data(engine);
    struct scenario_options scenarios = {
        .now_ms = options->until_ms, .threads = engine_threads(engine), .work = options->work};
    *out = (struct report){.engine = engine,
                           .at_ms = options->at_ms,
                           .from_ms = options->from_ms,
                           .until_ms = options->until_ms};
    enum status status = gather_data(out, options->work, error);
    if (status == STATUS_OK)
        status = scenario_measure(data, &scenarios, &out->scenarios, &out->scenario_count, error);
    if (status == STATUS_OK)
        status = months_measure(data, options->at_ms, options->work, &out->months, error);
    if (status == STATUS_OK) status = gather_models(out, options, error);
    return status == STATUS_OK ? gather_decisions(out, options->work, error) : status;
}

void report_release(struct report *report) {
    data_report_release(&report->data);
    memory_free(report->scenarios);
    for (size_t i = 0; i < report->model_count; i++)
        evaluation_release(&report->models[i].evaluation);
    memory_free(report->models);
    offers_release(&report->offers);
}
