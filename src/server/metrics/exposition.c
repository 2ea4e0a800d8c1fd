/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics. Each family is written whole: HELP, TYPE, then its series, as the format asks. */
#include <stdarg.h>
#include <stdio.h>

#include "base/time.h"
#include "engine/applier.h"
#include "engine/live/live_decision.h"
#include "server/health/health.h"
#include "server/http/daemon.h"
#include "server/metrics/metrics.h"
#include "server/metrics/metrics_routes.h"
#include "server/server_internal.h"
#include "server/take/feed.h"

struct exposing {
    struct server *server;
    struct buffer *out;
    enum status status; /* the first failure */
};

static void put(struct exposing *to, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(struct exposing *to, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (to->status != STATUS_OK || length < 0) return;
    size_t bytes = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    to->status = buffer_append(to->out, line, bytes);
}

static void put_family(struct exposing *to, const char *name, const char *type, const char *help) {
    put(to, "# HELP attune_%s %s\n# TYPE attune_%s %s\n", name, help, name, type);
}

static void put_one(struct exposing *to, const char *name, const char *type, const char *help,
                    uint64_t value) {
    put_family(to, name, type, help);
    put(to, "attune_%s %llu\n", name, (unsigned long long)value);
}

/* ---- requests ---- */

static void put_codes(struct exposing *to, const char *route, const struct metrics_route *of) {
    for (uint32_t i = 0; i < METRICS_CODES; i++) {
        char code[8] = "other";
        if (of->by_code[i] == 0) continue;
        if (i < METRICS_CODES - 1) snprintf(code, sizeof code, "%u", metrics_codes[i]);
        put(to, "attune_http_requests_total{%s,code=\"%s\"} %llu\n", route, code,
            (unsigned long long)of->by_code[i]);
    }
}

static void put_buckets(struct exposing *to, const char *route, const struct metrics_route *of) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < METRICS_BUCKETS; i++) count += of->by_bucket[i];
    if (count == 0) return;
    uint64_t below = 0;
    for (uint32_t i = 0; i < METRICS_BUCKETS - 1; i++) {
        below += of->by_bucket[i];
        put(to, "attune_http_request_seconds_bucket{%s,le=\"%g\"} %llu\n", route, metrics_bounds[i],
            (unsigned long long)below);
    }
    put(to, "attune_http_request_seconds_bucket{%s,le=\"+Inf\"} %llu\n", route,
        (unsigned long long)count);
    put(to, "attune_http_request_seconds_sum{%s} %.9f\n", route, of->seconds);
    put(to, "attune_http_request_seconds_count{%s} %llu\n", route, (unsigned long long)count);
}

static void put_each_route(struct exposing *to,
                           void (*put_route)(struct exposing *to, const char *route,
                                             const struct metrics_route *of)) {
    static const char *const methods[HTTP_METHOD_COUNT] = {"GET", "POST", "PUT", "DELETE"};
    char labels[160] = "method=\"\",route=\"none\"";
    struct metrics_route of;
    uint32_t count = http_route_count(to->server->http);
    for (uint32_t i = 0; i < count && i < METRICS_NO_ROUTE; i++) {
        const struct http_route *route = http_route_at(to->server->http, i);
        metrics_route_sum(to->server->metrics, i, &of);
        snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\"", methods[route->method],
                 route->path);
        put_route(to, labels, &of);
    }
    metrics_route_sum(to->server->metrics, METRICS_NO_ROUTE, &of);
    put_route(to, "method=\"\",route=\"none\"", &of);
}

static void put_requests(struct exposing *to) {
    put_family(to, "http_requests_total", "counter", "Requests by route and code.");
    put_each_route(to, put_codes);
    put_family(to, "http_request_seconds", "histogram",
               "From the head of a request to its answer, by route; without streams.");
    put_each_route(to, put_buckets);
}

