/* SPDX-License-Identifier: Apache-2.0 */
/* bench/http-decide.c -- decisions over HTTP, beside an empty handler of the same server in the
 * same run. http-decide [RATE [SECONDS [CUSTOMERS]]].
 *
 * The shop of bench/shop.h with 20 treatments. One listening thread on one core, the client on
 * another; 64 connections that are kept; random customers; each decision is recorded. The two
 * handlers are asked in turns, and the medians of the turns are told. Latencies are from the moment
 * at which a request was due, and so count the time that it waited for the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "bench.h"
#include "http_client.h"
#include "shop.h"

#define RATE      20000.0
#define SECONDS   3.0
#define CUSTOMERS 100000u
#define TURNS     5
#define WARM_S    1.0

struct asking {
    char key[64];
    uint32_t customers;
    struct random random;
    bool empty;
};

static size_t write_request(void *context, uint64_t i, char *out, size_t size) {
    struct asking *asking = context;
    char body[128];
    (void)i;
    if (asking->empty)
        return (size_t)snprintf(out, size, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    int length = snprintf(body, sizeof body, "{\"customer\":\"card:k%u\"}",
                          (unsigned)random_below(&asking->random, asking->customers));
    return (size_t)snprintf(out, size,
                            "POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                            "%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                            asking->key, length, body);
}

struct turns {
    double p50[TURNS], p99[TURNS], p999[TURNS], cpu_us[TURNS], rate[TURNS];
};

static void take_turn(struct turns *turns, int turn, const struct http_process *process,
                      struct http_load *load) {
    struct http_result result;
    double cpu_s = http_process_cpu_seconds(process);
    load->seed = (uint64_t)turn + 1;
    http_client_run(load, &result);
    cpu_s = http_process_cpu_seconds(process) - cpu_s;
    if (result.failed > 0)
        bench_fail("%llu of %llu requests failed, the first with %u",
                   (unsigned long long)result.failed, (unsigned long long)result.answered,
                   result.failed_code);
    turns->p50[turn] = result.p50_ms;
    turns->p99[turn] = result.p99_ms;
    turns->p999[turn] = result.p999_ms;
    turns->cpu_us[turn] = cpu_s * 1e6 / (double)result.answered;
    turns->rate[turn] = (double)result.answered / result.seconds;
}

static void tell(const char *name, const char *unit, double *ours, double *empty) {
    double of_decide = bench_median(ours, TURNS), of_empty = bench_median(empty, TURNS);
    bench_print(&(struct measurement){"http-decide", name, unit, of_decide,
                                      "an empty handler of the same server", of_empty,
                                      of_decide > 0 ? of_empty / of_decide : 0, NULL});
}

int main(int argc, char **argv) {
    double rate = argc > 1 ? strtod(argv[1], NULL) : RATE;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : SECONDS;
    struct shape shape = {"20 treatments", CUSTOMERS, 20, 20, false, true, false};
    struct http_process process;
    struct turns decide, empty;
    char data[600];
    if (argc > 3) shape.customers = (uint32_t)strtoul(argv[3], NULL, 10);
    engine_close(shop_open(&shape));
    snprintf(data, sizeof data, "%s/data", shop_folder());
    http_process_start(&process, data, NULL);
    struct asking asking = {.customers = shape.customers, .empty = true};
    random_init(&asking.random, 5);
    http_process_key(&process, "--decide --per-second 1000000", asking.key);
    struct http_load load = {.port = process.port,
                             .rate = rate,
                             .seconds = 2 * WARM_S, /* by then the server knows the key */
                             .write = write_request,
                             .context = &asking,
                             .expected = 200};
    take_turn(&empty, 0, &process, &load);
    asking.empty = false;
    take_turn(&decide, 0, &process, &load);
    load.seconds = seconds;
    for (int turn = 0; turn < TURNS; turn++) {
        asking.empty = true;
        take_turn(&empty, turn, &process, &load);
        asking.empty = false;
        take_turn(&decide, turn, &process, &load);
    }
    http_process_stop(&process);
    tell("p50", "ms", decide.p50, empty.p50);
    tell("p99", "ms", decide.p99, empty.p99);
    tell("p99.9", "ms", decide.p999, empty.p999);
    tell("CPU a decision", "us", decide.cpu_us, empty.cpu_us);
    tell("answered", "requests/s", decide.rate, empty.rate);
    return 0;
}
