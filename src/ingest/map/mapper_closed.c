/* SPDX-License-Identifier: Apache-2.0 */
/* Words of closed lists: purposes, channels, states, relations, treatments. A known word is stored
 * as the playbook writes it. A row with any other word waits in quarantine; where it may take
 * something back, its person is held until somebody has read it. */
#include "base/canonical.h"
#include "base/hash.h"
#include "base/word.h"
#include "event/consent_state.h"
#include "ingest/cell/currency.h"
#include "ingest/map/mapper.h"

#include <stdio.h>

#define SAID_ABOUT    1 /* the purpose, the channel, or the kind of a relation */
#define SAID_STATE    2
#define SAID_TARGET   4 /* of a relation: whom it leads to */
#define SAID_CHANNEL  8 /* of a treatment's event */
#define SAID_DECISION 16

/* Returns the property that names what the event's consent is about. */
static uint32_t about_of(uint32_t event_type) {
    return event_type == EVENT_CONSENT_CHANGED ? PROPERTY_PURPOSE : PROPERTY_CHANNEL;
}

bool mapper_is_state(uint32_t event_type, uint32_t symbol) {
    return symbol == PROPERTY_STATE &&
           (event_is_permission(event_type) || event_type == EVENT_RELATED);
}

static enum status unknown_word(struct mapper *mapper, const char *what, struct text word,
                                enum word_found found, struct text near, const char *remedy) {
    char shown[MAPPER_SHOWN_BYTES + 8], other[MAPPER_SHOWN_BYTES + 8];
    if (found == WORD_NEAR)
        return mapper_bad(mapper, COLUMN_NONE, "'%s' is no %s: did you mean %s?",
                          mapper_show(word, shown), what, mapper_show(near, other));
    return mapper_bad(mapper, COLUMN_NONE, "'%s' is no %s%s", mapper_show(word, shown), what,
                      remedy);
}

/* Strange words of an open list stay as they are. */
static enum status take_word(struct mapper *mapper, const struct plan_words *words,
                             const char *what, const char *remedy, bool open, struct value *value) {
    size_t index;
    if (value->type != VALUE_TEXT) return STATUS_OK;
    enum word_found found = word_find(value->text, words->at, words->count, &index);
    if (found == WORD_KNOWN) {
        value->text = words->at[index];
        return STATUS_OK;
    }
    if (open && found == WORD_STRANGE) return STATUS_OK;
    return unknown_word(mapper, what, value->text, found,
                        found == WORD_NEAR ? words->at[index] : value->text, remedy);
}

/* Takes the spelling of a list that may have further entries: "news2" is no slip of "news1". */
static void take_spelling(const struct plan_words *words, struct value *value) {
    size_t index;
    if (value->type == VALUE_TEXT &&
        word_find(value->text, words->at, words->count, &index) == WORD_KNOWN)
        value->text = words->at[index];
}

static void note_near(struct mapper *mapper, struct text name, struct text action) {
    char shown[MAPPER_SHOWN_BYTES + 8];
    if (mapper->near.events++ > 0) return;
    snprintf(mapper->near.word, sizeof mapper->near.word, "%s", mapper_show(name, shown));
    snprintf(mapper->near.action, sizeof mapper->near.action, "%s", mapper_show(action, shown));
}

/* "special/A": the action's name may be spelled otherwise, its row is a key of a lookup and has no
 * padding. */
