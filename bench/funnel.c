/* SPDX-License-Identifier: Apache-2.0 */
/* bench/funnel.c -- four steps within an hour, over everybody, through the same timeline_source as
 * every room. funnel [EVENTS [CUSTOMERS [one|many]]]; answers are compared with DuckDB's where
 * bench/peers/setup has installed it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "data.h"

#define STEPS       4
#define WINDOW_MS   INT64_C(3600000)
#define REPETITIONS 5
#define NEVER       (INT64_MIN / 2)

struct funnel {
    uint8_t step_of[65536];
    uint64_t reached[STEPS + 1]; /* customers who got at least so far */
    uint64_t events, customers;
};

/* `chain` where it can still go on at t, else what stood there. Sessions make that unpredictable,
 * so it must not be a branch, and compilers turn a select back into one. */
static inline int64_t alive_or(int64_t chain, const int64_t *stood, int64_t t) {
#ifdef __x86_64__
    __asm__("cmpq %[t], %[chain]\n\tcmovlq %[stood], %[chain]"
            : [chain] "+r"(chain)
            : [t] "r"(t), [stood] "m"(*stood)
            : "cc");
    return chain;
#else
    int64_t too_late = -(int64_t)(chain < t); /* all ones or zero */
    return chain ^ ((chain ^ *stood) & too_late);
#endif
}

/* windowFunnel: chain[m] holds by when the newest chain that has got to step m has to go on. Types
 * that are no step write to a slot that nobody reads. */
static inline void run_customer(struct funnel *funnel, const struct timeline *timeline) {
    int64_t chain[STEPS + 2];
    for (int m = 0; m < STEPS + 2; m++) chain[m] = NEVER;
    for (uint32_t i = 0; i < timeline->count; i++) {
        int64_t t = timeline->time_ms[i];
        size_t m = funnel->step_of[timeline->type[i]];
        chain[0] = t + WINDOW_MS;
        chain[m] = alive_or(chain[m - 1], &chain[m], t);
    }
    for (int m = 1; m <= STEPS; m++) funnel->reached[m] += chain[m] != NEVER;
    funnel->events += timeline->count;
    funnel->customers++;
}

static double run_all(struct timeline_source *source, struct funnel *funnel) {
    struct timeline_reader *reader;
    struct timeline timeline;
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW}};
    enum status status;
    double begin = clock_cpu_seconds();
    BENCH_CHECK(source->ops->reader_open(source, &reader, NULL));
    BENCH_CHECK(source->ops->walk(reader, &request, 0, 1, NULL));
    while ((status = source->ops->next(reader, &timeline, NULL)) == STATUS_OK)
        run_customer(funnel, &timeline);
    source->ops->reader_close(reader);
    if (status != STATUS_END) bench_fail("the walk ended with: %s", status_name(status));
    return clock_cpu_seconds() - begin;
}

static double measure(struct timeline_source *source, struct funnel *funnel) {
    static const uint8_t steps[DATA_EVENTS] = {
        [DATA_VIEW] = 1, [DATA_CART] = 2, [DATA_CHECKOUT] = 3, [DATA_ORDER] = 4};
    double seconds[REPETITIONS];
    for (int r = 0; r <= REPETITIONS; r++) { /* the first warms up */
        memset(funnel, 0, sizeof *funnel);
        memset(funnel->step_of, STEPS + 1, sizeof funnel->step_of);
        for (uint32_t e = 0; e < DATA_EVENTS; e++) {
            if (steps[e] > 0) funnel->step_of[e] = steps[e];
        }
        double took = run_all(source, funnel);
        if (r > 0) seconds[r - 1] = took;
    }
    return (double)funnel->events / bench_median(seconds, REPETITIONS);
}

/* DuckDB's answer and rate; false where it is absent. */
static bool ask_peer(struct data *data, uint64_t events, double *rate, double *reached) {
    static const char *const names[] = {"rate", "step1", "step2", "step3", "step4"};
    char prefix[600], command[2000];
    double values[5];
    const char *python = getenv("ATTUNE_PEERS_PYTHON");
    const char *script = getenv("ATTUNE_PEERS");
    if (python == NULL || script == NULL) return false;
    snprintf(prefix, sizeof prefix, "%s/funnel-export-%ld", data_directory(), (long)getpid());
    data_export(data, prefix);
    snprintf(command, sizeof command, "'%s' '%s/funnel_duckdb.py' '%s' %lld", python, script,
             prefix, (long long)WINDOW_MS);
    bool good = bench_peer(command, names, values, 5);
    for (int i = 0; i < 4; i++) {
        static const char *const suffixes[] = {"customer", "time", "type", "position"};
        char path[640];
        snprintf(path, sizeof path, "%s.%s", prefix, suffixes[i]);
        remove(path);
    }
    (void)events;
    *rate = values[0];
    for (int m = 1; good && m <= STEPS; m++) reached[m] = values[m];
    return good;
}

static bool same_answer(const struct funnel *a, const struct funnel *b) {
    return memcmp(a->reached, b->reached, sizeof a->reached) == 0 && a->events == b->events &&
           a->customers == b->customers;
}

int main(int argc, char **argv) {
    static struct funnel one, many;
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 50000000;
    uint32_t customers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 3100000;
    struct data *data = data_open(events, customers);
    if (argc > 3) { /* for a profile */
        struct funnel *funnel = argv[3][0] == 'o' ? &one : &many;
        fprintf(stderr, "%.1f M events/s/core\n",
                measure(data_source(data, funnel == &one), funnel) / 1e6);
        return 0;
    }
    double one_rate = measure(data_source(data, true), &one);
    double many_rate = measure(data_source(data, false), &many);
    if (one.events != events) bench_fail("%llu events were seen", (unsigned long long)one.events);
    if (!same_answer(&one, &many)) bench_fail("one run and eight runs disagree");
    double peer_rate = 0, peer[STEPS + 1];
    bool peered = ask_peer(data, events, &peer_rate, peer);
    for (int m = 1; peered && m <= STEPS; m++) {
        if ((uint64_t)peer[m] != one.reached[m]) {
            bench_fail("step %d: ours %llu, DuckDB's %.0f", m, (unsigned long long)one.reached[m],
                       peer[m]);
        }
    }
    char note[200];
    snprintf(note, sizeof note, "steps reached by %llu %llu %llu %llu of %llu customers%s",
             (unsigned long long)one.reached[1], (unsigned long long)one.reached[2],
             (unsigned long long)one.reached[3], (unsigned long long)one.reached[4],
             (unsigned long long)one.customers, peered ? ", the same as the peer's" : "");
    struct measurement m = {"funnel",
                            "one run",
                            "events/s/core",
                            one_rate,
                            peered ? "DuckDB SQL" : NULL,
                            peer_rate,
                            peered ? one_rate / peer_rate : 0,
                            note};
    bench_print(&m);
    m.name = "eight runs and tail";
    m.ours = many_rate;
    m.ratio = peered ? many_rate / peer_rate : 0;
    bench_print(&m);
    data_close(data);
    return 0;
}
