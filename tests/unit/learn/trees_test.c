/* SPDX-License-Identifier: Apache-2.0 */
/* Boosted trees: what XGBoost saves is read or refused with a reason, bytes come back or are
 * refused, and XGBoost itself says the same, where it is installed. */
#include "support/unit.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "learn/trees/trees.h"
#include "learn/trees/xgboost_library.h"

/* Feature 1 below 2.5, else or missing: then feature 0. Node 5 is one that was pruned. */
static const char example[] =
    "{\"learner\":{\"attributes\":{},\"gradient_booster\":{\"model\":{\"tree_info\":[0],"
    "\"trees\":[{\"left_children\":[1,-1,3,-1,-1,-1],\"right_children\":[2,-1,4,-1,-1,-1],"
    "\"split_indices\":[1,0,0,0,0,9],\"split_conditions\":[2.5E0,-1E-1,1E0,2E-1,4E-1,0E0],"
    "\"default_left\":[0,0,1,0,0,0],\"sum_hessian\":[8E0,4E0,4E0,1E0,3E0,0E0],"
    "\"split_type\":[0,0,0,0,0,0],\"tree_param\":{\"size_leaf_vector\":\"0\"}}]},"
    "\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"5E-1\",\"num_class\":\"0\","
    "\"num_feature\":\"2\",\"num_target\":\"1\"},\"objective\":{\"name\":\"binary:logistic\"}},"
    "\"version\":[1,7,4]}";

static struct trees *read_example(void) {
    struct trees *trees;
    struct error error = {0};
    if (trees_read_json(&trees, TEXT(example), &error) != STATUS_OK) fail_msg("%s", error.text);
    return trees;
}

static void an_example_by_hand(void **state) {
    (void)state;
    static const struct {
        float row[2], margin;
    } cases[] = {
        {{0, 2}, -.1f},  {{0, 2.5f}, .2f},       {{1, 2.5f}, .4f},
        {{0, NAN}, .2f}, {{1, 3}, .4f},          {{NAN, INFINITY}, .2f},
        {{9, NAN}, .4f}, {{9, -INFINITY}, -.1f}, {{NAN, 0}, -.1f},
    };
    struct trees *trees = read_example();
    assert_int_equal(trees_count(trees), 1);
    assert_int_equal(trees_depth(trees), 2);
    assert_int_equal(trees_feature_count(trees), 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float margin = trees_margin(trees, cases[i].row);
        assert_true(margin == cases[i].margin);
        assert_true(fabs((double)trees_chance(margin) - 1 / (1 + exp(-(double)margin))) < 1e-7);
    }
    double reasons[2] = {0};
    double mean = trees_reasons(trees, (float[]){1, 3}, reasons);
    assert_true(fabs(mean - (4 * -.1 + 1 * .2 + 3 * .4) / 8) < 1e-7);
    assert_true(fabs(mean + reasons[0] + reasons[1] - .4) < 1e-7);
    trees_destroy(trees);
    assert_true(trees_chance(-1000) > 0 && trees_chance(1000) <= 1);
}

/* ---- what is no model of XGBoost ---- */

static struct buffer replaced(const char *from, const char *to) {
    struct buffer out;
    const char *at = strstr(example, from);
    buffer_init(&out);
    if (at == NULL) fail_msg("the example has no %s", from);
    assert_int_equal(buffer_append(&out, example, (size_t)(at - example)), STATUS_OK);
    assert_int_equal(buffer_append(&out, to, strlen(to)), STATUS_OK);
    assert_int_equal(buffer_append(&out, at + strlen(from), strlen(at + strlen(from))), STATUS_OK);
    return out;
}

