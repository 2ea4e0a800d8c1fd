/* SPDX-License-Identifier: Apache-2.0 */
/* One request: its target, its head, its body, its handler, its end. */
#include "base/time.h"
#include "server/http/http_internal.h"
#include "server/metrics/metrics.h"

/* Called with the request line; what is returned is the request's own from then on. NULL where
 * memory is short: the handler then closes the connection. */
void *request_target(void *context, const char *raw, struct MHD_Connection *connection) {
    struct http *http = context;
    struct http_connection *link = connection_of(connection);
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
        http_library.get_connection_info(call->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
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

/* Two lengths: a proxy in front may believe the other one, and take the rest for a request. */
static bool guard_one_length(struct http_call *call) {
    if (http_header(call, "Transfer-Encoding").at == NULL ||
        http_header(call, "Content-Length").at == NULL)
        return true;
    call->closes = true;
    http_problem(call, 400, "length", "A body comes in chunks or with a length, not with both.");
    return false;
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
    bool goes_on = guard_one_length(call) && guard_head_size(call) && read_target(call) &&
                   guard_host(call) && guard_stopping(call) && find_route(call, method) &&
                   guard_origin(call) && guard_key(call) && guard_length(call, announced) &&
                   guard_encoding(call);
    call->is_refused = !goes_on;
}

/* A body that is refused is read and thrown away, so that the client, which may still be sending,
 * gets to read why. A very long one is cut off. */
static enum MHD_Result begin(struct http_call *call, const char *method) {
    call->has_begun = true;
    call->begun_s = clock_monotonic_seconds();
    call->received_ms = clock_now_ms();
    atomic_store_explicit(&call->link->deadline_ms, http_clock_ms() + call->http->patience_ms,
                          memory_order_relaxed);
    atomic_store_explicit(&call->link->is_reading_body, true, memory_order_relaxed);
    uint64_t announced = announced_bytes(call);
    judge_head(call, method, announced);
    bool waits = http_header(call, "Expect").at != NULL;
    if (!call->is_refused || announced == 0) return MHD_YES;
    bool is_endless = announced != UINT64_MAX && announced > HTTP_DISCARD_BYTES;
    if (!waits && !is_endless && !call->closes) return MHD_YES;
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
 * the mark, or the handler is not called. True: the call waits for its answer. */
static bool run_handler(struct http_call *call) {
    _Atomic uint32_t *runs = &call->worker->runs_handler;
    bool waits = false;
    atomic_store(runs, 1);
    if (guard_stopping(call)) {
        atomic_store_explicit(&call->state, CALL_RUNNING, memory_order_relaxed);
        if (guard_query(call)) call->route->handle(call);
        waits = call_suspend(call);
    }
    atomic_store_explicit(runs, 0, memory_order_release);
    return waits;
}

static enum MHD_Result run(struct http_call *call) {
    atomic_store_explicit(&call->link->is_reading_body, false, memory_order_relaxed);
    atomic_store_explicit(&call->link->deadline_ms, 0, memory_order_relaxed);
    if (!call->is_refused && inflate_body(call)) {
        if (run_handler(call)) return MHD_YES; /* it is queued when it is resumed */
        if (atomic_load_explicit(&call->state, memory_order_acquire) == CALL_RUNNING)
            http_problem(call, 500, "internal", "The server failed; its log says more.");
    }
    return call_queue(call);
}

enum MHD_Result request_go_on(void *context, struct MHD_Connection *connection, const char *url,
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

void request_end(void *context, struct MHD_Connection *connection, void **own,
                 enum MHD_RequestTerminationCode why) {
    struct http_call *call = *own;
    (void)context;
    (void)connection;
    (void)why;
    *own = NULL;
    if (call == NULL) return;
    if (call->has_begun && call->code == 0)
        metrics_add(call->http->server->metrics, METRICS_REQUEST_ABORTED, 1);
    struct http_connection *link = call->link;
    struct http_worker *worker = link->worker;
    pthread_mutex_lock(&worker->lock);
    link->suspended = NULL;
    pthread_mutex_unlock(&worker->lock);
    give_back_bytes(call);
    connection_await_request(link);
    atomic_fetch_sub_explicit(&worker->open_calls, 1, memory_order_release);
    call_drop(call, true);
}
