/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "measure/results_internal.h"
#include "profile/outcome.h"

const char *result_kind_name(enum result_kind kind) {
    static const char *const names[RESULT_KIND_COUNT] = {
        "overall", "channel", "scenario", "action", "action in channel", "experiment"};
    return names[kind];
}

static enum status add_series(struct result_plan *plan, struct result_series series,
                              struct error *error) {
    if (plan->count == RESULT_SERIES_MAX)
        return error_set(error, STATUS_LIMIT,
                         "the playbook has more than %d actions and channels to compare",
                         RESULT_SERIES_MAX);
    enum status status =
        memory_grow((void **)&plan->series, &plan->capacity, plan->count + 1, sizeof *plan->series);
    if (status == STATUS_OK) plan->series[plan->count++] = series;
    return status;
}

static bool has_series(const struct result_plan *plan, const struct result_series *series) {
    bool has = false;
    for (uint32_t i = 0; i < plan->count && !has; i++) {
        const struct result_series *other = &plan->series[i];
        has = other->kind == series->kind && other->goal == series->goal &&
              other->channel == series->channel && other->scenario == series->scenario;
    }
    return has;
}

static enum status add_once(struct result_plan *plan, struct result_series series,
                            struct error *error) {
    return has_series(plan, &series) ? STATUS_OK : add_series(plan, series, error);
}

static bool is_compared(const struct action *action) {
    return !action->service;
}

static struct result_series series_of(enum result_kind kind, uint32_t goal) {
    return (struct result_series){.kind = kind,
                                  .goal = goal,
                                  .action = UINT32_MAX,
                                  .scenario = UINT32_MAX,
                                  .channel = SYMBOL_NONE};
}

static enum status add_overall(struct result_plan *plan, struct error *error) {
    enum status status = STATUS_OK;
    for (uint32_t a = 0; a < plan->playbook->action_count && status == STATUS_OK; a++) {
        const struct action *action = &plan->playbook->actions[a];
        if (is_compared(action))
            status = add_once(plan, series_of(RESULT_OVERALL, action->goal), error);
    }
    return status;
}

static enum status add_channels(struct result_plan *plan, struct error *error) {
    enum status status = STATUS_OK;
    for (uint32_t a = 0; a < plan->playbook->action_count && status == STATUS_OK; a++) {
        const struct action *action = &plan->playbook->actions[a];
        for (uint32_t c = 0; c < action->channel_count && status == STATUS_OK; c++) {
            struct result_series series = series_of(RESULT_CHANNEL, action->goal);
            series.channel = action->channels[c].channel;
            if (is_compared(action)) status = add_once(plan, series, error);
        }
    }
    return status;
}

static enum status add_scenarios(struct result_plan *plan, struct error *error) {
    enum status status = STATUS_OK;
    for (uint32_t s = 0; s < plan->playbook->scenario_count && status == STATUS_OK; s++) {
        const struct scenario *scenario = &plan->playbook->scenarios[s];
        for (uint32_t g = 0; g < scenario->goal_count && status == STATUS_OK; g++) {
            struct result_series series = series_of(RESULT_SCENARIO, scenario->goals[g]);
            series.scenario = s;
            status = add_once(plan, series, error);
        }
    }
    return status;
}

static enum status add_action(struct result_plan *plan, uint32_t a, struct error *error) {
    const struct action *action = &plan->playbook->actions[a];
    struct result_series series = series_of(RESULT_ACTION, action->goal);
    plan->first_of_action[a] = plan->count;
    series.action = a;
    if (action->channel_count == 1) series.channel = action->channels[0].channel;
    enum status status = add_series(plan, series, error);
    for (uint32_t c = 0; c < action->channel_count && action->channel_count > 1; c++) {
        series.kind = RESULT_ACTION_CHANNEL;
        series.channel = action->channels[c].channel;
        if (status == STATUS_OK) status = add_series(plan, series, error);
    }
    return status;
}

/* Messages are only asked for their cost. */
static enum status add_experiment(struct result_plan *plan,
                                  const struct result_experiment *experiment, struct error *error) {
    uint32_t goal = plan->playbook->experiments[experiment->experiment].goal;
    for (uint32_t a = 0; a < plan->playbook->action_count; a++)
        plan->first_of_action[a] = is_compared(&plan->playbook->actions[a]) ? 0 : UINT32_MAX;
    enum status status = add_series(plan, series_of(RESULT_EXPERIMENT, goal), error);
    plan->general_count = plan->count;
    return status;
}

enum status result_plan_make(struct result_plan *plan, const struct playbook *playbook,
                             const struct result_experiment *experiment, struct error *error) {
    *plan = (struct result_plan){.playbook = playbook};
    plan->first_of_action =
        memory_calloc((size_t)playbook->action_count + 1, sizeof *plan->first_of_action);
    plan->of_treatment =
        memory_calloc((size_t)playbook->goal_count + 1, sizeof *plan->of_treatment);
    if (plan->first_of_action == NULL || plan->of_treatment == NULL) return STATUS_NO_MEMORY;
    for (uint32_t g = 0; g < playbook->goal_count; g++)
        plan->of_treatment[g] = goal_is_of_treatment(&playbook->goals[g]);
    if (experiment != NULL) return add_experiment(plan, experiment, error);
    enum status status = add_overall(plan, error);
    if (status == STATUS_OK) status = add_channels(plan, error);
    if (status == STATUS_OK) status = add_scenarios(plan, error);
    plan->general_count = plan->count;
    for (uint32_t a = 0; a < playbook->action_count && status == STATUS_OK; a++) {
        plan->first_of_action[a] = UINT32_MAX;
        if (is_compared(&playbook->actions[a])) status = add_action(plan, a, error);
    }
    return status;
}

void result_plan_release(struct result_plan *plan) {
    memory_free(plan->series);
    memory_free(plan->first_of_action);
    memory_free(plan->of_treatment);
    *plan = (struct result_plan){0};
}

bool result_series_has(const struct result_plan *plan, const struct result_series *series,
                       const struct result_message *message) {
    if (series->action != UINT32_MAX && series->action != message->action) return false;
    if (series->channel != SYMBOL_NONE && series->kind != RESULT_ACTION &&
        series->channel != message->channel)
        return false;
    return !plan->of_treatment[series->goal] ||
           plan->playbook->actions[message->action].goal == series->goal;
}
