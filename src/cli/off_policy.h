/* SPDX-License-Identifier: Apache-2.0 */
/* cli/off_policy.h -- `evaluate --log` and `--policy`, and how off-policy estimates are shown. */
#ifndef CLI_OFF_POLICY_H
#define CLI_OFF_POLICY_H

#include "cli/cli.h"
#include "measure/off_policy.h"

/* evaluate --log FILE: opens no data directory. The exit code. */
int cli_evaluate_log(struct cli *cli);

/* evaluate --policy PLAYBOOK: the playbook is tried, and not put in force. The exit code. */
int cli_evaluate_policy(struct cli *cli);

/* What holds for every such estimate, in a sentence. Static. */
const char *cli_off_policy_caveat(void);
/* The estimates as a table, DRos first, and what they rest on. */
void cli_off_policy_print(const struct off_policy_result *result, uint64_t drawn);
/* One line of a table of parts or policies: "name|>decisions|>effective|>DRos|(95 %)|>SNIPS|(95 %)|
 * says". */
#define CLI_OFF_POLICY_HEADINGS                                                                    \
    "|>decisions|>effective|>DRos|(95 % interval)|>SNIPS|(95 % interval)|the log"
void cli_off_policy_row(struct cli_table *table, const struct off_policy_result *result,
                        uint64_t drawn);
/* Members of an object that stands open. */
void cli_off_policy_write(struct json_writer *writer, const struct off_policy_result *result,
                          uint64_t drawn);

#endif
