/* SPDX-License-Identifier: Apache-2.0 */
/* server/server_internal.h -- what the parts of the server share. */
#ifndef SERVER_SERVER_INTERNAL_H
#define SERVER_SERVER_INTERNAL_H

#include "server/access/access.h"
#include "server/health/health.h"
#include "server/http/http.h"
#include "server/server.h"

struct audit;       /* audit/audit.h */
struct metrics;     /* metrics/metrics.h */
struct feed;        /* take/feed.h: what arrived, for the live tail */
struct engine_live; /* engine/live/live_ingest.h */
struct http;        /* http/daemon.h */
struct lane;        /* lane.h */
struct reload;      /* reload/reload.h */
struct server_log;  /* log.h */

struct server {
    struct server_options options;
    struct engine *engine;
    struct access *access;
    struct audit *audit;
    struct metrics *metrics;
    struct feed *feed;
    struct engine_live *live;
    struct http *http;
    struct lane *lane;
    struct learning *learning;
    struct control *control; /* NULL: no commands are taken */
    struct reload *reload;
    struct server_log *log;
    struct health health;
    int64_t started_ms;
    int wake; /* an eventfd: server_run has something to do */
    _Atomic bool is_stopped;
};

/* Wakes server_run's thread, which then looks what there is to do. Any thread; safe in a signal
 * handler. */
void server_wake(struct server *server);

#endif
