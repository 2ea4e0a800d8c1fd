/* SPDX-License-Identifier: Apache-2.0 */
/* cli/budget_lines.h -- budgets on the screen and as JSON: what is used, what it costs, and how
 * good the allocation is. */
#ifndef CLI_BUDGET_LINES_H
#define CLI_BUDGET_LINES_H

#include "cli/cli.h"
#include "engine/budgets.h"

/* `version` (NULL: nothing was allocated yet) tells prices, value and bound; `used` is counted as
 * of t. */
void budget_lines_print(const struct playbook *playbook, int64_t t_ms,
                        const double used[BUDGETS_MAX], const struct budget_version *version);
/* Members of an object that is begun: "budgets", "allocation". */
void budget_lines_write_json(const struct playbook *playbook, int64_t t_ms,
                             const double used[BUDGETS_MAX], const struct budget_version *version,
                             struct json_writer *writer);

#endif