static enum status take_treatment(struct mapper *mapper, struct value *value) {
    if (value->type != VALUE_TEXT || value->text.length == 0) return STATUS_OK;
    const struct plan_words *actions = &mapper->plan->actions;
    const char *slash = memchr(value->text.at, '/', value->text.length);
    struct text name = value->text, rest = {0};
    size_t index;
    if (slash != NULL) {
        name.length = (uint32_t)(slash - name.at);
        rest = canonical_trim(
            (struct text){slash + 1, (uint32_t)(value->text.at + value->text.length - slash - 1)});
    }
    enum word_found found = word_find(name, actions->at, actions->count, &index);
    if (found == WORD_NEAR) note_near(mapper, name, actions->at[index]);
    if (found != WORD_KNOWN) return STATUS_OK;
    mapper->message_action = &mapper->plan->playbook->actions[index];
    bool same = text_equal(name, actions->at[index]) &&
                name.length + (slash != NULL) + rest.length == value->text.length;
    if (same) return STATUS_OK;
    buffer_clear(&mapper->text);
    enum status status = buffer_append_text(&mapper->text, actions->at[index]);
    if (status == STATUS_OK && slash != NULL) status = buffer_append(&mapper->text, "/", 1);
    if (status == STATUS_OK) status = buffer_append_text(&mapper->text, rest);
    if (status != STATUS_OK) return status;
    value->text = arena_text(&mapper->scratch, buffer_text(&mapper->text));
    return value->text.at ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status take_state(struct mapper *mapper, struct value *value) {
    char shown[MAPPER_SHOWN_BYTES + 8];
    struct value state = consent_state(*value);
    if (!value_is_known(*value)) return STATUS_OK;
    if (!value_is_known(state)) {
        return mapper_bad(mapper, COLUMN_NONE, "'%s' says neither yes nor no",
                          mapper_show(value->type == VALUE_TEXT ? value->text : TEXT("it"), shown));
    }
    *value = state;
    return STATUS_OK;
}

/* Is it what programs write where there is nothing: "NULL", "\\N", "#N/A"? */
static bool says_nothing(struct text text) {
    return text.length == 0 || canonical_filler(text) == FILLER_OF_PROGRAMS;
}

/* Whether the row of a relation says whom it leads to: "email:" and "NULL" name nobody. */
static void note_target(struct mapper *mapper, const struct value *value, const char *colon) {
    struct text name = value->text;
    if (value->type != VALUE_TEXT) return;
    if (colon != NULL)
        name =
            (struct text){colon + 1, (uint32_t)(value->text.at + value->text.length - colon - 1)};
    if (!says_nothing(canonical_trim(name))) mapper->said |= SAID_TARGET;
}

/* "email:B@X.example" in its canonical form. "C12", and names without a type, stay. */
static enum status take_target(struct mapper *mapper, struct value *value) {
    const struct playbook *playbook = mapper->plan->playbook;
    const char *colon = value->type == VALUE_TEXT && value->text.length > 0
                            ? memchr(value->text.at, ':', value->text.length)
                            : NULL;
    struct text names[64], form;
    size_t count = 0, index;
    note_target(mapper, value, colon);
    if (colon == NULL) return STATUS_OK;
    struct text type = {value->text.at, (uint32_t)(colon - value->text.at)};
    struct text rest = {colon + 1, value->text.length - type.length - 1};
    for (; count < playbook->identifier_count && count < 64; count++)
        names[count] = playbook->identifiers[count].name;
    enum word_found found = word_find(type, names, count, &index);
    if (found != WORD_KNOWN)
        return unknown_word(mapper, "type of identifier", type, found, names[index],
                            ": write TYPE:VALUE, with a type of the playbook");
    const struct identifier_rule *rule = &playbook->identifiers[index];
    enum canonical_case letters = rule->lower_case ? CANONICAL_SMALL : CANONICAL_AS_WRITTEN;
    enum status status = canonical_text(rest, letters, &mapper->scratch, &form);
    if (status != STATUS_OK) return status;
    buffer_clear(&mapper->text);
    status = buffer_append_text(&mapper->text, rule->name);
    if (status == STATUS_OK) status = buffer_append_text(&mapper->text, TEXT(":"));
    if (status == STATUS_OK) status = buffer_append_text(&mapper->text, form);
    if (status != STATUS_OK) return status;
    value->text = arena_text(&mapper->scratch, buffer_text(&mapper->text));
    return value->text.at ? STATUS_OK : STATUS_NO_MEMORY;
}

/* The letters of the currency that the row's money was read in. */
static void take_currency(struct mapper *mapper, struct value *value) {
    uint16_t currency;
    char letters[4];
    if (value->type != VALUE_TEXT ||
        currency_read(value->text, mapper->plan->currency, &currency) != STATUS_OK)
        return;
    currency_to_text(currency, letters);
    struct text text = arena_text(&mapper->scratch, (struct text){letters, 3});
    if (text.at != NULL) value->text = text;
}

static enum status take_about(struct mapper *mapper, uint32_t event_type, struct value *value) {
    const struct plan *plan = mapper->plan;
    return event_type == EVENT_CONSENT_CHANGED
               ? take_word(mapper, &plan->purposes, "purpose of this playbook",
                           ": declare it (consent: { purposes: [...] }), or mend the word", false,
                           value)
               : take_word(mapper, &plan->channels, "channel of this playbook",
                           ": declare it under channels:, or mend the word", false, value);
}

/* Takes the channel of a message. A tool that reports all its messages through one source names the
 * channel in each of them. */
static enum status take_message_channel(struct mapper *mapper, struct value *value) {
    if (value->type == VALUE_TEXT && says_nothing(canonical_trim(value->text))) {
        *value = value_unknown();
        return STATUS_OK;
    }
    enum status status =
        take_word(mapper, &mapper->plan->channels, "channel of this playbook", "", true, value);
    uint32_t id = SYMBOL_NONE;
    if (status != STATUS_OK || value->type != VALUE_TEXT || mapper->plan->source->says_channel)
        return status;
    mapper->said |= SAID_CHANNEL;
    status = mapper_symbol(mapper, SYMBOL_CHANNEL, value->text, &id);
    if (status == STATUS_OK && id != CHANNEL_UNDECLARED) mapper->message_channel = id;
    return status;
}

static enum status take_of_treatment(struct mapper *mapper, uint32_t symbol, struct value *value) {
    if (symbol == PROPERTY_CHANNEL) return take_message_channel(mapper, value);
    if (symbol == PROPERTY_DECISION && value_is_known(*value)) mapper->said |= SAID_DECISION;
    return symbol == PROPERTY_TREATMENT || symbol == PROPERTY_ACTION ? take_treatment(mapper, value)
                                                                     : STATUS_OK;
}

static enum status take_of_relation(struct mapper *mapper, uint32_t symbol, struct value *value) {
    if (symbol == PROPERTY_TO) return take_target(mapper, value);
    if (symbol != PROPERTY_KIND) return STATUS_OK;
    if (value->type == VALUE_TEXT && !says_nothing(canonical_trim(value->text)))
        mapper->said |= SAID_ABOUT;
    return take_word(mapper, &mapper->plan->relations, "relation of this playbook", "", true,
                     value);
}

enum status mapper_closed_value(struct mapper *mapper, uint32_t event_type, uint32_t symbol,
                                struct value *value) {
    if (symbol == mapper->plan->currency_symbol) take_currency(mapper, value);
    if (mapper_is_state(event_type, symbol)) {
        mapper->said |= value_is_known(*value) ? SAID_STATE : 0;
        return take_state(mapper, value);
    }
    if (event_is_permission(event_type) && symbol == about_of(event_type)) {
        mapper->said |= value_is_known(*value) ? SAID_ABOUT : 0;
        return take_about(mapper, event_type, value);
    }
    if (event_type == EVENT_OPT_IN_CHANGED && symbol == mapper->plan->programme_symbol) {
        take_spelling(&mapper->plan->programmes, value);
        return STATUS_OK;
    }
    if (event_type == EVENT_RELATED) return take_of_relation(mapper, symbol, value);
    return event_is_treatment(event_type) ? take_of_treatment(mapper, symbol, value) : STATUS_OK;
}

/* Reads the state of an event that is no consent as a yes or no of a table. */
static enum status table_state(struct mapper *mapper, const struct plan_property *property,
                               struct value *value) {
    char shown[MAPPER_SHOWN_BYTES + 8];
    struct value state = value_unknown();
    if (!value_is_known(*value) || value->type == VALUE_YES_NO) return STATUS_OK;
    if (value->type == VALUE_NUMBER && (value->number == 1 || value->number == 0)) {
        *value = value_yes_no(value->number == 1);
        return STATUS_OK;
    }
    struct text text = value->type == VALUE_TEXT ? value->text : (struct text){0};
    if (text.length == 0 || value_parse(text, VALUE_YES_NO, 0, NULL, &state) != STATUS_OK)
        return mapper_bad(mapper, property->field.column, "'%s' is no yes/no in column state",
                          mapper_show(text, shown));
    *value = state;
    return STATUS_OK;
}

enum status mapper_closed_begin(struct mapper *mapper, uint32_t event_type) {
    const struct plan *plan = mapper->plan;
    enum status status = STATUS_OK;
    mapper->said = 0;
    mapper->message_channel = SYMBOL_NONE;
    mapper->message_action = NULL;
    bool any = event_is_permission(event_type) || event_type == EVENT_RELATED ||
               event_is_treatment(event_type) || plan->currency_field != NULL ||
               plan->has_open_state;
    for (uint32_t i = 0; any && status == STATUS_OK && i < plan->property_count; i++) {
        const struct plan_property *property = &plan->properties[i];
        struct value *value = &mapper->values[i];
        bool table =
            property->state_type != VALUE_UNKNOWN && !mapper_is_state(event_type, PROPERTY_STATE);
        status = table ? table_state(mapper, property, value)
                       : mapper_closed_value(mapper, event_type, property->symbol, value);
    }
    return status;
}

/* Ends a treatment's event. A message without channel and decision went out in the only channel of
 * its action. Where the action has several, nobody can tell which, and a limit on one would not
 * count it. */
static enum status end_of_treatment(struct mapper *mapper, const struct event *event) {
    const struct source *source = mapper->plan->source;
    const struct action *action = mapper->message_action;
    char shown[MAPPER_SHOWN_BYTES + 8];
    bool said = (source->says_channel && source->channel_from.kind == FIELD_CONSTANT) ||
                (mapper->said & (SAID_CHANNEL | SAID_DECISION)) ||
                event->channel != source->channel;
    if (said || action == NULL) return STATUS_OK;
    if (action->channel_count == 1) {
        mapper->message_channel = action->channels[0].channel;
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < action->channel_count; i++) {
        if (action->channels[i].channel == event->channel) return STATUS_OK;
    }
    return mapper_bad(mapper, COLUMN_NONE,
                      "the row says no channel, and %s has several: map channel: in the source",
                      mapper_show(action->name, shown));
}

static enum status end_of_relation(struct mapper *mapper) {
    if ((mapper->said & (SAID_ABOUT | SAID_TARGET)) == (SAID_ABOUT | SAID_TARGET)) return STATUS_OK;
    return mapper_bad(mapper, COLUMN_NONE, "the row says no %s",
                      mapper->said & SAID_ABOUT ? "person that the relation leads to (to)"
                                                : "kind of relation");
}

enum status mapper_closed_end(struct mapper *mapper, const struct event *event) {
    uint32_t event_type = event->type;
    if (event_is_treatment(event_type)) return end_of_treatment(mapper, event);
    if (event_type == EVENT_RELATED) return end_of_relation(mapper);
    if (!event_is_permission(event_type) || mapper->said == (SAID_ABOUT | SAID_STATE))
        return STATUS_OK;
    return mapper_bad(mapper, COLUMN_NONE, "the row says no %s",
                      mapper->said & SAID_ABOUT             ? "state, yes or no"
                      : event_type == EVENT_CONSENT_CHANGED ? "purpose"
                                                            : "channel");
}

enum status mapper_channel_word(struct mapper *mapper, uint32_t event_type, struct text *word) {
    struct value value = value_text(*word);
    size_t index;
    const struct plan_words *channels = &mapper->plan->channels;
    if (word->length == 0) return STATUS_OK;
    if (event_is_treatment(event_type)) {
        if (says_nothing(*word)) {
            *word = (struct text){0};
            return STATUS_OK;
        }
        enum status status =
            take_word(mapper, channels, "channel of this playbook", "", true, &value);
        *word = value.text;
        return status;
    }
    if (word_find(*word, channels->at, channels->count, &index) == WORD_KNOWN)
        *word = channels->at[index];
    return STATUS_OK;
}

/* Reads an event name that is a built-in one in another spelling. A slip in a name that may take
 * back a consent must not become an event that nobody knows. */
enum status mapper_event_word(struct mapper *mapper, struct text word, uint32_t *type) {
    struct text names[EVENT_RESERVED_COUNT];
    size_t index;
    if (word.length < 5 || word.length > 24) return STATUS_OK;
    uint64_t hash = hash_text(word, 0), *seen = &mapper->strange[hash % MAPPER_NAMES];
    if (*seen == hash) return STATUS_OK; /* the files' own names come again and again */
    for (uint32_t i = 0; i < EVENT_RESERVED_COUNT; i++)
        names[i] = symbol_text(mapper->plan->symbols, SYMBOL_EVENT, i);
    enum word_found found = word_find(word, names, EVENT_RESERVED_COUNT, &index);
    if (found == WORD_STRANGE || (found == WORD_NEAR && !event_is_permission((uint32_t)index))) {
        *seen = hash;
        return STATUS_OK;
    }
    mapper->present_type = (uint32_t)index;
    if (found == WORD_NEAR) return unknown_word(mapper, "event", word, found, names[index], "");
    *type = (uint32_t)index;
    return STATUS_OK;
}

/* ---- in doubt, hold ---- */

static bool text_of(struct mapper *mapper, uint32_t symbol, struct text *out) {
    const struct plan *plan = mapper->plan;
    *out = (struct text){0};
    for (uint32_t i = 0; i < plan->property_count; i++) {
        if (plan->properties[i].symbol == symbol)
            return mapper_field_text(mapper, &plan->properties[i].field, out) == STATUS_OK;
    }
    for (uint32_t i = 0; i < mapper->extra_count; i++) {
        if (mapper->extras[i].symbol != symbol) continue;
        struct cell cell = cell_from_json(mapper->extras[i].node);
        return cell_text(&mapper->reader, &cell, out) == STATUS_OK;
    }
    return false;
}

/* The known word that the row is about; empty: it can't be told, so it may be any. */
static struct text scope_of(struct mapper *mapper, uint32_t event_type) {
    const struct plan_words *words =
        event_type == EVENT_CONSENT_CHANGED ? &mapper->plan->purposes : &mapper->plan->channels;
    struct text text;
    size_t index;
    if (!mapper->row_is_read || !text_of(mapper, about_of(event_type), &text) ||
        word_find(text, words->at, words->count, &index) != WORD_KNOWN)
        return (struct text){0};
    return words->at[index];
}

static bool says_yes(struct mapper *mapper) {
    struct text text;
    if (!mapper->row_is_read || !text_of(mapper, PROPERTY_STATE, &text)) return false;
    struct value state = consent_state(value_text(text));
    return value_is_known(state) && state.yes;
}

void mapper_hold(struct mapper *mapper, bool is_purpose, struct text scope) {
    char reason[MAPPER_REASON_BYTES];
    snprintf(reason, sizeof reason, "%s", mapper->reason.text);
    ingest_hold_write(mapper->reason.text, sizeof mapper->reason.text, is_purpose, scope, reason);
}

void mapper_hold_in_doubt(struct mapper *mapper) {
    const struct mapper_reason reason = mapper->reason;
    uint32_t type = mapper->present_type;
    if (!event_is_permission(type) || text_starts_with(text_from(reason.text), TEXT("nobody")) ||
        ingest_hold_read(text_from(reason.text), &(struct ingest_hold){0}))
        return;
    bool yes = says_yes(mapper);
    struct text scope = scope_of(mapper, type);
    mapper->reason = reason; /* what was asked may have set another */
    if (!yes) mapper_hold(mapper, type == EVENT_CONSENT_CHANGED, scope);
}

/* ---- the reason of a row that holds ---- */

static const char hold_purpose[] = "held for purpose ", hold_channel[] = "held for channel ",
                  hold_purposes[] = "held for every purpose: ",
                  hold_channels[] = "held for every channel: ";

void ingest_hold_write(char *out, size_t size, bool is_purpose, struct text scope,
                       const char *reason) {
    if (scope.length == 0)
        snprintf(out, size, "%s%.380s", is_purpose ? hold_purposes : hold_channels, reason);
    else
        snprintf(out, size, "%s%.*s: %.300s", is_purpose ? hold_purpose : hold_channel,
                 TEXT_ARG(scope), reason);
}

bool ingest_hold_read(struct text reason, struct ingest_hold *out) {
    static const struct {
        const char *prefix;
        bool is_purpose, every;
    } forms[] = {{hold_purposes, true, true},
                 {hold_channels, false, true},
                 {hold_purpose, true, false},
                 {hold_channel, false, false}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct text prefix = text_from(forms[i].prefix);
        if (!text_starts_with(reason, prefix)) continue;
        struct text rest = {reason.at + prefix.length, reason.length - prefix.length};
        *out = (struct ingest_hold){.is_purpose = forms[i].is_purpose, .why = rest};
        if (forms[i].every) return true;
        const char *end = memmem(rest.at, rest.length, ": ", 2);
        if (end == NULL) continue;
        out->scope = (struct text){rest.at, (uint32_t)(end - rest.at)};
        out->why = (struct text){end + 2, rest.length - out->scope.length - 2};
        return true;
    }
    return false;
}
