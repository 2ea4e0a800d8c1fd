/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/playbook_internal.h"

#include <stdio.h>

#define POLICIES_MAX 1000
#define CONTACTS_MAX 100000

/* ---- whom a policy is about ---- */

static bool channel_is_used(const struct playbook *playbook, uint32_t channel) {
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        for (uint32_t k = 0; k < playbook->actions[i].channel_count; k++) {
            if (playbook->actions[i].channels[k].channel == channel) return true;
        }
    }
    return false;
}

bool action_channel_read(struct reader *reader, const struct yaml_node *node, uint32_t *channel) {
    const struct playbook *playbook = reader->playbook;
    uint32_t count = 0, most = 0;
    if (!reader_channel(reader, node, channel)) return false;
    if (channel_is_used(playbook, *channel)) return true;
    for (uint32_t i = 0; i < playbook->action_count; i++)
        most += playbook->actions[i].channel_count;
    struct text *known = reader_alloc(reader, most, sizeof *known);
    for (uint32_t i = 0;
         known != NULL && i < symbol_count(reader->symbols, SYMBOL_CHANNEL) && count < most; i++) {
        if (channel_is_used(playbook, i))
            known[count++] = symbol_text(reader->symbols, SYMBOL_CHANNEL, i);
    }
    if (known != NULL)
        reader_unknown(reader, node_place(node), "channel of an action", node->text, known, count);
    return false;
}

static void read_group(struct reader *reader, const struct yaml_node *node, struct policy *policy) {
    const struct playbook *playbook = reader->playbook;
    struct text *known = reader_alloc(reader, playbook->action_count, sizeof *known);
    uint32_t count = 0, index;
    for (uint32_t i = 0; known != NULL && i < playbook->action_count; i++) {
        bool is_repeat = playbook->actions[i].group.length == 0;
        for (uint32_t k = 0; k < count; k++)
            is_repeat = is_repeat || text_equal(known[k], playbook->actions[i].group);
        if (!is_repeat) known[count++] = playbook->actions[i].group;
    }
    if (known == NULL || !reader_name_of(reader, node, "group of actions", known, count, &index))
        return;
    policy->scope = SCOPE_GROUP;
    policy->group = known[index];
}

static void read_action(struct reader *reader, const struct yaml_node *node,
                        struct policy *policy) {
    const struct playbook *playbook = reader->playbook;
    struct text *known = reader_alloc(reader, playbook->action_count, sizeof *known);
    uint32_t index;
    for (uint32_t i = 0; known != NULL && i < playbook->action_count; i++)
        known[i] = playbook->actions[i].name;
    if (known == NULL ||
        !reader_name_of(reader, node, "action", known, playbook->action_count, &index))
        return;
    policy->scope = SCOPE_ACTION;
    policy->action = known[index];
}

static void read_of(struct reader *reader, const struct yaml_node *node, struct policy *policy) {
    static const struct text known[] = {
        {"same treatment", 14}, {"same action", 11}, {"same group", 10}, {"any action", 10}};
    static const enum policy_scope scopes[] = {SCOPE_SAME_TREATMENT, SCOPE_SAME_ACTION,
                                               SCOPE_SAME_GROUP, SCOPE_ANY};
    uint32_t index;
    if (!reader_name_of(reader, node, "value of of:", known, 4, &index)) return;
    bool all_of_channel = scopes[index] == SCOPE_ANY && policy->channel != SYMBOL_NONE;
    policy->scope = all_of_channel ? SCOPE_CHANNEL : scopes[index];
}

static void read_scope(struct reader *reader, const struct yaml_node *const *values,
                       struct policy *policy) {
    const struct yaml_node *group = values[POLICY_KEY_GROUP], *action = values[POLICY_KEY_ACTION],
                           *of = values[POLICY_KEY_OF];
    policy->channel = SYMBOL_NONE;
    if (values[POLICY_KEY_CHANNEL]) {
        policy->scope = SCOPE_CHANNEL;
        (void)action_channel_read(reader, values[POLICY_KEY_CHANNEL], &policy->channel);
    }
    if ((group && action) || (group && of) || (action && of)) {
        reader_error(
            reader, node_place(of ? of : action),
            "a policy is about one of group, action and of: keep one; write two policies for two");
        return;
    }
    if (group) read_group(reader, group, policy);
    if (action) read_action(reader, action, policy);
    if (of) read_of(reader, of, policy);
}

