/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/record.h"

/* Applies what people decide: the rules, and un-merges. */

/* ---- rules ---- */

static bool guard_equal(const struct guard *a, const struct guard *b) {
    return a->per_customer == b->per_customer && a->priority == b->priority &&
           a->expires_ms == b->expires_ms && a->unique == b->unique && a->present == b->present;
}

enum status identity_create(struct identity **out, const struct identity_options *options) {
    struct identity *identity = memory_calloc(1, sizeof(*identity));
    if (!identity) return STATUS_NO_MEMORY;
    identity->options = *options;
    if (identity->options.identifiers_max == 0)
        identity->options.identifiers_max = UINT32_C(1) << 31;
    pthread_mutex_init(&identity->lock, NULL);
    suppress_init(identity);
    for (uint32_t i = 0; i < IDENTIFIER_TYPES_MAX; i++) identity->intake[i].rule = NONE;
    identity->directory.ops = &identity_directory_ops;
    buffer_init(&identity->record);
    enum status status = eras_init(identity);
    if (!status) status = key_table_init(&identity->identifiers);
    if (!status) status = key_table_init(&identity->personas);
    if (!status) status = key_table_init(&identity->suppressed);
    if (!status) status = key_table_init(&identity->waiting_keys);
    if (!status) status = spelling_init(&identity->spelling);
    if (!status) status = judge_scratch_create(&identity->judge);
    if (!status) status = resolve_scratch_create(&identity->resolve);
    if (!status && !(identity->counts = memory_calloc(1, sizeof(*identity->counts))))
        status = STATUS_NO_MEMORY;
    if (status) {
        identity_destroy(identity);
        return status;
    }
    *out = identity;
    return STATUS_OK;
}

static void texts_release(struct text *texts, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) memory_free((char *)(uintptr_t)texts[i].at);
    memory_free(texts);
}

static void intake_rule_release(struct intake_rule *rule) {
    texts_release(rule->blocked, rule->blocked_count);
    texts_release(rule->allowed, rule->allowed_count);
    *rule = (struct intake_rule){.rule = NONE};
}

/* What a checkpoint holds. */
void identity_arrays_release(struct identity *identity) {
    key_table_release(&identity->identifiers);
    key_table_release(&identity->personas);
    key_table_release(&identity->suppressed);
    key_table_release(&identity->waiting_keys);
    column_release(&identity->forest.heads, sizeof(_Atomic uint32_t));
    column_release(&identity->singles, sizeof(_Atomic uint32_t));
    column_release(&identity->anchors, sizeof(_Atomic uint32_t));
    column_release(&identity->forest.nodes, sizeof(struct node));
    column_release(&identity->forest.edges, sizeof(struct edge));
    column_release(&identity->persona_rows, sizeof(struct persona_row));
    column_release(&identity->links, sizeof(struct link));
    column_release(&identity->claim_heads, sizeof(_Atomic uint32_t));
    column_release(&identity->claims, sizeof(struct claim));
    column_release(&identity->claim_withdrawals, sizeof(struct claim_withdrawal));
    column_release(&identity->node_marks, sizeof(struct node_mark));
    column_release(&identity->windows, sizeof(struct known_window));
    memory_free(identity->eras);
    memory_free(identity->marks.slots);
    memory_free(identity->waiting);
    memory_free(identity->waiting_heads);
    memory_free(identity->withdrawals);
    memory_free(identity->withdrawal_slots);
    memory_free(identity->gone_ms);
    memory_free(identity->spelling.old_ids);
}

void identity_destroy(struct identity *identity) {
    if (!identity) return;
    identity_undo(identity);
    identity_arrays_release(identity);
    identity->spelling.old_ids = NULL;
    spelling_release(&identity->spelling);
    if (identity->image) image_close(identity->image);
    memory_free(identity->image);
    column_release(&identity->days, sizeof(struct day_count));
    for (uint32_t i = 0; i < IDENTIFIER_TYPES_MAX; i++) intake_rule_release(&identity->intake[i]);
    judge_scratch_destroy(identity->judge);
    resolve_scratch_destroy(identity->resolve);
    memory_free(identity->counts);
    summaries_clear(identity);
    memory_free(identity->summaries);
    memory_free(identity->undo);
    memory_free(identity->pending);
    memory_free(identity->pending_order);
    memory_free(identity->seeds);
    memory_free(identity->changes);
    buffer_release(&identity->record);
    pthread_mutex_destroy(&identity->lock);
    memory_free(identity);
}

