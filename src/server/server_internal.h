/* SPDX-License-Identifier: Apache-2.0 */
/* server/server_internal.h -- what the parts of the server share. */
#ifndef SERVER_SERVER_INTERNAL_H
#define SERVER_SERVER_INTERNAL_H

#include "server/access/access.h"
#include "server/http/http.h"
#include "server/server.h"

struct metrics; /* metrics.h */
struct feed;    /* take/feed.h: what arrived, for the live tail */
struct http;    /* http/daemon.h */
struct lane;    /* lane.h */

struct server {
    struct server_options options;
    struct engine *engine;
    struct access *access;
    struct metrics *metrics;
    struct feed *feed;
    struct http *http;
    struct lane *lane;
};

#endif
