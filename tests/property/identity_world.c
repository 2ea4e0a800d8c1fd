/* SPDX-License-Identifier: Apache-2.0 */
#include "identity_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "identity/identity_internal.h" /* link_order: what canonical means */

static const uint32_t limits[WORLD_TYPES] = {0, 2, 2, 3};

void world_make(struct identity_world *world, uint64_t seed) {
    *world = (struct identity_world){.event_count = 0};
    random_init(&world->random, seed);
    struct random *random = &world->random;
    for (uint32_t i = 0; i < WORLD_TYPES; i++) {
        world->rules[i] =
            (struct identifier_rule){.symbol = i, .priority = i, .per_customer = limits[i]};
        if (random_below(random, 4) == 0)
            world->rules[i].per_customer = 1 + (uint32_t)random_below(random, 4);
        if (random_below(random, 4) == 0)
            world->rules[i].expires_ms = 100 + (int64_t)random_below(random, 1500);
    }
    world->rules[0].unique = random_below(random, 4) != 0;
    uint32_t values = 2 + (uint32_t)random_below(random, WORLD_VALUES - 1);
    int64_t ticks = 1 + (int64_t)random_below(random, WORLD_TIME_MAX);
    world->event_count = 4 + (uint32_t)random_below(random, WORLD_EVENTS_MAX - 3);
    for (uint32_t i = 0; i < world->event_count; i++) {
        struct world_event *event = &world->events[i];
        event->position = event->gone_position = UINT64_MAX;
        event->known_ms =
            (int64_t)random_below(random, (uint64_t)ticks) * (WORLD_TIME_MAX / ticks) -
            WORLD_TIME_MAX / 4;
        event->count = 1 + (uint32_t)random_below(random, 3);
        event->first_name = 1 + (uint32_t)random_below(random, 6);
        for (uint32_t k = 0; k < event->count; k++)
            event->identifiers[k] = (uint32_t)(random_below(random, WORLD_TYPES) * WORLD_VALUES +
                                               random_below(random, values));
    }
}

struct text world_value(uint32_t identifier, char out[16]) {
    uint32_t value = identifier % WORLD_VALUES; /* some as short as a member's number */
    int length = snprintf(out, 16, value % 2 ? "v%u@x" : "10%u", value);
    return (struct text){out, (uint32_t)length};
}

static uint64_t content(uint32_t identifier) {
    char bytes[16];
    struct key key = {(uint8_t)(identifier / WORLD_VALUES), world_value(identifier, bytes)};
    return key_hash(key);
}

static bool is_name(const struct identity_world *world, const struct world_event *event,
                    uint32_t index) {
    return world->with_names && index >= event->first_name;
}

enum status world_batch(const struct identity_world *world, const uint32_t *order, uint32_t count,
                        struct event_batch *batch) {
    event_batch_clear(batch);
    for (uint32_t i = 0; i < count; i++) {
        const struct world_event *given = &world->events[order[i]];
        struct event *event = event_batch_add(batch);
        if (!event) return STATUS_NO_MEMORY;
        event->time_ms = event->known_ms = given->known_ms;
        for (uint32_t k = 0; k < given->count; k++) {
            char bytes[16];
            struct text value = world_value(given->identifiers[k], bytes);
            enum status status =
                event_batch_add_identifier(batch, given->identifiers[k] / WORLD_VALUES, value);
            if (status) return status;
            batch->identifiers[batch->identifier_count - 1].if_known = is_name(world, given, k);
        }
    }
    return STATUS_OK;
}

/* ---- the model ---- */

struct model_link {
    uint32_t a, b;
    int64_t known_ms;
    uint64_t order;
};
struct sightings {
    int64_t at[WORLD_EVENTS_MAX * 2];
    uint32_t count;
};