static enum status texts_copy(const struct text *from, uint32_t count, struct text **out,
                              uint32_t *out_count) {
    if (count == 0) return STATUS_OK;
    *out = memory_calloc(count, sizeof(**out));
    if (!*out) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        char *copy = memory_alloc(from[i].length);
        if (!copy) return STATUS_NO_MEMORY;
        if (from[i].length) memcpy(copy, from[i].at, from[i].length);
        (*out)[(*out_count)++] = (struct text){copy, from[i].length};
    }
    return STATUS_OK;
}

static enum status intake_rule_copy(struct intake_rule *out, const struct identifier_rule *rule,
                                    uint32_t index) {
    *out = (struct intake_rule){
        .events_per_day_max = rule->events_per_day_max, .rule = index, .device = rule->device};
    enum status status =
        texts_copy(rule->blocked, rule->blocked_count, &out->blocked, &out->blocked_count);
    return status
               ? status
               : texts_copy(rule->allowed, rule->allowed_count, &out->allowed, &out->allowed_count);
}

static enum status intake_replace(struct identity *identity, const struct identifier_rule *rules,
                                  uint32_t count) {
    struct intake_rule *fresh = memory_calloc(IDENTIFIER_TYPES_MAX, sizeof(*fresh));
    if (!fresh) return STATUS_NO_MEMORY;
    bool any_rate = false;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < IDENTIFIER_TYPES_MAX; i++) fresh[i].rule = NONE;
    for (uint32_t i = 0; !status && i < count; i++) {
        if (rules[i].symbol >= IDENTIFIER_TYPES_MAX) continue;
        struct intake_rule *rule = &fresh[rules[i].symbol];
        intake_rule_release(rule);
        status = intake_rule_copy(rule, &rules[i], i);
        any_rate |= rules[i].events_per_day_max > 0;
    }
    if (!status && any_rate)
        status = column_reserve(&identity->days, key_table_count(&identity->identifiers),
                                sizeof(struct day_count));
    for (uint32_t i = 0; i < IDENTIFIER_TYPES_MAX; i++) {
        struct intake_rule old = identity->intake[i];
        if (!status) identity->intake[i] = fresh[i];
        intake_rule_release(status ? &fresh[i] : &old);
    }
    memory_free(fresh);
    if (!status) identity->any_rate = any_rate;
    return status;
}

static struct guard guard_of_rule(const struct identifier_rule *rule) {
    int64_t expires_ms = rule->expires_ms < EXPIRES_MAX_MS ? rule->expires_ms : EXPIRES_MAX_MS;
    return (struct guard){
        .per_customer = rule->per_customer < UINT32_MAX ? rule->per_customer : 0,
        .priority = rule->priority < UINT32_MAX - 2 ? rule->priority : UINT32_MAX - 2,
        .expires_ms = expires_ms > 0 ? expires_ms : 0,
        .unique = rule->unique,
        .present = true,
    };
}

/* The rule of a type, the last where several name it. */
static const struct identifier_rule *rule_of(const struct identifier_rule *rules, uint32_t count,
                                             uint32_t type) {
    while (count > 0 && rules[count - 1].symbol != type) count--;
    return count > 0 ? &rules[count - 1] : NULL;
}

static bool guards_change(const struct identity *identity, const struct identifier_rule *rules,
                          uint32_t count) {
    const struct guard *now = guards_now(identity);
    for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++) {
        const struct identifier_rule *rule = rule_of(rules, count, type);
        if (!rule && !now[type].present) continue;
        if (!rule) return true;
        struct guard guard = guard_of_rule(rule);
        if (!guard_equal(&guard, &now[type])) return true;
    }
    return false;
}

static void types_linked(const struct identity *identity, bool linked[IDENTIFIER_TYPES_MAX]) {
    memset(linked, 0, IDENTIFIER_TYPES_MAX * sizeof(*linked));
    for (uint32_t i = 0; i < identity->link_count; i++) {
        const struct link *link = link_at(identity, i);
        if (LOAD(link->state) & LINK_STATE_ERASED) continue;
        linked[identifier_type(identity, link->strong)] = true;
        linked[identifier_type(identity, link->weak)] = true;
    }
}

static bool any_linked(const bool linked[IDENTIFIER_TYPES_MAX]) {
    for (uint32_t i = 0; i < IDENTIFIER_TYPES_MAX; i++) {
        if (linked[i]) return true;
    }
    return false;
}

/* Sets the guards. The first rules hold for all times; changed rules hold from the moment of the
 * change, so that who was one customer as of an earlier t stays the same. */
