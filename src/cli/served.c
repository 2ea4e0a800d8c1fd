/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/served.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/job.h"

#define INPUT_BYTES 32

static struct engine *engine_of;
static const struct control_command *served;

struct engine *cli_served_engine(void) {
    return engine_of;
}

bool cli_served_is_cancelled(void) {
    return served != NULL && served->is_cancelled(served);
}

/* A stream over a copy of the descriptor; NULL where the system gives none. */
static FILE *stream_of(int descriptor, const char *mode) {
    int copy = dup(descriptor);
    FILE *file = copy < 0 ? NULL : fdopen(copy, mode);
    if (file == NULL && copy >= 0) close(copy);
    return file;
}

/* "-" is the caller's standard input, not the server's. */
static void name_input(int argc, char **argv, char input[INPUT_BYTES]) {
    snprintf(input, INPUT_BYTES, "/dev/fd/%d", fileno(stdin));
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-") == 0) argv[i] = input;
    }
}

/* glibc lets a program put other streams in the place of the standard ones. Nothing else of a
 * server prints: its log has a stream of its own. */
int cli_run_served(struct engine *engine, const struct control_command *command) {
    FILE *before[] = {stdin, stdout, stderr};
    FILE *own[] = {stream_of(command->input, "r"), stream_of(command->output, "w"),
                   stream_of(command->errors, "w")};
    char input[INPUT_BYTES];
    int code = EXIT_FAILED;
    if (own[0] != NULL && own[1] != NULL && own[2] != NULL) {
        /* What the command borrows of the snapshot in force stays, whatever is put in force. */
        struct in_force *in_force = in_force_hold(engine);
        setvbuf(own[2], NULL, _IONBF, 0);
        stdin = own[0];
        stdout = own[1];
        stderr = own[2];
        engine_of = engine;
        served = command;
        name_input(command->argc, command->argv, input);
        code = cli_main(command->argc, command->argv);
        engine_of = NULL;
        served = NULL;
        stdin = before[0];
        stdout = before[1];
        stderr = before[2];
        in_force_drop(in_force);
    }
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (own[i] != NULL) (void)fclose(own[i]);
    }
    return code;
}

void cli_hand_over(const struct cli *cli) {
    struct error error = {0};
    int code = EXIT_FAILED;
    if (engine_of != NULL) return;
    cli_signals_hold();
    enum status status =
        control_hand_over(cli->directory, cli->argc, cli->argv, cli_signal_caught(), &code, &error);
    cli_signals_release();
    if (status == STATUS_NOT_FOUND) return;
    exit(status == STATUS_OK ? code : cli_fail(&error));
}
