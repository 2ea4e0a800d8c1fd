/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/treatment/levels.h -- what holds for all actions of an issue, and of a group.
 *
 *   issue › group › action › treatment
 *
 * A condition of an issue or a group is asked of each of its actions, before the action's own: all
 * three must say yes. A purpose or a topic holds for the actions that say none. */
#ifndef PLAYBOOK_TREATMENT_LEVELS_H
#define PLAYBOOK_TREATMENT_LEVELS_H

#include "playbook/playbook_internal.h"

struct level {
    const struct yaml_node *key;
    const struct yaml_node *values[KEYS_MAX]; /* by level_key */
    /* By level_key: an error in the condition was told, and is not told again for each action. */
    bool told[LEVEL_COUNT];
    bool used; /* it has an action */
};
struct levels {
    struct level *issues, *groups;
    uint32_t issue_count, group_count;
};

/* Reads both maps as far as their keys. */
void levels_begin(struct reader *reader, const struct yaml_node *issues,
                  const struct yaml_node *groups, struct levels *out);
/* The levels above an action, of which the first is its issue's and the second its group's; NULL
 * where nothing is said. An action without an issue takes that of its group. */
void levels_of(struct reader *reader, struct levels *levels, struct action *action,
               struct level *out[2]);
/* The nearest level's value of purpose or topic, or NULL. */
const struct yaml_node *level_value(struct level *const levels[2], enum level_key key);
/* Says which issues and groups no action has. */
void levels_end(struct reader *reader, const struct levels *levels);

#endif
