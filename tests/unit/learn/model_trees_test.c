/* SPDX-License-Identifier: Apache-2.0 */
/* A model with boosted trees: it finds what two features say together, costs nothing where there is
 * nothing of the kind, gives its reasons, comes back from its bytes, and is the same each time. */
#include "support/unit.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "base/time.h"
#include "learn/learner.h"
#include "learn/model.h"
#include "learn/trees/model_trees.h"
#include "learn/trees/xgboost_library.h"

#define FEATURES 5

static const struct feature features[FEATURES] = {
    {.name = {"amount", 6}, .kind = FEATURE_NUMBER}, {.name = {"age", 3}, .kind = FEATURE_NUMBER},
    {.name = {"city", 4}, .kind = FEATURE_TEXT},     {.name = {"noise", 5}, .kind = FEATURE_NUMBER},
    {.name = {"said", 4}, .kind = FEATURE_TEXT},
};

static void need_xgboost(void) {
    struct error error;
    if (xgboost_library_load(&error) == STATUS_OK) return;
    printf("skipped: %s\n", error.text);
    skip();
}

struct drawn {
    struct value values[FEATURES];
    char said[16];
    bool yes;
};

/* What amount and age say depends on each other (`cross`), and on the city. `said` is one person's
 * own word, but for "hello". */
static void draw(struct random *random, double cross, uint32_t group, struct drawn *out) {
    static const char *const cities[] = {"Rome", "Oslo", "Bern", "Lima"};
    double amount = random_normal(random), age = (double)random_below(random, 60);
    bool has_age = random_below(random, 10) != 0;
    uint32_t city = (uint32_t)random_below(random, 4);
    snprintf(out->said, sizeof out->said, random_below(random, 2) ? "hello" : "word%u", group);
    out->values[0] = value_number(amount);
    out->values[1] = has_age ? value_number(age) : value_unknown();
    out->values[2] = value_text(text_from(cities[city]));
    out->values[3] = value_number(random_normal(random));
    out->values[4] = value_text(text_from(out->said));
    double side = (amount > 0) == (age > 30) ? 1 : -1;
    double z = -.5 + .4 * amount + (city == 1 ? .5 : 0) + (has_age ? cross * side : 0) +
               (city == 2 && amount > 0 ? cross / 2 : 0);
    out->yes = random_unit(random) < 1 / (1 + exp(-z));
}

static struct training_set *draw_set(size_t count, double cross, uint64_t seed) {
    struct training_set *set;
    struct random random;
    random_init(&random, seed);
    assert_int_equal(training_set_create(&set, features, FEATURES), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        struct drawn row;
        uint32_t group = (uint32_t)(i / 4);
        draw(&random, cross, group, &row);
        int64_t time_ms = (int64_t)(i / 20) * TIME_DAY_MS;
        assert_int_equal(
            training_set_add(set, &(struct training_row){.values = row.values,
                                                         .yes = row.yes,
                                                         .weight = 1,
                                                         .time_ms = time_ms,
                                                         .horizon_ms = time_ms + 10 * TIME_DAY_MS,
                                                         .group = group}),
            STATUS_OK);
    }
    return set;
}

static struct model *learn(enum model_kind kind, size_t count, double cross, uint64_t seed) {
    struct training_set *set = draw_set(count, cross, seed);
    struct model *model = NULL;
    struct error error = {0};
    if (learner_of(kind)->learn(&model, set, &(struct learn_options){.seed = 1}, &error) !=
        STATUS_OK)
        fail_msg("%s", error.text);
    training_set_destroy(set);
    return model;
}

/* On rows of customers that no model saw. */
static struct model_metrics judge(const struct model *model, double cross) {
    enum { COUNT = 6000 };
    static double chance[COUNT];
    static bool yes[COUNT];
    static uint32_t group[COUNT];
    struct model_metrics metrics;
    struct random random;
    random_init(&random, 99);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct drawn row;
        draw(&random, cross, 1000000 + i, &row);
        chance[i] = model_score(model, row.values);
        yes[i] = row.yes;
        group[i] = i;
    }
    assert_int_equal(metrics_of(chance, yes, group, COUNT, 1, &metrics), STATUS_OK);
    return metrics;
}

