/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity_internal.h"

/* Sums up what a large component holds. Walking 100,000 identifiers for each new link would make
 * loading them quadratic. Only the applier's present state is summed up. Whatever changes it, other
 * than a link in order, drops all summaries; the next link sums up again. */

#define SUMMARY_SLOTS 512 /* a power of two */

static const struct view view_now = {INT64_MAX, UINT64_MAX, INT64_MAX, UINT64_MAX};

static struct summary **slot_of(struct identity *identity, uint32_t root) {
    size_t at = (size_t)hash_u64(root) & (SUMMARY_SLOTS - 1);
    while (identity->summaries[at] && identity->summaries[at]->root != root)
        at = (at + 1) & (SUMMARY_SLOTS - 1);
    return &identity->summaries[at];
}

struct summary *summary_find(struct identity *identity, uint32_t root) {
    return identity->summary_count > 0 ? *slot_of(identity, root) : NULL;
}

void summaries_clear(struct identity *identity) {
    for (size_t i = 0; identity->summary_count > 0 && i < SUMMARY_SLOTS; i++) {
        if (!identity->summaries[i]) continue;
        memory_free(identity->summaries[i]);
        identity->summaries[i] = NULL;
        identity->summary_count--;
    }
}

static void add_newest(const struct identity *identity, struct summary *summary, uint32_t link_id) {
    if (link_id == NONE) return;
    bool is_newer = summary->newest == NONE || link_compare(link_at(identity, link_id),
                                                            link_at(identity, summary->newest)) > 0;
    if (is_newer) summary->newest = link_id;
}

static void add_component(const struct identity *identity, struct summary *summary, uint32_t root) {
    for (uint32_t id = root; id != NONE; id = forest_next(&identity->forest, root, id, &view_now)) {
        const struct node *node = node_at(identity, id);
        summary->counts[identifier_type(identity, id)]++;
        summary->flags |= LOAD(node->flags);
        add_newest(identity, summary, LOAD(node->links) - 1);
    }
}

/* Returns NULL without memory: a summary only saves time. */
struct summary *summary_add(struct identity *identity, uint32_t root) {
    if (2 * (identity->summary_count + 1) > SUMMARY_SLOTS) summaries_clear(identity);
    if (!identity->summaries)
        identity->summaries = memory_calloc(SUMMARY_SLOTS, sizeof(struct summary *));
    struct summary *summary = identity->summaries ? memory_calloc(1, sizeof(*summary)) : NULL;
    if (!summary) return NULL;
    summary->root = root;
    summary->newest = NONE;
    add_component(identity, summary, root);
    *slot_of(identity, root) = summary;
    identity->summary_count++;
    return summary;
}

/* Before `high` is joined to `low`. An entry can't leave open addressing alone, so where both are
 * summed up the lower one takes all, and the other stays under a root that is none any more. */
void summary_join(struct identity *identity, uint32_t low, uint32_t high) {
    struct summary *to = summary_find(identity, low), *from = summary_find(identity, high);
    if (!to && !from) return;
    if (!to) to = summary_add(identity, low); /* may drop all */
    if (!to) {
        summaries_clear(identity);
        return;
    }
    from = summary_find(identity, high);
    if (!from) {
        add_component(identity, to, high);
        return;
    }
    for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++)
        to->counts[type] += from->counts[type];
    to->flags |= from->flags;
    add_newest(identity, to, from->newest);
}

void summary_note_link(struct identity *identity, uint32_t link_id) {
    if (identity->summary_count == 0) return;
    const struct link *link = link_at(identity, link_id);
    uint32_t ends[2] = {link->strong, link->weak};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t root = forest_root(&identity->forest, ends[i], &view_now);
        struct summary *summary = summary_find(identity, root);
        if (summary) add_newest(identity, summary, link_id);
    }
}
