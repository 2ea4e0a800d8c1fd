/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/off_policy.h"

#include <math.h>

#include "base/memory.h"
#include "learn/bootstrap.h"

#define DELTA .05
/* The grid of lambda and tau: powers of ten and their thirds up to where nothing is shrunk. */
#define GRID_FIRST 1e-2
#define GRID_STEP  2.1544346900318843
#define GRID_COUNT 30
/* Weights whose mean differs so much from 1 say that the log lacks what the policy does. */
#define MEAN_WEIGHT_FAR .3

const char *off_policy_name(enum off_policy_estimator estimator) {
    static const char *const names[OFF_POLICY_ESTIMATORS] = {"IPS", "SNIPS", "DR", "switch-DR",
                                                             "DRos"};
    return names[estimator];
}

/* ---- one row ---- */

static double shrunk(double weight, double shrinkage) {
    return isinf(shrinkage) ? weight : shrinkage * weight / (weight * weight + shrinkage);
}

double off_policy_term(enum off_policy_estimator estimator, const struct off_policy_row *row,
                       double shrinkage, double switch_max) {
    double w = row->weight, rest = row->reward - row->predicted;
    switch (estimator) {
    case OFF_POLICY_IPS:
    case OFF_POLICY_SNIPS: return w * row->reward;
    case OFF_POLICY_DR: return row->expected + w * rest;
    case OFF_POLICY_SWITCH_DR: return row->expected + (w <= switch_max ? w : 0) * rest;
    case OFF_POLICY_DROS: return row->expected + shrunk(w, shrinkage) * rest;
    case OFF_POLICY_ESTIMATORS: break;
    }
    return (double)NAN;
}

/* ---- sums by customer ---- */

struct group_sums {
    double rows, weight, reward;
    double terms[OFF_POLICY_ESTIMATORS];
};

struct sample {
    const struct off_policy_row *rows;
    size_t count;
    double shrinkage, switch_max;
    uint32_t *dense;
    uint32_t group_count;
    struct group_sums *groups;
};

static void add_up(struct sample *sample) {
    for (size_t i = 0; i < sample->count; i++) {
        const struct off_policy_row *row = &sample->rows[i];
        struct group_sums *sums = &sample->groups[sample->dense[i]];
        sums->rows += 1;
        sums->weight += row->weight;
        sums->reward += row->reward;
        for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++)
            sums->terms[e] += off_policy_term((enum off_policy_estimator)e, row, sample->shrinkage,
                                              sample->switch_max);
    }
}

/* ---- how much to shrink ---- */

/* A bound of the squared error of an estimator that uses w' instead of w: the variance of its mean,
 * and the square of how much it is off, which is the mean of (w' - w)(r - q), at its upper 95 %
 * bound. */
static double error_bound(const struct sample *sample, double shrinkage, double switch_max) {
    enum off_policy_estimator estimator =
        isnan(switch_max) ? OFF_POLICY_DROS : OFF_POLICY_SWITCH_DR;
    double n = (double)sample->count, sum = 0, squares = 0, off = 0, off_squares = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const struct off_policy_row *row = &sample->rows[i];
        double term = off_policy_term(estimator, row, shrinkage, switch_max);
        double bias = term - off_policy_term(OFF_POLICY_DR, row, 0, 0);
        sum += term;
        squares += term * term;
        off += bias;
        off_squares += bias * bias;
    }
    double variance = (squares - sum * sum / n) / n, spread = (off_squares - off * off / n) / n;
    double bias = fabs(off / n) + sqrt(2 * log(2 / DELTA) * fmax(spread, 0) / n);
    return fmax(variance, 0) / n + bias * bias;
}

/* The lambda, or tau, with the least bound; of equal ones the one that shrinks least. */
static double choose(const struct sample *sample, bool is_switch) {
    double best = (double)INFINITY, least = (double)INFINITY, at = GRID_FIRST;
    for (int i = 0; i <= GRID_COUNT; i++, at *= GRID_STEP) {
        double tried = i == GRID_COUNT ? (double)INFINITY : at;
        double bound =
            is_switch ? error_bound(sample, 0, tried) : error_bound(sample, tried, (double)NAN);
        if (!(bound <= least)) continue;
        least = bound;
        best = tried;
    }
    return best;
}

