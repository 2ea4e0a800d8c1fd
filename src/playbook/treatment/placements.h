/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/treatment/placements.h -- what placements share with the channels of actions. */
#ifndef PLAYBOOK_TREATMENT_PLACEMENTS_H
#define PLAYBOOK_TREATMENT_PLACEMENTS_H

#include "playbook/playbook_internal.h"

/* Reads the name of a placement, which must be declared where the playbook declares any. */
bool placement_name_read(struct reader *reader, const struct yaml_node *node, struct text *out);

/* Marks (by index) the actions of this name or, where groups count, of this group; false, and an
 * error, where there are none. */
bool actions_mark(struct reader *reader, const struct yaml_node *node, bool actions_too,
                  bool groups_too, bool *marks);
/* Reads a content: a map of name to text, or one text, which is called "text". `check` (may be
 * NULL) looks at each text. */
bool content_fields_read(struct reader *reader, const struct yaml_node *node, const char *what,
                         void (*check)(struct reader *reader, const struct yaml_node *node,
                                       const char *what, void *context),
                         void *context, const struct content_field **fields, uint32_t *count);

#endif
