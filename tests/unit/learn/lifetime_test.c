/* SPDX-License-Identifier: Apache-2.0 */
/* Lifetime value against what the papers print, against the models' own integrals done naively, and
 * against customers who are simulated. */
#include "support/unit.h"

#include <math.h>

#include "base/random.h"
#include "learn/gamma_function.h"
#include "learn/lifetime.h"

#define assert_near(actual, expected, distance)                                                    \
    assert_true(fabs((actual) - (expected)) <= (distance))
#define CUSTOMERS 4000

/* Of the sample of CDNOW, in weeks (2005, table 2); of its values (2013). */
static const struct lifetime cdnow = {{.2426, 4.4136, .7929, 2.4259}};
static const struct spend cdnow_spend = {{6.25, 3.74, 15.44}};

/* ---- naive ---- */

/* The mean of value(rate, leaves) over the model's two mixing distributions, by the midpoint rule
 * on the logarithm of the rate and the log-odds of leaving. */
struct customer_truth {
    const struct lifetime_history *history;
    double horizon;
};
typedef double mixture_value(const struct customer_truth *truth, double rate, double leaves);

static double mixture(const struct lifetime *lifetime, const struct customer_truth *truth,
                      mixture_value *value) {
    const double *at = lifetime->parameters;
    double r = at[LIFETIME_R], alpha = at[LIFETIME_ALPHA], a = at[LIFETIME_A], b = at[LIFETIME_B];
    double front = r * log(alpha) - log_gamma(r) + log_gamma(a + b) - log_gamma(a) - log_gamma(b);
    double sum = 0, step = .2;
    for (double l = -90 / fmin(r, 1); l < 9; l += step) {
        double rate = exp(l), of_rate = r * l - alpha * rate;
        if (of_rate < -60) continue;
        for (double w = -45 / fmin(a, 1); w < 45 / fmin(b, 1); w += step) {
            double p = 1 / (1 + exp(-w)), q = 1 / (1 + exp(w));
            double weight = exp(front + of_rate + a * log(p) + b * log(q));
            sum += weight * value(truth, rate, fmin(p, 1 - 1e-16));
        }
    }
    return sum * step * step;
}

/* The chance of the history of one customer (2005, section 4.1). */
static double chance_of(const struct customer_truth *truth, double rate, double leaves) {
    const struct lifetime_history *history = truth->history;
    double x = history->repeats, orders = x * log(rate);
    double stayed = exp(x * log1p(-leaves) + orders - rate * history->age);
    if (history->repeats == 0) return stayed;
    return stayed + leaves * exp((x - 1) * log1p(-leaves) + orders - rate * history->last);
}
static double chance_and_alive(const struct customer_truth *truth, double rate, double leaves) {
    double x = truth->history->repeats;
    return exp(x * log1p(-leaves) + x * log(rate) - rate * truth->history->age);
}
static double chance_and_orders(const struct customer_truth *truth, double rate, double leaves) {
    return chance_and_alive(truth, rate, leaves) * -expm1(-rate * leaves * truth->horizon) / leaves;
}

static const struct lifetime truths[] = {
    {{.2426, 4.4136, .7929, 2.4259}},
    {{1.5, 3, 1, 2}}, /* where the published expectation is 0/0 */
    {{.8, 2, 1.7, .6}},
};
static const struct lifetime_history histories[] = {
    {0, 0, 38.86, 1}, {2, 30.43, 38.86, 1}, {1, 1.71, 38.86, 1}, {7, 29, 30, 1}, {3, 2, 2, 1},
};
#define TRUTHS    (sizeof truths / sizeof *truths)
#define HISTORIES (sizeof histories / sizeof *histories)

/* ---- against the literature ---- */

static void figures_are_the_published_ones(void **state) {
    (void)state;
    /* The customer of the paper's spreadsheet: two repeats, the last after 30.43 of 38.86 weeks. */
    assert_near(lifetime_expected(&cdnow, &(struct lifetime_history){2, 30.43, 38.86, 1}, 39),
                1.226, .0006);
    /* The two of the vignette of the R package BTYD. */
    struct lifetime_history often = {26, 30.86, 31, 1};
    assert_near(lifetime_alive(&cdnow, &often), .9688523, 2e-4);
    assert_near(lifetime_expected(&cdnow, &often, 52), 25.75647, 2e-2);
    assert_near(lifetime_expected(&cdnow, &(struct lifetime_history){0}, 52), 1.444010, 1e-3);
    assert_near(spend_expected(&cdnow_spend, 2, 22.35), 24.65, .02);
    assert_near(spend_expected(&cdnow_spend, 1, 11.77), 18.91, .02);
    assert_near(spend_expected(&cdnow_spend, 0, 0), 35.2, .05);
}