static int by_order(const void *left, const void *right) {
    const struct model_link *a = left, *b = right;
    if (a->known_ms != b->known_ms) return a->known_ms < b->known_ms ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* A row that names somebody who was erased is turned away whole, from then on. */
static bool is_turned_away(const struct identity_world *world, const struct world_event *event) {
    for (uint32_t k = 0; k < event->count; k++) {
        if (world->erased_at[event->identifiers[k]] < event->position) return true;
    }
    return false;
}

static uint32_t anchor_of(const struct identity_world *world, const struct world_event *event) {
    uint32_t best = WORLD_IDENTIFIERS;
    if (is_turned_away(world, event)) return best;
    for (uint32_t k = 0; k < event->count; k++) {
        uint32_t id = event->identifiers[k], type = id / WORLD_VALUES,
                 best_type = best / WORLD_VALUES;
        if (is_name(world, event, k)) continue;
        if (type < best_type || (type == best_type && content(id) < content(best))) best = id;
    }
    return best;
}

/* Is the name of the event known? One that waits is forgotten when an identifier with the same text
 * is erased. */
static bool is_known(const struct identity_world *world, const struct world_event *event,
                     uint32_t name, uint64_t position) {
    if (!world_is_there(world, name, position)) return false;
    for (uint32_t id = name % WORLD_VALUES; id < WORLD_IDENTIFIERS; id += WORLD_VALUES) {
        uint64_t erased_at = world->erased_at[id];
        if (erased_at == UINT64_MAX || erased_at < event->position) continue;
        if (!world_is_there(world, name, erased_at)) return false;
    }
    return true;
}

static bool is_withdrawn(const struct identity_world *world, uint32_t a, uint32_t b,
                         struct as_of as_of) {
    int64_t last_ms = INT64_MIN;
    bool withdrawn = false;
    for (uint32_t i = 0; i < world->withdrawal_count; i++) {
        const struct world_withdrawal *one = &world->withdrawals[i];
        bool is_pair = (one->a == a && one->b == b) || (one->a == b && one->b == a);
        if (!is_pair || one->known_ms > as_of.t_ms || one->position >= as_of.position) continue;
        if (one->known_ms < last_ms) continue;
        last_ms = one->known_ms;
        withdrawn = !one->restore;
    }
    return withdrawn;
}

static uint32_t list_links(const struct identity_world *world, struct as_of as_of,
                           struct model_link *links) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->event_count; i++) {
        const struct world_event *event = &world->events[i];
        if (event->position >= as_of.position || event->known_ms > as_of.t_ms) continue;
        if (event->gone_position < as_of.position && event->gone_ms <= as_of.t_ms) continue;
        uint32_t anchor = anchor_of(world, event);
        if (anchor == WORLD_IDENTIFIERS || world->erased_at[anchor] != UINT64_MAX) continue;
        for (uint32_t k = 0; k < event->count; k++) {
            uint32_t id = event->identifiers[k];
            if (world->erased_at[id] != UINT64_MAX) continue;
            if (is_name(world, event, k) && !is_known(world, event, id, as_of.position)) continue;
            if (id == anchor || is_withdrawn(world, anchor, id, as_of)) continue;
            links[count++] = (struct model_link){anchor, id, event->known_ms,
                                                 link_order(content(anchor), content(id))};
        }
    }
    qsort(links, count, sizeof(*links), by_order);
    return count;
}

static int64_t step_of(int64_t expires_ms, int64_t time_ms) {
    if (expires_ms == 0) return 0;
    int64_t step = expires_ms / 8 > 0 ? expires_ms / 8 : 1, number = 0;
    while (number * step > time_ms) number--;
    while ((number + 1) * step <= time_ms) number++;
    return number;
}

/* Only the first sighting in each step of an eighth is looked at; a gap of nine eighths ends it for
 * good. */
static bool is_too_long(int64_t expires_ms, int64_t gap_ms) {
    return gap_ms > expires_ms + expires_ms / 8;
}

static bool is_expired(int64_t expires_ms, const struct sightings *seen) {
    if (expires_ms == 0) return false;
    int64_t before = seen->at[0];
    for (uint32_t i = 1; i < seen->count; i++) {
        if (step_of(expires_ms, seen->at[i]) == step_of(expires_ms, before)) continue;
        if (is_too_long(expires_ms, seen->at[i] - before)) return true;
        before = seen->at[i];
    }
    return false;
}

/* At a moment: was it last seen so long ago that it holds no place any more? */
static bool is_alive(int64_t expires_ms, const struct sightings *seen, int64_t now_ms) {
    if (expires_ms == 0 || seen->count == 0) return true;
    int64_t last = seen->at[0];
    for (uint32_t i = 1; i < seen->count; i++) {
        if (step_of(expires_ms, seen->at[i]) != step_of(expires_ms, last)) last = seen->at[i];
    }
    return !is_too_long(expires_ms, now_ms - last);
}

void world_linked(const struct identity_world *world, bool linked[WORLD_TYPES]) {
    memset(linked, 0, WORLD_TYPES * sizeof(*linked));
    for (uint32_t i = 0; i < world->event_count; i++) {
        const struct world_event *event = &world->events[i];
        if (event->position == UINT64_MAX) continue;
        uint32_t anchor = anchor_of(world, event);
        if (anchor == WORLD_IDENTIFIERS || world->erased_at[anchor] != UINT64_MAX) continue;
        for (uint32_t k = 0; k < event->count; k++) {
            uint32_t id = event->identifiers[k];
            if (id == anchor || world->erased_at[id] != UINT64_MAX) continue;
            if (is_name(world, event, k) && !is_known(world, event, id, UINT64_MAX)) continue;
            linked[anchor / WORLD_VALUES] = linked[id / WORLD_VALUES] = true;
        }
    }
}

