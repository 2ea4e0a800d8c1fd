/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/daemon.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/time.h"
#include "server/http/http_internal.h"

#define LISTEN_BACKLOG 1024
#define THREADS_MAX    16u
#define POLL_US        2000

/* ---- starting ---- */

static _Atomic uint64_t serials;

static enum status listen_on(struct http *http, struct error *error) {
    const struct server_options *options = &http->server->options;
    const char *address = options->address != NULL ? options->address : "127.0.0.1";
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", options->port);
    if (getaddrinfo(address, port, &hints, &found) != 0)
        return error_set(error, STATUS_INVALID,
                         "--address %s is no address of this machine; write it in figures, such as "
                         "127.0.0.1 or ::1",
                         address);
    int yes = 1;
    http->listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_fine = http->listener >= 0 &&
                   setsockopt(http->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                   bind(http->listener, found->ai_addr, found->ai_addrlen) == 0 &&
                   listen(http->listener, LISTEN_BACKLOG) == 0;
    int number = errno;
    freeaddrinfo(found);
    if (is_fine) return STATUS_OK;
    if (http->listener >= 0) close(http->listener);
    http->listener = -1;
    (void)error_set_errno(error, number,
                          "can't listen on %s, port %u; choose another with --port or --address",
                          address, options->port);
    return error != NULL ? (error->status = STATUS_IO) : STATUS_IO;
}

static void read_port(struct http *http) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(http->listener, (struct sockaddr *)&address, &length) != 0) return;
    http->port = address.ss_family == AF_INET6
                     ? ntohs(((const struct sockaddr_in6 *)(const void *)&address)->sin6_port)
                     : ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
}

/* The target is decoded by target.c, which refuses what this would let pass. */
static size_t leave_as_it_is(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strlen(text);
}

static enum status start_daemon(struct http *http, struct error *error) {
    const struct server_options *options = &http->server->options;
    unsigned connections =
        options->connections_max != 0 ? options->connections_max : SERVER_CONNECTIONS;
    /* That of libmicrohttpd counts from the last byte; ours comes first. */
    unsigned idle_s = 1 + (unsigned)(http->patience_ms / TIME_SECOND_MS);
    if (connections < http->threads) connections = http->threads;
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)http->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (http->threads < 2) pool[0].option = MHD_OPTION_END;
    http->daemon = http_library.start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME, http->port, NULL,
        NULL, request_go_on, http, MHD_OPTION_LISTEN_SOCKET, http->listener,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT, idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
        request_end, http, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, http,
        MHD_OPTION_URI_LOG_CALLBACK, request_target, http, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_as_it_is, http, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, pool,
        MHD_OPTION_END);
    if (http->daemon != NULL) return STATUS_OK;
    return error_set(
        error, STATUS_IO,
        "the HTTP threads can't start: too few file descriptors or threads (ulimit -n, "
        "-u)");
}

static uint32_t thread_count(uint32_t wanted) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (wanted == 0) wanted = cores > 0 ? (uint32_t)cores : 1;
    return wanted < THREADS_MAX ? wanted : THREADS_MAX;
}

