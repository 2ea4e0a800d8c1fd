/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "identity/identity_internal.h"

/* Judges a set of identifiers anew.
 *
 * The set is closed under accepted links, so every link that leaves it is a refused one. All links
 * that touch the set are considered in canonical order. For a link that leaves it, the other side
 * is asked for its state at that turn. While the link is refused again, the outside stays as it
 * was. If it would be accepted now, the set takes in the other side and starts again. So a late
 * link costs as much as what hangs together with it, also beside a kiosk's cookie that is refused
 * by thousands.
 *
 * Un-merges, corrections and new rules make a second time matter: as of a t before such a decision
 * its link still counts, under the rules of then. The set is judged once for every interval between
 * decisions, and the edges of each interval are versions with their own from_ms. */

struct member {
    uint32_t up;         /* union-find over members, with path halving */
    uint32_t lowest;     /* at the top: member with the lowest id */
    uint32_t next, tail; /* members of one component, from its top on */
    uint32_t size;
    uint32_t tally;       /* + 1, at the top of a large component: its identifiers by type */
    uint32_t edge_parent; /* member, for the member that was lowest once */
    uint64_t edge_order;
    int64_t edge_known_ms;
    int64_t bucket,
        seen_ms; /* the last step in which it was sighted, and its first sighting there */
    bool was_seen, is_expired; /* a limit counts it while its last sighting is not too long ago */
    uint64_t fingerprint;      /* at the top: of the component and how it came about */
};
struct wanted_edge { /* the edge of a member in an interval */
    uint32_t parent; /* id; NONE */
    int64_t known_ms;
    uint64_t order;
    uint64_t fingerprint; /* of its component */
};
struct judged {
    uint8_t verdict, blamed;
    bool was_accepted; /* in any interval */
};
struct tally {
    uint32_t by_type[IDENTIFIER_TYPES_MAX];
};
struct judge_scratch {
    uint32_t *members, *links, *outside;
    size_t member_count, members_capacity, link_count, links_capacity, outside_count,
        outside_capacity;
    struct member *state;
    size_t state_capacity;
    struct judged *judged;
    size_t judged_capacity;
    struct wanted_edge *wanted_edges; /* interval by interval */
    size_t wanted_capacity;
    int64_t *thresholds;
    size_t threshold_count, thresholds_capacity;
    struct tally *tallies;
    size_t tally_count, tallies_capacity;
};

