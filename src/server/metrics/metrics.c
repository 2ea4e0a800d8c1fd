/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics/metrics.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"

#define SOURCE_BYTES 64u

const unsigned metrics_codes[METRICS_CODES - 1] = {200, 201, 202, 204, 207, 304, 400, 401,
                                                   403, 404, 405, 408, 409, 411, 412, 413,
                                                   414, 415, 421, 429, 431, 500, 503};
const double metrics_bounds[METRICS_BUCKETS - 1] = {
    .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10};

/* Seconds are added up as nanoseconds. */
struct route_numbers {
    _Atomic uint64_t by_code[METRICS_CODES];
    _Atomic uint64_t by_bucket[METRICS_BUCKETS];
    _Atomic uint64_t nanoseconds;
};
struct numbers { /* of one thread */
    struct numbers *next;
    _Atomic uint64_t counters[METRICS_COUNTER_COUNT];
    struct route_numbers routes[METRICS_ROUTES_MAX];
};
struct source_numbers {
    char name[SOURCE_BYTES];
    uint32_t length;
    _Atomic uint64_t verdicts[METRICS_VERDICT_COUNT];
};

struct metrics {
    uint64_t serial; /* tells it from an earlier one in the same process */
    pthread_mutex_t lock;
    struct numbers *_Atomic threads; /* only ever added to, in front */
    _Atomic uint32_t source_count;   /* published behind the name; added under the lock */
    struct source_numbers sources[METRICS_SOURCES_MAX];
};

static _Atomic uint64_t serials;
static _Thread_local struct {
    uint64_t serial;
    struct numbers *numbers;
} here;

enum status metrics_create(struct metrics **out) {
    struct metrics *metrics = memory_calloc(1, sizeof *metrics);
    if (metrics == NULL) return STATUS_NO_MEMORY;
    metrics->serial = atomic_fetch_add(&serials, 1) + 1;
    pthread_mutex_init(&metrics->lock, NULL);
    *out = metrics;
    return STATUS_OK;
}

void metrics_destroy(struct metrics *metrics) {
    if (metrics == NULL) return;
    struct numbers *numbers = atomic_load(&metrics->threads);
    while (numbers != NULL) {
        struct numbers *next = numbers->next;
        memory_free(numbers);
        numbers = next;
    }
    pthread_mutex_destroy(&metrics->lock);
    memory_free(metrics);
}

/* ---- counting ---- */

/* NULL without memory: then nothing is counted. */
static struct numbers *numbers_here(struct metrics *metrics) {
    if (here.serial == metrics->serial) return here.numbers;
    struct numbers *numbers = memory_calloc(1, sizeof *numbers);
    if (numbers == NULL) return NULL;
    pthread_mutex_lock(&metrics->lock);
    numbers->next = atomic_load_explicit(&metrics->threads, memory_order_relaxed);
    atomic_store_explicit(&metrics->threads, numbers, memory_order_release);
    pthread_mutex_unlock(&metrics->lock);
    here.serial = metrics->serial;
    here.numbers = numbers;
    return numbers;
}

