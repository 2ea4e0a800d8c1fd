/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/record.h"

/* A batch goes through in blocks of events. With millions of identifiers every lookup misses the
 * cache at each step, so each step is taken for the whole block before the next: slots are fetched,
 * then texts, then (for events with several identifiers) the same for the set, and only then are
 * personas decided one by one. */
#define BLOCK_EVENTS 32
#define BLOCK_PROBES (BLOCK_EVENTS * EVENT_IDENTIFIERS_MAX)

struct probe {
    struct text value;
    uint64_t hash;
    uint32_t id;
    uint8_t type;
    bool over_rate;
    bool is_alone; /* in its event */
    bool is_same;  /* as the probe before, which has been found or added first */
    bool if_known;
};
struct set {               /* of an event */
    uint32_t first, count; /* its probes */
    /* Further probes behind: what it is said to be called; of a public source what it claims. */
    uint32_t name_count;
    uint8_t trust;                       /* enum event_trust */
    uint32_t ids[EVENT_IDENTIFIERS_MAX]; /* ascending, each once */
    uint32_t id_count;
    uint64_t hash;
};
struct resolve_scratch {
    struct probe probes[BLOCK_PROBES];
    struct set sets[BLOCK_EVENTS];
    uint32_t probe_count;
};

enum status resolve_scratch_create(struct resolve_scratch **out) {
    *out = memory_calloc(1, sizeof(**out));
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

void resolve_scratch_destroy(struct resolve_scratch *scratch) {
    memory_free(scratch);
}

/* ---- one block: fetching ---- */

/* Rows of one person often follow one another. */
static bool is_as_before(const struct resolve_scratch *scratch, uint32_t type, struct text value) {
    if (scratch->probe_count == 0) return false;
    const struct probe *before = &scratch->probes[scratch->probe_count - 1];
    return before->type == type && text_equal(before->value, value);
}

static bool collect_one(struct identity *identity, const struct event_batch *batch,
                        const struct event_identifier *given) {
    struct resolve_scratch *scratch = identity->resolve;
    if (given->type >= IDENTIFIER_TYPES_MAX) return false;
    struct text value = event_batch_text(batch, given->offset, given->length);
    if (is_as_before(scratch, given->type, value)) {
        struct probe *probe = &scratch->probes[scratch->probe_count++];
        *probe = probe[-1];
        probe->is_alone = false;
        probe->is_same = true;
        return true;
    }
    const struct intake_rule *rule = &identity->intake[given->type];
    if (value_is_blocked(value, rule->blocked, rule->blocked_count) &&
        !value_is_listed(value, rule->allowed, rule->allowed_count)) {
        identity->blocked_count += !given->if_known;
        return false;
    }
    struct probe *probe = &scratch->probes[scratch->probe_count++];
    *probe = (struct probe){.value = value, .type = (uint8_t)given->type, .id = NONE};
    probe->hash = key_hash((struct key){probe->type, value});
    key_table_prefetch_slot(&identity->identifiers, probe->hash);
    return true;
}

static bool is_of_device(const struct identity *identity, const struct event_identifier *given) {
    return given->type < IDENTIFIER_TYPES_MAX && identity->intake[given->type].device;
}

/* Of a public source: the device, the first one by priority; behind it what it claims. Other
 * devices are left out, since nobody vouches that they are the same. */
static void collect_public(struct identity *identity, const struct event_batch *batch,
                           const struct event *event, uint32_t count, struct set *set) {
    struct resolve_scratch *scratch = identity->resolve;
    const struct event_identifier *given = batch->identifiers + event->identifier, *device = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_of_device(identity, &given[i]) || given[i].if_known) continue;
        uint32_t priority = guards_now(identity)[given[i].type].priority;
        if (set->count == 1) {
            identity->left_claims++;
            if (priority >= guards_now(identity)[device->type].priority) continue;
            scratch->probe_count--;
            set->count = 0;
        }
        if (collect_one(identity, batch, &given[i])) {
            device = &given[i];
            set->count = 1;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (is_of_device(identity, &given[i]) || !collect_one(identity, batch, &given[i])) continue;
        scratch->probes[scratch->probe_count - 1].if_known = given[i].if_known;
        set->name_count++;
    }
}

static void collect(struct identity *identity, const struct event_batch *batch,
                    const struct event *event, struct set *set) {
    struct resolve_scratch *scratch = identity->resolve;
    *set = (struct set){.first = scratch->probe_count, .trust = event->trust};
    uint32_t count = event->identifier_count < EVENT_IDENTIFIERS_MAX ? event->identifier_count
                                                                     : EVENT_IDENTIFIERS_MAX;
    uint32_t names = 0;
    if (event->trust != EVENT_VERIFIED) {
        collect_public(identity, batch, event, count, set);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct event_identifier *given = &batch->identifiers[event->identifier + i];
        names += given->if_known;
        if (!given->if_known) set->count += collect_one(identity, batch, given);
    }
    if (set->count == 1) scratch->probes[set->first].is_alone = true;
    for (uint32_t i = 0; names > 0 && i < count; i++) {
        const struct event_identifier *given = &batch->identifiers[event->identifier + i];
        if (given->if_known) set->name_count += collect_one(identity, batch, given);
    }
}

