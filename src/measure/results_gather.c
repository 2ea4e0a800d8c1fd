/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "measure/results_internal.h"
#include "profile/outcome.h"
#include "profile/walk.h"

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
    enum status status = result_decisions_read(part, timeline, error);
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
    into->of_holdout += from->of_holdout;
    into->of_other_arms += from->of_other_arms;
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