/* ---- estimates ---- */

static void estimate_with(const struct sample *sample, const uint8_t *weights,
                          double out[OFF_POLICY_ESTIMATORS + 1]) {
    struct group_sums all = {0};
    for (uint32_t g = 0; g < sample->group_count; g++) {
        double weight = weights[g];
        const struct group_sums *sums = &sample->groups[g];
        all.rows += weight * sums->rows;
        all.weight += weight * sums->weight;
        all.reward += weight * sums->reward;
        for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++) all.terms[e] += weight * sums->terms[e];
    }
    for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++)
        out[e] = all.terms[e] / (e == OFF_POLICY_SNIPS ? all.weight : all.rows);
    out[OFF_POLICY_ESTIMATORS] = all.reward / all.rows;
}

static enum status draw(const struct sample *sample, uint64_t seed, struct off_policy_result *out) {
    uint32_t draws = bootstrap_draws(sample->count);
    double values[OFF_POLICY_ESTIMATORS + 1], drawn[OFF_POLICY_ESTIMATORS + 1];
    uint8_t *weights = memory_alloc(sample->group_count);
    double *kept = memory_alloc((OFF_POLICY_ESTIMATORS + 1) * (size_t)draws * sizeof *kept);
    enum status status = weights != NULL && kept != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        struct random random;
        struct bootstrap_weights drawing;
        random_init(&random, seed);
        bootstrap_weights_init(&drawing);
        memset(weights, 1, sample->group_count);
        estimate_with(sample, weights, values);
        for (uint32_t d = 0; d < draws; d++) {
            bootstrap_draw(&drawing, &random, weights, sample->group_count);
            estimate_with(sample, weights, drawn);
            for (int e = 0; e <= OFF_POLICY_ESTIMATORS; e++) kept[(size_t)e * draws + d] = drawn[e];
        }
        for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++)
            out->estimates[e].bootstrap =
                bootstrap_interval(values[e], kept + (size_t)e * draws, draws);
        struct interval reward = bootstrap_interval(
            values[OFF_POLICY_ESTIMATORS], kept + (size_t)OFF_POLICY_ESTIMATORS * draws, draws);
        out->mean_reward = reward.value;
        out->mean_reward_low = reward.low;
        out->mean_reward_high = reward.high;
    }
    memory_free(weights);
    memory_free(kept);
    return status;
}

/* Are all rewards equal that an estimate rests on? Then the rows tell nothing of their spread, and
 * neither bootstrap nor Bernstein is to be believed. */
static bool has_spread(const struct off_policy_row *rows, size_t count) {
    double least = (double)INFINITY, most = -(double)INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (!(rows[i].weight > 0)) continue;
        least = fmin(least, rows[i].reward);
        most = fmax(most, rows[i].reward);
    }
    return least < most;
}

static void forget_bounds(struct off_policy_result *out) {
    for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++) {
        struct off_policy_estimate *estimate = &out->estimates[e];
        struct interval *interval = &estimate->bootstrap;
        interval->low = interval->high = interval->low50 = interval->high50 = (double)NAN;
        estimate->bernstein_low = estimate->bernstein_high = (double)NAN;
    }
}

/* What each customer adds to the estimate, in units of the mean: the mean of these over customers
 * is the estimate. SNIPS, a ratio, is taken by its push (delta method). */
static double push_of(const struct sample *sample, const struct off_policy_result *result, int e,
                      const struct group_sums *sums) {
    double scale = (double)sample->group_count / (double)sample->count;
    if (e != OFF_POLICY_SNIPS) return sums->terms[e] * scale;
    double value = result->estimates[e].bootstrap.value;
    return value + (sums->terms[e] - value * sums->weight) * scale / result->mean_weight;
}

