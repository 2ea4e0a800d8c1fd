/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "playbook/playbook.h"

static void warn(struct playbook_errors *warnings, struct place place, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void warn(struct playbook_errors *warnings, struct place place, const char *format, ...) {
    if (warnings->count == PLAYBOOK_ERRORS_MAX) {
        warnings->dropped++;
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(warnings->item[warnings->count].text, ERROR_TEXT_MAX, format, arguments);
    va_end(arguments);
    warnings->item[warnings->count++].place = place;
}

struct columns {
    struct text names[8];
    uint32_t count;
};

static void add_column(struct columns *columns, const struct field_source *from) {
    if (from->kind != FIELD_COLUMN ||
        columns->count == sizeof columns->names / sizeof *columns->names)
        return;
    for (uint32_t i = 0; i < columns->count; i++) {
        if (text_equal(columns->names[i], from->column)) return;
    }
    columns->names[columns->count++] = from->column;
}

/* Writes the columns that tell a row of this source from others, as far as the playbook shows:
 * "order_id", or "[email, at]". */
static void row_key_of(const struct source *source, char *key, size_t size) {
    struct columns columns = {.count = 0};
    if (source->one_event_per.length > 0) {
        columns.names[columns.count++] = source->one_event_per;
    } else {
        for (uint32_t i = 0; i < source->identifier_count; i++)
            add_column(&columns, &source->identifiers[i].from);
        add_column(&columns, &source->event);
        add_column(&columns, &source->time);
    }
    size_t at = (size_t)snprintf(key, size, "%s",
                                 columns.count == 0  ? "COLUMN"
                                 : columns.count > 1 ? "["
                                                     : "");
    for (uint32_t i = 0; i < columns.count && at < size; i++) {
        at += (size_t)snprintf(key + at, size - at, "%s%.*s", i > 0 ? ", " : "",
                               TEXT_ARG(columns.names[i]));
    }
    if (columns.count > 1 && at < size) snprintf(key + at, size - at, "]");
}

/* Warns of models that would have nothing to learn from. */
static void warn_of_idle_models(const struct playbook *playbook, struct playbook_errors *warnings) {
    for (uint32_t i = 0; i < playbook->model_count; i++) {
        const struct model_rule *model = &playbook->models[i];
        bool used = false;
        for (uint32_t a = 0; a < playbook->action_count; a++)
            used |= playbook->actions[a].model == i;
        if (used) continue;
        warn(warnings, model->place,
             "model %.*s is used by no action, so it has nothing to learn from; write model: %.*s "
             "in the actions whose chance it is to tell",
             TEXT_ARG(model->name), TEXT_ARG(model->name));
    }
}

/* Does an event of this type say which treatment it is about? */
static bool names_treatment(const struct playbook *playbook, uint32_t event_type) {
    for (uint32_t i = 0; i < playbook->property_rule_count; i++) {
        const struct property_rule *rule = &playbook->properties[i];
        if (rule->symbol == PROPERTY_TREATMENT && rule->event_type == event_type) return true;
    }
    return false;
}

static bool is_inbound(const struct playbook *playbook, uint32_t channel) {
    return channel != SYMBOL_NONE &&
           playbook_messaging(playbook, playbook->schema.symbols, channel).inbound;
}

static void warn_of_policies(const struct playbook *playbook, struct playbook_errors *warnings) {
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        const struct policy *policy = &playbook->policies[i];
        bool same = policy->scope == SCOPE_SAME_ACTION || policy->scope == SCOPE_SAME_GROUP ||
                    policy->scope == SCOPE_SAME_TREATMENT;
        if (policy->kind == POLICY_QUIET && is_inbound(playbook, policy->channel))
            warn(warnings, policy->place,
                 "nothing is sent in this channel, customers come to it, so quiet defers nothing "
                 "here; write available: with hour(now) in the actions to close it at night");
        if (policy->kind != POLICY_AFTER || !same || names_treatment(playbook, policy->after_event))
            continue;
        warn(warnings, policy->place,
             "the event of this pause names no treatment, so all of them "
             "wait; leave of out, or say with group or action which ones wait");
    }
}

static bool maps(const struct source *source, uint32_t symbol) {
    for (uint32_t i = 0; i < source->property_count; i++) {
        if (source->properties[i].symbol == symbol) return true;
    }
    return false;
}

/* Warns of consent that has no effect: only built-in events, in their spelling, give these
 * properties a meaning. */
static void warn_of_consent(const struct playbook *playbook, const struct source *source,
                            struct playbook_errors *warnings) {
    const char *meant = maps(source, PROPERTY_PURPOSE)   ? "Consent Changed"
                        : maps(source, PROPERTY_CHANNEL) ? "Opt In Changed"
                                                         : NULL;
    if (meant == NULL || !maps(source, PROPERTY_STATE) || source->event_type == SYMBOL_NONE ||
        source->event_type < EVENT_RESERVED_COUNT)
        return;
    struct text name = symbol_text(playbook->schema.symbols, SYMBOL_EVENT, source->event_type);
    warn(warnings, source->place,
         "source %.*s says a state of its %s, and the event %.*s has no effect on what a customer "
         "agreed to; write event: %s",
         TEXT_ARG(source->name), maps(source, PROPERTY_PURPOSE) ? "purpose" : "channel",
         TEXT_ARG(name), meant);
}

static bool is_used_channel(const struct playbook *playbook, uint32_t channel) {
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        for (uint32_t k = 0; k < playbook->actions[i].channel_count; k++) {
            if (playbook->actions[i].channels[k].channel == channel) return true;
        }
    }
    for (uint32_t i = 0; i < playbook->messaging_count; i++) {
        if (playbook->messaging[i].channel == channel) return true;
    }
    return playbook->action_count == 0;
}

