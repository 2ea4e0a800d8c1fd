/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "engine/answer/report_json.h"
#include "engine/answer/results.h"

static void write_ratio(const struct sample_ratio *ratio, struct json_writer *writer) {
    json_write_key(writer, "sample_ratio");
    json_write_object_begin(writer);
    json_member_count(writer, "holdout", ratio->in_arm);
    json_member_number(writer, "expected", ratio->n > 0 ? ratio->expected : (double)NAN);
    json_member_count(writer, "customers", ratio->n);
    json_member_number(writer, "chance", sample_ratio_chance(ratio));
    json_member_yes_no(writer, "off", sample_ratio_is_off(ratio));
    json_write_object_end(writer);
}

static void write_arms(const char *key, const uint64_t counts[LIFT_ARMS],
                       struct json_writer *writer) {
    json_write_key(writer, key);
    json_write_object_begin(writer);
    json_member_count(writer, "treated", counts[LIFT_TREATED]);
    json_member_count(writer, "holdout", counts[LIFT_HOLDOUT]);
    json_write_object_end(writer);
}

static void write_always(const char *low, const char *high, double value, double half,
                         struct json_writer *writer) {
    json_member_number(writer, low, value - half);
    json_member_number(writer, high, value + half);
}

static void write_cell(const struct results *results, const struct playbook *playbook,
                       const struct result_cell *cell, struct json_writer *writer) {
    struct figure figures[RESULT_FIGURES];
    write_arms("customers", cell->customers, writer);
    write_arms("goals", cell->goals, writer);
    write_arms("open", cell->open, writer);
    json_member_count(writer, "crossed", cell->crossed);
    write_ratio(&cell->ratio, writer);
    json_member_string(writer, "verdict", result_verdict_name(cell->verdict));
    json_member_yes_no(writer, "joint", cell->joint);
    json_member_number(writer, "evidence", cell->evidence);
    write_always("lift_always_low", "lift_always_high", cell->rate.difference, cell->always_rate,
                 writer);
    write_always("value_lift_always_low", "value_lift_always_high", cell->value.difference,
                 cell->always_value, writer);
    json_member_number(writer, "holdout_needed",
                       isfinite(cell->needed) ? ceil(cell->needed) : (double)NAN);
    json_member_number(writer, "variance_left",
                       cell->rate.plain_variance > 0
                           ? cell->rate.variance / cell->rate.plain_variance
                           : (double)NAN);
    json_member_number(writer, "value_cut",
                       isfinite(cell->value_cut) ? cell->value_cut : (double)NAN);
    json_member_count(writer, "values_cut", cell->values_cut);
    json_member_count(writer, "values_left_out", cell->values_left_out);
    json_member_count(writer, "not_compared", (uint64_t)cell->rate.left_out);
    result_figures(results, playbook, cell, figures);
    figures_write_member(figures, RESULT_FIGURES, writer);
}

/* What a series does not have is null. */
static void write_series(const struct result_series *series, struct engine *engine,
                         struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(engine);
    struct text action = TEXT(""), channel = TEXT(""), scenario = TEXT("");
    if (series->action != UINT32_MAX) action = playbook->actions[series->action].name;
    if (series->scenario != UINT32_MAX) scenario = playbook->scenarios[series->scenario].name;
    if (series->channel != SYMBOL_NONE)
        channel = symbol_text(engine_symbols(engine), SYMBOL_CHANNEL, series->channel);
    json_member_string(writer, "kind", result_kind_name(series->kind));
    json_member_text_or_null(writer, "action", action);
    json_member_text_or_null(writer, "channel", channel);
    json_member_text_or_null(writer, "scenario", scenario);
    json_member_text(writer, "goal", playbook->goals[series->goal].name);
}

/* Its whole time and its months. */
static void write_cells(const struct results *results, struct engine *engine,
                        const struct result_line *line, struct json_writer *writer) {
    write_cell(results, engine_playbook(engine), &line->all, writer);
    json_write_key(writer, "months");
    json_write_array_begin(writer);
    for (uint32_t m = 0; m < results->month_count; m++) {
        json_write_object_begin(writer);
        json_member_time(writer, "from", line->months[m].from_ms);
        json_member_time(writer, "until", line->months[m].until_ms);
        write_cell(results, engine_playbook(engine), &line->months[m], writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_line(const struct results *results, struct engine *engine,
                       const struct result_line *line, struct json_writer *writer) {
    json_write_object_begin(writer);
    write_series(&line->series, engine, writer);
    write_cells(results, engine, line, writer);
    json_write_object_end(writer);
}

void experiment_results_write_members(const struct results *results,
                                      const struct result_experiment *experiment,
                                      struct engine *engine, struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(engine);
    const struct experiment *rule = &playbook->experiments[experiment->experiment];
    json_member_text(writer, "experiment", rule->name);
    json_member_text(writer, "arm", rule->arms[experiment->arm].name);
    json_member_text(writer, "control", rule->arms[0].name);
    json_member_text(writer, "goal", playbook->goals[rule->goal].name);
    json_member_text(writer, "salt", rule->salt);
    json_member_time_or_null(writer, "start", rule->start_ms);
    json_member_time_or_null(writer, "stop", rule->stop_ms >= TIME_NEVER ? 0 : rule->stop_ms);
    json_member_count(writer, "decisions_without_arm", results->without_arm);
    json_member_count(writer, "decisions_under_other_salt", results->under_other_salt);
    json_member_count(writer, "decisions_share_unknown", results->share_unknown);
    json_member_count(writer, "decisions_of_holdout", results->of_holdout);
    json_member_count(writer, "decisions_of_other_arms", results->of_other_arms);
    for (uint32_t i = 0; i < results->line_count; i++)
        write_cells(results, engine, &results->lines[i], writer);
}

static void write_left_out(const struct results *results, struct json_writer *writer) {
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"decisions", results->decisions},
        {"decisions_without_arm", results->without_arm},
        {"decisions_under_other_salt", results->under_other_salt},
        {"decisions_share_unknown", results->share_unknown},
        {"decisions_earlier", results->earlier},
        {"messages_of_unknown_actions", results->unknown_actions},
        {"customers_cut", results->cut_timelines},
        {"series_found", results->found_joint},
        {"series_looked_at", results->joint_count},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_member_count(writer, counts[i].name, counts[i].value);
}

void results_write_members(const struct results *results, struct engine *engine, uint32_t action,
                           struct json_writer *writer) {
    json_member_time(writer, "at", results->at_ms);
    json_member_time_or_null(writer, "from",
                             results->since_ms == TIME_ALWAYS ? 0 : results->since_ms);
    json_member_string(writer, "salt", results->salt);
    json_member_number(writer, "alpha", results->alpha);
    json_write_key(writer, "shares");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < results->share_count; i++)
        json_write_number(writer, results->shares[i]);
    json_write_array_end(writer);
    write_arms("customers", results->customers, writer);
    json_member_count(writer, "crossed", results->crossed);
    write_ratio(&results->ratio, writer);
    write_left_out(results, writer);
    json_write_key(writer, "results");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < results->line_count; i++)
        if (action == UINT32_MAX || results->lines[i].series.action == action)
            write_line(results, engine, &results->lines[i], writer);
    json_write_array_end(writer);
}
