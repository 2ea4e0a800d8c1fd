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

int64_t http_clock_ms(void) {
    return (int64_t)(clock_monotonic_seconds() * 1000);
}

/* ---- workers: each listening thread finds its own at its first connection ---- */

static _Atomic uint64_t serials;
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

static void worker_destroy(struct http_worker *worker) {
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

static void await_request(struct http_connection *link) {
    atomic_store_explicit(&link->is_reading_body, false, memory_order_relaxed);
    atomic_store_explicit(&link->deadline_ms,
                          http_clock_ms() + SERVER_IDLE_SECONDS * TIME_SECOND_MS,
                          memory_order_relaxed);
}

static struct http_connection *add_connection(struct http *http,
                                              struct MHD_Connection *connection) {
    struct http_worker *worker = worker_here(http);
    const union MHD_ConnectionInfo *socket =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct http_connection *link = worker != NULL ? memory_calloc(1, sizeof *link) : NULL;
    if (link == NULL || socket == NULL || peer == NULL) {
        memory_free(link);
        return NULL;
    }
    link->worker = worker;
    link->socket = socket->connect_fd;
    link->peer_length = address_text(peer->client_addr, link->peer);
    link->is_proxy = http->proxy.length > 0 &&
                     text_equal(http->proxy, (struct text){link->peer, link->peer_length});
    if (http->any_local) read_local(link);
    await_request(link);
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
static void on_connection(void *context, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode what) {
    struct http *http = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *own = add_connection(http, connection);
    } else if (*own != NULL) {
        drop_connection(http, *own);
        *own = NULL;
    }
}

static struct http_connection *link_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* ---- one request ---- */

/* Called with the request line; what is returned is the request's own from then on. NULL where
 * memory is short: the handler then closes the connection. */
static void *on_target(void *context, const char *raw, struct MHD_Connection *connection) {
    struct http *http = context;
    struct http_connection *link = link_of(connection);
    struct http_call *call = link != NULL ? call_take(link->worker) : NULL;
    if (call == NULL) return NULL;
    call->http = http;
    call->link = link;
    call->connection = connection;
    atomic_fetch_add_explicit(&link->worker->open_calls, 1, memory_order_relaxed);
    size_t length = strlen(raw);
    if (length > TARGET_BYTES_MAX) length = TARGET_BYTES_MAX + 1; /* target_read refuses it */
    call->target.raw = arena_text(&call->arena, (struct text){raw, (uint32_t)length});
    return call;
}

static bool read_target(struct http_call *call) {
    struct text raw = call->target.raw;
    enum status status =
        raw.at != NULL ? target_read(&call->target, raw, &call->arena) : STATUS_NO_MEMORY;
    if (status == STATUS_OK) return true;
    if (status == STATUS_LIMIT && raw.length > TARGET_BYTES_MAX)
        http_problem(call, 414, "target", "The address is longer than %u bytes.", TARGET_BYTES_MAX);
    else if (status == STATUS_LIMIT)
        http_problem(call, 404, "no-route", "Nothing is served under this path.");
    else if (status == STATUS_INVALID)
        http_problem(call, 400, "target",
                     "The path is not well formed: it begins with /, has no empty segment, no "
                     "\".\" and \"..\", and each %% is followed by two hex digits of UTF-8.");
    else
        http_problem_of(call, status, NULL);
    return false;
}

static void read_method(struct http_call *call, const char *method) {
    static const char *const names[HTTP_METHOD_COUNT] = {"GET", "POST", "PUT", "DELETE"};
    call->is_head = strcmp(method, "HEAD") == 0;
    call->method = call->is_head ? HTTP_GET : HTTP_METHOD_COUNT;
    for (uint32_t i = 0; i < HTTP_METHOD_COUNT; i++) {
        if (strcmp(method, names[i]) == 0) call->method = (enum http_method)i;
    }
}

static bool find_route(struct http_call *call, const char *method) {
    char allow[64] = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
    bool for_browsers = false;
    bool asks_options = strcmp(method, "OPTIONS") == 0;
    enum route_found found = call->target.is_star
                                 ? (asks_options ? ROUTE_NO_METHOD : ROUTE_NO_PATH)
                                 : router_find(&call->http->router, call, allow, &for_browsers);
    if (found == ROUTE_FOUND) return true;
    if (found == ROUTE_NO_PATH) {
        http_problem(call, 404, "no-route", "Nothing is served under this path.");
    } else if (asks_options) {
        guard_options(call, allow, for_browsers);
    } else {
        http_answer_header(call, "Allow", allow);
        http_problem(call, 405, "method", "This path takes %s.", allow);
    }
    return false;
}

static bool guard_head_size(struct http_call *call) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info == NULL || info->header_size <= SERVER_HEADER_BYTES) return true;
    http_problem(call, 431, "head", "The head of a request has at most %u bytes.",
                 SERVER_HEADER_BYTES);
    return false;
}

