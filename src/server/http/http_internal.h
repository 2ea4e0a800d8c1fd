/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/http_internal.h -- connections, calls and the threads that own them.
 *
 *   http ──► worker (one a listening thread) ──► connections, free calls, inflater
 *                                                    │
 *                                                    └► call: one request at a time
 *
 * States of a call. Arrows in capitals are made by any thread, the others by its worker:
 *
 *   READING ─► RUNNING ─► ANSWERED ────────────────────────────────────► done
 *                 │                                       ▲   ▲
 *                 └► DEFERRED ──────CLAIMED───────────────┘   │
 *                        │             │                      │
 *                        └► SUSPENDED ─┴─CLAIMED_SUSPENDED────┘ (whoever answers resumes it)
 *                               └──────FORCED (the server stops and waits no longer) ─► done
 *
 * A connection is suspended only where the handler returned before the answer came: to suspend and
 * to resume it costs a wake-up and several system calls, and a decision is as a rule answered
 * within its handler.
 *
 * A deferred call has two holders: its worker, and whoever will answer it. So a call that was
 * forced lives until its answer comes, late, and is thrown away. */
#ifndef SERVER_HTTP_HTTP_INTERNAL_H
#define SERVER_HTTP_HTTP_INTERNAL_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "server/http/daemon.h"
#include "server/http/http.h"
#include "server/http/inflate.h"
#include "server/http/library.h"
#include "server/http/target.h"
#include "server/server_internal.h"

#define HTTP_KEPT_CALLS 64u                 /* free ones that a worker keeps */
#define HTTP_KEPT_BYTES ((size_t)256 << 10) /* of arena or buffer, that a free call keeps */
/* Of a connection, for head and pieces of bodies. libmicrohttpd clears all of it after each
 * request, so it is no larger than a head and what is kept of its headers need. */
#define HTTP_POOL_BYTES   (SERVER_HEADER_BYTES + 4096)
#define HTTP_HOST_BYTES   256u
#define HTTP_ORIGIN_BYTES 256u
#define HTTP_LAST_MS      1000 /* for the last answers to be sent, when the server stops */

/* All routes, those without words in their paths first. */
struct http_router {
    const struct http_route **routes;
    uint32_t count;
    /* Paths for browsers are also served behind this one (server_options.first_party_path). */
    struct target prefix;
    struct arena arena; /* of the prefix */
};
enum route_found { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };

struct http_worker {
    struct http *http;
    struct http_worker *next;
    uint32_t index;
    struct http_call *free_calls;
    uint32_t free_count;
    struct inflater *inflater;
    /* Guards what follows: the sweep looks at connections of all workers. */
    pthread_mutex_t lock;
    struct http_connection *connections;
    _Atomic uint64_t open_calls;
    _Atomic uint32_t runs_handler;
};

struct http_connection {
    struct http_connection *next, *previous;
    struct http_worker *worker;
    int socket;
    /* When it is closed unless something happens; milliseconds of the monotonic clock, 0: never. */
    _Atomic int64_t deadline_ms;
    _Atomic bool is_reading_body; /* then a late one is told 408 */
    struct http_call *suspended;  /* under the worker's lock */
    bool is_proxy;                /* it comes from the proxy that is trusted */
    uint32_t peer_length, local_length;
    char peer[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN + 2];
};

enum call_state {
    CALL_READING,
    CALL_RUNNING,
    CALL_DEFERRED,
    CALL_SUSPENDED,
    CALL_CLAIMED,           /* its answer is being written, … */
    CALL_CLAIMED_SUSPENDED, /* … and its connection is suspended */
    CALL_ANSWERED,
    CALL_FORCED,
    CALL_QUEUED
};

struct answer_header {
    struct answer_header *next;
    const char *name, *value;
};

struct http_call {
    struct http *http;
    struct http_worker *worker;
    struct http_connection *link;
    struct MHD_Connection *connection;
    struct http_call *next_free;
    struct arena arena;
    struct buffer body, inflated; /* `inflated` only where has_inflated */
    bool has_inflated, has_begun, is_head, is_refused, closes;
    size_t charged_bytes; /* of http->open_bytes */
    uint64_t discarded_bytes;
    uint32_t body_max, route_index;

