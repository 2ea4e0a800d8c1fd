/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity_internal.h"

/* The rules by the time of their change. A new array of eras replaces the old one, which is kept
 * until the call is committed or undone. */

#define UNRULED_PER_CUSTOMER 50

static void guards_default(struct guard guards[IDENTIFIER_TYPES_MAX]) {
    memset(guards, 0, IDENTIFIER_TYPES_MAX * sizeof(*guards));
    for (uint32_t i = 0; i < IDENTIFIER_TYPES_MAX; i++) {
        guards[i].per_customer = UNRULED_PER_CUSTOMER;
        guards[i].priority = UINT32_MAX - 1;
    }
}

enum status eras_init(struct identity *identity) {
    identity->eras = memory_calloc(1, sizeof(*identity->eras));
    if (!identity->eras) return STATUS_NO_MEMORY;
    identity->eras[0].from_ms = INT64_MIN;
    identity->era_count = 1;
    guards_default(identity->eras[0].guards);
    return STATUS_OK;
}

/* All old eras, with room for one more. */
static enum status eras_copy(struct identity *identity) {
    uint32_t count = identity->era_count;
    struct era *eras = memory_calloc((size_t)count + 1, sizeof(*eras));
    if (!eras) return STATUS_NO_MEMORY;
    memcpy(eras, identity->eras, count * sizeof(*eras));
    if (identity->old_eras) {
        memory_free(identity->eras);
    } else {
        identity->old_eras = identity->eras;
        identity->old_era_count = count;
    }
    identity->eras = eras;
    return STATUS_OK;
}

static enum status seed_all(struct identity *identity) {
    uint32_t count = key_table_count(&identity->identifiers);
    enum status status = STATUS_OK;
    for (uint32_t id = 0; !status && id < count; id++) {
        if (LOAD(node_at(identity, id)->links)) status = seed_add(identity, id);
    }
    return status;
}

enum status eras_begin(struct identity *identity, int64_t from_ms) {
    enum status status = eras_copy(identity);
    if (status) return status;
    struct era *last = &identity->eras[identity->era_count - 1];
    if (from_ms == INT64_MIN) {
        identity->era_count = 1;
    } else if (from_ms > last->from_ms) {
        identity->eras[identity->era_count++].from_ms = from_ms;
    } /* else a clock that was set back: the newest era is replaced */
    struct era *newest = &identity->eras[identity->era_count - 1];
    guards_default(newest->guards);
    newest->any_expires = false;
    return seed_all(identity);
}

enum status eras_put(struct identity *identity, uint8_t type, const struct guard *guard,
                     bool retroactive) {
    if (!identity->old_eras) return STATUS_CORRUPT; /* not begun */
    uint32_t first = retroactive ? 0 : identity->era_count - 1;
    for (uint32_t i = first; i < identity->era_count; i++) {
        identity->eras[i].guards[type] = *guard;
        identity->eras[i].any_expires |= guard->expires_ms > 0;
    }
    return STATUS_OK;
}

bool anything_expires(const struct identity *identity) {
    for (uint32_t i = 0; i < identity->era_count; i++) {
        if (identity->eras[i].any_expires) return true;
    }
    return false;
}
