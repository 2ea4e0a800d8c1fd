/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/decide_internal.h"

void wanted_traits(const struct playbook *playbook, bool *out) {
    for (uint32_t i = 0; i < playbook->trait_count; i++) out[i] = false;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        profile_want(action->available, out);
        profile_want(action->eligible, out);
        profile_want(action->applicable, out);
        profile_want(action->suitable, out);
        profile_want(action->weight_program, out);
        profile_want(action->value_program, out);
        if (action->model == UINT32_MAX) continue;
        const struct model_rule *rule = &playbook->models[action->model];
        for (uint32_t k = 0; k < rule->feature_count; k++) out[rule->features[k]] = true;
    }
    for (uint32_t i = 0; i < playbook->messaging_count; i++) {
        const struct messaging *messaging = &playbook->messaging[i];
        for (uint32_t k = 0; k < messaging->loss_count; k++)
            profile_want(messaging->losses[k].value, out);
    }
    profile_want(playbook->explore.off_when, out);
    for (uint32_t i = 0; i < playbook->experiment_count; i++)
        profile_want(playbook->experiments[i].who, out);
    profile_want(playbook->zone_from, out);
    profile_want(playbook->zone_country, out);
    profile_want_read(playbook, out);
}
