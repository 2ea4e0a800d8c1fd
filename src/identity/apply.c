/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/record.h"

/* Replaying: the same steps as when it was resolved, with the record in the place of the batch. */

static enum status apply_identifier(struct identity *identity, const struct record_entry *entry) {
    struct key key = {entry->type, entry->value};
    uint64_t hash = key_hash(key);
    uint32_t id;
    if (key_table_find(&identity->identifiers, key, hash, &id)) return STATUS_CORRUPT;
    return identifier_add(identity, key, hash, &id);
}

static enum status apply_persona(struct identity *identity, const struct record_entry *entry) {
    uint32_t count = key_table_count(&identity->identifiers), persona;
    bool has_anchor = false;
    for (uint32_t i = 0; i < entry->id_count; i++) {
        if (entry->ids[i] >= count) return STATUS_CORRUPT;
        has_anchor |= entry->ids[i] == entry->anchor;
    }
    if (!has_anchor) return STATUS_CORRUPT;
    struct key key = persona_key(entry->ids, entry->id_count);
    uint64_t hash = key_hash(key);
    bool is_known = entry->id_count == 1 ? LOAD(*single_at(identity, entry->anchor)) != 0
                                         : key_table_find(&identity->personas, key, hash, &persona);
    if (is_known) return STATUS_CORRUPT;
    return persona_add(identity, entry->ids, entry->id_count, hash, entry->anchor, false, &persona);
}

static enum status apply_public_persona(struct identity *identity,
                                        const struct record_entry *entry) {
    struct key key = public_persona_key(entry->ids);
    uint64_t hash = key_hash(key);
    uint32_t persona;
    if (entry->anchor >= key_table_count(&identity->identifiers)) return STATUS_CORRUPT;
    if (key_table_find(&identity->personas, key, hash, &persona)) return STATUS_CORRUPT;
    return persona_add(identity, entry->ids, 1, hash, entry->anchor, true, &persona);
}

static bool is_identifier(const struct identity *identity, uint32_t id) {
    return id < key_table_count(&identity->identifiers) &&
           key_table_key(&identity->identifiers, id).text.at != NULL;
}

static enum status apply_claim(struct identity *identity, const struct claim *claim) {
    if (!is_identifier(identity, claim->device) || !is_identifier(identity, claim->target))
        return STATUS_CORRUPT;
    return claim_can_be(identity, claim) ? claim_replay(identity, claim) : STATUS_CORRUPT;
}

static enum status apply_claim_withdrawal(struct identity *identity,
                                          const struct withdrawal *withdrawal) {
    uint32_t count = key_table_count(&identity->identifiers);
    if (withdrawal->a >= count || withdrawal->b >= count) return STATUS_CORRUPT;
    return claim_withdraw_pair(identity, withdrawal);
}

static enum status apply_link(struct identity *identity, const struct record_entry *entry) {
    uint32_t count = key_table_count(&identity->identifiers);
    struct link link = entry->link;
    if (link.strong >= count || link.weak >= count) return STATUS_CORRUPT;
    if (!key_table_key(&identity->identifiers, link.strong).text.at)
        return STATUS_CORRUPT; /* a hole */
    if (!key_table_key(&identity->identifiers, link.weak).text.at) return STATUS_CORRUPT;
    link.order = link_order(content_hash(identity, link.strong), content_hash(identity, link.weak));
    return pending_add(identity, &link);
}

static enum status apply_withdrawal(struct identity *identity, const struct record_entry *entry) {
    if (entry->withdrawal.b >= key_table_count(&identity->identifiers)) return STATUS_CORRUPT;
    return control_add(identity, &entry->withdrawal);
}

static enum status apply_unsupport(struct identity *identity, const struct record_entry *entry) {
    if (entry->unsupport.b >= key_table_count(&identity->identifiers)) return STATUS_CORRUPT;
    return unsupport_add(identity, &entry->unsupport);
}

static enum status apply_waiting(struct identity *identity, const struct record_entry *entry) {
    struct key key = {entry->type, entry->value};
    if (entry->link.strong >= key_table_count(&identity->identifiers)) return STATUS_CORRUPT;
    return waiting_add(identity, key, key_hash(key), &entry->link);
}

static enum status apply_entry(struct identity *identity, const struct record_entry *entry) {
    switch (entry->tag) {
    case ENTRY_IDENTIFIER: return apply_identifier(identity, entry);
    case ENTRY_IDENTIFIER_HOLE: return identifier_add_hole(identity);
    case ENTRY_PERSONA: return apply_persona(identity, entry);
    case ENTRY_PERSONA_HOLE: return persona_add_hole(identity);
    case ENTRY_LINK: return apply_link(identity, entry);
    case ENTRY_WITHDRAWAL: return apply_withdrawal(identity, entry);
    case ENTRY_SUPPRESS:
    case ENTRY_SUPPRESS_MARKED: return suppress_digest(identity, &entry->suppressed);
    case ENTRY_WELCOME: welcome_digest(identity, entry->suppressed.digest); return STATUS_OK;
    /* Of an older program: they held for all times. */
    case ENTRY_GUARDS: return eras_begin(identity, INT64_MIN);
    case ENTRY_GUARD: return eras_put(identity, entry->type, &entry->guard, false);
    case ENTRY_ERA: return eras_begin(identity, entry->from_ms);
    case ENTRY_ERA_GUARD: return eras_put(identity, entry->type, &entry->guard, entry->retroactive);
    case ENTRY_WAITING: return apply_waiting(identity, entry);
    case ENTRY_UNSUPPORT: return apply_unsupport(identity, entry);
    case ENTRY_PUBLIC_PERSONA: return apply_public_persona(identity, entry);
    case ENTRY_CLAIM: return apply_claim(identity, &entry->claim);
    case ENTRY_CLAIM_WITHDRAWAL: return apply_claim_withdrawal(identity, &entry->withdrawal);
    case ENTRY_TAG_END: break;
    }
    return STATUS_CORRUPT;
}

static enum status apply_entries(struct identity *identity, struct text bytes) {
    struct record_reader reader;
    enum status status = record_open(&reader, bytes);
    if (status) return status;
    if (reader.first_identifier != identity->first_identifier) return STATUS_CORRUPT;
    if (reader.first_persona != identity->first_persona) return STATUS_CORRUPT;
    struct record_entry entry;
    while ((status = record_next(&reader, &entry)) == STATUS_OK) {
        status = apply_entry(identity, &entry);
        if (status) return status;
    }
    return status == STATUS_END ? judge_pending(identity) : status;
}

enum status identity_apply(struct identity *identity, struct text record, uint64_t position,
                           struct error *error) {
    change_begin(identity, position);
    identity->replaying = true;
    enum status status = apply_entries(identity, record);
    if (!status) identity_commit(identity);
    identity->replaying = false;
    return status ? change_fail(identity, status, error) : STATUS_OK;
}
