/* SPDX-License-Identifier: Apache-2.0 */
/* XGBoost's JSON (its doc/model.schema): what is read of it.
 *
 *   learner.learner_model_param    base_score, num_feature, num_class, num_target: numbers as texts
 *   learner.objective.name         binary:logistic
 *   learner.gradient_booster       name: gbtree; model.tree_info, model.trees
 *   a tree                         arrays by node: left_children (-1: a leaf), right_children,
 *                                  split_indices, split_conditions (of a leaf: its value),
 *                                  default_left, sum_hessian, split_type (0: numeric) */
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/memory.h"
#include "learn/trees/trees_internal.h"

struct node {
    int32_t left, right; /* -1: a leaf */
    uint32_t feature;
    float value; /* threshold, or what the leaf adds */
    float cover;
    bool default_left;
};
struct nodes {
    struct node *items; /* of all trees, one after the other */
    size_t count, capacity;
    size_t *first; /* by tree, and one more */
    size_t first_capacity;
    uint32_t tree_count, depth, feature_count;
    float base_margin;
    struct error *error;
};

static enum status wrong(struct nodes *nodes, const char *what) {
    return error_set(nodes->error, STATUS_INVALID, "tree %u of the XGBoost model: %s",
                     nodes->tree_count, what);
}

/* ---- single values ---- */

static bool member(struct json_node object, const char *key, enum json_type type,
                   struct json_node *out) {
    return json_get(object, text_from(key), out) && json_type(*out) == type;
}

/* The numbers of the parameters are written as texts. */
static bool parameter(struct json_node object, const char *key, int64_t max, int64_t *out) {
    struct json_node node;
    return member(object, key, JSON_TEXT, &node) &&
           text_to_int64(json_text(node), out) == STATUS_OK && *out >= 0 && *out <= max;
}

static bool integer_of(struct json_node node, int64_t low, int64_t high, int64_t *out) {
    return json_integer(node, out) && *out >= low && *out <= high;
}

static bool yes_of(struct json_node node, bool *out) {
    int64_t number = 0;
    if (json_type(node) == JSON_YES_NO) {
        *out = json_yes(node);
        return true;
    }
    *out = integer_of(node, 0, 1, &number) && number == 1;
    return json_type(node) == JSON_NUMBER && (number == 0 || number == 1);
}

/* ---- one tree ---- */

/* An array with one value a node. */
static bool next_value(struct json_iterator *iterator) {
    return json_next(iterator);
}

static bool is_array_of(struct json_node tree, const char *key, size_t count,
                        struct json_iterator *out) {
    struct json_node node;
    if (!member(tree, key, JSON_ARRAY, &node)) return false;
    size_t found = 0;
    struct json_iterator walk = *out = json_begin(node);
    while (found <= count && next_value(&walk)) found++;
    return found == count;
}

static bool read_children(struct json_node tree, const char *key, size_t count, struct node *nodes,
                          bool is_left) {
    struct json_iterator it;
    int64_t child;
    if (!is_array_of(tree, key, count, &it)) return false;
    for (size_t i = 0; json_next(&it); i++) {
        if (!integer_of(it.node, -1, (int64_t)count - 1, &child)) return false;
        *(is_left ? &nodes[i].left : &nodes[i].right) = (int32_t)child;
    }
    return true;
}

static bool read_features(struct json_node tree, size_t count, struct node *nodes,
                          uint32_t feature_count) {
    struct json_iterator it;
    int64_t feature;
    if (!is_array_of(tree, "split_indices", count, &it)) return false;
    for (size_t i = 0; json_next(&it); i++) {
        if (!integer_of(it.node, 0, INT32_MAX, &feature)) return false;
        if (nodes[i].left >= 0 && feature >= feature_count) return false;
        nodes[i].feature = (uint32_t)feature;
    }
    return true;
}

/* Reads the digits themselves, in the order of the document: json_number_text goes on from where it
 * was. */
static bool read_values(struct json_node tree, size_t count, struct node *nodes) {
    struct json_iterator it;
    if (!is_array_of(tree, "split_conditions", count, &it)) return false;
    for (size_t i = 0; json_next(&it); i++) {
        if (text_to_float(json_number_text(it.node), &nodes[i].value) != STATUS_OK) return false;
    }
    return true;
}

static bool read_covers(struct json_node tree, size_t count, struct node *nodes) {
    struct json_iterator it;
    if (!is_array_of(tree, "sum_hessian", count, &it)) return false;
    for (size_t i = 0; json_next(&it); i++) {
        if (json_type(it.node) != JSON_NUMBER) return false;
        nodes[i].cover = (float)json_number(it.node);
        if (!(nodes[i].cover >= 0 && isfinite(nodes[i].cover))) return false;
    }
    return true;
}

static bool read_defaults(struct json_node tree, size_t count, struct node *nodes) {
    struct json_iterator it;
    if (!is_array_of(tree, "default_left", count, &it)) return false;
    for (size_t i = 0; json_next(&it); i++) {
        if (!yes_of(it.node, &nodes[i].default_left)) return false;
    }
    return true;
}

