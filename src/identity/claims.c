/* SPDX-License-Identifier: Apache-2.0 */
/* What public sources claim, and its withdrawal. The applier's; claims_ask.c answers. */
#include "identity/record.h"

#define PRIORITY_MAX 0xFFFFu

static const struct view view_now = {INT64_MAX, UINT64_MAX, INT64_MAX, UINT64_MAX};

void identity_set_claims_max(struct identity *identity, uint32_t devices_per_day_max) {
    identity->claims_per_day = devices_per_day_max;
}

static int64_t day_of(int64_t known_ms) {
    return known_ms / TIME_DAY_MS - (known_ms % TIME_DAY_MS < 0);
}

/* ---- limits ---- */

/* Counts who came to the target's customer by claims: on that day, and in all. */
static bool is_capped(const struct identity *identity, const struct claim *given) {
    uint32_t day_max = identity->claims_per_day ? identity->claims_per_day : CLAIMS_PER_DAY;
    uint32_t root = forest_root(&identity->forest, given->target, &view_now), day = 0, all = 0;
    for (uint32_t id = root; id != NONE; id = forest_next(&identity->forest, root, id, &view_now)) {
        for (uint32_t at = LOAD(*claim_head_at(identity, id)); at;) {
            const struct claim *claim = claim_at(identity, at - 1);
            if (claim->target != id) break;
            at = LOAD(claim->next_of_target);
            if (LOAD(claim->flags) || claim->device == given->device) continue;
            all++;
            day += day_of(claim->known_ms) == day_of(given->known_ms);
            if (day >= day_max || all >= CLAIMS_CUSTOMER_MAX) return true;
        }
    }
    return false;
}

/* ---- adding ---- */

static bool is_device(const struct identity *identity, uint32_t id) {
    uint32_t head = LOAD(*claim_head_at(identity, id));
    return head != 0 && claim_at(identity, head - 1)->device == id;
}

static bool is_target(const struct identity *identity, uint32_t id) {
    uint32_t head = LOAD(*claim_head_at(identity, id));
    return head != 0 && claim_at(identity, head - 1)->device != id;
}

bool claim_can_be(const struct identity *identity, const struct claim *given) {
    return !is_device(identity, given->target) && !is_target(identity, given->device);
}

enum claim_news { CLAIM_NEW, CLAIM_NOTHING_NEW, CLAIM_NO_ROOM };

/* A claim that was withdrawn is not made anew by the page's next visit. One that was known earlier
 * than what is noted stands beside it. */
static enum claim_news news_of(const struct identity *identity, const struct claim *given) {
    uint32_t count = 0;
    for (uint32_t at = LOAD(*claim_head_at(identity, given->device)); at;) {
        const struct claim *claim = claim_at(identity, at - 1);
        at = LOAD(claim->next_of_device);
        if (LOAD(claim->flags) & CLAIM_ERASED) continue;
        count++;
        if (claim->target == given->target &&
            (claim->known_ms <= given->known_ms || LOAD(claim->withdrawals)))
            return CLAIM_NOTHING_NEW;
    }
    return count < CLAIMS_DEVICE_MAX ? CLAIM_NEW : CLAIM_NO_ROOM;
}

