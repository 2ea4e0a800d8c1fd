/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/record.h"

/* A new link is one of three:
 *
 *   in order   It is later than every link of both components. It is judged by what they hold
 *              now, and an edge is added.
 *   late       As of its turn it would have been refused, or would have joined what was joined
 *              already. It is noted; nothing else changes.
 *   dirty      It is late and changes something. The components wait, and are judged anew as a
 *              set at the end of the batch (judge_set.c). */

uint64_t content_hash(const struct identity *identity, uint32_t id) {
    return key_hash(key_table_key(&identity->identifiers, id));
}

uint64_t link_order(uint64_t content_a, uint64_t content_b) {
    uint64_t low = content_a < content_b ? content_a : content_b;
    uint64_t high = content_a < content_b ? content_b : content_a;
    return hash_u64(low + UINT64_C(0x9E3779B97F4A7C15) * hash_u64(high));
}

static int compare_u64(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

int link_compare(const struct link *a, const struct link *b) {
    if (a->known_ms != b->known_ms) return a->known_ms < b->known_ms ? -1 : 1;
    if (a->order != b->order) return compare_u64(a->order, b->order);
    uint32_t low_a = a->strong < a->weak ? a->strong : a->weak,
             low_b = b->strong < b->weak ? b->strong : b->weak;
    if (low_a != low_b) return compare_u64(low_a, low_b);
    uint32_t high_a = link_other(a, low_a), high_b = link_other(b, low_b);
    if (high_a != high_b) return compare_u64(high_a, high_b);
    return (int)a->flags - (int)b->flags;
}

int64_t expiry_bucket(const struct guard *guard, int64_t known_ms) {
    if (guard->expires_ms <= 0) return 0;
    int64_t step = expiry_step(guard);
    return known_ms / step - (known_ms % step < 0);
}

/* One step more than `expires`, since only the first sighting of a step is noted: never too early.
 */
bool guard_is_too_long(const struct guard *guard, int64_t gap_ms) {
    return guard->expires_ms > 0 && gap_ms > guard->expires_ms + guard->expires_ms / EXPIRY_STEPS;
}

void counts_clear(struct type_counts *counts) {
    counts->stamp++;
    counts->used_count = 0;
}

void counts_add(struct type_counts *counts, uint32_t side, uint8_t type) {
    if (counts->stamps[type] != counts->stamp) {
        counts->stamps[type] = counts->stamp;
        counts->count[0][type] = counts->count[1][type] = 0;
        counts->used[counts->used_count++] = type;
    }
    counts->count[side][type]++;
}

void counts_add_all(struct type_counts *counts, uint32_t side,
                    const uint32_t by_type[IDENTIFIER_TYPES_MAX]) {
    for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++) {
        if (by_type[type] == 0) continue;
        counts_add(counts, side, (uint8_t)type);
        counts->count[side][type] += by_type[type] - 1;
    }
}

static bool blames_before(const struct guard *guards, uint8_t type, uint32_t verdict, uint8_t other,
                          uint32_t other_verdict) {
    if (verdict != other_verdict) return verdict == LINK_UNIQUE;
    const struct guard *a = &guards[type], *b = &guards[other];
    return a->priority != b->priority ? a->priority < b->priority : type < other;
}

/* Returns the verdict of the counts. A unique type is blamed first, then types by priority, so that
 * the reason does not depend on the order of counting. */
enum link_verdict counts_verdict(const struct guard *guards, const struct type_counts *counts,
                                 uint8_t *blamed) {
    enum link_verdict verdict = LINK_ACCEPTED;
    for (uint32_t i = 0; i < counts->used_count; i++) {
        uint8_t type = counts->used[i];
        const struct guard *guard = &guards[type];
        uint32_t a = counts->count[0][type], b = counts->count[1][type];
        if (a == 0 || b == 0) continue;
        if (!guard->unique && (guard->per_customer == 0 || a + b <= guard->per_customer)) continue;
        enum link_verdict reason = guard->unique ? LINK_UNIQUE : LINK_LIMIT;
        if (verdict != LINK_ACCEPTED && !blames_before(guards, type, reason, *blamed, verdict))
            continue;
        verdict = reason;
        *blamed = type;
    }
    return verdict;
}

