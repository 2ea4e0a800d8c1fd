/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "identity/record.h"

/* Links whose rows were corrected away.
 *
 * A pair of identifiers is supported by every persona that holds both and is anchored at one of
 * them. Personas are asked for the first of their rows that stand; what a pair says from before the
 * first of all these counts as never made from the correction on, and is made anew at that first
 * row, if there is one. */

enum status unsupport_add(struct identity *identity, const struct unsupport *unsupport) {
    uint32_t a = unsupport->a, b = unsupport->b, from = smaller_end(identity, a, b);
    struct record_entry entry = {.tag = ENTRY_UNSUPPORT, .unsupport = *unsupport};
    enum status status = memory_grow((void **)&identity->gone_ms, &identity->gone_capacity,
                                     identity->gone_count + 1, sizeof(*identity->gone_ms));
    if (!status)
        status = undo_reserve(identity, 2 * (size_t)LOAD(node_at(identity, from)->degree) + 2);
    if (!status) status = record_add(identity, &entry);
    if (!status) status = seed_add(identity, a);
    if (!status) status = seed_add(identity, b);
    if (status) return status;
    identity->gone_ms[identity->gone_count++] = unsupport->gone_ms;
    if (unsupport->gone_ms > identity->known_ms) identity->known_ms = unsupport->gone_ms;
    flag_node(identity, a);
    flag_node(identity, b);
    for (uint32_t at = LOAD(node_at(identity, from)->links); at;) {
        uint32_t link_id = at - 1;
        struct link *link = link_at(identity, link_id);
        at = LOAD(*link_next(link, from));
        if (link_other(link, from) != (from == a ? b : a) || link->flags || LOAD(link->gone))
            continue;
        if (link->known_ms >= unsupport->before_ms) continue;
        if (link_id >= identity->first_link) continue; /* of this very frame */
        keep_set(identity, &link->gone, (uint32_t)identity->gone_count);
        keep_set(identity, &link->state, LOAD(link->state) | LINK_STATE_JOINED);
    }
    return STATUS_OK;
}

/* ---- whose support is in question ---- */

struct pair {
    uint32_t a, b; /* a < b */
    int64_t gone_ms;
    int64_t first_ms; /* of the rows that stand; INT64_MAX: none does */
};
struct pairs {
    struct pair *items;
    size_t count, capacity;
};

static int compare_pairs(const void *left, const void *right) {
    const struct pair *a = left, *b = right;
    if (a->a != b->a) return a->a < b->a ? -1 : 1;
    if (a->b != b->b) return a->b < b->b ? -1 : 1;
    return (a->gone_ms > b->gone_ms) - (a->gone_ms < b->gone_ms);
}

static struct pair pair_of(uint32_t a, uint32_t b) {
    return (struct pair){a < b ? a : b, a < b ? b : a, 0, INT64_MAX};
}

static uint32_t persona_ids(const struct identity *identity, uint32_t persona,
                            uint32_t ids[EVENT_IDENTIFIERS_MAX]) {
    struct key key = key_table_key(&identity->personas, persona);
    uint32_t count = key.text.at ? key.text.length / (uint32_t)sizeof(*ids) : 0;
    if (count > EVENT_IDENTIFIERS_MAX) return 0;
    if (count) memcpy(ids, key.text.at, count * sizeof(*ids));
    return count;
}

static enum status pairs_add(struct identity *identity, struct pairs *pairs,
                             const struct identity_unsupported *item) {
    uint32_t persona = item->persona.value, ids[EVENT_IDENTIFIERS_MAX];
    if (persona >= key_table_count(&identity->personas)) return STATUS_OK;
    uint32_t anchor = LOAD(*anchor_at(identity, persona)),
             count = persona_ids(identity, persona, ids);
    enum status status = memory_grow((void **)&pairs->items, &pairs->capacity, pairs->count + count,
                                     sizeof(*pairs->items));
    for (uint32_t i = 0; !status && i < count; i++) {
        if (ids[i] == anchor) continue;
        struct pair pair = pair_of(anchor, ids[i]);
        pair.gone_ms = item->known_ms;
        pairs->items[pairs->count++] = pair;
    }
    return status;
}

/* Each pair once, from the earliest correction on. */
static void pairs_sort(struct pairs *pairs) {
    size_t kept = 0;
    if (pairs->count) qsort(pairs->items, pairs->count, sizeof(*pairs->items), compare_pairs);
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *before = kept > 0 ? &pairs->items[kept - 1] : NULL;
        if (before && before->a == pairs->items[i].a && before->b == pairs->items[i].b) continue;
        pairs->items[kept++] = pairs->items[i];
    }
    pairs->count = kept;
}

