/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a row says about its event as a whole: type, channel, time and person. */
#include <stdio.h>

#include "base/canonical.h"
#include "ingest/map/mapper.h"
#include "ingest/map/segment.h"

static enum status read_type(struct mapper *mapper, uint32_t *type, struct text *word) {
    const struct plan *plan = mapper->plan;
    struct text name;
    *word = (struct text){0};
    *type = mapper->present_type = plan->source->event_type;
    if (*type != SYMBOL_NONE) return STATUS_OK;
    if (segment_is_message(mapper)) return segment_event_type(mapper, type, word);
    enum status status = mapper_field_text(mapper, &plan->event, &name);
    if (status) return status;
    name = canonical_trim(name);
    if (name.length == 0)
        return mapper_bad(mapper, plan->event.column, "no event: column %.*s is empty",
                          TEXT_ARG(plan->event.name));
    *word = name;
    return mapper_symbol(mapper, SYMBOL_EVENT, name, type);
}

static enum status take_type(struct mapper *mapper, uint32_t *type, struct text *word) {
    enum status status = read_type(mapper, type, word);
    if (status == STATUS_OK && *type == EVENT_UNDECLARED)
        status = mapper_event_word(mapper, *word, type);
    if (status == STATUS_OK) mapper->present_type = *type;
    return status;
}

static bool is_channel_before(const struct mapper *mapper, struct text name) {
    return name.length > 0 && name.length == mapper->channel_before.length &&
           mapper->present_type == mapper->channel_before.type &&
           memcmp(name.at, mapper->channel_before.word, name.length) == 0;
}

static void remember_channel(struct mapper *mapper, struct text name, uint32_t id) {
    if (id == CHANNEL_UNDECLARED || name.length > sizeof mapper->channel_before.word) return;
    memcpy(mapper->channel_before.word, name.at, name.length);
    mapper->channel_before.length = name.length;
    mapper->channel_before.type = mapper->present_type;
    mapper->channel_before.channel = (uint8_t)id;
}

static enum status take_channel(struct mapper *mapper, uint8_t *channel, struct text *word) {
    const struct plan *plan = mapper->plan;
    struct text written = {0};
    uint32_t id = plan->source->channel;
    enum status status =
        plan->channel_from_field ? mapper_field_text(mapper, &plan->channel, &written) : STATUS_OK;
    *word = canonical_trim(written);
    *channel = mapper->channel_before.channel;
    if (status == STATUS_OK && is_channel_before(mapper, written)) return STATUS_OK;
    if (status == STATUS_OK && word->length > 0) {
        status = mapper_channel_word(mapper, mapper->present_type, word);
        if (status == STATUS_OK && word->length > 0) {
            status = mapper_symbol(mapper, SYMBOL_CHANNEL, *word, &id);
            if (status == STATUS_OK) remember_channel(mapper, written, id);
        }
    }
    *channel = (uint8_t)id;
    return status;
}

static enum status no_time(struct mapper *mapper) {
    const struct plan_field *time = &mapper->plan->time;
    if (time->kind == FIELD_LOOKUP) {
        return mapper_bad(mapper, time->key_columns[0],
                          "no time: the lookup has no %.*s for this row", TEXT_ARG(time->name));
    }
    if (time->kind == FIELD_COLUMN || time->kind == FIELD_AGGREGATE) {
        return mapper_bad(mapper, time->column, "no time: column %.*s is empty",
                          TEXT_ARG(time->name));
    }
    return mapper_bad(mapper, COLUMN_NONE, "no time");
}

/* Sets when the event could have been known, which is never before it happened. */
static void set_known(const struct mapper *mapper, struct event *event) {
    const struct source *source = mapper->plan->source;
    event->known_ms = event->time_ms;
    if (event->time_ms == TIME_ALWAYS) return;
    if (!source->known_on_arrival)
        event->known_ms += source->arrives_ms;
    else if (mapper->now_ms > event->time_ms)
        event->known_ms = mapper->now_ms;
}

/* Refuses a time out of range. An open end (9999-12-31) may be a property; as the moment of an
 * event it would be newer than everything to come. */
static enum status check_event_time(struct mapper *mapper, int64_t time_ms) {
    char shown[32];
    if (time_ms == TIME_ALWAYS || (time_ms >= TIME_EVENT_EARLIEST && time_ms <= TIME_EVENT_LATEST))
        return STATUS_OK;
    time_format(time_ms, shown);
    return mapper_bad(mapper, mapper->plan->time.column,
                      "the event's time is %s: events happen in the years 1678 to 2261", shown);
}

