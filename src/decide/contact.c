/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "decide/contact_internal.h"

#define NOTHING         UINT32_MAX
#define EVENT_TYPES_MAX 65536
#define SERIES_ROOM     16 /* contacts that a decision may add before the table grows */
#define MOVES_MAX       8  /* contacts that make room for an older one */

/* What a policy says does not depend on the treatment, or on its action alone, unless it counts
 * `of: same treatment`: then it is worked out once a policy and action. */
struct standing_cache {
    uint64_t epoch;
    uint64_t reading; /* of the contacts, but for those that a decision added behind it */
    uint32_t added;   /* so many were added */
    int64_t now_ms;
    uint32_t width; /* actions, at least 1 */
    struct {
        uint64_t epoch; /* 0: not worked out */
        struct contact_standing standing;
    } items[];
};

/* An action in one of its channels. Quiet times and most policies speak of all of its treatments
 * alike: they are judged once, and each treatment adds the policies that count it alone. */
struct contact_route {
    uint64_t epoch; /* of the standing cache; 0: not judged */
    struct contact_verdict shared;
    /* Where nothing blocks, nothing does as long as this reading stands and fewer contacts than
     * this were added. */
    uint64_t reading;
    uint32_t added_max;
    uint32_t own_first, own_count; /* in own_policies */
    bool own_needs_all;            /* one of them has something to count for any treatment */
};

/* Does the policy limit contacts or make them wait? */
static bool limits(const struct policy *policy) {
    return policy->kind == POLICY_AT_MOST || policy->kind == POLICY_AFTER;
}

static bool counts_one_treatment(const struct policy *policy) {
    return limits(policy) && policy->scope == SCOPE_SAME_TREATMENT;
}

/* Where a policy counts only one treatment, its own contacts are chained. An event that names no
 * treatment is in no such chain. */
static bool walks_chain(const struct policy *policy) {
    bool names = policy->kind == POLICY_AT_MOST || event_is_treatment(policy->after_event);
    return policy->scope == SCOPE_SAME_TREATMENT && names;
}

/* The policies that count one treatment, and speak of the action in this channel. */
static uint32_t add_own_policies(struct contact_history *history, const struct action *action,
                                 const struct channel_rule *channel, uint32_t at) {
    const struct playbook *playbook = history->data->playbook;
    struct treatment any = {.action = action, .channel = channel->channel};
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        const struct policy *policy = &playbook->policies[i];
        if (counts_one_treatment(policy) && policy_applies(policy, &any))
            history->own_policies[at++] = i;
    }
    return at;
}

/* Has a policy that counts one treatment by itself something to say of one that never went out? */
static bool counts_for_any(const struct policy *policy) {
    return !walks_chain(policy) || (policy->kind == POLICY_AT_MOST && policy->max_count == 0);
}

static enum status make_routes(struct contact_history *history) {
    const struct playbook *playbook = history->data->playbook;
    uint32_t count = 0, own = 0;
    history->route_first =
        memory_calloc((size_t)playbook->action_count + 1, sizeof *history->route_first);
    if (history->route_first == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        history->route_first[i] = count;
        count += playbook->actions[i].channel_count;
    }
    history->route_first[playbook->action_count] = count;
    for (uint32_t i = 0; i < playbook->policy_count; i++)
        own += counts_one_treatment(&playbook->policies[i]);
    history->routes = memory_calloc((size_t)count + 1, sizeof *history->routes);
    history->own_policies = memory_calloc((size_t)count * own + 1, sizeof *history->own_policies);
    if (history->routes == NULL || history->own_policies == NULL) return STATUS_NO_MEMORY;
    own = 0;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        for (uint32_t k = 0; k < action->channel_count; k++) {
            struct contact_route *route = &history->routes[history->route_first[i] + k];
            route->own_first = own;
            own = add_own_policies(history, action, &action->channels[k], own);
            route->own_count = own - route->own_first;
            for (uint32_t p = route->own_first; p < own; p++)
                route->own_needs_all |=
                    counts_for_any(&playbook->policies[history->own_policies[p]]);
        }
    }
    return STATUS_OK;
}

uint32_t contact_route_count(const struct contact_history *history) {
    return history->route_first[history->data->playbook->action_count];
}

uint32_t contact_route(const struct contact_history *history, const struct treatment *treatment) {
    const struct action *action = treatment->action;
    return history->route_first[action - history->data->playbook->actions] +
           (uint32_t)(treatment->channel_rule - action->channels);
}

