/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/treatment/actions.h -- what actions.c and attributes.c share. */
#ifndef PLAYBOOK_TREATMENT_ACTIONS_H
#define PLAYBOOK_TREATMENT_ACTIONS_H

#include "playbook/playbook_internal.h"

void attributes_read(struct reader *reader, const struct yaml_node *for_each,
                     const struct yaml_node *node, struct action *action);

#endif
