/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/checkpoint_check.h"

enum status checkpoint_parts_find(struct checkpoint_parts *parts, const struct image *image) {
    uint64_t heads, singles, nodes, anchors, rows, head;
#define FIND(items, tag, count)                                                                    \
    ((parts->items) = image_items(image, tag, sizeof(*parts->items), count))
    *parts = (struct checkpoint_parts){.head = NULL};
    if (!FIND(head, SECTION_HEAD, &head) || head != 1) return STATUS_VERSION;
    if (!FIND(eras, SECTION_ERAS, &parts->era_count)) return STATUS_VERSION;
    if (!FIND(heads, SECTION_HEADS, &heads)) return STATUS_VERSION;
    if (!FIND(nodes, SECTION_NODES, &nodes)) return STATUS_VERSION;
    if (!FIND(edges, SECTION_EDGES, &parts->edge_count)) return STATUS_VERSION;
    if (!FIND(singles, SECTION_SINGLES, &singles)) return STATUS_VERSION;
    if (!FIND(anchors, SECTION_ANCHORS, &anchors)) return STATUS_VERSION;
    if (!FIND(persona_rows, SECTION_PERSONA_ROWS, &rows)) return STATUS_VERSION;
    if (!FIND(links, SECTION_LINKS, &parts->link_count)) return STATUS_VERSION;
    if (!FIND(withdrawals, SECTION_WITHDRAWALS, &parts->withdrawal_count)) return STATUS_VERSION;
    if (!FIND(gone_ms, SECTION_GONE, &parts->gone_count)) return STATUS_VERSION;
    if (!FIND(waiting, SECTION_WAITING, &parts->waiting_count)) return STATUS_VERSION;
    if (!FIND(waiting_heads, SECTION_WAITING_HEADS, &parts->waiting_head_count))
        return STATUS_VERSION;
    if (!FIND(old_ids, SECTION_OLD_SPELLINGS, &parts->old_id_count)) return STATUS_VERSION;
    if (!FIND(marks, SECTION_MARKS, &parts->mark_count)) return STATUS_VERSION;
    if (!FIND(claim_heads, SECTION_CLAIM_HEADS, &parts->claim_head_count)) return STATUS_VERSION;
    if (!FIND(claims, SECTION_CLAIMS, &parts->claim_count)) return STATUS_VERSION;
    if (!FIND(claim_withdrawals, SECTION_CLAIM_WITHDRAWALS, &parts->claim_withdrawal_count))
        return STATUS_VERSION;
#undef FIND
    parts->id_count = nodes;
    parts->persona_count = rows;
    bool agree = heads == nodes && singles == nodes && anchors == rows && nodes < NONE &&
                 rows < NONE && parts->head->link_count == parts->link_count &&
                 parts->head->edge_count == parts->edge_count &&
                 parts->claim_head_count == (parts->claim_count > 0 ? nodes : 0) &&
                 parts->claim_count < NONE && parts->claim_withdrawal_count < NONE;
    return agree ? STATUS_OK : STATUS_CORRUPT;
}

static bool is_id_or_none(const struct checkpoint_parts *parts, uint32_t id) {
    return id < parts->id_count || id == NONE;
}

static bool eras_are_sound(const struct checkpoint_parts *parts) {
    if (parts->era_count == 0 || parts->era_count > UINT32_MAX) return false;
    for (uint64_t i = 0; i < parts->era_count; i++) {
        const struct checkpoint_era *era = &parts->eras[i];
        if (i > 0 && era->from_ms <= era[-1].from_ms) return false;
        for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++) {
            int64_t expires_ms = era->guards[type].expires_ms;
            if (expires_ms < 0 || expires_ms > EXPIRES_MAX_MS) return false;
        }
    }
    return true;
}

static bool link_is_erased(const struct link *link) {
    return LOAD(link->state) & LINK_STATE_ERASED;
}

