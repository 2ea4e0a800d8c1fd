/* SPDX-License-Identifier: Apache-2.0 */
/* What a model learns from rows whose truth is known, and what it does where there is little to
 * learn from. */
#include "simulate.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "learn/model.h"
#include "learn/rolling.h"

static void the_truth_is_recovered(void **state) {
    (void)state;
    struct model *model = simulate_model(6000, 1);
    struct random random;
    random_init(&random, 99);
    double error = 0, worst = 0;
    for (int i = 0; i < 5000; i++) {
        struct simulated row;
        simulate(&random, &row);
        double off = fabs(model_score(model, row.values) - row.truth);
        error += off / 5000;
        if (off > worst) worst = off;
    }
    assert_true(error < .03); /* always saying the base rate is off by .15 */
    assert_true(worst < .25);
    const struct model_facts *facts = model_facts(model);
    assert_int_equal(facts->basis, MODEL_ROLLING);
    assert_int_equal(facts->split_count, 4);
    assert_near(facts->calibration_slope, 1, .3);
    model_destroy(model);
}

/* The figures that a model reports of itself are those that it reaches on rows to come. */
static void rolling_figures_hold_for_new_rows(void **state) {
    (void)state;
    struct model *model = simulate_model(5000, 2);
    static double propensity[10000];
    static bool yes[10000];
    static uint32_t group[10000];
    struct random random;
    random_init(&random, 98);
    for (uint32_t i = 0; i < 10000; i++) {
        struct simulated row;
        simulate(&random, &row);
        propensity[i] = model_score(model, row.values);
        yes[i] = row.yes;
        group[i] = i;
    }
    struct model_metrics fresh;
    assert_int_equal(metrics_of(propensity, yes, group, 10000, 1, &fresh), STATUS_OK);
    const struct model_metrics *rolling = model_rolling_metrics(model);
    assert_near(rolling->auc.value, fresh.auc.value, .02);
    assert_near(rolling->log_loss.value, fresh.log_loss.value, .025);
    assert_true(fresh.calibration_error.value < .03);
    assert_true(rolling->rows > 3500 && rolling->rows < 4500);
    model_destroy(model);
}

static void same_rows_same_model(void **state) {
    (void)state;
    struct buffer first, second;
    buffer_init(&first);
    buffer_init(&second);
    struct model *a = simulate_model(1500, 3), *b = simulate_model(1500, 3);
    assert_int_equal(model_encode(a, &first), STATUS_OK);
    assert_int_equal(model_encode(b, &second), STATUS_OK);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.at, second.at, first.length);
    buffer_release(&first);
    buffer_release(&second);
    model_destroy(a);
    model_destroy(b);
}

static double log_odds_of(double propensity) {
    return log(propensity / (1 - propensity));
}

static void reasons_add_up_to_the_score(void **state) {
    (void)state;
    struct model *model = simulate_model(1500, 4);
    struct random random;
    random_init(&random, 5);
    for (int i = 0; i < 100; i++) {
        struct simulated row;
        simulate(&random, &row);
        struct model_reason reasons[FEATURES], top[2];
        uint32_t count = model_reasons(model, row.values, reasons, FEATURES);
        assert_true(count > 0 && count < FEATURES); /* the constant feature moves nothing */
        double sum = model->base;
        for (uint32_t k = 0; k < count; k++) {
            sum += reasons[k].log_odds;
            assert_true(k == 0 || fabs(reasons[k - 1].log_odds) >= fabs(reasons[k].log_odds));
        }
        assert_near(sum, log_odds_of(model_score(model, row.values)), 1e-9);
        assert_int_equal(model_reasons(model, row.values, top, 2), 2);
        assert_true(top[0].feature == reasons[0].feature && top[1].feature == reasons[1].feature);
        assert_int_equal(model_reasons(model, row.values, NULL, 0), 0);
    }
    struct model_reason importance[FEATURES];
    uint32_t count = model_importance(model, importance, FEATURES);
    assert_int_equal(count, FEATURES - 1);
    assert_int_equal(importance[count - 1].feature, 3); /* the noise is last */
    model_destroy(model);
}

