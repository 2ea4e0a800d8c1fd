/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions on their way. As a rule the asking thread takes one and the syncer's gives it back, a
 * few milliseconds later; so their memory is kept and used again, which costs less than to have one
 * thread allocate what another frees. */
#include "base/memory.h"
#include "engine/live/live_internal.h"

#define ASK_BYTES_MAX  ((size_t)1 << 20)
#define KEPT_MAX       256u               /* more are freed; at 20,000 a second some 200 wait */
#define BYTES_KEPT_MAX ((size_t)16 << 10) /* of one; what has more is freed */

static void destroy(struct live_pending *pending) {
    event_batch_release(&pending->batch);
    packed_writer_release(&pending->writer);
    arena_release(&pending->texts);
    memory_free(pending);
}

void live_pending_free_kept(struct live *live) {
    while (live->kept != NULL) {
        struct live_pending *pending = live->kept;
        live->kept = pending->next_kept;
        destroy(pending);
    }
    live->kept_count = 0;
}

static struct live_pending *create(void) {
    struct live_pending *pending = memory_alloc(sizeof *pending);
    if (pending == NULL) return NULL;
    event_batch_init(&pending->batch);
    packed_writer_init(&pending->writer);
    arena_init(&pending->texts, ASK_BYTES_MAX);
    return pending;
}

static struct live_pending *take_kept(struct live *live) {
    pthread_mutex_lock(&live->kept_lock);
    struct live_pending *pending = live->kept;
    if (pending != NULL) {
        live->kept = pending->next_kept;
        live->kept_count--;
    }
    pthread_mutex_unlock(&live->kept_lock);
    return pending;
}

/* Their memory is that of a usual decision, or it is let go. */
static bool is_small(const struct live_pending *pending) {
    return pending->batch.bytes.capacity + pending->writer.scratch.capacity +
               pending->texts.used_bytes <=
           BYTES_KEPT_MAX;
}

void live_pending_give(struct live_pending *pending) {
    struct live *live = pending->engine->live;
    bool keeps = is_small(pending);
    if (keeps) {
        event_batch_clear(&pending->batch);
        arena_clear(&pending->texts);
        pthread_mutex_lock(&live->kept_lock);
        keeps = live->kept_count < KEPT_MAX;
        if (keeps) {
            pending->next_kept = live->kept;
            live->kept = pending;
            live->kept_count++;
        }
        pthread_mutex_unlock(&live->kept_lock);
    }
    if (!keeps) destroy(pending);
}

/* ---- what was asked ---- */

static enum status copy_text(struct arena *arena, struct text *text) {
    struct text copy = arena_text(arena, *text);
    if (copy.at == NULL) return STATUS_NO_MEMORY;
    *text = copy;
    return STATUS_OK;
}

static enum status copy_identifiers(struct live_pending *pending) {
    struct live_ask *ask = &pending->ask;
    if (ask->identifier_count == 0) return STATUS_OK;
    struct live_identifier *copy =
        arena_calloc(&pending->texts, ask->identifier_count, sizeof *copy);
    enum status status = copy != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < ask->identifier_count && status == STATUS_OK; i++) {
        copy[i] = ask->identifiers[i];
        status = copy_text(&pending->texts, &copy[i].type);
        if (status == STATUS_OK) status = copy_text(&pending->texts, &copy[i].value);
    }
    ask->identifiers = copy;
    return status;
}

static enum status copy_ask(struct live_pending *pending, const struct live_ask *ask) {
    pending->ask = *ask;
    enum status status = copy_text(&pending->texts, &pending->ask.customer);
    if (status == STATUS_OK) status = copy_text(&pending->texts, &pending->ask.placement);
    if (status == STATUS_OK) status = copy_text(&pending->texts, &pending->ask.context);
    return status == STATUS_OK ? copy_identifiers(pending) : status;
}

enum status live_pending_take(struct live_pending **out, struct engine *engine,
                              const struct live_ask *ask) {
    struct live_pending *pending = take_kept(engine->live);
    if (pending == NULL) pending = create();
    *out = pending;
    if (pending == NULL) return STATUS_NO_MEMORY;
    pending->change = (struct change){.batch = &pending->batch, .has_personas = true};
    pending->engine = engine;
    pending->customer = (struct customer_id){ID_NONE};
    pending->persona = (struct persona_id){ID_NONE};
    pending->began_seconds = clock_monotonic_seconds();
    pending->late_seconds = 0;
    pending->position = pending->in_force = pending->holds = 0;
    pending->takes.playbook = 0;
    pending->is_new = pending->is_new_customer = pending->is_again = false;
    pending->waits = pending->is_answered = false;
    pending->token[0] = '\0';
    enum status status = copy_ask(pending, ask);
    if (status != STATUS_OK) live_pending_give(pending);
    return status;
}
