/* SPDX-License-Identifier: Apache-2.0 */
/* server/metrics/metrics_routes.h -- GET /metrics: text format 0.0.4 of Prometheus. */
#ifndef SERVER_METRICS_METRICS_ROUTES_H
#define SERVER_METRICS_METRICS_ROUTES_H

#include "server/http/http.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct http_routes metrics_routes(void);
/* Writes all series of the server into `out`. */
enum status metrics_expose(struct server *server, struct buffer *out) MUST_USE;

#endif
