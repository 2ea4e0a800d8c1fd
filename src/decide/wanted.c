/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/decide_internal.h"

static void want(const struct expr_program *program, bool *out) {
    uint32_t reads[PLAYBOOK_TRAITS_MAX];
    uint32_t count = program == NULL ? 0 : expr_traits(program, reads, PLAYBOOK_TRAITS_MAX);
    for (uint32_t i = 0; i < count && i < PLAYBOOK_TRAITS_MAX; i++) out[reads[i]] = true;
}

/* Traits read only earlier ones, so one pass from the last to the first finds all of them. */
void wanted_traits(const struct playbook *playbook, bool *out) {
    for (uint32_t i = 0; i < playbook->trait_count; i++) out[i] = false;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        want(action->available, out);
        want(action->eligible, out);
        want(action->applicable, out);
        want(action->suitable, out);
        want(action->weight_program, out);
        if (action->model == UINT32_MAX) continue;
        const struct model_rule *rule = &playbook->models[action->model];
        for (uint32_t k = 0; k < rule->feature_count; k++) out[rule->features[k]] = true;
    }
    want(playbook->zone_from, out);
    want(playbook->zone_country, out);
    for (uint32_t i = playbook->trait_count; i-- > 0;) {
        if (out[i]) want(playbook->traits[i].program, out);
    }
}
