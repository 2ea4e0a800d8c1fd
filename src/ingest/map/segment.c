/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/map/segment.h"

#include "base/canonical.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/word.h"
#include "event/consent_state.h"

#define CATEGORIES_MAX 64

enum message {
    MESSAGE_NONE,
    MESSAGE_TRACK,
    MESSAGE_IDENTIFY,
    MESSAGE_PAGE,
    MESSAGE_SCREEN,
    MESSAGE_GROUP,
    MESSAGE_ALIAS
};

static const struct cell *cell_at(const struct mapper *mapper, enum segment_column column) {
    return &mapper->cells[mapper->plan->segment + (uint32_t)column];
}

static struct text told_text(const struct cell *cell) {
    return cell->kind == CELL_TEXT ? cell->text : (struct text){0};
}

void segment_told(const struct mapper *mapper, struct text *message_id, struct text *name) {
    *message_id = told_text(cell_at(mapper, SEGMENT_MESSAGE_ID));
    *name = told_text(cell_at(mapper, SEGMENT_EVENT));
    if (name->length == 0) *name = told_text(cell_at(mapper, SEGMENT_TYPE));
}

bool segment_says_time(const struct mapper *mapper) {
    return !cell_is_empty(cell_at(mapper, SEGMENT_TIMESTAMP)) ||
           !cell_is_empty(cell_at(mapper, SEGMENT_ORIGINAL_TIMESTAMP));
}

static enum message message_of(const struct mapper *mapper) {
    return (enum message)mapper->message;
}

enum status segment_begin(struct mapper *mapper) {
    static const struct text names[] = {{"", 0},       {"track", 5}, {"identify", 8}, {"page", 4},
                                        {"screen", 6}, {"group", 5}, {"alias", 5}};
    const struct cell *cell = cell_at(mapper, SEGMENT_TYPE);
    char shown[MAPPER_SHOWN_BYTES + 8];
    mapper->message = MESSAGE_NONE;
    for (int i = MESSAGE_TRACK; cell->kind == CELL_TEXT && i <= MESSAGE_ALIAS; i++) {
        if (text_equal(cell->text, names[i])) mapper->message = i;
    }
    if (mapper->message == MESSAGE_NONE) {
        return mapper_bad(
            mapper, COLUMN_NONE,
            "'%s' is no type of message: track, identify, page, screen, group or alias",
            mapper_show(cell->kind == CELL_TEXT ? cell->text : (struct text){0}, shown));
    }
    return STATUS_OK;
}

enum status segment_event_type(struct mapper *mapper, uint32_t *event_type, struct text *word) {
    const struct cell *event = cell_at(mapper, SEGMENT_EVENT);
    switch (message_of(mapper)) {
    case MESSAGE_IDENTIFY: *event_type = EVENT_CUSTOMER_RECORD; return STATUS_OK;
    case MESSAGE_PAGE: return mapper_symbol(mapper, SYMBOL_EVENT, TEXT("Page Viewed"), event_type);
    case MESSAGE_SCREEN:
        return mapper_symbol(mapper, SYMBOL_EVENT, TEXT("Screen Viewed"), event_type);
    case MESSAGE_GROUP:
        return mapper_symbol(mapper, SYMBOL_EVENT, TEXT("Group Joined"), event_type);
    case MESSAGE_ALIAS:
        return mapper_symbol(mapper, SYMBOL_EVENT, TEXT("Identity Aliased"), event_type);
    default: break;
    }
    struct text name = event->kind == CELL_TEXT ? canonical_trim(event->text) : (struct text){0};
    if (name.length == 0)
        return mapper_bad(mapper, COLUMN_NONE,
                          "no event: a track message without the member event");
    *word = name;
    return mapper_symbol(mapper, SYMBOL_EVENT, name, event_type);
}

static enum status time_at(struct mapper *mapper, enum segment_column column, struct value *out) {
    uint32_t at = mapper->plan->segment + (uint32_t)column;
    enum status status = cell_value(&mapper->reader, &mapper->cells[at], VALUE_TIME,
                                    plan_notation(mapper->plan, at), out);
    return status == STATUS_INVALID ? mapper_bad_value(mapper, at, VALUE_TIME) : status;
}

