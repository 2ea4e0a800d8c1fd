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

struct sample {
    const void *histories;
    size_t count;
    double unit; /* of the parameter that is a time or a value */
};

static double lifetime_value(const void *context, const double *at, double *gradient) {
    const struct sample *sample = context;
    struct lifetime lifetime;
    for (int p = 0; p < LIFETIME_PARAMETERS; p++) lifetime.parameters[p] = exp(at[p]);
    lifetime.parameters[LIFETIME_ALPHA] *= sample->unit;
    double value = lifetime_log_likelihood(&lifetime, sample->histories, sample->count, gradient);
    for (int p = 0; p < LIFETIME_PARAMETERS; p++) gradient[p] *= -lifetime.parameters[p];
    return -value;
}

static double spend_value(const void *context, const double *at, double *gradient) {
    const struct sample *sample = context;
    struct spend spend;
    for (int p = 0; p < SPEND_PARAMETERS; p++) spend.parameters[p] = exp(at[p]);
    spend.parameters[SPEND_GAMMA] *= sample->unit;
    double value = spend_log_likelihood(&spend, sample->histories, sample->count, gradient);
    for (int p = 0; p < SPEND_PARAMETERS; p++) gradient[p] *= -spend.parameters[p];
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

static void tell_fitted(const struct newton_result *result, uint32_t parameter, double unit,
                        struct fitted *out) {
    double spread = NORMAL_95 * sqrt(result->variance[parameter]);
    out->value = exp(result->at[parameter]) * unit;
    out->is_extreme = result->is_at_bound[parameter] || !(spread < LOG_SPREAD_MAX);
    out->low = out->is_extreme ? (double)NAN : out->value * exp(-spread);
    out->high = out->is_extreme ? (double)NAN : out->value * exp(spread);
}

enum status lifetime_fit(const struct lifetime_history *histories, size_t count,
                         struct lifetime_fit *out, struct error *error) {
    static const double starts[][NEWTON_PARAMETERS_MAX] = {{0, -1, -.5, .5}, {1, 0, -3, 0}};
    struct sample sample = {.histories = histories, .count = count};
    struct newton_result best = {0};
    *out = (struct lifetime_fit){.groups = count};
    enum status status = check_histories(histories, count, out, &sample.unit, error);
    if (status != STATUS_OK) return status;
    struct newton_problem problem = {LIFETIME_PARAMETERS, LOG_BOUND, &sample, lifetime_value};
    status = fit_from(&problem, starts, sizeof starts / sizeof *starts, &best, error);
    if (status != STATUS_OK) return status;
    for (uint32_t p = 0; p < LIFETIME_PARAMETERS; p++) {
        tell_fitted(&best, p, p == LIFETIME_ALPHA ? sample.unit : 1, &out->fitted[p]);
        out->lifetime.parameters[p] = out->fitted[p].value;
    }
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
    static const double starts[][NEWTON_PARAMETERS_MAX] = {{1, 1, 0}, {2, 2, 2}};
    struct sample sample = {.histories = histories, .count = count};
    struct newton_result best = {0};
    *out = (struct spend_fit){0};
    enum status status = check_spends(histories, count, out, &sample.unit, error);
    if (status != STATUS_OK) return status;
    struct newton_problem problem = {SPEND_PARAMETERS, LOG_BOUND, &sample, spend_value};
    status = fit_from(&problem, starts, sizeof starts / sizeof *starts, &best, error);
    if (status != STATUS_OK) return status;
    for (uint32_t p = 0; p < SPEND_PARAMETERS; p++) {
        tell_fitted(&best, p, p == SPEND_GAMMA ? sample.unit : 1, &out->fitted[p]);
        out->spend.parameters[p] = out->fitted[p].value;
    }
    out->log_likelihood = -best.value;
    out->steps = best.steps;
    return STATUS_OK;
}
