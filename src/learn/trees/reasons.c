/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "learn/trees/trees_internal.h"

/* One feature on the way from the root to a leaf. A feature that is asked several times on the way
 * is one step: it has the product of its shares, and the row follows it where it follows each. */
struct step {
    uint32_t feature;
    double share; /* of the training rows that go this way, where the feature is not known */
    bool follows; /* the row goes this way, where it is */
};
struct path {
    struct step steps[TREES_DEPTH_MAX];
    uint32_t count;
};

static bool goes_left(const struct trees *trees, size_t at, const float *values) {
    float value = values[trees->slots[at] / 2];
    if (isnan(value)) return (trees->slots[at] & 1) != 0;
    return value < trees->thresholds[at];
}

static void add_step(struct path *path, uint32_t feature, double share, bool follows) {
    for (uint32_t i = 0; i < path->count; i++) {
        if (path->steps[i].feature != feature) continue;
        path->steps[i].share *= share;
        path->steps[i].follows &= follows;
        return;
    }
    path->steps[path->count++] = (struct step){feature, share, follows};
}

/* The places of a tree's nodes and leaves are one numbering: node 2^D + i is leaf i. */
static double cover_of(const struct trees *trees, size_t base, uint32_t node) {
    uint32_t leaves = 1u << trees->depth;
    return node < leaves ? (double)trees->covers[base + node]
                         : (double)trees->leaf_covers[base + node - leaves];
}

/* Lists the steps to a leaf; false where no training row gets there: it counts nothing. */
static bool find_path(const struct trees *trees, size_t base, uint32_t leaf, const float *values,
                      struct path *path) {
    path->count = 0;
    for (uint32_t level = 0; level < trees->depth; level++) {
        uint32_t child = ((1u << trees->depth) + leaf) >> (trees->depth - level - 1);
        uint32_t node = child / 2;
        bool is_left = (child & 1) == 0;
        if (isinf(trees->thresholds[base + node])) { /* no real node */
            if (!is_left) return false;
            continue;
        }
        double whole = cover_of(trees, base, node), part = cover_of(trees, base, child);
        add_step(path, trees->slots[base + node] / 2, whole > 0 ? part / whole : .5,
                 goes_left(trees, base + node, values) == is_left);
    }
    return true;
}

/* Sets weights[k] to the sum, over all sets of k of the steps, of the chance that a row which knows
 * just these features comes to the leaf. `but` is left out. */
static void weigh_sets(const struct path *path, uint32_t but, double weights[TREES_DEPTH_MAX]) {
    uint32_t steps = 0;
    weights[0] = 1;
    for (uint32_t i = 0; i < path->count; i++) {
        const struct step *step = &path->steps[i];
        if (i == but) continue;
        weights[++steps] = 0;
        for (uint32_t k = steps; k > 0; k--) {
            double known = step->follows ? weights[k - 1] : 0;
            weights[k] = weights[k] * step->share + known;
        }
        weights[0] *= step->share;
    }
}

/* Shapley's weight of a set of k others out of n features is k! (n - k - 1)! / n!. */
static double shapley_weight(uint32_t k, uint32_t n) {
    static const double factorial[] = {1, 1, 2, 6, 24, 120, 720, 5040, 40320};
    return factorial[k] * factorial[n - k - 1] / factorial[n];
}

/* What the leaf adds to the mean. */
static double mean_of_leaf(const struct path *path, double value) {
    for (uint32_t i = 0; i < path->count; i++) value *= path->steps[i].share;
    return value;
}

/* Returns what the leaf adds to the mean. */
static double add_leaf(const struct path *path, double value, double *by_feature) {
    double weights[TREES_DEPTH_MAX];
    for (uint32_t i = 0; i < path->count; i++) {
        const struct step *step = &path->steps[i];
        double sum = 0;
        weigh_sets(path, i, weights);
        for (uint32_t k = 0; k < path->count; k++)
            sum += shapley_weight(k, path->count) * weights[k];
        by_feature[step->feature] += sum * ((step->follows ? 1 : 0) - step->share) * value;
    }
    return mean_of_leaf(path, value);
}

double trees_reasons(const struct trees *trees, const float *values, double *by_feature) {
    double mean = (double)trees->base_margin;
    struct path path;
    for (uint32_t t = 0; t < trees->count; t++) {
        size_t base = (size_t)t << trees->depth;
        for (uint32_t leaf = 0; leaf < 1u << trees->depth; leaf++) {
            if (!find_path(trees, base, leaf, values, &path)) continue;
            mean += add_leaf(&path, (double)trees->leaves[base + leaf], by_feature);
        }
    }
    return mean;
}

double trees_mean(const struct trees *trees) {
    static const float values[TREES_FEATURES_MAX]; /* any row has the same mean */
    double mean = (double)trees->base_margin;
    struct path path;
    for (uint32_t t = 0; t < trees->count; t++) {
        size_t base = (size_t)t << trees->depth;
        for (uint32_t leaf = 0; leaf < 1u << trees->depth; leaf++) {
            if (!find_path(trees, base, leaf, values, &path)) continue;
            mean += mean_of_leaf(&path, (double)trees->leaves[base + leaf]);
        }
    }
    return mean;
}
