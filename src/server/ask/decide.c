/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/decide.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "server/ask/body.h"
#include "server/ask/decide_answer.h"
#include "server/ask/question.h"
#include "server/metrics/metrics.h"
#include "server/server_internal.h"

struct decide_batch;

struct decide_request {
    struct decide_batch *batch;
    struct live_ask ask;
    struct live_identifier identifiers[EVENT_IDENTIFIERS_MAX];
    bool with_trace;
    double late_seconds;  /* of the monotonic clock; 0: never */
    uint32_t fallbacks;   /* of the answer */
    struct buffer answer; /* of one of several; one alone is written as the call's JSON */
    enum status status;
    struct error error;
};

struct decide_batch { /* in the call's arena */
    struct http_call *call;
    bool is_list;
    uint32_t count;
    _Atomic uint32_t left; /* unanswered, and one for whoever asks */
    struct decide_request request[];
};

/* ---- answers ---- */

static enum status render(void *caller, const struct live_answer *answer) {
    struct decide_request *request = caller;
    struct json_writer of_list, *writer = &of_list;
    if (request->batch->is_list) {
        buffer_clear(&request->answer);
        json_writer_init(writer, &request->answer, false);
    } else {
        writer = http_json(request->batch->call);
    }
    decide_answer_write(answer, request->with_trace, writer);
    request->fallbacks = decide_answer_fallbacks(answer);
    return json_writer_status(writer);
}

static void write_problem(const struct decide_request *request, struct json_writer *writer) {
    json_write_object_begin(writer);
    json_member_string(writer, "problem", status_name(request->status));
    json_member_string(writer, "detail",
                       request->error.text[0] != '\0' ? request->error.text
                                                      : status_name(request->status));
    json_write_object_end(writer);
}

static enum status join_answers(struct decide_batch *batch, struct buffer *out) {
    enum status status = buffer_append_text(out, TEXT("{\"answers\":["));
    for (uint32_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        const struct decide_request *request = &batch->request[i];
        struct json_writer writer;
        if (i > 0) status = buffer_append_text(out, TEXT(","));
        json_writer_init(&writer, out, false);
        if (status == STATUS_OK && request->status == STATUS_OK)
            status = buffer_append_text(out, buffer_text(&request->answer));
        else if (status == STATUS_OK)
            write_problem(request, &writer);
    }
    return status == STATUS_OK ? buffer_append_text(out, TEXT("]}")) : status;
}

static void answer_list(struct decide_batch *batch) {
    struct http_call *call = batch->call;
    struct buffer all;
    struct text kept = {0};
    uint32_t count = batch->count;
    buffer_init(&all);
    enum status status = join_answers(batch, &all);
    bool is_kept = status == STATUS_OK && body_keep(call, buffer_text(&all), &kept);
    for (uint32_t i = 0; i < count; i++) buffer_release(&batch->request[i].answer);
    buffer_release(&all);
    if (is_kept)
        http_answer(call, 200, HTTP_JSON, kept);
    else if (status != STATUS_OK)
        http_problem_of(call, status, NULL);
}

static void answer_batch(struct decide_batch *batch) {
    const struct decide_request *first = &batch->request[0];
    if (batch->is_list)
        answer_list(batch);
    else if (first->status == STATUS_OK)
        http_answer_json(batch->call, 200);
    else
        http_problem_of(batch->call, first->status, &first->error);
}

static void one_less(struct decide_batch *batch) {
    if (atomic_fetch_sub_explicit(&batch->left, 1, memory_order_acq_rel) == 1) answer_batch(batch);
}

static void answered(void *caller, enum status status, const struct error *error) {
    struct decide_request *request = caller;
    request->status = status;
    if (status != STATUS_OK)
        request->error = *error;
    else if (request->fallbacks > 0)
        metrics_add(http_server(request->batch->call)->metrics, METRICS_DECISIONS_FALLBACK,
                    request->fallbacks);
    one_less(request->batch);
}

static bool is_late(void *caller) {
    const struct decide_request *request = caller;
    return clock_monotonic_seconds() > request->late_seconds;
}

/* ---- questions ---- */

