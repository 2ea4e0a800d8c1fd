/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/pool.h"

#include "base/memory.h"
#include "engine/engine_internal.h"

struct engine_view_pool {
    pthread_mutex_t lock;
    struct engine_view *idle[ENGINE_VIEW_KIND_COUNT][ENGINE_VIEW_IDLE_MAX];
    uint32_t count[ENGINE_VIEW_KIND_COUNT];
};

enum status engine_view_pool_create(struct engine_view_pool **out) {
    *out = memory_calloc(1, sizeof **out);
    if (*out == NULL) return STATUS_NO_MEMORY;
    pthread_mutex_init(&(*out)->lock, NULL);
    return STATUS_OK;
}

static void destroy(struct engine_view *view) {
    engine_view_close(view);
    memory_free(view);
}

/* Closing one may take a while, so it is done without the lock. */
void engine_view_pool_clear(struct engine_view_pool *pool) {
    struct engine_view *idle;
    do {
        idle = NULL;
        pthread_mutex_lock(&pool->lock);
        for (int kind = 0; idle == NULL && kind < ENGINE_VIEW_KIND_COUNT; kind++) {
            if (pool->count[kind] > 0) idle = pool->idle[kind][--pool->count[kind]];
        }
        pthread_mutex_unlock(&pool->lock);
        if (idle != NULL) destroy(idle);
    } while (idle != NULL);
}

void engine_view_pool_destroy(struct engine_view_pool *pool) {
    if (pool == NULL) return;
    engine_view_pool_clear(pool);
    pthread_mutex_destroy(&pool->lock);
    memory_free(pool);
}

static struct engine_view *take_idle(struct engine_view_pool *pool, enum engine_view_kind kind) {
    struct engine_view *idle = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->count[kind] > 0) idle = pool->idle[kind][--pool->count[kind]];
    pthread_mutex_unlock(&pool->lock);
    return idle;
}

enum status engine_view_take(struct engine *engine, enum engine_view_kind kind, int64_t t_ms,
                             struct engine_view **out, struct error *error) {
    struct engine_view *view = take_idle(engine->pool, kind);
    enum status status = STATUS_OK;
    *out = NULL;
    if (view != NULL) {
        status = engine_view_renew(view, t_ms, error);
    } else {
        view = memory_alloc(sizeof *view);
        if (view == NULL) return STATUS_NO_MEMORY;
        status = engine_view_open_as(view, engine, kind, t_ms, error);
    }
    if (status == STATUS_OK)
        *out = view;
    else
        destroy(view);
    return status;
}

void engine_view_give(struct engine_view *view) {
    if (view == NULL) return;
    struct engine_view_pool *pool = view->engine->pool;
    enum engine_view_kind kind = view->kind;
    bool kept = false;
    engine_view_rest(view);
    pthread_mutex_lock(&pool->lock);
    if (pool->count[kind] < ENGINE_VIEW_IDLE_MAX && in_force_is_current(view->in_force)) {
        pool->idle[kind][pool->count[kind]++] = view;
        kept = true;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!kept) destroy(view);
}