/* ---- the four kinds ---- */

static void refuse(struct reader *reader, const struct yaml_node *const *values,
                   enum policy_key key, const char *kind) {
    if (values[key] == NULL) return;
    reader_error(reader, node_place(values[key]),
                 "%s: has no place in a policy of %s: leave it out", policy_keys.keys[key], kind);
}

/* What says how many and how long; of a policy that counts nothing. */
static void refuse_limits(struct reader *reader, const struct yaml_node *const *values,
                          const char *kind) {
    static const enum policy_key keys[] = {POLICY_KEY_IN,          POLICY_KEY_PER,
                                           POLICY_KEY_IMPRESSIONS, POLICY_KEY_TIMES,
                                           POLICY_KEY_WAIT,        POLICY_KEY_OF};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) refuse(reader, values, keys[i], kind);
}

static void read_at_most(struct reader *reader, const struct yaml_node *const *values,
                         struct policy *policy) {
    policy->kind = POLICY_AT_MOST;
    (void)reader_count(reader, values[POLICY_KEY_AT_MOST], "at_most", 0, CONTACTS_MAX,
                       &policy->max_count);
    const struct yaml_node *in = values[POLICY_KEY_IN], *per = values[POLICY_KEY_PER];
    static const struct text days[] = {{"day", 3}};
    uint32_t index;
    if (in && per) {
        reader_error(reader, node_place(per),
                     "at_most has both in and per: keep in for a span of time that rolls, or per "
                     "for calendar days");
    } else if (in) {
        (void)reader_duration(reader, in, "in", &policy->window_ms);
    } else if (per) {
        policy->per_day = reader_name_of(reader, per, "per", days, 1, &index);
    } else {
        reader_error(reader, node_place(values[POLICY_KEY_AT_MOST]),
                     "at_most has no in: write the time that it covers, in: 7d, or per: day");
    }
    if (values[POLICY_KEY_IMPRESSIONS])
        (void)reader_yes_no(reader, values[POLICY_KEY_IMPRESSIONS], "impressions",
                            &policy->impressions);
    refuse(reader, values, POLICY_KEY_TIMES, "at_most");
    refuse(reader, values, POLICY_KEY_WAIT, "at_most");
}

/* Returns the name of an outcome without its "Treatment ". */
static struct text brief_name(const struct reader *reader, uint32_t event) {
    struct text full = symbol_text(reader->symbols, SYMBOL_EVENT, event);
    uint32_t prefix = (uint32_t)strlen("Treatment ");
    return (struct text){full.at + prefix, full.length - prefix};
}

static bool read_after_event(struct reader *reader, const struct yaml_node *node, uint32_t *type) {
    struct text name, near = {0};
    if (!reader_text(reader, node, "after", &name)) return false;
    for (uint32_t event = EVENT_TREATMENT_SHOWN; event <= EVENT_TREATMENT_REJECTED; event++) {
        struct text brief = brief_name(reader, event);
        if (near.at == NULL) near = text_nearest(name, &brief, 1);
        if (!text_equal(name, brief)) continue;
        *type = event;
        return true;
    }
    uint32_t known = symbol_find(reader->symbols, SYMBOL_EVENT, name);
    if (near.at == NULL || (known != SYMBOL_NONE && names_event(reader->names, known) != NULL)) {
        return names_read_event(reader, node, type);
    }
    reader_error(reader, node_place(node), "no event is called \"%.*s\": did you mean \"%.*s\"?",
                 TEXT_ARG(name), TEXT_ARG(near));
    return false;
}