/* A value that no training row had says nothing. */
static void unseen_values_are_neutral(void **state) {
    (void)state;
    struct model *model = simulate_model(1500, 6);
    struct value values[FEATURES] = {value_number(2), value_duration(TIME_DAY_MS),
                                     value_text(TEXT("Paris")), value_number(0), value_number(7)};
    const struct model_feature *city = &model->features[2];
    assert_true(city->effects[city->known] == 0 &&
                city->effects[city->known + 1] == 0); /* other and missing */
    double unseen = model_score(model, values), low = 1, high = 0;
    static const char *const cities[] = {"Rome", "Oslo", "Bern", "Lima"};
    for (int i = 0; i < 4; i++) {
        values[2] = value_text(text_from(cities[i]));
        double score = model_score(model, values);
        low = fmin(low, score);
        high = fmax(high, score);
    }
    assert_true(low < unseen && unseen < high);
    values[2] = value_number(4); /* a number where text belongs is missing */
    assert_near(model_score(model, values), unseen, 1e-12);
    model_destroy(model);
}

static struct training_set *set_of(size_t count, size_t yes_count, double weight) {
    struct training_set *set;
    assert_int_equal(training_set_create(&set, simulated_features, FEATURES), STATUS_OK);
    struct random random;
    random_init(&random, 7);
    for (size_t i = 0; i < count; i++) {
        struct simulated row;
        simulate(&random, &row);
        struct training_row training = {
            .values = row.values, .yes = i < yes_count, .weight = weight, .group = (uint32_t)i};
        assert_int_equal(training_set_add(set, &training), STATUS_OK);
    }
    return set;
}

static void one_class_gives_the_base_rate(void **state) {
    (void)state;
    const size_t yes_counts[] = {0, 3, 100};
    for (int k = 0; k < 3; k++) {
        struct training_set *set = set_of(100, yes_counts[k], 1);
        struct model *model;
        assert_int_equal(model_train(&model, set, &(struct learn_options){0}, NULL), STATUS_OK);
        assert_int_equal(model_facts(model)->basis, MODEL_BASE_RATE);
        assert_int_equal(model_feature_count(model), FEATURES);
        struct value nothing[FEATURES] = {{0}};
        double score = model_score(model, nothing);
        assert_near(score, ((double)yes_counts[k] + .5) / 101, 1e-12);
        struct model_reason reason;
        assert_int_equal(model_reasons(model, nothing, &reason, 1), 0);
        model_destroy(model);
        training_set_destroy(set);
    }
}

static void no_row_is_an_error_that_says_so(void **state) {
    (void)state;
    struct training_set *set = set_of(0, 0, 1);
    struct model *model;
    struct error error;
    assert_int_equal(model_train(&model, set, &(struct learn_options){0}, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "no row"));
    assert_null(model);
    training_set_destroy(set);
}

/* All at one time: there is no future to validate on. */
static void few_rows_fall_back_to_folds(void **state) {
    (void)state;
    struct training_set *set = set_of(300, 60, 1);
    struct model *model;
    assert_int_equal(model_train(&model, set, &(struct learn_options){0}, NULL), STATUS_OK);
    const struct model_facts *facts = model_facts(model);
    assert_int_equal(facts->basis, MODEL_OUT_OF_FOLD);
    assert_near(facts->bin_ridge, RIDGE_BIN, 0);
    assert_int_equal(model_rolling_metrics(model)->rows, 300);
    assert_non_null(strstr(model_basis_text(facts->basis), "too few"));
    model_destroy(model);
    training_set_destroy(set);
}

/* Pure noise: the scores must stay near the base rate, whatever the bins offer to learn. */
static void noise_teaches_nothing(void **state) {
    (void)state;
    const struct feature features[] = {{.name = {"a", 1}, .kind = FEATURE_NUMBER},
                                       {.name = {"id", 2}, .kind = FEATURE_TEXT}};
    struct training_set *set;
    assert_int_equal(training_set_create(&set, features, 2), STATUS_OK);
    struct random random;
    random_init(&random, 12);
    char name[16];
    struct value values[2];
    for (uint32_t i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "user%u", i); /* every row its own text */
        values[0] = value_number(random_unit(&random));
        values[1] = value_text(text_from(name));
        struct training_row row = {.values = values,
                                   .yes = random_unit(&random) < .2,
                                   .weight = 1,
                                   .group = i,
                                   .time_ms = i * TIME_HOUR_MS,
                                   .horizon_ms = (i + 24) * TIME_HOUR_MS};
        assert_int_equal(training_set_add(set, &row), STATUS_OK);
    }
    struct model *model;
    assert_int_equal(model_train(&model, set, &(struct learn_options){.seed = 3}, NULL), STATUS_OK);
    assert_true(model_rolling_metrics(model)->auc.low < .5);
    for (int i = 0; i < 100; i++) {
        values[0] = value_number(i / 100.0);
        assert_near(model_score(model, values), .2, .07);
    }
    model_destroy(model);
    training_set_destroy(set);
}

