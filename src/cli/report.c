/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int command_report(struct cli *cli) {
    (void)cli;
    return cli_fail_text("the report is not written yet");
}