/* Is the link a sighting of its ends at this turn? */
static bool is_sighting(const struct identity *identity, const struct link *link,
                        const struct link *turn, int64_t threshold_ms) {
    return !link->flags && link->known_ms > TIME_ALWAYS && link_compare(link, turn) <= 0 &&
           !link_is_withdrawn(identity, link, threshold_ms);
}

bool expired_at(const struct identity *identity, const struct guard *guards, uint32_t id,
                const struct link *turn, int64_t threshold_ms) {
    const struct guard *guard = &guards[identifier_type(identity, id)];
    if (guard->expires_ms <= 0 || turn->known_ms <= TIME_ALWAYS) return false;
    int64_t first_ms = turn->known_ms, bucket = expiry_bucket(guard, first_ms), later_ms = 0;
    bool has_later = false;
    for (uint32_t at = LOAD(node_at(identity, id)->links); at;) {
        struct link *link = link_at(identity, at - 1);
        at = LOAD(*link_next(link, id));
        if (!is_sighting(identity, link, turn, threshold_ms)) continue;
        int64_t link_bucket = expiry_bucket(guard, link->known_ms);
        if (link_bucket != bucket) {
            if (has_later && guard_is_too_long(guard, later_ms - first_ms)) return true;
            later_ms = first_ms;
            has_later = true;
            bucket = link_bucket;
        }
        first_ms = link->known_ms;
    }
    return has_later && guard_is_too_long(guard, later_ms - first_ms);
}

/* The sighting that counts is the first in the last step, which is the same in any order of
 * arrival. */
bool alive_at(const struct identity *identity, const struct guard *guards, uint32_t id,
              const struct link *turn, int64_t threshold_ms) {
    const struct guard *guard = &guards[identifier_type(identity, id)];
    if (guard->expires_ms <= 0 || turn->known_ms <= TIME_ALWAYS) return true;
    if (id == turn->strong || id == turn->weak) return true;
    int64_t bucket = 0, seen_ms = 0;
    bool was_seen = false;
    for (uint32_t at = LOAD(node_at(identity, id)->links); at;) {
        struct link *link = link_at(identity, at - 1);
        at = LOAD(*link_next(link, id));
        if (!is_sighting(identity, link, turn, threshold_ms)) continue;
        if (was_seen && expiry_bucket(guard, link->known_ms) != bucket) break;
        seen_ms = link->known_ms;
        bucket = expiry_bucket(guard, seen_ms);
        was_seen = true;
        if (guard_is_too_long(guard, turn->known_ms - seen_ms)) return false;
        if (!guard_is_too_long(guard, turn->known_ms - bucket * expiry_step(guard))) return true;
    }
    return true;
}

bool ever_expires(const struct identity *identity, uint32_t id) {
    uint8_t type = identifier_type(identity, id);
    for (uint32_t i = 0; i < identity->era_count; i++) {
        if (identity->eras[i].guards[type].expires_ms > 0) return true;
    }
    return false;
}

/* ---- lists of links, newest first ---- */

static void list_insert(struct identity *identity, uint32_t id, uint32_t link_id) {
    struct node *node = node_at(identity, id);
    struct link *link = link_at(identity, link_id);
    _Atomic uint32_t *cell = &node->links;
    while (LOAD(*cell)) {
        struct link *older = link_at(identity, LOAD(*cell) - 1);
        if (link_compare(older, link) < 0) break;
        cell = link_next(older, id);
    }
    STORE(*link_next(link, id), LOAD(*cell));
    keep_set(identity, cell, link_id + 1);
    keep_set(identity, &node->degree, LOAD(node->degree) + 1);
}

static bool is_full(const struct identity *identity, uint32_t id) {
    return LOAD(node_at(identity, id)->degree) >= IDENTITY_LINKS_MAX;
}

