/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/walk.h"

#include <pthread.h>
#include <stdatomic.h>

#define COUNT_EVERY 256 /* customers, so that threads seldom write to the same line */

struct shared {
    const struct walk_plan *plan;
    struct as_of as_of;
    _Atomic bool stop;
};

struct part {
    struct shared *shared;
    struct timeline_reader *reader;
    uint32_t index, count;
    enum status status;
    struct error error;
};

static enum status visit_all(struct part *part, struct walker *walker) {
    const struct walk_plan *plan = part->shared->plan;
    const struct timeline_source_ops *ops = plan->data->source->ops;
    struct timeline_request request =
        profile_request(walker->profile, part->shared->as_of, plan->all_times);
    past_use(&walker->past, &request);
    enum status status = ops->walk(part->reader, &request, part->index, part->count, &part->error);
    uint64_t uncounted = 0;
    struct timeline timeline;
    while (status == STATUS_OK && !atomic_load(&part->shared->stop)) {
        status = work_check(plan->work, &part->error);
        if (status == STATUS_OK) status = ops->next(part->reader, &timeline, &part->error);
        if (status != STATUS_OK) break;
        past_begin(&walker->past, &timeline);
        status = plan->visit(plan->parts[part->index], walker, &timeline, &part->error);
        if (++uncounted < COUNT_EVERY) continue;
        work_add(plan->work, uncounted);
        uncounted = 0;
    }
    work_add(plan->work, uncounted);
    return status == STATUS_END ? STATUS_OK : status;
}

static void *run_part(void *argument) {
    struct part *part = argument;
    const struct customer_data *data = part->shared->plan->data;
    struct walker walker = {.profile = NULL};
    past_init(&walker.past, data);
    part->status = profile_create(&walker.profile, data);
    if (part->status == STATUS_OK) part->status = visit_all(part, &walker);
    past_release(&walker.past);
    profile_destroy(walker.profile);
    if (part->status != STATUS_OK) atomic_store(&part->shared->stop, true);
    return NULL;
}

static void run_parts(struct part *parts, uint32_t count) {
    pthread_t threads[WALK_THREADS_MAX];
    bool started[WALK_THREADS_MAX] = {false};
    for (uint32_t i = 1; i < count; i++) {
        started[i] = pthread_create(&threads[i], NULL, run_part, &parts[i]) == 0;
    }
    run_part(&parts[0]);
    for (uint32_t i = 1; i < count; i++) {
        if (started[i])
            pthread_join(threads[i], NULL);
        else
            run_part(&parts[i]); /* no thread can be started: walk the share here */
    }
}

enum status walk_customers(const struct walk_plan *plan, struct error *error) {
    const struct timeline_source_ops *ops = plan->data->source->ops;
    uint32_t count = work_threads(plan->work, plan->threads == 0 ? 1 : plan->threads);
    if (count > WALK_THREADS_MAX) count = WALK_THREADS_MAX;
    struct shared shared = {.plan = plan, .as_of = plan->as_of};
    struct part parts[WALK_THREADS_MAX] = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        parts[i] = (struct part){.shared = &shared, .index = i, .count = count};
        status = ops->reader_open(plan->data->source, &parts[i].reader, error);
        if (status != STATUS_OK) break;
        uint64_t position = ops->position(parts[i].reader);
        if (shared.as_of.position > position) shared.as_of.position = position;
    }
    if (status == STATUS_OK) run_parts(parts, count);
    for (uint32_t i = 0; i < count; i++) {
        if (parts[i].reader != NULL) ops->reader_close(parts[i].reader);
        if (status != STATUS_OK || parts[i].status == STATUS_OK) continue;
        status = parts[i].status;
        if (error != NULL) *error = parts[i].error;
    }
    return status == STATUS_OK ? timeline_source_check(plan->data->source, error) : status;
}