static void read_after(struct reader *reader, const struct yaml_node *const *values,
                       struct policy *policy) {
    policy->kind = POLICY_AFTER;
    policy->max_count = 1;
    policy->after_event = SYMBOL_NONE;
    (void)read_after_event(reader, values[POLICY_KEY_AFTER], &policy->after_event);
    if (values[POLICY_KEY_TIMES]) {
        (void)reader_count(reader, values[POLICY_KEY_TIMES], "times", 1, CONTACTS_MAX,
                           &policy->max_count);
    }
    if (values[POLICY_KEY_WAIT]) {
        (void)reader_duration(reader, values[POLICY_KEY_WAIT], "wait", &policy->window_ms);
    } else {
        reader_error(reader, node_place(values[POLICY_KEY_AFTER]),
                     "after has no wait: write how long to pause, wait: 30d");
    }
    if (values[POLICY_KEY_IN])
        (void)reader_duration(reader, values[POLICY_KEY_IN], "in", &policy->times_within_ms);
    refuse(reader, values, POLICY_KEY_PER, "after");
    refuse(reader, values, POLICY_KEY_IMPRESSIONS, "after");
}

static void read_never_without(struct reader *reader, const struct yaml_node *const *values,
                               struct policy *policy) {
    const struct yaml_node *node = values[POLICY_KEY_NEVER_WITHOUT];
    struct text text;
    policy->kind = POLICY_NEVER_WITHOUT;
    if (!reader_text(reader, node, "never_without", &text)) return;
    static const char consent_to[] = "consent to ";
    if (text_equal(text, TEXT("opt_in"))) {
        policy->needs_opt_in = true;
    } else if (text_starts_with(text, TEXT("consent to "))) {
        struct text name = text_trim((struct text){text.at + strlen(consent_to),
                                                   text.length - (uint32_t)strlen(consent_to)});
        (void)purpose_read(reader, node, name, &policy->purpose);
    } else {
        text = shown(text);
        reader_error(reader, node_place(node),
                     "never_without is \"%.*s\": write opt_in, or consent to and a purpose, such "
                     "as consent to location",
                     TEXT_ARG(text));
    }
    refuse_limits(reader, values, "never_without");
}

static bool minute_from_text(struct text text, int32_t *minute) {
    int64_t hours, minutes;
    const char *colon = memchr(text.at, ':', text.length);
    if (colon == NULL) return false;
    struct text hour = {text.at, (uint32_t)(colon - text.at)},
                rest = {colon + 1, text.length - hour.length - 1};
    if (rest.length != 2 || text_to_int64(hour, &hours) != STATUS_OK ||
        text_to_int64(rest, &minutes) != STATUS_OK)
        return false;
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    *minute = (int32_t)(hours * 60 + minutes);
    return true;
}

static void read_quiet(struct reader *reader, const struct yaml_node *const *values,
                       struct policy *policy) {
    const struct yaml_node *node = values[POLICY_KEY_QUIET];
    struct text text;
    policy->kind = POLICY_QUIET;
    if (!reader_text(reader, node, "quiet", &text)) return;
    const char *dash = memchr(text.at, '-', text.length);
    bool good = dash != NULL;
    if (good) {
        struct text from = text_trim((struct text){text.at, (uint32_t)(dash - text.at)});
        struct text to =
            text_trim((struct text){dash + 1, text.length - (uint32_t)(dash - text.at) - 1});
        good = minute_from_text(from, &policy->quiet_from_minute) &&
               minute_from_text(to, &policy->quiet_to_minute) &&
               policy->quiet_from_minute != policy->quiet_to_minute;
    }
    if (!good) {
        text = shown(text);
        reader_error(reader, node_place(node),
                     "quiet is \"%.*s\": write two local times, such as \"21:00-08:00\"",
                     TEXT_ARG(text));
    }
    refuse_limits(reader, values, "quiet");
}

/* ---- as a person reads it ---- */