static struct model *crossed; /* shared by tests: training takes a while */

static int set_up(void **state) {
    (void)state;
    struct error error;
    if (xgboost_library_load(&error) == STATUS_OK) crossed = learn(MODEL_TREES, 4000, 1.5, 1);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    model_destroy(crossed);
    return 0;
}

static void trees_find_what_two_features_say_together(void **state) {
    (void)state;
    need_xgboost();
    struct model_metrics with = judge(crossed, 1.5);
    assert_true(with.auc.value > .80);
    assert_true(model_facts(crossed)->tree_count > 5);
    assert_true(with.calibration_error.value < .05);
    /* What it says of itself holds for new customers. */
    const struct model_metrics *said = model_rolling_metrics(crossed);
    assert_true(fabs(said->auc.value - with.auc.value) < .03);
    assert_true(fabs(said->log_loss.value - with.log_loss.value) < .03);
    assert_int_equal(said->rows, 4000);
}

static void where_nothing_is_left_trees_cost_nothing(void **state) {
    (void)state;
    need_xgboost();
    struct model *trees = learn(MODEL_TREES, 4000, 0, 2),
                 *plain = learn(MODEL_ADDITIVE, 4000, 0, 2);
    double theirs = judge(plain, 0).log_loss.value, ours = judge(trees, 0).log_loss.value;
    assert_true(ours < theirs + .003);
    model_destroy(trees);
    model_destroy(plain);
}

static enum status encode(const struct model *model, struct buffer *out) {
    buffer_init(out);
    return model_encode(model, out);
}

static void same_rows_same_bytes(void **state) {
    (void)state;
    need_xgboost();
    struct model *again = learn(MODEL_TREES, 4000, 1.5, 1);
    struct buffer a, b;
    assert_int_equal(encode(crossed, &a), STATUS_OK);
    assert_int_equal(encode(again, &b), STATUS_OK);
    assert_true(text_equal(buffer_text(&a), buffer_text(&b)));
    buffer_release(&a);
    buffer_release(&b);
    model_destroy(again);
}

static void it_comes_back_from_its_bytes(void **state) {
    (void)state;
    need_xgboost();
    struct buffer bytes, again;
    struct model *back;
    struct random random;
    assert_int_equal(encode(crossed, &bytes), STATUS_OK);
    assert_int_equal(model_decode(&back, buffer_text(&bytes), NULL), STATUS_OK);
    assert_int_equal(encode(back, &again), STATUS_OK);
    assert_true(text_equal(buffer_text(&bytes), buffer_text(&again)));
    assert_memory_equal(model_facts(crossed), model_facts(back), sizeof(struct model_facts));
    random_init(&random, 5);
    for (uint32_t i = 0; i < 500; i++) {
        struct drawn row;
        draw(&random, 1.5, i, &row);
        if (i % 5 == 0) row.values[i % FEATURES] = value_unknown();
        assert_true(model_score(crossed, row.values) == model_score(back, row.values));
    }
    model_destroy(back);
    buffer_release(&bytes);
    buffer_release(&again);
}

static void seal(char *bytes, size_t length) {
    uint32_t crc = crc32c(crc32c(crc32c(0, bytes, 12), bytes + 16, 8), bytes + 24, length - 24);
    for (int i = 0; i < 4; i++) bytes[12 + i] = (char)(uint8_t)(crc >> (8 * i));
}

/* Bytes that are wrong behind a right checksum are refused, or are a model that scores. */
static void no_byte_is_trusted(void **state) {
    (void)state;
    need_xgboost();
    struct buffer bytes;
    struct random random;
    size_t refused = 0;
    assert_int_equal(encode(crossed, &bytes), STATUS_OK);
    random_init(&random, 6);
    for (int i = 0; i < 3000; i++) {
        size_t at = 24 + random_below(&random, bytes.length - 24);
        char before = bytes.at[at];
        bytes.at[at] = (char)random_u64(&random);
        seal(bytes.at, bytes.length);
        struct model *model;
        struct drawn row;
        draw(&random, 1, 7, &row);
        if (model_decode(&model, buffer_text(&bytes), NULL) == STATUS_OK) {
            double chance = model_score(model, row.values);
            assert_true(chance > 0 && chance < 1);
        } else {
            refused++;
        }
        model_destroy(model);
        bytes.at[at] = before;
    }
    assert_true(refused > 0);
    buffer_release(&bytes);
}