/* Warns of limits on channels without messages: a limit counts the messages of its channel. */
static void warn_of_messages(const struct playbook *playbook, const struct source *source,
                             struct playbook_errors *warnings) {
    if (!event_is_treatment(source->event_type) || !source->says_channel ||
        source->channel_from.kind != FIELD_CONSTANT || is_used_channel(playbook, source->channel))
        return;
    struct text name = symbol_text(playbook->schema.symbols, SYMBOL_CHANNEL, source->channel);
    warn(warnings, source->channel_from.place,
         "no action goes out in the channel %.*s, so no policy counts the messages of source %.*s; "
         "where a column says the channel, write channel: \"{%.*s}\"",
         TEXT_ARG(name), TEXT_ARG(source->name), TEXT_ARG(name));
}

static void warn_of_exploring(const struct playbook *playbook, struct playbook_errors *warnings) {
    if (playbook->explore.on && playbook->explore.off_when == NULL)
        warn(warnings, playbook->explore.place,
             "explore leaves something to chance for every customer, those with an open complaint "
             "included; write off: { when: CONDITION } for whom it must not");
}

void playbook_warnings(const struct playbook *playbook, struct playbook_errors *warnings) {
    warnings->count = warnings->dropped = 0;
    for (uint32_t i = 0; i < playbook->source_count; i++) {
        const struct source *source = &playbook->sources[i];
        char key[400];
        if (source->is_lookup) continue;
        warn_of_consent(playbook, source, warnings);
        warn_of_messages(playbook, source, warnings);
        if (source->row_key_count > 0) continue;
        row_key_of(source, key, sizeof key);
        warn(warnings, source->place,
             "source %.*s has no row_key, so a file that is loaded twice counts twice; write "
             "row_key: %s (or a column that no two rows share)",
             TEXT_ARG(source->name), key);
    }
    warn_of_idle_models(playbook, warnings);
    warn_of_policies(playbook, warnings);
    warn_of_exploring(playbook, warnings);
}
