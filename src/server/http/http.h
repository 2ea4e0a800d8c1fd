/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/http.h -- a request that was read whole, and its answer; which function answers it.
 *
 *   socket ─► head: host, size, route, key ─► body (inflated) ─► handler ─► answer
 *                    │ refused: 4xx at once                        │
 *                    └ before a byte of the body is kept           └ http_defer: answered by any
 *                                                                    thread, suspended until then
 *
 * A handler is called once for each request, by one of the listening threads, with the body whole.
 * It answers before it returns, or says http_defer and has it answered by any thread, now or later:
 * by the applier's completion, for example. A handler never waits: for a sync, for a lock that
 * somebody holds over a disk call, or for another request.
 *
 * Memory: what belongs to a request is taken from its arena and lives until the answer has been
 * sent (HTTP_ARENA_BYTES_MAX; running out of it is a 503). All texts of a call point into it.
 *
 * Every error is a problem document (RFC 9457, application/problem+json): `type` an address of
 * docs/errors.md, `title` what is wrong, `detail` with what to do, `status`; never personal data,
 * and nothing that was sent beyond the name of a field.
 *
 * Status codes mean what clients make of them (they drop a batch for good on 400, 401, 403, 413,
 * and send it again on 429 and 503): 4xx only where sending the same again could never help. */
#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "base/text.h"
#include "event/ids.h"
#include "server/access/access.h"

#define HTTP_ARENA_BYTES_MAX  ((size_t)32 << 20)
#define HTTP_PATH_WORDS_MAX   4            /* {…} of one path */
#define HTTP_RETRY_SECONDS    1            /* Retry-After of a 503 of a full queue */
#define HTTP_STREAM_BYTES_MAX (256u << 10) /* that one slow reader of a stream may be behind */
#define HTTP_STREAMS_MAX      64u

struct server;
struct http_call;

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_METHOD_COUNT };

struct http_route {
    enum http_method method; /* HEAD is answered as GET, OPTIONS by the room itself */
    const char *path;        /* "/v1/customers/{id}/timeline": a word in {} is one segment */
    enum access_right right; /* what the key must be for; ACCESS_NOBODY: no key is asked for */
    /* The body or another place may hold the key, so the handler itself calls http_authorize. */
    bool finds_key;
    bool for_browsers;      /* pages may call it: CORS for the origins of the allow-list */
    bool is_slow;           /* left out of the latency histogram of its kind (streams) */
    uint32_t body_max;      /* bytes as they come; 0: it has none */
    uint32_t body_inflated; /* 0: SERVER_BODY_INFLATED */
    void (*handle)(struct http_call *call);
    /* The parameters of its query, "at,limit": with another one, or with one that can't be decoded,
     * the answer is 400, so that none is left out without a word. NULL: whatever it has. */
    const char *query;
};
/* A table of routes of one part of the room; http/routes.c lists the tables. */
struct http_routes {
    const struct http_route *routes;
    size_t count;
};

/* ---- what was asked; any thread that has the call ---- */
struct server *http_server(const struct http_call *call);
struct arena *http_arena(struct http_call *call);
const struct http_route *http_route_of(const struct http_call *call);
int64_t http_received_ms(const struct http_call *call);
/* Is only the head of a GET's answer asked for? Then nothing may be stored by it. */
bool http_is_head(const struct http_call *call);
/* Percent-decoded, once. Empty where the path has no such word. */
struct text http_path_word(const struct http_call *call, uint32_t index);
/* A parameter of the query, percent-decoded; `at` NULL where it isn't there. */
struct text http_query(struct http_call *call, const char *name);
/* The first header of that name, in any case; `at` NULL where it isn't there. */
struct text http_header(struct http_call *call, const char *name);
/* As it came, and inflated where it was gzip, whatever its Content-Type says. JSON_PADDING bytes
 * behind it may be read, so that json_parse_padded takes it as it is. */
struct text http_body(const struct http_call *call);
struct text http_body_as_sent(const struct http_call *call); /* for signatures over bytes */
/* The scheme, host and path under which the client asked (as a trusted proxy tells it), query
 * included: what Twilio signs. */
struct text http_url(struct http_call *call);
/* The client's address as text, or a trusted proxy's word for it. For rate limits and for nothing
 * that is kept: it is personal data. */
struct text http_peer(const struct http_call *call);
/* The answer is about this customer: the audit tells it. */
void http_about(struct http_call *call, struct customer_id customer);
/* Who asks. Its id is "" where the route asks for no key. */
const struct access_key *http_key(const struct http_call *call);
/* The key of the header Authorization, "Bearer KEY" or "Basic base64(KEY:)"; empty where there is
 * none. For routes with finds_key. */
struct text http_header_key(struct http_call *call);
/* For routes with finds_key: is this a key for the route, within its rate? Where not, the call has
 * been answered (401, 403, 429) and false is returned. */
bool http_authorize(struct http_call *call, struct text key);

/* ---- the answer; once a call ---- */
/* Another thread will answer, or this one, in or after the handler. Call it before the call is
 * handed to the other thread; after that the caller must not touch the call. */
void http_defer(struct http_call *call);
/* Adds a header to the answer that follows. Both are copied into the arena. */
void http_answer_header(struct http_call *call, const char *name, const char *value);
/* `body` must live in the arena or be static. `type`: a Content-Type, such as HTTP_JSON. */
void http_answer(struct http_call *call, unsigned code, const char *type, struct text body);
#define HTTP_JSON    "application/json"
#define HTTP_PLAIN   "text/plain; charset=utf-8"
#define HTTP_PROBLEM "application/problem+json"
/* A problem document: code, a short name that ends its `type` ("queue-full"), and what to do. */
void http_problem(struct http_call *call, unsigned code, const char *name, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* The problem that a status of the engine stands for: INVALID 400, NOT_FOUND 404, LIMIT 413,
 * EXISTS 409, BUSY 503 with Retry-After, READ_ONLY, DISK_FULL and IO 503, NO_MEMORY 503, all else
 * 500 without a word of the inside. */
void http_problem_of(struct http_call *call, enum status status, const struct error *error);
/* A writer of JSON into the arena; http_answer_json sends what was written, 200 unless said. */
struct json_writer *http_json(struct http_call *call);
void http_answer_json(struct http_call *call, unsigned code);

/* ---- an answer without end (server-sent events) ---- */
struct http_stream;
/* Answers 200 with this stream; `closed` is called once, when the client has gone or the server
 * stops, and nothing may be sent afterwards. NULL, and the call answered with 503, where
 * HTTP_STREAMS_MAX are open. */
struct http_stream *http_stream_open(struct http_call *call, const char *type,
                                     void (*closed)(void *context), void *context);
/* Adds bytes; any thread. False where the reader is HTTP_STREAM_BYTES_MAX behind: nothing of these
 * was added, and the caller counts what it left out. */
bool http_stream_send(struct http_stream *stream, struct text bytes);

#endif