/* Older versions leave the types out; then all splits are numeric. */
static bool splits_are_numeric(struct json_node tree, size_t count) {
    struct json_iterator it;
    struct json_node node;
    int64_t type;
    if (!json_get(tree, TEXT("split_type"), &node)) return true;
    if (!is_array_of(tree, "split_type", count, &it)) return false;
    while (json_next(&it)) {
        if (!integer_of(it.node, 0, 0, &type)) return false;
    }
    return true;
}

/* Visits every node that the root leads to. One that is reached twice makes no tree, and would
 * make the walk endless. */
static enum status measure_depth(struct nodes *nodes, const struct node *tree, size_t count) {
    uint32_t stack[2 * TREES_DEPTH_MAX + 2], depths[2 * TREES_DEPTH_MAX + 2], top = 0;
    bool seen[TREES_NODES_MAX] = {false};
    stack[top] = depths[top] = 0;
    for (top = 1; top > 0;) {
        uint32_t at = stack[--top], depth = depths[top];
        if (seen[at]) return wrong(nodes, "two ways lead to the same node");
        seen[at] = true;
        if (depth > nodes->depth) nodes->depth = depth;
        if (tree[at].left < 0 && tree[at].right < 0) continue;
        if (tree[at].left < 0 || tree[at].right < 0)
            return wrong(nodes, "a node has one child and must have two or none");
        if (depth == TREES_DEPTH_MAX)
            return error_set(nodes->error, STATUS_LIMIT,
                             "tree %u of the XGBoost model is deeper than %u; train with max_depth "
                             "%u or less",
                             nodes->tree_count, TREES_DEPTH_MAX, TREES_DEPTH_MAX);
        stack[top] = (uint32_t)tree[at].right;
        depths[top++] = depth + 1;
        stack[top] = (uint32_t)tree[at].left;
        depths[top++] = depth + 1;
    }
    (void)count;
    return STATUS_OK;
}

static enum status read_tree(struct nodes *nodes, struct json_node tree) {
    struct json_node parameters, left;
    int64_t leaf_vector = 0;
    size_t count = 0;
    if (!member(tree, "left_children", JSON_ARRAY, &left))
        return wrong(nodes, "it has no left_children");
    struct json_iterator it = json_begin(left);
    while (count <= TREES_NODES_MAX && json_next(&it)) count++;
    if (count == 0) return wrong(nodes, "it has no node");
    if (count > TREES_NODES_MAX)
        return error_set(nodes->error, STATUS_LIMIT,
                         "tree %u of the XGBoost model has more than %u nodes", nodes->tree_count,
                         TREES_NODES_MAX);
    if (json_get(tree, TEXT("tree_param"), &parameters) &&
        json_get(parameters, TEXT("size_leaf_vector"), &left) &&
        !parameter(parameters, "size_leaf_vector", 1, &leaf_vector))
        return wrong(nodes, "its leaves are vectors, which only one goal does not need");
    enum status status = memory_grow((void **)&nodes->items, &nodes->capacity, nodes->count + count,
                                     sizeof *nodes->items);
    if (status != STATUS_OK) return status;
    struct node *own = nodes->items + nodes->count;
    memset(own, 0, count * sizeof *own);
    if (!read_children(tree, "left_children", count, own, true) ||
        !read_children(tree, "right_children", count, own, false))
        return wrong(nodes, "its children are not a list of its nodes");
    if (!splits_are_numeric(tree, count))
        return wrong(nodes, "it splits by categories; train on numbers alone");
    if (!read_defaults(tree, count, own))
        return wrong(nodes, "default_left is not a list of yes or no, one a node");
    if (!read_values(tree, count, own))
        return wrong(nodes, "split_conditions is not a list of finite numbers, one a node");
    if (!read_features(tree, count, own, nodes->feature_count))
        return wrong(nodes, "split_indices is not a list of its features, one a node");
    if (!read_covers(tree, count, own))
        return wrong(nodes, "sum_hessian is not a list of numbers from 0, one a node");
    nodes->count += count;
    return measure_depth(nodes, own, count);
}

/* ---- the whole ---- */

static enum status read_trees(struct nodes *nodes, struct json_node list) {
    struct json_iterator it = json_begin(list);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && json_next(&it)) {
        if (nodes->tree_count == TREES_MAX)
            return error_set(nodes->error, STATUS_LIMIT,
                             "the XGBoost model has more than %u trees; train with fewer rounds",
                             TREES_MAX);
        status = memory_grow((void **)&nodes->first, &nodes->first_capacity, nodes->tree_count + 2u,
                             sizeof *nodes->first);
        if (status != STATUS_OK) return status;
        nodes->first[nodes->tree_count] = nodes->count;
        status = read_tree(nodes, it.node);
        nodes->tree_count++;
        nodes->first[nodes->tree_count] = nodes->count;
    }
    return status;
}

static bool is_named(struct json_node object, const char *name) {
    struct json_node node;
    return member(object, "name", JSON_TEXT, &node) && text_equal(json_text(node), text_from(name));
}