static void fetch_probes(struct identity *identity) {
    struct resolve_scratch *scratch = identity->resolve;
    for (uint32_t i = 0; i < scratch->probe_count; i++) {
        struct probe *probe = &scratch->probes[i];
        if (probe->is_same) continue;
        uint32_t probable = key_table_prefetch_text(&identity->identifiers, probe->hash);
        bool needs_single = probe->is_alone && probable != UINT32_MAX;
        if (needs_single) __builtin_prefetch(single_at(identity, probable));
    }
}

/* A batch is larger than the caches: the values of its first events have left them. */
static void fetch_texts(const struct event_batch *batch, const struct event *events,
                        uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (events[i].identifier_count == 0) continue;
        const struct event_identifier *first = &batch->identifiers[events[i].identifier];
        __builtin_prefetch(batch->bytes.at + first->offset);
        __builtin_prefetch(batch->bytes.at + first->offset + first->length);
    }
}

static void fetch_sets(struct identity *identity, uint32_t set_count) {
    struct set *sets = identity->resolve->sets;
    for (uint32_t i = 0; i < set_count; i++) {
        if (sets[i].id_count < 2) continue;
        sets[i].hash = key_hash(persona_key(sets[i].ids, sets[i].id_count));
        key_table_prefetch_slot(&identity->personas, sets[i].hash);
    }
    for (uint32_t i = 0; i < set_count; i++) {
        if (sets[i].id_count < 2) continue;
        uint32_t probable = key_table_prefetch_text(&identity->personas, sets[i].hash);
        if (probable != UINT32_MAX) __builtin_prefetch(window_at(identity, probable));
    }
}

/* ---- identifiers ---- */

/* Counts the event on the identifier's day. Only the newest day is kept: an older event counts as
 * within its rate. */
static enum status count_day(struct identity *identity, struct probe *probe, int64_t time_ms) {
    uint32_t max = identity->intake[probe->type].events_per_day_max;
    if (max == 0) return STATUS_OK;
    enum status status = undo_reserve(identity, 2);
    if (status) return status;
    struct day_count *cell = column_at(&identity->days, probe->id, sizeof(*cell));
    int64_t day = time_ms / TIME_DAY_MS + 1;
    if (day < 1 || day < LOAD(cell->day) || day > UINT32_MAX) return STATUS_OK;
    bool is_new_day = (uint32_t)day != LOAD(cell->day);
    if (is_new_day) keep_set(identity, &cell->day, (uint32_t)day);
    keep_set(identity, &cell->count, is_new_day ? 1 : LOAD(cell->count) + 1);
    probe->over_rate = LOAD(cell->count) > max;
    return STATUS_OK;
}

static bool find(const struct identity *identity, struct probe *probe) {
    struct key key = {probe->type, probe->value};
    if (probe->is_same && probe[-1].id != NONE) {
        probe->id = probe[-1].id;
        return true;
    }
    if (key_table_find(&identity->identifiers, key, probe->hash, &probe->id)) return true;
    if (spelling_alias(&identity->spelling, key, probe->hash, &probe->id)) return true;
    probe->id = NONE;
    return false;
}

static enum status find_or_add(struct identity *identity, struct probe *probe) {
    struct key key = {probe->type, probe->value};
    if (probe->id != NONE || find(identity, probe)) return STATUS_OK;
    return identifier_add(identity, key, probe->hash, &probe->id);
}

/* A row that names an erased identifier says of all others in it that they are the erased person:
 * it is turned away whole, and none of them gets an id from it. They are not suppressed
 * themselves: a tablet that the erased person shared is still somebody's. */
static bool names_erased(struct identity *identity, struct set *set) {
    struct probe *probes = identity->resolve->probes + set->first;
    for (uint32_t i = 0; i < set->count + set->name_count; i++) {
        if (!find(identity, &probes[i]) && is_suppressed(identity, probes[i].type, probes[i].value))
            return true;
    }
    return false;
}

/* Returns false where it was there already: a row may give one value in two columns. */
static bool set_insert(struct set *set, uint32_t id) {
    uint32_t at = set->id_count;
    while (at > 0 && set->ids[at - 1] > id) at--;
    if (at > 0 && set->ids[at - 1] == id) return false;
    memmove(set->ids + at + 1, set->ids + at, (set->id_count - at) * sizeof(*set->ids));
    set->ids[at] = id;
    set->id_count++;
    return true;
}