static struct pair *pairs_find(const struct pairs *pairs, struct pair wanted) {
    size_t low = 0, high = pairs->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct pair *pair = &pairs->items[middle];
        if (pair->a == wanted.a && pair->b == wanted.b) return pair;
        if (pair->a < wanted.a || (pair->a == wanted.a && pair->b < wanted.b))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- what still supports it ---- */

static enum status support_of(struct identity *identity, const struct pairs *pairs,
                              uint32_t persona, const struct identity_support *support) {
    uint32_t ids[EVENT_IDENTIFIERS_MAX], count = persona_ids(identity, persona, ids);
    uint32_t anchor = LOAD(*anchor_at(identity, persona));
    int64_t first_ms = 0;
    bool is_asked = false;
    for (uint32_t i = 0; i < count; i++) {
        struct pair *pair = ids[i] == anchor ? NULL : pairs_find(pairs, pair_of(anchor, ids[i]));
        if (!pair) continue;
        if (!is_asked) {
            enum status status =
                support->first_known(support->context, (struct persona_id){persona}, &first_ms);
            if (!status) status = undo_reserve(identity, 2);
            if (status) return status;
            /* The persona's next row makes its links again. */
            struct known_window *window = window_at(identity, persona);
            keep_set_wide(identity, &window->from_ms, 0);
            keep_set_wide(identity, &window->until_ms, 0);
            is_asked = true;
        }
        if (first_ms < pair->first_ms) pair->first_ms = first_ms;
    }
    return STATUS_OK;
}

static enum status support_at(struct identity *identity, const struct pairs *pairs, uint32_t anchor,
                              const struct identity_support *support) {
    enum status status = STATUS_OK;
    for (uint32_t at = LOAD(node_at(identity, anchor)->personas); !status && at;) {
        uint32_t persona = at - 1;
        at = LOAD(persona_at(identity, persona)->next);
        status = support_of(identity, pairs, persona, support);
    }
    return status;
}

/* Asks every persona that may support a pair, each anchor's once: the ends of a pair are many times
 * the same. */
static enum status ask_all(struct identity *identity, const struct pairs *pairs,
                           const struct identity_support *support) {
    enum status status = STATUS_OK;
    identity->stamp++;
    for (size_t i = 0; !status && i < 2 * pairs->count; i++) {
        uint32_t end = i % 2 ? pairs->items[i / 2].b : pairs->items[i / 2].a;
        if (mark_at(identity, end)->stamp == identity->stamp) continue;
        mark_at(identity, end)->stamp = identity->stamp;
        status = support_at(identity, pairs, end, support);
    }
    return status;
}

/* The oldest of the pair's links that count and stood before this frame; NULL. */
static const struct link *first_link(const struct identity *identity, const struct pair *pair) {
    const struct link *first = NULL;
    uint32_t from = smaller_end(identity, pair->a, pair->b),
             to = from == pair->a ? pair->b : pair->a;
    for (uint32_t at = LOAD(node_at(identity, from)->links); at;) {
        uint32_t link_id = at - 1;
        struct link *link = link_at(identity, link_id);
        at = LOAD(*link_next(link, from));
        if (link_id >= identity->first_link || link_other(link, from) != to) continue;
        if (!link->flags && !LOAD(link->gone)) first = link;
    }
    return first;
}

static enum status unsupport(struct identity *identity, const struct pair *pair) {
    const struct link *first = first_link(identity, pair);
    if (!first || pair->first_ms <= first->known_ms) return STATUS_OK;
    struct link anew = {.strong = first->strong,
                        .weak = first->weak,
                        .source = first->source,
                        .weight = first->weight,
                        .time_ms = pair->first_ms,
                        .known_ms = pair->first_ms,
                        .order = first->order};
    struct unsupport entry = {pair->a, pair->b, pair->gone_ms, pair->first_ms};
    enum status status = unsupport_add(identity, &entry);
    return status || pair->first_ms == INT64_MAX ? status : pending_add(identity, &anew);
}

static enum status withdraw_support(struct identity *identity,
                                    const struct identity_unsupported *items, size_t count,
                                    const struct identity_support *support, struct pairs *pairs) {
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < count; i++) status = pairs_add(identity, pairs, &items[i]);
    if (status) return status;
    pairs_sort(pairs);
    status = ask_all(identity, pairs, support);
    identity->pending_count = 0; /* those of the resolve are admitted */
    for (size_t i = 0; !status && i < pairs->count; i++) {
        struct pair *pair = &pairs->items[i];
        int64_t said_ms = waiting_first_ms(identity, pair->a, pair->b);
        if (said_ms < pair->first_ms) pair->first_ms = said_ms;
        status = unsupport(identity, pair);
    }
    return status ? status : judge_pending(identity);
}

enum status identity_withdraw_support(struct identity *identity,
                                      const struct identity_unsupported *items, size_t count,
                                      const struct identity_support *support,
                                      struct identity_result *result, struct error *error) {
    struct pairs pairs = {.count = 0};
    assert(identity->open);
    enum status status = withdraw_support(identity, items, count, support, &pairs);
    memory_free(pairs.items);
    if (status) return change_fail(identity, status, error);
    change_result(identity, result);
    return STATUS_OK;
}
