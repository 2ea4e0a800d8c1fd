/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of features: those that are there are found, and no others; what a pair says is only what
 * the two say together; and what few customers have together says nothing. */
#include "simulate.h"

#include <stdio.h>

#include "base/memory.h"
#include "learn/fit.h"
#include "learn/model.h"

#define COLUMNS 5

static const struct feature columns[COLUMNS] = {
    {.name = {"spend", 5}, .kind = FEATURE_NUMBER}, {.name = {"visits", 6}, .kind = FEATURE_NUMBER},
    {.name = {"city", 4}, .kind = FEATURE_TEXT},    {.name = {"plan", 4}, .kind = FEATURE_TEXT},
    {.name = {"noise", 5}, .kind = FEATURE_NUMBER},
};

struct crossed {
    struct value values[COLUMNS];
    double log_odds;
};

/* Spend and visits undo each other, a city and a plan go together; each has an effect alone, too.
 * `strength` of the pairs: 0 for none. */
static void draw(struct random *random, double strength, struct crossed *out) {
    static const char *const cities[] = {"Rome", "Oslo", "Bern", "Lima"};
    static const char *const plans[] = {"free", "plus", "team"};
    double spend = random_normal(random), visits = (double)random_below(random, 9);
    uint32_t city = (uint32_t)random_below(random, 4), plan = (uint32_t)random_below(random, 3);
    out->values[0] = value_number(spend);
    out->values[1] = random_below(random, 10) == 0 ? value_unknown() : value_number(visits);
    out->values[2] = value_text(text_from(cities[city]));
    out->values[3] = value_text(text_from(plans[plan]));
    out->values[4] = value_number(random_unit(random));
    out->log_odds = -.8 + .5 * spend + .1 * visits + (city == 0 ? .6 : 0) - (plan == 2 ? .4 : 0);
    out->log_odds += strength * ((spend > 0) == (visits > 4) ? 1 : -1);
    out->log_odds += strength * (city % 2 == plan % 2 ? .8 : -.8);
}

struct drawn {
    uint64_t seed;
    size_t rows;
    double strength;
    uint32_t rows_a_customer;
    double customers_differ; /* standard deviation of what only the customer has */
    bool one_date;
};

static struct training_set *set_of(const struct drawn *drawn) {
    struct training_set *set;
    struct random random;
    struct crossed row = {0};
    double own = 0;
    random_init(&random, drawn->seed);
    assert_int_equal(training_set_create(&set, columns, COLUMNS), STATUS_OK);
    for (size_t i = 0; i < drawn->rows; i++) {
        bool is_new = i % drawn->rows_a_customer == 0;
        if (is_new) draw(&random, drawn->strength, &row); /* a customer's rows are alike */
        if (is_new) own = drawn->customers_differ * random_normal(&random);
        int64_t day = drawn->one_date ? 0 : (int64_t)(i * 300 / drawn->rows);
        struct training_row added = {.values = row.values,
                                     .yes =
                                         random_unit(&random) < 1 / (1 + exp(-row.log_odds - own)),
                                     .weight = 1,
                                     .time_ms = day * TIME_DAY_MS,
                                     .horizon_ms = (day + 1) * TIME_DAY_MS,
                                     .group = (uint32_t)(i / drawn->rows_a_customer)};
        assert_int_equal(training_set_add(set, &added), STATUS_OK);
    }
    return set;
}

static struct model *model_of(const struct drawn *drawn, bool without_pairs) {
    struct training_set *set = set_of(drawn);
    struct model *model;
    struct learn_options options = {.seed = 1, .without_pairs = without_pairs};
    assert_int_equal(model_train(&model, set, &options, NULL), STATUS_OK);
    training_set_destroy(set);
    return model;
}

static const struct drawn with_pairs = {7, 6000, 1, 1, 0, false};
static const struct drawn no_pairs = {8, 6000, 0, 1, 0, false};

static void pairs_that_are_there_are_found(void **state) {
    (void)state;
    struct model *model = model_of(&with_pairs, false), *alone = model_of(&with_pairs, true);
    assert_int_equal(model_pair_count(model), 2);
    struct model_pair_facts first = model_pair_facts(model, 0), second = model_pair_facts(model, 1);
    assert_true(first.left == 0 && first.right == 1 && first.evidence > 10);
    assert_true(second.left == 2 && second.right == 3 && second.evidence > 10);
    assert_true(first.importance > .5 && second.importance > .4);
    assert_true(model_facts(model)->pair_ridge > 0);
    assert_int_equal(model_facts(model)->pairs_tried, COLUMNS * (COLUMNS - 1) / 2);
    assert_int_equal(model_pair_count(alone), 0);
    assert_true(model_rolling_metrics(model)->auc.low > model_rolling_metrics(alone)->auc.high);
    struct random random;
    random_init(&random, 70);
    double off = 0, off_alone = 0;
    for (int i = 0; i < 2000; i++) {
        struct crossed row;
        draw(&random, 1, &row);
        double truth = 1 / (1 + exp(-row.log_odds));
        off += fabs(model_score(model, row.values) - truth) / 2000;
        off_alone += fabs(model_score(alone, row.values) - truth) / 2000;
    }
    assert_true(off < .07 && off_alone > .17);
    model_destroy(model);
    model_destroy(alone);
}

