/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/report_json.h"

#include <math.h>
#include <stdio.h>

/* ---- a figure ---- */

void figure_write_members(const struct figure *figure, struct json_writer *writer) {
    char unit[FIGURE_UNIT_BYTES];
    figure_unit_text(figure, unit);
    json_member_string(writer, "name", figure->name);
    json_member_number(writer, "value", figure->value);
    json_member_number(writer, "low", figure->low);
    json_member_number(writer, "high", figure->high);
    json_member_number(writer, "low_50", figure->low50);
    json_member_number(writer, "high_50", figure->high50);
    json_member_count(writer, "n", figure->n);
    json_member_string(writer, "of", counted_text(figure->of));
    json_member_string(writer, "unit", unit);
    json_member_string(writer, "question", figure->question);
    json_member_time(writer, "as_of", figure->as_of_ms);
}

void figures_write_member(const struct figure *figures, size_t count, struct json_writer *writer) {
    json_write_key(writer, "measured");
    json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        json_write_object_begin(writer);
        figure_write_members(&figures[i], writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

/* ---- models ---- */

static void write_interval(struct json_writer *writer, const char *name,
                           const struct interval *interval) {
    char key[64];
    const struct {
        const char *suffix;
        double value;
    } parts[] = {{"", interval->value}, {"_low", interval->low}, {"_high", interval->high}};
    for (size_t i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "%s%s", name, parts[i].suffix);
        json_write_key(writer, key);
        json_write_number(writer, parts[i].value);
    }
}

static void write_metrics(const struct model_metrics *metrics, struct json_writer *writer) {
    json_write_key(writer, "rows");
    json_write_integer(writer, (int64_t)metrics->rows);
    json_member_count(writer, "customers", metrics->groups);
    json_write_key(writer, "reached");
    json_write_integer(writer, (int64_t)metrics->yes);
    json_write_key(writer, "base_rate");
    json_write_number(writer, metrics->base_rate.value);
    write_interval(writer, "auc", &metrics->auc);
    write_interval(writer, "log_loss", &metrics->log_loss);
    write_interval(writer, "calibration_error", &metrics->calibration_error);
    write_interval(writer, "top_tenth_gain", &metrics->top_tenth_gain);
}

void metrics_write_json(const struct model_metrics *metrics, int64_t as_of_ms,
                        struct json_writer *writer) {
    struct figure figures[METRICS_FIGURES];
    write_metrics(metrics, writer);
    metrics_figures(metrics, as_of_ms, figures);
    figures_write_member(figures, METRICS_FIGURES, writer);
}

static void write_calibration(const struct evaluation *evaluation, struct json_writer *writer) {
    json_write_key(writer, "calibration");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < evaluation->bin_count; i++) {
        json_write_object_begin(writer);
        json_member_number(writer, "predicted", evaluation->bins[i].predicted);
        figure_write_members(&evaluation->bins[i].rate, writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

void counts_write_json(const struct trainer_counts *counts, struct json_writer *writer) {
    const struct {
        const char *name;
        uint64_t count;
    } members[] = {{"events", counts->events},
                   {"rows", counts->rows},
                   {"unnamed", counts->unnamed},
                   {"unmatched", counts->unmatched},
                   {"of_other_actions", counts->of_others},
                   {"not_matured", counts->open},
                   {"without_end", counts->endless},
                   {"told_again", counts->again},
                   {"learnt_before", counts->learnt},
                   {"themselves_the_goal", counts->itself},
                   {"of_claims", counts->of_claims},
                   {"coinciding", counts->coinciding},
                   {"corrected_later", counts->corrected_later}};
    json_write_object_begin(writer);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        json_member_count(writer, members[i].name, members[i].count);
    json_write_key(writer, "unmatched_names");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < counts->distinct_names && i < TRAINER_NAMES_MAX; i++) {
        json_write_object_begin(writer);
        json_member_string(writer, "name", counts->names[i].name);
        json_member_count(writer, "events", counts->names[i].count);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_write_object_end(writer);
}

void evaluation_write_json(const struct evaluation *evaluation, struct json_writer *writer) {
    struct figure figures[METRICS_FIGURES + 1];
    write_metrics(&evaluation->metrics, writer);
    metrics_figures(&evaluation->metrics, evaluation->as_of_ms, figures);
    if (evaluation->compared) figures[METRICS_FIGURES] = evaluation_auc_difference(evaluation);
    figures_write_member(figures, METRICS_FIGURES + evaluation->compared, writer);
    write_calibration(evaluation, writer);
    json_member_count(writer, "rows_left_out", evaluation->learnt_count);
    json_write_key(writer, "counts");
    counts_write_json(&evaluation->counts, writer);
    if (!evaluation->compared) return;
    write_interval(writer, "auc_difference", &evaluation->auc_difference);
    json_write_key(writer, "compared_rows");
    json_write_integer(writer, (int64_t)evaluation->compared_count);
    json_write_key(writer, "against");
    json_write_object_begin(writer);
    json_write_key(writer, "name");
    json_write_string(writer, evaluation->against_name);
    metrics_write_json(&evaluation->against, evaluation->as_of_ms, writer);
    json_write_object_end(writer);
}

/* ---- scenarios and decisions ---- */

void scenarios_write_json(const struct playbook *playbook, const struct scenario_result *results,
                          size_t count, struct json_writer *writer) {
    json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        const struct scenario_result *result = &results[i];
        json_write_object_begin(writer);
        json_member_text(writer, "scenario", playbook->scenarios[result->scenario].name);
        json_member_text(writer, "goal", playbook->goals[result->goal].name);
        json_member_count(writer, "customers_inside", result->customers_inside);
        json_member_count(writer, "customers_outside", result->customers_outside);
        json_member_count(writer, "rows_inside", result->rows_inside);
        json_member_count(writer, "rows_outside", result->rows_outside);
        json_member_count(writer, "yes_inside", result->yes_inside);
        json_member_count(writer, "yes_outside", result->yes_outside);
        json_member_count(writer, "rows_limited", result->rows_limited);
        json_member_count(writer, "landmarks", result->landmark_count);
        json_member_number(writer, "rate_inside", result->rate_inside.value);
        json_member_number(writer, "rate_inside_low", result->rate_inside.low);
        json_member_number(writer, "rate_inside_high", result->rate_inside.high);
        json_member_number(writer, "rate_outside", result->rate_outside.value);
        json_member_number(writer, "index", result->index.value);
        json_member_number(writer, "index_low", result->index.low);
        json_member_number(writer, "index_high", result->index.high);
        const struct figure figures[] = {result->rate_inside, result->rate_outside, result->index};
        figures_write_member(figures, 3, writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

/* A stage's name as a key: "contact_policies". */
static void write_stage(struct json_writer *writer, enum stage stage, uint64_t count) {
    char key[32];
    snprintf(key, sizeof key, "%s", stage_name(stage));
    for (char *at = key; *at != '\0'; at++) *at = *at == ' ' ? '_' : *at;
    json_member_count(writer, key, count);
}

void funnel_write_json(const struct funnel *funnel, int64_t as_of_ms, struct json_writer *writer) {
    struct figure figures[FUNNEL_FIGURES];
    funnel_figures(funnel, as_of_ms, figures);
    json_write_object_begin(writer);
    json_member_count(writer, "customers", funnel->customers);
    json_member_count(writer, "offered", funnel->offered);
    json_member_count(writer, "withheld", funnel->withheld);
    json_member_count(writer, "nothing", funnel->nothing);
    json_member_count(writer, "nothing_is_best", funnel_nothing_is_best(funnel));
    json_member_count(writer, "consent_unknown", funnel->consent_unknown);
    json_member_count(writer, "truncated", funnel->truncated);
    json_member_count(writer, "limited", funnel->limited);
    json_member_count(writer, "by_value", funnel->by_value);
    json_member_count(writer, "crossed", funnel->crossed);
    json_write_key(writer, "left");
    json_write_object_begin(writer);
    for (uint32_t stage = 0; stage < STAGE_OFFERED; stage++)
        write_stage(writer, (enum stage)stage, funnel->left[stage]);
    json_write_object_end(writer);
    figures_write_member(figures, FUNNEL_FIGURES, writer);
    json_write_object_end(writer);
}

/* ---- the report ---- */

static void write_data(const struct report *report, struct json_writer *writer) {
    const struct data_report *data = &report->data;
    json_write_key(writer, "sources");
    json_write_array_begin(writer);
    for (size_t i = 0; i < report->source_count; i++) {
        const struct report_source *source = &report->sources[i];
        json_write_object_begin(writer);
        json_write_key(writer, "source");
        json_write_text(writer, source->name);
        json_write_key(writer, source->is_lookup ? "rows" : "events");
        json_write_integer(writer, (int64_t)(source->is_lookup ? source->rows : source->events));
        json_write_key(writer, "bytes");
        json_write_integer(writer, (int64_t)source->bytes);
        json_write_key(writer, "note");
        json_write_text(writer, source->note.length > 0 ? source->note : TEXT(""));
        json_write_key(writer, "undated");
        json_write_yes_no(writer, source->undated);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"events", data->event_count},      {"customers", data->customer_count},
                  {"clean_bytes", data->clean_bytes}, {"dirty_rows", data->dirty_rows},
                  {"dirty_bytes", data->dirty_bytes}, {"dark_fields", data->dark_fields},
                  {"dark_bytes", data->dark_bytes},   {"disk_bytes", data->disk_bytes}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_write_key(writer, counts[i].name);
        json_write_integer(writer, (int64_t)counts[i].value);
    }
}

static void write_months(const struct report *report, struct json_writer *writer) {
    const struct symbols *symbols = engine_symbols(report->engine);
    const struct month_report *months = &report->months;
    json_write_key(writer, "months");
    json_write_array_begin(writer);
    for (uint32_t m = 0; m < months->month_count; m++) {
        json_write_object_begin(writer);
        json_member_time(writer, "from", months->months[m].from_ms);
        json_member_count(writer, "events", months->months[m].events);
        json_member_count(writer, "customers", months->months[m].customers);
        struct figure figures[MONTH_FIGURES];
        month_figures(months, m, figures);
        figures_write_member(figures, MONTH_FIGURES, writer);
        json_write_key(writer, "sums");
        json_write_array_begin(writer);
        for (uint32_t i = 0; i < months->series_count; i++) {
            const struct month_series *series = &months->series[i];
            char currency[4];
            if (series->values[m] == 0) continue;
            currency_to_text(series->currency, currency);
            json_write_object_begin(writer);
            json_member_text(writer, "event",
                             symbol_text(symbols, SYMBOL_EVENT, series->event_type));
            json_member_text(writer, "property",
                             symbol_text(symbols, SYMBOL_PROPERTY, series->property));
            json_member_string(writer, "currency", currency);
            json_member_count(writer, "values", series->values[m]);
            json_write_key(writer, "sum");
            json_write_number(writer, month_sum(series, m));
            struct figure figure = month_sum_figure(months, series, m);
            figures_write_member(&figure, 1, writer);
            json_write_object_end(writer);
        }
        json_write_array_end(writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_member_count(writer, "earlier_events", months->earlier_events);
    json_member_count(writer, "sums_left_out", months->left_out);
}

static void write_offers(const struct report *report, struct json_writer *writer) {
    const struct symbols *symbols = engine_symbols(report->engine);
    json_write_key(writer, "offers");
    json_write_array_begin(writer);
    for (size_t i = 0; i < report->offers.count; i++) {
        const struct offer_use *offer = &report->offers.items[i];
        json_write_object_begin(writer);
        json_member_text(writer, "action", offer->action->name);
        json_member_text(writer, "channel", symbol_text(symbols, SYMBOL_CHANNEL, offer->channel));
        json_member_count(writer, "offered", offer->offered);
        json_member_count(writer, "withheld", offer->withheld);
        json_write_key(writer, "mean_propensity");
        if (offer->offered > 0)
            json_write_number(writer, offer->propensity_sum / (double)offer->offered);
        else
            json_write_null(writer);
        json_write_key(writer, "cost");
        json_write_number(writer, offer->cost);
        struct figure figures[OFFER_FIGURES];
        offer_figures(&report->offers, offer, report->at_ms, figures);
        figures_write_member(figures, OFFER_FIGURES, writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_models(const struct report *report, struct json_writer *writer) {
    json_write_key(writer, "models");
    json_write_array_begin(writer);
    for (size_t i = 0; i < report->model_count; i++) {
        const struct report_model *model = &report->models[i];
        json_write_object_begin(writer);
        json_member_text(writer, "name", model->entry.name);
        json_member_count(writer, "version", model->entry.version);
        json_member_time(writer, "learnt_until", model->entry.until_ms);
        json_write_key(writer, "judged");
        json_write_yes_no(writer, model->is_judged);
        if (model->is_judged) evaluation_write_json(&model->evaluation, writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_decisions(const struct report *report, struct json_writer *writer) {
    json_write_key(writer, "hindsight");
    json_write_yes_no(writer, report->hindsight);
    json_write_key(writer, "funnel");
    funnel_write_json(&report->funnel, report->at_ms, writer);
    write_offers(report, writer);
    json_write_key(writer, "examples");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < report->example_count; i++) {
        const struct report_example *example = &report->examples[i];
        json_write_object_begin(writer);
        json_write_key(writer, "customer");
        json_write_string(writer, example->name);
        json_write_key(writer, "treatment");
        json_write_string(writer, example->treatment);
        json_write_key(writer, "propensity");
        json_write_number(writer, example->propensity);
        json_write_key(writer, "priority");
        json_write_number(writer, example->priority);
        json_write_key(writer, "reason");
        json_write_string(writer, example->reason);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

void report_write_members(const struct report *report, struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(report->engine);
    json_member_text(writer, "name", playbook->name);
    json_member_time(writer, "at", report->at_ms);
    write_data(report, writer);
    write_months(report, writer);
    json_write_key(writer, "scenarios");
    scenarios_write_json(playbook, report->scenarios, report->scenario_count, writer);
    write_models(report, writer);
    write_decisions(report, writer);
}
