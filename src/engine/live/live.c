/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>

#include "base/memory.h"
#include "engine/live/live_internal.h"

static void derive(uint8_t out[LIVE_KEY_BYTES], const char *purpose,
                   const uint8_t salt[IDENTITY_SALT_BYTES]) {
    (void)crypto_generichash(out, LIVE_KEY_BYTES, (const uint8_t *)purpose, strlen(purpose), salt,
                             IDENTITY_SALT_BYTES);
}

enum status live_create(struct live **out, const uint8_t salt[IDENTITY_SALT_BYTES]) {
    struct live *live = memory_calloc(1, sizeof *live);
    *out = live;
    if (live == NULL) return STATUS_NO_MEMORY;
    derive(live->seal_key, "attune: seal of decision tokens", salt);
    derive(live->nonce_key, "attune: nonce of decision tokens", salt);
    pthread_mutex_init(&live->lock, NULL);
    pthread_mutex_init(&live->kept_lock, NULL);
    return STATUS_OK;
}

void live_destroy(struct live *live) {
    if (live == NULL) return;
    live_pending_free_kept(live);
    pthread_mutex_destroy(&live->kept_lock);
    pthread_mutex_destroy(&live->lock);
    sodium_memzero(live, sizeof *live);
    memory_free(live);
}

/* ---- names ---- */

/* The applier's. A frame without events takes the names that the log has not yet. */
static enum status write_names(struct engine *engine, void *context, struct error *error) {
    static const struct store_frame nothing;
    uint64_t position;
    (void)context;
    return store_append(engine->store, &nothing, true, &position, error);
}

static enum status add_names(struct engine *engine) {
    struct live *live = engine->live;
    struct message_symbols messages;
    struct holdout_symbols holdout;
    struct experiment_symbols experiments;
    enum status status = message_symbols_add(engine->symbols, &messages);
    if (status == STATUS_OK) status = holdout_symbols_add(engine->symbols, &holdout);
    if (status == STATUS_OK) status = experiment_symbols_add(engine->symbols, &experiments);
    if (status == STATUS_OK)
        status = symbol_add(engine->symbols, SYMBOL_SOURCE, TEXT("decide"), &live->source);
    if (status == STATUS_OK)
        status = symbol_add(engine->symbols, SYMBOL_CHANNEL, TEXT("system"), &live->channel);
    if (status == STATUS_OK)
        status = symbol_add(engine->symbols, SYMBOL_EVENT, LIVE_ASKED_FOR, &live->asked_for);
    return status;
}

enum status live_prepare(struct engine *engine, struct error *error) {
    struct live *live = engine->live;
    enum status status = STATUS_OK;
    if (atomic_load(&live->is_prepared)) return STATUS_OK;
    pthread_mutex_lock(&live->lock);
    if (!atomic_load(&live->is_prepared)) {
        status = add_names(engine);
        if (status == STATUS_OK && !engine->read_only)
            status = applier_call(engine->applier, write_names, NULL, error);
        atomic_store(&live->is_prepared, status == STATUS_OK);
    }
    pthread_mutex_unlock(&live->lock);
    return status;
}

/* ---- time ---- */

int64_t live_now_ms(struct engine *engine) {
    struct live *live = engine->live;
    int64_t now_ms = engine_now_ms(engine), newest_ms = atomic_load(&live->newest_ms);
    while (now_ms > newest_ms &&
           !atomic_compare_exchange_weak(&live->newest_ms, &newest_ms, now_ms)) {
    }
    return now_ms > newest_ms ? now_ms : newest_ms;
}

/* ---- counts ---- */

void live_stats(const struct engine *engine, struct live_stats *out) {
    const struct live *live = engine->live;
    *out = (struct live_stats){.decisions = atomic_load(&live->decisions),
                               .dry_runs = atomic_load(&live->dry_runs),
                               .again = atomic_load(&live->again),
                               .decided_twice = atomic_load(&live->decided_twice),
                               .changed = atomic_load(&live->changed),
                               .waited = atomic_load(&live->waited),
                               .outcomes = atomic_load(&live->outcomes),
                               .restored = atomic_load(&live->restored)};
}
