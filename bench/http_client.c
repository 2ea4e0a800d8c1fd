/* SPDX-License-Identifier: Apache-2.0 */
#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/time.h"
#include "bench.h"

#define ANSWER_BYTES  (1u << 18)
#define REQUEST_BYTES (1u << 18)
#define WAITING_MAX   (1u << 20) /* due, and no connection is free */

/* ---- the server ---- */

static void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    (void)!sched_setaffinity(0, sizeof set, &set);
}

static void run_shell(const char *command) {
    if (system(command) != 0) bench_fail("it failed: %s", command);
}

static const char *attune_program(char out[600]) {
    const char *build = getenv("ATTUNE_BUILD");
    snprintf(out, 600, "%s/src/cli/attune", build != NULL ? build : "build");
    return out;
}

static void serve(const struct http_process *process, const char *playbook, int out) {
    char program[600];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores > 1) pin(0);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a bench that fails leaves no server behind */
    dup2(out, STDOUT_FILENO);
    execl(attune_program(program), "attune", "serve", "--dir", process->directory, "--port", "0",
          "--threads", "1", playbook != NULL ? "--playbook" : (char *)NULL, playbook, (char *)NULL);
    _exit(127);
}

void http_process_start(struct http_process *process, const char *data, const char *playbook) {
    char command[1400], said[600] = "";
    int ends[2];
    snprintf(process->directory, sizeof process->directory, "%s-served", data);
    int length = snprintf(command, sizeof command, "rm -rf '%s'", process->directory);
    if (playbook == NULL)
        snprintf(command + length, sizeof command - (size_t)length, " && cp -r '%s' '%s'", data,
                 process->directory);
    run_shell(command);
    if (pipe(ends) != 0) bench_fail("pipe");
    process->pid = fork();
    if (process->pid == 0) serve(process, playbook, ends[1]);
    close(ends[1]);
    FILE *file = fdopen(ends[0], "r");
    const char *port = file != NULL && fgets(said, sizeof said, file) ? strrchr(said, ':') : NULL;
    if (port == NULL) bench_fail("attune serve did not start");
    process->port = (uint16_t)strtoul(port + 1, NULL, 10);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores > 1) pin((int)cores - 1);
}

void http_process_stop(struct http_process *process) {
    char command[700];
    int code = 0;
    kill(process->pid, SIGTERM);
    if (waitpid(process->pid, &code, 0) < 0 || code != 0)
        bench_fail("attune serve failed: %d", code);
    snprintf(command, sizeof command, "rm -rf '%s'", process->directory);
    run_shell(command);
}

double http_process_cpu_seconds(const struct http_process *process) {
    char path[64], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process->pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fread(text, 1, sizeof text - 1, file) == 0) bench_fail("%s", path);
    fclose(file);
    const char *at = strrchr(text, ')');
    unsigned long long user = 0, kernel = 0;
    if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                             &kernel) != 2)
        bench_fail("%s can't be read", path);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

void http_process_key(const struct http_process *process, const char *options, char key[64]) {
    char command[1400], program[600], line[256];
    bool found = false;
    snprintf(command, sizeof command, "'%s' key add --dir '%s' --json %s", attune_program(program),
             process->directory, options);
    FILE *file = popen(command, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, " \"key\": \"%63[^\"]\"", key) == 1 || found;
    if (file == NULL || pclose(file) != 0 || !found) bench_fail("it failed: %s", command);
}

/* ---- the client ---- */

struct connection {
    int socket;
    bool is_busy;
    double due_s;
    size_t sent, request_bytes, got;
    char *request, *answer;
};

struct client {
    const struct http_load *load;
    struct http_result *result;
    struct connection connections[HTTP_CONNECTIONS];
    uint32_t idle[HTTP_CONNECTIONS], idle_count;
    double *waiting; /* a ring: when each was due */
    uint64_t first, count;
    double *latencies;
    size_t latency_capacity;
    uint64_t asked;
    int epoll;
};

static void open_connection(struct client *client, uint32_t index) {
    struct connection *connection = &client->connections[index];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(client->load->port)};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->socket < 0 ||
        connect(connection->socket, (const struct sockaddr *)&address, sizeof address) != 0)
        bench_fail("no connection to port %u", client->load->port);
    (void)!setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)!fcntl(connection->socket, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->socket, &event) != 0)
        bench_fail("epoll");
    connection->request = memory_alloc(REQUEST_BYTES);
    connection->answer = memory_alloc(ANSWER_BYTES);
    if (connection->request == NULL || connection->answer == NULL) bench_fail("no memory");
    client->idle[client->idle_count++] = index;
}

static void send_more(struct connection *connection) {
    while (connection->sent < connection->request_bytes) {
        ssize_t bytes = send(connection->socket, connection->request + connection->sent,
                             connection->request_bytes - connection->sent, MSG_NOSIGNAL);
        if (bytes < 0 && errno == EAGAIN) return; /* asked again in the next round */
        if (bytes <= 0) bench_fail("the server closed a connection");
        connection->sent += (size_t)bytes;
    }
}

static void ask(struct client *client, double due_s) {
    struct connection *connection = &client->connections[client->idle[--client->idle_count]];
    const struct http_load *load = client->load;
    connection->is_busy = true;
    connection->due_s = due_s;
    connection->sent = connection->got = 0;
    connection->request_bytes =
        load->write(load->context, client->asked++, connection->request, REQUEST_BYTES);
    send_more(connection);
}