enum status judge_scratch_create(struct judge_scratch **out) {
    *out = memory_calloc(1, sizeof(**out));
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

void judge_scratch_destroy(struct judge_scratch *scratch) {
    if (!scratch) return;
    memory_free(scratch->members);
    memory_free(scratch->links);
    memory_free(scratch->outside);
    memory_free(scratch->state);
    memory_free(scratch->judged);
    memory_free(scratch->wanted_edges);
    memory_free(scratch->thresholds);
    memory_free(scratch->tallies);
    memory_free(scratch);
}

#define GROW(items, capacity, needed)                                                              \
    memory_grow((void **)&(items), &(capacity), (needed), sizeof(*(items)))

/* ---- heap sort ---- */

static void sift_down(const struct identity *identity, uint32_t *indexes, size_t start,
                      size_t count, link_getter *get) {
    uint32_t moving = indexes[start];
    for (size_t child; (child = 2 * start + 1) < count; start = child) {
        if (child + 1 < count &&
            link_compare(get(identity, indexes[child]), get(identity, indexes[child + 1])) < 0)
            child++;
        if (link_compare(get(identity, moving), get(identity, indexes[child])) >= 0) break;
        indexes[start] = indexes[child];
    }
    indexes[start] = moving;
}

void sort_links(const struct identity *identity, uint32_t *indexes, size_t count,
                link_getter *get) {
    size_t sorted = 1;
    while (sorted < count &&
           link_compare(get(identity, indexes[sorted - 1]), get(identity, indexes[sorted])) <= 0)
        sorted++;
    if (sorted >= count) return;
    for (size_t i = count / 2; i-- > 0;) sift_down(identity, indexes, i, count, get);
    for (size_t end = count; end-- > 1;) {
        uint32_t last = indexes[end];
        indexes[end] = indexes[0];
        indexes[0] = last;
        sift_down(identity, indexes, 0, end, get);
    }
}

static int compare_ids(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

void sort_ids(uint32_t *ids, size_t count) {
    if (count > 1) qsort(ids, count, sizeof(*ids), compare_ids);
}

static const struct link *link_of(const struct identity *identity, uint32_t id) {
    return link_at(identity, id);
}

/* ---- the set ---- */

static bool is_member(const struct identity *identity, uint32_t id) {
    return mark_at(identity, id)->stamp == identity->stamp;
}

static enum status member_add(struct identity *identity, uint32_t id) {
    struct judge_scratch *set = identity->judge;
    if (is_member(identity, id)) return STATUS_OK;
    enum status status = GROW(set->members, set->members_capacity, set->member_count + 1);
    if (status) return status;
    struct node_mark *mark = mark_at(identity, id);
    mark->stamp = identity->stamp;
    mark->index = (uint32_t)set->member_count;
    set->members[set->member_count++] = id;
    return STATUS_OK;
}

static enum status set_add(struct identity *identity, uint32_t seed) {
    struct judge_scratch *set = identity->judge;
    size_t next = set->member_count;
    enum status status = member_add(identity, seed);
    for (; !status && next < set->member_count; next++) {
        uint32_t id = set->members[next];
        for (uint32_t at = LOAD(node_at(identity, id)->links); !status && at;) {
            struct link *link = link_at(identity, at - 1);
            at = LOAD(*link_next(link, id));
            if (LOAD(link->state) & LINK_STATE_JOINED)
                status = member_add(identity, link_other(link, id));
        }
    }
    return status;
}

static enum status outside_add(struct judge_scratch *set, uint32_t id) {
    enum status status = GROW(set->outside, set->outside_capacity, set->outside_count + 1);
    if (!status) set->outside[set->outside_count++] = id;
    return status;
}

/* A neighbour beside an un-merge is taken in: what it holds differs by interval, so the link may
 * count in one of them. */
static bool is_controlled_outside(const struct identity *identity, uint32_t id) {
    return !is_member(identity, id) && LOAD(node_at(identity, id)->flags) & NODE_CONTROLLED;
}

static enum status gather_links(struct identity *identity) {
    struct judge_scratch *set = identity->judge;
    set->link_count = 0;
    for (size_t i = 0; i < set->member_count; i++) {
        uint32_t id = set->members[i];
        for (uint32_t at = LOAD(node_at(identity, id)->links); at;) {
            uint32_t link_id = at - 1;
            struct link *link = link_at(identity, link_id);
            at = LOAD(*link_next(link, id));
            if (link->flags || (link->strong != id && is_member(identity, link->strong))) continue;
            enum status status = GROW(set->links, set->links_capacity, set->link_count + 1);
            if (status) return status;
            set->links[set->link_count++] = link_id;
            uint32_t other = link_other(link, id);
            if (is_controlled_outside(identity, other)) status = outside_add(set, other);
            if (status) return status;
        }
    }
    sort_links(identity, set->links, set->link_count, link_of);
    return STATUS_OK;
}

static bool any_controlled(const struct identity *identity) {
    const struct judge_scratch *set = identity->judge;
    for (size_t i = 0; i < set->member_count; i++) {
        if (LOAD(node_at(identity, set->members[i])->flags) & NODE_CONTROLLED) return true;
    }
    return false;
}

static enum status threshold_add(struct judge_scratch *set, int64_t threshold_ms) {
    size_t at = set->threshold_count;
    while (set->thresholds[at - 1] > threshold_ms) at--;
    if (set->thresholds[at - 1] == threshold_ms) return STATUS_OK;
    enum status status = GROW(set->thresholds, set->thresholds_capacity, set->threshold_count + 1);
    if (status) return status;
    memmove(set->thresholds + at + 1, set->thresholds + at,
            (set->threshold_count - at) * sizeof(*set->thresholds));
    set->thresholds[at] = threshold_ms;
    set->threshold_count++;
    return STATUS_OK;
}

/* A member that was once beside a withdrawn link may have parted from it since: its versions still
 * tell the intervals. */
static enum status gather_versions(struct identity *identity, uint32_t id) {
    enum status status = STATUS_OK;
    for (uint32_t at = LOAD(*forest_head(&identity->forest, id)); !status && at;) {
        const struct edge *edge = forest_edge(&identity->forest, at - 1);
        status = threshold_add(identity->judge, LOAD(edge->from_ms));
        at = LOAD(edge->older);
    }
    return status;
}

/* Do two eras judge identifiers of this type alike? */
static bool guards_alike(const struct guard *a, const struct guard *b) {
    return a->per_customer == b->per_customer && a->unique == b->unique &&
           a->expires_ms == b->expires_ms;
}

/* The beginnings of the eras that judge an end of one of the links otherwise than the era before.
 */
static enum status gather_eras(struct identity *identity) {
    struct judge_scratch *set = identity->judge;
    bool present[IDENTIFIER_TYPES_MAX] = {false};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < set->link_count; i++) {
        const struct link *link = link_at(identity, set->links[i]);
        present[identifier_type(identity, link->strong)] = true;
        present[identifier_type(identity, link->weak)] = true;
    }
    for (uint32_t era = 1; !status && era < identity->era_count; era++) {
        const struct era *now = &identity->eras[era], *before = now - 1;
        bool differs = false;
        for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++)
            differs |= present[type] && !guards_alike(&now->guards[type], &before->guards[type]);
        if (differs) status = threshold_add(set, now->from_ms);
    }
    return status;
}