/* The length that is announced; UINT64_MAX where it comes in chunks. */
static uint64_t announced_bytes(struct http_call *call) {
    struct text length = http_header(call, "Content-Length");
    int64_t bytes = 0;
    if (http_header(call, "Transfer-Encoding").at != NULL) return UINT64_MAX;
    if (length.at == NULL || text_to_int64(length, &bytes) != STATUS_OK || bytes < 0) return 0;
    return (uint64_t)bytes;
}

static void refuse_large(struct http_call *call) {
    if (call->body_max == 0)
        http_problem(call, 413, "body", "This takes no body.");
    else
        http_problem(call, 413, "body", "A body has at most %u bytes here; send smaller batches.",
                     call->body_max);
}

static bool guard_encoding(struct http_call *call) {
    struct text encoding = http_header(call, "Content-Encoding");
    if (encoding.length == 0 || text_equal_ignoring_case(encoding, TEXT("gzip")) ||
        text_equal_ignoring_case(encoding, TEXT("x-gzip")) ||
        text_equal_ignoring_case(encoding, TEXT("identity")))
        return true;
    http_answer_header(call, "Accept-Encoding", "gzip");
    http_problem(call, 415, "encoding", "A body comes as it is, or as gzip.");
    return false;
}

static bool guard_length(struct http_call *call, uint64_t announced) {
    call->body_max = call->route->body_max;
    if (announced == UINT64_MAX ? call->body_max > 0 : announced <= call->body_max) return true;
    refuse_large(call);
    return false;
}

static bool guard_stopping(struct http_call *call) {
    if (!atomic_load(&call->http->is_stopping)) return true;
    http_answer_header(call, "Retry-After", "1");
    http_problem(call, 503, "stopping", "The server stops; send the same again, in a moment.");
    return false;
}

/* All that can be told by the head. Where it was refused, the call is answered. */
static void judge_head(struct http_call *call, const char *method, uint64_t announced) {
    read_method(call, method);
    bool goes_on = guard_head_size(call) && read_target(call) && guard_host(call) &&
                   guard_stopping(call) && find_route(call, method) && guard_origin(call) &&
                   guard_key(call) && guard_length(call, announced) && guard_encoding(call);
    call->is_refused = !goes_on;
}

/* A body that is refused is read and thrown away, so that the client, which may still be sending,
 * gets to read why. A very long one is cut off. */
static enum MHD_Result begin(struct http_call *call, const char *method) {
    call->has_begun = true;
    call->begun_s = clock_monotonic_seconds();
    call->received_ms = clock_now_ms();
    atomic_store_explicit(&call->link->deadline_ms,
                          http_clock_ms() + HTTP_BODY_SECONDS * TIME_SECOND_MS,
                          memory_order_relaxed);
    atomic_store_explicit(&call->link->is_reading_body, true, memory_order_relaxed);
    uint64_t announced = announced_bytes(call);
    judge_head(call, method, announced);
    bool waits = http_header(call, "Expect").at != NULL;
    if (!call->is_refused || announced == 0) return MHD_YES;
    bool is_endless = announced != UINT64_MAX && announced > HTTP_DISCARD_BYTES;
    if (!waits && !is_endless) return MHD_YES;
    call->closes = true;
    return call_queue(call);
}

static enum MHD_Result discard(struct http_call *call, size_t *length) {
    call->discarded_bytes += *length;
    *length = 0;
    return call->discarded_bytes <= HTTP_DISCARD_BYTES ? MHD_YES : MHD_NO;
}

