/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: what they give back, their progress, cancelling at any moment, and their share. */
#include "support/unit.h"
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/jobs.h"

#define STEPS 1000

/* A job that takes one step each time the test lets it, so that nothing here depends on time. */
struct steps {
    pthread_mutex_t guard;
    pthread_cond_t changed;
    uint32_t allowed, taken;
    enum status ends_with;
    int niceness;
};

static struct steps steps_init(void) {
    return (struct steps){.guard = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
}

static void allow(struct steps *steps, uint32_t more) {
    pthread_mutex_lock(&steps->guard);
    steps->allowed += more;
    pthread_cond_broadcast(&steps->changed);
    pthread_mutex_unlock(&steps->guard);
}

static void wait_until_taken(struct steps *steps, uint32_t count) {
    pthread_mutex_lock(&steps->guard);
    while (steps->taken < count) pthread_cond_wait(&steps->changed, &steps->guard);
    pthread_mutex_unlock(&steps->guard);
}

static void take_step(struct steps *steps) {
    pthread_mutex_lock(&steps->guard);
    while (steps->taken == steps->allowed) pthread_cond_wait(&steps->changed, &steps->guard);
    steps->taken++;
    pthread_cond_broadcast(&steps->changed);
    pthread_mutex_unlock(&steps->guard);
}

static enum status run_steps(void *context, struct work *work, struct error *error) {
    struct steps *steps = context;
    steps->niceness = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    work_step(work, "steps taken", STEPS);
    for (uint32_t i = 0; i < STEPS; i++) {
        enum status status = work_check(work, error);
        if (status != STATUS_OK) return status;
        work_add(work, 1);
        take_step(steps);
    }
    return steps->ends_with == STATUS_OK
               ? STATUS_OK
               : error_set(error, steps->ends_with, "it ended as it was told");
}

static struct engine_job *start(struct steps *steps, int niceness) {
    struct engine_job *job;
    struct job_options options = {
        .name = "stepping", .run = run_steps, .context = steps, .niceness = niceness};
    assert_int_equal(job_start(&job, &options, NULL), STATUS_OK);
    return job;
}

static void it_gives_what_its_work_gave(void **state) {
    (void)state;
    static const enum status ends[] = {STATUS_OK, STATUS_DISK_FULL};
    for (size_t i = 0; i < 2; i++) {
        struct steps steps = steps_init();
        struct error error = {0};
        struct job_progress progress;
        steps.ends_with = ends[i];
        struct engine_job *job = start(&steps, 0);
        assert_false(job_wait(job, 1));
        allow(&steps, STEPS);
        while (!job_wait(job, 1000)) continue;
        job_progress(job, &progress);
        assert_true(progress.ended && !progress.cancelled && progress.seconds >= 0);
        assert_int_equal(progress.done, STEPS);
        assert_int_equal(job_finish(job, &error), ends[i]);
        assert_string_equal(error.text, i == 0 ? "" : "it ended as it was told");
    }
}

static void its_progress_is_seen(void **state) {
    (void)state;
    struct steps steps = steps_init();
    struct job_progress progress;
    struct engine_job *job = start(&steps, 0);
    allow(&steps, 7);
    wait_until_taken(&steps, 7);
    job_progress(job, &progress);
    assert_string_equal(progress.name, "stepping");
    assert_string_equal(progress.step, "steps taken");
    assert_in_range(progress.done, 7, 8); /* it counts a step before it waits to take it */
    assert_int_equal(progress.total, STEPS);
    assert_false(progress.ended);
    allow(&steps, STEPS);
    assert_int_equal(job_finish(job, NULL), STATUS_OK);
}

static void *cancel(void *job) {
    job_cancel(job);
    return NULL;
}

/* By several threads at once, after each number of steps. */
static void it_is_cancelled_at_any_step(void **state) {
    (void)state;
    for (uint32_t at = 0; at < 40; at++) {
        struct steps steps = steps_init();
        struct error error = {0};
        pthread_t threads[3];
        struct engine_job *job = start(&steps, 0);
        allow(&steps, at);
        wait_until_taken(&steps, at);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, cancel, job), 0);
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
        allow(&steps, STEPS); /* it may: it must not want to */
        assert_int_equal(job_finish(job, &error), STATUS_CANCELLED);
        assert_non_null(strstr(error.text, "cancelled"));
        assert_in_range(steps.taken, at, at + 1);
    }
}

static void what_is_done_is_done(void **state) {
    (void)state;
    struct steps steps = steps_init();
    struct engine_job *job = start(&steps, 0);
    allow(&steps, STEPS);
    while (!job_wait(job, 1000)) continue;
    job_cancel(job);
    assert_int_equal(job_finish(job, NULL), STATUS_OK);
    assert_int_equal(job_finish(NULL, NULL), STATUS_OK);
}

static void it_is_as_nice_as_asked(void **state) {
    (void)state;
    int own = getpriority(PRIO_PROCESS, 0);
    for (int niceness = 0; niceness <= 5; niceness += 5) {
        struct steps steps = steps_init();
        struct engine_job *job = start(&steps, niceness);
        allow(&steps, STEPS);
        assert_int_equal(job_finish(job, NULL), STATUS_OK);
        int expected = own + niceness > JOB_NICENESS_MAX ? JOB_NICENESS_MAX : own + niceness;
        assert_int_equal(steps.niceness, expected);
        assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
    }
}

static void wrong_options_start_nothing(void **state) {
    (void)state;
    struct engine_job *job;
    struct steps steps = steps_init();
    struct error error = {0};
    struct job_options options = {.name = "wrong", .run = run_steps, .context = &steps};
    for (int i = 0; i < 2; i++) {
        options.niceness = i == 0 ? -1 : JOB_NICENESS_MAX + 1;
        assert_int_equal(job_start(&job, &options, &error), STATUS_INVALID);
        assert_null(job);
    }
    options.niceness = 0;
    memory_fail_at(1);
    assert_int_equal(job_start(&job, &options, &error), STATUS_NO_MEMORY);
    memory_fail_at(0);
    assert_null(job);
    assert_int_equal(steps.taken, 0);
}

static void a_share_of_threads_is_a_maximum(void **state) {
    (void)state;
    struct work some = {.threads = 3}, all = {0};
    assert_int_equal(work_threads(&some, 8), 3);
    assert_int_equal(work_threads(&some, 2), 2);
    assert_int_equal(work_threads(&all, 8), 8);
    assert_int_equal(work_threads(NULL, 8), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_what_its_work_gave),
        cmocka_unit_test(its_progress_is_seen),
        cmocka_unit_test(it_is_cancelled_at_any_step),
        cmocka_unit_test(what_is_done_is_done),
        cmocka_unit_test(it_is_as_nice_as_asked),
        cmocka_unit_test(wrong_options_start_nothing),
        cmocka_unit_test(a_share_of_threads_is_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
