/* SPDX-License-Identifier: Apache-2.0 */
/* cli/served.h -- a command that a server runs for somebody else, over its own engine
 * (server/control.h has the picture).
 *
 * Commands print to stdout and stderr and open the engine by cli_open, and know nothing of this:
 * for as long as one is served, these streams are the caller's, cli_open gives the server's engine,
 * and cli_close leaves it open. One command is served at a time, by one thread. */
#ifndef CLI_SERVED_H
#define CLI_SERVED_H

#include "cli/cli.h"
#include "server/control.h"

/* A control_run_fn. */
int cli_run_served(struct engine *engine, const struct control_command *command);
/* The server's engine where the present command is served; else NULL. */
struct engine *cli_served_engine(void);
/* Is it served, and has its caller gone, or asked for an end? */
bool cli_served_is_cancelled(void);
/* The directory is locked: hands the present command over to the server that holds it, and ends
 * this process with its exit code. Returns where no server listens there. */
void cli_hand_over(const struct cli *cli);

#endif
