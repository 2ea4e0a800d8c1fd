/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "measure/results_internal.h"

const char *result_verdict_name(enum result_verdict verdict) {
    static const char *const names[] = {"too early", "open", "more", "less", "bad ratio"};
    return names[verdict];
}

/* ---- values of a cell ---- */

struct values { /* of one cell, in order of slot and customer */
    const struct result_value *items;
    size_t count;
    double after_cut, before_cut; /* HUGE_VAL: none */
    double *scratch;              /* room for count of the largest cell */
};

static int compare_numbers(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a > b ? -1 : a < b;
}

/* The (k + 1)-th largest of the n values that are not 0, where k = (1 - quantile) n: the k above it
 * count as much as it does. */
static double cut_of(double *values, size_t n) {
    size_t k = (size_t)((1 - RESULT_VALUE_QUANTILE) * (double)n + 1e-9);
    if (k == 0) return HUGE_VAL;
    qsort(values, n, sizeof *values, compare_numbers);
    return values[k];
}

static void find_cuts(struct values *values) {
    size_t n = 0;
    for (size_t i = 0; i < values->count; i++)
        if (values->items[i].after != 0) values->scratch[n++] = values->items[i].after;
    values->after_cut = cut_of(values->scratch, n);
    n = 0;
    for (size_t i = 0; i < values->count; i++)
        if (values->items[i].before != 0) values->scratch[n++] = values->items[i].before;
    values->before_cut = cut_of(values->scratch, n);
}

/* Sums over a slot's customers; those without a value add nothing but their number. */
static struct lift_sums sum_values(const struct values *values, uint32_t slot, double n) {
    struct lift_sums sums = {.n = n};
    for (size_t i = 0; i < values->count; i++) {
        if (values->items[i].slot != slot) continue;
        double y = fmin(values->items[i].after, values->after_cut),
               x = fmin(values->items[i].before, values->before_cut);
        sums.y += y;
        sums.yy += y * y;
        sums.x += x;
        sums.xx += x * x;
        sums.xy += x * y;
    }
    return sums;
}

/* ---- strata ---- */

static double money_parts(result_sum sum, double parts) {
    return (double)sum / parts;
}

static struct lift_sums goal_sums(const struct result_sums *from) {
    const double parts = RESULT_COST_PARTS;
    return (struct lift_sums){
        .n = (double)from->n,
        .y = (double)from->yes,
        .yy = (double)from->yes,
        .x = (double)from->x,
        .xx = (double)from->xx,
        .xy = (double)from->xy,
        .c = money_parts(from->c, parts),
        .cc = money_parts(from->cc, parts * parts),
        .cy = money_parts(from->cy, parts),
        .cx = money_parts(from->cx, parts),
    };
}

struct concluding {
    const struct results *results;
    const struct playbook *playbook;
    const struct result_gathered *gathered;
    uint32_t order[RESULT_SHARES_MAX]; /* of shares, ascending */
    double rho_squared;
};

enum asked { ASK_GOALS, ASK_VALUES };

static struct lift_sums slot_sums(const struct result_counts *counts, const struct values *values,
                                  enum asked asked, uint32_t slot) {
    const struct result_sums *sums = &counts->slots[slot];
    return asked == ASK_GOALS ? goal_sums(sums) : sum_values(values, slot, (double)sums->n);
}

/* With history and newcomers, of one share. */
static void stratum_pair(const struct result_counts *counts, const struct values *values,
                         enum asked asked, uint32_t share, bool with_crossed,
                         struct lift_stratum out[2]) {
    for (uint32_t i = 0; i < 2 * 2 * LIFT_ARMS; i++) {
        bool history = i & 1, crossed = i >> 1 & 1;
        uint32_t arm = i >> 2;
        if (crossed && !with_crossed) continue;
        struct lift_sums sums =
            slot_sums(counts, values, asked, result_slot(share, history, crossed, arm));
        lift_sums_add(&out[history].arm[arm], &sums);
    }
}

static bool is_large(const struct lift_stratum *stratum) {
    return stratum->arm[LIFT_HOLDOUT].n >= RESULT_STRATUM_MIN &&
           stratum->arm[LIFT_TREATED].n >= RESULT_STRATUM_MIN;
}