void world_rules(const struct identity_world *world, struct as_of as_of,
                 struct identifier_rule rules[WORLD_TYPES]) {
    struct identifier_rule eras[WORLD_RULINGS_MAX + 1][WORLD_TYPES];
    int64_t from_ms[WORLD_RULINGS_MAX + 1] = {INT64_MIN};
    uint32_t count = 1;
    memcpy(eras[0], world->rules, sizeof(eras[0]));
    for (uint32_t i = 0; i < world->ruling_count; i++) {
        const struct world_ruling *ruling = &world->rulings[i];
        bool any = false;
        if (ruling->position >= as_of.position) continue;
        for (uint32_t type = 0; type < WORLD_TYPES; type++) any |= ruling->linked[type];
        if (!any)
            count = 1;
        else if (ruling->known_ms > from_ms[count - 1])
            from_ms[count++] = ruling->known_ms;
        memcpy(eras[count - 1], ruling->rules, sizeof(ruling->rules));
        for (uint32_t era = 0; era < count; era++) {
            for (uint32_t type = 0; type < WORLD_TYPES; type++) {
                if (!ruling->linked[type]) eras[era][type] = ruling->rules[type];
            }
        }
    }
    while (count > 1 && from_ms[count - 1] > as_of.t_ms) count--;
    memcpy(rules, eras[count - 1], sizeof(eras[0]));
}

static bool breaks_a_limit(const struct identifier_rule *rules, const struct sightings *seen,
                           const uint32_t *group, const struct model_link *link) {
    for (uint32_t type = 0; type < WORLD_TYPES; type++) {
        uint32_t in_a = 0, in_b = 0, max = rules[type].unique ? 1 : rules[type].per_customer;
        for (uint32_t value = 0; value < WORLD_VALUES; value++) {
            uint32_t id = type * WORLD_VALUES + value;
            if (!is_alive(rules[type].expires_ms, &seen[id], link->known_ms)) continue;
            in_a += group[id] == group[link->a];
            in_b += group[id] == group[link->b];
        }
        if (max > 0 && in_a > 0 && in_b > 0 && in_a + in_b > max) return true;
    }
    return false;
}

/* Of the links of one pair in one step of both ends only the first is judged. */
static bool is_repeat(const struct identity_world *world, const struct model_link *links,
                      uint32_t index) {
    const struct model_link *link = &links[index];
    for (uint32_t i = 0; i < index; i++) {
        bool is_pair = (links[i].a == link->a && links[i].b == link->b) ||
                       (links[i].a == link->b && links[i].b == link->a);
        if (!is_pair) continue;
        int64_t expires_a = world->rules[link->a / WORLD_VALUES].expires_ms,
                expires_b = world->rules[link->b / WORLD_VALUES].expires_ms;
        if (step_of(expires_a, links[i].known_ms) != step_of(expires_a, link->known_ms)) continue;
        if (step_of(expires_b, links[i].known_ms) == step_of(expires_b, link->known_ms))
            return true;
    }
    return false;
}

void world_partition(const struct identity_world *world, struct as_of as_of,
                     uint32_t group[WORLD_IDENTIFIERS]) {
    static struct model_link links[WORLD_EVENTS_MAX * 2];
    static struct sightings seen[WORLD_IDENTIFIERS];
    struct identifier_rule rules[WORLD_TYPES];
    world_rules(world, as_of, rules);
    memset(seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < WORLD_IDENTIFIERS; i++) group[i] = i;
    uint32_t count = list_links(world, as_of, links);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t a = links[i].a, b = links[i].b;
        seen[a].at[seen[a].count++] = links[i].known_ms;
        seen[b].at[seen[b].count++] = links[i].known_ms;
        if (group[a] == group[b] || is_repeat(world, links, i)) continue;
        if (breaks_a_limit(rules, seen, group, &links[i])) continue;
        if (is_expired(rules[a / WORLD_VALUES].expires_ms, &seen[a]) ||
            is_expired(rules[b / WORLD_VALUES].expires_ms, &seen[b]))
            continue;
        uint32_t from = group[b], to = group[a];
        for (uint32_t k = 0; k < WORLD_IDENTIFIERS; k++) {
            if (group[k] == from) group[k] = to;
        }
    }
}

bool world_is_there(const struct identity_world *world, uint32_t identifier, uint64_t position) {
    if (world->erased_at[identifier] != UINT64_MAX) return false;
    for (uint32_t i = 0; i < world->event_count; i++) {
        const struct world_event *event = &world->events[i];
        if (event->position >= position || is_turned_away(world, event)) continue;
        for (uint32_t k = 0; k < event->count; k++) {
            if (event->identifiers[k] == identifier && !is_name(world, event, k)) return true;
        }
    }
    return false;
}
