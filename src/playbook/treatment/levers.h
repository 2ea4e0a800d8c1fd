/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/treatment/levers.h -- percent that the business adds to priorities, for ever or for a
 * time: 5%, or { percent: 5%, runs: 2026-11-20..2026-12-01 }, or a list of them. */
#ifndef PLAYBOOK_TREATMENT_LEVERS_H
#define PLAYBOOK_TREATMENT_LEVERS_H

#include "playbook/playbook_internal.h"

#define LEVERS_MAX 64 /* in one list */
struct lever_list {
    struct lever_period items[LEVERS_MAX];
    uint32_t count;
};
bool lever_list_read(struct reader *reader, const struct yaml_node *node, const char *what,
                     struct lever_list *out);
/* Adds them to those that the action has. */
void levers_add(struct reader *reader, const struct lever_list *list, struct action *action);
/* levers: of groups and issues; after the actions. */
void levers_read(struct reader *reader, const struct yaml_node *node);

#endif
