/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/score_pairs.h"

#include "base/memory.h"

enum side { SIDE_CUSTOMER, SIDE_TREATMENT, SIDE_OWN };

static enum side side_of(const struct playbook *playbook, const struct model_rule *rule,
                         uint32_t feature) {
    if (feature >= rule->feature_count) return SIDE_TREATMENT;
    return playbook->traits[rule->features[feature]].of_treatment ? SIDE_OWN : SIDE_CUSTOMER;
}

static enum pair_place place_of(enum side left, enum side right) {
    if (left == SIDE_OWN || right == SIDE_OWN) return PAIR_OF_OWN;
    if (left != right) return PAIR_OF_BOTH;
    return left == SIDE_CUSTOMER ? PAIR_OF_CUSTOMER : PAIR_OF_TREATMENT;
}

enum status score_pairs_plan(struct score_pairs *pairs, const struct playbook *playbook,
                             const struct model_rule *rule, const struct model *model) {
    memset(pairs->counts, 0, sizeof pairs->counts);
    pairs->count = 0;
    if (model == NULL || model_pair_count(model) == 0) return STATUS_OK;
    uint32_t features = model_feature_count(model);
    enum status status = memory_grow((void **)&pairs->wanted, &pairs->wanted_capacity, features,
                                     sizeof *pairs->wanted);
    if (status == STATUS_OK)
        status = memory_grow((void **)&pairs->cells, &pairs->cells_capacity, features,
                             sizeof *pairs->cells);
    if (status != STATUS_OK || features < rule->feature_count) return status;
    memset(pairs->wanted, 0, features * sizeof *pairs->wanted);
    memset(pairs->cells, 0, features * sizeof *pairs->cells);
    pairs->count = model_pair_count(model);
    for (uint32_t k = 0; k < pairs->count; k++) {
        struct model_pair_facts facts = model_pair_facts(model, k);
        enum pair_place place =
            place_of(side_of(playbook, rule, facts.left), side_of(playbook, rule, facts.right));
        uint32_t at = pairs->counts[place]++;
        pairs->of[place][at].pair = k;
        pairs->of[place][at].left = facts.left;
        pairs->of[place][at].right = facts.right;
        pairs->wanted[facts.left] = pairs->wanted[facts.right] = true;
    }
    return STATUS_OK;
}

void score_pairs_release(struct score_pairs *pairs) {
    memory_free(pairs->wanted);
    memory_free(pairs->cells);
}

double score_pairs_sum(const struct score_pairs *pairs, const struct model *model,
                       enum pair_place place) {
    double sum = 0;
    for (uint32_t i = 0; i < pairs->counts[place]; i++)
        sum += model_pair_effect(model, pairs->of[place][i].pair,
                                 pairs->cells[pairs->of[place][i].left],
                                 pairs->cells[pairs->of[place][i].right]);
    return sum;
}