static void weights_count_rows(void **state) {
    (void)state;
    struct random random;
    struct training_set *once, *weighted;
    assert_int_equal(training_set_create(&once, simulated_features, FEATURES), STATUS_OK);
    assert_int_equal(training_set_create(&weighted, simulated_features, FEATURES), STATUS_OK);
    random_init(&random, 21);
    for (uint32_t i = 0; i < 3000; i++) {
        struct simulated row;
        simulate(&random, &row);
        struct training_row training = {
            .values = row.values, .yes = row.yes, .weight = 1, .group = i};
        assert_int_equal(training_set_add(once, &training), STATUS_OK);
        training.weight = row.yes ? 3 : 1;
        assert_int_equal(training_set_add(weighted, &training), STATUS_OK);
    }
    struct model *plain, *tripled;
    assert_int_equal(model_train(&plain, once, &(struct learn_options){0}, NULL), STATUS_OK);
    assert_int_equal(model_train(&tripled, weighted, &(struct learn_options){0}, NULL), STATUS_OK);
    double shift = 0;
    for (int i = 0; i < 500; i++) {
        struct simulated row;
        simulate(&random, &row);
        shift += (log_odds_of(model_score(tripled, row.values)) -
                  log_odds_of(model_score(plain, row.values))) /
                 500;
    }
    assert_near(shift, log(3), .1); /* a yes that counts three times triples the odds */
    struct simulated row;
    simulate(&random, &row);
    const double wrong[] = {-1, NAN, INFINITY, 2e6};
    for (int i = 0; i < 4; i++) {
        struct training_row training = {.values = row.values, .weight = wrong[i]};
        assert_int_equal(training_set_add(once, &training), STATUS_INVALID);
    }
    assert_int_equal(training_set_count(once), 3000);
    model_destroy(plain);
    model_destroy(tripled);
    training_set_destroy(once);
    training_set_destroy(weighted);
}

/* A row of weight ten is ten rows, in what pushes a weight and in what pulls it back. */
static void a_weight_is_so_many_rows(void **state) {
    (void)state;
    struct training_set *heavy, *many;
    assert_int_equal(training_set_create(&heavy, &simulated_features[2], 1), STATUS_OK);
    assert_int_equal(training_set_create(&many, &simulated_features[2], 1), STATUS_OK);
    struct random random;
    random_init(&random, 31);
    static uint32_t rows[4000];
    for (uint32_t i = 0; i < 4000; i++) rows[i] = i;
    for (uint32_t i = 0; i < 400; i++) {
        struct simulated row;
        simulate(&random, &row);
        bool is_heavy = text_equal(row.values[2].text, TEXT("Rome"));
        struct training_row training = {
            .values = &row.values[2], .yes = row.yes, .weight = is_heavy ? 10 : 1, .group = i};
        assert_int_equal(training_set_add(heavy, &training), STATUS_OK);
        training.weight = 1;
        for (int k = 0; k < (is_heavy ? 10 : 1); k++)
            assert_int_equal(training_set_add(many, &training), STATUS_OK);
    }
    struct training_set *sets[] = {heavy, many};
    double rome[2];
    for (int k = 0; k < 2; k++) {
        struct table table;
        struct fitter fitter;
        assert_int_equal(table_init(&table, sets[k]), STATUS_OK);
        assert_int_equal(fitter_init(&fitter, &table), STATUS_OK);
        assert_int_equal(fitter_cut(&fitter, rows, table.row_count), STATUS_OK);
        assert_int_equal(additive_fit(&fitter.additive, &fitter.binning, rows, table.row_count,
                                      (struct ridge){1, 300, 0}, 1e-9, NULL, NULL),
                         STATUS_OK);
        rome[k] = fitter.additive.effects[3]; /* Bern, Lima, Oslo, Rome */
        fitter_release(&fitter);
        table_release(&table);
        training_set_destroy(sets[k]);
    }
    assert_true(rome[1] > .05);
    assert_near(rome[0], rome[1], 1e-3 * rome[1]);
}

