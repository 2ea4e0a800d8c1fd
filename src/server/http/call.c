/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/time.h"
#include "server/audit/audit.h"
#include "server/http/http_internal.h"
#include "server/log.h"
#include "server/metrics/metrics.h"

/* ---- a call's life ---- */

static void call_init(struct http_call *call, struct http_worker *worker) {
    *call = (struct http_call){.http = worker->http, .worker = worker};
    arena_init(&call->arena, HTTP_ARENA_BYTES_MAX);
    buffer_init(&call->body);
    buffer_init(&call->inflated);
    buffer_init(&call->json);
}

struct http_call *call_take(struct http_worker *worker) {
    struct http_call *call = worker->free_calls;
    if (call != NULL) {
        worker->free_calls = call->next_free;
        worker->free_count--;
    } else {
        call = memory_alloc(sizeof *call);
        if (call == NULL) return NULL;
        call_init(call, worker);
    }
    atomic_store_explicit(&call->state, CALL_READING, memory_order_relaxed);
    atomic_store_explicit(&call->holders, 1, memory_order_relaxed);
    return call;
}

void call_free(struct http_call *call) {
    arena_release(&call->arena);
    buffer_release(&call->body);
    buffer_release(&call->inflated);
    buffer_release(&call->json);
    memory_free(call);
}

static void buffer_forget(struct buffer *buffer) {
    buffer_clear(buffer);
    if (buffer->capacity > HTTP_KEPT_BYTES) buffer_release(buffer);
}

/* Memory is kept for the next request, but not that of a large one. */
static void call_clear(struct http_call *call) {
    struct arena arena = call->arena;
    struct buffer body = call->body, inflated = call->inflated, json = call->json;
    if (arena.used_bytes > HTTP_KEPT_BYTES)
        arena_release(&arena);
    else
        arena_clear(&arena);
    buffer_forget(&body);
    buffer_forget(&inflated);
    buffer_forget(&json);
    *call = (struct http_call){.http = call->http,
                               .worker = call->worker,
                               .arena = arena,
                               .body = body,
                               .inflated = inflated,
                               .json = json};
}

void call_drop(struct http_call *call, bool by_worker) {
    struct http_worker *worker = call->worker;
    if (atomic_fetch_sub_explicit(&call->holders, 1, memory_order_acq_rel) != 1) return;
    if (!by_worker || worker->free_count >= HTTP_KEPT_CALLS) {
        call_free(call);
        return;
    }
    call_clear(call);
    call->next_free = worker->free_calls;
    worker->free_calls = call;
    worker->free_count++;
}

/* ---- what was asked ---- */

struct server *http_server(const struct http_call *call) {
    return call->http->server;
}

struct arena *http_arena(struct http_call *call) {
    return &call->arena;
}

const struct http_route *http_route_of(const struct http_call *call) {
    return call->route;
}

bool http_is_head(const struct http_call *call) {
    return call->is_head;
}

int64_t http_received_ms(const struct http_call *call) {
    return call->received_ms;
}

void http_about(struct http_call *call, struct customer_id customer) {
    call->about = customer.value + 1; /* ID_NONE becomes nobody */
}

struct text http_path_word(const struct http_call *call, uint32_t index) {
    return index < HTTP_PATH_WORDS_MAX ? call->words[index] : (struct text){0};
}

struct text http_query(struct http_call *call, const char *name) {
    return target_query(&call->target, name, &call->arena, NULL);
}

struct text http_header(struct http_call *call, const char *name) {
    const char *value = NULL;
    size_t length = 0;
    if (http_library.lookup_connection_value_n(call->connection, MHD_HEADER_KIND, name,
                                               strlen(name), &value, &length) == MHD_NO ||
        value == NULL)
        return (struct text){0};
    return (struct text){value, (uint32_t)length};
}

struct text http_body(const struct http_call *call) {
    return call->has_inflated ? buffer_text(&call->inflated) : buffer_text(&call->body);
}

struct text http_body_as_sent(const struct http_call *call) {
    return buffer_text(&call->body);
}

struct last_header {
    struct text name, value;
};