static enum status take_own_time(struct mapper *mapper, struct event *event) {
    const struct plan *plan = mapper->plan;
    struct value value = value_time(TIME_ALWAYS);
    if (segment_is_message(mapper) && plan->usual_time) return segment_time(mapper, event);
    if (plan->has_time) {
        enum status status = mapper_field_value(mapper, &plan->time, &value);
        if (status) return status;
        if (value.type != VALUE_TIME) return no_time(mapper);
    } else if (!plan->source->time_always) {
        if (!plan->source->known_on_arrival)
            return mapper_bad(mapper, COLUMN_NONE, "no time: the source names no column for it");
        value.time_ms = mapper->now_ms;
    }
    event->time_ms = value.time_ms;
    set_known(mapper, event);
    return STATUS_OK;
}

static enum status take_time(struct mapper *mapper, struct event *event) {
    enum status status = take_own_time(mapper, event);
    return status == STATUS_OK ? check_event_time(mapper, event->time_ms) : status;
}

enum status mapper_add_identifier(struct mapper *mapper, uint32_t type, bool lower_case,
                                  uint32_t column, struct text text) {
    enum status status = canonical_text(text, lower_case ? CANONICAL_SMALL : CANONICAL_AS_WRITTEN,
                                        &mapper->scratch, &text);
    if (status || text.length == 0) return status;
    if (text.length > IDENTIFIER_BYTES_MAX)
        return mapper_bad(mapper, column, "an identifier of %u bytes, the limit is %d", text.length,
                          IDENTIFIER_BYTES_MAX);
    status = event_batch_add_identifier(mapper->batch, type, text);
    return status == STATUS_LIMIT
               ? mapper_bad(mapper, COLUMN_NONE, "more than %d identifiers", EVENT_IDENTIFIERS_MAX)
               : status;
}

static enum status add_identifier(struct mapper *mapper, const struct plan_identifier *identifier) {
    struct text text;
    enum status status = mapper_field_text(mapper, &identifier->field, &text);
    return status ? status
                  : mapper_add_identifier(mapper, identifier->symbol, identifier->lower_case,
                                          identifier->field.column, text);
}

static const struct identifier_rule *rule_of(const struct plan *plan, uint32_t symbol,
                                             uint32_t *index) {
    for (*index = 0; *index < plan->playbook->identifier_count; (*index)++) {
        if (plan->playbook->identifiers[*index].symbol == symbol)
            return &plan->playbook->identifiers[*index];
    }
    return NULL;
}

/* May the value stand for a person? */
static bool is_usable(const struct plan *plan, uint32_t type, struct text value) {
    uint32_t rule;
    return plan->usable == NULL || rule_of(plan, type, &rule) == NULL ||
           plan->usable(plan->usable_context, rule, value);
}

/* Rows of one person often follow one another. */
static bool is_usable_before(const struct mapper *mapper, const struct event_identifier *given) {
    const struct event_batch *batch = mapper->batch;
    if (mapper->usable_before == 0) return false;
    const struct event_identifier *before = &batch->identifiers[mapper->usable_before - 1];
    return before->type == given->type && before->length == given->length &&
           memcmp(batch->bytes.at + before->offset, batch->bytes.at + given->offset,
                  given->length) == 0;
}

static bool has_usable(struct mapper *mapper, const struct event *event) {
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *given = &mapper->batch->identifiers[event->identifier + i];
        if (given->if_known) continue;
        if (is_usable_before(mapper, given)) return true;
        if (is_usable(mapper->plan, given->type,
                      event_batch_text(mapper->batch, given->offset, given->length))) {
            mapper->usable_before = event->identifier + i + 1;
            return true;
        }
    }
    return false;
}