/* ---- against naive integration ---- */

static void likelihood_is_the_integral(void **state) {
    (void)state;
    for (size_t l = 0; l < TRUTHS; l++) {
        for (size_t h = 0; h < HISTORIES; h++) {
            struct customer_truth truth = {&histories[h], 0};
            double naive = log(mixture(&truths[l], &truth, chance_of));
            assert_near(lifetime_log_likelihood(&truths[l], &histories[h], 1, NULL), naive, 1e-6);
        }
    }
}

static void expectations_are_the_integrals(void **state) {
    (void)state;
    for (size_t l = 0; l < TRUTHS; l++) {
        for (size_t h = 0; h < HISTORIES; h++) {
            struct customer_truth truth = {&histories[h], 26};
            double all = mixture(&truths[l], &truth, chance_of);
            assert_near(lifetime_alive(&truths[l], &histories[h]),
                        mixture(&truths[l], &truth, chance_and_alive) / all, 1e-6);
            double naive = mixture(&truths[l], &truth, chance_and_orders) / all;
            assert_near(lifetime_expected(&truths[l], &histories[h], 26), naive, 1e-6 * naive);
        }
    }
}

/* ---- against the published form, where that can be computed ---- */

static double hypergeometric(double a, double b, double c, double z) {
    double term = 1, sum = 1;
    for (int n = 0; n < 100000 && fabs(term) > 1e-17 * sum; n++) {
        term *= (a + n) * (b + n) / ((c + n) * (n + 1)) * z;
        sum += term;
    }
    return sum;
}

static double published(const struct lifetime *lifetime, const struct lifetime_history *history,
                        double t) {
    const double *at = lifetime->parameters;
    double s = at[LIFETIME_R] + history->repeats, age = at[LIFETIME_ALPHA] + history->age;
    double a = at[LIFETIME_A], n = at[LIFETIME_B] + history->repeats, c = a + n - 1;
    double f = hypergeometric(s, n, c, t / (age + t));
    return c / (a - 1) * (1 - exp(s * log(age / (age + t))) * f) *
           lifetime_alive(lifetime, history);
}

static void expectation_is_the_published_form(void **state) {
    struct random random;
    (void)state;
    random_init(&random, 7);
    for (int i = 0; i < 2000; i++) {
        struct lifetime lifetime;
        for (int p = 0; p < LIFETIME_PARAMETERS; p++)
            lifetime.parameters[p] = exp(random_unit(&random) * 6 - 3);
        double a = lifetime.parameters[LIFETIME_A], age = 1 + random_unit(&random) * 100;
        if (fabs(a - 1) < .05) continue;
        struct lifetime_history history = {(uint32_t)random_below(&random, 30), 0, age, 1};
        if (history.repeats > 0) history.last = age * random_unit(&random);
        double t = random_unit(&random) * 3 * age;
        double expected = published(&lifetime, &history, t);
        assert_near(lifetime_expected(&lifetime, &history, t), expected, 2e-9 * expected);
    }
}

static void expectation_is_smooth_everywhere(void **state) {
    struct lifetime_history history = {3, 20, 25, 1};
    (void)state;
    for (double t = .001; t < 1e6; t *= 10) {
        struct lifetime below = {{.5, 4, 1 - 1e-9, 2}}, at = {{.5, 4, 1, 2}};
        double one = lifetime_expected(&at, &history, t);
        assert_near(lifetime_expected(&below, &history, t), one, 1e-8 * one);
    }
    /* Nobody leaves, or everybody does; all customers alike. */
    static const double sizes[] = {1e-6, 1e-3, 1, 1e3, 1e6};
    for (int a = 0; a < 5; a++) {
        for (int b = 0; b < 5; b++) {
            struct lifetime lifetime = {{.5, 4, sizes[a], sizes[b]}};
            double p = sizes[a] / (sizes[a] + sizes[b] + 3), never = 3.5 / 29 * 52;
            double value = lifetime_expected(&lifetime, &history, 52);
            double alive = lifetime_alive(&lifetime, &history);
            assert_true(value > 0 && value <= alive * never * (1 + 1e-9));
            if (p < 1e-5) assert_near(value, alive * never, 1e-3 * value);
        }
    }
    assert_true(lifetime_expected(&cdnow, &history, 0) < 1e-300);
    assert_true(isnan(lifetime_expected(&cdnow, &history, -1)));
    assert_true(isnan(lifetime_expected(&cdnow, &history, (double)INFINITY)));
    assert_true(isnan(spend_expected(&(struct spend){{6, .9, 15}}, 0, 0)));
}

