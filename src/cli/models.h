/* SPDX-License-Identifier: Apache-2.0 */
/* cli/models.h -- what the commands about models share. */
#ifndef CLI_MODELS_H
#define CLI_MODELS_H

#include "cli/cli.h"

/* The model's index by name, or the only one where name is NULL; prints what is wrong and gives
 * UINT32_MAX. */
uint32_t cli_find_model(const struct playbook *playbook, const char *name);
/* Prints "  NAME  value  (low to high)"; the format is a digit: how many decimals. */
void cli_print_interval(const char *name, const struct interval *interval, const char *format);

#endif