/* "nobody: 'null' of loyalty, 'n/a' of email can't stand for a person" */
static enum status nobody_usable(struct mapper *mapper, const struct event *event) {
    const struct plan *plan = mapper->plan;
    char list[MAPPER_REASON_BYTES / 2];
    size_t length = 0;
    bool lost = false;
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *given = &mapper->batch->identifiers[event->identifier + i];
        char shown[MAPPER_SHOWN_BYTES + 8];
        uint32_t index;
        struct text name = rule_of(plan, given->type, &index)->name;
        if (name.length > MAPPER_SHOWN_BYTES) name.length = MAPPER_SHOWN_BYTES;
        struct text value = event_batch_text(mapper->batch, given->offset, given->length);
        mapper_show(value, shown);
        lost = lost || canonical_filler(value) == FILLER_LOST_DIGITS;
        int more = snprintf(list + length, sizeof list - length, "%s'%s' of %.*s",
                            i > 0 ? ", " : "", shown, TEXT_ARG(name));
        if (more < 0 || (size_t)more >= sizeof list - length) {
            list[length] = '\0'; /* the ones that fit say enough */
            break;
        }
        length += (size_t)more;
    }
    return mapper_bad(mapper,
                      plan->identifier_count > 0 ? plan->identifiers[0].field.column : COLUMN_NONE,
                      "nobody: %s can't stand for a person%s", list,
                      lost ? ": a spreadsheet has shortened the number, so export its column as "
                             "text"
                           : "");
}

/* Does the event name somebody? An alias alone (the previousId) names nobody. */
static bool names_somebody(const struct mapper *mapper, const struct event *event) {
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        if (!mapper->batch->identifiers[event->identifier + i].if_known) return true;
    }
    return false;
}

static enum status take_identifiers(struct mapper *mapper, size_t index) {
    const struct plan *plan = mapper->plan;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < plan->identifier_count; i++) {
        if (mapper_may_name(mapper, &plan->identifiers[i]))
            status = add_identifier(mapper, &plan->identifiers[i]);
    }
    if (status == STATUS_OK && segment_is_message(mapper) && !mapper->is_vouched)
        status = segment_identifiers(mapper);
    if (status) return status;
    const struct event *event = &mapper->batch->events[index];
    bool names = names_somebody(mapper, event);
    /* A device that may stand for somebody is enough. */
    if (names && event->trust != EVENT_VERIFIED) return mapper_check_device(mapper, event);
    if (names)
        return plan->usable == NULL || has_usable(mapper, event) ? STATUS_OK
                                                                 : nobody_usable(mapper, event);
    const struct plan_field *first =
        plan->identifier_count > 0 ? &plan->identifiers[0].field : NULL;
    return mapper_bad(mapper, first ? first->column : COLUMN_NONE, "nobody: %.*s%s is empty",
                      first ? (int)first->name.length : 0, first ? first->name.at : "",
                      plan->identifier_count > 1 ? " (and every other identifier)" : "");
}

enum status mapper_check_group(struct mapper *mapper) {
    uint32_t column = mapper->plan->group_column;
    struct text text, name = mapper->plan->source->one_event_per;
    if (column == COLUMN_NONE) return STATUS_OK;
    enum status status = cell_text(&mapper->reader, &mapper->cells[column], &text);
    if (status) return status == STATUS_INVALID ? STATUS_OK : status;
    if (canonical_trim(text).length == 0)
        return mapper_bad(mapper, column,
                          "column %.*s is empty, which says what event the row belongs to",
                          TEXT_ARG(name));
    char shown[MAPPER_SHOWN_BYTES + 8];
    enum filler filler = canonical_filler(text);
    if (filler != FILLER_OF_PROGRAMS && filler != FILLER_LOST_DIGITS) return STATUS_OK;
    return mapper_bad(mapper, column,
                      "column %.*s is '%s', which says of no row what event it belongs to",
                      TEXT_ARG(name), mapper_show(text, shown));
}

/* A store takes so many at once; a line may hold any number of messages. */
struct event *mapper_add_event(struct mapper *mapper, enum status *status) {
    if (mapper->batch->event_count >= BATCH_EVENTS_MAX) {
        *status = mapper_bad(mapper, COLUMN_NONE,
                             "more than %d events were read at once: replay the quarantine",
                             BATCH_EVENTS_MAX);
        return NULL;
    }
    struct event *event = event_batch_add(mapper->batch);
    *status = event != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    return event;
}

enum status mapper_note_identifiers(struct mapper *mapper) {
    enum status status;
    if (mapper_add_event(mapper, &status) == NULL) return status;
    for (uint32_t i = 0; i < mapper->plan->identifier_count; i++) {
        status = add_identifier(mapper, &mapper->plan->identifiers[i]);
        if (status != STATUS_OK && status != STATUS_INVALID) return status;
    }
    if (segment_is_message(mapper)) status = segment_identifiers(mapper);
    return status == STATUS_INVALID ? STATUS_OK : status;
}