/* ---- gradients ---- */

static void gradients_are_the_slopes(void **state) {
    static const struct spend_history spends[] = {{1, 12, 3}, {4, 33, 1}, {9, 5, 2}};
    double gradient[LIFETIME_PARAMETERS];
    (void)state;
    for (size_t l = 0; l < TRUTHS; l++) {
        (void)lifetime_log_likelihood(&truths[l], histories, 2, gradient);
        for (int p = 0; p < LIFETIME_PARAMETERS; p++) {
            struct lifetime above = truths[l], below = truths[l];
            above.parameters[p] += 1e-5;
            below.parameters[p] -= 1e-5;
            double slope = (lifetime_log_likelihood(&above, histories, 2, NULL) -
                            lifetime_log_likelihood(&below, histories, 2, NULL)) /
                           2e-5;
            assert_near(gradient[p], slope, 1e-6 * (1 + fabs(slope)));
        }
    }
    (void)spend_log_likelihood(&cdnow_spend, spends, 3, gradient);
    for (int p = 0; p < SPEND_PARAMETERS; p++) {
        struct spend above = cdnow_spend, below = cdnow_spend;
        above.parameters[p] += 1e-5;
        below.parameters[p] -= 1e-5;
        double slope = (spend_log_likelihood(&above, spends, 3, NULL) -
                        spend_log_likelihood(&below, spends, 3, NULL)) /
                       2e-5;
        assert_near(gradient[p], slope, 1e-6 * (1 + fabs(slope)));
    }
}

/* ---- simulated customers ---- */

static double draw_exponential(struct random *random) {
    return -log1p(-random_unit(random));
}
/* Marsaglia and Tsang (2000). */
static double draw_gamma(struct random *random, double shape) {
    double lift = shape < 1 ? exp(log1p(-random_unit(random)) / shape) : 1;
    double d = (shape < 1 ? shape + 1 : shape) - 1. / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = random_normal(random), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        if (log1p(-random_unit(random)) < .5 * x * x + d - d * v + d * log(v)) return lift * d * v;
    }
}

struct simulated {
    struct lifetime_history history;
    bool alive;
    uint32_t later; /* repeat orders in the half year after */
};
static struct simulated simulate(struct random *random, const struct lifetime *lifetime) {
    const double *at = lifetime->parameters;
    double rate = draw_gamma(random, at[LIFETIME_R]) / at[LIFETIME_ALPHA];
    double left = draw_gamma(random, at[LIFETIME_A]), stayed = draw_gamma(random, at[LIFETIME_B]);
    double leaves = left / (left + stayed);
    struct simulated out = {.history = {0, 0, 27 + (double)random_below(random, 12), 1},
                            .alive = true};
    double when = draw_exponential(random) / rate, end = out.history.age + 26;
    while (when <= end) {
        bool is_later = when > out.history.age, goes = random_unit(random) < leaves;
        if (!is_later) out.history.repeats++, out.history.last = when;
        out.later += is_later;
        if (goes) {
            out.alive = is_later;
            break;
        }
        when += draw_exponential(random) / rate;
    }
    return out;
}