static enum MHD_Result see_header(void *context, enum MHD_ValueKind kind, const char *key,
                                  size_t key_length, const char *value, size_t length) {
    struct last_header *last = context;
    (void)kind;
    if (value != NULL &&
        text_equal_ignoring_case((struct text){key, (uint32_t)key_length}, last->name))
        last->value = (struct text){value, (uint32_t)length};
    return MHD_YES;
}

/* What the proxy in front says. Some proxies add a line of their own behind that of the client, so
 * the last one counts. Empty where no proxy is believed. */
static struct text said_by_proxy(const struct http_call *call, const char *name) {
    struct last_header last = {.name = text_from(name)};
    if (call->link->is_proxy)
        (void)http_library.get_connection_values_n(call->connection, MHD_HEADER_KIND, see_header,
                                                   &last);
    return last.value;
}

static struct text scheme_of(struct http_call *call) {
    struct text proto = said_by_proxy(call, "X-Forwarded-Proto");
    return text_equal_ignoring_case(proto, TEXT("https")) ? TEXT("https") : TEXT("http");
}

struct text http_url(struct http_call *call) {
    struct text scheme = scheme_of(call), raw = call->target.raw;
    struct text host = call->target.host.at != NULL ? call->target.host : http_header(call, "Host");
    char *url = arena_format(&call->arena, "%.*s://%.*s%.*s", TEXT_ARG(scheme), TEXT_ARG(host),
                             TEXT_ARG(raw));
    return url != NULL ? text_from(url) : (struct text){0};
}

/* The last address that X-Forwarded-For names is the one that the proxy itself saw; what stands
 * before it is whatever the client sent. */
static struct text last_forwarded(struct text header) {
    uint32_t start = header.length;
    while (start > 0 && header.at[start - 1] != ',') start--;
    return text_trim((struct text){header.at + start, header.length - start});
}

struct text http_peer(const struct http_call *call) {
    struct text peer = last_forwarded(said_by_proxy(call, "X-Forwarded-For"));
    if (peer.length > 0 && peer.length < INET6_ADDRSTRLEN) return peer;
    return (struct text){call->link->peer, call->link->peer_length};
}

const struct access_key *http_key(const struct http_call *call) {
    return &call->key;
}

/* ---- the answer ---- */

void http_defer(struct http_call *call) {
    assert(atomic_load(&call->state) == CALL_RUNNING);
    atomic_store_explicit(&call->holders, 2, memory_order_relaxed);
    atomic_store_explicit(&call->state, CALL_DEFERRED, memory_order_release);
}

/* Moves on from one state or from the other; returns the state that it was in. */
static uint32_t move_on(struct http_call *call, uint32_t from, uint32_t to, uint32_t other_from,
                        uint32_t other_to) {
    uint32_t state = from;
    while (!atomic_compare_exchange_weak(&call->state, &state, state == from ? to : other_to) &&
           (state == from || state == other_from)) {
    }
    return state;
}

static void resume(struct http *http, struct MHD_Connection *connection) {
    http_library.resume_connection(connection);
    atomic_fetch_sub(&http->suspended, 1);
}

bool call_suspend(struct http_call *call) {
    struct http_worker *worker = call->worker;
    uint32_t state = atomic_load_explicit(&call->state, memory_order_acquire);
    if (state != CALL_DEFERRED && state != CALL_CLAIMED) return false;
    atomic_fetch_add(&call->http->suspended, 1);
    http_library.suspend_connection(call->connection);
    pthread_mutex_lock(&worker->lock);
    call->link->suspended = call;
    state = move_on(call, CALL_DEFERRED, CALL_SUSPENDED, CALL_CLAIMED, CALL_CLAIMED_SUSPENDED);
    pthread_mutex_unlock(&worker->lock);
    if (state == CALL_ANSWERED) resume(call->http, call->connection);
    return true;
}

void http_answer_header(struct http_call *call, const char *name, const char *value) {
    struct answer_header *header = arena_alloc(&call->arena, sizeof *header);
    char *name_copy = arena_format(&call->arena, "%s", name);
    char *value_copy = arena_format(&call->arena, "%s", value);
    if (header == NULL || name_copy == NULL || value_copy == NULL) return;
    *header = (struct answer_header){call->headers, name_copy, value_copy};
    call->headers = header;
}