static void give_back_bytes(struct http_call *call) {
    if (call->charged_bytes > 0)
        atomic_fetch_sub_explicit(&call->http->open_bytes, call->charged_bytes,
                                  memory_order_relaxed);
    call->charged_bytes = 0;
}

/* From here on the rest of the body is thrown away. */
static void give_up_body(struct http_call *call) {
    call->is_refused = true;
    buffer_release(&call->body);
    give_back_bytes(call);
}

static enum MHD_Result take_body(struct http_call *call, const char *bytes, size_t *length) {
    struct http *http = call->http;
    if (call->is_refused) return discard(call, length);
    if (*length > call->body_max - call->body.length) {
        refuse_large(call);
    } else if (atomic_fetch_add(&http->open_bytes, *length) + *length > SERVER_OPEN_BYTES) {
        atomic_fetch_sub(&http->open_bytes, *length);
        http_answer_header(call, "Retry-After", "1");
        http_problem(call, 503, "bodies",
                     "The bodies that are being read have %u MB; send the same again, in a moment.",
                     SERVER_OPEN_BYTES >> 20);
    } else {
        call->charged_bytes += *length;
        if (buffer_reserve(&call->body, *length + JSON_PADDING) == STATUS_OK &&
            buffer_append(&call->body, bytes, *length) == STATUS_OK) {
            *length = 0;
            return MHD_YES;
        }
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
    }
    give_up_body(call);
    return discard(call, length);
}

static void refuse_inflated(struct http_call *call, enum status status, size_t bytes_max) {
    if (status == STATUS_LIMIT)
        http_problem(call, 413, "inflated",
                     "A body has at most %zu bytes once it is inflated; send smaller batches.",
                     bytes_max);
    else if (status == STATUS_INVALID)
        http_problem(call, 400, "gzip",
                     "The body is no gzip, or is cut short, or its checksum is wrong.");
    else
        http_problem_of(call, status, NULL);
}

static bool inflate_body(struct http_call *call) {
    struct text body = buffer_text(&call->body), encoding = http_header(call, "Content-Encoding");
    bool says_gzip = encoding.length > 0 && !text_equal_ignoring_case(encoding, TEXT("identity"));
    if (body.length == 0 || (!says_gzip && !inflate_is_gzip(body))) return true;
    size_t most =
        call->route->body_inflated != 0 ? call->route->body_inflated : SERVER_BODY_INFLATED;
    enum status status = inflate_gzip(call->worker->inflater, body, most, &call->inflated);
    if (status == STATUS_OK) status = buffer_reserve(&call->inflated, JSON_PADDING);
    if (status != STATUS_OK) {
        refuse_inflated(call, status, most);
        return false;
    }
    size_t bytes = call->inflated.length;
    call->has_inflated = true;
    call->charged_bytes += bytes;
    if (atomic_fetch_add(&call->http->open_bytes, bytes) + bytes <= SERVER_OPEN_BYTES) return true;
    http_answer_header(call, "Retry-After", "1");
    http_problem(call, 503, "bodies",
                 "Too many bodies are open; send the same again, in a moment.");
    return false;
}

/* The server may have begun to stop since the head was judged. The order matters: http_settle sees
 * the mark, or the handler is not called. */
static void run_handler(struct http_call *call) {
    _Atomic uint32_t *runs = &call->worker->runs_handler;
    atomic_store(runs, 1);
    if (guard_stopping(call)) {
        atomic_store_explicit(&call->state, CALL_RUNNING, memory_order_relaxed);
        call->route->handle(call);
    }
    atomic_store_explicit(runs, 0, memory_order_release);
}

static enum MHD_Result run(struct http_call *call) {
    atomic_store_explicit(&call->link->is_reading_body, false, memory_order_relaxed);
    atomic_store_explicit(&call->link->deadline_ms, 0, memory_order_relaxed);
    if (!call->is_refused && inflate_body(call)) {
        run_handler(call);
        if (call->was_deferred) return MHD_YES; /* it is queued when it is resumed */
        if (atomic_load_explicit(&call->state, memory_order_acquire) == CALL_RUNNING)
            http_problem(call, 500, "internal", "The server failed; its log says more.");
    }
    return call_queue(call);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *length, void **own) {
    struct http_call *call = *own;
    (void)context;
    (void)connection;
    (void)url;
    (void)version;
    if (call == NULL) return MHD_NO;
    if (!call->has_begun) return begin(call, method);
    if (*length > 0) return take_body(call, bytes, length);
    if (atomic_load_explicit(&call->state, memory_order_acquire) == CALL_READING ||
        call->is_refused)
        return run(call);
    return call_queue(call); /* resumed */
}

