/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/thread.h"

struct seen {
    int policy, niceness;
};

static struct seen look(void) {
    return (struct seen){sched_getscheduler(0),
                         getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid))};
}

static void *look_on(void *context) {
    *(struct seen *)context = look();
    return NULL;
}

static struct seen look_in_a_thread(void) {
    struct seen seen = {-1, 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_on, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return seen;
}

static void *be_idle(void *context) {
    struct seen *seen = context;
    thread_be_idle();
    seen[0] = look();
    seen[1] = look_in_a_thread();
    return NULL;
}

static void *be_nice(void *context) {
    struct seen *seen = context;
    thread_be_nice(3);
    seen[0] = look();
    seen[1] = look_in_a_thread();
    return NULL;
}

static void run(void *(*how)(void *), struct seen seen[2]) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, how, seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_an_idle_thread_starts_idle_threads(void **state) {
    struct seen before = look(), seen[2];
    (void)state;
    run(be_idle, seen);
    assert_int_equal(seen[0].policy, SCHED_IDLE);
    assert_int_equal(seen[1].policy, SCHED_IDLE);
    struct seen after = look_in_a_thread();
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.niceness, before.niceness);
}

static void test_niceness_is_a_threads_own(void **state) {
    struct seen before = look(), seen[2];
    int wanted = before.niceness + 3;
    (void)state;
    if (wanted > THREAD_NICENESS_MAX) wanted = THREAD_NICENESS_MAX;
    run(be_nice, seen);
    assert_int_equal(seen[0].niceness, wanted);
    assert_int_equal(seen[1].niceness, wanted);
    assert_int_equal(look_in_a_thread().niceness, before.niceness);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_thread_starts_idle_threads),
        cmocka_unit_test(test_niceness_is_a_threads_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
