/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/time.h"
#include "server/http/http_internal.h"
#include "server/metrics/metrics.h"

int64_t http_clock_ms(void) {
    return (int64_t)(clock_monotonic_seconds() * 1000);
}

/* ---- workers: each listening thread finds its own at its first connection ---- */

static _Thread_local struct {
    uint64_t serial;
    struct http_worker *worker;
} here;

static struct http_worker *add_worker(struct http *http) {
    struct http_worker *worker = memory_calloc(1, sizeof *worker);
    if (worker == NULL) return NULL;
    worker->http = http;
    if (inflater_create(&worker->inflater) != STATUS_OK) {
        memory_free(worker);
        return NULL;
    }
    pthread_mutex_init(&worker->lock, NULL);
    pthread_mutex_lock(&http->lock);
    worker->index = http->workers != NULL ? http->workers->index + 1 : 0;
    worker->next = http->workers;
    http->workers = worker;
    pthread_mutex_unlock(&http->lock);
    return worker;
}

static struct http_worker *worker_here(struct http *http) {
    if (here.serial == http->serial) return here.worker;
    struct http_worker *worker = add_worker(http);
    if (worker == NULL) return NULL;
    here.serial = http->serial;
    here.worker = worker;
    return worker;
}

void worker_destroy(struct http_worker *worker) {
    while (worker->free_calls != NULL) {
        struct http_call *call = worker->free_calls;
        worker->free_calls = call->next_free;
        call_free(call);
    }
    inflater_destroy(worker->inflater);
    pthread_mutex_destroy(&worker->lock);
    memory_free(worker);
}

/* ---- connections ---- */

static uint32_t address_text(const struct sockaddr *address, char out[INET6_ADDRSTRLEN]) {
    const void *bytes = NULL;
    int family = address->sa_family;
    out[0] = '\0';
    if (family == AF_INET) bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (family == AF_INET6) {
        const struct in6_addr *six =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        bytes = six;
        if (IN6_IS_ADDR_V4MAPPED(six)) {
            family = AF_INET;
            bytes = &six->s6_addr[12];
        }
    }
    if (bytes == NULL || inet_ntop(family, bytes, out, INET6_ADDRSTRLEN) == NULL) return 0;
    return (uint32_t)strlen(out);
}

static void read_local(struct http_connection *link) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char text[INET6_ADDRSTRLEN];
    if (getsockname(link->socket, (struct sockaddr *)&address, &length) != 0) return;
    if (address_text((const struct sockaddr *)&address, text) == 0) return;
    snprintf(link->local, sizeof link->local, strchr(text, ':') != NULL ? "[%s]" : "%s", text);
    link->local_length = (uint32_t)strlen(link->local);
}

void connection_await_request(struct http_connection *link) {
    atomic_store_explicit(&link->is_reading_body, false, memory_order_relaxed);
    atomic_store_explicit(&link->deadline_ms, http_clock_ms() + link->worker->http->patience_ms,
                          memory_order_relaxed);
}

static struct http_connection *add_connection(struct http *http,
                                              struct MHD_Connection *connection) {
    struct http_worker *worker = worker_here(http);
    const union MHD_ConnectionInfo *socket =
        http_library.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *peer =
        http_library.get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct http_connection *link = worker != NULL ? memory_calloc(1, sizeof *link) : NULL;
    if (link == NULL || socket == NULL || peer == NULL) {
        memory_free(link);
        return NULL;
    }
    link->worker = worker;
    link->socket = socket->connect_fd;
    link->peer_length = address_text(peer->client_addr, link->peer);
    link->is_proxy = http->proxy[0] != '\0' && strcmp(http->proxy, link->peer) == 0;
    if (http->any_local) read_local(link);
    connection_await_request(link);
    pthread_mutex_lock(&worker->lock);
    link->next = worker->connections;
    if (link->next != NULL) link->next->previous = link;
    worker->connections = link;
    pthread_mutex_unlock(&worker->lock);
    atomic_fetch_add_explicit(&http->open_connections, 1, memory_order_relaxed);
    return link;
}

static void drop_connection(struct http *http, struct http_connection *link) {
    struct http_worker *worker = link->worker;
    pthread_mutex_lock(&worker->lock);
    if (link->previous != NULL) link->previous->next = link->next;
    if (link->next != NULL) link->next->previous = link->previous;
    if (worker->connections == link) worker->connections = link->next;
    pthread_mutex_unlock(&worker->lock);
    atomic_fetch_sub_explicit(&http->open_connections, 1, memory_order_relaxed);
    memory_free(link);
}

/* libmicrohttpd tells of a closed connection before it closes the socket, so a socket in the list
 * is still ours. */
void connection_notify(void *context, struct MHD_Connection *connection, void **own,
                       enum MHD_ConnectionNotificationCode what) {
    struct http *http = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *own = add_connection(http, connection);
    } else if (*own != NULL) {
        drop_connection(http, *own);
        *own = NULL;
    }
}

struct http_connection *connection_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        http_library.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* ---- once a second ---- */

static void close_late(struct http_connection *link, int64_t now_ms) {
    static const char late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n"
                               "Connection: close\r\n\r\n";
    int64_t deadline_ms = atomic_load_explicit(&link->deadline_ms, memory_order_relaxed);
    if (deadline_ms == 0 || now_ms < deadline_ms) return;
    if (atomic_load_explicit(&link->is_reading_body, memory_order_relaxed))
        (void)!send(link->socket, late, sizeof late - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(link->socket, SHUT_RDWR);
    metrics_add(link->worker->http->server->metrics, METRICS_CONNECTION_LATE, 1);
    atomic_store_explicit(&link->deadline_ms, 0, memory_order_relaxed);
}

void worker_sweep(struct http_worker *worker, int64_t now_ms) {
    pthread_mutex_lock(&worker->lock);
    for (struct http_connection *link = worker->connections; link != NULL; link = link->next)
        close_late(link, now_ms);
    pthread_mutex_unlock(&worker->lock);
}

/* Workers are only ever added, in front: the list behind one never changes. */
struct http_worker *worker_first(struct http *http) {
    pthread_mutex_lock(&http->lock);
    struct http_worker *worker = http->workers;
    pthread_mutex_unlock(&http->lock);
    return worker;
}