enum status claim_replay(struct identity *identity, const struct claim *given) {
    uint32_t count = LOAD(identity->claim_count);
    struct record_entry entry = {.tag = ENTRY_CLAIM, .claim = *given};
    enum status status =
        column_reserve(&identity->claims, (uint64_t)count + 1, sizeof(struct claim));
    if (!status) status = undo_reserve(identity, 2);
    if (!status) status = record_add(identity, &entry);
    if (status) return status;
    const struct guard *guard = &guards_now(identity)[identifier_type(identity, given->target)];
    uint64_t priority = guard->priority < PRIORITY_MAX ? guard->priority : PRIORITY_MAX;
    struct claim *claim = claim_at(identity, count);
    claim->device = given->device;
    claim->target = given->target;
    claim->source = given->source;
    claim->zero = 0;
    claim->time_ms = given->time_ms;
    claim->known_ms = given->known_ms;
    claim->position = identity->position;
    claim->order = priority << 48 | link_order(content_hash(identity, given->device),
                                               content_hash(identity, given->target)) >>
                                        16;
    STORE(claim->withdrawals, 0);
    STORE(claim->flags, LOAD(given->flags));
    STORE(claim->next_of_device, LOAD(*claim_head_at(identity, given->device)));
    STORE(claim->next_of_target, 0);
    STORE(identity->claim_count, count + 1);
    keep_set(identity, claim_head_at(identity, given->device), count + 1);
    if (LOAD(given->flags) & CLAIM_CAPPED) return STATUS_OK;
    STORE(claim->next_of_target, LOAD(*claim_head_at(identity, given->target)));
    keep_set(identity, claim_head_at(identity, given->target), count + 1);
    return STATUS_OK;
}

enum status claim_add(struct identity *identity, const struct claim *given) {
    struct claim claim = *given;
    if (!claim_can_be(identity, given)) {
        identity->left_claims++;
        return STATUS_OK;
    }
    enum claim_news news = news_of(identity, given);
    identity->left_claims += news == CLAIM_NO_ROOM;
    if (news != CLAIM_NEW) return STATUS_OK;
    STORE(claim.flags, is_capped(identity, given) ? CLAIM_CAPPED : 0);
    return claim_replay(identity, &claim);
}

/* ---- withdrawing ---- */

static enum status add_version(struct identity *identity, uint32_t id, int64_t known_ms,
                               bool restore) {
    uint32_t count = identity->claim_withdrawal_count;
    struct claim *claim = claim_at(identity, id);
    enum status status = column_reserve(&identity->claim_withdrawals, (uint64_t)count + 1,
                                        sizeof(struct claim_withdrawal));
    if (!status) status = undo_reserve(identity, 1);
    if (status) return status;
    *claim_withdrawal_at(identity, count) =
        (struct claim_withdrawal){.known_ms = known_ms,
                                  .position = identity->position,
                                  .claim = id,
                                  .older = LOAD(claim->withdrawals),
                                  .restore = restore};
    identity->claim_withdrawal_count = count + 1;
    keep_set(identity, &claim->withdrawals, count + 1);
    return STATUS_OK;
}

enum status claim_withdraw_pair(struct identity *identity, const struct withdrawal *withdrawal) {
    struct record_entry entry = {.tag = ENTRY_CLAIM_WITHDRAWAL, .withdrawal = *withdrawal};
    enum status status = record_add(identity, &entry);
    for (uint32_t at = LOAD(*claim_head_at(identity, withdrawal->a)); !status && at;) {
        const struct claim *claim = claim_at(identity, at - 1);
        uint32_t id = at - 1;
        if (claim->device != withdrawal->a) break;
        at = LOAD(claim->next_of_device);
        if (claim->target == withdrawal->b && !(LOAD(claim->flags) & CLAIM_ERASED))
            status = add_version(identity, id, withdrawal->known_ms, withdrawal->restore);
    }
    return status;
}

static bool is_meant(const struct identity *identity, const struct claims_scope *scope,
                     const struct claim *claim, const struct view *view) {
    uint32_t id = scope->identifier.value, customer = scope->customer.value;
    if (!claim_is_there(claim, view)) return false;
    if (id != ID_NONE && claim->device != id && claim->target != id) return false;
    if (scope->source != SYMBOL_NONE && claim->source != scope->source) return false;
    if (claim->known_ms < scope->from_ms || claim->known_ms >= scope->until_ms) return false;
    return customer == ID_NONE || forest_root(&identity->forest, claim->target, view) ==
                                      forest_root(&identity->forest, customer, view);
}

