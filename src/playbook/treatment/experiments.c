/* SPDX-License-Identifier: Apache-2.0 */
/* Reads experiments:. */
#include "playbook/treatment/placements.h"

#include <math.h>

#define LEVER_MIN   (-100.0)
#define LEVER_MAX   1000.0
#define SHARE_MIN   0.1  /* percent */
#define SHARE_SLACK 1e-9 /* of sums of shares that are written in decimals */

/* ---- an arm ---- */

static void read_without(struct reader *reader, const struct yaml_node *node,
                         struct experiment_arm *arm) {
    if (node == NULL || !reader_is_list(reader, node, "without")) return;
    bool *marks = reader_alloc(reader, reader->playbook->action_count + 1u, sizeof *marks);
    for (uint32_t i = 0; marks != NULL && i < node->count; i++)
        (void)actions_mark(reader, node->items[i], true, true, marks);
    arm->without = marks;
}

/* A group and an action of it add up. */
static void read_lever(struct reader *reader, const struct yaml_node *key,
                       const struct yaml_node *value, double *levers) {
    double percent;
    uint32_t count = reader->playbook->action_count;
    bool *marks = reader_alloc(reader, count + 1u, sizeof *marks);
    if (marks == NULL || !actions_mark(reader, key, true, true, marks)) return;
    if (!reader_percent(reader, value, "a lever", LEVER_MIN, LEVER_MAX, &percent)) return;
    for (uint32_t i = 0; i < count; i++)
        if (marks[i]) levers[i] += percent;
}

static void read_levers(struct reader *reader, const struct yaml_node *node,
                        struct experiment_arm *arm) {
    if (node == NULL || !reader_is_map(reader, node, "levers")) return;
    double *levers = reader_alloc(reader, reader->playbook->action_count + 1u, sizeof *levers);
    for (uint32_t i = 0; levers != NULL && i < node->count; i++)
        read_lever(reader, node->keys[i], node->items[i], levers);
    arm->levers = levers;
}

/* `arm: {}` is a control: nothing is changed for it. */
static void read_arm(struct reader *reader, const struct yaml_node *key,
                     const struct yaml_node *value, struct experiment_arm *arm) {
    const struct yaml_node *values[KEYS_MAX];
    double percent;
    arm->share = (double)NAN;
    if (!reader_name(reader, key, "an arm's name", &arm->name)) return;
    if (node_is_empty(value) || !reader_keys(reader, value, &arm_keys, values)) return;
    if (values[ARM_SHARE] != NULL &&
        reader_percent(reader, values[ARM_SHARE], "share", SHARE_MIN, 100, &percent))
        arm->share = percent / 100;
    read_without(reader, values[ARM_WITHOUT], arm);
    read_levers(reader, values[ARM_LEVERS], arm);
}

/* Arms without a share divide what the others leave. */
static void divide(struct reader *reader, const struct yaml_node *node,
                   struct experiment *experiment) {
    double given = 0;
    uint32_t open = 0;
    for (uint32_t i = 0; i < experiment->arm_count; i++) {
        bool is_open = isnan(experiment->arms[i].share);
        open += is_open;
        given += is_open ? 0 : experiment->arms[i].share;
    }
    double left = 1 - given;
    if (open == 0 ? fabs(left) > SHARE_SLACK : left < open * SHARE_MIN / 100)
        reader_error(reader, node_place(node),
                     "the arms of %.*s have shares of %.1f %% together%s: write shares that make "
                     "100%%, or leave one out, which then has the rest",
                     TEXT_ARG(experiment->name), 100 * given,
                     open > 0 ? " and leave nothing for the others" : "");
    for (uint32_t i = 0; i < experiment->arm_count; i++)
        if (isnan(experiment->arms[i].share)) experiment->arms[i].share = left / open;
}

static void read_arms(struct reader *reader, const struct yaml_node *node,
                      struct experiment *experiment) {
    if (!reader_is_map(reader, node, "arms")) return;
    if (node->count < 2 || node->count > EXPERIMENT_ARMS_MAX) {
        reader_error(reader, node_place(node),
                     "%.*s has %u arms: write 2 to %d, and first the one that the others are "
                     "compared with",
                     TEXT_ARG(experiment->name), node->count, EXPERIMENT_ARMS_MAX);
        return;
    }
    experiment->arm_count = node->count;
    for (uint32_t i = 0; i < node->count; i++)
        read_arm(reader, node->keys[i], node->items[i], &experiment->arms[i]);
    divide(reader, node, experiment);
}

/* ---- an experiment ---- */