bool is_same_step_of(const struct identity *identity, const uint8_t types[2], int64_t a_ms,
                     int64_t b_ms) {
    for (uint32_t i = 0; i < 2 * identity->era_count; i++) {
        const struct guard *guard = &identity->eras[i / 2].guards[types[i % 2]];
        if (expiry_bucket(guard, a_ms) != expiry_bucket(guard, b_ms)) return false;
    }
    return true;
}

static bool is_same_step(const struct identity *identity, const struct link *a,
                         const struct link *b) {
    uint8_t types[2] = {identifier_type(identity, a->strong), identifier_type(identity, a->weak)};
    return is_same_step_of(identity, types, a->known_ms, b->known_ms);
}

/* Of several links of one pair in one step only the first is judged, whichever came first: while
 * limits count what is alive, a later one could find room that the first did not find. */
bool link_is_repeat(const struct identity *identity, struct link *link, int64_t threshold_ms) {
    uint32_t id = smaller_end(identity, link->strong, link->weak);
    if (!anything_expires(identity)) return false; /* a limit that is full stays full */
    for (uint32_t at = LOAD(*link_next(link, id)); at;) {
        struct link *older = link_at(identity, at - 1);
        at = LOAD(*link_next(older, id));
        if (link_other(older, id) != link_other(link, id) || older->flags) continue;
        if (!is_same_step(identity, older, link)) continue;
        if (!link_is_withdrawn(identity, older, threshold_ms)) return true;
    }
    return false;
}

/* Does a link that is noted already become a repeat of this one? */
static bool has_repeat(const struct identity *identity, const struct link *link) {
    uint32_t id = smaller_end(identity, link->strong, link->weak);
    for (uint32_t at = LOAD(node_at(identity, id)->links); at;) {
        struct link *newer = link_at(identity, at - 1);
        at = LOAD(*link_next(newer, id));
        if (link_compare(newer, link) < 0) return false;
        if (link_other(newer, id) == link_other(link, id) && is_same_step(identity, newer, link))
            return true;
    }
    return false;
}

/* Is the same already noted, known no later, in the same step of whatever expires? Then this one
 * adds nothing. */
static bool is_dominated(const struct identity *identity, const struct link *link) {
    uint32_t id = smaller_end(identity, link->strong, link->weak), other_id = link_other(link, id);
    for (uint32_t at = LOAD(node_at(identity, id)->links); at;) {
        struct link *old = link_at(identity, at - 1);
        at = LOAD(*link_next(old, id));
        if (link_other(old, id) != other_id || old->flags != link->flags ||
            old->known_ms > link->known_ms || LOAD(old->gone))
            continue;
        if (link->flags || is_same_step(identity, old, link)) return true;
    }
    return false;
}

static enum status link_new(struct identity *identity, const struct link *given, uint32_t *id) {
    enum status status =
        column_reserve(&identity->links, (uint64_t)identity->link_count + 1, sizeof(struct link));
    struct record_entry entry = {.tag = ENTRY_LINK, .link = *given};
    if (!status) status = record_add(identity, &entry);
    if (status) return status;
    *id = identity->link_count++;
    struct link *link = link_at(identity, *id);
    link->strong = given->strong;
    link->weak = given->weak;
    link->source = given->source;
    link->flags = given->flags;
    link->weight = given->weight;
    link->time_ms = given->time_ms;
    link->known_ms = given->known_ms;
    link->order = given->order;
    link->position = identity->position;
    STORE(link->next_strong, 0);
    STORE(link->next_weak, 0);
    STORE(link->state, 0);
    STORE(link->gone, 0);
    return STATUS_OK;
}

/* ---- what a component holds ---- */

struct survey {
    const struct link *newest;
    uint32_t flags;
    const struct summary *summary; /* where the component is large */
};

