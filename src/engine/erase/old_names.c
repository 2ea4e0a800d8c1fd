/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/erase/old_names.h"

#include "engine/live/live_decision.h"
#include "event/dark.h"

static uint64_t *bits_of(struct old_names *names, enum symbol_kind kind) {
    return kind == SYMBOL_EVENT      ? names->events
           : kind == SYMBOL_PROPERTY ? names->properties
           : kind == SYMBOL_CHANNEL  ? names->channels
                                     : NULL;
}

static bool forgets(const void *context, enum symbol_kind kind, uint32_t id) {
    const uint64_t *bits = bits_of((struct old_names *)(uintptr_t)context, kind);
    uint32_t limit = kind == SYMBOL_CHANNEL ? CHANNEL_UNDECLARED : EVENT_UNDECLARED;
    return bits != NULL && id < limit && (bits[id / 64] >> (id % 64) & 1);
}

/* ---- what is declared ---- */

static bool channel_is_declared(const struct playbook *playbook, uint32_t channel) {
    for (uint32_t i = 0; i < playbook->source_count; i++) {
        if (playbook->sources[i].channel == channel) return true;
    }
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        if (playbook->policies[i].channel == channel) return true;
    }
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        for (uint32_t k = 0; k < action->channel_count; k++) {
            if (action->channels[k].channel == channel) return true;
        }
    }
    return false;
}

static bool property_is_declared(const struct playbook *playbook, uint32_t symbol) {
    if (symbol < PROPERTY_RESERVED_COUNT) return true;
    for (uint32_t i = 0; i < playbook->property_rule_count; i++) {
        const struct property_rule *rule = &playbook->properties[i];
        if (rule->symbol == symbol) return true;
        for (uint32_t k = 0; k < rule->field_count; k++) {
            if (rule->field_symbols[k] == symbol) return true;
        }
    }
    return false;
}

/* Names that this program gives to what it writes itself; no data brought them. */
static bool is_own(const struct engine *engine, enum symbol_kind kind, uint32_t id) {
    struct message_symbols messages;
    struct holdout_symbols holdout;
    struct experiment_symbols experiments;
    struct text name = symbol_text(engine->symbols, kind, id);
    if (kind == SYMBOL_EVENT) return text_equal(name, LIVE_ASKED_FOR);
    if (kind == SYMBOL_CHANNEL) return text_equal(name, TEXT("system"));
    if (message_symbols_add(engine->symbols, &messages) != STATUS_OK ||
        holdout_symbols_add(engine->symbols, &holdout) != STATUS_OK ||
        experiment_symbols_add(engine->symbols, &experiments) != STATUS_OK)
        return true; /* without memory nothing is forgotten */
    for (size_t i = 0; i < sizeof messages / sizeof(uint32_t); i++)
        if (((const uint32_t *)&messages)[i] == id) return true;
    return id == holdout.holdout || id == holdout.salt || id == experiments.experiments ||
           id == experiments.experiment || id == experiments.arm;
}

static bool is_declared(const struct engine *engine, enum symbol_kind kind, uint32_t id) {
    const struct playbook *playbook = engine_playbook(engine);
    uint32_t type;
    if (is_own(engine, kind, id)) return true;
    if (kind == SYMBOL_CHANNEL) return channel_is_declared(playbook, id);
    if (kind == SYMBOL_PROPERTY) return property_is_declared(playbook, id);
    return playbook->schema.event(playbook->schema.context,
                                  symbol_text(engine->symbols, SYMBOL_EVENT, id),
                                  &type) == STATUS_OK;
}

/* ---- the names of events ---- */

struct looking {
    struct engine *engine;
    struct old_names *names;
    bool marking; /* else: taking marks away */
};

static void see(struct looking *looking, enum symbol_kind kind, uint32_t id) {
    uint64_t *word = &bits_of(looking->names, kind)[id / 64], bit = UINT64_C(1) << (id % 64);
    bool is_marked = (*word & bit) != 0;
    if (!looking->marking) {
        looking->names->count -= is_marked;
        *word &= ~bit;
    } else if (!is_marked && !is_declared(looking->engine, kind, id)) {
        looking->names->count++;
        *word |= bit;
    }
}

