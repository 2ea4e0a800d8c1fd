/* SPDX-License-Identifier: Apache-2.0 */
/* Looks keys up: in the growing tail, in the frozen tail, then in key files from the newest to the
 * oldest. */
#include "store/store_internal.h"

#include <stdlib.h>

#include "base/memory.h"

void store_forget_seen(struct store *store) {
    if (store->seen) versions_unpin(&store->versions, store->seen);
    store->seen = NULL;
}

/* Pins the present version from one look-up to the next, so that a row costs no atomic operation.
 */
static enum status see(struct store *store, struct error *error) {
    if (store->seen && versions_is_current(&store->versions, store->seen)) return STATUS_OK;
    store_forget_seen(store);
    return versions_pin(&store->versions, &store->seen, error);
}

void store_key_prefetch(struct store *store, struct row_key key) {
    struct error ignored;
    if (row_key_is_none(key) || see(store, &ignored)) return;
    const struct version *version = store->seen;
    uint32_t place = store->ahead_count++;
    uint64_t oldest = store->ahead[place % KEYS_AHEAD],
             older = store->ahead[(place + KEYS_AHEAD / 2) % KEYS_AHEAD];
    store->ahead[place % KEYS_AHEAD] = key.low;
    for (uint32_t i = 0; i < version->tail_count; i++)
        tail_keys_prefetch(tail_keys_of(version->tails[i]), key.low);
    for (uint32_t i = 0; i < version->keys_count; i++) {
        key_file_prefetch(version->keys[i]->file, key.low);
        key_file_prefetch_bucket(version->keys[i]->file, older);
        key_file_prefetch_key(version->keys[i]->file, oldest);
    }
}

static void tell(const struct key_entry *entry, struct stored_key *out) {
    *out = (struct stored_key){
        .content = entry->content,
        .version = entry->version,
        .position = entry->position,
        .persona = {entry->persona},
        .reading = entry->reading,
        .source = entry->source,
        .retracted = (entry->flags & KEY_RETRACTED) != 0,
        .legacy = (entry->flags & KEY_LEGACY) != 0,
    };
}

enum status store_key_find(struct store *store, struct row_key key, struct stored_key *out,
                           bool *found, struct error *error) {
    *found = false;
    if (row_key_is_none(key)) return STATUS_OK;
    enum status status = see(store, error);
    if (status) return status;
    const struct version *version = store->seen;
    for (uint32_t i = version->tail_count; i-- > 0;) {
        struct key_entry entry;
        if (!tail_keys_find(tail_keys_of(version->tails[i]), key, &entry)) continue;
        tell(&entry, out);
        *found = true;
        return STATUS_OK;
    }
    for (uint32_t i = version->keys_count; !*found && i-- > 0;) {
        const struct key_file *file = version->keys[i]->file;
        struct key_entry entry;
        if (key_file_find(file, key, &entry, found)) return key_file_damage(file, error);
        if (*found) tell(&entry, out);
    }
    return STATUS_OK;
}

bool store_key_is_known(struct store *store, struct row_key key, uint64_t content,
                        uint16_t reading) {
    struct version *version;
    struct error ignored;
    bool known = false, found = false;
    if (row_key_is_none(key) || versions_pin(&store->versions, &version, &ignored)) return false;
    for (uint32_t i = version->keys_count; !found && i-- > 0;)
        known = key_file_has_content(version->keys[i]->file, key, content, reading, &found);
    versions_unpin(&store->versions, version);
    return known;
}

/* ---- keys that have changed since the key files were written ---- */

static int compare_positions(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* What a walk over the keys of a tail needs. */
struct changed_walk {
    const struct tail_key **chunks;
    uint64_t *by; /* positions of the events that supersede, ascending */
    uint32_t count;
    enum status (*visit)(void *context, struct row_key key);
    void *context;
};

static enum status visit_share(const struct changed_walk *walk, const struct tail_keys *keys,
                               uint32_t share) {
    enum status status = STATUS_OK;
    uint32_t left = keys->shares[share].count;
    uint32_t chunks = tail_keys_chunks(keys, share, walk->chunks);
    for (uint32_t c = 0; c < chunks; c++) {
        uint32_t in_chunk = left < TAIL_KEYS_CHUNK ? left : TAIL_KEYS_CHUNK;
        for (uint32_t i = 0; status == STATUS_OK && i < in_chunk; i++) {
            struct key_entry entry;
            tail_keys_tell(keys, &walk->chunks[c][i], &entry);
            bool changed =
                (entry.flags & KEY_RETRACTED) != 0 ||
                (walk->count > 0 && bsearch(&entry.position, walk->by, walk->count,
                                            sizeof *walk->by, compare_positions) != NULL);
            if (changed)
                status = walk->visit(walk->context, (struct row_key){entry.low, entry.high});
        }
        left -= in_chunk;
    }
    return status;
}

static enum status visit_tail(const struct tail *tail,
                              enum status (*visit)(void *context, struct row_key key),
                              void *context) {
    const struct superseded_tail *superseded = tail_superseded(tail);
    const struct tail_keys *keys = tail_keys_of(tail);
    struct changed_walk walk = {
        .count = superseded_tail_count(superseded), .visit = visit, .context = context};
    walk.by = memory_alloc((walk.count + 1) * sizeof *walk.by);
    walk.chunks =
        memory_alloc(((keys->count >> TAIL_KEYS_CHUNK_BITS) + 2) * sizeof(struct tail_key *));
    enum status status = walk.by != NULL && walk.chunks != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t i = 0; status == STATUS_OK && i < walk.count; i++)
        walk.by[i] = superseded_tail_at(superseded, i)->by;
    if (status == STATUS_OK) qsort(walk.by, walk.count, sizeof *walk.by, compare_positions);
    for (uint32_t share = 0; status == STATUS_OK && share < TAIL_KEYS_SHARES; share++)
        status = visit_share(&walk, keys, share);
    memory_free(walk.by);
    memory_free((void *)walk.chunks);
    return status;
}

enum status store_visit_changed_keys(struct store *store,
                                     enum status (*visit)(void *context, struct row_key key),
                                     void *context, struct error *error) {
    enum status status = see(store, error);
    for (uint32_t i = 0; status == STATUS_OK && i < store->seen->tail_count; i++)
        status = visit_tail(store->seen->tails[i], visit, context);
    return status;
}