/* Un-merges of the links' pairs, and corrections that took their support. */
static enum status gather_decisions(struct identity *identity) {
    struct judge_scratch *set = identity->judge;
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < set->link_count; i++) {
        const struct link *link = link_at(identity, set->links[i]);
        uint32_t gone = LOAD(link->gone);
        if (gone) status = threshold_add(set, identity->gone_ms[gone - 1]);
        if (!(LOAD(link->state) & LINK_STATE_CONTROLLED)) continue;
        for (uint32_t at = newest_withdrawal(identity, link->strong, link->weak); !status && at;) {
            status = threshold_add(set, identity->withdrawals[at - 1].known_ms);
            at = identity->withdrawals[at - 1].older;
        }
    }
    return status;
}

/* From when on what counts: before every decision, and from each of them on. */
static enum status gather_thresholds(struct identity *identity) {
    struct judge_scratch *set = identity->judge;
    enum status status = GROW(set->thresholds, set->thresholds_capacity, 1);
    if (status) return status;
    set->threshold_count = 1;
    set->thresholds[0] = INT64_MIN;
    if (identity->era_count > 1) status = gather_eras(identity);
    if (status || !any_controlled(identity)) return status;
    status = gather_decisions(identity);
    for (size_t i = 0; !status && i < set->member_count; i++)
        status = gather_versions(identity, set->members[i]);
    return status;
}

/* ---- judging one interval ---- */

static uint32_t top_of(struct member *state, uint32_t member) {
    while (state[member].up != member) {
        state[member].up = state[state[member].up].up;
        member = state[member].up;
    }
    return member;
}

static void sight(struct member *member, const struct guard *guard, int64_t known_ms) {
    if (guard->expires_ms <= 0 || known_ms <= TIME_ALWAYS) return;
    int64_t bucket = expiry_bucket(guard, known_ms);
    if (member->was_seen && member->bucket == bucket) return;
    if (member->was_seen && guard_is_too_long(guard, known_ms - member->seen_ms))
        member->is_expired = true;
    member->was_seen = true;
    member->bucket = bucket;
    member->seen_ms = known_ms;
}

/* The rules for a link in an interval. A link that is known only after the interval isn't seen in
 * it: it is judged as where it is seen, so that intervals that look alike have the same edges. */
static const struct guard *limits_of(const struct identity *identity, const struct link *link,
                                     int64_t threshold_ms) {
    return era_at(identity, link->known_ms > threshold_ms ? link->known_ms : threshold_ms)->guards;
}