/* The thread is the only one that writes it. */
static void add_own(_Atomic uint64_t *number, uint64_t count) {
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

void metrics_add(struct metrics *metrics, enum metrics_counter counter, uint64_t count) {
    struct numbers *numbers = numbers_here(metrics);
    if (numbers != NULL) add_own(&numbers->counters[counter], count);
}

static uint32_t code_index(unsigned code) {
    uint32_t index = 0;
    while (index < METRICS_CODES - 1 && metrics_codes[index] != code) index++;
    return index;
}

static uint32_t bucket_index(double seconds) {
    uint32_t index = 0;
    while (index < METRICS_BUCKETS - 1 && seconds > metrics_bounds[index]) index++;
    return index;
}

void metrics_add_request(struct metrics *metrics, uint32_t route, unsigned code, double seconds) {
    struct numbers *numbers = numbers_here(metrics);
    if (numbers == NULL) return;
    struct route_numbers *of =
        &numbers->routes[route < METRICS_NO_ROUTE ? route : METRICS_NO_ROUTE];
    add_own(&of->by_code[code_index(code)], 1);
    if (seconds < 0) return;
    add_own(&of->by_bucket[bucket_index(seconds)], 1);
    add_own(&of->nanoseconds, (uint64_t)(seconds * 1e9));
}

static struct source_numbers *find_source(struct metrics *metrics, struct text name) {
    uint32_t count = atomic_load_explicit(&metrics->source_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        struct source_numbers *source = &metrics->sources[i];
        if (text_equal(name, (struct text){source->name, source->length})) return source;
    }
    return NULL;
}

static struct source_numbers *add_source(struct metrics *metrics, struct text name) {
    pthread_mutex_lock(&metrics->lock);
    struct source_numbers *source = find_source(metrics, name);
    uint32_t count = atomic_load_explicit(&metrics->source_count, memory_order_relaxed);
    if (source == NULL && count < METRICS_SOURCES_MAX) {
        source = &metrics->sources[count];
        memcpy(source->name, name.at, name.length);
        source->length = name.length;
        atomic_store_explicit(&metrics->source_count, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&metrics->lock);
    return source;
}

void metrics_add_events(struct metrics *metrics, struct text source, enum metrics_verdict verdict,
                        uint64_t count) {
    if (source.length > SOURCE_BYTES) source.length = SOURCE_BYTES;
    struct source_numbers *numbers = find_source(metrics, source);
    if (numbers == NULL) {
        bool is_last = atomic_load(&metrics->source_count) + 1 >= METRICS_SOURCES_MAX;
        numbers = add_source(metrics, is_last ? TEXT("other") : source);
    }
    if (numbers != NULL)
        atomic_fetch_add_explicit(&numbers->verdicts[verdict], count, memory_order_relaxed);
}

/* ---- reading ---- */

static struct numbers *first_thread(struct metrics *metrics) {
    return atomic_load_explicit(&metrics->threads, memory_order_acquire);
}

uint64_t metrics_counter_sum(struct metrics *metrics, enum metrics_counter counter) {
    uint64_t sum = 0;
    for (struct numbers *of = first_thread(metrics); of != NULL; of = of->next)
        sum += atomic_load_explicit(&of->counters[counter], memory_order_relaxed);
    return sum;
}

void metrics_route_sum(struct metrics *metrics, uint32_t route, struct metrics_route *out) {
    uint64_t nanoseconds = 0;
    *out = (struct metrics_route){0};
    for (struct numbers *of = first_thread(metrics); of != NULL; of = of->next) {
        struct route_numbers *numbers = &of->routes[route];
        for (uint32_t i = 0; i < METRICS_CODES; i++)
            out->by_code[i] += atomic_load_explicit(&numbers->by_code[i], memory_order_relaxed);
        for (uint32_t i = 0; i < METRICS_BUCKETS; i++)
            out->by_bucket[i] += atomic_load_explicit(&numbers->by_bucket[i], memory_order_relaxed);
        nanoseconds += atomic_load_explicit(&numbers->nanoseconds, memory_order_relaxed);
    }
    out->seconds = (double)nanoseconds / 1e9;
}

void metrics_sources(struct metrics *metrics,
                     void (*visit)(void *context, struct text source,
                                   const uint64_t verdicts[METRICS_VERDICT_COUNT]),
                     void *context) {
    uint32_t count = atomic_load_explicit(&metrics->source_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        struct source_numbers *source = &metrics->sources[i];
        uint64_t verdicts[METRICS_VERDICT_COUNT];
        for (uint32_t j = 0; j < METRICS_VERDICT_COUNT; j++)
            verdicts[j] = atomic_load_explicit(&source->verdicts[j], memory_order_relaxed);
        visit(context, (struct text){source->name, source->length}, verdicts);
    }
}