static void refused(const char *from, const char *to, enum status wanted, const char *says) {
    struct buffer json = replaced(from, to);
    struct trees *trees;
    struct error error = {0};
    enum status status = trees_read_json(&trees, buffer_text(&json), &error);
    if (status != wanted || trees != NULL || strstr(error.text, says) == NULL)
        fail_msg("%s: status %s: %s", to, status_name(status), error.text);
    buffer_release(&json);
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"learner\"", "\"teacher\"", "no learner"},
        {"binary:logistic", "multi:softmax", "objective"},
        {"\"gbtree\"", "\"dart\"", "booster"},
        {"\"num_class\":\"0\"", "\"num_class\":\"3\"", "several outcomes"},
        {"\"num_target\":\"1\"", "\"num_target\":\"2\"", "several outcomes"},
        {"\"5E-1\"", "\"1\"", "base_score"},
        {"\"5E-1\"", "\"nan\"", "base_score"},
        {"\"5E-1\"", "0.5", "base_score"},
        {"[1,-1,3,-1,-1,-1]", "[]", "no node"},
        {"[1,-1,3,-1,-1,-1]", "7", "no left_children"},
        {"[1,-1,3,-1,-1,-1]", "[1,-1,0,-1,-1,-1]", "two ways"},
        {"[1,-1,3,-1,-1,-1]", "[1,-1,4,-1,-1,-1]", "two ways"},
        {"[1,-1,3,-1,-1,-1]", "[1,-1,-1,-1,-1,-1]", "one child"},
        {"[1,-1,3,-1,-1,-1]", "[1,-1,6,-1,-1,-1]", "children"},
        {"[1,-1,3,-1,-1,-1]", "[1,-1,-2,-1,-1,-1]", "children"},
        {"[1,-1,3,-1,-1,-1]", "[1,-1,3.5,-1,-1,-1]", "children"},
        {"[2,-1,4,-1,-1,-1]", "[2,-1,4,-1,-1]", "children"},
        {"[2,-1,4,-1,-1,-1]", "[2,-1,4,-1,-1,-1,-1]", "children"},
        {"[1,0,0,0,0,9]", "[2,0,0,0,0,9]", "split_indices"},
        {"[1,0,0,0,0,9]", "[-1,0,0,0,0,9]", "split_indices"},
        {"1E0,2E-1", "1E99,2E-1", "split_conditions"},
        {"1E0,2E-1", "null,2E-1", "split_conditions"},
        {"1E0,2E-1", "\"1\",2E-1", "split_conditions"},
        {"[0,0,1,0,0,0]", "[0,0,2,0,0,0]", "default_left"},
        {"[0,0,1,0,0,0]", "[0,0,\"yes\",0,0,0]", "default_left"},
        {"[8E0", "[-8E0", "sum_hessian"},
        {"\"sum_hessian\"", "\"sum_hessians\"", "sum_hessian"},
        {"\"split_type\":[0", "\"split_type\":[1", "categories"},
        {"\"size_leaf_vector\":\"0\"", "\"size_leaf_vector\":\"4\"", "vectors"},
        {"\"version\":[1,7,4]}", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(cases[i].from, cases[i].to, STATUS_INVALID, cases[i].says);
    refused("\"num_feature\":\"2\"", "\"num_feature\":\"9999\"", STATUS_LIMIT, "features");
}

/* A chain that is one node deeper than allowed, and one that is just as deep. */
static enum status read_chain(uint32_t depth, uint32_t *found) {
    struct buffer left, right, same, all;
    struct trees *trees;
    struct error error = {0};
    buffer_init(&left);
    buffer_init(&right);
    buffer_init(&same);
    buffer_init(&all);
    for (uint32_t d = 0; d < depth; d++) {
        assert_int_equal(buffer_format(&left, "%u,-1,", 2 * d + 2), STATUS_OK);
        assert_int_equal(buffer_format(&right, "%u,-1,", 2 * d + 1), STATUS_OK);
        assert_int_equal(buffer_format(&same, "0,0,"), STATUS_OK);
    }
    assert_int_equal(
        buffer_format(&all,
                      "{\"learner\":{\"gradient_booster\":{\"model\":{\"trees\":[{"
                      "\"left_children\":[%.*s-1],\"right_children\":[%.*s-1],"
                      "\"split_indices\":[%.*s0],\"split_conditions\":[%.*s0],"
                      "\"default_left\":[%.*s0],\"sum_hessian\":[%.*s0]}]},"
                      "\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"5E-1\","
                      "\"num_class\":\"0\",\"num_feature\":\"1\"},\"objective\":{\"name\":"
                      "\"binary:logistic\"}}}",
                      TEXT_ARG(buffer_text(&left)), TEXT_ARG(buffer_text(&right)),
                      TEXT_ARG(buffer_text(&same)), TEXT_ARG(buffer_text(&same)),
                      TEXT_ARG(buffer_text(&same)), TEXT_ARG(buffer_text(&same))),
        STATUS_OK);
    enum status status = trees_read_json(&trees, buffer_text(&all), &error);
    if (status == STATUS_OK) *found = trees_depth(trees);
    trees_destroy(trees);
    buffer_release(&left);
    buffer_release(&right);
    buffer_release(&same);
    buffer_release(&all);
    return status;
}