static bool member_is_alive(const struct identity *identity, uint32_t index,
                            const struct link *turn, int64_t threshold_ms) {
    const struct judge_scratch *set = identity->judge;
    const struct member *member = &set->state[index];
    if (!member->was_seen || turn->known_ms <= TIME_ALWAYS) return true;
    uint8_t type = identifier_type(identity, set->members[index]);
    const struct guard *guard = &era_at(identity, threshold_ms)->guards[type];
    return !guard_is_too_long(guard, turn->known_ms - member->seen_ms);
}

static void count_members(const struct identity *identity, uint32_t top, uint32_t side,
                          const struct link *turn, int64_t threshold_ms) {
    const struct judge_scratch *set = identity->judge;
    for (uint32_t i = top; i != NONE; i = set->state[i].next) {
        if (member_is_alive(identity, i, turn, threshold_ms))
            counts_add(identity->counts, side, identifier_type(identity, set->members[i]));
    }
}

/* All of them, alive or not: from the tally where there is one. */
static void count_all(const struct identity *identity, uint32_t top, uint32_t side) {
    const struct judge_scratch *set = identity->judge;
    if (set->state[top].tally) {
        counts_add_all(identity->counts, side, set->tallies[set->state[top].tally - 1].by_type);
        return;
    }
    for (uint32_t i = top; i != NONE; i = set->state[i].next)
        counts_add(identity->counts, side, identifier_type(identity, set->members[i]));
}

static bool is_expired(const struct identity *identity, uint32_t id, const struct link *link,
                       int64_t threshold_ms) {
    const struct guard *guards = era_at(identity, threshold_ms)->guards;
    if (is_member(identity, id)) {
        const struct member *member = &identity->judge->state[mark_at(identity, id)->index];
        return member->is_expired && link->known_ms > TIME_ALWAYS;
    }
    return expired_at(identity, guards, id, link, threshold_ms);
}

static enum link_verdict limit_verdict(const struct identity *identity, const struct link *link,
                                       int64_t threshold_ms, uint8_t *blamed) {
    return counts_verdict(limits_of(identity, link, threshold_ms), identity->counts, blamed);
}

/* Judges as if all identifiers counted; where that is no refusal, those that are alive are refused
 * neither. */
static enum link_verdict limit_inside(const struct identity *identity, uint32_t a, uint32_t b,
                                      const struct link *link, int64_t threshold_ms,
                                      uint8_t *blamed) {
    counts_clear(identity->counts);
    count_all(identity, a, 0);
    count_all(identity, b, 1);
    enum link_verdict verdict = limit_verdict(identity, link, threshold_ms, blamed);
    if (verdict == LINK_ACCEPTED || !era_at(identity, threshold_ms)->any_expires) return verdict;
    counts_clear(identity->counts);
    count_members(identity, a, 0, link, threshold_ms);
    count_members(identity, b, 1, link, threshold_ms);
    return limit_verdict(identity, link, threshold_ms, blamed);
}

static enum link_verdict finish_verdict(const struct identity *identity, struct link *link,
                                        int64_t threshold_ms, enum link_verdict verdict,
                                        uint8_t *blamed) {
    if (verdict != LINK_ACCEPTED) return verdict;
    uint32_t ends[2] = {link->strong, link->weak};
    for (uint32_t i = 0; i < 2; i++) {
        if (!is_expired(identity, ends[i], link, threshold_ms)) continue;
        *blamed = identifier_type(identity, ends[i]);
        return LINK_EXPIRED;
    }
    if (link_is_repeat(identity, link, threshold_ms)) {
        *blamed = identifier_type(identity, link->weak);
        return LINK_LIMIT;
    }
    return LINK_ACCEPTED;
}

/* Joins the smaller component into the larger one, so each member is walked some log n times. A
 * tally costs a kilobyte, so only large components have one. */
static enum status tally_join(const struct identity *identity, uint32_t big, uint32_t small) {
    struct judge_scratch *set = identity->judge;
    struct member *state = set->state;
    bool is_large = state[big].size + state[small].size >= SUMMARY_SIZE_MIN;
    if (!is_large) return STATUS_OK;
    if (!state[big].tally) {
        enum status status = GROW(set->tallies, set->tallies_capacity, set->tally_count + 1);
        if (status) return status;
        set->tallies[set->tally_count] = (struct tally){{0}};
        for (uint32_t i = big; i != NONE; i = state[i].next)
            set->tallies[set->tally_count].by_type[identifier_type(identity, set->members[i])]++;
        state[big].tally = (uint32_t)++set->tally_count;
    }
    uint32_t *by_type = set->tallies[state[big].tally - 1].by_type;
    for (uint32_t i = small; i != NONE; i = state[i].next)
        by_type[identifier_type(identity, set->members[i])]++;
    return STATUS_OK;
}