static void set_answer(struct http_call *call, unsigned code, const char *type, struct text body) {
    call->code = code;
    call->type = type;
    call->answer = body;
}

/* By any thread. The worker does not look at the call before it is answered; after that it is the
 * worker's alone. */
static void answer_deferred(struct http_call *call, unsigned code, const char *type,
                            struct text body) {
    struct http *http = call->http;
    struct MHD_Connection *connection = call->connection;
    uint32_t state =
        move_on(call, CALL_DEFERRED, CALL_CLAIMED, CALL_SUSPENDED, CALL_CLAIMED_SUSPENDED);
    if (state == CALL_FORCED) {
        call_drop(call, false); /* too late */
        return;
    }
    set_answer(call, code, type, body);
    call_drop(call, false); /* never the last holder: the worker is one until it has sent */
    state = atomic_exchange_explicit(&call->state, CALL_ANSWERED, memory_order_acq_rel);
    if (state == CALL_CLAIMED_SUSPENDED) resume(http, connection);
}

void http_answer(struct http_call *call, unsigned code, const char *type, struct text body) {
    uint32_t state = atomic_load_explicit(&call->state, memory_order_acquire);
    if (state == CALL_DEFERRED || state == CALL_SUSPENDED || state == CALL_FORCED) {
        answer_deferred(call, code, type, body);
        return;
    }
    assert(state == CALL_READING || state == CALL_RUNNING);
    set_answer(call, code, type, body);
    atomic_store_explicit(&call->state, CALL_ANSWERED, memory_order_release);
}

/* The server stops. Under the worker's lock, so that the call lives. */
void call_force(struct http_call *call) {
    uint32_t suspended = CALL_SUSPENDED;
    if (atomic_compare_exchange_strong(&call->state, &suspended, CALL_FORCED))
        resume(call->http, call->connection);
}

struct json_writer *http_json(struct http_call *call) {
    buffer_clear(&call->json);
    json_writer_init(&call->writer, &call->json, false);
    return &call->writer;
}

void http_answer_json(struct http_call *call, unsigned code) {
    if (json_writer_status(&call->writer) != STATUS_OK) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return;
    }
    http_answer(call, code, HTTP_JSON, buffer_text(&call->json));
}

/* ---- queueing it ---- */

static const char stopping[] =
    "{\"type\":\"docs/errors.md#stopping\",\"title\":\"stopping\",\"status\":503,"
    "\"detail\":\"The server stops; send the same again, in a moment.\"}";

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
    (void)http_library.add_response_header(response, name,
                                           value); /* without memory it is left out */
}

static void add_origin(struct http_call *call, struct MHD_Response *response) {
    if (call->origin.at == NULL) return;
    char *origin = arena_format(&call->arena, "%.*s", TEXT_ARG(call->origin));
    if (origin == NULL) return;
    add_header(response, "Access-Control-Allow-Origin", origin);
    add_header(response, "Access-Control-Allow-Credentials", "true");
    add_header(response, "Access-Control-Expose-Headers", "Retry-After, ETag");
    add_header(response, "Vary", "Origin");
}

static bool has_header(const struct http_call *call, const char *name) {
    const struct answer_header *header = call->headers;
    while (header != NULL && !text_equal_ignoring_case(text_from(header->name), text_from(name)))
        header = header->next;
    return header != NULL;
}

static void add_headers(struct http_call *call, struct MHD_Response *response) {
    if (call->type != NULL) add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, call->type);
    for (const struct answer_header *header = call->headers; header != NULL; header = header->next)
        add_header(response, header->name, header->value);
    if (!has_header(call, "Cache-Control")) add_header(response, "Cache-Control", "no-store");
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_origin(call, response);
    if (call->closes || atomic_load_explicit(&call->http->is_stopping, memory_order_relaxed))
        add_header(response, "Connection", "close");
}