/* One feature that names the customer, whose rows all end alike: folds by row would look perfect.
 */
static void folds_keep_a_customer_together(void **state) {
    (void)state;
    const struct feature feature = {.name = {"id", 2}, .kind = FEATURE_TEXT};
    struct training_set *set;
    assert_int_equal(training_set_create(&set, &feature, 1), STATUS_OK);
    struct random random;
    random_init(&random, 41);
    for (uint32_t group = 0; group < 200; group++) {
        char name[16];
        snprintf(name, sizeof name, "user%u", group);
        struct value value = value_text(text_from(name));
        struct training_row row = {
            .values = &value, .yes = random_unit(&random) < .5, .weight = 1, .group = group};
        for (int i = 0; i < 10; i++) assert_int_equal(training_set_add(set, &row), STATUS_OK);
    }
    struct model *model;
    assert_int_equal(model_train(&model, set, &(struct learn_options){0}, NULL), STATUS_OK);
    assert_int_equal(model_facts(model)->basis, MODEL_BY_FOLDS);
    assert_true(model_rolling_metrics(model)->auc.value < .6);
    model_destroy(model);
    training_set_destroy(set);
}

/* Early rows whose labels come in years from now say the opposite of all others: no split may have
 * used them. */
static void a_split_uses_what_was_known(void **state) {
    (void)state;
    const struct feature feature = {.name = {"x", 1}, .kind = FEATURE_NUMBER};
    struct training_set *set;
    assert_int_equal(training_set_create(&set, &feature, 1), STATUS_OK);
    struct random random;
    random_init(&random, 51);
    for (uint32_t i = 0; i < 3000; i++) {
        double x = random_unit(&random);
        bool late = i < 1000 && i % 10 != 0;
        struct value value = value_number(x);
        struct training_row row = {.values = &value,
                                   .yes = late != (x > .5),
                                   .weight = 1,
                                   .group = i,
                                   .time_ms = i,
                                   .horizon_ms = late ? 1000000 : i + 5};
        assert_int_equal(training_set_add(set, &row), STATUS_OK);
    }
    struct model *model;
    assert_int_equal(model_train(&model, set, &(struct learn_options){0}, NULL), STATUS_OK);
    assert_int_equal(model_facts(model)->basis, MODEL_ROLLING);
    assert_true(model_rolling_metrics(model)->auc.value > .98);
    model_destroy(model);
    training_set_destroy(set);
}

static void calibration_finds_slope_and_base(void **state) {
    (void)state;
    static double scores[20000], flipped[20000];
    static uint32_t rows[20000];
    static struct row_facts facts[20000];
    struct random random;
    random_init(&random, 61);
    for (uint32_t i = 0; i < 20000; i++) {
        scores[i] = random_normal(&random);
        flipped[i] = -scores[i];
        rows[i] = i;
        facts[i] = (struct row_facts){
            .weight = 1, .yes = random_unit(&random) < propensity_of(1.5 * scores[i] - 2)};
    }
    struct calibration found = calibration_fit(scores, rows, 20000, facts);
    assert_near(found.slope, 1.5, .08);
    assert_near(found.base, -2, .08);
    found = calibration_fit(flipped, rows, 20000, facts); /* worse than nothing: left alone */
    assert_true(found.slope == 1 && found.base == 0);
    for (uint32_t i = 0; i < 20000; i++)
        facts[i].yes = scores[i] > 0; /* perfectly apart: steep, but finite */
    found = calibration_fit(scores, rows, 20000, facts);
    assert_true(found.slope > 5 && found.slope < 1e6 && fabs(found.base) < 1e6);
}

static void a_model_without_features_is_the_base_rate(void **state) {
    (void)state;
    struct training_set *set;
    assert_int_equal(training_set_create(&set, NULL, 0), STATUS_OK);
    for (uint32_t i = 0; i < 500; i++) {
        struct training_row row = {
            .yes = i % 4 == 0, .weight = 1, .group = i, .time_ms = i, .horizon_ms = i};
        assert_int_equal(training_set_add(set, &row), STATUS_OK);
    }
    struct model *model;
    assert_int_equal(model_train(&model, set, &(struct learn_options){0}, NULL), STATUS_OK);
    assert_near(model_score(model, NULL), .25, .01);
    model_destroy(model);
    training_set_destroy(set);
}

