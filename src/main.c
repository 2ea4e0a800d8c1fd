/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"

#define EXIT_UNREADABLE 74 /* EX_IOERR of sysexits.h */

/* Stored files are mapped: where the disk fails to give a page, or the file has become shorter, the
 * kernel sends this signal, and no status can tell it. Only calls that are safe in a handler. */
static void on_bus_error(int signal_number) {
    static const char words[] = "attune: a stored file could not be read (disk error, or it was "
                                "cut short while open); run attune fsck, or restore a backup\n";
    (void)signal_number;
    (void)!write(STDERR_FILENO, words, sizeof words - 1);
    _exit(EXIT_UNREADABLE);
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = on_bus_error};
    sigemptyset(&action.sa_mask);
    (void)!sigaction(SIGBUS, &action, NULL);
    /* A file that grows beyond `ulimit -f` is an error like a full disk, and no end without a word.
     */
    action.sa_handler = SIG_IGN;
    (void)!sigaction(SIGXFSZ, &action, NULL);
    return cli_main(argc, argv);
}
