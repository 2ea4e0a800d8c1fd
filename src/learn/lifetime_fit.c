/* SPDX-License-Identifier: Apache-2.0 */
/* Both fits are of the logarithms of the parameters, which may be any number, with times and values
 * in units of their means, so that one bound and one start serve all data. */
#include "learn/lifetime.h"

#include <math.h>
#include <stdlib.h>

#include "learn/newton.h"

#define LOG_BOUND 12.0 /* of a parameter, in units of the mean: one in 160,000 */
/* An interval this wide on the logarithm says that the parameter can't be told. */
#define LOG_SPREAD_MAX 10.0
#define NORMAL_95      1.959963984540054

/* ---- grouping ---- */

static int compare_histories(const void *left, const void *right) {
    const struct lifetime_history *a = left, *b = right;
    if (a->repeats != b->repeats) return a->repeats < b->repeats ? -1 : 1;
    if (a->last < b->last || a->last > b->last) return a->last < b->last ? -1 : 1;
    return (a->age > b->age) - (a->age < b->age);
}

size_t lifetime_group(struct lifetime_history *histories, size_t count) {
    size_t groups = 0;
    if (count == 0) return 0;
    qsort(histories, count, sizeof *histories, compare_histories);
    for (size_t i = 1; i < count; i++) {
        if (compare_histories(&histories[groups], &histories[i]) == 0)
            histories[groups].customers += histories[i].customers;
        else
            histories[++groups] = histories[i];
    }
    return groups + 1;
}

static int compare_spends(const void *left, const void *right) {
    const struct spend_history *a = left, *b = right;
    if (a->orders != b->orders) return a->orders < b->orders ? -1 : 1;
    return (a->mean > b->mean) - (a->mean < b->mean);
}

size_t spend_group(struct spend_history *histories, size_t count) {
    size_t groups = 0;
    if (count == 0) return 0;
    qsort(histories, count, sizeof *histories, compare_spends);
    for (size_t i = 1; i < count; i++) {
        if (compare_spends(&histories[groups], &histories[i]) == 0)
            histories[groups].customers += histories[i].customers;
        else
            histories[++groups] = histories[i];
    }
    return groups + 1;
}

/* ---- what may be fitted ---- */

static bool is_history(const struct lifetime_history *history) {
    bool is_ordered = history->last >= 0 && history->last <= history->age;
    bool is_finite = isfinite(history->age) && isfinite(history->customers);
    return is_ordered && is_finite && history->customers > 0 &&
           history->repeats <= LIFETIME_REPEATS_MAX &&
           (history->repeats > 0 || !(history->last > 0));
}

static enum status check_histories(const struct lifetime_history *histories, size_t count,
                                   struct lifetime_fit *out, double *mean_age,
                                   struct error *error) {
    double ages = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_history(&histories[i]))
            return error_set(error, STATUS_INVALID,
                             "%u repeat orders, the last after %g and observed for %g, by %g "
                             "customers, is no history: 0 <= last <= observed, finite",
                             histories[i].repeats, histories[i].last, histories[i].age,
                             histories[i].customers);
        if (i > 0 && compare_histories(&histories[i - 1], &histories[i]) >= 0)
            return error_set(error, STATUS_INVALID, "histories are to be grouped before the fit");
        out->customers += histories[i].customers;
        if (histories[i].repeats > 0) out->repeaters += histories[i].customers;
        ages += histories[i].customers * histories[i].age;
    }
    if (!(ages > 0))
        return error_set(error, STATUS_INVALID,
                         "nobody is known for longer than the day of their first order: %g "
                         "customers, each with orders on one day alone",
                         out->customers);
    if (out->repeaters < LIFETIME_REPEATERS_MIN)
        return error_set(error, STATUS_INVALID,
                         "too few customers ordered again: %g of %g, and at least %d are needed",
                         out->repeaters, out->customers, LIFETIME_REPEATERS_MIN);
    *mean_age = ages / out->customers;
    return isfinite(*mean_age) ? STATUS_OK
                               : error_set(error, STATUS_INVALID, "the ages are too large to add");
}

