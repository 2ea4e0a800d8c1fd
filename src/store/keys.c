/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up keys: growing tail, frozen tail, key files from the newest to the oldest. */
#include "store/store_room.h"

void store_forget_seen(struct store *store) {
    if (store->seen) versions_unpin(&store->versions, store->seen);
    store->seen = NULL;
}

/* The version of now, pinned from one look-up to the next so that a row costs no atomics. */
static enum status see(struct store *store, struct error *error) {
    if (store->seen && versions_is_current(&store->versions, store->seen)) return STATUS_OK;
    store_forget_seen(store);
    return versions_pin(&store->versions, &store->seen, error);
}

void store_key_prefetch(struct store *store, struct row_key key) {
    struct error ignored;
    if (row_key_is_none(key) || see(store, &ignored)) return;
    const struct version *version = store->seen;
    uint32_t place = store->ahead_count++ % KEYS_AHEAD;
    struct row_key before = store->ahead[place];
    store->ahead[place] = key;
    for (uint32_t i = 0; i < version->tail_count; i++)
        tail_keys_prefetch(tail_keys_of(version->tails[i]), key.low);
    for (uint32_t i = 0; i < version->keys_count; i++) {
        key_file_prefetch(version->keys[i]->file, key.low);
        if (before.low) key_file_prefetch_more(version->keys[i]->file, before.low);
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
        const struct key_entry *entry = tail_keys_find(tail_keys_of(version->tails[i]), key);
        if (!entry) continue;
        tell(entry, out);
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