static struct text scope_text(struct reader *reader, const struct policy *policy) {
    struct text channel = policy->channel == SYMBOL_NONE
                              ? (struct text){"", 0}
                              : symbol_text(reader->symbols, SYMBOL_CHANNEL, policy->channel);
    const char *on = channel.length > 0 ? " on " : "";
    switch (policy->scope) {
    case SCOPE_GROUP:
        return reader_format(reader, " of group %.*s%s%.*s", TEXT_ARG(policy->group), on,
                             TEXT_ARG(channel));
    case SCOPE_ACTION:
        return reader_format(reader, " of %.*s%s%.*s", TEXT_ARG(policy->action), on,
                             TEXT_ARG(channel));
    case SCOPE_SAME_ACTION:
        return reader_format(reader, " of the same action%s%.*s", on, TEXT_ARG(channel));
    case SCOPE_SAME_TREATMENT:
        return reader_format(reader, " of the same treatment%s%.*s", on, TEXT_ARG(channel));
    case SCOPE_SAME_GROUP:
        return reader_format(reader, " of the same group%s%.*s", on, TEXT_ARG(channel));
    default: return reader_format(reader, "%s%.*s", on, TEXT_ARG(channel));
    }
}

static void describe(struct reader *reader, struct policy *policy) {
    char window[32];
    struct text scope = scope_text(reader, policy);
    duration_format(policy->window_ms, window);
    if (policy->kind == POLICY_AT_MOST) {
        policy->text =
            reader_format(reader, "at most %u %s%s%.*s%s", policy->max_count,
                          policy->per_day ? "a day" : "in ", policy->per_day ? "" : window,
                          TEXT_ARG(scope), policy->impressions ? ", impressions too" : "");
    } else if (policy->kind == POLICY_AFTER) {
        struct text event = symbol_text(reader->symbols, SYMBOL_EVENT, policy->after_event);
        char times[48] = "";
        if (policy->max_count > 1) snprintf(times, sizeof times, "%u times ", policy->max_count);
        char within[48] = "", span[32];
        duration_format(policy->times_within_ms, span);
        if (policy->times_within_ms > 0) snprintf(within, sizeof within, " within %s", span);
        policy->text = reader_format(reader, "wait %s after %s%.*s%s%.*s", window, times,
                                     TEXT_ARG(event), within, TEXT_ARG(scope));
    } else if (policy->kind == POLICY_QUIET) {
        policy->text = reader_format(reader, "quiet from %02d:%02d to %02d:%02d local time%.*s",
                                     policy->quiet_from_minute / 60, policy->quiet_from_minute % 60,
                                     policy->quiet_to_minute / 60, policy->quiet_to_minute % 60,
                                     TEXT_ARG(scope));
    } else if (policy->needs_opt_in) {
        policy->text = reader_format(reader, "never without opt-in%.*s", TEXT_ARG(scope));
    } else {
        policy->text = reader_format(reader, "never without consent to %.*s%.*s",
                                     TEXT_ARG(policy->purpose), TEXT_ARG(scope));
    }
}

static void read_policy(struct reader *reader, const struct yaml_node *node,
                        struct policy *policy) {
    const struct yaml_node *values[KEYS_MAX];
    *policy = (struct policy){
        .place = node_place(node), .channel = SYMBOL_NONE, .after_event = SYMBOL_NONE};
    if (!reader_keys(reader, node, &policy_keys, values)) return;
    static const enum policy_key kinds[] = {POLICY_KEY_AT_MOST, POLICY_KEY_AFTER,
                                            POLICY_KEY_NEVER_WITHOUT, POLICY_KEY_QUIET};
    uint32_t found = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) found += values[kinds[i]] != NULL;
    if (found != 1) {
        reader_error(
            reader, node_place(node),
            "a policy has %s of at_most, after, never_without and quiet: write exactly one",
            found == 0 ? "none" : "more than one");
        return;
    }
    read_scope(reader, values, policy);
    if (values[POLICY_KEY_AT_MOST])
        read_at_most(reader, values, policy);
    else if (values[POLICY_KEY_AFTER])
        read_after(reader, values, policy);
    else if (values[POLICY_KEY_NEVER_WITHOUT])
        read_never_without(reader, values, policy);
    else
        read_quiet(reader, values, policy);
    describe(reader, policy);
}

void policies_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_list(reader, node, "policies")) return;
    if (node->count > POLICIES_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d policies: a playbook may have so many and no more",
                     POLICIES_MAX);
        return;
    }
    struct policy *policies = reader_alloc(reader, node->count, sizeof *policies);
    if (policies == NULL) return;
    playbook->policies = policies;
    playbook->policy_count = node->count;
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++)
        read_policy(reader, node->items[i], &policies[i]);
}
