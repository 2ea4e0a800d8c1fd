/* SPDX-License-Identifier: Apache-2.0 */
/* server/log.h -- what the server did, as a line of JSON each, for whoever runs it.
 *
 *   {"time":"2026-11-28T08:14:11.250Z","level":"info","event":"started","text":"…"}
 *
 * No personal data: no identifier, no value of a query, no byte of a body, no address of a client.
 * What a request was is told by its route ("/v1/customers/{id}"). So callers pass only what the
 * program itself made: names of routes and of files, statuses, counts.
 *
 * Lines are written by a thread of their own, so that a slow reader of the log stops nobody. Where
 * more than LOG_WAITING_BYTES wait, lines are left out, and the next line that fits tells how many.
 *
 * Any thread. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdio.h>

#include "base/json.h"
#include "base/log_line.h"

#define LOG_WAITING_BYTES ((size_t)1 << 20)

struct server_log;
enum status server_log_create(struct server_log **out, FILE *file) MUST_USE;
/* Writes what waits. NULL is allowed. */
void server_log_destroy(struct server_log *log);
/* A line with a text. NULL for `log` writes nothing. */
void server_log_say(struct server_log *log, enum log_level level, const char *event,
                    const char *format, ...) PRINTF_LIKE(4, 5);
/* A line with members: begin, json_member_… on the writer, end. The writer is the line's own. */
struct server_log_line {
    struct buffer line;
    struct json_writer writer;
};
struct json_writer *server_log_begin(struct server_log_line *entry, enum log_level level,
                                     const char *event);
void server_log_end(struct server_log *log, struct server_log_line *entry);

#endif
