/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a device counts for. Readers' functions: nothing here locks or allocates, and each list
 * ends, since every step goes to an older claim. */
#include "identity/identity_internal.h"

bool claim_is_there(const struct claim *claim, const struct view *view) {
    return claim->position < view->position && claim->known_ms <= view->known_ms &&
           !(LOAD(claim->flags) & CLAIM_ERASED);
}

/* The newest version that counts says it. */
bool claim_is_withdrawn(const struct identity *identity, const struct claim *claim,
                        const struct view *view) {
    for (uint32_t at = LOAD(claim->withdrawals); at;) {
        const struct claim_withdrawal *version = claim_withdrawal_at(identity, at - 1);
        if (version->position < view->position && version->known_ms <= view->version_ms)
            return !version->restore;
        at = version->older < at ? version->older : 0;
    }
    return false;
}

static bool is_before(const struct claim *a, const struct claim *b) {
    return a->known_ms != b->known_ms ? a->known_ms < b->known_ms : a->order < b->order;
}

static bool can_count(const struct identity *identity, const struct claim *claim,
                      const struct view *view) {
    return claim_is_there(claim, view) && !(LOAD(claim->flags) & CLAIM_CAPPED) &&
           !claim_is_withdrawn(identity, claim, view);
}

/* Returns the device's first claim; NONE. */
static uint32_t winner(const struct identity *identity, uint32_t device, const struct view *view) {
    uint32_t best = NONE;
    for (uint32_t at = LOAD(*claim_head_at(identity, device)); at;) {
        const struct claim *claim = claim_at(identity, at - 1);
        if (claim->device != device) return NONE; /* it is claimed, and claims nothing */
        if (can_count(identity, claim, view) &&
            (best == NONE || is_before(claim, claim_at(identity, best))))
            best = at - 1;
        uint32_t next = LOAD(claim->next_of_device);
        at = next < at ? next : 0;
    }
    return best;
}

/* Do verified links say nothing of the device? */
static bool is_alone(const struct identity *identity, uint32_t device, const struct view *view) {
    return forest_parent(&identity->forest, device, view) == NONE &&
           forest_next(&identity->forest, device, device, view) == NONE;
}

uint32_t claims_follow(const struct identity *identity, uint32_t root, const struct view *view) {
    if (LOAD(*claim_head_at(identity, root)) == 0) return root;
    uint32_t first = winner(identity, root, view);
    if (first == NONE || !is_alone(identity, root, view)) return root;
    return forest_root(&identity->forest, claim_at(identity, first)->target, view);
}

uint32_t claims_next_device(const struct identity *identity, uint32_t target, uint32_t *at,
                            const struct view *view) {
    uint32_t next = *at == 0 ? LOAD(*claim_head_at(identity, target))
                             : LOAD(claim_at(identity, *at - 1)->next_of_target);
    if (*at != 0 && next >= *at) return NONE;
    while (next) {
        const struct claim *claim = claim_at(identity, next - 1);
        *at = next;
        if (claim->target != target) return NONE; /* it is a device */
        if (can_count(identity, claim, view) && winner(identity, claim->device, view) == next - 1 &&
            is_alone(identity, claim->device, view))
            return claim->device;
        uint32_t older = LOAD(claim->next_of_target);
        next = older < next ? older : 0;
    }
    return NONE;
}

enum link_verdict claim_verdict(const struct identity *identity, uint32_t id,
                                const struct view *view) {
    const struct claim *claim = claim_at(identity, id);
    if (LOAD(claim->flags) & CLAIM_CAPPED) return LINK_CLAIM_CAPPED;
    if (claim_is_withdrawn(identity, claim, view)) return LINK_WITHDRAWN;
    if (!is_alone(identity, claim->device, view)) return LINK_CLAIM_KNOWN;
    return winner(identity, claim->device, view) == id ? LINK_ACCEPTED : LINK_CLAIM_LATER;
}

const char *persona_trust_name(enum persona_trust trust) {
    static const char *const names[] = {
        [PERSONA_VERIFIED] = "verified",
        [PERSONA_DEVICE] = "public",
        [PERSONA_KNOWN] = "public",
        [PERSONA_CLAIMED] = "claimed",
    };
    return names[trust];
}

enum persona_trust identity_persona_trust(const struct identity *identity,
                                          struct persona_id persona, struct as_of as_of) {
    enum persona_trust trust;
    uint32_t epoch;
    if (as_of.position == POSITION_NOW) as_of.position = LOAD(identity->visible);
    struct view view = view_of(as_of);
    do {
        epoch = LOAD(identity->forest.undo_epoch);
        if (persona.value >= key_table_count(&identity->personas)) return PERSONA_VERIFIED;
        uint32_t device = LOAD(*anchor_at(identity, persona.value));
        struct key key = key_table_key(&identity->personas, persona.value);
        trust = PERSONA_VERIFIED;
        if (device == NONE || key.text.at == NULL || key.prefix == 0) continue;
        trust = !is_alone(identity, device, &view)        ? PERSONA_KNOWN
                : winner(identity, device, &view) != NONE ? PERSONA_CLAIMED
                                                          : PERSONA_DEVICE;
    } while ((epoch & 1) != 0 || LOAD(identity->forest.undo_epoch) != epoch);
    return trust;
}