/* The lists that begin at a node hold what is of that node. */
static bool nodes_are_sound(const struct checkpoint_parts *parts) {
    for (uint32_t i = 0; i < parts->id_count; i++) {
        const struct node *node = &parts->nodes[i];
        uint32_t children = LOAD(node->children), personas = LOAD(node->personas),
                 links = LOAD(node->links), head = LOAD(parts->heads[i]);
        if (node->type >= IDENTIFIER_TYPES_MAX || children > parts->edge_count ||
            personas > parts->persona_count || links > parts->link_count ||
            head > parts->edge_count || LOAD(parts->singles[i]) > parts->persona_count)
            return false;
        if (children && LOAD(parts->edges[children - 1].parent) != i) return false;
        if (head && LOAD(parts->edges[head - 1].child) != i) return false;
        if (!links) continue;
        const struct link *link = &parts->links[links - 1];
        if ((link->strong != i && link->weak != i) || link_is_erased(link)) return false;
    }
    return true;
}

/* `older` has the same child, `sibling` the same parent, and both come before. */
static bool edges_are_sound(const struct checkpoint_parts *parts) {
    for (uint32_t i = 0; i < parts->edge_count; i++) {
        const struct edge *edge = &parts->edges[i];
        uint32_t child = LOAD(edge->child), parent = LOAD(edge->parent), older = LOAD(edge->older),
                 sibling = LOAD(edge->sibling);
        if (child >= parts->id_count || (parent != NONE && parent >= child)) return false;
        if (older > i || sibling > i) return false;
        if (older && LOAD(parts->edges[older - 1].child) != child) return false;
        if (sibling && LOAD(parts->edges[sibling - 1].parent) != parent) return false;
    }
    return true;
}

/* The anchor is one of the persona's identifiers; one that was erased has neither. */
static bool persona_is_sound(const struct checkpoint_parts *parts, uint32_t anchor,
                             struct text key) {
    uint32_t ids[EVENT_IDENTIFIERS_MAX], count = key.length / (uint32_t)sizeof(*ids);
    bool has_anchor = false;
    if (!key.at) return anchor == NONE;
    if (key.length % sizeof(*ids) || key.length > sizeof(ids)) return false;
    memcpy(ids, key.at, key.length);
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] >= parts->id_count || (i > 0 && ids[i] <= ids[i - 1])) return false;
        has_anchor |= ids[i] == anchor;
    }
    return has_anchor;
}

static bool personas_are_sound(const struct checkpoint_parts *parts,
                               const struct identity *tables) {
    for (uint32_t i = 0; i < parts->persona_count; i++) {
        if (LOAD(parts->persona_rows[i].next) > i) return false;
        struct text key = key_table_key(&tables->personas, i).text;
        if (!persona_is_sound(parts, LOAD(parts->anchors[i]), key)) return false;
    }
    for (uint32_t i = 0; i < parts->id_count; i++) {
        uint32_t single = LOAD(parts->singles[i]);
        if (single && LOAD(parts->anchors[single - 1]) != i) return false;
    }
    return true;
}

/* The next link in the list of one end is older, and touches the same identifier. Of equal ones the
 * first stands first. An erased link is in no list. */
static bool next_is_sound(const struct checkpoint_parts *parts, const struct link *link,
                          uint32_t end, uint32_t next) {
    if (next > parts->link_count) return false;
    if (next == 0) return true;
    const struct link *older = &parts->links[next - 1];
    if ((older->strong != end && older->weak != end) || link_is_erased(older)) return false;
    int order = link_compare(older, link);
    return order < 0 || (order == 0 && older > link);
}

static bool links_are_sound(const struct checkpoint_parts *parts) {
    for (uint64_t i = 0; i < parts->link_count; i++) {
        const struct link *link = &parts->links[i];
        if (link->strong >= parts->id_count || link->weak >= parts->id_count ||
            link->strong == link->weak || LOAD(link->gone) > parts->gone_count)
            return false;
        if (link_is_erased(link)) continue;
        if (!next_is_sound(parts, link, link->strong, LOAD(link->next_strong)) ||
            !next_is_sound(parts, link, link->weak, LOAD(link->next_weak)))
            return false;
    }
    return true;
}

