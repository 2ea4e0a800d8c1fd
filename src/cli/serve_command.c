/* SPDX-License-Identifier: Apache-2.0 */
/* The command `serve`. */
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/served.h"
#include "server/server.h"

/* Written before the handlers are set, and cleared after they are unset. */
static struct server *running;

static void on_stop(int signal_number) {
    (void)signal_number;
    server_stop(running);
}

static void on_reload(int signal_number) {
    (void)signal_number;
    server_reload(running);
}

static void set_handler(int signal_number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    (void)!sigaction(signal_number, &action, NULL);
}

/* Commands that are handed over run in their callers' working directories (server/control.h), so
 * the server's own paths must not depend on one. */
static bool make_absolute(const char *path, char out[FILE_PATH_MAX]) {
    char here[FILE_PATH_MAX] = "";
    bool is_relative = path[0] != '/';
    if (is_relative && getcwd(here, sizeof here) == NULL) here[0] = '\0';
    int length = snprintf(out, FILE_PATH_MAX, "%s%s%s", here, is_relative ? "/" : "", path);
    if (length > 0 && length < FILE_PATH_MAX && (!is_relative || here[0] != '\0')) return true;
    cli_fail_text("%s: the path is too long from the root of the system", path);
    return false;
}

static char directory[FILE_PATH_MAX], playbook[FILE_PATH_MAX];

static bool read_options(const struct cli *cli, struct server_options *out) {
    int64_t port = SERVER_PORT, connections = 0, threads = 0, patience = 0;
    if (!cli_number("port", cli->port, 0, UINT16_MAX, &port) ||
        !cli_number("connections", cli->connections, 1, 1 << 20, &connections) ||
        !cli_number("patience", cli->patience, 1, 3600, &patience) ||
        !cli_number("threads", cli->threads, 1, 16, &threads) ||
        !make_absolute(cli->directory, directory) ||
        (cli->playbook != NULL && !make_absolute(cli->playbook, playbook)))
        return false;
    *out = (struct server_options){
        .directory = directory,
        .playbook_file = cli->playbook != NULL ? playbook : NULL,
        .address = cli->address,
        .port = (uint16_t)port,
        .threads = (uint32_t)threads,
        .hosts = cli->hosts.at,
        .host_count = cli->hosts.count,
        .origins = cli->origins.at,
        .origin_count = cli->origins.count,
        .proxy = cli->proxy,
        .first_party_path = cli->first_party,
        .connections_max = (uint32_t)connections,
        .patience_s = (uint32_t)patience,
        .log_requests = cli->log_requests,
        .run_command = cli_run_served,
    };
    return true;
}

/* A connection is a file descriptor; what the system allows at most is taken. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)!setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(const struct cli *cli, const struct server_options *options) {
    struct error error = {0};
    struct server *server = NULL;
    if (server_start(&server, options, &error) != STATUS_OK) {
        if (options->playbook_errors->count == 0) return cli_fail(&error);
        cli_playbook_errors(stderr, cli->playbook, "", options->playbook_errors);
        return cli_fail_text("%s has errors; the server was not started", cli->playbook);
    }
    running = server;
    set_handler(SIGTERM, on_stop);
    set_handler(SIGINT, on_stop);
    set_handler(SIGHUP, on_reload);
    const char *address = cli->address != NULL ? cli->address : "127.0.0.1";
    bool is_six = strchr(address, ':') != NULL;
    printf("attune serves %s on http://%s%s%s:%u\n", cli->directory, is_six ? "[" : "", address,
           is_six ? "]" : "", server_port(server));
    fflush(stdout);
    enum status status = server_run(server, &error);
    set_handler(SIGTERM, SIG_DFL);
    set_handler(SIGINT, SIG_DFL);
    set_handler(SIGHUP, SIG_IGN);
    running = NULL;
    server_destroy(server);
    return status == STATUS_OK ? EXIT_OK : cli_fail(&error);
}

static void tell_finding(void *context, bool is_error, const char *text) {
    (void)context;
    cli_say(stdout, "%s %s\n", is_error ? "error:  " : "warning:", text);
}

static int check(const struct server_options *options) {
    struct error error = {0};
    if (server_check(options, tell_finding, NULL, &error) != STATUS_OK)
        return cli_fail_text("it would not start");
    printf("It would start.\n");
    return EXIT_OK;
}

int command_serve(struct cli *cli) {
    struct server_options options;
    if (!read_options(cli, &options)) return EXIT_USAGE;
    set_handler(SIGPIPE, SIG_IGN);
    raise_file_limit();
    options.playbook_errors = memory_calloc(1, sizeof *options.playbook_errors);
    if (options.playbook_errors == NULL) return cli_fail_text("out of memory");
    int code = cli->check ? check(&options) : serve(cli, &options);
    memory_free(options.playbook_errors);
    return code;
}
