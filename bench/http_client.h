/* SPDX-License-Identifier: Apache-2.0 */
/* bench/http_client.h -- an open-loop HTTP client: requests are due at a given rate, whether or not
 * the ones before were answered, and each is timed from the moment at which it was due.
 *
 *   due: |  |    |  | |      arrivals of a Poisson process
 *         └─► an idle connection, or wait for one (that time counts)
 *
 * A client that sends the next request when the last one was answered would not ask while the
 * server is slow, and so would not see it ("coordinated omission"). One thread, which polls without
 * sleeping: give it a core of its own. It also starts the server that it asks. */
#ifndef BENCH_HTTP_CLIENT_H
#define BENCH_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_CONNECTIONS 64u

/* ---- the server ---- */
struct http_process {
    pid_t pid;
    uint16_t port;
    char directory[600];
};
/* Starts `attune serve` of $ATTUNE_BUILD on a copy of this data directory, or on a new one where
 * `playbook` (may be NULL) names its playbook. One listening thread, on core 0 where there are
 * several; the caller's thread gets the last core. */
void http_process_start(struct http_process *process, const char *data, const char *playbook);
void http_process_stop(struct http_process *process); /* and removes the copy */
double http_process_cpu_seconds(const struct http_process *process);
/* `attune key add` on the directory of the process; what it prints with --json is searched for the
 * key. The server knows it a second later. */
void http_process_key(const struct http_process *process, const char *options, char key[64]);

/* ---- requests ---- */
struct http_load {
    uint16_t port;
    double rate, seconds; /* a second; for so long. rate 0: as fast as the connections allow */
    uint64_t seed;
    /* Writes the whole request number i into `out`; its length. */
    size_t (*write)(void *context, uint64_t i, char *out, size_t size);
    void *context;
    unsigned expected; /* the code; others are counted as failed */
};
struct http_result {
    uint64_t answered, failed;
    unsigned failed_code; /* of the first one */
    double p50_ms, p90_ms, p99_ms, p999_ms, max_ms;
    double seconds; /* from the first request that was due to the last answer */
};
void http_client_run(const struct http_load *load, struct http_result *result);

#endif