static void limits_are_statuses(void **state) {
    (void)state;
    static struct feature features[LEARN_FEATURES_MAX + 1];
    static char name[LEARN_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    for (int i = 0; i <= LEARN_FEATURES_MAX; i++)
        features[i] = (struct feature){.name = TEXT("f"), .kind = FEATURE_NUMBER};
    struct training_set *set;
    assert_int_equal(training_set_create(&set, features, LEARN_FEATURES_MAX + 1), STATUS_LIMIT);
    assert_int_equal(training_set_create(&set, features, LEARN_FEATURES_MAX), STATUS_OK);
    training_set_destroy(set);
    features[0].name = (struct text){name, sizeof name};
    assert_int_equal(training_set_create(&set, features, 1), STATUS_LIMIT);
}

static void any_number_of_splits_is_taken(void **state) {
    (void)state;
    struct training_set *set;
    assert_int_equal(simulate_set(&set, 1200, 9), STATUS_OK);
    const uint32_t wanted[] = {1, 2, 1000};
    const uint32_t least[] = {0, 2, 4}, most[] = {0, 2, ROLLING_SPLITS_MAX};
    for (int i = 0; i < 3; i++) {
        struct model *model;
        assert_int_equal(model_train(&model, set,
                                     &(struct learn_options){.seed = 1, .split_count = wanted[i]},
                                     NULL),
                         STATUS_OK);
        assert_in_range(model_facts(model)->split_count, least[i], most[i]);
        model_destroy(model);
    }
    training_set_destroy(set);
}

static enum status train_once(void) {
    struct training_set *set;
    enum status status = simulate_set(&set, 250, 10);
    if (status != STATUS_OK) return status;
    struct model *model;
    struct error error;
    status = model_train(&model, set, &(struct learn_options){.seed = 1, .split_count = 2}, &error);
    if (status == STATUS_OK) model_destroy(model);
    training_set_destroy(set);
    return status;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    fail_every_allocation(train_once, 60);
}

/* Cancelled by another thread once some passes are done, long before the last of them. */
static void *cancel_after_passes(void *context) {
    struct work *work = context;
    while (atomic_load(&work->done) < 3) sched_yield();
    work_cancel(work);
    return NULL;
}

static void a_cancelled_fit_gives_no_model(void **state) {
    (void)state;
    struct training_set *set;
    assert_int_equal(simulate_set(&set, 20000, 1), STATUS_OK);
    struct work work = {0};
    struct error error = {0};
    struct model *model = NULL;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_after_passes, &work), 0);
    struct learn_options options = {.seed = 1, .split_count = 4, .work = &work};
    assert_int_equal(model_train(&model, set, &options, &error), STATUS_CANCELLED);
    pthread_join(thread, NULL);
    assert_null(model);
    assert_non_null(strstr(error.text, "cancelled"));
    training_set_destroy(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_truth_is_recovered),
        cmocka_unit_test(rolling_figures_hold_for_new_rows),
        cmocka_unit_test(same_rows_same_model),
        cmocka_unit_test(reasons_add_up_to_the_score),
        cmocka_unit_test(unseen_values_are_neutral),
        cmocka_unit_test(one_class_gives_the_base_rate),
        cmocka_unit_test(no_row_is_an_error_that_says_so),
        cmocka_unit_test(few_rows_fall_back_to_folds),
        cmocka_unit_test(noise_teaches_nothing),
        cmocka_unit_test(weights_count_rows),
        cmocka_unit_test(a_weight_is_so_many_rows),
        cmocka_unit_test(folds_keep_a_customer_together),
        cmocka_unit_test(a_split_uses_what_was_known),
        cmocka_unit_test(calibration_finds_slope_and_base),
        cmocka_unit_test(a_model_without_features_is_the_base_rate),
        cmocka_unit_test(limits_are_statuses),
        cmocka_unit_test(any_number_of_splits_is_taken),
        cmocka_unit_test(no_memory_is_a_status),
        cmocka_unit_test(a_cancelled_fit_gives_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
