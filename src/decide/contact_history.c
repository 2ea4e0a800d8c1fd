/* SPDX-License-Identifier: Apache-2.0 */
/* From a timeline to its contacts: one pass over the rows, oldest first, keeps one message for each
 * (decision id, treatment) or (treatment, channel, day); what is left of them at the end are the
 * contacts. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "decide/contact_internal.h"
#include "decide/named_treatment.h"

#define NOTHING        UINT32_MAX
#define SLOT_BITS_KEPT 8
/* What a hash of the table was made of. */
enum { BY_DECISION = 1, BY_DAY, BY_OPEN, BY_DECISION_ALONE };

struct contact_message {
    int64_t decided_ms, receipt_ms; /* TIME_NEVER: none */
    uint64_t key_hash;
    const struct action *action;
    uint32_t channel;
    uint32_t next_open; /* the next decision for the same treatment and channel, or NOTHING */
    bool ghost, failed;
};

struct contact_slot {
    uint64_t key; /* 0: free */
    uint32_t first, last;
};

/* Everything that lives only while a history is read. */
struct gathering {
    struct contact_history *history;
    const struct timeline *timeline;
    int64_t t_ms;
    struct contact_message *messages;
    size_t message_count;
    struct contact_slot *slots;
    size_t slot_count;
    uint32_t slot_bits;
    bool same_moment; /* decisions made at t count */
};

enum status message_symbols_add(struct symbols *symbols, struct message_symbols *out) {
    const struct {
        const char *name;
        uint32_t *symbol;
    } added[] = {
        {"messages", &out->messages},
        {"send_after", &out->send_after},
        {"treatment_set", &out->treatment_set},
        {"because", &out->because},
        {"trait", &out->trait},
        {"with", &out->with},
        {"basis", &out->basis},
        {"in_force", &out->in_force},
        {"position", &out->position},
        {"rates", &out->rates},
        {"rates_at", &out->rates_at},
        {"rates_position", &out->rates_position},
        {"context", &out->context},
        {"count", &out->count},
        {"held", &out->held},
        {"proposed", &out->proposed},
        {"visitor", &out->visitor},
        {"choice", &out->choice},
        {"budget_prices", &out->budget_prices},
        {"budget", &out->budget},
        {"price", &out->price},
        {"left", &out->left},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof added / sizeof *added && status == STATUS_OK; i++)
        status = symbol_add(symbols, SYMBOL_PROPERTY, text_from(added[i].name), added[i].symbol);
    return status;
}

/* ---- the table ---- */

static uint64_t key_of(uint32_t kind, uint64_t a, uint64_t b, uint64_t c) {
    uint64_t key = hash_u64(a ^ hash_u64(b ^ hash_u64(c ^ hash_u64(kind))));
    return key == 0 ? 1 : key;
}

static struct contact_slot *place_of(const struct gathering *gathering, uint64_t key) {
    size_t mask = ((size_t)1 << gathering->slot_bits) - 1, at = (size_t)key & mask;
    while (gathering->slots[at].key != 0 && gathering->slots[at].key != key) at = (at + 1) & mask;
    return &gathering->slots[at];
}

static enum status grow_slots(struct gathering *gathering) {
    struct contact_slot *old = gathering->slots;
    size_t old_size = old != NULL ? (size_t)1 << gathering->slot_bits : 0;
    uint32_t bits = old != NULL ? gathering->slot_bits + 1 : 5;
    struct contact_slot *slots = memory_calloc((size_t)1 << bits, sizeof *slots);
    if (slots == NULL) return STATUS_NO_MEMORY;
    gathering->slots = gathering->history->slots = slots;
    gathering->slot_bits = gathering->history->slot_bits = bits;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].key != 0) *place_of(gathering, old[i].key) = old[i];
    }
    memory_free(old);
    return STATUS_OK;
}

/* NULL where the key is not there. */
static struct contact_slot *find_slot(const struct gathering *gathering, uint64_t key) {
    if (gathering->slots == NULL) return NULL;
    struct contact_slot *slot = place_of(gathering, key);
    return slot->key != 0 ? slot : NULL;
}

