/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/memory.h"
#include "measure/results_internal.h"

/* ---- the share of the holdout when a decision was made ---- */

/* Its index; UINT32_MAX where it is not known, or one too many. */
static uint32_t share_index(struct result_gathering *gathering, double share) {
    uint32_t index = 0;
    if (!(share > 0 && share < 1)) return UINT32_MAX;
    pthread_mutex_lock(&gathering->lock);
    while (index < gathering->share_count && gathering->shares[index] != share) index++;
    if (index == gathering->share_count && index < RESULT_SHARES_MAX)
        gathering->shares[gathering->share_count++] = share;
    pthread_mutex_unlock(&gathering->lock);
    return index < RESULT_SHARES_MAX ? index : UINT32_MAX;
}

static uint32_t share_of(struct result_part *part, struct text packed) {
    const struct results_options *options = part->gathering->options;
    struct value playbook = packed_find(packed, PROPERTY_PLAYBOOK);
    if (playbook.type != VALUE_TEXT || playbook.text.length > sizeof part->last_playbook_bytes)
        return UINT32_MAX;
    if (part->last_playbook.at != NULL && text_equal(part->last_playbook, playbook.text))
        return part->last_share;
    memcpy(part->last_playbook_bytes, playbook.text.at, playbook.text.length);
    part->last_playbook = (struct text){part->last_playbook_bytes, playbook.text.length};
    part->last_share = share_index(
        part->gathering, options->share_of(options->context, options->experiment, playbook.text));
    return part->last_share;
}

/* ---- the decisions of a customer ---- */

/* Reads the arm of a record; false where it has none under this salt, which is counted. */
static bool read_holdout(struct result_part *part, const struct value values[2], uint32_t *arm) {
    bool in = values[0].type == VALUE_TEXT && text_equal(values[0].text, TEXT("in")),
         out = values[0].type == VALUE_TEXT && text_equal(values[0].text, TEXT("out"));
    if (!in && !out) {
        part->without_arm++;
        return false;
    }
    if (values[1].type != VALUE_TEXT ||
        !text_equal(values[1].text, part->gathering->data->playbook->holdout_salt)) {
        part->under_other_salt++;
        return false;
    }
    *arm = in ? LIFT_HOLDOUT : LIFT_TREATED;
    return true;
}

struct seat_search {
    const struct experiment *experiment;
    uint32_t arm;
    bool other_salt;
};

static void look_at_seat(void *context, struct text name, struct text arm, struct text salt) {
    struct seat_search *search = context;
    const struct experiment *experiment = search->experiment;
    if (!text_equal(name, experiment->name) || search->arm != UINT32_MAX) return;
    search->other_salt = !text_equal(salt, experiment->salt);
    for (uint32_t i = 0; i < experiment->arm_count && !search->other_salt; i++)
        if (text_equal(arm, experiment->arms[i].name)) search->arm = i;
}

/* The same of an experiment; nobody is sent anything who is held out. */
static bool read_seat(struct result_part *part, struct text packed, uint32_t *arm) {
    const struct result_gathering *gathering = part->gathering;
    const struct result_experiment *asked = gathering->options->experiment;
    struct seat_search search = {.experiment =
                                     &gathering->data->playbook->experiments[asked->experiment],
                                 .arm = UINT32_MAX};
    experiment_records_read(packed, &gathering->experiment_symbols, look_at_seat, &search);
    part->under_other_salt += search.other_salt;
    part->without_arm += search.arm == UINT32_MAX && !search.other_salt;
    if (search.arm == UINT32_MAX) return false;
    *arm = search.arm == 0            ? LIFT_HOLDOUT
           : search.arm == asked->arm ? LIFT_TREATED
                                      : LIFT_ARMS; /* another one */
    return true;
}

static bool read_arm(struct result_part *part, struct text packed, uint32_t *arm) {
    const struct result_gathering *gathering = part->gathering;
    const uint32_t symbols[] = {gathering->arm_symbols.holdout, gathering->arm_symbols.salt};
    struct value values[2];
    packed_find_each(packed, symbols, values, 2);
    if (gathering->options->experiment == NULL) return read_holdout(part, values, arm);
    bool held = values[0].type == VALUE_TEXT && text_equal(values[0].text, TEXT("in"));
    part->of_holdout += held;
    return !held && read_seat(part, packed, arm);
}

static int64_t cost_of(const struct playbook *playbook, const struct action *action,
                       uint32_t channel) {
    double cost = value_is_known(action->cost) ? amount_of(playbook, action->cost) : 0;
    for (uint32_t c = 0; c < action->channel_count; c++)
        if (action->channels[c].channel == channel && action->channels[c].has_cost)
            cost = action->channels[c].cost;
    if (isnan(cost)) return 0;
    return (int64_t)llround(fmin(fmax(cost, -RESULT_COST_MAX), RESULT_COST_MAX) *
                            RESULT_COST_PARTS);
}

