/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "decide/decide.h"
#include "measure/results_internal.h"
#include "profile/outcome.h"
#include "profile/walk.h"

struct result_gathering {
    const struct customer_data *data;
    const struct result_plan *plan;
    const struct results_options *options;
    const int64_t *months_from_ms;
    struct holdout_symbols arm_symbols;
    struct experiment_symbols experiment_symbols;
    struct message_symbols symbols;
    bool *wanted; /* traits that goals and scenarios read */
    bool reads_traits;
    pthread_mutex_t lock; /* of the two below */
    double shares[RESULT_SHARES_MAX];
    uint32_t share_count;
};

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
    if (part->arm == LIFT_ARMS) return STATUS_OK;
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

static enum status read_decisions(struct result_part *part, const struct timeline *timeline,
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

/* ---- how a goal came out ---- */

struct visit {
    struct walker *walker;
    const struct timeline *today;
    const struct timeline *then; /* of the decision at hand, as known then; NULL: not asked yet */
};

static enum status read_then(struct visit *visit, const struct decided *decided,
                             struct error *error) {
    if (visit->then != NULL) return STATUS_OK;
    struct past *past = &visit->walker->past;
    struct customer_id customer =
        past_customer_of_row(past, visit->today, decided->row, decided->t_ms);
    return past_timeline(past, visit->today, customer, decided->t_ms, &visit->then, error);
}

static void stand_at(const struct result_gathering *gathering, struct profile *profile,
                     const struct timeline *timeline, int64_t t_ms,
                     const struct treatment *treatment) {
    if (!gathering->reads_traits) return;
    profile_at_for(profile, timeline, t_ms, gathering->wanted);
    (void)profile_with(profile, treatment);
}

/* Was there an event of the customer's own by t, as known at `known_ms`? */
static bool has_event_by(const struct timeline *timeline, int64_t t_ms, int64_t known_ms) {
    for (uint32_t row = 0; row < timeline->count && timeline->time_ms[row] <= t_ms; row++) {
        if (timeline->type[row] >= EVENT_RESERVED_COUNT && timeline->time_ms[row] > TIME_ALWAYS &&
            timeline_known(timeline, row, known_ms))
            return true;
    }
    return false;
}

/* Events of the goal's kind, whatever treatment they are about, up to a limit: the history of a
 * goal that depends on a treatment. */
#define EVENTS_BEFORE_MAX 100
static uint32_t events_before(const struct timeline *timeline, const struct goal *goal,
                              int64_t from_ms, int64_t t_ms) {
    uint32_t count = 0;
    for (uint32_t row = timeline_upper_bound(timeline, from_ms);
         row < timeline->count && timeline->time_ms[row] <= t_ms && count < EVENTS_BEFORE_MAX;
         row++)
        count += timeline->type[row] == goal->event_type && timeline_known(timeline, row, t_ms);
    return count;
}

static double amount_or_nothing(const struct playbook *playbook, struct value value,
                                bool *left_out) {
    double amount = amount_of(playbook, value);
    *left_out = value_is_known(value) && isnan(amount);
    return isfinite(amount) ? amount : 0;
}

/* What was known when the decision was made of as long a time before it. */
static void look_back(const struct result_gathering *gathering, struct profile *profile,
                      const struct timeline *then, int64_t t_ms, struct result_outcome *out) {
    const struct playbook *playbook = gathering->data->playbook;
    const struct goal *goal = &playbook->goals[out->goal];
    bool of_treatment = gathering->plan->of_treatment[out->goal], ignored;
    int64_t back_ms = goal->within_ms > 0 ? goal->within_ms : playbook->landmarks.active_within_ms;
    out->history = has_event_by(then, t_ms - back_ms, t_ms);
    if (!out->history) return;
    if (of_treatment) {
        out->before = events_before(then, goal, t_ms - back_ms, t_ms);
        return;
    }
    stand_at(gathering, profile, then, t_ms - back_ms, NULL);
    struct outcome_detail detail = outcome_of(profile, then, goal, NULL, t_ms - back_ms, t_ms);
    out->before = detail.first_ms != 0;
    if (out->before > 0) out->value_before = amount_or_nothing(playbook, detail.value, &ignored);
}

static enum status find_outcome(struct result_part *part, struct visit *visit,
                                const struct decided *decided, struct result_outcome *out,
                                struct error *error) {
    const struct result_gathering *gathering = part->gathering;
    const struct playbook *playbook = gathering->data->playbook;
    const struct goal *goal = &playbook->goals[out->goal];
    struct profile *profile = visit->walker->profile;
    bool left_out = false;
    stand_at(gathering, profile, visit->today, decided->t_ms, out->treatment);
    struct outcome_detail detail = outcome_of(profile, visit->today, goal, out->treatment,
                                              decided->t_ms, gathering->options->at_ms);
    out->matured = detail.matured_ms <= gathering->options->at_ms;
    out->horizon_ms = detail.horizon_ms;
    out->yes = out->matured && detail.outcome == OUTCOME_YES;
    if (out->yes) out->value = amount_or_nothing(playbook, detail.value, &left_out);
    out->values_left_out = out->yes ? detail.values_left_out + left_out : 0;
    if (!out->matured) return STATUS_OK;
    enum status status = read_then(visit, decided, error);
    if (status == STATUS_OK) look_back(gathering, profile, visit->then, decided->t_ms, out);
    return status;
}

/* The outcome of the decision at hand, asked once for all series. */
static enum status outcome_for(struct result_part *part, struct visit *visit,
                               const struct decided *decided, uint32_t goal,
                               const struct treatment *treatment, const struct result_outcome **out,
                               struct error *error) {
    for (size_t i = 0; i < part->outcome_count; i++) {
        *out = &part->outcomes[i];
        if ((*out)->goal == goal && (*out)->treatment == treatment) return STATUS_OK;
    }
    enum status status = memory_grow((void **)&part->outcomes, &part->outcome_capacity,
                                     part->outcome_count + 1, sizeof *part->outcomes);
    if (status != STATUS_OK) return status;
    struct result_outcome *outcome = &part->outcomes[part->outcome_count++];
    *outcome = (struct result_outcome){.goal = goal, .treatment = treatment};
    *out = outcome;
    return find_outcome(part, visit, decided, outcome, error);
}

/* ---- a row ---- */

static bool is_seen(const struct result_part *part, uint32_t cell) {
    return part->seen[cell / 64] >> (cell % 64) & 1;
}

static enum status see(struct result_part *part, uint32_t cell) {
    enum status status = memory_grow((void **)&part->touched, &part->touched_capacity,
                                     part->touched_count + 1, sizeof *part->touched);
    if (status != STATUS_OK) return status;
    part->touched[part->touched_count++] = cell;
    part->seen[cell / 64] |= UINT64_C(1) << (cell % 64);
    return STATUS_OK;
}

static void forget_seen(struct result_part *part) {
    for (size_t i = 0; i < part->touched_count; i++) part->seen[part->touched[i] / 64] = 0;
    part->touched_count = 0;
}

/* What the messages of the series cost from this decision on, within the horizon. */
static int64_t cost_within(const struct result_part *part, const struct result_series *series,
                           size_t from, int64_t horizon_ms) {
    int64_t cost = 0;
    for (size_t d = from; d < part->decided_count; d++) {
        const struct decided *decided = &part->decided[d];
        if (d > from && decided->t_ms >= horizon_ms) break;
        for (uint32_t m = 0; m < decided->message_count; m++) {
            const struct result_message *message = &part->messages[decided->message + m];
            if (result_series_has(part->gathering->plan, series, message)) cost += message->cost;
        }
    }
    return cost;
}

static void add_sums(struct result_sums *sums, const struct result_outcome *outcome, int64_t cost) {
    uint64_t x = outcome->before;
    result_sum c = cost;
    sums->n++;
    sums->yes += outcome->yes;
    sums->x += x;
    sums->xx += x * x;
    sums->xy += outcome->yes ? x : 0;
    sums->c += c;
    sums->cc += c * c;
    sums->cy += outcome->yes ? c : 0;
    sums->cx += c * (result_sum)x;
}

static enum status add_value(struct result_part *part, uint32_t cell, uint32_t slot,
                             uint32_t customer, const struct result_outcome *outcome) {
    if (outcome->value == 0 && outcome->value_before == 0) return STATUS_OK;
    enum status status = memory_grow((void **)&part->values, &part->value_capacity,
                                     part->value_count + 1, sizeof *part->values);
    if (status == STATUS_OK)
        part->values[part->value_count++] =
            (struct result_value){cell, slot, customer, outcome->value, outcome->value_before};
    return status;
}

static enum status counts_of(struct result_part *part, uint32_t cell, struct result_counts **out) {
    if (part->cells[cell] == NULL) part->cells[cell] = memory_calloc(1, sizeof **part->cells);
    *out = part->cells[cell];
    return *out != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status add_to_cell(struct result_part *part, uint32_t cell, uint32_t customer,
                               const struct result_outcome *outcome, int64_t cost) {
    struct result_counts *counts;
    uint32_t slot = result_slot(part->share, outcome->history, part->crossed, part->arm);
    if (is_seen(part, cell)) return STATUS_OK;
    enum status status = counts_of(part, cell, &counts);
    if (status == STATUS_OK) status = see(part, cell);
    if (status != STATUS_OK) return status;
    counts->drawn[part->share][part->arm]++;
    counts->crossed += part->crossed;
    counts->values_left_out += outcome->values_left_out;
    if (!outcome->matured) {
        counts->open[part->arm]++;
        return STATUS_OK;
    }
    add_sums(&counts->slots[slot], outcome, cost);
    return add_value(part, cell, slot, customer, outcome);
}

/* ---- the series of a decision ---- */

static enum status ask_scenario(struct result_part *part, struct visit *visit,
                                const struct decided *decided, uint32_t scenario,
                                struct error *error) {
    const struct playbook *playbook = part->gathering->data->playbook;
    enum status status = read_then(visit, decided, error);
    if (status != STATUS_OK || part->scenario_in[scenario] != 0) return status;
    stand_at(part->gathering, visit->walker->profile, visit->then, decided->t_ms, NULL);
    struct value in = profile_eval(visit->walker->profile, playbook->scenarios[scenario].when);
    part->scenario_in[scenario] = in.type == VALUE_YES_NO && in.yes ? 2 : 1;
    return STATUS_OK;
}

static const struct result_message *message_for(const struct result_part *part,
                                                const struct result_series *series,
                                                const struct decided *decided) {
    for (uint32_t m = 0; m < decided->message_count; m++) {
        const struct result_message *message = &part->messages[decided->message + m];
        if (result_series_has(part->gathering->plan, series, message)) return message;
    }
    return NULL;
}

static enum status add_row(struct result_part *part, struct visit *visit, size_t index,
                           uint32_t series_index, struct error *error) {
    const struct result_plan *plan = part->gathering->plan;
    const struct result_series *series = &plan->series[series_index];
    const struct decided *decided = &part->decided[index];
    uint32_t first = series_index * RESULT_CELLS;
    bool is_new = !is_seen(part, first + RESULT_WHOLE) ||
                  (decided->month != UINT32_MAX && !is_seen(part, first + decided->month));
    const struct result_message *message = is_new ? message_for(part, series, decided) : NULL;
    bool counts = message != NULL || (is_new && series->kind == RESULT_EXPERIMENT);
    if (!counts) return STATUS_OK;
    const struct result_outcome *outcome = NULL;
    enum status status = STATUS_OK;
    if (series->scenario != UINT32_MAX) {
        status = ask_scenario(part, visit, decided, series->scenario, error);
        if (status != STATUS_OK || part->scenario_in[series->scenario] != 2) return status;
    }
    bool of_treatment = plan->of_treatment[series->goal];
    status =
        outcome_for(part, visit, decided, series->goal,
                    of_treatment && message != NULL ? message->treatment : NULL, &outcome, error);
    if (status != STATUS_OK) return status;
    int64_t cost = cost_within(part, series, index, outcome->horizon_ms);
    uint32_t customer = visit->today->customer.value;
    status = add_to_cell(part, first + RESULT_WHOLE, customer, outcome, cost);
    if (status == STATUS_OK && decided->month != UINT32_MAX)
        status = add_to_cell(part, first + decided->month, customer, outcome, cost);
    return status;
}

static enum status add_rows_of_action(struct result_part *part, struct visit *visit, size_t index,
                                      uint32_t action, struct error *error) {
    const struct result_plan *plan = part->gathering->plan;
    uint32_t series = plan->first_of_action[action];
    enum status status = STATUS_OK;
    for (; series < plan->count && plan->series[series].action == action && status == STATUS_OK;
         series++)
        status = add_row(part, visit, index, series, error);
    return status;
}

static enum status add_rows(struct result_part *part, struct visit *visit, size_t index,
                            struct error *error) {
    const struct result_plan *plan = part->gathering->plan;
    const struct decided *decided = &part->decided[index];
    enum status status = STATUS_OK;
    visit->then = NULL;
    part->outcome_count = 0;
    memset(part->scenario_in, 0, plan->playbook->scenario_count);
    for (uint32_t s = 0; s < plan->general_count && status == STATUS_OK; s++)
        status = add_row(part, visit, index, s, error);
    for (uint32_t m = 0; m < decided->message_count && status == STATUS_OK; m++)
        status = add_rows_of_action(part, visit, index, part->messages[decided->message + m].action,
                                    error);
    return status;
}

static enum status visit_customer(void *state, struct walker *walker,
                                  const struct timeline *timeline, struct error *error) {
    struct result_part *part = state;
    struct visit visit = {.walker = walker, .today = timeline};
    enum status status = read_decisions(part, timeline, error);
    if (status != STATUS_OK || part->decided_count == 0) return status;
    part->cut_timelines += timeline->truncated;
    part->all.drawn[part->share][part->arm]++;
    part->all.crossed += part->crossed;
    for (size_t d = 0; d < part->decided_count && status == STATUS_OK; d++)
        status = add_rows(part, &visit, d, error);
    forget_seen(part);
    return status;
}

/* ---- the walk ---- */

static enum status want_traits(struct result_gathering *gathering) {
    const struct playbook *playbook = gathering->data->playbook;
    gathering->wanted = memory_calloc((size_t)playbook->trait_count + 1, sizeof(bool));
    if (gathering->wanted == NULL) return STATUS_NO_MEMORY;
    for (uint32_t g = 0; g < playbook->goal_count; g++) {
        profile_want(playbook->goals[g].where, gathering->wanted);
        profile_want(playbook->goals[g].value, gathering->wanted);
        profile_want(playbook->goals[g].until, gathering->wanted);
        gathering->reads_traits |= goal_reads_traits(&playbook->goals[g]);
    }
    for (uint32_t s = 0; s < playbook->scenario_count; s++)
        profile_want(playbook->scenarios[s].when, gathering->wanted);
    profile_want_read(playbook, gathering->wanted);
    gathering->reads_traits |= playbook->scenario_count > 0;
    return STATUS_OK;
}

static enum status part_init(struct result_part *part, struct result_gathering *gathering) {
    size_t cells = (size_t)gathering->plan->count * RESULT_CELLS;
    *part = (struct result_part){.gathering = gathering};
    part->cells = memory_calloc(cells + 1, sizeof *part->cells);
    part->seen = memory_calloc(cells / 64 + 1, sizeof *part->seen);
    part->scenario_in = memory_calloc((size_t)gathering->data->playbook->scenario_count + 1, 1);
    bool fine = part->cells != NULL && part->seen != NULL && part->scenario_in != NULL;
    return fine ? STATUS_OK : STATUS_NO_MEMORY;
}

void result_part_release(struct result_part *part, uint32_t cell_count) {
    for (uint32_t i = 0; part->cells != NULL && i < cell_count; i++) memory_free(part->cells[i]);
    memory_free(part->cells);
    memory_free(part->values);
    memory_free(part->decided);
    memory_free(part->messages);
    memory_free(part->outcomes);
    memory_free(part->scenario_in);
    memory_free(part->seen);
    memory_free(part->touched);
    *part = (struct result_part){0};
}

static void merge_sums(struct result_sums *into, const struct result_sums *from) {
    into->n += from->n;
    into->yes += from->yes;
    into->x += from->x;
    into->xx += from->xx;
    into->xy += from->xy;
    into->c += from->c;
    into->cc += from->cc;
    into->cy += from->cy;
    into->cx += from->cx;
}

static void merge_counts(struct result_counts *into, const struct result_counts *from) {
    for (uint32_t i = 0; i < RESULT_SLOTS; i++) merge_sums(&into->slots[i], &from->slots[i]);
    for (uint32_t arm = 0; arm < LIFT_ARMS; arm++) {
        into->open[arm] += from->open[arm];
        for (uint32_t s = 0; s < RESULT_SHARES_MAX; s++) into->drawn[s][arm] += from->drawn[s][arm];
    }
    into->crossed += from->crossed;
    into->values_left_out += from->values_left_out;
}

static enum status merge_parts(struct result_part *into, struct result_part *from,
                               uint32_t cell_count) {
    for (uint32_t i = 0; i < cell_count; i++) {
        if (into->cells[i] == NULL) {
            into->cells[i] = from->cells[i];
            from->cells[i] = NULL;
        } else if (from->cells[i] != NULL) {
            merge_counts(into->cells[i], from->cells[i]);
        }
    }
    merge_counts(&into->all, &from->all);
    into->decisions += from->decisions;
    into->under_other_salt += from->under_other_salt;
    into->without_arm += from->without_arm;
    into->share_unknown += from->share_unknown;
    into->earlier += from->earlier;
    into->unknown_actions += from->unknown_actions;
    into->cut_timelines += from->cut_timelines;
    enum status status = memory_grow((void **)&into->values, &into->value_capacity,
                                     into->value_count + from->value_count, sizeof *into->values);
    if (status != STATUS_OK || from->value_count == 0) return status;
    memcpy(into->values + into->value_count, from->values,
           from->value_count * sizeof *from->values);
    into->value_count += from->value_count;
    return STATUS_OK;
}

/* By cell, slot and customer: then amounts are added up in one order, whatever the threads did. */
static int compare_values(const void *left, const void *right) {
    const struct result_value *a = left, *b = right;
    if (a->cell != b->cell) return a->cell < b->cell ? -1 : 1;
    if (a->slot != b->slot) return a->slot < b->slot ? -1 : 1;
    return a->customer < b->customer ? -1 : a->customer > b->customer;
}

static enum status walk(struct result_gathering *gathering, struct result_part *parts,
                        uint32_t threads, struct error *error) {
    const struct results_options *options = gathering->options;
    void *states[WALK_THREADS_MAX];
    for (uint32_t i = 0; i < threads; i++) states[i] = &parts[i];
    struct walk_plan plan = {.data = gathering->data,
                             .as_of = {options->at_ms, POSITION_NOW},
                             .all_times = true,
                             .threads = threads,
                             .visit = visit_customer,
                             .parts = states,
                             .work = options->work};
    work_step(options->work, "customers compared", 0);
    return walk_customers(&plan, error);
}

static enum status prepare(struct result_gathering *gathering, struct result_part *parts,
                           uint32_t threads) {
    struct symbols *symbols = gathering->data->symbols;
    enum status status = holdout_symbols_add(symbols, &gathering->arm_symbols);
    if (status == STATUS_OK)
        status = experiment_symbols_add(symbols, &gathering->experiment_symbols);
    if (status == STATUS_OK) status = message_symbols_add(symbols, &gathering->symbols);
    if (status == STATUS_OK) status = want_traits(gathering);
    for (uint32_t i = 0; i < threads && status == STATUS_OK; i++)
        status = part_init(&parts[i], gathering);
    return status;
}

enum status results_gather(const struct customer_data *data, const struct result_plan *plan,
                           const struct results_options *options,
                           const int64_t months_from_ms[MONTHS_MAX + 1],
                           struct result_gathered *out, struct error *error) {
    struct result_gathering gathering = {
        .data = data, .plan = plan, .options = options, .months_from_ms = months_from_ms};
    struct result_part *parts = memory_calloc(WALK_THREADS_MAX, sizeof *parts);
    uint32_t threads = options->threads == 0 ? 1 : options->threads,
             cells = plan->count * RESULT_CELLS;
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    *out = (struct result_gathered){.share_count = 0};
    if (parts == NULL) return STATUS_NO_MEMORY;
    pthread_mutex_init(&gathering.lock, NULL);
    enum status status = prepare(&gathering, parts, threads);
    if (status == STATUS_OK) status = walk(&gathering, parts, threads, error);
    for (uint32_t i = 1; i < threads && status == STATUS_OK; i++)
        status = merge_parts(&parts[0], &parts[i], cells);
    for (uint32_t i = 1; i < threads; i++) result_part_release(&parts[i], cells);
    out->part = parts[0];
    out->part.gathering = NULL;
    out->share_count = gathering.share_count;
    memcpy(out->shares, gathering.shares, sizeof out->shares);
    if (out->part.value_count > 0)
        qsort(out->part.values, out->part.value_count, sizeof *out->part.values, compare_values);
    pthread_mutex_destroy(&gathering.lock);
    memory_free(gathering.wanted);
    memory_free(parts);
    return status;
}