static void on_completed(void *context, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode why) {
    struct http_call *call = *own;
    (void)context;
    (void)connection;
    (void)why;
    *own = NULL;
    if (call == NULL) return;
    struct http_connection *link = call->link;
    struct http_worker *worker = link->worker;
    pthread_mutex_lock(&worker->lock);
    link->deferred = NULL;
    pthread_mutex_unlock(&worker->lock);
    give_back_bytes(call);
    await_request(link);
    atomic_fetch_sub_explicit(&worker->open_calls, 1, memory_order_release);
    call_drop(call, true);
}

/* ---- starting ---- */

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
    if (connections < http->threads) connections = http->threads;
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)http->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (http->threads < 2) pool[0].option = MHD_OPTION_END;
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME, http->port, NULL,
        NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, http->listener,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
        SERVER_IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, http, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
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
    pthread_mutex_init(&http->lock, NULL);
    enum status status = guard_prepare(http, error);
    if (status == STATUS_OK) status = router_create(&http->router, error);
    if (status == STATUS_OK) status = listen_on(http, error);
    if (status == STATUS_OK) read_port(http);
    if (status == STATUS_OK) status = start_daemon(http, error);
    if (status != STATUS_OK) {
        http_destroy(http);
        return status;
    }
    *out = http;
    return STATUS_OK;
}

enum status http_check(const struct server_options *options, struct error *error) {
    struct server server = {.options = *options};
    struct http http = {.server = &server, .listener = -1};
    enum status status = guard_prepare(&http, error);
    if (status == STATUS_OK) status = listen_on(&http, error);
    if (http.listener >= 0) close(http.listener);
    return status;
}

uint16_t http_port(const struct http *http) {
    return http->port;
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
    atomic_store_explicit(&link->deadline_ms, 0, memory_order_relaxed);
}

static void sweep(struct http_worker *worker, int64_t now_ms) {
    pthread_mutex_lock(&worker->lock);
    for (struct http_connection *link = worker->connections; link != NULL; link = link->next)
        close_late(link, now_ms);
    pthread_mutex_unlock(&worker->lock);
}

/* Workers are only ever added, in front: the list behind one never changes. */
static struct http_worker *first_worker(struct http *http) {
    pthread_mutex_lock(&http->lock);
    struct http_worker *worker = http->workers;
    pthread_mutex_unlock(&http->lock);
    return worker;
}

void http_tick(struct http *http) {
    int64_t now_ms = http_clock_ms();
    for (struct http_worker *worker = first_worker(http); worker != NULL; worker = worker->next)
        sweep(worker, now_ms);
    if (now_ms >= http->next_beat_ms) {
        http->next_beat_ms = now_ms + HTTP_BEAT_SECONDS * TIME_SECOND_MS;
        streams_beat(http);
    }
}

/* ---- stopping ---- */

static uint64_t open_calls(struct http *http) {
    uint64_t count = 0;
    for (struct http_worker *worker = first_worker(http); worker != NULL; worker = worker->next)
        count += atomic_load_explicit(&worker->open_calls, memory_order_acquire);
    return count;
}

void http_quiesce(struct http *http) {
    if (atomic_exchange(&http->is_stopping, true)) return;
    MHD_socket listener = MHD_quiesce_daemon(http->daemon);
    if (listener != MHD_INVALID_SOCKET) close(listener);
    http->listener = -1;
    streams_end(http);
}

static void force_all(struct http *http) {
    for (struct http_worker *worker = first_worker(http); worker != NULL; worker = worker->next) {
        pthread_mutex_lock(&worker->lock);
        for (struct http_connection *link = worker->connections; link != NULL; link = link->next) {
            if (link->deferred != NULL) call_force(link->deferred);
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
    for (struct http_worker *worker = first_worker(http); worker != NULL; worker = worker->next) {
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
        MHD_stop_daemon(http->daemon);
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