static void depth_has_a_limit(void **state) {
    (void)state;
    uint32_t depth = 0;
    assert_int_equal(read_chain(TREES_DEPTH_MAX, &depth), STATUS_OK);
    assert_int_equal(depth, TREES_DEPTH_MAX);
    assert_int_equal(read_chain(TREES_DEPTH_MAX + 1, &depth), STATUS_LIMIT);
    assert_int_equal(read_chain(2000, &depth), STATUS_LIMIT);
    assert_int_equal(read_chain(2100, &depth), STATUS_LIMIT); /* more nodes than a tree may have */
    assert_int_equal(read_chain(0, &depth), STATUS_OK);       /* a leaf alone */
    assert_int_equal(depth, 1);
}

/* ---- bytes ---- */

static struct buffer encoded_example(void) {
    struct trees *trees = read_example();
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(trees_encode(trees, &bytes), STATUS_OK);
    trees_destroy(trees);
    return bytes;
}

/* Wrong bytes are refused, or are other trees that are just as whole. */
static void no_byte_is_trusted(void **state) {
    (void)state;
    struct buffer bytes = encoded_example();
    struct trees *trees;
    size_t refused_count = 0;
    static float values[TREES_FEATURES_MAX + 1]; /* other trees may ask for more features */
    values[0] = 1;
    values[1] = NAN;
    for (size_t i = 0; i < 8 * bytes.length; i++) {
        bytes.at[i / 8] ^= (char)(1 << (i % 8));
        if (trees_decode(&trees, buffer_text(&bytes)) == STATUS_OK) {
            assert_in_range(trees_feature_count(trees), 1, TREES_FEATURES_MAX);
            assert_true(isfinite(trees_margin(trees, values)));
            trees_destroy(trees);
        } else {
            assert_null(trees);
            refused_count++;
        }
        bytes.at[i / 8] ^= (char)(1 << (i % 8));
    }
    assert_true(refused_count > 100);
    for (uint32_t length = 0; length < bytes.length; length++)
        assert_int_equal(trees_decode(&trees, (struct text){bytes.at, length}), STATUS_CORRUPT);
    assert_int_equal(buffer_append(&bytes, "", 1), STATUS_OK);
    assert_int_equal(trees_decode(&trees, buffer_text(&bytes)), STATUS_CORRUPT);
    buffer_release(&bytes);
}

static enum status read_and_encode(void) {
    struct trees *trees, *back = NULL;
    struct error error;
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = trees_read_json(&trees, TEXT(example), &error);
    if (status == STATUS_OK) status = trees_encode(trees, &bytes);
    if (status == STATUS_OK) status = trees_decode(&back, buffer_text(&bytes));
    trees_destroy(trees);
    trees_destroy(back);
    buffer_release(&bytes);
    return status;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    fail_every_allocation(read_and_encode, 12);
}

/* ---- XGBoost itself ---- */

#ifdef ATTUNE_HAS_XGBOOST
#define ROWS     3000
#define FEATURES 7

static float rows[ROWS * FEATURES], labels[ROWS];

static void peer(int code) {
    if (code != 0) fail_msg("XGBoost: %s", xgboost_library.XGBGetLastError());
}

static void draw_rows(void) {
    struct random random;
    random_init(&random, 11);
    for (uint32_t i = 0; i < ROWS; i++) {
        float *row = rows + i * FEATURES;
        for (uint32_t f = 0; f < FEATURES; f++)
            row[f] = random_below(&random, 8) == 0 ? NAN
                     : f % 2                       ? (float)random_below(&random, 6)
                                                   : (float)random_normal(&random);
        double z = (row[0] > 0 ? 1 : -1) * (row[1] > 2 ? 1 : -1) + (isnan(row[2]) ? 2 : 0) - .5;
        labels[i] = random_unit(&random) < 1 / (1 + exp(-z));
    }
}