/* The key's slot, made where it is not there, for this message. */
static enum status put_slot(struct gathering *gathering, uint64_t key, uint32_t message) {
    bool full = gathering->slots == NULL ||
                gathering->slot_count >= ((size_t)1 << gathering->slot_bits) / 2;
    if (full && grow_slots(gathering) != STATUS_OK) return STATUS_NO_MEMORY;
    struct contact_slot *slot = place_of(gathering, key);
    gathering->slot_count += slot->key == 0;
    *slot = (struct contact_slot){key, message, message};
    return STATUS_OK;
}

static enum status add_message(struct gathering *gathering, struct contact_message message,
                               uint32_t *index) {
    struct contact_history *history = gathering->history;
    enum status status = memory_grow((void **)&history->gathered, &history->gathered_capacity,
                                     gathering->message_count + 1, sizeof message);
    gathering->messages = history->gathered;
    if (status != STATUS_OK) return status;
    *index = (uint32_t)gathering->message_count;
    gathering->messages[gathering->message_count++] = message;
    return STATUS_OK;
}

/* ---- decisions ---- */

/* A treatment's name up to the slash is its action: it is known even where the offer's row has gone
 * since. */
static const struct action *action_of(const struct playbook *playbook, struct text key) {
    const char *slash = key.length > 0 ? memchr(key.at, '/', key.length) : NULL;
    if (slash != NULL) key.length = (uint32_t)(slash - key.at);
    uint32_t action = playbook_action_find(playbook, key);
    return action == UINT32_MAX ? NULL : &playbook->actions[action];
}

static enum status append_open(struct gathering *gathering, uint32_t index) {
    struct contact_message *message = &gathering->messages[index];
    uint64_t key = key_of(BY_OPEN, message->key_hash, message->channel, 0);
    struct contact_slot *slot = find_slot(gathering, key);
    if (slot == NULL || slot->first == NOTHING) return put_slot(gathering, key, index);
    gathering->messages[slot->last].next_open = index;
    slot->last = index;
    return STATUS_OK;
}

static enum status add_decided(struct gathering *gathering, uint32_t row, struct text decision,
                               struct text treatment, uint32_t channel, bool ghost, bool first) {
    uint64_t key_hash = hash_text(treatment, 0), decision_hash = hash_text(decision, 0);
    uint64_t key = key_of(BY_DECISION, decision_hash, key_hash, 0);
    uint32_t index;
    if (channel >= CHANNELS_MAX || gathering->history->messaging[channel].inbound) return STATUS_OK;
    /* The same decision, written down again. */
    if (decision.length > 0 && find_slot(gathering, key) != NULL) return STATUS_OK;
    struct contact_message message = {
        .decided_ms = gathering->timeline->time_ms[row],
        .receipt_ms = TIME_NEVER,
        .key_hash = key_hash,
        .action = action_of(gathering->history->data->playbook, treatment),
        .channel = channel,
        .next_open = NOTHING,
        .ghost = ghost,
    };
    enum status status = add_message(gathering, message, &index);
    if (status == STATUS_OK && decision.length > 0) status = put_slot(gathering, key, index);
    if (status == STATUS_OK && decision.length > 0 && first)
        status = put_slot(gathering, key_of(BY_DECISION_ALONE, decision_hash, 0, 0), index);
    if (status == STATUS_OK && !ghost) status = append_open(gathering, index);
    return status;
}

