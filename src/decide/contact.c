/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/contact.h"

#include "base/hash.h"
#include "decide/named_treatment.h"

#define FREE_STEPS_MAX (4 * CONTACTS_MAX)

static bool is_treatment_event(uint16_t type) {
    return type >= EVENT_TREATMENT_SHOWN && type <= EVENT_TREATMENT_REJECTED;
}

static bool is_waited_after(const struct playbook *playbook, uint16_t type) {
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        const struct policy *policy = &playbook->policies[i];
        if (policy->kind == POLICY_AFTER && policy->after_event == type) return true;
    }
    return false;
}

/* The action is the treatment's name up to the slash: it is known even where the offer's row has
 * gone since. */
static const struct action *action_of(const struct playbook *playbook, struct text key) {
    const char *slash = key.length > 0 ? memchr(key.at, '/', key.length) : NULL;
    if (slash != NULL) key.length = (uint32_t)(slash - key.at);
    uint32_t action = playbook_action_find(playbook, key);
    return action == UINT32_MAX ? NULL : &playbook->actions[action];
}

void contact_history_read(struct contact_history *history, const struct world *world,
                          const struct timeline *timeline, int64_t t_ms) {
    history->count = 0;
    for (uint32_t row = timeline_upper_bound(timeline, t_ms);
         row-- > 0 && history->count < CONTACTS_MAX;) {
        uint16_t type = timeline->type[row];
        if (!is_treatment_event(type) && !is_waited_after(world->playbook, type)) continue;
        if (!timeline_known(timeline, row, t_ms)) continue;
        struct text key = named_treatment_key(timeline, row);
        history->contacts[history->count++] = (struct contact){
            .time_ms = timeline->time_ms[row],
            .type = type,
            .names_none = key.length == 0 && !is_treatment_event(type),
            .channel = timeline->channel[row],
            .key_hash = hash_text(key, 0),
            .action = action_of(world->playbook, key),
        };
    }
}

/* Does the policy speak of this treatment at all? */
static bool applies(const struct policy *policy, const struct treatment *treatment) {
    if (policy->channel != SYMBOL_NONE && policy->channel != treatment->channel) return false;
    if (policy->group.length > 0 && !text_equal(policy->group, treatment->action->group))
        return false;
    if (policy->action.length > 0 && !text_equal(policy->action, treatment->action->name))
        return false;
    return true;
}

/* Does this past contact count against it? */
static bool counts(const struct policy *policy, const struct contact *contact,
                   const struct treatment *treatment) {
    const struct action *action = contact->action;
    if (policy->channel != SYMBOL_NONE && contact->channel != policy->channel) return false;
    if (contact->names_none && (policy->scope == SCOPE_GROUP || policy->scope == SCOPE_ACTION))
        return true;
    if (policy->group.length > 0 && (action == NULL || !text_equal(action->group, policy->group)))
        return false;
    if (policy->action.length > 0 && (action == NULL || !text_equal(action->name, policy->action)))
        return false;
    if (policy->scope == SCOPE_SAME_TREATMENT)
        return contact->key_hash == hash_text(treatment->key, 0);
    if (policy->scope == SCOPE_SAME_ACTION) return action == treatment->action;
    if (policy->scope == SCOPE_SAME_GROUP) {
        /* No group: alone in its own. */
        if (treatment->action->group.length == 0) return action == treatment->action;
        return action != NULL && text_equal(action->group, treatment->action->group);
    }
    return true;
}

static bool is_contact(uint16_t type) {
    return type == EVENT_TREATMENT_SHOWN || type == EVENT_TREATMENT_DELIVERED;
}

/* The policy frees up when the oldest of the newest `max_count` that count leaves the window;
 * walking back from the newest stops there, so a long history costs no more than the window holds.
 */