static void estimate(const struct concluding *concluding, const struct result_counts *counts,
                     const struct values *values, enum asked asked, bool with_crossed,
                     struct lift *out) {
    struct lift_stratum strata[RESULT_SHARES_MAX * 2] = {0};
    uint32_t count = 0;
    for (uint32_t s = 0; s < concluding->gathered->share_count; s++) {
        struct lift_stratum *pair = &strata[count];
        stratum_pair(counts, values, asked, concluding->order[s], with_crossed, pair);
        if (is_large(&pair[0]) && is_large(&pair[1])) {
            count += 2;
            continue;
        }
        for (int arm = 0; arm < LIFT_ARMS; arm++)
            lift_sums_add(&pair[0].arm[arm], &pair[1].arm[arm]);
        pair[1] = (struct lift_stratum){0};
        count++;
    }
    lift_estimate(strata, count, asked == ASK_GOALS, out);
}

/* ---- a cell ---- */

static void count_cell(const struct concluding *concluding, const struct result_counts *counts,
                       struct result_cell *cell) {
    for (uint32_t slot = 0; slot < RESULT_SLOTS; slot++) {
        cell->customers[slot % LIFT_ARMS] += counts->slots[slot].n;
        cell->goals[slot % LIFT_ARMS] += counts->slots[slot].yes;
    }
    for (uint32_t arm = 0; arm < LIFT_ARMS; arm++) cell->open[arm] = counts->open[arm];
    cell->crossed = counts->crossed;
    cell->values_left_out = counts->values_left_out;
    for (uint32_t i = 0; i < concluding->gathered->share_count; i++) {
        uint32_t s = concluding->order[i];
        sample_ratio_add(&cell->ratio, counts->drawn[s][LIFT_HOLDOUT],
                         counts->drawn[s][LIFT_HOLDOUT] + counts->drawn[s][LIFT_TREATED],
                         concluding->gathered->shares[s]);
    }
}

static double always_half(const struct concluding *concluding, const struct lift *lift) {
    if (!(lift->variance > 0)) return (double)NAN;
    return sequence_half_width(lift->n, sqrt(lift->n * lift->variance), concluding->rho_squared,
                               concluding->results->alpha);
}

static void judge(const struct concluding *concluding, struct result_cell *cell) {
    const struct lift *rate = &cell->rate;
    bool may_look = rate->variance > 0;
    cell->always_rate = cell->always_value = (double)NAN;
    cell->verdict = RESULT_TOO_EARLY;
    for (int arm = 0; arm < LIFT_ARMS; arm++)
        may_look = may_look && sequence_may_look(cell->goals[arm], cell->customers[arm]);
    if (may_look) {
        cell->always_rate = always_half(concluding, rate);
        cell->always_value = always_half(concluding, &cell->value);
        cell->evidence = sequence_evidence(rate->n, rate->difference,
                                           sqrt(rate->n * rate->variance), concluding->rho_squared);
        bool differs = fabs(rate->difference) > cell->always_rate;
        cell->verdict = !differs ? RESULT_OPEN : rate->difference > 0 ? RESULT_MORE : RESULT_LESS;
    }
    if (!sample_ratio_is_off(&cell->ratio)) return;
    cell->verdict = RESULT_BAD_RATIO;
    cell->evidence = 0;
}

/* About as many of the holdout as make the interval narrow enough and end the burn-in. */
static double needed_of(const struct concluding *concluding, const struct result_cell *cell) {
    const struct lift *rate = &cell->rate;
    double held = rate->customers[LIFT_HOLDOUT], holdout = rate->mean[LIFT_HOLDOUT];
    if (!(holdout > 0) || !(rate->variance > 0) || cell->goals[LIFT_HOLDOUT] == 0)
        return (double)NAN;
    double narrow = sequence_needed(RESULT_EFFECT_WANTED * holdout, sqrt(rate->n * rate->variance),
                                    concluding->rho_squared, concluding->results->alpha);
    double rarer = fmin(holdout, 1 - holdout);
    double burn_in = rarer > 0 ? SEQUENCE_GOALS_MIN / rarer : HUGE_VAL;
    return fmax(narrow * held / rate->n, burn_in);
}

static void conclude_cell(const struct concluding *concluding, const struct result_counts *counts,
                          struct values *values, struct result_cell *cell) {
    count_cell(concluding, counts, cell);
    find_cuts(values);
    estimate(concluding, counts, values, ASK_GOALS, true, &cell->rate);
    estimate(concluding, counts, values, ASK_VALUES, true, &cell->value);
    estimate(concluding, counts, values, ASK_GOALS, false, &cell->rate_kept);
    cell->value_cut = values->after_cut;
    for (size_t i = 0; i < values->count; i++)
        cell->values_cut += values->items[i].after > values->after_cut;
    judge(concluding, cell);
    cell->needed = needed_of(concluding, cell);
}