/* Decisions of older programs name their treatments and the first one's channel alone. */
static enum status add_old_decision(struct gathering *gathering, uint32_t row, struct text packed) {
    const struct playbook *playbook = gathering->history->data->playbook;
    struct value list = packed_find(packed, PROPERTY_TREATMENT),
                 withheld = packed_find(packed, PROPERTY_WITHHELD), treatment;
    struct list_reader reader;
    if (list.type != VALUE_LIST || list_reader_init(&reader, list) != STATUS_OK) return STATUS_OK;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && list_next(&reader, &treatment) == STATUS_OK) {
        if (treatment.type != VALUE_TEXT) continue;
        const struct action *action = action_of(playbook, treatment.text);
        uint32_t channel = gathering->timeline->channel[row];
        if (action != NULL && action->channel_count == 1) channel = action->channels[0].channel;
        bool ghost =
            withheld.type == VALUE_YES_NO && withheld.yes && (action == NULL || !action->service);
        status =
            add_decided(gathering, row, (struct text){0}, treatment.text, channel, ghost, true);
    }
    return status;
}

static enum status leave_out(struct contact_history *history, struct value id) {
    enum status status = memory_grow((void **)&history->left_out, &history->left_out_capacity,
                                     history->left_out_count + 1, sizeof *history->left_out);
    if (status != STATUS_OK) return status;
    history->left_out[history->left_out_count++] =
        id.type == VALUE_TEXT ? hash_text(id.text, 0) : 0;
    return STATUS_OK;
}

static enum status add_decision(struct gathering *gathering, uint32_t row) {
    const struct contact_history *history = gathering->history;
    struct symbols *symbols = history->data->symbols;
    struct text packed;
    if (gathering->timeline->ops->packed(gathering->timeline, row, &packed) != STATUS_OK)
        return STATUS_OK;
    struct value id = packed_find(packed, PROPERTY_DECISION),
                 list = packed_find(packed, history->symbols.messages), ignored;
    if (gathering->timeline->time_ms[row] == gathering->t_ms && !gathering->same_moment)
        return leave_out(gathering->history, id);
    if (list.type != VALUE_LIST) return add_old_decision(gathering, row, packed);
    struct list_reader reader;
    struct text decision = id.type == VALUE_TEXT ? id.text : (struct text){0};
    enum status status = STATUS_OK;
    if (list_reader_init(&reader, list) != STATUS_OK) return STATUS_OK;
    for (bool first = true; status == STATUS_OK && list_next(&reader, &ignored) == STATUS_OK;
         first = false) {
        struct value treatment = list_field(&reader, PROPERTY_TREATMENT),
                     channel = list_field(&reader, PROPERTY_CHANNEL),
                     withheld = list_field(&reader, PROPERTY_WITHHELD);
        if (treatment.type != VALUE_TEXT || channel.type != VALUE_TEXT) continue;
        status = add_decided(gathering, row, decision, treatment.text,
                             symbol_find(symbols, SYMBOL_CHANNEL, channel.text),
                             withheld.type == VALUE_YES_NO && withheld.yes, first);
    }
    return status;
}

/* ---- receipts ---- */

struct receipt {
    int64_t time_ms;
    struct text decision, treatment;
    uint64_t key_hash;
    uint32_t channel;
    uint16_t type;
};

/* The oldest decision for this treatment and channel of which nothing is known yet. */
static uint32_t take_open(struct gathering *gathering, const struct receipt *receipt) {
    struct contact_slot *slot =
        find_slot(gathering, key_of(BY_OPEN, receipt->key_hash, receipt->channel, 0));
    while (slot != NULL && slot->first != NOTHING) {
        uint32_t index = slot->first;
        const struct contact_message *message = &gathering->messages[index];
        slot->first = message->next_open;
        if (message->receipt_ms == TIME_NEVER && !message->failed) return index;
    }
    return NOTHING;
}

