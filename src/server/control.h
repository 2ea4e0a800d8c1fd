/* SPDX-License-Identifier: Apache-2.0 */
/* server/control.h -- the command line beside a running server.
 *
 *   attune train ─► the directory is locked ─► DIR/control.sock ─► the server's control thread
 *      │                                          argv, cwd,             │ runs the same command
 *      │                                          stdin, stdout, stderr  │ with its own engine
 *      └──────────◄── exit code ◄── what it prints goes straight ◄───────┘
 *                                   to the caller's terminal
 *
 * A command that changes something needs the directory's lock, which the server holds. So it hands
 * itself over: its arguments, and the descriptors of its input, its output and its working
 * directory. The server runs it as the command line would, over the engine that is open, through
 * the applier like everything else. One command runs at a time; others wait.
 *
 * Who may: only processes of the server's own user, or root (SO_PEERCRED); the socket's mode is
 * 0600. A caller that goes away, or sends a byte, cancels its command; so does the server when it
 * stops. A command that reads a pipe or a terminal ends then, too, whoever holds its other end.
 *
 * Threads: control_start starts one, which runs all commands; control_close ends it. While it runs
 * a command, what the standard streams are is the command's (cli/served.h), so nobody else may
 * print from control_start to control_close. */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <stdatomic.h>

#include "base/status.h"
#include "engine/engine.h"

#define CONTROL_SOCKET      "control.sock"
#define CONTROL_BYTES_MAX   (1u << 20) /* of all arguments */
#define CONTROL_WORDS_MAX   4200
#define CONTROL_WAITING_MAX 16   /* callers that wait; beyond them they are told so */
#define CONTROL_PATIENCE_MS 5000 /* for a caller to say what it wants */

struct control;
/* A command of somebody else. The descriptors are the caller's own. */
struct control_command {
    int argc;
    char **argv; /* argv[argc] is NULL */
    int input, output, errors;
    /* Did the caller go away or ask for an end, or does the server stop? Any thread; it waits for
     * nothing. */
    bool (*is_cancelled)(const struct control_command *command);
    int connection;           /* is_cancelled's … */
    const _Atomic bool *ends; /* … too */
};
/* Runs the command over the engine and gives its exit code. By the control thread, whose working
 * directory is the caller's. */
typedef int (*control_run_fn)(struct engine *engine, const struct control_command *command);

enum status control_open(struct control **out, struct engine *engine, const char *directory,
                         control_run_fn run, struct error *error) MUST_USE;
/* From now on commands are run; callers who came before have waited. Once. */
enum status control_start(struct control *control, struct error *error) MUST_USE;
/* Cancels what runs and waits for its end. NULL is allowed. */
void control_close(struct control *control);

/* The caller's side: hands the command over and waits for its end. *wants_end, where it becomes
 * anything but 0, cancels it. STATUS_NOT_FOUND where no server listens in this directory. */
enum status control_hand_over(const char *directory, int argc, char *const *argv,
                              const volatile _Atomic int *wants_end, int *exit_code,
                              struct error *error) MUST_USE;

#endif