static void put_counters(struct exposing *to) {
    static const struct {
        enum metrics_counter counter;
        const char *name, *help;
    } counters[] = {
#define X(id, name, help) {METRICS_##id, name, help},
        METRICS_COUNTERS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        put_one(to, counters[i].name, "counter", counters[i].help,
                metrics_counter_sum(to->server->metrics, counters[i].counter));
}

/* ---- events by source ---- */

/* A label's value: backslash, quote and line end are escaped. */
static void put_label(struct exposing *to, struct text text) {
    for (uint32_t i = 0; i < text.length; i++) {
        if (text.at[i] == '\n')
            put(to, "\\n");
        else
            put(to, text.at[i] == '\\' || text.at[i] == '"' ? "\\%c" : "%c", text.at[i]);
    }
}

static void put_source(void *context, struct text source,
                       const uint64_t verdicts[METRICS_VERDICT_COUNT]) {
    static const char *const names[METRICS_VERDICT_COUNT] = {"clean", "dark", "quarantined",
                                                             "repeated", "turned_away"};
    struct exposing *to = context;
    for (uint32_t i = 0; i < METRICS_VERDICT_COUNT; i++) {
        put(to, "attune_events_total{source=\"");
        put_label(to, source);
        put(to, "\",verdict=\"%s\"} %llu\n", names[i], (unsigned long long)verdicts[i]);
    }
}

static void put_events(struct exposing *to) {
    put_family(to, "events_total", "counter",
               "Events that came over HTTP, by source and by what became of them.");
    metrics_sources(to->server->metrics, put_source, to);
}

/* ---- what is known elsewhere ---- */

static void put_load(struct exposing *to) {
    struct http_load load;
    http_load(to->server->http, &load);
    put_one(to, "http_connections", "gauge", "Connections that are open.", load.connections);
    put_one(to, "http_calls", "gauge", "Requests that are being read, worked on or answered.",
            load.calls);
    put_one(to, "http_calls_deferred", "gauge", "Requests that wait for the disk or a job.",
            load.deferred);
    put_one(to, "http_streams", "gauge", "Live tails that are open.", load.streams);
    put_one(to, "tail_lines_left_out_total", "counter",
            "Lines of the live tail that a slow reader did not get.",
            feed_missed(to->server->feed));
    put_one(to, "http_body_bytes_open", "gauge", "Bytes of bodies that are held.", load.open_bytes);
}

static void put_decisions(struct exposing *to) {
    struct live_stats stats;
    live_stats(to->server->engine, &stats);
    put_one(to, "decisions_total", "counter", "Decisions that were answered and recorded.",
            stats.decisions);
    put_one(to, "decisions_repeated_total", "counter",
            "Decisions of a sticky placement that were answered again.", stats.again);
    put_one(to, "dry_runs_total", "counter",
            "Decisions that were answered and not recorded: flags, `record: false`, nobody, late.",
            stats.dry_runs);
    put_one(to, "outcomes_total", "counter", "Outcomes that were stored.", stats.outcomes);
}

static void put_applier(struct exposing *to) {
    struct applier_stats stats;
    applier_stats(engine_applier(to->server->engine), &stats);
    put_one(to, "applier_changes_total", "counter", "Changes that were asked for.", stats.changes);
    put_one(to, "applier_frames_total", "counter", "Frames that were written to the log.",
            stats.frames);
    put_one(to, "applier_joined_total", "counter", "Changes that shared a frame with others.",
            stats.joined);
    put_one(to, "applier_syncs_total", "counter", "Syncs of the log.", stats.syncs);
    put_one(to, "applier_waiting", "gauge", "Changes that are accepted and not yet durable.",
            stats.waiting);
    put_one(to, "applier_waiting_bytes", "gauge", "Bytes of these.", stats.waiting_bytes);
    put_one(to, "applier_waiting_max", "gauge", "As many may wait; beyond them clients get 503.",
            APPLIER_CHANGES_MAX);
    put_one(to, "read_only", "gauge",
            "1: a sync of the disk failed, and nothing is taken any more.",
            applier_has_failed(engine_applier(to->server->engine)));
}

static void put_store(struct exposing *to) {
    struct store_stats stats;
    store_stats(engine_store(to->server->engine), &stats);
    put_one(to, "store_events", "gauge", "Events that are stored, earlier versions too.",
            stats.event_count);
    put_one(to, "store_tail_events", "gauge", "Events in memory that are not folded yet.",
            stats.tail_event_count);
    put_one(to, "store_runs", "gauge", "Files of folded events.", stats.run_count);
    put_one(to, "store_bytes", "gauge", "Bytes of log, runs, keys, links and quarantine.",
            stats.log_bytes + stats.run_bytes + stats.key_bytes + stats.links_bytes +
                stats.quarantine_bytes);
    put_one(to, "store_log_bytes", "gauge", "Bytes of the log.", stats.log_bytes);
    put_one(to, "store_position", "gauge", "The place of the newest event in the log.",
            stats.position);
    put_one(to, "store_folded_position", "gauge", "Up to which place events are folded.",
            stats.first_position);
    put_one(to, "quarantine_rows", "gauge", "Rows that wait in quarantine.",
            stats.quarantined_row_count);
}

static void put_process(struct exposing *to) {
    struct server *server = to->server;
    uint64_t free_bytes = atomic_load_explicit(&server->health.free_bytes, memory_order_relaxed);
    put_one(to, "ready", "gauge", "1: /health/ready says so.",
            health_ready(server) == HEALTH_READY);
    if (free_bytes != UINT64_MAX)
        put_one(to, "disk_free_bytes", "gauge", "What the disk of the directory has left.",
                free_bytes);
    put_family(to, "start_time_seconds", "gauge", "When the server was started.");
    put(to, "attune_start_time_seconds %.3f\n", (double)server->started_ms / 1000);
    put_family(to, "cpu_seconds_total", "counter", "Processor time of the process.");
    put(to, "attune_cpu_seconds_total %.6f\n", clock_cpu_seconds());
    put_family(to, "build_info", "gauge", "The version that runs.");
    put(to, "attune_build_info{version=\"%s\"} 1\n", ATTUNE_VERSION);
}

enum status metrics_expose(struct server *server, struct buffer *out) {
    struct exposing to = {.server = server, .out = out};
    put_requests(&to);
    put_counters(&to);
    put_events(&to);
    put_load(&to);
    put_decisions(&to);
    put_applier(&to);
    put_store(&to);
    put_process(&to);
    return to.status;
}

static void get_metrics(struct http_call *call) {
    struct buffer *out = http_json(call)->out;
    if (metrics_expose(http_server(call), out) == STATUS_OK)
        http_answer(call, 200, METRICS_TYPE, buffer_text(out));
    else
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .path = "/metrics", .right = ACCESS_READ, .handle = get_metrics},
};

struct http_routes metrics_routes(void) {
    return (struct http_routes){routes, sizeof routes / sizeof *routes};
}