enum status http_start(struct http **out, struct server *server, struct error *error) {
    struct http *http = memory_calloc(1, sizeof *http);
    if (http == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for the HTTP server");
    http->server = server;
    http->listener = -1;
    http->serial = atomic_fetch_add(&serials, 1) + 1;
    http->threads = thread_count(server->options.threads);
    uint32_t patience_s = server->options.patience_s;
    http->patience_ms = TIME_SECOND_MS * (patience_s != 0 ? patience_s : SERVER_PATIENCE_SECONDS);
    pthread_mutex_init(&http->lock, NULL);
    enum status status = http_library_load(error);
    if (status == STATUS_OK) status = guard_prepare(http, error);
    if (status == STATUS_OK)
        status = router_create(&http->router, server->options.first_party_path, error);
    if (status == STATUS_OK) status = listen_on(http, error);
    if (status == STATUS_OK) read_port(http);
    *out = http; /* before the first request can come, whose handler may ask for it */
    if (status == STATUS_OK) status = start_daemon(http, error);
    if (status == STATUS_OK) return STATUS_OK;
    *out = NULL;
    http_destroy(http);
    return status;
}

enum status http_check(const struct server_options *options, struct error *error) {
    struct server server = {.options = *options};
    struct http http = {.server = &server, .listener = -1};
    enum status status = http_library_load(error);
    if (status == STATUS_OK) status = guard_prepare(&http, error);
    if (status == STATUS_OK) status = listen_on(&http, error);
    if (http.listener >= 0) close(http.listener);
    return status;
}

uint16_t http_port(const struct http *http) {
    return http->port;
}

/* ---- once a second ---- */

void http_tick(struct http *http) {
    int64_t now_ms = http_clock_ms();
    for (struct http_worker *worker = worker_first(http); worker != NULL; worker = worker->next)
        worker_sweep(worker, now_ms);
    streams_check_keys(http);
    if (now_ms >= http->next_beat_ms) {
        http->next_beat_ms = now_ms + HTTP_BEAT_SECONDS * TIME_SECOND_MS;
        streams_beat(http);
    }
}

/* ---- stopping ---- */

static uint64_t open_calls(struct http *http) {
    uint64_t count = 0;
    for (struct http_worker *worker = worker_first(http); worker != NULL; worker = worker->next)
        count += atomic_load_explicit(&worker->open_calls, memory_order_acquire);
    return count;
}

void http_quiesce(struct http *http) {
    if (atomic_exchange(&http->is_stopping, true)) return;
    MHD_socket listener = http_library.quiesce_daemon(http->daemon);
    if (listener != MHD_INVALID_SOCKET) close(listener);
    http->listener = -1;
    streams_end(http);
}

static void force_all(struct http *http) {
    for (struct http_worker *worker = worker_first(http); worker != NULL; worker = worker->next) {
        pthread_mutex_lock(&worker->lock);
        for (struct http_connection *link = worker->connections; link != NULL; link = link->next) {
            if (link->suspended != NULL) call_force(link->suspended);
        }
        pthread_mutex_unlock(&worker->lock);
    }
}

static void wait_for_calls(struct http *http, int64_t until_ms) {
    while (open_calls(http) > 0 && http_clock_ms() < until_ms) usleep(POLL_US);
}

void http_drain(struct http *http, uint32_t drain_ms) {
    wait_for_calls(http, http_clock_ms() + drain_ms);
}

void http_settle(struct http *http) {
    for (struct http_worker *worker = worker_first(http); worker != NULL; worker = worker->next) {
        while (atomic_load(&worker->runs_handler) != 0) usleep(POLL_US);
    }
}

void http_destroy(struct http *http) {
    if (http == NULL) return;
    if (http->daemon != NULL) {
        http_quiesce(http);
        force_all(http);
        /* libmicrohttpd must not be stopped while a connection is suspended. */
        while (atomic_load(&http->suspended) > 0) usleep(POLL_US);
        wait_for_calls(http, http_clock_ms() + HTTP_LAST_MS);
        http_library.stop_daemon(http->daemon);
    }
    if (http->listener >= 0) close(http->listener);
    while (http->workers != NULL) {
        struct http_worker *worker = http->workers;
        http->workers = worker->next;
        worker_destroy(worker);
    }
    router_release(&http->router);
    pthread_mutex_destroy(&http->lock);
    memory_free(http);
}

void http_load(struct http *http, struct http_load *out) {
    pthread_mutex_lock(&http->lock);
    uint64_t streams = http->stream_count;
    pthread_mutex_unlock(&http->lock);
    uint64_t suspended = atomic_load(&http->suspended);
    *out = (struct http_load){
        .connections = atomic_load(&http->open_connections),
        .calls = open_calls(http),
        .deferred = suspended > streams ? suspended - streams : 0,
        .streams = streams,
        .open_bytes = atomic_load(&http->open_bytes),
    };
}

uint32_t http_route_count(const struct http *http) {
    return http->router.count;
}

const struct http_route *http_route_at(const struct http *http, uint32_t index) {
    return http->router.routes[index];
}
