/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/decide.h"

/* An action has room for as many channels as any has. */
uint32_t goal_bases_of_action(const struct playbook *playbook) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        if (playbook->actions[i].channel_count > most) most = playbook->actions[i].channel_count;
    }
    return 1 + most;
}

uint32_t goal_bases_count(const struct playbook *playbook) {
    return playbook->goal_count + playbook->action_count * goal_bases_of_action(playbook);
}