static enum status guards_set(struct identity *identity, const struct identifier_rule *rules,
                              uint32_t rule_count, int64_t known_ms) {
    for (uint32_t i = 0; i < rule_count; i++) {
        if (rules[i].symbol >= IDENTIFIER_TYPES_MAX) return STATUS_INVALID;
    }
    if (!guards_change(identity, rules, rule_count)) return STATUS_OK;
    bool linked[IDENTIFIER_TYPES_MAX];
    types_linked(identity, linked);
    struct record_entry entry = {.tag = ENTRY_ERA};
    entry.from_ms = any_linked(linked) ? known_ms : INT64_MIN;
    enum status status = record_add(identity, &entry);
    if (!status) status = eras_begin(identity, entry.from_ms);
    entry.tag = ENTRY_ERA_GUARD;
    for (uint32_t type = 0; !status && type < IDENTIFIER_TYPES_MAX; type++) {
        const struct identifier_rule *rule = rule_of(rules, rule_count, type);
        if (!rule) continue;
        entry.type = (uint8_t)type;
        entry.guard = guard_of_rule(rule);
        entry.retroactive = !linked[type];
        status = record_add(identity, &entry);
        if (!status) status = eras_put(identity, entry.type, &entry.guard, entry.retroactive);
    }
    return status ? status : judge_pending(identity);
}

enum status identity_set_rules(struct identity *identity, const struct identifier_rule *rules,
                               uint32_t rule_count, int64_t known_ms, uint64_t position,
                               struct identity_result *result, struct error *error) {
    change_begin(identity, position);
    identity->known_ms = identity->decided_ms = known_ms;
    enum status status = intake_replace(identity, rules, rule_count);
    if (!status)
        status = spelling_prepare(&identity->spelling, &identity->identifiers, rules, rule_count);
    if (!status) status = guards_set(identity, rules, rule_count, known_ms);
    if (status == STATUS_INVALID) {
        identity_undo(identity);
        return error_set(error, status, "identity: a rule's type is not an identifier type");
    }
    if (status) return change_fail(identity, status, error);
    change_result(identity, result);
    return STATUS_OK;
}

/* ---- un-merge ---- */

/* The slot of the pair's newest withdrawal, or the free one where it belongs. */
static uint32_t *withdrawal_slot(const struct identity *identity, uint32_t low, uint32_t high) {
    size_t mask = identity->withdrawal_slot_count - 1;
    size_t at = (size_t)hash_u64((uint64_t)high << 32 | low) & mask;
    for (;; at = (at + 1) & mask) {
        uint32_t newest = identity->withdrawal_slots[at];
        if (!newest) break;
        const struct withdrawal *withdrawal = &identity->withdrawals[newest - 1];
        if (withdrawal->a == low && withdrawal->b == high) break;
    }
    return &identity->withdrawal_slots[at];
}

uint32_t newest_withdrawal(const struct identity *identity, uint32_t a, uint32_t b) {
    if (identity->withdrawal_count == 0) return 0;
    return *withdrawal_slot(identity, a < b ? a : b, a < b ? b : a);
}

void withdrawals_index(struct identity *identity, size_t first) {
    size_t bytes = identity->withdrawal_slot_count * sizeof(*identity->withdrawal_slots);
    if (first == 0 && bytes > 0) memset(identity->withdrawal_slots, 0, bytes);
    for (size_t i = first; i < identity->withdrawal_count; i++) {
        struct withdrawal *withdrawal = &identity->withdrawals[i];
        uint32_t *slot = withdrawal_slot(identity, withdrawal->a, withdrawal->b);
        withdrawal->older = *slot;
        *slot = (uint32_t)i + 1;
    }
}

static enum status withdrawals_reserve(struct identity *identity) {
    size_t count = identity->withdrawal_count + 1;
    enum status status =
        memory_grow((void **)&identity->withdrawals, &identity->withdrawal_capacity, count,
                    sizeof(*identity->withdrawals));
    if (status || 2 * count <= identity->withdrawal_slot_count) return status;
    size_t slot_count = identity->withdrawal_slot_count ? 2 * identity->withdrawal_slot_count : 64;
    uint32_t *slots = memory_calloc(slot_count, sizeof(*slots));
    if (!slots) return STATUS_NO_MEMORY;
    memory_free(identity->withdrawal_slots);
    identity->withdrawal_slots = slots;
    identity->withdrawal_slot_count = slot_count;
    withdrawals_index(identity, 0);
    return STATUS_OK;
}

enum status withdrawals_add(struct identity *identity, const struct withdrawal *withdrawal) {
    enum status status = withdrawals_reserve(identity);
    if (status) return status;
    identity->withdrawals[identity->withdrawal_count++] = *withdrawal;
    withdrawals_index(identity, identity->withdrawal_count - 1);
    return STATUS_OK;
}