static enum status is_empty(struct mapper *mapper, const struct plan_field *field, bool *empty) {
    struct text text;
    enum status status = mapper_field_text(mapper, field, &text);
    *empty = canonical_trim(text).length == 0 || canonical_filler(text) == FILLER_OF_PROGRAMS;
    return status;
}

static enum status lacks_time(struct mapper *mapper, bool *lacks) {
    struct value value;
    *lacks = false;
    if (!mapper->plan->has_time) return STATUS_OK;
    enum status status = mapper_field_value(mapper, &mapper->plan->time, &value);
    *lacks = status == STATUS_OK && !value_is_known(value);
    return status;
}

static enum status lacks_person(struct mapper *mapper, bool *lacks) {
    enum status status = STATUS_OK;
    *lacks = true;
    for (uint32_t i = 0; status == STATUS_OK && *lacks && i < mapper->plan->identifier_count; i++)
        status = is_empty(mapper, &mapper->plan->identifiers[i].field, lacks);
    return status;
}

/* Which parts the present row of a group leaves empty. */
static enum status absent_parts(struct mapper *mapper, uint32_t *absent) {
    const struct plan *plan = mapper->plan;
    bool lacks = false;
    enum status status = STATUS_OK;
    *absent = 0;
    if (segment_is_message(mapper)) return STATUS_OK;
    if (plan->source->event_type == SYMBOL_NONE) status = is_empty(mapper, &plan->event, &lacks);
    if (lacks) *absent |= PART_TYPE;
    lacks = false;
    if (status == STATUS_OK && plan->channel_from_field)
        status = is_empty(mapper, &plan->channel, &lacks);
    if (lacks) *absent |= PART_CHANNEL;
    if (status == STATUS_OK) status = lacks_time(mapper, &lacks);
    if (status == STATUS_OK && lacks) *absent |= PART_TIME;
    if (status == STATUS_OK) status = lacks_person(mapper, &lacks);
    if (status == STATUS_OK && lacks) *absent |= PART_WHO;
    return status;
}

/* Keeps the own word of an undeclared name: its row may be gone by the time the event is packed. */
static enum status keep_word(struct mapper *mapper, struct text word, struct text *kept) {
    if (word.length > SYMBOL_BYTES_MAX) {
        mapper->undeclared_left++;
        return STATUS_OK;
    }
    *kept = arena_text(&mapper->scratch, word);
    return kept->at != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status mapper_take_parts(struct mapper *mapper, size_t index, uint32_t parts) {
    struct event *event = &mapper->batch->events[index];
    enum status status = STATUS_OK;
    uint32_t type = event->type;
    struct text name = {0}, channel = {0};
    if (parts & PART_TYPE) status = take_type(mapper, &type, &name);
    event->type = (uint16_t)type;
    if (status == STATUS_OK && parts & PART_CHANNEL)
        status = take_channel(mapper, &event->channel, &channel);
    if (status == STATUS_OK && name.length > 0 && type == EVENT_UNDECLARED)
        status = keep_word(mapper, name, &mapper->event_word);
    if (status == STATUS_OK && channel.length > 0 && event->channel == CHANNEL_UNDECLARED)
        status = keep_word(mapper, channel, &mapper->channel_word);
    if (status == STATUS_OK && parts & PART_TIME) status = take_time(mapper, event);
    return status == STATUS_OK && parts & PART_WHO ? take_identifiers(mapper, index) : status;
}

struct event *mapper_add_event_of(struct mapper *mapper, const struct row_facts *facts,
                                  enum status *status) {
    struct event *event = mapper_add_event(mapper, status);
    if (event == NULL) return NULL;
    event->source = (uint16_t)mapper->plan->source->symbol;
    event->row_line = mapper->line;
    event->trust = (uint8_t)mapper_trust(mapper);
    *status = content_put_event(mapper, facts, event);
    mapper_part_keys(mapper, event);
    return *status == STATUS_OK ? event : NULL;
}

enum status mapper_take_first(struct mapper *mapper, size_t index, bool has_others,
                              uint32_t *missing) {
    *missing = 0;
    enum status status = has_others ? absent_parts(mapper, missing) : STATUS_OK;
    return status == STATUS_OK ? mapper_take_parts(mapper, index, PARTS_ALL & ~*missing) : status;
}

/* NULL and n/a say nothing of whom a row is about. */
static bool says_somebody(const struct plan *plan, uint32_t type, struct text value) {
    return value.length > 0 && canonical_filler(value) != FILLER_OF_PROGRAMS &&
           is_usable(plan, type, value);
}

/* An identifier of the present row against those of its event that say somebody. */
enum said_before { SAID_NOTHING, SAID_SAME, SAID_OTHER, SAID_NEW };

static enum status compare_identifier(struct mapper *mapper, const struct event *event,
                                      const struct plan_identifier *identifier,
                                      enum said_before *out) {
    const struct event_batch *batch = mapper->batch;
    enum canonical_case letters = identifier->lower_case ? CANONICAL_SMALL : CANONICAL_AS_WRITTEN;
    struct text text;
    *out = SAID_NOTHING;
    enum status status = mapper_field_text(mapper, &identifier->field, &text);
    if (status == STATUS_OK) status = canonical_text(text, letters, &mapper->scratch, &text);
    if (status != STATUS_OK || !says_somebody(mapper->plan, identifier->symbol, text))
        return status;
    *out = SAID_NEW;
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *given = &batch->identifiers[event->identifier + i];
        if (given->type != identifier->symbol) continue;
        struct text value = event_batch_text(batch, given->offset, given->length);
        bool same = text_equal(value, text);
        if (!same && !says_somebody(mapper->plan, given->type, value)) continue;
        if (same || *out != SAID_SAME) *out = same ? SAID_SAME : SAID_OTHER;
    }
    return STATUS_OK;
}

