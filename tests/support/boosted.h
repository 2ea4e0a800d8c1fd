/* SPDX-License-Identifier: Apache-2.0 */
/* support/boosted.h -- random boosted trees as XGBoost would save them, and the naive way to walk
 * them: node by node, as the documentation of the format says. */
#ifndef SUPPORT_BOOSTED_H
#define SUPPORT_BOOSTED_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/text.h"

#define BOOSTED_TREES_MAX 40
#define BOOSTED_NODES_MAX 511

struct boosted_node {
    int left, right; /* -1: a leaf */
    uint32_t feature;
    float value, cover;
    bool default_left;
};
struct boosted_tree {
    struct boosted_node nodes[BOOSTED_NODES_MAX];
    uint32_t count;
};
struct boosted {
    struct boosted_tree trees[BOOSTED_TREES_MAX];
    uint32_t count, depth, feature_count;
    const char *base_score;
};

static inline int boosted_draw_node(struct random *random, struct boosted_tree *tree,
                                    uint32_t features, uint32_t depth, float cover) {
    int at = (int)tree->count++;
    struct boosted_node *node = &tree->nodes[at];
    *node = (struct boosted_node){.left = -1, .right = -1, .cover = cover};
    if (depth == 0 || features == 0 || random_below(random, 6) == 0) {
        node->value = (float)(random_normal(random) * .3);
        return at;
    }
    float share = (float)random_unit(random);
    node->feature = (uint32_t)random_below(random, features);
    /* Half of the thresholds are values that rows have, so that "below" and "not above" differ. */
    node->value = random_below(random, 2) ? (float)random_below(random, 5)
                                          : (float)(random_normal(random) * 2);
    node->default_left = random_below(random, 2) != 0;
    int left = boosted_draw_node(random, tree, features, depth - 1, cover * share);
    int right = boosted_draw_node(random, tree, features, depth - 1, cover - cover * share);
    tree->nodes[at].left = left;
    tree->nodes[at].right = right;
    return at;
}

static inline void boosted_draw(struct random *random, struct boosted *out, uint32_t features) {
    static const char *const scores[] = {"5E-1", "2.9E-1", "9.99E-1", "1.25E-2"};
    out->count = (uint32_t)random_below(random, BOOSTED_TREES_MAX + 1);
    out->depth = (uint32_t)random_below(random, 9);
    out->feature_count = features;
    out->base_score = scores[random_below(random, 4)];
    for (uint32_t t = 0; t < out->count; t++) {
        out->trees[t].count = 0;
        boosted_draw_node(random, &out->trees[t], features, out->depth, 100);
    }
}

/* A row: small whole numbers, others, and missing ones. */
static inline void boosted_draw_row(struct random *random, uint32_t features, float *row) {
    for (uint32_t f = 0; f < features; f++) {
        uint64_t kind = random_below(random, 5);
        row[f] = kind == 0  ? NAN
                 : kind < 3 ? (float)random_below(random, 5)
                            : (float)random_normal(random);
    }
}

static inline bool boosted_goes_left(const struct boosted_node *node, const float *row) {
    return isnan(row[node->feature]) ? node->default_left : row[node->feature] < node->value;
}

static inline float boosted_margin(const struct boosted *boosted, const float *row) {
    float margin = -logf(1.0f / strtof(boosted->base_score, NULL) - 1.0f);
    for (uint32_t t = 0; t < boosted->count; t++) {
        const struct boosted_node *node = boosted->trees[t].nodes;
        while (node->left >= 0)
            node =
                &boosted->trees[t].nodes[boosted_goes_left(node, row) ? node->left : node->right];
        margin += node->value;
    }
    return margin;
}

/* ---- the JSON ---- */

static inline void boosted_must(enum status status) {
    if (status == STATUS_OK) return;
    printf("no memory\n");
    exit(1);
}

static inline void boosted_write_list(struct buffer *out, const struct boosted_tree *tree,
                                      const char *key, int which) {
    boosted_must(buffer_format(out, ",\"%s\":[", key));
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct boosted_node *node = &tree->nodes[i];
        const char *comma = i > 0 ? "," : "";
        enum status status;
        switch (which) {
        case 0: status = buffer_format(out, "%s%d", comma, node->left); break;
        case 1: status = buffer_format(out, "%s%d", comma, node->right); break;
        case 2: status = buffer_format(out, "%s%u", comma, node->feature); break;
        case 3: status = buffer_format(out, "%s%.9g", comma, (double)node->value); break;
        case 4: status = buffer_format(out, "%s%d", comma, node->default_left); break;
        default: status = buffer_format(out, "%s%.9g", comma, (double)node->cover); break;
        }
        boosted_must(status);
    }
    boosted_must(buffer_append(out, "]", 1));
}

static inline void boosted_write(struct buffer *out, const struct boosted *boosted) {
    static const char *const keys[] = {"left_children",    "right_children", "split_indices",
                                       "split_conditions", "default_left",   "sum_hessian"};
    boosted_must(
        buffer_format(out,
                      "{\"learner\":{\"gradient_booster\":{\"model\":{\"gbtree_model_param\":{"
                      "\"num_trees\":\"%u\"},\"trees\":[",
                      boosted->count));
    for (uint32_t t = 0; t < boosted->count; t++) {
        boosted_must(buffer_format(out, "%s{\"id\":%u", t > 0 ? "," : "", t));
        for (int k = 0; k < 6; k++) boosted_write_list(out, &boosted->trees[t], keys[k], k);
        boosted_must(buffer_format(out, ",\"tree_param\":{\"size_leaf_vector\":\"0\"}}"));
    }
    boosted_must(
        buffer_format(out,
                      "]},\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"%s\","
                      "\"num_class\":\"0\",\"num_feature\":\"%u\",\"num_target\":\"1\"},"
                      "\"objective\":{\"name\":\"binary:logistic\"}},\"version\":[1,7,4]}",
                      boosted->base_score, boosted->feature_count));
}

#endif
