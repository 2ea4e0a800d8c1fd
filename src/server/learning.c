/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning.h"

#include <pthread.h>
#include <time.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/learn_on.h"

#define NICENESS     19
#define LOOK_SECONDS 1

struct due {
    uint64_t name; /* hash of the model's; another playbook may give it another index */
    double last_seconds;
};

struct learning {
    struct engine *engine;
    struct server_log *log;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct work work; /* once cancelled it stays so: the thread ends */
    bool ends;
    struct due *due;
    size_t count, capacity;
};

/* When the model learnt on last; a model that was not seen before is due after its first while. */
static double *last_of(struct learning *learning, struct text name, double now_seconds) {
    uint64_t hash = hash_text(name, 0);
    for (size_t i = 0; i < learning->count; i++)
        if (learning->due[i].name == hash) return &learning->due[i].last_seconds;
    if (memory_grow((void **)&learning->due, &learning->capacity, learning->count + 1,
                    sizeof *learning->due) != STATUS_OK)
        return NULL;
    struct due *added = &learning->due[learning->count++];
    *added = (struct due){hash, now_seconds};
    return &added->last_seconds;
}

static void tell(struct learning *learning, const struct learnt_on *learnt) {
    struct server_log_line line;
    struct json_writer *writer = server_log_begin(&line, LOG_INFO, "learnt_on");
    json_member_string(writer, "model", learnt->before->name);
    json_member_count(writer, "version", learnt->after->version);
    json_member_count(writer, "rows", learnt->rows);
    json_member_count(writer, "changed", learnt->changed);
    json_member_count(writer, "came_late", learnt->came_late);
    server_log_end(learning->log, &line);
}

static void learn_on(struct learning *learning, uint32_t rule) {
    struct learnt_on learnt;
    struct error error = {0};
    enum status status = engine_learn_on(learning->engine, rule, engine_now_ms(learning->engine),
                                         &learning->work, &learnt, &error);
    if (status == STATUS_OK && learnt.after != NULL)
        tell(learning, &learnt);
    else if (status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_CANCELLED)
        server_log_say(learning->log, LOG_WARNING, "learning_on_failed", "%s", error.text);
    learnt_on_release(&learnt);
}

/* The first rule that is due; UINT32_MAX: none is. */
static uint32_t next_due(struct learning *learning) {
    double now_seconds = clock_monotonic_seconds();
    struct in_force *in_force = in_force_hold(learning->engine);
    const struct playbook *playbook = in_force->data.playbook;
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < playbook->model_count && found == UINT32_MAX; i++) {
        const struct model_rule *rule = &playbook->models[i];
        const struct model *model = in_force->models[i];
        if (rule->online_every_ms == 0 || model == NULL || !model_learns_on(model)) continue;
        double *last_seconds = last_of(learning, rule->name, now_seconds);
        if (last_seconds == NULL ||
            (now_seconds - *last_seconds) * 1000 < (double)rule->online_every_ms)
            continue;
        *last_seconds = now_seconds;
        found = i;
    }
    in_force_drop(in_force);
    return found;
}

/* False once it ends. */
static bool wait_a_little(struct learning *learning) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LOOK_SECONDS;
    pthread_mutex_lock(&learning->lock);
    if (!learning->ends) pthread_cond_timedwait(&learning->changed, &learning->lock, &until);
    bool goes_on = !learning->ends;
    pthread_mutex_unlock(&learning->lock);
    return goes_on;
}

static void *run(void *argument) {
    struct learning *learning = argument;
    thread_be_nice(NICENESS);
    while (wait_a_little(learning)) {
        uint32_t rule = next_due(learning);
        if (rule != UINT32_MAX) learn_on(learning, rule);
    }
    return NULL;
}

static void release(struct learning *learning) {
    pthread_cond_destroy(&learning->changed);
    pthread_mutex_destroy(&learning->lock);
    memory_free(learning->due);
    memory_free(learning);
}

enum status learning_create(struct learning **out, struct engine *engine, struct server_log *log) {
    struct learning *learning = memory_calloc(1, sizeof *learning);
    if (learning == NULL) return STATUS_NO_MEMORY;
    learning->engine = engine;
    learning->log = log;
    pthread_mutex_init(&learning->lock, NULL);
    pthread_cond_init(&learning->changed, NULL);
    if (pthread_create(&learning->thread, NULL, run, learning) != 0) {
        release(learning);
        return STATUS_LIMIT;
    }
    *out = learning;
    return STATUS_OK;
}

void learning_destroy(struct learning *learning) {
    if (learning == NULL) return;
    work_cancel(&learning->work);
    pthread_mutex_lock(&learning->lock);
    learning->ends = true;
    pthread_cond_signal(&learning->changed);
    pthread_mutex_unlock(&learning->lock);
    pthread_join(learning->thread, NULL);
    release(learning);
}