static BoosterHandle boost(DMatrixHandle matrix, const char *depth, const char *method) {
    const char *const settings[][2] = {
        {"objective", "binary:logistic"}, {"max_depth", depth}, {"tree_method", method},
        {"base_score", "0.31"},           {"eta", "0.2"},       {"nthread", "1"}};
    BoosterHandle booster;
    peer(xgboost_library.XGBoosterCreate(&matrix, 1, &booster));
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        peer(xgboost_library.XGBoosterSetParam(booster, settings[i][0], settings[i][1]));
    for (int round = 0; round < 37; round++)
        peer(xgboost_library.XGBoosterUpdateOneIter(booster, round, matrix));
    return booster;
}

/* type: 0 chances, 1 margins, 2 contributions */
static const float *ask(BoosterHandle booster, DMatrixHandle matrix, int type) {
    char settings[160];
    bst_ulong const *shape;
    bst_ulong dimensions;
    const float *out;
    snprintf(settings, sizeof settings,
             "{\"type\": %d, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
             "\"strict_shape\": false}",
             type);
    peer(xgboost_library.XGBoosterPredictFromDMatrix(booster, matrix, settings, &shape, &dimensions,
                                                     &out));
    return out;
}

static void compare(BoosterHandle booster, DMatrixHandle matrix, const struct trees *trees) {
    const float *wanted = ask(booster, matrix, 1);
    for (uint32_t i = 0; i < ROWS; i++) {
        float margin = trees_margin(trees, rows + i * FEATURES);
        assert_memory_equal(&margin, &wanted[i], sizeof margin);
    }
    wanted = ask(booster, matrix, 0);
    for (uint32_t i = 0; i < ROWS; i++) {
        float chance = trees_chance(trees_margin(trees, rows + i * FEATURES));
        assert_memory_equal(&chance, &wanted[i], sizeof chance);
    }
    wanted = ask(booster, matrix, 2);
    for (uint32_t i = 0; i < 200; i++) {
        double reasons[FEATURES] = {0};
        double mean = trees_reasons(trees, rows + i * FEATURES, reasons);
        const float *theirs = wanted + i * (FEATURES + 1);
        for (uint32_t f = 0; f < FEATURES; f++)
            assert_true(fabs(reasons[f] - (double)theirs[f]) < 1e-4);
        assert_true(fabs(mean - (double)theirs[FEATURES]) < 1e-4);
    }
}

static void xgboost_says_the_same(void **state) {
    (void)state;
    static const char *const depths[] = {"1", "3", "6", "8"};
    static const char *const methods[] = {"hist", "exact"};
    struct error error;
    if (xgboost_library_load(&error) != STATUS_OK) {
        printf("skipped: %s\n", error.text);
        skip();
    }
    draw_rows();
    DMatrixHandle matrix;
    peer(xgboost_library.XGDMatrixCreateFromMat(rows, ROWS, FEATURES, NAN, &matrix));
    peer(xgboost_library.XGDMatrixSetFloatInfo(matrix, "label", labels, ROWS));
    for (int i = 0; i < 8; i++) {
        BoosterHandle booster = boost(matrix, depths[i / 2], methods[i % 2]);
        struct trees *trees;
        bst_ulong length;
        const char *json;
        peer(xgboost_library.XGBoosterSaveModelToBuffer(booster, "{\"format\": \"json\"}", &length,
                                                        &json));
        if (trees_read_json(&trees, (struct text){json, (uint32_t)length}, &error) != STATUS_OK)
            fail_msg("%s", error.text);
        assert_int_equal(trees_count(trees), 37);
        compare(booster, matrix, trees);
        trees_destroy(trees);
        peer(xgboost_library.XGBoosterFree(booster));
    }
    peer(xgboost_library.XGDMatrixFree(matrix));
}
#else
static void xgboost_says_the_same(void **state) {
    (void)state;
    struct error error;
    assert_int_equal(xgboost_library_load(&error), STATUS_NOT_FOUND);
    printf("skipped: %s\n", error.text);
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_example_by_hand),    cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(depth_has_a_limit),     cmocka_unit_test(no_byte_is_trusted),
        cmocka_unit_test(no_memory_is_a_status), cmocka_unit_test(xgboost_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