static uint32_t action_of_key(const struct playbook *playbook, struct text key) {
    const char *slash = key.length > 0 ? memchr(key.at, '/', key.length) : NULL;
    if (slash != NULL) key.length = (uint32_t)(slash - key.at);
    return playbook_action_find(playbook, key);
}

static enum status add_message(struct result_part *part, const struct list_reader *reader,
                               int64_t t_ms, struct error *error) {
    const struct result_gathering *gathering = part->gathering;
    const struct customer_data *data = gathering->data;
    struct value key = list_field(reader, PROPERTY_TREATMENT),
                 channel = list_field(reader, PROPERTY_CHANNEL);
    if (key.type != VALUE_TEXT || channel.type != VALUE_TEXT) return STATUS_OK;
    uint32_t index = action_of_key(data->playbook, key.text);
    if (index == UINT32_MAX) {
        part->unknown_actions++;
        return STATUS_OK;
    }
    const struct action *action = &data->playbook->actions[index];
    if (gathering->plan->first_of_action[index] == UINT32_MAX) return STATUS_OK;
    struct result_message message = {
        .action = index, .channel = symbol_find(data->symbols, SYMBOL_CHANNEL, channel.text)};
    if (part->arm == LIFT_TREATED || gathering->options->experiment != NULL)
        message.cost = cost_of(data->playbook, action, message.channel);
    enum status status = memory_grow((void **)&part->messages, &part->message_capacity,
                                     part->message_count + 1, sizeof *part->messages);
    if (status == STATUS_OK && gathering->plan->of_treatment[action->goal])
        status = treatment_history_delivered(data->treatments, key.text, message.channel, t_ms,
                                             gathering->options->at_ms, &message.treatment, error);
    if (status == STATUS_OK) part->messages[part->message_count++] = message;
    return status;
}

static enum status read_messages(struct result_part *part, struct text packed, int64_t t_ms,
                                 struct error *error) {
    struct value ignored, list = packed_find(packed, part->gathering->symbols.messages);
    struct list_reader reader;
    enum status status = STATUS_OK;
    if (list.type != VALUE_LIST || list_reader_init(&reader, list) != STATUS_OK) return STATUS_OK;
    while (status == STATUS_OK && list_next(&reader, &ignored) == STATUS_OK)
        status = add_message(part, &reader, t_ms, error);
    return status;
}

/* Decisions stand in order of time, so the month only moves forward. */
static uint32_t month_of(const struct result_gathering *gathering, int64_t t_ms, uint32_t from) {
    const int64_t *months = gathering->months_from_ms;
    if (t_ms < months[0]) return UINT32_MAX;
    uint32_t month = from == UINT32_MAX ? 0 : from;
    while (month + 1 < MONTHS_MAX && t_ms >= months[month + 1]) month++;
    return month;
}

static enum status read_decision(struct result_part *part, const struct timeline *timeline,
                                 uint32_t row, struct error *error) {
    struct text packed;
    uint32_t arm;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) return STATUS_OK;
    part->decisions++;
    if (!read_arm(part, packed, &arm)) return STATUS_OK;
    if (!part->has_arm) {
        part->has_arm = true;
        part->arm = arm;
        part->share = share_of(part, packed);
    }
    part->crossed |= arm != part->arm;
    if (part->arm == LIFT_ARMS) {
        part->of_other_arms++;
        return STATUS_OK;
    }
    if (part->share == UINT32_MAX) {
        part->share_unknown++;
        return STATUS_OK;
    }
    struct decided decided = {
        .t_ms = timeline->time_ms[row], .row = row, .message = (uint32_t)part->message_count};
    if (decided.t_ms < part->gathering->options->since_ms) {
        part->earlier++;
        return STATUS_OK;
    }
    enum status status = read_messages(part, packed, decided.t_ms, error);
    decided.message_count = (uint32_t)part->message_count - decided.message;
    bool counts = decided.message_count > 0 || part->gathering->options->experiment != NULL;
    if (status != STATUS_OK || !counts) return status;
    uint32_t last =
        part->decided_count > 0 ? part->decided[part->decided_count - 1].month : UINT32_MAX;
    decided.month = month_of(part->gathering, decided.t_ms, last);
    status = memory_grow((void **)&part->decided, &part->decided_capacity, part->decided_count + 1,
                         sizeof *part->decided);
    if (status == STATUS_OK) part->decided[part->decided_count++] = decided;
    return status;
}

enum status result_decisions_read(struct result_part *part, const struct timeline *timeline,
                                  struct error *error) {
    enum status status = STATUS_OK;
    part->decided_count = part->message_count = 0;
    part->has_arm = part->crossed = false;
    for (uint32_t row = 0; row < timeline->count && status == STATUS_OK; row++) {
        if (timeline->type[row] == EVENT_DECISION_MADE &&
            timeline_known(timeline, row, part->gathering->options->at_ms))
            status = read_decision(part, timeline, row, error);
    }
    return status;
}
