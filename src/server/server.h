/* SPDX-License-Identifier: Apache-2.0 */
/* server/server.h -- attune serve: one process over one data directory that takes events and gives
 * decisions over HTTP.
 *
 *                    ┌────────────── server ───────────────────────────────────────┐
 *   browser, SDK ───►│ http/    one listening thread a core: a request read whole,  │
 *   shop, agent      │    │     its host, its size and its key checked              │
 *                    │    ▼                                                         │
 *                    │ routes ─► take/    events: Segment's calls, webhooks         │──► applier
 *                    │        ─► ask/     decisions, outcomes, customers, flags     │──► views
 *                    │        ─► control/ what the command line asks of us, by a    │──► applier,
 *                    │                    socket in the data directory              │    jobs
 *                    │        ─► health, metrics, the OpenAPI document              │
 *                    │ feed ◄── what arrived, what was quarantined: live tail       │
 *                    └──────────────────────────────────────────────────────────────┘
 *
 * The server owns the engine's handle for as long as it runs. HTTP threads never wait for the disk:
 * a request whose answer depends on a sync is suspended, and the applier's completion answers it.
 *
 * Stopping: server_stop is heard at once; the server then takes no new request, answers all that it
 * has begun, waits at most `drain_ms` for that, syncs, and closes. What was acknowledged is durable
 * whatever happens meanwhile.
 *
 * Threads: one thread starts, runs and destroys the server. server_stop and server_reload may be
 * called by a signal handler. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdio.h>

#include "engine/engine.h"
#include "server/control.h"

#define SERVER_PORT        8420u
#define SERVER_DRAIN_MS    10000u
#define SERVER_HOSTS_MAX   16u
#define SERVER_ORIGINS_MAX 64u
#define SERVER_CONNECTIONS 4096u /* open at once; beyond them new ones are closed */
/* In which a client must have sent the head of a request, then its body; a connection that says
 * nothing is closed. */
#define SERVER_PATIENCE_SECONDS 60u
#define SERVER_HEADER_BYTES     16384u       /* of one request's head */
#define SERVER_BODY_BYTES       (4u << 20)   /* of one body as it comes */
#define SERVER_BODY_INFLATED    (16u << 20)  /* of one body after gunzip */
#define SERVER_OPEN_BYTES       (256u << 20) /* of all bodies that are being read or worked on */

struct server_options {
    const char *directory;
    const char
        *playbook_file;  /* NULL: the one in force; else put in force, and again on a reload */
    const char *address; /* NULL: 127.0.0.1 */
    uint16_t port;       /* 0: any free one; server_port tells it */
    uint32_t threads;    /* that listen; 0: one a core, at most 16 */
    /* Names under which it may be asked, beside the address itself and localhost: a request with
     * another Host is refused, so that a page can't reach it by a name of its own (DNS rebinding).
     */
    const char *const *hosts;
    size_t host_count;
    /* Origins of pages that may send events: "https://shop.example". Others get no CORS headers,
     * and what they send is refused. */
    const char *const *origins;
    size_t origin_count;
    /* The proxy in front: X-Forwarded-For and X-Forwarded-Proto are believed from this address
     * only. NULL: nobody's. */
    const char *proxy;
    /* The path under which the script of a browser SDK and its settings are served beside the usual
     * ones, such as "/assets/x1"; NULL: none. */
    const char *first_party_path;
    /* Runs commands of the command line that are handed over (control.h). NULL: none are taken. */
    control_run_fn run_command;
    uint32_t connections_max; /* 0: SERVER_CONNECTIONS */
    uint32_t drain_ms;        /* 0: SERVER_DRAIN_MS */
    uint32_t patience_s;      /* 0: SERVER_PATIENCE_SECONDS */
    FILE *log;                /* JSON lines; NULL: stderr */
    bool log_requests;        /* a line a request; else only what is out of the ordinary */
    struct playbook_errors *playbook_errors; /* may be NULL */
};

struct server;
/* Opens the directory, checks all that can be checked, and listens: from now on requests are
 * answered. On failure nothing is left behind. */
enum status server_start(struct server **out, const struct server_options *options,
                         struct error *error) MUST_USE;
uint16_t server_port(const struct server *server);
/* Waits until somebody stops it, and stops. STATUS_OK; STATUS_IO where a sync failed, so that the
 * directory must be opened anew. */
enum status server_run(struct server *server, struct error *error) MUST_USE;
void server_stop(struct server *server);    /* any thread; safe in a signal handler */
void server_reload(struct server *server);  /* the playbook's file is read again; the same */
void server_destroy(struct server *server); /* NULL is allowed */

/* Says what would be wrong before it starts: one call of `tell` for each finding, `is_error` where
 * it would not start. STATUS_OK where it would. */
enum status server_check(const struct server_options *options,
                         void (*tell)(void *context, bool is_error, const char *text),
                         void *context, struct error *error) MUST_USE;

#endif