/* The early splits of few rows find no pair; that does not forbid what the later ones prove. */
static void few_rows_are_enough_for_strong_pairs(void **state) {
    (void)state;
    uint32_t found = 0;
    for (uint64_t seed = 40; seed < 46; seed++) {
        struct model *model = model_of(&(struct drawn){seed, 800, 1.2, 1, 0, false}, false);
        assert_int_equal(model_facts(model)->basis, MODEL_ROLLING);
        found += model_pair_count(model);
        model_destroy(model);
    }
    assert_in_range(found, 9, 12);
}

/* Without pairs in the rows the model is the additive one, bit for bit. */
static void where_none_are_there_nothing_changes(void **state) {
    (void)state;
    struct model *model = model_of(&no_pairs, false), *alone = model_of(&no_pairs, true);
    assert_int_equal(model_pair_count(model), 0);
    assert_true(model_facts(model)->pair_ridge == 0);
    struct random random;
    random_init(&random, 71);
    for (int i = 0; i < 1000; i++) {
        struct crossed row;
        draw(&random, 1, &row);
        assert_true(model_score(model, row.values) == model_score(alone, row.values));
    }
    assert_true(model_rolling_metrics(model)->auc.value == model_rolling_metrics(alone)->auc.value);
    model_destroy(model);
    model_destroy(alone);
}

static void same_rows_give_the_same_pairs(void **state) {
    (void)state;
    struct buffer bytes[2];
    for (int k = 0; k < 2; k++) {
        struct model *model = model_of(&with_pairs, false);
        buffer_init(&bytes[k]);
        assert_int_equal(model_encode(model, &bytes[k]), STATUS_OK);
        model_destroy(model);
    }
    assert_true(text_equal(buffer_text(&bytes[0]), buffer_text(&bytes[1])));
    buffer_release(&bytes[0]);
    buffer_release(&bytes[1]);
}

/* Rows of one date: folds of customers choose, and find the pairs, too. */
static void folds_of_customers_choose_where_all_have_one_date(void **state) {
    (void)state;
    struct drawn one_date = with_pairs;
    one_date.one_date = true;
    struct model *model = model_of(&one_date, false);
    assert_int_equal(model_facts(model)->basis, MODEL_BY_FOLDS);
    assert_int_equal(model_facts(model)->split_count, 0);
    assert_int_equal(model_pair_count(model), 2);
    assert_non_null(strstr(model_basis_text(MODEL_BY_FOLDS), "settings and figures from folds"));
    assert_string_equal(model_figures_text(MODEL_BY_FOLDS), "folds by customer");
    double truth_like = model_rolling_metrics(model)->auc.value;
    assert_true(truth_like > .75);
    model_destroy(model);
}

/* Returns how many pairs the evidence speaks for, whatever later rows say. */
static uint32_t pairs_with_evidence(const struct drawn *drawn) {
    struct training_set *set = set_of(drawn);
    struct table table;
    struct fitter fitter;
    uint32_t *rows = memory_alloc(drawn->rows * sizeof *rows);
    assert_non_null(rows);
    for (uint32_t i = 0; i < drawn->rows; i++) rows[i] = i;
    assert_int_equal(table_init(&table, set), STATUS_OK);
    assert_int_equal(fitter_init(&fitter, &table), STATUS_OK);
    assert_int_equal(fitter_cut(&fitter, rows, drawn->rows), STATUS_OK);
    assert_int_equal(additive_fit(&fitter.additive, &fitter.binning, rows, drawn->rows,
                                  (struct ridge){100, 200, 50}, 1e-6, NULL, NULL),
                     STATUS_OK);
    uint32_t count = fitter.additive.pair_count;
    fitter_release(&fitter);
    table_release(&table);
    memory_free(rows);
    training_set_destroy(set);
    return count;
}

/* Each customer has 40 rows alike and a rate of their own: whatever grid they fall into, its cells
 * differ by far more than the rows of strangers would, and that is no evidence of a pair. */
static void rows_of_one_customer_are_no_evidence(void **state) {
    (void)state;
    uint32_t found = 0;
    for (uint64_t seed = 20; seed < 30; seed++)
        found += pairs_with_evidence(&(struct drawn){seed, 8000, 0, 40, 1.5, false});
    assert_true(found <= 1);
    assert_int_equal(pairs_with_evidence(&with_pairs), 2);
    assert_int_equal(pairs_with_evidence(&no_pairs), 0);
}

