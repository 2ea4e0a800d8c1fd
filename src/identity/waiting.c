/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/record.h"

/* Names that somebody is said to have: "user u7 was called anon-7 before" (Segment's alias). The
 * name counts wherever an identifier of one of its types is known, and as soon as one gets known:
 * an alias may come before the events of the anonymous visitor. So what was said is kept, by the
 * name; an identifier that is new looks here whether it was waited for. The link is known since
 * the alias, whichever came first, so the order of arrival doesn't matter. A name that nobody ever
 * bears is no identifier and no customer. */

static uint32_t chain_of(const struct identity *identity, struct key key, uint64_t hash) {
    uint32_t id;
    if (key_table_count(&identity->waiting_keys) == 0) return 0;
    return key_table_find(&identity->waiting_keys, key, hash, &id) ? identity->waiting_heads[id]
                                                                   : 0;
}

/* Was the same said before, in the same step of whatever expires? */
static bool is_said(const struct identity *identity, uint32_t chain, uint8_t type,
                    const struct link *said, bool *full) {
    uint32_t length = 0;
    uint8_t types[2] = {type, identifier_type(identity, said->strong)};
    for (uint32_t at = chain; at; at = identity->waiting[at - 1].older) {
        const struct waiting_name *name = &identity->waiting[at - 1];
        length++;
        if (name->anchor == said->strong && name->known_ms <= said->known_ms &&
            is_same_step_of(identity, types, name->known_ms, said->known_ms))
            return true;
    }
    *full = length >= IDENTITY_LINKS_MAX;
    return false;
}

enum status waiting_add(struct identity *identity, struct key key, uint64_t hash,
                        const struct link *said) {
    bool full = false, is_new;
    uint32_t id, chain = chain_of(identity, key, hash);
    if (!identity->replaying && is_said(identity, chain, key.prefix, said, &full)) return STATUS_OK;
    if (full) return STATUS_OK;
    struct record_entry entry = {
        .tag = ENTRY_WAITING, .type = key.prefix, .value = key.text, .link = *said};
    enum status status = memory_grow((void **)&identity->waiting, &identity->waiting_capacity,
                                     identity->waiting_count + 1, sizeof(*identity->waiting));
    if (!status)
        status = memory_grow((void **)&identity->waiting_heads, &identity->waiting_heads_capacity,
                             (size_t)key_table_count(&identity->waiting_keys) + 1,
                             sizeof(*identity->waiting_heads));
    if (!status) status = record_add(identity, &entry);
    if (!status) status = key_table_add(&identity->waiting_keys, key, hash, &id, &is_new);
    if (status) return status;
    identity->waiting[identity->waiting_count++] = (struct waiting_name){
        .key = id,
        .anchor = said->strong,
        .older = is_new ? 0 : identity->waiting_heads[id],
        .source = said->source,
        .time_ms = said->time_ms,
        .known_ms = said->known_ms,
    };
    identity->waiting_heads[id] = (uint32_t)identity->waiting_count;
    return STATUS_OK;
}

enum status waiting_join(struct identity *identity, struct key key, uint64_t hash, uint32_t id) {
    enum status status = STATUS_OK;
    for (uint32_t at = chain_of(identity, key, hash); !status && at;
         at = identity->waiting[at - 1].older) {
        const struct waiting_name *name = &identity->waiting[at - 1];
        if (name->anchor == NONE || name->anchor == id) continue;
        struct link link = {.strong = name->anchor,
                            .weak = id,
                            .source = name->source,
                            .weight = 1,
                            .time_ms = name->time_ms,
                            .known_ms = name->known_ms};
        link.order = link_order(content_hash(identity, name->anchor), hash);
        status = pending_add(identity, &link);
    }
    return status;
}

static int64_t said_first(const struct identity *identity, uint32_t named, uint32_t anchor) {
    struct key key = key_table_key(&identity->identifiers, named);
    int64_t first_ms = INT64_MAX;
    if (!key.text.at) return first_ms;
    for (uint32_t at = chain_of(identity, key, key_hash(key)); at;
         at = identity->waiting[at - 1].older) {
        const struct waiting_name *name = &identity->waiting[at - 1];
        if (name->anchor == anchor && name->known_ms < first_ms) first_ms = name->known_ms;
    }
    return first_ms;
}

int64_t waiting_first_ms(const struct identity *identity, uint32_t a, uint32_t b) {
    int64_t first_a = said_first(identity, a, b), first_b = said_first(identity, b, a);
    return first_a < first_b ? first_a : first_b;
}

void waiting_undo(struct identity *identity) {
    while (identity->waiting_count > identity->first_waiting) {
        const struct waiting_name *name = &identity->waiting[--identity->waiting_count];
        identity->waiting_heads[name->key] = name->older;
    }
    key_table_truncate(&identity->waiting_keys, identity->first_waiting_key);
}

void waiting_erase_name(struct identity *identity, struct key key) {
    uint32_t id;
    if (key_table_count(&identity->waiting_keys) == 0) return;
    for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++) {
        struct key same = {(uint8_t)type, key.text}; /* said of another type, it is the same text */
        if (key_table_find(&identity->waiting_keys, same, key_hash(same), &id))
            key_table_wipe(&identity->waiting_keys, id);
    }
}

/* What an erased customer was said to be called, unless somebody else is called so, too. */
void waiting_erase_anchors(struct identity *identity) {
    for (size_t i = 0; i < identity->waiting_count; i++) {
        struct waiting_name *name = &identity->waiting[i];
        if (name->anchor != NONE && LOAD(node_at(identity, name->anchor)->flags) & NODE_ERASED)
            name->anchor = NONE;
    }
    uint32_t count = key_table_count(&identity->waiting_keys);
    for (uint32_t id = 0; id < count; id++) {
        uint32_t at = identity->waiting_heads[id];
        while (at && identity->waiting[at - 1].anchor == NONE) at = identity->waiting[at - 1].older;
        if (!at) key_table_wipe(&identity->waiting_keys, id);
    }
}