static void see_list(struct looking *looking, struct value list) {
    struct list_reader reader;
    struct value item;
    if (list_reader_init(&reader, list) != STATUS_OK) return;
    while (list_next(&reader, &item) == STATUS_OK) {
        struct packed_reader fields = {reader.record, reader.record_end, reader.field_count};
        uint32_t symbol;
        while (reader.record != NULL && packed_next(&fields, &symbol, &item) == STATUS_OK)
            see(looking, SYMBOL_PROPERTY, symbol);
    }
}

static enum status see_row(struct looking *looking, const struct timeline *timeline, uint32_t row) {
    struct packed_reader reader;
    struct text packed;
    struct value value;
    uint32_t symbol;
    if (timeline->type[row] != EVENT_UNDECLARED) see(looking, SYMBOL_EVENT, timeline->type[row]);
    if (timeline->channel[row] != CHANNEL_UNDECLARED)
        see(looking, SYMBOL_CHANNEL, timeline->channel[row]);
    enum status status = timeline->ops->packed(timeline, row, &packed);
    if (status == STATUS_OK) status = packed_reader_init(&reader, packed);
    while (status == STATUS_OK && (status = packed_next(&reader, &symbol, &value)) == STATUS_OK) {
        if (symbol == PROPERTY_UNDECLARED) continue;
        see(looking, SYMBOL_PROPERTY, symbol);
        if (value.type == VALUE_LIST) see_list(looking, value);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

/* LIMIT: a part of the customer's events is not shown. */
static enum status see_all(struct looking *looking, const struct timeline *timeline) {
    enum status status = timeline->truncated ? STATUS_LIMIT : STATUS_OK;
    for (uint32_t row = 0; status == STATUS_OK && row < timeline->count; row++)
        status = see_row(looking, timeline, row);
    return status;
}

static enum status see_others(struct looking *looking, struct timeline_reader *reader,
                              const struct timeline_request *request, struct customer_id customer,
                              struct error *error) {
    const struct timeline_source_ops *ops = reader->source->ops;
    struct timeline timeline;
    enum status status = ops->walk(reader, request, 0, 1, error);
    looking->marking = false;
    while (status == STATUS_OK && looking->names->count > 0) {
        status = ops->next(reader, &timeline, error);
        if (status == STATUS_OK && timeline.customer.value != customer.value)
            status = see_all(looking, &timeline);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

enum status old_names_find(struct engine *engine, struct customer_id customer,
                           struct old_names *out, struct error *error) {
    struct timeline_source *source = store_source(engine->store);
    struct timeline_reader *reader;
    struct timeline timeline;
    /* Known: also what a correction has superseded. */
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW},
                                       .needs =
                                           TIMELINE_PACKED | TIMELINE_CHANNEL | TIMELINE_KNOWN};
    struct looking looking = {.engine = engine, .names = out, .marking = true};
    *out = (struct old_names){.forgotten = {forgets, out}};
    if (engine_playbook(engine) == NULL) return STATUS_OK;
    enum status status = source->ops->reader_open(source, &reader, error);
    if (status != STATUS_OK) return status;
    status = source->ops->read(reader, customer, &request, &timeline, error);
    if (status == STATUS_OK) status = see_all(&looking, &timeline);
    if (status == STATUS_NOT_FOUND) status = STATUS_OK; /* nobody has no names */
    if (status == STATUS_OK && out->count > 0)
        status = see_others(&looking, reader, &request, customer, error);
    source->ops->reader_close(reader);
    if (status == STATUS_OK || status == STATUS_LIMIT) {
        if (status == STATUS_LIMIT) *out = (struct old_names){.forgotten = {forgets, out}};
        return timeline_source_check(source, error);
    }
    *out = (struct old_names){.forgotten = {forgets, out}};
    return status == STATUS_NO_MEMORY
               ? error_set(error, status, "no memory to look for names of C%u", customer.value)
               : status;
}