static void note_latency(struct client *client, double seconds) {
    uint64_t count = client->result->answered++;
    void *items = client->latencies;
    if (memory_grow(&items, &client->latency_capacity, count + 1, sizeof *client->latencies) !=
        STATUS_OK)
        bench_fail("no memory");
    client->latencies = items;
    client->latencies[count] = seconds;
}

/* Is the answer whole? */
static bool is_whole(const struct connection *connection, unsigned *code) {
    const char *end = memmem(connection->answer, connection->got, "\r\n\r\n", 4);
    if (end == NULL) return false;
    size_t head = (size_t)(end - connection->answer) + 4;
    const char *length = memmem(connection->answer, head, "Content-Length: ", 16);
    if (length == NULL) bench_fail("an answer without a length");
    *code = (unsigned)strtoul(connection->answer + 9, NULL, 10);
    return connection->got >= head + strtoul(length + 16, NULL, 10);
}

static void read_more(struct client *client, uint32_t index) {
    struct connection *connection = &client->connections[index];
    unsigned code = 0;
    ssize_t bytes = recv(connection->socket, connection->answer + connection->got,
                         ANSWER_BYTES - connection->got, 0);
    if (bytes < 0 && errno == EAGAIN) return;
    if (bytes <= 0) bench_fail("the server closed a connection");
    connection->got += (size_t)bytes;
    if (!is_whole(connection, &code)) return;
    note_latency(client, clock_monotonic_seconds() - connection->due_s);
    if (code != client->load->expected) {
        if (client->result->failed++ == 0) client->result->failed_code = code;
    }
    connection->is_busy = false;
    client->idle[client->idle_count++] = index;
}

static void poll_once(struct client *client) {
    struct epoll_event events[HTTP_CONNECTIONS];
    int count = epoll_wait(client->epoll, events, HTTP_CONNECTIONS, 0);
    for (int i = 0; i < count; i++) read_more(client, events[i].data.u32);
    for (uint32_t i = 0; i < HTTP_CONNECTIONS; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->is_busy && connection->sent < connection->request_bytes)
            send_more(connection);
    }
}

static void ask_what_waits(struct client *client) {
    while (client->count > 0 && client->idle_count > 0) {
        ask(client, client->waiting[client->first]);
        client->first = (client->first + 1) % WAITING_MAX;
        client->count--;
    }
}

static void add_due(struct client *client, double due_s) {
    if (client->count == WAITING_MAX) bench_fail("the server is far behind this rate");
    client->waiting[(client->first + client->count++) % WAITING_MAX] = due_s;
}

/* Where no rate is given each connection asks as soon as it may. */
static void run_closed(struct client *client, double end_s) {
    for (double now_s; (now_s = clock_monotonic_seconds()) < end_s;) {
        while (client->idle_count > 0) ask(client, now_s);
        poll_once(client);
    }
}

static void run_open(struct client *client, double begin_s, double end_s) {
    struct random random;
    double next_s = begin_s;
    random_init(&random, client->load->seed);
    for (double now_s; (now_s = clock_monotonic_seconds()) < end_s;) {
        while (next_s <= now_s && next_s < end_s) {
            add_due(client, next_s);
            next_s += -log(1 - random_unit(&random)) / client->load->rate;
        }
        ask_what_waits(client);
        poll_once(client);
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(const struct client *client, double share) {
    uint64_t count = client->result->answered;
    if (count == 0) return 0;
    uint64_t index = (uint64_t)((double)count * share);
    return client->latencies[index < count ? index : count - 1] * 1000;
}

static void summarise(struct client *client) {
    struct http_result *result = client->result;
    qsort(client->latencies, result->answered, sizeof *client->latencies, compare);
    result->p50_ms = quantile_ms(client, .5);
    result->p90_ms = quantile_ms(client, .9);
    result->p99_ms = quantile_ms(client, .99);
    result->p999_ms = quantile_ms(client, .999);
    result->max_ms = quantile_ms(client, 1);
}

void http_client_run(const struct http_load *load, struct http_result *result) {
    struct client *client = memory_calloc(1, sizeof *client);
    if (client == NULL) bench_fail("no memory");
    *result = (struct http_result){0};
    client->load = load;
    client->result = result;
    client->waiting = memory_alloc(WAITING_MAX * sizeof *client->waiting);
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (client->waiting == NULL || client->epoll < 0) bench_fail("no memory");
    for (uint32_t i = 0; i < HTTP_CONNECTIONS; i++) open_connection(client, i);
    double begin_s = clock_monotonic_seconds();
    if (load->rate > 0)
        run_open(client, begin_s, begin_s + load->seconds);
    else
        run_closed(client, begin_s + load->seconds);
    /* What was asked is answered. */
    while (client->idle_count < HTTP_CONNECTIONS || client->count > 0) {
        ask_what_waits(client);
        poll_once(client);
    }
    result->seconds = clock_monotonic_seconds() - begin_s;
    summarise(client);
    for (uint32_t i = 0; i < HTTP_CONNECTIONS; i++) {
        close(client->connections[i].socket);
        memory_free(client->connections[i].request);
        memory_free(client->connections[i].answer);
    }
    close(client->epoll);
    memory_free(client->waiting);
    memory_free(client->latencies);
    memory_free(client);
}
