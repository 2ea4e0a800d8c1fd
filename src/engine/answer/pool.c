/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/pool.h"

#include "base/memory.h"
#include "engine/engine_internal.h"

struct answering_pool {
    pthread_mutex_t lock;
    struct answering *idle[ANSWERING_KIND_COUNT][ANSWERING_IDLE_MAX];
    uint32_t count[ANSWERING_KIND_COUNT];
};

enum status answering_pool_create(struct answering_pool **out) {
    *out = memory_calloc(1, sizeof **out);
    if (*out == NULL) return STATUS_NO_MEMORY;
    pthread_mutex_init(&(*out)->lock, NULL);
    return STATUS_OK;
}

static void destroy(struct answering *answering) {
    answering_close(answering);
    memory_free(answering);
}

/* Closing one may take a while, so it is done without the lock. */
void answering_pool_clear(struct answering_pool *pool) {
    struct answering *idle;
    do {
        idle = NULL;
        pthread_mutex_lock(&pool->lock);
        for (int kind = 0; idle == NULL && kind < ANSWERING_KIND_COUNT; kind++) {
            if (pool->count[kind] > 0) idle = pool->idle[kind][--pool->count[kind]];
        }
        pthread_mutex_unlock(&pool->lock);
        if (idle != NULL) destroy(idle);
    } while (idle != NULL);
}

void answering_pool_destroy(struct answering_pool *pool) {
    if (pool == NULL) return;
    answering_pool_clear(pool);
    pthread_mutex_destroy(&pool->lock);
    memory_free(pool);
}

static struct answering *take_idle(struct answering_pool *pool, enum answering_kind kind) {
    struct answering *idle = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->count[kind] > 0) idle = pool->idle[kind][--pool->count[kind]];
    pthread_mutex_unlock(&pool->lock);
    return idle;
}

enum status answering_take(struct engine *engine, enum answering_kind kind, int64_t t_ms,
                           struct answering **out, struct error *error) {
    struct answering *answering = take_idle(engine->pool, kind);
    enum status status = STATUS_OK;
    *out = NULL;
    if (answering != NULL) {
        status = answering_renew(answering, t_ms, error);
    } else {
        answering = memory_alloc(sizeof *answering);
        if (answering == NULL) return STATUS_NO_MEMORY;
        status = answering_open_as(answering, engine, kind, t_ms, error);
    }
    if (status == STATUS_OK)
        *out = answering;
    else
        destroy(answering);
    return status;
}

void answering_give(struct answering *answering) {
    if (answering == NULL) return;
    struct answering_pool *pool = answering->engine->pool;
    enum answering_kind kind = answering->kind;
    bool kept = false;
    answering_rest(answering);
    pthread_mutex_lock(&pool->lock);
    if (pool->count[kind] < ANSWERING_IDLE_MAX && in_force_is_current(answering->in_force)) {
        pool->idle[kind][pool->count[kind]++] = answering;
        kept = true;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!kept) destroy(answering);
}