/* ---- the lines ---- */

static void name_months(const struct results *results, struct result_cell *cell, uint32_t month) {
    bool whole = month == RESULT_WHOLE;
    cell->from_ms = whole ? results->since_ms : results->months_from_ms[month];
    cell->until_ms = whole ? results->at_ms : results->months_from_ms[month + 1];
    cell->always_rate = cell->always_value = cell->needed = (double)NAN;
    lift_estimate(NULL, 0, true, &cell->rate);
    cell->value = cell->rate_kept = cell->rate;
    cell->value_cut = HUGE_VAL;
}

/* Values stand in order of cells, so each cell's begin where those of the one before end. */
static void conclude_lines(const struct concluding *concluding, const struct result_plan *plan,
                           double *scratch, struct results *out) {
    const struct result_part *part = &concluding->gathered->part;
    size_t value = 0;
    for (uint32_t s = 0; s < plan->count; s++) {
        bool has_rows = part->cells[s * RESULT_CELLS + RESULT_WHOLE] != NULL ||
                        plan->series[s].kind == RESULT_EXPERIMENT;
        struct result_line *line = &out->lines[out->line_count];
        out->line_count += has_rows;
        if (!has_rows) continue;
        line->series = plan->series[s];
        for (uint32_t m = 0; m < RESULT_CELLS; m++) {
            uint32_t index = s * RESULT_CELLS + m;
            struct result_cell *cell = m == RESULT_WHOLE ? &line->all : &line->months[m];
            struct values values = {.items = part->values + value, .scratch = scratch};
            for (; value < part->value_count && part->values[value].cell == index; value++)
                values.count++;
            name_months(out, cell, m);
            if (part->cells[index] != NULL)
                conclude_cell(concluding, part->cells[index], &values, cell);
        }
    }
}

/* ---- all of them at once ---- */

static bool is_leaf(const struct result_line *line) {
    return line->series.kind == RESULT_ACTION_CHANNEL ||
           (line->series.kind == RESULT_ACTION && line->series.channel != SYMBOL_NONE);
}

/* Two families: action × channel × month; and the lines of the whole time. */
static size_t gather_family(struct results *results, bool of_months, struct result_cell **cells) {
    size_t count = 0;
    for (uint32_t i = 0; i < results->line_count; i++) {
        struct result_line *line = &results->lines[i];
        if (!of_months) cells[count++] = &line->all;
        for (uint32_t m = 0; of_months && is_leaf(line) && m < MONTHS_MAX; m++)
            if (line->months[m].ratio.n > 0) cells[count++] = &line->months[m];
    }
    return count;
}