static void read_when(struct reader *reader, const struct yaml_node *node, const char *what,
                      int64_t *out) {
    struct text text;
    if (node == NULL || !reader_text(reader, node, what, &text)) return;
    if (time_parse(text, reader->playbook->zone, out) == STATUS_OK) return;
    text = shown(text);
    reader_error(reader, node_place(node), "%s is \"%.*s\": write a date such as 2026-03-01", what,
                 TEXT_ARG(text));
}

static void read_who(struct reader *reader, const struct yaml_node *node,
                     struct experiment *experiment) {
    struct expr_program *program;
    if (node == NULL || !expression_read(reader, node, "who", WANTED_YES_NO, NOT_A_ROW, &program))
        return;
    if (expr_uses_treatment(program))
        reader_error(reader, node_place(node),
                     "who reads action.…, and it is asked once for all actions: let it read the "
                     "customer");
    else
        experiment->who = program;
}

static void read_goal(struct reader *reader, const struct yaml_node *node,
                      const struct yaml_node *at, struct experiment *experiment) {
    if (node == NULL) {
        reader_error(reader, node_place(at),
                     "experiment %.*s has no goal: write goal: and the goal that its arms are "
                     "compared by",
                     TEXT_ARG(experiment->name));
        return;
    }
    if (!goal_read(reader, node, &experiment->goal)) return;
    const struct goal *goal = &reader->playbook->goals[experiment->goal];
    if (goal->until != NULL || (goal->where != NULL && expr_uses_treatment(goal->where)))
        reader_error(reader, node_place(node),
                     "goal %.*s depends on what is offered, which differs between arms: compare "
                     "them by a goal that reads no action.…",
                     TEXT_ARG(goal->name));
}

/* Behind the experiments of the same layer that stand before it. */
static void take_part(struct reader *reader, const struct yaml_node *node, double share,
                      const struct experiment *before, struct experiment *experiment) {
    for (uint32_t i = 0; i < reader->playbook->experiment_count; i++)
        if (text_equal(before[i].layer, experiment->layer)) experiment->from = before[i].until;
    experiment->until = experiment->from + share;
    if (experiment->until > 1 + SHARE_SLACK)
        reader_error(reader, node_place(node),
                     "the experiments of layer %.*s take %.1f %% of the customers together: make "
                     "their shares smaller, or give one a layer of its own",
                     TEXT_ARG(experiment->layer), 100 * experiment->until);
}

static void read_experiment(struct reader *reader, const struct yaml_node *key,
                            const struct yaml_node *value, const struct experiment *before,
                            struct experiment *out) {
    const struct yaml_node *values[KEYS_MAX];
    double percent = 100;
    out->place = node_place(key);
    out->stop_ms = TIME_NEVER;
    if (!reader_name(reader, key, "an experiment's name", &out->name)) return;
    out->layer = out->salt = out->name;
    if (!reader_keys(reader, value, &experiment_keys, values)) return;
    read_goal(reader, values[EXPERIMENT_GOAL], key, out);
    read_who(reader, values[EXPERIMENT_WHO], out);
    read_when(reader, values[EXPERIMENT_START], "start", &out->start_ms);
    read_when(reader, values[EXPERIMENT_STOP], "stop", &out->stop_ms);
    if (out->stop_ms <= out->start_ms)
        reader_error(reader, node_place(key), "experiment %.*s stops before it starts: mend stop",
                     TEXT_ARG(out->name));
    if (values[EXPERIMENT_LAYER])
        (void)reader_name(reader, values[EXPERIMENT_LAYER], "a layer's name", &out->layer);
    if (values[EXPERIMENT_SALT])
        (void)reader_text(reader, values[EXPERIMENT_SALT], "salt", &out->salt);
    if (values[EXPERIMENT_SHARE])
        (void)reader_percent(reader, values[EXPERIMENT_SHARE], "share", SHARE_MIN, 100, &percent);
    take_part(reader, key, percent / 100, before, out);
    if (values[EXPERIMENT_ARMS] == NULL)
        reader_error(reader, node_place(key),
                     "experiment %.*s has no arms: write arms: { control: {}, other: { levers: { "
                     "… } } }",
                     TEXT_ARG(out->name));
    else
        read_arms(reader, values[EXPERIMENT_ARMS], out);
}

void experiments_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_map(reader, node, "experiments")) return;
    if (node->count > EXPERIMENTS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d experiments: a playbook may have so many and no more",
                     EXPERIMENTS_MAX);
        return;
    }
    struct experiment *experiments = reader_alloc(reader, node->count, sizeof *experiments);
    if (experiments == NULL) return;
    playbook->experiments = experiments;
    context_refuse(reader, "an arm is kept, whatever a later request says");
    for (uint32_t i = 0; i < node->count; i++) {
        read_experiment(reader, node->keys[i], node->items[i], experiments, &experiments[i]);
        playbook->experiment_count++;
    }
    context_refuse(reader, NULL);
}