/* What a pair adds is 0 on average over the rows of each of its parts. */
static void a_pair_says_only_what_two_say_together(void **state) {
    (void)state;
    struct model *model = model_of(&with_pairs, false);
    struct training_set *set = set_of(&with_pairs);
    struct value values[COLUMNS];
    struct training_row row;
    for (uint32_t k = 0; k < model_pair_count(model); k++) {
        const struct model_pair *pair = &model->pairs[k];
        double left_sum[PAIR_SIDE_MAX] = {0}, right_sum[PAIR_SIDE_MAX] = {0};
        uint32_t left_rows[PAIR_SIDE_MAX] = {0}, right_rows[PAIR_SIDE_MAX] = {0};
        for (size_t i = 0; i < training_set_count(set); i++) {
            training_set_row(set, i, values, &row);
            uint32_t left = model_cell(model, pair->left, values[pair->left]);
            uint32_t right = model_cell(model, pair->right, values[pair->right]);
            double effect = model_pair_effect(model, k, left, right);
            left_sum[pair->left_part[left]] += effect;
            right_sum[pair->right_part[right]] += effect;
            left_rows[pair->left_part[left]]++;
            right_rows[pair->right_part[right]]++;
        }
        for (uint32_t part = 0; part < pair->left_parts; part++)
            assert_near(left_sum[part], 0, 1e-6 * left_rows[part]);
        for (uint32_t part = 0; part < pair->right_parts; part++)
            assert_near(right_sum[part], 0, 1e-6 * right_rows[part]);
    }
    training_set_destroy(set);
    model_destroy(model);
}

/* Two texts that are common by themselves, and that `together` customers have both of, several rows
 * each. Returns what their pair adds. */
static double effect_of_few(uint32_t together) {
    const struct feature features[] = {{.name = {"city", 4}, .kind = FEATURE_TEXT},
                                       {.name = {"plan", 4}, .kind = FEATURE_TEXT}};
    struct training_set *set;
    struct model *model;
    struct random random;
    random_init(&random, 90);
    assert_int_equal(training_set_create(&set, features, 2), STATUS_OK);
    for (uint32_t i = 0; i < 6000; i++) {
        bool rare = i % 3000 < together; /* two rows of each such customer */
        uint32_t group = rare ? i % 3000 : 3000 + i;
        uint32_t city = rare ? 0 : i % 4, plan = rare ? 0 : 1 + i / 4 % 3;
        if (!rare && city > 0 && i % 5 == 0) plan = 0; /* the plan is common in other cities */
        static const char *const names[] = {"a", "b", "c", "d"};
        struct value values[] = {value_text(text_from(names[city])),
                                 value_text(text_from(names[plan]))};
        double log_odds = rare ? 2.5 : city % 2 == plan % 2 ? 1.2 : -1.2;
        struct training_row row = {.values = values,
                                   .yes = random_unit(&random) < 1 / (1 + exp(-log_odds)),
                                   .weight = 1,
                                   .group = group};
        assert_int_equal(training_set_add(set, &row), STATUS_OK);
    }
    assert_int_equal(model_train(&model, set, &(struct learn_options){.seed = 1}, NULL), STATUS_OK);
    assert_int_equal(model_pair_count(model), 1);
    uint32_t city = model_cell(model, 0, value_text(TEXT("a")));
    uint32_t plan = model_cell(model, 1, value_text(TEXT("a")));
    assert_true(city < model->features[0].known && plan < model->features[1].known);
    double effect = model_pair_effect(model, 0, city, plan);
    model_destroy(model);
    training_set_destroy(set);
    return effect;
}

/* What fewer than LEARN_TEXT_GROUPS_MIN customers have together would outlive their erasure. */
static void what_few_customers_have_together_adds_nothing(void **state) {
    (void)state;
    assert_true(effect_of_few(LEARN_TEXT_GROUPS_MIN - 1) == 0);
    assert_true(effect_of_few(LEARN_TEXT_GROUPS_MIN) != 0);
}

static enum status train_once(void) {
    struct drawn drawn = {7, 1000, 1.5, 1, 0, true};
    struct training_set *set;
    struct model *model;
    struct random random;
    random_init(&random, drawn.seed);
    enum status status = training_set_create(&set, columns, COLUMNS);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < drawn.rows && status == STATUS_OK; i++) {
        struct crossed row;
        draw(&random, drawn.strength, &row);
        struct training_row added = {.values = row.values,
                                     .yes = random_unit(&random) < 1 / (1 + exp(-row.log_odds)),
                                     .weight = 1,
                                     .group = i};
        status = training_set_add(set, &added);
    }
    if (status == STATUS_OK)
        status = model_train(&model, set, &(struct learn_options){.seed = 1}, NULL);
    if (status == STATUS_OK) {
        assert_true(model_pair_count(model) > 0);
        model_destroy(model);
    }
    training_set_destroy(set);
    return status;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    fail_every_allocation(train_once, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_that_are_there_are_found),
        cmocka_unit_test(few_rows_are_enough_for_strong_pairs),
        cmocka_unit_test(where_none_are_there_nothing_changes),
        cmocka_unit_test(same_rows_give_the_same_pairs),
        cmocka_unit_test(folds_of_customers_choose_where_all_have_one_date),
        cmocka_unit_test(rows_of_one_customer_are_no_evidence),
        cmocka_unit_test(a_pair_says_only_what_two_say_together),
        cmocka_unit_test(what_few_customers_have_together_adds_nothing),
        cmocka_unit_test(no_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