static bool read_identifiers(struct http_call *call, struct json_node node, const char *where,
                             struct decide_request *request) {
    struct json_iterator it = json_begin(node);
    while (json_next(&it)) {
        if (request->ask.identifier_count == EVENT_IDENTIFIERS_MAX) {
            http_problem(call, 400, "invalid", "%sidentifiers: at most %u of them", where,
                         (unsigned)EVENT_IDENTIFIERS_MAX);
            return false;
        }
        enum json_type type = json_type(it.node);
        if (type == JSON_NULL) continue;
        if (type != JSON_TEXT && type != JSON_NUMBER) {
            http_problem(call, 400, "invalid",
                         "%sidentifiers: each must be a text, as in {\"email\": \"…\"}", where);
            return false;
        }
        request->identifiers[request->ask.identifier_count++] = (struct live_identifier){
            it.key, type == JSON_TEXT ? json_text(it.node) : json_number_text(it.node)};
    }
    return true;
}

/* ["home_banner", "side_bar"] as the text "home_banner,side_bar". */
static bool read_placements(struct http_call *call, struct json_node list, const char *where,
                            struct decide_request *request) {
    char *out = arena_alloc(http_arena(call), DECISION_PLACEMENT_BYTES_MAX + 1);
    uint32_t length = 0;
    if (out == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return false;
    }
    for (struct json_iterator it = json_begin(list); json_next(&it);) {
        struct text name = json_text(it.node);
        if (json_type(it.node) != JSON_TEXT || name.length == 0 ||
            memchr(name.at, ',', name.length) != NULL ||
            length + name.length + 1 > DECISION_PLACEMENT_BYTES_MAX) {
            http_problem(call, 400, "invalid",
                         "%splacements must be names of placements, %d bytes in all", where,
                         DECISION_PLACEMENT_BYTES_MAX);
            return false;
        }
        if (length > 0) out[length++] = ',';
        memcpy(out + length, name.at, name.length);
        length += name.length;
    }
    request->ask.placement = (struct text){out, length};
    return true;
}

static bool read_count(struct http_call *call, struct json_node node, const char *where,
                       uint32_t *out) {
    int64_t count;
    bool ok = json_integer(node, &count) && count >= 1 && count <= PLACEMENT_SLOTS_MAX;
    if (ok) *out = (uint32_t)count;
    if (!ok)
        http_problem(call, 400, "invalid", "%scount must be a whole number from 1 to %d", where,
                     PLACEMENT_SLOTS_MAX);
    return ok;
}

static bool read_time(struct http_call *call, struct json_node node, const char *where,
                      struct decide_request *request) {
    enum status status = time_parse(json_text(node), NULL, &request->ask.t_ms);
    if (status == STATUS_OK && !request->ask.records) return true;
    http_problem(call, 400, "invalid",
                 status != STATUS_OK ? "%sat is no time; write 2026-05-01T14:00:00Z"
                                     : "%sat asks as of another time: say \"record\": false, too",
                 where);
    return false;
}

/* So long after it came in the answer is of no use. */
static bool read_timeout(struct http_call *call, struct json_node node, const char *where,
                         struct decide_request *request) {
    int64_t ms;
    if (json_integer(node, &ms) && ms >= 1 && ms <= 60000) {
        request->late_seconds = clock_monotonic_seconds() + (double)ms / 1000;
        request->ask.is_late = is_late;
        return true;
    }
    http_problem(call, 400, "invalid", "%stimeout_ms must be a whole number from 1 to 60000",
                 where);
    return false;
}

struct request_nodes {
    struct json_node customer, identifiers, placement, placements, context, count, record, durable,
        at, timeout, trace;
    bool has_customer, has_identifiers, has_placement, has_placements, has_context, has_count,
        has_record, has_durable, has_at, has_timeout, has_trace;
};