/* The margin of a base score is its log-odds, in float as XGBoost takes it. */
static bool read_base(struct json_node parameters, float *margin) {
    struct json_node node;
    float score;
    if (!member(parameters, "base_score", JSON_TEXT, &node) ||
        text_to_float(json_text(node), &score) != STATUS_OK || !(score > 0 && score < 1))
        return false;
    *margin = -logf(1.0f / score - 1.0f);
    return isfinite(*margin);
}

static enum status read_learner(struct nodes *nodes, struct json_node root) {
    struct json_node learner, parameters, objective, booster, model, trees;
    int64_t classes = 0, targets = 1, features;
    if (!member(root, "learner", JSON_OBJECT, &learner) ||
        !member(learner, "learner_model_param", JSON_OBJECT, &parameters) ||
        !member(learner, "objective", JSON_OBJECT, &objective) ||
        !member(learner, "gradient_booster", JSON_OBJECT, &booster))
        return error_set(nodes->error, STATUS_INVALID,
                         "this is no model that XGBoost saved as JSON: it has no learner with "
                         "parameters, objective and booster");
    if (!is_named(objective, "binary:logistic"))
        return error_set(nodes->error, STATUS_INVALID,
                         "the XGBoost model's objective is another than binary:logistic");
    if (!is_named(booster, "gbtree") || !member(booster, "model", JSON_OBJECT, &model) ||
        !member(model, "trees", JSON_ARRAY, &trees))
        return error_set(nodes->error, STATUS_INVALID,
                         "the XGBoost model's booster is another than gbtree");
    if (!parameter(parameters, "num_feature", TREES_FEATURES_MAX, &features))
        return error_set(nodes->error, STATUS_LIMIT,
                         "the XGBoost model has no number of features up to %u",
                         TREES_FEATURES_MAX);
    bool one = parameter(parameters, "num_class", 1, &classes) &&
               (!json_get(parameters, TEXT("num_target"), &model) ||
                parameter(parameters, "num_target", 1, &targets));
    if (!one || !read_base(parameters, &nodes->base_margin))
        return error_set(nodes->error, STATUS_INVALID,
                         "the XGBoost model has several outcomes, or no base_score between 0 and "
                         "1");
    nodes->feature_count = (uint32_t)features;
    return read_trees(nodes, trees);
}

/* Puts node `from` of a tree, and what is below it, at place `at`. A leaf that stands too high goes
 * all the way down to the left with its rows, and its value into every leaf below. */
struct placing {
    const struct node *from;
    uint32_t at;
};

static void place_leaf(struct trees *trees, size_t base, const struct placing *placing) {
    uint32_t leaves = 1u << trees->depth, first = placing->at, last = placing->at;
    while (first < leaves) {
        trees->covers[base + first] = placing->from->cover;
        first = 2 * first;
        last = 2 * last + 1;
    }
    for (uint32_t i = first; i <= last; i++)
        trees->leaves[base + i - leaves] = placing->from->value;
    trees->leaf_covers[base + first - leaves] = placing->from->cover;
}

static void place_tree(struct trees *trees, size_t base, const struct node *tree) {
    struct placing stack[2 * TREES_DEPTH_MAX + 2];
    uint32_t top = 1;
    stack[0] = (struct placing){tree, 1};
    while (top > 0) {
        struct placing placing = stack[--top];
        const struct node *node = placing.from;
        if (node->left < 0) {
            place_leaf(trees, base, &placing);
            continue;
        }
        size_t at = base + placing.at;
        trees->thresholds[at] = node->value;
        trees->slots[at] = (uint16_t)(2 * node->feature + (node->default_left ? 1 : 0));
        trees->covers[at] = node->cover;
        stack[top++] = (struct placing){tree + node->right, 2 * placing.at + 1};
        stack[top++] = (struct placing){tree + node->left, 2 * placing.at};
    }
}

static enum status make(struct trees **out, const struct nodes *nodes) {
    uint32_t depth = nodes->depth > 0 ? nodes->depth : 1;
    enum status status = trees_create(out, nodes->tree_count, depth, nodes->feature_count);
    if (status != STATUS_OK) return status;
    (*out)->base_margin = nodes->base_margin;
    for (uint32_t t = 0; t < nodes->tree_count; t++)
        place_tree(*out, (size_t)t << depth, nodes->items + nodes->first[t]);
    return STATUS_OK;
}

enum status trees_read_json(struct trees **out, struct text json, struct error *error) {
    struct json_parser *parser = NULL;
    struct json_node root;
    struct nodes nodes = {.error = error};
    *out = NULL;
    if (json.length > TREES_JSON_BYTES_MAX)
        return error_set(error, STATUS_LIMIT, "the XGBoost model is larger than %zu MB",
                         TREES_JSON_BYTES_MAX >> 20);
    enum status status = json_parser_create(&parser, TREES_JSON_BYTES_MAX);
    if (status == STATUS_OK) status = json_parse(parser, json, &root, error);
    if (status == STATUS_OK) status = read_learner(&nodes, root);
    if (status == STATUS_OK) status = make(out, &nodes);
    memory_free(nodes.items);
    memory_free(nodes.first);
    json_parser_destroy(parser);
    if (status == STATUS_NO_MEMORY)
        return error_set(error, status, "no memory to read an XGBoost model");
    return status;
}
