/* SPDX-License-Identifier: Apache-2.0 */
/* cli/lifetimes.h -- `train` for lifetime models. */
#ifndef CLI_LIFETIMES_H
#define CLI_LIFETIMES_H

#include "cli/cli.h"

/* By its name; UINT32_MAX: the playbook has no such lifetime model. */
uint32_t cli_lifetime_find(const struct playbook *playbook, const char *name);
/* Fits it and tells what was fitted: on the screen, or as an object to `writer` (NULL: the screen).
 * The exit code. */
int cli_lifetime_train(const struct cli *cli, struct engine *engine, uint32_t rule,
                       int64_t until_ms, struct json_writer *writer);
/* A line for `status`, and an object in its JSON. */
void cli_lifetime_status(struct engine *engine, uint32_t rule);
void cli_lifetime_write_status(struct engine *engine, uint32_t rule, struct json_writer *writer);

#endif
