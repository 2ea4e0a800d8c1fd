/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics/metrics.h"

#include <pthread.h>

#include "support/unit.h"

#define THREADS 4
#define ROUNDS  10000

static void *count(void *argument) {
    struct metrics *metrics = argument;
    for (int i = 0; i < ROUNDS; i++) {
        metrics_add(metrics, METRICS_BODY_BYTES, 2);
        metrics_add_request(metrics, 3, 200, .0002);
        metrics_add_events(metrics, TEXT("web"), METRICS_CLEAN, 1);
    }
    return NULL;
}

static void what_threads_count_is_added_up(void **state) {
    struct metrics *metrics = NULL;
    struct metrics_route route;
    pthread_t threads[THREADS];
    (void)state;
    assert_int_equal(metrics_create(&metrics), STATUS_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, metrics), 0);
    (void)metrics_counter_sum(metrics, METRICS_BODY_BYTES); /* beside those that count */
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(metrics_counter_sum(metrics, METRICS_BODY_BYTES), 2 * THREADS * ROUNDS);
    assert_int_equal(metrics_counter_sum(metrics, METRICS_ANSWER_BYTES), 0);
    metrics_route_sum(metrics, 3, &route);
    assert_int_equal(route.by_code[0], THREADS * ROUNDS);
    assert_int_equal(route.by_bucket[2], THREADS * ROUNDS);
    assert_true(route.seconds > 7.9 && route.seconds < 8.1);
    metrics_destroy(metrics);
}

static void bounds_belong_to_their_bucket(void **state) {
    struct metrics *metrics = NULL;
    struct metrics_route route;
    (void)state;
    assert_int_equal(metrics_create(&metrics), STATUS_OK);
    metrics_add_request(metrics, 0, 200, metrics_bounds[5]);
    metrics_add_request(metrics, 0, 777, 11);
    metrics_add_request(metrics, 0, 503, -1);
    metrics_route_sum(metrics, 0, &route);
    assert_int_equal(route.by_bucket[5], 1);
    assert_int_equal(route.by_bucket[METRICS_BUCKETS - 1], 1);
    assert_int_equal(route.by_code[METRICS_CODES - 1], 1);
    assert_int_equal(route.by_code[METRICS_CODES - 2], 1);
    metrics_destroy(metrics);
}

struct seen {
    uint32_t count;
    uint64_t events;
    bool saw_other;
};

static void see(void *context, struct text source, const uint64_t verdicts[METRICS_VERDICT_COUNT]) {
    struct seen *seen = context;
    seen->count++;
    for (int i = 0; i < METRICS_VERDICT_COUNT; i++) seen->events += verdicts[i];
    seen->saw_other = seen->saw_other || text_equal(source, TEXT("other"));
}

static void sources_are_bounded_and_none_is_lost(void **state) {
    struct metrics *metrics = NULL;
    struct seen seen = {0};
    char name[80];
    (void)state;
    assert_int_equal(metrics_create(&metrics), STATUS_OK);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "source%d", i);
        metrics_add_events(metrics, text_from(name), METRICS_QUARANTINED, 1);
    }
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    metrics_add_events(metrics, text_from(name), METRICS_REPEATED, 1);
    metrics_sources(metrics, see, &seen);
    assert_int_equal(seen.count, METRICS_SOURCES_MAX);
    assert_int_equal(seen.events, 1001);
    assert_true(seen.saw_other);
    metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_threads_count_is_added_up),
        cmocka_unit_test(bounds_belong_to_their_bucket),
        cmocka_unit_test(sources_are_bounded_and_none_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
