/* SPDX-License-Identifier: Apache-2.0 */
/* Random boosted trees against the naive way: the margin of every row is the same to the bit, alone
 * and among many, and also after the trees were encoded; what the features contribute is what a sum
 * over all sets of features gives. */
#include "support/unit.h"

#include <string.h>

#include "learn/trees/trees.h"
#include "support/boosted.h"

#define ROWS         60
#define FEATURES_MAX 6
#define SHAP_TREES   4

static uint64_t seed = 1;
static uint32_t rounds = 300;

static struct trees *read_json(const struct boosted *boosted) {
    struct buffer json;
    struct trees *trees;
    struct error error = {0};
    buffer_init(&json);
    boosted_write(&json, boosted);
    if (trees_read_json(&trees, buffer_text(&json), &error) != STATUS_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, error.text);
    buffer_release(&json);
    return trees;
}

static struct trees *through_bytes(const struct trees *trees) {
    struct buffer bytes, again;
    struct trees *back;
    buffer_init(&bytes);
    buffer_init(&again);
    assert_int_equal(trees_encode(trees, &bytes), STATUS_OK);
    assert_int_equal(trees_decode(&back, buffer_text(&bytes)), STATUS_OK);
    assert_int_equal(trees_encode(back, &again), STATUS_OK);
    assert_true(text_equal(buffer_text(&bytes), buffer_text(&again)));
    buffer_release(&bytes);
    buffer_release(&again);
    return back;
}

static void same_bits(float found, float wanted, uint32_t round) {
    if (memcmp(&found, &wanted, sizeof found) != 0)
        fail_msg("seed %llu, round %u: %.9g, and the naive walk says %.9g",
                 (unsigned long long)seed, round, (double)found, (double)wanted);
}

static void margins_are_those_of_a_naive_walk(void **state) {
    (void)state;
    static struct boosted boosted;
    static float rows[ROWS * FEATURES_MAX], many[ROWS];
    struct random random;
    random_init(&random, seed);
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t features = (uint32_t)random_below(&random, FEATURES_MAX + 1);
        boosted_draw(&random, &boosted, features);
        struct trees *trees = read_json(&boosted), *back = through_bytes(trees);
        assert_int_equal(trees_count(trees), boosted.count);
        assert_int_equal(trees_feature_count(trees), features);
        for (uint32_t i = 0; i < ROWS; i++)
            boosted_draw_row(&random, features, rows + i * FEATURES_MAX);
        trees_margins(trees, rows, FEATURES_MAX, ROWS, many);
        for (uint32_t i = 0; i < ROWS; i++) {
            const float *row = rows + i * FEATURES_MAX;
            float wanted = boosted_margin(&boosted, row);
            same_bits(trees_margin(trees, row), wanted, round);
            same_bits(trees_margin(back, row), wanted, round);
            same_bits(many[i], wanted, round);
        }
        trees_destroy(trees);
        trees_destroy(back);
    }
}

/* What the tree is expected to say where only the features of `known` are known. */
static double expected(const struct boosted_tree *tree, int at, const float *row, uint32_t known) {
    const struct boosted_node *node = &tree->nodes[at];
    if (node->left < 0) return (double)node->value;
    if (known >> node->feature & 1)
        return expected(tree, boosted_goes_left(node, row) ? node->left : node->right, row, known);
    double left =
        node->cover > 0 ? (double)tree->nodes[node->left].cover / (double)node->cover : .5;
    double right =
        node->cover > 0 ? (double)tree->nodes[node->right].cover / (double)node->cover : .5;
    return left * expected(tree, node->left, row, known) +
           right * expected(tree, node->right, row, known);
}

/* Shapley's value by its definition: over all sets without the feature. */
static double shapley(const struct boosted_tree *tree, const float *row, uint32_t features,
                      uint32_t feature) {
    double sum = 0;
    for (uint32_t set = 0; set < 1u << features; set++) {
        if (set >> feature & 1) continue;
        uint32_t size = (uint32_t)__builtin_popcount(set);
        double weight = tgamma(size + 1.0) * tgamma(features - size) / tgamma(features + 1.0);
        sum += weight * (expected(tree, 0, row, set | 1u << feature) - expected(tree, 0, row, set));
    }
    return sum;
}

static void contributions_are_shapley_values(void **state) {
    (void)state;
    static struct boosted boosted;
    struct random random;
    random_init(&random, seed + 1);
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t features = 1 + (uint32_t)random_below(&random, FEATURES_MAX);
        boosted_draw(&random, &boosted, features);
        if (boosted.count > SHAP_TREES) boosted.count = SHAP_TREES;
        struct trees *trees = read_json(&boosted);
        float row[FEATURES_MAX];
        double found[FEATURES_MAX] = {0}, total = 0;
        boosted_draw_row(&random, features, row);
        double mean = trees_reasons(trees, row, found);
        for (uint32_t f = 0; f < features; f++) {
            double wanted = 0;
            for (uint32_t t = 0; t < boosted.count; t++)
                wanted += shapley(&boosted.trees[t], row, features, f);
            if (fabs(found[f] - wanted) > 1e-6)
                fail_msg("seed %llu, round %u, feature %u: %.9g, by definition %.9g",
                         (unsigned long long)seed, round, f, found[f], wanted);
            total += found[f];
        }
        assert_true(fabs(mean + total - (double)boosted_margin(&boosted, row)) < 1e-5);
        trees_destroy(trees);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) seed = strtoull(argv[1], NULL, 10);
    if (argc > 2) rounds = (uint32_t)strtoul(argv[2], NULL, 10);
    printf("seed %llu, %u rounds\n", (unsigned long long)seed, rounds);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(margins_are_those_of_a_naive_walk),
        cmocka_unit_test(contributions_are_shapley_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
