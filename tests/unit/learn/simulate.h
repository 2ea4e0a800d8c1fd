/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/learn/simulate.h -- rows drawn from a logistic truth that the tests know.
 *
 * Five features: `amount` (number, 0 most often), `age` (duration, missing for a fifth), `city`
 * (text), `noise` (number), `same` (constant). log-odds = -1.5 + .8 * min(amount, 5) / 2 - 1 where
 * age is missing + 1 where the city is Rome, - .5 where it is Oslo. */
#ifndef TESTS_UNIT_LEARN_SIMULATE_H
#define TESTS_UNIT_LEARN_SIMULATE_H

#include "support/unit.h"

#include <math.h>

#include "base/random.h"
#include "base/time.h"
#include "learn/learn.h"

/* cmocka's own compares floats. */
#define assert_near(actual, expected, distance)                                                    \
    assert_true(fabs((actual) - (expected)) <= (distance))

#define FEATURES   5
#define ROWS_A_DAY 20

static const struct feature simulated_features[FEATURES] = {
    {.name = {"amount", 6}, .kind = FEATURE_NUMBER}, {.name = {"age", 3}, .kind = FEATURE_NUMBER},
    {.name = {"city", 4}, .kind = FEATURE_TEXT},     {.name = {"noise", 5}, .kind = FEATURE_NUMBER},
    {.name = {"same", 4}, .kind = FEATURE_NUMBER},
};

struct simulated {
    struct value values[FEATURES];
    double truth; /* the chance of yes */
    bool yes;
};

static inline void simulate(struct random *random, struct simulated *out) {
    static const char *const cities[] = {"Rome", "Oslo", "Bern", "Lima"};
    double amount = random_unit(random) < .6 ? 0 : (double)random_below(random, 8);
    bool has_age = random_unit(random) < .8;
    uint32_t city = (uint32_t)random_below(random, 4);
    int64_t age_ms = (int64_t)random_below(random, 100) * TIME_DAY_MS;
    out->values[0] = value_number(amount);
    out->values[1] =
        has_age ? (struct value){.type = VALUE_DURATION, .duration_ms = age_ms} : value_unknown();
    out->values[2] = value_text(text_from(cities[city]));
    out->values[3] = value_number(random_normal(random));
    out->values[4] = value_number(7);
    double log_odds = -1.5 + .4 * fmin(amount, 5) - (has_age ? 0 : 1) + (city == 0 ? 1 : 0) -
                      (city == 1 ? .5 : 0);
    out->truth = 1 / (1 + exp(-log_odds));
    out->yes = random_unit(random) < out->truth;
}

/* `count` rows, ROWS_A_DAY a day, whose label is known after ten days; five rows a group. */
static inline enum status simulate_set(struct training_set **out, size_t count, uint64_t seed) {
    struct random random;
    random_init(&random, seed);
    enum status status = training_set_create(out, simulated_features, FEATURES);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct simulated row;
        simulate(&random, &row);
        int64_t time_ms = (int64_t)(i / ROWS_A_DAY) * TIME_DAY_MS;
        status =
            training_set_add(*out, &(struct training_row){.values = row.values,
                                                          .yes = row.yes,
                                                          .weight = 1,
                                                          .time_ms = time_ms,
                                                          .horizon_ms = time_ms + 10 * TIME_DAY_MS,
                                                          .group = (uint32_t)(i / 5)});
        if (status != STATUS_OK) training_set_destroy(*out);
    }
    return status;
}

static inline struct model *simulate_model(size_t count, uint64_t seed) {
    struct training_set *set;
    struct model *model;
    struct error error;
    assert_int_equal(simulate_set(&set, count, seed), STATUS_OK);
    assert_int_equal(model_train(&model, set, &(struct learn_options){.seed = 1}, &error),
                     STATUS_OK);
    training_set_destroy(set);
    return model;
}

#endif