enum status segment_time(struct mapper *mapper, struct event *event) {
    const struct plan *plan = mapper->plan;
    struct value stamp, original, sent, received;
    bool live = plan->source->known_on_arrival;
    enum status status = time_at(mapper, SEGMENT_TIMESTAMP, &stamp);
    if (status == STATUS_OK) status = time_at(mapper, SEGMENT_ORIGINAL_TIMESTAMP, &original);
    if (status == STATUS_OK) status = time_at(mapper, SEGMENT_SENT_AT, &sent);
    if (status == STATUS_OK) status = time_at(mapper, SEGMENT_RECEIVED_AT, &received);
    if (status) return status;
    if (mapper->live.is_received) {
        bool is_relayed = value_is_known(received) && received.time_ms != mapper->now_ms;
        if (is_relayed && value_is_known(stamp)) sent = value_unknown();
        received = value_time(mapper->now_ms);
    }
    if (!value_is_known(received) && live) received = value_time(mapper->now_ms);
    /* A message just sent carries its client's time as `timestamp`; one that passed a collector has
     * it moved to originalTimestamp. */
    if (!value_is_known(original) && live) original = stamp;
    if (value_is_known(received) && value_is_known(original) && value_is_known(sent)) {
        event->time_ms = received.time_ms - (sent.time_ms - original.time_ms);
    } else if (value_is_known(stamp) || value_is_known(original)) {
        event->time_ms = value_is_known(stamp) ? stamp.time_ms : original.time_ms;
    } else if (value_is_known(received)) {
        event->time_ms = received.time_ms;
    } else {
        return mapper_bad(mapper, COLUMN_NONE,
                          "no time: neither timestamp nor originalTimestamp nor receivedAt");
    }
    /* Nothing happens after it was received. Where the clocks say so, one of them is wrong. */
    if (value_is_known(received) && event->time_ms > received.time_ms)
        event->time_ms = received.time_ms;
    event->known_ms = event->time_ms;
    if (!live) event->known_ms += plan->source->arrives_ms;
    bool dated = value_is_known(received) && (live || plan->source->arrives_ms == 0);
    if (dated && received.time_ms > event->known_ms) event->known_ms = received.time_ms;
    return STATUS_OK;
}

static enum status add_identifier(struct mapper *mapper, const struct identifier_rule *rule,
                                  const struct cell *cell) {
    struct text text;
    enum status status = cell_text(&mapper->reader, cell, &text);
    if (status) return status == STATUS_INVALID ? STATUS_OK : status;
    return mapper_add_identifier(mapper, rule->symbol, rule->lower_case, COLUMN_NONE, text);
}

static const struct identifier_rule *rule_named(const struct playbook *playbook, struct text name) {
    for (uint32_t i = 0; i < playbook->identifier_count; i++) {
        if (text_equal(playbook->identifiers[i].name, name)) return &playbook->identifiers[i];
    }
    return NULL;
}

/* Adds {id, type}. A type that the playbook does not know is ignored. */
static enum status external_id(struct mapper *mapper, struct json_node item) {
    struct json_node id, type;
    if (!json_get(item, TEXT("id"), &id) || !json_get(item, TEXT("type"), &type)) return STATUS_OK;
    const struct identifier_rule *rule = rule_named(mapper->plan->playbook, json_text(type));
    struct cell cell = cell_from_json(id);
    return rule ? add_identifier(mapper, rule, &cell) : STATUS_OK;
}

/* May previousId be of this type? It is whatever userId or anonymousId is mapped to, and an e-mail
 * address where it looks like one. */
static bool may_be_previous(const struct mapper *mapper, uint32_t rule, struct text previous) {
    const struct source *source = mapper->plan->source;
    if (mapper->plan->playbook->identifiers[rule].lower_case)
        return previous.length > 0 && memchr(previous.at, '@', previous.length) != NULL;
    for (uint32_t i = 0; i < source->identifier_count; i++) {
        const struct identifier_map *map = &source->identifiers[i];
        if (map->rule == rule && (text_equal(map->from.column, TEXT("userId")) ||
                                  text_equal(map->from.column, TEXT("anonymousId"))))
            return true;
    }
    return false;
}

/* Adds previousId, which has no type: it counts as whatever is known by that name. */
static enum status add_previous(struct mapper *mapper) {
    const struct playbook *playbook = mapper->plan->playbook;
    struct event_batch *batch = mapper->batch;
    struct text text;
    enum status status = cell_text(&mapper->reader, cell_at(mapper, SEGMENT_PREVIOUS_ID), &text);
    if (status) return status == STATUS_INVALID ? STATUS_OK : status;
    for (uint32_t rule = 0; status == STATUS_OK && rule < playbook->identifier_count; rule++) {
        size_t count = batch->identifier_count;
        if (!may_be_previous(mapper, rule, text)) continue;
        status = mapper_add_identifier(mapper, playbook->identifiers[rule].symbol,
                                       playbook->identifiers[rule].lower_case, COLUMN_NONE, text);
        if (status == STATUS_OK && batch->identifier_count > count)
            batch->identifiers[count].if_known = true;
    }
    return status;
}

