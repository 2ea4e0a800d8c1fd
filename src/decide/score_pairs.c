/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/score_pairs.h"

#include "base/memory.h"

enum side { SIDE_CUSTOMER, SIDE_TREATMENT, SIDE_OWN };

static enum side side_of(const struct playbook *playbook, const struct model_rule *rule,
                         uint32_t feature) {
    if (feature >= rule->feature_count) return SIDE_TREATMENT;
    return playbook->traits[rule->features[feature]].of_treatment ? SIDE_OWN : SIDE_CUSTOMER;
}

static void swap_sides(struct placed_pair *pair) {
    struct model_pair_table table = pair->table;
    *pair = (struct placed_pair){
        pair->right,
        pair->left,
        {table.right_part, table.left_part, table.effects, table.right_step, table.left_step}};
}

/* Puts a pair where it belongs. Those with a trait of the customer are sorted by the other feature
 * afterwards; the customer's trait is their left one. */
static void place(struct score_pairs *pairs, uint32_t *with_customer, struct placed_pair pair,
                  enum side left, enum side right) {
    if (left == SIDE_CUSTOMER && right == SIDE_CUSTOMER) {
        pairs->pairs[PAIR_OF_CUSTOMER][pairs->counts[PAIR_OF_CUSTOMER]++] = pair;
    } else if (left == SIDE_TREATMENT && right == SIDE_TREATMENT) {
        pairs->pairs[PAIR_OF_TREATMENT][pairs->counts[PAIR_OF_TREATMENT]++] = pair;
    } else if (left != SIDE_CUSTOMER && right != SIDE_CUSTOMER) {
        pairs->pairs[PAIR_OF_OTHERS][pairs->counts[PAIR_OF_OTHERS]++] = pair;
    } else {
        if (right == SIDE_CUSTOMER) swap_sides(&pair);
        uint32_t at = (*with_customer)++;
        for (; at > 0 && pairs->customer_pairs[at - 1].right > pair.right; at--)
            pairs->customer_pairs[at] = pairs->customer_pairs[at - 1];
        pairs->customer_pairs[at] = pair;
    }
}

/* One folded feature for each run of pairs with the same feature. */
static enum status fold_features(struct score_pairs *pairs, const struct model *model,
                                 uint32_t count) {
    enum status status =
        memory_grow((void **)&pairs->folded, &pairs->folded_capacity, count, sizeof *pairs->folded);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t feature = pairs->customer_pairs[i].right;
        bool is_new = i == 0 || pairs->customer_pairs[i - 1].right != feature;
        if (is_new) {
            struct folded_feature *folded = &pairs->folded[pairs->folded_count++];
            folded->feature = feature;
            folded->cell_count = model_cell_count(model, feature);
            folded->first = i;
            folded->count = 0;
        }
        pairs->folded[pairs->folded_count - 1].count++;
    }
    return STATUS_OK;
}

enum status score_pairs_plan(struct score_pairs *pairs, const struct playbook *playbook,
                             const struct model_rule *rule, const struct model *model) {
    memset(pairs->counts, 0, sizeof pairs->counts);
    pairs->count = pairs->folded_count = 0;
    if (model == NULL || model_pair_count(model) == 0) return STATUS_OK;
    uint32_t features = model_feature_count(model), with_customer = 0;
    enum status status = memory_grow((void **)&pairs->wanted, &pairs->wanted_capacity, features,
                                     sizeof *pairs->wanted);
    if (status == STATUS_OK)
        status = memory_grow((void **)&pairs->cells, &pairs->cells_capacity, features,
                             sizeof *pairs->cells);
    if (status != STATUS_OK || features < rule->feature_count) return status;
    memset(pairs->wanted, 0, features * sizeof *pairs->wanted);
    memset(pairs->cells, 0, features * sizeof *pairs->cells);
    for (uint32_t k = 0; k < model_pair_count(model); k++) {
        struct model_pair_facts facts = model_pair_facts(model, k);
        struct placed_pair pair = {facts.left, facts.right, model_pair_table(model, k)};
        place(pairs, &with_customer, pair, side_of(playbook, rule, facts.left),
              side_of(playbook, rule, facts.right));
        pairs->wanted[facts.left] = pairs->wanted[facts.right] = true;
    }
    pairs->count = model_pair_count(model);
    return fold_features(pairs, model, with_customer);
}

void score_pairs_release(struct score_pairs *pairs) {
    memory_free(pairs->folded);
    memory_free(pairs->wanted);
    memory_free(pairs->cells);
}

double score_pairs_sum(const struct score_pairs *pairs, enum pair_place place) {
    double sum = 0;
    for (uint32_t i = 0; i < pairs->counts[place]; i++) {
        const struct placed_pair *pair = &pairs->pairs[place][i];
        sum += model_pair_table_effect(&pair->table, pairs->cells[pair->left],
                                       pairs->cells[pair->right]);
    }
    return sum;
}

void score_pairs_fold(struct score_pairs *pairs) {
    for (uint32_t i = 0; i < pairs->folded_count; i++) {
        struct folded_feature *folded = &pairs->folded[i];
        memset(folded->sums, 0, folded->cell_count * sizeof *folded->sums);
        for (uint32_t k = folded->first; k < folded->first + folded->count; k++) {
            const struct placed_pair *pair = &pairs->customer_pairs[k];
            const struct model_pair_table *table = &pair->table;
            uint32_t left = table->left_part[pairs->cells[pair->left]] * table->left_step;
            for (uint32_t c = 0; c < folded->cell_count; c++)
                folded->sums[c] += table->effects[left + table->right_part[c] * table->right_step];
        }
    }
}

double score_pairs_of_treatment(const struct score_pairs *pairs) {
    double sum = score_pairs_sum(pairs, PAIR_OF_OTHERS);
    for (uint32_t i = 0; i < pairs->folded_count; i++)
        sum += pairs->folded[i].sums[pairs->cells[pairs->folded[i].feature]];
    return sum;
}