enum status contact_history_init(struct contact_history *history,
                                 const struct customer_data *data) {
    const struct playbook *playbook = data->playbook;
    uint32_t width = playbook->action_count > 0 ? playbook->action_count : 1;
    *history = (struct contact_history){.data = data};
    enum status status = where_init(&history->where, playbook);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < CHANNELS_MAX; i++)
        history->messaging[i] = playbook_messaging(playbook, data->symbols, i);
    history->cache =
        memory_calloc(1, sizeof *history->cache + (size_t)width * (playbook->policy_count + 1) *
                                                      sizeof *history->cache->items);
    history->waited = memory_calloc(EVENT_TYPES_MAX, sizeof *history->waited);
    if (history->cache == NULL || history->waited == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        const struct policy *policy = &playbook->policies[i];
        if (policy->kind == POLICY_AFTER && policy->after_event < EVENT_TYPES_MAX)
            history->waited[policy->after_event] = true;
    }
    history->cache->epoch = 1;
    history->cache->width = width;
    status = make_routes(history);
    return status == STATUS_OK ? message_symbols_add(data->symbols, &history->symbols) : status;
}

static void list_release(struct contact_series *list) {
    memory_free(list->items);
    memory_free(list->newest);
}

void contact_history_release(struct contact_history *history) {
    where_release(&history->where);
    list_release(&history->messages);
    list_release(&history->events);
    memory_free(history->cache);
    memory_free(history->routes);
    memory_free(history->route_first);
    memory_free(history->own_policies);
    memory_free(history->waited);
    memory_free(history->moments);
    memory_free(history->gathered);
    memory_free(history->slots);
    memory_free(history->left_out);
    *history = (struct contact_history){0};
}

void contact_cache_clear(struct contact_history *history) {
    history->cache->epoch++;
    history->cache->reading++;
    history->cache->added = 0;
}

/* ---- lists ---- */

static int by_time(const void *a, const void *b) {
    const struct contact *x = a, *y = b;
    if (x->time_ms != y->time_ms) return x->time_ms < y->time_ms ? -1 : 1;
    return (x->key_hash > y->key_hash) - (x->key_hash < y->key_hash);
}

static uint32_t *newest_of(const struct contact_series *list, uint64_t key_hash) {
    uint32_t mask = (1u << list->newest_bits) - 1, at = (uint32_t)hash_u64(key_hash) & mask;
    while (list->newest[at] != NOTHING && list->items[list->newest[at]].key_hash != key_hash)
        at = (at + 1) & mask;
    return &list->newest[at];
}

static bool is_in_order(const struct contact_series *list) {
    for (size_t i = 1; i < list->count; i++) {
        if (by_time(&list->items[i - 1], &list->items[i]) > 0) return false;
    }
    return true;
}

static void chain(struct contact_history *history, struct contact_series *list, size_t i) {
    struct contact *contact = &list->items[i];
    uint32_t *newest = newest_of(list, contact->key_hash),
             bit = (uint32_t)contact->key_hash % CONTACT_BITS;
    contact->older = *newest;
    *newest = (uint32_t)i;
    history->gone_out[bit / 64] |= UINT64_C(1) << (bit % 64);
}

enum status contact_series_order(struct contact_history *history, struct contact_series *list) {
    uint32_t bits = 4;
    if (!is_in_order(list)) qsort(list->items, list->count, sizeof *list->items, by_time);
    while (((size_t)1 << bits) < 2 * (list->count + SERIES_ROOM)) bits++;
    if (list->newest == NULL || bits > list->newest_bits) {
        memory_free(list->newest);
        list->newest = memory_alloc(sizeof *list->newest << bits);
        if (list->newest == NULL) return STATUS_NO_MEMORY;
        list->newest_bits = bits;
    }
    memset(list->newest, 0xff, sizeof *list->newest << list->newest_bits);
    for (size_t i = 0; i < list->count; i++) chain(history, list, i);
    return STATUS_OK;
}

/* Moves a contact one place up, together with all that tells its place. */
static void move_up(struct contact_series *list, uint32_t at) {
    struct contact *items = list->items;
    uint32_t *newest = newest_of(list, items[at].key_hash), *told = newest;
    while (*told != at) told = &items[*told].older;
    *told = at + 1;
    items[at + 1] = items[at];
}

/* A contact that is new is mostly among the newest. Where it isn't, or the table is full, the
 * series is put in order again. */