static void simulated_customers_are_told(void **state) {
    static struct lifetime_history seen[CUSTOMERS];
    static struct simulated customers[CUSTOMERS];
    struct lifetime truth = {{.6, 5, .9, 2.5}};
    struct lifetime_fit fit;
    struct error error;
    struct random random;
    (void)state;
    random_init(&random, 11);
    for (int i = 0; i < CUSTOMERS; i++) {
        customers[i] = simulate(&random, &truth);
        seen[i] = customers[i].history;
    }
    size_t groups = lifetime_group(seen, CUSTOMERS);
    assert_true(groups < CUSTOMERS);
    assert_int_equal(lifetime_fit(seen, groups, &fit, &error), STATUS_OK);
    for (int p = 0; p < LIFETIME_PARAMETERS; p++) {
        assert_false(fit.fitted[p].is_extreme);
        assert_true(fit.fitted[p].low < truth.parameters[p]);
        assert_true(fit.fitted[p].high > truth.parameters[p]);
    }
    double expected = 0, later = 0, squares = 0, alive = 0, is_alive = 0;
    for (int i = 0; i < CUSTOMERS; i++) {
        double one = lifetime_expected(&fit.lifetime, &customers[i].history, 26);
        expected += one;
        later += customers[i].later;
        squares += (customers[i].later - one) * (customers[i].later - one);
        alive += lifetime_alive(&fit.lifetime, &customers[i].history);
        is_alive += customers[i].alive;
    }
    assert_near(expected, later, 3 * sqrt(squares));
    assert_near(alive, is_alive, 3 * sqrt(CUSTOMERS) / 2);
}

static void simulated_values_are_told(void **state) {
    static struct spend_history seen[CUSTOMERS];
    struct spend truth = {{4, 3, 20}};
    struct spend_fit fit;
    struct error error;
    struct random random;
    (void)state;
    random_init(&random, 12);
    for (int i = 0; i < CUSTOMERS; i++) {
        double nu = draw_gamma(&random, 3) / 20;
        uint32_t orders = 1 + (uint32_t)random_below(&random, 6);
        double sum = draw_gamma(&random, 4 * orders) / nu;
        seen[i] = (struct spend_history){orders, sum / orders, 1};
    }
    assert_int_equal(spend_fit(seen, CUSTOMERS, &fit, &error), STATUS_OK);
    for (int p = 0; p < SPEND_PARAMETERS; p++) {
        assert_true(fit.fitted[p].low < truth.parameters[p]);
        assert_true(fit.fitted[p].high > truth.parameters[p]);
    }
}

/* Everybody's orders are drawn alike: q and gamma are at an extreme, the mean is not. */
static void values_alike_are_an_extreme(void **state) {
    static struct spend_history seen[CUSTOMERS];
    struct spend_fit fit;
    struct error error;
    struct random random;
    (void)state;
    random_init(&random, 15);
    for (int round = 0; round < 20; round++) {
        size_t count = 30 + 40 * (size_t)round;
        double total = 0, orders = 0;
        for (size_t i = 0; i < count; i++) {
            double sum = 0;
            uint32_t own = 1 + (uint32_t)random_below(&random, 6);
            for (uint32_t k = 0; k < own; k++) sum += 10 + 30 * random_unit(&random);
            seen[i] = (struct spend_history){own, sum / own, 1};
            total += sum;
            orders += own;
        }
        assert_int_equal(spend_fit(seen, spend_group(seen, count), &fit, &error), STATUS_OK);
        double mean = total / orders;
        assert_near(spend_expected(&fit.spend, 0, 0), mean, .05 * mean);
    }
    assert_true(fit.fitted[SPEND_Q].is_extreme);
}

/* A unit of time or of money changes the parameter that has it, and nothing else. */
static void units_do_not_matter(void **state) {
    static struct lifetime_history weeks[CUSTOMERS], days[CUSTOMERS];
    struct lifetime_fit in_weeks, in_days;
    struct error error;
    struct random random;
    (void)state;
    random_init(&random, 13);
    for (int i = 0; i < CUSTOMERS; i++) {
        weeks[i] = days[i] = simulate(&random, &cdnow).history;
        days[i].last *= 7;
        days[i].age *= 7;
    }
    size_t count = lifetime_group(weeks, CUSTOMERS);
    assert_int_equal(lifetime_fit(weeks, count, &in_weeks, &error), STATUS_OK);
    count = lifetime_group(days, CUSTOMERS);
    assert_int_equal(lifetime_fit(days, count, &in_days, &error), STATUS_OK);
    for (int p = 0; p < LIFETIME_PARAMETERS; p++) {
        double factor = p == LIFETIME_ALPHA ? 7 : 1, value = in_days.fitted[p].value;
        assert_near(value, in_weeks.fitted[p].value * factor, 1e-5 * value);
    }
}

/* ---- extremes and hostile input ---- */