static struct survey survey(struct identity *identity, uint32_t root, const struct view *view) {
    struct survey found = {.summary = summary_find(identity, root)};
    uint32_t size = 0;
    for (uint32_t id = root; !found.summary && id != NONE;
         id = forest_next(&identity->forest, root, id, view)) {
        const struct node *node = node_at(identity, id);
        found.flags |= LOAD(node->flags);
        if (++size == SUMMARY_SIZE_MIN) found.summary = summary_add(identity, root);
        uint32_t head = LOAD(node->links);
        if (!head) continue;
        const struct link *link = link_at(identity, head - 1);
        if (!found.newest || link_compare(link, found.newest) > 0) found.newest = link;
    }
    if (!found.summary) return found;
    uint32_t newest = found.summary->newest;
    found.newest = newest == NONE ? NULL : link_at(identity, newest);
    found.flags = found.summary->flags;
    return found;
}

static void count_component(const struct identity *identity, const struct guard *guards,
                            uint32_t root, const struct view *view, const struct link *turn,
                            uint32_t side) {
    for (uint32_t id = root; id != NONE; id = forest_next(&identity->forest, root, id, view)) {
        if (alive_at(identity, guards, id, turn, INT64_MAX))
            counts_add(identity->counts, side, identifier_type(identity, id));
    }
}

static const struct view view_now = {INT64_MAX, UINT64_MAX, INT64_MAX, UINT64_MAX};

enum status edge_add(struct identity *identity, uint32_t child, uint32_t parent, int64_t known_ms,
                     uint64_t order, int64_t from_ms) {
    struct forest *forest = &identity->forest;
    enum status status =
        column_reserve(&forest->edges, (uint64_t)forest->edge_count + 1, sizeof(struct edge));
    if (!status) status = undo_reserve(identity, 2);
    if (status) return status;
    uint32_t id = forest->edge_count++;
    struct edge *edge = forest_edge(forest, id);
    STORE(edge->child, child);
    STORE(edge->parent, parent);
    STORE(edge->older, LOAD(*forest_head(forest, child)));
    STORE(edge->sibling, parent == NONE ? 0 : LOAD(node_at(identity, parent)->children));
    STORE(edge->known_ms, known_ms);
    STORE(edge->order, order);
    STORE(edge->from_position, identity->position + 1);
    STORE(edge->from_ms, from_ms);
    if (parent != NONE) keep_set(identity, &node_at(identity, parent)->children, id + 1);
    keep_set(identity, forest_head(forest, child), id + 1);
    return STATUS_OK;
}

static enum status join(struct identity *identity, uint32_t root_a, uint32_t root_b,
                        const struct link *link) {
    uint32_t low = root_a < root_b ? root_a : root_b, high = root_a < root_b ? root_b : root_a;
    if (high < identity->first_identifier) {
        enum status status = change_note(identity, high, link->known_ms);
        if (status) return status;
    }
    summary_join(identity, low, high);
    return edge_add(identity, high, low, link->known_ms, link->order, INT64_MIN);
}

/* ---- the three ways ---- */

enum way { WAY_DECIDED, WAY_DIRTY };

static enum link_verdict expiry_verdict(const struct identity *identity, const struct guard *guards,
                                        const struct link *link, uint8_t *blamed) {
    if (expired_at(identity, guards, link->strong, link, INT64_MAX)) {
        *blamed = identifier_type(identity, link->strong);
        return LINK_EXPIRED;
    }
    if (!expired_at(identity, guards, link->weak, link, INT64_MAX)) return LINK_ACCEPTED;
    *blamed = identifier_type(identity, link->weak);
    return LINK_EXPIRED;
}

struct link_judgement {
    enum way way;
    const struct summary *summaries[2]; /* of root_a, root_b */
    enum link_verdict verdict;
    uint8_t blamed;
    bool joins; /* root_a with root_b */
    uint32_t root_a, root_b;
};

/* Returns the verdict as if all identifiers counted. Where that is no refusal, those that are alive
 * are refused neither. */