static enum status push(struct contact_history *history, struct contact_series *list,
                        struct contact contact) {
    enum status status =
        memory_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof contact);
    if (status != STATUS_OK) return status;
    size_t end = list->count++, at = end;
    bool is_near = list->newest != NULL && 2 * list->count <= (size_t)1 << list->newest_bits;
    for (; at > 0 && by_time(&list->items[at - 1], &contact) > 0; at--)
        is_near &= list->items[at - 1].key_hash != contact.key_hash && end - at < MOVES_MAX;
    if (!is_near) {
        list->items[end] = contact;
        return contact_series_order(history, list);
    }
    for (size_t i = end; i-- > at;) move_up(list, (uint32_t)i);
    list->items[at] = contact;
    chain(history, list, at);
    return STATUS_OK;
}

enum status contact_history_add(struct contact_history *history, const struct treatment *treatment,
                                int64_t now_ms) {
    const struct messaging *messaging = &history->messaging[treatment->channel];
    if (messaging->inbound) return STATUS_OK;
    struct contact contact = {
        .time_ms = now_ms,
        .until_ms = messaging->receipts ? now_ms + messaging->expires_ms : TIME_NEVER,
        .key_hash = treatment->key_hash,
        .action = treatment->action,
        .channel = treatment->channel,
        .type = EVENT_TREATMENT_DELIVERED,
        .pending = messaging->receipts,
    };
    history->cache->epoch++;
    history->cache->added++;
    enum status status = push(history, &history->messages, contact);
    bool waited = history->waited[EVENT_TREATMENT_DELIVERED];
    return status == STATUS_OK && waited ? push(history, &history->events, contact) : status;
}

/* ---- what a policy is about ---- */

bool policy_applies(const struct policy *policy, const struct treatment *treatment) {
    const struct action *action = treatment->action;
    if (policy->channel != SYMBOL_NONE && policy->channel != treatment->channel) return false;
    if (policy->group.length > 0 && !text_equal(policy->group, action->group)) return false;
    if (policy->action.length > 0) return text_equal(policy->action, action->name);
    /* A message that no cap holds is held only by those that name its action. */
    return policy->kind != POLICY_AT_MOST || action->limited;
}

static bool same_group(const struct action *a, const struct action *b) {
    if (a == NULL) return false;
    /* No group: alone in its own. */
    return b->group.length == 0 ? a == b : text_equal(a->group, b->group);
}

/* Is the contact among those that the policy's scope names? */
static inline bool in_scope(const struct policy *policy, const struct contact *contact,
                            const struct treatment *treatment) {
    const struct action *action = contact->action;
    /* An event about no treatment makes all of those wait that the policy is about. */
    if (contact->names_none) return true;
    if (policy->channel != SYMBOL_NONE && contact->channel != policy->channel) return false;
    if (policy->group.length > 0 && (action == NULL || !text_equal(action->group, policy->group)))
        return false;
    if (policy->action.length > 0 && (action == NULL || !text_equal(action->name, policy->action)))
        return false;
    switch (policy->scope) {
    case SCOPE_SAME_TREATMENT: return contact->key_hash == treatment->key_hash;
    case SCOPE_SAME_ACTION: return action == treatment->action;
    case SCOPE_SAME_GROUP: return same_group(action, treatment->action);
    default: return true;
    }
}

static bool counts_impressions(const struct contact_history *history, const struct policy *policy) {
    return policy->impressions ||
           (policy->channel != SYMBOL_NONE && history->messaging[policy->channel].inbound);
}

static inline bool counts(const struct contact_history *history, const struct policy *policy,
                          const struct contact *contact, const struct treatment *treatment) {
    if (policy->kind == POLICY_AFTER)
        return contact->type == policy->after_event && in_scope(policy, contact, treatment);
    if (contact->impression && !counts_impressions(history, policy)) return false;
    /* What uses up no caps uses up those that name its action. */
    if (policy->action.length == 0 && contact->action != NULL && !contact->action->counts)
        return false;
    return in_scope(policy, contact, treatment);
}

/* From the newest to older ones. */
static uint32_t walk_begin(const struct contact_series *list, const struct policy *policy,
                           const struct treatment *treatment) {
    if (list->count == 0) return NOTHING;
    return walks_chain(policy) ? *newest_of(list, treatment->key_hash) : (uint32_t)list->count - 1;
}