    enum http_method method;
    const struct http_route *route; /* NULL before it is found */
    struct target target;
    struct text words[HTTP_PATH_WORDS_MAX];
    struct text origin; /* that may read the answer; `at` NULL: none */
    struct access_key key;
    uint32_t about; /* a customer, + 1; 0: nobody */
    int64_t received_ms;
    double begun_s;

    _Atomic uint32_t state, holders;
    unsigned code;
    const char *type;
    struct text answer;
    struct answer_header *headers;
    struct buffer json;
    struct json_writer writer;
    struct http_stream *stream;
};

struct http {
    struct server *server;
    struct MHD_Daemon *daemon;
    uint64_t serial; /* tells it from an earlier one in the same process */
    int listener;
    uint16_t port;
    uint32_t threads;
    int64_t patience_ms;
    struct http_router router;
    /* Hosts under which it may be asked, in small letters, without ports. */
    char hosts[SERVER_HOSTS_MAX + 4][HTTP_HOST_BYTES];
    uint32_t host_count;
    bool any_local; /* listens everywhere: the address that a client reached is a host, too */
    char proxy[INET6_ADDRSTRLEN]; /* as inet_ntop writes it; "": none */
    pthread_mutex_t lock;         /* of `workers` and `streams` */
    struct http_worker *workers;
    struct http_stream *streams;
    uint32_t stream_count;
    _Atomic size_t open_bytes;
    _Atomic uint64_t suspended, open_connections;
    _Atomic bool is_stopping;
    _Atomic int64_t busy_second; /* in which a 503 was logged */
    int64_t next_beat_ms;
};

/* ---- connection.c ---- */
int64_t http_clock_ms(void);                                              /* monotonic */
struct http_connection *connection_of(struct MHD_Connection *connection); /* NULL: no memory */
/* From now on it has as long as the options say to send the whole head of a request. */
void connection_await_request(struct http_connection *link);
void connection_notify(void *context, struct MHD_Connection *connection, void **own,
                       enum MHD_ConnectionNotificationCode what);
struct http_worker *worker_first(struct http *http);
/* Closes connections that are late. Any thread. */
void worker_sweep(struct http_worker *worker, int64_t now_ms);
void worker_destroy(struct http_worker *worker);

/* ---- request.c: what libmicrohttpd calls ---- */
void *request_target(void *context, const char *raw, struct MHD_Connection *connection);
enum MHD_Result request_go_on(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *length, void **own);
void request_end(void *context, struct MHD_Connection *connection, void **own,
                 enum MHD_RequestTerminationCode why);

/* ---- call.c ---- */
struct http_call *call_take(struct http_worker *worker) MUST_USE; /* NULL without memory */
/* Drops one holder; the last one returns it to its worker, or frees it. */
void call_drop(struct http_call *call, bool by_worker);
void call_free(struct http_call *call);
/* Queues what was answered; MHD_NO closes the connection. */
enum MHD_Result call_queue(struct http_call *call) MUST_USE;
void call_force(struct http_call *call);
/* After its handler: suspends the connection of a call that was deferred and is not yet answered,
 * which is then queued when it is resumed. False: there is no need. The worker's. */
bool call_suspend(struct http_call *call);

/* ---- guard.c: what is looked at before a byte of the body is kept; false: it was answered ---- */
bool guard_host(struct http_call *call);
bool guard_origin(struct http_call *call);
bool guard_key(struct http_call *call);
bool guard_query(struct http_call *call); /* http_route.query */
/* Answers OPTIONS, a preflight among them. `allow`: the methods of the path. */
void guard_options(struct http_call *call, const char *allow, bool for_browsers);
enum status guard_prepare(struct http *http, struct error *error) MUST_USE;

/* ---- routes.c ---- */
enum status router_create(struct http_router *router, const char *first_party_path,
                          struct error *error) MUST_USE;
void router_release(struct http_router *router);
/* `allow` (of 64 bytes) gets the methods of the path: "GET, HEAD, OPTIONS". */
enum route_found router_find(const struct http_router *router, struct http_call *call,
                             char allow[64], bool *for_browsers);

/* ---- stream.c ---- */
struct MHD_Response *stream_response(struct http_stream *stream);
void streams_beat(struct http *http);
/* Ends those whose key was revoked. */
void streams_check_keys(struct http *http);
void streams_end(struct http *http);

#endif