/* A list of claims goes on to older ones of the same end, and so comes to an end. */
static bool claim_next_is_sound(const struct checkpoint_parts *parts, uint64_t i, uint32_t end,
                                uint32_t next) {
    if (next > i) return false;
    const struct claim *older = next ? &parts->claims[next - 1] : NULL;
    return !older || older->device == end || older->target == end;
}

static bool claims_are_sound(const struct checkpoint_parts *parts) {
    for (uint64_t i = 0; i < parts->claim_head_count; i++) {
        uint32_t head = LOAD(parts->claim_heads[i]);
        if (head > parts->claim_count) return false;
        const struct claim *claim = head ? &parts->claims[head - 1] : NULL;
        if (claim && claim->device != i && claim->target != i) return false;
    }
    for (uint64_t i = 0; i < parts->claim_count; i++) {
        const struct claim *claim = &parts->claims[i];
        if (claim->device >= parts->id_count || claim->target >= parts->id_count ||
            claim->device == claim->target ||
            LOAD(claim->withdrawals) > parts->claim_withdrawal_count ||
            !claim_next_is_sound(parts, i, claim->device, LOAD(claim->next_of_device)) ||
            !claim_next_is_sound(parts, i, claim->target, LOAD(claim->next_of_target)))
            return false;
    }
    for (uint64_t i = 0; i < parts->claim_withdrawal_count; i++) {
        const struct claim_withdrawal *version = &parts->claim_withdrawals[i];
        if (version->older > i || version->claim >= parts->claim_count) return false;
    }
    return true;
}

static bool lists_are_sound(const struct checkpoint_parts *parts, const struct identity *tables) {
    for (uint64_t i = 0; i < parts->withdrawal_count; i++) {
        const struct checkpoint_withdrawal *withdrawal = &parts->withdrawals[i];
        if (withdrawal->a >= withdrawal->b || withdrawal->b >= parts->id_count) return false;
    }
    uint32_t keys = key_table_count(&tables->waiting_keys);
    if (parts->waiting_head_count != keys || parts->waiting_count >= NONE) return false;
    for (uint64_t i = 0; i < keys; i++)
        if (parts->waiting_heads[i] > parts->waiting_count) return false;
    for (uint64_t i = 0; i < parts->waiting_count; i++) {
        const struct checkpoint_waiting *name = &parts->waiting[i];
        if (name->key >= keys || name->older > i || !is_id_or_none(parts, name->anchor))
            return false;
    }
    for (uint64_t i = 0; i < parts->old_id_count; i++)
        if (parts->old_ids[i] >= parts->id_count) return false;
    return true;
}

/* A search for a mark ends at a free slot. */
static bool marks_are_sound(const struct checkpoint_parts *parts) {
    uint64_t used = 0;
    if (parts->mark_count & (parts->mark_count - 1)) return false;
    for (uint64_t i = 0; i < parts->mark_count; i++) used += parts->marks[i] != 0;
    return parts->mark_count == 0 || used < parts->mark_count;
}

enum status checkpoint_parts_check(const struct checkpoint_parts *parts,
                                   const struct identity *tables) {
    bool sound = key_table_count(&tables->identifiers) == parts->id_count &&
                 key_table_count(&tables->personas) == parts->persona_count &&
                 parts->head->visible_personas <= parts->persona_count && eras_are_sound(parts) &&
                 nodes_are_sound(parts) && edges_are_sound(parts) &&
                 personas_are_sound(parts, tables) && links_are_sound(parts) &&
                 lists_are_sound(parts, tables) && marks_are_sound(parts) &&
                 claims_are_sound(parts);
    return sound ? STATUS_OK : STATUS_CORRUPT;
}