enum status segment_identifiers(struct mapper *mapper) {
    const struct cell *external = cell_at(mapper, SEGMENT_EXTERNAL_IDS);
    enum status status = STATUS_OK;
    if (external->kind == CELL_NODE && json_type(external->node) == JSON_ARRAY) {
        struct json_iterator iterator = json_begin(external->node);
        while (status == STATUS_OK && json_next(&iterator))
            status = external_id(mapper, iterator.node);
    }
    if (status || message_of(mapper) != MESSAGE_ALIAS) return status;
    return add_previous(mapper);
}

enum status segment_user_id(struct mapper *mapper, struct text *user) {
    return cell_text(&mapper->reader, cell_at(mapper, SEGMENT_USER_ID), user);
}

bool segment_has_properties(const struct mapper *mapper) {
    enum message message = message_of(mapper);
    return message == MESSAGE_PAGE || message == MESSAGE_SCREEN || message == MESSAGE_GROUP;
}

enum status segment_properties(struct mapper *mapper, struct packed_writer *writer) {
    const struct plan *plan = mapper->plan;
    enum message message = message_of(mapper);
    enum segment_column column = message == MESSAGE_GROUP ? SEGMENT_GROUP_ID : SEGMENT_NAME;
    uint32_t symbol = message == MESSAGE_GROUP ? plan->group_id_symbol : plan->name_symbol;
    struct text text;
    if (!segment_has_properties(mapper)) return STATUS_OK;
    enum status status = cell_text(&mapper->reader, cell_at(mapper, column), &text);
    if (status == STATUS_INVALID)
        return mapper_bad_value(mapper, plan->segment + (uint32_t)column, VALUE_TEXT);
    if (status || text.length == 0) return status;
    return packed_add(writer, symbol, value_text(text));
}

/* ---- consent ---- */

/* The type is spread over all bits first: as a small seed it would turn "12" of one type into "13"
 * of another. */
static uint64_t person_hash(const struct event_batch *batch, const struct event *event) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *identifier = &batch->identifiers[event->identifier + i];
        hash = hash_text(event_batch_text(batch, identifier->offset, identifier->length),
                         hash_u64(hash + identifier->type));
    }
    return hash;
}

/* A small table of (person and purpose) -> state, cleared with each batch. Slots are pairs. */
static enum status said_before(struct mapper *mapper, uint64_t about, bool yes, bool *same) {
    uint64_t value = yes ? 2 : 1;
    if (about == 0) about = 1;
    if (mapper->consent_count == 0 && mapper->consent_capacity > 0) {
        memset(mapper->consent_seen, 0, mapper->consent_capacity * 16);
    }
    if (2 * mapper->consent_count >= mapper->consent_capacity) {
        size_t capacity = mapper->consent_capacity ? 2 * mapper->consent_capacity : 1024;
        uint64_t *slots = memory_calloc(capacity, 16);
        if (slots == NULL) return STATUS_NO_MEMORY;
        for (size_t i = 0; i < mapper->consent_capacity; i++) {
            if (mapper->consent_seen[2 * i] == 0) continue;
            size_t at = mapper->consent_seen[2 * i] & (capacity - 1);
            while (slots[2 * at] != 0) at = (at + 1) & (capacity - 1);
            memcpy(&slots[2 * at], &mapper->consent_seen[2 * i], 16);
        }
        memory_free(mapper->consent_seen);
        mapper->consent_seen = slots;
        mapper->consent_capacity = capacity;
    }
    size_t mask = mapper->consent_capacity - 1, at = about & mask;
    while (mapper->consent_seen[2 * at] != 0 && mapper->consent_seen[2 * at] != about)
        at = (at + 1) & mask;
    *same = mapper->consent_seen[2 * at] == about && mapper->consent_seen[2 * at + 1] == value;
    mapper->consent_count += mapper->consent_seen[2 * at] == 0;
    mapper->consent_seen[2 * at] = about;
    mapper->consent_seen[2 * at + 1] = value;
    return STATUS_OK;
}