static void unite(struct judge_scratch *set, uint32_t a, uint32_t b, const struct link *link) {
    struct member *state = set->state;
    uint32_t low_a = state[a].lowest, low_b = state[b].lowest;
    bool a_is_lower = set->members[low_a] < set->members[low_b];
    uint32_t low = a_is_lower ? low_a : low_b, high = a_is_lower ? low_b : low_a;
    state[high].edge_parent = low;
    state[high].edge_known_ms = link->known_ms;
    state[high].edge_order = link->order;
    uint32_t big = state[a].size >= state[b].size ? a : b, small = big == a ? b : a;
    state[small].up = big;
    state[big].lowest = low;
    state[big].size += state[small].size;
    state[state[big].tail].next = small;
    state[big].tail = state[small].tail;
}

static enum status judge_inside(struct identity *identity, struct link *link, int64_t threshold_ms,
                                struct judged *judged) {
    struct judge_scratch *set = identity->judge;
    uint32_t a = top_of(set->state, mark_at(identity, link->strong)->index);
    uint32_t b = top_of(set->state, mark_at(identity, link->weak)->index);
    judged->verdict = LINK_ACCEPTED;
    if (a == b) return STATUS_OK;
    enum link_verdict verdict = limit_inside(identity, a, b, link, threshold_ms, &judged->blamed);
    verdict = finish_verdict(identity, link, threshold_ms, verdict, &judged->blamed);
    judged->verdict = (uint8_t)verdict;
    if (verdict != LINK_ACCEPTED) return STATUS_OK;
    uint32_t big = set->state[a].size >= set->state[b].size ? a : b;
    enum status status = tally_join(identity, big, big == a ? b : a);
    if (!status) unite(set, a, b, link);
    return status;
}

static struct view view_before(const struct link *link, int64_t threshold_ms) {
    struct view view = {threshold_ms, UINT64_MAX, link->known_ms, link->order - 1};
    if (link->order == 0) {
        view.known_ms = link->known_ms - 1;
        view.order = UINT64_MAX;
    }
    return view;
}

static enum link_verdict judge_leaving(struct identity *identity, struct link *link,
                                       int64_t threshold_ms, uint8_t *blamed) {
    struct judge_scratch *set = identity->judge;
    bool strong_inside = is_member(identity, link->strong);
    uint32_t inside = strong_inside ? link->strong : link->weak, outside = link_other(link, inside);
    struct view before = view_before(link, threshold_ms);
    counts_clear(identity->counts);
    count_members(identity, top_of(set->state, mark_at(identity, inside)->index), 0, link,
                  threshold_ms);
    const struct guard *guards = era_at(identity, threshold_ms)->guards;
    uint32_t root = forest_root(&identity->forest, outside, &before);
    for (uint32_t id = root; id != NONE; id = forest_next(&identity->forest, root, id, &before)) {
        if (alive_at(identity, guards, id, link, threshold_ms))
            counts_add(identity->counts, 1, identifier_type(identity, id));
    }
    enum link_verdict verdict = limit_verdict(identity, link, threshold_ms, blamed);
    return finish_verdict(identity, link, threshold_ms, verdict, blamed);
}

