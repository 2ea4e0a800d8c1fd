/* SPDX-License-Identifier: Apache-2.0 */
/* A server under clients on many connections, some of whose calls are deferred until their events
 * are durable, or their playbook is in force, while its metrics are read, its live tail is watched,
 * its playbook is read again, and at last it is stopped under load: each request gets one whole
 * answer, or the connection is closed before a byte of it. Most of its worth is under
 * ThreadSanitizer. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "server/access/access.h"
#include "server/server.h"

#define CLIENTS  8
#define WATCHERS 3
#define BODY     "{\"userId\":\"u1\",\"event\":\"Looked\"}"
#define ENOUGH   400 /* answers a client, before the server is stopped */

static const char playbook_text[] =
    "attune: 1\nname: Test\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { user_id: {} } }\n"
    "sources: { web: { format: segment, arrives: live, key: { user_id: userId } } }\n"
    "events: { Looked: }\n";

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct client {
    pthread_t thread;
    uint16_t port;
    uint32_t number;
    char request[512];
    _Atomic uint32_t answers;
    uint32_t refused; /* 503: deferred calls are worked on one at a time, and a server that stops */
};

static int connect_to(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(socket_fd >= 0);
    if (connect(socket_fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return socket_fd;
    close(socket_fd);
    return -1;
}

/* Reads one answer; its code, or 0 where the server closed before its first byte. */
static unsigned read_answer(int socket_fd) {
    char got[65536];
    size_t length = 0, whole = 0;
    while (whole == 0 || length < whole) {
        ssize_t bytes = recv(socket_fd, got + length, sizeof got - 1 - length, 0);
        if (bytes <= 0) {
            check(length == 0);
            return 0;
        }
        length += (size_t)bytes;
        got[length] = '\0';
        const char *end = strstr(got, "\r\n\r\n");
        const char *size = strstr(got, "Content-Length: ");
        if (end == NULL) continue;
        check(size != NULL && size < end);
        whole = (size_t)(end - got) + 4 + strtoul(size + 16, NULL, 10);
    }
    check(length == whole);
    check(memcmp(got, "HTTP/1.1 ", 9) == 0);
    return (unsigned)strtoul(got + 9, NULL, 10);
}

static void *run_client(void *argument) {
    struct client *client = argument;
    int socket_fd = connect_to(client->port);
    check(socket_fd >= 0);
    for (;;) {
        size_t length = strlen(client->request);
        if (send(socket_fd, client->request, length, MSG_NOSIGNAL) != (ssize_t)length) break;
        unsigned code = read_answer(socket_fd);
        if (code == 0) break;
        check(code == 200 || code == 503);
        client->refused += code == 503;
        atomic_fetch_add(&client->answers, 1);
    }
    close(socket_fd);
    return NULL;
}

/* Reads a live tail until the server ends it. */
static void *watch(void *argument) {
    struct client *client = argument;
    char got[4096];
    int socket_fd = connect_to(client->port);
    size_t length = strlen(client->request);
    check(socket_fd >= 0);
    check(send(socket_fd, client->request, length, MSG_NOSIGNAL) == (ssize_t)length);
    ssize_t bytes = recv(socket_fd, got, sizeof got, 0);
    check(bytes > 12 && memcmp(got, "HTTP/1.1 200", 12) == 0);
    while ((bytes = recv(socket_fd, got, sizeof got, 0)) > 0) atomic_fetch_add(&client->answers, 1);
    close(socket_fd);
    return NULL;
}

static void *run_server(void *argument) {
    struct error error = {0};
    check(server_run(argument, &error) == STATUS_OK);
    return NULL;
}

static void make_key(const char *directory, enum access_right right, char shown[ACCESS_KEY_BYTES]) {
    struct access_key key = {.right = right, .per_second = 1e5};
    struct error error = {0};
    uint8_t random[32];
    memset(random, 7 + (int)right, sizeof random);
    if (right == ACCESS_WRITE) snprintf(key.source, sizeof key.source, "web");
    snprintf(key.name, sizeof key.name, "test");
    check(access_add(file_system_os(), directory, &key, random, 1700000000000, shown, &error) ==
          STATUS_OK);
}

struct keys {
    char admin[ACCESS_KEY_BYTES], write[ACCESS_KEY_BYTES];
};

/* Clients 0 to 3 have their calls deferred. */
static void start_client(struct client *client, uint32_t number, uint16_t port,
                         const struct keys *keys) {
    static const char *const asked[CLIENTS] = {"POST /v1/admin/playbook",
                                               "POST /v1/admin/playbook",
                                               "POST /v1/track",
                                               "POST /v1/track",
                                               "GET /metrics",
                                               "GET /health/ready",
                                               "GET /health/live",
                                               "GET /health/ready"};
    bool sends = number == 2 || number == 3;
    *client = (struct client){.port = port, .number = number};
    snprintf(client->request, sizeof client->request,
             "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             asked[number], sends ? keys->write : keys->admin, sends ? sizeof BODY - 1 : 0,
             sends ? BODY : "");
    check(pthread_create(&client->thread, NULL, run_client, client) == 0);
}

static void start_watcher(struct client *client, uint16_t port, const struct keys *keys) {
    *client = (struct client){.port = port};
    snprintf(client->request, sizeof client->request,
             "GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
             "%s\r\n\r\n",
             keys->admin);
    check(pthread_create(&client->thread, NULL, watch, client) == 0);
}

static void wait_for_answers(struct client *clients, struct server *server) {
    for (uint32_t i = 0; i < CLIENTS; i++) {
        uint32_t enough = i < 4 ? ENOUGH / 20 : ENOUGH;
        while (atomic_load(&clients[i].answers) < enough) {
            usleep(1000);
            server_reload(server);
        }
    }
}

static void try_once(const char *directory, const char *playbook, const struct keys *keys) {
    struct server_options options = {.directory = directory,
                                     .playbook_file = playbook,
                                     .threads = 3,
                                     .log = fopen("/dev/null", "w")};
    struct client clients[CLIENTS], watchers[WATCHERS];
    struct server *server = NULL;
    struct error error = {0};
    pthread_t runs;
    check(options.log != NULL);
    if (server_start(&server, &options, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    check(pthread_create(&runs, NULL, run_server, server) == 0);
    for (uint32_t i = 0; i < CLIENTS; i++) start_client(&clients[i], i, server_port(server), keys);
    for (uint32_t i = 0; i < WATCHERS; i++) start_watcher(&watchers[i], server_port(server), keys);
    wait_for_answers(clients, server);
    server_stop(server);
    pthread_join(runs, NULL);
    server_destroy(server);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        check(clients[i].refused < atomic_load(&clients[i].answers));
    }
    for (uint32_t i = 0; i < WATCHERS; i++) {
        pthread_join(watchers[i].thread, NULL);
        check(atomic_load(&watchers[i].answers) > 0);
    }
    fclose(options.log);
}

int main(void) {
    char folder[] = "/tmp/attune-server-XXXXXX", directory[64], playbook[64], command[128];
    struct keys keys;
    struct error error = {0};
    check(mkdtemp(folder) != NULL);
    snprintf(directory, sizeof directory, "%s/data", folder);
    snprintf(playbook, sizeof playbook, "%s/playbook.yaml", folder);
    check(file_replace(file_system_os(), playbook, playbook_text, sizeof playbook_text - 1,
                       &error) == STATUS_OK);
    check(directory_make(file_system_os(), directory, &error) == STATUS_OK);
    make_key(directory, ACCESS_ADMIN, keys.admin);
    make_key(directory, ACCESS_WRITE, keys.write);
    for (int i = 0; i < 3; i++) try_once(directory, playbook, &keys);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? 0 : 1;
}