static enum status add_consent(struct mapper *mapper, size_t index, struct text purpose, bool yes) {
    struct event_batch *batch = mapper->batch;
    enum status status;
    struct event *event = mapper_add_event(mapper, &status);
    if (event == NULL) return status;
    const struct event *from = &batch->events[index];
    *event = *from; /* the same person, time and source; the identifiers are shared */
    event->type = EVENT_CONSENT_CHANGED;
    if (!row_key_is_none(from->key)) {
        event->key.low = hash_text(purpose, from->key.low);
        event->key.high = (uint32_t)hash_text(purpose, ~(uint64_t)from->key.high);
        if (event->key.low == 0) event->key.low = 1;
    }
    event->content = 0; /* what the message said first stands */
    event->content_count = 0;
    packed_begin(&mapper->writer);
    status = packed_add(&mapper->writer, PROPERTY_PURPOSE, value_text(purpose));
    if (status == STATUS_OK)
        status = packed_add(&mapper->writer, PROPERTY_STATE, value_yes_no(yes));
    if (status == STATUS_OK)
        status =
            packed_add(&mapper->writer, PROPERTY_SOURCE, value_text(mapper->plan->source->name));
    event->properties = (uint32_t)batch->bytes.length;
    if (status == STATUS_OK) status = packed_end(&mapper->writer, &batch->bytes);
    event->properties_length = (uint32_t)(batch->bytes.length - event->properties);
    return status;
}

/* Puts the part of a good message that can't be read into quarantine, where it holds the person
 * until somebody has read it. Only the first one of a message counts. */
static enum status doubt_consent(struct mapper *mapper, uint64_t person, struct text category,
                                 struct text scope) {
    bool same;
    enum status status = said_before(mapper, hash_text(category, hash_u64(person)), false, &same);
    if (status != STATUS_OK || same || mapper->doubt.text[0]) return status;
    mapper_hold(mapper, true, scope);
    mapper->doubt = mapper->reason;
    return STATUS_OK;
}

static enum status take_category(struct mapper *mapper, size_t index, uint64_t person,
                                 struct text category, struct json_node node) {
    const struct plan_words *purposes = &mapper->plan->purposes;
    char shown[MAPPER_SHOWN_BYTES + 8], near[MAPPER_SHOWN_BYTES + 8];
    size_t at;
    bool same;
    struct cell cell = cell_from_json(node);
    struct value state = value_unknown();
    if (cell.kind != CELL_NODE &&
        cell_value(&mapper->reader, &cell, VALUE_UNKNOWN, (struct notation){0}, &state))
        return STATUS_OK;
    state = consent_state(state);
    enum word_found found = word_find(category, purposes->at, purposes->count, &at);
    if (found == WORD_KNOWN && !value_is_known(state)) {
        (void)mapper_bad(mapper, COLUMN_NONE, "the consent to %s says neither yes nor no",
                         mapper_show(purposes->at[at], shown));
        return doubt_consent(mapper, person, category, purposes->at[at]);
    }
    if (found != WORD_KNOWN && !(value_is_known(state) && state.yes)) {
        (void)mapper_bad(mapper, COLUMN_NONE, "'%s' is no purpose of this playbook: %s%s%s",
                         mapper_show(category, shown),
                         found == WORD_NEAR ? "did you mean "
                                            : "declare it (consent: { purposes: "
                                              "[...] }), or mend the word",
                         found == WORD_NEAR ? mapper_show(purposes->at[at], near) : "",
                         found == WORD_NEAR ? "?" : "");
        return doubt_consent(mapper, person, category, (struct text){0});
    }
    if (found == WORD_KNOWN) category = purposes->at[at];
    enum status status = said_before(mapper, hash_text(category, person), state.yes, &same);
    return status == STATUS_OK && !same ? add_consent(mapper, index, category, state.yes) : status;
}

enum status segment_consent(struct mapper *mapper, size_t event_index) {
    const struct cell *cell = cell_at(mapper, SEGMENT_CONSENT);
    if (cell->kind == CELL_TEXT && cell->text.length == 0) return STATUS_OK;
    uint64_t person = person_hash(mapper->batch, &mapper->batch->events[event_index]);
    if (cell->kind != CELL_NODE || json_type(cell->node) != JSON_OBJECT) {
        (void)mapper_bad(mapper, COLUMN_NONE, "categoryPreferences is no object of purposes");
        return doubt_consent(mapper, person, TEXT("categoryPreferences"), (struct text){0});
    }
    struct json_iterator iterator = json_begin(cell->node);
    enum status status = STATUS_OK;
    uint32_t count = 0;
    while (status == STATUS_OK && json_next(&iterator)) {
        struct json_node first;
        if (++count > CATEGORIES_MAX) {
            (void)mapper_bad(mapper, COLUMN_NONE, "more than %d categories of consent",
                             CATEGORIES_MAX);
            return doubt_consent(mapper, person, TEXT("categoryPreferences"), (struct text){0});
        }
        /* Of a member given twice the first counts. */
        if (iterator.key.length == 0 || !json_get(cell->node, iterator.key, &first) ||
            first.index != iterator.node.index)
            continue;
        status = take_category(mapper, event_index, person, iterator.key, iterator.node);
    }
    return status;
}