static bool read_nodes(struct http_call *call, struct json_node node, const char *where,
                       struct request_nodes *out) {
    const struct body_member members[] = {
        {"customer", JSON_TEXT, false, &out->customer, &out->has_customer},
        {"identifiers", JSON_OBJECT, false, &out->identifiers, &out->has_identifiers},
        {"placement", JSON_TEXT, false, &out->placement, &out->has_placement},
        {"placements", JSON_ARRAY, false, &out->placements, &out->has_placements},
        {"context", JSON_OBJECT, false, &out->context, &out->has_context},
        {"count", JSON_NUMBER, false, &out->count, &out->has_count},
        {"record", JSON_YES_NO, false, &out->record, &out->has_record},
        {"durable", JSON_YES_NO, false, &out->durable, &out->has_durable},
        {"at", JSON_TEXT, false, &out->at, &out->has_at},
        {"timeout_ms", JSON_NUMBER, false, &out->timeout, &out->has_timeout},
        {"trace", JSON_YES_NO, false, &out->trace, &out->has_trace},
    };
    if (!body_read(call, node, where, members, sizeof members / sizeof *members)) return false;
    bool has_customer = out->has_customer && json_text(out->customer).length > 0;
    if (has_customer == out->has_identifiers || out->has_customer != has_customer) {
        http_problem(call, 400, "invalid",
                     "%ssay who it is for: either \"customer\" (\"email:ann@a.example\") or "
                     "\"identifiers\" ({\"cookie\": \"…\"})",
                     where);
        return false;
    }
    if (!out->has_placement || !out->has_placements) return true;
    http_problem(call, 400, "invalid", "%ssay placement or placements, not both", where);
    return false;
}

static bool read_request(struct http_call *call, struct json_node node, const char *where,
                         struct decide_request *request) {
    struct request_nodes nodes = {0};
    struct live_ask *ask = &request->ask;
    if (!read_nodes(call, node, where, &nodes)) return false;
    ask->records = !nodes.has_record || json_yes(nodes.record);
    ask->waits_until_durable = nodes.has_durable && json_yes(nodes.durable);
    request->with_trace = nodes.has_trace && json_yes(nodes.trace);
    if (nodes.has_customer) ask->customer = json_text(nodes.customer);
    if (nodes.has_placement) ask->placement = json_text(nodes.placement);
    ask->identifiers = request->identifiers;
    return (!nodes.has_identifiers || read_identifiers(call, nodes.identifiers, where, request)) &&
           (!nodes.has_placements || read_placements(call, nodes.placements, where, request)) &&
           (!nodes.has_count || read_count(call, nodes.count, where, &ask->count)) &&
           (!nodes.has_at || read_time(call, nodes.at, where, request)) &&
           (!nodes.has_timeout || read_timeout(call, nodes.timeout, where, request)) &&
           (!nodes.has_context || body_keep(call, json_raw_text(nodes.context), &ask->context));
}

static struct decide_batch *new_batch(struct http_call *call, const struct body_items *items) {
    size_t bytes = sizeof(struct decide_batch) + items->count * sizeof(struct decide_request);
    struct decide_batch *batch = arena_alloc(http_arena(call), bytes);
    if (batch == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return NULL;
    }
    batch->call = call;
    batch->is_list = items->is_list;
    batch->count = items->count;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct decide_request *request = &batch->request[i];
        *request = (struct decide_request){.batch = batch};
        request->ask.render = render;
        request->ask.answered = answered;
        request->ask.caller = request;
        buffer_init(&request->answer);
    }
    return batch;
}

static struct decide_batch *read_batch(struct http_call *call) {
    struct body_items items;
    struct json_node node;
    if (!body_items(call, "requests", DECIDE_REQUESTS_MAX, &items)) return NULL;
    struct decide_batch *batch = new_batch(call, &items);
    for (uint32_t i = 0; batch != NULL && body_items_next(&items, &node); i++)
        if (!read_request(call, node, items.where, &batch->request[i])) return NULL;
    return batch;
}

void decide_post(struct http_call *call) {
    struct engine *engine = http_server(call)->engine;
    struct decide_batch *batch = read_batch(call);
    if (batch == NULL) return;
    atomic_init(&batch->left, batch->count + 1);
    http_defer(call);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct decide_request *request = &batch->request[i];
        struct error error = {0};
        /* Where it is taken, `answered` may have come already, and has set the status. */
        enum status status = live_decide(engine, &request->ask, &error);
        if (status != STATUS_OK) answered(request, status, &error);
    }
    one_less(batch);
}