static enum status message_of(struct gathering *gathering, const struct receipt *receipt,
                              uint32_t *index) {
    uint64_t decision_hash = hash_text(receipt->decision, 0);
    int64_t day = local_day(where_day_zone(&gathering->history->where), receipt->time_ms);
    uint64_t key = receipt->decision.length == 0
                       ? key_of(BY_DAY, receipt->key_hash, receipt->channel, (uint64_t)day)
                   : receipt->treatment.length == 0
                       ? key_of(BY_DECISION_ALONE, decision_hash, 0, 0)
                       : key_of(BY_DECISION, decision_hash, receipt->key_hash, 0);
    const struct contact_slot *slot = find_slot(gathering, key);
    *index = slot != NULL                    ? slot->first
             : receipt->decision.length == 0 ? take_open(gathering, receipt)
                                             : NOTHING;
    if (slot != NULL) return STATUS_OK;
    if (*index == NOTHING) {
        struct contact_message message = {
            .decided_ms = TIME_NEVER,
            .receipt_ms = TIME_NEVER,
            .key_hash = receipt->key_hash,
            .action = action_of(gathering->history->data->playbook, receipt->treatment),
            .channel = receipt->channel,
            .next_open = NOTHING,
        };
        enum status status = add_message(gathering, message, index);
        if (status != STATUS_OK) return status;
    }
    return put_slot(gathering, key, *index);
}

/* On a page everything that was shown is an impression, whatever day it is, and a click is none. */
static bool is_lone_impression(const struct gathering *gathering, const struct receipt *receipt) {
    return receipt->decision.length == 0 && gathering->history->messaging[receipt->channel].inbound;
}

static enum status add_impression(struct gathering *gathering, const struct receipt *receipt) {
    uint32_t ignored;
    if (receipt->type != EVENT_TREATMENT_SHOWN && receipt->type != EVENT_TREATMENT_DELIVERED)
        return STATUS_OK;
    return add_message(
        gathering,
        (struct contact_message){
            .decided_ms = TIME_NEVER,
            .receipt_ms = receipt->time_ms,
            .key_hash = receipt->key_hash,
            .action = action_of(gathering->history->data->playbook, receipt->treatment),
            .channel = receipt->channel,
            .next_open = NOTHING,
        },
        &ignored);
}

static enum status add_receipt(struct gathering *gathering, const struct receipt *receipt) {
    uint32_t index;
    if (is_lone_impression(gathering, receipt)) return add_impression(gathering, receipt);
    enum status status = message_of(gathering, receipt, &index);
    if (status != STATUS_OK) return status;
    struct contact_message *message = &gathering->messages[index];
    message->failed = receipt->type == EVENT_TREATMENT_FAILED;
    if (message->failed)
        message->receipt_ms = TIME_NEVER;
    else if (message->receipt_ms == TIME_NEVER)
        message->receipt_ms = receipt->time_ms;
    return STATUS_OK;
}

/* ---- the rows ---- */

static enum status add_contact(struct contact_series *list, struct contact contact) {
    enum status status =
        memory_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof contact);
    if (status == STATUS_OK) list->items[list->count++] = contact;
    return status;
}

static enum status add_row(struct gathering *gathering, uint32_t row) {
    const struct timeline *timeline = gathering->timeline;
    const struct playbook *playbook = gathering->history->data->playbook;
    uint16_t type = timeline->type[row];
    if (type == EVENT_DECISION_MADE) {
        enum status status = add_decision(gathering, row);
        if (status != STATUS_OK) return status;
    }
    bool waited = gathering->history->waited[type];
    if (!event_is_treatment(type) && !waited) return STATUS_OK;
    struct receipt receipt = {
        .time_ms = timeline->time_ms[row], .channel = timeline->channel[row], .type = type};
    struct text packed;
    if (timeline->ops->packed(timeline, row, &packed) == STATUS_OK) {
        static const uint32_t symbols[] = {PROPERTY_TREATMENT, PROPERTY_DECISION};
        struct value found[2];
        packed_find_each(packed, symbols, found, 2);
        if (found[0].type == VALUE_TEXT) receipt.treatment = found[0].text;
        if (found[1].type == VALUE_TEXT) receipt.decision = found[1].text;
    }
    receipt.key_hash = hash_text(receipt.treatment, 0);
    if (waited) {
        enum status status = add_contact(
            &gathering->history->events,
            (struct contact){
                .time_ms = receipt.time_ms,
                .until_ms = TIME_NEVER,
                .key_hash = receipt.key_hash,
                .action = action_of(playbook, receipt.treatment),
                .channel = receipt.channel,
                .type = type,
                .names_none = receipt.treatment.length == 0 && !event_is_treatment(type),
            });
        if (status != STATUS_OK) return status;
    }
    return event_is_treatment(type) ? add_receipt(gathering, &receipt) : STATUS_OK;
}