/* ---- the fit ---- */

/* The parameters' logarithms as sums of the coordinates that are searched. Where all customers are
 * alike, two parameters grow without end and only their ratio counts, so each ratio is a coordinate
 * of its own: what does not matter then does not disturb what does. */
typedef double coordinates[NEWTON_PARAMETERS_MAX][NEWTON_PARAMETERS_MAX];
static const coordinates of_lifetime = {[LIFETIME_R] = {1, 0, 0, 0},
                                        [LIFETIME_ALPHA] = {1, 1, 0, 0},
                                        [LIFETIME_A] = {0, 0, 1, 0},
                                        [LIFETIME_B] = {0, 0, 1, 1}};
/* The mean value of an order is about p gamma / q. */
static const coordinates of_spend = {
    [SPEND_P] = {1, 0, 0}, [SPEND_Q] = {0, 1, 0}, [SPEND_GAMMA] = {-1, 1, 1}};

struct sample {
    const void *histories;
    size_t count;
    double unit;         /* of the parameter that is a time or a value … */
    uint32_t with_unit;  /* … which is this one */
    uint32_t parameters; /* how many */
    const double (*map)[NEWTON_PARAMETERS_MAX];
};

static void parameters_at(const struct sample *sample, const double *at, double *parameters) {
    for (uint32_t p = 0; p < sample->parameters; p++) {
        double log_parameter = 0;
        for (uint32_t c = 0; c < sample->parameters; c++)
            log_parameter += sample->map[p][c] * at[c];
        parameters[p] = exp(log_parameter) * (p == sample->with_unit ? sample->unit : 1);
    }
}

/* From the gradient by the parameters to that of the negative by the coordinates. */
static void turn_gradient(const struct sample *sample, const double *parameters, double *gradient) {
    double by_log[NEWTON_PARAMETERS_MAX];
    for (uint32_t p = 0; p < sample->parameters; p++) by_log[p] = gradient[p] * parameters[p];
    for (uint32_t c = 0; c < sample->parameters; c++) {
        gradient[c] = 0;
        for (uint32_t p = 0; p < sample->parameters; p++)
            gradient[c] -= sample->map[p][c] * by_log[p];
    }
}

static double lifetime_value(const void *context, const double *at, double *gradient) {
    const struct sample *sample = context;
    struct lifetime lifetime;
    parameters_at(sample, at, lifetime.parameters);
    double value = lifetime_log_likelihood(&lifetime, sample->histories, sample->count, gradient);
    turn_gradient(sample, lifetime.parameters, gradient);
    return -value;
}

static double spend_value(const void *context, const double *at, double *gradient) {
    const struct sample *sample = context;
    struct spend spend;
    parameters_at(sample, at, spend.parameters);
    double value = spend_log_likelihood(&spend, sample->histories, sample->count, gradient);
    turn_gradient(sample, spend.parameters, gradient);
    return -value;
}

/* Fits from each of the starts and keeps the best: a likelihood of such mixtures may have a local
 * maximum at one of its extremes. */
static enum status fit_from(const struct newton_problem *problem,
                            const double (*starts)[NEWTON_PARAMETERS_MAX], size_t count,
                            struct newton_result *best, struct error *error) {
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        struct newton_result result;
        if (!newton_minimise(problem, starts[i], &result) || !result.converged) continue;
        if (found && !(result.value < best->value)) continue;
        *best = result;
        found = true;
    }
    return found ? STATUS_OK
                 : error_set(error, STATUS_INVALID,
                             "the fit does not settle: these histories do not tell the model's "
                             "parameters");
}