static enum status identify(struct identity *identity, struct set *set, int64_t time_ms) {
    struct probe *probes = identity->resolve->probes + set->first;
    if (names_erased(identity, set)) return STATUS_OK;
    for (uint32_t i = 0; i < set->count; i++) {
        enum status status = find_or_add(identity, &probes[i]);
        if (status) return status;
        if (!set_insert(set, probes[i].id)) continue;
        status = count_day(identity, &probes[i], time_ms);
        if (status) return status;
    }
    return STATUS_OK;
}

/* ---- personas and their links ---- */

static bool is_stronger(const struct identity *identity, const struct probe *a,
                        const struct probe *b) {
    const struct guard *guards = guards_now(identity);
    uint32_t priority_a = guards[a->type].priority, priority_b = guards[b->type].priority;
    if (priority_a != priority_b) return priority_a < priority_b;
    if (a->hash != b->hash) return a->hash < b->hash;
    return a->type != b->type ? a->type < b->type : text_compare(a->value, b->value) < 0;
}

/* Returns the strongest identifier: by priority, then by content, never by id, since the order of
 * arrival must not matter. */
static uint32_t strongest(const struct identity *identity, const struct set *set) {
    const struct probe *probes = identity->resolve->probes + set->first, *best = NULL;
    for (uint32_t i = 0; i < set->count; i++) {
        if (probes[i].id == NONE) continue;
        if (!best || is_stronger(identity, &probes[i], best)) best = &probes[i];
    }
    return best->id;
}

static const struct probe *probe_of(const struct identity *identity, const struct set *set,
                                    uint32_t id) {
    const struct probe *probe = identity->resolve->probes + set->first;
    while (probe->id != id) probe++;
    return probe;
}

/* Up to when, from known_ms on, the same identifiers together would be nothing new, under any era.
 */
static int64_t window_end(const struct identity *identity, const struct set *set,
                          int64_t known_ms) {
    int64_t end = INT64_MAX;
    for (uint32_t i = 0; i < set->id_count; i++) {
        uint8_t type = identifier_type(identity, set->ids[i]);
        for (uint32_t era = 0; era < identity->era_count; era++) {
            const struct guard *guard = &identity->eras[era].guards[type];
            if (guard->expires_ms <= 0) continue;
            int64_t bucket_end = (expiry_bucket(guard, known_ms) + 1) * expiry_step(guard);
            if (bucket_end < end) end = bucket_end;
        }
    }
    return end;
}

static int64_t sane_time(int64_t time_ms) {
    if (time_ms < TIME_ALWAYS) return TIME_ALWAYS;
    return time_ms > TIME_NEVER ? TIME_NEVER : time_ms;
}

static enum status link_star(struct identity *identity, const struct set *set, uint32_t anchor,
                             const struct event *event, bool *over_rate) {
    const struct probe *center = probe_of(identity, set, anchor);
    for (uint32_t i = 0; i < set->id_count; i++) {
        if (set->ids[i] == anchor) continue;
        const struct probe *probe = probe_of(identity, set, set->ids[i]);
        struct link link = {
            .strong = anchor, .weak = probe->id, .source = event->source, .weight = 1};
        link.time_ms = sane_time(event->time_ms);
        link.known_ms = sane_time(event->known_ms);
        link.order = link_order(center->hash, probe->hash);
        if (center->over_rate || probe->over_rate) link.flags = LINK_FLAG_RATE;
        *over_rate |= link.flags != 0;
        enum status status = pending_add(identity, &link);
        if (status) return status;
    }
    return STATUS_OK;
}

static enum status link_persona(struct identity *identity, const struct set *set, uint32_t persona,
                                const struct event *event) {
    struct known_window *window = window_at(identity, persona);
    int64_t known_ms = sane_time(event->known_ms);
    if (known_ms >= window->from_ms && known_ms < window->until_ms) return STATUS_OK;
    bool over_rate = false;
    enum status status = undo_reserve(identity, 2);
    if (!status)
        status = link_star(identity, set, LOAD(*anchor_at(identity, persona)), event, &over_rate);
    if (status || over_rate) return status;
    keep_set_wide(identity, &window->from_ms, known_ms);
    keep_set_wide(identity, &window->until_ms, window_end(identity, set, known_ms));
    return STATUS_OK;
}

static enum status assign_single(struct identity *identity, const struct set *set,
                                 struct event *event) {
    uint32_t id = set->ids[0], single = LOAD(*single_at(identity, id));
    event->persona.value = single - 1;
    if (single) return STATUS_OK;
    return persona_add(identity, set->ids, 1, 0, id, false, &event->persona.value);
}

/* Links the person to what it is said to be called, where that is known, and keeps what was said.
 * */