static void reasons_add_up_to_the_score(void **state) {
    (void)state;
    need_xgboost();
    struct random random;
    random_init(&random, 8);
    for (uint32_t i = 0; i < 200; i++) {
        struct drawn row;
        struct model_reason reasons[FEATURES + LEARN_PAIRS_MAX];
        draw(&random, 1.5, i, &row);
        uint32_t count = model_reasons(crossed, row.values, reasons, FEATURES + LEARN_PAIRS_MAX);
        double log_odds = model_base(crossed);
        for (uint32_t k = 0; k < count; k++) log_odds += reasons[k].log_odds;
        assert_true(fabs(model_propensity(log_odds) - model_score(crossed, row.values)) < 1e-5);
    }
    struct model_reason strongest[FEATURES + LEARN_PAIRS_MAX];
    uint32_t count = model_importance(crossed, strongest, FEATURES + LEARN_PAIRS_MAX);
    assert_true(count >= 2);
}

/* The word of one person is told from no other: it has no code of its own, and no bytes. */
static void a_word_of_one_person_stays_out(void **state) {
    (void)state;
    need_xgboost();
    struct buffer bytes;
    struct drawn row;
    struct random random;
    float one[FEATURES], other[FEATURES];
    random_init(&random, 9);
    draw(&random, 1, 12, &row);
    row.values[4] = value_text(TEXT("word12"));
    model_trees_row(crossed, row.values, one);
    row.values[4] = value_text(TEXT("never seen"));
    model_trees_row(crossed, row.values, other);
    assert_memory_equal(one, other, sizeof one);
    row.values[4] = value_text(TEXT("hello"));
    model_trees_row(crossed, row.values, other);
    assert_true(other[4] == 0 && one[4] == 1);
    row.values[4] = value_unknown();
    model_trees_row(crossed, row.values, other);
    assert_true(isnan(other[4]));
    assert_int_equal(encode(crossed, &bytes), STATUS_OK);
    assert_null(memmem(bytes.at, bytes.length, "word", 4));
    buffer_release(&bytes);
}

static void too_few_rows_are_refused(void **state) {
    (void)state;
    need_xgboost();
    struct training_set *set = draw_set(90, 1, 1);
    struct model *model;
    struct error error = {0};
    assert_int_equal(
        learner_of(MODEL_TREES)->learn(&model, set, &(struct learn_options){.seed = 1}, &error),
        STATUS_INVALID);
    assert_null(model);
    assert_non_null(strstr(error.text, "the additive model learns from fewer"));
    training_set_destroy(set);
}

static void a_cancelled_training_gives_no_model(void **state) {
    (void)state;
    need_xgboost();
    struct training_set *set = draw_set(1000, 1, 1);
    struct work work = {0};
    struct model *model;
    struct error error = {0};
    work_cancel(&work);
    assert_int_equal(
        learner_of(MODEL_TREES)
            ->learn(&model, set, &(struct learn_options){.seed = 1, .work = &work}, &error),
        STATUS_CANCELLED);
    assert_null(model);
    training_set_destroy(set);
}

static void learners_are_found_by_name(void **state) {
    (void)state;
    enum model_kind kind = MODEL_ADDITIVE;
    struct error error = {0};
    assert_int_equal(learner_named(TEXT("trees"), &kind, &error), STATUS_OK);
    assert_int_equal(kind, MODEL_TREES);
    assert_int_equal(learner_named(TEXT("tree"), &kind, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "did you mean trees?"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_find_what_two_features_say_together),
        cmocka_unit_test(where_nothing_is_left_trees_cost_nothing),
        cmocka_unit_test(same_rows_same_bytes),
        cmocka_unit_test(it_comes_back_from_its_bytes),
        cmocka_unit_test(no_byte_is_trusted),
        cmocka_unit_test(reasons_add_up_to_the_score),
        cmocka_unit_test(a_word_of_one_person_stays_out),
        cmocka_unit_test(too_few_rows_are_refused),
        cmocka_unit_test(a_cancelled_training_gives_no_model),
        cmocka_unit_test(learners_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