/* Every customer orders once a week and nobody leaves: both mixtures are at an extreme. */
static void customers_alike_are_an_extreme(void **state) {
    static struct lifetime_history seen[200];
    struct lifetime_fit fit;
    struct error error;
    (void)state;
    for (int i = 0; i < 200; i++) {
        double age = 30 + i % 20;
        seen[i] = (struct lifetime_history){(uint32_t)age, age - .2, age, 1};
    }
    size_t count = lifetime_group(seen, 200);
    assert_int_equal(count, 20);
    assert_int_equal(lifetime_fit(seen, count, &fit, &error), STATUS_OK);
    assert_true(fit.fitted[LIFETIME_R].is_extreme);
    assert_true(isnan(fit.fitted[LIFETIME_R].low));
    double expected = lifetime_expected(&fit.lifetime, &seen[0], 10);
    assert_near(expected, 10, .2);
}

static void assert_refused(struct lifetime_history *seen, size_t count, const char *why) {
    struct lifetime_fit fit;
    struct error error = {0};
    assert_int_equal(lifetime_fit(seen, count, &fit, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, why));
}

static void hostile_input_is_refused(void **state) {
    struct lifetime_history none = {0, 0, 10, 5000}, one = {3, 4, 10, 1}, same_day = {0, 0, 0, 900};
    struct lifetime_history infinite = {3, 4, (double)INFINITY, 30}, late = {3, 11, 10, 30};
    struct lifetime_history odd = {0, 5, 10, 30}, nan = {3, (double)NAN, 10, 30};
    struct lifetime_history many = {LIFETIME_REPEATS_MAX + 1, 4, 10, 30};
    struct lifetime_history unsorted[] = {{3, 4, 10, 30}, {2, 4, 10, 30}};
    struct spend_history free_orders = {3, 0, 30}, few = {3, 10, 3};
    struct spend_fit fit;
    struct error error;
    (void)state;
    assert_refused(&none, 0, "known for longer");
    assert_refused(&none, 1, "0 of 5000");
    assert_refused(&one, 1, "1 of 1");
    assert_refused(&same_day, 1, "known for longer than the day");
    assert_refused(&infinite, 1, "no history");
    assert_refused(&late, 1, "no history");
    assert_refused(&odd, 1, "no history");
    assert_refused(&nan, 1, "no history");
    assert_refused(&many, 1, "no history");
    assert_refused(unsorted, 2, "grouped");
    assert_int_equal(spend_fit(&free_orders, 1, &fit, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "over 0"));
    assert_int_equal(spend_fit(&few, 1, &fit, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "too few"));
}

/* Any histories at all give finite parameters or a refusal, never anything else. */
static void random_histories_fit_or_are_refused(void **state) {
    struct lifetime_history seen[60];
    struct random random;
    int fitted = 0;
    (void)state;
    random_init(&random, 14);
    for (int round = 0; round < 300; round++) {
        struct lifetime_fit fit;
        struct error error;
        double scale = exp(random_unit(&random) * 20 - 10);
        uint32_t most = 1 + (uint32_t)random_below(&random, 2000);
        for (int i = 0; i < 60; i++) {
            double age = scale * (double)random_below(&random, 100);
            uint32_t repeats = (uint32_t)random_below(&random, most);
            double last = repeats > 0 ? age * random_unit(&random) : 0;
            seen[i] = (struct lifetime_history){repeats, last, age, 1};
        }
        size_t count = lifetime_group(seen, 60);
        if (lifetime_fit(seen, count, &fit, &error) != STATUS_OK) continue;
        fitted++;
        for (size_t i = 0; i < count; i++) {
            double expected = lifetime_expected(&fit.lifetime, &seen[i], scale * 50);
            double alive = lifetime_alive(&fit.lifetime, &seen[i]);
            assert_true(expected >= 0 && isfinite(expected));
            assert_true(alive >= 0 && alive <= 1);
        }
    }
    assert_true(fitted > 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_the_published_ones),
        cmocka_unit_test(likelihood_is_the_integral),
        cmocka_unit_test(expectations_are_the_integrals),
        cmocka_unit_test(expectation_is_the_published_form),
        cmocka_unit_test(expectation_is_smooth_everywhere),
        cmocka_unit_test(gradients_are_the_slopes),
        cmocka_unit_test(simulated_customers_are_told),
        cmocka_unit_test(simulated_values_are_told),
        cmocka_unit_test(values_alike_are_an_extreme),
        cmocka_unit_test(units_do_not_matter),
        cmocka_unit_test(customers_alike_are_an_extreme),
        cmocka_unit_test(hostile_input_is_refused),
        cmocka_unit_test(random_histories_fit_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