static enum link_verdict verdict_of_all(struct identity *identity, const struct guard *guards,
                                        uint32_t a, uint32_t b, const struct view *view,
                                        struct link_judgement *judgement) {
    uint32_t roots[2] = {a, b};
    counts_clear(identity->counts);
    for (uint32_t side = 0; side < 2; side++) {
        if (judgement->summaries[side]) {
            counts_add_all(identity->counts, side, judgement->summaries[side]->counts);
            continue;
        }
        for (uint32_t id = roots[side]; id != NONE;
             id = forest_next(&identity->forest, roots[side], id, view))
            counts_add(identity->counts, side, identifier_type(identity, id));
    }
    return counts_verdict(guards, identity->counts, &judgement->blamed);
}

/* The verdict under every era that sees the link: all eras from the one on in which it was known.
 * Where they don't agree whether it joins, its components wait and are judged by intervals. The
 * reason told is that of the newest. */
static void decide_by_eras(struct identity *identity, const struct link *link, uint32_t a,
                           uint32_t b, const struct view *view, struct link_judgement *judgement) {
    uint32_t first = (uint32_t)(era_at(identity, link->known_ms) - identity->eras);
    for (uint32_t i = first; i < identity->era_count; i++) {
        const struct guard *guards = identity->eras[i].guards;
        enum link_verdict verdict = LINK_LIMIT;
        if (judgement->summaries[0] || judgement->summaries[1])
            verdict = verdict_of_all(identity, guards, a, b, view, judgement);
        if (verdict != LINK_ACCEPTED) {
            counts_clear(identity->counts);
            count_component(identity, guards, a, view, link, 0);
            count_component(identity, guards, b, view, link, 1);
            verdict = counts_verdict(guards, identity->counts, &judgement->blamed);
        }
        if (verdict == LINK_ACCEPTED)
            verdict = expiry_verdict(identity, guards, link, &judgement->blamed);
        if (i > first && (verdict == LINK_ACCEPTED) != (judgement->verdict == LINK_ACCEPTED)) {
            judgement->way = WAY_DIRTY;
            return;
        }
        judgement->verdict = verdict;
    }
    judgement->way = WAY_DECIDED;
    judgement->joins = judgement->verdict == LINK_ACCEPTED;
}

/* A link that comes after others of its components: does it change anything? */
static void decide_late(struct identity *identity, const struct link *link,
                        struct link_judgement *judgement) {
    bool expires = ever_expires(identity, link->strong) || ever_expires(identity, link->weak);
    if (expires) return; /* a sighting counts for what comes later, too */
    if (anything_expires(identity) && has_repeat(identity, link)) return;
    struct view then = {INT64_MAX, UINT64_MAX, link->known_ms, link->order};
    uint32_t a = forest_root(&identity->forest, link->strong, &then);
    uint32_t b = forest_root(&identity->forest, link->weak, &then);
    if (a == b) {
        judgement->way = WAY_DECIDED;
        return;
    }
    decide_by_eras(identity, link, a, b, &then, judgement);
    if (judgement->joins) judgement->way = WAY_DIRTY;
    judgement->joins = false;
}

static bool is_after(const struct link *link, const struct survey *found) {
    return !found->newest || link_compare(link, found->newest) > 0;
}

static struct link_judgement decide(struct identity *identity, const struct link *link) {
    struct link_judgement judgement = {.way = WAY_DIRTY};
    uint32_t a = judgement.root_a = forest_root(&identity->forest, link->strong, &view_now);
    uint32_t b = judgement.root_b = forest_root(&identity->forest, link->weak, &view_now);
    bool any_dirty = identity->seed_count > 0; /* each has a seed */
    if (any_dirty && (mark_at(identity, a)->dirty == identity->batch ||
                      mark_at(identity, b)->dirty == identity->batch))
        return judgement;
    struct survey in_a = survey(identity, a, &view_now), in_b = in_a;
    if (a != b) in_b = survey(identity, b, &view_now);
    if ((in_a.flags | in_b.flags) & NODE_CONTROLLED) return judgement;
    judgement.summaries[0] = summary_find(identity, a);
    judgement.summaries[1] = summary_find(identity, b);
    bool is_large = judgement.summaries[0] || judgement.summaries[1];
    if (!is_after(link, &in_a) || !is_after(link, &in_b)) {
        /* A large component is judged anew once for the whole batch, instead of being walked for
         * each link. */
        if (!is_large) decide_late(identity, link, &judgement);
    } else if (a == b) {
        judgement.way = WAY_DECIDED; /* accepted */
    } else {
        decide_by_eras(identity, link, a, b, &view_now, &judgement);
    }
    return judgement;
}

