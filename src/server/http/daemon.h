/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/daemon.h -- the sockets: libmicrohttpd with one listening thread a core.
 *
 * Limits of a connection, beside those of server.h. They are measured from the beginning of each
 * step, not from the last byte, so that a client that sends a byte now and then holds nothing for
 * long:
 *   waiting for a request, its head included   patience_s of the options
 *   its body                                   the same again, then 408
 *   reading the answer                         HTTP_SEND_SECONDS
 * A connection whose call is deferred waits for as long as the other thread needs.
 *
 * Threads: one thread starts, ticks and destroys it. */
#ifndef SERVER_HTTP_DAEMON_H
#define SERVER_HTTP_DAEMON_H

#include "server/server.h"

#define HTTP_SEND_SECONDS  120u
#define HTTP_BEAT_SECONDS  15u                  /* a comment to each stream, so that it lives */
#define HTTP_DISCARD_BYTES ((uint64_t)64 << 20) /* of a refused body, read so that it is told */

struct http;
/* Binds, listens and answers from now on. */
enum status http_start(struct http **out, struct server *server, struct error *error) MUST_USE;
/* Could it listen there, under these names? Binds for a moment. */
enum status http_check(const struct server_options *options, struct error *error) MUST_USE;
uint16_t http_port(const struct http *http);
/* Closes connections that are late, and keeps streams alive; once a second. */
void http_tick(struct http *http);
/* Takes no new connection and refuses new requests. At once. */
void http_quiesce(struct http *http);
/* Waits until all that has begun is answered, at most so long. */
void http_drain(struct http *http, uint32_t drain_ms);
/* Waits until no handler runs, which is a moment: handlers don't wait, and after http_quiesce none
 * begins. Then what handlers use may be closed; calls that they deferred may still be answered. */
void http_settle(struct http *http);
/* Closes all connections and ends the threads. Calls that are deferred still are answered with 503;
 * who answers them later must ask them nothing. NULL is allowed. */
void http_destroy(struct http *http);

struct http_route;
uint32_t http_route_count(const struct http *http);
const struct http_route *http_route_at(const struct http *http, uint32_t index);

struct http_load {
    uint64_t connections, calls, deferred, streams, open_bytes;
};
void http_load(struct http *http, struct http_load *out); /* any thread */

#endif