/* ---- what is left ---- */

/* A message as a contact as of t; false where it is none. */
static bool contact_of(const struct gathering *gathering, const struct contact_message *message,
                       struct contact *out) {
    const struct messaging *messaging = &gathering->history->messaging[message->channel];
    bool told = message->receipt_ms != TIME_NEVER;
    if (message->failed || (!told && message->decided_ms == TIME_NEVER)) return false;
    *out = (struct contact){
        .time_ms = told ? message->receipt_ms : message->decided_ms,
        .until_ms = TIME_NEVER,
        .key_hash = message->key_hash,
        .action = message->action,
        .channel = message->channel,
        .type = EVENT_TREATMENT_DELIVERED,
        .impression = messaging->inbound,
        /* Where no receipts come, handing over is the contact. */
        .pending = !told && !message->ghost && messaging->receipts,
        .withheld = !told && message->ghost,
    };
    if (out->pending) out->until_ms = message->decided_ms + messaging->expires_ms;
    return out->until_ms > gathering->t_ms;
}

static enum status conclude(struct gathering *gathering) {
    struct contact_history *history = gathering->history;
    bool waited = history->waited[EVENT_TREATMENT_DELIVERED];
    enum status status = STATUS_OK;
    for (size_t i = 0; i < gathering->message_count && status == STATUS_OK; i++) {
        struct contact contact;
        const struct contact_message *message = &gathering->messages[i];
        if (!contact_of(gathering, message, &contact)) continue;
        status = add_contact(&history->messages, contact);
        /* The receipt that is expected. Those that came are on the timeline. */
        if (status == STATUS_OK && waited && message->receipt_ms == TIME_NEVER)
            status = add_contact(&history->events, contact);
    }
    memset(history->gone_out, 0, sizeof history->gone_out);
    if (status == STATUS_OK) status = contact_series_order(history, &history->messages);
    return status == STATUS_OK ? contact_series_order(history, &history->events) : status;
}

/* The memory of the readings before serves again, but for a table that one long timeline needed. */
static void begin(struct gathering *gathering) {
    struct contact_history *history = gathering->history;
    if (history->slot_bits > SLOT_BITS_KEPT) {
        memory_free(history->slots);
        history->slots = NULL;
    }
    if (history->slots == NULL) history->slot_bits = 0;
    gathering->messages = history->gathered;
    gathering->slots = history->slots;
    gathering->slot_bits = history->slot_bits;
    if (gathering->slots != NULL)
        memset(gathering->slots, 0, sizeof *gathering->slots << gathering->slot_bits);
}

static bool has_limits(const struct playbook *playbook) {
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        if (playbook->policies[i].kind == POLICY_AT_MOST ||
            playbook->policies[i].kind == POLICY_AFTER)
            return true;
    }
    return false;
}

enum status contact_history_read(struct contact_history *history, const struct timeline *timeline,
                                 int64_t t_ms, bool same_moment) {
    const struct playbook *playbook = history->data->playbook;
    struct gathering gathering = {
        .history = history, .timeline = timeline, .t_ms = t_ms, .same_moment = same_moment};
    begin(&gathering);
    history->left_out_count = 0;
    history->messages.count = history->events.count = 0;
    history->cut = timeline->truncated;
    history->cut_ms = timeline->count > 0 ? timeline->time_ms[0] : t_ms;
    contact_cache_clear(history);
    uint32_t end =
        has_limits(playbook) || history->for_budgets ? timeline_upper_bound(timeline, t_ms) : 0;
    enum status status = STATUS_OK;
    for (uint32_t row = 0; row < end && status == STATUS_OK; row++) {
        if (timeline_known(timeline, row, t_ms)) status = add_row(&gathering, row);
    }
    if (status == STATUS_OK) status = conclude(&gathering);
    return status;
}