static enum status name_person(struct identity *identity, const struct set *set, uint32_t anchor,
                               const struct event *event) {
    const struct probe *center = probe_of(identity, set, anchor);
    struct probe *names = identity->resolve->probes + set->first + set->count;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; !status && i < set->name_count && !center->over_rate; i++) {
        struct link link = {.strong = anchor, .source = event->source, .weight = 1};
        link.time_ms = sane_time(event->time_ms);
        link.known_ms = sane_time(event->known_ms);
        bool is_known = find(identity, &names[i]);
        if (is_known && names[i].id == anchor) continue;
        status = waiting_add(identity, (struct key){names[i].type, names[i].value}, names[i].hash,
                             &link);
        if (status || !is_known) continue;
        link.weak = names[i].id;
        link.order = link_order(center->hash, names[i].hash);
        status = pending_add(identity, &link);
    }
    return status;
}

static enum status assign_persona(struct identity *identity, const struct set *set,
                                  struct event *event) {
    if (set->id_count == 1) return assign_single(identity, set, event);
    uint32_t persona;
    struct key key = persona_key(set->ids, set->id_count);
    if (!key_table_find(&identity->personas, key, set->hash, &persona)) {
        uint32_t anchor = strongest(identity, set);
        enum status status =
            persona_add(identity, set->ids, set->id_count, set->hash, anchor, false, &persona);
        if (status) return status;
    }
    event->persona.value = persona;
    return link_persona(identity, set, persona, event);
}

static enum status claim_names(struct identity *identity, const struct set *set,
                               const struct event *event) {
    struct probe *names = identity->resolve->probes + set->first + set->count;
    enum status status = STATUS_OK;
    if (set->trust == EVENT_PUBLIC_NO_CLAIMS) {
        identity->left_claims += set->name_count;
        return STATUS_OK;
    }
    for (uint32_t i = 0; !status && i < set->name_count; i++) {
        if (names[i].if_known && names[i].id == NONE && !find(identity, &names[i])) continue;
        status = find_or_add(identity, &names[i]);
        if (status) return status;
        const struct claim claim = {.device = set->ids[0],
                                    .target = names[i].id,
                                    .source = event->source,
                                    .time_ms = sane_time(event->time_ms),
                                    .known_ms = sane_time(event->known_ms)};
        status = claim_add(identity, &claim);
    }
    return status;
}

static enum status assign_public(struct identity *identity, const struct set *set,
                                 struct event *event) {
    uint32_t device = set->ids[0];
    struct key key = public_persona_key(&device);
    uint64_t hash = key_hash(key);
    enum status status = STATUS_OK;
    if (!key_table_find(&identity->personas, key, hash, &event->persona.value))
        status = persona_add(identity, &device, 1, hash, device, true, &event->persona.value);
    return status ? status : claim_names(identity, set, event);
}

static enum status assign(struct identity *identity, const struct set *set, struct event *event) {
    if (set->id_count == 0) {
        event->persona.value = ID_NONE;
        identity->unusable_count++;
        return STATUS_OK;
    }
    if (set->trust != EVENT_VERIFIED) return assign_public(identity, set, event);
    enum status status = assign_persona(identity, set, event);
    if (status || set->name_count == 0) return status;
    return name_person(identity, set, LOAD(*anchor_at(identity, event->persona.value)), event);
}

/* ---- a batch ---- */

static enum status resolve_block(struct identity *identity, struct event_batch *batch, size_t first,
                                 uint32_t count) {
    struct resolve_scratch *scratch = identity->resolve;
    struct event *events = batch->events + first;
    scratch->probe_count = 0;
    fetch_texts(batch, events, count);
    for (uint32_t i = 0; i < count; i++) {
        size_t blocked = identity->blocked_count;
        collect(identity, batch, &events[i], &scratch->sets[i]);
        events[i].nobodys = (uint8_t)(identity->blocked_count - blocked);
    }
    fetch_probes(identity);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; !status && i < count; i++)
        status = identify(identity, &scratch->sets[i], events[i].time_ms);
    if (status) return status;
    fetch_sets(identity, count);
    for (uint32_t i = 0; !status && i < count; i++)
        status = assign(identity, &scratch->sets[i], &events[i]);
    return status;
}

enum status identity_resolve(struct identity *identity, struct event_batch *batch,
                             uint64_t position, struct identity_result *result,
                             struct error *error) {
    change_begin(identity, position);
    enum status status = STATUS_OK;
    for (size_t first = 0; !status && first < batch->event_count; first += BLOCK_EVENTS) {
        size_t left = batch->event_count - first;
        status = resolve_block(identity, batch, first,
                               left < BLOCK_EVENTS ? (uint32_t)left : BLOCK_EVENTS);
    }
    if (!status) status = judge_pending(identity);
    if (status) return change_fail(identity, status, error);
    change_result(identity, result);
    return STATUS_OK;
}