static uint32_t walk_next(const struct contact_series *list, const struct policy *policy,
                          uint32_t at) {
    if (walks_chain(policy)) return list->items[at].older;
    return at == 0 ? NOTHING : at - 1;
}

/* ---- how a policy stands ---- */

static void note(struct contact_standing *standing, const struct contact *contact) {
    standing->counted++;
    if (!contact->pending) return;
    standing->pending++;
    if (standing->pending == 1 || contact->time_ms < standing->pending_since_ms)
        standing->pending_since_ms = contact->time_ms;
}

static enum status keep_moment(struct contact_history *history, uint32_t index, int64_t moment_ms) {
    enum status status = memory_grow((void **)&history->moments, &history->moment_capacity,
                                     (size_t)index + 1, sizeof *history->moments);
    if (status == STATUS_OK) history->moments[index] = moment_ms;
    return status;
}

static int latest_first(const void *a, const void *b) {
    const int64_t *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t saturated_add(int64_t a, int64_t b) {
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) || sum > TIME_NEVER ? TIME_NEVER : sum;
}

/* The rows that are missing from a cut timeline lie at or before cut_ms: taken for contacts, they
 * would block until the newest of them leaves the window. */
static void hold_where_cut(const struct contact_history *history, int64_t free_at_ms,
                           int64_t now_ms, struct contact_standing *standing) {
    if (!history->cut || free_at_ms <= now_ms || free_at_ms <= standing->free_at_ms) return;
    standing->free_at_ms = free_at_ms;
    standing->cut = true;
}

/* A cap frees up when so many have left its window, or lapsed, that max_count - 1 are left. `zone`:
 * of calendar days. */
static inline __attribute__((always_inline)) enum status
stand_in(struct contact_history *history, const struct policy *policy,
         const struct treatment *treatment, const struct time_zone *zone, int64_t now_ms,
         struct contact_standing *out) {
    const struct contact_series *list = &history->messages;
    int64_t day = policy->per_day ? local_day(zone, now_ms) : 0,
            day_end_ms = policy->per_day ? local_day_end(zone, now_ms) : 0;
    *out = (struct contact_standing){.free_at_ms = policy->max_count == 0 ? TIME_NEVER : 0};
    for (uint32_t i = walk_begin(list, policy, treatment); i != NOTHING;
         i = walk_next(list, policy, i)) {
        const struct contact *contact = &list->items[i];
        int64_t leaves_ms =
            policy->per_day ? day_end_ms : saturated_add(contact->time_ms, policy->window_ms);
        if (policy->per_day ? local_day(zone, contact->time_ms) != day : leaves_ms <= now_ms) break;
        leaves_ms = earlier(leaves_ms, contact->until_ms);
        if (leaves_ms <= now_ms || !counts(history, policy, contact, treatment)) continue;
        enum status status = keep_moment(history, out->counted, leaves_ms);
        if (status != STATUS_OK) return status;
        note(out, contact);
    }
    if (policy->max_count > 0 && out->counted >= policy->max_count) {
        qsort(history->moments, out->counted, sizeof *history->moments, latest_first);
        out->free_at_ms = history->moments[policy->max_count - 1];
    }
    bool reaches_cut = !policy->per_day || local_day(zone, history->cut_ms) == day;
    hold_where_cut(history,
                   policy->per_day ? (reaches_cut ? day_end_ms : 0)
                                   : saturated_add(history->cut_ms, policy->window_ms),
                   now_ms, out);
    return STATUS_OK;
}

/* Where it is not known which calendar day it is for the customer, a cap that blocks on one of them
 * blocks. */
__attribute__((noinline)) static enum status
stand_in_any(struct contact_history *history, const struct policy *policy,
             const struct treatment *treatment, int64_t now_ms, struct contact_standing *out) {
    const struct where *where = &history->where;
    enum status status = STATUS_OK;
    *out = (struct contact_standing){.free_at_ms = -1};
    for (uint32_t i = 0; i < where->day_count && status == STATUS_OK; i++) {
        struct contact_standing standing;
        status = stand_in(history, policy, treatment, where->day_zones[i], now_ms, &standing);
        if (status == STATUS_OK && standing.free_at_ms > out->free_at_ms) *out = standing;
    }
    return status;
}