static struct MHD_Response *make_response(struct http_call *call) {
    if (call->stream != NULL) return stream_response(call->stream);
    /* libmicrohttpd only reads it, but takes no const. */
    union {
        const char *at;
        void *bytes;
    } body = {.at = call->answer.at != NULL ? call->answer.at : ""};
    return http_library.create_response_from_buffer(call->answer.length, body.bytes,
                                                    MHD_RESPMEM_PERSISTENT);
}

/* Under load many requests get a 503: one a second is logged, and /metrics counts all. */
static bool is_news(const struct http_call *call) {
    struct http *http = call->http;
    if (http->server->options.log_requests || call->code != 503) return true;
    int64_t second = call->received_ms / TIME_SECOND_MS;
    return atomic_exchange_explicit(&http->busy_second, second, memory_order_relaxed) != second;
}

/* What was out of the ordinary is logged, and all where it was asked for. */
static void log_answer(const struct http_call *call, double seconds) {
    struct server *server = call->http->server;
    struct server_log_line line;
    if ((!server->options.log_requests && call->code < 500) || !is_news(call)) return;
    struct json_writer *writer =
        server_log_begin(&line, call->code < 500 ? LOG_INFO : LOG_WARNING, "request");
    json_member_string(writer, "route", call->route != NULL ? call->route->path : "none");
    json_member_count(writer, "code", call->code);
    json_member_number(writer, "milliseconds", round(seconds * 1e6) / 1000);
    json_member_count(writer, "body_bytes", call->body.length);
    json_member_count(writer, "answer_bytes", call->answer.length);
    json_member_text_or_null(writer, "key", text_from(call->key.id));
    server_log_end(server->log, &line);
}

/* What was asked about one customer, and what changed anything, stands by itself; the rest is in a
 * sum. */
static void audit_answer(const struct http_call *call) {
    static const char *const methods[HTTP_METHOD_COUNT] = {"GET", "POST", "PUT", "DELETE"};
    const struct http_route *route = call->route;
    struct audit_entry entry = {
        .at_ms = call->received_ms, .customer = {call->about - 1}, .code = call->code};
    if (route == NULL || route->right == ACCESS_NOBODY) return;
    memcpy(entry.key, call->key.id, sizeof entry.key);
    snprintf(entry.did, sizeof entry.did, "%s %s", methods[route->method], route->path);
    bool changes = route->right == ACCESS_ADMIN && route->method != HTTP_GET;
    bool sums = call->code >= 400 || (call->about == 0 && !changes);
    audit_note(call->http->server->audit, &entry, sums);
}

static void tell_answer(const struct http_call *call) {
    struct metrics *metrics = call->http->server->metrics;
    double seconds = clock_monotonic_seconds() - call->begun_s;
    bool is_timed = call->route == NULL || !call->route->is_slow;
    metrics_add_request(metrics, call->route != NULL ? call->route_index : METRICS_NO_ROUTE,
                        call->code, is_timed ? seconds : -1);
    metrics_add(metrics, METRICS_BODY_BYTES, call->body.length);
    metrics_add(metrics, METRICS_ANSWER_BYTES, call->answer.length);
    log_answer(call, seconds);
    audit_answer(call);
}

enum MHD_Result call_queue(struct http_call *call) {
    if (atomic_load_explicit(&call->state, memory_order_acquire) == CALL_FORCED) {
        call->headers = NULL;
        set_answer(call, 503, HTTP_PROBLEM, TEXT(stopping));
        /* The state stays: who answers late must see it. */
    } else {
        atomic_store_explicit(&call->state, CALL_QUEUED, memory_order_relaxed);
    }
    struct MHD_Response *response = make_response(call);
    if (response == NULL) return MHD_NO;
    add_headers(call, response);
    int64_t wait_ms = call->stream != NULL ? 0 : HTTP_SEND_SECONDS * TIME_SECOND_MS;
    atomic_store_explicit(&call->link->deadline_ms, wait_ms > 0 ? http_clock_ms() + wait_ms : 0,
                          memory_order_relaxed);
    enum MHD_Result result = http_library.queue_response(call->connection, call->code, response);
    http_library.destroy_response(response);
    tell_answer(call);
    return result;
}