static void tell_fitted(const struct sample *sample, const struct newton_result *result,
                        const double *parameters, struct fitted *out) {
    for (uint32_t p = 0; p < sample->parameters; p++) {
        const double *map = sample->map[p];
        double variance = 0;
        out[p] = (struct fitted){.value = parameters[p]};
        for (uint32_t i = 0; i < sample->parameters; i++) {
            out[p].is_extreme |= fabs(map[i]) > 0 && result->is_at_bound[i];
            for (uint32_t j = 0; j < sample->parameters; j++)
                variance += map[i] * map[j] * result->covariance[i][j];
        }
        double spread = NORMAL_95 * sqrt(variance);
        out[p].is_extreme |= !(spread < LOG_SPREAD_MAX);
        out[p].low = out[p].is_extreme ? (double)NAN : out[p].value * exp(-spread);
        out[p].high = out[p].is_extreme ? (double)NAN : out[p].value * exp(spread);
    }
}

enum status lifetime_fit(const struct lifetime_history *histories, size_t count,
                         struct lifetime_fit *out, struct error *error) {
    static const double starts[][NEWTON_PARAMETERS_MAX] = {{0, -1, -.5, 1}, {1, -1, -3, 3}};
    struct sample sample = {.histories = histories,
                            .count = count,
                            .with_unit = LIFETIME_ALPHA,
                            .parameters = LIFETIME_PARAMETERS,
                            .map = of_lifetime};
    struct newton_result best = {0};
    *out = (struct lifetime_fit){.groups = count};
    enum status status = check_histories(histories, count, out, &sample.unit, error);
    if (status != STATUS_OK) return status;
    struct newton_problem problem = {LIFETIME_PARAMETERS, LOG_BOUND, &sample, lifetime_value};
    status = fit_from(&problem, starts, sizeof starts / sizeof *starts, &best, error);
    if (status != STATUS_OK) return status;
    parameters_at(&sample, best.at, out->lifetime.parameters);
    tell_fitted(&sample, &best, out->lifetime.parameters, out->fitted);
    out->log_likelihood = -best.value;
    out->steps = best.steps;
    return STATUS_OK;
}

static enum status check_spends(const struct spend_history *histories, size_t count,
                                struct spend_fit *out, double *mean, struct error *error) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct spend_history *history = &histories[i];
        if (history->orders == 0 || history->orders > LIFETIME_REPEATS_MAX ||
            !(history->mean > 0) || !isfinite(history->mean) || !(history->customers > 0) ||
            !isfinite(history->customers))
            return error_set(error, STATUS_INVALID,
                             "%u orders of %g each, by %g customers, are no values to fit: they "
                             "are over 0 and finite",
                             history->orders, history->mean, history->customers);
        out->customers += history->customers;
        sum += history->customers * history->mean;
    }
    if (out->customers < LIFETIME_REPEATERS_MIN)
        return error_set(error, STATUS_INVALID,
                         "too few customers with a value of their repeat orders: %g, and at least "
                         "%d are needed",
                         out->customers, LIFETIME_REPEATERS_MIN);
    *mean = sum / out->customers;
    return isfinite(*mean) ? STATUS_OK
                           : error_set(error, STATUS_INVALID, "the values are too large to add");
}

enum status spend_fit(const struct spend_history *histories, size_t count, struct spend_fit *out,
                      struct error *error) {
    static const double starts[][NEWTON_PARAMETERS_MAX] = {{1, 1, 0}, {2, 2, 0}};
    struct sample sample = {.histories = histories,
                            .count = count,
                            .with_unit = SPEND_GAMMA,
                            .parameters = SPEND_PARAMETERS,
                            .map = of_spend};
    struct newton_result best = {0};
    *out = (struct spend_fit){0};
    enum status status = check_spends(histories, count, out, &sample.unit, error);
    if (status != STATUS_OK) return status;
    struct newton_problem problem = {SPEND_PARAMETERS, LOG_BOUND, &sample, spend_value};
    status = fit_from(&problem, starts, sizeof starts / sizeof *starts, &best, error);
    if (status != STATUS_OK) return status;
    parameters_at(&sample, best.at, out->spend.parameters);
    tell_fitted(&sample, &best, out->spend.parameters, out->fitted);
    out->log_likelihood = -best.value;
    out->steps = best.steps;
    return STATUS_OK;
}