static enum status withdraw_all(struct identity *identity, const struct claims_scope *scope,
                                bool restore, int64_t known_ms, uint32_t *count, bool *more) {
    uint32_t end = LOAD(identity->claim_count);
    enum status status = STATUS_OK;
    *count = 0;
    *more = false;
    for (uint32_t i = 0; !status && i < end; i++) {
        const struct claim *claim = claim_at(identity, i);
        if (!is_meant(identity, scope, claim, &view_now) || LOAD(claim->flags) ||
            claim_is_withdrawn(identity, claim, &view_now) == !restore)
            continue;
        *more = *count == CLAIMS_WITHDRAWN_MAX;
        if (*more) break;
        const struct withdrawal withdrawal = {
            .a = claim->device, .b = claim->target, .known_ms = known_ms, .restore = restore};
        status = claim_withdraw_pair(identity, &withdrawal);
        (*count)++;
    }
    return status;
}

enum status identity_claims_withdraw(struct identity *identity, const struct claims_scope *scope,
                                     bool restore, int64_t known_ms, uint64_t position,
                                     struct identity_result *result, uint32_t *count, bool *more,
                                     struct error *error) {
    *result = (struct identity_result){.record = {0}};
    *count = 0;
    if (known_ms < TIME_ALWAYS || known_ms > TIME_NEVER)
        return error_set(error, STATUS_INVALID, "identity: a time out of range");
    change_begin(identity, position);
    identity->decided_ms = known_ms;
    enum status status = withdraw_all(identity, scope, restore, known_ms, count, more);
    if (status) return change_fail(identity, status, error);
    change_result(identity, result);
    if (*count == 0) identity_undo(identity);
    return STATUS_OK;
}

/* ---- asking ---- */

void identity_claims_visit(struct identity *identity, const struct claims_scope *scope,
                           bool (*visit)(void *context, const struct identity_link *link),
                           void *context) {
    pthread_mutex_lock(&identity->lock);
    struct view view = view_of((struct as_of){INT64_MAX, LOAD(identity->visible)});
    uint32_t end = LOAD(identity->claim_count);
    bool goes_on = true;
    for (uint32_t i = 0; goes_on && i < end; i++) {
        struct identity_link link;
        if (!is_meant(identity, scope, claim_at(identity, i), &view)) continue;
        claim_describe(identity, i, &view, &link);
        goes_on = visit(context, &link);
    }
    pthread_mutex_unlock(&identity->lock);
}

void claim_describe(const struct identity *identity, uint32_t id, const struct view *view,
                    struct identity_link *out) {
    const struct claim *claim = claim_at(identity, id);
    *out = (struct identity_link){
        .strong = {claim->target},
        .weak = {claim->device},
        .source = claim->source,
        .rule = identity->intake[identifier_type(identity, claim->device)].rule,
        .weight = 1,
        .time_ms = claim->time_ms,
        .known_ms = claim->known_ms,
        .position = claim->position,
        .verdict = claim_verdict(identity, id, view),
        .blamed_type = SYMBOL_NONE,
        .is_claim = true,
    };
}

/* ---- forgetting ---- */

/* They stay in their lists, and nobody sees them: the record no longer has them. */
static void erase_one(struct claim *claim) {
    STORE(claim->flags, CLAIM_ERASED);
    claim->time_ms = claim->known_ms = 0;
}

void claims_erase(struct identity *identity, const struct identity_erasure *erasure) {
    for (size_t i = 0; i < erasure->identifier_count; i++) {
        uint32_t id = erasure->identifiers[i].value;
        for (uint32_t at = LOAD(*claim_head_at(identity, id)); at;) {
            struct claim *claim = claim_at(identity, at - 1);
            at = LOAD(*claim_next(claim, id));
            erase_one(claim);
        }
    }
    /* Claims of other devices on the target that were capped stand in the devices' lists alone. */
    for (uint32_t i = 0; i < LOAD(identity->claim_count); i++) {
        struct claim *claim = claim_at(identity, i);
        if ((LOAD(claim->flags) & CLAIM_CAPPED) &&
            LOAD(node_at(identity, claim->target)->flags) & NODE_ERASED)
            erase_one(claim);
    }
}