static int64_t blocked_until(const struct policy *policy, const struct contact_history *history,
                             const struct treatment *treatment, int64_t now_ms) {
    uint32_t seen = 0, max_count = policy->max_count == 0 && policy->kind == POLICY_AFTER
                                       ? 1
                                       : policy->max_count;
    if (max_count == 0) return TIME_NEVER; /* at most 0: never */
    for (uint32_t i = 0; i < history->count; i++) {
        const struct contact *contact = &history->contacts[i];
        if (contact->time_ms <= now_ms - policy->window_ms) return 0;
        bool right_type = policy->kind == POLICY_AFTER ? contact->type == policy->after_event
                                                       : is_contact(contact->type);
        if (!right_type || !counts(policy, contact, treatment)) continue;
        if (++seen == max_count) return contact->time_ms + policy->window_ms;
    }
    return 0;
}

/* Milliseconds since local midnight. */
static int64_t of_day_ms(const struct playbook *playbook, int64_t t_ms) {
    int64_t local_ms = t_ms + time_zone_offset_s(playbook->zone, t_ms) * TIME_SECOND_MS;
    return ((local_ms % TIME_DAY_MS) + TIME_DAY_MS) % TIME_DAY_MS;
}

/* Quiet hours in local time; `to` before `from` spans midnight. */
static bool is_quiet(const struct playbook *playbook, const struct policy *policy, int64_t t_ms) {
    int64_t from_ms = policy->quiet_from_minute * TIME_MINUTE_MS,
            to_ms = policy->quiet_to_minute * TIME_MINUTE_MS;
    int64_t now_ms = of_day_ms(playbook, t_ms);
    return to_ms <= from_ms ? now_ms >= from_ms || now_ms < to_ms
                            : now_ms >= from_ms && now_ms < to_ms;
}

/* In a night on which the clocks change, the end comes as much earlier or later; or at the change
 * itself, where it leads out. */
static int64_t quiet_until(const struct playbook *playbook, const struct policy *policy,
                           int64_t now_ms) {
    if (!is_quiet(playbook, policy, now_ms)) return 0;
    int64_t wait_ms = policy->quiet_to_minute * TIME_MINUTE_MS - of_day_ms(playbook, now_ms);
    int64_t plain_ms = now_ms + (wait_ms <= 0 ? wait_ms + TIME_DAY_MS : wait_ms);
    int64_t before_s = time_zone_offset_s(playbook->zone, now_ms),
            after_s = time_zone_offset_s(playbook->zone, plain_ms);
    if (before_s == after_s) return plain_ms;
    int64_t change_ms = plain_ms;
    for (int64_t last_ms = now_ms; change_ms - last_ms > 1;) {
        int64_t middle_ms = last_ms + (change_ms - last_ms) / 2;
        if (time_zone_offset_s(playbook->zone, middle_ms) == before_s)
            last_ms = middle_ms;
        else
            change_ms = middle_ms;
    }
    return is_quiet(playbook, policy, change_ms) ? plain_ms - (after_s - before_s) * TIME_SECOND_MS
                                                 : change_ms;
}

struct contact_verdict contact_check(const struct playbook *playbook,
                                     const struct contact_history *history,
                                     const struct treatment *treatment, int64_t now_ms) {
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        const struct policy *policy = &playbook->policies[i];
        if (policy->kind == POLICY_NEVER_WITHOUT || !applies(policy, treatment)) continue;
        int64_t free_at_ms = policy->kind == POLICY_QUIET
                                 ? quiet_until(playbook, policy, now_ms)
                                 : blocked_until(policy, history, treatment, now_ms);
        if (free_at_ms > now_ms) return (struct contact_verdict){policy, free_at_ms};
    }
    return (struct contact_verdict){0};
}

/* What one policy frees another may still forbid: then the search goes on from there. Two quiet
 * times may leave no moment. */
int64_t contact_free_at(const struct playbook *playbook, const struct contact_history *history,
                        const struct treatment *treatment, int64_t now_ms) {
    for (uint32_t i = 0; i < FREE_STEPS_MAX; i++) {
        struct contact_verdict verdict = contact_check(playbook, history, treatment, now_ms);
        if (verdict.blocking == NULL || verdict.free_at_ms >= TIME_NEVER)
            return verdict.blocking == NULL ? now_ms : TIME_NEVER;
        now_ms = verdict.free_at_ms;
    }
    return TIME_NEVER;
}
