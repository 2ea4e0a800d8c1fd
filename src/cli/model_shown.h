/* SPDX-License-Identifier: Apache-2.0 */
/* cli/model_shown.h -- what a training did: where its settings come from, and which pairs of
 * features it found, with the evidence. */
#ifndef CLI_MODEL_SHOWN_H
#define CLI_MODEL_SHOWN_H

#include "base/json.h"
#include "learn/learn.h"
#include "playbook/playbook.h"

void model_shown_print(const struct model *model);
/* Writes the object of the key `training`. */
void model_shown_write_json(const struct playbook *playbook, const struct model *model,
                            struct json_writer *writer);
/* The trait's own words; an attribute of the action has none. */
struct text model_says(const struct playbook *playbook, struct text feature);

#endif
