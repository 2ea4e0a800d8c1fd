/* SPDX-License-Identifier: Apache-2.0 */
#include "server/lane.h"

#include <pthread.h>

#include "base/memory.h"
#include "base/thread.h"

struct task {
    void (*run)(void *context, struct work *work);
    void *context;
};

struct lane {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct task waiting[LANE_WAITING_MAX]; /* a ring */
    uint32_t first, count;
    struct work work; /* of what runs; once cancelled it stays so: the lane ends */
    bool ends;
};

static bool next_task(struct lane *lane, struct task *task) {
    pthread_mutex_lock(&lane->lock);
    while (lane->count == 0 && !lane->ends) pthread_cond_wait(&lane->changed, &lane->lock);
    bool has = lane->count > 0;
    if (has) {
        *task = lane->waiting[lane->first];
        lane->first = (lane->first + 1) % LANE_WAITING_MAX;
        lane->count--;
    }
    pthread_mutex_unlock(&lane->lock);
    return has;
}

static void *run_lane(void *argument) {
    struct lane *lane = argument;
    struct task task;
    thread_be_nice(LANE_NICENESS);
    while (next_task(lane, &task)) task.run(task.context, &lane->work);
    return NULL;
}

enum status lane_create(struct lane **out) {
    struct lane *lane = memory_calloc(1, sizeof *lane);
    if (lane == NULL) return STATUS_NO_MEMORY;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->changed, NULL);
    if (pthread_create(&lane->thread, NULL, run_lane, lane) != 0) {
        pthread_cond_destroy(&lane->changed);
        pthread_mutex_destroy(&lane->lock);
        memory_free(lane);
        return STATUS_LIMIT;
    }
    *out = lane;
    return STATUS_OK;
}

void lane_destroy(struct lane *lane) {
    if (lane == NULL) return;
    work_cancel(&lane->work);
    pthread_mutex_lock(&lane->lock);
    lane->ends = true;
    pthread_cond_signal(&lane->changed);
    pthread_mutex_unlock(&lane->lock);
    pthread_join(lane->thread, NULL);
    pthread_cond_destroy(&lane->changed);
    pthread_mutex_destroy(&lane->lock);
    memory_free(lane);
}

enum status lane_submit(struct lane *lane, void (*run)(void *context, struct work *work),
                        void *context) {
    enum status status = STATUS_OK;
    pthread_mutex_lock(&lane->lock);
    if (lane->ends || lane->count == LANE_WAITING_MAX) {
        status = STATUS_BUSY;
    } else {
        lane->waiting[(lane->first + lane->count++) % LANE_WAITING_MAX] =
            (struct task){run, context};
        pthread_cond_signal(&lane->changed);
    }
    pthread_mutex_unlock(&lane->lock);
    return status;
}