/* Each row may give another identifier of the event's person. A row that contradicts what is known
 * of it gives none. */
static enum status take_further_identifiers(struct mapper *mapper, size_t index, bool *differs) {
    const struct plan *plan = mapper->plan;
    enum said_before said = SAID_NOTHING;
    enum status status = STATUS_OK;
    bool has_new = false, has_other = false;
    for (uint32_t i = 0; status == STATUS_OK && i < plan->identifier_count; i++) {
        status =
            compare_identifier(mapper, &mapper->batch->events[index], &plan->identifiers[i], &said);
        has_new = has_new || said == SAID_NEW;
        has_other = has_other || said == SAID_OTHER;
    }
    *differs = *differs || has_other;
    if (status != STATUS_OK || has_other || !has_new) return status;
    for (uint32_t i = 0; status == STATUS_OK && i < plan->identifier_count; i++) {
        status =
            compare_identifier(mapper, &mapper->batch->events[index], &plan->identifiers[i], &said);
        if (status == STATUS_OK && said == SAID_NEW)
            status = add_identifier(mapper, &plan->identifiers[i]);
    }
    return status;
}

/* Does what the row says agree with what the event has? The earliest time counts. */
static enum status compare_parts(struct mapper *mapper, size_t index, uint32_t parts,
                                 bool *differs) {
    struct event *event = &mapper->batch->events[index], own = {0};
    uint32_t type = event->type;
    enum status status = STATUS_OK;
    own.channel = event->channel;
    own.time_ms = event->time_ms;
    struct text name = {0}, channel = {0};
    if (parts & PART_TYPE) status = take_type(mapper, &type, &name);
    if (status == STATUS_OK && parts & PART_CHANNEL)
        status = take_channel(mapper, &own.channel, &channel);
    if (status == STATUS_OK && parts & PART_TIME) status = take_time(mapper, &own);
    if (status) return status;
    if (own.time_ms < event->time_ms) {
        event->time_ms = own.time_ms;
        event->known_ms = own.known_ms;
    }
    *differs =
        type != event->type || own.channel != event->channel ||
        (name.length > 0 && type == EVENT_UNDECLARED && !text_equal(name, mapper->event_word)) ||
        (channel.length > 0 && own.channel == CHANNEL_UNDECLARED &&
         !text_equal(channel, mapper->channel_word));
    return parts & PART_WHO ? take_further_identifiers(mapper, index, differs) : STATUS_OK;
}

enum status mapper_take_further(struct mapper *mapper, size_t index, uint32_t *missing,
                                bool *differs) {
    uint32_t absent;
    enum status status = absent_parts(mapper, &absent);
    if (status) return status;
    uint32_t filled = *missing & ~absent;
    status = compare_parts(mapper, index, PARTS_ALL & ~absent & ~*missing, differs);
    if (status == STATUS_OK) status = mapper_take_parts(mapper, index, filled);
    *missing &= ~filled;
    return status;
}