static enum status judge_link(struct identity *identity, size_t index, int64_t threshold_ms) {
    struct judge_scratch *set = identity->judge;
    struct link *link = link_at(identity, set->links[index]);
    const struct guard *guards = era_at(identity, threshold_ms)->guards;
    struct judged *judged = &set->judged[index];
    judged->blamed = 0;
    judged->verdict = LOAD(link->gone) ? LINK_CORRECTED : LINK_WITHDRAWN;
    if (link_is_withdrawn(identity, link, threshold_ms)) return STATUS_OK;
    uint32_t ends[2] = {link->strong, link->weak};
    bool is_inside = true;
    for (uint32_t i = 0; i < 2; i++) {
        if (is_member(identity, ends[i]))
            sight(&set->state[mark_at(identity, ends[i])->index],
                  &guards[identifier_type(identity, ends[i])], link->known_ms);
        else
            is_inside = false;
    }
    enum status status = STATUS_OK;
    if (is_inside)
        status = judge_inside(identity, link, threshold_ms, judged);
    else
        judged->verdict = (uint8_t)judge_leaving(identity, link, threshold_ms, &judged->blamed);
    judged->was_accepted |= judged->verdict == LINK_ACCEPTED;
    if (status || is_inside || judged->verdict != LINK_ACCEPTED) return status;
    return outside_add(set, is_member(identity, ends[0]) ? ends[1] : ends[0]);
}

static enum status judge_interval(struct identity *identity, size_t interval) {
    struct judge_scratch *set = identity->judge;
    set->tally_count = 0;
    for (uint32_t i = 0; i < set->member_count; i++)
        set->state[i] = (struct member){
            .up = i, .lowest = i, .next = NONE, .tail = i, .size = 1, .edge_parent = NONE};
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < set->link_count; i++)
        status = judge_link(identity, i, set->thresholds[interval]);
    struct wanted_edge *wanted_edges = set->wanted_edges + interval * set->member_count;
    for (size_t i = 0; i < set->member_count; i++) {
        const struct member *member = &set->state[i];
        uint32_t parent = member->edge_parent == NONE ? NONE : set->members[member->edge_parent];
        wanted_edges[i] =
            (struct wanted_edge){parent, member->edge_known_ms, member->edge_order, 0};
        uint64_t edge = hash_u64((uint64_t)parent << 32 | set->members[i]) + member->edge_order;
        set->state[top_of(set->state, (uint32_t)i)].fingerprint +=
            hash_u64(edge ^ hash_u64((uint64_t)member->edge_known_ms));
    }
    for (uint32_t i = 0; i < set->member_count; i++)
        wanted_edges[i].fingerprint = set->state[top_of(set->state, i)].fingerprint;
    return status;
}

/* ---- publishing ---- */

static enum status publish_edges(struct identity *identity, size_t interval) {
    struct judge_scratch *set = identity->judge;
    struct view view = {set->thresholds[interval], UINT64_MAX, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < set->member_count; i++) {
        const struct wanted_edge *wanted = &set->wanted_edges[interval * set->member_count + i];
        uint32_t id = set->members[i], now = forest_edge_of(&identity->forest, id, &view);
        struct wanted_edge held = {.parent = NONE};
        if (now != NONE) {
            const struct edge *edge = forest_edge(&identity->forest, now);
            held = (struct wanted_edge){LOAD(edge->parent), LOAD(edge->known_ms), LOAD(edge->order),
                                        0};
        }
        if (held.parent == wanted->parent &&
            (held.parent == NONE ||
             (held.known_ms == wanted->known_ms && held.order == wanted->order)))
            continue;
        enum status status = edge_add(identity, id, wanted->parent, wanted->known_ms, wanted->order,
                                      view.version_ms);
        if (status) return status;
    }
    return STATUS_OK;
}

/* Is its component another as of some t than as of others, other than by growing? Then what comes
 * next is judged by intervals, too. */
static bool differs_by_interval(const struct judge_scratch *set, size_t member) {
    for (size_t i = 1; i < set->threshold_count; i++) {
        if (set->wanted_edges[i * set->member_count + member].fingerprint !=
            set->wanted_edges[member].fingerprint)
            return true;
    }
    return false;
}

static enum status publish_verdicts(struct identity *identity) {
    struct judge_scratch *set = identity->judge;
    enum status status = undo_reserve(identity, set->link_count + set->member_count);
    if (status) return status;
    for (size_t i = 0; i < set->link_count; i++) {
        struct link *link = link_at(identity, set->links[i]);
        const struct judged *judged = &set->judged[i];
        uint32_t old = LOAD(link->state), state = old & LINK_STATE_CONTROLLED;
        state |= judged->verdict | (uint32_t)judged->blamed << 8;
        if (judged->was_accepted) state |= LINK_STATE_JOINED;
        if (state != old) keep_set(identity, &link->state, state);
    }
    for (size_t i = 0; i < set->member_count; i++) {
        _Atomic uint32_t *flags = &node_at(identity, set->members[i])->flags;
        if (!(LOAD(*flags) & NODE_CONTROLLED) && differs_by_interval(set, i))
            keep_set(identity, flags, LOAD(*flags) | NODE_CONTROLLED);
    }
    return STATUS_OK;
}