static void tell_bernstein(const struct sample *sample, struct off_policy_result *out) {
    double n = sample->group_count, log_delta = log(2 / DELTA);
    for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++) {
        struct off_policy_estimate *estimate = &out->estimates[e];
        double value = estimate->bootstrap.value, squares = 0;
        double least = (double)INFINITY, most = -(double)INFINITY;
        estimate->bernstein_low = estimate->bernstein_high = (double)NAN;
        if (n < 2 || isnan(value)) continue;
        for (uint32_t g = 0; g < sample->group_count; g++) {
            double push = push_of(sample, out, e, &sample->groups[g]);
            squares += (push - value) * (push - value);
            least = fmin(least, push);
            most = fmax(most, push);
        }
        double half = 7 * (most - least) * log_delta / (3 * (n - 1)) +
                      sqrt(2 * log_delta * (squares / n) / (n - 1));
        estimate->bernstein_low = value - half;
        estimate->bernstein_high = value + half;
    }
}

static void tell_weights(const struct off_policy_row *rows, size_t count,
                         struct off_policy_result *out) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        double w = rows[i].weight;
        sum += w;
        squares += w * w;
        out->supported += w > 0;
        out->max_weight = fmax(out->max_weight, w);
    }
    out->mean_weight = sum / (double)count;
    out->effective_rows = squares > 0 ? sum * sum / squares : 0;
}

static bool is_row(const struct off_policy_row *row) {
    return isfinite(row->reward) && isfinite(row->predicted) && isfinite(row->expected) &&
           isfinite(row->weight) && row->weight >= 0;
}

static enum status sample_init(struct sample *sample) {
    uint32_t *ids = memory_alloc((sample->count + 1) * sizeof *ids);
    if (ids == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < sample->count; i++) ids[i] = sample->rows[i].group;
    enum status status = bootstrap_groups(ids, sample->count, &sample->dense, &sample->group_count);
    memory_free(ids);
    if (status != STATUS_OK) return status;
    sample->groups = memory_calloc(sample->group_count, sizeof *sample->groups);
    return sample->groups != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status off_policy_estimate(const struct off_policy_row *rows, size_t count,
                                const struct off_policy_options *options,
                                struct off_policy_result *out) {
    struct sample sample = {.rows = rows, .count = count};
    *out = (struct off_policy_result){.rows = count};
    if (count == 0 || count > LEARN_ROWS_MAX) return STATUS_INVALID;
    for (size_t i = 0; i < count; i++) {
        if (!is_row(&rows[i])) return STATUS_INVALID;
    }
    tell_weights(rows, count, out);
    sample.shrinkage = isnan(options->shrinkage) ? choose(&sample, false) : options->shrinkage;
    sample.switch_max = isnan(options->switch_max) ? choose(&sample, true) : options->switch_max;
    out->shrinkage = sample.shrinkage;
    out->switch_max = sample.switch_max;
    enum status status = sample_init(&sample);
    if (status == STATUS_OK) {
        out->groups = sample.group_count;
        add_up(&sample);
        status = draw(&sample, options->seed, out);
    }
    if (status == STATUS_OK) tell_bernstein(&sample, out);
    if (!has_spread(rows, count) || sample.group_count < 2) forget_bounds(out);
    memory_free(sample.dense);
    memory_free(sample.groups);
    return status;
}

/* ---- what a log can't answer ---- */

enum off_policy_support off_policy_support(const struct off_policy_result *result, uint64_t drawn) {
    if (drawn == 0) return SUPPORT_DETERMINISTIC;
    if (result->supported == 0) return SUPPORT_NONE;
    bool is_few = result->effective_rows < OFF_POLICY_EFFECTIVE_MIN;
    if (!is_few && result->mean_weight < 1 - MEAN_WEIGHT_FAR) return SUPPORT_PART;
    bool is_far = fabs(result->mean_weight - 1) > MEAN_WEIGHT_FAR;
    return is_few || is_far ? SUPPORT_WEAK : SUPPORT_GOOD;
}

bool off_policy_answers(enum off_policy_support support) {
    return support != SUPPORT_NONE && support != SUPPORT_DETERMINISTIC;
}

const char *off_policy_support_text(enum off_policy_support support) {
    static const char *const texts[] = {
        "the log supports the other policy",
        "the log can't answer: the other policy would have made none of its decisions",
        "the log can't answer: nothing in it was drawn at random, but always what looked best",
        "the log supports the other policy weakly: read the intervals, and let more be explored",
        "the log lacks much of what the other policy does, as the mean weight far below 1 says: "
        "there "
        "the estimates rest on the prediction alone, and no interval tells how wrong it is",
    };
    return texts[support];
}