static enum status find_joint(struct results *results) {
    size_t room = (size_t)results->line_count * MONTHS_MAX + 1;
    struct result_cell **cells = memory_calloc(room, sizeof *cells);
    double *evidence = memory_calloc(room, sizeof *evidence);
    bool *found = memory_calloc(room, sizeof *found);
    bool fine = cells != NULL && evidence != NULL && found != NULL;
    for (int family = 0; fine && family < 2; family++) {
        size_t count = gather_family(results, family == 1, cells);
        for (size_t i = 0; i < count; i++) evidence[i] = cells[i]->evidence;
        size_t found_count = evidence_find_joint(evidence, count, results->alpha, found);
        for (size_t i = 0; i < count; i++) cells[i]->joint = found[i];
        if (family == 1) {
            results->found_joint = found_count;
            results->joint_count = count;
        }
    }
    memory_free(cells);
    memory_free(evidence);
    memory_free(found);
    return fine ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---- the whole ---- */

static void order_shares(struct concluding *concluding, struct results *out) {
    const struct result_gathered *gathered = concluding->gathered;
    for (uint32_t i = 0; i < gathered->share_count; i++) {
        uint32_t at = i;
        for (; at > 0 && gathered->shares[concluding->order[at - 1]] > gathered->shares[i]; at--)
            concluding->order[at] = concluding->order[at - 1];
        concluding->order[at] = i;
    }
    out->share_count = gathered->share_count;
    for (uint32_t i = 0; i < out->share_count; i++)
        out->shares[i] = gathered->shares[concluding->order[i]];
}

static void conclude_customers(const struct concluding *concluding, struct results *out) {
    const struct result_part *part = &concluding->gathered->part;
    struct result_cell all = {0};
    count_cell(concluding, &part->all, &all);
    out->ratio = all.ratio;
    out->crossed = all.crossed;
    for (uint32_t s = 0; s < RESULT_SHARES_MAX; s++)
        for (uint32_t arm = 0; arm < LIFT_ARMS; arm++)
            out->customers[arm] += part->all.drawn[s][arm];
    out->decisions = part->decisions;
    out->under_other_salt = part->under_other_salt;
    out->without_arm = part->without_arm;
    out->share_unknown = part->share_unknown;
    out->earlier = part->earlier;
    out->of_holdout = part->of_holdout;
    out->of_other_arms = part->of_other_arms;
    out->unknown_actions = part->unknown_actions;
    out->cut_timelines = part->cut_timelines;
}

static enum status make_lines(struct results *out, uint32_t count) {
    out->lines = memory_calloc((size_t)count + 1, sizeof *out->lines);
    if (out->lines == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        out->lines[i].months = memory_calloc(MONTHS_MAX, sizeof *out->lines[i].months);
        if (out->lines[i].months == NULL) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

void results_release(struct results *results) {
    for (uint32_t i = 0; results->lines != NULL && i < results->line_room; i++)
        memory_free(results->lines[i].months);
    memory_free(results->lines);
    results->lines = NULL;
    results->line_count = 0;
}

/* Months before the first decision are of no interest; the last one holds at_ms. */
static void trim_months(struct results *out) {
    uint32_t first = MONTHS_MAX - 1;
    for (uint32_t i = 0; i < out->line_count; i++)
        for (uint32_t m = 0; m < first; m++)
            if (out->lines[i].months[m].ratio.n > 0) first = m;
    out->month_count = MONTHS_MAX - first;
    memmove(out->months_from_ms, out->months_from_ms + first,
            (out->month_count + 1) * sizeof *out->months_from_ms);
    for (uint32_t i = 0; i < out->line_count; i++)
        memmove(out->lines[i].months, out->lines[i].months + first,
                out->month_count * sizeof *out->lines[i].months);
}

static enum status conclude(const struct customer_data *data, const struct result_plan *plan,
                            const struct result_gathered *gathered, struct results *out) {
    struct concluding concluding = {.results = out,
                                    .playbook = data->playbook,
                                    .gathered = gathered,
                                    .rho_squared =
                                        sequence_rho_squared(out->alpha, SEQUENCE_TUNED_FOR)};
    double *scratch = memory_alloc((gathered->part.value_count + 1) * sizeof *scratch);
    enum status status = scratch != NULL ? make_lines(out, plan->count) : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        order_shares(&concluding, out);
        conclude_customers(&concluding, out);
        conclude_lines(&concluding, plan, scratch, out);
        status = find_joint(out);
        trim_months(out);
    }
    memory_free(scratch);
    return status;
}

enum status results_measure(const struct customer_data *data, const struct results_options *options,
                            struct results *out, struct error *error) {
    struct result_plan plan;
    struct result_gathered gathered = {.share_count = 0};
    *out = (struct results){
        .at_ms = options->at_ms, .since_ms = options->since_ms, .alpha = SEQUENCE_ALPHA};
    struct text salt = options->experiment == NULL
                           ? data->playbook->holdout_salt
                           : data->playbook->experiments[options->experiment->experiment].salt;
    snprintf(out->salt, sizeof out->salt, "%.*s", TEXT_ARG(salt));
    for (int32_t m = 0; m <= MONTHS_MAX; m++)
        out->months_from_ms[m] =
            month_begins(data->playbook->zone, options->at_ms, MONTHS_MAX - 1 - m);
    enum status status = result_plan_make(&plan, data->playbook, options->experiment, error);
    out->line_room = plan.count;
    if (status == STATUS_OK)
        status = results_gather(data, &plan, options, out->months_from_ms, &gathered, error);
    if (status == STATUS_OK) status = conclude(data, &plan, &gathered, out);
    result_part_release(&gathered.part, plan.count * RESULT_CELLS);
    result_plan_release(&plan);
    return status == STATUS_NO_MEMORY ? error_set(error, status, "no memory to compare the arms")
                                      : status;
}