/* Since when is the member's edge in the newest interval the one in force? INT64_MIN: always. */
static int64_t wanted_from(const struct judge_scratch *set, size_t member) {
    size_t interval = set->threshold_count - 1;
    const struct wanted_edge *newest = &set->wanted_edges[interval * set->member_count + member];
    for (; interval > 0; interval--) {
        const struct wanted_edge *before =
            &set->wanted_edges[(interval - 1) * set->member_count + member];
        if (before->parent != newest->parent || before->known_ms != newest->known_ms ||
            before->order != newest->order)
            break;
    }
    return set->thresholds[interval];
}

/* A customer is merged by a link or, where the link counts only since a decision, by that decision:
 * nobody knew of it before. */
static enum status publish_changes(struct identity *identity) {
    const struct judge_scratch *set = identity->judge;
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < set->member_count; i++) {
        if (set->members[i] >= identity->first_identifier) continue;
        const struct wanted_edge *wanted =
            &set->wanted_edges[(set->threshold_count - 1) * set->member_count + i];
        bool of_the_call = wanted->parent == NONE || identity->old_eras; /* not of a link */
        int64_t known_ms = of_the_call ? identity->known_ms : wanted->known_ms;
        int64_t from_ms = wanted_from(set, i);
        status = change_note(identity, set->members[i], known_ms > from_ms ? known_ms : from_ms);
    }
    return status;
}

static enum status publish(struct identity *identity) {
    struct judge_scratch *set = identity->judge;
    enum status status = STATUS_OK;
    summaries_clear(identity);
    for (size_t i = 0; !status && i < set->threshold_count; i++)
        status = publish_edges(identity, i);
    if (!status) status = publish_verdicts(identity);
    return status ? status : publish_changes(identity);
}

/* ---- the whole ---- */

static enum status set_reserve(struct judge_scratch *set) {
    size_t members = set->member_count;
    enum status status = GROW(set->state, set->state_capacity, members);
    if (!status) status = GROW(set->judged, set->judged_capacity, set->link_count);
    if (!status)
        status = GROW(set->wanted_edges, set->wanted_capacity, members * set->threshold_count);
    if (!status && set->link_count) memset(set->judged, 0, set->link_count * sizeof(*set->judged));
    return status;
}

static enum status judge_once(struct identity *identity) {
    struct judge_scratch *set = identity->judge;
    set->outside_count = 0;
    enum status status = gather_links(identity);
    if (status || set->outside_count > 0) return status; /* starts again with them */
    status = gather_thresholds(identity);
    if (!status) status = set_reserve(set);
    for (size_t i = 0; !status && i < set->threshold_count; i++)
        status = judge_interval(identity, i);
    return status;
}

static enum status judge_set(struct identity *identity, uint32_t seed) {
    struct judge_scratch *set = identity->judge;
    set->member_count = 0;
    identity->stamp++;
    enum status status = set_add(identity, seed);
    do {
        if (!status) status = judge_once(identity);
        for (size_t i = 0; !status && i < set->outside_count; i++)
            status = set_add(identity, set->outside[i]);
    } while (!status && set->outside_count > 0);
    return status ? status : publish(identity);
}

/* A set's members carry the stamp of the set; a seed that a set of this call has taken in needs no
 * other. */
enum status judge_seeds(struct identity *identity) {
    enum status status = STATUS_OK;
    uint32_t first_stamp = identity->stamp + 1;
    for (size_t i = 0; !status && i < identity->seed_count; i++) {
        uint32_t stamp = mark_at(identity, identity->seeds[i])->stamp;
        if (stamp >= first_stamp && stamp <= identity->stamp) continue;
        status = judge_set(identity, identity->seeds[i]);
    }
    identity->seed_count = 0;
    return status;
}
