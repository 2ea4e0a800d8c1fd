/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/holdout.h"

#include "base/hash.h"

enum status holdout_symbols_add(struct symbols *symbols, struct holdout_symbols *out) {
    enum status status = symbol_add(symbols, SYMBOL_PROPERTY, TEXT("holdout"), &out->holdout);
    return status == STATUS_OK ? symbol_add(symbols, SYMBOL_PROPERTY, TEXT("salt"), &out->salt)
                               : status;
}

bool holdout_draws(const struct playbook *playbook, struct customer_id customer) {
    if (!(playbook->holdout_share > 0)) return false;
    uint64_t hash =
        hash_bytes(&customer.value, sizeof customer.value, hash_text(playbook->holdout_salt, 0));
    return (double)(hash >> 11) * 0x1p-53 < playbook->holdout_share;
}

enum record { RECORD_NONE, RECORD_IN, RECORD_OUT };

static enum record record_of(const struct playbook *playbook, const struct holdout_symbols *symbols,
                             const struct timeline *timeline, uint32_t row) {
    struct text packed;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) return RECORD_NONE;
    struct value arm = packed_find(packed, symbols->holdout);
    struct value salt = packed_find(packed, symbols->salt);
    if (arm.type != VALUE_TEXT || salt.type != VALUE_TEXT) return RECORD_NONE;
    if (!text_equal(salt.text, playbook->holdout_salt)) return RECORD_NONE;
    return text_equal(arm.text, TEXT("in"))    ? RECORD_IN
           : text_equal(arm.text, TEXT("out")) ? RECORD_OUT
                                               : RECORD_NONE;
}

static bool was_merged(const struct timeline *timeline, uint32_t end) {
    for (uint32_t row = 0; row < end; row++) {
        if (timeline->type[row] == EVENT_CUSTOMER_MERGED) return true;
    }
    return false;
}

struct holdout holdout_at(const struct playbook *playbook, const struct holdout_symbols *symbols,
                          const struct timeline *timeline, int64_t t_ms) {
    enum record first = RECORD_NONE;
    struct holdout holdout = {0};
    if (!(playbook->holdout_share > 0)) return holdout;
    uint32_t end = timeline_upper_bound(timeline, t_ms);
    bool merged = was_merged(timeline, end);
    for (uint32_t row = 0; row < end && !holdout.crossed; row++) {
        if (timeline->type[row] != EVENT_DECISION_MADE || !timeline_known(timeline, row, t_ms))
            continue;
        enum record record = record_of(playbook, symbols, timeline, row);
        if (record == RECORD_NONE) continue;
        if (first == RECORD_NONE) first = record;
        holdout.crossed = record != first;
        if (!merged) break;
    }
    holdout.recorded = first != RECORD_NONE;
    holdout.in =
        holdout.recorded ? first == RECORD_IN : holdout_draws(playbook, timeline->customer);
    return holdout;
}
