/* SPDX-License-Identifier: Apache-2.0 */
/* bench/http-ingest.c -- events over HTTP, as an analytics SDK sends them, each request answered
 * once it is synced. http-ingest [SECONDS].
 *
 * Batches of 100, and single events; 64 connections, each of which sends its next request when the
 * last one was answered. Each event is new, of one of 100,000 users. Beside it, in turns, the same
 * bodies go to /v1/m of the same server, which reads them and keeps nothing. What is told is events
 * by CPU second of the server's process, all of its threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "bench.h"
#include "http_client.h"
#include "shop.h"

#define SECONDS 3.0
#define USERS   100000u
#define BATCH   100u
#define TURNS   5
#define WARM_S  2.0

static const char playbook_text[] =
    "attune: 1\nname: Ingest bench\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { user_id: {}, anonymous_id: {} } }\n"
    "sources:\n"
    "  web: { format: segment, arrives: live, key: { user_id: userId, anonymous_id: anonymousId } "
    "}\n"
    "events:\n"
    "  Product Viewed: { product_id: text, category: text, price: number, quantity: number }\n";

struct sending {
    char key[64];
    struct random random;
    uint64_t event; /* of this run of the bench: message ids are not used twice */
    uint32_t batch;
    bool empty;
};

static size_t write_event(struct sending *sending, char *out, size_t size) {
    unsigned user = (unsigned)random_below(&sending->random, USERS);
    char now[32];
    time_format(clock_now_ms(), now);
    return (size_t)snprintf(
        out, size,
        "{\"type\":\"track\",\"messageId\":\"m-%llu\",\"userId\":\"u%u\",\"anonymousId\":\"a%u\","
        "\"event\":\"Product Viewed\",\"timestamp\":\"%s\",\"properties\":{\"product_id\":\"p%u\","
        "\"category\":\"c%u\",\"price\":%u.99,\"quantity\":%u},\"context\":{\"library\":{\"name\":"
        "\"analytics-node\",\"version\":\"2.1.0\"},\"page\":{\"path\":\"/p/%u\",\"title\":\"A "
        "product\"},\"locale\":\"en-GB\",\"userAgent\":\"Mozilla/5.0 (X11; Linux x86_64)\"}}",
        (unsigned long long)sending->event++, user, user, now,
        (unsigned)random_below(&sending->random, 5000),
        (unsigned)random_below(&sending->random, 25), (unsigned)random_below(&sending->random, 200),
        1 + (unsigned)random_below(&sending->random, 5),
        (unsigned)random_below(&sending->random, 5000));
}

static size_t write_body(struct sending *sending, char *out, size_t size) {
    size_t length = 0;
    if (sending->batch == 1) return write_event(sending, out, size);
    length += (size_t)snprintf(out, size, "{\"batch\":[");
    for (uint32_t i = 0; i < sending->batch; i++) {
        if (i > 0) out[length++] = ',';
        length += write_event(sending, out + length, size - length);
    }
    return length + (size_t)snprintf(out + length, size - length, "]}");
}

static size_t write_request(void *context, uint64_t i, char *out, size_t size) {
    static char body[1u << 17];
    struct sending *sending = context;
    (void)i;
    size_t bytes = write_body(sending, body, sizeof body);
    const char *path = sending->empty ? "m" : sending->batch == 1 ? "track" : "batch";
    size_t length = (size_t)snprintf(
        out, size,
        "POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: "
        "application/json\r\nContent-Length: %zu\r\n\r\n",
        path, sending->key, bytes);
    if (length + bytes > size) bench_fail("a request is too large for the client");
    memcpy(out + length, body, bytes);
    return length + bytes;
}

struct turns {
    double by_cpu[TURNS], by_second[TURNS], p99[TURNS];
};

static void take_turn(struct turns *turns, int turn, const struct http_process *process,
                      struct http_load *load) {
    const struct sending *sending = load->context;
    struct http_result result;
    double cpu_s = http_process_cpu_seconds(process);
    http_client_run(load, &result);
    cpu_s = http_process_cpu_seconds(process) - cpu_s;
    if (result.failed > 0)
        bench_fail("%llu of %llu requests failed, the first with %u",
                   (unsigned long long)result.failed, (unsigned long long)result.answered,
                   result.failed_code);
    double events = (double)result.answered * sending->batch;
    turns->by_cpu[turn] = events / cpu_s;
    turns->by_second[turn] = events / result.seconds;
    turns->p99[turn] = result.p99_ms;
}

static void compare(const char *name, struct http_load *load, const struct http_process *process,
                    double seconds) {
    struct sending *sending = load->context;
    struct turns ours, empty;
    char note[128];
    load->seconds = WARM_S;
    sending->empty = false;
    take_turn(&ours, 0, process, load);
    load->seconds = seconds;
    for (int turn = 0; turn < TURNS; turn++) {
        sending->empty = true;
        take_turn(&empty, turn, process, load);
        sending->empty = false;
        take_turn(&ours, turn, process, load);
    }
    double of_ours = bench_median(ours.by_cpu, TURNS), of_empty = bench_median(empty.by_cpu, TURNS);
    snprintf(note, sizeof note, "%.0f events/s of the clock, p99 of a request %.1f ms",
             bench_median(ours.by_second, TURNS), bench_median(ours.p99, TURNS));
    bench_print(&(struct measurement){"http-ingest", name, "events/CPU second", of_ours,
                                      "a handler that does nothing", of_empty, of_ours / of_empty,
                                      note});
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? strtod(argv[1], NULL) : SECONDS;
    const char *base = getenv("ATTUNE_BENCH_DATA");
    struct http_process process;
    char data[500], playbook[600];
    if (base == NULL) base = getenv("TMPDIR");
    snprintf(data, sizeof data, "%s/attune-bench-http-ingest", base != NULL ? base : "/tmp");
    snprintf(playbook, sizeof playbook, "%s.yaml", data);
    FILE *file = fopen(playbook, "w");
    if (file == NULL || fputs(playbook_text, file) < 0 || fclose(file) != 0)
        bench_fail("%s can't be written", playbook);
    http_process_start(&process, data, playbook);
    struct sending sending = {.batch = BATCH};
    random_init(&sending.random, 5);
    http_process_key(&process, "--write --source web --per-second 1000000", sending.key);
    sleep(2); /* by then the server knows the key */
    struct http_load load = {
        .port = process.port, .write = write_request, .context = &sending, .expected = 200};
    compare("batches of 100", &load, &process, seconds);
    sending.batch = 1;
    compare("single events", &load, &process, seconds);
    http_process_stop(&process);
    unlink(playbook);
    return 0;
}
