/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/treatment/budgets.h -- how budgets are read: lists of channels and actions, which
 * placements have, too. */
#ifndef PLAYBOOK_TREATMENT_BUDGETS_H
#define PLAYBOOK_TREATMENT_BUDGETS_H

#include "playbook/playbook_internal.h"

/* placements.c: channels in which actions are offered, each once. What can't be read is left out,
 * with an error. */
void channel_list_read(struct reader *reader, const struct yaml_node *node, const uint32_t **out,
                       uint32_t *count);
/* The indexes of actions, by their names and those of their groups; either node may be NULL. */
void action_lists_read(struct reader *reader, const struct yaml_node *actions,
                       const struct yaml_node *groups, const uint32_t **out, uint32_t *count);

#endif
