/* SPDX-License-Identifier: Apache-2.0 */
/* server/metrics/metrics.h -- what the server did, counted, for Prometheus.
 *
 *   thread A ─► its own numbers ┐
 *   thread B ─► its own numbers ┼─► added up when /metrics is asked for
 *   thread C ─► its own numbers ┘
 *
 * Each thread counts in memory of its own, which only it writes, so that counting costs a load and
 * a store and no core waits for another. Numbers begin at 0 with the process and only grow.
 *
 * A new counter is a line in METRICS_COUNTERS. What is known elsewhere (the queue, the store, the
 * connections) is read when asked for and has no counter (metrics/exposition.c).
 *
 * Threads: any thread counts and reads. */
#ifndef SERVER_METRICS_METRICS_H
#define SERVER_METRICS_METRICS_H

#include <stdint.h>

#include "base/status.h"
#include "base/text.h"

/* name behind "attune_", help */
#define METRICS_COUNTERS(X)                                                                        \
    X(REQUEST_ABORTED, "http_requests_aborted_total",                                              \
      "Requests whose client went away before they could be answered.")                            \
    X(CONNECTION_LATE, "http_connections_late_total",                                              \
      "Connections that were closed because a head, a body or an answer took too long.")           \
    X(BODY_BYTES, "http_body_bytes_total", "Bytes of bodies as they came.")                        \
    X(ANSWER_BYTES, "http_answer_bytes_total", "Bytes of answers, without heads and streams.")     \
    X(KEY_REFUSED, "keys_refused_total", "Requests without a valid key for what they asked.")      \
    X(KEY_TOO_FAST, "keys_too_fast_total", "Requests beyond the rate of their key.")               \
    X(DECISIONS_FALLBACK, "decisions_fallback_total",                                              \
      "Placements that were answered with their fallback: nothing may be said, or time was up.")   \
    X(PLAYBOOK_RELOADS, "playbook_reloads_total", "Playbooks that were put in force.")             \
    X(PLAYBOOK_REFUSED, "playbook_refused_total", "Playbooks that were refused for their errors.")

enum metrics_counter {
#define X(id, name, help) METRICS_##id,
    METRICS_COUNTERS(X)
#undef X
        METRICS_COUNTER_COUNT
};

/* What became of events of a source; each is a series of attune_events_total. */
enum metrics_verdict {
    METRICS_CLEAN,       /* accepted, with names that the playbook declares */
    METRICS_DARK,        /* accepted, of a name that nobody declared; or of a known bot */
    METRICS_QUARANTINED, /* dirty: kept aside with its reason */
    METRICS_REPEATED,    /* came before, and adds nothing */
    METRICS_TURNED_AWAY, /* names somebody who was erased */
    METRICS_VERDICT_COUNT
};

#define METRICS_ROUTES_MAX  128u
#define METRICS_SOURCES_MAX 256u /* further ones are counted as "other" */

struct metrics;
enum status metrics_create(struct metrics **out) MUST_USE;
void metrics_destroy(struct metrics *metrics); /* NULL is allowed; nobody counts any more */

void metrics_add(struct metrics *metrics, enum metrics_counter counter, uint64_t count);
void metrics_add_events(struct metrics *metrics, struct text source, enum metrics_verdict verdict,
                        uint64_t count);
/* One request: the index of its route (METRICS_NO_ROUTE where it had none), the code of its answer,
 * and how long it took; a negative time is left out of the histogram. */
#define METRICS_NO_ROUTE (METRICS_ROUTES_MAX - 1)
void metrics_add_request(struct metrics *metrics, uint32_t route, unsigned code, double seconds);

/* ---- reading ---- */
#define METRICS_CODES   24u /* the last one: any other */
#define METRICS_BUCKETS 17u /* the last one: +Inf */
extern const unsigned metrics_codes[METRICS_CODES - 1];
extern const double metrics_bounds[METRICS_BUCKETS - 1]; /* seconds, inclusive */

uint64_t metrics_counter_sum(struct metrics *metrics, enum metrics_counter counter);
struct metrics_route {
    uint64_t by_code[METRICS_CODES];
    uint64_t by_bucket[METRICS_BUCKETS]; /* each alone, not yet added up */
    double seconds;
};
void metrics_route_sum(struct metrics *metrics, uint32_t route, struct metrics_route *out);
/* Calls back for each source of which something was counted. */
void metrics_sources(struct metrics *metrics,
                     void (*visit)(void *context, struct text source,
                                   const uint64_t verdicts[METRICS_VERDICT_COUNT]),
                     void *context);

#endif