static uint32_t decided_state(const struct link_judgement *judgement) {
    if (judgement->way == WAY_DIRTY) return LINK_STATE_JOINED;
    uint32_t state = judgement->verdict | (uint32_t)judgement->blamed << 8;
    return judgement->verdict == LINK_ACCEPTED ? state | LINK_STATE_JOINED : state;
}

static enum status admit_judged(struct identity *identity, const struct link *given) {
    struct link_judgement judgement = decide(identity, given);
    uint32_t id;
    enum status status = link_new(identity, given, &id);
    if (status) return status;
    uint32_t state = decided_state(&judgement);
    if (pair_is_controlled(identity, given)) state |= LINK_STATE_CONTROLLED;
    STORE(link_at(identity, id)->state, state);
    list_insert(identity, given->strong, id);
    list_insert(identity, given->weak, id);
    summary_note_link(identity, id);
    if (judgement.joins) return join(identity, judgement.root_a, judgement.root_b, given);
    if (judgement.way == WAY_DECIDED) return STATUS_OK;
    mark_at(identity, judgement.root_a)->dirty = identity->batch;
    mark_at(identity, judgement.root_b)->dirty = identity->batch;
    return seed_add(identity, given->strong);
}

/* Beyond a rate or shared by thousands: noted at the ends that have room, and never judged. */
static enum status admit_unjudged(struct identity *identity, const struct link *given) {
    bool strong_full = is_full(identity, given->strong), weak_full = is_full(identity, given->weak);
    if (strong_full && weak_full) return STATUS_OK;
    uint32_t id;
    enum status status = link_new(identity, given, &id);
    if (status) return status;
    uint32_t blamed = identifier_type(identity, strong_full ? given->strong : given->weak);
    uint32_t verdict = given->flags & LINK_FLAG_SHARED ? LINK_SHARED : LINK_RATE;
    STORE(link_at(identity, id)->state, verdict | blamed << 8);
    if (!strong_full) list_insert(identity, given->strong, id);
    if (!weak_full) list_insert(identity, given->weak, id);
    summary_note_link(identity, id);
    return STATUS_OK;
}

static enum status admit(struct identity *identity, struct link *link) {
    bool full = is_full(identity, link->strong) || is_full(identity, link->weak);
    if (full) link->flags |= LINK_FLAG_SHARED;
    /* What the log holds wasn't dominated when it was written. */
    if (!identity->replaying && is_dominated(identity, link)) return STATUS_OK;
    enum status status = undo_reserve(identity, 8);
    if (status) return status;
    return link->flags ? admit_unjudged(identity, link) : admit_judged(identity, link);
}

static const struct link *pending_at(const struct identity *identity, uint32_t index) {
    return &identity->pending[index];
}

enum status judge_pending(struct identity *identity) {
    size_t count = identity->pending_count;
    enum status status =
        memory_grow((void **)&identity->pending_order, &identity->pending_order_capacity, count,
                    sizeof(*identity->pending_order));
    for (size_t i = 0; !status && i < count; i++) identity->pending_order[i] = (uint32_t)i;
    if (!status) sort_links(identity, identity->pending_order, count, pending_at);
    for (size_t i = 0; !status && i < count; i++)
        status = admit(identity, &identity->pending[identity->pending_order[i]]);
    return status ? status : judge_seeds(identity);
}