static enum status stand_at_most(struct contact_history *history, const struct policy *policy,
                                 const struct treatment *treatment, int64_t now_ms,
                                 struct contact_standing *out) {
    const struct where *where = &history->where;
    if (policy->per_day && where->day_count > 1)
        return stand_in_any(history, policy, treatment, now_ms, out);
    return stand_in(history, policy, treatment, where->day_zones[0], now_ms, out);
}

/* The pause counts from the event that fills the number: the newest one that has max_count - 1
 * others before it, within times_within_ms where the policy says so. */
static enum status stand_after(struct contact_history *history, const struct policy *policy,
                               const struct treatment *treatment, int64_t now_ms,
                               struct contact_standing *out) {
    const struct contact_series *list = &history->events;
    uint32_t before = policy->max_count > 1 ? policy->max_count - 1 : 0, found = 0;
    int64_t newest_ms = 0;
    *out = (struct contact_standing){0};
    /* history->moments: times of those that count, newest first. */
    for (uint32_t i = walk_begin(list, policy, treatment); i != NOTHING;
         i = walk_next(list, policy, i)) {
        const struct contact *contact = &list->items[i];
        if (!counts(history, policy, contact, treatment)) continue;
        enum status status = keep_moment(history, found, contact->time_ms);
        if (status != STATUS_OK) return status;
        if (found++ == 0) newest_ms = contact->time_ms;
        note(out, contact);
        if (found <= before) continue;
        int64_t fills_ms = history->moments[found - 1 - before];
        if (saturated_add(fills_ms, policy->window_ms) <= now_ms) break;
        bool close =
            policy->times_within_ms == 0 || contact->time_ms > fills_ms - policy->times_within_ms;
        int64_t free_ms = saturated_add(fills_ms, policy->window_ms);
        if (before == 0) free_ms = earlier(free_ms, contact->until_ms);
        if (close && free_ms > out->free_at_ms) out->free_at_ms = free_ms;
        if (close && contact->until_ms >= TIME_NEVER) break; /* older ones end earlier */
    }
    if (out->free_at_ms <= now_ms) out->free_at_ms = 0;
    int64_t from_ms = found > 0 && before > 0 ? newest_ms : history->cut_ms;
    hold_where_cut(history, saturated_add(from_ms, policy->window_ms), now_ms, out);
    return STATUS_OK;
}

static enum status stand(struct contact_history *history, uint32_t index,
                         const struct treatment *treatment, int64_t now_ms,
                         struct contact_standing *out) {
    const struct playbook *playbook = history->data->playbook;
    const struct policy *policy = &playbook->policies[index];
    struct standing_cache *cache = history->cache;
    bool by_action = policy->scope == SCOPE_SAME_ACTION || policy->scope == SCOPE_SAME_GROUP;
    size_t at = (size_t)index * cache->width +
                (by_action ? (size_t)(treatment->action - playbook->actions) : 0);
    bool cached = policy->scope != SCOPE_SAME_TREATMENT;
    if (cached && cache->items[at].epoch == cache->epoch) {
        *out = cache->items[at].standing;
        return STATUS_OK;
    }
    enum status status = policy->kind == POLICY_AT_MOST
                             ? stand_at_most(history, policy, treatment, now_ms, out)
                             : stand_after(history, policy, treatment, now_ms, out);
    if (status == STATUS_OK && cached) {
        cache->items[at].epoch = cache->epoch;
        cache->items[at].standing = *out;
    }
    return status;
}

/* Quiet times never forbid to decide, they defer the sending; but not for longer than a decision
 * lives. */
static void judge_quiet(const struct contact_history *history, const struct treatment *treatment,
                        int64_t now_ms, const struct policy **policy, struct contact_verdict *out) {
    const struct messaging *messaging = &history->messaging[treatment->channel];
    *policy = NULL;
    out->send_after_ms = now_ms;
    if (messaging->inbound) return;
    out->send_after_ms = quiet_send_after(&history->where, treatment, now_ms, policy);
    if (out->send_after_ms < saturated_add(now_ms, messaging->expires_ms)) {
        *policy = NULL;
        return;
    }
    out->free_at_ms = out->send_after_ms >= TIME_NEVER
                          ? TIME_NEVER
                          : out->send_after_ms - messaging->expires_ms + 1;
}

/* Most treatments never went out to the customer: then a policy has nothing to count. */
static bool has_none(const struct contact_history *history, const struct policy *policy,
                     const struct treatment *treatment) {
    bool at_most = policy->kind == POLICY_AT_MOST;
    const struct contact_series *list = at_most ? &history->messages : &history->events;
    if (history->cut || counts_for_any(policy)) return false;
    return walk_begin(list, policy, treatment) == NOTHING;
}