bool link_is_withdrawn(const struct identity *identity, const struct link *link,
                       int64_t threshold_ms) {
    uint32_t gone = LOAD(link->gone);
    if (gone && identity->gone_ms[gone - 1] <= threshold_ms) return true;
    if (!(LOAD(link->state) & LINK_STATE_CONTROLLED)) return false;
    const struct withdrawal *last = NULL, *withdrawal;
    for (uint32_t at = newest_withdrawal(identity, link->strong, link->weak); at;
         at = withdrawal->older) {
        withdrawal = &identity->withdrawals[at - 1];
        if (withdrawal->known_ms > threshold_ms) continue;
        if (!last || withdrawal->known_ms > last->known_ms) last = withdrawal;
    }
    return last && !last->restore;
}

bool pair_is_controlled(const struct identity *identity, const struct link *link) {
    return newest_withdrawal(identity, link->strong, link->weak) != 0;
}

void flag_node(struct identity *identity, uint32_t id) {
    struct node *node = node_at(identity, id);
    summaries_clear(identity);
    keep_set(identity, &node->flags, LOAD(node->flags) | NODE_CONTROLLED);
}

/* Marks the pair's links, from the end that has fewer. */
static void mark_pair(struct identity *identity, uint32_t a, uint32_t b) {
    uint32_t from = smaller_end(identity, a, b), to = from == a ? b : a;
    for (uint32_t at = LOAD(node_at(identity, from)->links); at;) {
        struct link *link = link_at(identity, at - 1);
        at = LOAD(*link_next(link, from));
        if (link_other(link, from) != to || link->flags) continue;
        keep_set(identity, &link->state,
                 LOAD(link->state) | LINK_STATE_CONTROLLED | LINK_STATE_JOINED);
    }
}

enum status control_add(struct identity *identity, const struct withdrawal *withdrawal) {
    uint32_t a = withdrawal->a, b = withdrawal->b;
    struct record_entry entry = {.tag = ENTRY_WITHDRAWAL, .withdrawal = *withdrawal};
    size_t links = LOAD(node_at(identity, smaller_end(identity, a, b))->degree);
    enum status status = withdrawals_reserve(identity);
    if (!status) status = undo_reserve(identity, links + 2);
    if (!status) status = record_add(identity, &entry);
    if (!status) status = seed_add(identity, a);
    if (!status) status = seed_add(identity, b);
    if (status) return status;
    identity->withdrawals[identity->withdrawal_count++] = *withdrawal;
    withdrawals_index(identity, identity->withdrawal_count - 1);
    if (withdrawal->known_ms > identity->known_ms) identity->known_ms = withdrawal->known_ms;
    flag_node(identity, a);
    flag_node(identity, b);
    mark_pair(identity, a, b);
    return STATUS_OK;
}

static bool is_done(const struct identity *identity, uint32_t low, uint32_t high) {
    return newest_withdrawal(identity, low, high) > identity->first_withdrawal;
}

static enum status withdraw_all(struct identity *identity, uint32_t a, uint32_t b, bool restore,
                                int64_t known_ms) {
    enum status status = STATUS_OK;
    for (uint32_t at = LOAD(node_at(identity, a)->links); !status && at;) {
        struct link *link = link_at(identity, at - 1);
        at = LOAD(*link_next(link, a));
        uint32_t other = link_other(link, a);
        if (link->flags || (b != ID_NONE && other != b)) continue;
        if (restore && !link_is_withdrawn(identity, link, INT64_MAX)) continue;
        struct withdrawal withdrawal = {.a = a < other ? a : other,
                                        .b = a < other ? other : a,
                                        .known_ms = known_ms,
                                        .restore = restore};
        if (!is_done(identity, withdrawal.a, withdrawal.b))
            status = control_add(identity, &withdrawal);
    }
    if (!status && identity->withdrawal_count == identity->first_withdrawal)
        return STATUS_NOT_FOUND;
    return status;
}

enum status identity_withdraw(struct identity *identity, struct identifier_id a,
                              struct identifier_id b, bool restore, int64_t known_ms,
                              uint64_t position, struct identity_result *result,
                              struct error *error) {
    uint32_t count = key_table_count(&identity->identifiers);
    if (a.value >= count || (b.value != ID_NONE && b.value >= count) || a.value == b.value)
        return error_set(error, STATUS_NOT_FOUND, "identity: no such identifiers");
    if (known_ms < TIME_ALWAYS || known_ms > TIME_NEVER)
        return error_set(error, STATUS_INVALID, "identity: a time out of range");
    change_begin(identity, position);
    identity->decided_ms = known_ms;
    enum status status = withdraw_all(identity, a.value, b.value, restore, known_ms);
    if (status == STATUS_NOT_FOUND) {
        identity_undo(identity);
        return error_set(
            error, status,
            restore ? "identity: nothing is withdrawn between them"
                    : "identity: no link joins them directly; `attune customer` shows which do");
    }
    if (!status) status = judge_pending(identity);
    if (status) return change_fail(identity, status, error);
    change_result(identity, result);
    return STATUS_OK;
}
