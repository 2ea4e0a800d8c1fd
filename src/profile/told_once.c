/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/told_once.h"

#include "base/hash.h"
#include "base/memory.h"

#define SLOTS_MIN 64

void told_once_release(struct told_once *told) {
    memory_free(told->slots);
    *told = (struct told_once){0};
}

void told_once_clear(struct told_once *told) {
    if (told->count > 0) memset(told->slots, 0, told->slot_count * sizeof *told->slots);
    told->count = 0;
}

static uint64_t *slot_of(uint64_t *slots, size_t slot_count, uint64_t hash) {
    size_t at = (size_t)hash & (slot_count - 1);
    while (slots[at] != 0 && slots[at] != hash) at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

/* Keeps half of the slots free. */
static enum status make_room(struct told_once *told) {
    if (told->slots != NULL && 2 * (told->count + 1) <= told->slot_count) return STATUS_OK;
    size_t wanted = told->slots == NULL ? SLOTS_MIN : 2 * told->slot_count;
    uint64_t *slots = memory_calloc(wanted, sizeof *slots);
    if (slots == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < told->slot_count; i++) {
        if (told->slots[i] != 0) *slot_of(slots, wanted, told->slots[i]) = told->slots[i];
    }
    memory_free(told->slots);
    told->slots = slots;
    told->slot_count = wanted;
    return STATUS_OK;
}

static enum status add_hash(struct told_once *told, uint64_t hash, bool *again) {
    enum status status = make_room(told);
    if (status != STATUS_OK) return status;
    if (hash == 0) hash = 1;
    uint64_t *slot = slot_of(told->slots, told->slot_count, hash);
    *again = *slot == hash;
    if (!*again) told->count++;
    *slot = hash;
    return STATUS_OK;
}

static uint64_t day_of(const struct customer_data *data, const struct timeline *timeline,
                       uint32_t row) {
    char local[40];
    time_format_local(timeline->time_ms[row], data->playbook->zone, local);
    return hash_bytes(local, 10, 1u + timeline->channel[row]);
}

enum status told_once_add(struct told_once *told, const struct customer_data *data,
                          const struct timeline *timeline, uint32_t row, struct text treatment,
                          bool *again) {
    struct text packed;
    uint64_t key = hash_text(treatment, 0);
    struct value decision = value_unknown();
    if (timeline->ops->packed(timeline, row, &packed) == STATUS_OK)
        decision = packed_find(packed, PROPERTY_DECISION);
    bool same_day = false;
    enum status status = add_hash(told, day_of(data, timeline, row) ^ key, &same_day);
    *again = same_day;
    if (status == STATUS_OK && decision.type == VALUE_TEXT && decision.text.length > 0)
        status = add_hash(told, hash_text(decision.text, key), again);
    return status;
}