/* The policy blocks: takes it where it is the first in playbook order. */
static void take_block(struct contact_verdict *verdict, const struct policy *policy,
                       const struct contact_standing *standing) {
    if (verdict->blocking == NULL || policy < verdict->blocking) {
        verdict->blocking = policy;
        verdict->standing = *standing;
    }
    if (standing->free_at_ms > verdict->free_at_ms) verdict->free_at_ms = standing->free_at_ms;
}

/* A contact that is added counts once for a cap, and may be what a wait is after. So many may be
 * added before one of the policies seen so far blocks. */
static uint32_t earlier_block(uint32_t left, const struct policy *policy,
                              const struct contact_standing *standing) {
    if (policy->kind == POLICY_AFTER)
        return policy->after_event == EVENT_TREATMENT_DELIVERED ? 0 : left;
    uint32_t room =
        policy->max_count > standing->counted ? policy->max_count - standing->counted : 0;
    return room < left ? room : left;
}

/* Quiet times and the policies that count more than one treatment. */
static enum status judge_shared(struct contact_history *history, const struct treatment *treatment,
                                int64_t now_ms, struct contact_route *route) {
    const struct playbook *playbook = history->data->playbook;
    const struct policy *quiet;
    struct contact_verdict *out = &route->shared;
    uint32_t left = UINT32_MAX;
    *out = (struct contact_verdict){.free_at_ms = now_ms};
    judge_quiet(history, treatment, now_ms, &quiet, out);
    int64_t quiet_free_ms = out->free_at_ms;
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        const struct policy *policy = &playbook->policies[i];
        struct contact_standing standing = {.free_at_ms = quiet_free_ms};
        if (counts_one_treatment(policy) || (!limits(policy) && policy != quiet)) continue;
        if (limits(policy) && !policy_applies(policy, treatment)) continue;
        if (limits(policy)) {
            enum status status = stand(history, i, treatment, now_ms, &standing);
            if (status != STATUS_OK) return status;
            left = earlier_block(left, policy, &standing);
        }
        if (standing.free_at_ms > now_ms) take_block(out, policy, &standing);
    }
    uint32_t added = history->cache->added;
    route->reading = history->cache->reading;
    route->added_max = left < UINT32_MAX - added ? added + left : UINT32_MAX;
    return STATUS_OK;
}

/* Does the verdict stand in spite of what was added behind it? */
static bool still_passes(const struct contact_route *route, const struct standing_cache *cache) {
    return route->reading == cache->reading && route->shared.blocking == NULL &&
           cache->added < route->added_max;
}

enum status contact_shared(struct contact_history *history, const struct treatment *treatment,
                           int64_t now_ms, const struct contact_verdict **out) {
    struct contact_route *route = &history->routes[contact_route(history, treatment)];
    struct standing_cache *cache = history->cache;
    if (cache->now_ms != now_ms) contact_cache_clear(history);
    cache->now_ms = now_ms;
    *out = &route->shared;
    if (route->epoch == cache->epoch || still_passes(route, cache)) return STATUS_OK;
    enum status status = judge_shared(history, treatment, now_ms, route);
    if (status == STATUS_OK) route->epoch = cache->epoch;
    return status;
}

bool contact_route_counts_none(const struct contact_history *history, uint32_t route) {
    const struct contact_route *judged = &history->routes[route];
    return judged->own_count == 0 || (!history->cut && !judged->own_needs_all);
}

enum status contact_check(struct contact_history *history, const struct treatment *treatment,
                          int64_t now_ms, struct contact_verdict *out) {
    const struct contact_route *route = &history->routes[contact_route(history, treatment)];
    const struct contact_verdict *shared;
    enum status status = contact_shared(history, treatment, now_ms, &shared);
    if (status != STATUS_OK) return status;
    *out = *shared;
    for (uint32_t i = 0; i < route->own_count; i++) {
        uint32_t index = history->own_policies[route->own_first + i];
        struct contact_standing standing;
        if (has_none(history, &history->data->playbook->policies[index], treatment)) continue;
        status = stand(history, index, treatment, now_ms, &standing);
        if (status != STATUS_OK) return status;
        if (standing.free_at_ms > now_ms)
            take_block(out, &history->data->playbook->policies[index], &standing);
    }
    return STATUS_OK;
}
